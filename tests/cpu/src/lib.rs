//! The engine's lowest rooms, as they are in `src`, for the scripts beside this crate.

#[path = "../../../src/kernel/mod.rs"]
pub mod kernel;
// Of the codecs the one that needs nothing but the kernels.
#[path = "../../../src/quant/sq7.rs"]
pub mod sq7;
