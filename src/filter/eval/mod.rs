//! A predicate over columns of rows: one pass a condition, a bit a row.

mod json;
mod pairs;
mod scalars;
mod seek;

use crate::error::{Error, Result};
use crate::filter::predicate::{Column, Predicate, Test};
use crate::schema::DataType;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

/// The rows for which the predicate holds. Those that are not `among` may get either bit: where a row is expensive,
/// they are not looked at.
pub fn rows(
    predicate: &Predicate,
    rows: &RecordBatch,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let count = rows.num_rows();
    match predicate {
        Predicate::Always(true) => Ok(BooleanBuffer::new_set(count)),
        Predicate::Always(false) => Ok(BooleanBuffer::new_unset(count)),
        Predicate::Not(inner) => Ok(!&self::rows(inner, rows, among)?),
        Predicate::All(parts) => all(parts, rows, among),
        Predicate::Any(parts) => any(parts, rows, among),
        Predicate::Column(column, test) => {
            let array = array(rows, column)?;
            match column.data_type {
                DataType::Json => json::rows(array, &column.path, test, among),
                _ => scalar(array, column.data_type, test),
            }
        }
        Predicate::Fields(left, op, right) => {
            pairs::rows((array(rows, left)?, left), *op, (array(rows, right)?, right), among)
        }
    }
}

/// The cheap parts first: a row that one of them refuses is not looked at by the others.
fn all(parts: &[Predicate], rows: &RecordBatch, among: Option<&BooleanBuffer>) -> Result<BooleanBuffer> {
    let mut left: Option<BooleanBuffer> = None;
    for part in by_cost(parts) {
        let bits = self::rows(part, rows, left.as_ref().or(among))?;
        left = Some(match left {
            Some(left) => &left & &bits,
            None => bits,
        });
    }
    Ok(left.unwrap_or_else(|| BooleanBuffer::new_set(rows.num_rows())))
}

/// The cheap parts first: a row that one of them lets through is not looked at by the others.
fn any(parts: &[Predicate], rows: &RecordBatch, among: Option<&BooleanBuffer>) -> Result<BooleanBuffer> {
    let mut found: Option<BooleanBuffer> = None;
    for part in by_cost(parts) {
        found = Some(match found {
            None => self::rows(part, rows, among)?,
            Some(found) if cost(part) == 0 => &found | &self::rows(part, rows, among)?,
            Some(found) => {
                let open = match among {
                    Some(among) => among & &!&found,
                    None => !&found,
                };
                let more = self::rows(part, rows, Some(&open))?;
                &found | &(&more & &open)
            }
        });
    }
    Ok(found.unwrap_or_else(|| BooleanBuffer::new_unset(rows.num_rows())))
}

fn by_cost(parts: &[Predicate]) -> Vec<&Predicate> {
    let mut ordered: Vec<&Predicate> = parts.iter().collect();
    ordered.sort_by_key(|part| cost(part));
    ordered
}

/// 0 for plain loops over values, 1 for texts, 2 where JSON is read.
fn cost(predicate: &Predicate) -> u8 {
    let of = |column: &Column| match column.data_type {
        DataType::Json => 2,
        DataType::VarChar => 1,
        _ => 0,
    };
    match predicate {
        Predicate::Always(_) => 0,
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().map(cost).max().unwrap_or(0),
        Predicate::Not(inner) => cost(inner),
        Predicate::Column(column, _) => of(column),
        Predicate::Fields(left, _, right) => of(left).max(of(right)).max(1),
    }
}

fn array<'a>(rows: &'a RecordBatch, column: &Column) -> Result<&'a ArrayRef> {
    rows.columns()
        .get(column.at)
        .ok_or_else(|| Error::internal(format!("the rows have no column {}", column.at)))
}

fn scalar(array: &ArrayRef, data_type: DataType, test: &Test) -> Result<BooleanBuffer> {
    let found = match data_type {
        DataType::Bool => array.as_boolean_opt().and_then(|bits| scalars::bools(bits.values(), test)),
        DataType::Int8 => {
            array.as_primitive_opt::<Int8Type>().and_then(|a| scalars::numbers(a.values(), test))
        }
        DataType::Int16 => {
            array.as_primitive_opt::<Int16Type>().and_then(|a| scalars::numbers(a.values(), test))
        }
        DataType::Int32 => {
            array.as_primitive_opt::<Int32Type>().and_then(|a| scalars::numbers(a.values(), test))
        }
        DataType::Int64 => {
            array.as_primitive_opt::<Int64Type>().and_then(|a| scalars::numbers(a.values(), test))
        }
        DataType::Float => {
            array.as_primitive_opt::<Float32Type>().and_then(|a| scalars::numbers(a.values(), test))
        }
        DataType::Double => {
            array.as_primitive_opt::<Float64Type>().and_then(|a| scalars::numbers(a.values(), test))
        }
        DataType::VarChar => array.as_string_opt::<i32>().and_then(|texts| scalars::texts(texts, test)),
        DataType::Json | DataType::BinaryVector | DataType::FloatVector => None,
    };
    found.ok_or_else(|| Error::internal(format!("a column of {} under the test {test:?}", array.data_type())))
}

/// A bit for each of `count` rows; those that are not `among` are not asked for.
fn pick(count: usize, among: Option<&BooleanBuffer>, mut holds: impl FnMut(usize) -> bool) -> BooleanBuffer {
    let Some(among) = among else { return BooleanBuffer::collect_bool(count, holds) };
    let mut bits = BooleanBufferBuilder::new(count);
    bits.append_n(count, false);
    among.set_indices().filter(|&row| row < count && holds(row)).for_each(|row| bits.set_bit(row, true));
    bits.finish()
}
