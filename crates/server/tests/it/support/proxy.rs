//! A wire that can be cut: it forwards bytes to a server, and breaks after any number of them.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use pulseboard_runtime::{Shutdown, Tasks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug)]
struct Wire {
    upstream: Mutex<SocketAddr>,
    /// How many of the server's bytes the next connection lets through.
    budget: Mutex<usize>,
    /// Cuts everything that is connected now.
    cut: Mutex<Shutdown>,
}

/// A listener before a server. Ends with the tasks' runtime.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    wire: Arc<Wire>,
}

impl Proxy {
    /// Forwards to `upstream`, unbroken for now.
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (budget, cut) = (Mutex::new(usize::MAX), Mutex::default());
        let wire = Arc::new(Wire { upstream: Mutex::new(upstream), budget, cut });
        let (tasks, accepted) = (Tasks::new(), Arc::clone(&wire));
        let spawner = tasks.clone();
        tasks.spawn("proxy", async move {
            while let Ok((client, _peer)) = listener.accept().await {
                spawner.spawn("proxied", forward(client, Arc::clone(&accepted)));
            }
        });
        Self { address, wire }
    }

    /// Connections from now on lead to another server.
    pub(crate) fn lead_to(&self, upstream: SocketAddr) {
        *self.wire.upstream.lock() = upstream;
    }

    /// Connections from now on break after so many bytes of the server.
    pub(crate) fn break_after(&self, bytes: usize) {
        *self.wire.budget.lock() = bytes;
    }

    /// Connections from now on do not break by themselves, those of now break.
    pub(crate) fn mend(&self) {
        self.break_after(usize::MAX);
        std::mem::take(&mut *self.wire.cut.lock()).trigger();
    }
}

async fn forward(client: TcpStream, wire: Arc<Wire>) {
    let (upstream, mut budget, cut) = (*wire.upstream.lock(), *wire.budget.lock(), wire.cut.lock().clone());
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let down = async {
        let mut bytes = vec![0; 16 << 10];
        while budget > 0 {
            let Ok(read @ 1..) = from_server.read(&mut bytes).await else { return };
            let passed = read.min(budget);
            if to_client.write_all(&bytes[..passed]).await.is_err() {
                return;
            }
            budget -= passed;
        }
    };
    let up = async {
        // However the client's half ends, the server's may go on.
        let _ended = tokio::io::copy(&mut from_client, &mut to_server).await.is_ok();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = down => {}
        () = up => {}
        () = cut.wait() => {}
    }
}
