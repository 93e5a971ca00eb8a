//! TLS by the server itself: HTTPS and WebSocket over it, certificates that change under open connections, files that are not
//! right, and whoever holds a handshake up.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::cli::{finish, pulseboard};
use crate::support::server::{BINARY, Home, Server};
use crate::support::tls::{Identity, PUBLIC};
use crate::support::until::{until, within};

const CONFIG: &str = "[server]\nallowed_origins = [\"https://board.example\"]
[tls]\ncert = \"cert.pem\"\nkey = \"file:key.pem\"
[views.totals]\nsql = \"SELECT count(*) AS n FROM events\"\n";

/// A home whose server speaks TLS.
fn home(more: &str) -> (Home, Identity) {
    let (home, identity) = (Home::new(&format!("{CONFIG}{more}")), Identity::new());
    identity.write(home.file("").as_path());
    (home, identity)
}

/// Sends events; gives the position that includes them.
async fn send(client: &reqwest_tls::Client, url: &str, events: &Value) -> String {
    let request = client.post(format!("{url}/api/v1/streams/events/events")).body(events.to_string());
    let answer = within("an answer", request.send()).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["position"].as_str().unwrap_or_else(|| panic!("it was refused: {answer}")).to_owned()
}

async fn text(client: &reqwest_tls::Client, url: &str) -> String {
    within("an answer", client.get(url).send()).await.unwrap().text().await.unwrap()
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn next(socket: &mut Socket) -> Value {
    loop {
        match within("the next message", socket.next()).await.expect("it goes on").expect("it is whole") {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(close) => panic!("it was closed: {close:?}"),
            _ => {}
        }
    }
}

/// A WebSocket that follows the view.
async fn follow(server: &Server, identity: &Identity) -> Socket {
    let stream = within("a connection", identity.connect(server.address)).await.unwrap();
    let (mut socket, _answer) = client_async("wss://localhost/api/v1/live", stream).await.unwrap();
    let wish = json!({"type": "subscribe", "channel": "view:totals"}).to_string();
    socket.send(Message::text(wish)).await.unwrap();
    assert_eq!(next(&mut socket).await["type"], "subscribed");
    socket
}

/// Reads until the view counts `n`.
async fn counts(socket: &mut Socket, n: u64) {
    loop {
        let frame = next(socket).await;
        let change = &frame["changes"][0];
        let of_delta = change["delta"]["set"].as_object().and_then(|set| set.values().next()).map(|row| &row["n"]);
        if change["snapshot"]["rows"][0][0] == n || of_delta.is_some_and(|count| *count == n) {
            return;
        }
    }
}

#[tokio::test]
async fn every_transport_works_over_tls_and_browsers_are_kept_to_it() {
    let (home, identity) = home("");
    let server = home.start().await;
    assert!(server.api.url.starts_with("https://127.0.0.1:"), "{}", server.api.url);
    let (client, url) = (identity.client(server.address), &server.api.url);
    send(&client, url, &json!([{"n": 1}, {"n": 2}])).await;
    let mut socket = follow(&server, &identity).await;
    counts(&mut socket, 2).await;
    send(&client, url, &json!({"n": 3})).await;
    counts(&mut socket, 3).await;
    let events = client.get(format!("{url}/api/v1/live/sse?channel=view:totals")).send().await.unwrap();
    let mut events = Box::pin(events.bytes_stream());
    let mut read = String::new();
    while !read.contains("event: init") || !read.contains("[[3]]") {
        let chunk = within("the first frame", events.next()).await.unwrap().unwrap();
        read.push_str(&String::from_utf8_lossy(&chunk));
    }
    // A body that does not fit into what TLS holds back.
    let many: Value = (0..20_000).map(|n| json!({"n": n, "text": "x".repeat(80)})).collect();
    let position = send(&client, url, &many).await;
    let query = json!({"sql": "SELECT n, text FROM events LIMIT 20000", "min_position": position}).to_string();
    let request = client.post(format!("{url}/api/v1/query")).header("content-type", "application/json").body(query);
    let answer = within("a large answer", request.send()).await.unwrap().text().await.unwrap();
    let rows: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(20_000));

    // Under its public name a browser is told to keep to TLS; under this machine's it would keep to it on every port.
    let port = server.address.port();
    let header = async |url: String| {
        let answer = client.get(url).send().await.unwrap();
        answer.headers().get("strict-transport-security").map(|value| value.to_str().unwrap().to_owned())
    };
    let public = header(format!("https://{PUBLIC}:{port}/health/live")).await;
    assert_eq!(public.as_deref(), Some("max-age=15552000"));
    assert_eq!(header(format!("https://localhost:{port}/health/live")).await, None);
    server.stop().await;
}

