//! Reading rows: each object is taken apart into the texts of its values, and the texts of a field become a column.

use super::split::Split;
use crate::error::{Code, Error, Result};
use crate::exchange::file::SourceFile;
use crate::exchange::{BATCH_ROWS, Format, Source};
use crate::schema::{DYNAMIC_FIELD, DataType, Field, Schema, float_item};
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, ListArray,
    PrimitiveArray, RecordBatch, StringArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::Field as ArrowField;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes of text after which a batch ends.
const BATCH_BYTES: usize = 8 << 20;
/// So much of a wrong value is shown.
const SHOWN: usize = 40;

/// A file of rows being read.
pub struct Reader {
    schema: Arc<Schema>,
    split: Split,
    row: u64,
}

impl Reader {
    pub fn new(schema: &Arc<Schema>, file: SourceFile, format: Format) -> Reader {
        Reader { schema: schema.clone(), split: Split::new(file, format), row: 0 }
    }
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        while ends.len() < BATCH_ROWS && bytes.len() < BATCH_BYTES && self.split.next(&mut bytes)? {
            ends.push(bytes.len());
        }
        if ends.is_empty() {
            return Ok(None);
        }
        let first = self.row;
        self.row += ends.len() as u64;
        batch(&self.schema, &bytes, &ends, first).map(Some)
    }

    fn done(&self) -> u64 {
        self.split.done()
    }

    fn total(&self) -> u64 {
        self.split.total()
    }
}

/// The rows whose texts end at `ends`, as columns. A field that no row has is left out: what that means is the insert's to
/// say.
fn batch(schema: &Schema, bytes: &[u8], ends: &[usize], first: u64) -> Result<RecordBatch> {
    let fields = schema.fields();
    let mut values: Vec<Vec<Option<&str>>> = vec![vec![None; ends.len()]; fields.len()];
    let mut objects: Vec<String> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for (at, &end) in ends.iter().enumerate() {
        let within = |error: Error| error.within(format!("row {}", first + at as u64));
        let object = take_apart(schema, &bytes[start..end], |place, value| values[place][at] = Some(value))
            .map_err(within)?;
        objects.push(object);
        start = end;
    }
    if let Some(place) = schema.dynamic_at() {
        values[place] = objects.iter().map(|object| Some(object.as_str())).collect();
    }
    let mut columns: Vec<(&str, ArrayRef)> = Vec::with_capacity(fields.len());
    for (field, texts) in fields.iter().zip(&values) {
        if texts.iter().any(Option::is_some) {
            columns.push((&field.name, column(field, texts, &|at| first + at as u64)?));
        }
    }
    if columns.is_empty() {
        return Err(Error::new(Code::MissingParameter, format!("row {first} has none of the fields")));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .map_err(|e| Error::internal(e.to_string()))
}

/// The keys of an object with the texts of their values.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(entries)
            }
        }
        from.deserialize_map(Entries).map(Object)
    }
}

/// Gives each value of the object with the place of its field; a null counts as absent. Returns the object of the dynamic
/// field: the keys that are no field, with those that the object has under `$meta`.
fn take_apart<'a>(schema: &Schema, bytes: &'a [u8], mut each: impl FnMut(usize, &'a str)) -> Result<String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::invalid(format!("it is not UTF-8 at its byte {}", e.valid_up_to())))?;
    let Object(entries) =
        serde_json::from_str(text).map_err(|e| Error::invalid(format!("it is not JSON: {e}")))?;
    let mut seen = vec![false; schema.fields().len()];
    let (mut keys, mut names) = (Vec::new(), HashSet::new());
    for (key, value) in entries {
        match schema.field(&key) {
            Some((place, _)) => {
                if std::mem::replace(&mut seen[place], true) {
                    return Err(Error::invalid(format!("field {key} is given twice")));
                }
                if schema.dynamic_at() == Some(place) {
                    keys.extend(dynamic_keys(value.get())?);
                } else if value.get() != "null" {
                    each(place, value.get());
                }
            }
            None if schema.dynamic_at().is_some() => {
                keys.push(format!("{}:{value}", Value::from(&*key)));
                if !names.insert(key.clone()) {
                    return Err(Error::invalid(format!("dynamic field {key} is given twice")));
                }
            }
            None => return Err(Error::new(Code::FieldNotFound, format!("field {key} not exist"))),
        }
    }
    Ok(format!("{{{}}}", keys.join(",")))
}

/// What stands between the brackets of a dynamic object, which may be in a string, as in Milvus.
fn dynamic_keys(text: &str) -> Result<Option<String>> {
    let object = json_text(text).unwrap_or_default();
    let is_object = serde_json::from_str::<Object>(&object).is_ok();
    let inner = object.trim_ascii().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    match inner {
        Some(inner) if is_object => Ok(Some(inner.trim_ascii()).filter(|i| !i.is_empty()).map(str::to_owned)),
        _ if text == "null" => Ok(None),
        _ => Err(Error::invalid(format!("field {DYNAMIC_FIELD}: {text} should be an object"))),
    }
}

