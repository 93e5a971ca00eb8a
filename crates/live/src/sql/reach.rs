//! What a SELECT has in reach: relations, their columns, aliases; and which of them a name is.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::{Ident, TableAlias};
use pulseboard_model::FieldType;

/// A column in reach.
#[derive(Debug, Clone)]
pub(super) struct ColumnName {
    /// Empty if nothing can name it.
    pub(super) name: String,
    /// Its type, where that is known.
    pub(super) field_type: Option<FieldType>,
    /// The size of the expression it stands for.
    pub(super) weight: u64,
}

/// Something in FROM.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// What its columns are qualified by, if anything.
    pub(super) name: Option<Ident>,
    pub(super) columns: Vec<ColumnName>,
    /// Whether `*` leaves its underscored columns out.
    pub(super) is_stream: bool,
}

/// The names that one SELECT sees.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    pub(super) aliases: Vec<String>,
}

impl Scope {
    /// The names of all columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.relations.iter().flat_map(|relation| &relation.columns).map(|column| column.name.as_str())
    }

    /// The relation that the first parts of a path name, and how many they are: a stream's name may have dots.
    pub(super) fn relation(&self, parts: &[&mut Ident], exactly: bool) -> Option<(&Relation, usize)> {
        (1..parts.len()).rev().find_map(|length| {
            let name = parts[..length].iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
            let named = || self.relations.iter().filter_map(|relation| Some((relation.name.as_ref()?, relation)));
            let meant = if exactly {
                name.as_str()
            } else if parts[..length].iter().any(|part| part.quote_style.is_some()) {
                return None;
            } else {
                meaning(&name, named().map(|(name, _)| name.value.as_str()))?
            };
            named().find(|(name, _)| name.value == meant).map(|(_, relation)| (relation, length))
        })
    }
}

/// Settles the parts of a path that dig into one of `columns`.
pub(super) fn member<'c>(parts: &mut [&mut Ident], columns: impl IntoIterator<Item = &'c ColumnName> + Clone) {
    let Some((first, rest)) = parts.split_first_mut() else { return };
    settle(first, columns.clone().into_iter().map(|column| column.name.as_str()));
    let mut inside =
        columns.into_iter().find(|column| column.name == first.value).and_then(|column| column.field_type.as_ref());
    for part in rest {
        let Some(FieldType::Struct(fields)) = inside else { return };
        settle(part, fields.iter().map(|(name, _)| name.as_str()));
        inside = fields.iter().find(|(name, _)| *name == part.value).map(|(_, field_type)| field_type);
    }
}

/// A column of which only the name is known.
pub(super) fn untyped(name: String) -> ColumnName {
    ColumnName { name, field_type: None, weight: 1 }
}

/// Columns as `AS name(a, b)` calls them.
pub(super) fn renamed(mut columns: Vec<ColumnName>, alias: &TableAlias) -> Vec<ColumnName> {
    for (number, column) in alias.columns.iter().enumerate() {
        match columns.get_mut(number) {
            Some(known) => known.name.clone_from(&column.name.value),
            None => columns.push(untyped(column.name.value.clone())),
        }
    }
    columns
}

/// `name` without regard to case, in any script.
pub(super) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The one of `known` that the unquoted `name` means, if any.
pub(super) fn meaning<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut alike = BTreeSet::new();
    let wanted = folded(name);
    for candidate in known {
        if candidate == name {
            return Some(candidate);
        }
        if folded(candidate) == wanted {
            alike.insert(candidate);
        }
    }
    alike.pop_first().filter(|_| alike.is_empty())
}

/// Spells `ident` as the one of `known` that it means.
pub(super) fn settle<'a>(ident: &mut Ident, known: impl IntoIterator<Item = &'a str>) {
    if ident.quote_style.is_none()
        && let Some(found) = meaning(&ident.value, known)
    {
        ident.value = found.to_owned();
    }
}
