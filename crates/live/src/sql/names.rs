//! Names in SQL text: which streams a query reads, what an unquoted name means, and what `*` stands for.
//!
//! Unquoted names match exactly, then case-insensitively if that is unique, so `userId` works as written. `SELECT *`
//! over a stream leaves the underscored system columns out.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserOptions};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use pulseboard_model::FieldType;
use pulseboard_model::limits::QueryLimits;
use pulseboard_model::schema::{HIDDEN_COLUMNS, TIME};
use pulseboard_model::{StreamName, StreamSchema};

use crate::api::{History, QueryError, QueryErrorKind};

/// How deep expressions and subqueries may nest.
const RECURSION_MAX: usize = 60;

/// A parsed query whose names are resolved.
#[derive(Debug)]
pub(crate) struct ResolvedQuery {
    pub(crate) statement: Statement,
    /// The streams it reads, with the schemas its names were resolved against.
    pub(crate) streams: Vec<(StreamName, std::sync::Arc<StreamSchema>)>,
    /// Whether a `*` was expanded over a stream: new fields then change the answer's columns.
    pub(crate) has_wildcard: bool,
}

/// Brings two texts that differ in white space or comments only to the same one.
pub fn normalise(sql: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else {
        return sql.trim().to_owned();
    };
    let words = tokens.iter().filter(|t| !matches!(t, Token::Whitespace(_) | Token::SemiColon | Token::EOF));
    words.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Parses `sql` as one query.
///
/// # Errors
/// [`QueryErrorKind::BadSql`] with the place where parsing stopped.
pub(crate) fn parse(sql: &str, sql_bytes_max: usize) -> Result<Statement, QueryError> {
    if sql.len() > sql_bytes_max {
        let message = format!("the query has {} bytes; at most {sql_bytes_max} are allowed", sql.len());
        return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
    }
    let dialect = GenericDialect {};
    let mut statements = Parser::new(&dialect)
        .with_options(ParserOptions::new())
        .with_recursion_limit(RECURSION_MAX)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| QueryError::planning(&error.into()))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement @ Statement::Query(_)), true) => Ok(statement),
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

/// Says whether `sql` is one query, whatever streams exist: what a configuration can be held to before anything runs.
///
/// # Errors
/// [`QueryErrorKind::BadSql`] with the place where parsing stopped, [`QueryErrorKind::LimitExceeded`] if it is too long.
pub fn check_sql(sql: &str) -> Result<(), QueryError> {
    parse(sql, QueryLimits::default().sql_bytes_max).map(|_| ())
}

/// Resolves the names of a parsed query against the streams that exist.
///
/// # Errors
/// [`QueryErrorKind::UnknownStream`] with the nearest names.
pub(crate) fn resolve(mut statement: Statement, history: &dyn History) -> Result<ResolvedQuery, QueryError> {
    let mut declared = Declared::default();
    visit(&mut statement, &mut declared);

    let existing = history.streams();
    let mut relations = Relations { declared: &declared, existing: &existing, found: BTreeSet::new(), unknown: None };
    visit(&mut statement, &mut relations);
    if let Some(unknown) = relations.unknown {
        let mut error = QueryError::unknown_stream(&unknown.value, existing.iter().map(StreamName::as_str));
        error.at = place(&unknown);
        return Err(error);
    }
    let mut streams = Vec::new();
    for name in relations.found {
        let schema = history
            .schema(name.as_str())
            .ok_or_else(|| QueryError::unknown_stream(name.as_str(), existing.iter().map(StreamName::as_str)))?;
        streams.push((name, schema));
    }

    let mut known = declared.names.clone();
    known.insert(TIME.to_owned());
    known.extend(HIDDEN_COLUMNS.map(str::to_owned));
    for (name, schema) in &streams {
        known.insert(name.as_str().to_owned());
        for field in &schema.fields {
            known.insert(field.name.clone());
            nested_names(&field.field_type, &mut known);
        }
    }
    let mut columns = Columns { known: &known };
    visit(&mut statement, &mut columns);

    let mut wildcards = Wildcards { streams: streams.iter().map(|(name, _)| name.as_str()).collect(), expanded: false };
    visit(&mut statement, &mut wildcards);
    let has_wildcard = wildcards.expanded;
    Ok(ResolvedQuery { statement, streams, has_wildcard })
}

