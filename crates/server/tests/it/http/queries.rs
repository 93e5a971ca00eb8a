//! Queries once and live: formats, parameters, zones, what EXPLAIN says, channels of one's own.

use std::io::Cursor;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use serde_json::{Value, json};

use super::{TOTALS, server};
use crate::support::api::read;
use crate::support::cli::pulseboard;
use crate::support::compare::held;
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};
use crate::support::until::until;

#[tokio::test]
async fn now_is_the_clock_of_the_position_in_whole_seconds() {
    let (_home, server, position) = server().await;
    let clock: i64 = position.rsplit(':').next().unwrap().parse().unwrap();
    let rows = server.api.query_at("SELECT now(), current_timestamp", &position).await["rows"].clone();
    assert_eq!(rows, json!([[clock / 1_000_000 * 1_000_000, clock / 1_000_000 * 1_000_000]]));
}

#[tokio::test]
async fn a_query_is_answered_as_csv_or_arrow_by_accept() {
    let (_home, server, _) = server().await;
    let ask = async |accept: &str| {
        let body = json!({"sql": "SELECT v, kind FROM events ORDER BY v"});
        read(server.api.request("POST", "/api/v1/query").header("Accept", accept).json(&body)).await
    };
    let csv = ask("text/csv").await;
    assert_eq!((csv.status, csv.text()), (200, "v,kind\n1,a\n2,\"b,\"\"c\"\"\"\n".to_owned()));
    assert!(csv.header("content-type").starts_with("text/csv"));
    let nested = json!({"sql": "SELECT v, make_array(v, v + 1) AS list, named_struct('k', kind) AS object FROM events WHERE v = 1"});
    let nested = read(server.api.request("POST", "/api/v1/query").header("Accept", "text/csv").json(&nested)).await;
    assert_eq!(
        (nested.status, nested.text()),
        (200, "v,list,object\n1,\"[1,2]\",\"{\"\"k\"\":\"\"a\"\"}\"\n".to_owned())
    );
    let arrow = ask("application/vnd.apache.arrow.stream").await;
    assert_eq!(arrow.header("content-type"), "application/vnd.apache.arrow.stream");
    let reader = StreamReader::try_new(Cursor::new(arrow.body.to_vec()), None).unwrap();
    let values = reader.flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec());
    assert_eq!(values.collect::<Vec<_>>(), [1, 2]);
    for answer in [&csv, &arrow, &ask("application/json").await] {
        let position = answer.header("x-pulseboard-position");
        assert_eq!(server.api.query_at("SELECT count(*) FROM events", position).await["rows"], json!([[2]]));
    }
}

#[tokio::test]
async fn parameters_and_zones_belong_to_the_question() {
    let (_home, server, _) = server().await;
    let ask = async |body| server.api.post("/api/v1/query", &body).await.ok()["rows"].clone();
    let sql = "SELECT v FROM events WHERE kind = $kind AND v >= $v";
    assert_eq!(ask(json!({"sql": sql, "params": {"kind": "a", "v": 1}})).await, json!([[1]]));
    assert_eq!(ask(json!({"sql": sql, "params": {"$kind": "a", "v": 2}})).await, json!([]));
    server.api.accepted("timed", &json!({"time": "2024-03-31T00:30:00Z"})).await;
    server.api.settle().await;
    let sql = "SELECT date_trunc('day', time) AS day, count(*) AS n FROM timed GROUP BY 1";
    // Midnight of 31 March: in UTC, and an hour earlier in Berlin, where the event is of that day, too.
    let midnight = 1_711_843_200_000_000_i64;
    assert_eq!(ask(json!({"sql": sql, "timezone": "UTC"})).await, json!([[midnight, 1]]));
    assert_eq!(ask(json!({"sql": sql, "timezone": "Europe/Berlin"})).await, json!([[midnight - 3_600_000_000, 1]]));
}

#[tokio::test]
async fn a_calendar_window_is_a_local_day_live_and_in_batch() {
    let sql = "SELECT count(*) AS n FROM events WHERE time >= date_trunc('day', now())";
    let zones = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Kiritimati", "America/St_Johns"];
    let views =
        zones.iter().enumerate().map(|(n, zone)| format!("[views.v{n}]\ntimezone = \"{zone}\"\nsql = \"{sql}\"\n"));
    let home = Home::new(&views.collect::<String>());
    let server = home.start().await;
    let now = server.api.get("/health/ready").await.ok()["position"].as_str().unwrap().to_owned();
    let now_s = now.rsplit(':').next().unwrap().parse::<i64>().unwrap() / 1_000_000;
    // One event each quarter of an hour of the last two days.
    let events: Vec<_> = (0..192).map(|n| json!({"time": now_s - n * 900})).collect();
    let position = server.api.accepted("events", &events.into()).await;
    let mut counts = Vec::new();
    for (n, zone) in zones.iter().enumerate() {
        let view = server.api.live_view(&format!("v{n}"), &position).await;
        let at = view["position"].as_str().unwrap();
        let body = json!({"sql": sql, "timezone": zone, "at": at});
        assert_eq!(server.api.post("/api/v1/query", &body).await.ok()["rows"], view["rows"], "{zone} at {at}");
        let count = view["rows"][0][0].as_i64().unwrap();
        assert!((1..=101).contains(&count), "{zone}: a day has at most 25 hours, this one {count} quarters");
        counts.push(count);
    }
    assert!(counts.iter().any(|count| *count != counts[0]), "the zones' days begin at other times: {counts:?}");
    // Asked in another zone than its own, it is another view.
    let kiritimati = server.api.get("/api/v1/views/v0?timezone=Pacific/Kiritimati&min_position=").await;
    kiritimati.refused(400, "bad_position");
    until("the view in another zone is live", async || {
        let view = server.api.get("/api/v1/views/v0?timezone=Pacific/Kiritimati").await.ok();
        (view["state"]["status"] == "live").then(|| assert_eq!(view["rows"], json!([[counts[3]]])))
    })
    .await;
}

