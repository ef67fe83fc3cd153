//! Searching the segments of a snapshot and merging what they found: best score first, then smaller primary key, and
//! each primary key once.

use crate::error::Result;
use crate::index::catalog::{Metric, SearchParams};
use crate::index::{Probe, Queries, Scratch, exact};
use crate::kernel::topk::TopK;
use crate::segment::{Key, Live, LoadedIndex, Rows};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Queries and how long each of them is.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub values: Queries<'a>,
    /// Values of a float query, bytes of a binary one.
    pub stride: usize,
}

impl<'a> Batch<'a> {
    pub fn count(&self) -> usize {
        let len = match self.values {
            Queries::Float(values) => values.len(),
            Queries::Binary(bytes) => bytes.len(),
        };
        len / self.stride
    }

    /// Some of the queries, by their numbers.
    pub fn slice(&self, queries: Range<usize>) -> Batch<'a> {
        let places = queries.start * self.stride..queries.end * self.stride;
        let values = match self.values {
            Queries::Float(values) => Queries::Float(&values[places]),
            Queries::Binary(bytes) => Queries::Binary(&bytes[places]),
        };
        Batch { values, ..*self }
    }
}

/// A segment that is searched.
pub struct Target {
    pub rows: Arc<Rows>,
    pub live: Live,
    /// `None`: it is searched exactly.
    pub index: Option<Arc<LoadedIndex>>,
}

/// A row that was found. Smaller scores are closer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub score: f32,
    pub target: u32,
    pub row: u32,
}

/// What a batch of queries shares.
pub struct Merger<'a> {
    pub targets: &'a [Target],
    pub metric: Metric,
    pub params: &'a SearchParams,
    pub stop: &'a AtomicBool,
}

/// What all segments found for one query.
#[derive(Default)]
struct Candidates {
    found: Vec<Found>,
    /// No segment has a row that it did not tell of and that is closer than this.
    complete_below: Option<f32>,
}

/// Buffers that a thread keeps from search to search.
#[derive(Default)]
struct Workspace {
    scratch: Scratch,
    tops: Vec<TopK>,
}

thread_local! {
    /// Taken while a search runs: should one search come to run inside another, it makes its own.
    static WORKSPACE: Cell<Option<Box<Workspace>>> = const { Cell::new(None) };
}

impl Merger<'_> {
    /// The `k` best rows of each query.
    pub fn search(&self, queries: Batch, k: usize) -> Result<Vec<Vec<Found>>> {
        let mut workspace = WORKSPACE.take().unwrap_or_default();
        let candidates = self.candidates(&mut workspace, queries, k)?;
        let queries = (0..queries.count()).map(|i| queries.slice(i..i + 1));
        let merged = queries
            .zip(candidates)
            .map(|(query, candidates)| self.merge(&mut workspace, query, candidates, k))
            .collect();
        WORKSPACE.set(Some(workspace));
        merged
    }

    /// The `k` best rows of each segment, for each query.
    fn candidates(&self, workspace: &mut Workspace, queries: Batch, k: usize) -> Result<Vec<Candidates>> {
        let nq = queries.count();
        let mut candidates: Vec<Candidates> = Vec::new();
        candidates.resize_with(nq, Candidates::default);
        if workspace.tops.len() < nq {
            workspace.tops.resize_with(nq, || TopK::new(0));
        }
        let tops = &mut workspace.tops[..nq];
        for (number, target) in self.targets.iter().enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let k = k.min(target.live.count());
            tops.iter_mut().for_each(|top| top.reset(k));
            let (allow, stop) = (target.live.bits(), self.stop);
            let probe = Probe { queries: queries.values, k, allow, params: self.params, stop };
            match &target.index {
                Some(index) => index.index().search(&probe, &mut workspace.scratch, tops)?,
                None => exact::search(self.metric, target.rows.vectors(), &probe, tops),
            }
            for (top, candidates) in tops.iter().zip(&mut candidates) {
                let found = |hit: &crate::kernel::topk::Hit| Found {
                    score: hit.score,
                    target: number as u32,
                    row: hit.row,
                };
                candidates.found.extend(top.hits().iter().map(found));
                if top.len() == k && k < target.live.count() {
                    let before = candidates.complete_below.unwrap_or(f32::INFINITY);
                    candidates.complete_below = Some(before.min(top.threshold()));
                }
            }
        }
        Ok(candidates)
    }

    /// The `k` best of the candidates of one query, which is searched again where repeated keys left it short.
    fn merge(
        &self,
        workspace: &mut Workspace,
        query: Batch,
        mut candidates: Candidates,
        k: usize,
    ) -> Result<Vec<Found>> {
        let mut wider = k;
        loop {
            let found = &mut candidates.found;
            found.sort_unstable_by(|a, b| {
                a.score
                    .total_cmp(&b.score)
                    .then_with(|| (self.key(a), a.target, a.row).cmp(&(self.key(b), b.target, b.row)))
            });
            let repeated = self.has_repeated(&found[..k.min(found.len())]);
            if repeated {
                self.remove_repeated(found);
            }
            found.truncate(k);
            let closed =
                candidates.complete_below.is_none_or(|limit| found.len() == k && found[k - 1].score <= limit);
            if !repeated || closed || self.stop.load(Ordering::Relaxed) {
                return Ok(candidates.found);
            }
            wider *= 2;
            let again = self.candidates(workspace, query, wider)?;
            candidates = again.into_iter().next().unwrap_or_default();
        }
    }

    fn key(&self, found: &Found) -> Key<'_> {
        self.targets[found.target as usize].rows.key(found.row as usize)
    }

    /// The keys in order, each with its place.
    fn sorted_keys(&self, found: &[Found]) -> Vec<(Key<'_>, usize)> {
        let mut keys: Vec<_> =
            found.iter().enumerate().map(|(place, found)| (self.key(found), place)).collect();
        keys.sort_unstable();
        keys
    }

    fn has_repeated(&self, found: &[Found]) -> bool {
        self.sorted_keys(found).windows(2).any(|pair| pair[0].0 == pair[1].0)
    }

    /// Keeps the first row of each key.
    fn remove_repeated(&self, found: &mut Vec<Found>) {
        let keys = self.sorted_keys(found);
        let mut is_repeated = vec![false; found.len()];
        for pair in keys.windows(2) {
            is_repeated[pair[1].1] |= pair[0].0 == pair[1].0;
        }
        let mut place = 0;
        found.retain(|_| {
            place += 1;
            !is_repeated[place - 1]
        });
    }
}
