//! Any damage to the files of a sealed segment, behind right checksums: refused, or rows, a bitmap, a history and indexes
//! that can be used without a panic.
#![no_main]

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray,
};
use elanus::Result;
use elanus::index::catalog::scalar::{FieldKind, ScalarKind, Spec};
use elanus::index::catalog::{IndexSpec, VectorKind};
use elanus::index::scalar::{Constant, Sorted, Values};
use elanus::index::{self, AnyIndex, BuildContext, Pace, Probe, Queries, Scratch};
use elanus::kernel::topk::TopK;
use elanus::schema::{Schema, float_item};
use elanus::segment::{
    History, IndexFile, Indexed, Key, Live, Memory, Mmap, Rows, Run, Sealed, SegmentView, Shared, gather,
};
use elanus::storage::checked::sidecar;
use elanus::storage::fault::FaultDisk;
use elanus::storage::vfs::Vfs;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

const ROWS: usize = 60;
const DIM: usize = 3;
/// The place of the field that has a scalar index.
const NUMBERS: usize = 1;

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

/// A segment on a disk, and its files as they should be: name and bytes.
struct Segment {
    disk: FaultDisk,
    shared: Arc<Shared>,
    files: Vec<(String, Vec<u8>)>,
}

static SEGMENT: LazyLock<Segment> = LazyLock::new(|| {
    let disk = FaultDisk::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let shared = Arc::new(Shared { vfs: Arc::new(disk.clone()), pool, memory: Memory::new(0) });
    let sealed = sealed(&shared);
    sealed.write(&[SegmentView::growing(rows(), 0, 0)], &mut || Ok(())).unwrap();
    sealed.save_live(&live(), 1).unwrap();
    sealed.save_history(&history(), 1).unwrap();
    let context = BuildContext::new(&shared.pool, 1, &Free);
    let index = index::build(&SPEC, rows().vectors().clone(), &context).unwrap();
    index_file(&shared).save(&AnyIndex::Vector(index), ROWS).unwrap();
    let sorted = Sorted::build(rows().column(NUMBERS).unwrap(), &context).unwrap();
    scalar_file(&shared).save(&AnyIndex::Scalar(sorted), ROWS).unwrap();
    let names = [
        Sealed::data_name().to_owned(),
        Sealed::live_name(1),
        Sealed::history_name(1),
        IndexFile::name(1),
        IndexFile::name(2),
    ];
    let files = names.map(|name| (name.clone(), disk.read(&sealed.dir().join(name)).unwrap())).to_vec();
    Segment { disk, shared, files }
});

fn sealed(shared: &Arc<Shared>) -> Sealed {
    Sealed::new(shared.clone(), SCHEMA.clone(), Path::new("/c"), 1, ROWS)
}

fn live() -> Live {
    Live::all(ROWS).without(&[3, 5, 59])
}

/// Of rows that came at two times and went at two.
fn history() -> History {
    let mut history = History::concat([(&History::born(20, 5), 20), (&History::born(40, 7), 40)].into_iter());
    history.die(&[5, 59], 8);
    history.die(&[3], 9);
    history
}

fn index_file(shared: &Arc<Shared>) -> IndexFile {
    let of = Indexed { definition: 1, at: 3, spec: Spec::Vector(SPEC.clone()), mmap: Mmap::new(None, true) };
    IndexFile::new(shared.clone(), &Sealed::dir_of(Path::new("/c"), 1), of, 1)
}

