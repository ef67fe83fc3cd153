//! The values of stored columns as Parquet takes them: in its own types, without the nulls, and with their levels.

use crate::schema::{DataType, Field};
use ::parquet::column::writer::{ColumnWriter, get_typed_column_writer_mut};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType as Physical, DoubleType, FloatType, Int32Type, Int64Type,
};
use ::parquet::errors::{ParquetError, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type as ArrowInt32,
    Int64Type as ArrowInt64,
};
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_schema::DataType as ArrowType;
use bytes::Bytes;
use std::borrow::Cow;

/// Numbers of vectors that are written at a time: their levels stay in the cache.
const STEP: usize = 32 << 10;

/// Writes the values of one column.
pub struct Cells {
    field: Field,
    is_nullable: bool,
    levels: Levels,
}

impl Cells {
    pub fn new(field: Field, is_nullable: bool) -> Cells {
        Cells { field, is_nullable, levels: Levels::default() }
    }

    /// Writes the column's values of some rows.
    pub fn write(&mut self, column: &ArrayRef, out: &mut ColumnWriter) -> Result<()> {
        let dim = self.field.dim;
        match self.field.data_type {
            DataType::FloatVector => {
                let lists = column.as_fixed_size_list();
                let (start, length) = (lists.value_offset_at(0), lists.len() * dim);
                let floats = lists.values().as_primitive::<Float32Type>().values();
                self.write_vectors(&floats[start..start + length], dim, |step, levels| {
                    put::<FloatType>(out, step, levels)
                })
            }
            DataType::BinaryVector => {
                let (vectors, width) = (column.as_fixed_size_binary(), dim / 8);
                let (start, length) = (vectors.offset() * width, vectors.len() * width);
                let bytes: &[u8] = &vectors.values()[start..start + length];
                self.write_vectors(bytes, width, |step, levels| {
                    put::<Int32Type>(out, &step.iter().map(|&byte| byte.into()).collect::<Vec<i32>>(), levels)
                })
            }
            DataType::Array => {
                let lists = column.as_list::<i32>();
                self.levels.of_lists(lists, self.is_nullable);
                let offsets = lists.value_offsets();
                let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
                let elements = lists.values().slice(first, last - first);
                write_values(&elements, self.levels.first(self.levels.definitions.len()), out)
            }
            _ => {
                self.levels.of_values(column, self.is_nullable);
                write_values(column, self.levels.first(column.len()), out)
            }
        }
    }

    /// Writes vectors of `length` numbers. Their levels are those of the vectors before.
    fn write_vectors<T>(
        &mut self,
        numbers: &[T],
        length: usize,
        mut write: impl FnMut(&[T], LevelsOf<'_>) -> Result<()>,
    ) -> Result<()> {
        let step = (STEP / length).max(1) * length;
        if self.levels.definitions.is_empty() {
            self.levels.definitions = vec![1 + i16::from(self.is_nullable); step];
            self.levels.repetitions = (0..step).map(|at| i16::from(at % length > 0)).collect();
        }
        numbers.chunks(step).try_for_each(|step| write(step, self.levels.first(step.len())))
    }
}

/// Definition and repetition levels, `None` where a column has none.
type LevelsOf<'a> = (Option<&'a [i16]>, Option<&'a [i16]>);

/// Levels that are written; no element of a list is null.
#[derive(Default)]
struct Levels {
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl Levels {
    fn first(&self, length: usize) -> LevelsOf<'_> {
        (self.definitions.get(..length), self.repetitions.get(..length))
    }

    fn of_values(&mut self, column: &ArrayRef, is_nullable: bool) {
        self.definitions.clear();
        if is_nullable {
            self.definitions.extend((0..column.len()).map(|row| i16::from(column.is_valid(row))));
        }
    }

