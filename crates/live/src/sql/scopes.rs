//! What a name in a query means: which stream or common table expression, which column, alias or member of an object.
//!
//! Unquoted names match exactly, then case-insensitively if that is unique, so `userId` works as written. A name is
//! looked for where SQL sees it: columns of the FROM clause, then those of the queries around; aliases of the select list
//! only where SQL lets them be used. What is not found stays as it is written: DataFusion's error then says what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    GroupByExpr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins, Visit, VisitMut,
};
use pulseboard_model::schema::{HIDDEN_COLUMNS, TIME};
use pulseboard_model::{StreamName, StreamSchema};

use super::expressions::Expressions;
use super::reach::{ColumnName, Relation, Scope, folded, meaning, member, renamed, untyped};
use super::references;
use super::stars;
use super::weights::{WEIGHT_MAX, weigh};
use crate::api::{History, QueryError, QueryErrorKind};

/// Where aliases of the select list stand against columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aliases {
    /// WHERE, ON, the select list itself.
    Unseen,
    /// GROUP BY, HAVING, QUALIFY.
    AfterColumns,
    /// ORDER BY and DISTINCT ON, where the name stands by itself; inside an expression columns come first.
    BeforeColumns,
}

/// A common table expression that is in sight.
#[derive(Debug)]
struct Expression {
    name: String,
    columns: Vec<ColumnName>,
}

/// Walks a query and settles its names.
pub(super) struct Resolver<'h> {
    history: &'h dyn History,
    existing: Vec<StreamName>,
    found: BTreeMap<StreamName, Arc<StreamSchema>>,
    error: Option<QueryError>,
    has_wildcard: bool,
    /// The SELECTs around what is being walked, innermost last.
    pub(super) scopes: Vec<Scope>,
    /// The common table expressions in sight, innermost last.
    expressions: Vec<Expression>,
}

type Streams = Vec<(StreamName, Arc<StreamSchema>)>;

impl<'h> Resolver<'h> {
    pub(super) fn new(history: &'h dyn History) -> Self {
        Self {
            history,
            existing: history.streams(),
            found: BTreeMap::new(),
            error: None,
            has_wildcard: false,
            scopes: Vec::new(),
            expressions: Vec::new(),
        }
    }

