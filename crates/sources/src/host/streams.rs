//! The streams of this source and their fields. Boards depend on these names.

use pulseboard_model::{FieldType, SchemaVersion, StreamField, StreamName, StreamSchema};

/// How long these streams are kept unless configured otherwise, in seconds.
pub const KEEP_S: u64 = 24 * 3_600;

/// One stream of this source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stream {
    Cpu,
    Core,
    Load,
    Memory,
    Disk,
    DiskIo,
    Network,
    Process,
    Uptime,
}

use FieldType::{Float, Int, String as Text, Time};

impl Stream {
    pub(super) const ALL: [Self; 9] = [
        Self::Cpu,
        Self::Core,
        Self::Load,
        Self::Memory,
        Self::Disk,
        Self::DiskIo,
        Self::Network,
        Self::Process,
        Self::Uptime,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "host_cpu",
            Self::Core => "host_core",
            Self::Load => "host_load",
            Self::Memory => "host_memory",
            Self::Disk => "host_disk",
            Self::DiskIo => "host_disk_io",
            Self::Network => "host_network",
            Self::Process => "host_process",
            Self::Uptime => "host_uptime",
        }
    }

    /// Bytes are counts, rates are per second, percentages are of 100 (of one core for `cpu_pct`).
    const fn fields(self) -> &'static [(&'static str, FieldType)] {
        match self {
            Self::Cpu => &[("host", Text), ("total", Float), ("user", Float), ("system", Float), ("cores", Int)],
            Self::Core => &[("core", Int), ("usage", Float)],
            Self::Load => &[("load1", Float), ("load5", Float), ("load15", Float)],
            Self::Memory => &[
                ("total", Int),
                ("used", Int),
                ("available", Int),
                ("swap_total", Int),
                ("swap_used", Int),
                ("used_pct", Float),
            ],
            Self::Disk => &[
                ("mount", Text),
                ("device", Text),
                ("fs", Text),
                ("total", Int),
                ("used", Int),
                ("available", Int),
                ("used_pct", Float),
            ],
            Self::DiskIo => &[("device", Text), ("read_bytes_s", Float), ("write_bytes_s", Float)],
            Self::Network => &[
                ("interface", Text),
                ("rx_bytes_s", Float),
                ("tx_bytes_s", Float),
                ("rx_errors", Int),
                ("tx_errors", Int),
            ],
            Self::Process => &[("pid", Int), ("name", Text), ("cpu_pct", Float), ("memory_bytes", Int), ("rank", Int)],
            Self::Uptime => &[("uptime_s", Int), ("boot_time", Time)],
        }
    }

    pub(super) fn stream_name(self) -> StreamName {
        StreamName::new(self.name()).expect("the names above are valid")
    }

    pub(super) fn schema(self) -> StreamSchema {
        let field = |(name, field_type): &(&str, FieldType)| StreamField {
            name: (*name).to_owned(),
            field_type: field_type.clone(),
            declared: true,
        };
        StreamSchema { version: SchemaVersion(1), fields: self.fields().iter().map(field).collect() }
    }
}

/// Every stream this source writes, with its schema, to be declared before the first row.
#[must_use]
pub fn streams() -> Vec<(StreamName, StreamSchema)> {
    Stream::ALL.map(|stream| (stream.stream_name(), stream.schema())).to_vec()
}
