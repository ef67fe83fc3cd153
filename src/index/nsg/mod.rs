//! NSG, which Milvus calls RNSG: one graph whose searches begin at the node nearest to the mean (Fu, Xiang, Wang & Cai,
//! "Fast Approximate Nearest Neighbor Search With The Navigating Spreading-out Graph", VLDB 2019).
//!
//! As HNSW's, the graph is built and searched on seven-bit codes, and the best candidates are then ranked by their raw
//! vectors. Nodes are numbered by the groups of a tree that splits them by their places, so that what a search visits
//! lies close together in memory. As in HNSW, a graph of inner products is built on inner products: one built on distances
//! finds far fewer of them (16 to 54 % of the nearest ten where this finds 78 to 99.9 %, on word vectors).
//!
//! A build needs, beside the index itself, 8 bytes for each of the `knng` neighbours of each row, and a second copy of the
//! codes while nodes are numbered.

mod build;
mod forest;
mod knn;
mod starts;
#[cfg(test)]
mod tests;

use super::catalog::IndexSpec;
use super::exact;
use super::graph::beam::{Beam, Links};
use super::graph::check::{check_links, check_rows, check_total};
use super::graph::rank::rank;
use super::graph::scope::Scope;
use super::graph::space::{Scorer, Space, Target};
use super::scan;
use super::sections::{SectionWriter, Sections};
use super::vectors::FloatVectors;
use super::{BuildContext, Index, Probe, Progress, Scratch};
use crate::error::{Error, Result};
use crate::kernel::topk::TopK;
use arrow_buffer::{Buffer, MutableBuffer, ScalarBuffer, ToByteSlice};
use build::Shape;
use rayon::prelude::*;
use starts::Starts;
use std::sync::atomic::Ordering;

/// The layout of the sections.
const FORMAT: u32 = 2;
const NAME: &str = "the RNSG index";

/// A graph over all rows of a segment.
pub struct Nsg {
    vectors: FloatVectors,
    space: Space,
    /// The row of each node.
    rows: ScalarBuffer<u32>,
    links: ScalarBuffer<u32>,
    out_degree: usize,
    starts: Starts,
}

/// What a search reuses.
#[derive(Default)]
pub struct Buffers {
    beam: Beam,
    target: Target,
}

impl Nsg {
    /// Builds the graph with the parameters `search_length`, `out_degree`, `candidate_pool_size` and `knng`.
    pub fn build(spec: &IndexSpec, vectors: FloatVectors, context: &BuildContext) -> Result<Nsg> {
        let total = vectors.len();
        check_total(total)?;
        let shape = shape(spec);
        let work = (total * forest::depth(total, knn::GROUP)) as u64 + build::work(total);
        let mut progress = Progress::new(context.pace, total as u64, work);
        progress.advance(0)?;
        let rows: Vec<u32> = (0..total as u32).collect();
        let space = Space::encode(&vectors, &rows, spec.metric, context.pool, &mut || progress.advance(0))?;
        let first = forest::grow(&space, 0, knn::GROUP, context, &mut progress)?;
        let space = context.pool.install(|| arrange(&space, &first.nodes));
        let entry = context.pool.install(|| build::navigating_node(&space));
        let starts = Starts { entry, nodes: total as u32, sampled: true };
        let (table, starts) = build::build(&space, &first, starts, shape, context, &mut progress)?;
        // A copy, because a `Vec` does not start at a cache line.
        let links = ScalarBuffer::new(Buffer::from_slice_ref(&table.places), 0, table.places.len());
        Ok(Nsg { vectors, space, rows: first.nodes.into(), links, out_degree: shape.out_degree, starts })
    }

