//! A crowd of readers of one channel over one transport: what reaches them, how late, and whether all end at the truth.
//!
//! Every reader keeps what it is sent, as a page would. In the end a reader of its own asks afresh: whoever holds anything
//! else than what that one was ever told is counted as wrong.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pulseboard_protocol::Replica;
use pulseboard_protocol::replica::ReplicaChannel;
use pulseboard_runtime::{Clock, Shutdown, SystemClock, Tasks};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::api;
use crate::cpu::{CpuSplit, resident_bytes};
use crate::error::BenchError;
use crate::event::Sample;
use crate::generator::on_own_thread;
use crate::http::Connection;
use crate::latency::Latencies;
use crate::reader::{Follow, Reader, Transport};
use crate::target::Target;
use crate::window::Window;
use crate::wire::Slow;

/// How long readers have to end at the truth once nothing is sent any more.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// How often it is looked at whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many readers connect at once.
const CONNECTING: usize = 64;

/// Who reads what, and what is sent meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) transport: Transport,
    /// What they follow.
    pub(crate) channel: String,
    /// Where events go, at `rate` a second; nowhere if others make the news.
    pub(crate) stream: Option<String>,
    pub(crate) rate: f64,
    pub(crate) readers: usize,
    /// Of them, how many read so many bytes a second.
    pub(crate) slow: usize,
    pub(crate) slow_bytes_per_s: usize,
    pub(crate) max_hz: Option<f64>,
    pub(crate) poll_every: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// What the readers that are not slow got while it counted, and how all ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) connected_s: f64,
    pub(crate) seconds: f64,
    pub(crate) cpu: Option<CpuSplit>,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    pub(crate) resets: u64,
    pub(crate) events_sent: u64,
    /// From the newest event accepted to the frame read, by the clocks of server and reader.
    pub(crate) late: Latencies,
    pub(crate) right: usize,
    pub(crate) lost: u64,
    pub(crate) first_loss: Option<String>,
    /// What the server's memory grew by from before the counting to its end.
    pub(crate) grown_bytes: Option<u64>,
}

impl Outcome {
    /// An error unless all readers ended at the truth.
    pub(crate) fn checked(self, readers: usize) -> Result<Self, BenchError> {
        if self.right == readers {
            return Ok(self);
        }
        let lost =
            self.first_loss.as_ref().map(|why| format!("; {} lost their connection, the first: {why}", self.lost));
        let lost = lost.unwrap_or_default();
        let wrong =
            format!("{} of {readers} readers did not end with what the server says{lost}", readers - self.right);
        Err(BenchError::WrongAnswer(wrong))
    }
}

/// A view of the bench's own over a stream that is made: twenty rows, of which an event changes one.
pub(crate) async fn own_channel(target: &Target, scenario: &str) -> Result<(String, String), BenchError> {
    let stream = api::fresh_stream(scenario);
    let mut connection = Connection::open(target).await?;
    for number in 0..100 {
        api::ingest(&mut connection, target, &stream, &body(number)).await?;
    }
    let sql = format!(
        "SELECT service, count(*) AS events, sum(duration_ms) AS total, max(path) AS last FROM {stream} GROUP BY service"
    );
    let channel = api::live_query(&mut connection, target, &sql).await?;
    answered(target, &channel).await?;
    Ok((stream, channel))
}

/// Waits until a channel has an answer: whoever comes before that is sent a frame without one, and what it is sent when it
/// comes back is its first answer and no continuation.
async fn answered(target: &Target, channel: &str) -> Result<(), BenchError> {
    let mut reader = Reader::open(&Follow::of(target, channel)).await?;
    let answer = async {
        loop {
            let frame = parsed(&reader.next().await?)?;
            let changes = frame["changes"].as_array().map_or(&[][..], Vec::as_slice);
            if changes.iter().any(|change| change.get("snapshot").is_some()) {
                return Ok(());
            }
        }
    };
    let limit_s = SETTLE_MAX.as_secs();
    timeout(SETTLE_MAX, answer).await.map_err(|_| BenchError::Timeout { what: "a first answer", limit_s })?
}

/// A frame, out of its text.
pub(crate) fn parsed(frame: &[u8]) -> Result<Value, BenchError> {
    serde_json::from_slice(frame).map_err(|error| BenchError::BadAnswer(format!("a frame: {error}")))
}

