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
use crate::segment::{Run, gather_column};
use ::parquet::file::metadata::ParquetMetaDataReader;
use arrow_array::{Array, ArrayRef, RecordBatch};
use std::sync::Arc;

/// Bytes that the rows which are decoded at a time may come to if every value is as long as one may be. A text may be as
/// long as its dictionary, so that of a large one they are few.
const STEP_BYTES: u64 = 64 << 20;
/// Bytes of decoded rows after which a batch ends, in which such few rows are put together.
const BATCH_BYTES: usize = 16 << 20;

/// A Parquet file being read.
pub struct Reader {
    schema: Arc<Schema>,
    columns: Vec<(String, Box<dyn Column>)>,
    file: Arc<SourceFile>,
    /// Rows that may be decoded at a time.
    step: usize,
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
            let step = usize::try_from(STEP_BYTES / longest).unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS);
            let (file, metadata) = (Arc::new(file), Arc::new(metadata));
            let open = |(place, layout): (usize, Layout)| {
                Ok((layout.name.clone(), column::open(&file, &metadata, place, layout)?))
            };
            let columns = layouts.into_iter().enumerate().map(open).collect::<Result<_>>()?;
            Ok(Reader { schema: schema.clone(), columns, file, step, row: 0, rows })
        })
    }

    /// The next columns of the file, as they are there; of `rows` rows or fewer.
    fn read(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        let mut steps: Vec<Vec<ArrayRef>> = Vec::new();
        let (mut taken, mut bytes) = (0, 0);
        while taken < rows && bytes < BATCH_BYTES {
            let step = self.step.min(rows - taken);
            let columns = guarded(|| {
                self.columns.iter_mut().map(|(_, column)| column.next(step)).collect::<Result<Vec<_>>>()
            })?;
            bytes += columns.iter().map(|column| column.get_buffer_memory_size()).sum::<usize>();
            taken += step;
            steps.push(columns);
        }
        let parts = |at: usize| steps.iter().map(|columns| &columns[at]).collect::<Vec<_>>();
        (0..self.columns.len()).map(|at| one_after_the_other(&parts(at))).collect()
    }
}

impl Source for Reader {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let first = self.row;
        let rows = (self.rows - first).min(BATCH_ROWS as u64);
        if rows == 0 {
            return Ok(None);
        }
        let schema = self.schema.clone();
        let mut columns = self.read(rows as usize)?;
        let rows = columns.first().map_or(0, |column| column.len() as u64);
        for ((name, _), column) in self.columns.iter().zip(&mut columns) {
            // Whether a column that is no field may be there is said by the insert's check.
            let Some((_, field)) = schema.field(name) else { continue };
            *column = match field.data_type {
                DataType::Float | DataType::Double => convert::floats(field, column),
                DataType::FloatVector | DataType::Array => convert::float_lists(field, column),
                DataType::BinaryVector => convert::packed_bits(field, column, first)?,
                _ => continue,
            };
        }
        // Fields may be nullable whether or not there is a null: what is refused is said by the insert's check.
        let columns = self.columns.iter().zip(columns).map(|((name, _), column)| (name, column, true));
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

/// The rows of all parts of a column.
fn one_after_the_other(parts: &[&ArrayRef]) -> Result<ArrayRef> {
    if let [only] = parts {
        return Ok((*only).clone());
    }
    let whole = |(source, part): (usize, &&ArrayRef)| Run { source, start: 0, end: part.len() };
    gather_column(parts, &parts.iter().enumerate().map(whole).collect::<Vec<_>>())
}
