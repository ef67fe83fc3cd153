//! A database: one directory, one writer, its collections and its background worker.

mod activity;
mod aliases;
pub(crate) mod clock;
mod engine;
pub(crate) mod meta;
pub(crate) mod options;
mod refresh;
pub(crate) mod store;
pub(crate) mod watchdog;

use crate::collection::Collection;
use crate::error::Result;
use crate::schema::Schema;
use crate::storage::disk::Disk;
use crate::storage::vfs::Vfs;
use engine::Engine;
use std::path::Path;
use std::sync::Arc;

pub use options::{Durability, Options};

/// An open database; clones share it, the last one closes it.
#[derive(Clone)]
pub struct Database {
    handle: Arc<Handle>,
}

/// Closes the database when the last [`Database`] goes.
struct Handle(Arc<Engine>);

impl Drop for Handle {
    fn drop(&mut self) {
        // Whoever wants to know of a failure calls close.
        let _ = self.0.close();
    }
}

impl Database {
    /// Opens the database in the directory `path`, which is made if `create_if_missing` says so.
    pub fn open(path: &Path, options: Options) -> Result<Database> {
        Database::open_with(Arc::new(Disk), path, options)
    }

    /// Opens a database on another file system.
    pub fn open_with(vfs: Arc<dyn Vfs>, path: &Path, options: Options) -> Result<Database> {
        Ok(Database { handle: Arc::new(Handle(Engine::open(vfs, path, options)?)) })
    }

    fn engine(&self) -> &Engine {
        &self.handle.0
    }

    /// Ends it for every handle: later calls fail with `Closed`. Twice is fine. Waits for calls that change files, so it
    /// must not be called from the progress callback of one.
    pub fn close(&self) -> Result<()> {
        self.engine().close()
    }

    /// Of a read-only database: searches that start from now on see what the writer has committed and logged so far;
    /// collections come, go and change their names. After an error everything is as it was. With the option `refresh_ms` it
    /// does so by itself, too. A database that is open for writing is always up to date.
    pub fn refresh(&self) -> Result<()> {
        self.engine().refresh()
    }

    /// Creates a collection; one of the same name and schema that exists is opened.
    pub fn create_collection(&self, name: &str, schema: Schema) -> Result<Collection> {
        self.engine().create_collection(name, schema).map(Collection::new)
    }

    /// By its name or one of its aliases.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        self.engine().collection(name).map(Collection::new)
    }

    pub fn has_collection(&self, name: &str) -> Result<bool> {
        self.engine().has_collection(name)
    }

    /// The names of all collections, sorted.
    pub fn collections(&self) -> Result<Vec<String>> {
        self.engine().collection_names()
    }

    /// Neither name may be an alias. Aliases of the collection stay its own.
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        self.engine().rename_collection(from, to)
    }

    /// Drops a collection with its rows, files and aliases; not by an alias. Its handles fail with `Closed` from now on.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        self.engine().drop_collection(name)
    }

    /// Gives a collection, named by its own name, another one. An alias that it has already is fine; one that is another
    /// collection's, or the name of a collection, is refused.
    pub fn create_alias(&self, collection: &str, alias: &str) -> Result<()> {
        self.engine().create_alias(collection, alias)
    }

    /// Makes an alias that exists one of another collection.
    pub fn alter_alias(&self, collection: &str, alias: &str) -> Result<()> {
        self.engine().alter_alias(collection, alias)
    }

    /// Drops an alias; one that does not exist is fine.
    pub fn drop_alias(&self, alias: &str) -> Result<()> {
        self.engine().drop_alias(alias)
    }

    /// Aliases in order, each with the name of its collection: of one collection, or all.
    pub fn aliases(&self, collection: Option<&str>) -> Result<Vec<(String, String)>> {
        self.engine().aliases(collection)
    }
}
