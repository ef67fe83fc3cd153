//! The ways to evaluate a condition on booleans, numbers or texts, and which of them costs least: a loop over all
//! values, a loop over those of the few rows that are still asked for, or what an index says.
//!
//! Costs are in steps of the plainest loop, of which a core does one or two in a nanosecond.

use super::places::Places;
use super::scalars::FEW;
use super::{Asked, scalar};
use crate::error::Result;
use crate::filter::Table;
use crate::filter::predicate::{Column, Predicate, Test};
use crate::index::scalar::Sorted;
use crate::schema::DataType;
use crate::segment::{Run, gather_column};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;

/// A comparison of a binary search: two reads, from memory where the column is large.
const SEARCH: u64 = 40;
/// A bit that is set for a row that an index names.
const NAMED: u64 = 3;
/// The value of a row that is copied.
const COPIED: u64 = 100;
/// A text that is looked at where it lies, between others that are not.
const PICKED: u64 = 12;

/// The rows of a condition on `array`, which is the column or the elements at its index. Rows that are not asked for
/// may get either bit.
pub fn rows(
    array: &ArrayRef,
    column: &Column,
    test: &Test,
    table: &Table,
    asked: Asked,
) -> Result<BooleanBuffer> {
    let among = asked.among;
    let all = array.len() as u64 * loop_cost(column, test);
    let picked = column.data_type == DataType::VarChar;
    let one = if picked { PICKED } else { COPIED };
    let few = among.map_or(u64::MAX, |among| among.count_set_bits() as u64 * one);
    if let Some((index, places, _)) = indexed(column, test, table, all.min(few)) {
        table.note(column.at, places.rows());
        return Ok(places.bits(index));
    }
    match among {
        Some(among) if few < all && !picked => of_few(array, column, test, among, asked),
        _ => scalar(array, column.data_type, test, Asked { among: among.filter(|_| few < all), ..asked }),
    }
}

/// An index that says where the rows of a condition are, and what using it costs; `None` if that is not less than `most`.
fn indexed<'t>(
    column: &Column,
    test: &Test,
    table: &Table<'t>,
    most: u64,
) -> Option<(&'t Sorted, Places, u64)> {
    let index = table.index(column.at).filter(|_| Places::are_known(column, test))?;
    let searching = Places::searches(test) as u64 * index.steps() as u64 * SEARCH;
    if searching >= most {
        return None;
    }
    let places = Places::new(index, table.rows.columns().get(column.at)?, test)?;
    let cost = searching + places.rows() as u64 * NAMED;
    (cost < most).then_some((index, places, cost))
}

/// Copies the values of the rows that are asked for, and looks at these.
fn of_few(
    array: &ArrayRef,
    column: &Column,
    test: &Test,
    among: &BooleanBuffer,
    asked: Asked,
) -> Result<BooleanBuffer> {
    let runs: Vec<Run> =
        among.set_slices().map(|(start, end)| Run { source: 0, start, end: end.min(array.len()) }).collect();
    let found = scalar(&gather_column(&[array], &runs)?, column.data_type, test, asked.of_all())?;
    let mut words = vec![0u64; array.len().div_ceil(64)];
    for (row, holds) in among.set_indices().zip(found.iter()) {
        words[row / 64] |= u64::from(holds) << (row % 64);
    }
    Ok(BooleanBuffer::new(words.into(), 0, array.len()))
}

/// What evaluating a part of a predicate is likely to cost. Indexes are asked about single conditions only, so that a
/// condition is looked up twice at most, however deep it lies.
pub fn cost(predicate: &Predicate, table: &Table) -> u64 {
    let all = table.rows.num_rows() as u64 * cost_of_a_row(predicate);
    match predicate {
        Predicate::Not(inner) if matches!(**inner, Predicate::Column(..)) => cost(inner, table),
        Predicate::Column(column, test) => indexed(column, test, table, all).map_or(all, |(_, _, cost)| cost),
        _ => all,
    }
}

fn cost_of_a_row(predicate: &Predicate) -> u64 {
    match predicate {
        Predicate::Always(_) => 0,
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().map(cost_of_a_row).sum(),
        Predicate::Not(inner) => cost_of_a_row(inner),
        Predicate::Column(column, test) => loop_cost(column, test),
        Predicate::Fields(left, _, right) => 10 + value_cost(left) + value_cost(right),
    }
}

/// Of a row, in a loop over all of them.
fn loop_cost(column: &Column, test: &Test) -> u64 {
    match test {
        Test::Null => 0,
        Test::In(list) if column.data_type != DataType::VarChar && list.len() <= FEW => {
            list.len() as u64 / 2 + value_cost(column)
        }
        Test::In(_) => 10 + value_cost(column),
        _ => value_cost(column),
    }
}

fn value_cost(column: &Column) -> u64 {
    let element = if column.index().is_some() { 10 } else { 0 };
    element
        + match column.data_type {
            DataType::Bool => 0,
            DataType::Json => 100,
            DataType::Array => 20,
            DataType::VarChar => 5,
            _ => 1,
        }
}
