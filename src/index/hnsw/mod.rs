//! HNSW: a navigable graph in levels (Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", 2016).
//!
//! The graph is built and searched on seven-bit codes, a quarter of the floats' bytes; the best candidates are then
//! ranked by their raw vectors, so that scores are exact. Nodes are numbered in the order of a hash of their rows: a
//! random order, which the build wants, and one in which the nodes of every upper level come first, so that a level
//! is a plain table over `0..nodes` and node 0 is the entry.
//!
//! Inner products of vectors of uneven lengths are no distances, but the graph is built on them all the same, as in
//! hnswlib: rows link to those that they have the largest products with, which are the rows that queries want (ip-NSW,
//! Morozov & Babenko 2018).

mod build;
#[cfg(test)]
mod tests;

use super::catalog::{IndexSpec, Metric};
use super::exact::{self, Exact};
use super::graph::beam::{Beam, EMPTY, End, Links, MAX_NODES, Pool, Scored};
use super::graph::order::hash;
use super::graph::space::{Scorer, Space, Target};
use super::sections::{SectionWriter, Sections};
use super::vectors::FloatVectors;
use super::{BuildContext, Index, Probe, Scratch};
use crate::error::{Code, Error, Result};
use crate::kernel;
use crate::kernel::topk::TopK;
use arrow_buffer::{BooleanBuffer, Buffer, ScalarBuffer, ToByteSlice};
use build::Shape;
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// The layout of the sections.
const FORMAT: u32 = 1;
/// With M >= 2 a level holds at most half of the one below.
const MAX_LEVELS: usize = 32;
/// What an exact score costs, in scores of codes.
const EXACT_COST: usize = 3;
/// Candidates ranked at least: what their errors say about the others.
const MIN_RANKED: usize = 12;
/// Raw vectors on their way from memory while candidates are ranked.
const PREFETCH: usize = 4;

/// A graph over all rows of a segment.
pub struct Hnsw {
    vectors: FloatVectors,
    shape: Shape,
    space: Space,
    /// The row of each node.
    rows: ScalarBuffer<u32>,
    levels: Vec<Level>,
}

/// The links of the nodes `0..nodes`.
struct Level {
    nodes: usize,
    table: ScalarBuffer<u32>,
    degree: usize,
}

/// What a search reuses.
#[derive(Default)]
pub struct Buffers {
    beam: Beam,
    target: Target,
}

impl Hnsw {
    /// Builds the graph with the parameters `M` and `efConstruction`.
    pub fn build(spec: &IndexSpec, vectors: FloatVectors, context: &BuildContext) -> Result<Hnsw> {
        let total = vectors.len();
        if total > MAX_NODES {
            return Err(Error::invalid(format!(
                "{total} rows in one graph. Valid range is [0, {MAX_NODES}]"
            )));
        }
        let shape = shape(spec);
        let (rows, counts) = arrange(total, shape.m, context.seed);
        context.pace.checkpoint(0, total as u64)?;
        let space = context.pool.install(|| Space::encode(&vectors, &rows, spec.metric));
        let levels = build::build(&space, &counts, shape, context)?;
        let seal = |(level, nodes): (build::Level, usize)| {
            let places = level.table.len();
            // A copy, because a `Vec` does not start at a cache line.
            Level {
                nodes,
                table: ScalarBuffer::new(Buffer::from_slice_ref(&level.table), 0, places),
                degree: level.degree,
            }
        };
        let levels = levels.into_iter().zip(counts).map(seal).collect();
        Ok(Hnsw { vectors, shape, space, rows: rows.into(), levels })
    }

