//! Rows to bytes and back, and from the layout that is kept to the layout that is read.
//!
//! A body is one encapsulated Arrow IPC record-batch message in the stream's stored layout; its schema is kept once per
//! version, not with each body. Larger bodies are LZ4-compressed inside the message, as Arrow defines it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::buffer::Buffer;
use arrow::compute::{max, min};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use arrow::ipc::{CompressionType, MetadataVersion, reader, root_as_message};
use arrow::record_batch::RecordBatch;
use pulseboard_model::StreamSchema;
use pulseboard_model::conform::conform;
use pulseboard_model::schema::UTC;

/// Rows that take more than this are compressed; below it the gain is not worth the time.
const COMPRESS_FROM_BYTES: usize = 16 << 10;

/// Every buffer in a body starts at a multiple of this, so that most are read without a copy.
const ALIGNMENT_BYTES: usize = 8;

/// What comes before the metadata of an encapsulated message: a marker and the metadata's length.
const PREFIX_BYTES: usize = 8;

/// One version of a stream's schema with both its layouts, made once.
#[derive(Debug)]
pub(super) struct Layouts {
    pub(super) schema: Arc<StreamSchema>,
    pub(super) stored: SchemaRef,
    pub(super) event: SchemaRef,
}

impl Layouts {
    pub(super) fn new(schema: Arc<StreamSchema>) -> Arc<Self> {
        let (stored, event) = (schema.stored_schema(), schema.event_schema());
        Arc::new(Self { schema, stored, event })
    }
}

/// Writes bodies.
#[derive(Debug)]
pub(super) struct Encoder {
    plain: IpcWriteOptions,
    compressed: IpcWriteOptions,
}

impl Encoder {
    pub(super) fn new() -> Result<Self, ArrowError> {
        let plain = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5)?;
        let compressed = plain.clone().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        Ok(Self { plain, compressed })
    }

    /// Writes `rows`, which take about `bytes` in memory, over whatever `out` held.
    pub(super) fn encode(&self, rows: &RecordBatch, bytes: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        let options = if bytes > COMPRESS_FROM_BYTES { &self.compressed } else { &self.plain };
        let (_dictionaries, message) = IpcDataGenerator::default().encode(
            rows,
            &mut DictionaryTracker::new(false),
            options,
            &mut Default::default(),
        )?;
        out.clear();
        out.reserve(message.ipc_message.len() + message.arrow_data.len() + 64);
        write_message(out, message, options)?;
        Ok(())
    }
}

/// Reads a body that was written with the stored layout `stored`.
pub(super) fn decode(body: &Buffer, stored: &SchemaRef, rows: u64) -> Result<RecordBatch, ArrowError> {
    let broken = |what: &str| ArrowError::IpcError(what.to_owned());
    let prefix: [u8; PREFIX_BYTES] = body
        .get(..PREFIX_BYTES)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| broken("the body is shorter than its prefix"))?;
    let metadata_bytes = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]) as usize;
    let data_at = PREFIX_BYTES + metadata_bytes;
    let metadata = body.get(PREFIX_BYTES..data_at).ok_or_else(|| broken("the body is shorter than its metadata"))?;
    let message = root_as_message(metadata).map_err(|error| broken(&format!("the body's metadata: {error}")))?;
    let header = message.header_as_record_batch().ok_or_else(|| broken("the body is no record batch"))?;
    let version = message.version();
    let data = body.slice(data_at);
    if usize::try_from(message.bodyLength()).ok().is_none_or(|due| due > data.len()) {
        return Err(broken("the body is shorter than its metadata says"));
    }
    let batch = reader::read_record_batch(&data, header, stored.clone(), &HashMap::new(), None, &version)?;
    if batch.num_rows() as u64 != rows {
        return Err(broken("the body has another number of rows than its header says"));
    }
    Ok(batch)
}

/// The earliest and the latest `time` of rows in the stored layout; arrival stands in for rows without one.
pub(super) fn time_range(stored: &RecordBatch, arrived_at: i64) -> (i64, i64) {
    let time = stored.column(0).as_primitive::<TimestampMicrosecondType>();
    let arrival = (time.null_count() > 0).then_some(arrived_at);
    let earliest = min(time).into_iter().chain(arrival).min();
    let latest = max(time).into_iter().chain(arrival).max();
    (earliest.unwrap_or(arrived_at), latest.unwrap_or(arrived_at))
}

