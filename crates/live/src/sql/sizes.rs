//! What a function would make is weighed before it is made.
//!
//! `repeat('x', 1e9)` asks for a gigabyte with thirteen letters, `range(0, 1e9)` for eight, and either for each row of a batch:
//! more than a machine has, before anything that counts memory sees it. Functions that make more than they are given are
//! DataFusion's own, after a look at their arguments. What they give is not changed, and what is refused is a limit.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Schema, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, exec_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Documentation, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column};

/// The most that a function makes of a batch, beside as much again as it is given.
const BATCH_BYTES_MAX: u64 = 32 << 20;
/// The most that it makes of a batch, whatever it is given.
const WHOLE_BYTES_MAX: u64 = 256 << 20;
/// The most of one value that stands alone, as in a query without a stream.
const ALONE_BYTES_MAX: u64 = 1 << 20;
/// The most of a constant beside rows: each of a batch may get a copy of it.
const CONSTANT_BYTES_MAX: u64 = 64 << 10;
/// A number as a text.
const NUMBER_BYTES: u64 = 24;
/// Months are at least so long.
const MONTH_NS: i128 = 28 * DAY_NS;
const DAY_NS: i128 = 86_400_000_000_000;

/// Registers the rule that weighs, for a session.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    state.register_function_rewrite(Arc::new(WeighedFunctions))
}

#[derive(Debug)]
struct WeighedFunctions;

impl FunctionRewrite for WeighedFunctions {
    fn name(&self) -> &str {
        "weighed_functions"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) if !func.inner().is::<Weighed>() => {
                match weight_of(func.name()) {
                    Some(weight) => {
                        let func = Arc::new(ScalarUDF::new_from_impl(Weighed { inner: func, weight }));
                        Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
                    }
                    None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right })
                if is_text(&left, schema) && is_text(&right, schema) =>
            {
                let joined = Arc::new(ScalarUDF::new_from_impl(Joined::default()));
                let func = Arc::new(ScalarUDF::new_from_impl(Weighed { inner: joined, weight: Weight::Sum }));
                let args = parts(*left).into_iter().chain(parts(*right)).collect();
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            expr => Transformed::no(expr),
        })
    }
}

/// The texts of a chain of `||`: one function of all of them, since planning takes its time for functions inside functions.
fn parts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) if is_joined(&func) => args,
        expr => vec![expr],
    }
}

fn is_joined(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Weighed>().is_some_and(|weighed| weighed.inner.inner().is::<Joined>())
}

fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|found| found.is_string())
}

/// How the size of an answer follows from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Weight {
    /// The first one, as often as the second says.
    Times,
    /// As much as the second one says.
    Width,
    /// From the first to the second in steps of the third, as `range` reads them.
    Steps,
    /// The first one, with the third in each place where the second stands.
    Replaced,
    /// The first one, with the third in the place of each of its letters.
    Rewritten,
    /// The items of the first one with the others between them.
    Between,
    /// All together.
    Sum,
}

fn weight_of(function: &str) -> Option<Weight> {
    Some(match function {
        "repeat" | "array_repeat" => Weight::Times,
        "lpad" | "rpad" | "array_resize" => Weight::Width,
        "range" | "generate_series" => Weight::Steps,
        "replace" => Weight::Replaced,
        "regexp_replace" => Weight::Rewritten,
        "array_to_string" => Weight::Between,
        "concat" | "concat_ws" | "array_concat" => Weight::Sum,
        _ => return None,
    })
}

