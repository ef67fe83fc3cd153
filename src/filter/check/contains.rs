//! `json_contains`, `json_contains_all`, `json_contains_any` and their twins with `array_`.

use super::{Scope, Typed, compare, is_integer};
use crate::filter::predicate::{Predicate, Test};
use crate::filter::syntax::{Contains, Node};
use crate::filter::value::{Number, Value};
use std::cmp::Ordering;

impl Scope<'_> {
    pub(super) fn contains(&self, how: Contains, field: &Node, what: &Node) -> Result<Typed, String> {
        let name = how.name();
        let column = match self.typed(field)? {
            Typed::Column(column) if column.is_json() || column.is_array() => column,
            _ => {
                let shown = self.shown(field);
                return Err(format!(
                    "{name} operation are only supported on json or array fields now, got: {shown}"
                ));
            }
        };
        column.not_whole()?;
        let Typed::Value(value) = self.typed(what)? else {
            let shown = self.shown(what);
            return Err(format!(
                "{name} operation are only supported explicitly specified element, got: {shown}"
            ));
        };
        let values = match (how, value) {
            (Contains::One, value) => vec![value],
            (_, Value::List(values)) => values,
            _ => return Err(format!("{name} operation element must be an array")),
        };
        let of_elements = |value: Value| match column.element_type {
            None => Ok(value),
            Some(element) => {
                let (own, other) = (element.name(), value.type_name());
                let clash = |_| {
                    format!("{name} operation can't compare between array element type: {own} and {other}")
                };
                match value {
                    Value::Float(x) if is_integer(element) => Ok(whole(x).map_or(value, Value::Int)),
                    value => compare::cast(element, value).map_err(clash),
                }
            }
        };
        let values = values.into_iter().map(of_elements).collect::<Result<_, _>>()?;
        Ok(Typed::Predicate(Predicate::Column(column, Test::Contains(how, values))))
    }
}

/// The whole number of that value. A float that has none stays one, which no array of whole numbers contains.
fn whole(x: f64) -> Option<i64> {
    let n = x as i64;
    (Number::Float(x).compare(Number::Int(n)) == Some(Ordering::Equal)).then_some(n)
}
