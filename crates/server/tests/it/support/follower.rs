//! A reader that keeps what it is sent, comes back with its cursor, and can be compared with the server at any frame.

use std::net::SocketAddr;

use pulseboard_protocol::Pace;
use pulseboard_protocol::replica::{Replica, ReplicaChannel};
use serde_json::Value;

use super::api::Api;
use super::compare::{assert_near, held, lines, sorted};
use super::connection::{Broken, Connection, Transport};

/// A reader of some views and one tail.
#[derive(Debug)]
pub(crate) struct Follower {
    channels: Vec<String>,
    pub(crate) replica: Replica,
    /// Where the last frame stood.
    pub(crate) position: String,
    first_cursor: Option<String>,
    /// How often it came back and went on without a reset.
    pub(crate) resumed: u32,
    /// How often it wants frames.
    pub(crate) pace: Pace,
    /// Whether it dawdles over what it reads.
    pub(crate) dawdles: bool,
}

impl Follower {
    pub(crate) fn new(channels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let channels = channels.into_iter().map(Into::into).collect();
        Self {
            channels,
            replica: Replica::new(),
            position: String::new(),
            first_cursor: None,
            resumed: 0,
            pace: Pace::default(),
            dawdles: false,
        }
    }

    /// The views that it follows.
    pub(crate) fn views(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(String::as_str).filter(|channel| channel.starts_with("view:"))
    }

    pub(crate) fn channel(&self, name: &str) -> &ReplicaChannel {
        self.replica.channels.get(name).unwrap_or_else(|| panic!("nothing came of `{name}`"))
    }

    /// Connects, with the last cursor if there is one.
    pub(crate) async fn connect(&self, address: SocketAddr, transport: Transport) -> Result<Connection, Broken> {
        let stale = self.first_cursor.as_deref().filter(|_| self.replica.cursor.is_some());
        let cursor = self.replica.cursor.as_deref();
        Connection::open(address, transport, (self.channels.as_slice(), self.pace), cursor, stale).await
    }

    /// Takes the next frame in, with all that belong to it; gives the last of them.
    pub(crate) async fn take(&mut self, connection: &mut Connection) -> Result<Value, Broken> {
        loop {
            let frame = self.take_part(connection).await?;
            if !self.replica.is_waiting() {
                frame["position"].as_str().unwrap().clone_into(&mut self.position);
                self.first_cursor.get_or_insert_with(|| frame["cursor"].as_str().unwrap().to_owned());
                return Ok(frame);
            }
        }
    }

    async fn take_part(&mut self, connection: &mut Connection) -> Result<Value, Broken> {
        let frame = connection.next().await?;
        if frame["resumed"] == true {
            self.resumed += 1;
            let whole = |change: &&Value| change.get("snapshot").is_some() || change.get("reset").is_some();
            let whole = frame["changes"].as_array().unwrap().iter().find(whole);
            assert!(whole.is_none(), "a resumed frame starts nothing again: {frame}");
        }
        self.replica.apply(&frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
        Ok(frame)
    }

    /// Takes frames in until `enough`.
    pub(crate) async fn take_until(
        &mut self,
        connection: &mut Connection,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<(), Broken> {
        while !enough(self) {
            self.take(connection).await?;
        }
        Ok(())
    }

    /// Whether a view is current.
    pub(crate) fn is_live(&self, channel: &str) -> bool {
        let state = self.replica.channels.get(channel).and_then(|channel| channel.state.as_ref());
        state.is_some_and(|state| state["status"] == "live")
    }

    /// Says that what it holds of a view is the batch answer at the last frame. Says nothing of a view that is behind.
    pub(crate) async fn assert_holds(&self, api: &Api, view: &str, sql: &str) {
        let name = format!("view:{view}");
        if !self.is_live(&name) {
            return;
        }
        let channel = self.channel(&name);
        let batch = lines(&api.query_at(sql, &self.position).await["rows"]);
        let batch = if channel.order.is_some() { batch } else { sorted(batch) };
        assert_eq!(held(channel), batch, "`{view}` at {} after {} frames", self.position, self.replica.frames);
    }

    /// The same for answers with floats.
    pub(crate) async fn assert_holds_nearly(&self, api: &Api, view: &str, sql: &str) {
        let held = held(self.channel(&format!("view:{view}")));
        let batch = lines(&api.query_at(sql, &self.position).await["rows"]);
        assert_near(&held, &batch, &format!("`{view}` at {}", self.position));
    }

    /// A column of the tail's items.
    pub(crate) fn items(&self, channel: &str, column: &str) -> Vec<Value> {
        let Some(channel) = self.replica.channels.get(channel) else { return Vec::new() };
        let place = channel.columns.iter().position(|name| name == column);
        let place = place.unwrap_or_else(|| panic!("no column `{column}` among {:?}", channel.columns));
        channel.items.iter().map(|item| item[place].clone()).collect()
    }
}
