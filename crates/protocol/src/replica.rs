//! A reference client: applies frames and holds what a reader would hold.
//!
//! Strict on purpose, so that tests and the load tool notice a server that breaks the rules: a partial row for an unknown
//! key, a delta without a snapshot or an order that does not fit its rows is an error here.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::pages::Pages;

/// Why a frame cannot be applied. Every one is a fault of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// A member is missing or of another type.
    #[error("not a frame: {0}")]
    Malformed(String),
    /// A delta for a channel of which nothing is held.
    #[error("a delta for `{0}` came before any snapshot")]
    DeltaFirst(String),
    /// A row appears in part.
    #[error("row `{key}` of `{channel}` is new but lacks column `{column}`")]
    PartialRow {
        /// Where.
        channel: String,
        /// Which row.
        key: String,
        /// The first column that is missing.
        column: String,
    },
    /// The order and the rows do not fit.
    #[error("the order of `{0}` does not name exactly its rows")]
    Order(String),
    /// An item of a tail came twice or out of its order.
    #[error("item {offset} of `{channel}` came after item {after}")]
    Item {
        /// Where.
        channel: String,
        /// Its offset.
        offset: i64,
        /// The offset of the item before it.
        after: i64,
    },
}

/// What a reader holds of one channel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReplicaChannel {
    /// Column names in their order; empty before the first snapshot.
    pub columns: Vec<String>,
    /// The rows of a view by key, each by column.
    pub rows: BTreeMap<String, Map<String, Value>>,
    /// The order of a view that has one.
    pub order: Option<Vec<String>>,
    /// The items of a tail, each a list of cells.
    pub items: Vec<Value>,
    /// The newest state.
    pub state: Option<Value>,
    /// A board's snapshot.
    pub board: Option<Value>,
    /// Every reset so far.
    pub resets: Vec<String>,
    /// How many items were reported as missed.
    pub missed: u64,
    /// Whether a snapshot has come.
    pub known: bool,
}

/// What a reader holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replica {
    /// The channels by name.
    pub channels: BTreeMap<String, ReplicaChannel>,
    /// The cursor of the last frame.
    pub cursor: Option<String>,
    /// How many frames were applied.
    pub frames: u64,
    /// Frames that are not whole yet.
    pages: Pages,
}

impl Replica {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the last frame is only a part: nothing of it is shown yet.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.pages.is_open()
    }

    /// Applies a frame; of several that belong together all, with the last one.
    ///
    /// # Errors
    /// [`ReplicaError`] when the frame breaks a rule; what is held is then undefined.
    pub fn apply(&mut self, frame: &Value) -> Result<(), ReplicaError> {
        let more = frame["more"] == true;
        if more && frame.get("cursor").is_some() {
            return Err(ReplicaError::Malformed("a cursor though more follows".to_owned()));
        }
        if !more && !self.pages.is_open() {
            return self.apply_whole(frame);
        }
        match self.pages.join(frame.clone()) {
            Some(whole) => self.apply_whole(&whole),
            None => Ok(()),
        }
    }

    fn apply_whole(&mut self, frame: &Value) -> Result<(), ReplicaError> {
        let malformed = |what: &str| ReplicaError::Malformed(what.to_owned());
        if frame["type"] != "frame" {
            return Err(malformed("its type is not `frame`"));
        }
        let cursor = frame["cursor"].as_str().ok_or_else(|| malformed("no cursor"))?;
        frame["position"].as_str().ok_or_else(|| malformed("no position"))?;
        frame["time"].as_i64().ok_or_else(|| malformed("no time"))?;
        let changes = frame["changes"].as_array().ok_or_else(|| malformed("no changes"))?;
        for change in changes {
            let name = change["channel"].as_str().ok_or_else(|| malformed("no channel"))?;
            self.channels.entry(name.to_owned()).or_default().apply(name, change)?;
        }
        self.cursor = Some(cursor.to_owned());
        self.frames += 1;
        Ok(())
    }
}

impl ReplicaChannel {
    fn apply(&mut self, name: &str, change: &Value) -> Result<(), ReplicaError> {
        if let Some(reset) = change["reset"].as_str() {
            self.resets.push(reset.to_owned());
            self.missed += change["missed"].as_u64().unwrap_or(0);
        }
        if let Some(state) = change.get("state") {
            self.state = Some(state.clone());
        }
        match (change.get("snapshot"), change.get("delta")) {
            (Some(_), Some(_)) => Err(ReplicaError::Malformed("both snapshot and delta".to_owned())),
            (Some(snapshot), None) => self.replace(name, snapshot),
            (None, Some(_)) if !self.known => Err(ReplicaError::DeltaFirst(name.to_owned())),
            (None, Some(delta)) if delta.get("append").is_some() => self.append(name, delta),
            (None, Some(delta)) => self.change(name, delta),
            (None, None) => Ok(()),
        }
    }

    fn replace(&mut self, name: &str, snapshot: &Value) -> Result<(), ReplicaError> {
        self.known = true;
        if snapshot.get("panels").is_some() {
            self.board = Some(snapshot.clone());
            return Ok(());
        }
        self.columns = column_names(&snapshot["columns"])?;
        let rows = list(snapshot, "rows")?;
        let Some(keys) = snapshot.get("keys") else {
            // A tail: what it held before stays on the screen, a reset leaves a gap in it.
            return self.take_items(name, rows);
        };
        let keys = texts(keys)?;
        if keys.len() != rows.len() {
            return Err(ReplicaError::Malformed("as many keys as rows".to_owned()));
        }
        self.rows.clear();
        for (key, row) in keys.into_iter().zip(rows) {
            let cells = row.as_array().filter(|cells| cells.len() == self.columns.len());
            let cells = cells.ok_or_else(|| ReplicaError::Malformed("as many cells as columns".to_owned()))?;
            self.rows.insert(key, self.columns.iter().cloned().zip(cells.iter().cloned()).collect());
        }
        self.order = snapshot.get("order").map(texts).transpose()?;
        self.check_order(name)
    }

