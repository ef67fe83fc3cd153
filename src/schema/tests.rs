use super::*;

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
    assert!(Schema::from_json(&with_fields(&format!("{varchar},{VEC}"))).unwrap().auto_id());
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
    fails(&with_fields(r#"{"name":"a","data_type":"Text"}"#), "data type \"Text\" is not supported");
    fails(&with_fields(r#"{"name":"a","data_type":5,"is_primary":[true]}"#), "should be true or false");
    fails(&with_fields(r#"{"name":"a","data_type":5,"is_primay":true}"#), "unknown key \"is_primay\"");
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

#[test]
fn the_dynamic_field_is_hidden_and_keeps_its_place() {
    let text = format!(r#"{{"enable_dynamic_field":true,"fields":[{PK},{VEC}]}}"#);
    let schema = Schema::from_json(&text).unwrap();
    assert_eq!(schema.dynamic_at(), Some(2));
    assert_eq!(schema.fields()[2], Field::dynamic());
    assert_eq!(schema.to_json()["fields"].as_array().unwrap().len(), 2);
    assert_eq!(schema.to_json()["enable_dynamic_field"], true);
    assert_eq!(Schema::from_json(&schema.to_json().to_string()).unwrap(), schema);
    let grown = Field::from_json(r#"{"name":"x","data_type":"Bool","nullable":true}"#).unwrap();
    let schema = schema.with_field(grown).unwrap();
    assert_eq!(Schema::from_json(&schema.stored().to_string()).unwrap(), schema);
    assert_eq!((schema.dynamic_at(), schema.field("x").unwrap().0), (Some(2), 3));
    let hidden = r#"{"name":"$meta","data_type":"JSON","is_dynamic":true}"#;
    fails(&with_fields(&format!("{PK},{VEC},{hidden}")), "needs \"enable_dynamic_field\": true");
    let bad = hidden.replace("JSON", "Int64");
    let bad = format!(r#"{{"enable_dynamic_field":true,"fields":[{PK},{VEC},{bad}]}}"#);
    fails(&bad, "the dynamic field should be $meta, a JSON");
    fails(
        &with_fields(&format!(r#"{PK},{VEC},{{"name":"$meta","data_type":"JSON"}}"#)),
        "Invalid field name: $meta",
    );
    // The hidden field is none of the 64.
    let many: Vec<String> = (0..62).map(|i| format!(r#"{{"name":"f{i}","data_type":"Bool"}}"#)).collect();
    let many = format!(r#"{{"enable_dynamic_field":true,"fields":[{PK},{VEC},{}]}}"#, many.join(","));
    assert_eq!(Schema::from_json(&many).unwrap().fields().len(), 65);
}

#[test]
fn nulls_defaults_and_arrays_round_trip() {
    let fields = [
        r#"{"name":"a","data_type":"Int8","nullable":true,"default_value":-128}"#,
        r#"{"name":"b","data_type":"Double","default_value":1}"#,
        r#"{"name":"c","data_type":"VarChar","max_length":3,"default_value":"abc"}"#,
        r#"{"name":"d","data_type":"JSON","nullable":true}"#,
        r#"{"name":"e","data_type":"Array","element_type":"VarChar","max_length":7,"max_capacity":4096,"nullable":true}"#,
        r#"{"name":"f","data_type":22,"element_type":5,"type_params":{"max_capacity":"9"},"default_value":null}"#,
    ];
    let schema = Schema::from_json(&with_fields(&format!("{PK},{VEC},{}", fields.join(",")))).unwrap();
    assert_eq!(Schema::from_json(&schema.to_json().to_string()).unwrap(), schema);
    let e = schema.field("e").unwrap().1;
    assert_eq!((e.element_type, e.max_length, e.max_capacity), (Some(DataType::VarChar), 7, 4096));
    assert!(schema.arrow().field(2).is_nullable() && !schema.arrow().field(3).is_nullable());
}

#[test]
fn what_nulls_defaults_and_arrays_may_not_be() {
    let with = |rest: &str| with_fields(&format!(r#"{PK},{VEC},{{"name":"x",{rest}}}"#));
    fails(
        &with_fields(&format!(
            r#"{{"name":"id","data_type":"Int64","is_primary":true,"nullable":true}},{VEC}"#
        )),
        "primary field not support null, field name = id",
    );
    fails(
        &with_fields(&format!(
            r#"{{"name":"id","data_type":"Int64","is_primary":true,"default_value":1}},{VEC}"#
        )),
        "primary field not support default_value, field name = id",
    );
    fails(
        &with_fields(&format!(r#"{PK},{{"name":"v","data_type":"FloatVector","dim":4,"nullable":true}}"#)),
        "vector type not support null, field name = v",
    );
    for (rest, why) in [
        (r#""data_type":"JSON","default_value":"{}""#, "type not support default_value, type:JSON, name:x"),
        (
            r#""data_type":"Int8","default_value":128"#,
            "default value out of range: invalid parameter[expected in (-128, 127)][actual=128], field x",
        ),
        (r#""data_type":"Int64","default_value":9223372036854775808"#, "default value out of range"),
        (
            r#""data_type":"Int64","default_value":1.5"#,
            "type (Int64) of field (x) is not equal to the type(Double) of default_value",
        ),
        (
            r#""data_type":"Bool","default_value":"true""#,
            "type (Bool) of field (x) is not equal to the type(VarChar) of default_value",
        ),
        (r#""data_type":"Float","default_value":1e300"#, "is out of the range of Float"),
        (
            r#""data_type":"VarChar","max_length":2,"default_value":"abc""#,
            "the length (3) of string exceeds max length (2): default value of field x",
        ),
        (r#""data_type":"Array","max_capacity":3"#, "element data type is not set, field x"),
        (
            r#""data_type":"Array","element_type":"JSON","max_capacity":3"#,
            "element type JSON is not supported, field x",
        ),
        (
            r#""data_type":"Array","element_type":"Array","max_capacity":3"#,
            "element type Array is not supported",
        ),
        (
            r#""data_type":"Array","element_type":"Int8""#,
            "type param(max_capacity) should be specified for array field x",
        ),
        (
            r#""data_type":"Array","element_type":"Int8","max_capacity":4097"#,
            "the maximum capacity specified for a Array should be in (0, 4096], field x has 4097",
        ),
        (
            r#""data_type":"Array","element_type":"VarChar","max_capacity":1"#,
            "type param(max_length) should be specified for varChar field x",
        ),
        (
            r#""data_type":"Array","element_type":"Int8","max_capacity":1,"default_value":[1]"#,
            "type not support default_value, type:Array",
        ),
        (r#""data_type":"Int8","nullable":3"#, "\"nullable\" should be true or false, got 3"),
    ] {
        fails(&with(rest), why);
    }
}

#[test]
fn fields_that_come_later() {
    let schema = Schema::from_json(&with_fields(&format!("{PK},{VEC}"))).unwrap();
    let add = |schema: &Schema, text: &str| Field::from_json(text).and_then(|field| schema.with_field(field));
    let grown = add(&schema, r#"{"name":"x","data_type":"Int64","nullable":true}"#).unwrap();
    let grown = add(&grown, r#"{"name":"y","data_type":"Int64","default_value":7}"#).unwrap();
    assert_eq!(grown.fields().len(), 4);
    let prefixes: Vec<bool> = (0..6).map(|columns| grown.can_begin_with(columns)).collect();
    assert_eq!(prefixes, [false, false, true, true, true, false]);
    for (text, why) in [
        (
            r#"{"name":"v2","data_type":"FloatVector","dim":4}"#,
            "not support to add vector field, field name = v2",
        ),
        (
            r#"{"name":"k","data_type":"Int64","is_primary":true}"#,
            "not support to add pk field, field name = k",
        ),
        (r#"{"name":"x","data_type":"Int64","nullable":true}"#, "duplicate field name: x"),
        (r#"{"name":"z","data_type":"Int64"}"#, "added field must be nullable"),
        (
            r#"{"name":"z","data_type":"Int64","nullable":true,"auto_id":true}"#,
            "only primary field can specify AutoID",
        ),
        (r#"{"name":"9","data_type":"Int64","nullable":true}"#, "Invalid field name: 9"),
        (
            r#"{"name":"$meta","data_type":"JSON","is_dynamic":true,"nullable":true}"#,
            "not support to add system field",
        ),
        ("[]", "is not a JSON object"),
    ] {
        let error = add(&grown, text).expect_err(text);
        assert!(error.message().contains(why), "{text}: {}", error.message());
    }
    let mut full = grown;
    for at in full.fields().len()..MAX_FIELDS {
        full = add(&full, &format!(r#"{{"name":"f{at}","data_type":"Bool","nullable":true}}"#)).unwrap();
    }
    let error = add(&full, r#"{"name":"z","data_type":"Int64","nullable":true}"#).unwrap_err();
    assert_eq!(error.message(), "The number of fields has reached the maximum value 64");
}

#[test]
fn versions_stay_where_they_are() {
    let first = Arc::new(Schema::from_json(&with_fields(&format!("{PK},{VEC}"))).unwrap());
    let versions = Versions::new(first.clone());
    let before: &Arc<Schema> = &versions;
    let field = Field::from_json(r#"{"name":"x","data_type":"Int64","nullable":true}"#).unwrap();
    versions.push(Arc::new(first.with_field(field).unwrap()));
    assert_eq!((before.fields().len(), versions.fields().len()), (2, 3));
}
