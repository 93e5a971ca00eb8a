//! The listener, and an orderly end: not ready any more, connections told to come back, at most eight seconds.
//!
//! Nobody holds a socket for nothing: where TLS is spoken its handshake has its time, a request's head must arrive in time, so must the next one on a socket that stays
//! open, and whoever takes nothing of an answer for too long is cut off, as is a peer that has gone without a word.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRef, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pulseboard_runtime::Shutdown;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_io_timeout::TimeoutStream;
use tower::Service;
use tracing::{info, warn};

use crate::deps::GatewayConfig;
use crate::live::LiveDeps;
use crate::router::{Gateway, router};
use crate::sockets::{Seat, Sockets};
use crate::tls::NoTls;
use crate::wire::{Wire, WireStream};
use crate::{socketio, system};

/// How long draining may take with connections open.
const DRAIN_MAX: Duration = Duration::from_secs(8);
/// What is left of it for requests that are still being answered when the readers are gone.
const LAST_REQUESTS: Duration = Duration::from_secs(2);
/// A peer that acknowledges nothing for so long is gone. The system would go on trying for a quarter of an hour.
const GONE_AFTER: Duration = Duration::from_secs(120);
/// After an error that is the machine's (no descriptors left), the listener rests so long.
const REST: Duration = Duration::from_millis(200);

impl Gateway {
    /// Serves until `stop`, then drains.
    ///
    /// # Errors
    /// None today: errors of the listener are waited out.
    pub async fn serve(self, listener: TcpListener, stop: Shutdown) -> std::io::Result<()> {
        let (socketio, closed) = socketio::open(LiveDeps::from_ref(&self));
        let (catalog, tasks) = (self.deps.catalog.clone(), self.deps.tasks.clone());
        tasks.spawn("ad-hoc-queries", catalog.run(tasks.shutdown()));
        tasks.spawn("metrics", self.health.clone().run(tasks.shutdown()));
        let (deps, health, connections) = (self.deps.clone(), self.health.clone(), self.connections.clone());
        let figures = system::run(deps, health, connections.clone(), self.decodes.clone(), tasks.shutdown());
        tasks.spawn("system-figures", figures);
        tasks.spawn("socketio-close", closed);

        let door = Door {
            router: router(&self, socketio),
            sockets: Sockets::new(&self.deps.config.connections),
            ending: Shutdown::default(),
            gateway: self,
        };
        let mut deadline = Instant::now();
        // Whoever asks meanwhile, a load balancer above all, is told that the server is not ready.
        tokio::select! {
            () = door.accept(&listener) => {}
            () = async {
                stop.wait().await;
                deadline = Instant::now() + DRAIN_MAX;
                info!("draining connections");
                door.gateway.health.drain();
                connections.drain();
                // WebSockets are no requests any more once they are upgraded: nobody else waits for their farewell.
                let _all = timeout(DRAIN_MAX.saturating_sub(LAST_REQUESTS), connections.empty()).await.is_ok();
            } => {}
        }
        drop(listener);
        door.ending.trigger();
        let closed = async {
            door.sockets.empty().await;
            connections.empty().await;
        };
        if timeout_at(deadline, closed).await.is_err() {
            // They are cut when the tasks are ended, which comes next.
            warn!("connections were still open when the time to drain was over");
        }
        Ok(())
    }
}

/// What every socket that comes in is served with.
#[derive(Debug)]
struct Door {
    gateway: Gateway,
    router: Router,
    sockets: Sockets,
    /// Open requests may end, nothing new begins.
    ending: Shutdown,
}

impl Door {
    /// Lets in whoever comes.
    async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match self.sockets.admit(peer) {
                    Ok(seat) => self.let_in(stream, peer, seat),
                    Err(limit) => {
                        metrics::counter!("pulseboard_sockets_refused_total", "limit" => limit).increment(1);
                    }
                },
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    warn!(%error, "no connections can be accepted for a moment");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr, seat: Seat) {
        if let Err(error) = prepare(&stream, &self.gateway.deps.config) {
            warn!(%error, "a connection keeps the system's own times");
        }
        let guest = Guest {
            router: self.router.clone(),
            peer,
            config: Arc::clone(&self.gateway.deps.config),
            ending: self.ending.clone(),
            over: self.gateway.deps.tasks.shutdown(),
        };
        self.gateway.deps.tasks.spawn("http-connection", async move {
            let _seat = seat;
            guest.serve(stream).await;
        });
    }
}

/// One socket that was let in.
struct Guest {
    router: Router,
    peer: SocketAddr,
    config: Arc<GatewayConfig>,
    /// Open requests may end, nothing new begins.
    ending: Shutdown,
    /// Nothing is waited for any more.
    over: Shutdown,
}

impl Guest {
    async fn serve(self, stream: TcpStream) {
        let Some(tls) = &self.config.tls else { return self.answer(stream).await };
        let accepted = tokio::select! {
            accepted = tls.accept(stream, self.config.handshake_timeout) => accepted,
            () = self.ending.wait() => return,
        };
        match accepted {
            Ok(stream) => self.answer(stream).await,
            Err(why) => {
                metrics::counter!("pulseboard_tls_refused_total", "reason" => why.as_str()).increment(1);
                if why == NoTls::TookTooLong {
                    metrics::counter!("pulseboard_sockets_reaped_total", "reason" => "handshake").increment(1);
                }
            }
        }
    }

    /// Answers requests until the other end has had enough, or we have.
    async fn answer<S: AsyncRead + AsyncWrite + Send + 'static>(self, stream: S) {
        let Self { router, peer, config, ending, over } = self;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(taken_max(&config)));
        let wire = Wire::new(peer);
        let known = wire.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(ConnectInfo(known.clone()));
            let mut router = router.clone();
            async move { Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {})) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.head_timeout)
            .serve_connection(TokioIo::new(WireStream::new(Box::pin(stream), wire)), service)
            .with_upgrades();
        tokio::pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = ending.wait() => {
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = served.as_mut() => ended,
                    () = over.wait() => Ok(()),
                }
            }
        };
        if let Err(error) = ended
            && let Some(reason) = reaped(&error)
        {
            metrics::counter!("pulseboard_sockets_reaped_total", "reason" => reason).increment(1);
        }
    }
}

/// How long an answer may lie untaken. Longer than a WebSocket's own patience, which ends with a code.
fn taken_max(config: &GatewayConfig) -> Duration {
    config.patience.unread_max * 3 / 2
}

/// Small frames must not wait for each other, and a peer that has gone without a word is given up. Far later than a reader
/// that takes nothing: to the system a full wire looks alike, and a WebSocket shall be told why it is closed.
fn prepare(stream: &TcpStream, config: &GatewayConfig) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(GONE_AFTER.max(config.patience.unread_max * 2)))
}

/// Whether it is only this one connection that came to nothing.
fn is_of_the_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// Why we ended a connection, if it was we.
fn reaped(error: &hyper::Error) -> Option<&'static str> {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    if io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
        Some("unread")
    } else if error.is_timeout() {
        Some("silent")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_peer_that_acknowledges_nothing_is_given_up_in_our_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let config = GatewayConfig::new(listener.local_addr().expect("an address"));
        let (client, accepted) = tokio::join!(TcpStream::connect(config.listen), listener.accept());
        let _client = client.expect("it listens");
        let (stream, _peer) = accepted.expect("somebody came");
        prepare(&stream, &config).expect("the options are known");
        assert!(stream.nodelay().expect("it is known"));
        let given_up = SockRef::from(&stream).tcp_user_timeout().expect("it is known");
        assert_eq!(given_up, Some(GONE_AFTER));
    }
}
