//! Query: rows by a filter, without a vector.

use super::collection::Collection;
use super::error::{self, ErrorOut};
use super::input::{Versioned, given, put, slice, text, text_or, texts, versioned};
use super::result::SearchResult;
use crate::collection::QueryOptions as Options;
use crate::error::{Code, Result};
use arrow_array::{ArrayRef, Int64Array, StringArray};
use safer_ffi::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// The options of a query. Begin with ELANUS_QUERY_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
#[derive_ReprC(rename = "elanus_query_options")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueryOptions<'a> {
    /// sizeof(elanus_query_options).
    pub size: u32,
    /// At most so many rows, those with the smallest keys; with `offset` up to 16384. 0 for all.
    pub limit: u32,
    /// So many rows are passed over first. Needs a limit.
    pub offset: u32,
    /// After how many milliseconds to give up with ELANUS_CODE_TIMEOUT; 0 for never.
    pub timeout_ms: u32,
    /// The values of the filter's templates: JSON like `{"colors":["red","blue"]}` for `color in {colors}`; NULL for none.
    pub filter_values: Option<char_p::Ref<'a>>,
    /// Names of fields or dynamic keys to return with the keys, or `*` for all fields; NULL for none. A dynamic key comes as
    /// JSON, null in the rows that lack it. `count(*)` alone asks for the number of rows and not for the rows: one row
    /// without a key, with one INT64 column of that name; no limit and no offset then.
    pub output_fields: *const Option<char_p::Ref<'a>>,
    /// How many names.
    pub output_field_count: usize,
    /// Names of partitions to look into; NULL for all that are not released. Not with a partition key.
    pub partition_names: *const Option<char_p::Ref<'a>>,
    /// How many names.
    pub partition_name_count: usize,
    /// The rows that there were at this time are asked: see elanus_search_options. 0 for now.
    pub travel_timestamp: u64,
}

// SAFETY: `repr(C)`, a u32 size first; numbers take any bits, pointers are the caller's promise, NULL is valid.
unsafe impl Versioned for QueryOptions<'_> {
    const NAME: &'static str = "elanus_query_options";
    const SIZES: &'static [usize] = &[40, 56, 64];
}

/// Finds the rows for which a filter holds. It runs on the rows that were inserted when it started and never waits for
/// writers.
///
/// The language is that of Milvus 2.3: `==`, `!=`, `<`, `<=`, `>` and `>=` between a field and a constant or another field;
/// `1 < field <= 9`; `field in [1, 2]` and `not in`; `text like "prefix%"`; `field % 10 == 3` with `+`, `-`, `*`, `/` and
/// `%`; `and`, `or`, `not` (or `&&`, `||`, `!`) and brackets. Of a JSON field: `json["key"][0] > 5`, `exists json["key"]`,
/// `json_contains(json["list"], 1)`, `json_contains_all`, `json_contains_any`, `array_length(json["list"]) == 2`; a key that
/// a row lacks, or has with another type, makes a comparison false, and `!=` true. A name that is no field is a key of the
/// dynamic field, where the collection has one: `color == "red"` is `$meta["color"] == "red"`. Of an array: `list[0] > 5`,
/// false where there is no such element, `array_contains(list, 1)`, `array_contains_all`, `array_contains_any`,
/// `array_length`, `list == [1, 2]`. `field is null` and `is not null`; no other condition holds for a null, nor does its
/// opposite. Constants are true, false, numbers and
/// texts in either quotes with the escapes of C, or `{name}` for a value that is passed beside the filter.
///
/// @param filter  At most 524288 bytes and nested 100 deep; NULL or empty for all rows, which needs a limit.
/// @param options NULL for the defaults.
/// @param error   Receives the failure; may be NULL.
/// @return The keys in their order, each once, and the output fields as columns; to free with elanus_result_free(), or
///         NULL on failure. No row is no failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_query(
    collection: Option<&Collection>,
    filter: Option<char_p::Ref<'_>>,
    options: *const QueryOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let collection = given(collection, "collection")?;
        let filter = text_or(filter, "filter", "")?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        let found = collection.0.query(filter, &options)?;
        Ok(Box::new(SearchResult::rows(found, collection.0.schema())?).into())
    })
}

