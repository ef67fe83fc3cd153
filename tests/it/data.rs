//! Dynamic keys, nulls, default values, arrays and added fields: a collection against plain JSON rows, through flush,
//! compaction, deletes, reopening and a reader beside.

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

const LATER: &[(&str, Holds)] = &[
    ("late is null", |row| row["late"].is_null()),
    ("late >= 0", |row| row["late"].is_i64()),
    ("later == 'x'", |row| row["later"] == "x"),
    ("not (late == 3)", |row| row["late"].as_i64().is_some_and(|n| n != 3)),
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
fn fields_are_added_to_rows_in_files_in_the_log_and_in_memory() {
    let disk = FaultDisk::new();
    let mut writer = database(&disk, false);
    let mut collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let (mut model, mut random) = (Model::new(), Random(4));
    insert(&collection, &mut model, &mut random, 0..60);
    collection.flush().unwrap();
    insert(&collection, &mut model, &mut random, 60..80);
    let reader = database(&disk, true);
    let read = reader.collection("c").unwrap();
    check(&read, &model, FILTERS);
    let before = collection.query("id < 5", &all_fields()).unwrap();

    let add = |text: &str| collection.add_field(Field::from_json(text).unwrap());
    add(r#"{"name":"late","data_type":"Int64","nullable":true}"#).unwrap();
    add(r#"{"name":"later","data_type":"VarChar","max_length":5,"default_value":"x"}"#).unwrap();
    let added: Vec<_> = FILTERS.iter().chain(LATER).copied().collect();
    model.values_mut().for_each(|row| (row["late"], row["later"]) = (Value::Null, json!("x")));
    check(&collection, &model, &added);
    assert_eq!(before.columns.num_columns(), 10, "what was found stays as it was");
    insert(&collection, &mut model, &mut random, 80..90);
    // Rows that have the new fields.
    let mut row = random_row(&mut random, 90);
    let mut given = batch(std::slice::from_ref(&row)).columns().to_vec();
    let mut names = batch(std::slice::from_ref(&row)).schema().fields().to_vec();
    for (name, values) in [
        ("late", Arc::new(Int64Array::from(vec![3])) as ArrayRef),
        ("later", Arc::new(StringArray::from(vec!["y"]))),
    ] {
        names.push(Arc::new(arrow_schema::Field::new(name, values.data_type().clone(), true)));
        given.push(values);
    }
    let schema = Arc::new(arrow_schema::Schema::new(names));
    collection.insert(RecordBatch::try_new(schema, given).unwrap()).unwrap();
    (row["late"], row["later"]) = (json!(3), json!("y"));
    model.insert(90, stored(row));
    check(&collection, &model, &added);
    // A reader learns of the fields and of the log's rows at once.
    assert!(read.query("late is null", &QueryOptions::default()).is_ok(), "a dynamic key until then");
    reader.refresh().unwrap();
    check(&read, &model, &added);
    check(&database(&disk, true).collection("c").unwrap(), &model, &added);

    // The log has records of before and of after.
    drop((collection, writer));
    writer = database(&disk, false);
    collection = writer.collection("c").unwrap();
    check(&collection, &model, &added);
    collection.flush().unwrap();
    check(&collection, &model, &added);
    delete(&collection, &mut model, "late is null and id < 30", |row| {
        row["late"].is_null() && row["id"].as_i64() < Some(30)
    });
    collection.compact(true, None).unwrap();
    check(&collection, &model, &added);
    reader.refresh().unwrap();
    check(&read, &model, &added);
    drop((collection, writer));
    check(&database(&disk, false).collection("c").unwrap(), &model, &added);
}

#[test]
fn searches_go_on_while_fields_are_added() {
    let disk = FaultDisk::new();
    let writer = database(&disk, false);
    let collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let (mut model, mut random) = (Model::new(), Random(5));
    insert(&collection, &mut model, &mut random, 0..200);
    collection.flush().unwrap();
    insert(&collection, &mut model, &mut random, 200..260);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let found = collection.query("n is not null or id >= 0", &all_fields()).unwrap();
                    assert_eq!(found.columns.num_rows(), 260);
                    // As many as the schema had at one time.
                    let names = found.columns.schema();
                    assert!(
                        names
                            .fields()
                            .iter()
                            .skip(10)
                            .enumerate()
                            .all(|(at, f)| f.name() == &format!("f{at}"))
                    );
                }
            });
        }
        for at in 0..20 {
            let text = format!(r#"{{"name":"f{at}","data_type":"Int32","nullable":true}}"#);
            collection.add_field(Field::from_json(&text).unwrap()).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(collection.schema().fields().len(), 30);
    assert_eq!(collection.count_matching("f19 is null", "").unwrap(), 260);
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
    }
    let plain = SCHEMA.replace("\"enable_dynamic_field\":true,", "");
    let plain = writer.create_collection("plain", Schema::from_json(&plain).unwrap()).unwrap();
    let options = QueryOptions { output_fields: vec!["color"], ..QueryOptions::default() };
    let error = plain.query("id == 1", &options).err().unwrap();
    assert_eq!((error.code(), error.message()), (Code::FieldNotFound, "field color not exist"));
    let error = plain.insert(batch(&[random_row(&mut random, 1)])).err().unwrap();
    assert_eq!((error.code(), error.message()), (Code::FieldNotFound, "field dyn not exist"));
}

