//! What Milvus 2.3 accepts and refuses, after the tables of its own tests (`plan_parser_v2_test.go`), and its messages.

use super::*;

/// A field of every type, with and without a field for dynamic keys.
fn fields(dynamic: bool) -> Vec<Field> {
    use DataType::*;
    let mut fields = vec![
        field("FieldID", Int64),
        field("BoolField", Bool),
        field("Int8Field", Int8),
        field("Int16Field", Int16),
        field("Int32Field", Int32),
        field("Int64Field", Int64),
        field("FloatField", Float),
        field("DoubleField", Double),
        field("StringField", VarChar),
        field("VarCharField", VarChar),
        field("JSONField", Json),
        field("BinaryVectorField", BinaryVector),
        field("FloatVectorField", FloatVector),
    ];
    if dynamic {
        fields.push(field("$meta", Json));
    }
    fields
}

fn valid(sentences: &[&str]) {
    for sentence in sentences {
        if let Err(message) = parse(&fields(true), sentence) {
            panic!("{sentence}\n  {message}");
        }
    }
}

fn invalid(sentences: &[&str]) {
    for sentence in sentences {
        assert!(parse(&fields(true), sentence).is_err(), "{sentence} is accepted");
    }
}

#[test]
fn terms() {
    valid(&[
        "BoolField in [true, false]",
        "Int8Field in [1, 2]",
        "Int16Field in [3, 4]",
        "Int32Field in [5, 6]",
        "Int64Field in [7, 8]",
        "FloatField in [9.0, 10.0]",
        "DoubleField in [11.0, 12.0]",
        r#"StringField in ["str13", "str14"]"#,
        r#"VarCharField in ["str15", "str16"]"#,
        "FloatField in [1373, 115]",
        "Int64Field in [17]",
        "Int64Field in [17,]",
        "Int64Field in []",
        "Int64Field not in []",
        r#"JSONField["A"] in [1, 10]"#,
        r#"JSONField["A"] in []"#,
        r#"$meta["A"] in [1, 10]"#,
        r#"$meta["A"] in []"#,
        "A in [1, 10]",
        "A in []",
        r#"A in ["abc", "def"]"#,
        r#"A in ["1", "2", "abc", "def"]"#,
        r#"A in ["1", 2, "abc", 2.2]"#,
    ]);
}

#[test]
fn comparisons() {
    valid(&[
        "Int8Field < Int16Field",
        "Int16Field <= Int32Field",
        "Int32Field > Int64Field",
        "Int64Field >= FloatField",
        "FloatField == DoubleField",
        "StringField != VarCharField",
        r#"JSONField["A"] > Int16Field"#,
        r#"$meta["A"] > Int16Field"#,
        "Int8Field < 0",
        "Int16Field <= 1",
        "Int32Field > 2",
        "Int64Field >= 3",
        "FloatField == 4.0",
        "FloatField == 2",
        "DoubleField != 5.0",
        r#"StringField > "str6""#,
        r#"VarCharField <= "str7""#,
        r#"JSONField["A"] > 10"#,
        r#"$meta["A"] > 10"#,
        "BoolField == true",
        "BoolField != False",
        "TRUE == BoolField",
        "Int64Field == 0x1F",
        "Int64Field == 017",
        "Int64Field == 0b101",
        "DoubleField < 0x1.8p3",
        "DoubleField < .5e-3",
        "Int64Field == -9223372036854775808",
        "Int64Field == 1 + 2 * 3",
        "DoubleField == 2 ** 3",
        r#"JSONField["A"] == [1, 2]"#,
    ]);
}

#[test]
fn patterns() {
    valid(&[
        r#"VarCharField like "prefix%""#,
        r#"VarCharField LIKE "equal""#,
        r#"JSONField["A"] like "name*""#,
        r#"$meta["A"] like "name*""#,
        r#"A like "8\\_0%""#,
        r#"not VarCharField like "prefix%""#,
    ]);
    invalid(&[
        r#"VarCharField like "not_%_supported""#,
        r#"JSONField["A"] like "not_%_supported""#,
        r#"$meta["A"] like "not_%_supported""#,
        r#"VarCharField like 5"#,
        r#"VarCharField like StringField"#,
        r#""a" like "a""#,
    ]);
}

