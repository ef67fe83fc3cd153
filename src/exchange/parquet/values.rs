//! The values of a column as an Arrow array: from each of Parquet's own types.

use crate::error::{Error, Result};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type,
};
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type as ArrowInt32,
    Int64Type as ArrowInt64, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// One of Parquet's own types.
pub trait Physical: DataType {
    /// The values as an array of the type `of`; `valid` says in which places they are, `None` that in all.
    fn array(of: &ArrowType, values: Vec<Self::T>, valid: Option<NullBuffer>) -> Result<ArrayRef>;
}

impl Physical for BoolType {
    fn array(of: &ArrowType, values: Vec<bool>, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        match of {
            ArrowType::Boolean => {
                let values = BooleanBuffer::from(in_places(values, &valid));
                Ok(Arc::new(BooleanArray::new(values, valid)))
            }
            of => other(of),
        }
    }
}

impl Physical for Int32Type {
    fn array(of: &ArrowType, values: Vec<i32>, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        match of {
            ArrowType::Int32 => Ok(primitive::<ArrowInt32>(values, valid)),
            ArrowType::Int8 => narrowed::<Int8Type>(values, valid, |value| value as i8),
            ArrowType::Int16 => narrowed::<Int16Type>(values, valid, |value| value as i16),
            ArrowType::UInt8 => narrowed::<UInt8Type>(values, valid, |value| value as u8),
            ArrowType::UInt16 => narrowed::<UInt16Type>(values, valid, |value| value as u16),
            // The same bits.
            ArrowType::UInt32 => {
                Ok(primitive::<UInt32Type>(values.into_iter().map(|value| value as u32).collect(), valid))
            }
            of => other(of),
        }
    }
}

impl Physical for Int64Type {
    fn array(of: &ArrowType, values: Vec<i64>, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        match of {
            ArrowType::Int64 => Ok(primitive::<ArrowInt64>(values, valid)),
            ArrowType::UInt64 => {
                Ok(primitive::<UInt64Type>(values.into_iter().map(|value| value as u64).collect(), valid))
            }
            of => other(of),
        }
    }
}

impl Physical for FloatType {
    fn array(of: &ArrowType, values: Vec<f32>, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        match of {
            ArrowType::Float32 => Ok(primitive::<Float32Type>(values, valid)),
            of => other(of),
        }
    }
}

impl Physical for DoubleType {
    fn array(of: &ArrowType, values: Vec<f64>, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        match of {
            ArrowType::Float64 => Ok(primitive::<Float64Type>(values, valid)),
            of => other(of),
        }
    }
}

impl Physical for ByteArrayType {
    fn array(of: &ArrowType, values: Vec<ByteArray>, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        let lengths = in_places(values.iter().map(ByteArray::len).collect(), &valid);
        // An i32 has to hold the sum.
        if lengths.iter().fold(0usize, |sum, length| sum.saturating_add(*length)) > i32::MAX as usize {
            return Err(too_long());
        }
        let (offsets, bytes) = (OffsetBuffer::from_lengths(lengths), joined(&values));
        let array = match of {
            ArrowType::Utf8 => StringArray::try_new(offsets, bytes, valid).map(|a| Arc::new(a) as ArrayRef),
            ArrowType::Binary => BinaryArray::try_new(offsets, bytes, valid).map(|a| Arc::new(a) as ArrayRef),
            of => return other(of),
        };
        array.map_err(|e| Error::invalid(e.to_string()))
    }
}

impl Physical for FixedLenByteArrayType {
    fn array(of: &ArrowType, values: Vec<FixedLenByteArray>, valid: Option<NullBuffer>) -> Result<ArrayRef> {
        let ArrowType::FixedSizeBinary(width) = *of else { return other(of) };
        if let Some(value) = values.iter().find(|value| value.len() != width as usize) {
            return Err(Error::invalid(format!("it has a value of {} bytes, not {width}", value.len())));
        }
        let (places, width) = (valid.as_ref().map_or(values.len(), NullBuffer::len), width as usize);
        let total = places.saturating_mul(width);
        if total > i32::MAX as usize {
            return Err(too_long());
        }
        // Zeros that are not touched take no memory, however many nulls there are.
        let mut bytes = vec![0; total];
        let mut values = values.iter();
        for (place, out) in bytes.chunks_exact_mut(width).enumerate() {
            if valid.as_ref().is_none_or(|valid| valid.is_valid(place)) {
                values.next().into_iter().for_each(|value| out.copy_from_slice(value.data()));
            }
        }
        let array = FixedSizeBinaryArray::try_new(width as i32, bytes.into(), valid);
        array.map(|array| Arc::new(array) as ArrayRef).map_err(|e| Error::invalid(e.to_string()))
    }
}

fn too_long() -> Error {
    Error::invalid("the values of a batch have more than 2^31 - 1 bytes")
}

fn other(of: &ArrowType) -> Result<ArrayRef> {
    Err(Error::internal(format!("values of {of} in a column of another type")))
}

/// Each value in its place, with defaults in the others.
fn in_places<V: Default>(values: Vec<V>, valid: &Option<NullBuffer>) -> Vec<V> {
    let Some(valid) = valid else { return values };
    let mut values = values.into_iter();
    let mut value = |is_valid| if is_valid { values.next().unwrap_or_default() } else { V::default() };
    valid.iter().map(&mut value).collect()
}

fn primitive<A: ArrowPrimitiveType>(values: Vec<A::Native>, valid: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<A>::new(in_places(values, &valid).into(), valid))
}

/// Values of a narrower type, which Parquet keeps in 32 bits.
fn narrowed<A: ArrowPrimitiveType<Native: Into<i32>>>(
    values: Vec<i32>,
    valid: Option<NullBuffer>,
    narrow: impl Fn(i32) -> A::Native,
) -> Result<ArrayRef> {
    // Without an early exit, so that the compiler vectorises it.
    if !values.iter().fold(true, |all, &value| all & (narrow(value).into() == value)) {
        return Err(Error::invalid(format!("it has values beyond {}", A::DATA_TYPE)));
    }
    Ok(primitive::<A>(values.into_iter().map(narrow).collect(), valid))
}

fn joined(values: &[ByteArray]) -> Buffer {
    let mut bytes = Vec::with_capacity(values.iter().map(ByteArray::len).sum());
    values.iter().for_each(|value| bytes.extend_from_slice(value.data()));
    Buffer::from(bytes)
}
