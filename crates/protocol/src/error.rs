//! What went wrong, as clients are told: a closed set of codes, each with one HTTP status.
//!
//! An [`ApiError`] holds only what a client may read. What only the operator may read (paths, causes) is logged where it
//! is known and never put in here.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Every error code there is. On all transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is malformed.
    BadRequest,
    /// The body is not JSON.
    BadJson,
    /// The text is not SQL that is answered here.
    BadSql,
    /// A parameter is missing or mistyped.
    BadParams,
    /// The text is not a position or cursor.
    BadPosition,
    /// The text is not a channel.
    BadChannel,
    /// The text is not a time zone.
    BadTimezone,
    /// The query names a column that does not exist.
    UnknownColumn,
    /// A board or view is not as its file may be; `details.problems` names each key.
    BadDefinition,
    /// No token, or none that is known here.
    Unauthorized,
    /// The token has ended: ask again with another one.
    TokenExpired,
    /// The token was taken back.
    TokenRevoked,
    /// The page or host asking is not allowed to.
    ForbiddenOrigin,
    /// The token is not for this.
    Forbidden,
    /// It is not kept where it could be changed.
    ReadOnly,
    /// Nothing is here.
    NotFound,
    /// There is no such stream.
    UnknownStream,
    /// There is no such view.
    UnknownView,
    /// There is no such board.
    UnknownBoard,
    /// The ad-hoc query is not known, or not any more: register it again.
    UnknownQuery,
    /// There is no such subscription on this connection.
    UnknownSubscription,
    /// This path is not asked that way.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The idempotency key was used with another body.
    KeyReused,
    /// The position is of another epoch.
    OtherEpoch,
    /// The position is beyond the log's end.
    Ahead,
    /// What would be replaced is not what the change was made from; `details` has it as it is now.
    Conflict,
    /// The body is larger than allowed.
    TooLarge,
    /// The content encoding or type is not understood.
    UnsupportedType,
    /// There are as many streams as allowed.
    TooManyStreams,
    /// The query ran into a limit of time, memory or rows.
    LimitExceeded,
    /// The query failed while running.
    QueryFailed,
    /// Too much at once: come back after the time given.
    Busy,
    /// Our fault.
    Internal,
    /// Part of the contract, but not of this version.
    NotYet,
    /// The log cannot write now.
    Unavailable,
    /// Too many connections, or too many new ones: come back after the time given.
    Overloaded,
    /// The server is ending.
    ShuttingDown,
    /// The position was not reached in the time to wait.
    NotReached,
}

impl Code {
    /// Every code, in the order of the fixture.
    pub const ALL: [Self; 39] = [
        Self::BadRequest,
        Self::BadJson,
        Self::BadSql,
        Self::BadParams,
        Self::BadPosition,
        Self::BadChannel,
        Self::BadTimezone,
        Self::UnknownColumn,
        Self::BadDefinition,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::ForbiddenOrigin,
        Self::Forbidden,
        Self::ReadOnly,
        Self::NotFound,
        Self::UnknownStream,
        Self::UnknownView,
        Self::UnknownBoard,
        Self::UnknownQuery,
        Self::UnknownSubscription,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::KeyReused,
        Self::OtherEpoch,
        Self::Ahead,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedType,
        Self::TooManyStreams,
        Self::LimitExceeded,
        Self::QueryFailed,
        Self::Busy,
        Self::Internal,
        Self::NotYet,
        Self::Unavailable,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::NotReached,
    ];

    /// The HTTP status it answers with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest
            | Self::BadJson
            | Self::BadSql
            | Self::BadParams
            | Self::BadPosition
            | Self::BadChannel
            | Self::BadTimezone
            | Self::UnknownColumn
            | Self::BadDefinition => 400,
            Self::Unauthorized | Self::TokenExpired | Self::TokenRevoked => 401,
            Self::ForbiddenOrigin | Self::Forbidden | Self::ReadOnly => 403,
            Self::NotFound
            | Self::UnknownStream
            | Self::UnknownView
            | Self::UnknownBoard
            | Self::UnknownQuery
            | Self::UnknownSubscription => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::KeyReused | Self::OtherEpoch | Self::Ahead | Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedType => 415,
            Self::TooManyStreams | Self::LimitExceeded | Self::QueryFailed => 422,
            Self::Busy => 429,
            Self::Internal => 500,
            Self::NotYet => 501,
            Self::Unavailable | Self::Overloaded | Self::ShuttingDown => 503,
            Self::NotReached => 504,
        }
    }

    /// Whether the same request may succeed later, unchanged.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::Unavailable
                | Self::Overloaded
                | Self::ShuttingDown
                | Self::NotReached
                | Self::RequestTimeout
                | Self::Internal
        )
    }
}

/// An error as a client reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The code.
    pub code: Code,
    /// One sentence for a person: what is wrong and what is allowed.
    pub message: String,
    /// The same for a program: `nearest`, `line`, `column`, …
    #[serde(default)]
    pub details: Map<String, Value>,
}

impl ApiError {
    /// An error without details.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new() }
    }

    /// The same error with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// What is part of the contract, but not of this version.
    #[must_use]
    pub fn not_yet(what: &str) -> Self {
        Self::new(Code::NotYet, format!("{what} is not available yet"))
    }

    /// A name that is not known, with the known ones near it.
    #[must_use]
    pub fn unknown(code: Code, kind: &str, name: &str, nearest: Vec<String>) -> Self {
        let mut message = format!("there is no {kind} `{name}`");
        match nearest.as_slice() {
            [] => {}
            [one] => message.push_str(&format!("; did you mean `{one}`?")),
            many => {
                let names: Vec<_> = many.iter().map(|name| format!("`{name}`")).collect();
                message.push_str(&format!("; did you mean one of {}?", names.join(", ")));
            }
        }
        Self::new(code, message).with("nearest", nearest)
    }
}

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ApiError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Row {
        code: Code,
        status: u16,
        temporary: bool,
    }

    #[test]
    fn the_table_of_codes_is_the_fixture() {
        let rows: Vec<Row> = serde_json::from_str(include_str!("../fixtures/errors.json")).expect("fixture");
        let table: Vec<_> = rows.iter().map(|row| (row.code, row.status, row.temporary)).collect();
        let ours: Vec<_> = Code::ALL.iter().map(|code| (*code, code.status(), code.is_temporary())).collect();
        assert_eq!(ours, table);
    }

    #[test]
    fn an_unknown_name_names_the_nearest() {
        let error = ApiError::unknown(Code::UnknownView, "view", "ordrs", vec!["orders".to_owned()]);
        assert_eq!(error.message, "there is no view `ordrs`; did you mean `orders`?");
        let text = serde_json::to_string(&ErrorBody { error }).expect("json");
        assert!(text.starts_with(r#"{"error":{"code":"unknown_view","message":"#), "{text}");
    }
}
