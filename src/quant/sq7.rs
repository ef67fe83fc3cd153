//! Seven-bit scalar codes: the compressed shadow that FLAT, IVF_FLAT and HNSW read first, before exact distances
//! decide.
//!
//! A row `x` (for COSINE: `x / |x|`) becomes `y = x - mean` and is stored as `c = round(y / step) + 64` in 0..=127, one
//! byte a dimension, with `|y|^2` and the length of what rounding lost. A query becomes signed bytes `w`; then one
//! integer inner product gives the score of a row and a bound of its error that always holds (Cauchy-Schwarz):
//!
//! ```text
//! q . y  =  t * step * sum w_i (c_i - 64)  +- ( |q| * lost_row + |q - t w| * longest )
//! ```
//!
//! So a scan over codes can throw away every row whose score less the bound is worse than the k-th best, and stays
//! exact. Seven bits and not eight, because `vpmaddubsw` then cannot saturate (see `kernel`).

use crate::kernel;

/// The largest code.
pub const MAX_CODE: u8 = 127;
/// The code of `y = 0`.
pub const ZERO_CODE: i32 = 64;

/// Rows that [`Sq7::train`] looks at to choose the step.
const SAMPLE_ROWS: usize = 1 << 16;
/// Rows that one task looks at.
const CHUNK_ROWS: usize = 2048;
/// One value in so many may lie outside the range of the codes, so that rare outliers cost only their own rows.
const CLIPPED_ONE_IN: u64 = 10_000;
/// Squared lengths above this are left to the exact kernels: sums of a few of them are still finite floats.
const LIMIT: f64 = 1e36;
/// Half the distance of 1 to the next float: what one f32 operation can lose, relatively.
const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// Bytes of a code: the dimension rounded up to whole cache lines. The padding of codes and queries is zero.
pub fn stride(dim: usize) -> usize {
    dim.next_multiple_of(64)
}

/// The trained quantizer: where codes are centred and how far apart they lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Sq7 {
    pub mean: Vec<f32>,
    pub step: f32,
    /// Whether rows are normalised before they are encoded (COSINE).
    pub normalise: bool,
}

/// A row beside its code: what bounds need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lost {
    /// `|y|^2`; 0 where `error` is infinite, so that scores stay finite.
    pub norm: f32,
    /// Upper bound of `|y - decoded y|`. Infinite for rows too long for f32 (`|y|^2` above 1e36) and for rows that
    /// are not finite: their slack is infinite, so the exact kernel decides.
    pub error: f32,
}

/// A query as signed bytes, and the affine map from integers to scores.
///
/// `score = base + norm_factor * norm + scale * dot`, with `norm_factor` 1 for L2 and 0 otherwise, and a row's true
/// score differs from it by at most `error_factor * lost.error + error_base`. Scores are always finite and the bound
/// is never NaN: where f32 cannot hold the numbers, the score is 0 and the bound infinite.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub bytes: Vec<i8>,
    pub base: f32,
    pub scale: f32,
    pub norm_factor: f32,
    pub error_factor: f32,
    pub error_base: f32,
}

/// Which affine map a query gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Squared L2 distance.
    L2,
    /// Inner product (of normalised rows and query: COSINE), negated.
    NegatedDot,
}

/// How training runs over parts of the rows: on how many threads, and what stops it.
pub trait Chunks {
    type Error;

    /// What `one` makes of each `chunk` values, in their order.
    fn map<T: Send>(
        &mut self,
        values: &[f32],
        chunk: usize,
        one: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<T>, Self::Error>;
}

impl Sq7 {
    /// Trains on all rows (`values` holds whole rows). The same numbers at every level, and however `chunks` runs: no SIMD
    /// in here, and parts are added up in their order.
    ///
    /// Range and centre follow from the 99.99 % quantile of sizes over at most 65,536 evenly spaced rows: values beyond
    /// it count as the quantile in the mean, and beyond it codes are clamped; [`Lost::error`] says what that lost.
    pub fn train<C: Chunks>(
        values: &[f32],
        dim: usize,
        normalise: bool,
        chunks: &mut C,
    ) -> Result<Sq7, C::Error> {
        let rows = values.len() / dim;
        let every = rows.div_ceil(SAMPLE_ROWS).max(1);
        let mut mean = vec![0f32; dim];
        let clip = f64::from(clip_around(&mean, values, every, normalise, chunks)?);
        let sums = |rows: &[f32]| {
            let mut sums = vec![0f64; dim];
            for row in rows.chunks_exact(dim) {
                let factor = row_factor(row, normalise);
                for (sum, &x) in sums.iter_mut().zip(row) {
                    *sum += (f64::from(x) * factor).clamp(-clip, clip);
                }
            }
            sums
        };
        let parts = chunks.map(values, CHUNK_ROWS * dim, sums)?;
        for (i, mean) in mean.iter_mut().enumerate() {
            *mean = (parts.iter().map(|part| part[i]).sum::<f64>() / rows.max(1) as f64) as f32;
        }
        let clip = clip_around(&mean, values, every, normalise, chunks)?;
        let step = (clip / (f32::from(MAX_CODE) - ZERO_CODE as f32 + 0.5)).max(f32::MIN_POSITIVE);
        Ok(Sq7 { mean, step, normalise })
    }

