//! Exports of some partitions and of released ones: what is written, what is refused, and that nothing is loaded for it.

use super::*;
use crate::support::{batch, keys};
use elanus::Code;
use elanus::collection::LoadState;
use elanus::database::Options;
use elanus::schema::Field;
use std::fs;

fn rows_of(ids: std::ops::Range<i64>) -> RecordBatch {
    let ids: Vec<i64> = ids.collect();
    batch(&ids, &vec![vec![0.5, 1.0]; ids.len()])
}

/// Keys 0 to 100 in the default partition, 100 to 300 in `p`, 300 to 330 in `q`; a third of each is not sealed.
fn three_partitions(db: &Database) -> Collection {
    let collection = db.create_collection("a", crate::support::schema(2, false)).unwrap();
    let parts = [("_default", 0, 100), ("p", 100, 300), ("q", 300, 330)];
    for (name, from, to) in parts {
        if name != "_default" {
            collection.create_partition(name).unwrap();
        }
        collection.insert_into(name, rows_of(from..from + (to - from) * 2 / 3)).unwrap();
    }
    collection.flush().unwrap();
    for (name, from, to) in parts {
        collection.insert_into(name, rows_of(from + (to - from) * 2 / 3..to)).unwrap();
    }
    collection.delete(&keys(&[5, 105, 305])).unwrap();
    collection
}

fn ids_in(db: &Database, path: &Path) -> Vec<i64> {
    let beside = path.with_extension("schema.json");
    let text = fs::read_to_string(&beside).unwrap();
    let copy = db.create_collection("copy", Schema::from_json(&text).unwrap()).unwrap();
    copy.import(&[path], &ImportOptions::default()).unwrap();
    let found = copy.query("id >= 0", &QueryOptions::default()).unwrap();
    db.drop_collection("copy").unwrap();
    fs::remove_file(path).unwrap();
    fs::remove_file(beside).unwrap();
    crate::support::ids_of(&found.ids)
}

fn of<'a>(names: &[&'a str]) -> ExportOptions<'a> {
    ExportOptions { partition_names: names.to_vec(), ..ExportOptions::default() }
}

#[test]
fn one_file_a_partition() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let collection = three_partitions(&db);
    let path = folder.path().join("part.parquet");
    let but = |range: std::ops::Range<i64>, gone: i64| range.filter(|&id| id != gone).collect::<Vec<_>>();
    let cases: [(&[&str], Vec<i64>); 4] = [
        (&["p"], but(100..300, 105)),
        (&["_default"], but(0..100, 5)),
        (&["q", "_default", "q"], [but(0..100, 5), but(300..330, 305)].concat()),
        (&[], [but(0..100, 5), but(100..300, 105), but(300..330, 305)].concat()),
    ];
    for (names, expected) in cases {
        assert_eq!(collection.export(&path, &of(names)).unwrap(), expected.len() as u64, "{names:?}");
        assert_eq!(ids_in(&db, &path), expected, "{names:?}");
    }
    let some = ExportOptions { filter: "id in [7, 107, 299, 307]", ..of(&["p"]) };
    assert_eq!(collection.export(&path, &some).unwrap(), 2);
    assert_eq!(ids_in(&db, &path), [107, 299]);

    // A collection goes over as a file a partition.
    let copy = db.create_collection("b", crate::support::schema(2, false)).unwrap();
    for name in ["_default", "p", "q"] {
        let path = folder.path().join(format!("{name}.jsonl"));
        collection.export(&path, &of(&[name])).unwrap();
        if name != "_default" {
            copy.create_partition(name).unwrap();
        }
        copy.import(&[&path], &ImportOptions { partition: Some(name), ..ImportOptions::default() }).unwrap();
        let count = |collection: &Collection| collection.count_matching_in(&[name], "", "").unwrap();
        assert_eq!(count(&copy), count(&collection), "{name}");
    }

    for (names, code) in [(["p", "nope"], Code::PartitionNotFound), (["", "p"], Code::PartitionNotFound)] {
        assert_eq!(collection.export(&path, &of(&names)).unwrap_err().code(), code);
    }
    let text = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"text","data_type":"VarChar","max_length":100,"is_partition_key":true},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#;
    let keyed = db.create_collection("keyed", Schema::from_json(text).unwrap()).unwrap();
    keyed.insert(rows_of(0..50)).unwrap();
    let error = keyed.export(&path, &of(&["_default_0"])).unwrap_err();
    assert_eq!(error.code(), Code::InvalidParameter);
    assert!(error.message().contains("if partition key mode is used"), "{error}");
    assert!(!path.exists() && !path.with_extension("schema.json").exists());
    let some = ExportOptions { filter: "text == 'row 7'", ..ExportOptions::default() };
    assert_eq!(keyed.export(&path, &some).unwrap(), 1);
}

/// What is released is exported all the same, in no memory that counts, with fields that its files lack, and stays released.
#[test]
fn released_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let db = database(&path);
    let collection = three_partitions(&db);
    collection.flush().unwrap();
    let field = r#"{"name":"late","data_type":"VarChar","max_length":200,"default_value":"DEFAULT"}"#;
    let field = field.replace("DEFAULT", &"x".repeat(200));
    collection.add_field(Field::from_json(&field).unwrap()).unwrap();
    collection.release().unwrap();
    drop((collection, db));
    // Less than the values of the new field take.
    let db = Database::open(&path, Options { memory_limit: 20_000, ..options() }).unwrap();
    let collection = db.collection("a").unwrap();
    assert_eq!(collection.load().unwrap_err().code(), Code::MemoryLimit);
    let state = || collection.load_state(&[]).unwrap();
    let file = folder.path().join("all.parquet");
    for (filter, rows) in [("", 327), ("id % 2 == 0", 165), ("late like 'x%' and text != 'row 8'", 326)] {
        let options = ExportOptions { filter, ..ExportOptions::default() };
        assert_eq!(collection.export(&file, &options).unwrap(), rows, "{filter}");
        assert_eq!((state().state, state().loaded_bytes), (LoadState::NotLoad, 0));
        fs::remove_file(&file).unwrap();
    }
    let options = ExportOptions { filter: "late == 'x'", ..ExportOptions::default() };
    assert_eq!(collection.export(&file, &options).unwrap(), 0);
    fs::remove_file(&file).unwrap();
    assert_eq!(
        collection.query("id >= 0", &QueryOptions::default()).err().unwrap().code(),
        Code::CollectionNotLoaded
    );

    export(&collection, &file);
    drop(collection);
    db.drop_collection("a").unwrap();
    drop(db);
    let db = database(&path);
    let all: Vec<i64> = (0..330).filter(|id| ![5, 105, 305].contains(id)).collect();
    assert_eq!(ids_in(&db, &file), all);
}
