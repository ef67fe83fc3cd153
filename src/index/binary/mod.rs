//! Binary vectors: what their metrics are made of, the exhaustive search, and BIN_FLAT.
//!
//! Every binary metric follows from three counts: the set bits of the query, those of the row, and the bits in which
//! they differ ([`measure`]). The first two are stored or counted once, so that one kernel serves all metrics.

pub mod clusters;
mod codes;
mod flat;
pub mod measure;
mod scan;
#[cfg(test)]
mod tests;

pub use codes::Codes;
pub use flat::BinFlat;
pub use scan::{Buffers, GROUP, Seeker, Source};

use super::Probe;
use super::catalog::Metric;
use super::vectors::BinaryVectors;
use crate::error::{Error, Result};
use crate::kernel;
use crate::kernel::topk::TopK;
use measure::{Measure, Query};
use std::sync::atomic::Ordering;

/// Bytes of a block of rows that serves all queries while it is in the second-level cache.
const BLOCK_BYTES: usize = 1 << 16;

/// Exhaustive search without an index: of growing and small segments, and the oracle of every index of bits.
pub fn scan(metric: Metric, vectors: &BinaryVectors, probe: &Probe, tops: &mut [TopK]) {
    let (measure, stride) = (Measure::of(metric), vectors.stride());
    let zeros = vec![0; stride];
    let most = (BLOCK_BYTES / stride).max(1);
    let (mut rows, mut ones, mut differ) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..vectors.len()).step_by(most) {
        if probe.stop.load(Ordering::Relaxed) {
            return;
        }
        let last = (first + most).min(vectors.len());
        rows.clear();
        match probe.allow {
            None => rows.extend(first as u32..last as u32),
            Some(allow) => {
                let allow = allow.slice(first, last - first);
                rows.extend(allow.set_indices_u32().map(|row| first as u32 + row));
            }
        }
        ones.resize(rows.len(), 0);
        differ.resize(rows.len(), 0);
        kernel::hamming_gather(&zeros, vectors.bytes(), &rows, &mut ones);
        for (query, top) in probe.bits().chunks_exact(stride).zip(tops.iter_mut()) {
            kernel::hamming_gather(query, vectors.bytes(), &rows, &mut differ);
            let query = Query { measure, ones: kernel::hamming(query, &zeros) };
            for ((&row, &ones), &differ) in rows.iter().zip(&ones).zip(&differ) {
                if let Some(score) = query.score(ones, differ) {
                    top.push(score, row);
                }
            }
        }
    }
}

/// Counts of bits are kept in 16 bits: the schema allows half as many.
pub fn check_stride(stride: usize) -> Result<()> {
    let most = usize::from(u16::MAX) / 8;
    if stride <= most {
        return Ok(());
    }
    Err(Error::invalid(format!("rows of {stride} bytes. Valid range is [1, {most}]")))
}
