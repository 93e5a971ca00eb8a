//! What the guide shows is tried: every SQL example plans over the streams it names, and is maintained where it says so.
//! The page of SQL itself, with its answers, is held to them by the engine's own tests.

use serde_json::{Value, json};

use crate::support::server::Home;

/// The queries of a page's `sql` blocks, those behind `## What is re-run` left out. Blank lines and comments part them.
fn examples(page: &str) -> Vec<String> {
    let told_maintained = page.split("## What is re-run").next().unwrap_or_default();
    let blocks = told_maintained.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let queries = blocks.flat_map(|block| block.split("\n\n")).flat_map(|part| {
        let lines: Vec<&str> = part.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        // Two statements may stand under one comment: each begins at the margin.
        let mut found: Vec<String> = Vec::new();
        for line in lines {
            match found.last_mut() {
                Some(query) if !line.starts_with("SELECT") || query.ends_with('(') => {
                    query.push('\n');
                    query.push_str(line);
                }
                _ => found.push(line.to_owned()),
            }
        }
        found
    });
    queries.filter(|query| !query.trim().is_empty()).collect()
}

#[tokio::test]
async fn the_guides_queries_are_maintained_as_it_says() {
    let home = Home::of_a_stranger();
    let server = home.start().await;
    let streams: [(&str, Value); 4] = [
        ("orders", json!({"item": "flask", "kind": "outdoor", "status": "paid", "total": 24.5, "userId": 7})),
        ("stock", json!({"product": "flask", "stock": 7})),
        ("visits", json!({"page": "/"})),
        ("prices", json!({"item": "flask", "price": 24.5})),
    ];
    for (stream, event) in streams {
        server.api.accepted(stream, &json!([event])).await;
    }
    let pages = [
        include_str!("../../../../README.md"),
        include_str!("../../../../docs/guide/getting-started.md"),
        include_str!("../../../../docs/guide/ingest.md"),
        include_str!("../../../../docs/guide/ranges.md"),
    ];
    let queries: Vec<String> = pages.iter().flat_map(|page| examples(page)).collect();
    assert!(queries.len() >= 2, "the examples were not found: {queries:#?}");
    for sql in queries {
        let explained = server.api.post("/api/v1/explain", &json!({ "sql": sql })).await.ok();
        assert_eq!(explained["mode"], "maintained", "{sql}\n{explained:#}");
    }
}
