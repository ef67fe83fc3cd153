//! The partition key: rows are dealt by it, filters that pin it read little, and partitions cannot be named; and what
//! does not fit into memory is not loaded.

use crate::support::*;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use elanus::collection::{
    Collection, IndexRequest, LoadState, OnConflict, Queries, QueryOptions, SearchOptions,
};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::schema::Schema;
use elanus::storage::fault::FaultDisk;
use std::path::Path;
use std::sync::Arc;

const TENANTS: i64 = 30;

fn schema_of(more: &str, partitions: &str) -> Result<Schema, Error> {
    Schema::from_json(&format!(
        r#"{{"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
        {{"name":"tenant","data_type":"VarChar","max_length":20,"is_partition_key":true}},{more}
        {{"name":"v","data_type":"FloatVector","dim":2}}]{partitions}}}"#
    ))
}

fn tenant_of(id: i64) -> String {
    format!("tenant {}", id % TENANTS)
}

fn rows(ids: &[i64], tenant: impl Fn(i64) -> String) -> RecordBatch {
    let tenants: ArrayRef = Arc::new(StringArray::from_iter_values(ids.iter().map(|&id| tenant(id))));
    let points: Vec<Vec<f32>> = ids.iter().map(|&id| vec![id as f32, 0.0]).collect();
    RecordBatch::try_from_iter([("id", keys(ids)), ("tenant", tenants), ("v", vectors(&points))]).unwrap()
}

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn queried(collection: &Collection, filter: &str) -> Vec<i64> {
    ids_of(&collection.query(filter, &QueryOptions::default()).unwrap().ids)
}

#[test]
fn filters_that_pin_the_key_read_little() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let collection = database.create_collection("c", schema_of("", "").unwrap()).unwrap();
    let ids: Vec<i64> = (0..900).collect();
    for ids in ids.chunks(300) {
        let inserted = collection.insert(rows(ids, tenant_of)).unwrap();
        assert_eq!(ids_of(&inserted.ids), ids, "in the order that they came in");
    }
    let of = |tenant: i64| ids.iter().copied().filter(|id| id % TENANTS == tenant).collect::<Vec<i64>>();
    let look = |collection: &Collection| {
        assert_eq!(queried(collection, "tenant == 'tenant 7'"), of(7));
        assert_eq!(queried(collection, "tenant == 'nobody'"), [0i64; 0]);
        let both = queried(collection, "tenant in ['tenant 7', 'tenant 8'] and id < 300");
        assert_eq!(both.len(), 20);
        let options = SearchOptions { filter: "tenant == 'tenant 11'", ..search_options(1000) };
        let found = collection.search("v", Queries::Float(&[0.0; 2]), 1, &options).unwrap();
        assert_eq!(ids_of(&found.ids), of(11), "nearest first is smallest first");
    };
    look(&collection);
    assert_eq!(collection.partitions().unwrap().len(), 16);
    assert_eq!(collection.partitions().unwrap()[15], "_default_15");
    collection.flush().unwrap();
    look(&collection);
    assert_eq!(queried(&collection, "id >= 0"), ids);
    // Only one partition's file is opened.
    let statistics = collection.statistics().unwrap();
    assert!(statistics["sealed_segments"].as_u64().unwrap() > 8, "{statistics}");
    drop((database, collection));
    let database = open_on(&disk, options());
    let collection = database.collection("c").unwrap();
    assert_eq!(queried(&collection, "tenant == 'tenant 7' and id > 100"), of(7)[4..]);
    let progress = collection.load_state(&[]).unwrap();
    assert_eq!(progress.state, LoadState::Loaded);
    assert!(progress.loaded_bytes > 0 && progress.loaded_bytes * 3 < progress.total_bytes, "{progress:?}");
    assert_eq!(queried(&collection, "tenant != 'tenant 7' or id >= 0"), ids);
    let progress = collection.load_state(&[]).unwrap();
    assert_eq!(progress.loaded_bytes, progress.total_bytes);
    // An upsert finds a row wherever its old key has put it.
    collection.upsert(rows(&[5, 6], |_| "moved".to_owned())).unwrap();
    assert_eq!((collection.count().unwrap(), queried(&collection, "tenant == 'moved'")), (900, vec![5, 6]));
    assert_eq!(queried(&collection, "tenant == 'tenant 5'"), of(5)[1..]);
    assert_eq!(collection.delete_matching("tenant == 'moved'", "").unwrap(), 2);
    assert_eq!(collection.delete(&keys(&[7, 8, 5])).unwrap(), 2);
    // Also after every segment was merged with others of its partition.
    collection.insert(rows(&[7, 8], tenant_of)).unwrap();
    collection.compact(true, None).unwrap();
    assert!(collection.statistics().unwrap()["sealed_segments"].as_u64().unwrap() <= 16);
    look(&collection);
}

