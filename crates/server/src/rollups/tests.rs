//! Ranges out of states beside real files equal the same ranges out of rows: before and after states are made, with rows that
//! come late, after files were joined, after a restart, and with what a crash leaves.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use chrono_tz::Tz;
use pulseboard_archive::{Archive, ArchiveConfig, ArchivedLog, MergeRules};
use pulseboard_journal::{AppendRequest, Archived, EmbeddedConfig, EmbeddedLog, Log};
use pulseboard_live::{
    Downsample, Engine, EngineConfig, History, Params, QuerySpec, RangeAnswer, RangeSpec, Rollup, query_once,
};
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::schema::UTC;
use pulseboard_model::{Cell, FieldType, Row, SchemaVersion, StreamField, StreamName, StreamSchema};
use pulseboard_runtime::{Clock, ManualClock, Shutdown, Tasks};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Parts, Wanted};
use crate::log_history::LogHistory;

/// 29 March 2026 00:30 UTC: clocks are put forward in Berlin half an hour later.
const START_US: i64 = 1_774_744_200_000_000;
const SECOND_US: i64 = 1_000_000;
const SENSORS: [&str; 3] = ["a", "b", "c"];

const SQL: [&str; 3] = [
    "SELECT time_bucket($bucket, time) AS t, sensor, count(*) AS n, sum(v) AS s, avg(f) AS a, min(v) AS lo, max(f) AS hi \
     FROM m WHERE time >= $from AND time < $to GROUP BY time_bucket($bucket, time), sensor",
    "SELECT time_bucket($bucket, time) AS t, sum(f) AS s, count(DISTINCT v) AS d FROM m \
     WHERE time >= $from AND time < $to AND sensor = 'b' GROUP BY 1",
    "SELECT time_bucket($bucket, time) AS t, first_value(v ORDER BY time) AS first, last_value(f ORDER BY time) AS last \
     FROM m WHERE time >= $from AND time < $to GROUP BY 1",
];

fn stream() -> StreamName {
    StreamName::new("m").unwrap()
}

fn spec(sql: &str, zone: Tz) -> QuerySpec {
    QuerySpec { sql: sql.into(), timezone: zone, params: Params::new() }
}

/// A log with an archive in a directory, and everything that makes and reads rollups of it.
struct Past {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    log: Arc<EmbeddedLog>,
    archive: Arc<Archive>,
    engine: Engine,
    parts: Parts,
    tasks: Tasks,
}

