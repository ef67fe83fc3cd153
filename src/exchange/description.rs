//! A schema as the SDKs of Milvus write it, beside an exported file.

use crate::schema::{DataType, MMAP_ENABLED, Schema};
use serde_json::{Map, Value, json};

/// Keys that the SDKs keep in a field's `params`.
const PARAMS: [&str; 4] = ["dim", "max_length", "max_capacity", MMAP_ENABLED];

/// The form of pymilvus' `CollectionSchema.to_dict()`, which its `construct_from_dict` and
/// [`Schema::from_json`] read: types as numbers, `dim` and `max_length` in `params`. With `keeps_keys` the primary
/// keys are in the file, so that `auto_id` is false.
pub fn description(schema: &Schema, keeps_keys: bool) -> Value {
    let mut whole = schema.to_json();
    if keeps_keys {
        whole["auto_id"] = json!(false);
    }
    for field in whole["fields"].as_array_mut().into_iter().flatten() {
        let Some(field) = field.as_object_mut() else { continue };
        if keeps_keys && field.contains_key("auto_id") {
            field.insert("auto_id".into(), json!(false));
        }
        rename_types(field);
    }
    whole
}

fn rename_types(field: &mut Map<String, Value>) {
    for (ours, theirs) in [("data_type", "type"), ("element_type", "element_type")] {
        let number =
            field.get(ours).and_then(Value::as_str).and_then(DataType::from_name).map(DataType::number);
        if let Some(number) = number {
            field.remove(ours);
            field.insert(theirs.into(), json!(number));
        }
    }
    let params: Map<String, Value> =
        PARAMS.iter().filter_map(|&key| Some((key.to_owned(), field.remove(key)?))).collect();
    if !params.is_empty() {
        field.insert("params".into(), Value::Object(params));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_pymilvus_has_it() {
        let schema = Schema::from_json(
            r#"{"description":"d","auto_id":true,"fields":[{"name":"id","data_type":"Int64","is_primary":true},
            {"name":"t","data_type":"VarChar","max_length":9,"mmap.enabled":false},
            {"name":"v","data_type":"FloatVector","dim":4}]}"#,
        )
        .unwrap();
        let with_keys = description(&schema, true);
        assert_eq!(with_keys["auto_id"], false);
        assert_eq!(with_keys["fields"][0]["auto_id"], false);
        assert_eq!(with_keys["fields"][0]["type"], 5);
        assert_eq!(with_keys["fields"][1]["params"], json!({"max_length": 9, "mmap.enabled": false}));
        assert_eq!(
            (&with_keys["fields"][2]["type"], &with_keys["fields"][2]["params"]["dim"]),
            (&json!(101), &json!(4))
        );
        assert!(with_keys["fields"][2].get("data_type").is_none());
        let read = |value: &Value| Schema::from_json(&value.to_string()).unwrap();
        assert!(!read(&with_keys).auto_id());
        assert_eq!(read(&with_keys).fields(), schema.fields());
        assert_eq!(read(&description(&schema, false)), schema);
    }
}
