//! Aliases: other names of collections, kept in the manifest. Every call that takes the name of a collection takes an
//! alias, but for those that are about the name itself. The outcomes are those of Milvus' `meta_table`.

use crate::collection::core::Core;
use crate::database::engine::{Engine, not_found};
use crate::error::{Code, Error, Result};
use crate::schema::check_alias;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// One of the same collection is fine.
    pub fn create_alias(&self, collection: &str, alias: &str) -> Result<()> {
        self.point(collection, alias, |collections, known, id| match known {
            Some(other) if other != id => {
                let owner = collections.values().find(|core| core.id == other);
                let owner = owner.map_or(String::new(), |core| core.name.read().clone());
                Err(about(
                    Code::AliasAlreadyExists,
                    &format!("{alias} is alias to another collection: {owner}: alias already exist"),
                    alias,
                ))
            }
            _ => Ok(()),
        })
    }

    /// Makes an alias that exists one of another collection.
    pub fn alter_alias(&self, collection: &str, alias: &str) -> Result<()> {
        self.point(collection, alias, |_, known, _| match known {
            Some(_) => Ok(()),
            None => Err(about(Code::AliasNotFound, "alias not found", alias)),
        })
    }

    /// One that does not exist is fine.
    pub fn drop_alias(&self, alias: &str) -> Result<()> {
        let _writing = self.store.writing()?;
        check_alias(alias)?;
        let _collections = self.collections.write();
        if self.alias(alias).is_none() {
            return Ok(());
        }
        self.store.commit(|meta| {
            meta.aliases.remove(alias);
            Ok(())
        })
    }

    /// Aliases in order, each with the name of its collection: of one collection, or all.
    pub fn aliases(&self, collection: Option<&str>) -> Result<Vec<(String, String)>> {
        self.store.check_open()?;
        let collections = self.collections.read();
        let only = match collection {
            Some(name) => Some(self.find(&collections, name).ok_or_else(|| not_found(name))?.id),
            None => None,
        };
        let aliases = self.store.with_meta(|meta| meta.aliases.clone());
        let names: BTreeMap<u64, String> =
            collections.values().map(|core| (core.id, core.name.read().clone())).collect();
        let wanted = aliases.into_iter().filter(|(_, id)| only.is_none_or(|only| only == *id));
        Ok(wanted.filter_map(|(alias, id)| Some((alias, names.get(&id)?.clone()))).collect())
    }

    /// The number of the collection that has this alias.
    pub fn alias(&self, alias: &str) -> Option<u64> {
        self.store.with_meta(|meta| meta.aliases.get(alias).copied())
    }

    /// The collection of that name or alias.
    pub fn find(&self, collections: &BTreeMap<String, Arc<Core>>, name: &str) -> Option<Arc<Core>> {
        if let Some(core) = collections.get(name) {
            return Some(core.clone());
        }
        let id = self.alias(name)?;
        collections.values().find(|core| core.id == id).cloned()
    }

    /// Makes `alias` one of `collection` if `check` agrees, who gets the number of the collection that has it now.
    fn point(
        &self,
        collection: &str,
        alias: &str,
        check: impl FnOnce(&BTreeMap<String, Arc<Core>>, Option<u64>, u64) -> Result<()>,
    ) -> Result<()> {
        let _writing = self.store.writing()?;
        check_alias(alias)?;
        let collections = self.collections.write();
        if collections.contains_key(alias) {
            return Err(about(
                Code::AliasCollectionNameConflict,
                "alias and collection name conflict",
                alias,
            ));
        }
        // Not by an alias: an alias of an alias would have to be said what it means when that one is altered.
        let id = collections.get(collection).ok_or_else(|| not_found(collection))?.id;
        let known = self.alias(alias);
        check(&collections, known, id)?;
        if known == Some(id) {
            return Ok(());
        }
        self.store.commit(|meta| {
            meta.aliases.insert(alias.to_owned(), id);
            Ok(())
        })
    }
}

/// Milvus names the database, of which there is one here.
fn about(code: Code, what: &str, alias: &str) -> Error {
    Error::new(code, format!("{what}[database=default][alias={alias}]"))
}
