//! Result: the hits of a search, the rows of a query, or the keys of an insert or upsert, as flat arrays.

mod view;

use super::collection::Collection;
use super::column::Column;
use super::error;
use super::input::owned_text;
use crate::collection::{Inserted, QueryResult, SearchResult as Hits};
use crate::error::Result;
use crate::schema::{DataType, Field, Schema};
use crate::segment::Reservation;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType as ArrowType;
use safer_ffi::prelude::*;
use std::sync::Arc;
use view::View;

/// The hits of a search: those of query i are numbers offsets[i] to offsets[i + 1], best first. A query gives one too,
/// its rows as the hits of one query without scores (for `count(*)` one row without a key); and an insert, the keys of its
/// rows without columns.
///
/// While it lives, `memory_limit` counts it, unless it is small (64 KiB). One that has no room is refused with
/// ELANUS_CODE_MEMORY_LIMIT and the sizes before it is made.
///
/// It never changes, so that any number of threads may read it; what its functions point to lives until
/// elanus_result_free().
#[derive_ReprC(rename = "elanus_result")]
#[repr(opaque)]
pub struct SearchResult {
    offsets: Vec<u64>,
    ids: ArrayRef,
    /// The texts of VARCHAR ids, each with a NUL.
    id_texts: Vec<char_p::Box>,
    id_view: View,
    /// Of a search.
    scores: Option<Vec<f32>>,
    rows: RecordBatch,
    views: Vec<View>,
    /// What it takes of the database's memory.
    _memory: Option<Reservation>,
}

impl SearchResult {
    pub(super) fn hits(hits: Hits, schema: &Schema) -> Result<SearchResult> {
        Self::new(schema, hits.offsets, hits.ids, Some(hits.scores), hits.columns, hits.memory)
    }

    pub(super) fn rows(found: QueryResult, schema: &Schema) -> Result<SearchResult> {
        let offsets = vec![0, found.columns.num_rows() as u64];
        Self::new(schema, offsets, found.ids, None, found.columns, found.memory)
    }

    fn new(
        schema: &Schema,
        offsets: Vec<u64>,
        ids: ArrayRef,
        scores: Option<Vec<f32>>,
        rows: RecordBatch,
        memory: Option<Reservation>,
    ) -> Result<SearchResult> {
        let (names, primary) = (rows.schema(), schema.primary());
        let views = names.fields().iter().zip(rows.columns()).map(|(given, column)| {
            // What is no field is a count, or a dynamic key, which may have become a field meanwhile.
            let of_its_type = |field: &&Field| field.arrow_type() == *column.data_type();
            match schema.field(given.name()).map(|(_, field)| field).filter(of_its_type) {
                Some(field) => View::new(&field.name, field.data_type, field.element_type, column),
                None if *column.data_type() == ArrowType::Int64 => {
                    View::new(given.name(), DataType::Int64, None, column)
                }
                None => View::new(given.name(), DataType::Json, None, column),
            }
        });
        let id_texts = match ids.as_string_opt::<i32>() {
            // A C text ends at its first NUL; elanus_result_ids() has the rest.
            Some(texts) => {
                texts.iter().flatten().map(|t| owned_text(t.split('\0').next().unwrap_or(""))).collect()
            }
            None => Ok(Vec::new()),
        };
        Ok(SearchResult {
            offsets,
            id_texts: id_texts?,
            id_view: View::new(&primary.name, primary.data_type, None, &ids)?,
            ids,
            scores,
            views: views.collect::<Result<_>>()?,
            rows,
            _memory: memory,
        })
    }

    pub(super) fn parts(&self) -> (&[u64], &ArrayRef, Option<&[f32]>, &RecordBatch) {
        (&self.offsets, &self.ids, self.scores.as_deref(), &self.rows)
    }
}

