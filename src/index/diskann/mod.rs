//! DISKANN: a graph on disk (Subramanya et al., "DiskANN: Fast Accurate Billion-point Nearest Neighbor Search on a Single
//! Node", NeurIPS 2019).
//!
//! In memory there are product-quantized vectors, an eighth of the raw ones by default as in Milvus
//! (`PQCodeBudgetGBRatio`), and the records of the nodes around the entry. On disk each node's record has its raw vector
//! and its links, in blocks of 4 KiB. A search keeps the `search_list` nearest nodes by their codes, reads the records of
//! the `beamwidth` nearest that it has not read yet, all at once, goes on with their links, and ranks what it has read by
//! the raw vectors.
//!
//! Nodes are rows. The graph is built on seven-bit codes like that of HNSW ([`vamana`]), in parts where memory is short
//! ([`partition`]).

mod codes;
mod layout;
mod links;
mod partition;
mod search;
#[cfg(test)]
mod tests;
mod vamana;

use super::catalog::{IndexSpec, Metric};
use super::exact::{self, Exact};
use super::graph::beam::{EMPTY, MAX_NODES};
use super::graph::check::check_total;
use super::graph::space::Space;
use super::sections::{Block, BlockReader, SectionWriter, Sections};
use super::vectors::FloatVectors;
use super::{BuildContext, Index, Probe, Progress, Scratch};
use crate::error::{Error, Result};
use crate::kernel::topk::TopK;
use crate::quant::random::hash;
use crate::quant::sq7;
use arrow_buffer::{Buffer, ScalarBuffer, ToByteSlice};
use codes::Codes;
use layout::Layout;
use links::{Composed, Links};
use rayon::prelude::*;
pub use search::Buffers;
use std::sync::Arc;
use vamana::Shape;

/// The layout of the sections.
const FORMAT: u32 = 1;
/// One node in so many is kept in memory, those nearest to the entry by the number of links to them.
const CACHE_SHARE: usize = 64;
/// Nodes that are kept at least, if there are as many, and their records are no more than some bytes.
const CACHE_LEAST: usize = 256;
const CACHE_BYTES: usize = 1 << 20;
/// Values that are looked at between two checkpoints.
const STEP_VALUES: usize = 1 << 24;
/// Records that are read into memory between two checkpoints.
const STEP_RECORDS: usize = 1024;
/// Blocks that are read at once while an index is saved.
const SAVE_BLOCKS: usize = 64;

/// A graph over all rows of a segment.
pub struct DiskAnn {
    vectors: FloatVectors,
    metric: Metric,
    shape: Shape,
    layout: Layout,
    codes: Codes,
    /// Where searches start: the row nearest to the mean.
    entry: u32,
    cache: Cache,
    blocks: Arc<dyn BlockReader>,
}

/// Records that are in memory.
struct Cache {
    /// In ascending order.
    nodes: ScalarBuffer<u32>,
    /// In the same order.
    records: Buffer,
}

impl DiskAnn {
    /// Builds the graph with the parameters `max_degree` and `search_list_size`.
    pub fn build(spec: &IndexSpec, vectors: FloatVectors, context: &BuildContext) -> Result<DiskAnn> {
        let rows = vectors.len();
        check_total(rows)?;
        let shape = shape(spec);
        let layout = Layout::new(rows, vectors.dim(), shape.degree);
        context.pace.checkpoint(0, rows as u64)?;
        let free = (context.memory as usize).saturating_sub(Codes::bytes(spec.metric, rows, vectors.dim()));
        let most = free / row_bytes(vectors.dim(), shape);
        let is_whole = context.memory == 0 || rows <= most.max(partition::MIN_PART);
        let linked = if is_whole { 1 } else { partition::PARTS_OF_A_ROW };
        let work = rows as u64 * (1 + vamana::WORK * linked);
        let mut progress = Progress::new(context.pace, rows as u64, work);
        let codes = Codes::build(spec.metric, &vectors, context, &mut progress)?;
        let all: Vec<u32> = (0..rows as u32).collect();
        let order = arrange(&vectors, spec.metric, all, context, &mut progress)?;
        let entry = order.first().copied().unwrap_or(0);
        let links = if is_whole {
            whole(spec, &vectors, order, shape, context, &mut progress)?
        } else {
            drop(order);
            Links::Spilled(partition::build(&vectors, spec, shape, most, context, &mut progress)?)
        };
        let blocks = Arc::new(Composed { layout, vectors: vectors.clone(), links, degree: shape.degree });
        let cache = Cache::fill(&layout, entry, &*blocks, &mut progress)?;
        Ok(DiskAnn { vectors, metric: spec.metric, shape, layout, codes, entry, cache, blocks })
    }

