//! From DataFusion's errors to ours: who is at fault, where in the text, which names are near.

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

use crate::api::{QueryError, QueryErrorKind};
use crate::ending::Ended;

/// What is said of a function whose arguments have types that it does not take.
const WRONG_TYPES: &str = "cannot take what it is given: it has another type";

/// How DataFusion's error of two columns with one name begins.
const NOT_UNIQUE: &str = "Projections require unique expression names";

/// How many near names an error lists.
const NEAREST_MAX: usize = 3;

impl QueryError {
    pub(crate) fn new(kind: QueryErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), at: None, nearest: Vec::new() }
    }

    pub(crate) fn internal(error: &DataFusionError) -> Self {
        Self::new(QueryErrorKind::Internal, first_line(&error.strip_backtrace()))
    }

    /// An error of parsing or planning: the text is at fault.
    pub(crate) fn planning(error: &DataFusionError) -> Self {
        let message = readable(error);
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let at = span.map(|span| (span.start.line, span.start.column)).or_else(|| place(&message));
        let found = match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => return Self::running(error),
            DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    let known = valid_fields.iter().map(|valid| valid.name.as_str());
                    Self::unknown_column(&field.name, known)
                }
                SchemaError::AmbiguousReference { field } if field.relation.is_none() => Self::new(
                    QueryErrorKind::BadSql,
                    format!("several tables have a column `{0}`: say of which it is, as in `a.{0}`", field.name),
                ),
                SchemaError::AmbiguousReference { field } => Self::called_twice(&field.name),
                SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
                    Self::called_twice(name)
                }
            },
            _ if message.starts_with(NOT_UNIQUE) => {
                let name = message.split(" at position").next().and_then(|expr| expr.rsplit_once(" AS "));
                name.map_or_else(
                    || Self::new(QueryErrorKind::BadSql, message.clone()),
                    |(_, name)| Self::called_twice(name.trim_matches('"')),
                )
            }
            DataFusionError::NotImplemented(_) => {
                Self::new(QueryErrorKind::NotYet, format!("this is not supported: {message}"))
            }
            // DataFusion calls arguments of the wrong types a fault of its own.
            _ if message.contains("failed to match any signature") => {
                let name = message.split('\'').nth(1).unwrap_or("the function").to_owned();
                Self::new(QueryErrorKind::BadSql, format!("`{name}` {WRONG_TYPES}"))
            }
            DataFusionError::Internal(_) => Self::new(QueryErrorKind::Internal, message),
            _ => Self::new(QueryErrorKind::BadSql, message),
        };
        Self { at, ..found }
    }

    /// An error of running: the data or a limit is at fault.
    pub(crate) fn running(error: &DataFusionError) -> Self {
        if let Some(ended) = Ended::of(error) {
            return Self::ended(ended);
        }
        let message = readable(error);
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::new(
                QueryErrorKind::LimitExceeded,
                format!(
                    "the query needs more memory than a query may take: narrow its time range or its groups ({message})"
                ),
            ),
            DataFusionError::Internal(_) => Self::new(QueryErrorKind::Internal, message),
            _ => Self::new(QueryErrorKind::Failed, message),
        }
    }

    /// It was ended before it was done.
    pub(crate) fn ended(why: Ended) -> Self {
        Self::new(QueryErrorKind::LimitExceeded, why.to_string())
    }

    /// A column that does not exist.
    pub(crate) fn unknown_column<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        // A column of that very name is out of reach: its table is not what was written before the dot.
        let (same, other): (Vec<&str>, Vec<&str>) = known.into_iter().partition(|known| *known == name);
        let nearest = nearest(name, other);
        let message = if same.is_empty() {
            format!("there is no column `{name}`{}", did_you_mean(&nearest))
        } else {
            format!("there is no column `{name}` under that name of a table")
        };
        Self { nearest, ..Self::new(QueryErrorKind::UnknownColumn, message) }
    }

    /// Two columns with one name. Beside `unnest` a column that is read keeps its own.
    fn called_twice(name: &str) -> Self {
        let message = format!(
            "two columns are called `{name}`: call one of them otherwise, with AS (beside `unnest`, one that is read counts, \
             too)"
        );
        Self::new(QueryErrorKind::BadSql, message)
    }

    /// A stream that does not exist.
    pub(crate) fn unknown_stream<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let nearest = nearest(name, known);
        let message = format!("there is no stream `{name}`{}", did_you_mean(&nearest));
        Self { nearest, ..Self::new(QueryErrorKind::UnknownStream, message) }
    }

    /// A function that does not exist.
    pub(crate) fn no_function<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let nearest = nearest(name, known);
        let message = format!("there is no function `{name}`{}", did_you_mean(&nearest));
        Self { nearest, ..Self::new(QueryErrorKind::BadSql, message) }
    }

    /// The name of the unknown function, if that is what DataFusion complains about.
    pub(crate) fn unknown_function(&self) -> Option<&str> {
        self.message.strip_prefix("Invalid function '")?.split('\'').next()
    }

    /// The operator whose sides have types that it cannot take, if that is what DataFusion complains about.
    pub(crate) fn operator(&self) -> Option<&str> {
        let starts = ["arithmetic expression ", "comparison operation ", "boolean operation ", "regex operation "];
        let rest = starts.iter().find_map(|start| self.message.split_once(start).map(|(_, rest)| rest))?;
        // Types may hold spaces, but no operators between them.
        rest.split(' ').find(|word| word.chars().all(|c| "+-*/%=<>!~|&^@".contains(c)) || matches!(*word, "AND" | "OR"))
    }

    /// What in the text the message is about: a column, a stream or a function.
    pub(crate) fn subject(&self) -> Option<&str> {
        let after = |start: &str| self.message.split_once(start).map(|(_, rest)| rest);
        let quoted = match self.kind {
            QueryErrorKind::UnknownColumn | QueryErrorKind::UnknownStream => after("`"),
            _ => after("there is no function `")
                .or_else(|| after("No function matches the given name and argument types '"))
                .or_else(|| after("to satisfy a call to '"))
                .or_else(|| after("Function '"))
                .or_else(|| self.message.ends_with(WRONG_TYPES).then(|| after("`")).flatten()),
        }?;
        quoted.split(['`', '\'', '(']).next().filter(|name| !name.is_empty())
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean {}?", names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ")),
    }
}

