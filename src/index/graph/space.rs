//! The space that the graph lives in: seven-bit codes of all rows, scored by integer inner products, so that a build
//! sees the same numbers on every machine.

use super::beam::Score;
use crate::error::{Error, Result};
use crate::index::catalog::Metric;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::shadow::Pooled;
use crate::index::vectors::FloatVectors;
use crate::kernel;
use crate::quant::sq7::{self, Form, Query, Sq7, ZERO_CODE};
use arrow_buffer::{MutableBuffer, ScalarBuffer, ToByteSlice};
use rayon::prelude::*;
use std::cell::RefCell;

/// Values that are encoded between two pauses.
const STEP_VALUES: usize = 1 << 22;

/// Called every few milliseconds of work; an error ends it.
pub type Pause<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Codes of all nodes, and one integer beside each that makes scores of inner products.
pub struct Space {
    pub quantizer: Sq7,
    pub metric: Metric,
    /// [`sq7::stride`] bytes a node.
    pub codes: ScalarBuffer<u8>,
    /// L2 and COSINE: the squared length of the centred code. IP: the inner product of the decoded vector with the mean.
    /// Both in units of step squared.
    pub offsets: ScalarBuffer<i32>,
    pub stride: usize,
}

/// A query, or a node as a query, against the nodes of a space.
#[derive(Default)]
pub struct Target {
    query: Query,
    /// What the codes' zero point adds to an inner product.
    shift: i32,
    dots: RefCell<Vec<i32>>,
}

/// What a graph lives in: nodes scored against each other and against queries by numbers that are the same on every
/// machine. Smaller is closer.
pub trait Points: Sync {
    /// A query, or a node as a query.
    type Target: Default + Send;
    /// Makes `target` the vector of `node`: the score of two nodes is the same from both sides.
    fn aim_at_node(&self, node: u32, target: &mut Self::Target);
    /// The score of one node.
    fn score_one(&self, target: &Self::Target, node: u32) -> f32;
    /// Fills `scores` with the score of each of `nodes`.
    fn score(&self, target: &Self::Target, nodes: &[u32], scores: &mut Vec<f32>);
}

/// A target bound to its space.
pub struct Scorer<'a, P: Points = Space> {
    pub space: &'a P,
    pub target: &'a P::Target,
}

impl<P: Points> Score for Scorer<'_, P> {
    fn score(&self, nodes: &[u32], scores: &mut Vec<f32>) {
        self.space.score(self.target, nodes, scores);
    }
}

impl Space {
    /// Trains on `vectors` and encodes them; node `i` is row `rows[i]`.
    pub fn encode(
        vectors: &FloatVectors,
        rows: &[u32],
        metric: Metric,
        pool: &rayon::ThreadPool,
        pause: Pause,
    ) -> Result<Space> {
        let quantizer = Space::train(vectors, metric, pool, pause)?;
        Space::encode_by(quantizer, vectors, rows, metric, pool, pause)
    }

    /// The quantizer of all of `vectors`.
    pub fn train(
        vectors: &FloatVectors,
        metric: Metric,
        pool: &rayon::ThreadPool,
        pause: Pause,
    ) -> Result<Sq7> {
        let normalise = metric == Metric::Cosine;
        Sq7::train(vectors.values(), vectors.dim(), normalise, &mut Pooled { pool, pause })
    }

    /// [`Space::encode`] by a quantizer of [`Space::train`].
    pub fn encode_by(
        quantizer: Sq7,
        vectors: &FloatVectors,
        rows: &[u32],
        metric: Metric,
        pool: &rayon::ThreadPool,
        pause: Pause,
    ) -> Result<Space> {
        let (dim, stride) = (vectors.dim(), sq7::stride(vectors.dim()));
        let mut codes = MutableBuffer::from_len_zeroed(rows.len() * stride);
        let mut offsets = vec![0; rows.len()];
        let step = (STEP_VALUES / dim).max(1);
        let steps = codes.as_slice_mut().chunks_mut(step * stride).zip(offsets.chunks_mut(step));
        for ((codes, offsets), rows) in steps.zip(rows.chunks(step)) {
            let places = codes.par_chunks_exact_mut(stride).zip(offsets).zip(rows);
            let encode = |((code, offset), &row): ((&mut [u8], &mut i32), &u32)| {
                quantizer.encode(vectors.row(row as usize), code);
                *offset = offset_of(&quantizer, metric, &code[..dim]);
            };
            pool.install(|| places.for_each(encode));
            pause()?;
        }
        let codes = ScalarBuffer::new(codes.into(), 0, rows.len() * stride);
        Ok(Space { quantizer, metric, codes, offsets: offsets.into(), stride })
    }

    /// Reads what [`Space::save`] wrote for `total` rows of `dim`. `what` names the index in errors.
    pub fn load(
        metric: Metric,
        step: f32,
        sections: &Sections,
        total: usize,
        dim: usize,
        what: &str,
    ) -> Result<Space> {
        let quantizer =
            Sq7 { mean: sections.typed("mean", dim)?.to_vec(), step, normalise: metric == Metric::Cosine };
        if !(step > 0.0 && step.is_finite() && quantizer.mean.iter().all(|m| m.is_finite())) {
            return Err(Error::corrupt(format!("the quantizer of {what} is not finite")));
        }
        let stride = sq7::stride(dim);
        let bytes =
            total.checked_mul(stride).ok_or_else(|| Error::corrupt(format!("{what} is too large")))?;
        let (codes, offsets) = (sections.typed("codes", bytes)?, sections.typed("offsets", total)?);
        Ok(Space { quantizer, metric, codes, offsets, stride })
    }

