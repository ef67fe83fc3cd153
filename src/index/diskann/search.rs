//! Beam search over the records (Algorithm 1 of the paper, with the beam of its section 3.3).

use super::DiskAnn;
use super::codes::Target;
use crate::error::Result;
use crate::index::Probe;
use crate::index::exact::{self, Exact};
use crate::index::graph::beam::{Pool, Visited};
use crate::index::sections::Block;
use crate::kernel::topk::TopK;
use arrow_buffer::BooleanBuffer;
use std::sync::atomic::Ordering;

/// What reading a record and scoring its links costs, in exact scores of rows that are mapped.
const RECORD_COST: usize = 16;

/// Behind a filter a search is so many times as wide: rows that it lets through may lie apart, and far from the query,
/// where fewer ways lead to each.
const FILTERED_WIDTH: usize = 3;

/// What a search reuses.
#[derive(Default)]
pub struct Buffers {
    target: Target,
    pool: Pool,
    visited: Visited,
    /// The nodes whose records are due.
    beam: Vec<u32>,
    numbers: Vec<u64>,
    blocks: Vec<Block>,
    joined: Vec<u8>,
    vector: Vec<f32>,
    links: Vec<u32>,
    fresh: Vec<u32>,
    scores: Vec<f32>,
    /// Exact scores of the allowed rows that were read.
    found: Vec<(f32, u32)>,
}

impl DiskAnn {
    pub(super) fn search_all(&self, probe: &Probe, buffers: &mut Buffers, tops: &mut [TopK]) -> Result<()> {
        let rows = self.vectors.len();
        let allowed = probe.allow.map_or(rows, BooleanBuffer::count_set_bits);
        let wanted = wanted(probe);
        // As much as it would cost to score all of them.
        let most = allowed / RECORD_COST;
        for (query, top) in probe.floats().chunks_exact(self.vectors.dim()).zip(tops) {
            if probe.stop.load(Ordering::Relaxed) {
                break;
            }
            let whole = match probe.allow {
                None => self.search_graph(query, probe, wanted, most, |_| true, buffers)?,
                Some(allow) => {
                    let allow = |row: u32| allow.value(row as usize);
                    self.search_graph(query, probe, wanted, most, allow, buffers)?
                }
            };
            if whole && buffers.found.len() >= probe.k {
                buffers.found.iter().for_each(|&(score, row)| top.push(score, row));
            } else {
                exact::scan(self.metric, &self.vectors, &probe.with_floats(query), std::slice::from_mut(top));
            }
        }
        Ok(())
    }

    /// Gathers exact scores of the allowed rows around one query; false if it gave up after `most` records, because
    /// allowed rows are rarer around the query than elsewhere, or was stopped.
    fn search_graph(
        &self,
        query: &[f32],
        probe: &Probe,
        wanted: usize,
        most: usize,
        allow: impl Fn(u32) -> bool,
        buffers: &mut Buffers,
    ) -> Result<bool> {
        let width = probe.params.count("beamwidth").max(1);
        let exact = Exact::new(self.metric, &self.vectors, query);
        self.codes.aim(query, &mut buffers.target);
        buffers.pool.reset(wanted);
        buffers.visited.reset(self.vectors.len());
        buffers.found.clear();
        buffers.fresh.clear();
        buffers.visited.insert(self.entry);
        buffers.fresh.push(self.entry);
        let mut records = 0;
        loop {
            self.codes.score(&buffers.target, &buffers.fresh, &mut buffers.scores);
            for (&node, &score) in buffers.fresh.iter().zip(&buffers.scores) {
                buffers.pool.insert(score, node, allow(node));
            }
            buffers.fresh.clear();
            buffers.beam.clear();
            let pool = &mut buffers.pool;
            buffers.beam.extend(std::iter::from_fn(|| pool.next()).take(width));
            if buffers.beam.is_empty() {
                return Ok(true);
            }
            records += buffers.beam.len();
            if records > most || probe.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.expand(&exact, &allow, buffers)?;
        }
    }

    /// Reads the records of the beam, scores their rows, and gathers links that are new.
    fn expand(&self, exact: &Exact, allow: &impl Fn(u32) -> bool, buffers: &mut Buffers) -> Result<()> {
        let Buffers { visited, beam, numbers, blocks, joined, vector, links, fresh, found, .. } = buffers;
        let (layout, span) = (&self.layout, self.layout.span());
        numbers.clear();
        for &node in &*beam {
            if self.cache.record(node, layout).is_none() {
                let first = layout.first_block(node);
                numbers.extend(first..first + span as u64);
            }
        }
        if blocks.len() < numbers.len() {
            blocks.resize(numbers.len(), Block::default());
        }
        self.blocks.read(numbers, &mut blocks[..numbers.len()])?;
        let mut read = blocks.chunks_exact(span);
        for &node in &*beam {
            let record = match self.cache.record(node, layout) {
                Some(record) => record,
                None => layout.find(node, read.next().unwrap_or(&[]), joined),
            };
            layout.parse(record, vector, links)?;
            if allow(node) {
                found.push((exact.score_vector(vector), node));
            }
            fresh.extend(links.iter().copied().filter(|&link| visited.insert(link)));
        }
        Ok(())
    }
}

/// The width of a search.
fn wanted(probe: &Probe) -> usize {
    let widened = if probe.allow.is_some() { FILTERED_WIDTH } else { 1 };
    (widened * probe.params.count("search_list")).max(probe.k)
}

/// What a search costs in exact scores: as many more records have to be read as allowed rows are rarer.
pub(super) fn cost(probe: &Probe, allowed: usize, rows: usize) -> f64 {
    let wanted = wanted(probe);
    if wanted >= allowed {
        return f64::INFINITY;
    }
    wanted as f64 * rows as f64 / allowed as f64 * RECORD_COST as f64
}
