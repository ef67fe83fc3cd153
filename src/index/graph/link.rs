//! What building a graph takes beside searching it: links back, and a way to every node. Each step depends on the state
//! before it alone, so that no lock is needed and the graph is the same at any number of threads.

use super::beam::{Beam, EMPTY, Links, Scored};
use super::select::{Rule, Selector};
use super::space::{Points, Scorer, Space, Target};
use crate::error::Result;
use crate::index::BuildContext;
use parking_lot::Mutex;
use rayon::prelude::*;

/// Nodes that look for a way to themselves at once, between two checkpoints.
const CONNECTED_AT_ONCE: usize = 256;

/// The links of the nodes of a graph, or of one level of it, while it is built.
pub struct Table {
    pub places: Vec<u32>,
    pub degree: usize,
}

/// A link that waits to be written.
#[derive(Clone, Copy)]
pub struct Reverse {
    pub from: u32,
    pub to: Scored,
}

/// The buffers of one thread.
#[derive(Default)]
pub struct Worker<T = Target> {
    pub beam: Beam,
    pub target: T,
    pub selector: Selector<T>,
    pub candidates: Vec<Scored>,
    scores: Vec<f32>,
}

impl<T> Worker<T> {
    /// Adds the links of the node that `target` aims at to the candidates.
    pub fn add_links(&mut self, space: &impl Points<Target = T>, links: &[u32]) {
        space.score(&self.target, links, &mut self.scores);
        let scored = links.iter().zip(&self.scores).map(|(&node, &score)| Scored { score, node });
        self.candidates.extend(scored);
    }
}

/// Links nodes of a space.
pub struct Linker<'a, P: Points = Space> {
    pub space: &'a P,
    pub context: &'a BuildContext<'a>,
    /// One for each thread of the pool.
    workers: Vec<Mutex<Worker<P::Target>>>,
}

