//! What a filter says of a row: one row and one value at a time, in the three-valued logic of SQL. Nothing of the engine
//! is used.

use super::filters::{Filter, Path};
use super::rows::{Kind, Row, Shape};
use serde_json::Value as Json;

/// What a path leads to.
enum Cell {
    /// The field is null.
    Null,
    /// Inside of JSON, or behind the end of an array.
    Nowhere,
    Value(Json),
}

impl Path {
    fn is_element(&self) -> bool {
        !self.kind.is_json() && !self.steps.is_empty()
    }

    /// A value as the engine compares it with constants: a Float has 32 bits.
    fn is_single(&self) -> bool {
        self.kind == Kind::Float
    }

    fn cell(&self, shape: &Shape, row: &Row) -> Cell {
        if self.field == "id" {
            return Cell::Value(row.key.to_json());
        }
        let at = shape.fields.iter().position(|field| field.name == self.field).expect("a field");
        let whole = &row.cells[at];
        if whole.is_null() {
            return Cell::Null;
        }
        let found = self.steps.iter().try_fold(whole, |value, step| match value {
            Json::Object(map) => map.get(step),
            Json::Array(list) => list.get(step.parse::<usize>().ok()?),
            _ => None,
        });
        found.map_or(Cell::Nowhere, |value| Cell::Value(value.clone()))
    }
}

/// Whether the filter holds; `None` for what a null decides.
pub fn truth(shape: &Shape, row: &Row, filter: &Filter) -> Option<bool> {
    // A condition on one value. Beyond an array's end none holds; where JSON has nothing, `nowhere` says.
    let one = |path: &Path, nowhere: bool, holds: &dyn Fn(&Json) -> bool| match path.cell(shape, row) {
        Cell::Null => None,
        Cell::Nowhere => Some(nowhere && !path.is_element()),
        Cell::Value(value) => Some(holds(&value)),
    };
    match filter {
        Filter::Everything => Some(true),
        Filter::And(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| truth(shape, row, part)).collect();
            if parts.contains(&Some(false)) { Some(false) } else { (!parts.contains(&None)).then_some(true) }
        }
        Filter::Or(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| truth(shape, row, part)).collect();
            if parts.contains(&Some(true)) { Some(true) } else { (!parts.contains(&None)).then_some(false) }
        }
        Filter::Not(part) => truth(shape, row, part).map(|holds| !holds),
        Filter::Compare(path, op, value) => {
            let value = cast(path, value);
            one(path, *op == "!=", &|found| compare(op, order(found, &value, path.is_single())))
        }
        Filter::Fields(left, op, right) => {
            let (a, b) = (left.cell(shape, row), right.cell(shape, row));
            match (a, b) {
                (Cell::Null, _) | (_, Cell::Null) => None,
                (Cell::Nowhere, _) if left.is_element() => Some(false),
                (_, Cell::Nowhere) if right.is_element() => Some(false),
                (Cell::Value(a), Cell::Value(b)) => {
                    let plain = |value: &Json| !value.is_array();
                    let (a, b) = (widened(&a, left), widened(&b, right));
                    let both = plain(&a) && plain(&b);
                    Some(compare(op, both.then(|| order(&a, &b, false)).flatten()))
                }
                _ => Some(*op == "!="),
            }
        }
        Filter::Range(path, low, low_op, high, high_op) => one(path, false, &|found| {
            let above = if *low_op == "<" { ">" } else { ">=" };
            let single = path.is_single();
            let (low, high) = (cast(path, low), cast(path, high));
            compare(above, order(found, &low, single)) && compare(high_op, order(found, &high, single))
        }),
        Filter::In(path, negated, list) => {
            let equal =
                |found: &Json| list.iter().any(|v| order(found, &cast(path, v), path.is_single()) == Some(0));
            one(path, false, &equal).map(|found| found != *negated)
        }
        Filter::Like(path, prefix) => {
            one(path, false, &|found| found.as_str().is_some_and(|text| text.starts_with(prefix.as_str())))
        }
        Filter::Arithmetic(path, op, operand, equal, result) => one(path, !equal, &|found| {
            let single = path.is_single();
            let computed = found.is_number().then(|| compute(found, op, operand, single)).flatten();
            computed.is_some_and(|value| order(&value, result, single) == Some(0)) == *equal
        }),
        Filter::Exists(path) => one(path, false, &|_| true),
        Filter::Null(path, negated) => {
            let is_null = match path.cell(shape, row) {
                Cell::Null | Cell::Nowhere => true,
                Cell::Value(value) => value.is_null(),
            };
            Some(is_null != *negated)
        }
        Filter::Contains(how, path, wanted) => one(path, false, &|found| {
            let Some(list) = found.as_array() else { return false };
            let has = |value: &Json| list.iter().any(|item| order(item, value, false) == Some(0));
            match *how {
                "json_contains" => has(&wanted[0]),
                "json_contains_all" => wanted.iter().all(has),
                _ => wanted.iter().any(has),
            }
        }),
        Filter::Length(path, op, length) => one(path, *op == "!=", &|found| {
            let found = found.as_array().map(|list| list.len() as i64);
            compare(op, found.map(|len| i32::from(len > *length) - i32::from(len < *length)))
        }),
    }
}