#[tokio::test]
async fn whoever_asks_without_tls_is_told_so_and_nonsense_is_hung_up_on() {
    let (home, identity) = home("");
    let server = home.start().await;
    let answer = reqwest::get(format!("http://{}/api/v1/views", server.address)).await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "bad_request", "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains("https://"), "{body}");
    for nonsense in [&[0_u8; 64][..], &[0x16, 3, 1, 0xff, 0xff, 9, 9, 9], b"\x16GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        let mut answer = Vec::new();
        // An alert of TLS at most, or a reset.
        drop(within("the end", stream.read_to_end(&mut answer)).await);
        assert!(answer.len() < 16, "{answer:?}");
    }
    let stranger = Identity::new();
    assert!(stranger.connect(server.address).await.is_err(), "another certificate is not this one");
    let metrics = text(&identity.client(server.address), &format!("{}/metrics", server.api.url)).await;
    assert!(metrics.contains("pulseboard_tls_refused_total{reason=\"plain\"} 1"), "{metrics}");
    server.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_who_comes_and_a_bad_file_changes_nothing() {
    let (home, first) = home("");
    let server = home.start().await;
    let url = server.api.url.clone();
    send(&first.client(server.address), &url, &json!({"n": 1})).await;
    let mut socket = follow(&server, &first).await;
    counts(&mut socket, 1).await;

    let second = Identity::new();
    // As certbot does it: beside, and renamed over. Between the two the files do not belong together.
    let put = |name: &str, text: &str| {
        std::fs::write(home.file("beside"), text).unwrap();
        std::fs::rename(home.file("beside"), home.file(name)).unwrap();
    };
    put("cert.pem", &second.certificate);
    let problems = async |identity: &Identity| {
        let ready = text(&identity.client(server.address), &format!("{url}/health/ready")).await;
        serde_json::from_str::<Value>(&ready).unwrap()["problems"].clone()
    };
    let told = until("that they do not belong together is told", async || {
        let told = problems(&first).await;
        told[0].as_str().map(str::to_owned)
    })
    .await;
    assert!(told.starts_with("pulseboard.toml: tls.key: ") && told.contains("not the key"), "{told}");
    put("key.pem", &second.key);
    until("the new certificate is shown", async || second.connect(server.address).await.ok()).await;
    assert!(first.connect(server.address).await.is_err(), "and the old one is not");
    assert_eq!(problems(&second).await, json!([]));

    // Whoever came before goes on; commands find the new one.
    send(&second.client(server.address), &url, &json!({"n": 2})).await;
    counts(&mut socket, 2).await;
    let data_dir = home.data_dir().display().to_string();
    let count = ["query", "SELECT count(*) AS n FROM events", "--format", "csv", "--data-dir", &data_dir];
    assert_eq!(pulseboard(count).await.ok(), "n\n2\n");

    for (name, bad, expected) in [
        ("cert.pem", "nothing", "tls.cert: "),
        ("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "tls.cert: "),
        ("key.pem", "-----BEGIN PRIVATE KEY-----\n!!\n", "tls.key: "),
    ] {
        let good = std::fs::read_to_string(home.file(name)).unwrap();
        put(name, bad);
        let told = until("the bad file is told", async || problems(&second).await[0].as_str().map(str::to_owned)).await;
        assert!(told.contains(expected) && !told.contains("//") && !told.contains("/tmp"), "{told}");
        put(name, &good);
        until("it is mended", async || (problems(&second).await == json!([])).then_some(())).await;
    }
    send(&second.client(server.address), &url, &json!({"n": 3})).await;
    counts(&mut socket, 3).await;
    let log = home.log();
    assert!(log.contains("the certificate's files are not right; the last one stays"), "{log}");
    assert!(!log.contains(first.key.lines().nth(1).unwrap()), "no key is in the log");
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_one_clear_line_before_anything_starts() {
    let (home, identity) = home("");
    let other = Identity::new();
    let encrypted = identity.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let config = home.file("pulseboard.toml");
    for (certificate, key, expected) in [
        (None, Some(&*identity.key), ["tls.cert: ", "cannot be read: No such file"]),
        (Some(&*identity.certificate), None, ["tls.key: ", "cannot be read: No such file"]),
        (Some(&*identity.key), Some(&*identity.key), ["tls.cert: ", "holds no certificate"]),
        (Some(&*identity.certificate), Some(&*identity.certificate), ["tls.key: ", "holds no key"]),
        (Some(&*identity.certificate), Some(&*encrypted), ["tls.key: ", "without a passphrase"]),
        (Some(&*identity.certificate), Some(&*other.key), ["tls.key: ", "is not the key of this certificate"]),
        (Some("-----BEGIN CERTIFICATE-----\n"), Some(&*identity.key), ["tls.cert: ", "is not a whole PEM file"]),
    ] {
        for (name, text) in [("cert.pem", certificate), ("key.pem", key)] {
            match text {
                Some(text) => std::fs::write(home.file(name), text).unwrap(),
                None => std::fs::remove_file(home.file(name)).unwrap(),
            }
        }
        let checked = pulseboard(["check".as_ref(), config.as_os_str()]).await.failed(2);
        let served = finish(home.serve_command()).await.failed(2);
        for lines in [checked, served] {
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(expected.iter().all(|part| lines[0].contains(part)), "{expected:?}: {lines:?}");
            assert!(!identity.key.lines().any(|line| line.len() > 40 && lines[0].contains(line)), "{lines:?}");
        }
    }
    for name in ["cert.pem", "key.pem"] {
        std::fs::remove_file(home.file(name)).unwrap();
    }
    let lines = pulseboard(["check".as_ref(), config.as_os_str()]).await.failed(2);
    let named = |key: &str| lines.iter().filter(|line| line.contains(key)).count();
    assert_eq!((lines.len(), named("tls.cert: "), named("tls.key: ")), (2, 1, 1), "both at once: {lines:?}");
    assert!(!home.data_dir().exists(), "nothing was made");
    identity.write(home.file("").as_path());
    pulseboard(["check".as_ref(), config.as_os_str()]).await.ok();
    std::fs::write(&config, "[tls]\ncert = 1\nkey = \"-----BEGIN PRIVATE KEY-----\"\nhsts = \"9999d\"\nport = 2\n")
        .unwrap();
    let lines = pulseboard(["check".as_ref(), config.as_os_str()]).await.failed(2);
    for expected in [
        "tls.cert: must be the name",
        "tls.key: must be the name",
        "tls.hsts: must be at most",
        "tls.port: unknown key",
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
    }
}

#[tokio::test]
async fn handshakes_that_do_not_end_are_let_go_and_count_meanwhile() {
    let (home, identity) = home("[limits.requests]\nhandshake = \"3s\"\n");
    let server = home.start().await;
    let (client, metrics) = (identity.client(server.address), format!("{}/metrics", server.api.url));
    let figure = async |name: &str| {
        let metrics = text(&client, &metrics).await;
        metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    let mut held = Vec::new();
    for n in 0..60 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // Nothing; the beginning of a hello; one that never stops coming.
        let said: &[u8] = if n % 3 == 0 { b"" } else { &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3] };
        stream.write_all(said).await.unwrap();
        held.push((stream, n % 3 == 2));
    }
    until("they count", async || (figure("pulseboard_sockets ").await > 60).then_some(())).await;
    // Others are served meanwhile.
    send(&client, &server.api.url, &json!({"n": 1})).await;
    let ends = held.into_iter().map(|(stream, trickles)| async move {
        let (mut from, mut to) = stream.into_split();
        let mut answer = Vec::new();
        let trickle = async {
            while trickles && to.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ended = within("the end of a handshake", from.read_to_end(&mut answer)) => {}
            () = trickle => {}
        }
        assert!(answer.is_empty(), "{answer:?}");
    });
    futures::future::join_all(ends).await;
    assert_eq!(figure("pulseboard_sockets_reaped_total{reason=\"handshake\"} ").await, 60);
    until("their places are free", async || (figure("pulseboard_sockets ").await < 10).then_some(())).await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_ends_in_time_although_handshakes_are_open() {
    let (home, identity) = home("");
    let server = home.start().await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let mut socket = follow(&server, &identity).await;
    server.terminate();
    let closed = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(Some(close)))) => return u16::from(close.code),
                Some(Ok(_)) => {}
                other => panic!("it ended without a code: {other:?}"),
            }
        }
    };
    assert_eq!(within("the farewell", closed).await, 4_000);
    assert!(server.ended(Duration::from_secs(15)).await.success());
}

