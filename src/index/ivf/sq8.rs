//! IVF_SQ8: the lists hold eight-bit codes ([`quant::sq8`](crate::quant::sq8)), one byte a dimension.

use super::sieve::{Found, Sieve};
use super::{Codec, List, Room, Visit};
use crate::error::{Error, Result};
use crate::index::catalog::Metric;
use crate::index::exact::{self, Exact};
use crate::index::scan;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::FloatVectors;
use crate::index::{Probe, Scratch};
use crate::kernel;
use crate::kernel::topk::TopK;
use crate::quant::sq8::{self, Form, Query};
use arrow_buffer::{Buffer, ScalarBuffer, ToByteSlice};
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// Bytes behind the last code, so that a query's padding meets something.
const PADDING: usize = 64;
/// Bytes of codes in a block, which stay in the cache while several queries read them.
const BLOCK_BYTES: usize = 1 << 16;
/// Queries that read a block together.
const GROUP: usize = 64;
/// Rows that one task encodes.
const CHUNK_ROWS: usize = 1024;
/// Rows between two calls of `advance`.
const STEP_ROWS: usize = 32 * CHUNK_ROWS;

pub struct Sq8 {
    metric: Metric,
    vectors: FloatVectors,
    quantizer: sq8::Sq8,
    /// The largest distance of a code from the center.
    longest: f32,
    /// The code of each place, one after the other, and [`PADDING`].
    codes: Buffer,
    /// `|decoded - low|^2` of each place for L2; empty otherwise.
    norms: ScalarBuffer<f32>,
}

/// One query on its way through the lists.
#[derive(Default)]
pub struct Seeker {
    query: Query,
    sieve: Sieve,
    /// Places, and their rows, whose codes wait to be scored together.
    waiting: (Vec<u32>, Vec<u32>),
    dots: Vec<i32>,
}

/// What a scan of lists reuses.
#[derive(Default)]
pub struct Buffers {
    /// The queries of a group, side by side.
    bytes: Vec<i8>,
    dots: Vec<i32>,
    scores: Vec<f32>,
    /// The allowed places of a block, with their rows.
    allowed: Vec<(u32, u32)>,
}

