//! Rows as the plain buffers of Arrow's layout, and back, with every length checked before it is believed.

use crate::batch;
use crate::error::{Error, Result};
use crate::schema::{DataType, Field, Schema, float_item};
use crate::storage::residence;
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::{Buffer, bit_util};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::Schema as ArrowSchema;
use std::sync::Arc;

/// The buffers of every column in order: of a nullable one first a bit a row that has a value, empty where all have;
/// then values, or offsets (from 0) and texts, or offsets and the buffers of the elements. Rows must be in the one form of
/// [`crate::batch::canonical`]; of rows from before the schema grew, there are the columns that they have.
pub fn buffers(schema: &Schema, rows: &RecordBatch) -> Vec<Buffer> {
    let mut out = Vec::new();
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        of_column(field, column, &mut out);
    }
    out
}

fn of_column(field: &Field, column: &ArrayRef, out: &mut Vec<Buffer>) {
    if field.nullable {
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        out.push(nulls.map_or(Buffer::from_vec(Vec::<u8>::new()), |nulls| nulls.inner().sliced()));
    }
    values(field, column, out);
}

fn values(field: &Field, column: &ArrayRef, out: &mut Vec<Buffer>) {
    let from_zero = |offsets: &[i32]| offsets.iter().map(|offset| offset - offsets[0]).collect();
    let ends = |offsets: &[i32]| (offsets[0] as usize, (offsets[offsets.len() - 1] - offsets[0]) as usize);
    match field.data_type {
        DataType::Bool => out.push(column.as_boolean().values().sliced()),
        DataType::VarChar | DataType::Json => {
            let texts = column.as_string::<i32>();
            let (first, length) = ends(texts.value_offsets());
            out.push(from_zero(texts.value_offsets()));
            out.push(texts.values().slice_with_length(first, length));
        }
        DataType::Array => {
            let lists = column.as_list::<i32>();
            let (first, length) = ends(lists.value_offsets());
            out.push(from_zero(lists.value_offsets()));
            if let Some(element) = field.element() {
                values(&element, &lists.values().slice(first, length), out);
            }
        }
        DataType::FloatVector => {
            let lists = column.as_fixed_size_list();
            let floats = lists.values().as_primitive::<Float32Type>().values();
            let bytes = floats.slice(lists.value_offset_at(0), lists.len() * field.dim);
            out.push(bytes.into_inner());
        }
        _ => {
            let data = column.to_data();
            let width = field.fixed_bytes();
            out.push(data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width));
        }
    }
}

/// How many buffers [`buffers`] gives for the first `columns` columns.
pub fn buffer_count(schema: &Schema, columns: usize) -> usize {
    schema.fields().iter().take(columns).map(|field| usize::from(field.nullable) + value_buffers(field)).sum()
}

/// How many buffers hold a field's values.
pub fn value_buffers(field: &Field) -> usize {
    match field.data_type {
        DataType::VarChar | DataType::Json => 2,
        DataType::Array => 1 + field.element().as_ref().map_or(0, value_buffers),
        _ => 1,
    }
}

/// A column of the same values whose buffers are in memory of its own.
pub fn copied(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    let mut buffers = Vec::new();
    of_column(field, column, &mut buffers);
    let copies: Vec<Buffer> =
        buffers.iter().map(|buffer| residence::copied(buffer)).collect::<Result<_>>()?;
    self::column(field, column.len(), &mut copies.into_iter()).map(make_array)
}

/// Rows of such buffers for the first `columns` columns, which they share; the buffers may be longer than needed. Columns
/// that the schema got later are filled.
pub fn assemble(
    schema: &Schema,
    columns: usize,
    rows: usize,
    buffers: impl IntoIterator<Item = Buffer>,
) -> Result<RecordBatch> {
    batch::widened(schema, assemble_first(schema, columns, rows, buffers)?)
}

