//! Values where none was given: null, or the field's default value.

use crate::error::{Error, Result};
use crate::schema::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, StringArray, new_null_array};
use serde_json::Value;
use std::sync::Arc;

/// Whether a row may give no value of the field.
pub fn can_be_absent(field: &Field) -> bool {
    field.nullable || field.default_value.is_some()
}

/// The column of `rows` rows that give no value.
pub fn absent(field: &Field, rows: usize) -> Result<ArrayRef> {
    let nulls = new_null_array(&field.arrow_type(), rows);
    if field.default_value.is_some() { self::nulls(field, &nulls) } else { Ok(nulls) }
}

/// The column, in the field's type, with the default value in the place of its nulls, if there is one. Under what stays
/// null are zeros, so that what is stored depends on nothing but the values.
pub fn nulls(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    let default = field.default_value.as_ref();
    let int = || default.and_then(Value::as_i64);
    let float = || default.and_then(Value::as_f64);
    Ok(match field.data_type {
        DataType::Bool => {
            let default = default.and_then(Value::as_bool);
            Arc::new(BooleanArray::from_iter(column.as_boolean().iter().map(|value| value.or(default))))
        }
        DataType::Int8 => numbers::<Int8Type>(column, int().map(|n| n as i8)),
        DataType::Int16 => numbers::<Int16Type>(column, int().map(|n| n as i16)),
        DataType::Int32 => numbers::<Int32Type>(column, int().map(|n| n as i32)),
        DataType::Int64 => numbers::<Int64Type>(column, int()),
        DataType::Float => numbers::<Float32Type>(column, float().map(|x| x as f32)),
        DataType::Double => numbers::<Float64Type>(column, float()),
        DataType::VarChar | DataType::Json => {
            let default = default.and_then(Value::as_str);
            let texts = column.as_string::<i32>().iter().map(|text| text.or(default));
            Arc::new(StringArray::from_iter(texts))
        }
        // Null lists are empty since they got the field's type.
        DataType::Array => column.clone(),
        DataType::BinaryVector | DataType::FloatVector => {
            return Err(Error::internal(format!("vectors of field {} with nulls", field.name)));
        }
    })
}

fn numbers<T: ArrowPrimitiveType>(column: &ArrayRef, default: Option<T::Native>) -> ArrayRef {
    let values = column.as_primitive::<T>().iter().map(|value| value.or(default));
    Arc::new(PrimitiveArray::<T>::from_iter(values))
}
