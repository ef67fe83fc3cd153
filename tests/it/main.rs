//! The engine from outside: one binary, so that it links once.

mod aliases;
mod api;
mod binary;
mod churn;
mod compact;
mod concurrent;
mod crash;
mod data;
mod durable;
mod exchange;
mod filter;
mod flip;
mod indexes;
mod kept_filters;
mod life;
mod mmap;
mod model;
mod partition_key;
mod partitions;
mod processes;
mod refresh;
mod scalar;
mod search;
mod support;
mod travel;
mod upsert;
