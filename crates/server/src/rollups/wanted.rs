//! Which queries have rollups: the views of the configuration, and what ranges asked for lately.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pulseboard_live::{QuerySpec, Rollup};

/// So many queries beside the views have rollups, and are waited for to be asked again; the one asked for longest ago goes.
const ASKED_MAX: usize = 32;

/// A query that a range was of.
#[derive(Debug)]
struct Asked {
    prefix: String,
    spec: QuerySpec,
    /// Asked for more than once: reading a whole stream for a question that never comes again would be for nothing.
    again: bool,
}

/// Which queries have rollups.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    views: Mutex<Vec<QuerySpec>>,
    /// The one asked for last at the back.
    asked: Mutex<VecDeque<Asked>>,
    changes: AtomicU64,
}

impl Wanted {
    /// Those of `views` that can.
    #[must_use]
    pub(crate) fn new(views: Vec<QuerySpec>) -> Self {
        Self { views: Mutex::new(views), ..Self::default() }
    }

    /// From now on the views are these.
    pub(crate) fn replace(&self, views: Vec<QuerySpec>) {
        let mut held = self.views.lock();
        if *held != views {
            *held = views;
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A range of this query is asked for.
    pub(crate) fn ask(&self, rollup: &Rollup) {
        if self.views.lock().contains(rollup.spec()) {
            return;
        }
        let prefix = rollup.prefix();
        let mut asked = self.asked.lock();
        let known = asked.iter().position(|known| known.prefix == prefix).and_then(|at| asked.remove(at));
        match known {
            Some(known) => {
                if !known.again {
                    self.changes.fetch_add(1, Ordering::Relaxed);
                }
                asked.push_back(Asked { again: true, ..known });
            }
            None => asked.push_back(Asked { prefix, spec: rollup.spec().clone(), again: false }),
        }
        if asked.len() > ASKED_MAX {
            asked.pop_front();
        }
    }

    /// All of them.
    pub(crate) fn specs(&self) -> Vec<QuerySpec> {
        let mut specs = self.views.lock().clone();
        let asked = self.asked.lock();
        specs.extend(asked.iter().filter(|asked| asked.again).map(|asked| asked.spec.clone()));
        specs
    }

    /// Counts up when there is one more.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}
