//! Rows by their keys, deletes by a filter of what is not loaded, and what results take of `memory_limit`.

use crate::support::*;
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray};
use elanus::collection::{
    Collection, IteratorOptions, LoadState, Queries, QueryOptions, QueryResult, SearchOptions,
};
use elanus::database::{Database, Options};
use elanus::error::{Code, Result};
use elanus::schema::{Field, Schema};
use elanus::storage::fault::FaultDisk;
use std::path::Path;
use std::sync::Arc;

const DIM: usize = 8;
/// Rows of a segment.
const ROWS: i64 = 2000;

fn open_with(disk: &FaultDisk, memory_limit: u64) -> (Database, Collection) {
    let options =
        Options { memory_limit, auto_compaction: false, retention_duration: Some(100), ..options() };
    let database = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap();
    let collection = match database.collection("c") {
        Ok(collection) => collection,
        Err(_) => database.create_collection("c", schema(DIM, false)).unwrap(),
    };
    (database, collection)
}

/// A sealed segment of the default partition and one of partition `other`, and some growing rows.
fn filled(disk: &FaultDisk) -> (Database, Collection) {
    let (database, collection) = open_with(disk, 0);
    collection.create_partition("other").unwrap();
    let mut random = Random(1);
    let mut insert = |name: &str, ids: std::ops::Range<i64>| {
        let ids: Vec<i64> = ids.collect();
        let rows: Vec<Vec<f32>> = ids.iter().map(|_| random.vector(DIM)).collect();
        collection.insert_into(name, batch(&ids, &rows)).unwrap();
    };
    insert("_default", 0..ROWS);
    insert("other", ROWS..2 * ROWS);
    collection.flush().unwrap();
    insert("_default", 2 * ROWS..2 * ROWS + 10);
    (database, collection)
}

fn opened(collection: &Collection) -> u64 {
    collection.load_state(&[]).unwrap().loaded_bytes
}

fn state(collection: &Collection) -> LoadState {
    collection.load_state(&[]).unwrap().state
}

