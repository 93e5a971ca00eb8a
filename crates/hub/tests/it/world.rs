//! A hand-fed hub beside a model of the truth: views that change, a stream that grows, a log in memory.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use parking_lot::Mutex;
use pulseboard_hub::{
    Bell, ChannelSource, ChannelSpec, Hub, HubConfig, SubscribeOptions, Subscription, TailBatches, TailLog,
    TailLogError,
};
use pulseboard_model::delta::ColumnSet;
use pulseboard_model::{
    Cell, Column, ColumnType, Commit, CommitPart, Delta, Epoch, FieldType, InstanceChange, InstanceId, InstanceUpdate,
    LogOffset, Mode, Position, ResetReason, Row, RowChange, RowKey, SchemaVersion, Snapshot, Status, StepOutput,
    StreamField, StreamName, StreamSchema, TimeUs, ViewState,
};
use pulseboard_protocol::{Cursor, Frame, Replica};
use pulseboard_runtime::Tasks;
use serde_json::Value;

/// Where every world starts.
pub(crate) const START: TimeUs = TimeUs(1_700_000_000_000_000);

pub(crate) fn stream() -> StreamName {
    StreamName::new("s").expect("a name")
}

/// The log: one stream whose events have `n` fields holding their offset, `n` growing with the schema.
#[derive(Debug, Default)]
pub(crate) struct MemoryLog {
    inner: Mutex<Events>,
}

#[derive(Debug, Default)]
struct Events {
    fields: usize,
    /// Offset and `_arrived_at` of each event of the stream; offsets of others are missing.
    events: Vec<(u64, i64)>,
    dropped_upto: u64,
}

impl MemoryLog {
    fn schema_of(fields: usize) -> Arc<StreamSchema> {
        let field = |i| StreamField { name: format!("f{i}"), field_type: FieldType::Int, declared: false };
        let version = SchemaVersion(u32::try_from(fields).expect("few") + 1);
        Arc::new(StreamSchema { version, fields: (0..fields).map(field).collect() })
    }

    fn batch(fields: usize, events: &[(u64, i64)]) -> RecordBatch {
        let offsets = || events.iter().map(|(offset, _)| i64::try_from(*offset).expect("small"));
        let times = || {
            let times = events.iter().map(|(_, at)| Some(*at));
            Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC")) as ArrayRef
        };
        let nulls = Arc::new(TimestampMicrosecondArray::new_null(events.len()).with_timezone("UTC")) as ArrayRef;
        let ints = || Arc::new(Int64Array::from_iter_values(offsets())) as ArrayRef;
        let mut columns: Vec<ArrayRef> = vec![times()];
        columns.extend((0..fields).map(|_| ints()));
        columns.extend([nulls, times(), ints()]);
        RecordBatch::try_new(Self::schema_of(fields).event_schema(), columns).expect("the layout")
    }

    fn push(&self, offset: u64, at: TimeUs, grow: bool) -> CommitPart {
        let mut events = self.inner.lock();
        events.fields += usize::from(grow);
        events.events.push((offset, at.0));
        let rows = Self::batch(events.fields, &[(offset, at.0)]);
        CommitPart { stream: stream(), schema: Self::schema_of(events.fields), rows }
    }

    /// The offsets of the stream's events after `after`.
    pub(crate) fn offsets_after(&self, after: u64) -> Vec<u64> {
        self.inner.lock().events.iter().map(|(offset, _)| *offset).filter(|offset| *offset > after).collect()
    }

    /// Retention drops everything up to an offset.
    pub(crate) fn drop_upto(&self, offset: u64) {
        let mut events = self.inner.lock();
        events.dropped_upto = offset;
        events.events.retain(|(held, _)| *held > offset);
    }
}

impl TailLog for MemoryLog {
    fn schema(&self, name: &StreamName) -> Option<Arc<StreamSchema>> {
        (*name == stream()).then(|| Self::schema_of(self.inner.lock().fields))
    }

