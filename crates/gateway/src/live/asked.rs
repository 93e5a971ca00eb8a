//! What a URL asks for: the query of SSE and of polls, read by one reader.

use std::time::Duration;

use pulseboard_protocol::Pace;
use pulseboard_protocol::channel::LAST_ROWS_MAX;
use pulseboard_protocol::error::{ApiError, Code};

use crate::query::wait_of;

/// The most channels of a request.
const CHANNELS_MAX: usize = 256;

/// What a request wants to follow, and how.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) channels: Vec<String>,
    pub(super) since: Option<String>,
    pub(super) pace: Pace,
    pub(super) last: Option<u32>,
    pub(super) timezone: Option<String>,
    /// Each change as an event of its own.
    pub(super) named: bool,
    /// How long to wait for a change.
    pub(super) wait: Option<Duration>,
}

/// Reads the query; unlike a map it may name `channel` many times.
pub(super) fn read_query(query: &str) -> Result<Asked, ApiError> {
    let bad = |message: String| ApiError::new(Code::BadRequest, message);
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query).map_err(|error| bad(format!("the query cannot be read: {error}")))?;
    let mut asked = Asked::default();
    let (mut max_hz, mut batch_ms) = (None, None);
    for (key, value) in pairs {
        let number = || bad(format!("`{key}` must be a number, not `{value}`"));
        match key.as_str() {
            "channel" => asked.channels.push(value),
            "since" => asked.since = Some(value),
            "max_hz" => max_hz = Some(value.parse().map_err(|_| number())?),
            "batch_ms" => batch_ms = Some(value.parse().map_err(|_| number())?),
            "last" => asked.last = Some(value.parse().map_err(|_| number())?),
            "timezone" => asked.timezone = Some(value),
            "wait" => asked.wait = wait_of(Some(&value))?,
            "events" if value == "named" => asked.named = true,
            "events" => return Err(bad(format!("`events` can only be `named`, not `{value}`"))),
            // Caches are often defeated by a parameter that means nothing.
            _ => {}
        }
    }
    asked.pace = Pace::new(max_hz, batch_ms)?;
    if asked.last.is_some_and(|last| last > LAST_ROWS_MAX) {
        return Err(bad(format!("`last` is a number from 0 to {LAST_ROWS_MAX}")));
    }
    if asked.channels.is_empty() || asked.channels.len() > CHANNELS_MAX {
        return Err(bad(format!("name 1 to {CHANNELS_MAX} channels: `?channel=view:NAME&channel=stream:NAME`")));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_name_many_channels() {
        let asked = read_query("channel=view%3Aa&channel=stream:b&max_hz=0.5&events=named&_=123").expect("good");
        assert_eq!(asked.channels, ["view:a", "stream:b"]);
        assert_eq!((asked.pace.max_hz, asked.named), (Some(0.5), true));
        for bad in [
            "",
            "channel=a&max_hz=x",
            "channel=a&max_hz=0",
            "channel=a&wait=long",
            "channel=a&events=all",
            "channel=stream:a&last=4294967295",
        ] {
            assert_eq!(read_query(bad).expect_err(bad).code, Code::BadRequest, "{bad}");
        }
    }
}
