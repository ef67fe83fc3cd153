//! Random operations on a database against one plain model in memory: collections of every kind of field, partitions,
//! aliases, indexes, upserts, deletes by key and by filter, added fields, exports and their imports, searches and queries
//! of every kind, what is told of searches, iterators, reopening, power cuts in the middle of a call, and a reader beside.
//!
//! Exhaustive searches must find exactly what the model does; those of other indexes, rows that match, with their own
//! scores, and as many as they promise. A failure prints its seed and how to run it again: `ELANUS_SEED`, and
//! `ELANUS_OPS` operations of it.

mod beside;
mod calls;
mod draw;
mod evaluate;
mod filters;
mod indexes;
mod iterators;
mod reads;
mod rows;
mod run;
mod state;
mod tally;

use std::sync::atomic::{AtomicU64, Ordering};

/// Operations of one database.
const OPERATIONS: u64 = 1000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text}")))
}

/// Two databases at a time, each of a seed of its own.
fn run_all(operations: u64, first: u64) {
    let next = AtomicU64::new(first);
    let end = first + operations.div_ceil(OPERATIONS);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    run::run(seed, OPERATIONS);
                }
            });
        }
    });
    tally::check(operations);
}

#[test]
fn random_operations_agree_with_the_model() {
    match number("ELANUS_SEED") {
        Some(seed) => run::run(seed, number("ELANUS_OPS").unwrap_or(OPERATIONS)),
        None => run_all(number("ELANUS_OPS").unwrap_or(40_000), 1),
    }
}

#[test]
#[ignore = "takes long: make crash runs it"]
fn a_million_random_operations_agree_with_the_model() {
    run_all(number("ELANUS_OPS").unwrap_or(1_000_000), 1_000_000);
}
