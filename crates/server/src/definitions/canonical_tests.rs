//! Definitions written back: what is kept, what is put in order, what is refused.

use serde_json::json;

use super::*;

const DEFAULTS: Defaults<'_> = Defaults { id: "shop", timezone: "UTC" };

fn saved(old: &str, new: Json) -> String {
    board_text(Some((old, Path::new("."))), &Content::Json(new), DEFAULTS)
        .unwrap_or_else(|refused| panic!("{refused:?}"))
}

/// As `GET` gives a board, without what is not of its definition.
fn got(text: &str) -> Json {
    let mut problems = Vec::new();
    let read = crate::config::definitions::board_for_test("shop", text, &mut problems);
    let mut read = read.unwrap_or_else(|| panic!("{problems:#?}"));
    drop(read.as_object_mut().and_then(|members| members.remove("id")));
    read
}

#[test]
fn a_board_saved_as_it_was_is_its_file_to_the_byte() {
    for text in
        [include_str!("../../../../boards/infra.toml"), include_str!("../../../../boards/system.toml"), COMMENTED]
    {
        assert_eq!(saved(text, got(text)), text);
    }
}

#[test]
fn places_that_the_file_leaves_open_are_written_only_where_a_panel_is_moved() {
    let old = "[[panels]]\nid = \"a\"\ntype = \"stat\"\nsql = \"SELECT 1\"\n\n[[panels]]\nid = \"b\"\ntype = \"stat\"\nsql = \"SELECT 2\"\n";
    let mut board = got(old);
    assert_eq!((&board["panels"][1]["x"], &board["panels"][1]["h"]), (&json!(3), &json!(2)));
    board["panels"][0]["title"] = "A".into();
    let text = saved(old, board.clone());
    assert!(text.contains("title = \"A\"") && !text.contains("x ="), "{text}");
    board["panels"][1]["x"] = 6.into();
    let text = saved(old, board);
    assert_eq!(got(&text)["panels"][1]["x"], 6, "{text}");
    assert!(!text.contains("w ="), "{text}");
    // What is wrong is refused, not a panic.
    saved(old, json!({"panels": [{"id": "a", "x": i64::MAX, "w": -1}, {"id": "b", "y": "c"}]}));
    let none = Content::Json(json!({"panels": [{"id": "a"}, "b", 7]}));
    assert!(board_text(Some((old, Path::new("."))), &none, DEFAULTS).is_err());
}

const COMMENTED: &str = r#"# What is sold.
title = "Shop" # for the wall
max_hz = 2.0

# Who looks chooses.
[[variables]]
name = "least"
type = "int"
default = 0

# The one that matters.
[[panels]]
id = "count"
type = "stat"
# Counted, not summed.
sql = """
SELECT count(*) AS n
FROM orders WHERE v >= $least
"""
x = 0
thresholds = { critical = 95, warning = 85 } # odd order
options = { value = "n", decimals = 0 }

[[panels]]
id = "all"
type = "stat"
sql = 'SELECT count(*) AS n FROM orders'

[panels.options]
# Only this.
value = "n"
# The end.
"#;

#[test]
fn what_changed_changes_and_every_comment_stays() {
    let mut board = got(COMMENTED);
    board["title"] = "Store".into();
    board["panels"][0]["x"] = 4.into();
    board["panels"][0]["thresholds"]["warning"] = 80.into();
    board["panels"][0]["options"]["unit"] = "x".into();
    board["panels"][1]["options"]["value"] = "m".into();
    let expected = COMMENTED
        .replace("title = \"Shop\"", "title = \"Store\"")
        .replace("x = 0", "x = 4\ny = 0")
        // The other one would lie elsewhere now if it were left to the grid.
        .replace("n FROM orders'\n", "n FROM orders'\nx = 3\ny = 0\n")
        .replace("warning = 85", "warning = 80")
        .replace("decimals = 0 }", "decimals = 0, unit = \"x\" }")
        .replace("value = \"n\"\n# The end", "value = \"m\"\n# The end");
    assert_eq!(saved(COMMENTED, board), expected);
}

