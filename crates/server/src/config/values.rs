//! Values of the configuration: secrets put in, spans, sizes, numbers within limits, zones.
//!
//! Nothing here knows which key it reads; errors are fragments that say what is wrong and what is allowed.

use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

use chrono_tz::Tz;
use toml::Value;

/// A text that begins so is read from the file that follows.
pub(super) const FILE_PREFIX: &str = "file:";
/// The largest file that a text is read from.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a value is, against what it should be.
pub(super) fn wrong(wanted: &str, value: &Value) -> String {
    format!("must be {wanted}, not {} `{value}`", value.type_str())
}

/// The value with `${NAME}` and `file:PATH` put in, in every text within. Relative paths begin at `dir`.
pub(super) fn resolved(value: &Value, dir: &Path) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => {
            let put_in = with_environment(text)?;
            match put_in.strip_prefix(FILE_PREFIX).filter(|_| text.starts_with(FILE_PREFIX)) {
                Some(path) => Value::String(from_file(&dir.join(path.trim()))?),
                None => Value::String(put_in),
            }
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| resolved(item, dir)).collect::<Result<_, _>>()?),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| Ok((key.clone(), resolved(value, dir)?)));
            Value::Table(entries.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// Replaces `${NAME}` by the environment's value.
pub(super) fn with_environment(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("has a `${` without its `}`")?;
        let value =
            std::env::var(name).map_err(|_| format!("needs the environment variable `{name}`, which is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// A file's text without the one line end that editors leave at its end.
fn from_file(path: &Path) -> Result<String, String> {
    let cannot = |why: String| format!("names the file `{}`, which cannot be read: {why}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| cannot(error.to_string()))?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| cannot(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(cannot(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Reads the name of a time zone.
pub(super) fn timezone(value: &Value) -> Result<Tz, String> {
    let name = value.as_str().ok_or_else(|| wrong("the name of a time zone", value))?;
    Tz::from_str(name).map_err(|_| format!("`{name}` is not a time zone: use a name such as `Europe/Berlin` or `UTC`"))
}

/// Reads a span such as `90s`, `15m`, `24h` or `30d`, in µs.
pub(super) fn span_us(value: &Value) -> Result<i64, String> {
    let text = value.as_str().ok_or_else(|| wrong("a span such as `24h`", value))?;
    let units = [("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000_i64)];
    let read = units.iter().find_map(|(unit, us)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "spans are far below 2^53 µs")]
        (number.is_finite() && number > 0.0 && number < 1e6).then_some((number * *us as f64) as i64)
    });
    read.ok_or_else(|| format!("`{text}` is not a span: use a number with ms, s, m, h or d, such as `30d`"))
}

/// Reads a size such as `512MiB` or `10GiB`, in bytes.
pub(super) fn size_bytes(value: &Value) -> Result<u64, String> {
    let text = value.as_str().ok_or_else(|| wrong("a size such as `10GiB`", value))?;
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let read = units.iter().find_map(|(unit, shift)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number > 0 && number < 1 << 20).then_some(number << shift)
    });
    read.ok_or_else(|| format!("`{text}` is not a size: use a whole number with KiB, MiB, GiB or TiB, such as `10GiB`"))
}

/// Reads a size within `allowed` KiB.
pub(super) fn size_within(value: &Value, allowed: &RangeInclusive<u64>) -> Result<usize, String> {
    let bytes = size_bytes(value)?;
    let outside = || format!("must be from {} to {}", size_text(*allowed.start()), size_text(*allowed.end()));
    let inside = allowed.contains(&(bytes >> 10)).then(|| usize::try_from(bytes).ok()).flatten();
    inside.ok_or_else(outside)
}

fn size_text(kib: u64) -> String {
    match kib {
        kib if kib >= 1 << 20 && kib.is_multiple_of(1 << 20) => format!("{}GiB", kib >> 20),
        kib if kib >= 1 << 10 && kib.is_multiple_of(1 << 10) => format!("{}MiB", kib >> 10),
        kib => format!("{kib}KiB"),
    }
}

/// Reads a whole number from 1 to `max`.
pub(super) fn count_to(value: &Value, max: usize) -> Result<usize, String> {
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| wrong(&format!("a whole number from 1 to {max}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_from_files_and_from_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "s3cret\n\n").unwrap();
        std::fs::write(dir.path().join("windows"), "x\r\n").unwrap();
        let text = |text: &str| resolved(&Value::String(text.to_owned()), dir.path());
        assert_eq!(text("file:secret"), Ok(Value::String("s3cret\n".to_owned())), "one line end goes");
        assert_eq!(text("file:windows"), Ok(Value::String("x".to_owned())));
        let absolute = format!("file:{}", dir.path().join("secret").display());
        assert_eq!(text(&absolute), Ok(Value::String("s3cret\n".to_owned())));
        assert!(text("file:missing").unwrap_err().contains("missing"));
        assert!(text("file:.").unwrap_err().contains("cannot be read"), "a folder is no file");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(text("a ${PATH} b"), Ok(Value::String(format!("a {path} b"))));
        assert!(text("${PULSEBOARD_TEST_UNSET}").unwrap_err().contains("PULSEBOARD_TEST_UNSET"));
        assert!(text("${PATH").unwrap_err().contains("without its"));
        let nested = Value::Array(vec![Value::String("file:windows".to_owned()), Value::Integer(1)]);
        let expected = Value::Array(vec![Value::String("x".to_owned()), Value::Integer(1)]);
        assert_eq!(resolved(&nested, dir.path()), Ok(expected));
    }

    #[test]
    fn numbers_and_sizes_are_held_to_their_range() {
        assert_eq!(count_to(&Value::Integer(5), 5), Ok(5));
        for bad in [0, -1, 6] {
            assert!(count_to(&Value::Integer(bad), 5).unwrap_err().contains("from 1 to 5"), "{bad}");
        }
        let size = |text: &str| size_within(&Value::String(text.to_owned()), &(2..=2 << 10));
        assert_eq!(size("2KiB"), Ok(2 << 10));
        assert_eq!(size("2MiB"), Ok(2 << 20));
        for bad in ["1KiB", "3MiB", "1GiB"] {
            assert!(size(bad).unwrap_err().contains("from 2KiB to 2MiB"), "{bad}");
        }
    }
}
