//! Time travel: earlier states beside a plain model of all states, and what cannot be told.

use crate::support::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use elanus::Code;
use elanus::collection::{
    Collection, ImportOptions, IndexRequest, IteratorOptions, OnConflict, Queries, QueryOptions,
    SearchOptions,
};
use elanus::database::{Database, Options};
use elanus::storage::fault::{Cut, Fault, FaultDisk};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const DIM: usize = 4;
const RETENTION: u64 = 100;
/// When the tests begin.
const START_MS: u64 = 1_000_000_000;

/// Keys and vectors that were live.
type State = BTreeMap<i64, Vec<f32>>;

/// A state that can be asked for.
struct Moment {
    time: u64,
    state: State,
}

struct World {
    disk: FaultDisk,
    now_ms: u64,
    random: Random,
    database: Option<Database>,
    state: State,
    moments: Vec<Moment>,
    next: i64,
}

fn on(disk: &FaultDisk, options: Options) -> elanus::Result<Database> {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
}

fn keeping(retention: u64) -> Options {
    Options { retention_duration: Some(retention), threads: 1, auto_compaction: false, ..options() }
}

fn query_at(collection: &Collection, filter: &str, time: u64) -> elanus::Result<Vec<i64>> {
    let options = QueryOptions { travel_timestamp: time, limit: Some(16384), ..QueryOptions::default() };
    collection.query(filter, &options).map(|found| ids_of(&found.ids))
}

fn count_at(collection: &Collection, time: u64) -> elanus::Result<i64> {
    let output_fields = vec!["count(*)"];
    let options = QueryOptions { travel_timestamp: time, output_fields, ..QueryOptions::default() };
    collection.query("", &options).map(|found| found.columns.column(0).as_primitive::<Int64Type>().value(0))
}

fn refusal(collection: &Collection, time: u64) -> String {
    let error = query_at(collection, "", time).expect_err("a refusal");
    assert_eq!(error.code(), Code::InvalidParameter, "{error}");
    let search = SearchOptions { travel_timestamp: time, ..search_options(3) };
    let same = |other: elanus::Result<()>| assert_eq!(other.expect_err("too").message(), error.message());
    same(collection.search("v", Queries::Float(&[0.0; DIM]), 1, &search).map(drop));
    same(collection.explain("v", &search).map(drop));
    same(collection.search_by_keys("v", &keys(&[1]), &search).map(drop));
    same(count_at(collection, time).map(drop));
    let iterator = IteratorOptions { batch_size: 3, limit: None };
    same(collection.search_iterator("v", Queries::Float(&[0.0; DIM]), &search, iterator).map(drop));
    let query = QueryOptions { travel_timestamp: time, ..QueryOptions::default() };
    same(collection.query_iterator("", &query, iterator).map(drop));
    error.message().to_owned()
}

impl World {
    fn new(seed: u64) -> World {
        let disk = FaultDisk::new();
        disk.set_time(START_MS);
        let database = on(&disk, keeping(RETENTION)).unwrap();
        database.create_collection("c", schema(DIM, false)).unwrap();
        let (state, moments) = (State::new(), Vec::new());
        let database = Some(database);
        World { disk, now_ms: START_MS, random: Random(seed), database, state, moments, next: 0 }
    }

    fn collection(&self) -> Collection {
        self.database.as_ref().unwrap().collection("c").unwrap()
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.disk.set_time(self.now_ms);
    }

    fn some_keys(&mut self) -> Vec<i64> {
        let keys: Vec<i64> = self.state.keys().copied().collect();
        let count = self.random.below(12);
        let mut some: Vec<i64> =
            (0..count).filter(|_| !keys.is_empty()).map(|_| self.random.one(&keys)).collect();
        some.sort_unstable();
        some.dedup();
        some
    }

    fn write(&mut self) {
        let collection = self.collection();
        match self.random.below(4) {
            0 => {
                let gone = self.some_keys();
                collection.delete(&keys(&gone)).unwrap();
                gone.iter().for_each(|key| drop(self.state.remove(key)));
            }
            choice => {
                let mut ids = if choice == 1 { self.some_keys() } else { Vec::new() };
                let new = 1 + self.random.below(30) as i64;
                ids.extend(self.next..self.next + new);
                self.next += new;
                let rows: Vec<Vec<f32>> = ids.iter().map(|_| self.random.vector(DIM)).collect();
                collection.upsert(batch(&ids, &rows)).unwrap();
                self.state.extend(ids.into_iter().zip(rows));
            }
        }
    }

