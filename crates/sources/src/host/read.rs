//! Asking the operating system, no more than is written.
//!
//! Everything that is a rate or a share of time needs an earlier reading; where there is none the value is null, never
//! zero.

use std::collections::HashMap;

use pulseboard_model::Cell;
use sysinfo::{
    CpuRefreshKind, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, ProcessRefreshKind, ProcessesToUpdate, System,
};

use super::disks::real_disks;
use super::streams::Stream;

/// The rows of one moment, by stream, their cells in the order of the stream's fields.
pub(super) type Readings = HashMap<Stream, Vec<Vec<Cell>>>;

/// Shares of the time all cores spent between two readings, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CpuShares {
    pub(super) user: f64,
    pub(super) system: f64,
}

/// What `/proc/stat` says of all cores together, in clock ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuTicks {
    user: u64,
    system: u64,
    total: u64,
}

impl CpuTicks {
    /// Reads the first line of `/proc/stat`; `None` on other systems.
    fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    pub(super) fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; guest time is already part of user and nice.
        let [user, nice, system, _idle, _iowait, irq, softirq, _steal, ..] = ticks[..] else { return None };
        Some(Self { user: user + nice, system: system + irq + softirq, total: ticks[..8].iter().sum() })
    }

    pub(super) fn since(self, earlier: Self) -> Option<CpuShares> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        Some(CpuShares {
            user: percent(self.user.saturating_sub(earlier.user), total),
            system: percent(self.system.saturating_sub(earlier.system), total),
        })
    }
}

/// Two counters that only grow.
#[derive(Debug, Clone, Copy)]
struct Counters(u64, u64);

impl Counters {
    /// How much they grew per second. A counter that went back began anew: unknown.
    fn rates(self, earlier: Option<Self>, elapsed_s: f64) -> [Cell; 2] {
        let rate = |now: u64, before: fn(Self) -> u64| match earlier.map(before).and_then(|b| now.checked_sub(b)) {
            Some(grown) if elapsed_s > 0.0 => Cell::Float(as_f64(grown) / elapsed_s),
            _ => Cell::Null,
        };
        [rate(self.0, |c| c.0), rate(self.1, |c| c.1)]
    }
}

/// The machine, with the earlier readings that rates need.
#[derive(Debug)]
pub(super) struct Machine {
    system: System,
    disks: Disks,
    networks: Networks,
    host: Option<String>,
    cpu_ticks: Option<CpuTicks>,
    disk_counters: HashMap<String, Counters>,
    network_counters: HashMap<String, Counters>,
    processes_max: usize,
    processes_primed: bool,
}

impl Machine {
    /// Takes the first readings, which later ones are compared with.
    ///
    /// # Errors
    /// When the operating system cannot be asked at all.
    pub(super) fn new(processes_max: usize) -> Result<Self, sysinfo::Error> {
        let mut machine = Self {
            system: System::new()?,
            disks: Disks::new()?,
            networks: Networks::new()?,
            host: System::host_name().ok(),
            cpu_ticks: None,
            disk_counters: HashMap::new(),
            network_counters: HashMap::new(),
            processes_max,
            processes_primed: false,
        };
        machine.read(0.0, true);
        Ok(machine)
    }

    /// Reads everything, `elapsed_s` after the reading before; processes only if asked to.
    pub(super) fn read(&mut self, elapsed_s: f64, with_processes: bool) -> Readings {
        let mut readings = Readings::new();
        readings.insert(Stream::Cpu, vec![self.cpu()]);
        readings.insert(Stream::Core, self.cores());
        readings.insert(Stream::Load, load());
        readings.insert(Stream::Memory, vec![self.memory()]);
        self.disks.refresh_specifics(true, DiskRefreshKind::nothing().with_storage().with_io_usage());
        readings.insert(Stream::Disk, self.disk_space());
        readings.insert(Stream::DiskIo, self.disk_io(elapsed_s));
        readings.insert(Stream::Network, self.network(elapsed_s));
        readings.insert(Stream::Uptime, uptime());
        if with_processes {
            readings.insert(Stream::Process, self.processes());
        }
        readings
    }

