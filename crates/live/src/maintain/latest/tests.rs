//! The first row of each group by batches, merges, resets and states, against the first of all rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Int64Type};
use proptest::prelude::*;

use super::*;
use crate::maintain::totals::GroupId;

/// Ordered by the first column downwards, nulls last, then by the second.
fn shape(filter: Option<usize>) -> LatestShape {
    let down = SortOptions { descending: true, nulls_first: false };
    let order = vec![(0, DataType::Int64, down), (1, DataType::Int64, SortOptions::default())];
    let mut shape = LatestShape::new(&order, filter, 2, &DataType::Utf8);
    assert_eq!(shape.join(&order, filter, 1, &DataType::Int64), Some(1), "another value of the same row");
    assert_eq!(shape.join(&order[..1].to_vec(), filter, 1, &DataType::Int64), None, "another order");
    assert_eq!(shape.join(&order, Some(9), 1, &DataType::Int64), None, "another filter");
    shape
}

/// A row: its group, what orders it, whether it passes. Its number is unique.
type Row = (GroupId, Option<i64>, bool);

fn columns(rows: &[(i64, Row)]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|(_, (_, by, _))| *by).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(number, _)| *number).collect::<Int64Array>()),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(number, _)| format!("row {number}")))),
        Arc::new(rows.iter().map(|(_, (_, _, passes))| Some(*passes)).collect::<BooleanArray>()),
    ]
}

fn answer(total: &mut dyn Total, groups: &[GroupId]) -> Vec<Option<(String, i64)>> {
    let given = total.evaluate(groups).expect("is evaluated");
    let (texts, numbers) = (given[0].as_string::<i32>(), given[1].as_primitive::<Int64Type>());
    let row = |row| texts.is_valid(row).then(|| (texts.value(row).to_owned(), numbers.value(row)));
    (0..groups.len()).map(row).collect()
}

const GROUPS: GroupId = 40;

proptest! {
    #[test]
    fn it_is_the_first_of_all_rows_however_they_come(
        filtered in any::<bool>(),
        batches in prop::collection::vec(
            (
                prop::collection::vec((0..GROUPS, prop::option::weighted(0.8, 0i64..6), any::<bool>()), 1..60),
                prop::option::weighted(0.2, 0..GROUPS),
                prop::bool::weighted(0.1),
            ),
            1..120,
        ),
    ) {
        let shape = shape(filtered.then_some(3));
        let (mut grouped, mut total) = (shape.grouped(), shape.total().expect("types that can be ordered"));
        total.resize(GROUPS as usize).expect("has room");
        let all: Vec<GroupId> = (0..GROUPS).collect();
        let mut expected: BTreeMap<GroupId, (std::cmp::Reverse<Option<i64>>, i64)> = BTreeMap::new();
        let mut number = 0;
        for (rows, reset, dumped) in batches {
            let rows: Vec<(i64, Row)> = rows.into_iter().map(|row| { number += 1; (number, row) }).collect();
            for (number, (group, by, passes)) in &rows {
                if *passes || !filtered {
                    let new = (std::cmp::Reverse(*by), *number);
                    let best = expected.entry(*group).or_insert(new);
                    *best = new.min(*best);
                }
            }
            // In two steps, as a pane would.
            let indices: Vec<usize> = rows.iter().map(|(_, (group, ..))| *group as usize).collect();
            let states = grouped.update(&columns(&rows), &indices, GROUPS as usize).expect("is aggregated");
            let present: Vec<GroupId> = all.iter().copied().filter(|g| indices.contains(&(*g as usize))).collect();
            let picked: UInt32Array = present.iter().copied().collect();
            let states: Vec<ArrayRef> =
                states.iter().map(|state| take(state, &picked, None).expect("they are there")).collect();
            let present_indices: Vec<usize> = present.iter().map(|group| *group as usize).collect();
            let states = grouped.merge(&states, &present_indices, GROUPS as usize).expect("is merged");
            let states: Vec<ArrayRef> =
                states.iter().map(|state| take(state, &picked, None).expect("they are there")).collect();
            total.merge(&states, &present).expect("is taken in");
            if let Some(group) = reset {
                total.reset(group).expect("is emptied");
                expected.remove(&group);
            }
            if dumped {
                let states = total.state(&all).expect("gives its state");
                let there: Vec<GroupId> = all.iter().copied().filter(|group| expected.contains_key(group)).collect();
                let picked: UInt32Array = there.iter().copied().collect();
                let states: Vec<ArrayRef> =
                    states.iter().map(|state| take(state, &picked, None).expect("they are there")).collect();
                total = shape.total().expect("types that can be ordered");
                total.resize(GROUPS as usize).expect("has room");
                total.merge(&states, &there).expect("takes its state back");
            }
            let wanted: Vec<_> =
                all.iter().map(|group| expected.get(group).map(|(_, n)| (format!("row {n}"), *n))).collect();
            prop_assert_eq!(answer(total.as_mut(), &all), wanted);
        }
    }
}

#[test]
fn memory_follows_the_groups_and_not_the_rows() {
    let shape = shape(None);
    let mut total = shape.total().expect("types that can be ordered");
    total.resize(1_000).expect("has room");
    let groups: Vec<GroupId> = (0..1_000).collect();
    let mut after_ten = 0;
    for round in 0..500i64 {
        // Small commits, each of which replaces a few rows, and each tenth all.
        let some = if round % 10 == 0 { &groups[..] } else { &groups[..7] };
        let rows: Vec<(i64, Row)> =
            some.iter().map(|group| (round * 1_000 + i64::from(*group), (*group, Some(round), true))).collect();
        total.merge(&columns(&rows)[..3], some).expect("is taken in");
        if round == 100 {
            after_ten = total.size_bytes();
        }
    }
    assert!(total.size_bytes() < 3 * after_ten, "{} after {after_ten}", total.size_bytes());
    assert_eq!(
        answer(total.as_mut(), &[0, 999]),
        [Some(("row 499000".into(), 499_000)), Some(("row 490999".into(), 490_999))]
    );
}
