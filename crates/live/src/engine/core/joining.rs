//! Joins commits that wait for the engine into one step, so that it catches up when it is behind.
//!
//! An answer is a function of the log up to a position and of the clock, and the clock that queries see stands still within a
//! second: taking waiting commits of one second together ends in the answer that taking them one by one ends in (ADR 37).
//! Only what waits already is joined: nothing is held back for more to come.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arrow::compute::concat_batches;
use pulseboard_model::{Commit, CommitPart, Position, Step, TimeUs};

use super::Command;

/// The most rows of a joined step: beyond it a step would gain little and hold the readers up.
const ROWS_MAX: usize = 8_192;

/// What one step takes in.
pub(super) struct Joined {
    /// After the last commit.
    pub(super) position: Position,
    /// `_arrived_at` of the newest event, if there is any.
    pub(super) newest: Option<TimeUs>,
    /// One part per stream, each with `_arrived_at` of its newest row.
    pub(super) parts: Vec<(CommitPart, TimeUs)>,
}

impl Joined {
    /// Commits of one second, whose rows have the same columns.
    pub(super) fn of(commits: &[Arc<Commit>]) -> Self {
        let mut parts: Vec<(Vec<&CommitPart>, TimeUs)> = Vec::new();
        let (mut position, mut newest) = (commits[0].position, None);
        for commit in commits {
            position = commit.position;
            if !commit.parts.is_empty() {
                newest = Some(commit.position.clock);
            }
            for part in &commit.parts {
                match parts.iter_mut().find(|(own, _)| own[0].stream == part.stream) {
                    Some((own, at)) => {
                        own.push(part);
                        *at = commit.position.clock;
                    }
                    None => parts.push((vec![part], commit.position.clock)),
                }
            }
        }
        let parts = parts.into_iter().flat_map(|(own, at)| one(&own).into_iter().map(move |part| (part, at))).collect();
        Self { position, newest, parts }
    }
}

/// Joins what waits to `first`. Gives the command that ended it too, which is next.
pub(super) fn join(first: Arc<Commit>, commands: &Receiver<Command>) -> (Joined, Option<Command>) {
    let (mut taken, mut next) = (vec![first], None);
    let mut rows = rows_of(&taken[0]);
    while rows < ROWS_MAX {
        match commands.try_recv() {
            Ok(Command::Step(Step::Commit(commit))) if fits(&taken, &commit) => {
                rows += rows_of(&commit);
                taken.push(commit);
            }
            Ok(other) => {
                next = Some(other);
                break;
            }
            Err(_none) => break,
        }
    }
    (Joined::of(&taken), next)
}

fn rows_of(commit: &Commit) -> usize {
    commit.parts.iter().map(|part| part.rows.num_rows()).sum()
}

/// Whether a commit is of the same second as those before it, and its rows have their columns.
fn fits(taken: &[Arc<Commit>], commit: &Commit) -> bool {
    let same_second = taken.last().is_some_and(|last| last.position.now() == commit.position.now());
    same_second
        && commit.parts.iter().all(|part| {
            let known = taken.iter().rev().flat_map(|commit| &commit.parts).find(|known| known.stream == part.stream);
            known.is_none_or(|known| {
                known.schema.version == part.schema.version && known.rows.schema() == part.rows.schema()
            })
        })
}

/// The rows of all parts as one; as they are if they cannot be put together.
fn one(parts: &[&CommitPart]) -> Vec<CommitPart> {
    let [first, _, ..] = parts else { return parts.iter().map(|part| (*part).clone()).collect() };
    match concat_batches(&first.rows.schema(), parts.iter().map(|part| &part.rows)) {
        Ok(rows) => vec![CommitPart { rows, ..(*first).clone() }],
        Err(_too_large) => parts.iter().map(|part| (*part).clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use pulseboard_model::StreamName;

    use super::*;
    use crate::api::History;
    use crate::tests::restart_world::{START_US, events};
    use crate::tests::world::{STREAM, World};

    fn commit(world: &World, after_us: i64, from: i64) -> Command {
        let rows = world.commit(START_US, after_us, &events(from));
        let (stream, schema) = (StreamName::new(STREAM).unwrap(), world.schema(STREAM).unwrap());
        let part = CommitPart { stream, schema, rows };
        Command::Step(Step::Commit(Arc::new(Commit { position: world.head(), parts: vec![part] })))
    }

    fn first(commands: &Receiver<Command>) -> Arc<Commit> {
        match commands.try_recv() {
            Ok(Command::Step(Step::Commit(commit))) => commit,
            _ => panic!("a commit is first"),
        }
    }

    #[test]
    fn what_waits_of_one_second_is_one_step_and_the_next_second_is_another() {
        let world = World::starting_at(START_US);
        let (sender, commands) = sync_channel(16);
        for i in 0..3 {
            sender.send(commit(&world, 300_000, i * 20)).unwrap();
        }
        let third = world.head();
        sender.send(commit(&world, 300_000, 60)).unwrap();
        let (joined, next) = join(first(&commands), &commands);
        assert_eq!((joined.position, joined.newest), (third, Some(third.clock)));
        assert_eq!(joined.parts.len(), 1, "one part for the stream");
        assert_eq!(joined.parts[0].0.rows.num_rows(), 60);
        assert_eq!(joined.parts[0].1, third.clock);
        let Some(Command::Step(Step::Commit(next))) = next else { panic!("what is of the next second is not lost") };
        assert_eq!(next.position, world.head());
        assert!(commands.try_recv().is_err(), "nothing is left");
    }

    #[test]
    fn a_step_has_a_bound_and_what_is_no_commit_ends_it() {
        let world = World::starting_at(START_US);
        let (sender, commands) = sync_channel(1_000);
        for i in 0..500 {
            sender.send(commit(&world, 1, i)).unwrap();
        }
        let (joined, next) = join(first(&commands), &commands);
        assert_eq!(joined.parts[0].0.rows.num_rows(), ROWS_MAX.div_ceil(20) * 20);
        assert!(next.is_none());

        let (sender, commands) = sync_channel(16);
        sender.send(commit(&world, 1, 0)).unwrap();
        sender.send(Command::Step(Step::Tick(world.head()))).unwrap();
        sender.send(commit(&world, 1, 0)).unwrap();
        let (joined, next) = join(first(&commands), &commands);
        assert_eq!(joined.parts[0].0.rows.num_rows(), 20);
        assert!(matches!(next, Some(Command::Step(Step::Tick(_)))));
    }
}
