//! How deep a query may nest, decided on its tokens before anything is parsed.
//!
//! The parser holds nesting to a limit but reads `1 + 1 + 1 …` in a loop, into a tree as deep as the text is long, and
//! everything that walks, copies or drops that tree recurses. So the depth is bounded here, from above: operators
//! between two commas, set operations between two parentheses, and what the deepest parentheses hold, added up. Chains
//! that make a plan deep without making the text's tree deep (relations, windows) are counted in the parsed query.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Select, Statement, Visit, Visitor,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::api::{QueryError, QueryErrorKind};

/// How deep the tree of a query may become. The worst chain of this length (casts) is planned and run in less than 8 MB
/// of stack by a debug build; the threads that plan have twice that.
pub(crate) const DEPTH_MAX: usize = 500;
/// How deep parentheses, brackets and CASE may nest, and how many prefixes (NOT, minus) may follow each other: each costs
/// the parser one or two of its levels.
pub(crate) const NESTING_MAX: usize = 32;
/// How many SELECTs and relations a query may have, each common table expression counted where it is used.
pub(crate) const RELATIONS_MAX: usize = 100;
/// How deep subqueries in expressions may nest: DataFusion takes twice as long for each level.
const SUBQUERIES_MAX: usize = 8;
/// How many window functions a query may have: each may add a level to the plan.
const WINDOWS_MAX: usize = 60;

/// What opened a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opener {
    Text,
    Bracket,
    Case,
}

/// What lies between an opener and its end.
#[derive(Debug)]
struct Group {
    opener: Opener,
    /// Set operations and nested types: a comma does not end such a chain.
    chained: usize,
    /// AND and OR since the last comma. They bind loosest, so what stands between two of them is a tree of its own.
    logical: usize,
    /// Other operators since the last of `logical`.
    operators: usize,
    operators_max: usize,
    /// The deepest group inside, since the last comma.
    inner: usize,
    /// The deepest part up to the last comma.
    parts: usize,
}

impl Group {
    fn new(opener: Opener) -> Self {
        Self { opener, chained: 0, logical: 0, operators: 0, operators_max: 0, inner: 0, parts: 0 }
    }

    fn end_run(&mut self) {
        self.operators_max = self.operators_max.max(self.operators);
        self.operators = 0;
    }

    fn end_part(&mut self) {
        self.end_run();
        self.parts = self.parts.max(self.logical + self.operators_max + self.inner);
        (self.logical, self.operators_max, self.inner) = (0, 0, 0);
    }

    /// How deep the group is if the group that is open inside it is `open` deep.
    fn depth(&self, open: usize) -> usize {
        let part = self.logical + self.operators_max.max(self.operators) + self.inner.max(open);
        self.chained + self.parts.max(part)
    }
}

