//! The kernels of codes, written once over the registers of [`Lanes`]: inner products of signed and unsigned bytes.
//!
//! # Safety
//!
//! As in [`super::lanes`]: the CPU has the features of the level, and the lengths fit together as the function of the
//! same name in `kernel` says.

use super::lanes::{CHAINS, GATHER_AHEAD, Lanes, ROW_PANEL, SCAN_ROWS, TILE_QUERIES};
use super::prefetch;

/// How bytes are multiplied.
pub(super) trait Bytes {
    unsafe fn add<S: Lanes>(sums: S::I, query: S::B, code: S::B) -> S::I;
}

/// Codes of seven bits.
pub(super) struct Narrow;

impl Bytes for Narrow {
    #[inline(always)]
    unsafe fn add<S: Lanes>(sums: S::I, query: S::B, code: S::B) -> S::I {
        // SAFETY: see the head of the file.
        unsafe { S::add_products(sums, query, code) }
    }
}

/// Codes of eight bits.
pub(super) struct Wide;

impl Bytes for Wide {
    #[inline(always)]
    unsafe fn add<S: Lanes>(sums: S::I, query: S::B, code: S::B) -> S::I {
        // SAFETY: see the head of the file.
        unsafe { S::add_wide_products(sums, query, code) }
    }
}

#[inline(always)]
pub(super) unsafe fn dot_code<S: Lanes>(query: &[i8], code: &[u8]) -> i32 {
    // SAFETY: both hold `query.len()` bytes, a multiple of 64.
    unsafe { one_code::<S, Narrow>(query, code.as_ptr()) }
}

#[inline(always)]
unsafe fn one_code<S: Lanes, P: Bytes>(query: &[i8], code: *const u8) -> i32 {
    // SAFETY: the caller has a query and a code of `query.len()` bytes, a multiple of 64.
    unsafe {
        let mut sums = [S::zero_sums(); CHAINS];
        for i in (0..query.len()).step_by(64) {
            for j in 0..64 / S::BYTES {
                let at = i + j * S::BYTES;
                let bytes = S::load_bytes(query.as_ptr().add(at).cast());
                let sum = &mut sums[j % CHAINS];
                *sum = P::add::<S>(*sum, bytes, S::load_bytes(code.add(at)));
            }
        }
        S::sum4_i32(sums).iter().sum()
    }
}

#[inline(always)]
pub(super) unsafe fn dot_code_rows<S: Lanes>(query: &[i8], codes: &[u8], out: &mut [i32]) {
    // SAFETY: codes at distances of the query's length.
    unsafe { code_rows::<S, Narrow>(query, codes, query.len(), out) };
}

/// The inner products of a query with codes that start `stride` bytes apart.
#[inline(always)]
unsafe fn code_rows<S: Lanes, P: Bytes>(query: &[i8], codes: &[u8], stride: usize, out: &mut [i32]) {
    let whole = out.len() / SCAN_ROWS * SCAN_ROWS;
    for i in (0..whole).step_by(SCAN_ROWS) {
        // SAFETY: `out.len()` codes of `query.len()` bytes start `stride` apart, and these four lie before `whole`.
        let sums = unsafe {
            let first = codes.as_ptr().add(i * stride);
            let four = [first, first.add(stride), first.add(2 * stride), first.add(3 * stride)];
            four_codes::<S, P>(query, four)
        };
        out[i..i + SCAN_ROWS].copy_from_slice(&sums);
    }
    for (i, out) in out.iter_mut().enumerate().skip(whole) {
        // SAFETY: a query and a code of its length.
        *out = unsafe { one_code::<S, P>(query, codes.as_ptr().add(i * stride)) };
    }
}

#[inline(always)]
pub(super) unsafe fn dot_code_gather<S: Lanes>(query: &[i8], codes: &[u8], rows: &[u32], out: &mut [i32]) {
    // SAFETY: as the caller promises.
    unsafe { gather::<S, Narrow>(query, codes, query.len(), rows, out) }
}

#[inline(always)]
pub(super) unsafe fn dot_byte_gather<S: Lanes>(
    query: &[i8],
    codes: &[u8],
    stride: usize,
    rows: &[u32],
    out: &mut [i32],
) {
    // SAFETY: as the caller promises.
    unsafe { gather::<S, Wide>(query, codes, stride, rows, out) }
}

/// The inner products of a query with codes of its length, which start at multiples of `stride`.
#[inline(always)]
unsafe fn gather<S: Lanes, P: Bytes>(
    query: &[i8],
    codes: &[u8],
    stride: usize,
    rows: &[u32],
    out: &mut [i32],
) {
    let code = |row: u32| &codes[row as usize * stride..][..query.len()];
    for &row in rows.iter().take(GATHER_AHEAD) {
        prefetch(code(row));
    }
    let whole = out.len() / SCAN_ROWS * SCAN_ROWS;
    for i in (0..whole).step_by(SCAN_ROWS) {
        for &row in rows.iter().skip(i + GATHER_AHEAD).take(SCAN_ROWS) {
            prefetch(code(row));
        }
        let four = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]].map(|row| code(row).as_ptr());
        // SAFETY: four codes of the query's length, by checked slices.
        let sums = unsafe { four_codes::<S, P>(query, four) };
        out[i..i + SCAN_ROWS].copy_from_slice(&sums);
    }
    for i in whole..out.len() {
        // SAFETY: a query and a code of its length.
        out[i] = unsafe { one_code::<S, P>(query, code(rows[i]).as_ptr()) };
    }
}

