use super::*;
use crate::schema::MAX_JSON;
use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::types::Float32Type;
use arrow_array::{
    BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Int64Array, LargeStringArray,
    StringArray,
};
use arrow_schema::Field as ArrowField;

fn schema(auto_id: bool) -> Schema {
    Schema::from_json(&format!(
        r#"{{"auto_id":{auto_id},"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
           {{"name":"t","data_type":"VarChar","max_length":3}},{{"name":"j","data_type":"JSON"}},
           {{"name":"v","data_type":"FloatVector","dim":2}}]}}"#
    ))
    .unwrap()
}

fn vectors(values: Vec<f32>, dim: i32) -> ArrayRef {
    let item = Arc::new(ArrowField::new("x", ArrowType::Float32, true));
    Arc::new(FixedSizeListArray::new(item, dim, Arc::new(Float32Array::from(values)), None))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn ids(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn columns(id: Option<ArrayRef>, t: ArrayRef, j: ArrayRef, v: ArrayRef) -> RecordBatch {
    let mut columns = vec![("v", v), ("j", j), ("t", t)];
    columns.extend(id.map(|id| ("id", id)));
    RecordBatch::try_from_iter(columns).unwrap()
}

fn no_ids(_: usize) -> Result<ArrayRef> {
    Err(Error::internal("asked for ids"))
}

fn fails(batch: &RecordBatch, with: &str) {
    let error = canonical(&schema(false), batch, no_ids).expect_err(with);
    assert!(error.message().contains(with), "{}\n  not: {with}", error.message());
}

#[test]
fn columns_come_in_the_order_of_the_schema() {
    let batch =
        columns(Some(ids(&[1, 2])), texts(&["a", "b"]), texts(&["{}", "[1]"]), vectors(vec![0.0; 4], 2));
    let rows = canonical(&schema(false), &batch, no_ids).unwrap();
    assert_eq!(rows.schema_ref(), schema(false).arrow());
    assert_eq!(rows.num_rows(), 2);
    assert_eq!(bytes(&schema(false), &rows), 2 * (8 + 4 + 4 + 8) + 2 + 5);
}

#[test]
fn auto_ids_are_made_and_may_not_be_given() {
    let batch = columns(None, texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2));
    let rows = canonical(&schema(true), &batch, |n| Ok(ids(&vec![7; n]))).unwrap();
    assert_eq!(rows.column(0), &ids(&[7]));
    let batch = columns(Some(ids(&[1])), texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2));
    let error = canonical(&schema(true), &batch, no_ids).unwrap_err();
    assert_eq!(error.message(), "can not assign primary field data when auto id enabled id");
    fails(&columns(None, texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2)), "fieldSchema(id)");
}

#[test]
fn other_layouts_of_arrow() {
    let mut list = ListBuilder::new(Float32Builder::new());
    for row in 0..3 {
        list.values().append_slice(&[row as f32, 1.0]);
        list.append(true);
    }
    let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["x", "yy", "zzz"]));
    let batch = columns(Some(ids(&[0, 1, 2])), large, texts(&["1", "2", "3"]), Arc::new(list.finish()));
    let whole = canonical(&schema(false), &batch, no_ids).unwrap();
    assert_eq!(whole.column(1), &texts(&["x", "yy", "zzz"]));
    let part = canonical(&schema(false), &batch.slice(1, 2), no_ids).unwrap();
    assert_eq!(part, whole.slice(1, 2));
    let values = part.column(3).as_fixed_size_list().values().as_primitive::<Float32Type>().values().to_vec();
    assert_eq!(values, [1.0, 1.0, 2.0, 1.0]);
}

