//! Exhaustive search over codes of bits, exact in the end: what BIN_FLAT and the lists of BIN_IVF_FLAT share.
//!
//! A code tells in how many bits a row differs at least, and by how many set bits it has more or fewer than the query.
//! Rows that this leaves a chance are compared whole, the most hopeful of a block first.

use super::codes::Codes;
use super::measure::{Limit, Measure, Query};
use crate::index::scan::allowed_of;
use crate::index::vectors::BinaryVectors;
use crate::kernel;
use crate::kernel::topk::TopK;
use arrow_buffer::BooleanBuffer;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Queries that scan together.
pub const GROUP: usize = 64;
/// Bytes of codes in a block, and its rows at most: a group's counts for it stay in the second-level cache.
const BLOCK_BYTES: usize = 1 << 16;
const BLOCK_ROWS: usize = 1 << 10;
/// Counts tested at once, before any is looked at.
const LANES: usize = 8;
/// Rows compared whole between two looks at the limit.
const WHOLE: usize = 16;

/// One query on its way through the codes.
pub struct Seeker {
    query: Query,
    bits: Vec<u8>,
    code: Vec<u8>,
    top: TopK,
}

impl Default for Seeker {
    fn default() -> Seeker {
        let query = Query { measure: Measure::Hamming, ones: 0 };
        Seeker { query, bits: Vec::new(), code: Vec::new(), top: TopK::new(0) }
    }
}

impl Seeker {
    pub fn start(&mut self, measure: Measure, codes: &Codes, query: &[u8], k: usize) {
        codes.query(query, &mut self.code);
        self.bits.clear();
        self.bits.extend_from_slice(query);
        self.query = Query::of(measure, query);
        self.top.reset(k);
    }

    /// Hands out what it found.
    pub fn finish(&mut self, top: &mut TopK) {
        self.top.hits().iter().for_each(|hit| top.push(hit.score, hit.row));
    }
}

/// Buffers of a scan.
#[derive(Default)]
pub struct Buffers {
    /// The codes of a group's queries, side by side.
    queries: Vec<u8>,
    differ: Vec<i32>,
    hopeful: Vec<Hopeful>,
    rows: Vec<u32>,
}

/// A row that may be among the best.
#[derive(Clone, Copy)]
struct Hopeful {
    /// Its score is not below this.
    least: f32,
    ones: u16,
    row: u32,
}

/// What a scan reads: codes, the rows, and which of them count.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub codes: &'a Codes,
    /// The row of each place from `first` on (`None`: the place itself).
    pub rows: Option<&'a [u32]>,
    pub first: usize,
    pub vectors: &'a BinaryVectors,
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
        let width = self.codes.width();
        buffers.queries.clear();
        for &i in active {
            buffers.queries.extend_from_slice(&seekers[i as usize].code);
        }
        let most = (BLOCK_BYTES / width).clamp(LANES, BLOCK_ROWS);
        for first in places.clone().step_by(most) {
            if self.stop.load(Ordering::Relaxed) {
                return shown;
            }
            let block = first..(first + most).min(places.end);
            let allowed = self.allowed_in(&block);
            if allowed == 0 {
                continue;
            }
            shown += allowed;
            let mut differ = std::mem::take(&mut buffers.differ);
            differ.resize(active.len() * block.len(), 0);
            kernel::hamming_block(&buffers.queries, self.codes.of(block.clone()), width, &mut differ);
            for (&i, differ) in active.iter().zip(differ.chunks_exact(block.len())) {
                let seeker = &mut seekers[i as usize];
                self.sift(block.start, differ, seeker, buffers);
                self.compare(seeker, buffers);
            }
            buffers.differ = differ;
        }
        shown
    }

    /// How many rows of a block are allowed.
    fn allowed_in(&self, block: &Range<usize>) -> usize {
        match self.rows {
            None => self.allow.map_or(block.len(), |a| a.slice(block.start, block.len()).count_set_bits()),
            Some(rows) => allowed_of(self.allow, &rows[block.start - self.first..block.end - self.first]),
        }
    }

    /// Keeps the rows of a block that may be among the best.
    fn sift(&self, first: usize, differ: &[i32], seeker: &Seeker, buffers: &mut Buffers) {
        let ones = &self.codes.ones()[first..first + differ.len()];
        let limit = seeker.query.limit(&seeker.top);
        let own = seeker.query.ones as f32;
        buffers.hopeful.clear();
        let mut keep = |at: usize, differ: &[i32], ones: &[u16]| {
            for (i, (&differ, &ones)) in differ.iter().zip(ones).enumerate() {
                let row = self.rows.map_or((at + i) as u32, |rows| rows[at + i - self.first]);
                if admits(limit, own, differ, ones)
                    && self.allow.is_none_or(|allow| allow.value(row as usize))
                {
                    let least = seeker.query.least(ones.into(), differ);
                    buffers.hopeful.push(Hopeful { least, ones, row });
                }
            }
        };
        let (differ, differ_rest) = differ.as_chunks::<LANES>();
        let (ones, ones_rest) = ones.as_chunks::<LANES>();
        for (lane, (differ, ones)) in differ.iter().zip(ones).enumerate() {
            // No early exit in here: the compiler makes it a few vector instructions.
            let mut any = false;
            for i in 0..LANES {
                any |= admits(limit, own, differ[i], ones[i]);
            }
            if any {
                keep(first + lane * LANES, differ, ones);
            }
        }
        keep(first + differ.len() * LANES, differ_rest, ones_rest);
    }

    /// Scores the hopeful rows exactly.
    fn compare(&self, seeker: &mut Seeker, buffers: &mut Buffers) {
        let Buffers { hopeful, rows, .. } = buffers;
        let Seeker { query, bits, top, .. } = seeker;
        // Whole rows have told all: the bound is the score, and only what matches was admitted.
        if !self.codes.is_folded() {
            return hopeful.iter().for_each(|row| top.push(row.least, row.row));
        }
        if hopeful.len() > WHOLE {
            hopeful.sort_unstable_by(|a, b| a.least.total_cmp(&b.least).then(a.row.cmp(&b.row)));
        }
        let mut differ = [0; WHOLE];
        for some in hopeful.chunks(WHOLE) {
            if some[0].least > top.threshold() && hopeful.len() > WHOLE {
                return;
            }
            rows.clear();
            rows.extend(some.iter().map(|hopeful| hopeful.row));
            let differ = &mut differ[..some.len()];
            kernel::hamming_gather(bits, self.vectors.bytes(), rows, differ);
            for (hopeful, &mut differ) in some.iter().zip(differ) {
                if let Some(score) = query.score(hopeful.ones.into(), differ) {
                    top.push(score, hopeful.row);
                }
            }
        }
    }
}

/// Whether a row may be among the best: it differs in as many bits at least as it has more or fewer set than the query.
#[inline(always)]
fn admits(limit: Limit, own: f32, differ: i32, ones: u16) -> bool {
    let ones = f32::from(ones);
    limit.admits((differ as f32).max((own - ones).abs()), ones)
}
