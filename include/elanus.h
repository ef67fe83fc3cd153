/* Generated from src/ffi by bindings/generate (`make bindings`): do not edit. */
/* SPDX-License-Identifier: MIT OR Apache-2.0 */

/**
 * @file elanus.h
 *
 * Elanus, an embeddable vector database: the C interface.
 *
 *     elanus_error *error = NULL;
 *     elanus_database *database = elanus_database_open("films.db", NULL, &error);
 *     if (database == NULL) {
 *         fprintf(stderr, "%s\n", elanus_error_message(error));
 *         elanus_error_free(error);
 *     }
 *
 * - Names are elanus_<object>_<verb>. Inputs come first, outputs last, and `elanus_error **error` at the very end: pass
 *   NULL, or the address of a pointer, which then receives an error to free with elanus_error_free(). A function that
 *   can fail returns an elanus_code, or a handle or text that is NULL on failure. Outputs are written only on success.
 * - Texts are UTF-8 and end in NUL. What comes in is read only during the call. A `char *` that comes out is freed with
 *   elanus_string_free(), a `const char *` belongs to the handle it was asked from.
 * - NULL for a handle, a text or an output that is needed is ELANUS_CODE_MISSING_PARAMETER, never a crash.
 * - Any thread may use any handle at any time, unless a function says otherwise; only freeing one needs to be alone.
 * - Structures with a `size` are begun with their *_INIT macro, so that they may grow: a program compiled against an
 *   older header goes on working.
 */
#ifndef ELANUS_H
#define ELANUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && !defined(ELANUS_STATIC)
#define ELANUS_API __declspec(dllimport)
#elif defined(__GNUC__)
#define ELANUS_API __attribute__((visibility("default")))
#else
#define ELANUS_API
#endif

/** The version of this header. elanus_version() has that of the library. */
#define ELANUS_VERSION "0.1.0"
#define ELANUS_VERSION_MAJOR 0
#define ELANUS_VERSION_MINOR 1
#define ELANUS_VERSION_PATCH 0
/** The same as one number, to compare: 1.2.3 is 1002003. */
#define ELANUS_VERSION_NUMBER \
    (ELANUS_VERSION_MAJOR * 1000000 + ELANUS_VERSION_MINOR * 1000 + ELANUS_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* The Arrow C data and stream interfaces, as
 * https://arrow.apache.org/docs/format/CDataInterface.html gives them: any header may, the first one does. */

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    /* Array type description */
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;

    /* Release callback */
    void (*release)(struct ArrowSchema *);
    /* Opaque producer-specific data */
    void *private_data;
};

struct ArrowArray {
    /* Array data description */
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;

    /* Release callback */
    void (*release)(struct ArrowArray *);
    /* Opaque producer-specific data */
    void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    /* Callbacks providing stream functionality */
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);

    /* Release callback */
    void (*release)(struct ArrowArrayStream *);
    /* Opaque producer-specific data */
    void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

#ifdef __cplusplus
} /* extern "C" */
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* =================================================================================================
 * Handles: each is freed once, by its own *_free, in any order
 * ================================================================================================= */

/**
 * Why a call failed.
 *
 * A failing call that was given an `elanus_error **` leaves one there: free it with elanus_error_free().
 */
typedef struct elanus_error elanus_error;

/** An open database. */
typedef struct elanus_database elanus_database;

/**
 * A collection of an open database, which stays open as long as there is a handle on one of its collections.
 */
typedef struct elanus_collection elanus_collection;

/**
 * The hits of one query, nearest first, batch by batch and to the last row. They come from the rows that there were when
 * it was opened, whatever is written meanwhile; while it lives, these rows' files stay, and `memory_limit` counts a bit for
 * each row of their segments.
 */
typedef struct elanus_search_iterator elanus_search_iterator;

/**
 * The rows of a query in the order of their primary keys, batch by batch. They are those that there were when it was
 * opened, whatever is written meanwhile; while it lives, these rows' files stay, and `memory_limit` counts 8 bytes a row.
 */
typedef struct elanus_query_iterator elanus_query_iterator;

/**
 * The hits of a search: those of query i are numbers offsets[i] to offsets[i + 1], best first. A query gives one too,
 * its rows as the hits of one query without scores (for `count(*)` one row without a key); and an insert, the keys of its
 * rows without columns.
 *
 * While it lives, `memory_limit` counts it, unless it is small (64 KiB). One that has no room is refused with
 * ELANUS_CODE_MEMORY_LIMIT and the sizes before it is made.
 *
 * It never changes, so that any number of threads may read it; what its functions point to lives until
 * elanus_result_free().
 */
typedef struct elanus_result elanus_result;

/* =================================================================================================
 * Library: which version this is, how it was built, and the strings it gives away.
 * ================================================================================================= */

/**
 * The version of the binary interface that this header describes, and the number in the name of the shared library.
 *
 * Compare it with elanus_abi_version() to learn whether the library at hand fits.
 */
#define ELANUS_ABI_VERSION 0

/**
 * Says which version of the library is running, like `"0.1.0"`.
 *
 * @return A static text, never NULL; do not free it.
 *
 * Safe from any thread at any time. Since 0.1.
 */
ELANUS_API const char *elanus_version(void);

/**
 * Says which binary interface the running library has: the ELANUS_ABI_VERSION it was built with.
 *
 * Safe from any thread at any time. Since 0.1.
 */
ELANUS_API uint32_t elanus_abi_version(void);

/**
 * Describes the build and the machine as JSON:
 * `{"version","abi_version","target","simd","simd_available":[],"features":[],"gpu":{"available","reason"}}`.
 *
 * `simd` is the level in use (the environment variable ELANUS_SIMD lowers it) and `simd_available` all that this
 * processor has.
 *
 * @return A text to free with elanus_string_free(), or NULL on failure.
 *
 * Safe from any thread at any time. Since 0.1.
 */
ELANUS_API char *elanus_build_info(elanus_error **error);

/**
 * Frees a text that a function gave away. NULL is fine.
 *
 * The text must not be in use by another thread. Since 0.1.
 */
ELANUS_API void elanus_string_free(char *string);

/* =================================================================================================
 * Error: why a call failed. A number to switch on and a sentence to show.
 * ================================================================================================= */

/**
 * The outcome of a call. Zero is success; the numbers are Milvus 2.3's where Milvus has one.
 *
 * The numbers are for ever: a retired one stays here as a comment.
 */
typedef enum elanus_code {
    /** The call succeeded. */
    ELANUS_CODE_OK = 0,
    /** The memory limit of the database does not allow it. */
    ELANUS_CODE_MEMORY_LIMIT = 3,
    /** The engine failed in a way it did not expect; please report it. */
    ELANUS_CODE_INTERNAL = 5,
    /** This version of the engine does not do that. */
    ELANUS_CODE_UNIMPLEMENTED = 10,
    /** No collection has that name. */
    ELANUS_CODE_COLLECTION_NOT_FOUND = 100,
    /** The collection was released; load it before searching. */
    ELANUS_CODE_COLLECTION_NOT_LOADED = 101,
    /** The collection has no partition of that name. */
    ELANUS_CODE_PARTITION_NOT_FOUND = 200,
    /** The partition was released; load it before searching. */
    ELANUS_CODE_PARTITION_NOT_LOADED = 201,
    /** No index has that name, or the field has none. */
    ELANUS_CODE_INDEX_NOT_FOUND = 700,
    /** The index type is unknown, or does not work in this version or for this field. */
    ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED = 701,
    /** The field has another index already. */
    ELANUS_CODE_INDEX_DUPLICATE = 702,
    /** The file system refused an operation. */
    ELANUS_CODE_IO = 1001,
    /** An argument is outside its range; the message names the value and the range. */
    ELANUS_CODE_INVALID_PARAMETER = 1100,
    /** A required argument is absent. */
    ELANUS_CODE_MISSING_PARAMETER = 1101,
    /** There is no alias of that name. */
    ELANUS_CODE_ALIAS_NOT_FOUND = 1600,
    /** An alias and a collection cannot have the same name. */
    ELANUS_CODE_ALIAS_COLLECTION_NAME_CONFLICT = 1601,
    /** The alias is one of another collection. */
    ELANUS_CODE_ALIAS_ALREADY_EXISTS = 1602,
    /** The collection has no field of that name. */
    ELANUS_CODE_FIELD_NOT_FOUND = 1700,
    /** The caller's progress callback asked to stop. */
    ELANUS_CODE_CANCELED = 10000,
    /** The time the caller allowed is over. */
    ELANUS_CODE_TIMEOUT = 10001,
    /** Another process has the database open for writing; the message names its pid. */
    ELANUS_CODE_LOCKED = 20000,
    /** A file's bytes are not what was written; nothing was read from them. */
    ELANUS_CODE_CORRUPT = 20001,
    /** The files were written by a newer version than this one reads. */
    ELANUS_CODE_FORMAT_TOO_NEW = 20002,
    /** The database was opened read-only. */
    ELANUS_CODE_READ_ONLY = 20003,
    /** The database was closed, or the collection was dropped, after this handle was made. */
    ELANUS_CODE_CLOSED = 20004,
    /** The disk, or the quota, is full; nothing was changed. */
    ELANUS_CODE_DISK_FULL = 20005,
    /** An earlier write failed half way: reopen the database to go on. */
    ELANUS_CODE_POISONED = 20006,
    /** A collection of that name exists already. */
    ELANUS_CODE_COLLECTION_EXISTS = 20007
} elanus_code;

