//! CPU time and memory of processes, from `/proc`. Elsewhere than on Linux nothing is known, and nothing is claimed.

use std::time::{Duration, Instant};

/// How many cores server and generator kept busy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuSplit {
    /// The server's, if its process is known.
    pub server_cores: Option<f64>,
    /// Our own.
    pub generator_cores: Option<f64>,
}

/// Measures the CPU time of server and generator between two instants.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    server_pid: Option<u32>,
    started: Instant,
    server: Option<Duration>,
    generator: Option<Duration>,
}

impl CpuMeter {
    pub(crate) fn start(server_pid: Option<u32>) -> Self {
        let generator = cpu_time(std::process::id());
        Self { server_pid, started: Instant::now(), server: server_pid.and_then(cpu_time), generator }
    }

    pub(crate) fn stop(&self) -> CpuSplit {
        let elapsed_s = self.started.elapsed().as_secs_f64();
        let cores = |pid: u32, before: Option<Duration>| {
            let spent = cpu_time(pid)?.checked_sub(before?)?;
            (elapsed_s > 0.0).then(|| spent.as_secs_f64() / elapsed_s)
        };
        CpuSplit {
            server_cores: self.server_pid.and_then(|pid| cores(pid, self.server)),
            generator_cores: cores(std::process::id(), self.generator),
        }
    }
}

/// User and system time of a process so far.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = stat_ticks(&stat)?;
    Some(Duration::from_millis(ticks.checked_mul(1_000)? / ticks_per_second()))
}

#[cfg(target_os = "linux")]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(not(target_os = "linux"))]
fn ticks_per_second() -> u64 {
    100
}

/// `utime` + `stime` of `/proc/PID/stat`. The command name before them may hold spaces and brackets.
fn stat_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // State is field 3 of the file, utime 14, stime 15.
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    user.checked_add(system)
}

/// What the threads of this process have run so far, to the nanosecond: other work on the machine does not count.
pub(crate) fn own_time() -> Option<Duration> {
    let mut ns = 0u64;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        // A thread may end while it is looked at.
        let Ok(text) = std::fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        ns += text.split_ascii_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(ns))
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    status_bytes(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn status_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_proc_are_read() {
        let stat = "42 (a ) b) S 1 1 1 0 -1 4194560 500 0 0 0 150 50 0 0 20 0 9 0 12345 1000 200 18446744073709551615";
        assert_eq!(stat_ticks(stat), Some(200));
        assert_eq!(stat_ticks("nothing"), None);
        assert_eq!(status_bytes("Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t1\n"), Some(2 << 20));
        assert_eq!(status_bytes("Name:\tx\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_process_has_used_memory_and_some_time() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).expect("known") > 100_000);
        assert!(cpu_time(pid).is_some());
        let split = CpuMeter::start(None).stop();
        assert_eq!(split.server_cores, None);
    }
}
