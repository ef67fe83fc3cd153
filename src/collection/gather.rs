//! What users get of rows that were found: their keys in order, the output fields as columns, and the room that all of it
//! takes in the database's memory.

use crate::batch::values_of_key;
use crate::collection::core::Core;
use crate::collection::merge::{Found, Target};
use crate::collection::query::Limit;
use crate::collection::types::{Output, QueryResult};
use crate::error::{Code, Error, Result};
use crate::schema::DataType;
use crate::segment::{Key, Lengths, Reservation, Run, copy_runs};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, new_empty_array};
use arrow_schema::{Field as ArrowField, Schema as ArrowSchema};
use std::cmp::Reverse;
use std::sync::Arc;

/// Results and lists of rows that take no more bytes than this are not counted: most calls never ask for room.
const SMALL: u64 = 64 << 10;
/// Bytes of a row beside its output fields: key, score, place and, in C, the row's part of each array of offsets.
const ROW: usize = 32;
/// Bytes of a key that is a text beside its characters, which C has a copy of with a NUL.
const TEXT_KEY: usize = 40;
/// Most bytes of texts or elements in one column of a result, whose offsets are of 31 bits.
const MAX_VARIABLE: u64 = i32::MAX as u64;
/// Rows that are looked at before the smallest keys among them are first picked.
const AT_LEAST: usize = 1024;

/// A key and its row, the newest first: target and row in it.
pub type Ordered<'t> = (Key<'t>, Reverse<(u32, u32)>);

/// Where rows are, as target and row, and the room that the list takes.
pub struct Places {
    pub list: Vec<(u32, u32)>,
    _memory: Option<Reservation>,
}

/// The columns of a result, and the room that it takes.
pub struct Columns {
    pub batch: RecordBatch,
    pub memory: Option<Reservation>,
}

impl Core {
    /// Takes `bytes` of the memory for `what`, or fails with the sizes; little is not counted.
    pub fn room(&self, bytes: usize, what: impl FnOnce() -> String) -> Result<Option<Reservation>> {
        let bytes = bytes as u64;
        if bytes <= SMALL {
            return Ok(None);
        }
        self.store.shared.memory.reserve(bytes, &what()).map(Some)
    }

    /// Where the live rows are, in the order of their keys; of the rows of one key the newest. The first `skipped` are passed
    /// over, and at most `most` are given.
    pub fn in_order(&self, targets: &[Target], skipped: usize, most: usize) -> Result<Places> {
        let most = most.saturating_add(skipped);
        let (live, bytes) = (live(targets), capacity(targets, most) * size_of::<Ordered>());
        let mut memory = self.room(bytes, || format!("putting {live} rows in the order of their keys"))?;
        let rows = smallest(targets, most).into_iter().skip(skipped);
        let mut list: Vec<(u32, u32)> = rows.map(|(_, Reverse(place))| place).collect();
        list.shrink_to_fit();
        if let Some(memory) = &mut memory {
            memory.resize(size_of_val(&*list) as u64);
        }
        Ok(Places { list, _memory: memory })
    }

    /// The rows at those places, as a query gives them.
    pub fn rows_at(
        &self,
        output: &[Output],
        targets: &[Target],
        places: &[(u32, u32)],
        limit: &Limit,
    ) -> Result<QueryResult> {
        let found: Vec<Found> =
            places.iter().map(|&(target, row)| Found { score: 0.0, target, row }).collect();
        let columns = self.columns(output, targets, found.iter(), found.len(), ("query", limit))?;
        let ids = self.key_column(found.iter().map(|hit| key(targets, hit)));
        Ok(QueryResult { ids, columns: columns.batch, memory: columns.memory })
    }

