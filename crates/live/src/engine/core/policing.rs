//! Holds live queries to what they may take together, and to what those of one user may take.
//!
//! Looked at once a second. Whoever is over has the largest of its queries re-run instead, one at a time, which says why;
//! what a configuration names goes last. Here too is how a query falls back to re-running. It never ends a query.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use pulseboard_model::limits::{UserLimits, human_bytes};
use pulseboard_model::{InstanceId, TimeUs};

use super::Core;
use crate::api::{QueryError, QueryErrorKind, User};
use crate::engine::outcome::{Outcome, plan_outcome};
use crate::engine::running::Kind;

/// Over how long the share of the engine's time is taken.
const SHARE_OVER: Duration = Duration::from_secs(10);
/// Below this share of its time the engine has enough for all.
const BUSY: f64 = 0.75;

/// How often it is tried again to maintain a query that had to fall back to re-running.
const RETRY_EVERY_US: i64 = 60_000_000;
/// The same where it fell back because it takes too much.
const LIMIT_RETRY_US: i64 = 600_000_000;

/// What the look at one second remembers for the next.
#[derive(Debug)]
pub(super) struct Policing {
    since: Instant,
}

impl Policing {
    pub(super) fn new() -> Self {
        Self { since: Instant::now() }
    }
}

/// What an instance takes.
#[derive(Debug, Clone, Copy, Default)]
struct Takes {
    bytes: usize,
    groups: usize,
    /// Of the engine's time; 0 unless it was just measured.
    share: f64,
}

/// Which of these is the largest by `size`.
fn largest<T: PartialOrd>(of: &[(InstanceId, Takes)], size: impl Fn(&Takes) -> T) -> Option<InstanceId> {
    let larger = |best: (InstanceId, Takes), next: &(InstanceId, Takes)| {
        if size(&next.1) > size(&best.1) { *next } else { best }
    };
    of.split_first().map(|(first, rest)| rest.iter().fold(*first, larger).0)
}

impl Core {
    /// Looks whether somebody takes too much.
    pub(super) fn police(&mut self) {
        let elapsed = self.policing.since.elapsed();
        let measured = elapsed >= SHARE_OVER;
        if measured {
            self.policing.since = Instant::now();
        }
        let mut takes = Vec::new();
        for (id, running) in &mut self.instances {
            if measured {
                running.share = running.cost.saturating_sub(running.cost_then).as_secs_f64() / elapsed.as_secs_f64();
                running.cost_then = running.cost;
            }
            if let Kind::Maintained(maintained) = &running.kind {
                let query = &maintained.query;
                let share = if measured { running.share } else { 0.0 };
                takes.push((*id, Takes { bytes: query.size_bytes(), groups: query.len(), share }));
            }
        }
        let accounts = self.parts.registry.lock().accounts();
        self.police_all(&takes, &accounts);
        self.police_users(&takes, &accounts);
    }

    /// Data that a maintained query cannot compute with: run it as a whole, which says what is wrong, and try again to
    /// maintain it when that works.
    pub(super) fn fall_back(&mut self, id: InstanceId, error: &QueryError) {
        // What has grown too large does not shrink in a minute, and building it again costs.
        let retry_us = if error.kind == QueryErrorKind::LimitExceeded { LIMIT_RETRY_US } else { RETRY_EVERY_US };
        self.rerun_instead(id, &format!("maintaining it failed: {}", error.message), retry_us);
    }

    /// Runs a query again and again for some minutes because it takes too much.
    fn rerun_for_long(&mut self, id: InstanceId, why: &str) {
        self.rerun_instead(id, why, LIMIT_RETRY_US);
    }

    fn rerun_instead(&mut self, id: InstanceId, why: &str, retry_us: i64) {
        let now = self.position.clock;
        let Some(running) = self.instances.get_mut(&id) else { return };
        running.retry_at = Some(TimeUs(now.0 + retry_us));
        let streams = match plan_outcome(&running.spec, self.parts.history.as_ref(), &self.parts.config) {
            Ok(Outcome::Maintained(plan)) => plan.streams(),
            Ok(Outcome::Rerun { streams, .. }) => streams,
            Ok(Outcome::Waiting { error } | Outcome::Failed { error }) | Err(error) => return self.fail(id, &error),
        };
        let reason = why.to_owned();
        self.begin(id, Outcome::Rerun { reason, streams, reads_clock: true }, None);
    }