/// Refuses text whose tree could be deeper than [`DEPTH_MAX`].
///
/// # Errors
/// [`QueryErrorKind::LimitExceeded`] with the place where it becomes too deep.
pub(crate) fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    let mut groups = vec![Group::new(Opener::Text)];
    let (mut previous, mut before): (Option<&Token>, Option<&Token>) = (None, None);
    let (mut windows, mut prefixes) = (0, 0);
    for found in tokens {
        let token = &found.token;
        if matches!(token, Token::Whitespace(_)) {
            continue;
        }
        match token {
            Token::LParen | Token::LBrace => open(&mut groups, Opener::Bracket),
            // `x[1][2]` and `int[][]` are chains of closed groups.
            Token::LBracket => {
                last(&mut groups).operators += 1;
                open(&mut groups, Opener::Bracket);
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                // A CASE that is never ended ends with its parentheses.
                while groups.len() > 1 && close(&mut groups) == Some(Opener::Case) {}
            }
            Token::Comma => last(&mut groups).end_part(),
            Token::Word(word) => match word.keyword {
                Keyword::CASE => open(&mut groups, Opener::Case),
                Keyword::END if last(&mut groups).opener == Opener::Case => {
                    close(&mut groups);
                }
                Keyword::WHEN | Keyword::THEN | Keyword::ELSE if last(&mut groups).opener == Opener::Case => {
                    last(&mut groups).end_part();
                }
                Keyword::AND | Keyword::OR | Keyword::XOR => {
                    let group = last(&mut groups);
                    group.end_run();
                    group.logical += 1;
                }
                Keyword::OVER => {
                    windows += 1;
                    if windows > WINDOWS_MAX {
                        return Err(too_deep(
                            found.span.start,
                            format!("a query may have at most {WINDOWS_MAX} window functions"),
                        ));
                    }
                }
                keyword if SET_OPERATORS.contains(&keyword) => last(&mut groups).chained += 1,
                keyword if OPERATORS.contains(&keyword) => last(&mut groups).operators += 1,
                _ => {}
            },
            // The second dot of a path is the first that digs into a column.
            Token::Period => {
                if matches!(before, Some(Token::Period)) || !matches!(previous, Some(Token::Word(_))) {
                    last(&mut groups).operators += 1;
                }
            }
            // `STRUCT<a STRUCT<…>>`: types nest over commas.
            Token::Lt if matches!(previous, Some(Token::Word(word)) if TYPES.contains(&word.keyword)) => {
                last(&mut groups).chained += 1;
            }
            Token::VerticalBarRightAngleBracket => last(&mut groups).chained += 1,
            token if is_operand(token) => {}
            _ => last(&mut groups).operators += 1,
        }
        prefixes = if is_prefix(token) { prefixes + 1 } else { 0 };
        if groups.len().max(prefixes) > NESTING_MAX {
            let message = format!(
                "parentheses, brackets, CASE and prefixes such as NOT may be nested at most {NESTING_MAX} deep"
            );
            return Err(too_deep(found.span.start, message));
        }
        if groups.iter().rev().fold(0, |open, group| group.depth(open)) > DEPTH_MAX {
            let message = format!(
                "at most {DEPTH_MAX} operators may be chained, those of nested parentheses included: use `IN (…)` for many alternatives"
            );
            return Err(too_deep(found.span.start, message));
        }
        before = previous;
        previous = Some(token);
    }
    Ok(())
}

/// Words that add a level to a set expression, whatever commas stand between.
const SET_OPERATORS: [Keyword; 6] =
    [Keyword::UNION, Keyword::INTERSECT, Keyword::EXCEPT, Keyword::MINUS, Keyword::JOIN, Keyword::APPLY];

/// Types with parameters in angle brackets.
const TYPES: [Keyword; 6] =
    [Keyword::STRUCT, Keyword::ARRAY, Keyword::MAP, Keyword::NESTED, Keyword::TUPLE, Keyword::TABLE];

/// Words that are operators: infix, prefix and postfix.
const OPERATORS: [Keyword; 29] = [
    Keyword::AT,
    Keyword::BETWEEN,
    Keyword::BINARY,
    Keyword::COLLATE,
    Keyword::CONNECT_BY_ROOT,
    Keyword::DIV,
    Keyword::EXISTS,
    Keyword::FORMAT,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::INTERVAL,
    Keyword::IS,
    Keyword::LAMBDA,
    Keyword::LATERAL,
    Keyword::LIKE,
    Keyword::MATCH,
    Keyword::MEMBER,
    Keyword::NOT,
    Keyword::NOTNULL,
    Keyword::OPERATOR,
    Keyword::OVERLAPS,
    Keyword::PIVOT,
    Keyword::PRIOR,
    Keyword::REGEXP,
    Keyword::RLIKE,
    Keyword::SIMILAR,
    Keyword::UNPIVOT,
    Keyword::MATCH_RECOGNIZE,
    Keyword::TABLESAMPLE,
];

/// Tokens that may stand before an operand, one after the other.
fn is_prefix(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            matches!(word.keyword, Keyword::NOT | Keyword::INTERVAL | Keyword::PRIOR | Keyword::LATERAL)
        }
        Token::Plus | Token::Minus | Token::Tilde | Token::ExclamationMark | Token::DoubleExclamationMark => true,
        Token::AtSign | Token::PGSquareRoot | Token::PGCubeRoot | Token::QuestionMarkDash | Token::QuestionPipe => true,
        _ => false,
    }
}

