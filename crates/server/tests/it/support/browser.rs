//! What a browser sends once somebody logged in: the cookie with everything, and where the page comes from.

use std::net::SocketAddr;

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::api::{Answer, Api, read};
use super::connection::{Broken, Socket};
use super::server::Server;

/// A page of the server that somebody logged in on.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    pub(crate) api: Api,
    pub(crate) cookie: String,
    /// The whole `Set-Cookie` of the login.
    pub(crate) given: String,
    address: SocketAddr,
}

/// Tries a password from a page of the server itself.
pub(crate) async fn try_password(api: &Api, user: &str, password: &str) -> Answer {
    let request = api.request("POST", "/api/v1/session").header("origin", &api.url);
    read(request.json(&json!({"user": user, "password": password}))).await
}

impl Browser {
    pub(crate) async fn log_in(server: &Server, user: &str, password: &str) -> Self {
        let answer = try_password(&server.api, user, password).await;
        answer.ok();
        let given = answer.header("set-cookie").to_owned();
        let cookie = given.split(';').next().unwrap().to_owned();
        Self { api: server.api.clone(), cookie, given, address: server.address }
    }

    /// What the cookie holds.
    pub(crate) fn secret(&self) -> &str {
        self.cookie.split_once('=').unwrap().1
    }

    /// A request that bears the cookie and says nothing of its page.
    pub(crate) fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        self.api.request(method, path).header("cookie", &self.cookie)
    }

    /// A request of the server's own page.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path).header("origin", &self.api.url)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.bare("GET", path).header("sec-fetch-site", "same-origin")).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        read(self.request(method, path).json(body)).await
    }

    /// A WebSocket of a page of `origin`.
    pub(crate) async fn socket_from(&self, origin: Option<&str>) -> Result<Socket, Broken> {
        let mut headers = vec![("cookie", self.cookie.as_str())];
        headers.extend(origin.map(|origin| ("origin", origin)));
        Socket::open_as(self.address, &headers).await
    }

    /// A WebSocket of the server's own page.
    pub(crate) async fn socket(&self) -> Socket {
        self.socket_from(Some(&self.api.url)).await.unwrap()
    }
}
