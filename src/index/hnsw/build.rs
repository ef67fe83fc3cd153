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
use crate::index::graph::beam::Scored;
use crate::index::graph::link::{Linker, Reverse, Table, Worker};
use crate::index::graph::select::Rule;
use crate::index::graph::space::{Points, Scorer};
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

struct Builder<'a, P: Points> {
    linker: Linker<'a, P>,
    shape: Shape,
    levels: Vec<Table>,
}

/// Builds the levels over all nodes of `space`; `counts[l]` nodes, the first ones, are on level `l`. Node 0 is the entry.
pub fn build(
    space: &impl Points,
    counts: &[usize],
    shape: Shape,
    context: &BuildContext,
) -> Result<Vec<Table>> {
    let level = |(level, &nodes): (usize, &usize)| Table::new(nodes, shape.degree(level));
    let levels = counts.iter().enumerate().map(level).collect();
    let mut builder = Builder { linker: Linker::new(space, context), shape, levels };
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
    let mut pause = || context.pace.checkpoint(total as u64, total as u64);
    builder.linker.connect(&mut builder.levels[0], 0, shape.ef_construction, &mut pause)?;
    Ok(builder.levels)
}

impl<P: Points> Builder<'_, P> {
    fn insert(&mut self, batch: std::ops::Range<usize>, total: usize) -> Result<()> {
        let mut links = Vec::with_capacity(batch.len());
        for start in batch.clone().step_by(STEP) {
            self.linker.context.pace.checkpoint(start as u64, total as u64)?;
            let step = start..(start + STEP).min(batch.end);
            let search = |node: usize| self.linker.worker(|worker| self.neighbours(node as u32, worker));
            self.linker.context.pool.install(|| links.par_extend(step.into_par_iter().map(search)));
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
            let rule = Rule::plain(self.levels[level].degree);
            self.linker.take_in(&mut self.levels[level], reverse, rule);
        }
        Ok(())
    }

    /// Searches the graph for the neighbours of a new node, for each of its levels.
    fn neighbours(&self, node: u32, worker: &mut Worker<P::Target>) -> Vec<Vec<Scored>> {
        let Worker { beam, target, selector, candidates, .. } = worker;
        let space = self.linker.space;
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
                &[entry],
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
}