impl<'a, P: Points> Linker<'a, P> {
    pub fn new(space: &'a P, context: &'a BuildContext<'a>) -> Linker<'a, P> {
        let workers = (0..context.pool.current_num_threads()).map(|_| Mutex::default()).collect();
        Linker { space, context, workers }
    }

    /// Runs `work` with the buffers of this thread.
    pub fn worker<R>(&self, work: impl FnOnce(&mut Worker<P::Target>) -> R) -> R {
        let thread = self.context.pool.current_thread_index().unwrap_or(0);
        work(&mut self.workers[thread].lock())
    }

    /// Gives nodes their reverse links: grouped by the node that they start from, which selects anew by `rule` when it has
    /// no places left.
    pub fn take_in(&self, table: &mut Table, mut reverse: Vec<Reverse>, rule: Rule) {
        let (degree, links) = (table.degree, table.links());
        let lists = self.context.pool.install(|| {
            reverse.par_sort_unstable_by(|a, b| a.from.cmp(&b.from).then(a.to.cmp(&b.to)));
            let groups: Vec<&[Reverse]> = reverse.chunk_by(|a, b| a.from == b.from).collect();
            let mut lists = vec![EMPTY; groups.len() * degree];
            let merge = |(group, list): (&&[Reverse], &mut [u32])| {
                self.worker(|worker| self.merge(links.of(group[0].from), group, rule, worker, list));
            };
            groups.par_iter().zip(lists.par_chunks_exact_mut(degree)).with_min_len(16).for_each(merge);
            lists
        });
        let groups = reverse.chunk_by(|a, b| a.from == b.from);
        for (group, list) in groups.zip(lists.chunks_exact(degree)) {
            table.place(group[0].from).copy_from_slice(list);
        }
    }

    /// The links of one node with new ones among them.
    fn merge(
        &self,
        old: &[u32],
        group: &[Reverse],
        rule: Rule,
        worker: &mut Worker<P::Target>,
        list: &mut [u32],
    ) {
        worker.candidates.clear();
        worker.candidates.extend(group.iter().map(|r| r.to).filter(|new| !old.contains(&new.node)));
        if old.len() + worker.candidates.len() <= list.len() {
            fill(list, old.iter().copied().chain(worker.candidates.iter().map(|new| new.node)));
            return;
        }
        let node = group[0].from;
        self.space.aim_at_node(node, &mut worker.target);
        worker.add_links(self.space, old);
        let Worker { target, selector, candidates, .. } = worker;
        candidates.sort_unstable();
        let own = self.space.score_one(target, node);
        selector.select(self.space, candidates, own, rule);
        fill(list, selector.kept.iter().map(|kept| kept.node));
    }

    /// Makes every node reachable from `entry`, as selection may have dropped the last link to a node: searches of `width`
    /// find the nearest reachable node of one that is not, which takes it in (the spanning tree of NSG). So many nodes search
    /// at once; by the turn of one of them another may have brought it along. Calls `pause` before them, whose error ends it.
    pub fn connect(
        &self,
        table: &mut Table,
        entry: u32,
        width: usize,
        pause: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let total = table.nodes();
        let mut reached = vec![false; total];
        table.reach(entry, &mut reached);
        let mut next = 0;
        loop {
            let lost: Vec<u32> = (next..total as u32)
                .filter(|&node| !reached[node as usize])
                .take(CONNECTED_AT_ONCE)
                .collect();
            let Some(&last) = lost.last() else { return Ok(()) };
            next = last + 1;
            pause()?;
            let find =
                |&node: &u32| self.worker(|worker| self.nearest_with_room(table, entry, width, node, worker));
            let found: Vec<u32> =
                self.context.pool.install(|| lost.par_iter().with_min_len(4).map(find).collect());
            for (&node, from) in lost.iter().zip(found) {
                if !reached[node as usize] {
                    table.splice(from, node);
                    table.reach(node, &mut reached);
                }
            }
        }
    }

    /// The nearest node that is reachable from the entry and has room for a link; without any, the nearest.
    fn nearest_with_room(
        &self,
        table: &Table,
        entry: u32,
        width: usize,
        node: u32,
        worker: &mut Worker<P::Target>,
    ) -> u32 {
        let Worker { beam, target, .. } = worker;
        let space = self.space;
        space.aim_at_node(node, target);
        beam.search(table.links(), &Scorer { space, target }, &[entry], width, |_| true, |_| true);
        let with_room = |found: &Scored| table.links().of(found.node).len() < table.degree;
        let from = beam.pool.hits().find(with_room).or(beam.pool.hits().next());
        from.map_or(entry, |found| found.node)
    }
}

impl Table {
    pub fn new(nodes: usize, degree: usize) -> Table {
        Table { places: vec![EMPTY; nodes * degree], degree }
    }

    pub fn links(&self) -> Links<'_> {
        Links { table: &self.places, degree: self.degree }
    }

    pub fn nodes(&self) -> usize {
        self.places.len() / self.degree
    }

    pub fn holds(&self, node: u32) -> bool {
        (node as usize) < self.nodes()
    }

    fn place(&mut self, node: u32) -> &mut [u32] {
        &mut self.places[node as usize * self.degree..][..self.degree]
    }

    /// Sets the links of `node`.
    pub fn write(&mut self, node: u32, links: impl Iterator<Item = u32>) {
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
        if places.contains(&next) {
            return;
        }
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
}

/// Fills `list` from the front and ends it.
pub fn fill(list: &mut [u32], links: impl Iterator<Item = u32>) {
    let mut links = links.fuse();
    list.iter_mut().for_each(|place| *place = links.next().unwrap_or(EMPTY));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_list_leaves_nothing_of_the_one_before() {
        let mut list = [7; 6];
        fill(&mut list, [1, 2].into_iter().chain([3]));
        assert_eq!(list, [1, 2, 3, EMPTY, EMPTY, EMPTY]);
        fill(&mut list, 0..9);
        assert_eq!(list, [0, 1, 2, 3, 4, 5]);
        fill(&mut list, std::iter::empty());
        assert_eq!(list, [EMPTY; 6]);
    }
}
