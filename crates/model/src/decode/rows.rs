//! Rows, one after the other, into columns and a schema that grows with them.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{ArrayRef, RecordBatchOptions};
use arrow::record_batch::RecordBatch;

use crate::limits::IngestLimits;
use crate::rejects::{RAW_BYTES_MAX, raw_of};
use crate::schema::{FieldType, SchemaVersion, StreamField, StreamSchema, TIME, is_reserved};
use crate::time::TimeUs;

use super::api::{BodyError, Decoded, RowError, StreamConfig};
use super::cells;
use super::check::{Room, decimal_value, fit};
use super::column::{Column, times};
use super::fault::Fault;
use super::json_text::compact;
use super::names::{Names, Reading};
use super::parse::ParsedRow;
use super::tape::Value;
use super::times;

/// A field that exists, or one that the configuration speaks of and no event has brought yet.
#[derive(Debug)]
struct Known {
    name: String,
    field_type: FieldType,
    /// Whether the type is fixed. Kept apart from the schema's mark, which only the journal's declarations change.
    fixed: bool,
    /// Whether it is in the schema.
    in_schema: bool,
    column: Column,
}

/// A field that a row brings: its name, where its value is, and the type it gets.
type NewField = (String, usize, FieldType);

/// Why a row is not taken.
#[derive(Debug)]
enum Refusal {
    /// It is bad; the others are none the worse for it.
    Row(Fault),
    /// With it the body is too much.
    Body(BodyError),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Row(fault)
    }
}

/// Decodes the rows of one body.
#[derive(Debug)]
pub(super) struct Decoder<'c, 'a> {
    base: Option<&'c StreamSchema>,
    config: &'c StreamConfig,
    limits: &'c IngestLimits,
    now: TimeUs,
    /// The base's fields first, in its order.
    known: Vec<Known>,
    /// Numbers into `known` in the order they joined the schema after the base.
    joined: Vec<usize>,
    grown: bool,
    fields_used: usize,
    /// How many cells a row takes, without those in lists.
    width: usize,
    /// How many values the rows with lists had: what their lists take is looked into only when this could be too much.
    listed: usize,
    time_field: Option<usize>,
    names: Names,
    row: ParsedRow<'a>,
    times: Vec<i64>,
    times_valid: NullBufferBuilder,
    accepted: usize,
    rejected: Vec<RowError>,
    rejected_count: u64,
}

impl<'c, 'a> Decoder<'c, 'a> {
    pub(super) fn new(
        base: Option<&'c StreamSchema>,
        config: &'c StreamConfig,
        limits: &'c IngestLimits,
        now: TimeUs,
    ) -> Self {
        let mut decoder = Self {
            base,
            config,
            limits,
            now,
            known: Vec::new(),
            joined: Vec::new(),
            grown: false,
            fields_used: 0,
            width: 0,
            listed: 0,
            time_field: None,
            names: Names::new(),
            row: ParsedRow::default(),
            times: Vec::new(),
            times_valid: NullBufferBuilder::new(0),
            accepted: 0,
            rejected: Vec::new(),
            rejected_count: 0,
        };
        for field in base.into_iter().flat_map(|base| &base.fields) {
            decoder.fields_used += field.field_type.field_count();
            decoder.width += field.field_type.width();
            decoder.know(&field.name, field.field_type.clone(), field.declared, true);
        }
        for (name, declared) in config.fields.iter().filter(|(name, _)| !is_reserved(name)) {
            match decoder.names.column(name) {
                Some(index) => decoder.declare(index, declared),
                None => {
                    decoder.know(name, declared.clone(), true, false);
                }
            }
        }
        if let Some(name) = config.time_field.as_deref().filter(|name| !is_reserved(name)) {
            let known = decoder.names.column(name);
            decoder.time_field = Some(known.unwrap_or_else(|| decoder.know(name, FieldType::Unknown, false, false)));
        }
        decoder
    }

    fn know(&mut self, name: &str, field_type: FieldType, fixed: bool, in_schema: bool) -> usize {
        let reading = match field_type {
            FieldType::Decimal(..) | FieldType::Json => Reading::Raw,
            _ => Reading::Plain,
        };
        let index = self.known.len();
        self.names.add(name, index, reading);
        let column = Column::new(&field_type);
        self.known.push(Known { name: name.to_owned(), field_type, fixed, in_schema, column });
        index
    }

