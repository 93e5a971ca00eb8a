//! Functions of windows behind a look at the time of their query and at the size of what they answer.
//!
//! They are DataFusion's own and say of themselves what these say, so that a plan is made of them as it would be made without
//! the look. They compute nothing else.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{
    AggregateFunctionParams, WindowFunction, WindowFunctionDefinition, WindowFunctionParams,
};
use datafusion::logical_expr::function::{
    AccumulatorArgs, ExpressionArgs, PartitionEvaluatorArgs, StateFieldsArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, LimitEffect, LogicalPlan, PartitionEvaluator, ReversedUDAF,
    ReversedUDWF, SetMonotonicity, Signature, Window, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

use super::Windows;
use crate::row_bytes::value_bytes;

/// `plan` with all functions of its windows behind a look.
pub(super) fn watched(plan: LogicalPlan, windows: &Windows) -> Result<LogicalPlan> {
    let watched = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Window(Window { input, window_expr, schema }) = node else { return Ok(Transformed::no(node)) };
        let exprs = window_expr.into_iter().map(|expr| call(expr, windows));
        let window_expr = exprs.collect::<Result<Vec<_>>>()?;
        // Nothing is called otherwise than it was.
        Ok(Transformed::yes(LogicalPlan::Window(Window { input, window_expr, schema })))
    })?;
    Ok(watched.data)
}

/// The bytes of all constants in what the functions of its windows are given.
pub(super) fn constant_bytes(plan: &LogicalPlan) -> Result<u64> {
    let mut bytes = 0_u64;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Window(window) = node {
            for expr in &window.window_expr {
                expr.apply(|expr| {
                    if let Expr::Literal(value, _) = expr {
                        bytes = bytes.saturating_add(value_bytes(value)?);
                    }
                    Ok(TreeNodeRecursion::Continue)
                })?;
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(bytes)
}

fn call(expr: Expr, windows: &Windows) -> Result<Expr> {
    let watched = expr.transform_up(|expr| {
        let Expr::WindowFunction(call) = expr else { return Ok(Transformed::no(expr)) };
        let WindowFunction { fun, params } = *call;
        let fun = match fun {
            WindowFunctionDefinition::AggregateUDF(inner) => {
                WindowFunctionDefinition::AggregateUDF(aggregate(inner, windows))
            }
            WindowFunctionDefinition::WindowUDF(inner) => WindowFunctionDefinition::WindowUDF(function(inner, windows)),
        };
        Ok(Transformed::yes(Expr::WindowFunction(Box::new(WindowFunction { fun, params }))))
    })?;
    Ok(watched.data)
}

fn aggregate(inner: Arc<AggregateUDF>, windows: &Windows) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Aggregate { inner, windows: windows.clone() }))
}

fn function(inner: Arc<WindowUDF>, windows: &Windows) -> Arc<WindowUDF> {
    Arc::new(WindowUDF::new_from_impl(Function { inner, windows: windows.clone() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Aggregate {
    inner: Arc<AggregateUDF>,
    windows: Windows,
}

impl Aggregate {
    fn watched(&self, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(Watched { inner, windows: self.windows.clone() })
    }
}

impl AggregateUDFImpl for Aggregate {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.schema_name(params)
    }

    fn human_display(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.human_display(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_schema_name(params)
    }

    fn display_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.inner.display_name(params)
    }

    fn window_function_display_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.inner.window_function_display_name(params)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn return_field(&self, args: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(args)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.watched(self.inner.accumulator(args)?))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.watched(self.inner.create_sliding_accumulator(args)?))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.inner.reverse_udf() {
            ReversedUDAF::Reversed(reversed) => ReversedUDAF::Reversed(aggregate(reversed, &self.windows)),
            other => other,
        }
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.inner.supports_null_handling_clause()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    inner: Arc<WindowUDF>,
    windows: Windows,
}

impl WindowUDFImpl for Function {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.expressions(args)
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        let constant = |arg: &Arc<dyn PhysicalExpr>| match arg.downcast_ref::<Literal>() {
            Some(literal) => value_bytes(literal.value()),
            None => Ok(0),
        };
        let constants = args.input_exprs().iter().map(constant).collect::<Result<Vec<_>>>()?;
        let constant_bytes = constants.into_iter().max().unwrap_or(0);
        let inner = self.inner.partition_evaluator_factory(args)?;
        Ok(Box::new(Evaluator { inner, constant_bytes, windows: self.windows.clone() }))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        self.inner.field(args)
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.sort_options()
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        match self.inner.reverse_expr() {
            ReversedUDWF::Reversed(reversed) => ReversedUDWF::Reversed(function(reversed, &self.windows)),
            other => other,
        }
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.inner.inner().limit_effect(args)
    }
}

/// What an aggregate has of its frame.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn Accumulator>,
    windows: Windows,
}

impl Accumulator for Watched {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.windows.check_ending()?;
        let value = self.inner.evaluate()?;
        self.windows.check_value(value_bytes(&value)?)?;
        Ok(value)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    // Frames may lose rows and stay empty, without an answer for each.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.windows.check_ending()?;
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

/// What a function knows of its partition.
#[derive(Debug)]
struct Evaluator {
    inner: Box<dyn PartitionEvaluator>,
    /// Of the largest constant that it was given, as `lag` is one for where there is no row before.
    constant_bytes: u64,
    windows: Windows,
}

impl PartitionEvaluator for Evaluator {
    fn memoize(&mut self, state: &mut WindowAggState) -> Result<()> {
        self.inner.memoize(state)
    }

    fn get_range(&self, row: usize, rows: usize) -> Result<Range<usize>> {
        self.inner.get_range(row, rows)
    }

    fn is_causal(&self) -> bool {
        self.inner.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        self.windows.check_ending()?;
        self.windows.check_value(self.constant_bytes)?;
        self.inner.evaluate_all(values, rows)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        self.windows.check_ending()?;
        let value = self.inner.evaluate(values, range)?;
        self.windows.check_value(value_bytes(&value)?)?;
        Ok(value)
    }

    fn evaluate_all_with_rank(&self, rows: usize, ranks: &[Range<usize>]) -> Result<ArrayRef> {
        self.windows.check_ending()?;
        self.inner.evaluate_all_with_rank(rows, ranks)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.inner.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.inner.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.inner.include_rank()
    }
}
