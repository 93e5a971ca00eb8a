//! Writers that number their events, so that a lost or doubled one is seen, and that send again what was cut off.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::api::{Api, events_path};
use super::random::random;

/// The most rows of one request.
const ROWS_MAX: i64 = 20;

/// One connection's worth of events, numbered without gaps. It has one request out at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) name: usize,
    random: StdRng,
    /// So many of its events were acknowledged.
    pub(crate) acknowledged: i64,
    /// So many are in the request that was sent and not answered yet.
    pub(crate) pending: i64,
    pub(crate) requests: u64,
    pub(crate) retried: u64,
    pub(crate) position: Option<String>,
}

impl Writer {
    pub(crate) fn new(name: usize) -> Self {
        let random = random(1 + name as u64);
        Self { name, random, acknowledged: 0, pending: 0, requests: 0, retried: 0, position: None }
    }

    /// NDJSON and arrays by turns; the same rows each time it is asked.
    fn body(&self) -> String {
        let row = |seq: i64| {
            let kind = ["a", "b", "c"][usize::try_from(seq % 3).unwrap()];
            json!({"writer": self.name, "seq": seq, "kind": kind, "amount": format!("{}.{:02}", seq % 50, seq % 100)})
        };
        let rows: Vec<Value> = (self.acknowledged..self.acknowledged + self.pending).map(row).collect();
        if self.requests.is_multiple_of(2) {
            return Value::from(rows).to_string();
        }
        rows.iter().map(|row| format!("{row}\n")).collect()
    }

    /// Sends until the server is gone; what was not answered is sent again, with its key, the next time.
    pub(crate) async fn write(&mut self, url: &str) {
        // A connection of its own.
        let api = Api::new(url);
        loop {
            if self.pending == 0 {
                self.pending = self.random.random_range(1..=ROWS_MAX);
                self.requests += 1;
            } else {
                self.retried += 1;
            }
            let key = format!("writer {} request {}", self.name, self.requests);
            let request = api.request("POST", &events_path("events")).header("Idempotency-Key", key).body(self.body());
            let Ok(response) = request.send().await else { return };
            let status = response.status();
            let Ok(answer) = response.json::<Value>().await else { return };
            assert_eq!(status.as_u16(), 200, "{answer}");
            assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(self.pending), &json!(0)), "{answer}");
            self.acknowledged += std::mem::take(&mut self.pending);
            self.position = answer["position"].as_str().map(str::to_owned);
        }
    }
}
