//! Inserts, upserts and deletes: group commit. Writers queue their changes; whoever gets the writer's lock is the
//! leader, logs all that are queued in one write and one sync, applies them in order, and publishes one snapshot.

use crate::batch;
use crate::collection::core::{Core, Pending, Writer};
use crate::collection::ops::{Op, Part, time_record};
use crate::collection::types::Inserted;
use crate::database::options::Durability;
use crate::error::{Code, Error, Result};
use crate::schema::DataType;
use crate::segment::{Key, Reservation, Rows, SegmentView};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most bytes of one insert or delete.
const MAX_RECORD: usize = 1 << 30;

impl Core {
    /// Into the partition of that name, the default one, or those of the partition key.
    pub fn insert(&self, columns: &RecordBatch, partition: Option<&str>) -> Result<Inserted> {
        let _writing = self.writing()?;
        let target = self.target(partition)?;
        let rows = batch::canonical(&self.schema, columns, |count| self.make_ids(count))?;
        self.write_rows(rows, target, Op::Insert)
    }

    /// As Milvus: the rows of those keys go, in the partition that is written to, or with a partition key wherever they
    /// are; and then every row of the batch comes in, those of a repeated key too.
    pub fn upsert(&self, columns: &RecordBatch, partition: Option<&str>) -> Result<Inserted> {
        let _writing = self.writing()?;
        if self.schema.auto_id() {
            let name = &self.schema.primary().name;
            return Err(Error::invalid(format!(
                "upsert can not assign primary field data when auto id enabled {name}"
            )));
        }
        let target = self.target(partition)?;
        let rows =
            batch::canonical(&self.schema, columns, |_| Err(Error::internal("an upsert makes no keys")))?;
        self.write_rows(rows, target, |parts| Op::Upsert(parts, target))
    }

    fn write_rows(
        &self,
        rows: RecordBatch,
        target: Option<u64>,
        op: impl FnOnce(Vec<Part>) -> Op,
    ) -> Result<Inserted> {
        let memory = self.store.shared.memory.reserve(batch::bytes(&self.schema, &rows), "inserting")?;
        let ids = rows.column(self.schema.primary_at()).clone();
        let count = self.write(op(self.parts(rows, target)?), Some(memory))?;
        Ok(Inserted { count, ids })
    }

    /// From the partition of that name, or all.
    pub fn delete(&self, keys: &ArrayRef, partition: Option<&str>) -> Result<u64> {
        let _writing = self.writing()?;
        let scope = self.scope(partition)?;
        self.delete_keys(batch::canonical_keys(&self.schema, keys)?, scope)
    }

    pub fn delete_matching(&self, filter: &str, values: &str, partition: Option<&str>) -> Result<u64> {
        let _writing = self.writing()?;
        let scope = self.scope(partition)?;
        self.delete_keys(self.keys_to_delete(filter, values, scope)?, scope)
    }

