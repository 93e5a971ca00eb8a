//! JSON text without the blanks between its tokens, for fields declared `json`.
//!
//! The text has been validated by the parser before, so only strings need care. Numbers keep every digit they came with.

/// Removes whitespace outside strings. `None` if it nests deeper than `depth_max`.
pub(super) fn compact(json: &str, depth_max: usize) -> Option<String> {
    let mut compacted = String::with_capacity(json.len());
    let (mut in_string, mut escaped, mut depth) = (false, false, 0_usize);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                ' ' | '\t' | '\n' | '\r' => continue,
                '"' => in_string = true,
                '[' | '{' => {
                    depth += 1;
                    if depth > depth_max {
                        return None;
                    }
                }
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        compacted.push(c);
    }
    Some(compacted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_outside_strings_only() {
        let text = "{ \"a b\" : [ 1.50 , \"x \\\" y\\\\\" ] ,\n \"c\" : null }";
        assert_eq!(compact(text, 16).as_deref(), Some("{\"a b\":[1.50,\"x \\\" y\\\\\"],\"c\":null}"));
        assert_eq!(compact("\" \"", 0).as_deref(), Some("\" \""));
    }

    #[test]
    fn depth_is_counted() {
        assert!(compact("[[1]]", 2).is_some());
        assert!(compact("[[[1]]]", 2).is_none());
        assert!(compact("[\"[[[\"]", 1).is_some());
    }
}
