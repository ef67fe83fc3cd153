//! Every byte of every file of a database is changed, and every file is cut, blanked, lengthened, removed and put in the
//! place of another: what is then read is an error that says so, or exactly what it was before. Never another answer,
//! a panic or a hang; and once the damage is mended, everything is there again.
//!
//! A plain run takes a sample, always the same; `ELANUS_FLIP=all` (`make flip`) takes every byte.

use crate::support::*;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use elanus::collection::{IndexRequest, OnConflict, Queries};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::schema::Schema;
use elanus::storage::fault::{Cut, FaultDisk};
use elanus::storage::vfs::Vfs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

const DIM: usize = 8;
/// Of each file these bytes at both ends are always changed, and of the rest every so many-th.
const ENDS: usize = 64;
const STEP: usize = 29;
/// Every so many-th damage also meets a writer.
const WRITER_STEP: usize = 8;
/// A state that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Name, type of the key, index. The last two have one schema and one number of rows: nothing but its place tells a file
/// of one from the same file of the other.
const COLLECTIONS: [(&str, &str, &str); 3] = [
    (
        "words",
        "VarChar",
        r#"{"index_type":"HNSW","metric_type":"COSINE","params":{"M":4,"efConstruction":32}}"#,
    ),
    ("lists", "Int64", r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":4}}"#),
    ("plain", "Int64", r#"{"index_type":"FLAT","metric_type":"IP"}"#),
];

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn schema_of(key: &str) -> Schema {
    Schema::from_json(
        &format!(
            r#"{{"fields":[{{"name":"id","data_type":"{key}","max_length":20,"is_primary":true}},
        {{"name":"flag","data_type":"Bool"}},{{"name":"price","data_type":"Double"}},
        {{"name":"note","data_type":"JSON"}},{{"name":"v","data_type":"FloatVector","dim":{DIM}}}]}}"#
        )
        .replace(if key == "Int64" { r#""max_length":20,"# } else { "-" }, ""),
    )
    .unwrap()
}

fn keys_of(key: &str, ids: &[i64]) -> ArrayRef {
    match key {
        "Int64" => keys(ids),
        _ => Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("key {id}")))),
    }
}

fn rows(key: &str, seed: u64, ids: &[i64]) -> RecordBatch {
    let mut random = Random(seed);
    let vectors = vectors(&ids.iter().map(|_| random.vector(DIM)).collect::<Vec<_>>());
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter(ids.iter().map(|id| Some(id % 3 == 0))));
    let prices: ArrayRef =
        Arc::new(Float64Array::from_iter_values(ids.iter().map(|&id| seed as f64 + id as f64 / 7.0)));
    let notes: ArrayRef =
        Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!(r#"{{"n":[{seed},{id}]}}"#))));
    RecordBatch::try_from_iter([
        ("id", keys_of(key, ids)),
        ("flag", flags),
        ("price", prices),
        ("note", notes),
        ("v", vectors),
    ])
    .unwrap()
}

