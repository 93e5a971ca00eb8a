//! The inputs of a shape: one stream, or the sides of a UNION ALL below everything that holds state.
//!
//! What stands above a union is done to each of its sides by itself, up to the aggregate or the order where they meet. So a
//! plan over a union becomes one straight plan per side, each of which is taken apart as if it were alone. Holds no state.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union};
use pulseboard_model::{RowKey, StreamName};

use super::rowwise::RowStep;
use super::shape::Unmaintained;

/// One input of a shape: a stream, and what its rows go through by themselves.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) stream: StreamName,
    /// The columns of the event layout that the steps start from.
    pub(crate) input: Vec<Field>,
    /// Below the aggregate, or up to the last bound if there is none. The `Keep` steps take aside what the bounds
    /// compare, in their order.
    pub(crate) lower: Vec<RowStep>,
    /// The rest of the steps of a result without aggregate.
    pub(crate) rest: Vec<RowStep>,
    /// Which of the shape's bounds are about this input.
    pub(crate) bounds: Range<usize>,
}

/// What tells a row of a result without aggregate apart: the event it comes from, by which input, and its place among the
/// rows that the event becomes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowId {
    pub(crate) offset: i64,
    pub(crate) branch: u32,
    pub(crate) place: u64,
}

impl RowId {
    /// The row's key: the offset alone where that tells it apart.
    pub(crate) fn key(self) -> RowKey {
        let Self { offset, branch, place } = self;
        RowKey::new(if branch == 0 && place == 0 { offset.to_string() } else { format!("{offset}.{branch}.{place}") })
    }

    /// Reads [`RowId::key`] back.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let mut parts = key.split('.');
        let offset = parts.next()?.parse().ok()?;
        let (branch, place) = match (parts.next(), parts.next()) {
            (Some(branch), Some(place)) => (branch.parse().ok()?, place.parse().ok()?),
            (None, _) => (0, 0),
            _ => return None,
        };
        parts.next().is_none().then_some(Self { offset, branch, place })
    }

    /// Bytes that end a sort key, so that no two are equal.
    pub(crate) fn bytes(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.branch.to_be_bytes());
        bytes[12..].copy_from_slice(&self.place.to_be_bytes());
        bytes
    }
}

/// `plan`, a line of row-wise nodes over a stream or a union, as one straight plan per side of its unions.
///
/// # Errors
/// [`Unmaintained`] if a side is more than rows of a stream.
pub(super) fn straight(plan: &LogicalPlan) -> Result<Vec<LogicalPlan>, Unmaintained> {
    let Some(union) = union_below(plan) else { return Ok(vec![plan.clone()]) };
    let mut sides = Vec::with_capacity(union.inputs.len());
    for input in &union.inputs {
        let side = renamed(&without_order(input)?, union)?;
        let line = plan.clone().transform_down(|node| match node {
            LogicalPlan::Union(_) => Ok(Transformed::new(side.clone(), true, TreeNodeRecursion::Jump)),
            other => Ok(Transformed::no(other)),
        })?;
        sides.extend(straight(&line.data)?);
    }
    Ok(sides)
}

/// The first union down the line, if it comes before anything else that has not exactly one input.
fn union_below(plan: &LogicalPlan) -> Option<&Union> {
    let mut node = plan;
    loop {
        if let LogicalPlan::Union(union) = node {
            return Some(union);
        }
        let inputs = node.inputs();
        let [input] = inputs.as_slice() else { return None };
        node = input;
    }
}

/// One side without the orders inside it, which mean nothing in a union.
fn without_order(side: &LogicalPlan) -> Result<LogicalPlan, Unmaintained> {
    let mut refused = None;
    let plan = side.clone().transform_down(|node| {
        match &node {
            LogicalPlan::Limit(_) => refused = Some("it unites what a limit leaves with something else"),
            LogicalPlan::Sort(sort) if sort.fetch.is_some() => {
                refused = Some("it unites what a limit leaves with something else");
            }
            LogicalPlan::Aggregate(_) => refused = Some("it unites groups with something else"),
            _ => {}
        }
        Ok(match node {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => Transformed::yes(Arc::unwrap_or_clone(sort.input)),
            other => Transformed::no(other),
        })
    })?;
    match refused {
        Some(reason) => Err(Unmaintained(reason.to_owned())),
        None => Ok(plan.data),
    }
}

/// One side under the names and types that everything above the union refers to.
fn renamed(side: &LogicalPlan, union: &Union) -> Result<LogicalPlan> {
    let columns = side.schema().iter().map(|field| Expr::Column(Column::from(field))).collect();
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(columns, Arc::new(side.clone()), union.schema.clone())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_key_reads_back() {
        for (branch, place) in [(0, 0), (2, 0), (0, 7), (3, u64::MAX)] {
            let id = RowId { offset: 17, branch, place };
            assert_eq!(RowId::of_key(id.key().as_str()), Some(id));
        }
        assert_eq!(RowId { offset: 17, branch: 0, place: 0 }.key().as_str(), "17");
        assert_eq!(RowId::of_key("17.1"), None);
        assert_eq!(RowId::of_key("17.1.2.3"), None);
    }
}
