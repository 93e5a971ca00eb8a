//! A socket to a server, which may read no faster than it is told to: a reader on a bad network.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::BenchError;
use crate::target::Target;

/// A slow reader reads this often at most.
const STEP: Duration = Duration::from_millis(100);
/// What the system keeps for a slow reader: little, so that the server feels that it is slow.
const NARROW_BYTES: u32 = 4 << 10;

/// How slowly to read, until everybody is freed.
#[derive(Debug, Clone)]
pub(crate) struct Slow {
    pub(crate) bytes_per_s: usize,
    pub(crate) freed: Arc<AtomicBool>,
}

/// The socket.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    slow: Option<(Slow, Pin<Box<Sleep>>)>,
}

impl Wire {
    pub(crate) async fn open(target: &Target, slow: Option<Slow>) -> Result<Self, BenchError> {
        let address = target.address;
        let connect = async {
            if slow.is_none() {
                return TcpStream::connect(address).await;
            }
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_recv_buffer_size(NARROW_BYTES)?;
            socket.connect(address).await
        };
        let stream = connect.await.map_err(|source| BenchError::Connect { address, source })?;
        stream.set_nodelay(true).map_err(BenchError::io("setting up a connection"))?;
        Ok(Self { stream, slow: slow.map(|slow| (slow, Box::pin(sleep_until(Instant::now())))) })
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, slow } = self.get_mut();
        let Some((slow, rest)) = slow.as_mut().filter(|(slow, _)| !slow.freed.load(Ordering::Relaxed)) else {
            return Pin::new(stream).poll_read(cx, buf);
        };
        ready!(rest.as_mut().poll(cx));
        let step = (slow.bytes_per_s / 10).max(1);
        let mut bytes = vec![0; step.min(buf.remaining())];
        let mut part = ReadBuf::new(&mut bytes);
        ready!(Pin::new(stream).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        rest.as_mut().reset(Instant::now() + STEP);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_reads_little_at_once_until_it_is_freed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let target = Target::resolve(&url, false, None).await.expect("loopback");
        let slow = Slow { bytes_per_s: 50, freed: Arc::default() };
        let (wire, peer) = tokio::join!(Wire::open(&target, Some(slow.clone())), listener.accept());
        let (mut wire, mut peer) = (wire.expect("it listens"), peer.expect("somebody came").0);
        peer.write_all(&[7; 1_000]).await.expect("there is room");
        let mut bytes = [0; 1_000];
        assert_eq!(wire.read(&mut bytes).await.expect("read"), 5);
        slow.freed.store(true, Ordering::Relaxed);
        wire.read_exact(&mut bytes[..995]).await.expect("the rest at once");
        assert!(bytes[..995].iter().all(|byte| *byte == 7));
    }
}
