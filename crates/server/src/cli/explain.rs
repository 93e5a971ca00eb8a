//! `pulseboard explain`: how the running server answers, or would answer, a query.

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
        out += &format!(
            "running: {} groups or rows, {} bytes of state, {} events, {} ns per event\n",
            figure("groups"),
            figure("state_bytes"),
            figure("events"),
            figure("cost_per_event_ns")
        );
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
