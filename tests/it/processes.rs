//! Reader processes beside a writer: each refreshes all the time, while the writer upserts, inserts, deletes, flushes,
//! compacts and changes indexes. What they see is whole and never older than what was acknowledged before the refresh; a
//! reader that hangs does not hold the writer up; and when they are gone, no file is left that the manifest does not name.

use crate::support::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch};
use elanus::collection::{
    Collection, IndexRequest, IteratorOptions, OnConflict, Queries, QueryIterator, QueryOptions,
};
use elanus::database::{Database, Options};
use elanus::schema::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where a reader finds the database; its name says that a process is one.
const DIR: &str = "ELANUS_READER_DIR";
/// The rows that each generation replaces in one upsert.
const ROWS: i64 = 120;
/// Rows that come and go beside, in batches.
const BATCH: i64 = 5;
const LIVE_BATCHES: i64 = 10;
/// Their keys begin here.
const FLOW: i64 = 1_000_000;
const DIM: usize = 4;
/// No write takes so long, whatever readers do. Generous: the machine may be busy.
const LONGEST: Duration = Duration::from_secs(10);

/// Two numbers in a file that both sides have open: what was begun, and what was acknowledged.
struct Counters(std::fs::File);

#[derive(Clone, Copy)]
enum Counter {
    Begun = 0,
    Done = 1,
    FlowDone = 2,
    Stop = 3,
}

impl Counters {
    fn open(dir: &Path) -> Counters {
        let options = std::fs::File::options().read(true).write(true).create(true).truncate(false).to_owned();
        let file = options.open(dir.join("counters")).unwrap();
        if file.metadata().unwrap().len() == 0 {
            file.set_len(4 * 8).unwrap();
        }
        Counters(file)
    }

    fn get(&self, which: Counter) -> i64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, which as u64 * 8).unwrap();
        i64::from_le_bytes(bytes)
    }

    fn set(&self, which: Counter, value: i64) {
        self.0.write_all_at(&value.to_le_bytes(), which as u64 * 8).unwrap();
    }
}

fn numbered() -> Schema {
    Schema::from_json(
        r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"n","data_type":"Int64"},
        {"name":"v","data_type":"FloatVector","dim":4}]}"#,
    )
    .unwrap()
}

/// The vector of a row in a generation.
fn point(id: i64, n: i64) -> Vec<f32> {
    Random((id as u64) << 32 ^ n as u64).vector(DIM)
}

