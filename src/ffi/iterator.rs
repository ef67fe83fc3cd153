//! Iterators: the hits of a search or the rows of a query, batch by batch.

use super::collection::Collection;
use super::error::{self, ErrorOut};
use super::input::{elements, given, slice, text, text_or};
use super::query::{self, QueryOptions};
use super::result::SearchResult;
use super::search::{self, SearchOptions};
use crate::collection::{IteratorOptions, Queries, QueryIterator as Rows, SearchIterator as Hits};
use crate::error::{Error, Result};
use crate::schema::Schema;
use safer_ffi::prelude::*;
use std::mem::size_of;
use std::sync::Arc;

/// Hits or rows of a batch, where the caller does not say.
const USUAL_BATCH: usize = 1000;

/// The hits of one query, nearest first, batch by batch and to the last row. They come from the rows that there were when
/// it was opened, whatever is written meanwhile; while it lives, these rows' files stay, and `memory_limit` counts a bit for
/// each row of their segments.
#[derive_ReprC(rename = "elanus_search_iterator")]
#[repr(opaque)]
pub struct SearchIterator {
    hits: Hits,
    schema: Arc<Schema>,
}

/// The rows of a query in the order of their primary keys, batch by batch. They are those that there were when it was
/// opened, whatever is written meanwhile; while it lives, these rows' files stay, and `memory_limit` counts 8 bytes a row.
#[derive_ReprC(rename = "elanus_query_iterator")]
#[repr(opaque)]
pub struct QueryIterator {
    rows: Rows,
    schema: Arc<Schema>,
}

/// Opens an iterator over the rows around one query of a FLOAT_VECTOR field.
///
/// @param field      The vector field.
/// @param query      `dim` floats, each finite.
/// @param dim        The field's dimension.
/// @param options    NULL for the defaults. `topk` does not count; `offset` is at most 16383; group_by_field must not be set; a
///                   timeout is that of each call.
/// @param batch_size Hits of a batch, 1 to 16384; 0 for 1000.
/// @param limit      After how many hits to end; 0 for after all.
/// @param error      Receives the failure; may be NULL.
/// @return The iterator, to free with elanus_search_iterator_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_search_iterator_open(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    query: *const f32,
    dim: usize,
    options: *const SearchOptions<'_>,
    batch_size: usize,
    limit: u64,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchIterator>> {
    error::value(error, || {
        elements(dim, size_of::<f32>(), "query")?;
        // SAFETY: the caller promises `dim` floats.
        let query = unsafe { slice(query, dim, "query") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { search::read(options) }?;
        open(collection, field, Queries::Float(query), &options, iterator_options(batch_size, limit))
    })
}

/// The same for a BINARY_VECTOR field: elanus_search_iterator_open() for packed bits.
///
/// @param field      The vector field.
/// @param query      `dim` / 8 bytes.
/// @param dim        The field's dimension in bits, a multiple of 8.
/// @param options    NULL for the defaults.
/// @param batch_size Hits of a batch, 1 to 16384; 0 for 1000.
/// @param limit      After how many hits to end; 0 for after all.
/// @param error      Receives the failure; may be NULL.
/// @return The iterator, to free with elanus_search_iterator_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_search_iterator_open_binary(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    query: *const u8,
    dim: usize,
    options: *const SearchOptions<'_>,
    batch_size: usize,
    limit: u64,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchIterator>> {
    error::value(error, || {
        if !dim.is_multiple_of(8) {
            return Err(Error::invalid(format!("query: dim {dim} should be a multiple of 8")));
        }
        // SAFETY: the caller promises `dim` bits.
        let query = unsafe { slice(query, dim / 8, "query") }?;
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { search::read(options) }?;
        open(collection, field, Queries::Binary(query), &options, iterator_options(batch_size, limit))
    })
}

/// Gives the next hits. No row comes twice, and none is left out. Batches follow each other from near to far; with an index
/// whose answers are not exact, a row that a batch has missed comes in a later one.
///
/// @param iterator It goes on behind the hits of the last call; a call that fails does not move it.
/// @param error    Receives the failure; may be NULL.
/// @return As many hits as a batch has, fewer at the end and none behind it, as the hits of one query; to free with
///         elanus_result_free(), or NULL on failure.
///
/// Safe beside any call but elanus_search_iterator_free(): calls for one iterator take turns. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_search_iterator_next(
    iterator: Option<&SearchIterator>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let iterator = given(iterator, "iterator")?;
        Ok(Box::new(SearchResult::hits(iterator.hits.next()?, &iterator.schema)?).into())
    })
}

/// Frees an iterator; results that it gave stay. NULL is fine.
///
/// Handles may be freed in any order, after their collection's too. This one must not be in use by another thread.
/// Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_search_iterator_free(iterator: Option<repr_c::Box<SearchIterator>>) {
    error::free(iterator)
}

/// Opens an iterator over the rows for which a filter holds, in the order of their primary keys.
///
/// @param filter     As elanus_collection_query() has it; NULL or empty for all rows, without a limit too.
/// @param options    NULL for the defaults. Its limit and offset are those of all batches together and may be any; a
///                   timeout is that of each call.
/// @param batch_size Rows of a batch, 1 to 16384; 0 for 1000.
/// @param error      Receives the failure; may be NULL.
/// @return The iterator, to free with elanus_query_iterator_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_query_iterator_open(
    collection: Option<&Collection>,
    filter: Option<char_p::Ref<'_>>,
    options: *const QueryOptions<'_>,
    batch_size: usize,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<QueryIterator>> {
    error::value(error, || {
        let (collection, filter) = (given(collection, "collection")?, text_or(filter, "filter", "")?);
        // SAFETY: the caller promises a structure of the size it states, or NULL.
        let options = unsafe { query::read(options) }?;
        let rows = collection.0.query_iterator(filter, &options, iterator_options(batch_size, 0))?;
        Ok(Box::new(QueryIterator { rows, schema: collection.0.schema().clone() }).into())
    })
}

/// Gives the next rows: their keys in order, each once, and the output fields.
///
/// @param iterator It goes on behind the rows of the last call; a call that fails does not move it.
/// @param error    Receives the failure; may be NULL.
/// @return As many rows as a batch has, fewer at the end and none behind it; to free with elanus_result_free(), or NULL on
///         failure.
///
/// Safe beside any call but elanus_query_iterator_free(): calls for one iterator take turns. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_query_iterator_next(
    iterator: Option<&QueryIterator>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<SearchResult>> {
    error::value(error, || {
        let iterator = given(iterator, "iterator")?;
        Ok(Box::new(SearchResult::rows(iterator.rows.next()?, &iterator.schema)?).into())
    })
}

/// Frees an iterator; results that it gave stay. NULL is fine.
///
/// Handles may be freed in any order, after their collection's too. This one must not be in use by another thread.
/// Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_query_iterator_free(iterator: Option<repr_c::Box<QueryIterator>>) {
    error::free(iterator)
}

fn open(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    query: Queries,
    options: &crate::collection::SearchOptions,
    iterator: IteratorOptions,
) -> Result<repr_c::Box<SearchIterator>> {
    let (collection, field) = (given(collection, "collection")?, text(field, "field")?);
    let hits = collection.0.search_iterator(field, query, options, iterator)?;
    Ok(Box::new(SearchIterator { hits, schema: collection.0.schema().clone() }).into())
}

fn iterator_options(batch_size: usize, limit: u64) -> IteratorOptions {
    let batch_size = if batch_size == 0 { USUAL_BATCH } else { batch_size };
    IteratorOptions { batch_size, limit: (limit != 0).then_some(limit) }
}
