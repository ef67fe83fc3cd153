//! Conditions on columns of booleans and numbers. `None` for a test that such a column never gets.

use super::divided;
use crate::filter::predicate::Test;
use crate::filter::syntax::{Arithmetic, Compare};
use crate::filter::value::{Value, whole};
use arrow_buffer::BooleanBuffer;

/// Values of a list up to which they are compared one by one.
pub const FEW: usize = 8;
/// From the least value of a list to its greatest, in whole numbers, up to which a bit for each of them is looked up.
const DENSE: u64 = 1 << 20;

/// A number of a column. Whole numbers are compared in 64 bits; floats in their own, so that 0.1 is the nearest of them.
pub trait Number: Copy + PartialEq {
    type Wide: Copy + PartialOrd;

    fn wide(self) -> Self::Wide;

    /// The constant in that width.
    fn constant(value: &Value) -> Option<Self::Wide>;

    /// The value of a column that is equal to `wide`, if any can be.
    fn narrow(wide: Self::Wide) -> Option<Self>;

    /// How far a whole number is beyond `first`, which wraps around; `u64::MAX` for floats.
    fn beyond(wide: Self::Wide, first: Self::Wide) -> u64;

    /// `a op b`, which wraps around.
    fn compute(op: Arithmetic, a: Self::Wide, b: Self::Wide) -> Self::Wide;

    /// The rows for which `value op divisor == result`, where that is found without dividing each.
    fn divided(
        values: &[Self],
        op: Arithmetic,
        divisor: Self::Wide,
        result: Self::Wide,
    ) -> Option<BooleanBuffer>;

    /// In the order of all values, NaN included; the two zeros are one.
    fn order(a: &Self::Wide, b: &Self::Wide) -> std::cmp::Ordering;
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Number for $type {
            type Wide = i64;

            #[inline(always)]
            fn wide(self) -> i64 {
                self.into()
            }

            fn constant(value: &Value) -> Option<i64> {
                match value {
                    Value::Int(n) => Some(*n),
                    _ => None,
                }
            }

            fn narrow(wide: i64) -> Option<$type> {
                wide.try_into().ok()
            }

            #[inline(always)]
            fn beyond(wide: i64, first: i64) -> u64 {
                wide.wrapping_sub(first) as u64
            }

            #[inline(always)]
            fn compute(op: Arithmetic, a: i64, b: i64) -> i64 {
                whole(op, a, b).unwrap_or(0)
            }

            fn divided(values: &[$type], op: Arithmetic, divisor: i64, result: i64) -> Option<BooleanBuffer> {
                divided::rows(values, op, divisor, result)
            }

            fn order(a: &i64, b: &i64) -> std::cmp::Ordering {
                a.cmp(b)
            }
        }
    )*};
}

macro_rules! floats {
    ($($type:ty),*) => {$(
        impl Number for $type {
            type Wide = $type;

            #[inline(always)]
            fn wide(self) -> $type {
                self
            }

            fn constant(value: &Value) -> Option<$type> {
                match value {
                    Value::Float(x) => Some(*x as $type),
                    _ => None,
                }
            }

            fn narrow(wide: $type) -> Option<$type> {
                Some(wide)
            }

            #[inline(always)]
            fn beyond(_: $type, _: $type) -> u64 {
                u64::MAX
            }

            #[inline(always)]
            fn compute(op: Arithmetic, a: $type, b: $type) -> $type {
                match op {
                    Arithmetic::Add => a + b,
                    Arithmetic::Subtract => a - b,
                    Arithmetic::Multiply => a * b,
                    Arithmetic::Divide => a / b,
                    Arithmetic::Modulo => a % b,
                }
            }

            fn divided(_: &[$type], _: Arithmetic, _: $type, _: $type) -> Option<BooleanBuffer> {
                None
            }

            fn order(a: &$type, b: &$type) -> std::cmp::Ordering {
                (a + 0.0).total_cmp(&(b + 0.0))
            }
        }
    )*};
}

whole_numbers!(i8, i16, i32, i64);
floats!(f32, f64);

