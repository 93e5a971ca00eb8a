//! A stream was removed from the log: whoever answered from it starts again from what is there, which may be nothing.

use std::sync::Arc;

use pulseboard_model::{InstanceChange, InstanceId, InstanceUpdate, ResetReason, Snapshot, StreamName};

use super::{Core, Kind};

impl Core {
    /// Forgets a stream's events. The log has forgotten them before.
    pub(super) fn forget(&mut self, stream: &StreamName) {
        self.versions.remove(stream);
        let read_it = |(id, running): (&InstanceId, &super::Running)| running.feeds.includes(stream).then_some(*id);
        let ids: Vec<InstanceId> = self.instances.iter().filter_map(read_it).collect();
        for id in ids {
            if let Some(running) = self.instances.get_mut(&id) {
                running.from_log = true;
            }
            self.replan(id, Some(ResetReason::Schema));
            let waits = self.instances.get(&id).is_some_and(|running| matches!(running.kind, Kind::Waiting));
            if waits {
                self.empty(id);
            }
        }
    }

    /// What it showed is nowhere any more.
    fn empty(&mut self, id: InstanceId) {
        let update = InstanceUpdate::Snapshot(Arc::new(Snapshot::default()), Some(ResetReason::Schema));
        match self.changes.iter_mut().rev().find(|change| change.instance == id) {
            Some(change) => change.update = update,
            None => self.changes.push(InstanceChange { instance: id, update, state: None }),
        }
    }
}
