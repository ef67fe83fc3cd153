//! Library: which version this is, how it was built, and the strings it gives away.

use super::error::{self, ErrorOut};
use super::input;
use crate::kernel;
use safer_ffi::prelude::*;
use serde_json::json;

/// The version of the binary interface that this header describes, and the number in the name of the shared library.
///
/// Compare it with elanus_abi_version() to learn whether the library at hand fits.
pub const ELANUS_ABI_VERSION: u32 = 0;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// Says which version of the library is running, like `"0.1.0"`.
///
/// @return A static text, never NULL; do not free it.
///
/// Safe from any thread at any time. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_version() -> char_p::Ref<'static> {
    char_p::Ref::try_from(VERSION).expect("one NUL, at the end")
}

/// Says which binary interface the running library has: the ELANUS_ABI_VERSION it was built with.
///
/// Safe from any thread at any time. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_abi_version() -> u32 {
    ELANUS_ABI_VERSION
}

/// Describes the build and the machine as JSON:
/// `{"version","abi_version","target","simd","simd_available":[],"features":[],"gpu":{"available","reason"}}`.
///
/// `simd` is the level in use (the environment variable ELANUS_SIMD lowers it) and `simd_available` all that this
/// processor has.
///
/// @return A text to free with elanus_string_free(), or NULL on failure.
///
/// Safe from any thread at any time. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_build_info(error: ErrorOut<'_>) -> Option<char_p::Box> {
    error::value(error, || {
        input::owned_text(
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "abi_version": ELANUS_ABI_VERSION,
                "target": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
                "simd": kernel::level_name(),
                "simd_available": kernel::available().map(|level| level.name()).collect::<Vec<_>>(),
                "features": [],
                "gpu": {"available": false, "reason": "this version has no GPU backend"},
            })
            .to_string(),
        )
    })
}

/// Frees a text that a function gave away. NULL is fine.
///
/// The text must not be in use by another thread. Since 0.1.
#[ffi_export]
pub extern "C" fn elanus_string_free(string: Option<char_p::Box>) {
    drop(string)
}
