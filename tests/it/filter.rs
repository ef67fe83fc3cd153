//! Filters through a collection: search, query, count and delete over sealed and growing rows, deleted ones apart.

use crate::support::{Random, ids_of, keys, options, search_options, texts, vectors};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use elanus::Code;
use elanus::collection::{Collection, Queries, QueryOptions, SearchOptions};
use elanus::database::{Database, Options};
use elanus::schema::Schema;
use elanus::storage::fault::FaultDisk;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DIM: usize = 4;
const COLORS: [&str; 4] = ["red", "green", "blue", "rouge"];

fn schema() -> Schema {
    Schema::from_json(&format!(
        r#"{{"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
        {{"name":"age","data_type":"Int32"}},{{"name":"color","data_type":"VarChar","max_length":20}},
        {{"name":"more","data_type":"JSON"}},{{"name":"v","data_type":"FloatVector","dim":{DIM}}}]}}"#
    ))
    .unwrap()
}

fn age(id: i64) -> i32 {
    (id % 97) as i32
}

fn color(id: i64) -> &'static str {
    COLORS[(id % 4) as usize]
}

fn vector(id: i64) -> Vec<f32> {
    Random((id + 100) as u64 * 31).vector(DIM)
}

fn rows(ids: &[i64]) -> RecordBatch {
    let ages: ArrayRef = Arc::new(Int32Array::from_iter_values(ids.iter().map(|&id| age(id))));
    let colors: ArrayRef = Arc::new(StringArray::from_iter_values(ids.iter().map(|&id| color(id))));
    let more = |&id: &i64| match id % 3 {
        0 => format!(r#"{{"size":{id},"tags":["{}",{}]}}"#, color(id), id % 5),
        1 => format!(r#"{{"size":"{id}"}}"#),
        _ => "[]".to_owned(),
    };
    let more: ArrayRef = Arc::new(StringArray::from_iter_values(ids.iter().map(more)));
    let rows: Vec<Vec<f32>> = ids.iter().map(|&id| vector(id)).collect();
    RecordBatch::try_from_iter([
        ("id", keys(ids)),
        ("age", ages),
        ("color", colors),
        ("more", more),
        ("v", vectors(&rows)),
    ])
    .unwrap()
}

/// Keys 0 to 999: two sealed segments, three growing chunks, every seventh row deleted.
fn filled(disk: &FaultDisk) -> (Database, Collection) {
    let database = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap();
    let collection = database.create_collection("c", schema()).unwrap();
    let insert =
        |range: std::ops::Range<i64>| drop(collection.insert(rows(&range.collect::<Vec<_>>())).unwrap());
    insert(0..400);
    collection.flush().unwrap();
    insert(400..700);
    collection.flush().unwrap();
    insert(700..900);
    insert(900..970);
    insert(970..1000);
    let gone: Vec<i64> = (0..1000).filter(|id| id % 7 == 0).collect();
    assert_eq!(collection.delete(&keys(&gone)).unwrap(), gone.len() as u64);
    (database, collection)
}

fn expected(holds: impl Fn(i64) -> bool) -> Vec<i64> {
    (0..1000).filter(|&id| id % 7 != 0 && holds(id)).collect()
}

fn found(collection: &Collection, filter: &str) -> Vec<i64> {
    ids_of(&collection.query(filter, &QueryOptions::default()).unwrap().ids)
}

type Holds = fn(i64) -> bool;

const FILTERS: &[(&str, Holds)] = &[
    ("age < 20", |id| age(id) < 20),
    ("10 <= age < 20 and color == 'red'", |id| (10..20).contains(&age(id)) && color(id) == "red"),
    ("color like 'r%' or id in [1, 2, 3, 970, 999]", |id| {
        color(id).starts_with('r') || [1, 2, 3, 970, 999].contains(&id)
    }),
    ("not (age % 5 == 2) && id > 300", |id| age(id) % 5 != 2 && id > 300),
    ("more['size'] > 500", |id| id % 3 == 0 && id > 500),
    ("json_contains(more['tags'], 'blue')", |id| id % 3 == 0 && color(id) == "blue"),
    ("more['size'] != 6", |id| id != 6),
    ("id == age", |id| id == i64::from(age(id))),
    ("id > 5000", |_| false),
    ("id not in []", |_| true),
];

#[test]
fn queries_find_what_holds() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    let check = |collection: &Collection| {
        for (filter, holds) in FILTERS {
            assert_eq!(found(collection, filter), expected(holds), "{filter}");
            let count = collection.count_matching(filter, "").unwrap();
            assert_eq!(count, expected(holds).len() as u64, "{filter}");
        }
    };
    check(&collection);
    let reader = Options { read_only: true, ..options() };
    let reader = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), reader).unwrap();
    check(&reader.collection("c").unwrap());
    collection.flush().unwrap();
    collection.compact(true, None).unwrap();
    check(&collection);
    database.close().unwrap();
    let database = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap();
    check(&database.collection("c").unwrap());
}

