//! Frames that belong together, put together: a reader that shows nothing half takes them in as one.
//!
//! A large answer comes in several frames. All but the last say `more` and have no cursor; the first has the answer's first rows as a snapshot, the
//! others the rest as deltas of the same channel.

use serde_json::Value;

/// What came of a frame that is not whole yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pages {
    held: Option<Value>,
}

impl Pages {
    /// Whether more must come before there is a whole frame.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.held.is_some()
    }

    /// Takes the next frame; gives the whole one that it ends.
    pub fn join(&mut self, frame: Value) -> Option<Value> {
        let more = frame["more"] == true;
        if frame.get("resumed").is_some() {
            // The first frame of a subscription continues nothing.
            self.held = None;
        }
        let Some(mut whole) = self.held.take() else {
            if !more {
                return Some(frame);
            }
            self.held = Some(frame);
            return None;
        };
        add(&mut whole, frame);
        if more {
            self.held = Some(whole);
            return None;
        }
        Some(whole)
    }
}

/// Adds a following frame to what is held.
fn add(whole: &mut Value, mut frame: Value) {
    let Some(head) = whole.as_object_mut() else { return };
    head.remove("more");
    for name in ["cursor", "position", "time", "newest", "more"] {
        if let Some(value) = frame.get_mut(name) {
            head.insert(name.to_owned(), value.take());
        }
    }
    let Some(changes) = head.get_mut("changes").and_then(Value::as_array_mut) else { return };
    let Value::Array(following) = frame["changes"].take() else { return };
    for mut change in following {
        let of_it = |held: &&mut Value| held["channel"] == change["channel"] && held["snapshot"]["keys"].is_array();
        match changes.iter_mut().rev().find(of_it) {
            Some(held) if change["delta"]["set"].is_object() => add_rows(&mut held["snapshot"], &mut change["delta"]),
            _ => changes.push(change),
        }
    }
}

fn add_rows(snapshot: &mut Value, delta: &mut Value) {
    let columns = snapshot["columns"].as_array().cloned().unwrap_or_default();
    let Value::Object(set) = delta["set"].take() else { return };
    for (key, mut cells) in set {
        let name = |column: &Value| column["name"].as_str().unwrap_or_default().to_owned();
        let row = columns.iter().map(|column| cells.get_mut(name(column)).map(Value::take).unwrap_or_default());
        let row = Value::Array(row.collect());
        for (list, item) in [("rows", row), ("keys", Value::String(key))] {
            if let Some(list) = snapshot[list].as_array_mut() {
                list.push(item);
            }
        }
    }
    if let Some(order) = delta.get_mut("order") {
        snapshot["order"] = order.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_of_the_fixture_are_one() {
        let fixture: Value = serde_json::from_str(include_str!("../fixtures/pages.json")).expect("json");
        let (mut pages, mut whole) = (Pages::default(), Vec::new());
        for frame in fixture["frames"].as_array().expect("a list") {
            whole.extend(pages.join(frame.clone()));
            assert_eq!(pages.is_open(), frame["more"] == true);
        }
        assert_eq!(Value::Array(whole), fixture["whole"]);
        // A connection that broke in between leaves nothing behind.
        let first = &fixture["frames"][0];
        assert_eq!(pages.join(first.clone()), None);
        assert_eq!(pages.join(first.clone()), None);
        assert_eq!(pages.held.as_ref(), Some(first));
    }
}
