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

/// A column whose pointers lead into the other fields, none of which changes or moves its heap memory afterwards.
pub(super) struct View {
    column: Column<'static>,
    _name: char_p::Box,
    _offsets: Vec<u64>,
    _bytes: Vec<u8>,
    _array: ArrayRef,
}

// SAFETY: the pointers lead to memory that the view owns and that nobody writes.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    pub(super) fn new(field: &str, data_type: DataType, array: &ArrayRef) -> Result<View> {
        let name: char_p::Box =
            field.to_owned().try_into().map_err(|_| Error::internal("a field name with a NUL"))?;
        let (mut offsets, mut bytes, mut dim) = (Vec::new(), Vec::new(), 0);
        let data = match array.data_type() {
            ArrowType::Boolean => {
                bytes = array.as_boolean().values().iter().map(u8::from).collect();
                bytes.as_ptr().cast()
            }
            ArrowType::Int8 => values::<Int8Type>(array),
            ArrowType::Int16 => values::<Int16Type>(array),
            ArrowType::Int32 => values::<Int32Type>(array),
            ArrowType::Int64 => values::<Int64Type>(array),
            ArrowType::Float32 => values::<Float32Type>(array),
            ArrowType::Float64 => values::<Float64Type>(array),
            ArrowType::Utf8 => {
                let texts = array.as_string::<i32>();
                let start = texts.value_offsets()[0];
                offsets = texts.value_offsets().iter().map(|o| (o - start) as u64).collect();
                texts.value_data()[start as usize..].as_ptr().cast()
            }
            ArrowType::FixedSizeList(..) => {
                let rows = array.as_fixed_size_list();
                dim = rows.value_length() as u64;
                values::<Float32Type>(rows.values())
            }
            ArrowType::FixedSizeBinary(width) => {
                dim = *width as u64 * 8;
                array.as_fixed_size_binary().value_data().as_ptr().cast::<c_void>()
            }
            other => return Err(Error::internal(format!("field {field} came out as {other}"))),
        };
        // SAFETY: the text lives on the heap as long as the view, which gives the column out only by reference.
        let lasting = unsafe { std::mem::transmute::<char_p::Ref<'_>, char_p::Ref<'static>>(name.as_ref()) };
        let column = Column {
            size: size_of::<Column>() as u32,
            data_type: data_type.number(),
            name: Some(lasting),
            data,
            offsets: super::pointer(&offsets),
            count: array.len() as u64,
            dim,
        };
        Ok(View { column, _name: name, _offsets: offsets, _bytes: bytes, _array: array.clone() })
    }

    pub(super) fn column(&self) -> *const Column<'_> {
        &self.column
    }
}

fn values<T: ArrowPrimitiveType>(array: &ArrayRef) -> *const c_void {
    array.as_primitive::<T>().values().as_ptr().cast()
}
