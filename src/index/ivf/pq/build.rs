//! The build of IVF_PQ's lists: a quantizer of a sample of residuals, then the codes of all rows.

use super::{BLOCK, Pq, bits, largest};
use crate::error::Result;
use crate::index::catalog::{IndexSpec, Metric};
use crate::index::ivf::Layout;
use crate::index::vectors::FloatVectors;
use crate::kernel;
use crate::quant::pq;
use arrow_buffer::Buffer;
use rayon::prelude::*;
use std::ops::{Range, RangeInclusive};

/// Rows that one task takes at a time, at most.
const CHUNK_ROWS: usize = 256;
/// Multiplications between two calls of `advance`: some tens of milliseconds.
const STEP_WORK: usize = 2_000_000_000;
/// Pieces between two calls of `advance`.
const STEP_PIECES: RangeInclusive<usize> = 16..=64;

/// What a build knows beside the rows.
pub struct Parts<'a> {
    pub spec: &'a IndexSpec,
    pub vectors: FloatVectors,
    pub centroids: &'a FloatVectors,
    pub layout: &'a Layout,
    pub pool: &'a rayon::ThreadPool,
    pub seed: u64,
}

impl Pq {
    /// `advance` hears how many multiplications were done since its last call.
    pub fn build(parts: Parts, advance: &mut dyn FnMut(u64) -> Result<()>) -> Result<Pq> {
        let Parts { spec, vectors, centroids, layout, pool, seed } = parts;
        let (rows, dim, metric) = (vectors.len(), vectors.dim(), spec.metric);
        let (m, bits) = (spec.params.count("m"), bits(spec, rows));
        let residuals =
            Residuals { vectors: &vectors, centroids, layout, normalise: metric == Metric::Cosine };
        let sample = residuals.sample(sample_rows(rows, bits), m, pool);
        let quantizer = pq::Pq::train(&sample, dim, m, bits, seed, pool, advance)?;
        drop(sample);

        let bytes = quantizer.bytes();
        let mut codes = vec![0u8; rows * bytes + BLOCK];
        let mut terms = vec![0f32; if metric == Metric::L2 { rows } else { 0 }];
        let (mut rest, mut rest_terms) = (&mut codes[..rows * bytes], &mut terms[..]);
        let (piece_rows, step) = steps(dim << bits);
        let pieces: Vec<Piece> = pieces(layout, piece_rows).collect();
        for pieces in pieces.chunks(step) {
            let mut tasks = Vec::with_capacity(pieces.len());
            for piece in pieces {
                let count = piece.places.len();
                let (mine, others) = std::mem::take(&mut rest).split_at_mut(count * bytes);
                let count = if metric == Metric::L2 { count } else { 0 };
                let (my_terms, other_terms) = std::mem::take(&mut rest_terms).split_at_mut(count);
                (rest, rest_terms) = (others, other_terms);
                tasks.push((piece, mine, my_terms));
            }
            pool.install(|| {
                let tasks = tasks.into_par_iter();
                tasks.for_each(|(piece, codes, terms)| piece.encode(&quantizer, &residuals, codes, terms));
            });
            let done: usize = pieces.iter().map(|piece| piece.places.len()).sum();
            advance((done * dim) as u64 * (1 << bits))?;
        }
        let largest = largest(&terms);
        Ok(Pq {
            metric,
            layout: layout.clone(),
            quantizer,
            codes: Buffer::from_vec(codes),
            terms: terms.into(),
            largest,
            vectors,
        })
    }

    /// How many multiplications [`Pq::build`] will tell of, at most.
    pub fn work(spec: &IndexSpec, rows: usize, dim: usize) -> u64 {
        let bits = bits(spec, rows);
        pq::Pq::training_work(sample_rows(rows, bits), dim, bits) + ((rows * dim) as u64) * (1 << bits)
    }
}

/// The most bytes that [`Pq::build`] holds at once, what it makes included.
pub fn build_memory(spec: &IndexSpec, rows: usize, dim: usize) -> usize {
    const FLOAT: usize = size_of::<f32>();
    let (m, bits) = (spec.params.count("m").max(1), bits(spec, rows));
    let (k, sample) = (1 << bits, sample_rows(rows, bits));
    let books = FLOAT * (dim + m) * k;
    // The sample with the centroid of each, as it is and was; the centroids of a part as rows, columns and sums.
    let training = FLOAT * sample * (dim + 2) + 5 * FLOAT * dim.div_ceil(m) * k;
    let codes = rows * (pq::Pq::code_bytes(m, bits) + FLOAT) + BLOCK;
    books + training.max(codes)
}

/// How many rows train the quantizer.
fn sample_rows(rows: usize, bits: usize) -> usize {
    rows.min(pq::SAMPLE_ROWS.max(2 << bits))
}

/// What is left of rows beside their centroids.
struct Residuals<'a> {
    vectors: &'a FloatVectors,
    centroids: &'a FloatVectors,
    layout: &'a Layout,
    normalise: bool,
}

