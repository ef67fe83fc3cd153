//! Other tools read what is exported, and what they write is imported: `tests/peers.sh`.

use super::*;
use std::process::Command;

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
    let python = std::env::var("BENCH_PYTHON").unwrap_or("python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/exchange/peers.py");
    let ran = Command::new(python).arg(script).arg(folder.path()).status().unwrap();
    assert!(ran.success());
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
