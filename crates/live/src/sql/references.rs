//! `ref.NAME` in FROM: the table that the latest rows of the stream `ref_NAME` are, without those marked as gone.
//!
//! It is written out as the query that one would write by hand, before any name is resolved, so live and batch know nothing
//! of it. A stream that is really called `ref.NAME` wins.

use datafusion::sql::sqlparser::ast::{Ident, ObjectNamePart, Statement, TableAlias, TableFactor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use pulseboard_model::{StreamName, StreamSchema};

use super::reach::meaning;
use crate::api::History;

/// The field that says whether a row is gone.
const DELETED: &str = "_deleted";

/// The query that `factor` stands for if it names such a table; `None` if it does not, or nothing is loaded yet.
pub(super) fn written_out(factor: &TableFactor, history: &dyn History, existing: &[StreamName]) -> Option<TableFactor> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    let parts: Vec<&Ident> = name.0.iter().map(ObjectNamePart::as_ident).collect::<Option<_>>()?;
    let [prefix, table] = parts.as_slice() else { return None };
    if !prefix.value.eq_ignore_ascii_case("ref") || existing.iter().any(|known| is_dotted(known, prefix, table)) {
        return None;
    }
    let sought = format!("ref_{}", table.value);
    let known = || existing.iter().map(StreamName::as_str);
    let meant =
        if table.quote_style.is_some() { known().find(|known| **known == sought)? } else { meaning(&sought, known())? };
    let stream = existing.iter().find(|known| known.as_str() == meant)?;
    let text = query_text(stream, &history.key(stream)?, &*history.schema(meant)?)?;
    let statement = Parser::parse_sql(&GenericDialect {}, &text).ok()?.pop()?;
    let Statement::Query(subquery) = statement else { return None };
    let own = || TableAlias { explicit: true, name: (*table).clone(), columns: Vec::new(), at: None };
    let alias = Some(alias.clone().unwrap_or_else(own));
    Some(TableFactor::Derived { lateral: false, subquery, alias, sample: None })
}

fn is_dotted(known: &StreamName, prefix: &Ident, table: &Ident) -> bool {
    known.as_str() == format!("{}.{}", prefix.value, table.value)
}

fn query_text(stream: &StreamName, key: &str, schema: &StreamSchema) -> Option<String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    // Before the first load the stream may have declared fields and no rows.
    schema.field(DELETED)?;
    schema.field(key)?;
    let fields = schema.fields.iter().map(|field| field.name.as_str()).filter(|name| *name != DELETED);
    let columns = fields.map(quoted).collect::<Vec<_>>().join(", ");
    let (stream, key, deleted) = (quoted(stream.as_str()), quoted(key), quoted(DELETED));
    Some(format!(
        "SELECT {columns} FROM (SELECT DISTINCT ON ({key}) {columns}, {deleted} FROM {stream} ORDER BY {key}, time DESC) \
         AS rows WHERE NOT {deleted}"
    ))
}
