//! Export: the rows of a snapshot to one file, in batches, and the schema beside it.

use crate::collection::build::Foreground;
use crate::collection::core::{Core, Snapshot};
use crate::collection::merge::Target;
use crate::collection::partitions::Chosen;
use crate::collection::types::ExportOptions;
use crate::error::{Error, Result};
use crate::exchange::{self, Sink};
use crate::index::Pace;
use crate::segment::{Run, gather};
use arrow_array::RecordBatch;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Rows that are written at a time.
const STEP: usize = 8192;

impl Core {
    pub fn export(&self, path: &Path, options: &ExportOptions) -> Result<u64> {
        self.check_loaded()?;
        let schema = self.schema.clone();
        let filter = self.filter(options.filter, options.filter_values)?;
        if options.without_keys && !schema.auto_id() {
            return Err(Error::invalid("primary keys can be left out only where auto_id makes new ones"));
        }
        let left_out = options.without_keys.then(|| schema.primary_at());
        let places: Vec<usize> = (0..schema.fields().len()).filter(|&p| Some(p) != left_out).collect();
        let vfs = &self.store.shared.vfs;
        // The snapshot is held to the end: its files may go afterwards.
        let (_snapshot, targets) = self.on_snapshot(|snapshot: &Arc<Snapshot>| {
            let found = self.matching(snapshot, &Chosen::all(), &filter, &AtomicBool::new(false))?;
            Ok((snapshot.clone(), found.into_iter().map(|(target, _)| target).collect::<Vec<_>>()))
        })?;
        let beside = path.with_extension("schema.json");
        let mut sink = exchange::create(vfs, &schema, &places, path)?;
        let description = exchange::description(&schema, !options.without_keys);
        exchange::write_text(vfs, &beside, &format!("{description:#}\n"))?;
        let written = self.write_targets(&targets, &places, sink.as_mut(), options).and_then(|rows| {
            sink.finish()?;
            Ok(rows)
        });
        if written.is_err() {
            // Failing to is not an error: the export has failed already.
            let _ = vfs.remove_file(&beside);
        }
        written
    }

    fn write_targets(
        &self,
        targets: &[Target],
        places: &[usize],
        sink: &mut dyn Sink,
        options: &ExportOptions,
    ) -> Result<u64> {
        let total = targets.iter().map(|target| target.live.count() as u64).sum();
        let pace = Foreground { core: self, progress: options.progress, before: 0, total, what: "export" };
        pace.checkpoint(0, total)?;
        let mut done = 0;
        for target in targets {
            for runs in in_steps(&target.live.runs()) {
                let rows = copy(target.rows.batch(), &runs)?;
                sink.write(&rows.project(places).map_err(|e| Error::internal(e.to_string()))?)?;
                done += rows.num_rows() as u64;
                pace.checkpoint(done, total)?;
            }
        }
        Ok(done)
    }
}

/// Runs of rows in groups of [`STEP`] rows.
fn in_steps(runs: &[(usize, usize)]) -> Vec<Vec<Run>> {
    let (mut groups, mut group, mut free) = (Vec::new(), Vec::new(), STEP);
    for &(mut start, end) in runs {
        while start < end {
            let stop = end.min(start + free);
            group.push(Run { source: 0, start, end: stop });
            free -= stop - start;
            start = stop;
            if free == 0 {
                groups.push(std::mem::take(&mut group));
                free = STEP;
            }
        }
    }
    groups.extend((!group.is_empty()).then_some(group));
    groups
}

fn copy(batch: &RecordBatch, runs: &[Run]) -> Result<RecordBatch> {
    match runs {
        [run] => Ok(batch.slice(run.start, run.end - run.start)),
        runs => gather(&batch.schema(), &[batch], runs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_rows() {
        let run = |start, end| Run { source: 0, start, end };
        assert_eq!(in_steps(&[]), Vec::<Vec<Run>>::new());
        assert_eq!(in_steps(&[(3, 5), (7, 8)]), [vec![run(3, 5), run(7, 8)]]);
        let (one, two) = (STEP, 2 * STEP);
        assert_eq!(in_steps(&[(0, two)]), [vec![run(0, one)], vec![run(one, two)]]);
        assert_eq!(
            in_steps(&[(0, 1), (2, two)]),
            [vec![run(0, 1), run(2, one + 1)], vec![run(one + 1, two)]]
        );
    }
}
