//! Compaction: what is merged and when, that nothing is lost or found twice meanwhile, and that space comes back.

mod trouble;

use crate::support::*;
use elanus::collection::{Collection, IndexRequest, IndexState, OnConflict};
use elanus::database::{Database, Options};
use elanus::error::Code;
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const DIM: usize = 8;
const IVF: &str = r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":4}}"#;
const FLAT: &str = r#"{"index_type":"FLAT","metric_type":"L2"}"#;

/// Nothing happens in the background but what is asked for.
fn by_hand() -> Options {
    Options { auto_compaction: false, ..options() }
}

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

/// A collection of `segments` sealed segments of `rows` rows each.
fn segmented(database: &Database, segments: i64, rows: i64) -> Collection {
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    for segment in 0..segments {
        insert_random(&collection, &mut Random(segment as u64), segment * rows..(segment + 1) * rows, DIM);
        collection.flush().unwrap();
    }
    collection
}

fn create(collection: &Collection, description: &str, wait: bool) {
    let on_conflict = OnConflict::Replace;
    let request = IndexRequest { field: "v", description, name: None, on_conflict, wait };
    collection.create_index(&request, None).unwrap();
}

fn number(collection: &Collection, name: &str) -> u64 {
    collection.statistics().unwrap()[name].as_u64().unwrap_or_else(|| panic!("{name}"))
}

fn compaction(collection: &Collection) -> Value {
    collection.describe().unwrap()["compaction"].clone()
}

/// The directories of segments on the disk.
fn segment_dirs(disk: &FaultDisk) -> Vec<PathBuf> {
    let root = Path::new("/db/collections");
    let collections = disk.list(root).unwrap();
    let segments = collections.iter().map(|name| root.join(name).join("segments"));
    segments
        .flat_map(|dir| disk.list(&dir).unwrap_or_default().into_iter().map(move |n| dir.join(n)))
        .collect()
}

/// Every row is there once, its own nearest, with its own text.
fn check_rows(collection: &Collection, expected: impl Iterator<Item = i64> + Clone) {
    assert_eq!(all_ids(collection, DIM), expected.clone().collect::<Vec<_>>());
    assert_eq!(collection.count().unwrap(), expected.count() as u64);
}

#[test]
fn merged_segments_hold_the_live_rows_in_order() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 5, 100);
    collection.delete(&keys(&(0..130).collect::<Vec<_>>())).unwrap();
    insert_random(&collection, &mut Random(9), 500..520, DIM);
    let before: Vec<_> = (0..20)
        .map(|seed| search(&collection, &Random(seed).vector(DIM), 30))
        .map(|r| (ids_of(&r.ids), r.scores))
        .collect();
    collection.compact(true, None).unwrap();
    check_rows(&collection, 130..520);
    assert_eq!(number(&collection, "sealed_segments"), 1);
    assert_eq!((number(&collection, "deleted_rows"), number(&collection, "growing_rows")), (0, 0));
    assert_eq!(segment_dirs(&disk).len(), 1, "the old files are gone");
    for (seed, before) in before.into_iter().enumerate() {
        let after = search(&collection, &Random(seed as u64).vector(DIM), 30);
        assert_eq!((ids_of(&after.ids), after.scores), before);
    }
    let state = collection.compaction_state().unwrap();
    assert!(!state.is_executing && state.fail_reason.is_empty());
    assert_eq!((state.executing_plans, state.completed_plans, state.failed_plans), (0, 1, 0));
    let done = compaction(&collection);
    assert_eq!((&done["state"], &done["dropped_rows"]), (&"Completed".into(), &30.into()));
    // The first segment went with the flush: it had no live row.
    assert_eq!(done["segments_merged"], 5);
    let segments = collection.statistics().unwrap()["segments"].clone();
    assert_eq!((&segments[0]["num_rows"], &segments[0]["state"]), (&390.into(), &"Flushed".into()));
    assert_eq!(done["bytes_written"], segments[0]["data_bytes"]);
    assert!(done["bytes_read"].as_u64() > done["bytes_written"].as_u64());
    // Again: there is nothing to do, and nothing is done.
    let operations = disk.operations();
    collection.compact(true, None).unwrap();
    assert_eq!(disk.operations(), operations);
    drop((collection, database));
    let database = open_on(&disk, by_hand());
    let collection = database.collection("c").unwrap();
    check_rows(&collection, 130..520);
    assert_eq!(compaction(&collection), done, "kept across a restart");
}

