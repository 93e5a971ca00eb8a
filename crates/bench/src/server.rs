//! A server process of our own to be measured: a temporary data directory, a free loopback port, perhaps one core.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pulseboard_runtime::Tasks;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::oneshot;

use crate::error::BenchError;
use crate::generator::pin_to;
use crate::http::{Connection, get};
use crate::target::Target;

/// How long a start or a stop may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The name of the configuration in its directory.
const CONFIG: &str = "pulseboard.toml";
/// How much of the error output is told when something fails.
const SAID_BYTES: usize = 1_000;

/// What the server does by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setup {
    /// As a stranger starts it: the host source and the infra board.
    Default,
    /// Nothing but what is asked of it.
    Bare,
    /// What this configuration names.
    Views(String),
}

/// Where a server's configuration, its words and, in `data`, its data lie.
#[derive(Debug)]
pub(crate) enum Home {
    /// A directory that goes with it.
    Passing(TempDir),
    /// One that stays.
    Kept(PathBuf),
}

impl Home {
    /// A new directory below `parent` that goes with it.
    pub(crate) fn passing(parent: &Path) -> Result<Self, BenchError> {
        let made = tempfile::Builder::new().prefix("pulseboard-bench-").tempdir_in(parent);
        made.map(Self::Passing).map_err(BenchError::io("making a data directory"))
    }

    /// This directory, which is made if it is not there.
    pub(crate) fn kept(directory: &Path) -> Result<Self, BenchError> {
        std::fs::create_dir_all(directory).map_err(BenchError::io("making a data directory"))?;
        Ok(Self::Kept(directory.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Passing(directory) => directory.path(),
            Self::Kept(directory) => directory,
        }
    }

    /// The server's data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }
}

/// A server that has ended, with its data.
#[derive(Debug)]
pub(crate) struct Stopped {
    binary: PathBuf,
    directory: Home,
    core: Option<usize>,
}

impl Stopped {
    /// Starts it again and waits until it is ready.
    pub(crate) async fn start(self) -> Result<Server, BenchError> {
        Server::start_in(self.binary, self.directory, self.core).await
    }

    /// Removes a directory of its data.
    pub(crate) fn remove(&self, name: &str) -> Result<(), BenchError> {
        std::fs::remove_dir_all(self.directory.path().join(name)).map_err(BenchError::io("removing a directory"))
    }
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    binary: PathBuf,
    child: Child,
    /// Kept open, so that the server can go on writing.
    _stdout: BufReader<ChildStdout>,
    target: Target,
    directory: Home,
    core: Option<usize>,
}

impl Server {
    /// Starts `binary` and waits until it is ready. Its data lies in a new directory below `parent`.
    pub(crate) async fn start(
        binary: &Path,
        parent: &Path,
        setup: Setup,
        core: Option<usize>,
    ) -> Result<Self, BenchError> {
        Self::start_at(binary, Home::passing(parent)?, setup, core).await
    }

    /// The same with the data that lies in `directory`.
    pub(crate) async fn start_at(
        binary: &Path,
        directory: Home,
        setup: Setup,
        core: Option<usize>,
    ) -> Result<Self, BenchError> {
        let config = match setup {
            Setup::Default => None,
            Setup::Bare => Some("# A config runs only what it names.\n".to_owned()),
            Setup::Views(config) => Some(config),
        };
        if let Some(config) = config {
            std::fs::write(directory.path().join(CONFIG), config).map_err(BenchError::io("writing a config"))?;
        }
        Self::start_in(binary.to_owned(), directory, core).await
    }

