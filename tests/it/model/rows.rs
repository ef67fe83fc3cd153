//! What a collection of the model holds: fields of every kind, rows as plain values, and their columns.

use crate::support::{Random, vectors};
use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, RecordBatch, StringArray,
};
use elanus::schema::Schema;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

pub const DIM: usize = 3;
pub const BITS: usize = 16;
/// Different keys that are drawn: few, so that they meet again.
const KEYS: u64 = 400;

pub const TEXTS: &[&str] =
    &["", "a", "ab", "abc", "b", "é", "b\"q'", "x\\y", "%", "line\nbreak", "\u{1F600}"];
pub const JSON_KEYS: &[&str] = &["a", "c", "e", "0", "k\"y"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    Text,
    Json,
    /// The hidden field of dynamic keys.
    Meta,
    Ints,
    Texts,
}

impl Kind {
    pub fn is_int(self) -> bool {
        matches!(self, Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64)
    }

    pub fn is_float(self) -> bool {
        matches!(self, Kind::Float | Kind::Double)
    }

    pub fn is_json(self) -> bool {
        matches!(self, Kind::Json | Kind::Meta)
    }

    pub fn is_list(self) -> bool {
        matches!(self, Kind::Ints | Kind::Texts)
    }

    /// What the schema says of it.
    fn words(self) -> &'static str {
        match self {
            Kind::Bool => r#""data_type":"Bool""#,
            Kind::Int8 => r#""data_type":"Int8""#,
            Kind::Int16 => r#""data_type":"Int16""#,
            Kind::Int32 => r#""data_type":"Int32""#,
            Kind::Int64 => r#""data_type":"Int64""#,
            Kind::Float => r#""data_type":"Float""#,
            Kind::Double => r#""data_type":"Double""#,
            Kind::Text => r#""data_type":"VarChar","max_length":40"#,
            Kind::Json | Kind::Meta => r#""data_type":"JSON""#,
            Kind::Ints => r#""data_type":"Array","element_type":"Int32","max_capacity":4"#,
            Kind::Texts => r#""data_type":"Array","element_type":"VarChar","max_length":40,"max_capacity":4"#,
        }
    }

    /// The smallest or the largest number of a type of integers, or one next to it.
    pub fn end(self, random: &mut Random) -> Json {
        let (least, most) = match self {
            Kind::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Kind::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Kind::Int32 => (i32::MIN.into(), i32::MAX.into()),
            _ => (i64::MIN, i64::MAX),
        };
        let near = random.below(2) as i64;
        json!(if random.coin() { least + near } else { most - near })
    }

    pub fn random(self, random: &mut Random) -> Json {
        match self {
            Kind::Bool => json!(random.coin()),
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 if random.below(10) == 0 => self.end(random),
            Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => int(random),
            Kind::Float | Kind::Double => float(random),
            Kind::Text => text(random),
            Kind::Json => loop {
                // Null as a whole document is no document.
                let document = document(random, 2);
                if !document.is_null() {
                    return document;
                }
            },
            Kind::Meta => object(random, 2),
            Kind::Ints => (0..random.below(5)).map(|_| int(random)).collect(),
            Kind::Texts => (0..random.below(5)).map(|_| text(random)).collect(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
    pub default: Option<Json>,
}

impl Field {
    pub fn random(random: &mut Random, name: &str, kind: Kind) -> Field {
        let can_default = !kind.is_json() && !kind.is_list();
        let default = (can_default && random.below(4) == 0).then(|| kind.random(random));
        Field { name: name.to_owned(), kind, nullable: random.coin(), default }
    }

    pub fn to_json(&self) -> String {
        let default = self.default.as_ref().map_or(Json::Null, Json::clone);
        let Field { name, kind, nullable, .. } = self;
        format!(r#"{{"name":"{name}",{},"nullable":{nullable},"default_value":{default}}}"#, kind.words())
    }

    /// What is stored for a value that is given.
    pub fn stored(&self, given: &Json) -> Json {
        if given.is_null() { self.default.clone().unwrap_or(Json::Null) } else { given.clone() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Without the primary key `id` and the vector `v`.
    pub fields: Vec<Field>,
    pub text_key: bool,
    pub auto_id: bool,
    /// `t` is the partition key.
    pub partition_key: bool,
    pub binary: bool,
}

const KINDS: &[(&str, Kind)] = &[
    ("b", Kind::Bool),
    ("i8", Kind::Int8),
    ("i16", Kind::Int16),
    ("i32", Kind::Int32),
    ("i64", Kind::Int64),
    ("f", Kind::Float),
    ("d", Kind::Double),
    ("t", Kind::Text),
    ("j", Kind::Json),
    ("ai", Kind::Ints),
    ("at", Kind::Texts),
];

impl Shape {
    pub fn random(random: &mut Random) -> Shape {
        let mut fields: Vec<Field> =
            KINDS.iter().map(|&(name, kind)| Field::random(random, name, kind)).collect();
        let partition_key = random.below(4) == 0;
        if partition_key {
            let key = fields.iter_mut().find(|field| field.name == "t").unwrap();
            (key.nullable, key.default) = (false, None);
        }
        if random.coin() {
            fields.push(Field { name: "$meta".into(), kind: Kind::Meta, nullable: false, default: None });
        }
        let auto_id = random.below(5) == 0;
        Shape { fields, text_key: random.coin(), auto_id, partition_key, binary: random.below(3) == 0 }
    }

    pub fn schema(&self) -> Schema {
        let key = if self.text_key { Kind::Text } else { Kind::Int64 };
        let vector = match self.binary {
            true => format!(r#""data_type":"BinaryVector","dim":{BITS}"#),
            false => format!(r#""data_type":"FloatVector","dim":{DIM}"#),
        };
        let field = |field: &Field| match self.partition_key && field.name == "t" {
            true => field.to_json().replacen('{', r#"{"is_partition_key":true,"#, 1),
            false => field.to_json(),
        };
        let fields = self.fields.iter().filter(|field| field.kind != Kind::Meta).map(field);
        let text = format!(
            r#"{{"auto_id":{},"enable_dynamic_field":{},"fields":[{{"name":"id",{},"is_primary":true}},
            {{"name":"v",{vector}}},{}]}}"#,
            self.auto_id,
            self.is_dynamic(),
            key.words(),
            fields.collect::<Vec<_>>().join(",")
        );
        Schema::from_json(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub fn is_dynamic(&self) -> bool {
        self.fields.iter().any(|field| field.kind == Kind::Meta)
    }

    pub fn key(&self, random: &mut Random) -> Key {
        let number = random.below(KEYS) as i64;
        if self.text_key { Key::Text(format!("k{number}")) } else { Key::Int(number) }
    }

    pub fn point(&self, random: &mut Random) -> Point {
        match self.binary {
            // A grid: scores are exact, and often equal.
            false => Point::Float((0..DIM).map(|_| (random.below(17) as f32 - 8.0) / 4.0).collect()),
            true => Point::Bits((0..BITS / 8).map(|_| random.next() as u8).collect()),
        }
    }

    /// A row as it is given: with nulls where they may be, or where a default value comes in.
    pub fn row(&self, random: &mut Random) -> Row {
        let cell = |field: &Field, random: &mut Random| {
            let can_lack = field.nullable || field.default.is_some();
            if can_lack && random.below(4) == 0 { Json::Null } else { field.kind.random(random) }
        };
        let cells = self.fields.iter().map(|field| cell(field, random)).collect();
        Row { key: self.key(random), cells, point: self.point(random) }
    }

    /// The row as it is stored.
    pub fn stored(&self, row: &Row) -> Row {
        let cells = self.fields.iter().zip(&row.cells).map(|(field, cell)| field.stored(cell)).collect();
        Row { cells, ..row.clone() }
    }

    pub fn keys(&self, keys: &[Key]) -> ArrayRef {
        match self.text_key {
            true => Arc::new(StringArray::from_iter_values(keys.iter().map(Key::text))),
            false => Arc::new(Int64Array::from_iter_values(keys.iter().map(Key::int))),
        }
    }

    /// The columns of an insert.
    pub fn batch(&self, rows: &[Row]) -> RecordBatch {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        if !self.auto_id {
            let keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
            columns.push(("id".into(), self.keys(&keys)));
        }
        for (at, field) in self.fields.iter().enumerate() {
            columns.push((field.name.clone(), column(field.kind, rows.iter().map(|row| &row.cells[at]))));
        }
        let floats: Vec<Vec<f32>> = rows.iter().filter_map(|row| row.point.floats()).collect();
        let bits: Vec<&[u8]> = rows.iter().filter_map(|row| row.point.bits()).collect();
        columns.push(match self.binary {
            true => ("v".into(), Arc::new(FixedSizeBinaryArray::try_from_iter(bits.into_iter()).unwrap())),
            false => ("v".into(), vectors(&floats)),
        });
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Int(i64),
    Text(String),
}

impl Key {
    fn int(&self) -> i64 {
        let Key::Int(key) = self else { panic!("{self:?}") };
        *key
    }

    fn text(&self) -> &str {
        let Key::Text(key) = self else { panic!("{self:?}") };
        key
    }

    pub fn to_json(&self) -> Json {
        match self {
            Key::Int(key) => json!(key),
            Key::Text(key) => json!(key),
        }
    }

    pub fn of(ids: &ArrayRef) -> Vec<Key> {
        match ids.as_string_opt::<i32>() {
            Some(texts) => texts.iter().map(|text| Key::Text(text.unwrap().to_owned())).collect(),
            None => ids.as_primitive::<Int64Type>().values().iter().map(|&id| Key::Int(id)).collect(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    Float(Vec<f32>),
    Bits(Vec<u8>),
}

impl Point {
    pub fn floats(&self) -> Option<Vec<f32>> {
        if let Point::Float(values) = self { Some(values.clone()) } else { None }
    }

    pub fn bits(&self) -> Option<&[u8]> {
        if let Point::Bits(bytes) = self { Some(bytes) } else { None }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: Key,
    /// A value a field of the shape.
    pub cells: Vec<Json>,
    pub point: Point,
}

pub fn int(random: &mut Random) -> Json {
    json!(random.below(21) as i64 - 10)
}

pub fn float(random: &mut Random) -> Json {
    json!((random.below(201) as f64 - 100.0) / 10.0)
}

pub fn text(random: &mut Random) -> Json {
    json!(random.one(TEXTS))
}

pub fn scalar(random: &mut Random) -> Json {
    match random.below(13) / 2 {
        6 => Kind::Int64.end(random),
        0 => json!(random.coin()),
        1 | 2 => int(random),
        3 | 4 => float(random),
        _ => text(random),
    }
}

/// A JSON value; `depth` levels of lists and objects.
fn document(random: &mut Random, depth: usize) -> Json {
    match random.below(if depth == 0 { 7 } else { 12 }) {
        0 => Json::Null,
        1..7 => scalar(random),
        7..10 => (0..random.below(4)).map(|_| document(random, depth - 1)).collect(),
        _ => object(random, depth - 1),
    }
}

fn object(random: &mut Random, depth: usize) -> Json {
    let mut map = Map::new();
    for key in JSON_KEYS {
        if random.below(3) == 0 {
            map.insert((*key).to_owned(), document(random, depth));
        }
    }
    Json::Object(map)
}

fn column<'r>(kind: Kind, cells: impl Iterator<Item = &'r Json>) -> ArrayRef {
    let ints = |cells: &mut dyn Iterator<Item = &'r Json>| cells.map(Json::as_i64).collect::<Vec<_>>();
    let mut cells = cells;
    match kind {
        Kind::Bool => Arc::new(BooleanArray::from_iter(cells.map(Json::as_bool))),
        Kind::Int8 => Arc::new(Int8Array::from_iter(ints(&mut cells).iter().map(|n| n.map(|n| n as i8)))),
        Kind::Int16 => Arc::new(Int16Array::from_iter(ints(&mut cells).iter().map(|n| n.map(|n| n as i16)))),
        Kind::Int32 => Arc::new(Int32Array::from_iter(ints(&mut cells).iter().map(|n| n.map(|n| n as i32)))),
        Kind::Int64 => Arc::new(Int64Array::from_iter(ints(&mut cells))),
        Kind::Float => Arc::new(Float32Array::from_iter(cells.map(|x| x.as_f64().map(|x| x as f32)))),
        Kind::Double => Arc::new(Float64Array::from_iter(cells.map(Json::as_f64))),
        Kind::Text => Arc::new(StringArray::from_iter(cells.map(Json::as_str))),
        Kind::Json | Kind::Meta => {
            Arc::new(StringArray::from_iter(cells.map(|v| (!v.is_null()).then(|| v.to_string()))))
        }
        Kind::Ints => {
            let mut lists = ListBuilder::new(Int32Builder::new());
            for cell in cells {
                let items = cell.as_array();
                let numbers = items.into_iter().flatten();
                numbers.for_each(|n| lists.values().append_value(n.as_i64().unwrap() as i32));
                lists.append(items.is_some());
            }
            Arc::new(lists.finish())
        }
        Kind::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for cell in cells {
                let items = cell.as_array();
                let texts = items.into_iter().flatten();
                texts.for_each(|text| lists.values().append_value(text.as_str().unwrap()));
                lists.append(items.is_some());
            }
            Arc::new(lists.finish())
        }
    }
}

/// A value of a column as it is stored.
pub fn cell(kind: Kind, array: &ArrayRef, row: usize) -> Json {
    if array.is_null(row) {
        return Json::Null;
    }
    match kind {
        Kind::Bool => json!(array.as_boolean().value(row)),
        Kind::Int8 => json!(array.as_primitive::<Int8Type>().value(row)),
        Kind::Int16 => json!(array.as_primitive::<Int16Type>().value(row)),
        Kind::Int32 => json!(array.as_primitive::<Int32Type>().value(row)),
        Kind::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        // Tenths, which 32 bits cannot hold.
        Kind::Float => {
            json!((f64::from(array.as_primitive::<Float32Type>().value(row)) * 10.0).round() / 10.0)
        }
        Kind::Double => json!(array.as_primitive::<Float64Type>().value(row)),
        Kind::Text => json!(array.as_string::<i32>().value(row)),
        Kind::Json | Kind::Meta => serde_json::from_str(array.as_string::<i32>().value(row)).unwrap(),
        Kind::Ints => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|at| cell(Kind::Int32, &list, at)).collect()
        }
        Kind::Texts => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|at| cell(Kind::Text, &list, at)).collect()
        }
    }
}
