//! Export: the rows of a snapshot to one file, in batches, and the schema beside it. They are read as they are stored:
//! what is released needs no load for it, and stays released.

use crate::batch;
use crate::collection::build::Foreground;
use crate::collection::core::{Core, Snapshot};
use crate::collection::merge::Target;
use crate::collection::partitions::Chosen;
use crate::collection::stored::STEP;
use crate::collection::types::ExportOptions;
use crate::error::{Error, Result};
use crate::exchange::{self, Sink};
use crate::index::Pace;
use crate::schema::Schema;
use crate::segment::{Run, gather};
use arrow_array::RecordBatch;
use std::path::Path;
use std::sync::Arc;

impl Core {
    pub fn export(&self, path: &Path, options: &ExportOptions) -> Result<u64> {
        self.check_open()?;
        let schema = self.schema.clone();
        let filter = self.filter(options.filter, options.filter_values)?;
        if options.without_keys && !schema.auto_id() {
            return Err(Error::invalid("primary keys can be left out only where auto_id makes new ones"));
        }
        let left_out = options.without_keys.then(|| schema.primary_at());
        let places: Vec<usize> = (0..schema.fields().len()).filter(|&p| Some(p) != left_out).collect();
        // The snapshot is held to the end: its files may go afterwards.
        let (_snapshot, parts) = self.on_snapshot(|snapshot: &Arc<Snapshot>| {
            let chosen = match options.partition_names.is_empty() {
                true => Chosen::all(),
                false => self.named_partitions(&options.partition_names, "export partitions")?,
            };
            let chosen = self.pinned(&filter).among(&chosen);
            Ok((snapshot.clone(), self.stored_matching(snapshot, &chosen, &filter)?))
        })?;
        let vfs = &self.store.shared.vfs;
        let description = format!("{:#}\n", exchange::description(&schema, !options.without_keys));
        let beside = path.with_extension("schema.json");
        let mut sink = exchange::create(vfs, &schema, &places, path, (&beside, &description))?;
        let rows = self.write_parts(&parts, &schema, &places, sink.as_mut(), options)?;
        sink.finish()?;
        Ok(rows)
    }

    fn write_parts(
        &self,
        parts: &[Target],
        schema: &Schema,
        places: &[usize],
        sink: &mut dyn Sink,
        options: &ExportOptions,
    ) -> Result<u64> {
        let total = parts.iter().map(|part| part.live.count() as u64).sum();
        let pace = Foreground { core: self, progress: options.progress, before: 0, total, what: "export" };
        pace.checkpoint(0, total)?;
        let mut done = 0;
        for Target { rows, live, .. } in parts {
            for runs in in_steps(&live.runs()) {
                let rows = batch::widened(schema, copy(rows.batch(), &runs)?)?;
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
