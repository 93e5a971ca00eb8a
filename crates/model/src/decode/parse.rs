//! One row's text becomes the tape and a list of which column is where on it.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fault::Fault;
use super::names::{Names, Reading, Target};
use super::tape::{KeySeed, Tape, Value, ValueSeed};

/// A row as it was sent, reused from row to row.
#[derive(Debug, Default)]
pub(super) struct ParsedRow<'a> {
    pub(super) tape: Tape<'a>,
    /// The columns this row has, in the order of its keys.
    pub(super) present: Vec<usize>,
    /// Where on the tape each column's value is, by column number; [`ABSENT`] if this row has none.
    slots: Vec<usize>,
    /// Keys that are no column yet.
    pub(super) new: IndexMap<Cow<'a, str>, usize>,
    /// Where the value of `time` is.
    pub(super) time: Option<usize>,
    /// The first key that no user field may have.
    pub(super) reserved: Option<&'static str>,
    /// The field whose value could not be read.
    unread: Option<Cow<'a, str>>,
}

const ABSENT: usize = usize::MAX;

/// What the parser says of a number that no float holds.
const OUT_OF_RANGE: &str = "number out of range";

impl<'a> ParsedRow<'a> {
    /// Reads `text`, which is one row.
    pub(super) fn parse(&mut self, text: &'a str, names: &mut Names, depth_max: usize) -> Result<(), Fault> {
        self.clear();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let seed = RowSeed { row: self, names, depth_max };
        let read = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        read.map_err(|error| match &self.unread {
            Some(name) if error.to_string().starts_with(OUT_OF_RANGE) => Fault::of_field(name, OUT_OF_RANGE),
            _ => describe(&error),
        })
    }

    fn clear(&mut self) {
        self.tape.clear();
        for column in self.present.drain(..) {
            self.slots[column] = ABSENT;
        }
        self.new.clear();
        self.time = None;
        self.reserved = None;
        self.unread = None;
    }

    /// Where on the tape the value of `column` is.
    pub(super) fn slot(&self, column: usize) -> Option<usize> {
        self.slots.get(column).copied().filter(|at| *at != ABSENT)
    }

    fn set(&mut self, column: usize, at: usize) {
        if self.slots.len() <= column {
            self.slots.resize(column + 1, ABSENT);
        }
        // Of a key that comes twice the last one counts.
        if self.slots[column] == ABSENT {
            self.present.push(column);
        }
        self.slots[column] = at;
    }
}

/// The parser's message without its place in lines: a row is one line.
fn describe(error: &serde_json::Error) -> Fault {
    let message = error.to_string();
    let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    if error.is_data() {
        Fault::of_row(what)
    } else {
        Fault::of_row(format!("not valid JSON at column {}: {what}", error.column()))
    }
}

struct RowSeed<'r, 'a> {
    row: &'r mut ParsedRow<'a>,
    names: &'r mut Names,
    depth_max: usize,
}

impl<'a> DeserializeSeed<'a> for RowSeed<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for RowSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut pairs: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(key) = pairs.next_key_seed(KeySeed)? {
            let at = self.row.tape.len();
            let found = self.names.find(place, &key);
            place += 1;
            let read = if let Some((_, Reading::Raw)) = found {
                pairs.next_value_seed(RawSeed).map(|raw| self.row.tape.push(Value::Raw(raw)))
            } else {
                pairs.next_value_seed(ValueSeed { tape: &mut self.row.tape, depth_left: self.depth_max })
            };
            if let Err(error) = read {
                self.row.unread = Some(key);
                return Err(error);
            }
            match found.map(|(target, _)| target) {
                Some(Target::Column(column)) => self.row.set(column, at),
                Some(Target::Time) => self.row.time = Some(at),
                Some(Target::Reserved(name)) => self.row.reserved = self.row.reserved.or(Some(name)),
                None => {
                    self.row.new.insert(key, at);
                }
            }
        }
        Ok(())
    }
}

struct RawSeed;

impl<'a> DeserializeSeed<'a> for RawSeed {
    type Value = &'a str;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(RawValue::get)
    }
}
