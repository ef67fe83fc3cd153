//! Indexes of scalar fields through a collection: what filters find is what a plain model says, whatever happens to the
//! rows; and definitions, states, files and refusals as those of vector indexes.

use crate::support::*;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use elanus::Code;
use elanus::collection::{Collection, IndexRequest, IndexState, OnConflict, QueryOptions, SearchOptions};
use elanus::database::{Database, Options};
use elanus::schema::{Field, Schema};
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DIM: usize = 4;
const SORT: &str = r#"{"index_type":"STL_SORT"}"#;
const TRIE: &str = r#"{"index_type":"Trie"}"#;
const INVERTED: &str = r#"{"index_type":"INVERTED"}"#;

fn schema() -> Schema {
    Schema::from_json(&format!(
        r#"{{"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
        {{"name":"n","data_type":"Int64","nullable":true}},{{"name":"x","data_type":"Double","default_value":0.5}},
        {{"name":"t","data_type":"VarChar","max_length":20}},{{"name":"b","data_type":"Bool"}},
        {{"name":"j","data_type":"JSON"}},
        {{"name":"l","data_type":"Array","element_type":"Int64","max_capacity":4,"nullable":true}},
        {{"name":"v","data_type":"FloatVector","dim":{DIM}}}]}}"#
    ))
    .unwrap()
}

#[derive(Clone, Debug)]
struct Row {
    n: Option<i64>,
    x: f64,
    t: String,
}

type Model = BTreeMap<i64, Row>;

fn row(random: &mut Random) -> Row {
    Row {
        n: (random.below(9) > 0).then(|| random.below(500) as i64),
        x: random.below(40) as f64 / 8.0,
        t: format!("{}{}", ["a", "b", "c", "ab"][random.below(4) as usize], random.below(50)),
    }
}

fn batch(rows: &[(i64, Row)]) -> RecordBatch {
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let mut random = Random(ids[0] as u64);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|(_, row)| row.n)));
    // Where it is the default it is left out.
    let x = |row: &Row| (row.x != 0.5).then_some(row.x);
    let floats: ArrayRef = Arc::new(Float64Array::from_iter(rows.iter().map(|(_, row)| x(row))));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, row)| &row.t)));
    let bools: ArrayRef = Arc::new(BooleanArray::from_iter(ids.iter().map(|id| Some(id % 3 == 0))));
    let json: ArrayRef = Arc::new(StringArray::from_iter_values(ids.iter().map(|_| "{}")));
    let vectors = vectors(&ids.iter().map(|_| random.vector(DIM)).collect::<Vec<_>>());
    let columns = [
        ("id", keys(&ids), false),
        ("n", numbers, true),
        ("x", floats, true),
        ("t", texts, false),
        ("b", bools, false),
        ("j", json, false),
        ("v", vectors, false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Segments stay as they are until they are told to.
fn quiet() -> Options {
    Options { auto_compaction: false, ..options() }
}

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn create(collection: &Collection, field: &str, description: &str) -> elanus::error::Result<()> {
    let (name, on_conflict) = (None, OnConflict::Error);
    collection.create_index(&IndexRequest { field, description, name, on_conflict, wait: true }, None)
}

fn insert(collection: &Collection, model: &mut Model, random: &mut Random, ids: std::ops::Range<i64>) {
    let rows: Vec<(i64, Row)> = ids.map(|id| (id, row(random))).collect();
    collection.insert(batch(&rows)).unwrap();
    model.extend(rows);
}

/// Three sealed segments and some growing rows.
fn filled(disk: &FaultDisk) -> (Database, Collection, Model) {
    let database = open_on(disk, quiet());
    let collection = database.create_collection("c", schema()).unwrap();
    let (mut model, mut random) = (Model::new(), Random(77));
    for first in [0, 3000, 6000] {
        insert(&collection, &mut model, &mut random, first..first + 3000);
        collection.flush().unwrap();
    }
    insert(&collection, &mut model, &mut random, 9000..9100);
    (database, collection, model)
}

type Holds = fn(&Row) -> bool;

const FILTERS: [(&str, Holds); 14] = [
    ("n == 7", |row| row.n == Some(7)),
    ("n != 7", |row| row.n.is_some_and(|n| n != 7)),
    ("n < 20", |row| row.n.is_some_and(|n| n < 20)),
    ("not (n >= 5)", |row| row.n.is_some_and(|n| n < 5)),
    ("480 <= n and t like 'a%'", |row| row.n.is_some_and(|n| n >= 480) && row.t.starts_with('a')),
    ("n in [1, 2, 3, 400, 9999]", |row| row.n.is_some_and(|n| [1, 2, 3, 400].contains(&n))),
    ("n not in [1, 2]", |row| row.n.is_some_and(|n| n != 1 && n != 2)),
    ("n is null", |row| row.n.is_none()),
    ("t == 'b17'", |row| row.t == "b17"),
    ("t like 'ab1%'", |row| row.t.starts_with("ab1")),
    ("t in ['a1', 'zz'] or x == 0.5", |row| row.t == "a1" || row.x == 0.5),
    ("'c4' < t", |row| row.t.as_str() > "c4"),
    ("0.25 <= x < 0.5", |row| (0.25..0.5).contains(&row.x)),
    ("x > 4.5 and n < 100 and not (t like 'b%')", |row| {
        row.x > 4.5 && row.n.is_some_and(|n| n < 100) && !row.t.starts_with('b')
    }),
];

/// How many rows there are, which takes no memory for results.
fn check_counts(collection: &Collection, model: &Model, what: &str) {
    for (filter, holds) in FILTERS {
        let expected = model.values().filter(|row| holds(row)).count() as u64;
        assert_eq!(collection.count_matching(filter, "").unwrap(), expected, "{filter} {what}");
    }
}

fn check(collection: &Collection, model: &Model, what: &str) {
    check_counts(collection, model, what);
    for (filter, holds) in FILTERS {
        let expected: Vec<i64> = model.iter().filter(|(_, row)| holds(row)).map(|(id, _)| *id).collect();
        let found = collection.query(filter, &QueryOptions::default()).unwrap();
        assert_eq!(ids_of(&found.ids), expected, "{filter} {what}");
        let options = SearchOptions { filter, topk: 16384, ..SearchOptions::default() };
        let query = elanus::collection::Queries::Float(&[0.0; DIM]);
        let mut hits = ids_of(&collection.search("v", query, 1, &options).unwrap().ids);
        hits.sort_unstable();
        assert_eq!(hits, expected, "{filter} {what}");
    }
}

/// The names of the indexes that a filter uses in each sealed segment.
fn used(collection: &Collection, filter: &'static str) -> Vec<Vec<String>> {
    let told = collection.explain("v", &SearchOptions { filter, ..SearchOptions::default() }).unwrap();
    let names = |segment: &Value| {
        let used = segment["filter_indexes"].as_array().unwrap();
        used.iter().map(|used| used["index_name"].as_str().unwrap().to_owned()).collect()
    };
    let is_sealed = |segment: &&Value| !segment["segment"].is_null();
    told["segments"].as_array().unwrap().iter().filter(is_sealed).map(names).collect()
}

fn index_files(disk: &FaultDisk) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::from("/db/collections")];
    while let Some(dir) = dirs.pop() {
        for path in disk.list(&dir).into_iter().flatten().map(|name| dir.join(name)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("index-") && name.ends_with(".bin") {
                found.push(path)
            } else {
                dirs.push(path)
            }
        }
    }
    found
}

