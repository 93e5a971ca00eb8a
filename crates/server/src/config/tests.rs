use std::path::Path;

use pulseboard_model::{FieldType, StreamName};
use pulseboard_protocol::socketio::EventNames;

use super::*;

fn loaded(text: &str, others: &[(&str, &str)]) -> Result<ServerConfig, Vec<Problem>> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("pulseboard.toml");
    std::fs::write(&path, text).expect("written");
    for (name, text) in others {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    load(Some(&path), &Overrides::default())
}

fn problems_of(text: &str) -> Vec<String> {
    match loaded(text, &[]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|p| format!("{}: {}", p.key, p.what)).collect(),
    }
}

fn assert_problems(text: &str, expected: &[(&str, &str)]) {
    let found = problems_of(text);
    for (key, what) in expected {
        assert!(
            found.iter().any(|line| line.starts_with(&format!("{key}: ")) && line.contains(what)),
            "{key}: {what} in {found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn without_a_file_this_machine_is_shown() {
    let config = load(None, &Overrides::default()).expect("the default is right");
    assert!(config.host_source && config.listen.ip().is_loopback());
    let board = config.assembled.definitions.boards.iter().find(|board| board.id == "infra").expect("the infra board");
    assert!(!board.panels.is_empty());
    assert!(
        board.panels.iter().all(|panel| config.assembled.definitions.views.iter().any(|view| view.name == panel.view))
    );
}

#[test]
fn the_shipped_configuration_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/pulseboard.toml");
    let config = load(Some(&path), &Overrides::default()).expect("the shipped configuration is right");
    assert!(config.host_source);
}

#[test]
fn every_problem_is_found_at_once() {
    assert_problems(
        r#"
        timezone = "Mars/Base"
        colour = "red"
        [server]
        listne = "x"
        [auth]
        grace = "2h"
        loopback = "maybe"
        [auth.jwt]
        secret = "short"
        jwks = "http://id.example/keys"
        [streams.orders]
        keep = "soon"
        fields = { total = "money" }
        [[sources]]
        kind = "kafka"
        [views.a]
        "#,
        &[
            ("timezone", "not a time zone"),
            ("colour", "unknown key"),
            ("server.listne", "did you mean `listen`?"),
            ("auth.grace", "must be at most `1h`"),
            ("auth.jwt.secret", "at least 32 bytes"),
            ("auth.jwt.jwks", "must be an `https` URL"),
            ("auth.jwt", "needs `secret`"),
            ("auth.loopback", "must be `locked` or `open`"),
            ("streams.orders.keep", "not a span"),
            ("streams.orders.fields.total", "not a field type"),
            ("sources[0].kind", "not read by this version"),
            ("views.a.sql", "is missing"),
        ],
    );
}

#[test]
fn text_that_is_not_toml_says_where() {
    let found = problems_of("a = \n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("line 1"), "{found:?}");
}

#[test]
fn sql_that_is_wrong_by_itself_is_a_problem_and_what_only_lacks_data_is_none() {
    assert_problems(
        r#"
        [views.a]
        sql = "SELEC 1"
        [views.b]
        sql = "DROP TABLE events"
        [views.c]
        sql = "SELECT nothing, unnest(ever), COUNT(*) OVER () FROM nowhere WHERE yet > 5"
        [views.d]
        sql = "SELECT 1; SELECT 2"
        [views.e]
        sql = "SELECT summ(x) FROM nowhere"
        "#,
        &[
            ("views.a.sql", "(line 1, column 1)"),
            ("views.b.sql", "SELECT"),
            ("views.d.sql", "one query"),
            ("views.e.sql", "there is no function `summ`; did you mean `sum`"),
        ],
    );
    let board = "[[panels]]\nid = \"p\"\ntype = \"stat\"\nsql = \"\"\"\nSELECT count(*\nFROM t\"\"\"\n";
    let problems = loaded("boards = \"boards\"", &[("boards/ops.toml", board)]).unwrap_err();
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.file.ends_with("boards/ops.toml") && problem.key == "panels[0].sql", "{problem}");
    assert!(problem.what.contains("panel `p`") && problem.what.contains("(line 2, "), "{problem}");
}

#[test]
fn every_text_may_come_from_a_file_or_the_environment() {
    let text = r#"
        timezone = "file:zone"
        [server]
        listen = "file:listen"
        allowed_origins = ["file:origin", "https://b.example"]
        [streams.orders]
        time_field = "file:field"
        keep = "file:keep"
        max_bytes = "file:size"
        fields = { total = "file:type" }
        [views.a]
        sql = "file:queries/a.sql"
    "#;
    let files = [
        ("zone", "Europe/Berlin\n"),
        ("listen", "127.0.0.1:1234\n"),
        ("origin", "https://a.example"),
        ("field", "at"),
        ("keep", "7d\n"),
        ("size", "3MiB\n"),
        ("type", "decimal(12,2)\n"),
        ("queries/a.sql", "SELECT 1\n"),
    ];
    let config = loaded(text, &files).expect("all is there");
    assert_eq!((config.timezone, config.listen.port()), (Tz::Europe__Berlin, 1234));
    assert_eq!(config.allowed_origins, ["https://a.example", "https://b.example"]);
    let orders = StreamName::new("orders").unwrap();
    let keep = config.retention.of(&orders);
    assert_eq!((keep.keep_us, keep.max_bytes), (7 * 86_400_000_000, 3 << 20));
    let stream = config.streams.of(&orders);
    assert_eq!(stream.time_field.as_deref(), Some("at"));
    assert_eq!(stream.fields, [("total".to_owned(), FieldType::Decimal(12, 2))]);
    assert_eq!(config.assembled.definitions.views[0].spec.sql, "SELECT 1");

    let missing = problems_of("[server]\nlisten = \"file:none\"\n[views.a]\nsql = \"${PULSEBOARD_TEST_UNSET}\"\n");
    assert_eq!(missing.len(), 2, "one line each: {missing:#?}");
    assert!(missing[0].starts_with("server.listen: names the file"), "{missing:#?}");
    assert!(missing[1].starts_with("views.a.sql: needs the environment variable"), "{missing:#?}");
}

#[test]
fn a_stream_cannot_claim_the_columns_of_the_server() {
    assert_problems(
        r#"
        [streams.a]
        time_field = "_arrived_at"
        fields = { _offset = "int", _source_time = "time", time = "string" }
        [streams.b]
        formats = { _offset = "%Y", at = "%Q", n = "%Y" }
        fields = { n = "int" }
        "#,
        &[
            ("streams.a.time_field", "server fills itself"),
            ("streams.a.fields._offset", "server fills itself"),
            ("streams.a.fields._source_time", "server fills itself"),
            ("streams.a.fields.time", "can only be declared `time`"),
            ("streams.b.formats._offset", "server fills itself"),
            ("streams.b.formats.at", "not a strftime format"),
            ("streams.b.formats.n", "declared `int`"),
        ],
    );
}

#[test]
fn a_stream_is_read_in_utc_with_its_own_formats() {
    let config = loaded(
        r#"
        timezone = "Europe/Berlin"
        [streams.a]
        time_field = "at"
        fields = { time = "time", n = "int" }
        formats = { at = "%Y%m%d", created = "%d.%m.%Y %H:%M" }
        [streams.b]
        timezone = "Asia/Tokyo"
        time_field = "time"
        "#,
        &[],
    )
    .expect("right");
    let a = config.streams.of(&StreamName::new("a").unwrap());
    assert_eq!(a.timezone, Tz::UTC, "not the zone of views");
    let declared = [("n".to_owned(), FieldType::Int), ("created".to_owned(), FieldType::Time)];
    assert_eq!(a.fields, declared, "`time` is no field; a field with a format is a time");
    assert_eq!(a.time_formats.len(), 2);
    let b = config.streams.of(&StreamName::new("b").unwrap());
    assert_eq!((b.timezone, b.time_field.as_deref()), (Tz::Asia__Tokyo, None));
    assert_eq!(config.streams.default.timezone, Tz::UTC);
}

#[test]
fn what_is_not_said_of_a_host_stream_stays_as_it_is() {
    let text = "[[sources]]\nkind = \"host\"\n[streams.host_cpu]\nmax_bytes = \"1MiB\"\n";
    let config = loaded(text, &[]).expect("right");
    let keep = config.retention.of(&StreamName::new("host_cpu").unwrap());
    assert_eq!((keep.keep_us, keep.max_bytes), (24 * 3_600_000_000, 1 << 20));
}

#[test]
fn limits_are_set_one_by_one() {
    let config = loaded(
        r#"
        [limits]
        body_bytes = "64MiB"
        ahead = "2d"
        [limits.views]
        groups = 5
        memory = "64MiB"
        total_memory = "3GiB"
        [limits.users]
        live_queries = 7
        cpu_percent = 20
        [limits.requests]
        head = "5s"
        body = "7s"
        [limits.queries]
        time = "1500ms"
        memory = "1GiB"
        "#,
        &[],
    )
    .expect("right");
    let mut expected = Limits::default();
    expected.ingest.body_bytes_max = 64 << 20;
    expected.ingest.future_us_max = 2 * 86_400_000_000;
    expected.views.groups_max = 5;
    expected.views.state_bytes_max = 64 << 20;
    expected.live.state_bytes_max = 3 << 30;
    expected.live.user.queries_max = 7;
    expected.live.user.cpu_percent_max = 20;
    expected.head_timeout = std::time::Duration::from_secs(5);
    expected.body_timeout = std::time::Duration::from_secs(7);
    expected.queries.time_ms_max = 1_500;
    expected.queries.memory_bytes_max = 1 << 30;
    assert_eq!(config.limits, expected);
    assert_eq!(loaded("", &[]).expect("right").limits, Limits::default());
    assert_problems(
        r#"
        [limits]
        rows = 0
        row_bytes = "9GiB"
        bytes = 5
        ahead = "900000d"
        [limits.queries]
        time = "2h"
        rows = "many"
        "#,
        &[
            ("limits.rows", "from 1 to"),
            ("limits.row_bytes", "from 1KiB to 512MiB"),
            ("limits.bytes", "known here: ahead, batch_ms, body_bytes"),
            ("limits.ahead", "at most `3650d`"),
            ("limits.queries.time", "at most `1h`"),
            ("limits.queries.rows", "a whole number"),
        ],
    );
}

#[test]
fn a_board_file_replaces_the_shipped_one_with_its_views() {
    let board = "[[panels]]\nid = \"p\"\ntype = \"stat\"\nsql = \"SELECT 1\"\n";
    let text = "boards = \"b\"\n[[sources]]\nkind = \"host\"\n";
    let config = loaded(text, &[("b/infra.toml", board)]).expect("right");
    let configured = config.assembled.definitions.views.iter().filter(|view| view.origin == Origin::Configured);
    let names: Vec<&str> = configured.map(|view| view.name.as_str()).collect();
    let boards: Vec<&str> = config.assembled.definitions.boards.iter().map(|board| board.id.as_str()).collect();
    assert_eq!((boards.as_slice(), names.as_slice()), (["infra", "system"].as_slice(), ["infra.p"].as_slice()));
}

#[test]
fn a_boards_variables_are_checked_against_its_panels() {
    let board = r#"
max_hz = 0.5
batch_ms = 100
[[variables]]
name = "symbol"
default = "AAPL"
options = ["AAPL", "NVDA"]
[[panels]]
id = "note"
type = "text"
text = "What is traded"
[[panels]]
id = "own"
type = "stat"
sql = "SELECT count(*) FROM t WHERE symbol = $symbol"
[[panels]]
id = "shared"
type = "stat"
view = "last"
"#;
    let text = "boards = \"b\"\n[views.last]\nsql = \"SELECT max(v) FROM t WHERE symbol = $symbol\"\n";
    let config = loaded(text, &[("b/trades.toml", board)]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let trades = config.assembled.definitions.boards.iter().find(|board| board.id == "trades").expect("the board");
    assert_eq!((trades.pace.max_hz, trades.pace.batch_ms), (Some(0.5), Some(100)));
    let channels = trades.definition["panels"].as_array().unwrap().iter().map(|panel| panel["channel"].clone());
    let none = serde_json::Value::Null;
    assert_eq!(channels.collect::<Vec<_>>(), [none, "view:trades.own".into(), "view:last?symbol=AAPL".into()]);
    assert!(trades.panels.iter().all(|panel| panel.variables == ["symbol"]), "{:?}", trades.panels);
    let own = config
        .assembled
        .definitions
        .views
        .iter()
        .find(|view| view.name.as_str() == "trades.own")
        .expect("the panel's view");
    assert_eq!(own.spec.params["symbol"], pulseboard_model::Cell::Str("AAPL".into()), "it runs by itself");

    let wrong = r#"
max_hz = 0
[[variables]]
name = "least"
type = "number"
[[variables]]
name = "most"
type = "int"
default = "many"
[[panels]]
id = "own"
type = "stat"
sql = "SELECT count(*) FROM t WHERE symbol = $symbol"
"#;
    let problems = loaded("boards = \"b\"", &[("b/trades.toml", wrong)]).unwrap_err();
    for (key, says) in [
        ("max_hz", "a number from 0.0001"),
        ("variables[0].type", "must be string, int, float, bool, time"),
        ("variables[1].default", "must be of type int, not `many`"),
    ] {
        assert!(problems.iter().any(|p| p.key == key && p.what.contains(says)), "{key}: {problems:#?}");
    }
    let lacking = wrong.split_once("[[panels]]").map(|(_, panels)| format!("[[panels]]{panels}")).unwrap();
    let problems = loaded("boards = \"b\"", &[("b/trades.toml", &lacking)]).unwrap_err();
    assert!(problems[0].what.contains("has no variable `symbol`"), "{problems:#?}");
}

#[test]
fn a_reference_is_a_file_with_a_key_and_its_stream_is_kept_whole() {
    let config = loaded("[references.products]\nfile = \"data/products.csv\"\nkey = \"id\"\n", &[]).expect("right");
    let [reference] = config.references.as_slice() else { panic!("{:?}", config.references) };
    assert!(reference.file.ends_with("data/products.csv") && reference.file.is_absolute(), "{reference:?}");
    assert_eq!((reference.stream.as_str(), reference.key.as_str()), ("ref_products", "id"));
    assert_eq!(config.retention.of(&reference.stream).keep_us, i64::MAX);
    assert_problems(
        r#"
        [references.a]
        file = "a.json"
        keys = "id"
        [references.b]
        file = "b.csv"
        key = "_deleted"
        [references."c d"]
        file = "c.parquet"
        key = "id"
        [references.d]
        file = "d.csv"
        key = "id"
        [streams.ref_d]
        time_field = "at"
        fields = { _deleted = "bool" }
        "#,
        &[
            ("references.a.file", "must end in `.csv` or `.parquet`"),
            ("references.a.key", "is missing"),
            ("references.a.keys", "did you mean `key`"),
            ("references.b.key", "must be the name of a column"),
            ("references.c d", "is not a valid stream name"),
            ("references.d", "`streams.ref_d.time_field` has no use"),
            ("references.d", "`streams.ref_d.fields._deleted` cannot be declared"),
        ],
    );
}

#[test]
fn the_events_of_socketio_are_a_preset_with_changes() {
    // Boards come and go: one that is not there yet is none that is wrong.
    let config = loaded(
        r#"
        [socketio]
        preset = "metrics"
        default_board = "shop?region=north"
        [socketio.events]
        update = "tick"
        "#,
        &[],
    )
    .expect("right");
    let expected = EventNames { update: "tick".to_owned(), ..EventNames::metrics() };
    assert_eq!(
        (config.socketio.events, config.socketio.default_board.as_deref()),
        (expected, Some("shop?region=north"))
    );
    assert_eq!(loaded("", &[]).expect("right").socketio.events, EventNames::plain());
    assert_problems(
        r#"
        [socketio]
        preset = "fancy"
        default_board = "infra/cpu"
        rooms = true
        [socketio.events]
        snapshot = "connect"
        subscribe = "ask"
        unsubscribe = "ask"
        updates = "x"
        "#,
        &[
            ("socketio.preset", "`plain` or `metrics`"),
            ("socketio.default_board", "is not a board"),
            ("socketio.rooms", "known here: default_board, events, preset"),
            ("socketio.events.snapshot", "keep for themselves"),
            ("socketio.events", "both called `ask`"),
            ("socketio.events.updates", "did you mean `update`?"),
        ],
    );
}
