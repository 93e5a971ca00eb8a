//! Which sources have failed, as those who run them say, and what that makes of an answer's state.
//!
//! The engine looks here once a second. Rows never depend on it: only what readers are told of them does.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pulseboard_model::{SourceFault, Status, StreamName, TimeUs, ViewState};

#[derive(Debug, Default)]
struct Said {
    /// Raised with each change.
    version: u64,
    /// Why, by source and the stream that it feeds.
    failed: BTreeMap<(String, StreamName), String>,
}

/// What has become of the sources. Shared: who runs one tells it here. One entry per source and stream.
#[derive(Debug, Clone, Default)]
pub struct SourceHealth(Arc<Mutex<Said>>);

impl SourceHealth {
    /// `source` does not feed `stream` any more, and why. It may be said again and again.
    pub fn failed(&self, source: &str, stream: &StreamName, reason: &str) {
        let mut said = self.0.lock();
        let before = said.failed.insert((source.to_owned(), stream.clone()), reason.to_owned());
        said.version += u64::from(before.as_deref() != Some(reason));
    }

    /// It does again.
    pub fn mended(&self, source: &str, stream: &StreamName) {
        let mut said = self.0.lock();
        let before = said.failed.remove(&(source.to_owned(), stream.clone()));
        said.version += u64::from(before.is_some());
    }
}

/// What the engine knows of them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    version: u64,
    known: Vec<(StreamName, SourceFault)>,
}

/// The streams that an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Feeds {
    /// As it was planned.
    Streams(Vec<StreamName>),
    /// As its text names them: nothing is known of them yet.
    Names(Vec<String>),
}

impl Feeds {
    /// Whether a stream is among them.
    pub(super) fn includes(&self, stream: &StreamName) -> bool {
        match self {
            Self::Streams(streams) => streams.contains(stream),
            Self::Names(names) => names.iter().any(|name| name.eq_ignore_ascii_case(stream.as_str())),
        }
    }
}

/// Which of them have failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) faults: Vec<SourceFault>,
    /// Whether nothing feeds the answer any more.
    all: bool,
}

impl Faults {
    /// Looks again; whether anything is other than before.
    pub(super) fn look(&mut self, health: &SourceHealth, now: TimeUs) -> bool {
        let said = health.0.lock();
        if said.version == self.version {
            return false;
        }
        self.version = said.version;
        let known = said.failed.iter().map(|((name, stream), reason)| {
            let before = self.known.iter().find(|(of, fault)| of == stream && fault.name == *name);
            let since = before.map_or(now, |(_, fault)| fault.since);
            (stream.clone(), SourceFault { name: name.clone(), reason: reason.clone(), since })
        });
        self.known = known.collect();
        true
    }

    pub(super) fn of(&self, feeds: &Feeds) -> Failing {
        let known: Vec<_> = self.known.iter().filter(|(stream, _)| feeds.includes(stream)).collect();
        let all = match feeds {
            Feeds::Streams(streams) => streams.iter().all(|stream| known.iter().any(|(failed, _)| failed == stream)),
            Feeds::Names(_) => false,
        };
        let mut faults: Vec<SourceFault> = known.into_iter().map(|(_, fault)| fault.clone()).collect();
        faults.dedup_by(|later, first| later.name == first.name);
        Failing { all: all && !faults.is_empty(), faults }
    }
}

impl Failing {
    /// The state with what it says of the sources: `stale` where none feeds the answer any more, else `partial`.
    pub(super) fn seen_in(&self, state: ViewState) -> ViewState {
        if self.faults.is_empty() {
            return state;
        }
        let status = if self.all { Status::Stale } else { Status::Partial };
        let state = ViewState { sources: self.faults.clone(), ..state };
        if status >= state.status {
            return state;
        }
        let said = |fault: &SourceFault| format!("the source `{}` has failed: {}", fault.name, fault.reason);
        let reason = self.faults.iter().map(said).collect::<Vec<_>>().join("; ");
        ViewState { status, reason: Some(reason), ..state }
    }
}

#[cfg(test)]
mod tests {
    use pulseboard_model::Mode;

    use super::*;

    fn stream(name: &str) -> StreamName {
        StreamName::new(name).expect("a good name")
    }

    #[test]
    fn an_answer_is_partial_while_some_of_its_sources_have_failed_and_stale_when_all_have() {
        let (health, mut faults) = (SourceHealth::default(), Faults::default());
        assert!(!faults.look(&health, TimeUs(1)));
        health.failed("products", &stream("ref_products"), "no file");
        assert!(faults.look(&health, TimeUs(2)));
        health.failed("products", &stream("ref_products"), "no file");
        assert!(!faults.look(&health, TimeUs(3)), "nothing new was said");
        let feeds = |names: &[&str]| Feeds::Streams(names.iter().map(|name| stream(name)).collect());
        let seen = |faults: &Faults, feeds: &Feeds, status| {
            let state = faults.of(feeds).seen_in(ViewState::new(status, Mode::Maintained));
            (
                state.status,
                state.reason,
                state.sources.into_iter().map(|fault| (fault.name, fault.since.0)).collect::<Vec<_>>(),
            )
        };
        let said = Some("the source `products` has failed: no file".to_owned());
        let named = vec![("products".to_owned(), 2)];
        let joined = feeds(&["orders", "ref_products"]);
        assert_eq!(seen(&faults, &joined, Status::Live), (Status::Partial, said.clone(), named.clone()));
        assert_eq!(seen(&faults, &feeds(&["ref_products"]), Status::Live), (Status::Stale, said, named.clone()));
        assert_eq!(seen(&faults, &joined, Status::Error), (Status::Error, None, named.clone()));
        assert_eq!(seen(&faults, &feeds(&["orders"]), Status::Live), (Status::Live, None, vec![]));
        let waits = Feeds::Names(vec!["orders".to_owned(), "REF_products".to_owned()]);
        assert_eq!(seen(&faults, &waits, Status::Waiting), (Status::Waiting, None, named));

        health.failed("products", &stream("ref_products"), "a bad row");
        assert!(faults.look(&health, TimeUs(9)));
        assert_eq!(faults.of(&joined).faults[0].since, TimeUs(2), "it has been so since then");
        health.mended("products", &stream("ref_products"));
        assert!(faults.look(&health, TimeUs(10)));
        assert_eq!(seen(&faults, &joined, Status::Live), (Status::Live, None, vec![]));
    }
}
