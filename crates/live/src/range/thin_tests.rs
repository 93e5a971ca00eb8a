//! What thinning keeps and what it leaves out.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use pulseboard_model::Cell;

use super::*;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("name", DataType::Utf8, true),
        Field::new("v", DataType::Float64, true),
    ]))
}

fn batch(rows: &[(i64, &str, Option<f64>)]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0)).with_timezone("UTC");
    let names = StringArray::from_iter_values(rows.iter().map(|row| row.1));
    let values: Float64Array = rows.iter().map(|row| row.2).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(names), Arc::new(values)];
    RecordBatch::try_new(schema(), columns).expect("columns fit")
}

fn thinned(rows: &[(i64, &str, Option<f64>)], method: Downsample, points: usize, to: i64) -> (Vec<Row>, bool) {
    let roles = Roles::of(&schema(), None).expect("a time");
    let mut thinner = Thinner::new(&schema(), roles, method, points, (0, to)).expect("made");
    // However the rows are split.
    rows.chunks(7).for_each(|rows| thinner.push(&batch(rows)).expect("taken"));
    thinner.finish()
}

fn value(row: &Row) -> f64 {
    match row[2] {
        Cell::Float(value) => value,
        _ => f64::NAN,
    }
}

#[test]
fn a_series_of_no_more_rows_than_points_is_whole() {
    let rows: Vec<_> = (0..100).map(|i| (i, if i % 2 == 0 { "a" } else { "b" }, Some(1.0))).collect();
    let (left, thinned) = thinned(&rows, Downsample::MinMax, 50, 100);
    assert_eq!((left.len(), thinned), (100, false));
}

#[test]
fn no_peak_is_lost_and_each_series_has_its_own() {
    let mut rows: Vec<_> = (0..10_000).map(|i| (i, if i % 2 == 0 { "a" } else { "b" }, Some(0.5))).collect();
    for (at, peak) in [(1_234, 9.0), (1_235, -9.0), (7_777, 5.0), (9_998, -5.0)] {
        rows[at].2 = Some(peak);
    }
    let (left, is_thinned) = thinned(&rows, Downsample::MinMax, 100, 10_000);
    assert!(is_thinned);
    for peak in [9.0, -9.0, 5.0, -5.0] {
        assert_eq!(left.iter().filter(|row| (value(row) - peak).abs() < 1e-9).count(), 1, "{peak}");
    }
    for name in ["a", "b"] {
        let of_it = left.iter().filter(|row| row[1] == Cell::Str(name.into())).count();
        assert!((50..=102).contains(&of_it), "{of_it} of {name}");
    }
    let times: Vec<_> = left.iter().map(|row| row[0].clone()).collect();
    assert_eq!(times.first(), Some(&Cell::Time(0)));
    assert_eq!(times.last(), Some(&Cell::Time(9_999)));
    assert!(times.is_sorted_by_key(|cell| match cell {
        Cell::Time(at) => *at,
        _ => i64::MIN,
    }));
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let rows: Vec<_> =
        (0..5_000).map(|i| (i, "a", Some(f64::from((i32::try_from(i).unwrap_or(0) * 7_919) % 1_009)))).collect();
    let mut turned = rows.clone();
    turned.reverse();
    for method in [Downsample::MinMax, Downsample::Lttb] {
        assert_eq!(thinned(&rows, method, 200, 5_000).0, thinned(&turned, method, 200, 5_000).0);
    }
}

#[test]
fn the_triangles_keep_the_ends_and_the_number_of_points() {
    let rows: Vec<_> = (0..20_000).map(|i| (i, "a", Some((i as f64 / 500.0).sin()))).collect();
    let (left, is_thinned) = thinned(&rows, Downsample::Lttb, 100, 20_000);
    assert_eq!((left.len(), is_thinned), (100, true));
    assert_eq!(left[0][0], Cell::Time(0));
    assert_eq!(left[99][0], Cell::Time(19_999));
    // A line through what is left is nowhere far from the curve.
    let greatest = left.iter().map(value).fold(f64::MIN, f64::max);
    assert!(greatest > 0.999, "{greatest}");
}

#[test]
fn a_pixel_without_values_keeps_a_row_so_that_the_gap_shows() {
    let rows: Vec<_> = (0..1_000).map(|i| (i, "a", (!(300..700).contains(&i)).then_some(1.0))).collect();
    let (left, _thinned) = thinned(&rows, Downsample::MinMax, 20, 1_000);
    let empty = left.iter().filter(|row| row[2] == Cell::Null).count();
    assert_eq!(empty, 4);
}
