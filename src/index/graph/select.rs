//! Which candidates become neighbours: the heuristic of Malkov & Yashunin 2016, Algorithm 4, which is the pruning rule of
//! relative neighbourhood graphs.

use super::beam::Scored;
use super::space::{Points, Target};

/// The memory of one selection.
#[derive(Default)]
pub struct Selector<T = Target> {
    /// The kept candidates as queries; only the first `kept.len()` are in use.
    targets: Vec<T>,
    pub kept: Vec<Scored>,
}

impl<T: Default> Selector<T> {
    /// Keeps up to `limit` of `candidates` (sorted best first): each that is closer to the base than to all kept before
    /// it, so that links spread in all directions. `own` is the score of the base with itself.
    ///
    /// Equal vectors never hide each other, so they take half of the places at most: else the nodes of a large group of
    /// equals would link to each other alone, and no path would lead out of the group.
    pub fn select(&mut self, space: &impl Points<Target = T>, candidates: &[Scored], own: f32, limit: usize) {
        self.kept.clear();
        let mut equals = 0;
        for &candidate in candidates {
            if self.kept.len() == limit {
                break;
            }
            let equal = candidate.score == own;
            if equal && equals >= limit.div_ceil(2) || self.hides(space, candidate) {
                continue;
            }
            equals += usize::from(equal);
            if self.targets.len() == self.kept.len() {
                self.targets.push(T::default());
            }
            space.aim_at_node(candidate.node, &mut self.targets[self.kept.len()]);
            self.kept.push(candidate);
        }
    }

    /// Whether a kept candidate is closer to this one than the base is.
    fn hides(&self, space: &impl Points<Target = T>, candidate: Scored) -> bool {
        let targets = &self.targets[..self.kept.len()];
        targets.iter().any(|target| space.score_one(target, candidate.node) < candidate.score)
    }
}
