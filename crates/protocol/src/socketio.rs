//! What is said over Socket.IO: the table of event names, what clients ask for, and what they are answered.
//!
//! Frames are those of the other transports. Only the envelope differs: an event's name instead of a `type`, an
//! acknowledgement instead of an `id`.

use serde::Serialize;
use serde_json::Value;

use crate::client::{ClientMessage, Subscribe, read_client_message};
use crate::error::{ApiError, Code};

/// The longest name of an event.
pub const EVENT_NAME_BYTES_MAX: usize = 64;

/// Names that a Socket.IO client keeps for itself.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// What each event is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventNames {
    /// From clients: follow a board or channels.
    pub subscribe: String,
    /// From clients: follow them no more.
    pub unsubscribe: String,
    /// The first frame of a subscription that begins.
    pub snapshot: String,
    /// Every other frame, the first one of a subscription that goes on included.
    pub update: String,
    /// The same of a subscription that collects changes.
    pub batch_update: String,
    /// What a frame before it says of the channel `alerts`, by itself.
    pub alerts: String,
    /// What was refused, where no acknowledgement can say it.
    pub error: String,
    /// The server ends.
    pub restart: String,
}

impl Default for EventNames {
    fn default() -> Self {
        Self::plain()
    }
}

impl EventNames {
    /// The names of the presets.
    pub const PRESETS: [&str; 2] = ["plain", "metrics"];

    /// The preset `plain`.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            subscribe: "subscribe".to_owned(),
            unsubscribe: "unsubscribe".to_owned(),
            snapshot: "snapshot".to_owned(),
            update: "update".to_owned(),
            batch_update: "batch-update".to_owned(),
            alerts: "alerts".to_owned(),
            error: "error".to_owned(),
            restart: "restart".to_owned(),
        }
    }

    /// The preset `metrics`: the names that many dashboards of measurements listen to.
    #[must_use]
    pub fn metrics() -> Self {
        Self {
            subscribe: "subscribe-metrics".to_owned(),
            unsubscribe: "unsubscribe-metrics".to_owned(),
            snapshot: "initial-data".to_owned(),
            update: "metrics-update".to_owned(),
            ..Self::plain()
        }
    }

    /// A preset by its name.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "plain" => Some(Self::plain()),
            "metrics" => Some(Self::metrics()),
            _ => None,
        }
    }

    /// The table: each event's key in the configuration, and its name.
    pub fn table(&mut self) -> [(&'static str, &mut String); 8] {
        [
            ("subscribe", &mut self.subscribe),
            ("unsubscribe", &mut self.unsubscribe),
            ("snapshot", &mut self.snapshot),
            ("update", &mut self.update),
            ("batch_update", &mut self.batch_update),
            ("alerts", &mut self.alerts),
            ("error", &mut self.error),
            ("restart", &mut self.restart),
        ]
    }

    /// Says what is wrong with the names together. Frames may share a name; what a client sends may not.
    ///
    /// # Errors
    /// A sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.subscribe == self.unsubscribe {
            return Err(format!("`subscribe` and `unsubscribe` are both called `{}`", self.subscribe));
        }
        Ok(())
    }
}

/// Says what is wrong with the name of an event.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn check_event_name(name: &str) -> Result<(), String> {
    if RESERVED.contains(&name) {
        return Err(format!("`{name}` is a name that Socket.IO clients keep for themselves"));
    }
    if name.is_empty() || name.len() > EVENT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(format!("a name of an event is a text of 1 to {EVENT_NAME_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// The channel that a text means: one is written with its kind (`view:a`, `alerts`), a board may be named alone.
fn channel_of(text: &str) -> String {
    let (name, _) = text.split_once('?').unwrap_or((text, ""));
    let is_channel = text.contains(':') || matches!(name, "alerts" | "system");
    if is_channel { text.to_owned() } else { format!("board:{text}") }
}

/// Reads what came with a `subscribe`: a channel, a board, a list of them, or an object as on WebSocket.
///
/// # Errors
/// [`Code::BadRequest`] that says what is allowed.
pub fn read_subscribe(argument: Value) -> Result<Subscribe, ApiError> {
    match read(argument, "subscribe")? {
        ClientMessage::Subscribe(subscribe) => Ok(subscribe),
        _ => Err(ApiError::new(Code::BadRequest, "not a subscription")),
    }
}

/// Reads what came with an `unsubscribe`: a channel, a board, or `{sub}`; gives the number or the channel.
///
/// # Errors
/// [`Code::BadRequest`] that says what is allowed.
pub fn read_unsubscribe(argument: Value) -> Result<(Option<u32>, Option<String>), ApiError> {
    match read(argument, "unsubscribe")? {
        ClientMessage::Unsubscribe { sub, channel } => Ok((sub, channel)),
        _ => Err(ApiError::new(Code::BadRequest, "not the end of a subscription")),
    }
}

fn read(argument: Value, kind: &str) -> Result<ClientMessage, ApiError> {
    let mut message = match argument {
        Value::Object(members) => members,
        Value::String(text) => [("channel".to_owned(), channel_of(&text).into())].into_iter().collect(),
        Value::Array(names) => {
            let names = names.into_iter().map(|name| match name {
                Value::String(text) => channel_of(&text).into(),
                other => other,
            });
            [("channels".to_owned(), Value::Array(names.collect()))].into_iter().collect()
        }
        _ => {
            let message = format!("`{kind}` takes a board, a channel, a list of channels, or an object");
            return Err(ApiError::new(Code::BadRequest, message));
        }
    };
    if let Some(board) = message.remove("board") {
        let Value::String(board) = board else {
            return Err(ApiError::new(Code::BadRequest, "`board` is the name of a board"));
        };
        if message.contains_key("channel") {
            return Err(ApiError::new(Code::BadRequest, "name either `board` or `channel`"));
        }
        message.insert("channel".to_owned(), format!("board:{board}").into());
    }
    // An acknowledgement needs no id, and the event says what it is.
    message.remove("id");
    message.insert("type".to_owned(), kind.into());
    read_client_message(&Value::Object(message).to_string()).map(|read| read.body).map_err(|refused| refused.body)
}

/// One channel of several that was refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RefusedChannel {
    /// As the client wrote it.
    pub channel: String,
    /// Why.
    pub error: ApiError,
}

/// What an acknowledgement says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SocketAnswer {
    /// A subscription begins.
    Subscribed {
        /// Its number on this connection, from 1.
        sub: u32,
        /// Its channels in their canonical form.
        channels: Vec<String>,
        /// Where it stands after its first frame.
        cursor: String,
        /// Whether it goes on where the client was, without any reset or snapshot.
        resumed: bool,
        /// The channels that are not in it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        refused: Vec<RefusedChannel>,
    },
    /// A subscription has ended.
    Ended {
        /// Its number.
        sub: u32,
    },
    /// Nothing was done.
    Error {
        /// Why.
        error: ApiError,
        /// The channels that were asked for, if each has a reason of its own.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        refused: Vec<RefusedChannel>,
    },
}

