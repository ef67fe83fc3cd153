//! The kernels of product quantization, written once over the registers of [`Lanes`]: tables of a query, nearest
//! centroids, and sums out of tables.
//!
//! # Safety
//!
//! As in [`super::lanes`]: the CPU has the features of the level, and the lengths fit together as the function of the
//! same name in `kernel` says.

use super::lanes::{CHAINS, Lanes};

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
