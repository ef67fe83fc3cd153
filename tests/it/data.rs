//! Dynamic keys, nulls, default values, arrays and added fields: a collection against plain JSON rows, through flush,
//! compaction, deletes, reopening and a reader beside.

mod added;
mod bad_rows;

use crate::support::{Random, ids_of, keys, options, search_options, vectors};
use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int16Array, Int64Array, NullArray, RecordBatch, StringArray,
};
use arrow_schema::DataType;
use elanus::Code;
use elanus::collection::{Collection, Queries, QueryOptions};
use elanus::database::{Database, Options};
use elanus::schema::{Field, Schema};
use elanus::storage::fault::FaultDisk;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const DIM: usize = 4;
const SCHEMA: &str = r#"{"enable_dynamic_field":true,"fields":[
    {"name":"id","data_type":"Int64","is_primary":true},
    {"name":"n","data_type":"Int16","nullable":true},
    {"name":"d","data_type":"Double","nullable":true,"default_value":2.5},
    {"name":"s","data_type":"VarChar","max_length":20,"default_value":"none"},
    {"name":"b","data_type":"Bool","nullable":true},
    {"name":"j","data_type":"JSON","nullable":true},
    {"name":"ai","data_type":"Array","element_type":"Int32","max_capacity":4,"nullable":true},
    {"name":"at","data_type":"Array","element_type":"VarChar","max_length":8,"max_capacity":3},
    {"name":"v","data_type":"FloatVector","dim":4}]}"#;

/// A row without its vector; dynamic keys are in `$meta`.
type Row = Value;
type Model = BTreeMap<i64, Row>;

fn database(disk: &FaultDisk, read_only: bool) -> Database {
    let options = Options { read_only, auto_compaction: false, ..options() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options).unwrap()
}

fn random_row(random: &mut Random, id: i64) -> Row {
    let mut or_null = |value: Value| if random.below(4) == 0 { Value::Null } else { value };
    let (n, d, s, b, j, ai) = (
        or_null(json!(id % 11 - 3)),
        or_null(json!(id as f64 / 2.0)),
        or_null(json!(format!("s{}", id % 5))),
        or_null(json!(id % 2 == 0)),
        or_null(if id % 3 == 0 { json!({"k": id % 7}) } else { json!([id, "x"]) }),
        or_null(json!((0..id % 5).map(|i| (i + id) % 6).collect::<Vec<_>>())),
    );
    let at: Vec<String> =
        (0..id % 4).map(|i| ["a", "b", "zz", "é"][((i + id) % 4) as usize].to_owned()).collect();
    let mut meta = json!({});
    if id % 3 != 1 {
        meta["dyn"] = json!(id % 9);
    }
    if id % 4 == 0 {
        meta["color"] = json!(["red", "blue"][(id % 8 / 4) as usize]);
    }
    json!({"id": id, "n": n, "d": d, "s": s, "b": b, "j": j, "ai": ai, "at": at, "$meta": meta})
}

/// What the engine should have of a row.
fn stored(mut row: Row) -> Row {
    for (field, default) in [("d", json!(2.5)), ("s", json!("none"))] {
        if row[field].is_null() {
            row[field] = default;
        }
    }
    row
}

fn column<'r>(rows: &'r [Row], field: &'r str) -> impl Iterator<Item = &'r Value> {
    rows.iter().map(move |row| &row[field])
}

