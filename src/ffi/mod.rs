//! The C interface: one file per C object, and no logic: check for NULL, convert, one call into the engine.
//!
//! `include/elanus.h` and `bindings/elanus.json` are generated from these files by `bindings/generate`, in the order of
//! the `pub mod` lines below; the `//!` text of a file becomes the banner of its section. What C sees of a function is
//! its doc comment, in this pattern: what it does; what odd arguments and NULL mean; who owns the result and until
//! when; whether it may run beside other calls; since which version.
//!
//! The rules that every function here keeps (design.md 2 and 3):
//!
//! - A pointer parameter is an `Option` or a raw pointer: a plain reference would make NULL undefined behaviour.
//! - A handle comes in as `Option<&T>`, never `&mut`: the engine locks inside.
//! - A number that stands for one of a list comes in as an integer and is checked.
//! - The body runs inside [`error::code`] or [`error::value`], which turn an error or a panic into what C can read.
//! - An output is written after everything else succeeded.

#![allow(unsafe_code)]
// Nobody calls these functions from Rust, and `unsafe` would say nothing to C: the header says what a pointer must be.
#![allow(clippy::not_unsafe_ptr_arg_deref)]

mod input;

pub mod library;

pub mod error;

pub mod database;

pub mod collection;

pub mod alias;

pub mod column;

pub mod index;

pub mod compaction;

pub mod search;

pub mod query;

pub mod iterator;

pub mod result;

pub mod arrow;

pub mod exchange;
pub mod partition;

/// Writes safer-ffi's view of the exported functions to `path`, for the generator's cross-check.
#[cfg(feature = "headers")]
pub fn write_metadata(path: &std::path::Path) -> std::io::Result<()> {
    use safer_ffi::headers::{Language, builder};
    builder().with_language(Language::Metadata).to_file(path)?.generate()
}