impl Past {
    fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), ManualClock::at(START_US))
    }

    fn open(dir: tempfile::TempDir, clock: Arc<ManualClock>) -> Self {
        let tasks = Tasks::new();
        let archived = Some(Archived { keep_us: 60 * SECOND_US });
        let config = EmbeddedConfig {
            segment_bytes: 20_000,
            segment_age_us: 200 * SECOND_US,
            archived,
            ..EmbeddedConfig::new(dir.path())
        };
        let log = Arc::new(EmbeddedLog::open(config, clock.clone(), &tasks).unwrap());
        let merge =
            MergeRules { spans_us: [3_600 * SECOND_US, 86_400 * SECOND_US], rows_max: 40_000, bytes_max: 8 << 20 };
        let config = ArchiveConfig { merge: Some(merge), ..ArchiveConfig::new(dir.path()) };
        let archive = Arc::new(Archive::new(config, &tasks).unwrap());
        archive.open(log.as_ref()).unwrap();
        let archived = ArchivedLog::new(log.clone(), archive.clone());
        let zones = [Tz::UTC, Tz::Europe__Berlin];
        let views = zones.iter().flat_map(|zone| SQL.map(|sql| spec(sql, *zone))).collect();
        let wanted = Arc::new(Wanted::new(views));
        let history: Arc<dyn History> = Arc::new(LogHistory::with_archive(archived).with_rollups(wanted.clone()));
        let engine = Engine::start(EngineConfig::default(), history.clone(), &tasks, Box::new(|_| {})).unwrap();
        let parts = Parts { archive: archive.clone(), history, wanted, limits: QueryLimits::default() };
        Self { dir, clock, log, archive, engine, parts, tasks }
    }

    /// The same directory, opened again as after an end of the process.
    fn reopened(self) -> Self {
        let Self { dir, clock, log, tasks, .. } = self;
        tasks.shutdown().trigger();
        log.close();
        drop((log, tasks));
        Self::open(dir, clock)
    }

    /// Rows of the last seconds, and some that come late.
    async fn append(&self, random: &mut StdRng, count: usize) {
        let now = self.clock.now_us();
        let field = |name: &str, field_type| StreamField { name: name.into(), field_type, declared: false };
        let fields = vec![field("sensor", FieldType::String), field("v", FieldType::Int), field("f", FieldType::Float)];
        let schema = Arc::new(StreamSchema { version: SchemaVersion(1), fields });
        let times: Vec<i64> = (0..count)
            .map(|_| match random.random_range(0..20) {
                0 => now - random.random_range(0..30 * 3_600) * SECOND_US,
                _ => now - random.random_range(0..10) * SECOND_US + 250_000,
            })
            .collect();
        let sensors: StringArray =
            times.iter().map(|_| random.random_bool(0.95).then(|| SENSORS[random.random_range(0..3)])).collect();
        let v: Int64Array = times.iter().map(|_| Some(random.random_range(0..50))).collect();
        let f: Float64Array = times
            .iter()
            .map(|_| random.random_bool(0.9).then(|| f64::from(random.random_range(0..400)) / 4.0))
            .collect();
        let nulls = TimestampMicrosecondArray::new_null(count);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone(UTC)),
            Arc::new(nulls.with_timezone(UTC)),
            Arc::new(sensors),
            Arc::new(v),
            Arc::new(f),
        ];
        let request = AppendRequest {
            stream: stream(),
            base: self.log.schema("m").map(|known| known.version),
            rows: RecordBatch::try_new(schema.stored_schema(), columns).unwrap(),
            schema,
            rejected: 0,
            rejects: None,
            idempotency: None,
            receipt: Bytes::new(),
        };
        self.log.append(request).await.unwrap();
    }

    async fn live_on(&self, random: &mut StdRng, turns: usize) {
        for _ in 0..turns {
            self.append(random, 400).await;
            self.clock.advance(random.random_range(30..400) * SECOND_US);
            tokio::task::block_in_place(|| self.archive.round(&self.log, self.clock.as_ref()).unwrap());
        }
    }

    fn make(&self) {
        tokio::task::block_in_place(|| self.parts.pass(&Shutdown::default()).unwrap());
    }

    /// How many of the files have all rollups.
    fn made(&self) -> (usize, usize) {
        let files = self.archive.files(&stream());
        (files.iter().filter(|file| file.sidecars.len() == 2 * SQL.len() * 4).count(), files.len())
    }

    async fn range(&self, spec: QuerySpec, from_us: i64, to_us: Option<i64>, bucket: &str) -> RangeAnswer {
        let mut query = spec;
        query.params.insert("bucket".into(), Cell::Str(bucket.into()));
        let range = RangeSpec {
            query,
            from: Some(Cell::Time(from_us)),
            to: to_us.map(Cell::Time),
            points: 500,
            downsample: Downsample::default(),
            series: None,
        };
        self.engine.range(&range, self.log.head()).await.unwrap()
    }

    /// The same out of rows.
    async fn rows(&self, spec: QuerySpec, from_us: i64, to_us: Option<i64>, bucket: &str) -> Vec<String> {
        let mut query = spec;
        query.params.insert("bucket".into(), Cell::Str(bucket.into()));
        query.params.insert("from".into(), Cell::Time(from_us));
        query.params.extend(to_us.map(|to| ("to".into(), Cell::Time(to))));
        let answer = query_once(&query, &self.parts.history, self.log.head(), &QueryLimits::default()).await;
        told(&answer.unwrap().rows)
    }

    /// Compares random ranges; gives how many were answered out of states, and the rows that those read beside them.
    async fn assert_equal(&self, random: &mut StdRng, ranges: usize, what: &str) -> (usize, u64) {
        let (mut out_of_states, mut rows) = (0, 0);
        for _ in 0..ranges {
            let zone = [Tz::UTC, Tz::Europe__Berlin][random.random_range(0..2)];
            let spec = spec(SQL[random.random_range(0..SQL.len())], zone);
            let widths = [
                ("1 second", 1),
                ("10 seconds", 10),
                ("1 minute", 60),
                ("15 minutes", 900),
                ("90 minutes", 5_400),
                ("6 hours", 21_600),
                ("1 day", 86_400),
            ];
            let (bucket, width_s) = widths[random.random_range(0..widths.len())];
            let now = self.clock.now_us();
            // On a bucket's edge, on a second, anywhere.
            let grain = [width_s * SECOND_US, SECOND_US, 1][random.random_range(0..3)];
            let on = |at: i64| at - at.rem_euclid(grain);
            let from = on(now - random.random_range(1..(width_s * 5_000).min(40 * 3_600)) * SECOND_US);
            let to = random.random_bool(0.6).then(|| on(from + random.random_range(1..=(now - from).max(1))));
            let to = to.filter(|to| *to > from);
            let answer = self.range(spec.clone(), from, to, bucket).await;
            let due = self.rows(spec.clone(), from, to, bucket).await;
            let case = format!("{what}: {} from {from} to {to:?} by {bucket} in {zone}", spec.sql);
            assert_eq!(told(&answer.answer.rows), due, "{case}");
            if let Some(used) = answer.rollup {
                out_of_states += 1;
                rows += used.rows;
            }
        }
        (out_of_states, rows)
    }
}

