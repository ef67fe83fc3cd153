//! Where searches begin: at the navigating node, and where rows need it at the nearest of a sample that is spread over all
//! places.
//!
//! The paper begins at the navigating node alone. Where rows lie in clusters, links between them are few, and from one
//! node many clusters are not reached before the candidates are used up: of a million rows in a thousand clusters 88 % of
//! the nearest ten were found at the greatest `search_length`; with the sample 99 % are at a third of it. Nodes are
//! numbered by the groups of a tree that halves them by their places, so that every so many-th node makes the sample, and
//! nothing of it needs to be stored. Where rows do not lie so, scoring the sample would only make a search longer: of
//! 60,000 images, by a third. So the build tries both ways when the graph is done.

use super::knn::Neighbours;
use crate::index::graph::beam::{Beam, Links, Score};
use crate::index::graph::link::{Linker, Worker};
use crate::index::graph::space::{Points, Scorer, Space};
use rayon::prelude::*;

/// Nodes to each of the sample: about two of each group of the tree.
const SPACING: u32 = 256;
/// Nodes of the sample, at most: scoring it is to stay a part of a search and of a node's build.
const SAMPLE: u32 = 4096;
/// Nodes of the sample where a search begins.
const NEAREST: usize = 8;

/// Searches by which is decided whether the sample is kept, how wide they are, and how many each is to find.
const TRIALS: usize = 512;
const TRIAL_WIDTH: usize = 40;
const TRIAL_NEAREST: usize = 10;
/// It is kept if without it more than one in so many is not found.
const TRIAL_LOSS: usize = 200;

/// The places where searches of one graph begin.
#[derive(Clone, Copy, Debug)]
pub struct Starts {
    /// The navigating node.
    pub entry: u32,
    /// Nodes of the graph.
    pub nodes: u32,
    /// Whether searches begin near their query too.
    pub sampled: bool,
}

/// A node, and the nodes that a search for it should find.
pub struct Trial {
    node: u32,
    nearest: Vec<u32>,
}

/// What decides whether searches need the sample.
pub fn trials(neighbours: &Neighbours, nodes: usize) -> Vec<Trial> {
    let trial = |node: usize| {
        let nearest = neighbours.of(node as u32).iter().take(TRIAL_NEAREST).copied().collect();
        Trial { node: node as u32, nearest }
    };
    (0..nodes).step_by(nodes.div_ceil(TRIALS).max(1)).map(trial).collect()
}

impl Starts {
    /// The nodes where a search begins. The pool of `beam` is used for it.
    pub fn near(self, beam: &mut Beam, score: &impl Score) -> Vec<u32> {
        let mut starts = vec![self.entry];
        if self.sampled {
            beam.scan(score, self.sample(), NEAREST, || false);
            starts.extend(beam.pool.hits().map(|hit| hit.node));
        }
        starts
    }

    fn sample(self) -> impl Iterator<Item = u32> {
        let spacing = self.nodes.div_ceil(SAMPLE).max(SPACING);
        (spacing / 2..self.nodes).step_by(spacing as usize)
    }

    /// These starts, or the navigating node alone where searches of the finished graph find as much from there.
    pub fn needed(self, linker: &Linker, links: Links, trials: &[Trial]) -> Starts {
        let alone = Starts { sampled: false, ..self };
        let found = |starts: Starts| -> usize {
            let found =
                |trial: &Trial| linker.worker(|worker| starts.found(worker, linker.space, links, trial));
            linker.context.pool.install(|| trials.par_iter().map(found).sum())
        };
        let most = found(self);
        if found(alone) + most / TRIAL_LOSS >= most { alone } else { self }
    }

    /// How many of its nearest a search for a node of the graph finds.
    fn found(self, worker: &mut Worker, space: &Space, links: Links, trial: &Trial) -> usize {
        let Worker { beam, target, .. } = worker;
        space.aim_at_node(trial.node, target);
        let scorer = Scorer { space, target };
        let entries = self.near(beam, &scorer);
        beam.search(links, &scorer, &entries, TRIAL_WIDTH, |_| true, |_| true);
        beam.pool.hits().filter(|hit| trial.nearest.contains(&hit.node)).count()
    }
}
