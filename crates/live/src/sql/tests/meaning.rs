//! What names mean.

use std::sync::Arc;

use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{Cell, Column, FieldType};

use super::{Empty, START_US, answer, columns, plan, rows, spec, three_events};
use crate::api::{History, QueryErrorKind};
use crate::live_query::LiveQuery;
use crate::tests::world::{Event, Wide, World};

fn logins() -> Empty {
    Empty::default().with("logins", &[("user", FieldType::String), ("current_user", FieldType::Int)])
}

#[test]
fn a_column_named_like_a_function_without_parentheses_is_a_column() {
    let sql = "SELECT user, count(*) AS n FROM logins GROUP BY user HAVING user <> 'x' ORDER BY user";
    assert_eq!(columns(sql, logins()), ["user", "n"]);
    assert_eq!(columns("SELECT USER AS u, current_user FROM logins WHERE user > 'a'", logins()), ["u", "current_user"]);
    assert_eq!(columns("SELECT l.user FROM logins l ORDER BY current_user", logins()), ["user"]);
    let fields: Vec<(&str, FieldType)> = vec![("session_user", FieldType::Int), ("current_catalog", FieldType::Int)];
    let sql = "SELECT session_user, sum(current_catalog) AS s FROM x GROUP BY session_user";
    assert_eq!(columns(sql, Empty::default().with("x", &fields)), ["session_user", "s"]);
    let error = plan(&spec("SELECT session_user FROM logins"), &logins()).map(|_| ()).expect_err("no such column");
    assert_eq!(error.at, Some((1, 8)));
}

#[test]
fn a_common_table_expression_hides_a_stream_only_outside_itself() {
    let sql = "WITH events AS (SELECT * FROM events WHERE n > 1) SELECT count(*) AS c FROM events";
    assert_eq!(*rows(&spec(sql))[0], [Cell::Int(2)]);
    let sql = "WITH Events AS (SELECT n AS m FROM events), two AS (SELECT m FROM events) SELECT M FROM Two ORDER BY m LIMIT 1";
    assert_eq!(*rows(&spec(sql))[0], [Cell::Int(1)]);
    // A name in parentheses is in sight there only.
    let sql = "SELECT count(*) AS c FROM (WITH events AS (SELECT 1 AS one) SELECT * FROM events) x, events";
    assert_eq!(*rows(&spec(sql))[0], [Cell::Int(3)]);
    let sql = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT I + 1 FROM T WHERE i < 4) SELECT max(i) AS m FROM t";
    assert_eq!(*rows(&spec(sql))[0], [Cell::Int(4)]);
}

#[test]
fn columns_come_before_aliases_members_and_streams() {
    let total = || {
        let inner = FieldType::Struct(vec![("userid".into(), FieldType::Int), ("City".into(), FieldType::String)]);
        let fields = [("Total", FieldType::Int), ("userId", FieldType::Int), ("Payload", inner)];
        Empty::default().with("total", &fields)
    };
    assert_eq!(columns("SELECT max(total) AS total FROM total", total()), ["total"]);
    assert_eq!(columns("SELECT total FROM total", total()), ["Total"]);
    assert_eq!(columns("SELECT TOTAL.total FROM Total", total()), ["Total"]);
    assert_eq!(columns("SELECT userid FROM total WHERE USERID > 1", total()), ["userId"]);
    assert_eq!(columns("SELECT payload.city AS c, t.PAYLOAD.UserId AS u FROM total t", total()), ["c", "u"]);
    assert_eq!(columns("SELECT payload['City'] AS c FROM total", total()), ["c"]);
    assert_eq!(
        columns("SELECT TOTAL % 2 AS Total, count(*) AS N FROM total GROUP BY total HAVING n > 0 ORDER BY n", total()),
        ["Total", "N"]
    );
    assert_eq!(
        columns("SELECT sum(total) AS total FROM total HAVING sum(total) > 1 ORDER BY total", total()),
        ["total"]
    );
    assert_eq!(columns("SELECT Sum AS s FROM (SELECT sum(total) AS sum FROM total) ORDER BY S", total()), ["s"]);
    assert_eq!(columns("SELECT \"Total\" AS t FROM total ORDER BY T DESC", total()), ["t"]);
    let error = plan(&spec("SELECT \"total\" FROM total"), &total()).map(|_| ()).expect_err("quoted is exact");
    assert_eq!((error.kind, error.at), (QueryErrorKind::UnknownColumn, Some((1, 8))));
    let error = plan(&spec("SELECT count(*) AS c FROM total WHERE C > 1"), &total()).map(|_| ()).expect_err("no alias");
    assert_eq!(error.kind, QueryErrorKind::UnknownColumn);
}

