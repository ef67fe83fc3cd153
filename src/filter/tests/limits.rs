//! Long, deep and broken texts: an error each, in little stack.

use super::*;
use crate::error::Code;

fn fields() -> Vec<Field> {
    vec![field("a", DataType::Int64), field("j", DataType::Json), field("t", DataType::VarChar)]
}

/// Runs in as much stack as the documentation promises to be enough (and what the test itself needs).
fn in_little_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap();
    thread.join().unwrap();
}

#[test]
fn deep_filters() {
    in_little_stack(|| {
        let fields = fields();
        let nested = |open: &str, middle: &str, close: &str, depth: usize| {
            format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
        };
        for (open, middle, close) in [
            ("(", "a > 1", ")"),
            ("not ", "(a > 1)", ""),
            ("!", "(a > 1)", ""),
            ("a > 1 or (a < 0 and (", "a == 5", "))"),
            ("-", "1", ""),
            ("", "1 == 1", " + 1"),
            ("[", "1", "]"),
            ("exists ", "j[\"a\"]", ""),
            ("json_contains(j[\"x\"], ", "1", ")"),
            ("a ** ", "a", ""),
            ("{", "a", "}"),
            ("array_length(", "a", ")"),
        ] {
            for depth in [20, 48, 97, 99, 100, 101, 1000, 10_000, 60_000] {
                let text = nested(open, middle, close, depth);
                let outcome = parse(&fields, &text);
                let Err(message) = outcome else {
                    assert!(depth <= MAX_DEPTH, "{depth} of {open}");
                    continue;
                };
                assert!(message.len() < 1000, "{message}");
                assert!(depth > 20 || !message.contains("nested deeper"), "{message}");
                assert!(depth < 1000 || text.len() > MAX_BYTES || message.contains("line 1:"), "{message}");
            }
        }
        let deep = parse(&fields, &nested("(", "a > 1", ")", 10_000)).unwrap_err();
        assert!(deep.contains("line 1:101 the expression is nested deeper than 100"), "{deep}");
        // As deep as allowed, to the end.
        let text = nested("not (", "a > 1 or a < 0 and j[\"x\"] == 1", ")", 45);
        let filter = parse(&fields, &text).unwrap();
        let rows = reference::batch(&fields, &[]);
        assert_eq!(filter.rows(&Table::of(&rows), None).unwrap().len(), 0);
    });
}

