//! Searching the segments of a snapshot and merging what they found: best score first, then smaller primary key, and
//! each primary key once.

use crate::collection::request::Request;
use crate::error::Result;
use crate::index::catalog::{Metric, Range as Bounds, SearchParams};
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

/// How much farther each look for hits that are not too near goes.
const FARTHER: usize = 4;
/// Once it would want one row in so many, it looks at all of them.
const ALL_FROM_ONE_IN: usize = 16;

/// A thread that has searched for so many hits keeps their memory for the next search, of 8 bytes a hit; of more it does not.
const KEPT_HITS: usize = 1 << 17;

/// A segment that is searched.
#[derive(Clone)]
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
#[derive(Clone, Copy)]
pub struct Merger<'a> {
    pub targets: &'a [Target],
    pub metric: Metric,
    pub params: &'a SearchParams,
    /// Where the scores of hits must lie.
    pub range: Bounds,
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

impl<'a> Merger<'a> {
    /// Of a checked search of `targets`.
    pub fn new(request: &'a Request, targets: &'a [Target], stop: &'a AtomicBool) -> Merger<'a> {
        let Request { spec, params, range, .. } = request;
        Merger { targets, metric: spec.metric, params, range: *range, stop }
    }

    /// The `k` best rows of each query.
    pub fn search(&self, queries: Batch, k: usize) -> Result<Vec<Vec<Found>>> {
        let mut workspace = WORKSPACE.take().unwrap_or_default();
        let candidates = self.candidates(&mut workspace, queries, k)?;
        let each = (0..queries.count()).map(|i| queries.slice(i..i + 1));
        let merged = each
            .zip(candidates)
            .map(|(query, candidates)| self.merge(&mut workspace, query, candidates, k))
            .collect();
        if queries.count() * k > KEPT_HITS {
            workspace.tops = Vec::new();
        }
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
            if target.live.count() == 0 {
                continue;
            }
            let k = k.min(target.live.count());
            tops.iter_mut().for_each(|top| top.reset(k));
            let (allow, stop) = (target.live.bits(), self.stop);
            let probe = Probe { queries: queries.values, k, allow, params: self.params, stop };
            self.search_target(target, &probe, &mut workspace.scratch, tops)?;
            if self.range.is_bounded() {
                for (query, top) in tops.iter_mut().enumerate() {
                    let probe = Probe { queries: queries.slice(query..query + 1).values, ..probe };
                    self.keep_in_range(target, &probe, &mut workspace.scratch, top)?;
                }
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

    /// Pushes into `tops`, which keep so many hits as `probe` wants, the best rows of a segment.
    fn search_target(
        &self,
        target: &Target,
        probe: &Probe,
        scratch: &mut Scratch,
        tops: &mut [TopK],
    ) -> Result<()> {
        match target.index.as_ref().and_then(|index| index.vector()) {
            Some(index) => index.search(probe, scratch, tops),
            None => {
                exact::search(self.metric, target.rows.vectors(), probe, tops);
                Ok(())
            }
        }
    }

    /// Makes of the nearest rows of a segment for the one query of `probe` the nearest that are in range. Where some are too
    /// near, more and more rows are asked for, until there are enough or one is beyond the range; and all of them at last.
    fn keep_in_range(
        &self,
        target: &Target,
        probe: &Probe,
        scratch: &mut Scratch,
        top: &mut TopK,
    ) -> Result<()> {
        let live = target.live.count();
        let mut wanted = probe.k;
        while let Some(floor) = self.range.floor() {
            let inside = top.hits().iter().filter(|hit| self.range.holds(hit.score)).count();
            let whole = top.len() < wanted || wanted >= live;
            if inside >= probe.k || whole || self.range.is_beyond(top.threshold()) {
                break;
            }
            wanted *= FARTHER;
            if wanted.saturating_mul(ALL_FROM_ONE_IN) >= live {
                top.reset(probe.k);
                top.set_floor(floor);
                exact::search(self.metric, target.rows.vectors(), probe, std::slice::from_mut(top));
                break;
            }
            top.reset(wanted);
            let probe = Probe { k: wanted, ..*probe };
            self.search_target(target, &probe, scratch, std::slice::from_mut(top))?;
        }
        top.narrow(probe.k, |hit| self.range.holds(hit.score));
        Ok(())
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
