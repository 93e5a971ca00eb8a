//! `||` of texts as a function, so that it can be weighed as one.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr as PhysicalBinary, Column};

/// Whether `left || right` is a text. Lists are put together by a function already.
pub(super) fn is_text(left: &Expr, right: &Expr, schema: &DFSchema) -> bool {
    let (Ok(left), Ok(right)) = (left.get_type(schema), right.get_type(schema)) else { return false };
    result_of(&left, &right).is_ok_and(|joined| joined.is_string())
}

fn result_of(left: &DataType, right: &DataType) -> Result<DataType> {
    BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
}

/// The texts of a chain of `||`: one function of all of them, since planning takes its time for functions inside functions.
/// `is_joined` says which functions are such chains.
pub(super) fn parts(left: Expr, right: Expr, is_joined: impl Fn(&ScalarUDF) -> bool) -> Vec<Expr> {
    let parts = |expr| match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) if is_joined(&func) => args,
        expr => vec![expr],
    };
    parts(left).into_iter().chain(parts(right)).collect()
}

/// `a || b || c` of texts as a function: the operator's own answer.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Joined {
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
