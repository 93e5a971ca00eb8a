//! A log with an archive, and beside it the same log without one: what both give must be the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, NullArray, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use pulseboard_archive::{Archive, ArchiveConfig, ArchivedLog, MergeRules};
use pulseboard_journal::{AppendRequest, Archived, EmbeddedConfig, EmbeddedLog, Log, LogError};
use pulseboard_model::schema::UTC;
use pulseboard_model::{FieldType, LogOffset, SchemaVersion, StreamField, StreamName, StreamSchema};
use pulseboard_runtime::{Clock, ManualClock, Tasks};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A moment in 2023, not on a whole second.
pub(crate) const START_US: i64 = 1_700_000_000_250_000;
pub(crate) const SECOND_US: i64 = 1_000_000;
/// How many versions [`schema`] has.
pub(crate) const VERSIONS: u32 = 4;

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

/// The schema of every stream, as it grows: new fields, wider ones, objects and lists that get to be something.
pub(crate) fn schema(version: u32) -> Arc<StreamSchema> {
    let list = |item| FieldType::List(Box::new(item));
    let object = |fields: &[(&str, FieldType)]| {
        FieldType::Struct(fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())).collect())
    };
    let mut fields = vec![("n", FieldType::Int), ("e", object(&[]))];
    if version >= 2 {
        fields.push(("text", FieldType::String));
        fields.push(("l", list(object(&[]))));
    }
    if version >= 3 {
        fields.push(("x", FieldType::Int));
        fields.push(("flag", FieldType::Bool));
        fields[3].1 = list(object(&[("u", list(FieldType::Unknown))]));
    }
    if version >= 4 {
        fields[4].1 = FieldType::Float;
        fields[1].1 = object(&[("a", FieldType::Int)]);
        fields[3].1 = list(object(&[("u", list(FieldType::Int)), ("é.x", FieldType::String)]));
    }
    let fields =
        fields.into_iter().map(|(name, field_type)| StreamField { name: name.to_owned(), field_type, declared: false });
    Arc::new(StreamSchema { version: SchemaVersion(version), fields: fields.collect() })
}

/// Some values of a type, nulls among them.
fn values(field: &FieldType, count: usize, random: &mut StdRng) -> ArrayRef {
    let nulls: Vec<bool> = (0..count).map(|_| random.random_bool(0.8)).collect();
    let valid = Some(NullBuffer::from(nulls.clone()));
    match field {
        FieldType::Unknown => Arc::new(NullArray::new(count)),
        FieldType::Int => Arc::new(
            nulls.iter().map(|valid| valid.then(|| random.random_range(-1_000..1_000))).collect::<Int64Array>(),
        ),
        FieldType::Float => {
            Arc::new(nulls.iter().map(|valid| valid.then(|| random.random::<f64>())).collect::<Float64Array>())
        }
        FieldType::Bool => {
            Arc::new(nulls.iter().map(|valid| valid.then(|| random.random::<bool>())).collect::<BooleanArray>())
        }
        FieldType::String => {
            let text = nulls.iter().map(|valid| valid.then(|| format!("text {}", random.random_range(0..50))));
            Arc::new(text.collect::<StringArray>())
        }
        FieldType::List(item) => {
            let lengths: Vec<usize> = (0..count).map(|_| random.random_range(0..3)).collect();
            let items = values(item, lengths.iter().sum(), random);
            let item = Arc::new(Field::new("item", item.to_arrow(), true));
            Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), items, valid))
        }
        FieldType::Struct(fields) if fields.is_empty() => Arc::new(StructArray::new_empty_fields(count, valid)),
        FieldType::Struct(fields) => {
            let columns = fields.iter().map(|(_, field)| values(field, count, random)).collect();
            let DataType::Struct(fields) = field.to_arrow() else { unreachable!("an object is a struct") };
            Arc::new(StructArray::new(Fields::from(fields.to_vec()), columns, valid))
        }
        other => unreachable!("{other} is not tried"),
    }
}

/// Rows whose `n` count on from `first`; times are those of arrival, a little off, or long past.
pub(crate) fn request(
    name: &str,
    exists: bool,
    version: u32,
    first: i64,
    times: &[Option<i64>],
    random: &mut StdRng,
) -> AppendRequest {
    let new = schema(version);
    let count = times.len();
    let source_time = times.iter().map(|time| time.filter(|time| time % 2 == 0));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone(UTC)),
        Arc::new(source_time.collect::<TimestampMicrosecondArray>().with_timezone(UTC)),
        Arc::new((first..first + count as i64).collect::<Int64Array>()),
    ];
    columns.extend(new.fields[1..].iter().map(|field| values(&field.field_type, count, random)));
    let rows = RecordBatch::try_new(new.stored_schema(), columns).unwrap();
    AppendRequest {
        stream: stream(name),
        base: exists.then_some(new.version),
        schema: new,
        rows,
        rejected: 0,
        rejects: None,
        idempotency: None,
        receipt: Bytes::new(),
    }
}

