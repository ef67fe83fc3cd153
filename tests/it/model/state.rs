//! The model: what there is in a database, as plain values; and what each change makes of it.

use super::evaluate::truth;
use super::filters::Filter;
use super::rows::{Field, Key, Row, Shape};
use elanus::error::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct State {
    pub collections: BTreeMap<String, Collection>,
    /// The numbers of their collections.
    pub aliases: BTreeMap<String, u64>,
    /// The next number of a collection or of a partition.
    pub next: u64,
}

#[derive(Clone, Debug)]
pub struct Collection {
    pub id: u64,
    pub shape: Arc<Shape>,
    /// In the order in which they came, with their partitions.
    pub rows: Vec<(u64, Arc<Row>)>,
    /// Whether rows went past the log: which row of a repeated key is the newest is not said then.
    pub imported: bool,
    pub partitions: Vec<Partition>,
    /// Whether partitions that are created come in released.
    pub released: bool,
    pub index: Option<Index>,
    /// Names of the scalar fields that have an index.
    pub indexed: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub struct Partition {
    pub id: u64,
    pub name: String,
    pub released: bool,
    /// Loaded or searched since the database was opened.
    pub loaded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Index {
    pub kind: &'static super::indexes::Kind,
    pub metric: &'static str,
}

/// A change, on the database or on one collection, which is named by its name or an alias.
#[derive(Clone, Debug)]
pub enum Op {
    Create(String, Shape),
    Drop(String),
    Rename(String, String),
    CreateAlias(String, String),
    AlterAlias(String, String),
    DropAlias(String),
    On(String, Change),
}

#[derive(Clone, Debug)]
pub enum Change {
    Insert {
        partition: Option<String>,
        rows: Vec<Row>,
        upsert: bool,
    },
    /// Of a file that the rows for which the filter holds were exported to.
    Import {
        partition: Option<String>,
        filter: Filter,
        extension: &'static str,
    },
    Delete {
        partition: Option<String>,
        keys: Vec<Key>,
    },
    DeleteMatching {
        partition: Option<String>,
        filter: Filter,
    },
    Flush,
    Compact {
        wait: bool,
    },
    CreateIndex {
        index: Index,
        wait: bool,
    },
    DropIndex,
    /// Of a scalar field.
    IndexField {
        name: String,
        wait: bool,
    },
    DropFieldIndex(String),
    AddField(Field),
    /// `mmap.enabled` of a field or of its index.
    Alter {
        name: String,
        is_index: bool,
        mmap: &'static str,
    },
    CreatePartition(String),
    DropPartition(String),
    /// Of some partitions; of none, the collection.
    Load(Vec<String>),
    Release(Vec<String>),
}

/// What a change gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub count: u64,
    pub ids: Vec<Key>,
}

impl State {
    pub fn find(&self, name: &str) -> Option<&Collection> {
        self.name_of(name).and_then(|name| self.collections.get(&name))
    }

    /// The name of a collection by its name or an alias.
    pub fn name_of(&self, name: &str) -> Option<String> {
        if self.collections.contains_key(name) {
            return Some(name.to_owned());
        }
        let id = self.aliases.get(name)?;
        self.collections.iter().find(|(_, c)| c.id == *id).map(|(name, _)| name.clone())
    }

