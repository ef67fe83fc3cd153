//! The compressed shadow of a segment's vectors: their seven-bit codes in some order, with what bounds need.

use super::catalog::Metric;
use super::sections::{SectionWriter, Sections};
use super::vectors::FloatVectors;
use crate::error::{Error, Result};
use crate::quant::sq7::{self, Chunks, Form, Sq7};
use arrow_buffer::{MutableBuffer, ScalarBuffer, ToByteSlice};
use rayon::prelude::*;

/// Rows that one task encodes.
const CHUNK_ROWS: usize = 1024;
/// Rows between two calls of `advance`.
const STEP_ROWS: usize = 32 * CHUNK_ROWS;

/// Chunks of rows that are trained on between two pauses.
const TRAINED_CHUNKS: usize = 16;

/// Training on the threads of a pool.
pub struct Pooled<'a> {
    pub pool: &'a rayon::ThreadPool,
    /// Called every few milliseconds of work; an error ends it.
    pub pause: &'a mut dyn FnMut() -> Result<()>,
}

impl Chunks for Pooled<'_> {
    type Error = Error;

    fn map<T: Send>(
        &mut self,
        values: &[f32],
        chunk: usize,
        one: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(values.len().div_ceil(chunk));
        for values in values.chunks(chunk * TRAINED_CHUNKS) {
            self.pool.install(|| all.par_extend(values.par_chunks(chunk).map(&one)));
            (self.pause)()?;
        }
        Ok(all)
    }
}

/// Codes, `|y|^2` and error of each row, in the order of scanning. A place is a row's number in that order.
#[derive(Clone, Debug)]
pub struct Shadow {
    quantizer: Sq7,
    form: Form,
    stride: usize,
    codes: ScalarBuffer<u8>,
    norms: ScalarBuffer<f32>,
    errors: ScalarBuffer<f32>,
    /// Bounds `|decoded y|` over all rows.
    longest: f32,
}