fn open_on(disk: &FaultDisk, read_only: bool) -> Result<Database, Error> {
    let options =
        Options { threads: 1, index_min_rows: 100, create_if_missing: false, read_only, ..options() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
}

/// A segment with indexes of two fields and a small one, both with dead rows, and a log with rows and deletes of all three.
fn fill(database: &Database, seed: u64, name: &str, key: &str, description: &str) {
    let collection = database.create_collection(name, schema_of(key)).unwrap();
    let insert = |ids: std::ops::Range<i64>| {
        collection.insert(rows(key, seed + ids.start as u64, &ids.collect::<Vec<_>>())).unwrap()
    };
    let delete =
        |ids: std::ops::Range<i64>| collection.delete(&keys_of(key, &ids.collect::<Vec<_>>())).unwrap();
    insert(0..160);
    collection.flush().unwrap();
    let (name, on_conflict) = (None, OnConflict::Replace);
    let request = IndexRequest { field: "v", description, name, on_conflict, wait: true };
    collection.create_index(&request, None).unwrap();
    let sorted = IndexRequest { field: "price", description: r#"{"index_type":"STL_SORT"}"#, ..request };
    collection.create_index(&sorted, None).unwrap();
    insert(200..230);
    delete(10..20);
    collection.flush().unwrap();
    delete(215..218);
    collection.flush().unwrap();
    insert(300..312);
    delete(100..104);
    delete(220..222);
    delete(305..306);
    insert(400..403);
}

fn undamaged() -> FaultDisk {
    let disk = FaultDisk::new();
    let database = Database::open_with(
        Arc::new(disk.clone()),
        Path::new("/db"),
        Options { threads: 1, index_min_rows: 100, ..options() },
    )
    .unwrap();
    for (seed, (name, key, description)) in (0..).zip(COLLECTIONS) {
        fill(&database, 1000 * seed, name, key, description);
    }
    database.close().unwrap();
    disk
}

fn files(disk: &FaultDisk) -> Files {
    let (mut found, mut dirs) = (Files::new(), vec![PathBuf::from("/db")]);
    while let Some(dir) = dirs.pop() {
        match disk.list(&dir) {
            Ok(names) => dirs.extend(names.iter().map(|name| dir.join(name))),
            Err(_) => drop(found.insert(dir.clone(), disk.read(&dir).unwrap())),
        }
    }
    found.retain(|path, _| !path.ends_with("LOCK"));
    found
}

/// What one call gave.
#[derive(Debug, PartialEq)]
enum Answer {
    Count(u64),
    Hits(Vec<u64>, ArrayRef, Vec<f32>, RecordBatch),
}

/// The answers of every collection to the same calls.
fn ask(database: &Database) -> Vec<Result<Answer, Error>> {
    let mut random = Random(77);
    let queries = random.vector(3 * DIM);
    let mut answers = Vec::new();
    for (name, ..) in COLLECTIONS {
        let collection = database.collection(name).unwrap();
        answers.push(collection.count().map(Answer::Count));
        answers.push(collection.count_matching("price < 1010", "").map(Answer::Count));
        for (nq, topk, output) in [(1, 16384, vec!["*"]), (3, 7, vec!["note", "flag"])] {
            let mut options = search_options(topk);
            options.output_fields = output;
            let result = collection.search("v", Queries::Float(&queries[..nq * DIM]), nq, &options);
            answers.push(result.map(|r| Answer::Hits(r.offsets, r.ids, r.scores, r.columns)));
        }
    }
    answers
}

/// One way to damage a database.
#[derive(Clone, Debug)]
enum Damage {
    Flip {
        path: PathBuf,
        at: usize,
        mask: u8,
    },
    Cut {
        path: PathBuf,
        len: usize,
    },
    Blank {
        path: PathBuf,
        from: usize,
        len: usize,
    },
    Lengthen {
        path: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// A file holds what another of its kind should hold.
    Instead {
        path: PathBuf,
        other: PathBuf,
    },
    /// Two files have changed places, each with its checksum table if it has one.
    Swap {
        path: PathBuf,
        other: PathBuf,
    },
}

impl Damage {
    /// The files as they are then; `None` for one that is gone.
    fn files(&self, good: &Files) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let changed = |path: &PathBuf, change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good[path].clone();
            change(&mut bytes);
            vec![(path.clone(), Some(bytes))]
        };
        match self {
            Damage::Flip { path, at, mask } => changed(path, &|bytes| bytes[*at] ^= mask),
            Damage::Cut { path, len } => changed(path, &|bytes| bytes.truncate(*len)),
            Damage::Blank { path, from, len } => changed(path, &|bytes| bytes[*from..*from + *len].fill(0)),
            Damage::Lengthen { path } => changed(path, &|bytes| bytes.extend_from_slice(&[0x5a; 40])),
            Damage::Remove { path } => vec![(path.clone(), None)],
            Damage::Instead { path, other } => vec![(path.clone(), Some(good[other].clone()))],
            Damage::Swap { path, other } => {
                let mut changes = Vec::new();
                for (path, other) in [(path.clone(), other.clone()), (table_of(path), table_of(other))] {
                    if let (Some(mine), Some(theirs)) = (good.get(&path), good.get(&other)) {
                        changes.push((path, Some(theirs.clone())));
                        changes.push((other, Some(mine.clone())));
                    }
                }
                changes
            }
        }
    }

    fn allows(&self, code: Code) -> bool {
        match self {
            // Without a manifest there is no database to read.
            Damage::Remove { path } if path.ends_with("MANIFEST") => code == Code::Io,
            _ => code == Code::Corrupt,
        }
    }
}

fn table_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.crc", path.display()))
}

/// What kind of file it is: its name without its number.
fn kind(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy();
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn damages(good: &Files, all: bool) -> Vec<Damage> {
    let mut damages = Vec::new();
    let mut random = Random(3);
    for (path, bytes) in good {
        let (path, len) = (path.clone(), bytes.len());
        for at in 0..len {
            if all || at < ENDS || at + ENDS >= len || at % STEP == 0 {
                let bit = random.below(9);
                let mask = if bit == 8 { 0xff } else { 1 << bit };
                damages.push(Damage::Flip { path: path.clone(), at, mask });
            }
        }
        let stride = if all { 37 } else { 509 };
        let mut lens: Vec<usize> = (0..len).step_by(stride).chain([1, 16, len / 2, len - 1]).collect();
        lens.retain(|&cut| cut < len);
        damages.extend(lens.into_iter().map(|len| Damage::Cut { path: path.clone(), len }));
        damages.push(Damage::Blank { path: path.clone(), from: 0, len });
        for from in (0..len).step_by(512) {
            damages.push(Damage::Blank { path: path.clone(), from, len: (len - from).min(512) });
        }
        damages.push(Damage::Lengthen { path: path.clone() });
        damages.push(Damage::Remove { path: path.clone() });
        for other in good.keys().filter(|other| **other != path && kind(other) == kind(&path)) {
            damages.push(Damage::Instead { path: path.clone(), other: other.clone() });
            if path < *other && path.extension().is_none_or(|extension| extension != "crc") {
                damages.push(Damage::Swap { path: path.clone(), other: other.clone() });
            }
        }
    }
    damages.retain(|damage| damage.files(good).iter().any(|(path, bytes)| bytes.as_ref() != good.get(path)));
    damages
}

fn apply(disk: &FaultDisk, changes: &[(PathBuf, Option<Vec<u8>>)]) {
    for (path, bytes) in changes {
        match bytes {
            Some(bytes) => disk.tamper(path, bytes),
            None => disk.remove_file(path).unwrap(),
        }
    }
}

fn mend(disk: &FaultDisk, good: &Files, changes: &[(PathBuf, Option<Vec<u8>>)]) {
    changes.iter().for_each(|(path, _)| disk.tamper(path, &good[path]));
}

/// Prints what was being looked at when a check fails.
struct Context<'a>(&'a Damage, &'static str);

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {:?}", self.1, self.0);
        }
    }
}

