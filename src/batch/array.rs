//! Columns of arrays: lists of booleans, numbers or texts.

use super::column::{first_not_finite, no_nulls, not_finite, typed as typed_column, wrong_type};
use crate::error::{Error, Result};
use crate::schema::Field;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, make_array};
use arrow_buffer::OffsetBuffer;
use arrow_data::transform::MutableArrayData;
use arrow_schema::DataType as ArrowType;
use std::ops::Range;
use std::sync::Arc;

/// Lists of any layout of Arrow as lists of the field's elements, none of which is null. Lists that are null are empty.
pub fn typed(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    let element = field.element().ok_or_else(|| wrong_type(field, column))?;
    let (ranges, values) = lists(column).ok_or_else(|| wrong_type(field, column))?;
    let mut ends: Vec<i32> = vec![0];
    for range in &ranges {
        let end = ends[ends.len() - 1] as usize + range.len();
        ends.push(i32::try_from(end).map_err(|_| {
            let name = &field.name;
            Error::invalid(format!(
                "the arrays of field {name} have more than 2^31 - 1 elements; insert fewer rows"
            ))
        })?);
    }
    let elements = gather(&values, &ranges)?;
    no_nulls(&element, &elements).map_err(|e| e.within("an element of an array"))?;
    let elements = typed_column(&element, &elements)?;
    let lists = ListArray::try_new(
        field.element_item(),
        OffsetBuffer::new(ends.into()),
        elements,
        column.logical_nulls().filter(|nulls| nulls.null_count() > 0),
    );
    let lists = lists.map_err(|e| Error::invalid(format!("bad arrays in field {}: {e}", field.name)))?;
    Ok(Arc::new(lists))
}

/// The places of each list's elements, and all elements.
fn lists(column: &ArrayRef) -> Option<(Vec<Range<usize>>, ArrayRef)> {
    let or_empty = |row: usize, range: Range<usize>| if column.is_null(row) { 0..0 } else { range };
    let rows = 0..column.len();
    Some(match column.data_type() {
        ArrowType::List(_) => {
            let lists = column.as_list::<i32>();
            let offsets = lists.value_offsets();
            let range = |row: usize| or_empty(row, offsets[row] as usize..offsets[row + 1] as usize);
            (rows.map(range).collect(), lists.values().clone())
        }
        ArrowType::LargeList(_) => {
            let lists = column.as_list::<i64>();
            let offsets = lists.value_offsets();
            let range = |row: usize| or_empty(row, offsets[row] as usize..offsets[row + 1] as usize);
            (rows.map(range).collect(), lists.values().clone())
        }
        ArrowType::FixedSizeList(_, length) => {
            let lists = column.as_fixed_size_list();
            let length = *length as usize;
            let start = |row: usize| lists.value_offset_at(row);
            let range = |row: usize| or_empty(row, start(row)..start(row) + length);
            (rows.map(range).collect(), lists.values().clone())
        }
        _ => return None,
    })
}

/// The elements of those places, one after the other.
fn gather(values: &ArrayRef, ranges: &[Range<usize>]) -> Result<ArrayRef> {
    let count = ranges.iter().map(Range::len).sum();
    let full: Vec<&Range<usize>> = ranges.iter().filter(|range| !range.is_empty()).collect();
    if full.windows(2).all(|pair| pair[0].end == pair[1].start) {
        return Ok(values.slice(full.first().map_or(0, |first| first.start), count));
    }
    let failed = |e| Error::internal(format!("cannot gather {count} elements: {e}"));
    let data = values.to_data();
    let mut out = MutableArrayData::try_new(vec![&data], false, count).map_err(failed)?;
    for range in full {
        out.try_extend(0, range.start, range.end).map_err(failed)?;
    }
    Ok(make_array(out.freeze()))
}

/// Checks the lengths of lists and of their texts, and that their numbers are some.
pub fn check(field: &Field, lists: &ListArray) -> Result<()> {
    for (row, ends) in lists.value_offsets().windows(2).enumerate() {
        let length = (ends[1] - ends[0]) as usize;
        if length > field.max_capacity {
            return Err(Error::invalid(format!(
                "field {}: the length ({length}) of {row}th array exceeds max capacity ({})",
                field.name, field.max_capacity
            )));
        }
    }
    if let Some((at, value)) = first_not_finite(lists.values()) {
        let row = lists.value_offsets().partition_point(|&end| end as usize <= at) - 1;
        let index = at - lists.value_offsets()[row] as usize;
        let place = format!("field {}, row {row}, array index {index}", field.name);
        return Err(not_finite(value).within(place));
    }
    let Some(texts) = lists.values().as_string_opt::<i32>() else { return Ok(()) };
    for (row, ends) in lists.value_offsets().windows(2).enumerate() {
        for at in ends[0]..ends[1] {
            let length = texts.value(at as usize).len();
            if length > field.max_length {
                return Err(Error::invalid(format!(
                    "length of Array array field \"{}\" exceeds max length, row number: {row}, array index: {}, length: {length}, max length: {}",
                    field.name,
                    at - ends[0],
                    field.max_length
                )));
            }
        }
    }
    Ok(())
}
