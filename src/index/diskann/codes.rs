//! The product-quantized vectors that steer a search: what is in memory of every row.
//!
//! A byte names the nearest of 256 centroids for each two dimensions, an eighth of a raw vector (Milvus'
//! `PQCodeBudgetGBRatio`), but there are 512 bytes a row at most, as in DiskANN.

use crate::error::{Error, Result};
use crate::index::catalog::Metric;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::FloatVectors;
use crate::index::{BuildContext, Progress};
use crate::kernel;
use crate::quant::pq::Pq;
use arrow_buffer::{MutableBuffer, ScalarBuffer, ToByteSlice};
use rayon::prelude::*;

const BITS: usize = 8;
const CENTROIDS: usize = 1 << BITS;
/// Dimensions of a part at least: a byte for two floats.
const PART: usize = 2;
/// Bytes of a code at most.
const MAX_BYTES: usize = 512;
/// Rows that the centroids are trained on.
const SAMPLE_ROWS: usize = 32_768;
/// Codes fetched ahead of the one that is scored.
const AHEAD: usize = 8;
/// Rows that one task encodes.
const CHUNK: usize = 256;
/// Values between two checkpoints while rows are encoded.
const STEP_VALUES: usize = 1 << 22;

/// Codes of all rows.
pub struct Codes {
    metric: Metric,
    parts: Parts,
    quantizer: Pq,
    /// For each part its columns, as in [`Pq::columns`], and for L2 one more with the squared norms of its centroids.
    columns: Vec<f32>,
    codes: ScalarBuffer<u8>,
}

/// How a vector is cut, zeros behind its last value.
#[derive(Clone, Copy)]
struct Parts {
    dim: usize,
    /// Dimensions of a part.
    width: usize,
    count: usize,
}

/// A query against the codes.
#[derive(Default)]
pub struct Target {
    /// What each value of each byte adds to a score.
    table: Vec<f32>,
    vector: Vec<f32>,
}

impl Parts {
    fn of(dim: usize) -> Parts {
        let width = dim.div_ceil(MAX_BYTES).max(PART);
        Parts { dim, width, count: dim.div_ceil(width) }
    }

    /// Dimensions with the zeros.
    fn padded(&self) -> usize {
        self.count * self.width
    }

    /// Appends `row` as it is encoded: for COSINE, its direction.
    fn append(&self, metric: Metric, row: &[f32], out: &mut Vec<f32>) {
        let norm = if metric == Metric::Cosine { kernel::dot(row, row) } else { 1.0 };
        let factor = 1.0 / norm.sqrt();
        let factor = if factor.is_finite() { factor } else { 1.0 };
        out.extend(row.iter().map(|x| x * factor));
        out.resize(out.len() + self.padded() - self.dim, 0.0);
    }
}

impl Codes {
    /// Trains the centroids and encodes all rows. Advances by one for each row.
    pub fn build(
        metric: Metric,
        vectors: &FloatVectors,
        context: &BuildContext,
        progress: &mut Progress,
    ) -> Result<Codes> {
        let (parts, rows) = (Parts::of(vectors.dim()), vectors.len());
        let sample = sample(metric, vectors, parts);
        let mut advance = |_| progress.advance(0);
        let (dim, m, seed) = (parts.padded(), parts.count, context.seed);
        let quantizer = Pq::train(&sample, dim, m, BITS, seed, context.pool, &mut advance)?;
        drop(sample);
        let mut codes = MutableBuffer::from_len_zeroed(rows * m);
        let step = (STEP_VALUES / dim).next_multiple_of(CHUNK);
        for (first, codes) in (0..).step_by(step).zip(codes.as_slice_mut().chunks_mut(step * m)) {
            let chunks = codes.par_chunks_mut(CHUNK * m).enumerate();
            let encode = |values: &mut Vec<f32>, (chunk, codes): (usize, &mut [u8])| {
                let first = first + chunk * CHUNK;
                values.clear();
                (first..first + codes.len() / m)
                    .for_each(|row| parts.append(metric, vectors.row(row), values));
                quantizer.encode(values, codes);
            };
            context.pool.install(|| chunks.for_each_init(Vec::new, encode));
            progress.advance((codes.len() / m) as u64)?;
        }
        Ok(Codes::new(metric, parts, quantizer, ScalarBuffer::new(codes.into(), 0, rows * m)))
    }

    fn new(metric: Metric, parts: Parts, quantizer: Pq, codes: ScalarBuffer<u8>) -> Codes {
        let mut columns = Vec::new();
        for part in quantizer.columns().chunks_exact(parts.width * CENTROIDS) {
            columns.extend_from_slice(part);
            if metric == Metric::L2 {
                let norm = |c: usize| part.iter().skip(c).step_by(CENTROIDS).map(|x| x * x).sum::<f32>();
                columns.extend((0..CENTROIDS).map(norm));
            }
        }
        Codes { metric, parts, quantizer, columns, codes }
    }

