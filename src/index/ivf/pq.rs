//! IVF_PQ: the lists hold product-quantized residuals, what is left of a row beside its list's centroid.
//!
//! A row `x` of a list with centroid `c` is stored as the code of `r ~ x - c`. Milvus' (and faiss') engine adds up a table
//! for each query and list. Here a query has one table for all lists, because
//!
//! ```text
//! |q - c - r|^2  =  |q - c|^2  +  (|r|^2 + 2 c.r)  -  2 q.r        q . (c + r)  =  q.c + q.r
//! ```
//!
//! where the coarse step gives the first term, a float beside each row's code the second (only L2 needs it), and the
//! table the third. The scan sums bytes, and what may be among the best is scored again with floats ([`Sieve`]).
//!
//! The codes of a list lie in blocks of 32 rows: of each byte of the code, those of all rows. The last block of a list is
//! as narrow as its rows.

mod build;

pub use build::{Parts, build_memory};

use super::sieve::{Found, Sieve};
use super::{Codec, Layout, List, Room, Visit};
use crate::error::{Error, Result};
use crate::index::catalog::{IndexSpec, Metric};
use crate::index::exact::{self, Exact};
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::FloatVectors;
use crate::index::{Probe, Scratch};
use crate::kernel;
use crate::kernel::topk::TopK;
use crate::quant::pq::{self, Tables};
use arrow_buffer::{Buffer, ScalarBuffer, ToByteSlice};
use std::sync::atomic::Ordering;

/// Rows of a block: what a scan sums at once.
const BLOCK: usize = 32;
/// What f32 can lose in the sum of a score's terms, relatively.
const ROUNDING: f32 = 4.0 / (1 << 24) as f32;

pub struct Pq {
    metric: Metric,
    vectors: FloatVectors,
    layout: Layout,
    quantizer: pq::Pq,
    /// The blocks of all lists, and [`BLOCK`] bytes.
    codes: Buffer,
    /// `|r|^2 + 2 c.r` of each place for L2; empty otherwise.
    terms: ScalarBuffer<f32>,
    /// The largest size of a term.
    largest: f32,
}

/// One query on its way through the lists.
#[derive(Default)]
pub struct Seeker {
    /// The query as its products want it: normalised for COSINE, and times -2 (L2) or -1.
    vector: Vec<f32>,
    tables: Tables,
    sieve: Sieve,
}

/// What a scan of lists reuses.
#[derive(Default)]
pub struct Buffers {
    scores: Vec<f32>,
}

impl Pq {
    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors, layout: &Layout) -> Result<Pq> {
        let (rows, dim, metric) = (vectors.len(), vectors.dim(), spec.metric);
        let (m, bits) = (spec.params.count("m"), bits(spec, rows));
        if m == 0 || !dim.is_multiple_of(m) {
            return Err(Error::corrupt(format!("IVF_PQ with m {m} over {dim} dimensions")));
        }
        let bytes = rows.checked_mul(pq::Pq::code_bytes(m, bits)).and_then(|bytes| bytes.checked_add(BLOCK));
        let bytes = bytes.ok_or_else(|| Error::corrupt(format!("{rows} rows of {m} codes")))?;
        let columns = sections.typed::<f32>("pq_centroids", dim << bits)?.to_vec();
        let terms = sections.typed::<f32>("list_terms", if metric == Metric::L2 { rows } else { 0 })?;
        Ok(Pq {
            metric,
            layout: layout.clone(),
            quantizer: pq::Pq::new(dim, m, bits, columns),
            codes: sections.typed::<u8>("list_codes", bytes)?.into_inner(),
            largest: largest(&terms),
            terms,
            vectors,
        })
    }

    fn term(&self, place: usize) -> f32 {
        self.terms.get(place).copied().unwrap_or(0.0)
    }

    /// The bytes of a place's code, by their numbers.
    fn code(&self, list: u32, place: usize) -> impl Fn(usize) -> u8 + '_ {
        let places = self.layout.places(list);
        let at = place - places.start;
        let first = at / BLOCK * BLOCK;
        let stride = BLOCK.min(places.len() - first);
        let start = (places.start + first) * self.quantizer.bytes() + at - first;
        move |byte| self.codes[start + byte * stride]
    }

    /// Shows the allowed rows of a list, scored one by one: where a table would be longer than the rows that it serves.
    fn scan_slowly(&self, list: &List, visit: &Visit, seeker: &mut Seeker) {
        for (at, &row) in list.rows.iter().enumerate() {
            if at % BLOCK == 0 && list.stop.load(Ordering::Relaxed) {
                return;
            }
            if list.allows(row) {
                let place = list.places.start + at;
                let product = self.quantizer.dot(&seeker.vector, self.code(list.number, place));
                let score = number(visit.centroid + self.term(place) + product);
                let found = Found { list: list.number, place: place as u32, row, centroid: visit.centroid };
                seeker.sieve.push(found, score, 0.0);
            }
        }
    }

    fn scan_blocks(&self, list: &List, visit: &Visit, seeker: &mut Seeker, scores: &mut Vec<f32>) {
        let Seeker { tables, sieve, .. } = seeker;
        let bytes = self.quantizer.bytes();
        let error = tables.error() + ROUNDING * (visit.centroid.abs() + self.largest);
        let mut sums = [0; BLOCK];
        for first in (0..list.rows.len()).step_by(BLOCK) {
            let block = first..(first + BLOCK).min(list.rows.len());
            if list.stop.load(Ordering::Relaxed) {
                return;
            }
            if list.allow.is_some() && list.allowed(block.clone()) == 0 {
                continue;
            }
            let start = (list.places.start + first) * bytes;
            kernel::sum_tables(tables.bytes(), &self.codes[start..], block.len(), &mut sums);
            scores.clear();
            scores.extend(sums[..block.len()].iter().map(|&sum| visit.centroid + tables.product(sum)));
            if !self.terms.is_empty() {
                let terms = &self.terms[list.places.start + first..];
                scores.iter_mut().zip(terms).for_each(|(score, term)| *score += term);
            }
            sieve.sift(list, first, visit.centroid, scores, error);
        }
    }
}

