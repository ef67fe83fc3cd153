//! IVF_FLAT: rows in lists by their nearest centroid; a search scans the lists whose centroids are nearest.
//!
//! The lists hold codes and the scan is that of FLAT ([`scan`](super::scan)), so that probing all lists gives FLAT's
//! answer. What walks the lists knows three things of their codec: a query is prepared for it ([`Seeker::start`]),
//! places are shown to it ([`Source::scan`]), and it names its hits ([`Seeker::finish`]).
//!
//! The centroids are searched by a FLAT index of their own: exactly, but over their codes first.
//!
//! Like Milvus, a build makes no more than one list for [`ROWS_PER_LIST`] rows. COSINE clusters directions. IP clusters
//! the rows as they are and probes the lists whose means have the largest inner product: unlike faiss, which clusters
//! directions for IP too, because long rows win and are then spread over all lists (measured on 94,000 word vectors,
//! 1,024 lists, 32 probed: recall 0.85 against 0.51).

use super::catalog::{IndexSpec, Metric};
use super::exact::{self, Exact};
use super::flat::Flat;
use super::scan::{self, GROUP, Source};
use super::sections::{SectionWriter, Sections};
use super::shadow::Shadow;
use super::vectors::FloatVectors;
use super::{BuildContext, Index, Pace, Probe, Progress, Scratch};
use crate::error::{Error, Result};
use crate::kernel::topk::{Hit, TopK};
use crate::quant::kmeans::{self, Centroids};
use arrow_buffer::{ScalarBuffer, ToByteSlice};

/// Fewer rows for a list than this teach its centroid nothing (Milvus' number, from faiss).
const ROWS_PER_LIST: usize = 39;
/// Passes over the sample, as faiss does.
const ITERATIONS: usize = 10;
/// Rows of the sample for each centroid.
const SAMPLE_ROWS_PER_LIST: usize = 128;

pub struct Ivf {
    metric: Metric,
    vectors: FloatVectors,
    /// Over the centroids.
    coarse: Flat,
    /// List `i` has the places `offsets[i]..offsets[i + 1]`.
    offsets: ScalarBuffer<u32>,
    /// The row of each place.
    rows: ScalarBuffer<u32>,
    /// The codes of each place.
    shadow: Shadow,
}

/// What a search of lists reuses.
#[derive(Default)]
pub struct Buffers {
    /// The nearest centroids of each query.
    tops: Vec<TopK>,
    /// Those of one query, nearest first.
    nearest: Vec<Hit>,
    /// Which list to scan for which query: (turn, list, query).
    visits: Vec<(u32, u32, u32)>,
    active: Vec<u32>,
}