fn rows(ids: &[i64], n: i64) -> RecordBatch {
    let points: Vec<Vec<f32>> = ids.iter().map(|&id| point(id, n)).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("id", keys(ids)), ("n", keys(&vec![n; ids.len()])), ("v", vectors(&points))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn flow_batch(number: i64) -> Vec<i64> {
    (0..BATCH).map(|i| FLOW + number * BATCH + i).collect()
}

/// Every row's number by its key, at one moment.
fn all(collection: &Collection) -> BTreeMap<i64, i64> {
    let options = QueryOptions { output_fields: vec!["n"], ..QueryOptions::default() };
    let found = collection.query("id >= 0", &options).unwrap();
    let numbers = found.columns.column(0).as_primitive::<Int64Type>().values().to_vec();
    ids_of(&found.ids).into_iter().zip(numbers).collect()
}

/// A generation is there as a whole, and batches are. Says the generation, and the newest batch.
fn check_whole(seen: &BTreeMap<i64, i64>) -> (i64, i64) {
    let generation: BTreeMap<i64, i64> = seen.range(..FLOW).map(|(id, n)| (*id, *n)).collect();
    assert!(generation.keys().copied().eq(0..ROWS), "{} of {ROWS} rows", generation.len());
    let n = generation[&0];
    assert!(generation.values().all(|other| *other == n), "half of an upsert: {generation:?}");
    let mut batches: BTreeMap<i64, i64> = BTreeMap::new();
    seen.range(FLOW..).for_each(|(id, _)| *batches.entry((id - FLOW) / BATCH).or_default() += 1);
    assert!(batches.values().all(|count| *count == BATCH), "half of a batch: {batches:?}");
    let (first, last) = (batches.keys().next().copied(), batches.keys().last().copied());
    let (first, last) = (first.unwrap_or(0), last.unwrap_or(-1));
    assert_eq!(batches.len() as i64, last - first + 1, "a batch is missing: {batches:?}");
    assert!(batches.len() as i64 <= LIVE_BATCHES + 1, "deleted batches: {batches:?}");
    (n, last)
}

/// An iterator that is kept through refreshes gives the rows of the moment when it was opened.
struct Held {
    iterator: QueryIterator,
    /// The generation, once a row is seen.
    n: Option<i64>,
    given: i64,
}

impl Held {
    fn open(collection: &Collection) -> Held {
        let options = QueryOptions { output_fields: vec!["n"], ..QueryOptions::default() };
        let iterator = IteratorOptions { batch_size: 17, limit: None };
        let filter = format!("id < {FLOW}");
        Held { iterator: collection.query_iterator(&filter, &options, iterator).unwrap(), n: None, given: 0 }
    }

    /// Says whether there is more.
    fn step(&mut self) -> bool {
        let found = self.iterator.next().unwrap();
        let ids = ids_of(&found.ids);
        assert!(ids.iter().copied().eq(self.given..self.given + ids.len() as i64), "{ids:?}");
        let numbers = found.columns.column(0).as_primitive::<Int64Type>();
        self.n = self.n.or(numbers.values().first().copied());
        assert!(numbers.values().iter().all(|n| Some(*n) == self.n), "generation {:?}: {numbers:?}", self.n);
        self.given += ids.len() as i64;
        assert!(!ids.is_empty() || self.given == ROWS);
        !ids.is_empty()
    }
}

/// What the process of a reader does until it is told to stop.
fn read(dir: &Path) {
    let counters = Counters::open(dir);
    let database = Database::open(&dir.join("db"), Options { read_only: true, ..options() }).unwrap();
    let collection = database.collection("c").unwrap();
    let (mut refreshes, mut last, mut held) = (0, 0, None::<Held>);
    while counters.get(Counter::Stop) == 0 {
        let (done, flow_done) = (counters.get(Counter::Done), counters.get(Counter::FlowDone));
        database.refresh().unwrap();
        let (n, flow) = check_whole(&all(&collection));
        let begun = counters.get(Counter::Begun);
        assert!(
            done.max(last) <= n && n <= begun,
            "generation {n}, acknowledged {done}, seen {last}, begun {begun}"
        );
        assert!(flow_done <= flow, "batch {flow}, acknowledged {flow_done}");
        let query = point(refreshes % ROWS, n);
        let found = collection.search("v", Queries::Float(&query), 1, &search_options(3)).unwrap();
        // Both may have looked again, at a newer state, where files that they needed were gone.
        last = check_whole(&all(&collection)).0;
        assert_eq!(found.scores.len(), 3);
        for (id, score) in ids_of(&found.ids).into_iter().zip(&found.scores) {
            let own = point(id, if id < FLOW { n } else { 0 });
            let distance: f32 = query.iter().zip(&own).map(|(a, b)| (a - b) * (a - b)).sum();
            assert!(last != n || (distance - score).abs() < 1e-5, "{id} of {n}: {score}, not {distance}");
        }
        if !held.get_or_insert_with(|| Held::open(&collection)).step() {
            held = None;
        }
        refreshes += 1;
    }
    println!("refreshes: {refreshes}");
}

fn start_reader(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::two_reader_processes_beside_a_writer", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its refreshes; fails with what it said unless it ended well.
fn end_reader(reader: Child) -> u64 {
    let output = reader.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let count = said.lines().find_map(|line| line.split_once("refreshes: ")).expect("its last line").1;
    count.trim().parse().unwrap()
}

fn signal(reader: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &reader.id().to_string()]).status().unwrap().success());
}

/// The writer's rounds, and how long the longest took.
struct Writer<'a> {
    collection: &'a Collection,
    counters: &'a Counters,
    random: Random,
    generation: i64,
    flow: i64,
    longest: Duration,
}

