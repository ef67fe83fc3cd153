//! Collection: rows of one schema, with vector fields to search.

use super::database::Database;
use super::error::{self, ErrorOut};
use super::input::{given, owned_text, put, slice, text, texts};
use crate::collection as engine;
use crate::error::{Code, Result};
use crate::schema::{Field, Schema};
use arrow_array::{ArrayRef, Int64Array, StringArray};
use safer_ffi::prelude::*;
use std::sync::Arc;

/// A collection of an open database, which stays open as long as there is a handle on one of its collections.
#[derive_ReprC(rename = "elanus_collection")]
#[repr(opaque)]
pub struct Collection(
    pub(super) crate::collection::Collection,
    #[expect(dead_code)] crate::database::Database,
);

fn handle(database: &Database, collection: crate::collection::Collection) -> repr_c::Box<Collection> {
    Box::new(Collection(collection, database.0.clone())).into()
}

/// Creates a collection. One that exists with the same name and schema is opened, as in Milvus.
///
/// @param name   A letter or underscore, then letters, digits and underscores; at most 255 characters.
/// @param schema JSON in Milvus' words: `{"description":"","auto_id":false,"fields":[{"name":"id","data_type":"INT64",
///               "is_primary":true},{"name":"text","data_type":"VARCHAR","max_length":200},{"name":"embedding",
///               "data_type":"FLOAT_VECTOR","dim":384}]}`. Exactly one primary key, INT64 or VARCHAR. Scalar fields may
///               be `"nullable":true` and have a `"default_value"` (not JSON and ARRAY), ARRAY needs `"element_type"` and
///               `"max_capacity"`. With `"enable_dynamic_field":true` rows may have keys that are no fields. Another INT64
///               or VARCHAR field may have `"is_partition_key":true`: rows go to partitions by the hash of its value,
///               `"num_partitions"` of them (16; at most 4096), and a filter that says `field == 5` or
///               `field in [5, 6]` looks only there. `"mmap.enabled":false`, of a field or beside `"fields"` of all fields
///               and indexes that say nothing, holds values in memory instead of mapping them from their files.
/// @param error  Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_EXISTS when one of that name has
///               another schema.
/// @return A handle to free with elanus_collection_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_create(
    database: Option<&Database>,
    name: Option<char_p::Ref<'_>>,
    schema: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<Collection>> {
    error::value(error, || {
        let database = given(database, "database")?;
        let (name, schema) = (text(name, "name")?, text(schema, "schema")?);
        database.0.create_collection(name, Schema::from_json(schema)?).map(|made| handle(database, made))
    })
}

/// Opens a collection that exists, by its name or one of its aliases.
///
/// @param error Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_NOT_FOUND when there is none of that name.
/// @return A handle to free with elanus_collection_free(), or NULL on failure. Several handles on one collection are
///         fine.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_open(
    database: Option<&Database>,
    name: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<Collection>> {
    error::value(error, || {
        let database = given(database, "database")?;
        database.0.collection(text(name, "name")?).map(|found| handle(database, found))
    })
}

/// Says whether a collection of that name exists.
///
/// @param has   Receives the answer; not NULL.
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_has(
    database: Option<&Database>,
    name: Option<char_p::Ref<'_>>,
    has: Option<Out<'_, bool>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (database, has) = (given(database, "database")?, given(has, "has")?);
        put(Some(has), database.0.has_collection(text(name, "name")?)?);
        Ok(())
    })
}

/// Lists the collections of a database.
///
/// @param error Receives the failure; may be NULL.
/// @return A JSON array of names in order, to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_list(
    database: Option<&Database>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || owned_text(serde_json::Value::from(given(database, "database")?.0.collections()?)))
}

/// Renames a collection. Handles on it go on working, and its aliases stay its own. Neither name may be an alias.
///
/// @param error Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_EXISTS when the new name is taken.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_rename(
    database: Option<&Database>,
    from: Option<char_p::Ref<'_>>,
    to: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        given(database, "database")?.0.rename_collection(text(from, "from")?, text(to, "to")?)
    })
}

/// Drops a collection with its rows, indexes and aliases. It cannot be dropped by an alias. What its handles are asked
/// afterwards fails with ELANUS_CODE_CLOSED; they must still be freed.
///
/// @param error Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_NOT_FOUND when there is none of that name.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_drop(
    database: Option<&Database>,
    name: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || given(database, "database")?.0.drop_collection(text(name, "name")?))
}

