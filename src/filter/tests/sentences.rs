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

#[test]
fn signs_before_operands() {
    valid(&[
        "+id == 7",
        "+price > 7.5",
        "+city == 'x'",
        "+sold == true",
        "+doc['k'] == 7",
        "+visits[0] == 3",
        "+city in ['x']",
        "+(id > 3)",
        "+(id + 1) == 8",
        "+array_length(tags) == 1",
        "sold == +true",
        "city == +'x'",
        "id == - - 7",
        "not (id > 3)",
        "not not (id > 3)",
        "!(id > 3) and not (id < 9)",
        "not city like 'x%'",
        "not json_contains(l, 1)",
        "not exists doc['k']",
        "not (id in [7])",
    ]);
    invalid(&[
        "-id == 7",
        "-price == 7.5",
        "-doc['k'] == 7",
        "-(id + 1) == 8",
        "-array_length(tags) == 1",
        "-true",
        "-'x' == city",
        "-[7] == visits",
        "+visits == [7]",
        "+doc == 7",
        "not id",
        "!7",
        "not 'x'",
        "not sold",
        "not doc['k']",
        // It binds before comparisons do.
        "not id > 3",
        "not id in [7]",
        "not sold == true",
        "~id == 7",
        "~7 == id",
    ]);
}

#[test]
fn precedence_and_conjunctions() {
    valid(&[
        "id > 3 and city == 'x' or sold == true",
        "id > 3 && city == 'x' || sold == true",
        "id > 3 and (city == 'x' or sold == true)",
        "((id > 3))",
        "id>3 and(city=='x')",
        "id == 1 + 2 * 3 - 4 / 2 % 3",
        "1 + 2 < id",
        "price == 2 ** 3 ** 2",
        "price == -2 ** 2",
        "id in [1 + 1, (2), -3]",
        "\tid\n>\r\n3 ",
    ]);
    invalid(&[
        "id > 3 and sold",
        "sold and id > 3",
        "sold or false",
        "id > 3 and true",
        "false or id > 3",
        "id or rooms",
        "city and 'x'",
        "k and k",
        "id > 3 AND id < 9",
        "id > 3 OR id < 9",
        "NOT (id > 3)",
        "id IN [7]",
        "id > 3 and",
        "and id > 3",
        "id > 3 id < 9",
        "(id > 3",
        "id > 3)",
        "()",
        "id = 7",
        "id === 7",
        "id <> 7",
        "sold",
        "city",
        "doc['k']",
        "no words",
        "id & 1 == 1",
        "id | 1 == 1",
        "id ^ 1 == 1",
        "id << 1 == 2",
        "id >> 1 == 2",
        "id ** 2 == 4",
        "2 ** id == 4",
        "id == 6 & 2",
        "id == 6 | 2",
        "id == 6 ^ 2",
        "id == 6 << 2",
        "id == 6 >> 2",
        "id > 3 == true",
        "(id > 3) == (id < 9)",
        "id == 7 == true",
    ]);
}

