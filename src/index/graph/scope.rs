//! Whether a search walks a graph or looks at every row that it may find: one rule for all graphs in memory.

use super::beam::{Beam, End, Links, Score};
use crate::index::Probe;
use std::sync::atomic::Ordering;

/// What scoring a node on a walk costs, in scores of a scan: nodes lie apart, and each is looked up and put in its place.
const WALK_COST: usize = 2;
/// What an exact score costs, in scores of a scan over codes: four times the bytes.
const EXACT_COST: usize = 4;
/// Nodes that a scan tests for being allowed at the price of one score.
const TESTS_PER_SCORE: usize = 16;

/// What a search is to find, and among how many.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    probe: &'a Probe<'a>,
    /// The row of each node.
    rows: &'a [u32],
    /// Nodes that the filter lets through.
    allowed: usize,
    /// The width of the search.
    wanted: usize,
}

impl<'a> Scope<'a> {
    /// A search that may find `allowed` rows. `width` is the type's own knob; one below k finds k rows all the same.
    pub fn new(probe: &'a Probe<'a>, rows: &'a [u32], allowed: usize, width: usize) -> Scope<'a> {
        Scope { probe, rows, allowed, wanted: width.max(probe.k) }
    }

    /// The same for one query of the probe.
    pub fn of<'b>(&self, probe: &'b Probe<'b>) -> Scope<'b>
    where
        'a: 'b,
    {
        Scope { probe, rows: self.rows, allowed: self.allowed, wanted: self.wanted }
    }

    /// What [`Scope::search`] is likely to cost, in exact scores of a row: infinite where all allowed rows must be ranked
    /// anyway. With each node that a walk expands it meets about `fresh` new ones.
    pub fn cost(&self, fresh: usize) -> f64 {
        if self.allowed <= self.wanted {
            return f64::INFINITY;
        }
        self.walk_cost(fresh).min(self.scan_cost() as f64) / EXACT_COST as f64
    }

    /// Fills the pool of `beam` with the best allowed nodes: by a walk from what `entries` names, or by a scan where that is cheaper, or
    /// where the walk finds too few or turns out to lead far away, because allowed rows are rarer around the query
    /// than elsewhere. `fresh` as in [`Scope::cost`].
    pub fn search<E: AsRef<[u32]>>(
        &self,
        beam: &mut Beam,
        links: Links,
        score: &impl Score,
        fresh: usize,
        entries: impl FnOnce(&mut Beam) -> E,
    ) {
        if self.walk_cost(fresh) < self.scan_cost() as f64 {
            let entries = entries(beam);
            let entries = entries.as_ref();
            // Without a filter a walk that has begun ends: it is never far from done.
            let most = if self.probe.allow.is_some() { self.scan_cost() / WALK_COST } else { usize::MAX };
            let go_on = |scored| scored <= most && !self.stopped();
            let end = match self.probe.allow {
                None => beam.search(links, score, entries, self.wanted, |_| true, go_on),
                Some(allow) => {
                    let allow = |node: u32| allow.value(self.rows[node as usize] as usize);
                    beam.search(links, score, entries, self.wanted, allow, go_on)
                }
            };
            if end == End::Done && beam.pool.found() >= self.probe.k {
                return;
            }
        }
        let nodes = 0..self.rows.len() as u32;
        match self.probe.allow {
            None => beam.scan(score, nodes, self.wanted, || self.stopped()),
            Some(allow) => {
                let nodes = nodes.filter(|&node| allow.value(self.rows[node as usize] as usize));
                beam.scan(score, nodes, self.wanted, || self.stopped());
            }
        }
    }

    /// A walk has to go as much further as allowed rows are rarer.
    fn walk_cost(&self, fresh: usize) -> f64 {
        let walked = (self.wanted * fresh) as f64 * self.rows.len() as f64 / self.allowed as f64;
        walked * WALK_COST as f64
    }

    fn scan_cost(&self) -> usize {
        self.allowed + self.rows.len() / TESTS_PER_SCORE
    }

    fn stopped(&self) -> bool {
        self.probe.stop.load(Ordering::Relaxed)
    }
}
