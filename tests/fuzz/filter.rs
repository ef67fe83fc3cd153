//! Any text as a filter, any words in a row as one, any text as the values of its templates, over rows of every type:
//! refused, or as many bits as rows, the same for some of the rows as for all; never a panic.
#![no_main]

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    RecordBatch, StringArray,
};
use arrow_buffer::BooleanBuffer;
use elanus::filter::{Filter, Table, Values};
use elanus::schema::Schema;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    Schema::from_json(
        r#"{"fields":[{"name":"a","data_type":"Int64","is_primary":true},{"name":"b","data_type":"Bool"},
        {"name":"c","data_type":"Int8"},{"name":"d","data_type":"Int16"},{"name":"e","data_type":"Int32"},
        {"name":"f","data_type":"Float"},{"name":"g","data_type":"Double"},
        {"name":"t","data_type":"VarChar","max_length":99},{"name":"j","data_type":"JSON"},
        {"name":"x","data_type":"Array","element_type":"Int32","max_capacity":9,"nullable":true},
        {"name":"y","data_type":"Array","element_type":"VarChar","max_capacity":9,"max_length":9},
        {"name":"z","data_type":"Int64","nullable":true},
        {"name":"v","data_type":"FloatVector","dim":1}]}"#,
    )
    .unwrap()
});

static ROWS: LazyLock<RecordBatch> = LazyLock::new(|| {
    let json = [r#"{"a":[1,"x",[2]],"b":{"c":1.5}}"#, "null", r#"{"a":18446744073709551615}"#, "[[],{}]"];
    let mut numbers = ListBuilder::new(Int32Builder::new());
    let mut texts = ListBuilder::new(StringBuilder::new());
    for row in 0..4 {
        (0..row).for_each(|n| numbers.values().append_value(n));
        numbers.append(row < 3);
        (0..row).for_each(|_| texts.values().append_value("a"));
        texts.append(true);
    }
    let columns: [(&str, ArrayRef); 12] = [
        ("a", Arc::new(Int64Array::from(vec![i64::MIN, -1, 0, i64::MAX]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false, true, false]))),
        ("c", Arc::new(Int8Array::from(vec![i8::MIN, -1, 0, i8::MAX]))),
        ("d", Arc::new(Int16Array::from(vec![i16::MIN, -1, 0, i16::MAX]))),
        ("e", Arc::new(Int32Array::from(vec![i32::MIN, -1, 0, i32::MAX]))),
        ("f", Arc::new(Float32Array::from(vec![f32::NAN, f32::INFINITY, -0.0, 0.1]))),
        ("g", Arc::new(Float64Array::from(vec![f64::NAN, f64::NEG_INFINITY, -0.0, 0.1]))),
        ("t", Arc::new(StringArray::from(vec!["", "a", "é", "x\u{0}y"]))),
        ("j", Arc::new(StringArray::from(json.to_vec()))),
        ("x", Arc::new(numbers.finish())),
        ("y", Arc::new(texts.finish())),
        ("z", Arc::new(Int64Array::from(vec![Some(1), None, Some(-1), None]))),
    ];
    let columns = columns.map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
});

const VALUES: &str = r#"{"p":[1,"a",2.5,[true]],"q":"a%","r":-9223372036854775808}"#;

/// Of what sentences are made. Templates have the names of one letter.
const WORDS: &[&str] = &[
    "a", "b", "c", "f", "g", "t", "j['a']", "j['b']['c']", "j['a'][0]", "x", "x[0]", "x[9]", "y", "y[1]", "z", "v",
    "{p}", "{q}", "{r}", "1", "0", "-1", "2.5", "'a'", "'a%'", "true", "[1, 2]", "['a']", "[]", "9223372036854775807",
    "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "**", "and", "or", "not", "in", "not in", "like", "exists",
    "is null", "is not null", "(", ")", "[", "]", ",", "json_contains(", "array_contains_all(", "json_contains_any(",
    "array_length(", "&", "<<", "~",
];

fuzz_target!(|input: (&str, Vec<u8>, &str)| {
    let (text, words, values) = input;
    let words: Vec<&str> = words.iter().map(|&word| WORDS[usize::from(word) % WORDS.len()]).collect();
    let text = if words.is_empty() { text.to_owned() } else { words.join(" ") };
    let values = Values::from_json(values).or_else(|_| Values::from_json(VALUES)).unwrap();
    let Ok(filter) = Filter::new(&SCHEMA, &text, &values) else { return };
    let all = filter.rows(&Table::of(&ROWS), None).unwrap();
    assert_eq!(all.len(), ROWS.num_rows());
    for among in 0u8..16 {
        let among: BooleanBuffer = (0..4).map(|row| among >> row & 1 == 1).collect();
        let some = filter.rows(&Table::of(&ROWS), Some(&among)).unwrap();
        assert!((0..4).all(|row| !among.value(row) || some.value(row) == all.value(row)), "{text}");
    }
});
