//! Ends what computes on and on without a pause, such as a join of all pairs that finds none.
//!
//! A query ends where it is dropped, and it can be dropped where it pauses. Operators pause when they have read or handed out
//! a few batches; a join that makes many rows of few, or compares many pairs and keeps none, does neither for as long as it
//! takes. So whatever may hand out more than it reads pauses by what it hands out, and conditions of joins look here before
//! each batch of pairs. It never changes what a query answers.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::datatypes::{FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, JoinType, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use parking_lot::Mutex;
use tokio::time::Instant;

/// When a query has to end: when its time is over, or nobody waits for it any more. Clones are of the same query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_left: AtomicBool,
    /// The end of its time, and how much that was.
    until: Mutex<Option<(Instant, Duration)>>,
}

/// What a query says that has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nobody reads this.
    Left,
    /// It had so much time.
    TimeOver(Duration),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("nobody waits for the query any more"),
            Self::TimeOver(limit) => {
                write!(f, "the query took longer than {} s: narrow its time range", limit.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for Ended {}

impl Ended {
    /// Whether that is why a run failed.
    pub(crate) fn of(error: &DataFusionError) -> Option<Self> {
        match error.find_root() {
            DataFusionError::External(other) => other.downcast_ref().copied(),
            _ => None,
        }
    }
}

impl Ending {
    /// An end in `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        let ending = Self::default();
        ending.set_after(limit);
        ending
    }

    /// Puts the end off to `limit` from now: what is run again and again has its time each time.
    pub(crate) fn set_after(&self, limit: Duration) {
        *self.0.until.lock() = Instant::now().checked_add(limit).map(|at| (at, limit));
    }

    /// Nobody waits any more.
    pub(crate) fn leave(&self) {
        self.0.is_left.store(true, Ordering::Relaxed);
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> std::result::Result<(), Ended> {
        if self.0.is_left.load(Ordering::Relaxed) {
            return Err(Ended::Left);
        }
        match *self.0.until.lock() {
            Some((at, limit)) if Instant::now() >= at => Err(Ended::TimeOver(limit)),
            _ => Ok(()),
        }
    }

    /// `plan`, so that no part of it computes for long without a pause or a look at this.
    pub(crate) fn seen_by(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let seen = plan.transform_up(|node| {
            let may_grow =
                matches!(node.cardinality_effect(), CardinalityEffect::Unknown | CardinalityEffect::GreaterEqual);
            // What reads a stream pauses already.
            if node.children().is_empty() || !may_grow {
                return Ok(Transformed::no(node));
            }
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(self.in_join(node)?)) as Arc<dyn ExecutionPlan>))
        })?;
        Ok(seen.data)
    }

    /// A join whose condition looks here.
    fn in_join(&self, node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
            let filter = Some(self.in_filter(join.filter()));
            return Ok(Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(filter).build()?));
        }
        if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let hands_out_pairs =
                matches!(join.join_type(), JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
            if join.filter().is_some() || !hands_out_pairs {
                return join.builder().with_filter(Some(self.in_filter(join.filter()))).build_exec();
            }
        }
        Ok(node)
    }

    /// The condition of a join, or one that all pairs meet, which looks here.
    fn in_filter(&self, filter: Option<&JoinFilter>) -> JoinFilter {
        let watched = |inner| Arc::new(Watched { inner, ending: self.clone() });
        match filter {
            Some(filter) => JoinFilter::new(
                watched(filter.expression().clone()),
                filter.column_indices().to_vec(),
                filter.schema().clone(),
            ),
            None => JoinFilter::new(watched(lit(true)), Vec::new(), Arc::new(Schema::empty())),
        }
    }
}

/// Leaves the query when it is dropped.
#[derive(Debug)]
pub(crate) struct LeaveOnDrop(pub(crate) Ending);

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// An expression that fails once its query has to end.
#[derive(Debug, Clone)]
struct Watched {
    inner: Arc<dyn PhysicalExpr>,
    ending: Ending,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner) && Arc::ptr_eq(&self.ending.0, &other.ending.0)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for Watched {
    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.ending.check().map_err(|ended| DataFusionError::External(Box::new(ended)))?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.pop().unwrap_or_else(|| self.inner.clone());
        Ok(Arc::new(Self { inner, ending: self.ending.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
