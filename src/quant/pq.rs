//! Product quantization (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", 2011): a vector is
//! cut into `m` parts, and each part is named by the nearest of `2^bits` centroids of its own.
//!
//! Codes are packed into bytes: one code of 5 to 8 bits, two of 3 or 4, four of 2, eight of 1 in a byte; a code of 9 to 16
//! bits takes two bytes. So up to 8 bits every byte has 256 values, and a query's products with all of them are one
//! table a byte, whatever the number of bits.
//!
//! A scan sums a table entry a byte. [`Tables`] has them as floats and, rounded, as bytes: 256 of them fit into registers
//! that shuffle (see [`kernel::sum_tables`]). The sum of bytes gives a row's score up to a known error.

use super::kmeans;
use super::random::Random;
use crate::error::Result;
use crate::kernel;
use rayon::prelude::*;

/// Rows of a training sample: 256 for each of 256 centroids, as faiss has.
pub const SAMPLE_ROWS: usize = 65_536;
/// Passes over the sample at most, as faiss has.
const ITERATIONS: usize = 25;
/// Points that one task compares with all centroids of their part, at most.
const CHUNK_POINTS: usize = 4096;
/// Tasks between two calls of `advance`, at least.
const STEP_TASKS: usize = 16;
/// Multiplications between two calls of `advance`: some tens of milliseconds.
const STEP_WORK: usize = 1_000_000_000;
/// Half the distance of 1 to the next float.
const UNIT: f64 = 1.0 / (1 << 24) as f64;
/// Sizes above this are left to floats: sums of a few of them are still finite.
const LIMIT: f64 = 1e36;

/// The trained quantizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Pq {
    dim: usize,
    m: usize,
    bits: usize,
    /// For each part, for each of its dimensions, that value of all its centroids.
    columns: Vec<f32>,
    /// Half the squared norm of each centroid of each part.
    half_norms: Vec<f32>,
}

/// A query's products with every value of every byte of a code.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// 256 for each byte.
    floats: Vec<f32>,
    /// The same in steps from the smallest of each byte.
    bytes: Vec<u8>,
    base: f32,
    step: f32,
    error: f32,
    part: Vec<f32>,
}

impl Pq {
    /// How many bits a code of `nbits` has over `rows`: like Milvus 1.x no more than there are rows to name (then 8, 4, 2
    /// or 1).
    pub fn clip_bits(nbits: usize, rows: usize) -> usize {
        let fits = |bits: &usize| rows >= 1 << bits;
        if fits(&nbits) { nbits } else { [8, 4, 2].into_iter().find(fits).unwrap_or(1).min(nbits) }
    }

    /// Bytes of a row's code.
    pub fn code_bytes(m: usize, bits: usize) -> usize {
        if bits > 8 { 2 * m } else { m.div_ceil(8 / bits) }
    }

    /// A quantizer that was trained before: `columns` has `dim << bits` values, and `m` divides `dim`.
    pub fn new(dim: usize, m: usize, bits: usize, columns: Vec<f32>) -> Pq {
        assert!(dim.is_multiple_of(m) && columns.len() == dim << bits);
        let (k, part) = (1 << bits, dim / m);
        let mut half_norms = vec![0f32; m * k];
        for (columns, half_norms) in columns.chunks_exact(part * k).zip(half_norms.chunks_exact_mut(k)) {
            for column in columns.chunks_exact(k) {
                half_norms.iter_mut().zip(column).for_each(|(half, x)| *half += x * x / 2.0);
            }
        }
        Pq { dim, m, bits, columns, half_norms }
    }