#[test]
fn values_outside_the_limits() {
    let one = |t: &str, j: &str, v: ArrayRef| columns(Some(ids(&[1])), texts(&[t]), texts(&[j]), v);
    let good = || vectors(vec![0.0, 1.0], 2);
    fails(
        &one("four", "1", good()),
        "length of varchar field t exceeds max length, row number: 0, length: 4, max length: 3",
    );
    fails(&one("a", "{", good()), "the value of json field j is not JSON, row number: 0");
    let long = format!("\"{}\"", "a".repeat(MAX_JSON));
    fails(&one("a", &long, good()), "max length: 65536");
    fails(&one("a", "1", vectors(vec![0.0, f32::NAN], 2)), "value 'NaN' is not a number or infinity");
    fails(&one("a", "1", vectors(vec![f32::NEG_INFINITY, 0.0], 2)), "field v, row 0: value '-Inf'");
    fails(
        &one("a", "1", vectors(vec![0.0; 3], 3)),
        "the dim (3) of field data(v) is not equal to schema dim (2)",
    );
    fails(&one("a", "1", texts(&["x"])), "field v holds FloatVector, got a column of Utf8");
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    fails(&columns(Some(flags), texts(&["a"]), texts(&["1"]), good()), "field id holds Int64");
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    fails(&columns(Some(nulls), texts(&["a"]), texts(&["1"]), good()), "field id has a null at row 0");
    fails(&one("a", "1", good()).slice(0, 0), "greater than 0");
}

#[test]
fn unknown_and_repeated_columns() {
    let batch = columns(Some(ids(&[1])), texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2));
    let add = |name: &str| {
        let mut fields: Vec<_> = batch.schema_ref().fields().iter().cloned().collect();
        fields.push(Arc::new(ArrowField::new(name, ArrowType::Utf8, false)));
        let mut arrays = batch.columns().to_vec();
        arrays.push(texts(&["a"]));
        RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), arrays).unwrap()
    };
    fails(&add("nope"), "field nope not exist");
    fails(&add("t"), "field t is given twice");
}

#[test]
fn binary_vectors_and_bools() {
    let schema = Schema::from_json(
        r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"b","data_type":"Bool"},
            {"name":"v","data_type":"BinaryVector","dim":16}]}"#,
    )
    .unwrap();
    let make = |width: i32, value: Vec<u8>| {
        let v: ArrayRef = Arc::new(FixedSizeBinaryArray::new(width, value.into(), None));
        let b: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        canonical(
            &schema,
            &RecordBatch::try_from_iter([("id", ids(&[1])), ("b", b), ("v", v)]).unwrap(),
            no_ids,
        )
    };
    assert_eq!(make(2, vec![1, 2]).unwrap().num_rows(), 1);
    assert!(make(1, vec![1]).unwrap_err().message().contains("the dim (8) of field data(v)"));
}

#[test]
fn keys_to_delete() {
    assert!(canonical_keys(&schema(false), &ids(&[1, 2])).is_ok());
    assert!(canonical_keys(&schema(false), &texts(&["1"])).is_err());
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    assert!(canonical_keys(&schema(false), &nulls).is_err());
}

const KINDS: &str = r#"{"enable_dynamic_field":true,"fields":[{"name":"id","data_type":"Int64","is_primary":true},
    {"name":"n","data_type":"Int8","nullable":true},{"name":"d","data_type":"Float","default_value":0.5},
    {"name":"t","data_type":"VarChar","max_length":3,"nullable":true,"default_value":"x"},
    {"name":"a","data_type":"Array","element_type":"Int32","max_capacity":3,"nullable":true},
    {"name":"v","data_type":"FloatVector","dim":2}]}"#;

fn kinds() -> Schema {
    Schema::from_json(KINDS).unwrap()
}

/// Rows of that schema with the columns in the place of its own.
fn with_columns(rows: usize, columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let mut all: Vec<(&str, ArrayRef)> =
        vec![("id", ids(&(0..rows as i64).collect::<Vec<_>>())), ("v", vectors(vec![0.0; rows * 2], 2))];
    all.extend(columns);
    let named = all.into_iter().map(|(name, column)| (name, column, true));
    canonical(&kinds(), &RecordBatch::try_from_iter_with_nullable(named).unwrap(), no_ids)
}

fn meta(columns: Vec<(&str, ArrayRef)>, row: usize) -> String {
    let rows = columns[0].1.len();
    with_columns(rows, columns).unwrap().column(6).as_string::<i32>().value(row).to_owned()
}

