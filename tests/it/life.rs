//! The life of an index: built as segments seal, parked for queries, interrupted, failed, retried, replaced, dropped; and
//! what its progress and state say at every moment.

use crate::support::*;
use elanus::collection::{Collection, IndexProgress, IndexRequest, IndexState, OnConflict, Queries};
use elanus::database::{Database, Options};
use elanus::error::Code;
use elanus::storage::fault::{Cut, Fault, FaultDisk};
use elanus::storage::vfs::Vfs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const DIM: usize = 8;
const FLAT: &str = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
const IVF: &str = r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":4}}"#;
const HNSW: &str = r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":16,"efConstruction":200}}"#;

/// Builds that had to step aside once wait for longer than any test.
fn parking() -> Options {
    Options { build_idle_ms: 600_000, ..quiet() }
}

fn quiet() -> Options {
    Options { auto_compaction: false, ..options() }
}

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn filled(database: &Database, rows: i64) -> Collection {
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(5), 0..rows, DIM);
    collection
}

fn create(collection: &Collection, description: &str, wait: bool) {
    let request =
        IndexRequest { field: "v", description, name: None, on_conflict: OnConflict::Replace, wait };
    collection.create_index(&request, None).unwrap();
}

fn state(collection: &Collection) -> IndexState {
    collection.index_state("v").unwrap()
}

fn wait_for(collection: &Collection, wanted: fn(&IndexState) -> bool) -> IndexState {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        let state = state(collection);
        if wanted(&state) {
            return state;
        }
        assert!(Instant::now() < give_up, "{state:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn finished(collection: &Collection) {
    wait_for(collection, |state| *state == IndexState::Finished);
}

fn pending(collection: &Collection) -> u64 {
    collection.index_progress("v").unwrap().pending_index_rows
}

/// The sealed segments with an index, and all of them.
fn indexed_segments(collection: &Collection) -> (usize, usize) {
    let statistics = collection.statistics().unwrap();
    let segments = statistics["segments"].as_array().unwrap();
    let sealed = segments.iter().filter(|segment| segment["state"] == "Flushed");
    (sealed.clone().filter(|segment| segment["index_name"] == "v").count(), sealed.count())
}

#[test]
fn segment_by_segment_as_they_seal() {
    let database = open_on(&FaultDisk::new(), quiet());
    let collection = filled(&database, 0);
    create(&collection, HNSW, false);
    assert_eq!(state(&collection), IndexState::Finished, "of nothing");
    for segment in 0..4i64 {
        // The third is too small for an index: searched exhaustively, and counted as indexed.
        let rows = if segment == 2 { 20 } else { 200 };
        insert_random(&collection, &mut Random(1), 1000 * segment..1000 * segment + rows, DIM);
        let before = collection.index_progress("v").unwrap();
        assert_eq!(before.pending_index_rows, 0, "growing rows do not count");
        collection.flush().unwrap();
        finished(&collection);
        let total_rows = before.total_rows + rows as u64;
        let progress = IndexProgress { total_rows, indexed_rows: total_rows, pending_index_rows: 0 };
        assert_eq!(collection.index_progress("v").unwrap(), progress);
    }
    assert_eq!(indexed_segments(&collection), (3, 4));
    assert_eq!(all_ids(&collection, DIM).len(), 620);
}

#[test]
fn a_query_never_waits_for_a_build() {
    let idle = 300;
    let database = open_on(&FaultDisk::new(), Options { build_idle_ms: idle, ..quiet() });
    let collection = filled(&database, 20_000);
    create(&collection, HNSW, false);
    // No query came yet: the build is under way.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(pending(&collection), 20_000);
    let (start, mut longest) = (Instant::now(), Duration::ZERO);
    let queries = [0.5; 40 * DIM];
    while start.elapsed() < Duration::from_millis(3 * idle) {
        // One on this thread, and a batch on the threads that build.
        for nq in [1, 40] {
            let before = Instant::now();
            let queries = Queries::Float(&queries[..nq * DIM]);
            let found = collection.search("v", queries, nq, &search_options(3)).unwrap();
            assert_eq!(found.ids.len(), 3 * nq);
            longest = longest.max(before.elapsed());
        }
        assert_eq!((state(&collection), pending(&collection)), (IndexState::InProgress, 20_000));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    // And when no more come, it goes on and is done.
    finished(&collection);
    assert_eq!((pending(&collection), indexed_segments(&collection)), (0, (1, 1)));
}

#[test]
fn a_build_that_a_power_cut_ends_starts_again() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, parking());
    let collection = filled(&database, 500);
    search(&collection, &[0.0; DIM], 1);
    create(&collection, HNSW, false);
    assert_eq!(state(&collection), IndexState::InProgress);
    for cut in Cut::ALL {
        let survivor = disk.power_cut(cut, 3);
        let database = open_on(&survivor, Options { read_only: true, ..quiet() });
        let collection = database.collection("c").unwrap();
        assert_eq!((state(&collection), pending(&collection)), (IndexState::Unissued, 500), "nobody builds");
        drop((collection, database));
        let database = open_on(&survivor, quiet());
        let collection = database.collection("c").unwrap();
        finished(&collection);
        assert_eq!((indexed_segments(&collection), all_ids(&collection, DIM).len()), ((1, 1), 500));
        drop((collection, database));
        let database = open_on(&survivor, quiet());
        assert_eq!(state(&database.collection("c").unwrap()), IndexState::Finished, "and stays so");
    }
}

