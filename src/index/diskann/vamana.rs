//! The graph of DISKANN: Vamana (Subramanya et al. 2019), built in one pass over batches of nodes (ParlayANN, Manohar et
//! al. 2024) and not in two passes over single ones.
//!
//! A batch is at most a sixteenth of what is there. Each of its nodes searches the graph as it is and keeps a few of what
//! it finds, by robust pruning; then the reverse links are grouped by the node that they start from, and each such node
//! takes them in. Both steps depend on the state before them alone, so that the graph is the same at any number of
//! threads.

use crate::error::Result;
use crate::index::graph::beam::{Beam, EMPTY, Links, Scored};
use crate::index::graph::select::{Rule, Selector};
use crate::index::graph::space::{Points, Scorer, Space, Target};
use crate::index::{BuildContext, Progress};
use parking_lot::Mutex;
use rayon::prelude::*;
use std::ops::Range;

/// Nodes inserted at once, at most.
const BATCH: usize = 1024;
/// A batch is at most this part of the nodes that are there already.
const BATCH_SHARE: usize = 16;
/// Bytes of codes that the nodes between two checkpoints have together.
const STEP_BYTES: usize = 32 << 10;
/// How much nearer a kept neighbour must be to hide a candidate: the paper's value, for squared distances.
const ALPHA: f32 = 1.2;

/// What shapes a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Links a node has at most.
    pub degree: usize,
    /// Candidates that an insertion looks at.
    pub list: usize,
}

impl Shape {
    /// Places for links while the graph is built: a node that has no place left is pruned to its degree, which is then
    /// not due with every link.
    pub fn places(&self) -> usize {
        self.degree + self.degree.div_ceil(4)
    }

    fn rule(&self) -> Rule {
        Rule { limit: self.degree, alpha: ALPHA }
    }
}

/// A link that waits to be written.
#[derive(Clone, Copy)]
struct Reverse {
    from: u32,
    to: Scored,
}

#[derive(Default)]
struct Worker {
    beam: Beam,
    target: Target,
    selector: Selector,
    candidates: Vec<Scored>,
}

struct Builder<'a> {
    space: &'a Space,
    shape: Shape,
    table: Vec<u32>,
    /// Places of a node: [`Shape::places`] while the graph grows, in the end its degree.
    places: usize,
    context: &'a BuildContext<'a>,
    /// One for each thread of the pool.
    workers: Vec<Mutex<Worker>>,
}