fn output(fields: &[&'static str]) -> QueryOptions<'static> {
    QueryOptions { output_fields: fields.to_vec(), ..QueryOptions::default() }
}

fn got(collection: &Collection, ids: &[i64], options: &QueryOptions) -> Vec<i64> {
    ids_of(&collection.get(&keys(ids), options).unwrap().ids)
}

/// The message of what `memory_limit` has no room for.
fn refused<T>(outcome: Result<T>) -> String {
    let error = outcome.err().expect("there should be no room");
    assert_eq!(error.code(), Code::MemoryLimit, "{error}");
    error.message().to_owned()
}

#[test]
fn get_is_a_query_for_keys() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    // A newer row of a key, and one that is gone.
    collection.insert(batch(&[7], &[vec![5.0; DIM]])).unwrap();
    collection.delete(&keys(&[8])).unwrap();
    let before = collection.timestamp().unwrap();
    collection.delete(&keys(&[2005])).unwrap();
    let all = output(&["*"]);
    let found = collection.get(&keys(&[4003, 7, 2005, 7, 8, 99_999, -1, 3]), &all).unwrap();
    let queried = collection.query("id in [7, 8, 2005, 4003, 99999, -1, 3]", &all).unwrap();
    assert_eq!(ids_of(&found.ids), [3, 7, 4003]);
    assert_eq!((&found.columns, &found.ids), (&queried.columns, &queried.ids));
    assert_eq!(texts(found.columns.column(1)), ["row 3", "row 7", "row 4003"]);

    let then = QueryOptions { travel_timestamp: before, ..output(&["text"]) };
    assert_eq!(got(&collection, &[2005, 7], &then), [7, 2005]);
    let pages = QueryOptions { limit: Some(2), offset: 1, ..output(&[]) };
    assert_eq!(got(&collection, &[9, 1, 2, 3], &pages), [2, 3]);
    let count = collection.get(&keys(&[1, 1, 2, 8]), &output(&["Count(*)"])).unwrap();
    assert_eq!((count.ids.len(), ids_of(count.columns.column(0))), (0, vec![2]));
    assert!(got(&collection, &[], &all).is_empty());

    // A released partition is not looked into.
    collection.release_partitions(&["other"]).unwrap();
    assert_eq!(got(&collection, &[2001, 1], &all), [1]);
    let named = |name| QueryOptions { partition_names: vec![name], ..output(&[]) };
    assert_eq!(got(&collection, &[2001, 1], &named("_default")), [1]);
    let code = |options: &QueryOptions| collection.get(&keys(&[1]), options).err().unwrap().code();
    assert_eq!(code(&named("other")), Code::PartitionNotLoaded);
    assert_eq!(code(&named("nope")), Code::PartitionNotFound);
    assert_eq!(code(&output(&["nope"])), Code::FieldNotFound);
    assert_eq!(code(&QueryOptions { limit: Some(0), ..output(&[]) }), Code::InvalidParameter);
    assert_eq!(code(&QueryOptions { limit: Some(1), ..output(&["count(*)"]) }), Code::InvalidParameter);
    let wrong: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    assert_eq!(collection.get(&wrong, &all).err().unwrap().code(), Code::InvalidParameter);
    collection.release().unwrap();
    assert_eq!(code(&all), Code::CollectionNotLoaded);
}

#[test]
fn get_by_texts() {
    let text = r#"{"fields":[{"name":"k","data_type":"VarChar","max_length":9,"is_primary":true},
        {"name":"v","data_type":"BinaryVector","dim":8}]}"#;
    let (database, _) = open_with(&FaultDisk::new(), 0);
    let collection = database.create_collection("texts", Schema::from_json(text).unwrap()).unwrap();
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "", "é"]));
    let bits: ArrayRef = Arc::new(FixedSizeBinaryArray::new(1, vec![1u8, 2, 3, 4].into(), None));
    collection.insert(RecordBatch::try_from_iter([("k", ids), ("v", bits)]).unwrap()).unwrap();
    let asked: ArrayRef = Arc::new(StringArray::from(vec!["é", "c", "", "b"]));
    let found = collection.get(&asked, &output(&["v"])).unwrap();
    assert_eq!(texts(&found.ids), ["", "b", "é"]);
    assert_eq!(collection.get(&keys(&[1]), &output(&[])).err().unwrap().code(), Code::InvalidParameter);
}

/// Keys are found in mapped files, whatever would be in memory of what a search opens.
#[test]
fn looking_up_loads_nothing() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    collection.alter_field("v", r#"{"mmap.enabled":false}"#).unwrap();
    collection.flush().unwrap();
    drop((collection, database));
    let (_database, collection) = open_with(&disk, 10_000);
    let found = collection.get(&keys(&[1, 2001]), &output(&["*"])).unwrap();
    assert_eq!((ids_of(&found.ids), opened(&collection)), (vec![1, 2001], 0));
    // A search has no room for the vectors; and neither has its explanation.
    let search = search_options(3);
    assert!(refused(collection.search_by_keys("v", &keys(&[1]), &search)).contains("needs 64000 bytes"));
    assert_eq!(opened(&collection), 0, "nothing stays open");
    assert!(refused(collection.explain("v", &search)).contains("needs 64000 bytes"));
    assert_eq!(opened(&collection), 0, "nothing stays open");
    // Nor does it open a partition that is released.
    collection.release_partitions(&["other"]).unwrap();
    let growing = SearchOptions { filter: "id < 0", ..search.clone() };
    assert!(refused(collection.search_by_keys("v", &keys(&[2001]), &growing)).contains("needs 64000 bytes"));
    let error = collection.search_by_keys("v", &keys(&[2001, -5]), &search).err().unwrap();
    assert!(error.message().contains("missing IDs = [-5]"), "{error}");
    assert_eq!(opened(&collection), 0);
    // A field that came later is not in the files: rows that are taken from them are opened.
    let field = r#"{"name":"n","data_type":"Int64","default_value":5}"#;
    collection.add_field(Field::from_json(field).unwrap()).unwrap();
    assert!(refused(collection.get(&keys(&[1]), &output(&["n"]))).contains("opening segment"));
    assert_eq!(opened(&collection), 0, "nothing stays open");
    let found = collection.get(&keys(&[4001]), &output(&["n"])).unwrap();
    assert_eq!(ids_of(found.columns.column(0)), [5]);
}