#[test]
fn keys_that_are_there_several_times_keep_their_meaning() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    for round in 0..3 {
        // The same keys with other vectors, all of them live.
        insert_random(&collection, &mut Random(round), 0..50, DIM);
        collection.flush().unwrap();
    }
    collection.delete(&keys(&[7])).unwrap();
    insert_random(&collection, &mut Random(77), 7..8, DIM);
    let best = |seed| {
        let result = search(&collection, &Random(seed).vector(DIM), 50);
        (ids_of(&result.ids), result.scores)
    };
    let before: Vec<_> = (0..10).map(best).collect();
    collection.compact(true, None).unwrap();
    assert_eq!((0..10).map(best).collect::<Vec<_>>(), before);
    assert_eq!((collection.count().unwrap(), before[0].0.len()), (148, 50));
    assert_eq!(collection.delete(&keys(&[7, 8])).unwrap(), 4);
    assert_eq!(collection.count().unwrap(), 144);
}

#[test]
fn a_merged_segment_has_its_index_before_the_old_ones_go() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 3, 100);
    create(&collection, IVF, true);
    let pending = AtomicU64::new(0);
    let told = AtomicU64::new(0);
    let progress = |done: u64, total: u64| {
        assert!(done <= total && total == 300, "{done} of {total}");
        pending.fetch_add(collection.index_progress("v").unwrap().pending_index_rows, Ordering::Relaxed);
        assert_eq!(collection.compaction_state().unwrap().executing_plans, 1);
        told.fetch_add(1, Ordering::Relaxed);
        true
    };
    collection.compact(true, Some(&progress)).unwrap();
    assert!(told.load(Ordering::Relaxed) > 1);
    assert_eq!(pending.load(Ordering::Relaxed), 0, "a row without its index while it was compacted");
    assert_eq!(collection.index_state("v").unwrap(), IndexState::Finished);
    let segments = collection.statistics().unwrap()["segments"].clone();
    assert_eq!((segments.as_array().unwrap().len(), &segments[0]["index_name"]), (1, &"v".into()));
    assert!(number(&collection, "index_bytes") > 0);
    check_rows(&collection, 0..300);
}

#[test]
fn a_canceled_compaction_changes_nothing() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 3, 100);
    create(&collection, IVF, true);
    let dirs = segment_dirs(&disk);
    for stop_at in 0..6 {
        let told = AtomicU64::new(0);
        let progress = |_, _| told.fetch_add(1, Ordering::Relaxed) < stop_at;
        let Err(error) = collection.compact(true, Some(&progress)) else {
            assert!(stop_at > 1);
            return check_rows(&collection, 0..300);
        };
        assert_eq!((error.code(), error.message()), (Code::Canceled, "the compaction was canceled"));
        assert_eq!(segment_dirs(&disk), dirs);
        assert_eq!(compaction(&collection)["state"], "Completed");
        check_rows(&collection, 0..300);
    }
    collection.compact(true, None).unwrap();
    assert_eq!(segment_dirs(&disk).len(), 1);
}

#[test]
fn without_waiting_it_is_done_in_the_background() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 3, 100);
    collection.compact(false, None).unwrap();
    wait_for("the compaction", || !collection.compaction_state().unwrap().is_executing);
    assert_eq!(number(&collection, "sealed_segments"), 1);
    check_rows(&collection, 0..300);
}

#[test]
fn a_background_compaction_steps_aside_for_queries() {
    let disk = FaultDisk::new();
    let idle = 400;
    let database = open_on(&disk, Options { build_idle_ms: idle, ..by_hand() });
    let collection = segmented(&database, 3, 100);
    search(&collection, &[0.0; DIM], 1);
    collection.compact(false, None).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2 * idle) {
        search(&collection, &[0.0; DIM], 1);
        assert!(collection.compaction_state().unwrap().is_executing);
        assert_eq!(number(&collection, "sealed_segments"), 3);
        std::thread::sleep(Duration::from_millis(20));
    }
    // One that waits does not step aside, and takes the other's place.
    collection.compact(true, None).unwrap();
    assert_eq!(number(&collection, "sealed_segments"), 1);
    wait_for("the state", || !collection.compaction_state().unwrap().is_executing);
    assert_eq!(compaction(&collection)["completed_plans"], 1);
}

/// A call that waits takes the place of one in the background. If it is canceled, the other is still wanted.
#[test]
fn a_request_outlives_the_call_that_took_its_place() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, Options { build_idle_ms: 400, ..by_hand() });
    let collection = segmented(&database, 3, 100);
    search(&collection, &[0.0; DIM], 1);
    collection.compact(false, None).unwrap();
    wait_for("its start", || collection.compaction_state().unwrap().executing_plans == 1);
    let error = collection.compact(true, Some(&|_, _| false)).unwrap_err();
    assert_eq!(error.code(), Code::Canceled);
    assert_eq!(number(&collection, "sealed_segments"), 3);
    wait_for("the compaction", || number(&collection, "sealed_segments") == 1);
    wait_for("the state", || !collection.compaction_state().unwrap().is_executing);
    assert_eq!(collection.compaction_state().unwrap().failed_plans, 0);
    check_rows(&collection, 0..300);
}

