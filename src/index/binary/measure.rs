//! The binary metrics as functions of three counts: set bits of the query, of the row, and bits in which they differ.
//!
//! With a, b and d these counts, the two have (a + b - d) / 2 bits in common and (a + b + d) / 2 bits together.

use crate::index::catalog::Metric;
use crate::kernel::topk::TopK;

/// What tells near from far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// d.
    Hamming,
    /// Bits of one alone / bits of both together; 1 for two empty sets. TANIMOTO is ranked by it too: it is
    /// -log2(1 - JACCARD), which [`Metric::user_score`] makes of it, so that nothing infinite is ranked.
    Jaccard,
    /// Rows that have all bits of the query; their score is 0.
    Substructure,
    /// Rows that have no bits but the query's; their score is 0.
    Superstructure,
}

impl Measure {
    /// `metric` is one of binary vectors.
    pub fn of(metric: Metric) -> Measure {
        match metric {
            Metric::Jaccard | Metric::Tanimoto => Measure::Jaccard,
            Metric::Substructure => Measure::Substructure,
            Metric::Superstructure => Measure::Superstructure,
            _ => Measure::Hamming,
        }
    }
}

/// A query as its measure sees it.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub measure: Measure,
    /// Its set bits.
    pub ones: i32,
}

impl Query {
    pub fn of(measure: Measure, bits: &[u8]) -> Query {
        Query { measure, ones: bits.iter().map(|byte| byte.count_ones() as i32).sum() }
    }

    /// The score of a row of `ones` set bits that differs in `differ`; `None`: it does not match. Counts are whole
    /// numbers below 2^24, so that the one division gives the same number on every machine.
    pub fn score(self, ones: i32, differ: i32) -> Option<f32> {
        match self.measure {
            Measure::Hamming => Some(differ as f32),
            Measure::Jaccard => Some(jaccard(self.ones + ones, differ)),
            Measure::Substructure => (differ == ones - self.ones).then_some(0.0),
            Measure::Superstructure => (differ == self.ones - ones).then_some(0.0),
        }
    }

    /// What the score of a row cannot be below, whatever it is, if it differs in `differ` bits or more.
    pub fn least(self, ones: i32, differ: i32) -> f32 {
        match self.measure {
            Measure::Hamming => differ as f32,
            Measure::Jaccard => jaccard(self.ones + ones, differ),
            Measure::Substructure | Measure::Superstructure => 0.0,
        }
    }

    /// Which rows may still be among the best.
    pub fn limit(self, top: &TopK) -> Limit {
        let ones = self.ones as f32;
        match self.measure {
            Measure::Hamming => Limit { weight: 1.0, base: top.threshold(), rate: 0.0 },
            Measure::Jaccard => {
                // d / ((a + b + d) / 2) <= t, without the division. The slack is more than all roundings.
                let t = top.threshold().min(1.0);
                let rate = t + 2e-6;
                Limit { weight: 2.0 - t, base: rate * ones, rate }
            }
            Measure::Substructure => Limit { weight: 1.0, base: 0.0 - ones, rate: 1.0 },
            Measure::Superstructure => Limit { weight: 1.0, base: ones, rate: -1.0 },
        }
    }
}

/// `together` is the sum of both sides' set bits.
fn jaccard(together: i32, differ: i32) -> f32 {
    if together == 0 { 1.0 } else { (2 * differ) as f32 / (together + differ) as f32 }
}

/// A row that differs in d bits and has b set may be among the best only if d * weight <= base + rate * b.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    weight: f32,
    base: f32,
    rate: f32,
}

impl Limit {
    #[inline(always)]
    pub fn admits(self, differ: f32, ones: f32) -> bool {
        differ * self.weight <= self.base + self.rate * ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURES: [Measure; 4] =
        [Measure::Hamming, Measure::Jaccard, Measure::Substructure, Measure::Superstructure];

    /// The counts that sets of `a` and `b` bits with `both` in common have.
    fn counts(a: i32, b: i32, both: i32) -> (i32, i32, i32) {
        (a, b, a + b - 2 * both)
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let score = |measure, (a, b, d)| Query { measure, ones: a }.score(b, d);
        assert_eq!(score(Measure::Hamming, counts(3, 4, 2)), Some(3.0));
        assert_eq!(score(Measure::Jaccard, counts(3, 4, 2)), Some(3.0 / 5.0));
        assert_eq!(score(Measure::Jaccard, counts(4, 4, 4)), Some(0.0));
        assert_eq!(score(Measure::Jaccard, counts(4, 4, 0)), Some(1.0));
        assert_eq!(score(Measure::Jaccard, counts(0, 0, 0)), Some(1.0));
        assert_eq!(score(Measure::Substructure, counts(2, 4, 2)), Some(0.0));
        assert_eq!(score(Measure::Substructure, counts(2, 4, 1)), None);
        assert_eq!(score(Measure::Substructure, counts(4, 2, 2)), None);
        assert_eq!(score(Measure::Superstructure, counts(4, 2, 2)), Some(0.0));
        assert_eq!(score(Measure::Superstructure, counts(2, 4, 2)), None);
        assert_eq!(score(Measure::Superstructure, counts(2, 0, 0)), Some(0.0));
    }

    /// No row that belongs to the best is lost by the limit, and hardly any other passes it.
    #[test]
    fn limits_keep_what_may_be_among_the_best() {
        let sizes = [0, 1, 2, 7, 100, 101, 16_000, 32_768];
        let pairs = sizes.iter().flat_map(|&a| sizes.iter().map(move |&b| (a, b)));
        let all: Vec<_> = pairs
            .flat_map(|(a, b)| [0, 1, 5, a.min(b) / 2, a.min(b)].map(|both| counts(a, b, both.min(a).min(b))))
            .collect();
        for measure in MEASURES {
            for &(a, b, d) in &all {
                let query = Query { measure, ones: a };
                for &(_, other, other_d) in all.iter().filter(|counts| counts.0 == a) {
                    let mut top = TopK::new(1);
                    assert!(query.score(b, d).is_none() || query.limit(&top).admits(d as f32, b as f32));
                    let Some(worst) = query.score(other, other_d) else { continue };
                    top.push(worst, 9);
                    let admitted = query.limit(&top).admits(d as f32, b as f32);
                    let score = query.score(b, d);
                    assert!(admitted || score.is_none_or(|s| s > worst), "{measure:?} {a} {b} {d}");
                    let far = score.is_none_or(|s| s > worst + 1e-5);
                    assert!(!admitted || !far || b == 0, "{measure:?} {a} {b} {d} at {worst}");
                    assert!(score.is_none_or(|s| s >= query.least(b, d / 2)));
                }
            }
        }
    }
}
