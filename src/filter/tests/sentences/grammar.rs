//! Signs, the order of operators, conjunctions, ranges and lists.

use super::*;

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
