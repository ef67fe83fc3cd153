//! Codes, bytes and bits: every level gives the exact integer.

use super::*;

const STRIDES: &[usize] = if cfg!(miri) { &[64, 128] } else { &[64, 128, 192, 384, 832, 1024] };

fn exact(query: &[i8], code: &[u8]) -> i32 {
    query.iter().zip(code).map(|(&q, &c)| i32::from(q) * i32::from(c)).sum()
}

/// Bytes of rows of bits, around the registers' widths.
fn bit_strides() -> impl Iterator<Item = usize> {
    let all = 1..if cfg!(miri) { 1 } else { 140 };
    let long: &[usize] = if cfg!(miri) { &[1, 17, 33, 65, 130] } else { &[256, 257, 1000, 2048, 4096] };
    all.chain(long.iter().copied())
}

fn differing(a: &[u8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones() as i32).sum()
}

#[test]
fn codes() {
    at_every_level(|kernels| {
        let mut random = Random(4);
        for &stride in STRIDES {
            for n in if cfg!(miri) { 5..=5 } else { 0..=9 } {
                let (query, codes) = (random.bytes(stride + 1), random.codes(n * stride + 1));
                let (query, codes) = (&query[1..], &codes[1..]);
                let want: Vec<i32> = codes.chunks_exact(stride).map(|code| exact(query, code)).collect();
                let (mut rows, mut gathered) = (vec![-1; n], vec![-1; 3 * n]);
                let ids: Vec<u32> = (0..3 * n).map(|_| (random.next() % n as u64) as u32).collect();
                // SAFETY: the level is available, and the lengths fit.
                unsafe {
                    (kernels.dot_code_rows)(query, codes, &mut rows);
                    (kernels.dot_code_gather)(query, codes, &ids, &mut gathered);
                    for (code, &want) in codes.chunks_exact(stride).zip(&want) {
                        assert_eq!((kernels.dot_code)(query, code), want);
                    }
                }
                assert_eq!(rows, want);
                assert_eq!(gathered, ids.iter().map(|&id| want[id as usize]).collect::<Vec<_>>());
            }
        }
    });
}

#[test]
fn blocks_of_codes() {
    at_every_level(|kernels| {
        let mut random = Random(5);
        for &stride in STRIDES {
            let all = (0..=6).flat_map(|nq| (0..=5).map(move |n| (nq, n))).chain([(5, 301)]);
            let sizes: Vec<_> = if cfg!(miri) { vec![(1, 1), (4, 2), (5, 3)] } else { all.collect() };
            for (nq, n) in sizes {
                let (queries, codes) = (random.bytes(nq * stride), random.codes(n * stride));
                let mut out = vec![-1; nq * n];
                // SAFETY: the level is available, and the lengths fit.
                unsafe { (kernels.dot_code_block)(&queries, &codes, stride, &mut out) };
                for (i, got) in out.into_iter().enumerate() {
                    assert_eq!(
                        got,
                        exact(&queries[i / n * stride..][..stride], &codes[i % n * stride..][..stride])
                    );
                }
            }
        }
    });
}

#[test]
fn extreme_codes_do_not_saturate() {
    at_every_level(|kernels| {
        for stride in if cfg!(miri) { [64, 128] } else { [64, 65_536] } {
            for (q, c) in [(127, 127), (-127, 127), (0, 127), (-127, 0)] {
                let (query, code) = (vec![q; 4 * stride], vec![c; 4 * stride]);
                let want = i32::from(q) * i32::from(c) * stride as i32;
                let (mut rows, mut block) = ([0; 4], [0; 16]);
                // SAFETY: the level is available, and the lengths fit.
                unsafe {
                    assert_eq!((kernels.dot_code)(&query[..stride], &code[..stride]), want);
                    (kernels.dot_code_rows)(&query[..stride], &code, &mut rows);
                    (kernels.dot_code_block)(&query, &code, stride, &mut block);
                }
                assert_eq!((rows, block), ([want; 4], [want; 16]));
            }
        }
    });
}

