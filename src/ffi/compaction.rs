//! Compaction: small segments become one, dead rows go, space is given back.

use super::collection::Collection;
use super::error::{self, ErrorOut};
use super::index::{Callback, ProgressCallback};
use super::input::{Versioned, given, owned_text, put, versioned};
use crate::error::{Code, Error};
use safer_ffi::prelude::*;
use std::ffi::c_void;

/// How to compact. Begin with ELANUS_COMPACT_OPTIONS_INIT, which sets `size`; all zeros are the defaults too.
#[derive_ReprC(rename = "elanus_compact_options")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CompactOptions {
    /// sizeof(elanus_compact_options).
    pub size: u32,
    /// 1 to return at once and compact in the background, where `progress` is not told of it; 0 to wait.
    pub no_wait: u32,
    /// Told how the compaction advances; may be NULL.
    pub progress: ProgressCallback,
    /// Handed to `progress` unchanged.
    pub user_data: *mut c_void,
}

// SAFETY: `repr(C)`, a u32 size first; numbers take any bits, pointers are the caller's promise, NULL is valid.
unsafe impl Versioned for CompactOptions {
    const NAME: &'static str = "elanus_compact_options";
    const SIZES: &'static [usize] = &[24];
}

/// Whether a collection is being compacted, with Milvus' numbers.
#[derive_ReprC(rename = "elanus_compaction_state")]
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompactionState {
    /// Milvus' word for no answer; not given here.
    Undefined = 0,
    /// A compaction runs or waits for its turn.
    Executing = 1,
    /// None does.
    Completed = 2,
}

/// How far the compactions of a collection have come. A plan is a group of segments that become one. This structure
/// never grows.
#[derive_ReprC(rename = "elanus_compaction_progress")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CompactionProgress {
    /// Plans that run or wait.
    pub executing_plans: u64,
    /// Plans that were completed since the collection was created.
    pub completed_plans: u64,
    /// Plans that failed since the collection was opened.
    pub failed_plans: u64,
}

/// Compacts a collection: flushes it, merges its segments as far as `segment_size_mb` allows, and leaves out deleted rows.
/// A merged segment gets its index before the old segments go, whose files are removed once the last search that uses
/// them has ended. Without this call the same is done in the background, later and only where it is worth it (option
/// `auto_compaction` of elanus_database_open()).
///
/// @param options NULL for the defaults: wait.
/// @param error   Receives the failure; may be NULL. ELANUS_CODE_CANCELED when the progress callback said so. Segments
///                that were compacted before stay so; nothing else changes.
///
/// Safe beside any call; searches, inserts and deletes go on meanwhile. Since 0.1.
///
/// cbindgen:blocking
#[ffi_export]
pub extern "C" fn elanus_collection_compact(
    collection: Option<&Collection>,
    options: *const CompactOptions,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let collection = given(collection, "collection")?;
        let options = match options.is_null() {
            true => None,
            // SAFETY: the caller promises a structure of the size it states.
            false => unsafe { versioned(options, "options") }?,
        };
        let wait = match options.map_or(0, |options| options.no_wait) {
            0 => true,
            1 => false,
            other => return Err(Error::invalid(format!("options.no_wait {other} should be 0 or 1"))),
        };
        let progress = options.and_then(|o| Some(Callback { call: o.progress?, user_data: o.user_data }));
        match progress {
            Some(progress) => collection.0.compact(wait, Some(&|done, total| progress.advance(done, total))),
            None => collection.0.compact(wait, None),
        }
    })
}

/// Says whether a collection is being compacted, by a call or in the background.
///
/// @param state    Receives the state; not NULL.
/// @param progress Receives the numbers; may be NULL.
/// @param reason   Receives why the last compaction in the background failed, to free with elanus_string_free(), and NULL
///                 if it did not; may be NULL.
/// @param error    Receives the failure; may be NULL.
///
/// Safe beside any call. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_collection_get_compaction_state(
    collection: Option<&Collection>,
    state: Option<Out<'_, CompactionState>>,
    progress: Option<Out<'_, CompactionProgress>>,
    reason: Option<Out<'_, Option<char_p::Box>>>,
    error: ErrorOut<'_>,
) -> Code {
    error::code(error, || {
        let (collection, state) = (given(collection, "collection")?, given(state, "state")?);
        let now = collection.0.compaction_state()?;
        let why = (!now.fail_reason.is_empty()).then(|| now.fail_reason.replace('\0', "\\0"));
        if let Some(reason) = reason {
            reason.write(why.map(owned_text).transpose()?);
        }
        put(
            progress,
            CompactionProgress {
                executing_plans: now.executing_plans,
                completed_plans: now.completed_plans,
                failed_plans: now.failed_plans,
            },
        );
        let executing = now.is_executing;
        put(Some(state), if executing { CompactionState::Executing } else { CompactionState::Completed });
        Ok(())
    })
}
