//! Keeps the certificate in step with its files, and says beside the lock which one the server shows.
//!
//! Files are looked at again and again, because not every file system tells, and a name may lead elsewhere (certbot and
//! Kubernetes turn a link). One that is not right changes nothing but what is said of it.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pulseboard_gateway::{Certificate, Tls};
use pulseboard_runtime::Shutdown;
use tracing::{info, warn};

use crate::config::definitions::told;
use crate::config::{Problem, TlsFiles};

/// How often they are looked at. What stands still between two looks is read.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The fingerprints of the certificates that the server shows: commands on this machine take no other.
const FILE_NAME: &str = "command-line-certificate";
/// The longest text that is read.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// How the two files look from outside.
type Stamps = [Option<(i64, i64, u64, u64)>; 2];

fn stamps(files: &TlsFiles) -> Stamps {
    [&files.cert, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino()))
    })
}

/// Looks until shutdown; `shown` is what the server began with.
pub(crate) async fn run(files: TlsFiles, tls: Tls, data_dir: PathBuf, shown: Certificate, shutdown: Shutdown) {
    // Whatever changed since they were read at the start is found at the first look.
    let (mut shown, mut known, mut before) = (shown, None, None);
    loop {
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = Some(stamps(&files));
        let stands = std::mem::replace(&mut before, now) == now;
        if now == known || !stands {
            continue;
        }
        known = now;
        match files.read() {
            Ok(found) => {
                if let Err(error) = tell(&data_dir, &[&found, &shown]) {
                    warn!(%error, "commands on this machine are not told of the new certificate");
                }
                // Also where the server's own is the same: those that signed it may be others.
                match tls.replace(&found) {
                    Ok(()) if found.fingerprint() == shown.fingerprint() => {}
                    Ok(()) => info!(fingerprint = found.fingerprint(), "new connections get the new certificate"),
                    Err(error) => {
                        warn!(error, "the new certificate is not usable; the last one stays");
                        continue;
                    }
                }
                shown = found;
            }
            Err(problems) => {
                for problem in &problems {
                    warn!(%problem, "the certificate's files are not right; the last one stays");
                }
                let problem = problems.into_iter().next().map(|problem| without_folders(problem, &files));
                tls.blame(told(&problem).pop());
            }
        }
    }
}

/// A problem as anybody may read it: where the files are is nobody else's business.
fn without_folders(mut problem: Problem, files: &TlsFiles) -> Problem {
    for path in [&files.cert, &files.key] {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        problem.what = problem.what.replace(&path.display().to_string(), &name);
    }
    problem
}

/// Says in the data directory which certificates the server shows; without any, that it speaks no TLS.
///
/// # Errors
/// When the directory cannot be written.
pub(crate) fn tell(data_dir: &Path, shown: &[&Certificate]) -> std::io::Result<()> {
    let path = data_dir.join(FILE_NAME);
    if shown.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let lines: String = shown.iter().map(|certificate| format!("{}\n", certificate.fingerprint())).collect();
    // Whoever reads it meanwhile gets the whole of one text or of the other.
    let beside = path.with_extension("new");
    std::fs::File::create(&beside)?.write_all(lines.as_bytes())?;
    std::fs::rename(beside, path)
}

/// The fingerprints of the certificates that the server on `data_dir` shows.
pub(crate) fn shown(data_dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(data_dir.join(FILE_NAME)).unwrap_or_default();
    if text.len() > TEXT_BYTES_MAX { Vec::new() } else { text.lines().map(str::to_owned).collect() }
}
