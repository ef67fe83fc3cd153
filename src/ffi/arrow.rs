//! Arrow: whole batches in and out by the Arrow C data interface, without a copy where the layout allows it.
//! The structures are those of https://arrow.apache.org/docs/format/CDataInterface.html

use super::collection::Collection;
use super::error::{self, ErrorOut, panic_message};
use super::input::given;
use super::result::{self, SearchResult};
use crate::error::{Code, Error, Result};
use crate::exchange::Source;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{
    Array, ArrayRef, Float32Array, RecordBatch, RecordBatchIterator, StructArray, UInt32Array,
};
use arrow_schema::{ArrowError, DataType as ArrowType, Field, Schema};
use safer_ffi::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

// safer-ffi cannot name a type of another crate, and Arrow's structures are arrow-rs' own. So C's pointers come in as
// pointers to these stand-ins, which are never read, and are cast; the header defines the structures whole.

/// cbindgen:foreign
#[derive_ReprC(rename = "ArrowArray")]
#[repr(opaque)]
pub struct ArrowArray(());

/// cbindgen:foreign
#[derive_ReprC(rename = "ArrowSchema")]
#[repr(opaque)]
pub struct ArrowSchema(());

/// cbindgen:foreign
#[derive_ReprC(rename = "ArrowArrayStream")]
#[repr(opaque)]
pub struct ArrowArrayStream(());

/// Inserts rows that lie in Arrow's layout: elanus_collection_insert() for a struct array whose children are the
/// columns.
///
/// Both structures are moved out of `array` and `schema`, whose `release` is NULL afterwards: on success and on
/// failure, even that of NULL for another argument. Float vectors are fixed-size lists of float32, binary vectors
/// fixed-size binaries, VARCHAR and JSON are utf8, arrays are lists. Integers of any
/// width are taken for those of the field if their values fit. Only fields that are nullable or have a default value take nulls.
///
/// In a collection with `enable_dynamic_field` a column of any other name adds a dynamic key to the rows that are not null:
/// booleans, numbers, texts, lists and structs become JSON, texts of the extension type `arrow.json` are JSON already. A
/// column `$meta` has whole objects of keys as JSON.
///
/// @param inserted Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
///                 NULL for not wanting it.
/// @param error    Receives the failure; may be NULL. On failure nothing was inserted.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_insert_arrow(
    collection: Option<&Collection>,
    array: *mut ArrowArray,
    schema: *mut ArrowSchema,
    inserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    // First of all: from here on the two are released on every way out.
    // SAFETY: the caller promises structures of the C data interface.
    let given_rows = unsafe { claim(array, schema) };
    error::code(error, || {
        let collection = given(collection, "collection")?;
        result::written(collection, collection.0.insert(given_rows.import()?)?, inserted)
    })
}

/// Upserts rows that lie in Arrow's layout: elanus_collection_upsert() for a struct array whose children are the columns.
///
/// Both structures are moved out of `array` and `schema`, as by elanus_collection_insert_arrow().
///
/// @param upserted Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
///                 NULL for not wanting it.
/// @param error    Receives the failure; may be NULL. On failure nothing changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_upsert_arrow(
    collection: Option<&Collection>,
    array: *mut ArrowArray,
    schema: *mut ArrowSchema,
    upserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    // SAFETY: the caller promises structures of the C data interface.
    let given_rows = unsafe { claim(array, schema) };
    error::code(error, || {
        let collection = given(collection, "collection")?;
        result::written(collection, collection.0.upsert(given_rows.import()?)?, upserted)
    })
}

/// Structures that were moved out of the caller's, to be released; `None` for NULL.
pub(super) struct Claimed {
    array: Option<FFI_ArrowArray>,
    schema: Option<FFI_ArrowSchema>,
}

/// Moves both out of the caller's structures.
///
/// # Safety
///
/// Both must be NULL or point to structures of the C data interface.
pub(super) unsafe fn claim(array: *mut ArrowArray, schema: *mut ArrowSchema) -> Claimed {
    // SAFETY: the same promise.
    let array = (!array.is_null()).then(|| unsafe { FFI_ArrowArray::from_raw(array.cast()) });
    // SAFETY: the same promise.
    let schema = (!schema.is_null()).then(|| unsafe { FFI_ArrowSchema::from_raw(schema.cast()) });
    Claimed { array, schema }
}

impl Claimed {
    /// The rows, checked.
    pub(super) fn import(self) -> Result<RecordBatch> {
        import(given(self.array, "array")?, &given(self.schema, "schema")?)
    }
}

