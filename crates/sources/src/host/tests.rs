//! Real readings of the machine the tests run on, and the source by a clock that stands still.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use pulseboard_model::time::SECOND_US;
use pulseboard_model::{Cell, TimeUs};
use pulseboard_runtime::{ManualClock, Tasks};
use tokio::sync::mpsc;

use super::read::{CpuTicks, Machine, Readings};
use super::rows::Batches;
use super::streams::Stream;
use super::{HostConfig, HostSource, streams};
use crate::{QUEUE_BATCHES, SourceBatch};

/// Two readings some 300 ms apart, which is long enough for shares of processor time.
fn readings() -> Readings {
    let mut machine = Machine::new(15).expect("a machine");
    let started = Instant::now();
    let mut busy = 0_u64;
    while started.elapsed() < Duration::from_millis(300) {
        busy = busy.wrapping_mul(31).wrapping_add(7);
    }
    assert_ne!(busy, 1, "kept, so that this test is among the busiest processes");
    machine.read(started.elapsed().as_secs_f64(), true)
}

fn number(cell: &Cell) -> f64 {
    match cell {
        #[expect(clippy::cast_precision_loss, reason = "ranges only")]
        Cell::Int(value) => *value as f64,
        Cell::Float(value) => *value,
        other => panic!("expected a number, found {other:?}"),
    }
}

fn one(readings: &Readings, stream: Stream) -> &[Cell] {
    let rows = &readings[&stream];
    assert_eq!(rows.len(), 1, "{stream:?}");
    &rows[0]
}

#[test]
fn readings_of_this_machine_are_plausible() {
    let readings = readings();

    let cpu = one(&readings, Stream::Cpu);
    assert!((0.0..=100.0).contains(&number(&cpu[1])), "{cpu:?}");
    assert!(number(&cpu[4]) >= 1.0, "{cpu:?}");
    let cores = &readings[&Stream::Core];
    assert_eq!(cores.len(), cores.iter().map(|core| core[0].clone()).fold(Vec::new(), unique).len());
    assert!(cores.iter().all(|core| (0.0..=100.0).contains(&number(&core[1]))), "{cores:?}");

    let memory = one(&readings, Stream::Memory).iter().map(number).collect::<Vec<_>>();
    assert!(memory[0] > 1e8, "more than 100 MB of memory: {memory:?}");
    assert!((memory[1] + memory[2] - memory[0]).abs() < 1.0, "used and available are the total: {memory:?}");
    assert!(memory[5] > 0.0 && memory[5] < 100.0 && memory[4] <= memory[3], "{memory:?}");

    let disks = &readings[&Stream::Disk];
    assert!(!disks.is_empty());
    for disk in disks {
        assert!(number(&disk[3]) > 0.0 && (0.0..=100.0).contains(&number(&disk[6])), "{disk:?}");
    }
    let devices: HashSet<_> = disks.iter().map(|disk| format!("{:?}", disk[1])).collect();
    assert_eq!(devices.len(), disks.len(), "each device once");
    assert_eq!(readings[&Stream::DiskIo].len(), disks.len());

    for row in readings[&Stream::DiskIo].iter().chain(&readings[&Stream::Network]) {
        assert!(number(&row[1]) >= 0.0 && number(&row[2]) >= 0.0, "{row:?}");
    }

    let processes = &readings[&Stream::Process];
    assert!((1..=15).contains(&processes.len()));
    let ranks: Vec<_> = processes.iter().map(|process| number(&process[4])).collect();
    assert!(ranks.iter().zip(1..).all(|(rank, expected)| *rank == f64::from(expected)), "{ranks:?}");
    let usage: Vec<_> = processes.iter().map(|process| number(&process[2])).collect();
    assert!(usage.is_sorted_by(|a, b| a >= b), "{usage:?}");
    assert!(usage[0] > 1.0, "this test kept a core busy: {usage:?}");

    let uptime = one(&readings, Stream::Uptime);
    assert!(number(&uptime[0]) > 0.0);
    assert!(matches!(uptime[1], Cell::Time(boot) if boot > 1_000_000_000_000_000), "{uptime:?}");
}

fn unique(mut seen: Vec<Cell>, cell: Cell) -> Vec<Cell> {
    if !seen.contains(&cell) {
        seen.push(cell);
    }
    seen
}

#[cfg(target_os = "linux")]
#[test]
fn linux_says_more_of_the_processor_and_the_load() {
    let readings = readings();
    let cpu = one(&readings, Stream::Cpu);
    let (total, user, system) = (number(&cpu[1]), number(&cpu[2]), number(&cpu[3]));
    assert!(user > 0.0 && system >= 0.0 && user + system <= 100.0, "{cpu:?}");
    assert!(total > 0.0, "{cpu:?}");
    assert!(matches!(&cpu[0], Cell::Str(host) if !host.is_empty()));
    assert_eq!(one(&readings, Stream::Load).len(), 3);
}

#[test]
fn the_first_reading_knows_no_rates() {
    let mut machine = Machine::new(15).expect("a machine");
    let readings = machine.read(0.0, false);
    for row in readings[&Stream::DiskIo].iter().chain(&readings[&Stream::Network]) {
        assert_eq!([&row[1], &row[2]], [&Cell::Null, &Cell::Null], "{row:?}");
    }
    assert!(!readings.contains_key(&Stream::Process));
}

