use super::*;
use crate::kernel;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn train(values: &[f32], dim: usize, normalise: bool) -> Sq8 {
    Sq8::train(values, dim, normalise, &pool(2), &mut |_| Ok(())).unwrap()
}

/// Values of different ranges in each dimension.
fn rows(count: usize, dim: usize) -> Vec<f32> {
    let mut seed = 5u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1 << 24) as f32
    };
    (0..count * dim).map(|i| (random() + random() - 0.7) * (1.0 + (i % dim) as f32)).collect()
}

#[test]
fn codes_stay_within_half_a_step() {
    let (dim, rows) = (37, rows(2_000, 37));
    let sq8 = train(&rows, dim, false);
    let mut code = vec![0; dim];
    for row in rows.chunks_exact(dim) {
        sq8.encode(row, &mut code);
        for (i, (&x, &c)) in row.iter().zip(&code).enumerate() {
            let decoded = sq8.low[i] + sq8.step[i] * f32::from(c);
            assert!((decoded - x).abs() <= sq8.step[i] * 0.501, "{x} {decoded}");
        }
    }
}

#[test]
fn scores_are_those_of_the_codes_and_bounds_hold() {
    let (dim, rows) = (100, rows(1_000, 100));
    for (form, normalise) in [(Form::L2, false), (Form::NegatedDot, false), (Form::NegatedDot, true)] {
        let sq8 = train(&rows, dim, normalise);
        let mut codes = vec![0; rows.len() + width(dim)];
        let lost: Vec<_> = rows
            .chunks_exact(dim)
            .zip(codes.chunks_exact_mut(dim))
            .map(|(row, code)| sq8.encode(row, code))
            .collect();
        let longest = lost.iter().map(|(_, far)| *far).fold(0.0, f32::max);
        let mut query = Query::default();
        for q in rows.chunks_exact(dim).step_by(100) {
            sq8.query(q, form, longest, &mut query);
            let mut dots = vec![0; lost.len()];
            kernel::dot_byte_block(&query.bytes, width(dim), &codes, dim, &mut dots);
            let factor = row_factor(q, normalise);
            for (row, code) in codes.chunks_exact(dim).take(lost.len()).enumerate() {
                let norm = if form == Form::L2 { lost[row].0 } else { 0.0 };
                let terms = (0..dim).map(|i| {
                    let y = f64::from(sq8.low[i]) + f64::from(sq8.step[i]) * f64::from(code[i]);
                    let q = f64::from(q[i]) * factor;
                    if form == Form::L2 { (q - y) * (q - y) } else { -q * y }
                });
                let truth: f64 = terms.sum();
                let (fine, coarse) = (query.fine(code, norm), query.score(dots[row], norm));
                assert!((f64::from(fine) - truth).abs() <= f64::from(query.error), "{fine} {truth}");
                assert!((fine - coarse).abs() <= query.error, "{fine} {coarse} {}", query.error);
            }
            assert!(query.error.is_finite());
        }
    }
}

#[test]
fn an_outlier_costs_only_itself() {
    let mut rows = rows(1_000, 16);
    let before = train(&rows, 16, false);
    rows[5] = 1e30;
    rows[6] = f32::NAN;
    let after = train(&rows, 16, false);
    for (a, b) in after.step.iter().zip(&before.step) {
        assert!(a.is_finite() && *a < b.max(16.0) * 10.0, "{a} {b}");
    }
    assert!(after.center.iter().all(|center| (0.0..=255.0).contains(center)));
}

#[test]
fn odd_inputs_do_no_harm() {
    let mut query = Query::default();
    for rows in [vec![], vec![1.0, 2.0], vec![f32::NAN, f32::INFINITY], vec![f32::MAX, -f32::MAX, 0.0, 0.0]] {
        let sq8 = train(&rows, 2, false);
        let mut code = [0; 2];
        let norm = rows.chunks_exact(2).map(|row| sq8.encode(row, &mut code).0).fold(0.0, f32::max);
        for q in [[0.0, 0.0], [f32::MAX, f32::MAX], [f32::NAN, 1.0]] {
            for form in [Form::L2, Form::NegatedDot] {
                sq8.query(&q, form, 400.0, &mut query);
                assert!(!query.fine(&code, norm).is_nan() && !query.score(7, norm).is_nan());
                assert!(!query.error.is_nan());
            }
        }
    }
    let equal = train(&[3.0; 40], 2, false);
    assert_eq!((equal.low, equal.step), (vec![3.0; 2], vec![0.0; 2]));
}

#[test]
fn the_thread_count_changes_nothing() {
    let rows = rows(5_000, 12);
    let one = Sq8::train(&rows, 12, true, &pool(1), &mut |_| Ok(())).unwrap();
    assert_eq!(one, Sq8::train(&rows, 12, true, &pool(4), &mut |_| Ok(())).unwrap());
    let stop = || crate::error::Error::new(crate::error::Code::Canceled, "stop");
    assert!(Sq8::train(&rows, 12, true, &pool(1), &mut |_| Err(stop())).is_err());
}
