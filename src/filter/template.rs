//! The values of `{name}` in a filter, passed beside its text so that no caller has to splice strings.

use crate::error::{Error, Result};
use crate::filter::value::Value;
use std::collections::HashMap;

/// Most bytes of the JSON text of the values.
pub const MAX_VALUES: usize = 64 << 20;

/// Values by their names.
#[derive(Default)]
pub struct Values(HashMap<String, Value>);

impl Values {
    /// Reads a JSON object, like `{"age":25,"cities":["Rome","Oslo"]}`: booleans, numbers, texts and lists of them. Empty
    /// for none.
    pub fn from_json(text: &str) -> Result<Values> {
        if text.trim_ascii().is_empty() {
            return Ok(Values::default());
        }
        if text.len() > MAX_VALUES {
            let length = text.len();
            return Err(Error::invalid(format!(
                "the filter values have {length} bytes, at most {MAX_VALUES}"
            )));
        }
        let given: HashMap<String, serde_json::Value> = serde_json::from_str(text)
            .map_err(|e| Error::invalid(format!("the filter values are not a JSON object: {e}")))?;
        let read = |(name, value)| {
            let value = value_of(value).map_err(|what| {
                Error::invalid(format!(
                    "the filter value {name} {what}; it should be a boolean, a number, a text or a list"
                ))
            })?;
            Ok((name, value))
        };
        given.into_iter().map(read).collect::<Result<_>>().map(Values)
    }

    /// The value of that name, or Milvus' sentence.
    pub(super) fn get(&self, name: &str) -> std::result::Result<&Value, String> {
        self.0
            .get(name)
            .ok_or_else(|| format!("the value of expression template variable name {{{name}}} is not found"))
    }
}

fn value_of(value: serde_json::Value) -> std::result::Result<Value, String> {
    Ok(match value {
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(values) => {
            Value::List(values.into_iter().map(value_of).collect::<std::result::Result<_, _>>()?)
        }
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(n), _) => Value::Int(n),
            (None, Some(x)) if !number.is_u64() => Value::Float(x),
            _ => return Err(format!("has {number}, which is out of the range of Int64")),
        },
        serde_json::Value::Null => return Err("has a null".into()),
        serde_json::Value::Object(_) => return Err("has an object".into()),
    })
}