    async fn start_in(binary: PathBuf, directory: Home, core: Option<usize>) -> Result<Self, BenchError> {
        let mut command = Command::new(&binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(directory.data());
        let config = directory.path().join(CONFIG);
        if config.exists() {
            command.arg("--config").arg(config);
        }
        let errors = std::fs::File::create(directory.path().join("stderr"));
        command.stdout(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
        command.stderr(errors.map_err(BenchError::io("making a file for the server's errors"))?);
        let failed = |what: String| BenchError::Server { binary: binary.clone(), what, said: said(directory.path()) };

        let mut child = spawn_on(command, core).await?.map_err(|error| failed(format!("cannot be run: {error}")))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("has no output".to_owned()))?;
        let mut stdout = BufReader::new(stdout);
        let ready = async {
            let url = announced_url(&mut stdout).await.ok_or("ended before it listened".to_owned())?;
            let target = Target::resolve(&url, false, child.id()).await.map_err(|error| error.to_string())?;
            while !is_ready(&target).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<_, String>(target)
        };
        let target = match tokio::time::timeout(LIMIT, ready).await {
            Ok(target) => target.map_err(failed)?,
            Err(_) => return Err(failed(format!("was not ready within {} s", LIMIT.as_secs()))),
        };
        Ok(Self { binary, child, _stdout: stdout, target, directory, core })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Kills it, as a failing machine would.
    pub(crate) async fn kill(mut self) -> Result<Stopped, BenchError> {
        self.child.kill().await.map_err(BenchError::io("killing the server"))?;
        Ok(Stopped { binary: self.binary, directory: self.directory, core: self.core })
    }

    /// Asks the server to end as an operator would, and waits for it.
    pub(crate) async fn stop(self) -> Result<(), BenchError> {
        self.end().await.map(drop)
    }

    /// The same, to start it again.
    pub(crate) async fn end(mut self) -> Result<Stopped, BenchError> {
        terminate(&self.child);
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let what = match ended {
            Ok(Ok(status)) if status.success() => {
                return Ok(Stopped { binary: self.binary, directory: self.directory, core: self.core });
            }
            Ok(Ok(status)) => format!("ended with {status}"),
            Ok(Err(error)) => format!("cannot be waited for: {error}"),
            Err(_) => format!("had not ended {} s after SIGTERM", LIMIT.as_secs()),
        };
        Err(BenchError::Server { binary: self.binary.clone(), what, said: said(self.directory.path()) })
    }
}

/// Spawns on a thread that is kept on `core`: the new process inherits that, with all its threads.
async fn spawn_on(mut command: Command, core: Option<usize>) -> Result<std::io::Result<Child>, BenchError> {
    let runtime = tokio::runtime::Handle::current();
    let (spawned, child) = oneshot::channel();
    let start = move || {
        let _in_runtime = runtime.enter();
        let child = pin_to(core).map(|()| command.spawn());
        // Whoever asked may have been cancelled; then the process ends with the handle.
        let _gone = spawned.send(child).is_err();
    };
    Tasks::new().spawn_thread("bench-start", start).map_err(BenchError::io("starting a thread"))?;
    child.await.map_err(|_| BenchError::GeneratorEnded)?
}

/// The URL in the line that the server prints when it listens.
async fn announced_url(stdout: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut line = String::new();
    while stdout.read_line(&mut line).await.ok()? > 0 {
        if let Some(url) = url_in(&line) {
            return Some(url);
        }
        line.clear();
    }
    None
}

fn url_in(line: &str) -> Option<String> {
    let from = line.find("http://")?;
    let url = line[from..].split_ascii_whitespace().next()?;
    Some(url.trim_end_matches(['/', '.', ',']).to_owned())
}

async fn is_ready(target: &Target) -> bool {
    let asked = async { Connection::open(target).await?.ask(&get(target, "/health/ready")).await };
    asked.await.is_ok_and(|answer| answer.status == 200)
}

#[cfg(unix)]
fn terminate(child: &Child) {
    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(pid) = pid {
        // If it has ended meanwhile, waiting for it says so.
        let _ended = rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_err();
    }
}

/// Elsewhere there is no gentle way; the process ends with its handle.
#[cfg(not(unix))]
fn terminate(_child: &Child) {}

/// The end of the server's error output.
fn said(directory: &Path) -> String {
    let text = std::fs::read(directory.join("stderr")).unwrap_or_default();
    let from = text.len().saturating_sub(SAID_BYTES);
    let text = String::from_utf8_lossy(&text[from..]).trim().to_owned();
    if text.is_empty() { "nothing".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_found_in_the_line() {
        assert_eq!(url_in("Pulseboard listens on http://127.0.0.1:8080/\n").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(url_in("http://[::1]:80\n").as_deref(), Some("http://[::1]:80"));
        assert_eq!(url_in("starting\n"), None);
    }

    #[tokio::test]
    async fn a_program_that_is_no_server_is_named_with_what_it_said() {
        let parent = tempfile::tempdir().expect("a directory");
        let missing = parent.path().join("missing");
        let error = Server::start(&missing, parent.path(), Setup::Bare, None).await.expect_err("no such program");
        assert!(error.to_string().contains("cannot be run"), "{error}");
        let error = Server::start(Path::new("/bin/sh"), parent.path(), Setup::Bare, None).await.expect_err("no server");
        assert!(error.to_string().contains("ended before it listened"), "{error}");
        assert!(std::fs::read_dir(parent.path()).expect("listed").next().is_none(), "left files behind");
    }
}
