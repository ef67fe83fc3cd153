//! Files that are damaged or lie: an error, in little memory, and nothing changed.

use super::*;
use arrow_array::{ListArray, UInt8Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField};
use parquet::arrow::ArrowWriter;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn parquet_of(folder: &Path, db: &Database) -> Vec<u8> {
    let original = db.create_collection("original", schema("FloatVector")).unwrap();
    original.insert(rows(&(0..40).collect::<Vec<_>>(), "FloatVector")).unwrap();
    let path = folder.join("good.parquet");
    export(&original, &path);
    fs::read(path).unwrap()
}

#[test]
fn damaged_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let good = parquet_of(folder.path(), &db);
    let copy = db.create_collection("copy", schema("FloatVector")).unwrap();
    let path = folder.path().join("bad.parquet");
    // The panics that are caught inside are no news.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let tried = catch_unwind(AssertUnwindSafe(|| {
        for length in (0..good.len()).step_by(97).chain(good.len() - 12..good.len()) {
            fs::write(&path, &good[..length]).unwrap();
            assert!(copy.import(&[&path], &ImportOptions::default()).is_err(), "{length}");
        }
        assert_eq!(copy.count().unwrap(), 0);
        // The footer and the pages' headers, bit by bit; a flipped value in the data is another value.
        let mut random = Random(5);
        for at in (0..good.len()).filter(|at| at % 23 == 0 || at + 700 > good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1 << random.below(8);
            fs::write(&path, &bad).unwrap();
            if let Ok(rows) = copy.import(&[&path], &ImportOptions::default()) {
                assert!(rows <= 40);
                db.drop_collection("copy").unwrap();
                db.create_collection("copy", schema("FloatVector")).unwrap();
            }
        }
    }));
    std::panic::set_hook(hook);
    tried.unwrap();
}

#[test]
fn files_that_lie() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let collection = db.create_collection("a", schema("FloatVector")).unwrap();
    let path = folder.path().join("bad.parquet");
    let fails = |bytes: &[u8], with: &str| {
        fs::write(&path, bytes).unwrap();
        let message = refused(&collection, &[&path]);
        assert!(message.contains("bad.parquet: ") && message.contains(with), "{message}\n  not: {with}");
    };
    fails(b"", "it is too short");
    fails(b"PAR1\0\0\0\0text", "it does not end in PAR1");
    fails(b"PAR1\0\0\0\0PARE", "it is encrypted");
    fails(b"PAR1\xff\xff\xff\x7fPAR1", "its footer is longer than itself");
    fails(b"PAR1\x05\0\0\0PAR1", "longer than itself");
    let with_footer = |footer: &[u8]| {
        let length = (footer.len() as u32).to_le_bytes();
        [b"PAR1", footer, &length, b"PAR1"].concat()
    };
    fails(&with_footer(b""), "its footer cannot be read");
    fails(&with_footer(&[0x15, 2, 0]), "its footer cannot be read");
    fails(&with_footer(&[0x15, 2, 0x19, 0x0c, 0]), "its schema has 0 elements");
    // Version 1, and a schema of 2000 elements: each nested in the one before, for all that anybody knows.
    let deep = [&[0x15, 2, 0x19, 0xfc, 0xd0, 0x0f], &[0u8; 2001][..]].concat();
    fails(&with_footer(&deep), "its schema has 2000 elements, should have 1 ~ 1024");
    // The same behind a harmless one.
    let hidden = [&[0x15, 2, 0x19, 0x1c, 0, 0x09, 4, 0xfc, 0xd0, 0x0f], &[0u8; 2001][..]].concat();
    fails(&with_footer(&hidden), "its schema has 2000 elements");
    fails(&with_footer(&[0x15, 2, 0x19, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x40]), "its footer cannot be read");
}

