//! Finding the server that a command talks to, and talking to it.

use std::path::Path;
use std::time::Duration;

use pulseboard_journal::read_owner;
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

use super::Failure;
use super::args::Target;

/// A server, by its URL.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) url: String,
    pub(super) client: Client,
}

/// Where the answer comes from.
#[derive(Debug)]
pub(super) enum Place {
    Server(Server),
    /// No server runs on the directory: it is read as it is.
    Directory,
}

/// The server of `target`, or its directory.
///
/// # Errors
/// When there is neither.
pub(super) fn find(target: &Target) -> Result<Place, Failure> {
    if let Some(url) = &target.url {
        return Ok(Place::Server(server(url)?));
    }
    match owner_url(&target.data_dir) {
        Some(url) => Ok(Place::Server(server(&url)?)),
        None if target.data_dir.is_dir() => Ok(Place::Directory),
        None => Err(Failure::setup(format!(
            "there is no data directory `{}`: start `pulseboard serve` there, or name a server with --url",
            target.data_dir.display()
        ))),
    }
}

/// The server of `target`; a directory is not enough.
///
/// # Errors
/// When no server runs.
pub(super) fn find_server(target: &Target) -> Result<Server, Failure> {
    match find(target)? {
        Place::Server(server) => Ok(server),
        Place::Directory => Err(Failure::setup(format!(
            "no server runs on `{}`: start `pulseboard serve` first, or name a server with --url",
            target.data_dir.display()
        ))),
    }
}

fn owner_url(dir: &Path) -> Option<String> {
    read_owner(dir).and_then(|owner| owner.url)
}

fn server(url: &str) -> Result<Server, Failure> {
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .build()
        .map_err(|error| Failure::setup(format!("cannot speak HTTP: {error}")))?;
    Ok(Server { url: url.trim_end_matches('/').to_owned(), client })
}

impl Server {
    /// What a failed call means.
    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::refused(format!("`{}` does not answer: {error}", self.url))
    }

    /// Posts JSON and reads the JSON answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.read(response).await
    }

    /// Reads a JSON answer, or the error that it carries.
    pub(super) async fn read(&self, response: Response) -> Result<Value, Failure> {
        let status = response.status();
        let body: Value = response.json().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
    }
}

/// The error of an answer, with the place in the SQL if it names one.
pub(super) fn refusal(status: StatusCode, body: &Value) -> Failure {
    let error = &body["error"];
    let message = error["message"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned);
    let place = match (error["details"]["line"].as_u64(), error["details"]["column"].as_u64()) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
        _ => String::new(),
    };
    Failure::refused(format!("{message}{place}"))
}