#[test]
fn ranges() {
    valid(&[
        "1 < Int8Field < 2",
        "3 <= Int16Field < 4",
        "5 <= Int32Field <= 6",
        "7 < Int64Field <= 8",
        "9.0 < FloatField < 10.0",
        "11.0 < DoubleField < 12.0",
        r#""str13" < StringField < "str14""#,
        r#""str15" < VarCharField < "str16""#,
        "17 < DoubleField < 18",
        "10 < A < 25",
        "2 > Int8Field > 1",
        "4 >= Int16Field >= 3",
        "6 >= Int32Field >= 5",
        "8 >= Int64Field > 7",
        "10.0 > FloatField > 9.0",
        "12.0 > DoubleField > 11.0",
        r#""str14" > StringField > "str13""#,
        r#""str16" > VarCharField > "str15""#,
        "18 > DoubleField > 17",
        "100 > B > 14",
        "1 + 1 < Int8Field < 2 * 4",
        "1 < Int8Field < 9 and 2 < Int16Field <= 3",
        "2 <= Int32Field <= 1",
    ]);
}

#[test]
fn arithmetics() {
    valid(&[
        "Int64Field % 10 == 9",
        "Int64Field % 10 != 9",
        "A % 10 != 2",
        "5 + Int64Field == 10",
        "10 == 2 * Int64Field",
        "FloatField / 2 == 1.5",
        "not (Int8Field + 1 == 2)",
        "(Int16Field - 3 == 4) and (Int32Field * 5 != 6)",
        "(Int64Field / 7 != 8) or (Int64Field % 10 == 9)",
        r#"Int64Field > 0 && VarCharField > "0""#,
        r#"Int64Field < 0 && VarCharField < "0""#,
        "A > 50 or B < 40",
    ]);
    invalid(&[
        "Int8Field + 1 < 2",
        "Int16Field - 3 <= 4",
        "Int32Field * 5 > 6",
        "Int64Field / 7 >= 8",
        "FloatField + 11 < 12",
        "DoubleField - 13 < 14",
        "A - 15 < 16",
        "Int64Field / 0 == 1",
        "Int64Field % 0 == 1",
        "FloatField % 2 == 1",
        "2 - Int64Field == 1",
        "Int64Field + 1.5 == 2",
        "Int64Field + Int32Field == 2",
        "(Int64Field + 1) * 2 == 2",
        "BoolField + 1 == 2",
        "FloatVectorField + 1 == 2",
        "Int64Field == 9223372036854775807 + 1",
    ]);
}

/// Constants are computed, but a filter must be about rows.
#[test]
fn constants() {
    let numbers = ["1.0", "2", "1 + 2.0", "1 - 2", "1.0 * 2", "1 / 2", "1 % 2", "2 ** 3"];
    for constant in numbers {
        let message = parse(&fields(true), constant).unwrap_err();
        assert!(message.contains("predicate is not a boolean expression: "), "{message}");
        valid(&[&format!("DoubleField == {constant}")]);
    }
    let booleans = [
        "true",
        "true and false",
        "true or false",
        "!true",
        "!false",
        r#""1" < "2""#,
        "1.0 <= 2",
        "1 > 2.0",
        "1 >= 2",
        "1 == 1.0",
        "true == false",
        r#""1" != "2""#,
        "true != false",
    ];
    for constant in booleans {
        let message = parse(&fields(true), constant).unwrap_err();
        let expected = format!(
            "failed to create query plan: predicate is not a boolean expression: {constant}, data type: Bool"
        );
        assert_eq!(message, expected);
        valid(&[&format!("BoolField == ({constant})")]);
    }
}

