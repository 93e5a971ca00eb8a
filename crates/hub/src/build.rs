//! Builds the frame that brings one reader from where it stands to one position, in all its channels.
//!
//! What tails need from the log is read first, since that takes time; the rest is gathered under the locks of the answers
//! that go out whole, so that every part is of the same step. Whatever other readers can use is shared.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::MutexGuard;
use pulseboard_model::{LogOffset, Position, ResetReason, StreamSchema};
use pulseboard_protocol::change::{write_reset, write_state};
use pulseboard_protocol::rows::tail_columns;
use pulseboard_protocol::{Cursor, Frame, FrameBuilder, FrameHead, Reset};
use tokio::time::Instant;

use crate::hub::Hub;
use crate::instance::{Base, Instance, ViewPart};
use crate::mark::Mark;
use crate::set::{ChannelSet, Feed, FrameKey, Snapshots};
use crate::tail::{Joined, Past, Tail, TailPart, Wanted};

/// What one channel of a reader needs besides its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owed {
    /// Everything, for the first time; a tail starts with so many rows.
    Fresh(u32),
    /// Everything, with a reason.
    Whole(Reset),
    /// A view that has no answer yet: the reason is said when it comes.
    WhenReady(Reset),
    /// A tail's events after an offset, out of the log.
    Log(LogOffset),
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) sub: u32,
    pub(crate) sent: u64,
    pub(crate) position: Position,
    pub(crate) first: bool,
    pub(crate) continued: bool,
    pub(crate) snapshots: Snapshots,
}

/// A frame, and where the reader stands after it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) frame: Arc<Frame>,
    pub(crate) sent: u64,
    pub(crate) continued: bool,
}

/// `None` if nothing changed.
pub(crate) async fn build(
    hub: &Hub,
    set: &Arc<ChannelSet>,
    reader: &Reader,
    owed: &mut [Option<Owed>],
) -> Option<Built> {
    let fresh = reader.first && owed.iter().all(|owed| *owed == Some(Owed::Fresh(0)));
    if fresh {
        let to = hub.now().step;
        let shared = set.frames.lock().get(&FrameKey { sub: reader.sub, from: None, to, snapshots: reader.snapshots });
        if let Some(frame) = shared {
            owed.fill(None);
            return Some(Built { frame, sent: to.min(set.changed()), continued: false });
        }
    }
    let mut pasts: Vec<Option<PastRows>> = set.members.iter().map(|_| None).collect();
    loop {
        for (index, member) in set.members.iter().enumerate() {
            if let Feed::Tail(tail) = &member.feed {
                read_past(hub, tail, reader, owed[index], &mut pasts[index]).await;
            }
        }
        match (Assembly { hub, set, reader, fresh }).assemble(owed, &mut pasts) {
            Assembled::Frame(built) => return Some(built),
            Assembled::Nothing => return None,
            // The ring moved on while the log was read: read the rest.
            Assembled::Again => {}
        }
    }
}

/// A tail's rows out of the log, up to a step.
#[derive(Debug)]
struct PastRows {
    schema: Option<Arc<StreamSchema>>,
    rows: Vec<Bytes>,
    count: u64,
    upto: Mark,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// All rows are there.
    Complete,
    /// They are more than a reader is given.
    TooMuch,
    /// The log cannot give them.
    Unreadable,
}

async fn read_past(hub: &Hub, tail: &Arc<Tail>, reader: &Reader, owed: Option<Owed>, past: &mut Option<PastRows>) {
    let bytes_max = hub.inner.config.catch_up_bytes_max;
    let wanted = match (&*past, owed) {
        (Some(past), _) if past.outcome == Outcome::Unreadable || tail.floor().step <= past.upto.step => return,
        (Some(past), _) => Wanted::After(past.upto.position.offset),
        (None, Some(Owed::Fresh(0) | Owed::Whole(_) | Owed::WhenReady(_))) => return,
        (None, Some(Owed::Fresh(n))) => Wanted::Last(n),
        (None, Some(Owed::Log(after))) => Wanted::After(after),
        (None, None) if tail.floor().step <= reader.sent => return,
        (None, None) => Wanted::After(reader.position.offset),
    };
    let (upto, read) = tail.past(wanted, hub.now(), (&hub.inner.log, &hub.inner.counters), bytes_max).await;
    let held =
        past.get_or_insert(PastRows { schema: None, rows: Vec::new(), count: 0, upto, outcome: Outcome::Complete });
    held.upto = upto;
    match &*read {
        Past::Rows(schema, rows, count) => {
            if held.schema.as_ref().is_some_and(|known| known.version != schema.version)
                && held.outcome == Outcome::Complete
            {
                // What was read before lacks the new columns: begin again.
                *past = None;
                return;
            }
            held.schema = Some(Arc::clone(schema));
            held.rows.push(rows.clone());
            held.count += count;
            if held.rows.iter().map(Bytes::len).sum::<usize>() > bytes_max {
                held.outcome = Outcome::TooMuch;
            }
        }
        Past::TooMuch(count) => {
            held.count += count;
            held.outcome = Outcome::TooMuch;
        }
        Past::Unreadable => held.outcome = Outcome::Unreadable,
    }
    if held.outcome != Outcome::Complete {
        held.rows.clear();
    }
}