    fn police_all(&mut self, takes: &[(InstanceId, Takes)], accounts: &HashMap<InstanceId, User>) {
        let max = self.parts.config.live_limits.state_bytes_max;
        if takes.iter().map(|(_, takes)| takes.bytes).sum::<usize>() <= max {
            return;
        }
        let (asked, named): (Vec<_>, Vec<_>) = takes.iter().partition(|(id, _)| accounts.contains_key(id));
        let largest = largest(&asked, |takes| takes.bytes).or_else(|| largest(&named, |takes| takes.bytes));
        let Some(id) = largest else { return };
        let why =
            format!("all live queries together take more than the {} they may, and it takes most", human_bytes(max));
        self.rerun_for_long(id, &why);
    }

    fn police_users(&mut self, takes: &[(InstanceId, Takes)], accounts: &HashMap<InstanceId, User>) {
        let limits = self.parts.config.live_limits.user.clone();
        let busy = takes.iter().map(|(_, takes)| takes.share).sum::<f64>() > BUSY;
        let mut users: BTreeMap<&User, Vec<(InstanceId, Takes)>> = BTreeMap::new();
        for (id, takes) in takes {
            if let Some(user) = accounts.get(id) {
                users.entry(user).or_default().push((*id, *takes));
            }
        }
        let over: Vec<_> = users.into_values().filter_map(|own| too_much(&own, &limits, busy)).collect();
        for (id, why) in over {
            self.rerun_for_long(id, &why);
        }
    }
}

