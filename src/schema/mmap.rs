//! `mmap.enabled`: whether the values of a field, or an index, are mapped from their file or held in memory. A property of
//! fields, indexes and collections, as in Milvus: `milvus.io/docs/mmap.md`.

use super::Schema;
use crate::error::{Code, Error, Result};
use serde_json::Value;

/// The property's name.
pub const MMAP_ENABLED: &str = "mmap.enabled";

/// Whether `key` is the property, also in the spelling of pymilvus' arguments.
pub fn is_mmap_key(key: &str) -> bool {
    key == MMAP_ENABLED || key == "mmap_enabled"
}

/// The value of the property: true or false, in JSON or as text. `None` for null, which says nothing.
pub fn mmap_enabled(value: &Value) -> Result<Option<bool>> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(enabled) => Ok(Some(*enabled)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Err(Error::invalid(format!("invalid {MMAP_ENABLED} value: {shown}, expected: true, false")))
        }
    }
}

/// Reads the properties of a call that alters them, a JSON object: what `mmap.enabled` is from now on. `refusal` is what is
/// said of any other property, behind its name.
pub fn altered_mmap(properties: &str, refusal: &str) -> Result<Option<bool>> {
    let given: Value = serde_json::from_str(properties)
        .map_err(|e| Error::invalid(format!("the properties are not JSON: {e}")))?;
    let given =
        given.as_object().ok_or_else(|| Error::invalid("the properties are not a JSON object".to_owned()))?;
    if let Some(key) = given.keys().find(|key| !is_mmap_key(key)) {
        return Err(Error::invalid(format!("{key} {refusal}")));
    }
    let mut altered = None;
    for value in given.values() {
        altered = Some(mmap_enabled(value)?);
    }
    altered.ok_or_else(|| Error::new(Code::MissingParameter, "properties should not be empty"))
}

impl Schema {
    /// The same where fields and indexes that do not say `mmap.enabled` themselves have it so; `None`: enabled.
    pub fn with_mmap(self, mmap: Option<bool>) -> Schema {
        Schema { mmap, ..self }
    }

    /// What the collection says about `mmap.enabled`.
    pub fn mmap(&self) -> Option<bool> {
        self.mmap
    }

    /// Whether the values of the field at place `at` are mapped, and not held in memory.
    pub fn is_mapped(&self, at: usize) -> bool {
        self.fields[at].mmap.or(self.mmap).unwrap_or(true)
    }

    /// The same with another word of a field about `mmap.enabled`.
    pub fn with_field_mmap(&self, name: &str, mmap: Option<bool>) -> Result<Schema> {
        let (at, _) = self
            .field(name)
            .ok_or_else(|| Error::new(Code::FieldNotFound, format!("field not found[field={name}]")))?;
        let mut altered = self.clone();
        altered.fields[at].mmap = mmap;
        Ok(altered)
    }

    /// The same without a word about `mmap.enabled`, which changes no row.
    pub fn without_mmap(&self) -> Schema {
        let mut plain = self.clone().with_mmap(None);
        plain.fields.iter_mut().for_each(|field| field.mmap = None);
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Field;
    use serde_json::json;

    const TEXT: &str = r#"{"mmap.enabled":"false","enable_dynamic_field":true,"fields":[
        {"name":"id","data_type":"Int64","is_primary":true,"type_params":{"mmap.enabled":"True"}},
        {"name":"t","data_type":"VarChar","max_length":9,"mmap.enabled":false},
        {"name":"u","data_type":"VarChar","params":{"max_length":9,"mmap_enabled":true}},
        {"name":"v","data_type":"FloatVector","dim":4}]}"#;

    #[test]
    fn fields_and_the_collection_say_it() {
        let schema = Schema::from_json(TEXT).unwrap();
        assert_eq!(schema.mmap(), Some(false));
        let of_fields: Vec<bool> = (0..5).map(|at| schema.is_mapped(at)).collect();
        assert_eq!(of_fields, [true, false, true, false, false], "the hidden field too");
        let shown = schema.to_json();
        assert_eq!((&shown[MMAP_ENABLED], &shown["fields"][0][MMAP_ENABLED]), (&json!(false), &json!(true)));
        assert!(shown["fields"][3].get(MMAP_ENABLED).is_none(), "what is not said is not shown");
        assert_eq!(Schema::from_json(&schema.stored().to_string()).unwrap(), schema);
        let grown =
            Field::from_json(r#"{"name":"n","data_type":"Int8","nullable":true,"mmap.enabled":true}"#);
        let grown = schema.with_field(grown.unwrap()).unwrap();
        assert!(grown.is_mapped(5) && !grown.is_mapped(4));
        let without = Schema::from_json(
            r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
            {"name":"v","data_type":"FloatVector","dim":4}]}"#,
        );
        assert!(without.unwrap().is_mapped(1), "enabled unless said");
    }

    #[test]
    fn altering() {
        let schema = Schema::from_json(TEXT).unwrap();
        let altered = schema.with_field_mmap("t", Some(true)).unwrap();
        assert!(altered.is_mapped(1) && altered != schema);
        assert_eq!(altered.without_mmap(), schema.without_mmap());
        assert!(!altered.with_field_mmap("t", None).unwrap().is_mapped(1), "as the collection says");
        let hidden = schema.with_field_mmap("$meta", Some(true)).unwrap();
        assert_eq!(Schema::from_json(&hidden.stored().to_string()).unwrap(), hidden);
        let error = schema.with_field_mmap("nope", None).unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::FieldNotFound, "field not found[field=nope]"));

        let read = |text| altered_mmap(text, "is no property");
        assert_eq!(read(r#"{"mmap.enabled":"FALSE"}"#).unwrap(), Some(false));
        assert_eq!(read(r#"{"mmap_enabled":true}"#).unwrap(), Some(true));
        assert_eq!(read(r#"{"mmap.enabled":null}"#).unwrap(), None);
        for (text, code, words) in [
            (
                r#"{"mmap.enabled":1}"#,
                Code::InvalidParameter,
                "invalid mmap.enabled value: 1, expected: true, false",
            ),
            (
                r#"{"mmap.enabled":"yes"}"#,
                Code::InvalidParameter,
                "invalid mmap.enabled value: yes, expected",
            ),
            (r#"{"mmap.enabled":[true]}"#, Code::InvalidParameter, "invalid mmap.enabled value: [true]"),
            (r#"{"mmap.enabled":true,"x":1}"#, Code::InvalidParameter, "x is no property"),
            ("{}", Code::MissingParameter, "properties should not be empty"),
            ("[]", Code::InvalidParameter, "are not a JSON object"),
            ("", Code::InvalidParameter, "are not JSON"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.code() == code && error.message().contains(words), "{text}: {error}");
        }
    }
}
