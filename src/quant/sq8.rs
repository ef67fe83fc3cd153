//! Eight-bit scalar codes: the lists of IVF_SQ8 hold these instead of vectors.
//!
//! Each dimension has its own range, from the smallest to the largest value seen, in 256 steps:
//! `x_i ~ low_i + step_i * c_i`. A row's score is that of what its code decodes to. In a product with a query the steps are
//! folded into the query, `w_i = q_i * step_i`, so that a scan multiplies bytes:
//!
//! ```text
//! q . x  ~  sum q_i low_i  +  t * sum b_i c_i  +-  |w - t b| * longest
//! ```
//!
//! with `w ~ t b`, `b` signed bytes in -64..=64. The integer sum decides which rows can be among the best; these few are
//! scored again with `w` itself ([`Query::fine`]), so that rounding the query changes no answer.

use crate::error::Result;
use rayon::prelude::*;

/// The largest byte of a query: two products with codes up to 255 then fit into 16 bits (see `kernel`).
const MAX_BYTE: f64 = 64.0;
/// Rows that one task looks at.
const CHUNK_ROWS: usize = 1024;
/// Rows between two calls of `advance`.
const STEP_ROWS: usize = 32 * CHUNK_ROWS;
/// A range reaches at most so many times as far from the mean as the sizes that 99.99 % of all values keep to: an outlier
/// costs its own row, which counts as one at the end of the range, and at most two bits of its dimension.
const REACH: f64 = 4.0;
/// Rows that tell how far values usually reach.
const SAMPLE_ROWS: usize = 1024;
/// One value in so many may lie outside of what is usual.
const CLIPPED_ONE_IN: usize = 10_000;
/// Squared lengths above this are left to floats: sums of a few of them are still finite.
const LIMIT: f64 = 1e36;
/// Half the distance of 1 to the next float.
const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// Bytes of a query: the dimension rounded up to what the kernels take. A code has one byte a dimension.
pub fn width(dim: usize) -> usize {
    dim.next_multiple_of(64)
}

/// The trained quantizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sq8 {
    pub low: Vec<f32>,
    pub step: Vec<f32>,
    /// The mean code of each dimension: errors are bounded around it.
    pub center: Vec<f32>,
    /// Whether rows and queries are normalised (COSINE).
    pub normalise: bool,
    /// One over each step; 0 for a dimension without a range.
    per_step: Vec<f64>,
}

/// Which score a query wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Squared L2 distance.
    L2,
    /// Inner product, negated.
    NegatedDot,
}

/// A query prepared for scanning: `score = base + scale * dot + norm`, with a row's `norm` only for L2. The score of the
/// decoded row, [`Query::fine`], differs from it by at most `error`.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub bytes: Vec<i8>,
    pub base: f32,
    pub scale: f32,
    pub error: f32,
    fine_base: f32,
    weights: Vec<f32>,
}

impl Sq8 {
    /// A quantizer that was trained before. All three have one value a dimension.
    pub fn new(low: Vec<f32>, step: Vec<f32>, center: Vec<f32>, normalise: bool) -> Sq8 {
        let per_step = step.iter().map(|&step| inverse(step)).collect();
        Sq8 { low, step, center, normalise, per_step }
    }

