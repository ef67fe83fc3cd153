//! K-means: the centroids of inverted lists (Lloyd's algorithm, with faiss' repair of empty clusters).
//!
//! Only the first pass compares each row with every centroid. After it a row is compared with the [`NEAR`] centroids
//! around its own: rows move to neighbours (the idea of Wang et al., "Fast approximate k-means via cluster closures",
//! 2012). With 1,024 centroids a pass costs a sixteenth, and lists are as good.
//!
//! The same rows, options and seed give the same bits at any number of threads: rows are compared with centroids in
//! chunks of a fixed size, and every centroid is summed by one thread, over its rows in order.

use super::random::Random;
use crate::error::Result;
use crate::kernel;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BinaryHeap;

/// Rows that one task compares with all centroids.
const CHUNK_ROWS: usize = 256;
/// Centroids that a chunk is compared with at a time: their inner products stay in the cache.
const TILE_CENTROIDS: usize = 512;
/// How many centroids around its own a row is compared with.
const NEAR: usize = 64;
/// Multiplications between two calls of `advance`: some tens of milliseconds.
const STEP_WORK: usize = 2_000_000_000;
/// How far the halves of a split cluster are moved apart.
const SPLIT: f32 = 1.0 / 1024.0;

/// What to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many centroids; at least 1.
    pub k: usize,
    pub iterations: usize,
    /// Trains on at most `k` times as many rows, chosen at random.
    pub rows_per_centroid: usize,
    /// Rows and centroids are directions: both are normalised, and nearest means the largest inner product.
    pub spherical: bool,
    pub seed: u64,
}

/// Called as work advances, with the number of rows compared with all centroids since the last call (or as much work
/// in smaller comparisons); an error ends it.
pub type Advance<'a> = &'a mut dyn FnMut(u64) -> Result<()>;

/// Trained centroids.
#[derive(Clone, Debug, PartialEq)]
pub struct Centroids {
    /// `k` rows of `dim` values.
    pub values: Vec<f32>,
    dim: usize,
    /// Half the squared norm of each centroid: `x . c` less this is largest where the distance is smallest. Zeros if
    /// spherical.
    half_norms: Vec<f32>,
}

impl Centroids {
    /// How much training will [`Advance`], in rows compared with all centroids.
    pub fn training_work(rows: usize, options: &Options) -> u64 {
        let sample = Self::sample_rows(rows, options) as u64;
        let passes = options.iterations as u64;
        if options.k <= 2 * NEAR {
            sample * passes
        } else {
            sample + (sample * NEAR as u64 / options.k as u64 + options.k as u64) * passes.saturating_sub(1)
        }
    }

    /// The most bytes that [`Centroids::train`] holds beside the centroids that it makes.
    pub fn training_memory(rows: usize, dim: usize, options: &Options) -> usize {
        const NUMBER: usize = size_of::<f32>();
        let sample = Self::sample_rows(rows, options);
        // All rows' numbers, to choose from; a copy of the sample, unless it is all rows; the centroid of each of its rows,
        // as it is and was, and the rows in the order of these; centroids before and after a pass, and their neighbours.
        let copy = if sample < rows { sample * dim } else { 0 };
        NUMBER * (rows + copy + 4 * sample + options.k * (2 * dim + NEAR + 6))
    }

    fn sample_rows(rows: usize, options: &Options) -> usize {
        rows.min(options.k.saturating_mul(options.rows_per_centroid))
    }

    /// Trains on `values`, whole rows of `dim`. Without rows the centroids are zeros.
    pub fn train(
        values: &[f32],
        dim: usize,
        options: &Options,
        pool: &rayon::ThreadPool,
        advance: Advance,
    ) -> Result<Centroids> {
        let rows = values.len() / dim;
        let (k, spherical) = (options.k, options.spherical);
        if rows == 0 {
            return Ok(Centroids::new(vec![0.0; k * dim], dim, spherical));
        }
        let mut random = Random::new(options.seed);
        let mut chosen = random.choose(rows, Self::sample_rows(rows, options));
        // The first k of a random order are the first centroids (again from the start, if rows are fewer).
        let first: Vec<u32> = chosen.iter().cycle().take(k).copied().collect();
        let first = gather(values, dim, &first);
        chosen.sort_unstable();
        let sample: Cow<[f32]> =
            if chosen.len() == rows { values.into() } else { gather(values, dim, &chosen).into() };
        let mut centroids = Centroids::new(first, dim, spherical);
        let mut nearest = vec![0; sample.len() / dim];
        for iteration in 0..options.iterations {
            let before = nearest.clone();
            if iteration == 0 || k <= 2 * NEAR {
                centroids.assign(&sample, pool, &mut nearest, advance)?;
            } else {
                centroids.move_to_neighbours(&sample, pool, &mut nearest, advance)?;
            }
            let values = centroids.means(&sample, &nearest, spherical, pool);
            centroids = Centroids::new(values, dim, spherical);
            if before == nearest {
                break;
            }
        }
        Ok(centroids)
    }

