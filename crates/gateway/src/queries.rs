//! Ad-hoc queries: kept in the log's metadata, so that their channels survive a restart, until a day after their last use.
//!
//! A query that is followed is in use. The store is read once per query and start; a task tidies up now and then.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono_tz::Tz;
use parking_lot::Mutex;
use pulseboard_journal::{LiveQuery, LogError, MetaStore};
use pulseboard_live::{InstanceRef, QuerySpec, normalise_sql};
use pulseboard_protocol::error::{ApiError, Code};
use pulseboard_protocol::http::param_cells;
use pulseboard_runtime::{Clock, Shutdown};
use serde_json::{Map, Value};
use tracing::warn;
use xxhash_rust::xxh3::xxh3_128;

/// How long a query is kept after its last use.
const KEPT_US: i64 = 24 * 3_600 * 1_000_000;

/// The most ad-hoc queries that are kept; more are refused.
const KNOWN_MAX: usize = 10_000;

/// How often uses are noted and unused queries forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Known {
    spec: QuerySpec,
    used_us: i64,
    /// What followers hold, one for each way of following; gone ones are dropped now and then.
    followed: Vec<Weak<InstanceRef>>,
}

impl Known {
    fn is_followed(&self) -> bool {
        self.followed.iter().any(|instance| instance.strong_count() > 0)
    }
}

/// All ad-hoc queries.
#[derive(Debug)]
pub(crate) struct AdHocQueries {
    meta: MetaStore,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<String, Known>>,
}

impl AdHocQueries {
    pub(crate) fn new(meta: MetaStore, clock: Arc<dyn Clock>) -> Self {
        Self { meta, clock, known: Mutex::default() }
    }

    /// Keeps a query and gives its hash: equal for the same words, parameters and zone. Writes to the store.
    pub(crate) fn put(&self, spec: QuerySpec, params: &Map<String, Value>) -> Result<String, ApiError> {
        let params = Value::Object(params.clone()).to_string();
        let text = format!("{}\0{}\0{params}", normalise_sql(&spec.sql), spec.timezone.name());
        let hash = format!("{:032x}", xxh3_128(text.as_bytes()));
        let used_us = self.clock.now_us();
        {
            let known = self.known.lock();
            if known.len() >= KNOWN_MAX && !known.contains_key(&hash) {
                let message =
                    format!("{KNOWN_MAX} ad-hoc queries are kept already; each is forgotten a day after its last use");
                return Err(ApiError::new(Code::LimitExceeded, message));
            }
        }
        let query = LiveQuery {
            hash: hash.clone(),
            sql: spec.sql.clone(),
            timezone: spec.timezone.name().to_owned(),
            params,
            last_used_us: used_us,
        };
        self.meta.put_live_query(&query).map_err(|error| {
            warn!(%error, "an ad-hoc query could not be kept");
            ApiError::new(Code::Unavailable, "the query cannot be kept now: the disk may be full")
        })?;
        let mut known = self.known.lock();
        match known.get_mut(&hash) {
            Some(query) => query.used_us = query.used_us.max(used_us),
            None => {
                known.insert(hash.clone(), Known { spec, used_us, followed: Vec::new() });
            }
        }
        Ok(hash)
    }

    /// The query of a hash. May read and write the store.
    pub(crate) fn get(&self, hash: &str) -> Result<QuerySpec, ApiError> {
        let now_us = self.clock.now_us();
        let mut known = self.known.lock();
        if let Some(query) = known.get_mut(hash) {
            if now_us - query.used_us > KEPT_US && !query.is_followed() {
                known.remove(hash);
                return Err(unknown(hash));
            }
            query.used_us = query.used_us.max(now_us);
            return Ok(query.spec.clone());
        }
        drop(known);
        let kept = self.meta.live_query(hash).map_err(|error| {
            warn!(%error, "an ad-hoc query could not be read");
            ApiError::new(Code::Unavailable, "the query cannot be read now")
        })?;
        let kept = kept.filter(|kept| now_us - kept.last_used_us <= KEPT_US).ok_or_else(|| unknown(hash))?;
        let timezone = Tz::from_str(&kept.timezone).map_err(|_| unknown(hash))?;
        let params: Map<String, Value> = serde_json::from_str(&kept.params).map_err(|_| unknown(hash))?;
        let spec = QuerySpec { sql: kept.sql, timezone, params: param_cells(&params)? };
        let query = Known { spec: spec.clone(), used_us: now_us, followed: Vec::new() };
        self.known.lock().insert(hash.to_owned(), query);
        Ok(spec)
    }

