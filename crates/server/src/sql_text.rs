//! What is wrong with a SQL text, as one line for the person who wrote it.

/// The sentence of an error, with its place in the text once, at the end.
#[must_use]
pub(crate) fn sentence(message: &str, at: Option<(u64, u64)>) -> String {
    let Some((line, column)) = at else { return message.to_owned() };
    // The parser says the place too, in words of its own.
    let said = format!(" at Line: {line}, Column: {column}");
    format!("{} (line {line}, column {column})", message.replace(&said, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_once() {
        let said = sentence("Expected: an SQL statement, found: SELEC at Line: 1, Column: 1", Some((1, 1)));
        assert_eq!(said, "Expected: an SQL statement, found: SELEC (line 1, column 1)");
        assert_eq!(sentence("the query is empty", None), "the query is empty");
    }
}