impl Shadow {
    /// Encodes the rows of `vectors` that `order` names (`None`: all rows as they are). `advance` hears how many rows
    /// were encoded since its last call.
    pub fn build(
        metric: Metric,
        vectors: &FloatVectors,
        order: Option<&[u32]>,
        pool: &rayon::ThreadPool,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Shadow> {
        let dim = vectors.dim();
        let mut chunks = Pooled { pool, pause: &mut || advance(0) };
        let quantizer = Sq7::train(vectors.values(), dim, metric == Metric::Cosine, &mut chunks)?;
        let stride = sq7::stride(dim);
        let rows = order.map_or(vectors.len(), <[u32]>::len);
        let mut codes = vec![0u8; rows * stride];
        let (mut norms, mut errors) = (vec![0f32; rows], vec![0f32; rows]);
        let mut longest = 0f32;
        for first in (0..rows).step_by(STEP_ROWS) {
            let step = first..(first + STEP_ROWS).min(rows);
            let codes = codes[step.start * stride..step.end * stride].par_chunks_mut(CHUNK_ROWS * stride);
            let norms = norms[step.clone()].par_chunks_mut(CHUNK_ROWS);
            let errors = errors[step.clone()].par_chunks_mut(CHUNK_ROWS);
            let chunks =
                (codes, norms, errors).into_par_iter().enumerate().map(|(chunk, (codes, norms, errors))| {
                    let mut longest = 0f32;
                    for (i, code) in codes.chunks_exact_mut(stride).enumerate() {
                        let place = first + chunk * CHUNK_ROWS + i;
                        let lost =
                            quantizer.encode(vectors.row(order.map_or(place, |o| o[place] as usize)), code);
                        (norms[i], errors[i]) = (lost.norm, lost.error);
                        longest = longest.max(quantizer.length(code));
                    }
                    longest
                });
            // The largest of some numbers is the same in any order.
            longest = longest.max(pool.install(|| chunks.reduce(|| 0.0, f32::max)));
            advance(step.len() as u64)?;
        }
        let form = form(metric);
        Ok(Shadow {
            quantizer,
            form,
            stride,
            codes: codes.into(),
            norms: norms.into(),
            errors: errors.into(),
            longest,
        })
    }

    /// Bytes of a shadow of `rows` rows of `dim` values.
    pub fn bytes(rows: usize, dim: usize) -> usize {
        rows * (sq7::stride(dim) + 2 * size_of::<f32>()) + dim * size_of::<f32>()
    }

    /// Bytes of a code.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The codes of consecutive places.
    pub fn codes(&self, places: std::ops::Range<usize>) -> &[u8] {
        &self.codes[places.start * self.stride..places.end * self.stride]
    }

    /// The distance of two neighbouring codes.
    pub fn step(&self) -> f32 {
        self.quantizer.step
    }

    /// Encodes a vector like a row, into [`Shadow::stride`] bytes.
    pub fn encode(&self, vector: &[f32], code: &mut [u8]) {
        self.quantizer.encode(vector, code);
    }

    /// Puts the places into another order: place `i` is what was place `order[i]`.
    pub fn reorder(&mut self, order: &[u32]) {
        let mut codes = MutableBuffer::with_capacity(self.codes.len());
        order.iter().for_each(|&place| {
            codes.extend_from_slice(self.codes(place as usize..place as usize + 1));
        });
        self.codes = ScalarBuffer::new(codes.into(), 0, order.len() * self.stride);
        let picked = |from: &[f32]| order.iter().map(|&place| from[place as usize]).collect();
        (self.norms, self.errors) = (picked(&self.norms), picked(&self.errors));
    }

    /// `|y|^2` of each place.
    pub fn norms(&self) -> &[f32] {
        &self.norms
    }

    /// The error of each place.
    pub fn errors(&self) -> &[f32] {
        &self.errors
    }

    /// Prepares a query for these codes.
    pub fn query(&self, query: &[f32], out: &mut sq7::Query) {
        self.quantizer.query(query, self.form, self.longest, out);
    }

    /// Bytes of its own.
    pub fn memory(&self) -> usize {
        self.codes.len()
            + size_of::<f32>() * (self.norms.len() + self.errors.len() + self.quantizer.mean.len())
    }

    /// Writes its sections, their names behind `prefix`.
    pub fn save(&self, prefix: &str, out: &mut dyn SectionWriter) -> Result<()> {
        let scale = [self.quantizer.step, self.longest];
        out.section(&format!("{prefix}scale"), scale.to_byte_slice())?;
        out.section(&format!("{prefix}mean"), self.quantizer.mean.to_byte_slice())?;
        out.section(&format!("{prefix}norms"), self.norms.to_byte_slice())?;
        out.section(&format!("{prefix}errors"), self.errors.to_byte_slice())?;
        out.section(&format!("{prefix}codes"), &self.codes)
    }

    /// Reads what [`Shadow::save`] wrote for `rows` rows of `dim` values.
    pub fn load(
        prefix: &str,
        metric: Metric,
        rows: usize,
        dim: usize,
        sections: &Sections,
    ) -> Result<Shadow> {
        let stride = sq7::stride(dim);
        let bytes =
            rows.checked_mul(stride).ok_or_else(|| Error::corrupt(format!("{rows} rows of {dim} values")))?;
        let scale = sections.typed::<f32>(&format!("{prefix}scale"), 2)?;
        let mean = sections.typed::<f32>(&format!("{prefix}mean"), dim)?.to_vec();
        Ok(Shadow {
            quantizer: Sq7 { mean, step: scale[0], normalise: metric == Metric::Cosine },
            form: form(metric),
            stride,
            codes: sections.typed(&format!("{prefix}codes"), bytes)?,
            norms: sections.typed(&format!("{prefix}norms"), rows)?,
            errors: sections.typed(&format!("{prefix}errors"), rows)?,
            longest: scale[1],
        })
    }
}

fn form(metric: Metric) -> Form {
    if metric == Metric::L2 { Form::L2 } else { Form::NegatedDot }
}
