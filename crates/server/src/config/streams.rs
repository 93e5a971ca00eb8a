//! `[streams.NAME]`: how the events of a stream are read, and how long they are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use pulseboard_gateway::StreamConfigs;
use pulseboard_journal::{Keep, Retention};
use pulseboard_model::decode::{StreamConfig, check_format};
use pulseboard_model::schema::{HIDDEN_COLUMNS, TIME};
use pulseboard_model::{FieldType, OWN_STREAMS, StreamName, alerts, rejects, system};

use super::reader::{Problem, Reader};
use super::values::{size_bytes, span_us, timezone, wrong};

/// How long the host's own streams are kept.
const HOST_KEEP_US: i64 = 24 * 3_600 * 1_000_000;

/// How long and how much of `_rejected` is kept.
const REJECTED_KEEP: Keep = Keep { keep_us: 7 * 24 * 3_600 * 1_000_000, max_bytes: 256 << 20 };

/// How long and how much of `_system` is kept.
const SYSTEM_KEEP: Keep = Keep { keep_us: 24 * 3_600 * 1_000_000, max_bytes: 256 << 20 };

/// How long and how much of `_alerts` is kept.
const ALERTS_KEEP: Keep = Keep { keep_us: 90 * 24 * 3_600 * 1_000_000, max_bytes: 256 << 20 };

/// Reads all streams. What is not configured is read as it comes, in UTC, and kept as long as its kind is.
pub(super) fn read_streams(
    root: &mut Reader<'_>,
    has_host: bool,
    problems: &mut Vec<Problem>,
) -> (StreamConfigs, Retention) {
    let mut configs = StreamConfigs { by_name: BTreeMap::new(), default: Arc::new(StreamConfig::default()) };
    let mut retention = Retention::default();
    retention.streams.insert(rejects::stream(), REJECTED_KEEP);
    retention.streams.insert(system::stream(), SYSTEM_KEEP);
    retention.streams.insert(alerts::stream(), ALERTS_KEEP);
    if has_host {
        for (name, _) in pulseboard_sources::host::streams() {
            retention.streams.insert(name, Keep { keep_us: HOST_KEEP_US, ..retention.default });
        }
    }
    for (name, mut stream) in root.named_tables("streams", problems) {
        let config = if OWN_STREAMS.contains(&name.as_str()) {
            StreamConfig::default()
        } else {
            read_stream(&mut stream, problems)
        };
        let keep_us = stream.read("keep", problems, span_us);
        let max_bytes = stream.read("max_bytes", problems, size_bytes);
        match StreamName::new(&name) {
            Ok(name) => {
                let otherwise = retention.of(&name);
                let keep = Keep {
                    keep_us: keep_us.unwrap_or(otherwise.keep_us),
                    max_bytes: max_bytes.unwrap_or(otherwise.max_bytes),
                };
                retention.streams.insert(name.clone(), keep);
                configs.by_name.insert(name, Arc::new(config));
            }
            Err(error) => stream.problem("", error.to_string(), problems),
        }
        stream.finish(problems);
    }
    (configs, retention)
}

fn read_stream(stream: &mut Reader<'_>, problems: &mut Vec<Problem>) -> StreamConfig {
    let time_field = stream.read("time_field", problems, |value| {
        let name = value.as_str().ok_or_else(|| wrong("the name of a field", value))?;
        // The field `time` holds the event time anyway.
        usable(name).map(|()| (name != TIME).then(|| name.to_owned()))
    });
    let time_field = time_field.flatten();
    let timezone = stream.read("timezone", problems, timezone).unwrap_or(Tz::UTC);
    let mut fields = read_fields(stream, problems);
    let time_formats = read_formats(stream, time_field.as_deref(), &mut fields, problems);
    // `time` is a time without saying so, and a column of the server's own: it is not declared like a field.
    fields.retain(|(name, _)| name != TIME);
    StreamConfig { time_field, timezone, fields, time_formats }
}

/// Whether events may have a field of this name.
fn usable(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a field's name is not empty".to_owned());
    }
    if HIDDEN_COLUMNS.contains(&name) {
        return Err(format!("`{name}` is a column that the server fills itself: no field may be called so"));
    }
    Ok(())
}

fn read_fields(stream: &mut Reader<'_>, problems: &mut Vec<Problem>) -> Vec<(String, FieldType)> {
    let mut fields = Vec::new();
    for (name, value) in stream.table("fields", problems).unwrap_or_default() {
        let read = usable(&name).and_then(|()| {
            let value = stream.resolve(&value)?;
            let text = value.as_str().ok_or_else(|| wrong("a type such as `decimal(12,2)`", &value))?;
            let field_type = FieldType::parse_declared(text).map_err(|error| error.to_string())?;
            if name == TIME && field_type != FieldType::Time {
                return Err(format!("`{TIME}` holds the event time: it can only be declared `time`, not `{text}`"));
            }
            Ok(field_type)
        });
        match read {
            Ok(field_type) => fields.push((name, field_type)),
            Err(what) => stream.problem(&format!("fields.{name}"), what, problems),
        }
    }
    fields
}

/// Reads how times are written, by field. A field with a format is a time: it need not be declared.
fn read_formats(
    stream: &mut Reader<'_>,
    time_field: Option<&str>,
    fields: &mut Vec<(String, FieldType)>,
    problems: &mut Vec<Problem>,
) -> Vec<(String, String)> {
    let mut formats = Vec::new();
    for (name, value) in stream.table("formats", problems).unwrap_or_default() {
        let read = usable(&name).and_then(|()| {
            let value = stream.resolve(&value)?;
            let format = value.as_str().ok_or_else(|| wrong("a format such as `%d.%m.%Y %H:%M`", &value))?;
            check_format(format)?;
            let declared = fields.iter().find(|(field, _)| *field == name).map(|(_, declared)| declared);
            match declared {
                // The event-time field is kept as it is sent, whatever its type.
                _ if time_field == Some(name.as_str()) => {}
                None => fields.push((name.clone(), FieldType::Time)),
                Some(FieldType::Time) => {}
                Some(other) => {
                    return Err(format!(
                        "is the format of a time, but the field is declared `{other}`: declare it `time`"
                    ));
                }
            }
            Ok(format.to_owned())
        });
        match read {
            Ok(format) => formats.push((name, format)),
            Err(what) => stream.problem(&format!("formats.{name}"), what, problems),
        }
    }
    formats
}
