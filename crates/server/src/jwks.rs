//! The key set that signs JSON Web Tokens, fetched from its URL: at the start, now and then, and when a token names a key that
//! is not in it.
//!
//! A set that cannot be fetched leaves the last one in place. However often keys are asked for, the URL is asked at most once in
//! ten seconds.

use std::time::Duration;

use pulseboard_gateway::{JwtKeys, KeySet};
use pulseboard_runtime::Shutdown;
use reqwest_tls::{Client, Url};
use tracing::{info, warn};

use crate::config::JwtSettings;

/// The least time between two fetches.
const BETWEEN: Duration = Duration::from_secs(10);
/// How soon it is tried again after a failure.
const AGAIN: Duration = Duration::from_secs(30);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set.
const SET_BYTES_MAX: usize = 1 << 20;

/// The keys that are there at once: the shared secret, if there is one.
pub(crate) fn first_keys(settings: &JwtSettings) -> JwtKeys {
    JwtKeys::new(secret_keys(settings))
}

fn secret_keys(settings: &JwtSettings) -> KeySet {
    settings.secret.as_ref().map_or_else(KeySet::default, crate::config::JwtSecret::keys)
}

/// Fetches until shutdown.
pub(crate) async fn run(settings: JwtSettings, url: Url, keys: JwtKeys, shutdown: Shutdown) {
    let client = match Client::builder().timeout(TIMEOUT).redirect(reqwest_tls::redirect::Policy::none()).build() {
        Ok(client) => client,
        Err(error) => {
            warn!(%error, "the keys of JSON Web Tokens cannot be fetched");
            return;
        }
    };
    loop {
        let mut next = settings.refresh;
        match fetch(&client, &url).await {
            Ok(set) => {
                info!(%url, "the keys of JSON Web Tokens are fetched");
                keys.replace(set.with(secret_keys(&settings)));
            }
            Err(error) => {
                warn!(%url, error, "the keys of JSON Web Tokens cannot be fetched; the last ones stay");
                keys.fetched();
                next = next.min(AGAIN);
            }
        }
        // Nobody who asks meanwhile is heard, so that made-up names of keys ask nobody for anything.
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(BETWEEN) => {}
        }
        tokio::select! {
            () = shutdown.wait() => return,
            () = tokio::time::sleep(next.saturating_sub(BETWEEN)) => {}
            () = keys.wanted() => {}
        }
    }
}

async fn fetch(client: &Client, url: &Url) -> Result<KeySet, String> {
    let response = client.get(url.clone()).send().await.and_then(reqwest_tls::Response::error_for_status);
    let mut response = response.map_err(|error| error.without_url().to_string())?;
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
        if text.len() + part.len() > SET_BYTES_MAX {
            return Err(format!("the key set has more than {SET_BYTES_MAX} bytes"));
        }
        text.extend_from_slice(&part);
    }
    KeySet::read(&text)
}