/// Gives the rows of some INT64 primary keys: elanus_collection_query() for `key in [...]`, but the keys are looked up, and
/// no row is scanned.
///
/// @param ids     `count` keys. One without a row is passed over, and one that is named twice gives one row.
/// @param count   Any number; 0 gives no row.
/// @param options As those of a query: output fields, `limit` and `offset` over the rows in the order of their keys, partitions,
///                travel_timestamp. `filter_values` do not count. NULL for the defaults.
/// @param error   Receives the failure; may be NULL.
/// @return The keys that have a row, in their order, each once, and the output fields as columns; to free with
///         elanus_result_free(), or NULL on failure. No row is no failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_get_int64(
    collection: Option<&Collection>,
    ids: *const i64,
    count: usize,
    options: *const QueryOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `count` keys at `ids`.
        let ids = unsafe { slice(ids, count, "ids") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        get(collection, Arc::new(Int64Array::from(ids.to_vec())), &options)
    })
}

/// The same for VARCHAR primary keys: elanus_collection_get_int64().
///
/// @param ids     `count` texts in UTF-8, none NULL.
/// @param count   Any number; 0 gives no row.
/// @param options NULL for the defaults.
/// @param error   Receives the failure; may be NULL.
/// @return The keys that have a row, in their order, each once, and the output fields as columns; to free with
///         elanus_result_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_get_varchar(
    collection: Option<&Collection>,
    ids: *const Option<char_p::Ref<'_>>,
    count: usize,
    options: *const QueryOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `count` texts at `ids`.
        let ids = unsafe { texts(ids, count, "ids") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        get(collection, Arc::new(StringArray::from(ids)), &options)
    })
}

fn get(collection: &Collection, ids: ArrayRef, options: &Options) -> Result<repr_c::Box<SearchResult>> {
    let found = collection.0.get(&ids, options)?;
    Ok(Box::new(SearchResult::rows(found, collection.0.schema())?).into())
}

/// Counts the rows of all partitions that are not released for which a filter holds.
///
/// @param filter As elanus_collection_query() has it; empty for all rows.
/// @param values The values of its templates, as JSON; NULL for none.
/// @param count  Receives the number; not NULL.
/// @param error  Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_count_matching(
    collection: Option<&Collection>,
    filter: Option<char_p::Ref<'_>>,
    values: Option<char_p::Ref<'_>>,
    count: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, count) = (given(collection, "collection")?, given(count, "count")?);
        let (filter, values) = (text(filter, "filter")?, text_or(values, "values", "")?);
        put(Some(count), collection.0.count_matching(filter, values)?);
        Ok(())
    })
}

/// Deletes the rows for which a filter holds when the call starts. They go by their primary keys, as in Milvus: with a
/// row goes every other one of its key. Unlike in Milvus the collection needs not be loaded, and a delete loads nothing: what is
/// not open is read from its files. It is one record of the log: of rows whose keys exceed 1 GiB, some have to be deleted
/// before others.
///
/// @param filter  As elanus_collection_query() has it. One that is empty, or true of every row whatever it holds, is
///                refused.
/// @param values  The values of its templates, as JSON; NULL for none.
/// @param deleted Receives how many rows there were; may be NULL.
/// @param error   Receives the failure; may be NULL. On failure nothing was deleted.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_delete_matching(
    collection: Option<&Collection>,
    filter: Option<char_p::Ref<'_>>,
    values: Option<char_p::Ref<'_>>,
    deleted: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        let (filter, values) = (text(filter, "filter")?, text_or(values, "values", "")?);
        put(deleted, collection.0.delete_matching(filter, values)?);
        Ok(())
    })
}

/// # Safety
///
/// `options` must be NULL or point to a structure of the size it states, whose pointers can be read during `'a`.
pub(super) unsafe fn read<'a>(options: *const QueryOptions<'a>) -> Result<Options<'a>> {
    let given = match options.is_null() {
        true => None,
        // SAFETY: the same promise.
        false => unsafe { versioned(options, "options") }?,
    };
    let Some(given) = given else { return Ok(Options::default()) };
    Ok(Options {
        filter_values: text_or(given.filter_values, "options.filter_values", "")?,
        // SAFETY: the same promise.
        output_fields: unsafe {
            texts(given.output_fields, given.output_field_count, "options.output_fields")
        }?,
        limit: (given.limit != 0).then_some(given.limit as usize),
        offset: given.offset as usize,
        // SAFETY: the same promise.
        partition_names: unsafe {
            texts(given.partition_names, given.partition_name_count, "options.partition_names")
        }?,
        timeout: (given.timeout_ms != 0).then(|| Duration::from_millis(given.timeout_ms.into())),
        travel_timestamp: given.travel_timestamp,
    })
}
