//! An Arrow array as C reads it: an `elanus_column` and the memory behind it.

use crate::error::{Error, Result};
use crate::ffi::column::Column;
use crate::schema::DataType;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType as ArrowType;
use safer_ffi::prelude::*;
use std::ffi::c_void;
use std::mem::size_of;
use std::ptr;

/// A column whose pointers lead into the other fields, none of which changes or moves its heap memory afterwards.
pub(super) struct View {
    column: Column<'static>,
    _name: char_p::Box,
    _flat: Flat,
    _element_offsets: Vec<u64>,
    _valid: Vec<u8>,
    _array: ArrayRef,
}

// SAFETY: the pointers lead to memory that the view owns and that nobody writes.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

/// The values of an array: a pointer into it, or into `bytes`.
struct Flat {
    data: *const c_void,
    offsets: Vec<u64>,
    bytes: Vec<u8>,
    dim: u64,
}

impl View {
    /// A column of that name and type; `element_type` is that of an array's elements.
    pub(super) fn new(
        name: &str,
        data_type: DataType,
        element_type: Option<DataType>,
        array: &ArrayRef,
    ) -> Result<View> {
        let unfit = || Error::internal(format!("field {name} came out as {}", array.data_type()));
        let mut element_offsets = Vec::new();
        let flat = match array.as_list_opt::<i32>() {
            None => flat(array).ok_or_else(unfit)?,
            Some(lists) => {
                let offsets = from_zero(lists.value_offsets());
                let first = lists.value_offsets()[0] as usize;
                let elements = lists.values().slice(first, offsets[offsets.len() - 1] as usize);
                let elements = flat(&elements).ok_or_else(unfit)?;
                element_offsets = elements.offsets;
                Flat { offsets, ..elements }
            }
        };
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let valid: Vec<u8> = nulls.map_or(Vec::new(), |nulls| nulls.iter().map(u8::from).collect());
        let name: char_p::Box =
            name.replace('\0', "").try_into().map_err(|_| Error::internal("a field name with a NUL"))?;
        // SAFETY: the text lives on the heap as long as the view, which gives the column out only by reference.
        let lasting = unsafe { std::mem::transmute::<char_p::Ref<'_>, char_p::Ref<'static>>(name.as_ref()) };
        let column = Column {
            size: size_of::<Column>() as u32,
            data_type: data_type.number(),
            name: Some(lasting),
            data: flat.data,
            offsets: super::pointer(&flat.offsets),
            count: array.len() as u64,
            dim: flat.dim,
            valid: super::pointer(&valid),
            element_type: element_type.map_or(0, DataType::number),
            reserved: 0,
            element_offsets: super::pointer(&element_offsets),
        };
        Ok(View {
            column,
            _name: name,
            _flat: flat,
            _element_offsets: element_offsets,
            _valid: valid,
            _array: array.clone(),
        })
    }

    pub(super) fn column(&self) -> *const Column<'_> {
        &self.column
    }
}

/// What the engine gives out, but for lists of rows.
fn flat(array: &ArrayRef) -> Option<Flat> {
    let mut flat = Flat { data: ptr::null(), offsets: Vec::new(), bytes: Vec::new(), dim: 0 };
    flat.data = match array.data_type() {
        ArrowType::Boolean => {
            flat.bytes = array.as_boolean().values().iter().map(u8::from).collect();
            flat.bytes.as_ptr().cast()
        }
        ArrowType::Int8 => values::<Int8Type>(array),
        ArrowType::Int16 => values::<Int16Type>(array),
        ArrowType::Int32 => values::<Int32Type>(array),
        ArrowType::Int64 => values::<Int64Type>(array),
        ArrowType::Float32 => values::<Float32Type>(array),
        ArrowType::Float64 => values::<Float64Type>(array),
        ArrowType::Utf8 => {
            let texts = array.as_string::<i32>();
            flat.offsets = from_zero(texts.value_offsets());
            texts.value_data()[texts.value_offsets()[0] as usize..].as_ptr().cast()
        }
        ArrowType::FixedSizeList(..) => {
            let rows = array.as_fixed_size_list();
            flat.dim = rows.value_length() as u64;
            values::<Float32Type>(rows.values())
        }
        ArrowType::FixedSizeBinary(width) => {
            flat.dim = *width as u64 * 8;
            array.as_fixed_size_binary().value_data().as_ptr().cast::<c_void>()
        }
        _ => return None,
    };
    Some(flat)
}

fn from_zero(offsets: &[i32]) -> Vec<u64> {
    offsets.iter().map(|offset| (offset - offsets[0]) as u64).collect()
}

fn values<T: ArrowPrimitiveType>(array: &ArrayRef) -> *const c_void {
    array.as_primitive::<T>().values().as_ptr().cast()
}