#[test]
fn partitions_cannot_be_named() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let schema = schema_of("", r#","num_partitions":3"#).unwrap();
    assert_eq!(Schema::from_json(&schema.to_json().to_string()).unwrap(), schema);
    let collection = database.create_collection("c", schema).unwrap();
    assert_eq!(collection.partitions().unwrap(), ["_default_0", "_default_1", "_default_2"]);
    let is = |outcome: Result<(), Error>, text: &str| {
        let error = outcome.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::InvalidParameter, text));
    };
    let named = "not support manually specifying the partition names if partition key mode is used";
    is(collection.insert_into("_default_0", rows(&[1], tenant_of)).map(drop), named);
    is(collection.upsert_into("_default_0", rows(&[1], tenant_of)).map(drop), named);
    is(collection.delete_from("_default_0", &keys(&[1])).map(drop), named);
    is(collection.count_matching_in(&["_default_0"], "", "").map(drop), named);
    let options = QueryOptions { partition_names: vec!["_default_0"], ..QueryOptions::default() };
    is(collection.query("id > 0", &options).map(drop), named);
    let options = SearchOptions { partition_names: vec!["_default_0"], ..search_options(1) };
    is(collection.search("v", Queries::Float(&[0.0; 2]), 1, &options).map(drop), named);
    is(collection.create_partition("p"), "disable create partition if partition key mode is used");
    is(collection.drop_partition("p"), "disable drop partition if partition key mode is used");
    is(collection.load_partitions(&["p"]), "disable load partitions if partition key mode is used");
    is(collection.release_partitions(&["p"]), "disable release partitions if partition key mode is used");
    collection.release().unwrap();
    assert_eq!(
        collection.query("id > 0", &QueryOptions::default()).err().unwrap().code(),
        Code::CollectionNotLoaded
    );
    collection.load().unwrap();
    assert_eq!(queried(&collection, "id > 0"), [0i64; 0]);
}

#[test]
fn bad_partition_keys() {
    let fails = |schema: Result<Schema, Error>, text: &str| {
        let error = schema.err().unwrap_or_else(|| panic!("should fail with {text}"));
        assert_eq!(error.code(), Code::InvalidParameter);
        assert!(error.message().contains(text), "{error}");
    };
    let second = r#"{"name":"n","data_type":"Int64","is_partition_key":true},"#;
    fails(schema_of(second, ""), "there are more than one partition key, field name = tenant, n");
    for (partitions, text) in [
        ("-1", "the specified partitions should be greater than 0 if partition key is used"),
        ("4097", "partition number (4097) exceeds max configuration (4096)"),
    ] {
        fails(schema_of("", &format!(r#","num_partitions":{partitions}"#)), text);
    }
    assert_eq!(schema_of("", r#","num_partitions":0"#).unwrap().num_partitions(), 16);
    let plain = |fields: &str, more: &str| {
        let vector = r#"{"name":"v","data_type":"FloatVector","dim":2}"#;
        Schema::from_json(&format!(r#"{{"fields":[{fields},{vector}]{more}}}"#))
    };
    let key = r#"{"name":"id","data_type":"Int64","is_primary":true}"#;
    let without = "num_partitions should only be specified with partition key field enabled";
    fails(plain(key, r#","num_partitions":4"#), without);
    let primary = r#"{"name":"id","data_type":"Int64","is_primary":true,"is_partition_key":true}"#;
    fails(plain(primary, ""), "the partition key field must not be primary field");
    let float = format!(r#"{key},{{"name":"x","data_type":"Float","is_partition_key":true}}"#);
    fails(plain(&float, ""), "the data type of partition key should be Int64 or VarChar, field x is Float");
}

#[test]
fn what_does_not_fit_is_not_loaded() {
    const DIM: usize = 32;
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    for part in 0..2 {
        insert_random(&collection, &mut Random(1), part * 2000..part * 2000 + 2000, DIM);
        collection.flush().unwrap();
    }
    let request = IndexRequest {
        field: "v",
        description: r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":8,"efConstruction":40}}"#,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    collection.create_index(&request, None).unwrap();
    let statistics = collection.statistics().unwrap();
    let needed = statistics["index_bytes"].as_u64().unwrap();
    assert!(statistics["sealed_segments"].as_u64().unwrap() == 2 && needed > 0, "{statistics}");
    collection.release().unwrap();
    drop((database, collection));
    let limited = Options { memory_limit: needed - 1, auto_compaction: false, ..options() };
    let database = open_on(&disk, limited);
    let collection = database.collection("c").unwrap();
    let error = collection.load().unwrap_err();
    assert_eq!(error.code(), Code::MemoryLimit);
    let says = |part: &str| assert!(error.message().contains(part), "{error}");
    says("cannot load collection c: ");
    says("needs ");
    says(&format!("exceeds memory_limit {}", needed - 1));
    assert_eq!(collection.statistics().unwrap()["index_bytes"], 0, "nothing of it stays");
    assert_eq!(collection.load_state(&[]).unwrap().state, LoadState::NotLoad);
    let outcome = collection.search("v", Queries::Float(&[0.0; DIM]), 1, &search_options(1));
    assert_eq!(outcome.err().unwrap().code(), Code::CollectionNotLoaded);
    drop((database, collection));
    let database = open_on(&disk, Options { memory_limit: needed, auto_compaction: false, ..options() });
    let collection = database.collection("c").unwrap();
    collection.load().unwrap();
    assert_eq!(collection.load_state(&[]).unwrap().state, LoadState::Loaded);
    assert_eq!(search(&collection, &[0.0; DIM], 5).ids.len(), 5);
    drop((database, collection));
    // So it is with the load that a search begins with.
    let limited = Options { memory_limit: needed - 1, auto_compaction: false, ..options() };
    let database = open_on(&disk, limited);
    let collection = database.collection("c").unwrap();
    for _ in 0..2 {
        let refused = collection.search("v", Queries::Float(&[0.0; DIM]), 1, &search_options(1));
        assert_eq!(refused.err().unwrap().code(), Code::MemoryLimit);
        assert_eq!(collection.statistics().unwrap()["index_bytes"], 0, "nothing of it stays");
    }
}
