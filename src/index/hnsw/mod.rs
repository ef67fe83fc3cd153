//! HNSW: a navigable graph in levels (Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs", 2016).
//!
//! What the rows are is the business of a [`Domain`]: [`Floats`] are built and searched on seven-bit codes, [`Bits`] on the
//! bits themselves. The best candidates are then ranked exactly. Nodes are numbered in the order of a hash of their rows: a
//! random order, which the build wants, and one in which the nodes of every upper level come first, so that a level
//! is a plain table over `0..nodes` and node 0 is the entry.

mod bits;
mod build;
mod floats;
#[cfg(test)]
mod tests;

pub use bits::Bits;
pub use floats::Floats;

use super::catalog::{IndexSpec, Metric};
use super::graph::beam::{Beam, Links, Pool, Score};
use super::graph::check::{check_links, check_rows, check_total};
use super::graph::link::Table;
use super::graph::scope::Scope;
use super::graph::space::{self, Points, Scorer};
use super::scan;
use super::sections::{SectionWriter, Sections};
use super::{BuildContext, Index, Probe, Scratch};
use crate::error::{Error, Result};
use crate::kernel::topk::TopK;
use crate::quant::random::hash;
use arrow_buffer::{Buffer, ScalarBuffer, ToByteSlice};
use build::Shape;
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// The layout of the sections.
const FORMAT: u32 = 1;
const NAME: &str = "the HNSW index";
/// With M >= 2 a level holds at most half of the one below.
const MAX_LEVELS: usize = 32;

/// Rows of one kind, as HNSW meets them.
pub trait Domain: Send + Sync + Sized {
    type Vectors: Send + Sync;
    type Points: Points;

    fn len(vectors: &Self::Vectors) -> usize;
    /// Node `i` is row `rows[i]`.
    fn build(
        metric: Metric,
        vectors: Self::Vectors,
        rows: &ScalarBuffer<u32>,
        context: &BuildContext,
    ) -> Result<Self>;
    /// Reads what `save` wrote; `scale` was in the head of the index, and every one of `rows` is in range.
    fn load(
        metric: Metric,
        scale: u32,
        sections: &Sections,
        vectors: Self::Vectors,
        rows: &ScalarBuffer<u32>,
    ) -> Result<Self>;
    fn save(&self, out: &mut dyn SectionWriter) -> Result<()>;
    fn memory(&self) -> usize;

    fn metric(&self) -> Metric;
    /// The number of its own that the head of the index keeps.
    fn scale(&self) -> u32;
    /// What the graph lives in.
    fn points(&self) -> &Self::Points;
    /// The part of a thread's buffers that is for targets of this kind.
    fn buffers(buffers: &mut Buffers) -> (&mut Beam, &mut Target<Self>);
    /// Makes `target` the one query of `probe`.
    fn aim(&self, probe: &Probe, target: &mut Target<Self>);
    /// Ranks the candidates for the one query of `probe` by exact scores.
    fn rank(&self, probe: &Probe, pool: &Pool, rows: &[u32], top: &mut TopK);
    /// Answers without the graph.
    fn scan(&self, probe: &Probe, tops: &mut [TopK]);
}

type Target<D> = <<D as Domain>::Points as Points>::Target;

/// A graph over all rows of a segment.
pub struct Hnsw<D: Domain> {
    shape: Shape,
    domain: D,
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
    float: space::Target,
    bits: bits::Target,
}

impl<D: Domain> Hnsw<D> {
    /// Builds the graph with the parameters `M` and `efConstruction`.
    pub fn build(spec: &IndexSpec, vectors: D::Vectors, context: &BuildContext) -> Result<Hnsw<D>> {
        let total = D::len(&vectors);
        check_total(total)?;
        let shape = shape(spec);
        let (rows, counts) = context.pool.install(|| arrange(total, shape.m, context.seed));
        context.pace.checkpoint(0, total as u64)?;
        let rows = rows.into();
        let domain = D::build(spec.metric, vectors, &rows, context)?;
        let levels = build::build(domain.points(), &counts, shape, context)?;
        let seal = |(level, nodes): (Table, usize)| {
            let places = level.places.len();
            // A copy, because a `Vec` does not start at a cache line.
            Level {
                nodes,
                table: ScalarBuffer::new(Buffer::from_slice_ref(&level.places), 0, places),
                degree: level.degree,
            }
        };
        let levels = levels.into_iter().zip(counts).map(seal).collect();
        Ok(Hnsw { shape, domain, rows, levels })
    }

