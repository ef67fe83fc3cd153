//! Short codes of long rows: a row folded onto itself by exclusive or.
//!
//! Folding is linear, and it cannot set more bits than there are: the folds of two rows differ in at most as many bits as
//! the rows do. So folds give a true lower bound of the Hamming distance, and by it of every binary metric, for a
//! fraction of the bytes. (Folding fingerprints by *or* is usual in chemistry, but bounds nothing but substructures.)
//! Sparse rows, where few bits meet, lose little; dense rows would lose nearly all, and keep their bytes.

use crate::error::{Error, Result};
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::BinaryVectors;
use crate::kernel;
use arrow_buffer::{Buffer, MutableBuffer, ScalarBuffer, ToByteSlice};
use rayon::prelude::*;
use std::ops::Range;

/// The shortest fold in bytes: half a cache line. Longer ones double.
const SHORTEST: usize = 32;
/// Pairs of rows that show how much a fold loses.
const PAIRS: usize = 512;
/// A fold must keep this share of the mean distance.
const KEPT_PERCENT: u64 = 70;
/// Rows between two checkpoints.
const STEP: usize = 1 << 16;
/// Rows that a thread takes at once.
const CHUNK: usize = 1 << 10;

/// One code a place, and the set bits of its row.
#[derive(Debug)]
pub struct Codes {
    width: usize,
    /// The rows themselves, where they are not folded and stand in order.
    bytes: Buffer,
    is_own: bool,
    ones: ScalarBuffer<u16>,
    stride: usize,
}