#[test]
fn deletes_by_a_filter_load_nothing() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    collection.alter_field("v", r#"{"mmap.enabled":false}"#).unwrap();
    let field = r#"{"name":"n","data_type":"Int64","default_value":5}"#;
    collection.add_field(Field::from_json(field).unwrap()).unwrap();
    let untouched = |collection: &Collection, expected: LoadState| {
        assert_eq!((state(collection), opened(collection)), (expected, 0));
    };
    collection.release().unwrap();
    assert_eq!(collection.delete_matching("n == 5 and id % 1000 == 1", "").unwrap(), 5);
    assert_eq!(collection.delete_matching("n == 6 or text == 'row 2'", "").unwrap(), 1);
    untouched(&collection, LoadState::NotLoad);
    drop((collection, database));
    // Not loaded yet, and without room to be.
    let (database, collection) = open_with(&disk, 10_000);
    assert_eq!(
        collection.delete_matching_from("other", "id < 2100 and text like 'row 20%'", "").unwrap(),
        99
    );
    untouched(&collection, LoadState::NotLoad);
    assert_eq!(collection.count().unwrap(), 2 * ROWS as u64 + 10 - 6 - 99);
    drop((collection, database));
    let (_database, collection) = open_with(&disk, 0);
    // What is loaded is asked like that, and stays as it is.
    collection.load().unwrap();
    let all = opened(&collection);
    assert!(all > 0);
    assert_eq!(collection.delete_matching("id in [0, 1, 3000, 4000]", "").unwrap(), 3);
    assert_eq!((state(&collection), opened(&collection)), (LoadState::Loaded, all));
    assert_eq!(collection.count_matching("id in [0, 1, 2, 3000, 4000]", "").unwrap(), 0);
}

/// A result counts while it lives, and is refused before it is made.
#[test]
fn results_count_as_memory() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    collection.flush().unwrap();
    drop((collection, database));
    const LIMIT: u64 = 500_000;
    let (_database, collection) = open_with(&disk, LIMIT);
    let query = |fields: &[&'static str]| -> Result<QueryResult> {
        collection.query("id >= 0 and id < 3000", &output(fields))
    };
    let says = |message: &str, what: &str| {
        assert!(message.starts_with(what), "{message}");
        assert!(message.ends_with(&format!("in use it exceeds memory_limit {LIMIT}")), "{message}");
    };
    // A row takes 52 bytes of values or one less, 32 beside them, and 24 while it is copied.
    let first = query(&["*"]).unwrap();
    let refusal = refused(query(&["*"]));
    says(&refusal, "the result of a query with 3000 rows needs 3");
    drop(first);
    let again = query(&["*"]).unwrap();
    assert_eq!(again.columns.num_rows(), 3000);
    drop(again);
    // Small ones are not counted, and pages keep few rows.
    let held: Vec<QueryResult> = (0..1000)
        .map(|offset| {
            let page = QueryOptions { limit: Some(20), offset, ..output(&["v"]) };
            collection.query("id >= 0", &page).unwrap()
        })
        .collect();
    assert_eq!(ids_of(&held[999].ids), (999..1019).collect::<Vec<_>>());
    // Neither the hits of a search nor their columns.
    let points: Vec<f32> = Random(3).vector(2000 * DIM);
    let search = |nq: usize, topk: usize, fields: &[&'static str]| {
        let options = SearchOptions { output_fields: fields.to_vec(), ..search_options(topk) };
        collection.search("v", Queries::Float(&points[..nq * DIM]), nq, &options)
    };
    says(&refused(search(2000, 100, &[])), "a search for the 100 best rows of 2000 queries needs ");
    says(
        &refused(search(1, 4000, &["*"]).and_then(|_first| search(1, 4000, &["*"]))),
        "the result of a search with ",
    );
    let first = search(1, 4000, &[]).unwrap();
    assert_eq!(first.scores.len(), 4000);
    let by_keys = SearchOptions { topk: 1, ..SearchOptions::default() };
    let many: Vec<i64> = (0..20_000).map(|i| i % ROWS).collect();
    says(
        &refused(collection.search_by_keys("v", &keys(&many), &by_keys)),
        "the vectors of 20000 keys needs 640000 bytes",
    );
    says(&refused(collection.get(&keys(&many), &output(&[]))), "looking up 20000 keys needs ");
}

