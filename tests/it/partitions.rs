//! Partitions: what each call refuses, and that dropping gives space back. Random operations on them are in `model`.

use crate::support::*;
use arrow_array::RecordBatch;
use elanus::collection::{
    Collection, IndexRequest, LoadState, OnConflict, Queries, QueryOptions, SearchOptions,
};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::schema::Schema;
use elanus::storage::fault::{Cut, FaultDisk};
use std::path::Path;
use std::sync::Arc;

fn numbered() -> Schema {
    Schema::from_json(
        r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"n","data_type":"Int64"},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#,
    )
    .unwrap()
}

fn rows(ids: &[i64], n: i64) -> RecordBatch {
    let points: Vec<Vec<f32>> = ids.iter().map(|&id| vec![id as f32, n as f32]).collect();
    RecordBatch::try_from_iter([("id", keys(ids)), ("n", keys(&vec![n; ids.len()])), ("v", vectors(&points))])
        .unwrap()
}

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn is<T>(outcome: Result<T, Error>, code: Code, text: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("should fail with {text}"));
    assert_eq!((error.code(), error.message()), (code, text));
}

/// The keys that a search of those partitions finds.
fn searched(collection: &Collection, names: &[&'static str]) -> Result<Vec<i64>, Error> {
    let options = SearchOptions { partition_names: names.to_vec(), ..search_options(16384) };
    let found = collection.search("v", Queries::Float(&[0.0; 2]), 1, &options)?;
    let mut ids = ids_of(&found.ids);
    ids.sort_unstable();
    Ok(ids)
}

fn queried(collection: &Collection, names: &[&'static str], filter: &str) -> Result<Vec<i64>, Error> {
    let options = QueryOptions { partition_names: names.to_vec(), ..QueryOptions::default() };
    collection.query(filter, &options).map(|found| ids_of(&found.ids))
}

#[test]
fn dropping_gives_space_back_and_keeps_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path(), Options { auto_compaction: false, ..options() }).unwrap();
    let collection = database.create_collection("c", schema(32, false)).unwrap();
    let insert = |name: &str, ids: std::ops::Range<i64>| {
        let ids: Vec<i64> = ids.collect();
        let points: Vec<Vec<f32>> = ids.iter().map(|&id| vec![id as f32; 32]).collect();
        collection.insert_into(name, batch(&ids, &points)).unwrap();
    };
    let bytes = || collection.statistics().unwrap()["disk_bytes"].as_u64().unwrap();
    collection.create_partition("old").unwrap();
    insert("_default", 0..200);
    collection.flush().unwrap();
    let before = bytes();
    for part in 0..4 {
        insert("old", part * 1000..part * 1000 + 1000);
        if part < 3 {
            collection.flush().unwrap();
        }
    }
    let request = IndexRequest {
        field: "v",
        description: r#"{"index_type":"FLAT","metric_type":"L2"}"#,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    collection.create_index(&request, None).unwrap();
    insert("old", 9000..9500);
    let full = bytes();
    assert!(full > 5 * before, "{full}, {before}");
    // Loaded from the first search on.
    assert_eq!(collection.load_state(&["old"]).unwrap().state, LoadState::NotLoad);
    let found = search(&collection, &[9100.0; 32], 3);
    assert_eq!(ids_of(&found.ids)[0], 9100);
    assert_eq!(collection.load_state(&["old"]).unwrap().state, LoadState::Loaded);
    let loaded = "partition cannot be dropped, partition is loaded, please release it first";
    is(collection.drop_partition("old"), Code::InvalidParameter, loaded);
    assert_eq!(collection.count().unwrap(), 4700);
    // What is merged stays inside its partition.
    collection.compact(true, None).unwrap();
    let statistics = collection.statistics().unwrap();
    assert_eq!(statistics["sealed_segments"], 2, "{statistics}");
    collection.release_partitions(&["old"]).unwrap();
    collection.drop_partition("old").unwrap();
    collection.drop_partition("old").unwrap();
    assert_eq!((collection.count().unwrap(), all_ids(&collection, 32).len()), (200, 200));
    // Files go with the last who uses them, which may be the worker.
    wait_for("space is given back", || bytes() < before * 3);
    let again = collection.create_partition("old").and_then(|()| collection.partition_statistics("old"));
    assert_eq!(again.unwrap()["row_count"], 0);
}

#[test]
fn rows_of_a_dropped_partition_do_not_come_back() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let collection = database.create_collection("c", numbered()).unwrap();
    collection.create_partition("p").unwrap();
    collection.insert(rows(&[1, 2], 1)).unwrap();
    collection.insert_into("p", rows(&[3, 4], 2)).unwrap();
    collection.drop_partition("p").unwrap();
    collection.create_partition("p").unwrap();
    collection.insert_into("p", rows(&[5], 3)).unwrap();
    for seed in 0..5 {
        let disk = disk.power_cut(Cut::ALL[seed], seed as u64);
        let database = open_on(&disk, options());
        let collection = database.collection("c").unwrap();
        assert_eq!(searched(&collection, &[]).unwrap(), [1, 2, 5]);
        assert_eq!(searched(&collection, &["p"]).unwrap(), [5]);
    }
}