/**
 * Says what kind of failure it is.
 *
 * @param error NULL counts as no failure: the answer is ELANUS_CODE_OK.
 *
 * Safe beside any call but elanus_error_free(). Since 0.1.
 */
ELANUS_API elanus_code elanus_error_code(const elanus_error *error);

/**
 * Says in a sentence what failed: the value, the field and the allowed range.
 *
 * @param error NULL gives NULL.
 * @return A UTF-8 text that lives as long as `error`; do not free it.
 *
 * Safe beside any call but elanus_error_free(). Since 0.1.
 */
ELANUS_API const char *elanus_error_message(const elanus_error *error);

/**
 * Says whether the same call with the same arguments may succeed later.
 *
 * @param error NULL gives false.
 *
 * Safe beside any call but elanus_error_free(). Since 0.1.
 */
ELANUS_API bool elanus_error_retryable(const elanus_error *error);

/**
 * Frees an error. NULL is fine.
 *
 * The error must not be in use by another thread. Since 0.1.
 */
ELANUS_API void elanus_error_free(elanus_error *error);

/* =================================================================================================
 * Database: one directory with collections in it, open for one writing process at a time.
 * ================================================================================================= */

/**
 * Opens the database in a directory, making it when it is missing, and recovers what an earlier process left.
 *
 * @param path    A directory, in UTF-8.
 * @param options JSON, or NULL for the defaults:
 *                `{"durability":"sync","memory_limit":0,"threads":0,"segment_size_mb":512,"index_min_rows":1024,
 *                "build_idle_ms":5000,"auto_compaction":true,"read_only":false,"refresh_ms":0,
 *                "create_if_missing":true,"retention_duration":0}`.
 *                `durability` is `sync` (an insert that returned survives a power cut) or `async` (it survives the
 *                death of the process); `memory_limit` is in bytes, 0 for none, and counts growing rows, indexes,
 *                fields that are not mapped (`mmap.enabled`) or were added after their rows, and what builds and
 *                compactions work with; `threads` 0 for as many as the machine has. Growing rows
 *                become a segment at about `segment_size_mb`; one of at least `index_min_rows` gets an index. Builds
 *                and compactions in the background go on after `build_idle_ms` without a query. With
 *                `auto_compaction`, a segment with more than a fifth of its rows dead is rewritten, and four segments
 *                of about the same size (within a factor of 4, none above half of `segment_size_mb`) become one. A
 *                read-only database writes nothing at all; after each `refresh_ms`, 0 for never, it does by itself
 *                what elanus_database_refresh() does, and tries again the next time if that fails.
 *                `retention_duration` is for how many seconds an earlier state stays searchable
 *                (`travel_timestamp`): rows that were deleted or replaced meanwhile stay in the files for so long. It
 *                is kept in the database; without it, the database has the one that it had, and a new one 0, which is
 *                off. What was written before it was set cannot be travelled to. An unknown key is an error.
 * @param error   Receives the failure; may be NULL. ELANUS_CODE_LOCKED when another process has it open for
 *                writing; the message names that process.
 * @return A handle to free with elanus_database_free(), or NULL on failure.
 *
 * Safe from any thread. Since 0.1.
 */
ELANUS_API elanus_database *elanus_database_open(
    const char *path,
    const char *options,
    elanus_error **error);

/**
 * Brings a read-only database up to date: searches that start from now on see what the writing process has committed
 * and logged so far, and collections that it has created, renamed or dropped come, change their names or go. Handles
 * and running searches go on; what the handle of a dropped collection is asked fails with ELANUS_CODE_CLOSED. A
 * database that is open for writing is always up to date, and nothing happens.
 *
 * @param error Receives the failure; may be NULL. On failure everything is as it was.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_database_refresh(
    const elanus_database *database,
    elanus_error **error);

/**
 * Closes a database for every handle on it and on its collections: what they are asked afterwards fails with
 * ELANUS_CODE_CLOSED, and each must still be freed. Everything acknowledged is kept. Closing twice is fine.
 *
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call; waits for those that are running. Since 0.1.
 */
ELANUS_API elanus_code elanus_database_close(const elanus_database *database, elanus_error **error);

/**
 * Frees a handle; the last handle on a database or on one of its collections closes it. NULL is fine.
 *
 * Handles may be freed in any order. This one must not be in use by another thread. Since 0.1.
 */
ELANUS_API void elanus_database_free(elanus_database *database);

/* =================================================================================================
 * Collection: rows of one schema, with vector fields to search.
 * ================================================================================================= */

/** Whether something is in memory to be searched, with Milvus' numbers. */
typedef enum elanus_load_state {
    /** Milvus' word for something that does not exist; asking for it is an error here. */
    ELANUS_LOAD_STATE_NOT_EXIST = 0,
    /** Released, or neither loaded nor searched since the database was opened. */
    ELANUS_LOAD_STATE_NOT_LOAD = 1,
    /** A call of elanus_collection_load() or elanus_partition_load() runs. */
    ELANUS_LOAD_STATE_LOADING = 2,
    /** Loaded, by a call or by a search. */
    ELANUS_LOAD_STATE_LOADED = 3
} elanus_load_state;

/** How far something is loaded. This structure never grows. */
typedef struct elanus_load_progress {
    /**
     * Bytes of the files of rows and indexes that are open. Rows that are not sealed yet are always in memory.
     */
    uint64_t loaded_bytes;
    /** Bytes of all of them. */
    uint64_t total_bytes;
} elanus_load_progress;