/// A page that says it holds more than SNAPPY can have made of it, and a column that says it has more values than its length
/// has room for.
#[test]
fn sizes_and_counts_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let good = parquet_of(folder.path(), &db);
    let collection = db.create_collection("a", schema("FloatVector")).unwrap();
    let path = folder.path().join("bad.parquet");
    let mut bad = good.clone();
    // The first page's header: the field `type`, then the uncompressed size in two bytes.
    assert_eq!((bad[4], bad[6], bad[7] >> 7, bad[8] >> 7), (0x15, 0x15, 1, 0));
    (bad[7], bad[8]) = (0xfe, 0x7f);
    fs::write(&path, &bad).unwrap();
    let message = refused(&collection, &[&path]);
    assert!(
        message.contains("column id of row group 0: a page of") && message.contains("holds 8191"),
        "{message}"
    );

    let zeros: ArrayRef = Arc::new(UInt8Array::from(vec![0; 20_000_000]));
    let item = Arc::new(ArrowField::new("element", ArrowType::UInt8, false));
    let one: ArrayRef =
        Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([zeros.len()]), zeros, None));
    let rows = RecordBatch::try_from_iter([("v", one)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    assert!(bytes.len() < 100_000);
    fs::write(&path, &bytes).unwrap();
    let message = refused(&collection, &[&path]);
    assert!(message.contains("column v of row group 0: 20000000 values of 1 rows"), "{message}");
}

#[test]
fn columns_that_are_others() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    parquet_of(folder.path(), &db);
    let good = folder.path().join("good.parquet");
    let less = schema_text("FloatVector", false).replace(r#"{"name":"b","data_type":"Bool"},"#, "");
    let more = schema_text("FloatVector", false)
        .replace(r#"{"name":"b""#, r#"{"name":"c","data_type":"Bool"},{"name":"b""#);
    let other = schema_text("FloatVector", false).replace(r#""dim":16"#, r#""dim":8"#);
    let narrow = schema_text("FloatVector", false)
        .replace(r#""name":"i32","data_type":"Int32""#, r#""name":"i32","data_type":"Int8""#);
    let wide = schema_text("FloatVector", false)
        .replace("Int8", "Int64")
        .replace("Float\"", "Double\"")
        .replace(r#""i16","data_type":"Int16""#, r#""i16","data_type":"Float""#);
    for (number, (text, with)) in [
        (less, "field b not exist"),
        (more, "fieldSchema(c) has no corresponding fieldData pass in"),
        (other, "row 0: the dim (16) of field data(v) is not equal to schema dim (8)"),
        (narrow, "row 1: field i32: the 0th element (16777619) out of range: [-128, 127]"),
        (schema_text("BinaryVector", false), "field v holds BinaryVector, got a column of List"),
    ]
    .into_iter()
    .enumerate()
    {
        let collection =
            db.create_collection(&format!("c{number}"), Schema::from_json(&text).unwrap()).unwrap();
        let message = refused(&collection, &[&good]);
        assert!(message.contains(with), "{message}\n  not: {with}");
    }
    let wider = db.create_collection("wider", Schema::from_json(&wide).unwrap()).unwrap();
    assert_eq!(wider.import(&[&good], &ImportOptions::default()).unwrap(), 40);
}

#[test]
fn deep_and_long_json() {
    let folder = tempfile::tempdir().unwrap();
    let db = database(&folder.path().join("db"));
    let collection = db.create_collection("a", schema("FloatVector")).unwrap();
    let path = folder.path().join("bad.jsonl");
    let fails = |text: &str, with: &str| {
        fs::write(&path, text).unwrap();
        let message = refused(&collection, &[&path]);
        assert!(message.contains(with), "{message}\n  not: {with}");
    };
    let deep = "[".repeat(1_000_000);
    fails(&format!(r#"{{"j":{deep}"#), "row 0 has no end");
    fails(&format!(r#"{{"v":{deep}{}}}"#, "]".repeat(1_000_000)), "field v: [");
    fails(&"{\"j\":".repeat(1_000_000), "row 0 has no end");
    fails(&format!(r#"{{"t":"{}"}}"#, "x".repeat(65 << 20)), "row 0 is longer than 67108864 bytes");
    fails("\0\0\0\0", "row 0: byte 0x00 at byte 0 should be an object");
    fails("{\"t\":\"\u{1}\"}", "row 0: it is not JSON");
    fs::write(&path, b"{\"t\":\"\xff\"}").unwrap();
    assert!(refused(&collection, &[&path]).contains("it is not UTF-8 at its byte 6"));
}
