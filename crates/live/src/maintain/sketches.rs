//! `approx_distinct` for long: each group's sketch as the bytes that DataFusion's grouped accumulator gives.
//!
//! Those bytes are a few hashes while a group has seen few values and 16 KiB of registers once it has seen many; the single
//! accumulator takes 16 KiB from the first. What they mean is DataFusion's: they are merged and read by its own accumulator.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use hashbrown::HashMap;

use super::shape::AggregateCall;
use super::totals::{GroupId, Total};

/// Whether the sketches of `call` are kept so. Who merges states above wants those of the single accumulator.
pub(super) fn is_kept_as_sketch(call: &AggregateCall) -> bool {
    let function = &call.function;
    function.fun().name() == "approx_distinct" && !call.as_state && function.groups_accumulator_supported()
}

/// The sketches of all groups. An empty one has no bytes.
pub(super) struct SketchTotal {
    function: Arc<AggregateFunctionExpr>,
    sketches: Vec<Box<[u8]>>,
    bytes: usize,
}

impl fmt::Debug for SketchTotal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SketchTotal").field("groups", &self.sketches.len()).finish_non_exhaustive()
    }
}

impl SketchTotal {
    pub(super) fn new(function: &Arc<AggregateFunctionExpr>) -> Self {
        Self { function: function.clone(), sketches: Vec::new(), bytes: 0 }
    }

    fn put(&mut self, group: GroupId, sketch: Box<[u8]>) {
        let old = &mut self.sketches[group as usize];
        self.bytes = self.bytes + sketch.len() - old.len();
        *old = sketch;
    }

    fn array(&self, groups: &[GroupId]) -> ArrayRef {
        Arc::new(BinaryArray::from_iter_values(groups.iter().map(|group| &self.sketches[*group as usize])))
    }
}

impl Total for SketchTotal {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.sketches.resize_with(groups, Box::default);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[GroupId]) -> Result<()> {
        let Some(new) = states[0].as_binary_opt::<i32>() else { return internal_err!("a sketch is bytes") };
        let (mut places, mut met) = (HashMap::new(), Vec::new());
        let place = |group: &GroupId| {
            *places.entry(*group).or_insert_with(|| {
                met.push(*group);
                met.len() - 1
            })
        };
        let mut indices: Vec<usize> = groups.iter().map(place).collect();
        indices.extend(0..met.len());
        let known = met.iter().map(|group| self.sketches[*group as usize].as_ref());
        let all = BinaryArray::from_iter_values((0..new.len()).map(|row| new.value(row)).chain(known));
        let mut accumulator = self.function.create_groups_accumulator()?;
        accumulator.merge_batch(&[Arc::new(all) as ArrayRef], &indices, met.len())?;
        let merged = accumulator.state(EmitTo::All)?;
        let merged = merged[0].as_binary::<i32>();
        for (row, group) in met.into_iter().enumerate() {
            self.put(group, merged.value(row).into());
        }
        Ok(())
    }

    fn reset(&mut self, group: GroupId) -> Result<()> {
        self.put(group, Box::default());
        Ok(())
    }

    fn evaluate(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        let mut accumulator = self.function.create_groups_accumulator()?;
        let indices: Vec<usize> = (0..groups.len()).collect();
        accumulator.merge_batch(&[self.array(groups)], &indices, groups.len())?;
        Ok(vec![accumulator.evaluate(EmitTo::All)?])
    }

    fn state(&mut self, groups: &[GroupId]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.array(groups)])
    }

    fn size_bytes(&self) -> usize {
        self.bytes + self.sketches.capacity() * size_of::<Box<[u8]>>()
    }
}
