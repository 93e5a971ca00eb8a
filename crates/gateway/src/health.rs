//! `/health/live`, `/health/ready` and `/metrics`.
//!
//! Live says that the process answers; ready says that ingest accepts and pages answer. They differ while draining.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use pulseboard_journal::{LogHealth, LogIncident};
use pulseboard_live::ExplainRunning;
use pulseboard_protocol::http::ReadyAnswer;

use pulseboard_runtime::Shutdown;

use crate::auth::Caller;
use crate::connections::Connections;
use crate::deps::Deps;
use crate::error::HttpError;
use crate::tls::Tls;

/// How often metrics are brought together.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// How long an event took to become durable (`journal`), from accepted to live answers (`engine`) and to a reader (`frame`).
const LATENCY: &str = "pulseboard_latency_seconds";

/// From a quarter of a millisecond to ten seconds.
const BUCKETS_SECONDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.5, 10.0];

/// The state of health.
#[derive(Debug, Clone)]
pub struct Health {
    started: Instant,
    draining: Arc<AtomicBool>,
    metrics: PrometheusHandle,
}

impl Health {
    /// From now on; metrics recorded by the `metrics` macros are collected from the first of these in a process on.
    #[must_use]
    pub fn start() -> Self {
        let latencies = Matcher::Full(LATENCY.to_owned());
        // Fails for no buckets only.
        let builder = PrometheusBuilder::new().set_buckets_for_metric(latencies, &BUCKETS_SECONDS);
        let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
        let metrics = recorder.handle();
        // A second server in one process (tests) leaves the first one's recorder in place.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("metrics are already recorded elsewhere");
        }
        Self { started: Instant::now(), draining: Arc::default(), metrics }
    }

    /// Brings the histograms together now and then; without it every sample would be kept until somebody asks.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.wait() => return,
                () = tokio::time::sleep(UPKEEP_EVERY) => self.metrics.run_upkeep(),
            }
        }
    }

    /// From now on not ready: connections are being closed.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// How long the server has run.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the server is ending.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}

/// `GET /health/live`.
pub(crate) async fn get_live() -> &'static str {
    "live\n"
}

/// `GET /health/ready`.
pub(crate) async fn get_ready(State((deps, health)): State<(Deps, Health)>) -> Response {
    let log_health = deps.log.health();
    let status = if health.is_draining() {
        "draining"
    } else if log_health == LogHealth::Writable {
        "ready"
    } else {
        "log_unavailable"
    };
    let (latency_avg_ms, latency_p99_ms) = deps.figures.latencies_ms();
    let answer = ReadyAnswer {
        status,
        messages: deps.figures.events(),
        errors: deps.figures.errors(),
        latency_avg_ms,
        latency_p99_ms,
        uptime_ms: u64::try_from(health.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        log: log_note(log_health, deps.log.incident()),
        position: deps.log.head().to_string(),
        live_position: deps.engine.watch_position().borrow().to_string(),
        problems: deps.log.problems().into_iter().chain(problems_of_files(&deps)).collect(),
    };
    let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(answer)).into_response()
}

/// What is wrong with the files of boards, views and the certificate.
fn problems_of_files(deps: &Deps) -> Vec<String> {
    let certificate = deps.config.tls.as_ref().and_then(Tls::problem);
    deps.catalog.names().problems().iter().chain(&certificate).map(ToString::to_string).collect()
}

/// What an operator must know of the log.
fn log_note(health: LogHealth, incident: Option<LogIncident>) -> Option<String> {
    match (health, incident) {
        (LogHealth::Broken { reason }, _) => Some(reason),
        (LogHealth::Full, _) => Some("no space left on the data directory's disk".to_owned()),
        (_, Some(LogIncident { segment, at, reason, count })) => Some(format!(
            "a write to segment `{segment}` failed at {at} ({reason}): it was closed for ever, verified, and writing went on \
             in a new one; {count} since the start"
        )),
        (_, None) => None,
    }
}

/// `GET /metrics`.
pub(crate) async fn get_metrics(
    State((deps, health, connections)): State<(Deps, Health, Connections)>,
    caller: Caller,
) -> Response {
    if let Err(error) = caller.may_see_system(&deps.catalog) {
        return HttpError(error).into_response();
    }
    connections.figures().tell(&connections.limits(), &deps.hub);
    for info in deps.log.streams() {
        let stream = info.name.to_string();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let (events, rejected, bytes) = (info.events as f64, info.rejected as f64, info.bytes as f64);
        metrics::gauge!("pulseboard_stream_events", "stream" => stream.clone()).set(events);
        metrics::gauge!("pulseboard_stream_rejected_rows", "stream" => stream.clone()).set(rejected);
        metrics::gauge!("pulseboard_stream_bytes", "stream" => stream).set(bytes);
    }
    let names = deps.catalog.names();
    let running: Vec<_> = names.running().map(|(view, running)| (view.name.to_string(), running.id())).collect();
    let (engine, ids) = (deps.engine.clone(), running.iter().map(|(_, id)| *id).collect());
    // They come from the engine's thread. One that is too busy to answer leaves the last ones in place.
    let figures = tokio::task::spawn_blocking(move || engine.figures_of(ids)).await.unwrap_or_default();
    for ((view, _), figures) in running.into_iter().zip(figures) {
        if let Some(figures) = figures {
            tell_view(view, &figures);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    let closed = deps.log.incident().map_or(0, |incident| incident.count) as f64;
    metrics::gauge!("pulseboard_log_segments_closed").set(closed);
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let queries = deps.engine.queries_running() as f64;
    metrics::gauge!("pulseboard_queries_running").set(queries);
    metrics::gauge!("pulseboard_uptime_seconds").set(health.started.elapsed().as_secs_f64());
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], health.metrics.render()).into_response()
}

/// The figures of a named view; ad-hoc queries have none here, so that the number of series is bounded.
fn tell_view(view: String, figures: &ExplainRunning) {
    let late_rows = metrics::counter!("pulseboard_view_late_rows_total", "view" => view.clone());
    late_rows.absolute(figures.late_rows);
    metrics::counter!("pulseboard_view_events_total", "view" => view.clone()).absolute(figures.events);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    let (truncated, groups, bytes) = (figures.truncated_rows as f64, figures.groups as f64, figures.state_bytes as f64);
    metrics::gauge!("pulseboard_view_truncated_rows", "view" => view.clone()).set(truncated);
    metrics::gauge!("pulseboard_view_groups", "view" => view.clone()).set(groups);
    metrics::gauge!("pulseboard_view_state_bytes", "view" => view.clone()).set(bytes);
    // A sum that only grows; the recorder's counters are whole numbers, so seconds are told as a gauge.
    metrics::gauge!("pulseboard_view_step_seconds_sum", "view" => view).set(figures.step_time.as_secs_f64());
}

/// Measures every request to the API.
pub(crate) async fn measure(State(deps): State<Deps>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    // A request that asked to wait says nothing about how fast the server is.
    let waits = request.uri().query().is_some_and(|query| query.contains("wait="));
    let response = next.run(request).await;
    let refused = [StatusCode::NOT_IMPLEMENTED, StatusCode::GATEWAY_TIMEOUT];
    let our_fault = response.status().is_server_error() && !refused.contains(&response.status());
    deps.figures.answered((!waits).then(|| started.elapsed()), our_fault);
    let status = response.status().as_u16().to_string();
    metrics::counter!("pulseboard_http_requests_total", "status" => status).increment(1);
    if !waits {
        metrics::histogram!("pulseboard_http_request_seconds").record(started.elapsed().as_secs_f64());
    }
    response
}
