//! The parts of a change: columns, snapshot, delta, state and reset, written as JSON members.
//!
//! Each function appends one member (`"delta":{…}`) without a comma around it, so that the hub can encode a part once
//! and join it into many frames. What the numbers mean is the contract's; this only writes it.

use pulseboard_model::delta::ColumnSet;
use pulseboard_model::{Column, Delta, ResetReason, RowKey, Snapshot, ViewState};

use crate::value::{write_cell, write_plain_int, write_str};

/// Appends `items` between commas.
fn write_list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
}

fn write_keys<'a>(out: &mut Vec<u8>, name: &str, keys: impl IntoIterator<Item = &'a RowKey>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":[");
    write_list(out, keys, |out, key| write_str(out, key.as_str()));
    out.push(b']');
}

/// Appends `"columns":[{"name":…,"type":…,"key":true}]`; `key` is left out where it is false.
pub fn write_columns(out: &mut Vec<u8>, columns: &[Column]) {
    out.extend_from_slice(b"\"columns\":[");
    write_list(out, columns, |out, column| {
        out.extend_from_slice(b"{\"name\":");
        write_str(out, &column.name);
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(column.column_type.to_string().as_bytes());
        out.extend_from_slice(if column.key { b"\",\"key\":true}" } else { b"\"}" });
    });
    out.push(b']');
}

/// Appends `[…]`: the cells of one row.
pub fn write_row(out: &mut Vec<u8>, row: &[pulseboard_model::Cell]) {
    out.push(b'[');
    write_list(out, row, write_cell);
    out.push(b']');
}

/// Appends the members of a snapshot, `"columns":…,"keys":…,"rows":…` and `"order":…` if there is one, without braces.
pub fn write_snapshot_members(out: &mut Vec<u8>, snapshot: &Snapshot) {
    write_columns(out, &snapshot.columns);
    out.push(b',');
    write_keys(out, "keys", snapshot.ordered_rows().map(|(key, _)| key));
    out.extend_from_slice(b",\"rows\":[");
    write_list(out, snapshot.ordered_rows(), |out, (_, row)| write_row(out, row));
    out.push(b']');
    if let Some(order) = &snapshot.order {
        out.push(b',');
        write_keys(out, "order", order);
    }
}

/// A whole answer as members of a first change and, where that would have more than about `page_bytes`, of those that follow
/// it: `"snapshot":{…}` with the first rows, then `"delta":{"set":…}` with others, the last one with the order.
#[must_use]
pub fn write_snapshot_pages(snapshot: &Snapshot, page_bytes: usize) -> Vec<Vec<u8>> {
    let mut rows = snapshot.ordered_rows().peekable();
    let (mut keys, mut cells) = (Vec::new(), Vec::new());
    while keys.len() + cells.len() < page_bytes
        && let Some((key, row)) = rows.next()
    {
        if !keys.is_empty() {
            keys.push(b',');
            cells.push(b',');
        }
        write_str(&mut keys, key.as_str());
        write_row(&mut cells, row);
    }
    let mut first = b"\"snapshot\":{".to_vec();
    write_columns(&mut first, &snapshot.columns);
    for (name, list) in [("keys", keys), ("rows", cells)] {
        first.extend_from_slice(format!(",\"{name}\":[").as_bytes());
        first.extend_from_slice(&list);
        first.push(b']');
    }
    let write_order = |out: &mut Vec<u8>| {
        if let Some(order) = &snapshot.order {
            out.push(b',');
            write_keys(out, "order", order);
        }
    };
    if rows.peek().is_none() {
        write_order(&mut first);
    }
    first.push(b'}');
    let mut pages = vec![first];
    while rows.peek().is_some() {
        let mut page = b"\"delta\":{\"set\":{".to_vec();
        let start = page.len();
        while page.len() < page_bytes.max(start + 1)
            && let Some((key, row)) = rows.next()
        {
            if page.len() > start {
                page.push(b',');
            }
            write_str(&mut page, key.as_str());
            page.extend_from_slice(b":{");
            write_list(&mut page, snapshot.columns.iter().zip(row.iter()), |out, (column, cell)| {
                write_str(out, &column.name);
                out.push(b':');
                write_cell(out, cell);
            });
            page.push(b'}');
        }
        page.extend_from_slice(b"},\"del\":[]");
        // Not before: an order names all rows.
        if rows.peek().is_none() {
            write_order(&mut page);
        }
        page.push(b'}');
        pages.push(page);
    }
    pages
}

/// Appends `"snapshot":{…}`.
pub fn write_snapshot(out: &mut Vec<u8>, snapshot: &Snapshot) {
    out.extend_from_slice(b"\"snapshot\":{");
    write_snapshot_members(out, snapshot);
    out.push(b'}');
}