/// Links all nodes of `space`: `shape.degree` places a node, the nearest link first, [`EMPTY`] behind the last. Node 0 is
/// the entry, from which all others are reached. Advances by one for each node.
pub fn build(
    space: &Space,
    nodes: usize,
    shape: Shape,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Vec<u32>> {
    let workers = (0..context.pool.current_num_threads()).map(|_| Mutex::default()).collect();
    let table = vec![EMPTY; nodes * shape.places()];
    let mut builder = Builder { space, shape, table, places: shape.places(), context, workers };
    let mut done = 1;
    while done < nodes {
        let batch = (done / BATCH_SHARE).clamp(1, BATCH).min(nodes - done);
        builder.insert(done..done + batch, progress)?;
        done += batch;
    }
    builder.prune(progress)?;
    builder.connect(progress)?;
    Ok(builder.table)
}

impl Builder<'_> {
    fn links(&self) -> Links<'_> {
        Links { table: &self.table, degree: self.places }
    }

    fn place(&mut self, node: u32) -> &mut [u32] {
        &mut self.table[node as usize * self.places..][..self.places]
    }

    fn insert(&mut self, batch: Range<usize>, progress: &mut Progress) -> Result<()> {
        let mut links: Vec<Vec<Scored>> = Vec::with_capacity(batch.len());
        let step = (STEP_BYTES / self.space.stride).clamp(8, 256);
        for start in batch.clone().step_by(step) {
            let step = start..(start + step).min(batch.end);
            progress.advance(step.len() as u64)?;
            let search = |node: usize| self.worker(|worker| self.neighbours(node as u32, worker));
            self.context.pool.install(|| links.par_extend(step.into_par_iter().map(search)));
        }
        let mut reverse = Vec::new();
        for (node, links) in batch.zip(&links) {
            fill(self.place(node as u32), links.iter().map(|link| link.node));
            let back = |link: &Scored| Reverse { from: link.node, to: Scored { node: node as u32, ..*link } };
            reverse.extend(links.iter().map(back));
        }
        self.take_in(reverse);
        Ok(())
    }

    /// Searches the graph for the neighbours of a new node.
    fn neighbours(&self, node: u32, worker: &mut Worker) -> Vec<Scored> {
        let Worker { beam, target, selector, candidates } = worker;
        let space = self.space;
        space.aim_at_node(node, target);
        let own = space.score_one(target, node);
        beam.search(self.links(), &Scorer { space, target }, 0, self.shape.list, |_| true, |_| true);
        candidates.clear();
        candidates.extend(beam.pool.hits());
        selector.select(space, candidates, own, self.shape.rule());
        selector.kept.clone()
    }

    /// Gives nodes their reverse links.
    fn take_in(&mut self, mut reverse: Vec<Reverse>) {
        let places = self.places;
        let this = &*self;
        let lists = this.context.pool.install(|| {
            reverse.par_sort_unstable_by(|a, b| a.from.cmp(&b.from).then(a.to.order(&b.to)));
            let groups: Vec<&[Reverse]> = reverse.chunk_by(|a, b| a.from == b.from).collect();
            let mut lists = vec![EMPTY; groups.len() * places];
            let merge = |(group, list): (&&[Reverse], &mut [u32])| {
                this.worker(|worker| this.merge(group, worker, list));
            };
            groups.par_iter().zip(lists.par_chunks_exact_mut(places)).with_min_len(16).for_each(merge);
            lists
        });
        let groups = reverse.chunk_by(|a, b| a.from == b.from);
        for (group, list) in groups.zip(lists.chunks_exact(places)) {
            self.place(group[0].from).copy_from_slice(list);
        }
    }

    /// The links of one node with new ones among them.
    fn merge(&self, group: &[Reverse], worker: &mut Worker, list: &mut [u32]) {
        let node = group[0].from;
        let old = self.links().of(node);
        let new = group.iter().map(|reverse| reverse.to.node);
        if old.len() + group.len() <= list.len() {
            fill(list, old.iter().copied().chain(new));
        } else {
            self.choose(node, old.iter().copied().chain(new), worker);
            fill(list, worker.selector.kept.iter().map(|kept| kept.node));
        }
    }

    /// Selects anew which of `links` stay with `node`.
    fn choose(&self, node: u32, links: impl Iterator<Item = u32>, worker: &mut Worker) {
        let Worker { target, selector, candidates, .. } = worker;
        self.sort(node, links, target, candidates);
        selector.select(self.space, candidates, self.space.score_one(target, node), self.shape.rule());
    }

    /// The links by their distance from `node`.
    fn sort(
        &self,
        node: u32,
        links: impl Iterator<Item = u32>,
        target: &mut Target,
        sorted: &mut Vec<Scored>,
    ) {
        self.space.aim_at_node(node, target);
        sorted.clear();
        sorted.extend(links.map(|node| Scored { score: self.space.score_one(target, node), node }));
        sorted.sort_unstable_by(Scored::order);
    }

    /// Brings every node to its degree, and its links in order.
    fn prune(&mut self, progress: &mut Progress) -> Result<()> {
        let degree = self.shape.degree;
        let nodes = self.table.len() / self.places;
        let mut pruned = vec![EMPTY; nodes * degree];
        let step = BATCH.min(16 * STEP_BYTES / self.space.stride).max(8);
        for (chunk, lists) in (0..).zip(pruned.chunks_mut(step * degree)) {
            progress.advance(0)?;
            let this = &*self;
            let one = |(at, list): (usize, &mut [u32])| {
                let node = (chunk * step + at) as u32;
                let links = this.links().of(node).iter().copied();
                this.worker(|worker| {
                    if links.len() > degree {
                        this.choose(node, links, worker);
                        fill(list, worker.selector.kept.iter().map(|kept| kept.node));
                    } else {
                        this.sort(node, links, &mut worker.target, &mut worker.candidates);
                        fill(list, worker.candidates.iter().map(|link| link.node));
                    }
                });
            };
            this.context.pool.install(|| lists.par_chunks_exact_mut(degree).enumerate().for_each(one));
        }
        (self.table, self.places) = (pruned, degree);
        Ok(())
    }

    /// Makes every node reachable from the entry: pruning may have dropped the last link to a node.
    fn connect(&mut self, progress: &mut Progress) -> Result<()> {
        let nodes = self.table.len() / self.places;
        let mut reached = vec![false; nodes];
        for node in 0..nodes as u32 {
            if reached[node as usize] {
                continue;
            }
            if node > 0 {
                progress.advance(0)?;
                let from = self.worker(|worker| self.nearest_with_room(node, worker));
                self.splice(from, node);
            }
            self.reach(node, &mut reached);
        }
        Ok(())
    }

    /// The nearest node that is reachable from the entry and has room for a link; without any, the nearest.
    fn nearest_with_room(&self, node: u32, worker: &mut Worker) -> u32 {
        let Worker { beam, target, .. } = worker;
        let (space, links) = (self.space, self.links());
        space.aim_at_node(node, target);
        beam.search(links, &Scorer { space, target }, 0, self.shape.list, |_| true, |_| true);
        let with_room = |found: &Scored| links.of(found.node).len() < links.degree;
        let from = beam.pool.hits().find(with_room).or(beam.pool.hits().next());
        from.map_or(0, |found| found.node)
    }

    /// Links `from` to `node`. Where `from` has no room, `node` takes the place of its last link and leads there itself,
    /// so that nothing gets lost.
    fn splice(&mut self, from: u32, node: u32) {
        let places = self.place(from);
        if let Some(free) = places.iter_mut().find(|place| **place == EMPTY) {
            *free = node;
            return;
        }
        let Some(last) = places.last_mut() else { return };
        let next = std::mem::replace(last, node);
        let places = self.place(node);
        let at = places.iter().position(|&place| place == EMPTY).unwrap_or(places.len() - 1);
        places[at] = next;
    }

    /// Marks what is reachable from `start`.
    fn reach(&self, start: u32, reached: &mut [bool]) {
        let links = self.links();
        let mut waiting = vec![start];
        reached[start as usize] = true;
        while let Some(node) = waiting.pop() {
            for &next in links.of(node) {
                if !std::mem::replace(&mut reached[next as usize], true) {
                    waiting.push(next);
                }
            }
        }
    }

    /// Runs `work` with the buffers of this thread.
    fn worker<R>(&self, work: impl FnOnce(&mut Worker) -> R) -> R {
        let thread = self.context.pool.current_thread_index().unwrap_or(0);
        work(&mut self.workers[thread].lock())
    }
}

/// Fills `list` from the front and ends it.
pub fn fill(list: &mut [u32], links: impl Iterator<Item = u32>) {
    let mut places = list.iter_mut();
    for (place, link) in places.by_ref().zip(links) {
        *place = link;
    }
    places.for_each(|place| *place = EMPTY);
}
