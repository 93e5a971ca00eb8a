//! `max_hz` and `batch_ms`: how often frames leave, of the server and of a board.

use pulseboard_protocol::Pace;

use super::reader::{Problem, Reader};
use super::values::wrong;

/// Reads the two keys of a table.
pub(super) fn read_pace(table: &mut Reader<'_>, problems: &mut Vec<Problem>) -> Pace {
    let max_hz = table.read("max_hz", problems, |value| {
        #[expect(clippy::cast_precision_loss, reason = "whole numbers up to 1,000 are meant")]
        let hz = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        let hz = hz.ok_or_else(|| wrong("a number from 0.0001 to 1000", value))?;
        Pace::new(Some(hz), None).map(|_| hz).map_err(|_| wrong("a number from 0.0001 to 1000", value))
    });
    let batch_ms = table.read("batch_ms", problems, |value| {
        let ms = value.as_integer().and_then(|ms| u64::try_from(ms).ok());
        let ms = ms.filter(|ms| Pace::new(None, Some(*ms)).is_ok());
        ms.ok_or_else(|| wrong("a whole number from 0 to 60000", value))
    });
    Pace { max_hz, batch_ms }
}
