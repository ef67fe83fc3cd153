use super::*;
use crate::schema::MAX_JSON;
use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::types::Float32Type;
use arrow_array::{
    BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Int32Array, Int64Array,
    LargeStringArray, StringArray,
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
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    fails(&columns(Some(ints), texts(&["a"]), texts(&["1"]), good()), "field id holds Int64");
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
