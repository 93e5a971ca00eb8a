//! TLS: what a certificate and its key must be, and the acceptor whose certificate may be another one from now on.
//!
//! It reads no files and watches none: whoever does hands their bytes in, and tells what is wrong with them. A connection keeps
//! the certificate that it began with.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use parking_lot::RwLock;
use pulseboard_protocol::error::{ApiError, Code, ErrorBody};
use pulseboard_protocol::http::ProblemAnswer;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS connection.
const HANDSHAKE: u8 = 0x16;
/// The only protocol that is spoken inside.
const ALPN: &[u8] = b"http/1.1";
/// So much of a request that is not encrypted is read, so that its sender reads the answer.
const PLAIN_BYTES: usize = 16 << 10;

/// What is wrong with a certificate or its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The file of the certificate.
    #[error("{0}")]
    Certificate(&'static str),
    /// The file of the key.
    #[error("{0}")]
    Key(&'static str),
    /// Each is right, and they do not belong together.
    #[error("is not the key of this certificate: make both anew, or name the ones that belong together")]
    Mismatch,
}

/// A certificate with those that signed it, and its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    fingerprint: String,
}

impl Certificate {
    /// Reads the PEM texts of a chain, the server's own certificate first, and of its key.
    ///
    /// # Errors
    /// [`CertificateError`]; it repeats nothing of what was given.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| CertificateError::Certificate("is not a whole PEM file"))?;
        let Some(own) = chain.first() else {
            let what = "holds no certificate: it must be a PEM file with `BEGIN CERTIFICATE`, the server's own first";
            return Err(CertificateError::Certificate(what));
        };
        let fingerprint = certificate_fingerprint(own);
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| key_error(&error, key))?;
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::Mismatch,
            Error::InvalidCertificate(_) => CertificateError::Certificate("holds a certificate that cannot be read"),
            _ => {
                CertificateError::Key("holds a key that is not usable: it must be RSA, ECDSA (P-256, P-384) or Ed25519")
            }
        })?;
        Ok(Self { key: Arc::new(key), fingerprint })
    }

    /// The SHA-256 of the server's own certificate, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn key_error(error: &PemError, text: &[u8]) -> CertificateError {
    let encrypted = String::from_utf8_lossy(text).contains("ENCRYPTED");
    CertificateError::Key(match error {
        _ if encrypted => "holds a key that is encrypted: it must be stored without a passphrase",
        PemError::NoItemsFound => "holds no key: it must be a PEM file with `BEGIN PRIVATE KEY`",
        _ => "is not a whole PEM file",
    })
}

/// The SHA-256 of a certificate, in hexadecimal digits.
#[must_use]
pub fn certificate_fingerprint(certificate: &[u8]) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the server speaks TLS. Cheap to clone; all clones change together.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    provider: Arc<CryptoProvider>,
    hsts: Option<HeaderValue>,
    acceptor: RwLock<TlsAcceptor>,
    problem: RwLock<Option<ProblemAnswer>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("hsts", &self.hsts).field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl Tls {
    /// With this certificate first. Browsers are told to come over TLS alone for `hsts`; zero says nothing of it.
    ///
    /// # Errors
    /// Whatever the library has against its own defaults.
    pub fn new(certificate: &Certificate, hsts: Duration) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let acceptor = RwLock::new(acceptor(&provider, certificate).map_err(|error| error.to_string())?);
        let hsts = (!hsts.is_zero())
            .then(|| HeaderValue::from_str(&format!("max-age={}", hsts.as_secs())))
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Inner { provider, hsts, acceptor, problem: RwLock::default() })))
    }

    /// From now on new connections get this certificate. None of them resumes a session that began with another one.
    ///
    /// # Errors
    /// As [`Self::new`]; the last certificate stays.
    pub fn replace(&self, certificate: &Certificate) -> Result<(), String> {
        let made = acceptor(&self.0.provider, certificate).map_err(|error| error.to_string())?;
        *self.0.acceptor.write() = made;
        *self.0.problem.write() = None;
        Ok(())
    }

    /// What is wrong with the files as they are now; what counts meanwhile is the last good certificate.
    pub fn blame(&self, problem: Option<ProblemAnswer>) {
        *self.0.problem.write() = problem;
    }

    /// What is wrong with the files, if something is.
    pub(crate) fn problem(&self) -> Option<ProblemAnswer> {
        self.0.problem.read().clone()
    }

    /// The header that keeps browsers from coming without TLS.
    pub(crate) fn hsts(&self) -> Option<&HeaderValue> {
        self.0.hsts.as_ref()
    }

    /// Speaks TLS with whoever came, within `limit`.
    pub(crate) async fn accept(&self, stream: TcpStream, limit: Duration) -> Result<Box<TlsStream<TcpStream>>, NoTls> {
        let shaken = async {
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(0) => return Err(NoTls::Failed),
                Ok(_) if first[0].is_ascii_alphabetic() => {
                    refuse_plain(stream).await;
                    return Err(NoTls::Plain);
                }
                Ok(_) if first[0] != HANDSHAKE => return Err(NoTls::Failed),
                Ok(_) => {}
                Err(_) => return Err(NoTls::Failed),
            }
            let acceptor = self.0.acceptor.read().clone();
            acceptor.accept(stream).await.map(Box::new).map_err(|_| NoTls::Failed)
        };
        // On the heap: connections without TLS shall not be larger for it.
        timeout(limit, Box::pin(shaken)).await.unwrap_or(Err(NoTls::TookTooLong))
    }
}

/// Why a connection came to nothing before a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTls {
    /// The other end said nothing, or not all of it in time.
    TookTooLong,
    /// It asked without TLS.
    Plain,
    /// It spoke something else, refused the certificate, or went away.
    Failed,
}

impl NoTls {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TookTooLong => "time",
            Self::Plain => "plain",
            Self::Failed => "refused",
        }
    }
}

fn acceptor(provider: &Arc<CryptoProvider>, certificate: &Certificate) -> Result<TlsAcceptor, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&certificate.key))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Tells somebody who speaks HTTP without TLS what to do. Whatever else came with it, and whether it is read, is theirs.
async fn refuse_plain(mut stream: TcpStream) {
    let error = ApiError::new(Code::BadRequest, "this port speaks HTTPS: ask it with `https://`");
    let body = serde_json::to_string(&ErrorBody { error }).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answered: io::Result<()> = async {
        // Closing with bytes unread would take the answer back.
        let mut asked = vec![0; PLAIN_BYTES];
        let _some = stream.read(&mut asked).await?;
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
    .await;
    if let Err(error) = answered {
        tracing::debug!(%error, "somebody who asked without TLS did not take the answer");
    }
}