#[test]
fn ranges() {
    // A field and bounds that fit.
    for (field, low, high) in [
        ("floor", "6", "8"),
        ("rooms", "6", "8"),
        ("built", "6", "8"),
        ("id", "6", "8"),
        ("area", "6.5", "8.5"),
        ("area", "6", "8.5"),
        ("price", "6", "8"),
        ("city", "'a'", "'z'"),
        ("doc['k']", "6", "8"),
        ("doc['k']", "6.5", "8"),
        ("$meta['t']", "'a'", "'z'"),
        ("k", "6", "8"),
        ("l[0]", "6", "8"),
        ("visits[0]", "6", "8"),
        ("rates[0]", "0.25", "1"),
        ("tags[0]", "'a'", "'z'"),
        ("id", "3 + 3", "2 * 4"),
        ("id", "-6", "+8"),
        // None is between them; that is no error.
        ("id", "8", "6"),
    ] {
        for (first, second) in [("<", "<"), ("<", "<="), ("<=", "<"), ("<=", "<=")] {
            valid(&[&format!("{low} {first} {field} {second} {high}")]);
            let (first, second) = (first.replace('<', ">"), second.replace('<', ">"));
            valid(&[&format!("{high} {first} {field} {second} {low}")]);
            invalid(&[
                &format!("{low} < {field} {first} {high}"),
                &format!("{low} {first} {field} < {high}"),
            ]);
        }
        invalid(&[&format!("{low} < ({field}) < {high}"), &format!("{low} == {field} == {high}")]);
        invalid(&[&format!("{low} < {field} < id"), &format!("id < {field} < {high}")]);
        invalid(&[&format!("{low} < {field} < none_such"), &format!("(none_such) < {field} < {high}")]);
    }
    for (field, low, high) in [
        ("id", "6.5", "8.5"),
        ("id", "6", "8.5"),
        ("id", "'a'", "'z'"),
        ("id", "true", "false"),
        ("id", "[6]", "[8]"),
        ("area", "'a'", "'z'"),
        ("area", "true", "false"),
        ("city", "6", "8"),
        ("city", "'a'", "8"),
        ("sold", "6", "8"),
        ("sold", "false", "true"),
        ("doc", "6", "8"),
        ("$meta", "6", "8"),
        ("k", "6", "'z'"),
        ("k", "false", "true"),
        ("visits", "6", "8"),
        ("visits[0]", "'a'", "'z'"),
        ("visits[0]", "6.5", "8"),
        ("tags[0]", "6", "8"),
        ("photo", "6", "8"),
        ("7", "6", "8"),
        ("id + 1", "6", "8"),
        ("array_length(tags)", "0", "8"),
    ] {
        invalid(&[&format!("{low} < {field} < {high}"), &format!("{high} >= {field} > {low}")]);
    }
    invalid(&["1 < 2 < id", "1 < id < 5 < 9", "1 < id < 5 > 2"]);
}

#[test]
fn lists() {
    valid(&[
        "id in []",
        "id not in []",
        "id in [ \t\n]",
        "id in [7]",
        "id in [7,]",
        "id in [7, 8, 9]",
        "price in [7, 7.5]",
        "doc['k'] in [7, 7.5, 'x', true, [1, 'x']]",
        "k not in ['x', 7]",
        "k in []",
        "doc['k'] not in []",
        "visits[0] in []",
        "visits in [[7], [8, 9]]",
        "(id) in [7]",
        "id not  in [7]",
    ]);
    invalid(&[
        "id in [,]",
        "id in [7,,8]",
        "id in [7 8]",
        "id in (7, 8)",
        "id in 7",
        "id in rooms",
        "id in [7",
        "id in [7.5]",
        "id in [7, 7.5]",
        "id in ['7']",
        "id in [[7]]",
        "id in [rooms]",
        "id in [id > 3]",
        "price in [7.5, true]",
        "sold in [1]",
        "city in [7]",
        "doc in [7]",
        "$meta not in []",
        "visits in [7]",
        "visits in [['x']]",
        "photo in [7]",
        "id > 3 in [true]",
        "7 in k",
        "'x' not in city",
        "id not [7]",
        "id is in [7]",
    ]);
}

#[test]
fn patterns() {
    for operand in ["city", "doc['t']", "$meta['t']", "t", "doc['l'][2]", "tags[0]", "(city)"] {
        valid(
            &["x%", "%", "x", "", "x%%", "x*", "^x.$", "50\\\\%", "a\\\\_b%", "日本%"]
                .map(|pattern| format!("{operand} like '{pattern}'"))
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        );
        valid(&[&format!("{operand} LIKE \"x%\""), &format!("not {operand} like 'x%'")]);
        for pattern in ["%x", "x%y", "%x%", "x_", "_", "x_y"] {
            invalid(&[&format!("{operand} like '{pattern}'")]);
        }
        for pattern in ["7", "city", "['x']", "true", "('x')", "'x' + 'y'"] {
            invalid(&[&format!("{operand} like {pattern}")]);
        }
    }
    for operand in
        ["id", "price", "sold", "doc", "$meta", "tags", "visits", "visits[0]", "photo", "'x'", "(city % 2)"]
    {
        invalid(&[&format!("{operand} like 'x%'")]);
    }
    invalid(&["city Like 'x%'", "city not like 'x%'", "like 'x%'", "city like"]);
}

