//! Arrays, nulls, default values and dynamic keys go out and come back, in every format; and as other writers have them.

use super::*;
use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use std::fs;

pub(super) const SCHEMA: &str = r#"{"enable_dynamic_field":true,"fields":[{"name":"id","data_type":"Int64","is_primary":true},
    {"name":"n","data_type":"Int32","nullable":true},{"name":"d","data_type":"VarChar","max_length":9,"default_value":"x"},
    {"name":"a","data_type":"Array","element_type":"Int32","max_capacity":5,"nullable":true},
    {"name":"s","data_type":"Array","element_type":"VarChar","max_capacity":5,"max_length":9},
    {"name":"v","data_type":"FloatVector","dim":2}]}"#;

pub(super) fn typed_rows(keys: std::ops::Range<i64>) -> RecordBatch {
    let (mut numbers, mut texts) =
        (ListBuilder::new(Int32Builder::new()), ListBuilder::new(StringBuilder::new()));
    for key in keys.clone() {
        (0..key % 4).for_each(|i| numbers.values().append_value((key * i) as i32));
        numbers.append(key % 5 != 0);
        (0..key % 3).for_each(|i| texts.values().append_value(format!("\"{i}\n")));
        texts.append(true);
    }
    let count = keys.clone().count();
    let columns: [(&str, ArrayRef); 8] = [
        ("id", Arc::new(Int64Array::from_iter_values(keys.clone()))),
        ("n", Arc::new(keys.clone().map(|key| (key % 2 == 0).then_some(key as i32)).collect::<Int32Array>())),
        (
            "d",
            Arc::new(
                keys.clone().map(|key| (key % 3 == 0).then(|| key.to_string())).collect::<StringArray>(),
            ),
        ),
        ("a", Arc::new(numbers.finish())),
        ("s", Arc::new(texts.finish())),
        ("v", vectors(&vec![vec![0.5, 1.0]; count])),
        (
            "$meta",
            Arc::new(
                keys.clone()
                    .map(|key| (key % 4 == 0).then(|| format!("{{\"own\":{key}}}")))
                    .collect::<StringArray>(),
            ),
        ),
        ("extra", Arc::new(keys.map(|key| (key % 7 == 0).then_some(key)).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

pub(super) fn whole(collection: &Collection) -> RecordBatch {
    let fields = vec!["*", "$meta"];
    let all = QueryOptions { output_fields: fields, limit: Some(16384), ..QueryOptions::default() };
    collection.query("", &all).unwrap().columns
}

#[test]
fn all_types_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let original = db.create_collection("original", Schema::from_json(SCHEMA).unwrap()).unwrap();
    original.insert(typed_rows(0..300)).unwrap();
    original.flush().unwrap();
    original.insert(typed_rows(300..400)).unwrap();
    for extension in EXTENSIONS {
        let path = folder.path().join(format!("rows.{extension}"));
        let beside = folder.path().join("rows.schema.json");
        assert_eq!(export(&original, &path), 400);
        let schema = Schema::from_json(&fs::read_to_string(&beside).unwrap()).unwrap();
        let copy = db.create_collection("copy", schema).unwrap();
        assert_eq!(copy.import(&[&path], &ImportOptions::default()).unwrap(), 400, "{extension}");
        assert_eq!(whole(&copy), whole(&original), "{extension}");
        db.drop_collection("copy").unwrap();
        fs::remove_file(beside).unwrap();
    }
}

#[test]
fn as_others_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let collection = db.create_collection("a", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let path = folder.path().join("rows.jsonl");
    let lines = [
        r#"{"id":1,"a":[1,2],"s":["x"],"v":[1,2],"color":"red","$meta":{"size":3}}"#,
        r#"{"id":2,"n":5,"d":"given","s":[],"v":[1,2],"$meta":"{\"size\":4}","list":[1,{"k":null}]}"#,
        r#"{"id":3,"n":null,"d":null,"a":null,"s":["x","y"],"v":[1,2]}"#,
    ];
    fs::write(&path, lines.join("\n")).unwrap();
    assert_eq!(collection.import(&[&path], &ImportOptions::default()).unwrap(), 3);
    let ids = |filter: &str| {
        crate::support::ids_of(&collection.query(filter, &QueryOptions::default()).unwrap().ids)
    };
    assert_eq!(ids("size in [3, 4]"), [1, 2]);
    assert_eq!(ids("color == 'red'"), [1]);
    assert_eq!(ids("array_length(list) == 2"), [2]);
    assert_eq!(ids("d == 'x'"), [1, 3]);
    assert_eq!(ids("n is null"), [1, 3]);
    assert_eq!(ids("a[1] == 2"), [1]);
    assert_eq!(ids("array_contains(s, 'y')"), [3]);
    let fails = |line: &str, with: &str| {
        fs::write(&path, format!("{}\n{line}\n", lines[0])).unwrap();
        let error = collection.import(&[&path], &ImportOptions::default()).unwrap_err();
        assert!(
            error.message().contains("row 1: ") && error.message().contains(with),
            "{error}\n  not: {with}"
        );
        assert_eq!(collection.count().unwrap(), 3);
    };
    fails(r#"{"id":1,"s":["x"],"v":[1,2],"$meta":[1]}"#, "field $meta: [1] should be an object");
    fails(r#"{"id":1,"s":["x"],"v":[1,2],"a":[1,"2"]}"#, "field a: \"2\" is no value of type Int32");
    fails(r#"{"id":1,"s":["x"],"v":[1,2],"a":[1,2,3,4,5,6]}"#, "a");
    fails(r#"{"id":1,"s":["x",null],"v":[1,2]}"#, "s");
    fails(r#"{"id":1,"s":null,"v":[1,2]}"#, "s");
    fails(r#"{"id":1,"s":["x"],"v":[1,2],"k":1,"k":2}"#, "k");
}

/// A field that comes between the start of an import and its end is filled in.
#[test]
fn a_field_is_added_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let collection = db.create_collection("a", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let path = folder.path().join("rows.jsonl");
    fs::write(&path, r#"{"id":1,"s":[],"v":[1,2]}"#).unwrap();
    let field = r#"{"name":"late","data_type":"Int8","nullable":true,"default_value":7}"#;
    let added = std::sync::atomic::AtomicBool::new(false);
    let progress = |_, _| {
        if !added.swap(true, std::sync::atomic::Ordering::Relaxed) {
            collection.add_field(elanus::schema::Field::from_json(field).unwrap()).unwrap();
        }
        true
    };
    collection
        .import(&[&path], &ImportOptions { progress: Some(&progress), ..ImportOptions::default() })
        .unwrap();
    let found = collection.query("late == 7", &QueryOptions::default()).unwrap();
    assert_eq!(crate::support::ids_of(&found.ids), [1]);
}

/// Rows that had a dynamic key of that name keep it under `$meta`, and what is exported then comes back as it was.
#[test]
fn a_dynamic_key_that_became_a_field() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let original = db.create_collection("original", Schema::from_json(SCHEMA).unwrap()).unwrap();
    original.insert(typed_rows(0..100)).unwrap();
    original.flush().unwrap();
    original.insert(typed_rows(100..140)).unwrap();
    for field in [
        r#"{"name":"extra","data_type":"VarChar","max_length":20,"nullable":true}"#,
        r#"{"name":"own","data_type":"Int64","default_value":-1}"#,
    ] {
        original.add_field(elanus::schema::Field::from_json(field).unwrap()).unwrap();
    }
    // From now on the names are those of the fields.
    let mut later = typed_rows(140..150);
    later.remove_column(7);
    later.remove_column(6);
    original.insert(later).unwrap();
    let fields = || vec!["id", "extra", "own", "$meta[\"extra\"]", "$meta[\"own\"]", "$meta"];
    let all = || QueryOptions { output_fields: fields(), limit: Some(1000), ..QueryOptions::default() };
    let expected = original.query("", &all()).unwrap().columns;
    assert_eq!((expected.num_rows(), expected.column(1).null_count()), (150, 150));
    let keys = |filter: &str, collection: &Collection| collection.count_matching(filter, "").unwrap();
    assert_eq!(keys("$meta[\"extra\"] == 7", &original), 1);
    for extension in EXTENSIONS {
        let path = folder.path().join(format!("rows.{extension}"));
        assert_eq!(export(&original, &path), 150);
        let text = fs::read_to_string(folder.path().join("rows.schema.json")).unwrap();
        let copy = db.create_collection("copy", Schema::from_json(&text).unwrap()).unwrap();
        assert_eq!(copy.import(&[&path], &ImportOptions::default()).unwrap(), 150, "{extension}");
        assert_eq!(copy.query("", &all()).unwrap().columns, expected, "{extension}");
        for filter in ["$meta[\"extra\"] == 7", "extra is null", "own == -1", "$meta[\"own\"] >= 0"] {
            assert_eq!(keys(filter, &copy), keys(filter, &original), "{extension}: {filter}");
        }
        // And once more, from the copy.
        let again = folder.path().join(format!("again.{extension}"));
        export(&copy, &again);
        assert_eq!(fs::read(&again).unwrap().len(), fs::read(&path).unwrap().len(), "{extension}");
        db.drop_collection("copy").unwrap();
        fs::remove_file(folder.path().join("again.schema.json")).unwrap();
    }
}

/// What pandas and DuckDB make of such columns: unsigned integers, and lists of doubles.
#[test]
fn other_widths() {
    use arrow_array::builder::{Float64Builder, UInt64Builder};
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let text = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"n","data_type":"Int16"},
        {"name":"f","data_type":"Float"},{"name":"a","data_type":"Array","element_type":"Float","max_capacity":4},
        {"name":"i","data_type":"Array","element_type":"Int8","max_capacity":4},{"name":"v","data_type":"FloatVector","dim":2}]}"#;
    let collection = db.create_collection("a", Schema::from_json(text).unwrap()).unwrap();
    let path = folder.path().join("wide.parquet");
    let write = |ids: Vec<u64>, numbers: Vec<u64>| {
        let (mut floats, mut whole) =
            (ListBuilder::new(Float64Builder::new()), ListBuilder::new(UInt64Builder::new()));
        for number in &numbers {
            floats.values().append_slice(&[0.1, *number as f64]);
            floats.append(true);
            whole.values().append_value(number % 100);
            whole.append(true);
        }
        let rows = vec![vec![0.5, 1.0]; ids.len()];
        let columns: [(&str, ArrayRef); 6] = [
            ("id", Arc::new(arrow_array::UInt64Array::from(ids))),
            ("n", Arc::new(arrow_array::UInt64Array::from(numbers.clone()))),
            ("f", Arc::new(arrow_array::UInt64Array::from(numbers))),
            ("a", Arc::new(floats.finish())),
            ("i", Arc::new(whole.finish())),
            ("v", vectors(&rows)),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let file = fs::File::create(&path).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    };
    write(vec![1, i64::MAX as u64], vec![7, 16_777_217 % 30_000]);
    assert_eq!(collection.import(&[&path], &ImportOptions::default()).unwrap(), 2);
    let ids = |filter: &str| {
        crate::support::ids_of(&collection.query(filter, &QueryOptions::default()).unwrap().ids)
    };
    assert_eq!(ids("n == 7 and f == 7.0 and array_contains(i, 7)"), [1]);
    assert_eq!(ids("id == 9223372036854775807"), [i64::MAX]);
    write(vec![2, 1 << 63], vec![1, 2]);
    let message = refused(&collection, &[&path]);
    assert!(
        message.contains("row 1: field id: the 0th element (9223372036854775808) out of range"),
        "{message}"
    );
    write(vec![2], vec![32768]);
    assert!(refused(&collection, &[&path]).contains("row 0: field n: the 0th element (32768) out of range"));
}
