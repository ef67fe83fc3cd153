//! Which candidates become neighbours: the pruning rule of relative neighbourhood graphs, which is the heuristic of Malkov
//! & Yashunin 2016 (Algorithm 4), the edge selection of NSG's MRNG (Fu et al. 2019) and, with an `alpha` above 1, the
//! robust pruning of Vamana (Subramanya et al. 2019, Algorithm 2).

use super::beam::Scored;
use super::space::{Points, Target};

/// How many neighbours, and how far apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Neighbours at most.
    pub limit: usize,
    /// A kept candidate hides another only if it is nearer to it by this factor than the base is. It applies to scores as
    /// they are (squared distances), as in DiskANN's code. 1 keeps what a relative neighbourhood graph keeps; above 1
    /// more long links survive.
    pub alpha: f32,
}

impl Rule {
    /// The plain rule of relative neighbourhood graphs.
    pub fn plain(limit: usize) -> Rule {
        Rule { limit, alpha: 1.0 }
    }

    /// The score below which a kept candidate hides one of `score`. A score below zero (a large inner product) must be
    /// exceeded by the factor, as in DiskANN's code.
    fn bar(&self, score: f32) -> f32 {
        if score < 0.0 { score * self.alpha } else { score / self.alpha }
    }
}

/// Candidates that are looked at together: kept ones score all of them at once, which is cheaper than one by one; but where
/// the limit is soon reached, those that follow are not scored at all.
const WINDOW: usize = 32;

/// The memory of one selection.
#[derive(Default)]
pub struct Selector<T = Target> {
    /// The kept candidates as queries; only the first `kept.len()` are in use.
    targets: Vec<T>,
    pub kept: Vec<Scored>,
    /// Those of a window that nothing hides yet, and what is needed to score them.
    open: Vec<Scored>,
    nodes: Vec<u32>,
    scores: Vec<f32>,
}

impl<T: Default> Selector<T> {
    /// Keeps up to `rule.limit` of `candidates` (sorted best first): each that is closer to the base than to all kept
    /// before it, so that links spread in all directions. `own` is the score of the base with itself.
    ///
    /// Equal vectors never hide each other, so they take half of the places at most: else the nodes of a large group of
    /// equals would link to each other alone, and no path would lead out of the group.
    pub fn select(&mut self, space: &impl Points<Target = T>, candidates: &[Scored], own: f32, rule: Rule) {
        self.kept.clear();
        let mut equals = 0;
        for window in candidates.chunks(WINDOW) {
            self.open.clear();
            self.open.extend(window);
            for kept in 0..self.kept.len() {
                self.hide(space, kept, 0, rule);
            }
            let mut next = 0;
            while next < self.open.len() {
                let candidate = self.open[next];
                next += 1;
                let equal = candidate.score == own;
                if equal && equals >= rule.limit.div_ceil(2) {
                    continue;
                }
                equals += usize::from(equal);
                let kept = self.kept.len();
                if self.targets.len() == kept {
                    self.targets.push(T::default());
                }
                space.aim_at_node(candidate.node, &mut self.targets[kept]);
                self.kept.push(candidate);
                if self.kept.len() == rule.limit {
                    return;
                }
                self.hide(space, kept, next, rule);
            }
        }
    }

    /// Closes the candidates from `first` on that are closer to a kept one than to the base.
    fn hide(&mut self, space: &impl Points<Target = T>, kept: usize, first: usize, rule: Rule) {
        self.nodes.clear();
        self.nodes.extend(self.open[first..].iter().map(|candidate| candidate.node));
        space.score(&self.targets[kept], &self.nodes, &mut self.scores);
        let mut left = first;
        for (at, &score) in (first..).zip(&self.scores) {
            let candidate = self.open[at];
            // (A score that is no number hides nothing.)
            let hidden = score < rule.bar(candidate.score);
            self.open[left] = candidate;
            left += usize::from(!hidden);
        }
        self.open.truncate(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::catalog::Metric;
    use crate::index::graph::space::Space;
    use crate::index::vectors::FloatVectors;
    use crate::quant::random::Random;

    /// What node 0 keeps of all others.
    fn kept(values: &[[f32; 2]], metric: Metric, rule: Rule) -> Vec<u32> {
        let vectors = FloatVectors::new(values.as_flattened().to_vec().into(), 2);
        let rows: Vec<u32> = (0..values.len() as u32).collect();
        let pool = crate::index::testing::pool(1);
        let space = Space::encode(&vectors, &rows, metric, &pool, &mut || Ok(())).unwrap();
        let mut base = Target::default();
        space.aim_at_node(0, &mut base);
        let scored = |&node: &u32| Scored { score: space.score_one(&base, node), node };
        let mut candidates: Vec<Scored> = rows[1..].iter().map(scored).collect();
        candidates.sort_unstable();
        let mut selector = Selector::default();
        selector.select(&space, &candidates, space.score_one(&base, 0), rule);
        selector.kept.iter().map(|kept| kept.node).collect()
    }

    #[test]
    fn the_nearer_hides_what_lies_behind_it() {
        let values = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 3.0], [0.0, 9.0], [-8.0, 0.0]];
        assert_eq!(kept(&values, Metric::L2, Rule::plain(9)), [1, 3, 5]);
        assert_eq!(kept(&values, Metric::L2, Rule::plain(2)), [1, 3]);
        // Node 2 is twice as far from 0 as from 1, so four times in squares; node 4 is 9 from 0 and 6 from 3.
        assert_eq!(kept(&values, Metric::L2, Rule { limit: 9, alpha: 2.0 }), [1, 3, 5]);
        assert_eq!(kept(&values, Metric::L2, Rule { limit: 9, alpha: 3.0 }), [1, 3, 5, 4]);
        assert_eq!(kept(&values, Metric::L2, Rule { limit: 9, alpha: 5.0 }), [1, 2, 3, 5, 4]);
    }