fn batch(rows: &[Row]) -> RecordBatch {
    let ids: Vec<i64> = column(rows, "id").map(|id| id.as_i64().unwrap()).collect();
    let texts = |field: &str| StringArray::from_iter(column(rows, field).map(Value::as_str));
    let n = Int16Array::from_iter(column(rows, "n").map(|n| n.as_i64().map(|n| n as i16)));
    let d = Float64Array::from_iter(column(rows, "d").map(Value::as_f64));
    let b = BooleanArray::from_iter(column(rows, "b").map(Value::as_bool));
    let json = |value: &Value| (!value.is_null()).then(|| value.to_string());
    let j = StringArray::from_iter(column(rows, "j").map(json));
    let (mut ai, mut at) = (ListBuilder::new(Int32Builder::new()), ListBuilder::new(StringBuilder::new()));
    for row in rows {
        let numbers = row["ai"].as_array();
        for number in numbers.into_iter().flatten() {
            ai.values().append_value(number.as_i64().unwrap() as i32);
        }
        ai.append(numbers.is_some());
        for text in row["at"].as_array().unwrap() {
            at.values().append_value(text.as_str().unwrap());
        }
        at.append(true);
    }
    let of_key = |key: &'static str| rows.iter().map(move |row| row["$meta"].get(key));
    let dyns = Int64Array::from_iter(of_key("dyn").map(|value| value?.as_i64()));
    let colors = StringArray::from_iter(of_key("color").map(|value| value?.as_str()));
    let mut random = Random(7);
    let v: Vec<Vec<f32>> = rows.iter().map(|_| random.vector(DIM)).collect();
    let columns: [(&str, ArrayRef); 11] = [
        ("id", keys(&ids)),
        ("n", Arc::new(n)),
        ("d", Arc::new(d)),
        ("s", Arc::new(texts("s"))),
        ("b", Arc::new(b)),
        ("j", Arc::new(j)),
        ("ai", Arc::new(ai.finish())),
        ("at", Arc::new(at.finish())),
        ("dyn", Arc::new(dyns)),
        ("color", Arc::new(colors)),
        ("v", vectors(&v)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// A value as JSON; of JSON fields the document.
fn cell(name: &str, array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let is_json = ["j", "$meta", "dyn", "color"].contains(&name);
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 if is_json => serde_json::from_str(array.as_string::<i32>().value(row)).unwrap(),
        DataType::Utf8 => json!(array.as_string::<i32>().value(row)),
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|at| cell("", &list, at)).collect()
        }
        other => panic!("{name}: {other}"),
    }
}

fn rows_of(columns: &RecordBatch) -> Vec<Row> {
    let named: Vec<_> = columns.schema().fields().iter().map(|field| field.name().clone()).collect();
    let row = |row| {
        let cells = named.iter().zip(columns.columns()).filter(|(name, _)| *name != "v");
        cells.map(|(name, array)| (name.clone(), cell(name, array, row))).collect()
    };
    (0..columns.num_rows()).map(row).collect()
}

fn all_fields<'a>() -> QueryOptions<'a> {
    QueryOptions { output_fields: vec!["*"], ..QueryOptions::default() }
}

type Holds = fn(&Row) -> bool;

fn list<'r>(row: &'r Row, field: &str) -> &'r [Value] {
    row[field].as_array().map_or(&[], Vec::as_slice)
}

const FILTERS: &[(&str, Holds)] = &[
    ("id >= 0", |_| true),
    ("n > 5", |row| row["n"].as_i64().is_some_and(|n| n > 5)),
    ("n != 5", |row| row["n"].as_i64().is_some_and(|n| n != 5)),
    ("not (n > 5)", |row| row["n"].as_i64().is_some_and(|n| n <= 5)),
    ("n in [1, 2, 3]", |row| row["n"].as_i64().is_some_and(|n| (1..=3).contains(&n))),
    ("n not in [1, 2, 3]", |row| row["n"].as_i64().is_some_and(|n| !(1..=3).contains(&n))),
    ("n not in []", |row| !row["n"].is_null()),
    ("n is null", |row| row["n"].is_null()),
    ("n IS NOT NULL", |row| !row["n"].is_null()),
    ("not (n is null)", |row| !row["n"].is_null()),
    ("n is null or n > 5", |row| row["n"].as_i64().is_none_or(|n| n > 5)),
    ("id is null", |_| false),
    ("d == 2.5", |row| row["d"] == json!(2.5)),
    ("s == 'none' and d is not null", |row| row["s"] == "none"),
    // A null on one side of `and` hides nothing where the other side is false.
    ("not (n > 5 and b == true)", |row| row["n"].as_i64().is_some_and(|n| n <= 5) || row["b"] == false),
    ("not (n > 5 or b == true)", |row| row["n"].as_i64().is_some_and(|n| n <= 5) && row["b"] == false),
    ("n < id", |row| row["n"].as_i64().is_some_and(|n| n < row["id"].as_i64().unwrap())),
    ("not (n < id)", |row| row["n"].as_i64().is_some_and(|n| n >= row["id"].as_i64().unwrap())),
    ("j is null", |row| row["j"].is_null()),
    ("j['k'] > 2", |row| row["j"]["k"].as_i64().is_some_and(|k| k > 2)),
    ("j['k'] != 2", |row| !row["j"].is_null() && row["j"]["k"] != 2),
    ("j['k'] is null", |row| row["j"]["k"].is_null()),
    ("ai is null", |row| row["ai"].is_null()),
    ("ai[0] > 3", |row| list(row, "ai").first().is_some_and(|n| n.as_i64() > Some(3))),
    ("not (ai[1] > 3)", |row| {
        !row["ai"].is_null() && list(row, "ai").get(1).is_none_or(|n| n.as_i64() <= Some(3))
    }),
    ("ai[1] is null", |row| list(row, "ai").len() < 2),
    ("at[0] is not null", |row| !list(row, "at").is_empty()),
    ("ai[0] + 1 == 3", |row| list(row, "ai").first().is_some_and(|n| *n == 2)),
    ("ai[0] == n", |row| list(row, "ai").first().is_some_and(|n| *n == row["n"])),
    ("array_contains(ai, 2)", |row| list(row, "ai").contains(&json!(2))),
    ("not array_contains(ai, 2)", |row| !row["ai"].is_null() && !list(row, "ai").contains(&json!(2))),
    ("array_contains_all(ai, [1, 2])", |row| {
        list(row, "ai").contains(&json!(1)) && list(row, "ai").contains(&json!(2))
    }),
    ("array_contains_all(ai, [])", |row| !row["ai"].is_null()),
    ("array_contains_any(at, ['a', 'zz'])", |row| list(row, "at").iter().any(|t| t == "a" || t == "zz")),
    ("array_length(at) == 2", |row| list(row, "at").len() == 2),
    ("ai == [1, 2]", |row| row["ai"] == json!([1, 2])),
    ("ai != [1, 2]", |row| !row["ai"].is_null() && row["ai"] != json!([1, 2])),
    ("at[0] like 'z%'", |row| list(row, "at").first().is_some_and(|t| t == "zz")),
    ("dyn > 3", |row| row["$meta"]["dyn"].as_i64().is_some_and(|n| n > 3)),
    ("$meta['dyn'] == 5", |row| row["$meta"]["dyn"] == 5),
    ("exists dyn", |row| !row["$meta"]["dyn"].is_null()),
    ("dyn is null", |row| row["$meta"]["dyn"].is_null()),
    ("color == 'red' and n > 0", |row| {
        row["$meta"]["color"] == "red" && row["n"].as_i64().is_some_and(|n| n > 0)
    }),
];

