//! `mmap.enabled` of fields and indexes: it changes no answer, only what is in memory and counts for `memory_limit`.

use crate::support::*;
use arrow_array::{ArrayRef, BooleanArray, FixedSizeBinaryArray, Int64Array, RecordBatch};
use elanus::collection::{
    Collection, IndexRequest, LoadState, OnConflict, Queries, QueryOptions, SearchOptions, SearchResult,
};
use elanus::database::{Database, Options};
use elanus::error::{Code, Result};
use elanus::schema::{Field, Schema};
use elanus::storage::fault::{Cut, Fault, FaultDisk};
use elanus::storage::vfs::Vfs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const DIM: usize = 8;
/// Rows of a segment.
const ROWS: i64 = 300;
const HELD: &str = r#"{"mmap.enabled":false}"#;
const MAPPED: &str = r#"{"mmap.enabled":"true"}"#;
const UNSAID: &str = r#"{"mmap.enabled":null}"#;

const FLOAT: [&str; 9] = [
    r#"{"index_type":"FLAT","metric_type":"IP"}"#,
    r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":8}}"#,
    r#"{"index_type":"IVF_SQ8","metric_type":"COSINE","params":{"nlist":8}}"#,
    r#"{"index_type":"IVF_SQ8H","metric_type":"L2","params":{"nlist":8}}"#,
    r#"{"index_type":"IVF_PQ","metric_type":"L2","params":{"nlist":4,"m":4,"nbits":8}}"#,
    r#"{"index_type":"RNSG","metric_type":"L2","params":{"out_degree":10,"candidate_pool_size":50,"search_length":40,"knng":20}}"#,
    r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":8,"efConstruction":40}}"#,
    r#"{"index_type":"ANNOY","metric_type":"L2","params":{"n_trees":4}}"#,
    r#"{"index_type":"DISKANN","metric_type":"L2"}"#,
];
const BINARY: [&str; 3] = [
    r#"{"index_type":"BIN_FLAT","metric_type":"JACCARD"}"#,
    r#"{"index_type":"BIN_IVF_FLAT","metric_type":"HAMMING","params":{"nlist":8}}"#,
    r#"{"index_type":"HNSW","metric_type":"HAMMING","params":{"M":8,"efConstruction":40}}"#,
];

fn quiet() -> Options {
    Options { auto_compaction: false, ..options() }
}

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn limited(disk: &FaultDisk, memory_limit: u64) -> (Database, Collection) {
    let database = open_on(disk, Options { memory_limit, ..quiet() });
    let collection = database.collection("c").unwrap();
    (database, collection)
}

fn create(collection: &Collection, field: &str, description: &str) -> Result<()> {
    let (name, on_conflict) = (None, OnConflict::Error);
    collection.create_index(&IndexRequest { field, description, name, on_conflict, wait: true }, None)
}

/// Two sealed segments of rows of [`schema`].
fn filled(disk: &FaultDisk) -> (Database, Collection) {
    let database = open_on(disk, quiet());
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    for first in [0, ROWS] {
        insert_random(&collection, &mut Random(first as u64), first..first + ROWS, DIM);
        collection.flush().unwrap();
    }
    (database, collection)
}

/// What a number of the statistics says.
fn says(collection: &Collection, what: &str) -> u64 {
    collection.statistics().unwrap()[what].as_u64().unwrap()
}

/// (mapped rows, rows in memory, indexes, of them in memory): bytes that are open.
fn open_bytes(collection: &Collection) -> [u64; 4] {
    ["mapped_bytes", "held_bytes", "index_bytes", "held_index_bytes"].map(|what| says(collection, what))
}

type Answer = (Vec<i64>, Vec<f32>, Vec<i64>, Vec<String>);

