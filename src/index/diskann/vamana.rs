//! The graph of DISKANN: Vamana (Subramanya et al. 2019), built in one pass over batches of nodes (ParlayANN, Manohar et
//! al. 2024) and not in two passes over single ones.
//!
//! A batch is at most a sixteenth of what is there. Each of its nodes searches the graph as it is and keeps a few of what
//! it finds, by robust pruning; then the nodes that were chosen take their links back in. Both steps depend on the state
//! before them alone, so that the graph is the same at any number of threads.

use crate::error::Result;
use crate::index::graph::beam::Scored;
use crate::index::graph::link::{Linker, Reverse, Table, Worker, fill};
use crate::index::graph::select::Rule;
use crate::index::graph::space::{Points, Scorer, Space};
use crate::index::{BuildContext, Progress};
use rayon::prelude::*;
use std::ops::Range;

/// Nodes inserted at once, at most.
const BATCH: usize = 1024;
/// A batch is at most this part of the nodes that are there already.
const BATCH_SHARE: usize = 16;
/// Bytes of codes that the nodes between two checkpoints have together.
const STEP_BYTES: usize = 32 << 10;
/// What linking a node is beside encoding it.
pub const WORK: u64 = 16;
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

/// Links all nodes of `space`: `shape.degree` places a node, the nearest link first. Node 0 is the entry, from which all
/// others are reached. Advances by [`WORK`] for each node.
pub fn build(
    space: &Space,
    nodes: usize,
    shape: Shape,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<Table> {
    let linker = Linker::new(space, context);
    let mut table = Table::new(nodes, shape.places());
    let mut done = 1;
    while done < nodes {
        let batch = (done / BATCH_SHARE).clamp(1, BATCH).min(nodes - done);
        insert(&linker, &mut table, done..done + batch, shape, progress)?;
        done += batch;
    }
    let mut table = prune(&linker, &table, shape, progress)?;
    if nodes > 0 {
        linker.connect(&mut table, 0, shape.list, &mut || progress.advance(0))?;
    }
    Ok(table)
}

fn insert(
    linker: &Linker,
    table: &mut Table,
    batch: Range<usize>,
    shape: Shape,
    progress: &mut Progress,
) -> Result<()> {
    let mut links: Vec<Vec<Scored>> = Vec::with_capacity(batch.len());
    let step = (STEP_BYTES / linker.space.stride).clamp(8, 256);
    for start in batch.clone().step_by(step) {
        let step = start..(start + step).min(batch.end);
        progress.advance(WORK * step.len() as u64)?;
        let table = &*table;
        let search =
            |node: usize| linker.worker(|worker| neighbours(linker, table, node as u32, shape, worker));
        linker.context.pool.install(|| links.par_extend(step.into_par_iter().map(search)));
    }
    let mut reverse = Vec::new();
    for (node, links) in batch.zip(&links) {
        table.write(node as u32, links.iter().map(|link| link.node));
        let back = |link: &Scored| Reverse { from: link.node, to: Scored { node: node as u32, ..*link } };
        reverse.extend(links.iter().map(back));
    }
    linker.take_in(table, reverse, shape.rule());
    Ok(())
}

/// Searches the graph for the neighbours of a new node.
fn neighbours(linker: &Linker, table: &Table, node: u32, shape: Shape, worker: &mut Worker) -> Vec<Scored> {
    let Worker { beam, target, selector, candidates, .. } = worker;
    let space = linker.space;
    space.aim_at_node(node, target);
    let own = space.score_one(target, node);
    beam.search(table.links(), &Scorer { space, target }, &[0], shape.list, |_| true, |_| true);
    candidates.clear();
    candidates.extend(beam.pool.hits());
    selector.select(space, candidates, own, shape.rule());
    selector.kept.clone()
}

/// The same graph with every node at its degree, and its links in order.
fn prune(linker: &Linker, table: &Table, shape: Shape, progress: &mut Progress) -> Result<Table> {
    let mut pruned = Table::new(table.nodes(), shape.degree);
    let step = (16 * STEP_BYTES / linker.space.stride).clamp(8, BATCH);
    for (chunk, lists) in pruned.places.chunks_mut(step * shape.degree).enumerate() {
        progress.advance(0)?;
        let one = |(at, list): (usize, &mut [u32])| {
            let node = (chunk * step + at) as u32;
            linker.worker(|worker| choose(linker, node, table.links().of(node), shape, worker, list));
        };
        linker.context.pool.install(|| lists.par_chunks_exact_mut(shape.degree).enumerate().for_each(one));
    }
    Ok(pruned)
}

/// Puts `links` of `node` into `list`, the nearest first; those that pruning leaves, if there are too many.
fn choose(linker: &Linker, node: u32, links: &[u32], shape: Shape, worker: &mut Worker, list: &mut [u32]) {
    let space = linker.space;
    space.aim_at_node(node, &mut worker.target);
    worker.candidates.clear();
    worker.add_links(space, links);
    let Worker { target, selector, candidates, .. } = worker;
    candidates.sort_unstable();
    if candidates.len() <= list.len() {
        fill(list, candidates.iter().map(|link| link.node));
    } else {
        selector.select(space, candidates, space.score_one(target, node), shape.rule());
        fill(list, selector.kept.iter().map(|kept| kept.node));
    }
}
