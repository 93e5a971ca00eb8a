//! How much of the archive's files was read: for `/metrics`, and for tests of what need not be read. Counts only.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one archive.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    groups_read: AtomicU64,
    groups_ruled_out: AtomicU64,
    rows_read: AtomicU64,
}

/// What was read of an archive's files since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveFigures {
    /// Row groups that rows were read of.
    pub groups_read: u64,
    /// Row groups that a look-up of a value ruled out before any row was read.
    pub groups_ruled_out: u64,
    /// Rows that were read, as far as they were selected.
    pub rows_read: u64,
}

impl Figures {
    /// Rows of a group are read.
    pub(crate) fn read(&self, rows: usize) {
        self.groups_read.fetch_add(1, Ordering::Relaxed);
        self.rows_read.fetch_add(rows as u64, Ordering::Relaxed);
        metrics::counter!("pulseboard_archive_row_groups_read_total").increment(1);
        metrics::counter!("pulseboard_archive_rows_read_total").increment(rows as u64);
    }

    /// A look-up ruled groups out.
    pub(crate) fn ruled_out(&self, groups: usize) {
        if groups > 0 {
            self.groups_ruled_out.fetch_add(groups as u64, Ordering::Relaxed);
            metrics::counter!("pulseboard_archive_row_groups_ruled_out_total").increment(groups as u64);
        }
    }

    pub(crate) fn now(&self) -> ArchiveFigures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ArchiveFigures {
            groups_read: of(&self.groups_read),
            groups_ruled_out: of(&self.groups_ruled_out),
            rows_read: of(&self.rows_read),
        }
    }
}
