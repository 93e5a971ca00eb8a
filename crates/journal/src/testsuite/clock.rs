//! The log's clock: never back, whole seconds as steps, pauses logged.

use std::sync::Arc;

use pulseboard_model::time::SECOND_US;
use pulseboard_model::{LogOffset, Position, Step, TimeUs};

use super::TestBed;
use super::rows::{all, eventually, next_step, numbers, offsets};
use crate::log::Log;
use crate::past_steps::PastSteps;

/// A wall clock that is set back does not set the log back, not even over a restart.
pub async fn the_clock_never_goes_back(bed: &mut impl TestBed) {
    let log = bed.open();
    let first = log.append(numbers("s", false, [1])).await.expect("appended").position;
    bed.clock().advance(-30 * SECOND_US);
    let second = log.append(numbers("s", true, [2])).await.expect("appended").position;
    assert!(second.clock >= first.clock);
    bed.close(log);
    let log = bed.open();
    assert!(log.head().clock >= second.clock);
    let third = log.append(numbers("s", true, [3])).await.expect("appended").position;
    assert!(third.clock >= second.clock);
    let arrived = all(log.as_ref(), "s", "_arrived_at");
    assert!(arrived.is_sorted(), "{arrived:?}");
    bed.close(log);
}

/// Each whole second is a step, in clock order, before the commit that comes after it.
pub async fn ticks_come_for_every_second_and_before_commits(bed: &mut impl TestBed) {
    let log = bed.open();
    let start = log.append(numbers("s", false, [1])).await.expect("appended").position.clock;
    let mut tail = log.tail(log.head().offset).expect("a tail");
    let second = start.floor_to_second().0 + SECOND_US;
    bed.clock().set(second + 2 * SECOND_US + 7);
    let appended = log.append(numbers("s", true, [2])).await.expect("appended").position;
    for clock in [second, second + SECOND_US, second + 2 * SECOND_US] {
        let step = next_step(tail.as_mut(), true);
        assert!(matches!(step, Step::Tick(_)), "{step:?}");
        assert_eq!((step.position().clock, step.position().offset), (TimeUs(clock), LogOffset::from_u64(1)));
    }
    let step = next_step(tail.as_mut(), true);
    assert_eq!((step.position(), offsets(&step)), (appended, vec![2]));

    // Without events the seconds come all the same.
    bed.clock().set(second + 4 * SECOND_US);
    for clock in [second + 3 * SECOND_US, second + 4 * SECOND_US] {
        assert_eq!(next_step(tail.as_mut(), true).position().clock, TimeUs(clock));
    }
    bed.close(log);
}

/// After more than a minute's pause the clock moves once, by an empty commit that a later reader of the log sees, too.
pub async fn a_pause_is_one_step_that_is_logged(bed: &mut impl TestBed) {
    let log = bed.open();
    let start = log.append(numbers("s", false, [1])).await.expect("appended").position.clock;
    let mut tail = log.tail(log.head().offset).expect("a tail");
    let wake = start.floor_to_second().0 + 3_600 * SECOND_US;
    bed.clock().set(wake + 5);
    let step = next_step(tail.as_mut(), true);
    let Step::Commit(commit) = &step else { panic!("a commit without rows: {step:?}") };
    assert!(commit.parts.is_empty());
    assert_eq!(commit.position.clock, TimeUs(wake));
    log.append(numbers("s", true, [2])).await.expect("appended");
    drop(tail);
    bed.close(log);

    let log = bed.open();
    let mut tail = log.tail(LogOffset::START).expect("a tail");
    let steps: Vec<_> = std::iter::from_fn(|| Some(next_step(tail.as_mut(), false)))
        .take_while(|step| step.position().offset < LogOffset::from_u64(2))
        .collect();
    let pauses = steps.iter().filter(|step| offsets(step).is_empty() && step.position().clock == TimeUs(wake)).count();
    assert_eq!(pauses, 1, "{steps:?}");
    drop(tail);
    bed.close(log);
}