    /// Makes the change, or says how it is refused. `given` are the primary keys that the engine made.
    pub fn apply(&mut self, op: &Op, given: &[Key]) -> Result<Answer, Code> {
        let id_of = |state: &State, name: &str| {
            state.collections.get(name).map(|c| c.id).ok_or(Code::CollectionNotFound)
        };
        match op {
            Op::Create(name, shape) => {
                if let Some(known) = self.collections.get(name) {
                    let is_same = known.shape.schema().to_json() == shape.schema().to_json();
                    return if is_same { Ok(Answer::default()) } else { Err(Code::CollectionExists) };
                }
                if self.aliases.contains_key(name) {
                    return Err(Code::AliasCollectionNameConflict);
                }
                let partition =
                    |id| Partition { id, name: "_default".into(), released: false, loaded: false };
                let made = Collection {
                    id: self.take_id(),
                    shape: Arc::new(shape.clone()),
                    rows: Vec::new(),
                    imported: false,
                    partitions: vec![partition(self.take_id())],
                    released: false,
                    index: None,
                    indexed: BTreeSet::new(),
                };
                self.collections.insert(name.clone(), made);
            }
            Op::Drop(name) => {
                if self.aliases.contains_key(name) {
                    return Err(Code::InvalidParameter);
                }
                let id = id_of(self, name)?;
                self.collections.remove(name);
                self.aliases.retain(|_, other| *other != id);
            }
            Op::Rename(from, to) => {
                if self.aliases.contains_key(from) {
                    return Err(Code::InvalidParameter);
                }
                id_of(self, from)?;
                if from != to && self.collections.contains_key(to) {
                    return Err(Code::CollectionExists);
                }
                if self.aliases.contains_key(to) {
                    return Err(Code::AliasCollectionNameConflict);
                }
                let collection = self.collections.remove(from).ok_or(Code::CollectionNotFound)?;
                self.collections.insert(to.clone(), collection);
            }
            Op::CreateAlias(name, alias) | Op::AlterAlias(name, alias) => {
                if self.collections.contains_key(alias) {
                    return Err(Code::AliasCollectionNameConflict);
                }
                let id = id_of(self, name)?;
                match (self.aliases.get(alias), matches!(op, Op::CreateAlias(..))) {
                    (Some(other), true) if *other != id => return Err(Code::AliasAlreadyExists),
                    (None, false) => return Err(Code::AliasNotFound),
                    _ => {}
                }
                self.aliases.insert(alias.clone(), id);
            }
            Op::DropAlias(alias) => {
                self.aliases.remove(alias);
            }
            Op::On(name, change) => {
                let name = self.name_of(name).ok_or(Code::CollectionNotFound)?;
                let next = self.take_id();
                let collection = self.collections.get_mut(&name).ok_or(Code::CollectionNotFound)?;
                return collection.apply(change, given, next);
            }
        }
        Ok(Answer::default())
    }

    fn take_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Collection {
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.name == name)
    }

    pub fn is_released(&self) -> bool {
        self.partitions.iter().all(|partition| partition.released)
    }

    /// The partitions that a search reads, or how it is refused.
    pub fn searched(&self, names: &[&str]) -> Result<BTreeSet<u64>, Code> {
        if self.is_released() {
            return Err(Code::CollectionNotLoaded);
        }
        if self.shape.partition_key && !names.is_empty() {
            return Err(Code::InvalidParameter);
        }
        let named = |name: &&str| match self.partition(name) {
            None => Err(Code::PartitionNotFound),
            Some(partition) if partition.released => Err(Code::PartitionNotLoaded),
            Some(partition) => Ok(partition.id),
        };
        match names {
            [] => Ok(self.partitions.iter().filter(|p| !p.released).map(|p| p.id).collect()),
            _ => names.iter().map(named).collect(),
        }
    }

    /// They are loaded from now on.
    pub fn set_loaded(&mut self, partitions: &BTreeSet<u64>) {
        self.partitions.iter_mut().filter(|p| partitions.contains(&p.id)).for_each(|p| p.loaded = true);
    }

    pub fn matching(&self, partitions: &BTreeSet<u64>, filter: &Filter) -> Vec<&Arc<Row>> {
        let is_meant = |(partition, row): &&(u64, Arc<Row>)| {
            partitions.contains(partition) && truth(&self.shape, row, filter) == Some(true)
        };
        self.rows.iter().filter(is_meant).map(|(_, row)| row).collect()
    }

    /// The partition that a write names, the default one, or all where there is a partition key.
    fn target(&self, name: Option<&str>) -> Result<Option<u64>, Code> {
        match (self.shape.partition_key, name) {
            (true, None) => Ok(None),
            (true, Some(_)) => Err(Code::InvalidParameter),
            (false, name) => {
                let found = self.partition(name.unwrap_or("_default"));
                found.map(|partition| Some(partition.id)).ok_or(Code::PartitionNotFound)
            }
        }
    }

