//! Many threads on one handle: every answer is right for some moment between the call and its return.

use crate::support::*;
use elanus::collection::{Collection, IndexRequest, OnConflict};
use elanus::database::{Database, Options};
use elanus::storage::fault::FaultDisk;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const DIM: usize = 4;
const BATCH: i64 = 5;
const BATCHES: i64 = 150;
const WRITERS: i64 = 2;

/// The keys of batch `number` of a writer.
fn ids_of_batch(writer: i64, number: i64) -> Vec<i64> {
    (0..BATCH).map(|i| (writer * BATCHES + number) * BATCH + i).collect()
}

/// Batches that a writer has inserted, and of these deleted, for certain.
#[derive(Default)]
struct Done {
    inserted: AtomicI64,
    deleted: AtomicI64,
}

/// Inserts batch after batch and deletes every one ten behind.
fn write(collection: &Collection, writer: i64, done: &Done) {
    for number in 0..BATCHES {
        let ids = ids_of_batch(writer, number);
        let rows: Vec<Vec<f32>> = ids.iter().map(|&id| Random(id as u64).vector(DIM)).collect();
        collection.insert(batch(&ids, &rows)).unwrap();
        done.inserted.store(number + 1, Ordering::SeqCst);
        if number >= 10 {
            let deleted = collection.delete(&keys(&ids_of_batch(writer, number - 10))).unwrap();
            assert_eq!(deleted, BATCH as u64);
            done.deleted.store(number - 9, Ordering::SeqCst);
        }
        if number == BATCHES - 5 {
            // However threads are timed, the last rows lie in two segments.
            collection.flush().unwrap();
        }
    }
}

/// Writes while `readers` threads read and `others` do what they do; says how many searches there were.
fn beside_writers(
    collection: &Collection,
    readers: u64,
    read: impl Fn(&[Done], &AtomicBool, u64) -> u64 + Sync,
    others: &[&(dyn Fn(&AtomicBool) + Sync)],
) -> u64 {
    let done = [Done::default(), Done::default()];
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (done, ended, read) = (&done, &ended, &read);
        let readers: Vec<_> = (0..readers).map(|seed| scope.spawn(move || read(done, ended, seed))).collect();
        for other in others {
            scope.spawn(|| other(ended));
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(collection, writer, &done[writer as usize])))
            .collect();
        let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        ended.store(true, Ordering::SeqCst);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    })
}

/// Searches until the writers are done: batches are there as a whole or not at all, those acknowledged before the
/// search are, those whose deletion was acknowledged are not.
fn read(collection: &Collection, done: &[Done], ended: &AtomicBool) -> u64 {
    let mut searches = 0;
    while !ended.load(Ordering::SeqCst) {
        let before: Vec<(i64, i64)> = done
            .iter()
            .map(|d| (d.inserted.load(Ordering::SeqCst), d.deleted.load(Ordering::SeqCst)))
            .collect();
        let found: BTreeSet<i64> = all_ids(collection, DIM).into_iter().collect();
        let after: Vec<i64> = done.iter().map(|d| d.deleted.load(Ordering::SeqCst)).collect();
        for writer in 0..WRITERS {
            let (inserted, deleted) = before[writer as usize];
            for number in 0..BATCHES {
                let ids = ids_of_batch(writer, number);
                let there = ids.iter().filter(|id| found.contains(id)).count();
                assert!(there == 0 || there == BATCH as usize, "half of batch {number}");
                assert!(number >= deleted || there == 0, "batch {number} was deleted");
                // One more may be under way to be deleted.
                let must = number < inserted && number > after[writer as usize];
                assert!(!must || there > 0, "batch {number} was acknowledged");
            }
        }
        searches += 1;
    }
    searches
}

