//! Rows as the plain buffers of Arrow's layout, and back, with every length checked before it is believed.

use crate::error::{Error, Result};
use crate::schema::{DataType, Field, Schema, float_item};
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_buffer::{Buffer, bit_util};
use arrow_data::ArrayData;
use arrow_schema::DataType as ArrowType;

/// The buffers of every column in order: values, or offsets (from 0) and texts. Rows must be in the one form of
/// [`crate::batch::canonical`].
pub fn buffers(schema: &Schema, rows: &RecordBatch) -> Vec<Buffer> {
    let mut out = Vec::new();
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        match field.data_type {
            DataType::Bool => out.push(column.as_boolean().values().sliced()),
            DataType::VarChar | DataType::Json => {
                let texts = column.as_string::<i32>();
                let offsets = texts.value_offsets();
                let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
                out.push(offsets.iter().map(|offset| offset - first).collect());
                out.push(texts.values().slice_with_length(first as usize, (last - first) as usize));
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
    out
}

/// How many buffers [`buffers`] gives.
pub fn buffer_count(schema: &Schema) -> usize {
    schema.fields().iter().map(|f| if is_text(f) { 2 } else { 1 }).sum()
}

/// Rows of such buffers, which they share; the buffers may be longer than needed.
pub fn assemble(
    schema: &Schema,
    rows: usize,
    buffers: impl IntoIterator<Item = Buffer>,
) -> Result<RecordBatch> {
    let mut buffers = buffers.into_iter();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let missing = || Error::corrupt(format!("the column {} is missing", field.name));
        let first = buffers.next().ok_or_else(missing)?;
        let data = if is_text(field) {
            let texts = buffers.next().ok_or_else(missing)?;
            let offsets = exactly(field, first, rows.checked_add(1).and_then(|n| n.checked_mul(4)))?;
            ArrayData::builder(ArrowType::Utf8)
                .len(rows)
                .add_buffer(offsets)
                .add_buffer(texts)
                .align_buffers(true)
                .build()
        } else {
            fixed(field, rows, first)?
        };
        let data = data.map_err(|e| Error::corrupt(format!("the column {}: {e}", field.name)))?;
        columns.push(make_array(data));
    }
    RecordBatch::try_new(schema.arrow().clone(), columns).map_err(|e| Error::corrupt(e.to_string()))
}

fn fixed(field: &Field, rows: usize, buffer: Buffer) -> Result<Result<ArrayData, arrow_schema::ArrowError>> {
    let bytes = match field.data_type {
        DataType::Bool => Some(bit_util::ceil(rows, 8)),
        _ => rows.checked_mul(field.fixed_bytes()),
    };
    let buffer = exactly(field, buffer, bytes)?;
    let plain = |data_type, len| {
        ArrayData::builder(data_type).len(len).add_buffer(buffer).align_buffers(true).build()
    };
    if field.data_type != DataType::FloatVector {
        return Ok(plain(field.arrow_type(), rows));
    }
    // The multiplication cannot overflow: the bytes did not.
    let floats = plain(float_item().data_type().clone(), rows * field.dim);
    Ok(floats
        .and_then(|floats| ArrayData::builder(field.arrow_type()).len(rows).add_child_data(floats).build()))
}

fn exactly(field: &Field, buffer: Buffer, bytes: Option<usize>) -> Result<Buffer> {
    match bytes.filter(|&bytes| bytes <= buffer.len()) {
        Some(bytes) => Ok(buffer.slice_with_length(0, bytes)),
        None => {
            Err(Error::corrupt(format!("the column {} is too short: {} bytes", field.name, buffer.len())))
        }
    }
}

fn is_text(field: &Field) -> bool {
    matches!(field.data_type, DataType::VarChar | DataType::Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::rows::tests::{batch, schema};

    #[test]
    fn rows_come_back_without_a_copy() {
        let rows = batch(&(0..77).collect::<Vec<_>>());
        for rows in [rows.clone(), rows.slice(13, 21), rows.slice(3, 0)] {
            let raw = buffers(&schema(), &rows);
            assert_eq!(raw.len(), buffer_count(&schema()));
            let again = assemble(&schema(), rows.num_rows(), raw.clone()).unwrap();
            assert_eq!(again, rows);
            assert_eq!(again.column(0).to_data().buffers()[0].as_ptr(), raw[0].as_ptr());
        }
    }

    #[test]
    fn short_or_missing_buffers_are_errors() {
        let rows = batch(&[1, 2, 3]);
        let raw = buffers(&schema(), &rows);
        for at in 0..raw.len() {
            assert!(assemble(&schema(), 3, raw[..at].to_vec()).is_err());
            let mut short = raw.clone();
            short[at] = short[at].slice_with_length(0, short[at].len() - 1);
            assert!(assemble(&schema(), 3, short).is_err(), "buffer {at}");
        }
        assert!(assemble(&schema(), usize::MAX, raw.clone()).is_err());
        assert!(assemble(&schema(), 1 << 60, raw).is_err());
    }
}
