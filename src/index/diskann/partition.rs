//! Building in parts, for sets whose graph does not fit in memory (section 3.2 of the paper): k-means deals every row to
//! its two nearest centroids, each part gets a graph of its own, and a row has the links of both. What is dealt twice
//! connects the parts.

use super::arrange;
use super::vamana::{self, Shape};
use crate::error::Result;
use crate::index::catalog::{IndexSpec, Metric};
use crate::index::graph::beam::EMPTY;
use crate::index::graph::space::Space;
use crate::index::spill::{SpillFile, Spilled};
use crate::index::vectors::FloatVectors;
use crate::index::{BuildContext, Progress};
use crate::kernel;
use crate::quant::kmeans::{Centroids, Options};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// In how many parts each row is.
pub const PARTS_OF_A_ROW: u64 = 2;
/// Parts at most.
const MAX_PARTS: usize = 1024;
/// A part has this many rows at least, whatever the memory.
pub const MIN_PART: usize = 1000;
const ITERATIONS: usize = 10;
const ROWS_PER_CENTROID: usize = 1000;
/// Rows that one task deals.
const CHUNK: usize = 256;
/// Rows between two checkpoints.
const STEP: usize = 64 * CHUNK;
/// Rows of a graph that are written or read at a time.
const ROWS_AT_ONCE: usize = 512;

/// The rows of each part in ascending order; every row is in two.
type Parts = Vec<Vec<u32>>;

/// Deals the rows, so that no part has more than `most` of them where that is possible.
fn deal(
    vectors: &FloatVectors,
    spec: &IndexSpec,
    most: usize,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Parts> {
    let rows = vectors.len();
    let most = most.max(MIN_PART);
    let mut count = (2 * rows).div_ceil(most).clamp(3, MAX_PARTS);
    loop {
        let options = Options {
            k: count,
            iterations: ITERATIONS,
            rows_per_centroid: ROWS_PER_CENTROID,
            spherical: spec.metric == Metric::Cosine,
            seed: context.seed,
        };
        let mut advance = |_| progress.advance(0);
        let centroids =
            Centroids::train(vectors.values(), vectors.dim(), &options, context.pool, &mut advance)?;
        let members = members(vectors, &centroids.values, options.spherical, context, progress)?;
        let largest = members.iter().map(Vec::len).max().unwrap_or(0);
        if largest <= most || count == MAX_PARTS || count * MIN_PART > 2 * rows {
            return Ok(members);
        }
        count = (count + count.div_ceil(2)).min(MAX_PARTS);
    }
}

fn members(
    vectors: &FloatVectors,
    centroids: &[f32],
    spherical: bool,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Parts> {
    let dim = vectors.dim();
    let half = |centroid: &[f32]| if spherical { 0.0 } else { kernel::dot(centroid, centroid) / 2.0 };
    let half_norms: Vec<f32> = centroids.chunks_exact(dim).map(half).collect();
    let mut members = vec![Vec::new(); half_norms.len()];
    let mut first = 0;
    for values in vectors.values().chunks(STEP * dim) {
        progress.advance(0)?;
        let chunks = values.par_chunks(CHUNK * dim);
        let nearest = chunks.flat_map_iter(|chunk| two_nearest(chunk, centroids, &half_norms, dim));
        let nearest: Vec<[u32; 2]> = context.pool.install(|| nearest.collect());
        for (row, parts) in (first..).zip(&nearest) {
            parts.iter().for_each(|&part| members[part as usize].push(row));
        }
        first += nearest.len() as u32;
    }
    Ok(members)
}

/// The two nearest centroids of each row. There are two at least.
fn two_nearest(rows: &[f32], centroids: &[f32], half_norms: &[f32], dim: usize) -> Vec<[u32; 2]> {
    let mut dots = vec![0.0; rows.len() / dim * half_norms.len()];
    kernel::dot_block(rows, centroids, dim, &mut dots);
    let two = |dots: &[f32]| {
        let (mut best, mut nearest) = ([f32::NEG_INFINITY; 2], [0, 1]);
        for (part, (dot, half_norm)) in (0..).zip(dots.iter().zip(half_norms)) {
            let score = dot - half_norm;
            if score > best[0] {
                (best, nearest) = ([score, best[0]], [part, nearest[0]]);
            } else if score > best[1] {
                (best[1], nearest[1]) = (score, part);
            }
        }
        // Where numbers are not finite, any two will do, but not one twice.
        if nearest[0] == nearest[1] { [0, 1] } else { nearest }
    };
    dots.chunks_exact(half_norms.len()).map(two).collect()
}

/// Builds the graphs of parts of at most `most` rows and merges them; gives `shape.degree` places for each row in a
/// scratch file.
pub fn build(
    vectors: &FloatVectors,
    spec: &IndexSpec,
    shape: Shape,
    most: usize,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Box<dyn Spilled>> {
    let parts = deal(vectors, spec, most, context, progress)?;
    let (metric, pool) = (spec.metric, context.pool);
    let quantizer = Space::train(vectors, metric, pool, &mut || progress.advance(0))?;
    let mut file = context.spill.create()?;
    let mut starts = Vec::with_capacity(parts.len());
    let mut written = 0u64;
    for members in &parts {
        starts.push(written);
        let order = arrange(vectors, metric, members.clone(), context, progress)?;
        let mut pause = || progress.advance(0);
        let space = Space::encode_by(quantizer.clone(), vectors, &order, metric, pool, &mut pause)?;
        let table = vamana::build(&space, order.len(), shape, context, progress)?.places;
        drop(space);
        write_part(&order, &table, shape.degree, &mut *file)?;
        written += members.len() as u64;
    }
    let file = file.finish()?;
    merge(vectors.len(), &parts, &starts, &*file, shape.degree, context, progress)
}

/// Writes the graph of a part in the order of its rows, links as rows.
fn write_part(order: &[u32], table: &[u32], degree: usize, file: &mut dyn SpillFile) -> Result<()> {
    let mut sorted: Vec<(u32, u32)> = order.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    let row_of = |&link: &u32| if link == EMPTY { EMPTY } else { order[link as usize] };
    let mut bytes = Vec::with_capacity(4 * degree * ROWS_AT_ONCE);
    for nodes in sorted.chunks(ROWS_AT_ONCE) {
        bytes.clear();
        for &(_, node) in nodes {
            let links = table[node as usize * degree..][..degree].iter().map(row_of);
            bytes.extend(links.flat_map(u32::to_le_bytes));
        }
        file.append(&bytes)?;
    }
    Ok(())
}

/// Reads the graph of a part from front to back.
struct Cursor<'a> {
    members: &'a [u32],
    /// The places of members before this one are used up.
    next: usize,
    /// The first place of the part in the file, in rows.
    start: u64,
    buffer: Vec<u32>,
    /// How many members' places the buffer has from `next` on.
    buffered: usize,
}

impl Cursor<'_> {
    /// The places of `row`, if it is the next member.
    fn take(&mut self, row: u32, degree: usize, file: &dyn Spilled) -> Result<Option<&[u32]>> {
        if self.members.get(self.next) != Some(&row) {
            return Ok(None);
        }
        if self.buffered == 0 {
            self.buffered = ROWS_AT_ONCE.min(self.members.len() - self.next);
            let mut bytes = vec![0; 4 * degree * self.buffered];
            file.read_at((self.start + self.next as u64) * 4 * degree as u64, &mut bytes)?;
            self.buffer.clear();
            self.buffer.extend(bytes.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)));
        }
        let at = self.buffer.len() - self.buffered * degree;
        self.next += 1;
        self.buffered -= 1;
        Ok(Some(&self.buffer[at..at + degree]))
    }
}

