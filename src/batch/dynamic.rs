//! The dynamic field: columns that are no field become keys of one JSON object a row, and come out of it again.
//! `milvus.io/docs/enable-dynamic-field.md`.

use super::column::{check_json, check_json_length, not_finite, strings};
use crate::error::{Error, Result};
use crate::schema::{DYNAMIC_FIELD, Field, Schema};
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType as ArrowType, extension::EXTENSION_TYPE_NAME_KEY};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// The extension type of an Arrow field whose texts are JSON: such a column's values become JSON values of their own and
/// not texts.
pub const JSON_EXTENSION: &str = "arrow.json";

/// A column of dynamic keys.
struct Dynamic<'a> {
    name: &'a str,
    values: ArrayRef,
    is_json: bool,
}

/// The column of the dynamic field: the objects of the column `$meta`, if there is one, and each column that is no field
/// as a key of that name. A null adds no key. With `shadows`, the objects may have keys that are names of fields.
pub fn column(schema: &Schema, columns: &RecordBatch, shadows: bool) -> Result<ArrayRef> {
    let field = Field::dynamic();
    let objects = match columns.column_by_name(DYNAMIC_FIELD) {
        Some(objects) => Some(strings(&field, objects)?),
        None => None,
    };
    let given = columns.schema_ref().fields().iter().zip(columns.columns());
    let unknown = given.filter(|(given, _)| schema.field(given.name()).is_none());
    let unknown: Vec<Dynamic> = unknown
        .map(|(given, values)| Dynamic {
            name: given.name(),
            values: values.clone(),
            is_json: given.metadata().get(EXTENSION_TYPE_NAME_KEY).is_some_and(|name| name == JSON_EXTENSION),
        })
        .collect();
    let mut row_text = String::new();
    let mut texts = StringBuilder::new();
    for row in 0..columns.num_rows() {
        row_text.clear();
        let object =
            objects.as_ref().filter(|objects| objects.is_valid(row)).map(|objects| objects.value(row));
        let fields = Some(schema).filter(|_| !shadows);
        object_of_row(fields, &unknown, object, row, &mut row_text)?;
        // What it is made of was checked.
        check_json_length(&field, row, &row_text)?;
        if texts.values_slice().len() + row_text.len() > i32::MAX as usize {
            return Err(Error::invalid(format!(
                "the texts of field {DYNAMIC_FIELD} have more than 2^31 - 1 bytes; insert fewer rows"
            )));
        }
        texts.append_value(&row_text);
    }
    Ok(Arc::new(texts.finish()))
}

fn object_of_row(
    fields: Option<&Schema>,
    unknown: &[Dynamic],
    object: Option<&str>,
    row: usize,
    out: &mut String,
) -> Result<()> {
    let mut is_empty = true;
    match object {
        Some(object) => {
            let keys = check_object(fields, unknown, object, row)?;
            is_empty = keys == 0;
            out.push_str(object.trim_end().strip_suffix('}').unwrap_or("{"));
        }
        None => out.push('{'),
    }
    for column in unknown.iter().filter(|column| column.values.is_valid(row)) {
        if !is_empty {
            out.push(',');
        }
        is_empty = false;
        push_text(column.name, out);
        out.push(':');
        push_value(&column.values, row, column.is_json, out)
            .map_err(|e| e.within(format!("dynamic field {}, row {row}", column.name)))?;
    }
    out.push('}');
    Ok(())
}

/// Checks what a row gives as `$meta`, none of whose keys may be one of the `fields`; says how many keys it has.
fn check_object(fields: Option<&Schema>, unknown: &[Dynamic], object: &str, row: usize) -> Result<usize> {
    let Keys(keys) = serde_json::from_str(object).map_err(|e| {
        Error::invalid(format!(
            "the value of json field {DYNAMIC_FIELD} is not a JSON object, row number: {row}: {e}"
        ))
    })?;
    for key in &keys {
        if key == DYNAMIC_FIELD {
            return Err(Error::invalid(format!("cannot set key to: {DYNAMIC_FIELD}")));
        }
        if fields.is_some_and(|schema| schema.field(key).is_some()) {
            return Err(Error::invalid(format!(
                "dynamic field name cannot include the static field name: {key}"
            )));
        }
        if unknown.iter().any(|column| column.name == key) {
            return Err(Error::invalid(format!(
                "dynamic key {key} is in {DYNAMIC_FIELD} and a column of its own, row number: {row}"
            )));
        }
    }
    Ok(keys.len())
}

/// The keys of an object.
struct Keys(Vec<String>);

impl<'t> Deserialize<'t> for Keys {
    fn deserialize<D: Deserializer<'t>>(json: D) -> Result<Keys, D::Error> {
        struct Object;

        impl<'t> Visitor<'t> for Object {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }

        json.deserialize_map(Object)
    }
}