#[tokio::test]
async fn commands_know_their_server_by_its_certificate_and_trust_no_other() {
    let (home, _identity) = home("");
    let token = home.new_token(&["--role", "admin"]).await;
    let server = home.start().await;
    let data_dir = home.data_dir().display().to_string();
    let file = home.file("events.ndjson");
    std::fs::write(&file, "{\"n\":1}\n{\"n\":2}\n").unwrap();
    pulseboard(["ingest", "events", file.to_str().unwrap(), "--data-dir", &data_dir]).await.ok();
    let sql = "SELECT count(*) AS n FROM events";
    let asked = ["query", sql, "--format", "csv", "--data-dir", &data_dir];
    until("the events are counted", async || (pulseboard(asked).await.ok() == "n\n2\n").then_some(())).await;
    assert_eq!(home.token(&["list", "--format", "json"]).await.ok().lines().count(), 1);

    // By its URL it is anybody's server: its certificate must be trusted.
    let named = format!("https://localhost:{}", server.address.port());
    let by_url = async |trusted: bool| {
        let mut command = Command::new(BINARY);
        command.args(["query", sql, "--format", "csv", "--url", &named]).env("PULSEBOARD_TOKEN", &token);
        if trusted {
            command.env("SSL_CERT_FILE", home.file("cert.pem"));
        }
        finish(command).await
    };
    assert_eq!(by_url(true).await.ok(), "n\n2\n");
    let lines = by_url(false).await.failed(1);
    assert!(lines.len() == 1 && lines[0].contains("SSL_CERT_FILE"), "{lines:?}");

    // Somebody else on the port is not sent the key.
    std::fs::write(home.data_dir().join("command-line-certificate"), "00\n").unwrap();
    let lines = pulseboard(asked).await.failed(1);
    assert!(lines[0].contains("not the one that the data directory names"), "{lines:?}");
    server.stop().await;

    // Without TLS nothing is left of it.
    std::fs::write(home.file("pulseboard.toml"), "").unwrap();
    let server = home.start().await;
    assert!(server.api.url.starts_with("http://"));
    assert_eq!(pulseboard(asked).await.ok(), "n\n2\n");
    server.stop().await;
}