#[test]
fn a_build_that_closing_ends_starts_again() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, parking());
    let collection = filled(&database, 500);
    search(&collection, &[0.0; DIM], 1);
    create(&collection, IVF, false);
    database.close().unwrap();
    assert_eq!(collection.index_state("v").unwrap_err().code(), Code::Closed);
    let database = open_on(&disk, quiet());
    finished(&database.collection("c").unwrap());
}

/// A collection whose background build has failed on a full disk; the disk is full still.
fn failed(disk: &FaultDisk) -> (Database, Collection) {
    let database = open_on(disk, Options { build_idle_ms: 200, ..quiet() });
    let collection = filled(&database, 500);
    search(&collection, &[0.0; DIM], 1);
    create(&collection, IVF, false);
    assert_eq!(state(&collection), IndexState::InProgress);
    disk.fail_at(disk.operations(), Fault::Always(ErrorKind::StorageFull));
    let state = wait_for(&collection, |state| matches!(state, IndexState::Failed(_)));
    let IndexState::Failed(reason) = state else { panic!() };
    assert!(reason.contains("index-"), "{reason}");
    let described = collection.describe_index("v").unwrap();
    assert_eq!(
        (&described["state"], &described["index_state_fail_reason"]),
        (&"Failed".into(), &reason.into())
    );
    (database, collection)
}

#[test]
fn a_failed_build_leaves_the_field_searchable_and_can_be_retried() {
    let disk = FaultDisk::new();
    let (_database, collection) = failed(&disk);
    assert_eq!((all_ids(&collection, DIM).len(), pending(&collection)), (500, 500));
    disk.heal();
    // The failure stays until somebody does something about it.
    insert_random(&collection, &mut Random(6), 500..600, DIM);
    collection.flush().unwrap();
    assert!(matches!(state(&collection), IndexState::Failed(_)));
    create(&collection, IVF, false);
    assert!(!matches!(state(&collection), IndexState::Failed(_)));
    finished(&collection);
    assert_eq!((indexed_segments(&collection), all_ids(&collection, DIM).len()), ((2, 2), 600));
}

#[test]
fn a_failed_build_is_retried_in_the_foreground_too() {
    let disk = FaultDisk::new();
    let (_database, collection) = failed(&disk);
    let request =
        IndexRequest { field: "v", description: IVF, name: None, on_conflict: OnConflict::Error, wait: true };
    assert_eq!(collection.create_index(&request, None).unwrap_err().code(), Code::DiskFull);
    assert!(matches!(state(&collection), IndexState::Failed(_)));
    disk.heal();
    collection.create_index(&request, None).unwrap();
    assert_eq!((state(&collection), indexed_segments(&collection)), (IndexState::Finished, (1, 1)));
}

#[test]
fn an_open_retries_what_failed() {
    let disk = FaultDisk::new();
    let (database, collection) = failed(&disk);
    disk.heal();
    drop((collection, database));
    let database = open_on(&disk, parking());
    let collection = database.collection("c").unwrap();
    finished(&collection);
    assert_eq!(indexed_segments(&collection), (1, 1));
}

