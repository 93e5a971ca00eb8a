//! What the server says over WebSocket besides frames: `subscribed`, `ack`, `authenticated`, `error`, `pong`, `expired`.

use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;
use crate::http::RowError;

/// An answer. Every one echoes the `id` of what it answers, if there was one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// A subscription stands. Its first frame follows directly; `cursor` is that of the state after this frame.
    Subscribed {
        /// The client's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// Its number on this connection, from 1.
        sub: u32,
        /// Its channels in their canonical form; those that were refused are missing.
        channels: Vec<String>,
        /// Where it stands after its first frame.
        cursor: String,
        /// Whether it goes on where the client was, without any reset or snapshot.
        resumed: bool,
    },
    /// A publish or an unsubscribe was done.
    Ack {
        /// The client's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// For an unsubscribe: which subscription ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        sub: Option<u32>,
        /// For a publish: what became of it.
        #[serde(flatten)]
        published: Option<Published>,
    },
    /// Something was refused or failed. The connection goes on.
    Error {
        /// The client's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// Which channel it is about, as the client wrote it.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
        /// What.
        error: ApiError,
    },
    /// The new token holds for this connection.
    Authenticated {
        /// The client's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// When it ends, µs UTC; null if it does not.
        expires: Option<i64>,
    },
    /// The connection's token has ended: without another one by `auth` it is closed after `grace_ms`.
    Expired {
        /// How long is left.
        grace_ms: u64,
    },
    /// The answer to a `ping`.
    Pong {
        /// The client's id.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
        /// The server's wall clock, µs UTC.
        time: i64,
    },
}

/// What became of published events. The same members as the answer of a POST.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Published {
    /// How many events are durable now.
    pub accepted: u64,
    /// How many were refused.
    pub rejected: u64,
    /// The first of the refused ones.
    pub errors: Vec<RowError>,
    /// Includes the last event.
    pub position: String,
}

impl ServerMessage {
    /// The JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("answers have text keys only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn answers_are_as_in_the_fixture() {
        let answers = [
            ServerMessage::Subscribed {
                id: Some(1.into()),
                sub: 1,
                channels: vec!["view:a".to_owned()],
                cursor: "00000000000000ab:42:1700000000123456~000000010000000200000003".to_owned(),
                resumed: false,
            },
            ServerMessage::Ack { id: Some("x".into()), sub: Some(1), published: None },
            ServerMessage::Ack {
                id: Some(3.into()),
                sub: None,
                published: Some(Published {
                    accepted: 1,
                    rejected: 1,
                    errors: vec![RowError { row: 2, field: Some("total".to_owned()), reason: "not an int".to_owned() }],
                    position: "00000000000000ab:43:1700000000123456".to_owned(),
                }),
            },
            ServerMessage::Error {
                id: Some(1.into()),
                channel: Some("view:ordrs".to_owned()),
                error: ApiError::unknown(Code::UnknownView, "view", "ordrs", vec!["orders".to_owned()]),
            },
            ServerMessage::Authenticated { id: Some(4.into()), expires: Some(1_700_000_900_000_000) },
            ServerMessage::Expired { grace_ms: 30_000 },
            ServerMessage::Pong { id: None, time: 1_700_000_000_123_456 },
        ];
        let fixture: Vec<Value> =
            serde_json::from_str(include_str!("../fixtures/server_messages.json")).expect("fixture");
        let ours: Vec<Value> =
            answers.iter().map(|answer| serde_json::from_str(&answer.to_json()).expect("json")).collect();
        assert_eq!(ours, fixture);
    }
}
