//! A schema from and to JSON text, in the spellings that Milvus and its SDKs use.

use super::{DataType, Field, MMAP_ENABLED, Schema, is_mmap_key, mmap_enabled};
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value, json};

const SCHEMA_KEYS: &str =
    "description, auto_id (autoID), enable_dynamic_field, num_partitions, mmap.enabled, fields";
const FIELD_KEYS: &str = "name, description, data_type (type), is_primary (is_primary_key), auto_id (autoID), \
     is_partition_key, max_length, dim, nullable, default_value, element_type, max_capacity, mmap.enabled, \
     type_params (params)";
const PARAM_KEYS: &str = "max_length, dim, max_capacity, element_type, mmap.enabled";

impl Schema {
    /// `{"description":"","auto_id":false,"enable_dynamic_field":false,"fields":[{"name","data_type","is_primary","auto_id",
    /// "is_partition_key","max_length","dim","nullable","default_value","element_type","max_capacity",
    /// "mmap.enabled"}],"num_partitions":16,"mmap.enabled":true}`.
    ///
    /// Accepted as well: Milvus' numbers for `data_type` and `element_type`, `is_primary_key`, `autoID`, `dim`,
    /// `max_length` and `max_capacity` inside `type_params` or `params`, and numbers as text. Unknown keys are errors.
    pub fn from_json(text: &str) -> Result<Schema> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| Error::invalid(format!("the schema is not JSON: {e}")))?;
        let schema = object(&value, "the schema")?;
        let mut description = String::new();
        let (mut auto_id, mut dynamic) = (false, false);
        let (mut fields, mut num_partitions, mut mmap) = (None, 0, None);
        for (key, value) in schema {
            match key.as_str() {
                "description" => description = text_of(value, "description")?,
                "auto_id" | "autoID" => auto_id = flag(value, key)?,
                "enable_dynamic_field" => dynamic = flag(value, key)?,
                "num_partitions" => num_partitions = integer(value, key)?,
                _ if is_mmap_key(key) => mmap = mmap_enabled(value)?,
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
                return Err(only_primary(&field.name));
            }
            auto_id |= field_auto_id;
            parsed.push(field);
        }
        let has_dynamic = parsed.iter().any(|field| field.is_dynamic);
        if dynamic && !has_dynamic {
            parsed.push(Field::dynamic());
        }
        if has_dynamic && !dynamic {
            return Err(Error::invalid("a dynamic field needs \"enable_dynamic_field\": true"));
        }
        Schema::new(description, parsed, auto_id)?.with_mmap(mmap).with_num_partitions(num_partitions)
    }

    /// What [`Schema::from_json`] reads back to the same schema, but for the place of the hidden field of dynamic keys,
    /// which is not shown, as in Milvus.
    pub fn to_json(&self) -> Value {
        self.json(|field| !field.is_dynamic)
    }

    /// What [`Schema::from_json`] reads back to exactly the same schema.
    pub(crate) fn stored(&self) -> Value {
        self.json(|_| true)
    }

    fn json(&self, shown: fn(&&Field) -> bool) -> Value {
        let fields = self.fields.iter().filter(shown);
        let fields: Vec<Value> = fields.map(|f| field_json(f, f.is_primary && self.auto_id)).collect();
        let mut value = json!({
            "description": self.description,
            "auto_id": self.auto_id,
            "enable_dynamic_field": self.dynamic.is_some(),
            "fields": fields,
        });
        if self.partition_key.is_some() {
            value["num_partitions"] = json!(self.num_partitions);
        }
        if let Some(mmap) = self.mmap {
            value[MMAP_ENABLED] = json!(mmap);
        }
        value
    }
}

impl Field {
    /// A field from JSON, in the words that a schema's fields have.
    pub fn from_json(text: &str) -> Result<Field> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| Error::invalid(format!("the field is not JSON: {e}")))?;
        let (field, auto_id) = field(&value).map_err(|e| e.within("the field"))?;
        if auto_id { Err(only_primary(&field.name)) } else { Ok(field) }
    }
}

