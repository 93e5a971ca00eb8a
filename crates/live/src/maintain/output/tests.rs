//! Deltas of a cut result against the result worked out from scratch.

use proptest::prelude::{any, prop_oneof};

use super::*;

fn placed(sort: u8, value: i64) -> Option<Placed> {
    Some(Placed { row: Arc::from([Cell::Int(value)]), sort: Arc::from([sort]) })
}

fn key(name: &str) -> RowKey {
    RowKey::new(name)
}

#[test]
fn a_cut_result_tells_who_enters_leaves_and_moves() {
    let mut output = Output::new(Vec::new(), Some(Cut { skip: 0, fetch: Some(2) }));
    let mut client = Snapshot { order: Some(Vec::new()), ..Snapshot::default() };
    let delta = output.apply([(key("a"), placed(1, 1)), (key("b"), placed(2, 2)), (key("c"), placed(3, 3))]);
    client.apply(&delta);
    assert_eq!(client, output.snapshot());
    assert_eq!(client.order.as_deref(), Some([key("a"), key("b")].as_slice()));

    let delta = output.apply([(key("a"), None)]);
    assert_eq!(delta.del, [key("a")]);
    assert_eq!(delta.order, Some(vec![key("b"), key("c")]), "the third moved up");
    client.apply(&delta);
    assert_eq!(client, output.snapshot());

    let delta = output.apply([(key("c"), placed(3, 30))]);
    assert_eq!((delta.set.len(), delta.order), (1, None), "a value changed, the order did not");
    let delta = output.apply([(key("c"), placed(1, 30))]);
    assert_eq!((delta.set.len(), delta.order), (0, Some(vec![key("c"), key("b")])), "the order changed, no value did");
}

/// What [`Output`] must come to, worked out from scratch.
fn visible(rows: &std::collections::BTreeMap<u16, (u8, i64)>, cut: Cut) -> Vec<(RowKey, Row)> {
    let mut sorted: Vec<_> = rows.iter().map(|(id, (sort, value))| ((*sort, *id), *value)).collect();
    sorted.sort_unstable();
    let cut = sorted.into_iter().skip(cut.skip).take(cut.fetch.unwrap_or(usize::MAX));
    cut.map(|((_, id), value)| (key(&id.to_string()), Row::from([Cell::Int(value)]))).collect()
}

proptest::proptest! {
    #[test]
    fn deltas_of_any_changes_lead_to_what_is_visible(
        skip in prop_oneof![2 => 0usize..1, 1 => 0usize..4],
        fetch in proptest::option::of(0usize..5),
        once in any::<bool>(),
        steps in proptest::collection::vec(
            proptest::collection::vec((0u16..12, proptest::option::of((0u8..6, 0i64..3))), 1..6), 1..12),
    ) {
        let cut = Cut { skip, fetch };
        let output = Output::new(Vec::new(), Some(cut));
        let mut output = if once { output.changing_rows_once() } else { output };
        let mut client = Snapshot { order: Some(Vec::new()), ..Snapshot::default() };
        let mut rows = std::collections::BTreeMap::new();
        for step in steps {
            let before = client.order.clone();
            let step = if once { step.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect() } else { step };
            let mut changes = Vec::new();
            for (id, new) in step {
                let placed = new.map(|(sort, value)| Placed {
                    row: Arc::from([Cell::Int(value)]),
                    sort: [&[sort][..], &id.to_be_bytes()].concat().into(),
                });
                changes.push((key(&id.to_string()), placed));
                match new {
                    Some(new) => rows.insert(id, new),
                    None => rows.remove(&id),
                };
            }
            let delta = output.apply(changes);
            client.apply(&delta);
            let expected = visible(&rows, cut);
            let keys: Vec<RowKey> = expected.iter().map(|(key, _)| key.clone()).collect();
            proptest::prop_assert_eq!(client.order.as_ref(), Some(&keys));
            proptest::prop_assert_eq!(delta.order.is_some(), before.as_ref() != Some(&keys), "only if it changed");
            let rows: std::collections::BTreeMap<_, _> = client.rows.clone().into_iter().collect();
            proptest::prop_assert_eq!(rows, expected.into_iter().collect());
            client.rows.sort_keys();
            let mut told = output.snapshot();
            told.rows.sort_keys();
            proptest::prop_assert_eq!(&client, &told);
        }
    }
}

#[test]
fn a_small_change_under_many_visible_rows_tells_little() {
    let mut output = Output::new(Vec::new(), Some(Cut { skip: 0, fetch: None }));
    let sort = |n: u32| SortKey::from(n.to_be_bytes());
    let at = |n: u32, value| Some(Placed { row: Arc::from([Cell::Int(value)]), sort: sort(n) });
    output.apply((0..100_000u32).map(|n| (key(&n.to_string()), at(n * 10, 0))));
    let started = std::time::Instant::now();
    for round in 1..=1_000 {
        // Its sort key changes, its place does not.
        let delta = output.apply([(key("50000"), at(500_000 + round % 9, i64::from(round)))]);
        assert_eq!((delta.set.len(), delta.del.len(), delta.order), (1, 0, None));
    }
    // A look at all rows takes 20 ms here; a thousand of them would take far longer than this.
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}