/// Every row, and what every filter finds by query, count and search, is what plain rows say.
fn check(collection: &Collection, model: &Model, filters: &[(&str, Holds)]) {
    let found = collection.query("id >= 0", &all_fields()).unwrap();
    let expected: Vec<Row> = model.values().cloned().collect();
    assert_eq!(rows_of(&found.columns), expected);
    for (filter, holds) in filters {
        let expected: Vec<i64> = model.iter().filter(|(_, row)| holds(row)).map(|(id, _)| *id).collect();
        let found = collection.query(filter, &QueryOptions::default()).unwrap();
        assert_eq!(ids_of(&found.ids), expected, "{filter}");
        assert_eq!(collection.count_matching(filter, "").unwrap(), expected.len() as u64, "{filter}");
        let options = elanus::collection::SearchOptions { filter, ..search_options(1000) };
        let searched = collection.search("v", Queries::Float(&[0.0; DIM]), 1, &options).unwrap();
        let mut ids = ids_of(&searched.ids);
        ids.sort_unstable();
        assert_eq!(ids, expected, "search with {filter}");
    }
}

fn insert(collection: &Collection, model: &mut Model, random: &mut Random, ids: std::ops::Range<i64>) {
    let rows: Vec<Row> = ids.map(|id| random_row(random, id)).collect();
    collection.insert(batch(&rows)).unwrap();
    let added = collection.schema().field("late").is_some();
    for row in rows {
        let mut row = stored(row);
        if added {
            (row["late"], row["later"]) = (Value::Null, json!("x"));
        }
        model.insert(row["id"].as_i64().unwrap(), row);
    }
}

fn delete(collection: &Collection, model: &mut Model, filter: &str, holds: Holds) {
    let before = model.len();
    model.retain(|_, row| !holds(row));
    assert_eq!(collection.delete_matching(filter, "").unwrap(), (before - model.len()) as u64);
}

#[test]
fn rows_of_every_kind_against_plain_rows() {
    let disk = FaultDisk::new();
    let mut writer = database(&disk, false);
    let mut collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let (mut model, mut random) = (Model::new(), Random(3));
    insert(&collection, &mut model, &mut random, 0..90);
    check(&collection, &model, FILTERS);
    collection.flush().unwrap();
    insert(&collection, &mut model, &mut random, 90..150);
    insert(&collection, &mut model, &mut random, 150..155);
    check(&collection, &model, FILTERS);
    // The log is read again.
    drop((collection, writer));
    writer = database(&disk, false);
    collection = writer.collection("c").unwrap();
    check(&collection, &model, FILTERS);
    delete(&collection, &mut model, "n is null and dyn > 4", |row| {
        row["n"].is_null() && row["$meta"]["dyn"].as_i64().is_some_and(|n| n > 4)
    });
    collection.flush().unwrap();
    check(&collection, &model, FILTERS);
    collection.compact(true, None).unwrap();
    check(&collection, &model, FILTERS);
    let reader = database(&disk, true);
    check(&reader.collection("c").unwrap(), &model, FILTERS);
}

