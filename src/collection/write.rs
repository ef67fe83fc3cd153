//! Inserts and deletes: group commit. Writers queue their changes; whoever gets the writer's lock is the leader, logs
//! all that are queued in one write and one sync, applies them in order, and publishes one snapshot.

use crate::batch;
use crate::collection::core::{Core, Pending, Writer};
use crate::collection::ops::Op;
use crate::collection::types::Inserted;
use crate::database::options::Durability;
use crate::error::{Error, Result};
use crate::segment::{Key, Reservation, Rows, delete};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most bytes of one insert or delete.
const MAX_RECORD: usize = 1 << 30;

impl Core {
    pub fn insert(&self, columns: &RecordBatch) -> Result<Inserted> {
        let _writing = self.writing()?;
        let rows = batch::canonical(&self.schema, columns, |count| self.make_ids(count))?;
        let bytes = batch::bytes(&self.schema, &rows);
        let memory = self.store.shared.memory.reserve(bytes, "inserting")?;
        let ids = rows.column(self.schema.primary_at()).clone();
        let count = self.write(Op::Insert(rows), Some(memory))?;
        Ok(Inserted { count, ids })
    }

    pub fn delete(&self, keys: &ArrayRef) -> Result<u64> {
        let _writing = self.writing()?;
        let keys = batch::canonical_keys(&self.schema, keys)?;
        if keys.is_empty() {
            return Ok(0);
        }
        self.write(Op::Delete(keys), None)
    }

    pub fn delete_matching(&self, filter: &str, values: &str) -> Result<u64> {
        let _writing = self.writing()?;
        let keys = self.keys_to_delete(filter, values)?;
        if keys.is_empty() {
            return Ok(0);
        }
        self.write(Op::Delete(keys), None)
    }

    /// Primary keys never given before. Those of an insert that fails are lost.
    pub fn make_ids(&self, count: usize) -> Result<ArrayRef> {
        let count = count as i64;
        let first = self.next_auto_id.fetch_add(count, Ordering::AcqRel);
        if first.checked_add(count).is_none() {
            return Err(Error::internal("all primary keys are used up"));
        }
        Ok(Arc::new(Int64Array::from_iter_values(first..first + count)))
    }

    /// Logs a change, makes it visible, and says how many rows it was about.
    fn write(&self, op: Op, memory: Option<Reservation>) -> Result<u64> {
        let record = op.encode(&self.schema);
        if record.len() > MAX_RECORD {
            let length = record.len();
            return Err(Error::invalid(format!("{length} bytes in one call; the most are {MAX_RECORD}")));
        }
        let pending = Arc::new(Pending { op, record, memory: Mutex::new(memory), outcome: Mutex::new(None) });
        self.queue.lock().push(pending.clone());
        let mut writer = self.writer.lock();
        // Another leader may have done it while this one waited for the lock.
        if pending.outcome.lock().is_none() {
            let group = std::mem::take(&mut *self.queue.lock());
            self.write_group(&mut writer, &group);
        }
        let is_full = writer.logged >= writer.seal_at;
        drop(writer);
        let outcome = pending.outcome.lock().take();
        let outcome = outcome.unwrap_or_else(|| Err(Error::internal("a write was forgotten")));
        if is_full && outcome.is_ok() {
            self.seal_if_full();
        }
        outcome
    }

    fn write_group(&self, writer: &mut Writer, group: &[Arc<Pending>]) {
        let deletes = group.iter().any(|pending| matches!(pending.op, Op::Delete(_)));
        // What may fail must fail before anything is logged: deletes open the segments they look into.
        let opened = if deletes { writer.open_sealed() } else { Ok(Vec::new()) };
        let (ready, refused): (Vec<&Arc<Pending>>, Vec<&Arc<Pending>>) =
            group.iter().partition(|pending| opened.is_ok() || matches!(pending.op, Op::Insert(_)));
        if let Err(error) = &opened {
            refused.iter().for_each(|pending| *pending.outcome.lock() = Some(Err(error.repeat())));
        }
        let opened = opened.unwrap_or_default();
        let records: Vec<&[u8]> = ready.iter().map(|pending| pending.record.as_slice()).collect();
        if records.is_empty() {
            return;
        }
        let sync = self.store.options.durability == Durability::Sync;
        if let Err(error) = writer.wal().and_then(|wal| wal.append(&records, sync)) {
            ready.iter().for_each(|pending| *pending.outcome.lock() = Some(Err(error.repeat())));
            return;
        }
        writer.unsynced |= !sync;
        writer.logged += records.iter().map(|record| record.len() as u64).sum::<u64>();
        let counts: Vec<u64> = ready
            .iter()
            .map(|pending| self.apply(writer, &opened, &pending.op, pending.memory.lock().take()))
            .collect();
        self.publish(writer);
        for (pending, count) in ready.iter().zip(counts) {
            *pending.outcome.lock() = Some(Ok(count));
        }
    }

    /// Brings a logged change into memory; says how many rows it was about. `opened` are the rows of the sealed
    /// segments, which a delete needs.
    pub fn apply(
        &self,
        writer: &mut Writer,
        opened: &[Arc<Rows>],
        op: &Op,
        memory: Option<Reservation>,
    ) -> u64 {
        match op {
            Op::Insert(rows) => {
                writer.growing.push(Rows::new(&self.schema, rows.clone(), memory));
                rows.num_rows() as u64
            }
            Op::Delete(keys) => {
                let keys: Vec<Key> = (0..keys.len()).map(|row| Key::at(keys, row)).collect();
                let sealed = writer.sealed.iter_mut().zip(opened);
                let deleted: u64 = sealed.map(|(view, rows)| delete(rows, &mut view.live, &keys)).sum();
                deleted + writer.growing.delete(&keys)
            }
        }
    }

    /// Syncs what durability `async` has left unsynced.
    pub fn sync_log(&self) -> Result<()> {
        self.writer.lock().sync()
    }

    /// Closes the log: no change gets in any more. Gives the number of the record that would have come next.
    pub fn close_log(&self) -> Result<Option<u64>> {
        let Some(wal) = self.writer.lock().wal.take() else { return Ok(None) };
        let next = wal.next_sequence();
        wal.close()?;
        Ok(Some(next))
    }
}