impl Weight {
    /// The bytes that come of `args` over so many rows, at most or nearly. Nothing of arguments that the function refuses.
    fn bytes(self, args: &[ColumnarValue], rows: usize) -> Result<u64> {
        let each = |sizes: &dyn Fn(usize) -> u64| (0..rows).map(sizes).fold(0, u64::saturating_add);
        Ok(match (self, args) {
            (Self::Times, [what, times]) => {
                let (what, times) = (Sizes::of(what)?, Numbers::of(times)?);
                each(&|row| what.at(row).max(1).saturating_mul(times.at(row)))
            }
            (Self::Width, [what, width, rest @ ..]) => {
                let (what, width) = (Sizes::of(what)?, Numbers::of(width)?);
                let item = rest.first().map(Sizes::of).transpose()?;
                // A letter or a number of a list.
                let item = |row| item.as_ref().map_or(1, |item| item.at(row)).max(1);
                match &args[0].data_type() {
                    DataType::List(_) | DataType::LargeList(_) => {
                        each(&|row| width.at(row).saturating_mul(item(row).max(8)).saturating_add(what.at(row)))
                    }
                    _ => each(&|row| width.at(row).saturating_add(what.at(row))),
                }
            }
            (Self::Steps, args) => steps_bytes(args, rows)?,
            (Self::Replaced, [what, from, to]) => {
                let (what, from, to) = (Sizes::of(what)?, Sizes::of(from)?, Sizes::of(to)?);
                each(&|row| {
                    let places = what.at(row) / from.at(row).max(1) + 1;
                    places.saturating_mul(to.at(row)).saturating_add(what.at(row))
                })
            }
            (Self::Rewritten, [what, _, to, ..]) => {
                let (what, to) = (Sizes::of(what)?, Sizes::of(to)?);
                each(&|row| (what.at(row) + 1).saturating_mul(to.at(row).max(1)))
            }
            (Self::Between, [list, between @ ..]) => {
                let (items, between) = (items(list)?, between.iter().map(Sizes::of).collect::<Result<Vec<_>>>()?);
                each(&|row| {
                    let between = between.iter().fold(0, |sum: u64, size| sum.saturating_add(size.at(row)));
                    let (count, text_bytes) = items(row);
                    count.saturating_mul(between).saturating_add(text_bytes)
                })
            }
            (Self::Sum, args) => {
                let sizes = args.iter().map(Sizes::of).collect::<Result<Vec<_>>>()?;
                sizes.iter().map(|size| size.all(rows)).fold(0, u64::saturating_add)
            }
            _ => 0,
        })
    }
}

/// How many bytes a value of each row takes.
enum Sizes {
    /// All rows have the same one.
    Same(u64),
    /// What each row has.
    Each(Vec<u64>),
    /// What they have together, and how many they are: nothing better is known.
    Mean(u64, u64),
}

impl Sizes {
    fn of(value: &ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Scalar(value) if value.is_null() => Ok(Self::Same(0)),
            ColumnarValue::Scalar(value) => Ok(Self::Same(match value.try_as_str() {
                Some(Some(text)) => text.len() as u64,
                _ => bytes_of(&value.to_array()?),
            })),
            ColumnarValue::Array(array) => Ok(match array.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                    let lengths = arrow::compute::kernels::length::length(array)?;
                    let lengths = cast(&lengths, &DataType::Int64)?;
                    let lengths = lengths.as_primitive::<Int64Type>().iter();
                    Self::Each(lengths.map(|length| length.unwrap_or(0).unsigned_abs()).collect())
                }
                _ => Self::Mean(bytes_of(array), array.len() as u64),
            }),
        }
    }

    fn at(&self, row: usize) -> u64 {
        match self {
            Self::Same(size) => *size,
            Self::Each(sizes) => sizes.get(row).copied().unwrap_or(0),
            Self::Mean(all, rows) => all.div_ceil((*rows).max(1)),
        }
    }

    fn all(&self, rows: usize) -> u64 {
        match self {
            Self::Same(size) => size.saturating_mul(rows as u64),
            Self::Each(sizes) => sizes.iter().fold(0, |sum, size| sum.saturating_add(*size)),
            Self::Mean(all, _) => *all,
        }
    }
}

/// How many items the list of a row has, and about how many bytes they are as texts.
fn items(list: &ColumnarValue) -> Result<impl Fn(usize) -> (u64, u64)> {
    let list = match list {
        ColumnarValue::Scalar(list) => list.to_array()?,
        ColumnarValue::Array(list) => list.clone(),
    };
    let alone = list.len() == 1;
    let bytes = bytes_of(&list).div_ceil((list.len() as u64).max(1));
    let lists = list.as_list_opt::<i32>().cloned();
    Ok(move |row: usize| {
        let row = if alone { 0 } else { row };
        let Some(lists) = &lists else { return (bytes, bytes) };
        let count = lists.value_length(row).unsigned_abs().into();
        match lists.value_type() {
            text if text.is_string() => (count, bytes_of(&lists.value(row))),
            // Lists in lists are one text, too.
            DataType::List(_) => (bytes, bytes.saturating_mul(3)),
            _ => (count, u64::saturating_mul(count, NUMBER_BYTES)),
        }
    })
}