fn scalar_file(shared: &Arc<Shared>) -> IndexFile {
    let spec = Spec::from_json("", FieldKind::Scalar(ScalarKind::Number)).unwrap();
    let of = Indexed { definition: 2, at: NUMBERS, spec, mmap: Mmap::new(Some(false), true) };
    IndexFile::new(shared.clone(), &Sealed::dir_of(Path::new("/c"), 1), of, 2)
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

/// Puts the bytes, of one block at most, and a right table of checksums for them in the place of a file.
fn put(disk: &FaultDisk, path: &Path, name: &str, bytes: &[u8]) {
    let mut table = b"ELANCRC\n\x01\0\0\0".to_vec();
    table.extend_from_slice(&crc32c::crc32c(&table).to_le_bytes());
    table.extend_from_slice(&(64u32 << 10).to_le_bytes());
    table.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    if !bytes.is_empty() {
        table.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    }
    let place = crc32c::crc32c(format!("1/{name}").as_bytes());
    table.extend_from_slice(&crc32c::crc32c_append(place, &table).to_le_bytes());
    disk.tamper(path, bytes);
    disk.tamper(&sidecar(path), &table);
}

fn use_rows(rows: &Rows) {
    assert_eq!(rows.len(), ROWS);
    let runs = [Run { source: 0, start: 10, end: ROWS }, Run { source: 0, start: 0, end: 10 }];
    assert_eq!(gather(SCHEMA.arrow(), &[rows.batch()], &runs).unwrap().num_rows(), ROWS);
    let mut found = Vec::new();
    rows.find(Key::Text("k7"), &mut found);
    assert!(found.iter().all(|&row| rows.key(row as usize).text() == "k7"));
    assert_eq!(rows.vectors().len(), ROWS);
}

fn use_index(index: &IndexFile, rows: &Rows) {
    let Ok(index) = index.get(rows) else { return };
    let (params, stop) = (SPEC.search_params("", 9).unwrap(), AtomicBool::new(false));
    let probe =
        Probe { queries: Queries::Float(&[1.0, 50.0, 9.0]), k: 9, allow: None, params: &params, stop: &stop };
    let mut tops = [TopK::new(9)];
    index.vector().unwrap().search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    assert!(tops[0].drain_sorted().iter().all(|hit| (hit.row as usize) < ROWS));
}

fn use_scalar(index: &IndexFile, rows: &Rows) {
    let Ok(index) = index.get(rows) else { return };
    let (index, values) = (index.scalar().unwrap(), Values::new(rows.column(NUMBERS).unwrap()).unwrap());
    for number in -1..=ROWS as i64 {
        let below = |or_equal| index.below(&values, Constant::Int(number), or_equal);
        let (from, to) = (below(false), below(true));
        assert_eq!(index.bits(&[from..to, 0..from, to..index.len()]).len(), ROWS);
    }
}

fuzz_target!(|input: Input| {
    let Segment { disk, shared, files } = &*SEGMENT;
    let (name, good) = &files[usize::from(input.file) % files.len()];
    let mut bytes = input.bytes.unwrap_or_else(|| good.clone());
    for (at, value) in input.changes {
        let len = bytes.len();
        if len > 0 {
            bytes[usize::from(at) % len] ^= value;
        }
    }
    bytes.truncate(input.cut.map_or(usize::MAX, usize::from));
    let sealed = sealed(shared);
    put(disk, &sealed.dir().join(name), name, &bytes);
    if *name == Sealed::data_name() {
        if let Ok(rows) = sealed.rows() {
            use_rows(&rows);
        }
        assert!(bytes != *good || sealed.rows().is_ok());
    } else if *name == Sealed::live_name(1) {
        if let Ok(live) = sealed.load_live(1, 3) {
            assert_eq!((live.len(), live.dead()), (ROWS, 3));
            assert_eq!(live.runs().iter().map(|(start, end)| end - start).sum::<usize>(), ROWS - 3);
        }
    } else if *name == Sealed::history_name(1) {
        let found = sealed.load_history(1, &live());
        assert!(bytes != *good || found.is_ok());
        if let Ok(history) = found {
            for time in [0, 5, 7, 8, u64::MAX] {
                assert_eq!(history.as_of(&live(), time).len(), ROWS);
            }
            let kept = history.kept(&live(), 8);
            history.renumbered(&kept, 8);
        }
    } else if *name == IndexFile::name(1) {
        use_index(&index_file(shared), &rows());
    } else {
        use_scalar(&scalar_file(shared), &rows());
    }
});
