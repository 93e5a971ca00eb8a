//! Logins of browsers: a cookie for the server's own pages alone, which ends with its user and all that is open by it.

use serde_json::{Value, json};

use crate::support::api::read;
use crate::support::browser::{Browser, try_password};
use crate::support::connection::Events;
use crate::support::server::{Home, Server};
use crate::support::until::{until, within};

const CONFIG: &str = "boards = \"boards\"\n[views.orders_now]\nsql = \"SELECT count(*) AS n FROM orders\"\n";
const BOARD: &str = "title = \"Desk\"\n[[panels]]\nid = \"n\"\ntype = \"stat\"\nview = \"orders_now\"\n";
const PASSWORD: &str = "correct horse battery";

/// A server with a view, a board, and a user of each role.
async fn server() -> (Home, Server) {
    let home = Home::new(CONFIG);
    std::fs::create_dir(home.file("boards")).unwrap();
    std::fs::write(home.file("boards/desk.toml"), BOARD).unwrap();
    for role in ["viewer", "editor", "admin"] {
        home.user(&["add", role, "--role", role], Some(PASSWORD)).await.ok();
    }
    let server = home.start().await;
    (home, server)
}

async fn count(browser: &Browser) -> Value {
    browser.get("/api/v1/views/orders_now?wait=0s").await.ok()["rows"][0][0].clone()
}