#[test]
fn panels_move_with_their_comments_and_new_ones_are_written_in_order() {
    let mut board = got(COMMENTED);
    let panels = board["panels"].as_array_mut().expect("panels");
    panels.reverse();
    panels.push(json!({"h": 2, "w": 3, "sql": "SELECT 1\nFROM orders", "title": "new", "id": "new", "type": "table", "channel": "view:shop.new"}));
    let text = saved(COMMENTED, board);
    let (all, count) =
        (text.find("id = \"all\"").unwrap(), text.find("# The one that matters.\n[[panels]]\nid = \"count\"").unwrap());
    assert!(all < count, "{text}");
    let new =
        "\n[[panels]]\nid = \"new\"\ntype = \"table\"\nsql = \"\"\"\nSELECT 1\nFROM orders\n\"\"\"\nw = 3\nh = 2\n";
    assert!(text.contains(new), "{text}");
    assert!(text.contains("# Only this.") && text.ends_with("# The end.\n"), "{text}");
}

#[test]
fn a_new_board_is_written_without_what_is_so_anyway() {
    let board = json!({
        "title": "shop", "timezone": "UTC", "description": null,
        "variables": [{"name": "n", "type": "int", "default": "3", "options": []}, {"name": "s", "type": "string"}],
        "panels": [{"type": "stat", "id": "a", "title": "a", "view": "v", "thresholds": {"critical": 2, "warning": 1.5}}],
    });
    let text = board_text(None, &Content::Json(board), DEFAULTS).expect("written");
    let expected = "[[variables]]\nname = \"n\"\ntype = \"int\"\ndefault = 3\n\n[[variables]]\nname = \"s\"\n\n[[panels]]\n\
                    id = \"a\"\ntype = \"stat\"\nview = \"v\"\nthresholds = { warning = 1.5, critical = 2 }\n";
    assert_eq!(text.trim_start(), expected);
}

#[test]
fn an_import_is_put_in_order_with_its_comments() {
    let text = "# mine\npanels = []\n# called so\ntitle = \"T\"\n";
    let out = board_text(None, &Content::Toml(text.to_owned()), DEFAULTS).expect("written");
    assert!(out.starts_with("# called so\ntitle = \"T\"\n"), "{out}");
    let refused = board_text(None, &Content::Toml("title = ".to_owned()), DEFAULTS).expect_err("no TOML");
    assert!(refused[0].what.contains("not valid TOML"), "{refused:?}");
}

#[test]
fn nobody_reads_secrets_by_saving_a_board() {
    for (content, key) in [
        (Content::Json(json!({"title": "file:/etc/passwd"})), "title"),
        (
            Content::Json(json!({"panels": [{"id": "a", "options": {"units": {"a": "x ${HOME}"}}}]})),
            "panels[0].options.units.a",
        ),
        (Content::Toml("title = 'file:secret'".to_owned()), "title"),
    ] {
        let refused = board_text(None, &content, DEFAULTS).expect_err("refused");
        assert_eq!(refused[0].key, key, "{refused:?}");
    }
    let old = "title = \"${PATH}\"\n";
    let path = std::env::var("PATH").unwrap_or_default();
    assert_eq!(saved(old, json!({"title": path})), old, "what the file resolves is not written out");
}

#[test]
fn a_view_is_written_with_its_zone_first() {
    let new = Content::Json(json!({"sql": "SELECT 1\nFROM t", "timezone": "Europe/Berlin"}));
    let text = view_text(None, &new, DEFAULTS).expect("written");
    assert_eq!(text, "timezone = \"Europe/Berlin\"\nsql = \"\"\"\nSELECT 1\nFROM t\n\"\"\"\n");
    let old = "# why\nsql = 'SELECT 1' # so\n";
    let kept =
        view_text(Some((old, Path::new("."))), &Content::Json(json!({"sql": "SELECT 1", "timezone": "UTC"})), DEFAULTS);
    assert_eq!(kept.expect("written"), old);
}