#[test]
fn what_is_refused() {
    invalid(&[
        "invalid expression",
        r#""constant""#,
        "not_in_schema",
        "not_in_schema + 1",
        "1 - not_in_schema",
        "true + false",
        r#""str" + "text""#,
        r#"true + "str""#,
        "true - false",
        r#""str" - "text""#,
        r#"true - "str""#,
        "StringField + VarCharField",
        "StringField - 2",
        "2 + StringField",
        "not_in_schema * 1",
        "1 / not_in_schema",
        "1 % not_in_schema",
        "true * false",
        "true / false",
        "true % false",
        r#""str" * "text""#,
        r#""str" / "text""#,
        r#""str" % "text""#,
        "2 / 0",
        "2 % 0",
        "2.0 / 0",
        "StringField % VarCharField",
        "StringField * 2",
        "2 / StringField",
        r#"true == "str""#,
        r#""str" != false"#,
        "VarCharField != FloatField",
        "FloatField == VarCharField",
        r#"true <= "str""#,
        r#""str" >= false"#,
        "VarCharField < FloatField",
        "FloatField > VarCharField",
        r#"(VarCharField % 2) like "prefix%""#,
        r#"FloatField like "prefix%""#,
        "1 in [1, 2, 3]",
        "(Int8Field + 8) in [1, 2, 3]",
        "Int8Field in [(true + 1)]",
        "Int8Field in [Int16Field]",
        "BoolField in [4.0]",
        "VarCharField in [4.0]",
        "Int32Field in [4.0]",
        "FloatField in [5, 6.0, true]",
        "1 in A",
        "1 < 3 < 2",
        "1 < (Int8Field + Int16Field) < 2",
        "(invalid_lower) < Int32Field < 2",
        "1 < Int32Field < (invalid_upper)",
        "(Int8Field) < Int32Field < 2",
        "1 < Int32Field < (Int16Field)",
        "1 < StringField < 2",
        "1 < BoolField < 2",
        "1.0 < Int32Field < 2.0",
        "true < FloatField < false",
        "1 < Int8Field > 2",
        "2 = Int32Field = 1",
        "true = BoolField = false",
        "-true",
        r#"!"str""#,
        "!(not_in_schema)",
        "-Int32Field",
        "!(Int32Field)",
        "~Int32Field == 1",
        "not_in_schema or true",
        "false or not_in_schema",
        r#""str" or false"#,
        "BoolField or false",
        "Int32Field or Int64Field",
        "not_in_schema and true",
        "false and not_in_schema",
        r#""str" and false"#,
        "BoolField and false",
        "Int32Field and Int64Field",
        "BoolField",
        "not BoolField",
        "Int64Field > 1 and BoolField",
        "1 ^ 2",
        "1 & 2",
        "1 ** 2",
        "1 << 2",
        "1 | 2",
        "Int64Field ** 2 == 4",
        "FloatVectorField == 1",
        "1 < FloatVectorField < 2",
        "FloatVectorField in [1]",
        "Int64Field > 1 == true",
        "(Int64Field > 1) == true",
        "Int64Field AND Int32Field",
        "Int64Field == 1 AND Int32Field == 2",
    ]);
}

