//! What filters said of sealed rows is kept (`filter_cached` of explain): an answer of before is that of now, whatever
//! happened between.

use crate::support::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use elanus::Code;
use elanus::collection::{Collection, IndexRequest, OnConflict, Queries, QueryOptions, SearchOptions};
use elanus::database::{Database, Options};
use elanus::schema::{Field, Schema};
use elanus::storage::fault::FaultDisk;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const DIM: usize = 4;

fn schema() -> Schema {
    Schema::from_json(&format!(
        r#"{{"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
        {{"name":"n","data_type":"Int64"}},{{"name":"t","data_type":"VarChar","max_length":20}},
        {{"name":"j","data_type":"JSON"}},{{"name":"v","data_type":"FloatVector","dim":{DIM}}}]}}"#
    ))
    .unwrap()
}

/// `n` of each key.
type Model = BTreeMap<i64, i64>;

fn tenant(n: i64) -> String {
    format!("tenant {}", n % 5)
}

fn rows(rows: &[(i64, i64)]) -> RecordBatch {
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, n)| *n)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, n)| tenant(*n))));
    let json: ArrayRef =
        Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, n)| format!(r#"{{"n":{n}}}"#))));
    let vectors = vectors(&ids.iter().map(|&id| Random(id as u64).vector(DIM)).collect::<Vec<_>>());
    RecordBatch::try_from_iter([
        ("id", keys(&ids)),
        ("n", numbers),
        ("t", texts),
        ("j", json),
        ("v", vectors),
    ])
    .unwrap()
}

type Holds = fn(i64) -> bool;