/// What the event `error` says, where no acknowledgement was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SocketError {
    /// Which channel it is about, as the client wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What.
    pub error: ApiError,
}

/// What the event `restart` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Restarting {
    /// Come back after so long.
    pub after_ms: u64,
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        presets: serde_json::Map<String, Value>,
        subscribe: Vec<Read>,
        unsubscribe: Vec<Left>,
        bad: Vec<Value>,
        answers: Vec<Value>,
    }

    #[derive(Deserialize)]
    struct Read {
        argument: Value,
        channels: Vec<String>,
        since: Option<String>,
        batch_ms: Option<u64>,
    }

    #[derive(Deserialize)]
    struct Left {
        argument: Value,
        sub: Option<u32>,
        channel: Option<String>,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../fixtures/socketio.json")).expect("fixture")
    }

    #[test]
    fn presets_are_those_of_the_fixture() {
        let fixture = fixture();
        assert_eq!(fixture.presets.len(), EventNames::PRESETS.len());
        for name in EventNames::PRESETS {
            let mut names = EventNames::preset(name).expect("a preset");
            assert_eq!(serde_json::to_value(&names).expect("json"), fixture.presets[name]);
            names.check().expect("a good table");
            for (key, name) in names.table() {
                check_event_name(name).unwrap_or_else(|what| panic!("{key}: {what}"));
            }
        }
        assert_eq!(EventNames::preset("other"), None);
        let same = EventNames { unsubscribe: "subscribe".to_owned(), ..EventNames::plain() };
        assert!(same.check().is_err());
        for bad in ["connect", "disconnect", "", "a\nb", &"x".repeat(EVENT_NAME_BYTES_MAX + 1)] {
            assert!(check_event_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_clients_ask_for_is_read_as_in_the_fixture() {
        let fixture = fixture();
        for good in fixture.subscribe {
            let read = read_subscribe(good.argument).expect("a good subscription");
            let (channels, since, batch_ms) = (read.channels, read.since, read.pace.batch_ms);
            assert_eq!((channels, since, batch_ms), (good.channels, good.since, good.batch_ms));
        }
        for good in fixture.unsubscribe {
            assert_eq!(read_unsubscribe(good.argument), Ok((good.sub, good.channel)));
        }
        for bad in fixture.bad {
            for error in [read_subscribe(bad.clone()).err(), read_unsubscribe(bad.clone()).err()] {
                assert_eq!(error.map(|error| error.code), Some(Code::BadRequest), "{bad}");
            }
        }
    }

    #[test]
    fn answers_are_as_in_the_fixture() {
        let unknown = || ApiError::unknown(Code::UnknownView, "view", "ordrs", vec!["orders".to_owned()]);
        let refused = || vec![RefusedChannel { channel: "view:ordrs".to_owned(), error: unknown() }];
        let subscribed = |refused| SocketAnswer::Subscribed {
            sub: 1,
            channels: vec!["view:a".to_owned()],
            cursor: "00000000000000ab:42:1700000000123456~000000010000000200000003".to_owned(),
            resumed: false,
            refused,
        };
        let answers = [
            subscribed(Vec::new()),
            subscribed(refused()),
            SocketAnswer::Ended { sub: 1 },
            SocketAnswer::Error { error: ApiError::new(Code::UnknownSubscription, "no"), refused: Vec::new() },
            SocketAnswer::Error { error: unknown(), refused: refused() },
        ];
        let answers = answers.iter().map(|answer| serde_json::to_value(answer).expect("json"));
        let events = [
            serde_json::to_value(SocketError { channel: Some("view:ordrs".to_owned()), error: unknown() }),
            serde_json::to_value(Restarting { after_ms: 612 }),
        ];
        let ours: Vec<Value> = answers.chain(events.map(|event| event.expect("json"))).collect();
        assert_eq!(ours, fixture().answers);
    }
}