    fn remove(&mut self, keys: &BTreeSet<&Key>, partition: Option<u64>) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|(p, row)| partition.is_some_and(|id| id != *p) || !keys.contains(&row.key));
        (before - self.rows.len()) as u64
    }

    fn apply(&mut self, change: &Change, given: &[Key], next: u64) -> Result<Answer, Code> {
        match change {
            Change::Insert { partition, rows, upsert } => {
                if *upsert && self.shape.auto_id {
                    return Err(Code::InvalidParameter);
                }
                let target = self.target(partition.as_deref())?;
                let mut rows: Vec<Row> = rows.iter().map(|row| self.shape.stored(row)).collect();
                if self.shape.auto_id {
                    rows.iter_mut().zip(given).for_each(|(row, key)| row.key = key.clone());
                }
                if *upsert {
                    self.remove(&rows.iter().map(|row| &row.key).collect(), target);
                }
                let ids: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
                // With a partition key there is one partition here: which one a row goes to is the engine's affair.
                let partition = target.unwrap_or(self.partitions[0].id);
                self.rows.extend(rows.into_iter().map(|row| (partition, Arc::new(row))));
                return Ok(Answer { count: ids.len() as u64, ids });
            }
            // What it imports was exported before, which needs no load.
            Change::Import { partition, filter, .. } => {
                let all = self.partitions.iter().map(|partition| partition.id).collect();
                let found: Vec<Arc<Row>> = self.matching(&all, filter).into_iter().cloned().collect();
                let partition = self.target(partition.as_deref())?.unwrap_or(self.partitions[0].id);
                let count = found.len() as u64;
                self.imported |= count > 0;
                self.rows.extend(found.into_iter().map(|row| (partition, row)));
                return Ok(Answer { count, ids: Vec::new() });
            }
            Change::Delete { partition, keys } => {
                let scope = partition.as_deref().map_or(Ok(None), |name| self.target(Some(name)))?;
                return Ok(Answer { count: self.remove(&keys.iter().collect(), scope), ids: Vec::new() });
            }
            Change::DeleteMatching { partition, filter } => {
                let scope = partition.as_deref().map_or(Ok(None), |name| self.target(Some(name)))?;
                let all = || self.partitions.iter().map(|partition| partition.id).collect();
                let chosen = scope.map_or_else(all, |id| BTreeSet::from([id]));
                let matching: Vec<Arc<Row>> = self.matching(&chosen, filter).into_iter().cloned().collect();
                let keys = matching.iter().map(|row| &row.key).collect();
                return Ok(Answer { count: self.remove(&keys, scope), ids: Vec::new() });
            }
            Change::Flush | Change::Compact { .. } => {}
            Change::CreateIndex { index, .. } => self.index = Some(*index),
            Change::DropIndex => self.index = None,
            Change::IndexField { name, .. } => {
                let field = self.shape.fields.iter().find(|field| field.name == *name);
                if field.is_some_and(|field| field.kind.is_json() || field.kind.is_list()) {
                    return Err(Code::InvalidParameter);
                }
                self.indexed.insert(name.clone());
            }
            Change::DropFieldIndex(name) => drop(self.indexed.remove(name)),
            Change::AddField(field) => {
                if self.shape.fields.iter().any(|known| known.name == field.name)
                    || (!field.nullable && field.default.is_none())
                {
                    return Err(Code::InvalidParameter);
                }
                Arc::make_mut(&mut self.shape).fields.push(field.clone());
                let cell = field.stored(&serde_json::Value::Null);
                self.rows.iter_mut().for_each(|(_, row)| Arc::make_mut(row).cells.push(cell.clone()));
            }
            Change::Alter { name, is_index: true, .. } => {
                let has_index = if name == "v" { self.index.is_some() } else { self.indexed.contains(name) };
                if !has_index {
                    return Err(Code::IndexNotFound);
                }
            }
            // It changes no answer.
            Change::Alter { .. } => {}
            Change::CreatePartition(_) | Change::DropPartition(_) if self.shape.partition_key => {
                return Err(Code::InvalidParameter);
            }
            Change::CreatePartition(name) => {
                if self.partition(name).is_none() {
                    let (name, released) = (name.clone(), self.released);
                    self.partitions.push(Partition { id: next, name, released, loaded: false });
                }
            }
            Change::DropPartition(name) => {
                if name == "_default" {
                    return Err(Code::InvalidParameter);
                }
                let Some(partition) = self.partition(name).cloned() else { return Ok(Answer::default()) };
                if partition.loaded && !partition.released {
                    return Err(Code::InvalidParameter);
                }
                self.partitions.retain(|other| other.id != partition.id);
                self.rows.retain(|(id, _)| *id != partition.id);
            }
            Change::Load(names) => self.set_released(names, false)?,
            Change::Release(names) => self.set_released(names, true)?,
        }
        Ok(Answer::default())
    }

    fn set_released(&mut self, names: &[String], released: bool) -> Result<(), Code> {
        if !names.is_empty() && self.shape.partition_key {
            return Err(Code::InvalidParameter);
        }
        if names.iter().any(|name| self.partition(name).is_none()) {
            return Err(Code::PartitionNotFound);
        }
        if names.is_empty() {
            self.released = released;
        }
        for partition in &mut self.partitions {
            if names.is_empty() || names.contains(&partition.name) {
                (partition.released, partition.loaded) = (released, !released);
            }
        }
        Ok(())
    }
}