/// Joins what each row has in its parts: the nearest link of each part, then the next ones, up to the degree.
fn merge(
    rows: usize,
    parts: &Parts,
    starts: &[u64],
    file: &dyn Spilled,
    degree: usize,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Box<dyn Spilled>> {
    let mut cursors: Vec<Cursor> = Vec::with_capacity(starts.len());
    // Which part's turn it is: the parts by the next row that they have.
    let mut turns = BinaryHeap::with_capacity(starts.len());
    for (members, &start) in parts.iter().zip(starts) {
        turns.extend(members.first().map(|&row| Reverse((row, cursors.len()))));
        cursors.push(Cursor { members, next: 0, start, buffer: Vec::new(), buffered: 0 });
    }
    let mut out = context.spill.create()?;
    let (mut found, mut joined, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows as u32 {
        if (row as usize).is_multiple_of(STEP) {
            progress.advance(0)?;
        }
        found.clear();
        while let Some(&Reverse((next, part))) = turns.peek()
            && next == row
        {
            turns.pop();
            let cursor = &mut cursors[part];
            if let Some(links) = cursor.take(row, degree, file)? {
                found.extend(links.iter().copied().enumerate().filter(|(_, link)| *link != EMPTY));
            }
            if let Some(&next) = cursor.members.get(cursor.next) {
                turns.push(Reverse((next, part)));
            }
        }
        // By rank; of equal ranks, that of the first part comes first.
        found.sort_by_key(|&(rank, _)| rank);
        joined.clear();
        for &(_, link) in &found {
            if joined.len() < degree && !joined.contains(&link) {
                joined.push(link);
            }
        }
        joined.resize(degree, EMPTY);
        bytes.clear();
        bytes.extend(joined.iter().flat_map(|link| link.to_le_bytes()));
        out.append(&bytes)?;
    }
    out.finish()
}
