//! State as bytes and back: what a checkpoint, a hand-over or a rewind needs.
//!
//! Layout: magic, format version, instance clock, truncated flag, what the window remembers of rows it does not hold,
//! kind, then for groups the stay, times and length of each pane part and one Arrow IPC stream of them all (keys, then
//! states), and for rows each stored row, those of a step not finished yet included. Partial states are DataFusion's and not
//! stable over its versions: whoever stores a dump stores the engine version and the query's fingerprint beside it and
//! rebuilds from the log when they differ. Anything that does not read back whole is an error, never a guess.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat, take_arrays};
use arrow::datatypes::{Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatchOptions;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use pulseboard_model::limits::ViewLimits;
use pulseboard_model::{Cell, RowKey, TimeUs};

use super::branches::RowId;
use super::instance::{Instance, State};
use super::output::Placed;
use super::rows::StoredRow;
use super::shape::Shape;
use super::watch::Spans;
use super::window::{Memory, Stay, Window};

const MAGIC: &[u8; 4] = b"PBLS";
/// Raised whenever the layout changes: a dump of another format is not read.
pub(crate) const FORMAT: u8 = 5;
const KIND_GROUPS: u8 = 1;
const KIND_ROWS: u8 = 2;

/// Parts are joined into batches of about this many rows.
const BATCH_ROWS: usize = 65_536;

fn damaged() -> DataFusionError {
    exec_datafusion_err!("the stored state is damaged or of another format")
}

/// Writes an instance's state.
pub(crate) fn dump(instance: &mut Instance) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.push(FORMAT);
    out.extend_from_slice(&instance.now().0.to_le_bytes());
    out.push(u8::from(instance.is_truncated()));
    write_window(&mut out, instance.window());
    match &mut instance.state {
        State::Groups(groups) => {
            out.push(KIND_GROUPS);
            let parts = groups.parts()?;
            write_len(&mut out, parts.len());
            let mut pieces = Vec::with_capacity(parts.len());
            for (stay, spans, keys, states) in parts {
                write_stay(&mut out, stay, &spans);
                let columns: Vec<ArrayRef> = keys.into_iter().chain(states.into_iter().flatten()).collect();
                write_len(&mut out, rows_of(&columns));
                pieces.push(columns);
            }
            write_bytes(&mut out, &pieces_to_ipc(&pieces)?);
        }
        State::Rows(rows) => {
            out.push(KIND_ROWS);
            let stored = rows.all(instance.output.all());
            write_len(&mut out, stored.len());
            for row in &stored {
                write_stay(&mut out, row.stay, &row.spans);
                write_bytes(&mut out, row.key.as_str().as_bytes());
                write_bytes(&mut out, &row.placed.sort);
                write_len(&mut out, row.placed.row.len());
                row.placed.row.iter().for_each(|cell| write_cell(&mut out, cell));
            }
        }
    }
    Ok(out)
}

/// Reads a state back into a fresh instance of the same shape.
///
/// # Errors
/// When the bytes are not a whole dump of this shape.
pub(crate) fn restore(shape: &Arc<Shape>, limits: &ViewLimits, bytes: &[u8]) -> Result<Instance> {
    let mut input = Reader { bytes };
    if input.take(4)? != MAGIC || input.byte()? != FORMAT {
        return Err(damaged());
    }
    let now = TimeUs(input.int()?);
    let truncated = input.byte()? != 0;
    let memory = input.window()?;
    let kind = input.byte()?;
    let mut instance = Instance::new(shape.clone(), limits, now)?;
    match (&mut instance.state, kind) {
        (State::Groups(groups), KIND_GROUPS) => {
            let keys = shape.aggregate.as_ref().map_or(0, |aggregate| aggregate.keys.len());
            let parts: Vec<(Stay, Spans, usize)> = (0..input.len()?)
                .map(|_| {
                    let (stay, spans) = input.stay()?;
                    Ok((stay, spans, input.len()?))
                })
                .collect::<Result<_>>()?;
            let mut pieces = Pieces::new(input.sized()?)?;
            for (stay, spans, rows) in parts {
                if rows == 0 {
                    continue;
                }
                let mut columns = pieces.take(rows)?.into_iter();
                let keys: Vec<ArrayRef> = columns.by_ref().take(keys).collect();
                let states = groups.units().split(columns)?;
                groups.restore(stay, &spans, &keys, states, rows)?;
            }
            groups.set_truncated(truncated);
            groups.window_mut().remember(&memory);
        }
        (State::Rows(rows), KIND_ROWS) => {
            for _ in 0..input.len()? {
                let (stay, spans) = input.stay()?;
                let key = String::from_utf8(input.sized()?.to_vec()).map_err(|_| damaged())?;
                let id = RowId::of_key(&key).ok_or_else(damaged)?;
                let sort = Arc::from(input.sized()?);
                let width = input.len()?;
                let row = (0..width).map(|_| input.cell()).collect::<Result<Vec<_>>>()?;
                let placed = Placed { row: row.into(), sort };
                rows.place(id, StoredRow { key: RowKey::new(key), placed, stay, spans });
            }
            rows.set_truncated(truncated);
            rows.window_mut().remember(&memory);
        }
        _ => return Err(damaged()),
    }
    if !input.bytes.is_empty() {
        return Err(damaged());
    }
    Ok(instance)
}

