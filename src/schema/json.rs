//! A schema from and to JSON text, in the spellings that Milvus and its SDKs use.

use super::{DataType, Field, Schema};
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value, json};

const SCHEMA_KEYS: &str =
    "description, auto_id (autoID), enable_dynamic_field (only false), num_partitions, fields";
const FIELD_KEYS: &str = "name, description, data_type (type), is_primary (is_primary_key), auto_id (autoID), \
     is_partition_key, max_length, dim, type_params (params), is_dynamic (only false)";

impl Schema {
    /// `{"description":"","auto_id":false,"fields":[{"name","data_type","is_primary","auto_id","is_partition_key",
    /// "max_length","dim"}],"num_partitions":16}`.
    ///
    /// Accepted as well: Milvus' numbers for `data_type`, `is_primary_key`, `autoID`, `dim` and `max_length` inside
    /// `type_params` or `params`, and numbers as text. Unknown keys are errors.
    pub fn from_json(text: &str) -> Result<Schema> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| Error::invalid(format!("the schema is not JSON: {e}")))?;
        let schema = object(&value, "the schema")?;
        let mut description = String::new();
        let mut auto_id = false;
        let (mut fields, mut num_partitions) = (None, 0);
        for (key, value) in schema {
            match key.as_str() {
                "description" => description = text_of(value, "description")?,
                "auto_id" | "autoID" => auto_id = flag(value, key)?,
                "enable_dynamic_field" => refuse_flag(value, key)?,
                "num_partitions" => num_partitions = integer(value, key)?,
                "fields" => fields = Some(value),
                _ => return Err(unknown(key, "schema", SCHEMA_KEYS)),
            }
        }
        let fields =
            fields.ok_or_else(|| Error::new(Code::MissingParameter, "the schema has no \"fields\""))?;
        let list =
            fields.as_array().ok_or_else(|| Error::invalid("\"fields\" of the schema is not a list"))?;
        let mut parsed = Vec::new();
        for (at, value) in list.iter().enumerate() {
            let (field, field_auto_id) =
                field(value).map_err(|e| e.within(format!("field {at} of the schema")))?;
            if field_auto_id && !field.is_primary {
                let name = &field.name;
                return Err(Error::invalid(format!(
                    "only primary field can specify AutoID with true, field name = {name}"
                )));
            }
            auto_id |= field_auto_id;
            parsed.push(field);
        }
        Schema::new(description, parsed, auto_id)?.with_num_partitions(num_partitions)
    }

    /// What [`Schema::from_json`] reads back to the same schema.
    pub fn to_json(&self) -> Value {
        let fields: Vec<Value> =
            self.fields.iter().map(|f| field_json(f, f.is_primary && self.auto_id)).collect();
        let mut value = json!({ "description": self.description, "auto_id": self.auto_id, "fields": fields });
        if self.partition_key.is_some() {
            value["num_partitions"] = json!(self.num_partitions);
        }
        value
    }
}

fn field_json(field: &Field, auto_id: bool) -> Value {
    let mut value = json!({
        "name": field.name,
        "description": field.description,
        "data_type": field.data_type.name(),
        "is_primary": field.is_primary,
        "auto_id": auto_id,
    });
    if field.is_partition_key {
        value["is_partition_key"] = json!(true);
    }
    if field.data_type.is_vector() {
        value["dim"] = json!(field.dim);
    }
    if field.data_type == DataType::VarChar {
        value["max_length"] = json!(field.max_length);
    }
    value
}