/// The inner products of a query with four codes, one code after the other (rows of codes are short, and interleaving
/// four of them defeats the hardware's prefetcher), whose sums are then added up together.
#[inline(always)]
unsafe fn four_codes<S: Lanes, P: Bytes>(query: &[i8], codes: [*const u8; SCAN_ROWS]) -> [i32; SCAN_ROWS] {
    // SAFETY: the caller has a query and codes of `query.len()` bytes, a multiple of the register's.
    unsafe {
        let mut sums = [S::zero_sums(); SCAN_ROWS];
        for (sum, code) in sums.iter_mut().zip(codes) {
            for i in (0..query.len()).step_by(S::BYTES) {
                let bytes = S::load_bytes(query.as_ptr().add(i).cast());
                *sum = P::add::<S>(*sum, bytes, S::load_bytes(code.add(i)));
            }
        }
        S::sum4_i32(sums)
    }
}

/// The inner products of `Q` consecutive queries of `width` bytes with `R` codes.
#[inline(always)]
unsafe fn code_tile<S: Lanes, P: Bytes, const Q: usize, const R: usize>(
    queries: *const i8,
    codes: [*const u8; R],
    width: usize,
) -> [[i32; R]; Q] {
    // SAFETY: the caller has `Q` queries and `R` codes of `width` bytes, a multiple of the register's.
    unsafe {
        let mut sums = [[S::zero_sums(); R]; Q];
        let mut i = 0;
        while i < width {
            let mut code = [S::load_bytes(codes[0].add(i)); R];
            for (code, from) in code.iter_mut().zip(codes).skip(1) {
                *code = S::load_bytes(from.add(i));
            }
            for (q, sums) in sums.iter_mut().enumerate() {
                let query = S::load_bytes(queries.add(q * width + i).cast());
                for (sum, code) in sums.iter_mut().zip(code) {
                    *sum = P::add::<S>(*sum, query, code);
                }
            }
            i += S::BYTES;
        }
        let mut out = [[0; R]; Q];
        for four in 0..Q * R / 4 {
            let at = [0, 1, 2, 3].map(|j| ((4 * four + j) / R, (4 * four + j) % R));
            let four = S::sum4_i32([
                sums[at[0].0][at[0].1],
                sums[at[1].0][at[1].1],
                sums[at[2].0][at[2].1],
                sums[at[3].0][at[3].1],
            ]);
            for ((q, r), sum) in at.into_iter().zip(four) {
                out[q][r] = sum;
            }
        }
        out
    }
}

#[inline(always)]
pub(super) unsafe fn dot_code_block<S: Lanes>(queries: &[i8], codes: &[u8], stride: usize, out: &mut [i32]) {
    // SAFETY: queries and codes of `stride` bytes.
    unsafe { code_block::<S, Narrow>(queries, stride, codes, stride, out) };
}

#[inline(always)]
pub(super) unsafe fn dot_byte_block<S: Lanes>(
    queries: &[i8],
    width: usize,
    codes: &[u8],
    stride: usize,
    out: &mut [i32],
) {
    // SAFETY: queries and codes of `width` bytes.
    unsafe { code_block::<S, Wide>(queries, width, codes, stride, out) };
}

/// The inner products of queries of `width` bytes with codes of as many, which start `stride` bytes apart.
#[inline(always)]
unsafe fn code_block<S: Lanes, P: Bytes>(
    queries: &[i8],
    width: usize,
    codes: &[u8],
    stride: usize,
    out: &mut [i32],
) {
    const R: usize = 2;
    let nq = queries.len() / width;
    let n = out.len() / nq.max(1);
    let tiled = nq / TILE_QUERIES * TILE_QUERIES;
    let row_panel = (ROW_PANEL / stride).max(1).next_multiple_of(R);
    for first_row in (0..n).step_by(row_panel) {
        let last_row = (first_row + row_panel).min(n);
        for q in (0..tiled).step_by(TILE_QUERIES) {
            let query = &queries[q * width..];
            let mut r = first_row;
            while r < last_row {
                // The last row of an odd number is taken twice.
                let second = (r + 1).min(last_row - 1);
                // SAFETY: queries `q..q + 4` and both codes exist.
                let sums = unsafe {
                    let two = [codes.as_ptr().add(r * stride), codes.as_ptr().add(second * stride)];
                    code_tile::<S, P, TILE_QUERIES, R>(query.as_ptr(), two, width)
                };
                for (j, sums) in sums.iter().enumerate() {
                    out[(q + j) * n + r] = sums[0];
                    out[(q + j) * n + second] = sums[1];
                }
                r += R;
            }
        }
    }
    for q in tiled..nq {
        let query = &queries[q * width..(q + 1) * width];
        // SAFETY: a query of `width` bytes, all codes, and a place for each of them.
        unsafe { code_rows::<S, P>(query, codes, stride, &mut out[q * n..(q + 1) * n]) };
    }
}
