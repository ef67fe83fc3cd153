//! Recall floors of every type and metric on the shipped sets, through the whole engine.

use crate::cases::{Case, working};
use crate::engine::*;
use crate::sets::*;
use elanus::collection::Collection;
use elanus::index::catalog::{Metric, VectorKind};

/// Queries of a set that are asked.
const QUERIES: usize = 100;

/// A metric on a set: how far each query is from each row, and from its K-th neighbour.
struct Truth {
    metric: Metric,
    distances: Vec<Vec<f64>>,
    limits: Vec<f64>,
}

impl Truth {
    fn new(set: &Set, metric: Metric) -> Truth {
        let distances: Vec<Vec<f64>> =
            (0..set.queries.len()).map(|query| set.distances(metric, query)).collect();
        let limits: Vec<f64> = distances.iter().map(|d| limit(d)).collect();
        // What came with the set says the same.
        if let Some(shipped) = set.shipped_neighbours(metric) {
            for (query, limit) in limits.iter().enumerate() {
                let last = distances[query][shipped[query][K - 1]];
                assert!((last - limit).abs() <= 1e-9, "{} {metric:?} {query}: {last} {limit}", set.name);
            }
        }
        Truth { metric, distances, limits }
    }

    /// The score that a user sees of an exact distance.
    fn score(&self, distance: f64) -> f64 {
        if self.metric.larger_is_closer() { -distance } else { distance }
    }

    /// The share of the hits that there are to find, and what is wrong about those that were found.
    fn judge(
        &self,
        collection: &Collection,
        set: &Set,
        params: &str,
        exact_scores: bool,
    ) -> (f64, Vec<String>) {
        let options = search_options(K, params, Some(self.metric.name()));
        let result = search(collection, &set.queries, &options).expect("a search");
        let (mut right, mut wanted, mut wrong) = (0, 0, Vec::new());
        for (query, found) in hits(&result).iter().enumerate() {
            let (distances, limit) = (&self.distances[query], self.limits[query]);
            // SUBSTRUCTURE and SUPERSTRUCTURE find what matches and nothing else.
            let there = match self.metric {
                Metric::Substructure | Metric::Superstructure => {
                    K.min(distances.iter().filter(|d| d.is_finite()).count())
                }
                _ => K,
            };
            wanted += there;
            if found.len() != there {
                wrong.push(format!("query {query}: {} hits of {there}", found.len()));
            }
            for (rank, &(key, score)) in found.iter().enumerate() {
                let exact = self.score(distances[key as usize]);
                if found[..rank].iter().any(|(other, _)| *other == key) {
                    wrong.push(format!("query {query}: row {key} twice"));
                }
                let unordered = rank > 0 && {
                    let before = found[rank - 1].1;
                    if self.metric.larger_is_closer() { before < score } else { before > score }
                };
                if unordered {
                    wrong.push(format!("query {query}: hit {rank} is out of order"));
                }
                let close = exact == f64::from(score)
                    || (f64::from(score) - exact).abs() <= 1e-4 * exact.abs().max(1.0);
                if exact_scores && !close {
                    wrong.push(format!("query {query}, row {key}: score {score}, exact {exact}"));
                }
                right += usize::from(as_near(distances[key as usize], limit));
            }
        }
        wrong.truncate(5);
        (if wanted == 0 { 1.0 } else { right as f64 / wanted as f64 }, wrong)
    }
}

fn limit(distances: &[f64]) -> f64 {
    let mut sorted = distances.to_vec();
    *sorted.select_nth_unstable_by(K - 1, f64::total_cmp).1
}