#[test]
fn names_match_in_any_case_of_any_script() {
    let history = || Empty::default().with("orte", &[("Größe", FieldType::Int), ("ΟΔΟΣ", FieldType::String)]);
    assert_eq!(columns("SELECT GRÖSSE, größe AS g, οδος FROM Orte", history()), ["Größe", "g", "ΟΔΟΣ"]);
    let both = Empty::default().with("x", &[("userId", FieldType::Int), ("UserID", FieldType::Int)]);
    let error = plan(&spec("SELECT userid FROM x"), &both).map(|_| ()).expect_err("two could be meant");
    assert_eq!(error.kind, QueryErrorKind::UnknownColumn);
}

#[test]
fn names_are_settled_wherever_an_expression_may_stand() {
    let two = || {
        Empty::default()
            .with("Left", &[("Key", FieldType::Int), ("aB", FieldType::Int)])
            .with("right.side", &[("kEY", FieldType::Int), ("cD", FieldType::Int)])
    };
    let sql = "SELECT l.ab, R.cd FROM left L JOIN right.side r ON l.key = r.key WHERE ab > 1 AND EXISTS (SELECT 1 FROM left x WHERE x.ab = R.CD)";
    assert_eq!(columns(sql, two()), ["aB", "cD"]);
    assert_eq!(columns("SELECT right.side.cd FROM right.side", two()), ["cD"]);
    assert_eq!(columns("SELECT l.* EXCEPT (ab) FROM \"Left\" l", two()), ["time", "Key"]);
    assert_eq!(columns("SELECT L.* FROM \"Left\" l", two()), ["time", "Key", "aB"]);
    let sql =
        "SELECT key, row_number() OVER (PARTITION BY KEY ORDER BY AB) AS r FROM left QUALIFY R = 1 ORDER BY r, kEy";
    assert_eq!(columns(sql, two()), ["Key", "r"]);
    let sql = "SELECT AB FROM left UNION ALL SELECT CD FROM right.side ORDER BY ab";
    assert_eq!(columns(sql, two()), ["aB"]);
    let sql = "SELECT x.N, m FROM (SELECT ab AS n, key FROM left) AS x, (SELECT cd FROM right.side) AS y(M) WHERE X.KEY > y.m";
    assert_eq!(columns(sql, two()), ["n", "M"]);
}

#[test]
fn a_star_leaves_hidden_columns_out_wherever_it_stands() {
    let history = || Empty::default().with("s", &[("a", FieldType::Int)]);
    assert_eq!(columns("SELECT * FROM s", history()), ["time", "a"]);
    assert_eq!(columns("SELECT * EXCLUDE (A) FROM S", history()), ["time"]);
    assert_eq!(columns("SELECT * FROM (SELECT *, _offset FROM s)", history()), ["time", "a", "_offset"]);
    assert_eq!(columns("SELECT * FROM s, (SELECT 1 AS one)", history()), ["time", "a", "one"]);
    let planned = plan(&spec("SELECT count(*) FROM (SELECT * FROM s)"), &history()).expect("plans");
    assert!(planned.query.has_wildcard);
}

#[test]
fn a_stream_that_does_not_exist_is_named_with_its_place() {
    let history: Arc<dyn crate::api::History> = Arc::new(logins());
    let error =
        answer(&spec("SELECT 1 FROM logins\nWHERE EXISTS (SELECT 1 FROM login)"), &history).expect_err("unknown");
    assert_eq!((error.kind, error.at), (QueryErrorKind::UnknownStream, Some((2, 29))));
    assert_eq!(error.nearest, ["logins"]);
}