    fn is_dropped(&self, _: &StreamName, position: &Position) -> bool {
        position.offset.to_u64() < self.inner.lock().dropped_upto
    }

    fn scan(&self, _: &StreamName, after: LogOffset, upto: LogOffset) -> TailBatches {
        let events = self.inner.lock();
        let range = events.events.iter().filter(|(offset, _)| (after.to_u64() + 1..=upto.to_u64()).contains(offset));
        let rows: Vec<_> = range.copied().collect();
        let batches: Vec<_> = rows.chunks(3).map(|chunk| Ok(Self::batch(events.fields, chunk))).collect();
        Box::new(batches.into_iter())
    }

    fn last_rows(&self, _: &StreamName, n: usize, upto: LogOffset) -> Result<Vec<RecordBatch>, TailLogError> {
        let events = self.inner.lock();
        let upto: Vec<_> = events.events.iter().filter(|(offset, _)| *offset <= upto.to_u64()).copied().collect();
        let last = &upto[upto.len().saturating_sub(n)..];
        Ok(vec![Self::batch(events.fields, last)])
    }
}

/// What one step does to one view.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Rows by number: set to a value, or deleted.
    Rows(Vec<(u8, Option<i64>)>),
    /// A new answer with these rows; columns change if `widen`.
    Replace { rows: Vec<(u8, i64)>, widen: bool },
    /// Only the state.
    State(u64),
}

/// The truth about one view.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) id: InstanceId,
    pub(crate) answer: Option<Snapshot>,
    pub(crate) state: ViewState,
    widened: usize,
    ordered: bool,
}

/// A hub with everything that feeds it.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) views: Vec<View>,
    pub(crate) position: Position,
    steps: i64,
    _tasks: Tasks,
}

impl World {
    pub(crate) fn new(views: usize, config: HubConfig) -> Self {
        let position = Position { epoch: Epoch(7), offset: LogOffset::START, clock: START };
        Self::at(views, config, position, Arc::default())
    }

    /// A server started anew over the same log.
    pub(crate) fn restarted(&self, config: HubConfig) -> Self {
        Self::at(self.views.len(), config, self.position, Arc::clone(&self.log))
    }

    fn at(views: usize, config: HubConfig, position: Position, log: Arc<MemoryLog>) -> Self {
        let tasks = Tasks::new();
        let hub = Hub::start(config, position, None, Arc::clone(&log) as Arc<dyn TailLog>, &tasks);
        let view = |i: usize| View {
            id: InstanceId(i as u64 + 1),
            answer: None,
            state: ViewState::new(Status::Backfilling, Mode::Maintained),
            widened: 0,
            ordered: i % 2 == 1,
        };
        Self { hub, log, views: (0..views).map(view).collect(), position, steps: 0, _tasks: tasks }
    }

    /// One step of the engine: `events` new events in the stream, and what changes.
    pub(crate) fn step(&mut self, events: usize, grow: bool, changes: &[(usize, Change)]) {
        let output = self.prepare(events, grow, changes);
        self.hub.apply(&output);
    }

    /// A step up to the hub's being told.
    pub(crate) fn prepare(&mut self, events: usize, grow: bool, changes: &[(usize, Change)]) -> StepOutput {
        self.steps += 1;
        self.position.clock = TimeUs(self.position.clock.0 + 1_000);
        let mut parts = Vec::new();
        for number in 0..events {
            let offset = self.position.offset.to_u64() + 1;
            self.position.offset = LogOffset::from_u64(offset);
            parts.push(self.log.push(offset, self.position.clock, grow && number == 0));
        }
        if events > 0 {
            self.hub.offer(Arc::new(Commit { position: self.position, parts }));
        }
        let changes = changes.iter().filter_map(|(index, change)| {
            let steps = self.steps;
            self.views.get_mut(*index).map(|view| view.change(change, steps))
        });
        let changes = changes.collect();
        StepOutput { position: self.position, newest: (events > 0).then_some(self.position.clock), changes }
    }

