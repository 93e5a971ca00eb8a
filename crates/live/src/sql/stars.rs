//! What `*` stands for, and how the columns of a SELECT are called.
//!
//! `SELECT *` over a stream leaves the underscored system columns out. Nothing here settles names of expressions.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    RenameSelectItem, Select, SelectItem, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};
use pulseboard_model::schema::HIDDEN_COLUMNS;

use super::reach::{ColumnName, Relation, Scope, meaning, settle, untyped};
use super::weights::weigh;

/// Leaves the underscored columns out of every `*` over a stream and settles the names that stars mention. Says whether
/// there is such a star.
pub(super) fn write_out(select: &mut Select, scope: &Scope) -> bool {
    let mut over_stream = false;
    let relations = scope.relations.as_slice();
    let mut projection = Vec::with_capacity(select.projection.len());
    for item in select.projection.drain(..) {
        match item {
            SelectItem::Wildcard(mut options) => {
                settle_options(&mut options, scope);
                let has_stream = relations.iter().any(|relation| relation.is_stream);
                over_stream |= has_stream;
                let names: Option<Vec<&Ident>> = relations.iter().map(|relation| relation.name.as_ref()).collect();
                match names {
                    Some(names) if has_stream && names.len() > 1 => {
                        for (relation, name) in relations.iter().zip(names) {
                            let mut options = options.clone();
                            if relation.is_stream {
                                hide(&mut options);
                            }
                            let kind = SelectItemQualifiedWildcardKind::ObjectName(vec![name.clone()].into());
                            projection.push(SelectItem::QualifiedWildcard(kind, options));
                        }
                    }
                    _ => {
                        if has_stream {
                            hide(&mut options);
                        }
                        projection.push(SelectItem::Wildcard(options));
                    }
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(mut name), mut options) => {
                settle_options(&mut options, scope);
                if named(&mut name, scope).is_some_and(|relation| relation.is_stream) {
                    over_stream = true;
                    hide(&mut options);
                }
                let kind = SelectItemQualifiedWildcardKind::ObjectName(name);
                projection.push(SelectItem::QualifiedWildcard(kind, options));
            }
            other => projection.push(other),
        }
    }
    select.projection = projection;
    over_stream
}

/// The relation that `name.*` means; its name is settled.
fn named<'s>(name: &mut ObjectName, scope: &'s Scope) -> Option<&'s Relation> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
    let joined = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
    let unquoted = parts.iter().all(|part| part.quote_style.is_none());
    let known =
        || scope.relations.iter().filter_map(|relation| Some((relation.name.as_ref()?.value.as_str(), relation)));
    let meant = if unquoted { meaning(&joined, known().map(|(name, _)| name))? } else { joined.as_str() };
    let (meant, relation) = known().find(|(name, _)| *name == meant)?;
    let mut ident = Ident::with_quote('"', meant);
    if let Some(first) = parts.first() {
        ident.span = first.span;
    }
    name.0 = vec![ObjectNamePart::Identifier(ident)];
    Some(relation)
}

fn settle_options(options: &mut WildcardAdditionalOptions, scope: &Scope) {
    let mut idents: Vec<&mut Ident> = Vec::new();
    match &mut options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => idents.extend(last(name)),
        Some(ExcludeSelectItem::Multiple(names)) => idents.extend(names.iter_mut().filter_map(last)),
        None => {}
    }
    if let Some(except) = &mut options.opt_except {
        idents.push(&mut except.first_element);
        idents.extend(&mut except.additional_elements);
    }
    if let Some(replace) = &mut options.opt_replace {
        idents.extend(replace.items.iter_mut().map(|item| &mut item.column_name));
    }
    match &mut options.opt_rename {
        Some(RenameSelectItem::Single(item)) => idents.push(&mut item.ident),
        Some(RenameSelectItem::Multiple(items)) => idents.extend(items.iter_mut().map(|item| &mut item.ident)),
        None => {}
    }
    for ident in idents {
        settle(ident, scope.columns());
    }
}

fn last(name: &mut ObjectName) -> Option<&mut Ident> {
    match name.0.last_mut() {
        Some(ObjectNamePart::Identifier(ident)) => Some(ident),
        _ => None,
    }
}

/// The names that the star leaves out already.
fn left_out(options: &WildcardAdditionalOptions) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let excluded = match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
        Some(ExcludeSelectItem::Multiple(names)) => names.as_slice(),
        None => &[],
    };
    names.extend(excluded.iter().filter_map(|name| Some(name.0.last()?.as_ident()?.value.clone())));
    if let Some(except) = &options.opt_except {
        names.insert(except.first_element.value.clone());
        names.extend(except.additional_elements.iter().map(|ident| ident.value.clone()));
    }
    names
}

fn hide(options: &mut WildcardAdditionalOptions) {
    let named = left_out(options);
    let mut hidden = HIDDEN_COLUMNS.into_iter().filter(|name| !named.contains(*name)).map(Ident::new);
    match &mut options.opt_except {
        Some(except) => except.additional_elements.extend(hidden),
        None => {
            if let Some(first_element) = hidden.next() {
                options.opt_except = Some(ExceptSelectItem { first_element, additional_elements: hidden.collect() });
            }
        }
    }
}

/// The columns of a SELECT whose names are settled.
pub(super) fn columns(select: &Select, scope: &Scope) -> Vec<ColumnName> {
    let mut columns = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => columns.push(column(expr, scope)),
            SelectItem::ExprWithAlias { expr, alias } => {
                columns.push(ColumnName { name: alias.value.clone(), ..column(expr, scope) });
            }
            SelectItem::ExprWithAliases { aliases, .. } => {
                columns.extend(aliases.iter().map(|alias| untyped(alias.value.clone())));
            }
            SelectItem::Wildcard(options) => {
                let left_out = left_out(options);
                let all = scope.relations.iter().flat_map(|relation| &relation.columns);
                columns.extend(all.filter(|column| !left_out.contains(&column.name)).cloned());
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let left_out = left_out(options);
                let relation = named(&mut name.clone(), scope);
                let all = relation.into_iter().flat_map(|relation| &relation.columns);
                columns.extend(all.filter(|column| !left_out.contains(&column.name)).cloned());
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {}
        }
    }
    columns
}

/// The column that `expr` gives.
fn column(expr: &Expr, scope: &Scope) -> ColumnName {
    let (name, field_type) = match expr {
        Expr::Identifier(ident) => {
            let mut columns = scope.relations.iter().flat_map(|relation| &relation.columns);
            let known = columns.find(|column| column.name == ident.value);
            (ident.value.clone(), known.and_then(|column| column.field_type.clone()))
        }
        Expr::CompoundIdentifier(parts) => (parts.last().map(|part| part.value.clone()).unwrap_or_default(), None),
        _ => (String::new(), None),
    };
    ColumnName { name, field_type, weight: weigh(expr, scope) }
}

/// What two relations are joined by.
pub(super) fn constraint(join: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint)
        | JoinOperator::StraightJoin(constraint)
        | JoinOperator::AsOf { constraint, .. } => Some(constraint),
        JoinOperator::CrossApply
        | JoinOperator::OuterApply
        | JoinOperator::ArrayJoin
        | JoinOperator::LeftArrayJoin
        | JoinOperator::InnerArrayJoin => None,
    }
}
