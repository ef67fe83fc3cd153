//! How fast a filter is evaluated, on one thread, beside pyarrow's compute functions and DuckDB on the same rows.

use crate::support::Random;
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use elanus::filter::{Filter, Table, Values};
use elanus::schema::Schema;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROWS: usize = 10_000_000;
const ROUNDS: usize = 7;

/// `a` up to 1000, `b` up to 100; as columns, and in files for the others.
fn rows(folder: &Path) -> RecordBatch {
    let mut random = Random(20261121);
    let a: Vec<i64> = (0..ROWS).map(|_| random.below(1000) as i64).collect();
    let b: Vec<i32> = (0..ROWS).map(|_| random.below(100) as i32).collect();
    std::fs::write(folder.join("a"), a.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    std::fs::write(folder.join("b"), b.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let columns: [(&str, ArrayRef); 2] =
        [("a", Arc::new(Int64Array::from(a))), ("b", Arc::new(Int32Array::from(b)))];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The shortest of some rounds, and how many rows there are.
fn measure(filter: &Filter, rows: &RecordBatch) -> (Duration, usize) {
    let table = Table::of(rows);
    let round = || {
        let start = Instant::now();
        let found = filter.rows(&table, None).unwrap();
        (start.elapsed(), found.count_set_bits())
    };
    (0..ROUNDS).map(|_| round()).min().unwrap()
}

fn show(filter: &str, name: &str, time: f64, ours: f64) {
    let (rate, ratio) = (ROWS as f64 / time / 1e6, time / ours);
    println!(
        "{filter}: {name} {:.1} ms, {rate:.0} million rows/s; Elanus is {ratio:.2} times as fast",
        time * 1e3
    );
}

#[test]
#[ignore = "measures, optimised: make filter-speed"]
fn ten_million_rows() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(folder.path());
    let schema = Schema::from_json(
        r#"{"fields":[{"name":"a","data_type":"Int64","is_primary":true},{"name":"b","data_type":"Int32"},
        {"name":"v","data_type":"FloatVector","dim":2}]}"#,
    )
    .unwrap();
    let short = "3, 7, 11, 19, 23";
    let long: Vec<String> = (0..50).map(|n| (2 * n).to_string()).collect();
    for list in [short, &long.join(", ")] {
        let name = format!("a > 500 and b in [{} values]", list.matches(',').count() + 1);
        let filter = Filter::new(&schema, &format!("a > 500 and b in [{list}]"), &Values::default()).unwrap();
        let (before, count) = measure(&filter, &rows);
        let others = others(folder.path(), list);
        let ours = before.min(measure(&filter, &rows).0).as_secs_f64();
        show(&name, "Elanus", ours, ours);
        for (other, (time, counted)) in others {
            assert_eq!(counted, count, "{other}");
            show(&name, &other, time, ours);
        }
    }
}

/// Seconds and rows of each of the others; none without a Python that has them.
fn others(folder: &Path, list: &str) -> BTreeMap<String, (f64, usize)> {
    let python = std::env::var("BENCH_PYTHON").unwrap_or("python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/filter_speed.py");
    let ran = Command::new(&python).arg(script).arg(folder).args([list, &ROUNDS.to_string()]).output();
    let Some(output) = ran.ok().filter(|output| output.status.success()) else {
        println!("{python} has no pyarrow or no duckdb; set BENCH_PYTHON to one that has both");
        return BTreeMap::new();
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0].to_owned(), (words[1].parse().unwrap(), words[2].parse().unwrap()))
    };
    text.lines().map(parse).collect()
}
