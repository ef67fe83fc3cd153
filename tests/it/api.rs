//! What bad input gets: a code and a sentence, and nothing changed.

use crate::support::*;
use elanus::collection::{Collection, IndexRequest, OnConflict, Queries, SearchOptions};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::storage::fault::FaultDisk;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DIM: usize = 4;

fn memory_database() -> Database {
    Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options()).unwrap()
}

fn is(error: Error, code: Code, text: &str) {
    assert!(
        error.code() == code && error.message().contains(text),
        "{:?}: {error}\n  not: {text}",
        error.code()
    );
}

fn filled(database: &Database) -> Collection {
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(1), 0..200, DIM);
    collection
}

fn index(
    collection: &Collection,
    description: &str,
    name: Option<&str>,
    on_conflict: OnConflict,
) -> Result<(), Error> {
    let request = IndexRequest { field: "v", description, name, on_conflict, wait: true };
    collection.create_index(&request, None)
}

#[test]
fn names_of_collections() {
    let database = memory_database();
    let made = database.create_collection("c", schema(DIM, false)).unwrap();
    assert_eq!(made.name().unwrap(), "c");
    assert!(database.create_collection("c", schema(DIM, false)).is_ok(), "the same definition is success");
    let other = database.create_collection("c", schema(DIM + 1, false)).err().unwrap();
    is(other, Code::CollectionExists, "create duplicate collection with different parameters, collection: c");
    is(database.create_collection("1c", schema(DIM, false)).err().unwrap(), Code::InvalidParameter, "1c");
    is(
        database.collection("x").err().unwrap(),
        Code::CollectionNotFound,
        "collection not found[collection=x]",
    );
    is(database.drop_collection("x").err().unwrap(), Code::CollectionNotFound, "[collection=x]");
    database.create_collection("d", schema(DIM, false)).unwrap();
    is(database.rename_collection("c", "d").err().unwrap(), Code::CollectionExists, "d");
    is(database.rename_collection("c", "-").err().unwrap(), Code::InvalidParameter, "-");
    database.rename_collection("c", "e").unwrap();
    assert_eq!(made.name().unwrap(), "e");
    assert_eq!(database.collections().unwrap(), ["d", "e"]);
    assert!(!database.has_collection("c").unwrap());
}

#[test]
fn a_dropped_collection_and_a_closed_database() {
    let database = memory_database();
    let collection = filled(&database);
    database.drop_collection("c").unwrap();
    is(collection.count().err().unwrap(), Code::Closed, "dropped");
    is(collection.insert(batch(&[1], &[vec![0.0; DIM]])).err().unwrap(), Code::Closed, "dropped");
    is(collection.flush().err().unwrap(), Code::Closed, "dropped");
    let collection = filled(&database);
    assert_eq!(collection.count().unwrap(), 200, "nothing of the old one came back");
    database.close().unwrap();
    database.close().unwrap();
    is(collection.count().err().unwrap(), Code::Closed, "closed");
    is(database.collections().err().unwrap(), Code::Closed, "closed");
    let options = search_options(1);
    is(
        collection.search("v", Queries::Float(&[0.0; DIM]), 1, &options).err().unwrap(),
        Code::Closed,
        "closed",
    );
    is(collection.delete(&keys(&[1])).err().unwrap(), Code::Closed, "closed");
}

#[test]
fn the_last_handle_closes() {
    let disk = FaultDisk::new();
    let open = || Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options());
    let database = open().unwrap();
    let collection = filled(&database);
    let second = database.clone();
    drop(database);
    assert_eq!(collection.count().unwrap(), 200);
    is(open().err().unwrap(), Code::Locked, "is open for writing in process");
    drop(second);
    is(collection.count().err().unwrap(), Code::Closed, "closed");
    assert_eq!(open().unwrap().collection("c").unwrap().count().unwrap(), 200);
}

