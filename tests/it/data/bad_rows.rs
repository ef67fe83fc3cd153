//! Rows that a schema refuses.

use super::*;

/// One row of the schema, with some of its columns in others' place.
fn one_row(replaced: &[(&str, ArrayRef)]) -> RecordBatch {
    let row =
        json!({"id": 1, "n": 1, "d": 1.0, "s": "s", "b": true, "j": 1, "ai": [1], "at": [], "$meta": {}});
    let plain = batch(&[row]);
    let schema = plain.schema();
    let kept = schema.fields().iter().zip(plain.columns());
    let kept = kept.map(|(field, column)| (field.name().as_str(), column.clone()));
    let kept = kept.filter(|(name, _)| replaced.iter().all(|(other, _)| other != name));
    let all: Vec<_> =
        kept.chain(replaced.iter().cloned()).map(|(name, column)| (name, column, true)).collect();
    RecordBatch::try_from_iter_with_nullable(all).unwrap()
}

#[test]
fn bad_rows_leave_nothing_behind() {
    let writer = database(&FaultDisk::new(), false);
    let collection = writer.create_collection("c", Schema::from_json(SCHEMA).unwrap()).unwrap();
    let ints = |values: &[i32]| {
        let mut list = ListBuilder::new(Int32Builder::new());
        list.values().append_slice(values);
        list.append(true);
        Arc::new(list.finish()) as ArrayRef
    };
    let strings = |values: &[Option<&str>]| {
        let mut list = ListBuilder::new(StringBuilder::new());
        values.iter().for_each(|value| list.values().append_option(*value));
        list.append(true);
        Arc::new(list.finish()) as ArrayRef
    };
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let long = format!("{{\"k\":\"{}\"}}", "x".repeat(65536 - 7));
    let null = || Arc::new(NullArray::new(1)) as ArrayRef;
    let cases: Vec<(&str, ArrayRef, &str)> = vec![
        (
            "n",
            Arc::new(Int64Array::from(vec![40_000])),
            "the 0th element (40000) out of range: [-32768, 32767]",
        ),
        ("n", text("1"), "field n holds Int16, got a column of Utf8"),
        (
            "s",
            text("123456789012345678901"),
            "length of varchar field s exceeds max length, row number: 0, length: 21, max length: 20",
        ),
        ("at", null(), "field at holds Array, got a column of Null"),
        ("id", Arc::new(Int64Array::from(vec![None])), "field id has a null at row 0, but is not nullable"),
        ("ai", ints(&[1, 2, 3, 4, 5]), "field ai: the length (5) of 0th array exceeds max capacity (4)"),
        ("ai", strings(&[Some("a")]), "field ai holds Int32, got a column of Utf8"),
        (
            "at",
            strings(&[Some("a"), Some("123456789")]),
            "length of Array array field \"at\" exceeds max length, row number: 0, array index: 1, length: 9, max length: 8",
        ),
        ("at", strings(&[None]), "an element of an array: field at has a null at row 0"),
        (
            "j",
            text(&long),
            "length of json field j exceeds max length, row number: 0, length: 65537, max length: 65536",
        ),
        ("j", text("{"), "the value of json field j is not JSON"),
        (
            "d",
            Arc::new(Float64Array::from(vec![f64::INFINITY])),
            "field d, row 0: value '+Inf' is not a number or infinity",
        ),
        ("big", text(&"x".repeat(65536)), "length of json field $meta exceeds max length"),
        (
            "dyn",
            Arc::new(Float64Array::from(vec![f64::NAN])),
            "dynamic field dyn, row 0: value 'NaN' is not a number or infinity",
        ),
        ("$meta", text("[1]"), "the value of json field $meta is not a JSON object"),
        ("$meta", text(r#"{"$meta":1}"#), "cannot set key to: $meta"),
        ("$meta", text(r#"{"n":1}"#), "dynamic field name cannot include the static field name: n"),
        ("$meta", text(r#"{"color":1}"#), "dynamic key color is in $meta and a column of its own"),
    ];
    for (name, column, why) in cases {
        let error = collection.insert(one_row(&[(name, column)])).err().expect(why);
        assert_eq!(error.code(), Code::InvalidParameter, "{error:?}");
        assert!(error.message().contains(why), "{}\n  not: {why}", error.message());
    }
    assert_eq!(collection.count().unwrap(), 0);

    // At the limits.
    let fits = format!("{{\"k\":\"{}\"}}", "x".repeat(65536 - 8));
    assert_eq!(fits.len(), 65536);
    collection.insert(one_row(&[("j", text(&fits)), ("ai", ints(&[1, 2, 3, 4])), ("n", null())])).unwrap();
    collection.insert(one_row(&[("n", Arc::new(Int64Array::from(vec![-32_768]))), ("s", null())])).unwrap();
    collection
        .insert(one_row(&[("$meta", text(r#" {"a":{"b":[1,2.50]}} "#)), ("more", text("é\"\n"))]))
        .unwrap();
    let rows = collection.query("more == 'é\"\\n' and a['b'][1] == 2.5", &all_fields()).unwrap();
    assert_eq!(rows_of(&rows.columns)[0]["$meta"], json!({"a": {"b": [1, 2.5]}, "more": "é\"\n"}));

    for (filter, why) in [
        ("n == 'a'", "comparisons between Int16 and VarChar are not supported"),
        ("ai['x'] == 1", "can only access array field with integer index: ai"),
        ("ai[0][1] == 1", "can only access array field with integer index: ai"),
        ("ai > [1]", "comparisons between Array and Array are not supported"),
        ("ai == at", "comparisons between Array and Array are not supported"),
        ("ai == ['a']", "cannot cast value to Int32"),
        ("ai == 1", "comparisons between Array and Int64 are not supported"),
        (
            "array_contains(ai, 'a')",
            "contains operation can't compare between array element type: Int32 and VarChar",
        ),
        (
            "array_contains_all(at, [1])",
            "contains_all operation can't compare between array element type: VarChar and Int64",
        ),
        ("array_contains(n, 1)", "contains operation are only supported on json or array fields now, got: n"),
        (
            "array_length(n) == 1",
            "array_length operation are only supported on json or array fields now, got: n",
        ),
        ("1 < ai < 3", "comparisons between Array and Int64 are not supported"),
        ("exists ai", "exists operations are only supportted on json field, got:Array"),
        ("1 is null", "'is null' can only be used on single fields, but got: 1"),
        ("n is nothing", "mismatched input 'is'"),
        ("n is not 3", "mismatched input 'is'"),
    ] {
        let error = collection.query(filter, &QueryOptions::default()).err().expect(filter);
        assert!(error.message().contains(why), "{filter}: {}\n  not: {why}", error.message());
    }
    let error = collection.delete_matching("id is not null", "").err().unwrap();
    assert!(error.message().contains("delete plan can't be empty or always true"), "{}", error.message());
}
