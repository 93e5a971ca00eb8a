//! What is counted of connections that follow channels, by transport, for `/metrics` and for the `system` channel.
//!
//! Counting is an addition to a number; the exporter reads the numbers when somebody asks for them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pulseboard_hub::Hub;
use tokio::time::Instant;

use crate::admission::{ConnectionLimits, Refused};
use crate::figures::Latencies;

/// How frames travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    LongPoll,
    Poll,
    SocketIo,
}

impl Transport {
    pub(crate) const ALL: [Self; 5] = [Self::WebSocket, Self::Sse, Self::LongPoll, Self::Poll, Self::SocketIo];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::LongPoll => "long_poll",
            Self::Poll => "poll",
            Self::SocketIo => "socketio",
        }
    }
}

/// The counters of one transport.
#[derive(Debug, Default)]
pub(crate) struct TransportFigures {
    open: AtomicU64,
    opened: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl TransportFigures {
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Open now, and since the start: opened, frames, bytes.
    pub(crate) fn read(&self) -> (u64, u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.open), read(&self.opened), read(&self.frames), read(&self.bytes))
    }
}

/// How long the server's own figures are written after the last one who followed them has left: longer than the slowest
/// pollers stay away.
const SYSTEM_LINGER: Duration = Duration::from_secs(90);

/// Who follows the server's own figures.
#[derive(Debug, Default)]
struct SystemFollowers {
    open: usize,
    left_at: Option<Instant>,
}

/// All counters.
#[derive(Debug, Default)]
pub(crate) struct LiveFigures {
    transports: [TransportFigures; Transport::ALL.len()],
    subscriptions: AtomicI64,
    system: Mutex<SystemFollowers>,
    refused: [AtomicU64; Refused::ALL.len()],
    latencies: Mutex<Latencies>,
}

impl LiveFigures {
    pub(crate) fn of(&self, transport: Transport) -> &TransportFigures {
        &self.transports[transport as usize]
    }

    /// A connection followed so many subscriptions and follows so many now.
    pub(crate) fn follows(&self, before: usize, now: usize) {
        let signed = |count: usize| i64::try_from(count).unwrap_or(0);
        self.subscriptions.fetch_add(signed(now) - signed(before), Ordering::Relaxed);
    }

    /// A connection begins to follow the server's own figures.
    pub(crate) fn follows_system(&self) {
        self.system.lock().open += 1;
    }

    /// It follows them no more.
    pub(crate) fn leaves_system(&self) {
        let mut system = self.system.lock();
        system.open -= 1;
        system.left_at = Some(Instant::now());
    }

    /// Whether somebody follows them, or did a moment ago.
    pub(crate) fn system_is_followed(&self) -> bool {
        let system = self.system.lock();
        system.open > 0 || system.left_at.is_some_and(|at| at.elapsed() < SYSTEM_LINGER)
    }

    /// Subscriptions that are open.
    pub(crate) fn subscriptions(&self) -> i64 {
        self.subscriptions.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self, refused: Refused) {
        self.refused[refused as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Connections refused since the start.
    pub(crate) fn refusals(&self) -> u64 {
        self.refused.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// The first reader of a frame has it, so long after its newest event was accepted.
    pub(crate) fn delivered(&self, took: Duration) {
        metrics::histogram!("pulseboard_latency_seconds", "stage" => "frame").record(took.as_secs_f64());
        self.latencies.lock().add(took);
    }

    /// Mean, median and 99th percentile from accepted to delivered, of the last frames, in ms.
    pub(crate) fn latencies_ms(&self) -> (f64, f64, f64) {
        self.latencies.lock().clone().summary_ms()
    }

    /// Hands everything to the exporter.
    pub(crate) fn tell(&self, limits: &ConnectionLimits, hub: &Hub) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let gauge = |number: u64| number as f64;
        for transport in Transport::ALL {
            let (name, (open, opened, frames, bytes)) = (transport.as_str(), self.of(transport).read());
            metrics::gauge!("pulseboard_connections", "transport" => name).set(gauge(open));
            metrics::counter!("pulseboard_connections_opened_total", "transport" => name).absolute(opened);
            metrics::counter!("pulseboard_frames_total", "transport" => name).absolute(frames);
            metrics::counter!("pulseboard_frame_bytes_total", "transport" => name).absolute(bytes);
        }
        for refused in Refused::ALL {
            let count = self.refused[refused as usize].load(Ordering::Relaxed);
            metrics::counter!("pulseboard_connections_refused_total", "limit" => refused.as_str()).absolute(count);
        }
        let limit = |name: &'static str, number: u64| {
            metrics::gauge!("pulseboard_connections_max", "limit" => name).set(gauge(number));
        };
        limit("total", limits.total_max as u64);
        limit("address", limits.per_address_max as u64);
        limit("token", limits.per_token_max as u64);
        limit("rate", u64::from(limits.per_second_max));
        metrics::gauge!("pulseboard_subscriptions").set(gauge(u64::try_from(self.subscriptions()).unwrap_or(0)));
        let of_hub = hub.figures();
        metrics::counter!("pulseboard_resumes_total").absolute(of_hub.resumes);
        metrics::counter!("pulseboard_conflated_total").absolute(of_hub.conflated);
        metrics::counter!("pulseboard_snapshots_written_total").absolute(of_hub.snapshots);
        metrics::counter!("pulseboard_tail_log_reads_total").absolute(of_hub.log_reads);
        for (reason, count) in of_hub.resets {
            metrics::counter!("pulseboard_resets_total", "reason" => reason.as_str()).absolute(count);
        }
    }
}
