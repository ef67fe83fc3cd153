//! Writing Parquet: the stored columns in Milvus' layout.

use crate::error::{Error, Result};
use crate::exchange::Sink;
use crate::exchange::file::TargetFile;
use crate::schema::{DataType, Field};
use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_writer::ArrowWriterOptions;
use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, UInt8Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField, FieldRef, Schema as ArrowSchema, SchemaRef};
use std::io;
use std::sync::Arc;

/// A row group is held in memory until it is whole.
const GROUP_BYTES: usize = 64 << 20;
const GROUP_ROWS: usize = 128 << 10;

/// What Parquet's own specification calls the values of a list.
const ITEM: &str = "element";

/// A Parquet file being written.
pub struct Writer {
    fields: Vec<Field>,
    arrow: SchemaRef,
    writer: ArrowWriter<TargetFile>,
    name: String,
}

impl Writer {
    /// `stored` are the columns of the fields as they are stored.
    pub fn new(fields: Vec<Field>, stored: &ArrowSchema, file: TargetFile) -> Result<Writer> {
        let name = file.path().display().to_string();
        let column = |(field, stored): (&Field, &FieldRef)| {
            ArrowField::new(&field.name, layout(field), stored.is_nullable())
        };
        let columns: Vec<ArrowField> = fields.iter().zip(stored.fields()).map(column).collect();
        let arrow = Arc::new(ArrowSchema::new(columns));
        // Parquet's own types say it all; Arrow's, in the footer, would be a second opinion.
        let options =
            ArrowWriterOptions::new().with_skip_arrow_metadata(true).with_properties(properties(&fields));
        let writer = ArrowWriter::try_new_with_options(file, arrow.clone(), options);
        Ok(Writer { writer: writer.map_err(|e| failed(&name, e))?, fields, arrow, name })
    }
}

impl Sink for Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns: Result<Vec<ArrayRef>> =
            self.fields.iter().zip(rows.columns()).map(|(field, column)| lay_out(field, column)).collect();
        let rows = RecordBatch::try_new(self.arrow.clone(), columns?).map_err(|e| internal(e.to_string()))?;
        self.writer.write(&rows).map_err(|e| failed(&self.name, e))
    }

    fn finish(self: Box<Self>) -> Result<u64> {
        self.writer.into_inner().map_err(|e| failed(&self.name, e))?.finish()
    }
}

fn properties(fields: &[Field]) -> WriterProperties {
    let row: usize = fields.iter().map(|field| field.fixed_bytes().max(1)).sum();
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("elanus version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some((GROUP_BYTES / row).clamp(1, GROUP_ROWS)))
        .set_max_row_group_bytes(Some(GROUP_BYTES));
    // Neither a dictionary nor SNAPPY finds anything in vectors, and their smallest number helps nobody.
    for field in fields.iter().filter(|field| field.data_type.is_vector()) {
        let path = ColumnPath::new(vec![field.name.clone(), "list".into(), ITEM.into()]);
        let is_bytes = field.data_type == DataType::BinaryVector;
        properties = properties
            .set_column_dictionary_enabled(path.clone(), is_bytes)
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        if !is_bytes {
            properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
        }
    }
    properties.build()
}

/// The type of a field's column in the file: as it is stored, but for vectors, which Parquet has no type for.
fn layout(field: &Field) -> ArrowType {
    match field.data_type {
        DataType::FloatVector => ArrowType::List(item(ArrowType::Float32)),
        DataType::BinaryVector => ArrowType::List(item(ArrowType::UInt8)),
        _ => field.arrow_type(),
    }
}

fn item(of: ArrowType) -> FieldRef {
    Arc::new(ArrowField::new(ITEM, of, false))
}

/// A stored column in the type of the file, without a copy of its values.
fn lay_out(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    let (values, of): (ArrayRef, usize) = match field.data_type {
        DataType::FloatVector => {
            let lists = column.as_fixed_size_list();
            let (start, length) = (lists.value_offset_at(0), lists.len() * field.dim);
            (lists.values().slice(start, length), field.dim)
        }
        DataType::BinaryVector => {
            let (bytes, of) = (column.as_fixed_size_binary(), field.dim / 8);
            let values = bytes.values().slice_with_length(bytes.offset() * of, bytes.len() * of);
            (Arc::new(UInt8Array::new(values.into(), None)), of)
        }
        _ => return Ok(column.clone()),
    };
    let offsets = OffsetBuffer::from_repeated_length(of, column.len());
    ListArray::try_new(item(values.data_type().clone()), offsets, values, None)
        .map(|lists| Arc::new(lists) as ArrayRef)
        .map_err(|e| internal(e.to_string()))
}

fn failed(name: &str, error: ParquetError) -> Error {
    let what = format!("cannot write {name}");
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => Error::io(what, *cause),
            Err(other) => internal(format!("{what}: {other}")),
        },
        other => internal(format!("{what}: {other}")),
    }
}

fn internal(what: String) -> Error {
    Error::internal(what)
}