/// Files go with the last who uses them, which may be the worker.
fn wait_for_files(disk: &FaultDisk, count: usize) {
    wait_for(&format!("{count} files"), || index_files(disk).len() == count);
}

fn wait_until_finished(collection: &Collection, name: &str) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while collection.index_state(name).unwrap() != IndexState::Finished {
        assert!(Instant::now() < give_up, "{:?}", collection.index_state(name));
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn whatever_happens_to_the_rows() {
    let disk = FaultDisk::new();
    let (database, collection, mut model) = filled(&disk);
    check(&collection, &model, "without indexes");
    assert_eq!(used(&collection, "n == 7"), vec![Vec::<String>::new(); 3]);
    create(&collection, "n", SORT).unwrap();
    create(&collection, "t", TRIE).unwrap();
    create(&collection, "x", INVERTED).unwrap();
    create(&collection, "b", "").unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["n", "t", "x", "b"]);
    // What was growing is a segment of its own now, of four indexes like the others.
    wait_for_files(&disk, 16);
    check(&collection, &model, "with indexes");
    assert_eq!(used(&collection, "n == 7")[..3], vec![vec!["n"]; 3]);
    assert_eq!(used(&collection, "t < 'c' and n < 3")[0], ["n"], "the few rows' texts are compared");
    assert_eq!(used(&collection, "x == 0.5 or t == 'b17'")[0], ["t", "x"], "the fewest rows first");
    assert_eq!(used(&collection, "n % 2 == 0")[0], [] as [&str; 0]);

    // Deletes, of keys and by filters, upserts, and new rows.
    collection.delete(&keys(&(100..400).collect::<Vec<_>>())).unwrap();
    model.retain(|id, _| !(100..400).contains(id));
    let gone = collection.delete_matching("n < 15 and t like 'c%'", "").unwrap();
    let before = model.len();
    model.retain(|_, row| !(row.n.is_some_and(|n| n < 15) && row.t.starts_with('c')));
    assert_eq!(gone, (before - model.len()) as u64);
    let mut random = Random(5);
    let rows: Vec<(i64, Row)> = (2900..3100).chain(20_000..20_050).map(|id| (id, row(&mut random))).collect();
    collection.upsert(batch(&rows)).unwrap();
    model.extend(rows);
    check(&collection, &model, "after deletes and upserts");
    collection.flush().unwrap();
    check(&collection, &model, "after a flush");
    ["n", "t", "x", "b"].iter().for_each(|name| wait_until_finished(&collection, name));

    collection.compact(true, None).unwrap();
    check(&collection, &model, "after a compaction");
    // Those of the merged segment.
    wait_for_files(&disk, 4);
    assert_eq!(used(&collection, "n == 7"), [["n"]]);
    assert_eq!(collection.index_progress("n").unwrap().indexed_rows, model.len() as u64);

    // A reader beside the writer, and another writer.
    let reader = open_on(&disk, Options { read_only: true, ..quiet() });
    let read = reader.collection("c").unwrap();
    check(&read, &model, "in a reader");
    assert_eq!(used(&read, "n == 7"), [["n"]]);
    database.close().unwrap();
    let database = open_on(&disk, quiet());
    let collection = database.collection("c").unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["n", "t", "x", "b"]);
    check(&collection, &model, "after it was opened again");
    assert_eq!(used(&collection, "n == 7"), [["n"]]);
    collection.release().unwrap();
    collection.load().unwrap();
    check(&collection, &model, "after it was loaded again");

    // What is sealed later gets indexes in the background.
    insert(&collection, &mut model, &mut Random(6), 30_000..31_000);
    collection.flush().unwrap();
    ["n", "t", "x", "b"].iter().for_each(|name| wait_until_finished(&collection, name));
    assert_eq!(used(&collection, "n == 7"), [["n"], ["n"]]);
    check(&collection, &model, "after more rows");
    for (name, left) in [("n", 6), ("b", 4), ("other", 4), ("x", 2), ("t", 0)] {
        collection.drop_index(name).unwrap();
        wait_for_files(&disk, left);
    }
    assert_eq!(used(&collection, "n == 7"), vec![Vec::<String>::new(); 2]);
    check(&collection, &model, "without indexes again");
}

