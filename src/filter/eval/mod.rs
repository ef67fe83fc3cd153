//! A predicate over columns of rows: one pass a condition, or a look into an index, and a bit a row.

mod divided;
mod json;
mod lists;
mod pairs;
pub mod places;
mod scalars;
mod seek;
mod texts;
mod ways;

use crate::error::{Error, Result};
use crate::filter::Table;
use crate::filter::predicate::{Column, Predicate, Test};
use crate::filter::syntax::Compare;
use crate::schema::DataType;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, MutableBuffer, NullBuffer};
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that are looked at between two questions whether to go on; whole bytes of bits.
const STEP: usize = 1 << 16;

/// What is asked of a condition.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The rows that matter; `None`: all.
    among: Option<&'a BooleanBuffer>,
    /// Once it is set, none does.
    stop: &'a AtomicBool,
}

impl<'a> Asked<'a> {
    /// The same of all rows, or elements.
    fn of_all(self) -> Asked<'a> {
        Asked { among: None, ..self }
    }

    fn is_over(self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The rows for which the predicate holds. Those that are not `among` may get either bit: where a row is expensive,
/// they are not looked at.
pub fn rows(predicate: &Predicate, table: &Table, among: Option<&BooleanBuffer>) -> Result<BooleanBuffer> {
    eval(predicate, false, table, among)
}

/// The same, or the rows for which its opposite holds. As in SQL a condition on a null neither holds nor does not, so a
/// `not` goes down to the conditions, through `and` and `or` by De Morgan's laws.
fn eval(
    predicate: &Predicate,
    opposite: bool,
    table: &Table,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let count = table.rows.num_rows();
    if table.stop.load(Ordering::Relaxed) {
        return Ok(BooleanBuffer::new_unset(count));
    }
    match predicate {
        Predicate::Always(holds) if *holds != opposite => Ok(BooleanBuffer::new_set(count)),
        Predicate::Always(_) => Ok(BooleanBuffer::new_unset(count)),
        Predicate::Not(inner) => eval(inner, !opposite, table, among),
        Predicate::All(parts) if opposite => any(parts, opposite, table, among),
        Predicate::All(parts) => all(parts, opposite, table, among),
        Predicate::Any(parts) if opposite => all(parts, opposite, table, among),
        Predicate::Any(parts) => any(parts, opposite, table, among),
        Predicate::Column(column, test) => one(column, test, opposite, table, among),
        Predicate::Fields(left, op, right) => two((left, *op, right), opposite, table, among),
    }
}

/// A comparison of two columns.
#[inline(never)]
fn two(
    (left, op, right): (&Column, Compare, &Column),
    opposite: bool,
    table: &Table,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let (a, b) = (Input::new(table.rows, left)?, Input::new(table.rows, right)?);
    let asked = Asked { among, stop: table.stop };
    let bits = pairs::rows((&a.array, left), op, (&b.array, right), asked)?;
    Ok(masked(bits, opposite, &[&a, &b]))
}

/// A condition on one column. Apart, so that what goes down a nested filter takes little stack.
#[inline(never)]
fn one(
    column: &Column,
    test: &Test,
    opposite: bool,
    table: &Table,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let input = Input::new(table.rows, column)?;
    let in_json = column.data_type == DataType::Json && !column.path.is_empty();
    if *test == Test::Null && !in_json {
        // A null array has no elements either.
        let present = if column.index().is_some() { input.there } else { input.valid };
        let nulls =
            present.map_or(BooleanBuffer::new_unset(table.rows.num_rows()), |present| !present.inner());
        return Ok(if opposite { !&nulls } else { nulls });
    }
    let asked = Asked { among, stop: table.stop };
    let bits = match column.data_type {
        DataType::Json => json::rows(&input.array, &column.path, test, asked)?,
        DataType::Array => lists::rows(&input.array, column, test, asked)?,
        _ => ways::rows(&input.array, column, test, table, asked)?,
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
    table: &Table,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let mut left: Option<BooleanBuffer> = None;
    for part in by_cost(parts, table) {
        let bits = eval(part, opposite, table, left.as_ref().or(among))?;
        left = Some(match left {
            Some(left) => &left & &bits,
            None => bits,
        });
    }
    Ok(left.unwrap_or_else(|| BooleanBuffer::new_set(table.rows.num_rows())))
}

/// The cheap parts first: a row that one of them lets through is not looked at by the others.
fn any(
    parts: &[Predicate],
    opposite: bool,
    table: &Table,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let mut found: Option<BooleanBuffer> = None;
    for part in by_cost(parts, table) {
        found = Some(match found {
            None => eval(part, opposite, table, among)?,
            Some(found) => {
                let open = match among {
                    Some(among) => among & &!&found,
                    None => !&found,
                };
                let more = eval(part, opposite, table, Some(&open))?;
                &found | &(&more & &open)
            }
        });
    }
    Ok(found.unwrap_or_else(|| BooleanBuffer::new_unset(table.rows.num_rows())))
}

fn by_cost<'p>(parts: &'p [Predicate], table: &Table) -> Vec<&'p Predicate> {
    let mut ordered: Vec<&Predicate> = parts.iter().collect();
    ordered.sort_by_cached_key(|part| ways::cost(part, table));
    ordered
}

