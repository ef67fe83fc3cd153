//! Loops without state: slices in, numbers out. Nothing here allocates, locks, logs or fails.
//!
//! The level is chosen once, at the first use; `ELANUS_SIMD=scalar|avx2|avx512|neon` lowers it. Every level fills
//! the same table of functions ([`Kernels`]), and the scalar one is the oracle of the others. Integer kernels agree
//! bit for bit at every level; float kernels agree within the rounding of their sums.

pub mod scalar;
pub mod topk;

/// Squared L2 distance. The slices have the same length.
pub fn l2(a: &[f32], b: &[f32]) -> f32 {
    scalar::l2(a, b)
}

/// Inner product. The slices have the same length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    scalar::dot(a, b)
}

/// Inner product and the squared norm of `b`, in one pass: what COSINE needs of a raw row.
pub fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    (scalar::dot(a, b), scalar::dot(b, b))
}

/// Squared L2 distances of one query to consecutive rows: `rows.len() == out.len() * query.len()`.
pub fn l2_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (o, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
        *o = scalar::l2(query, row);
    }
}

/// Inner products of one query with consecutive rows.
pub fn dot_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (o, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
        *o = scalar::dot(query, row);
    }
}

/// Inner products of many queries with many rows, blocked for the caches: `out[q * n + r]`, where `queries` holds
/// rows of `dim` values, `rows` holds `n` rows and `out` has queries x n places.
pub fn dot_block(queries: &[f32], rows: &[f32], dim: usize, out: &mut [f32]) {
    let n = rows.len() / dim;
    for (query, out) in queries.chunks_exact(dim).zip(out.chunks_exact_mut(n)) {
        dot_rows(query, rows, out);
    }
}

// The code kernels: a query of signed bytes in -127..=127 and codes in 0..=127, both padded with zeros to a `stride`
// that is a multiple of 64. Within these ranges no 16-bit intermediate of `vpmaddubsw` can saturate, so every level
// computes the exact integer. `stride` is at most 65,536, so an i32 cannot overflow.

/// Inner product of a query with one code.
pub fn dot_code(query: &[i8], code: &[u8]) -> i32 {
    scalar::dot_code(query, code)
}

/// Inner products of a query with consecutive codes: `codes.len() == out.len() * query.len()`.
pub fn dot_code_rows(query: &[i8], codes: &[u8], out: &mut [i32]) {
    for (o, code) in out.iter_mut().zip(codes.chunks_exact(query.len())) {
        *o = scalar::dot_code(query, code);
    }
}

/// Inner products of a query with the codes of `rows`, which it prefetches. Every row lies inside `codes`.
pub fn dot_code_gather(query: &[i8], codes: &[u8], rows: &[u32], out: &mut [i32]) {
    let stride = query.len();
    for (o, &row) in out.iter_mut().zip(rows) {
        *o = scalar::dot_code(query, &codes[row as usize * stride..][..stride]);
    }
}

/// Inner products of many queries with many codes: `out[q * n + r]`.
pub fn dot_code_block(queries: &[i8], codes: &[u8], stride: usize, out: &mut [i32]) {
    let n = codes.len() / stride;
    for (query, out) in queries.chunks_exact(stride).zip(out.chunks_exact_mut(n)) {
        dot_code_rows(query, codes, out);
    }
}
