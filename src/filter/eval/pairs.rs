//! Two fields of one row compared. Values of different types are not equal and in no order.

use super::seek::Found;
use super::{Asked, json, pick};
use crate::error::{Error, Result};
use crate::filter::predicate::Column;
use crate::filter::syntax::{Compare, Step};
use crate::filter::value::Number;
use crate::schema::DataType;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::BooleanBuffer;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A column that gives values one by one.
enum Values<'a> {
    Bool(&'a BooleanArray),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    Float(&'a PrimitiveArray<Float32Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Text(&'a StringArray),
    Json(&'a StringArray, &'a [Step]),
}

/// A value of a row.
enum Cell<'a> {
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
}

impl<'a> Values<'a> {
    fn new(array: &'a ArrayRef, column: &'a Column) -> Result<Values<'a>> {
        let found = match column.data_type {
            DataType::Bool => array.as_boolean_opt().map(Values::Bool),
            DataType::Int8 => array.as_primitive_opt().map(Values::Int8),
            DataType::Int16 => array.as_primitive_opt().map(Values::Int16),
            DataType::Int32 => array.as_primitive_opt().map(Values::Int32),
            DataType::Int64 => array.as_primitive_opt().map(Values::Int64),
            DataType::Float => array.as_primitive_opt().map(Values::Float),
            DataType::Double => array.as_primitive_opt().map(Values::Double),
            DataType::VarChar => array.as_string_opt().map(Values::Text),
            DataType::Json => array.as_string_opt().map(|texts| Values::Json(texts, &column.path)),
            DataType::Array | DataType::BinaryVector | DataType::FloatVector => None,
        };
        found.ok_or_else(|| Error::internal(format!("a column of {} in a comparison", array.data_type())))
    }

    fn cell(&self, row: usize) -> Option<Cell<'a>> {
        let int = |n: i64| Cell::Number(Number::Int(n));
        let float = |x: f64| Cell::Number(Number::Float(x));
        Some(match self {
            Values::Bool(values) => Cell::Bool(values.value(row)),
            Values::Int8(values) => int(values.value(row).into()),
            Values::Int16(values) => int(values.value(row).into()),
            Values::Int32(values) => int(values.value(row).into()),
            Values::Int64(values) => int(values.value(row)),
            Values::Float(values) => float(values.value(row).into()),
            Values::Double(values) => float(values.value(row)),
            Values::Text(values) => Cell::Text(Cow::Borrowed(values.value(row))),
            Values::Json(texts, path) => match json::value(texts, row, path, 0)? {
                Found::Bool(b) => Cell::Bool(b),
                Found::Number(number) => Cell::Number(number),
                Found::Text(text) => Cell::Text(text),
                Found::Null | Found::List { .. } | Found::Object => return None,
            },
        })
    }
}

fn order(left: &Cell, right: &Cell) -> Option<Ordering> {
    match (left, right) {
        (Cell::Bool(a), Cell::Bool(b)) => Some(a.cmp(b)),
        (Cell::Number(a), Cell::Number(b)) => a.compare(*b),
        (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

pub fn rows(
    left: (&ArrayRef, &Column),
    op: Compare,
    right: (&ArrayRef, &Column),
    asked: Asked,
) -> Result<BooleanBuffer> {
    let count = left.0.len();
    let (left, right) = (Values::new(left.0, left.1)?, Values::new(right.0, right.1)?);
    Ok(pick(count, asked, |row| {
        let cells = left.cell(row).zip(right.cell(row));
        op.holds(cells.and_then(|(left, right)| order(&left, &right)))
    }))
}
