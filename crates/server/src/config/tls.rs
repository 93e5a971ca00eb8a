//! `[tls]`: the certificate that the server shows, its key, and how long browsers keep to it.
//!
//! The files are read here, so that whatever is wrong with them is said before the server starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pulseboard_gateway::{Certificate, CertificateError};

use super::reader::{Problem, Reader};
use super::values::{FILE_PREFIX, span_us, with_environment, wrong};

/// How long browsers come over TLS alone, unless told otherwise.
const HSTS: Duration = Duration::from_secs(180 * 86_400);
/// The longest of it, µs: two years.
const HSTS_US_MAX: i64 = 730 * 86_400_000_000;
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// `[tls]`.
#[derive(Debug)]
pub struct TlsSettings {
    /// Where they are, to be looked at again.
    pub files: TlsFiles,
    /// What was in them.
    pub certificate: Certificate,
    /// How long browsers keep to TLS; zero if they are not told.
    pub hsts: Duration,
}

/// The two files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The configuration that names them.
    pub config: String,
    /// The chain, the server's own certificate first.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Reads both.
    ///
    /// # Errors
    /// All that is wrong, each with the key that names the file.
    pub fn read(&self) -> Result<Certificate, Vec<Problem>> {
        let problem = |key: &str, what: String| Problem { file: self.config.clone(), key: format!("tls.{key}"), what };
        let of = |key: &str, path: &Path| {
            let cannot = |why: String| problem(key, format!("`{}` cannot be read: {why}", path.display()));
            let bytes = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
            if bytes > FILE_BYTES_MAX {
                return Err(cannot(format!("it has more than {FILE_BYTES_MAX} bytes")));
            }
            std::fs::read(path).map_err(|error| cannot(error.to_string()))
        };
        let (cert, key) = match (of("cert", &self.cert), of("key", &self.key)) {
            (Ok(cert), Ok(key)) => (cert, key),
            (cert, key) => return Err(cert.err().into_iter().chain(key.err()).collect()),
        };
        Certificate::read(&cert, &key).map_err(|error| {
            let (key, path) = match error {
                CertificateError::Certificate(_) => ("cert", &self.cert),
                CertificateError::Key(_) | CertificateError::Mismatch => ("key", &self.key),
            };
            vec![problem(key, format!("`{}` {error}", path.display()))]
        })
    }
}

/// Reads `[tls]`; relative files begin at `dir`.
pub(super) fn read_tls(root: &mut Reader<'_>, dir: &Path, problems: &mut Vec<Problem>) -> Option<TlsSettings> {
    let config = root.file().to_owned();
    let mut tls = root.inner("tls", problems)?;
    let mut path = |key: &'static str, what: &str| {
        let Some(value) = tls.take(key) else {
            tls.problem(key, format!("is missing: {what}"), problems);
            return None;
        };
        // The file is read again when it changes, so it is its name that counts, with `file:` before it or without.
        let named = value.as_str().ok_or_else(|| wrong("the name of a PEM file", &value)).and_then(with_environment);
        match named {
            Ok(named) if named.contains("-----BEGIN") => {
                tls.problem(key, "must be the name of a PEM file, not what is in it", problems);
                None
            }
            Ok(named) => Some(dir.join(named.strip_prefix(FILE_PREFIX).unwrap_or(&named).trim())),
            Err(what) => {
                tls.problem(key, what, problems);
                None
            }
        }
    };
    let cert = path("cert", "the PEM file of the certificate, with those that signed it");
    let key = path("key", "the PEM file of the certificate's key");
    let hsts = tls.read("hsts", problems, |value| match value.as_str() {
        Some("0") => Ok(Duration::ZERO),
        _ => match span_us(value)? {
            us if us <= HSTS_US_MAX => Ok(Duration::from_micros(us.unsigned_abs())),
            _ => Err("must be at most `730d`".to_owned()),
        },
    });
    tls.finish(problems);
    let files = TlsFiles { config, cert: cert?, key: key? };
    match files.read() {
        Ok(certificate) => Some(TlsSettings { files, certificate, hsts: hsts.unwrap_or(HSTS) }),
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}
