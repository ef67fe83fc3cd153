//! How often what happened: a test whose rows all went, or whose searches found nothing, would agree with anything.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

static COUNTS: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

/// What must have happened, each at least once in so many operations.
const EXPECTED: &[(&str, u64)] = &[
    ("rows found by a query", 1),
    ("hits of a search", 1),
    ("filters that let some rows through", 10),
    ("searches of an index", 40),
    ("searches by groups", 60),
    ("range searches", 60),
    ("searches by keys", 100),
    ("batches of iterators", 40),
    ("explanations", 100),
    ("changes", 4),
    ("imports", 200),
    ("changes that were refused", 60),
    ("reads that were refused", 100),
    ("reads of a reader", 60),
    ("refreshes", 120),
    ("reopened", 200),
    ("calls that a full disk failed", 2500),
    ("found done after the power went off", 2500),
    ("found undone after the power went off", 2500),
];

pub fn count(what: &'static str, times: u64) {
    *COUNTS.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += times;
}

/// After so many operations.
pub fn check(operations: u64) {
    let counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{operations} operations agree with the model: {counts:#?}");
    for (what, one_in) in EXPECTED {
        let count = counts.get(what).copied().unwrap_or(0);
        assert!(count >= operations / one_in, "{what}: {count} times in {operations} operations");
    }
}