    /// Writes all but the step and the metric, which are in the head of the index.
    pub fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("mean", self.quantizer.mean.to_byte_slice())?;
        out.section("codes", &self.codes)?;
        out.section("offsets", self.offsets.to_byte_slice())
    }

    /// Makes `target` a query of the user.
    pub fn aim_at_query(&self, query: &[f32], target: &mut Target) {
        let form = if self.metric == Metric::L2 { Form::L2 } else { Form::NegatedDot };
        self.quantizer.query(query, form, 0.0, &mut target.query);
        // The distance to what was stored errs less than one with the row's true norm where it matters, near the query:
        // its error grows with their distance and not with the query's length. Inner products have no norm in them; their
        // factor stays 0 where a step's square is more than a float holds.
        if form == Form::L2 {
            target.query.norm_factor *= self.quantizer.step * self.quantizer.step;
        }
        target.shift = 0;
    }

    pub fn memory(&self) -> usize {
        self.codes.len()
            + self.offsets.len() * size_of::<i32>()
            + self.quantizer.mean.len() * size_of::<f32>()
    }

    fn code(&self, node: u32) -> &[u8] {
        &self.codes[node as usize * self.stride..][..self.stride]
    }
}

impl Target {
    fn score(&self, dot: i32, offset: i32) -> f32 {
        self.query.score(dot - self.shift, offset as f32)
    }
}

impl Points for Space {
    type Target = Target;

    fn aim_at_node(&self, node: u32, target: &mut Target) {
        let code = self.code(node);
        let bytes = &mut target.query.bytes;
        bytes.clear();
        bytes.extend(code.iter().map(|&c| (i32::from(c) - ZERO_CODE) as i8));
        let dim = self.quantizer.mean.len();
        bytes[dim..].fill(0);
        target.shift = ZERO_CODE * bytes.iter().map(|&b| i32::from(b)).sum::<i32>();
        let (factor, scale) = if self.metric == Metric::Ip { (-1.0, -1.0) } else { (1.0, -2.0) };
        target.query.base = factor * self.offsets[node as usize] as f32;
        target.query.norm_factor = factor;
        target.query.scale = scale;
    }

    fn score_one(&self, target: &Target, node: u32) -> f32 {
        target.score(kernel::dot_code(&target.query.bytes, self.code(node)), self.offsets[node as usize])
    }

    fn score(&self, target: &Target, nodes: &[u32], scores: &mut Vec<f32>) {
        let dots = &mut *target.dots.borrow_mut();
        dots.resize(nodes.len(), 0);
        kernel::dot_code_gather(&target.query.bytes, &self.codes, nodes, dots);
        scores.resize(nodes.len(), 0.0);
        let offsets: &[i32] = &self.offsets;
        for ((score, &node), &mut dot) in scores.iter_mut().zip(nodes).zip(dots) {
            *score = target.score(dot, offsets[node as usize]);
        }
    }
}

/// What [`Space::offsets`] holds for `code` (without padding). Summed in order and in f64: the same everywhere.
fn offset_of(quantizer: &Sq7, metric: Metric, code: &[u8]) -> i32 {
    let centred = code.iter().map(|&c| i32::from(c) - ZERO_CODE);
    if metric != Metric::Ip {
        return centred.map(|c| c * c).sum();
    }
    let dot: f64 = centred.zip(&quantizer.mean).map(|(c, &m)| f64::from(c) * f64::from(m)).sum();
    (dot / f64::from(quantizer.step)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    /// Training looks at the rows three times, and encoding once.
    #[test]
    fn each_pass_over_the_rows_can_be_cancelled() {
        let vectors = FloatVectors::new(vec![0.5; 400].into(), 4);
        let (rows, pool) = ((0..100).collect::<Vec<u32>>(), crate::index::testing::pool(1));
        for last in 1..=5 {
            let mut pauses = 0;
            let mut pause = || {
                pauses += 1;
                if pauses == last { Err(Error::new(Code::Canceled, "enough")) } else { Ok(()) }
            };
            let space = Space::encode(&vectors, &rows, Metric::L2, &pool, &mut pause);
            assert_eq!(space.err().map(|error| error.code()), (last < 5).then_some(Code::Canceled), "{last}");
        }
    }

    /// A step of these codes has a square that no float holds.
    #[test]
    fn inner_products_with_very_long_rows_are_near_the_truth() {
        let values: Vec<f32> = (0..400).map(|i| (i as f32 * 0.7).sin() * 1e22).collect();
        let vectors = FloatVectors::new(values.into(), 4);
        let pool = crate::index::testing::pool(1);
        let rows: Vec<u32> = (0..100).collect();
        let space = Space::encode(&vectors, &rows, Metric::Ip, &pool, &mut || Ok(())).unwrap();
        let (query, mut target) = ([1.0, -0.5, 0.25, 2.0], Target::default());
        space.aim_at_query(&query, &mut target);
        for node in rows {
            let truth = -kernel::dot(&query, vectors.row(node as usize));
            let score = space.score_one(&target, node);
            assert!((score - truth).abs() < 1e21, "{score} is not {truth}");
        }
    }
}