#[test]
fn nothing_given_is_null_or_the_default() {
    let rows = with_columns(2, vec![]).unwrap();
    assert_eq!(rows.column(1).null_count(), 2);
    assert_eq!(rows.column(2).as_primitive::<Float32Type>().values(), &[0.5, 0.5]);
    assert_eq!(rows.column(3), &texts(&["x", "x"]));
    assert_eq!(rows.column(4).null_count(), 2);
    assert_eq!(rows.column(6), &texts(&["{}", "{}"]));
    let d: ArrayRef = Arc::new(Float32Array::from(vec![None, Some(2.0)]));
    let t: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("a"), None]));
    let rows = with_columns(2, vec![("d", d), ("t", t)]).unwrap();
    assert_eq!(rows.column(2).as_primitive::<Float32Type>().values(), &[0.5, 2.0]);
    assert_eq!(rows.column(3), &texts(&["a", "x"]));
}

#[test]
fn under_a_null_is_nothing_of_what_came() {
    let garbage = arrow_array::Int8Array::new(
        vec![1i8, 2, 3].into(),
        Some(arrow_buffer::NullBuffer::from(vec![true, false, true])),
    );
    let rows = with_columns(3, vec![("n", Arc::new(garbage))]).unwrap();
    let kept = rows.column(1).as_primitive::<arrow_array::types::Int8Type>();
    assert_eq!((kept.values().to_vec(), kept.null_count()), (vec![1, 0, 3], 1));
}

#[test]
fn lists_of_every_layout() {
    let item = || Arc::new(ArrowField::new("x", ArrowType::Int64, true));
    let values: ArrayRef = Arc::new(Int64Array::from(vec![9, 1, 2, 3, 4, 5]));
    let nulls = Some(arrow_buffer::NullBuffer::from(vec![true, false, true]));
    let offsets = |ends: &[i64]| arrow_buffer::OffsetBuffer::new(ends.to_vec().into());
    // The null list has elements, which are left out.
    let large = arrow_array::LargeListArray::new(item(), offsets(&[1, 2, 4, 6]), values.clone(), nulls);
    let fixed = FixedSizeListArray::new(item(), 2, values.clone(), None);
    let lists = |column: ArrayRef| -> Vec<Option<Vec<i32>>> {
        let rows = with_columns(3, vec![("a", column)]).unwrap();
        assert_eq!(rows.column(4).data_type(), &kinds().fields()[4].arrow_type());
        let lists = rows.column(4).as_list::<i32>().clone();
        let list = |list: ArrayRef| list.as_primitive::<arrow_array::types::Int32Type>().values().to_vec();
        lists.iter().map(|found| found.map(list)).collect()
    };
    assert_eq!(lists(Arc::new(large)), [Some(vec![1]), None, Some(vec![4, 5])]);
    assert_eq!(lists(Arc::new(fixed)), [Some(vec![9, 1]), Some(vec![2, 3]), Some(vec![4, 5])]);
    let long = FixedSizeListArray::new(item(), 3, values, None);
    assert_eq!(with_columns(2, vec![("a", Arc::new(long.clone()))]).unwrap().num_rows(), 2);
    let slice = with_columns(1, vec![("a", Arc::new(long.slice(1, 1)))]).unwrap();
    assert_eq!(bytes(&kinds(), &slice), (8 + 1 + 4 + 4 + 4 + 8 + 4) + 1 + 3 * 4 + 2);
}

