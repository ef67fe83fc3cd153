//! Where searches begin: at the navigating node, and at the nearest of a sample that is spread over all places.
//!
//! The paper begins at the navigating node alone. Where rows lie in clusters, links between them are few, and from one
//! node many clusters are not reached before the candidates are used up: of a million rows in a thousand clusters 88 % of
//! the nearest ten were found at the greatest `search_length`; with the sample 99 % are at a third of it. Nodes are
//! numbered by the groups of a tree that halves them by their places, so that every so many-th node makes the sample, and
//! nothing of it needs to be stored.

use crate::index::graph::beam::{Beam, Score};

/// Nodes to each of the sample: about two of each group of the tree.
const SPACING: u32 = 256;
/// Nodes of the sample, at most: scoring it is to stay a part of a search and of a node's build.
const SAMPLE: u32 = 4096;
/// Nodes of the sample where a search begins.
const NEAREST: usize = 8;

/// The places where searches of one graph begin.
#[derive(Clone, Copy, Debug)]
pub struct Starts {
    /// The navigating node.
    pub entry: u32,
    /// Nodes of the graph.
    pub nodes: u32,
}

impl Starts {
    /// The nodes where a search begins. The pool of `beam` is used for it.
    pub fn near(self, beam: &mut Beam, score: &impl Score) -> Vec<u32> {
        beam.scan(score, self.sample(), NEAREST, || false);
        std::iter::once(self.entry).chain(beam.pool.hits().map(|hit| hit.node)).collect()
    }

    fn sample(self) -> impl Iterator<Item = u32> {
        let spacing = self.nodes.div_ceil(SAMPLE).max(SPACING);
        (spacing / 2..self.nodes).step_by(spacing as usize)
    }
}
