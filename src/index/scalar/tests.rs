//! The order against a plain sort, what is found in it against every row, and files that are damaged.

use super::*;
use crate::error::Code;
use crate::index::Pace;
use crate::index::testing::Patient;
use arrow_array::{BooleanArray, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array};
use arrow_buffer::Buffer;
use std::sync::Arc;

fn built(column: &ArrayRef) -> Sorted {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    Sorted::build(column, &BuildContext::new(&pool, 1, &Patient)).unwrap()
}

fn columns() -> Vec<(ArrayRef, Vec<Constant<'static>>)> {
    let number = |i: i64| (i * 7919) % 101 - 50;
    let some = |i: i64| (i % 5 != 3).then(|| number(i));
    let texts = ["", "a", "ab", "abc", "b", "é", "\u{10ffff}", "ab\u{10ffff}", "aa"];
    let text = |i: i64| (i % 7 != 2).then(|| texts[(i * 31 % 9) as usize]);
    let float = |i: i64| match i % 11 {
        0 => f64::NAN,
        1 => -0.0,
        2 => 0.0,
        3 => f64::NEG_INFINITY,
        _ => number(i) as f64 / 4.0,
    };
    let ints: Vec<Constant> = [-51, -50, 0, 1, 49, 50, i64::MIN, i64::MAX].map(Constant::Int).to_vec();
    let floats: Vec<Constant> =
        [-12.5, -0.0, 0.0, 0.3, 12.5, f64::INFINITY, f64::NEG_INFINITY].map(Constant::Float).to_vec();
    let rows = 0..500;
    vec![
        (Arc::new(Int8Array::from_iter(rows.clone().map(|i| some(i).map(|n| n as i8)))), ints.clone()),
        (Arc::new(Int32Array::from_iter(rows.clone().map(|i| some(i).map(|n| n as i32)))), ints.clone()),
        (Arc::new(Int64Array::from_iter(rows.clone().map(some))), ints),
        (Arc::new(Float32Array::from_iter(rows.clone().map(|i| Some(float(i) as f32)))), floats.clone()),
        (Arc::new(Float64Array::from_iter(rows.clone().map(|i| Some(float(i))))), floats),
        (
            Arc::new(BooleanArray::from_iter(rows.clone().map(|i| some(i).map(|n| n > 3)))),
            vec![Constant::Bool(false), Constant::Bool(true)],
        ),
        (Arc::new(StringArray::from_iter(rows.map(text))), texts.map(Constant::Text).to_vec()),
    ]
}

#[test]
fn what_is_found_is_what_every_row_says() {
    for (column, constants) in columns() {
        let (index, values) = (built(&column), Values::new(&column).unwrap());
        let compare = |row: usize, constant| match values.is_null(row) {
            true => None,
            false => values.compare(row, constant),
        };
        for constant in constants {
            for or_equal in [false, true] {
                let first = 0..index.below(&values, constant, or_equal);
                let found = index.bits(&[first]);
                for row in 0..column.len() {
                    let order = compare(row, constant);
                    let expected =
                        order.is_some_and(|order| order.is_lt() || (or_equal && order == Ordering::Equal));
                    assert_eq!(found.value(row), expected, "{} row {row} {constant:?}", column.data_type());
                }
            }
        }
        let has_place = |row: &usize| values.rank(*row).is_some() && !values.is_null(*row);
        assert_eq!(index.len(), (0..column.len()).filter(has_place).count());
    }
}

#[test]
fn prefixes() {
    let (column, _) = columns().pop().unwrap();
    let (index, values) = (built(&column), Values::new(&column).unwrap());
    let texts = column.as_string::<i32>();
    for prefix in ["", "a", "ab", "abc", "abcd", "é", "\u{10ffff}", "z", "A"] {
        let found = index.bits(&[index.with_prefix(&values, prefix)]);
        for row in 0..texts.len() {
            let expected = texts.is_valid(row) && texts.value(row).starts_with(prefix);
            assert_eq!(found.value(row), expected, "{prefix} {row}");
        }
    }
}

/// More rows than are sorted at a time.
#[test]
fn many_rows_are_merged() {
    let count = 5 * STEP + 77;
    let number = |row: usize| (row as i64).wrapping_mul(0x5851_f42d_4c95_7f2d) >> 50;
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..count).map(number)));
    let mut expected: Vec<u32> = (0..count as u32).collect();
    expected.sort_by_key(|&row| number(row as usize));
    assert_eq!(built(&column).rows.as_ref(), expected);
}

#[test]
fn a_build_is_ended_by_its_pace() {
    struct Impatient;
    impl Pace for Impatient {
        fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
            Err(Error::new(Code::Canceled, "enough"))
        }
    }
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let ended = Sorted::build(&column, &BuildContext::new(&pool, 1, &Impatient));
    assert_eq!(ended.err().unwrap().code(), Code::Canceled);
}

fn sections(head: &[u32], rows: &[u32]) -> Sections {
    let mut sections = Sections::default();
    sections.insert("head", Buffer::from_slice_ref(head));
    sections.insert("rows", Buffer::from_slice_ref(rows));
    sections
}

#[test]
fn damaged_sections_are_errors() {
    let load = |head: &[u32], rows: &[u32]| Sorted::load(&sections(head, rows), 3);
    assert_eq!(load(&[FORMAT, 2], &[2, 0]).unwrap().rows.as_ref(), [2, 0]);
    assert!(load(&[FORMAT, 0], &[]).unwrap().is_empty());
    assert_eq!(load(&[FORMAT + 1, 2], &[2, 0]).err().unwrap().code(), Code::FormatTooNew);
    for (head, rows) in
        [(&[FORMAT, 4][..], &[0, 1, 2, 0][..]), (&[FORMAT, 2], &[0]), (&[FORMAT, 1], &[3]), (&[FORMAT], &[])]
    {
        assert_eq!(load(head, rows).err().unwrap().code(), Code::Corrupt, "{head:?} {rows:?}");
    }
    assert_eq!(Sorted::load(&Sections::default(), 3).err().unwrap().code(), Code::Corrupt);
}

/// An order that is none, behind right checksums: wrong rows, and no panic.
#[test]
fn a_wrong_order_never_panics() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![5, 1, 9, 3]));
    let values = Values::new(&column).unwrap();
    for order in [[0, 1, 2, 3], [3, 3, 3, 3], [2, 0, 3, 1]] {
        let index = Sorted::load(&sections(&[FORMAT, 4], &order), 4).unwrap();
        for n in 0..10 {
            let [from, to] = [false, true].map(|or_equal| index.below(&values, Constant::Int(n), or_equal));
            assert_eq!(index.bits(&[from..to, to..from, 0..to]).len(), 4);
        }
    }
}