struct Bed {
    good: Files,
    expected: Vec<Answer>,
    refused: AtomicU64,
    unchanged: AtomicU64,
}

impl Bed {
    /// Every answer is an error that names damage, or what it was. Says whether the open was refused.
    fn check(&self, damage: &Damage, opened: &Result<Database, Error>) -> bool {
        let acceptable = |error: &Error| {
            assert!(damage.allows(error.code()), "{:?}: {error}", error.code());
            self.refused.fetch_add(1, Ordering::Relaxed);
        };
        match opened {
            Err(error) => acceptable(error),
            Ok(database) => {
                for (answer, expected) in ask(database).iter().zip(&self.expected) {
                    match answer {
                        Err(error) => acceptable(error),
                        Ok(answer) => {
                            assert_eq!(answer, expected);
                            self.unchanged.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
        opened.is_err()
    }

    /// Opens the damaged disk without the right to write, asks, and mends it.
    fn read(&self, disk: &FaultDisk, damage: &Damage) {
        let _context = Context(damage, "read-only");
        let changes = damage.files(&self.good);
        apply(disk, &changes);
        let operations = disk.operations();
        self.check(damage, &open_on(disk, true));
        assert_eq!(disk.operations(), operations, "a read-only database writes nothing");
        mend(disk, &self.good, &changes);
    }

    /// The same with a writer; a refused open changes nothing, and the mended database has everything.
    fn write(&self, disk: &FaultDisk, damage: &Damage) {
        let _context = Context(damage, "writer");
        let disk = disk.power_cut(Cut::Kept, 0);
        let changes = damage.files(&self.good);
        apply(&disk, &changes);
        let before = files(&disk);
        let opened = open_on(&disk, false);
        let refused = self.check(damage, &opened);
        drop(opened);
        if refused {
            assert_eq!(files(&disk).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
            assert!(files(&disk) == before, "a refused open changes nothing");
        }
        mend(&disk, &self.good, &changes);
        let database = open_on(&disk, false).unwrap();
        let answers: Result<Vec<Answer>, Error> = ask(&database).into_iter().collect();
        assert_eq!(answers.unwrap(), self.expected, "mended");
    }
}

#[test]
fn damage_is_found_or_harmless() {
    let disk = undamaged();
    let good = files(&disk);
    let expected: Result<Vec<Answer>, Error> = ask(&open_on(&disk, true).unwrap()).into_iter().collect();
    let expected = expected.unwrap();
    let all = std::env::var("ELANUS_FLIP").is_ok_and(|value| value == "all");
    let damages = damages(&good, all);
    let bed = Bed { good, expected, refused: AtomicU64::new(0), unchanged: AtomicU64::new(0) };
    let (next, writers, ended) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let disk = disk.power_cut(Cut::Kept, 0);
        while let Some(damage) = damages.get(next.fetch_add(1, Ordering::Relaxed)) {
            bed.read(&disk, damage);
        }
    };
    let write = || {
        while let Some(damage) = damages.get(writers.fetch_add(1, Ordering::Relaxed) * WRITER_STEP) {
            bed.write(&disk, damage);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&ended, || next.load(Ordering::Relaxed) + writers.load(Ordering::Relaxed)));
        let threads = [scope.spawn(work), scope.spawn(write), scope.spawn(work)];
        let outcomes = threads.map(|thread| thread.join());
        ended.store(true, Ordering::Relaxed);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} bytes in {} files; {} kinds of damage, read, and every {WRITER_STEP}th opened by a writer; \
         {} errors, {} answers unchanged",
        bed.good.values().map(Vec::len).sum::<usize>(),
        bed.good.len(),
        damages.len(),
        count(&bed.refused),
        count(&bed.unchanged),
    );
    assert!(count(&bed.refused) > damages.len() as u64 / 2);
}

/// Ends the process when nothing advances any more: a thread that hangs cannot be joined.
fn watch(ended: &AtomicBool, advanced: impl Fn() -> usize) {
    let (mut last, mut still) = (advanced(), Duration::ZERO);
    let tick = Duration::from_millis(50);
    while !ended.load(Ordering::Relaxed) {
        std::thread::sleep(tick);
        still = if advanced() == last { still + tick } else { Duration::ZERO };
        last = advanced();
        if still > PATIENCE {
            eprintln!("no answer to damage number {last} for {PATIENCE:?}");
            std::process::abort();
        }
    }
}
