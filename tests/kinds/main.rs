//! Every index type that works, on every metric it takes. All tests walk the catalog: a type joins them when its line of
//! the table says that it works, and is held to the promise of `cases.rs`.

mod cases;
mod churn;
mod determinism;
mod engine;
mod expressions;
mod filters;
mod flips;
mod parameters;
mod recall;
mod sets;
