//! Logins by chance: bodies, cookies and origins that are right but for a little. Nobody is let in by what is not right.

use proptest::sample::select;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use super::{World, assert_documented, changed, changes, nearly};
use crate::support::api::{Answer, read};
use crate::support::browser::Browser;
use crate::support::server::Server;

const PASSWORD: &str = "correct horse battery";
const LOGINS: &[&str] = &[
    r#"{"user":"ann","password":"correct horse battery"}"#,
    r#"{"user":"ann","password":null}"#,
    r#"{"user":{"$ne":""},"password":"correct horse battery"}"#,
    r#"["ann","correct horse battery"]"#,
];

fn assert_refused_or_documented(answer: &Answer, sent: &dyn std::fmt::Debug) {
    match answer.status {
        401 => drop(answer.refused(401, "unauthorized")),
        _ => assert_documented(answer, sent),
    }
}

#[test]
fn only_the_right_password_logs_in() {
    let mut world = World::locked("ann", PASSWORD);
    world.check(60, nearly(LOGINS), &async |server: &Server, body: String| {
        let request = server.api.request("POST", "/api/v1/session").header("content-type", "application/json");
        let answer = read(request.body(body.clone())).await;
        assert_refused_or_documented(&answer, &body);
        if answer.status == 200 {
            let read: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((&read["user"], &read["password"]), (&json!("ann"), &json!(PASSWORD)), "{body}");
        }
    });
}

#[test]
fn only_the_whole_cookie_of_the_servers_own_page_is_a_login() {
    let mut world = World::locked("ann", PASSWORD);
    let browser = world.runtime.block_on(Browser::log_in(&world.server, "ann", PASSWORD));
    let case = (select(&["cookie", "origin"][..]), changes());
    world.check(250, case, &async |server: &Server, (what, changes)| {
        let (mut cookie, mut origin) = (browser.cookie.clone(), server.api.url.clone());
        match what {
            "cookie" => cookie = changed(&cookie, changes),
            _ => origin = changed(&origin, changes),
        }
        let values = (HeaderValue::from_str(&cookie), HeaderValue::from_str(&origin));
        let (Ok(cookie_value), Ok(origin_value)) = values else { return };
        let request = server.api.request("POST", "/api/v1/tickets").header("cookie", cookie_value);
        let answer = read(request.header("origin", origin_value)).await;
        let is_whole = cookie.split(';').any(|pair| pair.trim() == browser.cookie) && origin == server.api.url;
        match answer.status {
            201 => assert!(is_whole, "{cookie} of {origin} let somebody in"),
            _ => assert_refused_or_documented(&answer, &(cookie, origin)),
        }
    });
}