/// One field, and whether it says `auto_id`.
fn field(value: &Value) -> Result<(Field, bool)> {
    let mut name = None;
    let mut description = String::new();
    let mut data_type = None;
    let (mut is_primary, mut is_partition_key, mut auto_id) = (false, false, false);
    let (mut max_length, mut dim) = (None, None);
    for (key, value) in object(value, "it")? {
        match key.as_str() {
            "name" => name = Some(text_of(value, key)?),
            "description" => description = text_of(value, key)?,
            "data_type" | "type" => data_type = Some(type_of(value)?),
            "is_primary" | "is_primary_key" => is_primary = flag(value, key)?,
            "auto_id" | "autoID" => auto_id = flag(value, key)?,
            "is_partition_key" => is_partition_key = flag(value, key)?,
            "is_dynamic" => refuse_flag(value, key)?,
            "max_length" => max_length = Some(integer(value, key)?),
            "dim" => dim = Some(integer(value, key)?),
            "type_params" | "params" => {
                for (key, value) in object(value, key)? {
                    match key.as_str() {
                        "max_length" => max_length = Some(integer(value, key)?),
                        "dim" => dim = Some(integer(value, key)?),
                        _ => return Err(unknown(key, "type_params", "max_length, dim")),
                    }
                }
            }
            _ => return Err(unknown(key, "field", FIELD_KEYS)),
        }
    }
    let name = name.ok_or_else(|| Error::new(Code::MissingParameter, "it has no \"name\""))?;
    let data_type = data_type
        .ok_or_else(|| Error::new(Code::MissingParameter, format!("{name} has no \"data_type\"")))?;
    let dim = dimension(data_type, dim, &name)?;
    let max_length = match (data_type, max_length) {
        (DataType::VarChar, None) => {
            return Err(Error::new(
                Code::MissingParameter,
                format!("type param(max_length) should be specified for varChar field {name}"),
            ));
        }
        (DataType::VarChar, Some(n)) if !(1..=super::MAX_VARCHAR).contains(&n) => {
            return Err(Error::invalid(format!(
                "the maximum length specified for a VarChar should be in (0, {}], field {name} has {n}",
                super::MAX_VARCHAR
            )));
        }
        (DataType::VarChar, Some(n)) => n as usize,
        _ => 0,
    };
    Ok((Field { name, description, data_type, is_primary, is_partition_key, max_length, dim }, auto_id))
}

fn dimension(data_type: DataType, dim: Option<i64>, name: &str) -> Result<usize> {
    if !data_type.is_vector() {
        return Ok(0);
    }
    match dim {
        None => Err(Error::new(
            Code::MissingParameter,
            format!("dimension is not defined in field type params of field {name}, check type param `dim`"),
        )),
        Some(dim) if !(1..=super::MAX_DIM).contains(&dim) => Err(Error::invalid(format!(
            "invalid dimension: {dim}. should be in range 1 ~ {}",
            super::MAX_DIM
        ))),
        Some(dim) => Ok(dim as usize),
    }
}

fn type_of(value: &Value) -> Result<DataType> {
    let unknown = || {
        let names: Vec<&str> = DataType::ALL.iter().map(|t| t.name()).collect();
        Error::invalid(format!(
            "data type {value} is not supported, it should be one of {}",
            names.join(", ")
        ))
    };
    let is_string = match value {
        Value::String(name) => name.eq_ignore_ascii_case("string"),
        other => other.as_u64() == Some(20),
    };
    if is_string {
        return Err(Error::invalid("string data type not supported yet, please use VarChar type instead"));
    }
    match value {
        Value::String(name) => DataType::from_name(name).ok_or_else(unknown),
        other => other
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .and_then(DataType::from_number)
            .ok_or_else(unknown),
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::invalid(format!("{what} is not a JSON object")))
}

fn text_of(value: &Value, key: &str) -> Result<String> {
    let text =
        value.as_str().ok_or_else(|| Error::invalid(format!("\"{key}\" should be text, got {value}")))?;
    Ok(text.to_owned())
}

fn flag(value: &Value, key: &str) -> Result<bool> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::String(s) if s.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(s) if s.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(Error::invalid(format!("\"{key}\" should be true or false, got {value}"))),
    }
}

fn refuse_flag(value: &Value, key: &str) -> Result<()> {
    if flag(value, key)? {
        return Err(Error::new(Code::Unimplemented, format!("\"{key}\": true is not supported")));
    }
    Ok(())
}

fn integer(value: &Value, key: &str) -> Result<i64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    };
    number.ok_or_else(|| Error::invalid(format!("\"{key}\" should be an integer, got {value}")))
}

fn unknown(key: &str, of: &str, known: &str) -> Error {
    Error::invalid(format!("unknown key \"{key}\" in the {of}; known are: {known}"))
}
