//! The binary as a person runs it: arguments in, exit code and words out.

use std::ffi::OsStr;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::server::BINARY;
use super::until::within;

/// How long a bench may take on a machine that is busy: it waits for servers that do the same work as every test's.
const BENCH_LIMIT: Duration = Duration::from_secs(600);

/// What a command that has ended said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("it was ended by a signal: {output:?}"));
        Self { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The output of a command that must have gone well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// The words of a command that must have failed with `code`, one line each.
    pub(crate) fn failed(self, code: i32) -> Vec<String> {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr.lines().map(str::to_owned).collect()
    }
}

/// Runs the binary to its end.
pub(crate) async fn pulseboard(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Said {
    let mut command = Command::new(BINARY);
    command.args(args);
    finish(command).await
}

/// The same for what starts servers of its own, one after the other.
pub(crate) async fn bench(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Said {
    let mut command = Command::new(BINARY);
    command.arg("bench").args(args).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(BENCH_LIMIT, command.output()).await;
    Said::of(&ended.expect("the bench did not come to its end").unwrap())
}

/// Runs a command to its end.
pub(crate) async fn finish(mut command: Command) -> Said {
    command.stdin(Stdio::null()).kill_on_drop(true);
    Said::of(&within("the command's end", command.output()).await.unwrap())
}