/// Describes a collection: its schema in the words that created it, its aliases, partitions, indexes, rows, segments and
/// compactions, and whether it is loaded.
///
/// @param error Receives the failure; may be NULL.
/// @return JSON to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_describe(
    collection: Option<&Collection>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || owned_text(given(collection, "collection")?.0.describe()?))
}

/// Counts what a collection holds: rows (`row_count`, those that are not deleted), partitions, segments with their states,
/// bytes and indexes, and what its compactions have read and written.
///
/// @param error Receives the failure; may be NULL.
/// @return JSON to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_statistics(
    collection: Option<&Collection>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || owned_text(given(collection, "collection")?.0.statistics()?))
}

/// Counts the rows that are inserted and not deleted.
///
/// @param count Receives the number; not NULL.
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_count(
    collection: Option<&Collection>,
    count: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, count) = (given(collection, "collection")?, given(count, "count")?);
        put(Some(count), collection.0.count()?);
        Ok(())
    })
}

/// Gives a moment whose state is that of now, to search and query later as `travel_timestamp`: what is acknowledged by now
/// is in it, and what is written later is not. It is a Milvus timestamp: milliseconds since 1970 in UTC, times 262144, and
/// a counter. Moments of the collections of one database can be compared.
///
/// @param timestamp Receives it; not NULL. Of a read-only database, the time of the newest commit that it has read.
/// @param error     Receives the failure; may be NULL. ELANUS_CODE_INVALID_PARAMETER where the database's
///                  `retention_duration` is 0.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_timestamp(
    collection: Option<&Collection>,
    timestamp: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, timestamp) = (given(collection, "collection")?, given(timestamp, "timestamp")?);
        put(Some(timestamp), collection.0.timestamp()?);
        Ok(())
    })
}

/// Seals the rows inserted so far into segment files, which indexes are built on. Rows are safe without it: this only
/// shortens the write-ahead log.
///
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_flush(collection: Option<&Collection>, error: ErrorOut<'_>) -> Code {
    error::code(error, || given(collection, "collection")?.0.flush())
}

/// Makes a released collection searchable again, and opens its files, so that the first search does not have to. A
/// collection that was not released is loaded by its first search, too. Loading a loaded one does nothing.
///
/// Rows and indexes are mapped from their files unless `mmap.enabled` is false for them (elanus_collection_alter_field(),
/// elanus_index_alter()): then they are read into memory.
///
/// @param error Receives the failure; may be NULL. ELANUS_CODE_MEMORY_LIMIT, with the sizes, when its indexes and what is
///              not mapped do not fit into `memory_limit`: then none of them stays in memory, and what was released stays so.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_load(collection: Option<&Collection>, error: ErrorOut<'_>) -> Code {
    error::code(error, || given(collection, "collection")?.0.load())
}

/// Gives the memory of a collection and all its partitions back. Searching it fails with
/// ELANUS_CODE_COLLECTION_NOT_LOADED until elanus_collection_load().
///
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call: a search that runs finishes. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_release(collection: Option<&Collection>, error: ErrorOut<'_>) -> Code {
    error::code(error, || given(collection, "collection")?.0.release())
}

/// Whether something is in memory to be searched, with Milvus' numbers.
#[derive_ReprC(rename = "elanus_load_state")]
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadState {
    /// Milvus' word for something that does not exist; asking for it is an error here.
    NotExist = 0,
    /// Released, or neither loaded nor searched since the database was opened.
    NotLoad = 1,
    /// A call of elanus_collection_load() or elanus_partition_load() runs.
    Loading = 2,
    /// Loaded, by a call or by a search.
    Loaded = 3,
}

/// How far something is loaded. This structure never grows.
#[derive_ReprC(rename = "elanus_load_progress")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LoadProgress {
    /// Bytes of the files of rows and indexes that are open. Rows that are not sealed yet are always in memory.
    pub loaded_bytes: u64,
    /// Bytes of all of them.
    pub total_bytes: u64,
}

