//! The rows of the smallest keys, beside a sort of all of them.

use super::*;
use crate::schema::Schema;
use crate::segment::{Live, Rows};
use arrow_array::{FixedSizeBinaryArray, RecordBatch};

/// A segment of rows of those keys, of which those at `dead` places are dead.
fn target(keys: &[i64], as_texts: bool, dead: &[u32]) -> Target {
    let kind = if as_texts { r#""VarChar","max_length":9"# } else { r#""Int64""# };
    let schema = Schema::from_json(&format!(
        r#"{{"fields":[{{"name":"k","data_type":{kind},"is_primary":true}},{{"name":"v","data_type":"BinaryVector","dim":8}}]}}"#
    ))
    .unwrap();
    let ids: ArrayRef = match as_texts {
        true => Arc::new(StringArray::from_iter_values(keys.iter().map(|key| format!("{key:05}")))),
        false => Arc::new(Int64Array::from(keys.to_vec())),
    };
    let vectors: ArrayRef = Arc::new(FixedSizeBinaryArray::new(1, vec![0u8; keys.len()].into(), None));
    let batch = RecordBatch::try_new(schema.arrow().clone(), vec![ids, vectors]).unwrap();
    let rows = Arc::new(Rows::new(&schema, batch, None));
    Target { rows, live: Live::all(keys.len()).without(dead), index: None }
}

#[test]
fn smallest_keys_and_their_newest_rows() {
    // Descending, so that each row is smaller than all before; repeated within a segment and between them.
    let first: Vec<i64> = (0..3000).rev().map(|i| i % 2500).collect();
    let second: Vec<i64> = (0..2000).map(|i| i * 7 % 2000).collect();
    for as_texts in [false, true] {
        let targets = [target(&first, as_texts, &[2999, 2998, 0]), target(&second, as_texts, &[0, 5])];
        let mut all: Vec<Ordered> = Vec::new();
        for (number, target) in (0u32..).zip(&targets) {
            let live = (0..target.live.len()).filter(|&row| target.live.is_live(row));
            all.extend(live.map(|row| (target.rows.key(row), Reverse((number, row as u32)))));
        }
        all.sort();
        all.dedup_by_key(|(key, _)| *key);
        for most in [0, 1, 2, 511, 512, 513, 1500, 4000, usize::MAX] {
            let expected = &all[..most.min(all.len())];
            assert!(smallest(&targets, most) == expected, "{most} {as_texts}");
        }
    }
    assert!(smallest(&[], 5).is_empty());
}

#[test]
fn a_limit_keeps_few_rows() {
    let targets = [target(&(0..10_000).collect::<Vec<_>>(), false, &[])];
    assert_eq!(capacity(&targets, 10), AT_LEAST);
    assert_eq!(capacity(&targets, 2000), 4000);
    assert_eq!(capacity(&targets, usize::MAX), 10_000);
    assert_eq!(smallest(&targets, 10).capacity(), AT_LEAST);
}
