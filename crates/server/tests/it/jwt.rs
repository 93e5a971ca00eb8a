//! JSON Web Tokens of somebody else's making: their rows, their keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use pulseboard_runtime::SystemClock;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::connection::Socket;
use crate::support::server::Home;
use crate::support::until::until;

pub(crate) const SECRET: &str = "a secret that is long enough for HS256";

pub(crate) fn now_s() -> u64 {
    u64::try_from(SystemClock::shared().now_us()).unwrap() / 1_000_000
}

pub(crate) fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let coded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", coded(header), coded(claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn by_secret(claims: &Value) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    token(&json!({"alg": "HS256"}), claims, |text| ring::hmac::sign(&key, text).as_ref().to_vec())
}

const VIEWS: &str = "boards = \"boards\"
[views.mine]\nsql = \"SELECT kind, count(*) AS n FROM orders WHERE tenant = $tenant GROUP BY kind\"
[views.all]\nsql = \"SELECT count(*) AS n FROM orders\"\n";
const BOARD: &str = "title = \"Mine\"
[[variables]]\nname = \"tenant\"\ndefault = \"acme\"
[[panels]]\nid = \"n\"\ntype = \"stat\"\nsql = \"SELECT count(*) AS n FROM orders WHERE tenant = $tenant\"\n";

/// The rows of the first channel that begins so, from `frame` on: what was just started has none in its first frame.
async fn rows_in(socket: &mut Socket, mut frame: Value, channel: &str) -> Value {
    loop {
        let changes = frame["changes"].as_array().cloned().unwrap_or_default();
        let of_channel = |change: &&Value| change["channel"].as_str().is_some_and(|name| name.starts_with(channel));
        if let Some(rows) = changes.iter().find(of_channel).and_then(|change| change["snapshot"].get("rows")) {
            return rows.clone();
        }
        frame = socket.next().await.unwrap();
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_whatever_it_asks_for() {
    let home = Home::new(&format!("{VIEWS}[auth.jwt]\nsecret = \"{SECRET}\"\n"));
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/mine.toml"), BOARD).unwrap();
    let server = home.start().await;
    server.api.get("/api/v1/views").await.refused(401, "unauthorized");
    let of = |tenant: &str, role: &str| {
        by_secret(&json!({"exp": now_s() + 600, "role": role, "sub": tenant, "params": {"tenant": tenant}}))
    };
    let admin = by_secret(&json!({"exp": now_s() + 600, "role": "admin"}));
    let admin = server.api.with_token(&admin);
    let orders = json!([
        {"tenant": "acme", "kind": "a"}, {"tenant": "acme", "kind": "b"}, {"tenant": "zeta", "kind": "z"}
    ]);
    let position = admin.accepted("orders", &orders).await;

    let token = of("zeta", "viewer");
    let zeta = server.api.with_token(&token);
    let own = json!([["z", 1]]);
    for asked in ["", "&p.tenant=acme", "&p.Tenant=acme", "&p.%24tenant=acme"] {
        let view = zeta.get(&format!("/api/v1/views/mine?min_position={position}{asked}")).await;
        assert_eq!(view.ok()["rows"], own, "{asked}");
    }
    // Two tenants on one channel name, at the same time, each with its own rows.
    let other = of("acme", "viewer");
    for (token, rows) in [(&token, &own), (&other, &json!([["a", 1], ["b", 1]]))] {
        for channel in ["view:mine", "view:mine?tenant=acme"] {
            let mut socket = Socket::open_with(server.address, token).await.unwrap();
            let frame = socket.follow(channel).await.unwrap();
            assert_eq!(rows_in(&mut socket, frame, "view:mine").await, *rows, "{channel}");
        }
    }
    let mut socket = Socket::open_with(server.address, &token).await.unwrap();
    let board = socket.follow("board:mine?tenant=acme").await.unwrap();
    assert_eq!(rows_in(&mut socket, board, "view:").await, json!([[1]]), "the board's panel");
    // Another tenant's token is no way on for this connection.
    socket.send(&json!({"type": "auth", "token": other})).await.unwrap();
    assert_eq!(socket.next().await.unwrap()["error"]["code"], "forbidden");

    // What is not held to the tenant is not there.
    for path in [
        "/api/v1/views/all",
        "/api/v1/streams/orders",
        "/api/v1/live/poll?channel=view:all",
        "/api/v1/live/poll?channel=stream:orders",
        "/api/v1/live/poll?channel=system",
        "/metrics",
    ] {
        zeta.get(path).await.refused(403, "forbidden");
    }
    let own_query = json!({"sql": "SELECT * FROM orders WHERE tenant = $tenant OR true", "params": {"tenant": "zeta"}});
    zeta.post("/api/v1/query", &own_query).await.refused(403, "forbidden");
    let editor = server.api.with_token(&of("zeta", "editor"));
    let definition = json!({"sql": "SELECT * FROM orders"});
    let put = editor.request("PUT", "/api/v1/views/peek").json(&definition);
    crate::support::api::read(put).await.refused(403, "forbidden");
    assert_eq!(zeta.get("/api/v1/views").await.ok()["views"].as_array().unwrap().len(), 2, "its own, and its panel");

    let ended = by_secret(&json!({"exp": now_s() - 1, "role": "viewer"}));
    server.api.with_token(&ended).get("/api/v1/me").await.refused(401, "token_expired");
    assert_eq!(zeta.get("/api/v1/me").await.ok()["id"], "jwt:zeta");
}

/// Who publishes keys: any number of them, asked any number of times.
pub(crate) struct Publisher {
    pub(crate) url: String,
    pub(crate) set: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
}

pub(crate) async fn publisher() -> Publisher {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let (set, asked) = (Arc::new(Mutex::new(json!({"keys": []}))), Arc::new(AtomicUsize::new(0)));
    let (answers, count) = (set.clone(), asked.clone());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let _read = socket.read(&mut [0; 4_096]).await.is_ok();
            let body = answers.lock().to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _written = socket.write_all(format!("{head}{body}").as_bytes()).await.is_ok();
        }
    });
    Publisher { url, set, asked }
}

