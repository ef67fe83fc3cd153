//! Paths into JSON and arrays, `exists`, and what lists contain.

use super::*;

#[test]
fn paths() {
    valid(&[
        "doc['k'] == 7",
        r#"doc["k"] == 7"#,
        r#"doc["k"]['n'] == 7"#,
        "doc['l'][1][0] == 7",
        "doc[0] == 7",
        "$meta['k']['n'] == 7",
        "$meta[0] == 7",
        "k['n'] == 7",
        "l[0] == 1",
        r#"doc["a \"b\" c"] == 7"#,
        "doc['a][b'] == 7",
        "doc['[k]'] == 7",
        "visits[0] == 7",
        "visits[9] == 7",
        "visits [ 0 ] == 7",
        "doc['9223372036854775808'] == 7",
    ]);
    invalid(&[
        "doc[] == 7",
        "doc[''] == 7",
        "doc[k] == 7",
        "doc[['k']] == 7",
        "doc[-1] == 7",
        "doc[1.5] == 7",
        "doc[9223372036854775808] == 7",
        "doc['k' == 7",
        "doc['k']] == 7",
        "doc.k == 7",
        "k[] == 7",
        "k[n] == 7",
        "visits[] == 7",
        "visits['0'] == 7",
        "visits[0][0] == 7",
        "tags['old'] == 'x'",
        "id['k'] == 7",
        "id[0] == 7",
        "city[0] == 'x'",
        "photo[0] == 7",
        "('k')['n'] == 7",
    ]);
}

#[test]
fn exists() {
    valid(&[
        "exists doc['k']",
        "EXISTS doc['k']['n']",
        "exists $meta['k']",
        "exists k",
        "exists l[0]",
        "exists (k)",
        "id > 3 and exists k",
        "not (exists k)",
        // These are refused by Milvus, whose `exists` takes all that follows.
        "exists k and id > 3",
        "exists k or exists l",
    ]);
    invalid(&[
        "exists doc",
        "exists $meta",
        "exists id",
        "exists sold",
        "exists city",
        "exists visits",
        "exists visits[0]",
        "exists photo",
        "exists 7",
        "exists 'k'",
        "exists k > 3",
        "exists (k > 3)",
        "exists k + 1",
        "exists",
        "exists exists k",
        "exists not k",
        "exists(k, l)",
        "exists k == true",
        "Exists k",
    ]);
}

/// Of the three functions, in all their names.
fn functions(suffix: &str) -> [String; 4] {
    let names = [format!("json_contains{suffix}"), format!("array_contains{suffix}")];
    let [a, b] = names.each_ref().map(|name| name.to_uppercase());
    let [c, d] = names;
    [a, b, c, d]
}

#[test]
fn one_that_lists_contain() {
    for name in functions("") {
        // What may contain, and which constants: a boolean, a whole number, a float, a text, lists.
        for (field, expected) in [
            ("doc['l']", "++++++"),
            ("doc['l'][1]", "++++++"),
            ("$meta['l']", "++++++"),
            ("l", "++++++"),
            ("visits", "-++---"),
            ("rates", "-++---"),
            ("tags", "---+--"),
            ("doc", "------"),
            ("$meta", "------"),
            ("visits[0]", "------"),
            ("id", "------"),
            ("city", "------"),
            ("photo", "------"),
            ("7", "------"),
            ("[7, 8]", "------"),
            ("id > 3", "------"),
        ] {
            for (constant, &expected) in CONSTANTS.iter().zip(expected.as_bytes()) {
                agrees(&format!("{name}({field}, {constant})"), expected);
                agrees(&format!("not {name}({field}, {constant})"), expected);
            }
        }
        for arguments in
            ["l", "", "l, 7, 8", "l 7", "7, l", "l, k", "l, id", "l, id > 3", "l, none + 1", "l,"]
        {
            invalid(&[&format!("{name}({arguments})")]);
        }
        invalid(&[&format!("{name}(l, 7) == true"), &format!("{name} l"), &format!("-{name}(l, 7)")]);
        valid(&[&format!("{name}(l, 3 + 4)"), &format!("{name}(l, -7) and {name}((l), (7))")]);
    }
    invalid(&["Json_contains(l, 7)", "json_Contains(l, 7)", "JSON_contains(l, 7)", "contains(l, 7)"]);
}

#[test]
fn several_that_lists_contain() {
    for name in functions("_all").into_iter().chain(functions("_any")) {
        for (field, list, expected) in [
            ("doc['l']", "[7]", b'+'),
            ("l", "[7, 'x', 7.5, true, [7, 'x']]", b'+'),
            ("$meta['l']", "['x']", b'+'),
            ("visits", "[7, 8]", b'+'),
            ("visits", "[7, 8.5]", b'+'),
            ("visits", "['x']", b'-'),
            ("visits", "[7, 'x']", b'-'),
            ("visits", "[true]", b'-'),
            ("visits", "[[7]]", b'-'),
            ("rates", "[7, 0.5]", b'+'),
            ("tags", "['x', 'y']", b'+'),
            ("tags", "['x', 7]", b'-'),
            ("tags", "'x'", b'-'),
            ("visits", "7", b'-'),
            ("l", "7", b'-'),
            ("l", "k", b'-'),
            ("l", "[k]", b'-'),
            ("l", "[id > 3]", b'-'),
            ("l", "[2 >> k]", b'-'),
            ("l['']", "[7]", b'-'),
            ("doc", "[7]", b'-'),
            ("id", "[7]", b'-'),
            ("city", "['x']", b'-'),
        ] {
            agrees(&format!("{name}({field}, {list})"), expected);
        }
    }
}

