//! Partitions: random operations against a plain model, what each call refuses, and that dropping gives space back.

use crate::support::*;
use arrow_array::RecordBatch;
use elanus::collection::{
    Collection, IndexRequest, LoadState, OnConflict, Queries, QueryOptions, SearchOptions,
};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::schema::Schema;
use elanus::storage::fault::{Cut, FaultDisk};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

fn numbered() -> Schema {
    Schema::from_json(
        r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"n","data_type":"Int64"},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#,
    )
    .unwrap()
}

fn rows(ids: &[i64], n: i64) -> RecordBatch {
    let points: Vec<Vec<f32>> = ids.iter().map(|&id| vec![id as f32, n as f32]).collect();
    RecordBatch::try_from_iter([("id", keys(ids)), ("n", keys(&vec![n; ids.len()])), ("v", vectors(&points))])
        .unwrap()
}

fn open_on(disk: &FaultDisk, options: Options) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn is<T>(outcome: Result<T, Error>, code: Code, text: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("should fail with {text}"));
    assert_eq!((error.code(), error.message()), (code, text));
}

/// The keys that a search of those partitions finds.
fn searched(collection: &Collection, names: &[&'static str]) -> Result<Vec<i64>, Error> {
    let options = SearchOptions { partition_names: names.to_vec(), ..search_options(16384) };
    let found = collection.search("v", Queries::Float(&[0.0; 2]), 1, &options)?;
    let mut ids = ids_of(&found.ids);
    ids.sort_unstable();
    Ok(ids)
}

fn queried(collection: &Collection, names: &[&'static str], filter: &str) -> Result<Vec<i64>, Error> {
    let options = QueryOptions { partition_names: names.to_vec(), ..QueryOptions::default() };
    collection.query(filter, &options).map(|found| ids_of(&found.ids))
}

const NAMES: [&str; 4] = ["_default", "p", "2024", "_q"];

struct Row {
    partition: &'static str,
    id: i64,
    n: i64,
}

/// The rows, and which partitions there are.
struct Model {
    rows: Vec<Row>,
    partitions: BTreeSet<&'static str>,
    released: BTreeSet<&'static str>,
}

impl Model {
    fn remove(&mut self, ids: &[i64], partition: Option<&str>) -> u64 {
        let before = self.rows.len();
        let is_meant = |row: &Row| partition.is_none_or(|p| row.partition == p) && ids.contains(&row.id);
        self.rows.retain(|row| !is_meant(row));
        (before - self.rows.len()) as u64
    }

    fn insert(&mut self, partition: &'static str, ids: &[i64], n: i64) {
        self.rows.extend(ids.iter().map(|&id| Row { partition, id, n }));
    }

    /// The rows of those partitions, or of all that are not released, from `n` on.
    fn of(&self, names: &[&str], n: i64) -> Vec<&Row> {
        let is_meant =
            |p: &str| if names.is_empty() { !self.released.contains(p) } else { names.contains(&p) };
        self.rows.iter().filter(|row| is_meant(row.partition) && row.n >= n).collect()
    }
}

fn distinct(rows: &[&Row]) -> Vec<i64> {
    rows.iter().map(|row| row.id).collect::<BTreeSet<i64>>().into_iter().collect()
}

fn check(collection: &Collection, model: &Model, random: &mut Random) {
    assert_eq!(collection.count().unwrap(), model.rows.len() as u64);
    let listed: BTreeSet<String> = collection.partitions().unwrap().into_iter().collect();
    assert_eq!(listed, model.partitions.iter().map(|name| name.to_string()).collect());
    for name in NAMES {
        let there = model.partitions.contains(name);
        assert_eq!(collection.has_partition(name).unwrap(), there);
        match collection.partition_statistics(name) {
            Ok(statistics) => assert_eq!(statistics["row_count"], model.of(&[name], 0).len(), "{name}"),
            Err(error) => assert!(!there && error.code() == Code::PartitionNotFound),
        }
    }
    let names: Vec<&'static str> = NAMES.into_iter().filter(|_| random.below(3) == 0).collect();
    let n = random.below(40) as i64;
    let filter = format!("n >= {n}");
    let outcome = queried(collection, &names, &filter);
    let code = outcome.as_ref().err().map(Error::code);
    if model.partitions.iter().all(|name| model.released.contains(name)) {
        assert_eq!(code, Some(Code::CollectionNotLoaded));
    } else if let Some(bad) =
        names.iter().find(|name| !model.partitions.contains(*name) || model.released.contains(*name))
    {
        let is_there = model.partitions.contains(bad);
        assert_eq!(code, Some(if is_there { Code::PartitionNotLoaded } else { Code::PartitionNotFound }));
    } else {
        assert_eq!(outcome.unwrap(), distinct(&model.of(&names, n)));
        let count = collection.count_matching_in(&names, &filter, "").unwrap();
        assert_eq!(count, model.of(&names, n).len() as u64);
        assert_eq!(searched(collection, &names).unwrap(), distinct(&model.of(&names, 0)));
    }
}

struct Run {
    disk: FaultDisk,
    database: Option<Database>,
    model: Model,
    random: Random,
    n: i64,
}

impl Run {
    fn collection(&self) -> Collection {
        self.database.as_ref().unwrap().collection("c").unwrap()
    }

    fn ids(&mut self) -> Vec<i64> {
        let count = 1 + self.random.below(12);
        (0..count).map(|_| self.random.below(60) as i64).collect()
    }

    fn write(&mut self, name: &'static str) {
        self.n += 1;
        let (ids, n) = (self.ids(), self.n);
        let upserts = self.random.below(2) == 0;
        let (collection, rows) = (self.collection(), rows(&ids, n));
        let outcome = match (upserts, name) {
            (false, "_default") => collection.insert(rows),
            (true, "_default") => collection.upsert(rows),
            (false, _) => collection.insert_into(name, rows),
            (true, _) => collection.upsert_into(name, rows),
        };
        if !self.model.partitions.contains(name) {
            return is(outcome, Code::PartitionNotFound, &format!("partition not found[partition={name}]"));
        }
        outcome.unwrap();
        if upserts {
            self.model.remove(&ids, Some(name));
        }
        self.model.insert(name, &ids, n);
    }

    fn delete(&mut self, name: &'static str) {
        let ids = self.ids();
        let collection = self.collection();
        let partition = (self.random.below(2) == 0 && self.model.partitions.contains(name)).then_some(name);
        let (deleted, ids) = if self.random.below(2) == 0 {
            let deleted = match partition {
                Some(name) => collection.delete_from(name, &keys(&ids)),
                None => collection.delete(&keys(&ids)),
            };
            (deleted, ids)
        } else {
            let filter = format!("n % 9 == {}", self.n % 9);
            let matching =
                |row: &&Row| row.n % 9 == self.n % 9 && partition.is_none_or(|p| row.partition == p);
            let ids = self.model.rows.iter().filter(matching).map(|row| row.id).collect();
            let deleted = match partition {
                Some(name) => collection.delete_matching_from(name, &filter, ""),
                None => collection.delete_matching(&filter, ""),
            };
            (deleted, ids)
        };
        assert_eq!(deleted.unwrap(), self.model.remove(&ids, partition));
    }

    fn drop_partition(&mut self, name: &'static str) {
        let collection = self.collection();
        if name == "_default" {
            return is(
                collection.drop_partition(name),
                Code::InvalidParameter,
                "default partition cannot be deleted",
            );
        }
        if self.model.partitions.contains(name) {
            collection.release_partitions(&[name]).unwrap();
        }
        collection.drop_partition(name).unwrap();
        self.model.rows.retain(|row| row.partition != name);
        self.model.partitions.remove(name);
        self.model.released.remove(name);
    }

    fn release(&mut self, name: &'static str) {
        let collection = self.collection();
        let releases = self.random.below(2) == 0;
        let outcome = if releases {
            collection.release_partitions(&[name])
        } else {
            collection.load_partitions(&[name])
        };
        if !self.model.partitions.contains(name) {
            return is(outcome, Code::PartitionNotFound, &format!("partition not found[partition={name}]"));
        }
        outcome.unwrap();
        if releases {
            self.model.released.insert(name);
        } else {
            self.model.released.remove(name);
        }
    }

    fn reopen(&mut self) {
        if self.random.below(2) == 0 {
            self.database.as_ref().unwrap().close().unwrap();
        } else {
            self.disk = self.disk.power_cut(Cut::ALL[self.random.below(5) as usize], self.random.next());
        }
        self.database = Some(open_on(&self.disk, options()));
    }

    fn step(&mut self) {
        let name = NAMES[self.random.below(4) as usize];
        match self.random.below(20) {
            0..7 => self.write(name),
            7..10 => self.delete(name),
            10 | 11 => self.collection().flush().unwrap(),
            12 | 13 => {
                self.collection().create_partition(name).unwrap();
                self.model.partitions.insert(name);
            }
            14 => self.drop_partition(name),
            15 | 16 => self.release(name),
            17 => self.collection().compact(true, None).unwrap(),
            18 => self.reopen(),
            _ => {
                self.collection().load().unwrap();
                self.model.released.clear();
            }
        }
        check(&self.collection(), &self.model, &mut self.random);
    }
}

#[test]
fn random_operations_agree_with_the_model() {
    for seed in 0..10 {
        let disk = FaultDisk::new();
        let database = open_on(&disk, options());
        database.create_collection("c", numbered()).unwrap();
        let model = Model { rows: Vec::new(), partitions: ["_default"].into(), released: BTreeSet::new() };
        let mut run = Run { disk, database: Some(database), model, random: Random(seed), n: 0 };
        (0..150).for_each(|_| run.step());
    }
}

#[test]
fn dropping_gives_space_back_and_keeps_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path(), Options { auto_compaction: false, ..options() }).unwrap();
    let collection = database.create_collection("c", schema(32, false)).unwrap();
    let insert = |name: &str, ids: std::ops::Range<i64>| {
        let ids: Vec<i64> = ids.collect();
        let points: Vec<Vec<f32>> = ids.iter().map(|&id| vec![id as f32; 32]).collect();
        collection.insert_into(name, batch(&ids, &points)).unwrap();
    };
    let bytes = || collection.statistics().unwrap()["disk_bytes"].as_u64().unwrap();
    collection.create_partition("old").unwrap();
    insert("_default", 0..200);
    collection.flush().unwrap();
    let before = bytes();
    for part in 0..4 {
        insert("old", part * 1000..part * 1000 + 1000);
        if part < 3 {
            collection.flush().unwrap();
        }
    }
    let request = IndexRequest {
        field: "v",
        description: r#"{"index_type":"FLAT","metric_type":"L2"}"#,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    collection.create_index(&request, None).unwrap();
    insert("old", 9000..9500);
    let full = bytes();
    assert!(full > 5 * before, "{full}, {before}");
    // Loaded from the first search on.
    assert_eq!(collection.load_state(&["old"]).unwrap().state, LoadState::NotLoad);
    let found = search(&collection, &[9100.0; 32], 3);
    assert_eq!(ids_of(&found.ids)[0], 9100);
    assert_eq!(collection.load_state(&["old"]).unwrap().state, LoadState::Loaded);
    let loaded = "partition cannot be dropped, partition is loaded, please release it first";
    is(collection.drop_partition("old"), Code::InvalidParameter, loaded);
    assert_eq!(collection.count().unwrap(), 4700);
    // What is merged stays inside its partition.
    collection.compact(true, None).unwrap();
    let statistics = collection.statistics().unwrap();
    assert_eq!(statistics["sealed_segments"], 2, "{statistics}");
    collection.release_partitions(&["old"]).unwrap();
    collection.drop_partition("old").unwrap();
    collection.drop_partition("old").unwrap();
    assert_eq!((collection.count().unwrap(), all_ids(&collection, 32).len()), (200, 200));
    let after = bytes();
    assert!(after < before * 3, "{full} bytes before, {after} after, {before} without it");
    let again = collection.create_partition("old").and_then(|()| collection.partition_statistics("old"));
    assert_eq!(again.unwrap()["row_count"], 0);
}

#[test]
fn rows_of_a_dropped_partition_do_not_come_back() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let collection = database.create_collection("c", numbered()).unwrap();
    collection.create_partition("p").unwrap();
    collection.insert(rows(&[1, 2], 1)).unwrap();
    collection.insert_into("p", rows(&[3, 4], 2)).unwrap();
    collection.drop_partition("p").unwrap();
    collection.create_partition("p").unwrap();
    collection.insert_into("p", rows(&[5], 3)).unwrap();
    for seed in 0..5 {
        let disk = disk.power_cut(Cut::ALL[seed], seed as u64);
        let database = open_on(&disk, options());
        let collection = database.collection("c").unwrap();
        assert_eq!(searched(&collection, &[]).unwrap(), [1, 2, 5]);
        assert_eq!(searched(&collection, &["p"]).unwrap(), [5]);
    }
}

