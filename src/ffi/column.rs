//! Column: values of one field for many rows, the form in which rows come in and go out.

use super::collection::Collection;
use super::error::{self, ErrorOut};
use super::input::{Versioned, elements, given, slice, text, utf8, versioned};
use super::result::{self, SearchResult};
use crate::batch::JSON_EXTENSION;
use crate::error::{Code, Error, Result};
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, ListArray, PrimitiveArray,
    RecordBatch, RecordBatchOptions, StringArray, make_array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::extension::EXTENSION_TYPE_NAME_KEY;
use arrow_schema::{DataType as ArrowType, Field, Schema};
use safer_ffi::prelude::*;
use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::size_of;
use std::sync::Arc;

/// The type of a field, with Milvus' numbers.
#[derive_ReprC(rename = "elanus_data_type")]
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataType {
    /// True or false, one byte a row; any byte but 0 is true.
    Bool = 1,
    /// int8_t.
    Int8 = 2,
    /// int16_t.
    Int16 = 3,
    /// int32_t.
    Int32 = 4,
    /// int64_t.
    Int64 = 5,
    /// float.
    Float = 10,
    /// double.
    Double = 11,
    /// UTF-8 text up to the field's max_length.
    Varchar = 21,
    /// Values of one type, up to the field's max_capacity a row.
    Array = 22,
    /// JSON as UTF-8 text.
    Json = 23,
    /// `dim` bits a row, packed into dim / 8 bytes, the first bit highest.
    BinaryVector = 100,
    /// `dim` floats a row.
    FloatVector = 101,
}

impl DataType {
    const ALL: [DataType; 12] = [
        DataType::Bool,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float,
        DataType::Double,
        DataType::Varchar,
        DataType::Array,
        DataType::Json,
        DataType::BinaryVector,
        DataType::FloatVector,
    ];

    fn from_number(number: u32, what: &str) -> Result<DataType> {
        Self::ALL.into_iter().find(|t| *t as u32 == number).ok_or_else(|| {
            let all = Self::ALL.map(|t| format!("{} ({t:?})", t as u32)).join(", ");
            Error::invalid(format!("{what}: data_type {number} should be one of {all}"))
        })
    }
}

/// Values of one field for `count` rows, row by row without gaps.
///
/// Begin with ELANUS_COLUMN_INIT, which sets `size`. What it points to belongs to the caller when it goes in (and is
/// read only during the call), and to the result when it comes out.
#[derive_ReprC(rename = "elanus_column")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Column<'a> {
    /// sizeof(elanus_column), the same in every column of a call.
    pub size: u32,
    /// An elanus_data_type.
    pub data_type: u32,
    /// The field's name.
    pub name: Option<char_p::Ref<'a>>,
    /// The values: numbers as their C type, bool as bytes, text and JSON as UTF-8 one after the other, vectors row by
    /// row. May be NULL when there are no bytes.
    pub data: *const c_void,
    /// For VARCHAR and JSON: `count + 1` byte offsets into `data`, row i at offsets[i] to offsets[i + 1]. For ARRAY:
    /// `count + 1` numbers of elements, those of row i from offsets[i] to offsets[i + 1]. Else NULL.
    pub offsets: *const u64,
    /// How many rows.
    pub count: u64,
    /// For vectors: floats or bits a row. Else 0.
    pub dim: u64,
    /// A byte a row: 0 for a null, whose value does not matter, but that texts are UTF-8. NULL where every row has a value.
    pub valid: *const u8,
    /// For ARRAY: the elanus_data_type of the elements, which `data` has one after the other. Else 0.
    pub element_type: u32,
    /// 0.
    pub reserved: u32,
    /// For ARRAY of VARCHAR: one more byte offsets into `data` than there are elements. Else NULL.
    pub element_offsets: *const u64,
}

// SAFETY: `repr(C)`, a u32 size first, and every field but the pointers takes any bits; a pointer is the caller's
// promise, and NULL is valid for each.
unsafe impl Versioned for Column<'_> {
    const NAME: &'static str = "elanus_column";
    const SIZES: &'static [usize] = &[72];
}

/// Inserts rows into the partition `_default`, or those of the partition key. When it returns they are durable (as the
/// database's `durability` says) and every search that starts afterwards sees them; on failure nothing was inserted.
///
/// @param columns      `column_count` columns of the same `count`, in any order: every field of the schema but a
///                     primary key with auto_id; those that are nullable or have a default value may be missing. In a
///                     collection with `enable_dynamic_field` a column of any other name adds a dynamic key to the rows
///                     that are not null. They are copied.
/// @param column_count Not 0.
/// @param inserted     Receives a result with the primary keys of the rows in order, given or generated, to free with
///                     elanus_result_free(); NULL for not wanting it.
/// @param error        Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_insert(
    collection: Option<&Collection>,
    columns: *const Column<'_>,
    column_count: usize,
    inserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `column_count` columns that describe readable memory.
        let rows = unsafe { batch(columns, column_count) }?;
        result::written(collection, collection.0.insert(rows)?, inserted)
    })
}

