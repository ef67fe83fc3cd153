//! The C library: it only re-exports the engine's C interface.

pub use engine::ffi::*;