    fn delete_keys(&self, keys: ArrayRef, scope: Option<u64>) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.write(Op::Delete(keys, scope), None)
    }

    /// Primary keys never given before. Those of an insert that fails are lost.
    pub fn make_ids(&self, count: usize) -> Result<ArrayRef> {
        let count = count as i64;
        let first = self.next_auto_id.fetch_add(count, Ordering::AcqRel);
        if first.checked_add(count).is_none() {
            return Err(Error::internal("all primary keys are used up"));
        }
        let primary = self.schema.primary();
        if primary.data_type == DataType::Int64 {
            return Ok(Arc::new(Int64Array::from_iter_values(first..first + count)));
        }
        let keys = StringArray::from_iter_values((first..first + count).map(|key| key.to_string()));
        let length = keys.value(keys.len() - 1).len();
        if length > primary.max_length {
            return Err(Error::invalid(format!(
                "generated keys of varchar field {} exceed max length, length: {length}, max length: {}",
                primary.name, primary.max_length
            )));
        }
        Ok(Arc::new(keys))
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
        let removes = group.iter().any(|pending| pending.op.removes());
        // What may fail must fail before anything is logged: deletes open the segments they look into.
        let opened = if removes { writer.open_sealed() } else { Ok(Vec::new()) };
        let mut ready: Vec<&Arc<Pending>> = Vec::with_capacity(group.len());
        for pending in group {
            let refused = match &opened {
                Err(error) if pending.op.removes() => Err(error.repeat()),
                _ => check_partitions(writer, &pending.op),
            };
            match refused {
                Ok(()) => ready.push(pending),
                Err(error) => *pending.outcome.lock() = Some(Err(error)),
            }
        }
        let opened = opened.unwrap_or_default();
        if ready.is_empty() {
            return;
        }
        let time = self.store.stamp();
        let stamp = (time > 0).then(|| time_record(time));
        let records = ready.iter().map(|pending| &pending.record);
        let records: Vec<&[u8]> = stamp.iter().chain(records).map(Vec::as_slice).collect();
        if let Err(error) = self.log(writer, &records) {
            ready.iter().for_each(|pending| *pending.outcome.lock() = Some(Err(error.repeat())));
            return;
        }
        let counts: Vec<Result<u64>> = ready
            .iter()
            .map(|pending| self.apply(writer, &opened, &pending.op, pending.memory.lock().take(), time))
            .collect();
        writer.time = writer.time.max(time);
        self.publish(writer);
        for (pending, count) in ready.iter().zip(counts) {
            *pending.outcome.lock() = Some(count);
        }
    }

    /// Appends records to the log, as durable as the options say.
    pub fn log(&self, writer: &mut Writer, records: &[&[u8]]) -> Result<()> {
        let sync = self.store.options.durability == Durability::Sync;
        writer.wal()?.append(records, sync)?;
        writer.unsynced |= !sync;
        writer.logged += records.iter().map(|record| record.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Brings a change that was logged at `time` (0 where times are not kept) into memory; says how many rows it was about.
    /// `opened` are the rows of the sealed segments, which deletes need. Rows of partitions that were dropped later, of which
    /// a log may still tell, stay out.
    pub fn apply(
        &self,
        writer: &mut Writer,
        opened: &[Arc<Rows>],
        op: &Op,
        mut memory: Option<Reservation>,
        time: u64,
    ) -> Result<u64> {
        let schema = writer.growing.schema().clone();
        let primary = schema.primary_at();
        let deleted = match op {
            Op::Insert(_) => 0,
            Op::Upsert(parts, scope) => {
                let keys = parts.iter().map(|part| part.rows.column(primary));
                keys.map(|keys| remove(writer, opened, keys, *scope, time)).sum()
            }
            Op::Delete(keys, scope) => remove(writer, opened, keys, *scope, time),
        };
        let mut inserted = 0;
        for part in op.parts() {
            inserted += part.rows.num_rows() as u64;
            let bytes = batch::bytes(&schema, &part.rows);
            let memory = memory.as_mut().map(|memory| memory.split(bytes));
            match writer.partitions.get(part.partition) {
                Some(_) => writer.growing.push(part.rows.clone(), part.partition, memory, time)?,
                None => writer.log_is_stale = true,
            }
        }
        Ok(if matches!(op, Op::Delete(..)) { deleted } else { inserted })
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

/// Fails for a change of a partition that was dropped after its name was looked up.
fn check_partitions(writer: &Writer, op: &Op) -> Result<()> {
    let scope = match op {
        Op::Insert(_) => None,
        Op::Upsert(_, scope) | Op::Delete(_, scope) => *scope,
    };
    let mut named = op.parts().iter().map(|part| part.partition).chain(scope);
    match named.find(|id| writer.partitions.get(*id).is_none()) {
        Some(_) => Err(Error::new(Code::PartitionNotFound, "partition not found: it was dropped meanwhile")),
        None => Ok(()),
    }
}

/// Marks the rows of `keys`, in one partition or in all, as dead at `time`; says how many there were.
fn remove(
    writer: &mut Writer,
    opened: &[Arc<Rows>],
    keys: &ArrayRef,
    partition: Option<u64>,
    time: u64,
) -> u64 {
    let keys: Vec<Key> = (0..keys.len()).map(|row| Key::at(keys, row)).collect();
    let sealed = writer.sealed.iter_mut().zip(opened);
    let is_meant =
        |(view, _): &(&mut SegmentView, &Arc<Rows>)| partition.is_none_or(|id| view.partition == id);
    let deleted: u64 = sealed.filter(is_meant).map(|(view, rows)| view.delete(rows, &keys, time)).sum();
    deleted + writer.growing.delete(&keys, partition, time)
}
