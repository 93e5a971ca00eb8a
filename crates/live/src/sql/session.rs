//! A DataFusion session for one query: its zone, its clock, its streams, and our reading of the dialect.
//!
//! Nothing of the machine is reachable from it: no files, no catalogs but the streams the query names.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono_tz::Tz;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::optimizer::Optimizer;
use datafusion::prelude::SessionConfig;

use super::clock::{ClockCell, clock_functions};
use super::{ago, buckets, durations, extremes, floats, instants, lists, local, sessions, sizes};

/// Rows per batch, live and in batch.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// A table of a session: a stream's name and how it is read.
#[derive(Debug, Clone)]
pub(crate) struct SessionTable {
    pub(crate) name: String,
    pub(crate) provider: Arc<dyn TableProvider>,
}

/// Builds the session. One partition: results come in one order, and views are many on few cores.
pub(crate) fn session(
    timezone: Tz,
    clock: &ClockCell,
    tables: &[SessionTable],
    runtime: Option<Arc<RuntimeEnv>>,
) -> Result<SessionState> {
    let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    let options = config.options_mut();
    options.execution.time_zone = Some(timezone.name().to_owned());
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;

    // This rule changes the type of decimal sums beside a DISTINCT, so the batch answer would differ from the live one.
    let mut rules = Optimizer::new().rules;
    rules.retain(|rule| rule.name() != "single_distinct_aggregation_to_group_by");
    let mut builder =
        SessionStateBuilder::new().with_config(config).with_default_features().with_optimizer_rules(rules);
    if let Some(runtime) = runtime {
        builder = builder.with_runtime_env(runtime);
    }
    let mut state = builder.build();
    for function in clock_functions(clock, timezone) {
        state.register_udf(function)?;
    }
    instants::register(&mut state)?;
    local::register(&mut state)?;
    floats::register(&mut state)?;
    durations::register(&mut state)?;
    sizes::register(&mut state)?;
    extremes::register(&mut state)?;
    ago::register(&mut state)?;
    sessions::register(&mut state)?;
    buckets::register(&mut state)?;
    lists::register(&mut state)?;
    let catalog = &state.config_options().catalog;
    let schema =
        state.catalog_list().catalog(&catalog.default_catalog).and_then(|found| found.schema(&catalog.default_schema));
    if let Some(schema) = schema {
        for table in tables {
            schema.register_table(table.name.clone(), table.provider.clone())?;
        }
    }
    Ok(state)
}

/// The same schema with every time column labelled with `timezone`: the instants stay, local days become visible.
pub(crate) fn in_timezone(schema: &SchemaRef, timezone: Tz) -> SchemaRef {
    use arrow::datatypes::{DataType, Schema};
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Timestamp(*unit, Some(timezone.name().into()))))
        }
        _ => field.clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