fn body(number: u64) -> String {
    let mut text = String::new();
    Sample::new(number).write_json(&mut text);
    text
}

/// Connects everybody, sends, counts, and waits until all hold the truth.
pub(crate) async fn run(plan: Plan) -> Result<Outcome, BenchError> {
    on_own_thread("bench-crowd", None, move |tasks| gather(tasks, Arc::new(plan))).await
}

#[derive(Debug, Default)]
struct Shared {
    window: Window,
    heard: Mutex<Outcome>,
}

/// What one reader holds, for the look at the end.
type Held = Arc<Mutex<Replica>>;

async fn gather(tasks: Tasks, plan: Arc<Plan>) -> Result<Outcome, BenchError> {
    let shared = Arc::new(Shared::default());
    let freed = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut held: Vec<Held> = Vec::with_capacity(plan.readers);
    let mut waiting = Vec::new();
    for number in 0..plan.readers {
        let is_slow = number < plan.slow;
        let slow = is_slow.then(|| Slow { bytes_per_s: plan.slow_bytes_per_s, freed: Arc::clone(&freed) });
        let (ready, is_ready) = oneshot::channel();
        let replica = Held::default();
        held.push(Arc::clone(&replica));
        let member = Member { shared: Arc::clone(&shared), replica, counts: !is_slow };
        tasks.spawn("bench-reader", member.run(follow(&plan, slow), ready, tasks.shutdown()));
        if is_slow {
            // Its first frame takes as long as it takes.
            continue;
        }
        waiting.push(is_ready);
        if waiting.len() == CONNECTING {
            all_ready(&mut waiting, &shared).await?;
        }
    }
    all_ready(&mut waiting, &shared).await?;
    let connected_s = started.elapsed().as_secs_f64();

    let resident = || plan.target.server_pid.and_then(resident_bytes);
    let before = resident();
    let sent = Arc::new(AtomicU64::new(0));
    let publishing = publish(Arc::clone(&plan), shared.window.clone(), Arc::clone(&sent));
    let counting = shared.window.run(plan.warm_up, plan.duration, plan.target.server_pid);
    let (published, (seconds, cpu)) = tokio::join!(publishing, counting);
    published?;
    let grown_bytes = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));

    freed.store(true, Ordering::Relaxed);
    let right = settled(&tasks, &plan, &held).await?;
    let mut outcome = std::mem::take(&mut *shared.heard.lock());
    (outcome.connected_s, outcome.seconds, outcome.cpu) = (connected_s, seconds, Some(cpu));
    (outcome.right, outcome.grown_bytes) = (right, grown_bytes);
    outcome.events_sent = sent.load(Ordering::Relaxed);
    Ok(outcome)
}

fn follow(plan: &Plan, slow: Option<Slow>) -> Follow {
    Follow {
        transport: plan.transport,
        max_hz: plan.max_hz,
        poll_every: plan.poll_every,
        slow,
        ..Follow::of(&plan.target, &plan.channel)
    }
}

async fn all_ready(waiting: &mut Vec<oneshot::Receiver<()>>, shared: &Shared) -> Result<(), BenchError> {
    for ready in waiting.drain(..) {
        if ready.await.is_err() {
            let why = shared.heard.lock().first_loss.take();
            return Err(BenchError::BadAnswer(why.unwrap_or_else(|| "a reader ended early".to_owned())));
        }
    }
    Ok(())
}