/// Hits of several queries, behind a filter too, and rows by a filter.
fn answer(collection: &Collection, queries: Queries, nq: usize) -> Answer {
    let search = |filter: &str| -> SearchResult {
        let options = SearchOptions { topk: 20, filter, ..SearchOptions::default() };
        collection.search("v", queries, nq, &options).unwrap()
    };
    let (plain, filtered) = (search(""), search("id % 3 == 1"));
    let ids = [ids_of(&plain.ids), ids_of(&filtered.ids)].concat();
    let scores = [plain.scores, filtered.scores].concat();
    let options = QueryOptions { output_fields: vec!["text"], ..QueryOptions::default() };
    let found = collection.query("text like 'row 1%' and id < 400", &options).unwrap();
    (ids, scores, ids_of(&found.ids), texts(found.columns.column(0)))
}

fn float_answer(collection: &Collection) -> Answer {
    let mut random = Random(5);
    let queries = random.vector(4 * DIM);
    answer(collection, Queries::Float(&queries), 4)
}

fn files(disk: &FaultDisk, dir: &Path) -> Vec<PathBuf> {
    let names = disk.list(dir).unwrap_or_default();
    let paths = names.iter().map(|name| dir.join(name));
    paths.flat_map(|path| if disk.list(&path).is_ok() { files(disk, &path) } else { vec![path] }).collect()
}

/// The index files and how long they are.
fn index_files(disk: &FaultDisk) -> Vec<(PathBuf, u64)> {
    let all = files(disk, Path::new("/db")).into_iter();
    let is_index = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("index-") && name.ends_with(".bin")
    };
    all.filter(is_index).map(|path| (path.clone(), disk.len(&path).unwrap())).collect()
}

#[test]
fn every_index_type_answers_the_same() {
    let disk = FaultDisk::new();
    let (mut database, mut collection) = filled(&disk);
    for description in FLOAT {
        create(&collection, "v", description).unwrap();
        collection.load().unwrap();
        let expected = float_answer(&collection);
        let [mapped, held, index, held_index] = open_bytes(&collection);
        assert!(mapped > 0 && held == 0 && index > 0 && held_index == 0, "{description}");

        collection.alter_index("v", HELD).unwrap();
        assert_eq!(says(&collection, "index_bytes"), 0, "given back: {description}");
        assert_eq!(float_answer(&collection), expected, "{description}");
        let bytes = open_bytes(&collection);
        assert!(bytes[0] == mapped && bytes[2] >= index && bytes[3] == bytes[2], "{description}: {bytes:?}");
        assert!(bytes[3] >= index_files(&disk).iter().map(|(_, len)| len).sum(), "{description}");
        collection.alter_field("v", HELD).unwrap();
        assert_eq!(float_answer(&collection), expected, "{description}");
        let vectors = (2 * ROWS) as u64 * 4 * DIM as u64;
        assert_eq!(open_bytes(&collection)[..2], [mapped - vectors, vectors], "{description}");

        database.close().unwrap();
        (database, collection) = limited(&disk, 0);
        assert_eq!(collection.describe_index("v").unwrap()["mmap.enabled"], false);
        assert_eq!(float_answer(&collection), expected, "opened again: {description}");
        assert_eq!(open_bytes(&collection)[1..], [vectors, bytes[2], bytes[2]], "{description}");

        collection.alter_index("v", MAPPED).unwrap();
        collection.alter_field("v", UNSAID).unwrap();
        assert_eq!(float_answer(&collection), expected, "{description}");
        assert_eq!(open_bytes(&collection), [mapped, 0, index, 0], "{description}");
        collection.drop_index("v").unwrap();
    }
}

