//! Races that need the locks and hooks inside a collection to come at the right moment.

use crate::collection::{Collection, IndexRequest, OnConflict};
use crate::database::{Database, Options};
use crate::error::{Code, Error};
use crate::schema::{Schema, float_item};
use crate::storage::fault::{Fault, FaultDisk};
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

fn open(disk: &FaultDisk, read_only: bool) -> Database {
    let defaults = Options::default();
    let options = Options { threads: 1, index_min_rows: 1, auto_compaction: false, read_only, ..defaults };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn insert(collection: &Collection, ids: std::ops::Range<i64>) {
    let values: Vec<f32> = ids.clone().flat_map(|id| [id as f32, 1.0]).collect();
    let values: ArrayRef = Arc::new(Float32Array::from(values));
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(float_item(), 2, values, None));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    collection.insert(RecordBatch::try_from_iter([("id", ids), ("v", vectors)]).unwrap()).unwrap();
}

/// A collection of two sealed segments of ten rows.
fn two_segments(database: &Database) -> Collection {
    let text = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#;
    let collection = database.create_collection("c", Schema::from_json(text).unwrap()).unwrap();
    for first in [0, 10] {
        insert(&collection, first..first + 10);
        collection.flush().unwrap();
    }
    collection
}

/// While a drop waits for its turn, and fails then, a compaction that gives up for it must leave the files alone: the
/// manifest names them still.
#[test]
fn a_drop_that_fails_takes_no_files_with_it() {
    let disk = FaultDisk::new();
    let database = open(&disk, false);
    let collection = two_segments(&database);
    // So that the compaction asks whether to go on before it wants the lock that is held below.
    let request = IndexRequest {
        field: "v",
        description: r#"{"index_type":"FLAT","metric_type":"L2"}"#,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    collection.create_index(&request, None).unwrap();
    let core = &collection.core;
    let (started, go_on) = (mpsc::channel(), mpsc::channel());
    std::thread::scope(|scope| {
        let compaction = scope.spawn(|| {
            let (started, go_on) = (started.0, std::sync::Mutex::new(go_on.1));
            let first = AtomicBool::new(true);
            collection.compact(
                true,
                Some(&|_, _| {
                    if first.swap(false, Ordering::SeqCst) {
                        started.send(()).unwrap();
                        go_on.lock().unwrap().recv().unwrap();
                    }
                    true
                }),
            )
        });
        started.1.recv().unwrap();
        let maintenance = core.maintenance.lock();
        let drop_it = scope.spawn(|| database.drop_collection("c"));
        while !core.dropped.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        go_on.0.send(()).unwrap();
        assert_eq!(compaction.join().unwrap().unwrap_err().code(), Code::Closed);
        disk.fail_at(disk.operations(), Fault::Always(ErrorKind::StorageFull));
        drop(maintenance);
        assert_eq!(drop_it.join().unwrap().unwrap_err().code(), Code::DiskFull);
    });
    disk.heal();
    assert_eq!(collection.count().unwrap(), 20);
    collection.release().unwrap();
    collection.load().unwrap();
    drop((collection, database));
    assert_eq!(open(&disk, false).collection("c").unwrap().count().unwrap(), 20);
}

/// Two searches of a read-only database find a file gone, and one of them has read the next manifest for both.
#[test]
fn what_another_thread_has_caught_up_with_counts() {
    let disk = FaultDisk::new();
    let writer = open(&disk, false);
    let written = two_segments(&writer);
    let reader = open(&disk, true);
    let read = reader.collection("c").unwrap();
    written.compact(true, None).unwrap();
    let reads = AtomicU64::new(0);
    let segments = read.core.on_snapshot(|snapshot| {
        if reads.fetch_add(1, Ordering::SeqCst) == 0 {
            assert!(read.core.catch_up().unwrap(), "as another thread would");
            return Err(Error::corrupt("a file is missing"));
        }
        Ok(snapshot.sealed.len())
    });
    assert_eq!((segments.unwrap(), reads.into_inner()), (1, 2));
    // What is missing in the newest manifest too is told.
    let missing = || Err::<(), _>(Error::corrupt("a file is missing"));
    assert_eq!(read.core.on_snapshot(|_| missing()).unwrap_err().code(), Code::Corrupt);
}
