//! Database: one directory with collections in it, open for one writing process at a time.

use super::error::{self, ErrorOut};
use super::input::{given, text, text_or};
use crate::database::Options;
use crate::error::Code;
use safer_ffi::prelude::*;
use std::path::Path;

/// An open database.
#[derive_ReprC(rename = "elanus_database")]
#[repr(opaque)]
pub struct Database(pub(super) crate::database::Database);

/// Opens the database in a directory, making it when it is missing, and recovers what an earlier process left.
///
/// @param path    A directory, in UTF-8.
/// @param options JSON, or NULL for the defaults:
///                `{"durability":"sync","memory_limit":0,"threads":0,"segment_size_mb":512,"index_min_rows":1024,
///                "build_idle_ms":5000,"auto_compaction":true,"read_only":false,"refresh_ms":0,
///                "create_if_missing":true,"retention_duration":0}`.
///                `durability` is `sync` (an insert that returned survives a power cut) or `async` (it survives the
///                death of the process); `memory_limit` is in bytes, 0 for none, and counts growing rows, indexes,
///                fields that are not mapped (`mmap.enabled`) or were added after their rows, and what builds and
///                compactions work with; `threads` 0 for as many as the machine has. Growing rows
///                become a segment at about `segment_size_mb`; one of at least `index_min_rows` gets an index. Builds
///                and compactions in the background go on after `build_idle_ms` without a query. With
///                `auto_compaction`, a segment with more than a fifth of its rows dead is rewritten, and four segments
///                of about the same size (within a factor of 4, none above half of `segment_size_mb`) become one. A
///                read-only database writes nothing at all; after each `refresh_ms`, 0 for never, it does by itself
///                what elanus_database_refresh() does, and tries again the next time if that fails.
///                `retention_duration` is for how many seconds an earlier state stays searchable
///                (`travel_timestamp`): rows that were deleted or replaced meanwhile stay in the files for so long. It
///                is kept in the database; without it, the database has the one that it had, and a new one 0, which is
///                off. What was written before it was set cannot be travelled to. An unknown key is an error.
/// @param error   Receives the failure; may be NULL. ELANUS_CODE_LOCKED when another process has it open for
///                writing; the message names that process.
/// @return A handle to free with elanus_database_free(), or NULL on failure.
///
/// Safe from any thread. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_database_open(
    path: Option<char_p::Ref<'_>>,
    options: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Option<repr_c::Box<Database>> {
    error::value(error, || {
        let path = text(path, "path")?;
        let options = Options::from_json(text_or(options, "options", "")?)?;
        let database = crate::database::Database::open(Path::new(path), options)?;
        Ok(Box::new(Database(database)).into())
    })
}

/// Brings a read-only database up to date: searches that start from now on see what the writing process has committed
/// and logged so far, and collections that it has created, renamed or dropped come, change their names or go. Handles
/// and running searches go on; what the handle of a dropped collection is asked fails with ELANUS_CODE_CLOSED. A
/// database that is open for writing is always up to date, and nothing happens.
///
/// @param error Receives the failure; may be NULL. On failure everything is as it was.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_database_refresh(database: Option<&Database>, error: ErrorOut<'_>) -> Code {
    error::code(error, || given(database, "database")?.0.refresh())
}

/// Closes a database for every handle on it and on its collections: what they are asked afterwards fails with
/// ELANUS_CODE_CLOSED, and each must still be freed. Everything acknowledged is kept. Closing twice is fine.
///
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call; waits for those that are running. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_database_close(database: Option<&Database>, error: ErrorOut<'_>) -> Code {
    error::code(error, || given(database, "database")?.0.close())
}

/// Frees a handle; the last handle on a database or on one of its collections closes it. NULL is fine.
///
/// Handles may be freed in any order. This one must not be in use by another thread. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_database_free(database: Option<repr_c::Box<Database>>) {
    error::free(database)
}
