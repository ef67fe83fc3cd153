//! How fast each kernel is at the level in use: `ELANUS_SIMD=scalar cargo run --release --example kernel_speed`.
//!
//! One thread; the best of a few rounds. `cached` works on rows that fit into the second cache, `memory` on 128 MiB.

use elanus::kernel;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Seconds of one call, the fastest of the rounds that fit into the time.
fn seconds(mut call: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < Duration::from_millis(250) {
        let round = Instant::now();
        call();
        best = best.min(round.elapsed().as_secs_f64());
    }
    best
}

/// Prints the bytes read and the multiplications made (of bits: the rows compared) in a second.
fn report(name: &str, dim: usize, bytes: usize, products: usize, seconds: f64) {
    let (bytes, products) = (bytes as f64 / seconds / 1e9, products as f64 / seconds / 1e9);
    println!("{name:32} dim {dim:4}  {bytes:7.1} GB/s  {products:7.1} G products/s");
}

fn floats(dim: usize) {
    let query = vec![0.5f32; dim];
    for (place, size) in [("cached", 192 << 10), ("memory", 128 << 20)] {
        let n = size / 4 / dim;
        let rows: Vec<f32> = (0..n * dim).map(|i| (i % 1000) as f32 * 1e-3).collect();
        let mut out = vec![0f32; n];
        let mut line = |name: &str, call: &mut dyn FnMut(&mut [f32])| {
            let time = seconds(|| call(black_box(&mut out)));
            report(&format!("{name} {place}"), dim, n * dim * 4, n * dim, time);
        };
        line("l2", &mut |out| {
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(dim)) {
                *out = kernel::l2(&query, row);
            }
        });
        line("dot_norm", &mut |out| {
            for (out, row) in out.iter_mut().zip(rows.chunks_exact(dim)) {
                *out = kernel::dot_norm(&query, row).0;
            }
        });
        line("l2_rows", &mut |out| kernel::l2_rows(&query, &rows, out));
        line("dot_rows", &mut |out| kernel::dot_rows(&query, &rows, out));
    }
    for (nq, n) in [(64, 4096), (1024, 256)] {
        let queries: Vec<f32> = (0..nq * dim).map(|i| (i % 1000) as f32 * 1e-3).collect();
        let rows: Vec<f32> = (0..n * dim).map(|i| (i % 999) as f32 * 1e-3).collect();
        let mut out = vec![0f32; nq * n];
        let time = seconds(|| kernel::dot_block(&queries, &rows, dim, black_box(&mut out)));
        report(&format!("dot_block {nq} x {n}"), dim, n * dim * 4, nq * n * dim, time);
    }
}

fn codes(dim: usize) {
    let stride = dim.next_multiple_of(64);
    let query = vec![3i8; stride];
    for (place, size) in [("cached", 192 << 10), ("memory", 128 << 20)] {
        let n = size / stride;
        let codes: Vec<u8> = (0..n * stride).map(|i| (i % 128) as u8).collect();
        // A full-period walk: every row once, in an order that no prefetcher guesses.
        let rows: Vec<u32> = (0..n as u64).map(|i| (i * 1_000_003 % n as u64) as u32).collect();
        let mut out = vec![0i32; n];
        let mut line = |name: &str, call: &mut dyn FnMut(&mut [i32])| {
            let time = seconds(|| call(black_box(&mut out)));
            report(&format!("{name} {place}"), dim, n * stride, n * stride, time);
        };
        line("dot_code", &mut |out| {
            for (out, code) in out.iter_mut().zip(codes.chunks_exact(stride)) {
                *out = kernel::dot_code(&query, code);
            }
        });
        line("dot_code_rows", &mut |out| kernel::dot_code_rows(&query, &codes, out));
        line("dot_code_gather", &mut |out| kernel::dot_code_gather(&query, &codes, &rows, out));
        // As a graph search meets them: 32 neighbours at a time.
        line("dot_code_gather of 32", &mut |out| {
            for (out, rows) in out.chunks_mut(32).zip(rows.chunks(32)) {
                kernel::dot_code_gather(&query, &codes, rows, out);
            }
        });
    }
    let (nq, n) = (64, 4096);
    let (queries, codes) = (vec![3i8; nq * stride], vec![5u8; n * stride]);
    let mut out = vec![0i32; nq * n];
    let time = seconds(|| kernel::dot_code_block(&queries, &codes, stride, black_box(&mut out)));
    report(&format!("dot_code_block {nq} x {n}"), dim, n * stride, nq * n * stride, time);
}

fn bits(dim: usize) {
    let stride = dim / 8;
    let query = vec![0x5au8; stride];
    for (place, size) in [("cached", 192 << 10), ("memory", 128 << 20)] {
        let n = size / stride;
        let all: Vec<u8> = (0..n * stride).map(|i| (i % 251) as u8).collect();
        let rows: Vec<u32> = (0..n as u64).map(|i| (i * 1_000_003 % n as u64) as u32).collect();
        let mut out = vec![0i32; n];
        let mut line = |name: &str, call: &mut dyn FnMut(&mut [i32])| {
            let time = seconds(|| call(black_box(&mut out)));
            report(&format!("{name} {place}"), dim, n * stride, n, time);
        };
        line("hamming_rows", &mut |out| kernel::hamming_rows(&query, &all, out));
        line("hamming_gather of 32", &mut |out| {
            for (out, rows) in out.chunks_mut(32).zip(rows.chunks(32)) {
                kernel::hamming_gather(&query, &all, rows, out);
            }
        });
    }
    let (nq, n) = (64, 4096);
    let (queries, rows) = (vec![3u8; nq * stride], vec![5u8; n * stride]);
    let mut out = vec![0i32; nq * n];
    let time = seconds(|| kernel::hamming_block(&queries, &rows, stride, black_box(&mut out)));
    report(&format!("hamming_block {nq} x {n}"), dim, n * stride, nq * n, time);
}

fn main() {
    println!("level {}", kernel::level_name());
    for dim in [384, 784] {
        floats(dim);
        codes(dim);
    }
    [256, 2048].into_iter().for_each(bits);
}
