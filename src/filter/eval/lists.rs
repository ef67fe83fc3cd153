//! Conditions on arrays. Elements are tested as a column of their own; a row is what its elements say.

use super::{Asked, pick, scalar};
use crate::error::{Error, Result};
use crate::filter::predicate::{Column, Test};
use crate::filter::syntax::{Compare, Contains};
use crate::filter::value::Value;
use crate::schema::{DataType, MAX_CAPACITY};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, make_array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_data::transform::MutableArrayData;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Range;

/// The element at `index` of each array; null where there is none.
pub fn elements(array: &ArrayRef, index: u64) -> Result<ArrayRef> {
    let lists = lists(array)?;
    let failed = |e| Error::internal(format!("cannot gather {} elements: {e}", lists.len()));
    let values = lists.values().to_data();
    let mut out = MutableArrayData::try_new(vec![&values], true, lists.len()).map_err(failed)?;
    for row in 0..lists.len() {
        let range = range(lists, row);
        match usize::try_from(index).ok().and_then(|index| range.clone().nth(index)) {
            Some(place) => out.try_extend(0, place, place + 1).map_err(failed)?,
            None => out.try_extend_nulls(1).map_err(failed)?,
        }
    }
    Ok(make_array(out.freeze()))
}

/// The arrays for which a test of whole arrays holds. However long a list is, its values are looked for one after the other,
/// so that they take the memory of one.
pub fn rows(array: &ArrayRef, column: &Column, test: &Test, asked: Asked) -> Result<BooleanBuffer> {
    let lists = lists(array)?;
    let other = || Error::internal(format!("an array under the test {test:?}"));
    let element = column.element_type.ok_or_else(other)?;
    match test {
        Test::Length(op, length) => {
            let holds = |row| op.holds(Some((range(lists, row).len() as i64).cmp(length)));
            Ok(pick(lists.len(), asked, holds))
        }
        Test::Contains(Contains::One | Contains::Any, values) => {
            let wanted = scalar(lists.values(), element, &Test::In(values.clone()), asked.of_all())?;
            Ok(any(lists, &wanted))
        }
        Test::Contains(Contains::All, values) => all(lists, element, values, asked),
        Test::Compare(Compare::Equal, Value::List(values)) => equal(lists, element, values, asked),
        Test::Compare(Compare::NotEqual, Value::List(values)) => Ok(!&equal(lists, element, values, asked)?),
        Test::In(values) => {
            let mut found = BooleanBuffer::new_unset(lists.len());
            for value in values {
                let Value::List(values) = value else { return Err(other()) };
                if asked.is_over() {
                    break;
                }
                found = &found | &equal(lists, element, values, asked)?;
            }
            Ok(found)
        }
        _ => Err(other()),
    }
}

/// The arrays that have all of the values.
fn all(lists: &ListArray, element: DataType, values: &[Value], asked: Asked) -> Result<BooleanBuffer> {
    // A number may be there twice, as a whole one and as a float, and the float 0 with either sign.
    const MOST: usize = 2 * MAX_CAPACITY as usize + 1;
    let mut different: Vec<&Value> = Vec::new();
    let mut seen = HashSet::new();
    for value in values {
        if seen.insert(Same(value)) {
            different.push(value);
        }
        if different.len() > MOST {
            return Ok(BooleanBuffer::new_unset(lists.len()));
        }
    }
    let mut left = BooleanBuffer::new_set(lists.len());
    for value in different {
        if asked.is_over() {
            break;
        }
        left = &left & &any(lists, &equal_elements(lists, element, value, asked)?);
    }
    Ok(left)
}

/// The arrays that are equal to a list.
fn equal(lists: &ListArray, element: DataType, values: &[Value], asked: Asked) -> Result<BooleanBuffer> {
    let mut left = pick(lists.len(), asked, |row| range(lists, row).len() == values.len());
    for (place, value) in values.iter().enumerate() {
        if asked.is_over() || left.count_set_bits() == 0 {
            break;
        }
        let wanted = equal_elements(lists, element, value, asked)?;
        let of_left = Asked { among: Some(&left), ..asked };
        left = pick(lists.len(), of_left, |row| wanted.value(range(lists, row).start + place));
    }
    Ok(left)
}

/// The elements of all arrays that are equal to a value.
fn equal_elements(
    lists: &ListArray,
    element: DataType,
    value: &Value,
    asked: Asked,
) -> Result<BooleanBuffer> {
    scalar(lists.values(), element, &Test::In(vec![value.clone()]), asked.of_all())
}

/// A value that is told apart from others as it is written, floats by their bits.
struct Same<'a>(&'a Value);

impl Hash for Same<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Same<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }
}

impl Eq for Same<'_> {}

/// The arrays that have one of the wanted elements.
fn any(lists: &ListArray, wanted: &BooleanBuffer) -> BooleanBuffer {
    let offsets = lists.value_offsets();
    let mut bits = BooleanBufferBuilder::new(lists.len());
    bits.append_n(lists.len(), false);
    let mut row = 0;
    for place in wanted.set_indices() {
        // Of slices of arrays the first and the last elements are in no row.
        while row < lists.len() && offsets[row + 1] as usize <= place {
            row += 1;
        }
        if row == lists.len() {
            break;
        }
        if offsets[row] as usize <= place {
            bits.set_bit(row, true);
        }
    }
    bits.finish()
}

fn lists(array: &ArrayRef) -> Result<&ListArray> {
    array
        .as_list_opt::<i32>()
        .ok_or_else(|| Error::internal(format!("a column of {} as arrays", array.data_type())))
}

/// The places of a row's elements.
fn range(lists: &ListArray, row: usize) -> Range<usize> {
    let offsets = lists.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}
