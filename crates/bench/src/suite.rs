//! All scenarios, each against a fresh server of its own, so that none inherits another's streams, views or memory.

use std::path::Path;

use clap::{Args, FromArgMatches};

use crate::args::{BenchArgs, Scenario, ScenarioArgs, SuiteArgs};
use crate::error::BenchError;
use crate::generator::cores;
use crate::machine;
use crate::measured::{Measured, render};
use crate::reader::Transport;
use crate::scenario::{
    connections, engine, fanout, history, idle, ingest_batch, ingest_single, latency, memory, polling, queries,
    readers, restart, slow, storm,
};
use crate::server::{Server, Setup};
use crate::target::Target;

/// In the order of the table.
const ALL: [Scenario; 18] = [
    Scenario::Batch,
    Scenario::Single,
    Scenario::Engine,
    Scenario::Nexmark,
    Scenario::Yahoo,
    Scenario::Latency,
    Scenario::Views,
    Scenario::Groups,
    Scenario::Fanout,
    Scenario::Readers,
    Scenario::Connections,
    Scenario::Polling,
    Scenario::Storm,
    Scenario::Slow,
    Scenario::Idle,
    Scenario::Restart,
    Scenario::Memory,
    Scenario::History,
];

/// Runs what the command line asks for and prints what came out. An interrupt ends it and what it started.
///
/// # Errors
/// [`BenchError`] if something could not be measured. A missed target is no error.
pub async fn run(args: BenchArgs) -> Result<(), BenchError> {
    let measuring = async {
        match &args.scenario {
            None => suite(&args.suite).await,
            Some(scenario) => Ok(render(&[one(scenario).await?])),
        }
    };
    let interrupted = || std::io::Error::from(std::io::ErrorKind::Interrupted);
    let text = tokio::select! {
        text = measuring => text?,
        _signal = tokio::signal::ctrl_c() => return Err(BenchError::io("measuring")(interrupted())),
    };
    print!("{text}");
    Ok(())
}

async fn one(scenario: &ScenarioArgs) -> Result<Measured, BenchError> {
    match scenario {
        ScenarioArgs::Engine(options) => engine::run(options).await,
        ScenarioArgs::Nexmark(options) => queries::nexmark(options).await,
        ScenarioArgs::Yahoo(options) => queries::yahoo(options).await,
        ScenarioArgs::Restart(options) => restart::run(options).await,
        ScenarioArgs::Memory(options) => memory::run(options).await,
        ScenarioArgs::History(options) => history::run(options).await,
        ScenarioArgs::Idle(args) => idle::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Single(args) => ingest_single::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Batch(args) => ingest_batch::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Latency(args) => latency::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Fanout(args) => fanout::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Readers(args) => readers::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Connections(args) => connections::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Polling(args) => polling::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Storm(args) => storm::run(&args.target.resolve().await?, &args.options).await,
        ScenarioArgs::Slow(args) => slow::run(&args.target.resolve().await?, &args.options).await,
    }
}

/// Runs all scenarios, or those that are named; gives the machine, the table and the notes as Markdown.
///
/// # Errors
/// [`BenchError`] for the first scenario that could not be measured.
pub async fn suite(args: &SuiteArgs) -> Result<String, BenchError> {
    let binary = match &args.server {
        Some(binary) => binary.clone(),
        None => std::env::current_exe().map_err(BenchError::io("finding this program"))?,
    };
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let mut text = machine::describe(&parent)?;
    let mut all = Vec::new();
    for scenario in ALL.into_iter().filter(|scenario| is_asked(*scenario, &args.only)) {
        // The table comes at the end, which is minutes away.
        eprintln!("measuring: {scenario:?}");
        all.push(measure(scenario, args, &binary, &parent).await?);
    }
    text.push('\n');
    text.push_str(&render(&all));
    Ok(text)
}

/// Whether to run it: all but what takes gigabytes, unless some are named.
fn is_asked(scenario: Scenario, only: &[Scenario]) -> bool {
    if only.is_empty() { scenario != Scenario::History } else { only.contains(&scenario) }
}