#[test]
fn rows_of_bits() {
    at_every_level(|kernels| {
        let mut random = Random(6);
        for stride in bit_strides() {
            for n in if cfg!(miri) { 5..=5 } else { 0..=9 } {
                // One byte into the allocation, and nothing behind the last row.
                let (query, rows) = (random.bits(stride + 1), random.bits(n * stride + 1));
                let (query, rows) = (&query[1..], &rows[1..]);
                let want: Vec<i32> = rows.chunks_exact(stride).map(|row| differing(query, row)).collect();
                let (mut out, mut gathered) = (vec![-1; n], vec![-1; 3 * n]);
                let ids: Vec<u32> = (0..3 * n).map(|_| (random.next() % n as u64) as u32).collect();
                // SAFETY: the level is available, and the lengths fit.
                unsafe {
                    (kernels.hamming_rows)(query, rows, &mut out);
                    (kernels.hamming_gather)(query, rows, &ids, &mut gathered);
                    for (row, &want) in rows.chunks_exact(stride).zip(&want) {
                        assert_eq!((kernels.hamming)(query, row), want, "{stride} bytes");
                    }
                }
                assert_eq!(out, want, "{stride} bytes");
                assert_eq!(gathered, ids.iter().map(|&id| want[id as usize]).collect::<Vec<_>>());
            }
        }
    });
}

#[test]
fn blocks_of_bits() {
    at_every_level(|kernels| {
        let mut random = Random(7);
        for stride in [1, 8, 31, 32, 48, 64, 100, 256] {
            let all = (0..=4).flat_map(|nq| (0..=5).map(move |n| (nq, n))).chain([(3, 700)]);
            let sizes: Vec<_> = if cfg!(miri) { vec![(2, 5)] } else { all.collect() };
            for (nq, n) in sizes {
                let (queries, rows) = (random.bits(nq * stride), random.bits(n * stride));
                let mut out = vec![-1; nq * n];
                // SAFETY: the level is available, and the lengths fit.
                unsafe { (kernels.hamming_block)(&queries, &rows, stride, &mut out) };
                for (i, got) in out.into_iter().enumerate() {
                    let want =
                        differing(&queries[i / n * stride..][..stride], &rows[i % n * stride..][..stride]);
                    assert_eq!(got, want, "{stride} bytes");
                }
            }
        }
    });
}

#[test]
fn counters_of_bits_do_not_overflow() {
    at_every_level(|kernels| {
        for stride in if cfg!(miri) { [65, 100] } else { [4096, 65_535] } {
            let (zeros, ones) = (vec![0; stride], vec![255; 4 * stride]);
            let mut out = [0; 4];
            // SAFETY: the level is available, and the lengths fit.
            unsafe {
                assert_eq!((kernels.hamming)(&zeros, &ones[..stride]), 8 * stride as i32);
                (kernels.hamming_rows)(&zeros, &ones, &mut out);
            }
            assert_eq!(out, [8 * stride as i32; 4]);
        }
    });
}

#[test]
fn blocks_of_bytes() {
    at_every_level(|kernels| {
        let mut random = Random(6);
        for (stride, width) in [(1, 64), (63, 64), (64, 64), (100, 128), (384, 384), (784, 832)] {
            for (nq, n) in [(1, 0), (1, 1), (1, 7), (4, 2), (5, 3), (9, 130)] {
                let mut queries: Vec<i8> =
                    (0..nq * width).map(|_| ((random.next() % 129) as i16 - 64) as i8).collect();
                queries.chunks_exact_mut(width).for_each(|query| query[stride..].fill(0));
                let codes: Vec<u8> = (0..n * stride + width).map(|_| (random.next() >> 33) as u8).collect();
                let mut out = vec![-1; nq * n];
                // SAFETY: the level is available, and the lengths fit.
                unsafe { (kernels.dot_byte_block)(&queries, width, &codes, stride, &mut out) };
                for (i, &got) in out.iter().enumerate() {
                    let (query, code) =
                        (&queries[i / n * width..][..stride], &codes[i % n * stride..][..stride]);
                    assert_eq!(got, exact(query, code), "stride {stride} nq {nq} n {n}");
                }
                let ids: Vec<u32> = (0..3 * n).map(|_| (random.next() % n as u64) as u32).collect();
                let mut gathered = vec![-1; 3 * n];
                // SAFETY: the same.
                unsafe { (kernels.dot_byte_gather)(&queries[..width], &codes, stride, &ids, &mut gathered) };
                assert_eq!(gathered, ids.iter().map(|&id| out[id as usize]).collect::<Vec<_>>());
            }
        }
        for (q, c) in [(64, 255), (-64, 255), (64, 0)] {
            // The largest dimension there is.
            let (width, mut out) = (if cfg!(miri) { 128 } else { 32_768 }, [0; 20]);
            let (queries, codes) = (vec![q; 5 * width], vec![c; 4 * width]);
            // SAFETY: the level is available, and the lengths fit.
            unsafe { (kernels.dot_byte_block)(&queries, width, &codes, width, &mut out) };
            assert_eq!(out, [i32::from(q) * i32::from(c) * width as i32; 20]);
        }
    });
}