/// Inserts rows in the place of those that have their primary keys, in one step: no search sees a key missing meanwhile,
/// and after a crash both its removal and its return have happened or neither. When it returns they are durable, as
/// after elanus_collection_insert(); on failure nothing changed.
///
/// As in Milvus: of a key that the columns repeat, every row comes in; rows of the key are looked for in the default
/// partition, where these go, and with a partition key in all partitions. Refused with auto_id.
///
/// @param columns      As elanus_collection_insert() has them, the primary key among them.
/// @param column_count Not 0.
/// @param upserted     Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
///                     NULL for not wanting it.
/// @param error        Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_upsert(
    collection: Option<&Collection>,
    columns: *const Column<'_>,
    column_count: usize,
    upserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `column_count` columns that describe readable memory.
        let rows = unsafe { batch(columns, column_count) }?;
        result::written(collection, collection.0.upsert(rows)?, upserted)
    })
}

/// # Safety
///
/// `columns` must point to `count` columns, each of which describes memory that can be read.
pub(super) unsafe fn batch(columns: *const Column<'_>, count: usize) -> Result<RecordBatch> {
    // SAFETY: the same promise.
    let columns = unsafe { strided(columns, count) }?;
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        let name = text(column.name, &format!("columns[{i}].name"))?;
        if column.count != columns[0].count {
            let (first, others) = (text(columns[0].name, "columns[0].name")?, columns[0].count);
            return Err(Error::invalid(format!(
                "field {name}: {} rows should be {others}, as field {first} has",
                column.count
            )));
        }
        // SAFETY: the same promise.
        let array = unsafe { array(column, name) }?;
        let mut field = Field::new(name, array.data_type().clone(), true);
        if column.data_type == DataType::Json as u32 {
            let json = (EXTENSION_TYPE_NAME_KEY.to_owned(), JSON_EXTENSION.to_owned());
            field = field.with_metadata(HashMap::from([json]));
        }
        fields.push(field);
        arrays.push(array);
    }
    let rows = columns.first().map_or(0, |c| c.count) as usize;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|e| Error::internal(e.to_string()))
}

/// Reads columns at the distance that the first one's size says.
///
/// # Safety
///
/// `columns` must point to `count` columns of one size.
unsafe fn strided<'a>(columns: *const Column<'a>, count: usize) -> Result<Vec<Column<'a>>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    given((!columns.is_null()).then_some(()), "columns")?;
    let mut all: Vec<Column> = Vec::new();
    for i in 0..count {
        let what = format!("columns[{i}]");
        let size = all.first().map_or(0, |c| c.size as usize);
        let at = elements(i, size, "columns")?;
        // SAFETY: the caller promises a column at each multiple of the first one's size.
        let column = unsafe { versioned(columns.byte_add(at), &what) }?.ok_or_else(|| {
            Error::new(Code::MissingParameter, format!("{what} is empty: begin with ELANUS_COLUMN_INIT"))
        })?;
        if i > 0 && column.size as usize != size {
            return Err(Error::invalid(format!(
                "{what}: size {} should be {size}, as in columns[0]",
                column.size
            )));
        }
        all.push(column);
    }
    Ok(all)
}

/// Copies a column into Arrow's layout.
///
/// # Safety
///
/// The column must describe memory that can be read.
unsafe fn array(column: &Column<'_>, name: &str) -> Result<ArrayRef> {
    // SAFETY: the same promise.
    let values = unsafe { values(column, name) }?;
    if column.valid.is_null() {
        return Ok(values);
    }
    // SAFETY: the same promise.
    let valid = unsafe { slice(column.valid, values.len(), &format!("field {name}: valid")) }?;
    let nulls = NullBuffer::from_iter(valid.iter().map(|byte| *byte != 0));
    let data = values.to_data().into_builder().nulls(Some(nulls)).build();
    Ok(make_array(data.map_err(|e| Error::invalid(format!("field {name}: {e}")))?))
}

