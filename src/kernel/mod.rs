//! Loops without state: slices in, numbers out. Nothing here allocates, locks, logs or fails; lengths that do not fit
//! together are a bug of the caller and panic.
//!
//! The level is chosen once, at the first use; `ELANUS_SIMD=scalar|neon|avx2|avx512|avx512vnni|avx512popcnt`
//! lowers it. Every level
//! fills the same table of functions, and the scalar one is the oracle of the others. Integer kernels agree bit for
//! bit at every level; float kernels agree within the rounding of their sums, which run in at least four parts.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod bits;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod codes;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
mod level;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tables;
pub mod topk;

#[cfg(test)]
mod tests;

pub use level::{Level, available, level, level_name};

use level::kernels;

/// Squared L2 distance. The slices have the same length.
pub fn l2(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // SAFETY: the table fits the CPU, and the lengths are equal.
    unsafe { (kernels().l2)(a, b) }
}

/// Inner product. The slices have the same length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // SAFETY: the table fits the CPU, and the lengths are equal.
    unsafe { (kernels().dot)(a, b) }
}

/// Inner product and the squared norm of `b`, in one pass: what COSINE needs of a raw row.
pub fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    assert_eq!(a.len(), b.len());
    // SAFETY: the table fits the CPU, and the lengths are equal.
    unsafe { (kernels().dot_norm)(a, b) }
}

/// Squared L2 distances of one query to consecutive rows: `rows.len() == out.len() * query.len()`, which is not empty.
pub fn l2_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    check(query.len(), 1, out.len(), query.len(), rows.len(), out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().l2_rows)(query, rows, out) }
}

/// Inner products of one query with consecutive rows, like [`l2_rows`].
pub fn dot_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    check(query.len(), 1, out.len(), query.len(), rows.len(), out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().dot_rows)(query, rows, out) }
}

/// Inner products of many queries with many rows, blocked for the caches: `out[q * n + r]`, where `queries` holds
/// rows of `dim` values, `rows` holds `n` rows and `out` has queries x n places.
pub fn dot_block(queries: &[f32], rows: &[f32], dim: usize, out: &mut [f32]) {
    check(dim, queries.len() / dim, rows.len() / dim, queries.len(), rows.len(), out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().dot_block)(queries, rows, dim, out) }
}

// The code kernels: a query of signed bytes in -127..=127 and codes in 0..=127, both padded with zeros to a `stride`
// that is a multiple of 64. Within these ranges no 16-bit intermediate of `vpmaddubsw` can saturate, so every level
// computes the exact integer. `stride` is at most 65,536, so an i32 cannot overflow.

/// Inner product of a query with one code.
pub fn dot_code(query: &[i8], code: &[u8]) -> i32 {
    check_codes(query.len(), 1, 1, query.len(), code.len(), 1);
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().dot_code)(query, code) }
}

/// Inner products of a query with consecutive codes: `codes.len() == out.len() * query.len()`.
pub fn dot_code_rows(query: &[i8], codes: &[u8], out: &mut [i32]) {
    check_codes(query.len(), 1, out.len(), query.len(), codes.len(), out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().dot_code_rows)(query, codes, out) }
}

/// Inner products of a query with the codes of `rows`, which it prefetches. Every row lies inside `codes`.
pub fn dot_code_gather(query: &[i8], codes: &[u8], rows: &[u32], out: &mut [i32]) {
    assert!(query.len().is_multiple_of(64) && rows.len() == out.len());
    // SAFETY: the table fits the CPU, the lengths were checked, and the kernels slice each row out of `codes`.
    unsafe { (kernels().dot_code_gather)(query, codes, rows, out) }
}

/// Inner products of many queries with many codes: `out[q * n + r]`.
pub fn dot_code_block(queries: &[i8], codes: &[u8], stride: usize, out: &mut [i32]) {
    check_codes(stride, queries.len() / stride, codes.len() / stride, queries.len(), codes.len(), out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().dot_code_block)(queries, codes, stride, out) }
}

/// Inner products of many queries with many codes of eight bits: `out[q * n + r]`.
///
/// A query has `width` bytes in -64..=64 (two of their products then fit into 16 bits too), a multiple of 64. Codes have
/// values in 0..=255 and start `stride` bytes apart, at most `width`: where they are shorter than the query, its last bytes
/// are zero, and what they meet does not count. So `codes` ends `width` bytes or more after the last code's start.
pub fn dot_byte_block(queries: &[i8], width: usize, codes: &[u8], stride: usize, out: &mut [i32]) {
    assert!(width > 0 && width.is_multiple_of(64) && queries.len().is_multiple_of(width));
    let nq = queries.len() / width;
    assert!(nq > 0 && out.len().is_multiple_of(nq) && 0 < stride && stride <= width);
    let n = out.len() / nq;
    assert!(n == 0 || codes.len() >= (n - 1) * stride + width, "the lengths do not fit together");
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().dot_byte_block)(queries, width, codes, stride, out) }
}