/// If the queries of one user take too much: which of them to stop maintaining, and why.
fn too_much(own: &[(InstanceId, Takes)], limits: &UserLimits, busy: bool) -> Option<(InstanceId, String)> {
    let bytes = own.iter().map(|(_, takes)| takes.bytes).sum::<usize>();
    let groups = own.iter().map(|(_, takes)| takes.groups).sum::<usize>();
    let percent = own.iter().map(|(_, takes)| takes.share).sum::<f64>() * 100.0;
    let (id, what) = if bytes > limits.state_bytes_max {
        (largest(own, |takes| takes.bytes), format!("take more than {}", human_bytes(limits.state_bytes_max)))
    } else if groups > limits.groups_max {
        (largest(own, |takes| takes.groups), format!("hold more than {} groups or rows", limits.groups_max))
    } else if busy && percent > f64::from(limits.cpu_percent_max) {
        let what = format!(
            "take {percent:.0} % of the engine's time, of which one user gets {} % when it is short",
            limits.cpu_percent_max
        );
        (largest(own, |takes| takes.share), what)
    } else {
        return None;
    };
    Some((id?, format!("the ad-hoc live queries of its user {what}, and it takes most")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use parking_lot::Mutex;
    use pulseboard_model::{Mode, Status, StepOutput, ViewState};
    use tokio::sync::watch;

    use super::*;
    use crate::api::{EngineConfig, History};
    use crate::engine::Pool;
    use crate::engine::core::{Command, Parts};
    use crate::engine::registry::ShareKey;
    use crate::engine::sources::SourceHealth;
    use crate::tests::restart_world::{START_US, Watched, events, spec};
    use crate::tests::world::World;

    fn own(takes: &[(usize, usize, f64)]) -> Vec<(InstanceId, Takes)> {
        let takes = takes.iter().map(|(bytes, groups, share)| Takes { bytes: *bytes, groups: *groups, share: *share });
        (1..).map(InstanceId).zip(takes).collect()
    }

    #[test]
    fn the_largest_by_what_is_over_is_stopped() {
        let limits = UserLimits { queries_max: 9, groups_max: 100, state_bytes_max: 1 << 20, cpu_percent_max: 50 };
        let within = own(&[(1 << 19, 60, 0.4), (1 << 19, 40, 0.1)]);
        assert_eq!(too_much(&within, &limits, true), None);
        let (id, why) = too_much(&own(&[(1, 1, 0.0), (1 << 21, 1, 0.0)]), &limits, false).expect("too many bytes");
        assert_eq!(id, InstanceId(2));
        assert!(why.contains("1MiB"), "{why}");
        let (id, why) = too_much(&own(&[(9, 90, 0.0), (99, 11, 0.0)]), &limits, false).expect("too many groups");
        assert_eq!(id, InstanceId(1));
        assert!(why.contains("100 groups"), "{why}");
    }

    #[test]
    fn a_share_of_the_time_counts_only_when_there_is_not_enough() {
        let limits = UserLimits { cpu_percent_max: 50, ..UserLimits::default() };
        let costly = own(&[(1, 1, 0.2), (1, 1, 0.5), (1, 1, 0.1)]);
        assert_eq!(too_much(&costly, &limits, false), None);
        let (id, why) = too_much(&costly, &limits, true).expect("over its share");
        assert_eq!(id, InstanceId(2));
        assert!(why.contains("80 %") && why.contains("50 %"), "{why}");
    }

    const COSTLY: &str = "SELECT kind, count(*) AS c FROM events GROUP BY kind";
    const CHEAP: &str = "SELECT count(*) AS c FROM events";
    const NAMED: &str = "SELECT sum(n) AS s FROM events";

    /// An engine thread's state, taken by hand: what the clock would measure can be said.
    struct ByHand {
        core: Core,
        commands: std::sync::mpsc::Receiver<Command>,
        told: Arc<Mutex<BTreeMap<InstanceId, ViewState>>>,
    }

    impl ByHand {
        fn new(limits: UserLimits) -> Self {
            let world = World::starting_at(START_US);
            world.commit(START_US, 0, &events(0));
            let history: Arc<dyn History> = Watched::new(&world);
            let (sender, commands) = sync_channel(64);
            let told = Arc::new(Mutex::new(BTreeMap::new()));
            let sink_told = told.clone();
            let mut config = EngineConfig::default();
            config.live_limits.user = limits;
            let core = Core::new(Parts {
                config,
                position: watch::channel(history.head()).0,
                history,
                registry: Arc::default(),
                pool: Pool::start().unwrap(),
                commands: sender,
                newest_us: Arc::default(),
                sources: SourceHealth::default(),
                sink: Box::new(move |output: StepOutput| {
                    for change in output.changes {
                        sink_told.lock().extend(change.state.map(|state| (change.instance, state)));
                    }
                }),
            });
            Self { core, commands, told }
        }

        /// Starts a query on somebody's account and takes what comes until it is live.
        fn ask(&mut self, id: u64, sql: &str, user: Option<&User>) {
            let (id, spec) = (InstanceId(id), spec(sql));
            let parts = &self.core.parts;
            let outcome = plan_outcome(&spec, parts.history.as_ref(), &parts.config).unwrap();
            parts.registry.lock().insert(ShareKey::of(&spec), id, user);
            self.core.take(Command::Register { id, spec, outcome: Box::new(outcome) });
            while self.mode(id) != Some((Status::Live, Mode::Maintained)) {
                let command = self.commands.recv_timeout(Duration::from_secs(30)).expect("a rebuild tells its end");
                self.core.take(command);
            }
        }

        fn mode(&self, id: InstanceId) -> Option<(Status, Mode)> {
            self.told.lock().get(&id).map(|state| (state.status, state.mode))
        }

        /// Looks as it does after ten seconds in which the queries took these seconds of the thread's time.
        fn after_ten_seconds(&mut self, taken_s: &[(u64, u64)]) {
            for (id, seconds) in taken_s {
                let running = self.core.instances.get_mut(&InstanceId(*id)).unwrap();
                running.cost = running.cost_then + Duration::from_secs(*seconds);
            }
            self.core.policing.since = Instant::now().checked_sub(SHARE_OVER).expect("the machine runs that long");
            self.core.police();
            self.core.tell(None, false);
        }
    }

    #[test]
    fn a_user_gets_its_share_of_the_engines_time_when_there_is_not_enough() {
        let mut engine = ByHand::new(UserLimits { cpu_percent_max: 50, ..UserLimits::default() });
        let user = User::new("somebody");
        engine.ask(1, COSTLY, Some(&user));
        engine.ask(2, CHEAP, Some(&user));
        engine.ask(3, NAMED, None);
        // Six of ten seconds are more than half, but enough is left for all.
        engine.after_ten_seconds(&[(1, 5), (2, 1), (3, 1)]);
        assert_eq!(engine.mode(InstanceId(1)), Some((Status::Live, Mode::Maintained)));
        // With what a view of the configuration takes there is too little.
        engine.after_ten_seconds(&[(1, 4), (2, 2), (3, 3)]);
        let told = engine.told.lock();
        let reason = told[&InstanceId(1)].reason.clone().expect("it says why");
        assert_eq!((told[&InstanceId(1)].status, told[&InstanceId(1)].mode), (Status::Rerun, Mode::Rerun));
        assert!(reason.contains("of the engine's time") && reason.contains("50 %"), "{reason}");
        for kept in [2, 3] {
            assert_eq!(told[&InstanceId(kept)].mode, Mode::Maintained, "{kept} goes on");
        }
    }
}
