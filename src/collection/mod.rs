//! One collection: insert, delete, search, indexes, and the snapshots that searches run on.

mod build;
mod by_key;
mod compact;
pub(crate) mod core;
mod definitions;
mod describe;
mod explain;
mod export;
mod fields;
mod gather;
mod group;
mod import;
mod indexes;
mod iterate;
mod load;
mod merge;
mod open;
mod ops;
mod partitions;
mod policy;
mod query;
mod refresh;
mod request;
mod seal;
mod search;
mod stored;
#[cfg(test)]
mod tests;
mod travel;
mod types;
mod write;

pub use self::iterate::{QueryIterator, SearchIterator};
pub use self::types::{
    CompactionState, ExportOptions, ImportOptions, IndexProgress, IndexRequest, IndexState, Inserted,
    IteratorOptions, LoadProgress, LoadState, OnConflict, Progress, QueryOptions, QueryResult, SearchOptions,
    SearchResult,
};
pub use crate::index::Queries;

use self::core::Core;
use crate::error::Result;
use crate::exchange::Source;
use crate::schema::{Field, Schema};
use arrow_array::{ArrayRef, RecordBatch};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// A handle to a collection; clones share it. Calls after its drop, or after the database's close, fail with
/// [`Code::Closed`](crate::Code::Closed).
#[derive(Clone)]
pub struct Collection {
    core: Arc<Core>,
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

