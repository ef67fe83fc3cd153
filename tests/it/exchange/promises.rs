//! All or nothing: an error in a late file, cancellation, deletes around an import, limits of memory and of segments. What
//! faults and power cuts leave of an import is in `crash`.

use super::*;
use crate::support::{batch, keys};
use elanus::Code;
use elanus::database::Options;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file with those keys, in the schema of `support`.
fn lines(folder: &Path, name: &str, keys: std::ops::Range<i64>) -> PathBuf {
    let path = folder.join(name);
    let line = |key: i64| format!("{{\"id\":{key},\"text\":\"t{key}\",\"v\":[{key},0.5]}}\n");
    fs::write(&path, keys.map(line).collect::<String>()).unwrap();
    path
}

fn segments(folder: &Path) -> usize {
    let folders = fs::read_dir(folder.join("db/collections")).unwrap();
    let count = |dir: PathBuf| fs::read_dir(dir.join("segments")).unwrap().count();
    folders.map(|entry| count(entry.unwrap().path())).sum()
}

#[test]
fn nothing_is_left_of_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    // Segments of a few hundred rows, so that some are written before the error comes.
    let limited = Options { memory_limit: 1 << 20, auto_compaction: false, ..options() };
    let db = Database::open(&folder.path().join("db"), limited).unwrap();
    let collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    collection.insert(batch(&[-1], &[vec![1.0, 2.0]])).unwrap();
    let good = lines(folder.path(), "good.jsonl", 0..20_000);
    let bad = lines(folder.path(), "bad.jsonl", 20_000..40_000);
    let text = fs::read_to_string(&bad).unwrap().replace("\"t39990\"", "null");
    fs::write(&bad, text).unwrap();
    let message = collection.import(&[&good, &bad], &ImportOptions::default()).unwrap_err();
    assert!(message.message().contains("bad.jsonl: row 19990: field text has a null"), "{message}");
    assert_eq!((collection.count().unwrap(), segments(folder.path())), (1, 0));

    // Canceled at one call after the other, until it gets through.
    let told = AtomicU64::new(0);
    let mut canceled = 0;
    for stop in 0.. {
        told.store(0, Ordering::Relaxed);
        let progress = |done: u64, total: u64| {
            assert!(done <= total);
            told.fetch_add(1, Ordering::Relaxed) < stop
        };
        match collection
            .import(&[&good], &ImportOptions { progress: Some(&progress), ..ImportOptions::default() })
        {
            Ok(rows) => {
                assert_eq!(rows, 20_000);
                break;
            }
            Err(error) => {
                assert_eq!((error.code(), error.message()), (Code::Canceled, "the import was canceled"));
                assert_eq!((collection.count().unwrap(), segments(folder.path())), (1, 0));
                canceled += 1;
            }
        }
    }
    assert!(canceled >= 5, "{canceled}");
    assert_eq!(collection.count().unwrap(), 20_001);
    assert!(segments(folder.path()) > 1, "several segments by one commit");
    drop((collection, db));
    let db = database(&folder.path().join("db"));
    assert_eq!(db.collection("a").unwrap().count().unwrap(), 20_001);
}

#[test]
fn more_than_the_memory_limit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let limited = Options { memory_limit: 10_000, auto_compaction: false, ..options() };
    let db = Database::open(&folder.path().join("db"), limited).unwrap();
    let collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    let path = lines(folder.path(), "some.jsonl", 0..2000);
    // Its own segments are small enough.
    collection.import(&[&path], &ImportOptions::default()).unwrap();
    collection.insert(batch(&[-1], &[vec![1.0, 2.0]])).unwrap();
    let wide: Vec<i64> = (0..250).collect();
    collection.insert(batch(&wide, &vec![vec![0.0, 0.0]; 250])).unwrap();
    let error = collection.import(&[&path], &ImportOptions::default()).unwrap_err();
    assert_eq!(error.code(), Code::MemoryLimit, "{error}");
    assert_eq!(collection.count().unwrap(), 2251);
}

/// Rows of an import are newer than each delete that was acknowledged before it, and older than those after it, however
/// often the log is read, and through seals and compactions.
#[test]
fn deletes_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let file = lines(folder.path(), "ten.jsonl", 0..10);
    let mut db = database(&path);
    let mut collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    collection.insert(batch(&[3, 4, 20], &[vec![0.0, 0.0], vec![0.0, 0.0], vec![0.0, 0.0]])).unwrap();
    collection.delete(&keys(&[3, 4, 5, 6])).unwrap();
    collection.import(&[&file], &ImportOptions::default()).unwrap();
    let ids = |collection: &Collection| {
        let found = collection.query("id >= 0", &QueryOptions::default()).unwrap();
        crate::support::ids_of(&found.ids)
    };
    let mut expected: Vec<i64> = (0..10).chain([20]).collect();
    for step in 0..6 {
        assert_eq!(ids(&collection), expected, "step {step}");
        match step {
            0 | 2 | 4 => {
                drop((collection, db));
                db = database(&path);
                collection = db.collection("a").unwrap();
            }
            1 => {
                assert_eq!(collection.delete(&keys(&[5, 8])).unwrap(), 2);
                expected.retain(|id| ![5, 8].contains(id));
            }
            3 => {
                collection.delete(&keys(&[0])).unwrap();
                collection.compact(true, None).unwrap();
                collection.delete(&keys(&[1])).unwrap();
                expected.retain(|id| ![0, 1].contains(id));
            }
            _ => {
                // Again, over the records of the deletes above.
                collection.import(&[&file], &ImportOptions::default()).unwrap();
                collection.delete(&keys(&[9])).unwrap();
                expected = (0..9).chain([20]).collect();
            }
        }
    }
    assert_eq!(ids(&collection), expected);
}