/// Sends one event after the other until the window is over.
async fn publish(plan: Arc<Plan>, window: Window, sent: Arc<AtomicU64>) -> Result<(), BenchError> {
    let Some(stream) = &plan.stream else { return Ok(()) };
    let mut connection = Connection::open(&plan.target).await?;
    let started = Instant::now();
    for number in 0_u32.. {
        tokio::time::sleep_until(started + Duration::from_secs_f64(f64::from(number) / plan.rate)).await;
        if window.is_over() {
            break;
        }
        let request = api::ingest_request(&plan.target, stream, &body(u64::from(number)));
        let answer = connection.ask(&request).await?;
        if answer.status == 429 {
            api::back_off(&answer).await;
            continue;
        }
        let accepted = api::accepted(&answer)?;
        if window.counts() {
            sent.fetch_add(accepted, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// One reader.
struct Member {
    shared: Arc<Shared>,
    replica: Held,
    counts: bool,
}

impl Member {
    async fn run(self, follow: Follow, ready: oneshot::Sender<()>, shutdown: Shutdown) {
        tokio::select! {
            read = self.read(follow, ready) => {
                if let Err(error) = read {
                    let mut heard = self.shared.heard.lock();
                    heard.lost += 1;
                    heard.first_loss.get_or_insert_with(|| error.to_string());
                }
            }
            () = shutdown.wait() => {}
        }
    }

    async fn read(&self, follow: Follow, ready: oneshot::Sender<()>) -> Result<(), BenchError> {
        let mut reader = Reader::open(&follow).await?;
        let mut ready = Some(ready);
        let (mut bytes, mut requests) = (0, 0);
        loop {
            let frame = reader.next().await?;
            let now_us = SystemClock.now_us();
            let frame = parsed(&frame)?;
            take(&mut self.replica.lock(), &frame)?;
            if let Some(ready) = ready.take() {
                // Whoever waits may have given up.
                let _gone = ready.send(()).is_err();
            }
            if self.counts && self.shared.window.counts() {
                let mut heard = self.shared.heard.lock();
                heard.frames += 1;
                heard.bytes += reader.bytes - bytes;
                heard.requests += reader.requests - requests;
                let changes = frame["changes"].as_array().map_or(&[][..], Vec::as_slice);
                heard.resets += changes.iter().filter(|change| change.get("reset").is_some()).count() as u64;
                if let Some(newest) = frame["newest"].as_i64() {
                    let late_us = u64::try_from(now_us.saturating_sub(newest)).unwrap_or(0);
                    heard.late.record(Duration::from_micros(late_us), 1);
                }
            }
            (bytes, requests) = (reader.bytes, reader.requests);
        }
    }
}

/// Takes a frame in. Of a tail only its last item is kept.
fn take(replica: &mut Replica, frame: &Value) -> Result<(), BenchError> {
    replica.apply(frame).map_err(|error| BenchError::WrongAnswer(error.to_string()))?;
    for channel in replica.channels.values_mut() {
        let spare = channel.items.len().saturating_sub(1);
        channel.items.drain(..spare);
    }
    Ok(())
}

/// What a reader holds, as a number.
fn fingerprint(replica: &Replica) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, ReplicaChannel { columns, rows, order, items, .. }) in &replica.channels {
        (name, columns, order).hash(&mut hasher);
        for (key, row) in rows {
            key.hash(&mut hasher);
            // The members of a row come in any order.
            for column in columns {
                row.get(column).map(ToString::to_string).hash(&mut hasher);
            }
        }
        items.last().map(ToString::to_string).hash(&mut hasher);
    }
    hasher.finish()
}

/// Waits until every reader holds what one that asks now is told; gives how many do.
async fn settled(tasks: &Tasks, plan: &Arc<Plan>, held: &[Held]) -> Result<usize, BenchError> {
    let mut truth = Follow { transport: Transport::Ws, max_hz: None, ..follow(plan, None) };
    if truth.channel.starts_with("stream:") && !truth.channel.contains('?') {
        truth.channel.push_str("?last=1");
    }
    let mut judge = Reader::open(&truth).await?;
    let told = Arc::new(Mutex::new(HashSet::new()));
    let mut replica = Replica::new();
    let first = timeout(SETTLE_MAX, judge.next()).await;
    let first = first.map_err(|_| BenchError::Timeout { what: "a fresh answer", limit_s: SETTLE_MAX.as_secs() })??;
    let mut hear = move |frame: &[u8], told: &Mutex<HashSet<u64>>| -> Result<(), BenchError> {
        let frame = parsed(frame)?;
        take(&mut replica, &frame)?;
        told.lock().insert(fingerprint(&replica));
        Ok(())
    };
    hear(&first, &told)?;
    let (listening, stop) = (Arc::clone(&told), tasks.shutdown());
    tasks.spawn("bench-judge", async move {
        let listen = async {
            while let Ok(frame) = judge.next().await {
                if hear(&frame, &listening).is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = listen => {}
            () = stop.wait() => {}
        }
    });
    let deadline = Instant::now() + SETTLE_MAX;
    let mut open: Vec<&Held> = held.iter().collect();
    while !open.is_empty() && Instant::now() < deadline {
        let told = told.lock().clone();
        open.retain(|held| !told.contains(&fingerprint(&held.lock())));
        if !open.is_empty() {
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(held.len() - open.len())
}