impl Writer<'_> {
    fn round(&mut self) {
        let start = Instant::now();
        let ids: Vec<i64> = (0..ROWS).collect();
        self.generation += 1;
        self.counters.set(Counter::Begun, self.generation);
        self.collection.upsert(rows(&ids, self.generation)).unwrap();
        self.counters.set(Counter::Done, self.generation);
        self.collection.insert(rows(&flow_batch(self.flow), 0)).unwrap();
        self.counters.set(Counter::FlowDone, self.flow);
        if self.flow >= LIVE_BATCHES {
            let deleted = self.collection.delete(&keys(&flow_batch(self.flow - LIVE_BATCHES))).unwrap();
            assert_eq!(deleted, BATCH as u64);
        }
        self.flow += 1;
        match self.random.below(24) {
            0..5 => self.collection.flush().unwrap(),
            5 => self.collection.compact(self.random.coin(), None).unwrap(),
            6 => self.collection.drop_index("v").unwrap(),
            7 => {
                let kinds = [r#""FLAT""#, r#""IVF_FLAT","params":{"nlist":2}"#, r#""HNSW","params":{"M":8}"#];
                let description =
                    format!(r#"{{"index_type":{},"metric_type":"L2"}}"#, self.random.one(&kinds));
                let (description, on_conflict) = (description.as_str(), OnConflict::Replace);
                let wait = self.random.coin();
                let request = IndexRequest { field: "v", description, name: None, on_conflict, wait };
                self.collection.create_index(&request, None).unwrap();
            }
            _ => {}
        }
        self.longest = self.longest.max(start.elapsed());
    }
}

fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { BTreeSet::from([path]) }).collect()
}

/// Two readers beside a writer for that long.
fn beside(time: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let counters = Counters::open(dir.path());
    let path = dir.path().join("db");
    let database = Database::open(&path, options()).unwrap();
    let collection = database.create_collection("c", numbered()).unwrap();
    let mut writer = Writer {
        collection: &collection,
        counters: &counters,
        random: Random(9),
        generation: 0,
        flow: 0,
        longest: Duration::ZERO,
    };
    writer.round();
    let readers = [start_reader(dir.path()), start_reader(dir.path())];
    let start = Instant::now();
    let mut rounds = 0u64;
    while start.elapsed() < time {
        // One that stands still, wherever it just was, for a tenth of the time.
        if rounds % 40 == 10 {
            signal(&readers[0], "-STOP");
        }
        if rounds % 40 == 14 {
            signal(&readers[0], "-CONT");
        }
        writer.round();
        rounds += 1;
    }
    signal(&readers[0], "-CONT");
    counters.set(Counter::Stop, 1);
    let longest = writer.longest;
    let refreshes = readers.map(end_reader);
    println!("{rounds} rounds of writes, the longest {longest:?}; refreshes: {refreshes:?}");
    assert!(longest < LONGEST, "a round of {longest:?}");
    assert!(rounds >= 20 && refreshes.iter().all(|count| *count >= 5), "{rounds}, {refreshes:?}");
    check_whole(&all(&collection));
    drop(collection);
    database.close().unwrap();
    drop(database);
    // Opening it removes what the manifest does not name: there is nothing.
    let before = files(&path);
    let database = Database::open(&path, Options { auto_compaction: false, ..options() }).unwrap();
    check_whole(&all(&database.collection("c").unwrap()));
    database.close().unwrap();
    let after = files(&path);
    assert_eq!(before.difference(&after).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

#[test]
fn two_reader_processes_beside_a_writer() {
    // The readers are this program, and this test of it.
    match std::env::var_os(DIR) {
        Some(dir) => read(Path::new(&dir)),
        None => beside(Duration::from_secs(5)),
    }
}

#[test]
#[ignore = "takes a minute: make crash runs it"]
fn two_reader_processes_beside_a_writer_for_a_minute() {
    beside(Duration::from_secs(60));
}
