//! Centroids of bits: what BIN_IVF_FLAT's lists gather around.
//!
//! Lloyd's algorithm with the index' own distance. A centroid is a row of bits too, so that the nearest one is found by
//! the kernels of the rows. Its bits are the most frequent of its rows, as many as these have on average. A vote by
//! majority, which is what faiss' rounded means are, would leave nothing of sparse rows: hardly any bit is set in half
//! of them.
//!
//! The same rows, options and seed give the same bits at any number of threads.

use super::measure::{Measure, Query};
use crate::error::Result;
use crate::index::vectors::BinaryVectors;
use crate::kernel;
use crate::kernel::topk::TopK;
use crate::quant::kmeans;
use crate::quant::random::Random;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const ITERATIONS: usize = 8;
/// Rows of the sample for each centroid.
const SAMPLE_ROWS: usize = 64;
/// Rows that one task compares with all centroids at a time.
const CHUNK_ROWS: usize = 32;
/// Bytes compared between two checkpoints: some tens of milliseconds.
const STEP_BYTES: usize = 1 << 30;

/// Rows of bits to be near to.
pub struct Centroids {
    measure: Measure,
    bits: BinaryVectors,
    ones: Vec<i32>,
}

impl Centroids {
    pub fn new(measure: Measure, bits: BinaryVectors) -> Centroids {
        let zeros = vec![0; bits.stride()];
        let ones = (0..bits.len()).map(|row| kernel::hamming(bits.row(row), &zeros)).collect();
        Centroids { measure, bits, ones }
    }

    /// How much [`Centroids::train`] advances, in rows compared with all centroids.
    pub fn training_work(rows: usize, count: usize) -> u64 {
        (ITERATIONS * rows.min(count * SAMPLE_ROWS)) as u64
    }

    /// The most bytes that [`Centroids::train`] holds beside its centroids.
    pub fn training_memory(rows: usize, count: usize, stride: usize) -> usize {
        const NUMBER: usize = size_of::<u32>();
        let sample = rows.min(count * SAMPLE_ROWS);
        // All rows' numbers, to choose from; the sample, with the centroid of each row as it is and was, and in the order
        // of these; the next centroids.
        NUMBER * rows + sample * (stride + 3 * NUMBER) + count * (stride + 2 * size_of::<usize>())
    }

