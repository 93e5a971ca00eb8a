//! What a client sends over WebSocket: subscribe, unsubscribe, publish, auth, ping.
//!
//! Reading never fails silently: a message that is not understood is an [`ApiError`] with the client's `id`, if one could
//! be read. Fields that are not known are ignored, so that newer clients can talk to older servers.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::auth::Secret;
use crate::channel::LAST_ROWS_MAX;
use crate::error::{ApiError, Code};

/// The most channels of one subscription.
pub const CHANNELS_MAX: usize = 256;

/// The longest that a subscription may ask frames to be collected.
pub const BATCH_MS_MAX: u64 = 60_000;

/// How often a subscription wants frames.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    /// At most so many frames a second; fractions are allowed.
    pub max_hz: Option<f64>,
    /// Collect changes for so long before a frame leaves.
    pub batch_ms: Option<u64>,
}

impl Pace {
    /// Checks what a client asked for.
    ///
    /// # Errors
    /// [`Code::BadRequest`] that says what is allowed.
    pub fn new(max_hz: Option<f64>, batch_ms: Option<u64>) -> Result<Self, ApiError> {
        if max_hz.is_some_and(|hz| !(hz.is_finite() && (0.000_1..=1_000.0).contains(&hz))) {
            return Err(ApiError::new(Code::BadRequest, "`max_hz` is a number from 0.0001 to 1000"));
        }
        if batch_ms.is_some_and(|ms| ms > BATCH_MS_MAX) {
            return Err(ApiError::new(Code::BadRequest, format!("`batch_ms` is a number from 0 to {BATCH_MS_MAX}")));
        }
        Ok(Self { max_hz, batch_ms })
    }

    /// The slower of the two in each regard.
    #[must_use]
    pub fn slower(self, other: Self) -> Self {
        let max_hz = match (self.max_hz, other.max_hz) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { max_hz, batch_ms: self.batch_ms.max(other.batch_ms) }
    }
}

/// A wish to follow channels as one subscription.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// The channels, as given; each is parsed by itself, so that a bad one does not stop the others.
    pub channels: Vec<String>,
    /// A cursor or a position to go on from.
    pub since: Option<String>,
    /// How often.
    pub pace: Pace,
    /// For tails joined afresh: how many of the newest rows to start with.
    pub last: Option<u32>,
    /// The zone that views are asked in, if not their own.
    pub timezone: Option<String>,
}

/// What a client says.
#[derive(Debug, Clone)]
pub enum ClientMessage {
    /// Follow channels.
    Subscribe(Subscribe),
    /// End a whole subscription, by its number or by one of its channels.
    Unsubscribe {
        /// Its number.
        sub: Option<u32>,
        /// Or one of its channels.
        channel: Option<String>,
    },
    /// Send events to a stream.
    Publish {
        /// Which stream.
        stream: String,
        /// An object or an array of objects, as it was sent.
        events: Box<RawValue>,
        /// Makes a retry safe.
        key: Option<String>,
    },
    /// Goes on with another token.
    Auth {
        /// The token.
        token: Secret,
    },
    /// Asks for a `pong`.
    Ping,
}

/// A message with its id, which the answer echoes.
#[derive(Debug, Clone)]
pub struct Tagged<T> {
    /// A number or a text of the client's choice.
    pub id: Option<Value>,
    /// The rest.
    pub body: T,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<Value>,
    channel: Option<String>,
    channels: Option<Vec<String>>,
    since: Option<String>,
    max_hz: Option<f64>,
    batch_ms: Option<u64>,
    last: Option<u32>,
    timezone: Option<String>,
    sub: Option<u32>,
    stream: Option<String>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    key: Option<String>,
    token: Option<Secret>,
}

#[derive(Deserialize)]
struct OnlyId {
    id: Option<Value>,
}

/// Reads a message.
///
/// # Errors
/// The error to answer with, and the id if there was one.
pub fn read_client_message(text: &str) -> Result<Tagged<ClientMessage>, Tagged<ApiError>> {
    // A list would be read as the members in their order here.
    if text.trim_ascii_start().starts_with('[') {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        let code = if is_json { Code::BadRequest } else { Code::BadJson };
        return Err(Tagged { id: None, body: ApiError::new(code, "not a message: a message is a JSON object") });
    }
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|error| {
        let id = serde_json::from_str::<OnlyId>(text).ok().and_then(|only| only.id).filter(is_id);
        let code = if error.is_data() { Code::BadRequest } else { Code::BadJson };
        Tagged { id, body: ApiError::new(code, format!("not a message: {error}")) }
    })?;
    let id = wire.id.clone();
    if id.as_ref().is_some_and(|id| !is_id(id)) {
        return Err(Tagged { id: None, body: ApiError::new(Code::BadRequest, "`id` is a number or a short text") });
    }
    match read_body(wire) {
        Ok(body) => Ok(Tagged { id, body }),
        Err(body) => Err(Tagged { id, body }),
    }
}

