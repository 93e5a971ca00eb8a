//! The SQL page of the guide: each of its examples is answered live and in batch, and is what its table says.
//!
//! A `ndjson STREAM` block is all that the stream holds from there on; a `sql` block is followed by the table of its answer. Words
//! behind `sql` are its zone (`timezone=…`), its parameters (`$name=…`) and `rerun` for what is not maintained.
//! With `PULSEBOARD_GUIDE=write` the tables are written anew, for a person to read through.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use pulseboard_model::decode::{BodyFormat, StreamConfig, decode};
use pulseboard_model::limits::{IngestLimits, QueryLimits, ViewLimits};
use pulseboard_model::schema::UTC;
use pulseboard_model::{Cell, Column, Epoch, LogOffset, Position, Row, StreamName, StreamSchema, TimeUs};

use crate::api::{Batches, History, Params, QueryErrorKind, QuerySpec};
use crate::batch;
use crate::live_query::LiveQuery;
use crate::scan_request::ScanRequest;

const PAGE: &str = "../../docs/guide/sql.md";
/// 1 May 2026, 12:00 UTC: what `now()` is in the examples.
const NOW_US: i64 = 1_777_636_800_000_000;
/// How long before that the live queries begin.
const LEAD_US: i64 = 3_600_000_000;

/// The streams of the examples so far.
#[derive(Debug, Clone, Default)]
struct Streams {
    of: BTreeMap<String, (Arc<StreamSchema>, RecordBatch)>,
    offset: i64,
    clock_us: i64,
}

impl Streams {
    fn put(&mut self, stream: &str, body: &str) {
        let config = StreamConfig::default();
        let decoded =
            decode(body.as_bytes(), BodyFormat::Ndjson, None, &config, &IngestLimits::default(), TimeUs(NOW_US))
                .unwrap_or_else(|error| panic!("{stream}: {error}"));
        assert!(decoded.rejected.is_empty(), "{stream}: {:?}", decoded.rejected);
        let rows = decoded.rows.num_rows();
        let times = decoded.rows.column(0).as_primitive::<TimestampMicrosecondType>();
        let arrived = NOW_US - LEAD_US;
        let time = |values: TimestampMicrosecondArray| -> ArrayRef { Arc::new(values.with_timezone(UTC)) };
        let filled = times.iter().map(|time| Some(time.unwrap_or(arrived))).collect();
        let mut columns: Vec<ArrayRef> = vec![time(filled)];
        columns.extend(decoded.rows.columns()[2..].iter().cloned());
        columns.push(decoded.rows.column(1).clone());
        columns.push(time(TimestampMicrosecondArray::from(vec![arrived; rows])));
        let first = self.offset + 1;
        let count = i64::try_from(rows).expect("few rows");
        columns.push(Arc::new((first..first + count).collect::<Int64Array>()));
        self.offset += count;
        let batch = RecordBatch::try_new(decoded.schema.event_schema(), columns).expect("columns fit the schema");
        self.of.insert(stream.to_owned(), (decoded.schema, batch));
    }
}

impl History for Streams {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.of.get(stream).map(|(schema, _)| schema.clone())
    }

    fn streams(&self) -> Vec<StreamName> {
        self.of.keys().map(|name| StreamName::new(name).expect("a good name")).collect()
    }

    fn head(&self) -> Position {
        let offset = LogOffset::from_u64(u64::try_from(self.offset).expect("not negative"));
        Position { epoch: Epoch(1), offset, clock: TimeUs(self.clock_us) }
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        let batches: Vec<_> =
            self.of.get(request.stream.as_str()).map(|(_, batch)| Ok(batch.clone())).into_iter().collect();
        let project = |batch: RecordBatch| request.project(&batch).expect("the columns are there");
        let batches: Vec<_> = batches.into_iter().map(|batch| batch.map(project)).collect();
        Box::new(batches.into_iter())
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}

#[derive(Debug, Default)]
struct Example {
    sql: String,
    timezone: Option<Tz>,
    params: Params,
    is_rerun: bool,
}

impl Example {
    fn told(words: &str) -> Self {
        let mut example = Self::default();
        for word in words.split_whitespace() {
            match word.split_once('=') {
                Some(("timezone", zone)) => example.timezone = Some(zone.parse().expect("a zone")),
                Some((name, value)) => {
                    let name = name.trim_start_matches('$').to_owned();
                    example.params.insert(name, Cell::Str(value.into()));
                }
                None => {
                    assert_eq!(word, "rerun", "what the example is told");
                    example.is_rerun = true;
                }
            }
        }
        example
    }

