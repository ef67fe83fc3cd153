//! Indexes through the engine: definitions, conflicts, progress, background builds, cancellation, files.

use crate::support::*;
use elanus::collection::{Collection, IndexProgress, IndexRequest, IndexState, OnConflict, Queries};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const DIM: usize = 8;
const FLAT: &str = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
const IVF: &str = r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":8}}"#;
const HNSW: &str = r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":8,"efConstruction":64}}"#;

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn filled(disk: &FaultDisk, rows: i64) -> (Database, Collection) {
    let database = open_on(disk, options());
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(5), 0..rows, DIM);
    (database, collection)
}

fn request<'a>(description: &'a str, name: Option<&'a str>) -> IndexRequest<'a> {
    IndexRequest { field: "v", description, name, on_conflict: OnConflict::Replace, wait: true }
}

/// All files of the index kind on the disk.
fn index_files(disk: &FaultDisk) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![PathBuf::from("/db/collections")];
    while let Some(dir) = dirs.pop() {
        for path in disk.list(&dir).into_iter().flatten().map(|name| dir.join(name)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("index-") && name.ends_with(".bin") {
                found.push(path);
            } else {
                dirs.push(path);
            }
        }
    }
    found
}

fn fails(result: Result<(), Error>, code: Code, text: &str) {
    let error = result.expect_err(text);
    assert!(
        error.code() == code && error.message().contains(text),
        "{:?}: {error}\n not: {text}",
        error.code()
    );
}

fn wait_until_finished(collection: &Collection, name: &str) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while collection.index_state(name).unwrap() != IndexState::Finished {
        assert!(Instant::now() < give_up, "{:?}", collection.index_state(name));
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_kind_finds_what_flat_finds() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk, 3000);
    let mut random = Random(9);
    let queries: Vec<Vec<f32>> = (0..20).map(|_| random.vector(DIM)).collect();
    let expected: Vec<Vec<i64>> = queries.iter().map(|q| ids_of(&search(&collection, q, 10).ids)).collect();
    for description in [FLAT, IVF, HNSW] {
        collection.create_index(&request(description, None), None).unwrap();
        assert_eq!(index_files(&disk).len(), 1, "the replaced index' file goes");
        for reopened in [false, true] {
            let database = reopened.then(|| open_on(&disk, Options { read_only: true, ..options() }));
            let collection = database.as_ref().map_or(collection.clone(), |d| d.collection("c").unwrap());
            let mut options = search_options(10);
            options.params = r#"{"nprobe":8,"ef":500}"#;
            let result = collection.search("v", Queries::Float(&queries.concat()), 20, &options).unwrap();
            let found: Vec<Vec<i64>> = ids_of(&result.ids).chunks(10).map(<[i64]>::to_vec).collect();
            assert_eq!(found, expected, "{description}");
        }
    }
    drop(database);
}

#[test]
fn definitions_and_conflicts() {
    let (_database, collection) = filled(&FaultDisk::new(), 100);
    let not_found = |error: Error| assert_eq!(error.code(), Code::IndexNotFound, "{error}");
    not_found(collection.describe_index("v").err().unwrap());
    not_found(collection.index_progress("v").err().unwrap());
    not_found(collection.index_state("v").err().unwrap());
    assert!(collection.drop_index("v").is_ok());
    collection.create_index(&request(FLAT, None), None).unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["v"], "the name of the field");
    let described = collection.describe_index("v").unwrap();
    assert_eq!((&described["index_type"], &described["metric_type"]), (&"FLAT".into(), &"L2".into()));
    assert_eq!((&described["field_name"], &described["total_rows"]), (&"v".into(), &100.into()));

    let strict = |description, name| {
        let request = IndexRequest { on_conflict: OnConflict::Error, ..request(description, name) };
        collection.create_index(&request, None)
    };
    assert!(strict(FLAT, None).is_ok() && strict(FLAT, Some("v")).is_ok());
    let distinct = "CreateIndex failed: at most one distinct index is allowed per field";
    fails(strict(IVF, None), Code::IndexDuplicate, distinct);
    fails(strict(IVF, Some("v")), Code::IndexDuplicate, distinct);
    let multiple = "CreateIndex failed: creating multiple indexes on same field is not supported";
    fails(strict(FLAT, Some("w")), Code::IndexDuplicate, multiple);
    collection.create_index(&request(IVF, Some("w")), None).unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["w"]);
    collection.create_index(&request(FLAT, None), None).unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["w"], "the name stays");

    let create = |field, description, name| {
        let request = IndexRequest { field, ..request(description, name) };
        collection.create_index(&request, None)
    };
    fails(create("x", FLAT, None), Code::FieldNotFound, "cannot create index on non-exist field: x");
    fails(
        create("text", FLAT, None),
        Code::IndexTypeNotSupported,
        "invalid index type: FLAT, supported on a scalar field: [Trie INVERTED]",
    );
    fails(create("v", FLAT, Some("1w")), Code::InvalidParameter, "Invalid index name: 1w.");
    fails(
        create("v", r#"{"index_type":"TREE","metric_type":"L2"}"#, None),
        Code::IndexTypeNotSupported,
        "TREE",
    );
    let many = r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":65537}}"#;
    fails(create("v", many, None), Code::InvalidParameter, "[1, 65536]");
    collection.drop_index("other").unwrap();
    assert_eq!(collection.list_indexes().unwrap(), ["w"]);
    collection.drop_index("w").unwrap();
    assert!(collection.list_indexes().unwrap().is_empty());
}

