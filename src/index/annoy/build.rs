//! Growing the trees: all of a group together, level by level, each node a task of its own.
//!
//! A node is split as annoy splits it: two means of points drawn at random, each point moving the mean that it is nearer
//! to (a mean counts as the farther, the more points it has, which keeps sides even), and the plane half way between
//! them. All of it in integers, on the codes of the rows: the same trees on every machine and at any number of threads.

use super::super::shadow::Shadow;
use super::super::{BuildContext, Progress};
use super::forest::{Node, Tree};
use crate::error::Result;
use crate::kernel;
use crate::quant::random::{Random, hash};
use rayon::prelude::*;

/// Points drawn for two means; annoy draws 200, which gives no better trees.
const DRAWN: usize = 64;
/// Each side of a plane gets at least this part of its rows (else the plane is moved), so that trees are not too deep.
const LEAST_SHARE: usize = 20;
/// Trees that grow together.
const GROUP: usize = 16;
/// Bytes of codes that are looked at between two checkpoints.
const STEP_BYTES: usize = 1 << 28;
/// Rows of a node whose products are computed by one thread.
const CHUNK_ROWS: usize = 1 << 14;
/// What a normal has in the lifted dimension at most: products stay far from overflowing.
const MAX_LIFT: f32 = (1 << 15) as f32;

/// The rows as the trees see them.
pub struct Ground<'a> {
    pub shadow: &'a Shadow,
    /// The value of each row in one more dimension, in steps of the codes; none but for inner products.
    pub lifts: &'a [i32],
    /// The most rows of a leaf.
    pub leaf: usize,
}

/// A tree that grows.
struct Growing {
    tree: Tree,
    /// What its nodes draw their points with.
    seed: u64,
    /// The number of the next node.
    next: u32,
    leaves: Vec<(u32, u32)>,
}

/// A range of a tree's places that is to be split.
#[derive(Clone, Copy)]
struct Task {
    /// In its group.
    tree: usize,
    node: u32,
    start: u32,
    end: u32,
}

struct Split {
    cut: usize,
    threshold: i32,
    lift: i32,
    weight: f32,
    normal: Vec<i8>,
}

/// A mean of codes.
struct Mean {
    sums: Vec<u16>,
    lift: i64,
    count: u16,
    /// The mean, rounded.
    bytes: Vec<i8>,
    /// Its squared length.
    norm: i64,
}

/// Grows `count` trees over all rows. Their places are rows, sorted within each leaf after `place` has named them:
/// it is called with the rows in the order of the first tree's leaves, and says where each row is.
pub fn grow(
    ground: &Ground,
    count: usize,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<(Vec<Tree>, Vec<u32>)> {
    let rows = ground.shadow.norms().len();
    let (mut trees, mut order, mut place) = (Vec::with_capacity(count), Vec::new(), Vec::new());
    for first in (0..count).step_by(GROUP) {
        let seeds = (first..(first + GROUP).min(count)).map(|tree| mix(context.seed, tree as u64));
        let mut group: Vec<Growing> = seeds.map(|seed| Growing::new(rows, seed)).collect();
        grow_group(ground, &mut group, context, progress)?;
        if first == 0 {
            group[0].sort_leaves();
            order = std::mem::take(&mut group[0].tree.places);
            group[0].tree.places = (0..rows as u32).collect();
            place = inverse(&order);
        }
        context.pool.install(|| {
            let others = group.par_iter_mut().skip(usize::from(first == 0));
            others.for_each(|growing| {
                growing.tree.places.iter_mut().for_each(|row| *row = place[*row as usize]);
                growing.sort_leaves();
            });
        });
        progress.advance(0)?;
        trees.extend(group.into_iter().map(|growing| growing.tree));
    }
    Ok((trees, order))
}

fn inverse(order: &[u32]) -> Vec<u32> {
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, &row)| place[row as usize] = at as u32);
    place
}

