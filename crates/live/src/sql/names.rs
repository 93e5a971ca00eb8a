//! From SQL text to one parsed query whose names are resolved: the parser, its limits, and what makes two texts the same.
//!
//! Which column or stream a name means is decided in `scopes`; how deep a text may nest in `bounds`.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ObjectNamePart, Statement, visit_relations};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError, ParserOptions};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::{StreamName, StreamSchema};

use super::scopes::Resolver;
use super::{bounds, functions};
use crate::api::{History, QueryError, QueryErrorKind};

/// How deep the parser may recurse. A subquery takes two levels, so `bounds` ends a text before this does: the parser
/// loses this error where it tries several readings.
const RECURSION_MAX: usize = 80;

/// A parsed query whose names are resolved.
#[derive(Debug)]
pub(crate) struct ResolvedQuery {
    pub(crate) statement: Statement,
    /// The streams it reads, with the schemas its names were resolved against.
    pub(crate) streams: Vec<(StreamName, Arc<StreamSchema>)>,
    /// Whether a `*` was expanded over a stream: new fields then change the answer's columns.
    pub(crate) has_wildcard: bool,
}

/// Brings two texts that differ in white space, comments or a last semicolon only to the same one, and no others: what
/// two askers share by. Not SQL: quoted parts are written so that no text can look like another one's quotes.
pub fn normalise(sql: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else {
        // No token is a control character, so this is never equal to a text that could be read.
        return format!("\0{sql}");
    };
    let mut words: Vec<&Token> = tokens.iter().filter(|t| !matches!(t, Token::Whitespace(_) | Token::EOF)).collect();
    while matches!(words.last(), Some(Token::SemiColon)) {
        words.pop();
    }
    words.into_iter().map(unambiguous).collect::<Vec<_>>().join(" ")
}

/// A token as text that holds no space or quote but inside a quoted and escaped string.
fn unambiguous(token: &Token) -> String {
    match token {
        Token::Word(word) => match word.quote_style {
            Some(quote) => format!("{quote}{:?}", word.value),
            None => word.value.clone(),
        },
        Token::SingleQuotedString(text) => format!("'{text:?}"),
        Token::Number(..) | Token::Placeholder(_) => token.to_string(),
        // Other kinds of strings are rare; symbols have nothing to escape.
        other => match other.to_string() {
            symbol if symbol.chars().all(|c| c.is_ascii_punctuation() && !matches!(c, '\'' | '"' | '`')) => symbol,
            _ => format!("{other:?}"),
        },
    }
}

/// Parses `sql` as one query.
///
/// # Errors
/// [`QueryErrorKind::BadSql`] with the place where parsing stopped, [`QueryErrorKind::LimitExceeded`] if the text is too
/// long, or so deep that walking its tree could run out of stack.
pub(crate) fn parse(sql: &str, sql_bytes_max: usize) -> Result<Statement, QueryError> {
    if sql.len() > sql_bytes_max {
        let message = format!("the query has {} bytes; at most {sql_bytes_max} are allowed", sql.len());
        return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| QueryError::planning(&ParserError::from(error).into()))?;
    bounds::check_tokens(&tokens)?;
    let mut statements = Parser::new(&dialect)
        .with_options(ParserOptions::new())
        .with_recursion_limit(RECURSION_MAX)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| match error {
            ParserError::RecursionLimitExceeded => QueryError::new(
                QueryErrorKind::LimitExceeded,
                "the query is nested too deeply: write subqueries as common table expressions (WITH …)",
            ),
            error => {
                let error = QueryError::planning(&error.into());
                // The parser gives no place for the end of the text: it is the text's own.
                let at = error.at.or_else(|| error.message.ends_with("found: EOF").then(|| end_of(sql)));
                QueryError { at, ..error }
            }
        })?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement @ Statement::Query(_)), true) => {
            bounds::check_relations(&statement)?;
            Ok(statement)
        }
        (None, _) => Err(QueryError::new(QueryErrorKind::BadSql, "the query is empty: write a SELECT")),
        (Some(_), true) => Err(QueryError::new(
            QueryErrorKind::BadSql,
            "only queries are answered here: write a SELECT (or WITH … SELECT)",
        )),
        (Some(_), false) => {
            Err(QueryError::new(QueryErrorKind::BadSql, "write one query; this text has several statements"))
        }
    }
}

/// Where the text ends: 1-based line and column, behind its last word.
fn end_of(sql: &str) -> (u64, u64) {
    let text = sql.trim_end();
    let line = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() as u64 + 1, line.chars().count() as u64 + 1)
}

/// Says whether `sql` is one query of functions that exist, whatever streams do: what a configuration can be held to before
/// anything runs.
///
/// # Errors
/// [`QueryErrorKind::BadSql`] with the place where parsing stopped or of the function that there is not,
/// [`QueryErrorKind::LimitExceeded`] if it is too long.
pub fn check_sql(sql: &str) -> Result<(), QueryError> {
    functions::check(&parse(sql, QueryLimits::default().sql_bytes_max)?, sql)
}

