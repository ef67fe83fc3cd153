//! Writing rows as objects.

use crate::error::{Error, Result};
use crate::exchange::file::TargetFile;
use crate::exchange::{Format, Sink};
use crate::schema::{DataType, Field};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use serde::Serialize;
use std::io::Write;

/// A file of rows being written.
pub struct Writer {
    fields: Vec<Field>,
    file: TargetFile,
    is_list: bool,
    rows: u64,
}

impl Writer {
    pub fn new(fields: Vec<Field>, file: TargetFile, format: Format) -> Result<Writer> {
        let mut writer = Writer { fields, file, is_list: format == Format::Json, rows: 0 };
        if writer.is_list {
            writer.put(b"{\"rows\":[")?;
        }
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|e| Error::io(format!("cannot write {}", self.file.path().display()), e))
    }
}

impl Sink for Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut line = Vec::new();
        for row in 0..rows.num_rows() {
            line.clear();
            if self.is_list {
                line.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
            }
            for (place, (field, column)) in self.fields.iter().zip(rows.columns()).enumerate() {
                line.push(if place == 0 { b'{' } else { b',' });
                json(&mut line, &field.name);
                line.push(b':');
                value(&mut line, field, column, row)
                    .map_err(|e| e.within(format!("row {}: field {}", self.rows, field.name)))?;
            }
            line.push(b'}');
            if !self.is_list {
                line.push(b'\n');
            }
            self.put(&line)?;
            self.rows += 1;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        if self.is_list {
            self.put(b"\n]}\n")?;
        }
        self.file.finish()
    }
}

fn value(out: &mut Vec<u8>, field: &Field, column: &ArrayRef, row: usize) -> Result<()> {
    if column.is_null(row) {
        json(out, ());
        return Ok(());
    }
    match field.data_type {
        DataType::Array => {
            let (element, elements) = (element_of(field)?, column.as_list::<i32>().value(row));
            out.push(b'[');
            for at in 0..elements.len() {
                if at > 0 {
                    out.push(b',');
                }
                value(out, &element, &elements, at)?;
            }
            out.push(b']');
        }
        DataType::Bool => json(out, column.as_boolean().value(row)),
        DataType::Int8 => number::<Int8Type>(out, column, row),
        DataType::Int16 => number::<Int16Type>(out, column, row),
        DataType::Int32 => number::<Int32Type>(out, column, row),
        DataType::Int64 => number::<Int64Type>(out, column, row),
        DataType::Float => {
            finite(column.as_primitive::<Float32Type>().value(row).into())?;
            number::<Float32Type>(out, column, row);
        }
        DataType::Double => {
            finite(column.as_primitive::<Float64Type>().value(row))?;
            number::<Float64Type>(out, column, row);
        }
        DataType::VarChar => json(out, column.as_string::<i32>().value(row)),
        DataType::Json => json_text(out, column.as_string::<i32>().value(row)),
        DataType::FloatVector => {
            let lists = column.as_fixed_size_list();
            let (start, values) = (lists.value_offset_at(row), lists.values().as_primitive::<Float32Type>());
            json(out, &values.values()[start..start + field.dim]);
        }
        DataType::BinaryVector => json(out, column.as_fixed_size_binary().value(row)),
    }
    Ok(())
}

fn element_of(field: &Field) -> Result<Field> {
    field.element().ok_or_else(|| Error::internal(format!("array field {} without elements", field.name)))
}

/// The value as it stands, if that says the same when it is read; else as a string that holds it, which Milvus reads as the
/// text of a JSON field too.
fn json_text(out: &mut Vec<u8>, text: &str) {
    let is_plain =
        !text.starts_with('"') && text != "null" && text.trim_ascii() == text && !text.contains(['\n', '\r']);
    if is_plain { out.extend_from_slice(text.as_bytes()) } else { json(out, text) }
}

fn number<T: ArrowPrimitiveType<Native: Serialize>>(out: &mut Vec<u8>, column: &ArrayRef, row: usize) {
    json(out, column.as_primitive::<T>().value(row));
}

fn finite(value: f64) -> Result<()> {
    match value.is_finite() {
        true => Ok(()),
        false => Err(Error::invalid(format!("JSON has no number for {value}; export to .parquet"))),
    }
}

fn json(out: &mut Vec<u8>, value: impl Serialize) {
    // Nothing that is written here has keys or a serializer of its own, and memory does not fail.
    serde_json::to_writer(out, &value).expect("plain values in memory");
}