/**
 * Creates a collection. One that exists with the same name and schema is opened, as in Milvus.
 *
 * @param name   A letter or underscore, then letters, digits and underscores; at most 255 characters.
 * @param schema JSON in Milvus' words: `{"description":"","auto_id":false,"fields":[{"name":"id","data_type":"INT64",
 *               "is_primary":true},{"name":"text","data_type":"VARCHAR","max_length":200},{"name":"embedding",
 *               "data_type":"FLOAT_VECTOR","dim":384}]}`. Exactly one primary key, INT64 or VARCHAR. Scalar fields may
 *               be `"nullable":true` and have a `"default_value"` (not JSON and ARRAY), ARRAY needs `"element_type"` and
 *               `"max_capacity"`. With `"enable_dynamic_field":true` rows may have keys that are no fields. Another INT64
 *               or VARCHAR field may have `"is_partition_key":true`: rows go to partitions by the hash of its value,
 *               `"num_partitions"` of them (16; at most 4096), and a filter that says `field == 5` or
 *               `field in [5, 6]` looks only there. `"mmap.enabled":false`, of a field or beside `"fields"` of all fields
 *               and indexes that say nothing, holds values in memory instead of mapping them from their files.
 * @param error  Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_EXISTS when one of that name has
 *               another schema.
 * @return A handle to free with elanus_collection_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_collection *elanus_collection_create(
    const elanus_database *database,
    const char *name,
    const char *schema,
    elanus_error **error);

/**
 * Opens a collection that exists, by its name or one of its aliases.
 *
 * @param error Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_NOT_FOUND when there is none of that name.
 * @return A handle to free with elanus_collection_free(), or NULL on failure. Several handles on one collection are
 *         fine.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_collection *elanus_collection_open(
    const elanus_database *database,
    const char *name,
    elanus_error **error);

/**
 * Says whether a collection of that name exists.
 *
 * @param has   Receives the answer; not NULL.
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_has(
    const elanus_database *database,
    const char *name,
    bool *has,
    elanus_error **error);

/**
 * Lists the collections of a database.
 *
 * @param error Receives the failure; may be NULL.
 * @return A JSON array of names in order, to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_collection_list(const elanus_database *database, elanus_error **error);

/**
 * Renames a collection. Handles on it go on working, and its aliases stay its own. Neither name may be an alias.
 *
 * @param error Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_EXISTS when the new name is taken.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_rename(
    const elanus_database *database,
    const char *from,
    const char *to,
    elanus_error **error);

/**
 * Drops a collection with its rows, indexes and aliases. It cannot be dropped by an alias. What its handles are asked
 * afterwards fails with ELANUS_CODE_CLOSED; they must still be freed.
 *
 * @param error Receives the failure; may be NULL. ELANUS_CODE_COLLECTION_NOT_FOUND when there is none of that name.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_drop(
    const elanus_database *database,
    const char *name,
    elanus_error **error);

/**
 * Describes a collection: its schema in the words that created it, its aliases, partitions, indexes, rows, segments and
 * compactions, and whether it is loaded.
 *
 * @param error Receives the failure; may be NULL.
 * @return JSON to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_collection_describe(
    const elanus_collection *collection,
    elanus_error **error);

/**
 * Counts what a collection holds: rows (`row_count`, those that are not deleted), partitions, segments with their states,
 * bytes and indexes, and what its compactions have read and written.
 *
 * @param error Receives the failure; may be NULL.
 * @return JSON to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_collection_statistics(
    const elanus_collection *collection,
    elanus_error **error);

/**
 * Counts the rows that are inserted and not deleted.
 *
 * @param count Receives the number; not NULL.
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_count(
    const elanus_collection *collection,
    uint64_t *count,
    elanus_error **error);

/**
 * Gives a moment whose state is that of now, to search and query later as `travel_timestamp`: what is acknowledged by now
 * is in it, and what is written later is not. It is a Milvus timestamp: milliseconds since 1970 in UTC, times 262144, and
 * a counter. Moments of the collections of one database can be compared.
 *
 * @param timestamp Receives it; not NULL. Of a read-only database, the time of the newest commit that it has read.
 * @param error     Receives the failure; may be NULL. ELANUS_CODE_INVALID_PARAMETER where the database's
 *                  `retention_duration` is 0.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_timestamp(
    const elanus_collection *collection,
    uint64_t *timestamp,
    elanus_error **error);

/**
 * Seals the rows inserted so far into segment files, which indexes are built on. Rows are safe without it: this only
 * shortens the write-ahead log.
 *
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_flush(
    const elanus_collection *collection,
    elanus_error **error);

/**
 * Makes a released collection searchable again, and opens its files, so that the first search does not have to. A
 * collection that was not released is loaded by its first search, too. Loading a loaded one does nothing.
 *
 * Rows and indexes are mapped from their files unless `mmap.enabled` is false for them (elanus_collection_alter_field(),
 * elanus_index_alter()): then they are read into memory.
 *
 * @param error Receives the failure; may be NULL. ELANUS_CODE_MEMORY_LIMIT, with the sizes, when its indexes and what is
 *              not mapped do not fit into `memory_limit`: then none of them stays in memory, and what was released stays so.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_load(
    const elanus_collection *collection,
    elanus_error **error);

/**
 * Gives the memory of a collection and all its partitions back. Searching it fails with
 * ELANUS_CODE_COLLECTION_NOT_LOADED until elanus_collection_load().
 *
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call: a search that runs finishes. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_release(
    const elanus_collection *collection,
    elanus_error **error);

/**
 * Says whether a collection, or some of its partitions, are loaded. A collection is as soon as one partition is; named
 * partitions are when all of them are.
 *
 * @param partition_names      `partition_name_count` names; NULL for the collection.
 * @param partition_name_count How many names; 0 for the collection.
 * @param state                Receives the state; not NULL.
 * @param progress             Receives the bytes; may be NULL.
 * @param error                Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of
 *                             one of the names.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_get_load_state(
    const elanus_collection *collection,
    const char *const *partition_names,
    size_t partition_name_count,
    elanus_load_state *state,
    elanus_load_progress *progress,
    elanus_error **error);

/**
 * Deletes rows by their INT64 primary keys. Keys that no row has are passed over.
 *
 * @param ids     `count` keys; may be NULL when `count` is 0.
 * @param deleted Receives how many rows there were; may be NULL.
 * @param error   Receives the failure; may be NULL. On failure nothing was deleted.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_delete_int64(
    const elanus_collection *collection,
    const int64_t *ids,
    size_t count,
    uint64_t *deleted,
    elanus_error **error);

/**
 * Deletes rows by their VARCHAR primary keys. Keys that no row has are passed over.
 *
 * @param ids     `count` texts in UTF-8, none NULL; may be NULL itself when `count` is 0.
 * @param deleted Receives how many rows there were; may be NULL.
 * @param error   Receives the failure; may be NULL. On failure nothing was deleted.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_delete_varchar(
    const elanus_collection *collection,
    const char *const *ids,
    size_t count,
    uint64_t *deleted,
    elanus_error **error);

/**
 * Adds a field to a collection. Rows of before have it as null or with its default value; nothing is written anew, and
 * searches go on.
 *
 * @param field JSON like a field of the schema: `{"name":"price","data_type":"DOUBLE","nullable":true}`. It must be
 *              nullable or have a `default_value`; it cannot be the primary key or hold vectors.
 * @param error Receives the failure; may be NULL. On failure nothing has changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_add_field(
    const elanus_collection *collection,
    const char *field,
    elanus_error **error);

/**
 * Alters properties of a field. There is one, `mmap.enabled`, which changes no answer: false holds the field's values in
 * memory, where they count for `memory_limit`; true maps them from their files; null forgets what was said, so that what
 * the schema says of all fields holds, or true. It can be altered whether the collection is loaded or not (in Milvus it
 * must not be loaded): searches that run keep what they hold, and those that start from now on open the field anew.
 *
 * @param field      Its name; `$meta` for the dynamic field.
 * @param properties JSON: `{"mmap.enabled":false}`.
 * @param error      Receives the failure; may be NULL. ELANUS_CODE_FIELD_NOT_FOUND when there is none of that name. On
 *                   failure nothing has changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_alter_field(
    const elanus_collection *collection,
    const char *field,
    const char *properties,
    elanus_error **error);

/**
 * Frees a handle; the collection stays. NULL is fine.
 *
 * Handles may be freed in any order, after their database's too. This one must not be in use by another thread.
 * Since 0.1.
 */
ELANUS_API void elanus_collection_free(elanus_collection *collection);

/* =================================================================================================
 * Alias: another name of a collection, which can be given to another collection in one step. Every function that takes
 * the name of a collection takes an alias, but for those that create, rename, drop or alias one.
 * ================================================================================================= */

/**
 * Gives a collection another name.
 *
 * @param collection Its own name, not an alias.
 * @param alias      A letter or underscore, then letters, digits and underscores; at most 255 characters. One that is
 *                   an alias of this collection already is fine.
 * @param error      Receives the failure; may be NULL. ELANUS_CODE_ALIAS_ALREADY_EXISTS when it is an alias of another
 *                   collection, ELANUS_CODE_ALIAS_COLLECTION_NAME_CONFLICT when a collection has that name.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_alias_create(
    const elanus_database *database,
    const char *collection,
    const char *alias,
    elanus_error **error);

/**
 * Makes an alias that exists one of another collection, in one step. Handles that were opened by it stay with the
 * collection they were opened on.
 *
 * @param collection Its own name, not an alias.
 * @param error      Receives the failure; may be NULL. ELANUS_CODE_ALIAS_NOT_FOUND when there is no such alias.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_alias_alter(
    const elanus_database *database,
    const char *collection,
    const char *alias,
    elanus_error **error);

/**
 * Drops an alias; its collection stays. One that does not exist is fine.
 *
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_alias_drop(
    const elanus_database *database,
    const char *alias,
    elanus_error **error);

/**
 * Lists aliases, each with its collection.
 *
 * @param collection The collection whose aliases are wanted; NULL or empty for those of all.
 * @param error      Receives the failure; may be NULL.
 * @return A JSON array in the order of the aliases, like `[{"alias":"prod","collection_name":"texts_2"}]`, to free with
 *         elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_alias_list(
    const elanus_database *database,
    const char *collection,
    elanus_error **error);

/* =================================================================================================
 * Column: values of one field for many rows, the form in which rows come in and go out.
 * ================================================================================================= */

/** The type of a field, with Milvus' numbers. */
typedef enum elanus_data_type {
    /** True or false, one byte a row; any byte but 0 is true. */
    ELANUS_DATA_TYPE_BOOL = 1,
    /** int8_t. */
    ELANUS_DATA_TYPE_INT8 = 2,
    /** int16_t. */
    ELANUS_DATA_TYPE_INT16 = 3,
    /** int32_t. */
    ELANUS_DATA_TYPE_INT32 = 4,
    /** int64_t. */
    ELANUS_DATA_TYPE_INT64 = 5,
    /** float. */
    ELANUS_DATA_TYPE_FLOAT = 10,
    /** double. */
    ELANUS_DATA_TYPE_DOUBLE = 11,
    /** UTF-8 text up to the field's max_length. */
    ELANUS_DATA_TYPE_VARCHAR = 21,
    /** Values of one type, up to the field's max_capacity a row. */
    ELANUS_DATA_TYPE_ARRAY = 22,
    /** JSON as UTF-8 text. */
    ELANUS_DATA_TYPE_JSON = 23,
    /** `dim` bits a row, packed into dim / 8 bytes, the first bit highest. */
    ELANUS_DATA_TYPE_BINARY_VECTOR = 100,
    /** `dim` floats a row. */
    ELANUS_DATA_TYPE_FLOAT_VECTOR = 101
} elanus_data_type;

/**
 * Values of one field for `count` rows, row by row without gaps.
 *
 * Begin with ELANUS_COLUMN_INIT, which sets `size`. What it points to belongs to the caller when it goes in (and is
 * read only during the call), and to the result when it comes out.
 */
typedef struct elanus_column {
    /** sizeof(elanus_column), the same in every column of a call. */
    uint32_t size;
    /** An elanus_data_type. */
    uint32_t data_type;
    /** The field's name. */
    const char *name;
    /**
     * The values: numbers as their C type, bool as bytes, text and JSON as UTF-8 one after the other, vectors row by
     * row. May be NULL when there are no bytes.
     */
    const void *data;
    /**
     * For VARCHAR and JSON: `count + 1` byte offsets into `data`, row i at offsets[i] to offsets[i + 1]. For ARRAY:
     * `count + 1` numbers of elements, those of row i from offsets[i] to offsets[i + 1]. Else NULL.
     */
    const uint64_t *offsets;
    /** How many rows. */
    uint64_t count;
    /** For vectors: floats or bits a row. Else 0. */
    uint64_t dim;
    /**
     * A byte a row: 0 for a null, whose value does not matter, but that texts are UTF-8. NULL where every row has a value.
     */
    const uint8_t *valid;
    /**
     * For ARRAY: the elanus_data_type of the elements, which `data` has one after the other. Else 0.
     */
    uint32_t element_type;
    /** 0. */
    uint32_t reserved;
    /**
     * For ARRAY of VARCHAR: one more byte offsets into `data` than there are elements. Else NULL.
     */
    const uint64_t *element_offsets;
} elanus_column;

