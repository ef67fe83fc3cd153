//! Writing Parquet: the stored columns in Milvus' layout, row group by row group.

use super::cells::{Cells, bytes};
use crate::error::{Error, Result};
use crate::exchange::Sink;
use crate::exchange::file::TargetFile;
use crate::schema::{DataType, Field};
use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnPath, Type, TypePtr};
use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, Schema as ArrowSchema};
use std::io;
use std::sync::Arc;

/// Rows are held in memory until there are enough for a row group: so many bytes, before they are compressed.
const GROUP_BYTES: usize = 64 << 20;
const GROUP_ROWS: usize = 128 << 10;

/// What Parquet's own specification calls the parts of a list.
const LIST: &str = "list";
const ITEM: &str = "element";

/// A Parquet file being written.
pub struct Writer {
    columns: Vec<Cells>,
    writer: SerializedFileWriter<TargetFile>,
    /// The rows of the row group to come.
    group: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    name: String,
}

impl Writer {
    /// `stored` are the columns of the fields as they are stored.
    pub fn new(fields: Vec<Field>, stored: &ArrowSchema, file: TargetFile) -> Result<Writer> {
        let name = file.path().display().to_string();
        let columns = fields.iter().zip(stored.fields());
        let types: ParquetResult<Vec<TypePtr>> =
            columns.map(|(field, stored)| column_type(field, stored)).collect();
        let schema = types.and_then(|types| Type::group_type_builder("schema").with_fields(types).build());
        let properties = Arc::new(properties(&fields));
        let writer = schema.and_then(|schema| SerializedFileWriter::new(file, schema.into(), properties));
        let writer = writer.map_err(|e| failed(&name, e))?;
        let columns = fields.into_iter().zip(stored.fields());
        let columns = columns.map(|(field, stored)| Cells::new(field, stored.is_nullable())).collect();
        Ok(Writer { columns, writer, group: Vec::new(), rows: 0, bytes: 0, name })
    }

    /// Writes the rows that are there as a row group: column by column.
    fn write_group(&mut self) -> ParquetResult<()> {
        let rows = std::mem::take(&mut self.group);
        (self.rows, self.bytes) = (0, 0);
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (place, cells) in self.columns.iter_mut().enumerate() {
            let Some(mut column) = group.next_column()? else { break };
            for batch in &rows {
                cells.write(batch.column(place), column.untyped())?;
            }
            column.close()?;
        }
        group.close().map(drop)
    }
}

impl Sink for Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut start = 0;
        while start < rows.num_rows() {
            let length = (rows.num_rows() - start).min(GROUP_ROWS - self.rows);
            let part = rows.slice(start, length);
            start += length;
            self.rows += length;
            self.bytes += part.columns().iter().map(bytes).sum::<usize>();
            self.group.push(part);
            if self.rows == GROUP_ROWS || self.bytes >= GROUP_BYTES {
                self.write_group().map_err(|e| failed(&self.name, e))?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        let written = self.write_group();
        let Writer { writer, name, .. } = *self;
        written.and_then(|()| writer.into_inner()).map_err(|e| failed(&name, e))?.finish()
    }
}

fn properties(fields: &[Field]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("elanus version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    // Neither a dictionary nor SNAPPY finds anything in vectors, and their smallest number helps nobody.
    for field in fields.iter().filter(|field| field.data_type.is_vector()) {
        let path = ColumnPath::new(vec![field.name.clone(), LIST.into(), ITEM.into()]);
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

/// The type of a field's column in the file: a value, or a list of values that are none of them null.
fn column_type(field: &Field, stored: &FieldRef) -> ParquetResult<TypePtr> {
    let repetition = if stored.is_nullable() { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let element = match field.data_type {
        DataType::FloatVector => DataType::Float,
        // Packed bits, which have no type of their own here.
        DataType::BinaryVector => {
            return list(field, repetition, (Physical::INT32, Some(LogicalType::integer(8, false))));
        }
        DataType::Array => field.element_type.unwrap_or(DataType::Array),
        _ => return value(&field.name, repetition, value_type(field.data_type)?),
    };
    list(field, repetition, value_type(element)?)
}

fn value_type(of: DataType) -> ParquetResult<(Physical, Option<LogicalType>)> {
    Ok(match of {
        DataType::Bool => (Physical::BOOLEAN, None),
        DataType::Int8 => (Physical::INT32, Some(LogicalType::integer(8, true))),
        DataType::Int16 => (Physical::INT32, Some(LogicalType::integer(16, true))),
        DataType::Int32 => (Physical::INT32, None),
        DataType::Int64 => (Physical::INT64, None),
        DataType::Float => (Physical::FLOAT, None),
        DataType::Double => (Physical::DOUBLE, None),
        DataType::VarChar | DataType::Json => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        DataType::Array | DataType::FloatVector | DataType::BinaryVector => {
            return Err(ParquetError::General(format!("{} is no type of single values", of.name())));
        }
    })
}

fn value(
    name: &str,
    repetition: Repetition,
    (physical, logical): (Physical, Option<LogicalType>),
) -> ParquetResult<TypePtr> {
    let value = Type::primitive_type_builder(name, physical);
    value.with_repetition(repetition).with_logical_type(logical).build().map(Arc::new)
}

fn list(
    field: &Field,
    repetition: Repetition,
    of: (Physical, Option<LogicalType>),
) -> ParquetResult<TypePtr> {
    let element = value(ITEM, Repetition::REQUIRED, of)?;
    let elements = Type::group_type_builder(LIST).with_repetition(Repetition::REPEATED);
    let elements = elements.with_fields(vec![element]).build()?;
    let list = Type::group_type_builder(&field.name).with_repetition(repetition);
    list.with_logical_type(Some(LogicalType::List)).with_fields(vec![elements.into()]).build().map(Arc::new)
}

fn failed(name: &str, error: ParquetError) -> Error {
    let what = format!("cannot write {name}");
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => Error::io(what, *cause),
            Err(other) => Error::internal(format!("{what}: {other}")),
        },
        other => Error::internal(format!("{what}: {other}")),
    }
}
