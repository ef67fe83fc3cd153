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
pub(super) const CHAINS: usize = 4;
/// Rows that a scan takes at once.
pub(super) const SCAN_ROWS: usize = 4;
/// Queries that a block takes at once.
pub(super) const TILE_QUERIES: usize = 4;
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