#[test]
fn definitions_and_what_is_refused() {
    let disk = FaultDisk::new();
    let (_database, collection, _) = filled(&disk);
    let refused = |field: &str, description: &str, code: Code, text: &str| {
        let error = create(&collection, field, description).expect_err(text);
        assert!(error.code() == code && error.message().contains(text), "{field} {description}: {error}");
    };
    use Code::{IndexDuplicate, IndexTypeNotSupported, InvalidParameter};
    refused("j", INVERTED, InvalidParameter, "create index on JSON field is not supported");
    refused("l", INVERTED, InvalidParameter, "create index on Array field is not supported");
    refused("t", SORT, InvalidParameter, "STL_SORT are only supported on numeric field");
    refused("b", SORT, InvalidParameter, "STL_SORT are only supported on numeric field");
    refused("v", SORT, InvalidParameter, "STL_SORT are only supported on numeric field");
    refused("n", TRIE, InvalidParameter, "TRIE are only supported on varchar field");
    refused("v", INVERTED, InvalidParameter, "INVERTED are not supported on vector field");
    let flat = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
    refused("n", flat, IndexTypeNotSupported, "invalid index type: FLAT");
    refused("n", r#"{"index_type":"BTREE"}"#, IndexTypeNotSupported, "[STL_SORT INVERTED]");
    refused("nowhere", SORT, Code::FieldNotFound, "cannot create index on non-exist field: nowhere");
    assert!(collection.list_indexes().unwrap().is_empty() && index_files(&disk).is_empty());

    create(&collection, "n", "").unwrap();
    create(&collection, "v", flat).unwrap();
    create(&collection, "n", SORT).unwrap();
    wait_for_files(&disk, 8);
    refused("n", INVERTED, IndexDuplicate, "at most one distinct index is allowed per field");
    let named = |field, description, name, on_conflict| {
        let request = IndexRequest { field, description, name: Some(name), on_conflict, wait: true };
        collection.create_index(&request, None)
    };
    let error = named("t", TRIE, "n", OnConflict::Replace).unwrap_err();
    assert_eq!(error.message(), "CreateIndex failed: at most one distinct index is allowed per field");
    let error = named("n", SORT, "m", OnConflict::Error).unwrap_err();
    assert_eq!(
        error.message(),
        "CreateIndex failed: creating multiple indexes on same field is not supported"
    );
    assert!(named("n", SORT, "1n", OnConflict::Replace).is_err());

    let told = collection.describe_index("n").unwrap();
    assert_eq!((&told["index_type"], &told["field_name"]), (&"STL_SORT".into(), &"n".into()));
    assert_eq!((&told["state"], &told["indexed_rows"]), (&"Finished".into(), &9100.into()));
    assert!(told["metric_type"].is_null());
    let told = collection.describe().unwrap();
    assert_eq!(told["indexes"].as_array().unwrap().len(), 2);
    let segment = &told["segments"][0];
    assert_eq!((&segment["index_name"], &segment["scalar_indexes"]), (&"v".into(), &vec!["n"].into()));

    // Another takes its place, with its files, and the vectors' is not concerned.
    named("n", INVERTED, "m", OnConflict::Replace).unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["v", "m"]);
    assert_eq!(collection.describe_index("m").unwrap()["index_type"], "INVERTED");
    wait_for_files(&disk, 8);
    collection.drop_index("v").unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["m"]);
    wait_for_files(&disk, 4);
    assert_eq!(collection.index_state("n").unwrap_err().code(), Code::IndexNotFound);
}