    /// Encodes one row into `code` (of [`stride`] bytes).
    pub fn encode(&self, row: &[f32], code: &mut [u8]) -> Lost {
        let factor = row_factor(row, self.normalise);
        let step = f64::from(self.step);
        let per_step = 1.0 / step;
        let (mut norm, mut lost, mut size) = (0f64, 0f64, 0f64);
        for ((&x, &mean), code) in row.iter().zip(&self.mean).zip(code.iter_mut()) {
            let x = f64::from(x) * factor;
            let y = x - f64::from(mean);
            // Adding a half and truncating rounds: the clamped number is never negative.
            *code = (y * per_step + f64::from(ZERO_CODE) + 0.5).clamp(0.0, f64::from(MAX_CODE)) as u8;
            let left = y - step * f64::from(i32::from(*code) - ZERO_CODE);
            norm += y * y;
            lost += left * left;
            size += x * x;
        }
        code[row.len()..].fill(0);
        // A comparison with NaN is false, so that rows which are not finite end here too.
        if !(norm <= LIMIT && size.is_finite()) {
            return Lost { norm: 0.0, error: f32::INFINITY };
        }
        // What f64 itself may have lost above, generously.
        let error = lost.sqrt() * (1.0 + 1e-9) + 1e-12 * (size.sqrt() + norm.sqrt());
        // The bound of a score is linear in this error, but rounding in f32 grows with |y|^2. Where the error exceeds
        // the reach of the codes (far outliers only), the larger square over reach makes the linear bound cover it.
        let reach = self.reach();
        let error = if error > reach { error * (error / reach) } else { error };
        Lost { norm: norm as f32, error: round_up(error) }
    }

    /// An upper bound of `|decoded y|` for one code: what [`Sq7::query`] wants the largest of.
    pub fn length(&self, code: &[u8]) -> f32 {
        let squares = code[..self.mean.len()].iter().map(|&c| (i64::from(c) - i64::from(ZERO_CODE)).pow(2));
        round_up(f64::from(self.step) * (squares.sum::<i64>() as f64).sqrt())
    }

    /// Prepares a query into `out`, reusing its memory. `longest` bounds `|decoded y|` over the rows searched. For
    /// `normalise`, the query is normalised too (a zero query stays zero).
    ///
    /// The bound holds for the true score and for what [`kernel::l2`] and [`kernel::dot`] make of it in f32 (for
    /// COSINE, `dot` and the norms of [`kernel::dot_norm`]), as long as their numbers neither overflow nor underflow.
    /// It does not hold for a squared distance made of two norms and a dot, which may cancel.
    pub fn query(&self, query: &[f32], form: Form, longest: f32, out: &mut Query) {
        let dim = self.mean.len();
        let factor = row_factor(query, self.normalise);
        let target = |i: usize| {
            let q = f64::from(query[i]) * factor;
            if form == Form::L2 { q - f64::from(self.mean[i]) } else { q }
        };

        // w = t * bytes + rest
        let largest = (0..dim).map(|i| target(i).abs()).fold(0.0, f64::max);
        let t = largest / f64::from(i8::MAX);
        let per_t = if t > 0.0 { 1.0 / t } else { 0.0 };
        out.bytes.clear();
        out.bytes.resize(stride(dim), 0);
        let (mut norm, mut rest, mut w_mean, mut mean_norm) = (0f64, 0f64, 0f64, 0f64);
        let (mut byte_sum, mut byte_size) = (0i64, 0i64);
        for i in 0..dim {
            let (w, mean) = (target(i), f64::from(self.mean[i]));
            let byte = (w * per_t).round() as i8;
            out.bytes[i] = byte;
            byte_sum += i64::from(byte);
            byte_size += i64::from(byte).abs();
            norm += w * w;
            rest += (w - t * f64::from(byte)).powi(2);
            w_mean += w * mean;
            mean_norm += mean * mean;
        }
        let (length, rest, longest) = (norm.sqrt(), rest.sqrt() + 1e-12 * norm.sqrt(), f64::from(longest));

        // The map in f64: a dot is sum b c = sum b (c - 64) + 64 sum b.
        let per_dot = t * f64::from(self.step);
        let shift = f64::from(ZERO_CODE) * per_dot * byte_sum as f64;
        let (base, scale, norm_factor, weight) = match form {
            Form::L2 => (norm + 2.0 * shift, -2.0 * per_dot, 1.0, 2.0),
            Form::NegatedDot => (shift - w_mean, -per_dot, 0.0, 1.0),
        };
        out.base = base as f32;
        out.scale = scale as f32;
        out.norm_factor = norm_factor;

        // Rounding in f32. The exact kernels sum in at least four parts, so an error grows with a quarter of the
        // dimensions (Higham, Accuracy and Stability, 4.2), for which three eighths leave room.
        let kernels = 3.0 * (dim as f64 / 8.0 + 16.0) * UNIT;
        let largest_dot = f64::from(MAX_CODE) * byte_size as f64;
        let map = 4.0 * UNIT * (base.abs() + scale.abs() * largest_dot)
            + (base - f64::from(out.base)).abs()
            + (scale - f64::from(out.scale)).abs() * largest_dot;
        let (rounding, rounding_per_error) = match form {
            // (|w| + |y|)^2 bounds the score and, with |y| <= longest + error and error^2 <= reach * error, is this.
            Form::L2 => {
                let near = length + longest;
                (kernels * near * near, kernels * (2.0 * near + self.reach()))
            }
            // |w| |x|
            Form::NegatedDot => (kernels * length * (mean_norm.sqrt() + longest), kernels * length),
        };
        let error_base = weight * rest * longest + map + rounding;
        out.error_factor = round_up(weight * length * (1.0 + 1e-9) + rounding_per_error);
        out.error_base = round_up(error_base);

        // A comparison with NaN is false, so that queries which are not finite end here too.
        if !(norm <= LIMIT && base.abs() + scale.abs() * largest_dot <= LIMIT && error_base.is_finite()) {
            out.bytes.fill(0);
            (out.base, out.scale, out.norm_factor) = (0.0, 0.0, 0.0);
            (out.error_factor, out.error_base) = (1.0, f32::INFINITY);
        }
    }