impl Codec for Pq {
    type Value = f32;
    type Seeker = Seeker;
    type Buffers = Buffers;

    // A query's tables are larger than a list's codes: better that these are read again.
    const TOGETHER: bool = false;
    const EXACT_COST: usize = 16;

    fn room(scratch: &mut Scratch) -> &mut Room<Pq> {
        &mut scratch.ivf.pq
    }

    fn start(&self, query: &[f32], probe: &Probe, seeker: &mut Seeker) {
        let norm = kernel::dot(query, query).sqrt();
        let factor = match self.metric {
            Metric::L2 => -2.0,
            Metric::Cosine if norm > 0.0 => -1.0 / norm,
            _ => -1.0,
        };
        seeker.vector.clear();
        seeker.vector.extend(query.iter().map(|x| x * factor));
        if self.quantizer.bits() <= 8 {
            self.quantizer.tables(&seeker.vector, &mut seeker.tables);
        }
        seeker.sieve.start(probe);
    }

    fn scan(&self, list: &List, visits: &[Visit], seekers: &mut [Seeker], buffers: &mut Buffers) -> usize {
        let shown = list.allowed(0..list.rows.len());
        for visit in visits.iter().filter(|_| shown > 0) {
            let seeker = &mut seekers[visit.query as usize];
            if self.quantizer.bits() <= 8 {
                self.scan_blocks(list, visit, seeker, &mut buffers.scores);
            } else {
                self.scan_slowly(list, visit, seeker);
            }
        }
        shown
    }

    fn finish(&self, query: &[f32], probe: &Probe, seeker: &mut Seeker, top: &mut TopK) {
        let Seeker { vector, tables, sieve } = seeker;
        let fine = |found: &Found| {
            let place = found.place as usize;
            let code = self.code(found.list, place);
            let product =
                if self.quantizer.bits() <= 8 { tables.fine(code) } else { self.quantizer.dot(vector, code) };
            let score = number(found.centroid + self.term(place) + product);
            // What a code decodes to is a little longer or shorter than the row, and its distance may end below 0.
            match self.metric {
                Metric::Cosine => score.clamp(-1.0, 1.0),
                Metric::L2 => score.max(0.0),
                _ => score,
            }
        };
        sieve.finish(probe, &Exact::new(self.metric, &self.vectors, query), fine, top);
    }

    fn exhaustive(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("pq_centroids", self.quantizer.columns().to_byte_slice())?;
        out.section("list_terms", self.terms.to_byte_slice())?;
        out.section("list_codes", &self.codes)
    }

    fn memory(&self) -> usize {
        self.codes.len() + size_of::<f32>() * self.terms.len() + self.quantizer.memory()
    }
}

/// The bits of a code, as a build over `rows` has them.
fn bits(spec: &IndexSpec, rows: usize) -> usize {
    pq::Pq::clip_bits(spec.params.count("nbits").clamp(1, 16), rows)
}

fn largest(terms: &[f32]) -> f32 {
    terms.iter().fold(0.0, |largest, term| largest.max(term.abs()))
}

/// Infinity for what is no number.
fn number(score: f32) -> f32 {
    if score.is_nan() { f32::INFINITY } else { score }
}
