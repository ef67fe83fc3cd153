//! A scripted workload on a disk that fails at every operation in turn: once, from then on, or by a power cut that
//! loses, tears or reorders what was not synced. After each, the database is opened again, and what was acknowledged
//! must be there, and of what was not either all or nothing.
//!
//! `ELANUS_CRASH_STATES` says about how many states to visit (`make crash` asks for more than 10,000).

use crate::support::*;
use elanus::collection::{ImportOptions, IndexRequest, OnConflict};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::schema::Field;
use elanus::storage::fault::{Cut, Fault, FaultDisk};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const DIM: usize = 4;
const DEFAULT_STATES: u64 = 1500;

/// Stands among the keys of a collection to which a field was added.
const HAS_FIELD: i64 = -1;

/// The keys of each collection.
type State = BTreeMap<&'static str, BTreeSet<i64>>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Create(&'static str),
    Insert(&'static str, i64, i64),
    Upsert(&'static str, i64, i64),
    Delete(&'static str, i64, i64),
    CreatePartition(&'static str, &'static str),
    InsertInto(&'static str, &'static str, i64, i64),
    UpsertInto(&'static str, &'static str, i64, i64),
    ReleasePartition(&'static str, &'static str),
    /// Its keys are those of the range.
    DropPartition(&'static str, &'static str, i64, i64),
    Alias(&'static str, &'static str),
    /// Of keys that are not there.
    Import(&'static str, i64, i64),
    Flush(&'static str),
    Compact(&'static str),
    /// Of a field.
    Index(&'static str, &'static str, &'static str),
    DropIndex(&'static str),
    /// A field `x` whose default value is 7.
    AddField(&'static str),
    Release(&'static str),
    Load(&'static str),
    Rename(&'static str, &'static str),
    Drop(&'static str),
}

use Step::*;

/// Only the first segment of `a` and those that compactions make of it are large enough for an index, and these have it
/// when they come: so nothing is built in the background, and the operations come in the same order every time.
const SCRIPT: &[Step] = &[
    Create("a"),
    Insert("a", 0, 20),
    Insert("a", 20, 45),
    Delete("a", 3, 9),
    Flush("a"),
    Insert("a", 100, 110),
    Delete("a", 18, 22),
    Index("a", "v", r#"{"index_type":"FLAT","metric_type":"L2"}"#),
    Index("a", "text", r#"{"index_type":"Trie"}"#),
    AddField("a"),
    Insert("a", 110, 112),
    Delete("a", 105, 111),
    Import("a", 106, 109),
    Delete("a", 107, 108),
    Create("b"),
    Import("b", 60, 62),
    Insert("b", 0, 7),
    Flush("a"),
    Delete("a", 30, 40),
    Flush("a"),
    Compact("a"),
    Insert("a", 120, 130),
    Delete("a", 42, 45),
    Import("a", 43, 45),
    Index("a", "v", r#"{"index_type":"IVF_FLAT","metric_type":"IP","params":{"nlist":2}}"#),
    Rename("b", "c"),
    Insert("c", 50, 55),
    AddField("c"),
    Flush("c"),
    Delete("c", 0, 100),
    Flush("c"),
    Insert("c", 7, 9),
    Upsert("a", 0, 12),
    CreatePartition("a", "p"),
    InsertInto("a", "p", 400, 406),
    Alias("a", "other"),
    Flush("other"),
    Upsert("a", 100, 104),
    UpsertInto("a", "p", 403, 409),
    Delete("a", 400, 401),
    Release("a"),
    Insert("a", 200, 203),
    Load("a"),
    Delete("a", 121, 124),
    Compact("a"),
    DropIndex("a"),
    ReleasePartition("a", "p"),
    InsertInto("a", "p", 410, 412),
    DropPartition("a", "p", 400, 500),
    Delete("a", 0, 45),
    Flush("a"),
    Drop("c"),
    Create("b"),
    Insert("b", 301, 304),
];

impl Step {
    fn run(self, database: &Database) -> Result<(), Error> {
        match self {
            Create(name) => database.create_collection(name, schema(DIM, false)).map(drop),
            Insert(name, from, to) => database.collection(name)?.insert(rows(from, to)).map(drop),
            Upsert(name, from, to) => database.collection(name)?.upsert(rows(from, to)).map(drop),
            CreatePartition(name, partition) => database.collection(name)?.create_partition(partition),
            InsertInto(name, partition, from, to) => {
                database.collection(name)?.insert_into(partition, rows(from, to)).map(drop)
            }
            UpsertInto(name, partition, from, to) => {
                database.collection(name)?.upsert_into(partition, rows(from, to)).map(drop)
            }
            ReleasePartition(name, partition) => database.collection(name)?.release_partitions(&[partition]),
            DropPartition(name, partition, ..) => {
                let collection = database.collection(name)?;
                if !collection.has_partition(partition)? {
                    return Err(Error::new(Code::PartitionNotFound, "it was not created"));
                }
                collection.drop_partition(partition)
            }
            Alias(name, alias) => database.create_alias(name, alias),
            Delete(name, from, to) => {
                database.collection(name)?.delete(&keys(&(from..to).collect::<Vec<_>>())).map(drop)
            }
            Import(name, from, to) => database
                .collection(name)?
                .import(&[&import_path(from, to)], &ImportOptions::default())
                .map(drop),
            Flush(name) => database.collection(name)?.flush(),
            Compact(name) => database.collection(name)?.compact(true, None),
            Index(name, field, description) => {
                let on_conflict = OnConflict::Replace;
                let request = IndexRequest { field, description, name: None, on_conflict, wait: true };
                database.collection(name)?.create_index(&request, None)
            }
            DropIndex(name) => database.collection(name)?.drop_index("v"),
            AddField(name) => {
                let field = Field::from_json(r#"{"name":"x","data_type":"Int8","default_value":7}"#)?;
                database.collection(name)?.add_field(field)
            }
            Release(name) => database.collection(name)?.release(),
            Load(name) => database.collection(name)?.load(),
            Rename(from, to) => database.rename_collection(from, to),
            Drop(name) => database.drop_collection(name),
        }
    }

    /// What the step makes of a state; `None` where it cannot run: an earlier one failed.
    fn apply(self, before: &State) -> Option<State> {
        let mut state = before.clone();
        match self {
            Create(name) => {
                state.entry(name).or_default();
            }
            Insert(name, from, to)
            | Upsert(name, from, to)
            | InsertInto(name, _, from, to)
            | UpsertInto(name, _, from, to) => state.get_mut(name)?.extend(from..to),
            Import(name, from, to) => {
                let keys = state.get_mut(name)?;
                if keys.range(from..to).next().is_some() {
                    return None;
                }
                keys.extend(from..to);
            }
            Delete(name, from, to) | DropPartition(name, _, from, to) => {
                state.get_mut(name)?.retain(|id| !(from..to).contains(id))
            }
            // An alias is not seen in the state: the step that uses it runs or it does not.
            Flush("other") => {}
            CreatePartition(name, _) | ReleasePartition(name, _) | Alias(name, _) => {
                state.get(name)?;
            }
            Flush(name) | Compact(name) | Index(name, ..) | DropIndex(name) | Release(name) | Load(name) => {
                state.get(name)?;
            }
            AddField(name) => {
                state.get_mut(name)?.insert(HAS_FIELD);
            }
            Rename(from, to) => {
                let rows = state.remove(from)?;
                state.insert(to, rows);
            }
            Drop(name) => {
                state.remove(name)?;
            }
        }
        Some(state)
    }
}

fn rows(from: i64, to: i64) -> arrow_array::RecordBatch {
    let ids: Vec<i64> = (from..to).collect();
    let rows: Vec<Vec<f32>> = ids.iter().map(|&id| vector(id)).collect();
    batch(&ids, &rows)
}

fn vector(id: i64) -> Vec<f32> {
    Random(id as u64).vector(DIM)
}

fn import_path(from: i64, to: i64) -> PathBuf {
    PathBuf::from(format!("/{from}-{to}.jsonl"))
}

/// Puts the files that the script imports onto the disk.
fn make_files(disk: &FaultDisk) {
    for step in SCRIPT {
        if let Import(_, from, to) = *step {
            let line =
                |id: i64| format!("{{\"id\":{id},\"text\":\"{}\",\"v\":{:?}}}\n", text_of(id), vector(id));
            disk.tamper(&import_path(from, to), (from..to).map(line).collect::<String>().as_bytes());
        }
    }
}

fn open_on(disk: &FaultDisk) -> Result<Database, Error> {
    let options = Options { threads: 1, index_min_rows: 20, auto_compaction: false, ..Options::default() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
}

/// What the workload left: the acknowledged state, and the one that a call that failed may have made.
struct Left {
    certain: State,
    possible: Option<State>,
}

/// Runs the script until the disk ends it.
fn run_script(disk: &FaultDisk, stop_at_error: bool) -> Left {
    let mut left = Left { certain: State::new(), possible: None };
    make_files(disk);
    let Ok(database) = open_on(disk) else { return left };
    for step in SCRIPT {
        let Some(after) = step.apply(&left.certain) else { continue };
        match step.run(&database) {
            Ok(()) => left.certain = after,
            Err(error) if stop_at_error || error.code() == Code::Poisoned => {
                left.possible = Some(after);
                return left;
            }
            // An error leaves nothing behind, and the database goes on.
            Err(_) => {}
        }
    }
    if !stop_at_error {
        disk.heal();
        let found = observe(&database, &|| "before the end".into());
        assert!(same(&left.certain, &found), "before the end: {found:?}, not {:?}", left.certain);
    }
    left
}

fn same(state: &State, found: &BTreeMap<String, BTreeSet<i64>>) -> bool {
    state.len() == found.len() && state.iter().all(|(name, ids)| found.get(*name).is_some_and(|f| f == ids))
}

/// The collections and their keys. Also looks up each key's vector, and counts.
fn observe(database: &Database, context: &dyn Fn() -> String) -> BTreeMap<String, BTreeSet<i64>> {
    let mut state = BTreeMap::new();
    for name in database.collections().unwrap() {
        let collection = database.collection(&name).unwrap();
        // A crash may have come between release and load.
        collection.load().unwrap_or_else(|e| panic!("{}: load: {e}", context()));
        let result = search(&collection, &[0.0; DIM], 16384);
        let mut ids: BTreeSet<i64> = ids_of(&result.ids).into_iter().collect();
        assert_eq!(collection.count().unwrap(), ids.len() as u64, "{}: {name}", context());
        for id in ids.iter().take(3) {
            assert_eq!(ids_of(&search(&collection, &vector(*id), 1).ids).len(), 1);
        }
        // Through the index of texts, where there is one.
        let rows = collection.count_matching("text like 'row%' and text != ''", "").unwrap();
        assert_eq!(rows, ids.len() as u64, "{}: {name}", context());
        if collection.schema().field("x").is_some() {
            assert_eq!(
                collection.count_matching("x == 7", "").unwrap(),
                ids.len() as u64,
                "{}: {name}",
                context()
            );
            ids.insert(HAS_FIELD);
        }
        state.insert(name, ids);
    }
    state
}

/// Opens the disk and compares; then writes, to see that it goes on.
fn check(disk: &FaultDisk, left: &Left, context: &dyn Fn() -> String) {
    let database = open_on(disk).unwrap_or_else(|error| panic!("{}: cannot open: {error}", context()));
    let found = observe(&database, context);
    assert!(
        same(&left.certain, &found) || left.possible.as_ref().is_some_and(|state| same(state, &found)),
        "{}\nfound    {found:?}\ncertain  {:?}\npossible {:?}",
        context(),
        left.certain,
        left.possible
    );
    if let Some(name) = found.keys().next() {
        let collection = database.collection(name).unwrap();
        let before = collection.count().unwrap();
        collection.insert(batch(&[999_999], &[vector(999_999)])).unwrap();
        collection.flush().unwrap();
        assert_eq!(collection.count().unwrap(), before + 1, "{}", context());
    }
}

fn states_wanted() -> u64 {
    std::env::var("ELANUS_CRASH_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_STATES)
}

/// How many operations the script takes when nothing fails.
fn operations() -> u64 {
    let disk = FaultDisk::new();
    let left = run_script(&disk, true);
    assert!(left.possible.is_none(), "the script runs through on a good disk");
    check(&disk.power_cut(Cut::Lost, 0), &left, &|| "a good disk, the power cut afterwards".into());
    disk.operations()
}

#[test]
fn every_operation_fails_in_every_way() {
    let operations = operations();
    let (wanted, visited) = (states_wanted(), AtomicU64::new(0));
    // Each operation: two ways to fail, and each cut with so many seeds.
    let seeds = (wanted / operations).saturating_sub(2).div_ceil(Cut::ALL.len() as u64).max(1);
    let next = AtomicU64::new(0);
    let visit = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= operations {
                return;
            }
            visited.fetch_add(visit_operation(at, seeds), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(visit)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    println!("crash states visited: {} ({operations} operations)", visited.load(Ordering::Relaxed));
    assert!(visited.load(Ordering::Relaxed) >= operations * 7);
}

/// All ways in which operation `at` can fail; says how many.
fn visit_operation(at: u64, seeds: u64) -> u64 {
    let mut visited = 0;
    for fault in [Fault::Once(ErrorKind::StorageFull), Fault::Always(ErrorKind::Other)] {
        let disk = FaultDisk::new();
        disk.fail_at(at, fault);
        let left = run_script(&disk, false);
        disk.heal();
        check(&disk, &left, &|| format!("operation {at}, {fault:?}"));
        visited += 1;
    }
    let disk = FaultDisk::new();
    disk.fail_at(at, Fault::PowerOff);
    let left = run_script(&disk, true);
    for cut in Cut::ALL {
        for seed in 0..seeds {
            let survivor = disk.power_cut(cut, seed);
            check(&survivor, &left, &|| format!("operation {at}, power cut, {cut:?}, seed {seed}"));
            visited += 1;
        }
    }
    visited
}

/// The power goes off again while the database recovers from the first time.
#[test]
fn a_second_power_cut_during_recovery() {
    let operations = operations();
    let mut random = Random(7);
    for _ in 0..(states_wanted() / 10).max(50) {
        let (at, cut, seed) = (random.below(operations), Cut::ALL[random.below(5) as usize], random.next());
        let disk = FaultDisk::new();
        disk.fail_at(at, Fault::PowerOff);
        let left = run_script(&disk, true);
        let second = disk.power_cut(cut, seed);
        let stop = random.below(12);
        second.fail_at(stop, Fault::PowerOff);
        drop(open_on(&second));
        let third = second.power_cut(Cut::ALL[random.below(5) as usize], random.next());
        check(&third, &left, &|| {
            format!("operation {at}, {cut:?}, seed {seed}, then operation {stop} of recovery")
        });
    }
}