/// No visitor here ever stops early, so what a visit gives back says nothing.
fn visit<V: VisitorMut<Break = ()>>(statement: &mut Statement, visitor: &mut V) {
    let _continued = statement.visit(visitor).is_continue();
}

/// Where an identifier stands in the text.
pub(crate) fn place(ident: &Ident) -> Option<(u64, u64)> {
    let start = ident.span.start;
    (start.line > 0).then_some((start.line, start.column))
}

/// The place of the first identifier called `name`.
pub(crate) fn place_of(sql: &str, name: &str) -> Option<(u64, u64)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    tokens.iter().find_map(|found| match &found.token {
        Token::Word(word) if word.value == name => Some((found.span.start.line, found.span.start.column)),
        _ => None,
    })
}

fn nested_names(field_type: &FieldType, known: &mut BTreeSet<String>) {
    match field_type {
        FieldType::Struct(fields) => {
            for (name, inner) in fields {
                known.insert(name.clone());
                nested_names(inner, known);
            }
        }
        FieldType::List(item) => nested_names(item, known),
        _ => {}
    }
}

/// The one of `known` that the unquoted `name` means, if any.
fn meaning<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut folded = None;
    let mut unique = true;
    for candidate in known {
        if candidate == name {
            return Some(candidate);
        }
        if candidate.eq_ignore_ascii_case(name) {
            unique &= folded.is_none();
            folded = Some(candidate);
        }
    }
    folded.filter(|_| unique)
}

fn settle<'a>(ident: &mut Ident, known: impl IntoIterator<Item = &'a str>) {
    if ident.quote_style.is_none()
        && let Some(found) = meaning(&ident.value, known)
        && found != ident.value
    {
        ident.value = found.to_owned();
    }
}

/// Collects the names that the query itself declares: aliases and common table expressions.
#[derive(Debug, Default)]
struct Declared {
    names: BTreeSet<String>,
    ctes: BTreeSet<String>,
}

impl VisitorMut for Declared {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.clone());
            self.names.insert(cte.alias.name.value.clone());
            self.names.extend(cte.alias.columns.iter().map(|column| column.name.value.clone()));
        }
        if let SetExpr::Select(select) = query.body.as_ref() {
            self.names.extend(select.projection.iter().filter_map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
                _ => None,
            }));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } = factor
        {
            self.names.insert(alias.name.value.clone());
            self.names.extend(alias.columns.iter().map(|column| column.name.value.clone()));
        }
        ControlFlow::Continue(())
    }
}

/// Finds the streams in FROM and settles their spelling.
struct Relations<'a> {
    declared: &'a Declared,
    existing: &'a [StreamName],
    found: BTreeSet<StreamName>,
    unknown: Option<Ident>,
}

impl VisitorMut for Relations<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        // `a.b` unquoted can only be a stream whose name has a dot: there are no schemas here.
        if relation.0.len() > 1 {
            let parts: Vec<&str> =
                relation.0.iter().filter_map(ObjectNamePart::as_ident).map(|ident| ident.value.as_str()).collect();
            let mut joined = Ident::with_quote('"', parts.join("."));
            if let Some(first) = relation.0.first().and_then(ObjectNamePart::as_ident) {
                joined.span = first.span;
            }
            relation.0 = vec![ObjectNamePart::Identifier(joined)];
        }
        let Some(ObjectNamePart::Identifier(ident)) = relation.0.first_mut() else {
            return ControlFlow::Continue(());
        };
        if meaning(&ident.value, self.declared.ctes.iter().map(String::as_str)).is_some() {
            settle(ident, self.declared.ctes.iter().map(String::as_str));
            return ControlFlow::Continue(());
        }
        settle(ident, self.existing.iter().map(StreamName::as_str));
        match self.existing.iter().find(|name| name.as_str() == ident.value) {
            Some(name) => {
                self.found.insert(name.clone());
            }
            None => self.unknown = self.unknown.take().or_else(|| Some(ident.clone())),
        }
        ControlFlow::Continue(())
    }
}