#[test]
fn names_and_limits() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let collection = database.create_collection("c", numbered()).unwrap();
    let long = "p".repeat(256);
    for (name, why) in [
        ("", "Partition name should not be empty."),
        (&long, "The length of a partition name must be less than 255 characters."),
        ("-p", "The first character of a partition name must be an underscore or letter."),
        ("p q", "Partition name can only contain numbers, letters and underscores."),
    ] {
        let text = format!("Invalid partition name: {name}. {why}");
        is(collection.create_partition(name), Code::InvalidParameter, &text);
        is(collection.drop_partition(name), Code::InvalidParameter, &text);
        is(collection.has_partition(name), Code::InvalidParameter, &text);
    }
    collection.create_partition("p").unwrap();
    collection.create_partition("p").unwrap();
    assert_eq!(collection.partitions().unwrap(), ["_default", "p"]);
    let missing = "partition not found[partition=nope]";
    is(queried(&collection, &["p", "nope"], "id > 1"), Code::PartitionNotFound, missing);
    is(searched(&collection, &["nope"]), Code::PartitionNotFound, missing);
    is(collection.count_matching_in(&["nope"], "id > 1", ""), Code::PartitionNotFound, missing);
    is(collection.delete_from("nope", &keys(&[1])), Code::PartitionNotFound, missing);
    is(collection.delete_matching_from("nope", "id > 1", ""), Code::PartitionNotFound, missing);
    is(collection.insert_into("nope", rows(&[1], 1)).map(drop), Code::PartitionNotFound, missing);
    is(collection.load_state(&["nope"]).map(drop), Code::PartitionNotFound, missing);
    is(collection.load_partitions(&["p", "nope"]), Code::PartitionNotFound, missing);
    is(collection.partition_statistics("nope").map(drop), Code::PartitionNotFound, missing);
    let none = "due to no partition specified, partition names should not be empty";
    is(collection.release_partitions(&[]), Code::MissingParameter, none);
    collection.release_partitions(&["p"]).unwrap();
    is(searched(&collection, &["p"]), Code::PartitionNotLoaded, "partition not loaded[partition=p]");
    collection.release().unwrap();
    is(searched(&collection, &[]), Code::CollectionNotLoaded, "collection not loaded[collection=c]");
    // What is created while the collection is released is so, too; and it is all kept.
    collection.create_partition("new").unwrap();
    drop(database);
    let database = open_on(&disk, options());
    let collection = database.collection("c").unwrap();
    is(searched(&collection, &["new"]), Code::CollectionNotLoaded, "collection not loaded[collection=c]");
    collection.load_partitions(&["p"]).unwrap();
    is(searched(&collection, &["new"]), Code::PartitionNotLoaded, "partition not loaded[partition=new]");
    assert_eq!(searched(&collection, &[]).unwrap(), [0i64; 0]);
    assert_eq!(collection.load_state(&["p"]).unwrap().state, LoadState::Loaded);
    // Readers decide for themselves, and learn of what comes and goes.
    let reader = open_on(&disk, Options { read_only: true, ..options() });
    let read = reader.collection("c").unwrap();
    is(read.create_partition("q"), Code::ReadOnly, "database is opened read-only");
    read.load().unwrap();
    collection.insert_into("new", rows(&[7], 7)).unwrap();
    collection.drop_partition("p").unwrap_err();
    collection.release_partitions(&["p"]).unwrap();
    collection.drop_partition("p").unwrap();
    collection.create_partition("q").unwrap();
    reader.refresh().unwrap();
    assert_eq!(read.partitions().unwrap(), ["_default", "new", "q"]);
    assert_eq!(searched(&read, &["new"]).unwrap(), [7]);
}