#[test]
fn iterators_count_as_memory() {
    let text = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"v","data_type":"BinaryVector","dim":8}]}"#;
    const MANY: i64 = 40_000;
    let disk = FaultDisk::new();
    {
        let (database, _) = open_with(&disk, 0);
        let collection = database.create_collection("bits", Schema::from_json(text).unwrap()).unwrap();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..MANY));
        let bits: Vec<u8> = (0..MANY).map(|id| id as u8).collect();
        let bits: ArrayRef = Arc::new(FixedSizeBinaryArray::new(1, bits.into(), None));
        collection.insert(RecordBatch::try_from_iter([("id", ids), ("v", bits)]).unwrap()).unwrap();
        collection.flush().unwrap();
    }
    // Putting the rows in order takes 24 bytes each, the list 8.
    let (database, _) = open_with(&disk, 41 * MANY as u64);
    let collection = database.collection("bits").unwrap();
    let iterate = || {
        let batches = IteratorOptions { batch_size: 100, limit: None };
        collection.query_iterator("", &QueryOptions::default(), batches)
    };
    let (first, second) = (iterate().unwrap(), iterate().unwrap());
    let third = iterate().unwrap();
    let refusal = refused(iterate());
    let needs = format!("putting {MANY} rows in the order of their keys needs {} bytes", 24 * MANY);
    assert!(refusal.starts_with(&needs), "{refusal}");
    drop((first, second));
    assert!(iterate().is_ok());
    assert_eq!(ids_of(&third.next().unwrap().ids), (0..100).collect::<Vec<_>>());
}

/// The knobs of an index limit a batch, not what is passed over before the first.
#[test]
fn iterators_pass_over_more_than_a_knob() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    let text = r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":8,"efConstruction":40}}"#;
    let (name, on_conflict) = (None, elanus::collection::OnConflict::Error);
    let request =
        elanus::collection::IndexRequest { field: "v", description: text, name, on_conflict, wait: true };
    collection.create_index(&request, None).unwrap();
    let iterate = |offset: usize| {
        let options = SearchOptions { offset, params: r#"{"ef":10}"#, ..search_options(10) };
        let batches = IteratorOptions { batch_size: 50, limit: Some(75) };
        collection.search_iterator("v", Queries::Float(&[0.0; DIM]), &options, batches)
    };
    let behind = iterate(30).unwrap();
    assert_eq!((behind.next().unwrap().ids.len(), behind.next().unwrap().ids.len()), (50, 25));
    assert_eq!(behind.next().unwrap().ids.len(), 0);
    assert!(iterate(16_383).unwrap().next().unwrap().ids.is_empty());
    let error = iterate(16_384).err().unwrap();
    assert_eq!(error.message(), "offset [16384] is invalid, should be in range [0, 16383]");
}