/// Settles the spelling of unquoted column names.
struct Columns<'a> {
    known: &'a BTreeSet<String>,
}

impl VisitorMut for Columns<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let known = || self.known.iter().map(String::as_str);
        match expr {
            Expr::Identifier(ident) => settle(ident, known()),
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(|ident| settle(ident, known())),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Leaves the underscored columns out of every `*` over a stream.
struct Wildcards<'a> {
    streams: BTreeSet<&'a str>,
    expanded: bool,
}

impl Wildcards<'_> {
    /// The relation's name in the query and whether it is a stream.
    fn relation(&self, factor: &TableFactor) -> Option<(Ident, bool)> {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let ident = name.0.first()?.as_ident()?;
                let is_stream = self.streams.contains(ident.value.as_str());
                Some((alias.as_ref().map_or_else(|| ident.clone(), |alias| alias.name.clone()), is_stream))
            }
            TableFactor::Derived { alias: Some(alias), .. } => Some((alias.name.clone(), false)),
            _ => None,
        }
    }

    fn hide(options: &mut WildcardAdditionalOptions) {
        let hidden = HIDDEN_COLUMNS.map(Ident::new);
        match &mut options.opt_except {
            Some(except) => {
                let named: BTreeSet<String> = std::iter::once(&except.first_element)
                    .chain(&except.additional_elements)
                    .map(|ident| ident.value.clone())
                    .collect();
                except.additional_elements.extend(hidden.into_iter().filter(|ident| !named.contains(&ident.value)));
            }
            None => {
                let [first_element, rest @ ..] = hidden;
                options.opt_except = Some(ExceptSelectItem { first_element, additional_elements: rest.to_vec() });
            }
        }
    }
}

impl VisitorMut for Wildcards<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors = select
            .from
            .iter()
            .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)));
        let Some(relations) = factors.map(|factor| self.relation(factor)).collect::<Option<Vec<_>>>() else {
            return ControlFlow::Continue(());
        };
        let is_stream = |name: &str| relations.iter().any(|(ident, stream)| *stream && ident.value == name);
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in select.projection.drain(..) {
            match item {
                SelectItem::Wildcard(mut options) => match relations.as_slice() {
                    [(_, true)] => {
                        self.expanded = true;
                        Self::hide(&mut options);
                        projection.push(SelectItem::Wildcard(options));
                    }
                    several if several.iter().any(|(_, stream)| *stream) => {
                        self.expanded = true;
                        for (ident, stream) in several {
                            let mut options = options.clone();
                            if *stream {
                                Self::hide(&mut options);
                            }
                            let kind = SelectItemQualifiedWildcardKind::ObjectName(vec![ident.clone()].into());
                            projection.push(SelectItem::QualifiedWildcard(kind, options));
                        }
                    }
                    _ => projection.push(SelectItem::Wildcard(options)),
                },
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), mut options) => {
                    let of_stream =
                        name.0.first().and_then(ObjectNamePart::as_ident).is_some_and(|ident| is_stream(&ident.value));
                    if of_stream {
                        self.expanded = true;
                        Self::hide(&mut options);
                    }
                    projection.push(SelectItem::QualifiedWildcard(
                        SelectItemQualifiedWildcardKind::ObjectName(name),
                        options,
                    ));
                }
                other => projection.push(other),
            }
        }
        select.projection = projection;
        ControlFlow::Continue(())
    }
}
