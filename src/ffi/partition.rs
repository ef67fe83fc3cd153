//! Partition: a part of a collection that writes and searches can name. Every collection has the partition `_default`,
//! which rows go to that name none; one with a partition key deals them to partitions of its own instead, and refuses
//! every call that names partitions with ELANUS_CODE_INVALID_PARAMETER. Searches and queries have `partition_names` in
//! their options.

use super::arrow::{self, ArrowArray, ArrowSchema};
use super::collection::Collection;
use super::column::{self, Column};
use super::error::{self, ErrorOut};
use super::input::{given, owned_text, put, slice, text, text_or, texts};
use super::result::{self, SearchResult};
use crate::error::Code;
use arrow_array::{Int64Array, StringArray};
use safer_ffi::prelude::*;
use serde_json::Value;
use std::sync::Arc;

/// Creates a partition. One of that name that exists is fine.
///
/// @param name  A letter, digit or underscore, then letters, digits and underscores; at most 255 characters.
/// @param error Receives the failure; may be NULL.
///
/// A collection has at most 4096 partitions. Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_create(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || given(collection, "collection")?.0.create_partition(text(name, "name")?))
}

/// Drops a partition with its rows, and gives their space back. One that does not exist is fine.
///
/// @param error Receives the failure; may be NULL. ELANUS_CODE_INVALID_PARAMETER when the partition is loaded, which it is
///              from its first search or load on until it is released; and for `_default`.
///
/// Safe beside any call: a search that runs finishes. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_drop(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || given(collection, "collection")?.0.drop_partition(text(name, "name")?))
}

/// Says whether a partition of that name exists.
///
/// @param has   Receives the answer; not NULL.
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_partition_has(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    has: Option<Out<'_, bool>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, has) = (given(collection, "collection")?, given(has, "has")?);
        put(Some(has), collection.0.has_partition(text(name, "name")?)?);
        Ok(())
    })
}

/// Lists the partitions of a collection, those of its partition key too.
///
/// @param error Receives the failure; may be NULL.
/// @return A JSON array of names, the oldest first, to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_partition_list(
    collection: Option<&Collection>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || owned_text(Value::from(given(collection, "collection")?.0.partitions()?)))
}

/// Counts what a partition holds: rows (`row_count`, those that are not deleted), segments with their states, and bytes.
///
/// @param error Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of that name.
/// @return JSON to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_partition_statistics(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || {
        owned_text(given(collection, "collection")?.0.partition_statistics(text(name, "name")?)?)
    })
}

/// Makes partitions searchable again that were released, and opens their files: elanus_collection_load() for some of a
/// collection.
///
/// @param names `name_count` names of partitions; not NULL.
/// @param error Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of one of them:
///              then nothing changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_load(
    collection: Option<&Collection>,
    names: *const Option<char_p::Ref<'_>>,
    name_count: usize,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `name_count` names.
        collection.0.load_partitions(&unsafe { texts(names, name_count, "names") }?)
    })
}

/// Gives the memory of partitions back. Searches that name one of them fail with ELANUS_CODE_PARTITION_NOT_LOADED until it
/// is loaded, those that name none look into the others.
///
/// @param names `name_count` names of partitions; not NULL.
/// @param error Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of one of them:
///              then nothing changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_release(
    collection: Option<&Collection>,
    names: *const Option<char_p::Ref<'_>>,
    name_count: usize,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `name_count` names.
        collection.0.release_partitions(&unsafe { texts(names, name_count, "names") }?)
    })
}

/// Inserts rows into a partition: elanus_collection_insert() does so into `_default`.
///
/// @param partition    Its name.
/// @param columns      As elanus_collection_insert() has them.
/// @param column_count Not 0.
/// @param inserted     Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
///                     NULL for not wanting it.
/// @param error        Receives the failure; may be NULL. On failure nothing changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_insert(
    collection: Option<&Collection>,
    partition: Option<char_p::Ref<'_>>,
    columns: *const Column<'_>,
    column_count: usize,
    inserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, partition) = (given(collection, "collection")?, text(partition, "partition")?);
        // SAFETY: the caller promises `column_count` columns that describe readable memory.
        let rows = unsafe { column::batch(columns, column_count) }?;
        result::written(collection, collection.0.insert_into(partition, rows)?, inserted)
    })
}

/// The same for rows that lie in Arrow's layout, which are taken as by elanus_collection_insert_arrow().
///
/// @param partition Its name.
/// @param inserted  Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
///                  NULL for not wanting it.
/// @param error     Receives the failure; may be NULL. On failure nothing changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_insert_arrow(
    collection: Option<&Collection>,
    partition: Option<char_p::Ref<'_>>,
    array: *mut ArrowArray,
    schema: *mut ArrowSchema,
    inserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    // SAFETY: the caller promises structures of the C data interface.
    let given_rows = unsafe { arrow::claim(array, schema) };
    error::code(error, || {
        let (collection, partition) = (given(collection, "collection")?, text(partition, "partition")?);
        let rows = given_rows.import()?;
        result::written(collection, collection.0.insert_into(partition, rows)?, inserted)
    })
}

