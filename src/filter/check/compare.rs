//! Comparisons and ranges.

use super::{Scope, Typed};
use crate::filter::predicate::{Column, Predicate, Test};
use crate::filter::syntax::{Bound, Compare, Node};
use crate::filter::value::Value;
use crate::schema::DataType;

/// The value in the type of a field; Milvus' sentence if there is none. JSON takes every value.
pub fn cast(data_type: DataType, value: Value) -> Result<Value, String> {
    use DataType::*;
    match (data_type, value) {
        (Json, value) => Ok(value),
        (VarChar, value @ Value::Text(_)) | (Bool, value @ Value::Bool(_)) => Ok(value),
        (Float | Double, value @ Value::Float(_)) => Ok(value),
        (Float | Double, Value::Int(n)) => Ok(Value::Float(n as f64)),
        (Int8 | Int16 | Int32 | Int64, value @ Value::Int(_)) => Ok(value),
        (other, value) => Err(format!("cannot cast value to {}, value: {value}", other.name())),
    }
}

/// The value in the type of a column; an array takes lists of its elements' type.
pub fn cast_to(column: &Column, value: Value) -> Result<Value, String> {
    match (column.data_type, column.element_type, value) {
        (DataType::Array, Some(element), Value::List(values)) => {
            values.into_iter().map(|value| cast(element, value)).collect::<Result<_, _>>().map(Value::List)
        }
        (data_type, _, value) => cast(data_type, value),
    }
}

/// What may be compared with what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Bool,
    Number,
    Text,
    List,
    Json,
    /// Vectors.
    None,
}

fn family(typed: &Typed) -> Family {
    use DataType::*;
    match typed {
        Typed::Value(Value::Bool(_)) | Typed::Predicate(_) => Family::Bool,
        Typed::Value(Value::Text(_)) => Family::Text,
        Typed::Value(Value::List(_)) => Family::List,
        Typed::Value(_) | Typed::Length(_) => Family::Number,
        Typed::Arithmetic(column, ..) | Typed::Column(column) => match column.data_type {
            Bool => Family::Bool,
            Int8 | Int16 | Int32 | Int64 | Float | Double => Family::Number,
            VarChar => Family::Text,
            Json => Family::Json,
            Array => Family::List,
            FloatVector | BinaryVector => Family::None,
        },
    }
}

impl Scope<'_> {
    pub(super) fn compare(
        &self,
        node: &Node,
        op: Compare,
        left: Typed,
        right: Typed,
    ) -> Result<Typed, String> {
        if let (Typed::Value(a), Typed::Value(b)) = (&left, &right) {
            let folded = a.compare(op, b).map(|holds| Typed::Value(Value::Bool(holds)));
            return folded.ok_or_else(|| {
                let shown = self.shown(node);
                format!("comparison operations cannot be applied to two incompatible operands: {shown}")
            });
        }
        for side in [&left, &right] {
            if let Typed::Column(column) = side {
                column.not_whole()?;
            }
        }
        let equality = matches!(op, Compare::Equal | Compare::NotEqual);
        let fits = match (family(&left), family(&right)) {
            (Family::None, _) | (_, Family::None) => false,
            // Lists have no order, and are compared with constants only.
            (Family::List, Family::Json | Family::List) | (Family::Json, Family::List) => {
                equality && [&left, &right].iter().any(|side| matches!(side, Typed::Value(_)))
            }
            (a, b) => a == b || a == Family::Json || b == Family::Json,
        };
        if !fits {
            let (left, right) = (left.type_name(), right.type_name());
            return Err(format!("comparisons between {left} and {right} are not supported"));
        }
        match (left, right) {
            (Typed::Value(value), other) => with_value(op.reversed(), other, value),
            (other, Typed::Value(value)) => with_value(op, other, value),
            (Typed::Column(left), Typed::Column(right)) => {
                Ok(Typed::Predicate(Predicate::Fields(left, op, right)))
            }
            _ => Err("only comparison between two fields is supported".into()),
        }
    }

    pub(super) fn range(&self, item: &Node, low: &Bound, high: &Bound) -> Result<Typed, String> {
        let Typed::Column(column) = self.typed(item)? else {
            let shown = self.shown(item);
            return Err(format!("range operations are only supported on single fields now, got: {shown}"));
        };
        column.not_whole()?;
        let bound = |bound: &Bound, name: &str| match self.typed(&bound.value)? {
            Typed::Value(value) => Ok(value),
            _ => Err(format!("{name} cannot be a non-const expression: {}", self.shown(&bound.value))),
        };
        let (from, to) = (bound(low, "lowerbound")?, bound(high, "upperbound")?);
        use DataType::*;
        match column.data_type {
            Bool => return Err("invalid range operations on boolean expr".into()),
            Array | FloatVector | BinaryVector => {
                let name = column.data_type.name();
                return Err(format!("comparisons between {name} and {} are not supported", from.type_name()));
            }
            _ => {}
        }
        let of_one_kind = match (&from, &to) {
            (Value::Text(_), Value::Text(_)) => true,
            (a, b) => a.number().is_some() && b.number().is_some(),
        };
        let invalid = |_| "invalid range operations".to_owned();
        if !of_one_kind {
            return Err(invalid(String::new()));
        }
        let low_value = cast(column.data_type, from).map_err(invalid)?;
        let high_value = cast(column.data_type, to).map_err(invalid)?;
        let test = Test::Between {
            low: low_value,
            low_inclusive: low.inclusive,
            high: high_value,
            high_inclusive: high.inclusive,
        };
        Ok(Typed::Predicate(Predicate::Column(column, test)))
    }
}

/// `typed op value`.
fn with_value(op: Compare, typed: Typed, value: Value) -> Result<Typed, String> {
    let predicate = match typed {
        Typed::Column(column) => {
            let value = cast_to(&column, value)?;
            Predicate::Column(column, Test::Compare(op, value))
        }
        Typed::Length(column) => match cast(DataType::Int64, value)? {
            Value::Int(length) => Predicate::Column(column, Test::Length(op, length)),
            other => return Err(format!("cannot cast value to Int64, value: {other}")),
        },
        Typed::Arithmetic(column, arithmetic, operand) => {
            let equal = match op {
                Compare::Equal => true,
                Compare::NotEqual => false,
                other => return Err(format!("{} is not supported in execution backend", other.name())),
            };
            let is_float = column.is_float() || matches!(operand, Value::Float(_));
            let result = cast(if is_float { DataType::Double } else { DataType::Int64 }, value)?;
            Predicate::Column(column, Test::Arithmetic { op: arithmetic, operand, equal, result })
        }
        Typed::Predicate(_) | Typed::Value(_) => {
            return Err("not supported to combine multiple fields".into());
        }
    };
    Ok(Typed::Predicate(predicate))
}
