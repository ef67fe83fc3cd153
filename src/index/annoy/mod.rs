//! ANNOY: a forest of random-projection trees, as Spotify's annoy builds it (Bernhardsson 2013).
//!
//! Each tree divides the rows by planes between two means of random points, until few are left in a leaf. A search goes
//! down all trees at once: what lies beyond a plane waits in one queue over all trees, in the order of its distance to
//! the query, until the leaves that were opened hold `search_k` rows. Their codes are scored, and the best rows' raw
//! vectors ([`scan`](super::scan)).
//!
//! What differs from annoy, and why:
//!
//! - Trees are grown and searched on the seven-bit codes of the rows, by integers: a quarter of the bytes, and the same
//!   trees on every machine. Planes of COSINE have an offset too: on normalised rows it says no less than an angle.
//! - Leaves are smaller (annoy's hold as many rows as a vector has values): fewer rows to score for the same recall.
//! - A branch's distance is the sum of the squared distances to the planes before it, not the largest of them: planes in
//!   many dimensions are nearly at right angles.
//! - Rows count once towards `search_k`, however many trees name them, and only if a filter allows them.
//!
//! IP follows annoy's `dot` (Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation for
//! inner-product spaces", 2014): rows get one more dimension that makes all of them equally long, queries are scaled to
//! that length, and the nearest rows are those with the largest inner products.

mod build;
mod forest;
#[cfg(test)]
mod tests;

use super::catalog::{IndexSpec, Metric};
use super::exact::{self, Exact};
use super::graph::beam::Visited;
use super::graph::check::check_rows;
use super::graph::space::Pause;
use super::scan::{self, Source};
use super::sections::{SectionWriter, Sections};
use super::shadow::Shadow;
use super::vectors::FloatVectors;
use super::{BuildContext, Index, Probe, Progress, Scratch};
use crate::error::{Error, Result};
use crate::kernel::topk::TopK;
use arrow_buffer::{ScalarBuffer, ToByteSlice};
use build::Ground;
use forest::{Branch, Forest};
use rayon::prelude::*;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;

/// The layout of the sections.
const FORMAT: u32 = 1;
/// A leaf has at most this part of as many rows as a code has dimensions, so that normals take less than vectors.
const DIM_PER_LEAF_ROW: usize = 8;
/// A leaf may have so many rows in any case: visiting it costs about as much as scoring them.
const SMALL_LEAF: usize = 32;
/// Without a `search_k`, one row of so many is scored (Milvus' 5 %).
const USUAL_SHARE: usize = 20;
/// Rows whose codes are scored together.
const BLOCK: usize = 256;
/// What the exact score of a row costs, in scores of codes.
const EXACT_COST: usize = 3;
/// Rows that a search meets, to find that they are not allowed, at the price of one score of a code.
const MET_PER_SCORE: usize = 2;
/// A search behind a filter that has met one row of so many gives up: to scan the codes of all, in their order, is cheaper.
const MOST_MET: usize = 2;
/// For IP, one row of so many is longer than the length that rows are lifted to: a few very long rows must not make all
/// others look alike.
const LONGER_ONE_IN: usize = 1000;
/// Values whose rows' lengths are summed between two checkpoints.
const STEP_VALUES: usize = 1 << 24;
/// The largest lift, in steps of the codes: products stay far from overflowing.
const MAX_LIFT: f64 = (1 << 14) as f64;

/// Trees over all rows of a segment.
pub struct Annoy {
    metric: Metric,
    vectors: FloatVectors,
    /// The codes, in the order of the first tree's leaves.
    shadow: Shadow,
    /// The row of each place in that order.
    rows: ScalarBuffer<u32>,
    forest: Forest,
    /// IP: the length that queries are scaled to.
    length: f32,
}

/// What a search reuses.
#[derive(Default)]
pub struct Buffers {
    queue: BinaryHeap<Branch>,
    visited: Visited,
    scaled: Vec<f32>,
    code: Vec<u8>,
    /// Places that wait for being scored.
    places: Vec<u32>,
}

