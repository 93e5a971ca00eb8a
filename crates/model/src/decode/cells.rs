//! How many cells rows take once they are columns, so that a small body cannot become a huge batch.
//!
//! A cell is a place in an array. A row takes one in every field of the stream, sent or not, and every item of a list one
//! in every member of its items. Counted before a row is appended, in the types the row grows its fields into.

use crate::schema::FieldType;

use super::tape::{Tape, Value};

/// The cells that the lists inside the value at `at` take in a field of `field_type`.
pub(super) fn in_lists(field_type: &FieldType, tape: &Tape<'_>, at: usize) -> usize {
    match (field_type, tape.get(at)) {
        (FieldType::List(item), Value::List { .. }) => {
            let width = item.width();
            tape.items(at).map(|at| width + in_lists(item, tape, at)).sum()
        }
        (FieldType::Struct(members), Value::Object { .. }) => {
            let mut guess = 0;
            let mut cells = 0;
            for (name, at) in tape.pairs(at) {
                let found = match members.get(guess) {
                    Some((expected, _)) if expected == name => Some(guess),
                    _ => members.iter().position(|(known, _)| known == name),
                };
                if let Some(index) = found {
                    guess = index + 1;
                    cells += in_lists(&members[index].1, tape, at);
                }
            }
            cells
        }
        _ => 0,
    }
}
