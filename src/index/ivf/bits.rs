//! BIN_IVF_FLAT: lists of bits around centroids of bits. The scan of the lists is that of BIN_FLAT
//! ([`scan`](crate::index::binary::Source)), so that probing all lists gives its answer.

use super::{Coarse, Codec, Layout, List, Lists, Room, Value, Visit};
use crate::error::Result;
use crate::index::binary::clusters::Centroids;
use crate::index::binary::measure::Measure;
use crate::index::binary::{self, Codes, Seeker, Source};
use crate::index::catalog::{IndexSpec, Metric};
use crate::index::scan::EXACT_COST;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::BinaryVectors;
use crate::index::{BuildContext, Index, Probe, Progress, Queries, Scratch};
use crate::kernel::topk::TopK;

impl Value for u8 {
    fn queries<'a>(probe: &Probe<'a>) -> &'a [u8] {
        probe.bits()
    }

    fn bound(queries: &[u8]) -> Queries<'_> {
        Queries::Binary(queries)
    }
}

impl Coarse for Centroids {
    type Value = u8;

    fn width(&self) -> usize {
        self.bits().stride()
    }

    fn nearest(
        &self,
        _probe: &Probe,
        queries: &[u8],
        _count: usize,
        scratch: &mut Scratch,
        tops: &mut [TopK],
    ) {
        self.nearest(queries, &mut scratch.ivf.differ, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("centroids", self.bits().bytes())
    }

    fn memory(&self) -> usize {
        self.memory()
    }
}

pub struct Bits {
    metric: Metric,
    vectors: BinaryVectors,
    /// Of each place.
    codes: Codes,
}

/// What a scan of lists reuses.
#[derive(Default)]
pub struct Buffers {
    active: Vec<u32>,
    scan: binary::Buffers,
}

impl Codec for Bits {
    type Value = u8;
    type Seeker = Seeker;
    type Buffers = Buffers;

    const EXACT_COST: usize = EXACT_COST;

    fn room(scratch: &mut Scratch) -> &mut Room<Bits> {
        &mut scratch.ivf.bits
    }

    fn start(&self, query: &[u8], probe: &Probe, seeker: &mut Seeker) {
        seeker.start(Measure::of(self.metric), &self.codes, query, probe.k);
    }

    fn scan(&self, list: &List, visits: &[Visit], seekers: &mut [Seeker], buffers: &mut Buffers) -> usize {
        let source = Source {
            codes: &self.codes,
            rows: Some(list.rows),
            first: list.places.start,
            vectors: &self.vectors,
            allow: list.allow,
            stop: list.stop,
        };
        let Buffers { active, scan } = buffers;
        let mut shown = 0;
        for visits in visits.chunks(binary::GROUP) {
            active.clear();
            active.extend(visits.iter().map(|visit| visit.query));
            // The same number for each chunk.
            shown = source.scan(list.places.clone(), active, seekers, scan);
        }
        shown
    }

    fn finish(&self, _query: &[u8], _probe: &Probe, seeker: &mut Seeker, top: &mut TopK) {
        seeker.finish(top);
    }

    fn exhaustive(&self, probe: &Probe, tops: &mut [TopK]) {
        binary::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        self.codes.save("list_", out)
    }

    fn memory(&self) -> usize {
        self.codes.memory()
    }
}

/// Builds BIN_IVF_FLAT.
pub fn build(spec: &IndexSpec, vectors: BinaryVectors, context: &BuildContext) -> Result<Box<dyn Index>> {
    let (rows, measure) = (vectors.len(), Measure::of(spec.metric));
    binary::check_stride(vectors.stride())?;
    let count = Layout::count(spec, rows);
    let work = Centroids::training_work(rows, count) + 2 * rows as u64;
    let mut progress = Progress::new(context.pace, rows as u64, work);
    let mut advance = |work| progress.advance(work);
    let centroids = Centroids::train(measure, &vectors, count, context.seed, context.pool, &mut advance)?;
    let mut nearest = vec![0; rows];
    centroids.assign(&vectors, context.pool, &mut nearest, &mut advance)?;
    let layout = Layout::new(&nearest, count);
    let codes = Codes::build(&vectors, Some(layout.rows()), context.pool, &mut advance)?;
    let codec = Bits { metric: spec.metric, vectors, codes };
    Ok(Box::new(Lists::new(centroids, layout, codec)))
}

/// The most bytes that [`build`] holds at once, what it makes included.
pub fn build_memory(spec: &IndexSpec, rows: usize, stride: usize) -> usize {
    let lists = Layout::count(spec, rows);
    let centroids = lists * (stride + size_of::<i32>());
    // Codes are rows at most, and the set bits of each.
    let codes = rows * (stride + size_of::<u16>());
    centroids + Layout::build_memory(lists, rows) + Centroids::training_memory(rows, lists, stride).max(codes)
}

/// Opens BIN_IVF_FLAT.
pub fn load(spec: &IndexSpec, sections: &Sections, vectors: BinaryVectors) -> Result<Box<dyn Index>> {
    let (rows, stride) = (vectors.len(), vectors.stride());
    let count = Layout::count(spec, rows);
    let layout = Layout::load(sections, count, rows)?;
    let centroids =
        BinaryVectors::new(sections.typed::<u8>("centroids", count * stride)?.into_inner(), stride);
    let centroids = Centroids::new(Measure::of(spec.metric), centroids);
    let codes = Codes::load("list_", sections, &vectors, false)?;
    let codec = Bits { metric: spec.metric, vectors, codes };
    Ok(Box::new(Lists::new(centroids, layout, codec)))
}
