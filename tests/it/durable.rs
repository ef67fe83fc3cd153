//! What stays on the disk: sealing, reopening, locks, formats, and files whose bytes have changed.

use crate::support::*;
use elanus::collection::{Collection, IndexRequest, OnConflict};
use elanus::database::{Database, Durability, Options};
use elanus::error::{Code, Error};
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIM: usize = 4;

fn open_on(disk: &FaultDisk, options: Options) -> Result<Database, Error> {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
}

fn one_thread() -> Options {
    Options { threads: 1, ..options() }
}

/// Paths of all files.
fn files(disk: &FaultDisk) -> Vec<PathBuf> {
    let (mut found, mut dirs) = (Vec::new(), vec![PathBuf::from("/db")]);
    while let Some(dir) = dirs.pop() {
        match disk.list(&dir) {
            Ok(names) => dirs.extend(names.iter().map(|name| dir.join(name))),
            Err(_) => found.push(dir),
        }
    }
    found.sort();
    found
}

#[test]
fn growing_rows_seal_by_size() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_size_mb: 1, ..options() };
    let database = Database::open(dir.path(), options.clone()).unwrap();
    let collection = database.create_collection("c", schema(64, false)).unwrap();
    insert_random(&collection, &mut Random(3), 0..10_000, 64);
    let statistics = collection.statistics().unwrap();
    let sealed = statistics["sealed_segments"].as_u64().unwrap();
    assert!((2..=4).contains(&sealed), "{statistics}");
    assert_eq!(statistics["row_count"], 10_000);
    assert!(statistics["growing_bytes"].as_u64().unwrap() < 2 << 20, "{statistics}");
    assert!(statistics["disk_bytes"].as_u64().unwrap() < 5 << 20, "the old log is gone: {statistics}");
    let query = vec![0.1; 64];
    let before = search(&collection, &query, 20);
    drop(database);
    let database = Database::open(dir.path(), options).unwrap();
    let after = search(&database.collection("c").unwrap(), &query, 20);
    assert_eq!((before.ids.as_ref(), before.scores), (after.ids.as_ref(), after.scores));
}

#[test]
fn a_log_is_enough() {
    for durability in [Durability::Sync, Durability::Async] {
        let disk = FaultDisk::new();
        let options = Options { durability, ..one_thread() };
        let database = open_on(&disk, options.clone()).unwrap();
        let collection = database.create_collection("c", schema(DIM, false)).unwrap();
        insert_random(&collection, &mut Random(3), 0..100, DIM);
        collection.delete(&keys(&[5, 50])).unwrap();
        let before = search(&collection, &[0.0; DIM], 100);
        drop(database);
        let collection = open_on(&disk, options).unwrap().collection("c").unwrap();
        drop(collection);
        let database = open_on(&disk, one_thread()).unwrap();
        let after = search(&database.collection("c").unwrap(), &[0.0; DIM], 100);
        assert_eq!((after.ids.len(), after.ids.as_ref()), (98, before.ids.as_ref()));
    }
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Database::open(dir.path(), options()).err().unwrap();
    assert_eq!(error.code(), Code::Locked);
    assert!(error.message().contains(&std::process::id().to_string()), "{error}");
    assert!(Database::open(dir.path(), Options { read_only: true, ..options() }).is_ok());
    first.close().unwrap();
    assert!(Database::open(dir.path(), options()).is_ok());
}

#[test]
fn paths_that_are_no_database() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "hello").unwrap();
    assert_eq!(Database::open(&file, options()).err().unwrap().code(), Code::Io);
    let none = dir.path().join("none");
    let error = Database::open(&none, Options { create_if_missing: false, ..options() }).err().unwrap();
    assert!(error.code() == Code::Io && error.message().contains("no database in"), "{error}");
    assert!(!none.exists());
    assert!(Database::open(&none.join("deep"), options()).is_ok());
}

#[test]
fn a_lost_manifest_is_no_empty_database() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).create_collection("c", schema(DIM, false)).unwrap();
    std::fs::remove_file(dir.path().join("MANIFEST")).unwrap();
    assert_eq!(Database::open(dir.path(), options()).err().unwrap().code(), Code::Corrupt);
    assert!(dir.path().join("collections/1").exists(), "nothing was removed");
}

