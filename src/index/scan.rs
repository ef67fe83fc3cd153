//! Exhaustive search over codes with bounds that hold, exact in the end: what FLAT and the lists of IVF_FLAT share.
//!
//! A code gives the score of its row up to a known error. While codes are scanned, a query keeps the k-th smallest
//! *upper* bound so far; a row whose *lower* bound is above it cannot be among the k best. What remains is scored
//! exactly in the order of lower bounds, until a lower bound is above the k-th exact score.

use super::Probe;
use super::exact::Exact;
use super::shadow::Shadow;
use crate::kernel;
use crate::kernel::topk::TopK;
use crate::quant::sq7;
use arrow_buffer::BooleanBuffer;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Queries that scan together: their bytes and a block of codes stay in the second-level cache.
pub const GROUP: usize = 64;
/// Bytes of codes in a block.
const BLOCK_BYTES: usize = 1 << 16;
/// Lower bounds tested at once, before any is looked at.
const LANES: usize = 8;
/// Candidates between the one being scored exactly and the one being fetched from memory.
const AHEAD: usize = 2;
/// Scoring a row exactly costs about as much as scanning so many codes: four times the bytes, from random places.
pub const EXACT_COST: usize = 8;
/// The same in codes that are scored one by one.
const EXACT_COST_SPARSE: f64 = 4.0;
/// The same in rows that are asked whether they are allowed.
const EXACT_COST_TESTS: f64 = 64.0;
/// The same in bits of a bitmap of which few are set.
const EXACT_COST_BITS: f64 = 256.0;
/// Codes that are scored one by one, but asked for together.
pub const AT_ONCE: usize = 256;
/// In a block of which fewer than one row in so many is allowed, codes are scored one by one: each costs about twice as much then.
pub const SPARSE: usize = 2;

/// One query on its way through the codes.
pub struct Seeker {
    query: sq7::Query,
    /// The k smallest upper bounds so far.
    uppers: TopK,
    /// Rows that may be among the best, by lower bound.
    candidates: Vec<(f32, u32)>,
    /// Places, and their rows, whose codes wait to be scored together.
    waiting: (Vec<u32>, Vec<u32>),
    dots: Vec<i32>,
}

impl Default for Seeker {
    fn default() -> Seeker {
        let (query, uppers) = (sq7::Query::default(), TopK::new(0));
        Seeker { query, uppers, candidates: Vec::new(), waiting: Default::default(), dots: Vec::new() }
    }
}

impl Seeker {
    pub fn start(&mut self, shadow: &Shadow, query: &[f32], k: usize) {
        shadow.query(query, &mut self.query);
        self.uppers.reset(k);
        self.candidates.clear();
        self.forget_waiting();
    }

    /// Shows it single places with their rows, all of them allowed. They lie apart, so many are read at once: those of
    /// several calls.
    pub fn show(&mut self, shadow: &Shadow, places: impl Iterator<Item = (u32, u32)>) {
        for (place, row) in places {
            self.waiting.0.push(place);
            self.waiting.1.push(row);
            if self.waiting.0.len() == AT_ONCE {
                self.score_waiting(shadow);
            }
        }
    }

    fn score_waiting(&mut self, shadow: &Shadow) {
        let Seeker { query, uppers, candidates, waiting: (places, rows), dots } = self;
        dots.resize(places.len(), 0);
        kernel::dot_code_gather(&query.bytes, shadow.codes(0..shadow.norms().len()), places, dots);
        for ((&place, &row), &dot) in places.iter().zip(rows.iter()).zip(dots.iter()) {
            let at = place as usize;
            let (score, slack) = (query.score(dot, shadow.norms()[at]), query.slack(shadow.errors()[at]));
            if score - slack <= uppers.threshold() {
                candidates.push((score - slack, row));
                uppers.push(score + slack, row);
            }
        }
        self.forget_waiting();
    }

    fn forget_waiting(&mut self) {
        self.waiting.0.clear();
        self.waiting.1.clear();
    }

    /// Scores candidates exactly, the most hopeful first.
    pub fn finish(&mut self, shadow: &Shadow, exact: &Exact, stop: &AtomicBool, top: &mut TopK) {
        self.score_waiting(shadow);
        let limit = self.uppers.threshold();
        self.candidates.retain(|(lower, _)| *lower <= limit);
        self.candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for chunk in self.candidates.chunks(1024) {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            for (i, &(lower, row)) in chunk.iter().enumerate() {
                if lower > top.threshold() {
                    return;
                }
                if let Some(&(_, later)) = chunk.get(i + AHEAD) {
                    exact.prefetch(later);
                }
                top.push(exact.score(row), row);
            }
        }
    }
}

/// Buffers of a scan.
#[derive(Default)]
pub struct Buffers {
    /// The queries of a group, side by side.
    bytes: Vec<i8>,
    dots: Vec<i32>,
    lowers: Vec<f32>,
    /// The allowed places of a block, with their rows.
    allowed: Vec<(u32, u32)>,
}

/// What a scan reads: codes and which rows count.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub shadow: &'a Shadow,
    /// The row of each place from `first` on (`None`: the place itself).
    pub rows: Option<&'a [u32]>,
    pub first: usize,
    pub allow: Option<&'a BooleanBuffer>,
    pub stop: &'a AtomicBool,
}