    fn of_lists(&mut self, lists: &ListArray, is_nullable: bool) {
        self.definitions.clear();
        self.repetitions.clear();
        let empty = i16::from(is_nullable);
        for (row, ends) in lists.value_offsets().windows(2).enumerate() {
            let length = (ends[1] - ends[0]) as usize;
            match length {
                0 => self.definitions.push(if lists.is_null(row) { 0 } else { empty }),
                _ => self.definitions.extend(std::iter::repeat_n(empty + 1, length)),
            }
            self.repetitions.push(0);
            self.repetitions.resize(self.definitions.len(), 1);
        }
    }
}

fn write_values(column: &ArrayRef, levels: LevelsOf<'_>, out: &mut ColumnWriter) -> Result<()> {
    match column.data_type() {
        ArrowType::Boolean => {
            let values: Vec<bool> = column.as_boolean().iter().flatten().collect();
            put::<BoolType>(out, &values, levels)
        }
        ArrowType::Int8 => put::<Int32Type>(out, &widened::<Int8Type>(column), levels),
        ArrowType::Int16 => put::<Int32Type>(out, &widened::<Int16Type>(column), levels),
        ArrowType::Int32 => put::<Int32Type>(out, &present::<ArrowInt32>(column), levels),
        ArrowType::Int64 => put::<Int64Type>(out, &present::<ArrowInt64>(column), levels),
        ArrowType::Float32 => put::<FloatType>(out, &present::<Float32Type>(column), levels),
        ArrowType::Float64 => put::<DoubleType>(out, &present::<Float64Type>(column), levels),
        ArrowType::Utf8 => put::<ByteArrayType>(out, &texts(column), levels),
        other => Err(ParquetError::General(format!("a column of {other} cannot be written"))),
    }
}

fn put<T: Physical>(out: &mut ColumnWriter, values: &[T::T], levels: LevelsOf<'_>) -> Result<()> {
    let written = get_typed_column_writer_mut::<T>(out).write_batch(values, levels.0, levels.1)?;
    if written == values.len() {
        return Ok(());
    }
    Err(ParquetError::General(format!("{} values for {written} places", values.len())))
}

/// The values that are not null.
fn present<A: ArrowPrimitiveType>(column: &ArrayRef) -> Cow<'_, [A::Native]> {
    let values = column.as_primitive::<A>();
    match values.null_count() {
        0 => Cow::Borrowed(values.values()),
        _ => Cow::Owned(values.iter().flatten().collect()),
    }
}

fn widened<A: ArrowPrimitiveType<Native: Into<i32>>>(column: &ArrayRef) -> Vec<i32> {
    column.as_primitive::<A>().iter().flatten().map(Into::into).collect()
}

/// The texts that are not null: parts of the column's bytes, not copies.
fn texts(column: &ArrayRef) -> Vec<ByteArray> {
    let texts = column.as_string::<i32>();
    let bytes = Bytes::from_owner(texts.values().clone());
    let ends = texts.value_offsets().windows(2).enumerate();
    let valid = ends.filter(|&(row, _)| texts.is_valid(row));
    valid.map(|(_, ends)| bytes.slice(ends[0] as usize..ends[1] as usize).into()).collect()
}

/// Bytes of a column's values.
pub fn bytes(column: &ArrayRef) -> usize {
    let between = |offsets: &[i32]| (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    match column.data_type() {
        ArrowType::Utf8 => {
            let (first, last) = between(column.as_string::<i32>().value_offsets());
            last - first + 4 * column.len()
        }
        ArrowType::List(_) => {
            let lists = column.as_list::<i32>();
            let (first, last) = between(lists.value_offsets());
            bytes(&lists.values().slice(first, last - first)) + 4 * column.len()
        }
        ArrowType::FixedSizeList(_, dim) => column.len() * *dim as usize * size_of::<f32>(),
        ArrowType::FixedSizeBinary(width) => column.len() * *width as usize,
        other => column.len() * other.primitive_width().unwrap_or(1),
    }
}
