//! Which of the rows that a request got refused are kept in `_rejected`: a few of each request, and not too many a second.
//!
//! A sender that is broken sends the same fault again and again, and what it sends must not fill the disk. What is over the
//! limit is counted: the rest of a request in a row of its own, and requests that came when the second was full in one with
//! the next request that is kept. Secrets are not looked for: what a row says lands in `_rejected` as it would have landed
//! in its stream.

use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;
use pulseboard_model::decode::Decoded;
use pulseboard_model::rejects::Rejects;
use pulseboard_model::time::SECOND_US;
use pulseboard_model::{StreamName, TimeUs};

/// The most rows that are kept one by one in a second, of all streams together.
const ROWS_PER_SECOND: usize = 200;

/// What is left of this second.
#[derive(Debug, Default)]
pub(super) struct RejectBudget(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    number: i64,
    used: usize,
    /// Rows of requests of which nothing was kept.
    untold: u64,
}

/// What is kept of one request.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) rows: Option<RecordBatch>,
    /// Rows of earlier requests whose number is told with this one.
    told: u64,
}

impl RejectBudget {
    /// What is kept of what `decoded` rejected at `now`.
    pub(super) fn keep(&self, stream: &StreamName, source: &str, decoded: &Decoded, now: TimeUs) -> Kept {
        if decoded.rejected_count == 0 {
            return Kept::default();
        }
        let (granted, told) = {
            let mut second = self.0.lock();
            let number = now.0.div_euclid(SECOND_US);
            if second.number != number {
                (second.number, second.used) = (number, 0);
            }
            let granted = decoded.rejected.len().min(ROWS_PER_SECOND - second.used);
            second.used += granted;
            if granted == 0 {
                second.untold += decoded.rejected_count;
                drop(second);
                not_kept(decoded.rejected_count);
                return Kept::default();
            }
            (granted, std::mem::take(&mut second.untold))
        };
        let mut rejects = Rejects::default();
        for error in &decoded.rejected[..granted] {
            rejects.add(stream, source, error.clone());
        }
        let rest = decoded.rejected_count - granted as u64;
        if rest > 0 {
            not_kept(rest);
            rejects.add_uncounted(Some(stream), Some(source), rest);
        }
        if told > 0 {
            rejects.add_uncounted(None, None, told);
        }
        Kept { rows: rejects.finish(), told }
    }

    /// The request was not written, or had been before: what was to be told with it is told with another.
    pub(super) fn give_back(&self, told: u64) {
        self.0.lock().untold += told;
    }
}

impl Kept {
    pub(super) fn told(&self) -> u64 {
        self.told
    }
}

fn not_kept(rows: u64) {
    metrics::counter!("pulseboard_rejected_rows_not_kept_total").increment(rows);
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use pulseboard_model::decode::{BodyFormat, StreamConfig, decode};
    use pulseboard_model::limits::IngestLimits;

    use super::*;

    fn bad(rows: usize) -> Decoded {
        let body = "x\n".repeat(rows.max(2));
        let limits = IngestLimits::default();
        decode(body.as_bytes(), BodyFormat::Ndjson, None, &StreamConfig::default(), &limits, TimeUs(0)).unwrap()
    }

    /// How many rows are kept, and for how many they stand.
    fn sizes(kept: &Kept) -> (usize, i64) {
        let Some(rows) = &kept.rows else { return (0, 0) };
        let counts = rows.column_by_name("rows").unwrap().as_primitive::<Int64Type>();
        (rows.num_rows(), counts.values().iter().sum())
    }

    #[test]
    fn a_second_has_room_for_so_many_and_every_row_is_counted() {
        let (budget, stream) = (RejectBudget::default(), StreamName::new("s").unwrap());
        let keep = |rows, at| budget.keep(&stream, "http", &bad(rows), TimeUs(at));
        assert_eq!(sizes(&keep(3, 0)), (3, 3));
        // 100 of them are listed; the others are one row.
        assert_eq!(sizes(&keep(150, 10)), (101, 150));
        assert_eq!(sizes(&keep(150, 20)), (98, 150), "97 were left, and one stands for the rest");
        assert_eq!(sizes(&keep(5, 30)), (0, 0));
        assert_eq!(sizes(&keep(6, SECOND_US - 1)), (0, 0));
        let next = keep(2, SECOND_US);
        assert_eq!((sizes(&next), next.told()), ((3, 13), 11));
        budget.give_back(next.told());
        assert_eq!(sizes(&keep(2, SECOND_US)), (3, 13), "what was not written is told again");
    }
}
