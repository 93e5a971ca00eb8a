//! What a board file may say about its panels, and that the guide tells all of it.

use std::collections::BTreeSet;
use std::path::Path;

use pulseboard_gateway::Board;
use serde_json::Value as Json;

use super::board::read_board;
use super::panel_types::{PANEL_TYPES, TEXT, known};
use super::*;

fn board(text: &str) -> Result<Board, Vec<Problem>> {
    let mut problems = Vec::new();
    let read = read_board("ops", "ops.toml", text, Tz::UTC, &mut problems);
    read.map(|read| read.board).filter(|_| problems.is_empty()).ok_or(problems)
}

fn panel(kind: &str, rest: &str) -> Result<Json, Vec<Problem>> {
    let query = if kind == TEXT { "text = \"# Hello\"" } else { "sql = \"SELECT 1\"" };
    let text = format!("[[panels]]\nid = \"p\"\ntype = \"{kind}\"\n{query}\n{rest}\n");
    board(&text).map(|board| board.definition["panels"][0].clone())
}

#[test]
fn a_panels_options_and_thresholds_are_held_to_what_the_page_reads() {
    let good = "thresholds = { warning = 80, critical = 9.5 }\nmax_hz = 0.5\n\
                stale_after = \"1.5 h\"\n\
                options = { series = \"core\", range = \"90s\", style = \"area\", units = { a = \"bytes\" }, min = 0, color = 8 }";
    let shown = panel("timeseries", good).expect("all of these are known");
    assert_eq!(shown["options"]["units"]["a"], "bytes", "{shown}");
    assert_eq!((&shown["thresholds"]["critical"], &shown["max_hz"]), (&9.5.into(), &0.5.into()), "{shown}");
    for (kind, rest, key, what) in [
        ("stat", "options = { valeu = \"n\" }", "options.valeu", "did you mean `value`?"),
        ("stat", "options = { series = \"n\" }", "options.series", "known here: better, color, compare, "),
        (
            "table",
            "options = { detail = \"n\" }",
            "options.detail",
            "known here: ages, color, column_decimals, columns",
        ),
        ("stat", "thresholds = { warn = 80 }", "thresholds.warn", "known here: critical, warning"),
        ("stat", "thresholds = { warning = \"much\" }", "thresholds.warning", "a number"),
        ("stat", "thresholds = 80", "thresholds", "a table"),
        ("stat", "options = { color = 9 }", "options.color", "from 1 to 8"),
        ("stat", "options = { units = { a = 1 } }", "options.units", "texts by column"),
        ("timeseries", "options = { style = \"pie\" }", "options.style", "`line` or `area` or `stacked` or `bars`"),
        ("timeseries", "options = { legend = [\"last\", \"sum\"] }", "options.legend", "any of `last` or `min`"),
        ("barlist", "options = { limit = 0 }", "options.limit", "from 1 to 100"),
        ("barlist", "options = { share = 1 }", "options.share", "`true` or `false`"),
        ("gauge", "options = { max = true }", "options.max", "a number or the name of a column"),
        ("table", "options = { columns = \"a\" }", "options.columns", "a list of columns"),
        ("table", "options = { column_decimals = { a = \"2\" } }", "options.column_decimals", "numbers by column"),
        ("table", "options = { states = { paid = \"ok\" } }", "options.states", "by column, a table of `ok`"),
        ("statetimeline", "options = { states = { up = \"green\" } }", "options.states", "`ok` or `warning`"),
        ("statetimeline", "options = { units = 1 }", "options.units", "texts by column"),
        ("heatmap", "options = { scale = \"root\" }", "options.scale", "`linear` or `log`"),
        ("timeseries", "options = { range = \"1 parsec\" }", "options.range", "a span such as"),
        ("stat", "options = { range = \"m\" }", "options.range", "a span such as"),
        ("stat", "options = { range = 5 }", "options.range", "a span such as"),
        ("stat", "stale_after = \"soon\"", "stale_after", "a span such as"),
        ("candles", "options = { open = 1 }", "options.open", "a text"),
        ("text", "options = { value = \"n\" }", "options.value", "known here: hint"),
        ("text", "sql = \"SELECT 1\"", "sql", "unknown key"),
        ("stat", "options = { spark_panel = \"q\" }", "options.spark_panel", "`q` is no panel of this board"),
        ("stat", "text = \"a\"", "text", "unknown key"),
        ("stat", "max_hz = 0", "max_hz", "above 0"),
    ] {
        let problems = panel(kind, rest).unwrap_err();
        let [problem] = problems.as_slice() else { panic!("{rest}: {problems:?}") };
        assert_eq!(problem.key, format!("panels[0].{key}"), "{problem}");
        assert!(problem.what.contains(what), "{problem}");
    }
}

#[test]
fn a_text_panel_asks_nothing_and_has_an_id_like_any_other() {
    let text = "[[panels]]\nid = \"p\"\ntype = \"text\"\ntext = \"# Hello\"\n";
    let shown = board(text).expect("right");
    assert!(shown.panels.is_empty(), "there is no view behind it");
    assert_eq!(shown.definition["panels"][0]["text"], "# Hello");
    assert!(shown.definition["panels"][0].get("channel").is_none());
    let twice = board(&text.repeat(2)).unwrap_err();
    assert!(twice[0].key == "panels[1].id" && twice[0].what.contains("another panel"), "{twice:?}");
    let without = board("[[panels]]\nid = \"p\"\ntype = \"text\"\n").unwrap_err();
    assert!(without[0].key == "panels[0].text" && without[0].what.contains("Markdown"), "{without:?}");
    let spark = format!(
        "{text}[[panels]]\nid = \"q\"\ntype = \"stat\"\nsql = \"SELECT 1\"\noptions = {{ spark_panel = \"p\" }}"
    );
    assert!(board(&spark).unwrap_err()[0].what.contains("that has a query"));
}