    /// Opens what [`Index::save`] wrote. Links are checked one by one, so that a search never leaves its tables.
    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors) -> Result<Hnsw> {
        let (total, dim, shape) = (vectors.len(), vectors.dim(), shape(spec));
        let head = sections.typed::<u32>("head", 5)?;
        let [format, metric, m, levels, step] = head[..] else {
            return Err(Error::corrupt("an HNSW index without a head"));
        };
        if format != FORMAT {
            return Err(Error::new(
                Code::FormatTooNew,
                format!("HNSW format {format}, this version reads {FORMAT}"),
            ));
        }
        if (metric, m as usize) != (spec.metric.id(), shape.m) || levels as usize > MAX_LEVELS {
            return Err(Error::corrupt("the HNSW index is not the one that its description names"));
        }
        let space = Space::load(spec.metric, f32::from_bits(step), sections, total, dim)?;
        let rows = sections.typed("rows", total)?;
        let counts = sections.typed::<u32>("counts", levels as usize)?;
        check_rows(&rows)?;
        check_counts(&counts, total)?;
        let level = |(level, &nodes): (usize, &u32)| Level::load(level, nodes as usize, shape, sections);
        let levels = counts.iter().enumerate().map(level).collect::<Result<_>>()?;
        Ok(Hnsw { vectors, shape, space, rows, levels })
    }

    /// Whether the graph is likely to cost less than to look at each allowed row. The search has to go as much further as
    /// rows are rarer, and meets about `m` new nodes with each that it expands.
    fn is_worth_it(&self, wanted: usize, allowed: usize) -> bool {
        let scored = (wanted * self.shape.m) as f64 * self.rows.len() as f64 / allowed as f64;
        wanted < allowed && scored < (allowed * EXACT_COST) as f64
    }

    /// The hits of one query by the graph; false if it found too few, or gave up because allowed rows are rarer around
    /// the query than elsewhere.
    fn search_graph(
        &self,
        query: &[f32],
        probe: &Probe,
        wanted: usize,
        allowed: usize,
        buffers: &mut Buffers,
        top: &mut TopK,
    ) -> bool {
        let Buffers { beam, target } = buffers;
        self.space.aim_at_query(query, target);
        let scorer = Scorer { space: &self.space, target };
        let mut entry = 0;
        for level in self.levels[1..].iter().rev() {
            entry = beam.descend(level.links(), &scorer, entry);
        }
        let links = self.levels[0].links();
        let go_on = |scored| scored <= 2 * EXACT_COST * allowed && !probe.stop.load(Ordering::Relaxed);
        let end = match probe.allow {
            None => beam.search(links, &scorer, entry, wanted, |_| true, go_on),
            Some(allow) => {
                let allow = |node: u32| allow.value(self.rows[node as usize] as usize);
                beam.search(links, &scorer, entry, wanted, allow, go_on)
            }
        };
        if end == End::GaveUp || beam.pool.found() < probe.k {
            return false;
        }
        self.rank(query, probe.k, &beam.pool, top);
        true
    }

    /// Ranks the candidates by their raw vectors, best first, until the errors seen so far make it unlikely that the next
    /// one belongs to the hits: a few beyond k where codes are fine, many where they are coarse. For IP all candidates
    /// are ranked: the longest rows have the largest products, and those that reach beyond the range of the codes lose
    /// more than the errors of the others tell.
    fn rank(&self, query: &[f32], k: usize, pool: &Pool, top: &mut TopK) {
        let exact = Exact::new(self.space.metric, &self.vectors, query);
        let row = |hit: Scored| self.rows[hit.node as usize];
        let prefetch = |hit| kernel::prefetch(self.vectors.row(row(hit) as usize));
        let mut ahead = pool.hits();
        ahead.by_ref().take(PREFETCH).for_each(prefetch);
        let mut errors = Errors::default();
        let least = if self.space.metric == Metric::Ip { pool.found() } else { k.max(MIN_RANKED) };
        for (rank, hit) in pool.hits().enumerate() {
            if rank >= least && errors.likely_at_least(hit.score) > top.threshold() {
                break;
            }
            ahead.by_ref().take(1).for_each(prefetch);
            let score = exact.score(row(hit));
            errors.add(score - hit.score);
            top.push(score, row(hit));
        }
    }
}

