//! Upsert: rows take the place of those of their keys, as one step for every reader and across every crash.

use crate::support::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use elanus::collection::{Collection, QueryOptions};
use elanus::database::{Database, Options};
use elanus::error::Code;
use elanus::schema::Schema;
use elanus::storage::fault::{Cut, FaultDisk};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `id` Int64 (primary), `n` Int64, `v` of one dimension.
fn numbered() -> Schema {
    Schema::from_json(
        r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"n","data_type":"Int64"},
        {"name":"v","data_type":"FloatVector","dim":1}]}"#,
    )
    .unwrap()
}

fn rows(ids: &[i64], n: i64) -> RecordBatch {
    let points: Vec<Vec<f32>> = ids.iter().map(|&id| vec![(id * 1000 + n) as f32]).collect();
    RecordBatch::try_from_iter([("id", keys(ids)), ("n", keys(&vec![n; ids.len()])), ("v", vectors(&points))])
        .unwrap()
}

fn open_on(disk: &FaultDisk) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap()
}

/// Keys and numbers of all rows, one a key.
fn all(collection: &Collection) -> Vec<(i64, i64)> {
    let options = QueryOptions { output_fields: vec!["n"], ..QueryOptions::default() };
    let found = collection.query("id >= 0", &options).unwrap();
    let numbers = found.columns.column(0).as_primitive::<Int64Type>().values().to_vec();
    ids_of(&found.ids).into_iter().zip(numbers).collect()
}

#[test]
fn rows_are_replaced_wherever_they_are() {
    let disk = FaultDisk::new();
    let database = open_on(&disk);
    let collection = database.create_collection("c", numbered()).unwrap();
    let upsert = |ids: &[i64], n| {
        let done = collection.upsert(rows(ids, n)).unwrap();
        assert_eq!((done.count, ids_of(&done.ids)), (ids.len() as u64, ids.to_vec()));
    };
    upsert(&[1, 2, 3], 10);
    assert_eq!(all(&collection), [(1, 10), (2, 10), (3, 10)]);
    upsert(&[3, 4], 20);
    collection.flush().unwrap();
    // In a segment, in the growing rows, and nowhere.
    upsert(&[2], 30);
    upsert(&[2, 3, 9], 40);
    let expected = [(1, 10), (2, 40), (3, 40), (4, 20), (9, 40)];
    assert_eq!(all(&collection), expected);
    assert_eq!(collection.count().unwrap(), 5);
    // The vectors are the new ones, too.
    let hits = search(&collection, &[2040.0], 1);
    assert_eq!((ids_of(&hits.ids), hits.scores), (vec![2], vec![0.0]));
    assert!(search(&collection, &[2030.0], 1).scores[0] > 0.0);
    // Rows that share a key all go for one.
    collection.insert(rows(&[7, 7, 7], 50)).unwrap();
    upsert(&[7], 60);
    assert_eq!(collection.count_matching("id == 7", "").unwrap(), 1);
    // A key that the batch repeats comes in as often, as in Milvus; a query shows the last.
    upsert(&[7, 7], 70);
    assert_eq!(collection.count_matching("id == 7", "").unwrap(), 2);
    upsert(&[7], 80);
    assert_eq!(collection.count_matching("id == 7 and n == 80", "").unwrap(), 1);
    let expected = [expected.to_vec(), vec![(7, 80)]].concat();
    let sorted = |mut rows: Vec<(i64, i64)>| {
        rows.sort_unstable();
        rows
    };
    assert_eq!(all(&collection), sorted(expected.clone()));
    // After a power cut, and after a compaction.
    let disk = disk.power_cut(Cut::Lost, 1);
    let database = open_on(&disk);
    let collection = database.collection("c").unwrap();
    assert_eq!(all(&collection), sorted(expected.clone()));
    collection.compact(true, None).unwrap();
    assert_eq!(all(&collection), sorted(expected));
    assert_eq!(collection.statistics().unwrap()["deleted_rows"], 0);
}

