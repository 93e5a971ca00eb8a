//! What a state says it takes against what the process takes for it, and what happens at the limit.
//!
//! Each shape is filled in a process of its own: this test starts itself again and reads what the child found.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::record_batch::RecordBatch;
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{Cell, StreamName, TimeUs};

use super::world::{Event, STREAM, World};
use crate::api::{History, QueryErrorKind, QuerySpec};
use crate::live_query::LiveQuery;

const START_US: i64 = 1_700_000_000_000_000;
const SECOND_US: i64 = 1_000_000;
/// Which shape a child fills.
const CHILD: &str = "PULSEBOARD_MEMORY_CHILD";

/// A query, how many commits of how many rows fill it, and how far each moves the clock on.
struct Filled {
    sql: &'static str,
    commits: i64,
    rows: i64,
    step_us: i64,
}

const SHAPES: [Filled; 9] = [
    Filled {
        sql: "SELECT 'customer number ' || n AS k, count(*) AS c, sum(value) AS s FROM events GROUP BY 1",
        commits: 60,
        rows: 1_000,
        step_us: 0,
    },
    Filled {
        sql: "SELECT n, sum(value) AS s FROM events GROUP BY n ORDER BY s DESC, n",
        commits: 50,
        rows: 1_000,
        step_us: 0,
    },
    Filled {
        sql: "SELECT n % 100 AS k, count(DISTINCT n) AS c FROM events GROUP BY 1",
        commits: 100,
        rows: 4_000,
        step_us: 0,
    },
    Filled { sql: "SELECT n % 200 AS k, median(n) AS m FROM events GROUP BY 1", commits: 100, rows: 8_000, step_us: 0 },
    Filled {
        sql: "SELECT n % 400 AS k, avg(value) AS m FROM events WHERE time > now() - interval '2 hours' GROUP BY 1",
        commits: 1_200,
        rows: 400,
        step_us: SECOND_US,
    },
    Filled {
        sql: "SELECT time, kind || repeat('x', 200) AS text, n FROM events WHERE time > now() - interval '2 hours'",
        commits: 50,
        rows: 600,
        step_us: SECOND_US,
    },
    Filled {
        sql: "SELECT DISTINCT ON (n) n, kind || repeat('x', 100) AS text, value FROM events ORDER BY n, time DESC",
        commits: 60,
        rows: 800,
        step_us: 0,
    },
    Filled {
        sql: "SELECT n % 500 AS k, last_value(kind || repeat('x', 100) ORDER BY time) AS l FROM events \
              WHERE time > now() - interval '2 hours' GROUP BY 1",
        commits: 300,
        rows: 500,
        step_us: SECOND_US,
    },
    Filled {
        sql: "SELECT n % 50 AS k, count(DISTINCT 'customer number ' || n) AS c, approx_distinct(n) AS d FROM events GROUP BY 1",
        commits: 100,
        rows: 1_000,
        step_us: 0,
    },
];

fn spec(sql: &str) -> QuerySpec {
    QuerySpec { sql: sql.to_owned(), timezone: chrono_tz::UTC, params: Default::default() }
}

/// A live query that nothing keeps the events of.
struct Filling {
    query: LiveQuery,
    now_us: i64,
    next: i64,
}

impl Filling {
    fn new(sql: &str, limits: &ViewLimits) -> Self {
        let world = World::starting_at(START_US);
        let query = LiveQuery::new(&spec(sql), world.as_ref(), limits).unwrap_or_else(|e| panic!("{sql}: {e}"));
        Self { query, now_us: START_US, next: 0 }
    }

    fn commit(&mut self, rows: i64, step_us: i64) -> Result<(), crate::api::QueryError> {
        let event = |n| Event {
            time_us: 0,
            kind: Some("a"),
            n: Some(n),
            quarters: i32::try_from(n % 1_000).ok(),
            cents: None,
            flag: None,
        };
        let events: Vec<Event> = (self.next..self.next + rows).map(event).collect();
        let world = World::starting_at(self.now_us);
        let batch = world.commit(self.now_us, 0, &events);
        let offsets: ArrayRef = Arc::new((self.next + 1..=self.next + rows).collect::<Int64Array>());
        let mut columns = batch.columns().to_vec();
        if let Some(last) = columns.last_mut() {
            *last = offsets;
        }
        let batch = RecordBatch::try_new(batch.schema(), columns).expect("offsets are offsets");
        let schema = world.schema(STREAM).expect("the stream");
        self.next += rows;
        self.query.push(&StreamName::new(STREAM).expect("a good name"), &batch, &schema)?;
        self.query.finish()?;
        self.now_us += step_us;
        assert!(self.query.advance(TimeUs(self.now_us))?, "no bound moved back");
        self.query.finish().map(drop)
    }
}