    /// Opens what [`Index::save`] wrote; the blocks of the records are not read.
    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors) -> Result<DiskAnn> {
        let (rows, dim, shape) = (vectors.len(), vectors.dim(), shape(spec));
        let [_, metric, degree, list, entry, cached] = sections.head("DISKANN", FORMAT)?;
        if (metric, degree as usize, list as usize) != (spec.metric.id(), shape.degree, shape.list) {
            return Err(Error::corrupt("the DISKANN index is not the one that its description names"));
        }
        if rows > MAX_NODES || entry as usize >= rows.max(1) {
            return Err(Error::corrupt("the DISKANN index starts nowhere"));
        }
        let layout = Layout::new(rows, dim, shape.degree);
        let codes = Codes::load(spec.metric, sections, rows, dim)?;
        let cache = Cache::load(&layout, sections, cached as usize, rows)?;
        let blocks = sections.reader("records", layout.blocks())?;
        Ok(DiskAnn { vectors, metric: spec.metric, shape, layout, codes, entry, cache, blocks })
    }
}

impl Index for DiskAnn {
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        self.search_all(probe, &mut scratch.diskann, tops)
    }

    fn rows(&self) -> usize {
        self.vectors.len()
    }

    fn cost(&self, probe: &Probe, allowed: usize) -> f64 {
        search::cost(probe, allowed, self.vectors.len())
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        let cached = self.cache.nodes.len() as u32;
        let (degree, list) = (self.shape.degree as u32, self.shape.list as u32);
        let head = [FORMAT, self.metric.id(), degree, list, self.entry, cached];
        out.section("head", head.to_byte_slice())?;
        self.codes.save(out)?;
        out.section("cached", self.cache.nodes.to_byte_slice())?;
        out.section("cache", &self.cache.records)?;
        let mut ahead = Vec::new();
        let mut blocks = vec![Block::default(); SAVE_BLOCKS];
        out.blocks("records", self.layout.blocks(), &mut |number, payload| {
            let at = (number % SAVE_BLOCKS as u64) as usize;
            if at == 0 {
                ahead.clear();
                ahead.extend((number..self.layout.blocks()).take(SAVE_BLOCKS));
                self.blocks.read(&ahead, &mut blocks[..ahead.len()])?;
            }
            payload.copy_from_slice(blocks[at].payload());
            Ok(())
        })
    }

    fn memory(&self) -> usize {
        self.codes.memory() + self.cache.nodes.len() * size_of::<u32>() + self.cache.records.len()
    }
}