#[test]
fn a_computed_column_without_a_name_is_called_as_it_is_written_live_and_in_batch() {
    let names = |sql: &str| {
        let batch = answer(&spec(sql), &three_events()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let live = LiveQuery::new(&spec(sql), three_events().as_ref(), &ViewLimits::default());
        let live = live.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(live.columns()), names(&batch.columns), "{sql}");
        names(&batch.columns)
    };
    assert_eq!(names("SELECT kind, n*2, 'x', n FROM events"), ["kind", "n * 2", "'x'", "n"]);
    assert_eq!(
        names("SELECT sum(n), (kind), avg(n) FILTER (WHERE n > 1) FROM events GROUP BY kind"),
        ["sum(n)", "kind", "avg(n) FILTER (WHERE n > 1)"]
    );
    assert_eq!(names("SELECT e.kind, max(e.n) FROM events e GROUP BY e.kind"), ["kind", "max(e.n)"]);
    assert_eq!(names("SELECT 1, count(*)+1, max(n) AS m FROM events"), ["1", "count(*) + 1", "m"]);
    assert_eq!(names("SELECT kind, sum(n) + 1 FROM events GROUP BY kind ORDER BY sum(n) + 1 DESC LIMIT 2").len(), 2);
    assert_eq!(names("SELECT n + 1 FROM events UNION ALL SELECT n FROM events"), ["n + 1"]);
    assert_eq!(names("SELECT * FROM (SELECT kind, 1 AS one FROM events) x"), ["kind", "one"]);
    // What another column is called already is not given twice.
    assert_eq!(names("SELECT n + 1 AS \"2\", 2 FROM events"), ["2", "Int64(2)"]);
}

/// A column of floats: what a literal with a point says is a float beside them.
#[test]
fn floats_beside_decimals_are_compared_as_floats() {
    let world = World::starting_at(START_US);
    let values = [1e-18, 0.1, 24.5, 3.333_333_333_333_333_5, -3.333_333_333_333_333_5, 1e25];
    let wide = |value: f64| Wide {
        event: Event { time_us: 0, kind: Some("a"), n: Some(1), quarters: None, cents: Some(150), flag: None },
        source_us: None,
        value: Some(value),
        big: None,
    };
    world.commit_wide(START_US, 0, &values.map(wide));
    let history: Arc<dyn History> = world;
    let counts = [
        ("value > 0.0", 5),
        ("0.0 < value", 5),
        ("value = 3.3333333333333335", 1),
        ("value = -3.3333333333333335", 1),
        ("value BETWEEN 0.1 AND 99.5", 3),
        ("value NOT BETWEEN 0.1 AND 99.5", 3),
        ("value IN (24.5, 0.1, 7.0)", 2),
        ("value < 1e3", 5),
        ("value > price", 3),
        ("CASE value WHEN 24.5 THEN true ELSE false END", 1),
        ("nullif(value, 24.5) IS NULL", 1),
        ("greatest(value, 30.5) > 30.5", 1),
        // Decimals beside decimals stay exact.
        ("price = 1.50", 6),
    ];
    for (condition, count) in counts {
        let sql = format!("SELECT count(*) AS n FROM events WHERE {condition}");
        let answer = answer(&spec(&sql), &history).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(*answer.rows[0], [Cell::Int(count)], "{condition}");
    }
    let sql = "SELECT coalesce(sum(value) FILTER (WHERE value BETWEEN 20.5 AND 99.5), 0.0) AS a, coalesce(sum(value) FILTER (WHERE n > 9), 0.0) AS b, \
               max(CASE WHEN value < 25.5 THEN value ELSE 0.0 END) AS c FROM events";
    let answer = answer(&spec(sql), &history).expect("an answer");
    assert_eq!(*answer.rows[0], [Cell::Float(24.5), Cell::Float(0.0), Cell::Float(24.5)]);
}