    /// Reads what [`Codes::save`] wrote.
    pub fn load(metric: Metric, sections: &Sections, rows: usize, dim: usize) -> Result<Codes> {
        let parts = Parts::of(dim);
        let bytes = rows.checked_mul(parts.count);
        let bytes = bytes.ok_or_else(|| Error::corrupt("the DISKANN index is too large"))?;
        let columns = sections.typed::<f32>("centroids", parts.padded() * CENTROIDS)?.to_vec();
        let quantizer = Pq::new(parts.padded(), parts.count, BITS, columns);
        Ok(Codes::new(metric, parts, quantizer, sections.typed("codes", bytes)?))
    }

    pub fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("centroids", self.quantizer.columns().to_byte_slice())?;
        out.section("codes", &self.codes)
    }

    pub fn memory(&self) -> usize {
        Codes::bytes(self.metric, self.codes.len() / self.parts.count, self.parts.dim)
    }

    /// Bytes that the codes of `rows` rows take with their tables.
    pub fn bytes(metric: Metric, rows: usize, dim: usize) -> usize {
        let parts = Parts::of(dim);
        let norms = if metric == Metric::L2 { parts.count } else { 0 };
        rows * parts.count + (2 * parts.padded() + norms) * CENTROIDS * size_of::<f32>()
    }

    /// Makes `target` a query.
    pub fn aim(&self, query: &[f32], target: &mut Target) {
        let Parts { width, count, .. } = self.parts;
        let l2 = self.metric == Metric::L2;
        target.vector.clear();
        self.parts.append(self.metric, query, &mut target.vector);
        let factor = if l2 { -2.0 } else { -1.0 };
        target.vector.iter_mut().for_each(|x| *x *= factor);
        target.table.resize(count * CENTROIDS, 0.0);
        let columns = self.columns.chunks_exact((width + usize::from(l2)) * CENTROIDS);
        let vectors = target.vector.chunks_exact(width).zip(columns);
        // |r|^2 - 2 q.r, which differs from the distance by |q|^2; the one is the weight of the norms.
        let mut point = vec![1.0; width + usize::from(l2)];
        for ((vector, columns), table) in vectors.zip(target.table.chunks_exact_mut(CENTROIDS)) {
            point[..width].copy_from_slice(vector);
            kernel::combine_columns(&point, columns, table);
        }
    }

    /// Fills `scores` with the score of each of `nodes`.
    pub fn score(&self, target: &Target, nodes: &[u32], scores: &mut Vec<f32>) {
        let m = self.parts.count;
        let code = |node: u32| &self.codes[node as usize * m..][..m];
        let tables = target.table.as_chunks::<CENTROIDS>().0;
        let mut ahead = nodes.iter();
        ahead.by_ref().take(AHEAD).for_each(|&node| kernel::prefetch(code(node)));
        scores.clear();
        scores.extend(nodes.iter().map(|&node| {
            ahead.by_ref().take(1).for_each(|&node| kernel::prefetch(code(node)));
            sum(code(node), tables)
        }));
    }
}

/// The sum of a code's entries, in eight parts.
fn sum(code: &[u8], tables: &[[f32; CENTROIDS]]) -> f32 {
    let mut sums = [0f32; 8];
    let ((codes, code_rest), (groups, group_rest)) = (code.as_chunks::<8>(), tables.as_chunks::<8>());
    for (code, tables) in codes.iter().zip(groups) {
        for ((sum, &byte), table) in sums.iter_mut().zip(code).zip(tables) {
            *sum += table[usize::from(byte)];
        }
    }
    for ((sum, &byte), table) in sums.iter_mut().zip(code_rest).zip(group_rest) {
        *sum += table[usize::from(byte)];
    }
    sums.iter().sum()
}

/// Evenly spaced rows, part by part: for each part, the values of all of them.
fn sample(metric: Metric, vectors: &FloatVectors, parts: Parts) -> Vec<f32> {
    let step = vectors.len().div_ceil(SAMPLE_ROWS).max(1);
    let mut rows = Vec::new();
    (0..vectors.len()).step_by(step).for_each(|row| parts.append(metric, vectors.row(row), &mut rows));
    let part = |j: usize| {
        let rows = rows.chunks_exact(parts.padded());
        rows.flat_map(move |row| row[j * parts.width..(j + 1) * parts.width].iter().copied())
    };
    (0..parts.count).flat_map(part).collect()
}
