//! What is other in a file than in the latest row of each key: upserts of what is new or changed, tombstones of what is gone.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, new_null_array};
use arrow::compute::{concat_batches, filter_record_batch, interleave};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};
use arrow::util::display::array_value_to_string;
use pulseboard_model::StreamSchema;
use pulseboard_model::conform::conform;
use pulseboard_model::decode::Decoded;

use super::{Changes, DELETED, ReferenceError};

/// System columns in front of the fields in the stored layout.
const SYSTEM_COLUMNS: usize = 2;

/// Rows with bytes that compare as they do.
struct Compared {
    batch: RecordBatch,
    keys: Rows,
    whole: Rows,
}

fn failed(error: impl std::fmt::Display) -> ReferenceError {
    ReferenceError::Unreadable(format!("comparing it with what is loaded: {error}"))
}

/// What `decoded` changes in a stream that holds `latest`, oldest first.
pub(super) fn between(
    decoded: &Decoded,
    key: &str,
    latest: impl Iterator<Item = RecordBatch>,
) -> Result<Changes, ReferenceError> {
    let fields = fields_of(&decoded.schema);
    let compare = |batch: &RecordBatch| compared(batch, &fields, key).map_err(failed);
    let new = compare(&decoded.rows)?;
    let old = latest.map(|batch| compare(&batch)).collect::<Result<Vec<_>, _>>()?;

    let mut held: HashMap<&[u8], (usize, usize)> = HashMap::new();
    for (number, compared) in old.iter().enumerate() {
        for row in 0..compared.batch.num_rows() {
            held.insert(compared.keys.row(row).data(), (number, row));
        }
    }
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    let mut changed = Vec::with_capacity(new.batch.num_rows());
    let key_column = column(&new.batch, key).map_err(failed)?;
    for row in 0..new.batch.num_rows() {
        let wrong = |what: String| ReferenceError::Row { row: row as u64 + 1, what };
        if key_column.is_null(row) {
            return Err(wrong(format!("has no `{key}`, which is the key")));
        }
        let bytes = new.keys.row(row).data();
        if let Some(earlier) = seen.insert(bytes, row) {
            let value = array_value_to_string(&key_column, row).unwrap_or_default();
            return Err(wrong(format!("has the same `{key}` as row {}: {value}", earlier + 1)));
        }
        let same =
            held.get(bytes).is_some_and(|(batch, old_row)| old[*batch].whole.row(*old_row) == new.whole.row(row));
        changed.push(!same);
    }
    let mut gone: Vec<(usize, usize)> =
        held.into_iter().filter(|(bytes, _)| !seen.contains_key(bytes)).map(|(_, place)| place).collect();
    gone.retain(|(batch, row)| !is_deleted(&old[*batch].batch, *row));
    gone.sort_unstable();

    let upserts = filter_record_batch(&decoded.rows, &BooleanArray::from(changed)).map_err(failed)?;
    let tombstones = tombstones(&decoded.schema, key, &old, &gone).map_err(failed)?;
    let rows = concat_batches(&decoded.schema.stored_schema(), [&upserts, &tombstones]).map_err(failed)?;
    Ok(Changes {
        schema: decoded.schema.clone(),
        rows,
        upserts: upserts.num_rows(),
        tombstones: tombstones.num_rows(),
        total: new.batch.num_rows(),
    })
}

/// The fields alone, without system columns.
fn fields_of(schema: &StreamSchema) -> SchemaRef {
    let stored = schema.stored_schema();
    Arc::new(Schema::new(stored.fields().iter().skip(SYSTEM_COLUMNS).cloned().collect::<Vec<_>>()))
}

fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, ArrowError> {
    let missing = || ArrowError::SchemaError(format!("no column `{name}`"));
    batch.column_by_name(name).cloned().ok_or_else(missing)
}

/// The fields of a batch in either layout, in the types of `fields`.
fn compared(batch: &RecordBatch, fields: &SchemaRef, key: &str) -> Result<Compared, ArrowError> {
    let schema = batch.schema();
    let own: Vec<usize> =
        (0..batch.num_columns()).filter(|at| fields.column_with_name(schema.field(*at).name()).is_some()).collect();
    let batch = conform(&batch.project(&own)?, fields)?;
    let bytes = |columns: &[ArrayRef]| {
        let sort = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        RowConverter::new(sort)?.convert_columns(columns)
    };
    let (keys, whole) = (bytes(&[column(&batch, key)?])?, bytes(batch.columns())?);
    Ok(Compared { batch, keys, whole })
}

fn is_deleted(batch: &RecordBatch, row: usize) -> bool {
    let marks = batch.column_by_name(DELETED).and_then(|column| column.as_boolean_opt());
    marks.is_some_and(|marks| marks.is_valid(row) && marks.value(row))
}

/// One row per key that is gone, with nothing but the key and the mark.
fn tombstones(
    schema: &StreamSchema,
    key: &str,
    old: &[Compared],
    gone: &[(usize, usize)],
) -> Result<RecordBatch, ArrowError> {
    let stored = schema.stored_schema();
    if gone.is_empty() {
        return Ok(RecordBatch::new_empty(stored));
    }
    let keys = old.iter().map(|compared| column(&compared.batch, key)).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<&dyn Array> = keys.iter().map(AsRef::as_ref).collect();
    let columns = stored.fields().iter().map(|field| match field.name().as_str() {
        name if name == key => interleave(&keys, gone),
        DELETED => Ok(Arc::new(BooleanArray::from(vec![true; gone.len()])) as ArrayRef),
        _ => Ok(new_null_array(field.data_type(), gone.len())),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(stored.clone(), columns)
}
