//! The same checks for every level that this CPU can run, against sums in f64 and exact integers.

mod integers;

use super::level::Kernels;
use super::*;

/// Miri runs a thousand times slower.
const DIMS: &[usize] = if cfg!(miri) { &[1, 19, 65] } else { &[384, 784, 1000, 1025, 2050] };

/// A small generator, so that every run sees the same numbers (Marsaglia 2003, xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    fn codes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| (self.next() >> 33) as u8 & 127).collect()
    }

    fn bits(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| (self.next() >> 33) as u8).collect()
    }

    fn bytes(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| ((self.next() >> 33) % 255) as i16 as i8).map(|b| b.max(-127)).collect()
    }
}

/// Runs a check for every level, and says which one failed.
fn at_every_level(check: impl Fn(&Kernels)) {
    for level in available() {
        println!("level {}", level.name());
        check(level.kernels().unwrap());
    }
}

fn dims() -> impl Iterator<Item = usize> {
    let all = 1..if cfg!(miri) { 1 } else { 131 };
    all.chain(DIMS.iter().copied())
}

/// A sum of `terms` in f64, and how far an f32 sum of them may be.
fn expected(terms: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut sum, mut size, mut count) = (0.0, 0.0, 0.0);
    for term in terms {
        sum += term;
        size += term.abs();
        count += 1.0;
    }
    (sum, (count + 4.0) * size * f64::from(f32::EPSILON))
}

fn wide<'a>(a: &'a [f32], b: &'a [f32]) -> impl Iterator<Item = (f64, f64)> + 'a {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)))
}

#[track_caller]
fn assert_dot(got: f32, a: &[f32], b: &[f32]) {
    let (sum, tolerance) = expected(wide(a, b).map(|(a, b)| a * b));
    assert!((f64::from(got) - sum).abs() <= tolerance, "dim {}: {got} is not {sum}", a.len());
}

#[track_caller]
fn assert_l2(got: f32, a: &[f32], b: &[f32]) {
    let (sum, tolerance) = expected(wide(a, b).map(|(a, b)| (a - b) * (a - b)));
    assert!((f64::from(got) - sum).abs() <= tolerance, "dim {}: {got} is not {sum}", a.len());
}

#[test]
fn pairs_of_floats() {
    at_every_level(|kernels| {
        let mut random = Random(1);
        for dim in dims() {
            // One float into the allocation, so that nothing is aligned to a register.
            let (a, b) = (random.floats(dim + 1), random.floats(dim + 1));
            let (a, b) = (&a[1..], &b[1..]);
            // SAFETY: the level is available, and the lengths are equal.
            let (l2, dot, (dot2, norm)) =
                unsafe { ((kernels.l2)(a, b), (kernels.dot)(a, b), (kernels.dot_norm)(a, b)) };
            assert_l2(l2, a, b);
            assert_dot(dot, a, b);
            assert_dot(dot2, a, b);
            assert_dot(norm, b, b);
        }
        // SAFETY: the level is available, and the lengths are equal.
        unsafe {
            assert_eq!((kernels.l2)(&[], &[]), 0.0);
            assert_eq!((kernels.dot_norm)(&[], &[]), (0.0, 0.0));
        }
    });
}

#[test]
fn rows_of_floats() {
    at_every_level(|kernels| {
        let mut random = Random(2);
        for dim in dims() {
            for n in if cfg!(miri) { 5..=5 } else { 0..=9 } {
                let (query, rows) = (random.floats(dim + 1), random.floats(n * dim + 1));
                let (query, rows) = (&query[1..], &rows[1..]);
                let (mut l2, mut dot) = (vec![f32::NAN; n], vec![f32::NAN; n]);
                // SAFETY: the level is available, and the lengths fit.
                unsafe {
                    (kernels.l2_rows)(query, rows, &mut l2);
                    (kernels.dot_rows)(query, rows, &mut dot);
                }
                for (i, row) in rows.chunks_exact(dim).enumerate() {
                    assert_l2(l2[i], query, row);
                    assert_dot(dot[i], query, row);
                }
            }
        }
    });
}