#[test]
fn leftovers_are_removed_and_strangers_stay() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, one_thread()).unwrap();
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(3), 0..60, DIM);
    collection.flush().unwrap();
    drop(database);
    let segment = Path::new("/db/collections/1/segments/2");
    assert!(disk.exists(segment).unwrap());
    for orphan in ["/db/collections/9", "/db/collections/1/segments/77"] {
        disk.create_dir_all(Path::new(orphan)).unwrap();
    }
    disk.tamper(&segment.join("index-5.bin"), b"half an index");
    drop(open_on(&disk, one_thread()).unwrap());
    assert_eq!(disk.list(Path::new("/db/collections")).unwrap(), ["1"]);
    assert_eq!(disk.list(Path::new("/db/collections/1/segments")).unwrap(), ["2"]);
    assert_eq!(disk.list(segment).unwrap(), ["data.arrow", "data.arrow.crc"]);
}

/// A small database with every kind of file, and what a search of it tells.
fn small(index: &str) -> FaultDisk {
    let disk = FaultDisk::new();
    let options = Options { index_min_rows: 10, ..one_thread() };
    let database = open_on(&disk, options).unwrap();
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    insert_random(&collection, &mut Random(3), 0..16, DIM);
    collection.flush().unwrap();
    collection.delete(&keys(&[3, 7])).unwrap();
    let on_conflict = OnConflict::Replace;
    let request = IndexRequest { field: "v", description: index, name: None, on_conflict, wait: true };
    collection.create_index(&request, None).unwrap();
    insert_random(&collection, &mut Random(4), 100..104, DIM);
    collection.delete(&keys(&[101])).unwrap();
    database.close().unwrap();
    disk
}

/// Keys, scores and texts of the hits.
type Answer = (Vec<i64>, Vec<f32>, Vec<String>);

/// Opens without writing, and searches.
fn answer(disk: &FaultDisk) -> Result<Answer, Error> {
    let database = open_on(disk, Options { read_only: true, ..one_thread() })?;
    let collection: Collection = database.collection("c")?;
    let mut options = search_options(50);
    options.output_fields = vec!["text"];
    let query = elanus::collection::Queries::Float(&[0.0; DIM]);
    let result = collection.search("v", query, 1, &options)?;
    Ok((ids_of(&result.ids), result.scores, texts(result.columns.column(0))))
}

#[test]
fn changed_bytes_are_errors_and_never_wrong_answers() {
    let flat = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
    let ivf = r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":2}}"#;
    let hnsw = r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":4,"efConstruction":8}}"#;
    let (mut flips, mut unchanged) = (0, 0);
    for (number, index) in [flat, ivf, hnsw].into_iter().enumerate() {
        let disk = small(index);
        let good = answer(&disk).unwrap();
        assert_eq!(good.0.len(), 17);
        for path in files(&disk) {
            let bytes = disk.read(&path).unwrap();
            // Files that do not differ by the kind of index are looked at once.
            if number > 0 && !path.to_string_lossy().contains("index-") {
                continue;
            }
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                disk.tamper(&path, &changed);
                check(&disk, &good, &mut unchanged, &format!("{} byte {at}", path.display()));
                flips += 1;
            }
            for cut in [0, 1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                disk.tamper(&path, &bytes[..cut.min(bytes.len())]);
                check(&disk, &good, &mut unchanged, &format!("{} cut at {cut}", path.display()));
                disk.tamper(&path, &vec![0; bytes.len()]);
                check(&disk, &good, &mut unchanged, &format!("{} zeroed", path.display()));
            }
            disk.tamper(&path, &bytes);
        }
        assert_eq!(answer(&disk).unwrap(), good);
    }
    println!("{flips} bytes flipped, {unchanged} answers unchanged, the others errors");
}

fn check(disk: &FaultDisk, good: &Answer, unchanged: &mut usize, what: &str) {
    match answer(disk) {
        Ok(found) => {
            assert_eq!(&found, good, "{what}");
            *unchanged += 1;
        }
        Err(error) => {
            let known = [Code::Corrupt, Code::FormatTooNew, Code::Io];
            assert!(known.contains(&error.code()), "{what}: {:?} {error}", error.code());
        }
    }
}