/// The same of the first `columns` columns alone.
pub fn assemble_first(
    schema: &Schema,
    columns: usize,
    rows: usize,
    buffers: impl IntoIterator<Item = Buffer>,
) -> Result<RecordBatch> {
    if !schema.can_begin_with(columns) {
        let fields = schema.fields().len();
        return Err(Error::corrupt(format!("{columns} columns, the schema has {fields} fields")));
    }
    let mut buffers = buffers.into_iter();
    let fields = &schema.fields()[..columns];
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns);
    for field in fields {
        let data = column(field, rows, &mut buffers)?;
        arrays.push(make_array(data));
    }
    let arrow = match columns == schema.fields().len() {
        true => schema.arrow().clone(),
        false => Arc::new(ArrowSchema::new(fields.iter().map(Field::arrow_field).collect::<Vec<_>>())),
    };
    RecordBatch::try_new(arrow, arrays).map_err(|e| Error::corrupt(e.to_string()))
}

fn column(field: &Field, rows: usize, buffers: &mut dyn Iterator<Item = Buffer>) -> Result<ArrayData> {
    let mut validity = None;
    if field.nullable {
        let bits = buffers.next().ok_or_else(|| missing(field))?;
        if !bits.is_empty() || rows == 0 {
            validity = Some(exactly(field, bits, Some(bit_util::ceil(rows, 8)))?);
        }
    }
    let data = value(field, rows, buffers)?.null_bit_buffer(validity);
    // `build` checks everything: offsets, texts, lengths of children.
    data.align_buffers(true).build().map_err(|e| damaged(field, e))
}

/// The values of a column, not checked yet.
fn value(field: &Field, rows: usize, buffers: &mut dyn Iterator<Item = Buffer>) -> Result<ArrayDataBuilder> {
    let first = buffers.next().ok_or_else(|| missing(field))?;
    let data = ArrayData::builder(field.arrow_type()).len(rows);
    let offset_bytes = rows.checked_add(1).and_then(|n| n.checked_mul(4));
    Ok(match field.data_type {
        DataType::VarChar | DataType::Json => {
            let texts = buffers.next().ok_or_else(|| missing(field))?;
            data.add_buffer(exactly(field, first, offset_bytes)?).add_buffer(texts)
        }
        DataType::Array => {
            let offsets = exactly(field, first, offset_bytes)?;
            let last = offsets.last_chunk::<4>().map_or(0, |last| i32::from_le_bytes(*last));
            let elements = usize::try_from(last)
                .map_err(|_| Error::corrupt(format!("the column {} has a negative offset", field.name)))?;
            let element = field.element().ok_or_else(|| missing(field))?;
            let elements = value(&element, elements, buffers)?.align_buffers(true).build();
            data.add_buffer(offsets).add_child_data(elements.map_err(|e| damaged(field, e))?)
        }
        DataType::FloatVector => {
            let bytes = exactly(field, first, rows.checked_mul(field.fixed_bytes()))?;
            // The multiplication cannot overflow: the bytes did not.
            let floats = ArrayData::builder(float_item().data_type().clone()).len(rows * field.dim);
            let floats = floats.add_buffer(bytes).align_buffers(true).build();
            data.add_child_data(floats.map_err(|e| damaged(field, e))?)
        }
        DataType::Bool => data.add_buffer(exactly(field, first, Some(bit_util::ceil(rows, 8)))?),
        _ => data.add_buffer(exactly(field, first, rows.checked_mul(field.fixed_bytes()))?),
    })
}

fn exactly(field: &Field, buffer: Buffer, bytes: Option<usize>) -> Result<Buffer> {
    match bytes.filter(|&bytes| bytes <= buffer.len()) {
        Some(bytes) => Ok(buffer.slice_with_length(0, bytes)),
        None => {
            Err(Error::corrupt(format!("the column {} is too short: {} bytes", field.name, buffer.len())))
        }
    }
}

fn missing(field: &Field) -> Error {
    Error::corrupt(format!("the column {} is missing", field.name))
}

