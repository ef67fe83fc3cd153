//! What goes into the calls of a collection and comes out of them.

use crate::index::catalog::scalar::Spec;
use crate::segment::{Mmap, Reservation};
use arrow_array::{ArrayRef, RecordBatch};
use std::sync::Arc;
use std::time::Duration;

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

/// Whether something is in memory to be searched, with Milvus' numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadState {
    /// Released, or neither loaded nor searched since the database was opened.
    NotLoad,
    /// A call of load runs.
    Loading,
    /// Loaded by a call or by a search.
    Loaded,
}

/// How far something is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadProgress {
    pub state: LoadState,
    /// Bytes of the files of rows and indexes that are open, and of all. Growing rows are always in memory.
    pub loaded_bytes: u64,
    pub total_bytes: u64,
}

/// The options of a search.
#[derive(Clone)]
pub struct SearchOptions<'a> {
    pub topk: usize,
    /// Only rows for which it holds are searched: `price < 20 and color in ["red", "blue"]`; empty for all. See
    /// [`crate::filter`].
    pub filter: &'a str,
    /// The values of the filter's templates as a JSON object, `{"colors":["red"]}` for `color in {colors}`; empty for none.
    pub filter_values: &'a str,
    /// JSON, like `{"nprobe":10}`, and the range of a range search, `{"radius":2.0,"range_filter":1.0}`; empty for none.
    pub params: &'a str,
    /// When given, it must be the index's.
    pub metric_type: Option<&'a str>,
    /// -1 for off, or 0 to 6 digits.
    pub round_decimal: i32,
    /// Scalar or vector fields to return, or dynamic keys; `*` for all fields.
    pub output_fields: Vec<&'a str>,
    pub timeout: Option<Duration>,
    /// So many of the best hits of a query are passed over; with `topk` at most 16384.
    pub offset: usize,
    /// A field of Bool, integers or VarChar: each of its values gets one hit, that of its best row, and `topk` is the number
    /// of values.
    pub group_by_field: Option<&'a str>,
    /// Partitions to look into; empty for all that are not released.
    pub partition_names: Vec<&'a str>,
    /// The rows that there were at this time are searched, see [`Collection::timestamp`](super::Collection::timestamp); 0:
    /// those of now.
    pub travel_timestamp: u64,
}

impl Default for SearchOptions<'_> {
    /// Ten hits, without a filter or output fields.
    fn default() -> Self {
        SearchOptions {
            topk: 10,
            filter: "",
            filter_values: "",
            params: "",
            metric_type: None,
            round_decimal: -1,
            output_fields: Vec::new(),
            timeout: None,
            offset: 0,
            group_by_field: None,
            partition_names: Vec::new(),
            travel_timestamp: 0,
        }
    }
}

/// The options of a query.
#[derive(Default)]
pub struct QueryOptions<'a> {
    /// The values of the filter's templates as a JSON object; empty for none.
    pub filter_values: &'a str,
    /// Scalar or vector fields to return, or dynamic keys; `*` for all fields. `count(*)` alone asks for the number of rows.
    pub output_fields: Vec<&'a str>,
    /// At most so many rows, those with the smallest keys; 1 to 16384 with the offset. An empty filter needs one.
    pub limit: Option<usize>,
    /// So many rows are passed over first.
    pub offset: usize,
    pub timeout: Option<Duration>,
    /// Partitions to look into; empty for all that are not released.
    pub partition_names: Vec<&'a str>,
    /// As in [`SearchOptions`].
    pub travel_timestamp: u64,
}

/// An output field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Output {
    /// The place of the field in the schema.
    pub place: usize,
    /// Of the dynamic field, the key that was asked for.
    pub key: Option<String>,
}

/// The options of an import.
#[derive(Default)]
pub struct ImportOptions<'a> {
    /// The partition that the rows go to; `None`: the default one, or those of the partition key.
    pub partition: Option<&'a str>,
    /// Told how many bytes of the files were read.
    pub progress: Option<Progress<'a>>,
}

/// The options of an export.
#[derive(Default)]
pub struct ExportOptions<'a> {
    /// Only rows for which it holds; empty for all.
    pub filter: &'a str,
    /// The values of the filter's templates as a JSON object; empty for none.
    pub filter_values: &'a str,
    /// Leaves out primary keys that auto_id made, for a collection that makes its own: Milvus takes none there. Otherwise
    /// they are in the file, and the schema beside it says that auto_id is false.
    pub without_keys: bool,
    /// Partitions whose rows are written; empty for all. Files do not say which partition a row was in.
    pub partition_names: Vec<&'a str>,
    /// Told how many rows are written.
    pub progress: Option<Progress<'a>>,
}

/// How an iterator goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IteratorOptions {
    /// Hits or rows of a batch, 1 to 16384.
    pub batch_size: usize,
    /// After how many it ends; `None`: after all.
    pub limit: Option<u64>,
}

/// The rows that a query found, in the order of their primary keys, each key once.
pub struct QueryResult {
    /// Int64Array or StringArray; empty for a `count(*)`.
    pub ids: ArrayRef,
    /// The output fields, a row a key; for a `count(*)` one row.
    pub columns: RecordBatch,
    /// What it takes of the database's memory while it lives.
    pub(crate) memory: Option<Reservation>,
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
    /// What it takes of the database's memory while it lives.
    pub(crate) memory: Option<Reservation>,
}

/// Called as a long operation advances, with rows done and in total; `false` cancels it.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// The definition of an index, shared by the snapshots that have it.
pub(crate) struct Definition {
    pub id: u64,
    pub name: String,
    pub field: String,
    /// The place of the field in the schema.
    pub at: usize,
    pub spec: Spec,
    pub mmap: Arc<Mmap>,
}
