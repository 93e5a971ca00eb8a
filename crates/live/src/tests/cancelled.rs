//! A query ends when nobody waits for it any more, and so does its reading of the past.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono_tz::Tz;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{LogOffset, Position, StreamName, StreamSchema, TimeUs};

use super::world::{Event, STREAM, World};
use crate::api::{Batches, History, Params, QueryErrorKind, QuerySpec};
use crate::ending::{Ending, LeaveOnDrop};
use crate::scan_request::ScanRequest;

/// A past without an end: its first batch, again and again, until the reader goes.
#[derive(Debug)]
struct Endless {
    world: Arc<World>,
    read: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

struct UntilDropped(Arc<AtomicBool>);

impl Drop for UntilDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl History for Endless {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.world.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.world.streams()
    }

    fn head(&self) -> Position {
        self.world.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        let first = self.world.scan(request).next().expect("a batch").expect("rows");
        let (read, until_dropped) = (self.read.clone(), UntilDropped(self.ended.clone()));
        Box::new(std::iter::repeat_with(move || {
            let _held = &until_dropped;
            read.fetch_add(1, Ordering::SeqCst);
            // As slow as a disk: a query that holds what it reads stays far from its limit of memory.
            std::thread::sleep(Duration::from_millis(1));
            Ok(first.clone())
        }))
    }

    fn complete_from(&self, _stream: &StreamName) -> Option<TimeUs> {
        None
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

#[test]
fn dropping_a_query_ends_its_scan() {
    let world = World::starting_at(0);
    let event = Event { time_us: 0, kind: None, n: Some(1), quarters: None, cents: None, flag: None };
    world.commit(0, 0, &vec![event; 1_000]);
    assert_eq!(world.head().offset, LogOffset::from_u64(1_000));
    assert_eq!(world.streams()[0].as_str(), STREAM);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    for sql in
        ["SELECT sum(n) FROM events", "SELECT n, count(*) FROM events GROUP BY n", "SELECT n FROM events ORDER BY time"]
    {
        let endless = Endless { world: world.clone(), read: Arc::default(), ended: Arc::default() };
        let (read, ended) = (endless.read.clone(), endless.ended.clone());
        let history: Arc<dyn History> = Arc::new(endless);
        let spec = QuerySpec { sql: sql.into(), timezone: Tz::UTC, params: Params::new() };
        // Without a limit of rows or memory in the way of the one that sorts.
        let limits = QueryLimits { memory_bytes_max: 4 << 30, ..QueryLimits::default() };
        runtime.block_on(async {
            let at = history.head();
            tokio::select! {
                answered = crate::batch::run(&spec, &history, at, &limits) => panic!("{sql} has no end: {answered:?}"),
                () = until("the query reads", || read.load(Ordering::SeqCst) > 20) => {
                    assert!(!ended.load(Ordering::SeqCst), "{sql}");
                }
            }
            // The query was dropped.
            until("the scan ends", || ended.load(Ordering::SeqCst)).await;
        });
    }
}

#[test]
fn a_query_ends_at_its_time_and_so_does_its_scan() {
    let world = World::starting_at(0);
    let event = Event { time_us: 0, kind: None, n: Some(1), quarters: None, cents: None, flag: None };
    world.commit(0, 0, &vec![event; 1_000]);
    let endless = Endless { world, read: Arc::default(), ended: Arc::default() };
    let ended = endless.ended.clone();
    let history: Arc<dyn History> = Arc::new(endless);
    let spec = QuerySpec { sql: "SELECT sum(n) FROM events".into(), timezone: Tz::UTC, params: Params::new() };
    let limits = QueryLimits { time_ms_max: 50, ..QueryLimits::default() };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let answered = crate::batch::run(&spec, &history, history.head(), &limits).await;
        let error = answered.expect_err("it has no end");
        assert_eq!(error.message, "the query took longer than 0.05 s: narrow its time range");
        until("the scan ends", || ended.load(Ordering::SeqCst)).await;
    });
}

/// Ten thousand million pairs each, of which none is answered, or all are counted: minutes without a pause.
const PAIRS: [&str; 10] = [
    "SELECT count(*) FROM events a CROSS JOIN events b",
    "SELECT count(*) FROM events a CROSS JOIN events b WHERE a.n + b.n < 0",
    "SELECT a.n FROM events a JOIN events b ON a.n + b.n < 0",
    "SELECT count(*) FROM events a LEFT JOIN events b ON a.n + b.n < 0",
    "SELECT count(*) FROM events a FULL JOIN events b ON a.n + b.n < 0",
    "SELECT count(*) FROM events a WHERE EXISTS (SELECT 1 FROM events b WHERE a.n + b.n < 0)",
    "SELECT count(*) FROM events a WHERE NOT EXISTS (SELECT 1 FROM events b WHERE a.n + b.n < 0)",
    "SELECT a.n FROM events a JOIN events b ON a.kind = b.kind AND a.n + b.n < 0",
    "SELECT count(*) FROM events a JOIN events b ON a.kind = b.kind",
    "SELECT count(*) FROM events a WHERE a.kind IN (SELECT b.kind FROM events b)",
];