fn push_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Writes a value as JSON.
fn push_value(values: &ArrayRef, row: usize, is_json: bool, out: &mut String) -> Result<()> {
    if values.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match values.data_type() {
        ArrowType::Null => out.push_str("null"),
        ArrowType::Boolean => out.push_str(if values.as_boolean().value(row) { "true" } else { "false" }),
        ArrowType::Int8 => push_whole::<Int8Type>(values, row, out),
        ArrowType::Int16 => push_whole::<Int16Type>(values, row, out),
        ArrowType::Int32 => push_whole::<Int32Type>(values, row, out),
        ArrowType::Int64 => push_whole::<Int64Type>(values, row, out),
        ArrowType::UInt8 => push_whole::<UInt8Type>(values, row, out),
        ArrowType::UInt16 => push_whole::<UInt16Type>(values, row, out),
        ArrowType::UInt32 => push_whole::<UInt32Type>(values, row, out),
        ArrowType::UInt64 => push_whole::<UInt64Type>(values, row, out),
        ArrowType::Float32 => {
            let x = values.as_primitive::<Float32Type>().value(row);
            // The shortest text of the float, which is not that of the same value in 64 bits.
            let shortest = format!("{x:?}");
            push_float(shortest.parse().unwrap_or(f64::NAN), x, out)?;
        }
        ArrowType::Float64 => {
            let x = values.as_primitive::<Float64Type>().value(row);
            push_float(x, x as f32, out)?;
        }
        ArrowType::Utf8 => push_string(values.as_string::<i32>().value(row), row, is_json, out)?,
        ArrowType::LargeUtf8 => push_string(values.as_string::<i64>().value(row), row, is_json, out)?,
        ArrowType::List(_) => push_list(&values.as_list::<i32>().value(row), out)?,
        ArrowType::LargeList(_) => push_list(&values.as_list::<i64>().value(row), out)?,
        ArrowType::FixedSizeList(..) => push_list(&values.as_fixed_size_list().value(row), out)?,
        ArrowType::Struct(fields) => {
            out.push('{');
            for (at, (field, column)) in fields.iter().zip(values.as_struct().columns()).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_text(field.name(), out);
                out.push(':');
                push_value(column, row, false, out)?;
            }
            out.push('}');
        }
        other => return Err(Error::invalid(format!("a column of {other} cannot be a value of JSON"))),
    }
    Ok(())
}

fn push_whole<T: ArrowPrimitiveType>(values: &ArrayRef, row: usize, out: &mut String)
where
    T::Native: fmt::Display,
{
    out.push_str(&values.as_primitive::<T>().value(row).to_string());
}

fn push_float(x: f64, shown: f32, out: &mut String) -> Result<()> {
    let number = serde_json::Number::from_f64(x).ok_or_else(|| not_finite(shown))?;
    out.push_str(&number.to_string());
    Ok(())
}

fn push_string(text: &str, row: usize, is_json: bool, out: &mut String) -> Result<()> {
    if !is_json {
        push_text(text, out);
        return Ok(());
    }
    check_json(&Field::dynamic(), row, text)?;
    out.push_str(text);
    Ok(())
}

fn push_list(values: &ArrayRef, out: &mut String) -> Result<()> {
    out.push('[');
    for row in 0..values.len() {
        if row > 0 {
            out.push(',');
        }
        push_value(values, row, false, out)?;
    }
    out.push(']');
    Ok(())
}

/// The dynamic key that an output field names, where the schema has no field of that name: `key`, if that is an identifier
/// of filters, or `$meta["key"]` for any.
pub fn key_of<'n>(schema: &Schema, name: &'n str) -> Option<&'n str> {
    schema.dynamic_at()?;
    if schema.field(name).is_some() {
        return None;
    }
    let Some(rest) = name.strip_prefix(DYNAMIC_FIELD) else {
        return Some(name).filter(|name| is_identifier(name));
    };
    let quoted = rest.trim_ascii().strip_prefix('[')?.strip_suffix(']')?.trim_ascii();
    let key = ['"', '\''].iter().find_map(|quote| quoted.strip_prefix(*quote)?.strip_suffix(*quote))?;
    (!key.is_empty() && !key.contains(['"', '\'', '\\'])).then_some(key)
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What the dynamic objects have at a key, as JSON; null where they lack it.
pub fn values_of_key(objects: &ArrayRef, key: &str) -> ArrayRef {
    let texts = objects.as_string::<i32>().iter();
    Arc::new(StringArray::from_iter(texts.map(|object| value_of_key(object?, key))))
}

fn value_of_key<'t>(object: &'t str, key: &str) -> Option<&'t str> {
    struct Seek<'k>(&'k str);

    impl<'t> Visitor<'t> for Seek<'_> {
        type Value = Option<&'t str>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Option<&'t str>, A::Error> {
            let mut found = None;
            while let Some((key, value)) = map.next_entry::<String, &'t RawValue>()? {
                if found.is_none() && key == self.0 {
                    found = Some(value.get());
                }
            }
            Ok(found)
        }
    }

    let mut json = serde_json::Deserializer::from_str(object);
    Deserializer::deserialize_map(&mut json, Seek(key)).ok().flatten()
}