#[test]
fn blocks_of_floats() {
    let all = (0..=9).flat_map(|nq| (0..=9).map(move |n| (nq, n)));
    let sizes: Vec<_> = if cfg!(miri) { vec![(1, 5), (4, 7), (5, 2)] } else { all.collect() };
    at_every_level(|kernels| {
        let mut random = Random(3);
        let check = |random: &mut Random, dim: usize, nq: usize, n: usize| {
            let (queries, rows) = (random.floats(nq * dim + 1), random.floats(n * dim + 1));
            let (queries, rows) = (&queries[1..], &rows[1..]);
            let mut out = vec![f32::NAN; nq * n];
            // SAFETY: the level is available, and the lengths fit.
            unsafe { (kernels.dot_block)(queries, rows, dim, &mut out) };
            for (i, got) in out.into_iter().enumerate() {
                assert_dot(got, &queries[i / n * dim..][..dim], &rows[i % n * dim..][..dim]);
            }
        };
        for &dim in if cfg!(miri) { DIMS } else { &[1, 3, 4, 8, 15, 16, 31, 64, 77, 1000, 1025, 2050] } {
            for &(nq, n) in &sizes {
                check(&mut random, dim, nq, n);
            }
        }
        // More than one panel of queries and of rows.
        if !cfg!(miri) {
            check(&mut random, 384, 150, 70);
            check(&mut random, 16, 7, 700);
        }
    });
}

