//! Read-only databases beside a writer: what they see, when, and that files that go do not harm them.

use crate::support::*;
use elanus::collection::{Collection, IndexRequest, OnConflict};
use elanus::database::{Database, Options};
use elanus::error::Code;
use elanus::storage::fault::FaultDisk;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

const DIM: usize = 4;

fn open_on(disk: &FaultDisk, read_only: bool) -> Database {
    let options = Options { read_only, auto_compaction: false, ..options() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn insert(collection: &Collection, ids: std::ops::Range<i64>) {
    insert_random(collection, &mut Random(1), ids, DIM);
}

fn index(collection: &Collection) {
    let description = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
    let on_conflict = OnConflict::Replace;
    let request = IndexRequest { field: "v", description, name: None, on_conflict, wait: true };
    collection.create_index(&request, None).unwrap();
}

#[test]
fn a_refresh_brings_everything() {
    let disk = FaultDisk::new();
    let writer = open_on(&disk, false);
    let written = writer.create_collection("c", schema(DIM, false)).unwrap();
    insert(&written, 0..100);
    let reader = open_on(&disk, true);
    let read = reader.collection("c").unwrap();
    let operations = disk.operations();
    assert_eq!(all_ids(&read, DIM).len(), 100);

    // From the log.
    insert(&written, 100..120);
    written.delete(&keys(&[3])).unwrap();
    assert_eq!(all_ids(&read, DIM).len(), 100, "not before it is asked to");
    reader.refresh().unwrap();
    assert_eq!(all_ids(&read, DIM), all_ids(&written, DIM));
    // From the manifest: segments, deletes, an index.
    index(&written);
    written.delete(&keys(&[5])).unwrap();
    written.flush().unwrap();
    written.delete(&keys(&[6])).unwrap();
    reader.refresh().unwrap();
    assert_eq!(all_ids(&read, DIM), all_ids(&written, DIM));
    assert_eq!((read.count().unwrap(), read.list_indexes().unwrap()), (117, vec!["v".to_owned()]));
    // What was open stays open.
    read.load().unwrap();
    let mapped = |collection: &Collection| collection.statistics().unwrap()["mapped_bytes"].as_u64().unwrap();
    let before = mapped(&read);
    written.delete(&keys(&[7])).unwrap();
    reader.refresh().unwrap();
    assert!(before > 0 && mapped(&read) == before);
    // Collections.
    let other = writer.create_collection("other", schema(DIM, false)).unwrap();
    insert(&other, 0..5);
    writer.rename_collection("c", "d").unwrap();
    reader.refresh().unwrap();
    assert_eq!(
        (read.name().unwrap(), reader.collections().unwrap()),
        ("d".into(), vec!["d".into(), "other".into()])
    );
    let read_other = reader.collection("other").unwrap();
    assert_eq!(all_ids(&read_other, DIM).len(), 5);
    writer.drop_collection("other").unwrap();
    reader.refresh().unwrap();
    assert_eq!(read_other.count().unwrap_err().code(), Code::Closed);
    assert_eq!(reader.collections().unwrap(), ["d"]);
    // A writer has nothing to learn.
    writer.refresh().unwrap();
    assert_eq!(all_ids(&written, DIM).len(), 116);
    assert!(disk.operations() > operations);
    let operations = disk.operations();
    reader.refresh().unwrap();
    assert_eq!(disk.operations(), operations, "a reader writes nothing");
    reader.close().unwrap();
    assert_eq!(reader.refresh().unwrap_err().code(), Code::Closed);
}

/// The writer removes files that the reader has not opened yet: the reader looks again, unasked.
#[test]
fn files_that_went_are_looked_for_in_the_next_manifest() {
    let disk = FaultDisk::new();
    let writer = open_on(&disk, false);
    let written = writer.create_collection("c", schema(DIM, false)).unwrap();
    for part in 0..3 {
        insert(&written, part * 100..part * 100 + 100);
        written.flush().unwrap();
    }
    index(&written);
    let reader = open_on(&disk, true);
    let read = reader.collection("c").unwrap();
    written.delete(&keys(&[5])).unwrap();
    written.compact(true, None).unwrap();
    assert_eq!(all_ids(&read, DIM), all_ids(&written, DIM));
    read.release().unwrap();
    written.drop_index("v").unwrap();
    insert(&written, 500..501);
    written.compact(true, None).unwrap();
    read.load().unwrap();
    assert_eq!(all_ids(&read, DIM), all_ids(&written, DIM));
    // A file that no manifest has taken out is missed.
    let broken = open_on(&disk, true);
    let collection = broken.collection("c").unwrap();
    let segment = collection.statistics().unwrap()["segments"][0]["segment_id"].clone();
    let id = collection.describe().unwrap()["collection_id"].clone();
    disk.tamper(Path::new(&format!("/db/collections/{id}/segments/{segment}/data.arrow")), b"nothing");
    assert_eq!(collection.load().unwrap_err().code(), Code::Corrupt);
    // A dropped collection says so.
    let reader = open_on(&disk, true);
    let read = reader.collection("c").unwrap();
    writer.drop_collection("c").unwrap();
    assert_eq!(read.load().unwrap_err().code(), Code::Closed);
}

#[test]
fn a_reader_refreshes_by_itself() {
    let disk = FaultDisk::new();
    let writer = open_on(&disk, false);
    let written = writer.create_collection("c", schema(DIM, false)).unwrap();
    let of = |refresh_ms| {
        let options = Options { read_only: true, refresh_ms, ..options() };
        Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
    };
    let (reader, still) = (of(3), of(0));
    let read = reader.collection("c").unwrap();
    insert(&written, 0..30);
    wait_for("a refresh", || read.count().unwrap() == 30);
    written.flush().unwrap();
    written.delete(&keys(&[3])).unwrap();
    wait_for("a refresh", || all_ids(&read, DIM) == all_ids(&written, DIM));
    // What cannot be read changes nothing, and is tried again.
    disk.fail_reads(Some(ErrorKind::PermissionDenied));
    writer.rename_collection("c", "d").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(reader.refresh().unwrap_err().code(), Code::Io);
    assert_eq!((reader.collections().unwrap(), read.count().unwrap()), (vec!["c".to_owned()], 29));
    disk.fail_reads(None);
    wait_for("a refresh", || reader.collections().unwrap() == ["d"]);
    writer.drop_collection("d").unwrap();
    wait_for("a refresh", || read.count().is_err_and(|error| error.code() == Code::Closed));
    assert_eq!(still.collection("c").unwrap().count().unwrap(), 0, "not unless it is asked to");
    reader.close().unwrap();
}

/// On a real disk, a reader follows a writer that compacts all the time: what was acknowledged before a refresh is there
/// after it, and each row once.
#[test]
fn a_reader_follows_a_busy_writer() {
    let root = tempfile::tempdir().unwrap();
    let open = |read_only| {
        let options = Options { read_only, index_min_rows: 20, ..options() };
        Database::open(root.path(), options).unwrap()
    };
    let writer = open(false);
    let written = writer.create_collection("c", schema(DIM, false)).unwrap();
    index(&written);
    let (acknowledged, ended) = (AtomicI64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let reader = open(true);
            let read = reader.collection("c").unwrap();
            let mut rounds = 0;
            while !ended.load(Ordering::SeqCst) {
                let least = acknowledged.load(Ordering::SeqCst);
                reader.refresh().unwrap();
                if rounds % 3 == 0 {
                    read.release().unwrap();
                    read.load().unwrap();
                }
                let ids = all_ids(&read, DIM);
                assert!(ids.len() as i64 >= least, "{} of {least}", ids.len());
                assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "a row twice");
                rounds += 1;
            }
            rounds
        });
        for batch in 0..60 {
            insert(&written, batch * 20..batch * 20 + 20);
            acknowledged.fetch_add(20, Ordering::SeqCst);
            match batch % 5 {
                4 => written.compact(true, None).unwrap(),
                _ => written.flush().unwrap(),
            }
        }
        ended.store(true, Ordering::SeqCst);
        assert!(reading.join().unwrap() > 3);
    });
}
