//! Building the graph: batches of nodes search the graph as it is, in parallel, then are linked into it.
//!
//! Malkov & Yashunin 2016 insert node after node. Here a batch (at most a sixteenth of what is there: the prefix doubling
//! of ParlayANN, Manohar et al. 2024) is inserted at once, in two steps that each depend on the state before them alone,
//! so that no lock is needed and the graph is the same at any number of threads:
//!
//! 1. every node of the batch searches the graph and selects its neighbours;
//! 2. the reverse links are grouped by the node that they start from, and each such node takes them in, selecting anew
//!    when it has more than its degree.

use crate::error::Result;
use crate::index::BuildContext;
use crate::index::graph::beam::{Beam, EMPTY, Links, Scored};
use crate::index::graph::select::{Rule, Selector};
use crate::index::graph::space::{Points, Scorer};
use parking_lot::Mutex;
use rayon::prelude::*;

/// Nodes inserted at once, at most.
const BATCH: usize = 1024;
/// Nodes between two checkpoints.
const STEP: usize = 128;
/// A batch is at most this part of the nodes that are there already.
const BATCH_SHARE: usize = 16;

/// What shapes a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Links a node gets when it is inserted, and has at most on the upper levels; on level 0 it has at most twice as many.
    pub m: usize,
    /// Candidates that an insertion looks at.
    pub ef_construction: usize,
}

impl Shape {
    /// Places for links of a node of `level`.
    pub fn degree(&self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }
}

/// The links of one level, for the nodes `0..nodes`.
pub struct Level {
    pub table: Vec<u32>,
    pub degree: usize,
}

/// A link that waits to be written.
#[derive(Clone, Copy)]
struct Reverse {
    from: u32,
    to: Scored,
}

struct Builder<'a, P: Points> {
    space: &'a P,
    shape: Shape,
    levels: Vec<Level>,
    context: &'a BuildContext<'a>,
    /// One for each thread of the pool.
    workers: Vec<Mutex<Worker<P::Target>>>,
}

#[derive(Default)]
struct Worker<T> {
    beam: Beam,
    target: T,
    selector: Selector<T>,
    candidates: Vec<Scored>,
}

/// Builds the levels over all nodes of `space`; `counts[l]` nodes, the first ones, are on level `l`. Node 0 is the entry.
pub fn build(
    space: &impl Points,
    counts: &[usize],
    shape: Shape,
    context: &BuildContext,
) -> Result<Vec<Level>> {
    let level = |(level, &nodes): (usize, &usize)| {
        let degree = shape.degree(level);
        Level { table: vec![EMPTY; nodes * degree], degree }
    };
    let levels = counts.iter().enumerate().map(level).collect();
    let workers = (0..context.pool.current_num_threads()).map(|_| Mutex::default()).collect();
    let mut builder = Builder { space, shape, levels, context, workers };
    let total = counts[0];
    if total == 0 {
        return Ok(builder.levels);
    }
    let mut done = 1;
    while done < total {
        let batch = (done / BATCH_SHARE).clamp(1, BATCH).min(total - done);
        builder.insert(done..done + batch, total)?;
        done += batch;
    }
    builder.connect()?;
    Ok(builder.levels)
}

