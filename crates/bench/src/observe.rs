//! Many readers of one channel, while events come at a steady pace: how much reaches them, and how late.
//!
//! Readers share one thread and the publisher has another, so that neither's work delays what the other measures more
//! than the machine does. Sending is paced by the clock, not by answers, except that a lane has one POST out at a time.

use std::sync::Arc;
use std::time::Duration;

use memchr::memmem::Finder;
use parking_lot::Mutex;
use pulseboard_runtime::{Shutdown, Tasks};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::api;
use crate::cpu::CpuSplit;
use crate::error::BenchError;
use crate::event::marks;
use crate::generator::on_own_thread;
use crate::http::Connection;
use crate::latency::Latencies;
use crate::ledger::{Ledger, Seen};
use crate::socket::Socket;
use crate::target::Target;
use crate::window::{Crew, Window};

/// Makes the body of a POST from its lane, its number and how many rows it shall have.
pub(crate) type Body = fn(lane: u64, number: u64, rows: u64) -> String;

/// What is sent and who reads.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) stream: String,
    pub(crate) channel: String,
    /// Other channels that are followed once each, so that their views run too.
    pub(crate) beside: Vec<String>,
    pub(crate) readers: usize,
    pub(crate) max_hz: Option<u32>,
    pub(crate) mark: &'static str,
    pub(crate) body: Body,
    pub(crate) lanes: u64,
    pub(crate) posts_per_s: f64,
    pub(crate) rows: u64,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    pub(crate) core: Option<usize>,
}

/// What all readers together got while it counted.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) events: u64,
    pub(crate) resets: u64,
    /// Readers that lost their connection, and why the first did.
    pub(crate) lost: u64,
    pub(crate) first_loss: Option<String>,
    pub(crate) after_sent: Latencies,
    pub(crate) after_answered: Latencies,
}

/// What the publisher did while it counted.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) events: u64,
    /// Answers of 429.
    pub(crate) refused: u64,
    pub(crate) answers: Latencies,
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) heard: Heard,
    pub(crate) published: Published,
    pub(crate) seconds: f64,
    pub(crate) cpu: CpuSplit,
}

/// Connects the readers, publishes, and counts. The stream and the channel must exist.
pub(crate) async fn observe(plan: Plan) -> Result<Observed, BenchError> {
    let seconds = plan.warm_up.as_secs_f64() + plan.duration.as_secs_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the options")]
    let posts = (seconds * plan.posts_per_s) as u64 + 1;
    let ledger = Arc::new(Ledger::new(plan.lanes, posts));
    let plan = Arc::new(plan);
    let (window, stop) = (Window::default(), Shutdown::default());
    let (ready, is_ready) = oneshot::channel();

    let readers = {
        let (plan, ledger, window, stop) = (plan.clone(), ledger.clone(), window.clone(), stop.clone());
        on_own_thread("bench-readers", plan.core, move |tasks| read_all(tasks, plan, ledger, window, stop, ready))
    };
    let measuring = async {
        let measured = async {
            is_ready.await.map_err(|_| BenchError::GeneratorEnded)?;
            let publisher = {
                let (plan, ledger, window) = (plan.clone(), ledger.clone(), window.clone());
                on_own_thread("bench-publisher", plan.core, move |tasks| publish_all(tasks, plan, ledger, window))
            };
            let counting = window.run(plan.warm_up, plan.duration, plan.target.server_pid);
            let (published, (seconds, cpu)) = tokio::join!(publisher, counting);
            Ok::<_, BenchError>((published?, seconds, cpu))
        }
        .await;
        stop.trigger();
        measured
    };
    let (heard, measured) = tokio::join!(readers, measuring);
    // If the readers failed, that is why the rest did.
    let heard = heard?;
    let (published, seconds, cpu) = measured?;
    Ok(Observed { heard, published, seconds, cpu })
}

async fn read_all(
    tasks: Tasks,
    plan: Arc<Plan>,
    ledger: Arc<Ledger>,
    window: Window,
    stop: Shutdown,
    ready: oneshot::Sender<()>,
) -> Result<Heard, BenchError> {
    let heard = Arc::new(Mutex::new(Heard::default()));
    for channel in &plan.beside {
        let (socket, _snapshot) = Socket::follow(&plan.target, channel, Some(1)).await?;
        tasks.spawn("bench-beside", ignore(socket, tasks.shutdown()));
    }
    for _ in 0..plan.readers {
        let (socket, _snapshot) = Socket::follow(&plan.target, &plan.channel, plan.max_hz).await?;
        let reader = Reader {
            socket,
            mark: Finder::new(plan.mark),
            rows: plan.rows,
            seen: Seen::new(plan.lanes),
            ledger: ledger.clone(),
            window: window.clone(),
            heard: heard.clone(),
        };
        tasks.spawn("bench-reader", reader.run(tasks.shutdown()));
    }
    // If nobody waits any more, the next line ends this at once.
    let _gone = ready.send(()).is_err();
    stop.wait().await;
    Ok(std::mem::take(&mut *heard.lock()))
}