impl Sq8 {
    /// `order` names the row of each place.
    pub fn build(
        metric: Metric,
        vectors: FloatVectors,
        order: &[u32],
        pool: &rayon::ThreadPool,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Sq8> {
        let (rows, dim) = (vectors.len(), vectors.dim());
        let quantizer = sq8::Sq8::train(vectors.values(), dim, metric == Metric::Cosine, pool, advance)?;
        let mut codes = vec![0u8; rows * dim + PADDING];
        let mut norms = vec![0f32; if metric == Metric::L2 { rows } else { 0 }];
        let mut longest = 0f32;
        for first in (0..rows).step_by(STEP_ROWS) {
            let step = first..(first + STEP_ROWS).min(rows);
            let codes = codes[step.start * dim..step.end * dim].par_chunks_mut(CHUNK_ROWS * dim);
            let chunks = codes.zip(order[step.clone()].par_chunks(CHUNK_ROWS)).map(|(codes, order)| {
                let encode =
                    |(code, &row): (&mut [u8], &u32)| quantizer.encode(vectors.row(row as usize), code);
                codes.chunks_exact_mut(dim).zip(order).map(encode).collect::<Vec<_>>()
            });
            let encoded: Vec<Vec<(f32, f32)>> = pool.install(|| chunks.collect());
            for (place, (norm, far)) in step.clone().zip(encoded.into_iter().flatten()) {
                longest = longest.max(far);
                if let Some(at) = norms.get_mut(place) {
                    *at = norm;
                }
            }
            advance(step.len() as u64)?;
        }
        Ok(Sq8 { metric, vectors, quantizer, longest, codes: Buffer::from_vec(codes), norms: norms.into() })
    }

    /// The most bytes that [`Sq8::build`] holds at once, what it makes included.
    pub fn build_memory(rows: usize, dim: usize) -> usize {
        const FLOAT: usize = size_of::<f32>();
        let codes = rows * (dim + FLOAT) + PADDING;
        sq8::Sq8::training_memory(rows, dim).max(codes) + 5 * FLOAT * dim
    }

    pub fn load(metric: Metric, sections: &Sections, vectors: FloatVectors) -> Result<Sq8> {
        let (rows, dim) = (vectors.len(), vectors.dim());
        let bytes = rows.checked_mul(dim).and_then(|bytes| bytes.checked_add(PADDING));
        let bytes = bytes.ok_or_else(|| Error::corrupt(format!("{rows} rows of {dim} values")))?;
        let values = |name: &str| Ok::<_, Error>(sections.typed::<f32>(name, dim)?.to_vec());
        let quantizer = sq8::Sq8::new(
            values("sq8_low")?,
            values("sq8_step")?,
            values("sq8_center")?,
            metric == Metric::Cosine,
        );
        Ok(Sq8 {
            metric,
            quantizer,
            longest: sections.typed::<f32>("sq8_longest", 1)?[0],
            codes: sections.typed::<u8>("list_codes", bytes)?.into_inner(),
            norms: sections.typed("list_norms", if metric == Metric::L2 { rows } else { 0 })?,
            vectors,
        })
    }

    fn norm(&self, place: usize) -> f32 {
        self.norms.get(place).copied().unwrap_or(0.0)
    }

    /// Shows places with their rows, all of them allowed. They lie apart, so many are read at once: those of several calls.
    fn show(&self, places: &[(u32, u32)], seeker: &mut Seeker) {
        for &(place, row) in places {
            seeker.waiting.0.push(place);
            seeker.waiting.1.push(row);
            if seeker.waiting.0.len() == scan::AT_ONCE {
                self.score_waiting(seeker);
            }
        }
    }

    fn score_waiting(&self, seeker: &mut Seeker) {
        let Seeker { query, sieve, waiting: (places, rows), dots } = seeker;
        dots.resize(places.len(), 0);
        kernel::dot_byte_gather(&query.bytes, &self.codes, self.vectors.dim(), places, dots);
        for ((&place, &row), &dot) in places.iter().zip(rows.iter()).zip(dots.iter()) {
            let score = query.score(dot, self.norm(place as usize));
            // A code says all about its row: neither list nor centroid is asked for.
            sieve.push(Found { list: 0, place, row, centroid: 0.0 }, score, query.error);
        }
        places.clear();
        rows.clear();
    }
}

impl Codec for Sq8 {
    type Value = f32;
    type Seeker = Seeker;
    type Buffers = Buffers;

    const EXACT_COST: usize = scan::EXACT_COST;
    const EVERYWHERE: bool = true;

    fn cost(rows: f64, allowed: f64) -> f64 {
        scan::some_codes(rows, allowed)
    }

    fn room(scratch: &mut Scratch) -> &mut Room<Sq8> {
        &mut scratch.ivf.sq8
    }

    fn start(&self, query: &[f32], probe: &Probe, seeker: &mut Seeker) {
        let form = if self.metric == Metric::L2 { Form::L2 } else { Form::NegatedDot };
        self.quantizer.query(query, form, self.longest, &mut seeker.query);
        seeker.sieve.start(probe);
        // What a search that was stopped left.
        seeker.waiting.0.clear();
        seeker.waiting.1.clear();
    }

