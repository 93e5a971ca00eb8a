//! Every aggregate of DataFusion is maintained, in each form that the differential test asks for, but for the listed ones.

use chrono_tz::Tz;
use datafusion::functions_aggregate::all_default_aggregate_functions;
use pulseboard_model::limits::ViewLimits;

use super::grammar::AGGREGATES;
use super::world::World;
use crate::api::{Params, QuerySpec};
use crate::live_query::LiveQuery;

/// Aggregates that nothing maintains, and why.
const NOT_MAINTAINED: [(&str, &str); 1] = [("grouping", "it speaks of grouping sets, which are re-run as a whole")];

#[test]
fn every_default_aggregate_is_in_the_grammar_or_in_the_list() {
    for function in all_default_aggregate_functions() {
        let name = function.name();
        let is_called = |called: &str| called == name || function.aliases().iter().any(|alias| alias == called);
        let tried = AGGREGATES.iter().filter_map(|sql| sql.split('(').next()).any(is_called);
        let listed = NOT_MAINTAINED.iter().find(|(listed, _)| *listed == name);
        match listed {
            None => assert!(tried, "`{name}` is neither produced by the grammar nor listed with a reason"),
            Some((_, reason)) => assert!(!tried, "`{name}` is listed ({reason}) and tried"),
        }
    }
}

#[test]
fn every_aggregate_of_the_grammar_is_maintained() {
    let world = World::wide_at(1_780_000_000_000_000);
    for aggregate in AGGREGATES {
        for group in ["", " GROUP BY kind"] {
            let sql = format!("SELECT {aggregate} AS a FROM events WHERE time > now() - interval '1 minute'{group}");
            let spec = QuerySpec { sql, timezone: Tz::UTC, params: Params::new() };
            if let Err(error) = LiveQuery::new(&spec, world.as_ref(), &ViewLimits::default()) {
                panic!("`{}` is not maintained: {error:?}", spec.sql);
            }
        }
    }
}
