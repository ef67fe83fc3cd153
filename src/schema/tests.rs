use super::*;
use crate::error::Code;

fn fails(text: &str, with: &str) {
    let error = Schema::from_json(text).expect_err(text);
    assert!(error.message().contains(with), "{text}\n  {}\n  not: {with}", error.message());
}

fn with_fields(fields: &str) -> String {
    format!(r#"{{"fields":[{fields}]}}"#)
}

const PK: &str = r#"{"name":"id","data_type":"Int64","is_primary":true}"#;
const VEC: &str = r#"{"name":"v","data_type":"FloatVector","dim":4}"#;

#[test]
fn spellings_of_milvus_and_its_sdks() {
    let plain = Schema::from_json(&with_fields(&format!("{PK},{VEC}"))).unwrap();
    let other = Schema::from_json(
        r#"{"enable_dynamic_field":false,"fields":[
            {"name":"id","data_type":5,"is_primary_key":true,"autoID":"false"},
            {"name":"v","type":"FLOAT_VECTOR","type_params":{"dim":"4"}}]}"#,
    )
    .unwrap();
    assert_eq!(plain, other);
    assert_eq!(plain.primary().name, "id");
    assert_eq!(plain.field("v").unwrap().1.dim, 4);
    assert!(!plain.auto_id());
}

