//! What decoding accepts, rejects and makes of it, case by case.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::*;
use crate::limits::IngestLimits;
use crate::schema::{FieldType, SchemaVersion, StreamField, StreamSchema};
use crate::time::TimeUs;

/// 2024-05-06T07:08:09Z.
const NOW: TimeUs = TimeUs(1_714_979_289_000_000);

fn with(body: &str, base: Option<&StreamSchema>, config: &StreamConfig) -> Decoded {
    decode(body.as_bytes(), BodyFormat::Auto, base, config, &IngestLimits::default(), NOW).expect("a readable body")
}

fn rows(body: &str) -> Decoded {
    with(body, None, &StreamConfig::default())
}

fn limited(body: &str, limits: &IngestLimits) -> Decoded {
    decode(body.as_bytes(), BodyFormat::Auto, None, &StreamConfig::default(), limits, NOW).expect("a readable body")
}

fn declared(fields: &[(&str, &str)]) -> StreamConfig {
    let parse =
        |(name, text): &(&str, &str)| ((*name).to_owned(), FieldType::parse_declared(text).expect("a declared type"));
    StreamConfig { fields: fields.iter().map(parse).collect(), ..StreamConfig::default() }
}

/// The schema as `name: type, …`.
fn types(decoded: &Decoded) -> String {
    let fields = decoded.schema.fields.iter().map(|field| format!("{}: {}", field.name, field.field_type));
    fields.collect::<Vec<_>>().join(", ")
}

/// The rejected rows as `row field: reason`.
fn errors(decoded: &Decoded) -> Vec<String> {
    let line = |e: &RowError| format!("{} {}: {}", e.row, e.field.as_deref().unwrap_or("-"), e.reason);
    decoded.rejected.iter().map(line).collect()
}

/// A column as text, nulls as `-`.
fn shown(decoded: &Decoded, name: &str) -> Vec<String> {
    let column = decoded.rows.column_by_name(name).expect("the column");
    let options = FormatOptions::default().with_null("-");
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).expect("a formatter");
    (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
}

fn times_of(decoded: &Decoded, name: &str) -> Vec<Option<i64>> {
    let column = decoded.rows.column_by_name(name).expect("the column");
    column.as_primitive::<TimestampMicrosecondType>().iter().collect()
}

#[test]
fn object_array_and_ndjson_are_told_apart() {
    for (body, count) in [
        ("{\"a\":1}", 1),
        (" {\n  \"a\": 1\n}\n", 1),
        ("[{\"a\":1},{\"a\":2}]", 2),
        ("[]", 0),
        ("{\"a\":1}\n{\"a\":2}\n", 2),
        ("\n{\"a\":1}\r\n\r\n{\"a\":2}", 2),
        ("\u{feff}{\"a\":1}", 1),
        ("", 0),
        (" \n ", 0),
    ] {
        let decoded = rows(body);
        assert_eq!((decoded.accepted, decoded.rejected_count), (count, 0), "{body:?}");
        assert_eq!(decoded.rows.num_rows() as u64, count, "{body:?}");
    }
}

#[test]
fn a_malformed_document_keeps_nothing() {
    let refuse = |body: &[u8], format| {
        decode(body, format, None, &StreamConfig::default(), &IngestLimits::default(), NOW).expect_err("malformed")
    };
    for body in ["{\"a\":", "[{\"a\":1},", "[{\"a\":1}] x", "{\n\"a\": 1,\n oops\n}", "{\"a\":1,}"] {
        assert!(matches!(refuse(body.as_bytes(), BodyFormat::Auto), BodyError::Malformed { .. }), "{body}");
    }
    let place = refuse(b"[\n{\"a\":1},\n{\"a\":}]", BodyFormat::Auto);
    assert!(matches!(place, BodyError::Malformed { line: 3, column: 6, .. }), "{place}");
    let not_utf8 = refuse(b"[{\"a\":1},\n{\"a\":\"\xff\"}]", BodyFormat::Auto);
    assert!(
        matches!(&not_utf8, BodyError::Malformed { line: 2, column: 7, reason } if reason.contains("UTF-8")),
        "{not_utf8}"
    );
    assert!(matches!(refuse(b"", BodyFormat::Json), BodyError::Malformed { .. }));
    let two = refuse(b"{\"a\":1}\n{\"a\":2}", BodyFormat::Json);
    assert!(two.to_string().contains("NDJSON"), "{two}");
    for (body, found) in [("5", "a number"), ("null", "null"), ("\"a\"", "a string"), ("true", "a bool")] {
        assert_eq!(refuse(body.as_bytes(), BodyFormat::Auto), BodyError::NotEvents { found });
    }
}