/// A condition on an array of booleans, numbers or texts. Values that are not asked for may get either bit.
fn scalar(array: &ArrayRef, data_type: DataType, test: &Test, asked: Asked) -> Result<BooleanBuffer> {
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
        DataType::VarChar => array.as_string_opt::<i32>().and_then(|values| texts::rows(values, test, asked)),
        DataType::Array | DataType::Json | DataType::BinaryVector | DataType::FloatVector => None,
    };
    found.ok_or_else(|| Error::internal(format!("a column of {} under the test {test:?}", array.data_type())))
}

/// A bit for each of `count` rows; those that are not asked for are not looked at.
fn pick(count: usize, asked: Asked, holds: impl Fn(usize) -> bool) -> BooleanBuffer {
    let steps = (0..count).step_by(STEP).take_while(|_| !asked.is_over());
    let steps = steps.map(|start| (start, STEP.min(count - start)));
    let Some(among) = asked.among else {
        let mut bytes = MutableBuffer::with_capacity(count.div_ceil(8));
        for (start, length) in steps {
            let bits = BooleanBuffer::collect_bool(length, |row| holds(start + row));
            bytes.extend_from_slice(&bits.values()[..length.div_ceil(8)]);
        }
        bytes.resize(count.div_ceil(8), 0);
        return BooleanBuffer::new(bytes.into(), 0, count);
    };
    let mut bits = BooleanBufferBuilder::new(count);
    bits.append_n(count, false);
    for (start, length) in steps {
        let first = start.min(among.len());
        let rows = among.slice(first, length.min(among.len() - first));
        let found = rows.set_indices().map(|row| start + row).filter(|&row| holds(row));
        found.for_each(|row| bits.set_bit(row, true));
    }
    bits.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_make_one_answer() {
        let stop = AtomicBool::new(false);
        for count in [0, 1, 7, STEP - 1, STEP, STEP + 1, 3 * STEP + 77] {
            let all = pick(count, Asked { among: None, stop: &stop }, |row| row % 3 == 0);
            assert_eq!(all, BooleanBuffer::collect_bool(count, |row| row % 3 == 0), "{count}");
            let even = BooleanBuffer::collect_bool(count, |row| row % 2 == 0);
            let some = pick(count, Asked { among: Some(&even), stop: &stop }, |row| row % 3 == 0);
            assert_eq!(some, BooleanBuffer::collect_bool(count, |row| row % 6 == 0), "{count}");
        }
    }

    #[test]
    fn a_stop_ends_a_condition() {
        let even = BooleanBuffer::collect_bool(4 * STEP, |row| row % 2 == 0);
        for among in [None, Some(&even)] {
            let stop = AtomicBool::new(false);
            let bits = pick(4 * STEP, Asked { among, stop: &stop }, |row| {
                stop.fetch_or(row > STEP, Ordering::Relaxed);
                true
            });
            assert_eq!((bits.len(), bits.slice(2 * STEP, 2 * STEP).count_set_bits()), (4 * STEP, 0));
            assert!(bits.value(2 * STEP - 2));
        }
    }
}
