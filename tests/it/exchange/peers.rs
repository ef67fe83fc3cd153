//! Other tools read what is exported, and what they write is imported: `tests/peers.sh`.

use super::*;
use std::process::Command;

/// Runs a script of this folder on the files in `folder`.
fn python(script: &str, folder: &Path) {
    let python = std::env::var("BENCH_PYTHON").unwrap_or("python3".into());
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/exchange"));
    let ran = Command::new(python).arg(scripts.join(script)).arg(folder).status().unwrap();
    assert!(ran.success(), "{script}");
}

#[test]
#[ignore = "needs Python with pyarrow and duckdb: make peers"]
fn pyarrow_and_duckdb_read_and_write_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    for vector in ["FloatVector", "BinaryVector"] {
        let original = db.create_collection(vector, schema(vector)).unwrap();
        original.insert(rows(&(-3000..3000).collect::<Vec<_>>(), vector)).unwrap();
        for extension in EXTENSIONS {
            export(&original, &folder.path().join(format!("{vector}.{extension}")));
            std::fs::remove_file(folder.path().join(format!("{vector}.schema.json"))).unwrap();
        }
    }
    python("peers.py", folder.path());
    for vector in ["FloatVector", "BinaryVector"] {
        let expected = contents(&db.collection(vector).unwrap());
        for peer in ["pyarrow", "pyarrow-plain", "pyarrow-v2", "duckdb", "json"] {
            let extension = if peer == "json" { "json" } else { "parquet" };
            let path = folder.path().join(format!("{vector}-{peer}.{extension}"));
            let copy = db.create_collection("copy", schema(vector)).unwrap();
            assert_eq!(copy.import(&[&path], &ImportOptions::default()).unwrap(), 6000, "{peer}");
            assert_eq!(contents(&copy), expected, "{vector} {peer}");
            db.drop_collection("copy").unwrap();
        }
    }
}

/// Arrays, nulls, default values and dynamic keys.
#[test]
#[ignore = "needs Python with pyarrow and duckdb: make peers"]
fn pyarrow_and_duckdb_read_and_write_arrays_and_nulls() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let schema = || Schema::from_json(types::SCHEMA).unwrap();
    let original = db.create_collection("typed", schema()).unwrap();
    original.insert(types::typed_rows(0..3000)).unwrap();
    original.flush().unwrap();
    original.insert(types::typed_rows(3000..5000)).unwrap();
    for extension in EXTENSIONS {
        export(&original, &folder.path().join(format!("typed.{extension}")));
    }
    python("typed.py", folder.path());
    for name in ["pyarrow.parquet", "plain.parquet", "v2.parquet", "duckdb.parquet", "json.json"] {
        let copy = db.create_collection("copy", schema()).unwrap();
        let path = folder.path().join(format!("typed-{name}"));
        assert_eq!(copy.import(&[&path], &ImportOptions::default()).unwrap(), 5000, "{name}");
        assert_eq!(parsed(&types::whole(&copy)), parsed(&types::whole(&original)), "{name}");
        db.drop_collection("copy").unwrap();
    }
}

/// The schema beside an export is a schema of pymilvus, which writes it back; and what its BulkWriter makes of the rows is
/// imported.
#[test]
#[ignore = "needs Python with pymilvus 2.3: make peers"]
fn pymilvus_reads_the_schema_and_writes_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    for vector in ["FloatVector", "BinaryVector"] {
        let text = schema_text(vector, false).replace(
            r#"{"name":"v""#,
            r#"{"name":"a","data_type":"Array","element_type":"Int8","max_capacity":5},
            {"name":"s","data_type":"Array","element_type":"VarChar","max_capacity":5,"max_length":9},
            {"name":"w","data_type":"Array","element_type":"Float","max_capacity":5},{"name":"v""#,
        );
        let text = text.replace(r#""auto_id":false,"#, r#""enable_dynamic_field":true,"#);
        let schema = Schema::from_json(&text).unwrap();
        let original = db.create_collection(vector, schema.clone()).unwrap();
        original.insert(milvus_rows(vector)).unwrap();
        export(&original, &folder.path().join(format!("{vector}.jsonl")));
        export(&original, &folder.path().join(format!("{vector}.parquet")));
    }
    // One with what Milvus 2.3 does not know, which is read over.
    let typed = db.create_collection("typed", Schema::from_json(types::SCHEMA).unwrap()).unwrap();
    export(&typed, &folder.path().join("typed.jsonl"));
    python("milvus.py", folder.path());
    for vector in ["FloatVector", "BinaryVector"] {
        let original = db.collection(vector).unwrap();
        let text = std::fs::read_to_string(folder.path().join(format!("{vector}.again.json"))).unwrap();
        let schema = Schema::from_json(&text).unwrap();
        assert_eq!(&schema, original.schema().as_ref());
        for extension in ["parquet", "json"] {
            let copy = db.create_collection("copy", schema.clone()).unwrap();
            let path = folder.path().join(format!("{vector}-written.{extension}"));
            assert_eq!(
                copy.import(&[&path], &ImportOptions::default()).unwrap(),
                300,
                "{vector} {extension}"
            );
            assert_eq!(
                parsed(&types::whole(&copy)),
                parsed(&types::whole(&original)),
                "{vector} {extension}"
            );
            db.drop_collection("copy").unwrap();
        }
    }
}

/// Rows as pymilvus takes them: no null, and JSON is objects.
fn milvus_rows(vector: &str) -> RecordBatch {
    use arrow_array::builder::{Float32Builder, Int8Builder, ListBuilder, StringBuilder};
    let keys: Vec<i64> = (0..300).collect();
    let plain = rows(&keys, vector);
    let (mut whole, mut texts, mut floats) = (
        ListBuilder::new(Int8Builder::new()),
        ListBuilder::new(StringBuilder::new()),
        ListBuilder::new(Float32Builder::new()),
    );
    for key in &keys {
        (0..key % 5).for_each(|i| whole.values().append_value((key % 100 - i) as i8));
        whole.append(true);
        (0..key % 3).for_each(|i| texts.values().append_value(format!("{i}é")));
        texts.append(true);
        (0..key % 4).for_each(|i| floats.values().append_value(0.1 * (key + i) as f32));
        floats.append(true);
    }
    let objects = keys.iter().map(|key| format!("{{\"k\": [{key}, null]}}"));
    let mut columns: Vec<(String, ArrayRef)> = plain
        .schema()
        .fields()
        .iter()
        .zip(plain.columns())
        .map(|(field, column)| (field.name().clone(), column.clone()))
        .collect();
    columns[8].1 = Arc::new(StringArray::from_iter_values(objects));
    columns.extend([
        ("a".to_owned(), Arc::new(whole.finish()) as ArrayRef),
        ("s".to_owned(), Arc::new(texts.finish())),
        ("w".to_owned(), Arc::new(floats.finish())),
        ("extra".to_owned(), Arc::new(Int64Array::from_iter_values(keys.iter().map(|key| key * 7)))),
    ]);
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows with JSON in one spelling: others write its text in their own.
fn parsed(rows: &RecordBatch) -> RecordBatch {
    let in_one_spelling = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap().to_string();
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
        let texts = column.as_any().downcast_ref::<StringArray>();
        let json = texts.filter(|_| ["j", "$meta"].contains(&field.name().as_str()));
        json.map_or_else(
            || column.clone(),
            |json| Arc::new(json.iter().map(|text| text.map(in_one_spelling)).collect::<StringArray>()),
        )
    });
    RecordBatch::try_new(rows.schema(), columns.collect()).unwrap()
}
