//! One column, checked against its field and brought to the one form.

use super::{array, fill};
use crate::error::{Error, Result};
use crate::schema::{DataType, Field, MAX_JSON, float_item};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, GenericListArray, GenericStringArray, OffsetSizeTrait,
    PrimitiveArray, StringArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// Checks a column and brings it to the one form; where it has nulls, they get the field's default value.
pub fn canonical(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    if fill::can_be_absent(field) {
        if column.data_type() == &ArrowType::Null {
            return fill::absent(field, column.len());
        }
    } else {
        no_nulls(field, column)?;
    }
    let mut typed = typed(field, column)?;
    if typed.null_count() > 0 {
        typed = fill::nulls(field, &typed)?;
    }
    check(field, &typed)?;
    Ok(typed)
}

/// The column in the field's type, with its nulls.
pub(super) fn typed(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    match field.data_type {
        DataType::FloatVector => float_vectors(field, column),
        DataType::BinaryVector => {
            let Some(vectors) = column.as_fixed_size_binary_opt() else {
                return Err(wrong_type(field, column));
            };
            if vectors.value_length() as usize * 8 != field.dim {
                return Err(wrong_dim(field, vectors.value_length() as usize * 8));
            }
            Ok(column.clone())
        }
        DataType::VarChar | DataType::Json => Ok(Arc::new(strings(field, column)?)),
        DataType::Array => array::typed(field, column),
        _ if column.data_type() == &field.arrow_type() => Ok(column.clone()),
        DataType::Int8 => resized::<Int8Type>(field, column),
        DataType::Int16 => resized::<Int16Type>(field, column),
        DataType::Int32 => resized::<Int32Type>(field, column),
        DataType::Int64 => resized::<Int64Type>(field, column),
        _ => Err(wrong_type(field, column)),
    }
}

/// Checks the values of a column in the field's type.
fn check(field: &Field, column: &ArrayRef) -> Result<()> {
    match field.data_type {
        DataType::VarChar => {
            let mut texts = column.as_string::<i32>().iter().enumerate();
            let long = texts.find(|(_, text)| text.is_some_and(|text| text.len() > field.max_length));
            long.map_or(Ok(()), |(row, text)| {
                let length = text.unwrap_or_default().len();
                Err(Error::invalid(format!(
                    "length of varchar field {} exceeds max length, row number: {row}, length: {length}, max length: {}",
                    field.name, field.max_length
                )))
            })
        }
        DataType::Json => {
            let mut texts = column.as_string::<i32>().iter().enumerate();
            texts.try_for_each(|(row, text)| text.map_or(Ok(()), |text| check_json(field, row, text)))
        }
        DataType::Float | DataType::Double => {
            let bad = first_not_finite(column);
            bad.map_or(Ok(()), |(row, x)| {
                Err(not_finite(x).within(format!("field {}, row {row}", field.name)))
            })
        }
        DataType::Array => array::check(field, column.as_list()),
        _ => Ok(()),
    }
}

/// The place of the first NaN or infinity in a column of floats; others have none.
pub(super) fn first_not_finite(column: &ArrayRef) -> Option<(usize, f32)> {
    if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
        return first_of(floats.iter(), f32::is_finite);
    }
    let doubles = column.as_primitive_opt::<Float64Type>()?;
    first_of(doubles.iter(), f64::is_finite).map(|(at, value)| (at, value as f32))
}

fn first_of<T: Copy>(values: impl Iterator<Item = Option<T>>, is_good: fn(T) -> bool) -> Option<(usize, T)> {
    let mut places = values.enumerate();
    places.find_map(|(at, value)| value.filter(|&value| !is_good(value)).map(|value| (at, value)))
}

/// The values of a column of integers of any width, signed or not; `None` for other columns.
pub fn integers(column: &ArrayRef) -> Option<Box<dyn Iterator<Item = Option<i128>> + '_>> {
    fn of<T>(column: &ArrayRef) -> Option<Box<dyn Iterator<Item = Option<i128>> + '_>>
    where
        T: ArrowPrimitiveType<Native: Into<i128>>,
    {
        Some(Box::new(column.as_primitive::<T>().iter().map(|value| value.map(Into::into))))
    }
    match column.data_type() {
        ArrowType::Int8 => of::<Int8Type>(column),
        ArrowType::Int16 => of::<Int16Type>(column),
        ArrowType::Int32 => of::<Int32Type>(column),
        ArrowType::Int64 => of::<Int64Type>(column),
        ArrowType::UInt8 => of::<UInt8Type>(column),
        ArrowType::UInt16 => of::<UInt16Type>(column),
        ArrowType::UInt32 => of::<UInt32Type>(column),
        ArrowType::UInt64 => of::<UInt64Type>(column),
        _ => None,
    }
}

/// Whole numbers of another width, as Milvus' SDKs and other tools send them: each must be in the range of the field's.
fn resized<T: ArrowPrimitiveType<Native: TryFrom<i128>>>(
    field: &Field,
    column: &ArrayRef,
) -> Result<ArrayRef> {
    let numbers = integers(column).ok_or_else(|| wrong_type(field, column))?;
    let (low, high) = field.data_type.integer_range().unwrap_or((i64::MIN, i64::MAX));
    let resize = |(row, number): (usize, Option<i128>)| match number {
        None => Ok(None),
        Some(number) => T::Native::try_from(number).map(Some).map_err(|_| {
            Error::invalid(format!(
                "field {}: the {row}th element ({number}) out of range: [{low}, {high}]",
                field.name
            ))
        }),
    };
    let resized: PrimitiveArray<T> = numbers.enumerate().map(resize).collect::<Result<_>>()?;
    Ok(Arc::new(resized))
}

