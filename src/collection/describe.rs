//! What a collection says about itself.

use crate::collection::core::{Core, Snapshot};
use crate::collection::partitions::Partition;
use crate::collection::types::LoadState;
use crate::error::Result;
use crate::segment::{IndexFile, Rows, SegmentView};
use serde_json::{Value, json};
use std::sync::Arc;

impl Core {
    pub fn describe(&self) -> Result<Value> {
        self.check_open()?;
        let indexes: Result<Vec<Value>> =
            self.list_indexes()?.iter().map(|name| self.describe_index(name)).collect();
        let snapshot = self.snapshot.load_full();
        Ok(json!({
            "collection_name": *self.name.read(),
            "collection_id": self.id,
            "schema": self.schema.to_json(),
            "indexes": indexes?,
            "aliases": self.aliases(),
            "partitions": snapshot.partitions.iter().map(|p| describe_partition(&snapshot, p)).collect::<Vec<_>>(),
            "num_entities": snapshot.count(),
            "segments": segments(&snapshot),
            "compaction": self.describe_compaction()?,
            "load_state": name_of(self.load_state(&[])?.state),
        }))
    }

    pub fn statistics(&self) -> Result<Value> {
        self.check_open()?;
        let snapshot = self.snapshot.load_full();
        let mut value = statistics_of(&snapshot);
        value["partitions"] = snapshot.partitions.iter().map(|p| describe_partition(&snapshot, p)).collect();
        value["disk_bytes"] = json!(self.disk_bytes());
        value["indexes"] = json!(self.list_indexes()?);
        value["compaction"] = self.describe_compaction()?;
        Ok(value)
    }

    pub fn partition_statistics(&self, name: &str) -> Result<Value> {
        let partition = self.partition(name)?;
        let snapshot = self.snapshot.load_full().only(partition.id);
        let mut value = statistics_of(&snapshot);
        value["partition_name"] = json!(partition.name);
        value["load_state"] = json!(name_of(self.load_state(&[name])?.state));
        let of_files = |view: &SegmentView| {
            let indexes = view.indexes.iter().map(|index| index.file_bytes()).sum::<u64>();
            view.as_sealed().map_or(0, |sealed| sealed.file_bytes()) + indexes
        };
        value["disk_bytes"] = json!(snapshot.sealed.iter().map(of_files).sum::<u64>());
        Ok(value)
    }

    /// Its other names.
    fn aliases(&self) -> Vec<String> {
        let of_it = |(_, id): &(&String, &u64)| **id == self.id;
        self.store
            .with_meta(|meta| meta.aliases.iter().filter(of_it).map(|(alias, _)| alias.clone()).collect())
    }

    /// State and counters, as Milvus' `get_compaction_state` and `get_compaction_plans` have them.
    fn describe_compaction(&self) -> Result<Value> {
        let done = self.with_meta(|meta| meta.compaction)?;
        let state = self.compaction_state()?;
        Ok(json!({
            "state": if state.is_executing { "Executing" } else { "Completed" },
            "executing_plans": state.executing_plans,
            "completed_plans": state.completed_plans,
            "failed_plans": state.failed_plans,
            "fail_reason": state.fail_reason,
            "segments_merged": done.segments,
            "dropped_rows": done.dropped_rows,
            "bytes_read": done.bytes_read,
            "bytes_written": done.bytes_written,
        }))
    }

    /// Bytes of all files of the collection. Files that come or go meanwhile may be missing.
    fn disk_bytes(&self) -> u64 {
        let vfs = &self.store.shared.vfs;
        let mut bytes = 0;
        let mut dirs = vec![self.dir.clone()];
        while let Some(dir) = dirs.pop() {
            // What cannot be listed is a file.
            match vfs.list(&dir) {
                Ok(names) => dirs.extend(names.iter().map(|name| dir.join(name))),
                Err(_) => bytes += vfs.len(&dir).unwrap_or(0),
            }
        }
        bytes
    }
}

fn name_of(state: LoadState) -> &'static str {
    match state {
        LoadState::NotLoad => "NotLoad",
        LoadState::Loading => "Loading",
        LoadState::Loaded => "Loaded",
    }
}

fn describe_partition(snapshot: &Snapshot, partition: &Partition) -> Value {
    let state = if partition.is_loaded() { LoadState::Loaded } else { LoadState::NotLoad };
    let segments = snapshot.segments().filter(|view| view.partition == partition.id);
    json!({
        "partition_name": partition.name,
        "partition_id": partition.id,
        "row_count": segments.map(|view| view.live.count() as u64).sum::<u64>(),
        "load_state": name_of(state),
    })
}

fn statistics_of(snapshot: &Snapshot) -> Value {
    let sum = |views: &[SegmentView]| views.iter().map(|v| v.len() as u64).sum::<u64>();
    let deleted: u64 = snapshot.segments().map(|view| view.live.dead() as u64).sum();
    let growing_bytes: u64 =
        snapshot.growing.iter().filter_map(|view| view.rows().ok()).map(|rows| rows.bytes()).sum();
    let open: Vec<Arc<Rows>> = snapshot.sealed.iter().filter_map(|view| view.as_sealed()?.loaded()).collect();
    let held: u64 = open.iter().map(|rows| rows.memory()).sum();
    let mapped = open.iter().map(|rows| rows.bytes()).sum::<u64>().saturating_sub(held);
    let indexes = || snapshot.sealed.iter().flat_map(|view| &view.indexes);
    json!({
        "row_count": snapshot.count(),
        "deleted_rows": deleted,
        "sealed_rows": sum(&snapshot.sealed),
        "growing_rows": sum(&snapshot.growing),
        "sealed_segments": snapshot.sealed.len(),
        "growing_chunks": snapshot.growing.len(),
        "growing_bytes": growing_bytes,
        "mapped_bytes": mapped,
        "held_bytes": held,
        "history_bytes": snapshot.segments().map(|view| view.history.bytes()).sum::<u64>(),
        "index_bytes": indexes().map(|index| index.memory()).sum::<u64>(),
        "held_index_bytes": indexes().map(|index| index.held()).sum::<u64>(),
        "segments": segments(snapshot),
    })
}

/// The sealed segments and, as one a partition, the growing rows: in the words of Milvus' segment info.
fn segments(snapshot: &Snapshot) -> Vec<Value> {
    let name_of_index = |index: &Arc<IndexFile>| {
        snapshot.definitions.numbered(index.of().definition).map(|definition| definition.name.clone())
    };
    let name = |id| snapshot.partitions.get(id).map(|partition| partition.name.clone());
    let sealed = snapshot.sealed.iter().filter_map(|view| Some((view.as_sealed()?, view)));
    let sealed = sealed.map(|(sealed, view)| {
        json!({
            "segment_id": sealed.id(),
            "partition_name": name(view.partition),
            "state": "Flushed",
            "num_rows": view.len(),
            "deleted_rows": view.live.dead(),
            "data_bytes": sealed.file_bytes(),
            "index_name": view.vector_file().map(name_of_index),
            "scalar_indexes": view.scalar_files().map(name_of_index).collect::<Vec<_>>(),
        })
    });
    let growing = snapshot.partitions.iter().filter_map(|partition| {
        let chunks = || snapshot.growing.iter().filter(|view| view.partition == partition.id);
        let rows: usize = chunks().map(|view| view.len()).sum();
        let dead: usize = chunks().map(|view| view.live.dead()).sum();
        let value = json!({
            "partition_name": partition.name,
            "state": "Growing",
            "num_rows": rows,
            "deleted_rows": dead,
        });
        (rows > 0).then_some(value)
    });
    sealed.chain(growing).collect()
}
