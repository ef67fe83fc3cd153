//! Import and export: what went out comes back identical, what is refused leaves nothing, and what a file claims is not
//! believed.

mod broken;
mod files;
mod hostile;
mod partitions;
mod peers;
mod promises;
mod types;

use crate::support::{Random, options, vectors};
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray,
};
use elanus::collection::{Collection, ExportOptions, ImportOptions, QueryOptions};
use elanus::database::Database;
use elanus::schema::Schema;
use std::path::Path;
use std::sync::Arc;

const EXTENSIONS: [&str; 3] = ["parquet", "jsonl", "json"];

/// Every scalar type, and a vector of `vector`.
fn schema_text(vector: &str, auto_id: bool) -> String {
    format!(
        r#"{{"description":"all types","auto_id":{auto_id},"fields":[
        {{"name":"id","data_type":"Int64","is_primary":true}},{{"name":"b","data_type":"Bool"}},
        {{"name":"i8","data_type":"Int8"}},{{"name":"i16","data_type":"Int16"}},{{"name":"i32","data_type":"Int32"}},
        {{"name":"f","data_type":"Float"}},{{"name":"d","data_type":"Double"}},
        {{"name":"t","data_type":"VarChar","max_length":200}},{{"name":"j","data_type":"JSON"}},
        {{"name":"v","data_type":"{vector}","dim":16}}]}}"#
    )
}

fn schema(vector: &str) -> Schema {
    Schema::from_json(&schema_text(vector, false)).unwrap()
}

/// Values at the bounds of their types and texts that need escapes, for keys of any order.
fn rows(keys: &[i64], vector: &str) -> RecordBatch {
    let mut random = Random(keys[0] as u64);
    let texts = ["", "plain", "quote \" and \\ and \n and \u{1}", "é 你好 🦅", "{}"];
    let jsons = [
        "{\"a\": [1, 2.50, null]}",
        "\"a text\"",
        "null",
        " 7 ",
        "{\"big\":123456789012345678901234567890}",
        "[\n]",
    ];
    let pick = |list: &[&str]| {
        StringArray::from_iter_values(
            keys.iter().map(|&key| list[key.rem_euclid(list.len() as i64) as usize]),
        )
    };
    let floats = [0.1f32, -0.0, f32::MIN_POSITIVE / 3.0, f32::MAX, 1e-7, 16777217.0];
    let doubles = [0.1f64, 5e-324, f64::MAX, -0.0, 1.0 / 3.0, 9007199254740993.0];
    let vector: ArrayRef = match vector {
        "FloatVector" => vectors(&keys.iter().map(|_| random.vector(16)).collect::<Vec<_>>()),
        _ => {
            let bytes: Vec<u8> = keys.iter().flat_map(|_| (random.next() as u16).to_le_bytes()).collect();
            Arc::new(FixedSizeBinaryArray::new(2, bytes.into(), None))
        }
    };
    let at = |key: i64, len: usize| key.rem_euclid(len as i64) as usize;
    let columns: [(&str, ArrayRef); 10] = [
        ("id", Arc::new(Int64Array::from(keys.to_vec()))),
        ("b", Arc::new(BooleanArray::from_iter(keys.iter().map(|k| Some(k % 3 == 0))))),
        ("i8", Arc::new(Int8Array::from_iter_values(keys.iter().map(|&k| k as i8)))),
        ("i16", Arc::new(Int16Array::from_iter_values(keys.iter().map(|&k| (k * 7919) as i16)))),
        ("i32", Arc::new(Int32Array::from_iter_values(keys.iter().map(|&k| (k * 16_777_619) as i32)))),
        ("f", Arc::new(Float32Array::from_iter_values(keys.iter().map(|&k| floats[at(k, 6)])))),
        ("d", Arc::new(Float64Array::from_iter_values(keys.iter().map(|&k| doubles[at(k, 6)])))),
        ("t", Arc::new(pick(&texts))),
        ("j", Arc::new(pick(&jsons))),
        ("v", vector),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn database(path: &Path) -> Database {
    Database::open(path, options()).unwrap()
}

/// All rows, in the order of their keys.
fn contents(collection: &Collection) -> RecordBatch {
    let all = QueryOptions { output_fields: vec!["*"], limit: Some(16384), ..QueryOptions::default() };
    collection.query("", &all).unwrap().columns
}

fn export(collection: &Collection, path: &Path) -> u64 {
    collection.export(path, &ExportOptions::default()).unwrap()
}

/// The message of an import that is refused, after which nothing has changed.
fn refused(collection: &Collection, paths: &[&Path]) -> String {
    let before = contents(collection);
    let error = collection.import(paths, &ImportOptions::default()).expect_err("a bad file");
    assert_eq!(contents(collection), before);
    error.message().to_owned()
}
