//! What the tests of the kinds share: rows, paces, sections in memory, an index with its rows, and the checks that every
//! kind passes.

mod checks;

pub use checks::*;

use super::catalog::{IndexSpec, Metric, Params, VectorKind};
use super::exact::{self, Exact};
use super::graph::beam::Links;
use super::sections::{Block, BlockReader, PAYLOAD, SectionWriter, Sections};
use super::vectors::{BinaryVectors, FloatVectors, Vectors};
use super::{BuildContext, Index, Pace, Probe, Queries, Scratch, build, load};
use crate::error::{Code, Error, Result};
use crate::kernel::topk::{Hit, TopK};
use crate::quant::random::Random;
use arrow_buffer::{BooleanBuffer, Buffer};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub const DIM: usize = 24;
pub const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

pub struct Patient;
impl Pace for Patient {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
        Ok(())
    }
}

/// Cancels at the n-th checkpoint.
pub struct Impatient(pub AtomicU64);
impl Pace for Impatient {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
        match self.0.fetch_sub(1, Ordering::Relaxed) {
            1 => Err(Error::new(Code::Canceled, "enough")),
            _ => Ok(()),
        }
    }
}

/// Sees that progress only grows, up to the number of rows, and cancels once it is at `stop_at`.
pub struct Watched {
    pub rows: u64,
    pub last: AtomicU64,
    pub stop_at: u64,
}
impl Pace for Watched {
    fn checkpoint(&self, done: u64, total: u64) -> Result<()> {
        let last = self.last.swap(done, Ordering::Relaxed);
        assert!(last <= done && done <= total && total == self.rows);
        if done >= self.stop_at { Err(Error::new(Code::Canceled, "stopped")) } else { Ok(()) }
    }
}

/// The sections of an index, in the order in which they were written.
#[derive(Default, PartialEq, Clone)]
pub struct Saved {
    pub sections: Vec<(String, Vec<u8>)>,
    /// The payloads of the section of blocks.
    pub blocks: Option<(String, Vec<Vec<u8>>)>,
}

impl SectionWriter for Saved {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        assert!(self.sections.iter().all(|(other, _)| other != name), "{name} twice");
        self.sections.push((name.to_owned(), bytes.to_vec()));
        Ok(())
    }

    fn blocks(
        &mut self,
        name: &str,
        count: u64,
        fill: &mut dyn FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let mut payloads = Vec::new();
        for number in 0..count {
            let mut block = Block::default();
            fill(number, block.payload_mut())?;
            payloads.push(block.payload().to_vec());
        }
        assert!(self.blocks.replace((name.to_owned(), payloads)).is_none());
        Ok(())
    }
}

struct Blocks(Vec<Vec<u8>>);
impl BlockReader for Blocks {
    fn blocks(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, numbers: &[u64], out: &mut [Block]) -> Result<()> {
        for (&number, block) in numbers.iter().zip(out) {
            block.payload_mut().copy_from_slice(&self.0[number as usize]);
        }
        Ok(())
    }
}

impl Saved {
    pub fn of(index: &dyn Index) -> Saved {
        let mut saved = Saved::default();
        index.save(&mut saved).unwrap();
        saved
    }

    /// As a mapped file has them, at multiples of 64 bytes.
    pub fn sections(&self) -> Sections {
        let mut sections = Sections::default();
        for (name, bytes) in &self.sections {
            sections.insert(name, Buffer::from(bytes.as_slice()));
        }
        if let Some((name, payloads)) = &self.blocks {
            sections.insert_reader(name, Arc::new(Blocks(payloads.clone())));
        }
        sections
    }

    pub fn get_mut(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.sections.iter_mut().find(|(other, _)| other == name).unwrap().1
    }