/// Rows in the stored layout of `layouts` or of an earlier version, as everyone else sees them.
pub(super) fn to_events(
    stored: &RecordBatch,
    layouts: &Layouts,
    arrived_at: i64,
    first_offset: u64,
) -> Result<RecordBatch, ArrowError> {
    let stored = conform(stored, &layouts.stored)?;
    let rows = stored.num_rows();
    let [time, source_time, user_fields @ ..] = stored.columns() else {
        return Err(ArrowError::SchemaError("the stored layout lacks its system columns".to_owned()));
    };
    let time: ArrayRef = if time.null_count() == 0 {
        time.clone()
    } else {
        let filled = time.as_primitive::<TimestampMicrosecondType>().iter().map(|time| time.unwrap_or(arrived_at));
        Arc::new(TimestampMicrosecondArray::from_iter_values(filled).with_timezone(UTC))
    };
    let arrived_at = TimestampMicrosecondArray::from_value(arrived_at, rows).with_timezone(UTC);
    let first = first_offset.cast_signed();
    let offsets = Int64Array::from_iter_values(first..first + rows as i64);
    let mut columns = Vec::with_capacity(stored.num_columns() + 2);
    columns.push(time);
    columns.extend_from_slice(user_fields);
    columns.extend([source_time.clone(), Arc::new(arrived_at) as ArrayRef, Arc::new(offsets)]);
    RecordBatch::try_new(layouts.event.clone(), columns)
}

/// Roughly what rows take in memory, without what their arrays have reserved beyond.
pub(super) fn bytes_of(rows: &RecordBatch) -> usize {
    let slice_bytes =
        |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size());
    rows.columns().iter().map(slice_bytes).sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use pulseboard_model::{FieldType, SchemaVersion, StreamField};

    use super::*;

    fn layouts() -> Arc<Layouts> {
        let field = |name: &str, field_type| StreamField { name: name.to_owned(), field_type, declared: false };
        let list = FieldType::List(Box::new(FieldType::Unknown));
        let fields = vec![field("a", FieldType::Int), field("s", FieldType::String), field("l", list)];
        Layouts::new(Arc::new(StreamSchema { version: SchemaVersion(1), fields }))
    }

    fn rows(count: i64) -> RecordBatch {
        let time = (0..count).map(|i| (i % 2 == 0).then_some(i * 10));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(time.collect::<TimestampMicrosecondArray>().with_timezone(UTC)),
            Arc::new(TimestampMicrosecondArray::new_null(count as usize).with_timezone(UTC)),
            Arc::new((0..count).collect::<Int64Array>()),
            Arc::new((0..count).map(|i| Some(format!("text {i}"))).collect::<StringArray>()),
            arrow::array::new_null_array(layouts().stored.field(4).data_type(), count as usize),
        ];
        RecordBatch::try_new(layouts().stored.clone(), columns).unwrap()
    }

    #[test]
    fn a_body_is_read_as_it_was_written_small_and_compressed() {
        let encoder = Encoder::new().unwrap();
        let mut body = Vec::new();
        for count in [1, 7, 10_000] {
            let rows = rows(count);
            encoder.encode(&rows, bytes_of(&rows), &mut body).unwrap();
            let read = decode(&Buffer::from(body.as_slice()), &layouts().stored, count as u64).unwrap();
            assert_eq!(read, rows);
            if count > 1_000 {
                assert!(body.len() < bytes_of(&rows), "{} bytes for {}", body.len(), bytes_of(&rows));
            }
        }
    }

    #[test]
    fn a_sliced_batch_keeps_only_its_rows() {
        let slice = rows(1_000).slice(500, 3);
        let mut body = Vec::new();
        Encoder::new().unwrap().encode(&slice, bytes_of(&slice), &mut body).unwrap();
        assert!(body.len() < 2_000, "{}", body.len());
        assert_eq!(decode(&Buffer::from(body.as_slice()), &layouts().stored, 3).unwrap(), slice);
    }

    #[test]
    fn a_cut_body_is_an_error_and_never_a_panic() {
        let rows = rows(20);
        let mut body = Vec::new();
        Encoder::new().unwrap().encode(&rows, bytes_of(&rows), &mut body).unwrap();
        for cut in 0..body.len() {
            assert!(decode(&Buffer::from(&body[..cut]), &layouts().stored, 20).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn events_carry_arrival_and_offsets() {
        let events = to_events(&rows(3), &layouts(), 77, 5).unwrap();
        let time = events.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>();
        assert_eq!(time.values(), &[0, 77, 20]);
        let offsets = events.column_by_name("_offset").unwrap().as_primitive::<arrow::datatypes::Int64Type>();
        assert_eq!(offsets.values(), &[5, 6, 7]);
        assert_eq!(time_range(&rows(3), 77), (0, 77));
        assert_eq!(time_range(&rows(1), 77), (0, 0));
    }
}