pub(super) fn check_json(field: &Field, row: usize, text: &str) -> Result<()> {
    check_json_length(field, row, text)?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| {
        let name = &field.name;
        Error::invalid(format!("the value of json field {name} is not JSON, row number: {row}: {e}"))
    })?;
    Ok(())
}

pub(super) fn check_json_length(field: &Field, row: usize, text: &str) -> Result<()> {
    if text.len() <= MAX_JSON {
        return Ok(());
    }
    let (name, length) = (&field.name, text.len());
    Err(Error::invalid(format!(
        "length of json field {name} exceeds max length, row number: {row}, length: {length}, max length: {MAX_JSON}"
    )))
}

/// Float vectors from any list layout of Arrow whose lists are all `dim` long.
fn float_vectors(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    let (values, rows) = match column.data_type() {
        ArrowType::FixedSizeList(_, dim) => {
            if *dim as usize != field.dim {
                return Err(wrong_dim(field, *dim as usize));
            }
            let lists = column.as_fixed_size_list();
            let start = lists.value_offset_at(0);
            (lists.values().slice(start, lists.len() * field.dim), lists.len())
        }
        ArrowType::List(_) => (list_values(field, column.as_list::<i32>())?, column.len()),
        ArrowType::LargeList(_) => (list_values(field, column.as_list::<i64>())?, column.len()),
        _ => return Err(wrong_type(field, column)),
    };
    let Some(floats) = values.as_primitive_opt::<Float32Type>() else {
        return Err(wrong_type(field, column));
    };
    no_nulls(field, &values)?;
    check_finite(field, floats.values())?;
    // Without a null buffer, whatever came in.
    let floats = Float32Array::new(floats.values().clone(), None);
    debug_assert_eq!(floats.len(), rows * field.dim);
    let lists = FixedSizeListArray::try_new(float_item(), field.dim as i32, Arc::new(floats), None)
        .map_err(|e| Error::invalid(format!("bad vectors in field {}: {e}", field.name)))?;
    Ok(Arc::new(lists))
}

fn list_values<O: OffsetSizeTrait>(field: &Field, lists: &GenericListArray<O>) -> Result<ArrayRef> {
    let offsets = lists.value_offsets();
    for pair in offsets.windows(2) {
        let length = pair[1].as_usize() - pair[0].as_usize();
        if length != field.dim {
            return Err(wrong_dim(field, length));
        }
    }
    Ok(lists.values().slice(offsets[0].as_usize(), lists.len() * field.dim))
}

/// The first NaN or infinity is an error that names its row.
fn check_finite(field: &Field, values: &[f32]) -> Result<()> {
    // Blocks without an early exit inside, so that the compiler vectorises them.
    let block_is_finite = |block: &[f32]| block.iter().fold(true, |all, v| all & v.is_finite());
    if values.chunks(1024).all(block_is_finite) {
        return Ok(());
    }
    let at = values.iter().position(|v| !v.is_finite()).unwrap_or_default();
    Err(not_finite(values[at]).within(format!("field {}, row {}", field.name, at / field.dim)))
}

/// Milvus' sentence about a value that is no number.
pub fn not_finite(value: f32) -> Error {
    let value = match value {
        v if v.is_nan() => "NaN",
        v if v > 0.0 => "+Inf",
        _ => "-Inf",
    };
    Error::invalid(format!("value '{value}' is not a number or infinity"))
}

/// Texts as Utf8, from Utf8 or LargeUtf8.
pub(super) fn strings(field: &Field, column: &ArrayRef) -> Result<StringArray> {
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Ok(texts.clone());
    }
    let Some(texts) = column.as_string_opt::<i64>() else { return Err(wrong_type(field, column)) };
    shrink_offsets(texts).ok_or_else(|| {
        Error::invalid(format!(
            "the texts of field {} have more than 2^31 - 1 bytes; insert fewer rows",
            field.name
        ))
    })
}

fn shrink_offsets(texts: &GenericStringArray<i64>) -> Option<StringArray> {
    let start = texts.value_offsets()[0];
    let offsets: Option<Vec<i32>> =
        texts.value_offsets().iter().map(|o| i32::try_from(o - start).ok()).collect();
    let offsets = OffsetBuffer::new(offsets?.into());
    let length = offsets.last() as usize;
    StringArray::try_new(
        offsets,
        texts.values().slice_with_length(start as usize, length),
        texts.nulls().cloned(),
    )
    .ok()
}

pub(super) fn no_nulls(field: &Field, column: &ArrayRef) -> Result<()> {
    match column.nulls().filter(|n| n.null_count() > 0) {
        None => Ok(()),
        Some(nulls) => {
            let row = nulls.iter().position(|valid| !valid).unwrap_or_default();
            Err(Error::invalid(format!("field {} has a null at row {row}, but is not nullable", field.name)))
        }
    }
}

fn wrong_dim(field: &Field, got: usize) -> Error {
    Error::invalid(format!(
        "the dim ({got}) of field data({}) is not equal to schema dim ({})",
        field.name, field.dim
    ))
}

pub(super) fn wrong_type(field: &Field, column: &ArrayRef) -> Error {
    let (name, wanted) = (&field.name, field.data_type.name());
    Error::invalid(format!("field {name} holds {wanted}, got a column of {}", column.data_type()))
}
