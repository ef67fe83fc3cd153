use super::*;
use crate::filter::Values;
use crate::schema::{DataType, Field};

/// Rows of a bitmap that takes a quarter of what a cache may hold.
const MANY: usize = 8 << 20;

fn fields() -> Vec<Field> {
    let list =
        Field { element_type: Some(DataType::Int64), max_capacity: 9, ..Field::new("l", DataType::Array) };
    let plain = [
        ("a", DataType::Int64),
        ("b", DataType::Int64),
        ("x", DataType::Double),
        ("t", DataType::VarChar),
        ("j", DataType::Json),
    ];
    let plain =
        plain.map(|(name, data_type)| Field { max_length: 100, dim: 8, ..Field::new(name, data_type) });
    plain.into_iter().chain([list]).collect()
}

fn filter(text: &str) -> Filter {
    with(text, "")
}

fn with(text: &str, values: &str) -> Filter {
    Filter::of_fields(&fields(), text, &Values::from_json(values).unwrap()).expect(text)
}

/// The n-th of many filters, and an answer to tell it by.
fn numbered(n: usize) -> Filter {
    filter(&format!("a == {n}"))
}

fn answer(n: usize, rows: usize) -> BooleanBuffer {
    BooleanBuffer::collect_bool(rows, |row| row == n)
}

#[test]
fn other_conditions_have_other_keys() {
    let different = [
        "a == 1",
        "b == 1",
        "a != 1",
        "a == -1",
        "a in [1]",
        "a in [1, 1]",
        "a not in [1]",
        "a in [1, 2]",
        "a in [12]",
        "a > 1",
        "a >= 1",
        "a > 1 and b > 1",
        "a > 1 or b > 1",
        "not (a > 1 and b > 1)",
        "a == 1 and (b == 1 or a == 2)",
        "(a == 1 and b == 1) or a == 2",
        "0 < a < 3",
        "0 <= a < 3",
        "0 < a <= 3",
        "a % 3 == 1",
        "a % 1 == 3",
        "a / 3 == 1",
        "a % 3 != 1",
        "a == b",
        "b == a",
        "j['a'] is null",
        "j['a'] is not null",
        "x == 0.0",
        "x == -0.0",
        "x == 1",
        "t == 'a'",
        "t == ''",
        "t == 'b'",
        "t like 'a%'",
        "t in ['a', 'b']",
        "t in ['ab']",
        "t in ['a', 'b', '']",
        r#"t in ["a\", \"b"]"#,
        "j['n'] == 1",
        "j['n'] == 1.0",
        "j['n'] == '1'",
        "j['n'] == true",
        "j['a'] == 1",
        "j['a']['b'] == 1",
        "j['ab'] == 1",
        "j[0] == 1",
        "j['0'] == 1",
        "exists j['a']",
        "json_contains(j['a'], 1)",
        "json_contains_all(j['a'], [1])",
        "json_contains_any(j['a'], [1])",
        "json_contains_any(j['a'], [[1]])",
        "array_contains(l, 1)",
        "array_length(l) == 1",
        "l[0] == 1",
        "l[1] == 1",
        "l[1] == 0",
    ];
    let keys: Vec<_> = different.map(|text| filter(text).key.expect(text)).into();
    for (at, key) in keys.iter().enumerate() {
        if let Some(other) = keys[..at].iter().position(|other| other == key) {
            panic!("{} and {}", different[other], different[at]);
        }
    }
}

