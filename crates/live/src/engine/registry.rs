//! Which instances there are, who holds them, and on whose account.
//!
//! Callers share instances: the same question is one instance, kept while anyone holds an [`InstanceRef`] and some grace
//! time longer. What a configuration names is on nobody's account; what somebody asks for is on theirs until it is named.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use pulseboard_model::{InstanceId, Position, TimeUs};
use tokio::sync::watch;

use crate::api::{QuerySpec, User};
use crate::sql::names::normalise;

/// The same question asked twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ShareKey {
    sql: String,
    timezone: &'static str,
    params: String,
}

impl ShareKey {
    pub(super) fn of(spec: &QuerySpec) -> Self {
        let params = format!("{:?}", spec.params);
        Self { sql: normalise(&spec.sql), timezone: spec.timezone.name(), params }
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: InstanceId,
    /// How often it is held by whom; nobody is a name of the configuration.
    holders: BTreeMap<Option<User>, usize>,
    /// Who held it last, while nobody does.
    last: Option<User>,
    /// The engine clock when the last holder left.
    pub(super) idle_since: Option<TimeUs>,
}

impl Shared {
    /// On whose account it is: of several the first, so that it counts once.
    pub(super) fn account(&self) -> Option<&User> {
        match self.holders.first_key_value() {
            Some((holder, _)) => holder.as_ref(),
            None => self.last.as_ref(),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        !self.holders.is_empty()
    }

    fn hold(&mut self, user: Option<&User>) {
        *self.holders.entry(user.cloned()).or_default() += 1;
        self.idle_since = None;
    }

    fn let_go(&mut self, user: Option<&User>, clock: TimeUs) {
        let holder = user.cloned();
        let Some(count) = self.holders.get_mut(&holder) else { return };
        *count -= 1;
        if *count == 0 {
            self.holders.remove(&holder);
        }
        if self.holders.is_empty() {
            (self.idle_since, self.last) = (Some(clock), holder);
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) by_key: HashMap<ShareKey, Shared>,
}

impl Registry {
    /// Holds the instance of a question, if it runs.
    pub(super) fn hold(&mut self, key: &ShareKey, user: Option<&User>) -> Option<InstanceId> {
        let shared = self.by_key.get_mut(key)?;
        shared.hold(user);
        Some(shared.id)
    }

    /// Notes a new instance, which is held from the start.
    pub(super) fn insert(&mut self, key: ShareKey, id: InstanceId, user: Option<&User>) {
        let mut shared = Shared { id, holders: BTreeMap::new(), last: None, idle_since: None };
        shared.hold(user);
        self.by_key.insert(key, shared);
    }

    /// How many instances are on a user's account.
    pub(super) fn count_of(&self, user: &User) -> usize {
        self.by_key.values().filter(|shared| shared.account() == Some(user)).count()
    }

    /// Whose account each instance is on, if it is on anyone's.
    pub(super) fn accounts(&self) -> HashMap<InstanceId, User> {
        let account = |shared: &Shared| Some((shared.id, shared.account()?.clone()));
        self.by_key.values().filter_map(account).collect()
    }
}

#[derive(Debug)]
struct Hold {
    id: InstanceId,
    key: ShareKey,
    user: Option<User>,
    registry: Arc<Mutex<Registry>>,
    position: watch::Receiver<Position>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut registry = self.registry.lock();
        if let Some(shared) = registry.by_key.get_mut(&self.key)
            && shared.id == self.id
        {
            shared.let_go(self.user.as_ref(), self.position.borrow().clock);
        }
    }
}

/// Keeps an instance running: it stops some grace time after the last of these is dropped.
#[derive(Debug, Clone)]
pub struct InstanceRef(Arc<Hold>);

impl InstanceRef {
    /// For a hold that the registry has noted.
    pub(super) fn new(
        id: InstanceId,
        key: ShareKey,
        user: Option<User>,
        registry: Arc<Mutex<Registry>>,
        position: watch::Receiver<Position>,
    ) -> Self {
        Self(Arc::new(Hold { id, key, user, registry, position }))
    }

    /// Which instance; the hub's outputs carry the same id.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        self.0.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_on_an_account_until_a_name_holds_it_and_counts_while_it_idles() {
        let (ann, ben) = (User::new("ann"), User::new("ben"));
        let spec = QuerySpec { sql: "SELECT 1".into(), timezone: chrono_tz::UTC, params: BTreeMap::new() };
        let (key, id) = (ShareKey::of(&spec), InstanceId(1));
        let mut registry = Registry::default();
        registry.insert(key.clone(), id, Some(&ann));
        assert_eq!(registry.hold(&key, Some(&ben)), Some(id));
        assert_eq!((registry.count_of(&ann), registry.count_of(&ben)), (1, 0), "it counts once");
        let shared = |registry: &mut Registry, user: Option<&User>| {
            registry.by_key.get_mut(&key).expect("it is there").let_go(user, TimeUs(7));
        };
        shared(&mut registry, Some(&ann));
        assert_eq!((registry.count_of(&ann), registry.count_of(&ben)), (0, 1));
        shared(&mut registry, Some(&ben));
        assert_eq!(registry.by_key[&key].idle_since, Some(TimeUs(7)));
        assert_eq!(registry.count_of(&ben), 1, "until it stops");
        registry.hold(&key, None);
        assert_eq!(registry.accounts().len(), 0, "a name of the configuration holds it");
    }
}
