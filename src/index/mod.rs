//! Vector indexes: queries and an allow-bitmap in, top-k out. An index never sees a path, a schema, a lock or a
//! collection. [`build`] and [`load`] are the only matches over index kinds.

mod beam;
pub mod catalog;
pub mod exact;
mod flat;
mod hnsw;
mod ivf;
mod scan;
pub mod sections;
mod shadow;
#[cfg(test)]
mod tests;
pub mod vectors;

use crate::error::{Code, Error, Result};
use crate::kernel::topk::TopK;
use arrow_buffer::BooleanBuffer;
use catalog::{IndexSpec, IndexType, SearchParams};
use sections::{SectionWriter, Sections};
use std::sync::atomic::AtomicBool;
use vectors::Vectors;

/// A batch of queries bound to what every query of it shares.
pub struct Probe<'a> {
    /// `nq` queries of `dim` values each, row by row. For COSINE they need not be normalised.
    pub queries: &'a [f32],
    /// How many hits each query wants.
    pub k: usize,
    /// A set bit allows the row; `None` allows all. Its length is the number of rows.
    pub allow: Option<&'a BooleanBuffer>,
    /// The checked search parameters (`nprobe`, `ef`).
    pub params: &'a SearchParams,
    /// Set when the caller's time is over: the search returns early, its result is thrown away.
    pub stop: &'a AtomicBool,
}

/// Buffers that one thread reuses from search to search, so that a search does not allocate after warm-up.
#[derive(Default)]
pub struct Scratch {
    seekers: Vec<scan::Seeker>,
    scan: scan::Buffers,
    all: Vec<u32>,
    ivf: ivf::Buffers,
    hnsw: hnsw::Buffers,
}

/// The seekers of a group of queries, and what scanning needs beside them.
struct Seekers<'a> {
    list: &'a mut [scan::Seeker],
    /// The number of each.
    all: &'a [u32],
    buffers: &'a mut scan::Buffers,
}

impl Scratch {
    fn seekers(&mut self, count: usize) -> Seekers<'_> {
        self.seekers_and_ivf(count).0
    }

    fn seekers_and_ivf(&mut self, count: usize) -> (Seekers<'_>, &mut ivf::Buffers) {
        if self.seekers.len() < count {
            self.seekers.resize_with(count, Default::default);
        }
        self.all.extend(self.all.len() as u32..count as u32);
        let seekers =
            Seekers { list: &mut self.seekers[..count], all: &self.all[..count], buffers: &mut self.scan };
        (seekers, &mut self.ivf)
    }
}

/// One vector index over the rows of one segment.
///
/// Scores are "smaller is closer" in here: squared L2, -IP, -COSINE. Ties are broken by the lower row.
pub trait Index: Send + Sync {
    /// Pushes into `tops[i]` the best rows of query `i`. Never fewer than min(k, rows allowed).
    fn search(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]);

    /// Writes the index as named sections. Rows' vectors are not part of it: [`load`] gets them again.
    fn save(&self, out: &mut dyn SectionWriter) -> Result<()>;

    /// Bytes of its own (not the segment's vectors).
    fn memory(&self) -> usize;
}

/// What a build may use, and whom it must ask to go on.
pub struct BuildContext<'a> {
    pub pool: &'a rayon::ThreadPool,
    /// Same rows, parameters and seed: the same bytes at any number of threads.
    pub seed: u64,
    pub pace: &'a dyn Pace,
}

/// Asked at each checkpoint of a build (at least every 100 ms or so of work, and from one thread at a time).
pub trait Pace: Sync {
    /// May block while queries run. An error (cancelled, closed) ends the build; `done` of `total` are rows.
    fn checkpoint(&self, done: u64, total: u64) -> Result<()>;
}

/// Tells [`Pace`] about work in any unit as a share of the rows.
struct Progress<'a> {
    pace: &'a dyn Pace,
    rows: u64,
    done: u64,
    total: u64,
}

impl<'a> Progress<'a> {
    /// A build of `rows` that takes `total` units of work.
    fn new(pace: &'a dyn Pace, rows: u64, total: u64) -> Progress<'a> {
        Progress { pace, rows, done: 0, total: total.max(1) }
    }

    fn advance(&mut self, work: u64) -> Result<()> {
        self.done = (self.done + work).min(self.total);
        let rows = u128::from(self.rows) * u128::from(self.done) / u128::from(self.total);
        self.pace.checkpoint(rows as u64, self.rows)
    }
}

/// Builds an index over all rows of `vectors`.
pub fn build(spec: &IndexSpec, vectors: Vectors, context: &BuildContext) -> Result<Box<dyn Index>> {
    Ok(match spec.index_type {
        IndexType::Flat => Box::new(flat::Flat::build(spec.metric, vectors, context)?),
        IndexType::IvfFlat => Box::new(ivf::Ivf::build(spec, vectors, context)?),
        IndexType::Hnsw => Box::new(hnsw::Hnsw::build(spec, vectors, context)?),
        other => return Err(not_yet(other)),
    })
}

/// Opens an index that [`Index::save`] wrote, over the same rows. Sections are checked for their lengths and for ids
/// out of range, so that no file makes a search panic.
pub fn load(spec: &IndexSpec, sections: &Sections, vectors: Vectors) -> Result<Box<dyn Index>> {
    Ok(match spec.index_type {
        IndexType::Flat => Box::new(flat::Flat::load("", spec.metric, sections, vectors)?),
        IndexType::IvfFlat => Box::new(ivf::Ivf::load(spec, sections, vectors)?),
        IndexType::Hnsw => Box::new(hnsw::Hnsw::load(spec, sections, vectors)?),
        other => return Err(not_yet(other)),
    })
}

fn not_yet(index_type: IndexType) -> Error {
    Error::new(Code::IndexTypeNotSupported, format!("{} does not work in this version", index_type.name()))
}
