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
    /// `|y|^2`.
    pub norm: f32,
    /// Upper bound of `|y - decoded y|`.
    pub error: f32,
}

/// A query as signed bytes, and the affine map from integers to scores.
///
/// `score = base + row_norm_factor * norm + scale * dot`, with `row_norm_factor` 1 for L2 and 0 otherwise, and a row's
/// true score differs from it by at most `error_factor * lost.error + error_base`.
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

impl Sq7 {
    /// Trains on all rows (`values` holds whole rows). The same numbers at every level: no SIMD in here.
    pub fn train(values: &[f32], dim: usize, normalise: bool) -> Sq7 {
        let _ = (values, dim, normalise);
        todo!()
    }

    /// Encodes one row into `code` (of [`stride`] bytes).
    pub fn encode(&self, row: &[f32], code: &mut [u8]) -> Lost {
        let _ = (row, code);
        todo!()
    }

    /// Prepares a query into `out`, reusing its memory. `longest` bounds `|decoded y|` over the rows searched. For
    /// `normalise`, the query is normalised too (a zero query stays zero).
    pub fn query(&self, query: &[f32], form: Form, longest: f32, out: &mut Query) {
        let _ = (query, form, longest, out);
        todo!()
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
