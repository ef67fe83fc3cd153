//! Conditions on arrays. Elements are tested as a column of their own; a row is what its elements say.

use super::{pick, scalar};
use crate::error::{Error, Result};
use crate::filter::predicate::{Column, Test};
use crate::filter::syntax::{Compare, Contains};
use crate::filter::value::Value;
use crate::schema::DataType;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, make_array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_data::transform::MutableArrayData;
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

/// The arrays for which a test of whole arrays holds.
pub fn rows(
    array: &ArrayRef,
    column: &Column,
    test: &Test,
    among: Option<&BooleanBuffer>,
) -> Result<BooleanBuffer> {
    let lists = lists(array)?;
    let other = || Error::internal(format!("an array under the test {test:?}"));
    let element = column.element_type.ok_or_else(other)?;
    let each =
        |holds: &dyn Fn(Range<usize>) -> bool| Ok(pick(lists.len(), among, |row| holds(range(lists, row))));
    match test {
        Test::Length(op, length) => each(&|range| op.holds(Some((range.len() as i64).cmp(length)))),
        Test::Contains(Contains::One | Contains::Any, values) => {
            let wanted = scalar(lists.values(), element, &Test::In(values.clone()), None)?;
            Ok(any(lists, &wanted))
        }
        Test::Contains(Contains::All, values) => {
            let wanted = one_by_one(lists, element, values)?;
            each(&|range| wanted.iter().all(|wanted| range.clone().any(|place| wanted.value(place))))
        }
        Test::Compare(op @ (Compare::Equal | Compare::NotEqual), Value::List(values)) => {
            let wanted = one_by_one(lists, element, values)?;
            each(&|range| equals(range, &wanted) == (*op == Compare::Equal))
        }
        Test::In(values) => {
            let wanted = values.iter().map(|value| match value {
                Value::List(values) => one_by_one(lists, element, values),
                _ => Err(other()),
            });
            let wanted = wanted.collect::<Result<Vec<_>>>()?;
            each(&|range| wanted.iter().any(|wanted| equals(range.clone(), wanted)))
        }
        _ => Err(other()),
    }
}

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

/// Whether the elements there are the values of a list, of each of which is known which elements are equal to it.
fn equals(range: Range<usize>, wanted: &[BooleanBuffer]) -> bool {
    range.len() == wanted.len() && range.zip(wanted).all(|(place, wanted)| wanted.value(place))
}

/// For each of the values, which elements are equal to it.
fn one_by_one(lists: &ListArray, element: DataType, values: &[Value]) -> Result<Vec<BooleanBuffer>> {
    let equal = |value: &Value| {
        let test = Test::In(vec![value.clone()]);
        scalar(lists.values(), element, &test, None)
    };
    values.iter().map(equal).collect()
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