#[test]
fn the_same_index_again_builds_nothing() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk, 300);
    collection.create_index(&request(IVF, None), None).unwrap();
    let (files, operations) = (index_files(&disk), disk.operations());
    collection.create_index(&request(IVF, None), None).unwrap();
    assert_eq!((index_files(&disk), disk.operations()), (files, operations));
}

#[test]
fn progress_of_small_and_large_segments() {
    let (_database, collection) = filled(&FaultDisk::new(), 0);
    collection.create_index(&request(FLAT, None), None).unwrap();
    let progress = |total_rows, indexed_rows, pending_index_rows| IndexProgress {
        total_rows,
        indexed_rows,
        pending_index_rows,
    };
    assert_eq!(collection.index_progress("v").unwrap(), progress(0, 0, 0));
    assert_eq!(collection.index_state("v").unwrap(), IndexState::Finished);
    insert_random(&collection, &mut Random(1), 0..20, DIM);
    collection.flush().unwrap();
    assert_eq!(collection.index_progress("v").unwrap(), progress(20, 20, 0), "small: searched exactly");
    insert_random(&collection, &mut Random(1), 20..120, DIM);
    collection.flush().unwrap();
    wait_until_finished(&collection, "v");
    assert_eq!(collection.index_progress("v").unwrap(), progress(120, 120, 0));
    assert_eq!(all_ids(&collection, DIM).len(), 120);
}

#[test]
fn a_canceled_build_changes_nothing() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk, 2000);
    collection.create_index(&request(FLAT, None), None).unwrap();
    let (files, operations) = (index_files(&disk), disk.operations());
    let told = AtomicU64::new(0);
    let progress = |done: u64, total: u64| {
        assert!(done <= total && total == 2000);
        told.fetch_add(1, Ordering::Relaxed);
        false
    };
    fails(collection.create_index(&request(HNSW, None), Some(&progress)), Code::Canceled, "canceled");
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!((index_files(&disk), disk.operations()), (files, operations));
    assert_eq!(collection.describe_index("v").unwrap()["index_type"], "FLAT");
    let last = AtomicU64::new(0);
    let progress = |done: u64, _| last.fetch_max(done, Ordering::Relaxed) <= done;
    collection.create_index(&request(HNSW, None), Some(&progress)).unwrap();
    assert_eq!(last.load(Ordering::Relaxed), 2000);
}

#[test]
fn a_background_build_steps_aside_for_queries() {
    let disk = FaultDisk::new();
    let idle = 400;
    let database = open_on(&disk, Options { build_idle_ms: idle, ..options() });
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(5), 0..3000, DIM);
    search(&collection, &[0.0; DIM], 1);
    let request = IndexRequest { wait: false, ..request(HNSW, None) };
    collection.create_index(&request, None).unwrap();
    assert_eq!(collection.index_progress("v").unwrap().pending_index_rows, 3000);
    // As long as queries come, it is not built.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2 * idle) {
        assert_eq!(search(&collection, &[0.0; DIM], 3).ids.len(), 3);
        assert_eq!(collection.index_state("v").unwrap(), IndexState::InProgress);
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_until_finished(&collection, "v");
    assert_eq!(collection.index_progress("v").unwrap().indexed_rows, 3000);
    assert_eq!(index_files(&disk).len(), 1);
}

#[test]
fn dropping_and_closing_end_background_builds() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, Options { build_idle_ms: 60_000, ..options() });
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(5), 0..500, DIM);
    search(&collection, &[0.0; DIM], 1);
    collection.create_index(&IndexRequest { wait: false, ..request(HNSW, None) }, None).unwrap();
    let start = Instant::now();
    collection.drop_index("v").unwrap();
    collection.create_index(&IndexRequest { wait: false, ..request(HNSW, None) }, None).unwrap();
    database.close().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // What was pending is built after the next open.
    let database = open_on(&disk, options());
    wait_until_finished(&database.collection("c").unwrap(), "v");
    assert_eq!(index_files(&disk).len(), 1);
}

#[test]
fn deletes_are_never_found_through_an_index() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk, 1000);
    for description in [FLAT, IVF, HNSW] {
        collection.create_index(&request(description, None), None).unwrap();
        let query = vec![0.1; DIM];
        let nearest = ids_of(&search(&collection, &query, 50).ids);
        assert_eq!(collection.delete(&keys(&nearest)).unwrap(), 50);
        let mut options = search_options(50);
        options.params = r#"{"nprobe":8}"#;
        let result = collection.search("v", Queries::Float(&query), 1, &options).unwrap();
        let found = ids_of(&result.ids);
        assert_eq!(found.len(), 50);
        assert!(found.iter().all(|id| !nearest.contains(id)), "{description}");
    }
}
