//! Deleting and inserting everything again, ten times over: recall stays that of a fresh build.

use crate::cases::{Case, working};
use crate::engine::*;
use crate::sets::*;
use arrow_array::{ArrayRef, Int64Array};
use elanus::collection::{Collection, IndexState};
use elanus::index::catalog::VectorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: i64 = 10;
const TENTHS: usize = 10;

/// The share of hits as near as the K-th neighbour. The row of a key is its remainder.
fn recall(collection: &Collection, set: &Set, distances: &[Vec<f64>]) -> f64 {
    let found = hits(&search(collection, &set.queries, &search_options(K, "", None)).expect("a search"));
    let rows = set.base.len();
    let mut right = 0;
    for (found, distances) in found.iter().zip(distances) {
        assert_eq!(found.len(), K);
        let mut sorted = distances.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let near = |key: i64| as_near(distances[key as usize % rows], sorted[K - 1]);
        right += found.iter().filter(|(key, _)| near(*key)).count();
    }
    right as f64 / (K * distances.len()) as f64
}

fn wait_until_finished(collection: &Collection) {
    let give_up = Instant::now() + Duration::from_secs(120);
    while collection.index_state("v").expect("a state") != IndexState::Finished {
        assert!(Instant::now() < give_up, "{:?}", collection.index_state("v"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn churned(case: &Case, set: &Set, distances: &[Vec<f64>]) -> (f64, f64) {
    let rows = set.base.len();
    let (_disk, database, collection) = stored(set, 2);
    create_index(&collection, &case.description(case.metrics()[0], case.promise().typical))
        .expect("an index");
    let fresh = recall(&collection, set, distances);
    for round in 1..=ROUNDS {
        for tenth in 0..TENTHS {
            let part = tenth * rows / TENTHS..(tenth + 1) * rows / TENTHS;
            let key = |row: usize, round: i64| row as i64 + round * rows as i64;
            let gone: ArrayRef =
                Arc::new(Int64Array::from_iter_values(part.clone().map(|row| key(row, round - 1))));
            assert_eq!(collection.delete(&gone).expect("a delete"), part.len() as u64);
            collection.insert(batch(set, part.clone(), key(part.start, round))).expect("an insert");
        }
        collection.flush().expect("a flush");
    }
    wait_until_finished(&collection);
    assert_eq!(collection.count().expect("a count"), rows as u64);
    let after = recall(&collection, set, distances);
    database.close().expect("a close");
    (fresh, after)
}

#[test]
fn ten_times_everything_anew_costs_no_recall() {
    let mut wrong = Vec::new();
    for case in working() {
        let set = match case.kind {
            VectorKind::Float => w2v(),
            VectorKind::Binary => tags(),
        };
        let set = set.head(2_000, 50);
        let distances: Vec<_> = (0..50).map(|query| set.distances(case.metrics()[0], query)).collect();
        let (fresh, after) = churned(&case, &set, &distances);
        println!("{} {:?}: fresh {fresh:.4}, after {ROUNDS} rounds {after:.4}", case.entry.name, case.kind);
        if after < fresh - 0.005 {
            wrong.push(format!("{}: recall {after:.4}, fresh {fresh:.4}", case.entry.name));
        }
    }
    none_wrong(&wrong);
}