    /// The length of the longest vector that codes can hold.
    fn reach(&self) -> f64 {
        f64::from(ZERO_CODE) * f64::from(self.step) * (self.mean.len() as f64).sqrt()
    }
}

impl Query {
    /// The score of a row from its integer inner product.
    pub fn score(&self, dot: i32, norm: f32) -> f32 {
        self.base + self.norm_factor * norm + self.scale * dot as f32
    }

    /// The inner product with one code, as a score.
    pub fn score_code(&self, code: &[u8], norm: f32) -> f32 {
        self.score(kernel::dot_code(&self.bytes, code), norm)
    }

    /// How far the true score can be from [`Query::score`].
    pub fn slack(&self, error: f32) -> f32 {
        self.error_factor * error + self.error_base
    }
}

/// The size around `mean` that only few values exceed, looking at one row of `every`.
fn clip_around<C: Chunks>(
    mean: &[f32],
    values: &[f32],
    every: usize,
    normalise: bool,
    chunks: &mut C,
) -> Result<f32, C::Error> {
    let dim = mean.len();
    let sizes = |rows: &[f32]| {
        let mut sizes = Histogram::new();
        for row in rows.chunks_exact(dim).step_by(every) {
            let factor = row_factor(row, normalise);
            for (&x, &m) in row.iter().zip(mean) {
                sizes.add((f64::from(x) * factor - f64::from(m)) as f32);
            }
        }
        sizes
    };
    let mut sizes = chunks.map(values, every * CHUNK_ROWS * dim, sizes)?.into_iter();
    let mut all = sizes.next().unwrap_or_else(Histogram::new);
    sizes.for_each(|sizes| all.merge(&sizes));
    Ok(all.clip())
}

/// What a row is multiplied with before it is encoded: one over its length, or 1 (also for a row of zeros).
fn row_factor(row: &[f32], normalise: bool) -> f64 {
    if !normalise {
        return 1.0;
    }
    let norm: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if norm > 0.0 { 1.0 / norm.sqrt() } else { 1.0 }
}

/// A float that is larger even after a few more operations in f32; never zero, so that zero times infinity cannot arise.
fn round_up(bound: f64) -> f32 {
    ((bound * (1.0 + 1e-6)) as f32).next_up().max(f32::MIN_POSITIVE)
}

/// Counts of sizes, in bins of their exponent and seven bits of their mantissa: a quantile within 1 %, without sorting.
struct Histogram {
    bins: Vec<u64>,
    total: u64,
}

impl Histogram {
    fn new() -> Histogram {
        Histogram { bins: vec![0; 1 << 15], total: 0 }
    }

    fn add(&mut self, value: f32) {
        if value.is_finite() && value != 0.0 {
            self.bins[(value.abs().to_bits() >> 16) as usize] += 1;
            self.total += 1;
        }
    }

    fn merge(&mut self, other: &Histogram) {
        self.bins.iter_mut().zip(&other.bins).for_each(|(bin, other)| *bin += other);
        self.total += other.total;
    }

    /// The size that only one in [`CLIPPED_ONE_IN`] exceeds, zeros not counted; 1 when there is none.
    fn clip(&self) -> f32 {
        let mut above = self.total / CLIPPED_ONE_IN;
        for (bin, &count) in self.bins.iter().enumerate().rev() {
            if count > above {
                return f32::from_bits(((bin as u32 + 1) << 16) - 1).min(f32::MAX);
            }
            above -= count;
        }
        1.0
    }
}

// The path, because tests/cpu includes this file by its own.
#[cfg(test)]
#[path = "sq7/tests.rs"]
mod tests;