/// Rows as text, in one order. Floats are quarters and what becomes of them, so nine digits say it all.
fn told(rows: &[Row]) -> Vec<String> {
    let cell = |cell: &Cell| match cell {
        Cell::Float(value) => format!("{value:.9}"),
        other => format!("{other:?}"),
    };
    let mut told: Vec<String> = rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" ")).collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_out_of_states_equal_those_out_of_rows_whatever_happened_to_the_files() {
    for seed in 0..2 {
        let mut random = StdRng::seed_from_u64(seed);
        let past = Past::new();
        past.live_on(&mut random, 12).await;
        assert_eq!(past.made().0, 0);
        assert_eq!(past.assert_equal(&mut random, 5, "no states").await.0, 0);

        past.make();
        let (made, files) = past.made();
        assert!(made == files && files > 1, "{made} of {files}");
        let (answered, _) = past.assert_equal(&mut random, 25, "states of all files").await;
        assert!(answered > 15, "{answered} of 25");

        // Newer rows and late ones, in the log and in files without states.
        past.live_on(&mut random, 6).await;
        let (made, files) = past.made();
        assert!(made < files, "{made} of {files}");
        past.assert_equal(&mut random, 25, "states of some files").await;

        // Whole hours are joined: states go with their files, and are made again.
        past.clock.advance(7_200 * SECOND_US);
        past.live_on(&mut random, 6).await;
        let joined = past.archive.files(&stream()).iter().filter(|file| file.level > 0).count();
        assert!(joined > 0, "hours were joined");
        past.assert_equal(&mut random, 15, "joined").await;
        past.make();
        let (made, files) = past.made();
        assert_eq!(made, files);
        past.assert_equal(&mut random, 25, "states of joined files").await;

        // A crash before the manifest leaves an object that nothing names: it goes, and what is named stays.
        let file = past.archive.files(&stream())[0].clone();
        let rollup = Rollup::of(&spec(SQL[0], Tz::UTC), past.parts.history.as_ref(), &QueryLimits::default());
        let name = rollup.unwrap().unwrap().prefix();
        let stray =
            past.dir.path().join("archive").join(format!("{}-0.{name}1m", file.name.trim_end_matches(".parquet")));
        std::fs::write(&stray, "half a state").unwrap();
        let past = past.reopened();
        assert!(!stray.exists(), "what a crash left goes");
        assert_eq!(past.made(), (made, files), "what was made stays");
        let (answered, _) = past.assert_equal(&mut random, 25, "reopened").await;
        assert!(answered > 15, "{answered} of 25");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_read_only_at_the_edges_and_of_what_has_no_states() {
    let mut random = StdRng::seed_from_u64(7);
    let past = Past::new();
    past.live_on(&mut random, 30).await;
    past.make();
    let all: u64 = past.archive.files(&stream()).iter().map(|file| file.rows).sum();
    let in_log = 12_000 - all;
    let chart = spec(SQL[0], Tz::UTC);
    let hour = 3_600 * SECOND_US;
    let begin = START_US - START_US.rem_euclid(hour) - 30 * hour;
    let used = past.range(chart.clone(), begin, None, "1 hour").await.rollup.expect("states");
    assert_eq!(used.rows, in_log, "on the hour nothing of the files is read: {used:?}");
    assert!(used.states * 10 < all, "{used:?} of {all} rows");
    // A second more or less at an edge is read out of the seconds' states; half of one out of rows.
    let used = past.range(chart.clone(), begin + 31 * SECOND_US, None, "1 hour").await.rollup.expect("states");
    assert_eq!(used.rows, in_log, "{used:?}");
    let used = past.range(chart.clone(), START_US + SECOND_US / 2, None, "1 hour").await.rollup.expect("states");
    assert!(used.rows > in_log && used.rows < in_log + all, "of the files that have such rows: {used:?} of {all}");
    // Damaged states are never believed: the rows are read.
    let damaged = past.archive.files(&stream())[0].clone();
    let dir = past.dir.path().join("archive/data/m");
    let stem = damaged.name.rsplit('/').next().unwrap().trim_end_matches(".parquet").to_owned();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(&stem) && name.contains(".rollup.") {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, vec![7; bytes.len()]).unwrap();
        }
    }
    let answer = past.range(chart.clone(), begin, None, "1 hour").await;
    assert_eq!(told(&answer.answer.rows), past.rows(chart, begin, None, "1 hour").await);
    assert_eq!(answer.rollup.expect("states").rows, in_log + damaged.rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_asked_for_again_gets_states_too() {
    let mut random = StdRng::seed_from_u64(8);
    let past = Past::new();
    past.live_on(&mut random, 8).await;
    past.make();
    let sql =
        "SELECT time_bucket($bucket, time) AS t, max(v) AS hi FROM m WHERE time >= $from AND time < $to GROUP BY 1";
    let own = spec(sql, Tz::UTC);
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(past.range(own.clone(), START_US, None, "1 minute").await);
        past.make();
    }
    let used: Vec<bool> = answers.iter().map(|answer| answer.rollup.is_some()).collect();
    assert_eq!(used, [false, false, true], "once is not enough, twice is");
    assert_eq!(told(&answers[0].answer.rows), told(&answers[2].answer.rows));
    // Others come and go; there is an end to how many.
    for n in 0..100 {
        let other = spec(&format!("{sql} HAVING count(*) > {n}"), Tz::UTC);
        for _ in 0..2 {
            past.range(other.clone(), START_US, None, "1 hour").await;
        }
    }
    assert_eq!(past.parts.wanted.specs().len(), 2 * SQL.len() + 32);
}
