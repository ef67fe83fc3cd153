//! Best-first search over a graph, as all graph kinds do it: a pool of candidates sorted by score, of which the nearest
//! that was not expanded yet is expanded, until the pool holds nothing new.
//!
//! This is Algorithm 2 of Malkov & Yashunin 2016 with its two heaps replaced by one sorted array (as in DiskANN and
//! NSG): an insertion moves a few hundred bytes, which is cheaper than the sifting of two heaps, and "is there anything
//! nearer left" is a cursor. Nodes that a filter hides are no hits and may be many: those wait for their expansion in a heap.

use crate::kernel;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Ends a list of links that is shorter than its place.
pub const EMPTY: u32 = u32::MAX;
/// A graph has at most this many nodes: the pool keeps a flag beside a node's number.
pub const MAX_NODES: usize = 1 << 31;

/// Nodes that a scan scores together.
const SCANNED_AT_ONCE: usize = 256;

const EXPANDED: u32 = 1 << 31;
const NODE: u32 = EXPANDED - 1;

/// The links of one layer of a graph: `degree` places a node, filled from the front, [`EMPTY`] behind.
#[derive(Clone, Copy)]
pub struct Links<'a> {
    pub table: &'a [u32],
    pub degree: usize,
}

impl<'a> Links<'a> {
    /// The neighbours of `node`.
    pub fn of(self, node: u32) -> &'a [u32] {
        let places = self.places(node);
        let len = places.iter().position(|&n| n == EMPTY).unwrap_or(places.len());
        &places[..len]
    }

    fn places(self, node: u32) -> &'a [u32] {
        &self.table[node as usize * self.degree..][..self.degree]
    }
}

/// Scores nodes against whatever is searched for. Smaller is closer.
pub trait Score {
    /// Fills `scores` with the score of each of `nodes`.
    fn score(&self, nodes: &[u32], scores: &mut Vec<f32>);
}

/// A node and its score.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    pub score: f32,
    pub node: u32,
}

/// By score, then by node.
impl Ord for Scored {
    fn cmp(&self, other: &Scored) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(self.node.cmp(&other.node))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Scored) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Scored) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scored {}

/// The candidates of one search. Nodes that are not allowed lead the way as far as the `wanted`-th allowed node.
#[derive(Default)]
pub struct Pool {
    /// The best allowed nodes, at most `wanted`, sorted by score; `node` carries the flag.
    entries: Vec<Scored>,
    /// No entry before this one waits for its expansion.
    cursor: usize,
    wanted: usize,
    /// Nodes that are not allowed and wait for their expansion.
    hidden: BinaryHeap<Reverse<Scored>>,
    /// How many nodes [`Pool::next`] took, and how many of them are allowed.
    taken: usize,
    taken_allowed: usize,
}

impl Pool {
    /// Forgets everything; the next search wants so many allowed nodes.
    pub fn reset(&mut self, wanted: usize) {
        self.entries.clear();
        self.hidden.clear();
        self.cursor = 0;
        self.wanted = wanted.max(1);
        (self.taken, self.taken_allowed) = (0, 0);
    }

    /// Takes a node in, if it is near enough. Each node is inserted once.
    pub fn insert(&mut self, score: f32, node: u32, allowed: bool) {
        if self.is_beyond(score) {
            return;
        }
        if !allowed {
            self.hidden.push(Reverse(Scored { score, node }));
            return;
        }
        let at = self.entries.partition_point(|e| e.score <= score);
        self.entries.truncate(self.wanted - 1);
        self.entries.insert(at, Scored { score, node });
        self.cursor = self.cursor.min(at);
    }

    /// Takes the nearest node that was not expanded yet.
    pub fn next(&mut self) -> Option<u32> {
        let hidden = self.nearest_hidden();
        while let Some(entry) = self.entries.get_mut(self.cursor) {
            if entry.node & EXPANDED == 0 {
                if hidden.is_some_and(|hidden| hidden.score < entry.score) {
                    break;
                }
                let node = entry.node;
                entry.node |= EXPANDED;
                self.cursor += 1;
                self.taken += 1;
                self.taken_allowed += 1;
                return Some(node);
            }
            self.cursor += 1;
        }
        hidden?;
        self.taken += 1;
        self.hidden.pop().map(|Reverse(hidden)| hidden.node)
    }

    /// What [`Pool::next`] would take.
    fn peek(&self) -> Option<u32> {
        let waiting = self.entries[self.cursor..].iter().find(|entry| entry.node & EXPANDED == 0);
        waiting.copied().into_iter().chain(self.nearest_hidden()).min().map(|next| next.node)
    }

