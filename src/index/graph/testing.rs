//! What tests of graph kinds share: data, the truth, paces, and sections in memory.

use crate::Code;
use crate::error::{Error, Result};
use crate::index::catalog::Metric;
pub use crate::index::graph::order::hash;
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::FloatVectors;
use crate::index::{Index, Pace};
use crate::kernel::topk::{Hit, TopK};
use arrow_buffer::{BooleanBuffer, Buffer, ScalarBuffer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

pub const DIM: usize = 24;
pub const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

pub struct Patient;
impl Pace for Patient {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
        Ok(())
    }
}

/// Cancels at the n-th checkpoint.
pub struct Impatient(pub AtomicU64);
impl Pace for Impatient {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
        match self.0.fetch_sub(1, Ordering::Relaxed) {
            1 => Err(Error::new(Code::Canceled, "enough")),
            _ => Ok(()),
        }
    }
}

#[derive(Default, PartialEq, Clone)]
pub struct Saved(pub BTreeMap<String, Vec<u8>>);
impl SectionWriter for Saved {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        assert!(self.0.insert(name.to_owned(), bytes.to_vec()).is_none());
        Ok(())
    }
}

impl Saved {
    pub fn of(index: &impl Index) -> Saved {
        let mut saved = Saved::default();
        index.save(&mut saved).unwrap();
        saved
    }

    pub fn sections(&self) -> Sections {
        let mut sections = Sections::default();
        for (name, bytes) in &self.0 {
            sections.insert(name, Buffer::from_slice_ref(bytes));
        }
        sections
    }
}

/// Numbers in -1..1, the same for the same seed.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = 0;
    move || {
        state += 1;
        (hash(seed, state) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Rows around 20 centres, of uneven lengths.
pub fn clusters(rows: usize, seed: u64) -> Vec<f32> {
    let mut centre = noise(99);
    let centres: Vec<f32> = (0..20 * DIM).map(|_| centre()).collect();
    let mut next = noise(seed);
    let mut values = Vec::new();
    for row in 0..rows {
        let length = 1.5 + next();
        values.extend(centres[row % 20 * DIM..][..DIM].iter().map(|c| length * (c + 0.7 * next())));
    }
    values
}

pub fn vectors(values: &[f32]) -> FloatVectors {
    FloatVectors::new(ScalarBuffer::from(values.to_vec()), DIM)
}

/// The truth, in f64.
pub fn brute(
    values: &[f32],
    metric: Metric,
    query: &[f32],
    k: usize,
    allow: Option<&BooleanBuffer>,
) -> Vec<Hit> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let mut top = TopK::new(k);
    for (row, x) in
        values.chunks_exact(DIM).enumerate().filter(|(row, _)| allow.is_none_or(|a| a.value(*row)))
    {
        let score = match metric {
            Metric::L2 => dot(x, x) + dot(query, query) - 2.0 * dot(x, query),
            Metric::Ip => -dot(x, query),
            _ => -dot(x, query) / (dot(x, x) * dot(query, query)).sqrt(),
        };
        top.push(score as f32, row as u32);
    }
    top.drain_sorted()
}