#[test]
fn indexes_of_bits_and_of_scalar_fields() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, quiet());
    let text = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"n","data_type":"Int64"},{"name":"b","data_type":"Bool"},
        {"name":"text","data_type":"VarChar","max_length":20},{"name":"v","data_type":"BinaryVector","dim":64}]}"#;
    let collection = database.create_collection("c", Schema::from_json(text).unwrap()).unwrap();
    let mut random = Random(8);
    let ids: Vec<i64> = (0..ROWS).collect();
    let bits: Vec<u8> = (0..ROWS * 8).map(|_| random.next() as u8).collect();
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| id % 50)));
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter(ids.iter().map(|id| Some(id % 7 == 0))));
    let texts = batch(&ids, &vec![vec![0.0]; ids.len()]).column(1).clone();
    let vectors: ArrayRef = Arc::new(FixedSizeBinaryArray::new(8, bits.clone().into(), None));
    let columns = [("id", keys(&ids)), ("n", numbers), ("b", flags), ("text", texts), ("v", vectors)];
    collection.insert(RecordBatch::try_from_iter(columns).unwrap()).unwrap();
    collection.flush().unwrap();

    for description in BINARY {
        create(&collection, "v", description).unwrap();
        let ask = || answer(&collection, Queries::Binary(&bits[..32]), 4);
        let expected = ask();
        collection.alter_index("v", HELD).unwrap();
        collection.alter_field("v", HELD).unwrap();
        assert_eq!(ask(), expected, "{description}");
        let [_, held, index, held_index] = open_bytes(&collection);
        assert!(held == 8 * ROWS as u64 && index == held_index && index > 0, "{description}");
        collection.alter_field("v", MAPPED).unwrap();
        collection.drop_index("v").unwrap();
    }

    let filters = ["n == 7", "n < 3", "b == true", "text == 'row 9'", "text like 'row 2%'"];
    let counts = || filters.map(|filter| collection.count_matching(filter, "").unwrap());
    let expected = counts();
    for (field, kind) in [("n", "STL_SORT"), ("b", "INVERTED"), ("text", "Trie")] {
        let description = json!({"index_type": kind, "params": {"mmap.enabled": "false"}}).to_string();
        create(&collection, field, &description).unwrap();
        collection.alter_field(field, HELD).unwrap();
    }
    assert_eq!(counts(), expected);
    let [_, held, index, held_index] = open_bytes(&collection);
    let texts: usize = ids.iter().map(|id| text_of(*id).len()).sum();
    assert_eq!(held, ROWS as u64 * (8 + 1 + 4) + texts as u64);
    assert_eq!((index, held_index), (index_files(&disk).iter().map(|(_, len)| len).sum(), index));
    ["n", "b", "text"].iter().for_each(|name| collection.alter_index(name, UNSAID).unwrap());
    assert_eq!(counts(), expected);
    assert_eq!(says(&collection, "held_index_bytes"), 0);
}

