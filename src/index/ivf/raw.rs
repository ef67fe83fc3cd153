//! IVF_FLAT: the lists hold the seven-bit shadow of their rows, and the scan is that of FLAT ([`scan`]), so that probing
//! all lists gives FLAT's answer.

use super::{Codec, List, Room, Visit};
use crate::error::Result;
use crate::index::catalog::Metric;
use crate::index::exact::{self, Exact};
use crate::index::scan::{self, Seeker, Source};
use crate::index::sections::{SectionWriter, Sections};
use crate::index::shadow::Shadow;
use crate::index::vectors::FloatVectors;
use crate::index::{Probe, Scratch};
use crate::kernel::topk::TopK;

pub struct Raw {
    metric: Metric,
    vectors: FloatVectors,
    /// The codes of each place.
    shadow: Shadow,
}

/// What a scan of lists reuses.
#[derive(Default)]
pub struct Buffers {
    active: Vec<u32>,
    scan: scan::Buffers,
}

impl Raw {
    /// `order` names the row of each place.
    pub fn build(
        metric: Metric,
        vectors: FloatVectors,
        order: &[u32],
        pool: &rayon::ThreadPool,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Raw> {
        let shadow = Shadow::build(metric, &vectors, Some(order), pool, advance)?;
        Ok(Raw { metric, vectors, shadow })
    }

    pub fn load(metric: Metric, sections: &Sections, vectors: FloatVectors) -> Result<Raw> {
        let shadow = Shadow::load("list_", metric, vectors.len(), vectors.dim(), sections)?;
        Ok(Raw { metric, vectors, shadow })
    }
}

impl Codec for Raw {
    type Value = f32;
    type Seeker = Seeker;
    type Buffers = Buffers;

    const EXACT_COST: usize = scan::EXACT_COST;
    const EVERYWHERE: bool = true;

    fn cost(rows: f64, allowed: f64) -> f64 {
        scan::some_codes(rows, allowed)
    }

    fn room(scratch: &mut Scratch) -> &mut Room<Raw> {
        &mut scratch.ivf.raw
    }

    fn start(&self, query: &[f32], probe: &Probe, seeker: &mut Seeker) {
        seeker.start(&self.shadow, query, probe.k);
    }

    fn scan(&self, list: &List, visits: &[Visit], seekers: &mut [Seeker], buffers: &mut Buffers) -> usize {
        let source = Source {
            shadow: &self.shadow,
            first: list.places.start,
            rows: Some(list.rows),
            allow: list.allow,
            stop: list.stop,
        };
        let Buffers { active, scan } = buffers;
        let mut shown = 0;
        for visits in visits.chunks(scan::GROUP) {
            active.clear();
            active.extend(visits.iter().map(|visit| visit.query));
            // The same number for each chunk.
            shown = source.scan(list.places.clone(), active, seekers, scan);
        }
        shown
    }

    fn finish(&self, query: &[f32], probe: &Probe, seeker: &mut Seeker, top: &mut TopK) {
        seeker.finish(&self.shadow, &Exact::new(self.metric, &self.vectors, query), probe.stop, top);
    }

    fn exhaustive(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        self.shadow.save("list_", out)
    }

    fn memory(&self) -> usize {
        self.shadow.memory()
    }
}
