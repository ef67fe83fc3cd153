//! Compaction where something comes between: a drop, searches that keep old files, a full disk, too little memory, a power
//! cut.

use super::*;
use elanus::collection::Queries;
use elanus::database::Durability;
use elanus::storage::fault::{Cut, Fault};
use std::io::ErrorKind;

#[test]
fn a_dropped_collection_leaves_no_compaction_behind() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 3, 100);
    let progress = |_, _| {
        let _ = database.drop_collection("c");
        true
    };
    assert_eq!(collection.compact(true, Some(&progress)).unwrap_err().code(), Code::Closed);
    assert!(disk.list(Path::new("/db/collections")).unwrap().is_empty());
}

/// A search that runs keeps the files of its segments; they go with it.
#[test]
fn searches_keep_the_files_that_they_have_not_opened_yet() {
    let root = tempfile::tempdir().unwrap();
    let database = Database::open(root.path(), by_hand()).unwrap();
    let collection = segmented(&database, 20, 60);
    create(&collection, FLAT, true);
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searches: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut searches = 0;
                    while !ended.load(Ordering::Relaxed) {
                        let query = Queries::Float(&[0.0; DIM]);
                        match collection.search("v", query, 1, &search_options(16384)) {
                            // A row is away between its deletion and its insertion.
                            Ok(found) => assert!((1199..=1200).contains(&found.ids.len())),
                            Err(error) => assert_eq!(error.code(), Code::CollectionNotLoaded, "{error}"),
                        }
                        searches += 1;
                    }
                    searches
                })
            })
            .collect();
        for round in 0..20 {
            // Nothing is mapped when the next search begins.
            collection.release().unwrap();
            collection.load().unwrap();
            collection.delete(&keys(&[round])).unwrap();
            insert_random(&collection, &mut Random(round as u64), round..round + 1, DIM);
            collection.compact(true, None).unwrap();
        }
        ended.store(true, Ordering::Relaxed);
        assert!(searches.into_iter().all(|thread| thread.join().is_ok_and(|n| n > 0)));
    });
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    // Every operation of the compaction fails in turn.
    for at in 0.. {
        let disk = FaultDisk::new();
        let database = open_on(&disk, by_hand());
        let collection = segmented(&database, 3, 60);
        create(&collection, FLAT, true);
        collection.delete(&keys(&[5])).unwrap();
        collection.flush().unwrap();
        let dirs = segment_dirs(&disk);
        let first = disk.operations();
        disk.fail_at(first + at, Fault::Once(ErrorKind::StorageFull));
        let outcome = collection.compact(true, None);
        if disk.operations() <= first + at {
            assert!(at > 10, "{at}");
            return outcome.unwrap();
        }
        let expected = || (0..180).filter(|&id| id != 5);
        check_rows(&collection, expected());
        match outcome {
            Err(error) if error.code() == Code::Poisoned => {}
            Err(error) => {
                assert_eq!(error.code(), Code::DiskFull, "{error}");
                assert_eq!(segment_dirs(&disk), dirs, "{at}");
                assert_eq!(collection.index_state("v").unwrap(), IndexState::Finished);
                collection.compact(true, None).unwrap();
                assert_eq!(collection.compaction_state().unwrap().failed_plans, 1);
            }
            // What failed was the removal of an old file: the next open does it.
            Ok(()) => {}
        }
        drop((collection, database));
        let database = open_on(&disk.power_cut(Cut::Lost, at), by_hand());
        check_rows(&database.collection("c").unwrap(), expected());
    }
}

#[test]
fn a_compaction_that_fails_in_the_background_says_why() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 3, 60);
    disk.fail_at(disk.operations(), Fault::Always(ErrorKind::StorageFull));
    collection.compact(false, None).unwrap();
    wait_for("the failure", || compaction(&collection)["failed_plans"] == 1);
    wait_for("the state", || !collection.compaction_state().unwrap().is_executing);
    let reason = collection.compaction_state().unwrap().fail_reason;
    assert!(reason.contains("cannot create"), "{reason}");
    disk.heal();
    check_rows(&collection, 0..180);
    collection.compact(true, None).unwrap();
    assert_eq!(collection.compaction_state().unwrap().fail_reason, "");
    assert_eq!(number(&collection, "sealed_segments"), 1);
}

