//! The engine from outside: one binary, so that it links once.

mod api;
mod binary;
mod churn;
mod compact;
mod concurrent;
mod crash;
mod durable;
mod filter;
mod flip;
mod indexes;
mod life;
mod model;
mod refresh;
mod search;
mod support;
