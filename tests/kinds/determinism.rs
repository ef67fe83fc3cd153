//! The same rows, parameters and seed give the same bytes of an index file at any number of threads.

use crate::cases::working;
use crate::engine::*;
use crate::sets::{Set, tags, w2v};
use elanus::index::catalog::VectorKind;

fn bytes_of(set: &Set, description: &str, threads: usize) -> Vec<Vec<u8>> {
    let (disk, database, collection) = stored(set, threads);
    create_index(&collection, description).unwrap_or_else(|e| panic!("{description}: {e}"));
    let files = index_files(&disk).into_values().collect();
    database.close().expect("a close");
    files
}

#[test]
fn the_thread_count_changes_no_byte_of_a_file() {
    let mut wrong = Vec::new();
    for case in working() {
        let set = match case.kind {
            VectorKind::Float => w2v(),
            VectorKind::Binary => tags(),
        };
        let set = set.head(2_000, 1);
        for &metric in case.metrics() {
            let description = case.description(metric, case.promise().typical);
            let one = bytes_of(&set, &description, 1);
            if one.iter().map(Vec::len).sum::<usize>() == 0 {
                wrong.push(format!("{description}: no index file"));
            }
            for threads in [2, 4] {
                if bytes_of(&set, &description, threads) != one {
                    wrong.push(format!("{description}: other bytes at {threads} threads"));
                }
            }
        }
    }
    none_wrong(&wrong);
}