fn grow_group(
    ground: &Ground,
    group: &mut [Growing],
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<()> {
    let rows = ground.shadow.norms().len();
    let mut level = Vec::new();
    for (tree, growing) in group.iter_mut().enumerate() {
        progress.advance(growing.wait(ground.leaf, tree, 0, rows as u32, &mut level))?;
    }
    while !level.is_empty() {
        let mut below = Vec::new();
        let mut rest = level.as_slice();
        while !rest.is_empty() {
            let (step, later) = rest.split_at(step_of(ground, rest));
            rest = later;
            let seeds: Vec<u64> = group.iter().map(|growing| growing.seed).collect();
            let jobs = slices(group, step);
            let split = |(task, rows): (Task, &mut [u32])| {
                ground.split(rows, Random::new(mix(seeds[task.tree], u64::from(task.node))))
            };
            let splits: Vec<Split> = context.pool.install(|| jobs.into_par_iter().map(split).collect());
            let mut settled = 0;
            for (task, split) in step.iter().zip(splits) {
                settled += group[task.tree].record(ground.leaf, *task, split, &mut below);
            }
            progress.advance(settled)?;
        }
        level = below;
    }
    Ok(())
}

/// How many of `tasks` are done before the next checkpoint.
fn step_of(ground: &Ground, tasks: &[Task]) -> usize {
    let mut bytes = 0;
    let within = tasks.iter().take_while(|task| {
        // A drawn point costs as much as a few rows.
        bytes += ((task.end - task.start) as usize + 8 * DRAWN) * ground.shadow.stride();
        bytes <= STEP_BYTES
    });
    within.count().max(1)
}

/// The part of its tree that each task may change. Tasks are sorted by tree and place.
fn slices<'a>(group: &'a mut [Growing], tasks: &[Task]) -> Vec<(Task, &'a mut [u32])> {
    let mut slices = Vec::with_capacity(tasks.len());
    let mut tasks = tasks.iter().peekable();
    for (tree, growing) in group.iter_mut().enumerate() {
        let (mut rest, mut at) = (growing.tree.places.as_mut_slice(), 0);
        while let Some(&task) = tasks.next_if(|task| task.tree == tree) {
            let (_, from) = rest.split_at_mut((task.start - at) as usize);
            let (mine, after) = from.split_at_mut((task.end - task.start) as usize);
            slices.push((task, mine));
            (rest, at) = (after, task.end);
        }
    }
    slices
}

impl Growing {
    fn new(rows: usize, seed: u64) -> Growing {
        let tree = Tree { places: (0..rows as u32).collect(), ..Tree::default() };
        Growing { tree, seed, next: 0, leaves: Vec::new() }
    }

    /// Puts a range among those that are to be split, if it is too large for a leaf; else returns its length.
    fn wait(&mut self, leaf: usize, tree: usize, start: u32, end: u32, tasks: &mut Vec<Task>) -> u64 {
        if (end - start) as usize > leaf {
            tasks.push(Task { tree, node: self.next, start, end });
            self.next += 1;
            return 0;
        }
        self.leaves.push((start, end));
        u64::from(end - start)
    }

    /// Adds a node. Returns how many rows are in leaves now that were not before.
    fn record(&mut self, leaf: usize, task: Task, split: Split, below: &mut Vec<Task>) -> u64 {
        let Split { cut, threshold, lift, weight, normal } = split;
        let cut = task.start + cut as u32;
        self.tree.nodes.push(Node { cut, child: self.next, threshold, lift, weight });
        self.tree.normals.extend_from_slice(&normal);
        self.wait(leaf, task.tree, task.start, cut, below) + self.wait(leaf, task.tree, cut, task.end, below)
    }

    fn sort_leaves(&mut self) {
        for &(start, end) in &self.leaves {
            self.tree.places[start as usize..end as usize].sort_unstable();
        }
    }
}

impl Ground<'_> {
    fn code(&self, row: u32) -> &[u8] {
        self.shadow.codes(row as usize..row as usize + 1)
    }

    fn lift(&self, row: u32) -> i32 {
        self.lifts.get(row as usize).copied().unwrap_or(0)
    }

    /// Divides at least two rows by a plane, those on its left side first.
    fn split(&self, rows: &mut [u32], mut random: Random) -> Split {
        let [left, right] = self.two_means(rows, &mut random);
        let (normal, lift, middle) = plane(&left, &right);
        let mut products = vec![0; rows.len()];
        let chunks = rows.par_chunks(CHUNK_ROWS).zip(products.par_chunks_mut(CHUNK_ROWS));
        chunks.for_each(|(rows, products)| {
            kernel::dot_code_gather(&normal, self.shadow.codes(0..self.shadow.norms().len()), rows, products);
            if lift != 0 {
                products.iter_mut().zip(rows).for_each(|(product, &row)| *product += lift * self.lift(row));
            }
        });
        let mut sided: Vec<(i32, u32)> = products.into_iter().zip(rows.iter().copied()).collect();
        let below = sided.iter().filter(|(product, _)| *product < middle).count();
        let (all, least) = (sided.len(), (sided.len() / LEAST_SHARE).max(1));
        // A plane beside all rows says nothing of where they lie: half of them each.
        let cut = if below == 0 || below == all { all / 2 } else { below.clamp(least, all - least) };
        let threshold = if cut == below {
            let (mut at_left, mut at_right) = (0, cut);
            for &(product, row) in &sided {
                let at = if product < middle { &mut at_left } else { &mut at_right };
                rows[*at] = row;
                *at += 1;
            }
            middle
        } else {
            let threshold = sided.select_nth_unstable(cut).1.0;
            rows.iter_mut().zip(&sided).for_each(|(row, sided)| *row = sided.1);
            threshold
        };
        let norm = normal.iter().map(|&n| i64::from(n) * i64::from(n)).sum::<i64>() + i64::from(lift).pow(2);
        let weight = if norm > 0 { 1.0 / norm as f32 } else { 0.0 };
        Split { cut, threshold, lift, weight, normal }
    }

    /// Two means of points drawn from at least two rows.
    fn two_means(&self, rows: &[u32], random: &mut Random) -> [Mean; 2] {
        let first = random.below(rows.len());
        let second = (first + 1 + random.below(rows.len() - 1)) % rows.len();
        let mut means = [first, second].map(|at| Mean::new(self.code(rows[at]), self.lift(rows[at])));
        for _ in 0..DRAWN {
            let row = rows[random.below(rows.len())];
            let (code, lift) = (self.code(row), i64::from(self.lift(row)));
            let norm = code.iter().map(|&c| i32::from(c) * i32::from(c)).sum::<i32>();
            let norm = i64::from(norm) + lift * lift;
            let [left, right] = &mut means;
            let distance = |mean: &Mean| i64::from(mean.count) * mean.distance(code, lift, norm);
            let nearer = if distance(left) < distance(right) { left } else { right };
            nearer.add(code, lift);
        }
        means
    }
}

