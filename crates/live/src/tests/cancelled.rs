//! A query ends when nobody waits for it any more, and so does its reading of the past.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono_tz::Tz;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{LogOffset, Position, StreamName, StreamSchema, TimeUs};

use super::world::{Event, STREAM, World};
use crate::api::{Batches, History, Params, QuerySpec};
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
