//! How large an expression becomes when it is planned.
//!
//! DataFusion writes some expressions out twice (`coalesce(x, 0)` asks `x` whether it is null and then takes it), and puts
//! the definition of a subquery's column wherever the column is used. A short text can double an expression at each of its
//! levels, so the size is reckoned before and held to a limit.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, ObjectNamePart, Visit, Visitor};

use super::reach::Scope;

/// How many nodes an expression may come to.
pub(super) const WEIGHT_MAX: u64 = 50_000;

/// Functions whose arguments are written out more than once.
const DOUBLING: [&str; 6] = ["coalesce", "nvl", "nvl2", "ifnull", "nullif", "if"];

/// The size of the largest expression in `part`, whose columns are those of `scope`.
pub(super) fn weigh<P: Visit>(part: &P, scope: &Scope) -> u64 {
    let mut weigher = Weigher { scope, open: Vec::new(), largest: 0 };
    let _never_stops = part.visit(&mut weigher).is_continue();
    weigher.largest
}

struct Weigher<'s> {
    scope: &'s Scope,
    open: Vec<u64>,
    largest: u64,
}

impl Visitor for Weigher<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<()> {
        self.open.push(1);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let inside = self.open.pop().unwrap_or_default();
        let column = |name: &str| {
            let columns = self.scope.relations.iter().flat_map(|relation| &relation.columns);
            columns.filter(|column| column.name == name).map(|column| column.weight).max().unwrap_or(1)
        };
        let weight = match expr {
            Expr::Identifier(ident) => column(&ident.value),
            Expr::CompoundIdentifier(parts) => parts.iter().map(|part| column(&part.value)).max().unwrap_or(1),
            Expr::Between { .. } | Expr::Case { .. } | Expr::InList { .. } => inside.saturating_mul(2),
            Expr::Function(function) => match function.name.0.as_slice() {
                [ObjectNamePart::Identifier(name)] if DOUBLING.contains(&name.value.to_ascii_lowercase().as_str()) => {
                    inside.saturating_mul(2)
                }
                _ => inside,
            },
            _ => inside,
        };
        match self.open.last_mut() {
            Some(around) => *around = around.saturating_add(weight),
            None => self.largest = self.largest.max(weight),
        }
        ControlFlow::Continue(())
    }
}