impl Mean {
    fn new(code: &[u8], lift: i32) -> Mean {
        let sums = vec![0; code.len()];
        let mut mean = Mean { sums, lift: 0, count: 0, bytes: vec![0; code.len()], norm: 0 };
        mean.add(code, i64::from(lift));
        mean
    }

    /// A mean of at most 516 codes.
    fn add(&mut self, code: &[u8], lift: i64) {
        self.count += 1;
        self.lift += lift;
        self.sums.iter_mut().zip(code).for_each(|(sum, &c)| *sum += u16::from(c));
        if self.count == 1 {
            self.bytes.iter_mut().zip(code).for_each(|(byte, &c)| *byte = c as i8);
        } else {
            // Multiplied by the inverse, in sixteenth bits: there are few instructions that divide.
            let (half, inverse) = (self.count / 2, u32::from(u16::MAX / self.count));
            for (byte, &sum) in self.bytes.iter_mut().zip(&self.sums) {
                *byte = ((u32::from(sum + half) * inverse) >> 16) as i8;
            }
        }
        let norm = self.bytes.iter().map(|&b| i32::from(b) * i32::from(b)).sum::<i32>();
        self.norm = i64::from(norm) + self.mean_lift().pow(2);
    }

    fn mean_lift(&self) -> i64 {
        self.lift / i64::from(self.count)
    }

    /// The squared distance of a code whose own squared length is `norm`.
    fn distance(&self, code: &[u8], lift: i64, norm: i64) -> i64 {
        let dot = i64::from(kernel::dot_code(&self.bytes, code)) + self.mean_lift() * lift;
        self.norm + norm - 2 * dot
    }

    /// Its value in one dimension of the codes.
    fn value(&self, at: usize) -> f32 {
        f32::from(self.sums[at]) / f32::from(self.count)
    }
}

/// The plane half way between two means, as a normal (its value in the lifted dimension apart) and what a product with
/// it has on the plane.
fn plane(left: &Mean, right: &Mean) -> (Vec<i8>, i32, i32) {
    let apart = |at: usize| right.value(at) - left.value(at);
    let lifts = [left, right].map(|mean| mean.lift as f32 / f32::from(mean.count));
    let lift = lifts[1] - lifts[0];
    let largest = (0..left.sums.len()).map(|at| apart(at).abs()).fold(0.0, f32::max);
    let scale = (f32::from(i8::MAX) / largest).min(MAX_LIFT / lift.abs());
    let scale = if scale.is_finite() { scale } else { 0.0 };
    let normal: Vec<i8> = (0..left.sums.len()).map(|at| (apart(at) * scale).round() as i8).collect();
    let lift = (lift * scale).round();
    let mut middle = f64::from(lift) * f64::from(lifts[0] + lifts[1]) / 2.0;
    for (at, &n) in normal.iter().enumerate() {
        middle += f64::from(n) * f64::from(left.value(at) + right.value(at)) / 2.0;
    }
    (normal, lift as i32, middle.ceil() as i32)
}

/// A seed for the `number`-th part of what has `seed`.
fn mix(seed: u64, number: u64) -> u64 {
    hash(hash(seed, 0) ^ number, 0)
}
