//! Index: what makes the search of a vector field fast, or filters on a scalar field.

use super::collection::Collection;
use super::error::{self, ErrorOut};
use super::input::{Versioned, given, owned_text, put, text, versioned};
use crate::collection::{self as engine, IndexRequest, OnConflict};
use crate::error::{Code, Error, Result};
use safer_ffi::prelude::*;
use serde_json::Value;
use std::ffi::c_void;

/// Called as a long operation advances: `done` of `total` rows. Returning false cancels it, and the operation fails
/// with ELANUS_CODE_CANCELED.
///
/// It may run on a thread of the engine's, never on two at once, and must not call back into the same collection.
pub type ProgressCallback =
    Option<unsafe extern "C" fn(user_data: *mut c_void, done: u64, total: u64) -> bool>;

/// The state of an index, with Milvus' numbers.
#[derive_ReprC(rename = "elanus_index_state")]
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IndexState {
    /// Milvus' word for an index that does not exist; asking for one is an error here.
    None = 0,
    /// Waiting for its turn.
    Unissued = 1,
    /// Being built.
    InProgress = 2,
    /// Every sealed segment that is large enough has it.
    Finished = 3,
    /// The last build failed; searches go on without it.
    Failed = 4,
}

/// What elanus_index_create() does when the field has another index.
#[derive_ReprC(rename = "elanus_on_conflict")]
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConflictRule {
    /// The new index takes the place of the old, as in Milvus 1.x.
    Replace = 0,
    /// ELANUS_CODE_INDEX_DUPLICATE, as in Milvus from 2.2 on.
    Error = 1,
}

/// How to create an index. Begin with ELANUS_INDEX_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
#[derive_ReprC(rename = "elanus_index_options")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IndexOptions<'a> {
    /// sizeof(elanus_index_options).
    pub size: u32,
    /// The index's name; NULL for the field's.
    pub name: Option<char_p::Ref<'a>>,
    /// An elanus_on_conflict.
    pub on_conflict: u32,
    /// 1 to return at once and build in the background, where `progress` is not told of it; 0 to wait.
    pub no_wait: u32,
    /// Told how the build advances; may be NULL.
    pub progress: ProgressCallback,
    /// Handed to `progress` unchanged.
    pub user_data: *mut c_void,
}

// SAFETY: `repr(C)`, a u32 size first; numbers take any bits, pointers are the caller's promise, NULL is valid.
unsafe impl Versioned for IndexOptions<'_> {
    const NAME: &'static str = "elanus_index_options";
    const SIZES: &'static [usize] = &[40];
}

/// How far an index has come. This structure never grows.
#[derive_ReprC(rename = "elanus_index_progress")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IndexProgress {
    /// Rows of the collection.
    pub total_rows: u64,
    /// Rows of them that the index holds.
    pub indexed_rows: u64,
    /// Rows of them that wait to be indexed.
    pub pending_index_rows: u64,
}

/// A caller's callback with its data.
pub(super) struct Callback {
    pub(super) call: unsafe extern "C" fn(*mut c_void, u64, u64) -> bool,
    pub(super) user_data: *mut c_void,
}

// SAFETY: the callback's documentation says that it may run on any thread, one call at a time, which the engine keeps.
unsafe impl Sync for Callback {}

impl Callback {
    pub(super) fn advance(&self, done: u64, total: u64) -> bool {
        // SAFETY: the caller promises that the callback may be called with its data until the operation returns.
        unsafe { (self.call)(self.user_data, done, total) }
    }
}

/// Creates an index on a field, and builds it for every sealed segment that is large enough; those sealed later get it
/// in the background. A field has one index at most, and the names of a collection's indexes differ.
///
/// Filters use the index of a scalar field where it is faster than a look at every row: for comparisons, ranges, `in` and
/// `like 'prefix%'`, and their opposites. It changes no result; elanus_collection_explain() says where one was used.
///
/// @param field   A vector field, or one of Bool, a number or VarChar.
/// @param index   JSON: `{"index_type":"HNSW","metric_type":"COSINE","params":{"M":16,"efConstruction":200}}`, or of a
///                scalar field `{"index_type":"STL_SORT"}`. README's tables list the index types with their metrics and
///                parameters. Parameters that are absent take their defaults, those that a type does not know are
///                ignored. Without a type a scalar field gets STL_SORT (numbers), Trie (VarChar) or INVERTED (Bool).
/// @param options NULL for the defaults: replace another index, wait.
/// @param error   Receives the failure; may be NULL. ELANUS_CODE_INDEX_TYPE_NOT_SUPPORTED for a type of Milvus' that
///                this version does not have, ELANUS_CODE_CANCELED when the progress callback said so.
///
/// Safe beside any call; searches go on meanwhile. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_index_create(
    collection: Option<&Collection>,
    field: Option<char_p::Ref<'_>>,
    index: Option<char_p::Ref<'_>>,
    options: *const IndexOptions<'_>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        let (field, description) = (text(field, "field")?, text(index, "index")?);
        let options = match options.is_null() {
            true => None,
            // SAFETY: the caller promises a structure of the size it states.
            false => unsafe { versioned(options, "options") }?,
        };
        let request = request(field, description, options.as_ref())?;
        let progress = options.and_then(|o| Some(Callback { call: o.progress?, user_data: o.user_data }));
        match progress {
            Some(progress) => {
                collection.0.create_index(&request, Some(&|done, total| progress.advance(done, total)))
            }
            None => collection.0.create_index(&request, None),
        }
    })
}