#[test]
fn a_span_between_two_times_is_compared_with_days_as_hours() {
    // Events of a minute before the clock's start, of it, and of a minute later.
    let of = |condition: &str| {
        let sql = format!("SELECT count(*) AS c FROM events WHERE {condition}");
        match *rows(&spec(&sql))[0] {
            [Cell::Int(count)] => count,
            ref other => panic!("{sql}: {other:?}"),
        }
    };
    let back = "time + interval '30 days' - (time - interval '3 days')";
    for (condition, expected) in [
        (format!("{back} > interval '2 days'"), 3),
        (format!("{back} < interval '1 day'"), 0),
        (format!("{back} = interval '33 days'"), 3),
        (format!("interval '792 hours' = {back}"), 3),
        (format!("{back} BETWEEN interval '32 days' AND interval '34 days'"), 3),
        (format!("{back} IN (interval '1 day', interval '33 days')"), 3),
        (format!("{back} > -interval '2 days'"), 3),
        ("now() - time >= interval '0 seconds'".to_owned(), 2),
        ("now() - time < interval '1 day'".to_owned(), 3),
    ] {
        assert_eq!(of(&condition), expected, "{condition}");
    }
    let error = super::refusal(&spec(&format!("SELECT n FROM events WHERE {back} > interval '1 month'")));
    assert!(error.message.contains("write it in days"), "{error}");
}

#[test]
fn a_span_in_seconds_has_its_fraction() {
    for (span, expected) in [
        ("interval '90 seconds'", 90.0),
        ("(time + interval '1500 ms') - time", 1.5),
        ("(time + interval '3 hours 250 ms') - time", 10_800.25),
        ("time - (time + interval '2250 ms')", -2.25),
        ("(time + interval '1 microsecond') - time", 0.000_001),
        ("date_trunc('second', time + interval '1 day') - date_trunc('second', time)", 86_400.0),
    ] {
        let sql =
            format!("SELECT extract(epoch FROM {span}) AS s, avg(date_part('EPOCH', {span})) OVER () AS a FROM events");
        assert_eq!(*rows(&spec(&sql))[2], [Cell::Float(expected), Cell::Float(expected)], "{span}");
    }
    let of_nothing = "SELECT extract(epoch FROM max(time) FILTER (WHERE n > 9) - min(time)) AS s FROM events";
    assert_eq!(*rows(&spec(of_nothing))[0], [Cell::Null]);
}

#[test]
fn instants_out_of_numbers_and_texts_are_the_same_in_every_zone() {
    for zone in [chrono_tz::UTC, chrono_tz::Europe::Berlin, chrono_tz::America::New_York] {
        for (sql, expected_us) in [
            ("SELECT to_timestamp(1795000000 + n) AS t FROM events WHERE n = 1", 1_795_000_001_000_000),
            ("SELECT from_unixtime(1795000000 + n) AS t FROM events WHERE n = 1", 1_795_000_001_000_000),
            ("SELECT to_timestamp(1795000000) AS t", 1_795_000_000_000_000),
            (
                "SELECT to_timestamp('2026-11-18T11:06:4' || n || 'Z') AS t FROM events WHERE n = 1",
                1_795_000_001_000_000,
            ),
            (
                "SELECT to_timestamp_millis('2026-11-18T11:06:4' || n || 'Z') AS t FROM events WHERE n = 1",
                1_795_000_001_000_000,
            ),
        ] {
            let spec = crate::api::QuerySpec { timezone: zone, ..spec(sql) };
            assert_eq!(*rows(&spec)[0], [Cell::Time(expected_us)], "{zone}: {sql}");
        }
        let spec = crate::api::QuerySpec {
            timezone: zone,
            ..spec("SELECT to_timestamp('2026-11-18 00:00:00') = timestamp '2026-11-18 00:00:00' AS same")
        };
        assert_eq!(*rows(&spec)[0], [Cell::Bool(true)], "{zone}");
    }
}