/// Flushes, compacts, builds and drops indexes, releases nothing.
fn disturb(collection: &Collection, ended: &AtomicBool) {
    let mut random = Random(1);
    while !ended.load(Ordering::SeqCst) {
        let wait = random.below(2) == 0;
        let description = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
        let on_conflict = OnConflict::Replace;
        match random.below(5) {
            4 => collection.compact(wait, None).unwrap(),
            0 => collection.drop_index("v").unwrap(),
            1 => {
                let request = IndexRequest { field: "v", description, name: None, on_conflict, wait };
                collection.create_index(&request, None).unwrap();
            }
            _ => collection.flush().unwrap(),
        }
        collection.statistics().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn searches_inserts_deletes_flushes_and_builds_at_once() {
    let database = Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options()).unwrap();
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    let read = |done: &[Done], ended: &AtomicBool, _| read(&collection, done, ended);
    let searches = beside_writers(&collection, 2, read, &[&|ended| disturb(&collection, ended)]);
    assert!(searches > 10, "{searches}");
    assert_eq!(collection.count().unwrap(), (WRITERS * 10 * BATCH) as u64);
}

#[test]
fn writers_share_their_syncs() {
    let disk = FaultDisk::new();
    let database = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap();
    let collection = database.create_collection("c", schema(DIM, true)).unwrap();
    let row = batch(&[0], &[vec![0.5; DIM]]).project(&[1, 2]).unwrap();
    let ids: Vec<i64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..50)
                        .flat_map(|_| ids_of(&collection.insert(row.clone()).unwrap().ids))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 400, "every id once");
    assert_eq!(collection.count().unwrap(), 400);
}

#[test]
fn dropping_a_collection_under_searches() {
    let database = Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options()).unwrap();
    for _ in 0..20 {
        let collection = database.create_collection("c", schema(DIM, false)).unwrap();
        insert_random(&collection, &mut Random(1), 0..60, DIM);
        collection.flush().unwrap();
        collection.release().unwrap();
        collection.load().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                loop {
                    let query = elanus::collection::Queries::Float(&[0.0; DIM]);
                    match collection.search("v", query, 1, &search_options(60)) {
                        Ok(result) => assert_eq!(result.ids.len(), 60),
                        Err(error) => {
                            return assert_eq!(error.code(), elanus::error::Code::Closed, "{error}");
                        }
                    }
                }
            });
            database.drop_collection("c").unwrap();
        });
    }
}

