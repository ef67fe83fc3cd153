//! Filter expressions through a collection, on every type: never fewer hits than rows to find, only rows for which the
//! filter holds, and as near as the type promises, over sealed rows, growing ones and deleted ones. (Searched wide: with
//! their defaults the types are held to account in `filters.rs`.)

use crate::cases::{Case, working};
use crate::engine::*;
use crate::sets::*;
use arrow_array::{ArrayRef, Int64Array};
use elanus::collection::SearchOptions;
use std::sync::Arc;

const ROWS: usize = 1500;
const QUERIES: usize = 20;
/// Rows that are inserted again behind the sealed ones, and not sealed.
const GROWING: usize = 200;

type Holds = fn(i64) -> bool;

const FILTERS: &[(&str, Holds)] = &[
    ("id >= 0", |_| true),
    ("id < 700 or id >= 1400", |id| !(700..1400).contains(&id)),
    ("id % 10 == 3", |id| id % 10 == 3),
    ("100 <= id < 130", |id| (100..130).contains(&id)),
    ("id in {few}", |id| [5, 6, 900, 1600].contains(&id)),
    ("id < 0", |_| false),
];

fn under_expressions(case: &Case, set: &Set) -> Vec<String> {
    let metric = case.metrics()[0];
    let (_disk, _database, collection) = stored(set, 2);
    create_index(&collection, &case.description(metric, case.promise().accurate)).expect("an index");
    collection.insert(batch(set, 0..GROWING, ROWS as i64)).expect("an insert");
    let gone = |key: i64| key % 9 == 4;
    let keys = 0..(ROWS + GROWING) as i64;
    let dead: ArrayRef = Arc::new(Int64Array::from_iter_values(keys.clone().filter(|&key| gone(key))));
    collection.delete(&dead).expect("a delete");
    let distances: Vec<Vec<f64>> = (0..QUERIES).map(|query| set.distances(metric, query)).collect();
    let name = format!("{} {} {}", set.name, case.entry.name, metric.name());
    let mut wrong = Vec::new();
    for (filter, holds) in FILTERS {
        let rows: Vec<i64> = keys.clone().filter(|&key| !gone(key) && holds(key)).collect();
        let options = SearchOptions {
            filter,
            filter_values: r#"{"few":[5,6,900,1600]}"#,
            ..search_options(K, case.promise().wide, None)
        };
        let found = hits(&search(&collection, &set.queries, &options).expect("a search"));
        let (mut right, mut wanted) = (0, 0);
        for (hits, distances) in found.iter().zip(&distances) {
            let distance = |key: i64| distances[key as usize % ROWS];
            let mut near: Vec<f64> = rows.iter().map(|&key| distance(key)).collect();
            near.sort_unstable_by(f64::total_cmp);
            near.truncate(K);
            if hits.len() != near.len() {
                wrong.push(format!("{name}, {filter}: {} hits of {}", hits.len(), near.len()));
            }
            if let Some((key, _)) = hits.iter().find(|(key, _)| !rows.contains(key)) {
                wrong.push(format!("{name}, {filter}: row {key}"));
            }
            wanted += near.len();
            let last = near.last().copied().unwrap_or(f64::NEG_INFINITY);
            right += hits.iter().filter(|(key, _)| as_near(distance(*key), last)).count();
        }
        let recall = if wanted == 0 { 1.0 } else { right as f64 / wanted as f64 };
        print!("{name}, {filter}: {recall:.3}; ");
        if recall < case.promise().behind_filters {
            wrong.push(format!("{name}, {filter}: recall {recall:.4}"));
        }
    }
    println!();
    wrong
}

#[test]
fn every_type_under_filter_expressions() {
    let (texts, bits) = (minilm().head(ROWS, QUERIES), sign().head(ROWS, QUERIES));
    let set = |case: &Case| if case.kind == texts.base.kind() { &texts } else { &bits };
    let wrong: Vec<String> = working().iter().flat_map(|case| under_expressions(case, set(case))).collect();
    none_wrong(&wrong);
}