    fn note(&mut self) {
        let time = self.collection().timestamp().unwrap();
        let is_good = |last: &Moment| last.time < time || (last.time == time && last.state == self.state);
        assert!(self.moments.last().is_none_or(is_good) && (time >> 18) + 1000 > self.now_ms, "{time}");
        self.moments.push(Moment { time, state: self.state.clone() });
    }

    fn reopen(&mut self) {
        let crash = self.random.coin();
        if crash {
            self.disk.fail_at(self.disk.operations(), Fault::PowerOff);
        } else {
            self.database.take().unwrap().close().unwrap();
        }
        let cut = self.random.one(&Cut::ALL);
        let disk = self.disk.power_cut(cut, self.random.next());
        self.database = None;
        self.disk = disk;
        // Without the option it keeps the retention that it has.
        let retention_duration = if self.random.coin() { Some(RETENTION) } else { None };
        self.database = Some(on(&self.disk, Options { retention_duration, ..keeping(0) }).unwrap());
    }

    fn check(&mut self, collection: &Collection) {
        let Some(count) = self.moments.len().checked_sub(1) else { return };
        let at = self.random.below(count as u64 + 1) as usize;
        let query = self.random.vector(DIM);
        let Moment { time, state } = &self.moments[at];
        if (self.now_ms - (time >> 18)) / 1000 > RETENTION {
            // Nothing has changed since, or it is too long ago.
            if let Err(error) = query_at(collection, "", *time) {
                assert!(
                    error.message().contains("only support to travel back to 1m40s so far, but got"),
                    "{error}"
                );
                return;
            }
            assert_eq!(state, &self.state);
        }
        let known: Vec<i64> = state.keys().copied().collect();
        assert_eq!(query_at(collection, "", *time).unwrap(), known, "{time}");
        assert_eq!(count_at(collection, *time).unwrap(), known.len() as i64);
        let filter = "id % 3 == 1";
        let third: Vec<i64> = known.iter().copied().filter(|id| id % 3 == 1).collect();
        assert_eq!(query_at(collection, filter, *time).unwrap(), third);

        let distance = |row: &[f32]| row.iter().zip(&query).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let mut nearest: Vec<(f32, i64)> =
            state.iter().filter(|(id, _)| *id % 3 == 1).map(|(id, row)| (distance(row), *id)).collect();
        nearest.sort_by(|a, b| a.0.total_cmp(&b.0));
        let nearest: Vec<i64> = nearest.into_iter().map(|(_, id)| id).collect();
        let options = SearchOptions { travel_timestamp: *time, filter, ..search_options(10) };
        let found = collection.search("v", Queries::Float(&query), 1, &options).unwrap();
        assert_eq!(ids_of(&found.ids), nearest[..nearest.len().min(10)], "{time}");
        let iterator = IteratorOptions { batch_size: 16384, limit: None };
        let hits = collection.search_iterator("v", Queries::Float(&query), &options, iterator).unwrap();
        assert_eq!(ids_of(&hits.next().unwrap().ids), nearest);
        let rows = QueryOptions { travel_timestamp: *time, ..QueryOptions::default() };
        let rows = collection.query_iterator("", &rows, iterator).unwrap();
        assert_eq!(ids_of(&rows.next().unwrap().ids), known);
        if let Some(&id) = known.first() {
            let itself = SearchOptions { travel_timestamp: *time, ..search_options(1) };
            let found = collection.search_by_keys("v", &keys(&[id]), &itself).unwrap();
            assert_eq!(ids_of(&found.ids), [id]);
        }
        if known.is_empty() {
            assert!(
                collection
                    .search_by_keys(
                        "v",
                        &keys(&[0]),
                        &SearchOptions { travel_timestamp: *time, ..search_options(1) }
                    )
                    .is_err()
            );
        }
    }
}

#[test]
fn states_of_before_beside_a_model() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        if seed % 2 == 1 {
            let description = r#"{"index_type":"FLAT","metric_type":"L2"}"#;
            let on_conflict = OnConflict::Replace;
            let request = IndexRequest { field: "v", description, name: None, on_conflict, wait: true };
            world.collection().create_index(&request, None).unwrap();
        }
        for _ in 0..250 {
            match world.random.below(20) {
                0..8 => world.write(),
                8..11 => world.note(),
                11 => world.collection().flush().unwrap(),
                12 => world.collection().compact(true, None).unwrap(),
                13 => world.reopen(),
                14 => {
                    let ms = world.random.below(30_000);
                    world.pass(ms);
                }
                15 => world.pass(1),
                16 => {
                    let reader = on(&world.disk, Options { read_only: true, ..options() }).unwrap();
                    let collection = reader.collection("c").unwrap();
                    for _ in 0..3 {
                        world.check(&collection);
                    }
                }
                _ => {
                    let collection = world.collection();
                    world.check(&collection);
                }
            }
        }
        assert!(world.moments.len() > 10 && world.next > 100);
    }
}