    pub(crate) fn view_spec(&self, index: usize) -> ChannelSpec {
        ChannelSpec {
            name: view_name(index).into(),
            definition_hash: index as u64,
            source: ChannelSource::View(self.views[index].id),
            keep: None,
        }
    }

    pub(crate) fn tail_spec() -> ChannelSpec {
        let source = ChannelSource::Tail(stream());
        ChannelSpec { name: "stream:s".into(), definition_hash: 0, source, keep: None }
    }

    /// Checks that a replica holds exactly what the views are.
    pub(crate) fn check(&self, replica: &Replica, views: &[usize]) {
        for index in views {
            let (view, name) = (&self.views[*index], view_name(*index));
            let held = &replica.channels[&name];
            let truth = Replica::of(&name, view);
            assert_eq!(held.known, view.answer.is_some(), "{name} has an answer");
            assert_eq!(held.rows, truth.rows, "rows of {name}");
            assert_eq!(held.order, truth.order, "order of {name}");
            assert_eq!(held.columns, truth.columns, "columns of {name}");
            assert_eq!(held.state, truth.state, "state of {name}");
        }
    }
}

pub(crate) fn view_name(index: usize) -> String {
    format!("view:v{index}")
}

/// What a replica holds of a view when it reads the truth at once.
trait Truth {
    fn of(name: &str, view: &View) -> pulseboard_protocol::replica::ReplicaChannel;
}

impl Truth for Replica {
    fn of(name: &str, view: &View) -> pulseboard_protocol::replica::ReplicaChannel {
        let mut members = Vec::new();
        if let Some(answer) = &view.answer {
            pulseboard_protocol::change::write_snapshot(&mut members, answer);
            members.push(b',');
        }
        pulseboard_protocol::change::write_state(&mut members, &view.state);
        let members = String::from_utf8(members).expect("utf-8");
        let frame = format!(
            r#"{{"type":"frame","sub":1,"cursor":"c","position":"p","time":1,"newest":null,"changes":[{{"channel":"{name}",{members}}}]}}"#
        );
        let mut replica = Self::new();
        replica.apply(&serde_json::from_str(&frame).expect("json")).expect("a frame");
        replica.channels.remove(name).expect("just applied")
    }
}

impl View {
    fn columns(&self) -> Vec<Column> {
        let column = |name: &str, column_type, key| Column { name: name.to_owned(), column_type, key };
        let mut columns = vec![column("k", ColumnType::Int, true), column("n", ColumnType::Int, false)];
        columns.push(column("sync", ColumnType::Int, false));
        columns.extend((0..self.widened).map(|i| column(&format!("w{i}"), ColumnType::Int, false)));
        columns
    }

    fn row(&self, key: u8, value: i64, sync: i64) -> Row {
        let widened = (0..self.widened).map(|_| Cell::Null);
        [Cell::Int(key.into()), Cell::Int(value), Cell::Int(sync)].into_iter().chain(widened).collect()
    }

    fn order(&self, rows: &Snapshot) -> Option<Vec<RowKey>> {
        self.ordered.then(|| {
            let mut keys: Vec<_> = rows.rows.keys().cloned().collect();
            let value = |key: &RowKey| match rows.rows[key][1] {
                Cell::Int(value) => value,
                _ => 0,
            };
            keys.sort_by(|a, b| value(b).cmp(&value(a)).then(a.cmp(b)));
            keys
        })
    }

