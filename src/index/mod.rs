//! Vector indexes: queries and an allow-bitmap in, top-k out. An index never sees a path, a schema, a lock or a
//! collection. [`build`] and [`load`] are the only matches over index kinds. [`scalar`] has the indexes of other fields.

mod annoy;
pub mod binary;
pub mod catalog;
mod diskann;
pub mod exact;
mod flat;
mod graph;
mod hnsw;
mod ivf;
mod nsg;
pub mod plan;
pub mod scalar;
mod scan;
pub mod sections;
mod shadow;
pub mod spill;
#[cfg(test)]
mod testing;
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

/// Queries side by side, row by row.
#[derive(Clone, Copy)]
pub enum Queries<'a> {
    /// `dim` values each. For COSINE they need not be normalised.
    Float(&'a [f32]),
    /// `dim / 8` bytes each.
    Binary(&'a [u8]),
}

/// A batch of queries bound to what every query of it shares.
#[derive(Clone, Copy)]
pub struct Probe<'a> {
    /// As many as there are tops, of the kind that the index was built over.
    pub queries: Queries<'a>,
    /// How many hits each query wants.
    pub k: usize,
    /// A set bit allows the row; `None` allows all. Its length is the number of rows.
    pub allow: Option<&'a BooleanBuffer>,
    /// The checked search parameters (`nprobe`, `ef`).
    pub params: &'a SearchParams,
    /// Set when the caller's time is over: the search returns early, its result is thrown away.
    pub stop: &'a AtomicBool,
}

impl<'a> Probe<'a> {
    /// The queries of a search over float vectors. Others are a bug of the caller.
    fn floats(&self) -> &'a [f32] {
        match self.queries {
            Queries::Float(queries) => queries,
            Queries::Binary(_) => unreachable!("binary queries for float vectors"),
        }
    }

    /// The queries of a search over binary vectors. Others are a bug of the caller.
    fn bits(&self) -> &'a [u8] {
        match self.queries {
            Queries::Binary(queries) => queries,
            Queries::Float(_) => unreachable!("float queries for binary vectors"),
        }
    }

    /// The same search for each of `count` queries alone.
    fn each(self, count: usize) -> impl Iterator<Item = Probe<'a>> {
        (0..count).map(move |i| {
            let queries = match self.queries {
                Queries::Float(all) => {
                    Queries::Float(&all[i * all.len() / count..(i + 1) * all.len() / count])
                }
                Queries::Binary(all) => {
                    Queries::Binary(&all[i * all.len() / count..(i + 1) * all.len() / count])
                }
            };
            Probe { queries, ..self }
        })
    }

    /// The same search for other float queries.
    fn with_floats(&self, queries: &'a [f32]) -> Probe<'a> {
        Probe { queries: Queries::Float(queries), ..*self }
    }
}

/// Buffers that one thread reuses from search to search, so that a search does not allocate after warm-up.
#[derive(Default)]
pub struct Scratch {
    seekers: Vec<scan::Seeker>,
    scan: scan::Buffers,
    all: Vec<u32>,
    ivf: ivf::Buffers,
    hnsw: hnsw::Buffers,
    bit_seekers: Vec<binary::Seeker>,
    bits: binary::Buffers,
    annoy: annoy::Buffers,
    nsg: nsg::Buffers,
    diskann: diskann::Buffers,
}

/// The seekers of a group of queries, and what scanning needs beside them.
struct Seekers<'a> {
    list: &'a mut [scan::Seeker],
    /// The number of each.
    all: &'a [u32],
    buffers: &'a mut scan::Buffers,
}

/// The same for queries of bits.
struct BitSeekers<'a> {
    list: &'a mut [binary::Seeker],
    /// The number of each.
    all: &'a [u32],
    buffers: &'a mut binary::Buffers,
}

impl Scratch {
    fn bit_seekers(&mut self, count: usize) -> BitSeekers<'_> {
        if self.bit_seekers.len() < count {
            self.bit_seekers.resize_with(count, Default::default);
        }
        self.all.extend(self.all.len() as u32..count as u32);
        let (list, all) = (&mut self.bit_seekers[..count], &self.all[..count]);
        BitSeekers { list, all, buffers: &mut self.bits }
    }

    fn seekers(&mut self, count: usize) -> Seekers<'_> {
        if self.seekers.len() < count {
            self.seekers.resize_with(count, Default::default);
        }
        self.all.extend(self.all.len() as u32..count as u32);
        Seekers { list: &mut self.seekers[..count], all: &self.all[..count], buffers: &mut self.scan }
    }
}