/// The options that the guide's table has for a kind of panel, and those of all.
fn told(page: &str) -> Vec<(String, BTreeSet<String>)> {
    let section =
        page.split("## Options").nth(1).expect("a section of options").split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|line| {
        let mut cells = line.split(" | ");
        let (kinds, option) = (cells.next()?, cells.next()?);
        Some((kinds.to_owned(), names(option)))
    });
    rows.filter(|(_, options)| !options.is_empty()).collect()
}

/// What stands in backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_guide_tells_every_type_and_every_option() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/boards.md");
    let page = std::fs::read_to_string(path).unwrap();
    let told = told(&page);
    for kind in PANEL_TYPES {
        assert!(page.contains(&format!("| `{kind}` |")), "the guide does not tell what `{kind}` is");
        let of_kind = told.iter().filter(|(kinds, _)| {
            kinds == "all" || (kinds == "all with a query" && kind != TEXT) || names(kinds).contains(kind)
        });
        let of_kind: BTreeSet<String> = of_kind.flat_map(|(_, options)| options.clone()).collect();
        let read: BTreeSet<String> = known(kind).map(|(option, _)| (*option).to_owned()).collect();
        assert_eq!(of_kind, read, "options of `{kind}`: the guide's on the left, those that are read on the right");
    }
}

#[test]
fn the_boards_of_simulated_worlds_are_right_and_come_with_them() {
    let asked = Demo { seed: 1, past: "48h".to_owned(), outage_every: "10m".to_owned() };
    let config = demo(&asked, &Overrides::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let boards: Vec<&str> = config.assembled.definitions.boards.iter().map(|board| board.id.as_str()).collect();
    assert_eq!(boards, ["infra", "shop", "system", "trading"]);
    assert_eq!(config.data_dir, Path::new("./pulseboard-demo"));
    let seeds: Vec<u64> = config.simulators.iter().map(|simulator| simulator.seed).collect();
    assert_eq!((seeds.as_slice(), config.host_source), ([1, 1].as_slice(), true));
    for board in &config.assembled.definitions.boards {
        let mut cells = BTreeSet::new();
        for panel in board.definition["panels"].as_array().unwrap() {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel[key].as_i64().unwrap());
            for (column, row) in (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))) {
                assert!(column < 12, "{}.{} is wider than the grid", board.id, panel["id"]);
                assert!(cells.insert((column, row)), "{}.{} lies on another panel", board.id, panel["id"]);
            }
        }
    }
    let wrong = Demo { past: "soon".to_owned(), outage_every: "1s".to_owned(), ..asked };
    let problems = demo(&wrong, &Overrides::default()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.key == "sources[0].past"), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.key == "sources[1].outage_every"), "{problems:?}");
}

#[test]
fn a_simulated_source_is_held_to_what_there_is() {
    let text =
        "[[sources]]\nkind = \"simulate\"\nscenario = \"shop\"\nseed = 3\npast = \"2h\"\ntimezone = \"Asia/Tokyo\"\n";
    let read = |text: &str| {
        let mut problems = Vec::new();
        let config =
            build("c.toml", Some((None, text.parse().unwrap(), text.to_owned())), &Overrides::default(), &mut problems);
        (config.expect("it is made"), problems)
    };
    let (config, problems) = read(text);
    assert_eq!(problems, []);
    let [shop] = config.simulators.as_slice() else { panic!("{:?}", config.simulators) };
    assert_eq!((shop.name.as_str(), shop.seed, shop.past_us, shop.zone), ("shop", 3, 7_200_000_000, Tz::Asia__Tokyo));
    assert!(
        ["shop", "infra"].map(|id| config.assembled.definitions.boards.iter().any(|board| board.id == id))
            == [true, false]
    );
    for (rest, key, what) in [
        ("kind = \"simulate\"", "sources[0].scenario", "use `shop` or `trading`"),
        ("kind = \"simulate\"\nscenario = \"zoo\"", "sources[0].scenario", "`zoo` is not a scenario"),
        ("kind = \"simulate\"\nscenario = \"shop\"\nspeed = 2", "sources[0].speed", "unknown key"),
        ("kind = \"simulate\"\nscenario = \"shop\"\nseed = -1", "sources[0].seed", "from 0"),
        ("kind = \"simulate\"\nscenario = \"shop\"\npast = \"60d\"", "sources[0].past", "at most `30d`"),
        ("kind = \"simulate\"\nscenario = \"shop\"\nname = \"a b\"", "sources[0].name", "a b"),
        ("kind = \"kafka\"", "sources[0].kind", "known: host, simulate"),
    ] {
        let (_, problems) = read(&format!("[[sources]]\n{rest}\n"));
        let [problem] = problems.as_slice() else { panic!("{rest}: {problems:?}") };
        assert!(problem.key == key && problem.what.contains(what), "{problem}");
    }
    let (_, problems) = read(&text.repeat(2));
    assert!(problems.iter().any(|problem| problem.key == "sources[1].scenario"), "{problems:?}");
}
