//! The state of a query without aggregate: its rows, in order, and when each leaves.
//!
//! If rows beyond the limit can never be needed again (nothing leaves, or the last leave first), they are dropped at
//! once; a "last 50 orders" then holds 50 rows however many come.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Field, Int64Type, Schema, UInt32Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, internal_datafusion_err};
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::schema::OFFSET;
use pulseboard_model::{RowKey, TimeUs};

use super::branches::RowId;
use super::output::{Cut, Placed, SortKey};
use super::rowwise;
use super::shape::{OrderShape, Shape};
use super::stays::stays_of_rows;
use super::watch::Spans;
use super::window::{MovedBack, Stay, Window};
use crate::cells::cells;

/// Turns sort columns into bytes that compare as the query orders.
#[derive(Debug)]
pub(crate) struct Sorter {
    converter: Option<RowConverter>,
}

impl Sorter {
    pub(crate) fn new(order: Option<&OrderShape>) -> Result<Self> {
        let converter = match order {
            Some(order) if !order.options.is_empty() => {
                let fields = order
                    .options
                    .iter()
                    .map(|(data_type, options)| SortField::new_with_options(data_type.clone(), *options));
                Some(RowConverter::new(fields.collect())?)
            }
            _ => None,
        };
        Ok(Self { converter })
    }

    /// One key per row; `unique` ends each, so that no two are equal.
    pub(crate) fn keys<'a>(
        &self,
        columns: &[ArrayRef],
        unique: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<SortKey>> {
        let rows = self.converter.as_ref().map(|converter| converter.convert_columns(columns)).transpose()?;
        let mut bytes = Vec::new();
        let key = |(number, unique): (usize, &[u8])| {
            bytes.clear();
            if let Some(rows) = &rows {
                bytes.extend_from_slice(rows.row(number).as_ref());
            }
            bytes.extend_from_slice(unique);
            SortKey::from(bytes.as_slice())
        };
        Ok(unique.enumerate().map(key).collect())
    }
}

/// How a shape's result is cut; none if it asks for no order.
pub(crate) fn cut_of(shape: &Shape) -> Option<Cut> {
    shape.order.as_ref().map(|order| Cut { skip: order.skip, fetch: order.fetch })
}

#[derive(Debug, Clone)]
pub(crate) struct StoredRow {
    pub(crate) key: RowKey,
    pub(crate) placed: Placed,
    pub(crate) stay: Stay,
    pub(crate) spans: Spans,
}

impl StoredRow {
    fn size_bytes(&self) -> usize {
        self.placed.size_bytes() + self.key.as_str().len() + LEAVING_BYTES
    }
}

/// What one row takes to know when it leaves: its entry, its times, and its times once more where the window watches them.
const LEAVING_BYTES: usize = size_of::<((i64, i64), Leaving)>() + 3 * size_of::<(i64, i64)>();

/// A row inside a window.
#[derive(Debug)]
struct Leaving {
    key: RowKey,
    stay: Stay,
    spans: Spans,
}

/// The state.
#[derive(Debug)]
pub(crate) struct Rows {
    shape: Arc<Shape>,
    rows_max: usize,
    bytes_max: usize,
    /// What is held, outside included: said by [`Rows::holding`], then counted on.
    bytes: usize,
    waiting_bytes: usize,
    window: Window,
    sorter: Sorter,
    /// How many rows at the front are ever needed, if that is known.
    needed: Option<usize>,
    /// Inside, if there is a window: when each row leaves, with its identity to keep the order fixed.
    leaving: BTreeMap<(i64, RowId), Leaving>,
    waiting: BTreeMap<(i64, RowId), StoredRow>,
    changes: Vec<(RowKey, Option<Placed>)>,
    /// Rows inside, including those in `changes`.
    inside: usize,
    truncated: bool,
}

