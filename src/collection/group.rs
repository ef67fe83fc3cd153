//! Search by groups: of the rows that have one value in a field, the best is a hit, and the others are none.

use crate::collection::merge::{Batch, Found, Merger, Target};
use crate::collection::request::MAX_TOPK;
use crate::error::Result;
use crate::segment::Key;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use std::collections::HashSet;
use std::sync::atomic::Ordering;

/// How many hits are asked for at first, for each group that is wanted; and how many more each time after.
const HITS_PER_GROUP: usize = 4;
/// Beyond so many hits, the groups that were found are taken out of what is searched.
const MANY: usize = 1024;

/// A search whose hits differ in the values of a field.
pub struct Groups<'a> {
    pub merger: &'a Merger<'a>,
    /// The place of the field.
    pub place: usize,
}

impl Groups<'_> {
    /// The best rows of the `k` best groups, for each query.
    pub fn search(&self, queries: Batch, k: usize) -> Result<Vec<Vec<Found>>> {
        (0..queries.count()).map(|i| self.search_one(queries.slice(i..i + 1), k)).collect()
    }

    fn search_one(&self, query: Batch, k: usize) -> Result<Vec<Found>> {
        let all = self.merger.targets;
        let mut targets = Vec::from(all);
        let (mut found, mut groups, mut keys) = (Vec::new(), HashSet::new(), HashSet::new());
        let mut wanted = k.saturating_mul(HITS_PER_GROUP).min(MAX_TOPK);
        loop {
            let merger = Merger { targets: &targets, ..*self.merger };
            let hits = merger.search(query, wanted)?.pop().unwrap_or_default();
            for hit in &hits {
                let (target, row) = (&all[hit.target as usize], hit.row as usize);
                // Another row of a key that was found is no hit, and says nothing about its group.
                let key = target.rows.key(row);
                if !keys.contains(&key) && groups.insert(self.value(target, row)) {
                    keys.insert(key);
                    found.push(*hit);
                }
            }
            if found.len() >= k || hits.len() < wanted || merger.stop.load(Ordering::Relaxed) {
                break;
            }
            if wanted >= MANY {
                for (target, all) in targets.iter_mut().zip(all) {
                    let is_new = |row: usize| {
                        target.live.is_live(row)
                            && !groups.contains(&self.value(all, row))
                            && !keys.contains(&all.rows.key(row))
                    };
                    let new = BooleanBuffer::collect_bool(target.live.len(), is_new);
                    target.live = target.live.kept(&new);
                }
            }
            wanted = wanted.saturating_mul(HITS_PER_GROUP).min(MAX_TOPK);
        }
        found.sort_by(|a, b| a.score.total_cmp(&b.score));
        found.truncate(k);
        Ok(found)
    }

    fn value<'t>(&self, target: &'t Target, row: usize) -> Option<Key<'t>> {
        value(target.rows.batch().column(self.place), row)
    }
}

/// The value at `row` of a column that can be grouped by; a null is a value of its own.
fn value(column: &ArrayRef, row: usize) -> Option<Key<'_>> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Boolean => Key::Int(column.as_boolean().value(row).into()),
        DataType::Int8 => Key::Int(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Key::Int(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Key::Int(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Key::Int(column.as_primitive::<Int64Type>().value(row)),
        _ => Key::Text(column.as_string::<i32>().value(row)),
    })
}
