//! BIN_FLAT: exhaustive and exact, but over codes first (see [`scan`](super::scan)).

use super::codes::Codes;
use super::measure::Measure;
use super::scan::{GROUP, Source};
use crate::error::Result;
use crate::index::catalog::Metric;
use crate::index::scan;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::BinaryVectors;
use crate::index::{BuildContext, Index, Probe, Progress, Scratch};
use crate::kernel::topk::TopK;

pub struct BinFlat {
    metric: Metric,
    vectors: BinaryVectors,
    codes: Codes,
}

impl BinFlat {
    pub fn build(metric: Metric, vectors: BinaryVectors, context: &BuildContext) -> Result<BinFlat> {
        let rows = vectors.len() as u64;
        let mut progress = Progress::new(context.pace, rows, rows);
        let codes = Codes::build(&vectors, None, context.pool, &mut |work| progress.advance(work))?;
        Ok(BinFlat { metric, vectors, codes })
    }

    pub fn load(metric: Metric, sections: &Sections, vectors: BinaryVectors) -> Result<BinFlat> {
        let codes = Codes::load("", sections, &vectors, true)?;
        Ok(BinFlat { metric, vectors, codes })
    }
}

impl Index for BinFlat {
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let (rows, stride) = (self.vectors.len(), self.vectors.stride());
        let source = Source {
            codes: &self.codes,
            rows: None,
            first: 0,
            vectors: &self.vectors,
            allow: probe.allow,
            stop: probe.stop,
        };
        let measure = Measure::of(self.metric);
        for (queries, tops) in probe.bits().chunks(GROUP * stride).zip(tops.chunks_mut(GROUP)) {
            let seekers = scratch.bit_seekers(tops.len());
            for (seeker, query) in seekers.list.iter_mut().zip(queries.chunks_exact(stride)) {
                seeker.start(measure, &self.codes, query, probe.k);
            }
            source.scan(0..rows, seekers.all, seekers.list, seekers.buffers);
            for (seeker, top) in seekers.list.iter_mut().zip(tops) {
                seeker.finish(top);
            }
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.vectors.len()
    }

    fn cost(&self, _probe: &Probe, _allowed: usize) -> f64 {
        scan::all_codes(self.vectors.len())
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        super::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        self.codes.save("", out)
    }

    fn memory(&self) -> usize {
        self.codes.memory()
    }
}
