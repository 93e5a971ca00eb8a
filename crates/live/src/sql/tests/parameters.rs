//! What values mean in the place of parameters.

use pulseboard_model::Cell;

use super::{refusal, rows, spec, three_events, with};
use crate::api::QueryErrorKind;

fn text(text: &str) -> Cell {
    Cell::Str(text.into())
}

/// Which n a condition finds.
fn found(condition: &str, params: &[(&str, Cell)]) -> Vec<i64> {
    let sql = format!("SELECT n FROM events WHERE {condition} ORDER BY n");
    let n = |row: &pulseboard_model::Row| match row[0] {
        Cell::Int(n) => n,
        ref other => panic!("{other:?}"),
    };
    rows(&with(&sql, params)).iter().map(n).collect()
}

#[test]
fn text_is_read_as_what_its_place_wants() {
    assert_eq!(found("n > $x", &[("x", text("1"))]), [2, 3]);
    assert_eq!(found("n > $x", &[("x", text("1.5"))]), [2, 3]);
    assert_eq!(found("value >= $x", &[("x", text("1.5"))]), [1, 2, 3]);
    assert_eq!(found("price = $x", &[("x", text("10.10"))]), [1, 2, 3]);
    assert_eq!(found("price = $x", &[("x", Cell::Float(10.1))]), [1, 2, 3]);
    assert_eq!(found("price = $x", &[("x", text("10.101"))]), [0; 0]);
    assert_eq!(found("flag = $x", &[("x", text("true"))]), [1]);
    assert_eq!(found("kind IN ($x, $y)", &[("x", text("b")), ("y", text("NAN"))]), [2]);
    assert_eq!(found("n BETWEEN $x AND $y", &[("x", text("2")), ("y", Cell::Int(3))]), [2, 3]);
    assert_eq!(found("$x::int = n", &[("x", text("2"))]), [2]);
    assert_eq!(found("n = $x", &[("x", Cell::Null)]), [0; 0]);
}

#[test]
fn a_number_becomes_text_again_where_text_is_wanted() {
    assert_eq!(found("kind = $x", &[("x", Cell::Int(7))]), [3]);
    assert_eq!(found("kind LIKE $x", &[("x", Cell::Int(7))]), [3]);
    assert_eq!(found("kind = lower($x)", &[("x", Cell::Int(7))]), [3]);
    assert_eq!(found("starts_with(kind, $x)", &[("x", Cell::Int(7))]), [3]);
    assert_eq!(found("kind || '.5' = $x", &[("x", Cell::Float(7.5))]), [3]);
}

#[test]
fn one_parameter_may_stand_where_different_types_are_wanted() {
    assert_eq!(found("n = $x OR kind = $x OR value = $x", &[("x", Cell::Int(7))]), [3]);
    assert_eq!(found("n = $x AND value > $x", &[("x", text("1"))]), [1]);
}

#[test]
fn times_are_read_as_events_write_them() {
    // The events are a minute apart, the second at 2026-05-28T20:26:40Z.
    for time in ["2026-05-28T20:26:40Z", "2026-05-28 22:26:40+02:00", "2026-05-28 20:26:40", "1780000000"] {
        assert_eq!(found("time >= $t", &[("t", text(time))]), [2, 3], "{time}");
    }
    assert_eq!(found("time >= $t", &[("t", Cell::Int(1_780_000_000_000))]), [2, 3]);
    let mut local = with("SELECT count(*) AS c FROM events WHERE time >= $t", &[("t", text("2026-05-28T22:26:40"))]);
    local.timezone = chrono_tz::Tz::Europe__Berlin;
    assert_eq!(*rows(&local)[0], [Cell::Int(2)]);
    assert_eq!(found("time > now() - $w", &[("w", text("30 seconds"))]), [2, 3]);
    assert_eq!(found("time > now() - $w::interval", &[("w", text("30 seconds"))]), [2, 3]);
    assert_eq!(found("time >= $t - interval '1 minute'", &[("t", Cell::Int(1_780_000_000))]), [1, 2, 3]);
    assert_eq!(found("date_trunc($u, time) < time", &[("u", text("minute"))]), [1, 2, 3]);
}

