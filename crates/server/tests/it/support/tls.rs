//! Certificates for tests, and clients that trust one of them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The name that every certificate here is for, beside the one of this machine.
pub(crate) const PUBLIC: &str = "board.example";

/// A certificate that signed itself, and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let names = [PUBLIC, "localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Self { certificate, key, der: made.cert.der().clone() }
    }

    /// Puts both where a configuration with `cert.pem` and `key.pem` looks for them.
    pub(crate) fn write(&self, dir: &Path) {
        std::fs::write(dir.join("cert.pem"), &self.certificate).unwrap();
        std::fs::write(dir.join("key.pem"), &self.key).unwrap();
    }

    /// A client for HTTP that trusts it, and finds its public name at `address`.
    pub(crate) fn client(&self, address: SocketAddr) -> reqwest_tls::Client {
        let root = reqwest_tls::Certificate::from_pem(self.certificate.as_bytes()).unwrap();
        let client = reqwest_tls::Client::builder().add_root_certificate(root).tls_built_in_root_certs(false);
        client.resolve(PUBLIC, address).no_proxy().build().unwrap()
    }

    /// A connection that trusts it; an error if the server shows another.
    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
    }
}