/// `head`, its watchers and a tail agree about where the log stands.
pub async fn the_head_is_the_last_step(bed: &mut impl TestBed) {
    let log = bed.open();
    let mut watched = log.watch_head();
    let mut tail = log.tail(LogOffset::START).expect("a tail");
    let appended = log.append(numbers("s", false, [1])).await.expect("appended").position;
    assert_eq!(log.head(), appended);
    watched.wait_for(|head| *head == appended).await.expect("the log is open");
    let step = next_step(tail.as_mut(), false);
    let step = if step.position() == appended { step } else { next_step(tail.as_mut(), false) };
    assert_eq!(step.position(), appended);
    bed.clock().advance(SECOND_US);
    eventually("the tick", || log.head().clock > appended.clock);
    assert_eq!(next_step(tail.as_mut(), true).position(), log.head());
    drop(tail);
    bed.close(log);
}

/// A moment leads to the last step at or before it: a commit, a tick between two, the last tick before a pause, and the
/// same after reopening.
pub async fn a_moment_leads_to_the_step_before_it(bed: &mut impl TestBed) {
    let log = bed.open();
    let begin = log.head().clock;
    let mut steps = vec![log.head()];
    let mut tail = log.tail(LogOffset::START).expect("a tail");
    // Commits at odd moments, ticks between them, a pause of ten minutes in the middle.
    let advances = [0, 300_000, 2 * SECOND_US + 7, 4 * SECOND_US, 600 * SECOND_US, 1, 3 * SECOND_US];
    for (n, advance) in (0..).zip(advances) {
        bed.clock().advance(advance);
        let appended = log.append(numbers("s", n > 0, n..=n + n % 3)).await.expect("appended").position;
        while steps.last() != Some(&appended) {
            steps.push(next_step(tail.as_mut(), true).position());
        }
    }
    drop(tail);
    check_moments(log.as_ref(), &steps);
    let beginning = Position { offset: LogOffset::START, clock: TimeUs(0), ..log.head() };
    assert_eq!(log.position_at(TimeUs(begin.0.min(999_999))), Ok(beginning));
    bed.close(log);

    let log = bed.open();
    check_moments(log.as_ref(), &steps);
    bed.close(log);
}

/// Just at, just after, and just before the next of each of the steps that were seen.
fn check_moments(log: &dyn Log, steps: &[Position]) {
    for pair in steps.windows(2) {
        let [step, next] = pair else { continue };
        if step.clock == next.clock {
            // At one moment the later step counts.
            continue;
        }
        for time in [step.clock.0, step.clock.0 + 1, next.clock.0 - 1].into_iter().filter(|time| *time < next.clock.0) {
            assert_eq!(log.position_at(TimeUs(time)), Ok(*step), "at {time}, before {next}");
        }
    }
    let last = *steps.last().expect("steps");
    assert_eq!(log.position_at(last.clock), Ok(last));
    assert_eq!(log.position_at(TimeUs(i64::MAX)), Ok(log.head()));
}

/// The past steps as the present did: commits, ticks and pauses, from anywhere, and the same after reopening.
pub async fn the_past_steps_as_the_present_did(bed: &mut impl TestBed) {
    let log = bed.open();
    let mut steps = vec![log.head()];
    let mut tail = log.tail(LogOffset::START).expect("a tail");
    let advances =
        [0, 300_000, 2 * SECOND_US + 7, 0, 4 * SECOND_US, 600 * SECOND_US, 1, 5 * SECOND_US, 3_600 * SECOND_US + 5, 40];
    for (n, advance) in (0..).zip(advances) {
        bed.clock().advance(advance);
        let appended = log.append(numbers("s", n > 0, n..=n + n % 3)).await.expect("appended").position;
        while steps.last() != Some(&appended) {
            steps.push(next_step(tail.as_mut(), true).position());
        }
    }
    drop(tail);
    // Never more ticks at once than a small ring holds: a tail that is behind gets none of them.
    // From the first event on: before it there is nothing that a query could see.
    let steps: Vec<Position> = steps.into_iter().filter(|step| step.offset > LogOffset::START).collect();
    check_past(&log, &steps);
    bed.close(log);

    let log = bed.open();
    check_past(&log, &steps);
    bed.close(log);
}

fn check_past(log: &Arc<dyn Log>, steps: &[Position]) {
    for from in (0..steps.len()).step_by(5) {
        for to in [from, (from + 1).min(steps.len() - 1), steps.len() / 2, steps.len() - 1] {
            let past = PastSteps::new(log.clone(), steps[from], steps[to.max(from)]).expect("a past");
            let past: Vec<Position> = past.map(|step| step.expect("read").position()).collect();
            assert_eq!(past, &steps[from + 1..=to.max(from)], "from {} to {}", steps[from], steps[to.max(from)]);
        }
    }
}