/// A past that tells how much of it was read.
#[derive(Debug)]
struct Counted {
    history: Arc<dyn History>,
    rows_read: Arc<AtomicUsize>,
}

impl History for Counted {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.history.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.history.streams()
    }

    fn head(&self) -> Position {
        self.history.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        let rows_read = self.rows_read.clone();
        Box::new(self.history.scan(request).inspect(move |batch| {
            rows_read.fetch_add(batch.as_ref().map_or(0, |batch| batch.num_rows()), Ordering::SeqCst);
        }))
    }

    fn complete_from(&self, stream: &StreamName) -> Option<TimeUs> {
        self.history.complete_from(stream)
    }
}

fn hundred_thousand() -> Arc<dyn History> {
    let world = World::starting_at(0);
    let event = |n| Event { time_us: 0, kind: Some("a"), n: Some(n), quarters: None, cents: None, flag: None };
    for commit in 0..10 {
        world.commit(0, 0, &(commit * 10_000..(commit + 1) * 10_000).map(event).collect::<Vec<_>>());
    }
    world
}

#[test]
fn a_join_that_finds_nothing_ends_at_its_time() {
    let history = hundred_thousand();
    let limits = QueryLimits { time_ms_max: 50, ..QueryLimits::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for sql in PAIRS {
        let spec = QuerySpec { sql: sql.into(), timezone: Tz::UTC, params: Params::new() };
        let answered = runtime.block_on(crate::batch::run(&spec, &history, history.head(), &limits));
        let error = answered.expect_err(sql);
        assert_eq!(error.message, "the query took longer than 0.05 s: narrow its time range", "{sql}");
        assert_eq!(error.kind, QueryErrorKind::LimitExceeded, "{sql}");
    }
}

#[test]
fn a_join_that_finds_nothing_ends_when_nobody_waits() {
    let limits = QueryLimits { time_ms_max: 1 << 32, ..QueryLimits::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
    let watch = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("another");
    for sql in PAIRS {
        let spec = QuerySpec { sql: sql.into(), timezone: Tz::UTC, params: Params::new() };
        let (ending, rows_read) = (Ending::default(), Arc::new(AtomicUsize::new(0)));
        let history: Arc<dyn History> = Arc::new(Counted { history: hundred_thousand(), rows_read: rows_read.clone() });
        let (own, limits) = (ending.clone(), limits.clone());
        let query = runtime.spawn(async move {
            crate::batch::run_until(&own, &spec, &history, history.head(), &limits).await.map(|_| ())
        });
        // One side is read as a whole first, then the other one piece by piece.
        watch.block_on(until("it reads", || rows_read.load(Ordering::SeqCst) > 100_000));
        query.abort();
        drop(LeaveOnDrop(ending));
        let (sender, ended) = std::sync::mpsc::sync_channel(1);
        runtime.spawn(async move { sender.send(query.await.is_err_and(|error| error.is_cancelled())) });
        assert!(ended.recv_timeout(Duration::from_secs(30)).is_ok(), "it goes on: {sql}");
    }
}

/// Functions that read the frame of each row anew, and others.
const WINDOWS: [&str; 8] = [
    "SELECT median(n) OVER (ORDER BY n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM events",
    "SELECT median(n) OVER (ORDER BY n) FROM events",
    "SELECT median(n) FILTER (WHERE n > 7) OVER (PARTITION BY kind ORDER BY n ROWS 10 PRECEDING) FROM events",
    "SELECT nth_value(kind, 3) IGNORE NULLS OVER (ORDER BY n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM events",
    "SELECT sum(n) OVER () FROM events",
    "SELECT n FROM (SELECT n, lag(n) OVER (ORDER BY n) AS before FROM events) WHERE before > 2",
    "SELECT n, rank() OVER (ORDER BY n) AS place FROM events",
    "SELECT n + (SELECT max(m) FROM (SELECT max(n) OVER (ORDER BY n ROWS 2 PRECEDING) AS m FROM events)) FROM events",
];

#[test]
fn a_window_looks_whether_its_query_has_to_end() {
    let (history, limits) = (hundred_thousand(), QueryLimits::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for sql in WINDOWS {
        let spec = QuerySpec { sql: sql.into(), timezone: Tz::UTC, params: Params::new() };
        let ending = Ending::default();
        // So that whatever looks sees it at its first look, however fast the machine is.
        drop(LeaveOnDrop(ending.clone()));
        let answered = runtime.block_on(crate::batch::run_until(&ending, &spec, &history, history.head(), &limits));
        assert_eq!(answered.expect_err(sql).message, "nobody waits for the query any more", "{sql}");
    }
}