/// Resident bytes that belong to this process alone.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says it");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it has the line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

#[test]
fn fills_a_shape_for_the_test_that_started_it() {
    let Some(number) = std::env::var(CHILD).ok().and_then(|text| text.parse::<usize>().ok()) else { return };
    let Filled { sql, commits, rows, step_us } = SHAPES[number];
    let limits = ViewLimits { groups_max: 1 << 30, rows_max: 1 << 30, state_bytes_max: 1 << 40 };
    // What is made once is there before.
    let mut warm = Filling::new(sql, &limits);
    warm.commit(rows, step_us).expect("fits");
    drop(warm);
    let before = resident_bytes();
    let mut filling = Filling::new(sql, &limits);
    for _ in 0..commits {
        filling.commit(rows, step_us).expect("fits");
    }
    println!("says {} takes {}", filling.query.size_bytes(), resident_bytes().saturating_sub(before));
}

#[cfg(target_os = "linux")]
#[test]
fn a_state_says_within_a_factor_of_two_what_the_process_takes_for_it() {
    let program = std::env::current_exe().expect("this test");
    for (number, Filled { sql, .. }) in SHAPES.iter().enumerate() {
        let child = std::process::Command::new(&program)
            .args(["--exact", "tests::memory::fills_a_shape_for_the_test_that_started_it", "--nocapture"])
            .env(CHILD, number.to_string())
            // Memory that is given back is given to the system at once.
            .env("MALLOC_TRIM_THRESHOLD_", "0")
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .output()
            .expect("it runs again");
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        let figures: Vec<f64> = said
            .lines()
            .find(|line| line.contains("says "))
            .unwrap_or_else(|| panic!("{sql}: {said} {}", String::from_utf8_lossy(&child.stderr)))
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [says, takes] = figures[..] else { panic!("{sql}: {said}") };
        println!("{sql}: says {says} takes {takes}: {:.2}", says / takes);
        assert!(takes > 4e6, "{sql}: too little to tell: {said}");
        assert!((0.5..2.0).contains(&(says / takes)), "{sql}: {said}");
    }
}

#[test]
fn at_the_limit_a_view_keeps_its_groups_and_takes_no_new_ones() {
    let limits = ViewLimits { state_bytes_max: 1 << 20, ..ViewLimits::default() };
    let mut filling = Filling::new("SELECT n, count(*) AS c FROM events GROUP BY n", &limits);
    for _ in 0..200 {
        filling.commit(100, 0).expect("fits");
    }
    assert!(filling.query.is_truncated());
    let held = filling.query.len();
    assert!((1_000..20_000).contains(&held), "{held} groups in a megabyte");
    assert!(filling.query.size_bytes() < 3 << 19, "{} bytes", filling.query.size_bytes());
    filling.next = 0;
    filling.commit(10, 0).expect("fits");
    assert_eq!(filling.query.len(), held);
    let counts: Vec<Cell> = filling.query.snapshot().rows.values().take(11).map(|row| row[1].clone()).collect();
    assert!(counts.contains(&Cell::Int(2)), "those that are held go on: {counts:?}");
}

#[test]
fn at_the_limit_a_view_takes_no_new_rows_until_old_ones_have_left() {
    let limits = ViewLimits { rows_max: 1 << 30, state_bytes_max: 1 << 20, ..ViewLimits::default() };
    let sql = "SELECT n, repeat('x', 1000) AS text FROM events WHERE time > now() - interval '10 seconds'";
    let mut filling = Filling::new(sql, &limits);
    for _ in 0..30 {
        filling.commit(100, 0).expect("fits");
    }
    assert!(filling.query.is_truncated());
    assert!((500..1_100).contains(&filling.query.len()), "{} rows of a kilobyte in a megabyte", filling.query.len());
    filling.commit(1, 20 * SECOND_US).expect("fits");
    assert_eq!(filling.query.len(), 0);
    assert!(!filling.query.is_truncated(), "all that was refused would have left");
}

#[test]
fn groups_that_outgrow_the_limit_are_an_error_that_says_so() {
    let limits = ViewLimits { state_bytes_max: 1 << 20, ..ViewLimits::default() };
    let mut filling = Filling::new("SELECT n % 2 AS k, median(n) AS m FROM events GROUP BY 1", &limits);
    let error = (0..100).find_map(|_| filling.commit(10_000, 0).err()).expect("too much at last");
    assert_eq!(error.kind, QueryErrorKind::LimitExceeded);
    assert!(error.message.contains("takes more than the 1MiB"), "{}", error.message);
}