/// The parameters that a query takes, by name without the `$`, those that the server fills in itself apart. None of a text
/// that is no query.
#[must_use]
pub fn parameter_names(sql: &str) -> Vec<String> {
    let parsed = parse(sql, QueryLimits::default().sql_bytes_max);
    let names = parsed.map(|statement| super::params::names(&statement)).unwrap_or_default();
    names.into_iter().filter(|name| !super::reserved::is(name)).collect()
}

/// Resolves the names of a parsed query against the streams that exist.
///
/// # Errors
/// [`QueryErrorKind::UnknownStream`] with the nearest names, [`QueryErrorKind::BadSql`] for a query that writes.
pub(crate) fn resolve(mut statement: Statement, history: &dyn History) -> Result<ResolvedQuery, QueryError> {
    let mut resolver = Resolver::new(history);
    if let Statement::Query(query) = &mut statement {
        resolver.query(query);
    }
    let (streams, has_wildcard) = resolver.finish()?;
    Ok(ResolvedQuery { statement, streams, has_wildcard })
}

/// The tables that a text names, as streams are called; none of a text that is no query.
pub(crate) fn tables_of(sql: &str) -> Vec<String> {
    let Ok(statement) = parse(sql, QueryLimits::default().sql_bytes_max) else { return Vec::new() };
    let mut tables = Vec::new();
    let _never_stops = visit_relations(&statement, |name| {
        let parts = name.0.iter().filter_map(ObjectNamePart::as_ident).map(|part| part.value.as_str());
        match *parts.collect::<Vec<_>>() {
            [prefix, table] if prefix.eq_ignore_ascii_case("ref") => tables.push(format!("ref_{table}")),
            ref parts => tables.push(parts.join(".")),
        }
        ControlFlow::<()>::Continue(())
    });
    tables
}

/// The place of the first name (of a column, stream or function) `name`, in any case if it is nowhere as it is.
pub(crate) fn place_of(sql: &str, name: &str) -> Option<(u64, u64)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let find = |same: &dyn Fn(&str) -> bool| {
        tokens.iter().find_map(|found| match &found.token {
            Token::Word(word) if same(&word.value) => Some((found.span.start.line, found.span.start.column)),
            _ => None,
        })
    };
    find(&|word| word == name).or_else(|| find(&|word| word.eq_ignore_ascii_case(name)))
}

/// The place of `operator` if the text has it once.
pub(crate) fn place_of_only(sql: &str, operator: &str) -> Option<(u64, u64)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    // DataFusion writes `!=` where the text may have `<>`.
    let is = |token: &Token| match token {
        Token::Neq => matches!(operator, "!=" | "<>"),
        token => token.to_string().eq_ignore_ascii_case(operator),
    };
    let mut found = tokens.iter().filter(|found| is(&found.token));
    let start = found.next()?.span.start;
    found.next().is_none().then_some((start.line, start.column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_that_mean_the_same_are_normalised_to_the_same() {
        let same = ["SELECT 'a', \"b\" -- comment\n FROM x ;", "SELECT  'a' ,\"b\"\tFROM /* why */ x"];
        assert_eq!(normalise(same[0]), normalise(same[1]));
        let different = [
            "SELECT 'a' , 'b'",
            "SELECT 'a'' , ''b'",
            "SELECT '\"a\" , ''\"b\"'",
            "SELECT \"a\" , \"b\"",
            "SELECT \"a\"\" , \"\"b\"",
            "SELECT a , b",
            "SELECT a b",
            "SELECT E'a\\n'",
            "SELECT E'a\\\\n'",
            "SELECT 'a",
            "SELECT '\"a\"",
            "SELECT a; SELECT b",
            "SELECT a SELECT b",
            "SELECT $a$x$a$",
            "SELECT $b$x$b$",
            "SELECT X'00'",
            "SELECT N'00'",
            "SELECT 1 > > 2",
            "SELECT 1 >> 2",
        ];
        for (number, one) in different.iter().enumerate() {
            for other in &different[number + 1..] {
                assert_ne!(normalise(one), normalise(other), "{one} and {other}");
            }
        }
    }

    #[test]
    fn a_text_names_the_streams_that_it_waits_for() {
        let sql = "WITH c AS (SELECT * FROM a.b) SELECT * FROM Orders o JOIN ref.products p ON true, c \
                   WHERE EXISTS (SELECT 1 FROM \"x y\")";
        let mut tables = tables_of(sql);
        tables.sort_unstable();
        assert_eq!(tables, ["Orders", "a.b", "c", "ref_products", "x y"]);
        assert!(tables_of("nonsense").is_empty());
    }

    #[test]
    fn errors_of_tokens_and_of_nesting_say_where_or_why() {
        let error = parse("SELECT\n 'a", 100).expect_err("an open quote");
        assert_eq!((error.kind, error.at), (QueryErrorKind::BadSql, Some((2, 2))));
        let sql = format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100));
        let error = parse(&sql, 1_000).expect_err("too deep");
        assert_eq!((error.kind, error.at), (QueryErrorKind::LimitExceeded, Some((1, 39))));
        let sql = format!("SELECT {} true", "NOT ".repeat(200));
        assert_eq!(parse(&sql, 1_000).expect_err("too deep").kind, QueryErrorKind::LimitExceeded);
    }
}
