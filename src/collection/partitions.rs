//! Partitions: parts of a collection that writes and searches can name, or that rows go to by the hash of their
//! partition key. A segment, sealed or growing, has rows of one partition only.
//!
//! A partition is loaded by the first search, query or count by filter that reads it, as by a call of load, and stays so
//! until it is released; a released one fails to be searched until it is loaded.

mod key;
mod manage;

use crate::database::meta::PartitionMeta;
use crate::error::{Code, Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One partition.
pub struct Partition {
    pub id: u64,
    pub name: String,
    /// Searches of it fail until it is loaded again.
    pub released: bool,
    /// Whether it was loaded or searched since the database was opened, and not released.
    loaded: AtomicBool,
}

impl Partition {
    fn new(id: u64, name: &str, released: bool, loaded: bool) -> Arc<Partition> {
        Arc::new(Partition { id, name: name.to_owned(), released, loaded: AtomicBool::new(loaded) })
    }

    /// Whether it was loaded, by a call or by a search.
    pub fn is_loaded(&self) -> bool {
        !self.released && self.loaded.load(Ordering::Acquire)
    }

    fn set_loaded(&self) {
        // Searches of many threads come by here: they should not write to what the others read.
        if !self.loaded.load(Ordering::Acquire) {
            self.loaded.store(true, Ordering::Release);
        }
    }
}

/// The partitions of a snapshot. Cloning shares them.
#[derive(Clone, Default)]
pub struct Partitions(Arc<Vec<Arc<Partition>>>);

impl Partitions {
    /// What the manifest says. Those of `before` stay as they are: who reads along decides for himself what is released.
    pub fn from_meta(metas: &[PartitionMeta], before: &Partitions) -> Partitions {
        let list = metas.iter().map(|meta| match before.get(meta.id) {
            Some(known) => known.clone(),
            None => Partition::new(meta.id, &meta.name, meta.released, false),
        });
        Partitions(Arc::new(list.collect()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.0.iter()
    }

    pub fn get(&self, id: u64) -> Option<&Arc<Partition>> {
        self.0.iter().find(|partition| partition.id == id)
    }

    pub fn find(&self, name: &str) -> Option<&Arc<Partition>> {
        self.0.iter().find(|partition| partition.name == name)
    }

    /// The partition of that name, or Milvus' error.
    pub fn named(&self, name: &str) -> Result<&Arc<Partition>> {
        self.find(name).ok_or_else(|| not_found(name))
    }

    /// The same with `chosen` released or loaded.
    fn with_released(&self, chosen: &Chosen, released: bool) -> Partitions {
        let list = self.0.iter().map(|partition| match chosen.has(partition.id) {
            true if partition.released != released => {
                Partition::new(partition.id, &partition.name, released, !released)
            }
            true if released => Partition::new(partition.id, &partition.name, true, false),
            true => {
                partition.set_loaded();
                partition.clone()
            }
            false => partition.clone(),
        });
        Partitions(Arc::new(list.collect()))
    }

    /// Fails if every one is released.
    pub fn check_loaded(&self, collection: &str) -> Result<()> {
        if self.0.iter().any(|partition| !partition.released) {
            return Ok(());
        }
        let what = format!("collection not loaded[collection={collection}]");
        Err(Error::new(Code::CollectionNotLoaded, what))
    }

    /// What a search of the partitions of those names reads, all that are not released if there are none. They are
    /// loaded from now on.
    pub fn search(&self, names: &[&str], collection: &str) -> Result<Chosen> {
        self.check_loaded(collection)?;
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let partition = self.named(name)?;
            if partition.released {
                let what = format!("partition not loaded[partition={name}]");
                return Err(Error::new(Code::PartitionNotLoaded, what));
            }
            ids.push(partition.id);
        }
        if names.is_empty() {
            ids.extend(self.0.iter().filter(|partition| !partition.released).map(|partition| partition.id));
        }
        let chosen = Chosen::of(ids);
        self.0.iter().filter(|p| chosen.has(p.id)).for_each(|partition| partition.set_loaded());
        Ok(chosen)
    }
}

fn not_found(name: &str) -> Error {
    Error::new(Code::PartitionNotFound, format!("partition not found[partition={name}]"))
}

/// Some partitions, or all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen(Option<Vec<u64>>);

impl Chosen {
    pub fn all() -> Chosen {
        Chosen(None)
    }

    pub fn of(mut ids: Vec<u64>) -> Chosen {
        ids.sort_unstable();
        Chosen(Some(ids))
    }

    /// One of them, or all.
    pub fn one_or_all(id: Option<u64>) -> Chosen {
        Chosen(id.map(|id| vec![id]))
    }

    pub fn has(&self, id: u64) -> bool {
        self.0.as_ref().is_none_or(|ids| ids.binary_search(&id).is_ok())
    }

    /// Those that are among `others` too.
    pub fn among(self, others: &Chosen) -> Chosen {
        match (self.0, &others.0) {
            (Some(ids), _) => Chosen(Some(ids.into_iter().filter(|&id| others.has(id)).collect())),
            (None, others) => Chosen(others.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(released: &[bool]) -> Partitions {
        let metas: Vec<PartitionMeta> = (0u64..)
            .zip(released)
            .map(|(id, &released)| PartitionMeta { id, name: format!("p{id}"), released })
            .collect();
        Partitions::from_meta(&metas, &Partitions::default())
    }

    fn loaded(partitions: &Partitions) -> Vec<bool> {
        partitions.iter().map(|partition| partition.is_loaded()).collect()
    }

    #[test]
    fn searches_load() {
        let some = partitions(&[false, true, false]);
        assert_eq!(loaded(&some), [false; 3]);
        assert_eq!(some.search(&["p2"], "c").unwrap(), Chosen::of(vec![2]));
        assert_eq!(loaded(&some), [false, false, true]);
        assert_eq!(some.search(&[], "c").unwrap(), Chosen::of(vec![0, 2]));
        assert_eq!(loaded(&some), [true, false, true]);
        let error = some.search(&["p0", "p1"], "c").unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            (Code::PartitionNotLoaded, "partition not loaded[partition=p1]")
        );
        let error = some.search(&["q"], "c").unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            (Code::PartitionNotFound, "partition not found[partition=q]")
        );
        let none = partitions(&[true, true]);
        let error = none.search(&[], "c").unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            (Code::CollectionNotLoaded, "collection not loaded[collection=c]")
        );
    }

    #[test]
    fn releasing_and_loading() {
        let all = partitions(&[false, false, true]);
        all.search(&[], "c").unwrap();
        let some = all.with_released(&Chosen::of(vec![0]), true);
        assert_eq!(loaded(&some), [false, true, false]);
        let none = some.with_released(&Chosen::all(), true);
        assert!(none.check_loaded("c").is_err() && some.check_loaded("c").is_ok());
        assert_eq!(loaded(&none.with_released(&Chosen::of(vec![2]), false)), [false, false, true]);
        assert_eq!(loaded(&partitions(&[false]).with_released(&Chosen::all(), false)), [true]);
    }

    #[test]
    fn sets_of_partitions() {
        let some = Chosen::of(vec![5, 1, 3]);
        assert!(some.has(1) && some.has(5) && !some.has(2));
        assert_eq!(some.clone().among(&Chosen::all()), some);
        assert_eq!(Chosen::all().among(&some), some);
        assert_eq!(some.among(&Chosen::of(vec![3, 4])), Chosen::of(vec![3]));
        assert!(Chosen::one_or_all(None).has(9) && !Chosen::one_or_all(Some(1)).has(9));
    }
}
