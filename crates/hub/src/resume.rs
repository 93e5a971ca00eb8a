//! What a reader that comes back needs: to go on, or to start again and be told why.
//!
//! Decided once, when it subscribes, for each channel by itself. Nothing partial is ever passed off as a continuation.

use std::sync::Arc;

use pulseboard_model::{LogOffset, ResetReason};
use pulseboard_protocol::Cursor;

use crate::mark::Mark;
use crate::set::{ChannelSet, Feed};
use crate::tail_log::TailLog;

/// What one channel of a new subscription starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Its changes since the reader's step.
    Continue,
    /// For a tail: its events since an offset, out of the log.
    FromLog(LogOffset),
    /// Everything, for the first time.
    Fresh,
    /// Everything, because what the reader holds cannot be continued.
    Reset(ResetReason),
}

/// What a new subscription starts with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The reader knows the changes of the `Continue` channels up to this step.
    pub(crate) known: u64,
    /// For each channel.
    pub(crate) starts: Vec<Start>,
}

pub(crate) fn plan(set: &ChannelSet, since: Option<&Cursor>, now: &Mark, log: &Arc<dyn TailLog>) -> Plan {
    let Some(cursor) = since else { return all(set, Start::Fresh) };
    if cursor.position.epoch != now.position.epoch {
        return all(set, Start::Reset(ResetReason::Restart));
    }
    if !now.position.offset.includes(cursor.position.offset) {
        return all(set, Start::Reset(ResetReason::Ahead));
    }
    let tag = set.tag();
    let other_definition =
        cursor.tag.is_some_and(|theirs| (theirs.channels, theirs.definitions) != (tag.channels, tag.definitions));
    if other_definition {
        return all(set, Start::Reset(ResetReason::Changed));
    }
    let knows = |mark: &Mark| mark.is_known_to(cursor);
    // Columns that came with a first answer are not other columns: the answer comes whole, without a reason.
    let other_schema =
        cursor.tag.is_some_and(|theirs| theirs.schema != tag.schema && theirs.schema != set.schema_known(knows));
    // The clock of a reader may be beyond ours if the machine's clock went back over a restart.
    let clock_ahead = cursor.position.clock > now.position.clock;
    let mut known = 0;
    let starts = set.members.iter().map(|member| match &member.feed {
        Feed::Board(_) | Feed::Gone(_) => Start::Continue,
        Feed::View(instance) => {
            if clock_ahead {
                Start::Reset(ResetReason::Ahead)
            } else if !knows(&instance.created) {
                Start::Reset(ResetReason::Restart)
            } else if other_schema {
                Start::Reset(ResetReason::Changed)
            } else if let Some(step) = instance.known_step(knows) {
                known = known.max(step);
                Start::Continue
            } else {
                Start::Reset(ResetReason::Gap)
            }
        }
        Feed::Tail(tail) => {
            if !clock_ahead && let Some(step) = tail.known_step(knows) {
                known = known.max(step);
                Start::Continue
            } else if log.is_dropped(&tail.stream, &cursor.position) {
                Start::Reset(ResetReason::Gap)
            } else {
                Start::FromLog(cursor.position.offset)
            }
        }
    });
    let starts = starts.collect();
    Plan { known, starts }
}

fn all(set: &ChannelSet, start: Start) -> Plan {
    Plan { known: 0, starts: vec![start; set.members.len()] }
}

#[cfg(test)]
mod tests {
    use pulseboard_model::{
        Epoch, InstanceChange, InstanceId, InstanceUpdate, Position, StreamName, TimeUs, ViewState,
    };
    use pulseboard_model::{Mode, Status};
    use tokio::time::Instant;

    use super::*;
    use crate::config::HubConfig;
    use crate::instance::Instance;
    use crate::tail::Tail;

    fn mark(step: u64) -> Mark {
        let clock = TimeUs(i64::try_from(step).expect("small"));
        Mark { step, position: Position { epoch: Epoch(1), offset: LogOffset::START, clock }, round: 0, newest: None }
    }

    /// Whoever looked at the floor and asked afterwards what is known was told of steps that the reader never had.
    #[test]
    fn a_reader_whom_the_floor_has_passed_knows_nothing() {
        let knows = |upto: u64| move |mark: &Mark| mark.step <= upto;
        let tail = Tail::new(StreamName::new("s").expect("a name"), mark(1));
        assert_eq!(tail.known_step(knows(1)), Some(1));
        tail.lose(mark(5));
        assert_eq!([tail.known_step(knows(1)), tail.known_step(knows(5))], [None, Some(5)]);

        // Less than one change, so that none stays once it is folded, and enough to fold none before.
        let config = HubConfig { ring_bytes_max: 200, ..HubConfig::default() };
        let instance = Instance::new(InstanceId(1), mark(1));
        let state = Some(ViewState::new(Status::Live, Mode::Maintained));
        for step in 2..=5 {
            let change =
                InstanceChange { instance: InstanceId(1), update: InstanceUpdate::State, state: state.clone() };
            instance.push(&change, mark(step), Instant::now(), &config);
            instance.publish(step);
        }
        assert_eq!([1, 3, 5].map(|upto| instance.known_step(knows(upto))), [Some(1), Some(3), Some(5)]);
        instance.maintain(5, Instant::now(), &config);
        assert_eq!([1, 5].map(|upto| instance.known_step(knows(upto))), [None, Some(5)]);
    }
}