    /// Somebody follows the query through `instance`.
    pub(crate) fn followed(&self, hash: &str, instance: &Arc<InstanceRef>) {
        if let Some(query) = self.known.lock().get_mut(hash) {
            query.followed.retain(|held| held.strong_count() > 0);
            query.followed.push(Arc::downgrade(instance));
        }
    }

    /// Notes what is in use and forgets what has not been for a day. Writes to the store.
    pub(crate) fn tidy(&self) -> Result<(), LogError> {
        let now_us = self.clock.now_us();
        let used: Vec<(String, i64)> = {
            let mut known = self.known.lock();
            known.retain(|_, query| {
                if query.is_followed() {
                    query.used_us = now_us;
                }
                now_us - query.used_us <= KEPT_US
            });
            known.iter().map(|(hash, query)| (hash.clone(), query.used_us)).collect()
        };
        for (hash, used_us) in &used {
            self.meta.touch_live_queries([hash.as_str()], *used_us)?;
        }
        self.meta.expire_live_queries(now_us - KEPT_US).map(drop)
    }

    /// Tidies up until shutdown, and once more then.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            let ending = tokio::select! {
                () = shutdown.wait() => true,
                () = tokio::time::sleep(TIDY_EVERY) => false,
            };
            let queries = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || queries.tidy()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "the uses of ad-hoc queries could not be noted"),
                Err(error) => warn!(%error, "tidying ad-hoc queries panicked"),
            }
            if ending {
                return;
            }
        }
    }
}

fn unknown(hash: &str) -> ApiError {
    let message = format!("ad-hoc query `{hash}` is not known, or not any more: register it again");
    ApiError::new(Code::UnknownQuery, message)
}

#[cfg(test)]
mod tests {
    use pulseboard_journal::{EmbeddedConfig, EmbeddedLog};
    use pulseboard_live::Params;
    use pulseboard_runtime::{ManualClock, Tasks};

    use super::*;

    const START_US: i64 = 1_780_000_000_000_000;

    /// The queries of one life of a server, over a log in `dir`.
    fn queries(dir: &std::path::Path, clock: &Arc<ManualClock>) -> (EmbeddedLog, AdHocQueries) {
        let log = EmbeddedLog::open(EmbeddedConfig::new(dir), clock.clone(), &Tasks::new()).expect("a log");
        let queries = AdHocQueries::new(log.meta_store(), clock.clone());
        (log, queries)
    }

    fn spec(sql: &str) -> QuerySpec {
        QuerySpec { sql: sql.to_owned(), timezone: Tz::UTC, params: Params::new() }
    }

    fn code(found: Result<QuerySpec, ApiError>) -> Code {
        found.expect_err("it is not known").code
    }

    #[tokio::test]
    async fn a_query_is_unknown_a_day_after_its_last_use_whoever_remembers_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(START_US);
        let (log, kept) = queries(dir.path(), &clock);
        let [first, second] = ["SELECT 1", "SELECT 2"].map(|sql| kept.put(spec(sql), &Map::new()).expect("it is kept"));
        clock.advance(KEPT_US);
        assert_eq!(kept.get(&first).expect("just a day").sql, "SELECT 1");
        clock.advance(1);
        assert_eq!(code(kept.get(&second)), Code::UnknownQuery, "a day and a moment");
        assert_eq!(code(kept.get(&second)), Code::UnknownQuery, "nor does the store give it back");
        clock.advance(KEPT_US - 1);
        assert_eq!(kept.get(&first).expect("it was used since").sql, "SELECT 1");
        kept.tidy().expect("uses are noted");
        drop((kept, log));

        // Another life reads the store: the last use counts, wherever it was.
        let (log, kept) = queries(dir.path(), &clock);
        clock.advance(KEPT_US);
        assert_eq!(kept.get(&first).expect("a day after its last use").sql, "SELECT 1");
        drop((kept, log));
        let (_log, kept) = queries(dir.path(), &clock);
        clock.advance(KEPT_US + 1);
        assert_eq!(code(kept.get(&first)), Code::UnknownQuery, "its last use was not noted, and it is too old");
    }
}