    /// Applies a declaration to a field that exists. What is stored wins where the two cannot meet; a start of the
    /// server refuses such a configuration before it comes to this.
    fn declare(&mut self, index: usize, declared: &FieldType) {
        let known = &mut self.known[index];
        if known.field_type == FieldType::Int && *declared == FieldType::Float {
            known.column.grow(declared);
            known.field_type = FieldType::Float;
            self.grown = true;
        }
        known.fixed |= known.field_type == *declared;
    }

    /// How many rows were given so far.
    pub(super) fn rows_seen(&self) -> u64 {
        self.accepted as u64 + self.rejected_count
    }

    /// Takes the next row; a bad one is rejected.
    ///
    /// # Errors
    /// When the body has more than one request may bring.
    pub(super) fn push(&mut self, text: &'a str) -> Result<(), BodyError> {
        self.admit()?;
        match self.accept(text) {
            Err(Refusal::Row(fault)) => self.note(fault, || raw_of(text)),
            Err(Refusal::Body(error)) => return Err(error),
            Ok(()) => {}
        }
        Ok(())
    }

    /// The next row is bad whatever its fields are.
    ///
    /// # Errors
    /// Those of [`Decoder::push`].
    pub(super) fn reject(&mut self, fault: Fault, raw: &[u8]) -> Result<(), BodyError> {
        self.admit()?;
        // One byte more than is kept says that it was cut; what is no text is shown as such.
        let raw = &raw[..raw.len().min(RAW_BYTES_MAX + 1)];
        self.note(fault, || raw_of(&String::from_utf8_lossy(raw)));
        Ok(())
    }

    fn admit(&self) -> Result<(), BodyError> {
        let max = self.limits.rows_max;
        if self.rows_seen() < max as u64 { Ok(()) } else { Err(BodyError::TooManyRows { max }) }
    }

    fn note(&mut self, fault: Fault, raw: impl FnOnce() -> String) {
        self.rejected_count += 1;
        if self.rejected.len() < self.limits.errors_listed_max {
            self.rejected.push(fault.into_error(self.rows_seen(), raw()));
        }
    }

    fn accept(&mut self, text: &'a str) -> Result<(), Refusal> {
        if text.len() > self.limits.row_bytes_max {
            return Err(Fault::of_row(format!(
                "larger than {} bytes, the most for one row",
                self.limits.row_bytes_max
            ))
            .into());
        }
        self.row.parse(text, &mut self.names, self.limits.depth_max)?;
        if let Some(name) = self.row.reserved {
            return Err(Fault::of_field(name, "a reserved name: the server fills this column itself").into());
        }
        let time = self.event_time()?;
        let mut room = Room::new(self.limits, self.fields_used);
        let growth = self.check_known(&mut room)?;
        let new = self.check_new(&mut room)?;
        self.check_cells(&growth, &new)?;

        // From here on nothing can fail, so a rejected row leaves no trace.
        for (index, field_type) in growth {
            self.grow(index, field_type);
        }
        for (name, at, field_type) in new {
            let index = self.know(&name, field_type, false, false);
            self.join(index);
            self.known[index].column.append(self.accepted, &self.row.tape, at);
        }
        for &index in &self.row.present {
            if let Some(at) = self.row.slot(index) {
                self.known[index].column.append(self.accepted, &self.row.tape, at);
            }
        }
        self.times.push(time.map_or(0, |time| time.0));
        self.times_valid.append(time.is_some());
        self.accepted += 1;
        if self.row.tape.has_lists() {
            self.listed += self.row.tape.len();
        }
        Ok(())
    }

    /// Counts what all rows would take with this one, in the types it brings.
    fn check_cells(&self, growth: &[(usize, FieldType)], new: &[NewField]) -> Result<(), Refusal> {
        let max = self.limits.cells_max;
        let grown = |index: usize| growth.iter().find(|(grown, _)| *grown == index).map(|(_, field_type)| field_type);
        let (mut width, mut fields) = (self.width, self.fields_used);
        for (index, field_type) in growth {
            let known = &self.known[*index];
            width += field_type.width();
            fields += field_type.field_count();
            if known.in_schema {
                width -= known.field_type.width();
                fields -= known.field_type.field_count();
            }
        }
        for (_, _, field_type) in new {
            width += field_type.width();
            fields += field_type.field_count();
        }
        let rows = (self.accepted + 1) * width;
        let has_lists = self.row.tape.has_lists();
        let listed = self.listed + if has_lists { self.row.tape.len() } else { 0 };
        // No list has more items than rows had values, and no item more cells than there are fields.
        if rows + listed * fields <= max {
            return Ok(());
        }
        let mut in_row = 0;
        if has_lists {
            let of_known = |&index: &usize| {
                let field_type = grown(index).unwrap_or(&self.known[index].field_type);
                self.row.slot(index).map_or(0, |at| cells::in_lists(field_type, &self.row.tape, at))
            };
            in_row = self.row.present.iter().map(of_known).sum();
            in_row +=
                new.iter().map(|(_, at, field_type)| cells::in_lists(field_type, &self.row.tape, *at)).sum::<usize>();
        }
        if width + in_row > max {
            let reason = format!("takes more than {max} cells: the items of its lists times their members");
            return Err(Fault::of_row(reason).into());
        }
        let before: usize = (self.known.iter().enumerate())
            .map(|(index, known)| known.column.cells_in_lists(grown(index).unwrap_or(&known.field_type)))
            .sum();
        if rows + before + in_row > max { Err(Refusal::Body(BodyError::TooManyCells { max })) } else { Ok(()) }
    }

