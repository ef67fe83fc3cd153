//! Vector indexes: queries and an allow-bitmap in, top-k out. An index never sees a path, a schema, a lock or a
//! collection. [`build`] and [`load`] are the only matches over index kinds.

pub mod beam;
pub mod catalog;
pub mod hnsw;
pub mod sections;
pub mod vectors;

use crate::error::Result;
use crate::kernel::topk::TopK;
use arrow_buffer::BooleanBuffer;
use catalog::{IndexSpec, SearchParams};
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
    hnsw: hnsw::Scratch,
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

/// Builds an index over all rows of `vectors`.
pub fn build(spec: &IndexSpec, vectors: Vectors, context: &BuildContext) -> Result<Box<dyn Index>> {
    let _ = (spec, vectors, context);
    todo!()
}

/// Opens an index that [`Index::save`] wrote, over the same rows. Sections are checked for their lengths and for ids
/// out of range, so that no file makes a search panic.
pub fn load(spec: &IndexSpec, sections: &Sections, vectors: Vectors) -> Result<Box<dyn Index>> {
    let _ = (spec, sections, vectors);
    todo!()
}
