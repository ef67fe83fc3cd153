//! A read-only database beside the writer.

use super::draw;
use super::reads::{Checked, Reader, ensure, words};
use super::state::{Collection as Model, State};
use super::tally::count;
use crate::support::Random;
use elanus::database::Database;
use elanus::error::Code;
use std::collections::{BTreeMap, BTreeSet};

/// A reader, and what it may see: what there was when it refreshed, or at a later read. For one that comes upon a file
/// that the writer has removed looks again, and goes on with what there is then.
pub struct Beside {
    database: Database,
    /// The names of when it refreshed.
    names: State,
    /// Names that have meant something else since then, when it read: which of it a look again found is not known.
    moved: BTreeSet<String>,
    /// The states that agree with every read so far, by the numbers of collections.
    possible: BTreeMap<u64, Vec<Model>>,
}

impl Beside {
    pub fn new(database: Database, now: &State) -> Beside {
        let mut beside =
            Beside { database, names: State::default(), moved: BTreeSet::new(), possible: BTreeMap::new() };
        beside.saw(now);
        beside
    }

    pub fn refresh(&mut self, now: &State) -> Checked {
        self.database.refresh().map_err(|error| format!("refresh: {}", words(error)))?;
        self.saw(now);
        count("refreshes", 1);
        let names = self.database.collections().map_err(words)?;
        ensure!(names.iter().eq(now.collections.keys()), "collections after a refresh: {names:?}");
        Ok(())
    }

    fn saw(&mut self, now: &State) {
        let seen = now.collections.values().map(|model| (model.id, self.as_seen(model))).collect();
        self.possible = seen;
        self.names = now.clone();
        self.moved.clear();
    }

    /// What it may take for the newest state of a collection. What is released is its own affair: of a partition that it
    /// knows nothing changes, and it may have come to know it earlier or later.
    fn as_seen(&self, now: &Model) -> Vec<Model> {
        let mut seen: Vec<Model> = Vec::new();
        let before = self.possible.get(&now.id).map_or(&[][..], Vec::as_slice);
        for before in before.iter().map(Some).chain(before.is_empty().then_some(None)) {
            let mut model = now.clone();
            for partition in &mut model.partitions {
                partition.loaded = false;
                let mut known = before.iter().flat_map(|model| &model.partitions);
                if let Some(known) = known.find(|known| known.id == partition.id) {
                    partition.released = known.released;
                }
            }
            let released = |model: &Model| model.partitions.iter().map(|p| p.released).collect::<Vec<_>>();
            if seen.iter().all(|other| released(other) != released(&model)) {
                seen.push(model);
            }
        }
        seen
    }

    pub fn read(&mut self, now: &State, random: &mut Random) -> Checked {
        let Some(name) = draw::name(&self.names, random) else { return Ok(()) };
        let id = self.names.find(&name).ok_or("no such collection")?.id;
        let newest = now.collections.values().find(|model| model.id == id);
        let meant = |state: &State, name: &str| state.find(name).map(|model| model.id);
        let names = self.names.collections.keys().chain(self.names.aliases.keys());
        self.moved.extend(names.filter(|name| meant(now, name) != meant(&self.names, name)).cloned());
        let is_moved = self.moved.contains(&name);
        if is_moved && (newest.is_some() || now.find(&name).is_some()) {
            return self.refresh(now);
        }
        let collection = match self.database.collection(&name) {
            Err(error) if is_moved && error.code() == Code::CollectionNotFound => return self.refresh(now),
            found => found.map_err(words)?,
        };
        if collection.count().is_err_and(|error| error.code() == Code::Closed) {
            ensure!(newest.is_none(), "{name} is closed");
            return self.refresh(now);
        }
        let is_dropped = newest.is_none();
        let newest = newest.map_or(Vec::new(), |model| self.as_seen(model));
        count("reads of a reader", 1);
        let seed = random.next();
        let mut reasons = Vec::new();
        let mut agrees = |model: &mut Model| {
            let outcome = Reader { collection: &collection, model, random: &mut Random(seed) }.read();
            outcome.inspect_err(|why| reasons.push(why.clone())).is_ok()
        };
        let possible = self.possible.entry(id).or_default();
        possible.retain_mut(&mut agrees);
        let is_right = !possible.is_empty() || newest.iter().any(|model| agrees(&mut model.clone()));
        let is_closed = is_dropped && collection.count().is_err();
        ensure!(is_right || is_closed, "{}", reasons.join("\nand of a later state: "));
        // It may have looked again in the middle of a read, too late to agree.
        possible.extend(newest);
        Ok(())
    }
}