fn request<'a>(
    field: &'a str,
    description: &'a str,
    options: Option<&IndexOptions<'a>>,
) -> Result<IndexRequest<'a>> {
    let mut request =
        IndexRequest { field, description, name: None, on_conflict: OnConflict::Replace, wait: true };
    if let Some(options) = options {
        request.name = options.name.map(|name| text(Some(name), "options.name")).transpose()?;
        request.on_conflict = match options.on_conflict {
            0 => OnConflict::Replace,
            1 => OnConflict::Error,
            other => {
                return Err(Error::invalid(format!(
                    "options.on_conflict {other} should be 0 (replace) or 1 (error)"
                )));
            }
        };
        request.wait = match options.no_wait {
            0 => true,
            1 => false,
            other => return Err(Error::invalid(format!("options.no_wait {other} should be 0 or 1"))),
        };
    }
    Ok(request)
}

/// Describes an index: `{"index_name","field_name","index_type","metric_type","params",...}`, its progress and state.
///
/// @param error Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name.
/// @return JSON to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_index_describe(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || {
        owned_text(given(collection, "collection")?.0.describe_index(text(name, "name")?)?)
    })
}

/// Alters properties of an index. There is one, `mmap.enabled`, which changes no answer: false holds the index in memory,
/// true maps its files, null forgets what was said, so that what the schema says holds, or true. Mapped or not, an index
/// counts for `memory_limit` while it is open; one in memory is reserved before it is read. The blocks that DISKANN reads
/// while it searches stay on the disk. elanus_index_create() takes `mmap.enabled` among the `params` of every type; for an
/// index that differs in nothing else it does the same as this.
///
/// It can be altered whether the collection is loaded or not (in Milvus it must not be loaded): searches that run keep what
/// they hold, and those that start from now on open the index anew.
///
/// @param properties JSON: `{"mmap.enabled":false}`.
/// @param error      Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name. On
///                   failure nothing has changed.
///
/// Safe beside any call. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_index_alter(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    properties: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        collection.0.alter_index(text(name, "name")?, text(properties, "properties")?)
    })
}

/// Lists the names of a collection's indexes.
///
/// @param error Receives the failure; may be NULL.
/// @return A JSON array of names, to free with elanus_string_free(), or NULL on failure.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_index_list(
    collection: Option<&Collection>,
    error: ErrorOut<'_>,
) -> Option<char_p::Box> {
    error::value(error, || owned_text(Value::from(given(collection, "collection")?.0.list_indexes()?)))
}

/// Drops an index: its field is searched, or filtered, without one again. A name that no index has is fine, as in Milvus.
///
/// @param error Receives the failure; may be NULL.
///
/// Safe beside any call: a search that uses the index finishes. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_index_drop(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || given(collection, "collection")?.0.drop_index(text(name, "name")?))
}

/// Says how far an index has come.
///
/// @param progress Receives the numbers; not NULL.
/// @param error    Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_index_get_progress(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    progress: Option<Out<'_, IndexProgress>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, progress) = (given(collection, "collection")?, given(progress, "progress")?);
        let engine::IndexProgress { total_rows, indexed_rows, pending_index_rows } =
            collection.0.index_progress(text(name, "name")?)?;
        put(Some(progress), IndexProgress { total_rows, indexed_rows, pending_index_rows });
        Ok(())
    })
}

/// Says in which state an index is.
///
/// @param state  Receives the state; not NULL.
/// @param reason Receives why it is ELANUS_INDEX_STATE_FAILED, to free with elanus_string_free(), and NULL in every
///               other state; may be NULL.
/// @param error  Receives the failure; may be NULL. ELANUS_CODE_INDEX_NOT_FOUND when there is none of that name.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_index_get_state(
    collection: Option<&Collection>,
    name: Option<char_p::Ref<'_>>,
    state: Option<Out<'_, IndexState>>,
    reason: Option<Out<'_, Option<char_p::Box>>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, state) = (given(collection, "collection")?, given(state, "state")?);
        let (now, why) = match collection.0.index_state(text(name, "name")?)? {
            engine::IndexState::None => (IndexState::None, None),
            engine::IndexState::Unissued => (IndexState::Unissued, None),
            engine::IndexState::InProgress => (IndexState::InProgress, None),
            engine::IndexState::Finished => (IndexState::Finished, None),
            engine::IndexState::Failed(why) => (IndexState::Failed, Some(why.replace('\0', "\\0"))),
        };
        if let Some(reason) = reason {
            reason.write(why.map(owned_text).transpose()?);
        }
        put(Some(state), now);
        Ok(())
    })
}
