//! Columns of the wider types that other tools prefer, as those of the schema.

use crate::batch;
use crate::error::{Error, Result};
use crate::schema::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt8Type};
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, Float32Array, Float64Array, ListArray};
use arrow_buffer::Buffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField};
use std::sync::Arc;

/// Floats of either width, and integers, as floats of the field: rounded to the nearest, as in Milvus. Other columns stay as
/// they are.
pub fn floats(field: &Field, column: &ArrayRef) -> ArrayRef {
    match (field.data_type, column.data_type()) {
        (DataType::Float, ArrowType::Float64) => Arc::new(single(column)),
        (DataType::Double, ArrowType::Float32) => {
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from)) as ArrayRef
        }
        (kind, _) => match batch::integers(column) {
            Some(whole) if kind == DataType::Float => {
                Arc::new(Float32Array::from_iter(whole.map(|value| value.map(|value| value as f32))))
            }
            Some(whole) => {
                Arc::new(Float64Array::from_iter(whole.map(|value| value.map(|value| value as f64))))
            }
            None => column.clone(),
        },
    }
}

fn single(column: &ArrayRef) -> Float32Array {
    let doubles: &Float64Array = column.as_primitive::<Float64Type>();
    doubles.unary::<_, Float32Type>(|value| value as f32)
}

/// Lists of such floats, where the field has a vector or an array of floats. Other columns stay as they are.
pub fn float_lists(field: &Field, column: &ArrayRef) -> ArrayRef {
    let element = match field.data_type {
        DataType::FloatVector => Some(Field::new(&field.name, DataType::Float)),
        _ => field.element().filter(|of| matches!(of.data_type, DataType::Float | DataType::Double)),
    };
    let (Some(element), Some(lists)) = (element, column.as_list_opt::<i32>()) else { return column.clone() };
    let (_, offsets, values, nulls) = lists.clone().into_parts();
    let values = floats(&element, &values);
    let item = Arc::new(ArrowField::new("element", values.data_type().clone(), true));
    Arc::new(ListArray::new(item, offsets, values, nulls))
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
