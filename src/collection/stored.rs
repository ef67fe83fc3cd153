//! Rows as their files have them: what exports and deletes by a filter look at. Segments that no search has opened stay
//! closed: it does not matter whether they are loaded, and nothing is.

use crate::batch;
use crate::collection::core::{Core, Snapshot};
use crate::collection::merge::Target;
use crate::collection::partitions::Chosen;
use crate::collection::query::NEVER;
use crate::error::Result;
use crate::filter::{Filter, Table};
use crate::segment::{Live, Rows, SegmentView};
use arrow_buffer::BooleanBufferBuilder;
use std::sync::Arc;

/// Rows that are looked at, or written, at a time: fields that they lack take little memory then.
pub const STEP: usize = 8192;

impl Core {
    /// Segments of the chosen partitions with rows that are live and for which the filter holds. Those that are not open may lack
    /// fields that the collection got later.
    pub fn stored_matching(
        &self,
        snapshot: &Snapshot,
        chosen: &Chosen,
        filter: &Filter,
    ) -> Result<Vec<Target>> {
        let mut found = Vec::new();
        for view in snapshot.segments().filter(|view| chosen.has(view.partition) && view.live.count() > 0) {
            let (rows, live) = match view.open_rows() {
                Some(rows) => {
                    let live = self.filtered(view, &rows, filter, &NEVER)?;
                    (rows, live)
                }
                None => self.stored_live(view, filter)?,
            };
            if live.count() > 0 {
                found.push(Target { rows, live, index: None });
            }
        }
        Ok(found)
    }

    /// The rows of a segment as its files have them, and which of them are live and pass the filter.
    fn stored_live(&self, view: &SegmentView, filter: &Filter) -> Result<(Arc<Rows>, Live)> {
        // A dropped collection's files may go while they are opened.
        let rows = view.stored().map_err(|error| self.check_open().err().unwrap_or(error))?;
        if filter.is_always_true() {
            return Ok((rows, view.live.clone()));
        }
        let total = rows.len();
        let mut bits = BooleanBufferBuilder::new(total);
        for start in (0..total).step_by(STEP) {
            let step = rows.batch().slice(start, STEP.min(total - start));
            let step = batch::widened(&self.schema, step)?;
            bits.append_buffer(&filter.rows(&Table::of(&step), None)?);
        }
        Ok((rows, view.live.kept(&bits.finish())))
    }
}
