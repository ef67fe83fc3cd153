//! The graph of nearest neighbours that NSG starts from: for each node the `k` nearest others, nearly all of them right.
//!
//! The nodes of each group of a forest of random trees are compared with each other, in blocks of integer products; then
//! neighbours of neighbours are looked at, which are likely to be neighbours (NN-descent, Dong, Moses & Li 2011; trees
//! before it as in EFANNA, Fu & Cai 2016). Everything is decided by integers, and each step writes lists that no other
//! reads, so that the graph is the same on every machine and at any number of threads.

use super::forest::{self, Groups};
use crate::error::Result;
use crate::index::catalog::Metric;
use crate::index::graph::beam::{EMPTY, Visited};
use crate::index::graph::space::Space;
use crate::index::{BuildContext, Progress};
use crate::kernel;
use crate::quant::sq7::ZERO_CODE;
use rayon::prelude::*;

/// Nodes of a group, at most: their codes fit into the second cache.
pub const GROUP: usize = 512;
const TREES: usize = 8;
/// Rounds of looking at neighbours' neighbours.
const ROUNDS: usize = 2;
/// Neighbours whose neighbours are looked at, and how many of each.
const REACH: usize = 24;
/// Nodes of a round that see the same lists.
const BATCH: usize = 1024;
/// Queries of a block of products: its scores stay in the second cache.
const PANEL: usize = 64;
/// Bytes of codes that are multiplied between two checkpoints.
const WORK: usize = 1 << 30;

/// A neighbour: its score in the upper half, in an order-preserving form, and its number in the lower one. Equal keys are
/// the same neighbour, because the score of two nodes is one number.
type Key = u64;

/// Lists of `k` neighbours a node, the nearest first, ended by [`EMPTY`] where there are fewer. 8 `k` bytes a node.
pub struct Neighbours {
    pub nodes: Vec<u32>,
    scores: Vec<u32>,
    pub k: usize,
}

/// What the work of [`Neighbours::find`] is in units of a node's way down a level of a tree, for [`Progress`].
pub fn work(total: usize) -> u64 {
    let levels = forest::depth(total, GROUP) + GROUP_WORK;
    (total * ((TREES - 1) * levels + GROUP_WORK + ROUNDS * ROUND_WORK)) as u64
}

const GROUP_WORK: usize = 64;
const ROUND_WORK: usize = 100;

impl Neighbours {
    /// The lists of all nodes of `space`. `first` is the first tree, by whose groups the nodes are numbered.
    pub fn find(
        space: &Space,
        k: usize,
        first: &Groups,
        context: &BuildContext,
        progress: &mut Progress,
    ) -> Result<Neighbours> {
        let places = space.offsets.len() * k;
        let mut found = Neighbours { nodes: vec![EMPTY; places], scores: vec![u32::MAX; places], k };
        let numbers: Vec<u32> = (0..space.offsets.len() as u32).collect();
        let first = first.ranges().map(|range| numbers[range].to_vec()).collect::<Vec<_>>();
        found.compare(space, &first, context, progress)?;
        for tree in 1..TREES {
            let groups = forest::grow(space, tree as u64, GROUP, context, progress)?;
            let groups = groups.ranges().map(|range| groups.nodes[range].to_vec()).collect::<Vec<_>>();
            found.compare(space, &groups, context, progress)?;
        }
        for _ in 0..ROUNDS {
            found.look_around(space, context, progress)?;
        }
        Ok(found)
    }

    /// Compares the nodes of each group with each other.
    fn compare(
        &mut self,
        space: &Space,
        groups: &[Vec<u32>],
        context: &BuildContext,
        progress: &mut Progress,
    ) -> Result<()> {
        let k = self.k;
        let step = (WORK / (GROUP * GROUP * space.stride)).clamp(1, 64);
        for groups in groups.chunks(step) {
            let lists = |group: &Vec<u32>| -> Vec<Vec<Key>> {
                group.iter().map(|&node| self.list(node).collect()).collect()
            };
            let merged: Vec<Vec<Vec<Key>>> = context.pool.install(|| {
                let compare = |block: &mut Block, group: &Vec<u32>| {
                    let mut lists = lists(group);
                    block.compare(space, group, &mut lists, k);
                    lists
                };
                groups.par_iter().map_init(Block::default, compare).collect()
            });
            for (group, lists) in groups.iter().zip(&merged) {
                for (&node, list) in group.iter().zip(lists) {
                    self.write(node, list);
                }
                progress.advance((group.len() * GROUP_WORK) as u64)?;
            }
        }
        Ok(())
    }

    /// Looks at the neighbours of each node's neighbours.
    fn look_around(&mut self, space: &Space, context: &BuildContext, progress: &mut Progress) -> Result<()> {
        let total = space.offsets.len() as u32;
        for start in (0..total).step_by(BATCH) {
            let batch = start..(start + BATCH as u32).min(total);
            let lists: Vec<Vec<Key>> = context.pool.install(|| {
                let look = |around: &mut Around, node: u32| around.look(space, self, node);
                batch.clone().into_par_iter().map_init(Around::default, look).collect()
            });
            for (node, list) in batch.clone().zip(&lists) {
                self.write(node, list);
            }
            progress.advance((batch.len() * ROUND_WORK) as u64)?;
        }
        Ok(())
    }

    /// The neighbours of `node`.
    pub fn of(&self, node: u32) -> &[u32] {
        let places = &self.nodes[node as usize * self.k..][..self.k];
        let len = places.iter().position(|&n| n == EMPTY).unwrap_or(self.k);
        &places[..len]
    }

