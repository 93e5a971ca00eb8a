//! What a batch query asks of the past: no more columns and times than it needs, and never less.

use std::sync::Arc;

use chrono_tz::Tz;
use parking_lot::Mutex;
use pulseboard_model::{Cell, LogOffset, Position, StreamName, StreamSchema, TimeUs};

use super::{START_US, answer, spec, three_events, with};
use crate::api::{Batches, History, QuerySpec};
use crate::scan_request::ScanRequest;

/// The past, and what was asked of it.
#[derive(Debug)]
struct Asked {
    past: Arc<dyn History>,
    requests: Mutex<Vec<ScanRequest>>,
}

impl History for Asked {
    fn schema(&self, stream: &str) -> Option<Arc<StreamSchema>> {
        self.past.schema(stream)
    }

    fn streams(&self) -> Vec<StreamName> {
        self.past.streams()
    }

    fn head(&self) -> Position {
        self.past.head()
    }

    fn scan(&self, request: &ScanRequest) -> Batches {
        self.requests.lock().push(request.clone());
        self.past.scan(request)
    }

    fn complete_from(&self, stream: &StreamName) -> Option<TimeUs> {
        self.past.complete_from(stream)
    }
}

/// What `spec` asks, and how many rows it answers.
fn asked(spec: &QuerySpec) -> (Vec<ScanRequest>, usize) {
    let asked = Arc::new(Asked { past: three_events(), requests: Mutex::default() });
    let history: Arc<dyn History> = asked.clone();
    let rows = answer(spec, &history).unwrap_or_else(|error| panic!("{}: {error}", spec.sql)).rows.len();
    (std::mem::take(&mut asked.requests.lock()), rows)
}

fn one(sql: &str) -> ScanRequest {
    let (mut requests, _rows) = asked(&spec(sql));
    assert_eq!(requests.len(), 1, "{sql}");
    requests.remove(0)
}

const MINUTE_US: i64 = 60_000_000;

#[test]
fn only_the_columns_that_are_read_are_asked_for() {
    let columns = |sql: &str| one(sql).columns.map(|columns| columns.join(" "));
    assert_eq!(columns("SELECT sum(n) FROM events WHERE kind = 'a'").as_deref(), Some("kind n"));
    assert_eq!(columns("SELECT count(*) FROM events").as_deref(), Some(""));
    assert_eq!(columns("SELECT price FROM events ORDER BY time").as_deref(), Some("time price _offset"));
}

#[test]
fn bounds_of_the_clock_and_constants_narrow_the_time_on_both_sides() {
    let times = |sql: &str| {
        let request = one(sql);
        (request.time_from.map(|at| at.0 - START_US), request.time_to.map(|at| at.0 - START_US))
    };
    let select = "SELECT count(*) FROM events WHERE";
    assert_eq!(times(&format!("{select} time >= now() - INTERVAL '1 minute'")), (Some(-MINUTE_US), None));
    assert_eq!(times(&format!("{select} now() > time")), (None, Some(-1)));
    let both = format!("{select} time > now() - INTERVAL '2 minutes' AND time <= now() AND n > 1");
    assert_eq!(times(&both), (Some(-2 * MINUTE_US + 1), Some(0)));
    let between = format!("{select} time BETWEEN now() - INTERVAL '1 day' AND now() - INTERVAL '1 hour'");
    assert_eq!(times(&between), (Some(-1_440 * MINUTE_US), Some(-60 * MINUTE_US)));
    // Through a subquery; where either side of an OR would do, or a function stands around the column, nothing is left out.
    let inner = "SELECT sum(n) FROM (SELECT n, time AS t FROM events) WHERE t >= now() - INTERVAL '1 minute'";
    assert_eq!(times(inner), (Some(-MINUTE_US), None));
    assert_eq!(times(&format!("{select} time >= now() OR n = 1")), (None, None));
}

#[test]
fn local_days_are_those_of_the_query() {
    let sql = "SELECT count(*) FROM events WHERE time >= date_trunc('day', now())";
    let (requests, _rows) = asked(&QuerySpec { timezone: Tz::Asia__Kolkata, ..spec(sql) });
    let from = requests[0].time_from.expect("a bound").0;
    // Midnight in Kolkata is at 18:30 UTC.
    assert_eq!(from.rem_euclid(86_400_000_000), (18 * 60 + 30) * MINUTE_US);
}

#[test]
fn equal_columns_are_told_and_each_table_of_a_join_gets_its_own() {
    let (requests, rows) = asked(&with("SELECT n FROM events WHERE kind = $kind", &[("kind", Cell::Str("a".into()))]));
    assert_eq!(requests[0].equal, [("kind".to_owned(), Cell::Str("a".into()))]);
    assert_eq!(rows, 1);

    let join = "SELECT count(*) FROM events a JOIN events b ON a.kind = b.kind WHERE a.n = 1 AND b.time >= now()";
    let (mut requests, _rows) = asked(&spec(join));
    requests.sort_by_key(|request| request.time_from);
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].equal.len(), requests[0].time_from), (1, None));
    assert_eq!((requests[1].equal.len(), requests[1].time_from), (0, Some(TimeUs(START_US))));
}

#[test]
fn rows_need_no_order_where_the_answer_does_not_show_it() {
    assert!(one("SELECT n FROM events").in_order);
    assert!(!one("SELECT n FROM events ORDER BY n").in_order);
    assert!(!one("SELECT n FROM events LIMIT 2").in_order, "the tie goes by `_offset`, which sorts");
    assert!(!one("SELECT kind, sum(n) FROM events GROUP BY kind").in_order);
    assert_eq!(one("SELECT n FROM events").after, LogOffset::START);
}

#[test]
fn names_and_types_of_columns_do_not_show_that_the_clock_stands() {
    let names = |sql: &str| {
        let answered = answer(&spec(sql), &three_events()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let columns: Vec<String> = answered.columns.iter().map(|column| column.name.clone()).collect();
        (columns.join(" "), answered.rows.len())
    };
    assert_eq!(names("SELECT now(), current_date, count(*) FROM events"), ("now() current_date count(*)".into(), 1));
    let grouped = "SELECT date_trunc('day', now()) AS d, kind FROM events GROUP BY date_trunc('day', now()), kind";
    assert_eq!(names(grouped), ("d kind".into(), 3));
    let unioned = "SELECT now() AS t FROM events UNION ALL SELECT time FROM events";
    assert_eq!(names(unioned), ("t".into(), 6));
}