fn rows_of(columns: &[ArrayRef]) -> usize {
    columns.first().map_or(0, |column| column.len())
}

/// One stream of all pieces, each whole in one batch.
fn pieces_to_ipc(pieces: &[Vec<ArrayRef>]) -> Result<Vec<u8>> {
    let Some(first) = pieces.first() else { return Ok(Vec::new()) };
    let field = |(number, column): (usize, &ArrayRef)| Field::new(number.to_string(), column.data_type().clone(), true);
    let schema = Arc::new(Schema::new(first.iter().enumerate().map(field).collect::<Vec<_>>()));
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    let mut from = 0;
    while from < pieces.len() {
        let (mut to, mut rows) = (from, 0);
        while to < pieces.len() && (rows == 0 || rows + rows_of(&pieces[to]) <= BATCH_ROWS) {
            rows += rows_of(&pieces[to]);
            to += 1;
        }
        let column = |number: usize| -> Result<ArrayRef> {
            let arrays: Vec<&dyn Array> = pieces[from..to].iter().map(|piece| piece[number].as_ref()).collect();
            Ok(concat(&arrays)?)
        };
        let columns = (0..first.len()).map(column).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        writer.write(&RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)?;
        from = to;
    }
    Ok(writer.into_inner()?)
}

/// Gives the pieces back in their order.
struct Pieces<'a> {
    reader: Option<StreamReader<Cursor<&'a [u8]>>>,
    batch: Option<RecordBatch>,
    at: usize,
}

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self> {
        let reader = if bytes.is_empty() { None } else { Some(StreamReader::try_new(Cursor::new(bytes), None)?) };
        Ok(Self { reader, batch: None, at: 0 })
    }

    fn take(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.at < batch.num_rows()) {
                if batch.num_rows() - self.at < rows {
                    return Err(damaged());
                }
                if rows == batch.num_rows() {
                    self.at = rows;
                    return Ok(batch.columns().to_vec());
                }
                // Copied: a slice would hold, and count, the memory of all its neighbours for as long as it lives.
                let range = |at: usize| u32::try_from(at).map_err(|_| damaged());
                let picked = UInt32Array::from_iter_values(range(self.at)?..range(self.at + rows)?);
                self.at += rows;
                return Ok(take_arrays(batch.columns(), &picked, None)?);
            }
            let next = self.reader.as_mut().and_then(Iterator::next).ok_or_else(damaged)??;
            (self.batch, self.at) = (Some(next), 0);
        }
    }
}

fn write_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u64).to_le_bytes());
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_stay(out: &mut Vec<u8>, stay: Stay, spans: &Spans) {
    out.extend_from_slice(&stay.leave_us.to_le_bytes());
    out.extend_from_slice(&stay.enter_us.to_le_bytes());
    out.extend_from_slice(&i64::from(stay.leaves_by).to_le_bytes());
    out.extend_from_slice(&i64::from(stay.waits_for).to_le_bytes());
    write_len(out, spans.pairs().len());
    for (from_us, to_us) in spans.pairs() {
        out.extend_from_slice(&from_us.to_le_bytes());
        out.extend_from_slice(&to_us.to_le_bytes());
    }
}

