//! The product-quantized vectors that steer a search (Jégou et al. 2011): what is in memory of every row.

use crate::error::{Error, Result};
use crate::index::catalog::Metric;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::FloatVectors;
use crate::index::{BuildContext, Progress};
use crate::kernel;
use crate::quant::kmeans::{Centroids, Options};
use arrow_buffer::{MutableBuffer, ScalarBuffer, ToByteSlice};
use rayon::prelude::*;

/// Centroids of a subspace.
const CENTROIDS: usize = 256;
/// Dimensions of a subspace: a byte for two floats is an eighth of their bytes.
const SUB: usize = 2;

/// Codes of all rows.
pub struct Codes {
    metric: Metric,
    dim: usize,
    centroids: ScalarBuffer<f32>,
    codes: ScalarBuffer<u8>,
}

/// A query against the codes.
#[derive(Default)]
pub struct Target {
    /// For each subspace what each of its centroids adds to the score.
    table: Vec<f32>,
    factor: f32,
}

impl Codes {
    fn bytes(dim: usize) -> usize {
        dim.div_ceil(SUB)
    }

    /// Trains and encodes.
    pub fn build(
        metric: Metric,
        vectors: &FloatVectors,
        context: &BuildContext,
        progress: &mut Progress,
    ) -> Result<Codes> {
        let (dim, rows) = (vectors.dim(), vectors.len());
        let m = Self::bytes(dim);
        let mut centroids = vec![0f32; m * CENTROIDS * SUB];
        let mut columns = vec![vec![0u8; 0]; 0];
        for (at, out) in centroids.chunks_exact_mut(CENTROIDS * SUB).enumerate() {
            let sub = |row: usize| {
                let values = vectors.row(row);
                let factor = factor(metric, values);
                let x = |i: usize| values.get(at * SUB + i).copied().unwrap_or(0.0) * factor;
                [x(0), x(1)]
            };
            let values: Vec<[f32; SUB]> =
                context.pool.install(|| (0..rows).into_par_iter().map(sub).collect());
            let options = Options {
                k: CENTROIDS,
                iterations: 8,
                rows_per_centroid: 32,
                spherical: false,
                seed: context.seed,
            };
            let trained = Centroids::train(values.as_flattened(), SUB, &options, context.pool, &mut |_| {
                progress.advance(0)
            })?;
            let mut nearest = vec![0; rows];
            trained
                .assign(values.as_flattened(), context.pool, &mut nearest, &mut |_| progress.advance(0))?;
            out.copy_from_slice(&trained.values);
            columns.push(nearest.iter().map(|&n| n as u8).collect());
        }
        let mut codes = MutableBuffer::from_len_zeroed(rows * m);
        for (row, code) in codes.as_slice_mut().chunks_exact_mut(m).enumerate() {
            code.iter_mut().zip(&columns).for_each(|(code, column)| *code = column[row]);
        }
        let codes = ScalarBuffer::new(codes.into(), 0, rows * m);
        Ok(Codes { metric, dim, centroids: centroids.into(), codes })
    }

    pub fn load(metric: Metric, sections: &Sections, rows: usize, dim: usize) -> Result<Codes> {
        let m = Self::bytes(dim);
        let bytes = rows.checked_mul(m).ok_or_else(|| Error::corrupt("the DISKANN index is too large"))?;
        let centroids: ScalarBuffer<f32> = sections.typed("centroids", m * CENTROIDS * SUB)?;
        Ok(Codes { metric, dim, centroids, codes: sections.typed("codes", bytes)? })
    }

    pub fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("centroids", self.centroids.to_byte_slice())?;
        out.section("codes", &self.codes)
    }

    pub fn memory(&self) -> usize {
        self.codes.len() + self.centroids.len() * size_of::<f32>()
    }

    /// Makes `target` a query.
    pub fn aim(&self, query: &[f32], target: &mut Target) {
        target.factor = factor(self.metric, query);
        target.table.clear();
        for (at, centroids) in self.centroids.chunks_exact(CENTROIDS * SUB).enumerate() {
            let q = |i: usize| query.get(at * SUB + i).copied().unwrap_or(0.0) * target.factor;
            let (a, b) = (q(0), q(1));
            let pairs = centroids.as_chunks::<SUB>().0;
            if self.metric == Metric::Ip {
                target.table.extend(pairs.iter().map(|[x, y]| -(a * x + b * y)));
            } else {
                target.table.extend(pairs.iter().map(|[x, y]| (a - x) * (a - x) + (b - y) * (b - y)));
            }
        }
    }

    /// Fills `scores` with the score of each of `nodes`.
    pub fn score(&self, target: &Target, nodes: &[u32], scores: &mut Vec<f32>) {
        let m = Self::bytes(self.dim);
        let tables = target.table.as_chunks::<CENTROIDS>().0;
        let one = |&node: &u32| {
            let code = &self.codes[node as usize * m..][..m];
            let mut sums = [0f32; 4];
            for (code, tables) in code.chunks(4).zip(tables.chunks(4)) {
                for ((sum, &code), table) in sums.iter_mut().zip(code).zip(tables) {
                    *sum += table[usize::from(code)];
                }
            }
            (sums[0] + sums[1]) + (sums[2] + sums[3])
        };
        scores.clear();
        scores.extend(nodes.iter().map(one));
    }
}

/// COSINE compares directions.
fn factor(metric: Metric, row: &[f32]) -> f32 {
    let norm = if metric == Metric::Cosine { kernel::dot(row, row) } else { 1.0 };
    let factor = 1.0 / norm.sqrt();
    if factor.is_finite() { factor } else { 1.0 }
}
