//! The events that are sent: the reference event of the targets (5 fields, 120 bytes of JSON) and marked ones.
//!
//! A marked event carries a number, so that a reader of frames sees which events a frame brought. All bytes are made
//! from counters: two runs send the same events.

use std::fmt::Write;

/// The size of the reference event as JSON, without a line break.
pub const REFERENCE_BYTES: usize = 120;

/// Marks start here, so that all have the same number of digits.
pub(crate) const MARK_BASE: u64 = 1_000_000_000;

const SERVICES: u64 = 20;
const REGIONS: [&str; 4] = ["eu-west-1", "eu-north-1", "us-east-2", "ap-south-1"];
const STATUSES: [i64; 8] = [200, 200, 200, 200, 201, 304, 404, 500];

/// The fields of one reference event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) service: String,
    pub(crate) region: &'static str,
    pub(crate) status: i64,
    /// In thousandths, so that it is written with three digits.
    pub(crate) duration_us: u64,
    pub(crate) path: String,
}

impl Sample {
    /// The `number`-th event.
    pub(crate) fn new(number: u64) -> Self {
        // A multiplicative hash spreads neighbouring numbers over all values.
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let region = REGIONS[usize::try_from(spread % 4).unwrap_or(0)];
        let status = STATUSES[usize::try_from((spread >> 8) % 8).unwrap_or(0)];
        let service = format!("service-{:02}", (spread >> 16) % SERVICES);
        let duration_us = 1_000 + (spread >> 4) % 900_000;
        let mut sample = Self { service, region, status, duration_us, path: String::new() };
        let digits = REFERENCE_BYTES.saturating_sub(sample.json_bytes() + "/api/orders/".len());
        sample.path = format!("/api/orders/{number:0digits$}");
        sample
    }

    fn json_bytes(&self) -> usize {
        let mut text = String::with_capacity(REFERENCE_BYTES);
        self.write_json(&mut text);
        text.len()
    }

    /// Appends the event as a JSON object.
    pub(crate) fn write_json(&self, out: &mut String) {
        let Self { service, region, status, duration_us, path } = self;
        let (whole, thousandths) = (duration_us / 1_000, duration_us % 1_000);
        // Writing to a String cannot fail.
        let _ok = write!(
            out,
            r#"{{"service":"{service}","region":"{region}","status":{status},"duration_ms":{whole}.{thousandths:03},"path":"{path}"}}"#
        );
    }
}

/// An NDJSON body of `rows` reference events, from the `first`-th on.
pub(crate) fn reference_body(first: u64, rows: u64) -> String {
    let mut body = String::with_capacity((REFERENCE_BYTES + 1) * usize::try_from(rows).unwrap_or(0));
    for number in first..first + rows {
        Sample::new(number).write_json(&mut body);
        body.push('\n');
    }
    body
}

/// What a frame is searched for, to find the marks of [`lane_body`] in a view of the greatest mark per lane.
pub(crate) const LANE_MARK: &str = "\"seq\":";

/// An NDJSON body of `rows` events of 120 bytes that all carry the mark `seq`.
pub(crate) fn lane_body(lane: u64, seq: u64, rows: u64) -> String {
    let seq = MARK_BASE + seq;
    let event = padded(format!(r#"{{"seq":{seq},"lane":"{lane:04}","status":200,"value":12.5,"text":""#), 120);
    format!("{event}\n").repeat(usize::try_from(rows).unwrap_or(0))
}

/// An NDJSON body of one event each for lanes that nothing is sent in later. Their mark is before every counted one.
pub(crate) fn idle_lanes(lanes: std::ops::Range<u64>) -> String {
    lanes.fold(String::new(), |mut body, lane| {
        // Writing to a string cannot fail.
        let _written =
            writeln!(body, r#"{{"seq":{MARK_BASE},"lane":"idle-{lane:06}","status":200,"value":12.5,"text":"x"}}"#);
        body
    })
}

/// What a frame is searched for, to find the marks of [`tail_body`] in a tail.
pub(crate) const TAIL_MARK: &str = "\"@";

/// An NDJSON body of one event of 100 bytes that carries the mark `seq`.
pub(crate) fn tail_body(seq: u64) -> String {
    let seq = MARK_BASE + seq;
    padded(format!(r#"{{"mark":"@{seq}","text":""#), 100) + "\n"
}

/// Ends an object whose last value is an open text so that it is `bytes` long.
fn padded(mut open: String, bytes: usize) -> String {
    while open.len() + 2 < bytes {
        open.push('x');
    }
    open.push_str("\"}");
    open
}

/// The marks in a frame, in its order.
pub(crate) fn marks<'a>(frame: &'a [u8], mark: &'a memchr::memmem::Finder<'_>) -> impl Iterator<Item = u64> + 'a {
    let length = mark.needle().len();
    mark.find_iter(frame).filter_map(move |at| number(frame, at + length)?.checked_sub(MARK_BASE))
}

/// The number that starts at `at`.
pub(crate) fn number(text: &[u8], at: usize) -> Option<u64> {
    let digits = text.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    let mut value = None;
    for digit in digits {
        value = Some(value.unwrap_or(0_u64).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?);
    }
    value
}

#[cfg(test)]
mod tests {
    use memchr::memmem::Finder;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_reference_event_has_five_fields_in_120_bytes() {
        for first in [0, 7, 123_456, 9_999_999_999] {
            let body = reference_body(first, 100);
            assert_eq!(body.lines().count(), 100);
            for line in body.lines() {
                assert_eq!(line.len(), REFERENCE_BYTES, "{line}");
                let event: Value = serde_json::from_str(line).expect("json");
                assert_eq!(event.as_object().expect("object").len(), 5);
            }
        }
        assert_ne!(reference_body(0, 10), reference_body(10, 10));
    }

    #[test]
    fn marked_events_have_their_size_and_give_their_mark_back() {
        let body = lane_body(3, 42, 2);
        assert!(body.lines().all(|line| line.len() == 120 && serde_json::from_str::<Value>(line).is_ok()), "{body}");
        assert_eq!(marks(body.as_bytes(), &Finder::new(LANE_MARK)).collect::<Vec<_>>(), [42, 42]);
        let body = tail_body(7);
        assert!(body.lines().all(|line| line.len() == 100 && serde_json::from_str::<Value>(line).is_ok()), "{body}");
        assert_eq!(marks(body.as_bytes(), &Finder::new(TAIL_MARK)).collect::<Vec<_>>(), [7]);

        let frame =
            br#"{"columns":[{"name":"seq","type":"int"}],"set":{"a":{"seq":1000000005},"b":{"seq":1000000006}}}"#;
        assert_eq!(marks(frame, &Finder::new(LANE_MARK)).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(number(b"x", 0), None);
        assert_eq!(number(b"99999999999999999999999", 0), None);
    }
}