    fn change(&mut self, change: &Change, step: i64) -> InstanceChange {
        let update = match (change, self.answer.take()) {
            (Change::Rows(rows), Some(mut answer)) => {
                let mut delta = Delta::default();
                for (key, value) in rows {
                    let row_key = RowKey::new(format!("k{key}"));
                    delta.set.retain(|change| change.key != row_key);
                    match value {
                        Some(value) => {
                            let row = self.row(*key, *value, step);
                            let old = answer.rows.get(&row_key).filter(|_| !delta.del.contains(&row_key));
                            let changed = old.map_or(ColumnSet::All, |old| ColumnSet::of_difference(old, &row));
                            delta.set.push(RowChange { key: row_key, row, changed });
                        }
                        None if answer.rows.contains_key(&row_key) => delta.del.push(row_key),
                        None => {}
                    }
                }
                let before = answer.order.clone();
                answer.apply(&delta);
                answer.order = self.order(&answer);
                delta.order = answer.order.clone().filter(|order| before.as_ref() != Some(order));
                self.answer = Some(answer);
                InstanceUpdate::Delta(Arc::new(delta))
            }
            (Change::State(done), answer) => {
                self.answer = answer;
                self.state.reason = Some(format!("reason {done}"));
                InstanceUpdate::State
            }
            (Change::Rows(_), None) => self.replace(&[(0, step)], false, step),
            (Change::Replace { rows, widen }, answer) => {
                let widen = *widen && answer.is_some();
                self.replace(rows, widen, step)
            }
        };
        InstanceChange { instance: self.id, update, state: Some(self.state.clone()) }
    }

    fn replace(&mut self, rows: &[(u8, i64)], widen: bool, step: i64) -> InstanceUpdate {
        self.widened += usize::from(widen);
        let mut answer = Snapshot { columns: self.columns(), ..Snapshot::default() };
        for (key, value) in rows {
            answer.rows.insert(RowKey::new(format!("k{key}")), self.row(*key, *value, step));
        }
        answer.order = self.order(&answer);
        self.state = ViewState::new(Status::Live, Mode::Maintained);
        self.answer = Some(answer.clone());
        InstanceUpdate::Snapshot(Arc::new(answer), widen.then_some(ResetReason::Schema))
    }
}

/// A client: what it holds, and its connection while it has one.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) replica: Replica,
    pub(crate) subscription: Option<Subscription>,
    pub(crate) specs: Vec<ChannelSpec>,
}

impl Reader {
    pub(crate) fn new(specs: Vec<ChannelSpec>) -> Self {
        Self { replica: Replica::new(), subscription: None, specs }
    }

    /// Connects, going on from what it holds; `bare` gives only the position.
    pub(crate) fn connect(&mut self, hub: &Hub, bare: bool) {
        let since = self.replica.cursor.as_ref().map(|text| text.parse::<Cursor>().expect("a cursor"));
        let since = since.map(|cursor| if bare { Cursor { tag: None, ..cursor } } else { cursor });
        let options = SubscribeOptions { sub: 1, since, ..SubscribeOptions::default() };
        self.subscription = Some(hub.subscribe(&self.specs, &options, &Bell::new()));
    }

    /// Takes one frame and applies it, unless it is lost on the way.
    pub(crate) async fn pull(&mut self, lost: bool) -> bool {
        let Some(subscription) = &mut self.subscription else { return false };
        loop {
            let Some(frame) = subscription.pull().await else { return false };
            let unfinished = subscription.is_unfinished();
            // One that is lost in the middle of several was preceded by others.
            if !lost || unfinished && self.replica.frames.is_multiple_of(2) {
                let value: Value = serde_json::from_slice(&frame.json).expect("json");
                self.replica.apply(&value).expect("a frame that keeps the rules");
            } else {
                // Whoever loses a frame has lost the connection.
                self.subscription = None;
                return true;
            }
            if !unfinished {
                return true;
            }
        }
    }

    pub(crate) fn take(&mut self, frame: &Frame) -> Value {
        let value: Value = serde_json::from_slice(&frame.json).expect("json");
        self.replica.apply(&value).expect("a frame that keeps the rules");
        value
    }

    /// The offsets of the items it has of the stream.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        let items = self.replica.channels.get("stream:s").map(|channel| channel.items.as_slice()).unwrap_or_default();
        let offset = |item: &Value| item.as_array().and_then(|cells| cells.last()).and_then(Value::as_u64);
        items.iter().filter_map(offset).collect()
    }
}