fn write_window(out: &mut Vec<u8>, window: &Window) {
    let Memory { refused_until_us, refused_rows, bounds } = window.memory();
    out.extend_from_slice(&refused_until_us.to_le_bytes());
    out.extend_from_slice(&refused_rows.to_le_bytes());
    write_len(out, bounds.len());
    for time in bounds.iter().flat_map(|(gone, refused)| [gone, refused]) {
        out.push(u8::from(time.is_some()));
        out.extend_from_slice(&time.unwrap_or_default().to_le_bytes());
    }
}

fn write_cell(out: &mut Vec<u8>, cell: &Cell) {
    match cell {
        Cell::Null => out.push(0),
        Cell::Bool(value) => out.extend_from_slice(&[1, u8::from(*value)]),
        Cell::Int(value) => write_number(out, 2, &value.to_le_bytes()),
        Cell::UInt(value) => write_number(out, 3, &value.to_le_bytes()),
        Cell::Float(value) => write_number(out, 4, &value.to_le_bytes()),
        Cell::Time(value) => write_number(out, 5, &value.to_le_bytes()),
        Cell::Date(value) => write_number(out, 6, &i64::from(*value).to_le_bytes()),
        Cell::Duration(value) => write_number(out, 7, &value.to_le_bytes()),
        Cell::Decimal(text) => write_text(out, 8, text),
        Cell::Str(text) => write_text(out, 9, text),
        Cell::Interval(text) => write_text(out, 10, text),
        Cell::Json(text) => write_text(out, 11, text),
        Cell::Bytes(bytes) => {
            out.push(12);
            write_bytes(out, bytes);
        }
    }
}

fn write_number(out: &mut Vec<u8>, tag: u8, bytes: &[u8; 8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn write_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    write_bytes(out, text.as_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(count).ok_or_else(damaged)?;
        self.bytes = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn eight(&mut self) -> Result<[u8; 8]> {
        self.take(8)?.try_into().map_err(|_| damaged())
    }

    fn int(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.eight()?))
    }

    fn len(&mut self) -> Result<usize> {
        usize::try_from(u64::from_le_bytes(self.eight()?)).map_err(|_| damaged())
    }

    fn sized(&mut self) -> Result<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    fn text(&mut self) -> Result<Arc<str>> {
        std::str::from_utf8(self.sized()?).map(Arc::from).map_err(|_| damaged())
    }

    fn stay(&mut self) -> Result<(Stay, Spans)> {
        let (leave_us, enter_us) = (self.int()?, self.int()?);
        let leaves_by = u16::try_from(self.int()?).map_err(|_| damaged())?;
        let waits_for = u16::try_from(self.int()?).map_err(|_| damaged())?;
        let spans = (0..self.len()?).map(|_| Ok((self.int()?, self.int()?))).collect::<Result<_>>()?;
        Ok((Stay { leave_us, enter_us, leaves_by, waits_for }, Spans::from_pairs(spans)))
    }

    fn window(&mut self) -> Result<Memory> {
        let (refused_until_us, refused_rows) = (self.int()?, u64::from_le_bytes(self.eight()?));
        let bounds = (0..self.len()?).map(|_| Ok((self.maybe_int()?, self.maybe_int()?))).collect::<Result<_>>()?;
        Ok(Memory { refused_until_us, refused_rows, bounds })
    }

    fn maybe_int(&mut self) -> Result<Option<i64>> {
        let (there, value) = (self.byte()? != 0, self.int()?);
        Ok(there.then_some(value))
    }

    fn cell(&mut self) -> Result<Cell> {
        Ok(match self.byte()? {
            0 => Cell::Null,
            1 => Cell::Bool(self.byte()? != 0),
            2 => Cell::Int(self.int()?),
            3 => Cell::UInt(u64::from_le_bytes(self.eight()?)),
            4 => Cell::Float(f64::from_le_bytes(self.eight()?)),
            5 => Cell::Time(self.int()?),
            6 => Cell::Date(i32::try_from(self.int()?).map_err(|_| damaged())?),
            7 => Cell::Duration(self.int()?),
            8 => Cell::Decimal(self.text()?),
            9 => Cell::Str(self.text()?),
            10 => Cell::Interval(self.text()?),
            11 => Cell::Json(self.text()?),
            12 => Cell::Bytes(self.sized()?.into()),
            _ => return Err(damaged()),
        })
    }
}