/// Upserts rows into a partition: rows of their keys in other partitions stay, as in Milvus.
/// elanus_collection_upsert() does so in `_default`.
///
/// @param partition    Its name.
/// @param columns      As elanus_collection_upsert() has them.
/// @param column_count Not 0.
/// @param upserted     Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
///                     NULL for not wanting it.
/// @param error        Receives the failure; may be NULL. On failure nothing changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_upsert(
    collection: Option<&Collection>,
    partition: Option<char_p::Ref<'_>>,
    columns: *const Column<'_>,
    column_count: usize,
    upserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, partition) = (given(collection, "collection")?, text(partition, "partition")?);
        // SAFETY: the caller promises `column_count` columns that describe readable memory.
        let rows = unsafe { column::batch(columns, column_count) }?;
        result::written(collection, collection.0.upsert_into(partition, rows)?, upserted)
    })
}

/// The same for rows that lie in Arrow's layout, which are taken as by elanus_collection_upsert_arrow().
///
/// @param partition Its name.
/// @param upserted  Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
///                  NULL for not wanting it.
/// @param error     Receives the failure; may be NULL. On failure nothing changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_upsert_arrow(
    collection: Option<&Collection>,
    partition: Option<char_p::Ref<'_>>,
    array: *mut ArrowArray,
    schema: *mut ArrowSchema,
    upserted: Option<Out<'_, Option<repr_c::Box<SearchResult>>>>,
    error: ErrorOut<'_>,
) -> Code {
    // SAFETY: the caller promises structures of the C data interface.
    let given_rows = unsafe { arrow::claim(array, schema) };
    error::code(error, || {
        let (collection, partition) = (given(collection, "collection")?, text(partition, "partition")?);
        let rows = given_rows.import()?;
        result::written(collection, collection.0.upsert_into(partition, rows)?, upserted)
    })
}

/// Deletes rows of a partition by their INT64 primary keys. Keys that no row of it has are passed over.
///
/// @param partition Its name.
/// @param ids       `count` keys; may be NULL when `count` is 0.
/// @param deleted   Receives how many rows there were; may be NULL.
/// @param error     Receives the failure; may be NULL. On failure nothing was deleted.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_delete_int64(
    collection: Option<&Collection>,
    partition: Option<char_p::Ref<'_>>,
    ids: *const i64,
    count: usize,
    deleted: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, partition) = (given(collection, "collection")?, text(partition, "partition")?);
        // SAFETY: the caller promises `count` keys at `ids`.
        let ids = unsafe { slice(ids, count, "ids") }?;
        let rows = collection.0.delete_from(partition, &(Arc::new(Int64Array::from(ids.to_vec())) as _))?;
        put(deleted, rows);
        Ok(())
    })
}

/// Deletes rows of a partition by their VARCHAR primary keys. Keys that no row of it has are passed over.
///
/// @param partition Its name.
/// @param ids       `count` texts in UTF-8, none NULL; may be NULL itself when `count` is 0.
/// @param deleted   Receives how many rows there were; may be NULL.
/// @param error     Receives the failure; may be NULL. On failure nothing was deleted.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_delete_varchar(
    collection: Option<&Collection>,
    partition: Option<char_p::Ref<'_>>,
    ids: *const Option<char_p::Ref<'_>>,
    count: usize,
    deleted: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, partition) = (given(collection, "collection")?, text(partition, "partition")?);
        // SAFETY: the caller promises `count` texts at `ids`.
        let ids = unsafe { texts(ids, count, "ids") }?;
        put(deleted, collection.0.delete_from(partition, &(Arc::new(StringArray::from(ids)) as _))?);
        Ok(())
    })
}

/// Deletes the rows of a partition for which a filter holds when the call starts: elanus_collection_delete_matching() for
/// one partition.
///
/// @param partition Its name.
/// @param filter    As elanus_collection_query() has it. One that is empty, or true of every row whatever it holds, is
///                  refused.
/// @param values    The values of its templates, as JSON; NULL for none.
/// @param deleted   Receives how many rows there were; may be NULL.
/// @param error     Receives the failure; may be NULL. On failure nothing was deleted.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_delete_matching(
    collection: Option<&Collection>,
    partition: Option<char_p::Ref<'_>>,
    filter: Option<char_p::Ref<'_>>,
    values: Option<char_p::Ref<'_>>,
    deleted: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, partition) = (given(collection, "collection")?, text(partition, "partition")?);
        let (filter, values) = (text(filter, "filter")?, text_or(values, "values", "")?);
        put(deleted, collection.0.delete_matching_from(partition, filter, values)?);
        Ok(())
    })
}

/// Counts the rows of some partitions for which a filter holds.
///
/// @param names  `name_count` names of partitions; NULL, with 0, for all that are not released.
/// @param filter As elanus_collection_query() has it; empty for all rows.
/// @param values The values of its templates, as JSON; NULL for none.
/// @param count  Receives the number; not NULL.
/// @param error  Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_partition_count_matching(
    collection: Option<&Collection>,
    names: *const Option<char_p::Ref<'_>>,
    name_count: usize,
    filter: Option<char_p::Ref<'_>>,
    values: Option<char_p::Ref<'_>>,
    count: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, count) = (given(collection, "collection")?, given(count, "count")?);
        // SAFETY: the caller promises `name_count` names.
        let names = unsafe { texts(names, name_count, "names") }?;
        let (filter, values) = (text(filter, "filter")?, text_or(values, "values", "")?);
        put(Some(count), collection.0.count_matching_in(&names, filter, values)?);
        Ok(())
    })
}
