//! The rows of a live query as frames leave them: what a client of the protocol holds, and what a frame changed.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::table::Heading;

/// The rows now.
#[derive(Debug, Default)]
pub(super) struct LiveAnswer {
    pub(super) headings: Vec<Heading>,
    rows: HashMap<String, Vec<Value>>,
    order: Vec<String>,
    /// Whether the query says in which order its rows stand.
    is_ordered: bool,
}

/// What one change did.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changed {
    /// The columns are new, as they are at first.
    pub(super) columns: bool,
    /// Rows that are new or differ, as they are now.
    pub(super) set: Vec<Vec<Value>>,
    /// Rows that went, as they were.
    pub(super) removed: Vec<Vec<Value>>,
    /// Whether there is anything to show again: rows, columns or only their order.
    pub(super) any: bool,
}

impl LiveAnswer {
    /// Applies a change of the protocol (its `snapshot` or `delta`).
    pub(super) fn apply(&mut self, change: &Value) -> Changed {
        if change["snapshot"]["columns"].is_array() {
            self.replace(&change["snapshot"])
        } else if change["delta"].is_object() {
            self.merge(&change["delta"])
        } else {
            Changed::default()
        }
    }

    /// All rows in their order; groups that have none by their grouping columns, as a query that is run once gives them.
    pub(super) fn rows(&self) -> Vec<Vec<Value>> {
        let mut rows: Vec<Vec<Value>> = self.order.iter().filter_map(|key| self.rows.get(key)).cloned().collect();
        self.sort(&mut rows);
        rows
    }

    fn sort(&self, rows: &mut [Vec<Value>]) {
        if self.is_ordered {
            return;
        }
        let keys: Vec<(usize, &Heading)> =
            self.headings.iter().enumerate().filter(|(_, heading)| heading.key).collect();
        rows.sort_by(|one, other| {
            let by = keys.iter().map(|(place, heading)| heading.compare(&one[*place], &other[*place]));
            by.fold(Ordering::Equal, Ordering::then)
        });
    }

    fn replace(&mut self, snapshot: &Value) -> Changed {
        let headings = Heading::read(&snapshot["columns"]);
        let mut changed = Changed { columns: headings != self.headings, any: true, ..Changed::default() };
        self.headings = headings;
        let keys = texts(&snapshot["keys"]);
        let rows = snapshot["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows = rows.iter().map(|row| row.as_array().cloned().unwrap_or_default());
        let mut before = std::mem::take(&mut self.rows);
        for (key, row) in keys.iter().zip(rows) {
            if before.remove(key).as_ref() != Some(&row) {
                changed.set.push(row.clone());
            }
            self.rows.insert(key.clone(), row);
        }
        let gone = self.order.iter().filter_map(|key| before.remove(key));
        changed.removed = gone.collect();
        self.is_ordered = snapshot["order"].is_array();
        self.order = if self.is_ordered { texts(&snapshot["order"]) } else { keys };
        self.sort(&mut changed.set);
        changed
    }

    fn merge(&mut self, delta: &Value) -> Changed {
        let mut changed = Changed::default();
        let gone: HashSet<String> = texts(&delta["del"]).into_iter().collect();
        changed.removed =
            self.order.iter().filter(|key| gone.contains(*key)).filter_map(|key| self.rows.remove(key)).collect();
        self.order.retain(|key| !gone.contains(key));
        for (key, cells) in delta["set"].as_object().into_iter().flatten() {
            let row = self.rows.entry(key.clone()).or_insert_with(|| {
                self.order.push(key.clone());
                vec![Value::Null; self.headings.len()]
            });
            for (cell, heading) in row.iter_mut().zip(&self.headings) {
                if let Some(value) = cells.get(&heading.name) {
                    *cell = value.clone();
                }
            }
            changed.set.push(row.clone());
        }
        let reordered = delta["order"].is_array();
        if reordered {
            self.order = texts(&delta["order"]);
        }
        changed.any = reordered || !changed.set.is_empty() || !changed.removed.is_empty();
        changed
    }
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn frames_leave_the_rows_that_a_client_would_hold() {
        let mut answer = LiveAnswer::default();
        let columns = json!([{"name": "kind", "type": "string"}, {"name": "n", "type": "int"}]);
        let first = answer.apply(&json!({"snapshot":
            {"columns": columns, "keys": ["a", "b"], "rows": [["a", 1], ["b", 2]], "order": ["b", "a"]}}));
        assert!(first.columns && first.any && first.removed.is_empty());
        assert_eq!(first.set, [vec![json!("a"), json!(1)], vec![json!("b"), json!(2)]]);
        assert_eq!(answer.rows(), [vec![json!("b"), json!(2)], vec![json!("a"), json!(1)]]);

        let delta = json!({"set": {"a": {"n": 5}, "c": {"kind": "c", "n": 1}}, "del": ["b"], "order": ["c", "a"]});
        let changed = answer.apply(&json!({"delta": delta}));
        assert!(!changed.columns && changed.any);
        assert_eq!(changed.set, [vec![json!("a"), json!(5)], vec![json!("c"), json!(1)]]);
        assert_eq!(changed.removed, [vec![json!("b"), json!(2)]]);
        assert_eq!(answer.rows(), [vec![json!("c"), json!(1)], vec![json!("a"), json!(5)]]);

        let groups = json!([{"name": "n", "type": "int", "key": true}, {"name": "c", "type": "int"}]);
        let mut unordered = LiveAnswer::default();
        let first = unordered.apply(&json!({"snapshot":
            {"columns": groups, "keys": ["10", "9", "x"], "rows": [[10, 1], [9, 2], [null, 3]]}}));
        let by_group = [[json!(9), json!(2)], [json!(10), json!(1)], [Value::Null, json!(3)]];
        assert_eq!(first.set, by_group);
        assert_eq!(unordered.rows(), by_group);

        let reset = answer.apply(&json!({"reset": "gap", "snapshot":
            {"columns": columns, "keys": ["a", "d"], "rows": [["a", 5], ["d", 9]]}}));
        assert_eq!((reset.set, reset.removed), (vec![vec![json!("d"), json!(9)]], vec![vec![json!("c"), json!(1)]]));
        assert_eq!(answer.apply(&json!({"state": {"status": "stale"}})), Changed::default());
    }
}