#[test]
fn dead_rows_stay_for_the_retention_and_no_longer() {
    let mut world = World::new(1);
    let collection = world.collection();
    let rows = vec![vec![1.0; DIM]; 100];
    let ids: Vec<i64> = (0..100).collect();
    let empty = collection.timestamp().unwrap();
    collection.insert(batch(&ids, &rows)).unwrap();
    collection.flush().unwrap();
    let full = collection.timestamp().unwrap();
    world.pass(10_000);
    collection.delete(&keys(&ids[..60])).unwrap();
    let segment_rows = || collection.statistics().unwrap()["sealed_rows"].as_u64().unwrap();
    collection.compact(true, None).unwrap();
    assert_eq!((segment_rows(), collection.count().unwrap()), (100, 40));
    let of = |time| (count_at(&collection, time).unwrap(), query_at(&collection, "id < 2", time).unwrap());
    assert_eq!((of(empty), of(full), of(0)), ((0, vec![]), (100, vec![0, 1]), (40, vec![])));

    // Rows that were there for no moment that was committed.
    collection.insert(batch(&[500], &rows[..1])).unwrap();
    collection.delete(&keys(&[500])).unwrap();
    world.pass(RETENTION * 1000);
    assert_eq!(
        refusal(&collection, full),
        format!("travel_timestamp {full}: only support to travel back to 1m40s so far, but got 1m50s")
    );
    collection.compact(true, None).unwrap();
    world.pass(2000);
    collection.compact(true, None).unwrap();
    assert_eq!((segment_rows(), collection.count().unwrap()), (40, 40));
    assert_eq!(collection.describe().unwrap()["compaction"]["dropped_rows"], 61);
    drop(collection);

    // The machine's clock is set back: what was given up stays so.
    world.reopen();
    world.now_ms = START_MS;
    world.disk.set_time(START_MS + 20_000);
    let collection = world.collection();
    let time = ((START_MS + 10_000) << 18) - 1;
    assert!(refusal(&collection, time).contains("the history of collection c begins at"));
}

#[test]
fn what_cannot_be_told() {
    let disk = FaultDisk::new();
    disk.set_time(START_MS);
    let database = on(&disk, options()).unwrap();
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    let row = [vec![0.5; DIM]];
    collection.insert(batch(&[1], &row)).unwrap();
    let now = START_MS << 18;
    let off = refusal(&collection, now - (5000 << 18));
    assert!(off.ends_with("only support to travel back to 0s so far, but got 5s"), "{off}");
    assert!(refusal(&collection, now).ends_with("so far, but got 0s"));
    let error = collection.timestamp().unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::InvalidParameter, "no times of commits are kept: retention_duration is 0")
    );
    drop((collection, database));

    // From the moment on at which it is switched on.
    let database = on(&disk, keeping(RETENTION)).unwrap();
    let collection = database.collection("c").unwrap();
    let first = collection.timestamp().unwrap();
    collection.insert(batch(&[2], &row)).unwrap();
    assert_eq!(query_at(&collection, "", first).unwrap(), [1]);
    disk.set_time(START_MS + 50_000);
    assert!(refusal(&collection, now - 1).contains("the history of collection c begins at"));
    let ahead = (START_MS + 53_000) << 18;
    assert_eq!(
        refusal(&collection, ahead),
        format!("travel_timestamp {ahead}: it is 3s ahead of the present")
    );
    assert!(refusal(&collection, u64::MAX).contains("ahead of the present"));
    assert!(refusal(&collection, 1).contains("only support to travel back to 1m40s so far"));

    // A partition that is dropped takes the past with it; one that comes has none.
    collection.create_partition("p").unwrap();
    collection.insert_into("p", batch(&[3], &row)).unwrap();
    let with = collection.timestamp().unwrap();
    assert_eq!(query_at(&collection, "", with).unwrap(), [1, 2, 3]);
    let in_p = |time| {
        let options =
            QueryOptions { travel_timestamp: time, partition_names: vec!["p"], ..QueryOptions::default() };
        ids_of(&collection.query("id > 0", &options).unwrap().ids)
    };
    assert_eq!((in_p(first), in_p(with)), (vec![], vec![3]));
    collection.release_partitions(&["p"]).unwrap();
    collection.drop_partition("p").unwrap();
    assert!(refusal(&collection, with).contains("the drop of a partition"));
    let without = collection.timestamp().unwrap();
    collection.delete(&keys(&[1])).unwrap();
    assert_eq!(query_at(&collection, "", without).unwrap(), [1, 2]);

    // A collection of the same name is another one.
    database.drop_collection("c").unwrap();
    let collection = database.create_collection("c", schema(DIM, false)).unwrap();
    assert!(refusal(&collection, without).contains("with its creation"));
    let created = collection.timestamp().unwrap();
    collection.insert(batch(&[9], &row)).unwrap();
    assert_eq!(query_at(&collection, "", created).unwrap(), [0i64; 0]);
    drop((collection, database));

    // Switched off and on again: nothing of before.
    drop(on(&disk, keeping(0)).unwrap());
    let database = on(&disk, keeping(RETENTION)).unwrap();
    let collection = database.collection("c").unwrap();
    assert!(refusal(&collection, created).contains("a change of retention_duration"));
    let again = collection.timestamp().unwrap();
    collection.delete(&keys(&[9])).unwrap();
    assert_eq!(query_at(&collection, "", again).unwrap(), [9]);
    drop((collection, database));

    // A shorter one refuses more; a longer one does not bring back what was given up.
    disk.set_time(START_MS + 70_000);
    let database = on(&disk, keeping(1)).unwrap();
    assert!(
        refusal(&database.collection("c").unwrap(), again).contains("travel back to 1s so far, but got 20s")
    );
    drop(database);
    let database = on(&disk, keeping(RETENTION)).unwrap();
    assert!(refusal(&database.collection("c").unwrap(), again).contains("a change of retention_duration"));
    drop(database);

    let error = on(&disk, Options { read_only: true, ..keeping(5) }).map(drop).unwrap_err();
    assert_eq!(error.code(), Code::ReadOnly);
    assert!(error.message().contains("retention_duration"), "{error}");
    let error = on(&disk, keeping(1 << 32)).map(drop).unwrap_err();
    assert!(
        error.message().contains("retention_duration should be in range [0, 4294967295], got 4294967296")
    );
}

