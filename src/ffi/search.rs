//! Search: the nearest rows of each of many queries.

use super::collection::Collection;
use super::error::{self, ErrorOut};
use super::input::{Versioned, elements, given, owned_text, slice, text, text_or, texts, versioned};
use super::result::SearchResult;
use crate::collection::{Queries, SearchOptions as Options};
use crate::error::{Error, Result};
use arrow_array::{ArrayRef, Int64Array, StringArray};
use safer_ffi::prelude::*;
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

/// The options of a search. Begin with ELANUS_SEARCH_OPTIONS_INIT, which sets `size` and `round_decimal`; all zeros are
/// the defaults too.
#[derive_ReprC(rename = "elanus_search_options")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SearchOptions<'a> {
    /// sizeof(elanus_search_options).
    pub size: u32,
    /// How many hits a query gets at most, 1 to 16384; 0 for 10.
    pub topk: u32,
    /// JSON for the index, like `{"nprobe":16}` or `{"ef":64}`; NULL for the defaults. `{"radius":20,"range_filter":10}` asks
    /// for the nearest hits in a range: distances from `range_filter` (included) to `radius` (not included), or of IP and
    /// COSINE scores above `radius` and up to `range_filter`. Only a radius is fine.
    pub params: Option<char_p::Ref<'a>>,
    /// The metric. It must be the index's; NULL is the index's, and without an index L2 or HAMMING.
    pub metric_type: Option<char_p::Ref<'a>>,
    /// To how many digits scores are rounded, 0 to 6; -1 for not at all.
    ///
    /// cbindgen:init=-1
    pub round_decimal: i32,
    /// After how many milliseconds to give up with ELANUS_CODE_TIMEOUT; 0 for never.
    pub timeout_ms: u32,
    /// Names of fields or dynamic keys to return with the hits, or `*` for all fields; NULL for none. A dynamic key comes as
    /// JSON, null in the rows that lack it.
    pub output_fields: *const Option<char_p::Ref<'a>>,
    /// How many names.
    pub output_field_count: usize,
    /// Only rows for which it holds are searched, like `price < 20 and color in ["red", "blue"]`; NULL or empty for all.
    /// elanus_collection_query() has the language. As many hits as there are rows to find, up to topk, whatever the index.
    pub filter: Option<char_p::Ref<'a>>,
    /// The values of the filter's templates: JSON like `{"colors":["red","blue"]}` for `color in {colors}`; NULL for none.
    pub filter_values: Option<char_p::Ref<'a>>,
    /// A field of BOOL, integers or VARCHAR: each of its values gets one hit, that of its best row, and topk is the number of
    /// values. NULL or empty for none.
    pub group_by_field: Option<char_p::Ref<'a>>,
    /// So many of the best hits of a query are passed over; with topk at most 16384.
    pub offset: usize,
    /// Names of partitions to look into; NULL for all that are not released. Not with a partition key.
    pub partition_names: *const Option<char_p::Ref<'a>>,
    /// How many names.
    pub partition_name_count: usize,
    /// The rows that there were at this time are searched: a moment that elanus_collection_timestamp() gave, or Milvus' hybrid
    /// timestamp of any other (milliseconds since 1970 in UTC, times 262144), no longer ago than the database's
    /// `retention_duration`. 0 for now.
    pub travel_timestamp: u64,
}

// SAFETY: `repr(C)`, a u32 size first; numbers take any bits, pointers are the caller's promise, NULL is valid.
unsafe impl Versioned for SearchOptions<'_> {
    const NAME: &'static str = "elanus_search_options";
    const SIZES: &'static [usize] = &[48, 64, 96, 104];
}

/// Searches a FLOAT_VECTOR field for the nearest rows of each query. It runs on the rows that were inserted when it
/// started and never waits for writers.
///
/// @param field   The vector field.
/// @param queries `nq` x `dim` floats, query by query, each finite.
/// @param nq      1 to 16384.
/// @param dim     The field's dimension.
/// @param options NULL for the defaults.
/// @param error   Receives the failure; may be NULL.
/// @return The hits, to free with elanus_result_free(), or NULL on failure. Fewer than topk hits of a query are
///         possible and no failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_search(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    queries: *const f32,
    nq: usize,
    dim: usize,
    options: *const SearchOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let collection = given(collection, "collection")?;
        let field = text(field, "field")?;
        let total = elements(nq, elements(dim, size_of::<f32>(), "queries")?, "queries")? / size_of::<f32>();
        // SAFETY: the caller promises `nq` x `dim` floats.
        let queries = unsafe { slice(queries, total, "queries") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        let hits = collection.0.search(field, Queries::Float(queries), nq, &options)?;
        Ok(Box::new(SearchResult::hits(hits, collection.0.schema())?).into())
    })
}

