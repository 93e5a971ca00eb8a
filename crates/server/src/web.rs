//! The web app, embedded in the binary: nothing is fetched from elsewhere at run time.

use pulseboard_gateway::{WebApp, WebFile};
use rust_embed::RustEmbed;

/// The built app. A build without it says so on its page.
#[derive(RustEmbed)]
#[folder = "../../web/app/dist"]
#[allow_missing = true]
struct Files;

/// The app's files.
#[must_use]
pub(crate) fn web_app() -> WebApp {
    WebApp::new(|path| {
        let file = Files::get(path)?;
        let hash = file.metadata.sha256_hash();
        let etag = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Some(WebFile { content_type: content_type(path).to_owned(), etag, body: file.data.into_owned().into() })
    })
}

/// The media type of a built file.
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