/// Appends `"delta":{"set":{key:{column:value}},"del":[…],"order":[…]}` with only the changed columns of each row.
/// `columns` are those of the result the delta belongs to.
pub fn write_delta(out: &mut Vec<u8>, columns: &[Column], delta: &Delta) {
    out.extend_from_slice(b"\"delta\":{\"set\":{");
    write_list(out, &delta.set, |out, change| {
        write_str(out, change.key.as_str());
        out.extend_from_slice(b":{");
        let cells = columns.iter().zip(change.row.iter()).enumerate();
        let changed = cells.filter(|(i, _)| match &change.changed {
            ColumnSet::All => true,
            mask @ ColumnSet::Mask(_) => mask.contains(*i),
        });
        write_list(out, changed, |out, (_, (column, cell))| {
            write_str(out, &column.name);
            out.push(b':');
            write_cell(out, cell);
        });
        out.push(b'}');
    });
    out.extend_from_slice(b"},");
    write_keys(out, "del", &delta.del);
    if let Some(order) = &delta.order {
        out.push(b',');
        write_keys(out, "order", order);
    }
    out.push(b'}');
}

/// Appends `"state":{…}`. What does not apply is left out.
pub fn write_state(out: &mut Vec<u8>, state: &ViewState) {
    out.extend_from_slice(b"\"state\":{\"status\":\"");
    out.extend_from_slice(state.status.as_str().as_bytes());
    out.extend_from_slice(b"\",\"mode\":\"");
    out.extend_from_slice(state.mode.as_str().as_bytes());
    out.push(b'"');
    if let Some(reason) = &state.reason {
        out.extend_from_slice(b",\"reason\":");
        write_str(out, reason);
    }
    for (name, time) in
        [("since", state.since), ("input_at", state.input_at), ("as_of", state.as_of.map(|position| position.clock))]
    {
        if let Some(time) = time {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            write_plain_int(out, time.0);
        }
    }
    if let Some(progress) = state.progress {
        let text = format!(",\"progress\":{{\"done\":{},\"total\":{}}}", progress.done, progress.total);
        out.extend_from_slice(text.as_bytes());
    }
    for (name, rows) in [("late_rows", state.late_rows), ("truncated_rows", state.truncated_rows)] {
        if rows > 0 {
            out.extend_from_slice(format!(",\"{name}\":{rows}").as_bytes());
        }
    }
    if !state.sources.is_empty() {
        out.extend_from_slice(b",\"sources\":[");
        write_list(out, &state.sources, |out, source| {
            out.extend_from_slice(b"{\"name\":");
            write_str(out, &source.name);
            out.extend_from_slice(b",\"reason\":");
            write_str(out, &source.reason);
            out.extend_from_slice(b",\"since\":");
            write_plain_int(out, source.since.0);
            out.push(b'}');
        });
        out.push(b']');
    }
    out.push(b'}');
}

/// Why a snapshot replaces what the reader holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reset {
    /// The reason.
    pub reason: ResetReason,
    /// For [`ResetReason::Skipped`]: how many items the reader missed.
    pub missed: Option<u64>,
}

impl From<ResetReason> for Reset {
    fn from(reason: ResetReason) -> Self {
        Self { reason, missed: None }
    }
}

/// Appends `"reset":"…"` and, if items were skipped, `"missed":n`.
pub fn write_reset(out: &mut Vec<u8>, reset: Reset) {
    out.extend_from_slice(b"\"reset\":\"");
    out.extend_from_slice(reset.reason.as_str().as_bytes());
    out.push(b'"');
    if let Some(missed) = reset.missed {
        out.extend_from_slice(format!(",\"missed\":{missed}").as_bytes());
    }
}

/// Appends a board's `"snapshot":{"definition_hash":…,"panels":{id:channel}}`.
pub fn write_board_snapshot<'a>(
    out: &mut Vec<u8>,
    definition_hash: &str,
    panels: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    out.extend_from_slice(b"\"snapshot\":{\"definition_hash\":");
    write_str(out, definition_hash);
    out.extend_from_slice(b",\"panels\":{");
    write_list(out, panels, |out, (id, channel)| {
        write_str(out, id);
        out.push(b':');
        write_str(out, channel);
    });
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use pulseboard_model::{Mode, SourceFault, Status, TimeUs};

    use super::*;

    #[test]
    fn a_state_names_only_what_there_is() {
        let written = |state: &ViewState| {
            let mut out = Vec::new();
            write_state(&mut out, state);
            String::from_utf8(out).expect("states are text")
        };
        let state = ViewState::new(Status::Live, Mode::Maintained);
        assert_eq!(written(&state), r#""state":{"status":"live","mode":"maintained"}"#);
        let state = ViewState { late_rows: 3, truncated_rows: 12, ..state };
        assert_eq!(
            written(&state),
            r#""state":{"status":"live","mode":"maintained","late_rows":3,"truncated_rows":12}"#
        );
        let fault = |name: &str| SourceFault { name: name.into(), reason: "no \"file\"".into(), since: TimeUs(7) };
        let state =
            ViewState { sources: vec![fault("a"), fault("b")], ..ViewState::new(Status::Partial, Mode::Maintained) };
        assert_eq!(
            written(&state),
            r#""state":{"status":"partial","mode":"maintained","sources":[{"name":"a","reason":"no \"file\"","since":7},{"name":"b","reason":"no \"file\"","since":7}]}"#
        );
    }
}