/** What elanus_column begins with: its size, and the defaults. */
#define ELANUS_COLUMN_INIT {sizeof(elanus_column), 0, NULL, NULL, NULL, 0, 0, NULL, 0, 0, NULL}

/**
 * Inserts rows into the partition `_default`, or those of the partition key. When it returns they are durable (as the
 * database's `durability` says) and every search that starts afterwards sees them; on failure nothing was inserted.
 *
 * @param columns      `column_count` columns of the same `count`, in any order: every field of the schema but a
 *                     primary key with auto_id; those that are nullable or have a default value may be missing. In a
 *                     collection with `enable_dynamic_field` a column of any other name adds a dynamic key to the rows
 *                     that are not null. They are copied.
 * @param column_count Not 0.
 * @param inserted     Receives a result with the primary keys of the rows in order, given or generated, to free with
 *                     elanus_result_free(); NULL for not wanting it.
 * @param error        Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_insert(
    const elanus_collection *collection,
    const elanus_column *columns,
    size_t column_count,
    elanus_result **inserted,
    elanus_error **error);

/**
 * Inserts rows in the place of those that have their primary keys, in one step: no search sees a key missing meanwhile,
 * and after a crash both its removal and its return have happened or neither. When it returns they are durable, as
 * after elanus_collection_insert(); on failure nothing changed.
 *
 * As in Milvus: of a key that the columns repeat, every row comes in; rows of the key are looked for in the default
 * partition, where these go, and with a partition key in all partitions. Refused with auto_id.
 *
 * @param columns      As elanus_collection_insert() has them, the primary key among them.
 * @param column_count Not 0.
 * @param upserted     Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
 *                     NULL for not wanting it.
 * @param error        Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_upsert(
    const elanus_collection *collection,
    const elanus_column *columns,
    size_t column_count,
    elanus_result **upserted,
    elanus_error **error);

/* =================================================================================================
 * Index: what makes the search of a vector field fast, or filters on a scalar field.
 * ================================================================================================= */

/**
 * Called as a long operation advances: `done` of `total` rows. Returning false cancels it, and the operation fails
 * with ELANUS_CODE_CANCELED.
 *
 * It may run on a thread of the engine's, never on two at once, and must not call back into the same collection.
 */
typedef bool (*elanus_progress_callback)(void *user_data, uint64_t done, uint64_t total);

/** The state of an index, with Milvus' numbers. */
typedef enum elanus_index_state {
    /** Milvus' word for an index that does not exist; asking for one is an error here. */
    ELANUS_INDEX_STATE_NONE = 0,
    /** Waiting for its turn. */
    ELANUS_INDEX_STATE_UNISSUED = 1,
    /** Being built. */
    ELANUS_INDEX_STATE_IN_PROGRESS = 2,
    /** Every sealed segment that is large enough has it. */
    ELANUS_INDEX_STATE_FINISHED = 3,
    /** The last build failed; searches go on without it. */
    ELANUS_INDEX_STATE_FAILED = 4
} elanus_index_state;

/** What elanus_index_create() does when the field has another index. */
typedef enum elanus_on_conflict {
    /** The new index takes the place of the old, as in Milvus 1.x. */
    ELANUS_ON_CONFLICT_REPLACE = 0,
    /** ELANUS_CODE_INDEX_DUPLICATE, as in Milvus from 2.2 on. */
    ELANUS_ON_CONFLICT_ERROR = 1
} elanus_on_conflict;

/**
 * How to create an index. Begin with ELANUS_INDEX_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
 */
typedef struct elanus_index_options {
    /** sizeof(elanus_index_options). */
    uint32_t size;
    /** The index's name; NULL for the field's. */
    const char *name;
    /** An elanus_on_conflict. */
    uint32_t on_conflict;
    /**
     * 1 to return at once and build in the background, where `progress` is not told of it; 0 to wait.
     */
    uint32_t no_wait;
    /** Told how the build advances; may be NULL. */
    elanus_progress_callback progress;
    /** Handed to `progress` unchanged. */
    void *user_data;
} elanus_index_options;

/** What elanus_index_options begins with: its size, and the defaults. */
#define ELANUS_INDEX_OPTIONS_INIT {sizeof(elanus_index_options), NULL, 0, 0, NULL, NULL}

/** How far an index has come. This structure never grows. */
typedef struct elanus_index_progress {
    /** Rows of the collection. */
    uint64_t total_rows;
    /** Rows of them that the index holds. */
    uint64_t indexed_rows;
    /** Rows of them that wait to be indexed. */
    uint64_t pending_index_rows;
} elanus_index_progress;

/**
 * Creates an index on a field, and builds it for every sealed segment that is large enough; those sealed later get it
 * in the background. A field has one index at most, and the names of a collection's indexes differ.
 *
 * Filters use the index of a scalar field where it is faster than a look at every row: for comparisons, ranges, `in` and
 * `like 'prefix%'`, and their opposites. It changes no result; elanus_collection_explain() says where one was used.
 *
 * @param field   A vector field, or one of Bool, a number or VarChar.
 * @param index   JSON: `{"index_type":"HNSW","metric_type":"COSINE","params":{"M":16,"efConstruction":200}}`, or of a
 *                scalar field `{"index_type":"STL_SORT"}`. README's tables list the index types with their metrics and
 *                parameters. Parameters that are absent take their defaults, those that a type does not know are
 *                ignored. Without a type a scalar field gets STL_SORT (numbers), Trie (VarChar) or INVERTED (Bool).
 * @param options NULL for the defaults: replace another index, wait.
 * @param error   Receives the failure; may be NULL. ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED for a type of Milvus' that
 *                this version does not have, ELANUS_CODE_CANCELED when the progress callback said so.
 *
 * Safe beside any call; searches go on meanwhile. Since 0.1.
 */
ELANUS_API elanus_code elanus_index_create(
    const elanus_collection *collection,
    const char *field,
    const char *index,
    const elanus_index_options *options,
    elanus_error **error);

/**
 * Describes an index: `{"index_name","field_name","index_type","metric_type","params",...}`, its progress and state.
 *
 * @param error Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name.
 * @return JSON to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_index_describe(
    const elanus_collection *collection,
    const char *name,
    elanus_error **error);

/**
 * Alters properties of an index. There is one, `mmap.enabled`, which changes no answer: false holds the index in memory,
 * true maps its files, null forgets what was said, so that what the schema says holds, or true. Mapped or not, an index
 * counts for `memory_limit` while it is open; one in memory is reserved before it is read. The blocks that DISKANN reads
 * while it searches stay on the disk. elanus_index_create() takes `mmap.enabled` among the `params` of every type; for an
 * index that differs in nothing else it does the same as this.
 *
 * It can be altered whether the collection is loaded or not (in Milvus it must not be loaded): searches that run keep what
 * they hold, and those that start from now on open the index anew.
 *
 * @param properties JSON: `{"mmap.enabled":false}`.
 * @param error      Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name. On
 *                   failure nothing has changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_index_alter(
    const elanus_collection *collection,
    const char *name,
    const char *properties,
    elanus_error **error);

/**
 * Lists the names of a collection's indexes.
 *
 * @param error Receives the failure; may be NULL.
 * @return A JSON array of names, to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_index_list(const elanus_collection *collection, elanus_error **error);

/**
 * Drops an index: its field is searched, or filtered, without one again. A name that no index has is fine, as in Milvus.
 *
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call: a search that uses the index finishes. Since 0.1.
 */
ELANUS_API elanus_code elanus_index_drop(
    const elanus_collection *collection,
    const char *name,
    elanus_error **error);

/**
 * Says how far an index has come.
 *
 * @param progress Receives the numbers; not NULL.
 * @param error    Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_index_get_progress(
    const elanus_collection *collection,
    const char *name,
    elanus_index_progress *progress,
    elanus_error **error);

/**
 * Says in which state an index is.
 *
 * @param state  Receives the state; not NULL.
 * @param reason Receives why it is ELANUS_INDEX_STATE_FAILED, to free with elanus_string_free(), and NULL in every
 *               other state; may be NULL.
 * @param error  Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_index_get_state(
    const elanus_collection *collection,
    const char *name,
    elanus_index_state *state,
    char **reason,
    elanus_error **error);

/* =================================================================================================
 * Compaction: small segments become one, dead rows go, space is given back.
 * ================================================================================================= */

/**
 * How to compact. Begin with ELANUS_COMPACT_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
 */
typedef struct elanus_compact_options {
    /** sizeof(elanus_compact_options). */
    uint32_t size;
    /**
     * 1 to return at once and compact in the background, where `progress` is not told of it; 0 to wait.
     */
    uint32_t no_wait;
    /** Told how the compaction advances; may be NULL. */
    elanus_progress_callback progress;
    /** Handed to `progress` unchanged. */
    void *user_data;
} elanus_compact_options;

/** What elanus_compact_options begins with: its size, and the defaults. */
#define ELANUS_COMPACT_OPTIONS_INIT {sizeof(elanus_compact_options), 0, NULL, NULL}

/** Whether a collection is being compacted, with Milvus' numbers. */
typedef enum elanus_compaction_state {
    /** Milvus' word for no answer; not given here. */
    ELANUS_COMPACTION_STATE_UNDEFINED = 0,
    /** A compaction runs or waits for its turn. */
    ELANUS_COMPACTION_STATE_EXECUTING = 1,
    /** None does. */
    ELANUS_COMPACTION_STATE_COMPLETED = 2
} elanus_compaction_state;