/// As `alter_index`: the index is not built again.
#[test]
fn an_index_that_differs_in_nothing_else_is_the_same() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    let hnsw =
        |params: &str| format!(r#"{{"index_type":"HNSW","metric_type":"L2","params":{{"M":8{params}}}}}"#);
    create(&collection, "v", &hnsw("")).unwrap();
    let files = index_files(&disk);
    let described = || collection.describe_index("v").unwrap()["mmap.enabled"].clone();
    assert_eq!(described(), Value::Null);
    create(&collection, "v", &hnsw(r#","mmap.enabled":false"#)).unwrap();
    assert_eq!(described(), false);
    create(&collection, "v", &hnsw("")).unwrap();
    assert_eq!(described(), false, "what is not said stays");
    assert_eq!(index_files(&disk), files);
    // Of a new one it is said from the start.
    let other = hnsw(r#","efConstruction":40,"mmap.enabled":"true""#);
    let replace = OnConflict::Replace;
    let request =
        IndexRequest { field: "v", description: &other, name: None, on_conflict: replace, wait: true };
    collection.create_index(&request, None).unwrap();
    assert!(described() == true && index_files(&disk) != files);
    collection.drop_index("v").unwrap();
    create(&collection, "v", r#"{"metric_type":"L2","params":{"mmap.enabled":false}}"#).unwrap();
    assert!(described() == false && collection.describe_index("v").unwrap()["index_type"] == "HNSW");
    // Nothing of it is a parameter of the build.
    assert!(collection.describe_index("v").unwrap()["params"].get("mmap.enabled").is_none());
    collection.drop_index("v").unwrap();
    database.close().unwrap();

    // The collection's word holds for what says nothing.
    let database = open_on(&disk, quiet());
    let text = r#"{"mmap.enabled":false,"fields":[{"name":"id","data_type":"Int64","is_primary":true,"mmap.enabled":true},
        {"name":"text","data_type":"VarChar","max_length":100},{"name":"v","data_type":"FloatVector","dim":8}]}"#;
    let held = database.create_collection("held", Schema::from_json(text).unwrap()).unwrap();
    insert_random(&held, &mut Random(1), 0..100, DIM);
    create(&held, "v", &hnsw("")).unwrap();
    held.load().unwrap();
    let [mapped, _, index, held_index] = open_bytes(&held);
    assert!(mapped == 8 * 100 && index == held_index && index > 0);
    held.alter_index("v", MAPPED).unwrap();
    held.load().unwrap();
    assert_eq!(says(&held, "held_index_bytes"), 0);
    held.alter_field("id", HELD).unwrap();
    // Created again, it is the same collection.
    let again = database.create_collection("held", Schema::from_json(text).unwrap()).unwrap();
    assert_eq!(again.describe().unwrap()["schema"]["fields"][0]["mmap.enabled"], false);
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    collection.alter_field("v", HELD).unwrap();
    database.close().unwrap();

    let of_segment = (ROWS as usize * 4 * DIM) as u64;
    let needed = 2 * of_segment;
    let (database, collection) = limited(&disk, needed - 1);
    let refused = |outcome: Result<()>| {
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), Code::MemoryLimit, "{error}");
        let says = format!(
            "of {ROWS} rows needs {of_segment} bytes; with the {of_segment} in use it exceeds memory_limit {}",
            needed - 1
        );
        assert!(error.message().contains(&says), "{error}");
        assert_eq!(open_bytes(&collection), [0; 4], "nothing half loaded");
        assert_eq!(collection.load_state(&[]).unwrap().loaded_bytes, 0);
    };
    for _ in 0..2 {
        refused(collection.load());
        assert_eq!(collection.load_state(&[]).unwrap().state, LoadState::NotLoad);
    }
    refused(collection.search("v", Queries::Float(&[0.0; DIM]), 1, &search_options(3)).map(drop));
    refused(collection.query("id >= 0", &QueryOptions::default()).map(drop));
    // Rows come and go by their keys all the same.
    assert_eq!(collection.delete(&keys(&[7, 8, 2 * ROWS])).unwrap(), 2);
    assert_eq!(collection.count().unwrap(), 2 * ROWS as u64 - 2);
    collection.alter_field("v", MAPPED).unwrap();
    collection.load().unwrap();
    assert_eq!(open_bytes(&collection)[1], 0);
    collection.alter_field("v", HELD).unwrap();
    refused(collection.load());
    drop((collection, database));

    // What is exactly as large as the limit fits, again and again, and a delete of the log is replayed before that.
    let (database, collection) = limited(&disk, needed);
    for _ in 0..3 {
        collection.load().unwrap();
        assert_eq!(open_bytes(&collection)[1], needed);
        let state = collection.load_state(&[]).unwrap();
        assert!(state.state == LoadState::Loaded && state.loaded_bytes == state.total_bytes);
        collection.release().unwrap();
        assert_eq!(open_bytes(&collection), [0; 4]);
    }
    collection.load().unwrap();
    assert_eq!(all_ids(&collection, DIM).len(), 2 * ROWS as usize - 2);
    drop(database);
}