/// Two logs that are told the same, one of them with an archive.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) random: StdRng,
    pub(crate) plain: EmbeddedLog,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) archive: Arc<Archive>,
    pub(crate) archived: ArchivedLog,
    /// By stream: its version, and how many rows it has.
    pub(crate) streams: BTreeMap<String, (u32, i64)>,
}

/// What of an archive is tried: small files and short hours.
pub(crate) fn small(config: ArchiveConfig) -> ArchiveConfig {
    let merge = MergeRules { spans_us: [10 * SECOND_US, 60 * SECOND_US], rows_max: 2_000, bytes_max: 1 << 20 };
    ArchiveConfig { merge: Some(merge), ..config }
}

pub(crate) fn open_log(config: EmbeddedConfig, clock: &Arc<ManualClock>) -> EmbeddedLog {
    EmbeddedLog::open(config, clock.clone(), &Tasks::new()).unwrap()
}

pub(crate) fn log_config(dir: &std::path::Path) -> EmbeddedConfig {
    let archived = Some(Archived { keep_us: 5 * SECOND_US });
    EmbeddedConfig { segment_bytes: 20_000, segment_age_us: 7 * SECOND_US, archived, ..EmbeddedConfig::new(dir) }
}

impl World {
    pub(crate) fn new(seed: u64, change: impl FnOnce(ArchiveConfig) -> ArchiveConfig) -> Self {
        Self::with_log(seed, |config| config, change)
    }

    pub(crate) fn with_log(
        seed: u64,
        change_log: impl FnOnce(EmbeddedConfig) -> EmbeddedConfig,
        change: impl FnOnce(ArchiveConfig) -> ArchiveConfig,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(START_US);
        let plain = open_log(EmbeddedConfig::new(dir.path().join("plain")), &clock);
        let data = dir.path().join("data");
        let log = Arc::new(open_log(change_log(log_config(&data)), &clock));
        let config = change(small(ArchiveConfig::new(&data)));
        let archive = Arc::new(Archive::new(config, &Tasks::new()).unwrap());
        let archived = ArchivedLog::new(log.clone(), archive.clone());
        let random = StdRng::seed_from_u64(seed);
        Self { dir, clock, random, plain, log, archive, archived, streams: BTreeMap::new() }
    }

    /// Appends some rows to a stream, the same to both logs.
    pub(crate) async fn append(&mut self, name: &str, count: usize) {
        let now = self.clock.now_us();
        let known = self.streams.get(name).copied();
        let (mut version, first) = known.unwrap_or((1, 0));
        let grows = known.is_some() && version < VERSIONS && self.random.random_bool(0.05);
        version += u32::from(grows);
        let times: Vec<Option<i64>> = (0..count)
            .map(|_| match self.random.random_range(0..10) {
                0..3 => None,
                3..9 => Some(now - self.random.random_range(0..2 * SECOND_US)),
                _ => Some(now - self.random.random_range(0..100_000 * SECOND_US)),
            })
            .collect();
        let mut request = request(name, known.is_some(), version, first, &times, &mut self.random);
        if grows {
            request.base = Some(SchemaVersion(version - 1));
        }
        let plain = self.plain.append(request.clone()).await.unwrap();
        let appended = self.log.append(request).await.unwrap();
        assert_eq!(appended.position.offset, plain.position.offset);
        self.streams.insert(name.to_owned(), (version, first + count as i64));
    }

    /// One round of the archive's thread.
    pub(crate) fn round(&self) {
        self.archive.round(&self.log, self.clock.as_ref()).unwrap();
    }
}

/// The batches of a scan as one.
pub(crate) fn whole(scan: impl Iterator<Item = Result<RecordBatch, LogError>>) -> Option<RecordBatch> {
    let batches: Vec<RecordBatch> = scan.map(Result::unwrap).collect();
    let schema = batches.first()?.schema();
    Some(concat_batches(&schema, &batches).unwrap()).filter(|rows| rows.num_rows() > 0)
}

/// The `n`s of rows.
pub(crate) fn numbers(rows: &RecordBatch) -> Vec<i64> {
    use arrow::array::AsArray;
    let column = rows.column_by_name("n").unwrap();
    column.as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
}

pub(crate) fn everything(log: &dyn Log, name: &str) -> Option<RecordBatch> {
    whole(log.scan(&stream(name), LogOffset::START, log.head().offset, None))
}