const FILTERS: [(&str, &str, Holds); 6] = [
    ("n % 10 == 3", "", |n| n % 10 == 3),
    ("t == 'tenant 3'", "", |n| n % 5 == 3),
    ("t == {tenant} and n > {least}", r#"{"tenant":"tenant 2","least":100}"#, |n| n % 5 == 2 && n > 100),
    ("t == {tenant} and n > {least}", r#"{"tenant":"tenant 2","least":300}"#, |n| n % 5 == 2 && n > 300),
    ("j['n'] < 50 or n in [7, 77, 777]", "", |n| n < 50 || [7, 77, 777].contains(&n)),
    ("n > 1000000", "", |_| false),
];

fn options_of<'a>(filter: &'a str, filter_values: &'a str) -> SearchOptions<'a> {
    SearchOptions { filter, filter_values, ..search_options(16384) }
}

/// Whether each sealed segment has the answer, and how many rows explain would allow in all segments.
fn cached(collection: &Collection, filter: &str, values: &str) -> (Vec<bool>, u64) {
    let told = collection.explain("v", &options_of(filter, values)).unwrap();
    let segments = told["segments"].as_array().unwrap();
    let sealed = segments.iter().filter(|segment| !segment["segment"].is_null());
    let there = sealed.map(|segment| segment["filter_cached"].as_bool().unwrap()).collect();
    (there, segments.iter().map(|segment| segment["allowed"].as_u64().unwrap()).sum())
}

/// By a search, a query and a count: the first to ask evaluates, the others do not.
fn check(collection: &Collection, model: &Model, what: &str) {
    for (filter, values, holds) in FILTERS {
        let expected: Vec<i64> = model.iter().filter(|(_, n)| holds(**n)).map(|(id, _)| *id).collect();
        let found =
            collection.search("v", Queries::Float(&[0.0; DIM]), 1, &options_of(filter, values)).unwrap();
        let mut hits = ids_of(&found.ids);
        hits.sort_unstable();
        assert_eq!(hits, expected, "{filter} {what}");
        let query = QueryOptions { filter_values: values, ..QueryOptions::default() };
        assert_eq!(ids_of(&collection.query(filter, &query).unwrap().ids), expected, "{filter} {what}");
        let count = collection.count_matching(filter, values).unwrap();
        assert_eq!(count, expected.len() as u64, "{filter} {what}");
        let (there, allowed) = cached(collection, filter, values);
        assert!(there.iter().all(|there| *there), "{filter} {what}: {there:?}");
        assert_eq!(allowed, count, "{filter} {what}");
    }
}

fn none_cached(collection: &Collection) {
    for (filter, values, _) in FILTERS {
        let (there, _) = cached(collection, filter, values);
        assert!(there.iter().all(|there| !there), "{filter}: {there:?}");
    }
}

fn open(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn quiet() -> Options {
    Options { auto_compaction: false, ..options() }
}

fn insert(collection: &Collection, model: &mut Model, ids: std::ops::Range<i64>) {
    let new: Vec<(i64, i64)> = ids.map(|id| (id, id * 7 % 900)).collect();
    collection.insert(rows(&new)).unwrap();
    model.extend(new);
}

/// Three sealed segments and growing rows.
fn filled(database: &Database) -> (Collection, Model) {
    let collection = database.create_collection("c", schema()).unwrap();
    let mut model = Model::new();
    for first in [0, 400, 800] {
        insert(&collection, &mut model, first..first + 400);
        collection.flush().unwrap();
    }
    insert(&collection, &mut model, 1200..1300);
    (collection, model)
}

#[test]
fn whatever_happens_to_the_rows() {
    let disk = FaultDisk::new();
    let database = open(&disk, quiet());
    let (collection, mut model) = filled(&database);
    none_cached(&collection);
    check(&collection, &model, "at first");

    let gone: Vec<i64> = (0..1300).filter(|id| id % 11 == 0).collect();
    collection.delete(&keys(&gone)).unwrap();
    model.retain(|id, _| !gone.contains(id));
    // Each segment has them still.
    assert_eq!(cached(&collection, FILTERS[0].0, "").0, [true; 3]);
    check(&collection, &model, "after a delete");

    let new: Vec<(i64, i64)> = (0..600).step_by(3).map(|id| (id, id + 1)).collect();
    collection.upsert(rows(&new)).unwrap();
    model.extend(new);
    assert_eq!(cached(&collection, FILTERS[0].0, "").0, [true; 3]);
    check(&collection, &model, "after an upsert");

    let (filter, values, holds) = FILTERS[2];
    let deleted = collection.delete_matching(filter, values).unwrap();
    let before = model.len();
    model.retain(|_, n| !holds(*n));
    assert_eq!(deleted, (before - model.len()) as u64);
    check(&collection, &model, "after a delete by a filter that was asked before");

    collection.flush().unwrap();
    check(&collection, &model, "with what was growing");
    for (field, description) in [("n", r#"{"index_type":"STL_SORT"}"#), ("t", r#"{"index_type":"Trie"}"#)] {
        let (name, on_conflict) = (None, OnConflict::Error);
        let request = IndexRequest { field, description, name, on_conflict, wait: true };
        collection.create_index(&request, None).unwrap();
        check(&collection, &model, "with an index of the field");
    }
    collection.compact(true, None).unwrap();
    check(&collection, &model, "after a compaction");
    database.close().unwrap();
    let database = open(&disk, quiet());
    let collection = database.collection("c").unwrap();
    none_cached(&collection);
    check(&collection, &model, "after a restart");
}

#[test]
fn they_go_with_the_rows() {
    let disk = FaultDisk::new();
    let database = open(&disk, quiet());
    let (collection, model) = filled(&database);
    check(&collection, &model, "at first");
    collection.release().unwrap();
    collection.load().unwrap();
    none_cached(&collection);
    check(&collection, &model, "after a release");

    // The rows have more fields now: what is asked of these is not what was asked of others.
    let field = Field::from_json(r#"{"name":"more","data_type":"Int64","default_value":3}"#).unwrap();
    collection.add_field(field).unwrap();
    none_cached(&collection);
    check(&collection, &model, "after a field was added");
    for (filter, expected) in [("more == 3", model.len() as u64), ("more == 4", 0), ("more is null", 0)] {
        for _ in 0..2 {
            assert_eq!(collection.count_matching(filter, "").unwrap(), expected, "{filter}");
        }
    }
}

#[test]
fn constants_and_long_lists_are_not_kept() {
    let database = open(&FaultDisk::new(), quiet());
    let (collection, model) = filled(&database);
    let list: Vec<String> = (0..30_000).map(|n| n.to_string()).collect();
    let long = format!(r#"{{"list":[{}]}}"#, list.join(","));
    for (filter, values, expected) in
        [("", "", model.len()), ("n > 3 and n in []", "", 0), ("n in {list}", &*long, model.len())]
    {
        for _ in 0..2 {
            let found = collection.count_matching(filter, values).unwrap();
            assert_eq!(found, expected as u64);
            assert_eq!(cached(&collection, filter, values).0, [false; 3]);
        }
    }
}

/// An answer of now is no answer for a time when other rows were live, if it left out the dead.
#[test]
fn as_of_a_time_before() {
    let disk = FaultDisk::new();
    disk.set_time(1_000_000_000);
    let database = open(&disk, Options { retention_duration: Some(100), ..quiet() });
    let (collection, model) = filled(&database);
    let time = collection.timestamp().unwrap();
    let gone: Vec<i64> = (0..1300).filter(|id| id % 3 == 0).collect();
    collection.delete(&keys(&gone)).unwrap();
    let mut left = model.clone();
    left.retain(|id, _| id % 3 != 0);
    check(&collection, &left, "now");
    for (filter, filter_values, holds) in FILTERS {
        let query = QueryOptions { filter_values, travel_timestamp: time, ..QueryOptions::default() };
        let expected: Vec<i64> = model.iter().filter(|(_, n)| holds(**n)).map(|(id, _)| *id).collect();
        assert_eq!(ids_of(&collection.query(filter, &query).unwrap().ids), expected, "{filter}");
    }
    check(&collection, &left, "now again");
}

#[test]
fn they_give_way_where_memory_is_limited() {
    let disk = FaultDisk::new();
    let database = open(&disk, quiet());
    let (collection, model) = filled(&database);
    collection.flush().unwrap();
    database.close().unwrap();
    const LIMIT: u64 = 40_000;
    let database = open(&disk, Options { memory_limit: LIMIT, ..quiet() });
    let collection = database.collection("c").unwrap();
    // Some hundred bytes each, of four segments: more than there is room for.
    let asked: Vec<String> = (0..200).map(|n| format!("n % 200 == {n}")).collect();
    for filter in asked.iter().chain(&asked) {
        let remainder: i64 = filter[11..].trim_start_matches([' ', '=']).parse().unwrap();
        let expected = model.values().filter(|n| **n % 200 == remainder).count();
        assert_eq!(collection.count_matching(filter, "").unwrap(), expected as u64, "{filter}");
    }
    assert!(cached(&collection, &asked[199], "").0.iter().any(|there| *there));
    // Nearly all of the limit is for rows: they are not refused for what is kept of filters.
    let new: Vec<(i64, i64)> = (5000..5600).map(|id| (id, id)).collect();
    collection.insert(rows(&new)).unwrap();
    assert_eq!(collection.count_matching("n >= 5000", "").unwrap(), 600);
    let more: Vec<(i64, i64)> = (6000..8000).map(|id| (id, id)).collect();
    let error = collection.insert(rows(&more)).map(drop).expect_err("no room");
    assert_eq!(error.code(), Code::MemoryLimit, "{error}");
    let output_fields = vec!["count(*)"];
    let query = QueryOptions { output_fields, ..QueryOptions::default() };
    let count = collection.query("id >= 0", &query).unwrap();
    let count = count.columns.column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(count, model.len() as i64 + 600);
}
