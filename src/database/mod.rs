//! A database: one directory, one writer, its collections and its background worker.

mod activity;
pub(crate) mod meta;
mod options;
pub(crate) mod store;
mod watchdog;

use crate::collection::Collection;
use crate::error::Result;
use crate::schema::Schema;
use std::path::Path;

pub use options::{Durability, Options};

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