impl Annoy {
    /// Builds `n_trees` trees.
    pub fn build(spec: &IndexSpec, vectors: FloatVectors, context: &BuildContext) -> Result<Annoy> {
        let (rows, metric, trees) = (vectors.len(), spec.metric, trees(spec));
        let work = (rows as u64).saturating_mul(trees as u64 + 1);
        let mut progress = Progress::new(context.pace, rows as u64, work);
        let mut advance = |work| progress.advance(work);
        let mut shadow = Shadow::build(metric, &vectors, None, context.pool, &mut advance)?;
        let (length, lifts) = if metric == Metric::Ip {
            lifted(&vectors, shadow.step(), context.pool, &mut || progress.advance(0))?
        } else {
            (0.0, Vec::new())
        };
        let leaf = leaf(vectors.dim());
        let ground = Ground { shadow: &shadow, lifts: &lifts, leaf };
        let (grown, order) = build::grow(&ground, trees, context, &mut progress)?;
        let forest = Forest::new(rows, leaf, shadow.stride(), grown)?;
        shadow.reorder(&order);
        Ok(Annoy { metric, vectors, shadow, rows: order.into(), forest, length })
    }

    /// Opens what [`Index::save`] wrote. Every node is checked, so that a search never leaves its tables and ends.
    pub fn load(spec: &IndexSpec, sections: &Sections, vectors: FloatVectors) -> Result<Annoy> {
        let (rows, dim, metric, trees) = (vectors.len(), vectors.dim(), spec.metric, trees(spec));
        let head: [u32; 5] = sections.head("ANNOY", FORMAT)?;
        if head[1..4] != [metric.id(), trees as u32, leaf(dim) as u32] {
            return Err(Error::corrupt("the ANNOY index is not the one that its description names"));
        }
        let length = f32::from_bits(head[4]);
        if !(length >= 0.0 && length.is_finite()) {
            return Err(Error::corrupt("the length in the ANNOY index is not finite"));
        }
        let shadow = Shadow::load("", metric, rows, dim, sections)?;
        let order = sections.typed::<u32>("rows", rows)?;
        check_rows(&order, "the ANNOY index")?;
        let forest = Forest::load(rows, leaf(dim), shadow.stride(), trees, sections)?;
        Ok(Annoy { metric, vectors, shadow, rows: order, forest, length })
    }

    /// How many rows a query wants to be scored. A negative `search_k` (Milvus documents -1) is 5 % of the rows, and at
    /// least k for each tree, which is annoy's own default: of a small segment 5 % are few. Below k it is k.
    fn wanted(&self, probe: &Probe) -> usize {
        match usize::try_from(probe.params.get("search_k").unwrap_or(-1)) {
            Ok(search_k) => search_k.max(probe.k),
            Err(_) => (self.rows.len() / USUAL_SHARE).max(probe.k.saturating_mul(self.forest.trees())),
        }
    }

    /// Shows at least `wanted` allowed rows to the first seeker, as far as there are so many; false if it gave up, because
    /// allowed rows are so much rarer around the query than elsewhere that it is cheaper to look at all of them.
    ///
    /// Such rows lie far from the query, where the trees' order says less about who is nearest. So as many times more
    /// of them are shown as they are rarer here than everywhere.
    fn search_trees(
        &self,
        query: &[f32],
        probe: &Probe,
        wanted: usize,
        allowed: usize,
        scratch: &mut Scratch,
    ) -> bool {
        let rows = self.rows.len();
        let Scratch { seekers, annoy, .. } = scratch;
        let Buffers { queue, visited, scaled, code, places } = annoy;
        self.encode(query, scaled, code);
        let mut show = |places: &mut Vec<u32>| {
            seekers[0].show(&self.shadow, places.drain(..).map(|place| (place, self.rows[place as usize])));
        };
        queue.clear();
        queue.extend(self.forest.roots());
        visited.reset(rows);
        places.clear();
        let (mut found, mut met) = (0, 0);
        // found / met is the share of allowed rows here, allowed / rows that of everywhere.
        let enough = |found: usize, met: usize| {
            found >= wanted && found as f64 * (found * rows) as f64 >= wanted as f64 * (met * allowed) as f64
        };
        while !enough(found, met)
            && let Some(branch) = queue.pop()
            && !probe.stop.load(Ordering::Relaxed)
        {
            let leaf = self.forest.descend(branch, code, |aside| queue.push(aside));
            let before = places.len();
            places.extend(leaf.iter().filter(|&&place| visited.insert(place)));
            met += places.len() - before;
            if let Some(allow) = probe.allow {
                let mut kept = before;
                for at in before..places.len() {
                    let place = places[at];
                    places[kept] = place;
                    kept += usize::from(allow.value(self.rows[place as usize] as usize));
                }
                places.truncate(kept);
                if met > rows / MOST_MET {
                    return false;
                }
            }
            found += places.len() - before;
            if places.len() >= BLOCK {
                show(places);
            }
        }
        show(places);
        true
    }

