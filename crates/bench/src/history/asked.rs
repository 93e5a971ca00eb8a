//! The questions of the history bench, over HTTP, and their answers held to the formula: a wrong answer is an error, however
//! fast it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::expected::{Minute, Sums, of_minutes, of_symbols};
use super::trades::{STREAM, Trades, order_id, symbol};
use crate::error::BenchError;
use crate::http::{Connection, post};
use crate::target::Target;

/// The view that answers a chart.
pub(crate) const VIEW: &str = "trades_by_bucket";
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(600);
/// How far a mean may be off: sums are made in another order.
const NEAR: f64 = 1e-9;

/// A chart of one series, as a view has it and as it is asked for without one.
pub(crate) fn chart_sql() -> String {
    format!(
        "SELECT time_bucket($bucket, time) AS t, count(*) AS n, avg(price) AS price, sum(quantity) AS volume FROM {STREAM} \
         WHERE symbol = $symbol AND time >= $from AND time < $to GROUP BY time_bucket($bucket, time)"
    )
}

/// An answer that was right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// From the question's first byte sent to the answer's last byte read.
    pub(crate) took: Duration,
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

#[derive(Deserialize)]
struct Rows<R> {
    rows: Vec<R>,
}

/// What is asked, and what the answers must be.
#[derive(Debug)]
pub(crate) struct Questions {
    trades: Trades,
    target: Target,
    connection: Connection,
    /// The series of the chart, by number.
    series: u64,
    minutes: Vec<Minute>,
    symbols: BTreeMap<String, Sums>,
}

fn wrong(what: impl Into<String>) -> BenchError {
    BenchError::WrongAnswer(what.into())
}

fn is_near(found: f64, due: f64) -> bool {
    (found - due).abs() <= NEAR * due.abs()
}

impl Questions {
    /// Works out the answers and connects.
    pub(crate) async fn new(trades: &Trades, target: &Target) -> Result<Self, BenchError> {
        let series = trades.symbols / 2;
        let symbols = (0..).map(symbol).zip(of_symbols(trades)).collect();
        Ok(Self {
            trades: *trades,
            target: target.clone(),
            connection: Connection::open(target).await?,
            series,
            minutes: of_minutes(trades, series),
            symbols,
        })
    }

    /// Goes on with a server that was started again.
    pub(crate) async fn again(&mut self, target: &Target) -> Result<(), BenchError> {
        self.connection = Connection::open(target).await?;
        self.target = target.clone();
        Ok(())
    }