/// The build of one index fails for want of memory: those of the others go on, and what failed is tried again when it is
/// asked for.
#[test]
fn builds_in_the_background() {
    let disk = FaultDisk::new();
    let (database, collection, model) = filled(&disk);
    collection.flush().unwrap();
    database.close().unwrap();
    let start = |collection: &Collection, field, description| {
        let (name, on_conflict) = (None, OnConflict::Replace);
        let request = IndexRequest { field, description, name, on_conflict, wait: false };
        collection.create_index(&request, None).unwrap();
    };
    let hnsw = r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":8,"efConstruction":64}}"#;
    let database = open_on(&disk, Options { memory_limit: 250_000, ..quiet() });
    let collection = database.collection("c").unwrap();
    start(&collection, "v", hnsw);
    start(&collection, "n", SORT);
    start(&collection, "t", TRIE);
    for name in ["n", "t"] {
        wait_until_finished(&collection, name);
        assert_eq!(collection.index_progress(name).unwrap().indexed_rows, 9100);
    }
    assert!(matches!(collection.index_state("v").unwrap(), IndexState::Failed(_)));
    check_counts(&collection, &model, "with indexes of the background");
    database.close().unwrap();
    let database = open_on(&disk, quiet());
    let collection = database.collection("c").unwrap();
    wait_until_finished(&collection, "v");
    wait_for_files(&disk, 12);
    check(&collection, &model, "with all indexes");
}

/// A field that came later, which old files do not have.
#[test]
fn fields_that_came_later() {
    let disk = FaultDisk::new();
    let (database, collection, _) = filled(&disk);
    collection.flush().unwrap();
    let field = r#"{"name":"later","data_type":"Int32","nullable":true,"default_value":3}"#;
    collection.add_field(Field::from_json(field).unwrap()).unwrap();
    create(&collection, "later", "").unwrap();
    let counts = |collection: &Collection| {
        ["later == 3", "later != 3", "later > 3"].map(|f| collection.count_matching(f, "").unwrap())
    };
    assert_eq!(counts(&collection), [9100, 0, 0]);
    assert_eq!(used(&collection, "later > 3")[0], ["later"]);
    database.close().unwrap();
    let database = open_on(&disk, quiet());
    let collection = database.collection("c").unwrap();
    assert_eq!(counts(&collection), [9100, 0, 0]);
    assert_eq!(used(&collection, "later > 3")[0], ["later"]);
}

/// A filter does without an index that is too large for the limit of memory; a damaged one is an error.
#[test]
fn indexes_that_cannot_be_opened() {
    let disk = FaultDisk::new();
    let (database, collection, mut model) = filled(&disk);
    create(&collection, "n", SORT).unwrap();
    insert(&collection, &mut model, &mut Random(9), 50_000..50_100);
    database.close().unwrap();
    let small = Options { read_only: true, memory_limit: 30_000, ..quiet() };
    let reader = open_on(&disk, small);
    let collection = reader.collection("c").unwrap();
    check_counts(&collection, &model, "with little memory");
    assert!(used(&collection, "n == 7")[..3].iter().any(|used| used.is_empty()));
    reader.close().unwrap();

    for path in index_files(&disk) {
        let good = disk.read(&path).unwrap();
        for at in [0, 70, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 4;
            disk.tamper(&path, &bad);
            let reader = open_on(&disk, Options { read_only: true, ..quiet() });
            let error = reader.collection("c").unwrap().count_matching("n == 7", "").unwrap_err();
            assert_eq!(error.code(), Code::Corrupt, "{error}");
        }
        disk.tamper(&path, &good);
    }
    let reader = open_on(&disk, Options { read_only: true, ..quiet() });
    check(&reader.collection("c").unwrap(), &model, "after the damage was mended");
}