#[test]
fn texts() {
    valid(&[
        r#"city == "x""#,
        r#"city == 'x "y"'"#,
        r#"city == "x 'y'""#,
        r#"city == 'x \'y\''"#,
        r#"city == "x \"y\"""#,
        r#"city == 'x \"y\"'"#,
        r#"city == "\a\b\f\n\r\t\v\\""#,
        r#"city == "\x41\101\u00e9\U0001F600""#,
        r#"city == "\1018""#,
        r#"city == "\\\\'""#,
        r#"city == '\\\''"#,
        r#"'a' < city < "z""#,
        "city == 'Zürich 東京 😀'",
        "city == ''",
        r#"k == "[1]""#,
    ]);
    invalid(&[
        "city == 'x",
        "city == 'x\"",
        "city == 'it's'",
        "city == \"a\"b\"",
        "city == 'a\nb'",
        "city == 'a\\\nb'",
        r"city == '\q'",
        r"city == '\?'",
        r"city == '\18'",
        r"city == '\477'",
        r"city == '\x4'",
        r"city == '\u00e'",
        r"city == '\uD800'",
        r"city == '\東'",
        "city == u8'x'",
        "city == L'x'",
        "'x'",
        "\"id\" > 3 && \"id\" < 9",
        "\"id\" == 7",
    ]);
}

#[test]
fn numbers() {
    for (text, equal) in [
        ("0", 0.0),
        ("00", 0.0),
        ("017", 15.0),
        ("0x1F", 31.0),
        ("0X1f", 31.0),
        ("0b101", 5.0),
        ("0B11", 3.0),
        ("7.", 7.0),
        (".5", 0.5),
        ("7.25", 7.25),
        ("007.5", 7.5),
        ("7e2", 700.0),
        ("7E+2", 700.0),
        ("25e-2", 0.25),
        (".5e1", 5.0),
        ("7.e1", 70.0),
        ("0x1.8p3", 12.0),
        ("0x.8P1", 1.0),
        ("0x8p-1", 4.0),
        ("9223372036854775807", 9223372036854775807.0),
        ("-9223372036854775808", -9223372036854775808.0),
    ] {
        let (a, b) = (
            parse(&fields(true), &format!("price == {text}")),
            parse(&fields(true), &format!("price == {equal:e}")),
        );
        assert_eq!(a, b, "{text}");
    }
    invalid(&[
        "id == 08",
        "id == 0x",
        "id == 0xg",
        "id == 0b2",
        "id == 0o7",
        "id == 1_000",
        "id == 7days",
        "id == 9223372036854775808",
        "id == 0x1FFFFFFFFFFFFFFFF",
        "price == 1e999",
        "price == 1e",
        "price == 1.5.2",
        "price == 0x1.8",
        "price == -inf",
        "price == .",
    ]);
}

#[test]
fn names() {
    valid(&[
        "_x == 1",
        "x1 == 1",
        "True_ == 1",
        "inside == 1",
        "not_x == 1",
        "likes == 1",
        "$meta['$meta'] == 1",
    ]);
    invalid(&[
        "1x == 1",
        "$x == 1",
        "$metax == 1",
        "é == 1",
        "a.b == 1",
        "a-b == 1",
        "like == 1",
        "in == 1",
        "`id` == 1",
    ]);
    // Without a field for dynamic keys a name is a field or nothing.
    for sentence in [
        "none == 7",
        "none['k'] > 7",
        "7 < none < 9",
        "9 > none['k'] > 7",
        "none in [7]",
        "none not in []",
        "none like 'x%'",
        "exists none",
        "json_contains(none, 7)",
        "array_length(none) == 7",
        "none + 1 == 7",
        "'x' in none",
        "$meta['k'] == 7",
    ] {
        let message = parse(&fields(false), sentence).expect_err(sentence);
        let of = if sentence.contains("$meta") { "$meta" } else { "none" };
        let refused = message.contains(&format!("field {of} not exist")) || sentence == "'x' in none";
        assert!(refused, "{message}");
    }
}