/// A row, once acknowledged, is its own nearest neighbour, with its own texts, in whatever segment and by whatever index;
/// once its deletion is acknowledged it is not. Eight threads: the engine's worker is the eighth.
#[test]
fn rows_are_their_own_nearest_while_segments_and_indexes_change() {
    // The smallest segment gets an index.
    let options = Options { index_min_rows: 1, ..options() };
    let database = Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options).unwrap();
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    let read = |done: &[Done], ended: &AtomicBool, seed| read_nearest(&collection, done, ended, seed);
    let flush = |ended: &AtomicBool| {
        while !ended.load(Ordering::SeqCst) {
            collection.flush().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    let change = |ended: &AtomicBool| change_indexes(&collection, ended);
    let searches = beside_writers(&collection, 3, read, &[&change, &flush]);
    assert!(searches > 10, "{searches}");
}

/// Looks for the vectors of rows that are there, that are gone, and that come and go meanwhile.
fn read_nearest(collection: &Collection, done: &[Done], ended: &AtomicBool, seed: u64) -> u64 {
    let (mut random, mut searches) = (Random(seed), 0);
    while !ended.load(Ordering::SeqCst) {
        let writer = random.below(WRITERS as u64) as usize;
        let (inserted, deleted) = (&done[writer].inserted, &done[writer].deleted);
        let (there, gone) = (inserted.load(Ordering::SeqCst), deleted.load(Ordering::SeqCst));
        let number = (there - random.below(20) as i64).max(0);
        let id = ids_of_batch(writer as i64, number)[random.below(BATCH as u64) as usize];
        let vector = Random(id as u64).vector(DIM);
        let mut options = search_options(1);
        (options.params, options.output_fields) = (r#"{"nprobe":4}"#, vec!["text", "v"]);
        let query = elanus::collection::Queries::Float(&vector);
        let result = collection.search("v", query, 1, &options).unwrap();
        let found = ids_of(&result.ids);
        assert_eq!(texts(result.columns.column(0)), found.iter().map(|&id| text_of(id)).collect::<Vec<_>>());
        let under_way = deleted.load(Ordering::SeqCst);
        if number < there && number > under_way {
            assert_eq!((found, result.scores), (vec![id], vec![0.0]), "acknowledged");
        } else if number < gone {
            assert_ne!(found, [id], "deleted");
        }
        searches += 1;
    }
    searches
}

/// HNSW is built in the background, and segments merge, while rows come and go; at the end everything is as a model says.
#[test]
fn hnsw_builds_and_compactions_beside_inserts_and_deletes() {
    let options = Options { index_min_rows: 30, ..options() };
    let database = Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options).unwrap();
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    let request = IndexRequest {
        field: "v",
        description: r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":8,"efConstruction":32}}"#,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: false,
    };
    collection.create_index(&request, None).unwrap();
    let read = |done: &[Done], ended: &AtomicBool, seed| read_some(&collection, done, ended, seed);
    let searches = beside_writers(&collection, 2, read, &[&|ended| compact_often(&collection, ended)]);
    assert!(searches > 10, "{searches}");
    collection.compact(true, None).unwrap();
    // What the model holds: the last batches of each writer, by their distance.
    let rows =
        (0..WRITERS).flat_map(|writer| (BATCHES - 10..BATCHES).flat_map(move |n| ids_of_batch(writer, n)));
    let rows: Vec<(i64, Vec<f32>)> = rows.map(|id| (id, Random(id as u64).vector(DIM))).collect();
    assert_eq!(all_ids(&collection, DIM), rows.iter().map(|row| row.0).collect::<Vec<_>>());
    let mut options = search_options(10);
    options.params = r#"{"ef":200}"#;
    for seed in 0..20 {
        let query = Random(1_000_000 + seed).vector(DIM);
        let distance = |v: &[f32]| v.iter().zip(&query).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let mut expected: Vec<(f32, i64)> = rows.iter().map(|(id, v)| (distance(v), *id)).collect();
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let expected: Vec<i64> = expected[..10].iter().map(|row| row.1).collect();
        let query = elanus::collection::Queries::Float(&query);
        assert_eq!(ids_of(&collection.search("v", query, 1, &options).unwrap().ids), expected);
    }
    let statistics = collection.statistics().unwrap();
    assert_eq!((&statistics["sealed_segments"], &statistics["deleted_rows"]), (&1.into(), &0.into()));
    assert!(statistics["compaction"]["segments_merged"].as_u64() >= Some(2), "{statistics}");
}

/// No row whose deletion was acknowledged is found, and never one twice; HNSW may miss one now and then.
fn read_some(collection: &Collection, done: &[Done], ended: &AtomicBool, seed: u64) -> u64 {
    let (mut random, mut searches) = (Random(seed), 0);
    while !ended.load(Ordering::SeqCst) {
        let gone: Vec<i64> = done.iter().map(|d| d.deleted.load(Ordering::SeqCst)).collect();
        let mut found = ids_of(&search(collection, &random.vector(DIM), 20).ids);
        for id in &found {
            let (writer, number) = (id / BATCH / BATCHES, id / BATCH % BATCHES);
            assert!(number >= gone[writer as usize], "row {id} was deleted");
        }
        let hits = found.len();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), hits, "a row twice");
        searches += 1;
    }
    searches
}

fn compact_often(collection: &Collection, ended: &AtomicBool) {
    let mut random = Random(3);
    while !ended.load(Ordering::SeqCst) {
        match random.below(3) {
            0 => collection.compact(true, None).unwrap(),
            1 => collection.compact(false, None).unwrap(),
            _ => collection.flush().unwrap(),
        }
        collection.compaction_state().unwrap();
        collection.statistics().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
}

/// Exact kinds only, in turn, in the foreground and in the background.
fn change_indexes(collection: &Collection, ended: &AtomicBool) {
    let kinds = [
        r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":4}}"#,
        r#"{"index_type":"FLAT","metric_type":"L2"}"#,
    ];
    for turn in 0.. {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let (description, on_conflict) = (kinds[turn % 2], OnConflict::Replace);
        let request = IndexRequest { field: "v", description, name: None, on_conflict, wait: turn % 3 == 0 };
        collection.create_index(&request, None).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
}