/// The bytes of what an array shows.
fn bytes_of(array: &ArrayRef) -> u64 {
    array.to_data().get_slice_memory_size().map_or(u64::MAX, |bytes| bytes as u64)
}

/// A number of each row; none and negative ones are nothing.
enum Numbers {
    Same(u64),
    Each(ArrayRef),
}

impl Numbers {
    fn of(value: &ColumnarValue) -> Result<Self> {
        let array = |value: &ArrayRef| cast(value, &DataType::Int64);
        Ok(match value {
            ColumnarValue::Scalar(value) => {
                let array = array(&value.to_array()?)?;
                Self::Same(Self::Each(array).at(0))
            }
            ColumnarValue::Array(value) => Self::Each(array(value)?),
        })
    }

    fn at(&self, row: usize) -> u64 {
        match self {
            Self::Same(number) => *number,
            Self::Each(array) if array.is_valid(row) => {
                u64::try_from(array.as_primitive::<Int64Type>().value(row)).unwrap_or(0)
            }
            Self::Each(_) => 0,
        }
    }
}

/// What `range` and `generate_series` make: eight bytes a step.
fn steps_bytes(args: &[ColumnarValue], rows: usize) -> Result<u64> {
    if args.iter().any(|arg| arg.data_type().is_null()) {
        return Ok(0);
    }
    let (start, stop, step) = match args {
        [stop] => (None, stop, None),
        [start, stop] => (Some(start), stop, None),
        [start, stop, step] => (Some(start), stop, Some(step)),
        _ => return Ok(0),
    };
    // Nanoseconds of times, numbers of numbers.
    let (wide, unit): (DataType, i128) = match stop.data_type() {
        DataType::Int64 => (DataType::Int64, 1),
        DataType::Date32 | DataType::Date64 => (DataType::Date32, DAY_NS),
        DataType::Timestamp(TimeUnit::Second, zone) => (DataType::Timestamp(TimeUnit::Second, zone), 1_000_000_000),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            (DataType::Timestamp(TimeUnit::Millisecond, zone), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => (DataType::Timestamp(TimeUnit::Microsecond, zone), 1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => (DataType::Timestamp(TimeUnit::Nanosecond, zone), 1),
        _ => return Ok(0),
    };
    let places = |value: &ColumnarValue| -> Result<ArrayRef> {
        let array = cast(&value.to_array(rows)?, &wide)?;
        let array = if wide == DataType::Date32 { cast(&array, &DataType::Int32)? } else { array };
        Ok(cast(&array, &DataType::Int64)?)
    };
    let (start, stop) = (start.map(places).transpose()?, places(stop)?);
    let step = step.map(|step| step.to_array(rows)).transpose()?;
    let mut bytes = 0_u64;
    for row in 0..rows {
        let at = |array: &ArrayRef| {
            array.is_valid(row).then(|| i128::from(array.as_primitive::<Int64Type>().value(row)) * unit)
        };
        let from = start.as_ref().map_or(Some(0), at);
        let (Some(from), Some(to)) = (from, at(&stop)) else { continue };
        let step = match &step {
            None => 1,
            Some(step) if step.is_null(row) => continue,
            Some(step) => match step.data_type() {
                DataType::Int64 => i128::from(step.as_primitive::<Int64Type>().value(row)),
                DataType::Interval(IntervalUnit::MonthDayNano) => {
                    let step = step.as_primitive::<IntervalMonthDayNanoType>().value(row);
                    i128::from(step.months) * MONTH_NS + i128::from(step.days) * DAY_NS + i128::from(step.nanoseconds)
                }
                _ => continue,
            },
        };
        // Zero is refused by the function itself.
        let steps = if step == 0 { 0 } else { (to - from).checked_div(step).unwrap_or(0).max(-1) + 1 };
        bytes = bytes.saturating_add(u64::try_from(steps).unwrap_or(u64::MAX).saturating_mul(8));
    }
    Ok(bytes)
}

/// A function of DataFusion's, behind a look at its arguments. It is not simplified: that would take the look away.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Weighed {
    inner: Arc<ScalarUDF>,
    weight: Weight,
}

impl Weighed {
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let alone = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let (rows, most) = if alone {
            (1, if args.number_rows == 1 { ALONE_BYTES_MAX } else { CONSTANT_BYTES_MAX })
        } else {
            let given = args.args.iter().map(|arg| match arg {
                ColumnarValue::Array(array) => bytes_of(array),
                ColumnarValue::Scalar(_) => 0,
            });
            let given = given.fold(0, u64::saturating_add);
            (args.number_rows, BATCH_BYTES_MAX.saturating_add(given).min(WHOLE_BYTES_MAX))
        };
        let bytes = self.weight.bytes(&args.args, rows)?;
        if bytes <= most {
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "`{}` would make {bytes} bytes at once, and at most {most} are allowed",
            self.name()
        )))
    }
}