pub fn numbers<T: Number>(values: &[T], test: &Test) -> Option<BooleanBuffer> {
    let constant = T::constant;
    match test {
        Test::Compare(op, value) => Some(compare(values, *op, constant(value)?)),
        Test::Between { low, low_inclusive, high, high_inclusive } => {
            let (low, high) = (constant(low)?, constant(high)?);
            Some(match (low_inclusive, high_inclusive) {
                (false, false) => each(values, |v| (v > low) & (v < high)),
                (false, true) => each(values, |v| (v > low) & (v <= high)),
                (true, false) => each(values, |v| (v >= low) & (v < high)),
                (true, true) => each(values, |v| (v >= low) & (v <= high)),
            })
        }
        Test::In(list) => {
            // A value of another type is in no row.
            Some(any_of(values, list.iter().filter_map(constant).collect()))
        }
        Test::Arithmetic { op, operand, equal, result } => {
            let (operand, result) = (constant(operand)?, constant(result)?);
            Some(arithmetic(values, *op, operand, result, *equal))
        }
        Test::Prefix(_) | Test::Length(..) | Test::Contains(..) | Test::Exists | Test::Null => None,
    }
}

#[inline(always)]
fn each<T: Number>(values: &[T], holds: impl Fn(T::Wide) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(values.len(), |row| holds(values[row].wide()))
}

fn compare<T: Number>(values: &[T], op: Compare, constant: T::Wide) -> BooleanBuffer {
    match op {
        Compare::Less => each(values, |v| v < constant),
        Compare::LessEqual => each(values, |v| v <= constant),
        Compare::Greater => each(values, |v| v > constant),
        Compare::GreaterEqual => each(values, |v| v >= constant),
        Compare::Equal => each(values, |v| v == constant),
        Compare::NotEqual => each(values, |v| v != constant),
    }
}

/// Values that are in the list.
fn any_of<T: Number>(values: &[T], mut list: Vec<T::Wide>) -> BooleanBuffer {
    if list.len() > FEW {
        list.sort_unstable_by(T::order);
        let (first, last) = (list[0], list[list.len() - 1]);
        // What lies outside of the list is counted one behind its end, where no bit is set.
        let outside = T::beyond(last, first).saturating_add(1);
        if outside <= DENSE {
            let mut bits = vec![0u64; outside as usize / 64 + 1];
            list.iter()
                .map(|item| T::beyond(*item, first))
                .for_each(|at| bits[at as usize / 64] |= 1 << (at % 64));
            return each(values, |v| {
                let at = T::beyond(v, first).min(outside);
                bits[at as usize / 64] >> (at % 64) & 1 == 1
            });
        }
        return each(values, |v| list.binary_search_by(|item| T::order(item, &v)).is_ok());
    }
    // In the column's own width, and so many of them that their number is no question in the loop.
    let narrow: Vec<T> = list.into_iter().filter_map(T::narrow).collect();
    let Some(first) = narrow.first() else { return BooleanBuffer::new_unset(values.len()) };
    let mut few = [*first; FEW];
    few[..narrow.len()].copy_from_slice(&narrow);
    BooleanBuffer::collect_bool(values.len(), |row| {
        few.iter().fold(false, |found, item| found | (*item == values[row]))
    })
}

/// A loop an operator, so that none of them is asked for in a loop.
fn arithmetic<T: Number>(
    values: &[T],
    op: Arithmetic,
    operand: T::Wide,
    result: T::Wide,
    equal: bool,
) -> BooleanBuffer {
    if let Some(bits) = T::divided(values, op, operand, result) {
        return if equal { bits } else { !&bits };
    }
    let bits = match op {
        Arithmetic::Add => each(values, |v| T::compute(Arithmetic::Add, v, operand) == result),
        Arithmetic::Subtract => each(values, |v| T::compute(Arithmetic::Subtract, v, operand) == result),
        Arithmetic::Multiply => each(values, |v| T::compute(Arithmetic::Multiply, v, operand) == result),
        Arithmetic::Divide => each(values, |v| T::compute(Arithmetic::Divide, v, operand) == result),
        Arithmetic::Modulo => each(values, |v| T::compute(Arithmetic::Modulo, v, operand) == result),
    };
    if equal { bits } else { !&bits }
}

pub fn bools(values: &BooleanBuffer, test: &Test) -> Option<BooleanBuffer> {
    let constant = |value: &Value| match value {
        Value::Bool(b) => Some(*b),
        _ => None,
    };
    // What becomes of the rows that are true, and of those that are false.
    let (of_true, of_false) = match test {
        Test::Compare(op, value) => {
            let value = constant(value)?;
            (op.holds(Some(true.cmp(&value))), op.holds(Some(false.cmp(&value))))
        }
        Test::In(list) => {
            let list: Vec<bool> = list.iter().map(constant).collect::<Option<_>>()?;
            (list.contains(&true), list.contains(&false))
        }
        _ => return None,
    };
    Some(match (of_true, of_false) {
        (true, true) => BooleanBuffer::new_set(values.len()),
        (false, false) => BooleanBuffer::new_unset(values.len()),
        (true, false) => values.clone(),
        (false, true) => !values,
    })
}