/// Numbers of either kind are one for what an array contains, as for Milvus.
#[test]
fn numbers_that_arrays_contain() {
    for (sentence, expected) in [
        ("array_contains(visits, 3)", true),
        ("array_contains(visits, 3.0)", true),
        ("array_contains(visits, 3.5)", false),
        ("array_contains(visits, 1e300)", false),
        ("array_contains(rates, 0.5)", true),
        ("array_contains(rates, 1)", false),
        ("array_contains_all(visits, [3, 5.0])", true),
        ("array_contains_all(visits, [3, 5.5])", false),
        ("array_contains_any(visits, [5.0, 9])", true),
        ("array_contains_any(visits, [3.5, 4.5])", false),
        ("not array_contains_all(visits, [3.5])", true),
        ("visits == [3, 5]", true),
        ("visits != [3, 5]", false),
    ] {
        let found = parse(&fields(true), sentence).unwrap().rows(&Table::of(&rows()), None).unwrap();
        assert_eq!(found.value(0), expected, "{sentence}");
    }
}

/// Longer than an array may be, most of it repeated, in another order; and with nothing that is there.
#[test]
fn long_lists_beside_arrays() {
    let holds = |sentence: &str, list: serde_json::Value| {
        let values = serde_json::json!({ "v": list }).to_string();
        let filter = with_values(&fields(true), sentence, &values).unwrap();
        let found = filter.rows(&Table::of(&rows()), None).unwrap();
        (found.value(0), found.value(1))
    };
    let repeated = |of: [serde_json::Value; 4]| of.into_iter().cycle().take(12_000).collect::<Vec<_>>();
    let mixed = serde_json::json!(repeated([5.into(), 3.into(), 3.0.into(), 5.0.into()]));
    let whole = serde_json::json!(repeated([5.into(), 3.into(), 3.into(), 5.into()]));
    let different: Vec<i64> = (0..20_000).collect();
    let different = serde_json::json!(different);
    for (sentence, repeated, of_repeated, of_different) in [
        ("array_contains_all(visits, {v})", &mixed, (true, false), (false, false)),
        ("not array_contains_all(visits, {v})", &mixed, (false, true), (true, true)),
        ("array_contains_any(visits, {v})", &mixed, (true, false), (true, false)),
        ("visits == {v}", &whole, (false, false), (false, false)),
        ("visits != {v}", &whole, (true, true), (true, true)),
    ] {
        assert_eq!(holds(sentence, repeated.clone()), of_repeated, "{sentence}");
        assert_eq!(holds(sentence, different.clone()), of_different, "{sentence}");
    }
    let lists = serde_json::json!([[5, 3], [3, 5], [3], different, []]);
    assert_eq!(holds("visits in {v}", lists), (true, true));
    assert_eq!(holds("visits in {v}", serde_json::json!([[5, 3], [3], [3, 5, 5], whole])), (false, false));
    assert_eq!(holds("visits not in {v}", serde_json::json!([[3, 5]])), (false, true));
}

/// An array that ends before the index fails the condition, as in Milvus, `!=` as well; what `not` stands before holds.
#[test]
fn beyond_the_end_of_an_array() {
    for sentence in [
        "visits[9] == 7",
        "visits[9] != 7",
        "visits[9] < 7",
        "visits[9] in [7]",
        "7 < visits[9] < 9",
        "visits[9] + 1 == 7",
        "visits[9] + 1 != 7",
        "tags[9] like 'x%'",
        "visits[9] == id",
        "visits[9] != id",
    ] {
        let bits = |text: &str| parse(&fields(true), text).unwrap().rows(&Table::of(&rows()), None).unwrap();
        assert_eq!(bits(sentence).count_set_bits(), 0, "{sentence}");
        assert_eq!(bits(&format!("not ({sentence})")).count_set_bits(), 2, "not ({sentence})");
    }
}

#[test]
fn lengths() {
    for operand in ["visits", "tags", "l", "doc['l']", "$meta['l']", "doc['l'][1]"] {
        for name in ["array_length", "ARRAY_LENGTH"] {
            valid(&[&format!("{name}({operand}) == 2"), &format!("not (0 != {name}({operand}))")]);
            for refused in [
                "{} == 2.5",
                "{} == 'x'",
                "{}",
                "{} + 1 == 2",
                "{} / 2 == 1",
                "{} % 2 == 1",
                "0 < {} < 9",
                "{} in [2]",
                "{} and true",
                "{} == id",
            ] {
                invalid(&[&refused.replace("{}", &format!("{name}({operand})"))]);
            }
        }
    }
    for argument in
        ["id", "city", "visits[0]", "photo", "doc", "$meta", "7", "'l'", "[7]", "l > k", "l - k", "l, k", ""]
    {
        invalid(&[&format!("array_length({argument}) == 2")]);
    }
    invalid(&["array_length l == 2", "Array_length(l) == 2"]);
}