    /// The output fields of rows that were found, within the time of a call. The room is for the whole of the result.
    pub fn columns<'a>(
        &self,
        output: &[Output],
        targets: &[Target],
        found: impl Iterator<Item = &'a Found> + Clone,
        total: usize,
        (what, limit): (&str, &Limit),
    ) -> Result<Columns> {
        let bytes = self.result_bytes(output, targets, found.clone(), total)?;
        let places = if output.is_empty() { 0 } else { total * (size_of::<Run>() + size_of::<Found>()) };
        let mut memory = self.room(bytes + places, || format!("the result of a {what} with {total} rows"))?;
        let run = |hit: &Found| Run {
            source: hit.target as usize,
            start: hit.row as usize,
            end: hit.row as usize + 1,
        };
        let runs: Vec<Run> = if output.is_empty() { Vec::new() } else { found.map(run).collect() };
        let mut go_on = || match limit.is_over() {
            false => Ok(()),
            true => limit.check(what),
        };
        let mut fields: Vec<ArrowField> = Vec::with_capacity(output.len());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(output.len());
        for Output { place, key } in output {
            let field = &self.schema.fields()[*place];
            let array = match runs.is_empty() {
                true => new_empty_array(&field.arrow_type()),
                false => copy_runs(&columns_at(targets, *place), &runs, &mut go_on)?,
            };
            match key {
                None => {
                    fields.push(field.arrow_field());
                    arrays.push(array);
                }
                Some(key) => {
                    fields.push(ArrowField::new(key, field.arrow_type(), true));
                    arrays.push(values_of_key(&array, key));
                }
            }
        }
        if let Some(memory) = &mut memory {
            memory.resize(bytes as u64);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(total));
        let batch = RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), arrays, &options)
            .map_err(|e| Error::internal(format!("output columns: {e}")))?;
        Ok(Columns { batch, memory })
    }

    /// Bytes of a result of those rows.
    fn result_bytes<'a>(
        &self,
        output: &[Output],
        targets: &[Target],
        found: impl Iterator<Item = &'a Found> + Clone,
        total: usize,
    ) -> Result<usize> {
        let mut bytes = total * ROW;
        if self.schema.primary().data_type == DataType::VarChar {
            bytes += found.clone().map(|hit| TEXT_KEY + 2 * key(targets, hit).text().len()).sum::<usize>();
        }
        for Output { place, .. } in output {
            let field = &self.schema.fields()[*place];
            bytes += field.fixed_bytes() * total;
            if !matches!(field.data_type, DataType::VarChar | DataType::Json | DataType::Array) {
                continue;
            }
            let lengths: Vec<Lengths> = columns_at(targets, *place).into_iter().map(Lengths::new).collect();
            let length =
                |hit: &Found| lengths[hit.target as usize].of(hit.row as usize, hit.row as usize + 1);
            let variable: u64 = found.clone().map(length).sum();
            if variable > MAX_VARIABLE {
                return Err(Error::new(
                    Code::MemoryLimit,
                    format!(
                        "field {} has {variable} bytes in the {total} rows of the result; a result has at most \
                         {MAX_VARIABLE} bytes of one field",
                        field.name
                    ),
                ));
            }
            bytes += variable as usize;
        }
        Ok(bytes)
    }

    /// Primary keys as a column.
    pub fn key_column<'k>(&self, keys: impl Iterator<Item = Key<'k>>) -> ArrayRef {
        match self.schema.primary().data_type {
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(keys.map(Key::int))),
            _ => Arc::new(StringArray::from_iter_values(keys.map(Key::text))),
        }
    }
}

/// The column of a field in each of the segments.
fn columns_at(targets: &[Target], place: usize) -> Vec<&ArrayRef> {
    targets.iter().map(|target| target.rows.batch().column(place)).collect()
}

/// The key of a row that was found.
pub fn key<'t>(targets: &'t [Target], hit: &Found) -> Key<'t> {
    targets[hit.target as usize].rows.key(hit.row as usize)
}

fn live(targets: &[Target]) -> usize {
    targets.iter().map(|target| target.live.count()).sum()
}

/// How many rows are held at a time to find the `most` smallest keys.
fn capacity(targets: &[Target], most: usize) -> usize {
    live(targets).min(most.saturating_mul(2).max(AT_LEAST))
}

/// The live rows of the `most` smallest keys in their order; of the rows of one key the newest.
fn smallest(targets: &[Target], most: usize) -> Vec<Ordered<'_>> {
    let capacity = capacity(targets, most);
    let mut picked = Smallest { rows: Vec::with_capacity(capacity), most, capacity, last: None };
    for (number, target) in (0u32..).zip(targets) {
        match target.rows.keys().as_primitive_opt::<Int64Type>() {
            Some(keys) => picked.look_at(number, target, |row| Key::Int(keys.values()[row])),
            None => picked.look_at(number, target, |row| target.rows.key(row)),
        }
    }
    picked.pick();
    picked.rows
}

/// The rows of the smallest keys so far, and some that came since they were last picked.
struct Smallest<'t> {
    rows: Vec<Ordered<'t>>,
    most: usize,
    capacity: usize,
    /// No greater key is among the smallest.
    last: Option<Key<'t>>,
}

impl<'t> Smallest<'t> {
    fn look_at(&mut self, number: u32, target: &'t Target, key: impl Fn(usize) -> Key<'t>) {
        for (start, end) in target.live.runs() {
            for row in start..end {
                let key = key(row);
                if self.last.is_some_and(|last| key > last) {
                    continue;
                }
                if self.rows.len() == self.capacity {
                    self.pick();
                }
                self.rows.push((key, Reverse((number, row as u32))));
            }
        }
    }

    fn pick(&mut self) {
        self.rows.sort_unstable();
        self.rows.dedup_by_key(|(key, _)| *key);
        self.rows.truncate(self.most);
        if self.rows.len() == self.most {
            self.last = self.rows.last().map(|(key, _)| *key);
        }
    }
}

#[cfg(test)]
mod tests;
