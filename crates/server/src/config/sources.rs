//! `[[sources]]`: which run, what each is told, and the boards that come with them.

use std::collections::BTreeSet;

use chrono_tz::Tz;
use pulseboard_model::ids::check_name;
use pulseboard_model::time::SECOND_US;
use pulseboard_sources::simulate::{Scenario, SimulateConfig};

use super::reader::{Problem, Reader};
use super::values::{span_us, timezone, wrong};

/// Kinds of sources that this version reads.
const SOURCE_KINDS: [&str; 2] = ["host", "simulate"];
/// The seed of a world that names none.
const SEED: u64 = 42;
/// The shortest time from one outage of a simulated feed to the next: it lasts an eighth of it.
const OUTAGE_EVERY_MIN_S: i64 = 16;

/// What runs.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Whether this machine is measured.
    pub(super) host: bool,
    pub(super) simulators: Vec<SimulateConfig>,
}

/// A board that comes with a source: its id and its text.
pub(super) type ShippedBoard = (&'static str, &'static str);

const SHOP: ShippedBoard = ("shop", include_str!("../../../../boards/shop.toml"));
const TRADING: ShippedBoard = ("trading", include_str!("../../../../boards/trading.toml"));
const INFRA: ShippedBoard = ("infra", include_str!("../../../../boards/infra.toml"));

impl Sources {
    /// The boards that these sources bring, unless files replace them.
    pub(super) fn boards(&self) -> impl Iterator<Item = ShippedBoard> + '_ {
        let simulated = self.simulators.iter().map(|simulator| match simulator.scenario {
            Scenario::Shop => SHOP,
            Scenario::Trading => TRADING,
        });
        simulated.chain(self.host.then_some(INFRA))
    }
}

/// Reads all of them.
pub(super) fn read_sources(root: &mut Reader<'_>, zone: Tz, problems: &mut Vec<Problem>) -> Sources {
    let known = SOURCE_KINDS.join(", ");
    let mut sources = Sources::default();
    for mut source in root.tables("sources", problems) {
        match source.required("kind", &format!(" (known: {known})"), problems).as_deref() {
            Some("host") => {
                sources.host = true;
                let _name = source.text("name", problems);
            }
            Some("simulate") => {
                if let Some(simulator) = simulator(&mut source, zone, problems) {
                    check_alone(&source, &simulator, &sources.simulators, problems);
                    sources.simulators.push(simulator);
                }
            }
            Some(other) => {
                let what = format!("sources of kind `{other}` are not read by this version (known: {known})");
                source.problem("kind", what, problems);
                continue;
            }
            None => {
                let _name = source.text("name", problems);
            }
        }
        source.finish(problems);
    }
    sources
}

fn simulator(source: &mut Reader<'_>, default: Tz, problems: &mut Vec<Problem>) -> Option<SimulateConfig> {
    let words = Scenario::ALL.map(|scenario| format!("`{}`", scenario.name())).join(" or ");
    let scenario = source.required("scenario", &format!(": use {words}"), problems);
    let name = source.text("name", problems).or_else(|| scenario.clone());
    let seed = source.read("seed", problems, |value| {
        value
            .as_integer()
            .and_then(|seed| u64::try_from(seed).ok())
            .ok_or_else(|| wrong("a whole number from 0", value))
    });
    let zone = source.read("timezone", problems, timezone).unwrap_or(default);
    let past_us = source.read("past", problems, |value| {
        let past = span_us(value)?;
        let max_d = SimulateConfig::PAST_MAX_US / SECOND_US / 86_400;
        if past > SimulateConfig::PAST_MAX_US { Err(format!("must be at most `{max_d}d`")) } else { Ok(past) }
    });
    let outage_every_s = source.read("outage_every", problems, |value| {
        let every = span_us(value)? / SECOND_US;
        if every < OUTAGE_EVERY_MIN_S { Err(format!("must be at least `{OUTAGE_EVERY_MIN_S}s`")) } else { Ok(every) }
    });
    let (scenario, name) = (scenario?, name?);
    if let Err(error) = check_name("source", &name) {
        source.problem("name", error.to_string(), problems);
    }
    let Some(scenario) = Scenario::ALL.into_iter().find(|known| known.name() == scenario) else {
        source.problem("scenario", format!("`{scenario}` is not a scenario: use {words}"), problems);
        return None;
    };
    Some(SimulateConfig {
        name,
        scenario,
        seed: seed.unwrap_or(SEED),
        zone,
        past_us: past_us.unwrap_or(SimulateConfig::PAST_US),
        outage_every_s: outage_every_s.unwrap_or(SimulateConfig::OUTAGE_EVERY_S),
    })
}

/// Two sources do not write the same streams, nor have one name.
fn check_alone(source: &Reader<'_>, new: &SimulateConfig, known: &[SimulateConfig], problems: &mut Vec<Problem>) {
    if known.iter().any(|other| other.scenario == new.scenario) {
        let what = format!("another source writes the streams of `{}` already", new.scenario.name());
        source.problem("scenario", what, problems);
    }
    let names: BTreeSet<&str> = known.iter().map(|other| other.name.as_str()).collect();
    if names.contains(new.name.as_str()) {
        source.problem("name", format!("`{}` is the name of another source too", new.name), problems);
    }
}