/// The column of a field from the texts of its values, each of which is of the row that `row_of` says.
fn column(field: &Field, texts: &[Option<&str>], row_of: &dyn Fn(usize) -> u64) -> Result<ArrayRef> {
    let values = Texts { field, texts, row_of };
    match field.data_type {
        DataType::Array => values.arrays(),
        DataType::Bool => {
            values.each(|text| bool::from_str(text).ok()).map(|v| Arc::new(BooleanArray::from(v)) as ArrayRef)
        }
        DataType::Int8 => values.integers::<Int8Type>(),
        DataType::Int16 => values.integers::<Int16Type>(),
        DataType::Int32 => values.integers::<Int32Type>(),
        DataType::Int64 => values.integers::<Int64Type>(),
        DataType::Float => values.primitive::<Float32Type>(|text| finite(text.parse().ok(), f32::is_finite)),
        DataType::Double => values.primitive::<Float64Type>(|text| finite(text.parse().ok(), f64::is_finite)),
        DataType::VarChar => values.strings(unquoted),
        DataType::Json => values.strings(json_text),
        DataType::FloatVector => {
            values.vectors(field.dim, |text| text.parse().ok()).and_then(|floats: Vec<f32>| {
                let floats = Arc::new(Float32Array::from(floats));
                made(FixedSizeListArray::try_new(float_item(), field.dim as i32, floats, None))
            })
        }
        DataType::BinaryVector => {
            values.vectors(field.dim / 8, |text| text.parse().ok()).and_then(|bytes: Vec<u8>| {
                made(FixedSizeBinaryArray::try_new((field.dim / 8) as i32, bytes.into(), None))
            })
        }
    }
}

fn made<A: arrow_array::Array + 'static>(array: Result<A, arrow_schema::ArrowError>) -> Result<ArrayRef> {
    array.map(|array| Arc::new(array) as ArrayRef).map_err(|e| Error::internal(e.to_string()))
}

fn finite<T: Copy>(value: Option<T>, is_finite: impl Fn(T) -> bool) -> Option<T> {
    value.filter(|&value| is_finite(value))
}

/// The text that a JSON string stands for.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(text).ok().map(|Text(text)| text)
}

/// The text of a JSON field: the value as it stands, or what stands in a string, as in Milvus.
fn json_text(text: &str) -> Option<Cow<'_, str>> {
    if text.starts_with('"') { unquoted(text) } else { Some(Cow::Borrowed(text)) }
}

/// The texts of a field's values.
struct Texts<'a> {
    field: &'a Field,
    texts: &'a [Option<&'a str>],
    /// The row of the file that a text is of.
    row_of: &'a dyn Fn(usize) -> u64,
}

impl<'a> Texts<'a> {
    fn each<T>(&self, parse: impl Fn(&'a str) -> Option<T>) -> Result<Vec<Option<T>>> {
        let one = |(at, text): (usize, &Option<&'a str>)| match *text {
            None => Ok(None),
            Some(text) => parse(text).map(Some).ok_or_else(|| self.wrong(at, text)),
        };
        self.texts.iter().enumerate().map(one).collect()
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(self.each(parse)?)))
    }

    fn integers<T: ArrowPrimitiveType<Native: FromStr>>(&self) -> Result<ArrayRef> {
        self.primitive::<T>(|text| text.parse().ok())
    }

    fn strings(&self, parse: impl Fn(&'a str) -> Option<Cow<'a, str>>) -> Result<ArrayRef> {
        Ok(Arc::new(StringArray::from_iter(self.each(parse)?)))
    }

    /// Arrays of values.
    fn arrays(&self) -> Result<ArrayRef> {
        let internal = |what: String| Error::internal(format!("array field {}: {what}", self.field.name));
        let element = self.field.element().ok_or_else(|| internal("no type of elements".to_owned()))?;
        let (mut elements, mut ends) = (Vec::new(), vec![0]);
        for (at, text) in self.texts.iter().enumerate() {
            if let Some(text) = *text {
                let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| self.wrong(at, text))?;
                elements.extend(values.iter().map(|value| Some(value.get()).filter(|text| *text != "null")));
            }
            ends.push(elements.len() as i32);
        }
        let row_of = |at: usize| (self.row_of)(ends.partition_point(|&end| end as usize <= at) - 1);
        let elements = column(&element, &elements, &row_of)?;
        let item = Arc::new(ArrowField::new("item", elements.data_type().clone(), true));
        let nulls = NullBuffer::from_iter(self.texts.iter().map(Option::is_some));
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        made(ListArray::try_new(item, OffsetBuffer::new(ends.clone().into()), elements, nulls))
    }

    /// Arrays of `length` numbers, one after the other.
    fn vectors<T>(&self, length: usize, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(self.texts.len() * length);
        for (at, text) in self.texts.iter().enumerate() {
            let Some(text) = *text else { return Err(self.error(at, "a vector should not be null")) };
            let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            let inner = inner.ok_or_else(|| self.wrong(at, text))?.trim_ascii();
            let before = all.len();
            // A comma inside a nested value leaves parts that are no numbers.
            for part in inner.split(',').filter(|_| !inner.is_empty()) {
                all.push(parse(part.trim_ascii()).ok_or_else(|| self.wrong(at, part))?);
            }
            let got = all.len() - before;
            if got != length {
                let (name, dim) = (&self.field.name, self.field.dim);
                let got = got * (dim / length);
                let row = (self.row_of)(at);
                return Err(Error::invalid(format!(
                    "row {row}: the dim ({got}) of field data({name}) is not equal to schema dim ({dim})"
                )));
            }
        }
        Ok(all)
    }

    fn wrong(&self, at: usize, text: &str) -> Error {
        let wanted = self.field.data_type.name();
        let is_integer = matches!(
            self.field.data_type,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
        );
        if is_integer && text.parse::<i128>().is_ok() {
            let (low, high) = self.field.data_type.integer_range().unwrap_or((i64::MIN, i64::MAX));
            return self.error(at, &format!("the value {text} is out of range of {wanted}: [{low}, {high}]"));
        }
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { "..." } else { "" };
        self.error(at, &format!("{shown}{more} is no value of type {wanted}"))
    }

    fn error(&self, at: usize, what: &str) -> Error {
        Error::invalid(format!("row {}: field {}: {what}", (self.row_of)(at), self.field.name))
    }
}