/// A log with deletes is replayed, rows are sealed, merged and indexed, whatever is in memory has room or not.
#[test]
fn maintenance_does_not_need_the_memory() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    ["id", "text", "v"].iter().for_each(|name| collection.alter_field(name, HELD).unwrap());
    collection.delete(&keys(&[1])).unwrap();
    collection.release().unwrap();
    drop((collection, database));
    // A fifth of what is held where it is open.
    let (database, collection) = limited(&disk, 6_000);
    assert_eq!(collection.delete(&keys(&[2, 1])).unwrap(), 1);
    insert_random(&collection, &mut Random(3), 1000..1010, DIM);
    collection.flush().unwrap();
    assert_eq!(open_bytes(&collection), [0; 4], "released");
    drop((collection, database));
    let (_database, collection) = limited(&disk, 0);
    create(&collection, "v", r#"{"index_type":"FLAT","metric_type":"L2"}"#).unwrap();
    assert_eq!(open_bytes(&collection)[..2], [0; 2], "a build makes no copies");
    collection.compact(true, None).unwrap();
    collection.load().unwrap();
    assert_eq!(all_ids(&collection, DIM).len(), 2 * ROWS as usize + 8);
    let [mapped, held, ..] = open_bytes(&collection);
    assert!(mapped == 0 && held > 8 * 2 * ROWS as u64);
}

#[test]
fn an_index_that_does_not_fit_is_refused_before_it_is_read() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    create(&collection, "v", r#"{"index_type":"FLAT","metric_type":"L2","params":{"mmap.enabled":false}}"#)
        .unwrap();
    collection.load().unwrap();
    let files = index_files(&disk);
    let needed: u64 = files.iter().map(|(_, len)| len).sum();
    assert_eq!(open_bytes(&collection)[2..], [needed, needed]);
    database.close().unwrap();
    let (database, collection) = limited(&disk, needed - 1);
    let error = collection.load().unwrap_err();
    let (_, last) = files[1];
    let says = format!("loading the index needs {last} bytes; with the {} in use", needed - last);
    assert!(error.code() == Code::MemoryLimit && error.message().contains(&says), "{error}");
    assert_eq!(open_bytes(&collection), [0; 4]);
    // Damage is found in what is in memory, too.
    for (path, len) in &files {
        let good = disk.read(path).unwrap();
        for at in [0, 70, *len as usize / 2, *len as usize - 1] {
            let mut bad = good.clone();
            bad[at] ^= 4;
            disk.tamper(path, &bad);
            let reader = open_on(&disk, Options { read_only: true, ..quiet() });
            let error = reader.collection("c").unwrap().load().unwrap_err();
            assert_eq!(error.code(), Code::Corrupt, "{path:?} {at}: {error}");
        }
        disk.tamper(path, &good);
    }
    database.close().unwrap();
    let (_database, collection) = limited(&disk, needed);
    collection.load().unwrap();
    assert_eq!(open_bytes(&collection)[2..], [needed, needed]);
}

