use super::*;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Rows, and the same part by part.
fn rows(count: usize, dim: usize, m: usize) -> (Vec<f32>, Vec<f32>) {
    let mut random = Random::new(3);
    let rows: Vec<f32> = (0..count * dim).map(|_| (random.below(2001) as f32 - 1000.0) / 500.0).collect();
    let part = dim / m;
    let parts = (0..m)
        .flat_map(|j| rows.chunks_exact(dim).flat_map(move |row| row[j * part..(j + 1) * part].to_vec()));
    let parts = parts.collect();
    (rows, parts)
}

fn train(parts: &[f32], dim: usize, m: usize, bits: usize, threads: usize) -> Pq {
    Pq::train(parts, dim, m, bits, 9, &pool(threads), &mut |_| Ok(())).unwrap()
}

fn decoded(pq: &Pq, code: &[u8]) -> Vec<f32> {
    let unit = |i: usize| (0..pq.dim).map(|d| f32::from(u8::from(d == i))).collect::<Vec<_>>();
    (0..pq.dim).map(|i| pq.dot(&unit(i), |byte| code[byte])).collect()
}

#[test]
fn products_are_those_of_the_codes_and_bounds_hold() {
    let (dim, m) = (12, 6);
    let (rows, parts) = rows(700, dim, m);
    let mut tables = Tables::default();
    for bits in 1..=9 {
        let pq = train(&parts, dim, m, bits, 2);
        let mut codes = vec![0; 700 * pq.bytes()];
        pq.encode(&rows, &mut codes);
        let query = &rows[..dim];
        if bits <= 8 {
            pq.tables(query, &mut tables);
            assert!(tables.error().is_finite());
        }
        for code in codes.chunks_exact(pq.bytes()) {
            let decoded = decoded(&pq, code);
            let dot: f32 = query.iter().zip(&decoded).map(|(a, b)| a * b).sum();
            let norm: f32 = decoded.iter().map(|x| x * x).sum();
            assert!((pq.dot(query, |i| code[i]) - dot).abs() < 1e-4, "{bits} bits");
            assert!((pq.norm(|i| code[i]) - norm).abs() < 1e-4, "{bits} bits");
            if bits <= 8 {
                let sum = code.iter().enumerate().map(|(i, &c)| tables.bytes()[256 * i + usize::from(c)]);
                let sum = sum.map(u32::from).sum();
                assert!((tables.fine(|i| code[i]) - dot).abs() < 1e-4, "{bits} bits");
                assert!((tables.product(sum) - dot).abs() <= tables.error() + 1e-5, "{bits} bits");
            }
        }
    }
}

#[test]
fn more_bits_lose_less() {
    let (rows, parts) = rows(2_000, 8, 2);
    let lost = |bits| {
        let pq = train(&parts, 8, 2, bits, 2);
        let mut codes = vec![0; 2_000 * pq.bytes()];
        pq.encode(&rows, &mut codes);
        let both = rows.chunks_exact(8).zip(codes.chunks_exact(pq.bytes()));
        let lost = both.map(|(row, code)| {
            let decoded = decoded(&pq, code);
            row.iter().zip(decoded).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
        });
        lost.sum::<f32>()
    };
    let lost: Vec<f32> = [1, 2, 4, 6, 8, 10].into_iter().map(lost).collect();
    assert!(lost.is_sorted_by(|a, b| a > b) && lost[5] < lost[0] / 20.0, "{lost:?}");
}

#[test]
fn the_thread_count_changes_nothing() {
    let (_, parts) = rows(9_000, 6, 3);
    let one = train(&parts, 6, 3, 6, 1);
    assert_eq!(one, train(&parts, 6, 3, 6, 2));
    assert_eq!(one, train(&parts, 6, 3, 6, 4));
    let stop = || crate::error::Error::new(crate::error::Code::Canceled, "stop");
    assert!(Pq::train(&parts, 6, 3, 6, 1, &pool(1), &mut |_| Err(stop())).is_err());
}

#[test]
fn bits_are_clipped_to_what_the_rows_can_name() {
    for (nbits, rows, bits) in [
        (8, 256, 8),
        (8, 255, 4),
        (8, 15, 2),
        (8, 3, 1),
        (8, 0, 1),
        (16, 65_536, 16),
        (16, 65_535, 8),
        (1, 1, 1),
        (3, 7, 2),
        (6, 63, 4),
    ] {
        assert_eq!(Pq::clip_bits(nbits, rows), bits, "{nbits} {rows}");
    }
    for (m, bits, bytes) in
        [(10, 8, 10), (10, 5, 10), (10, 4, 5), (9, 4, 5), (10, 3, 5), (10, 2, 3), (10, 1, 2), (3, 9, 6)]
    {
        assert_eq!(Pq::code_bytes(m, bits), bytes, "{m} {bits}");
    }
}

#[test]
fn odd_inputs_do_no_harm() {
    assert_eq!(train(&[], 4, 2, 3, 1).columns, [0.0; 32]);
    let few = train(&[1.0, 2.0, 3.0, 4.0], 2, 1, 3, 1);
    let mut codes = [0; 2];
    few.encode(&[1.0, 2.0, 3.0, 4.0], &mut codes);
    assert_eq!(decoded(&few, &codes[..1]), [1.0, 2.0]);
    let odd = Pq::new(2, 2, 2, vec![f32::MAX, f32::NAN, -f32::MAX, 0.0, 1.0, 2.0, 3.0, f32::INFINITY]);
    let mut tables = Tables::default();
    odd.tables(&[f32::MAX, f32::NAN], &mut tables);
    assert!(tables.error() == f32::INFINITY && tables.product(7) == 0.0);
    odd.encode(&[f32::NAN, 1.0], &mut codes[..1]);
}

/// A training that is asked to stop does so soon, whatever the numbers of bits and dimensions, and always goes on.
#[test]
fn steps_are_short_and_never_empty() {
    for work in [1, 256, 1024, 256 * 768, 65_536 * 96, 65_536 * 32_768] {
        let (chunk, step) = steps(work);
        assert!(
            (4..=CHUNK_POINTS).contains(&chunk) && chunk.is_multiple_of(4) && step >= chunk,
            "{work}: {chunk} {step}"
        );
        let least = STEP_TASKS * 4;
        assert!(step * work <= STEP_WORK.max(least * work) * 2, "{work}: {step}");
    }
}
