//! What the form of a query's state depends on, as one number kept beside a checkpoint.
//!
//! Two states of the same question may be exchanged if these are equal. A schema that merely grew changes nothing here: what
//! counts are the columns that are read, so that totals older than their events outlive a new field. Limits count only for what
//! hit one.

use std::fmt::Write;

use datafusion::DATAFUSION_VERSION;
use pulseboard_model::limits::ViewLimits;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::compose::Composition;
use super::dump;
use super::shape::AggregateCall;

/// Raised whenever the same query over the same events would be held otherwise than before.
pub(crate) const ENGINE: u32 = 2;

/// Aggregates whose partial states have one obvious form, whatever version of DataFusion makes them.
const STEADY: [&str; 5] = ["count", "sum", "min", "max", "avg"];

/// The limits that `limits` are, as a number.
pub(crate) fn limits_of(limits: &ViewLimits) -> u64 {
    xxh3_64(format!("{limits:?}").as_bytes())
}

/// The form of the state that `composition` keeps.
///
/// # Errors
/// If an aggregate does not say what it keeps.
pub(crate) fn form_of(composition: &Composition) -> datafusion::common::Result<u128> {
    let mut text = format!("{ENGINE} {}", dump::FORMAT);
    let mut steady = true;
    for shape in &composition.parts {
        add(&mut text, format_args!("part"));
        for branch in &shape.branches {
            add(&mut text, format_args!("from {}", branch.stream));
            for field in &branch.input {
                add(&mut text, format_args!("reads {} {}", field.name(), field.data_type()));
            }
        }
        if let Some(aggregate) = &shape.aggregate {
            for field in &aggregate.key_fields {
                add(&mut text, format_args!("key {}", field.data_type()));
            }
            for call in &aggregate.calls {
                steady &= is_steady(call);
                add(&mut text, format_args!("call {}", call.function.fun().name()));
                for field in call.function.state_fields()? {
                    add(&mut text, format_args!("keeps {}", field.data_type()));
                }
            }
        }
        for column in &shape.columns {
            add(&mut text, format_args!("gives {} {:?}", column.name, column.column_type));
        }
    }
    if !steady {
        add(&mut text, format_args!("datafusion {DATAFUSION_VERSION}"));
    }
    Ok(xxh3_128(text.as_bytes()))
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    write!(text, "\n{line}").expect("a text takes what is written to it");
}

fn is_steady(call: &AggregateCall) -> bool {
    let function = &call.function;
    STEADY.contains(&function.fun().name()) && !function.is_distinct() && function.order_bys().is_empty()
}