#[tokio::test]
async fn a_login_has_the_rights_of_its_user_until_the_logout() {
    let (_home, server) = server().await;
    server.api.get("/api/v1/session").await.refused(401, "unauthorized");
    for (user, password) in [("viewer", "correct horse batterx"), ("nobody", PASSWORD), ("", ""), ("a b", PASSWORD)] {
        let refusal = try_password(&server.api, user, password).await.refused(401, "unauthorized");
        assert_eq!(refusal.message, "the user or the password is wrong", "{user}: nobody learns which");
    }
    let viewer = Browser::log_in(&server, "viewer", PASSWORD).await;
    let name = format!("pulseboard_session_{}=", server.address.port());
    assert!(viewer.given.starts_with(&name), "{}", viewer.given);
    assert!(viewer.given.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800"), "{}", viewer.given);
    let me = viewer.get("/api/v1/session").await.ok();
    let expected = json!({"id": "user:viewer", "name": "viewer", "role": "viewer", "channels": ["*"], "login": true,
        "share": null, "expires": me["expires"]});
    assert_eq!(me, expected);
    viewer.get("/api/v1/views/orders_now").await.ok();
    viewer.send("PUT", "/api/v1/boards/new", &json!({})).await.refused(403, "forbidden");
    viewer.get("/api/v1/users").await.refused(403, "forbidden");

    let editor = Browser::log_in(&server, "editor", PASSWORD).await;
    let board = json!({"title": "New", "panels": []});
    let saved = editor.send("PUT", "/api/v1/boards/new", &board).await;
    assert_eq!(saved.status, 201, "{}", saved.text());
    let admin = Browser::log_in(&server, "admin", PASSWORD).await;
    assert_eq!(admin.get("/api/v1/users").await.ok()["users"].as_array().map(Vec::len), Some(3));
    editor.send("DELETE", "/api/v1/boards/new", &json!({})).await;
    let audit = admin.get("/api/v1/audit?limit=2").await.ok();
    let what = |entry: &Value| format!("{} {} {}", entry["who"], entry["action"], entry["what"]).replace('"', "");
    let entries: Vec<_> = audit["entries"].as_array().unwrap().iter().map(what).collect();
    assert_eq!(entries, ["user editor board_removed new", "user editor board_saved new"]);

    // Whoever shows a token is held to it: what the browser sends along by itself counts for nothing then.
    let forged = read(admin.request("GET", "/api/v1/users").bearer_auth("pb_a_b")).await;
    forged.refused(401, "unauthorized");
    let other = Browser::log_in(&server, "viewer", PASSWORD).await;
    let mut socket = viewer.socket().await;
    socket.follow("view:orders_now").await.unwrap();
    let left = viewer.send("DELETE", "/api/v1/session", &json!({})).await;
    assert!(left.status == 204 && left.header("set-cookie").contains("Max-Age=0"), "{left:?}");
    assert_eq!(socket.close_code().await, 4_503, "what is open by a login goes with it");
    viewer.get("/api/v1/session").await.refused(401, "unauthorized");
    other.get("/api/v1/session").await.ok();
    assert_eq!(viewer.send("DELETE", "/api/v1/session", &json!({})).await.status, 204, "once more is no error");
    // Over TLS the cookie is for TLS alone; a proxy says by `Host` whom the browser asked.
    let request =
        server.api.request("POST", "/api/v1/session").header("host", "localhost").header("origin", "https://localhost");
    let given = read(request.json(&json!({"user": "viewer", "password": PASSWORD}))).await;
    let given = given.header("set-cookie").to_owned();
    assert!(given.starts_with("__Host-pulseboard_session_") && given.ends_with("; Secure"), "{given}");
}

#[tokio::test]
async fn a_login_is_good_for_the_servers_own_pages_alone() {
    let (_home, server) = server().await;
    let admin = Browser::log_in(&server, "admin", PASSWORD).await;
    admin.send("POST", "/api/v1/streams/orders/events", &json!({"total": 1})).await.ok();
    until("the first order is counted", async || (count(&admin).await == 1).then_some(())).await;
    // To a browser every port of this machine is the same site, so that the cookie comes along.
    let (own, port) = (server.api.url.clone(), server.address.port());
    let others = [
        Some(format!("http://127.0.0.1:{}", port.wrapping_add(1))),
        Some(format!("http://localhost:{port}")),
        Some(format!("{own}.evil.example")),
        Some("https://evil.example".to_owned()),
        Some("null".to_owned()),
        None,
    ];
    for origin in &others {
        let from = |request: reqwest::RequestBuilder| match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        for (method, path, body) in [
            ("POST", "/api/v1/streams/orders/events", json!({"total": 7})),
            ("POST", "/api/v1/query", json!({"sql": "SELECT 1"})),
            ("PUT", "/api/v1/boards/evil", json!({"title": "E", "panels": []})),
            ("PUT", "/api/v1/users/eve", json!({"password": PASSWORD, "role": "admin"})),
            ("POST", "/api/v1/tokens", json!({"role": "admin"})),
            ("POST", "/api/v1/tickets", json!({})),
            ("POST", "/socket.io/?EIO=4&transport=polling", json!({})),
            ("DELETE", "/api/v1/boards/desk", json!({})),
            ("DELETE", "/api/v1/session", json!({})),
        ] {
            let answer = read(from(admin.bare(method, path)).json(&body)).await;
            assert_eq!((answer.status, answer.refusal().code.as_str()), (403, "forbidden_origin"), "{origin:?} {path}");
        }
        // As a form sends it.
        let form = from(admin.bare("POST", "/api/v1/streams/orders/events")).header("content-type", "text/plain");
        read(form.body("{\"total\":7}")).await.refused(403, "forbidden_origin");
        assert!(admin.socket_from(origin.as_deref()).await.is_err(), "{origin:?}: a socket always names its page");
        if origin.is_some() {
            for path in [
                "/api/v1/views/orders_now",
                "/api/v1/live/sse?channel=view:orders_now",
                "/api/v1/live/poll?channel=view:orders_now",
                "/socket.io/?EIO=4&transport=polling",
            ] {
                read(from(admin.bare("GET", path))).await.refused(403, "forbidden_origin");
            }
        }
    }
    // A picture or script of another page names no origin, but browsers say that it is one.
    for site in ["same-site", "cross-site"] {
        read(admin.bare("GET", "/api/v1/tokens").header("sec-fetch-site", site)).await.refused(403, "forbidden_origin");
    }
    // Nor does another page log anybody in, as whoever it likes.
    let login = json!({"user": "viewer", "password": PASSWORD});
    let forged = server.api.request("POST", "/api/v1/session").header("origin", "http://127.0.0.1:1").json(&login);
    read(forged).await.refused(403, "forbidden_origin");

    assert_eq!(count(&admin).await, 1, "nothing was written");
    assert_eq!(admin.get("/api/v1/users").await.ok()["users"].as_array().map(Vec::len), Some(3));
    assert_eq!(admin.get("/api/v1/tokens").await.ok()["tokens"], json!([]));
    assert_eq!(admin.get("/api/v1/boards").await.ok()["boards"].as_array().map(Vec::len), Some(1));
    let mut socket = admin.socket().await;
    socket.follow("view:orders_now").await.unwrap();
    // No answer may be read by another page.
    let answer = read(admin.request("GET", "/api/v1/session")).await;
    assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{answer:?}");
}

#[tokio::test]
async fn whoever_is_logged_in_chooses_another_password_and_stays() {
    const OTHER: &str = "staple of another kind";
    let (home, server) = server().await;
    let (here, elsewhere) =
        (Browser::log_in(&server, "viewer", PASSWORD).await, Browser::log_in(&server, "viewer", PASSWORD).await);
    let mut sockets = [here.socket().await, elsewhere.socket().await];
    for socket in &mut sockets {
        socket.follow("view:orders_now").await.unwrap();
    }
    let path = "/api/v1/session/password";
    let wish = |password: &str, new: &str| json!({"password": password, "new_password": new});
    let refusal = here.send("PUT", path, &wish("not the password", OTHER)).await.refused(403, "forbidden");
    assert_eq!(refusal.message, "the current password is another one");
    let refusal = here.send("PUT", path, &wish(PASSWORD, "short")).await.refused(400, "bad_request");
    assert!(refusal.message.contains("at least 10 characters"), "{refusal:?}");
    let forged = here.bare("PUT", path).header("origin", "http://127.0.0.1:1").json(&wish(PASSWORD, OTHER));
    read(forged).await.refused(403, "forbidden_origin");
    let token = server.api.with_token(&home.new_token(&["--role", "admin"]).await);
    let refusal = read(token.request("PUT", path).json(&wish(PASSWORD, OTHER))).await.refused(400, "bad_request");
    assert!(refusal.message.contains("only who logged in"), "{refusal:?}");
    elsewhere.get("/api/v1/session").await.ok();

    let changed = here.send("PUT", path, &wish(PASSWORD, OTHER)).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    let [own, other] = &mut sockets;
    assert_eq!(other.close_code().await, 4_503, "what is open by the other login goes");
    own.send(&json!({"type": "ping"})).await.unwrap();
    assert_eq!(own.next().await.unwrap()["type"], "pong", "this one stays");
    elsewhere.get("/api/v1/session").await.refused(401, "unauthorized");
    try_password(&server.api, "viewer", PASSWORD).await.refused(401, "unauthorized");
    let admin = Browser::log_in(&server, "admin", PASSWORD).await;
    let entry = admin.get("/api/v1/audit?limit=1").await.ok()["entries"][0].clone();
    assert_eq!((&entry["who"], &entry["action"]), (&json!("user viewer"), &json!("user_saved")), "{entry}");
    let address = server.address.to_string();
    server.stop().await;

    let server = home.start_at(&address).await;
    let me = here.get("/api/v1/session").await.ok();
    assert_eq!((&me["role"], &me["channels"]), (&json!("viewer"), &json!(["*"])), "over a restart, too: {me}");
    Browser::log_in(&server, "viewer", OTHER).await;
    assert!(!home.log().contains(OTHER), "no password is in the log");
}

#[tokio::test]
async fn whatever_changes_a_user_ends_their_logins_and_all_that_is_open_by_them() {
    let (home, server) = server().await;
    let admin = Browser::log_in(&server, "admin", PASSWORD).await;
    for change in ["password", "role", "remove"] {
        let gone = Browser::log_in(&server, "viewer", PASSWORD).await;
        let mut sockets = [gone.socket().await, admin.socket().await];
        for socket in &mut sockets {
            socket.follow("view:orders_now").await.unwrap();
        }
        let path = "/api/v1/live/sse?channel=view:orders_now";
        let mut events = Events::of(gone.bare("GET", path).send().await.unwrap());
        while events.next().await.unwrap().name != "init" {}
        let polled = gone.get("/api/v1/live/poll?channel=view:orders_now").await.ok();
        let path =
            format!("/api/v1/live/poll?channel=view:orders_now&wait=20s&since={}", polled["cursor"].as_str().unwrap());
        let poll = read(gone.bare("GET", &path));
        until("all are open", async || {
            let list = admin.get("/api/v1/connections").await.ok();
            (list["connections"].as_array().map_or(0, Vec::len) >= 3).then_some(())
        })
        .await;
        let changed = async {
            match change {
                "password" => home.user(&["change", "viewer"], Some("another good password")).await.ok(),
                "role" => home.user(&["change", "viewer", "--role", "editor"], Some(PASSWORD)).await.ok(),
                _ => home.user(&["remove", "viewer"], None).await.ok(),
            }
        };
        let (answer, _said) = within("the poll is answered", futures::future::join(poll, changed)).await;
        let [gone_socket, admin_socket] = &mut sockets;
        assert_eq!(gone_socket.close_code().await, 4_503, "{change}");
        let closed = loop {
            let event = events.next().await.unwrap();
            if event.name == "closed" {
                break event;
            }
        };
        assert!(closed.data.contains("token_revoked"), "{closed:?}");
        let code = answer.refusal().code;
        assert!(answer.status == 401 && ["token_revoked", "unauthorized"].contains(&code.as_str()), "{answer:?}");
        gone.get("/api/v1/session").await.refused(401, "unauthorized");
        admin_socket.send(&json!({"type": "ping"})).await.unwrap();
        assert_eq!(admin_socket.next().await.unwrap()["type"], "pong", "others stay");
        if change == "password" {
            home.user(&["change", "viewer"], Some(PASSWORD)).await.ok();
        }
    }
    try_password(&server.api, "viewer", PASSWORD).await.refused(401, "unauthorized");
    home.user(&["add", "viewer", "--role", "viewer"], Some(PASSWORD)).await.ok();
    Browser::log_in(&server, "viewer", PASSWORD).await;
}

#[tokio::test]
async fn a_login_outlives_a_restart_and_a_logout_does_too() {
    let (home, server) = server().await;
    let (stays, goes) =
        (Browser::log_in(&server, "viewer", PASSWORD).await, Browser::log_in(&server, "viewer", PASSWORD).await);
    assert_eq!(goes.send("DELETE", "/api/v1/session", &json!({})).await.status, 204);
    let port = server.address.port();
    server.kill().await;
    let server = home.start_at(&format!("127.0.0.1:{port}")).await;
    assert_eq!(server.api.url, stays.api.url, "the page is where it was");
    stays.get("/api/v1/session").await.ok();
    goes.get("/api/v1/session").await.refused(401, "unauthorized");
}

#[tokio::test]
async fn whoever_guesses_a_password_is_made_to_wait() {
    let (_home, server) = server().await;
    let tries = futures::future::join_all((0..8).map(|_| try_password(&server.api, "viewer", "not this one"))).await;
    let wrong = tries.iter().filter(|answer| answer.status == 401).count();
    // Two at a time are looked at, however many come at once.
    assert!((5..=6).contains(&wrong), "{wrong} were looked at");
    let answer = try_password(&server.api, "viewer", PASSWORD).await;
    answer.refused(429, "busy");
    assert!((1..=60).contains(&answer.header("retry-after").parse::<u32>().unwrap()), "{answer:?}");
    Browser::log_in(&server, "editor", PASSWORD).await;
}
