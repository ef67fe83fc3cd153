//! The C library: it only re-exports the engine's C interface.

pub use engine::ffi::*;

/// Of the Rust code in this library alone; the host's malloc stays as it is.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: engine::storage::pages::Pages = engine::storage::pages::Pages;
