//! What a field may say beside its type: null values, a default value, the elements of an array.
//!
//! As Milvus 2.5 has them: `milvus.io/docs/nullable-and-default.md`, `milvus.io/docs/array_data_type.md`.

use super::{DataType, Field, MAX_CAPACITY};
use crate::error::{Error, Result};
use serde_json::Value;

/// Checks what the field says beside its type.
pub(super) fn check(field: &Field) -> Result<()> {
    let name = &field.name;
    if field.nullable && field.is_primary {
        return Err(Error::invalid(format!("primary field not support null, field name = {name}")));
    }
    if field.nullable && field.is_partition_key {
        return Err(Error::invalid(format!("partition key field not support nullable, field name = {name}")));
    }
    if field.nullable && field.data_type.is_vector() {
        return Err(Error::invalid(format!("vector type not support null, field name = {name}")));
    }
    check_array(field)?;
    field.default_value.as_ref().map_or(Ok(()), |value| check_default(field, value))
}

fn check_array(field: &Field) -> Result<()> {
    let name = &field.name;
    match (field.data_type, field.element_type) {
        (DataType::Array, None) => Err(Error::invalid(format!("element data type is not set, field {name}"))),
        (DataType::Array, Some(element)) if !element.is_element() => {
            Err(Error::invalid(format!("element type {} is not supported, field {name}", element.name())))
        }
        (DataType::Array, _) if !(1..=MAX_CAPACITY).contains(&(field.max_capacity as i64)) => {
            Err(Error::invalid(format!(
                "the maximum capacity specified for a Array should be in (0, {MAX_CAPACITY}], field {name} has {}",
                field.max_capacity
            )))
        }
        _ => Ok(()),
    }
}

fn check_default(field: &Field, value: &Value) -> Result<()> {
    use DataType::*;
    let name = &field.name;
    if field.is_primary {
        return Err(Error::invalid(format!("primary field not support default_value, field name = {name}")));
    }
    let ints = |low: i64, high: i64| match value.as_i64() {
        Some(n) if (low..=high).contains(&n) => Ok(()),
        _ if value.is_i64() || value.is_u64() => Err(Error::invalid(format!(
            "default value out of range: invalid parameter[expected in ({low}, {high})][actual={value}], field {name}"
        ))),
        _ => Err(clash(field, value)),
    };
    if let Some((low, high)) = field.data_type.integer_range() {
        return ints(low, high);
    }
    match field.data_type {
        Bool if value.is_boolean() => Ok(()),
        Float => match value.as_f64() {
            Some(x) if (x as f32).is_finite() => Ok(()),
            Some(x) => {
                Err(Error::invalid(format!("default value {x} of field {name} is out of the range of Float")))
            }
            None => Err(clash(field, value)),
        },
        Double if value.is_number() => Ok(()),
        VarChar => match value.as_str() {
            Some(text) if text.len() > field.max_length => Err(Error::invalid(format!(
                "the length ({}) of string exceeds max length ({}): default value of field {name}",
                text.len(),
                field.max_length
            ))),
            Some(_) => Ok(()),
            None => Err(clash(field, value)),
        },
        Array | Json | BinaryVector | FloatVector => Err(Error::invalid(format!(
            "type not support default_value, type:{}, name:{name}",
            field.data_type.name()
        ))),
        _ => Err(clash(field, value)),
    }
}

fn clash(field: &Field, value: &Value) -> Error {
    let (of_field, name) = (field.data_type.name(), &field.name);
    let of_value = match value {
        Value::Null => "Null",
        Value::Bool(_) => "Bool",
        Value::Number(n) if n.is_f64() => "Double",
        Value::Number(_) => "Int64",
        Value::String(_) => "VarChar",
        Value::Array(_) => "Array",
        Value::Object(_) => "JSON",
    };
    Error::invalid(format!(
        "type ({of_field}) of field ({name}) is not equal to the type({of_value}) of default_value"
    ))
}