/**
 * How far the compactions of a collection have come. A plan is a group of segments that become one. This structure
 * never grows.
 */
typedef struct elanus_compaction_progress {
    /** Plans that run or wait. */
    uint64_t executing_plans;
    /** Plans that were completed since the collection was created. */
    uint64_t completed_plans;
    /** Plans that failed since the collection was opened. */
    uint64_t failed_plans;
} elanus_compaction_progress;

/**
 * Compacts a collection: flushes it, merges its segments as far as `segment_size_mb` allows, and leaves out deleted rows.
 * A merged segment gets its index before the old segments go, whose files are removed once the last search that uses
 * them has ended. Without this call the same is done in the background, later and only where it is worth it (option
 * `auto_compaction` of elanus_database_open()).
 *
 * @param options NULL for the defaults: wait.
 * @param error   Receives the failure; may be NULL. ELANUS_CODE_CANCELED when the progress callback said so. Segments
 *                that were compacted before stay so; nothing else changes.
 *
 * Safe beside any call; searches, inserts and deletes go on meanwhile. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_compact(
    const elanus_collection *collection,
    const elanus_compact_options *options,
    elanus_error **error);

/**
 * Says whether a collection is being compacted, by a call or in the background.
 *
 * @param state    Receives the state; not NULL.
 * @param progress Receives the numbers; may be NULL.
 * @param reason   Receives why the last compaction in the background failed, to free with elanus_string_free(), and NULL
 *                 if it did not; may be NULL.
 * @param error    Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_get_compaction_state(
    const elanus_collection *collection,
    elanus_compaction_state *state,
    elanus_compaction_progress *progress,
    char **reason,
    elanus_error **error);

/* =================================================================================================
 * Search: the nearest rows of each of many queries.
 * ================================================================================================= */

/**
 * The options of a search. Begin with ELANUS_SEARCH_OPTIONS_INIT, which sets `size` and `round_decimal`; all zeros are
 * the defaults too.
 */
typedef struct elanus_search_options {
    /** sizeof(elanus_search_options). */
    uint32_t size;
    /** How many hits a query gets at most, 1 to 16384; 0 for 10. */
    uint32_t topk;
    /**
     * JSON for the index, like `{"nprobe":16}` or `{"ef":64}`; NULL for the defaults. `{"radius":20,"range_filter":10}` asks
     * for the nearest hits in a range: distances from `range_filter` (included) to `radius` (not included), or of IP and
     * COSINE scores above `radius` and up to `range_filter`. Only a radius is fine.
     */
    const char *params;
    /**
     * The metric. It must be the index's; NULL is the index's, and without an index L2 or HAMMING.
     */
    const char *metric_type;
    /** To how many digits scores are rounded, 0 to 6; -1 for not at all. */
    int32_t round_decimal;
    /** After how many milliseconds to give up with ELANUS_CODE_TIMEOUT; 0 for never. */
    uint32_t timeout_ms;
    /**
     * Names of fields or dynamic keys to return with the hits, or `*` for all fields; NULL for none. A dynamic key comes as
     * JSON, null in the rows that lack it.
     */
    const char *const *output_fields;
    /** How many names. */
    size_t output_field_count;
    /**
     * Only rows for which it holds are searched, like `price < 20 and color in ["red", "blue"]`; NULL or empty for all.
     * elanus_collection_query() has the language. As many hits as there are rows to find, up to topk, whatever the index.
     */
    const char *filter;
    /**
     * The values of the filter's templates: JSON like `{"colors":["red","blue"]}` for `color in {colors}`; NULL for none.
     */
    const char *filter_values;
    /**
     * A field of BOOL, integers or VARCHAR: each of its values gets one hit, that of its best row, and topk is the number of
     * values. NULL or empty for none.
     */
    const char *group_by_field;
    /** So many of the best hits of a query are passed over; with topk at most 16384. */
    size_t offset;
    /**
     * Names of partitions to look into; NULL for all that are not released. Not with a partition key.
     */
    const char *const *partition_names;
    /** How many names. */
    size_t partition_name_count;
    /**
     * The rows that there were at this time are searched: a moment that elanus_collection_timestamp() gave, or Milvus' hybrid
     * timestamp of any other (milliseconds since 1970 in UTC, times 262144), no longer ago than the database's
     * `retention_duration`. 0 for now.
     */
    uint64_t travel_timestamp;
} elanus_search_options;

/** What elanus_search_options begins with: its size, and the defaults. */
#define ELANUS_SEARCH_OPTIONS_INIT {sizeof(elanus_search_options), 0, NULL, NULL, -1, 0, NULL, 0, NULL, NULL, NULL, 0, NULL, 0, 0}

/**
 * Searches a FLOAT_VECTOR field for the nearest rows of each query. It runs on the rows that were inserted when it
 * started and never waits for writers.
 *
 * @param field   The vector field.
 * @param queries `nq` x `dim` floats, query by query, each finite.
 * @param nq      1 to 16384.
 * @param dim     The field's dimension.
 * @param options NULL for the defaults.
 * @param error   Receives the failure; may be NULL.
 * @return The hits, to free with elanus_result_free(), or NULL on failure. Fewer than topk hits of a query are
 *         possible and no failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_result *elanus_collection_search(
    const elanus_collection *collection,
    const char *field,
    const float *queries,
    size_t nq,
    size_t dim,
    const elanus_search_options *options,
    elanus_error **error);

/**
 * Searches a BINARY_VECTOR field for the nearest rows of each query: elanus_collection_search() for packed bits.
 *
 * Scores are distances, the smallest first: HAMMING counts the bits that differ; JACCARD is 1 less the share of common
 * bits, and 1 for two empty sets; TANIMOTO is -log2(1 - JACCARD), infinite where no bit is common. With SUBSTRUCTURE
 * (rows that have all bits of the query) and SUPERSTRUCTURE (rows that have no others) only the rows that match are
 * hits, with the score 0.
 *
 * @param field   The vector field.
 * @param queries `nq` x `dim` / 8 bytes, query by query.
 * @param nq      1 to 16384.
 * @param dim     The field's dimension in bits, a multiple of 8.
 * @param options NULL for the defaults.
 * @param error   Receives the failure; may be NULL.
 * @return The hits, to free with elanus_result_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_result *elanus_collection_search_binary(
    const elanus_collection *collection,
    const char *field,
    const uint8_t *queries,
    size_t nq,
    size_t dim,
    const elanus_search_options *options,
    elanus_error **error);

/**
 * Searches for the nearest rows of each of some rows, which are named by their INT64 primary keys: their vectors are the
 * queries. A row is found for itself too, first of all unless another one is as near, or a filter hides it.
 *
 * @param field   The vector field.
 * @param ids     `count` keys, each of a row in any partition.
 * @param count   1 to 16384.
 * @param options NULL for the defaults.
 * @param error   Receives the failure; may be NULL.
 * @return The hits, those of ids[i] as query i; to free with elanus_result_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_result *elanus_collection_search_by_int64(
    const elanus_collection *collection,
    const char *field,
    const int64_t *ids,
    size_t count,
    const elanus_search_options *options,
    elanus_error **error);

/**
 * The same for VARCHAR primary keys: elanus_collection_search_by_int64().
 *
 * @param field   The vector field.
 * @param ids     `count` texts in UTF-8, none NULL, each the key of a row.
 * @param count   1 to 16384.
 * @param options NULL for the defaults.
 * @param error   Receives the failure; may be NULL.
 * @return The hits, to free with elanus_result_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_result *elanus_collection_search_by_varchar(
    const elanus_collection *collection,
    const char *field,
    const char *const *ids,
    size_t count,
    const elanus_search_options *options,
    elanus_error **error);

/**
 * Says how a search would be done, without doing it: JSON with the filter as it was understood and, for each segment, its
 * rows, those that are live and that the filter lets through, its index, the choice (`exact`, `index`, `filtered`,
 * `post_filter`, `none`), what the ways were thought to cost (in exact scores of a row), why, whether it knows the
 * filter's rows from before (`filter_cached`), and otherwise `filter_indexes`: the indexes of scalar fields that would tell
 * where conditions hold, and how many rows each names.
 *
 * @param field   The vector field.
 * @param options Those of the search; NULL for the defaults.
 * @param error   Receives the failure, that of the search; may be NULL.
 * @return JSON like `{"index_type":"HNSW","metric_type":"L2","topk":10,"filter":"a < 3","segments":[{"segment":1,"rows":5000,
 *         "live":4990,"allowed":20,"choice":"exact","why":"..."}]}`, to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_collection_explain(
    const elanus_collection *collection,
    const char *field,
    const elanus_search_options *options,
    elanus_error **error);

/* =================================================================================================
 * Query: rows by a filter, without a vector.
 * ================================================================================================= */

/**
 * The options of a query. Begin with ELANUS_QUERY_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
 */
