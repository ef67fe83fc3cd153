//! Whether a search walks a graph or looks at every row that it may find: one rule for all graphs in memory.

use super::beam::{Beam, End, Links, Score, Walked};
use crate::index::Probe;
use std::sync::atomic::Ordering;

/// What scoring a node on a walk costs, in scores of a scan: nodes lie apart, and each is looked up and put in its place.
const WALK_COST: usize = 3;
/// After so many expanded nodes a walk knows as much about the share of allowed ones as the filter did before.
const TRUST: f64 = 32.0;
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
            let end = match self.probe.allow {
                // A walk that has begun ends: it is never far from done.
                None => beam.search(links, score, entries, self.wanted, |_| true, |_| !self.stopped()),
                Some(allow) => {
                    let allow = |node: u32| allow.value(self.rows[node as usize] as usize);
                    let go_on = |walked| self.is_worth_more(walked) && !self.stopped();
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

    /// Whether a walk that has come so far is likely to end before a scan that begins now. What it met of allowed nodes tells how
    /// far it has to go; at first, when that is little, they are thought to be as frequent as everywhere.
    fn is_worth_more(&self, walked: Walked) -> bool {
        let Walked { scored, expanded, allowed } = walked;
        if scored * WALK_COST > self.scan_cost() {
            return false;
        }
        let everywhere = self.allowed as f64 / self.rows.len() as f64;
        let share = (allowed as f64 + TRUST * everywhere) / (expanded as f64 + TRUST);
        let left = self.wanted as f64 / share - expanded as f64;
        let fresh = scored as f64 / expanded.max(1) as f64;
        left * fresh * WALK_COST as f64 <= self.scan_cost() as f64
    }

    fn scan_cost(&self) -> usize {
        self.allowed + self.rows.len() / TESTS_PER_SCORE
    }

    fn stopped(&self) -> bool {
        self.probe.stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Queries;
    use crate::index::catalog::Params;
    use arrow_buffer::BooleanBuffer;
    use std::cell::Cell;
    use std::sync::atomic::AtomicBool;

    const NODES: u32 = 20_000;
    const WANTED: usize = 64;

    /// Nodes on a line, searched for the ones near its start; counts what it scores.
    #[derive(Default)]
    struct Start(Cell<usize>);
    impl Score for Start {
        fn score(&self, nodes: &[u32], scores: &mut Vec<f32>) {
            self.0.set(self.0.get() + nodes.len());
            scores.clear();
            scores.extend(nodes.iter().map(|&node| node as f32));
        }
    }

    /// The nodes found and how many were scored, where `allow` lets nodes through. Each node is linked with four on either side.
    fn found(allow: impl Fn(usize) -> bool) -> (Vec<u32>, usize) {
        let near =
            |node: u32| (node.saturating_sub(4)..(node + 5).min(NODES)).filter(move |&other| other != node);
        let table: Vec<u32> = (0..NODES)
            .flat_map(|node| near(node).chain(std::iter::repeat(super::super::beam::EMPTY)).take(8))
            .collect();
        let allow = BooleanBuffer::collect_bool(NODES as usize, allow);
        let (params, stop, rows) =
            (Params::default(), AtomicBool::new(false), (0..NODES).collect::<Vec<u32>>());
        let probe =
            Probe { queries: Queries::Float(&[]), k: 10, allow: Some(&allow), params: &params, stop: &stop };
        let scope = Scope::new(&probe, &rows, allow.count_set_bits(), WANTED);
        let (mut beam, score) = (Beam::default(), Start::default());
        scope.search(&mut beam, Links { table: &table, degree: 8 }, &score, 4, |_| [0]);
        (beam.pool.hits().map(|hit| hit.node).collect(), score.0.get())
    }

    #[test]
    fn a_walk_goes_as_far_as_a_scan_costs_more() {
        // A third of the nodes everywhere: a walk meets them soon.
        let (nodes, scored) = found(|node| node % 3 == 0);
        assert_eq!(nodes, (0..WANTED as u32).map(|i| 3 * i).collect::<Vec<_>>());
        assert!(scored < 300, "{scored}");
        // The same number, all of them far away: it soon sees that there are none, and all of them are scored.
        let third = NODES as usize / 3;
        let first = NODES as usize - third;
        let (nodes, scored) = found(|node| node >= first);
        assert_eq!(nodes, (first as u32..first as u32 + WANTED as u32).collect::<Vec<_>>());
        assert!((third..third + third / 4).contains(&scored), "{scored}");
        // So few that they are scored at once.
        let (nodes, scored) = found(|node| node % 200 == 7);
        assert_eq!((nodes.len(), scored), (WANTED, 100));
    }
}
