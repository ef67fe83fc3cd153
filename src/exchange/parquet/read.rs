//! Reading Parquet: checked before it is decoded, decoded in batches, its columns brought to types that an insert takes.

use super::column::{self, Column};
use super::guard::{bad, guarded};
use super::layout::Layout;
use super::pages;
use crate::error::{Error, Result};
use crate::exchange::convert;
use crate::exchange::file::SourceFile;
use crate::exchange::{BATCH_ROWS, Source};
use crate::schema::{DataType, Schema};
use ::parquet::file::metadata::ParquetMetaDataReader;
use arrow_array::{ArrayRef, RecordBatch};
use std::sync::Arc;

/// Bytes that a batch may come to if every value is as long as one may be.
const BATCH_BYTES: u64 = 64 << 20;

/// A Parquet file being read.
pub struct Reader {
    schema: Arc<Schema>,
    columns: Vec<(String, Box<dyn Column>)>,
    file: Arc<SourceFile>,
    /// Rows of a batch at most.
    batch: usize,
    row: u64,
    rows: u64,
}

impl Reader {
    pub fn open(schema: &Arc<Schema>, file: SourceFile) -> Result<Reader> {
        pages::check_footer(&file)?;
        guarded(|| {
            let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|e| bad(&file, e))?;
            let layouts = Layout::of_file(metadata.file_metadata().schema_descr())?;
            let dictionaries = pages::check_pages(&file, &metadata)?;
            let groups = metadata.row_groups();
            let rows = groups.iter().map(|group| group.num_rows() as u64).fold(0, u64::saturating_add);
            let fixed: usize = schema.fields().iter().map(|field| field.fixed_bytes()).sum();
            let longest =
                dictionaries.iter().fold(fixed.max(1) as u64, |sum, bytes| sum.saturating_add(*bytes));
            let batch = usize::try_from(BATCH_BYTES / longest).unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS);
            let (file, metadata) = (Arc::new(file), Arc::new(metadata));
            let open = |(place, layout): (usize, Layout)| {
                Ok((layout.name.clone(), column::open(&file, &metadata, place, layout)?))
            };
            let columns = layouts.into_iter().enumerate().map(open).collect::<Result<_>>()?;
            Ok(Reader { schema: schema.clone(), columns, file, batch, row: 0, rows })
        })
    }

    /// The next columns of the file, as they are there.
    fn read(&mut self, rows: usize) -> Result<Vec<(&str, ArrayRef)>> {
        guarded(|| {
            let columns = self.columns.iter_mut();
            columns.map(|(name, column)| Ok((name.as_str(), column.next(rows)?))).collect()
        })
    }
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let first = self.row;
        let rows = (self.rows - first).min(self.batch as u64);
        if rows == 0 {
            return Ok(None);
        }
        let schema = self.schema.clone();
        let mut columns = self.read(rows as usize)?;
        for (name, column) in &mut columns {
            // Whether a column that is no field may be there is said by the insert's check.
            let Some((_, field)) = schema.field(name) else { continue };
            *column = match field.data_type {
                DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                    convert::integers(field, column, first)?
                }
                DataType::Float | DataType::Double => convert::floats(field, column),
                DataType::FloatVector => convert::float_lists(column),
                DataType::BinaryVector => convert::packed_bits(field, column, first)?,
                _ => continue,
            };
        }
        // Fields may be nullable whether or not there is a null: what is refused is said by the insert's check.
        let columns = columns.into_iter().map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns);
        let batch = batch.map_err(|e| Error::internal(e.to_string()))?;
        self.row += rows;
        Ok(Some(batch))
    }

    fn done(&self) -> u64 {
        let share = u128::from(self.file.len()) * u128::from(self.row) / u128::from(self.rows.max(1));
        share as u64
    }

    fn total(&self) -> u64 {
        self.file.len()
    }
}
