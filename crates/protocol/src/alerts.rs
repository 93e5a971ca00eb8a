//! What an alert says: one firing, from when it begins until it ends, as it is told to the server and as it stands in the
//! stream `_alerts`.
//!
//! A firing is known by its `id`: what is told of it later changes what was told before, and says only what is new.

use pulseboard_model::TimeUs;
use pulseboard_model::decode::read_time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most that are told in one request.
pub const ALERTS_MAX: usize = 1_000;

/// The longest text of an alert, in bytes.
pub const ALERT_TEXT_BYTES_MAX: usize = 4_096;

/// How many of the newest a reader of the channel `alerts` begins with, unless it says otherwise.
pub const LAST_ALERTS: u32 = 100;

/// Whether it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It began, or is as bad as it says now.
    #[default]
    Firing,
    /// It is over.
    Ended,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must look now.
    Critical,
}

/// What is told of a firing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertEvent {
    /// Which firing.
    pub id: String,
    /// Whether it goes on.
    pub status: AlertStatus,
    /// How bad it is; a warning unless it was ever said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Which rule it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What is wrong, for people; always there while it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The unit of `value` and `threshold`, as panels name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What it should not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Since when it fires, µs UTC; since it was first told unless it was ever said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// When it ended, µs UTC; only where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<i64>,
}

/// As clients write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    id: String,
    #[serde(default)]
    status: AlertStatus,
    severity: Option<Severity>,
    rule: Option<String>,
    metric: Option<String>,
    message: Option<String>,
    unit: Option<String>,
    value: Option<f64>,
    threshold: Option<f64>,
    since: Option<Value>,
    ended: Option<Value>,
}

/// Why what was told is no alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("alert {number}: {reason}")]
pub struct InvalidAlert {
    /// Which of them, from 1.
    pub number: usize,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

/// Reads one alert or a list of them, told at `now`.
///
/// # Errors
/// [`InvalidAlert`] for the first that is none.
pub fn read_alerts(body: Value, now: TimeUs) -> Result<Vec<AlertEvent>, InvalidAlert> {
    let told = match body {
        Value::Array(told) => told,
        one => vec![one],
    };
    if told.len() > ALERTS_MAX {
        let reason = format!("there are {}, and at most {ALERTS_MAX} are told at once", told.len());
        return Err(InvalidAlert { number: ALERTS_MAX + 1, reason });
    }
    let read = |(index, value)| {
        let invalid = |reason| InvalidAlert { number: index + 1, reason };
        let told: Told = serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
        alert(told, now).map_err(invalid)
    };
    told.into_iter().enumerate().map(read).collect()
}

fn alert(told: Told, now: TimeUs) -> Result<AlertEvent, String> {
    let is_firing = told.status == AlertStatus::Firing;
    let texts = [("rule", &told.rule), ("metric", &told.metric), ("message", &told.message), ("unit", &told.unit)];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?)));
    for (name, text) in texts.chain([("id", &told.id)]) {
        if text.len() > ALERT_TEXT_BYTES_MAX {
            return Err(format!("`{name}` is longer than {ALERT_TEXT_BYTES_MAX} bytes"));
        }
    }
    if told.id.is_empty() {
        return Err("`id` is empty: give each firing an id of its own".to_owned());
    }
    if is_firing && told.message.as_ref().is_none_or(String::is_empty) {
        return Err("`message` is missing: say what is wrong".to_owned());
    }
    let (since, ended) = (time("since", told.since, now)?, time("ended", told.ended, now)?);
    if is_firing && ended.is_some() {
        return Err("`ended` stands beside the status `firing`: say `\"status\": \"ended\"`".to_owned());
    }
    Ok(AlertEvent {
        id: told.id,
        status: told.status,
        severity: told.severity,
        rule: told.rule,
        metric: told.metric,
        message: told.message,
        unit: told.unit,
        value: told.value,
        threshold: told.threshold,
        since,
        ended: ended.or((!is_firing).then_some(now.0)),
    })
}

/// Clocks differ, but not by more than this: as for the times of events.
const AHEAD_US_MAX: i64 = 24 * 3_600 * 1_000_000;

fn time(name: &str, value: Option<Value>, now: TimeUs) -> Result<Option<i64>, String> {
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match read_time(&text, chrono_tz::Tz::UTC) {
        Some(time) if time.0 > now.0.saturating_add(AHEAD_US_MAX) => {
            Err(format!("`{name}` is more than 24 hours in the future"))
        }
        Some(time) => Ok(Some(time.0)),
        None => Err(format!("`{name}` is no time: RFC 3339, or since 1970 in s, ms, µs or ns")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: TimeUs = TimeUs(1_700_000_000_000_000);

    #[derive(Deserialize)]
    struct Fixture {
        good: Vec<Good>,
        bad: Vec<Bad>,
    }

    #[derive(Deserialize)]
    struct Good {
        told: Value,
        kept: Value,
    }

    #[derive(Deserialize)]
    struct Bad {
        told: Value,
        reason: String,
    }

    #[test]
    fn what_is_told_is_completed_and_what_is_wrong_is_named() {
        let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/alerts.json")).expect("fixture");
        for Good { told, kept } in fixture.good {
            let read = read_alerts(told.clone(), NOW).unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(serde_json::to_value(&read[0]).expect("json"), kept, "{told}");
        }
        for Bad { told, reason } in fixture.bad {
            let error = read_alerts(told.clone(), NOW).expect_err("a bad alert");
            assert!(error.to_string().contains(&reason), "{told}: {error}");
        }
        let many = json!(vec![json!({"id": "a", "message": "m"}); ALERTS_MAX + 1]);
        assert!(read_alerts(many, NOW).is_err());
        let long = json!([{"id": "a", "message": "m"}, {"id": "b", "message": "m".repeat(ALERT_TEXT_BYTES_MAX + 1)}]);
        let error = read_alerts(long, NOW).expect_err("a long message");
        assert_eq!((error.number, error.to_string().contains("`message`")), (2, true));
    }
}
