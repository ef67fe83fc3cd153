//! Every SIMD kernel, written once over a small trait of registers ([`Lanes`]).
//!
//! The heart is one tile: the sums of `Q` queries with `R` rows at once, in `Q * R` registers, so that every load is
//! used several times. One query with four rows is a scan; four queries with as many rows as there are registers is a
//! matrix product.
//!
//! # Safety
//!
//! All functions of this file are `unsafe` for the same two reasons, checked by their callers in `kernel`: the CPU has
//! the features of the level, and the lengths fit together as the function of the same name in `kernel` says.
//! They are `inline(always)`, because only inside an entry with `#[target_feature]` the intrinsics become instructions.

use super::prefetch;

/// One level's registers. All methods are plain instructions; `part` variants touch only the first `n` values.
pub(super) trait Lanes {
    /// A register of floats.
    type F: Copy;
    /// A register of bytes: of a query or of a code.
    type B: Copy;
    /// A register of i32 sums.
    type I: Copy;
    /// Floats in a register.
    const FLOATS: usize;
    /// Bytes in a register; divides 64.
    const BYTES: usize;

    unsafe fn zero() -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    /// The first `n` floats, 0 < n < FLOATS, and zeros.
    unsafe fn load_part(from: *const f32, n: usize) -> Self::F;
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + sum`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, sum: Self::F) -> Self::F;
    /// The sums of all lanes of four registers.
    unsafe fn sum4(a: [Self::F; 4]) -> [f32; 4];

    unsafe fn zero_sums() -> Self::I;
    unsafe fn load_bytes(from: *const u8) -> Self::B;
    /// Adds the products of a query's bytes (-127..=127) with a code's (0..=127) to four times fewer i32 sums.
    unsafe fn add_products(sums: Self::I, query: Self::B, code: Self::B) -> Self::I;
    /// The same with a query's bytes in -64..=64 and a code's in 0..=255.
    unsafe fn add_wide_products(sums: Self::I, query: Self::B, code: Self::B) -> Self::I;
    unsafe fn sum4_i32(a: [Self::I; 4]) -> [i32; 4];

    unsafe fn zero_bytes() -> Self::B;
    unsafe fn xor(a: Self::B, b: Self::B) -> Self::B;
    /// The last `n` bytes of `a`, 0 < n < BYTES, and zeros before them.
    unsafe fn last(a: Self::B, n: usize) -> Self::B;
    /// Adds the set bits of each byte (or of larger parts) of `bits` to `counts`: at most [`MAX_COUNTED`] times, then
    /// [`Lanes::add_counts`].
    unsafe fn count(counts: Self::B, bits: Self::B) -> Self::B;
    unsafe fn add_counts(sums: Self::I, counts: Self::B) -> Self::I;
    /// The totals of four sums that only [`Lanes::add_counts`] made.
    #[inline(always)]
    unsafe fn sum4_counts(sums: [Self::I; 4]) -> [i32; 4] {
        // SAFETY: the CPU has the features.
        unsafe { Self::sum4_i32(sums) }
    }

    /// All lanes are `value`.
    unsafe fn splat(value: f32) -> Self::F;
    unsafe fn store(to: *mut f32, from: Self::F);
    /// Where `value` is smaller than `best`, it and `number` replace `best` and `at`.
    unsafe fn keep_smaller(best: &mut Self::F, at: &mut Self::F, value: Self::F, number: Self::F);

    /// `sum_tables` of `kernel`, unchecked.
    unsafe fn sum_tables(tables: &[u8], codes: *const u8, stride: usize, out: &mut [u32; 32]);
}

/// A byte counts the bits of so many bytes, and so does a signed one less its last bit.
pub(super) const MAX_COUNTED: usize = 31;

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

/// What is summed over the dimensions.
pub(super) trait Term {
    unsafe fn add<S: Lanes>(sum: S::F, a: S::F, b: S::F) -> S::F;
}

/// `a * b`
pub(super) struct Product;

impl Term for Product {
    #[inline(always)]
    unsafe fn add<S: Lanes>(sum: S::F, a: S::F, b: S::F) -> S::F {
        // SAFETY: see the head of the file.
        unsafe { S::fma(a, b, sum) }
    }
}

/// `(a - b)^2`
pub(super) struct Difference;

impl Term for Difference {
    #[inline(always)]
    unsafe fn add<S: Lanes>(sum: S::F, a: S::F, b: S::F) -> S::F {
        // SAFETY: see the head of the file.
        unsafe {
            let left = S::sub(a, b);
            S::fma(left, left, sum)
        }
    }
}

/// Four running sums hide the latency of `fma`.
const CHAINS: usize = 4;
/// Rows that a scan takes at once.
pub(super) const SCAN_ROWS: usize = 4;
/// Queries that a block takes at once.
const TILE_QUERIES: usize = 4;
/// How many rows a gather reaches ahead, in groups of [`SCAN_ROWS`].
pub(super) const GATHER_AHEAD: usize = 2 * SCAN_ROWS;
/// Bytes of rows that stay in the first cache while all queries of a panel pass over them.
pub(super) const ROW_PANEL: usize = 16 << 10;
/// Bytes of queries that stay in the second cache while all rows pass over them.
const QUERY_PANEL: usize = 192 << 10;
/// Dimensions of a tile, so that its rows fit into the first cache at any dimension.
const DIM_PANEL: usize = 1 << 10;

#[inline(always)]
pub(super) unsafe fn pair<S: Lanes, T: Term>(a: &[f32], b: &[f32]) -> f32 {
    let (a, b, dim) = (a.as_ptr(), b.as_ptr(), a.len());
    // SAFETY: both slices hold `dim` floats, and no load passes `dim`.
    unsafe {
        let mut sums = [S::zero(); CHAINS];
        let mut i = 0;
        while i + CHAINS * S::FLOATS <= dim {
            for (chain, sum) in sums.iter_mut().enumerate() {
                let at = i + chain * S::FLOATS;
                *sum = T::add::<S>(*sum, S::load(a.add(at)), S::load(b.add(at)));
            }
            i += CHAINS * S::FLOATS;
        }
        while i + S::FLOATS <= dim {
            sums[0] = T::add::<S>(sums[0], S::load(a.add(i)), S::load(b.add(i)));
            i += S::FLOATS;
        }
        if i < dim {
            sums[1] = T::add::<S>(sums[1], S::load_part(a.add(i), dim - i), S::load_part(b.add(i), dim - i));
        }
        let [a, b, c, d] = S::sum4(sums);
        (a + b) + (c + d)
    }
}

#[inline(always)]
pub(super) unsafe fn dot_norm<S: Lanes>(a: &[f32], b: &[f32]) -> (f32, f32) {
    let (a, b, dim) = (a.as_ptr(), b.as_ptr(), a.len());
    // SAFETY: both slices hold `dim` floats, and no load passes `dim`.
    unsafe {
        let (mut dots, mut norms) = ([S::zero(); CHAINS], [S::zero(); CHAINS]);
        let mut i = 0;
        while i + CHAINS * S::FLOATS <= dim {
            for (chain, (dot, norm)) in dots.iter_mut().zip(&mut norms).enumerate() {
                let at = i + chain * S::FLOATS;
                let y = S::load(b.add(at));
                *dot = S::fma(S::load(a.add(at)), y, *dot);
                *norm = S::fma(y, y, *norm);
            }
            i += CHAINS * S::FLOATS;
        }
        while i + S::FLOATS <= dim {
            let y = S::load(b.add(i));
            dots[0] = S::fma(S::load(a.add(i)), y, dots[0]);
            norms[0] = S::fma(y, y, norms[0]);
            i += S::FLOATS;
        }
        if i < dim {
            let y = S::load_part(b.add(i), dim - i);
            dots[1] = S::fma(S::load_part(a.add(i), dim - i), y, dots[1]);
            norms[1] = S::fma(y, y, norms[1]);
        }
        let dots = [S::add(dots[0], dots[1]), S::add(dots[2], dots[3])];
        let norms = [S::add(norms[0], norms[1]), S::add(norms[2], norms[3])];
        let [a, b, c, d] = S::sum4([dots[0], dots[1], norms[0], norms[1]]);
        (a + b, c + d)
    }
}

#[inline(always)]
pub(super) unsafe fn rows<S: Lanes, T: Term>(query: &[f32], rows: &[f32], out: &mut [f32]) {
    let dim = query.len();
    let whole = out.len() / SCAN_ROWS * SCAN_ROWS;
    for i in (0..whole).step_by(SCAN_ROWS) {
        // SAFETY: `rows` holds `out.len()` rows of `dim` floats, and these four lie before `whole`.
        let [sums] = unsafe {
            let first = rows.as_ptr().add(i * dim);
            tile::<S, T, 1, SCAN_ROWS>(query.as_ptr(), dim, first, dim, dim)
        };
        out[i..i + SCAN_ROWS].copy_from_slice(&sums);
    }
    for i in whole..out.len() {
        // SAFETY: a query and a row of `dim` floats.
        out[i] = unsafe { pair::<S, T>(query, &rows[i * dim..(i + 1) * dim]) };
    }
}

/// The sums of `Q` queries with `R` rows over `dim` dimensions; strides are in floats.
#[inline(always)]
unsafe fn tile<S: Lanes, T: Term, const Q: usize, const R: usize>(
    queries: *const f32,
    query_stride: usize,
    rows: *const f32,
    row_stride: usize,
    dim: usize,
) -> [[f32; R]; Q] {
    // SAFETY: the caller has `Q` queries and `R` rows of `dim` floats at these strides, and no load passes `dim`.
    unsafe {
        let mut sums = [[S::zero(); R]; Q];
        let mut i = 0;
        while i + S::FLOATS <= dim {
            let mut row = [S::zero(); R];
            for (r, row) in row.iter_mut().enumerate() {
                *row = S::load(rows.add(r * row_stride + i));
            }
            for (q, sums) in sums.iter_mut().enumerate() {
                let query = S::load(queries.add(q * query_stride + i));
                for (sum, row) in sums.iter_mut().zip(row) {
                    *sum = T::add::<S>(*sum, query, row);
                }
            }
            i += S::FLOATS;
        }
        if i < dim {
            for (q, sums) in sums.iter_mut().enumerate() {
                let query = S::load_part(queries.add(q * query_stride + i), dim - i);
                for (r, sum) in sums.iter_mut().enumerate() {
                    let row = S::load_part(rows.add(r * row_stride + i), dim - i);
                    *sum = T::add::<S>(*sum, query, row);
                }
            }
        }
        let mut out = [[0.0; R]; Q];
        for four in 0..Q * R / 4 {
            let at = [0, 1, 2, 3].map(|j| ((4 * four + j) / R, (4 * four + j) % R));
            let four = S::sum4([
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

/// `R` rows of a tile beside [`TILE_QUERIES`] queries: as many as the level has registers for.
#[inline(always)]
pub(super) unsafe fn dot_block<S: Lanes, const R: usize>(
    queries: &[f32],
    all: &[f32],
    dim: usize,
    out: &mut [f32],
) {
    let (nq, n) = (queries.len() / dim, all.len() / dim);
    let tiled = nq / TILE_QUERIES * TILE_QUERIES;
    let bytes = dim.min(DIM_PANEL) * size_of::<f32>();
    let row_panel = (ROW_PANEL / bytes).max(1).next_multiple_of(R);
    let query_panel = (QUERY_PANEL / bytes).max(1).next_multiple_of(TILE_QUERIES);
    for first_query in (0..tiled).step_by(query_panel) {
        let last_query = (first_query + query_panel).min(tiled);
        for first_row in (0..n).step_by(row_panel) {
            let last_row = (first_row + row_panel).min(n);
            for from in (0..dim).step_by(DIM_PANEL) {
                let len = (dim - from).min(DIM_PANEL);
                for q in (first_query..last_query).step_by(TILE_QUERIES) {
                    let mut r = first_row;
                    while r + R <= last_row {
                        // SAFETY: queries `q..q + 4`, rows `r..r + R` and dimensions `from..from + len` exist.
                        let sums = unsafe {
                            let (query, row) =
                                (queries.as_ptr().add(q * dim + from), all.as_ptr().add(r * dim + from));
                            tile::<S, Product, TILE_QUERIES, R>(query, dim, row, dim, len)
                        };
                        put(sums, out, q * n + r, n, from > 0);
                        r += R;
                    }
                    while r < last_row {
                        // SAFETY: as above, with one row.
                        let sums = unsafe {
                            let (query, row) =
                                (queries.as_ptr().add(q * dim + from), all.as_ptr().add(r * dim + from));
                            tile::<S, Product, TILE_QUERIES, 1>(query, dim, row, dim, len)
                        };
                        put(sums, out, q * n + r, n, from > 0);
                        r += 1;
                    }
                }
            }
        }
    }
    for q in tiled..nq {
        // SAFETY: a query of `dim` floats, all rows, and a place for each of them.
        unsafe { rows::<S, Product>(&queries[q * dim..(q + 1) * dim], all, &mut out[q * n..(q + 1) * n]) };
    }
}

/// Writes a tile to its places, or adds it to what earlier dimensions gave.
#[inline(always)]
fn put<const Q: usize, const R: usize>(
    sums: [[f32; R]; Q],
    out: &mut [f32],
    at: usize,
    stride: usize,
    more: bool,
) {
    for (q, sums) in sums.iter().enumerate() {
        for (out, sum) in out[at + q * stride..][..R].iter_mut().zip(sums) {
            *out = if more { *out + sum } else { *sum };
        }
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
    let stride = query.len();
    let code = |row: u32| &codes[row as usize * stride..][..stride];
    for &row in rows.iter().take(GATHER_AHEAD) {
        prefetch(code(row));
    }
    let whole = out.len() / SCAN_ROWS * SCAN_ROWS;
    for i in (0..whole).step_by(SCAN_ROWS) {
        for &row in rows.iter().skip(i + GATHER_AHEAD).take(SCAN_ROWS) {
            prefetch(code(row));
        }
        let four = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]].map(|row| code(row).as_ptr());
        // SAFETY: four codes of `stride` bytes, by checked slices.
        let sums = unsafe { four_codes::<S, Narrow>(query, four) };
        out[i..i + SCAN_ROWS].copy_from_slice(&sums);
    }
    for i in whole..out.len() {
        // SAFETY: a query and a code of `stride` bytes.
        out[i] = unsafe { dot_code::<S>(query, code(rows[i])) };
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

#[inline(always)]
pub(super) unsafe fn combine_columns<S: Lanes>(point: &[f32], columns: &[f32], out: &mut [f32]) {
    let k = out.len();
    // Four running sums hide the latency of `fma` here too.
    let width = CHAINS * S::FLOATS;
    let whole = k / width * width;
    for c in (0..whole).step_by(width) {
        // SAFETY: `columns` holds `point.len()` rows of `k` floats, and these columns lie before `whole`.
        unsafe {
            let mut sums = [S::zero(); CHAINS];
            for (d, &x) in point.iter().enumerate() {
                let (x, column) = (S::splat(x), columns.as_ptr().add(d * k + c));
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = S::fma(x, S::load(column.add(i * S::FLOATS)), *sum);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                S::store(out.as_mut_ptr().add(c + i * S::FLOATS), sum);
            }
        }
    }
    for c in whole..k {
        out[c] = point.iter().enumerate().map(|(d, &x)| x * columns[d * k + c]).sum();
    }
}

/// Points that share each load of the columns.
const COLUMN_POINTS: usize = 4;

#[inline(always)]
pub(super) unsafe fn nearest_columns<S: Lanes>(
    points: &[f32],
    stride: usize,
    columns: &[f32],
    half_norms: &[f32],
    out: &mut [u32],
) {
    let tiled = out.len() / COLUMN_POINTS * COLUMN_POINTS;
    for i in (0..tiled).step_by(COLUMN_POINTS) {
        // SAFETY: points `i..i + 4` exist.
        unsafe {
            let four = &points[i * stride..];
            nearest_tile::<S, COLUMN_POINTS>(
                four,
                stride,
                columns,
                half_norms,
                &mut out[i..i + COLUMN_POINTS],
            );
        }
    }
    for i in tiled..out.len() {
        // SAFETY: point `i` exists.
        unsafe {
            nearest_tile::<S, 1>(&points[i * stride..], stride, columns, half_norms, &mut out[i..i + 1]);
        }
    }
}

#[inline(always)]
unsafe fn nearest_tile<S: Lanes, const P: usize>(
    points: &[f32],
    stride: usize,
    columns: &[f32],
    half_norms: &[f32],
    out: &mut [u32],
) {
    let k = half_norms.len();
    let dim = columns.len() / k;
    let whole = k / S::FLOATS * S::FLOATS;
    let mut best = [f32::INFINITY; P];
    let mut at = [0u32; P];
    // SAFETY: `P` points of `dim` floats start `stride` apart, and all columns are before `whole`.
    unsafe {
        let (mut bests, mut ats) = ([S::splat(f32::INFINITY); P], [S::zero(); P]);
        let mut numbers = S::load(LANE_NUMBERS.as_ptr());
        for c in (0..whole).step_by(S::FLOATS) {
            let mut values = [S::load(half_norms.as_ptr().add(c)); P];
            for d in 0..dim {
                let column = S::load(columns.as_ptr().add(d * k + c));
                for (p, value) in values.iter_mut().enumerate() {
                    *value = S::fma(S::splat(-*points.get_unchecked(p * stride + d)), column, *value);
                }
            }
            for ((best, at), value) in bests.iter_mut().zip(&mut ats).zip(values) {
                S::keep_smaller(best, at, value, numbers);
            }
            numbers = S::add(numbers, S::splat(S::FLOATS as f32));
        }
        for p in 0..P {
            let (mut values, mut lanes) = ([f32::INFINITY; 16], [0f32; 16]);
            S::store(values.as_mut_ptr(), bests[p]);
            S::store(lanes.as_mut_ptr(), ats[p]);
            for (value, lane) in values.into_iter().zip(lanes).take(S::FLOATS) {
                let number = lane as u32;
                if value < best[p] || (value == best[p] && number < at[p]) {
                    (best[p], at[p]) = (value, number);
                }
            }
        }
    }
    for (p, out) in out.iter_mut().enumerate() {
        for c in whole..k {
            let dot: f32 = (0..dim).map(|d| points[p * stride + d] * columns[d * k + c]).sum();
            if half_norms[c] - dot < best[p] {
                (best[p], at[p]) = (half_norms[c] - dot, c as u32);
            }
        }
        *out = at[p];
    }
}

/// The numbers of the lanes of a register, which are exact as floats.
static LANE_NUMBERS: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

#[inline(always)]
pub(super) unsafe fn sum_tables<S: Lanes>(tables: &[u8], codes: &[u8], stride: usize, out: &mut [u32; 32]) {
    // SAFETY: as the caller vouches.
    unsafe { S::sum_tables(tables, codes.as_ptr(), stride, out) };
}
