//! A real nginx before a server: its binary, a directory of its own, a free port.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::until::until;

/// What nginx does when it is told nothing but where to pass requests to.
pub(crate) const DEFAULTS: &str = "server { listen LISTEN; location / { proxy_pass http://UPSTREAM; } }";

/// The configuration that is shipped.
pub(crate) fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nginx/pulseboard.conf");
    let text = std::fs::read_to_string(path).unwrap();
    let put_in = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "the shipped configuration has no `{from}`");
        text.replace(from, to)
    };
    put_in(&put_in(&text, "127.0.0.1:8080", "UPSTREAM"), "listen 80;", "listen LISTEN;")
}

/// A running nginx; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    _child: Child,
    _dir: TempDir,
}

impl Nginx {
    /// Starts one with what stands in its `http` block, `LISTEN` and `UPSTREAM` put in.
    pub(crate) async fn start(http: &str, upstream: SocketAddr) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let http = http.replace("LISTEN", &address.to_string()).replace("UPSTREAM", &upstream.to_string());
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr warn;\nevents {{}}\nhttp {{\naccess_log off;\n\
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; \
             scgi_temp_path scgi;\n{http}\n}}\n"
        );
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        // Debian keeps it where only administrators look.
        command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        command.arg("-p").arg(dir.path()).arg("-c").arg(&file).arg("-e").arg("stderr");
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn();
        let child = child.expect("nginx is there: `scripts/need nginx` installs it");
        until("nginx listens", async || TcpStream::connect(address).await.ok()).await;
        Self { address, _child: child, _dir: dir }
    }
}
