//! Range search: `radius` and `range_filter` among the search parameters.

use super::given::Given;
use super::{IndexSpec, Metric};
use crate::error::{Error, Result};
use serde_json::Value;

/// Scores between which hits lie, in the index' own sign: smaller is closer.
///
/// As in the code of Milvus 2.3 a distance is kept if `range_filter <= distance < radius`, a similarity (IP, COSINE) if
/// `radius < similarity <= range_filter`: the end near the query belongs to the range, the far one does not.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Range {
    /// What is below it is too near.
    floor: f32,
    /// What is not below it is too far.
    ceiling: Option<f32>,
}

impl Range {
    /// Every score.
    pub const ALL: Range = Range { floor: f32::NEG_INFINITY, ceiling: None };

    /// Whether it holds a score.
    pub fn holds(self, score: f32) -> bool {
        score >= self.floor && !self.is_beyond(score)
    }

    /// Whether a score, and with it each that is farther, is too far.
    pub fn is_beyond(self, score: f32) -> bool {
        self.ceiling.is_some_and(|ceiling| score >= ceiling)
    }

    /// The nearest score that it may hold, if there is such a bound.
    pub fn floor(self) -> Option<f32> {
        (self.floor > f32::NEG_INFINITY).then_some(self.floor)
    }

    /// Whether it is not [`Range::ALL`].
    pub fn is_bounded(self) -> bool {
        self != Range::ALL
    }
}

impl IndexSpec {
    /// Reads `{"radius":10.0,"range_filter":5.0}` among search parameters. Without a radius there is no range, as in
    /// Milvus, and a `range_filter` means nothing.
    pub fn range(&self, text: &str) -> Result<Range> {
        let given = Given::parse(text, "search parameters")?;
        let Some(radius) = number(&given, "radius")? else { return Ok(Range::ALL) };
        let ceiling = Some(self.metric.nearest_internal(radius));
        let Some(filter) = number(&given, "range_filter")? else {
            return Ok(Range { ceiling, ..Range::ALL });
        };
        let ends = format!("range_filter:{filter}, radius:{radius}");
        if self.metric.larger_is_closer() {
            if radius >= filter {
                return Err(Error::invalid(format!(
                    "range_filter must be greater than radius for IP/COSINE, {ends}"
                )));
            }
        } else if radius <= filter {
            return Err(Error::invalid(format!(
                "range_filter must be less than radius for L2/HAMMING/JACCARD, {ends}"
            )));
        }
        Ok(Range { floor: self.metric.nearest_internal(filter), ceiling })
    }
}

/// A number, with the words of Milvus for what is none. Scores are of 32 bits, and so are the ends of a range.
fn number(given: &Given, name: &str) -> Result<Option<f32>> {
    match given.find(name) {
        None => Ok(None),
        Some(Value::Null) => Err(Error::invalid(format!("pass invalid type for {name}"))),
        Some(value) => match value.as_f64().map(|number| number as f32).filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::invalid(format!("must pass numpy type for {name}: {value} is not a number"))),
        },
    }
}

impl Metric {
    /// The smallest internal score whose user's score is not nearer than `user`.
    fn nearest_internal(self, user: f32) -> f32 {
        match self {
            Metric::Ip | Metric::Cosine => 0.0 - user,
            Metric::Tanimoto => {
                // The logarithm rises with the internal score, which lies between 0 and 1; the bits of such numbers are
                // in their order.
                let (mut low, mut high) = (0, 1f32.to_bits());
                while low < high {
                    let middle = low + (high - low) / 2;
                    if self.user_score(f32::from_bits(middle)) < user {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                f32::from_bits(low)
            }
            _ => user,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::index::catalog::VectorKind;

    fn spec(metric: Metric) -> IndexSpec {
        let (kind, name) = match metric.kind() {
            VectorKind::Float => (VectorKind::Float, "FLAT"),
            VectorKind::Binary => (VectorKind::Binary, "BIN_FLAT"),
        };
        let text = format!(r#"{{"index_type":"{name}","metric_type":"{}"}}"#, metric.name());
        IndexSpec::from_json(&text, kind, 8).unwrap()
    }

    /// The bounds as users see them, on the scores that users see.
    #[test]
    fn the_near_end_belongs_to_the_range_and_the_far_one_does_not() {
        let scores: Vec<f32> = (0..=64).map(|i| i as f32 / 64.0).collect();
        for metric in Metric::ALL {
            let spec = spec(metric);
            let internal = |score: f32| if metric.larger_is_closer() { 0.0 - score } else { score };
            let seen: Vec<f32> = scores.iter().map(|&s| metric.user_score(internal(s))).collect();
            let ends = seen.iter().copied().filter(|end| end.is_finite());
            for (near, far) in ends.clone().flat_map(|a| ends.clone().map(move |b| (a, b))) {
                let text = format!(r#"{{"params":{{"radius":{far},"range_filter":{near}}}}}"#);
                let wrong = if metric.larger_is_closer() { far >= near } else { far <= near };
                let range = match spec.range(&text) {
                    Err(error) => {
                        assert!(
                            wrong && error.code() == Code::InvalidParameter,
                            "{metric:?} {text}: {error}"
                        );
                        continue;
                    }
                    Ok(range) => range,
                };
                assert!(!wrong, "{metric:?} {text}");
                for (&score, &seen) in scores.iter().zip(&seen) {
                    let inside = if metric.larger_is_closer() {
                        far < seen && seen <= near
                    } else {
                        near <= seen && seen < far
                    };
                    assert_eq!(range.holds(internal(score)), inside, "{metric:?} {text} {seen}");
                }
            }
        }
    }

    #[test]
    fn without_a_radius_there_is_no_range() {
        let spec = spec(Metric::L2);
        assert_eq!(spec.range("").unwrap(), Range::ALL);
        assert_eq!(spec.range(r#"{"range_filter":3}"#).unwrap(), Range::ALL);
        assert!(Range::ALL.holds(f32::INFINITY) && !Range::ALL.is_bounded());
        let range = spec.range(r#"{"radius":3}"#).unwrap();
        assert!(range.holds(-1.0) && !range.holds(3.0) && range.floor().is_none() && range.is_bounded());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (text, message) in [
            (r#"{"radius":null}"#, "pass invalid type for radius"),
            (r#"{"radius":"3"}"#, "must pass numpy type for radius: \"3\" is not a number"),
            (r#"{"radius":1e300}"#, "must pass numpy type for radius: 1e+300 is not a number"),
            (r#"{"radius":[1]}"#, "must pass numpy type for radius: [1] is not a number"),
            (r#"{"radius":3,"range_filter":null}"#, "pass invalid type for range_filter"),
            (
                r#"{"radius":3,"range_filter":{}}"#,
                "must pass numpy type for range_filter: {} is not a number",
            ),
            (
                r#"{"radius":3,"range_filter":3}"#,
                "range_filter must be less than radius for L2/HAMMING/JACCARD, range_filter:3, radius:3",
            ),
        ] {
            let error = spec(Metric::L2).range(text).unwrap_err();
            let code = error.code();
            assert!(
                code == Code::InvalidParameter && error.message().starts_with(message),
                "{text}: {error}"
            );
        }
        let error = spec(Metric::Ip).range(r#"{"radius":3,"range_filter":2.5}"#).unwrap_err();
        let message = "range_filter must be greater than radius for IP/COSINE, range_filter:2.5, radius:3";
        assert_eq!(error.message(), message);
    }
}