#[test]
fn closing_ends_a_compaction_that_waits() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, Options { build_idle_ms: 60_000, ..by_hand() });
    let collection = segmented(&database, 3, 100);
    search(&collection, &[0.0; DIM], 1);
    collection.compact(false, None).unwrap();
    let start = Instant::now();
    database.close().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop((collection, database));
    let database = open_on(&disk, by_hand());
    assert_eq!(segment_dirs(&disk).len(), 3, "no orphan");
    check_rows(&database.collection("c").unwrap(), 0..300);
}

#[test]
fn what_is_due_is_compacted_unasked() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let collection = segmented(&database, 11, 60);
    create(&collection, FLAT, true);
    wait_for("few segments", || number(&collection, "sealed_segments") < 4);
    wait_for("few directories", || segment_dirs(&disk).len() < 4);
    check_rows(&collection, 0..660);
    // More than a fifth of the rows go: so do their bytes, without a flush or a call.
    let before = number(&collection, "disk_bytes");
    collection.delete(&keys(&(0..500).collect::<Vec<_>>())).unwrap();
    wait_for("no dead rows", || number(&collection, "deleted_rows") * 4 <= 160);
    wait_for("space", || number(&collection, "disk_bytes") < before / 2);
    check_rows(&collection, 500..660);
    wait_for("the index", || collection.index_state("v").unwrap() == IndexState::Finished);
    drop((collection, database));
    check_rows(&open_on(&disk, by_hand()).collection("c").unwrap(), 500..660);
}

#[test]
fn changes_that_come_meanwhile_are_carried_over() {
    for flush in [false, true] {
        let disk = FaultDisk::new();
        let database = open_on(&disk, by_hand());
        let collection = segmented(&database, 4, 100);
        create(&collection, IVF, true);
        collection.delete(&keys(&[1, 399])).unwrap();
        let round = AtomicU64::new(0);
        let progress = |_, _| {
            let round = round.fetch_add(1, Ordering::Relaxed) as i64;
            // From each source, at every moment that can be had.
            collection.delete(&keys(&[10 + round, 110 + round, 210 + round, 310 + round])).unwrap();
            insert_random(&collection, &mut Random(1), 1000 + round..1001 + round, DIM);
            if flush {
                collection.flush().unwrap();
            }
            round < 50
        };
        collection.compact(true, Some(&progress)).unwrap();
        let rounds = round.load(Ordering::Relaxed) as i64;
        assert!((2..50).contains(&rounds), "{rounds}");
        let is_dead =
            move |id: &i64| [1, 399].contains(id) || (*id < 400 && (10..10 + rounds).contains(&(id % 100)));
        let expected = (0..400).chain(1000..1000 + rounds).filter(|id| !is_dead(id));
        check_rows(&collection, expected.clone());
        drop((collection, database));
        for _ in 0..2 {
            let database = open_on(&disk, by_hand());
            let collection = database.collection("c").unwrap();
            check_rows(&collection, expected.clone());
            collection.compact(true, None).unwrap();
            check_rows(&collection, expected.clone());
        }
    }
}

#[test]
fn the_index_may_change_while_segments_merge() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 3, 100);
    create(&collection, IVF, true);
    let round = AtomicU64::new(0);
    let progress = |_, _| {
        match round.fetch_add(1, Ordering::Relaxed) {
            1 => create(&collection, FLAT, false),
            3 => collection.drop_index("v").unwrap(),
            4 => create(&collection, IVF, false),
            _ => {}
        }
        true
    };
    collection.compact(true, Some(&progress)).unwrap();
    assert!(round.load(Ordering::Relaxed) > 4);
    assert_eq!(number(&collection, "sealed_segments"), 1);
    wait_for("the index", || collection.index_state("v").unwrap() == IndexState::Finished);
    assert_eq!(collection.describe_index("v").unwrap()["index_type"], "IVF_FLAT");
    check_rows(&collection, 0..300);
    drop((collection, database));
    let database = open_on(&disk, by_hand());
    let collection = database.collection("c").unwrap();
    assert_eq!(collection.index_state("v").unwrap(), IndexState::Finished);
    let files: Vec<String> = disk.list(&segment_dirs(&disk)[0]).unwrap();
    assert_eq!(
        files.iter().filter(|name| name.starts_with("index-")).count(),
        2,
        "one, with its checksums: {files:?}"
    );
}