/// Columns of fields that came after their rows are made in memory, and count.
#[test]
fn added_fields_count() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    let add = |text: &str| collection.add_field(Field::from_json(text).unwrap()).unwrap();
    add(r#"{"name":"n","data_type":"Int64","nullable":true}"#);
    add(r#"{"name":"t","data_type":"VarChar","max_length":9,"default_value":"abc","mmap.enabled":true}"#);
    database.close().unwrap();
    let of_segment = ROWS as u64 * (8 + 4 + 3);
    let (database, collection) = limited(&disk, 2 * of_segment - 1);
    let error = collection.load().unwrap_err();
    assert!(
        error.code() == Code::MemoryLimit && error.message().contains(&format!("needs {of_segment} bytes"))
    );
    assert_eq!(open_bytes(&collection), [0; 4]);
    drop((collection, database));
    let (database, collection) = limited(&disk, 2 * of_segment);
    assert_eq!(collection.count_matching("n is null and t == 'abc'", "").unwrap(), 2 * ROWS as u64);
    assert_eq!(open_bytes(&collection)[1], 2 * of_segment);
    collection.release().unwrap();
    assert_eq!(open_bytes(&collection), [0; 4]);
    drop((collection, database));
    // A merge writes them.
    let (_database, collection) = limited(&disk, 0);
    collection.compact(true, None).unwrap();
    collection.load().unwrap();
    assert_eq!(collection.count_matching("n is null and t == 'abc'", "").unwrap(), 2 * ROWS as u64);
    assert_eq!(open_bytes(&collection)[1], 0);
}

/// Times of rows that came and went, for time travel.
#[test]
fn times_count() {
    let disk = FaultDisk::new();
    disk.set_time(1_000_000_000);
    let keeping = |memory_limit| Options { retention_duration: Some(100), memory_limit, ..quiet() };
    let database = open_on(&disk, keeping(0));
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(1), 0..ROWS, DIM);
    assert_eq!(says(&collection, "history_bytes"), 16);
    collection.delete(&keys(&(0..100).collect::<Vec<_>>())).unwrap();
    collection.delete(&keys(&[5, 200])).unwrap();
    collection.flush().unwrap();
    let bytes = 16 * (1 + 101);
    assert_eq!(says(&collection, "history_bytes"), bytes);
    database.close().unwrap();

    // Rows of a later insert do not fit beside them, but with the times forgotten they do.
    let (ids, row) = ([1000], [vec![1.0; DIM]]);
    let of_row = (8 + 4 + text_of(1000).len() + 4 * DIM) as u64;
    let database = open_on(&disk, keeping(bytes + of_row - 1));
    let collection = database.collection("c").unwrap();
    let error = collection.insert(batch(&ids, &row)).err().unwrap();
    let says_so = format!("inserting needs {of_row} bytes; with the {bytes} in use it exceeds memory_limit");
    assert!(error.code() == Code::MemoryLimit && error.message().contains(&says_so), "{error}");
    database.close().unwrap();
    let database = open_on(&disk, Options { retention_duration: Some(0), ..quiet() });
    let collection = database.collection("c").unwrap();
    collection.compact(true, None).unwrap();
    assert_eq!(says(&collection, "history_bytes"), 0);
    database.close().unwrap();
    let (_database, collection) = limited(&disk, of_row);
    collection.insert(batch(&ids, &row)).unwrap();
}

#[test]
fn searches_go_on_while_it_is_altered() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    create(&collection, "v", FLOAT[6]).unwrap();
    let expected = float_answer(&collection);
    let [mapped, _, index, _] = open_bytes(&collection);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(float_answer(&collection), expected);
                }
            });
        }
        for round in 0..15 {
            let word = [HELD, MAPPED, UNSAID][round % 3];
            collection.alter_index("v", word).unwrap();
            collection.alter_field(["v", "text", "id"][round / 3 % 3], word).unwrap();
            float_answer(&collection);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(float_answer(&collection), expected);
    assert_eq!(open_bytes(&collection), [mapped, 0, index, 0], "each ended as it began");
}