enum Assembled {
    Frame(Built),
    Nothing,
    Again,
}

/// One channel's members of a change.
type Members = Option<Bytes>;

struct Assembly<'a> {
    hub: &'a Hub,
    set: &'a Arc<ChannelSet>,
    reader: &'a Reader,
    fresh: bool,
}

impl Assembly<'_> {
    fn assemble(&self, owed: &mut [Option<Owed>], pasts: &mut [Option<PastRows>]) -> Assembled {
        let Self { set, reader, .. } = self;
        // What one reader is owed is for nobody else, however it is settled.
        let owes = owed.iter().any(Option::is_some);
        // Which views go out whole, and what the reader is told about it. Grows until nothing more is found.
        let mut whole: Vec<Option<Option<Reset>>> = set
            .members
            .iter()
            .zip(owed.iter())
            .map(|(member, owed)| match (&member.feed, owed) {
                (Feed::View(_), Some(Owed::Fresh(_))) => Some(None),
                (Feed::View(_), Some(Owed::Whole(reset))) => Some(Some(*reset)),
                _ => None,
            })
            .collect();
        let members = set.members.iter().zip(owed.iter());
        let tells_fixed = members.into_iter().any(|(member, owed)| member.feed.is_fixed() && owed.is_some());
        let (mut bases, mark, mut parts, merged) = loop {
            let bases = self.lock(&whole);
            let at_now = reader.first || !bases.is_empty() || tells_fixed || pasts.iter().any(Option::is_some);
            let now = self.hub.now();
            let to = if at_now { now.step } else { set.changed().min(self.hub.inner.step.load(Ordering::Acquire)) };
            match self.gather(owed, pasts, &mut whole, to) {
                Gathered::Parts(parts, last, merged) => {
                    // Without anything whole, the frame stands at the newest change that is in it.
                    let mark = if at_now { Some(now) } else { last };
                    let Some(mark) = mark else { return Assembled::Nothing };
                    break (bases, mark, parts, merged);
                }
                Gathered::MoreWhole => {}
                Gathered::ReadAgain => return Assembled::Again,
            }
        };
        let mut following = Vec::new();
        for (index, member) in set.members.iter().enumerate() {
            let (Feed::View(instance), Some(reset)) = (&member.feed, whole[index]) else { continue };
            let Some(base) = bases.iter_mut().find(|(held, _)| held.id == instance.id).map(|(_, base)| base) else {
                continue;
            };
            instance.fold(base, mark.step, Instant::now(), &self.hub.inner.config);
            let (members, ready, rest) = self.whole_members(base, reset);
            parts[index] = Some(members);
            following.extend(rest.iter().map(|page| (index, page.clone())));
            owed[index] = match reset {
                Some(reset) if !ready => Some(Owed::WhenReady(reset)),
                _ => None,
            };
        }
        drop(bases);
        // A view that had no answer yet comes whole without a reason: that continues nothing either.
        let continued = reader.continued
            && whole.iter().all(Option::is_none)
            && pasts.iter().flatten().all(|past| past.outcome == Outcome::Complete);
        let sent = mark.step.min(set.changed()).max(reader.sent);
        let frame = Arc::new(self.encode(&mark, &parts, &following, continued, merged));
        if self.fresh || !owes {
            self.share(&frame, owed, pasts, &mark, sent);
        }
        Assembled::Frame(Built { frame, sent, continued })
    }

    /// Locks the whole answers that go out, always in the same order.
    fn lock(&self, whole: &[Option<Option<Reset>>]) -> Vec<(&Arc<Instance>, MutexGuard<'_, Base>)> {
        let members = self.set.members.iter().zip(whole);
        let mut instances: Vec<_> = members
            .filter_map(|(member, whole)| match &member.feed {
                Feed::View(instance) => whole.as_ref().map(|_| instance),
                _ => None,
            })
            .collect();
        instances.sort_unstable_by_key(|instance| instance.id);
        instances.dedup_by_key(|instance| instance.id);
        instances.into_iter().map(|instance| (instance, instance.lock_base())).collect()
    }

    /// What each channel contributes on its way to step `to`, whole views apart.
    fn gather(
        &self,
        owed: &mut [Option<Owed>],
        pasts: &mut [Option<PastRows>],
        whole: &mut [Option<Option<Reset>>],
        to: u64,
    ) -> Gathered {
        let mut parts: Vec<Members> = Vec::with_capacity(self.set.members.len());
        let mut last: Option<Mark> = None;
        let (mut more_whole, mut merged) = (false, 0);
        // Settled only when everything is there, so that a second round starts from the same.
        let mut settled = Vec::new();
        for (index, member) in self.set.members.iter().enumerate() {
            let mut seen = |mark: Option<Mark>| {
                last = match (last, mark) {
                    (Some(a), Some(b)) => Some(if a.step > b.step { a } else { b }),
                    (a, b) => a.or(b),
                };
            };
            let members = match &member.feed {
                Feed::View(_) if whole[index].is_some() => None,
                Feed::View(instance) => {
                    let (part, mark) = instance.part(self.reader.sent, to);
                    seen(mark);
                    let told = match owed[index] {
                        Some(Owed::WhenReady(reset)) => Some(reset),
                        _ => None,
                    };
                    match part {
                        ViewPart::Unchanged => None,
                        ViewPart::Members(members, changes) => {
                            merged += changes - 1;
                            Some(members)
                        }
                        ViewPart::Whole(reason) => {
                            reason.inspect(|reason| self.hub.inner.counters.reset(*reason));
                            whole[index] = Some(told.or(reason.map(Reset::from)));
                            more_whole = true;
                            None
                        }
                        ViewPart::Lost => {
                            self.hub.inner.counters.reset(ResetReason::Gap);
                            whole[index] = Some(told.or(Some(Reset::from(ResetReason::Gap))));
                            more_whole = true;
                            None
                        }
                    }
                }
                Feed::Tail(tail) => match self.tail_members(tail, owed[index], &mut pasts[index], to, &mut seen) {
                    Ok(members) => {
                        settled.push(index);
                        members
                    }
                    Err(()) => return Gathered::ReadAgain,
                },
                // There are no rows to be replaced: what was held stays, with the state that says why.
                Feed::Gone(members) => {
                    settled.push(index);
                    owed[index].map(|_| members.clone())
                }
                Feed::Board(members) => {
                    settled.push(index);
                    match owed[index] {
                        Some(Owed::Whole(reset)) => Some(with_reset(members.to_vec(), reset)),
                        Some(_) => Some(members.clone()),
                        None => None,
                    }
                }
            };
            parts.push(members);
        }
        if more_whole {
            return Gathered::MoreWhole;
        }
        settled.into_iter().for_each(|index| owed[index] = None);
        Gathered::Parts(parts, last, merged)
    }

    /// `Err` if the log must be read (again).
    fn tail_members(
        &self,
        tail: &Arc<Tail>,
        owed: Option<Owed>,
        past: &mut Option<PastRows>,
        to: u64,
        seen: &mut impl FnMut(Option<Mark>),
    ) -> Result<Members, ()> {
        let newest_schema =
            || self.hub.inner.log.schema(&tail.stream).unwrap_or_else(|| Arc::new(StreamSchema::empty()));
        if let Some(read) = past {
            let reset = match read.outcome {
                Outcome::Unreadable => {
                    let joined = Joined::new(&tail_columns(&newest_schema()));
                    return Ok(Some(with_reset(joined.empty_snapshot(), ResetReason::Gap.into())));
                }
                Outcome::TooMuch => true,
                Outcome::Complete => false,
            };
            let schema = if reset { newest_schema() } else { read.schema.clone().unwrap_or_else(newest_schema) };
            let Some(joined) = tail.part_after(&schema, &read.rows, read.upto.step, to) else {
                if tail.floor().step <= read.upto.step {
                    // The schema grew: what was read lacks its columns.
                    *past = None;
                }
                return Err(());
            };
            if reset {
                let missed = Some(read.count + joined.ring_rows);
                let reset = Reset { reason: ResetReason::Skipped, missed };
                self.hub.inner.counters.reset(reset.reason);
                return Ok(Some(with_reset(joined.empty_snapshot(), reset)));
            }
            return Ok(match owed {
                Some(Owed::Fresh(_)) => Some(joined.snapshot().into()),
                _ if joined.is_empty() => None,
                _ => Some(joined.delta().into()),
            });
        }
        match owed {
            Some(Owed::Fresh(_)) => Ok(Some(Joined::new(&tail_columns(&newest_schema())).empty_snapshot().into())),
            Some(Owed::Whole(reset) | Owed::WhenReady(reset)) => {
                let joined = Joined::new(&tail_columns(&newest_schema()));
                Ok(Some(with_reset(joined.empty_snapshot(), reset)))
            }
            Some(Owed::Log(_)) => Err(()),
            None => match tail.part(self.reader.sent, to) {
                (TailPart::Unchanged, _) => Ok(None),
                (TailPart::Members(members), mark) => {
                    seen(mark);
                    Ok(Some(members))
                }
                (TailPart::Lost, _) => Err(()),
            },
        }
    }

    /// The frame with these parts, before those that bring the pages which follow.
    fn encode(
        &self,
        mark: &Mark,
        parts: &[Members],
        following: &[(usize, Bytes)],
        continued: bool,
        merged: u64,
    ) -> Frame {
        let cursor = Cursor { position: mark.position, round: mark.round, tag: Some(self.set.tag()) };
        let newest = mark.newest_since(self.reader.sent);
        let resumed = self.reader.first.then_some(continued);
        let sub = self.reader.sub;
        let start = |head, rest: Option<Arc<Frame>>| match rest {
            Some(rest) => FrameBuilder::before(head, rest),
            None => FrameBuilder::new(head),
        };
        let rest = following.iter().rev().fold(None, |rest, (index, page)| {
            let mut builder = start(FrameHead { sub, cursor, newest, resumed: None, merged: 0 }, rest);
            builder.change(&self.set.members[*index].name, page);
            Some(Arc::new(builder.finish()))
        });
        let mut builder = start(FrameHead { sub, cursor, newest, resumed, merged }, rest);
        for (member, part) in self.set.members.iter().zip(parts) {
            if let Some(members) = part {
                builder.change(&member.name, members);
            }
        }
        builder.finish()
    }

    /// Keeps the frame for other readers that stand where this one stood.
    fn share(&self, frame: &Arc<Frame>, owed: &[Option<Owed>], pasts: &[Option<PastRows>], mark: &Mark, sent: u64) {
        let alone = pasts.iter().any(Option::is_some) || owed.iter().any(Option::is_some);
        let (from, to) = match (self.reader.first, self.fresh) {
            _ if alone => return,
            (true, true) => (None, mark.step),
            (true, false) => return,
            (false, _) => (Some(self.reader.sent), sent),
        };
        let key = FrameKey { sub: self.reader.sub, from, to, snapshots: self.reader.snapshots };
        self.set.frames.lock().put(key, Arc::clone(frame));
    }

    /// The members of a whole answer, whether there was one, and its other pages.
    fn whole_members(&self, base: &mut Base, reset: Option<Reset>) -> (Bytes, bool, Arc<[Bytes]>) {
        let (config, counters) = (&self.hub.inner.config, &self.hub.inner.counters);
        let snapshot = match self.reader.snapshots {
            Snapshots::Whole => base.encoded(counters).map(|whole| (whole, Arc::from([]))),
            Snapshots::Paged => base.encoded_pages(config.page_bytes, counters),
        };
        let mut out = Vec::new();
        let ready = snapshot.is_some();
        let mut rest: Arc<[Bytes]> = Arc::from([]);
        if let Some((members, following)) = snapshot {
            out.reserve(members.len() + 256);
            out.extend_from_slice(&members);
            out.push(b',');
            rest = following;
        }
        write_state(&mut out, base.state());
        match reset {
            Some(reset) if ready => (with_reset(out, reset), ready, rest),
            _ => (out.into(), ready, rest),
        }
    }
}

enum Gathered {
    /// What each channel contributes, the newest change among it, and how many changes were merged into others.
    Parts(Vec<Members>, Option<Mark>, u64),
    MoreWhole,
    ReadAgain,
}

fn with_reset(mut members: Vec<u8>, reset: Reset) -> Bytes {
    members.push(b',');
    write_reset(&mut members, reset);
    members.into()
}
