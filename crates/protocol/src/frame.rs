//! A frame: the head, then one object per changed channel, built once and shared by everyone it goes to.
//!
//! The same JSON goes over every transport; SSE wraps it in lines. The places of the single changes are kept, so that
//! `?events=named` can send each as an event of its own without encoding it again.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use pulseboard_model::{Position, TimeUs};
use serde_json::value::RawValue;

use crate::cursor::Cursor;
use crate::msgpack::{InvalidMsgpack, from_json};
use crate::value::{write_plain_int, write_str};

/// What stands before the changes.
#[derive(Debug, Clone, Copy)]
pub struct FrameHead {
    /// Which subscription of the connection, from 1.
    pub sub: u32,
    /// Where the reader stands after this frame.
    pub cursor: Cursor,
    /// `_arrived_at` of the newest event that is new in this frame; `None` if only the clock moved.
    pub newest: Option<TimeUs>,
    /// For the first frame of a subscription: whether it continues what the reader had.
    pub resumed: Option<bool>,
    /// How many changes are not in it by themselves but merged with a later one. Not told to clients.
    pub merged: u64,
}

/// An encoded frame.
#[derive(Debug)]
pub struct Frame {
    /// Where the reader stands after it.
    pub position: Position,
    /// Which of the steps at that position.
    pub round: u32,
    /// The cursor as text, of where the reader stands after it and what belongs to it.
    pub cursor: Arc<str>,
    /// The next of the frames that bring the reader there together, where one alone would be too large.
    pub rest: Option<Arc<Frame>>,
    /// The JSON.
    pub json: Bytes,
    /// `_arrived_at` of the newest event that is new in it.
    pub newest: Option<TimeUs>,
    /// How many changes are merged with others in it.
    pub merged: u64,
    /// Where each change lies in `json`, in the order of the channels given.
    pub changes: Vec<(Arc<str>, Range<usize>)>,
    /// The frame as a server-sent event, made when the first reader wants it so.
    sse: OnceLock<Bytes>,
    /// The frame as MessagePack, made when the first reader wants it so.
    msgpack: OnceLock<Bytes>,
    /// The JSON, known to be JSON, made when the first reader wants it so.
    raw: OnceLock<Box<RawValue>>,
    delivered: AtomicBool,
}

impl Frame {
    /// What a reader comes back with that has this frame, for SSE's `id:`; none where it has not all of what belongs to it.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.rest.is_none().then_some(&*self.cursor)
    }

    /// Whether this is the first time that somebody says it was delivered: of one frame one delivery is measured.
    pub fn first_delivery(&self) -> bool {
        !self.delivered.load(Ordering::Relaxed) && !self.delivered.swap(true, Ordering::Relaxed)
    }

    /// The frame as MessagePack, translated once for all readers.
    ///
    /// # Errors
    /// Only for JSON that was not made here.
    pub fn msgpack(&self) -> Result<Bytes, InvalidMsgpack> {
        if let Some(bytes) = self.msgpack.get() {
            return Ok(bytes.clone());
        }
        let bytes = Bytes::from(from_json(&self.json)?);
        Ok(self.msgpack.get_or_init(|| bytes).clone())
    }

    /// The JSON as a value that other JSON is written around, checked once for all readers.
    ///
    /// # Errors
    /// Only for JSON that was not made here.
    pub fn raw(&self) -> serde_json::Result<&RawValue> {
        if let Some(raw) = self.raw.get() {
            return Ok(raw);
        }
        let raw = serde_json::from_slice(&self.json)?;
        Ok(self.raw.get_or_init(|| raw))
    }

    /// The changes of one channel in it, each as such a value.
    pub fn raw_changes<'f>(&'f self, channel: &'f str) -> impl Iterator<Item = &'f RawValue> {
        let own = self.changes.iter().filter(move |(name, _)| **name == *channel);
        own.filter_map(|(_, range)| serde_json::from_slice(&self.json[range.clone()]).ok())
    }

    /// The frame as the server-sent event `frame`, encoded once for all readers.
    #[must_use]
    pub fn sse(&self) -> Bytes {
        self.sse.get_or_init(|| sse_event("frame", self.id(), &self.json)).clone()
    }
}

/// Builds a frame.
#[derive(Debug)]
pub struct FrameBuilder {
    out: Vec<u8>,
    head: FrameHead,
    cursor: Arc<str>,
    rest: Option<Arc<Frame>>,
    changes: Vec<(Arc<str>, Range<usize>)>,
}

impl FrameBuilder {
    /// Starts with the head.
    #[must_use]
    pub fn new(head: FrameHead) -> Self {
        Self::start(head, None)
    }

    /// The same for a frame that `rest` goes on with: it has no cursor, since whoever comes back with it has not all.
    #[must_use]
    pub fn before(head: FrameHead, rest: Arc<Frame>) -> Self {
        Self::start(head, Some(rest))
    }

