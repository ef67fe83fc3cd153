//! Inverted lists: rows in lists by their nearest centroid; a search scans the lists whose centroids are nearest.
//!
//! [`Lists`] is the one algorithm of all kinds (IVF_FLAT, IVF_SQ8, IVF_PQ, BIN_IVF_FLAT): which lists to probe, in which
//! order, how far to go behind a filter, and that a list which several queries of a batch want is read once. It knows a
//! kind by two traits: its [`Coarse`] step finds the nearest centroids, and its [`Codec`] scores what lies in the lists.

pub mod bits;
mod float;
mod hybrid;
mod layout;
mod lists;
mod pq;
mod raw;
mod sieve;
mod sq8;
#[cfg(test)]
mod tests;

pub use layout::Layout;
pub use lists::Lists;

use super::catalog::IndexSpec;
use super::sections::{SectionWriter, Sections};
use super::vectors::{FloatVectors, Vectors};
use super::{BuildContext, Index, Probe, Queries, Scratch, scan};
use crate::error::Result;
use crate::kernel::topk::{Hit, TopK};
use arrow_buffer::BooleanBuffer;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// What vectors are made of: `f32`, or `u8` for eight bits.
pub trait Value: Copy + Send + Sync {
    /// The queries of a search. Those of the other kind are a bug of the caller.
    fn queries<'a>(probe: &Probe<'a>) -> &'a [Self];

    /// The same, the other way round.
    fn bound(queries: &[Self]) -> Queries<'_>;
}

impl Value for f32 {
    fn queries<'a>(probe: &Probe<'a>) -> &'a [f32] {
        probe.floats()
    }

    fn bound(queries: &[f32]) -> Queries<'_> {
        Queries::Float(queries)
    }
}

/// The first step of a search: which lists are near a query.
pub trait Coarse: Send + Sync {
    type Value: Value;

    /// How many values a query has.
    fn width(&self) -> usize;

    /// Pushes into `tops[i]`, which keeps `count` hits, the `count` nearest lists of query `i`: a hit's row is a list's
    /// number, its score that of the centroid in the index' metric (smaller is closer). All lists if `count` is their
    /// number. `probe` has the stop flag; its filter and k are those of the search and do not concern lists.
    fn nearest(
        &self,
        probe: &Probe,
        queries: &[Self::Value],
        count: usize,
        scratch: &mut Scratch,
        tops: &mut [TopK],
    );

    /// Writes its sections.
    fn save(&self, out: &mut dyn SectionWriter) -> Result<()>;

    /// Bytes of its own.
    fn memory(&self) -> usize;
}

/// What lies in the lists and how it is scored. A place is a row's number in the order of the lists.
///
/// A search calls, for each query, [`start`](Codec::start) once, [`scan`](Codec::scan) with each list it probes, each
/// once and in no promised order, and [`finish`](Codec::finish) once.
pub trait Codec: Send + Sync + Sized {
    type Value: Value;
    /// One query on its way through the lists.
    type Seeker: Default;
    /// What scanning needs beside seekers.
    type Buffers: Default;

    /// Scoring one row exactly costs about as much as scanning so many codes: decides when a filter leaves so few rows
    /// that these are scored at once.
    const EXACT_COST: usize;
    /// Whether a code says all about its row, so that one scan may go through several lists.
    const EVERYWHERE: bool = false;
    /// Whether queries of a batch read a list together. Otherwise each goes its own way, one after the other and from near
    /// to far, and all use one seeker.
    const TOGETHER: bool = true;

    /// What scanning lists of so many rows costs, of which so many are allowed, in exact scores of a row.
    fn cost(rows: f64, _allowed: f64) -> f64 {
        rows / Self::EXACT_COST as f64
    }

    /// Its place in a thread's scratch.
    fn room(scratch: &mut Scratch) -> &mut Room<Self>;

    /// Prepares `seeker`, which may have served another query, for `query`.
    fn start(&self, query: &[Self::Value], probe: &Probe, seeker: &mut Self::Seeker);