impl<P: Points> Builder<'_, P> {
    fn insert(&mut self, batch: std::ops::Range<usize>, total: usize) -> Result<()> {
        let mut links = Vec::with_capacity(batch.len());
        for start in batch.clone().step_by(STEP) {
            self.context.pace.checkpoint(start as u64, total as u64)?;
            let step = start..(start + STEP).min(batch.end);
            let search = |node: usize| self.worker(|worker| self.neighbours(node as u32, worker));
            self.context.pool.install(|| links.par_extend(step.into_par_iter().map(search)));
        }
        for level in 0..self.levels.len() {
            let mut reverse = Vec::new();
            for (node, links) in batch.clone().zip(&links) {
                let Some(links) = links.get(level) else { break };
                self.levels[level].write(node as u32, links.iter().map(|link| link.node));
                let back =
                    |link: &Scored| Reverse { from: link.node, to: Scored { node: node as u32, ..*link } };
                reverse.extend(links.iter().map(back));
            }
            self.take_in(level, reverse);
        }
        Ok(())
    }

    /// Searches the graph for the neighbours of a new node, for each of its levels.
    fn neighbours(&self, node: u32, worker: &mut Worker<P::Target>) -> Vec<Vec<Scored>> {
        let Worker { beam, target, selector, candidates } = worker;
        let space = self.space;
        space.aim_at_node(node, target);
        let own = space.score_one(target, node);
        let scorer = Scorer { space, target };
        let top = self.levels.iter().rposition(|level| level.holds(node)).unwrap_or(0);
        let mut entry = 0;
        for level in self.levels[top + 1..].iter().rev() {
            entry = beam.descend(level.links(), &scorer, entry);
        }
        let mut links = vec![Vec::new(); top + 1];
        for level in (0..=top).rev() {
            beam.search(
                self.levels[level].links(),
                &scorer,
                entry,
                self.shape.ef_construction,
                |_| true,
                |_| true,
            );
            candidates.clear();
            candidates.extend(beam.pool.hits());
            selector.select(space, candidates, own, Rule::plain(self.shape.m));
            links[level].clone_from(&selector.kept);
            entry = candidates[0].node;
        }
        links
    }

    /// Gives nodes of a level their reverse links.
    fn take_in(&mut self, level: usize, mut reverse: Vec<Reverse>) {
        let degree = self.levels[level].degree;
        let this = &*self;
        let lists = this.context.pool.install(|| {
            reverse.par_sort_unstable_by(|a, b| a.from.cmp(&b.from).then(a.to.order(&b.to)));
            let groups: Vec<&[Reverse]> = reverse.chunk_by(|a, b| a.from == b.from).collect();
            let mut lists = vec![EMPTY; groups.len() * degree];
            let merge = |(group, list): (&&[Reverse], &mut [u32])| {
                this.worker(|worker| this.merge(level, group, worker, list));
            };
            groups.par_iter().zip(lists.par_chunks_exact_mut(degree)).with_min_len(16).for_each(merge);
            lists
        });
        let groups = reverse.chunk_by(|a, b| a.from == b.from);
        for (group, list) in groups.zip(lists.chunks_exact(degree)) {
            self.levels[level].place(group[0].from).copy_from_slice(list);
        }
    }

    /// The links of one node with new ones among them.
    fn merge(&self, level: usize, group: &[Reverse], worker: &mut Worker<P::Target>, list: &mut [u32]) {
        let node = group[0].from;
        let old = self.levels[level].links().of(node);
        let new = group.iter().map(|r| r.to);
        if old.len() + group.len() <= list.len() {
            fill(list, old.iter().copied().chain(new.map(|n| n.node)));
            return;
        }
        let Worker { target, selector, candidates, .. } = worker;
        self.space.aim_at_node(node, target);
        candidates.clear();
        candidates.extend(old.iter().map(|&n| Scored { score: self.space.score_one(target, n), node: n }));
        candidates.extend(new);
        candidates.sort_unstable_by(Scored::order);
        let own = self.space.score_one(target, node);
        selector.select(self.space, candidates, own, Rule::plain(list.len()));
        fill(list, selector.kept.iter().map(|kept| kept.node));
    }

    /// Makes every node reachable on level 0 from the entry: selection may have dropped the last link to a node.
    fn connect(&mut self) -> Result<()> {
        let total = self.levels[0].nodes();
        let mut reached = vec![false; total];
        self.reach(0, &mut reached);
        for node in 0..total as u32 {
            if reached[node as usize] {
                continue;
            }
            self.context.pace.checkpoint(total as u64, total as u64)?;
            let from = self.worker(|worker| self.nearest_with_room(node, worker));
            self.levels[0].splice(from, node);
            self.reach(node, &mut reached);
        }
        Ok(())
    }

    /// The nearest node that is reachable from the entry and has room for a link; without any, the nearest.
    fn nearest_with_room(&self, node: u32, worker: &mut Worker<P::Target>) -> u32 {
        let Worker { beam, target, .. } = worker;
        let space = self.space;
        space.aim_at_node(node, target);
        let level = &self.levels[0];
        let width = self.shape.ef_construction;
        beam.search(level.links(), &Scorer { space, target }, 0, width, |_| true, |_| true);
        let with_room = |found: &Scored| level.links().of(found.node).len() < level.degree;
        let from = beam.pool.hits().find(with_room).or(beam.pool.hits().next());
        from.map_or(0, |found| found.node)
    }

    /// Marks what is reachable from `start`.
    fn reach(&self, start: u32, reached: &mut [bool]) {
        let links = self.levels[0].links();
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
    fn worker<R>(&self, work: impl FnOnce(&mut Worker<P::Target>) -> R) -> R {
        let thread = self.context.pool.current_thread_index().unwrap_or(0);
        work(&mut self.workers[thread].lock())
    }
}

impl Level {
    pub fn links(&self) -> Links<'_> {
        Links { table: &self.table, degree: self.degree }
    }

    fn nodes(&self) -> usize {
        self.table.len() / self.degree
    }

    fn holds(&self, node: u32) -> bool {
        (node as usize) < self.nodes()
    }

    fn place(&mut self, node: u32) -> &mut [u32] {
        &mut self.table[node as usize * self.degree..][..self.degree]
    }

    fn write(&mut self, node: u32, links: impl Iterator<Item = u32>) {
        fill(self.place(node), links);
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
}

/// Fills `list` from the front and ends it.
fn fill(list: &mut [u32], links: impl Iterator<Item = u32>) {
    let mut places = list.iter_mut();
    for (place, link) in places.by_ref().zip(links) {
        *place = link;
    }
    places.for_each(|place| *place = EMPTY);
}
