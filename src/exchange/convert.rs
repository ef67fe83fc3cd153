//! Columns of the wider types that other tools prefer, as those of the schema.

use crate::error::{Error, Result};
use crate::schema::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeBinaryArray, Float32Array, Float64Array, ListArray, PrimitiveArray,
};
use arrow_buffer::Buffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField};
use std::sync::Arc;

/// Integers of any width as those of the field; one that does not fit is an error. Other columns stay as they are.
pub fn integers(field: &Field, column: &ArrayRef, first_row: u64) -> Result<ArrayRef> {
    if column.data_type() == &field.arrow_type() {
        return Ok(column.clone());
    }
    let Some(wide) = widened_integers(column) else { return Ok(column.clone()) };
    match field.data_type {
        DataType::Int8 => narrowed::<Int8Type>(field, wide, first_row),
        DataType::Int16 => narrowed::<Int16Type>(field, wide, first_row),
        DataType::Int32 => narrowed::<Int32Type>(field, wide, first_row),
        _ => narrowed::<Int64Type>(field, wide, first_row),
    }
}

/// The values of a column of integers; `None` for other columns.
fn widened_integers(column: &ArrayRef) -> Option<Vec<Option<i64>>> {
    Some(match column.data_type() {
        ArrowType::Int8 => widened::<Int8Type>(column),
        ArrowType::Int16 => widened::<Int16Type>(column),
        ArrowType::Int32 => widened::<Int32Type>(column),
        ArrowType::Int64 => widened::<Int64Type>(column),
        ArrowType::UInt8 => widened::<UInt8Type>(column),
        ArrowType::UInt16 => widened::<UInt16Type>(column),
        ArrowType::UInt32 => widened::<UInt32Type>(column),
        _ => return None,
    })
}

fn widened<T: ArrowPrimitiveType<Native: Into<i64>>>(column: &ArrayRef) -> Vec<Option<i64>> {
    column.as_primitive::<T>().iter().map(|value| value.map(Into::into)).collect()
}

fn narrowed<T: ArrowPrimitiveType<Native: TryFrom<i64>>>(
    field: &Field,
    wide: Vec<Option<i64>>,
    first_row: u64,
) -> Result<ArrayRef> {
    let mut narrow: Vec<Option<T::Native>> = Vec::with_capacity(wide.len());
    for (row, value) in (first_row..).zip(wide) {
        let fits = |value| T::Native::try_from(value).map_err(|_| out_of_range(field, row, value));
        narrow.push(value.map(fits).transpose()?);
    }
    Ok(Arc::new(PrimitiveArray::<T>::from_iter(narrow)))
}

/// An integer that its field has no room for.
pub fn out_of_range(field: &Field, row: u64, value: impl std::fmt::Display) -> Error {
    let (name, of) = (&field.name, field.data_type.name());
    let (low, high) = field.data_type.integer_range().unwrap_or((i64::MIN, i64::MAX));
    Error::invalid(format!(
        "row {row}: field {name}: the value {value} is out of range of {of}: [{low}, {high}]"
    ))
}

/// Floats of either width, and integers, as floats of the field: rounded to the nearest, as in Milvus. Other columns stay as
/// they are.
pub fn floats(field: &Field, column: &ArrayRef) -> ArrayRef {
    match (field.data_type, column.data_type()) {
        (DataType::Float, ArrowType::Float64) => Arc::new(single(column)),
        (DataType::Double, ArrowType::Float32) => {
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from)) as ArrayRef
        }
        (kind, _) => match widened_integers(column) {
            Some(wide) if kind == DataType::Float => Arc::new(Float32Array::from_iter(
                wide.into_iter().map(|value| value.map(|value| value as f32)),
            )),
            Some(wide) => Arc::new(Float64Array::from_iter(
                wide.into_iter().map(|value| value.map(|value| value as f64)),
            )),
            None => column.clone(),
        },
    }
}

fn single(column: &ArrayRef) -> Float32Array {
    let doubles: &Float64Array = column.as_primitive::<Float64Type>();
    doubles.unary::<_, Float32Type>(|value| value as f32)
}

/// Lists of doubles as lists of floats. Other columns stay as they are.
pub fn float_lists(column: &ArrayRef) -> ArrayRef {
    let Some(lists) = column.as_list_opt::<i32>().filter(|lists| lists.value_type() == ArrowType::Float64)
    else {
        return column.clone();
    };
    let item = Arc::new(ArrowField::new("element", ArrowType::Float32, true));
    let (_, offsets, values, nulls) = lists.clone().into_parts();
    Arc::new(ListArray::new(item, offsets, Arc::new(single(&values)), nulls))
}

/// Lists of bytes, or binaries, as the packed bits of a binary vector. Other columns stay as they are.
pub fn packed_bits(field: &Field, column: &ArrayRef, first_row: u64) -> Result<ArrayRef> {
    let (offsets, bytes): (&[i32], Buffer) = if let Some(lists) = column.as_list_opt::<i32>() {
        let Some(values) = lists.values().as_primitive_opt::<UInt8Type>().filter(|v| v.null_count() == 0)
        else {
            return Ok(column.clone());
        };
        (lists.value_offsets(), values.values().inner().clone())
    } else if let Some(binaries) = column.as_binary_opt::<i32>() {
        (binaries.value_offsets(), binaries.values().clone())
    } else {
        return Ok(column.clone());
    };
    let width = field.dim / 8;
    if column.null_count() > 0 {
        let row = (0..column.len()).find(|&row| column.is_null(row)).unwrap_or_default() as u64 + first_row;
        return Err(Error::invalid(format!("row {row}: field {}: a vector should not be null", field.name)));
    }
    for (row, pair) in (first_row..).zip(offsets.windows(2)) {
        let got = (pair[1] - pair[0]) as usize;
        if got != width {
            return Err(Error::invalid(format!(
                "row {row}: the dim ({}) of field data({}) is not equal to schema dim ({})",
                got * 8,
                field.name,
                field.dim
            )));
        }
    }
    let bytes = bytes.slice_with_length(offsets[0] as usize, column.len() * width);
    FixedSizeBinaryArray::try_new(width as i32, bytes, None)
        .map(|vectors| Arc::new(vectors) as ArrayRef)
        .map_err(|e| Error::internal(e.to_string()))
}
