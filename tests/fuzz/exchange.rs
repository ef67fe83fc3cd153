//! Any bytes as a file to import, and any damage to good ones, in pages and footers: refused, or batches of so many rows
//! as the file has, which an insert takes or refuses; never a panic, and never more memory than a batch may take.
#![no_main]

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int8Array, Int64Array, RecordBatch,
    StringArray,
};
use elanus::batch;
use elanus::exchange;
use elanus::schema::{Schema, float_item};
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::{Arc, LazyLock};

const ROWS: usize = 100;
const NAMES: [&str; 3] = ["/file.parquet", "/file.jsonl", "/file.json"];
/// Bytes of a batch at most, for files as small as those here.
const MOST: usize = 128 << 20;

#[derive(Arbitrary, Debug)]
struct Input {
    format: u8,
    /// Instead of a good file.
    bytes: Option<Vec<u8>>,
    /// From the end: there is the footer of Parquet.
    footer: Vec<(u16, u8)>,
    changes: Vec<(u16, u8)>,
    /// Removed, and put in its place.
    splice: Option<(u16, u8, Vec<u8>)>,
    cut: Option<u16>,
}

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let text = r#"{"enable_dynamic_field":true,"fields":[
        {"name":"id","data_type":"Int64","is_primary":true},{"name":"b","data_type":"Bool","nullable":true},
        {"name":"n","data_type":"Int8","default_value":3},
        {"name":"t","data_type":"VarChar","max_length":99},{"name":"j","data_type":"JSON"},
        {"name":"a","data_type":"Array","element_type":"Int32","max_capacity":9},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#;
    Arc::new(Schema::from_json(text).unwrap())
});

/// A good file of each format.
static FILES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let rows = 0..ROWS as i64;
    let mut lists = ListBuilder::new(Int32Builder::new());
    for row in rows.clone() {
        (0..row % 4).for_each(|item| lists.values().append_value(item as i32));
        lists.append(true);
    }
    let text = |row: i64| format!("text {}", row % 7);
    let json = |row: i64| format!(r#"{{"k":[{row},null,"x"]}}"#);
    let floats: Vec<f32> = (0..2 * ROWS).map(|n| n as f32 / 4.0).collect();
    let columns: [(&str, ArrayRef); 8] = [
        ("id", Arc::new(Int64Array::from_iter_values(rows.clone()))),
        (
            "b",
            Arc::new(BooleanArray::from_iter(rows.clone().map(|row| (row % 3 > 0).then_some(row % 2 == 0)))),
        ),
        ("n", Arc::new(Int8Array::from_iter_values(rows.clone().map(|row| row as i8)))),
        ("t", Arc::new(StringArray::from_iter_values(rows.clone().map(text)))),
        ("j", Arc::new(StringArray::from_iter_values(rows.clone().map(json)))),
        ("a", Arc::new(lists.finish())),
        ("$meta", Arc::new(StringArray::from_iter_values(rows.map(json)))),
        ("v", Arc::new(FixedSizeListArray::new(float_item(), 2, Arc::new(Float32Array::from(floats)), None))),
    ];
    let columns =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
    let rows = batch::canonical(&SCHEMA, &columns.unwrap(), |_| unreachable!()).unwrap();
    let vfs: Arc<dyn Vfs> = Arc::new(FaultDisk::new());
    let places: Vec<usize> = (0..SCHEMA.fields().len()).collect();
    NAMES.map(|name| {
        let beside = Path::new(name).with_extension("schema.json");
        let mut sink = exchange::create(&vfs, &SCHEMA, &places, Path::new(name), (&beside, "{}")).unwrap();
        sink.write(&rows).unwrap();
        sink.finish().unwrap();
        vfs.read(Path::new(name)).unwrap()
    })
});

impl Input {
    fn file(&self, good: &[u8]) -> Vec<u8> {
        let mut file = self.bytes.clone().unwrap_or_else(|| good.to_vec());
        let len = file.len().max(1);
        for &(at, value) in &self.changes {
            file.get_mut(usize::from(at) % len).into_iter().for_each(|byte| *byte = value);
        }
        for &(back, value) in &self.footer {
            file.iter_mut().rev().nth(usize::from(back) % len).into_iter().for_each(|byte| *byte = value);
        }
        if let Some((at, removed, bytes)) = &self.splice {
            let start = usize::from(*at) % len.min(file.len() + 1);
            let end = (start + usize::from(*removed)).min(file.len());
            file.splice(start..end, bytes.iter().copied());
        }
        file.truncate(self.cut.map_or(usize::MAX, usize::from));
        file
    }
}

fuzz_target!(|input: Input| {
    let format = usize::from(input.format) % NAMES.len();
    let (path, file) = (Path::new(NAMES[format]), input.file(&FILES[format]));
    let disk = FaultDisk::new();
    disk.tamper(path, &file);
    let vfs: Arc<dyn Vfs> = Arc::new(disk);
    let Ok(mut source) = exchange::open(&vfs, &SCHEMA, path) else { return };
    assert_eq!(source.total(), file.len() as u64);
    // A column without values may have any number of rows.
    for _ in 0..20 {
        let Ok(Some(rows)) = source.next() else { return };
        assert!(source.done() <= source.total());
        let bytes: usize = rows.columns().iter().map(|column| column.get_array_memory_size()).sum();
        assert!(bytes < MOST, "{bytes} bytes of {} rows", rows.num_rows());
        if let Ok(stored) = batch::imported(&SCHEMA, &rows, |_| unreachable!()) {
            assert_eq!(stored.num_rows(), rows.num_rows());
        }
    }
});