#[test]
fn output_fields_of_dynamic_keys() {
    let writer = database(&FaultDisk::new(), false);
    let collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let (mut model, mut random) = (Model::new(), Random(6));
    insert(&collection, &mut model, &mut random, 0..20);
    for flushed in [false, true] {
        if flushed {
            collection.flush().unwrap();
        }
        let output_fields = vec!["color", "$meta[\"dyn\"]", "$meta", "n", "color"];
        let options = QueryOptions { output_fields, ..QueryOptions::default() };
        let found = collection.query("id < 12", &options).unwrap().columns;
        let schema = found.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["color", "dyn", "$meta", "n"]);
        for (row, expected) in model.values().take(12).enumerate() {
            assert_eq!(cell("color", found.column(0), row), expected["$meta"]["color"]);
            assert_eq!(cell("dyn", found.column(1), row), expected["$meta"]["dyn"]);
            assert_eq!(cell("$meta", found.column(2), row), expected["$meta"]);
        }
        let none = QueryOptions { output_fields: vec!["nowhere"], ..QueryOptions::default() };
        assert_eq!(collection.query("id == 1", &none).unwrap().columns.column(0).null_count(), 1);
        // No key but what looks like one, and nothing below keys.
        for name in
            ["j['k']", "color[\"n\"]", "count(*)", "a b", "$meta[\"a\"][\"b\"]", "$meta[color]", "", "1a"]
        {
            let output_fields = vec!["id", name];
            let options = QueryOptions { output_fields, ..QueryOptions::default() };
            let error = collection.query("id == 1", &options).err().unwrap();
            let with = format!("parse output field name failed: {name}");
            assert!(error.code() == Code::InvalidParameter && error.message().contains(&with), "{error}");
        }
    }
    let plain = SCHEMA.replace("\"enable_dynamic_field\":true,", "");
    let plain = writer.create_collection("plain", Schema::from_json(&plain).unwrap()).unwrap();
    let options = QueryOptions { output_fields: vec!["color"], ..QueryOptions::default() };
    let error = plain.query("id == 1", &options).err().unwrap();
    assert_eq!((error.code(), error.message()), (Code::FieldNotFound, "field color not exist"));
    let error = plain.insert(batch(&[random_row(&mut random, 1)])).err().unwrap();
    assert_eq!((error.code(), error.message()), (Code::FieldNotFound, "field dyn not exist"));
}

#[test]
fn generated_keys_are_numbers_or_their_texts() {
    for key in [r#""data_type":"Int64""#, r#""data_type":"VarChar","max_length":2"#] {
        let disk = FaultDisk::new();
        let mut writer = database(&disk, false);
        let schema = format!(
            r#"{{"auto_id":true,"fields":[{{"name":"id",{key},"is_primary":true}},
            {{"name":"v","data_type":"FloatVector","dim":{DIM}}}]}}"#
        );
        let collection = writer.create_collection("c", Schema::from_json(&schema).unwrap()).unwrap();
        let rows = |count: usize| {
            RecordBatch::try_from_iter([("v", vectors(&vec![vec![0.5; DIM]; count]))]).unwrap()
        };
        let all = |ids: &ArrayRef| -> Vec<String> {
            (0..ids.len()).map(|row| cell("id", ids, row).to_string().replace('"', "")).collect()
        };
        let mut made = all(&collection.insert(rows(4)).unwrap().ids);
        assert_eq!(made, ["1", "2", "3", "4"]);
        drop(collection);
        // From the log, and from the manifest.
        for flushed in [false, true] {
            if flushed {
                writer.collection("c").unwrap().flush().unwrap();
            }
            drop(writer);
            writer = database(&disk, false);
            made.extend(all(&writer.collection("c").unwrap().insert(rows(3)).unwrap().ids));
        }
        let mut different = made.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), 10, "{made:?}");
        let collection = writer.collection("c").unwrap();
        let given =
            RecordBatch::try_from_iter([("id", keys(&[1])), ("v", vectors(&[vec![0.5; DIM]]))]).unwrap();
        let error = collection.insert(given).err().unwrap();
        assert_eq!(error.message(), "can not assign primary field data when auto id enabled id");
        if key.contains("VarChar") {
            let error = collection.insert(rows(100)).err().unwrap();
            assert!(
                error.message().contains("generated keys of varchar field id exceed max length, length: 3")
            );
            assert_eq!(collection.count().unwrap(), 10);
        }
    }
}
