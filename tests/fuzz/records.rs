//! Any bytes as the records of a collection's log, and any damage to good ones of every kind (inserts into partitions,
//! upserts, deletes, rows from before and after a field was added), behind right checksums: the database is refused, or
//! opens, answers, seals what the log has, and opens again with the same rows.
#![no_main]

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray};
use elanus::Result;
use elanus::collection::{Collection, QueryOptions};
use elanus::database::{Database, Options};
use elanus::schema::{Field, Schema, float_item};
use elanus::storage::fault::{Cut, FaultDisk};
use elanus::storage::vfs::Vfs;
use elanus::storage::wal::{self, Wal};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

#[derive(Arbitrary, Debug)]
enum Damage {
    Byte { record: u8, at: u16, value: u8 },
    Word { record: u8, at: u16, value: u32 },
    Cut { record: u8, len: u16 },
    Replace { record: u8, bytes: Vec<u8> },
    Repeat { record: u8 },
    Remove { record: u8 },
}

/// A database with a log, where that is, and its records.
struct Good {
    disk: FaultDisk,
    dir: PathBuf,
    records: Vec<Vec<u8>>,
}

fn open(disk: &FaultDisk) -> Result<Database> {
    let options = Options { auto_compaction: false, threads: 1, ..Options::default() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
}

fn rows(keys: std::ops::Range<i64>) -> RecordBatch {
    let count = keys.clone().count();
    let floats = Arc::new(Float32Array::from_iter_values((0..2 * count).map(|n| n as f32)));
    let text = |key: i64| (key % 3 > 0).then(|| format!("t{key}"));
    let json = |key: i64| format!(r#"{{"k":{key}}}"#);
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(keys.clone()))),
        ("t", Arc::new(StringArray::from_iter(keys.clone().map(text)))),
        ("j", Arc::new(StringArray::from_iter_values(keys.map(json)))),
        ("v", Arc::new(FixedSizeListArray::new(float_item(), 2, floats, None))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let disk = FaultDisk::new();
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    let database = open(&disk).unwrap();
    let schema = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"t","data_type":"VarChar","max_length":9,"nullable":true},{"name":"j","data_type":"JSON"},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#;
    let collection = database.create_collection("c", Schema::from_json(schema).unwrap()).unwrap();
    collection.create_partition("p").unwrap();
    collection.insert(rows(0..9)).unwrap();
    collection.insert_into("p", rows(5..12)).unwrap();
    let keys = |keys: &[i64]| Arc::new(Int64Array::from(keys.to_vec())) as ArrayRef;
    collection.delete(&keys(&[1, 2, 77])).unwrap();
    collection.delete_from("p", &keys(&[6])).unwrap();
    let added = r#"{"name":"x","data_type":"Int32","nullable":true}"#;
    collection.add_field(Field::from_json(added).unwrap()).unwrap();
    collection.upsert(rows(3..6)).unwrap();
    collection.upsert_into("p", rows(7..9)).unwrap();
    drop((collection, database));
    let collections = Path::new("/db/collections");
    let dir = collections.join(vfs.list(collections).unwrap().pop().unwrap());
    let mut records = Vec::new();
    let mut keep = |_, record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    wal::replay(&vfs, &dir, 1, &mut keep).unwrap();
    assert_eq!(records.len(), 6);
    Good { disk, dir, records }
});

impl Damage {
    fn apply(&self, records: &mut Vec<Vec<u8>>) {
        let (Damage::Byte { record, .. }
        | Damage::Word { record, .. }
        | Damage::Cut { record, .. }
        | Damage::Replace { record, .. }
        | Damage::Repeat { record }
        | Damage::Remove { record }) = self;
        if records.is_empty() {
            return;
        }
        let place = usize::from(*record) % records.len();
        let bytes = &mut records[place];
        match self {
            Damage::Byte { at, value, .. } if !bytes.is_empty() => {
                let len = bytes.len();
                bytes[usize::from(*at) % len] = *value;
            }
            Damage::Word { at, value, .. } if bytes.len() >= 4 => {
                let at = usize::from(*at) % (bytes.len() / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            Damage::Cut { len, .. } => bytes.truncate(usize::from(*len)),
            Damage::Replace { bytes: new, .. } => bytes.clone_from(new),
            Damage::Repeat { .. } => {
                let again = bytes.clone();
                records.push(again);
            }
            Damage::Remove { .. } => drop(records.remove(place)),
            _ => {}
        }
    }
}

fn keys(collection: &Collection) -> Vec<i64> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    let options = QueryOptions { output_fields: vec!["*"], limit: Some(16384), ..QueryOptions::default() };
    let found = collection.query("", &options).unwrap();
    found.ids.as_primitive::<Int64Type>().values().to_vec()
}

fuzz_target!(|damage: Vec<Damage>| {
    let mut records = GOOD.records.clone();
    damage.iter().for_each(|damage| damage.apply(&mut records));
    let disk = GOOD.disk.power_cut(Cut::Kept, 0);
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    for name in vfs.list(&GOOD.dir).unwrap().iter().filter(|name| name.starts_with("wal-")) {
        vfs.remove_file(&GOOD.dir.join(name)).unwrap();
    }
    let mut log = Wal::open(&vfs, &GOOD.dir, 1, &mut |_, _| Ok(())).unwrap().0;
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    log.append(&slices, true).unwrap();
    log.close().unwrap();
    let Ok(database) = open(&disk) else { return };
    let collection = database.collection("c").unwrap();
    let (count, found) = (collection.count().unwrap(), keys(&collection));
    assert!(found.len() as u64 <= count);
    collection.flush().unwrap();
    assert_eq!((collection.count().unwrap(), keys(&collection)), (count, found.clone()));
    drop((collection, database));
    let database = open(&disk).unwrap();
    let collection = database.collection("c").unwrap();
    assert_eq!((collection.count().unwrap(), keys(&collection)), (count, found));
});