    async fn ask<R: DeserializeOwned>(
        &mut self,
        what: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<(Asked, Vec<R>), BenchError> {
        let request: Bytes = post(&self.target, path, "application/json", body.to_string().as_bytes());
        let started = Instant::now();
        let answer = self.connection.ask_within(LIMIT, &request).await?;
        let took = started.elapsed();
        let Rows { rows } = answer.json(what)?;
        Ok((Asked { took, rows: rows.len(), bytes: answer.body.len() }, rows))
    }

    /// All of the time at a minute of one series, by the view or by its SQL.
    pub(crate) async fn chart(&mut self, by: (&str, &str)) -> Result<Asked, BenchError> {
        let mut body = json!({
            "params": {"symbol": symbol(self.series), "bucket": "1 minute"},
            "from": self.trades.start_us,
            "to": self.trades.end_us(),
            "points": self.trades.minutes,
        });
        body[by.0] = json!(by.1);
        let (asked, mut rows) = self.ask::<(i64, u64, f64, i64)>("a range", "/api/v1/range", &body).await?;
        rows.sort_by_key(|row| row.0);
        check_minutes(&self.minutes, &rows)?;
        Ok(asked)
    }

    /// Every row of the stream, by symbol.
    pub(crate) async fn scan(&mut self) -> Result<Asked, BenchError> {
        let body =
            json!({"sql": format!("SELECT symbol, count(*) AS n, avg(price) AS price FROM {STREAM} GROUP BY symbol")});
        let (asked, rows) = self.ask::<(String, u64, f64)>("a scan of everything", "/api/v1/query", &body).await?;
        check_symbols(&self.symbols, self.trades.rows, &rows)?;
        Ok(asked)
    }

    /// One trade by its id, or nothing if no trade has it.
    pub(crate) async fn look_up(&mut self, number: u64) -> Result<Asked, BenchError> {
        let sql = format!("SELECT time, symbol, price, quantity FROM {STREAM} WHERE order_id = $id");
        let body = json!({"sql": sql, "params": {"id": order_id(number)}});
        let (asked, rows) = self.ask::<(i64, String, f64, i64)>("a look-up", "/api/v1/query", &body).await?;
        let due = (number < self.trades.rows).then(|| self.trades.get(number));
        let due: Vec<_> = due.iter().map(|t| (t.time_us, t.symbol(), t.price(), t.quantity)).collect();
        if rows == due {
            Ok(asked)
        } else {
            Err(wrong(format!("trade {number} is {due:?}, and was found as {rows:?}")))
        }
    }
}

fn check_minutes(due: &[Minute], rows: &[(i64, u64, f64, i64)]) -> Result<(), BenchError> {
    if rows.len() != due.len() {
        return Err(wrong(format!("the chart has {} points where {} are due", rows.len(), due.len())));
    }
    let differs = |(minute, (t, n, price, volume)): &(&Minute, &(i64, u64, f64, i64))| {
        let sums = minute.sums;
        (minute.start_us, sums.count, sums.quantity) != (*t, *n, *volume) || !is_near(*price, sums.mean_price())
    };
    match due.iter().zip(rows).find(differs) {
        Some((minute, row)) => Err(wrong(format!("a point of the chart is {row:?} where {minute:?} is due"))),
        None => Ok(()),
    }
}

fn check_symbols(due: &BTreeMap<String, Sums>, all: u64, rows: &[(String, u64, f64)]) -> Result<(), BenchError> {
    let counted: u64 = rows.iter().map(|(_, n, _)| n).sum();
    if counted != all || rows.len() != due.len() {
        return Err(wrong(format!("the scan counts {counted} rows of {} symbols, and there are {all}", rows.len())));
    }
    let differs = |(name, n, price): &&(String, u64, f64)| {
        due.get(name).is_none_or(|sums| sums.count != *n || !is_near(*price, sums.mean_price()))
    };
    match rows.iter().find(differs) {
        Some(row) => Err(wrong(format!("the scan has {row:?} where {:?} is due", due.get(&row.0)))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRADES: Trades = Trades { rows: 5_000, symbols: 10, start_us: 1_700_000_040_000_000, minutes: 60 };

    #[test]
    fn a_chart_that_is_wrong_in_one_point_is_refused() {
        let due = of_minutes(&TRADES, 5);
        let row = |m: &Minute| (m.start_us, m.sums.count, m.sums.mean_price(), m.sums.quantity);
        let rows: Vec<_> = due.iter().map(row).collect();
        check_minutes(&due, &rows).expect("right");
        assert!(check_minutes(&due, &rows[1..]).is_err());
        let mut wrong = rows.clone();
        wrong[7].3 += 100;
        assert!(check_minutes(&due, &wrong).expect_err("a sum").to_string().contains("is due"));
        let mut wrong = rows.clone();
        wrong[7].2 += 0.01;
        assert!(check_minutes(&due, &wrong).is_err());
        let mut wrong = rows;
        wrong[7].0 += 1;
        assert!(check_minutes(&due, &wrong).is_err());
    }

    #[test]
    fn a_scan_that_lost_a_row_is_refused() {
        let due: BTreeMap<String, Sums> = (0..).map(symbol).zip(of_symbols(&TRADES)).collect();
        let rows: Vec<_> = due.iter().map(|(name, sums)| (name.clone(), sums.count, sums.mean_price())).collect();
        check_symbols(&due, TRADES.rows, &rows).expect("right");
        let mut wrong = rows.clone();
        wrong[3].1 -= 1;
        assert!(check_symbols(&due, TRADES.rows, &wrong).is_err(), "a row is missing");
        wrong[4].1 += 1;
        assert!(check_symbols(&due, TRADES.rows, &wrong).is_err(), "a row is of another symbol");
        let mut wrong = rows;
        wrong[0].2 *= 1.000_001;
        assert!(check_symbols(&due, TRADES.rows, &wrong).is_err(), "a mean is off");
    }
}