/// The graph of a set that fits in memory, in the order of its rows.
fn whole(
    spec: &IndexSpec,
    vectors: &FloatVectors,
    order: Vec<u32>,
    shape: Shape,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Links> {
    let space = Space::encode(vectors, &order, spec.metric, context.pool, &mut || progress.advance(0))?;
    let table = vamana::build(&space, order.len(), shape, context, progress)?.places;
    drop(space);
    let degree = shape.degree;
    let mut links = vec![EMPTY; table.len()];
    for (places, &row) in table.chunks_exact(degree).zip(&order) {
        let row_of = |&link: &u32| if link == EMPTY { EMPTY } else { order[link as usize] };
        let list = &mut links[row as usize * degree..][..degree];
        list.iter_mut().zip(places).for_each(|(link, place)| *link = row_of(place));
    }
    Ok(Links::Table(links))
}

/// Bytes that a build in memory takes for a row.
fn row_bytes(dim: usize, shape: Shape) -> usize {
    // Codes and their offsets; links while they grow and once more while they are pruned; the order.
    sq7::stride(dim) + 4 + 4 * (shape.places() + shape.degree) + 8
}

impl Cache {
    /// The records around the entry: breadth first, the entry itself first.
    fn fill(layout: &Layout, entry: u32, blocks: &dyn BlockReader, progress: &mut Progress) -> Result<Cache> {
        let rows = layout.rows();
        let least = CACHE_LEAST.min(CACHE_BYTES / layout.record());
        let wanted = rows.min((rows / CACHE_SHARE).max(least));
        let mut seen = vec![false; rows];
        let mut nodes: Vec<u32> = Vec::with_capacity(wanted);
        if wanted > 0 {
            nodes.push(entry);
            seen[entry as usize] = true;
        }
        let mut records = vec![0u8; wanted * layout.record()];
        let (mut joined, mut vector, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut span = vec![Block::default(); layout.span()];
        let mut read = |node: u32, record: &mut [u8], links: &mut Vec<u32>| {
            let first = layout.first_block(node);
            let numbers: Vec<u64> = (first..first + layout.span() as u64).collect();
            blocks.read(&numbers, &mut span)?;
            record.copy_from_slice(layout.find(node, &span, &mut joined));
            layout.parse(record, &mut vector, links)
        };
        let mut at = 0;
        while let Some(&node) = nodes.get(at) {
            if at.is_multiple_of(STEP_RECORDS) {
                progress.advance(0)?;
            }
            read(node, &mut records[at * layout.record()..][..layout.record()], &mut links)?;
            for &link in &links {
                if nodes.len() < wanted && !std::mem::replace(&mut seen[link as usize], true) {
                    nodes.push(link);
                }
            }
            at += 1;
        }
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_unstable_by_key(|&at| nodes[at]);
        let sorted =
            order.iter().flat_map(|&at| &records[at * layout.record()..][..layout.record()]).copied();
        let records = Buffer::from_vec(sorted.collect::<Vec<u8>>());
        Ok(Cache { nodes: order.iter().map(|&at| nodes[at]).collect::<Vec<_>>().into(), records })
    }

    fn load(layout: &Layout, sections: &Sections, count: usize, rows: usize) -> Result<Cache> {
        let nodes: ScalarBuffer<u32> = sections.typed("cached", count)?;
        let records = sections.bytes("cache")?.clone();
        let ascending = nodes.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = nodes.last().is_none_or(|&node| (node as usize) < rows);
        if !ascending || !inside || count.checked_mul(layout.record()) != Some(records.len()) {
            return Err(Error::corrupt(
                "the nodes that the DISKANN index keeps in memory do not fit its rows",
            ));
        }
        Ok(Cache { nodes, records })
    }

    /// The record of `node`, if it is here.
    fn record(&self, node: u32, layout: &Layout) -> Option<&[u8]> {
        let at = self.nodes.binary_search(&node).ok()?;
        Some(&self.records[at * layout.record()..][..layout.record()])
    }
}

fn shape(spec: &IndexSpec) -> Shape {
    Shape {
        degree: spec.params.count("max_degree").max(1),
        list: spec.params.count("search_list_size").max(1),
    }
}

/// `rows` in the order in which they become nodes: first the one nearest to their mean, the entry, then the others in a
/// random order, that of a hash of their numbers.
fn arrange(
    vectors: &FloatVectors,
    metric: Metric,
    mut rows: Vec<u32>,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Vec<u32>> {
    let mean = mean(vectors, &rows, context, progress)?;
    let exact = Exact::new(metric, vectors, &mean);
    let mut best: Option<(f32, u32)> = None;
    for rows in rows.chunks(step(vectors)) {
        progress.advance(0)?;
        let scored = rows.par_iter().map(|&row| (exact.score(row), row));
        let nearest = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        let found = context.pool.install(|| scored.min_by(nearest));
        best = best.into_iter().chain(found).min_by(nearest);
    }
    let entry = best.map(|(_, row)| row);
    context.pool.install(|| {
        rows.par_sort_unstable_by_key(|&row| (Some(row) != entry, hash(context.seed, row.into()), row))
    });
    Ok(rows)
}

/// The mean of rows, summed by chunks of fixed size, so that it is the same at any number of threads.
fn mean(
    vectors: &FloatVectors,
    rows: &[u32],
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Vec<f32>> {
    const CHUNK: usize = 1024;
    let mut total = vec![0f64; vectors.dim()];
    let sum = |rows: &[u32]| {
        let mut sums = vec![0f64; vectors.dim()];
        for &row in rows {
            sums.iter_mut().zip(vectors.row(row as usize)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        sums
    };
    for rows in rows.chunks(step(vectors)) {
        progress.advance(0)?;
        let sums: Vec<Vec<f64>> = context.pool.install(|| rows.par_chunks(CHUNK).map(sum).collect());
        sums.iter().for_each(|sums| total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum));
    }
    let count = rows.len().max(1) as f64;
    Ok(total.iter().map(|&sum| (sum / count) as f32).collect())
}

/// Rows that are looked at between two checkpoints.
fn step(vectors: &FloatVectors) -> usize {
    (STEP_VALUES / vectors.dim()).max(1)
}
