//! Subscriptions whose names come to stand for something else: what is the same goes on, the rest is reset, nobody is dropped.

use pulseboard_hub::{ChannelSource, ChannelSpec, HubConfig};
use pulseboard_protocol::Pace;

use crate::world::{Change, Reader, World, view_name};

/// The channel of one view under the name of another.
fn renamed(world: &World, index: usize, name: usize) -> ChannelSpec {
    ChannelSpec { name: view_name(name).into(), ..world.view_spec(index) }
}

fn refollow(reader: &mut Reader, specs: &[ChannelSpec]) -> bool {
    let subscription = reader.subscription.as_mut().expect("connected");
    subscription.refollow(specs, Pace::default())
}

fn rows(world: &mut World, index: usize, value: i64) {
    let row = Change::Rows(vec![(u8::try_from(value).expect("small"), Some(value))]);
    world.step(1, false, &[(index, row)]);
}

#[tokio::test]
async fn what_is_the_same_goes_on_and_what_is_another_is_reset_in_one_frame() {
    let mut world = World::new(3, HubConfig::default());
    for index in 0..3 {
        world.step(1, false, &[(index, Change::Replace { rows: vec![(1, 10)], widen: false })]);
    }
    let mut reader = Reader::new(vec![world.view_spec(0), world.view_spec(1), World::tail_spec()]);
    reader.connect(&world.hub, false);
    assert!(reader.pull(false).await, "the first frame");
    let since = world.position.offset.to_u64();

    // It is behind in what goes on, and must not miss that.
    rows(&mut world, 0, 2);
    rows(&mut world, 2, 3);
    assert!(!refollow(&mut reader, &[world.view_spec(0), world.view_spec(1), World::tail_spec()]), "the same");
    let specs = [world.view_spec(0), renamed(&world, 2, 1), World::tail_spec()];
    assert!(refollow(&mut reader, &specs));
    let frames = reader.replica.frames;
    assert!(reader.pull(false).await);
    assert_eq!(reader.replica.frames, frames + 1);
    let changed = &reader.replica.channels[&view_name(1)];
    assert_eq!(changed.resets, ["changed"]);
    assert_eq!(changed.rows.len(), 2, "the rows of the other view: {changed:?}");
    assert!(reader.replica.channels[&view_name(0)].resets.is_empty());
    world.check(&reader.replica, &[0]);
    assert_eq!(reader.offsets(), world.log.offsets_after(since), "each event once");
    assert!(!reader.pull(false).await, "nothing is left to be said");

    // The cursor is one of the new set.
    rows(&mut world, 2, 4);
    reader.specs = specs.to_vec();
    reader.connect(&world.hub, false);
    assert!(reader.pull(false).await);
    assert!(reader.subscription.as_ref().is_some_and(pulseboard_hub::Subscription::is_continued));
    assert_eq!(reader.replica.channels[&view_name(1)].rows.len(), 3);
}

#[tokio::test]
async fn a_board_whose_panels_stay_is_told_all_the_same_and_a_new_channel_comes_without_a_reset() {
    let mut world = World::new(2, HubConfig::default());
    world.step(0, false, &[(0, Change::Replace { rows: vec![(1, 10)], widen: false })]);
    let board = |hash: &str| ChannelSpec {
        name: "board:b".into(),
        definition_hash: hash.len() as u64,
        source: ChannelSource::Board { definition_hash: hash.to_owned(), panels: vec![("p".into(), view_name(0))] },
        keep: None,
    };
    let mut reader = Reader::new(vec![board("a"), world.view_spec(0)]);
    reader.connect(&world.hub, false);
    assert!(reader.pull(false).await);
    assert!(refollow(&mut reader, &[board("ab"), world.view_spec(0), world.view_spec(1)]));
    assert!(reader.pull(false).await, "at once, though no view changed");
    let told = &reader.replica.channels["board:b"];
    assert_eq!(
        (told.resets.as_slice(), &told.board.as_ref().expect("a board")["definition_hash"]),
        (["changed".to_owned()].as_slice(), &"ab".into())
    );
    assert!(reader.replica.channels[&view_name(0)].resets.is_empty());
    // The new one has no answer yet; it comes when there is one.
    world.step(0, false, &[(1, Change::Replace { rows: vec![(5, 5)], widen: false })]);
    assert!(reader.pull(false).await);
    assert!(reader.replica.channels[&view_name(1)].resets.is_empty());
    world.check(&reader.replica, &[0, 1]);
}

#[tokio::test]
async fn a_name_that_stands_for_nothing_says_so_and_keeps_its_rows() {
    let mut world = World::new(2, HubConfig::default());
    for index in 0..2 {
        world.step(0, false, &[(index, Change::Replace { rows: vec![(1, 10)], widen: false })]);
    }
    let both = [world.view_spec(0), world.view_spec(1)];
    let mut reader = Reader::new(both.to_vec());
    reader.connect(&world.hub, false);
    assert!(reader.pull(false).await);
    let gone = ChannelSpec { source: ChannelSource::Gone("there is no view".to_owned()), ..world.view_spec(0) };
    assert!(refollow(&mut reader, &[gone, world.view_spec(1)]));
    rows(&mut world, 1, 2);
    assert!(reader.pull(false).await);
    let held = &reader.replica.channels[&view_name(0)];
    assert_eq!(held.state.as_ref().expect("a state")["status"], "error");
    assert_eq!(held.rows.len(), 1, "the old rows stay");
    world.check(&reader.replica, &[1]);
    rows(&mut world, 0, 3);
    assert!(!reader.pull(false).await, "what it stood for is nothing to it");
    assert!(refollow(&mut reader, &both));
    assert!(reader.pull(false).await);
    assert_eq!(reader.replica.channels[&view_name(0)].resets, ["changed"]);
    world.check(&reader.replica, &[0, 1]);
}