/// One vector index over the rows of one segment.
///
/// Scores are "smaller is closer" in here: squared L2, -IP, -COSINE, the distances of bits (TANIMOTO's is JACCARD's until
/// the user sees it, see [`catalog::Metric::user_score`]). Ties are broken by the lower row.
pub trait Index: Send + Sync {
    /// Goes through the index, whatever that costs, and pushes into `tops[i]` the best rows of query `i`. Never fewer than
    /// min(k, rows allowed), but for SUBSTRUCTURE and SUPERSTRUCTURE, where only rows that match are hits. Fails only where
    /// it reads a file while it searches, and the file cannot be read or is damaged.
    ///
    /// [`plan`] decides whether this is the way to search, and is `search` of every index.
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()>;

    /// How many rows it is over.
    fn rows(&self) -> usize;

    /// What [`Index::traverse`] is likely to cost a query that may find `allowed` rows, in exact scores of a row. Infinite
    /// where it would come to look at every allowed row. Of `probe` the queries do not matter.
    fn cost(&self, probe: &Probe, allowed: usize) -> f64;

    /// Scores every allowed row exactly.
    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]);

    /// Writes the index as named sections. Rows' vectors are not part of it: [`load`] gets them again.
    fn save(&self, out: &mut dyn SectionWriter) -> Result<()>;

    /// Bytes of its own (not the segment's vectors).
    fn memory(&self) -> usize;
}

/// An index of any field.
pub enum AnyIndex {
    Vector(Box<dyn Index>),
    Scalar(scalar::Sorted),
}

impl AnyIndex {
    /// Writes it as named sections.
    pub fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        match self {
            AnyIndex::Vector(index) => index.save(out),
            AnyIndex::Scalar(index) => index.save(out),
        }
    }

    /// Bytes of its own (not the segment's values).
    pub fn memory(&self) -> usize {
        match self {
            AnyIndex::Vector(index) => index.memory(),
            AnyIndex::Scalar(index) => index.memory(),
        }
    }
}

/// What a build may use, and whom it must ask to go on.
pub struct BuildContext<'a> {
    pub pool: &'a rayon::ThreadPool,
    /// Same rows, parameters and seed: the same bytes at any number of threads.
    pub seed: u64,
    pub pace: &'a dyn Pace,
    /// Bytes that the build should not exceed; 0 for no limit. Kinds that can build in parts keep to it.
    pub memory: u64,
    /// What they put elsewhere meanwhile.
    pub spill: &'a dyn spill::Spill,
}

impl<'a> BuildContext<'a> {
    /// Without a limit of memory.
    pub fn new(pool: &'a rayon::ThreadPool, seed: u64, pace: &'a dyn Pace) -> BuildContext<'a> {
        BuildContext { pool, seed, pace, memory: 0, spill: &spill::InMemory }
    }
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
    Ok(match (spec.index_type, vectors) {
        (IndexType::Flat, Vectors::Float(v)) => Box::new(flat::Flat::build(spec.metric, v, context)?),
        (
            IndexType::IvfFlat | IndexType::IvfSq8 | IndexType::IvfSq8h | IndexType::IvfPq,
            Vectors::Float(v),
        ) => ivf::build(spec, v, context)?,
        (IndexType::Hnsw, Vectors::Float(v)) => {
            Box::new(hnsw::Hnsw::<hnsw::Floats>::build(spec, v, context)?)
        }
        (IndexType::BinIvfFlat, Vectors::Binary(v)) => ivf::bits::build(spec, v, context)?,
        (IndexType::Hnsw, Vectors::Binary(v)) => Box::new(hnsw::Hnsw::<hnsw::Bits>::build(spec, v, context)?),
        (IndexType::BinFlat, Vectors::Binary(v)) => {
            Box::new(binary::BinFlat::build(spec.metric, v, context)?)
        }
        (IndexType::Annoy, Vectors::Float(v)) => Box::new(annoy::Annoy::build(spec, v, context)?),
        (IndexType::Rnsg, Vectors::Float(v)) => Box::new(nsg::Nsg::build(spec, v, context)?),
        (IndexType::DiskAnn, Vectors::Float(v)) => Box::new(diskann::DiskAnn::build(spec, v, context)?),
        (other, vectors) => return Err(not_yet(other, &vectors)),
    })
}