/// Says whether a collection, or some of its partitions, are loaded. A collection is as soon as one partition is; named
/// partitions are when all of them are.
///
/// @param partition_names      `partition_name_count` names; NULL for the collection.
/// @param partition_name_count How many names; 0 for the collection.
/// @param state                Receives the state; not NULL.
/// @param progress             Receives the bytes; may be NULL.
/// @param error                Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of
///                             one of the names.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_get_load_state(
    collection: Option<&Collection>,
    partition_names: *const Option<char_p::Ref<'_>>,
    partition_name_count: usize,
    state: Option<Out<'_, LoadState>>,
    progress: Option<Out<'_, LoadProgress>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, state) = (given(collection, "collection")?, given(state, "state")?);
        // SAFETY: the caller promises that many names.
        let names = unsafe { texts(partition_names, partition_name_count, "partition_names") }?;
        let now = collection.0.load_state(&names)?;
        put(progress, LoadProgress { loaded_bytes: now.loaded_bytes, total_bytes: now.total_bytes });
        put(
            Some(state),
            match now.state {
                engine::LoadState::NotLoad => LoadState::NotLoad,
                engine::LoadState::Loading => LoadState::Loading,
                engine::LoadState::Loaded => LoadState::Loaded,
            },
        );
        Ok(())
    })
}

/// Deletes rows by their INT64 primary keys. Keys that no row has are passed over.
///
/// @param ids     `count` keys; may be NULL when `count` is 0.
/// @param deleted Receives how many rows there were; may be NULL.
/// @param error   Receives the failure; may be NULL. On failure nothing was deleted.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_delete_int64(
    collection: Option<&Collection>,
    ids: *const i64,
    count: usize,
    deleted: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `count` keys at `ids`.
        let ids = unsafe { slice(ids, count, "ids") }?;
        delete(collection, Arc::new(Int64Array::from(ids.to_vec())), deleted)
    })
}

/// Deletes rows by their VARCHAR primary keys. Keys that no row has are passed over.
///
/// @param ids     `count` texts in UTF-8, none NULL; may be NULL itself when `count` is 0.
/// @param deleted Receives how many rows there were; may be NULL.
/// @param error   Receives the failure; may be NULL. On failure nothing was deleted.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_delete_varchar(
    collection: Option<&Collection>,
    ids: *const Option<char_p::Ref<'_>>,
    count: usize,
    deleted: Option<Out<'_, u64>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        // SAFETY: the caller promises `count` texts at `ids`.
        let ids = unsafe { texts(ids, count, "ids") }?;
        delete(collection, Arc::new(StringArray::from(ids)), deleted)
    })
}

fn delete(collection: &Collection, ids: ArrayRef, deleted: Option<Out<'_, u64>>) -> Result<()> {
    let count = collection.0.delete(&ids)?;
    put(deleted, count);
    Ok(())
}

/// Adds a field to a collection. Rows of before have it as null or with its default value; nothing is written anew, and
/// searches go on.
///
/// @param field JSON like a field of the schema: `{"name":"price","data_type":"DOUBLE","nullable":true}`. It must be
///              nullable or have a `default_value`; it cannot be the primary key or hold vectors.
/// @param error Receives the failure; may be NULL. On failure nothing has changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_add_field(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        collection.0.add_field(Field::from_json(text(field, "field")?)?)
    })
}

/// Alters properties of a field. There is one, `mmap.enabled`, which changes no answer: false holds the field's values in
/// memory, where they count for `memory_limit`; true maps them from their files; null forgets what was said, so that what
/// the schema says of all fields holds, or true. It can be altered whether the collection is loaded or not (in Milvus it
/// must not be loaded): searches that run keep what they hold, and those that start from now on open the field anew.
///
/// @param field      Its name; `$meta` for the dynamic field.
/// @param properties JSON: `{"mmap.enabled":false}`.
/// @param error      Receives the failure; may be NULL. ELANUS_CODE_FIELD_NOT_FOUND when there is none of that name. On
///                   failure nothing has changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_alter_field(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    properties: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        collection.0.alter_field(text(field, "field")?, text(properties, "properties")?)
    })
}

/// Frees a handle; the collection stays. NULL is fine.
///
/// Handles may be freed in any order, after their database's too. This one must not be in use by another thread.
/// Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_free(collection: Option<repr_c::Box<Collection>>) {
    error::free(collection)
}