    fn scan(&self, list: &List, visits: &[Visit], seekers: &mut [Seeker], buffers: &mut Buffers) -> usize {
        let dim = self.vectors.dim();
        let width = sq8::width(dim);
        let Buffers { bytes, dots, scores, allowed } = buffers;
        let most = (BLOCK_BYTES / dim).max(1);
        let mut shown = 0;
        for (group, visits) in visits.chunks(GROUP).enumerate() {
            bytes.clear();
            for visit in visits {
                bytes.extend_from_slice(&seekers[visit.query as usize].query.bytes);
            }
            for first in (0..list.rows.len()).step_by(most) {
                let block = first..(first + most).min(list.rows.len());
                if list.stop.load(Ordering::Relaxed) {
                    continue;
                }
                let count = list.allowed_places(block.clone(), allowed);
                shown += if group == 0 { count } else { 0 };
                if count * scan::SPARSE < block.len() {
                    for visit in visits {
                        self.show(allowed, &mut seekers[visit.query as usize]);
                    }
                    continue;
                }
                let start = (list.places.start + block.start) * dim;
                let codes = &self.codes[start..start + (block.len() - 1) * dim + width];
                dots.resize(visits.len() * block.len(), 0);
                kernel::dot_byte_block(bytes, width, codes, dim, dots);
                for (visit, dots) in visits.iter().zip(dots.chunks_exact(block.len())) {
                    let Seeker { query, sieve, .. } = &mut seekers[visit.query as usize];
                    scores.clear();
                    if self.norms.is_empty() {
                        scores.extend(dots.iter().map(|&dot| query.score(dot, 0.0)));
                    } else {
                        let norms = &self.norms[list.places.start + first..];
                        scores.extend(dots.iter().zip(norms).map(|(&dot, &norm)| query.score(dot, norm)));
                    }
                    sieve.sift(list, first, visit.centroid, scores, query.error);
                }
            }
        }
        shown
    }

    fn finish(&self, query: &[f32], probe: &Probe, seeker: &mut Seeker, top: &mut TopK) {
        self.score_waiting(seeker);
        let dim = self.vectors.dim();
        let Seeker { query: prepared, sieve, .. } = seeker;
        let exact = Exact::new(self.metric, &self.vectors, query);
        let fine = |place: u32| {
            let place = place as usize;
            let score = prepared.fine(&self.codes[place * dim..(place + 1) * dim], self.norm(place));
            // What a code decodes to is a little longer or shorter than 1, and a distance is a sum of terms that cancel.
            match self.metric {
                Metric::Cosine => score.clamp(-1.0, 1.0),
                Metric::L2 => score.max(0.0),
                _ => score,
            }
        };
        sieve.finish(probe, &exact, |found| fine(found.place), top);
    }

    fn exhaustive(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("sq8_low", self.quantizer.low.to_byte_slice())?;
        out.section("sq8_step", self.quantizer.step.to_byte_slice())?;
        out.section("sq8_center", self.quantizer.center.to_byte_slice())?;
        out.section("sq8_longest", [self.longest].to_byte_slice())?;
        out.section("list_norms", self.norms.to_byte_slice())?;
        out.section("list_codes", &self.codes)
    }

    fn memory(&self) -> usize {
        self.codes.len() + size_of::<f32>() * (self.norms.len() + 3 * self.vectors.dim())
    }
}

#[cfg(test)]
mod tests {
    use crate::index::catalog::{IndexSpec, VectorKind};
    use crate::index::testing::{Ask, Subject, floats};

    /// Rows at the ends of their ranges are decoded exactly, up to rounding.
    #[test]
    fn distances_are_never_negative() {
        const DIM: usize = 100;
        let value = |i: usize, j: usize| {
            if (i * 7 + j * j * 3 + i * j * 5) % 11 < 4 { 0.0 } else { 0.3 + 0.1 * (j % 5) as f32 }
        };
        let values: Vec<f32> = (0..300).flat_map(|i| (0..DIM).map(move |j| value(i, j))).collect();
        let text = r#"{"index_type":"IVF_SQ8","metric_type":"L2","params":{"nlist":1}}"#;
        let spec = IndexSpec::from_json(text, VectorKind::Float, DIM).unwrap();
        let rows = floats(&values, DIM);
        let found = Subject::new(&spec, &rows).hits(&rows, Ask { k: 1, ..Ask::ten("") });
        for hit in found.iter().flatten() {
            assert!((0.0..1e-4).contains(&hit.score), "{hit:?}");
        }
    }
}