/// One type and one metric: with every default, and with typical parameters; narrow and wide.
fn floors(case: &Case, set: &Set, collection: &Collection, truth: &Truth, wrong: &mut Vec<String>) {
    let promise = case.promise();
    // The larger sets are asked with the build's defaults alone: time.
    let builds = if set.base.len() > 5_000 { &["{}"][..] } else { &["{}", promise.typical] };
    for &params in builds {
        let description = case.description(truth.metric, params);
        if let Err(error) = create_index(collection, &description) {
            wrong.push(format!("{description}: {error}"));
            continue;
        }
        for (search, floor) in [("{}", promise.at_defaults), (promise.wide, promise.when_wide)] {
            let (recall, faults) = truth.judge(collection, set, search, promise.exact_scores);
            println!(
                "{:8} {:12} {:14} {params} {search}: {recall:.4}",
                set.name,
                case.entry.name,
                truth.metric.name()
            );
            let about = format!("{} {description} {search}", set.name);
            wrong.extend(faults.into_iter().map(|fault| format!("{about}: {fault}")));
            // The build's typical parameters are judged where the search is wide; its defaults everywhere.
            if recall < floor && (params == "{}" || search == promise.wide) {
                wrong.push(format!("{about}: recall {recall:.4}, promised {floor}"));
            }
        }
    }
}

fn every_type_on(set: Set, metrics: &[Metric]) {
    let kind = set.base.kind();
    let set = set.head(usize::MAX, QUERIES);
    let (_disk, _database, collection) = stored(&set, 2);
    let mut wrong = Vec::new();
    for &metric in metrics {
        let cases: Vec<Case> =
            working().into_iter().filter(|c| c.kind == kind && c.metrics().contains(&metric)).collect();
        if cases.is_empty() {
            continue;
        }
        let truth = Truth::new(&set, metric);
        for case in &cases {
            floors(case, &set, &collection, &truth, &mut wrong);
        }
        // Without an index every answer is exact.
        collection.drop_index("v").expect("a drop");
        let (recall, faults) = truth.judge(&collection, &set, "", true);
        wrong.extend(
            faults.into_iter().map(|fault| format!("{} {metric:?} without an index: {fault}", set.name)),
        );
        if recall < 1.0 {
            wrong.push(format!("{} {metric:?} without an index: recall {recall}", set.name));
        }
    }
    none_wrong(&wrong);
}

/// The metrics of a kind of field, if any type works on it.
fn metrics_of(kind: VectorKind) -> Vec<Metric> {
    Metric::ALL.into_iter().filter(|metric| metric.kind() == kind).collect()
}

#[test]
fn texts_by_angle() {
    every_type_on(minilm(), &[Metric::Cosine]);
}

#[test]
fn words_by_every_metric() {
    every_type_on(w2v(), &metrics_of(VectorKind::Float));
}

#[test]
fn signs_by_hamming() {
    every_type_on(sign(), &[Metric::Hamming]);
}

#[test]
fn tags_by_every_metric() {
    every_type_on(tags(), &metrics_of(VectorKind::Binary));
}

/// Each type on the first 10,000 rows of the large sets: pixels, and fingerprints of molecules. `make test` runs it where
/// the large sets are.
#[test]
#[ignore = "wants the large sets: make test runs it where they are"]
fn pixels_and_molecules() {
    every_type_on(large("pixels", "fashion-mnist-784-l2", 784), &[Metric::L2]);
    let molecules = |metric| every_type_on(large("molecules", "morgan-2048-jaccard", 2_048), &[metric]);
    molecules(Metric::Jaccard);
    molecules(Metric::Hamming);
}

/// Codes of a byte a dimension lose a point at most, with the same lists.
#[test]
fn ivf_sq8_is_as_good_as_ivf_flat() {
    let find = |name| working().into_iter().find(|case| case.entry.name == name);
    let Some(raw) = find("IVF_FLAT") else { return };
    let set = minilm().head(usize::MAX, QUERIES);
    let truth = Truth::new(&set, Metric::Cosine);
    let (_disk, _database, collection) = stored(&set, 2);
    let recalls = |case: Case| {
        create_index(&collection, &case.description(Metric::Cosine, r#"{"nlist":64}"#)).expect("an index");
        [4, 16, 64].map(|nprobe| {
            truth
                .judge(&collection, &set, &format!(r#"{{"nprobe":{nprobe}}}"#), case.promise().exact_scores)
                .0
        })
    };
    let best = recalls(raw);
    for case in ["IVF_SQ8", "IVF_SQ8H"].into_iter().filter_map(find) {
        let coded = recalls(case);
        for (coded, best) in coded.iter().zip(best) {
            assert!(*coded >= best - 0.01, "{}: {coded}, IVF_FLAT {best}", case.entry.name);
        }
    }
}
