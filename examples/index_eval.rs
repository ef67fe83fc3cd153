//! Measures one index on a folder of vectors: build seconds, then recall@10 and queries a second of one
//! thread's processor time for each knob value.
//!
//! `cargo run --release --example index_eval -- FOLDER '{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":1024}}' [BATCH [KNOBS...]]`
//!
//! The folder has `base.f32`, `queries.f32` (raw little-endian rows), `gt_<metric>.i32` (100 ids a query) and a
//! `meta.json` with `dim`. Recall counts by distance: a hit as near as the 10th true one is right.

use arrow_buffer::{Buffer, ScalarBuffer};
use elanus::index::catalog::{IndexSpec, IndexType, VectorKind};
use elanus::index::exact::Exact;
use elanus::index::sections::{SectionWriter, Sections};
use elanus::index::vectors::FloatVectors;
use elanus::index::{self, BuildContext, Index, Pace, Probe, Queries, Scratch};
use elanus::kernel::topk::TopK;
use elanus::storage::blocks::{Blocks, BlocksWriter};
use elanus::storage::vfs::{Disk, Vfs};
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
    vectors: FloatVectors,
    queries: FloatVectors,
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
    let spec = IndexSpec::from_json(&description, VectorKind::Float, dim)?;
    let read = |name: &str| std::fs::read(folder.join(name)).map(Buffer::from_vec);
    let data = Data {
        vectors: FloatVectors::new(read("base.f32")?.into(), dim),
        queries: FloatVectors::new(read("queries.f32")?.into(), dim),
        truth: read(&format!("gt_{}.i32", spec.metric.name().to_lowercase()))?.into(),
    };

    let pool = rayon::ThreadPoolBuilder::new().build()?;
    let start = Instant::now();
    let context = BuildContext::new(&pool, 1, &Free);
    let mut index = index::build(&spec, data.vectors.clone().into(), &context)?;
    let seconds = start.elapsed().as_secs_f64();
    println!("built {} in {seconds:.2} s, {} MiB beside the vectors", spec.to_json(), index.memory() >> 20);

    if spec.index_type == IndexType::DiskAnn {
        // Built, it reads from memory; saved and loaded, from a file.
        let mut stored = Stored { path: std::env::temp_dir().join("index_eval.blocks"), ..Stored::default() };
        index.save(&mut stored)?;
        index = index::load(&spec, &stored.sections, data.vectors.clone().into())?;
        std::fs::remove_file(&stored.path)?;
    }
    let (knob, usual): (_, &[usize]) = match spec.index_type {
        IndexType::Hnsw => ("ef", &[10, 20, 40, 80, 160, 320]),
        IndexType::DiskAnn => ("search_list", &[10, 16, 24, 32, 48, 64, 100, 200]),
        _ => ("nprobe", &[1, 2, 4, 8, 16, 32, 64, 128, 256, 1024]),
    };
    for &value in if knobs.is_empty() { usual } else { &knobs } {
        measure(&*index, &spec, &data, batch, knob, value)?;
        if spec.index_type == IndexType::Flat {
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
    for (number, queries) in data.queries.values().chunks_exact(batch * data.queries.dim()).enumerate() {
        if seconds > SECONDS && number > 20 {
            break;
        }
        let probe =
            Probe { queries: Queries::Float(queries), k: K, allow: None, params: &params, stop: &stop };
        // What waits for a disk counts too.
        let now = || if index_reads(spec) { seconds_of_day() } else { processor_seconds() };
        let start = now();
        tops.iter_mut().for_each(|top| top.reset(K));
        index.search(&probe, &mut scratch, &mut tops)?;
        seconds += now() - start;
        for (i, top) in tops.iter().enumerate() {
            let query = number * batch + i;
            let exact = Exact::new(spec.metric, &data.vectors, data.queries.row(query));
            let last = exact.score(data.truth[query * TRUTH + K - 1] as u32);
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
