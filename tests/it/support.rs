//! What the tests share: a small random generator, schemas, batches, and answers as plain values.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray};
use elanus::collection::{Collection, Queries, SearchOptions, SearchResult};
use elanus::database::{Database, Options};
use elanus::schema::{Schema, float_item};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    pub fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn vector(&mut self, dim: usize) -> Vec<f32> {
        (0..dim).map(|_| self.float()).collect()
    }
}

/// `id` Int64 (primary), `text` VarChar, `v` FloatVector.
pub fn schema(dim: usize, auto_id: bool) -> Schema {
    Schema::from_json(&format!(
        r#"{{"auto_id":{auto_id},"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
        {{"name":"text","data_type":"VarChar","max_length":100}},
        {{"name":"v","data_type":"FloatVector","dim":{dim}}}]}}"#
    ))
    .unwrap()
}

pub fn vectors(rows: &[Vec<f32>]) -> ArrayRef {
    let dim = rows.first().map_or(1, Vec::len);
    let values: Vec<f32> = rows.concat();
    Arc::new(FixedSizeListArray::new(float_item(), dim as i32, Arc::new(Float32Array::from(values)), None))
}

pub fn text_of(id: i64) -> String {
    format!("row {id}")
}

/// Rows of [`schema`] without auto_id.
pub fn batch(ids: &[i64], rows: &[Vec<f32>]) -> RecordBatch {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(ids.iter().map(|&id| text_of(id))));
    RecordBatch::try_from_iter([("id", keys(ids)), ("text", texts), ("v", vectors(rows))]).unwrap()
}

pub fn keys(ids: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(ids.to_vec()))
}

pub fn insert_random(collection: &Collection, random: &mut Random, ids: std::ops::Range<i64>, dim: usize) {
    let ids: Vec<i64> = ids.collect();
    for ids in ids.chunks(1000) {
        let rows: Vec<Vec<f32>> = ids.iter().map(|_| random.vector(dim)).collect();
        collection.insert(batch(ids, &rows)).unwrap();
    }
}

pub fn options() -> Options {
    Options { threads: 2, index_min_rows: 50, build_idle_ms: 0, ..Options::default() }
}

pub fn open(path: &Path) -> Database {
    Database::open(path, options()).unwrap()
}

pub fn search_options(topk: usize) -> SearchOptions<'static> {
    SearchOptions { topk, ..SearchOptions::default() }
}

pub fn search(collection: &Collection, query: &[f32], topk: usize) -> SearchResult {
    collection.search("v", Queries::Float(query), 1, &search_options(topk)).unwrap()
}

pub fn ids_of(ids: &ArrayRef) -> Vec<i64> {
    ids.as_primitive::<Int64Type>().values().to_vec()
}

/// Every primary key that a search finds, sorted: all live ones, for a `topk` beyond their number.
pub fn all_ids(collection: &Collection, dim: usize) -> Vec<i64> {
    let mut ids = ids_of(&search(collection, &vec![0.0; dim], 16384).ids);
    ids.sort_unstable();
    ids
}

pub fn texts(column: &ArrayRef) -> Vec<String> {
    let texts = column.as_string::<i32>();
    (0..texts.len()).map(|row| texts.value(row).to_owned()).collect()
}

/// Waits for what the background does; `what` is said if it has not come after a minute.
pub fn wait_for(what: &str, mut reached: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < give_up, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
