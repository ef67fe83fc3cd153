//! The engine's lowest rooms, as they are in `src`, for the scripts beside this crate.

#[path = "../../../src/kernel/mod.rs"]
pub mod kernel;
#[path = "../../../src/quant/mod.rs"]
pub mod quant;
