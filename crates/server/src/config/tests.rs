use std::path::Path;

use super::*;

fn problems_of(text: &str) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("pulseboard.toml");
    std::fs::write(&path, text).expect("written");
    match load(Some(&path), &Overrides::default()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|p| format!("{}: {}", p.key, p.what)).collect(),
    }
}

#[test]
fn without_a_file_this_machine_is_shown() {
    let config = load(None, &Overrides::default()).expect("the default is right");
    assert!(config.host_source && config.listen.ip().is_loopback());
    let board = config.boards.iter().find(|board| board.id == "infra").expect("the infra board");
    assert!(!board.panels.is_empty());
    assert!(board.panels.iter().all(|panel| config.views.iter().any(|view| view.name == panel.view)));
}

#[test]
fn the_shipped_configuration_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/pulseboard.toml");
    let config = load(Some(&path), &Overrides::default()).expect("the shipped configuration is right");
    assert!(config.host_source);
}

#[test]
fn every_problem_is_found_at_once() {
    let found = problems_of(
        r#"
        timezone = "Mars/Base"
        colour = "red"
        [server]
        listen = "0.0.0.0:80"
        listne = "x"
        [streams.orders]
        keep = "soon"
        fields = { total = "money" }
        [[sources]]
        kind = "kafka"
        [views.a]
        "#,
    );
    let expected = [
        ("timezone", "not a time zone"),
        ("colour", "unknown key"),
        ("server.listen", "reachable from other machines"),
        ("server.listne", "did you mean `listen`?"),
        ("streams.orders.keep", "not a span"),
        ("streams.orders.fields.total", "not a field type"),
        ("sources[0].kind", "not read by this version"),
        ("views.a.sql", "is missing"),
    ];
    for (key, what) in expected {
        assert!(
            found.iter().any(|line| line.starts_with(&format!("{key}: ")) && line.contains(what)),
            "{key}: {what} in {found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn text_that_is_not_toml_says_where() {
    let found = problems_of("a = \n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("line 1"), "{found:?}");
}
