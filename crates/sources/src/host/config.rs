//! What can be set about the `host` source.

/// The settings of `kind = "host"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostConfig {
    /// How many processes `host_process` lists.
    pub processes_max: usize,
    /// Each how many seconds it does. Going through all processes is the dearest of the measurements.
    pub processes_every_s: i64,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { processes_max: 15, processes_every_s: 5 }
    }
}
