//! What the figures were measured on: processor, cores, memory, and how long the disk takes to make bytes durable.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::error::BenchError;
use crate::generator::cores;
use crate::latency::Latencies;

/// How many times the disk is asked.
const SYNCS: usize = 100;

/// Describes this machine in a few lines of Markdown. `parent` is where data directories will lie.
pub(crate) fn describe(parent: &Path) -> Result<String, BenchError> {
    let syncs = sync_latency(parent).map_err(BenchError::io("asking the disk"))?;
    let disk = format!(
        "4 KiB written and synced in {:.2} ms (p50), {:.2} ms (p99)",
        syncs.quantile_ms(0.5),
        syncs.quantile_ms(0.99)
    );
    let memory = if is_in_memory(parent) { "; **in memory, so nothing is durable here**" } else { "" };
    let build = if cfg!(debug_assertions) { "; **a debug build of the generator: figures mean nothing**" } else { "" };
    Ok(format!(
        "Machine: {}, {} cores, {} GB, {}{build}\nDisk: {} ({disk}{memory})\n",
        processor().unwrap_or_else(|| "unknown processor".to_owned()),
        cores(),
        memory_gb().map_or_else(|| "?".to_owned(), |gb| gb.to_string()),
        std::env::consts::OS,
        parent.display(),
    ))
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kilobytes * 1_024).div_ceil(1_000_000_000))
}

fn sync_latency(parent: &Path) -> std::io::Result<Latencies> {
    let mut file = tempfile::tempfile_in(parent)?;
    let mut latencies = Latencies::default();
    for _ in 0..SYNCS {
        let started = Instant::now();
        write_through(&mut file)?;
        latencies.record(started.elapsed(), 1);
    }
    Ok(latencies)
}

fn write_through(file: &mut File) -> std::io::Result<()> {
    file.write_all(&[0x5a; 4_096])?;
    file.sync_data()
}

#[cfg(target_os = "linux")]
fn is_in_memory(path: &Path) -> bool {
    /// `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2).
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
    rustix::fs::statfs(path)
        .is_ok_and(|found| IN_MEMORY.iter().any(|magic| i128::from(*magic) == i128::from(found.f_type)))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_its_disk_are_described() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = describe(directory.path()).expect("described");
        assert!(text.contains("cores") && text.contains(" ms (p99)"), "{text}");
        assert!(describe(Path::new("/nonexistent")).is_err());
    }
}