    /// Trains on all rows (`values` holds whole rows of `dim`); the same numbers at any number of threads. `advance` hears
    /// how many rows were seen since its last call.
    pub fn train(
        values: &[f32],
        dim: usize,
        normalise: bool,
        pool: &rayon::ThreadPool,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Sq8> {
        let limits = limits(values, dim, normalise);
        let mut seen = Seen::new(dim);
        for step in values.chunks(STEP_ROWS * dim) {
            let one = |rows: &[f32]| {
                let mut seen = Seen::new(dim);
                rows.chunks_exact(dim).for_each(|row| seen.add(row, row_factor(row, normalise), &limits));
                seen
            };
            let parts: Vec<Seen> = pool.install(|| step.par_chunks(CHUNK_ROWS * dim).map(one).collect());
            // In their order: sums of floats depend on it.
            parts.iter().for_each(|part| seen.merge(part));
            advance((step.len() / dim) as u64)?;
        }
        let rows = (values.len() / dim).max(1) as f64;
        let Seen { low, high, sum } = seen;
        let low: Vec<f32> = low.into_iter().map(|low| if low.is_finite() { low } else { 0.0 }).collect();
        let range = high.iter().zip(&low).map(|(high, low)| (f64::from(*high) - f64::from(*low)).max(0.0));
        let step: Vec<f32> = range.map(|range| (range / 255.0) as f32).collect();
        let center = |((sum, &low), &step): ((f64, &f32), &f32)| {
            let code = (sum / rows - f64::from(low)) * inverse(step);
            code.clamp(0.0, 255.0) as f32
        };
        let center: Vec<f32> = sum.into_iter().zip(&low).zip(&step).map(center).collect();
        Ok(Sq8::new(low, step, center, normalise))
    }

    /// The most bytes that [`Sq8::train`] holds at once.
    pub fn training_memory(rows: usize, dim: usize) -> usize {
        // The sizes of a sample's values; then what each task of a step sees.
        let (sample, tasks) = (rows.min(SAMPLE_ROWS), rows.div_ceil(CHUNK_ROWS).min(STEP_ROWS / CHUNK_ROWS));
        dim * (size_of::<f32>() * (sample + 3) + 16 * (tasks + 1))
    }

    /// Encodes one row into `code` (of `dim` bytes). Returns the squared length of `decoded - low`, and the distance of
    /// the code from the center.
    pub fn encode(&self, row: &[f32], code: &mut [u8]) -> (f32, f32) {
        let factor = row_factor(row, self.normalise);
        let (mut norm, mut far) = (0f64, 0f64);
        for (i, (&x, code)) in row.iter().zip(code.iter_mut()).enumerate() {
            let y = f64::from(x) * factor - f64::from(self.low[i]);
            // Adding a half and truncating rounds; what is no number becomes 0.
            *code = (y * self.per_step[i] + 0.5).clamp(0.0, 255.0) as u8;
            let c = f64::from(*code);
            norm += (c * f64::from(self.step[i])).powi(2);
            far += (c - f64::from(self.center[i])).powi(2);
        }
        (norm.min(f64::from(f32::MAX)) as f32, (far.sqrt() * (1.0 + 1e-6)) as f32)
    }

    /// Prepares a query into `out`, reusing its memory. `longest` is the largest distance of a code from the center.
    pub fn query(&self, query: &[f32], form: Form, longest: f32, out: &mut Query) {
        let dim = self.low.len();
        let factor = row_factor(query, self.normalise);
        let weight = if form == Form::L2 { 2.0 } else { 1.0 };
        out.weights.clear();
        let (mut base, mut largest, mut norms) = (0f64, 0f64, 0f64);
        for (i, &q) in query.iter().enumerate() {
            let (q, low, step) = (f64::from(q) * factor, f64::from(self.low[i]), f64::from(self.step[i]));
            let w = match form {
                Form::L2 => {
                    base += (q - low) * (q - low);
                    norms += (255.0 * step).powi(2);
                    -2.0 * (q - low) * step
                }
                Form::NegatedDot => {
                    base -= q * low;
                    -q * step
                }
            } / weight;
            out.weights.push(w as f32);
            largest = largest.max(w.abs());
        }
        let t = largest / MAX_BYTE;
        let per_t = if t > 0.0 { 1.0 / t } else { 0.0 };
        out.bytes.clear();
        out.bytes.resize(width(dim), 0);
        let (mut rest, mut shift, mut sizes) = (0f64, 0f64, 0f64);
        for ((byte, &w), &center) in out.bytes.iter_mut().zip(&out.weights).zip(&self.center) {
            let w = f64::from(w);
            *byte = (w * per_t).round() as i8;
            let left = w - t * f64::from(*byte);
            rest += left * left;
            shift += left * f64::from(center);
            sizes += (w.abs() + t) * 255.0;
        }
        out.fine_base = base as f32;
        out.base = (base + weight * shift) as f32;
        out.scale = (weight * t) as f32;
        out.weights.iter_mut().for_each(|w| *w *= weight as f32);
        // What rounding in f32 can lose in the two scores, whose sums run in sixteen parts.
        let rounding = UNIT * (dim as f64 / 8.0 + 32.0) * (base.abs() + shift.abs() + weight * sizes + norms);
        let error = weight * rest.sqrt() * f64::from(longest) * (1.0 + 1e-6) + rounding;
        out.error = (error as f32).next_up();
        // A comparison with NaN is false, so that queries which are not finite end here too.
        if !(base.abs() + weight * sizes + norms <= LIMIT && error.is_finite()) {
            out.bytes.fill(0);
            (out.base, out.scale, out.error) = (0.0, 0.0, f32::INFINITY);
        }
    }
}

impl Query {
    /// The score of a row from its integer product.
    pub fn score(&self, dot: i32, norm: f32) -> f32 {
        self.base + self.scale * dot as f32 + norm
    }