#[test]
fn imported_rows_are_searched_and_indexed() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    let file = lines(folder.path(), "some.ndjson", 0..500);
    collection.import(&[&file], &ImportOptions::default()).unwrap();
    let request = elanus::collection::IndexRequest {
        field: "v",
        description: r#"{"index_type":"HNSW","metric_type":"L2"}"#,
        name: None,
        on_conflict: Default::default(),
        wait: true,
    };
    collection.create_index(&request, None).unwrap();
    assert_eq!(collection.index_progress("v").unwrap().indexed_rows, 500);
    assert_eq!(
        crate::support::ids_of(&crate::support::search(&collection, &[123.2, 0.5], 2).ids),
        [123, 124]
    );
}

#[test]
fn where_nothing_may_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let file = lines(folder.path(), "some.jsonl", 0..5);
    let db = database(&path);
    let collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    collection.import(&[&file], &ImportOptions::default()).unwrap();
    let reader = Database::open(&path, Options { read_only: true, ..options() }).unwrap();
    let seen = reader.collection("a").unwrap();
    assert_eq!(seen.import(&[&file], &ImportOptions::default()).unwrap_err().code(), Code::ReadOnly);
    assert_eq!(export(&seen, &folder.path().join("read.parquet")), 5);
    db.drop_collection("a").unwrap();
    assert_eq!(collection.import(&[&file], &ImportOptions::default()).unwrap_err().code(), Code::Closed);
}

/// As `partition_name` of Milvus' bulk insert.
#[test]
fn into_a_partition() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let file = lines(folder.path(), "ten.jsonl", 0..10);
    let db = database(&path);
    let collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    collection.create_partition("p").unwrap();
    let into = |name| ImportOptions { partition: Some(name), ..ImportOptions::default() };
    let count = |collection: &Collection, name: &str| collection.count_matching_in(&[name], "", "").unwrap();
    for (name, others) in [("p", 0), ("_default", 10)] {
        assert_eq!(collection.import(&[&file, &file], &into(name)).unwrap(), 20);
        assert_eq!(
            (count(&collection, name), count(&collection, "_default")),
            (20, if others == 0 { 0 } else { 20 })
        );
    }
    collection.import(&[&file], &ImportOptions::default()).unwrap();
    assert_eq!((count(&collection, "p"), count(&collection, "_default")), (20, 30));

    // What is refused leaves nothing, and says so before it looks for the files.
    let before = segments(folder.path());
    let gone = folder.path().join("gone.jsonl");
    for (name, code) in [("q", Code::PartitionNotFound), ("", Code::PartitionNotFound)] {
        assert_eq!(collection.import(&[&gone], &into(name)).unwrap_err().code(), code, "{name}");
        let mut none: Vec<(String, Box<dyn elanus::exchange::Source>)> = Vec::new();
        assert_eq!(collection.import_from(&mut none, &into(name)).unwrap_err().code(), code, "{name}");
    }
    // The partition goes while its rows are read.
    collection.create_partition("short").unwrap();
    let drop_it = |done: u64, _: u64| {
        if done > 0 {
            collection.drop_partition("short").unwrap();
        }
        true
    };
    let options = ImportOptions { progress: Some(&drop_it), ..into("short") };
    assert_eq!(collection.import(&[&file], &options).unwrap_err().code(), Code::PartitionNotFound);
    assert_eq!(segments(folder.path()), before);

    drop((collection, db));
    let db = database(&path);
    let collection = db.collection("a").unwrap();
    assert_eq!((count(&collection, "p"), count(&collection, "_default")), (20, 30));
    collection.release_partitions(&["p"]).unwrap();
    collection.drop_partition("p").unwrap();
    assert_eq!(collection.count().unwrap(), 30);
}

/// Where the partition key decides, a name is refused in Milvus' words; without one the rows are dealt.
#[test]
fn into_the_partitions_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = lines(folder.path(), "hundred.jsonl", 0..100);
    let db = database(&folder.path().join("db"));
    let text = r#"{"num_partitions":4,"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"text","data_type":"VarChar","max_length":100,"is_partition_key":true},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#;
    let collection = db.create_collection("a", Schema::from_json(text).unwrap()).unwrap();
    for name in ["_default", "_default_1", "p"] {
        let options = ImportOptions { partition: Some(name), ..ImportOptions::default() };
        let error = collection.import(&[&file], &options).unwrap_err();
        assert_eq!(error.code(), Code::InvalidParameter);
        assert!(error.message().contains("if partition key mode is used"), "{error}");
    }
    assert_eq!(collection.import(&[&file], &ImportOptions::default()).unwrap(), 100);
    for key in 0..100 {
        assert_eq!(collection.count_matching(&format!("text == 't{key}'"), "").unwrap(), 1);
    }
}