/// A read-only database follows.
#[test]
fn readers_learn_of_it() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    create(&collection, "v", FLOAT[0]).unwrap();
    let reader = open_on(&disk, Options { read_only: true, ..quiet() });
    let read = reader.collection("c").unwrap();
    let expected = float_answer(&read);
    collection.alter_index("v", HELD).unwrap();
    collection.alter_field("text", HELD).unwrap();
    assert_eq!(open_bytes(&read)[1], 0, "not before it looks");
    reader.refresh().unwrap();
    assert_eq!(float_answer(&read), expected);
    assert!(open_bytes(&read).iter().all(|bytes| *bytes > 0));
    collection.alter_index("v", MAPPED).unwrap();
    collection.alter_field("text", MAPPED).unwrap();
    reader.refresh().unwrap();
    assert_eq!(float_answer(&read), expected);
    assert_eq!((open_bytes(&read)[1], open_bytes(&read)[3]), (0, 0));
    for error in [read.alter_index("v", HELD).unwrap_err(), read.alter_field("v", HELD).unwrap_err()] {
        assert_eq!(error.code(), Code::ReadOnly);
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    create(&collection, "v", FLOAT[0]).unwrap();
    let (before, operations) = (collection.describe().unwrap(), disk.operations());
    let value = "invalid mmap.enabled value: 3, expected: true, false";
    let (invalid, missing) = (Code::InvalidParameter, Code::MissingParameter);
    for (name, properties, code, words) in [
        ("v", r#"{"mmap.enabled":3}"#, invalid, value),
        ("v", r#"{"mmap.enabled":true,"M":8}"#, invalid, "M is not a configable index proptery"),
        ("v", "{}", missing, "properties should not be empty"),
        ("v", "x", invalid, "not JSON"),
        ("", HELD, invalid, "index name is empty"),
        ("text", HELD, Code::IndexNotFound, "index not found[indexName=text]"),
    ] {
        let error = collection.alter_index(name, properties).unwrap_err();
        assert!(error.code() == code && error.message().contains(words), "{name} {properties}: {error}");
    }
    for (name, properties, code, words) in [
        ("v", r#"{"mmap.enabled":3}"#, invalid, value),
        ("v", r#"{"dim":9}"#, invalid, "dim does not allow update in collection field param"),
        ("v", "{}", missing, "properties should not be empty"),
        ("v", "[1]", invalid, "not a JSON object"),
        ("w", HELD, Code::FieldNotFound, "field not found[field=w]"),
    ] {
        let error = collection.alter_field(name, properties).unwrap_err();
        assert!(error.code() == code && error.message().contains(words), "{name} {properties}: {error}");
    }
    let bad = r#"{"index_type":"FLAT","metric_type":"IP","params":{"mmap.enabled":3}}"#;
    let error = create(&collection, "v", bad).unwrap_err();
    assert!(error.code() == invalid && error.message() == value, "{error}");
    let bad = r#"{"name":"n","data_type":"Int8","nullable":true,"mmap.enabled":"3"}"#;
    assert!(Field::from_json(bad).unwrap_err().message().contains(value));
    assert_eq!((collection.describe().unwrap(), disk.operations()), (before, operations));
    // What is so already is no commit.
    collection.alter_index("v", UNSAID).unwrap();
    collection.alter_field("v", UNSAID).unwrap();
    assert_eq!(disk.operations(), operations);
}

/// It is altered or it is not, whenever the power goes off or the disk fails.
#[test]
fn crashes_while_it_is_altered() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    create(&collection, "v", FLOAT[0]).unwrap();
    let expected = float_answer(&collection);
    database.close().unwrap();
    let said = |collection: &Collection| {
        let field = collection.describe().unwrap()["schema"]["fields"][1]["mmap.enabled"].clone();
        [collection.describe_index("v").unwrap()["mmap.enabled"].clone(), field]
    };
    let mut seen = [false; 3];
    for at in 0.. {
        let disk = disk.power_cut(Cut::Kept, 0);
        let (database, collection) = limited(&disk, 0);
        disk.fail_at(disk.operations() + at, Fault::PowerOff);
        let done = [collection.alter_index("v", HELD).is_ok(), collection.alter_field("text", HELD).is_ok()];
        drop((collection, database));
        for cut in Cut::ALL {
            let survivor = disk.power_cut(cut, at);
            let (_database, collection) = limited(&survivor, 0);
            let said = said(&collection);
            for (said, done) in said.iter().zip(done) {
                assert!(*said == false || (*said == Value::Null && !done), "operation {at}, {cut:?}");
            }
            seen[said.iter().filter(|said| **said == false).count()] = true;
            assert_eq!(float_answer(&collection), expected);
        }
        if done == [true, true] {
            break;
        }
    }
    assert_eq!(seen, [true; 3]);
}
