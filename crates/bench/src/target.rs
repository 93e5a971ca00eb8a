//! The server to be measured: where it is, and whether it may be loaded at all.

use std::net::SocketAddr;

use tokio_tungstenite::tungstenite::http::Uri;

use crate::error::BenchError;

/// A server that may be loaded.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What goes into `Host:`.
    pub authority: String,
    /// The token that requests carry.
    pub token: Option<String>,
    /// Its process, if it runs on this machine and its CPU time is to be read.
    pub server_pid: Option<u32>,
}

impl Target {
    /// Looks `url` up. Addresses other than loopback are refused unless `is_owned`.
    ///
    /// # Errors
    /// [`BenchError::BadUrl`] and [`BenchError::NotLoopback`].
    pub async fn resolve(url: &str, is_owned: bool, server_pid: Option<u32>) -> Result<Self, BenchError> {
        let bad = |reason: String| BenchError::BadUrl { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error| bad(format!("{error}")))?;
        if uri.scheme_str() != Some("http") {
            return Err(bad("only http is spoken here".to_owned()));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it has a path".to_owned()));
        }
        let authority = uri.authority().ok_or_else(|| bad("it has no host".to_owned()))?.to_string();
        // An IPv6 host keeps its brackets in a URL, but not in a look-up.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let looked_up = tokio::net::lookup_host((host, uri.port_u16().unwrap_or(80))).await;
        let addresses: Vec<SocketAddr> = looked_up.map_err(|error| bad(error.to_string()))?.collect();
        if let Some(address) = addresses.iter().find(|address| !address.ip().is_loopback() && !is_owned) {
            return Err(BenchError::NotLoopback { url: url.to_owned(), address: *address });
        }
        let address = *addresses.first().ok_or_else(|| bad("its host has no address".to_owned()))?;
        Ok(Self { address, authority, token: None, server_pid })
    }

    /// Asks with a token.
    #[must_use]
    pub fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }

    /// The header's line, if there is a token.
    pub(crate) fn authorization(&self) -> String {
        self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_is_loaded_unless_the_owner_says_so() {
        let target = Target::resolve("http://127.0.0.1:8080/", false, None).await.expect("loopback");
        assert_eq!((target.address, target.authority.as_str()), (([127, 0, 0, 1], 8080).into(), "127.0.0.1:8080"));
        assert!(Target::resolve("http://[::1]:8080", false, None).await.is_ok());

        let refused = Target::resolve("http://192.0.2.7:8080", false, None).await.expect_err("elsewhere");
        assert!(refused.to_string().contains("--i-own-this-server"), "{refused}");
        assert!(Target::resolve("http://192.0.2.7:8080", true, None).await.is_ok());

        for bad in ["https://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1/api", "http://"] {
            let refused = Target::resolve(bad, false, None).await;
            assert!(matches!(refused, Err(BenchError::BadUrl { .. })), "{bad}: {refused:?}");
        }
    }
}