fn only_primary(name: &str) -> Error {
    Error::invalid(format!("only primary field can specify AutoID with true, field name = {name}"))
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
    if field.max_length > 0 {
        value["max_length"] = json!(field.max_length);
    }
    if let Some(element) = field.element_type {
        value["element_type"] = json!(element.name());
        value["max_capacity"] = json!(field.max_capacity);
    }
    if field.nullable {
        value["nullable"] = json!(true);
    }
    if let Some(default) = &field.default_value {
        value["default_value"] = default.clone();
    }
    if field.is_dynamic {
        value["is_dynamic"] = json!(true);
    }
    if let Some(mmap) = field.mmap {
        value[MMAP_ENABLED] = json!(mmap);
    }
    value
}

/// What is said of a field about the values of its type.
#[derive(Default)]
struct Params {
    max_length: Option<i64>,
    dim: Option<i64>,
    max_capacity: Option<i64>,
    element_type: Option<DataType>,
    mmap: Option<bool>,
}

impl Params {
    /// Whether the key is one of these.
    fn set(&mut self, key: &str, value: &Value) -> Result<bool> {
        match key {
            "max_length" => self.max_length = Some(integer(value, key)?),
            "dim" => self.dim = Some(integer(value, key)?),
            "max_capacity" => self.max_capacity = Some(integer(value, key)?),
            "element_type" => self.element_type = Some(type_of(value)?),
            _ if is_mmap_key(key) => self.mmap = mmap_enabled(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// One field, and whether it says `auto_id`.
fn field(value: &Value) -> Result<(Field, bool)> {
    let (mut name, mut data_type) = (None, None);
    let mut auto_id = false;
    let mut params = Params::default();
    let mut field = Field::new("", DataType::Bool);
    for (key, value) in object(value, "it")? {
        match key.as_str() {
            "name" => name = Some(text_of(value, key)?),
            "description" => field.description = text_of(value, key)?,
            "data_type" | "type" => data_type = Some(type_of(value)?),
            "is_primary" | "is_primary_key" => field.is_primary = flag(value, key)?,
            "auto_id" | "autoID" => auto_id = flag(value, key)?,
            "nullable" => field.nullable = flag(value, key)?,
            // As in the SDKs, null says that there is none.
            "default_value" => field.default_value = Some(value.clone()).filter(|value| !value.is_null()),
            "is_dynamic" => field.is_dynamic = flag(value, key)?,
            "is_partition_key" => field.is_partition_key = flag(value, key)?,
            "type_params" | "params" => {
                for (key, value) in object(value, key)? {
                    if !params.set(key, value)? {
                        return Err(unknown(key, "type_params", PARAM_KEYS));
                    }
                }
            }
            _ if params.set(key, value)? => {}
            _ => return Err(unknown(key, "field", FIELD_KEYS)),
        }
    }
    field.name = name.ok_or_else(|| Error::new(Code::MissingParameter, "it has no \"name\""))?;
    let name = &field.name;
    field.data_type = data_type
        .ok_or_else(|| Error::new(Code::MissingParameter, format!("{name} has no \"data_type\"")))?;
    field.mmap = params.mmap;
    field.dim = dimension(field.data_type, params.dim, name)?;
    if field.data_type == DataType::Array {
        field.element_type = params.element_type;
        field.max_capacity = capacity(params.max_capacity, name)?;
    }
    if field.data_type == DataType::VarChar || field.element_type == Some(DataType::VarChar) {
        field.max_length = max_length(params.max_length, name)?;
    }
    Ok((field, auto_id))
}

fn max_length(given: Option<i64>, name: &str) -> Result<usize> {
    match given {
        None => Err(Error::new(
            Code::MissingParameter,
            format!("type param(max_length) should be specified for varChar field {name}"),
        )),
        Some(n) if !(1..=super::MAX_VARCHAR).contains(&n) => Err(Error::invalid(format!(
            "the maximum length specified for a VarChar should be in (0, {}], field {name} has {n}",
            super::MAX_VARCHAR
        ))),
        Some(n) => Ok(n as usize),
    }
}

fn capacity(given: Option<i64>, name: &str) -> Result<usize> {
    match given {
        None => Err(Error::new(
            Code::MissingParameter,
            format!("type param(max_capacity) should be specified for array field {name}"),
        )),
        Some(n) if !(1..=super::MAX_CAPACITY).contains(&n) => Err(Error::invalid(format!(
            "the maximum capacity specified for a Array should be in (0, {}], field {name} has {n}",
            super::MAX_CAPACITY
        ))),
        Some(n) => Ok(n as usize),
    }
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