    fn new(mut values: Vec<f32>, dim: usize, spherical: bool) -> Centroids {
        if spherical {
            values.chunks_exact_mut(dim).for_each(|row| {
                let factor = inverse_norm(row);
                row.iter_mut().for_each(|x| *x *= factor);
            });
        }
        let norm = |row: &[f32]| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        let half = |row: &[f32]| if spherical { 0.0 } else { (norm(row) / 2.0) as f32 };
        let half_norms = values.chunks_exact(dim).map(half).collect();
        Centroids { values, dim, half_norms }
    }

    /// The number of centroids.
    pub fn len(&self) -> usize {
        self.half_norms.len()
    }

    pub fn is_empty(&self) -> bool {
        self.half_norms.is_empty()
    }

    /// Writes the nearest centroid of each row; of equally near ones, the first.
    pub fn assign(
        &self,
        rows: &[f32],
        pool: &rayon::ThreadPool,
        nearest: &mut [u32],
        advance: Advance,
    ) -> Result<()> {
        let step = STEP_WORK / (self.len() * self.dim).max(1);
        let step = step.next_multiple_of(CHUNK_ROWS).clamp(CHUNK_ROWS, 1 << 20);
        for (rows, nearest) in rows.chunks(step * self.dim).zip(nearest.chunks_mut(step)) {
            pool.install(|| {
                let chunks = rows.par_chunks(CHUNK_ROWS * self.dim).zip(nearest.par_chunks_mut(CHUNK_ROWS));
                chunks
                    .for_each_init(Vec::new, |dots, (rows, nearest)| self.assign_chunk(rows, nearest, dots));
            });
            advance(nearest.len() as u64)?;
        }
        Ok(())
    }

    fn assign_chunk(&self, rows: &[f32], nearest: &mut [u32], dots: &mut Vec<f32>) {
        let mut best = [f32::NEG_INFINITY; CHUNK_ROWS];
        nearest.fill(0);
        let tiles = self.values.chunks(TILE_CENTROIDS * self.dim).zip(self.half_norms.chunks(TILE_CENTROIDS));
        for (tile, (centroids, half_norms)) in tiles.enumerate() {
            dots.resize(nearest.len() * half_norms.len(), 0.0);
            kernel::dot_block(rows, centroids, self.dim, dots);
            for ((dots, best), nearest) in
                dots.chunks_exact(half_norms.len()).zip(&mut best).zip(nearest.iter_mut())
            {
                for (i, (dot, half_norm)) in dots.iter().zip(half_norms).enumerate() {
                    if dot - half_norm > *best {
                        *best = dot - half_norm;
                        *nearest = (tile * TILE_CENTROIDS + i) as u32;
                    }
                }
            }
        }
    }

    /// Moves each row to the nearest of the [`NEAR`] centroids around its own.
    fn move_to_neighbours(
        &self,
        rows: &[f32],
        pool: &rayon::ThreadPool,
        nearest: &mut [u32],
        advance: Advance,
    ) -> Result<()> {
        let (k, dim) = (self.len(), self.dim);
        let neighbours = self.neighbours(pool, advance)?;
        let (offsets, members) = group(nearest, k);
        let tasks = (0..k).flat_map(|i| {
            members[offsets[i]..offsets[i + 1]].chunks(CHUNK_ROWS / 4).map(move |members| (i, members))
        });
        let tasks: Vec<(usize, &[u32])> = tasks.collect();
        for tasks in tasks.chunks((STEP_WORK / (CHUNK_ROWS / 4 * NEAR * dim)).max(1)) {
            let found: Vec<Vec<u32>> = pool.install(|| {
                let one = |(i, members): &(usize, &[u32])| {
                    let near = &neighbours[i * NEAR..(i + 1) * NEAR];
                    let around = Centroids {
                        values: gather(&self.values, dim, near),
                        dim,
                        half_norms: near.iter().map(|&i| self.half_norms[i as usize]).collect(),
                    };
                    let mut found = vec![0; members.len()];
                    around.assign_chunk(&gather(rows, dim, members), &mut found, &mut Vec::new());
                    found.iter_mut().for_each(|found| *found = near[*found as usize]);
                    found
                };
                tasks.par_iter().map(one).collect()
            });
            let mut work = 0;
            for ((_, members), found) in tasks.iter().zip(&found) {
                members.iter().zip(found).for_each(|(&row, &found)| nearest[row as usize] = found);
                work += members.len();
            }
            advance((work * NEAR / k) as u64)?;
        }
        Ok(())
    }