    /// The event time if the row says one: its `time_field`, else `time`.
    fn event_time(&mut self) -> Result<Option<TimeUs>, Fault> {
        let not_null = |at: &usize| !matches!(self.row.tape.get(*at), Value::Null | Value::Raw("null"));
        let of_field = self.time_field.and_then(|index| Some((index, self.row.slot(index).filter(not_null)?)));
        let of_time = self.row.time.filter(not_null);
        match (of_field, of_time) {
            (Some((index, _)), _) if self.row.time.is_some() => {
                let reason = format!("not allowed beside `{}`, which holds the event time", self.known[index].name);
                Err(Fault::of_field(TIME, reason))
            }
            (Some((index, at)), _) => self.read_event_time(&self.known[index].name, at).map(Some),
            (None, Some(at)) => self.read_event_time(TIME, at).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The instant that field `name`, whose value is at `at`, stands for.
    fn read_time(&self, name: &str, at: usize) -> Result<TimeUs, Fault> {
        let formats = &self.config.time_formats;
        let format = formats.iter().find(|(field, _)| field == name).map(|(_, format)| format.as_str());
        let from_text = |text: &str| times::from_text(text, self.config.timezone, format);
        let value = self.row.tape.get(at);
        let time = match (value, format) {
            (Value::Int(epoch), None) => Some(times::from_int(*epoch)),
            (Value::Float(epoch), None) => times::from_float(*epoch),
            (Value::Int(number), Some(_)) => from_text(&number.to_string()),
            (Value::Float(number), Some(_)) => from_text(&number.to_string()),
            (Value::Str(text), _) => from_text(text),
            (Value::Raw(raw), _) => from_text(raw.trim_matches('"')),
            _ => None,
        };
        let Some(time) = time.filter(|time| time.to_datetime().is_some()) else {
            let expected = format.map_or_else(
                || "expected a time as RFC 3339 text with seconds or as a number since 1970".to_owned(),
                |format| format!("expected a time written as `{format}`"),
            );
            let found = match value {
                Value::Str(text) => format!("`{}`", super::fault::quoted(text)),
                other => other.describe().to_owned(),
            };
            return Err(Fault::of_field(name, format!("{expected}, found {found}")));
        };
        Ok(time)
    }

    /// The same of the event time, which must lie within reason.
    fn read_event_time(&self, name: &str, at: usize) -> Result<TimeUs, Fault> {
        let time = self.read_time(name, at)?;
        if time.0 < 0 {
            return Err(Fault::of_field(name, format!("the time {time} is before 1970")));
        }
        if time > self.now.plus_us(self.limits.future_us_max) {
            let hours = self.limits.future_us_max / 3_600_000_000;
            return Err(Fault::of_field(name, format!("the time {time} is more than {hours} h in the future")));
        }
        Ok(time)
    }

    /// Checks the fields that are known. Gives those whose type has to change, or that join the schema now.
    fn check_known(&mut self, room: &mut Room<'_>) -> Result<Vec<(usize, FieldType)>, Fault> {
        let mut growth = Vec::new();
        for place in 0..self.row.present.len() {
            let index = self.row.present[place];
            let Some(at) = self.row.slot(index) else { continue };
            self.convert_declared(index, at)?;
            let known = &self.known[index];
            if matches!(self.row.tape.get(at), Value::Null) {
                continue;
            }
            let in_field = |fault: Fault| fault.in_field(&known.name);
            if !known.in_schema {
                room.take(&known.name).map_err(in_field)?;
            }
            let wider = fit(&known.field_type, known.fixed, &self.row.tape, at, room).map_err(in_field)?;
            match wider {
                Some(wider) => growth.push((index, wider)),
                None if !known.in_schema => growth.push((index, known.field_type.clone())),
                None => {}
            }
        }
        Ok(growth)
    }

    /// Reads the value of a field declared decimal, time or json as such, in its place on the tape.
    fn convert_declared(&mut self, index: usize, at: usize) -> Result<(), Fault> {
        let known = &self.known[index];
        let in_field = |fault: Fault| fault.in_field(&known.name);
        let value = match (&known.field_type, self.row.tape.get(at)) {
            (FieldType::Decimal(precision, scale), Value::Raw(raw)) => {
                decimal_value(raw, *precision, *scale).map_err(in_field)?
            }
            (FieldType::Json, Value::Raw("null")) => Value::Null,
            (FieldType::Json, Value::Raw(raw)) => {
                let depth_max = self.limits.depth_max;
                let too_deep = || Fault::of_value(format!("nested deeper than {depth_max} levels"));
                let text = compact(raw, depth_max).ok_or_else(too_deep).map_err(in_field)?;
                Value::Str(text.into())
            }
            (FieldType::Time, Value::Int(_) | Value::Float(_) | Value::Str(_)) => {
                Value::Time(self.read_time(&known.name, at)?.0)
            }
            _ => return Ok(()),
        };
        self.row.tape.replace(at, value);
        Ok(())
    }

    /// Checks the keys that are no field yet. Gives the fields they become; nulls become none.
    fn check_new(&self, room: &mut Room<'_>) -> Result<Vec<NewField>, Fault> {
        let mut new = Vec::new();
        if self.row.new.is_empty() {
            return Ok(new);
        }
        for (name, &at) in &self.row.new {
            if matches!(self.row.tape.get(at), Value::Null) {
                continue;
            }
            let in_field = |fault: Fault| fault.in_field(name);
            room.take(name).map_err(in_field)?;
            let first = fit(&FieldType::Unknown, false, &self.row.tape, at, room).map_err(in_field)?;
            new.push((name.to_string(), at, first.unwrap_or(FieldType::Unknown)));
        }
        Ok(new)
    }

    fn grow(&mut self, index: usize, field_type: FieldType) {
        let known = &mut self.known[index];
        if known.in_schema {
            self.fields_used = self.fields_used - known.field_type.field_count() + field_type.field_count();
            self.width = self.width - known.field_type.width() + field_type.width();
        }
        known.column.grow(&field_type);
        known.field_type = field_type;
        self.grown = true;
        if !known.in_schema {
            self.join(index);
        }
    }

    /// Puts a known field into the schema.
    fn join(&mut self, index: usize) {
        let known = &mut self.known[index];
        known.in_schema = true;
        self.fields_used += known.field_type.field_count();
        self.width += known.field_type.width();
        self.joined.push(index);
        self.grown = true;
    }

    /// The batch of all rows, and the schema they are in.
    pub(super) fn finish(mut self) -> Decoded {
        let mut known: Vec<Option<Known>> = self.known.into_iter().map(Some).collect();
        let base_count = self.base.map_or(0, |base| base.fields.len());
        let in_order = (0..base_count).chain(self.joined).filter_map(|index| known[index].take());
        let (fields, columns): (Vec<_>, Vec<_>) = in_order
            .enumerate()
            .map(|(place, known)| {
                let declared = match self.base.and_then(|base| base.fields.get(place)) {
                    Some(field) => field.declared,
                    None => known.fixed,
                };
                (StreamField { name: known.name, field_type: known.field_type, declared }, known.column)
            })
            .unzip();
        let version = match self.base {
            Some(base) if self.grown => SchemaVersion(base.version.0 + 1),
            Some(base) => base.version,
            None => SchemaVersion(1),
        };
        let schema = StreamSchema { version, fields };
        let stored = schema.stored_schema();

        // What the source said is the event time itself, so both columns are the same array.
        let said: ArrayRef = Arc::new(times(self.times, self.times_valid.finish()));
        let mut arrays = vec![Arc::clone(&said), said];
        for (column, field) in columns.into_iter().zip(stored.fields().iter().skip(2)) {
            arrays.push(column.finish(field.data_type(), self.accepted));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.accepted));
        let rows = RecordBatch::try_new_with_options(stored, arrays, &options);
        Decoded {
            schema: Arc::new(schema),
            rows: rows.expect("columns are built to the schema"),
            accepted: self.accepted as u64,
            rejected: self.rejected,
            rejected_count: self.rejected_count,
        }
    }
}