fn import(array: FFI_ArrowArray, schema: &FFI_ArrowSchema) -> Result<RecordBatch> {
    let given_once = |released, what| match released {
        true => Err(Error::invalid(format!("{what} is released: it can be given once"))),
        false => Ok(()),
    };
    given_once(array.is_released(), "array")?;
    given_once(schema.release().is_none(), "schema")?;
    let data = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller promises structures of the C data interface.
        let data = unsafe { from_ffi(array, schema) }?;
        data.validate_full().map(|()| data)
    }));
    let data = kept(data, "array", "data")?;
    if !matches!(data.data_type(), ArrowType::Struct(_)) {
        return Err(Error::invalid(format!(
            "array is of type {}, should be a struct of columns",
            data.data_type()
        )));
    }
    let rows = StructArray::from(data);
    if rows.null_count() > 0 {
        return Err(Error::invalid(format!("array has {} null rows, should have none", rows.null_count())));
    }
    Ok(RecordBatch::from(rows))
}

/// A stream that was given, released when it is dropped.
pub(super) struct Stream(FFI_ArrowArrayStream);

/// Its batches, checked.
pub(super) struct Batches {
    reader: RecordBatchStreamReader,
    rows: u64,
}

impl Stream {
    /// Moves it out of what the caller has; `None` for NULL.
    ///
    /// # Safety
    ///
    /// `stream` must be NULL or point to a structure of the C stream interface.
    pub(super) unsafe fn take(stream: *mut ArrowArrayStream) -> Option<Stream> {
        // SAFETY: the same promise.
        (!stream.is_null()).then(|| Stream(unsafe { FFI_ArrowArrayStream::from_raw(stream.cast()) }))
    }

    /// Asks for the schema.
    pub(super) fn open(self) -> Result<Batches> {
        let reader = catch_unwind(AssertUnwindSafe(|| RecordBatchStreamReader::try_new(self.0)));
        Ok(Batches { reader: kept(reader, "stream", "stream")?, rows: 0 })
    }
}

impl Source for Batches {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let next = catch_unwind(AssertUnwindSafe(|| {
            let Some(batch) = self.reader.next().transpose()? else { return Ok(None) };
            batch.columns().iter().try_for_each(|column| column.to_data().validate_full())?;
            Ok(Some(batch))
        }));
        let batch = kept(next, "stream", "stream")?;
        self.rows += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Ok(batch)
    }

    /// A stream does not say how long it is: rows.
    fn done(&self) -> u64 {
        self.rows
    }

    fn total(&self) -> u64 {
        0
    }
}

/// What arrow-rs made of the caller's structures: it asserts what the interface promises (lengths, numbers of children
/// and buffers).
fn kept<T>(outcome: std::thread::Result<Result<T, ArrowError>>, what: &str, interface: &str) -> Result<T> {
    outcome.unwrap_or_else(|panic| Err(ArrowError::CDataInterface(panic_message(&*panic)))).map_err(|e| {
        Error::invalid(format!("{what} does not keep to the Arrow C {interface} interface: {e}"))
    })
}

/// Gives a result away as a stream of Arrow batches: columns `_query` (uint32, the number of the query), `_id` and
/// `_score` (float32), then the output fields; for an insert or upsert `_id` alone, for a `count(*)` the number alone.
///
/// @param stream Receives the stream, which the caller releases by its `release`, before or after the result is freed;
///               not NULL. Written only on success.
/// @param error  Receives the failure; may be NULL.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_export_arrow(
    result: Option<&SearchResult>,
    stream: *mut ArrowArrayStream,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let batch = export(given(result, "result")?)?;
        given((!stream.is_null()).then_some(()), "stream")?;
        let schema = batch.schema();
        let exported = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)));
        // SAFETY: the caller promises room for a stream, which is written over and not released.
        unsafe { stream.cast::<FFI_ArrowArrayStream>().write(exported) };
        Ok(())
    })
}

fn export(result: &SearchResult) -> Result<RecordBatch> {
    let (offsets, ids, scores, rows) = result.parts();
    let mut fields = vec![Field::new("_id", ids.data_type().clone(), false)];
    let mut columns: Vec<ArrayRef> = vec![ids.clone()];
    // A count has no key.
    if offsets.last() != Some(&(ids.len() as u64)) {
        (fields, columns) = (Vec::new(), Vec::new());
    }
    if let Some(scores) = scores {
        let query = (0u32..)
            .zip(offsets.windows(2))
            .flat_map(|(q, w)| std::iter::repeat_n(q, (w[1] - w[0]) as usize));
        fields.insert(0, Field::new("_query", ArrowType::UInt32, false));
        columns.insert(0, Arc::new(UInt32Array::from_iter_values(query)));
        fields.push(Field::new("_score", ArrowType::Float32, false));
        columns.push(Arc::new(Float32Array::from(scores.to_vec())));
    }
    fields.extend(rows.schema().fields().iter().map(|f| f.as_ref().clone()));
    columns.extend(rows.columns().iter().cloned());
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| Error::internal(e.to_string()))
}