#[test]
fn names_and_limits() {
    let disk = FaultDisk::new();
    let database = open_on(&disk, options());
    let collection = database.create_collection("c", numbered()).unwrap();
    let long = "p".repeat(256);
    for (name, why) in [
        ("", "Partition name should not be empty."),
        (&long, "The length of a partition name must be less than 255 characters."),
        ("-p", "The first character of a partition name must be an underscore or letter."),
        ("p q", "Partition name can only contain numbers, letters and underscores."),
    ] {
        let text = format!("Invalid partition name: {name}. {why}");
        is(collection.create_partition(name), Code::InvalidParameter, &text);
        is(collection.drop_partition(name), Code::InvalidParameter, &text);
        is(collection.has_partition(name), Code::InvalidParameter, &text);
    }
    collection.create_partition("p").unwrap();
    collection.create_partition("p").unwrap();
    assert_eq!(collection.partitions().unwrap(), ["_default", "p"]);
    let missing = "partition not found[partition=nope]";
    is(queried(&collection, &["p", "nope"], "id > 1"), Code::PartitionNotFound, missing);
    is(searched(&collection, &["nope"]), Code::PartitionNotFound, missing);
    is(collection.count_matching_in(&["nope"], "id > 1", ""), Code::PartitionNotFound, missing);
    is(collection.delete_from("nope", &keys(&[1])), Code::PartitionNotFound, missing);
    is(collection.delete_matching_from("nope", "id > 1", ""), Code::PartitionNotFound, missing);
    is(collection.insert_into("nope", rows(&[1], 1)).map(drop), Code::PartitionNotFound, missing);
    is(collection.load_state(&["nope"]).map(drop), Code::PartitionNotFound, missing);
    is(collection.load_partitions(&["p", "nope"]), Code::PartitionNotFound, missing);
    is(collection.partition_statistics("nope").map(drop), Code::PartitionNotFound, missing);
    let none = "due to no partition specified, partition names should not be empty";
    is(collection.release_partitions(&[]), Code::MissingParameter, none);
    collection.release_partitions(&["p"]).unwrap();
    is(searched(&collection, &["p"]), Code::PartitionNotLoaded, "partition not loaded[partition=p]");
    collection.release().unwrap();
    is(searched(&collection, &[]), Code::CollectionNotLoaded, "collection not loaded[collection=c]");
    // What is created while the collection is released is so, too; and it is all kept.
    collection.create_partition("new").unwrap();
    drop(database);
    let database = open_on(&disk, options());
    let collection = database.collection("c").unwrap();
    is(searched(&collection, &["new"]), Code::CollectionNotLoaded, "collection not loaded[collection=c]");
    collection.load_partitions(&["p"]).unwrap();
    is(searched(&collection, &["new"]), Code::PartitionNotLoaded, "partition not loaded[partition=new]");
    assert_eq!(searched(&collection, &[]).unwrap(), [0i64; 0]);
    assert_eq!(collection.load_state(&["p"]).unwrap().state, LoadState::Loaded);
    // Readers decide for themselves, and learn of what comes and goes.
    let reader = open_on(&disk, Options { read_only: true, ..options() });
    let read = reader.collection("c").unwrap();
    is(read.create_partition("q"), Code::ReadOnly, "database is opened read-only");
    read.load().unwrap();
    collection.insert_into("new", rows(&[7], 7)).unwrap();
    collection.drop_partition("p").unwrap_err();
    collection.release_partitions(&["p"]).unwrap();
    collection.drop_partition("p").unwrap();
    collection.create_partition("q").unwrap();
    reader.refresh().unwrap();
    assert_eq!(read.partitions().unwrap(), ["_default", "new", "q"]);
    assert_eq!(searched(&read, &["new"]).unwrap(), [7]);
}