    /// Trains on a sample whose values lie part by part: for each part, the values of all rows. The same numbers at any
    /// number of threads. `advance` hears how many multiplications were done since its last call.
    pub fn train(
        sample: &[f32],
        dim: usize,
        m: usize,
        bits: usize,
        seed: u64,
        pool: &rayon::ThreadPool,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Pq> {
        let (k, part, rows) = (1usize << bits, dim / m, sample.len() / dim);
        let mut columns = Vec::with_capacity(dim * k);
        for j in 0..m {
            let points = &sample[j * rows * part..(j + 1) * rows * part];
            columns.extend(train_part(points, part, k, seed.wrapping_add(j as u64), pool, advance)?);
        }
        Ok(Pq::new(dim, m, bits, columns))
    }

    /// How many multiplications [`Pq::train`] will tell of, at most.
    pub fn training_work(rows: usize, dim: usize, bits: usize) -> u64 {
        (rows as u64 * dim as u64 * ITERATIONS as u64) << bits
    }

    pub fn m(&self) -> usize {
        self.m
    }

    pub fn bits(&self) -> usize {
        self.bits
    }

    pub fn columns(&self) -> &[f32] {
        &self.columns
    }

    /// Bytes of its centroids and their norms.
    pub fn memory(&self) -> usize {
        size_of::<f32>() * (self.columns.len() + self.half_norms.len())
    }

    /// Bytes of a row's code.
    pub fn bytes(&self) -> usize {
        Pq::code_bytes(self.m, self.bits)
    }

    /// Encodes rows of `dim` values into as many codes of [`Pq::bytes`].
    pub fn encode(&self, rows: &[f32], codes: &mut [u8]) {
        let (k, part) = (1 << self.bits, self.dim / self.m);
        let mut nearest = vec![0; rows.len() / self.dim];
        codes.fill(0);
        for j in 0..self.m {
            let columns = &self.columns[j * part * k..(j + 1) * part * k];
            let half_norms = &self.half_norms[j * k..(j + 1) * k];
            kernel::nearest_columns(&rows[j * part..], self.dim, columns, half_norms, &mut nearest);
            for (code, &nearest) in codes.chunks_exact_mut(self.bytes()).zip(&nearest) {
                if self.bits > 8 {
                    code[2 * j..2 * j + 2].copy_from_slice(&(nearest as u16).to_le_bytes());
                } else {
                    let each = 8 / self.bits;
                    code[j / each] |= (nearest as u8) << (j % each * self.bits);
                }
            }
        }
    }

    /// The number of part `j`, given the bytes of a code.
    fn number(&self, code: impl Fn(usize) -> u8, j: usize) -> usize {
        if self.bits > 8 {
            // As it may come from a damaged file.
            usize::from(u16::from_le_bytes([code(2 * j), code(2 * j + 1)])) & ((1 << self.bits) - 1)
        } else {
            let each = 8 / self.bits;
            usize::from(code(j / each)) >> (j % each * self.bits) & ((1 << self.bits) - 1)
        }
    }

    /// The inner product of a vector with what a code, given by its bytes, decodes to.
    pub fn dot(&self, vector: &[f32], code: impl Fn(usize) -> u8) -> f32 {
        let (k, part) = (1 << self.bits, self.dim / self.m);
        let mut sums = [0f32; 4];
        for (j, vector) in vector.chunks_exact(part).enumerate() {
            let at = j * part * k + self.number(&code, j);
            sums[j % 4] += vector.iter().enumerate().map(|(d, &x)| x * self.columns[at + d * k]).sum::<f32>();
        }
        sums.iter().sum()
    }

    /// The squared norm of what a code decodes to.
    pub fn norm(&self, code: impl Fn(usize) -> u8) -> f32 {
        let k = 1 << self.bits;
        (0..self.m).map(|j| 2.0 * self.half_norms[j * k + self.number(&code, j)]).sum()
    }

    /// Prepares the products with `vector` into `out`, reusing its memory. For codes of up to 8 bits.
    pub fn tables(&self, vector: &[f32], out: &mut Tables) {
        let (k, part, each) = (1 << self.bits, self.dim / self.m, 8 / self.bits);
        out.floats.clear();
        out.floats.resize(256 * self.bytes(), 0.0);
        out.part.resize(k, 0.0);
        for (j, (vector, columns)) in
            vector.chunks_exact(part).zip(self.columns.chunks_exact(part * k)).enumerate()
        {
            let table = &mut out.floats[j / each * 256..][..256];
            if self.bits == 8 {
                kernel::combine_columns(vector, columns, table);
                continue;
            }
            kernel::combine_columns(vector, columns, &mut out.part);
            for (byte, entry) in table.iter_mut().enumerate() {
                *entry += out.part[byte >> (j % each * self.bits) & (k - 1)];
            }
        }
        out.round();
    }
}

impl Tables {
    /// Rounds the floats to bytes.
    fn round(&mut self) {
        let smallest = |table: &[f32; 256]| lanes(table, f32::min);
        let largest = |table: &[f32; 256]| lanes(table, f32::max);
        let (tables, _) = self.floats.as_chunks::<256>();
        let (mut base, mut size, mut range) = (0f64, 0f64, 0f32);
        for table in tables {
            let (low, high) = (smallest(table), largest(table));
            base += f64::from(low);
            size += f64::from(low.abs().max(high.abs()));
            range = range.max(high - low);
        }
        self.step = range / 255.0;
        let per_step = if self.step > 0.0 { 1.0 / self.step } else { 0.0 };
        self.bytes.clear();
        self.bytes.resize(self.floats.len(), 0);
        let (bytes, _) = self.bytes.as_chunks_mut::<256>();
        for (table, bytes) in tables.iter().zip(bytes) {
            let low = smallest(table);
            for (byte, x) in bytes.iter_mut().zip(table) {
                *byte = ((x - low) * per_step + 0.5) as u8;
            }
        }
        let count = tables.len() as f64;
        let error = count * f64::from(self.step) * 0.501 + UNIT * (count / 8.0 + 32.0) * size;
        (self.base, self.error) = (base as f32, (error as f32).next_up());
        // A comparison with NaN is false, so that numbers which are not finite end here too.
        if !(size <= LIMIT && error.is_finite() && f64::from(per_step) * f64::from(range) <= 256.0) {
            self.bytes.fill(0);
            (self.base, self.step, self.error) = (0.0, 0.0, f32::INFINITY);
        }
    }