impl Residuals<'_> {
    /// Writes the residual of the row at a place of `list`.
    fn write(&self, list: u32, place: usize, out: &mut [f32]) {
        let row = self.vectors.row(self.layout.rows()[place] as usize);
        let norm = if self.normalise { kernel::dot(row, row).sqrt() } else { 1.0 };
        let factor = if norm > 0.0 { 1.0 / norm } else { 1.0 };
        for ((out, x), c) in out.iter_mut().zip(row).zip(self.centroids.row(list as usize)) {
            *out = x * factor - c;
        }
    }

    /// `count` residuals, evenly spread over all lists, part by part: for each of `m` parts, the values of all.
    fn sample(&self, count: usize, m: usize, pool: &rayon::ThreadPool) -> Vec<f32> {
        let (rows, dim) = (self.vectors.len(), self.vectors.dim());
        let part = dim / m;
        let mut sample = vec![0f32; count * dim];
        let mut chunk = vec![0f32; CHUNK_ROWS * dim];
        for first in (0..count).step_by(CHUNK_ROWS) {
            let step = first..(first + CHUNK_ROWS).min(count);
            let residuals = &mut chunk[..step.len() * dim];
            pool.install(|| {
                residuals.par_chunks_mut(dim).zip(step.clone()).for_each(|(out, i)| {
                    let place = (i as u64 * rows as u64 / count as u64) as usize;
                    self.write(self.layout.list_of(place), place, out);
                });
                let parts = sample.par_chunks_mut(count * part).enumerate();
                parts.for_each(|(j, values)| {
                    for (i, residual) in step.clone().zip(residuals.chunks_exact(dim)) {
                        values[i * part..(i + 1) * part].copy_from_slice(&residual[j * part..(j + 1) * part]);
                    }
                });
            });
        }
        sample
    }
}

/// Rows of a list that one task encodes: whole blocks, or the list's last rows.
struct Piece {
    list: u32,
    places: Range<usize>,
}

/// All lists in pieces of at most `most` rows, a multiple of [`BLOCK`].
fn pieces(layout: &Layout, most: usize) -> impl Iterator<Item = Piece> + '_ {
    (0..layout.lists() as u32).flat_map(move |list| {
        let places = layout.places(list);
        let end = places.end;
        places.step_by(most).map(move |first| Piece { list, places: first..(first + most).min(end) })
    })
}

/// How many rows a piece has, and how many pieces are encoded between two calls of `advance`, where a row costs `work`
/// multiplications.
fn steps(work: usize) -> (usize, usize) {
    let rows = (STEP_WORK / STEP_PIECES.end() / work).next_multiple_of(BLOCK).clamp(BLOCK, CHUNK_ROWS);
    (rows, (STEP_WORK / work / rows).clamp(*STEP_PIECES.start(), *STEP_PIECES.end()))
}

impl Piece {
    /// Encodes its rows into its blocks.
    fn encode(&self, quantizer: &pq::Pq, residuals: &Residuals, codes: &mut [u8], terms: &mut [f32]) {
        let (bytes, dim, count) = (quantizer.bytes(), residuals.vectors.dim(), self.places.len());
        let mut rows = vec![0f32; count * dim];
        let mut packed = vec![0u8; count * bytes];
        for (row, place) in rows.chunks_exact_mut(dim).zip(self.places.clone()) {
            residuals.write(self.list, place, row);
        }
        quantizer.encode(&rows, &mut packed);
        for (i, code) in packed.chunks_exact(bytes).enumerate() {
            if let Some(term) = terms.get_mut(i) {
                let around = quantizer.dot(residuals.centroids.row(self.list as usize), |byte| code[byte]);
                *term = quantizer.norm(|byte| code[byte]) + 2.0 * around;
            }
            let block = i / BLOCK * BLOCK;
            let stride = BLOCK.min(count - block);
            for (byte, &code) in code.iter().enumerate() {
                codes[block * bytes + byte * stride + i - block] = code;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists of any sizes are cut into whole blocks, in their order, and no piece or step is too long to wait for.
    #[test]
    fn pieces_are_whole_blocks() {
        let sizes = [0usize, 1, 31, 32, 33, 0, 700, 256, 257, 0];
        let list_of: Vec<u32> =
            (0u32..).zip(sizes).flat_map(|(list, size)| std::iter::repeat_n(list, size)).collect();
        let layout = Layout::new(&list_of, sizes.len());
        for most in [32, 64, 256] {
            let mut next = 0;
            for piece in pieces(&layout, most) {
                let list = layout.places(piece.list);
                assert_eq!(piece.places.start, next);
                assert!((1..=most).contains(&piece.places.len()));
                assert!((next - list.start).is_multiple_of(BLOCK));
                assert!(piece.places.end == list.end || piece.places.len() == most);
                next = piece.places.end;
            }
            assert_eq!(next, list_of.len());
        }
        for (dim, bits) in [(1, 1), (384, 8), (384, 16), (32_768, 8), (32_768, 16)] {
            let (rows, pieces) = steps(dim << bits);
            assert!(rows.is_multiple_of(BLOCK) && rows > 0 && STEP_PIECES.contains(&pieces));
            let least = BLOCK * STEP_PIECES.start();
            assert!(
                rows * pieces * (dim << bits) <= 2 * STEP_WORK.max(least * (dim << bits)),
                "{dim} {bits}"
            );
        }
    }
}
