//! What the system itself takes: a bare loop that writes to as many sockets as there are readers, with nothing around it.
//!
//! Machines differ by far in what a write to a socket costs. Beside this figure those of the server can be read anywhere.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;

use crate::error::BenchError;
use crate::generator::{on_own_thread, on_plain_thread, pin_to};
use crate::measured::count;

/// What the readers take at a time.
const READ_BYTES: usize = 4 << 10;

/// Writes `bytes` to each of `sockets` again and again, on `writer_core`, while another core reads; gives writes per second.
///
/// # Errors
/// [`BenchError`] if the sockets cannot be had.
pub(super) async fn writes_per_s(
    sockets: usize,
    bytes: usize,
    (writer_core, reader_core): (usize, usize),
    duration: Duration,
) -> Result<f64, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(BenchError::io("opening sockets"))?;
    let address = listener.local_addr().map_err(BenchError::io("opening sockets"))?;
    let (done, over) = oneshot::channel::<()>();
    let reading = on_own_thread("bare-readers", Some(reader_core), move |tasks| async move {
        for _ in 0..sockets {
            let mut stream =
                tokio::net::TcpStream::connect(address).await.map_err(BenchError::io("opening sockets"))?;
            tasks.spawn("bare-reader", async move {
                let mut buffer = [0; READ_BYTES];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            });
        }
        // The writer has ended, in whatever way.
        let _ended = over.await.is_err();
        Ok(())
    });
    let writing = on_plain_thread("bare-writer", move || {
        pin_to(Some(writer_core))?;
        let written = write_all(&listener, sockets, bytes, duration).map_err(BenchError::io("writing to sockets"));
        // The readers may have ended before.
        let _gone = done.send(()).is_err();
        written
    });
    let (read, written) = tokio::join!(reading, writing);
    read?;
    written
}

fn write_all(listener: &TcpListener, sockets: usize, bytes: usize, duration: Duration) -> std::io::Result<f64> {
    let accept = |_| {
        let (stream, _peer): (TcpStream, SocketAddr) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let mut streams = (0..sockets).map(accept).collect::<std::io::Result<Vec<_>>>()?;
    let message = vec![b'x'; bytes];
    let (mut writes, mut begun) = (0_u64, Instant::now());
    let mut is_warm = false;
    loop {
        for stream in &mut streams {
            stream.write_all(&message)?;
        }
        writes += streams.len() as u64;
        let took = begun.elapsed();
        if is_warm && took >= duration {
            return Ok(count(writes) / took.as_secs_f64());
        }
        if !is_warm && took >= duration / 5 {
            (writes, begun, is_warm) = (0, Instant::now(), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bare_loop_writes_to_all_sockets() {
        let measured = writes_per_s(8, 200, (0, 0), Duration::from_millis(20)).await;
        assert!(measured.expect("sockets are there") > 0.0);
    }
}
