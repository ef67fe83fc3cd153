//! Exact scores: what decides in the end. Every kind re-ranks with these, so all agree bit for bit.

use super::catalog::Metric;
use super::vectors::{FloatVectors, Vectors};
use super::{Probe, binary};
use crate::kernel;
use crate::kernel::topk::TopK;
use std::sync::atomic::Ordering;

/// Bytes of a block of rows that serves all queries while it is in the second-level cache.
const BLOCK_BYTES: usize = 1 << 18;
/// Allowed rows that are asked for before they are scored: they lie apart, where the processor does not look by itself.
const AHEAD: usize = 4;

/// A query bound to a metric and the raw vectors of a segment. Smaller is closer: squared L2, -IP, -COSINE.
#[derive(Clone, Copy)]
pub struct Exact<'a> {
    metric: Metric,
    vectors: &'a FloatVectors,
    query: &'a [f32],
    /// The query's length (COSINE only).
    length: f32,
}

impl<'a> Exact<'a> {
    /// `metric` is one of float vectors; `query` has their dimension.
    pub fn new(metric: Metric, vectors: &'a FloatVectors, query: &'a [f32]) -> Exact<'a> {
        let length = if metric == Metric::Cosine { kernel::dot(query, query).sqrt() } else { 0.0 };
        Exact { metric, vectors, query, length }
    }

    /// Asks the memory for a row that will be scored soon.
    pub fn prefetch(&self, row: u32) {
        kernel::prefetch(self.vectors.row(row as usize));
    }

    /// The score of one row. COSINE with a vector of zeros is 0.
    pub fn score(&self, row: u32) -> f32 {
        self.score_vector(self.vectors.row(row as usize))
    }

    /// The score of a row that was read from elsewhere.
    pub fn score_vector(&self, row: &[f32]) -> f32 {
        // 0 - x and not -x: of two rows at zero neither comes first.
        match self.metric {
            Metric::L2 => kernel::l2(self.query, row),
            Metric::Cosine => {
                let (dot, norm) = kernel::dot_norm(self.query, row);
                let lengths = self.length * norm.sqrt();
                if lengths > 0.0 { (0.0 - dot) / lengths } else { 0.0 }
            }
            _ => 0.0 - kernel::dot(self.query, row),
        }
    }
}

/// Exhaustive search without an index: of growing and small segments, and the oracle of every index.
pub fn search(metric: Metric, vectors: &Vectors, probe: &Probe, tops: &mut [TopK]) {
    match vectors {
        Vectors::Float(vectors) => scan(metric, vectors, probe, tops),
        Vectors::Binary(vectors) => binary::scan(metric, vectors, probe, tops),
    }
}

/// [`search`] over float vectors.
pub fn scan(metric: Metric, vectors: &FloatVectors, probe: &Probe, tops: &mut [TopK]) {
    let dim = vectors.dim();
    let most = (BLOCK_BYTES / (size_of::<f32>() * dim)).max(1);
    let ahead = if probe.allow.is_some() { AHEAD } else { 0 };
    // Shows a block of rows to each query; `false` when it is time to stop.
    let mut show = |block: &[u32]| {
        if probe.stop.load(Ordering::Relaxed) {
            return false;
        }
        for (query, top) in probe.floats().chunks_exact(dim).zip(tops.iter_mut()) {
            let exact = Exact::new(metric, vectors, query);
            block.iter().take(ahead).for_each(|&row| exact.prefetch(row));
            for (i, &row) in block.iter().enumerate() {
                if let Some(&next) = block.get(i + ahead).filter(|_| ahead > 0) {
                    exact.prefetch(next);
                }
                top.push(exact.score(row), row);
            }
        }
        true
    };
    let all = 0..vectors.len() as u32;
    match probe.allow {
        None => in_blocks(all, most, &mut show),
        Some(allow) => in_blocks(allow.set_indices_u32(), most, &mut show),
    }
}

/// Shows `rows` in blocks of at most `most`, which is above 0, while it is true that they are wanted.
fn in_blocks(rows: impl Iterator<Item = u32>, most: usize, show: &mut impl FnMut(&[u32]) -> bool) {
    let mut rows = rows.peekable();
    let mut block = Vec::with_capacity(most);
    while rows.peek().is_some() {
        block.clear();
        block.extend(rows.by_ref().take(most));
        if !show(&block) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Queries;
    use crate::index::catalog::Params;
    use arrow_buffer::BooleanBuffer;
    use std::sync::atomic::AtomicBool;

    const ROWS: [[f32; 2]; 4] = [[3.0, 4.0], [0.0, 0.0], [-6.0, 8.0], [3.0, 4.0]];

    fn found(metric: Metric, allow: Option<&BooleanBuffer>, k: usize) -> Vec<(f32, u32)> {
        let vectors = FloatVectors::new(ROWS.as_flattened().to_vec().into(), 2);
        let (params, stop) = (Params::default(), AtomicBool::new(false));
        let probe = Probe { queries: Queries::Float(&[0.0, 2.0]), k, allow, params: &params, stop: &stop };
        let mut tops = [TopK::new(k)];
        scan(metric, &vectors, &probe, &mut tops);
        tops[0].drain_sorted().iter().map(|hit| (hit.score, hit.row)).collect()
    }

    #[test]
    fn scores_are_those_of_the_metrics() {
        assert_eq!(found(Metric::L2, None, 9), [(4.0, 1), (13.0, 0), (13.0, 3), (72.0, 2)]);
        assert_eq!(found(Metric::Ip, None, 9), [(-16.0, 2), (-8.0, 0), (-8.0, 3), (0.0, 1)]);
        assert_eq!(found(Metric::Cosine, None, 9), [(-0.8, 0), (-0.8, 2), (-0.8, 3), (0.0, 1)]);
    }

    #[test]
    fn only_allowed_rows_are_found() {
        let allow = BooleanBuffer::from(vec![false, true, true, true]);
        assert_eq!(found(Metric::L2, Some(&allow), 2), [(4.0, 1), (13.0, 3)]);
        assert_eq!(found(Metric::L2, Some(&BooleanBuffer::new_unset(4)), 2), []);
    }
}
