//! Conditions on JSON, from its stored text.
//!
//! A path that leads nowhere, or to a value of another type, makes a condition false; `!=` is true of it, as in Milvus.

use super::seek::{Found, find};
use super::{Asked, pick};
use crate::error::{Error, Result};
use crate::filter::predicate::Test;
use crate::filter::syntax::{Compare, Contains, Step};
use crate::filter::value::Value;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::BooleanBuffer;
use std::cmp::Ordering;

pub fn rows(array: &ArrayRef, path: &[Step], test: &Test, asked: Asked) -> Result<BooleanBuffer> {
    let texts = array
        .as_string_opt::<i32>()
        .ok_or_else(|| Error::internal(format!("a column of {} as JSON", array.data_type())))?;
    let lists = levels(test);
    Ok(pick(texts.len(), asked, |row| holds(test, value(texts, row, path, lists).as_ref())))
}

/// What the path leads to in a row.
pub fn value<'t>(texts: &'t StringArray, row: usize, path: &[Step], lists: usize) -> Option<Found<'t>> {
    find(texts.value(row), path, lists)
}

/// How many lists inside of each other a test looks into.
fn levels(test: &Test) -> usize {
    let deepest = |values: &[Value]| values.iter().map(depth).max().unwrap_or(0);
    match test {
        Test::Compare(_, value) => depth(value),
        Test::In(values) => deepest(values),
        Test::Contains(_, values) => 1 + deepest(values),
        _ => 0,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn holds(test: &Test, found: Option<&Found>) -> bool {
    match test {
        Test::Exists => found.is_some(),
        Test::Null => found.is_none_or(|found| matches!(found, Found::Null)),
        Test::Compare(op, value) => op.holds(found.and_then(|found| order(found, value))),
        Test::Between { low, low_inclusive, high, high_inclusive } => found.is_some_and(|found| {
            let above = if *low_inclusive { Compare::GreaterEqual } else { Compare::Greater };
            let below = if *high_inclusive { Compare::LessEqual } else { Compare::Less };
            above.holds(order(found, low)) && below.holds(order(found, high))
        }),
        Test::In(values) => found.is_some_and(|found| values.iter().any(|value| equals(found, value))),
        Test::Prefix(prefix) => matches!(found, Some(Found::Text(text)) if text.starts_with(prefix.as_str())),
        Test::Arithmetic { op, operand, equal, result } => {
            let computed = match (found, operand.number()) {
                (Some(Found::Number(number)), Some(operand)) => number.compute(*op, operand),
                _ => None,
            };
            let order = computed.zip(result.number()).and_then(|(number, result)| number.compare(result));
            (order == Some(Ordering::Equal)) == *equal
        }
        Test::Length(op, length) => match found {
            Some(Found::List { len, .. }) => op.holds(Some((*len as i64).cmp(length))),
            _ => op.holds(None),
        },
        Test::Contains(how, wanted) => {
            let Some(Found::List { values, .. }) = found else { return false };
            let is_there = |value: &Value| values.iter().any(|found| equals(found, value));
            match how {
                Contains::One | Contains::Any => wanted.iter().any(is_there),
                Contains::All => wanted.iter().all(is_there),
            }
        }
    }
}

fn equals(found: &Found, value: &Value) -> bool {
    order(found, value) == Some(Ordering::Equal)
}

/// The order of a JSON value and a constant; `None` between types. Of lists, whether they are equal.
fn order(found: &Found, value: &Value) -> Option<Ordering> {
    match (found, value) {
        (Found::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Found::Text(a), Value::Text(b)) => Some(a.as_ref().cmp(b.as_str())),
        (Found::Number(a), value) => a.compare(value.number()?),
        (Found::List { len, values }, Value::List(wanted)) => {
            let equal = *len == wanted.len()
                && values.len() == *len
                && values.iter().zip(wanted).all(|(found, value)| equals(found, value));
            equal.then_some(Ordering::Equal)
        }
        _ => None,
    }
}