/// Reads and forgets, so that the server's buffers stay empty.
pub(crate) async fn ignore(mut socket: Socket, shutdown: Shutdown) {
    let reading = async { while socket.next().await.is_ok() {} };
    tokio::select! {
        () = reading => {}
        () = shutdown.wait() => {}
    }
}

struct Reader {
    socket: Socket,
    mark: Finder<'static>,
    rows: u64,
    seen: Seen,
    ledger: Arc<Ledger>,
    window: Window,
    heard: Arc<Mutex<Heard>>,
}

impl Reader {
    async fn run(mut self, shutdown: Shutdown) {
        let ended = shutdown.wait();
        tokio::pin!(ended);
        loop {
            // Frames first: at full load the other side is asked only when there is nothing to read.
            let frame = tokio::select! {
                biased;
                frame = self.socket.next() => frame,
                () = &mut ended => return,
            };
            match frame {
                Ok(frame) => self.take(frame.as_bytes()),
                Err(error) => {
                    let mut heard = self.heard.lock();
                    heard.lost += 1;
                    heard.first_loss.get_or_insert_with(|| error.to_string());
                    return;
                }
            }
        }
    }

    fn take(&mut self, frame: &[u8]) {
        let now = self.ledger.now();
        if !self.window.counts() {
            for number in marks(frame, &self.mark) {
                let _before = self.seen.bring(number);
            }
            return;
        }
        let mut heard = self.heard.lock();
        heard.frames += 1;
        heard.bytes += frame.len() as u64;
        if memchr::memmem::find(frame, br#""reset":""#).is_some() {
            heard.resets += 1;
        }
        for number in marks(frame, &self.mark) {
            for number in self.seen.bring(number) {
                heard.events += self.rows;
                heard.after_answered.record(self.ledger.since_answered(now, number), self.rows);
                if let Some(late) = self.ledger.since_sent(now, number) {
                    heard.after_sent.record(late, self.rows);
                }
            }
        }
    }
}

async fn publish_all(
    tasks: Tasks,
    plan: Arc<Plan>,
    ledger: Arc<Ledger>,
    window: Window,
) -> Result<Published, BenchError> {
    let published = Arc::new(Mutex::new(Published::default()));
    let started = Instant::now();
    let mut crew = Crew::new(tasks, window.clone());
    for lane in 0..plan.lanes {
        let publisher = Lane {
            lane,
            connection: Connection::open(&plan.target).await?,
            started,
            plan: plan.clone(),
            ledger: ledger.clone(),
            window: window.clone(),
            published: published.clone(),
        };
        crew.spawn(format!("bench-lane-{lane}"), publisher.run());
    }
    crew.ended().await?;
    Ok(std::mem::take(&mut *published.lock()))
}

struct Lane {
    lane: u64,
    connection: Connection,
    started: Instant,
    plan: Arc<Plan>,
    ledger: Arc<Ledger>,
    window: Window,
    published: Arc<Mutex<Published>>,
}

impl Lane {
    async fn run(mut self) -> Result<(), BenchError> {
        let Plan { target, stream, body, rows, posts_per_s, .. } = &*self.plan;
        for index in 1..=self.ledger.per_lane() {
            let number = index * self.ledger.lanes() + self.lane;
            #[expect(clippy::cast_precision_loss, reason = "the number of a POST of a bounded run")]
            let due_s = (number - self.ledger.lanes()) as f64 / posts_per_s;
            tokio::time::sleep_until(self.started + Duration::from_secs_f64(due_s)).await;
            if self.window.is_over() {
                break;
            }
            let request = api::ingest_request(target, stream, &body(self.lane, number, *rows));
            let (sent, counts) = (Instant::now(), self.window.counts());
            self.ledger.sent(number);
            let mut refused = 0;
            let accepted = loop {
                let answer = self.connection.ask(&request).await?;
                if answer.status != 429 {
                    break api::accepted(&answer)?;
                }
                refused += 1;
                api::back_off(&answer).await;
                if self.window.is_over() {
                    return Ok(());
                }
            };
            self.ledger.answered(number);
            if counts {
                let mut published = self.published.lock();
                published.events += accepted;
                published.refused += refused;
                published.answers.record(sent.elapsed(), 1);
            }
        }
        Ok(())
    }
}