#[test]
fn long_filters() {
    in_little_stack(|| {
        let fields = fields();
        let chain = vec!["a == 1"; 40_000].join(" or ");
        assert!(chain.len() < MAX_BYTES);
        parse(&fields, &chain).unwrap();
        parse(&fields, &vec!["(a == 1 and t == 'x')"; 20_000].join(" or ")).unwrap();
        let list = (0..60_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        parse(&fields, &format!("a in [{list}]")).unwrap();
        for text in ["a == 1 or ".repeat((1 << 20) / 10), "(".repeat(1 << 20), "é".repeat(1 << 19)] {
            let message = parse(&fields, &text).unwrap_err();
            assert!(message.contains("bytes, at most 524288: "), "{message}");
            assert!(message.len() < 1000);
        }
    });
}

#[test]
fn broken_texts() {
    for (text, expected) in [
        ("a >", "line 1:3 mismatched input '<EOF>'"),
        ("a = 1", "line 1:2 token recognition error at: '='"),
        ("a == 1\n and b# 2", "line 2:6 token recognition error at: '#'"),
        ("a == 'x", "line 1:5 a text without its closing quote"),
        ("t == 'x\ny'", "line 1:5 a text without its closing quote"),
        ("t == 'x\\q'", "line 1:8 an escape that is none of"),
        ("t == '\\xff'", "line 1:5 a text that is not UTF-8"),
        ("a == 12x", "line 1:5 '12x' is not a number"),
        ("a == 09", "line 1:5 '09' is not a number"),
        ("a == 1e999", "line 1:5 '1e999' is not a number"),
        ("a == 9223372036854775808", "line 1:5 9223372036854775808 is out of the range of Int64"),
        ("a == 99999999999999999999", "'99999999999999999999' is not a number"),
        ("a == .", "line 1:5 '.' is not a number"),
        ("a b", "line 1:2 mismatched input 'b'"),
        ("(a == 1", "line 1:7 mismatched input '<EOF>'"),
        ("a in 1", "line 1:5 mismatched input '1'"),
        ("a in [1 2]", "line 1:8 mismatched input '2'"),
        ("a in [,]", "line 1:6 mismatched input ','"),
        ("$foo == 1", "line 1:0 token recognition error at: '$'"),
        ("é == 1", "line 1:0 token recognition error at: 'é'"),
        ("a == {x", "line 1:7 mismatched input '<EOF>'"),
        ("a == {1}", "line 1:6 mismatched input '1'"),
        ("\u{0}", "line 1:0 token recognition error"),
    ] {
        let message = parse(&fields(), text).expect_err(text);
        assert!(message.contains(expected), "{text}\n  {message}\n  not: {expected}");
        assert!(message.starts_with("failed to create query plan: cannot parse expression: "), "{message}");
    }
}

#[test]
fn random_texts_never_panic() {
    let fields = fields();
    let mut random = random::Random(7);
    let words = [
        "a",
        "j",
        "t",
        "$meta",
        "and",
        "or",
        "not",
        "in",
        "like",
        "exists",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "&&",
        "||",
        "!",
        "~",
        "1",
        "0",
        "-9223372036854775808",
        "9223372036854775808",
        "1.5",
        "0x1p-3",
        "'x'",
        "\"y%\"",
        "true",
        "json_contains",
        "array_length",
        "json_contains_any",
        "{v}",
        "[1,2]",
        "j['a']",
        "j[\"b\"][0]",
        "\\",
        "é",
        "\u{0}",
        "\n",
        "&",
        "^",
        "|",
        "<<",
    ];
    let mut parsed = 0;
    for _ in 0..200_000 {
        let count = random.below(9) + 1;
        let text: Vec<&str> = (0..count).map(|_| words[random.below(words.len())]).collect();
        let text = text.join(if random.below(4) == 0 { "" } else { " " });
        parsed += usize::from(with_values(&fields, &text, r#"{"v":[1,"x",2.5]}"#).is_ok());
    }
    assert!(parsed > 100, "{parsed} of them were filters");
    for _ in 0..50_000 {
        let bytes: Vec<u8> = (0..random.below(30)).map(|_| random.below(256) as u8).collect();
        let _ = parse(&fields, &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn values_of_templates() {
    let fields = fields();
    let accepted = [
        ("a == {x}", r#"{"x":5}"#),
        ("a in {x}", r#"{"x":[1,2]}"#),
        ("a not in {x}", r#"{"x":[]}"#),
        ("a in [{x}, 2]", r#"{"x":1,"unused":true}"#),
        ("t == {x}", r#"{"x":"' or 1 == 1 or '"}"#),
        ("t like {x}", r#"{"x":"ab%"}"#),
        ("{x} < a <= {y}", r#"{"x":1,"y":2}"#),
        ("a + {x} == {y}", r#"{"x":1,"y":2}"#),
        ("json_contains_all(j['l'], {x})", r#"{"x":[1,"b",[2]]}"#),
    ];
    for (text, values) in accepted {
        with_values(&fields, text, values).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    let refused = [
        ("a == {x}", "", "the value of expression template variable name {x} is not found"),
        ("a == {x}", r#"{"x":"5"}"#, "comparisons between Int64 and VarChar are not supported"),
        ("a == {x}", r#"{"x":1.5}"#, "cannot cast value to Int64, value: float_val:1.5"),
        ("a in {x}", r#"{"x":5}"#, "the value of {x} should be a list"),
        ("a in {x}", r#"{"x":[1,"b"]}"#, "value 'string_val:\"b\"' in list cannot be casted to Int64"),
        ("t like {x}", r#"{"x":"a%b"}"#, "unsupported pattern: a%b"),
        ("{x}", r#"{"x":true}"#, "predicate is not a boolean expression: {x}, data type: Bool"),
        ("a == {x}", r#"{"x":null}"#, "the filter value x has a null"),
        ("a == {x}", r#"{"x":{"y":1}}"#, "the filter value x has an object"),
        ("a == {x}", r#"{"x":18446744073709551615}"#, "out of the range of Int64"),
        ("a == {x}", "[1]", "the filter values are not a JSON object"),
        ("a == {x}", "{", "the filter values are not a JSON object"),
    ];
    for (text, values, expected) in refused {
        let message = with_values(&fields, text, values).expect_err(text);
        assert!(message.contains(expected), "{text}\n  {message}\n  not: {expected}");
    }
}

#[test]
fn empty_filters_and_codes() {
    let fields = fields();
    for text in ["", "  \n\t", "a not in []", "a > 1 or a not in []", "not (a in [])"] {
        assert!(parse(&fields, text).unwrap().is_always_true(), "{text}");
    }
    assert!(!parse(&fields, "a > 1 and a not in []").unwrap().is_always_true());
    let error = Filter::of_fields(&fields, "nope > 1", &Values::default()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidParameter);
}
