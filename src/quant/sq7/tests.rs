use super::*;

/// One thread, which nothing stops.
struct OneThread;

impl Chunks for OneThread {
    type Error = std::convert::Infallible;

    fn map<T: Send>(
        &mut self,
        values: &[f32],
        chunk: usize,
        one: impl Fn(&[f32]) -> T + Sync,
    ) -> Result<Vec<T>, Self::Error> {
        Ok(values.chunks(chunk).map(one).collect())
    }
}

/// A small generator, so that every run sees the same numbers (Marsaglia 2003, xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// In -1..1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn rows(&mut self, n: usize, dim: usize, scale: f32) -> Vec<f32> {
        (0..n * dim).map(|_| (self.unit() + self.unit() + self.unit()) * scale).collect()
    }
}

fn truth(query: &[f32], row: &[f32], form: Form, normalise: bool) -> f64 {
    let (fq, fx) = (row_factor(query, normalise), row_factor(row, normalise));
    let pairs = query.iter().zip(row).map(|(&q, &x)| (f64::from(q) * fq, f64::from(x) * fx));
    match form {
        Form::L2 => pairs.map(|(q, x)| (q - x) * (q - x)).sum(),
        Form::NegatedDot => -pairs.map(|(q, x)| q * x).sum::<f64>(),
    }
}

/// What the f32 kernels say, or `None` where their numbers leave the range of f32.
fn exact(query: &[f32], row: &[f32], form: Form, normalise: bool) -> Option<f32> {
    let score = match (form, normalise) {
        (Form::L2, false) => kernel::l2(query, row),
        (Form::NegatedDot, false) => -kernel::dot(query, row),
        (Form::NegatedDot, true) => {
            let (dot, norm) = kernel::dot_norm(query, row);
            let (_, own) = kernel::dot_norm(query, query);
            if !(1e-30..1e36).contains(&norm) || !(1e-30..1e36).contains(&own) {
                return None;
            }
            -dot / norm.sqrt() / own.sqrt()
        }
        (Form::L2, true) => return None,
    };
    score.is_finite().then_some(score)
}

fn train(rows: &[f32], dim: usize, normalise: bool) -> Sq7 {
    let Ok(sq7) = Sq7::train(rows, dim, normalise, &mut OneThread);
    sq7
}

/// Checks every query against every row and returns the mean of slack over the spread of scores.
fn check(rows: &[f32], queries: &[f32], dim: usize, normalise: bool) -> f64 {
    let sq7 = train(rows, dim, normalise);
    assert!(sq7.step.is_normal() && sq7.mean.iter().all(|m| m.is_finite()), "{sq7:?}");
    let mut codes = vec![0xAA; rows.len() / dim * stride(dim)];
    let lost: Vec<Lost> = rows
        .chunks_exact(dim)
        .zip(codes.chunks_exact_mut(stride(dim)))
        .map(|(row, code)| sq7.encode(row, code))
        .collect();
    for code in codes.chunks_exact(stride(dim)) {
        assert!(code.iter().all(|&c| c <= MAX_CODE), "a code is too large");
        assert!(code[dim..].iter().all(|&c| c == 0), "the padding is not zero");
    }
    let longest = codes.chunks_exact(stride(dim)).map(|c| sq7.length(c)).fold(0.0, f32::max);
    assert!(longest >= 0.0);

    let mut out = Query::default();
    let (mut slacks, mut scores, mut count) = (0.0, 0.0, 0.0);
    for form in [Form::L2, Form::NegatedDot] {
        for query in queries.chunks_exact(dim) {
            sq7.query(query, form, longest, &mut out);
            assert_eq!(out.bytes.len(), stride(dim));
            assert!(out.bytes[dim..].iter().all(|&b| b == 0) && !out.bytes.contains(&i8::MIN));
            for ((row, code), lost) in rows.chunks_exact(dim).zip(codes.chunks_exact(stride(dim))).zip(&lost)
            {
                let (score, slack) = (out.score_code(code, lost.norm), out.slack(lost.error));
                let truth = truth(query, row, form, normalise);
                assert!(score.is_finite() && slack > 0.0, "score {score}, slack {slack}");
                let off = (f64::from(score) - truth).abs();
                assert!(
                    off <= f64::from(slack),
                    "{form:?} dim {dim}: {score} is {off:e} from {truth}, not {slack:e}"
                );
                if let Some(exact) = exact(query, row, form, normalise) {
                    let off = (f64::from(score) - f64::from(exact)).abs();
                    assert!(
                        off <= f64::from(slack),
                        "{form:?} dim {dim}: kernel {exact}, {off:e} over {slack:e}"
                    );
                }
                slacks += f64::from(slack);
                scores += truth.abs();
                count += 1.0;
            }
        }
    }
    if count == 0.0 { 0.0 } else { slacks / scores }
}