impl Ivf {
    pub fn build(spec: &IndexSpec, vectors: FloatVectors, context: &BuildContext) -> Result<Ivf> {
        let (rows, dim, metric) = (vectors.len(), vectors.dim(), spec.metric);
        let options = kmeans::Options {
            k: lists(spec, rows),
            iterations: ITERATIONS,
            rows_per_centroid: SAMPLE_ROWS_PER_LIST,
            spherical: metric == Metric::Cosine,
            seed: context.seed,
        };
        let work = Centroids::training_work(rows, &options) + 2 * rows as u64;
        let mut progress = Progress::new(context.pace, rows as u64, work);
        let mut advance = |work| progress.advance(work);
        let centroids = Centroids::train(vectors.values(), dim, &options, context.pool, &mut advance)?;
        let mut nearest = vec![0; rows];
        centroids.assign(vectors.values(), context.pool, &mut nearest, &mut advance)?;
        let (offsets, order) = kmeans::group(&nearest, centroids.len());
        let shadow = Shadow::build(metric, &vectors, Some(&order), context.pool, &mut advance)?;
        let context = BuildContext { pace: &Unheard, ..*context };
        let coarse = Flat::build(metric, FloatVectors::new(centroids.values.into(), dim), &context)?;
        let offsets = offsets.into_iter().map(|offset| offset as u32).collect();
        Ok(Ivf { metric, vectors, coarse, offsets, rows: order.into(), shadow })
    }

    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors) -> Result<Ivf> {
        let (rows, dim, metric) = (vectors.len(), vectors.dim(), spec.metric);
        let count = lists(spec, rows);
        let offsets = sections.typed::<u32>("list_offsets", count + 1)?;
        let ends_right = offsets.first() == Some(&0) && offsets.last().map(|&end| end as usize) == Some(rows);
        if !ends_right || !offsets.is_sorted() {
            return Err(Error::corrupt(format!("list_offsets do not divide {rows} rows into {count} lists")));
        }
        let order = sections.typed::<u32>("list_rows", rows)?;
        if let Some(row) = order.iter().find(|&&row| row as usize >= rows) {
            return Err(Error::corrupt(format!("list_rows names row {row} of {rows}")));
        }
        let centroids = FloatVectors::new(sections.typed("centroids", count * dim)?, dim);
        Ok(Ivf {
            metric,
            coarse: Flat::load("centroid_", metric, sections, centroids)?,
            offsets,
            rows: order,
            shadow: Shadow::load("list_", metric, rows, dim, sections)?,
            vectors,
        })
    }

    fn places(&self, list: u32) -> std::ops::Range<usize> {
        self.offsets[list as usize] as usize..self.offsets[list as usize + 1] as usize
    }

    /// The number of lists.
    fn lists(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many allowed rows a query wants to see at least: the k it must return and, behind a filter, half of what
    /// `nprobe` lists hold on average. What a filter lets through lies farther out than the lists nearest a query.
    fn wanted(&self, probe: &Probe, nprobe: usize, allowed: usize) -> usize {
        let usual = if probe.allow.is_some() { self.rows.len() / self.lists() * nprobe / 2 } else { 0 };
        usual.max(probe.k).min(allowed)
    }

    /// Fills `scratch.ivf.tops` with the `count` nearest centroids of each query.
    fn nearest(&self, probe: &Probe, queries: &[f32], count: usize, scratch: &mut Scratch) {
        let mut tops = std::mem::take(&mut scratch.ivf.tops);
        tops.resize_with(queries.len() / self.vectors.dim(), || TopK::new(count));
        tops.iter_mut().for_each(|top| top.reset(count));
        let coarse = Probe { k: count, allow: None, ..probe.with_floats(queries) };
        self.coarse.scan(&coarse, scratch, &mut tops);
        scratch.ivf.tops = tops;
    }

    /// Scans the `nprobe` nearest lists of each query of a group; a list that several queries want is read once.
    fn probe_lists(&self, probe: &Probe, queries: &[f32], nprobe: usize, scratch: &mut Scratch) {
        self.nearest(probe, queries, nprobe, scratch);
        let dim = self.vectors.dim();
        let count = queries.len() / dim;
        let (seekers, Buffers { tops, nearest, visits, active }) = scratch.seekers_and_ivf(count);
        visits.clear();
        for (i, query) in queries.chunks_exact(dim).enumerate() {
            seekers.list[i].start(&self.shadow, query, probe.k);
            sorted(&tops[i], nearest);
            // A query alone goes from near to far, so that its bounds tighten early. In company each first sees its
            // nearest list, and then all lists are read in one pass.
            let turn = |rank: usize| if count == 1 { rank as u32 } else { rank.min(1) as u32 };
            let ranked = nearest.iter().enumerate();
            visits.extend(ranked.map(|(rank, centroid)| (turn(rank), centroid.row, i as u32)));
        }
        visits.sort_unstable();
        let source = self.source(probe);
        for visits in visits.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            active.clear();
            active.extend(visits.iter().map(|visit| visit.2));
            source.scan(self.places(visits[0].1), active, seekers.list, seekers.buffers);
        }
    }

    /// Goes on to farther lists while a query has seen fewer than `wanted` rows.
    fn probe_more(
        &self,
        probe: &Probe,
        queries: &[f32],
        nprobe: usize,
        wanted: usize,
        scratch: &mut Scratch,
    ) {
        let dim = self.vectors.dim();
        let count = queries.len() / dim;
        if scratch.seekers(count).list.iter().all(|seeker| seeker.seen() >= wanted) {
            return;
        }
        // Centroids are searched with the same seekers: the short ones step aside.
        let mut short = std::mem::take(&mut scratch.seekers);
        self.nearest(probe, queries, self.lists(), scratch);
        std::mem::swap(&mut short, &mut scratch.seekers);
        let (seekers, Buffers { tops, nearest, .. }) = scratch.seekers_and_ivf(count);
        for (i, top) in tops.iter().enumerate() {
            sorted(top, nearest);
            for centroid in nearest.iter().skip(nprobe) {
                if seekers.list[i].seen() >= wanted {
                    break;
                }
                let places = self.places(centroid.row);
                self.source(probe).scan(places, &[i as u32], seekers.list, seekers.buffers);
            }
        }
    }

    fn source<'a>(&'a self, probe: &Probe<'a>) -> Source<'a> {
        Source { shadow: &self.shadow, rows: Some(&self.rows), allow: probe.allow, stop: probe.stop }
    }
}

impl Index for Ivf {
    fn search(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let (rows, dim) = (self.vectors.len(), self.vectors.dim());
        let allowed = scan::allowed(probe, rows);
        let nprobe = probe.params.count("nprobe").clamp(1, self.lists());
        let wanted = self.wanted(probe, nprobe, allowed);
        // Lists that show `wanted` allowed rows hold about so many rows, if the filter lies evenly over the lists.
        if probe.allow.is_some() && scan::few(allowed, wanted.saturating_mul(rows) / allowed.max(1)) {
            exact::scan(self.metric, &self.vectors, probe, tops);
            return Ok(());
        }
        for (queries, tops) in probe.floats().chunks(GROUP * dim).zip(tops.chunks_mut(GROUP)) {
            self.probe_lists(probe, queries, nprobe, scratch);
            self.probe_more(probe, queries, nprobe, wanted, scratch);
            let seekers = scratch.seekers(tops.len());
            for ((seeker, query), top) in seekers.list.iter_mut().zip(queries.chunks_exact(dim)).zip(tops) {
                seeker.finish(&Exact::new(self.metric, &self.vectors, query), probe.stop, top);
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("list_offsets", self.offsets.to_byte_slice())?;
        out.section("list_rows", self.rows.to_byte_slice())?;
        out.section("centroids", self.coarse.vectors().values().to_byte_slice())?;
        self.coarse.save("centroid_", out)?;
        self.shadow.save("list_", out)
    }

    fn memory(&self) -> usize {
        let numbers = self.offsets.len() + self.rows.len() + self.coarse.vectors().values().len();
        self.coarse.memory() + self.shadow.memory() + size_of::<u32>() * numbers
    }
}

/// How many lists a build over `rows` makes.
fn lists(spec: &IndexSpec, rows: usize) -> usize {
    spec.params.count("nlist").clamp(1, (rows / ROWS_PER_LIST).max(1))
}

/// Copies the hits of `top` into `out`, best first.
fn sorted(top: &TopK, out: &mut Vec<Hit>) {
    out.clear();
    out.extend_from_slice(top.hits());
    out.sort_unstable_by(|a, b| a.score.total_cmp(&b.score).then(a.row.cmp(&b.row)));
}

/// For the small builds inside a large one.
struct Unheard;

impl Pace for Unheard {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
        Ok(())
    }
}