    pub fn numbers(&self, name: &str) -> Vec<u32> {
        let (_, bytes) = self.sections.iter().find(|(other, _)| other == name).unwrap();
        bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    /// The same with another number in one place.
    pub fn with(&self, name: &str, at: usize, value: u32) -> Saved {
        let mut saved = self.clone();
        saved.get_mut(name)[4 * at..][..4].copy_from_slice(&value.to_le_bytes());
        saved
    }
}

/// Numbers in -1..1.
pub fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut random = Random::new(seed);
    move || (random.number() >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Rows of [`DIM`] values around 20 centres, of uneven lengths.
pub fn clusters(rows: usize, seed: u64) -> Vec<f32> {
    let mut centre = noise(99);
    let centres: Vec<f32> = (0..20 * DIM).map(|_| centre()).collect();
    let mut next = noise(seed);
    let mut values = Vec::new();
    for row in 0..rows {
        let length = 1.5 + next();
        values.extend(centres[row % 20 * DIM..][..DIM].iter().map(|c| length * (c + 0.7 * next())));
    }
    values
}

/// Half of the rows of [`clusters`], but of most queries none of those near it.
pub fn far(rows: usize) -> BooleanBuffer {
    BooleanBuffer::collect_bool(rows, |row| row % 20 >= 10)
}

/// Rows that graphs fall apart over: islands, equals, zeros; and usual ones.
pub fn scattered() -> [Vec<f32>; 4] {
    let mut islands = clusters(3000, 1);
    for (row, values) in islands.chunks_exact_mut(DIM).enumerate() {
        values[0] += (row % 7) as f32 * 1000.0;
    }
    [clusters(3000, 1), islands, clusters(1, 1).repeat(1500), vec![0.0; 500 * DIM]]
}

/// Half of the rows are one and the same.
pub fn half_equal() -> Vec<f32> {
    let mut values = clusters(1000, 1);
    values.extend(clusters(1, 8).repeat(1000));
    values
}

pub fn vectors(values: &[f32]) -> Vectors {
    floats(values, DIM)
}

pub fn floats(values: &[f32], dim: usize) -> Vectors {
    FloatVectors::new(values.to_vec().into(), dim).into()
}

/// The first row that no links lead to from `entry`.
pub fn unreached(links: Links, rows: usize, entry: u32) -> Option<usize> {
    let mut reached = vec![false; rows];
    let mut waiting = vec![entry];
    reached[entry as usize] = true;
    while let Some(node) = waiting.pop() {
        for &next in links.of(node) {
            if !std::mem::replace(&mut reached[next as usize], true) {
                waiting.push(next);
            }
        }
    }
    reached.iter().position(|reached| !reached)
}

pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// A description of an index over rows of [`DIM`] values.
pub fn described(kind: &str, metric: Metric, params: &str) -> IndexSpec {
    let metric = metric.name();
    let text = format!(r#"{{"index_type":"{kind}","metric_type":"{metric}","params":{{{params}}}}}"#);
    IndexSpec::from_json(&text, VectorKind::Float, DIM).unwrap()
}

/// A build by some threads in some memory.
pub fn try_build(
    spec: &IndexSpec,
    vectors: &Vectors,
    threads: usize,
    memory: u64,
    pace: &dyn Pace,
) -> Result<Box<dyn Index>> {
    let pool = pool(threads);
    build(spec, vectors.clone(), &BuildContext { memory, ..BuildContext::new(&pool, 42, pace) })
}

/// What a search asks beside its queries.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub k: usize,
    /// As JSON.
    pub params: &'a str,
    pub allow: Option<&'a BooleanBuffer>,
}

impl<'a> Ask<'a> {
    /// Ten hits without a filter.
    pub fn ten(params: &'a str) -> Ask<'a> {
        Ask { k: 10, params, allow: None }
    }
}

impl std::fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "k {} {}", self.k, self.params)
    }
}

/// An index and its rows.
pub struct Subject {
    pub spec: IndexSpec,
    pub vectors: Vectors,
    pub index: Box<dyn Index>,
    /// Searches one after the other share it, as those of a thread do.
    scratch: RefCell<Scratch>,
}

impl Subject {
    /// Built by two threads without a limit of memory.
    pub fn new(spec: &IndexSpec, vectors: &Vectors) -> Subject {
        Subject::within(spec, vectors, 0)
    }

    pub fn within(spec: &IndexSpec, vectors: &Vectors, memory: u64) -> Subject {
        Subject::of(spec, vectors, try_build(spec, vectors, 2, memory, &Patient).unwrap())
    }

    /// What is loaded of `saved` over the same rows.
    pub fn load(&self, saved: &Saved) -> Result<Subject> {
        let index = load(&self.spec, &saved.sections(), self.vectors.clone())?;
        Ok(Subject::of(&self.spec, &self.vectors, index))
    }

    fn of(spec: &IndexSpec, vectors: &Vectors, index: Box<dyn Index>) -> Subject {
        Subject { spec: spec.clone(), vectors: vectors.clone(), index, scratch: RefCell::default() }
    }

    pub fn saved(&self) -> Saved {
        Saved::of(&*self.index)
    }