    fn start(head: FrameHead, rest: Option<Arc<Frame>>) -> Self {
        let cursor: Arc<str> = head.cursor.to_string().into();
        let position = head.cursor.position;
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"{\"type\":\"frame\",\"sub\":");
        write_plain_int(&mut out, i64::from(head.sub));
        // Cursors and positions are made of characters that JSON does not escape.
        match rest {
            None => out.extend_from_slice(format!(",\"cursor\":\"{cursor}\"").as_bytes()),
            Some(_) => out.extend_from_slice(b",\"more\":true"),
        }
        out.extend_from_slice(format!(",\"position\":\"{position}\",\"time\":").as_bytes());
        write_plain_int(&mut out, position.clock.0);
        out.extend_from_slice(b",\"newest\":");
        match head.newest {
            Some(newest) => write_plain_int(&mut out, newest.0),
            None => out.extend_from_slice(b"null"),
        }
        match head.resumed {
            Some(true) => out.extend_from_slice(b",\"resumed\":true"),
            Some(false) => out.extend_from_slice(b",\"resumed\":false"),
            None => {}
        }
        out.extend_from_slice(b",\"changes\":[");
        Self { out, head, cursor, rest, changes: Vec::new() }
    }

    /// Adds one channel's change; `members` are what the functions of [`crate::change`] wrote, with commas between.
    pub fn change(&mut self, channel: &Arc<str>, members: &[u8]) {
        if !self.changes.is_empty() {
            self.out.push(b',');
        }
        let start = self.out.len();
        self.out.extend_from_slice(b"{\"channel\":");
        write_str(&mut self.out, channel);
        if !members.is_empty() {
            self.out.push(b',');
            self.out.extend_from_slice(members);
        }
        self.out.push(b'}');
        self.changes.push((Arc::clone(channel), start..self.out.len()));
    }

    /// Ends the frame.
    #[must_use]
    pub fn finish(mut self) -> Frame {
        self.out.extend_from_slice(b"]}");
        Frame {
            position: self.head.cursor.position,
            round: self.head.cursor.round,
            cursor: self.cursor,
            rest: self.rest,
            json: self.out.into(),
            newest: self.head.newest,
            merged: self.head.merged,
            changes: self.changes,
            sse: OnceLock::new(),
            msgpack: OnceLock::new(),
            raw: OnceLock::new(),
            delivered: AtomicBool::new(false),
        }
    }
}

/// One server-sent event. `data` must hold no line break; JSON as written here never does.
#[must_use]
pub fn sse_event(event: &str, id: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + event.len() + id.map_or(0, str::len) + 24);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(event.as_bytes());
    if let Some(id) = id {
        out.extend_from_slice(b"\nid: ");
        out.extend_from_slice(id.as_bytes());
    }
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_names_the_place_of_each_change() {
        let position: Position = "00000000000000ab:42:1700000000123456".parse().expect("position");
        let cursor = Cursor { position, round: 0, tag: None };
        let mut builder = FrameBuilder::new(FrameHead { sub: 1, cursor, newest: None, resumed: Some(true), merged: 0 });
        builder.change(&"view:a".into(), br#""delta":{"set":{},"del":["x"]}"#);
        builder.change(&"view:b".into(), b"");
        let frame = builder.finish();
        let text = std::str::from_utf8(&frame.json).expect("utf-8");
        assert_eq!(
            text,
            r#"{"type":"frame","sub":1,"cursor":"00000000000000ab:42:1700000000123456","position":"00000000000000ab:42:1700000000123456","time":1700000000123456,"newest":null,"resumed":true,"changes":[{"channel":"view:a","delta":{"set":{},"del":["x"]}},{"channel":"view:b"}]}"#
        );
        assert_eq!(frame.raw().expect("json").get(), text);
        let own: Vec<_> = frame.raw_changes("view:b").map(RawValue::get).collect();
        assert_eq!(own, [r#"{"channel":"view:b"}"#]);
        let parts: Vec<_> = frame.changes.iter().map(|(_, range)| &text[range.clone()]).collect();
        assert_eq!(parts, [r#"{"channel":"view:a","delta":{"set":{},"del":["x"]}}"#, r#"{"channel":"view:b"}"#]);
        assert_eq!(sse_event("frame", Some("c"), b"{}"), "event: frame\nid: c\ndata: {}\n\n");
        assert_eq!(frame.id(), Some("00000000000000ab:42:1700000000123456"));
        let head = FrameHead { sub: 1, cursor, newest: None, resumed: None, merged: 0 };
        let first = FrameBuilder::before(head, Arc::new(frame)).finish();
        let text = std::str::from_utf8(&first.json).expect("utf-8");
        assert_eq!(
            text,
            r#"{"type":"frame","sub":1,"more":true,"position":"00000000000000ab:42:1700000000123456","time":1700000000123456,"newest":null,"changes":[]}"#
        );
        assert_eq!(first.sse(), format!("event: frame\ndata: {text}\n\n"), "nobody comes back with a part");
    }
}