#[test]
fn bad_searches() {
    let database = memory_database();
    let collection = filled(&database);
    let query = [0.0; DIM];
    let fails =
        |queries: Queries, nq: usize, field: &str, options: &SearchOptions, code: Code, text: &str| {
            is(collection.search(field, queries, nq, options).err().expect(text), code, text);
        };
    let good = || search_options(5);
    let one = Queries::Float(&query);
    let invalid = Code::InvalidParameter;
    fails(one, 1, "x", &good(), Code::FieldNotFound, "field x not exist");
    fails(one, 1, "text", &good(), invalid, "field text of type VarChar cannot be searched");
    fails(Queries::Binary(&[0]), 1, "v", &good(), invalid, "field v holds FloatVector");
    let topk = |n: usize| format!("topk [{n}] is invalid, top k should be in range [1, 16384], but got {n}");
    fails(one, 1, "v", &search_options(0), invalid, &topk(0));
    fails(one, 1, "v", &search_options(16385), invalid, &topk(16385));
    let nq = "nq (number of search vector per search request) should be in range [1, 16384], but got ";
    fails(Queries::Float(&[]), 0, "v", &good(), invalid, &format!("{nq}0"));
    fails(Queries::Float(&vec![0.0; 16385 * DIM]), 16385, "v", &good(), invalid, &format!("{nq}16385"));
    fails(
        Queries::Float(&[0.0; 3]),
        1,
        "v",
        &good(),
        invalid,
        "the dim (3) of field data(v) is not equal to schema dim (4)",
    );
    fails(
        Queries::Float(&[0.0, f32::NAN, 0.0, 0.0]),
        1,
        "v",
        &good(),
        invalid,
        "value 'NaN' is not a number",
    );
    let mut options = good();
    options.round_decimal = 7;
    fails(
        one,
        1,
        "v",
        &options,
        invalid,
        "round_decimal [7] is invalid, should be -1 or an integer in range [0, 6]",
    );
    options = good();
    options.output_fields = vec!["text", "nope"];
    fails(one, 1, "v", &options, Code::FieldNotFound, "field nope not exist");
    options = good();
    options.params = "[";
    fails(one, 1, "v", &options, invalid, "JSON");
    options = good();
    options.metric_type = Some("HAMMING");
    fails(one, 1, "v", &options, invalid, "metric type not found or not supported");
    index(&collection, r#"{"index_type":"FLAT","metric_type":"L2"}"#, None, OnConflict::Replace).unwrap();
    options.metric_type = Some("IP");
    fails(one, 1, "v", &options, invalid, "metric type not match: invalid parameter[expected=L2][actual=IP]");
    options.metric_type = Some("l2");
    assert!(collection.search("v", one, 1, &options).is_ok());
}

#[test]
fn results_of_a_search() {
    let database = memory_database();
    let collection = database.create_collection("c", schema(2, false)).unwrap();
    let empty = search(&collection, &[0.0, 0.0], 3);
    assert_eq!((empty.offsets, empty.ids.len(), empty.columns.num_rows()), (vec![0, 0], 0, 0));
    let rows: Vec<Vec<f32>> = [[3.0, 4.0], [0.0, 1.0], [0.0, -1.0], [0.1, 0.0]].map(|v| v.to_vec()).into();
    collection.insert(batch(&[10, 30, 20, 40], &rows)).unwrap();
    let mut options = search_options(10);
    options.output_fields = vec!["*", "text"];
    options.round_decimal = 1;
    for flushed in [false, true] {
        let result = collection.search("v", Queries::Float(&[0.0, 0.0]), 1, &options).unwrap();
        assert_eq!(ids_of(&result.ids), [40, 20, 30, 10], "ties by the smaller key");
        assert_eq!(result.scores, [0.0, 1.0, 1.0, 25.0], "squared and rounded");
        let names: Vec<_> = result.columns.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["id", "text", "v"]);
        assert_eq!(texts(result.columns.column(1)), ["row 40", "row 20", "row 30", "row 10"]);
        if !flushed {
            collection.flush().unwrap();
        }
    }
    options.metric_type = Some("IP");
    let result = collection.search("v", Queries::Float(&[1.0, 0.0]), 1, &options).unwrap();
    assert_eq!((ids_of(&result.ids), result.scores), (vec![10, 40, 20, 30], vec![3.0, 0.1, 0.0, 0.0]));
}

#[test]
fn repeated_keys_are_told_once_and_the_rest_is_found() {
    let database = memory_database();
    let collection = database.create_collection("c", schema(1, false)).unwrap();
    // Forty rows of one key are nearest; the others follow.
    let ids: Vec<i64> = (0..60).map(|i| if i < 40 { 7 } else { i }).collect();
    let rows: Vec<Vec<f32>> = (0..60).map(|i| vec![i as f32]).collect();
    for part in 0..3 {
        let range = part * 20..(part + 1) * 20;
        collection.insert(batch(&ids[range.clone()], &rows[range])).unwrap();
        if part == 1 {
            collection.flush().unwrap();
        }
    }
    let result = search(&collection, &[0.0], 5);
    assert_eq!(ids_of(&result.ids), [7, 40, 41, 42, 43]);
    assert_eq!(result.scores, [0.0, 1600.0, 1681.0, 1764.0, 1849.0]);
    assert_eq!(collection.delete(&keys(&[7])).unwrap(), 40);
    assert_eq!(ids_of(&search(&collection, &[0.0], 2).ids), [40, 41]);
}