    fn change(&mut self, name: &str, delta: &Value) -> Result<(), ReplicaError> {
        for key in texts(&delta["del"])? {
            self.rows.remove(&key);
        }
        let set = delta["set"].as_object().ok_or_else(|| ReplicaError::Malformed("no set".to_owned()))?;
        for (key, cells) in set {
            let cells = cells.as_object().ok_or_else(|| ReplicaError::Malformed("a row of set".to_owned()))?;
            if let Some(row) = self.rows.get_mut(key) {
                row.extend(cells.clone());
            } else if let Some(column) = self.columns.iter().find(|column| !cells.contains_key(*column)) {
                let (channel, key, column) = (name.to_owned(), key.clone(), column.clone());
                return Err(ReplicaError::PartialRow { channel, key, column });
            } else {
                self.rows.insert(key.clone(), cells.clone());
            }
        }
        if let Some(order) = delta.get("order") {
            self.order = Some(texts(order)?);
        }
        self.check_order(name)
    }

    fn append(&mut self, name: &str, delta: &Value) -> Result<(), ReplicaError> {
        if let Some(columns) = delta.get("columns") {
            self.columns = column_names(columns)?;
        }
        self.take_items(name, list(delta, "append")?)
    }

    fn take_items(&mut self, name: &str, items: &[Value]) -> Result<(), ReplicaError> {
        let offset = |item: &Value| item.as_array().and_then(|cells| cells.last()).and_then(Value::as_i64);
        for item in items {
            let (before, this) = (self.items.last().and_then(offset), offset(item));
            if let (Some(after), Some(offset)) = (before, this)
                && offset <= after
            {
                return Err(ReplicaError::Item { channel: name.to_owned(), offset, after });
            }
            self.items.push(item.clone());
        }
        Ok(())
    }

    fn check_order(&self, name: &str) -> Result<(), ReplicaError> {
        let Some(order) = &self.order else { return Ok(()) };
        let fits = order.len() == self.rows.len() && order.iter().all(|key| self.rows.contains_key(key));
        if fits { Ok(()) } else { Err(ReplicaError::Order(name.to_owned())) }
    }
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], ReplicaError> {
    value[name].as_array().map(Vec::as_slice).ok_or_else(|| ReplicaError::Malformed(format!("no {name}")))
}

fn texts(value: &Value) -> Result<Vec<String>, ReplicaError> {
    let texts = value.as_array().map(|list| list.iter().map(|text| text.as_str().map(str::to_owned)).collect());
    texts.flatten().ok_or_else(|| ReplicaError::Malformed("a list of texts".to_owned()))
}

fn column_names(value: &Value) -> Result<Vec<String>, ReplicaError> {
    let names =
        value.as_array().map(|list| list.iter().map(|column| column["name"].as_str().map(str::to_owned)).collect());
    names.flatten().ok_or_else(|| ReplicaError::Malformed("no columns".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Scenario {
        name: String,
        steps: Vec<Step>,
    }

    #[derive(serde::Deserialize)]
    struct Step {
        frame: Value,
        after: BTreeMap<String, Value>,
    }

    #[test]
    fn frames_lead_where_the_fixture_says() {
        let scenarios: Vec<Scenario> = serde_json::from_str(include_str!("../fixtures/apply.json")).expect("fixture");
        for scenario in scenarios {
            let mut replica = Replica::new();
            for step in scenario.steps {
                replica.apply(&step.frame).expect("a good frame");
                for (name, expected) in step.after {
                    let channel = &replica.channels[&name];
                    let held = serde_json::json!({
                        "rows": channel.rows, "order": channel.order, "items": channel.items, "state": channel.state,
                        "columns": channel.columns, "board": channel.board, "resets": channel.resets,
                        "missed": channel.missed,
                    });
                    for (member, value) in expected.as_object().expect("an object") {
                        assert_eq!(&held[member], value, "{}: {name}.{member}", scenario.name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_server_that_breaks_the_rules_is_noticed() {
        let frame = |change: &str| {
            let text = format!(
                r#"{{"type":"frame","sub":1,"cursor":"c","position":"p","time":1,"newest":null,"changes":[{change}]}}"#
            );
            serde_json::from_str::<Value>(&text).expect("json")
        };
        let mut replica = Replica::new();
        let early = replica.apply(&frame(r#"{"channel":"view:a","delta":{"set":{},"del":[]}}"#));
        assert_eq!(early, Err(ReplicaError::DeltaFirst("view:a".to_owned())));
        let snapshot = r#"{"channel":"view:a","snapshot":{"columns":[{"name":"n","type":"int"},{"name":"m","type":"int"}],"keys":["k"],"rows":[[1,2]],"order":["k"]}}"#;
        replica.apply(&frame(snapshot)).expect("snapshot");
        let partial = replica.apply(&frame(r#"{"channel":"view:a","delta":{"set":{"x":{"n":1}},"del":[]}}"#));
        assert!(matches!(partial, Err(ReplicaError::PartialRow { .. })));
        let order = replica.apply(&frame(r#"{"channel":"view:a","delta":{"set":{},"del":["k"]}}"#));
        assert_eq!(order, Err(ReplicaError::Order("view:a".to_owned())));
    }
}