#[test]
fn the_bound_holds_and_is_tight_for_random_rows() {
    let mut random = Random(7);
    for dim in [1, 2, 3, 17, 63, 64, 65, 128, 384, 784] {
        let (rows, queries) = (random.rows(60, dim, 0.3), random.rows(5, dim, 0.3));
        for normalise in [false, true] {
            check(&rows, &queries, dim, normalise);
        }
    }
    let (rows, queries) = (random.rows(300, 384, 1.0), random.rows(4, 384, 1.0));
    let sq7 = train(&rows, 384, false);
    let mut out = Query::default();
    let mut code = vec![0; stride(384)];
    let lost = sq7.encode(&rows[..384], &mut code);
    sq7.query(&queries[..384], Form::L2, sq7.length(&code), &mut out);
    let share = out.slack(lost.error) / out.score_code(&code, lost.norm);
    assert!(share < 0.05, "the bound of random rows is {share} of their distance");
}

#[test]
fn the_bound_holds_for_clusters_far_from_the_origin() {
    let mut random = Random(8);
    let dim = 48;
    let centres = random.rows(4, dim, 100.0);
    let rows: Vec<f32> = (0..200)
        .flat_map(|i| (0..dim).map(move |d| (i, d)))
        .map(|(i, d)| centres[i % 4 * dim + d] + random.unit())
        .collect();
    let queries = rows[..5 * dim].to_vec();
    check(&rows, &queries, dim, false);
    check(&rows, &queries, dim, true);
}

#[test]
fn the_bound_holds_for_extreme_values() {
    let mut random = Random(9);
    for dim in [1, 5, 70] {
        for scale in [0.0, 1e-45, 1e-38, 1e-30, 1e-20, 1e-10, 1e10, 1e17, 1e18, 1e19, 1e30, 1e38] {
            let (rows, queries) = (random.rows(20, dim, scale), random.rows(3, dim, scale));
            let plain = random.rows(3, dim, 1.0);
            for normalise in [false, true] {
                check(&rows, &queries, dim, normalise);
                check(&rows, &plain, dim, normalise);
                check(&plain, &rows, dim, normalise);
            }
        }
        // All rows equal; one outlier of each size among plain rows; one row only; no row at all.
        let constant = vec![0.7; 10 * dim];
        check(&constant, &random.rows(3, dim, 1.0), dim, false);
        check(&constant, &constant, dim, true);
        for outlier in [1e3, 1e6, 1e12, 1e18, 1e30, f32::MAX, 1e-30, 0.0] {
            let mut rows = random.rows(40, dim, 1.0);
            rows[3 * dim..4 * dim].fill(outlier);
            let queries = [random.rows(2, dim, 1.0), rows[3 * dim..5 * dim].to_vec()].concat();
            check(&rows, &queries, dim, false);
            check(&rows, &queries, dim, true);
        }
        check(&constant[..dim], &constant[..dim], dim, false);
        check(&[], &constant[..dim], dim, false);
    }
}

#[test]
fn rows_and_queries_that_are_not_finite_are_always_checked_exactly() {
    let sq7 = train(&[1.0, 2.0, 3.0, 4.0], 2, false);
    let mut code = [0; 64];
    let mut out = Query::default();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let lost = sq7.encode(&[bad, 1.0], &mut code);
        assert_eq!(lost, Lost { norm: 0.0, error: f32::INFINITY });
        for form in [Form::L2, Form::NegatedDot] {
            sq7.query(&[1.0, 2.0], form, 10.0, &mut out);
            assert!(out.score_code(&code, lost.norm).is_finite() && out.slack(lost.error) == f32::INFINITY);
            sq7.query(&[bad, 0.0], form, 10.0, &mut out);
            assert!(out.score_code(&code, 5.0) == 0.0 && out.slack(0.0) == f32::INFINITY);
            assert_eq!(out.slack(f32::INFINITY), f32::INFINITY);
        }
    }
}

#[test]
fn a_rare_outlier_does_not_spoil_the_step() {
    let mut random = Random(10);
    let mut rows = random.rows(1000, 32, 1.0);
    let step = train(&rows, 32, false).step;
    rows[77] = 1e6;
    assert!(train(&rows, 32, false).step < step * 1.1);
}

#[test]
fn training_and_encoding_repeat() {
    let mut random = Random(11);
    let rows = random.rows(100, 20, 1.0);
    let (a, b) = (train(&rows, 20, true), train(&rows, 20, true));
    assert_eq!(a, b);
    let (mut first, mut second) = ([1; 64], [2; 64]);
    assert_eq!(a.encode(&rows[..20], &mut first), b.encode(&rows[..20], &mut second));
    assert_eq!(first, second);
}

#[test]
fn a_code_decodes_to_within_half_a_step() {
    let mut random = Random(12);
    let rows = random.rows(100, 16, 1.0);
    let sq7 = train(&rows, 16, false);
    let mut code = [0; 64];
    for row in rows.chunks_exact(16) {
        sq7.encode(row, &mut code);
        for ((&x, &c), &mean) in row.iter().zip(&code).zip(&sq7.mean) {
            let off = (x - mean - sq7.step * (f32::from(c) - 64.0)).abs();
            assert!(off <= sq7.step * 0.51 || c == 0 || c == MAX_CODE, "{x} became {c}");
        }
    }
}
