//! The scalar twin of every kernel: the oracle of the SIMD levels, and what runs where there is none.
//!
//! Sums run in [`LANES`] parts, so that rounding errors grow as slowly as at the other levels, and so that the compiler
//! may use what registers the baseline has.

use super::level::Kernels;

const LANES: usize = 16;

pub(super) static KERNELS: Kernels = Kernels {
    l2,
    dot,
    dot_norm,
    l2_rows,
    dot_rows,
    dot_block,
    dot_code,
    dot_code_rows,
    dot_code_gather,
    dot_code_block,
    dot_byte_block,
    dot_byte_gather,
    combine_columns,
    nearest_columns,
    sum_tables,
    hamming,
    hamming_rows,
    hamming_gather,
    hamming_block,
};

#[inline(always)]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0f32; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for i in 0..LANES {
            sums[i] += term(a[i], b[i]);
        }
    }
    for (i, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[i] += term(a, b);
    }
    sums.iter().sum()
}

fn l2(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| (a - b) * (a - b))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| a * b)
}

fn dot_norm(a: &[f32], b: &[f32]) -> (f32, f32) {
    (dot(a, b), dot(b, b))
}

fn l2_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
        *out = l2(query, row);
    }
}

fn dot_rows(query: &[f32], rows: &[f32], out: &mut [f32]) {
    for (out, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
        *out = dot(query, row);
    }
}

/// Few enough rows at a time to stay in the second cache while all queries pass.
fn dot_block(queries: &[f32], rows: &[f32], dim: usize, out: &mut [f32]) {
    let n = rows.len() / dim;
    let panel = (1 << 15) / dim + 1;
    for (i, rows) in rows.chunks(panel * dim).enumerate() {
        for (query, out) in queries.chunks_exact(dim).zip(out.chunks_exact_mut(n)) {
            dot_rows(query, rows, &mut out[i * panel..]);
        }
    }
}

fn dot_code(query: &[i8], code: &[u8]) -> i32 {
    query.iter().zip(code).map(|(&q, &c)| i32::from(q) * i32::from(c)).sum()
}

fn dot_code_rows(query: &[i8], codes: &[u8], out: &mut [i32]) {
    for (out, code) in out.iter_mut().zip(codes.chunks_exact(query.len())) {
        *out = dot_code(query, code);
    }
}

fn dot_code_gather(query: &[i8], codes: &[u8], rows: &[u32], out: &mut [i32]) {
    let stride = query.len();
    for (out, &row) in out.iter_mut().zip(rows) {
        *out = dot_code(query, &codes[row as usize * stride..][..stride]);
    }
}

/// Few enough codes at a time to stay in the second cache while all queries pass.
fn dot_code_block(queries: &[i8], codes: &[u8], stride: usize, out: &mut [i32]) {
    let n = codes.len() / stride;
    let panel = (1 << 17) / stride + 1;
    for (i, codes) in codes.chunks(panel * stride).enumerate() {
        for (query, out) in queries.chunks_exact(stride).zip(out.chunks_exact_mut(n)) {
            dot_code_rows(query, codes, &mut out[i * panel..]);
        }
    }
}

pub(super) fn hamming(a: &[u8], b: &[u8]) -> i32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let words = a.iter().zip(b).map(|(&a, &b)| (u64::from_le_bytes(a) ^ u64::from_le_bytes(b)).count_ones());
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a ^ b).count_ones());
    (words.sum::<u32>() + rest.sum::<u32>()) as i32
}

fn hamming_rows(query: &[u8], rows: &[u8], out: &mut [i32]) {
    for (out, row) in out.iter_mut().zip(rows.chunks_exact(query.len())) {
        *out = hamming(query, row);
    }
}

fn hamming_gather(query: &[u8], all: &[u8], rows: &[u32], out: &mut [i32]) {
    let stride = query.len();
    for (out, &row) in out.iter_mut().zip(rows) {
        *out = hamming(query, &all[row as usize * stride..][..stride]);
    }
}

/// Few enough rows at a time to stay in the second cache while all queries pass.
fn hamming_block(queries: &[u8], rows: &[u8], stride: usize, out: &mut [i32]) {
    let n = rows.len() / stride;
    let panel = (1 << 17) / stride + 1;
    for (i, rows) in rows.chunks(panel * stride).enumerate() {
        for (query, out) in queries.chunks_exact(stride).zip(out.chunks_exact_mut(n)) {
            hamming_rows(query, rows, &mut out[i * panel..]);
        }
    }
}

fn dot_byte_block(queries: &[i8], width: usize, codes: &[u8], stride: usize, out: &mut [i32]) {
    let n = out.len() / (queries.len() / width).max(1);
    for (query, out) in queries.chunks_exact(width).zip(out.chunks_exact_mut(n.max(1))) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = dot_code(query, &codes[i * stride..][..width]);
        }
    }
}

fn dot_byte_gather(query: &[i8], codes: &[u8], stride: usize, rows: &[u32], out: &mut [i32]) {
    for (out, &row) in out.iter_mut().zip(rows) {
        *out = dot_code(query, &codes[row as usize * stride..][..query.len()]);
    }
}

fn combine_columns(point: &[f32], columns: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for (&x, column) in point.iter().zip(columns.chunks_exact(out.len())) {
        for (out, &y) in out.iter_mut().zip(column) {
            *out += x * y;
        }
    }
}

fn nearest_columns(points: &[f32], stride: usize, columns: &[f32], half_norms: &[f32], out: &mut [u32]) {
    let k = half_norms.len();
    let dim = columns.len() / k;
    for (i, out) in out.iter_mut().enumerate() {
        let point = &points[i * stride..][..dim];
        let (mut best, mut at) = (f32::INFINITY, 0);
        for (c, &half_norm) in half_norms.iter().enumerate() {
            let dot: f32 = point.iter().enumerate().map(|(d, &x)| x * columns[d * k + c]).sum();
            if half_norm - dot < best {
                (best, at) = (half_norm - dot, c as u32);
            }
        }
        *out = at;
    }
}

fn sum_tables(tables: &[u8], codes: &[u8], stride: usize, out: &mut [u32; 32]) {
    out.fill(0);
    for (i, table) in tables.chunks_exact(256).enumerate() {
        for (out, &code) in out.iter_mut().zip(&codes[i * stride..]) {
            *out += u32::from(table[usize::from(code)]);
        }
    }
}