typedef struct elanus_query_options {
    /** sizeof(elanus_query_options). */
    uint32_t size;
    /** At most so many rows, those with the smallest keys; with `offset` up to 16384. 0 for all. */
    uint32_t limit;
    /** So many rows are passed over first. Needs a limit. */
    uint32_t offset;
    /** After how many milliseconds to give up with ELANUS_CODE_TIMEOUT; 0 for never. */
    uint32_t timeout_ms;
    /**
     * The values of the filter's templates: JSON like `{"colors":["red","blue"]}` for `color in {colors}`; NULL for none.
     */
    const char *filter_values;
    /**
     * Names of fields or dynamic keys to return with the keys, or `*` for all fields; NULL for none. A dynamic key comes as
     * JSON, null in the rows that lack it. `count(*)` alone asks for the number of rows and not for the rows: one row
     * without a key, with one INT64 column of that name; no limit and no offset then.
     */
    const char *const *output_fields;
    /** How many names. */
    size_t output_field_count;
    /**
     * Names of partitions to look into; NULL for all that are not released. Not with a partition key.
     */
    const char *const *partition_names;
    /** How many names. */
    size_t partition_name_count;
    /** The rows that there were at this time are asked: see elanus_search_options. 0 for now. */
    uint64_t travel_timestamp;
} elanus_query_options;

/** What elanus_query_options begins with: its size, and the defaults. */
#define ELANUS_QUERY_OPTIONS_INIT {sizeof(elanus_query_options), 0, 0, 0, NULL, NULL, 0, NULL, 0, 0}

/**
 * Finds the rows for which a filter holds. It runs on the rows that were inserted when it started and never waits for
 * writers.
 *
 * The language is that of Milvus 2.3: `==`, `!=`, `<`, `<=`, `>` and `>=` between a field and a constant or another field;
 * `1 < field <= 9`; `field in [1, 2]` and `not in`; `text like "prefix%"`; `field % 10 == 3` with `+`, `-`, `*`, `/` and
 * `%`; `and`, `or`, `not` (or `&&`, `||`, `!`) and brackets. Of a JSON field: `json["key"][0] > 5`, `exists json["key"]`,
 * `json_contains(json["list"], 1)`, `json_contains_all`, `json_contains_any`, `array_length(json["list"]) == 2`; a key that
 * a row lacks, or has with another type, makes a comparison false, and `!=` true. A name that is no field is a key of the
 * dynamic field, where the collection has one: `color == "red"` is `$meta["color"] == "red"`. Of an array: `list[0] > 5`,
 * false where there is no such element, `array_contains(list, 1)`, `array_contains_all`, `array_contains_any`,
 * `array_length`, `list == [1, 2]`. `field is null` and `is not null`; no other condition holds for a null, nor does its
 * opposite. Constants are true, false, numbers and
 * texts in either quotes with the escapes of C, or `{name}` for a value that is passed beside the filter.
 *
 * @param filter  At most 524288 bytes and nested 100 deep; NULL or empty for all rows, which needs a limit.
 * @param options NULL for the defaults.
 * @param error   Receives the failure; may be NULL.
 * @return The keys in their order, each once, and the output fields as columns; to free with elanus_result_free(), or
 *         NULL on failure. No row is no failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_result *elanus_collection_query(
    const elanus_collection *collection,
    const char *filter,
    const elanus_query_options *options,
    elanus_error **error);

/**
 * Gives the rows of some INT64 primary keys: elanus_collection_query() for `key in [...]`, but the keys are looked up, and
 * no row is scanned.
 *
 * @param ids     `count` keys. One without a row is passed over, and one that is named twice gives one row.
 * @param count   Any number; 0 gives no row.
 * @param options As those of a query: output fields, `limit` and `offset` over the rows in the order of their keys, partitions,
 *                travel_timestamp. `filter_values` do not count. NULL for the defaults.
 * @param error   Receives the failure; may be NULL.
 * @return The keys that have a row, in their order, each once, and the output fields as columns; to free with
 *         elanus_result_free(), or NULL on failure. No row is no failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_result *elanus_collection_get_int64(
    const elanus_collection *collection,
    const int64_t *ids,
    size_t count,
    const elanus_query_options *options,
    elanus_error **error);

/**
 * The same for VARCHAR primary keys: elanus_collection_get_int64().
 *
 * @param ids     `count` texts in UTF-8, none NULL.
 * @param count   Any number; 0 gives no row.
 * @param options NULL for the defaults.
 * @param error   Receives the failure; may be NULL.
 * @return The keys that have a row, in their order, each once, and the output fields as columns; to free with
 *         elanus_result_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_result *elanus_collection_get_varchar(
    const elanus_collection *collection,
    const char *const *ids,
    size_t count,
    const elanus_query_options *options,
    elanus_error **error);

/**
 * Counts the rows of all partitions that are not released for which a filter holds.
 *
 * @param filter As elanus_collection_query() has it; empty for all rows.
 * @param values The values of its templates, as JSON; NULL for none.
 * @param count  Receives the number; not NULL.
 * @param error  Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_count_matching(
    const elanus_collection *collection,
    const char *filter,
    const char *values,
    uint64_t *count,
    elanus_error **error);

/**
 * Deletes the rows for which a filter holds when the call starts. They go by their primary keys, as in Milvus: with a
 * row goes every other one of its key. Unlike in Milvus the collection needs not be loaded, and a delete loads nothing: what is
 * not open is read from its files. It is one record of the log: of rows whose keys exceed 1 GiB, some have to be deleted
 * before others.
 *
 * @param filter  As elanus_collection_query() has it. One that is empty, or true of every row whatever it holds, is
 *                refused.
 * @param values  The values of its templates, as JSON; NULL for none.
 * @param deleted Receives how many rows there were; may be NULL.
 * @param error   Receives the failure; may be NULL. On failure nothing was deleted.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_delete_matching(
    const elanus_collection *collection,
    const char *filter,
    const char *values,
    uint64_t *deleted,
    elanus_error **error);

/* =================================================================================================
 * Iterators: the hits of a search or the rows of a query, batch by batch.
 * ================================================================================================= */

/**
 * Opens an iterator over the rows around one query of a FLOAT_VECTOR field.
 *
 * @param field      The vector field.
 * @param query      `dim` floats, each finite.
 * @param dim        The field's dimension.
 * @param options    NULL for the defaults. `topk` does not count; `offset` is at most 16383; group_by_field must not be set; a
 *                   timeout is that of each call.
 * @param batch_size Hits of a batch, 1 to 16384; 0 for 1000.
 * @param limit      After how many hits to end; 0 for after all.
 * @param error      Receives the failure; may be NULL.
 * @return The iterator, to free with elanus_search_iterator_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_search_iterator *elanus_search_iterator_open(
    const elanus_collection *collection,
    const char *field,
    const float *query,
    size_t dim,
    const elanus_search_options *options,
    size_t batch_size,
    uint64_t limit,
    elanus_error **error);

/**
 * The same for a BINARY_VECTOR field: elanus_search_iterator_open() for packed bits.
 *
 * @param field      The vector field.
 * @param query      `dim` / 8 bytes.
 * @param dim        The field's dimension in bits, a multiple of 8.
 * @param options    NULL for the defaults.
 * @param batch_size Hits of a batch, 1 to 16384; 0 for 1000.
 * @param limit      After how many hits to end; 0 for after all.
 * @param error      Receives the failure; may be NULL.
 * @return The iterator, to free with elanus_search_iterator_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_search_iterator *elanus_search_iterator_open_binary(
    const elanus_collection *collection,
    const char *field,
    const uint8_t *query,
    size_t dim,
    const elanus_search_options *options,
    size_t batch_size,
    uint64_t limit,
    elanus_error **error);

/**
 * Gives the next hits. No row comes twice, and none is left out. Batches follow each other from near to far; with an index
 * whose answers are not exact, a row that a batch has missed comes in a later one.
 *
 * @param iterator It goes on behind the hits of the last call; a call that fails does not move it.
 * @param error    Receives the failure; may be NULL.
 * @return As many hits as a batch has, fewer at the end and none behind it, as the hits of one query; to free with
 *         elanus_result_free(), or NULL on failure.
 *
 * Safe beside any call but elanus_search_iterator_free(): calls for one iterator take turns. Since 0.1.
 */
ELANUS_API elanus_result *elanus_search_iterator_next(
    const elanus_search_iterator *iterator,
    elanus_error **error);

/**
 * Frees an iterator; results that it gave stay. NULL is fine.
 *
 * Handles may be freed in any order, after their collection's too. This one must not be in use by another thread.
 * Since 0.1.
 */
ELANUS_API void elanus_search_iterator_free(elanus_search_iterator *iterator);

/**
 * Opens an iterator over the rows for which a filter holds, in the order of their primary keys.
 *
 * @param filter     As elanus_collection_query() has it; NULL or empty for all rows, without a limit too.
 * @param options    NULL for the defaults. Its limit and offset are those of all batches together and may be any; a
 *                   timeout is that of each call.
 * @param batch_size Rows of a batch, 1 to 16384; 0 for 1000.
 * @param error      Receives the failure; may be NULL.
 * @return The iterator, to free with elanus_query_iterator_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_query_iterator *elanus_query_iterator_open(
    const elanus_collection *collection,
    const char *filter,
    const elanus_query_options *options,
    size_t batch_size,
    elanus_error **error);

/**
 * Gives the next rows: their keys in order, each once, and the output fields.
 *
 * @param iterator It goes on behind the rows of the last call; a call that fails does not move it.
 * @param error    Receives the failure; may be NULL.
 * @return As many rows as a batch has, fewer at the end and none behind it; to free with elanus_result_free(), or NULL on
 *         failure.
 *
 * Safe beside any call but elanus_query_iterator_free(): calls for one iterator take turns. Since 0.1.
 */
ELANUS_API elanus_result *elanus_query_iterator_next(
    const elanus_query_iterator *iterator,
    elanus_error **error);