/// Tokens that are values or punctuation and add no level.
fn is_operand(token: &Token) -> bool {
    matches!(
        token,
        Token::EOF
            | Token::Number(..)
            | Token::Char(_)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedByteStringLiteral(_)
            | Token::TripleDoubleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DoubleQuotedRawStringLiteral(_)
            | Token::TripleSingleQuotedRawStringLiteral(_)
            | Token::TripleDoubleQuotedRawStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::QuoteDelimitedStringLiteral(_)
            | Token::NationalQuoteDelimitedStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_)
            | Token::SemiColon
    )
}

/// Refuses a query of too many relations.
///
/// # Errors
/// [`QueryErrorKind::LimitExceeded`].
pub(crate) fn check_relations(statement: &Statement) -> Result<(), QueryError> {
    let mut counts = Relations::default();
    let _never_stops = statement.visit(&mut counts).is_continue();
    if counts.total.max(counts.written) > RELATIONS_MAX {
        let message = format!(
            "a query may have at most {RELATIONS_MAX} SELECTs and relations, those of a common table expression counted wherever it is used"
        );
        return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
    }
    if counts.subqueries_max > SUBQUERIES_MAX {
        let message = format!("subqueries in expressions may be nested at most {SUBQUERIES_MAX} deep: join instead");
        return Err(QueryError::new(QueryErrorKind::LimitExceeded, message));
    }
    Ok(())
}

/// Counts SELECTs and relations. A common table expression is planned anew wherever it is named, so each use counts all
/// that is in it: ten of them, each naming the last twice, are a thousand relations.
#[derive(Debug, Default)]
struct Relations {
    /// What is counted so far in each query that is being visited.
    open: Vec<usize>,
    /// The common table expressions by the address of their query, which is how they are known when they end.
    expressions: HashMap<*const Query, String>,
    /// What the name of a common table expression counts. Where two have one name, the greater.
    weights: HashMap<String, usize>,
    total: usize,
    written: usize,
    subqueries: usize,
    subqueries_max: usize,
}

impl Relations {
    fn count(&mut self, weight: usize) {
        self.written = self.written.saturating_add(1);
        if let Some(open) = self.open.last_mut() {
            *open = open.saturating_add(weight);
        }
    }
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.expressions.insert(&raw const *cte.query, folded(&cte.alias.name));
        }
        self.open.push(0);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let counted = self.open.pop().unwrap_or_default();
        match self.expressions.remove(&(&raw const *query)) {
            Some(name) => {
                let weight = self.weights.entry(name).or_default();
                *weight = counted.max(*weight);
            }
            None => match self.open.last_mut() {
                Some(open) => *open = open.saturating_add(counted),
                None => self.total = counted,
            },
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if is_subquery(expr) {
            self.subqueries += 1;
            self.subqueries_max = self.subqueries_max.max(self.subqueries);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.subqueries -= usize::from(is_subquery(expr));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, _select: &Select) -> ControlFlow<()> {
        self.count(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.0.first().and_then(ObjectNamePart::as_ident).map(folded);
        let weight = name.and_then(|name| self.weights.get(&name).copied()).unwrap_or(0);
        self.count(weight.saturating_add(1));
        ControlFlow::Continue(())
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. })
}

fn folded(ident: &Ident) -> String {
    ident.value.to_lowercase()
}

fn last(groups: &mut [Group]) -> &mut Group {
    groups.last_mut().expect("the text itself is the first group and is never closed")
}

fn open(groups: &mut Vec<Group>, opener: Opener) {
    // The opener is a level by itself.
    let mut group = Group::new(opener);
    group.chained = 1;
    groups.push(group);
}

/// Ends the innermost group. The first one, the text itself, stays.
fn close(groups: &mut Vec<Group>) -> Option<Opener> {
    if groups.len() < 2 {
        return None;
    }
    let closed = groups.pop()?;
    let group = last(groups);
    group.inner = group.inner.max(closed.depth(0));
    Some(closed.opener)
}

fn too_deep(at: Location, message: String) -> QueryError {
    QueryError { at: Some((at.line, at.column)), ..QueryError::new(QueryErrorKind::LimitExceeded, message) }
}