#[test]
fn a_limit_may_be_a_parameter() {
    assert_eq!(rows(&with("SELECT n FROM events LIMIT $k", &[("k", text("2"))])).len(), 2);
    assert_eq!(rows(&with("SELECT $k AS a, n FROM events", &[("k", text("x"))]))[0][0], text("x"));
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    for (condition, value, expected) in [
        ("n > $x", text("many"), "`$x` must be a whole number, not `many`"),
        ("n > $x", text("NaN"), "`$x` must be a whole number, not `NaN`"),
        ("value > $x", text("1,5"), "`$x` must be a number, not `1,5`"),
        ("flag = $x", Cell::Int(1), "`$x` must be true or false, not `1`"),
        ("time > $x", text("soon"), "`$x` must be a time such as `2026-05-01T12:00:00Z` or an epoch, not `soon`"),
        ("time > now() - $x", text("long"), "`$x` must be a span such as `5 minutes`, not `long`"),
        ("n = $x::int", text("many"), "`$x` must be a whole number, not `many`"),
    ] {
        let error = refusal(&with(&format!("SELECT n FROM events WHERE {condition}"), &[("x", value)]));
        assert_eq!((error.kind, error.message.as_str()), (QueryErrorKind::BadParams, expected), "{condition}");
        assert!(error.at.is_some(), "{condition}");
    }
}

#[test]
fn parameters_are_those_of_the_text_no_more_and_no_less() {
    let error = refusal(&with("SELECT n FROM events WHERE n > $min", &[("min", Cell::Int(1)), ("mon", Cell::Int(2))]));
    assert_eq!(
        (error.kind, error.message.as_str()),
        (QueryErrorKind::BadParams, "the query has no parameter `$mon`; it has `$min`")
    );
    assert_eq!(error.nearest, ["min"]);
    let error = refusal(&with("SELECT '$x' FROM events", &[("x", Cell::Int(1))]));
    assert_eq!(error.message, "the query has no parameter `$x`; it has none");
    let error = refusal(&spec("SELECT n\nFROM events WHERE n > $min"));
    assert_eq!((error.kind, error.at), (QueryErrorKind::BadParams, Some((2, 23))));
    // Also of a stream that does not exist yet: what waits for it would be another instance for each value.
    let error = refusal(&with("SELECT n FROM nowhere", &[("x", Cell::Int(1))]));
    assert_eq!(error.kind, QueryErrorKind::BadParams);
    assert_eq!(refusal(&spec("SELECT n FROM events WHERE n > ?")).kind, QueryErrorKind::BadParams);
}

#[test]
fn the_range_of_a_chart_has_defaults_and_may_move_with_the_clock() {
    let counted = |condition: &str, params: &[(&str, Cell)]| found(condition, params);
    // The clock stands at the second of three events, which are a minute apart.
    assert_eq!(counted("time >= $from AND time < $to", &[]), [1, 2, 3]);
    assert_eq!(counted("time >= $from", &[("from", text("-30s"))]), [2, 3]);
    assert_eq!(counted("time >= $from", &[("from", text("now"))]), [2, 3]);
    assert_eq!(counted("time >= $from AND time < $to", &[("from", text("-1h")), ("to", text("now"))]), [1]);
    assert_eq!(counted("time >= $from", &[("from", text("2026-05-28T20:26:40Z"))]), [2, 3]);
    assert_eq!(counted("time_bucket($bucket, time) = time", &[("bucket", text("20 seconds"))]), [1, 2, 3]);
    assert_eq!(counted("time_bucket($bucket, time) = time", &[]), [0; 0]);
    let error = refusal(&with("SELECT time_bucket($bucket, time) FROM events", &[("bucket", text("wide"))]));
    assert_eq!((error.kind, error.message.contains("a span")), (QueryErrorKind::BadParams, true));
    let error = refusal(&with("SELECT n FROM events WHERE time > $from", &[("from", text("soon"))]));
    assert_eq!((error.kind, error.message.contains("must be a time")), (QueryErrorKind::BadParams, true));
    // Where the query has none of them there is nothing to fill in.
    assert_eq!(refusal(&with("SELECT n FROM events", &[("from", text("-1h"))])).kind, QueryErrorKind::BadParams);
}

#[test]
fn a_query_of_a_chart_is_maintained() {
    let sql = "SELECT time_bucket($bucket, time) AS t, kind, sum(value) AS v FROM events \
               WHERE time >= $from AND time < $to GROUP BY time_bucket($bucket, time), kind ORDER BY t";
    let planned = super::plan(&spec(sql), three_events().as_ref()).expect("planned");
    crate::maintain::shape::take_apart(&planned).expect("maintained");
    assert_eq!(rows(&spec(sql)).len(), 3);
}