/// The known names that look most like `name`, best first.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .filter(|candidate| !candidate.starts_with('_'))
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score > 0.7)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(NEAREST_MAX).map(|(_, candidate)| candidate.to_owned()).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// The root cause without DataFusion's prefixes.
fn readable(error: &DataFusionError) -> String {
    let text = match error.find_root() {
        DataFusionError::SQL(error, _) => error.to_string(),
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::ResourcesExhausted(text) => text.clone(),
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => "division by zero".to_owned(),
            ArrowError::CastError(text)
            | ArrowError::ComputeError(text)
            | ArrowError::ArithmeticOverflow(text)
            | ArrowError::ParseError(text) => text.clone(),
            other => other.to_string(),
        },
        other => other.strip_backtrace(),
    };
    let line = first_line(&text);
    line.strip_prefix("sql parser error: ").unwrap_or(&line).to_owned()
}

/// sqlparser puts the place into its message: `… at Line: 1, Column: 8`.
fn place(message: &str) -> Option<(u64, u64)> {
    let rest = message.split(" at Line: ").nth(1)?;
    let (line, column) = rest.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((line.trim().parse().ok()?, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_come_with_the_nearest() {
        let error = QueryError::unknown_stream("order", ["orders", "visits", "_order"]);
        assert_eq!(error.nearest, ["orders"]);
        assert_eq!(error.message, "there is no stream `order`; did you mean `orders`?");
        assert!(QueryError::unknown_stream("zzz", ["orders"]).nearest.is_empty());
    }

    #[test]
    fn the_place_is_read_out_of_the_parsers_message() {
        assert_eq!(place("Expected: an expression, found: FROM at Line: 2, Column: 8"), Some((2, 8)));
        assert_eq!(place("no place"), None);
    }
}
