//! One collection: insert, delete, search, indexes, and the snapshots that searches run on.

mod build;
mod compact;
pub(crate) mod core;
mod describe;
mod indexes;
mod merge;
mod open;
mod ops;
mod policy;
mod refresh;
mod seal;
mod search;
#[cfg(test)]
mod tests;
mod write;

use self::core::Core;
use crate::error::Result;
pub use crate::index::Queries;
use crate::index::catalog::IndexSpec;
use crate::schema::Schema;
use arrow_array::{ArrayRef, RecordBatch};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A handle to a collection; clones share it. Calls after its drop, or after the database's close, fail with
/// [`Code::Closed`](crate::Code::Closed).
#[derive(Clone)]
pub struct Collection {
    core: Arc<Core>,
}

/// What an insert made.
pub struct Inserted {
    pub count: u64,
    /// The primary keys, given or generated: Int64Array or StringArray.
    pub ids: ArrayRef,
}

/// How to create an index.
pub struct IndexRequest<'a> {
    pub field: &'a str,
    /// `{"index_type","metric_type","params":{}}`.
    pub description: &'a str,
    /// `None`: the field's index keeps its name, or a new one gets the field's name.
    pub name: Option<&'a str>,
    pub on_conflict: OnConflict,
    /// Whether to return only after the index is built.
    pub wait: bool,
}

/// What `create_index` does when the field has another index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnConflict {
    /// Milvus 1.x: the new index takes the place of the old.
    #[default]
    Replace,
    /// Milvus 2.2 on: an error.
    Error,
}

/// Rows of an index's collection, as `utility.index_building_progress` counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexProgress {
    pub total_rows: u64,
    pub indexed_rows: u64,
    pub pending_index_rows: u64,
}

/// The state of an index, with Milvus' numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IndexState {
    None,
    Unissued,
    InProgress,
    Finished,
    Failed(String),
}

/// How it stands with the compactions of a collection. The groups of segments are Milvus' plans.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompactionState {
    /// Whether one runs or waits for its turn.
    pub is_executing: bool,
    pub executing_plans: u64,
    /// Since the collection was created.
    pub completed_plans: u64,
    /// Since the collection was opened.
    pub failed_plans: u64,
    /// Why the last one failed; empty if it did not.
    pub fail_reason: String,
}

/// The options of a search.
pub struct SearchOptions<'a> {
    pub topk: usize,
    /// JSON, like `{"nprobe":10}`; empty for none.
    pub params: &'a str,
    /// When given, it must be the index's.
    pub metric_type: Option<&'a str>,
    /// -1 for off, or 0 to 6 digits.
    pub round_decimal: i32,
    /// Scalar or vector fields to return; `*` for all.
    pub output_fields: Vec<&'a str>,
    pub timeout: Option<Duration>,
}

/// The hits of a search: those of query `i` are at `offsets[i]..offsets[i + 1]`, best first.
pub struct SearchResult {
    pub offsets: Vec<u64>,
    /// Int64Array or StringArray.
    pub ids: ArrayRef,
    /// In the metric's own sign: squared L2 ascending, IP and COSINE descending.
    pub scores: Vec<f32>,
    /// The output fields, a row a hit.
    pub columns: RecordBatch,
}

/// Called as a long operation advances, with rows done and in total; `false` cancels it.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// The definition of an index, shared by the snapshots that have it.
pub(crate) struct Definition {
    pub id: u64,
    pub name: String,
    pub field: String,
    pub spec: Arc<IndexSpec>,
}

impl Collection {
    pub(crate) fn new(core: Arc<Core>) -> Collection {
        Collection { core }
    }

    /// Its name of now: a rename changes it for every handle.
    pub fn name(&self) -> Result<String> {
        self.core.check_open()?;
        Ok(self.core.name.read().clone())
    }

    pub fn schema(&self) -> &Arc<Schema> {
        &self.core.schema
    }

    /// Schema, indexes, counts and load state, as JSON.
    pub fn describe(&self) -> Result<Value> {
        self.core.describe()
    }

    /// Columns by name: every field of the schema but an auto_id primary key. Fixed-size lists of Float32 for float
    /// vectors, FixedSizeBinary for binary vectors, Utf8 for varchar and JSON. Durable when it returns (durability
    /// `sync`), visible to every search that starts afterwards; an error leaves nothing behind.
    pub fn insert(&self, columns: RecordBatch) -> Result<Inserted> {
        self.core.insert(&columns)
    }

    /// Deletes by primary keys (Int64Array or StringArray); says how many rows there were.
    pub fn delete(&self, ids: &ArrayRef) -> Result<u64> {
        self.core.delete(ids)
    }

    /// Seals the growing rows: writes them to segment files, and begins a new log.
    pub fn flush(&self) -> Result<()> {
        self.core.flush()
    }

    /// Merges small segments and leaves out dead rows, as far as segments of `segment_size_mb` allow, after a
    /// [`flush`](Collection::flush). With `wait`, the call returns when it is done; what was compacted before an error or
    /// a cancellation stays so. Without, it is done in the background, stepping aside for queries.
    pub fn compact(&self, wait: bool, progress: Option<Progress>) -> Result<()> {
        self.core.compact(wait, progress)
    }

    pub fn compaction_state(&self) -> Result<CompactionState> {
        self.core.compaction_state()
    }

    /// Live rows.
    pub fn count(&self) -> Result<u64> {
        self.core.check_open()?;
        Ok(self.core.snapshot.load().count())
    }

    /// Rows, segments, bytes, indexes, as JSON.
    pub fn statistics(&self) -> Result<Value> {
        self.core.statistics()
    }

    /// Opens and verifies every file, so that the first search does not have to; ends a release.
    pub fn load(&self) -> Result<()> {
        self.core.load()
    }

    /// Drops mapped files and loaded indexes; searches fail until it is loaded again.
    pub fn release(&self) -> Result<()> {
        self.core.release()
    }

    /// Creates an index, or finds that it exists. With `wait`, an error or a cancellation leaves the indexes as they
    /// were; without, the index is built in the background, stepping aside for queries.
    pub fn create_index(&self, request: &IndexRequest, progress: Option<Progress>) -> Result<()> {
        self.core.create_index(request, progress)
    }

    /// `{"index_name","field_name","index_type","metric_type","params",...}` with progress and state.
    pub fn describe_index(&self, name: &str) -> Result<Value> {
        self.core.describe_index(name)
    }

    pub fn list_indexes(&self) -> Result<Vec<String>> {
        self.core.list_indexes()
    }

    /// Dropping an unknown name succeeds, as in Milvus.
    pub fn drop_index(&self, name: &str) -> Result<()> {
        self.core.drop_index(name)
    }

    pub fn index_progress(&self, name: &str) -> Result<IndexProgress> {
        self.core.index_progress(name)
    }

    pub fn index_state(&self, name: &str) -> Result<IndexState> {
        self.core.index_state(name)
    }

    /// `nq` queries against `field`. Runs on a snapshot, never behind a writer's lock.
    pub fn search(
        &self,
        field: &str,
        queries: Queries,
        nq: usize,
        options: &SearchOptions,
    ) -> Result<SearchResult> {
        self.core.search(field, queries, nq, options)
    }
}