#[test]
fn dynamic_values_of_every_type() {
    let list: ArrayRef = Arc::new(FixedSizeListArray::new(
        Arc::new(ArrowField::new("x", ArrowType::Boolean, true)),
        2,
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        None,
    ));
    let unsigned: ArrayRef = Arc::new(arrow_array::UInt64Array::from(vec![u64::MAX]));
    let single: ArrayRef = Arc::new(Float32Array::from(vec![0.1]));
    let both = arrow_array::StructArray::from(vec![
        (Arc::new(ArrowField::new("k\"", ArrowType::Int64, false)), ids(&[-1])),
        (Arc::new(ArrowField::new("l", list.data_type().clone(), false)), list.clone()),
    ]);
    assert_eq!(
        meta(vec![("a b", unsigned), ("é", single), ("s", Arc::new(both)), ("t\\", texts(&["\n"]))], 0),
        r#"{"a b":18446744073709551615,"é":0.1,"s":{"k\"":-1,"l":[true,null]},"t\\":"\n"}"#
    );
    let some: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1)]));
    assert_eq!(meta(vec![("x", some.clone())], 0), "{}");
    assert_eq!(meta(vec![("$meta", texts(&["{}", " {\"y\": 2 } "])), ("x", some)], 1), r#" {"y": 2 ,"x":1}"#);
    let dates: ArrayRef = Arc::new(arrow_array::Date32Array::from(vec![1]));
    let error = with_columns(1, vec![("day", dates)]).unwrap_err();
    assert!(error.message().contains("dynamic field day, row 0: a column of Date32 cannot be"));
}