pub(crate) fn key() -> Ed25519KeyPair {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap()
}

pub(crate) fn published(kid: &str, key: &Ed25519KeyPair) -> Value {
    let x = BASE64_URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x}]})
}

#[tokio::test]
async fn keys_are_fetched_again_when_a_token_names_a_newer_one_and_seldom_for_made_up_names() {
    let publisher = publisher().await;
    let (old, new) = (key(), key());
    *publisher.set.lock() = published("old", &old);
    let jwt = format!("issuer = \"https://id.example\"\naudience = \"pulse\"\njwks = \"{}\"\n", publisher.url);
    let home = Home::new(&format!("[auth.jwt]\n{jwt}"));
    let server = home.start().await;
    let claims = json!({"exp": now_s() + 600, "role": "viewer", "iss": "https://id.example", "aud": ["pulse"]});
    let signed = |kid: &str, key: &Ed25519KeyPair| {
        token(&json!({"alg": "EdDSA", "kid": kid}), &claims, |text| key.sign(text).as_ref().to_vec())
    };
    let taken = async |token: &str| server.api.with_token(token).get("/api/v1/me").await.status == 200;
    let first = signed("old", &old);
    until("the first keys are there", async || taken(&first).await.then_some(())).await;

    let before = publisher.asked.load(Ordering::SeqCst);
    for number in 0..40 {
        assert!(!taken(&signed(&format!("made-up-{number}"), &new)).await);
    }
    let asked = publisher.asked.load(Ordering::SeqCst) - before;
    assert!(asked <= 2, "made-up names asked for the keys {asked} times");

    *publisher.set.lock() = published("new", &new);
    let second = signed("new", &new);
    until("the newer key is known", async || taken(&second).await.then_some(())).await;
    assert!(!taken(&first).await, "what is not published any more is not good any more");
    assert!(!taken(&signed("new", &old)).await, "nor is an old key by the new name");
}