#[test]
fn searches_find_the_nearest_of_what_holds() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    let query = vector(-3);
    let distance = |id: i64| -> f32 { vector(id).iter().zip(&query).map(|(a, b)| (a - b) * (a - b)).sum() };
    for (filter, holds) in FILTERS {
        let mut near = expected(holds);
        near.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        near.truncate(30);
        let options = SearchOptions { filter, ..search_options(30) };
        let result = collection.search("v", Queries::Float(&query), 1, &options).unwrap();
        assert_eq!(ids_of(&result.ids), near, "{filter}");
        // Several queries on several threads.
        let queries = query.repeat(40);
        let result = collection.search("v", Queries::Float(&queries), 40, &options).unwrap();
        assert_eq!(ids_of(&result.ids), near.repeat(40), "{filter}");
    }
    let options = SearchOptions {
        filter: "color in {colors} and age > {age}",
        filter_values: r#"{"colors":["red","blue"],"age":90}"#,
        output_fields: vec!["color", "age"],
        ..search_options(1000)
    };
    let result = collection.search("v", Queries::Float(&query), 1, &options).unwrap();
    let mut ids = ids_of(&result.ids);
    ids.sort_unstable();
    assert_eq!(ids, expected(|id| ["red", "blue"].contains(&color(id)) && age(id) > 90));
    assert!(texts(result.columns.column(0)).iter().all(|color| color == "red" || color == "blue"));
}

#[test]
fn output_fields_and_pages() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    let output =
        |fields: &[&'static str]| QueryOptions { output_fields: fields.to_vec(), ..QueryOptions::default() };
    let result = collection.query("age == 50", &output(&["color", "v", "age"])).unwrap();
    let ids = ids_of(&result.ids);
    assert_eq!(texts(result.columns.column(0)), ids.iter().map(|&id| color(id)).collect::<Vec<_>>());
    assert!(result.columns.column(2).as_primitive::<Int32Type>().values().iter().all(|&age| age == 50));
    assert_eq!(result.columns.column(1), &vectors(&ids.iter().map(|&id| vector(id)).collect::<Vec<_>>()));
    let all = collection.query("id == 5", &output(&["*"])).unwrap();
    assert_eq!(all.columns, rows(&[5]));
    let none = collection.query("id == 7", &output(&["*"])).unwrap();
    assert_eq!((none.ids.len(), none.columns.num_rows(), none.columns.num_columns()), (0, 0, 5));
    let page = |filter, limit, offset| {
        let options = QueryOptions { limit: Some(limit), offset, ..QueryOptions::default() };
        collection.query(filter, &options).map(|result| ids_of(&result.ids))
    };
    let whole = expected(|_| true);
    assert_eq!(page("", 5, 0).unwrap(), whole[..5]);
    assert_eq!(page("", 5, 850).unwrap(), whole[850..855]);
    assert_eq!(page("", 16000, 100).unwrap(), whole[100..]);
    assert_eq!(page("id > 500", 3, 2000).unwrap(), [0i64; 0]);
    assert_eq!(page("id > 5", 0, 5).unwrap_err().message(), "limit [0] is invalid, should be greater than 0");
    for (limit, offset) in [(16385, 0), (16384, 1), (usize::MAX, usize::MAX)] {
        let error = page("id > 5", limit, offset).unwrap_err();
        assert!(error.message().starts_with("(offset+limit) should be in range [1, 16384]"), "{error}");
    }
    let error = collection.query(" ", &QueryOptions::default()).err().unwrap();
    assert_eq!(error.message(), "empty expression should be used with limit");
    let error =
        collection.query("id > 1", &QueryOptions { offset: 3, ..QueryOptions::default() }).err().unwrap();
    assert_eq!(error.message(), "offset [3] should be used with limit");
    assert_eq!(collection.query("id > 1", &output(&["nope"])).err().unwrap().code(), Code::FieldNotFound);
}

#[test]
fn the_newest_row_of_a_key() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    let again = |age: i32| {
        let ages: ArrayRef = Arc::new(Int32Array::from(vec![age]));
        let mut columns = rows(&[5]).columns().to_vec();
        columns[1] = ages;
        collection.insert(RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()).unwrap();
    };
    again(1000);
    again(2000);
    assert_eq!(found(&collection, "id == 5"), [5]);
    let options = QueryOptions { output_fields: vec!["age"], ..QueryOptions::default() };
    let result = collection.query("id == 5", &options).unwrap();
    assert_eq!(result.columns.column(0).as_primitive::<Int32Type>().values().as_ref(), [2000]);
    assert_eq!(collection.count_matching("id == 5", "").unwrap(), 3);
    // One of them matches; all of the key go.
    assert_eq!(collection.delete_matching("age == 1000", "").unwrap(), 3);
    assert_eq!(found(&collection, "id == 5"), [0i64; 0]);
}

