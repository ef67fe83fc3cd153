//! The best rows by scores that are known up to an error: first all are seen coarsely, then few finely.
//!
//! Codes of IVF_SQ8 and IVF_PQ are scanned with a query in small integers. That gives a row's score up to an error which
//! is the same for all rows of a list; a row whose score less the error is above the k-th smallest score plus the error
//! cannot be among the best. The rest is scored by what the codes really say, in the order of their lower bounds.
//! With `refine_k` the best `refine_k * k` of these are ranked by their raw vectors.

use super::List;
use crate::index::Probe;
use crate::index::exact::Exact;
use crate::kernel::topk::TopK;
use std::sync::atomic::Ordering;

/// Scores compared at once, before any is looked at.
const LANES: usize = 8;

/// One query's rows so far.
pub struct Sieve {
    /// The smallest upper bounds.
    uppers: TopK,
    candidates: Vec<Candidate>,
    /// The best by their codes, before they are refined.
    best: TopK,
}

/// A row that may be among the best.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// What its score is at least.
    lower: f32,
    at: Found,
}

/// Where a row was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub list: u32,
    pub place: u32,
    pub row: u32,
    /// The score of its list's centroid.
    pub centroid: f32,
}

impl Default for Sieve {
    fn default() -> Sieve {
        Sieve { uppers: TopK::new(0), candidates: Vec::new(), best: TopK::new(0) }
    }
}

impl Sieve {
    /// For a search's k and `refine_k`.
    pub fn start(&mut self, probe: &Probe) {
        self.uppers.reset(probe.k.saturating_mul(refine(probe).max(1)));
        self.candidates.clear();
    }

    /// Takes the scores of the places of a list from its `first` on, each off by at most `error`. They are no NaN.
    pub fn sift(&mut self, list: &List, first: usize, centroid: f32, scores: &[f32], error: f32) {
        let mut limit = self.uppers.threshold() + error;
        for (lane, scores) in scores.chunks(LANES).enumerate() {
            // No early exit in here: the compiler makes it a few vector comparisons.
            if !scores.iter().fold(false, |any, &score| any | (score <= limit)) {
                continue;
            }
            for (i, &score) in scores.iter().enumerate() {
                let at = first + lane * LANES + i;
                let row = list.rows[at];
                if score <= limit && list.allows(row) {
                    let place = (list.places.start + at) as u32;
                    let at = Found { list: list.number, place, row, centroid };
                    self.candidates.push(Candidate { lower: score - error, at });
                    self.uppers.push(score + error, row);
                    limit = self.uppers.threshold() + error;
                }
            }
        }
    }

    /// Takes an allowed row, whose score is off by at most `error`. It is no NaN.
    pub fn push(&mut self, at: Found, score: f32, error: f32) {
        if score <= self.uppers.threshold() + error {
            self.candidates.push(Candidate { lower: score - error, at });
            self.uppers.push(score + error, at.row);
        }
    }

    /// Scores candidates with `fine`, the most hopeful first, and pushes the best into `top`; `exact` scores them when the
    /// search asks for it.
    pub fn finish(&mut self, probe: &Probe, exact: &Exact, fine: impl Fn(&Found) -> f32, top: &mut TopK) {
        let limit = self.uppers.threshold();
        self.candidates.retain(|candidate| candidate.lower <= limit);
        self.candidates.sort_unstable_by(|a, b| a.lower.total_cmp(&b.lower).then(a.at.row.cmp(&b.at.row)));
        if refine(probe) == 0 {
            return self.rank(probe, fine, top);
        }
        let mut best = std::mem::replace(&mut self.best, TopK::new(0));
        best.reset(self.uppers.k());
        self.rank(probe, fine, &mut best);
        let hits = best.hits();
        for (i, hit) in hits.iter().enumerate() {
            if let Some(later) = hits.get(i + 2) {
                exact.prefetch(later.row);
            }
            top.push(exact.score(hit.row), hit.row);
        }
        self.best = best;
    }

    fn rank(&self, probe: &Probe, fine: impl Fn(&Found) -> f32, top: &mut TopK) {
        for candidates in self.candidates.chunks(1024) {
            if probe.stop.load(Ordering::Relaxed) {
                return;
            }
            for candidate in candidates {
                if candidate.lower > top.threshold() {
                    return;
                }
                top.push(fine(&candidate.at), candidate.at.row);
            }
        }
    }
}

/// How many times k candidates are ranked by their raw vectors; 0: none.
fn refine(probe: &Probe) -> usize {
    probe.params.count("refine_k")
}