/**
 * Frees an iterator; results that it gave stay. NULL is fine.
 *
 * Handles may be freed in any order, after their collection's too. This one must not be in use by another thread.
 * Since 0.1.
 */
ELANUS_API void elanus_query_iterator_free(elanus_query_iterator *iterator);

/* =================================================================================================
 * Result: the hits of a search, the rows of a query, or the keys of an insert or upsert, as flat arrays.
 * ================================================================================================= */

/**
 * Counts the queries.
 *
 * @param result NULL gives 0.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API size_t elanus_result_nq(const elanus_result *result);

/**
 * Counts the hits of all queries.
 *
 * @param result NULL gives 0.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API size_t elanus_result_count(const elanus_result *result);

/**
 * Says which hits belong to which query.
 *
 * @param result NULL gives NULL.
 * @return elanus_result_nq() + 1 numbers, which live as long as `result`: the hits of query i are numbers offsets[i]
 *         to offsets[i + 1].
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API const uint64_t *elanus_result_offsets(const elanus_result *result);

/**
 * Gives the INT64 primary keys of the hits.
 *
 * @param result NULL gives NULL.
 * @return elanus_result_count() keys, which live as long as `result`; NULL when the keys are VARCHAR or there is no
 *         hit.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API const int64_t *elanus_result_ids_int64(const elanus_result *result);

/**
 * Gives the VARCHAR primary key of a hit.
 *
 * @param result NULL gives NULL.
 * @param hit    Its number in the whole result; one past the end gives NULL.
 * @return A text that lives as long as `result`, up to its first NUL; NULL when the keys are INT64.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API const char *elanus_result_id_varchar(const elanus_result *result, size_t hit);

/**
 * Gives the primary keys of the hits as a column, whichever their type.
 *
 * @param result NULL gives NULL.
 * @return A column with the key's name and elanus_result_count() rows, which lives as long as `result`.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API const elanus_column *elanus_result_ids(const elanus_result *result);

/**
 * Gives the scores of the hits, in the metric's own sign: L2 squared and ascending, IP and COSINE descending, distances
 * of bits ascending.
 *
 * @param result NULL gives NULL.
 * @return elanus_result_count() scores, which live as long as `result`; NULL when there is no hit, and for a
 *         query or an insert.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API const float *elanus_result_scores(const elanus_result *result);

/**
 * Counts the output fields.
 *
 * @param result NULL gives 0.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API size_t elanus_result_column_count(const elanus_result *result);

/**
 * Gives the values of an output field, a row a hit.
 *
 * @param result NULL gives NULL.
 * @param column Its number, in the order of the output_fields; one past the end gives NULL.
 * @return A column with elanus_result_count() rows, which lives as long as `result`.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API const elanus_column *elanus_result_column(const elanus_result *result, size_t column);

/**
 * Frees a result and what its functions pointed to. NULL is fine.
 *
 * Handles may be freed in any order, after their collection's too. This one must not be in use by another thread.
 * Since 0.1.
 */
ELANUS_API void elanus_result_free(elanus_result *result);

/* =================================================================================================
 * Arrow: whole batches in and out by the Arrow C data interface, without a copy where the layout allows it.
 * The structures are those of https://arrow.apache.org/docs/format/CDataInterface.html
 * ================================================================================================= */

/**
 * Inserts rows that lie in Arrow's layout: elanus_collection_insert() for a struct array whose children are the
 * columns.
 *
 * Both structures are moved out of `array` and `schema`, whose `release` is NULL afterwards: on success and on
 * failure, even that of NULL for another argument. Float vectors are fixed-size lists of float32, binary vectors
 * fixed-size binaries, VARCHAR and JSON are utf8, arrays are lists. Integers of any
 * width are taken for those of the field if their values fit. Only fields that are nullable or have a default value take nulls.
 *
 * In a collection with `enable_dynamic_field` a column of any other name adds a dynamic key to the rows that are not null:
 * booleans, numbers, texts, lists and structs become JSON, texts of the extension type `arrow.json` are JSON already. A
 * column `$meta` has whole objects of keys as JSON.
 *
 * @param inserted Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
 *                 NULL for not wanting it.
 * @param error    Receives the failure; may be NULL. On failure nothing was inserted.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_insert_arrow(
    const elanus_collection *collection,
    struct ArrowArray *array,
    struct ArrowSchema *schema,
    elanus_result **inserted,
    elanus_error **error);

/**
 * Upserts rows that lie in Arrow's layout: elanus_collection_upsert() for a struct array whose children are the columns.
 *
 * Both structures are moved out of `array` and `schema`, as by elanus_collection_insert_arrow().
 *
 * @param upserted Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
 *                 NULL for not wanting it.
 * @param error    Receives the failure; may be NULL. On failure nothing changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_upsert_arrow(
    const elanus_collection *collection,
    struct ArrowArray *array,
    struct ArrowSchema *schema,
    elanus_result **upserted,
    elanus_error **error);

/**
 * Gives a result away as a stream of Arrow batches: columns `_query` (uint32, the number of the query), `_id` and
 * `_score` (float32), then the output fields; for an insert or upsert `_id` alone, for a `count(*)` the number alone.
 *
 * @param stream Receives the stream, which the caller releases by its `release`, before or after the result is freed;
 *               not NULL. Written only on success.
 * @param error  Receives the failure; may be NULL.
 *
 * Safe beside any call but elanus_result_free(). Since 0.1.
 */
ELANUS_API elanus_code elanus_result_export_arrow(
    const elanus_result *result,
    struct ArrowArrayStream *stream,
    elanus_error **error);

/* =================================================================================================
 * Exchange: rows from files and to files, in the layout of Milvus' bulk import.
 * ================================================================================================= */

/**
 * How to import. Begin with ELANUS_IMPORT_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
 */
typedef struct elanus_import_options {
    /** sizeof(elanus_import_options). */
    uint32_t size;
    /** 0: nothing is here yet. */
    uint32_t reserved;
    /**
     * Told how many bytes of the files were read, of how many; may be NULL. Of a stream it is told rows, of 0.
     */
    elanus_progress_callback progress;
    /** Handed to `progress` unchanged. */
    void *user_data;
    /**
     * The partition that the rows go to, Milvus' `partition_name` of a bulk insert; NULL for the default one, or those of
     * the partition key, beside which a name is refused.
     */
    const char *partition;
} elanus_import_options;

/** What elanus_import_options begins with: its size, and the defaults. */
#define ELANUS_IMPORT_OPTIONS_INIT {sizeof(elanus_import_options), 0, NULL, NULL, NULL}

/**
 * What to export. Begin with ELANUS_EXPORT_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
 */
typedef struct elanus_export_options {
    /** sizeof(elanus_export_options). */
    uint32_t size;
    /**
     * 1 to leave out the primary keys of a collection with auto_id, for one that makes its own: Milvus takes none there.
     * 0 to keep them; the schema beside the file then says that auto_id is false.
     */
    uint32_t without_keys;
    /** Only rows for which it holds, as elanus_collection_query() has it; NULL or empty for all. */
    const char *filter;
    /** The values of the filter's templates, as JSON; NULL for none. */
    const char *filter_values;
    /** Told how many rows are written; may be NULL. */
    elanus_progress_callback progress;
    /** Handed to `progress` unchanged. */
    void *user_data;
    /**
     * Names of the partitions whose rows are written; NULL for all. A file does not say which partition a row was in: write
     * one for each, and import it with `partition`. Not with a partition key, which deals the rows anew.
     */
    const char *const *partition_names;
    /** How many names there are. */
    size_t partition_name_count;
} elanus_export_options;

/** What elanus_export_options begins with: its size, and the defaults. */
#define ELANUS_EXPORT_OPTIONS_INIT {sizeof(elanus_export_options), 0, NULL, NULL, NULL, NULL, NULL, 0}

