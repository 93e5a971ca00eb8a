//! `pulseboard explain`: how the running server answers, or would answer, a query.

use pulseboard_model::limits::human_bytes;
use serde_json::Value;

use super::Failure;
use super::args::ExplainArgs;
use super::connect::find_server;
use super::out::print;
use super::query::question;

pub(super) async fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let server = find_server(&args.target)?;
    let answer = server.post("/api/v1/explain", &question(&args.sql, args.timezone, None)).await?;
    let mut out = String::new();
    out += &format!("{}\n", answer["mode"].as_str().unwrap_or("?"));
    let lines = |key: &str| -> Vec<String> {
        let values = answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for reason in lines("reasons") {
        out += &format!("  {reason}\n");
    }
    for warning in lines("warnings") {
        out += &format!("warning: {warning}\n");
    }
    if let Some(running) = answer["running"].as_object() {
        let figure = |key: &str| running.get(key).map(ToString::to_string).unwrap_or_default();
        let number = |key: &str| running.get(key).and_then(Value::as_f64).unwrap_or_default();
        let bytes = running.get("state_bytes").and_then(Value::as_u64).unwrap_or_default();
        out += &format!(
            "running: {}, {} groups or rows, {} of state, {} events, {} per event, {:.1} % of the engine's time\n",
            running.get("mode").and_then(Value::as_str).unwrap_or("?"),
            figure("groups"),
            human_bytes(usize::try_from(bytes).unwrap_or(usize::MAX)),
            figure("events"),
            per_event(number("cost_per_event_ns")),
            number("engine_percent"),
        );
        if let Some(reason) = running.get("reason").and_then(Value::as_str) {
            out += &format!("  {reason}\n");
        }
        for (key, what) in [("late_rows", "rows came too late"), ("truncated_rows", "rows refused by a limit")] {
            if figure(key) != "0" {
                out += &format!("  {} {what}\n", figure(key));
            }
        }
    }
    if let Some(plan) = answer["plan"].as_str() {
        out += &format!("\n{plan}\n");
    }
    print(&out).map(drop)
}

/// A mean cost as people read it.
fn per_event(ns: f64) -> String {
    if ns < 1_000.0 { format!("{ns:.0} ns") } else { format!("{:.1} µs", ns / 1_000.0) }
}