    /// The query as a code: what trees compare with their planes.
    fn encode(&self, query: &[f32], scaled: &mut Vec<f32>, code: &mut Vec<u8>) {
        scaled.clear();
        scaled.extend_from_slice(query);
        if self.metric == Metric::Ip {
            let length = norm(query).sqrt();
            let factor = if length > 0.0 { f64::from(self.length) / length } else { 0.0 };
            scaled.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
        }
        code.resize(self.shadow.stride(), 0);
        self.shadow.encode(scaled, code);
    }
}

impl Index for Annoy {
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let rows = self.rows.len();
        let allowed = scan::allowed(probe, rows);
        let wanted = self.wanted(probe);
        for (query, top) in probe.floats().chunks_exact(self.vectors.dim()).zip(tops) {
            if probe.stop.load(Ordering::Relaxed) {
                break;
            }
            scratch.seekers(1).list[0].start(&self.shadow, query, probe.k);
            if wanted >= allowed || !self.search_trees(query, probe, wanted, allowed, scratch) {
                scratch.seekers(1).list[0].start(&self.shadow, query, probe.k);
                let source = Source {
                    shadow: &self.shadow,
                    rows: Some(&self.rows),
                    first: 0,
                    allow: probe.allow,
                    stop: probe.stop,
                };
                let seekers = scratch.seekers(1);
                source.scan(0..rows, seekers.all, seekers.list, seekers.buffers);
            }
            let exact = Exact::new(self.metric, &self.vectors, query);
            scratch.seekers(1).list[0].finish(&self.shadow, &exact, probe.stop, top);
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// So many places are met until `wanted` of them are allowed, if the filter lies evenly over the leaves.
    fn cost(&self, probe: &Probe, allowed: usize) -> f64 {
        let (rows, wanted) = (self.rows.len(), self.wanted(probe));
        if wanted >= allowed {
            return scan::all_codes(rows);
        }
        let met = wanted as f64 * rows as f64 / allowed as f64;
        (wanted as f64 + met / MET_PER_SCORE as f64) / EXACT_COST as f64
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        exact::scan(self.metric, &self.vectors, probe, tops);
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        let (trees, leaf) = (self.forest.trees() as u32, leaf(self.vectors.dim()) as u32);
        let head = [FORMAT, self.metric.id(), trees, leaf, self.length.to_bits()];
        out.section("head", head.to_byte_slice())?;
        self.shadow.save("", out)?;
        out.section("rows", self.rows.to_byte_slice())?;
        self.forest.save(out)
    }

    fn memory(&self) -> usize {
        self.shadow.memory() + self.rows.len() * size_of::<u32>() + self.forest.memory()
    }
}

fn trees(spec: &IndexSpec) -> usize {
    spec.params.count("n_trees").max(1)
}

/// The most rows of a leaf.
fn leaf(dim: usize) -> usize {
    (dim / DIM_PER_LEAF_ROW).max(SMALL_LEAF)
}

/// The length that rows are lifted to, and the value of each row in the dimension that lifts it there, in `step`s.
fn lifted(
    vectors: &FloatVectors,
    step: f32,
    pool: &rayon::ThreadPool,
    pause: Pause,
) -> Result<(f32, Vec<i32>)> {
    let dim = vectors.dim();
    let mut norms: Vec<f64> = Vec::with_capacity(vectors.len());
    for values in vectors.values().chunks((STEP_VALUES / dim).max(1) * dim) {
        pool.install(|| norms.par_extend(values.par_chunks_exact(dim).map(norm)));
        pause()?;
    }
    let mut sorted = norms.clone();
    let place = (norms.len() - norms.len() / LONGER_ONE_IN).saturating_sub(1);
    let longest = match sorted.get_mut(..) {
        Some(all) if !all.is_empty() => *all.select_nth_unstable_by(place, f64::total_cmp).1,
        _ => 0.0,
    };
    let length = (longest.sqrt() as f32).min(f32::MAX);
    let square = f64::from(length) * f64::from(length);
    // Of a row that is longer (or not finite) nothing is missing: the largest of NaN and 0 is 0.
    let lift = |norm: &f64| ((square - norm).max(0.0).sqrt() / f64::from(step)).min(MAX_LIFT).round() as i32;
    Ok((length, norms.iter().map(lift).collect()))
}

/// The squared length, summed in order and in f64: the same everywhere.
fn norm(row: &[f32]) -> f64 {
    row.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}