#[test]
fn messages() {
    let whole = "failed to create query plan: cannot parse expression: ";
    for (sentence, expected) in [
        ("nope > 1", "field nope not exist"),
        ("city == 5", "comparisons between VarChar and Int64 are not supported"),
        ("5 < city", "comparisons between Int64 and VarChar are not supported"),
        ("id == 1.5", "cannot cast value to Int64, value: float_val:1.5"),
        ("floor in [1, 2.5]", "value '2.5' in list cannot be casted to Int8"),
        ("floor in [rooms]", "value 'rooms' in list cannot be a non-const expression"),
        ("1 in [1]", "'term' can only be used on non-const expression, but got: 1"),
        ("(floor + 8) in [1]", "'term' can only be used on single field, but got: floor + 8"),
        ("2 / 0 == id", "cannot divide by zero"),
        ("id % 0 == 1", "cannot divide by zero"),
        ("city like 'a%b'", "unsupported pattern: a%b"),
        ("area like 'a%'", "like operation on non-string or no-json field is unsupported"),
        ("id + 1 > 2", "GreaterThan is not supported in execution backend"),
        ("2 - id == 1", "module field is not yet supported"),
        ("area % 2 == 1", "modulo can only apply on integer types"),
        ("city + 1 == 2", "'add' can only be used between integer or floating or json field expressions"),
        ("id ** 2 == 4", "power can only apply on constants: id ** 2"),
        ("id | 2 == 4", "BitOr is not supported: id | 2 == 4"),
        ("id << 2 == 4", "shift is not supported: id << 2"),
        ("sold and id > 1", "'and' can only be used between boolean expressions"),
        ("not id", "not op can only be applied on boolean expression"),
        ("1.0 < built < 2.0", "invalid range operations"),
        ("0 < sold < 1", "invalid range operations on boolean expr"),
        ("floor < built < 2", "lowerbound cannot be a non-const expression: floor"),
        ("1 < built < floor", "upperbound cannot be a non-const expression: floor"),
        ("doc == 0", "can not comparisons jsonField directly"),
        ("array_length(doc) == 0", "can not comparisons jsonField directly"),
        ("exists doc", "exists operations are only supportted on json key"),
        ("exists id", "exists operations are only supportted on json field, got:Int64"),
        ("exists tags", "exists operations are only supportted on json field, got:Array"),
        ("json_contains_all(doc['x'], 1)", "contains_all operation element must be an array"),
        (
            "array_contains(tags, 1)",
            "contains operation can't compare between array element type: VarChar and Int64",
        ),
        ("+tags == ['x']", "can not comparisons array fields directly"),
        ("tags['x'] == 'y'", "can only access array field with integer index"),
        ("id['x'] == 1", "Int64 data type not supported accessed with []"),
        ("doc[x] == 1", "json key must be enclosed in double quotes or single quotes: \"x\""),
        ("id == 9223372036854775807 + 1", "is out of the range of Int64"),
    ] {
        let message = parse(&fields(false), sentence).expect_err(sentence);
        assert!(message.starts_with(&format!("{whole}{sentence}, error: ")), "{message}");
        assert!(message.contains(expected), "{sentence}\n  {message}\n  not: {expected}");
    }
    assert_eq!(
        parse(&fields(false), "id").unwrap_err(),
        "failed to create query plan: predicate is not a boolean expression: id, data type: Int64"
    );
}

mod nested;
