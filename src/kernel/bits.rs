//! The kernels of bits, written once over the registers of [`Lanes`]: xor, then count.
//!
//! A row may be of any number of bytes. What is left behind the last whole register is read as the last register's worth
//! of the row, of which only the new bytes count; rows shorter than a register are counted by words.
//!
//! # Safety
//!
//! As in [`super::lanes`]: the CPU has the features of the level, and the lengths fit together as the function of the
//! same name in `kernel` says.

use super::lanes::{GATHER_AHEAD, Lanes, MAX_COUNTED, ROW_PANEL, SCAN_ROWS};
use super::{prefetch, scalar};

/// Adds to `sums` the bits in which two rows of `len` bytes differ.
#[inline(always)]
unsafe fn difference<S: Lanes>(a: *const u8, b: *const u8, len: usize) -> S::I {
    // SAFETY: the caller has `len` bytes at both, at least a register's, and no load passes them.
    unsafe {
        let mut sums = S::zero_sums();
        let mut i = 0;
        while i + S::BYTES <= len {
            let whole = (len - i) / S::BYTES;
            let mut counts = S::zero_bytes();
            for _ in 0..whole.min(MAX_COUNTED) {
                counts = S::count(counts, S::xor(S::load_bytes(a.add(i)), S::load_bytes(b.add(i))));
                i += S::BYTES;
            }
            sums = S::add_counts(sums, counts);
        }
        if i < len {
            let at = len - S::BYTES;
            let both = S::xor(S::load_bytes(a.add(at)), S::load_bytes(b.add(at)));
            sums = S::add_counts(sums, S::count(S::zero_bytes(), S::last(both, len - i)));
        }
        sums
    }
}

#[inline(always)]
pub(super) unsafe fn hamming<S: Lanes>(a: &[u8], b: &[u8]) -> i32 {
    if a.len() < S::BYTES {
        return scalar::hamming(a, b);
    }
    // SAFETY: both hold `a.len()` bytes, at least a register's.
    unsafe {
        let zero = S::zero_sums();
        S::sum4_i32([difference::<S>(a.as_ptr(), b.as_ptr(), a.len()), zero, zero, zero])[0]
    }
}

/// The distances of a query to four rows, whose sums are added up together.
#[inline(always)]
unsafe fn four<S: Lanes>(query: &[u8], rows: [*const u8; SCAN_ROWS]) -> [i32; SCAN_ROWS] {
    // SAFETY: the caller has a query of at least a register's bytes, and as many at each row.
    unsafe {
        let mut sums = [S::zero_sums(); SCAN_ROWS];
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = difference::<S>(query.as_ptr(), row, query.len());
        }
        S::sum4_i32(sums)
    }
}

#[inline(always)]
pub(super) unsafe fn hamming_rows<S: Lanes>(query: &[u8], rows: &[u8], out: &mut [i32]) {
    let stride = query.len();
    let whole = if stride < S::BYTES { 0 } else { out.len() / SCAN_ROWS * SCAN_ROWS };
    for i in (0..whole).step_by(SCAN_ROWS) {
        // SAFETY: `rows` holds `out.len()` rows of `stride` bytes, and these four lie before `whole`.
        let sums = unsafe {
            let first = rows.as_ptr().add(i * stride);
            four::<S>(query, [first, first.add(stride), first.add(2 * stride), first.add(3 * stride)])
        };
        out[i..i + SCAN_ROWS].copy_from_slice(&sums);
    }
    for (out, row) in out[whole..].iter_mut().zip(rows[whole * stride..].chunks_exact(stride)) {
        // SAFETY: a query and a row of `stride` bytes.
        *out = unsafe { hamming::<S>(query, row) };
    }
}

#[inline(always)]
pub(super) unsafe fn hamming_gather<S: Lanes>(query: &[u8], all: &[u8], rows: &[u32], out: &mut [i32]) {
    let stride = query.len();
    let row = |row: u32| &all[row as usize * stride..][..stride];
    for &ahead in rows.iter().take(GATHER_AHEAD) {
        prefetch(row(ahead));
    }
    let whole = if stride < S::BYTES { 0 } else { out.len() / SCAN_ROWS * SCAN_ROWS };
    for i in (0..whole).step_by(SCAN_ROWS) {
        for &ahead in rows.iter().skip(i + GATHER_AHEAD).take(SCAN_ROWS) {
            prefetch(row(ahead));
        }
        let pointers = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]].map(|r| row(r).as_ptr());
        // SAFETY: four rows of `stride` bytes, by checked slices.
        let sums = unsafe { four::<S>(query, pointers) };
        out[i..i + SCAN_ROWS].copy_from_slice(&sums);
    }
    for i in whole..out.len() {
        // SAFETY: a query and a row of `stride` bytes.
        out[i] = unsafe { hamming::<S>(query, row(rows[i])) };
    }
}

/// A panel of rows stays in the first cache while all queries pass over it. Counting costs more than loading, so that
/// sharing loads between queries gains nothing.
#[inline(always)]
pub(super) unsafe fn hamming_block<S: Lanes>(queries: &[u8], rows: &[u8], stride: usize, out: &mut [i32]) {
    let n = rows.len() / stride;
    let panel = (ROW_PANEL / stride).max(1);
    for (i, rows) in rows.chunks(panel * stride).enumerate() {
        for (query, out) in queries.chunks_exact(stride).zip(out.chunks_exact_mut(n)) {
            let out = &mut out[i * panel..][..rows.len() / stride];
            // SAFETY: a query of `stride` bytes, a panel of rows, and a place for each of them.
            unsafe { hamming_rows::<S>(query, rows, out) };
        }
    }
}
