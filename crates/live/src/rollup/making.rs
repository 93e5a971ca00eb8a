//! Making the states of a piece: its rows go by once, and every level takes them. A level of which there would be about as
//! many states as rows is given up on the way. Nothing here reads or keeps anything.

use arrow::array::{ArrayRef, RecordBatch};
use pulseboard_model::TimeUs;
use pulseboard_model::limits::QueryLimits;

use super::ipc::columns_to_ipc;
use super::{AFTER_ALL_US, BEFORE_ALL_US, Cut, Rollup, RollupLevel, cut, view_limits};
use crate::api::{History, QueryError};
use crate::maintain::groups::Groups;

/// States are worth keeping if there are at least so many rows for each.
const ROWS_PER_STATE: usize = 4;
/// From so many rows on it is known whether they are.
const KNOWN_ROWS: usize = 100_000;

/// The states of one piece under way.
#[derive(Debug)]
pub struct RollupMaker {
    levels: Vec<Making>,
    rows: usize,
}

#[derive(Debug)]
struct Making {
    level: RollupLevel,
    /// `None` once it is given up.
    state: Option<(Cut, Groups)>,
}

/// The states of one level as bytes; `None` where they are not worth keeping.
pub type LevelBytes = (RollupLevel, Option<Vec<u8>>);

impl Rollup {
    /// Begins the states of a piece, of all levels.
    ///
    /// # Errors
    /// [`QueryError`] when the query cannot be planned any more.
    pub fn maker(&self, history: &dyn History, limits: &QueryLimits) -> Result<RollupMaker, QueryError> {
        let levels = RollupLevel::ALL.into_iter().map(|level| {
            let cut = cut(&self.spec, level.step(), (BEFORE_ALL_US, AFTER_ALL_US), history, limits)?;
            let state = cut.map(|cut| {
                let groups = Groups::new(&cut.shape, &view_limits(limits), TimeUs(0));
                groups.map(|groups| (cut, groups)).map_err(|error| QueryError::running(&error))
            });
            Ok(Making { level, state: state.transpose()? })
        });
        Ok(RollupMaker { levels: levels.collect::<Result<_, QueryError>>()?, rows: 0 })
    }
}

impl RollupMaker {
    /// Takes rows of the piece, with at least [`Rollup::columns`].
    ///
    /// # Errors
    /// [`QueryError`] when they cannot be computed with.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.rows += batch.num_rows();
        for making in &mut self.levels {
            let Some((cut, groups)) = &mut making.state else { continue };
            let Some(input) = cut.layout.apply_by_name(batch) else {
                making.state = None;
                continue;
            };
            groups.push(0, input).map_err(|error| QueryError::running(&error))?;
            if groups.is_truncated() || (self.rows > KNOWN_ROWS && groups.len() * ROWS_PER_STATE > self.rows) {
                making.state = None;
            }
        }
        Ok(())
    }

    /// The states of each level.
    ///
    /// # Errors
    /// [`QueryError`] when a state cannot be given.
    pub fn finish(self) -> Result<Vec<LevelBytes>, QueryError> {
        let rows = self.rows;
        let finished = self.levels.into_iter().map(|Making { level, state }| {
            let Some((_, mut groups)) = state.filter(|(_, groups)| groups.len() * ROWS_PER_STATE <= rows) else {
                return Ok((level, None));
            };
            let failed = |error| QueryError::running(&error);
            let parts = groups.parts().map_err(failed)?;
            let [(_, _, keys, states)] = parts.as_slice() else { return Ok((level, None)) };
            let columns: Vec<ArrayRef> = keys.iter().chain(states.iter().flatten()).cloned().collect();
            Ok((level, Some(columns_to_ipc(columns).map_err(failed)?)))
        });
        finished.collect()
    }
}
