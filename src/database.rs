//! A database: one directory, one writer, its collections and its background worker.

use crate::collection::Collection;
use crate::error::Result;
use crate::schema::Schema;
use std::path::Path;

/// Whether an insert returns before its bytes are on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// An acknowledged write survives a power cut (group commit, fsync before returning).
    #[default]
    Sync,
    /// It survives the process' death; a power cut may lose the last seconds.
    Async,
}

/// How to open a database.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    pub durability: Durability,
    /// Bytes; 0 for no limit.
    pub memory_limit: u64,
    /// 0 for as many as the machine has.
    pub threads: usize,
    pub segment_size_mb: u64,
    pub index_min_rows: u64,
    pub build_idle_ms: u64,
    pub read_only: bool,
    pub create_if_missing: bool,
}

impl Options {
    /// `{"durability":"sync","threads":2,...}`; unknown keys are errors that name the known ones. Empty text: defaults.
    pub fn from_json(text: &str) -> Result<Options> {
        let _ = text;
        todo!()
    }
}

/// An open database; clones share it, the last one closes it.
#[derive(Clone)]
pub struct Database {}

impl Database {
    pub fn open(path: &Path, options: Options) -> Result<Database> {
        let _ = (path, options);
        todo!()
    }
    /// Ends it for every handle: later calls fail with `Closed`. Twice is fine.
    pub fn close(&self) -> Result<()> {
        todo!()
    }
    pub fn create_collection(&self, name: &str, schema: Schema) -> Result<Collection> {
        let _ = (name, schema);
        todo!()
    }
    pub fn collection(&self, name: &str) -> Result<Collection> {
        let _ = name;
        todo!()
    }
    pub fn has_collection(&self, name: &str) -> Result<bool> {
        let _ = name;
        todo!()
    }
    pub fn collections(&self) -> Result<Vec<String>> {
        todo!()
    }
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        let _ = (from, to);
        todo!()
    }
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let _ = name;
        todo!()
    }
}