#[test]
fn json() {
    valid(&[
        r#"$meta["A"] > 90"#,
        r#"JSONField["A"] > 90"#,
        "A < 10",
        r#"JSONField["A"] <= 5"#,
        r#"$meta["A"] == 5"#,
        r#"$meta["A"] != 95"#,
        r#"$meta["A"] > 90 && $meta["B"] < 5"#,
        r#"$meta["A"] > 95 || $meta["B"] < 5"#,
        r#"A > 95 || $meta["B"] < 5"#,
        r#"not ($meta["A"] == 95)"#,
        r#"$meta["A"] not in [90, 91, 95, 97]"#,
        r#"$meta["C"]["0"] in [90, 91, 95, 97]"#,
        r#"$meta["C"]["0"] not in [90, 91, 95, 97]"#,
        r#"C["0"] not in [90, 91, 95, 97]"#,
        "C[0] in [90, 91, 95, 97]",
        r#"C["0"] > 90"#,
        r#"10 < C["0"] < 90"#,
        r#"100 > C["0"] > 90"#,
        r#"0 <= $meta["A"] < 5"#,
        "0 <= A < 5",
        r#"$meta["A"] + 5 == 10"#,
        r#"$meta["A"] > 10 + 5"#,
        r#"100 - 5 < $meta["A"]"#,
        r#"100 == $meta["A"] + 6"#,
        r#"exists $meta["A"]"#,
        r#"EXISTS $meta["A"]["B"]["C"] "#,
        r#"exists A and exists JSONField["x"]"#,
        r#"A["B"][0] > 100"#,
        "$meta[0] > 100",
        r#"A["\"\"B\"\""] > 10"#,
        r#"A["[\"B\"]"] == "abc\"bbb\"cc""#,
        r#"A['B'] == "abc\"bbb\"cc""#,
        r#"A['B'] == 'abc"cba'"#,
        r#"A['B'] == 'abc\"cba'"#,
    ]);
    invalid(&[
        "exists $meta",
        "exists JSONField",
        "$meta > 0",
        "JSONField == 0",
        "$meta < 100",
        "0 < $meta < 100",
        "20 > $meta > 0",
        "$meta + 5 > 0",
        "$meta + 5 == 0",
        "$meta > 2 + 5",
        "JSONField in [1]",
        r#"JSONField like "a%""#,
        r#"exists $meta["A"] > 10 "#,
        "exists Int64Field ",
        "exists 1",
        r#"A[[""B""]] > 10"#,
        r#"A["[""B""]"] > 10"#,
        "A[B] > 10",
        r#"A[""] > 10"#,
        "A[] > 10",
        r#"Int64Field["A"] > 10"#,
        r#"A["x"] < [1, 2]"#,
    ]);
}

#[test]
fn without_dynamic_keys() {
    let sentences = [
        "A == 0",
        r#"JSON["A"] > 0"#,
        "A < 100",
        r#"0 < JSON["A"] < 100"#,
        "0 < A < 100",
        r#"100 > JSON["A"] > 0"#,
        "100 > A > 0",
        "A in [1, 2, 3]",
        "A not in [1, 2, 3]",
        r#""1" in A"#,
        r#""1" not in A"#,
        r#"$meta["A"] == 1"#,
    ];
    for sentence in sentences {
        assert!(parse(&fields(false), sentence).is_err(), "{sentence} is accepted");
    }
}