#[test]
fn a_limit_of_memory_is_kept() {
    let disk = FaultDisk::new();
    let bytes = 4 * DIM as u64 * 6000;
    let database = open_on(&disk, Options { memory_limit: bytes, ..by_hand() });
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    for segment in 0..4 {
        insert_random(&collection, &mut Random(3), segment * 1000..(segment + 1) * 1000, DIM);
        collection.flush().unwrap();
    }
    let error = collection.compact(true, None).unwrap_err();
    assert_eq!(error.code(), Code::MemoryLimit, "{error}");
    assert!(error.message().starts_with("compacting needs "), "{error}");
    assert_eq!(segment_dirs(&disk).len(), 4);
    check_rows(&collection, 0..4000);
    drop((collection, database));
    // In the background it takes what fits: a quarter of the limit.
    let database = open_on(&disk, Options { memory_limit: 8 * bytes, ..options() });
    let collection = database.collection("c").unwrap();
    wait_for("two segments", || number(&collection, "sealed_segments") == 2);
    check_rows(&collection, 0..4000);
}

/// Durability `async`: what removed a row is on the disk before the row goes from it.
#[test]
fn a_power_cut_does_not_lose_a_row_whose_replacement_was_not_synced() {
    let disk = FaultDisk::new();
    let options = Options { durability: Durability::Async, ..by_hand() };
    let database = open_on(&disk, options.clone());
    let collection = segmented(&database, 2, 60);
    let progress = |_, _| {
        // An update: the old row goes, the new one comes.
        collection.delete(&keys(&[3])).unwrap();
        insert_random(&collection, &mut Random(4), 3..4, DIM);
        true
    };
    collection.compact(true, Some(&progress)).unwrap();
    let database = open_on(&disk.power_cut(Cut::Lost, 1), options);
    let collection = database.collection("c").unwrap();
    assert!(all_ids(&collection, DIM).contains(&3), "neither the old row nor the new one");
    let query = vec![0.0; DIM];
    assert!(collection.search("v", Queries::Float(&query), 1, &search_options(1)).is_ok());
}

/// While it waits for its turn, a flush removes a segment whose rows were all deleted, and the others get a field more.
#[test]
fn a_field_is_added_after_a_segment_went() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, by_hand());
    let collection = segmented(&database, 3, 60);
    collection.delete(&keys(&[5])).unwrap();
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let progress = |_, _| {
        if is_first.swap(false, Ordering::Relaxed) {
            collection.delete(&keys(&(60..120).collect::<Vec<_>>())).unwrap();
            collection.flush().unwrap();
            let field = r#"{"name":"x","data_type":"Int8","default_value":7}"#;
            collection.add_field(elanus::schema::Field::from_json(field).unwrap()).unwrap();
        }
        true
    };
    collection.compact(true, Some(&progress)).unwrap();
    assert_eq!(collection.count_matching("x == 7", "").unwrap(), 119);
    collection.compact(true, None).unwrap();
    assert_eq!(collection.count_matching("x == 7 and id != 5", "").unwrap(), 119);
    assert_eq!(collection.statistics().unwrap()["sealed_segments"], 1);
}

/// While the merged segment gets its index, a field is added and gets one too.
#[test]
fn a_field_is_added_and_indexed_during_a_merge() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, Options { index_min_rows: 1, ..by_hand() });
    let collection = segmented(&database, 3, 60);
    create(&collection, r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":2}}"#, true);
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let progress = |_, _| {
        // The first comes before the rows are written, the second before they are indexed.
        if calls.fetch_add(1, Ordering::Relaxed) == 1 {
            let field = r#"{"name":"x","data_type":"Int8","default_value":7}"#;
            collection.add_field(elanus::schema::Field::from_json(field).unwrap()).unwrap();
            let (description, on_conflict) = ("{}", OnConflict::Replace);
            let request = IndexRequest { field: "x", description, name: None, on_conflict, wait: true };
            collection.create_index(&request, None).unwrap();
        }
        true
    };
    collection.compact(true, Some(&progress)).unwrap();
    assert!(calls.into_inner() > 2);
    assert_eq!(number(&collection, "sealed_segments"), 1);
    assert_eq!(collection.index_state("x").unwrap(), IndexState::Finished);
    assert_eq!(collection.count_matching("x == 7", "").unwrap(), 180);
}
