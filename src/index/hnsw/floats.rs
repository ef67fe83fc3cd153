//! HNSW over floats: the graph is built and searched on seven-bit codes, a quarter of the floats' bytes; the best
//! candidates are then ranked by their raw vectors.
//!
//! Inner products of vectors of uneven lengths are no distances, but the graph is built on them all the same, as in
//! hnswlib: rows link to those that they have the largest products with, which are the rows that queries want (ip-NSW,
//! Morozov & Babenko 2018).

use super::{Buffers, Domain, NAME};
use crate::error::Result;
use crate::index::catalog::Metric;
use crate::index::exact;
use crate::index::graph::beam::{Beam, Pool};
use crate::index::graph::rank;
use crate::index::graph::space::{Space, Target};
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::FloatVectors;
use crate::index::{BuildContext, Probe};
use crate::kernel::topk::TopK;
use arrow_buffer::ScalarBuffer;

/// Raw vectors, and their codes as nodes.
pub struct Floats {
    vectors: FloatVectors,
    pub space: Space,
}

impl Domain for Floats {
    type Vectors = FloatVectors;
    type Points = Space;

    fn len(vectors: &FloatVectors) -> usize {
        vectors.len()
    }

    fn build(
        metric: Metric,
        vectors: FloatVectors,
        rows: &ScalarBuffer<u32>,
        context: &BuildContext,
    ) -> Result<Floats> {
        let mut pause = || context.pace.checkpoint(0, rows.len() as u64);
        let space = Space::encode(&vectors, rows, metric, context.pool, &mut pause)?;
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
        let space = Space::load(metric, f32::from_bits(scale), sections, rows.len(), vectors.dim(), NAME)?;
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

    fn rank(&self, probe: &Probe, pool: &Pool, rows: &[u32], top: &mut TopK) {
        rank::rank(self.space.metric, &self.vectors, probe.floats(), probe.k, pool, rows, top);
    }

    fn scan(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.space.metric, &self.vectors, probe, tops);
    }
}
