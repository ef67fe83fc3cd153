//! Rows that never change, in memory or mapped; finding them by primary key, and gathering them into new columns.

use crate::batch;
use crate::error::{Error, Result};
use crate::filter::Cache;
use crate::index::vectors::{BinaryVectors, FloatVectors, Vectors};
use crate::schema::{DataType, Schema};
use crate::segment::Reservation;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::ScalarBuffer;
use arrow_data::transform::MutableArrayData;
use arrow_schema::SchemaRef;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

/// A primary key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key<'a> {
    Int(i64),
    Text(&'a str),
}

impl<'a> Key<'a> {
    /// The key at `row` of a column of keys (Int64Array or StringArray).
    pub fn at(keys: &'a ArrayRef, row: usize) -> Key<'a> {
        match keys.as_primitive_opt::<Int64Type>() {
            Some(ints) => Key::Int(ints.value(row)),
            None => Key::Text(keys.as_string::<i32>().value(row)),
        }
    }

    /// The number; 0 for a text.
    pub fn int(self) -> i64 {
        match self {
            Key::Int(key) => key,
            Key::Text(_) => 0,
        }
    }

    /// The text; empty for a number.
    pub fn text(self) -> &'a str {
        match self {
            Key::Int(_) => "",
            Key::Text(key) => key,
        }
    }
}

/// A batch of rows in the one form of [`batch::canonical`].
pub struct Rows {
    batch: RecordBatch,
    primary: usize,
    vectors: Vectors,
    /// Rows by their keys, made when the first key is looked up.
    order: OnceLock<Order>,
    bytes: u64,
    /// What filters said of them, where that is kept.
    filters: Option<Arc<Cache>>,
    memory: Option<Reservation>,
}

enum Order {
    /// The keys ascend already.
    Rows,
    Sorted(Vec<u32>),
}

impl Rows {
    /// `memory` is what they take, where they are not mapped.
    pub fn new(schema: &Schema, batch: RecordBatch, memory: Option<Reservation>) -> Rows {
        let bytes = batch::bytes(schema, &batch);
        let vectors = vectors_of(schema, &batch);
        let (primary, order, filters) = (schema.primary_at(), OnceLock::new(), None);
        Rows { primary, vectors, order, bytes, batch, filters, memory }
    }

    /// Bytes of them that count as memory in use.
    pub fn memory(&self) -> u64 {
        self.memory.as_ref().map_or(0, Reservation::bytes)
    }

    /// The same, with what filters say of them kept in `filters`, which is empty.
    pub fn with_filters(self, filters: Arc<Cache>) -> Rows {
        Rows { filters: Some(filters), ..self }
    }

    /// What filters said of the rows, where that is kept.
    pub fn filters(&self) -> Option<&Cache> {
        self.filters.as_deref()
    }

    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// Bytes of values and texts.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The column at place `at` of the schema.
    pub fn column(&self, at: usize) -> Result<&ArrayRef> {
        let column = self.batch.columns().get(at);
        column.ok_or_else(|| Error::internal(format!("the rows have no column {at}")))
    }

    /// The column of vectors.
    pub fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    /// The column of primary keys.
    pub fn keys(&self) -> &ArrayRef {
        self.batch.column(self.primary)
    }

    pub fn key(&self, row: usize) -> Key<'_> {
        Key::at(self.keys(), row)
    }

    /// Adds the rows of that key to `found`.
    pub fn find(&self, key: Key, found: &mut Vec<u32>) {
        let order = self.order.get_or_init(|| self.sort());
        let row_at = |place: usize| match order {
            Order::Rows => place as u32,
            Order::Sorted(rows) => rows[place],
        };
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.key(row_at(middle) as usize).cmp(&key) {
                Ordering::Less => low = middle + 1,
                _ => high = middle,
            }
        }
        let equal = (low..self.len()).map(row_at).take_while(|&row| self.key(row as usize) == key);
        found.extend(equal);
    }

    fn sort(&self) -> Order {
        if (1..self.len()).all(|row| self.key(row - 1) <= self.key(row)) {
            return Order::Rows;
        }
        let mut rows: Vec<u32> = (0..self.len() as u32).collect();
        match self.keys().as_primitive_opt::<Int64Type>() {
            Some(ints) => rows.sort_unstable_by_key(|&row| (ints.value(row as usize), row)),
            None => rows.sort_unstable_by_key(|&row| (self.key(row as usize), row)),
        }
        Order::Sorted(rows)
    }
}

