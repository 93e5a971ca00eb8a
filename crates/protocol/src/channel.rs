//! Channel names: what a client subscribes to, read from text and written in one canonical form.
//!
//! `view:NAME?symbol=NVDA`, `board:NAME?var=…`, `stream:NAME`, `sql:<hash>`, `alerts`, `system`. Parameters are sorted by
//! name and percent-encoded, so equal channels are equal texts.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use pulseboard_model::ids::check_name;
use pulseboard_model::{StreamName, ViewName};

/// The longest channel name, in bytes.
pub const CHANNEL_BYTES_MAX: usize = 2_048;

/// The most parameters of one channel.
pub const PARAMS_MAX: usize = 32;

/// The most rows a fresh tail may ask for with `last=n`.
pub const LAST_ROWS_MAX: u32 = 10_000;

/// What stays as it is: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A channel, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// A saved view with its parameters.
    View {
        /// The view.
        name: ViewName,
        /// Its parameters, without the `$`.
        params: BTreeMap<String, String>,
    },
    /// All panels of a board at one position.
    Board {
        /// The board.
        name: String,
        /// Its variables.
        vars: BTreeMap<String, String>,
    },
    /// The tail of a stream.
    Stream {
        /// The stream.
        name: StreamName,
        /// How many of the newest rows a fresh join starts with.
        last: Option<u32>,
    },
    /// An ad-hoc query, by the hash that `POST /api/v1/live/queries` gave.
    Sql(String),
    /// The tail of all alerts.
    Alerts {
        /// How many of the newest a fresh join starts with.
        last: Option<u32>,
    },
    /// Pulseboard's own figures.
    System,
}

/// Why a text is not a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{channel}` is not a channel: {reason}")]
pub struct InvalidChannel {
    /// The text as it was given, shortened.
    pub channel: String,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl Channel {
    /// The name after the colon, without parameters: what `?events=named` calls the event.
    #[must_use]
    pub fn short_name(&self) -> &str {
        match self {
            Self::View { name, .. } => name.as_str(),
            Self::Board { name, .. } => name,
            Self::Stream { name, .. } => name.as_str(),
            Self::Sql(hash) => hash,
            Self::Alerts { .. } => "alerts",
            Self::System => "system",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::View { name, params } => {
                write!(f, "view:{name}")?;
                write_params(f, params)
            }
            Self::Board { name, vars } => {
                write!(f, "board:{name}")?;
                write_params(f, vars)
            }
            Self::Stream { name, last: None } => write!(f, "stream:{name}"),
            Self::Stream { name, last: Some(last) } => write!(f, "stream:{name}?last={last}"),
            Self::Sql(hash) => write!(f, "sql:{hash}"),
            Self::Alerts { last: None } => f.write_str("alerts"),
            Self::Alerts { last: Some(last) } => write!(f, "alerts?last={last}"),
            Self::System => f.write_str("system"),
        }
    }
}

fn write_params(f: &mut fmt::Formatter<'_>, params: &BTreeMap<String, String>) -> fmt::Result {
    for (i, (name, value)) in params.iter().enumerate() {
        let separator = if i == 0 { '?' } else { '&' };
        write!(f, "{separator}{}={}", utf8_percent_encode(name, ENCODED), utf8_percent_encode(value, ENCODED))?;
    }
    Ok(())
}

impl FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(text: &str) -> Result<Self, InvalidChannel> {
        parse(text).map_err(|reason| InvalidChannel { channel: text.chars().take(120).collect(), reason })
    }
}

fn parse(text: &str) -> Result<Channel, String> {
    if text.len() > CHANNEL_BYTES_MAX {
        return Err(format!("it is longer than {CHANNEL_BYTES_MAX} bytes"));
    }
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let mut params = parse_params(query)?;
    let (kind, name) = path.split_once(':').unwrap_or((path, ""));
    let channel = match kind {
        "view" => {
            let name = ViewName::new(name).map_err(|error| error.to_string())?;
            return Ok(Channel::View { name, params });
        }
        "board" => {
            check_name("board", name).map_err(|error| error.to_string())?;
            return Ok(Channel::Board { name: name.to_owned(), vars: params });
        }
        "stream" => {
            let name = StreamName::new(name).map_err(|error| error.to_string())?;
            let last = params.remove("last").map(|text| parse_last(&text)).transpose()?;
            Channel::Stream { name, last }
        }
        "sql" => {
            let ok = (8..=64).contains(&name.len()) && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !ok {
                return Err("after `sql:` comes the hash that POST /api/v1/live/queries gave".to_owned());
            }
            Channel::Sql(name.to_owned())
        }
        "alerts" if path == "alerts" => {
            let last = params.remove("last").map(|text| parse_last(&text)).transpose()?;
            Channel::Alerts { last }
        }
        "system" if path == "system" => Channel::System,
        _ => return Err("use view:NAME, board:NAME, stream:NAME, sql:HASH, alerts or system".to_owned()),
    };
    match params.keys().next() {
        None => Ok(channel),
        Some(name) => Err(format!("it takes no parameter `{name}`")),
    }
}

fn parse_last(text: &str) -> Result<u32, String> {
    let last = text.parse().ok().filter(|last| *last <= LAST_ROWS_MAX);
    last.ok_or_else(|| format!("`last` is a number from 0 to {LAST_ROWS_MAX}"))
}

fn parse_params(query: &str) -> Result<BTreeMap<String, String>, String> {
    let mut params = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is not name=value"))?;
        let name = decode(name)?;
        if params.len() == PARAMS_MAX {
            return Err(format!("it has more than {PARAMS_MAX} parameters"));
        }
        if name.is_empty() {
            return Err("a parameter has no name".to_owned());
        }
        if params.insert(name.clone(), decode(value)?).is_some() {
            return Err(format!("parameter `{name}` is given twice"));
        }
    }
    Ok(params)
}

fn decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| format!("`{text}` is not percent-encoded UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Fixture {
        good: Vec<Good>,
        bad: Vec<String>,
    }

    #[derive(serde::Deserialize)]
    struct Good {
        text: String,
        canonical: String,
        short_name: String,
    }

    #[test]
    fn channels_have_one_canonical_form() {
        let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/channels.json")).expect("fixture");
        for good in fixture.good {
            let channel: Channel = good.text.parse().expect("a good channel");
            assert_eq!(channel.to_string(), good.canonical);
            assert_eq!(channel.short_name(), good.short_name);
            assert_eq!(good.canonical.parse(), Ok(channel), "the canonical form reads back");
        }
        for bad in fixture.bad {
            assert!(bad.parse::<Channel>().is_err(), "{bad}");
        }
    }
}
