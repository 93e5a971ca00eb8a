//! The weak entity tag of an answer: what was answered, and when it last changed.

use pulseboard_model::Position;
use xxhash_rust::xxh3::xxh3_64;

/// A weak tag over the last change (its position, and which of the steps there) and the hash of the definition.
#[must_use]
pub fn weak_etag(changed: &Position, round: u32, definition_hash: u64) -> String {
    let hash = xxh3_64(format!("{changed} {round} {definition_hash:016x}").as_bytes());
    format!("W/\"{hash:016x}\"")
}

/// Whether an `If-None-Match` header names `etag`. Weak comparison: `W/` makes no difference.
#[must_use]
pub fn if_none_match(header: &str, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    header.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_changes_with_position_and_definition() {
        let a: Position = "00000000000000ab:42:1".parse().expect("position");
        let b: Position = "00000000000000ab:42:2".parse().expect("position");
        assert_ne!(weak_etag(&a, 0, 1), weak_etag(&b, 0, 1));
        assert_ne!(weak_etag(&a, 0, 1), weak_etag(&a, 1, 1));
        assert_ne!(weak_etag(&a, 0, 1), weak_etag(&a, 0, 2));
        let tag = weak_etag(&a, 0, 1);
        assert!(if_none_match(&tag, &tag));
        assert!(if_none_match(&format!("\"x\", {}", tag.trim_start_matches("W/")), &tag));
        assert!(if_none_match("*", &tag));
        assert!(!if_none_match("\"x\"", &tag));
    }
}
