//! Indexes of scalar fields: the rows in the order of their values.
//!
//! STL_SORT, Trie and INVERTED are the same inside. The rows of a value stand together and those of a range of values, or
//! of the texts with a prefix, are one piece of the order, whose length says how many rows there are before any is looked
//! at. The values themselves stay in the segment's column, where a binary search looks at some twenty of them: so an
//! index takes four bytes a row, whatever the values.

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::index::sections::{SectionWriter, Sections};
use crate::index::{BuildContext, Progress};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer, ToByteSlice};
use arrow_schema::DataType;
use std::cmp::Ordering;
use std::ops::Range;

/// Of the sections.
const FORMAT: u32 = 1;
/// Rows that are sorted, or merged, between two checkpoints.
const STEP: usize = 1 << 16;

/// A value to find.
#[derive(Clone, Copy, Debug)]
pub enum Constant<'a> {
    Bool(bool),
    Int(i64),
    /// Compared with Float columns as the nearest of their values.
    Float(f64),
    Text(&'a str),
}

/// The values of a column that can be indexed.
pub struct Values<'a> {
    values: Typed<'a>,
    valid: Option<&'a NullBuffer>,
}

enum Typed<'a> {
    Bool(&'a BooleanBuffer),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Text(&'a StringArray),
}

impl<'a> Values<'a> {
    /// `None` for a column of another type.
    pub fn new(column: &'a ArrayRef) -> Option<Values<'a>> {
        let values = match column.data_type() {
            DataType::Boolean => Typed::Bool(column.as_boolean().values()),
            DataType::Int8 => Typed::Int8(column.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Typed::Int16(column.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Typed::Int32(column.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Typed::Int64(column.as_primitive::<Int64Type>().values()),
            DataType::Float32 => Typed::Float(column.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Typed::Double(column.as_primitive::<Float64Type>().values()),
            DataType::Utf8 => Typed::Text(column.as_string::<i32>()),
            _ => return None,
        };
        Some(Values { values, valid: column.nulls() })
    }

    /// Whether the values can be compared with it.
    pub fn take(&self, constant: &Constant) -> bool {
        match (&self.values, constant) {
            (Typed::Bool(_), Constant::Bool(_)) | (Typed::Text(_), Constant::Text(_)) => true,
            (Typed::Bool(_) | Typed::Text(_), _) => false,
            (Typed::Float(_) | Typed::Double(_), constant) => matches!(constant, Constant::Float(_)),
            (_, constant) => matches!(constant, Constant::Int(_)),
        }
    }

    fn len(&self) -> usize {
        match &self.values {
            Typed::Bool(values) => values.len(),
            Typed::Int8(values) => values.len(),
            Typed::Int16(values) => values.len(),
            Typed::Int32(values) => values.len(),
            Typed::Int64(values) => values.len(),
            Typed::Float(values) => values.len(),
            Typed::Double(values) => values.len(),
            Typed::Text(values) => values.len(),
        }
    }

    /// The order of the value of `row` and a constant; `None` where they have none.
    fn compare(&self, row: usize, constant: Constant) -> Option<Ordering> {
        let int = |value: i64| match constant {
            Constant::Int(constant) => Some(value.cmp(&constant)),
            _ => None,
        };
        match (&self.values, constant) {
            (Typed::Bool(values), Constant::Bool(constant)) => Some(values.value(row).cmp(&constant)),
            (Typed::Int8(values), _) => int(values[row].into()),
            (Typed::Int16(values), _) => int(values[row].into()),
            (Typed::Int32(values), _) => int(values[row].into()),
            (Typed::Int64(values), _) => int(values[row]),
            (Typed::Float(values), Constant::Float(constant)) => values[row].partial_cmp(&(constant as f32)),
            (Typed::Double(values), Constant::Float(constant)) => values[row].partial_cmp(&constant),
            (Typed::Text(values), Constant::Text(constant)) => Some(values.value(row).cmp(constant)),
            _ => None,
        }
    }

    /// Of a number or boolean, a number that has its place in the order; `None` for a NaN, which has none.
    fn rank(&self, row: usize) -> Option<u64> {
        /// Moves the least Int64 to 0.
        const SIGN: u64 = 1 << 63;
        let int = |value: i64| Some(value as u64 ^ SIGN);
        let float = |value: f64| {
            // -0.0 becomes 0.0. The bits of negative numbers descend.
            let bits = (value + 0.0).to_bits();
            (!value.is_nan()).then_some(if bits & SIGN == 0 { bits | SIGN } else { !bits })
        };
        match &self.values {
            Typed::Bool(values) => Some(values.value(row).into()),
            Typed::Int8(values) => int(values[row].into()),
            Typed::Int16(values) => int(values[row].into()),
            Typed::Int32(values) => int(values[row].into()),
            Typed::Int64(values) => int(values[row]),
            Typed::Float(values) => float(values[row].into()),
            Typed::Double(values) => float(values[row]),
            Typed::Text(_) => Some(0),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        self.valid.is_some_and(|valid| valid.is_null(row))
    }
}

/// The rows of a column in the order of their values, those of one value in their own order. Nulls and NaN, which have no
/// place in it, are left out.
pub struct Sorted {
    rows: ScalarBuffer<u32>,
    /// Rows of the column.
    of: usize,
}

impl Sorted {
    /// Of all rows of a column, whose type must be one of [`Values`].
    pub fn build(column: &ArrayRef, context: &BuildContext) -> Result<Sorted> {
        let values = Values::new(column).ok_or_else(|| not_indexed(column))?;
        let of = values.len();
        let mut progress = Progress::new(context.pace, of as u64, 2 * of as u64);
        let rows = match &values.values {
            Typed::Text(texts) => {
                let rows = (0..of as u32).filter(|&row| !values.is_null(row as usize)).collect();
                sort(rows, |row| texts.value(row as usize), &mut progress)?
            }
            _ => {
                let ranks: Vec<u64> = (0..of).map(|row| values.rank(row).unwrap_or(0)).collect();
                let is_in = |row: usize| !values.is_null(row) && values.rank(row).is_some();
                let rows = (0..of as u32).filter(|&row| is_in(row as usize)).collect();
                sort(rows, |row| ranks[row as usize], &mut progress)?
            }
        };
        Ok(Sorted { rows: rows.into(), of })
    }

    /// About how many bytes a build over `rows` rows takes: ranks, the order, and the order once more while it is merged.
    pub fn build_memory(rows: usize) -> u64 {
        16 * rows as u64
    }

    /// What [`Sorted::save`] wrote, over the same column of `of` rows.
    pub fn load(sections: &Sections, of: usize) -> Result<Sorted> {
        let [_, count] = sections.head::<2>("scalar index", FORMAT)?;
        if count as usize > of {
            return Err(Error::corrupt(format!("the index has {count} rows of {of}")));
        }
        let rows = sections.typed::<u32>("rows", count as usize)?;
        match rows.iter().max() {
            Some(&row) if row as usize >= of => {
                Err(Error::corrupt(format!("the index names row {row} of {of}")))
            }
            _ => Ok(Sorted { rows, of }),
        }
    }

    /// Writes it as sections. The values are not part of it.
    pub fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("head", [FORMAT, self.rows.len() as u32].to_byte_slice())?;
        out.section("rows", self.rows.to_byte_slice())
    }

    /// Bytes of its own.
    pub fn memory(&self) -> usize {
        self.rows.len() * size_of::<u32>()
    }

    /// Rows that have a place in the order.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Comparisons that it takes to find a place.
    pub fn steps(&self) -> usize {
        self.len().max(1).ilog2() as usize + 1
    }

    /// How many rows, which are the first in the order, have values below `constant`, or at most that. `column` is the one
    /// that it was built over.
    pub fn below(&self, column: &Values, constant: Constant, or_equal: bool) -> usize {
        self.rows.partition_point(|&row| match column.compare(row as usize, constant) {
            Some(order) => order == Ordering::Less || (or_equal && order == Ordering::Equal),
            None => false,
        })
    }

    /// Where the rows are whose values are texts with that prefix.
    pub fn with_prefix(&self, column: &Values, prefix: &str) -> Range<usize> {
        let Typed::Text(texts) = &column.values else { return 0..0 };
        let start = self.below(column, Constant::Text(prefix), false);
        let has = |row: &u32| texts.value(*row as usize).starts_with(prefix);
        start..start + self.rows[start..].partition_point(has)
    }

    /// A bit for each row of the column, set for those at `places` in the order.
    pub fn bits(&self, places: &[Range<usize>]) -> BooleanBuffer {
        let mut words = vec![0u64; self.of.div_ceil(64)];
        for range in places {
            // A damaged order may have places that end before they begin.
            let rows = self.rows.get(range.clone()).unwrap_or_default();
            rows.iter().for_each(|&row| words[row as usize / 64] |= 1 << (row % 64));
        }
        BooleanBuffer::new(words.into(), 0, self.of)
    }
}

fn not_indexed(column: &ArrayRef) -> Error {
    Error::internal(format!("a scalar index of a column of {}", column.data_type()))
}

/// The ascending `rows` in the order of their keys, and of themselves where keys are equal.
fn sort<K: Ord>(mut rows: Vec<u32>, key: impl Fn(u32) -> K, progress: &mut Progress) -> Result<Vec<u32>> {
    // Steps are sorted, and merged two by two.
    for step in rows.chunks_mut(STEP) {
        step.sort_unstable_by_key(|&row| (key(row), row));
        progress.advance(step.len() as u64)?;
    }
    let passes = u64::from(rows.len().div_ceil(STEP).max(1).next_power_of_two().ilog2());
    let mut width = STEP;
    while width < rows.len() {
        let mut merged = Vec::with_capacity(rows.len());
        for pair in rows.chunks(2 * width) {
            let (mut left, mut right) = pair.split_at(width.min(pair.len()));
            while let (Some(&a), Some(&b)) = (left.first(), right.first()) {
                // Those on the left are the lower rows.
                if key(b) < key(a) {
                    merged.push(b);
                    right = &right[1..];
                } else {
                    merged.push(a);
                    left = &left[1..];
                }
                if merged.len() % STEP == 0 {
                    progress.advance(STEP as u64 / passes)?;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        rows = merged;
        width *= 2;
    }
    Ok(rows)
}