impl Source<'_> {
    /// Shows the codes of `places` to the seekers that `active` names (at most [`GROUP`]); returns how many of the rows
    /// are allowed.
    pub fn scan(
        &self,
        places: Range<usize>,
        active: &[u32],
        seekers: &mut [Seeker],
        buffers: &mut Buffers,
    ) -> usize {
        let mut shown = 0;
        let stride = self.shadow.stride();
        buffers.bytes.clear();
        for &i in active {
            buffers.bytes.extend_from_slice(&seekers[i as usize].query.bytes);
        }
        let most = (BLOCK_BYTES / stride).max(LANES);
        for first in places.clone().step_by(most) {
            if self.stop.load(Ordering::Relaxed) {
                return shown;
            }
            let block = first..(first + most).min(places.end);
            let allowed = self.allowed_in(&block, &mut buffers.allowed);
            shown += allowed;
            if allowed * SPARSE < block.len() {
                for &i in active {
                    seekers[i as usize].show(self.shadow, buffers.allowed.iter().copied());
                }
                continue;
            }
            buffers.dots.resize(active.len() * block.len(), 0);
            kernel::dot_code_block(
                &buffers.bytes,
                self.shadow.codes(block.clone()),
                stride,
                &mut buffers.dots,
            );
            for (&i, dots) in active.iter().zip(buffers.dots.chunks_exact(block.len())) {
                self.sift(block.start, dots, &mut seekers[i as usize], &mut buffers.lowers);
            }
        }
        shown
    }

    /// How many rows of a block are allowed, and which if there is a filter.
    fn allowed_in(&self, block: &Range<usize>, places: &mut Vec<(u32, u32)>) -> usize {
        places.clear();
        let Some(allow) = self.allow else { return block.len() };
        match self.rows {
            None => {
                let set = allow.slice(block.start, block.len());
                places.extend(set.set_indices_u32().map(|at| block.start as u32 + at).map(|at| (at, at)));
            }
            Some(rows) => {
                let part = block.start - self.first..block.end - self.first;
                extend_allowed(allow, block.start, &rows[part], places);
            }
        }
        places.len()
    }

    /// The row of a place.
    fn row(&self, place: usize) -> u32 {
        self.rows.map_or(place as u32, |rows| rows[place - self.first])
    }

    /// Keeps the rows of a block that may be among the best.
    fn sift(&self, first: usize, dots: &[i32], seeker: &mut Seeker, lowers: &mut Vec<f32>) {
        let places = first..first + dots.len();
        let (norms, errors) = (&self.shadow.norms()[places.clone()], &self.shadow.errors()[places]);
        let Seeker { query, uppers, candidates, .. } = seeker;
        lowers.clear();
        let bounds = dots.iter().zip(norms).zip(errors);
        lowers.extend(bounds.map(|((&dot, &norm), &error)| query.score(dot, norm) - query.slack(error)));
        let mut limit = uppers.threshold();
        for (lane, lowers) in lowers.chunks(LANES).enumerate() {
            // No early exit in here: the compiler makes it a few vector comparisons.
            if !lowers.iter().fold(false, |any, &lower| any | (lower <= limit)) {
                continue;
            }
            for (i, &lower) in lowers.iter().enumerate() {
                let at = lane * LANES + i;
                let row = self.row(first + at);
                if lower <= limit && self.allow.is_none_or(|allow| allow.value(row as usize)) {
                    candidates.push((lower, row));
                    uppers.push(query.score(dots[at], norms[at]) + query.slack(errors[at]), row);
                    limit = uppers.threshold();
                }
            }
        }
    }
}

/// Adds those places, from `first` on, whose `rows` are allowed.
pub fn extend_allowed(allow: &BooleanBuffer, first: usize, rows: &[u32], places: &mut Vec<(u32, u32)>) {
    let named = (first as u32..).zip(rows.iter().copied());
    places.extend(named.filter(|&(_, row)| allow.value(row as usize)));
}

/// How many rows a probe allows, of `rows`.
pub fn allowed(probe: &Probe, rows: usize) -> usize {
    probe.allow.map_or(rows, BooleanBuffer::count_set_bits)
}

/// How many of some rows are allowed.
pub fn allowed_of(allow: Option<&BooleanBuffer>, rows: &[u32]) -> usize {
    allow.map_or(rows.len(), |allow| rows.iter().filter(|&&row| allow.value(row as usize)).count())
}

/// What scanning so many codes costs, in exact scores of a row.
pub fn all_codes(codes: usize) -> f64 {
    codes as f64 / EXACT_COST as f64
}

/// What scanning the codes of so many rows for those that are allowed costs, in exact scores of a row, where each row is
/// asked whether it is.
pub fn some_codes(rows: f64, allowed: f64) -> f64 {
    (rows / EXACT_COST_TESTS + allowed / EXACT_COST_SPARSE).min(rows / EXACT_COST as f64)
}

/// The same where the allowed ones are read off the bitmap.
pub fn some_codes_in_order(rows: f64, allowed: f64) -> f64 {
    (rows / EXACT_COST_BITS + allowed / EXACT_COST_SPARSE).min(rows / EXACT_COST as f64)
}
