//! `[limits.roles.NAME]`: what requests of each role may be.

use pulseboard_gateway::RequestLimits;
use toml::Value;

use super::limits::{BODY_KIB, patience_of, set};
use super::reader::{Problem, Reader};
use super::values::{count_to, size_within, wrong};

/// The most requests a second that can be set.
const PER_SECOND_MAX: usize = 10_000_000;
/// No limit at all.
const UNLIMITED: &str = "unlimited";

/// Reads `roles` of `[limits]`; what is not set keeps its default.
pub(super) fn read_role_limits(limits: &mut Reader<'_>, roles: &mut RequestLimits, problems: &mut Vec<Problem>) {
    let Some(mut table) = limits.inner("roles", problems) else { return };
    for (name, role) in [
        ("ingest", &mut roles.ingest),
        ("viewer", &mut roles.viewer),
        ("editor", &mut roles.editor),
        ("admin", &mut roles.admin),
    ] {
        let Some(mut reader) = table.inner(name, problems) else { continue };
        set(&mut role.per_second_max, reader.read("per_second", problems, per_second));
        set(&mut role.body_bytes_max, reader.read("body_bytes", problems, |value| size_within(value, &BODY_KIB)));
        set(&mut role.time_max, reader.read("time", problems, patience_of));
        reader.finish(problems);
    }
    table.finish(problems);
}

fn per_second(value: &Value) -> Result<Option<u32>, String> {
    if value.as_str() == Some(UNLIMITED) {
        return Ok(None);
    }
    let count = count_to(value, PER_SECOND_MAX);
    let count =
        count.map_err(|_| wrong(&format!("a whole number from 1 to {PER_SECOND_MAX}, or `{UNLIMITED}`"), value))?;
    Ok(Some(u32::try_from(count).unwrap_or(u32::MAX)))
}
