//! Whether a value fits a type, and what the type grows into if it nearly does.
//!
//! Growth is: nothing known → something, int → float, new members of objects. Everything else is a mismatch, and so is
//! any growth of a declared type.

use crate::limits::IngestLimits;
use crate::schema::FieldType;

use super::decimal::{self, DecimalError};
use super::fault::{Fault, quoted};
use super::tape::{Tape, Value};

/// What growth may still take.
#[derive(Debug)]
pub(super) struct Room<'l> {
    limits: &'l IngestLimits,
    fields_left: usize,
}

impl<'l> Room<'l> {
    pub(super) fn new(limits: &'l IngestLimits, fields_used: usize) -> Self {
        Self { limits, fields_left: limits.fields_max.saturating_sub(fields_used) }
    }

    /// Takes the place of a new field called `name`.
    pub(super) fn take(&mut self, name: &str) -> Result<(), Fault> {
        let name_max = self.limits.field_name_bytes_max;
        if name.len() > name_max {
            return Err(Fault::of_value(format!("its name is longer than {name_max} bytes")));
        }
        let fields_max = self.limits.fields_max;
        self.fields_left = self
            .fields_left
            .checked_sub(1)
            .ok_or_else(|| Fault::of_value(format!("the stream already has {fields_max} fields, the most allowed")))?;
        Ok(())
    }
}

/// Checks the value at `at` against `expected`. Gives the type that holds both if that is another one.
pub(super) fn fit(
    expected: &FieldType,
    declared: bool,
    tape: &Tape<'_>,
    at: usize,
    room: &mut Room<'_>,
) -> Result<Option<FieldType>, Fault> {
    match (expected, tape.get(at)) {
        (_, Value::Null)
        | (FieldType::Int, Value::Int(_))
        | (FieldType::Float, Value::Float(_) | Value::Int(_))
        | (FieldType::Bool, Value::Bool(_))
        | (FieldType::String | FieldType::Json, Value::Str(_))
        | (FieldType::Decimal(..), Value::Decimal(_))
        | (FieldType::Time, Value::Time(_)) => Ok(None),
        // The parser reads `-0` as a float, for its sign; no field of integers becomes one of floats for that.
        (FieldType::Int, Value::Float(zero)) if *zero == 0.0 && zero.is_sign_negative() => Ok(None),
        (FieldType::Int, Value::Float(_)) if !declared => Ok(Some(FieldType::Float)),
        (FieldType::List(item), Value::List { .. }) => {
            Ok(fit_items(item, tape, at, room)?.map(|item| FieldType::List(Box::new(item))))
        }
        (FieldType::Struct(members), Value::Object { .. }) => {
            Ok(fit_members(members, tape, at, room)?.map(FieldType::Struct))
        }
        (_, Value::TooDeep) => Err(Fault::of_value(format!("nested deeper than {} levels", room.limits.depth_max))),
        (FieldType::Unknown, value) => {
            let first = match value {
                Value::Bool(_) => FieldType::Bool,
                Value::Int(_) => FieldType::Int,
                Value::Float(_) => FieldType::Float,
                Value::List { .. } => FieldType::List(Box::new(FieldType::Unknown)),
                Value::Object { .. } => FieldType::Struct(Vec::new()),
                _ => FieldType::String,
            };
            Ok(Some(fit(&first, declared, tape, at, room)?.unwrap_or(first)))
        }
        (expected, value) => Err(mismatch(expected, declared, value)),
    }
}

fn fit_items(item: &FieldType, tape: &Tape<'_>, list: usize, room: &mut Room<'_>) -> Result<Option<FieldType>, Fault> {
    let mut grown: Option<FieldType> = None;
    for (index, at) in tape.items(list).enumerate() {
        let known = grown.as_ref().unwrap_or(item);
        if let Some(wider) = fit(known, false, tape, at, room).map_err(|fault| fault.in_item(index))? {
            grown = Some(wider);
        }
    }
    Ok(grown)
}

type Members = Vec<(String, FieldType)>;

fn fit_members(
    members: &[(String, FieldType)],
    tape: &Tape<'_>,
    object: usize,
    room: &mut Room<'_>,
) -> Result<Option<Members>, Fault> {
    let mut grown: Option<Members> = None;
    let mut guess = 0;
    for (name, at) in tape.pairs(object) {
        // Nulls fix nothing.
        if *tape.get(at) == Value::Null {
            continue;
        }
        let known = grown.as_deref().unwrap_or(members);
        let found = find_member(known, guess, name);
        let in_member = |fault: Fault| fault.in_member(name);
        match found {
            Some(index) => {
                guess = index + 1;
                if let Some(wider) = fit(&known[index].1, false, tape, at, room).map_err(in_member)? {
                    grown.get_or_insert_with(|| members.to_vec())[index].1 = wider;
                }
            }
            None => {
                room.take(name).map_err(in_member)?;
                if let Some(first) = fit(&FieldType::Unknown, false, tape, at, room).map_err(in_member)? {
                    grown.get_or_insert_with(|| members.to_vec()).push((name.to_owned(), first));
                }
            }
        }
    }
    Ok(grown)
}

/// Finds a member by name, looking first where the order of keys suggests.
fn find_member(members: &[(String, FieldType)], guess: usize, name: &str) -> Option<usize> {
    match members.get(guess) {
        Some((expected, _)) if expected == name => Some(guess),
        _ => members.iter().position(|(known, _)| known == name),
    }
}

fn mismatch(expected: &FieldType, declared: bool, found: &Value<'_>) -> Fault {
    let found = found.describe();
    let expected = match expected {
        FieldType::List(_) => "list".to_owned(),
        FieldType::Struct(_) => "object".to_owned(),
        scalar => scalar.to_string(),
    };
    let declared = if declared { "declared " } else { "" };
    Fault::of_value(format!("expected {declared}{expected}, found {found}"))
}

/// The value of a field declared decimal, from its JSON text.
pub(super) fn decimal_value<'a>(raw: &str, precision: u8, scale: i8) -> Result<Value<'a>, Fault> {
    if raw == "null" {
        return Ok(Value::Null);
    }
    // A text with escapes is no number anyway, so it need not be unescaped.
    let text = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw).trim();
    decimal::parse(text, precision, scale).map(Value::Decimal).map_err(|error| {
        Fault::of_value(match error {
            DecimalError::NotANumber => {
                format!("expected declared decimal({precision},{scale}), found {}", quoted(raw))
            }
            DecimalError::TooManyDigits => {
                format!("{} has more digits than decimal({precision},{scale}) holds", quoted(text))
            }
        })
    })
}
