//! The JSON that descriptions and parameters come in.

use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// A JSON object of parameters, its `params` taken apart.
pub(super) struct Given {
    /// What stands beside `params`.
    pub(super) top: Map<String, Value>,
    pub(super) params: Map<String, Value>,
}

impl Given {
    /// Empty text is an empty object. `what` names the text in errors.
    pub(super) fn parse(text: &str, what: &str) -> Result<Given> {
        let mut top = object(text, what)?;
        let params = match top.remove("params") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params,
            Some(Value::String(text)) => object(&text, "params")?,
            Some(other) => {
                return Err(Error::invalid(format!("{what}: params must be a JSON object, not {other}")));
            }
        };
        Ok(Given { top, params })
    }

    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        self.params.get(name).or_else(|| self.top.get(name))
    }

    /// A name, or a number as its text.
    pub(super) fn word(&self, name: &str) -> Result<Option<String>> {
        match self.find(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(Error::invalid(format!("Invalid {name}: {other} is not a name"))),
        }
    }
}

fn object(text: &str, what: &str) -> Result<Map<String, Value>> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(Error::invalid(format!("{what} must be a JSON object, not {other}"))),
        Err(error) => Err(Error::invalid(format!("{what} must be a JSON object: {error}"))),
    }
}