#[test]
fn deletes_by_filter() {
    let disk = FaultDisk::new();
    let (database, collection) = filled(&disk);
    let deleted = collection.delete_matching("color == {c} and 300 <= id < 950", r#"{"c":"red"}"#).unwrap();
    let gone = |id: i64| color(id) == "red" && (300..950).contains(&id);
    assert_eq!(deleted, expected(gone).len() as u64);
    assert_eq!(collection.delete_matching("color == 'red' and 300 <= id < 950", "").unwrap(), 0);
    let left = expected(|id| !gone(id));
    assert_eq!(found(&collection, "id >= 0"), left);
    for filter in ["", "  \n", "id not in []", "id > 5 or not (id in [])"] {
        let error = collection.delete_matching(filter, "").unwrap_err();
        assert_eq!(error.message(), format!("delete plan can't be empty or always true : {filter}"));
        assert_eq!(error.code(), Code::InvalidParameter);
    }
    assert!(collection.delete_matching("nope == 1", "").is_err());
    assert_eq!(collection.count().unwrap(), left.len() as u64);
    database.close().unwrap();
    let database = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap();
    let collection = database.collection("c").unwrap();
    assert_eq!(found(&collection, "id >= 0"), left);
    let reader = Options { read_only: true, ..options() };
    let reader = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), reader).unwrap();
    let error = reader.collection("c").unwrap().delete_matching("id > 1", "").unwrap_err();
    assert_eq!(error.code(), Code::ReadOnly);
    assert_eq!(collection.delete_matching("id >= 0", "").unwrap(), left.len() as u64);
    assert_eq!(collection.count().unwrap(), 0);
    assert_eq!(found(&collection, "id >= 0"), [0i64; 0]);
}

#[test]
fn keys_of_text() {
    let disk = FaultDisk::new();
    let database = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap();
    let schema = Schema::from_json(
        r#"{"fields":[{"name":"k","data_type":"VarChar","max_length":9,"is_primary":true},
        {"name":"n","data_type":"Int64"},{"name":"v","data_type":"FloatVector","dim":1}]}"#,
    );
    let collection = database.create_collection("t", schema.unwrap()).unwrap();
    let names: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "c", "ab"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let points = vectors(&[vec![1.0], vec![2.0], vec![3.0], vec![4.0]]);
    let batch = RecordBatch::try_from_iter([("k", names), ("n", numbers), ("v", points)]).unwrap();
    collection.insert(batch).unwrap();
    let result = collection.query("k like 'a%' or n == 3", &QueryOptions::default()).unwrap();
    assert_eq!(texts(&result.ids), ["a", "ab", "c"]);
    assert_eq!(collection.delete_matching("k > 'a'", "").unwrap(), 3);
    assert_eq!(texts(&collection.query("n > 0", &QueryOptions::default()).unwrap().ids), ["a"]);
}

#[test]
fn bad_filters_and_states() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    let query = vector(1);
    let error = |filter: &str, values: &str| {
        let options = SearchOptions { filter, filter_values: values, ..search_options(3) };
        collection.search("v", Queries::Float(&query), 1, &options).err().expect(filter)
    };
    assert!(error("age >", "").message().contains("line 1:5 mismatched input '<EOF>'"));
    assert!(error("agee > 1", "").message().ends_with("error: field agee not exist"));
    assert!(error("age == {x}", "").message().contains("{x} is not found"));
    assert!(error("age > 1", "[").message().contains("not a JSON object"));
    assert!(error("v > 1", "").message().contains("comparisons between FloatVector and Int64"));
    assert_eq!(error(&"(".repeat(1 << 20), "").code(), Code::InvalidParameter);
    let late = QueryOptions { timeout: Some(Duration::ZERO), ..QueryOptions::default() };
    assert_eq!(collection.query("age > 1", &late).err().unwrap().code(), Code::Timeout);
    collection.release().unwrap();
    let query = |filter| collection.query(filter, &QueryOptions::default()).err().map(|error| error.code());
    assert_eq!(query("age > 1"), Some(Code::CollectionNotLoaded));
    assert_eq!(collection.count_matching("age > 1", "").unwrap_err().code(), Code::CollectionNotLoaded);
    collection.load().unwrap();
    assert_eq!(query("age > 1"), None);
}

/// Queries beside inserts and deletes by filter see whole batches.
#[test]
fn queries_beside_writers() {
    let disk = FaultDisk::new();
    let (_database, collection) = filled(&disk);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..30 {
                let first = 10_000 + round * 100;
                collection.insert(rows(&(first..first + 100).collect::<Vec<_>>())).unwrap();
                if round % 10 == 5 {
                    collection.flush().unwrap();
                }
                let filter = format!("{first} <= id < {}", first + 100);
                assert_eq!(collection.delete_matching(&filter, "").unwrap(), 100);
            }
        });
        while !writer.is_finished() {
            let count = found(&collection, "id >= 10000").len();
            assert!(count == 0 || count == 100, "{count}");
            assert_eq!(found(&collection, "id < 10000 and age < 20"), expected(|id| age(id) < 20));
        }
        writer.join().unwrap();
    });
}
