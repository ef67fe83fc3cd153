//! Splitting nodes into small groups of near ones: random projection trees (Dasgupta & Freund 2008) whose planes lie
//! between two of the nodes, as in annoy, and halve them. Codes and integers only, so that a tree is the same on every
//! machine.

use crate::error::Result;
use crate::index::graph::beam::Score;
use crate::index::graph::space::{Points, Scorer, Space, Target};
use crate::index::{BuildContext, Progress};
use crate::quant::random::hash;
use rayon::prelude::*;

/// Nodes whose side is found at once by one thread.
const CHUNK: usize = 4096;
/// Chunks between two checkpoints.
const CHUNKS: usize = 64;

/// A node on its way down a tree: its side in the upper half, its number in the lower one.
type Key = u64;

/// All nodes, those of a group side by side; and where groups end.
pub struct Groups {
    pub nodes: Vec<u32>,
    /// The lengths of all groups are equal, but for one.
    ends: Vec<usize>,
}

impl Groups {
    pub fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| start..end)
    }
}

/// How many levels of halving leave at most `largest` of `nodes` in a group.
pub fn depth(nodes: usize, largest: usize) -> usize {
    let mut depth = 0;
    while nodes.div_ceil(1 << depth) > largest {
        depth += 1;
    }
    depth
}

/// Grows tree number `tree`; groups have at most `largest` nodes, and their nodes are in rising order.
/// Tells `progress` about every node once a level.
pub fn grow(
    space: &Space,
    tree: u64,
    largest: usize,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Groups> {
    let total = space.offsets.len();
    let mut keys: Vec<Key> = (0..total as Key).collect();
    let mut ends = vec![total];
    for level in 0..depth(total, largest) {
        let mut halves = Vec::with_capacity(2 * ends.len());
        let mut pieces = Vec::new();
        let mut rest = &mut keys[..];
        let mut start = 0;
        for &end in &ends {
            let (group, others) = std::mem::take(&mut rest).split_at_mut(end - start);
            let seed = hash(context.seed ^ hash(tree << 32 ^ (level as u64) << 24, 0) ^ start as u64, 0);
            let pivots = pivots(group, seed);
            pieces.extend(group.chunks_mut(CHUNK).map(|chunk| (chunk, pivots)));
            halves.extend([start + (end - start).div_ceil(2), end]);
            (rest, start) = (others, end);
        }
        for pieces in pieces.chunks_mut(CHUNKS) {
            progress.advance(pieces.iter().map(|(chunk, _)| chunk.len() as u64).sum())?;
            context.pool.install(|| {
                pieces.par_iter_mut().for_each_init(Sides::default, |sides, (chunk, pivots)| {
                    sides.find(space, chunk, *pivots);
                });
            });
        }
        context.pool.install(|| halve(&mut keys, &ends));
        ends = halves;
    }
    let mut nodes: Vec<u32> = keys.into_iter().map(|key| key as u32).collect();
    let mut start = 0;
    for &end in &ends {
        nodes[start..end].sort_unstable();
        start = end;
    }
    Ok(Groups { nodes, ends })
}

/// Two different places of a group, by chance.
fn pivots(group: &[Key], seed: u64) -> [u32; 2] {
    let len = group.len() as u64;
    let first = seed % len;
    let second = (first + 1 + hash(seed, 0) % (len - 1)) % len;
    [group[first as usize] as u32, group[second as usize] as u32]
}

/// The buffers of one thread.
#[derive(Default)]
struct Sides {
    target: Target,
    nodes: Vec<u32>,
    scores: [Vec<f32>; 2],
}

impl Sides {
    /// Gives each node how much nearer it is to the first pivot than to the second.
    fn find(&mut self, space: &Space, chunk: &mut [Key], pivots: [u32; 2]) {
        let Sides { target, nodes, scores } = self;
        nodes.clear();
        nodes.extend(chunk.iter().map(|&key| key as u32));
        for (pivot, scores) in pivots.into_iter().zip(scores.iter_mut()) {
            space.aim_at_node(pivot, target);
            Scorer { space, target }.score(nodes, scores);
        }
        for (key, (first, second)) in chunk.iter_mut().zip(scores[0].iter().zip(&scores[1])) {
            *key = Key::from(ordered(first - second)) << 32 | Key::from(*key as u32);
        }
    }
}

/// Moves the nearer half of each group to its front.
fn halve(keys: &mut [Key], ends: &[usize]) {
    let mut groups = Vec::with_capacity(ends.len());
    let (mut rest, mut start) = (keys, 0);
    for &end in ends {
        let (group, others) = std::mem::take(&mut rest).split_at_mut(end - start);
        groups.push(group);
        (rest, start) = (others, end);
    }
    groups.into_par_iter().for_each(|group| {
        let middle = group.len().div_ceil(2);
        if middle < group.len() {
            group.select_nth_unstable(middle);
        }
    });
}

/// A number that is ordered as `value` is.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}
