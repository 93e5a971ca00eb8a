//! Comparing what a reader holds, what a view says and what a batch query answers.

use pulseboard_protocol::replica::ReplicaChannel;
use serde_json::Value;

use super::api::Api;

/// Rows as texts, so that they can be sorted and shown.
pub(crate) fn lines(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap_or_else(|| panic!("no rows: {rows}")).iter().map(ToString::to_string).collect()
}

/// Rows as sorted texts, for answers without an order.
pub(crate) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

/// What a reader holds of a view, in its order if it has one.
pub(crate) fn held(channel: &ReplicaChannel) -> Vec<String> {
    let line = |key: &String| {
        let row = &channel.rows[key];
        Value::from(channel.columns.iter().map(|column| row[column].clone()).collect::<Vec<_>>()).to_string()
    };
    match &channel.order {
        Some(order) => order.iter().map(line).collect(),
        None => sorted(channel.rows.keys().map(line).collect()),
    }
}

/// Says that a view's answer is that of the batch query at the same position.
pub(crate) async fn assert_view_is_batch(api: &Api, sql: &str, view: &Value) {
    let at = view["position"].as_str().unwrap();
    let batch = api.query_at(sql, at).await;
    assert_eq!(sorted(lines(&view["rows"])), sorted(lines(&batch["rows"])), "`{sql}` at {at}");
}

/// Says that rows are the same but for floats, which may differ in their last bits.
pub(crate) fn assert_near(held: &[String], batch: &[String], what: &str) {
    let read = |lines: &[String]| -> Vec<Vec<Value>> {
        let mut rows: Vec<Vec<Value>> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let exact =
            |row: &Vec<Value>| row.iter().filter(|cell| !cell.is_f64()).map(ToString::to_string).collect::<Vec<_>>();
        rows.sort_by_key(exact);
        rows
    };
    let (held, batch) = (read(held), read(batch));
    let near = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => a == b,
    };
    let same = held.len() == batch.len()
        && held.iter().zip(&batch).all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b)));
    assert!(same, "{what}: held {held:?}\nbatch {batch:?}");
}