fn damaged(field: &Field, error: arrow_schema::ArrowError) -> Error {
    Error::corrupt(format!("the column {}: {error}", field.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::rows::tests::{batch, schema, sparse_batch, sparse_schema};

    #[test]
    fn rows_come_back_without_a_copy() {
        let rows = batch(&(0..77).collect::<Vec<_>>());
        for rows in [rows.clone(), rows.slice(13, 21), rows.slice(3, 0)] {
            let raw = buffers(&schema(), &rows);
            assert_eq!(raw.len(), buffer_count(&schema(), 10));
            let again = assemble(&schema(), 10, rows.num_rows(), raw.clone()).unwrap();
            assert_eq!(again, rows);
            assert_eq!(again.column(0).to_data().buffers()[0].as_ptr(), raw[0].as_ptr());
        }
    }

    #[test]
    fn nulls_and_arrays_come_back() {
        let (schema, rows) = (sparse_schema(), sparse_batch(&(0..77).collect::<Vec<_>>()));
        let columns = schema.fields().len();
        for rows in [rows.clone(), rows.slice(13, 21), rows.slice(1, 2), rows.slice(3, 0)] {
            let raw = buffers(&schema, &rows);
            assert_eq!(raw.len(), buffer_count(&schema, columns));
            assert_eq!(assemble(&schema, columns, rows.num_rows(), raw.clone()).unwrap(), rows);
            for (field, column) in schema.fields().iter().zip(rows.columns()) {
                let copy = copied(field, column).unwrap();
                assert_eq!(&copy, column);
                let starts =
                    |column: &ArrayRef| column.to_data().buffers().iter().map(|b| b.as_ptr()).collect();
                let (own, others): (Vec<_>, Vec<_>) = (starts(&copy), starts(column));
                assert!(own.iter().all(|start| !others.contains(start)), "{}", field.name);
            }
            for at in 0..raw.len() {
                assert!(assemble(&schema, columns, rows.num_rows(), raw[..at].to_vec()).is_err());
                let mut short = raw.clone();
                // An empty bitmap means that nothing is null.
                if raw[at].len() > 1 {
                    short[at] = short[at].slice_with_length(0, raw[at].len() - 1);
                    assert!(assemble(&schema, columns, rows.num_rows(), short).is_err(), "buffer {at}");
                }
            }
        }
    }

    #[test]
    fn offsets_that_lie_are_errors() {
        let (schema, rows) = (sparse_schema(), sparse_batch(&(1..9).collect::<Vec<_>>()));
        let columns = schema.fields().len();
        let raw = buffers(&schema, &rows);
        for at in 0..raw.len() {
            for place in 0..raw[at].len() {
                for bit in [0x01, 0x80, 0xff] {
                    let mut bytes = raw[at].to_vec();
                    bytes[place] ^= bit;
                    let mut changed = raw.clone();
                    changed[at] = Buffer::from_vec(bytes);
                    // Refused, or rows that can be read to the end.
                    if let Ok(read) = assemble(&schema, columns, rows.num_rows(), changed) {
                        let _ = buffers(&schema, &read);
                    }
                }
            }
        }
        for columns in [0, 3, columns - 1, columns + 1, usize::MAX] {
            assert!(assemble(&schema, columns, rows.num_rows(), raw.clone()).is_err(), "{columns}");
        }
    }

    #[test]
    fn short_or_missing_buffers_are_errors() {
        let rows = batch(&[1, 2, 3]);
        let raw = buffers(&schema(), &rows);
        for at in 0..raw.len() {
            assert!(assemble(&schema(), 10, 3, raw[..at].to_vec()).is_err());
            let mut short = raw.clone();
            short[at] = short[at].slice_with_length(0, short[at].len() - 1);
            assert!(assemble(&schema(), 10, 3, short).is_err(), "buffer {at}");
        }
        assert!(assemble(&schema(), 10, usize::MAX, raw.clone()).is_err());
        assert!(assemble(&schema(), 10, 1 << 60, raw).is_err());
    }
}