impl ScalarUDFImpl for Weighed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<arrow::datatypes::FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        self.inner.invoke_with_args(args)
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// `a || b || c` of texts as a function: the operator's own answer.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    signature: Signature,
}

impl Default for Joined {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &str {
        "||"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.iter().map(|arg| arg.schema_name().to_string()).collect::<Vec<_>>().join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        Ok(vec![self.return_type(args)?; args.len()])
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let Some((first, rest)) = args.split_first() else { return exec_err!("`||` takes texts") };
        let joined =
            |left: DataType, right| BinaryTypeCoercer::new(&left, &Operator::StringConcat, right).get_result_type();
        rest.iter().try_fold(first.clone(), joined)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let alone = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if alone { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let columns = (0..arrays.len()).map(|number| Arc::new(Column::new("", number)) as Arc<dyn PhysicalExpr>);
        let joined = columns.reduce(|left, right| Arc::new(PhysicalBinary::new(left, Operator::StringConcat, right)));
        let Some(joined) = joined else { return exec_err!("`||` takes texts") };
        let fields: Vec<Field> = arrays.iter().map(|array| Field::new("", array.data_type().clone(), true)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?;
        match joined.evaluate(&batch)? {
            ColumnarValue::Array(array) if alone => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)),
            joined => Ok(joined),
        }
    }
}

/// Refuses constants that each row of a batch would get a copy of. Only a list that rows are made of may be larger.
///
/// # Errors
/// [`DataFusionError::ResourcesExhausted`].
pub(crate) fn check_constants(plan: &LogicalPlan) -> Result<()> {
    check_below(plan, &[])
}

/// `unnested` are the columns of `plan` that are made rows of, and nothing else.
fn check_below(plan: &LogicalPlan, unnested: &[usize]) -> Result<()> {
    let is_alone = matches!(plan.inputs().as_slice(), [LogicalPlan::EmptyRelation(_)]);
    let mut number = 0;
    let mut sum = 0_u64;
    plan.apply_expressions(|expr| {
        let is_unnested = is_alone && unnested.contains(&number);
        number += 1;
        if !is_unnested {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr
                    && value.size() > 1 << 10
                {
                    sum = sum.saturating_add(bytes_of(&value.to_array()?));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if sum > CONSTANT_BYTES_MAX {
        return Err(DataFusionError::ResourcesExhausted(format!(
            "constants of {sum} bytes stand beside rows, and at most {CONSTANT_BYTES_MAX} are allowed"
        )));
    }
    let below: Vec<usize> = match plan {
        LogicalPlan::Unnest(unnest) => unnest.list_type_columns.iter().map(|(column, _)| *column).collect(),
        _ => Vec::new(),
    };
    plan.inputs().into_iter().try_for_each(|input| check_below(input, &below))?;
    plan.apply_subqueries(|query| {
        check_below(query, &[])?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
