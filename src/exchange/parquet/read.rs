//! Reading Parquet: checked before it is decoded, decoded in batches, its columns brought to types that an insert takes.

use super::pages;
use crate::error::{Error, Result};
use crate::exchange::convert;
use crate::exchange::file::SourceFile;
use crate::exchange::{BATCH_ROWS, Source};
use crate::schema::{DataType, Schema};
use ::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::errors::ParquetError;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Bytes that a batch may come to if every value is as long as one may be.
const BATCH_BYTES: u64 = 64 << 20;

/// A Parquet file being read.
pub struct Reader {
    schema: Arc<Schema>,
    batches: ParquetRecordBatchReader,
    file: SourceFile,
    row: u64,
    rows: u64,
}

impl Reader {
    pub fn open(schema: &Arc<Schema>, file: SourceFile) -> Result<Reader> {
        pages::check_footer(&file)?;
        guarded(|| {
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options)
                .map_err(|e| bad(&file, e))?;
            let dictionaries = pages::check_pages(&file, builder.metadata())?;
            let groups = builder.metadata().row_groups();
            let rows = groups.iter().map(|group| group.num_rows() as u64).fold(0, u64::saturating_add);
            let fixed: usize = schema.fields().iter().map(|field| field.fixed_bytes()).sum();
            let longest =
                dictionaries.iter().fold(fixed.max(1) as u64, |sum, bytes| sum.saturating_add(*bytes));
            let batch = usize::try_from(BATCH_BYTES / longest).unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS);
            let batches = builder.with_batch_size(batch).build().map_err(|e| bad(&file, e))?;
            Ok(Reader { schema: schema.clone(), batches, file: file.clone(), row: 0, rows })
        })
    }
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batch) = guarded(|| self.batches.next().transpose().map_err(|e| bad_batch(&self.file, e)))?
        else {
            return Ok(None);
        };
        let first = self.row;
        self.row += batch.num_rows() as u64;
        let names = batch.schema();
        let mut columns: Vec<(&str, ArrayRef)> = Vec::with_capacity(batch.num_columns());
        for (given, column) in names.fields().iter().zip(batch.columns()) {
            // Whether a column that is no field may be there is said by the insert's check.
            let Some((_, field)) = self.schema.field(given.name()) else {
                columns.push((given.name(), column.clone()));
                continue;
            };
            let column = match field.data_type {
                DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                    convert::integers(field, column, first)?
                }
                DataType::Float | DataType::Double => convert::floats(field, column),
                DataType::FloatVector => convert::float_lists(column),
                DataType::BinaryVector => convert::packed_bits(field, column, first)?,
                _ => column.clone(),
            };
            columns.push((given.name(), column));
        }
        // Fields may be nullable whether or not there is a null: what is refused is said by the insert's check.
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
        .map(Some)
        .map_err(|e| Error::internal(e.to_string()))
    }

    fn done(&self) -> u64 {
        let share = u128::from(self.file.len()) * u128::from(self.row) / u128::from(self.rows.max(1));
        share as u64
    }

    fn total(&self) -> u64 {
        self.file.len()
    }
}

/// The reader of `parquet` panics on some damaged files.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        Err(Error::invalid(format!("it is no Parquet file that can be read: {}", message(&*panic))))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn bad(file: &SourceFile, error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => file.failed(*cause),
            Err(other) => Error::invalid(format!("it is no Parquet file that can be read: {other}")),
        },
        other => Error::invalid(format!("it is no Parquet file that can be read: {other}")),
    }
}

fn bad_batch(file: &SourceFile, error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(cause) => match cause.downcast::<ParquetError>() {
            Ok(cause) => bad(file, *cause),
            Err(other) => Error::invalid(format!("it is no Parquet file that can be read: {other}")),
        },
        other => Error::invalid(format!("it is no Parquet file that can be read: {other}")),
    }
}
