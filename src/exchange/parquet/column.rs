//! A column of a Parquet file, read through all row groups: levels and values as Arrow arrays.

use super::guard::bad;
use super::layout::Layout;
use super::levels::{self, Lists};
use super::values::Physical;
use crate::error::{Error, Result};
use crate::exchange::file::SourceFile;
use ::parquet::basic::Type;
use ::parquet::column::reader::ColumnReaderImpl;
use ::parquet::data_type::{
    BoolType, ByteArrayType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::serialized_reader::SerializedPageReader;
use arrow_array::{ArrayRef, NullArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// A column whose values are still to be read.
pub trait Column: Send {
    /// The values of the next rows, of which the file must have as many.
    fn next(&mut self, rows: usize) -> Result<ArrayRef>;
}

/// Opens the column in that place.
pub fn open(
    file: &Arc<SourceFile>,
    metadata: &Arc<ParquetMetaData>,
    place: usize,
    layout: Layout,
) -> Result<Box<dyn Column>> {
    let chunks = Chunks { file: file.clone(), metadata: metadata.clone(), place, next: 0 };
    Ok(match metadata.file_metadata().schema_descr().column(place).physical_type() {
        Type::BOOLEAN => Box::new(Values::<BoolType>::new(layout, chunks)),
        Type::INT32 => Box::new(Values::<Int32Type>::new(layout, chunks)),
        Type::INT64 => Box::new(Values::<Int64Type>::new(layout, chunks)),
        Type::FLOAT => Box::new(Values::<FloatType>::new(layout, chunks)),
        Type::DOUBLE => Box::new(Values::<DoubleType>::new(layout, chunks)),
        Type::BYTE_ARRAY => Box::new(Values::<ByteArrayType>::new(layout, chunks)),
        Type::FIXED_LEN_BYTE_ARRAY => Box::new(Values::<FixedLenByteArrayType>::new(layout, chunks)),
        Type::INT96 => {
            let name = &layout.name;
            return Err(Error::invalid(format!("column {name}: no field takes values of the type INT96")));
        }
    })
}

/// The parts of a column: one in each row group.
struct Chunks {
    file: Arc<SourceFile>,
    metadata: Arc<ParquetMetaData>,
    place: usize,
    /// The row group of the next one.
    next: usize,
}

impl Chunks {
    /// The next part, and how many rows it is of.
    fn next<T: Physical>(&mut self) -> Result<Option<(ColumnReaderImpl<T>, usize)>> {
        let Some(group) = self.metadata.row_groups().get(self.next) else { return Ok(None) };
        self.next += 1;
        let rows = usize::try_from(group.num_rows()).map_err(|e| Error::internal(e.to_string()))?;
        let chunk = group.column(self.place);
        let pages = SerializedPageReader::new(self.file.clone(), chunk, rows, None);
        let pages = pages.map_err(|e| bad(&self.file, e))?;
        Ok(Some((ColumnReaderImpl::new(chunk.column_descr_ptr(), Box::new(pages)), rows)))
    }
}

/// A column of one of Parquet's own types.
struct Values<T: Physical> {
    layout: Layout,
    chunks: Chunks,
    /// The part that is being read, and how many of its rows are to come.
    part: Option<(ColumnReaderImpl<T>, usize)>,
    /// The levels of the rows that were read last: kept for their memory.
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    /// How many values these rows had.
    values: usize,
}

impl<T: Physical> Values<T> {
    fn new(layout: Layout, chunks: Chunks) -> Values<T> {
        Values { layout, chunks, part: None, definitions: Vec::new(), repetitions: Vec::new(), values: 0 }
    }

    /// Reads the levels and the values of `rows` rows.
    fn read(&mut self, rows: usize) -> Result<Vec<T::T>> {
        self.definitions.clear();
        self.repetitions.clear();
        let mut values = Vec::with_capacity(self.values);
        let mut missing = rows;
        while missing > 0 {
            let Some((part, left)) = &mut self.part else {
                self.part = self.chunks.next()?;
                if self.part.is_none() {
                    return Err(Error::invalid(format!("it ends {missing} rows too early")));
                }
                continue;
            };
            let mut read = |rows| {
                let levels = (Some(&mut self.definitions), Some(&mut self.repetitions));
                let read = part.read_records(rows, levels.0, levels.1, &mut values);
                read.map(|(rows, _, _)| rows).map_err(|e| bad(&self.chunks.file, e))
            };
            let wanted = missing.min(*left);
            let got = read(wanted)?;
            if got != wanted {
                return Err(Error::invalid(format!("a row group has {} rows too few", *left - got)));
            }
            missing -= got;
            *left -= got;
            if *left == 0 {
                if read(1)? > 0 {
                    return Err(Error::invalid("a row group has too many rows"));
                }
                self.part = None;
            }
        }
        self.values = values.len();
        Ok(values)
    }
}

impl<T: Physical> Column for Values<T> {
    fn next(&mut self, rows: usize) -> Result<ArrayRef> {
        let values = self.read(rows);
        let array = values.and_then(|values| {
            assemble::<T>(&self.layout, rows, &self.definitions, &self.repetitions, values)
        });
        array.map_err(|e| e.within(format!("column {}", self.layout.name)))
    }
}

/// The array of rows with these levels and values.
fn assemble<T: Physical>(
    layout: &Layout,
    rows: usize,
    definitions: &[i16],
    repetitions: &[i16],
    values: Vec<T::T>,
) -> Result<ArrayRef> {
    let lists = match &layout.item {
        Some(item) => Some((item, Lists::new(rows, definitions, repetitions, layout.element_level)?)),
        None => None,
    };
    let places = lists.as_ref().map_or(rows, |(_, lists)| lists.elements());
    let valid = levels::valid(places, definitions, layout)?;
    let present = places - valid.as_ref().map_or(0, NullBuffer::null_count);
    if present != values.len() {
        return Err(Error::invalid(format!("it has {} values for {present} places", values.len())));
    }
    let array = match &layout.of {
        ArrowType::Null => Arc::new(NullArray::new(places)),
        of => T::array(of, values, valid)?,
    };
    match lists {
        Some((item, lists)) => lists.with(item, array),
        None => Ok(array),
    }
}
