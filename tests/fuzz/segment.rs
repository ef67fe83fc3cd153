//! Any damage to the files of a sealed segment, behind right checksums: refused, or rows, a bitmap and an index that can
//! be used without a panic.
#![no_main]

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray,
};
use elanus::Result;
use elanus::index::catalog::{IndexSpec, VectorKind};
use elanus::index::{self, BuildContext, Pace, Probe, Scratch};
use elanus::kernel::topk::TopK;
use elanus::schema::{Schema, float_item};
use elanus::segment::{IndexFile, Key, Live, Memory, Rows, Run, Sealed, SegmentView, Shared, gather};
use elanus::storage::checked::CheckedWriter;
use elanus::storage::fault::FaultDisk;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

const ROWS: usize = 60;
const DIM: usize = 3;

#[derive(Arbitrary, Debug)]
struct Input {
    file: u8,
    /// Instead of what was written.
    bytes: Option<Vec<u8>>,
    changes: Vec<(u16, u8)>,
    cut: Option<u16>,
}

struct Free;

impl Pace for Free {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let text = r#"{"fields":[{"name":"id","data_type":"VarChar","max_length":9,"is_primary":true},
        {"name":"n","data_type":"Int64"},{"name":"b","data_type":"Bool"},
        {"name":"v","data_type":"FloatVector","dim":3}]}"#;
    Arc::new(Schema::from_json(text).unwrap())
});

static SPEC: LazyLock<Arc<IndexSpec>> = LazyLock::new(|| {
    let text = r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":2}}"#;
    Arc::new(IndexSpec::from_json(text, VectorKind::Float, DIM).unwrap())
});

/// The files of a segment as they should be: name and bytes.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let shared = shared();
    let sealed = sealed(&shared);
    sealed.write(&[SegmentView::growing(rows())]).unwrap();
    sealed.save_live(&Live::all(ROWS).without(&[3, 5, 59]), 1).unwrap();
    let context = BuildContext { pool: &shared.pool, seed: 1, pace: &Free };
    let index = index::build(&SPEC, rows().vectors().unwrap().clone(), &context).unwrap();
    index_file(&shared).save(&*index, ROWS).unwrap();
    let names = [Sealed::data_name().to_owned(), Sealed::live_name(1), IndexFile::name(1)];
    names.map(|name| (name.clone(), shared.vfs.read(&sealed.dir().join(name)).unwrap())).to_vec()
});

/// On a disk of its own, because a disk keeps what was removed.
fn shared() -> Arc<Shared> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    Arc::new(Shared { vfs: Arc::new(FaultDisk::new()), pool, memory: Memory::new(0) })
}

fn sealed(shared: &Arc<Shared>) -> Sealed {
    Sealed::new(shared.clone(), SCHEMA.clone(), Path::new("/c"), 1, ROWS)
}

fn index_file(shared: &Arc<Shared>) -> IndexFile {
    IndexFile::new(shared.clone(), &Sealed::dir_of(Path::new("/c"), 1), SPEC.clone(), 1)
}

fn rows() -> Rows {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("k{i}"))));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let bools: ArrayRef = Arc::new(BooleanArray::from_iter((0..ROWS).map(|i| Some(i % 3 == 0))));
    let values = Float32Array::from_iter_values((0..ROWS * DIM).map(|i| (i * i % 97) as f32));
    let vectors: ArrayRef =
        Arc::new(FixedSizeListArray::new(float_item(), DIM as i32, Arc::new(values), None));
    let batch = RecordBatch::try_new(SCHEMA.arrow().clone(), vec![ids, numbers, bools, vectors]).unwrap();
    Rows::new(&SCHEMA, batch, None)
}

fn write(shared: &Shared, path: &Path, bytes: &[u8]) {
    let mut file = CheckedWriter::create(&shared.vfs, path).unwrap();
    file.write_all(bytes).unwrap();
    file.finish().unwrap();
}

fn use_rows(rows: &Rows) {
    assert_eq!(rows.len(), ROWS);
    let runs = [Run { source: 0, start: 10, end: ROWS }, Run { source: 0, start: 0, end: 10 }];
    assert_eq!(gather(SCHEMA.arrow(), &[rows.batch()], &runs).unwrap().num_rows(), ROWS);
    let mut found = Vec::new();
    rows.find(Key::Text("k7"), &mut found);
    assert!(found.iter().all(|&row| rows.key(row as usize).text() == "k7"));
    assert_eq!(rows.vectors().unwrap().len(), ROWS);
}

fn use_index(index: &IndexFile, rows: &Rows) {
    let Ok(index) = index.get(rows) else { return };
    let (params, stop) = (SPEC.search_params("", 9).unwrap(), AtomicBool::new(false));
    let probe = Probe { queries: &[1.0, 50.0, 9.0], k: 9, allow: None, params: &params, stop: &stop };
    let mut tops = [TopK::new(9)];
    index.index().search(&probe, &mut Scratch::default(), &mut tops);
    assert!(tops[0].drain_sorted().iter().all(|hit| (hit.row as usize) < ROWS));
}

fuzz_target!(|input: Input| {
    let (name, good) = &FILES[usize::from(input.file) % FILES.len()];
    let mut bytes = input.bytes.unwrap_or_else(|| good.clone());
    for (at, value) in input.changes {
        let len = bytes.len();
        if len > 0 {
            bytes[usize::from(at) % len] ^= value;
        }
    }
    bytes.truncate(input.cut.map_or(usize::MAX, usize::from));
    let shared = shared();
    let sealed = sealed(&shared);
    shared.vfs.create_dir_all(sealed.dir()).unwrap();
    write(&shared, &sealed.dir().join(name), &bytes);
    if *name == Sealed::data_name() {
        if let Ok(rows) = sealed.rows() {
            use_rows(&rows);
        }
    } else if *name == Sealed::live_name(1) {
        if let Ok(live) = sealed.load_live(1, 3) {
            assert_eq!((live.len(), live.dead()), (ROWS, 3));
            assert_eq!(live.runs().iter().map(|(start, end)| end - start).sum::<usize>(), ROWS - 3);
        }
    } else {
        use_index(&index_file(&shared), &rows());
    }
});
