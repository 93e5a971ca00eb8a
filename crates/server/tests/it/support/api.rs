//! Asking a server over HTTP, and reading what it says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Map, Value, json};

use super::until::{PATIENCE, until};

/// A connection that was not used for so long is not used again: the server may be about to close it, and a request that
/// meets that is lost. Shorter than any time a test gives a request's head.
const KEPT_ALIVE: Duration = Duration::from_secs(1);

/// A server's HTTP API. Queries include whatever was acknowledged to it before.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    acknowledged: Arc<Mutex<Option<String>>>,
    token: Option<String>,
    pub(crate) url: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An error as the contract shapes it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Map<String, Value>,
}

impl Api {
    pub(crate) fn new(url: &str) -> Self {
        let client = Client::builder().timeout(PATIENCE).pool_idle_timeout(KEPT_ALIVE).build().unwrap();
        Self { client, acknowledged: Arc::default(), token: None, url: url.to_owned() }
    }

    /// The same server asked with a token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// A request to be filled in.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        read(self.request("POST", path).json(body)).await
    }

    /// Sends events; any body, any outcome.
    pub(crate) async fn events(&self, stream: &str, body: impl Into<reqwest::Body>) -> Answer {
        let answer = read(self.request("POST", &events_path(stream)).body(body)).await;
        if answer.status == 200 {
            *self.acknowledged.lock() = answer.json()["position"].as_str().map(str::to_owned);
        }
        answer
    }

    /// Sends events that must all be accepted; gives the position that includes them.
    pub(crate) async fn accepted(&self, stream: &str, events: &Value) -> String {
        let answer = self.events(stream, events.to_string()).await.ok();
        assert_eq!(answer["rejected"], 0, "{answer}");
        answer["position"].as_str().unwrap().to_owned()
    }

    /// Asks a query that must be answered.
    pub(crate) async fn query(&self, sql: &str) -> Value {
        let position = self.acknowledged.lock().clone();
        self.post("/api/v1/query", &json!({"sql": sql, "min_position": position})).await.ok()
    }

    /// Waits until answers include whatever was acknowledged.
    pub(crate) async fn settle(&self) {
        self.query("SELECT 1").await;
    }

    /// Asks a query as of a position.
    pub(crate) async fn query_at(&self, sql: &str, at: &str) -> Value {
        self.post("/api/v1/query", &json!({"sql": sql, "at": at})).await.ok()
    }

    /// A view's answer that includes `position` and is live.
    pub(crate) async fn live_view(&self, name: &str, position: &str) -> Value {
        let path = format!("/api/v1/views/{name}?min_position={position}");
        until(&format!("view `{name}` is live"), async || {
            let view = self.get(&path).await.ok();
            (view["state"]["status"] == "live").then_some(view)
        })
        .await
    }

    /// The state of a view once it has `status`.
    pub(crate) async fn view_state(&self, name: &str, status: &str) -> Value {
        until(&format!("`{name}` is {status}"), async || {
            let view = self.get(&format!("/api/v1/views/{name}")).await.ok();
            (view["state"]["status"] == status).then(|| view["state"].clone())
        })
        .await
    }
}

/// Where a stream's events go.
pub(crate) fn events_path(stream: &str) -> String {
    format!("/api/v1/streams/{stream}/events")
}

/// Sends a request and reads its answer.
pub(crate) async fn read(request: RequestBuilder) -> Answer {
    answered(request.send().await.unwrap()).await
}

/// Reads an answer to its end.
pub(crate) async fn answered(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap() }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The JSON of an answer that must be 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header `{name}`: {:?}", self.headers)).to_str().unwrap()
    }

    /// The error of an answer, which must have the contract's shape.
    pub(crate) fn refusal(&self) -> Refusal {
        let body = self.json();
        let refusal = refusal_of(&body["error"]).unwrap_or_else(|| panic!("no error: {} {body}", self.status));
        assert!(self.status >= 400, "an error with status {}: {body}", self.status);
        refusal
    }

    /// The error of an answer, which must have this status and code.
    pub(crate) fn refused(&self, status: u16, code: &str) -> Refusal {
        assert_eq!(self.status, status, "{}", self.text());
        let refusal = self.refusal();
        assert_eq!(refusal.code, code, "{refusal:?}");
        refusal
    }
}

/// Reads an error object; `None` if it is not one.
pub(crate) fn refusal_of(error: &Value) -> Option<Refusal> {
    let text = |name: &str| error[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Refusal { code: text("code")?, message: text("message")?, details: error["details"].as_object()?.clone() })
}
