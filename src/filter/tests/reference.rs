//! A second evaluation, one row and one value at a time, over plain values: what the columns' evaluation must agree with.

use super::random::{Expression, Path};
use super::*;
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    StringArray,
};
use serde_json::Value as Json;
use std::sync::Arc;

/// A row: a value a field, in the order of the fields. A JSON field holds its document.
pub type Row = Vec<Json>;

/// The columns of rows.
pub fn batch(fields: &[Field], rows: &[Row]) -> RecordBatch {
    let column = |at: usize| rows.iter().map(move |row| &row[at]);
    let int = |v: &Json| v.as_i64().unwrap();
    let columns = fields.iter().enumerate().map(|(at, field)| {
        let array: ArrayRef = match field.data_type {
            DataType::Bool => Arc::new(BooleanArray::from_iter(column(at).map(Json::as_bool))),
            DataType::Int8 => Arc::new(Int8Array::from_iter_values(column(at).map(|v| int(v) as i8))),
            DataType::Int16 => Arc::new(Int16Array::from_iter_values(column(at).map(|v| int(v) as i16))),
            DataType::Int32 => Arc::new(Int32Array::from_iter_values(column(at).map(|v| int(v) as i32))),
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(column(at).map(int))),
            DataType::Float => {
                Arc::new(Float32Array::from_iter_values(column(at).map(|v| v.as_f64().unwrap() as f32)))
            }
            DataType::Double => {
                Arc::new(Float64Array::from_iter_values(column(at).map(|v| v.as_f64().unwrap())))
            }
            DataType::VarChar => {
                Arc::new(StringArray::from_iter_values(column(at).map(|v| v.as_str().unwrap())))
            }
            _ => Arc::new(StringArray::from_iter_values(column(at).map(Json::to_string))),
        };
        (field.name.clone(), array)
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

fn lookup<'r>(fields: &[Field], row: &'r Row, path: &Path) -> Option<&'r Json> {
    let at = fields.iter().position(|field| field.name == path.field)?;
    path.steps.iter().try_fold(&row[at], |value, step| match value {
        Json::Object(map) => map.get(step),
        Json::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn is_float32(fields: &[Field], path: &Path) -> bool {
    fields.iter().any(|field| field.name == path.field && field.data_type == DataType::Float)
}

/// -1, 0 or 1; `None` between types. Numbers here are small enough for floats.
fn order(a: &Json, b: &Json, single: bool) -> Option<i32> {
    let sign = |less: bool, greater: bool| i32::from(greater) - i32::from(less);
    match (a, b) {
        (Json::Bool(a), Json::Bool(b)) => Some(sign(!a & b, a & !b)),
        (Json::String(a), Json::String(b)) => Some(sign(a < b, a > b)),
        (Json::Number(a), Json::Number(b)) => {
            let (mut a, mut b) = (a.as_f64()?, b.as_f64()?);
            if single {
                (a, b) = (f64::from(a as f32), f64::from(b as f32));
            }
            Some(sign(a < b, a > b))
        }
        (Json::Array(a), Json::Array(b)) => {
            let equal = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| order(a, b, false) == Some(0));
            equal.then_some(0)
        }
        _ => None,
    }
}

fn compare(op: &str, order: Option<i32>) -> bool {
    match op {
        "==" => order == Some(0),
        "!=" => order != Some(0),
        "<" => order == Some(-1),
        ">" => order == Some(1),
        "<=" => matches!(order, Some(-1 | 0)),
        _ => matches!(order, Some(0 | 1)),
    }
}

fn compute(a: &Json, op: &str, b: &Json, single: bool) -> Option<Json> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Some(Json::from(match op {
            "+" => a.wrapping_add(b),
            "-" => a.wrapping_sub(b),
            "*" => a.wrapping_mul(b),
            "/" => a / b,
            _ => a % b,
        }));
    }
    let (a, b) = (a.as_f64()?, b.as_f64()?);
    let apply = |a: f64, b: f64| match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        _ => (a as i64 % b as i64) as f64,
    };
    // A float's sums are rounded as floats; in doubles first is the same for one operation.
    let result =
        if single { f64::from(apply(f64::from(a as f32), f64::from(b as f32)) as f32) } else { apply(a, b) };
    Some(Json::from(result))
}

/// Whether the filter lets the row through.
pub fn holds(fields: &[Field], row: &Row, filter: &Expression) -> bool {
    let get = |path| lookup(fields, row, path);
    match filter {
        Expression::And(parts) => parts.iter().all(|part| holds(fields, row, part)),
        Expression::Or(parts) => parts.iter().any(|part| holds(fields, row, part)),
        Expression::Not(part) => !holds(fields, row, part),
        Expression::Compare(path, op, value) => {
            compare(op, get(path).and_then(|found| order(found, value, is_float32(fields, path))))
        }
        Expression::Fields(a, op, b) => {
            // A float of 32 bits is compared as the double that it is.
            let cell = |path| {
                let found = get(path).filter(|value| !value.is_array())?;
                let rounded = |value: &Json| Some(Json::from(f64::from(value.as_f64()? as f32)));
                if is_float32(fields, path) { rounded(found) } else { Some(found.clone()) }
            };
            compare(op, cell(a).zip(cell(b)).and_then(|(a, b)| order(&a, &b, false)))
        }
        Expression::Range(path, low, low_op, high, high_op) => {
            let single = is_float32(fields, path);
            get(path).is_some_and(|found| {
                let above = if *low_op == "<" { ">" } else { ">=" };
                compare(above, order(found, low, single)) && compare(high_op, order(found, high, single))
            })
        }
        Expression::In(path, negated, list) => {
            let single = is_float32(fields, path);
            let found = get(path).is_some_and(|v| list.iter().any(|item| order(v, item, single) == Some(0)));
            found != *negated
        }
        Expression::Like(path, prefix) => {
            get(path).and_then(Json::as_str).is_some_and(|text| text.starts_with(prefix.as_str()))
        }
        Expression::Arithmetic(path, op, operand, equal, result) => {
            let single = is_float32(fields, path);
            let computed = get(path).filter(|v| v.is_number()).and_then(|v| compute(v, op, operand, single));
            let is_equal = computed.is_some_and(|v| order(&v, result, single) == Some(0));
            is_equal == *equal
        }
        Expression::Exists(path) => get(path).is_some(),
        Expression::Contains(how, path, wanted) => {
            let Some(list) = get(path).and_then(Json::as_array) else { return false };
            let has = |value: &Json| list.iter().any(|item| order(item, value, false) == Some(0));
            match *how {
                "json_contains" => has(&wanted[0]),
                "json_contains_all" => wanted.iter().all(has),
                _ => wanted.iter().any(has),
            }
        }
        Expression::Length(path, op, length) => {
            let found = get(path).and_then(Json::as_array).map(|list| list.len() as i64);
            compare(op, found.map(|len| i32::from(len > *length) - i32::from(len < *length)))
        }
    }
}
