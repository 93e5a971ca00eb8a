//! What can go wrong with the archive, in words for a person. Secrets of an object store are in none of them.

use pulseboard_journal::LogError;

/// The archive could not be opened, written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Where it lies cannot be understood.
    #[error("`{url}` is no place for an archive: {reason}")]
    BadUrl {
        /// As configured.
        url: String,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// The disk or the object store failed.
    #[error("{context}: {message}")]
    Io {
        /// What was being done.
        context: String,
        /// What the system said.
        message: String,
    },
    /// A file is not what was written.
    #[error("archive file `{file}` is damaged: {what}")]
    Corrupt {
        /// Its name within the archive.
        file: String,
        /// What was found.
        what: String,
    },
    /// A file is not there.
    #[error("archive file `{file}` is not found")]
    Missing {
        /// Its name within the archive.
        file: String,
    },
    /// What is there belongs to another log, or another server writes it.
    #[error("the archive is not used: {0}")]
    NotOurs(String),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Rows could not be brought into the form they are kept in.
    #[error("rows could not be converted: {0}")]
    Rows(String),
    /// The server ends.
    #[error("the archive is closing")]
    Closing,
}

impl ArchiveError {
    /// A failure of the disk or the object store.
    pub(crate) fn io(context: impl Into<String>, error: &dyn std::fmt::Display) -> Self {
        Self::Io { context: context.into(), message: error.to_string() }
    }

    /// A file that is not what was written.
    pub(crate) fn corrupt(file: &str, what: impl std::fmt::Display) -> Self {
        Self::Corrupt { file: file.to_owned(), what: what.to_string() }
    }
}

impl From<arrow::error::ArrowError> for ArchiveError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Rows(error.to_string())
    }
}