/// Searches a BINARY_VECTOR field for the nearest rows of each query: elanus_collection_search() for packed bits.
///
/// Scores are distances, the smallest first: HAMMING counts the bits that differ; JACCARD is 1 less the share of common
/// bits, and 1 for two empty sets; TANIMOTO is -log2(1 - JACCARD), infinite where no bit is common. With SUBSTRUCTURE
/// (rows that have all bits of the query) and SUPERSTRUCTURE (rows that have no others) only the rows that match are
/// hits, with the score 0.
///
/// @param field   The vector field.
/// @param queries `nq` x `dim` / 8 bytes, query by query.
/// @param nq      1 to 16384.
/// @param dim     The field's dimension in bits, a multiple of 8.
/// @param options NULL for the defaults.
/// @param error   Receives the failure; may be NULL.
/// @return The hits, to free with elanus_result_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_search_binary(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    queries: *const u8,
    nq: usize,
    dim: usize,
    options: *const SearchOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let collection = given(collection, "collection")?;
        let field = text(field, "field")?;
        if !dim.is_multiple_of(8) {
            return Err(Error::invalid(format!("queries: dim {dim} should be a multiple of 8")));
        }
        let total = elements(nq, dim / 8, "queries")?;
        // SAFETY: the caller promises `nq` x `dim` bits.
        let queries = unsafe { slice(queries, total, "queries") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        let hits = collection.0.search(field, Queries::Binary(queries), nq, &options)?;
        Ok(Box::new(SearchResult::hits(hits, collection.0.schema())?).into())
    })
}

/// Searches for the nearest rows of each of some rows, which are named by their INT64 primary keys: their vectors are the
/// queries. A row is found for itself too, first of all unless another one is as near, or a filter hides it.
///
/// @param field   The vector field.
/// @param ids     `count` keys, each of a row in any partition.
/// @param count   1 to 16384.
/// @param options NULL for the defaults.
/// @param error   Receives the failure; may be NULL.
/// @return The hits, those of ids[i] as query i; to free with elanus_result_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_search_by_int64(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    ids: *const i64,
    count: usize,
    options: *const SearchOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let (collection, field) = (given(collection, "collection")?, text(field, "field")?);
        // SAFETY: the caller promises `count` keys at `ids`.
        let ids = unsafe { slice(ids, count, "ids") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let hits = collection.0.search_by_keys(field, &ids, &options)?;
        Ok(Box::new(SearchResult::hits(hits, collection.0.schema())?).into())
    })
}

/// The same for VARCHAR primary keys: elanus_collection_search_by_int64().
///
/// @param field   The vector field.
/// @param ids     `count` texts in UTF-8, none NULL, each the key of a row.
/// @param count   1 to 16384.
/// @param options NULL for the defaults.
/// @param error   Receives the failure; may be NULL.
/// @return The hits, to free with elanus_result_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_search_by_varchar(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    ids: *const Option<char_p::Ref<'_>>,
    count: usize,
    options: *const SearchOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let (collection, field) = (given(collection, "collection")?, text(field, "field")?);
        // SAFETY: the caller promises `count` texts at `ids`.
        let ids = unsafe { texts(ids, count, "ids") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        let ids: ArrayRef = Arc::new(StringArray::from(ids));
        let hits = collection.0.search_by_keys(field, &ids, &options)?;
        Ok(Box::new(SearchResult::hits(hits, collection.0.schema())?).into())
    })
}

/// Says how a search would be done, without doing it: JSON with the filter as it was understood and, for each segment, its
/// rows, those that are live and that the filter lets through, its index, the choice (`exact`, `index`, `filtered`,
/// `post_filter`, `none`), what the ways were thought to cost (in exact scores of a row), why, whether it knows the
/// filter's rows from before (`filter_cached`), and otherwise `filter_indexes`: the indexes of scalar fields that would tell
/// where conditions hold, and how many rows each names.
///
/// @param field   The vector field.
/// @param options Those of the search; NULL for the defaults.
/// @param error   Receives the failure, that of the search; may be NULL.
/// @return JSON like `{"index_type":"HNSW","metric_type":"L2","topk":10,"filter":"a < 3","segments":[{"segment":1,"rows":5000,
///         "live":4990,"allowed":20,"choice":"exact","why":"..."}]}`, to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_explain(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    options: *const SearchOptions<'_>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || {
        let (collection, field) = (given(collection, "collection")?, text(field, "field")?);
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { read(options) }?;
        owned_text(collection.0.explain(field, &options)?)
    })
}

/// # Safety
///
/// `options` must be NULL or point to a structure of the size it states, whose pointers can be read during `'a`.
pub(super) unsafe fn read<'a>(options: *const SearchOptions<'a>) -> Result<Options<'a>> {
    let given = match options.is_null() {
        true => None,
        // SAFETY: the same promise.
        false => unsafe { versioned(options, "options") }?,
    };
    let mut read = Options::default();
    if let Some(given) = given {
        if given.topk != 0 {
            read.topk = given.topk as usize;
        }
        if let Some(params) = given.params {
            read.params = text(Some(params), "options.params")?;
        }
        read.metric_type = given.metric_type.map(|m| text(Some(m), "options.metric_type")).transpose()?;
        read.round_decimal = given.round_decimal;
        read.filter = text_or(given.filter, "options.filter", "")?;
        read.filter_values = text_or(given.filter_values, "options.filter_values", "")?;
        read.group_by_field =
            given.group_by_field.map(|name| text(Some(name), "options.group_by_field")).transpose()?;
        read.offset = given.offset;
        read.travel_timestamp = given.travel_timestamp;
        // SAFETY: the same promise.
        read.output_fields =
            unsafe { texts(given.output_fields, given.output_field_count, "options.output_fields") }?;
        // SAFETY: the same promise.
        read.partition_names =
            unsafe { texts(given.partition_names, given.partition_name_count, "options.partition_names") }?;
        read.timeout = (given.timeout_ms != 0).then(|| Duration::from_millis(given.timeout_ms.into()));
    }
    Ok(read)
}