    fn asked(
        &self,
        queries: &Vectors,
        ask: Ask,
        search: impl FnOnce(&Probe, &mut [TopK]) -> Result<()>,
    ) -> Result<Vec<Vec<Hit>>> {
        // An index takes any k; that it may not be larger than some parameters is the catalog's.
        let params = self.spec.search_params(ask.params, ask.k.min(10)).unwrap();
        let stop = AtomicBool::new(false);
        let count = queries.len();
        let queries = match queries {
            Vectors::Float(vectors) => Queries::Float(vectors.values()),
            Vectors::Binary(vectors) => Queries::Binary(vectors.bytes()),
        };
        let probe = Probe { queries, k: ask.k, allow: ask.allow, params: &params, stop: &stop };
        let mut tops = vec![TopK::new(ask.k); count];
        search(&probe, &mut tops)?;
        Ok(tops.iter_mut().map(TopK::drain_sorted).collect())
    }

    pub fn try_hits(&self, queries: &Vectors, ask: Ask) -> Result<Vec<Vec<Hit>>> {
        self.asked(queries, ask, |probe, tops| self.index.search(probe, &mut self.scratch.borrow_mut(), tops))
    }

    pub fn hits(&self, queries: &Vectors, ask: Ask) -> Vec<Vec<Hit>> {
        self.try_hits(queries, ask).unwrap()
    }

    /// What an exhaustive search finds.
    pub fn truth(&self, queries: &Vectors, ask: Ask) -> Vec<Vec<Hit>> {
        let truth = self.asked(queries, ask, |probe, tops| {
            exact::search(self.spec.metric, &self.vectors, probe, tops);
            Ok(())
        });
        truth.unwrap()
    }

    /// The mean share of the true hits that were found (of equally near ones, any). There are as many hits as there can
    /// be, in order, allowed, with exact scores.
    pub fn recall(&self, queries: &Vectors, ask: Ask) -> f64 {
        let (mut right, mut all) = (0usize, 0usize);
        let (found, truth) = (self.hits(queries, ask), self.truth(queries, ask));
        for (query, (hits, truth)) in found.iter().zip(&truth).enumerate() {
            assert_eq!(hits.len(), truth.len());
            assert!(hits.windows(2).all(|pair| pair[0].before(&pair[1])));
            assert!(hits.iter().all(|hit| ask.allow.is_none_or(|allow| allow.value(hit.row as usize))));
            if let (Vectors::Float(vectors), Vectors::Float(queries)) = (&self.vectors, queries) {
                let exact = Exact::new(self.spec.metric, vectors, queries.row(query));
                assert!(hits.iter().all(|hit| hit.score == exact.score(hit.row)));
            }
            let last = truth.last().map(|hit| hit.score);
            let is_right = |hit: &&Hit| truth.contains(hit) || Some(hit.score) == last;
            right += hits.iter().filter(is_right).count();
            all += truth.len();
        }
        if all == 0 { 1.0 } else { right as f64 / all as f64 }
    }
}

/// The true nearest rows.
pub fn nearest(metric: Metric, vectors: &Vectors, query: &[f32], k: usize) -> Vec<Hit> {
    let (params, stop) = (Params::default(), AtomicBool::new(false));
    let probe = Probe { queries: Queries::Float(query), k, allow: None, params: &params, stop: &stop };
    let mut tops = [TopK::new(k)];
    exact::search(metric, vectors, &probe, &mut tops);
    tops[0].drain_sorted()
}

/// Every `nth` row.
pub fn every(rows: usize, nth: usize) -> BooleanBuffer {
    BooleanBuffer::collect_bool(rows, |row| row % nth == nth / 2)
}

/// `keep` of `rows` rows, all over the set.
pub fn some(rows: usize, keep: usize) -> BooleanBuffer {
    let allow = BooleanBuffer::collect_bool(rows, |row| row * 7919 % rows < keep);
    assert_eq!(allow.count_set_bits(), keep);
    allow
}

/// The first rows.
pub fn first(vectors: &Vectors, count: usize) -> Vectors {
    match vectors {
        Vectors::Float(vectors) => {
            let values = vectors.values()[..count * vectors.dim()].to_vec();
            FloatVectors::new(values.into(), vectors.dim()).into()
        }
        Vectors::Binary(vectors) => {
            let bytes = vectors.bytes()[..count * vectors.stride()].to_vec();
            BinaryVectors::new(bytes.into(), vectors.stride()).into()
        }
    }
}
