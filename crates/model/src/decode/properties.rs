//! Properties of decoding over random values, bytes, and ways to cut a batch.

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::*;
use crate::limits::IngestLimits;
use crate::schema::{FieldType, StreamSchema};
use crate::time::TimeUs;

const NOW: TimeUs = TimeUs(1_714_979_289_000_000);

fn config() -> StreamConfig {
    StreamConfig {
        time_field: None,
        timezone: chrono_tz::Tz::Europe__Berlin,
        fields: vec![
            ("d".into(), FieldType::Decimal(8, 2)),
            ("j".into(), FieldType::Json),
            ("t".into(), FieldType::Time),
            ("f".into(), FieldType::Float),
        ],
        time_formats: Vec::new(),
    }
}

fn limits() -> IngestLimits {
    IngestLimits { fields_max: 12, depth_max: 4, errors_listed_max: usize::MAX, ..IngestLimits::default() }
}

/// Few names, so that types meet and clash.
fn name() -> impl Strategy<Value = String> {
    let usual = ["a", "b", "c", "d", "j", "t", "f", "time"].map(str::to_owned).to_vec();
    prop_oneof![10 => prop::sample::select(usual), 1 => Just("_offset".to_owned()), 1 => "\\PC{0,3}"]
}

fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        2 => Just(Json::Null),
        2 => any::<bool>().prop_map(Json::from),
        4 => (-5_i64..5).prop_map(Json::from),
        1 => any::<i64>().prop_map(Json::from),
        1 => any::<u64>().prop_map(Json::from),
        2 => (-40_i32..40).prop_map(|n| Json::from(f64::from(n) / 8.0)),
        1 => any::<f64>().prop_map(Json::from),
        2 => "[a-c]{0,2}".prop_map(Json::from),
        1 => "\\PC{0,6}".prop_map(Json::from),
        1 => Just(Json::from("2024-03-31 02:30:00")),
    ];
    scalar.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((name(), inner), 0..4).prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Mostly rows that nearly fit each other.
fn row() -> impl Strategy<Value = Json> {
    let pairs = prop::collection::vec((name(), json()), 0..5);
    let object = pairs.prop_map(|pairs| Json::Object(pairs.into_iter().collect::<Map<_, _>>()));
    prop_oneof![12 => object, 1 => json()]
}

fn decode_rows(rows: &[Json], base: Option<&StreamSchema>) -> Decoded {
    let body = serde_json::to_vec(rows).expect("JSON");
    decode(&body, BodyFormat::Json, base, &config(), &limits(), NOW).expect("an array")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_decoded_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), format in 0..4) {
        let format = [BodyFormat::Auto, BodyFormat::AutoJson, BodyFormat::Json, BodyFormat::Ndjson][usize::try_from(format).expect("small")];
        if let Ok(decoded) = decode(&body, format, None, &config(), &limits(), NOW) {
            prop_assert_eq!(decoded.rows.num_rows() as u64, decoded.accepted);
        }
    }

    /// Random damage to valid NDJSON reaches further into the parser than random bytes do.
    #[test]
    fn damaged_ndjson_counts_every_line(
        rows in prop::collection::vec(row(), 1..8),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut body = rows.iter().map(|row| format!("{row}\n")).collect::<String>().into_bytes();
        for (at, byte) in damage {
            let at = at.index(body.len());
            if body[at] != b'\n' && byte != b'\n' {
                body[at] = byte;
            }
        }
        let blank = body.split(|b| *b == b'\n').filter(|line| line.trim_ascii().is_empty()).count() as u64 - 1;
        let decoded = decode(&body, BodyFormat::Ndjson, None, &config(), &limits(), NOW).expect("lines");
        prop_assert_eq!(decoded.accepted + decoded.rejected_count + blank, rows.len() as u64);
        prop_assert_eq!(decoded.rejected.len() as u64, decoded.rejected_count);
    }

    #[test]
    fn a_batch_is_its_rows_one_by_one(rows in prop::collection::vec(row(), 0..12)) {
        let whole = decode_rows(&rows, None);
        prop_assert_eq!(whole.accepted + whole.rejected_count, rows.len() as u64);

        let mut schema: Option<StreamSchema> = None;
        let mut rejected = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let one = decode_rows(std::slice::from_ref(row), schema.as_ref());
            rejected.extend(one.rejected.into_iter().map(|error| RowError { row: index as u64 + 1, ..error }));
            schema = Some((*one.schema).clone());
        }
        prop_assert_eq!(&whole.rejected, &rejected);
        let one_by_one = schema.map_or_else(Vec::new, |schema| schema.fields);
        prop_assert_eq!(&whole.schema.fields, &one_by_one);

        // In the final schema the accepted rows say the same again, as an array and as NDJSON.
        let kept: Vec<&Json> = (1..).zip(&rows).filter(|(row, _)| rejected.iter().all(|e| e.row != *row)).map(|(_, r)| r).collect();
        let lines: String = kept.iter().map(|row| format!("{row}\n")).collect();
        let again = decode(lines.as_bytes(), BodyFormat::Ndjson, Some(&whole.schema), &config(), &limits(), NOW).expect("lines");
        prop_assert_eq!(&again.schema, &whole.schema);
        prop_assert_eq!(&again.rows, &whole.rows);
    }

    #[test]
    fn ints_and_floats_come_back_as_sent(ints in prop::collection::vec(any::<i64>(), 1..20), float in prop::num::f64::NORMAL) {
        use arrow::array::AsArray;
        use arrow::datatypes::{Float64Type, Int64Type};
        let rows: Vec<Json> = ints.iter().map(|int| serde_json::json!({ "a": int })).collect();
        let decoded = decode_rows(&rows, None);
        prop_assert_eq!(decoded.rows.column(2).as_primitive::<Int64Type>().values().to_vec(), ints);
        let decoded = decode_rows(&[serde_json::json!({ "a": float })], None);
        prop_assert_eq!(decoded.rows.column(2).as_primitive::<Float64Type>().value(0), float);
    }
}
