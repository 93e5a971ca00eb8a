//! What a function would make is weighed before it is made.
//!
//! `repeat('x', 1e9)` asks for a gigabyte with thirteen letters, `range(0, 1e9)` for eight, and either for each row of a batch:
//! more than a machine has, before anything that counts memory sees it. Functions that make more than they are given are
//! DataFusion's own, after a look at their arguments; where those could make much, they are run over fewer rows at a time.
//! What they give is not changed, and what is refused is a limit.

mod constants;
mod joined;
mod weights;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, resources_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Documentation, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};

pub(crate) use constants::check;
use joined::Joined;
use weights::{Weight, weight_of};

use crate::row_bytes::whole_bytes;

/// The most that a function may make at once, going by its arguments.
const SLICE_BYTES_MAX: u64 = 32 << 20;
/// The most that it makes of a batch.
const BATCH_BYTES_MAX: u64 = 128 << 20;
/// The most of one value that stands alone, as in a query without a stream.
const ALONE_BYTES_MAX: u64 = 1 << 20;
/// The most of a constant beside rows: each of a batch may get a copy of it.
const CONSTANT_BYTES_MAX: u64 = 64 << 10;

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
        let weighed = |inner, weight, args| {
            let func = Arc::new(ScalarUDF::new_from_impl(Weighed { inner, weight }));
            Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
        };
        Ok(match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) if !func.inner().is::<Weighed>() => {
                match weight_of(func.name()) {
                    Some(weight) => weighed(func, weight, args),
                    None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right })
                if joined::is_text(&left, &right, schema) =>
            {
                let func = Arc::new(ScalarUDF::new_from_impl(Joined::default()));
                weighed(func, Weight::Sum, joined::parts(*left, *right, is_joined))
            }
            expr => Transformed::no(expr),
        })
    }
}

fn is_joined(function: &ScalarUDF) -> bool {
    function.inner().downcast_ref::<Weighed>().is_some_and(|weighed| weighed.inner.inner().is::<Joined>())
}

/// A function of DataFusion's, behind a look at its arguments. It is not simplified: that would take the look away.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Weighed {
    inner: Arc<ScalarUDF>,
    weight: Weight,
}

impl Weighed {
    /// One value of constants alone.
    fn alone(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let most = if args.number_rows == 1 { ALONE_BYTES_MAX } else { CONSTANT_BYTES_MAX };
        let bytes = self.weight.bytes(&args.args, 1)?.into_iter().fold(0, u64::saturating_add);
        if bytes > most {
            return self.too_much(bytes, most);
        }
        self.inner.invoke_with_args(args)
    }

    /// A value of each row: of so many rows at a time that they cannot make too much at once.
    fn each(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        if self.weight.is_surely_within(&args.args, rows, SLICE_BYTES_MAX) {
            return self.inner.invoke_with_args(args);
        }
        let bytes = self.weight.bytes(&args.args, rows)?;
        if bytes.iter().copied().fold(0, u64::saturating_add) <= SLICE_BYTES_MAX {
            return self.inner.invoke_with_args(args);
        }
        let mut parts: Vec<ArrayRef> = Vec::new();
        let (mut start, mut made) = (0, 0_u64);
        while start < rows {
            let mut sum = 0_u64;
            let fitting = bytes[start..].iter().take_while(|bytes| {
                sum = sum.saturating_add(**bytes);
                sum <= SLICE_BYTES_MAX
            });
            let length = fitting.count();
            if length == 0 {
                return self.too_much(bytes[start], SLICE_BYTES_MAX);
            }
            let part = self.inner.invoke_with_args(slice(&args, start, length))?.into_array(length)?;
            made = made.saturating_add(whole_bytes(&part));
            if made > BATCH_BYTES_MAX {
                return self.too_much(made, BATCH_BYTES_MAX);
            }
            parts.push(part);
            start += length;
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }

    fn too_much<T>(&self, bytes: u64, most: u64) -> Result<T> {
        resources_err!("`{}` would make {bytes} bytes at once, and at most {most} are allowed", self.name())
    }
}

fn slice(args: &ScalarFunctionArgs, start: usize, length: usize) -> ScalarFunctionArgs {
    let arg = |arg: &ColumnarValue| match arg {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, length)),
        ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
    };
    ScalarFunctionArgs {
        args: args.args.iter().map(arg).collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: length,
        return_field: args.return_field.clone(),
        config_options: args.config_options.clone(),
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

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            self.alone(args)
        } else {
            self.each(args)
        }
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
