//! Measures one index on a folder of vectors: build seconds, then recall@10 and queries a second of one
//! thread's processor time for each knob value.
//!
//! `cargo run --release --example index_eval -- FOLDER '{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":1024}}' [BATCH [KNOBS...]]`
//!
//! The folder has `base.f32`, `queries.f32` (raw little-endian rows; or `base.u8`, `queries.u8` of packed bits, where
//! `meta.json` says `"kind":"binary"`), `gt_<metric>.i32` (100 ids a query) and a `meta.json` with `dim`. Recall counts by distance: a hit as near as the 10th true one is right.

use arrow_buffer::{Buffer, ScalarBuffer};
use elanus::index::catalog::{IndexSpec, IndexType, VectorKind};
use elanus::index::sections::{SectionWriter, Sections};
use elanus::index::vectors::{BinaryVectors, FloatVectors, Vectors};
use elanus::index::{self, BuildContext, Index, Pace, Probe, Queries, Scratch, exact};
use elanus::kernel::topk::TopK;
use elanus::storage::blocks::{Blocks, BlocksWriter};
use elanus::storage::disk::Disk;
use elanus::storage::vfs::Vfs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const K: usize = 10;
const TRUTH: usize = 100;
const SECONDS: f64 = 2.0;

struct Free;

impl Pace for Free {
    fn checkpoint(&self, _done: u64, _total: u64) -> elanus::Result<()> {
        Ok(())
    }
}

struct Data {
    vectors: Vectors,
    queries: Vectors,
    truth: ScalarBuffer<i32>,
}

/// Keeps sections in memory, blocks in a file.
#[derive(Default)]
struct Stored {
    path: PathBuf,
    sections: Sections,
}

impl SectionWriter for Stored {
    fn section(&mut self, name: &str, bytes: &[u8]) -> elanus::Result<()> {
        self.sections.insert(name, Buffer::from_slice_ref(bytes));
        Ok(())
    }

    fn blocks(
        &mut self,
        name: &str,
        count: u64,
        fill: &mut dyn FnMut(u64, &mut [u8]) -> elanus::Result<()>,
    ) -> elanus::Result<()> {
        let disk: Arc<dyn Vfs> = Arc::new(Disk);
        let mut file = BlocksWriter::create(&disk, &self.path, 0)?;
        (0..count).try_for_each(|number| file.push(|payload| fill(number, payload)))?;
        file.finish()?;
        self.sections.insert_reader(name, Arc::new(Blocks::open(&disk, &self.path, 0, count)?));
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(description)) = (arguments.next(), arguments.next()) else {
        return Err("usage: index_eval FOLDER INDEX_JSON [BATCH [KNOBS...]]".into());
    };
    let batch: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let knobs = arguments.map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;

    let folder = Path::new(&folder);
    let meta: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("meta.json"))?)?;
    let dim = meta["dim"].as_u64().ok_or("meta.json has no dim")? as usize;
    let kind = if meta["kind"] == "binary" { VectorKind::Binary } else { VectorKind::Float };
    let spec = IndexSpec::from_json(&description, kind, dim)?;
    let read = |name: &str| std::fs::read(folder.join(name)).map(Buffer::from_vec);
    let vectors = |name: &str| -> std::io::Result<Vectors> {
        Ok(match kind {
            VectorKind::Float => FloatVectors::new(read(&format!("{name}.f32"))?.into(), dim).into(),
            VectorKind::Binary => BinaryVectors::new(read(&format!("{name}.u8"))?, dim / 8).into(),
        })
    };
    let data = Data {
        vectors: vectors("base")?,
        queries: vectors("queries")?,
        truth: read(&format!("gt_{}.i32", spec.metric.name().to_lowercase()))?.into(),
    };

    let pool = rayon::ThreadPoolBuilder::new().build()?;
    let start = Instant::now();
    let context = BuildContext::new(&pool, 1, &Free);
    let mut index = index::build(&spec, data.vectors.clone(), &context)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("built {} in {seconds:.2} s, {} MiB beside the vectors", spec.to_json(), index.memory() >> 20);

    if spec.index_type == IndexType::DiskAnn {
        // Built, it reads from memory; saved and loaded, from a file.
        let mut stored = Stored { path: std::env::temp_dir().join("index_eval.blocks"), ..Stored::default() };
        index.save(&mut stored)?;
        index = index::load(&spec, &stored.sections, data.vectors.clone())?;
        std::fs::remove_file(&stored.path)?;
    }
    let (knob, usual): (_, &[usize]) = match spec.index_type {
        IndexType::Hnsw => ("ef", &[10, 20, 40, 80, 160, 320]),
        IndexType::Annoy => ("search_k", &[100, 200, 500, 1000, 2000, 5000, 10_000, 20_000]),
        IndexType::Rnsg => ("search_length", &[10, 20, 40, 80, 160, 300]),
        IndexType::DiskAnn => ("search_list", &[10, 16, 24, 32, 48, 64, 100, 200]),
        _ => ("nprobe", &[1, 2, 4, 8, 16, 32, 64, 128, 256, 1024]),
    };
    for &value in if knobs.is_empty() { usual } else { &knobs } {
        measure(&*index, &spec, &data, batch, knob, value)?;
        if matches!(spec.index_type, IndexType::Flat | IndexType::BinFlat) {
            break;
        }
    }
    Ok(())
}

