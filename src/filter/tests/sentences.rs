//! Which sentences are filters, as Milvus 2.3 decides: every operator between every kind of operand, in tables, then the
//! grammar production by production, and the messages. What is decided otherwise here stands in `docs/filters.md`.

use super::*;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    ListArray, StringArray,
};
use std::sync::Arc;

/// A field of every type. The vectors are last: no row has them here, for no filter looks at them.
fn fields(dynamic: bool) -> Vec<Field> {
    use DataType::*;
    let array = |name: &str, element| Field { element_type: Some(element), ..field(name, Array) };
    let mut fields = vec![
        field("id", Int64),
        field("sold", Bool),
        field("floor", Int8),
        field("rooms", Int16),
        field("built", Int32),
        field("area", Float),
        field("price", Double),
        field("city", VarChar),
        field("street", VarChar),
        field("doc", Json),
        array("visits", Int64),
        array("rates", Float),
        array("tags", VarChar),
    ];
    if dynamic {
        fields.push(field("$meta", Json));
    }
    fields.extend([field("photo", FloatVector), field("mask", BinaryVector)]);
    fields
}

/// Two rows; the arrays of the second are empty.
fn rows() -> RecordBatch {
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.values().append_value("old");
    tags.append(true);
    tags.append(true);
    let visits = [Some(vec![Some(3), Some(5)]), Some(vec![])];
    let rates = [Some(vec![Some(0.5)]), Some(vec![])];
    let json =
        || Arc::new(StringArray::from(vec![r#"{"k":{"n":7},"l":[1,[7,8],"x"],"t":"x"}"#, "{}"])) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![7, 8]))),
        ("sold", Arc::new(BooleanArray::from(vec![true, false]))),
        ("floor", Arc::new(Int8Array::from(vec![7, -8]))),
        ("rooms", Arc::new(Int16Array::from(vec![7, -8]))),
        ("built", Arc::new(Int32Array::from(vec![7, -8]))),
        ("area", Arc::new(Float32Array::from(vec![7.5, -8.0]))),
        ("price", Arc::new(Float64Array::from(vec![7.5, -8.0]))),
        ("city", Arc::new(StringArray::from(vec!["x", ""]))),
        ("street", Arc::new(StringArray::from(vec!["xy", ""]))),
        ("doc", json()),
        ("visits", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(visits))),
        ("rates", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rates))),
        ("tags", Arc::new(tags.finish())),
        ("$meta", json()),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Whether it is a filter; one that is must run.
fn accepts(sentence: &str) -> std::result::Result<(), String> {
    let filter = parse(&fields(true), sentence)?;
    let found =
        filter.rows(&Table::of(&rows()), None).unwrap_or_else(|e| panic!("{sentence}: {}", e.message()));
    assert_eq!(found.len(), 2, "{sentence}");
    Ok(())
}

fn valid(sentences: &[&str]) {
    for sentence in sentences {
        if let Err(message) = accepts(sentence) {
            panic!("{sentence}\n  {message}");
        }
    }
}

fn invalid(sentences: &[&str]) {
    for sentence in sentences {
        assert!(accepts(sentence).is_err(), "{sentence} is accepted");
    }
}

/// A boolean, a whole number, a float, a text, and lists of numbers and of texts: the columns of the tables.
const CONSTANTS: [&str; 6] = ["true", "7", "7.5", "'x'", "[7, 8]", "['x']"];

/// What there is to compare, and with which constants `==` and `!=` may, an order may, and a list of them may.
const OPERANDS: &[(&str, [&str; 3])] = &[
    ("sold", ["+-----", "+-----", "+-----"]),
    ("floor", ["-+----", "-+----", "-+----"]),
    ("rooms", ["-+----", "-+----", "-+----"]),
    ("built", ["-+----", "-+----", "-+----"]),
    ("id", ["-+----", "-+----", "-+----"]),
    ("area", ["-++---", "-++---", "-++---"]),
    ("price", ["-++---", "-++---", "-++---"]),
    ("city", ["---+--", "---+--", "---+--"]),
    ("doc", ["------", "------", "------"]),
    ("$meta", ["------", "------", "------"]),
    ("doc['k']", ["++++++", "++++--", "++++++"]),
    ("doc['l'][0]", ["++++++", "++++--", "++++++"]),
    ("$meta['k']", ["++++++", "++++--", "++++++"]),
    ("k", ["++++++", "++++--", "++++++"]),
    ("k['n']", ["++++++", "++++--", "++++++"]),
    ("l[1]", ["++++++", "++++--", "++++++"]),
    ("visits", ["----+-", "------", "----+-"]),
    ("tags", ["-----+", "------", "-----+"]),
    ("visits[1]", ["-+----", "-+----", "-+----"]),
    ("rates[0]", ["-++---", "-++---", "-++---"]),
    ("tags[0]", ["---+--", "---+--", "---+--"]),
    ("photo", ["------", "------", "------"]),
    ("mask", ["------", "------", "------"]),
    ("id + 1", ["-+----", "------", "------"]),
    ("id * 2 ", ["-+----", "------", "------"]),
    ("price / 2", ["-++---", "------", "------"]),
    ("doc['k'] - 2", ["-+----", "------", "------"]),
    ("k % 2", ["-+----", "------", "------"]),
    ("k + 0.5", ["-++---", "------", "------"]),
    ("visits[0] % 2", ["-+----", "------", "------"]),
    ("array_length(visits)", ["-+----", "-+----", "------"]),
    ("array_length(l)", ["-+----", "-+----", "------"]),
    ("id > 3", ["------", "------", "------"]),
    ("(id > 3)", ["------", "------", "------"]),
];

/// One sentence of a table: `+` for a filter.
fn agrees(sentence: &str, expected: u8) {
    match (accepts(sentence), expected) {
        (Ok(()), b'+') | (Err(_), b'-') => {}
        (found, _) => panic!("{sentence}\n  {found:?}"),
    }
}

#[test]
fn operands_and_constants() {
    for (operand, [equal, ordered, listed]) in OPERANDS {
        for (at, constant) in CONSTANTS.iter().enumerate() {
            for op in ["==", "!="] {
                agrees(&format!("{operand} {op} {constant}"), equal.as_bytes()[at]);
                agrees(&format!("{constant} {op} {operand}"), equal.as_bytes()[at]);
            }
            for op in ["<", "<=", ">", ">="] {
                // Without parentheses `3 < id > 3` and the like are other sentences.
                if !operand.contains('>') {
                    agrees(&format!("{operand} {op} {constant}"), ordered.as_bytes()[at]);
                    agrees(&format!("{constant} {op} {operand}"), ordered.as_bytes()[at]);
                }
            }
            for op in ["in", "not in"] {
                agrees(&format!("({operand}) {op} [{constant}]"), listed.as_bytes()[at]);
            }
            agrees(&format!("{constant} in [{constant}]"), b'-');
        }
    }
}

#[test]
fn two_fields() {
    let kinds: [&[&str]; 6] = [
        &["sold"],
        &["floor", "rooms", "built", "id", "area", "price", "visits[1]", "rates[0]"],
        &["city", "street", "tags[0]"],
        &["doc['k']", "$meta['k']", "k", "l[0]"],
        &["visits", "tags", "doc", "$meta"],
        &["photo", "mask"],
    ];
    for (a, lefts) in kinds.iter().enumerate() {
        for (b, rights) in kinds.iter().enumerate() {
            let comparable = a < 4 && b < 4 && (a == b || a == 3 || b == 3);
            for (left, right) in lefts.iter().flat_map(|left| rights.iter().map(move |right| (left, right))) {
                for op in ["==", "!=", "<", "<=", ">", ">="] {
                    agrees(&format!("{left} {op} {right}"), if comparable { b'+' } else { b'-' });
                }
                invalid(&[&format!("{left} + {right} == 7"), &format!("{left} in [{right}]")]);
            }
        }
    }
    invalid(&["array_length(tags) == array_length(visits)", "array_length(tags) == id", "id + 1 == rooms"]);
}

#[test]
fn arithmetic_beside_a_constant() {
    // The operand, and with a whole number and with a float: + - * / %.
    for (operand, whole, float) in [
        ("id", "+++++", "-----"),
        ("floor", "+++++", "-----"),
        ("visits[0]", "+++++", "-----"),
        ("area", "++++-", "++++-"),
        ("price", "++++-", "++++-"),
        ("rates[0]", "++++-", "++++-"),
        ("doc['k']", "+++++", "++++-"),
        ("k", "+++++", "++++-"),
        ("sold", "-----", "-----"),
        ("city", "-----", "-----"),
        ("doc", "-----", "-----"),
        ("visits", "-----", "-----"),
        ("photo", "-----", "-----"),
        ("id > 3", "-----", "-----"),
        ("array_length(tags)", "-----", "-----"),
        ("id + 1", "-----", "-----"),
        ("'x'", "-----", "-----"),
        ("true", "-----", "-----"),
        ("[7]", "-----", "-----"),
    ] {
        for (number, expected) in [("2", whole), ("2.5", float)] {
            for (op, &expected) in ["+", "-", "*", "/", "%"].iter().zip(expected.as_bytes()) {
                // Of a float's sum the other side may be a float, too; a whole number always may.
                agrees(&format!("({operand}) {op} {number} == 7"), expected);
                agrees(&format!("7 != ({operand}) {op} {number}"), expected);
                let turns = if *op == "+" || *op == "*" { expected } else { b'-' };
                agrees(&format!("{number} {op} ({operand}) == 7"), turns);
                for order in ["<", "<=", ">", ">="] {
                    agrees(&format!("({operand}) {op} {number} {order} 7"), b'-');
                }
            }
        }
        for text in ["'x'", "true", "[7]"] {
            invalid(&[&format!("({operand}) + {text} == 7"), &format!("{text} * ({operand}) == 7")]);
        }
    }
    invalid(&[
        "id / 0 == 1",
        "id % 0 == 1",
        "price / 0.0 == 1",
        "0 / (1 - 1) == id",
        "(id + 1) * 2 == 4",
        "2 * (1 + id) == 4",
        "1 < id + 1 < 3",
        "id + 1 in [2]",
        "(id + 1) in [2]",
        "id + 1",
        "1 < id + rooms < 9",
    ]);
}

#[test]
fn constants_alone_and_beside_a_field() {
    for (constant, type_name, field) in [
        ("7", "Int64", "id"),
        ("-7", "Int64", "id"),
        ("+7", "Int64", "id"),
        ("6 + 1", "Int64", "id"),
        ("8 - 1", "Int64", "id"),
        ("7 * 1", "Int64", "id"),
        ("15 / 2", "Int64", "id"),
        ("15 % 8", "Int64", "id"),
        ("1 + 2 * 3", "Int64", "id"),
        ("(1 + 2) * 3", "Int64", "id"),
        ("7.5", "Double", "price"),
        ("-7.5", "Double", "price"),
        ("7 + 0.5", "Double", "price"),
        ("0.5 + 7", "Double", "price"),
        ("8.0 - 0.5", "Double", "price"),
        ("8 - 0.5", "Double", "price"),
        ("7.5 * 1", "Double", "price"),
        ("15.0 / 2", "Double", "price"),
        ("2 ** 3", "Double", "price"),
        ("2.0 ** 0.5", "Double", "price"),
        ("'x'", "VarChar", "city"),
        ("true", "Bool", "sold"),
        ("not true", "Bool", "sold"),
        ("!False", "Bool", "sold"),
        ("true and TRUE", "Bool", "sold"),
        ("true or false", "Bool", "sold"),
        ("true == false", "Bool", "sold"),
        ("true != false", "Bool", "sold"),
        ("[7, 8]", "Array", "visits"),
    ] {
        let message = parse(&fields(true), constant).unwrap_err();
        let expected = format!(
            "failed to create query plan: predicate is not a boolean expression: {constant}, data type: {type_name}"
        );
        assert_eq!(message, expected);
        valid(&[&format!("{field} == ({constant})"), &format!("({constant}) != {field}")]);
    }
    for (low, high) in [("7", "8"), ("7", "8.5"), ("6.5", "8"), ("6.5", "8.5"), ("'a'", "'b'")] {
        for op in ["<", "<=", ">", ">=", "==", "!="] {
            valid(&[&format!("sold == ({low} {op} {high})")]);
            invalid(&[&format!("{low} {op} {high}")]);
        }
    }
    for clash in ["true", "'x'", "[7]", "7"] {
        for other in ["true", "'x'", "[7]", "7"].into_iter().filter(|other| *other != clash) {
            for op in ["<", "==", "+", "-", "*", "/", "%", "**", "and", "or"] {
                invalid(&[&format!("sold == ({clash} {op} {other})"), &format!("{clash} {op} {other}")]);
            }
        }
    }
    for one in ["true", "'x'", "[7]"] {
        for op in ["+", "-", "*", "/", "%", "**"] {
            invalid(&[&format!("id == {one} {op} {one}")]);
        }
    }
    invalid(&[
        "true < false",
        "[7] == [7]",
        "2 / 0 == id",
        "2 % 0 == id",
        "2.0 / 0 == price",
        "7.5 % 2 == price",
    ]);
    invalid(&["id == 9223372036854775807 + 1", "id == -(-9223372036854775808)", "id == 2 ** 3", "id == 7.0"]);
}

mod grammar;
mod nested;
mod words;
