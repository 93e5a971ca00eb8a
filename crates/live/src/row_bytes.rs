//! How many bytes each row of a column takes: what is looked at before rows are copied or put together.
//!
//! Values alone, without offsets and bits beside them. It computes nothing else and refuses nothing.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};

/// The bytes of each value of `column`.
///
/// # Errors
/// When Arrow cannot read the column.
pub(crate) fn row_bytes(column: &ArrayRef) -> Result<Vec<u64>> {
    let rows = column.len();
    if let Some(width) = column.data_type().primitive_width() {
        return Ok(vec![width as u64; rows]);
    }
    Ok(match column.data_type() {
        DataType::Null | DataType::Boolean => vec![1; rows],
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::LargeBinary => {
            let lengths = integers(&length(column)?)?;
            lengths.iter().map(|length| length.unwrap_or(0).unsigned_abs()).collect()
        }
        DataType::Struct(_) => {
            let mut sums = vec![0_u64; rows];
            for field in column.as_struct().columns() {
                sums.iter_mut().zip(row_bytes(field)?).for_each(|(sum, bytes)| *sum = sum.saturating_add(bytes));
            }
            sums
        }
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            spans(lists.values(), lists.offsets().iter().map(|offset| i64::from(*offset)))?
        }
        DataType::LargeList(_) => {
            let lists = column.as_list::<i64>();
            spans(lists.values(), lists.offsets().iter().copied())?
        }
        DataType::Map(..) => {
            let maps = column.as_map();
            let entries: ArrayRef = std::sync::Arc::new(maps.entries().clone());
            spans(&entries, maps.offsets().iter().map(|offset| i64::from(*offset)))?
        }
        DataType::FixedSizeList(_, width) => {
            let lists = column.as_fixed_size_list();
            let start = i64::from(lists.value_offset(0)) * i64::from(rows > 0);
            spans(lists.values(), (0..=rows).map(|row| start + row as i64 * i64::from(*width)))?
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = row_bytes(dictionary.values())?;
            let keys = integers(&cast(dictionary.keys(), &DataType::Int64)?)?;
            let value = |key: Option<i64>| key.and_then(|key| values.get(usize::try_from(key).ok()?)).copied();
            keys.iter().map(|key| value(key).unwrap_or(0)).collect()
        }
        // No stream has such, and any of them may be the whole.
        _ => vec![whole_bytes(column); rows],
    })
}

/// The bytes of what a column shows.
pub(crate) fn whole_bytes(column: &ArrayRef) -> u64 {
    column.to_data().get_slice_memory_size().map_or(u64::MAX, |bytes| bytes as u64)
}

/// The bytes that a copy of `value` takes besides its place: of a text, or of a list.
///
/// # Errors
/// When Arrow cannot hold the value.
pub(crate) fn value_bytes(value: &ScalarValue) -> Result<u64> {
    Ok(match value.try_as_str() {
        Some(text) => text.map_or(0, |text| text.len() as u64),
        None if value.data_type().is_nested() => whole_bytes(&value.to_array()?),
        None => 0,
    })
}

fn integers(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// The bytes of the items between each two of `offsets`.
fn spans(items: &ArrayRef, offsets: impl Iterator<Item = i64>) -> Result<Vec<u64>> {
    let offsets: Vec<usize> = offsets.map(|offset| usize::try_from(offset).unwrap_or(0)).collect();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(Vec::new()) };
    let mut before = Vec::with_capacity(last - first + 1);
    let mut sum = 0_u64;
    before.push(sum);
    for bytes in row_bytes(&items.slice(*first, last - first))? {
        sum = sum.saturating_add(bytes);
        before.push(sum);
    }
    Ok(offsets.windows(2).map(|span| before[span[1] - first] - before[span[0] - first]).collect())
}
