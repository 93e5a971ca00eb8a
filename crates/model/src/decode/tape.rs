//! A row as a flat list of plain values, borrowed from the body where it can be.
//!
//! The tape knows nothing of schemas. Lists and objects say where they end, so they are skipped in one step. Of a key
//! that comes twice in an object the last one counts; nesting beyond the limit is kept as a mark for `check` to name.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use hashbrown::HashSet;

/// One value, or a key of an object.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Also every integer beyond 64 bits.
    Float(f64),
    Str(Cow<'a, str>),
    /// The JSON text of a value.
    Raw(&'a str),
    /// Put here by `check`, for declared decimals: the digits without the point.
    Decimal(i128),
    /// Put here by `check`, for declared times: µs since 1970.
    Time(i64),
    /// Its items follow, up to `end`.
    List {
        end: usize,
    },
    /// Its pairs of key and value follow, up to `end`.
    Object {
        end: usize,
    },
    Key(Cow<'a, str>),
    /// A key that came again later in the same object.
    Shadowed,
    /// A list or object nested deeper than allowed; its content is not kept.
    TooDeep,
}

impl Value<'_> {
    /// What a person calls it.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "string",
            Self::Decimal(_) => "decimal",
            Self::Time(_) => "time",
            Self::List { .. } => "list",
            Self::Object { .. } => "object",
            Self::Raw(_) | Self::Key(_) | Self::Shadowed | Self::TooDeep => "value",
        }
    }
}

/// The values of one row.
#[derive(Debug, Default)]
pub(super) struct Tape<'a> {
    values: Vec<Value<'a>>,
    has_lists: bool,
}

/// Up to how many keys an object's duplicates are looked for by comparing all.
const FEW_KEYS: usize = 8;

impl<'a> Tape<'a> {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.has_lists = false;
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is a list anywhere in the row.
    pub(super) fn has_lists(&self) -> bool {
        self.has_lists
    }

    pub(super) fn get(&self, at: usize) -> &Value<'a> {
        &self.values[at]
    }

    pub(super) fn replace(&mut self, at: usize, value: Value<'a>) {
        self.values[at] = value;
    }

    pub(super) fn push(&mut self, value: Value<'a>) {
        self.values.push(value);
    }

    /// Where the value after the one at `at` is.
    fn after(&self, at: usize) -> usize {
        match self.values[at] {
            Value::List { end } | Value::Object { end } => end,
            _ => at + 1,
        }
    }

    /// Where the items of the list at `list` are.
    pub(super) fn items(&self, list: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.after(list);
        let mut next = list + 1;
        std::iter::from_fn(move || {
            let at = next;
            next = if at < end { self.after(at) } else { at };
            (at < end).then_some(at)
        })
    }

    /// The keys of the object at `object` that count, and where their values are.
    pub(super) fn pairs(&self, object: usize) -> impl Iterator<Item = (&str, usize)> + '_ {
        let end = self.after(object);
        let mut next = object + 1;
        std::iter::from_fn(move || {
            while next < end {
                let key = next;
                next = self.after(key + 1);
                if let Value::Key(name) = &self.values[key] {
                    return Some((name.as_ref(), key + 1));
                }
            }
            None
        })
    }

    /// Marks the keys of an object that come again later in it.
    fn shadow_duplicates(&mut self, object: usize, count: usize) {
        if count < 2 {
            return;
        }
        let keys: Vec<(&str, usize)> = self.pairs(object).map(|(name, value)| (name, value - 1)).collect();
        let mut shadowed = Vec::new();
        if count <= FEW_KEYS {
            for (i, (name, at)) in keys.iter().enumerate() {
                if keys[i + 1..].iter().any(|(later, _)| later == name) {
                    shadowed.push(*at);
                }
            }
        } else {
            let mut seen = HashSet::with_capacity(count);
            shadowed.extend(keys.iter().rev().filter(|(name, _)| !seen.insert(*name)).map(|(_, at)| *at));
        }
        for at in shadowed {
            self.values[at] = Value::Shadowed;
        }
    }
}

/// Reads one value onto the tape. `depth_left` is how deep it may still nest.
pub(super) struct ValueSeed<'t, 'a> {
    pub(super) tape: &'t mut Tape<'a>,
    pub(super) depth_left: usize,
}

impl<'a> DeserializeSeed<'a> for ValueSeed<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for ValueSeed<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.tape.push(Value::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.tape.push(Value::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.tape.push(Value::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        #[expect(clippy::cast_precision_loss, reason = "integers beyond 64 bits are floats")]
        self.tape.push(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.tape.push(Value::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<(), E> {
        self.tape.push(Value::Str(Cow::Borrowed(value)));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.tape.push(Value::Str(Cow::Owned(value.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        let Some(depth_left) = self.depth_left.checked_sub(1) else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            self.tape.push(Value::TooDeep);
            return Ok(());
        };
        let at = self.tape.len();
        self.tape.has_lists = true;
        self.tape.push(Value::List { end: at });
        while items.next_element_seed(ValueSeed { tape: self.tape, depth_left })?.is_some() {}
        let end = self.tape.len();
        self.tape.replace(at, Value::List { end });
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut pairs: A) -> Result<(), A::Error> {
        let Some(depth_left) = self.depth_left.checked_sub(1) else {
            while pairs.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            self.tape.push(Value::TooDeep);
            return Ok(());
        };
        let at = self.tape.len();
        self.tape.push(Value::Object { end: at });
        let mut count = 0;
        while let Some(key) = pairs.next_key_seed(KeySeed)? {
            self.tape.push(Value::Key(key));
            pairs.next_value_seed(ValueSeed { tape: self.tape, depth_left })?;
            count += 1;
        }
        let end = self.tape.len();
        self.tape.replace(at, Value::Object { end });
        self.tape.shadow_duplicates(at, count);
        Ok(())
    }
}

/// Reads a key, borrowed if nothing in it is escaped.
pub(super) struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