impl Index for Hnsw {
    fn search(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let allowed = probe.allow.map_or(self.rows.len(), BooleanBuffer::count_set_bits);
        let wanted = probe.params.count("ef").max(probe.k);
        let metric = self.space.metric;
        if !self.is_worth_it(wanted, allowed) {
            exact::scan(metric, &self.vectors, probe, tops);
            return Ok(());
        }
        let queries = probe.floats().chunks_exact(self.vectors.dim());
        for (queries, top) in queries.zip(tops) {
            if probe.stop.load(Ordering::Relaxed) {
                break;
            }
            if !self.search_graph(queries, probe, wanted, allowed, &mut scratch.hnsw, top) {
                let one = probe.with_floats(queries);
                exact::scan(metric, &self.vectors, &one, std::slice::from_mut(top));
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        let metric = self.space.metric.id();
        let head = [
            FORMAT,
            metric,
            self.shape.m as u32,
            self.levels.len() as u32,
            self.space.quantizer.step.to_bits(),
        ];
        let counts: Vec<u32> = self.levels.iter().map(|level| level.nodes as u32).collect();
        out.section("head", head.to_byte_slice())?;
        self.space.save(out)?;
        out.section("rows", self.rows.to_byte_slice())?;
        out.section("counts", counts.to_byte_slice())?;
        for (number, level) in self.levels.iter().enumerate() {
            out.section(&format!("links{number}"), level.table.to_byte_slice())?;
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        let links: usize = self.levels.iter().map(|level| level.table.len()).sum();
        self.space.memory() + (links + self.rows.len()) * size_of::<u32>()
    }
}

impl Level {
    fn load(level: usize, nodes: usize, shape: Shape, sections: &Sections) -> Result<Level> {
        let degree = shape.degree(level);
        let table: ScalarBuffer<u32> = sections.typed(&format!("links{level}"), nodes * degree)?;
        // Without an early end, so that it is compiled to wide comparisons.
        let astray = |bad, &link: &u32| bad | (link != EMPTY && link as usize >= nodes);
        if table.iter().fold(false, astray) {
            return Err(Error::corrupt(format!("a link of level {level} of the HNSW index leads nowhere")));
        }
        Ok(Level { nodes, table, degree })
    }

    fn links(&self) -> Links<'_> {
        Links { table: &self.table, degree: self.degree }
    }
}

/// How far the scores of codes were from the exact ones.
#[derive(Default)]
struct Errors {
    count: f32,
    squares: f32,
}

impl Errors {
    fn add(&mut self, error: f32) {
        self.count += 1.0;
        self.squares += error * error;
    }

    /// What the exact score of a code's `score` is hardly below. The mean error is not taken off: the best candidates are
    /// those that codes flatter, the others are not.
    fn likely_at_least(&self, score: f32) -> f32 {
        score - 3.0 * (self.squares / self.count).sqrt()
    }
}

fn shape(spec: &IndexSpec) -> Shape {
    Shape { m: spec.params.count("M").max(2), ef_construction: spec.params.count("efConstruction").max(1) }
}

/// The rows in the order of their nodes, and how many nodes each level has.
///
/// A node is on level `l` with probability `m^-l`, as in the paper; the hash of its row decides and not a sequence of
/// random numbers, so that levels are the same however the rows are dealt to threads. Integers decide, not logarithms,
/// so that they are the same on every machine.
fn arrange(total: usize, m: usize, seed: u64) -> (Vec<u32>, Vec<usize>) {
    let mut hashed: Vec<(u64, u32)> = (0..total as u32).map(|row| (hash(seed, row), row)).collect();
    hashed.par_sort_unstable();
    let mut counts = vec![total];
    let mut limit = u64::MAX / m as u64;
    while counts.len() < MAX_LEVELS {
        match hashed.partition_point(|&(hash, _)| hash < limit) {
            0 => break,
            nodes => counts.push(nodes),
        }
        limit /= m as u64;
    }
    (hashed.into_iter().map(|(_, row)| row).collect(), counts)
}

/// Every row has one node.
fn check_rows(rows: &[u32]) -> Result<()> {
    let mut seen = vec![false; rows.len()];
    for &row in rows {
        match seen.get_mut(row as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return Err(Error::corrupt(format!(
                    "row {row} of the HNSW index is out of range or there twice"
                )));
            }
        }
    }
    Ok(())
}

/// Level 0 has all nodes, each other at least one and no more than the one below.
fn check_counts(counts: &[u32], total: usize) -> Result<()> {
    let all = counts.first().is_some_and(|&nodes| nodes as usize == total);
    let sinking = counts.windows(2).all(|pair| 0 < pair[1] && pair[1] <= pair[0]);
    if all && sinking {
        Ok(())
    } else {
        Err(Error::corrupt("the levels of the HNSW index do not fit its rows"))
    }
}