#[test]
fn columns() {
    at_every_level(|kernels| {
        let mut random = Random(7);
        for dim in [1, 2, 3, 4, 7, 16] {
            for k in [1, 2, 4, 15, 16, 17, 256] {
                let (stride, n) = (dim + 3, 6);
                let (points, columns) = (random.floats(n * stride), random.floats(dim * k));
                let column = |c: usize| (0..dim).map(|d| columns[d * k + c]).collect::<Vec<_>>();
                let half_norms: Vec<f32> =
                    (0..k).map(|c| column(c).iter().map(|x| x * x).sum::<f32>() / 2.0).collect();
                let (mut sums, mut nearest) = (vec![f32::NAN; k], vec![u32::MAX; n]);
                // SAFETY: the level is available, and the lengths fit.
                unsafe {
                    (kernels.combine_columns)(&points[..dim], &columns, &mut sums);
                    (kernels.nearest_columns)(&points, stride, &columns, &half_norms, &mut nearest);
                }
                for (c, &sum) in sums.iter().enumerate() {
                    assert_dot(sum, &points[..dim], &column(c));
                }
                for (point, &nearest) in points.chunks_exact(stride).zip(&nearest) {
                    let distance = |c: usize| {
                        wide(&point[..dim], &column(c)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
                    };
                    let best = (0..k).map(distance).fold(f64::INFINITY, f64::min);
                    assert!(distance(nearest as usize) <= best + 1e-5, "dim {dim} k {k}");
                }
            }
        }
        // Of equally near ones the first, also where all are equally far.
        for k in [1, 5, 16, 40, 256] {
            let mut nearest = [9; 5];
            // SAFETY: the level is available, and the lengths fit.
            unsafe { (kernels.nearest_columns)(&[1.0; 5], 1, &vec![2.0; k], &vec![2.0; k], &mut nearest) };
            assert_eq!(nearest, [0; 5]);
        }
    });
}

#[test]
fn sums_of_tables() {
    at_every_level(|kernels| {
        let mut random = Random(8);
        for count in [0, 1, 2, 33, 256, 257, 600] {
            for stride in [1, 5, 31, 32, 40] {
                let tables: Vec<u8> = (0..256 * count).map(|_| (random.next() >> 33) as u8 | 0xc0).collect();
                let codes: Vec<u8> = (0..count * stride + 32).map(|_| (random.next() >> 33) as u8).collect();
                let mut out = [7; 32];
                // SAFETY: the level is available, and the lengths fit.
                unsafe { (kernels.sum_tables)(&tables, &codes, stride, &mut out) };
                for (row, &got) in out.iter().enumerate() {
                    let entry = |i: usize| u32::from(tables[256 * i + usize::from(codes[i * stride + row])]);
                    assert_eq!(got, (0..count).map(entry).sum::<u32>(), "{count} tables, stride {stride}");
                }
            }
        }
    });
}

#[test]
fn the_level_in_use_answers() {
    let (query, rows) = ([1.0, 2.0, 3.0], [1.0, 0.0, 0.0, 4.0, 5.0, 6.0]);
    let mut out = [0.0; 2];
    assert_eq!((l2(&query, &rows[..3]), dot(&query, &rows[3..])), (13.0, 32.0));
    assert_eq!(dot_norm(&query, &rows[3..]), (32.0, 77.0));
    l2_rows(&query, &rows, &mut out);
    assert_eq!(out, [13.0, 27.0]);
    dot_rows(&query, &rows, &mut out);
    assert_eq!(out, [1.0, 32.0]);
    dot_block(&query, &rows, 3, &mut out);
    assert_eq!(out, [1.0, 32.0]);
    let (query, codes, mut out) = ([-3; 64], [2; 128], [0; 2]);
    assert_eq!(dot_code(&query, &codes[..64]), -384);
    dot_code_rows(&query, &codes, &mut out);
    assert_eq!(out, [-384; 2]);
    dot_code_gather(&query, &codes, &[1, 0], &mut out);
    assert_eq!(out, [-384; 2]);
    dot_code_block(&query, &codes, 64, &mut out);
    assert_eq!(out, [-384; 2]);
    dot_byte_block(&query, 64, &codes, 1, &mut out);
    assert_eq!(out, [-384; 2]);
    let mut nearest = [7];
    nearest_columns(&[1.0, 2.0], 2, &[0.0, 1.0, 0.0, 2.0], &[0.0, 2.5], &mut nearest);
    assert_eq!(nearest, [1]);
    let mut sums = [0.0; 2];
    combine_columns(&[1.0, 2.0], &[3.0, 1.0, 0.0, 2.0], &mut sums);
    assert_eq!(sums, [3.0, 5.0]);
    let mut sums = [0; 32];
    sum_tables(&[3; 512], &codes, 32, &mut sums);
    assert_eq!(sums, [6; 32]);
    let (query, rows) = ([255, 1, 0], [255, 0, 0, 0, 1, 255]);
    assert_eq!(hamming(&query, &rows[..3]), 1);
    hamming_rows(&query, &rows, &mut out);
    assert_eq!(out, [1, 16]);
    hamming_gather(&query, &rows, &[1, 0], &mut out);
    assert_eq!(out, [16, 1]);
    hamming_block(&query, &rows, 3, &mut out);
    assert_eq!(out, [1, 16]);
    prefetch(&codes);
    prefetch::<u8>(&[]);
}

#[test]
fn lengths_that_do_not_fit_panic() {
    let panics = |f: fn()| std::panic::catch_unwind(f).is_err();
    assert!(panics(|| _ = l2(&[1.0], &[])));
    assert!(panics(|| _ = dot_norm(&[1.0], &[1.0, 2.0])));
    assert!(panics(|| l2_rows(&[1.0, 2.0], &[1.0; 5], &mut [0.0; 2])));
    assert!(panics(|| dot_rows(&[], &[], &mut [0.0; 2])));
    assert!(panics(|| dot_block(&[1.0; 4], &[1.0; 4], 2, &mut [0.0; 3])));
    assert!(panics(|| _ = dot_code(&[1; 63], &[1; 63])));
    assert!(panics(|| dot_code_rows(&[1; 64], &[1; 64], &mut [0; 2])));
    assert!(panics(|| dot_code_gather(&[1; 64], &[1; 128], &[2], &mut [0])));
    assert!(panics(|| dot_code_gather(&[1; 64], &[1; 128], &[0, 1, 0, u32::MAX], &mut [0; 4])));
    assert!(panics(|| dot_code_block(&[1; 64], &[1; 64], 64, &mut [])));
    assert!(panics(|| dot_byte_block(&[1; 64], 64, &[1; 70], 7, &mut [0; 2])));
    assert!(panics(|| dot_byte_block(&[1; 64], 64, &[1; 200], 65, &mut [0; 2])));
    assert!(panics(|| combine_columns(&[1.0], &[1.0; 3], &mut [0.0; 2])));
    assert!(panics(|| nearest_columns(&[1.0; 3], 2, &[1.0; 4], &[1.0; 2], &mut [0; 2])));
    assert!(panics(|| nearest_columns(&[1.0; 3], 1, &[], &[], &mut [0; 2])));
    assert!(panics(|| sum_tables(&[0; 512], &[0; 63], 32, &mut [0; 32])));
    assert!(panics(|| sum_tables(&[0; 100], &[0; 63], 32, &mut [0; 32])));
    assert!(panics(|| _ = hamming(&[1], &[1, 2])));
    assert!(panics(|| hamming_rows(&[1; 3], &[1; 5], &mut [0; 2])));
    assert!(panics(|| hamming_rows(&[], &[], &mut [0; 2])));
    assert!(panics(|| hamming_gather(&[1; 40], &[1; 80], &[2], &mut [0])));
    assert!(panics(|| hamming_gather(&[1; 40], &[1; 80], &[0, 1, 0, u32::MAX], &mut [0; 4])));
    assert!(panics(|| hamming_block(&[1; 4], &[1; 4], 2, &mut [0; 3])));
}
