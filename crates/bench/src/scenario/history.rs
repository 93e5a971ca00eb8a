//! How fast a long past answers: a month of one series minute by minute, a scan of every row, and a single row.
//!
//! The rows are written through the log into the archive first, or are there from an earlier run. Then a server of its own is
//! started over them and asked over HTTP: once as it is, and, when it has come to rest, after a restart, first
//! with nothing of the files in memory and then again and again. Every answer is compared with the formula of the rows.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use pulseboard_runtime::{Clock, Shutdown, SystemClock, Tasks};

use crate::cpu::{CpuMeter, CpuSplit, cpu_time};
use crate::error::BenchError;
use crate::generator::on_plain_thread;
use crate::history::{Asked, Built, OnDisk, Questions, STREAM, Trades, VIEW, build, chart_sql, forget_pages};
use crate::measured::{Bound, Figure, Measured, Unit, count, grouped};
use crate::server::{Home, Server, Setup};
use crate::target::Target;

/// What a row takes on disk at most while all are written, and what the log takes beside them.
const ROW_BYTES: u64 = 45;
const LOG_BYTES: u64 = 200 << 20;
/// A server that does nothing beside takes less of a core than this, so many times in a row.
const REST_CORES: f64 = 0.2;
const REST_TIMES: u32 = 4;
const REST_PERIOD: Duration = Duration::from_millis(500);
/// The longest that a server may be at work by itself.
const REST_LIMIT: Duration = Duration::from_secs(3_600);
const MINUTE_US: i64 = 60_000_000;

/// How much, and where.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Rows in the past, at up to 45 bytes of disk each: 4.5 GB for 100 million.
    #[arg(long, default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    pub rows: u64,
    /// Days that they are spread over. The chart has a point for each minute of them.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=34))]
    pub days: u64,
    /// Series that they are of; the chart shows one.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub series: u64,
    /// How often charts and single rows are asked for.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub runs: u64,
    /// How often all rows are scanned.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub scans: u64,
    /// Where the rows are kept for the next run, which then need not write them; without, they go with the run.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The server's program; without, the one that is running now.
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Where a data directory is made that goes with the run.
    #[arg(long, value_name = "DIR", conflicts_with = "data_dir")]
    pub dir: Option<PathBuf>,
}

/// Measures.
///
/// # Errors
/// [`BenchError`] if the rows cannot be written, the server does not start, or an answer is wrong.
pub async fn run(options: &Options) -> Result<Measured, BenchError> {
    let binary = match &options.server {
        Some(binary) => binary.clone(),
        None => std::env::current_exe().map_err(BenchError::io("finding this program"))?,
    };
    let home = match &options.data_dir {
        Some(directory) => Home::kept(directory)?,
        None => Home::passing(&options.dir.clone().unwrap_or_else(std::env::temp_dir))?,
    };
    let data = home.data();
    let built = written(options, &home).await?;
    let server = Server::start_at(&binary, home, Setup::Views(config()), None).await?;
    let mut questions = Questions::new(&built.trades, server.target()).await?;
    let sql = chart_sql();
    let (view, ad_hoc) = (("view", VIEW), ("sql", sql.as_str()));

    // As it is: what is asked for may make the server keep something for the next time.
    let first_view = questions.chart(view).await?;
    let first_ad_hoc = questions.chart(ad_hoc).await?;
    let rested = at_rest(server.target()).await?;
    let server = server.end().await?.start().await?;
    at_rest(server.target()).await?;
    questions.again(server.target()).await?;

    let runs = options.runs;
    let view = Times::of(&data, runs, &mut questions, async |asked, _run| asked.chart(view).await).await?;
    let ad_hoc = Times::of(&data, runs, &mut questions, async |asked, _run| asked.chart(ad_hoc).await).await?;
    let meter = CpuMeter::start(server.target().server_pid);
    let scan = Times::of(&data, options.scans, &mut questions, async |asked, _run| asked.scan().await).await?;
    let scan_cpu = meter.stop();
    // Each time another, all over the past; then such as are not there.
    let rows = built.trades.rows;
    let number = |run: u64| (rows / 2 + run * (rows / 13 + 1)) % rows;
    let look_up = Times::of(&data, runs, &mut questions, async |asked, run| asked.look_up(number(run)).await).await?;
    let missing = Times::of(&data, runs, &mut questions, async |asked, run| asked.look_up(rows + run).await).await?;
    let disk = OnDisk::of(&data, STREAM)?;
    server.stop().await?;
    let found = Found { first_view, first_ad_hoc, rested, view, ad_hoc, scan, scan_cpu, look_up, missing, disk };
    Ok(report(options, &built, &found))
}