/// Ids come back in every answer, so they stay small.
fn is_id(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= 64,
        _ => false,
    }
}

fn read_body(wire: Wire<'_>) -> Result<ClientMessage, ApiError> {
    let bad = |message: &str| ApiError::new(Code::BadRequest, message);
    match wire.kind.as_deref() {
        Some("subscribe") => {
            let channels = match (wire.channels, wire.channel) {
                (Some(channels), None) => channels,
                (None, Some(channel)) => vec![channel],
                _ => return Err(bad("`subscribe` needs either `channels` (a list of texts) or `channel` (one text)")),
            };
            if channels.is_empty() || channels.len() > CHANNELS_MAX {
                return Err(bad(&format!("`channels` names 1 to {CHANNELS_MAX} channels")));
            }
            if wire.last.is_some_and(|last| last > LAST_ROWS_MAX) {
                return Err(bad(&format!("`last` is a number from 0 to {LAST_ROWS_MAX}")));
            }
            let pace = Pace::new(wire.max_hz, wire.batch_ms)?;
            Ok(ClientMessage::Subscribe(Subscribe {
                channels,
                since: wire.since,
                pace,
                last: wire.last,
                timezone: wire.timezone,
            }))
        }
        Some("unsubscribe") => match (wire.sub, wire.channel) {
            (None, None) => Err(bad("`unsubscribe` needs `sub` (its number) or `channel` (one of its channels)")),
            (sub, channel) => Ok(ClientMessage::Unsubscribe { sub, channel }),
        },
        Some("publish") => match (wire.stream, wire.events) {
            (Some(stream), Some(events)) => {
                Ok(ClientMessage::Publish { stream, events: events.to_owned(), key: wire.key })
            }
            _ => Err(bad("`publish` needs `stream` (its name) and `events` (an object or an array of objects)")),
        },
        Some("ping") => Ok(ClientMessage::Ping),
        Some("auth") => match wire.token {
            Some(token) => Ok(ClientMessage::Auth { token }),
            None => Err(bad("`auth` needs `token` (a text)")),
        },
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(bad(&format!("`{other}` is not a message: use subscribe, unsubscribe, publish, auth or ping")))
        }
        None => Err(bad("a message has a `type`: subscribe, unsubscribe, publish, auth or ping")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        good: Vec<Good>,
        bad: Vec<Bad>,
    }

    #[derive(Deserialize)]
    struct Good {
        text: String,
        kind: String,
    }

    #[derive(Deserialize)]
    struct Bad {
        text: String,
        code: Code,
        id: Option<Value>,
    }

    #[test]
    fn messages_are_read_or_answered_with_their_id() {
        let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/client_messages.json")).expect("fixture");
        for good in fixture.good {
            let kind = match read_client_message(&good.text).expect("a good message").body {
                ClientMessage::Subscribe(_) => "subscribe",
                ClientMessage::Unsubscribe { .. } => "unsubscribe",
                ClientMessage::Publish { .. } => "publish",
                ClientMessage::Auth { .. } => "auth",
                ClientMessage::Ping => "ping",
            };
            assert_eq!(kind, good.kind, "{}", good.text);
        }
        for bad in fixture.bad {
            let error = read_client_message(&bad.text).expect_err("a bad message");
            assert_eq!((error.body.code, error.id), (bad.code, bad.id), "{}", bad.text);
        }
    }

    #[test]
    fn events_keep_their_digits() {
        let text = r#"{"type":"publish","stream":"s","events":[{"total":10.10}]}"#;
        let ClientMessage::Publish { events, .. } = read_client_message(text).expect("message").body else {
            panic!("not a publish");
        };
        assert_eq!(events.get(), r#"[{"total":10.10}]"#);
    }

    proptest! {
        #[test]
        fn any_text_gets_an_answer(text in ".{0,200}") {
            if let Err(error) = read_client_message(&text) {
                prop_assert!(!error.body.message.is_empty());
            }
        }

        #[test]
        fn near_messages_get_an_answer(kind in "(subscribe|unsubscribe|publish|ping|x)", field in "(id|channels|channel|since|max_hz|batch_ms|last|sub|stream|events)", value in "(null|1|-1|1e999|\"x\"|\\[\\]|\\{\\}|\\[1\\]|true|\"view:a\")") {
            let text = format!(r#"{{"type":"{kind}","{field}":{value}}}"#);
            if let Err(error) = read_client_message(&text) {
                prop_assert!(!error.body.message.is_empty());
            }
        }
    }
}