#[test]
fn json_round_trip_of_every_type() {
    let mut fields =
        vec![r#"{"name":"k","data_type":"VarChar","max_length":9,"is_primary":true}"#.to_owned()];
    for t in ["Bool", "Int8", "Int16", "Int32", "Int64", "Float", "Double", "JSON"] {
        fields.push(format!(r#"{{"name":"f_{t}","data_type":"{t}"}}"#));
    }
    fields.push(r#"{"name":"b","data_type":"BinaryVector","dim":16}"#.to_owned());
    let schema = Schema::from_json(&with_fields(&fields.join(","))).unwrap();
    assert_eq!(schema.fields().len(), 10);
    assert_eq!(Schema::from_json(&schema.to_json().to_string()).unwrap(), schema);
    for t in DataType::ALL {
        assert_eq!(DataType::from_number(t.number()), Some(t));
        assert_eq!(DataType::from_name(&t.name().to_uppercase()), Some(t));
    }
}

#[test]
fn auto_id_at_schema_or_field() {
    let field = r#"{"name":"id","data_type":"Int64","is_primary":true,"auto_id":true}"#;
    assert!(Schema::from_json(&with_fields(&format!("{field},{VEC}"))).unwrap().auto_id());
    assert!(Schema::from_json(&format!(r#"{{"autoID":true,"fields":[{PK},{VEC}]}}"#)).unwrap().auto_id());
    fails(
        &with_fields(&format!(r#"{PK},{VEC},{{"name":"x","data_type":"Int64","auto_id":true}}"#)),
        "only primary field can specify AutoID with true, field name = x",
    );
    let varchar = r#"{"name":"id","data_type":"VarChar","max_length":30,"is_primary":true,"auto_id":true}"#;
    fails(&with_fields(&format!("{varchar},{VEC}")), "auto_id needs an Int64 primary key");
}

#[test]
fn limits_and_their_messages() {
    let vec = |rest: &str| with_fields(&format!(r#"{PK},{{"name":"v",{rest}}}"#));
    fails(&vec(r#""data_type":"FloatVector","dim":0"#), "invalid dimension: 0. should be in range 1 ~ 32768");
    fails(
        &vec(r#""data_type":"FloatVector","dim":32769"#),
        "invalid dimension: 32769. should be in range 1 ~ 32768",
    );
    fails(&vec(r#""data_type":"FloatVector","dim":-1"#), "invalid dimension: -1.");
    fails(&vec(r#""data_type":"FloatVector""#), "dimension is not defined");
    fails(&vec(r#""data_type":"FloatVector","dim":null"#), "\"dim\" should be an integer, got null");
    fails(&vec(r#""data_type":"BinaryVector","dim":12"#), "invalid dimension: 12. should be multiple of 8. ");
    let varchar = |n: &str| with_fields(&format!(r#"{PK},{VEC},{{"name":"t","data_type":"VarChar"{n}}}"#));
    fails(
        &varchar(r#","max_length":0"#),
        "the maximum length specified for a VarChar should be in (0, 65535]",
    );
    fails(&varchar(r#","max_length":65536"#), "should be in (0, 65535], field t has 65536");
    fails(&varchar(""), "type param(max_length) should be specified for varChar field t");
    fails(&with_fields(&format!("{PK},{PK},{VEC}")), "duplicated field name: id");
    fails(&with_fields(VEC), "primary key is not specified");
    fails(&with_fields(PK), "schema does not contain vector field");
    fails(
        &with_fields(&format!(r#"{PK},{VEC},{{"name":"w","data_type":"FloatVector","dim":4}}"#)),
        "multiple vector fields is not supported, fields name: v, w",
    );
    let second = r#"{"name":"id2","data_type":"Int64","is_primary":true}"#;
    fails(
        &with_fields(&format!("{PK},{second},{VEC}")),
        "there are more than one primary key, field name = id, id2",
    );
    fails(
        &with_fields(&format!(r#"{{"name":"id","data_type":"Int32","is_primary":true}},{VEC}"#)),
        "the data type of primary key should be Int64 or VarChar",
    );
    fails(
        &vec(r#""data_type":"STRING""#),
        "string data type not supported yet, please use VarChar type instead",
    );
    fails(&vec(r#""data_type":20"#), "string data type not supported yet");
    let many: Vec<String> = (0..63).map(|i| format!(r#"{{"name":"f{i}","data_type":"Bool"}}"#)).collect();
    fails(
        &with_fields(&format!("{PK},{VEC},{}", many.join(","))),
        "maximum field's number should be limited to 64",
    );
    assert!(Schema::from_json(&with_fields(&format!("{PK},{VEC},{}", many[..62].join(",")))).is_ok());
}

#[test]
fn values_of_the_wrong_kind_are_errors() {
    for text in
        ["", "null", "[]", "3", "{}", r#"{"fields":{}}"#, r#"{"fields":[null]}"#, r#"{"fields":[[]]}"#]
    {
        assert!(Schema::from_json(text).is_err(), "{text}");
    }
    fails(&with_fields(r#"{"name":3,"data_type":"Int64"}"#), "\"name\" should be text, got 3");
    fails(&with_fields(r#"{"name":"a","data_type":[1]}"#), "data type [1] is not supported");
    fails(&with_fields(r#"{"name":"a","data_type":"Array"}"#), "data type \"Array\" is not supported");
    fails(&with_fields(r#"{"name":"a","data_type":5,"is_primary":[true]}"#), "should be true or false");
    fails(&with_fields(r#"{"name":"a","data_type":5,"is_primay":true}"#), "unknown key \"is_primay\"");
    let dynamic = format!(r#"{{"enable_dynamic_field":true,"fields":[{PK},{VEC}]}}"#);
    assert_eq!(Schema::from_json(&dynamic).unwrap_err().code(), Code::Unimplemented);
}

#[test]
fn names() {
    assert!(check_collection_name("_a1").is_ok());
    assert!(check_collection_name(&"a".repeat(255)).is_ok());
    let message = |name: &str| check_collection_name(name).unwrap_err().message().to_owned();
    assert_eq!(
        message("1a"),
        "Invalid collection name: 1a. the first character of a collection name must be an underscore or letter"
    );
    assert!(
        message(&"a".repeat(256))
            .contains("the length of a collection name must be less than 255 characters")
    );
    assert!(message("a-b").contains("can only contain numbers, letters and underscores"));
    assert!(message("").contains("should not be empty"));
    assert!(message("é").contains("first character"));
    assert_eq!(
        check_index_name("9x").unwrap_err().message(),
        "Invalid index name: 9x. The first character of a index name must be an underscore or letter."
    );
    assert!(
        check_index_name("a b").unwrap_err().message().contains("can only contain numbers, letters, and")
    );
}
