//! Exports that a process, a disk or the power ends at any operation: no file has its name before it is whole, and the next
//! export of the same name gets through.

use super::*;
use crate::support::batch;
use elanus::database::Options;
use elanus::storage::fault::{Cut, Fault, FaultDisk};
use elanus::storage::vfs::Vfs;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};

const DATA: &str = "/out/rows.jsonl";
const BESIDE: &str = "/out/rows.schema.json";

fn open_on(disk: &FaultDisk) -> Database {
    let options = Options { auto_compaction: false, ..options() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

/// A disk with a collection of three rows and a folder for exports.
fn prepared() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.create_dir_all(Path::new("/out")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let db = open_on(&disk);
    let collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    collection.insert(batch(&[1, 2, 3], &vec![vec![0.5, 1.0]; 3])).unwrap();
    collection.flush().unwrap();
    disk
}

/// The lengths of both files, of those that are there.
fn there(disk: &FaultDisk) -> (Option<u64>, Option<u64>) {
    (disk.len(Path::new(DATA)).ok(), disk.len(Path::new(BESIDE)).ok())
}

/// What an export that nothing disturbs writes.
fn whole() -> (Option<u64>, Option<u64>) {
    let disk = prepared();
    assert_eq!(export(&open_on(&disk).collection("a").unwrap(), Path::new(DATA)), 3);
    let written = there(&disk);
    assert!(written.0 > Some(0) && written.1 > Some(0));
    written
}

/// Looks at what is left, and exports again unless the first one was complete.
fn check(disk: &FaultDisk, what: &str) {
    let (data, beside) = there(disk);
    let whole = whole();
    assert!(data.is_none() || (data, beside) == whole, "{what}: rows without a schema, or half of them");
    assert!(beside.is_none() || beside == whole.1, "{what}: half of a schema");
    if data.is_none() {
        let db = open_on(disk);
        assert_eq!(export(&db.collection("a").unwrap(), Path::new(DATA)), 3, "{what}");
    }
    assert_eq!(there(disk), whole, "{what}");
    assert_eq!(disk.list(Path::new("/out")).unwrap().len(), 2, "{what}: something else is left");
}

/// Runs an export whose operation number `stop` fails; whether there was such an operation.
fn run(stop: u64, fault: Fault, look: impl Fn(&FaultDisk, bool)) -> bool {
    let disk = prepared();
    let db = open_on(&disk);
    let collection = db.collection("a").unwrap();
    let first = disk.operations();
    disk.fail_at(first + stop, fault);
    let outcome = collection.export(Path::new(DATA), &ExportOptions::default());
    let reached = disk.operations() > first + stop;
    assert!(outcome.is_ok() || reached);
    drop((collection, db));
    look(&disk, outcome.is_ok());
    reached
}

#[test]
fn the_process_dies_at_any_operation() {
    let orphans = AtomicU64::new(0);
    let killed = |disk: &FaultDisk, stop| {
        disk.heal();
        let (data, beside) = there(disk);
        orphans.fetch_add(u64::from(data.is_none() && beside.is_some()), Ordering::Relaxed);
        check(disk, &format!("killed at {stop}"));
    };
    let operations =
        (0..).take_while(|&stop| run(stop, Fault::PowerOff, |disk, _| killed(disk, stop))).count();
    assert!(operations > 6, "{operations}");
    assert!(orphans.into_inner() > 0, "a schema that has its name before the rows have theirs");
}

#[test]
fn the_power_goes_at_any_operation() {
    let cut = |disk: &FaultDisk, stop| {
        for cut in Cut::ALL {
            for seed in 0..4 {
                check(&disk.power_cut(cut, seed), &format!("{cut:?} at {stop}, {seed}"));
            }
        }
    };
    assert!((0..).take_while(|&stop| run(stop, Fault::PowerOff, |disk, _| cut(disk, stop))).count() > 6);
}

#[test]
fn the_disk_fails_at_any_operation() {
    let full = ErrorKind::StorageFull;
    for (fault, leftovers) in [(Fault::Once(full), 0), (Fault::Always(full), 2)] {
        let failed = |disk: &FaultDisk, done: bool, stop| {
            if !done {
                // Where nothing can be removed either, something partial stays.
                let names = disk.list(Path::new("/out")).unwrap();
                assert!(names.len() <= leftovers, "{fault:?} at {stop}: {names:?}");
                let of_its_name = names.iter().filter(|name| !name.ends_with(".partial")).count();
                assert!(of_its_name == 0 || leftovers > 0, "{fault:?} at {stop}: {names:?}");
            }
            disk.heal();
            check(disk, &format!("{fault:?} at {stop}"));
        };
        assert!(
            (0..).take_while(|&stop| run(stop, fault, |disk, done| failed(disk, done, stop))).count() > 6
        );
    }
}
