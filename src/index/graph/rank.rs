//! Ranking what a search over codes found by the raw vectors.

use super::beam::{Pool, Scored};
use crate::index::catalog::Metric;
use crate::index::exact::Exact;
use crate::index::vectors::FloatVectors;
use crate::kernel::topk::TopK;

/// Candidates ranked at least: what their errors say about the others.
const MIN_RANKED: usize = 12;
/// Raw vectors on their way from memory while candidates are ranked.
const PREFETCH: usize = 4;

/// Ranks the candidates of `pool` by their raw vectors, best first, until the errors seen so far make it unlikely that
/// the next one belongs to the `k` hits: a few beyond k where codes are fine, many where they are coarse. For IP all
/// candidates are ranked: the longest rows have the largest products, and those that reach beyond the range of the codes
/// lose more than the errors of the others tell. `rows` are the rows of the nodes.
pub fn rank(
    metric: Metric,
    vectors: &FloatVectors,
    query: &[f32],
    k: usize,
    pool: &Pool,
    rows: &[u32],
    top: &mut TopK,
) {
    let exact = Exact::new(metric, vectors, query);
    let row = |hit: Scored| rows[hit.node as usize];
    let prefetch = |hit| exact.prefetch(row(hit));
    let mut ahead = pool.hits();
    ahead.by_ref().take(PREFETCH).for_each(prefetch);
    let mut errors = Errors::default();
    let least = if metric == Metric::Ip { pool.found() } else { k.max(MIN_RANKED) };
    for (rank, hit) in pool.hits().enumerate() {
        if rank >= least && errors.likely_at_least(hit.score) > top.threshold() {
            break;
        }
        ahead.by_ref().take(1).for_each(prefetch);
        let score = exact.score(row(hit));
        errors.add(score - hit.score);
        top.push(score, row(hit));
    }
}

/// How far the scores of codes were from the exact ones.
#[derive(Default)]
struct Errors {
    count: f32,
    squares: f32,
}

impl Errors {
    fn add(&mut self, error: f32) {
        self.count += 1.0;
        self.squares += error * error;
    }

    /// What the exact score of a code's `score` is hardly below. The mean error is not taken off: the best candidates are
    /// those that codes flatter, the others are not.
    fn likely_at_least(&self, score: f32) -> f32 {
        score - 3.0 * (self.squares / self.count).sqrt()
    }
}
