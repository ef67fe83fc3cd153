//! FLAT: exhaustive and exact, but over codes first (see [`scan`](super::scan)).

use super::catalog::Metric;
use super::exact::{self, Exact};
use super::scan::{self, GROUP, Source};
use super::sections::{SectionWriter, Sections};
use super::shadow::Shadow;
use super::vectors::FloatVectors;
use super::{BuildContext, Index, Probe, Progress, Scratch};
use crate::error::Result;
use crate::kernel::topk::TopK;

pub struct Flat {
    metric: Metric,
    vectors: FloatVectors,
    shadow: Shadow,
}

impl Flat {
    pub fn build(metric: Metric, vectors: FloatVectors, context: &BuildContext) -> Result<Flat> {
        let rows = vectors.len() as u64;
        let mut progress = Progress::new(context.pace, rows, rows);
        let shadow = Shadow::build(metric, &vectors, None, context.pool, &mut |work| progress.advance(work))?;
        Ok(Flat { metric, vectors, shadow })
    }

    /// Reads sections whose names are behind `prefix`.
    pub fn load(prefix: &str, metric: Metric, sections: &Sections, vectors: FloatVectors) -> Result<Flat> {
        let shadow = Shadow::load(prefix, metric, vectors.len(), vectors.dim(), sections)?;
        Ok(Flat { metric, vectors, shadow })
    }

    /// Writes sections, their names behind `prefix`.
    pub fn save(&self, prefix: &str, out: &mut dyn SectionWriter) -> Result<()> {
        self.shadow.save(prefix, out)
    }

    /// The vectors it searches.
    pub fn vectors(&self) -> &FloatVectors {
        &self.vectors
    }

    /// [`Index::traverse`], which for this kind cannot fail.
    pub fn scan(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) {
        let rows = self.vectors.len();
        let source =
            Source { shadow: &self.shadow, first: 0, rows: None, allow: probe.allow, stop: probe.stop };
        let queries = probe.floats().chunks(GROUP * self.vectors.dim());
        for (queries, tops) in queries.zip(tops.chunks_mut(GROUP)) {
            let seekers = scratch.seekers(tops.len());
            let queries = queries.chunks_exact(self.vectors.dim());
            for (seeker, query) in seekers.list.iter_mut().zip(queries.clone()) {
                seeker.start(&self.shadow, query, probe.k);
            }
            source.scan(0..rows, seekers.all, seekers.list, seekers.buffers);
            for ((seeker, query), top) in seekers.list.iter_mut().zip(queries).zip(tops) {
                seeker.finish(&self.shadow, &Exact::new(self.metric, &self.vectors, query), probe.stop, top);
            }
        }
    }
}

impl Index for Flat {
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        self.scan(probe, scratch, tops);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.vectors.len()
    }

    fn cost(&self, _probe: &Probe, allowed: usize) -> f64 {
        scan::some_codes_in_order(self.vectors.len() as f64, allowed as f64)
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        self.save("", out)
    }

    fn memory(&self) -> usize {
        self.shadow.memory()
    }
}
