//! A predicate over columns of rows: one pass a condition, a bit a row.

mod json;
mod lists;
mod pairs;
mod scalars;
mod seek;

use crate::error::{Error, Result};
use crate::filter::predicate::{Column, Predicate, Test};
use crate::filter::syntax::Compare;
use crate::schema::DataType;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer};

/// The rows for which the predicate holds. Those that are not `among` may get either bit: where a row is expensive,
/// they are not looked at.
pub fn rows(
    predicate: &Predicate,
    rows: &RecordBatch,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    eval(predicate, false, rows, among)
}

/// The same, or the rows for which its opposite holds. As in SQL a condition on a null neither holds nor does not, so a
/// `not` goes down to the conditions, through `and` and `or` by De Morgan's laws.
fn eval(
    predicate: &Predicate,
    opposite: bool,
    rows: &RecordBatch,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let count = rows.num_rows();
    match predicate {
        Predicate::Always(holds) if *holds != opposite => Ok(BooleanBuffer::new_set(count)),
        Predicate::Always(_) => Ok(BooleanBuffer::new_unset(count)),
        Predicate::Not(inner) => eval(inner, !opposite, rows, among),
        Predicate::All(parts) if opposite => any(parts, opposite, rows, among),
        Predicate::All(parts) => all(parts, opposite, rows, among),
        Predicate::Any(parts) if opposite => all(parts, opposite, rows, among),
        Predicate::Any(parts) => any(parts, opposite, rows, among),
        Predicate::Column(column, test) => one(column, test, opposite, rows, among),
        Predicate::Fields(left, op, right) => two((left, *op, right), opposite, rows, among),
    }
}

/// A comparison of two columns.
#[inline(never)]
fn two(
    (left, op, right): (&Column, Compare, &Column),
    opposite: bool,
    rows: &RecordBatch,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let (a, b) = (Input::new(rows, left)?, Input::new(rows, right)?);
    let bits = pairs::rows((&a.array, left), op, (&b.array, right), among)?;
    Ok(masked(bits, opposite, &[&a, &b]))
}

/// A condition on one column. Apart, so that what goes down a nested filter takes little stack.
#[inline(never)]
fn one(
    column: &Column,
    test: &Test,
    opposite: bool,
    rows: &RecordBatch,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let input = Input::new(rows, column)?;
    let in_json = column.data_type == DataType::Json && !column.path.is_empty();
    if *test == Test::Null && !in_json {
        // A null array has no elements either.
        let present = if column.index().is_some() { input.there } else { input.valid };
        let nulls = present.map_or(BooleanBuffer::new_unset(rows.num_rows()), |present| !present.inner());
        return Ok(if opposite { !&nulls } else { nulls });
    }
    let bits = match column.data_type {
        DataType::Json => json::rows(&input.array, &column.path, test, among)?,
        DataType::Array => lists::rows(&input.array, column, test, among)?,
        _ => scalar(&input.array, column.data_type, test)?,
    };
    // What JSON has of a null row is null too: its text is empty.
    if in_json && *test == Test::Null {
        return Ok(if opposite { !&bits } else { bits });
    }
    Ok(masked(bits, opposite, &[&input]))
}

/// A column that a condition looks at.
struct Input {
    array: ArrayRef,
    /// Which rows have a value. Others fail the condition and its opposite.
    valid: Option<NullBuffer>,
    /// Of an element of an array, which arrays have it. Others fail the condition, as in Milvus, and not its opposite.
    there: Option<NullBuffer>,
}

impl Input {
    fn new(rows: &RecordBatch, column: &Column) -> Result<Input> {
        let found = rows.columns().get(column.at);
        let array =
            found.ok_or_else(|| Error::internal(format!("the rows have no column {}", column.at)))?.clone();
        let valid = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        let Some(index) = column.index() else { return Ok(Input { array, valid, there: None }) };
        let elements = lists::elements(&array, index)?;
        Ok(Input { there: elements.nulls().cloned(), array: elements, valid })
    }
}

/// The rows of a condition's loop, or the others, without those that the inputs rule out.
fn masked(bits: BooleanBuffer, opposite: bool, inputs: &[&Input]) -> BooleanBuffer {
    let there = inputs.iter().filter_map(|input| input.there.as_ref());
    let bits = there.fold(bits, |bits, there| &bits & there.inner());
    let bits = if opposite { !&bits } else { bits };
    let valid = inputs.iter().filter_map(|input| input.valid.as_ref());
    valid.fold(bits, |bits, valid| &bits & valid.inner())
}

/// The cheap parts first: a row that one of them refuses is not looked at by the others.
fn all(
    parts: &[Predicate],
    opposite: bool,
    rows: &RecordBatch,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let mut left: Option<BooleanBuffer> = None;
    for part in by_cost(parts) {
        let bits = eval(part, opposite, rows, left.as_ref().or(among))?;
        left = Some(match left {
            Some(left) => &left & &bits,
            None => bits,
        });
    }
    Ok(left.unwrap_or_else(|| BooleanBuffer::new_set(rows.num_rows())))
}

/// The cheap parts first: a row that one of them lets through is not looked at by the others.
fn any(
    parts: &[Predicate],
    opposite: bool,
    rows: &RecordBatch,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let mut found: Option<BooleanBuffer> = None;
    for part in by_cost(parts) {
        found = Some(match found {
            None => eval(part, opposite, rows, among)?,
            Some(found) if cost(part) == 0 => &found | &eval(part, opposite, rows, among)?,
            Some(found) => {
                let open = match among {
                    Some(among) => among & &!&found,
                    None => !&found,
                };
                let more = eval(part, opposite, rows, Some(&open))?;
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
        DataType::VarChar | DataType::Array => 1,
        _ => 0,
    };
    match predicate {
        Predicate::Always(_) => 0,
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().map(cost).max().unwrap_or(0),
        Predicate::Not(inner) => cost(inner),
        Predicate::Column(_, Test::Null) => 0,
        Predicate::Column(column, _) => of(column).max(u8::from(column.index().is_some())),
        Predicate::Fields(left, _, right) => of(left).max(of(right)).max(1),
    }
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
        DataType::Array | DataType::Json | DataType::BinaryVector | DataType::FloatVector => None,
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
