//! Where in the order of an index the rows of a condition lie.

use crate::filter::predicate::{Column, Predicate, Test};
use crate::filter::syntax::Compare;
use crate::filter::value::Value;
use crate::index::scalar::{Constant, Sorted, Values};
use crate::schema::DataType;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use std::ops::Range;

/// Some pieces of an index's order.
pub struct Places {
    /// They do not overlap.
    ranges: Vec<Range<usize>>,
    /// The condition holds for all rows but these.
    but: bool,
}

impl Places {
    /// Those of a condition on `column`, which `index` was built over; `None` where the index does not tell.
    pub fn new(index: &Sorted, column: &ArrayRef, test: &Test) -> Option<Places> {
        let values = Values::new(column)?;
        let end = index.len();
        let below = |value: &Value, or_equal| {
            let constant = constant(value).filter(|constant| values.take(constant))?;
            Some(index.below(&values, constant, or_equal))
        };
        let equal = |value: &Value| Some(below(value, false)?..below(value, true)?);
        let mut places = match test {
            Test::Compare(op, value) => {
                let Range { start, end: after } = equal(value)?;
                let range = match op {
                    Compare::Less => 0..start,
                    Compare::LessEqual => 0..after,
                    Compare::Greater => after..end,
                    Compare::GreaterEqual => start..end,
                    Compare::Equal | Compare::NotEqual => start..after,
                };
                Places { ranges: vec![range], but: *op == Compare::NotEqual }
            }
            Test::Between { low, low_inclusive, high, high_inclusive } => {
                let (from, to) = (below(low, !low_inclusive)?, below(high, *high_inclusive)?);
                let range = from..to.max(from);
                Places { ranges: vec![range], but: false }
            }
            Test::In(list) => {
                let mut ranges: Vec<_> = list.iter().map(equal).collect::<Option<_>>()?;
                ranges.retain(|range| !range.is_empty());
                ranges.sort_unstable_by_key(|range| range.start);
                // The list may repeat a value.
                ranges.dedup();
                Places { ranges, but: false }
            }
            Test::Prefix(prefix) => Places { ranges: vec![index.with_prefix(&values, prefix)], but: false },
            _ => return None,
        };
        // Where the order has all rows but nulls, which are masked, the others may be fewer.
        if places.rows() > end / 2 && end == column.len() - column.null_count() {
            places.turn(end);
        }
        Some(places)
    }

    /// Whether an index can tell for which rows such a condition holds.
    pub fn are_known(column: &Column, test: &Test) -> bool {
        let is_plain = column.path.is_empty() && column.element_type.is_none();
        let has_order =
            !matches!(column.data_type, DataType::Json | DataType::FloatVector | DataType::BinaryVector);
        is_plain && has_order && Places::searches(test) > 0
    }

    /// How many places are looked for.
    pub fn searches(test: &Test) -> usize {
        match test {
            Test::Compare(..) | Test::Between { .. } | Test::Prefix(_) => 2,
            Test::In(list) => 2 * list.len().max(1),
            _ => 0,
        }
    }

    /// The rows that they name.
    pub fn rows(&self) -> usize {
        self.ranges.iter().map(Range::len).sum()
    }

    /// A bit for each row of the column, those of nulls may be either.
    pub fn bits(&self, index: &Sorted) -> BooleanBuffer {
        let bits = index.bits(&self.ranges);
        if self.but { !&bits } else { bits }
    }

    /// The same by all other places of an order that ends at `end`.
    fn turn(&mut self, end: usize) {
        let starts = std::iter::once(0).chain(self.ranges.iter().map(|range| range.end));
        let ends = self.ranges.iter().map(|range| range.start).chain(std::iter::once(end));
        let others = starts.zip(ends).map(|(start, end)| start..end).collect();
        *self = Places { ranges: others, but: !self.but };
    }
}

fn constant(value: &Value) -> Option<Constant<'_>> {
    match value {
        Value::Bool(b) => Some(Constant::Bool(*b)),
        Value::Int(n) => Some(Constant::Int(*n)),
        Value::Float(x) => (!x.is_nan()).then_some(Constant::Float(*x)),
        Value::Text(text) => Some(Constant::Text(text)),
        Value::List(_) => None,
    }
}

/// Adds the places of fields with conditions for which an index may be used.
pub fn fields(predicate: &Predicate, found: &mut Vec<usize>) {
    match predicate {
        Predicate::Always(_) | Predicate::Fields(..) => {}
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().for_each(|part| fields(part, found)),
        Predicate::Not(inner) => fields(inner, found),
        Predicate::Column(column, test) => {
            if Places::are_known(column, test) && !found.contains(&column.at) {
                found.push(column.at);
            }
        }
    }
}