    /// Trains `count` centroids (at least 1). Without rows they are zeros.
    pub fn train(
        measure: Measure,
        vectors: &BinaryVectors,
        count: usize,
        seed: u64,
        pool: &rayon::ThreadPool,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Centroids> {
        let (len, stride) = (vectors.len(), vectors.stride());
        if len == 0 {
            return Ok(Centroids::new(measure, BinaryVectors::new(vec![0u8; count * stride].into(), stride)));
        }
        let chosen = Random::new(seed).choose(len, len.min(count * SAMPLE_ROWS));
        let gathered = |rows: &mut dyn Iterator<Item = &u32>| {
            let bytes: Vec<u8> = rows.flat_map(|&row| vectors.row(row as usize)).copied().collect();
            BinaryVectors::new(bytes.into(), stride)
        };
        // The first of a random order are the first centroids (again from the start, if rows are fewer).
        let mut centroids = Centroids::new(measure, gathered(&mut chosen.iter().cycle().take(count)));
        let sample = gathered(&mut chosen.iter());
        let mut nearest = vec![0; sample.len()];
        for _ in 0..ITERATIONS {
            let before = nearest.clone();
            centroids.assign(&sample, pool, &mut nearest, advance)?;
            centroids = Centroids::new(measure, centres(&sample, &nearest, count, pool));
            if before == nearest {
                break;
            }
        }
        Ok(centroids)
    }

    /// Writes the nearest centroid of each row; of equally near ones, the first.
    pub fn assign(
        &self,
        rows: &BinaryVectors,
        pool: &rayon::ThreadPool,
        nearest: &mut [u32],
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let (stride, count) = (rows.stride(), self.bits.len());
        let step = (STEP_BYTES / (count * stride)).max(1).next_multiple_of(CHUNK_ROWS);
        for (rows, nearest) in rows.bytes().chunks(step * stride).zip(nearest.chunks_mut(step)) {
            let chunks = rows.par_chunks(CHUNK_ROWS * stride).zip(nearest.par_chunks_mut(CHUNK_ROWS));
            let work = |differ: &mut Vec<i32>, (rows, nearest): (&[u8], &mut [u32])| {
                differ.resize(nearest.len() * count, 0);
                kernel::hamming_block(rows, self.bits.bytes(), stride, differ);
                let each = rows.chunks_exact(stride).zip(differ.chunks_exact(count));
                for ((row, differ), nearest) in each.zip(nearest) {
                    *nearest = self.first_nearest(row, differ);
                }
            };
            pool.install(|| chunks.for_each_init(Vec::new, work));
            advance(nearest.len() as u64)?;
        }
        Ok(())
    }

    fn first_nearest(&self, row: &[u8], differ: &[i32]) -> u32 {
        let query = Query::of(self.measure, row);
        let mut best = (f32::INFINITY, 0);
        for (i, (&differ, &ones)) in differ.iter().zip(&self.ones).enumerate() {
            let score = query.least(ones, differ);
            if score < best.0 {
                best = (score, i as u32);
            }
        }
        best.1
    }

    /// Pushes the score of every centroid into `tops[i]` for query `i`.
    pub fn nearest(&self, queries: &[u8], differ: &mut Vec<i32>, tops: &mut [TopK]) {
        let (stride, count) = (self.bits.stride(), self.bits.len());
        differ.resize(tops.len() * count, 0);
        kernel::hamming_block(queries, self.bits.bytes(), stride, differ);
        let each = queries.chunks_exact(stride).zip(differ.chunks_exact(count));
        for ((query, differ), top) in each.zip(tops) {
            let query = Query::of(self.measure, query);
            for (i, (&differ, &ones)) in differ.iter().zip(&self.ones).enumerate() {
                top.push(query.least(ones, differ), i as u32);
            }
        }
    }

    pub fn bits(&self) -> &BinaryVectors {
        &self.bits
    }

    pub fn memory(&self) -> usize {
        self.bits.bytes().len() + size_of_val(&self.ones[..])
    }
}

/// The centre of each cluster; a cluster without rows gets a row of the largest, which counts for half of it then.
fn centres(rows: &BinaryVectors, nearest: &[u32], count: usize, pool: &rayon::ThreadPool) -> BinaryVectors {
    let stride = rows.stride();
    let (offsets, order) = kmeans::group(nearest, count);
    let members = |cluster: usize| &order[offsets[cluster]..offsets[cluster + 1]];
    let mut bytes = vec![0; count * stride];
    let work = |counts: &mut Counts, (cluster, out): (usize, &mut [u8])| {
        counts.centre(rows, members(cluster), out);
    };
    let clusters = bytes.par_chunks_exact_mut(stride).enumerate();
    pool.install(|| clusters.for_each_init(Counts::default, work));
    let mut largest: BinaryHeap<_> =
        (0..count).map(|cluster| (members(cluster).len(), Reverse(cluster))).collect();
    for cluster in (0..count).filter(|&cluster| members(cluster).is_empty()) {
        let Some((size, Reverse(from))) = largest.pop() else { break };
        let row = rows.row(members(from)[size / 2] as usize);
        bytes[cluster * stride..][..stride].copy_from_slice(row);
        largest.push((size / 2, Reverse(from)));
    }
    BinaryVectors::new(bytes.into(), stride)
}

/// How often each bit is set in the rows of a cluster.
#[derive(Default)]
struct Counts {
    counts: Vec<u32>,
    bits: Vec<u32>,
}

impl Counts {
    /// Sets in `out`, which is clear, as many of the most frequent bits as the members have on average; of equally
    /// frequent ones, the first.
    fn centre(&mut self, rows: &BinaryVectors, members: &[u32], out: &mut [u8]) {
        self.counts.clear();
        self.counts.resize(8 * rows.stride(), 0);
        for &row in members {
            for (byte, counts) in rows.row(row as usize).iter().zip(self.counts.as_chunks_mut::<8>().0) {
                let mut left = *byte;
                while left != 0 {
                    counts[left.trailing_zeros() as usize] += 1;
                    left &= left - 1;
                }
            }
        }
        let total: u64 = self.counts.iter().map(|&count| u64::from(count)).sum();
        let size = members.len().max(1) as u64;
        let wanted = ((total + size / 2) / size) as usize;
        self.bits.clear();
        self.bits.extend(0..self.counts.len() as u32);
        if wanted < self.bits.len() {
            let counts = &self.counts;
            self.bits.select_nth_unstable_by_key(wanted, |&bit| (Reverse(counts[bit as usize]), bit));
        }
        for bit in &self.bits[..wanted] {
            out[*bit as usize / 8] |= 1 << (bit % 8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRIDE: usize = 20;

    /// Rows of five kinds, ten bits in each, a bit of which is another's.
    fn rows(count: usize) -> BinaryVectors {
        let mut bytes = vec![0u8; count * STRIDE];
        for row in 0..count {
            for bit in 0..10 {
                let odd = bit == row / 5 % 10;
                let at = if odd { (row * 7) % 160 } else { row % 5 * 32 + 3 * bit };
                bytes[row * STRIDE + at / 8] |= 1 << (at % 8);
            }
        }
        BinaryVectors::new(bytes.into(), STRIDE)
    }

    fn train(rows: &BinaryVectors, count: usize, threads: usize) -> Centroids {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        Centroids::train(Measure::Jaccard, rows, count, 3, &pool, &mut |_| Ok(())).unwrap()
    }

    #[test]
    fn centres_are_the_frequent_bits() {
        let bytes: Vec<u8> = vec![0b0111, 0b0101, 0b1101, 0b0001];
        let mut out = [0];
        let mut counts = Counts::default();
        counts.centre(&BinaryVectors::new(bytes.into(), 1), &[0, 1, 2, 3], &mut out);
        assert_eq!(out, [0b0101]); // nine bits in four rows: two each
        out = [0];
        counts.centre(&BinaryVectors::new(vec![255u8].into(), 1), &[0], &mut out);
        assert_eq!(out, [255]);
        out = [0];
        counts.centre(&BinaryVectors::new(vec![0u8].into(), 1), &[], &mut out);
        assert_eq!(out, [0]);
    }

    #[test]
    fn clusters_are_found_at_any_number_of_threads() {
        let rows = rows(1_000);
        let one = train(&rows, 20, 1);
        for threads in [2, 4] {
            assert_eq!(train(&rows, 20, threads).bits.bytes(), one.bits.bytes());
        }
        let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
        let mut nearest = vec![0; rows.len()];
        one.assign(&rows, &pool, &mut nearest, &mut |_| Ok(())).unwrap();
        // No cluster has rows of two kinds.
        let mut kind_of = [None; 20];
        for (row, &cluster) in nearest.iter().enumerate() {
            assert_eq!(*kind_of[cluster as usize].get_or_insert(row % 5), row % 5);
        }
    }

    #[test]
    fn odd_inputs_do_no_harm() {
        assert_eq!(
            train(&BinaryVectors::new(Vec::<u8>::new().into(), STRIDE), 3, 1).bits.bytes(),
            [0; 3 * STRIDE]
        );
        assert_eq!(train(&rows(1), 4, 1).bits.len(), 4);
        let equal = BinaryVectors::new(rows(1).bytes().repeat(50).into(), STRIDE);
        assert!(train(&equal, 4, 1).bits.bytes().chunks(STRIDE).all(|row| row == equal.row(0)));
    }
}
