//! What a collection says about itself.

use crate::collection::core::Core;
use crate::error::Result;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

impl Core {
    pub fn describe(&self) -> Result<Value> {
        self.check_open()?;
        let indexes: Result<Vec<Value>> =
            self.list_indexes()?.iter().map(|name| self.describe_index(name)).collect();
        let released = self.released.load(Ordering::Acquire);
        Ok(json!({
            "collection_name": *self.name.read(),
            "collection_id": self.id,
            "schema": self.schema.to_json(),
            "indexes": indexes?,
            "num_entities": self.snapshot.load().count(),
            "segments": self.segments(),
            "compaction": self.describe_compaction()?,
            "load_state": if released { "NotLoad" } else { "Loaded" },
        }))
    }

    pub fn statistics(&self) -> Result<Value> {
        self.check_open()?;
        let snapshot = self.snapshot.load_full();
        let sum = |views: &[crate::segment::SegmentView]| views.iter().map(|v| v.len() as u64).sum::<u64>();
        let deleted: u64 = snapshot.segments().map(|view| view.live.dead() as u64).sum();
        let growing_bytes: u64 =
            snapshot.growing.iter().filter_map(|view| view.rows().ok()).map(|rows| rows.bytes()).sum();
        let mapped: u64 = snapshot.sealed.iter().filter_map(|view| view.as_sealed()?.loaded_bytes()).sum();
        let index_bytes: u64 =
            snapshot.sealed.iter().filter_map(|v| v.index.as_ref()).map(|i| i.memory()).sum();
        Ok(json!({
            "row_count": snapshot.count(),
            "deleted_rows": deleted,
            "sealed_rows": sum(&snapshot.sealed),
            "growing_rows": sum(&snapshot.growing),
            "sealed_segments": snapshot.sealed.len(),
            "growing_chunks": snapshot.growing.len(),
            "growing_bytes": growing_bytes,
            "mapped_bytes": mapped,
            "index_bytes": index_bytes,
            "disk_bytes": self.disk_bytes(),
            "indexes": self.list_indexes()?,
            "segments": self.segments(),
            "compaction": self.describe_compaction()?,
        }))
    }

    /// The sealed segments and, as one, the growing rows: in the words of Milvus' segment info.
    fn segments(&self) -> Vec<Value> {
        let snapshot = self.snapshot.load_full();
        let definition = snapshot.definition.as_ref().map(|d| d.name.clone());
        let sealed = snapshot.sealed.iter().filter_map(|view| Some((view.as_sealed()?, view)));
        let sealed = sealed.map(|(sealed, view)| {
            json!({
                "segment_id": sealed.id(),
                "state": "Flushed",
                "num_rows": view.len(),
                "deleted_rows": view.live.dead(),
                "data_bytes": sealed.file_bytes(),
                "index_name": view.index.is_some().then(|| definition.clone()),
            })
        });
        let rows: usize = snapshot.growing.iter().map(|view| view.len()).sum();
        let dead: usize = snapshot.growing.iter().map(|view| view.live.dead()).sum();
        let growing = json!({"state": "Growing", "num_rows": rows, "deleted_rows": dead});
        sealed.chain((rows > 0).then_some(growing)).collect()
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