#[test]
fn a_bad_ndjson_line_is_one_rejected_row() {
    let body = b"{\"a\":1}\n{\"a\":\n\n[1]\n{\"a\":\"\xff\"}\n5\n{\"a\":2} {}\n{\"a\":3}\n";
    let config = StreamConfig::default();
    let decoded = decode(body, BodyFormat::Ndjson, None, &config, &IngestLimits::default(), NOW).expect("lines");
    assert_eq!(shown(&decoded, "a"), ["1", "3"]);
    let rejected: Vec<_> = decoded.rejected.iter().map(|error| error.row).collect();
    assert_eq!(rejected, [2, 3, 4, 5, 6]);
    let reasons = errors(&decoded);
    assert!(reasons[0].contains("not valid JSON"), "{reasons:?}");
    assert!(reasons[1].contains("expected a JSON object"), "{reasons:?}");
    assert!(reasons[2].contains("UTF-8"), "{reasons:?}");
}

#[test]
fn a_broken_first_line_does_not_hide_the_others() {
    for first in ["oops", "{\"a\":oops}", "{\"a\":1,}", "{\"a\":\"}{\"} x", "{\"a\":1}}"] {
        let decoded = rows(&format!("{first}\n{{\"a\":2}}\n"));
        assert_eq!((decoded.accepted, decoded.rejected_count), (1, 1), "{first}");
        assert_eq!(decoded.rejected[0].row, 1, "{first}");
    }
}

#[test]
fn a_table_of_a_spreadsheet_is_told_from_broken_lines() {
    let read = |body: &str, format| {
        decode(body.as_bytes(), format, None, &StreamConfig::default(), &IngestLimits::default(), NOW)
    };
    for body in ["item,total\ntea,3.5\n", "\n\"item\";\"total\"\r\n\"tea\";3,5", "item\ttotal\ntea\t3.5\ncoffee\t4\n"] {
        for format in [BodyFormat::Auto, BodyFormat::AutoJson] {
            assert_eq!(read(body, format).expect_err(body), BodyError::Csv, "{body}");
        }
        assert!(read(body, BodyFormat::Ndjson).expect("lines").rejected_count >= 2, "said to be lines: {body}");
    }
    for body in ["oops, this\n{\"a\":2}\n", "oops\nno\n", "{\"a\":1},\n{\"a\":2},\n"] {
        assert!(!matches!(read(body, BodyFormat::Auto), Err(BodyError::Csv)), "{body}");
    }
}

#[test]
fn a_broken_object_over_several_lines_keeps_nothing() {
    let refuse = |body: &str, format| {
        let decoded = decode(body.as_bytes(), format, None, &StreamConfig::default(), &IngestLimits::default(), NOW);
        assert!(matches!(decoded, Err(BodyError::Malformed { .. })), "{body}");
    };
    for body in ["{\"items\":[\n{\"a\":1}\n]", "{\"a\":\n{\"a\":2}\n", "{\n\"a\":\"}\n", "{\"a\":1} x", "oops"] {
        refuse(body, BodyFormat::Auto);
        refuse(body, BodyFormat::AutoJson);
    }
    // What calls itself JSON begins with JSON; it may be NDJSON all the same.
    refuse("{\"a\":1,}\n{\"a\":2}", BodyFormat::AutoJson);
    let lines = b"{\"a\":1}\n{\"a\":}\n";
    let decoded = decode(lines, BodyFormat::AutoJson, None, &StreamConfig::default(), &IngestLimits::default(), NOW);
    assert_eq!(decoded.map(|decoded| (decoded.accepted, decoded.rejected_count)), Ok((1, 1)));
}

