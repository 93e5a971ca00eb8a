//! Range queries: charts in no more points than they have room for, and the channel on which they go on.

use serde_json::{Value, json};

use crate::support::compare::{held, lines, sorted};
use crate::support::connection::Transport;
use crate::support::follower::Follower;
use crate::support::server::{Home, Server};

const CHART: &str = "SELECT time_bucket($bucket, time) AS t, count(*) AS n, sum(v) AS total FROM events \
                     WHERE time >= $from AND time < $to GROUP BY time_bucket($bucket, time)";

/// A server with two days of an event each minute, and its clock in seconds.
async fn server() -> (Home, Server, i64) {
    let home = Home::new(&format!("[views.chart]\nsql = \"{CHART}\"\n"));
    let server = home.start().await;
    let now = server.api.get("/health/ready").await.ok()["position"].as_str().unwrap().to_owned();
    let now_s = now.rsplit(':').next().unwrap().parse::<i64>().unwrap() / 1_000_000;
    let events: Vec<Value> = (0..2_880).map(|n| json!({"time": now_s - n * 60, "v": n, "kind": "a"})).collect();
    server.api.accepted("events", &events.into()).await;
    server.api.settle().await;
    (home, server, now_s)
}

#[tokio::test]
async fn a_chart_ends_at_a_position_from_which_its_channel_goes_on() {
    let (_home, server, now_s) = server().await;
    let body = json!({"view": "chart", "from": now_s - 86_400, "points": 100});
    let range = server.api.post("/api/v1/range", &body).await.ok();
    assert_eq!(range["bucket"], "15 minutes", "{range}");
    assert_eq!(range["to"], Value::Null);
    let rows = range["rows"].as_array().unwrap();
    assert!((96..=97).contains(&rows.len()), "{}", rows.len());
    let counted: i64 = rows.iter().map(|row| row[1].as_i64().unwrap()).sum();
    assert_eq!(counted, 1_441, "a day of minutes, both ends included");

    // The channel holds the same rows, and then what comes after the position.
    let channel = range["channel"].as_str().unwrap().to_owned();
    assert!(channel.starts_with("view:chart?bucket=15"), "{channel}");
    let mut follower = Follower::new([channel.as_str()]);
    let mut connection = follower.connect(server.address, Transport::WebSocket).await.expect("connected");
    follower.take_until(&mut connection, |follower| follower.is_live(&channel)).await.expect("live");
    assert_eq!(sorted(held(follower.channel(&channel))), sorted(lines(&range["rows"])));
    server.api.accepted("events", &json!([{"time": now_s, "v": 1_000_000}])).await;
    let total = |row: &String| row.trim_end_matches(']').rsplit(',').next().and_then(|total| total.parse::<i64>().ok());
    let grown = |follower: &Follower| held(follower.channel(&channel)).iter().any(|row| total(row) >= Some(1_000_000));
    follower.take_until(&mut connection, grown).await.expect("a delta");
    let again = server.api.post("/api/v1/range", &body).await.ok();
    assert_eq!(sorted(held(follower.channel(&channel))), sorted(lines(&again["rows"])));

    // As of the first answer's position it is still the first answer.
    let past = json!({"view": "chart", "from": now_s - 86_400, "points": 100, "at": range["position"]});
    assert_eq!(server.api.post("/api/v1/range", &past).await.ok()["rows"], range["rows"]);
}

#[tokio::test]
async fn days_are_those_of_the_zone() {
    let (_home, server, now_s) = server().await;
    for zone in ["UTC", "Asia/Kolkata", "America/St_Johns"] {
        let body = json!({"view": "chart", "from": now_s - 2 * 86_400 + 60, "points": 3, "timezone": zone});
        let range = server.api.post("/api/v1/range", &body).await.ok();
        assert_eq!(range["bucket"], "1 day", "{zone}: {range}");
        let sql = "SELECT date_trunc('day', time) AS t, count(*) AS n, sum(v) AS total FROM events GROUP BY 1";
        let body = json!({"sql": sql, "timezone": zone, "at": range["position"]});
        let days = server.api.post("/api/v1/query", &body).await.ok();
        assert_eq!(sorted(lines(&range["rows"])), sorted(lines(&days["rows"])), "{zone}");
    }
}

#[tokio::test]
async fn rows_without_buckets_are_thinned_and_keep_their_peaks() {
    let (_home, server, now_s) = server().await;
    server.api.accepted("events", &json!([{"time": now_s - 40_000, "v": 99_999}])).await;
    server.api.settle().await;
    for downsample in ["minmax", "lttb"] {
        let body = json!({"sql": "SELECT time, v FROM events", "from": "-47h", "points": 60, "downsample": downsample});
        let range = server.api.post("/api/v1/range", &body).await.ok();
        let rows = range["rows"].as_array().unwrap();
        assert!((30..=62).contains(&rows.len()), "{downsample}: {}", rows.len());
        assert_eq!((&range["downsampled"], &range["channel"]), (&json!(downsample), &Value::Null));
        assert!(rows.iter().any(|row| row[1] == 99_999), "{downsample} lost the peak");
    }
    let body = json!({"sql": "SELECT time, v FROM events", "from": now_s - 120, "to": now_s, "points": 60});
    let range = server.api.post("/api/v1/range", &body).await.ok();
    assert_eq!(range["rows"], json!([[(now_s - 120) * 1_000_000, 2], [(now_s - 60) * 1_000_000, 1]]));
    assert_eq!(range["downsampled"], Value::Null);
}

#[tokio::test]
async fn what_is_wrong_with_a_range_is_said() {
    let (_home, server, _now_s) = server().await;
    let ask = async |body: Value| server.api.post("/api/v1/range", &body).await;
    ask(json!({"view": "chart", "from": "now", "to": "-1h"})).await.refused(400, "bad_params");
    ask(json!({"view": "chart", "points": 0})).await.refused(400, "bad_params");
    ask(json!({"view": "chart", "points": 50_001})).await.refused(400, "bad_params");
    ask(json!({"view": "chart", "from": true})).await.refused(400, "bad_params");
    ask(json!({"view": "chart", "params": {"from": 1}})).await.refused(400, "bad_params");
    ask(json!({"view": "chart", "params": {"bucket": "1ms"}, "from": "-1h"})).await.refused(400, "bad_params");
    ask(json!({"view": "nowhere"})).await.refused(404, "unknown_view");
    ask(json!({"view": "chart", "sql": CHART})).await.refused(400, "bad_request");
    ask(json!({"from": "-1h"})).await.refused(400, "bad_request");
    ask(json!({"sql": "SELECT v FROM events"})).await.refused(400, "bad_params");
    ask(json!({"sql": "SELECT time FROM nowhere"})).await.refused(404, "unknown_stream");
    ask(json!({"view": "chart", "timezone": "Mars"})).await.refused(400, "bad_timezone");
    ask(json!({"view": "chart", "at": "x"})).await.refused(400, "bad_position");
}
