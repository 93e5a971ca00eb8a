//! Tells readers what has become of the sources of their answers, though no row of them changed.

use pulseboard_model::{Delta, InstanceId};

use super::Core;

impl Core {
    /// Looks whether a source has failed or been mended, and tells those whose answers it feeds.
    pub(super) fn look_at_sources(&mut self) {
        let now = self.position.now();
        if !self.faults.look(&self.parts.sources, now) {
            return;
        }
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            let Some(running) = self.instances.get_mut(&id) else { continue };
            let failing = self.faults.of(&running.feeds);
            if failing == running.failing {
                continue;
            }
            running.failing = failing;
            let state = running.tell_again(now);
            self.emit(id, Delta::default(), state);
        }
    }
}
