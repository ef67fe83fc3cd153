//! HNSW over floats: the graph is built and searched on seven-bit codes, a quarter of the floats' bytes; the best
//! candidates are then ranked by their raw vectors.
//! Inner products of vectors of uneven lengths are no distances, but the graph is built on them all the same, as in
//! hnswlib: rows link to those that they have the largest products with, which are the rows that queries want (ip-NSW,
//! Morozov & Babenko 2018).

use super::{Buffers, Domain};
use crate::error::Result;
use crate::index::Probe;
use crate::index::catalog::Metric;
use crate::index::exact::{self, Exact};
use crate::index::graph::beam::{Beam, Pool, Scored};
use crate::index::graph::space::{Space, Target};
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::FloatVectors;
use crate::kernel;
use crate::kernel::topk::TopK;
use arrow_buffer::ScalarBuffer;

/// Candidates ranked at least: what their errors say about the others.
const MIN_RANKED: usize = 12;
/// Raw vectors on their way from memory while candidates are ranked.
const PREFETCH: usize = 4;

/// Raw vectors, and their codes as nodes.
pub struct Floats {
    vectors: FloatVectors,
    pub space: Space,
}

impl Domain for Floats {
    type Vectors = FloatVectors;
    type Points = Space;
    const EXACT_COST: usize = 3;

    fn len(vectors: &FloatVectors) -> usize {
        vectors.len()
    }

    fn build(metric: Metric, vectors: FloatVectors, rows: &ScalarBuffer<u32>) -> Result<Floats> {
        let space = Space::encode(&vectors, rows, metric);
        Ok(Floats { vectors, space })
    }

    /// `scale` is the step of the codes.
    fn load(
        metric: Metric,
        scale: u32,
        sections: &Sections,
        vectors: FloatVectors,
        rows: &ScalarBuffer<u32>,
    ) -> Result<Floats> {
        let space = Space::load(metric, f32::from_bits(scale), sections, rows.len(), vectors.dim())?;
        Ok(Floats { vectors, space })
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        self.space.save(out)
    }

    fn memory(&self) -> usize {
        self.space.memory()
    }

    fn metric(&self) -> Metric {
        self.space.metric
    }

    fn scale(&self) -> u32 {
        self.space.quantizer.step.to_bits()
    }

    fn points(&self) -> &Space {
        &self.space
    }

    fn buffers(buffers: &mut Buffers) -> (&mut Beam, &mut Target) {
        (&mut buffers.beam, &mut buffers.float)
    }

    fn aim(&self, probe: &Probe, target: &mut Target) {
        self.space.aim_at_query(probe.floats(), target);
    }

    /// Ranks the candidates by their raw vectors, best first, until the errors seen so far make it unlikely that the next
    /// one belongs to the hits: a few beyond k where codes are fine, many where they are coarse. For IP all candidates
    /// are ranked: the longest rows have the largest products, and those that reach beyond the range of the codes lose
    /// more than the errors of the others tell.
    fn rank(&self, probe: &Probe, pool: &Pool, rows: &[u32], top: &mut TopK) {
        let exact = Exact::new(self.space.metric, &self.vectors, probe.floats());
        let row = |hit: Scored| rows[hit.node as usize];
        let prefetch = |hit| kernel::prefetch(self.vectors.row(row(hit) as usize));
        let mut ahead = pool.hits();
        ahead.by_ref().take(PREFETCH).for_each(prefetch);
        let mut errors = Errors::default();
        let least = if self.space.metric == Metric::Ip { pool.found() } else { probe.k.max(MIN_RANKED) };
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

    fn scan(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.space.metric, &self.vectors, probe, tops);
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
