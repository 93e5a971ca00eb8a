//! Counts of different values by batches, merges, resets and states, against sets.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{BooleanArray, Float64Array, StringArray};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;

const GROUPS: GroupId = 6;

/// A row: its group, its value, whether it passes the filter.
type Row = (GroupId, Option<u8>, Option<bool>);

/// Values of each kind that a set tells apart, zeros of both signs among them.
fn array(data_type: &DataType, rows: &[Row]) -> ArrayRef {
    let values = rows.iter().map(|(_, value, _)| *value);
    match data_type {
        DataType::Utf8 => Arc::new(values.map(|v| v.map(|v| "x".repeat(v.into()))).collect::<StringArray>()),
        DataType::Float64 => {
            let floats = [0.0, -0.0, f64::NAN, 1.5, f64::INFINITY];
            Arc::new(values.map(|v| v.map(|v| floats[usize::from(v) % 5] + f64::from(v / 5))).collect::<Float64Array>())
        }
        other => {
            let ints: ArrayRef = Arc::new(values.map(|v| v.map(i64::from)).collect::<Int64Array>());
            cast(&ints, other).expect("small numbers fit")
        }
    }
}

fn distinct(array: &ArrayRef, row: usize) -> String {
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<arrow::datatypes::Float64Type>().value(row).to_bits().to_string(),
        _ => arrow::util::display::array_value_to_string(array, row).expect("is shown"),
    }
}

fn answer(total: &mut dyn Total, groups: &[GroupId]) -> Vec<(i64, i64)> {
    let given = total.evaluate(groups).expect("is evaluated");
    let (all, some) = (given[0].as_primitive::<Int64Type>(), given[1].as_primitive::<Int64Type>());
    all.values().iter().copied().zip(some.values().iter().copied()).collect()
}

proptest! {
    #[test]
    fn it_is_the_size_of_a_set_however_the_rows_come(
        data_type in prop::sample::select(vec![
            DataType::Int8,
            DataType::UInt16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float64,
            DataType::Decimal128(20, 2),
            DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Utf8,
        ]),
        batches in prop::collection::vec(
            (
                prop::collection::vec(
                    (0..GROUPS, prop::option::weighted(0.9, 0u8..30), prop::option::weighted(0.9, any::<bool>())),
                    1..40,
                ),
                prop::option::weighted(0.2, 0..GROUPS),
                prop::bool::weighted(0.2),
            ),
            1..12,
        ),
    ) {
        let mut shape = DistinctShape::new(data_type.clone(), 0, None);
        prop_assert_eq!(shape.join(0, Some(1)), Some(1));
        prop_assert_eq!(shape.join(1, None), None, "another expression");
        let (mut grouped, mut total) = (shape.grouped(), shape.total());
        total.resize(GROUPS as usize).expect("has room");
        let all: Vec<GroupId> = (0..GROUPS).collect();
        let mut expected: BTreeMap<GroupId, [BTreeSet<String>; 2]> = BTreeMap::new();
        for (rows, reset, dumped) in batches {
            let values = array(&data_type, &rows);
            let filter: ArrayRef = Arc::new(rows.iter().map(|(_, _, passes)| *passes).collect::<BooleanArray>());
            for (row, (group, value, passes)) in rows.iter().enumerate() {
                if value.is_some() {
                    let sets = expected.entry(*group).or_default();
                    sets[0].insert(distinct(&values, row));
                    if *passes == Some(true) {
                        sets[1].insert(distinct(&values, row));
                    }
                }
            }
            let indices: Vec<usize> = rows.iter().map(|(group, ..)| *group as usize).collect();
            let states = grouped.update(&[values, filter], &indices, GROUPS as usize).expect("is aggregated");
            // Half of the groups a second time, as panes would be merged.
            let twice: Vec<u32> = (0..GROUPS).chain(0..GROUPS / 2).collect();
            let picked = UInt32Array::from(twice.clone());
            let states: Vec<ArrayRef> = states.iter().map(|s| take(s, &picked, None).expect("they are there")).collect();
            let indices: Vec<usize> = twice.iter().map(|group| *group as usize).collect();
            let states = grouped.merge(&states, &indices, GROUPS as usize).expect("is merged");
            let states: Vec<ArrayRef> = states.iter().map(|state| state.slice(1, state.len() - 1)).collect();
            total.merge(&states, &all[1..]).expect("is taken in");
            expected.remove(&0);
            if let Some(group) = reset {
                total.reset(group).expect("is emptied");
                expected.remove(&group);
            }
            if dumped {
                let states = total.state(&all).expect("gives its state");
                total = shape.total();
                total.resize(GROUPS as usize).expect("has room");
                total.merge(&states, &all).expect("takes its state back");
            }
            let size = |set: &BTreeSet<String>| i64::try_from(set.len()).expect("is small");
            let wanted: Vec<_> = all
                .iter()
                .map(|group| expected.get(group).map_or((0, 0), |[all, some]| (size(all), size(some))))
                .collect();
            prop_assert_eq!(answer(total.as_mut(), &all), wanted);
        }
    }
}

#[test]
fn an_emptied_set_gives_its_memory_back() {
    let shape = DistinctShape::new(DataType::Utf8, 0, None);
    let (mut grouped, mut total) = (shape.grouped(), shape.total());
    total.resize(1).expect("has room");
    let empty = total.size_bytes();
    let values: ArrayRef = Arc::new(StringArray::from_iter_values((0..5_000).map(|n| format!("a longer text, {n}"))));
    let states = grouped.update(&[values], &vec![0; 5_000], 1).expect("is aggregated");
    total.merge(&states, &[0]).expect("is taken in");
    assert!(total.size_bytes() > 5_000 * 20);
    total.reset(0).expect("is emptied");
    assert_eq!(total.size_bytes(), empty);
}
