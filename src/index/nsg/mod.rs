//! NSG, which Milvus calls RNSG: one graph whose searches all begin at the node nearest to the mean (Fu, Xiang, Wang & Cai,
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
#[cfg(test)]
mod tests;

use super::catalog::IndexSpec;
use super::exact;
use super::graph::beam::{Beam, End, Links};
use super::graph::check::{check_links, check_rows, check_total};
use super::graph::rank::{EXACT_COST, rank};
use super::graph::space::{Scorer, Space, Target};
use super::sections::{SectionWriter, Sections};
use super::vectors::FloatVectors;
use super::{BuildContext, Index, Probe, Progress, Scratch};
use crate::error::{Error, Result};
use crate::kernel::topk::TopK;
use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer, ScalarBuffer, ToByteSlice};
use build::Shape;
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// The layout of the sections.
const FORMAT: u32 = 1;
const NAME: &str = "the RNSG index";

/// A graph over all rows of a segment.
pub struct Nsg {
    vectors: FloatVectors,
    space: Space,
    /// The row of each node.
    rows: ScalarBuffer<u32>,
    links: ScalarBuffer<u32>,
    out_degree: usize,
    /// The navigating node.
    entry: u32,
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
        let table = build::build(&space, &first, entry, shape, context, &mut progress)?;
        // A copy, because a `Vec` does not start at a cache line.
        let links = ScalarBuffer::new(Buffer::from_slice_ref(&table.places), 0, table.places.len());
        Ok(Nsg { vectors, space, rows: first.nodes.into(), links, out_degree: shape.out_degree, entry })
    }

    /// Opens what [`Index::save`] wrote. Links are checked one by one, so that a search never leaves its tables.
    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors) -> Result<Nsg> {
        let (total, dim, shape) = (vectors.len(), vectors.dim(), shape(spec));
        let [_, metric, out_degree, entry, step] = sections.head("RNSG", FORMAT)?;
        if (metric, out_degree as usize) != (spec.metric.id(), shape.out_degree) {
            return Err(Error::corrupt("the RNSG index is not the one that its description names"));
        }
        if entry as usize >= total.max(1) {
            return Err(Error::corrupt(format!("the RNSG index begins at node {entry} of {total}")));
        }
        let space = Space::load(spec.metric, f32::from_bits(step), sections, total, dim, NAME)?;
        let rows = sections.typed("rows", total)?;
        check_rows(&rows, NAME)?;
        let links = sections.typed("links", total * shape.out_degree)?;
        check_links(&links, total, NAME)?;
        Ok(Nsg { vectors, space, rows, links, out_degree: shape.out_degree, entry })
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
        let links = Links { table: &self.links, degree: self.out_degree };
        let go_on = |scored| scored <= 2 * EXACT_COST * allowed && !probe.stop.load(Ordering::Relaxed);
        let end = match probe.allow {
            None => beam.search(links, &scorer, self.entry, wanted, |_| true, go_on),
            Some(allow) => {
                let allow = |node: u32| allow.value(self.rows[node as usize] as usize);
                beam.search(links, &scorer, self.entry, wanted, allow, go_on)
            }
        };
        if end == End::GaveUp || beam.pool.found() < probe.k {
            return false;
        }
        rank(self.space.metric, &self.vectors, query, probe.k, &beam.pool, &self.rows, top);
        true
    }
}

impl Index for Nsg {
    /// Milvus' `search_length` is the width of the search; one below k finds k rows all the same (Milvus 1.x pads with -1).
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let allowed = probe.allow.map_or(self.rows.len(), BooleanBuffer::count_set_bits);
        let wanted = wanted(probe);
        let metric = self.space.metric;
        for (query, top) in probe.floats().chunks_exact(self.vectors.dim()).zip(tops) {
            if probe.stop.load(Ordering::Relaxed) {
                break;
            }
            if !self.search_graph(query, probe, wanted, allowed, &mut scratch.nsg, top) {
                exact::scan(metric, &self.vectors, &probe.with_floats(query), std::slice::from_mut(top));
            }
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The search has to go as much further as rows are rarer, and about half of the links of a node that it expands lead
    /// to new ones.
    fn cost(&self, probe: &Probe, allowed: usize) -> f64 {
        let wanted = wanted(probe);
        if wanted >= allowed {
            return f64::INFINITY;
        }
        let scored = (wanted * self.out_degree / 2) as f64 * self.rows.len() as f64 / allowed as f64;
        scored / EXACT_COST as f64
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.space.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        let (metric, step) = (self.space.metric.id(), self.space.quantizer.step.to_bits());
        let head = [FORMAT, metric, self.out_degree as u32, self.entry, step];
        out.section("head", head.to_byte_slice())?;
        self.space.save(out)?;
        out.section("rows", self.rows.to_byte_slice())?;
        out.section("links", self.links.to_byte_slice())
    }

    fn memory(&self) -> usize {
        self.space.memory() + (self.links.len() + self.rows.len()) * size_of::<u32>()
    }
}

/// The width of a search.
fn wanted(probe: &Probe) -> usize {
    probe.params.count("search_length").max(probe.k)
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
