//! Changes of boards and views, as orders to whoever keeps their files.
//!
//! The gateway reads no file and writes none: it hands an order over and says what came of it. All orders are done one
//! after the other, by the same that looks whether files changed.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use pulseboard_protocol::http::ProblemAnswer;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::board::Board;
use crate::catalog::NamedView;
use crate::names::Kept;

/// Orders that may wait; one more is refused as busy.
const ORDERS_MAX: usize = 16;

/// What a definition is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A board.
    Board,
    /// A view.
    View,
}

/// A definition as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// As `GET` gives it.
    Json(Value),
    /// As its file has it.
    Toml(String),
}

/// What must be there for the change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expects {
    /// Whatever is there.
    Anything,
    /// Nothing: it is to be new.
    Nothing,
    /// A file with this hash.
    Hash(String),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum FileAction {
    /// Write it.
    Put {
        /// What it is.
        content: Content,
        /// What it was called so far, if it gets another name.
        rename_from: Option<String>,
        /// Whether it is only looked at, and nothing written.
        dry_run: bool,
    },
    /// Remove it.
    Delete,
}

/// A change of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileChange {
    /// What it is of.
    pub kind: Kind,
    /// The name of the board or view.
    pub name: String,
    /// What is to be done.
    pub action: FileAction,
    /// What must be there.
    pub expects: Expects,
}

/// A definition as it is kept after the change.
#[derive(Debug, Clone)]
pub struct Saved {
    /// What it is.
    pub saved: SavedAs,
    /// Where it is kept.
    pub kept: Kept,
    /// Whether it was not there before.
    pub created: bool,
}

/// A board or a view.
#[derive(Debug, Clone)]
pub enum SavedAs {
    /// A board.
    Board(Box<Board>),
    /// A view.
    View(Box<NamedView>),
}

/// Why a change was not made.
#[derive(Debug, Clone)]
pub enum FileError {
    /// There is none of this name.
    Unknown,
    /// It is not kept where it could be changed, and why.
    ReadOnly(String),
    /// What is there is something else than expected.
    Conflict {
        /// One sentence.
        message: String,
        /// What is there, if it can be read.
        current: Option<Box<Saved>>,
        /// Hash of what is there, if there is a file.
        hash: Option<String>,
    },
    /// It is not as such a file may be.
    Bad(Vec<ProblemAnswer>),
    /// The file cannot be written; only the operator may read why.
    Failed(String),
    /// Too many changes wait.
    Busy,
    /// The server is ending.
    Ending,
}

/// An order, and where its outcome goes. Nothing is left of a removed definition.
#[derive(Debug)]
pub struct FileOrder {
    /// What is to be done.
    pub change: FileChange,
    /// Who waits for it. Whoever has gone away is not waited for.
    pub reply: oneshot::Sender<Result<Option<Saved>, FileError>>,
}

/// Where orders arrive.
pub type FileOrders = Receiver<FileOrder>;

/// Where orders are given. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DefinitionFiles(SyncSender<FileOrder>);

impl DefinitionFiles {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, FileOrders) {
        // Nobody waits for room: a full queue is said to whoever asks.
        let (sender, orders) = sync_channel(ORDERS_MAX);
        (Self(sender), orders)
    }

    /// Has a change made, and waits for what came of it.
    pub(crate) async fn change(&self, change: FileChange) -> Result<Option<Saved>, FileError> {
        let (reply, outcome) = oneshot::channel();
        self.0.try_send(FileOrder { change, reply }).map_err(|error| match error {
            TrySendError::Full(_) => FileError::Busy,
            TrySendError::Disconnected(_) => FileError::Ending,
        })?;
        outcome.await.unwrap_or(Err(FileError::Ending))
    }
}