    fn nearest_hidden(&self) -> Option<Scored> {
        self.hidden.peek().map(|&Reverse(hidden)| hidden).filter(|hidden| !self.is_beyond(hidden.score))
    }

    /// Whether a score is no better than that of the last node wanted.
    fn is_beyond(&self, score: f32) -> bool {
        self.entries.len() >= self.wanted && self.entries.last().is_some_and(|worst| score >= worst.score)
    }

    /// How many allowed nodes it holds.
    pub fn found(&self) -> usize {
        self.entries.len()
    }

    /// The allowed nodes, best first.
    pub fn hits(&self) -> impl Iterator<Item = Scored> {
        self.entries.iter().map(|e| Scored { score: e.score, node: e.node & NODE })
    }
}

/// Which nodes a search has seen: a bit a node, so that it stays in the nearest cache. Only what was set is cleared.
#[derive(Default)]
pub struct Visited {
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    /// Forgets everything and makes room for `nodes`.
    pub fn reset(&mut self, nodes: usize) {
        for &word in &self.touched {
            self.words[word as usize] = 0;
        }
        self.touched.clear();
        self.words.resize(nodes.div_ceil(64), 0);
    }

    /// Adds `node`; whether it is new.
    pub fn insert(&mut self, node: u32) -> bool {
        let at = node / 64;
        let word = &mut self.words[at as usize];
        let before = *word;
        *word = before | 1 << (node % 64);
        if before == 0 {
            self.touched.push(at);
        }
        before != *word
    }
}

/// How a search ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Every candidate was expanded.
    Done,
    /// It scored more nodes than it may, or was told to stop.
    GaveUp,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub struct Walked {
    pub scored: usize,
    pub expanded: usize,
    /// Of the nodes expanded those that are allowed.
    pub allowed: usize,
}

/// A best-first search and the memory it reuses.
#[derive(Default)]
pub struct Beam {
    pub pool: Pool,
    visited: Visited,
    fresh: Vec<u32>,
    allowed: Vec<bool>,
    scores: Vec<f32>,
    /// Nodes scored by the search so far.
    scored: usize,
}

impl Beam {
    /// Searches `links` from `entries` for the `wanted` best nodes that `allow` lets through; they end up in `pool`.
    /// `go_on` is asked before each expansion.
    pub fn search(
        &mut self,
        links: Links,
        score: &impl Score,
        entries: &[u32],
        wanted: usize,
        allow: impl Fn(u32) -> bool,
        go_on: impl Fn(Walked) -> bool,
    ) -> End {
        self.visited.reset(links.table.len() / links.degree);
        self.pool.reset(wanted);
        self.scored = 0;
        self.fresh.clear();
        for &entry in entries {
            if self.visited.insert(entry) {
                self.fresh.push(entry);
            }
        }
        self.admit(score, &allow);
        while let Some(node) = self.pool.next() {
            let Pool { taken, taken_allowed, .. } = self.pool;
            if !go_on(Walked { scored: self.scored, expanded: taken, allowed: taken_allowed }) {
                return End::GaveUp;
            }
            // If no neighbour turns out to be nearer, this one is next.
            if let Some(next) = self.pool.peek() {
                kernel::prefetch(links.places(next));
            }
            self.fresh.clear();
            for &neighbour in links.of(node) {
                if self.visited.insert(neighbour) {
                    self.fresh.push(neighbour);
                }
            }
            self.admit(score, &allow);
        }
        End::Done
    }

    /// Scores all of `nodes`; the `wanted` best end up in `pool`. `stopped` is asked now and then.
    pub fn scan(
        &mut self,
        score: &impl Score,
        nodes: impl Iterator<Item = u32>,
        wanted: usize,
        stopped: impl Fn() -> bool,
    ) {
        self.pool.reset(wanted);
        let mut nodes = nodes.fuse();
        while !stopped() {
            self.fresh.clear();
            self.fresh.extend(nodes.by_ref().take(SCANNED_AT_ONCE));
            if self.fresh.is_empty() {
                return;
            }
            score.score(&self.fresh, &mut self.scores);
            for (&node, &score) in self.fresh.iter().zip(&self.scores) {
                self.pool.insert(score, node, true);
            }
        }
    }

    /// Scores those of `nodes` that the last search did not.
    pub fn score_new(&mut self, score: &impl Score, nodes: &[u32]) {
        self.fresh.clear();
        for &node in nodes {
            if self.visited.insert(node) {
                self.fresh.push(node);
            }
        }
        score.score(&self.fresh, &mut self.scores);
    }

