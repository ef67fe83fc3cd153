//! The growing rows of a collection: chunks, each of one partition, that are merged with others of it while they are
//! small, so that there are few of them and each row is copied a logarithmic number of times.

use crate::batch;
use crate::error::Result;
use crate::schema::Schema;
use crate::segment::rows::concat;
use crate::segment::{History, Key, Live, Memory, Reservation, Rows, SegmentView, Source};
use arrow_array::RecordBatch;
use std::sync::Arc;

/// Merged chunks stay below this, so that no insert waits long for a copy.
const MERGE_BYTES: u64 = 16 << 20;

/// Chunks of growing rows; those of one partition oldest first.
pub struct Growing {
    schema: Arc<Schema>,
    memory: Arc<Memory>,
    chunks: Vec<SegmentView>,
    /// The first chunks are being sealed and stay as they are, but for deletes.
    frozen: usize,
}

impl Growing {
    pub fn new(schema: Arc<Schema>, memory: Arc<Memory>) -> Growing {
        Growing { schema, memory, chunks: Vec::new(), frozen: 0 }
    }

    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The same rows after the schema has changed: all get what was added. None may be frozen.
    pub fn grown(&self, schema: Arc<Schema>) -> Result<Growing> {
        let mut chunks = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            let rows = chunk.rows()?;
            if rows.batch().num_columns() == schema.fields().len() {
                chunks.push(chunk.clone());
                continue;
            }
            let wide = batch::widened(&schema, rows.batch().clone())?;
            let memory = self.memory.force(batch::bytes(&schema, &wide));
            let wide = Source::Growing(Arc::new(Rows::new(&schema, wide, Some(memory))));
            chunks.push(SegmentView { source: wide, ..chunk.clone() });
        }
        Ok(Growing { schema, memory: self.memory.clone(), chunks, frozen: 0 })
    }

    pub fn chunks(&self) -> &[SegmentView] {
        &self.chunks
    }

    /// Adds rows to a partition, which were checked against the schema of now or one before it grew, and came at `time` (0
    /// for a time that nobody keeps). They stay a chunk of their own should a merge fail.
    pub fn push(
        &mut self,
        rows: RecordBatch,
        partition: u64,
        memory: Option<Reservation>,
        time: u64,
    ) -> Result<()> {
        let rows = batch::widened(&self.schema, rows)?;
        self.chunks.push(SegmentView::growing(Rows::new(&self.schema, rows, memory), partition, time));
        while self.merge_last().unwrap_or(false) {}
        Ok(())
    }

    /// Merges the last chunk with the one before it in its partition if they are of comparable size.
    fn merge_last(&mut self) -> Result<bool> {
        let Some((second, before)) = self.chunks[self.frozen..].split_last() else { return Ok(false) };
        let partition = second.partition;
        let Some(place) = before.iter().rposition(|chunk| chunk.partition == partition) else {
            return Ok(false);
        };
        let first = &before[place];
        let (Source::Growing(a), Source::Growing(b)) = (&first.source, &second.source) else {
            return Ok(false);
        };
        if a.bytes() > 2 * b.bytes() || a.bytes() + b.bytes() > MERGE_BYTES {
            return Ok(false);
        }
        let memory = self.memory.force(a.bytes() + b.bytes());
        let merged = Rows::new(&self.schema, concat(&self.schema, &[a, b])?, Some(memory));
        let live = Live::concat([&first.live, &second.live].into_iter());
        let histories = [(&first.history, first.len()), (&second.history, second.len())];
        let history = History::concat(histories.into_iter());
        self.chunks.pop();
        self.chunks.remove(self.frozen + place);
        let source = Source::Growing(Arc::new(merged));
        self.chunks.push(SegmentView { source, partition, live, history, indexes: Vec::new() });
        Ok(true)
    }

    /// Marks the rows of `keys`, in one partition or in all, as dead at `time`; says how many there were.
    pub fn delete(&mut self, keys: &[Key], partition: Option<u64>, time: u64) -> u64 {
        let mut deleted = 0;
        let is_meant = |chunk: &&mut SegmentView| partition.is_none_or(|id| chunk.partition == id);
        for chunk in self.chunks.iter_mut().filter(is_meant) {
            if let Source::Growing(rows) = &chunk.source {
                let rows = rows.clone();
                deleted += chunk.delete(&rows, keys, time);
            }
        }
        deleted
    }

    /// Takes the chunks of a dropped partition out; says whether there were any. None may be frozen.
    pub fn remove_partition(&mut self, partition: u64) -> bool {
        let before = self.chunks.len();
        self.chunks.retain(|chunk| chunk.partition != partition);
        self.chunks.len() < before
    }

    /// Takes the chunks of now for sealing, those of one partition side by side; they stay here until [`Growing::thaw`]
    /// or [`Growing::remove_frozen`].
    pub fn freeze(&mut self) -> Vec<SegmentView> {
        self.chunks.sort_by_key(|chunk| chunk.partition);
        self.frozen = self.chunks.len();
        self.chunks.clone()
    }

    /// The sealing failed: the chunks are ordinary ones again.
    pub fn thaw(&mut self) {
        self.frozen = 0;
    }

    /// The sealing is done: takes the frozen chunks out, with the deletes since.
    pub fn remove_frozen(&mut self) -> Vec<SegmentView> {
        self.chunks.drain(..std::mem::take(&mut self.frozen)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::rows::tests::{batch, schema};

    fn growing() -> Growing {
        Growing::new(Arc::new(schema()), Memory::new(0))
    }

    fn push(growing: &mut Growing, keys: &[i64]) {
        growing.push(batch(keys), 0, None, 0).unwrap();
    }

    fn live_keys(growing: &Growing) -> Vec<i64> {
        let mut keys = Vec::new();
        for chunk in growing.chunks() {
            let rows = chunk.rows().unwrap();
            for row in (0..rows.len()).filter(|&row| chunk.live.is_live(row)) {
                let Key::Int(key) = rows.key(row) else { panic!() };
                keys.push(key);
            }
        }
        keys
    }

    #[test]
    fn few_chunks_in_order() {
        let mut growing = growing();
        (0..1000).for_each(|key| push(&mut growing, &[key]));
        assert!(growing.chunks().len() <= 12, "{}", growing.chunks().len());
        assert_eq!(live_keys(&growing), (0..1000).collect::<Vec<_>>());
        // A row that was pushed without a reservation counts once it was merged.
        let merged = growing.chunks().iter().map(|chunk| chunk.rows().unwrap()).filter(|rows| rows.len() > 1);
        assert_eq!(growing.memory.used(), merged.map(|rows| rows.bytes()).sum::<u64>());
    }

    #[test]
    fn deletes_survive_merges() {
        let mut growing = growing();
        push(&mut growing, &[1, 2, 3]);
        assert_eq!(growing.delete(&[Key::Int(2), Key::Int(9), Key::Int(2)], None, 0), 1);
        push(&mut growing, &[2, 4]);
        push(&mut growing, &[5]);
        assert_eq!(live_keys(&growing), [1, 3, 2, 4, 5]);
        assert_eq!(growing.delete(&[Key::Int(2)], None, 0), 1);
        assert_eq!(live_keys(&growing), [1, 3, 4, 5]);
    }

    #[test]
    fn frozen_chunks_are_not_merged() {
        let mut growing = growing();
        push(&mut growing, &[1, 2]);
        let frozen = growing.freeze();
        push(&mut growing, &[3, 4]);
        assert_eq!(growing.chunks().len(), 2);
        growing.delete(&[Key::Int(1), Key::Int(4)], None, 0);
        assert_eq!(frozen[0].live.dead(), 0);
        let sealed = growing.remove_frozen();
        assert_eq!((sealed.len(), sealed[0].live.dead()), (1, 1));
        assert_eq!(live_keys(&growing), [3]);
        growing.freeze();
        growing.thaw();
        push(&mut growing, &[7, 8]);
        assert_eq!(growing.chunks().len(), 1);
    }

    #[test]
    fn partitions_stay_apart() {
        let mut growing = growing();
        for key in 0..300 {
            growing.push(batch(&[key]), key as u64 % 3, None, 0).unwrap();
        }
        assert!(growing.chunks().len() <= 30, "{}", growing.chunks().len());
        for chunk in growing.chunks() {
            let rows = chunk.rows().unwrap();
            let is_of_it = |row| matches!(rows.key(row), Key::Int(key) if key as u64 % 3 == chunk.partition);
            assert!((0..rows.len()).all(is_of_it));
        }
        let keys: Vec<Key> = (0..10).map(Key::Int).collect();
        assert_eq!(growing.delete(&keys, Some(1), 0), 3);
        assert_eq!(growing.delete(&keys, None, 0), 7);
        let partitions: Vec<u64> = growing.freeze().iter().map(|chunk| chunk.partition).collect();
        assert!(partitions.is_sorted());
        growing.thaw();
        assert!(growing.remove_partition(2) && !growing.remove_partition(2));
        let (keys, live) =
            (live_keys(&growing), growing.chunks().iter().map(|c| c.live.count()).sum::<usize>());
        assert_eq!(keys.len(), live);
        assert!(keys.len() == 200 - 7 && keys.iter().all(|key| key % 3 != 2 && *key >= 10));
    }
}