#[test]
fn texts_that_are_json_already() {
    let json =
        ArrowField::new("j", ArrowType::Utf8, true).with_metadata(std::collections::HashMap::from([(
            "ARROW:extension:name".to_owned(),
            JSON_EXTENSION.to_owned(),
        )]));
    let fields = vec![
        ArrowField::new("id", ArrowType::Int64, false),
        ArrowField::new("v", vectors(vec![0.0; 2], 2).data_type().clone(), false),
        json,
    ];
    let insert = |text: &str| {
        let columns = vec![ids(&[1]), vectors(vec![0.0; 2], 2), texts(&[text])];
        let batch =
            RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields.clone())), columns).unwrap();
        canonical(&kinds(), &batch, no_ids)
    };
    assert_eq!(insert("[1]").unwrap().column(6), &texts(&[r#"{"j":[1]}"#]));
    assert!(insert("[1").unwrap_err().message().contains("is not JSON"));
}

#[test]
fn output_names_of_dynamic_keys() {
    let schema = kinds();
    for (name, key) in [
        ("x", Some("x")),
        ("n", None),
        ("$meta", None),
        ("$meta[\"x y\"]", Some("x y")),
        ("$meta['n']", Some("n")),
        ("$meta[ 'x' ]", Some("x")),
        ("$meta[x]", None),
        ("$meta['x'", None),
        ("$meta['x']['y']", None),
        ("$meta['']", None),
        ("", None),
        ("_x1", Some("_x1")),
        ("1x", None),
        ("x y", None),
        ("j['k']", None),
        ("x[\"n\"]", None),
        ("count(*)", None),
        ("é", None),
        ("$meta['é']", Some("é")),
    ] {
        assert_eq!(key_of(&schema, name), key, "{name}");
    }
    assert_eq!(key_of(&self::schema(false), "x"), None);
    let objects = texts(&[r#"{"a":{"b":"]}"},"k":1}"#, "{}", r#"{"k": null}"#, r#"{"k\u0041":2,"k":[ 1 ]}"#]);
    let found = values_of_key(&objects, "k");
    let found: Vec<Option<&str>> = found.as_string::<i32>().iter().collect();
    assert_eq!(found, [Some("1"), None, Some("null"), Some("[ 1 ]")]);
    assert_eq!(values_of_key(&objects, "kA").as_string::<i32>().value(3), "2");
}

#[test]
fn older_rows_are_widened() {
    let rows = with_columns(2, vec![]).unwrap();
    let field = |text: &str| crate::schema::Field::from_json(text).unwrap();
    let schema = kinds().with_field(field(r#"{"name":"x","data_type":"Bool","nullable":true}"#)).unwrap();
    let schema = schema.with_field(field(r#"{"name":"y","data_type":"Int16","default_value":7}"#)).unwrap();
    let wide = widened(&schema, rows.clone()).unwrap();
    assert_eq!((wide.num_columns(), wide.column(7).null_count()), (9, 2));
    assert_eq!(wide.column(8).as_primitive::<arrow_array::types::Int16Type>().values(), &[7, 7]);
    assert_eq!(widened(&kinds(), rows.clone()).unwrap(), rows);
}

/// As an export of a collection has it that got a field whose name was a dynamic key of its rows.
#[test]
fn keys_that_are_names_of_fields() {
    let schema = kinds();
    let given = |object: &str| {
        let rows = with_columns(1, vec![]).unwrap();
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        for (field, column) in schema.fields().iter().zip(rows.columns()) {
            columns.push((&field.name, if field.is_dynamic { texts(&[object]) } else { column.clone() }));
        }
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
    };
    let shadowed = given(r#"{"n":"red","x":1}"#);
    let error = canonical(&schema, &shadowed, no_ids).unwrap_err();
    assert!(
        error.message().contains("dynamic field name cannot include the static field name: n"),
        "{error}"
    );
    let rows = imported(&schema, &shadowed, no_ids).unwrap();
    let objects = rows.column(schema.dynamic_at().unwrap());
    assert_eq!(objects, &texts(&[r#"{"n":"red","x":1}"#]));
    assert_eq!(&values_of_key(objects, "n"), &texts(&[r#""red""#]));
    for (object, with) in [("[1]", "is not a JSON object"), (r#"{"$meta":1}"#, "cannot set key to: $meta")] {
        let error = imported(&schema, &given(object), no_ids).unwrap_err();
        assert!(error.message().contains(with), "{error}");
    }
}

#[test]
fn integers_of_any_width() {
    use arrow_array::types::{Int8Type, Int64Type};
    use arrow_array::{Int16Array, UInt8Array, UInt16Array, UInt32Array, UInt64Array};
    let field = |kind| Field { nullable: true, ..Field::new("n", kind) };
    let wide: [ArrayRef; 6] = [
        Arc::new(UInt8Array::from(vec![Some(7), None])),
        Arc::new(UInt16Array::from(vec![Some(7), None])),
        Arc::new(UInt32Array::from(vec![Some(7), None])),
        Arc::new(UInt64Array::from(vec![Some(7), None])),
        Arc::new(Int16Array::from(vec![Some(7), None])),
        Arc::new(Int64Array::from(vec![Some(7), None])),
    ];
    for column in &wide {
        let small = column::canonical(&field(DataType::Int8), column).unwrap();
        assert_eq!(small.as_primitive::<Int8Type>().iter().collect::<Vec<_>>(), [Some(7), None]);
        let large = column::canonical(&field(DataType::Int64), column).unwrap();
        assert_eq!(large.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(7), None]);
        assert!(column::canonical(&field(DataType::Double), column).is_err());
    }
    let fails = |kind, column: ArrayRef, with: &str| {
        let error = column::canonical(&field(kind), &column).unwrap_err();
        assert_eq!(error.message(), with);
    };
    fails(
        DataType::Int64,
        Arc::new(UInt64Array::from(vec![0, u64::MAX])),
        "field n: the 1th element (18446744073709551615) out of range: [-9223372036854775808, 9223372036854775807]",
    );
    fails(
        DataType::Int8,
        Arc::new(UInt8Array::from(vec![128])),
        "field n: the 0th element (128) out of range: [-128, 127]",
    );
}

#[test]
fn arrays_of_numbers_that_are_none() {
    let field =
        |kind, element| Field { element_type: Some(element), max_capacity: 4, ..Field::new("a", kind) };
    let lists = |values: Vec<Vec<f32>>| {
        let mut lists = ListBuilder::new(Float32Builder::new());
        for list in values {
            lists.values().append_slice(&list);
            lists.append(true);
        }
        Arc::new(lists.finish()) as ArrayRef
    };
    let floats = field(DataType::Array, DataType::Float);
    assert!(column::canonical(&floats, &lists(vec![vec![1.0], vec![], vec![f32::MAX, -0.0]])).is_ok());
    for (bad, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "+Inf"), (f32::NEG_INFINITY, "-Inf")] {
        let error = column::canonical(&floats, &lists(vec![vec![1.0], vec![], vec![2.0, bad]])).unwrap_err();
        let place = "field a, row 2, array index 1";
        assert_eq!(error.message(), format!("{place}: value '{word}' is not a number or infinity"));
    }
}