/**
 * Inserts the rows of files, all of them or none: no search sees one before the call has succeeded, and after an error,
 * a cancellation or a crash nothing of them is left. Rows of any number are imported in little memory.
 *
 * A file's format is what its name ends in. `.parquet`: one column a field, by its name; float vectors are lists of float
 * or double, binary vectors lists of uint8, VARCHAR and JSON strings, integers of any width whose values fit; not
 * compressed, or with SNAPPY. `.jsonl` or `.ndjson`: one object a row, one key a field; vectors are arrays of numbers
 * (of bytes for binary ones), JSON is the value itself or a string that holds it. `.json`: `{"rows":[...]}` or `[...]`
 * with such objects. This is the layout of Milvus' bulk import: https://milvus.io/docs/prepare-source-data.md
 *
 * A key of the object `$meta` may be the name of a field, which an insert refuses: a field that was added to a collection
 * leaves such keys to the rows that had them.
 *
 * @param paths      Files. Every field of the schema is in each, but a primary key with auto_id; one that is nullable or
 *                   has a default value may be left out, and so may the dynamic field.
 * @param path_count Not 0.
 * @param options    NULL for the defaults.
 * @param imported   Receives the number of rows; may be NULL.
 * @param error      Receives the failure; may be NULL. It names the file, the row, counted from 0, and the field.
 *                   ELANUS_CODE_CANCELED when the progress callback said so.
 *
 * Safe beside any call; searches, inserts and deletes go on meanwhile. A delete that ends before this call does not
 * concern its rows. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_import(
    const elanus_collection *collection,
    const char *const *paths,
    size_t path_count,
    const elanus_import_options *options,
    uint64_t *imported,
    elanus_error **error);

/**
 * Inserts the rows of a stream of Arrow batches, all of them or none: elanus_collection_import() for batches as
 * elanus_collection_insert_arrow() takes them.
 *
 * The stream is moved out of `stream`, whose `release` is NULL afterwards: on success and on failure, even that of
 * NULL for another argument.
 *
 * @param stream   Of struct arrays whose children are the columns; not NULL.
 * @param options  NULL for the defaults.
 * @param imported Receives the number of rows; may be NULL.
 * @param error    Receives the failure; may be NULL. It names the row, counted from 0, and the field.
 *
 * Safe beside any call, as elanus_collection_import() is; the stream is used on the caller's thread only. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_import_arrow(
    const elanus_collection *collection,
    struct ArrowArrayStream *stream,
    const elanus_import_options *options,
    uint64_t *imported,
    elanus_error **error);

/**
 * Writes the live rows of a collection to a file, and its schema to one beside it. Both go to Milvus: the schema is what
 * pymilvus' `CollectionSchema.construct_from_dict()` reads, the rows are what its bulk import takes. And both come back:
 * elanus_collection_create() takes the schema, elanus_collection_import() the rows, and the contents are identical.
 *
 * It runs on the rows that were inserted when it started, oldest first, and never waits for writers. It reads them as they
 * are stored: released partitions and collections are exported too, and stay released.
 *
 * @param path     A file that does not exist, in a folder that does. Its name ends in `.parquet`, `.jsonl`, `.ndjson` or
 *                 `.json`, which is the format, as elanus_collection_import() has it. The schema's name ends in
 *                 `.schema.json` instead, and must not exist either, but for the same schema.
 * @param options  NULL for the defaults: all rows.
 * @param exported Receives the number of rows; may be NULL.
 * @param error    Receives the failure; may be NULL. On failure, and until it is done, there is no file of either name, but
 *                 perhaps, where the process died, `.partial` ones, and the schema: the next export replaces them.
 *                 ELANUS_CODE_CANCELED when the progress callback said so.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_collection_export(
    const elanus_collection *collection,
    const char *path,
    const elanus_export_options *options,
    uint64_t *exported,
    elanus_error **error);

/* =================================================================================================
 * Partition: a part of a collection that writes and searches can name. Every collection has the partition `_default`,
 * which rows go to that name none; one with a partition key deals them to partitions of its own instead, and refuses
 * every call that names partitions with ELANUS_CODE_INVALID_PARAMETER. Searches and queries have `partition_names` in
 * their options.
 * ================================================================================================= */

/**
 * Creates a partition. One of that name that exists is fine.
 *
 * @param name  A letter, digit or underscore, then letters, digits and underscores; at most 255 characters.
 * @param error Receives the failure; may be NULL.
 *
 * A collection has at most 4096 partitions. Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_create(
    const elanus_collection *collection,
    const char *name,
    elanus_error **error);

/**
 * Drops a partition with its rows, and gives their space back. One that does not exist is fine.
 *
 * @param error Receives the failure; may be NULL. ELANUS_CODE_INVALID_PARAMETER when the partition is loaded, which it is
 *              from its first search or load on until it is released; and for `_default`.
 *
 * Safe beside any call: a search that runs finishes. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_drop(
    const elanus_collection *collection,
    const char *name,
    elanus_error **error);

/**
 * Says whether a partition of that name exists.
 *
 * @param has   Receives the answer; not NULL.
 * @param error Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_has(
    const elanus_collection *collection,
    const char *name,
    bool *has,
    elanus_error **error);

/**
 * Lists the partitions of a collection, those of its partition key too.
 *
 * @param error Receives the failure; may be NULL.
 * @return A JSON array of names, the oldest first, to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_partition_list(const elanus_collection *collection, elanus_error **error);

/**
 * Counts what a partition holds: rows (`row_count`, those that are not deleted), segments with their states, and bytes.
 *
 * @param error Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of that name.
 * @return JSON to free with elanus_string_free(), or NULL on failure.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API char *elanus_partition_statistics(
    const elanus_collection *collection,
    const char *name,
    elanus_error **error);

/**
 * Makes partitions searchable again that were released, and opens their files: elanus_collection_load() for some of a
 * collection.
 *
 * @param names `name_count` names of partitions; not NULL.
 * @param error Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of one of them:
 *              then nothing changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_load(
    const elanus_collection *collection,
    const char *const *names,
    size_t name_count,
    elanus_error **error);

/**
 * Gives the memory of partitions back. Searches that name one of them fail with ELANUS_CODE_PARTITION_NOT_LOADED until it
 * is loaded, those that name none look into the others.
 *
 * @param names `name_count` names of partitions; not NULL.
 * @param error Receives the failure; may be NULL. ELANUS_CODE_PARTITION_NOT_FOUND when there is none of one of them:
 *              then nothing changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_release(
    const elanus_collection *collection,
    const char *const *names,
    size_t name_count,
    elanus_error **error);

/**
 * Inserts rows into a partition: elanus_collection_insert() does so into `_default`.
 *
 * @param partition    Its name.
 * @param columns      As elanus_collection_insert() has them.
 * @param column_count Not 0.
 * @param inserted     Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
 *                     NULL for not wanting it.
 * @param error        Receives the failure; may be NULL. On failure nothing changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_insert(
    const elanus_collection *collection,
    const char *partition,
    const elanus_column *columns,
    size_t column_count,
    elanus_result **inserted,
    elanus_error **error);

/**
 * The same for rows that lie in Arrow's layout, which are taken as by elanus_collection_insert_arrow().
 *
 * @param partition Its name.
 * @param inserted  Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
 *                  NULL for not wanting it.
 * @param error     Receives the failure; may be NULL. On failure nothing changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_insert_arrow(
    const elanus_collection *collection,
    const char *partition,
    struct ArrowArray *array,
    struct ArrowSchema *schema,
    elanus_result **inserted,
    elanus_error **error);

/**
 * Upserts rows into a partition: rows of their keys in other partitions stay, as in Milvus.
 * elanus_collection_upsert() does so in `_default`.
 *
 * @param partition    Its name.
 * @param columns      As elanus_collection_upsert() has them.
 * @param column_count Not 0.
 * @param upserted     Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
 *                     NULL for not wanting it.
 * @param error        Receives the failure; may be NULL. On failure nothing changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_upsert(
    const elanus_collection *collection,
    const char *partition,
    const elanus_column *columns,
    size_t column_count,
    elanus_result **upserted,
    elanus_error **error);

/**
 * The same for rows that lie in Arrow's layout, which are taken as by elanus_collection_upsert_arrow().
 *
 * @param partition Its name.
 * @param upserted  Receives a result with the primary keys of the rows in order, to free with elanus_result_free();
 *                  NULL for not wanting it.
 * @param error     Receives the failure; may be NULL. On failure nothing changed.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_upsert_arrow(
    const elanus_collection *collection,
    const char *partition,
    struct ArrowArray *array,
    struct ArrowSchema *schema,
    elanus_result **upserted,
    elanus_error **error);

/**
 * Deletes rows of a partition by their INT64 primary keys. Keys that no row of it has are passed over.
 *
 * @param partition Its name.
 * @param ids       `count` keys; may be NULL when `count` is 0.
 * @param deleted   Receives how many rows there were; may be NULL.
 * @param error     Receives the failure; may be NULL. On failure nothing was deleted.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_delete_int64(
    const elanus_collection *collection,
    const char *partition,
    const int64_t *ids,
    size_t count,
    uint64_t *deleted,
    elanus_error **error);

/**
 * Deletes rows of a partition by their VARCHAR primary keys. Keys that no row of it has are passed over.
 *
 * @param partition Its name.
 * @param ids       `count` texts in UTF-8, none NULL; may be NULL itself when `count` is 0.
 * @param deleted   Receives how many rows there were; may be NULL.
 * @param error     Receives the failure; may be NULL. On failure nothing was deleted.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_delete_varchar(
    const elanus_collection *collection,
    const char *partition,
    const char *const *ids,
    size_t count,
    uint64_t *deleted,
    elanus_error **error);

/**
 * Deletes the rows of a partition for which a filter holds when the call starts: elanus_collection_delete_matching() for
 * one partition.
 *
 * @param partition Its name.
 * @param filter    As elanus_collection_query() has it. One that is empty, or true of every row whatever it holds, is
 *                  refused.
 * @param values    The values of its templates, as JSON; NULL for none.
 * @param deleted   Receives how many rows there were; may be NULL.
 * @param error     Receives the failure; may be NULL. On failure nothing was deleted.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_delete_matching(
    const elanus_collection *collection,
    const char *partition,
    const char *filter,
    const char *values,
    uint64_t *deleted,
    elanus_error **error);

/**
 * Counts the rows of some partitions for which a filter holds.
 *
 * @param names  `name_count` names of partitions; NULL, with 0, for all that are not released.
 * @param filter As elanus_collection_query() has it; empty for all rows.
 * @param values The values of its templates, as JSON; NULL for none.
 * @param count  Receives the number; not NULL.
 * @param error  Receives the failure; may be NULL.
 *
 * Safe beside any call. Since 0.1.
 */
ELANUS_API elanus_code elanus_partition_count_matching(
    const elanus_collection *collection,
    const char *const *names,
    size_t name_count,
    const char *filter,
    const char *values,
    uint64_t *count,
    elanus_error **error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ELANUS_H */
