//! Decode: JSON rows become one Arrow batch in the stored layout of their stream.
//!
//! A row is parsed onto a tape of plain values, checked against the schema as a whole, and only then appended to the
//! columns, so a rejected row leaves nothing behind: no value, no type, no field. `body` cuts a request into rows,
//! `parse` puts one on the tape, `check` types it, `cells` counts what it takes, `column` holds the values, `rows` joins them. Nothing here reads a clock or
//! touches the journal: the caller brings `now` and the schema to start from.

mod api;
mod body;
mod cells;
mod check;
mod column;
mod decimal;
mod fault;
mod json_text;
mod names;
mod parse;
mod rows;
mod tape;
mod times;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use api::{BodyError, BodyFormat, Decoded, RowError, StreamConfig};
pub use body::decode;
pub use times::{check_format, read_time};
