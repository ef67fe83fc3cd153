//! Random filters over rows with indexes and without: the same rows.

use super::random::Random;
use super::*;
use crate::error::Result;
use crate::index::scalar::Sorted;
use crate::index::{BuildContext, Pace};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int64Array, StringArray};
use std::sync::Arc;

const ROWS: usize = 6000;

struct Patient;

impl Pace for Patient {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

/// Field `c` has no index.
const FIELDS: [(&str, DataType); 7] = [
    ("a", DataType::Int64),
    ("k", DataType::Int8),
    ("f", DataType::Float),
    ("d", DataType::Double),
    ("t", DataType::VarChar),
    ("b", DataType::Bool),
    ("c", DataType::Int64),
];

fn fields() -> Vec<Field> {
    let field = |(name, data_type): (&str, DataType)| Field {
        nullable: true,
        max_length: 20,
        ..Field::new(name, data_type)
    };
    FIELDS.map(field).to_vec()
}

fn number(random: &mut Random) -> i64 {
    random.below(3000) as i64 - 1500
}

fn float(random: &mut Random) -> f64 {
    match random.below(20) {
        0 => -0.0,
        1 => 0.0,
        _ => number(random) as f64 / 10.0,
    }
}

fn text(random: &mut Random) -> String {
    format!("{}{}", random.one(&["", "ab", "abc", "é", "z"]), random.below(300))
}

/// Nulls everywhere, and NaN among the floats.
fn batch(random: &mut Random) -> RecordBatch {
    fn some<T>(random: &mut Random, value: impl Fn(&mut Random) -> T) -> Option<T> {
        (random.below(12) > 0).then(|| value(random))
    }
    let nan = |random: &mut Random| if random.below(50) == 0 { f64::NAN } else { float(random) };
    let mut column = |name: &str| -> ArrayRef {
        let rows = 0..ROWS;
        match name {
            "k" => Arc::new(Int8Array::from_iter(rows.map(|_| some(random, |r| r.below(40) as i8 - 20)))),
            "f" => Arc::new(Float32Array::from_iter(rows.map(|_| some(random, |r| nan(r) as f32)))),
            "d" => Arc::new(Float64Array::from_iter(rows.map(|_| some(random, float)))),
            "t" => Arc::new(StringArray::from_iter(rows.map(|_| some(random, text)))),
            "b" => Arc::new(BooleanArray::from_iter(rows.map(|_| some(random, Random::coin)))),
            _ => Arc::new(Int64Array::from_iter(rows.map(|_| some(random, number)))),
        }
    };
    let columns = FIELDS.map(|(name, _)| (name, column(name), true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn leaf(random: &mut Random) -> String {
    let name = random.one(&["a", "a", "k", "f", "d", "t", "t", "c"]);
    let constant = |random: &mut Random| match name {
        "a" | "c" => number(random).to_string(),
        "k" => (random.below(50) as i64 - 25).to_string(),
        "t" => format!("{:?}", text(random)),
        _ => format!("{:?}", float(random)),
    };
    match random.below(11) {
        0..4 => {
            format!("{name} {} {}", random.one(&["==", "!=", "<", "<=", ">", ">="]), constant(random))
        }
        4 | 5 => {
            let (low, high) = (random.one(&["<", "<="]), random.one(&["<", "<="]));
            format!("{} {low} {name} {high} {}", constant(random), constant(random))
        }
        6 | 7 => {
            let list: Vec<String> = (0..random.one(&[0, 1, 5, 30])).map(|_| constant(random)).collect();
            format!("{name} {} [{}]", random.one(&["in", "not in"]), list.join(", "))
        }
        8 => format!("t like '{}%'", random.one(&["", "a", "ab", "abc", "abc1", "é", "z29", "q"])),
        9 => format!("{name} is {}null", random.one(&["", "not "])),
        _ => random.one(&["b == true", "b != true", "b in [false]", "a % 7 == 3"]).to_owned(),
    }
}

fn expression(random: &mut Random, depth: usize) -> String {
    match if depth == 0 { 0 } else { random.below(6) } {
        0 | 1 => leaf(random),
        2 => format!("not ({})", expression(random, depth - 1)),
        kind => {
            let word = if kind == 5 { " or " } else { " and " };
            let parts: Vec<String> =
                (0..2 + random.below(2)).map(|_| format!("({})", expression(random, depth - 1))).collect();
            parts.join(word)
        }
    }
}

#[test]
fn an_index_changes_nothing_but_the_time() {
    let mut random = Random(20261122);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (mut used, mut found, mut with) = (0, 0, 0);
    for _ in 0..4 {
        let rows = batch(&mut random);
        let build =
            |at: usize| Sorted::build(rows.column(at), &BuildContext::new(&pool, 1, &Patient)).unwrap();
        let indexes: Vec<Sorted> = (0..FIELDS.len() - 1).map(build).collect();
        for _ in 0..700 {
            let depth = random.below(4);
            let text = expression(&mut random, depth);
            let filter = parse(&fields(), &text).unwrap_or_else(|error| panic!("{text}\n  {error}"));
            let plain = filter.rows(&Table::of(&rows), None).unwrap();
            let indexed =
                indexes.iter().enumerate().fold(Table::of(&rows), |table, (at, index)| table.with(at, index));
            assert_eq!(filter.rows(&indexed, None).unwrap(), plain, "{text}");
            let uses = indexed.used();
            assert!(uses.iter().all(|used| filter.indexable().contains(&used.at)), "{text}");
            used += uses.len();
            with += usize::from(!uses.is_empty());
            found += plain.count_set_bits();
            // Many rows, or few of them.
            for share in [2, 500] {
                let among: BooleanBuffer = (0..ROWS).map(|_| random.below(share) == 0).collect();
                for table in [&Table::of(&rows), &indexed] {
                    let some = filter.rows(table, Some(&among)).unwrap();
                    assert_eq!(&some & &among, &plain & &among, "{text}");
                }
            }
        }
    }
    assert!(used > 1500 && with > 900 && found > 1_000_000, "{used} {with} {found}");
}

/// Which indexes are used, and of how many rows they tell.
#[test]
fn indexes_are_used_where_they_pay() {
    let count = 20_000;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).map(|i| i * 7 % count)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..count).map(|i| format!("{}", i % 10))));
    let rows = RecordBatch::try_from_iter([("a", numbers), ("t", texts)]).unwrap();
    let fields = [field("a", DataType::Int64), field("t", DataType::VarChar)];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let build = |at: usize| Sorted::build(rows.column(at), &BuildContext::new(&pool, 1, &Patient)).unwrap();
    let (of_a, of_t) = (build(0), build(1));
    let used = |text: &str| {
        let table = Table::of(&rows).with(0, &of_a).with(1, &of_t);
        parse(&fields, text).unwrap().rows(&table, None).unwrap();
        table.used().iter().map(|used| (used.at, used.rows)).collect::<Vec<_>>()
    };
    assert_eq!(used("a == 77"), [(0, 1)]);
    assert_eq!(used("a != 77"), [(0, 1)]);
    assert_eq!(used("a < 100"), [(0, 100)]);
    assert_eq!(used("a >= 100"), [(0, 100)], "by the rows of the opposite");
    assert_eq!(used("a in [1, 2, 2, -1]"), [(0, 2)]);
    assert_eq!(used("a < 10000"), [], "a loop is faster");
    assert_eq!(used("t like '3%'"), [(1, 2000)]);
    assert_eq!(used("t == '3' and a < 50"), [(0, 50)], "50 texts are compared");
    assert_eq!(used("a * 2 == 4"), []);
    assert_eq!(used("a == a"), []);
    let long: Vec<String> = (0..5000).map(|i| i.to_string()).collect();
    assert_eq!(used(&format!("a in [{}]", long.join(","))), [], "too many to be looked up");
}
