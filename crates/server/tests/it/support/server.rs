//! Servers of our own: the real binary on a free port of this machine, with a directory of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::api::Api;
use super::cli::{Said, pulseboard};
use super::until::within;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_pulseboard");

/// How much of a server's log is shown when it fails.
const SAID_BYTES: usize = 2_000;

/// A directory with a configuration and data. It outlives the servers that run on it, and goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
    has_config: bool,
}

impl Home {
    /// A server here runs only what `config` names.
    pub(crate) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pulseboard.toml"), config).unwrap();
        Self { dir, has_config: true }
    }

    /// A server here is what a stranger starts: the host source and the infra board.
    pub(crate) fn of_a_stranger() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), has_config: false }
    }

    /// Where its events are.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A file of the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `pulseboard serve` on a free port.
    pub(crate) fn serve_command(&self) -> Command {
        self.serve_command_at("127.0.0.1:0")
    }

    fn serve_command_at(&self, listen: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["serve", "--listen", listen, "--data-dir"]).arg(self.data_dir());
        if self.has_config {
            command.arg("--config").arg(self.file("pulseboard.toml"));
        }
        command.current_dir(self.dir.path()).env("PULSEBOARD_LOG", "warn").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts a server and waits until it listens.
    pub(crate) async fn start(&self) -> Server {
        self.started(self.serve_command()).await
    }

    /// The same for another address than this machine's own.
    pub(crate) async fn start_at(&self, listen: &str) -> Server {
        self.started(self.serve_command_at(listen)).await
    }

    /// The same with a variable of the environment.
    pub(crate) async fn start_with(&self, variable: &str, value: &str) -> Server {
        let mut command = self.serve_command();
        command.env(variable, value);
        self.started(command).await
    }

    /// Starts what another command of the binary runs, and waits until it listens.
    pub(crate) async fn start_command(&self, command: Command) -> Server {
        self.started(command).await
    }

    async fn started(&self, command: Command) -> Server {
        let started = self.try_start(command).await;
        started.unwrap_or_else(|status| panic!("the server ended with {status}; its log says: {}", self.said()))
    }

    /// Starts a server with more in its environment; how it ended if it did before it listened.
    pub(crate) async fn start_in(&self, environment: &[(&str, &OsStr)]) -> Result<Server, ExitStatus> {
        let mut command = self.serve_command();
        command.envs(environment.iter().copied());
        self.try_start(command).await
    }

    async fn try_start(&self, mut command: Command) -> Result<Server, ExitStatus> {
        let log = self.file("stderr");
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        within("the line with the URL", stdout.read_line(&mut line)).await.unwrap();
        if line.is_empty() {
            return Err(within("the end of the server", child.wait()).await.unwrap());
        }
        let url = line.trim().to_owned();
        let address = url.split_once("://").and_then(|(_, address)| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no URL but `{line}`; the log says: {}", self.said()));
        Ok(Server { child, _stdout: stdout, api: Api::new(&url), address, log })
    }

    /// `pulseboard token` on this directory, with a server or without one.
    pub(crate) async fn token(&self, args: &[&str]) -> Said {
        self.command("token", args).await
    }

    /// `pulseboard share` on this directory.
    pub(crate) async fn share(&self, args: &[&str]) -> Said {
        self.command("share", args).await
    }

    async fn command(&self, name: &str, args: &[&str]) -> Said {
        let data_dir = self.data_dir();
        let target = ["--data-dir".as_ref(), data_dir.as_os_str()];
        pulseboard([name.as_ref()].into_iter().chain(args.iter().map(OsStr::new)).chain(target)).await
    }

    /// `pulseboard user` on this directory, with a password where one is asked for.
    pub(crate) async fn user(&self, args: &[&str], password: Option<&str>) -> Said {
        let (data_dir, file) = (self.data_dir(), self.file("password"));
        let mut command = vec!["user".as_ref(), "--data-dir".as_ref(), data_dir.as_os_str()];
        command.extend(args.iter().map(OsStr::new));
        if let Some(password) = password {
            std::fs::write(&file, format!("{password}\n")).unwrap();
            command.extend(["--password-file".as_ref(), file.as_os_str()]);
        }
        pulseboard(command).await
    }

    /// A new token.
    pub(crate) async fn new_token(&self, args: &[&str]) -> String {
        let args = ["create"].iter().chain(args).copied().collect::<Vec<_>>();
        self.token(&args).await.ok().trim().to_owned()
    }

    /// Everything the servers here logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file("stderr")).unwrap_or_default()).into_owned()
    }

    /// The end of what the servers here logged.
    pub(crate) fn said(&self) -> String {
        said(&self.file("stderr"))
    }
}

fn said(log: &PathBuf) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(SAID_BYTES)..]).into_owned()
}

/// The first line of a log that tells of a panic, with what follows it.
fn panic_in(log: &PathBuf) -> Option<String> {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let at = text.find("panicked")?;
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    Some(text[line..].chars().take(SAID_BYTES).collect())
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Kept open, so that the server may go on writing.
    _stdout: BufReader<ChildStdout>,
    pub(crate) api: Api,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(mut self, limit: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it had not ended after {} s", limit.as_secs())).unwrap()
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(self) {
        self.terminate();
        let log = self.log.clone();
        let status = self.ended(Duration::from_secs(15)).await;
        assert!(status.success(), "it ended with {status}; its log says: {}", said(&log));
    }

    /// Says that it still runs and answers, and that nothing in it panicked.
    pub(crate) async fn assert_well(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "the server ended: {ended:?}; its log says: {}", said(&self.log));
        self.api.get("/health/ready").await.ok();
        assert_eq!(panic_in(&self.log), None, "something in the server panicked");
    }

    /// The most memory it has had, bytes.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1_024
    }
}