    /// The table of the answer, after it was answered in both ways.
    fn table(&self, streams: &Streams) -> String {
        let timezone = self.timezone.unwrap_or(Tz::UTC);
        let spec = QuerySpec { sql: self.sql.clone(), timezone, params: self.params.clone() };
        let head = Streams { clock_us: NOW_US, ..streams.clone() };
        let history: Arc<dyn History> = Arc::new(head.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answer = runtime.block_on(batch::run(&spec, &history, head.head(), &QueryLimits::default()));
        let answer = answer.unwrap_or_else(|error| panic!("{}\n{error}", self.sql));
        let expected = lines(&answer.rows, timezone);
        let table = |lines: &[String]| {
            let names: Vec<&str> = answer.columns.iter().map(|column: &Column| column.name.as_str()).collect();
            let mut table = format!("| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()));
            lines.iter().for_each(|line| {
                writeln!(table, "{line}").expect("text takes text");
            });
            table
        };

        let started = Streams { clock_us: NOW_US - LEAD_US, ..streams.clone() };
        let mut live = match LiveQuery::new(&spec, &started, &ViewLimits::default()) {
            Ok(live) => live,
            Err(error) => {
                assert!(self.is_rerun && error.kind == QueryErrorKind::NotYet, "{}\n{error}", self.sql);
                return table(&sorted(expected));
            }
        };
        assert!(!self.is_rerun, "this is maintained: {}", self.sql);
        // Half of the rows an hour ago, a restart, the other half, then the clock moves on to now.
        for half in [false, true] {
            for (name, (schema, rows)) in &streams.of {
                let stream = StreamName::new(name).expect("a good name");
                let middle = rows.num_rows() / 2;
                let rows = if half { rows.slice(middle, rows.num_rows() - middle) } else { rows.slice(0, middle) };
                live.push(&stream, &rows, schema).unwrap_or_else(|error| panic!("{}\n{error}", self.sql));
            }
            live.finish().unwrap_or_else(|error| panic!("{}\n{error}", self.sql));
            let bytes = live.to_bytes().expect("its state is written");
            live = LiveQuery::new(&spec, &started, &ViewLimits::default()).expect("plans again");
            live.restore(&bytes).expect("its state is read");
        }
        assert!(live.advance(TimeUs(NOW_US)).expect("the clock moves"), "{}", self.sql);
        live.finish().unwrap_or_else(|error| panic!("{}\n{error}", self.sql));
        let snapshot = live.snapshot();
        let told: Vec<Row> = snapshot.ordered_rows().map(|(_, row)| row.clone()).collect();
        let told = lines(&told, timezone);
        let (told, expected) =
            if snapshot.order.is_some() { (told, expected) } else { (sorted(told), sorted(expected)) };
        assert_eq!(told, expected, "live and batch of {}", self.sql);
        table(&told)
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn lines(rows: &[Row], timezone: Tz) -> Vec<String> {
    let line =
        |row: &Row| format!("| {} |", row.iter().map(|cell| shown(cell, timezone)).collect::<Vec<_>>().join(" | "));
    rows.iter().map(line).collect()
}

fn shown(cell: &Cell, timezone: Tz) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        // Floats are equal to the digits that are shown.
        Cell::Float(value) => format!("{}", (value * 1e6).round() / 1e6),
        Cell::Time(us) => {
            let time = DateTime::from_timestamp_micros(*us).expect("a time").naive_utc();
            timezone.from_utc_datetime(&time).format("%Y-%m-%d %H:%M:%S").to_string()
        }
        Cell::Date(days) => {
            let day = chrono::NaiveDate::default() + chrono::TimeDelta::days(i64::from(*days));
            day.format("%Y-%m-%d").to_string()
        }
        Cell::Decimal(text) | Cell::Str(text) | Cell::Interval(text) | Cell::Json(text) => text.replace('|', "\\|"),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_example_of_the_page_answers_what_it_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let mut streams = Streams::default();
    let (mut written, mut examples) = (String::new(), 0);
    let mut lines = page.lines().peekable();
    let mut wrong = Vec::new();
    while let Some(line) = lines.next() {
        writeln!(written, "{line}").expect("text takes text");
        let Some(fence) = line.strip_prefix("```") else { continue };
        let mut block = String::new();
        for line in lines.by_ref() {
            writeln!(written, "{line}").expect("text takes text");
            if line.starts_with("```") {
                break;
            }
            writeln!(block, "{line}").expect("text takes text");
        }
        let (language, words) = fence.split_once(' ').unwrap_or((fence, ""));
        match language {
            "ndjson" => streams.put(words.trim(), &block),
            "sql" => {
                examples += 1;
                let table = Example { sql: block, ..Example::told(words) }.table(&streams);
                let mut told = String::new();
                while lines.next_if(|line| line.is_empty()).is_some() {}
                while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                    writeln!(told, "{row}").expect("text takes text");
                }
                if told != table {
                    wrong.push(format!("{fence}\nsays\n{told}\nis\n{table}"));
                }
                let end = if told.is_empty() { "\n" } else { "" };
                write!(written, "\n{table}{end}").expect("text takes text");
            }
            _ => {}
        }
    }
    if std::env::var("PULSEBOARD_GUIDE").as_deref() == Ok("write") {
        std::fs::write(&path, written).expect("the page is written");
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(examples >= 25, "the examples were not found: {examples}");
}