async fn measure(scenario: Scenario, args: &SuiteArgs, binary: &Path, parent: &Path) -> Result<Measured, BenchError> {
    let seconds = args.duration_s;
    let bare = |core| Server::start(binary, parent, Setup::Bare, core);
    match scenario {
        Scenario::Engine => {
            let options: engine::Options = defaults();
            let duration_s = seconds.unwrap_or(options.duration_s);
            engine::run(&engine::Options { duration_s, ..options }).await
        }
        Scenario::Nexmark => queries::nexmark(&within(seconds)).await,
        Scenario::Yahoo => queries::yahoo(&within(seconds)).await,
        Scenario::Restart => {
            let options: restart::Options = defaults();
            let (server, dir) = (Some(binary.to_owned()), Some(parent.to_owned()));
            restart::run(&restart::Options { server, dir, ..options }).await
        }
        Scenario::Memory => memory::run(&defaults::<memory::Options>()).await,
        Scenario::History => {
            let options: history::Options = defaults();
            let (server, dir) = (Some(binary.to_owned()), Some(parent.to_owned()));
            history::run(&history::Options { server, dir, ..options }).await
        }
        Scenario::Idle => {
            let mut options: idle::Options = defaults();
            options.duration_s = seconds.unwrap_or(options.duration_s);
            let server = Server::start(binary, parent, Setup::Default, None).await?;
            against(server, async |target| idle::run(target, &options).await).await
        }
        Scenario::Single => {
            let mut options: ingest_single::Options = defaults();
            options.duration_s = seconds.unwrap_or(options.duration_s);
            against(bare(None).await?, async |target| ingest_single::run(target, &options).await).await
        }
        Scenario::Batch => {
            let mut options: ingest_batch::Options = defaults();
            options.duration_s = seconds.unwrap_or(options.duration_s);
            against(bare(None).await?, async |target| ingest_batch::run(target, &options).await).await
        }
        Scenario::Latency => {
            let mut options: latency::Options = defaults();
            options.duration_s = seconds.unwrap_or(options.duration_s);
            against(bare(None).await?, async |target| latency::run(target, &options).await).await
        }
        Scenario::Views => {
            let options = latency::Options { views: 200, ..many(seconds) };
            against(bare(None).await?, async |target| latency::run(target, &options).await).await
        }
        Scenario::Groups => {
            let options = latency::Options { groups: 100_000, ..many(seconds) };
            against(bare(None).await?, async |target| latency::run(target, &options).await).await
        }
        Scenario::Fanout => {
            let mut options: fanout::Options = defaults();
            options.duration_s = seconds.unwrap_or(options.duration_s);
            let apart = cores() > 1;
            options.generator_core = apart.then_some(1);
            let server = bare(apart.then_some(0)).await?;
            against(server, async |target| fanout::run(target, &options).await).await
        }
        Scenario::Readers => {
            let options: readers::Options = defaults();
            let duration_s = seconds.unwrap_or(options.duration_s);
            let options = readers::Options { readers: 10_000, rate: 1, duration_s, ..options };
            against(bare(None).await?, async |target| readers::run(target, &options).await).await
        }
        Scenario::Connections => {
            let mut both = Measured::default();
            for transport in [Transport::Ws, Transport::Sse] {
                let options = connections::Options { transport, ..defaults() };
                let one = against(bare(None).await?, async |target| connections::run(target, &options).await).await?;
                both.figures.extend(one.figures);
            }
            Ok(both)
        }
        Scenario::Polling => {
            let mut options: polling::Options = defaults();
            options.duration_s = seconds.unwrap_or(options.duration_s);
            against(bare(None).await?, async |target| polling::run(target, &options).await).await
        }
        Scenario::Storm => against(bare(None).await?, async |target| storm::run(target, &defaults()).await).await,
        Scenario::Slow => {
            let mut options: slow::Options = defaults();
            options.duration_s = seconds.unwrap_or(options.duration_s);
            against(bare(None).await?, async |target| slow::run(target, &options).await).await
        }
    }
}

/// Ten thousand events a second in commits of some, for a few readers.
fn many(seconds: Option<u64>) -> latency::Options {
    let options: latency::Options = defaults();
    latency::Options {
        duration_s: seconds.unwrap_or(options.duration_s),
        rate: 10_000,
        rows: 20,
        readers: 10,
        ..options
    }
}

/// The options of the queries that step through events, each for so many seconds at most.
fn within(seconds: Option<u64>) -> queries::Options {
    let options: queries::Options = defaults();
    queries::Options { budget_s: seconds.unwrap_or(options.budget_s), ..options }
}

/// Measures and ends the server; what was measured counts only if it ends well.
async fn against(
    server: Server,
    measure: impl AsyncFnOnce(&Target) -> Result<Measured, BenchError>,
) -> Result<Measured, BenchError> {
    let measured = measure(server.target()).await;
    let stopped = server.stop().await;
    let measured = measured?;
    stopped?;
    Ok(measured)
}

/// A scenario's options as they are when nothing is given, so that the defaults stand in one place.
fn defaults<O: Args + FromArgMatches>() -> O {
    let matches = O::augment_args(clap::Command::new("bench").no_binary_name(true)).get_matches_from([""; 0]);
    O::from_arg_matches(&matches).expect("every option has a default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_defaults() {
        assert_eq!(defaults::<engine::Options>().duration_s, 3);
        assert_eq!(defaults::<idle::Options>().duration_s, 20);
        assert_eq!(defaults::<ingest_single::Options>().connections, 64);
        assert_eq!(defaults::<ingest_batch::Options>().rows, 1_000);
        assert_eq!(defaults::<latency::Options>().readers, 200);
        assert_eq!(defaults::<fanout::Options>().readers, 1_000);
        assert_eq!(defaults::<readers::Options>().readers, 1_000);
        assert_eq!(defaults::<connections::Options>().connections, 10_000);
        assert_eq!(defaults::<polling::Options>().readers, 1_000);
        assert_eq!(defaults::<storm::Options>().readers, 5_000);
        assert_eq!(defaults::<slow::Options>().slow, 50);
        assert_eq!(defaults::<history::Options>().rows, 100_000_000);
    }

    #[test]
    fn what_takes_gigabytes_runs_only_if_it_is_named() {
        let asked = |only: &[Scenario]| ALL.into_iter().filter(|scenario| is_asked(*scenario, only)).count();
        assert_eq!((asked(&[]), asked(&[Scenario::History, Scenario::Idle])), (17, 2));
    }
}