    #[test]
    fn alpha_keeps_more_of_inner_products() {
        // Products of 0 with the first: 10, 8, 6. Node 1 has 80 with 2 and 60 with 3. The negatives make the mean zero.
        let half = [[1.0, 0.0], [10.0, 0.0], [8.0, 1.0], [6.0, -1.0]];
        let values = [half, half.map(|v| v.map(|x: f32| -x))].concat();
        let best = |rule| kept(&values, Metric::Ip, rule).into_iter().filter(|&n| n < 4).collect::<Vec<_>>();
        assert_eq!(best(Rule::plain(9)), [1]);
        assert_eq!(best(Rule { limit: 9, alpha: 20.0 }), [1, 2, 3]);
    }

    /// What is kept where candidates are compared one by one.
    fn one_by_one(space: &Space, candidates: &[Scored], own: f32, rule: Rule) -> Vec<u32> {
        let (mut kept, mut equals) = (Vec::new(), 0);
        for candidate in candidates {
            let is_hidden = kept.iter().any(|&node| {
                let mut target = Target::default();
                space.aim_at_node(node, &mut target);
                space.score_one(&target, candidate.node) < rule.bar(candidate.score)
            });
            let equal = candidate.score == own;
            if kept.len() < rule.limit && !is_hidden && !(equal && equals >= rule.limit.div_ceil(2)) {
                equals += usize::from(equal);
                kept.push(candidate.node);
            }
        }
        kept
    }

    #[test]
    fn windows_keep_what_one_by_one_keeps() {
        const ROWS: usize = 5 * WINDOW + 3;
        let mut random = Random::new(9);
        // Some are equal to others, and to node 0.
        let values: Vec<f32> = (0..ROWS * 3).map(|_| random.below(7) as f32).collect();
        let vectors = FloatVectors::new(values.into(), 3);
        let rows: Vec<u32> = (0..ROWS as u32).collect();
        let pool = crate::index::testing::pool(1);
        let (mut selector, mut base, mut late) = (Selector::default(), Target::default(), 0);
        for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
            let space = Space::encode(&vectors, &rows, metric, &pool, &mut || Ok(())).unwrap();
            space.aim_at_node(0, &mut base);
            let own = space.score_one(&base, 0);
            let scored = |&node: &u32| Scored { score: space.score_one(&base, node), node };
            let mut candidates: Vec<Scored> = rows[1..].iter().map(scored).collect();
            candidates.sort_unstable();
            for (limit, alpha) in [(1, 1.0), (4, 1.0), (9, 1.2), (30, 3.0), (60, 20.0), (ROWS, 50.0)] {
                let rule = Rule { limit, alpha };
                selector.select(&space, &candidates, own, rule);
                let kept: Vec<u32> = selector.kept.iter().map(|kept| kept.node).collect();
                assert_eq!(kept, one_by_one(&space, &candidates, own, rule), "{metric:?} {rule:?}");
                late += kept.iter().filter(|&&n| candidates[WINDOW..].iter().any(|c| c.node == n)).count();
            }
        }
        assert!(late > 0, "something of a later window is kept");
    }

    #[test]
    fn equals_take_half_of_the_places() {
        let values = [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [4.0, 2.0], [1.0, -7.0]];
        assert_eq!(kept(&values, Metric::L2, Rule::plain(4)), [1, 2, 5, 6]);
    }
}
