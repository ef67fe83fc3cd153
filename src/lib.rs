//! Elanus: an embeddable vector database engine with Milvus' words.
//!
//! The rooms, from the bottom up (arrows point down only, see ARCHITECTURE.md):
//!
//! | layer | rooms |
//! | --- | --- |
//! | 1 | [`error`], [`schema`], [`batch`]: plain data |
//! | 2 | [`kernel`]: slices in, numbers out |
//! | 3 | [`quant`]: vectors to codes and back |
//! | 4 | [`index`]: queries and an allow-bitmap in, top-k out |
//! | 5 | [`segment`]: rows, columns, deletes; [`filter`]: expressions to bitmaps; [`exchange`]: Parquet, JSON; [`storage`] beside them |
//! | 6 | [`database`], [`collection`]: names, locks, threads, snapshots |
//! | 7 | [`ffi`]: the C interface |

pub mod batch;
pub mod collection;
pub mod database;
pub mod error;
pub mod exchange;
pub mod ffi;
pub mod filter;
pub mod index;
pub mod kernel;
pub mod quant;
pub mod schema;
pub mod segment;
pub mod storage;

pub use error::{Code, Error, Result};