/// The view of a chart, and a stream of which nothing goes. A query may take as long as it takes: that is what is measured.
fn config() -> String {
    format!(
        "[streams.{STREAM}]\nkeep = \"3650d\"\nmax_bytes = \"1TiB\"\n[views.{VIEW}]\nsql = \"{}\"\n\
         [limits.queries]\ntime = \"10m\"\n",
        chart_sql()
    )
}

/// Ends the writing when nobody waits for it any more.
struct StopOnDrop(Shutdown);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

/// Writes the rows, unless they are there. They end now.
async fn written(options: &Options, home: &Home) -> Result<Built, BenchError> {
    let minutes = options.days * 24 * 60;
    let end_us = SystemClock.now_us().div_euclid(MINUTE_US) * MINUTE_US;
    let start_us = end_us - i64::try_from(minutes).unwrap_or(0) * MINUTE_US;
    let trades = Trades { rows: options.rows, symbols: options.series, start_us, minutes };
    let directory = home.path().to_owned();
    if !home.data().exists() {
        has_room(&directory, options.rows)?;
    }
    let stop = StopOnDrop(Tasks::new().shutdown());
    let stopped = stop.0.clone();
    on_plain_thread("bench-history", move || build(&trades, &directory, &stopped)).await
}

#[cfg(unix)]
fn has_room(directory: &Path, rows: u64) -> Result<(), BenchError> {
    let found = rustix::fs::statvfs(directory)
        .map_err(|error| BenchError::Io { what: "asking how much room there is", source: error.into() })?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = rows * ROW_BYTES + LOG_BYTES;
    if free >= needed {
        return Ok(());
    }
    Err(BenchError::NoRoom {
        directory: directory.to_owned(),
        needed_mb: needed / 1_000_000,
        free_mb: free / 1_000_000,
    })
}

/// Elsewhere a full disk shows itself.
#[cfg(not(unix))]
fn has_room(_directory: &Path, _rows: u64) -> Result<(), BenchError> {
    Ok(())
}

/// Waits until the server does nothing by itself any more; gives how long that took. At once where that cannot be seen.
async fn at_rest(target: &Target) -> Result<Duration, BenchError> {
    let started = Instant::now();
    let mut quiet = 0;
    let Some(mut before) = target.server_pid.and_then(cpu_time) else { return Ok(Duration::ZERO) };
    let mut looked = Instant::now();
    while quiet < REST_TIMES {
        if started.elapsed() > REST_LIMIT {
            return Err(BenchError::Timeout { what: "the server coming to rest", limit_s: REST_LIMIT.as_secs() });
        }
        tokio::time::sleep(REST_PERIOD).await;
        let Some(now) = target.server_pid.and_then(cpu_time) else { break };
        let cores = now.saturating_sub(before).as_secs_f64() / looked.elapsed().as_secs_f64();
        quiet = if cores < REST_CORES { quiet + 1 } else { 0 };
        (before, looked) = (now, Instant::now());
    }
    Ok(started.elapsed())
}

/// One question, again and again.
#[derive(Debug, Default)]
struct Times {
    /// With nothing of the files in memory; `None` where the system cannot be told to forget.
    cold: Option<Duration>,
    /// Sorted.
    warm: Vec<Duration>,
    rows: usize,
    bytes: usize,
}

impl Times {
    async fn of(
        data: &Path,
        runs: u64,
        questions: &mut Questions,
        ask: impl AsyncFn(&mut Questions, u64) -> Result<Asked, BenchError>,
    ) -> Result<Self, BenchError> {
        let forgot = forget_pages(data)?;
        let first = ask(questions, 0).await?;
        let mut times =
            Self { cold: forgot.then_some(first.took), warm: Vec::new(), rows: first.rows, bytes: first.bytes };
        for run in 1..=runs {
            times.warm.push(ask(questions, run).await?.took);
        }
        times.warm.sort();
        Ok(times)
    }