#[test]
fn shares_come_from_the_ticks_between_two_readings() {
    let ticks = |line: &str| CpuTicks::parse(line).expect("ticks");
    let before = ticks("cpu  100 0 50 800 0 0 0 0 0 0\ncpu0 1 1");
    let after = ticks("cpu  120 10 60 850 0 5 5 0 0 0\n");
    let shares = after.since(before).expect("time passed");
    assert_eq!((shares.user, shares.system), (30.0, 20.0));
    assert_eq!(before.since(before), None, "no time passed");
    assert_eq!(before.since(after), None, "the counters began anew");
    for bad in ["", "cpu  1 2 3", "intr 5", "cpu  a b c d e f g h"] {
        assert_eq!(CpuTicks::parse(bad), None, "{bad}");
    }
}

#[test]
fn batches_are_in_the_stored_layout_of_their_declared_schema() {
    let (second, asked_at) = (TimeUs(1_700_000_000_000_000), TimeUs(1_700_000_000_012_345));
    let batches = Batches::new().make(&readings(), second, asked_at);
    let declared: HashMap<_, _> = streams().into_iter().collect();
    assert_eq!(batches.len(), declared.len());
    for batch in &batches {
        assert_eq!(*batch.schema, declared[&batch.stream]);
        assert_eq!(batch.rows.schema(), batch.schema.stored_schema());
        let times = |column| batch.rows.column(column).as_primitive::<TimestampMicrosecondType>().values().to_vec();
        assert!(times(0).iter().all(|time| *time == second.0) && times(1).iter().all(|time| *time == asked_at.0));
    }
    let memory = batches.iter().find(|batch| batch.stream.as_str() == "host_memory").expect("host_memory");
    assert!(memory.rows.column_by_name("total").expect("total").as_primitive::<Int64Type>().value(0) > 0);
    let used_pct = memory.rows.column_by_name("used_pct").expect("used_pct").as_primitive::<Float64Type>();
    assert_eq!(used_pct.null_count(), 0);
}

/// Reads until `enough` or ten seconds passed.
fn receive(sink: &mut mpsc::Receiver<SourceBatch>, enough: impl Fn(&[SourceBatch]) -> bool) -> Vec<SourceBatch> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut received = Vec::new();
    while !enough(&received) {
        assert!(Instant::now() < deadline, "only {} batches came", received.len());
        match sink.try_recv() {
            Ok(batch) => received.push(batch),
            Err(_) => std::thread::yield_now(),
        }
    }
    received
}

fn second_of(batch: &SourceBatch) -> i64 {
    batch.rows.column(0).as_primitive::<TimestampMicrosecondType>().value(0)
}

#[tokio::test]
async fn the_source_writes_on_whole_seconds_and_ends_with_the_server() {
    let start = 1_700_000_000_400_000;
    let clock = ManualClock::at(start);
    let tasks = Tasks::new();
    let (sender, mut sink) = mpsc::channel(QUEUE_BATCHES);
    let config = HostConfig { processes_max: 3, ..HostConfig::default() };
    HostSource::new(config, clock.clone()).spawn(&tasks, sender).expect("a thread");

    clock.set(1_700_000_001_000_700);
    let uptime = |batches: &[SourceBatch]| batches.iter().any(|batch| batch.stream.as_str() == "host_uptime");
    let first = receive(&mut sink, uptime);
    assert!(first.iter().all(|batch| second_of(batch) == 1_700_000_001_000_000));
    assert!(first.iter().all(|batch| batch.stream.as_str() != "host_process"), "not a fifth second");

    // Seconds slept through are left out.
    clock.set(1_700_000_005_000_000);
    let fifth = receive(&mut sink, uptime);
    assert!(fifth.iter().all(|batch| second_of(batch) == 1_700_000_005_000_000));
    let processes = fifth.iter().find(|batch| batch.stream.as_str() == "host_process").expect("the fifth second");
    assert!((1..=3).contains(&processes.rows.num_rows()));

    // A clock that was set back an hour goes on from there; it may notice a second or two late.
    clock.set(1_699_996_400_500_000);
    let earlier = receive(&mut sink, |batches| {
        clock.advance(SECOND_US / 1_000);
        uptime(batches)
    });
    let back = earlier.iter().map(second_of).collect::<Vec<_>>();
    assert!(back.iter().all(|second| *second < start && second % SECOND_US == 0), "{back:?}");

    assert!(tasks.shut_down(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_full_sink_drops_instead_of_waiting() {
    let clock = ManualClock::at(1_700_000_000_000_000);
    let tasks = Tasks::new();
    let (sender, mut sink) = mpsc::channel(1);
    HostSource::new(HostConfig::default(), clock.clone()).spawn(&tasks, sender).expect("a thread");
    clock.set(1_700_000_001_000_000);
    receive(&mut sink, |batches| !batches.is_empty());
    assert!(tasks.shut_down(Duration::from_secs(5)).await, "the thread is not stuck on its sink");
}