    /// Opens what [`Index::save`] wrote. Links are checked one by one, so that a search never leaves its tables.
    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: D::Vectors) -> Result<Hnsw<D>> {
        let (total, shape) = (D::len(&vectors), shape(spec));
        let [_, metric, m, levels, scale] = sections.head("HNSW", FORMAT)?;
        if (metric, m as usize) != (spec.metric.id(), shape.m) || levels as usize > MAX_LEVELS {
            return Err(Error::corrupt("the HNSW index is not the one that its description names"));
        }
        let rows = sections.typed("rows", total)?;
        let counts = sections.typed::<u32>("counts", levels as usize)?;
        check_rows(&rows, NAME)?;
        let domain = D::load(spec.metric, scale, sections, vectors, &rows)?;
        check_counts(&counts, total)?;
        let level = |(level, &nodes): (usize, &u32)| Level::load(level, nodes as usize, shape, sections);
        let levels = counts.iter().enumerate().map(level).collect::<Result<_>>()?;
        Ok(Hnsw { shape, domain, rows, levels })
    }

    /// Where to enter the lowest level.
    fn descend(&self, beam: &mut Beam, score: &impl Score) -> u32 {
        self.levels[1..].iter().rev().fold(0, |entry, level| beam.descend(level.links(), score, entry))
    }

    fn scope<'a>(&'a self, probe: &'a Probe<'a>, allowed: usize) -> Scope<'a> {
        Scope::new(probe, &self.rows, allowed, probe.params.count("ef"))
    }
}

impl<D: Domain> Index for Hnsw<D> {
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let scope = self.scope(probe, scan::allowed(probe, self.rows.len()));
        let (beam, target) = D::buffers(&mut scratch.hnsw);
        let links = self.levels[0].links();
        for (probe, top) in probe.each(tops.len()).zip(tops) {
            if probe.stop.load(Ordering::Relaxed) {
                break;
            }
            self.domain.aim(&probe, target);
            let scorer = Scorer { space: self.domain.points(), target };
            scope.of(&probe).search(beam, links, &scorer, self.shape.m, |beam| [self.descend(beam, &scorer)]);
            self.domain.rank(&probe, &beam.pool, &self.rows, top);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Of the 2 M links of a node about half lead to new ones.
    fn cost(&self, probe: &Probe, allowed: usize) -> f64 {
        self.scope(probe, allowed).cost(self.shape.m)
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        self.domain.scan(probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        let (m, levels) = (self.shape.m as u32, self.levels.len() as u32);
        let head = [FORMAT, self.domain.metric().id(), m, levels, self.domain.scale()];
        let counts: Vec<u32> = self.levels.iter().map(|level| level.nodes as u32).collect();
        out.section("head", head.to_byte_slice())?;
        self.domain.save(out)?;
        out.section("rows", self.rows.to_byte_slice())?;
        out.section("counts", counts.to_byte_slice())?;
        for (number, level) in self.levels.iter().enumerate() {
            out.section(&format!("links{number}"), level.table.to_byte_slice())?;
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        let links: usize = self.levels.iter().map(|level| level.table.len()).sum();
        self.domain.memory() + (links + self.rows.len()) * size_of::<u32>()
    }
}

impl Level {
    fn load(level: usize, nodes: usize, shape: Shape, sections: &Sections) -> Result<Level> {
        let degree = shape.degree(level);
        let table: ScalarBuffer<u32> = sections.typed(&format!("links{level}"), nodes * degree)?;
        check_links(&table, nodes, &format!("level {level} of {NAME}"))?;
        Ok(Level { nodes, table, degree })
    }

    fn links(&self) -> Links<'_> {
        Links { table: &self.table, degree: self.degree }
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
    let mut hashed: Vec<(u64, u32)> = (0..total as u32).map(|row| (hash(seed, row.into()), row)).collect();
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
