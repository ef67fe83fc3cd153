//! Creating, dropping, loading and releasing partitions, with Milvus' outcomes.

use super::{Chosen, Partition, Partitions};
use crate::collection::core::{Core, Snapshot, Writer};
use crate::collection::ops::Part;
use crate::database::meta::PartitionMeta;
use crate::error::{Code, Error, Result};
use crate::filter::Filter;
use crate::schema::{DEFAULT_PARTITION, check_partition_name};
use crate::segment::SegmentView;
use arrow_array::RecordBatch;
use std::sync::Arc;

impl Core {
    /// One that exists is fine.
    pub fn create_partition(&self, name: &str) -> Result<()> {
        let _writing = self.writing()?;
        self.refuse_with_key("create partition")?;
        check_partition_name(name)?;
        if self.snapshot.load().partitions.find(name).is_some() {
            return Ok(());
        }
        let id = self.store.take_id();
        self.commit(|meta| meta.add_partition(id, name))?;
        // Gives searches and writes that start from now on what the manifest has.
        let mut writer = self.writer.lock();
        self.read_partitions(&mut writer)?;
        self.publish(&writer);
        Ok(())
    }

    /// Drops a partition that is not loaded, with its rows; one that does not exist is fine.
    pub fn drop_partition(&self, name: &str) -> Result<()> {
        let _writing = self.writing()?;
        self.refuse_with_key("drop partition")?;
        check_partition_name(name)?;
        if name == DEFAULT_PARTITION {
            return Err(Error::invalid("default partition cannot be deleted"));
        }
        // No seal, and no end of a build or of a compaction, comes between.
        let _maintenance = self.maintenance.lock();
        let Some(partition) = self.snapshot.load().partitions.find(name).cloned() else { return Ok(()) };
        if partition.is_loaded() {
            return Err(Error::invalid(
                "partition cannot be dropped, partition is loaded, please release it first",
            ));
        }
        // Nothing else is committed at a time that still has the partition.
        let mut writer = self.writer.lock();
        let time = self.store.stamp();
        self.commit(|meta| {
            meta.partitions.retain(|other| other.id != partition.id);
            meta.segments.retain(|segment| segment.partition != partition.id);
            // What was before cannot be told without its rows.
            (meta.time, meta.floor) = (meta.time.max(time), meta.floor.max(time));
            Ok(())
        })?;
        (writer.time, writer.floor) = (writer.time.max(time), writer.floor.max(time));
        self.read_partitions(&mut writer)?;
        let is_gone = |view: &mut SegmentView| view.partition == partition.id;
        let gone: Vec<SegmentView> = writer.sealed.extract_if(.., is_gone).collect();
        writer.log_is_stale |= writer.growing.remove_partition(partition.id);
        let is_stale = writer.log_is_stale;
        self.publish(&writer);
        drop(writer);
        gone.iter().for_each(SegmentView::doom);
        if is_stale {
            // Gives back the log's space, too. A failure is told to whoever flushes next: the partition is gone.
            let _ = self.seal();
        }
        Ok(())
    }

    pub fn has_partition(&self, name: &str) -> Result<bool> {
        self.check_open()?;
        check_partition_name(name)?;
        Ok(self.snapshot.load().partitions.find(name).is_some())
    }

    /// The names, those that were created first at the front.
    pub fn list_partitions(&self) -> Result<Vec<String>> {
        self.check_open()?;
        Ok(self.snapshot.load().partitions.iter().map(|partition| partition.name.clone()).collect())
    }

    /// The partition of that name.
    pub fn partition(&self, name: &str) -> Result<Arc<Partition>> {
        self.check_open()?;
        self.snapshot.load().partitions.named(name).cloned()
    }

    /// The partition that a write names, or the default one; `None` where the partition key decides.
    pub fn target(&self, name: Option<&str>) -> Result<Option<u64>> {
        if self.schema.partition_key().is_some() {
            return if name.is_none() { Ok(None) } else { Err(named_with_key()) };
        }
        self.snapshot.load().partitions.named(name.unwrap_or(DEFAULT_PARTITION)).map(|found| Some(found.id))
    }

    /// The partition that a delete names; `None` for all of them.
    pub fn scope(&self, name: Option<&str>) -> Result<Option<u64>> {
        name.map_or(Ok(None), |name| self.target(Some(name)))
    }

    /// The parts that rows are inserted as.
    pub fn parts(&self, rows: RecordBatch, target: Option<u64>) -> Result<Vec<Part>> {
        match (target, self.schema.partition_key()) {
            (None, Some(key)) => self.deal(&rows, key),
            (target, _) => Ok(vec![Part { partition: target.unwrap_or(0), rows }]),
        }
    }

    /// What a search reads: of the named partitions, or of all that are not released, those that can have rows for which
    /// the filter holds.
    pub fn searched(&self, snapshot: &Snapshot, names: &[&str], filter: &Filter) -> Result<Chosen> {
        if !names.is_empty() && self.schema.partition_key().is_some() {
            return Err(named_with_key());
        }
        let chosen = snapshot.partitions.search(names, &self.name.read())?;
        Ok(self.pinned(filter).among(&chosen))
    }

    /// Partitions by their names; of none, an error.
    pub fn named_partitions(&self, names: &[&str], what: &str) -> Result<Chosen> {
        self.check_open()?;
        self.refuse_with_key(what)?;
        if names.is_empty() {
            return Err(Error::new(
                Code::MissingParameter,
                "due to no partition specified, partition names should not be empty",
            ));
        }
        let partitions = self.snapshot.load().partitions.clone();
        let ids: Result<Vec<u64>> = names.iter().map(|name| Ok(partitions.named(name)?.id)).collect();
        Ok(Chosen::of(ids?))
    }

    /// Makes partitions released or loaded ones; with `new`, also those that are created from now on. A read-only
    /// database keeps that for itself, others in the manifest.
    pub fn set_released(&self, chosen: &Chosen, released: bool, new: bool) -> Result<()> {
        if !self.store.options.read_only {
            let _writing = self.writing()?;
            let is_known = self.with_meta(|meta| {
                let differs = |p: &PartitionMeta| chosen.has(p.id) && p.released != released;
                !meta.partitions.iter().any(differs) && (!new || meta.released == released)
            })?;
            if !is_known {
                self.commit(|meta| {
                    let chosen = meta.partitions.iter_mut().filter(|partition| chosen.has(partition.id));
                    chosen.for_each(|partition| partition.released = released);
                    if new {
                        meta.released = released;
                    }
                    Ok(())
                })?;
            }
        }
        let mut writer = self.writer.lock();
        writer.partitions = writer.partitions.with_released(chosen, released);
        self.publish(&writer);
        Ok(())
    }

    fn read_partitions(&self, writer: &mut Writer) -> Result<()> {
        let partitions =
            self.with_meta(|meta| Partitions::from_meta(&meta.partitions, &writer.partitions))?;
        writer.partitions = partitions;
        Ok(())
    }

    fn refuse_with_key(&self, what: &str) -> Result<()> {
        match self.schema.partition_key() {
            Some(_) => Err(Error::invalid(format!("disable {what} if partition key mode is used"))),
            None => Ok(()),
        }
    }
}

fn named_with_key() -> Error {
    Error::invalid("not support manually specifying the partition names if partition key mode is used")
}