/// The one field of vectors that every schema has.
fn vectors_of(schema: &Schema, batch: &RecordBatch) -> Vectors {
    let at = schema.vector_at();
    let field = &schema.fields()[at];
    let column = batch.column(at);
    if field.data_type == DataType::BinaryVector {
        let column = column.as_fixed_size_binary();
        let stride = field.dim / 8;
        let bytes = column.values().slice_with_length(column.offset() * stride, column.len() * stride);
        return BinaryVectors::new(bytes, stride).into();
    }
    let lists = column.as_fixed_size_list();
    let values: &ScalarBuffer<f32> = lists.values().as_primitive::<Float32Type>().values();
    FloatVectors::new(values.slice(lists.value_offset_at(0), lists.len() * field.dim), field.dim).into()
}

/// Consecutive rows of one of several sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

/// Copies `runs` of rows into one batch of all columns.
pub fn gather(schema: &SchemaRef, sources: &[&RecordBatch], runs: &[Run]) -> Result<RecordBatch> {
    gather_in_steps(schema, sources, runs, &mut || Ok(()))
}

/// The same; asks `go_on` after every run, whose error ends it.
pub(super) fn gather_in_steps(
    schema: &SchemaRef,
    sources: &[&RecordBatch],
    runs: &[Run],
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<RecordBatch> {
    let mut gathered = Vec::with_capacity(schema.fields().len());
    for at in 0..schema.fields().len() {
        let columns: Vec<&ArrayRef> = sources.iter().map(|source| source.column(at)).collect();
        gathered.push(copy_runs(&columns, runs, go_on)?);
    }
    RecordBatch::try_new(schema.clone(), gathered)
        .map_err(|e| Error::internal(format!("gathered columns: {e}")))
}

/// Copies `runs` of one column. `sources` must not be empty.
pub fn gather_column(sources: &[&ArrayRef], runs: &[Run]) -> Result<ArrayRef> {
    copy_runs(sources, runs, &mut || Ok(()))
}

/// The same; asks `go_on` after every run, whose error ends it.
pub fn copy_runs(
    sources: &[&ArrayRef],
    runs: &[Run],
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<ArrayRef> {
    let data: Vec<_> = sources.iter().map(|source| source.to_data()).collect();
    let rows = runs.iter().map(|run| run.end - run.start).sum();
    let failed = |e| Error::internal(format!("cannot gather {rows} rows: {e}"));
    let mut out = MutableArrayData::try_new(data.iter().collect(), false, rows).map_err(failed)?;
    for run in runs {
        out.try_extend(run.source, run.start, run.end).map_err(failed)?;
        go_on()?;
    }
    Ok(make_array(out.freeze()))
}

/// What the rows of a column take beside its fixed bytes: their texts or elements.
pub struct Lengths<'a> {
    /// Where the texts or elements of each row begin; `None` for a column without any.
    rows: Option<&'a [i32]>,
    /// Bytes of a character, or of an element without its text.
    width: u64,
    /// Where the texts of elements begin.
    elements: Option<&'a [i32]>,
}

impl<'a> Lengths<'a> {
    pub fn new(column: &'a ArrayRef) -> Lengths<'a> {
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Lengths { rows: Some(texts.value_offsets()), width: 1, elements: None };
        }
        let Some(lists) = column.as_list_opt::<i32>() else {
            return Lengths { rows: None, width: 0, elements: None };
        };
        let elements = lists.values().as_string_opt::<i32>().map(|texts| texts.value_offsets());
        let offset = elements.map_or(1, |_| size_of::<i32>());
        let width = lists.values().data_type().primitive_width().unwrap_or(offset) as u64;
        Lengths { rows: Some(lists.value_offsets()), width, elements }
    }

    /// Bytes of the rows from `start` to before `end`.
    pub fn of(&self, start: usize, end: usize) -> u64 {
        let Some(rows) = self.rows else { return 0 };
        let (first, last) = (rows[start], rows[end]);
        let texts = self.elements.map_or(0, |texts| texts[last as usize] - texts[first as usize]);
        (last - first) as u64 * self.width + texts as u64
    }
}

/// One after the other, all rows of `sources`.
pub(super) fn concat(schema: &Schema, sources: &[&Rows]) -> Result<RecordBatch> {
    let batches: Vec<&RecordBatch> = sources.iter().map(|rows| &rows.batch).collect();
    let runs: Vec<Run> = batches
        .iter()
        .enumerate()
        .map(|(source, batch)| Run { source, start: 0, end: batch.num_rows() })
        .collect();
    gather(schema.arrow(), &batches, &runs)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use arrow_array::builder::{BooleanBuilder, Int16Builder, ListBuilder, StringBuilder};
    use arrow_array::{
        BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array, Int8Array,
        Int16Array, Int32Array, Int64Array, StringArray,
    };
    use std::sync::Arc;

    /// A schema of every scalar type and a float vector, with an Int64 key.
    pub(crate) fn schema() -> Schema {
        Schema::from_json(
            r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"b","data_type":"Bool"},
            {"name":"i8","data_type":"Int8"},{"name":"i16","data_type":"Int16"},{"name":"i32","data_type":"Int32"},
            {"name":"f","data_type":"Float"},{"name":"d","data_type":"Double"},
            {"name":"t","data_type":"VarChar","max_length":20},{"name":"j","data_type":"JSON"},
            {"name":"v","data_type":"FloatVector","dim":3}]}"#,
        )
        .unwrap()
    }

    /// Rows of that schema, their other values made from the keys.
    pub(crate) fn batch(keys: &[i64]) -> RecordBatch {
        let vectors: Vec<f32> = keys.iter().flat_map(|&k| [k as f32, 0.5, -1.0]).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(keys.to_vec())),
            Arc::new(BooleanArray::from_iter(keys.iter().map(|k| Some(k % 3 == 0)))),
            Arc::new(Int8Array::from_iter_values(keys.iter().map(|&k| k as i8))),
            Arc::new(Int16Array::from_iter_values(keys.iter().map(|&k| k as i16))),
            Arc::new(Int32Array::from_iter_values(keys.iter().map(|&k| k as i32))),
            Arc::new(Float32Array::from_iter_values(keys.iter().map(|&k| k as f32))),
            Arc::new(Float64Array::from_iter_values(keys.iter().map(|&k| k as f64))),
            Arc::new(StringArray::from_iter_values(keys.iter().map(|k| format!("text {k}")))),
            Arc::new(StringArray::from_iter_values(keys.iter().map(|k| format!("[{k}]")))),
            Arc::new(FixedSizeListArray::new(
                crate::schema::float_item(),
                3,
                Arc::new(Float32Array::from(vectors)),
                None,
            )),
        ];
        RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()
    }

    /// A schema of nullable fields of every type, and of arrays.
    pub(crate) fn sparse_schema() -> Schema {
        Schema::from_json(
            r#"{"enable_dynamic_field":true,"fields":[{"name":"id","data_type":"Int64","is_primary":true},
            {"name":"b","data_type":"Bool","nullable":true},{"name":"i","data_type":"Int32","nullable":true},
            {"name":"t","data_type":"VarChar","max_length":9,"nullable":true},
            {"name":"ab","data_type":"Array","element_type":"Bool","max_capacity":9},
            {"name":"ai","data_type":"Array","element_type":"Int16","max_capacity":9,"nullable":true},
            {"name":"at","data_type":"Array","element_type":"VarChar","max_length":9,"max_capacity":9,"nullable":true},
            {"name":"v","data_type":"FloatVector","dim":3}]}"#,
        )
        .unwrap()
    }

    /// Rows of that schema: those whose keys are multiples of three have nulls.
    pub(crate) fn sparse_batch(keys: &[i64]) -> RecordBatch {
        let given = |key: &i64| (key % 3 != 0).then_some(*key);
        let mut bools = ListBuilder::new(BooleanBuilder::new());
        let mut ints = ListBuilder::new(Int16Builder::new());
        let mut texts = ListBuilder::new(StringBuilder::new());
        for key in keys {
            let count = key % 4;
            (0..count).for_each(|at| bools.values().append_value((key + at) % 2 == 0));
            bools.append(true);
            if given(key).is_some() {
                (0..count).for_each(|at| ints.values().append_value((key + at) as i16));
                (0..count).for_each(|at| texts.values().append_value(format!("{key} {at}")));
            }
            ints.append(given(key).is_some());
            texts.append(given(key).is_some());
        }
        let plain = batch(keys);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", plain.column(0).clone()),
            (
                "b",
                Arc::new(BooleanArray::from_iter(keys.iter().map(|key| given(key).map(|key| key % 2 == 0)))),
            ),
            ("i", Arc::new(Int32Array::from_iter(keys.iter().map(|key| given(key).map(|key| key as i32))))),
            (
                "t",
                Arc::new(StringArray::from_iter(
                    keys.iter().map(|key| given(key).map(|key| format!("t{key}"))),
                )),
            ),
            ("ab", Arc::new(bools.finish())),
            ("ai", Arc::new(ints.finish())),
            ("at", Arc::new(texts.finish())),
            ("v", plain.column(9).clone()),
        ];
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        let given = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        batch::canonical(&sparse_schema(), &given, |_| Err(Error::internal("no ids"))).unwrap()
    }

    fn rows(keys: &[i64]) -> Rows {
        Rows::new(&schema(), batch(keys), None)
    }

    fn found(rows: &Rows, key: Key) -> Vec<u32> {
        let mut out = Vec::new();
        rows.find(key, &mut out);
        out.sort_unstable();
        out
    }

    #[test]
    fn every_row_of_a_key_is_found() {
        for keys in [vec![1, 2, 2, 2, 9], vec![9, 2, 1, 2, 2], vec![2, 2, 2], vec![]] {
            let rows = rows(&keys);
            for key in -1..11 {
                let expected: Vec<u32> =
                    (0..keys.len()).filter(|&i| keys[i] == key).map(|i| i as u32).collect();
                assert_eq!(found(&rows, Key::Int(key)), expected, "{keys:?} {key}");
            }
        }
    }

    fn floats(rows: &Rows) -> &FloatVectors {
        match rows.vectors() {
            Vectors::Float(vectors) => vectors,
            Vectors::Binary(_) => panic!("no float vectors"),
        }
    }

    fn binary(rows: &Rows) -> &BinaryVectors {
        match rows.vectors() {
            Vectors::Float(_) => panic!("no binary vectors"),
            Vectors::Binary(vectors) => vectors,
        }
    }

    #[test]
    fn text_keys() {
        let schema = Schema::from_json(
            r#"{"fields":[{"name":"k","data_type":"VarChar","max_length":9,"is_primary":true},
            {"name":"v","data_type":"BinaryVector","dim":8}]}"#,
        )
        .unwrap();
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["b", "", "a", "b"]));
        let vectors: ArrayRef = Arc::new(FixedSizeBinaryArray::new(1, vec![0u8; 4].into(), None));
        let batch = RecordBatch::try_new(schema.arrow().clone(), vec![keys, vectors]).unwrap();
        let rows = Rows::new(&schema, batch, None);
        assert_eq!(found(&rows, Key::Text("b")), [0, 3]);
        assert_eq!(found(&rows, Key::Text("")), [1]);
        assert_eq!(found(&rows, Key::Text("zz")), [0u32; 0]);
        assert_eq!(binary(&rows).len(), 4);
    }

    #[test]
    fn gathered_rows_of_every_type() {
        let (a, b) = (batch(&[1, 2, 3]), batch(&[10, 11, 12, 13]).slice(1, 3));
        let runs = [Run { source: 1, start: 1, end: 3 }, Run { source: 0, start: 0, end: 1 }];
        assert_eq!(gather(schema().arrow(), &[&a, &b], &runs).unwrap(), batch(&[12, 13, 1]));
        let (a, b) = (sparse_batch(&[1, 2, 3]), sparse_batch(&[10, 11, 12, 13]).slice(1, 3));
        assert_eq!(gather(sparse_schema().arrow(), &[&a, &b], &runs).unwrap(), sparse_batch(&[12, 13, 1]));
        let joined = concat(&schema(), &[&rows(&[4, 5]), &rows(&[6])]).unwrap();
        assert_eq!(joined, batch(&[4, 5, 6]));
        assert_eq!(floats(&Rows::new(&schema(), joined, None)).row(2), [6.0, 0.5, -1.0]);
    }

    #[test]
    fn lengths_of_rows() {
        let (plain, sparse) = (batch(&[1, 10, 100]).slice(1, 2), sparse_batch(&[1, 2, 3, 4]).slice(1, 3));
        for (schema, rows) in [(schema(), plain), (sparse_schema(), sparse)] {
            for (field, column) in schema.fields().iter().zip(rows.columns()) {
                let lengths = Lengths::new(column);
                for start in 0..column.len() {
                    let expected: u64 = batch::variable_bytes(&column.slice(start, column.len() - start));
                    assert_eq!(lengths.of(start, column.len()), expected, "{} {start}", field.name);
                }
            }
        }
    }

    #[test]
    fn vectors_of_a_slice_are_its_own() {
        let rows = Rows::new(&schema(), batch(&[1, 2, 3]).slice(1, 2), None);
        assert_eq!(floats(&rows).row(0)[0], 2.0);
        assert_eq!(rows.bytes(), batch::bytes(&schema(), &batch(&[2, 3])));
    }
}