/// One row of the schema, with some of its columns in others' place.
fn one_row(replaced: &[(&str, ArrayRef)]) -> RecordBatch {
    let row =
        json!({"id": 1, "n": 1, "d": 1.0, "s": "s", "b": true, "j": 1, "ai": [1], "at": [], "$meta": {}});
    let plain = batch(&[row]);
    let schema = plain.schema();
    let kept = schema.fields().iter().zip(plain.columns());
    let kept = kept.map(|(field, column)| (field.name().as_str(), column.clone()));
    let kept = kept.filter(|(name, _)| replaced.iter().all(|(other, _)| other != name));
    let all: Vec<_> =
        kept.chain(replaced.iter().cloned()).map(|(name, column)| (name, column, true)).collect();
    RecordBatch::try_from_iter_with_nullable(all).unwrap()
}

#[test]
fn bad_rows_leave_nothing_behind() {
    let writer = database(&FaultDisk::new(), false);
    let collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let ints = |values: &[i32]| {
        let mut list = ListBuilder::new(Int32Builder::new());
        list.values().append_slice(values);
        list.append(true);
        Arc::new(list.finish()) as ArrayRef
    };
    let strings = |values: &[Option<&str>]| {
        let mut list = ListBuilder::new(StringBuilder::new());
        values.iter().for_each(|value| list.values().append_option(*value));
        list.append(true);
        Arc::new(list.finish()) as ArrayRef
    };
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let long = format!("{{\"k\":\"{}\"}}", "x".repeat(65536 - 7));
    let null = || Arc::new(NullArray::new(1)) as ArrayRef;
    let cases: Vec<(&str, ArrayRef, &str)> = vec![
        (
            "n",
            Arc::new(Int64Array::from(vec![40_000])),
            "the 0th element (40000) out of range: [-32768, 32767]",
        ),
        ("n", text("1"), "field n holds Int16, got a column of Utf8"),
        (
            "s",
            text("123456789012345678901"),
            "length of varchar field s exceeds max length, row number: 0, length: 21, max length: 20",
        ),
        ("at", null(), "field at holds Array, got a column of Null"),
        ("id", Arc::new(Int64Array::from(vec![None])), "field id has a null at row 0, but is not nullable"),
        ("ai", ints(&[1, 2, 3, 4, 5]), "field ai: the length (5) of 0th array exceeds max capacity (4)"),
        ("ai", strings(&[Some("a")]), "field ai holds Int32, got a column of Utf8"),
        (
            "at",
            strings(&[Some("a"), Some("123456789")]),
            "length of Array array field \"at\" exceeds max length, row number: 0, array index: 1, length: 9, max length: 8",
        ),
        ("at", strings(&[None]), "an element of an array: field at has a null at row 0"),
        (
            "j",
            text(&long),
            "length of json field j exceeds max length, row number: 0, length: 65537, max length: 65536",
        ),
        ("j", text("{"), "the value of json field j is not JSON"),
        (
            "d",
            Arc::new(Float64Array::from(vec![f64::INFINITY])),
            "field d, row 0: value '+Inf' is not a number or infinity",
        ),
        ("big", text(&"x".repeat(65536)), "length of json field $meta exceeds max length"),
        (
            "dyn",
            Arc::new(Float64Array::from(vec![f64::NAN])),
            "dynamic field dyn, row 0: value 'NaN' is not a number or infinity",
        ),
        ("$meta", text("[1]"), "the value of json field $meta is not a JSON object"),
        ("$meta", text(r#"{"$meta":1}"#), "cannot set key to: $meta"),
        ("$meta", text(r#"{"n":1}"#), "dynamic field name cannot include the static field name: n"),
        ("$meta", text(r#"{"color":1}"#), "dynamic key color is in $meta and a column of its own"),
    ];
    for (name, column, why) in cases {
        let error = collection.insert(one_row(&[(name, column)])).err().expect(why);
        assert_eq!(error.code(), Code::InvalidParameter, "{error:?}");
        assert!(error.message().contains(why), "{}\n  not: {why}", error.message());
    }
    assert_eq!(collection.count().unwrap(), 0);

    // At the limits.
    let fits = format!("{{\"k\":\"{}\"}}", "x".repeat(65536 - 8));
    assert_eq!(fits.len(), 65536);
    collection.insert(one_row(&[("j", text(&fits)), ("ai", ints(&[1, 2, 3, 4])), ("n", null())])).unwrap();
    collection.insert(one_row(&[("n", Arc::new(Int64Array::from(vec![-32_768]))), ("s", null())])).unwrap();
    collection
        .insert(one_row(&[("$meta", text(r#" {"a":{"b":[1,2.50]}} "#)), ("more", text("é\"\n"))]))
        .unwrap();
    let rows = collection.query("more == 'é\"\\n' and a['b'][1] == 2.5", &all_fields()).unwrap();
    assert_eq!(rows_of(&rows.columns)[0]["$meta"], json!({"a": {"b": [1, 2.5]}, "more": "é\"\n"}));

    for (filter, why) in [
        ("n == 'a'", "comparisons between Int16 and VarChar are not supported"),
        ("ai['x'] == 1", "can only access array field with integer index: ai"),
        ("ai[0][1] == 1", "can only access array field with integer index: ai"),
        ("ai > [1]", "comparisons between Array and Array are not supported"),
        ("ai == at", "comparisons between Array and Array are not supported"),
        ("ai == ['a']", "cannot cast value to Int32"),
        ("ai == 1", "comparisons between Array and Int64 are not supported"),
        (
            "array_contains(ai, 'a')",
            "contains operation can't compare between array element type: Int32 and VarChar",
        ),
        (
            "array_contains_all(at, [1])",
            "contains_all operation can't compare between array element type: VarChar and Int64",
        ),
        ("array_contains(n, 1)", "contains operation are only supported on json or array fields now, got: n"),
        (
            "array_length(n) == 1",
            "array_length operation are only supported on json or array fields now, got: n",
        ),
        ("1 < ai < 3", "comparisons between Array and Int64 are not supported"),
        ("exists ai", "exists operations are only supportted on json field, got:Array"),
        ("1 is null", "'is null' can only be used on single fields, but got: 1"),
        ("n is nothing", "mismatched input 'is'"),
        ("n is not 3", "mismatched input 'is'"),
    ] {
        let error = collection.query(filter, &QueryOptions::default()).err().expect(filter);
        assert!(error.message().contains(why), "{filter}: {}\n  not: {why}", error.message());
    }
    let error = collection.delete_matching("id is not null", "").err().unwrap();
    assert!(error.message().contains("delete plan can't be empty or always true"), "{}", error.message());
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