#[test]
fn a_column_of_texts_beside_a_time_is_read_by_its_offset() {
    // Half past eleven in the evening of UTC is the next day in Berlin.
    let texts = "(SELECT n, '2026-11-1' || n || 'T23:30:00Z' AS sent FROM events) x";
    let told = |zone, sql: &str| {
        let spec = crate::api::QuerySpec { timezone: zone, ..spec(sql) };
        rows(&spec).iter().map(|row| row.to_vec()).collect::<Vec<_>>()
    };
    let berlin = chrono_tz::Europe::Berlin;
    // Midnight of 12 November in Berlin, and in UTC.
    for (zone, first_us) in [(berlin, 1_794_438_000_000_000), (chrono_tz::UTC, 1_794_355_200_000_000)] {
        let days = told(zone, &format!("SELECT date_trunc('day', sent) AS day FROM {texts} WHERE n = 1"));
        assert_eq!(days, [[Cell::Time(first_us)]], "{zone}");
        let hours = told(zone, &format!("SELECT date_part('hour', sent)::int AS h FROM {texts} WHERE n = 1"));
        assert_eq!(hours, [[Cell::Int(if zone == berlin { 0 } else { 23 })]], "{zone}");
    }
    for (condition, in_berlin, in_utc) in [
        ("sent >= date '2026-11-13'", 2, 1),
        ("date '2026-11-13' > sent", 1, 2),
        ("sent >= timestamp '2026-11-13 00:00:00'", 2, 1),
        ("sent >= timestamp '2026-11-12 23:30:00Z'", 2, 2),
    ] {
        let sql = format!("SELECT count(*) AS c FROM {texts} WHERE {condition}");
        assert_eq!(told(berlin, &sql), [[Cell::Int(in_berlin)]], "{condition}");
        assert_eq!(told(chrono_tz::UTC, &sql), [[Cell::Int(in_utc)]], "{condition}");
    }
}

#[test]
fn window_functions_of_one_order_stand_beside_those_that_keep_equal_rows_equal() {
    let rows_of = |sql: &str| rows(&spec(sql)).iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    let int = |numbers: &[i64]| numbers.iter().map(|number| Cell::Int(*number)).collect::<Vec<_>>();
    let same = "SELECT n, rank() OVER (ORDER BY flag) AS b, row_number() OVER (ORDER BY flag) AS a, \
                count(*) OVER (ORDER BY flag) AS c, lag(n) OVER (ORDER BY flag) AS d FROM events ORDER BY n";
    let mut expected = vec![int(&[1, 3, 3, 3, 3]), int(&[2, 1, 1, 2]), int(&[3, 1, 2, 2, 2])];
    expected[1].push(Cell::Null);
    assert_eq!(rows_of(same), expected);
}

#[test]
fn grouping_says_which_keys_a_row_is_not_grouped_by() {
    let told = |sql: &str| rows(&spec(sql)).iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    let row = |flag: Cell, sum: i64, grouping: i64| vec![flag, Cell::Int(sum), Cell::Int(grouping)];
    let sql = "SELECT flag, sum(n) AS s, grouping(flag) AS g FROM events GROUP BY ROLLUP(flag)";
    let expected = vec![row(Cell::Bool(false), 5, 0), row(Cell::Bool(true), 1, 0), row(Cell::Null, 6, 1)];
    assert_eq!(told(sql), expected);
    assert_eq!(told(&format!("SELECT s FROM ({sql}) x WHERE g = 1")), [[Cell::Int(6)]]);
}

#[test]
fn columns_with_one_name_are_numbered() {
    let sql = "SELECT a.n, b.n, b.n + 1 AS n_2, a.kind FROM events a JOIN events b ON a.n = b.n WHERE a.n = 1";
    let named = |sql: &str| {
        let answer = answer(&spec(sql), &three_events()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        (answer.columns.into_iter().map(|column| column.name).collect::<Vec<_>>(), answer.rows)
    };
    let (names, rows) = named(sql);
    assert_eq!(names, ["n", "n_3", "n_2", "kind"]);
    assert_eq!(rows[0].to_vec(), [Cell::Int(1), Cell::Int(1), Cell::Int(2), Cell::Str("a".into())]);
    let (names, _) = named("SELECT * FROM events a JOIN events b ON a.n = b.n");
    assert_eq!(names.len(), names.iter().collect::<std::collections::BTreeSet<_>>().len(), "{names:?}");
}