    /// Opens what [`Index::save`] wrote. Links are checked one by one, so that a search never leaves its tables.
    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors) -> Result<Nsg> {
        let (total, dim, shape) = (vectors.len(), vectors.dim(), shape(spec));
        let [_, metric, out_degree, entry, sampled, step] = sections.head("RNSG", FORMAT)?;
        if (metric, out_degree as usize) != (spec.metric.id(), shape.out_degree) {
            return Err(Error::corrupt("the RNSG index is not the one that its description names"));
        }
        if entry as usize >= total.max(1) {
            return Err(Error::corrupt(format!("the RNSG index begins at node {entry} of {total}")));
        }
        if sampled > 1 {
            return Err(Error::corrupt(format!("the RNSG index begins in no known way: {sampled}")));
        }
        let space = Space::load(spec.metric, f32::from_bits(step), sections, total, dim, NAME)?;
        let starts = Starts { entry, nodes: total as u32, sampled: sampled == 1 };
        let rows = sections.typed("rows", total)?;
        check_rows(&rows, NAME)?;
        let links = sections.typed("links", total * shape.out_degree)?;
        check_links(&links, total, NAME)?;
        Ok(Nsg { vectors, space, rows, links, out_degree: shape.out_degree, starts })
    }

    fn scope<'a>(&'a self, probe: &'a Probe<'a>, allowed: usize) -> Scope<'a> {
        Scope::new(probe, &self.rows, allowed, probe.params.count("search_length"))
    }
}

impl Index for Nsg {
    /// Milvus' `search_length` is the width of the search; one below k finds k rows all the same (Milvus 1.x pads with -1).
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let metric = self.space.metric;
        let scope = self.scope(probe, scan::allowed(probe, self.rows.len()));
        let Buffers { beam, target } = &mut scratch.nsg;
        let links = Links { table: &self.links, degree: self.out_degree };
        for (probe, top) in probe.each(tops.len()).zip(tops) {
            if probe.stop.load(Ordering::Relaxed) {
                break;
            }
            self.space.aim_at_query(probe.floats(), target);
            let scorer = Scorer { space: &self.space, target };
            scope
                .of(&probe)
                .search(beam, links, &scorer, self.out_degree / 2, |beam| self.starts.near(beam, &scorer));
            rank(metric, &self.vectors, probe.floats(), probe.k, &beam.pool, &self.rows, top);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// About half of the links of a node lead to new ones.
    fn cost(&self, probe: &Probe, allowed: usize) -> f64 {
        self.scope(probe, allowed).cost(self.out_degree / 2)
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.space.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        let (metric, step) = (self.space.metric.id(), self.space.quantizer.step.to_bits());
        let head =
            [FORMAT, metric, self.out_degree as u32, self.starts.entry, self.starts.sampled.into(), step];
        out.section("head", head.to_byte_slice())?;
        self.space.save(out)?;
        out.section("rows", self.rows.to_byte_slice())?;
        out.section("links", self.links.to_byte_slice())
    }

    fn memory(&self) -> usize {
        self.space.memory() + (self.links.len() + self.rows.len()) * size_of::<u32>()
    }
}

fn shape(spec: &IndexSpec) -> Shape {
    let count = |name| spec.params.count(name).max(1);
    Shape {
        search_length: count("search_length"),
        out_degree: count("out_degree"),
        candidate_pool_size: count("candidate_pool_size"),
        knng: count("knng"),
    }
}

/// The same points with node `i` where `order[i]` was.
fn arrange(space: &Space, order: &[u32]) -> Space {
    let stride = space.stride;
    let mut codes = MutableBuffer::from_len_zeroed(order.len() * stride);
    let places = codes.as_slice_mut().par_chunks_exact_mut(stride);
    places.zip(order).for_each(|(code, &from)| {
        code.copy_from_slice(&space.codes[from as usize * stride..][..stride]);
    });
    let codes = ScalarBuffer::new(codes.into(), 0, order.len() * stride);
    let offsets: Vec<i32> = order.iter().map(|&from| space.offsets[from as usize]).collect();
    Space { quantizer: space.quantizer.clone(), metric: space.metric, codes, offsets: offsets.into(), stride }
}