    fn list(&self, node: u32) -> impl Iterator<Item = Key> {
        let scores = &self.scores[node as usize * self.k..][..self.k];
        self.of(node).iter().zip(scores).map(|(&node, &score)| key(score, node))
    }

    fn write(&mut self, node: u32, list: &[Key]) {
        let at = node as usize * self.k;
        for (place, &key) in list.iter().enumerate() {
            (self.scores[at + place], self.nodes[at + place]) = ((key >> 32) as u32, key as u32);
        }
    }
}

fn key(score: u32, node: u32) -> Key {
    Key::from(score) << 32 | Key::from(node)
}

/// Takes `new` (in any order) into the sorted `list`, which keeps the best `k`.
fn merge(list: &mut Vec<Key>, new: &mut Vec<Key>, k: usize) {
    if new.len() > k {
        new.select_nth_unstable(k);
        new.truncate(k);
    }
    list.append(new);
    list.sort_unstable();
    list.dedup();
    list.truncate(k);
}

/// What a node's score takes beside its code.
#[derive(Clone, Copy)]
struct Own {
    offset: i32,
    shift: i32,
}

/// A code as a query, and what its scores take beside it.
fn aim(space: &Space, node: u32, bytes: &mut Vec<i8>) -> Own {
    let code = &space.codes[node as usize * space.stride..][..space.stride];
    let (start, dim) = (bytes.len(), space.quantizer.mean.len());
    bytes.extend(code[..dim].iter().map(|&c| (i32::from(c) - ZERO_CODE) as i8));
    let sum: i32 = bytes[start..].iter().map(|&b| i32::from(b)).sum();
    bytes.resize(start + space.stride, 0);
    Own { offset: space.offsets[node as usize], shift: ZERO_CODE * sum }
}

/// The score of two nodes by the inner product of one's query with the other's code, ordered as unsigned numbers. A
/// distance fits: at most 32,768 dimensions of squares up to 64^2 are below 2^28, and four of them are in one. The offsets
/// of inner products have no such bound, as they grow with the mean: beyond the range all are equal.
fn score(metric: Metric, own: Own, dot: i32, offset: i32) -> u32 {
    let dot = dot - own.shift;
    let score = if metric == Metric::Ip {
        own.offset.saturating_add(offset).saturating_add(dot).saturating_neg()
    } else {
        own.offset + offset - 2 * dot
    };
    score as u32 ^ 1 << 31
}

/// The codes of a group side by side, and the buffers of comparing them.
#[derive(Default)]
struct Block {
    codes: Vec<u8>,
    queries: Vec<i8>,
    owns: Vec<Own>,
    dots: Vec<i32>,
    new: Vec<Key>,
}

impl Block {
    fn compare(&mut self, space: &Space, group: &[u32], lists: &mut [Vec<Key>], k: usize) {
        self.codes.clear();
        self.queries.clear();
        self.owns.clear();
        for &node in group {
            let code = &space.codes[node as usize * space.stride..][..space.stride];
            self.codes.extend_from_slice(code);
            self.owns.push(aim(space, node, &mut self.queries));
        }
        let panels = self.queries.chunks(PANEL * space.stride).zip(lists.chunks_mut(PANEL));
        for (panel, (queries, lists)) in panels.enumerate() {
            self.dots.resize(lists.len() * group.len(), 0);
            kernel::dot_code_block(queries, &self.codes, space.stride, &mut self.dots);
            for (i, (list, dots)) in lists.iter_mut().zip(self.dots.chunks_exact(group.len())).enumerate() {
                let place = panel * PANEL + i;
                let own = self.owns[place];
                let worst = if list.len() < k { Key::MAX } else { list[k - 1] };
                self.new.clear();
                for ((&node, &dot), other) in group.iter().zip(dots).zip(&self.owns) {
                    let key = key(score(space.metric, own, dot, other.offset), node);
                    if key < worst && node != group[place] {
                        self.new.push(key);
                    }
                }
                merge(list, &mut self.new, k);
            }
        }
    }
}

/// The buffers of looking around.
#[derive(Default)]
struct Around {
    seen: Visited,
    query: Vec<i8>,
    nodes: Vec<u32>,
    dots: Vec<i32>,
    new: Vec<Key>,
}

impl Around {
    /// The list of `node` with its neighbours' neighbours among them.
    fn look(&mut self, space: &Space, lists: &Neighbours, node: u32) -> Vec<Key> {
        let own = lists.of(node);
        self.seen.reset(space.offsets.len());
        self.seen.insert(node);
        for &neighbour in own {
            self.seen.insert(neighbour);
        }
        self.nodes.clear();
        for &neighbour in own.iter().take(REACH) {
            for &next in lists.of(neighbour).iter().take(REACH) {
                if self.seen.insert(next) {
                    self.nodes.push(next);
                }
            }
        }
        self.query.clear();
        let aimed = aim(space, node, &mut self.query);
        self.dots.resize(self.nodes.len(), 0);
        kernel::dot_code_gather(&self.query, &space.codes, &self.nodes, &mut self.dots);
        let mut list: Vec<Key> = lists.list(node).collect();
        let worst = if list.len() < lists.k { Key::MAX } else { list[lists.k - 1] };
        let scored = self.nodes.iter().zip(&self.dots);
        let keys =
            scored.map(|(&n, &dot)| key(score(space.metric, aimed, dot, space.offsets[n as usize]), n));
        self.new.clear();
        self.new.extend(keys.filter(|&key| key < worst));
        merge(&mut list, &mut self.new, lists.k);
        list
    }
}