    /// The nearest node to be found from `entry` by always going to the best neighbour.
    pub fn descend(&mut self, links: Links, score: &impl Score, entry: u32) -> u32 {
        self.fresh.clear();
        self.fresh.push(entry);
        score.score(&self.fresh, &mut self.scores);
        let mut best = Scored { score: self.scores[0], node: entry };
        loop {
            let neighbours = links.of(best.node);
            score.score(neighbours, &mut self.scores);
            let scored = neighbours.iter().zip(&self.scores).map(|(&node, &score)| Scored { score, node });
            match scored.min().filter(|next| next.score < best.score) {
                Some(next) => best = next,
                None => return best.node,
            }
        }
    }

    fn admit(&mut self, score: &impl Score, allow: &impl Fn(u32) -> bool) {
        // All at once: what they ask of the memory then comes at once too.
        self.allowed.clear();
        self.allowed.extend(self.fresh.iter().map(|&node| allow(node)));
        score.score(&self.fresh, &mut self.scores);
        self.scored += self.fresh.len();
        for ((&node, &score), &allowed) in self.fresh.iter().zip(&self.scores).zip(&self.allowed) {
            self.pool.insert(score, node, allowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes on a line, searched for the one at `goal`.
    struct Line(f32);
    impl Score for Line {
        fn score(&self, nodes: &[u32], scores: &mut Vec<f32>) {
            scores.clear();
            scores.extend(nodes.iter().map(|&n| (n as f32 - self.0).abs()));
        }
    }

    /// Every node is linked with the next and the one before.
    fn line(nodes: u32) -> Vec<u32> {
        let ends = |n: u32| [n.checked_sub(1), (n + 1 < nodes).then_some(n + 1)];
        let full = |n| {
            let mut links: Vec<u32> = ends(n).into_iter().flatten().collect();
            links.resize(2, EMPTY);
            links
        };
        (0..nodes).flat_map(full).collect()
    }

    fn nodes(beam: &Beam) -> Vec<u32> {
        beam.pool.hits().map(|hit| hit.node).collect()
    }

    #[test]
    fn walks_to_the_goal() {
        let table = line(100);
        let links = Links { table: &table, degree: 2 };
        let mut beam = Beam::default();
        for (goal, nearest) in [(70.2, [70, 71, 69]), (0.1, [0, 1, 2]), (98.8, [99, 98, 97])] {
            assert_eq!(beam.search(links, &Line(goal), &[0], 3, |_| true, |_| true), End::Done);
            assert_eq!(nodes(&beam), nearest);
            assert_eq!(beam.descend(links, &Line(goal), 50), nearest[0]);
        }
    }

    #[test]
    fn nodes_that_are_not_allowed_lead_the_way() {
        let table = line(100);
        let links = Links { table: &table, degree: 2 };
        let mut beam = Beam::default();
        beam.search(links, &Line(50.2), &[3], 4, |n| n % 10 == 0, |_| true);
        assert_eq!(nodes(&beam), [50, 60, 40, 70]);
        assert_eq!(beam.pool.found(), 4);
        beam.search(links, &Line(99.0), &[3, 98, 3], 1, |n| n == 99, |walked| walked.scored < 8);
        assert_eq!(nodes(&beam), [99]);
        beam.search(links, &Line(50.2), &[3], 4, |n| n == 99, |_| true);
        assert_eq!(nodes(&beam), [99]);
        assert_eq!(
            beam.search(links, &Line(50.2), &[3], 4, |n| n == 99, |walked| walked.scored < 20),
            End::GaveUp
        );
    }

    #[test]
    fn a_scan_needs_no_links() {
        let mut beam = Beam::default();
        beam.scan(&Line(50.2), (0..1000).filter(|n| n % 10 == 0), 4, || false);
        assert_eq!(nodes(&beam), [50, 60, 40, 70]);
        beam.scan(&Line(999.0), 0..1000, 2, || false);
        assert_eq!(nodes(&beam), [999, 998]);
        beam.scan(&Line(1.0), 0..1000, 2, || true);
        assert_eq!(beam.pool.found(), 0);
    }

    #[test]
    fn visited_forgets() {
        let mut visited = Visited::default();
        for nodes in [130, 64, 1000] {
            visited.reset(nodes);
            for node in 0..nodes as u32 {
                assert!(visited.insert(node) && !visited.insert(node));
            }
        }
    }
}