#[test]
fn what_is_refused_changes_nothing() {
    let disk = FaultDisk::new();
    let database = open_on(&disk);
    let automatic = database.create_collection("auto", schema(2, true)).unwrap();
    let error = automatic.upsert(batch(&[1], &[vec![0.0, 1.0]])).err().unwrap();
    assert_eq!(error.code(), Code::InvalidParameter);
    assert_eq!(error.message(), "upsert can not assign primary field data when auto id enabled id");
    let collection = database.create_collection("c", schema(2, false)).unwrap();
    collection.insert(batch(&[1], &[vec![0.0, 1.0]])).unwrap();
    let error = collection.upsert(batch(&[1], &[vec![f32::NAN, 1.0]])).err().unwrap();
    assert!(error.message().contains("value 'NaN' is not a number"), "{error}");
    let without_key = batch(&[1], &[vec![0.0, 1.0]]).project(&[1, 2]).unwrap();
    assert_eq!(collection.upsert(without_key).err().unwrap().code(), Code::MissingParameter);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(101)]));
    let long =
        RecordBatch::try_from_iter([("id", keys(&[1])), ("text", text), ("v", vectors(&[vec![0.0, 1.0]]))]);
    assert!(collection.upsert(long.unwrap()).is_err());
    let error = collection.upsert_into("nope", batch(&[1], &[vec![0.0, 1.0]])).err().unwrap();
    assert_eq!(error.code(), Code::PartitionNotFound);
    assert_eq!(error.message(), "partition not found[partition=nope]");
    assert_eq!(all_ids(&collection, 2), [1]);
    // A segment that cannot be read: the old row may be in it, so the new one must not come in.
    collection.flush().unwrap();
    collection.release().unwrap();
    let segment = collection.statistics().unwrap()["segments"][0]["segment_id"].clone();
    let id = collection.describe().unwrap()["collection_id"].clone();
    let path = format!("/db/collections/{id}/segments/{segment}/data.arrow");
    let good = disk.read(Path::new(&path)).unwrap();
    disk.tamper(Path::new(&path), b"nothing");
    assert_eq!(collection.upsert(batch(&[1], &[vec![5.0, 1.0]])).err().unwrap().code(), Code::Corrupt);
    disk.tamper(Path::new(&path), &good);
    collection.load().unwrap();
    assert_eq!((collection.count().unwrap(), all_ids(&collection, 2)), (1, vec![1]));
    let read_only = Options { read_only: true, ..options() };
    let reader = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), read_only).unwrap();
    let error = reader.collection("c").unwrap().upsert(batch(&[1], &[vec![0.0, 1.0]])).err().unwrap();
    assert_eq!(error.code(), Code::ReadOnly);
}

use elanus::storage::vfs::Vfs;

#[test]
fn readers_never_see_a_row_missing_or_twice() {
    const KEYS: i64 = 40;
    let disk = FaultDisk::new();
    let database = open_on(&disk);
    let collection = database.create_collection("c", numbered()).unwrap();
    let ids: Vec<i64> = (0..KEYS).collect();
    collection.upsert(rows(&ids, 0)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (collection, done) = (&collection, &done);
            scope.spawn(move || {
                let mut last = 0;
                let mut looks = 0;
                while !done.load(Ordering::Relaxed) || looks < 20 {
                    looks += 1;
                    if reader == 0 {
                        let rows = all(collection);
                        assert_eq!(rows.len(), KEYS as usize);
                        let n = rows[0].1;
                        assert!(rows.iter().all(|row| row.1 == n), "half of an upsert: {rows:?}");
                        assert!(n >= last);
                        last = n;
                    } else {
                        assert_eq!(collection.count_matching("", "").unwrap(), KEYS as u64);
                        assert_eq!(search(collection, &[0.0], 1000).ids.len(), KEYS as usize);
                    }
                }
            });
        }
        for n in 1..150 {
            collection.upsert(rows(&ids, n)).unwrap();
            if n % 40 == 0 {
                collection.flush().unwrap();
            }
            if n % 100 == 0 {
                collection.compact(true, None).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(all(&collection), ids.iter().map(|&id| (id, 149)).collect::<Vec<_>>());
}