#[test]
fn working_memory_counts_against_the_limit() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, quiet());
    drop(filled(&database, 2000));
    database.collection("c").unwrap().flush().unwrap();
    drop(database);
    // Room for the index, and none for building it.
    let limit = 100_000;
    let database = open_on(&disk, Options { memory_limit: limit, ..quiet() });
    let collection = database.collection("c").unwrap();
    let request = IndexRequest {
        field: "v",
        description: HNSW,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    let error = collection.create_index(&request, None).unwrap_err();
    assert_eq!(error.code(), Code::MemoryLimit);
    assert!(error.message().starts_with("building the index needs "), "{error}");
    assert!(collection.list_indexes().unwrap().is_empty(), "nothing half built");
    create(&collection, HNSW, false);
    let state = wait_for(&collection, |state| matches!(state, IndexState::Failed(_)));
    assert!(matches!(state, IndexState::Failed(reason) if reason.contains("exceeds memory_limit 100000")));
    assert_eq!(all_ids(&collection, DIM).len(), 2000);
    drop((collection, database));
    let database = open_on(&disk, quiet());
    finished(&database.collection("c").unwrap());
}

#[test]
fn the_old_index_serves_until_the_new_one_is_there() {
    let database = open_on(&FaultDisk::new(), quiet());
    let collection = filled(&database, 2000);
    create(&collection, IVF, true);
    let told = AtomicU64::new(0);
    let progress = |_, _| {
        told.fetch_add(1, Ordering::Relaxed);
        assert_eq!(collection.describe_index("v").unwrap()["index_type"], "IVF_FLAT");
        assert_eq!((state(&collection), indexed_segments(&collection)), (IndexState::Finished, (1, 1)));
        let mut options = search_options(5);
        options.params = r#"{"nprobe":4}"#;
        assert_eq!(collection.search("v", Queries::Float(&[0.1; DIM]), 1, &options).unwrap().ids.len(), 5);
        true
    };
    let request = IndexRequest {
        field: "v",
        description: FLAT,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    collection.create_index(&request, Some(&progress)).unwrap();
    assert!(told.load(Ordering::Relaxed) > 0);
    assert_eq!(collection.describe_index("v").unwrap()["index_type"], "FLAT");
}

#[test]
fn a_dropped_index_falls_back_to_exhaustive_search() {
    let database = open_on(&FaultDisk::new(), quiet());
    let collection = filled(&database, 2000);
    let exact = ids_of(&search(&collection, &[0.3; DIM], 20).ids);
    create(&collection, HNSW, true);
    let bytes = collection.statistics().unwrap()["disk_bytes"].as_u64();
    collection.drop_index("v").unwrap();
    assert!(collection.statistics().unwrap()["disk_bytes"].as_u64() < bytes);
    assert_eq!(collection.index_state("v").unwrap_err().code(), Code::IndexNotFound);
    assert_eq!(ids_of(&search(&collection, &[0.3; DIM], 20).ids), exact);
    assert_eq!(indexed_segments(&collection), (0, 1));
}

/// A caller who waits, and the worker, build the same index at once: one of the two counts, and one is on the disk.
#[test]
fn an_index_that_was_built_twice_is_there_once() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, Options { build_idle_ms: 300, ..quiet() });
    let collection = filled(&database, 500);
    search(&collection, &[0.0; DIM], 1);
    create(&collection, IVF, false);
    assert_eq!(state(&collection), IndexState::InProgress, "parked");
    let told = AtomicU64::new(0);
    let progress = |_, _| {
        told.fetch_add(1, Ordering::Relaxed);
        finished(&collection);
        true
    };
    let on_conflict = OnConflict::Error;
    let request = IndexRequest { field: "v", description: IVF, name: None, on_conflict, wait: true };
    collection.create_index(&request, Some(&progress)).unwrap();
    assert!(told.load(Ordering::Relaxed) > 0);
    assert_eq!((state(&collection), indexed_segments(&collection)), (IndexState::Finished, (1, 1)));
    let id = &collection.describe().unwrap()["collection_id"];
    let segment = &collection.statistics().unwrap()["segments"][0]["segment_id"];
    let files = || disk.list(Path::new(&format!("/db/collections/{id}/segments/{segment}"))).unwrap();
    let of_indexes = || files().into_iter().filter(|name| name.starts_with("index-")).count();
    assert_eq!(of_indexes(), 2, "a file and its checksums: {:?}", files());
    collection.drop_index("v").unwrap();
    assert_eq!(of_indexes(), 0, "{:?}", files());
}
