//! Settles the names in the expressions of one SELECT.
//!
//! Queries inside the expressions are handed back to the resolver, which walks each as a SELECT of its own.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, FunctionArguments, Ident, ObjectNamePart, Query, TableFactor, VisitorMut,
};

use super::scopes::{Aliases, Resolver};

/// Words that the parser takes for functions although nobody calls them, and that are no question about the clock.
const NAMES_LIKE_FUNCTIONS: [&str; 4] = ["user", "session_user", "current_user", "current_catalog"];

/// Visits expressions that belong to one SELECT.
pub(super) struct Expressions<'r, 'h> {
    pub(super) resolver: &'r mut Resolver<'h>,
    pub(super) aliases: Aliases,
    /// How many queries inside the expressions the visitor is in: these are walked by themselves.
    pub(super) queries: usize,
    /// How many expressions of its own the visitor is in.
    pub(super) depth: usize,
    /// Whether a relation that is met is to be settled: those of FROM already are.
    pub(super) factors: bool,
}

impl VisitorMut for Expressions<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if self.queries == 0 {
            self.resolver.query(query);
        }
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        // Outside of FROM only `|> JOIN` names relations.
        if self.queries == 0 && self.factors {
            let mut scope = self.resolver.scopes.pop().unwrap_or_default();
            self.resolver.factor(factor, &mut scope);
            self.resolver.scopes.push(scope);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.queries > 0 {
            return ControlFlow::Continue(());
        }
        let aliases = match self.aliases {
            Aliases::BeforeColumns if self.depth > 0 => Aliases::AfterColumns,
            aliases => aliases,
        };
        self.depth += 1;
        match expr {
            Expr::Identifier(ident) => {
                self.resolver.single(ident, aliases);
            }
            Expr::CompoundIdentifier(parts) => {
                let length = self.resolver.path(&mut parts.iter_mut().collect::<Vec<_>>());
                if length > 1 {
                    let name = parts.drain(..length).map(|part| part.value).collect::<Vec<_>>().join(".");
                    parts.insert(0, Ident::with_quote('"', name));
                }
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                let Expr::Identifier(first) = root.as_mut() else { return ControlFlow::Continue(()) };
                let dotted = access_chain.iter_mut().map_while(|access| match access {
                    AccessExpr::Dot(Expr::Identifier(ident)) => Some(ident),
                    _ => None,
                });
                let mut parts: Vec<&mut Ident> = std::iter::once(first).chain(dotted).collect();
                if let [first] = parts.as_mut_slice() {
                    self.resolver.single(first, aliases);
                } else {
                    self.resolver.path(&mut parts);
                }
                // They are visited next, as if they were columns: a quoted name stays what it is.
                parts.iter_mut().for_each(|part| part.quote_style = Some('"'));
                for access in access_chain {
                    if let AccessExpr::Dot(Expr::Identifier(ident)) = access {
                        ident.quote_style = Some('"');
                    }
                }
            }
            Expr::Function(function) => {
                let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
                    return ControlFlow::Continue(());
                };
                let is_name = function.args == FunctionArguments::None
                    && ident.quote_style.is_none()
                    && NAMES_LIKE_FUNCTIONS.contains(&ident.value.to_ascii_lowercase().as_str());
                let mut ident = ident.clone();
                if is_name && self.resolver.single(&mut ident, aliases) {
                    *expr = Expr::Identifier(ident);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expr: &mut Expr) -> ControlFlow<()> {
        if self.queries == 0 {
            self.depth -= 1;
        }
        ControlFlow::Continue(())
    }
}