#[test]
fn released_and_loaded() {
    let disk = FaultDisk::new();
    let open = |read_only| {
        let options = Options { read_only, ..options() };
        Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
    };
    let database = open(false);
    let collection = filled(&database);
    collection.flush().unwrap();
    collection.release().unwrap();
    let released = |collection: &Collection| {
        let error = collection.search("v", Queries::Float(&[0.0; DIM]), 1, &search_options(1)).err().unwrap();
        is(error, Code::CollectionNotLoaded, "collection not loaded[collection=c]");
    };
    released(&collection);
    assert_eq!(collection.statistics().unwrap()["mapped_bytes"], 0);
    assert_eq!(collection.describe().unwrap()["load_state"], "NotLoad");
    drop(database);
    let reader = open(true);
    released(&reader.collection("c").unwrap());
    reader.collection("c").unwrap().load().unwrap();
    assert_eq!(all_ids(&reader.collection("c").unwrap(), DIM).len(), 200);
    let database = open(false);
    released(&database.collection("c").unwrap());
    database.collection("c").unwrap().load().unwrap();
    assert_eq!(all_ids(&database.collection("c").unwrap(), DIM).len(), 200);
}

#[test]
fn a_read_only_database_changes_nothing() {
    let disk = FaultDisk::new();
    let open = |read_only| {
        let options = Options { read_only, ..options() };
        Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
    };
    is(open(true).err().unwrap(), Code::Io, "no database in /db");
    let writer = open(false).unwrap();
    let collection = filled(&writer);
    collection.flush().unwrap();
    collection.insert(batch(&[900], &[vec![0.5; DIM]])).unwrap();
    collection.delete(&keys(&[3])).unwrap();
    let before = disk.operations();
    let reader = open(true).unwrap();
    let same = reader.collection("c").unwrap();
    assert_eq!(all_ids(&same, DIM), all_ids(&collection, DIM));
    let read_only = |error: Error| is(error, Code::ReadOnly, "database is opened read-only");
    read_only(same.insert(batch(&[1], &[vec![0.0; DIM]])).err().unwrap());
    read_only(same.delete(&keys(&[1])).err().unwrap());
    read_only(same.flush().err().unwrap());
    read_only(
        index(&same, r#"{"index_type":"FLAT","metric_type":"L2"}"#, None, OnConflict::Replace).err().unwrap(),
    );
    read_only(same.drop_index("x").err().unwrap());
    read_only(reader.create_collection("d", schema(DIM, false)).err().unwrap());
    read_only(reader.drop_collection("c").err().unwrap());
    read_only(reader.rename_collection("c", "d").err().unwrap());
    same.release().unwrap();
    reader.close().unwrap();
    assert_eq!(disk.operations(), before, "a reader wrote");
}

#[test]
fn auto_ids_are_never_given_twice() {
    let disk = FaultDisk::new();
    let open = || Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap();
    let mut all = Vec::new();
    for round in 0..6 {
        let database = open();
        let collection = database.create_collection("c", schema(DIM, true)).unwrap();
        let batch = batch(&[0, 0, 0], &vec![vec![0.0; DIM]; 3]).project(&[1, 2]).unwrap();
        let made = collection.insert(batch.clone()).unwrap();
        all.extend(ids_of(&made.ids));
        match round % 3 {
            0 => collection.flush().unwrap(),
            1 => {
                collection.delete(&made.ids).unwrap();
                collection.flush().unwrap();
            }
            _ => {}
        }
    }
    assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
}

#[test]
fn the_memory_limit() {
    let options = Options { memory_limit: 64 << 10, ..options() };
    let database = Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options).unwrap();
    let collection = database.create_collection("c", schema(64, false)).unwrap();
    let mut random = Random(1);
    let mut insert = |from: i64| {
        let ids: Vec<i64> = (from..from + 50).collect();
        let rows: Vec<Vec<f32>> = ids.iter().map(|_| random.vector(64)).collect();
        collection.insert(batch(&ids, &rows))
    };
    let error = (0..100).find_map(|i| insert(i * 50).err()).expect("a refusal");
    is(error, Code::MemoryLimit, "exceeds memory_limit 65536");
    let count = collection.count().unwrap();
    assert!((50..=250).contains(&count), "{count}");
    collection.flush().unwrap();
    insert(5000).unwrap();
    assert_eq!(collection.count().unwrap(), count + 50);
}

#[test]
fn a_search_that_takes_too_long() {
    let database = memory_database();
    let collection = filled(&database);
    let mut options = search_options(5);
    options.timeout = Some(Duration::ZERO);
    let error = collection.search("v", Queries::Float(&[0.0; DIM]), 1, &options).err().unwrap();
    is(error, Code::Timeout, "the search took longer than 0 ms");
    options.timeout = Some(Duration::from_secs(60));
    assert!(collection.search("v", Queries::Float(&[0.0; DIM]), 1, &options).is_ok());
}
