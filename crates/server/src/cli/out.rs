//! Writing answers to stdout, and noticing that nobody reads them any more (`| head`), which is no failure.

use std::io::Write;
use std::os::fd::AsFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Failure;

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printed {
    /// It is out.
    All,
    /// Nobody reads any more: a command that goes on and on ends here.
    ReaderGone,
}

/// Prints to stdout.
///
/// # Errors
/// When it cannot be written for another reason than that the reader went away.
pub(super) fn print(text: &str) -> Result<Printed, Failure> {
    print_bytes(text.as_bytes())
}

/// The same for what is no text.
///
/// # Errors
/// As [`print`].
pub(super) fn print_bytes(bytes: &[u8]) -> Result<Printed, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(Printed::All),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Printed::ReaderGone),
        Err(error) => Err(Failure::refused(format!("cannot print: {error}"))),
    }
}

/// Waits until the reader of stdout has gone; for ever if stdout is no pipe.
///
/// A command that has nothing to print for an hour would else notice only then.
pub(super) async fn reader_gone() {
    reader_of(&std::io::stdout()).await;
}

async fn reader_of(out: &impl AsFd) {
    // A file cannot be watched, and nobody can go away from it.
    let watched = out.as_fd().try_clone_to_owned().ok();
    #[expect(
        deprecated,
        reason = "its successor is unsafe to call; an owned descriptor is not closed while it is watched"
    )]
    let watched = watched.and_then(|out| AsyncFd::with_interest(out, Interest::ERROR).ok());
    let gone = match &watched {
        Some(out) => out.ready(Interest::ERROR).await.is_ok(),
        None => false,
    };
    if !gone {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_goes_is_noticed_without_writing() {
        let (reader, writer) = std::io::pipe().unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(50), reader_of(&writer)).await;
        assert!(waiting.is_err(), "the reader is there");
        drop(reader);
        tokio::time::timeout(Duration::from_secs(5), reader_of(&writer)).await.expect("it is noticed");
        let file = tempfile::tempfile().unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), reader_of(&file)).await.is_err(), "a file stays");
    }
}