    fn cpu(&mut self) -> Vec<Cell> {
        self.system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage());
        let ticks = CpuTicks::now();
        let shares = ticks.zip(self.cpu_ticks).and_then(|(now, before)| now.since(before));
        self.cpu_ticks = ticks;
        vec![
            self.host.as_deref().map_or(Cell::Null, text),
            float(f64::from(self.system.global_cpu_usage())),
            shares.map_or(Cell::Null, |shares| Cell::Float(shares.user)),
            shares.map_or(Cell::Null, |shares| Cell::Float(shares.system)),
            int(self.system.cpus().len() as u64),
        ]
    }

    fn cores(&self) -> Vec<Vec<Cell>> {
        let cores = self.system.cpus().iter().enumerate();
        cores.map(|(core, cpu)| vec![int(core as u64), float(f64::from(cpu.usage()))]).collect()
    }

    fn memory(&mut self) -> Vec<Cell> {
        self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
        let total = self.system.total_memory();
        let available = self.system.available_memory().min(total);
        let used = total - available;
        vec![
            int(total),
            int(used),
            int(available),
            int(self.system.total_swap()),
            int(self.system.used_swap()),
            share(used, total),
        ]
    }

    fn disk_space(&self) -> Vec<Vec<Cell>> {
        let row = |(device, disk): (String, &sysinfo::Disk)| {
            let total = disk.total_space();
            let available = disk.available_space().min(total);
            let used = total - available;
            vec![
                text(&disk.mount_point().to_string_lossy()),
                text(&device),
                text(&disk.file_system().to_string_lossy()),
                int(total),
                int(used),
                int(available),
                share(used, total),
            ]
        };
        real_disks(&self.disks).into_iter().map(row).collect()
    }

    fn disk_io(&mut self, elapsed_s: f64) -> Vec<Vec<Cell>> {
        let mut counters = HashMap::new();
        let mut rows = Vec::new();
        for (device, disk) in real_disks(&self.disks) {
            let usage = disk.usage();
            let now = Counters(usage.total_read_bytes, usage.total_written_bytes);
            let [read, written] = now.rates(self.disk_counters.get(&device).copied(), elapsed_s);
            rows.push(vec![text(&device), read, written]);
            counters.insert(device, now);
        }
        self.disk_counters = counters;
        rows
    }

    /// The interfaces that ever carried something.
    fn network(&mut self, elapsed_s: f64) -> Vec<Vec<Cell>> {
        self.networks.refresh(true);
        let mut counters = HashMap::new();
        let mut rows = Vec::new();
        for (name, data) in &self.networks {
            let now = Counters(data.total_received(), data.total_transmitted());
            if now.0 == 0 && now.1 == 0 {
                continue;
            }
            let name = name.to_string_lossy().into_owned();
            let [received, sent] = now.rates(self.network_counters.get(&name).copied(), elapsed_s);
            rows.push(vec![
                text(&name),
                received,
                sent,
                int(data.total_errors_on_received()),
                int(data.total_errors_on_transmitted()),
            ]);
            counters.insert(name, now);
        }
        self.network_counters = counters;
        rows
    }

    /// The busiest processes since they were last asked for.
    fn processes(&mut self) -> Vec<Vec<Cell>> {
        let kind = ProcessRefreshKind::nothing().without_tasks().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        if !std::mem::replace(&mut self.processes_primed, true) {
            return Vec::new();
        }
        let mut processes: Vec<_> = self.system.processes().values().collect();
        let busier = |a: &&sysinfo::Process, b: &&sysinfo::Process| {
            let by_cpu = b.cpu_usage().total_cmp(&a.cpu_usage());
            by_cpu.then_with(|| b.memory().cmp(&a.memory())).then_with(|| a.pid().cmp(&b.pid()))
        };
        if processes.len() > self.processes_max {
            processes.select_nth_unstable_by(self.processes_max, busier);
            processes.truncate(self.processes_max);
        }
        processes.sort_unstable_by(busier);
        let row = |(rank, process): (u64, &sysinfo::Process)| {
            vec![
                int(u64::from(process.pid().as_u32())),
                text(&process.name().to_string_lossy()),
                float(f64::from(process.cpu_usage())),
                int(process.memory()),
                int(rank),
            ]
        };
        (1..).zip(processes).map(row).collect()
    }
}

fn load() -> Vec<Vec<Cell>> {
    let row = |load: sysinfo::LoadAvg| vec![float(load.one), float(load.five), float(load.fifteen)];
    System::load_average().ok().map(row).into_iter().collect()
}

fn uptime() -> Vec<Vec<Cell>> {
    let boot_us = System::boot_time().ok().and_then(|boot_s| i64::try_from(boot_s).ok()?.checked_mul(1_000_000));
    let row = |uptime_s| vec![int(uptime_s), boot_us.map_or(Cell::Null, Cell::Time)];
    System::uptime().ok().map(row).into_iter().collect()
}

fn int(value: u64) -> Cell {
    i64::try_from(value).map_or(Cell::Null, Cell::Int)
}

fn float(value: f64) -> Cell {
    if value.is_finite() { Cell::Float(value) } else { Cell::Null }
}

fn text(value: &str) -> Cell {
    Cell::Str(value.into())
}

fn share(part: u64, whole: u64) -> Cell {
    if whole == 0 { Cell::Null } else { Cell::Float(percent(part, whole)) }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * as_f64(part) / as_f64(whole)
}

#[expect(clippy::cast_precision_loss, reason = "measurements are not that exact")]
fn as_f64(value: u64) -> f64 {
    value as f64
}
