//! A collection of a set's rows in a database of its own.

use crate::sets::Set;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Int64Array, RecordBatch,
};
use elanus::collection::{Collection, IndexRequest, OnConflict, Queries, SearchOptions, SearchResult};
use elanus::database::{Database, Options};
use elanus::error::Result;
use elanus::index::catalog::VectorKind;
use elanus::index::vectors::Vectors;
use elanus::schema::{Schema, float_item};
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

pub fn options(threads: usize) -> Options {
    Options { threads, index_min_rows: 50, build_idle_ms: 0, ..Options::default() }
}

/// A database on a disk in memory.
pub fn open(disk: &FaultDisk, options: Options) -> Result<Database> {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
}

/// `id` Int64 (primary) and `v`, a vector of the kind.
pub fn schema(kind: VectorKind, dim: usize) -> Schema {
    let data_type = match kind {
        VectorKind::Float => "FloatVector",
        VectorKind::Binary => "BinaryVector",
    };
    let text = format!(
        r#"{{"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
                       {{"name":"v","data_type":"{data_type}","dim":{dim}}}]}}"#
    );
    Schema::from_json(&text).expect("a schema")
}

/// Rows `rows` of the set with keys from `first_key` on.
pub fn batch(set: &Set, rows: Range<usize>, first_key: i64) -> RecordBatch {
    let last_key = first_key + rows.len() as i64;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first_key..last_key));
    let vectors: ArrayRef = match &set.base {
        Vectors::Float(v) => {
            let values = v.values()[rows.start * v.dim()..rows.end * v.dim()].to_vec();
            let values = Arc::new(Float32Array::from(values));
            Arc::new(FixedSizeListArray::new(float_item(), v.dim() as i32, values, None))
        }
        Vectors::Binary(v) => {
            let bytes = v.bytes()[rows.start * v.stride()..rows.end * v.stride()].to_vec();
            Arc::new(FixedSizeBinaryArray::new(v.stride() as i32, bytes.into(), None))
        }
    };
    RecordBatch::try_from_iter([("id", ids), ("v", vectors)]).expect("columns of one length")
}

/// A collection `c` of the set's rows, whose keys are their numbers, sealed.
pub fn fill(database: &Database, set: &Set) -> Collection {
    let collection = database.create_collection("c", schema(set.base.kind(), set.dim)).expect("a collection");
    collection.insert(batch(set, 0..set.base.len(), 0)).expect("an insert");
    collection.flush().expect("a flush");
    collection
}

/// The same in a new database in memory.
pub fn stored(set: &Set, threads: usize) -> (FaultDisk, Database, Collection) {
    let disk = FaultDisk::new();
    let database = open(&disk, options(threads)).expect("a new database");
    let collection = fill(&database, set);
    (disk, database, collection)
}

pub fn create_index(collection: &Collection, description: &str) -> Result<()> {
    let request =
        IndexRequest { field: "v", description, name: None, on_conflict: OnConflict::Replace, wait: true };
    collection.create_index(&request, None)
}

pub fn search_options<'a>(topk: usize, params: &'a str, metric: Option<&'a str>) -> SearchOptions<'a> {
    SearchOptions { topk, params, metric_type: metric, ..SearchOptions::default() }
}

/// All `queries` at once.
pub fn search(collection: &Collection, queries: &Vectors, options: &SearchOptions) -> Result<SearchResult> {
    let values = match queries {
        Vectors::Float(v) => Queries::Float(v.values()),
        Vectors::Binary(v) => Queries::Binary(v.bytes()),
    };
    collection.search("v", values, queries.len(), options)
}

/// Key and score of the hits of each query.
pub fn hits(result: &SearchResult) -> Vec<Vec<(i64, f32)>> {
    let ids = result.ids.as_primitive::<Int64Type>().values();
    let of = |ends: &[u64]| {
        let places = ends[0] as usize..ends[1] as usize;
        places.map(|i| (ids[i], result.scores[i])).collect()
    };
    result.offsets.windows(2).map(of).collect()
}

/// Every file of the database and its bytes, without the lock.
pub fn files(disk: &FaultDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut dirs) = (BTreeMap::new(), vec![PathBuf::from("/db")]);
    while let Some(dir) = dirs.pop() {
        match disk.list(&dir) {
            Ok(names) => dirs.extend(names.iter().map(|name| dir.join(name))),
            Err(_) => drop(found.insert(dir.clone(), disk.read(&dir).expect("a file"))),
        }
    }
    found.retain(|path, _| !path.ends_with("LOCK"));
    found
}

/// The files of indexes among them, without their tables of checksums.
pub fn index_files(disk: &FaultDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(disk);
    found.retain(|path, _| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("index-") && !name.ends_with(".crc")
    });
    found
}

/// Fails with all that was wrong, and not with the first alone.
pub fn none_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