#[test]
fn declarations_do_not_take_reserved_names() {
    let declared = declared(&[("time", "string"), ("_offset", "int"), ("a", "int")]);
    let config = StreamConfig { time_field: Some("_source_time".into()), ..declared };
    let body = "[{\"time\":1714978800,\"a\":1},{\"_offset\":1},{\"_source_time\":1}]";
    let decoded = with(body, None, &config);
    assert_eq!(types(&decoded), "a: int");
    assert_eq!(times_of(&decoded, "time"), [Some(1_714_978_800_000_000)]);
    let rejected: Vec<_> = decoded.rejected.iter().filter_map(|error| error.field.as_deref()).collect();
    assert_eq!(rejected, ["_offset", "_source_time"]);

    // Nor does a log that was told so before declarations of it were refused.
    let field = |name: &str| StreamField { name: name.into(), field_type: FieldType::String, declared: true };
    let base = StreamSchema { version: SchemaVersion(1), fields: vec![field("time"), field("_offset")] };
    let decoded = with(body, Some(&base), &StreamConfig::default());
    assert_eq!(decoded.rows.column(0).as_primitive::<TimestampMicrosecondType>().value(0), 1_714_978_800_000_000);
    assert_eq!(decoded.rejected_count, 2);
}

#[test]
fn cells_are_counted_before_they_are_made() {
    let limits = IngestLimits { cells_max: 1_000, ..IngestLimits::default() };
    let with_limits = |rows: &[String]| {
        let body = format!("[{}]", rows.join(","));
        decode(body.as_bytes(), BodyFormat::Json, None, &StreamConfig::default(), &limits, NOW)
    };
    let too_many = BodyError::TooManyCells { max: 1_000 };
    // One wide row makes all the others as wide.
    let mut rows: Vec<String> = (0..100).map(|_| "{\"a\":1}".to_owned()).collect();
    let wide = |fields: usize| {
        let fields = (0..fields).map(|i| format!("\"f{i}\":0"));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    rows.push(wide(8));
    assert_eq!(with_limits(&rows).expect("909 cells").accepted, 101);
    rows.push(wide(10));
    assert_eq!(with_limits(&rows).expect_err("102 rows of 11"), too_many);

    // So does one wide item of a list, in its row and in those before it.
    let list = |items: usize| format!("{{\"l\":[{}{}]}}", "{},".repeat(items), wide(20));
    assert_eq!(with_limits(&[list(40)]).expect("41 items of 21").accepted, 1);
    let own = with_limits(&[list(50), list(1)]).expect("a bad row");
    assert_eq!((own.accepted, own.rejected_count), (1, 1));
    assert!(own.rejected[0].reason.contains("more than 1000 cells"), "{own:?}");
    assert_eq!(with_limits(&[list(30), list(30)]).expect_err("62 items of 21"), too_many);
    let narrow = format!("{{\"l\":[{}{{}}]}}", "{},".repeat(60));
    assert_eq!(with_limits(&[narrow.clone(), list(1)]).expect_err("63 items, then 21 members"), too_many);
    // A long list of numbers beside many fields takes a cell for each number.
    let long = format!("{{\"l\":[0{}],{}", ",0".repeat(800), &wide(50)[1..]);
    assert_eq!(with_limits(&[long]).expect("801 items and 51 fields").accepted, 1);
}

#[test]
fn an_array_of_more_rows_than_allowed_is_refused_when_it_passes_the_limit() {
    let limits = IngestLimits { rows_max: 3, ..IngestLimits::default() };
    // What comes after the fourth is not looked at.
    let refused = decode(b"[0,0,0,0,oops", BodyFormat::Auto, None, &StreamConfig::default(), &limits, NOW);
    assert_eq!(refused.expect_err("four rows"), BodyError::TooManyRows { max: 3 });
}

#[test]
fn minus_zero_is_an_int_in_a_field_of_ints() {
    let decoded = rows("[{\"a\":1},{\"a\":-0},{\"l\":[1,-0]}]");
    assert_eq!(types(&decoded), "a: int, l: list(int)");
    assert_eq!(shown(&decoded, "a"), ["1", "0", "-"]);
    assert_eq!(with("{\"a\":-0}", None, &declared(&[("a", "int")])).accepted, 1);
}

#[test]
fn only_the_event_time_must_be_near() {
    let decoded = with(
        "[{\"due\":\"2099-01-01\"},{\"due\":\"1900-01-01\"},{\"due\":1e18},{\"due\":-8.9e21}]",
        None,
        &declared(&[("due", "time")]),
    );
    assert_eq!((decoded.accepted, decoded.rejected_count), (3, 1), "{:?}", decoded.rejected);
    assert_eq!(decoded.rejected[0].field.as_deref(), Some("due"));
    let config = StreamConfig { time_field: Some("due".into()), ..declared(&[("due", "time")]) };
    assert_eq!(with("{\"due\":\"2099-01-01\"}", None, &config).rejected_count, 1);
}

#[test]
fn elements_that_are_no_objects_are_rejected_rows() {
    let decoded = rows("[1, {\"a\":1}, null, \"x\", [], {\"a\":2}]");
    assert_eq!((decoded.accepted, decoded.rejected_count), (2, 4));
    assert_eq!(decoded.rejected[1].row, 3);
}

#[test]
fn the_first_value_fixes_the_type_and_nulls_fix_nothing() {
    let decoded = rows("[{\"a\":null,\"b\":null},{\"a\":\"x\"},{\"a\":1},{\"a\":null,\"c\":true}]");
    assert_eq!(types(&decoded), "a: string, c: bool");
    assert_eq!(errors(&decoded), ["3 a: expected string, found int"]);
    assert_eq!(shown(&decoded, "a"), ["-", "x", "-"]);
    assert_eq!(shown(&decoded, "c"), ["-", "-", "true"]);
}

#[test]
fn int_widens_to_float_within_and_across_batches() {
    let within = rows("[{\"a\":10},{\"a\":10.5},{\"a\":3}]");
    assert_eq!(types(&within), "a: float");
    assert_eq!(within.schema.version, SchemaVersion(1));
    assert_eq!(shown(&within, "a"), ["10.0", "10.5", "3.0"]);

    let first = rows("{\"a\":10}");
    let second = with("{\"a\":10.5}", Some(&first.schema), &StreamConfig::default());
    assert_eq!((types(&second).as_str(), second.schema.version), ("a: float", SchemaVersion(2)));
    let third = with("{\"a\":7}", Some(&second.schema), &StreamConfig::default());
    assert_eq!((third.schema.as_ref(), shown(&third, "a")), (second.schema.as_ref(), vec!["7.0".to_owned()]));
}

#[test]
fn integers_beyond_64_bits_are_floats() {
    let decoded = rows("[{\"a\":9223372036854775807},{\"a\":9223372036854775808}]");
    assert_eq!(types(&decoded), "a: float");
    let exact = rows("[{\"a\":-9223372036854775808},{\"a\":9223372036854775807}]");
    assert_eq!(exact.rows.column_by_name("a").expect("a").as_primitive::<Int64Type>().values(), &[i64::MIN, i64::MAX]);
}

#[test]
fn floats_are_read_to_the_last_bit() {
    let decoded = rows("[{\"a\":0.30000000000000004},{\"a\":123456789.12345679},{\"a\":5e-324}]");
    let values = decoded.rows.column_by_name("a").expect("a").as_primitive::<Float64Type>().values().to_vec();
    let expected = [0.300_000_000_000_000_04, 123_456_789.123_456_79, 5e-324];
    assert_eq!(values, expected);
}

#[test]
fn a_rejected_row_leaves_no_trace() {
    let first = rows("{\"a\":1,\"o\":{\"p\":1}}");
    let decoded = with(
        "[{\"new\":1,\"a\":\"x\"},{\"a\":1.5,\"o\":{\"q\":1,\"p\":\"x\"}},{\"new\":\"text\",\"a\":2}]",
        Some(&first.schema),
        &StreamConfig::default(),
    );
    assert_eq!(types(&decoded), "a: int, o: struct(p: int), new: string");
    assert_eq!(errors(&decoded), ["1 a: expected int, found string", "2 o.p: expected int, found string"]);

    let nothing = with("[{\"new\":1,\"a\":\"x\"}]", Some(&first.schema), &StreamConfig::default());
    assert_eq!(nothing.schema, first.schema);
    assert_eq!(nothing.rows.num_rows(), 0);
    assert_eq!(nothing.rows.schema(), first.schema.stored_schema());
}

#[test]
fn nested_values_become_structs_and_lists() {
    let decoded = rows(
        "[{\"items\":[{\"price\":1,\"n\":\"a\"},{\"price\":2}]},{\"items\":[]},{\"items\":null},\
         {\"items\":[null,{\"price\":1.5,\"tags\":[]}]},{\"items\":[{\"tags\":[\"x\",null]}]}]",
    );
    assert_eq!(errors(&decoded), [] as [&str; 0]);
    assert_eq!(types(&decoded), "items: list(struct(price: float, n: string, tags: list(string)))");
    assert_eq!(
        shown(&decoded, "items"),
        [
            "[{price: 1.0, n: a, tags: -}, {price: 2.0, n: -, tags: -}]",
            "[]",
            "-",
            "[-, {price: 1.5, n: -, tags: []}]",
            "[{price: -, n: -, tags: [x, -]}]",
        ]
    );
    let wrong =
        with("{\"items\":[{\"price\":1},{},{\"price\":\"x\"}]}", Some(&decoded.schema), &StreamConfig::default());
    assert_eq!(errors(&wrong), ["1 items[2].price: expected float, found string"]);
    let other = with("[{\"items\":{}},{\"items\":1}]", Some(&decoded.schema), &StreamConfig::default());
    assert_eq!(errors(&other), ["1 items: expected list, found object", "2 items: expected list, found int"]);
}

#[test]
fn empty_lists_and_objects_wait_for_their_content() {
    let first = rows("[{\"l\":[],\"o\":{}},{\"l\":[null]},{\"o\":{\"x\":null}}]");
    assert_eq!(types(&first), "l: list(unknown), o: struct()");
    assert_eq!(shown(&first, "l"), ["[]", "[-]", "-"]);
    let second = with("{\"l\":[1.5],\"o\":{\"x\":true}}", Some(&first.schema), &StreamConfig::default());
    assert_eq!(types(&second), "l: list(float), o: struct(x: bool)");
}

#[test]
fn of_a_key_that_comes_twice_the_last_one_counts() {
    let decoded = rows("[{\"a\":\"x\",\"a\":1},{\"a\":\"y\",\"a\":2},{\"o\":{\"k\":\"x\",\"j\":1,\"k\":2}}]");
    assert_eq!(errors(&decoded), [] as [&str; 0]);
    assert_eq!(shown(&decoded, "a"), ["1", "2", "-"]);
    assert_eq!(shown(&decoded, "o")[2], "{j: 1, k: 2}");
    let many = (0..20).map(|i| format!("\"k{i}\":0,")).collect::<String>();
    let decoded = rows(&format!("{{\"o\":{{{many}\"k3\":true}}}}"));
    assert!(types(&decoded).contains("k3: bool"), "{}", types(&decoded));
}

#[test]
fn declared_types_win() {
    let config =
        declared(&[("f", "float"), ("i", "int"), ("s", "string"), ("t", "time"), ("j", "json"), ("b", "bool")]);
    let decoded = with(
        "[{\"f\":1,\"i\":1,\"t\":\"2024-05-06T00:00:00Z\",\"j\":{ \"b\" : [1.10, 2] }},\
         {\"i\":1.5},{\"s\":5},{\"t\":\"soon\"},{\"j\":\"x y\"},{\"j\":null,\"b\":null}]",
        None,
        &config,
    );
    assert_eq!(types(&decoded), "f: float, i: int, t: time, j: json");
    assert!(decoded.schema.fields.iter().all(|field| field.declared));
    assert_eq!(
        errors(&decoded),
        [
            "2 i: expected declared int, found float",
            "3 s: expected declared string, found int",
            "4 t: expected a time as RFC 3339 text with seconds or as a number since 1970, found `soon`",
        ]
    );
    assert_eq!(shown(&decoded, "j"), ["{\"b\":[1.10,2]}", "\"x y\"", "-"]);
    assert_eq!(times_of(&decoded, "t"), [Some(1_714_953_600_000_000), None, None]);
}

#[test]
fn decimals_are_exact_or_rejected() {
    let config = declared(&[("total", "decimal(30,2)")]);
    let decoded = with(
        "[{\"total\":1234567890123456789012345678.05},{\"total\":\"0.10\"},{\"total\":10},{\"total\":1e2},{\"total\":null},\
         {\"total\":10.505},{\"total\":\"x\"},{\"total\":true},{\"total\":[1]}]",
        None,
        &config,
    );
    let values = decoded.rows.column_by_name("total").expect("total").as_primitive::<Decimal128Type>();
    let expected = [Some(123_456_789_012_345_678_901_234_567_805), Some(10), Some(1_000), Some(10_000), None];
    assert_eq!(values.iter().collect::<Vec<_>>(), expected);
    assert_eq!(errors(&decoded)[0], "6 total: 10.505 has more digits than decimal(30,2) holds");
    assert_eq!(decoded.rejected_count, 4);
}

#[test]
fn an_undeclared_base_int_takes_a_declared_float() {
    let first = rows("{\"a\":1}");
    let second = with("{\"a\":2}", Some(&first.schema), &declared(&[("a", "float")]));
    assert_eq!((types(&second).as_str(), second.schema.version), ("a: float", SchemaVersion(2)));
}

#[test]
fn the_event_time_is_time_or_the_configured_field_or_arrival() {
    let decoded =
        rows("[{\"time\":\"2024-05-06T07:00:00Z\",\"a\":1},{\"a\":2},{\"time\":null,\"a\":3},{\"time\":1714978800}]");
    let at = Some(1_714_978_800_000_000);
    assert_eq!(times_of(&decoded, "time"), [at, None, None, at]);
    assert_eq!(times_of(&decoded, "_source_time"), [at, None, None, at]);
    assert_eq!(types(&decoded), "a: int");

    let config = StreamConfig { time_field: Some("created_at".into()), ..StreamConfig::default() };
    let decoded = with(
        "[{\"created_at\":\"2024-05-06T07:00:00Z\"},{\"time\":1714978800},{\"created_at\":\"2024-05-06T07:00:00Z\",\"time\":1},\
         {\"created_at\":\"never\"},{},{\"created_at\":\"2024-05-06T07:00:00Z\",\"time\":null}]",
        None,
        &config,
    );
    assert_eq!(types(&decoded), "created_at: string", "kept as sent");
    assert_eq!(times_of(&decoded, "time"), [at, at, None]);
    assert_eq!(shown(&decoded, "created_at"), ["2024-05-06T07:00:00Z", "-", "-"]);
    let rejected: Vec<_> = decoded.rejected.iter().map(|error| error.field.as_deref().unwrap_or("-")).collect();
    assert_eq!(rejected, ["time", "created_at", "time"]);
}

#[test]
fn a_time_field_may_have_a_declared_type_and_format() {
    let config = StreamConfig {
        time_field: Some("at".into()),
        timezone: chrono_tz::Tz::Europe__Berlin,
        time_formats: vec![("at".into(), "%d.%m.%Y %H:%M".into())],
        ..declared(&[("at", "time")])
    };
    let decoded = with("[{\"at\":\"06.05.2024 09:00\"},{\"at\":\"2024-05-06T07:00:00Z\"}]", None, &config);
    assert_eq!(times_of(&decoded, "time"), [Some(1_714_978_800_000_000)]);
    assert_eq!(times_of(&decoded, "at"), [Some(1_714_978_800_000_000)]);
    assert_eq!(errors(&decoded), ["2 at: expected a time written as `%d.%m.%Y %H:%M`, found `2024-05-06T07:00:00Z`"]);
}

#[test]
fn absurd_times_are_rejected_by_name() {
    let decoded = rows(
        "[{\"time\":-1},{\"time\":\"1969-12-31T23:59:59Z\"},{\"time\":\"2024-05-07T07:08:10Z\"},\
         {\"time\":\"2024-05-07T07:08:09Z\"},{\"time\":0},{\"time\":true},{\"time\":[]},{\"time\":\"\"},{\"time\":1e300}]",
    );
    assert_eq!(decoded.accepted, 2);
    assert!(decoded.rejected.iter().all(|error| error.field.as_deref() == Some("time")));
    let reasons = errors(&decoded);
    assert!(reasons[0].contains("before 1970") && reasons[1].contains("before 1970"), "{reasons:?}");
    assert!(reasons[2].contains("more than 24 h in the future"), "{reasons:?}");
}

#[test]
fn reserved_names_are_rejected_and_their_neighbours_are_not() {
    let decoded =
        rows("[{\"_offset\":1},{\"_source_time\":null},{\"_arrived_at\":\"x\"},{\"offset\":1,\"_time\":2,\"\":3}]");
    assert_eq!(types(&decoded), "offset: int, _time: int, : int");
    let rejected: Vec<_> = decoded.rejected.iter().filter_map(|error| error.field.as_deref()).collect();
    assert_eq!(rejected, ["_offset", "_source_time", "_arrived_at"]);
}

#[test]
fn every_limit_says_what_it_is() {
    let limits = IngestLimits {
        row_bytes_max: 60,
        fields_max: 3,
        field_name_bytes_max: 5,
        depth_max: 2,
        errors_listed_max: 4,
        ..IngestLimits::default()
    };
    let decoded = limited(
        &[
            "{\"a\":1,\"o\":{\"b\":2}}",
            "{\"c\":1}",
            "{\"o\":{\"c\":1}}",
            "{\"longer\":1}",
            "{\"longer\":null,\"a\":[[[1]]]}",
            "{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
            "{\"a\":2}",
        ]
        .join("\n"),
        &limits,
    );
    assert_eq!((decoded.accepted, decoded.rejected_count), (2, 5));
    assert_eq!(
        errors(&decoded),
        [
            "2 c: the stream already has 3 fields, the most allowed",
            "3 o.c: the stream already has 3 fields, the most allowed",
            "4 longer: its name is longer than 5 bytes",
            "5 a: expected int, found list",
        ]
    );
    let deep = limited("[{\"d\":[[1]]},{\"d\":[[[1]]]},{\"o\":{\"p\":[[]]}}]", &limits);
    let expected = ["2 d[0][0]: nested deeper than 2 levels", "3 o.p[0]: nested deeper than 2 levels"];
    assert_eq!(errors(&deep), expected);

    let limits = IngestLimits { rows_max: 2, body_bytes_max: 50, ..IngestLimits::default() };
    let refuse = |body: &str| {
        let config = StreamConfig::default();
        decode(body.as_bytes(), BodyFormat::Auto, None, &config, &limits, NOW).expect_err("too much")
    };
    assert_eq!(refuse("[{},{},{}]"), BodyError::TooManyRows { max: 2 });
    assert_eq!(refuse("{}\n{}\n{}"), BodyError::TooManyRows { max: 2 });
    assert_eq!(refuse(&" ".repeat(51)), BodyError::TooLarge { max: 50 });
}

#[test]
fn nesting_beyond_the_parsers_own_limit_is_a_rejected_row() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    let decoded = rows(&format!("[{deep},{{\"a\":1}}]"));
    assert_eq!((decoded.accepted, decoded.rejected_count), (1, 1));
    assert_eq!(decoded.rejected[0].field.as_deref().map(|field| field.starts_with('a')), Some(true));
}

#[test]
fn a_number_no_float_holds_rejects_its_row_only() {
    let decoded = rows("[{\"a\":1},{\"a\":1e999},{\"a\":\"\\ud800\"},{\"a\":2}]");
    assert_eq!((decoded.accepted, decoded.rejected_count), (2, 2));
    assert_eq!(errors(&decoded)[0], "2 a: number out of range");
    let nested = rows("[{\"a\":1,\"b\":[{\"c\":-1e999}]}]");
    assert_eq!(errors(&nested), ["1 b: number out of range"]);
}
