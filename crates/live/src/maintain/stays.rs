//! Which rows of a batch are inside a window, now or later, and for how long each stays.
//!
//! Shared by states that hold groups and states that hold rows. Knows the bounds of the window only; holds nothing.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::Result;

use super::window::{Stay, Window};

/// Keeps the rows that are inside now or later by the bounds from number `first` on; `each` is told the stay and the times
/// of each.
pub(crate) fn stays_of_rows(
    window: &mut Window,
    first: usize,
    batch: RecordBatch,
    times: &[ArrayRef],
    mut each: impl FnMut(Stay, &[i64]),
) -> Result<RecordBatch> {
    let columns: Vec<_> = times.iter().map(|array| array.as_primitive::<TimestampMicrosecondType>()).collect();
    let mut keep = Vec::with_capacity(batch.num_rows());
    // Neighbouring rows often have the same times.
    let (mut known, mut known_stay, mut of_row) = (Vec::new(), None, Vec::with_capacity(columns.len()));
    for row in 0..batch.num_rows() {
        // No comparison with null is ever true.
        if columns.iter().any(|column| column.is_null(row)) {
            keep.push(false);
            continue;
        }
        of_row.clear();
        of_row.extend(columns.iter().map(|column| column.value(row)));
        let stay = match known_stay {
            Some(stay) if known == of_row => stay,
            _ => {
                let stay = window.stay(first, &of_row)?;
                known.clone_from(&of_row);
                known_stay = Some(stay);
                stay
            }
        };
        keep.push(stay.is_some());
        window.count_if_late(first, &of_row, stay.is_some());
        if let Some(stay) = stay {
            each(stay, &of_row);
        }
    }
    if keep.iter().all(|keep| *keep) {
        return Ok(batch);
    }
    Ok(arrow::compute::filter_record_batch(&batch, &keep.into())?)
}