    /// Shows the allowed rows of a list to the seekers `seekers[visit.query]` of all `visits`, and returns how many these
    /// rows are. Returns early, with any number, when `list.stop` is set (look at it every 100 us or so).
    fn scan(
        &self,
        list: &List,
        visits: &[Visit],
        seekers: &mut [Self::Seeker],
        buffers: &mut Self::Buffers,
    ) -> usize;

    /// Pushes the best of the rows that the seeker saw into `top`: at least min(`top.k()`, rows seen).
    fn finish(&self, query: &[Self::Value], probe: &Probe, seeker: &mut Self::Seeker, top: &mut TopK);

    /// Scores all allowed rows exactly, without any list.
    fn exhaustive(&self, probe: &Probe, tops: &mut [TopK]);

    /// Writes its sections.
    fn save(&self, out: &mut dyn SectionWriter) -> Result<()>;

    /// Bytes of its own (not the segment's vectors).
    fn memory(&self) -> usize;
}

/// One list during a search.
pub struct List<'a> {
    pub number: u32,
    pub places: Range<usize>,
    /// The row of each of its places.
    pub rows: &'a [u32],
    /// Which rows count; `None`: all.
    pub allow: Option<&'a BooleanBuffer>,
    pub stop: &'a AtomicBool,
}

impl List<'_> {
    /// Whether a row counts.
    pub fn allows(&self, row: u32) -> bool {
        self.allow.is_none_or(|allow| allow.value(row as usize))
    }

    /// How many rows of a part of the list count, and which places they have if there is a filter.
    pub fn allowed_places(&self, part: Range<usize>, places: &mut Vec<(u32, u32)>) -> usize {
        places.clear();
        let Some(allow) = self.allow else { return part.len() };
        scan::extend_allowed(allow, self.places.start + part.start, &self.rows[part], places);
        places.len()
    }

    /// How many rows of a part of the list count.
    pub fn allowed(&self, part: Range<usize>) -> usize {
        scan::allowed_of(self.allow, &self.rows[part])
    }
}

/// A query that probes a list.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// When: lower turns come first.
    turn: u32,
    pub list: u32,
    /// The query's number in its group.
    pub query: u32,
    /// The score of the list's centroid: squared L2, -IP, -COSINE or a distance of bits.
    pub centroid: f32,
}

/// What a codec's searches reuse in one thread.
pub struct Room<C: Codec> {
    seekers: Vec<C::Seeker>,
    buffers: C::Buffers,
}

impl<C: Codec> Default for Room<C> {
    fn default() -> Room<C> {
        Room { seekers: Vec::new(), buffers: C::Buffers::default() }
    }
}

/// What searches of lists of every kind reuse in one thread.
#[derive(Default)]
pub struct Buffers {
    lists: lists::Buffers,
    raw: Room<raw::Raw>,
    sq8: Room<sq8::Sq8>,
    pq: Room<pq::Pq>,
    bits: Room<bits::Bits>,
    differ: Vec<i32>,
}

/// Builds an index of lists over float vectors.
pub fn build(spec: &IndexSpec, vectors: FloatVectors, context: &BuildContext) -> Result<Box<dyn Index>> {
    float::build(spec, vectors, context)
}

/// Opens an index of lists over float vectors.
pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors) -> Result<Box<dyn Index>> {
    float::load(spec, sections, vectors)
}

/// About how many bytes a build takes at most beside the vectors: to find centroids, or then to fill the lists.
pub fn build_memory(spec: &IndexSpec, vectors: &Vectors) -> u64 {
    let rows = vectors.len();
    (match vectors {
        Vectors::Float(vectors) => float::build_memory(spec, rows, vectors.dim()),
        Vectors::Binary(vectors) => bits::build_memory(spec, rows, vectors.stride()),
    }) as u64
}

/// Copies the hits of `top` into `out`, best first.
fn sorted(top: &TopK, out: &mut Vec<Hit>) {
    out.clear();
    out.extend_from_slice(top.hits());
    out.sort_unstable_by(|a, b| a.score.total_cmp(&b.score).then(a.row.cmp(&b.row)));
}
