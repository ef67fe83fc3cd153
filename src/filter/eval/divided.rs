//! Whole numbers divided by a constant, without a division a row: a core takes ten to forty cycles for one of 64 bits.
//!
//! The quotient is rounded towards zero, and the remainder has the sign of the row's number, as in Go and Rust. So the rows
//! with one quotient are those of a range, and the rows with one remainder lie beyond it, away from zero, by a multiple
//! of the divisor.

use crate::filter::syntax::Arithmetic;
use arrow_buffer::BooleanBuffer;
use std::ops::RangeInclusive;

/// The rows for which `value op divisor == result`; `None` for other operators, and for a divisor of zero.
pub fn rows<T: Copy + Into<i64>>(
    values: &[T],
    op: Arithmetic,
    divisor: i64,
    result: i64,
) -> Option<BooleanBuffer> {
    match op {
        _ if divisor == 0 => None,
        Arithmetic::Divide => {
            let (low, high) = quotient(divisor, result).into_inner();
            Some(each(values, |value| (low <= value) & (value <= high)))
        }
        Arithmetic::Modulo if result.unsigned_abs() >= divisor.unsigned_abs() => {
            Some(BooleanBuffer::new_unset(values.len()))
        }
        Arithmetic::Modulo => {
            let multiples = Multiples::new(divisor.unsigned_abs());
            Some(match result {
                0 => each(values, |value| multiples.has(value.unsigned_abs())),
                1.. => {
                    each(values, |value| (value >= result) & multiples.has(value.wrapping_sub(result) as u64))
                }
                _ => {
                    each(values, |value| (value <= result) & multiples.has(result.wrapping_sub(value) as u64))
                }
            })
        }
        Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply => None,
    }
}

#[inline(always)]
fn each<T: Copy + Into<i64>>(values: &[T], holds: impl Fn(i64) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(values.len(), |row| holds(values[row].into()))
}

/// The numbers that divided by `divisor` are `result`; an empty range if there are none.
fn quotient(divisor: i64, result: i64) -> RangeInclusive<i64> {
    if divisor == -1 {
        // The least number is its own opposite.
        return result.wrapping_neg()..=result.wrapping_neg();
    }
    let size = i128::from(divisor).abs();
    let result = i128::from(result) * i128::from(divisor.signum());
    // Those without a remainder, and those farther from zero whose remainder is lost.
    let (exact, lost) = (result * size, size - 1);
    let low = if result > 0 { exact } else { exact - lost };
    let high = if result < 0 { exact } else { exact + lost };
    let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
    if low > most || high < least {
        #[allow(clippy::reversed_empty_ranges)]
        return 1..=0;
    }
    low.max(least) as i64..=high.min(most) as i64
}

/// The multiples of a number, told by one multiplication (Hacker's Delight, 10-17): times the inverse of its odd part,
/// the multiples of an odd number are the small numbers, 0 to as many as there are, and all others are larger.
/// Rotating takes out the twos, and what has too few of them gets a high bit.
struct Multiples {
    inverse: u64,
    twos: u32,
    most: u64,
}

impl Multiples {
    /// Of a number above zero.
    fn new(of: u64) -> Multiples {
        let twos = of.trailing_zeros();
        let odd = of >> twos;
        // Right in the lowest three bits, and in twice as many by each step of Newton's.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Multiples { inverse, twos, most: u64::MAX / of }
    }

    #[inline(always)]
    fn has(&self, number: u64) -> bool {
        number.wrapping_mul(self.inverse).rotate_right(self.twos) <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::value::whole;

    /// Around zero, the ends, powers of two and others.
    fn numbers() -> Vec<i64> {
        let mut around: Vec<i64> = vec![0, i64::MIN, i64::MAX, 1_000_003, 6_700_417 * 641, 3_037_000_499];
        around.extend((0..63).step_by(5).map(|bit| 1 << bit));
        around.extend([100, 7 * 24 * 3600, i64::MAX / 3, i64::MAX / 2]);
        let mut numbers: Vec<i64> = around
            .iter()
            .flat_map(|&n| (-3..=3).flat_map(move |d| [n.wrapping_add(d), n.wrapping_neg().wrapping_add(d)]))
            .collect();
        numbers.extend(-20..20);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    #[test]
    fn as_by_division() {
        let values = numbers();
        for op in [Arithmetic::Divide, Arithmetic::Modulo] {
            for &divisor in values.iter().filter(|divisor| **divisor != 0) {
                let of = |value: i64| whole(op, value, divisor).unwrap();
                // Results that some of the values have, and such as none has.
                let mut results: Vec<i64> = values.iter().step_by(7).map(|&value| of(value)).collect();
                results.extend([0, 1, -1, divisor, divisor.wrapping_neg(), i64::MIN, i64::MAX]);
                results.sort_unstable();
                results.dedup();
                for result in results {
                    let found = rows(&values, op, divisor, result).unwrap();
                    for (row, &value) in values.iter().enumerate() {
                        let holds = of(value) == result;
                        assert_eq!(found.value(row), holds, "{value} {op:?} {divisor} == {result}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_small_number() {
        let values: Vec<i8> = (i8::MIN..=i8::MAX).collect();
        for op in [Arithmetic::Divide, Arithmetic::Modulo] {
            for (divisor, result) in (-130..130).flat_map(|d| (-130..130).map(move |r| (d, r))) {
                let Some(found) = rows(&values, op, divisor, result) else {
                    assert_eq!(divisor, 0);
                    continue;
                };
                let expected = values.iter().map(|&v| whole(op, v.into(), divisor) == Some(result));
                assert!(found.iter().eq(expected), "{op:?} {divisor} == {result}");
            }
        }
    }

    #[test]
    fn others_are_not_for_it() {
        for op in [Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Multiply] {
            assert!(rows(&[1i64], op, 3, 1).is_none());
        }
        assert!(rows(&[1i64], Arithmetic::Modulo, 0, 0).is_none());
    }
}