    fn p50(&self) -> Duration {
        self.warm.get(self.warm.len() / 2).copied().unwrap_or_default()
    }

    fn detail(&self) -> String {
        let max = self.warm.last().copied().unwrap_or_default();
        let cold = self.cold.map_or_else(String::new, |cold| format!(", from disk {:.1} ms", ms(cold)));
        format!("max {:.1} ms of {}{cold}", ms(max), self.warm.len())
    }
}

/// What came out.
#[derive(Debug)]
struct Found {
    first_view: Asked,
    first_ad_hoc: Asked,
    /// How long the server was at work by itself after these.
    rested: Duration,
    view: Times,
    ad_hoc: Times,
    scan: Times,
    scan_cpu: CpuSplit,
    look_up: Times,
    missing: Times,
    disk: OnDisk,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn report(options: &Options, built: &Built, found: &Found) -> Measured {
    let rows = count(options.rows);
    let past = format!("{} rows", grouped(rows));
    let chart = |by: &str, times: &Times, first: &Asked| {
        let what = format!("{} days at 1 min of one of {} series, {past}, {by}: p50", options.days, options.series);
        let size = format!("{} points, {:.1} MB", grouped(count(times.rows as u64)), count(times.bytes as u64) / 1e6);
        let first = format!("when first asked {:.1} ms", ms(first.took));
        Figure::new(what, ms(times.p50()), Unit::Ms)
            .bound(Bound::at_most(50.0, 20.0))
            .detail(format!("{}, {first}; {size}", times.detail()))
    };
    let scan_s = found.scan.p50().as_secs_f64().max(f64::MIN_POSITIVE);
    let scan = Figure::new(
        format!("every one of {past} counted and averaged by series: p50"),
        rows / scan_s,
        Unit::PerSecond("rows"),
    )
    .bound(Bound::at_least(5e6, 10e6))
    .detail(format!("{:.1} ms, {}", ms(found.scan.p50()), found.scan.detail()))
    .cpu(found.scan_cpu);
    let point = |what: &str, times: &Times| {
        Figure::new(format!("{what} {past} by a unique text: p50"), ms(times.p50()), Unit::Ms).detail(times.detail())
    };
    let archived = count(built.archived_rows).max(1.0);
    let (of_rows, beside) = (count(found.disk.rows) / archived, count(found.disk.beside) / archived);
    let disk = Figure::new(
        "history on disk, a row of 5 fields and its time, about 120 bytes of JSON",
        of_rows + beside,
        Unit::Bytes,
    )
    .detail(format!("{of_rows:.1} as Parquet in {} files, {beside:.2} beside it", grouped(count(found.disk.files))));
    let written = Figure::new(
        "history written: log, archive, files joined by days",
        rows / built.seconds.max(f64::MIN_POSITIVE),
        Unit::PerSecond("rows"),
    )
    .detail(format!("{} rows archived in {:.0} s", grouped(archived), built.seconds));
    let work = Figure::new("after the first questions the server is at rest in", ms(found.rested), Unit::Ms)
        .detail("what it keeps for the next ones is made then");
    let figures = vec![
        chart("a view", &found.view, &found.first_view),
        chart("SQL of its own", &found.ad_hoc, &found.first_ad_hoc),
        scan,
        point("one row out of", &found.look_up),
        point("one that is not among", &found.missing),
        disk,
        written,
        work,
    ];
    Measured { figures, notes: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_middle_and_their_greatest() {
        let warm = [1, 2, 3, 40].map(Duration::from_millis).to_vec();
        let times = Times { cold: Some(Duration::from_millis(90)), warm, rows: 1, bytes: 1 };
        assert_eq!(
            (times.p50(), times.detail().as_str()),
            (Duration::from_millis(3), "max 40.0 ms of 4, from disk 90.0 ms")
        );
        assert_eq!(Times { cold: None, ..times }.detail(), "max 40.0 ms of 4");
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_that_is_too_small_is_seen_before() {
        let directory = tempfile::tempdir().expect("a directory");
        has_room(directory.path(), 1).expect("room for one");
        let error = has_room(directory.path(), 1 << 50).expect_err("too many").to_string();
        assert!(error.contains("--rows") && error.contains("MB free"), "{error}");
    }
}
