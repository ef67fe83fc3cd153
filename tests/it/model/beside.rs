//! A read-only database beside the writer.

use super::draw;
use super::reads::{Checked, Reader, ensure, words};
use super::state::{Collection as Model, State};
use super::tally::count;
use crate::support::Random;
use elanus::database::Database;
use elanus::error::Code;
use std::collections::BTreeMap;

/// A reader, and what it may see: what there was when it refreshed, or at a later read. For one that comes upon a file
/// that the writer has removed looks again, and goes on with what there is then.
pub struct Beside {
    database: Database,
    /// The names of when it refreshed.
    names: State,
    /// The states that agree with every read so far, by the numbers of collections.
    possible: BTreeMap<u64, Vec<Model>>,
}

impl Beside {
    pub fn new(database: Database, now: &State) -> Beside {
        let mut beside = Beside { database, names: State::default(), possible: BTreeMap::new() };
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
        self.names = now.clone();
        let seen = now.collections.values().map(|model| (model.id, vec![self.as_seen(model)]));
        self.possible = seen.collect();
    }

    /// What is released or loaded is its own affair: of partitions that it knows, nothing changes.
    fn as_seen(&self, now: &Model) -> Model {
        let mut seen = now.clone();
        let before = self.possible.get(&now.id).map_or(&[][..], Vec::as_slice);
        for partition in &mut seen.partitions {
            partition.loaded = false;
            let mut known = before.iter().flat_map(|model| &model.partitions);
            if let Some(known) = known.find(|known| known.id == partition.id) {
                partition.released = known.released;
            }
        }
        seen
    }

    pub fn read(&mut self, now: &State, random: &mut Random) -> Checked {
        let Some(name) = draw::name(&self.names, random) else { return Ok(()) };
        let id = self.names.find(&name).ok_or("no such collection")?.id;
        let collection = self.database.collection(&name).map_err(words)?;
        let newest = now.collections.values().find(|model| model.id == id);
        if collection.count().is_err_and(|error| error.code() == Code::Closed) {
            ensure!(newest.is_none(), "{name} is closed");
            return self.refresh(now);
        }
        let newest = newest.map(|model| self.as_seen(model));
        let possible = self.possible.entry(id).or_default();
        possible.extend(newest.clone());
        count("reads of a reader", 1);
        let seed = random.next();
        let mut reasons = Vec::new();
        possible.retain_mut(|model| {
            let mut random = Random(seed);
            let outcome = Reader { collection: &collection, model, random: &mut random }.read();
            outcome.inspect_err(|why| reasons.push(why.clone())).is_ok()
        });
        let is_closed = newest.is_none() && collection.count().is_err();
        ensure!(is_closed || !possible.is_empty(), "{}", reasons.join("\nand of a later state: "));
        // It may have looked again in the middle of a read, too late to agree.
        possible.extend(newest);
        Ok(())
    }
}