/// Hands the keys of rows that were written to a caller who wants them.
pub(super) fn written(
    collection: &Collection,
    inserted: Inserted,
    out: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
) -> Result<()> {
    if let Some(out) = out {
        let no_columns = RecordBatch::new_empty(Arc::new(arrow_schema::Schema::empty()));
        let offsets = vec![0, inserted.ids.len() as u64];
        let result = SearchResult::new(collection.0.schema(), offsets, inserted.ids, None, no_columns, None)?;
        out.write(Some(Box::new(result).into()));
    }
    Ok(())
}

fn pointer<T>(values: &[T]) -> *const T {
    if values.is_empty() { std::ptr::null() } else { values.as_ptr() }
}

/// Counts the queries.
///
/// @param result NULL gives 0.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_nq(result: Option<&SearchResult>) -> usize {
    result.map_or(0, |r| r.offsets.len() - 1)
}

/// Counts the hits of all queries.
///
/// @param result NULL gives 0.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_count(result: Option<&SearchResult>) -> usize {
    result.map_or(0, |r| r.offsets.last().map_or(0, |&total| total as usize))
}

/// Says which hits belong to which query.
///
/// @param result NULL gives NULL.
/// @return elanus_result_nq() + 1 numbers, which live as long as `result`: the hits of query i are numbers offsets[i]
///         to offsets[i + 1].
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_offsets(result: Option<&SearchResult>) -> *const u64 {
    result.map_or(std::ptr::null(), |r| pointer(&r.offsets))
}

/// Gives the INT64 primary keys of the hits.
///
/// @param result NULL gives NULL.
/// @return elanus_result_count() keys, which live as long as `result`; NULL when the keys are VARCHAR or there is no
///         hit.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_ids_int64(result: Option<&SearchResult>) -> *const i64 {
    let ids = result.and_then(|r| r.ids.as_primitive_opt::<Int64Type>());
    ids.map_or(std::ptr::null(), |ids| pointer(ids.values()))
}

/// Gives the VARCHAR primary key of a hit.
///
/// @param result NULL gives NULL.
/// @param hit    Its number in the whole result; one past the end gives NULL.
/// @return A text that lives as long as `result`, up to its first NUL; NULL when the keys are INT64.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_id_varchar(
    result: Option<&SearchResult>,
    hit: usize,
) -> Option<char_p::Ref<'_>> {
    Some(result?.id_texts.get(hit)?.as_ref())
}

/// Gives the primary keys of the hits as a column, whichever their type.
///
/// @param result NULL gives NULL.
/// @return A column with the key's name and elanus_result_count() rows, which lives as long as `result`.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_ids(result: Option<&SearchResult>) -> *const Column<'_> {
    result.map_or(std::ptr::null(), |r| r.id_view.column())
}

/// Gives the scores of the hits, in the metric's own sign: L2 squared and ascending, IP and COSINE descending, distances
/// of bits ascending.
///
/// @param result NULL gives NULL.
/// @return elanus_result_count() scores, which live as long as `result`; NULL when there is no hit, and for a
///         query or an insert.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_scores(result: Option<&SearchResult>) -> *const f32 {
    result.and_then(|r| r.scores.as_deref()).map_or(std::ptr::null(), pointer)
}

/// Counts the output fields.
///
/// @param result NULL gives 0.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_column_count(result: Option<&SearchResult>) -> usize {
    result.map_or(0, |r| r.views.len())
}

/// Gives the values of an output field, a row a hit.
///
/// @param result NULL gives NULL.
/// @param column Its number, in the order of the output_fields; one past the end gives NULL.
/// @return A column with elanus_result_count() rows, which lives as long as `result`.
///
/// Safe beside any call but elanus_result_free(). Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_column(result: Option<&SearchResult>, column: usize) -> *const Column<'_> {
    result.and_then(|r| r.views.get(column)).map_or(std::ptr::null(), View::column)
}

/// Frees a result and what its functions pointed to. NULL is fine.
///
/// Handles may be freed in any order, after their collection's too. This one must not be in use by another thread.
/// Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_result_free(result: Option<repr_c::Box<SearchResult>>) {
    error::free(result)
}