#[test]
fn what_is_written_otherwise_is_the_same() {
    assert_eq!(filter("a==1").key, filter("  (a  ==  1)").key);
    assert_eq!(filter("t == 'x'").key, filter("t == \"x\"").key);
    let template = "a in {list} and t == {name}";
    let text = "a in [1,2] and t == 'x'";
    assert_eq!(with(template, r#"{"list":[1,2],"name":"x"}"#).key, filter(text).key);
    assert_ne!(with(template, r#"{"list":[1,3],"name":"x"}"#).key, filter(text).key);
}

#[test]
fn some_filters_are_not_kept() {
    let cache = Cache::new(&Memory::new(0));
    let long = |count: usize| {
        let values: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        filter(&format!("a in [{}]", values.join(",")))
    };
    let text = filter(&format!("t == '{}'", "x".repeat(2 * KEY_BYTES)));
    for filter in [filter(""), filter("a not in []"), filter("a > 1 and a in []"), long(20_000), text] {
        assert!(!filter.is_kept());
        cache.keep(&filter, &answer(1, 10));
        assert!(cache.get(&filter).is_none() && !cache.has(&filter));
    }
    cache.keep(&long(900), &answer(1, 10));
    assert!(cache.has(&long(900)) && !cache.has(&long(901)));
    // Neither is what is larger than all that may be there.
    cache.keep(&numbered(1), &answer(1, 5 * MANY));
    assert!(!cache.has(&numbered(1)));
}

#[test]
fn the_last_ones_are_kept() {
    let memory = Memory::new(0);
    let cache = Cache::new(&memory);
    for n in 0..3 * ANSWERS {
        assert!(cache.get(&numbered(n)).is_none());
        cache.keep(&numbered(n), &answer(n, 500));
        // The first one is asked for again and again.
        assert_eq!(cache.get(&numbered(0)).unwrap(), answer(0, 500), "{n}");
        cache.keep(&numbered(n), &answer(n, 500));
    }
    let there: Vec<usize> = (0..3 * ANSWERS).filter(|&n| cache.has(&numbered(n))).collect();
    let last = 2 * ANSWERS + 1..3 * ANSWERS;
    assert_eq!(there, std::iter::once(0).chain(last).collect::<Vec<_>>());
    for n in there {
        assert_eq!(cache.get(&numbered(n)).unwrap(), answer(n, 500));
    }
    // Of large ones fewer.
    for n in 0..9 {
        cache.keep(&numbered(n), &answer(n, MANY));
        assert!(memory.used() <= BYTES);
    }
    assert_eq!((0..99).filter(|&n| cache.has(&numbered(n))).collect::<Vec<_>>(), [6, 7, 8]);
    drop(cache);
    assert_eq!(memory.used(), 0);
}

#[test]
fn others_need_the_memory() {
    let memory = Memory::new(10_000);
    let (one, two) = (Cache::new(&memory), Cache::new(&memory));
    one.keep(&numbered(1), &answer(1, 8_000));
    two.keep(&numbered(2), &answer(2, 8_000));
    let rows = memory.reserve(5_000, "rows").unwrap();
    assert!(one.has(&numbered(1)) && two.has(&numbered(2)), "there was room");
    let answer_of_one = one.get(&numbered(1)).unwrap();
    let more = memory.reserve(5_000, "more rows").unwrap();
    assert!(!one.has(&numbered(1)) && !two.has(&numbered(2)));
    assert_eq!(answer_of_one, answer(1, 8_000), "a search goes on");
    // No room is no error, and nobody is refused for it.
    one.keep(&numbered(1), &answer(1, 8_000));
    assert!(!one.has(&numbered(1)));
    assert_eq!(memory.used(), 10_000);
    drop(more);
    // Room for some: the last ones.
    for n in 0..9 {
        one.keep(&numbered(n), &answer(n, 8_000));
    }
    assert!(memory.used() <= 10_000 && one.has(&numbered(8)) && !one.has(&numbered(0)));
    let error = memory.reserve(6_000, "too many rows").err().unwrap();
    let expected = "too many rows needs 6000 bytes; with the 5000 in use it exceeds memory_limit 10000";
    assert_eq!(error.message(), expected);
    drop(rows);
    assert_eq!(memory.used(), 0);
}

#[test]
fn many_threads() {
    let memory = Memory::new(40_000);
    let cache = Cache::new(&memory);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, memory) = (&cache, &memory);
            scope.spawn(move || {
                for n in (0..2_000).map(|step| step * (thread + 7) % 60) {
                    match cache.get(&numbered(n)) {
                        Some(found) => assert_eq!(found, answer(n, 4_000)),
                        None => cache.keep(&numbered(n), &answer(n, 4_000)),
                    }
                    if n == 59 {
                        // Beside what others reserve for a moment.
                        let _ = memory.reserve(30_000, "a moment");
                    }
                }
            });
        }
    });
    assert!(cache.kept.read().len() <= ANSWERS);
    drop(cache);
    assert_eq!(memory.used(), 0);
}