    /// The streams that were found, and whether a `*` stands for columns of one.
    ///
    /// # Errors
    /// The first thing that cannot be: a stream that does not exist, a query that writes.
    pub(super) fn finish(self) -> Result<(Streams, bool), QueryError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.found.into_iter().collect(), self.has_wildcard)),
        }
    }

    fn refuse(&mut self, error: QueryError) {
        self.error = self.error.take().or(Some(error));
    }

    /// Settles the names of a query and gives the names of its columns.
    pub(super) fn query(&mut self, query: &mut Query) -> Vec<ColumnName> {
        let outside = self.expressions.len();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let name = cte.alias.name.value.clone();
                if with.recursive {
                    let columns = renamed(Vec::new(), &cte.alias);
                    self.expressions.push(Expression { name: name.clone(), columns });
                }
                let columns = renamed(self.query(&mut cte.query), &cte.alias);
                if with.recursive {
                    self.expressions.pop();
                }
                self.expressions.push(Expression { name, columns });
            }
        }
        let (columns, scope) = self.body(&mut query.body);
        let of_answer = Relation { name: None, columns: columns.clone(), is_stream: false };
        self.scopes.push(scope.unwrap_or_else(|| Scope { relations: vec![of_answer.clone()], aliases: Vec::new() }));
        self.expressions_in(&mut query.order_by, Aliases::BeforeColumns);
        self.expressions_in(&mut query.limit_clause, Aliases::Unseen);
        self.expressions_in(&mut query.fetch, Aliases::Unseen);
        if !query.pipe_operators.is_empty() {
            self.scopes.last_mut().expect("just pushed").relations.push(of_answer);
            self.expressions_in(&mut query.pipe_operators, Aliases::BeforeColumns);
        }
        self.scopes.pop();
        self.expressions.truncate(outside);
        columns
    }

    fn body(&mut self, body: &mut SetExpr) -> (Vec<ColumnName>, Option<Scope>) {
        match body {
            SetExpr::Select(select) => {
                let (columns, scope) = self.select(select);
                (columns, Some(scope))
            }
            SetExpr::Query(query) => (self.query(query), None),
            SetExpr::SetOperation { left, right, .. } => {
                let (mut columns, _) = self.body(left);
                let (others, _) = self.body(right);
                for (column, other) in columns.iter_mut().zip(others) {
                    column.weight = column.weight.max(other.weight);
                }
                (columns, None)
            }
            SetExpr::Values(values) => {
                let width = values.rows.first().map_or(0, |row| row.content.len());
                self.expressions_in(values, Aliases::Unseen);
                ((1..=width).map(|number| untyped(format!("column{number}"))).collect(), None)
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.refuse(writes());
                (Vec::new(), None)
            }
            SetExpr::Table(_) => (Vec::new(), None),
        }
    }

    fn select(&mut self, select: &mut Select) -> (Vec<ColumnName>, Scope) {
        if let Some(into) = &select.into {
            let at = into.name.0.first().and_then(ObjectNamePart::as_ident).and_then(place);
            self.refuse(QueryError { at, ..writes() });
        }
        let mut from = std::mem::take(&mut select.from);
        let mut scope = Scope::default();
        for tables in &mut from {
            self.tables(tables, &mut scope);
        }
        self.has_wildcard |= stars::write_out(select, &scope);

        self.scopes.push(scope);
        for join in from.iter_mut().flat_map(|tables| &mut tables.joins) {
            self.join(&mut join.join_operator);
        }
        // What sees aliases is taken out, so that the rest can be walked whatever it has.
        let mut group_by = std::mem::replace(&mut select.group_by, no_groups());
        let (mut having, mut qualify) = (select.having.take(), select.qualify.take());
        let mut distinct = select.distinct.take();
        self.expressions_in(select, Aliases::Unseen);
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases = select.projection.iter().filter_map(alias).collect();
        }
        self.expressions_in(&mut group_by, Aliases::AfterColumns);
        self.expressions_in(&mut having, Aliases::AfterColumns);
        self.expressions_in(&mut qualify, Aliases::AfterColumns);
        self.expressions_in(&mut distinct, Aliases::BeforeColumns);
        (select.group_by, select.having, select.qualify, select.distinct) = (group_by, having, qualify, distinct);
        select.from = from;
        let scope = self.scopes.pop().unwrap_or_default();
        (stars::columns(select, &scope), scope)
    }

    fn tables(&mut self, tables: &mut TableWithJoins, scope: &mut Scope) {
        self.factor(&mut tables.relation, scope);
        for join in &mut tables.joins {
            self.factor(&mut join.relation, scope);
        }
    }

    fn join(&mut self, join: &mut JoinOperator) {
        if let Some(JoinConstraint::Using(names)) = stars::constraint(join) {
            let idents = names.iter_mut().filter_map(|name| match name.0.as_mut_slice() {
                [ObjectNamePart::Identifier(ident)] => Some(ident),
                _ => None,
            });
            for ident in idents {
                self.single(ident, Aliases::Unseen);
            }
        }
        self.expressions_in(join, Aliases::Unseen);
    }

    /// Something in FROM: settles it and adds what it is to `scope`.
    pub(super) fn factor(&mut self, factor: &mut TableFactor, scope: &mut Scope) {
        if let Some(table) = references::written_out(factor, self.history, &self.existing) {
            // Its columns are those that the stream has now, as a `*` would be.
            self.has_wildcard = true;
            *factor = table;
        }
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let mut relation = self.table(name, args.is_some());
                if let Some(alias) = alias {
                    relation = Relation { columns: renamed(relation.columns, alias), ..relation };
                    relation.name = Some(alias.name.clone());
                }
                scope.relations.push(relation);
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let columns = if *lateral {
                    self.scopes.push(std::mem::take(scope));
                    let columns = self.query(subquery);
                    *scope = self.scopes.pop().unwrap_or_default();
                    columns
                } else {
                    self.query(subquery)
                };
                let columns = alias.as_ref().map_or(columns.clone(), |alias| renamed(columns, alias));
                let name = alias.as_ref().map(|alias| alias.name.clone());
                scope.relations.push(Relation { name, columns, is_stream: false });
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut inner = Scope::default();
                self.tables(table_with_joins, &mut inner);
                self.scopes.push(inner);
                for join in &mut table_with_joins.joins {
                    self.join(&mut join.join_operator);
                }
                let inner = self.scopes.pop().unwrap_or_default();
                match alias {
                    Some(alias) => {
                        let columns = inner.relations.into_iter().flat_map(|relation| relation.columns).collect();
                        let name = Some(alias.name.clone());
                        let columns = renamed(columns, alias);
                        scope.relations.push(Relation { name, columns, is_stream: false });
                    }
                    None => scope.relations.extend(inner.relations),
                }
            }
            // Functions in FROM see what stands to their left.
            TableFactor::UNNEST { .. } | TableFactor::Function { .. } | TableFactor::TableFunction { .. } => {
                self.scopes.push(std::mem::take(scope));
                let mut visitor =
                    Expressions { resolver: self, aliases: Aliases::Unseen, queries: 0, depth: 0, factors: false };
                let _never_stops = VisitMut::visit(factor, &mut visitor).is_continue();
                *scope = self.scopes.pop().unwrap_or_default();
                let alias = match factor {
                    TableFactor::UNNEST { alias, .. }
                    | TableFactor::Function { alias, .. }
                    | TableFactor::TableFunction { alias, .. } => alias.as_ref(),
                    _ => None,
                };
                let columns = alias.map_or(Vec::new(), |alias| renamed(Vec::new(), alias));
                let name = alias.map(|alias| alias.name.clone());
                scope.relations.push(Relation { name, columns, is_stream: false });
            }
            // Not answered; DataFusion says so.
            _ => scope.relations.push(Relation { name: None, columns: Vec::new(), is_stream: false }),
        }
    }

    /// A name in FROM: a common table expression in sight, else a stream.
    fn table(&mut self, name: &mut ObjectName, is_function: bool) -> Relation {
        // `a.b` unquoted can only be a stream whose name has a dot: there are no schemas here.
        if name.0.len() > 1 {
            let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
            let joined = parts.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".");
            let mut ident = if parts.iter().any(|part| part.quote_style.is_some()) {
                Ident::with_quote('"', joined)
            } else {
                Ident::new(joined)
            };
            if let Some(first) = parts.first() {
                ident.span = first.span;
            }
            name.0 = vec![ObjectNamePart::Identifier(ident)];
        }
        let Some(ObjectNamePart::Identifier(ident)) = name.0.first_mut() else {
            return Relation { name: None, columns: Vec::new(), is_stream: false };
        };
        let sought = ident.clone();
        // The innermost of one name hides the others.
        let of_name = |known: &&Expression| match sought.quote_style {
            Some(_) => known.name == sought.value,
            None => folded(&known.name) == folded(&sought.value),
        };
        let exact = self.expressions.iter().rev().find(|known| known.name == sought.value);
        if let Some(expression) = exact.or_else(|| self.expressions.iter().rev().find(of_name)) {
            ident.value.clone_from(&expression.name);
            return Relation { name: Some(ident.clone()), columns: expression.columns.clone(), is_stream: false };
        }
        if ident.quote_style.is_none()
            && let Some(meant) = meaning(&ident.value, self.existing.iter().map(StreamName::as_str))
        {
            ident.value = meant.to_owned();
        }
        let known = self.existing.iter().find(|known| known.as_str() == ident.value).filter(|_| !is_function);
        let schema = known.and_then(|known| Some((known.clone(), self.history.schema(known.as_str())?)));
        let settled = ident.clone();
        let Some((stream, schema)) = schema else {
            let mut error = QueryError::unknown_stream(&settled.value, self.existing.iter().map(StreamName::as_str));
            error.at = place(&settled);
            self.refuse(error);
            return Relation { name: Some(settled), columns: Vec::new(), is_stream: true };
        };
        let mut columns = vec![untyped(TIME.to_owned())];
        columns.extend(schema.fields.iter().map(|field| ColumnName {
            name: field.name.clone(),
            field_type: Some(field.field_type.clone()),
            weight: 1,
        }));
        columns.extend(HIDDEN_COLUMNS.map(|name| untyped(name.to_owned())));
        self.found.insert(stream, schema);
        Relation { name: Some(settled), columns, is_stream: true }
    }

    /// Settles the names in all expressions of `part`; queries in them are walked as queries.
    fn expressions_in<P: Visit + VisitMut>(&mut self, part: &mut P, aliases: Aliases) {
        let mut visitor = Expressions { resolver: self, aliases, queries: 0, depth: 0, factors: true };
        let _never_stops = VisitMut::visit(part, &mut visitor).is_continue();
        if self.scopes.last().is_some_and(|scope| weigh(part, scope) > WEIGHT_MAX) {
            let message = "an expression becomes too large when it is planned: nest CASE, coalesce and BETWEEN less, \
                           and use a subquery's column fewer times";
            self.refuse(QueryError::new(QueryErrorKind::LimitExceeded, message));
        }
    }

    /// A name without a dot.
    pub(super) fn single(&self, ident: &mut Ident, aliases: Aliases) -> bool {
        let found = self.scopes.iter().rev().enumerate().find_map(|(outward, scope)| {
            let of_list = || scope.aliases.iter().map(String::as_str);
            let column = || meaning(&ident.value, scope.columns());
            let alias = || meaning(&ident.value, of_list());
            let exactly = || of_list().chain(scope.columns()).find(|known| *known == ident.value);
            match aliases {
                // Aliases of the queries around are out of sight.
                _ if outward > 0 => column(),
                Aliases::Unseen => column(),
                Aliases::AfterColumns => column().or_else(alias),
                Aliases::BeforeColumns => exactly().or_else(alias).or_else(column),
            }
        });
        let found = found.map(str::to_owned);
        let is_known = found.is_some();
        if let Some(found) = found.filter(|_| ident.quote_style.is_none()) {
            ident.value = found;
        }
        is_known
    }

    /// A name with dots: a relation's column, or a member of an object. Gives how many parts name the relation.
    pub(super) fn path(&self, parts: &mut [&mut Ident]) -> usize {
        for scope in self.scopes.iter().rev() {
            for exactly in [true, false] {
                if let Some((relation, length)) = scope.relation(parts, exactly) {
                    if let [first] = &mut parts[..length]
                        && let Some(name) = &relation.name
                    {
                        first.value.clone_from(&name.value);
                    }
                    member(&mut parts[length..], &relation.columns);
                    return length;
                }
                let columns = scope.relations.iter().flat_map(|relation| &relation.columns);
                let is_column = match parts.first() {
                    Some(first) if exactly => columns.clone().any(|column| column.name == first.value),
                    Some(first) if first.quote_style.is_none() => meaning(&first.value, scope.columns()).is_some(),
                    _ => false,
                };
                if is_column {
                    member(parts, columns);
                    return 0;
                }
            }
        }
        0
    }
}

/// Where an identifier stands in the text.
fn place(ident: &Ident) -> Option<(u64, u64)> {
    let start = ident.span.start;
    (start.line > 0).then_some((start.line, start.column))
}

fn writes() -> QueryError {
    QueryError::new(QueryErrorKind::BadSql, "only queries are answered here: this one would write")
}

fn no_groups() -> GroupByExpr {
    GroupByExpr::Expressions(Vec::new(), Vec::new())
}

fn alias(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}
