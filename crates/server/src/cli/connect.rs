//! Finding the server that a command talks to, and talking to it.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use pulseboard_journal::read_owner;
use pulseboard_protocol::Secret;
use reqwest_tls::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest_tls::{Client, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::Failure;
use super::args::Target;
use super::pinned::only;
use crate::sql_text::sentence;
use crate::{local_key, tls_files};

/// The environment variable with the token for a server elsewhere.
const TOKEN_VARIABLE: &str = "PULSEBOARD_TOKEN";

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
    match find_running(target)? {
        Some(server) => Ok(Place::Server(server)),
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

/// The server of `target`, if one runs or is named.
///
/// # Errors
/// When what is named is no URL.
pub(super) fn find_running(target: &Target) -> Result<Option<Server>, Failure> {
    let given = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Secret::new);
    if let Some(url) = &target.url {
        return server(url, given, None).map(Some);
    }
    let Some(url) = owner_url(&target.data_dir) else { return Ok(None) };
    let certificates = tls_files::shown(&target.data_dir);
    server(&url, given.or_else(|| local_key::read(&target.data_dir)), Some(&certificates)).map(Some)
}

fn owner_url(dir: &Path) -> Option<String> {
    read_owner(dir).and_then(|owner| owner.url)
}

/// A server by its URL. One that is named must have a certificate that this machine trusts; of one that was found the
/// `certificates` are known.
fn server(url: &str, token: Option<Secret>, certificates: Option<&[String]>) -> Result<Server, Failure> {
    let parsed = Url::parse(url).ok().filter(|parsed| parsed.has_host());
    let parsed = parsed.ok_or_else(|| {
        Failure::setup(format!("`{url}` is not a server's URL: use one such as http://127.0.0.1:8080"))
    })?;
    let mut client = Client::builder().connect_timeout(Duration::from_secs(5));
    if parsed.scheme() != "https" {
        // They are read from many files, for nothing.
        client = client.tls_built_in_root_certs(false);
    } else if let Some(certificates) = certificates {
        let tls = only(certificates).map_err(|error| Failure::setup(format!("cannot speak TLS: {error}")))?;
        client = client.use_preconfigured_tls(tls);
    }
    if is_loopback(&parsed) || certificates.is_some() {
        // A proxy of the environment stands for what is elsewhere; it cannot reach this machine's loopback.
        client = client.no_proxy();
    }
    if let Some(token) = token {
        let header = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
        let mut header = header.map_err(|_| Failure::setup(format!("`{TOKEN_VARIABLE}` holds no token")))?;
        header.set_sensitive(true);
        client = client.default_headers(HeaderMap::from_iter([(AUTHORIZATION, header)]));
    }
    let client = client.build().map_err(|error| Failure::setup(format!("cannot speak HTTP: {error}")))?;
    Ok(Server { url: url.trim_end_matches('/').to_owned(), client })
}

/// Whether a URL names this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let named = host == "localhost" || host.ends_with(".localhost");
    named || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Server {
    /// What a failed call means.
    pub(super) fn unreachable(&self, error: &reqwest_tls::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let what = cause.to_string();
        if what.contains("UnknownIssuer") {
            let name = "set SSL_CERT_FILE to the PEM file of who signed it";
            return Failure::refused(format!(
                "the certificate of `{}` is not trusted on this machine: {name}",
                self.url
            ));
        }
        Failure::refused(format!("`{}` does not answer: {what}", self.url))
    }

    /// Posts JSON and reads the answer in the format that `accept` names.
    pub(super) async fn post_for(&self, path: &str, body: &Value, accept: &str) -> Result<Bytes, Failure> {
        let response =
            self.json(path, body).header(ACCEPT, accept).send().await.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return Err(self.read(response).await.err().unwrap_or_else(|| Failure::refused("the server refused it")));
        }
        response.bytes().await.map_err(|error| self.unreachable(&error))
    }

    /// Gets a JSON answer.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.asked(self.client.get(format!("{}{path}", self.url))).await
    }

    /// Puts JSON and reads the JSON answer.
    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.asked(with_json(self.client.put(format!("{}{path}", self.url)), body)).await
    }

    /// Deletes something and reads the JSON answer, if there is one.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.asked(self.client.delete(format!("{}{path}", self.url))).await
    }

    fn json(&self, path: &str, body: &Value) -> RequestBuilder {
        with_json(self.client.post(format!("{}{path}", self.url)), body)
    }

    /// Posts JSON and gives the answer, whatever it says.
    pub(super) async fn try_post(&self, path: &str, body: &Value) -> reqwest_tls::Result<Response> {
        self.json(path, body).send().await
    }

    async fn asked(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.read(response).await
    }

    /// Posts JSON and reads the JSON answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.asked(self.json(path, body)).await
    }

    /// Reads a JSON answer, or the error that it carries.
    pub(super) async fn read(&self, response: Response) -> Result<Value, Failure> {
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let body: Value = serde_json::from_slice(&body).map_err(|_| {
            let what = format!("`{}` answered {status} with something else than JSON: is it Pulseboard?", self.url);
            Failure::refused(what)
        })?;
        if status.is_success() { Ok(body) } else { Err(refusal(status, &body)) }
    }
}

fn with_json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header(CONTENT_TYPE, "application/json").body(body.to_string())
}

/// The JSON of an answer that is an error; null if it is none.
pub(super) async fn body_of(response: Response) -> Value {
    let body = response.bytes().await.unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_default()
}

/// The error of an answer, with the place in the SQL if it names one.
pub(super) fn refusal(status: StatusCode, body: &Value) -> Failure {
    let error = &body["error"];
    let message = error["message"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned);
    let (line, column) = (error["details"]["line"].as_u64(), error["details"]["column"].as_u64());
    Failure::refused(sentence(&message, line.zip(column)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn this_machine_is_asked_without_a_proxy() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", true),
            ("http://127.8.0.1", true),
            ("http://[::1]:8080", true),
            ("http://localhost:1", true),
            ("http://a.localhost", true),
            ("http://192.0.2.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
        for bad in ["", "127.0.0.1:8080", "mailto:x"] {
            let failure = server(bad, None, None).unwrap_err();
            assert!(failure.code == 2 && failure.lines[0].contains("not a server's URL"), "{failure:?}");
        }
    }

    #[test]
    fn a_refusal_says_its_place_once() {
        let error = json!({"error": {"message": "no at Line: 1, Column: 8", "details": {"line": 1, "column": 8}}});
        assert_eq!(refusal(StatusCode::BAD_REQUEST, &error).lines, ["no (line 1, column 8)"]);
    }
}