impl Codes {
    /// Place `i` is row `order[i]`, or row `i`. `advance` is told of `vectors.len()` rows.
    pub fn build(
        vectors: &BinaryVectors,
        order: Option<&[u32]>,
        pool: &rayon::ThreadPool,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Codes> {
        let (len, stride) = (vectors.len(), vectors.stride());
        super::check_stride(stride)?;
        let width = width(vectors);
        let is_own = width < stride || order.is_some();
        let row_at = |place: usize| vectors.row(order.map_or(place, |order| order[place] as usize));
        let mut ones = vec![0u16; len];
        let mut bytes = MutableBuffer::from_len_zeroed(if is_own { len * width } else { 0 });
        let zeros = vec![0; stride];
        for first in (0..len).step_by(STEP) {
            let step = first..(first + STEP).min(len);
            pool.install(|| {
                let count = |(place, ones): (usize, &mut u16)| {
                    *ones = kernel::hamming(row_at(first + place), &zeros) as u16;
                };
                ones[step.clone()].par_iter_mut().enumerate().with_min_len(CHUNK).for_each(count);
                if is_own {
                    let codes = &mut bytes.as_slice_mut()[step.start * width..step.end * width];
                    let codes = codes.par_chunks_exact_mut(width).enumerate().with_min_len(CHUNK);
                    codes.for_each(|(place, code)| fold(row_at(first + place), code));
                }
            });
            advance(step.len() as u64)?;
        }
        let bytes = if is_own { bytes.into() } else { vectors.buffer().clone() };
        Ok(Codes { width, bytes, is_own, ones: ones.into(), stride })
    }

    /// Reads what [`Codes::save`] wrote under `prefix`; `is_ordered` says that places are rows.
    pub fn load(
        prefix: &str,
        sections: &Sections,
        vectors: &BinaryVectors,
        is_ordered: bool,
    ) -> Result<Codes> {
        let (len, stride) = (vectors.len(), vectors.stride());
        let width = sections.typed::<u32>(&format!("{prefix}width"), 1)?[0] as usize;
        if width == 0 || width > stride {
            return Err(Error::corrupt(format!("codes of {width} bytes for rows of {stride}")));
        }
        let is_own = width < stride || !is_ordered;
        let bytes = if is_own {
            let bytes = len.checked_mul(width).ok_or_else(|| Error::corrupt("the codes are too large"))?;
            sections.typed::<u8>(&format!("{prefix}codes"), bytes)?.into_inner()
        } else {
            vectors.buffer().clone()
        };
        let ones = sections.typed(&format!("{prefix}ones"), len)?;
        Ok(Codes { width, bytes, is_own, ones, stride })
    }

    pub fn save(&self, prefix: &str, out: &mut dyn SectionWriter) -> Result<()> {
        out.section(&format!("{prefix}width"), &(self.width as u32).to_le_bytes())?;
        if self.is_own {
            out.section(&format!("{prefix}codes"), &self.bytes)?;
        }
        out.section(&format!("{prefix}ones"), self.ones.to_byte_slice())
    }

    /// Bytes of a code.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether codes are shorter than rows.
    pub fn is_folded(&self) -> bool {
        self.width < self.stride
    }

    pub fn of(&self, places: Range<usize>) -> &[u8] {
        &self.bytes[places.start * self.width..places.end * self.width]
    }

    /// The set bits of the row of each place.
    pub fn ones(&self) -> &[u16] {
        &self.ones
    }

    /// The code of a query.
    pub fn query(&self, query: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.resize(self.width, 0);
        fold(query, out);
    }

    /// Bytes beside the segment's vectors.
    pub fn memory(&self) -> usize {
        let own = if self.is_own { self.bytes.len() } else { 0 };
        own + self.ones.len() * size_of::<u16>()
    }
}

/// `code`, which is clear, becomes the exclusive or of the parts of `row` that are as long as it.
fn fold(row: &[u8], code: &mut [u8]) {
    for part in row.chunks(code.len()) {
        for (code, byte) in code.iter_mut().zip(part) {
            *code ^= byte;
        }
    }
}

/// The shortest fold that keeps enough of the distances of some pairs of rows; none that is less than half as long as
/// a row does: then rows stay whole.
fn width(vectors: &BinaryVectors) -> usize {
    let (len, stride) = (vectors.len(), vectors.stride());
    let pairs = PAIRS.min(len / 2);
    let pair = |i: usize| {
        let row = i * (len / 2) / pairs;
        (vectors.row(row), vectors.row(row + len / 2))
    };
    let whole: u64 = (0..pairs).map(pair).map(|(a, b)| kernel::hamming(a, b) as u64).sum();
    let keeps = |&width: &usize| {
        let folded = (0..pairs).map(pair).map(|(a, b)| {
            let (mut x, mut y) = (vec![0; width], vec![0; width]);
            fold(a, &mut x);
            fold(b, &mut y);
            kernel::hamming(&x, &y) as u64
        });
        whole > 0 && folded.sum::<u64>() * 100 >= whole * KEPT_PERCENT
    };
    let widths = std::iter::successors(Some(SHORTEST), |width| Some(2 * width));
    widths.take_while(|width| 2 * width <= stride).find(keeps).unwrap_or(stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(rows: usize, stride: usize, set: impl Fn(usize, usize) -> bool) -> BinaryVectors {
        let mut bytes = vec![0u8; rows * stride];
        for row in 0..rows {
            for bit in (0..8 * stride).filter(|&bit| set(row, bit)) {
                bytes[row * stride + bit / 8] |= 1 << (bit % 8);
            }
        }
        BinaryVectors::new(bytes.into(), stride)
    }

    fn random(row: usize, bit: usize) -> usize {
        let mut x = (row * 100_003 + bit + 1) as u64;
        for _ in 0..3 {
            x = (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        }
        (x >> 40) as usize
    }

    #[test]
    fn sparse_rows_are_folded_and_dense_ones_are_not() {
        let sparse = |stride| width(&vectors(600, stride, |row, bit| random(row, bit).is_multiple_of(50)));
        assert_eq!([16, 63, 64, 128, 256, 257, 1024].map(sparse), [16, 63, 32, 32, 32, 32, 128]);
        assert_eq!(width(&vectors(600, 256, |row, bit| random(row, bit).is_multiple_of(2))), 256);
        assert_eq!(width(&vectors(600, 256, |_, _| false)), 256);
        assert_eq!(width(&vectors(1, 256, |_, bit| bit == 7)), 256);
        assert_eq!(width(&vectors(0, 256, |_, _| true)), 256);
    }

    #[test]
    fn folds_never_differ_more_than_rows() {
        for (stride, one_in) in [(64, 30), (100, 3), (257, 2)] {
            let vectors = vectors(40, stride, |row, bit| random(row, bit).is_multiple_of(one_in));
            for width in [1, 7, 32, 64] {
                let folded = |row| {
                    let mut code = vec![0; width];
                    fold(vectors.row(row), &mut code);
                    code
                };
                for (a, b) in (0..40).flat_map(|a| (0..40).map(move |b| (a, b))) {
                    let less = kernel::hamming(&folded(a), &folded(b));
                    assert!(less <= kernel::hamming(vectors.row(a), vectors.row(b)));
                }
            }
        }
    }
}
