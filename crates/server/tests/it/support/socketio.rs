//! Stock Socket.IO clients: `socket.io-client` of npm under Node, driven by `web/interop/socketio.mjs`. And one that is
//! none, which stops reading when it is told to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::connection::{Broken, narrow_stream};
use super::until::within;

/// What a client may have said that nobody looked at yet.
const SAID_MAX: usize = 1 << 20;

/// What a client says: the name of the event and its arguments.
pub(crate) type Said = (String, Vec<Value>);

/// The process that all clients of this test run live in.
struct Driver {
    orders: Mutex<ChildStdin>,
    clients: Mutex<HashMap<u64, Sender<Said>>>,
    next: AtomicU64,
}

static DRIVER: LazyLock<Driver> = LazyLock::new(|| {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    assert!(web.join("node_modules/socket.io-client").exists(), "no socket.io-client: run `npm --prefix web ci`");
    let mut command = Command::new("node");
    command.arg(web.join("interop/socketio.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("node is installed");
    let (orders, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    std::thread::spawn(move || {
        listen(BufReader::new(said));
        // It ends with its stdin, which ends with this process.
        child.wait().expect("it was started");
    });
    Driver { orders: Mutex::new(orders), clients: Mutex::default(), next: AtomicU64::new(1) }
});

fn listen(said: impl BufRead) {
    for line in said.lines() {
        let (number, name, args): (u64, String, Vec<Value>) = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(client) = DRIVER.clients.lock().get(&number) {
            client.try_send((name, args)).expect("somebody listens");
        }
    }
}

/// A stock client's transports: a WebSocket alone, polls alone, polls and then a WebSocket, which is its default.
pub(crate) fn transports() -> [Value; 3] {
    [json!(["websocket"]), json!(["polling"]), json!(["polling", "websocket"])]
}

/// One stock client. Dropping it disconnects it.
#[derive(Debug)]
pub(crate) struct Client {
    number: u64,
    said: Receiver<Said>,
}

impl Client {
    /// Begins to connect. `options` are those of `io()`.
    pub(crate) fn open(address: SocketAddr, options: &Value) -> Self {
        Self::opened(address, options, None)
    }

    /// The same, and each time that it is connected it sends `wish` as `event`, with the cursor it has or `since`.
    pub(crate) fn follow(address: SocketAddr, options: &Value, event: &str, wish: &Value, since: Option<&str>) -> Self {
        Self::opened(address, options, Some(&json!({"event": event, "wish": wish, "since": since})))
    }

    fn opened(address: SocketAddr, options: &Value, follow: Option<&Value>) -> Self {
        let number = DRIVER.next.fetch_add(1, Ordering::Relaxed);
        let (sender, said) = channel(SAID_MAX);
        DRIVER.clients.lock().insert(number, sender);
        let url = format!("http://{address}");
        order(&json!({"open": number, "url": url, "options": options, "follow": follow}));
        Self { number, said }
    }

    /// Sends an event.
    pub(crate) fn emit(&self, event: &str, args: &[Value]) {
        order(&json!({"emit": self.number, "event": event, "args": args}));
    }

    /// Sends an event and waits for the answer; what else is said meanwhile is dropped.
    pub(crate) async fn ask(&mut self, event: &str, argument: Value) -> Value {
        order(&json!({"emit": self.number, "event": event, "args": [argument], "ack": 1}));
        let mut args = self.until("ack").await;
        assert_eq!(args[0], 1, "another answer: {args:?}");
        args.swap_remove(1)
    }

    /// What it says next.
    pub(crate) async fn next(&mut self) -> Said {
        within("what the client says next", self.said.recv()).await.expect("the driver runs")
    }

    /// The arguments of the next event of this name; others are dropped.
    pub(crate) async fn until(&mut self, name: &str) -> Vec<Value> {
        loop {
            let (said, args) = self.next().await;
            if said == name {
                return args;
            }
            assert!(said != "connect_error" && said != "disconnect", "waiting for {name}: {said} {args:?}");
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        DRIVER.clients.lock().remove(&self.number);
        order(&json!({"close": self.number}));
    }
}

fn order(order: &Value) {
    writeln!(DRIVER.orders.lock(), "{order}").expect("the driver runs");
}

/// A WebSocket that speaks just enough of Engine.IO and Socket.IO, over a wire that is soon full.
#[derive(Debug)]
pub(crate) struct Narrow(WebSocketStream<TcpStream>);

/// What came over a WebSocket.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(String),
    Other,
    Ended,
}

impl Narrow {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, Broken> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (socket, _response) = client_async(url, narrow_stream(address).await?).await.map_err(|_| Broken)?;
        let mut narrow = Self(socket);
        assert!(narrow.packet().await?.starts_with("0{"), "Engine.IO opens");
        Ok(narrow)
    }

    /// Connects and joins.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Broken> {
        let mut narrow = Self::connect(address).await?;
        narrow.send("40").await?;
        let mut packet = narrow.packet().await?;
        while packet == "2" {
            // The first ping comes at once.
            narrow.send("3").await?;
            packet = narrow.packet().await?;
        }
        assert!(packet.starts_with("40{"), "Socket.IO has not joined: {packet}");
        Ok(narrow)
    }

    /// Sends a packet as it is.
    pub(crate) async fn send(&mut self, packet: &str) -> Result<(), Broken> {
        self.0.send(Message::text(packet.to_owned())).await.map_err(|_| Broken)
    }

    /// Sends an attachment.
    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.0.send(Message::binary(bytes.to_owned())).await.map_err(|_| Broken)
    }

    /// What comes next.
    pub(crate) async fn hear(&mut self) -> Heard {
        match within("the next packet", self.0.next()).await {
            Some(Ok(Message::Text(text))) => Heard::Text(text.to_string()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Heard::Ended,
            Some(Ok(_)) => Heard::Other,
        }
    }

    async fn packet(&mut self) -> Result<String, Broken> {
        match self.hear().await {
            Heard::Text(text) => Ok(text),
            Heard::Other | Heard::Ended => Err(Broken),
        }
    }

    /// The next event; pings are answered on the way.
    pub(crate) async fn next(&mut self) -> Result<Said, Broken> {
        loop {
            let packet = self.packet().await?;
            if packet == "2" {
                self.send("3").await?;
            } else if let Some(event) = packet.strip_prefix("42") {
                let mut args: Vec<Value> = serde_json::from_str(event).expect("events are JSON");
                let name = args.remove(0);
                return Ok((name.as_str().expect("events have names").to_owned(), args));
            }
        }
    }
}