    /// The [`NEAR`] nearest centroids of each centroid, itself among them, in ascending order.
    fn neighbours(&self, pool: &rayon::ThreadPool, advance: Advance) -> Result<Vec<u32>> {
        let k = self.len();
        let mut neighbours = vec![0; k * NEAR];
        let step = (STEP_WORK / (k * self.dim)).max(1);
        for (values, neighbours) in
            self.values.chunks(step * self.dim).zip(neighbours.chunks_mut(step * NEAR))
        {
            let chunks = values.par_chunks(CHUNK_ROWS / 8 * self.dim);
            let chunks = chunks.zip(neighbours.par_chunks_mut(CHUNK_ROWS / 8 * NEAR));
            pool.install(|| {
                chunks.for_each(|(values, neighbours)| self.neighbours_chunk(values, neighbours))
            });
            advance((neighbours.len() / NEAR) as u64)?;
        }
        Ok(neighbours)
    }

    fn neighbours_chunk(&self, values: &[f32], neighbours: &mut [u32]) {
        let mut dots = vec![0.0; neighbours.len() / NEAR * self.len()];
        kernel::dot_block(values, &self.values, self.dim, &mut dots);
        let mut all: Vec<(f32, u32)> = Vec::new();
        for (dots, neighbours) in dots.chunks_exact(self.len()).zip(neighbours.chunks_exact_mut(NEAR)) {
            all.clear();
            all.extend(dots.iter().zip(&self.half_norms).map(|(dot, half_norm)| half_norm - dot).zip(0..));
            all.select_nth_unstable_by(NEAR, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            neighbours.iter_mut().zip(&all).for_each(|(neighbour, near)| *neighbour = near.1);
            neighbours.sort_unstable();
        }
    }

    /// The mean of each centroid's rows. Who has none gets half of the largest cluster.
    fn means(&self, rows: &[f32], nearest: &[u32], spherical: bool, pool: &rayon::ThreadPool) -> Vec<f32> {
        let (k, dim) = (self.len(), self.dim);
        let (offsets, members) = group(nearest, k);
        let mut means = self.values.clone();
        pool.install(|| {
            means.par_chunks_exact_mut(dim).enumerate().for_each_init(
                || vec![0f64; dim],
                |sums, (i, mean)| {
                    let members = &members[offsets[i]..offsets[i + 1]];
                    if members.is_empty() {
                        return;
                    }
                    sums.fill(0.0);
                    for &row in members {
                        let row = &rows[row as usize * dim..][..dim];
                        let factor = if spherical { f64::from(inverse_norm(row)) } else { 1.0 };
                        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x) * factor);
                    }
                    let count = members.len() as f64;
                    mean.iter_mut().zip(sums.iter()).for_each(|(mean, sum)| *mean = (sum / count) as f32);
                },
            );
        });
        let sizes: Vec<usize> = offsets.windows(2).map(|pair| pair[1] - pair[0]).collect();
        fill_empty(&mut means, dim, &sizes);
        means
    }
}

/// Gives each empty cluster half of the largest one: both centroids move a little away from each other.
pub(super) fn fill_empty(means: &mut [f32], dim: usize, sizes: &[usize]) {
    let empty: Vec<usize> = (0..sizes.len()).filter(|&i| sizes[i] == 0).collect();
    if empty.is_empty() {
        return;
    }
    let mut largest: BinaryHeap<_> =
        sizes.iter().enumerate().filter(|(_, size)| **size > 1).map(|(i, size)| (*size, i)).collect();
    for i in empty {
        let Some((size, from)) = largest.pop() else { return };
        for at in 0..dim {
            let mean = means[from * dim + at];
            let apart = if at % 2 == 0 { SPLIT } else { -SPLIT };
            means[i * dim + at] = mean * (1.0 + apart);
            means[from * dim + at] = mean * (1.0 - apart);
        }
        let half = size / 2;
        largest.extend([(half, i), (size - half, from)].into_iter().filter(|(size, _)| *size > 1));
    }
}

/// Sorts rows by their group, keeping their order: group `g` has `rows[offsets[g]..offsets[g + 1]]`.
pub fn group(groups: &[u32], count: usize) -> (Vec<usize>, Vec<u32>) {
    let mut offsets = vec![0; count + 1];
    for &g in groups {
        offsets[g as usize + 1] += 1;
    }
    for g in 0..count {
        offsets[g + 1] += offsets[g];
    }
    let mut next = offsets.clone();
    let mut rows = vec![0; groups.len()];
    for (row, &g) in groups.iter().enumerate() {
        rows[next[g as usize]] = row as u32;
        next[g as usize] += 1;
    }
    (offsets, rows)
}

fn gather(values: &[f32], dim: usize, rows: &[u32]) -> Vec<f32> {
    let mut gathered = Vec::with_capacity(rows.len() * dim);
    rows.iter().for_each(|&row| gathered.extend_from_slice(&values[row as usize * dim..][..dim]));
    gathered
}

/// One over the length; 1 for a row without one.
fn inverse_norm(row: &[f32]) -> f32 {
    let norm: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let inverse = (1.0 / norm.sqrt()) as f32;
    if inverse.is_finite() && inverse > 0.0 { inverse } else { 1.0 }
}

#[cfg(test)]
mod tests;