#[test]
fn readers_beside_the_writer() {
    let mut world = World::new(3);
    let collection = world.collection();
    let row = [vec![0.5; DIM]];
    collection.insert(batch(&[1], &row)).unwrap();
    let reader = on(&world.disk, Options { read_only: true, ..options() }).unwrap();
    let read = reader.collection("c").unwrap();
    let first = read.timestamp().unwrap();
    assert!(first <= collection.timestamp().unwrap());
    world.pass(5);
    collection.upsert(batch(&[1, 2], &[vec![0.25; DIM], vec![0.0; DIM]])).unwrap();
    let second = collection.timestamp().unwrap();
    collection.delete(&keys(&[1])).unwrap();
    collection.flush().unwrap();
    // A moment behind its last refresh makes it look.
    assert_eq!(query_at(&read, "", second).unwrap(), [1, 2]);
    assert_eq!(query_at(&read, "", first).unwrap(), [1]);
    assert_eq!(query_at(&read, "", 0).unwrap(), [2]);
    let vector = SearchOptions { travel_timestamp: first, output_fields: vec!["v"], ..search_options(1) };
    let found = read.search("v", Queries::Float(&[0.0; DIM]), 1, &vector).unwrap();
    assert_eq!((ids_of(&found.ids), found.scores[0]), (vec![1], 1.0));
    world.pass(1000 * (RETENTION + 1));
    assert!(refusal(&read, first).contains("only support to travel back"));
}

#[test]
fn imported_rows_come_at_once() {
    let mut world = World::new(4);
    let rows = r#"{"id":7,"text":"x","v":[1,2,3,4]} {"id":8,"text":"y","v":[4,3,2,1]}"#;
    world.disk.tamper(Path::new("/rows.jsonl"), rows.replace("} ", "}\n").as_bytes());
    let collection = world.collection();
    let before = collection.timestamp().unwrap();
    assert_eq!(collection.import(&[Path::new("/rows.jsonl")], &ImportOptions::default()).unwrap(), 2);
    let after = collection.timestamp().unwrap();
    collection.delete(&keys(&[7])).unwrap();
    for _ in 0..2 {
        let collection = world.collection();
        assert_eq!(query_at(&collection, "", before).unwrap(), [0i64; 0]);
        assert_eq!(query_at(&collection, "", after).unwrap(), [7, 8]);
        assert_eq!(query_at(&collection, "", 0).unwrap(), [8]);
        drop(collection);
        world.reopen();
    }
}