/// Inner products of a query with the codes of `rows`, each as in [`dot_byte_block`]. It prefetches them.
pub fn dot_byte_gather(query: &[i8], codes: &[u8], stride: usize, rows: &[u32], out: &mut [i32]) {
    assert!(query.len().is_multiple_of(64) && rows.len() == out.len());
    // SAFETY: the table fits the CPU, the lengths were checked, and the kernels slice each row out of `codes`.
    unsafe { (kernels().dot_byte_gather)(query, codes, stride, rows, out) }
}

/// Inner products of a point with columns: `out[c]` is the sum over `d` of `point[d] * columns[d * k + c]`, where `k` is
/// `out.len()`.
pub fn combine_columns(point: &[f32], columns: &[f32], out: &mut [f32]) {
    assert_eq!(columns.len(), point.len() * out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().combine_columns)(point, columns, out) }
}

/// The column nearest to each point, the first of equally near ones: the smallest `half_norms[c] - point . column c`.
///
/// Points start `stride` floats apart and have as many values as there are columns' rows; `columns` is laid out as in
/// [`combine_columns`]. There are at most 2^24 columns.
pub fn nearest_columns(points: &[f32], stride: usize, columns: &[f32], half_norms: &[f32], out: &mut [u32]) {
    let k = half_norms.len();
    assert!(0 < k && k <= 1 << 24 && columns.len().is_multiple_of(k));
    let dim = columns.len() / k;
    assert!(out.is_empty() || points.len() >= (out.len() - 1) * stride + dim);
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().nearest_columns)(points, stride, columns, half_norms, out) }
}

/// What a scan of 32 product-quantized rows sums: `out[r]` is the sum over `i` of `tables[256 * i + codes[i * stride + r]]`.
///
/// `tables` holds whole tables of 256 entries; 32 bytes of codes start at each of as many multiples of `stride`.
pub fn sum_tables(tables: &[u8], codes: &[u8], stride: usize, out: &mut [u32; 32]) {
    let count = tables.len() / 256;
    assert!(tables.len().is_multiple_of(256) && (count == 0 || codes.len() >= (count - 1) * stride + 32));
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().sum_tables)(tables, codes, stride, out) }
}

// The bit kernels count the bits in which rows of any number of bytes (not none) differ. What the binary metrics need
// beside it is how many bits each row has set, which is its distance to a row of zeros: the bits of both are
// (ones + ones - differing) / 2. A row has at most 2^31 bits.

/// In how many bits two rows of one length differ.
pub fn hamming(a: &[u8], b: &[u8]) -> i32 {
    assert_eq!(a.len(), b.len());
    // SAFETY: the table fits the CPU, and the lengths are equal.
    unsafe { (kernels().hamming)(a, b) }
}

/// In how many bits a query differs from consecutive rows: `rows.len() == out.len() * query.len()`.
pub fn hamming_rows(query: &[u8], rows: &[u8], out: &mut [i32]) {
    check(query.len(), 1, out.len(), query.len(), rows.len(), out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().hamming_rows)(query, rows, out) }
}

/// The same for some of `all` rows, which it prefetches. Every one of `rows` lies inside `all`.
pub fn hamming_gather(query: &[u8], all: &[u8], rows: &[u32], out: &mut [i32]) {
    assert!(!query.is_empty() && rows.len() == out.len());
    // SAFETY: the table fits the CPU, the lengths were checked, and the kernels slice each row out of `all`.
    unsafe { (kernels().hamming_gather)(query, all, rows, out) }
}

/// In how many bits many queries differ from many rows, all of `stride` bytes: `out[q * n + r]`.
pub fn hamming_block(queries: &[u8], rows: &[u8], stride: usize, out: &mut [i32]) {
    check(stride, queries.len() / stride, rows.len() / stride, queries.len(), rows.len(), out.len());
    // SAFETY: the table fits the CPU, and the lengths were checked.
    unsafe { (kernels().hamming_block)(queries, rows, stride, out) }
}

/// Asks for the cache lines of `values`, which will be read soon. It changes nothing but the time this takes.
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    const LINE: usize = 64;
    let start = values.as_ptr().cast::<u8>();
    for at in (0..size_of_val(values)).step_by(LINE) {
        let line = start.wrapping_add(at);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE is part of x86-64, and a prefetch never faults.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.cast());
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: a prefetch never faults and changes no register.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{}]", in(reg) line, options(nostack, readonly, preserves_flags));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = line;
    }
}

/// `nq` queries and `n` rows of `dim` values, and a place for each pair.
fn check(dim: usize, nq: usize, n: usize, queries: usize, rows: usize, out: usize) {
    assert!(
        dim > 0 && queries == nq * dim && rows == n * dim && out == nq * n,
        "the lengths do not fit together"
    );
}

fn check_codes(stride: usize, nq: usize, n: usize, queries: usize, codes: usize, out: usize) {
    assert!(stride.is_multiple_of(64), "a stride of {stride} is no multiple of 64");
    check(stride, nq, n, queries, codes, out);
}