    /// The schema of now: fields may be added.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.core.schema
    }

    /// Schema, indexes, counts and load state, as JSON.
    pub fn describe(&self) -> Result<Value> {
        self.core.describe()
    }

    /// Columns by name: every field of the schema but an auto_id primary key and those that are nullable or have a default
    /// value; in a collection with a dynamic field any other too. Fixed-size lists of Float32 for float vectors,
    /// FixedSizeBinary for binary vectors, Utf8 for varchar and JSON, lists for arrays. Durable when it returns (durability
    /// `sync`), visible to every search that starts afterwards; an error leaves nothing behind.
    pub fn insert(&self, columns: RecordBatch) -> Result<Inserted> {
        self.core.insert(&columns, None)
    }

    /// Like [`insert`](Collection::insert), into the partition of that name. With a partition key, an error.
    pub fn insert_into(&self, partition: &str, columns: RecordBatch) -> Result<Inserted> {
        self.core.insert(&columns, Some(partition))
    }

    /// Rows that take the place of those of their primary keys, in one step: no search sees a key missing, or twice
    /// because of it, and after a crash both or neither has happened. Of a key that the batch repeats every row comes in,
    /// as in Milvus. Without a partition key the rows are looked for in the default partition, where they go. Refused
    /// with auto_id.
    pub fn upsert(&self, columns: RecordBatch) -> Result<Inserted> {
        self.core.upsert(&columns, None)
    }

    /// Like [`upsert`](Collection::upsert), in the partition of that name: rows of other partitions stay.
    pub fn upsert_into(&self, partition: &str, columns: RecordBatch) -> Result<Inserted> {
        self.core.upsert(&columns, Some(partition))
    }

    /// Adds a field, which rows of before have as null or with its default value: it is nullable or has one.
    pub fn add_field(&self, field: Field) -> Result<()> {
        self.core.add_field(field)
    }

    /// Alters properties of a field: `{"mmap.enabled":false}` holds its values in memory, true maps them from their files,
    /// and null forgets what was said. See [`load`](Collection::load).
    pub fn alter_field(&self, name: &str, properties: &str) -> Result<()> {
        self.core.alter_field(name, properties)
    }

    /// Deletes by primary keys (Int64Array or StringArray); says how many rows there were.
    pub fn delete(&self, ids: &ArrayRef) -> Result<u64> {
        self.core.delete(ids, None)
    }

    /// Like [`delete`](Collection::delete), from the partition of that name only.
    pub fn delete_from(&self, partition: &str, ids: &ArrayRef) -> Result<u64> {
        self.core.delete(ids, Some(partition))
    }

    /// Deletes the rows for which a filter holds when the call starts; says how many there were. Rows go by their primary
    /// keys, as in Milvus: with a row goes every other one of its key that was inserted before the call ends. A filter that
    /// is empty or lets every row through is refused. Unlike in Milvus nothing needs to be loaded, and nothing is: what is
    /// not open is read from its files.
    pub fn delete_matching(&self, filter: &str, values: &str) -> Result<u64> {
        self.core.delete_matching(filter, values, None)
    }

    /// Like [`delete_matching`](Collection::delete_matching), from the partition of that name only.
    pub fn delete_matching_from(&self, partition: &str, filter: &str, values: &str) -> Result<u64> {
        self.core.delete_matching(filter, values, Some(partition))
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

    /// A moment whose state is that of now, to be asked for later as `travel_timestamp`: what is acknowledged by now is in it,
    /// what is written later is not. Milvus' hybrid timestamp: milliseconds since 1970 in UTC, times 2^18, and a counter. Of a
    /// read-only database, the newest commit that it has read. An error where `retention_duration` is 0.
    pub fn timestamp(&self) -> Result<u64> {
        self.core.timestamp()
    }

    /// Live rows for which a filter holds; `values` are those of its templates.
    pub fn count_matching(&self, filter: &str, values: &str) -> Result<u64> {
        self.core.count_matching(filter, values, &[])
    }

    /// The same in the partitions of those names.
    pub fn count_matching_in(&self, partitions: &[&str], filter: &str, values: &str) -> Result<u64> {
        self.core.count_matching(filter, values, partitions)
    }

    /// Rows, segments, bytes, indexes, as JSON.
    pub fn statistics(&self) -> Result<Value> {
        self.core.statistics()
    }

    /// Creates a partition; one of that name that exists is fine. A letter, digit or underscore, then letters, digits
    /// and underscores; at most 255. At most 4096 partitions. With a partition key, an error, as for every call here
    /// that names partitions.
    pub fn create_partition(&self, name: &str) -> Result<()> {
        self.core.create_partition(name)
    }

    /// Drops a partition with its rows; one that does not exist is fine. A loaded one is refused: it is loaded from its
    /// first search or load on until it is released. The default partition stays.
    pub fn drop_partition(&self, name: &str) -> Result<()> {
        self.core.drop_partition(name)
    }

    pub fn has_partition(&self, name: &str) -> Result<bool> {
        self.core.has_partition(name)
    }

    /// The names of the partitions, the oldest first.
    pub fn partitions(&self) -> Result<Vec<String>> {
        self.core.list_partitions()
    }

    /// What [`statistics`](Collection::statistics) says, of one partition.
    pub fn partition_statistics(&self, name: &str) -> Result<Value> {
        self.core.partition_statistics(name)
    }

    /// Like [`load`](Collection::load), of some partitions.
    pub fn load_partitions(&self, names: &[&str]) -> Result<()> {
        self.core.load_partitions(names)
    }

    /// Like [`release`](Collection::release), of some partitions: searches that name none look into the others.
    pub fn release_partitions(&self, names: &[&str]) -> Result<()> {
        self.core.release_partitions(names)
    }

    /// Whether partitions are loaded, and how far; without names, the collection, which is as soon as one of them is.
    pub fn load_state(&self, partitions: &[&str]) -> Result<LoadProgress> {
        self.core.load_state(partitions)
    }

    /// Opens and verifies every file, so that the first search does not have to; ends a release. Columns and indexes are
    /// mapped unless `mmap.enabled` is false for them: then they are in memory. What `memory_limit` has
    /// no room for is refused with [`Code::MemoryLimit`](crate::Code::MemoryLimit), and then nothing of it is loaded.
    pub fn load(&self) -> Result<()> {
        self.core.load()
    }

    /// Drops mapped files, columns in memory and loaded indexes; searches fail until it is loaded again.
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

    /// Alters properties of an index: `{"mmap.enabled":false}` holds its files in memory, true maps them, and null forgets
    /// what was said. The blocks that DISKANN reads while it searches stay on the disk.
    pub fn alter_index(&self, name: &str, properties: &str) -> Result<()> {
        self.core.alter_index(name, properties)
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

    /// [`Collection::search`] for the vectors of the newest rows of some primary keys (Int64Array or StringArray), each of
    /// which must have one, in any partition. A row is found for itself too.
    pub fn search_by_keys(
        &self,
        field: &str,
        keys: &ArrayRef,
        options: &SearchOptions,
    ) -> Result<SearchResult> {
        self.core.search_by_keys(field, keys, options)
    }

    /// How a search would be done, as JSON: the filter as it was understood, and of each segment what was counted, chosen,
    /// and why.
    pub fn explain(&self, field: &str, options: &SearchOptions) -> Result<Value> {
        self.core.explain(field, options)
    }

    /// Inserts the rows of files, all of them or none: nobody sees one before the call has succeeded, and after an error, a
    /// cancellation or a crash nothing is left. Says how many there were. See [`crate::exchange`] for the layout;
    /// the progress counts bytes of the files. A row keeps its place among those of its key as if it were inserted when
    /// the call ends.
    pub fn import(&self, paths: &[&Path], options: &ImportOptions) -> Result<u64> {
        self.core.import(paths, options)
    }

    /// The same for what `sources` give, each with a name for errors.
    pub fn import_from(
        &self,
        sources: &mut [(String, Box<dyn Source + '_>)],
        options: &ImportOptions,
    ) -> Result<u64> {
        self.core.import_from(sources, options)
    }

    /// Writes the live rows, or those for which a filter holds, to a file in the format that its name ends in, oldest
    /// first, and the schema to one beside it that ends in `.schema.json`; says how many rows. There must be none of
    /// either name, but for that very schema, and after an error there is none. Runs on a snapshot of what is stored, released
    /// partitions too: it loads nothing, and is never behind a writer's lock.
    pub fn export(&self, path: &Path, options: &ExportOptions) -> Result<u64> {
        self.core.export(path, options)
    }

    /// The rows for which a filter holds. Runs on a snapshot, never behind a writer's lock.
    pub fn query(&self, filter: &str, options: &QueryOptions) -> Result<QueryResult> {
        self.core.query(filter, options)
    }

    /// The rows of some primary keys (Int64Array or StringArray), which are looked up: a [`query`](Collection::query) for
    /// `key in [..]` without its scan. In the order of the keys, each once; keys without a row are passed over. The options
    /// are those of a query, whose `filter_values` do not count.
    pub fn get(&self, keys: &ArrayRef, options: &QueryOptions) -> Result<QueryResult> {
        self.core.get(keys, options)
    }

    /// The rows around one query, nearest first, in batches and to the last one; each primary key once. All come from the
    /// rows that there were when it was opened. Of the options `topk` does not count. With an index whose answers are not
    /// exact, a row that a batch has missed comes in a later one.
    pub fn search_iterator(
        &self,
        field: &str,
        query: Queries,
        options: &SearchOptions,
        iterator: IteratorOptions,
    ) -> Result<SearchIterator> {
        SearchIterator::open(self.core.clone(), field, query, options, iterator)
    }

    /// The rows for which a filter holds, in the order of their primary keys, in batches. All come from the rows that there
    /// were when it was opened. Neither an empty filter nor an offset needs a limit here.
    pub fn query_iterator(
        &self,
        filter: &str,
        options: &QueryOptions,
        iterator: IteratorOptions,
    ) -> Result<QueryIterator> {
        QueryIterator::open(self.core.clone(), filter, options, iterator)
    }
}
