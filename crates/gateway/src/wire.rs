//! TCP connections that can be watched from above what is spoken on them.
//!
//! A library that owns a connection tells nobody when what it was given has left, nor that its reader takes nothing. Whoever
//! must know watches the connection below it: each time that everything written is with the system it is told, and a write
//! that waits for too long ends the connection. A connection that nobody watches costs one comparison a write.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What somebody wants to know of a connection.
struct Watch {
    /// Everything that was written is on its way.
    flushed: Box<dyn Fn() + Send + Sync>,
    /// A write may wait for so long.
    unread_max: Duration,
}

/// A connection as requests know it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Wire {
    /// The other end.
    pub(crate) peer: SocketAddr,
    watch: Arc<OnceLock<Watch>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(peer: SocketAddr) -> Self {
        Self { peer, watch: Arc::default() }
    }

    /// From now on `flushed` is called each time that everything written is on its way, and a write that waits for
    /// `unread_max` breaks the connection. Only the first one to watch a connection does.
    pub(crate) fn watch(&self, unread_max: Duration, flushed: impl Fn() + Send + Sync + 'static) {
        let _taken = self.watch.set(Watch { flushed: Box::new(flushed), unread_max }).is_err();
    }
}

/// One connection's bytes.
#[derive(Debug)]
pub(crate) struct WireStream<S> {
    inner: S,
    wire: Wire,
    /// Runs while a watched write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Who waits for bytes: told when the connection breaks.
    reader: Option<Waker>,
    broken: bool,
}

impl<S> WireStream<S> {
    pub(crate) fn new(inner: S, wire: Wire) -> Self {
        Self { inner, wire, waiting: None, reader: None, broken: false }
    }

    fn whole(&self) -> io::Result<()> {
        if self.broken { Err(taken_nothing()) } else { Ok(()) }
    }

    /// What a write came to. One that waits is given so long.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Some(watch) = self.wire.watch.get() else { return written };
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let until = Instant::now() + watch.unread_max;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(waiting.as_mut().poll(context));
        self.broken = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(taken_nothing()))
    }
}

fn taken_nothing() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing")
}

impl<S: AsyncRead + Unpin> AsyncRead for WireStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        stream.whole()?;
        let read = Pin::new(&mut stream.inner).poll_read(context, buf);
        if read.is_pending() && stream.wire.watch.get().is_some() {
            stream.reader = Some(context.waker().clone());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WireStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        stream.whole()?;
        let written = Pin::new(&mut stream.inner).poll_write(context, bytes);
        stream.written(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        stream.whole()?;
        let written = Pin::new(&mut stream.inner).poll_write_vectored(context, bytes);
        stream.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        stream.whole()?;
        // What TLS has encrypted may still wait here after its write was taken.
        let flushed = Pin::new(&mut stream.inner).poll_flush(context);
        ready!(stream.written(context, flushed))?;
        if let Some(watch) = stream.wire.watch.get() {
            (watch.flushed)();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};

    use super::*;

    const UNREAD_MAX: Duration = Duration::from_secs(30);

    fn watched() -> (WireStream<DuplexStream>, DuplexStream, Arc<AtomicUsize>) {
        let (near, far) = duplex(16);
        let wire = Wire::new(SocketAddr::from(([127, 0, 0, 1], 1)));
        let flushes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&flushes);
        wire.watch(UNREAD_MAX, move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        (WireStream::new(near, wire), far, flushes)
    }

    #[tokio::test]
    async fn who_watches_is_told_when_all_is_on_its_way() {
        let (mut near, mut far, flushes) = watched();
        near.write_all(b"twelve bytes").await.expect("room");
        assert_eq!(flushes.load(Ordering::SeqCst), 0);
        near.flush().await.expect("room");
        assert_eq!(flushes.load(Ordering::SeqCst), 1);
        let mut read = [0; 12];
        far.read_exact(&mut read).await.expect("what was written");
        assert_eq!(&read, b"twelve bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_waits_too_long_breaks_both_directions() {
        let (near, mut far, _flushes) = watched();
        let (mut reads, mut writes) = split(near);
        let started = Instant::now();
        // Slow, but it takes something: nothing breaks.
        let slow = async {
            for _ in 0..3 {
                tokio::time::sleep(UNREAD_MAX / 2).await;
                far.read_exact(&mut [0; 16]).await.expect("bytes");
            }
        };
        let (written, ()) = tokio::join!(writes.write_all(&[0; 64]), slow);
        written.expect("all of it was taken in the end");
        assert!(started.elapsed() > UNREAD_MAX);
        // Now it takes nothing.
        let stalled = Instant::now();
        let mut byte = [0];
        let (written, read) = tokio::join!(writes.write_all(&[0; 64]), reads.read(&mut byte));
        assert_eq!(written.expect_err("broken").kind(), io::ErrorKind::TimedOut);
        assert_eq!(read.expect_err("broken").kind(), io::ErrorKind::TimedOut);
        assert_eq!(stalled.elapsed(), UNREAD_MAX);
        assert!(writes.write_all(b"x").await.is_err(), "it stays so");
    }
}
