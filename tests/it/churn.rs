//! Churn: all rows are deleted and inserted again, ten times over, in tenths. Recall, memory, files and disk space stay
//! near those of a fresh build.

use crate::support::*;
use elanus::collection::{Collection, IndexRequest, IndexState, OnConflict, Queries};
use elanus::database::{Database, Options};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

const DIM: usize = 100;
const K: usize = 10;
const ROUNDS: usize = 10;
const PARTS: usize = 10;
/// Longer than the background worker sleeps, and long enough for it to begin what a flush has told it of.
const LONG: Duration = Duration::from_millis(2500);
const SHORT: Duration = Duration::from_millis(60);

/// Description and search parameters of each kind.
const KINDS: &[(&str, &str)] = &[
    (r#""index_type":"FLAT""#, ""),
    (r#""index_type":"IVF_FLAT","params":{"nlist":32}"#, r#"{"nprobe":8}"#),
    (r#""index_type":"HNSW","params":{"M":16,"efConstruction":100}"#, r#"{"ef":64}"#),
];

/// The words of examples/data/w2v: rows of [`DIM`].
fn words(name: &str) -> Vec<Vec<f32>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/w2v").join(name);
    let bytes = std::fs::read(path).unwrap();
    let value = |b: &[u8]| f32::from(i16::from_le_bytes([b[0], b[1]])) / 4096.0;
    let values: Vec<f32> = bytes.chunks_exact(2).map(value).collect();
    values.chunks_exact(DIM).map(<[f32]>::to_vec).collect()
}

struct Measured {
    recall: f64,
    memory: u64,
    disk: u64,
    files: usize,
}

/// Waits until the background has done nothing for that long.
fn settle(collection: &Collection, still: Duration) {
    let start = Instant::now();
    let mut still_since = Instant::now();
    let mut before = String::new();
    while still_since.elapsed() < still {
        let now = collection.statistics().unwrap()["segments"].to_string();
        let is_built = collection.index_state("v").unwrap() == IndexState::Finished;
        if now != before || !is_built || collection.compaction_state().unwrap().is_executing {
            (before, still_since) = (now, Instant::now());
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{before}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

fn measure(
    collection: &Collection,
    path: &Path,
    params: &str,
    queries: &[Vec<f32>],
    truth: &[BTreeSet<i64>],
) -> Measured {
    let mut options = search_options(K);
    options.params = params;
    let result = collection.search("v", Queries::Float(&queries.concat()), queries.len(), &options).unwrap();
    let found = ids_of(&result.ids);
    let right =
        found.chunks(K).zip(truth).map(|(found, truth)| found.iter().filter(|id| truth.contains(id)).count());
    let recall = right.sum::<usize>() as f64 / (K * queries.len()) as f64;
    let statistics = collection.statistics().unwrap();
    let bytes = |name: &str| statistics[name].as_u64().unwrap();
    Measured {
        recall,
        memory: bytes("growing_bytes") + bytes("mapped_bytes") + bytes("index_bytes"),
        disk: bytes("disk_bytes"),
        files: files(path),
    }
}

/// The nearest of each query, by exhaustive search.
fn nearest(rows: &[Vec<f32>], queries: &[Vec<f32>]) -> Vec<BTreeSet<i64>> {
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
    let of_one = |query: &Vec<f32>| {
        let mut all: Vec<(f32, i64)> =
            rows.iter().enumerate().map(|(id, row)| (distance(row, query), id as i64)).collect();
        all.select_nth_unstable_by(K, |a, b| a.partial_cmp(b).unwrap());
        all[..K].iter().map(|row| row.1).collect()
    };
    queries.iter().map(of_one).collect()
}

fn churn(kind: &str, params: &str) {
    let (rows, queries) = (words("base.i16"), words("queries.i16"));
    let truth = nearest(&rows, &queries);
    let root = tempfile::tempdir().unwrap();
    let description = format!(r#"{{{kind},"metric_type":"L2"}}"#);
    let options = Options { index_min_rows: 300, ..options() };
    let open = |name: &str| {
        let database = Database::open(&root.path().join(name), options.clone()).unwrap();
        let collection = database.create_collection("c", schema(DIM, false)).unwrap();
        let on_conflict = OnConflict::Replace;
        let request =
            IndexRequest { field: "v", description: &description, name: None, on_conflict, wait: false };
        collection.create_index(&request, None).unwrap();
        (database, collection)
    };
    let insert = |collection: &Collection, part: usize| {
        let ids: Vec<i64> = (part..rows.len()).step_by(PARTS).map(|id| id as i64).collect();
        let rows: Vec<Vec<f32>> = ids.iter().map(|&id| rows[id as usize].clone()).collect();
        collection.insert(batch(&ids, &rows)).unwrap();
        collection.flush().unwrap();
    };
    let (_fresh, collection) = open("fresh");
    let ids: Vec<i64> = (0..rows.len() as i64).collect();
    collection.insert(batch(&ids, &rows)).unwrap();
    collection.flush().unwrap();
    settle(&collection, LONG);
    let fresh = measure(&collection, &root.path().join("fresh"), params, &queries, &truth);

    let (_churned, collection) = open("churned");
    (0..PARTS).for_each(|part| insert(&collection, part));
    for _ in 0..ROUNDS {
        for part in 0..PARTS {
            let ids: Vec<i64> = (part..rows.len()).step_by(PARTS).map(|id| id as i64).collect();
            assert_eq!(collection.delete(&keys(&ids)).unwrap(), ids.len() as u64);
            insert(&collection, part);
            // Now and then the background keeps up, so that there is something to merge with.
            if part % 5 == 4 {
                settle(&collection, SHORT);
            }
        }
    }
    settle(&collection, LONG);
    let churned = measure(&collection, &root.path().join("churned"), params, &queries, &truth);
    let show = |m: &Measured| {
        format!("recall {:.4}, memory {}, disk {}, files {}", m.recall, m.memory, m.disk, m.files)
    };
    println!("{kind}\n    fresh   {}\n    churned {}", show(&fresh), show(&churned));
    assert_eq!(collection.count().unwrap(), rows.len() as u64);
    assert!(churned.recall >= fresh.recall - 0.005, "{kind}: {} {}", churned.recall, fresh.recall);
    assert!(
        churned.memory as f64 <= fresh.memory as f64 * 1.2,
        "{kind}: {} {}",
        churned.memory,
        fresh.memory
    );
    assert!(churned.disk as f64 <= fresh.disk as f64 * 1.5, "{kind}: {} {}", churned.disk, fresh.disk);
    // A handful of segments, each with its rows, deletes and index, and their checksums.
    assert!(churned.files <= fresh.files + 8 * 6, "{kind}: {} {}", churned.files, fresh.files);
}

#[test]
fn churned_rows_are_found_as_well_as_fresh_ones() {
    KINDS.iter().for_each(|(kind, params)| churn(kind, params));
}