    /// The score of the row that `code` decodes to; infinite where there is no number.
    pub fn fine(&self, code: &[u8], norm: f32) -> f32 {
        let mut sums = [0f32; 16];
        let (weights, rest) = self.weights.as_chunks::<16>();
        let (codes, code_rest) = code.as_chunks::<16>();
        for (weights, codes) in weights.iter().zip(codes) {
            for i in 0..16 {
                sums[i] += weights[i] * f32::from(codes[i]);
            }
        }
        for (i, (weight, &code)) in rest.iter().zip(code_rest).enumerate() {
            sums[i] += weight * f32::from(code);
        }
        let score = self.fine_base + sums.iter().sum::<f32>() + norm;
        if score.is_nan() { f32::INFINITY } else { score }
    }
}

/// What training sees of some rows.
struct Seen {
    low: Vec<f32>,
    high: Vec<f32>,
    sum: Vec<f64>,
}

impl Seen {
    fn new(dim: usize) -> Seen {
        Seen { low: vec![f32::INFINITY; dim], high: vec![f32::NEG_INFINITY; dim], sum: vec![0.0; dim] }
    }

    fn add(&mut self, row: &[f32], factor: f64, limits: &[(f32, f32)]) {
        for (i, (&x, &(least, most))) in row.iter().zip(limits).enumerate() {
            let x = (f64::from(x) * factor) as f32;
            let x = if x.is_nan() { least } else { x.clamp(least, most) };
            self.low[i] = self.low[i].min(x);
            self.high[i] = self.high[i].max(x);
            self.sum[i] += f64::from(x);
        }
    }

    fn merge(&mut self, other: &Seen) {
        for i in 0..self.low.len() {
            self.low[i] = self.low[i].min(other.low[i]);
            self.high[i] = self.high[i].max(other.high[i]);
            self.sum[i] += other.sum[i];
        }
    }
}

/// How far each dimension's range may reach, from a sample: around its median.
fn limits(values: &[f32], dim: usize, normalise: bool) -> Vec<(f32, f32)> {
    let rows = values.len() / dim;
    let sample: Vec<&[f32]> = values.chunks_exact(dim).step_by(rows.div_ceil(SAMPLE_ROWS).max(1)).collect();
    let factors: Vec<f64> = sample.iter().map(|row| row_factor(row, normalise)).collect();
    let (mut column, mut sizes) = (Vec::with_capacity(sample.len()), Vec::new());
    let mut medians = Vec::with_capacity(dim);
    for i in 0..dim {
        column.clear();
        column.extend(sample.iter().zip(&factors).map(|(row, factor)| (f64::from(row[i]) * factor) as f32));
        column.retain(|x| x.is_finite());
        let middle = column.len() / 2;
        let median = match column.is_empty() {
            true => 0.0,
            false => *column.select_nth_unstable_by(middle, f32::total_cmp).1,
        };
        sizes.extend(column.iter().map(|x| (x - median).abs()).filter(|size| *size > 0.0));
        medians.push(median);
    }
    let above = sizes.len() / CLIPPED_ONE_IN;
    let clip = match sizes.is_empty() {
        true => f64::from(f32::MAX),
        false => f64::from(*sizes.select_nth_unstable_by(above, |a, b| b.total_cmp(a)).1),
    };
    let reach = (REACH * clip).min(f64::from(f32::MAX));
    let most = f64::from(f32::MAX);
    let limit = |median: f32| {
        let (low, high) = (f64::from(median) - reach, f64::from(median) + reach);
        (low.max(-most) as f32, high.min(most) as f32)
    };
    medians.into_iter().map(limit).collect()
}

/// What a row is multiplied with before it is encoded: one over its length, or 1 (also for a row of zeros).
fn row_factor(row: &[f32], normalise: bool) -> f64 {
    if !normalise {
        return 1.0;
    }
    let norm: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if norm > 0.0 { 1.0 / norm.sqrt() } else { 1.0 }
}

/// One over a step; 0 for a dimension without a range.
fn inverse(step: f32) -> f64 {
    if step > 0.0 { 1.0 / f64::from(step) } else { 0.0 }
}

#[cfg(test)]
mod tests;