/// The values, as if none were null.
///
/// # Safety
///
/// The column must describe memory that can be read.
unsafe fn values(column: &Column<'_>, name: &str) -> Result<ArrayRef> {
    let what = format!("field {name}");
    let data_type = DataType::from_number(column.data_type, &what)?;
    let count = usize::try_from(column.count).map_err(|_| {
        Error::invalid(format!("{what}: {} rows should be at most {}", column.count, isize::MAX))
    })?;
    // SAFETY: each call below asks for the promise of this function.
    unsafe {
        Ok(match data_type {
            DataType::Bool => {
                let bytes = slice(column.data.cast::<u8>(), count, &what)?;
                Arc::new(bytes.iter().map(|b| Some(*b != 0)).collect::<BooleanArray>())
            }
            DataType::Int8 => primitive::<Int8Type>(column.data, count, &what)?,
            DataType::Int16 => primitive::<Int16Type>(column.data, count, &what)?,
            DataType::Int32 => primitive::<Int32Type>(column.data, count, &what)?,
            DataType::Int64 => primitive::<Int64Type>(column.data, count, &what)?,
            DataType::Float => primitive::<Float32Type>(column.data, count, &what)?,
            DataType::Double => primitive::<Float64Type>(column.data, count, &what)?,
            DataType::Varchar | DataType::Json => Arc::new(texts(column, count, &what)?),
            DataType::Array => {
                let offsets = offsets(column, count, &what)?;
                let elements = Column {
                    data_type: column.element_type,
                    offsets: column.element_offsets,
                    count: offsets[offsets.len() - 1] as u64,
                    dim: 0,
                    valid: std::ptr::null(),
                    element_type: 0,
                    ..*column
                };
                let elements = values(&elements, name)?;
                let item = Arc::new(Field::new_list_field(elements.data_type().clone(), false));
                let lists = ListArray::try_new(item, OffsetBuffer::new(offsets), elements, None);
                Arc::new(lists.map_err(|e| Error::invalid(format!("{what}: {e}")))?)
            }
            DataType::FloatVector => {
                let dim = width(column.dim, 1, &what)?;
                let total = elements(count, dim as usize * size_of::<f32>(), &what)? / size_of::<f32>();
                let values = primitive::<Float32Type>(column.data, total, &what)?;
                let item = Arc::new(Field::new_list_field(ArrowType::Float32, false));
                Arc::new(FixedSizeListArray::new(item, dim, values, None))
            }
            DataType::BinaryVector => {
                let bytes = width(column.dim, 8, &what)?;
                let total = elements(count, bytes as usize, &what)?;
                let values = slice(column.data.cast::<u8>(), total, &what)?;
                Arc::new(FixedSizeBinaryArray::new(bytes, Buffer::from(values), None))
            }
        })
    }
}

/// A vector's dimension in units of `unit`, as Arrow counts it.
fn width(dim: u64, unit: u64, what: &str) -> Result<i32> {
    let units = i32::try_from(dim / unit).ok().filter(|n| *n > 0 && dim.is_multiple_of(unit));
    units.ok_or_else(|| match unit {
        1 => Error::invalid(format!("{what}: dim {dim} should be in range 1 ~ {}", i32::MAX)),
        _ => Error::invalid(format!(
            "{what}: dim {dim} should be a multiple of {unit} in range {unit} ~ {}",
            i32::MAX
        )),
    })
}

/// # Safety
///
/// `data` must be NULL or point to `count` values.
unsafe fn primitive<T: ArrowPrimitiveType>(
    data: *const c_void,
    count: usize,
    what: &str,
) -> Result<ArrayRef> {
    // SAFETY: the same promise.
    let values = unsafe { slice(data.cast::<T::Native>(), count, what) }?;
    Ok(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values.to_vec()), None)))
}

/// Offsets from 0 that ascend, in Arrow's width.
///
/// # Safety
///
/// `offsets` must be NULL or point to `count + 1` offsets.
unsafe fn offsets(column: &Column<'_>, count: usize, what: &str) -> Result<ScalarBuffer<i32>> {
    let rows = elements(count, size_of::<u64>(), what)? / size_of::<u64>();
    // SAFETY: the same promise.
    let offsets = unsafe { slice(column.offsets, rows + 1, &format!("{what}: offsets")) }?;
    let most = i32::MAX as u64;
    if let Some(i) = (0..rows).find(|i| offsets[*i] > offsets[i + 1]) {
        let (here, next) = (offsets[i], offsets[i + 1]);
        return Err(Error::invalid(format!(
            "{what}: offsets[{}] {next} should be at least offsets[{i}] {here}",
            i + 1
        )));
    }
    if offsets[rows] > most {
        return Err(Error::invalid(format!(
            "{what}: {} bytes of text or elements should be at most {most} in one batch",
            offsets[rows]
        )));
    }
    Ok(offsets.iter().map(|o| *o as i32).collect())
}

/// # Safety
///
/// `offsets` must be NULL or point to `count + 1` offsets, the last of which is the length of `data`.
unsafe fn texts(column: &Column<'_>, count: usize, what: &str) -> Result<StringArray> {
    // SAFETY: the same promise.
    let offsets = unsafe { offsets(column, count, what) }?;
    // SAFETY: the same promise; the length was bounded.
    let bytes = unsafe { slice(column.data.cast::<u8>(), offsets[count] as usize, what) }?;
    for i in 0..count {
        utf8(&bytes[offsets[i] as usize..offsets[i + 1] as usize], &format!("{what}: row {i}"))?;
    }
    StringArray::try_new(OffsetBuffer::new(offsets), Buffer::from(bytes), None)
        .map_err(|e| Error::invalid(format!("{what}: {e}")))
}