impl Rows {
    pub(crate) fn new(shape: &Arc<Shape>, limits: &ViewLimits, now: TimeUs) -> Result<Self> {
        let needed = match &shape.order {
            Some(OrderShape { skip, fetch: Some(fetch), .. }) if shape.tail_is_final => {
                // More than the row limit allows is not held for a LIMIT either.
                Some(skip.saturating_add(*fetch)).filter(|needed| *needed <= limits.rows_max)
            }
            _ => None,
        };
        Ok(Self {
            rows_max: limits.rows_max,
            bytes_max: limits.state_bytes_max,
            bytes: 0,
            waiting_bytes: 0,
            window: Window::new(&shape.bounds, now)?,
            sorter: Sorter::new(shape.order.as_ref())?,
            needed,
            leaving: BTreeMap::new(),
            waiting: BTreeMap::new(),
            changes: Vec::new(),
            inside: 0,
            truncated: false,
            shape: shape.clone(),
        })
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    pub(crate) fn set_truncated(&mut self, truncated: bool) {
        self.truncated = truncated;
    }

    /// Whether the limit was hit and there is room again: a rebuild would show more.
    pub(crate) fn has_room_again(&self) -> bool {
        let room = self.inside + self.waiting.len() <= self.rows_max / 2 && self.bytes <= self.bytes_max / 2;
        self.truncated && self.window.is_bounded() && room
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn window_mut(&mut self) -> &mut Window {
        &mut self.window
    }

    /// What is shown of it holds `shown_bytes`.
    pub(crate) fn holding(&mut self, shown_bytes: usize) {
        self.bytes = shown_bytes + self.size_bytes();
    }

    /// About how many bytes it holds beside what is shown.
    pub(crate) fn size_bytes(&self) -> usize {
        self.waiting_bytes + self.leaving.len() * LEAVING_BYTES
    }

    pub(crate) fn needs_only_the_front(&self) -> bool {
        self.needed.is_some()
    }

    /// Takes a batch in the layout of one of the shape's inputs.
    pub(crate) fn push(&mut self, number: usize, batch: RecordBatch) -> Result<()> {
        let offsets = batch
            .column_by_name(OFFSET)
            .cloned()
            .ok_or_else(|| internal_datafusion_err!("a batch came without offsets"))?;
        let shape = self.shape.clone();
        let branch = &shape.branches[number];
        let first = branch.bounds.start;
        let stepped = rowwise::run(&branch.lower, batch, vec![offsets])?;
        let offsets = stepped.kept[0].clone();
        let places = rowwise::multiplies(&branch.lower).then(|| places(&offsets));
        let aside: Vec<ArrayRef> = places.into_iter().chain([offsets]).collect();
        let numbered = with_aside(&stepped.batch, &aside)?;
        let mut stays: Vec<(Stay, Spans)> = Vec::new();
        let place = |stay, times: &[i64]| stays.push((stay, Spans::of(first, times)));
        let numbered = stays_of_rows(&mut self.window, first, numbered, &stepped.kept[1..], place)?;
        let mut batch = numbered;
        let offsets = batch.remove_column(batch.num_columns() - 1);
        let places = (aside.len() > 1).then(|| batch.remove_column(batch.num_columns() - 1));

        let numbers: ArrayRef = Arc::new((0..i64::try_from(batch.num_rows()).unwrap_or(0)).collect::<Int64Array>());
        let mut stepped = rowwise::run(&branch.rest, batch, vec![offsets, numbers])?;
        // A place counts the items below the last bound first, then those above it.
        let later = rowwise::multiplies(&branch.rest).then(|| self::places(&stepped.kept[1]));
        let branch = u32::try_from(number).unwrap_or(u32::MAX);
        let at = |places: &Option<ArrayRef>, row: usize| {
            places.as_ref().map_or(0, |places| u64::from(places.as_primitive::<UInt32Type>().value(row)))
        };
        let of_rows = stepped.kept[0].as_primitive::<Int64Type>().values().iter();
        let numbers = stepped.kept[1].as_primitive::<Int64Type>().values().iter();
        let ids = of_rows.zip(numbers).enumerate().map(|(row, (offset, number))| {
            let place = at(&places, usize::try_from(*number).unwrap_or_default()) << 32 | at(&later, row);
            RowId { offset: *offset, branch, place }
        });
        let mut ids: Vec<RowId> = ids.collect();
        let bytes: Vec<[u8; 20]> = ids.iter().map(|id| id.bytes()).collect();
        let mut sort_keys = self.sorter.keys(&stepped.kept[2..], bytes.iter().map(<[u8; 20]>::as_slice))?;
        if let Some(needed) = self.needed
            && sort_keys.len() > needed
        {
            // Only the front of this batch can matter: do not even make cells of the rest.
            let mut order: Vec<u32> = (0..u32::try_from(sort_keys.len()).unwrap_or(u32::MAX)).collect();
            order.sort_unstable_by(|a, b| sort_keys[*a as usize].cmp(&sort_keys[*b as usize]));
            order.truncate(needed);
            order.sort_unstable();
            sort_keys = order.iter().map(|row| sort_keys[*row as usize].clone()).collect();
            ids = order.iter().map(|row| ids[*row as usize]).collect();
            let picked = UInt32Array::from(order);
            stepped.batch = take_record_batch(&stepped.batch, &picked)?;
            for kept in &mut stepped.kept {
                *kept = arrow::compute::take(kept, &picked, None)?;
            }
        }
        let columns: Vec<_> = stepped.batch.columns().iter().map(cells).collect();
        let numbers = stepped.kept[1].as_primitive::<Int64Type>();
        for (number, (id, sort)) in ids.into_iter().zip(sort_keys).enumerate() {
            let stay = usize::try_from(numbers.value(number)).ok().and_then(|n| stays.get(n)).cloned();
            let (stay, spans) = stay.unwrap_or((Stay::FOREVER, Spans::default()));
            let row = columns.iter().map(|column| column[number].clone()).collect();
            self.place(id, StoredRow { key: id.key(), placed: Placed { row, sort }, stay, spans });
        }
        Ok(())
    }

    /// Takes one row in, inside or waiting.
    pub(crate) fn place(&mut self, id: RowId, stored: StoredRow) {
        let full = self.inside + self.waiting.len() >= self.rows_max || self.bytes >= self.bytes_max;
        if self.needed.is_none() && full {
            self.truncated = true;
            self.window.count_refused(1);
            self.window.refuse(stored.stay, &stored.spans);
            return;
        }
        self.window.hold(stored.stay, &stored.spans);
        let bytes = stored.size_bytes();
        self.bytes += bytes;
        if stored.stay.is_inside() {
            self.take_inside(id, stored);
        } else {
            self.waiting_bytes += bytes;
            self.waiting.insert((stored.stay.enter_us, id), stored);
        }
    }

    fn take_inside(&mut self, id: RowId, stored: StoredRow) {
        let StoredRow { key, placed, stay, spans } = stored;
        if self.window.is_bounded() {
            self.leaving.insert((stay.leave_us, id), Leaving { key: key.clone(), stay, spans });
        }
        self.inside += 1;
        self.changes.push((key, Some(placed)));
    }

    /// Moves the clock on.
    pub(crate) fn advance(&mut self, now: TimeUs) -> Result<std::result::Result<(), MovedBack>> {
        if let Err(moved_back) = self.window.advance(now)? {
            return Ok(Err(moved_back));
        }
        let now_us = now.floor_to_second().0;
        while let Some(entry) = self.leaving.first_entry() {
            if entry.key().0 > now_us {
                break;
            }
            let Leaving { key, stay, spans } = entry.remove();
            self.window.let_go(stay, &spans);
            self.inside = self.inside.saturating_sub(1);
            self.changes.push((key, None));
        }
        while let Some(entry) = self.waiting.first_entry() {
            let (enter_us, id) = *entry.key();
            if enter_us > now_us {
                break;
            }
            let mut stored = entry.remove();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(stored.size_bytes());
            if stored.stay.leave_us <= now_us {
                self.window.let_go(stored.stay, &stored.spans);
                continue;
            }
            // It has had its place all the time: whoever waits counts.
            self.window.release(stored.stay, &stored.spans);
            stored.stay = stored.stay.entered();
            self.window.hold(stored.stay, &stored.spans);
            self.take_inside(id, stored);
        }
        if self.window.outlived_refused() {
            self.truncated = false;
        }
        Ok(self.window.holds())
    }

    /// The rows that came or went since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<(RowKey, Option<Placed>)> {
        std::mem::take(&mut self.changes)
    }

    /// Forgets rows that the output dropped because they cannot come back.
    pub(crate) fn forget(&mut self, keys: &[RowKey]) {
        if keys.is_empty() {
            return;
        }
        self.inside = self.inside.saturating_sub(keys.len());
        if !self.leaving.is_empty() {
            let gone: hashbrown::HashSet<&RowKey> = keys.iter().collect();
            let window = &mut self.window;
            self.leaving.retain(|_, leaving| {
                let stays = !gone.contains(&leaving.key);
                if !stays {
                    window.release(leaving.stay, &leaving.spans);
                }
                stays
            });
        }
    }

    /// All rows for a dump: `told` is what was handed out by [`Rows::take_changes`] and is still there.
    pub(crate) fn all<'a>(&self, told: impl Iterator<Item = (&'a RowKey, &'a Placed)>) -> Vec<StoredRow> {
        let mut inside: BTreeMap<RowKey, Placed> = told.map(|(key, placed)| (key.clone(), placed.clone())).collect();
        for (key, placed) in &self.changes {
            match placed {
                Some(placed) => inside.insert(key.clone(), placed.clone()),
                None => inside.remove(key),
            };
        }
        let mut stays: hashbrown::HashMap<&RowKey, (Stay, Spans)> =
            self.leaving.values().map(|leaving| (&leaving.key, (leaving.stay, leaving.spans.clone()))).collect();
        let stored = inside.into_iter().map(|(key, placed)| {
            let (stay, spans) = stays.remove(&key).unwrap_or((Stay::FOREVER, Spans::default()));
            StoredRow { key, placed, stay, spans }
        });
        stored.chain(self.waiting.values().cloned()).collect()
    }
}

/// Adds columns that follow the rows.
fn with_aside(batch: &RecordBatch, aside: &[ArrayRef]) -> Result<RecordBatch> {
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.extend(aside.iter().map(|column| Arc::new(Field::new("__aside", column.data_type().clone(), true))));
    let columns = batch.columns().iter().chain(aside).cloned().collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// For each row its place among its neighbours of the same origin.
fn places(origins: &ArrayRef) -> ArrayRef {
    let (mut last, mut place) = (None, 0u32);
    let places = origins.as_primitive::<Int64Type>().values().iter().map(|origin| {
        place = if last == Some(*origin) { place.saturating_add(1) } else { 0 };
        last = Some(*origin);
        place
    });
    Arc::new(places.collect::<UInt32Array>())
}
