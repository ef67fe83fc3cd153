//! Constants of a filter: their types and their arithmetic.

use crate::filter::syntax::{Arithmetic, Compare};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A constant.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
}

/// Floats by their bits: for two that are told apart, though they are equal, nothing is lost.
impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Value::Bool(b) => b.hash(state),
            Value::Int(n) => n.hash(state),
            Value::Float(x) => x.to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::List(values) => values.hash(state),
        }
    }
}

/// A number of either kind, of a constant or of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// The exact order of the numbers; `None` with a NaN.
    pub fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
            (Number::Int(a), Number::Float(b)) => int_to_float(a, b),
            (Number::Float(a), Number::Int(b)) => int_to_float(b, a).map(Ordering::reverse),
        }
    }

    /// As a float, rounded where there is none of its value.
    pub fn float(self) -> f64 {
        match self {
            Number::Int(n) => n as f64,
            Number::Float(x) => x,
        }
    }

    /// What the rows of a filter compute: 64 bits that wrap around as long as both are whole numbers, floats otherwise.
    /// The whole numbers of a division are truncated. `None` where nothing is divided by zero.
    pub fn compute(self, op: Arithmetic, other: Number) -> Option<Number> {
        if let (Number::Int(a), Number::Int(b)) = (self, other) {
            return whole(op, a, b).map(Number::Int);
        }
        let (a, b) = (self.float(), other.float());
        Some(Number::Float(match op {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            // Milvus takes the remainder of the whole numbers.
            Arithmetic::Modulo => return whole(op, a as i64, b as i64).map(Number::Int),
        }))
    }
}

/// Arithmetic of 64 bits that wraps around; `None` for a division by zero.
pub fn whole(op: Arithmetic, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        Arithmetic::Add => a.wrapping_add(b),
        Arithmetic::Subtract => a.wrapping_sub(b),
        Arithmetic::Multiply => a.wrapping_mul(b),
        Arithmetic::Divide => a.checked_div(b).unwrap_or(if b == 0 { return None } else { a }),
        Arithmetic::Modulo => a.checked_rem(b).unwrap_or(if b == 0 { return None } else { 0 }),
    })
}

/// The exact order of a whole number and a float.
fn int_to_float(a: i64, b: f64) -> Option<Ordering> {
    /// 2^63, the first float beyond Int64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() {
        None
    } else if b >= LIMIT {
        Some(Ordering::Less)
    } else if b < -LIMIT {
        Some(Ordering::Greater)
    } else {
        let floor = b.floor();
        Some(a.cmp(&(floor as i64)).then(if b > floor { Ordering::Less } else { Ordering::Equal }))
    }
}

impl Value {
    /// It as a number, if it is one.
    pub fn number(&self) -> Option<Number> {
        match self {
            Value::Int(n) => Some(Number::Int(*n)),
            Value::Float(x) => Some(Number::Float(*x)),
            _ => None,
        }
    }

    /// Milvus' name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "Bool",
            Value::Int(_) => "Int64",
            Value::Float(_) => "Double",
            Value::Text(_) => "VarChar",
            Value::List(_) => "Array",
        }
    }

    /// The order of two constants of comparable types; `Err` for others.
    fn order(&self, other: &Value) -> Result<Option<Ordering>, ()> {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
            (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => Ok(a.compare(b)),
                _ => Err(()),
            },
        }
    }

    /// `self op other`; `None` if they cannot be compared, as booleans have no order in Milvus.
    pub fn compare(&self, op: Compare, other: &Value) -> Option<bool> {
        let equality = matches!(op, Compare::Equal | Compare::NotEqual);
        if matches!(self, Value::Bool(_)) && !equality {
            return None;
        }
        self.order(other).ok().map(|order| op.holds(order))
    }

    /// `self op other`, with Milvus' words about what cannot be.
    pub fn compute(&self, op: Arithmetic, other: &Value) -> Result<Value, String> {
        let (Some(a), Some(b)) = (self.number(), other.number()) else {
            return Err(not_arithmetic(op));
        };
        let divides = matches!(op, Arithmetic::Divide | Arithmetic::Modulo);
        if divides && b.float() == 0.0 {
            return Err("cannot divide by zero".into());
        }
        match (a, b) {
            (Number::Int(a), Number::Int(b)) => {
                let exact = match op {
                    Arithmetic::Add => a.checked_add(b),
                    Arithmetic::Subtract => a.checked_sub(b),
                    Arithmetic::Multiply => a.checked_mul(b),
                    Arithmetic::Divide => a.checked_div(b),
                    Arithmetic::Modulo => a.checked_rem(b),
                };
                exact
                    .map(Value::Int)
                    .ok_or_else(|| format!("{a} {} {b} is out of the range of Int64", op.name()))
            }
            _ if op == Arithmetic::Modulo => Err("modulo can only apply on integer types".into()),
            (a, b) => match a.compute(op, b) {
                Some(Number::Float(x)) => Ok(Value::Float(x)),
                _ => Err(not_arithmetic(op)),
            },
        }
    }

    /// `self ** other`, a float as in Milvus.
    pub fn power(&self, other: &Value) -> Result<Value, String> {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => Ok(Value::Float(a.float().powf(b.float()))),
            _ => Err("power can only apply on constants".into()),
        }
    }
}

/// Milvus' sentence about operands that are no numbers.
pub fn not_arithmetic(op: Arithmetic) -> String {
    format!("'{}' can only be used between integer or floating or json field expressions", op.name())
}

/// As Milvus shows the values of its plans.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => write!(f, "bool_val:{b}"),
            Value::Int(n) => write!(f, "int64_val:{n}"),
            Value::Float(x) => write!(f, "float_val:{x}"),
            Value::Text(text) => write!(f, "string_val:{text:?}"),
            Value::List(_) => write!(f, "array_val"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_kinds_compare_exactly() {
        let cases = [
            (i64::MAX, 9_223_372_036_854_775_807.0, Some(Ordering::Less)),
            (i64::MIN, -9_223_372_036_854_775_808.0, Some(Ordering::Equal)),
            ((1 << 53) + 1, 9_007_199_254_740_992.0, Some(Ordering::Greater)),
            (3, 3.5, Some(Ordering::Less)),
            (-3, -3.5, Some(Ordering::Greater)),
            (0, -0.0, Some(Ordering::Equal)),
            (0, f64::INFINITY, Some(Ordering::Less)),
            (0, f64::NEG_INFINITY, Some(Ordering::Greater)),
            (0, f64::NAN, None),
        ];
        for (int, float, order) in cases {
            assert_eq!(Number::Int(int).compare(Number::Float(float)), order, "{int} {float}");
            let back = order.map(Ordering::reverse);
            assert_eq!(Number::Float(float).compare(Number::Int(int)), back, "{float} {int}");
        }
    }

    #[test]
    fn rows_never_panic() {
        for op in [Arithmetic::Divide, Arithmetic::Modulo] {
            assert_eq!(whole(op, i64::MIN, 0), None);
            assert!(whole(op, i64::MIN, -1).is_some());
        }
        assert_eq!(whole(Arithmetic::Multiply, i64::MAX, 2), Some(-2));
        assert_eq!(Number::Float(f64::NAN).compute(Arithmetic::Modulo, Number::Int(3)), Some(Number::Int(0)));
    }
}