    /// The tables of bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A row's product from the sum of its bytes, off by at most [`Tables::error`].
    pub fn product(&self, sum: u32) -> f32 {
        self.base + self.step * sum as f32
    }

    pub fn error(&self) -> f32 {
        self.error
    }

    /// A row's product from its code, given by its bytes.
    pub fn fine(&self, code: impl Fn(usize) -> u8) -> f32 {
        let mut sums = [0f32; 4];
        for (i, table) in self.floats.as_chunks::<256>().0.iter().enumerate() {
            sums[i % 4] += table[usize::from(code(i))];
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}

/// Folds a table in sixteen lanes, as registers do.
fn lanes(table: &[f32; 256], fold: impl Fn(f32, f32) -> f32 + Copy) -> f32 {
    let (chunks, _) = table.as_chunks::<16>();
    let mut best = chunks[0];
    for chunk in chunks {
        for (best, &x) in best.iter_mut().zip(chunk) {
            *best = fold(*best, x);
        }
    }
    best.into_iter().fold(best[0], fold)
}

/// The centroids of one part, as columns: Lloyd's algorithm from `k` of the points.
fn train_part(
    points: &[f32],
    part: usize,
    k: usize,
    seed: u64,
    pool: &rayon::ThreadPool,
    advance: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<f32>> {
    let (rows, (chunk, step)) = (points.len() / part, steps(k * part));
    if rows == 0 {
        return Ok(vec![0.0; part * k]);
    }
    let first = Random::new(seed).choose(rows, k.min(rows));
    let first = first.iter().cycle().take(k);
    let mut means: Vec<f32> =
        first.flat_map(|&row| &points[row as usize * part..][..part]).copied().collect();
    let mut nearest = vec![0u32; rows];
    for _ in 0..ITERATIONS {
        let columns = transposed(&means, part);
        let half_norms: Vec<f32> =
            means.chunks_exact(part).map(|row| row.iter().map(|x| x * x).sum::<f32>() / 2.0).collect();
        let (mut sums, mut counts, mut moved) = (vec![0f64; k * part], vec![0usize; k], false);
        for (points, nearest) in points.chunks(step * part).zip(nearest.chunks_mut(step)) {
            let chunks = points.par_chunks(chunk * part).zip(nearest.par_chunks_mut(chunk));
            let one = |(points, nearest): (&[f32], &mut [u32])| {
                let before = nearest.to_vec();
                kernel::nearest_columns(points, part, &columns, &half_norms, nearest);
                before != nearest
            };
            moved |= pool.install(|| chunks.map(one).collect::<Vec<_>>()).contains(&true);
            for (point, &i) in points.chunks_exact(part).zip(&*nearest) {
                counts[i as usize] += 1;
                let sums = &mut sums[i as usize * part..][..part];
                sums.iter_mut().zip(point).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            advance((nearest.len() * k * part) as u64)?;
        }
        if !moved {
            break;
        }
        for ((mean, sum), &count) in
            means.chunks_exact_mut(part).zip(sums.chunks_exact(part)).zip(&counts).filter(|(_, c)| **c > 0)
        {
            mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean = (sum / count as f64) as f32);
        }
        kmeans::fill_empty(&mut means, part, &counts);
    }
    Ok(transposed(&means, part))
}

/// How many points one task takes, and how many all take between two calls of `advance`, where a point costs `work`
/// multiplications.
fn steps(work: usize) -> (usize, usize) {
    let points = STEP_WORK / work;
    // The kernel takes four at a time.
    let chunk = (points / STEP_TASKS).clamp(4, CHUNK_POINTS).next_multiple_of(4);
    (chunk, points.max(STEP_TASKS * chunk))
}

/// Rows of `part` values as `part` columns.
fn transposed(rows: &[f32], part: usize) -> Vec<f32> {
    (0..part).flat_map(|d| rows.iter().skip(d).step_by(part).copied()).collect()
}

#[cfg(test)]
mod tests;
