//! Conditions on nulls against the three-valued logic of SQL, one row at a time.

use super::random::Random;
use super::*;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use std::sync::Arc;

const ROWS: usize = 130;

type Holds = Box<dyn Fn(&Plain) -> Option<bool>>;

/// A condition, as text and for a row of the plain values.
struct Condition {
    text: String,
    holds: Holds,
}

/// A row.
struct Plain {
    a: Option<i64>,
    b: Option<bool>,
    t: Option<String>,
}

fn fields() -> Vec<Field> {
    let field =
        |name: &str, data_type| Field { nullable: true, max_length: 9, ..Field::new(name, data_type) };
    vec![field("a", DataType::Int64), field("b", DataType::Bool), field("t", DataType::VarChar)]
}

fn rows(random: &mut Random) -> Vec<Plain> {
    let row = |random: &mut Random| Plain {
        a: random.coin().then(|| random.below(4) as i64),
        b: random.coin().then(|| random.coin()),
        t: random.coin().then(|| random.one(&["x", "xy", "z"]).to_owned()),
    };
    (0..ROWS).map(|_| row(random)).collect()
}

fn batch(rows: &[Plain]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        ("a", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.a)))),
        ("b", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.b)))),
        ("t", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.t.as_deref())))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn leaf(random: &mut Random) -> Condition {
    let n = random.below(4) as i64;
    let made = |text: String, holds: Holds| Condition { text, holds };
    match random.below(9) {
        0 => made(format!("a == {n}"), Box::new(move |row| row.a.map(|a| a == n))),
        1 => made(format!("a != {n}"), Box::new(move |row| row.a.map(|a| a != n))),
        2 => made(format!("0 <= a < {n}"), Box::new(move |row| row.a.map(|a| (0..n).contains(&a)))),
        3 => made(format!("a not in [{n}, 2]"), Box::new(move |row| row.a.map(|a| a != n && a != 2))),
        4 => made("b == true".into(), Box::new(|row| row.b)),
        5 => made("t like 'x%'".into(), Box::new(|row| row.t.as_ref().map(|t| t.starts_with('x')))),
        6 => made("t is null".into(), Box::new(|row| Some(row.t.is_none()))),
        7 => made("a is not null".into(), Box::new(|row| Some(row.a.is_some()))),
        _ => made(format!("a * 2 == {n}"), Box::new(move |row| row.a.map(|a| a * 2 == n))),
    }
}

fn condition(random: &mut Random, depth: usize) -> Condition {
    if depth == 0 {
        return leaf(random);
    }
    match random.below(4) {
        0 => leaf(random),
        1 => {
            let inner = condition(random, depth - 1);
            let text = format!("not ({})", inner.text);
            Condition { text, holds: Box::new(move |row| (inner.holds)(row).map(|holds| !holds)) }
        }
        kind => {
            let (left, right) = (condition(random, depth - 1), condition(random, depth - 1));
            // What decides alone: false of `and`, true of `or`.
            let (word, decides) = if kind == 2 { ("and", false) } else { ("or", true) };
            let text = format!("({}) {word} ({})", left.text, right.text);
            let holds = move |row: &Plain| match ((left.holds)(row), (right.holds)(row)) {
                (Some(holds), _) | (_, Some(holds)) if holds == decides => Some(decides),
                (Some(_), Some(_)) => Some(!decides),
                _ => None,
            };
            Condition { text, holds: Box::new(holds) }
        }
    }
}

#[test]
fn nulls_neither_hold_nor_do_not() {
    let mut random = Random(11);
    for _ in 0..2000 {
        let condition = condition(&mut random, 4);
        let plain = rows(&mut random);
        let (filter, rows) = (parse(&fields(), &condition.text).unwrap(), batch(&plain));
        let found = filter.rows(&Table::of(&rows), None).unwrap();
        let among = BooleanBuffer::collect_bool(ROWS, |row| row % 3 != 0);
        let of_some = filter.rows(&Table::of(&rows), Some(&among)).unwrap();
        for (at, row) in plain.iter().enumerate() {
            let expected = (condition.holds)(row) == Some(true);
            assert_eq!(found.value(at), expected, "{}, row {at}", condition.text);
            assert!(!among.value(at) || of_some.value(at) == expected, "{}, row {at}", condition.text);
        }
    }
}