/// What this thread has spent on a processor: a busy machine does not count. Where the system does not tell, the time
/// of day.
fn processor_seconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    match spent.as_deref().and_then(|text| text.split(' ').next()).and_then(|text| text.parse::<f64>().ok()) {
        Some(nanoseconds) => nanoseconds / 1e9,
        None => std::time::UNIX_EPOCH.elapsed().map_or(0.0, |time| time.as_secs_f64()),
    }
}

fn measure(
    index: &dyn Index,
    spec: &IndexSpec,
    data: &Data,
    batch: usize,
    knob: &str,
    value: usize,
) -> elanus::Result<()> {
    let params = spec.search_params(&format!("{{\"{knob}\":{value}}}"), K)?;
    let stop = AtomicBool::new(false);
    let mut scratch = Scratch::default();
    let mut tops = vec![TopK::new(K); batch];
    let (mut done, mut right, mut seconds) = (0, 0, 0.0);
    for number in 0..data.queries.len() / batch {
        if seconds > SECONDS && number > 20 {
            break;
        }
        let queries = some(&data.queries, number * batch..(number + 1) * batch);
        let probe = Probe { queries, k: K, allow: None, params: &params, stop: &stop };
        // What waits for a disk counts too.
        let started = Instant::now();
        let now = || {
            let reads = spec.index_type == IndexType::DiskAnn;
            if reads { started.elapsed().as_secs_f64() } else { processor_seconds() }
        };
        let start = now();
        tops.iter_mut().for_each(|top| top.reset(K));
        index.search(&probe, &mut scratch, &mut tops)?;
        seconds += now() - start;
        for (i, top) in tops.iter().enumerate() {
            let query = number * batch + i;
            let last = last(data, spec, query);
            right += top.hits().iter().filter(|hit| hit.score <= last).count();
            done += 1;
        }
    }
    let recall = right as f64 / (done * K) as f64;
    println!(
        "{knob} {value:5}  recall {recall:.4}  {:9.1} queries/s  ({done} queries)",
        done as f64 / seconds
    );
    Ok(())
}

fn some(vectors: &Vectors, rows: std::ops::Range<usize>) -> Queries<'_> {
    match vectors {
        Vectors::Float(v) => Queries::Float(&v.values()[rows.start * v.dim()..rows.end * v.dim()]),
        Vectors::Binary(v) => Queries::Binary(&v.bytes()[rows.start * v.stride()..rows.end * v.stride()]),
    }
}

/// The exact score of the K-th true neighbour of a query.
fn last(data: &Data, spec: &IndexSpec, query: usize) -> f32 {
    let row = data.truth[query * TRUTH + K - 1] as usize;
    let one = match &data.vectors {
        Vectors::Float(v) => FloatVectors::new(v.row(row).to_vec().into(), v.dim()).into(),
        Vectors::Binary(v) => BinaryVectors::new(v.row(row).to_vec().into(), v.stride()).into(),
    };
    let (params, stop) = (Default::default(), AtomicBool::new(false));
    let queries = some(&data.queries, query..query + 1);
    let mut top = [TopK::new(1)];
    let probe = Probe { queries, k: 1, allow: None, params: &params, stop: &stop };
    exact::search(spec.metric, &one, &probe, &mut top);
    top[0].threshold()
}
