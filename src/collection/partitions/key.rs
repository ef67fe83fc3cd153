//! The partition key: rows go to partitions by the hash of its value, and filters that pin it look only there.

use crate::collection::core::Core;
use crate::collection::ops::Part;
use crate::error::Result;
use crate::filter::Filter;
use crate::segment::{Key, Run, gather};
use arrow_array::RecordBatch;

use super::Chosen;

/// The partition of a value. The numbers are for ever: segments were dealt by them.
fn partition_of(value: Key, partitions: usize) -> u64 {
    let hash = match value {
        Key::Int(number) => crc32c::crc32c(&number.to_le_bytes()),
        Key::Text(text) => crc32c::crc32c(text.as_bytes()),
    };
    u64::from(hash) % partitions.max(1) as u64
}

impl Core {
    /// Deals rows to the partitions of their keys, in the order of the partitions.
    pub fn deal(&self, rows: &RecordBatch, key: usize) -> Result<Vec<Part>> {
        let partitions = self.schema.num_partitions();
        let mut runs: Vec<Vec<Run>> = Vec::new();
        runs.resize_with(partitions, Vec::new);
        for row in 0..rows.num_rows() {
            let partition = partition_of(Key::at(rows.column(key), row), partitions) as usize;
            match runs[partition].last_mut() {
                Some(run) if run.end == row => run.end += 1,
                _ => runs[partition].push(Run { source: 0, start: row, end: row + 1 }),
            }
        }
        let dealt = (0u64..).zip(runs).filter(|(_, runs)| !runs.is_empty());
        dealt
            .map(|(partition, runs)| {
                Ok(Part { partition, rows: gather(self.schema.arrow(), &[rows], &runs)? })
            })
            .collect()
    }

    /// The partitions that can have rows for which the filter holds.
    pub fn pinned(&self, filter: &Filter) -> Chosen {
        let Some(key) = self.schema.partition_key() else { return Chosen::all() };
        let Some(values) = filter.pinned(key) else { return Chosen::all() };
        let partition = |value| partition_of(value, self.schema.num_partitions());
        let mut ids: Vec<u64> = values.into_iter().map(partition).collect();
        ids.sort_unstable();
        ids.dedup();
        Chosen::of(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows on the disk lie by these numbers.
    #[test]
    fn the_hash_is_for_ever() {
        let ints = [0, 1, -1, i64::MAX].map(|value| partition_of(Key::Int(value), 16));
        let texts = ["", "a", "tenant-7", "é"].map(|value| partition_of(Key::Text(value), 16));
        assert_eq!((ints, texts), ([10, 13, 7, 15], [0, 0, 0, 12]));
    }

    #[test]
    fn values_spread() {
        for partitions in [1usize, 2, 7, 16, 64] {
            for step in [1, 16, 1000] {
                let mut counts = vec![0u32; partitions];
                for value in 0..4096 {
                    counts[partition_of(Key::Int(value * step), partitions) as usize] += 1;
                    counts[partition_of(Key::Text(&format!("tenant {}", value * step)), partitions)
                        as usize] += 1;
                }
                let mean = 8192 / partitions as u32;
                assert!(counts.iter().all(|&count| count > mean / 2 && count < mean * 2), "{counts:?}");
            }
        }
    }
}
