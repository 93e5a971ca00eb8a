//! Why a measurement could not be made.

use std::net::SocketAddr;
use std::path::PathBuf;

use pulseboard_live::QueryError;
use tokio_tungstenite::tungstenite;

/// A measurement that failed. Missing a target is a result, not an error.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The URL cannot be used.
    #[error("`{url}` is not a server's URL: {reason}; expected `http://HOST:PORT`")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server is somewhere else, perhaps somebody else's.
    #[error(
        "`{url}` is at {address}, not on this machine; a bench loads a server to its limits and writes events into it: \
         pass `--i-own-this-server` if that is yours to do"
    )]
    NotLoopback {
        /// As given.
        url: String,
        /// Where it leads.
        address: SocketAddr,
    },
    /// Nobody listens there.
    #[error("connecting to {address}: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A connection broke, or the system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The server refused a request that a bench needs.
    #[error("the server answered {status} to {what}: {body}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// The answer is none that this client understands.
    #[error("the server's answer cannot be read: {0}")]
    BadAnswer(String),
    /// It can be read, and is not what it must be.
    #[error("the server's answer is wrong: {0}")]
    WrongAnswer(String),
    /// A WebSocket failed.
    #[error("{what} over WebSocket: {source}")]
    WebSocket {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: Box<tungstenite::Error>,
    },
    /// Something expected did not come.
    #[error("{what} did not happen within {limit_s} s")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit_s: u64,
    },
    /// The server to be measured did not start or ended.
    #[error("the server `{binary}` {what}; it said: {said}")]
    Server {
        /// Which program.
        binary: PathBuf,
        /// What happened.
        what: String,
        /// The end of its error output.
        said: String,
    },
    /// The engine refused a query of the bench.
    #[error("the engine: {0}")]
    Engine(#[from] QueryError),
    /// The past that is to be asked about could not be written.
    #[error("writing the history: {0}")]
    History(String),
    /// It would not fit.
    #[error(
        "the history takes about {needed_mb} MB, and `{directory}` has {free_mb} MB free: ask for fewer `--rows`, or choose another `--data-dir`"
    )]
    NoRoom {
        /// Where it should go.
        directory: PathBuf,
        /// What it takes while it is written, about.
        needed_mb: u64,
        /// What there is.
        free_mb: u64,
    },
    /// There is no place for another connection now.
    #[error("the server is full and asks to come back after {after_ms} ms")]
    Full {
        /// When to come back.
        after_ms: u64,
    },
    /// A thread of the generator ended without an answer.
    #[error("the load generator ended early")]
    GeneratorEnded,
}

impl BenchError {
    /// For `map_err`: an I/O error with what was being done.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// The server has no place for another connection.
    pub(crate) fn full(after_s: Option<u64>) -> Self {
        Self::Full { after_ms: after_s.unwrap_or(1).min(10) * 1_000 }
    }

    /// For `map_err`: a WebSocket error with what was being done.
    pub(crate) fn web_socket(what: &'static str) -> impl FnOnce(tungstenite::Error) -> Self {
        move |source| Self::WebSocket { what, source: Box::new(source) }
    }
}