#[tokio::test]
async fn explain_says_how_a_query_is_answered() {
    let (_home, server, _) = server().await;
    let explain = async |sql: &str| server.api.post("/api/v1/explain", &json!({ "sql": sql })).await.ok();
    server.api.accepted("events", &json!([{"v": 3}, {"v": 4}])).await;
    server.api.settle().await;
    let maintained = explain(TOTALS).await;
    assert_eq!((&maintained["mode"], &maintained["streams"]), (&json!("maintained"), &json!(["events"])));
    assert!(maintained["running"]["events"].as_u64().is_some_and(|events| events >= 2), "{maintained}");
    let rerun = explain("SELECT a.v FROM events a JOIN events b ON a.v = b.v").await;
    assert_eq!(rerun["mode"], "rerun", "{rerun}");
    assert!(!rerun["reasons"].as_array().unwrap().is_empty(), "{rerun}");
    let divided = explain("SELECT sum(v) / count(*) AS mean FROM events").await;
    assert!(divided["warnings"].to_string().contains("divides integers"), "{divided}");
}

#[tokio::test]
async fn an_ad_hoc_query_has_a_channel_that_survives_a_restart() {
    let (home, server, _) = server().await;
    let sql = "SELECT max(v) AS highest FROM events";
    let register = async |server: &Server, sql: &str| {
        let answer = server.api.post("/api/v1/live/queries", &json!({ "sql": sql })).await.ok();
        answer["channel"].as_str().unwrap().to_owned()
    };
    let channel = register(&server, sql).await;
    assert!(channel.starts_with("sql:"), "{channel}");
    assert_eq!(register(&server, &format!("  {} ;", sql.replace(' ', "\n"))).await, channel, "white space is nothing");
    server.kill().await;
    let server = home.start().await;
    let mut follower = Follower::new([channel.as_str()]);
    let mut connection = follower.connect(server.address, Transport::Sse).await.expect("connected");
    follower.take_until(&mut connection, |follower| follower.is_live(&channel)).await.expect("connected");
    assert_eq!(held(follower.channel(&channel)), ["[2]"]);
}

#[tokio::test]
async fn a_time_is_the_last_step_at_or_before_it() {
    let (home, server, position) = server().await;
    let clock: i64 = position.rsplit(':').next().unwrap().parse().unwrap();
    let sql = "SELECT count(*) AS n, now() AS clock FROM events";
    let then = server.api.query_at(sql, &position).await;
    server.api.accepted("events", &json!({"v": 3, "kind": "later"})).await;
    server.api.settle().await;
    let at_clock = server.api.query_at(sql, &clock.to_string()).await;
    assert_eq!((&at_clock["position"], &at_clock["rows"]), (&then["position"], &then["rows"]));
    // A number, too; and a time without a zone is of the query's: an hour after it in London is before it in Tokyo.
    let ask = async |body: Value| server.api.post("/api/v1/query", &body).await;
    let number = ask(json!({"sql": sql, "at": clock})).await.ok();
    assert_eq!((&number["position"], &number["rows"]), (&then["position"], &then["rows"]));
    let hence = "SELECT to_char(now() + interval '1 hour', '%Y-%m-%dT%H:%M:%S') AS t";
    let naive = server.api.query_at(hence, &position).await["rows"][0][0].as_str().unwrap().to_owned();
    ask(json!({"sql": sql, "at": naive, "timezone": "UTC"})).await.refused(409, "ahead");
    let earlier = ask(json!({"sql": sql, "at": naive, "timezone": "Asia/Tokyo"})).await.refused(400, "bad_position");
    assert!(earlier.message.contains("before"), "{earlier:?}");
    ask(json!({"sql": sql, "at": [clock]})).await.refused(400, "bad_request");
    // Just before the first event was there, the log had none.
    let before = json!({"sql": sql, "at": (clock - 86_400_000_000).to_string()});
    assert!(server.api.post("/api/v1/query", &before).await.refused(400, "bad_position").message.contains("before"));
    let future = json!({"sql": sql, "at": "2199-01-01T00:00:00Z"});
    assert!(server.api.post("/api/v1/query", &future).await.refused(409, "ahead").message.contains("future"));
    let nonsense = json!({"sql": sql, "at": "yesterday"});
    server.api.post("/api/v1/query", &nonsense).await.refused(400, "bad_position");
    // The same on views, and on the command line, with and without a server.
    let view = server.api.get(&format!("/api/v1/views/totals?at={clock}")).await.ok();
    assert_eq!(view["position"], then["position"]);
    let (dir, text) = (home.data_dir().display().to_string(), clock.to_string());
    let args =
        ["query", "SELECT count(*) AS n FROM events", "--at", &text, "--format", "csv", "--data-dir", dir.as_str()];
    assert_eq!(pulseboard(args).await.ok().trim().lines().last(), Some("2"));
    server.stop().await;
    assert_eq!(pulseboard(args).await.ok().trim().lines().last(), Some("2"));
}