/// About how many bytes a build takes beside the vectors and the thread stacks, the finished index included. A build that
/// keeps to a budget of its own needs this much at least.
pub fn build_memory(spec: &IndexSpec, vectors: &Vectors) -> u64 {
    let rows = vectors.len() as u64;
    // Values of a row, and bytes of its code, which is whole cache lines and has a few numbers beside it.
    let (dim, values) = match vectors {
        Vectors::Float(vectors) => (vectors.dim() as u64, vectors.dim() as u64),
        Vectors::Binary(vectors) => (8 * vectors.stride() as u64, vectors.stride() as u64),
    };
    let code = values.next_multiple_of(64) + 16;
    let param = |name: &str| spec.params.count(name) as u64;
    /// Row numbers, scores, centroids.
    const NUMBER: u64 = 4;
    // Of each row its neighbours with their distances, twice while the graph is packed.
    let graph = |degree: u64| rows * (code + degree * 3 * NUMBER);
    match spec.index_type {
        IndexType::Flat | IndexType::BinFlat => rows * code,
        IndexType::IvfFlat
        | IndexType::IvfSq8
        | IndexType::IvfSq8h
        | IndexType::IvfPq
        | IndexType::BinIvfFlat => ivf::build_memory(spec, vectors),
        IndexType::Hnsw => graph(2 * param("M") + 2),
        // The nearest neighbours of each row, and the codes twice while nodes are numbered.
        IndexType::Rnsg => rows * (2 * code + 2 * NUMBER * (param("knng") + param("out_degree") + 1)),
        // Of each row two codes, and in each tree its number and a normal for some tens of rows.
        IndexType::Annoy => rows * (2 * code + param("n_trees") * (2 * NUMBER + 16)),
        // Built in parts that fit into what is left: a part of a tenth of the rows. Then there are the codes, the tables of
        // their quantizer, and the records that are kept in memory: one in 64 and 256 of them, or 1 MiB, at least.
        IndexType::DiskAnn => {
            let record = NUMBER * (dim + param("max_degree") + 2);
            let kept = (rows / 64 * record).max((256 * record).min(1 << 20));
            rows * ((dim / 2).min(512) + 4 * NUMBER)
                + graph(param("max_degree")) / 10
                + 3 * 256 * dim * NUMBER
                + kept
        }
        IndexType::GpuBruteForce | IndexType::GpuIvfFlat | IndexType::GpuIvfPq | IndexType::GpuCagra => {
            rows * dim * NUMBER
        }
    }
}

/// Opens an index that [`Index::save`] wrote, over the same rows. Sections are checked for their lengths and for ids
/// out of range, so that no file makes a search panic.
pub fn load(spec: &IndexSpec, sections: &Sections, vectors: Vectors) -> Result<Box<dyn Index>> {
    Ok(match (spec.index_type, vectors) {
        (IndexType::Flat, Vectors::Float(v)) => Box::new(flat::Flat::load("", spec.metric, sections, v)?),
        (
            IndexType::IvfFlat | IndexType::IvfSq8 | IndexType::IvfSq8h | IndexType::IvfPq,
            Vectors::Float(v),
        ) => ivf::load(spec, sections, v)?,
        (IndexType::Hnsw, Vectors::Float(v)) => {
            Box::new(hnsw::Hnsw::<hnsw::Floats>::load(spec, sections, v)?)
        }
        (IndexType::BinIvfFlat, Vectors::Binary(v)) => ivf::bits::load(spec, sections, v)?,
        (IndexType::Hnsw, Vectors::Binary(v)) => Box::new(hnsw::Hnsw::<hnsw::Bits>::load(spec, sections, v)?),
        (IndexType::BinFlat, Vectors::Binary(v)) => {
            Box::new(binary::BinFlat::load(spec.metric, sections, v)?)
        }
        (IndexType::Annoy, Vectors::Float(v)) => Box::new(annoy::Annoy::load(spec, sections, v)?),
        (IndexType::Rnsg, Vectors::Float(v)) => Box::new(nsg::Nsg::load(spec, sections, v)?),
        (IndexType::DiskAnn, Vectors::Float(v)) => Box::new(diskann::DiskAnn::load(spec, sections, v)?),
        (other, vectors) => return Err(not_yet(other, &vectors)),
    })
}

fn not_yet(index_type: IndexType, vectors: &Vectors) -> Error {
    let (name, kind) = (index_type.name(), vectors.kind().name());
    Error::new(Code::IndexTypeNotSupported, format!("{name} does not work on a {kind} field in this version"))
}