/// A Float as the double that it is.
fn widened(value: &Json, path: &Path) -> Json {
    match value.as_f64() {
        Some(number) if path.is_single() => Json::from(f64::from(number as f32)),
        _ => value.clone(),
    }
}

/// -1, 0 or 1; `None` between types. Whole numbers are compared exactly, with numbers of any kind.
fn order(a: &Json, b: &Json, single: bool) -> Option<i32> {
    let sign = |less: bool, greater: bool| i32::from(greater) - i32::from(less);
    match (a, b) {
        (Json::Bool(a), Json::Bool(b)) => Some(sign(!a & b, a & !b)),
        (Json::String(a), Json::String(b)) => Some(sign(a < b, a > b)),
        (Json::Number(x), Json::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) if !single => Some(sign(x < y, x > y)),
            (Some(x), None) if !single => Some(-float_order(y.as_f64()?, x)),
            (None, Some(y)) if !single => Some(float_order(x.as_f64()?, y)),
            _ => {
                let (x, y) = (rounded(x.as_f64()?, single), rounded(y.as_f64()?, single));
                Some(sign(x < y, x > y))
            }
        },
        (Json::Array(a), Json::Array(b)) => {
            let equal = a.len() == b.len() && a.iter().zip(b).all(|(a, b)| order(a, b, false) == Some(0));
            equal.then_some(0)
        }
        _ => None,
    }
}

/// A finite float beside a whole number, which it may not be able to hold.
fn float_order(x: f64, y: i64) -> i32 {
    // All whole numbers of 64 bits are within 128, where a float beyond them ends up beyond them, too.
    let floor = x.floor();
    match (floor as i128).cmp(&i128::from(y)) {
        std::cmp::Ordering::Equal => i32::from(x > floor),
        other => other as i32,
    }
}

fn rounded(x: f64, single: bool) -> f64 {
    if single { f64::from(x as f32) } else { x }
}

/// What a constant becomes beside a field: Float and Double have floats only.
fn cast(path: &Path, value: &Json) -> Json {
    match value.as_f64() {
        Some(number) if path.kind.is_float() => Json::from(number),
        _ => value.clone(),
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
            "/" => a.wrapping_div(b),
            _ => a.wrapping_rem(b),
        }));
    }
    let apply = |a: f64, b: f64| match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        _ => (a as i64 % b as i64) as f64,
    };
    let (a, b) = (a.as_f64()?, b.as_f64()?);
    // A Float's sums are rounded as such; in doubles first is the same for one operation.
    let result =
        if single { f64::from(apply(f64::from(a as f32), f64::from(b as f32)) as f32) } else { apply(a, b) };
    Some(Json::from(result))
}
