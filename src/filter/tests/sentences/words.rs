//! Patterns, texts, numbers, names, and the messages about them.

use super::*;

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