#[test]
fn quotes() {
    valid(&[
        r#"'abc' < StringField < "def""#,
        r#"'ab"c' < StringField < "d'ef""#,
        r#"'ab\"c' < StringField < "d\'ef""#,
        r#"'ab\'c' < StringField < "d\"ef""#,
        r#"StringField == "\u00e9\x41\101\n\t\\""#,
        r#"StringField == 'Ünï€😀'"#,
    ]);
    invalid(&[r#"'abc'd' < StringField < "def""#, r#"'abc' < StringField < "def"g""#]);
}

#[test]
fn contains_and_length() {
    valid(&[
        "json_contains(A, 10)",
        "not json_contains(A, 10)",
        "json_contains(A, 10.5)",
        r#"json_contains(A, "10")"#,
        r#"json_contains($meta["A"], 10)"#,
        r#"not json_contains($meta["A"], 10)"#,
        r#"json_contains(JSONField["x"], 5)"#,
        r#"JSON_CONTAINS(JSONField["x"], 5)"#,
        "json_contains(A, [1,2,3])",
        r#"json_contains_all(A, [1, "2", 3.0, true, [4]])"#,
        r#"JSON_CONTAINS_ANY(JSONField["x"], [5])"#,
        "array_contains(A, 1)",
        "array_contains_all(A, [1, 2])",
        "ARRAY_CONTAINS_ANY(A, [1, 2])",
        "array_length(A) == 10",
        r#"ARRAY_LENGTH(JSONField["x"]) != 0"#,
        "array_length(A) > 3",
    ]);
    invalid(&[
        "json_contains(10, A)",
        "json_contains(1, [1,2,3])",
        "json_contains([1,2,3], 1)",
        "json_contains([1,2,3], [1,2,3])",
        "json_contains($meta, 1)",
        "json_contains(A, B)",
        "not json_contains(A, B)",
        "json_contains(A, B > 5)",
        r#"json_contains(StringField, "a")"#,
        "json_contains(A, StringField > 5)",
        "json_contains(A)",
        "json_contains(A, 5, C)",
        "json_contains(JSONField, 5)",
        r#"json_Contains(JSONField["x"], 5)"#,
        r#"JSON_contains(JSONField["x"], 5)"#,
        "json_contains_all(A, 1)",
        "json_contains_any(A, B)",
        "json_contains_all(A, [1, B])",
        "array_length(Int64Field) == 1",
        "array_length(A) == 1.5",
        "array_length(A)",
        "array_length(A, 1) == 1",
        "array_length() == 1",
        "1 < array_length(A) + 1 < 2",
    ]);
}

#[test]
fn messages() {
    let whole = "failed to create query plan: cannot parse expression: ";
    for (sentence, expected) in [
        ("nope > 1", "field nope not exist"),
        ("VarCharField == 5", "comparisons between VarChar and Int64 are not supported"),
        ("5 < VarCharField", "comparisons between Int64 and VarChar are not supported"),
        ("Int64Field == 1.5", "cannot cast value to Int64, value: float_val:1.5"),
        ("Int8Field in [1, 2.5]", "value '2.5' in list cannot be casted to Int8"),
        ("Int8Field in [Int16Field]", "value 'Int16Field' in list cannot be a non-const expression"),
        ("1 in [1]", "'term' can only be used on non-const expression, but got: 1"),
        ("(Int8Field + 8) in [1]", "'term' can only be used on single field, but got: Int8Field + 8"),
        ("2 / 0 == Int64Field", "cannot divide by zero"),
        ("Int64Field % 0 == 1", "cannot divide by zero"),
        ("VarCharField like 'a%b'", "unsupported pattern: a%b"),
        ("FloatField like 'a%'", "like operation on non-string or no-json field is unsupported"),
        ("Int64Field + 1 > 2", "GreaterThan is not supported in execution backend"),
        ("2 - Int64Field == 1", "module field is not yet supported"),
        ("FloatField % 2 == 1", "modulo can only apply on integer types"),
        (
            "VarCharField + 1 == 2",
            "'add' can only be used between integer or floating or json field expressions",
        ),
        ("Int64Field ** 2 == 4", "power can only apply on constants: Int64Field ** 2"),
        ("Int64Field | 2 == 4", "BitOr is not supported: Int64Field | 2 == 4"),
        ("Int64Field << 2 == 4", "shift is not supported: Int64Field << 2"),
        ("BoolField and Int64Field > 1", "'and' can only be used between boolean expressions"),
        ("not Int64Field", "not op can only be applied on boolean expression"),
        ("1.0 < Int32Field < 2.0", "invalid range operations"),
        ("0 < BoolField < 1", "invalid range operations on boolean expr"),
        ("Int8Field < Int32Field < 2", "lowerbound cannot be a non-const expression: Int8Field"),
        ("JSONField == 0", "can not comparisons jsonField directly"),
        ("exists JSONField", "exists operations are only supportted on json key"),
        ("exists Int64Field", "exists operations are only supportted on json field, got:Int64"),
        ("json_contains_all(JSONField['x'], 1)", "contains_all operation element must be an array"),
        ("Int64Field['x'] == 1", "Int64 data type not supported accessed with []"),
        ("JSONField[x] == 1", "json key must be enclosed in double quotes or single quotes: \"x\""),
        ("Int64Field == 9223372036854775807 + 1", "is out of the range of Int64"),
    ] {
        let message = parse(&fields(false), sentence).expect_err(sentence);
        assert!(message.starts_with(&format!("{whole}{sentence}, error: ")), "{message}");
        assert!(message.contains(expected), "{sentence}\n  {message}\n  not: {expected}");
    }
    assert_eq!(
        parse(&fields(false), "Int64Field").unwrap_err(),
        "failed to create query plan: predicate is not a boolean expression: Int64Field, data type: Int64"
    );
}
