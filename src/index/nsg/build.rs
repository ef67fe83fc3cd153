//! The steps of NSG (Fu et al. 2019, Algorithm 2): every node searches the graph of nearest neighbours for itself, from
//! the navigating node and from near ones on; of all that it met it keeps those that a monotonic relative neighbourhood
//! graph would; links back are added, as the authors' code does; and what cannot be reached is taken in by its nearest.

use super::forest::Groups;
use super::knn::{self, Neighbours};
use super::starts::{self, Starts};
use crate::error::Result;
use crate::index::graph::beam::{Links, Score, Scored};
use crate::index::graph::link::{Linker, Reverse, Table, Worker};
use crate::index::graph::select::Rule;
use crate::index::graph::space::{Points, Scorer, Space, Target};
use crate::index::{BuildContext, Progress};
use crate::quant::sq7::ZERO_CODE;
use rayon::prelude::*;
use std::cell::RefCell;

/// Nodes between two checkpoints.
const STEP: usize = 128;
/// Links back that wait together, at most (12 bytes each).
const KEPT: usize = 1 << 22;
/// Nodes that take in their links back between two checkpoints.
const LINK_STEP: usize = 1024;
/// What selecting a node's links takes, in the units of [`knn::work`].
const SELECT_WORK: u64 = 600;
/// What adding its links back takes.
const LINK_WORK: u64 = 100;

/// What shapes a graph: Milvus' parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Nodes that a search keeps while it looks for candidates.
    pub search_length: usize,
    /// Links of a node, at most.
    pub out_degree: usize,
    /// The nearest candidates that selection looks at.
    pub candidate_pool_size: usize,
    /// Nearest neighbours of each node that the build starts from.
    pub knng: usize,
}

/// The work of [`build`], in the units of [`knn::work`].
pub fn work(total: usize) -> u64 {
    knn::work(total) + total as u64 * (SELECT_WORK + LINK_WORK)
}

/// The node nearest to the mean of all: where searches begin. Codes are centred, so it has the shortest one.
pub fn navigating_node(space: &Space) -> u32 {
    let dim = space.quantizer.mean.len();
    let square = |&c: &u8| (i32::from(c) - ZERO_CODE).pow(2);
    let length = |code: &[u8]| code[..dim].iter().map(square).sum::<i32>();
    let lengths = space.codes.par_chunks_exact(space.stride).map(length);
    lengths.zip(0..space.offsets.len() as u32).min().map_or(0, |(_, node)| node)
}

/// Builds the links of all nodes of `space`, numbered by the groups of the tree `first`, and says where searches of them
/// begin.
pub fn build(
    space: &Space,
    first: &Groups,
    starts: Starts,
    shape: Shape,
    context: &BuildContext,
    progress: &mut Progress,
) -> Result<(Table, Starts)> {
    let total = space.offsets.len();
    let mut table = Table::new(total, shape.out_degree);
    let k = shape.knng.min(total.saturating_sub(1));
    if k == 0 {
        return Ok((table, starts));
    }
    let linker = Linker::new(space, context);
    let trials = {
        let neighbours = Neighbours::find(space, k, first, context, progress)?;
        for start in (0..total).step_by(STEP) {
            let step = start..(start + STEP).min(total);
            let choose = |node: usize| {
                linker.worker(|worker| choose(space, &neighbours, node as u32, starts, shape, worker))
            };
            let lists: Vec<Vec<u32>> =
                context.pool.install(|| step.clone().into_par_iter().map(choose).collect());
            for (node, list) in step.clone().zip(lists) {
                table.write(node as u32, list.into_iter());
            }
            progress.advance(step.len() as u64 * SELECT_WORK)?;
        }
        starts::trials(&neighbours, total)
    };
    add_links_back(&linker, &mut table, progress)?;
    linker.connect(&mut table, starts.entry, shape.search_length, &mut || progress.advance(0))?;
    let starts = starts.needed(&linker, table.links(), &trials);
    Ok((table, starts))
}

/// The links of `node`: chosen among what a search for it met and its nearest neighbours.
fn choose(
    space: &Space,
    neighbours: &Neighbours,
    node: u32,
    starts: Starts,
    shape: Shape,
    worker: &mut Worker<Target>,
) -> Vec<u32> {
    let Worker { beam, target, selector, candidates, .. } = worker;
    space.aim_at_node(node, target);
    let own = space.score_one(target, node);
    // Begun among its equals, a search would meet nothing else.
    let mut entries = starts.near(beam, &Scorer { space, target });
    entries.retain(|&start| start == starts.entry || space.score_one(target, start) != own);
    let witness = Witness { scorer: Scorer { space, target }, met: RefCell::new(std::mem::take(candidates)) };
    witness.met.borrow_mut().clear();
    let links = Links { table: &neighbours.nodes, degree: neighbours.k };
    beam.search(links, &witness, &entries, shape.search_length, |_| true, |_| true);
    // Neighbours that the search did not meet.
    beam.score_new(&witness, neighbours.of(node));
    *candidates = witness.met.into_inner();
    candidates.retain(|candidate| candidate.node != node);
    if candidates.len() > shape.candidate_pool_size {
        candidates.select_nth_unstable(shape.candidate_pool_size);
        candidates.truncate(shape.candidate_pool_size);
    }
    candidates.sort_unstable();
    selector.select(space, candidates, own, Rule::plain(shape.out_degree));
    selector.kept.iter().map(|kept| kept.node).collect()
}

/// Answers all links. Those that lead back to many nodes are kept at once, so that few nodes select more than once.
fn add_links_back(linker: &Linker, table: &mut Table, progress: &mut Progress) -> Result<()> {
    let (space, pool) = (linker.space, linker.context.pool);
    let total = table.nodes();
    let batch = (KEPT / table.degree).max(1);
    for start in (0..total).step_by(batch) {
        let batch = start..(start + batch).min(total);
        let links = table.links();
        let back = |node: usize| linker.worker(|worker| links_back(space, links, node as u32, worker));
        let mut reverse: Vec<Reverse> =
            pool.install(|| batch.clone().into_par_iter().flat_map_iter(back).collect());
        pool.install(|| reverse.par_sort_unstable_by_key(|link| (link.from, link.to.node)));
        let groups: Vec<&[Reverse]> = reverse.chunk_by(|a, b| a.from == b.from).collect();
        let steps = groups.chunks(LINK_STEP);
        let share = batch.len() as u64 * LINK_WORK / steps.len().max(1) as u64;
        let rule = Rule::plain(table.degree);
        for groups in steps {
            linker.take_in(table, groups.concat(), rule);
            progress.advance(share)?;
        }
    }
    Ok(())
}

/// The links that lead to `node`, if all of its own are answered.
fn links_back(space: &Space, links: Links, node: u32, worker: &mut Worker<Target>) -> Vec<Reverse> {
    let target = &mut worker.target;
    space.aim_at_node(node, target);
    let back = |&from: &u32| Reverse { from, to: Scored { score: space.score_one(target, from), node } };
    links.of(node).iter().map(back).collect()
}

/// Remembers all that it scores.
struct Witness<'a> {
    scorer: Scorer<'a>,
    met: RefCell<Vec<Scored>>,
}

impl Score for Witness<'_> {
    fn score(&self, nodes: &[u32], scores: &mut Vec<f32>) {
        self.scorer.score(nodes, scores);
        let met = nodes.iter().zip(scores.iter()).map(|(&node, &score)| Scored { score, node });
        self.met.borrow_mut().extend(met);
    }
}
