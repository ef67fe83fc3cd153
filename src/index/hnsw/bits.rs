//! HNSW over bits: the graph is built and searched on the rows themselves, whose scores are exact.

use super::{Buffers, Domain};
use crate::error::{Error, Result};
use crate::index::binary::{self, measure};
use crate::index::catalog::Metric;
use crate::index::graph::beam::{Beam, Pool};
use crate::index::graph::space::Points;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::BinaryVectors;
use crate::index::{BuildContext, Probe};
use crate::kernel;
use crate::kernel::topk::TopK;
use arrow_buffer::{ScalarBuffer, ToByteSlice};
use measure::{Measure, Query};
use rayon::prelude::*;
use std::cell::RefCell;

/// The rows of a segment as nodes.
pub struct Bits {
    metric: Metric,
    vectors: BinaryVectors,
    /// The row of each node.
    rows: ScalarBuffer<u32>,
    /// The set bits of each node.
    ones: ScalarBuffer<u16>,
}

/// A query, or a node as a query.
#[derive(Default)]
pub struct Target {
    bits: Vec<u8>,
    ones: i32,
    buffers: RefCell<(Vec<u32>, Vec<i32>)>,
}

impl Target {
    fn aim(&mut self, bits: &[u8], ones: i32) {
        self.bits.clear();
        self.bits.extend_from_slice(bits);
        self.ones = ones;
    }
}

impl Bits {
    fn row(&self, node: u32) -> &[u8] {
        self.vectors.row(self.rows[node as usize] as usize)
    }

    fn query(&self, target: &Target) -> Query {
        Query { measure: Measure::of(self.metric), ones: target.ones }
    }
}

impl Points for Bits {
    type Target = Target;

    fn aim_at_node(&self, node: u32, target: &mut Target) {
        target.aim(self.row(node), self.ones[node as usize].into());
    }

    fn score_one(&self, target: &Target, node: u32) -> f32 {
        let differ = kernel::hamming(&target.bits, self.row(node));
        self.query(target).least(self.ones[node as usize].into(), differ)
    }

    fn score(&self, target: &Target, nodes: &[u32], scores: &mut Vec<f32>) {
        let (rows, differ) = &mut *target.buffers.borrow_mut();
        rows.clear();
        rows.extend(nodes.iter().map(|&node| self.rows[node as usize]));
        differ.resize(nodes.len(), 0);
        kernel::hamming_gather(&target.bits, self.vectors.bytes(), rows, differ);
        let query = self.query(target);
        let counts = nodes.iter().map(|&node| self.ones[node as usize]).zip(differ);
        scores.clear();
        scores.extend(counts.map(|(ones, differ)| query.least(ones.into(), *differ)));
    }
}

impl Domain for Bits {
    type Vectors = BinaryVectors;
    type Points = Bits;

    fn len(vectors: &BinaryVectors) -> usize {
        vectors.len()
    }

    fn build(
        metric: Metric,
        vectors: BinaryVectors,
        rows: &ScalarBuffer<u32>,
        context: &BuildContext,
    ) -> Result<Bits> {
        binary::check_stride(vectors.stride())?;
        let zeros = vec![0; vectors.stride()];
        let count = |&row: &u32| kernel::hamming(vectors.row(row as usize), &zeros) as u16;
        let ones = rows.par_iter().with_min_len(1024).map(count);
        let ones: Vec<u16> = context.pool.install(|| ones.collect());
        Ok(Bits { metric, vectors, rows: rows.clone(), ones: ones.into() })
    }

    fn load(
        metric: Metric,
        scale: u32,
        sections: &Sections,
        vectors: BinaryVectors,
        rows: &ScalarBuffer<u32>,
    ) -> Result<Bits> {
        if scale != 0 {
            return Err(Error::corrupt("the HNSW index is not one over bits"));
        }
        let ones = sections.typed("ones", rows.len())?;
        Ok(Bits { metric, vectors, rows: rows.clone(), ones })
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("ones", self.ones.to_byte_slice())
    }

    fn memory(&self) -> usize {
        self.ones.len() * size_of::<u16>()
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn scale(&self) -> u32 {
        0
    }

    fn points(&self) -> &Bits {
        self
    }

    fn buffers(buffers: &mut Buffers) -> (&mut Beam, &mut Target) {
        (&mut buffers.beam, &mut buffers.bits)
    }

    fn aim(&self, probe: &Probe, target: &mut Target) {
        let bits = probe.bits();
        target.aim(bits, Query::of(Measure::of(self.metric), bits).ones);
    }

    /// The graph's scores are exact.
    fn rank(&self, _probe: &Probe, pool: &Pool, rows: &[u32], top: &mut TopK) {
        pool.hits().for_each(|hit| top.push(hit.score, rows[hit.node as usize]));
    }

    fn scan(&self, probe: &Probe, tops: &mut [TopK]) {
        binary::scan(self.metric, &self.vectors, probe, tops);
    }
}
