//! Runs random operations on the engine and on the model, a reader beside.

use super::beside::Beside;
use super::calls::{call, same};
use super::draw;
use super::iterators::Held;
use super::reads::{Checked, Reader, ensure, words};
use super::rows::Key;
use super::state::{Answer, Change, Collection as Model, Op, State};
use super::tally::count;
use crate::support::{Random, options};
use elanus::database::{Database, Options};
use elanus::error::{Code, Error};
use elanus::storage::fault::{Cut, Fault, FaultDisk};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Operations that a failure tells of.
const TOLD: usize = 12;
/// Bytes of one of them.
const LONG: usize = 300;
/// After so many operations everything is compared.
const WHOLE: u64 = 250;
/// Iterators that are open at a time.
const HELD: usize = 4;

/// What happens to the disk while a change is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Disk {
    Good,
    /// An operation on it fails, and the next ones do not.
    Full,
    /// The power goes off.
    Dying,
}

pub struct Run {
    disk: FaultDisk,
    database: Option<Database>,
    state: State,
    random: Random,
    held: Vec<Held>,
    beside: Option<Beside>,
    /// Whether the disk was full since the database was opened.
    was_full: bool,
    /// The last operations, in words.
    told: VecDeque<String>,
}

fn open(disk: &FaultDisk, read_only: bool) -> Checked<Database> {
    let options = Options { read_only, ..options() };
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options)
        .map_err(|error| format!("cannot open: {}", words(error)))
}

/// Runs `operations` that `seed` draws. The same two numbers draw the same operations, so that those of a failure can be
/// run again, and fewer of them; what the background does meanwhile is its own affair.
pub fn run(seed: u64, operations: u64) {
    let disk = FaultDisk::new();
    let mut run = Run {
        database: Some(open(&disk, false).unwrap()),
        disk,
        state: State::default(),
        random: Random(seed),
        held: Vec::new(),
        beside: None,
        was_full: false,
        told: VecDeque::new(),
    };
    for operation in 0..operations {
        let outcome = run.step().and_then(|()| match (operation + 1) % WHOLE {
            0 => run.compare(),
            _ => Ok(()),
        });
        if let Err(why) = outcome {
            let told: Vec<String> = run.told.into_iter().collect();
            panic!(
                "{why}\nseed {seed}, operation {operation}; the last ones:\n{}\nAgain: ELANUS_SEED={seed} \
                 ELANUS_OPS={} cargo test -p elanus --test it model::",
                told.join("\n"),
                operation + 1
            );
        }
    }
    run.compare().unwrap_or_else(|why| panic!("{why}\nseed {seed}, at the end of {operations} operations"));
}

impl Run {
    fn database(&self) -> &Database {
        self.database.as_ref().expect("open between operations")
    }

    fn tell(&mut self, mut what: String) {
        what.truncate(what.floor_char_boundary(LONG));
        self.told.push_back(what);
        if self.told.len() > TOLD {
            self.told.pop_front();
        }
    }

    fn step(&mut self) -> Checked {
        let Some(name) = draw::name(&self.state, &mut self.random) else {
            return self.change(Disk::Good, None);
        };
        match self.random.below(100) {
            0..40 => self.change(Disk::Good, Some(name)),
            40..72 => self.read(&name),
            72..83 => self.iterate(&name),
            83..95 => self.beside(),
            95 => self.change(Disk::Good, None),
            96 => self.reopen(),
            97 => {
                let of_collection = self.random.below(8) > 0;
                self.change(Disk::Full, of_collection.then_some(name))
            }
            _ => {
                let of_collection = self.random.below(5) > 0;
                self.change(Disk::Dying, of_collection.then_some(name))
            }
        }
    }

    fn compare(&mut self) -> Checked {
        let database = self.database().clone();
        same(&database, &mut self.state, &mut self.random)
    }

    /// Draws a change and makes it, of the collection of that name or of the definitions.
    fn change(&mut self, disk: Disk, name: Option<String>) -> Checked {
        let op = match name {
            None => draw::definition(&self.state, &mut self.random),
            Some(name) => {
                let model = self.state.find(&name).expect("drawn from what there is");
                Op::On(name, draw::change(model, &mut self.random))
            }
        };
        // Keys that the engine would have made cannot be known of a call that did not return.
        let is_auto =
            matches!(&op, Op::On(name, _) if self.state.find(name).is_some_and(|c| c.shape.auto_id));
        let disk = if is_auto { Disk::Good } else { disk };
        self.tell(format!("{disk:?} disk: {op:?}"));
        let soon = self.disk.operations() + self.random.below(14);
        match disk {
            Disk::Good => {}
            Disk::Full => self.disk.fail_at(soon, Fault::Once(ErrorKind::StorageFull)),
            Disk::Dying => self.disk.fail_at(soon, Fault::PowerOff),
        }
        let database = self.database().clone();
        let outcome = call(&self.disk, &database, &self.state, &op, &mut self.random);
        drop(database);
        // The background may have come upon the full disk, and told nobody yet.
        self.was_full |= disk == Disk::Full;
        if is_nothing_left(&outcome) {
            self.check_always_true(&op)?;
            if disk == Disk::Dying {
                return self.reborn(&op, self.state.clone(), true);
            }
            self.disk.heal();
            return Ok(());
        }
        let given = outcome.as_ref().map_or(&[][..], |answer| &answer.ids[..]);
        if is_auto && let Op::On(name, _) = &op {
            let known =
                |key: &Key| self.state.find(name).is_some_and(|c| c.rows.iter().any(|(_, r)| r.key == *key));
            ensure!(!given.iter().any(known), "a key was made twice: {given:?}");
        }
        let mut after = self.state.clone();
        let expected = after.apply(&op, given);
        count(if expected.is_ok() { "changes" } else { "changes that were refused" }, 1);
        let is_poisoned =
            self.was_full && outcome.as_ref().is_err_and(|error| error.code() == Code::Poisoned);
        // An import has written its file before anything is refused.
        let writes_first = matches!(&op, Op::On(_, Change::Import { .. }));
        let is_fault =
            is_poisoned || (disk != Disk::Good && outcome.is_err() && (expected.is_ok() || writes_first));
        if expected.is_err() {
            after = self.state.clone();
        }
        if !is_fault {
            agree(outcome, &expected).map_err(|why| format!("{why}: {op:?}"))?;
        }
        match disk {
            Disk::Dying => self.reborn(&op, after, !is_fault)?,
            _ if is_poisoned => self.reborn(&op, after, false)?,
            Disk::Full if is_fault => {
                count("calls that a full disk failed", 1);
                self.disk.heal();
                self.compare().map_err(|why| format!("a full disk failed {op:?}: {why}"))?;
            }
            _ => {
                self.disk.heal();
                self.state = after;
            }
        }
        self.drop_closed()
    }

    /// A delete by a filter that the engine saw to be always true: it is, for every row that there is.
    fn check_always_true(&mut self, op: &Op) -> Checked {
        let Op::On(name, Change::DeleteMatching { filter, .. }) = op else { return Err(format!("{op:?}")) };
        let model = self.state.find(name).ok_or("no such collection")?;
        let all = model.partitions.iter().map(|partition| partition.id).collect();
        ensure!(model.matching(&all, filter).len() == model.rows.len(), "{filter:?} is not always true");
        Ok(())
    }

    /// The power went off while the change was made, or shortly after. What is found then is the state after it; or the one
    /// before it, if the call had not returned.
    fn reborn(&mut self, op: &Op, mut after: State, certain: bool) -> Checked {
        self.close(false);
        // A process that dies leaves what it wrote; a machine, what was synced and some of the rest.
        match self.random.below(3) {
            0 => self.disk.heal(),
            _ => {
                let cut = self.random.one(&Cut::ALL);
                self.tell(format!("found after {cut:?}"));
                self.disk = self.disk.power_cut(cut, self.random.next());
            }
        }
        let database = open(&self.disk, false)?;
        self.database = Some(database.clone());
        let mut before = std::mem::take(&mut self.state);
        [&mut before, &mut after].into_iter().for_each(set_opened);
        let found = same(&database, &mut after, &mut self.random);
        self.state = after;
        if certain {
            return found.map_err(|why| format!("after {op:?}, which had returned: {why}"));
        }
        let Err(why) = found else {
            count("found done after the power went off", 1);
            return Ok(());
        };
        count("found undone after the power went off", 1);
        let found = same(&database, &mut before, &mut self.random);
        self.state = before;
        found.map_err(|other| format!("{op:?} is neither done ({why}) nor not ({other})"))
    }

    fn reopen(&mut self) -> Checked {
        let closes = self.random.coin();
        self.tell(if closes { "close and open".into() } else { "drop and open".into() });
        self.close(closes);
        count("reopened", 1);
        self.database = Some(open(&self.disk, false)?);
        set_opened(&mut self.state);
        Ok(())
    }

    /// Ends the database and what hangs on it.
    fn close(&mut self, properly: bool) {
        self.beside = None;
        if properly {
            let closed = self.database().close();
            assert!(closed.is_ok() || self.was_full, "{closed:?}");
            assert!(self.held.iter_mut().all(Held::is_closed), "an iterator of a closed database");
        }
        self.held.clear();
        self.was_full = false;
        self.database = None;
    }

    fn read(&mut self, name: &str) -> Checked {
        self.tell(format!("read {name}"));
        let collection = self.database().collection(name).map_err(words)?;
        let model = find_mut(&mut self.state, name).ok_or("no such collection")?;
        Reader { collection: &collection, model, random: &mut self.random }.read()
    }

    fn iterate(&mut self, name: &str) -> Checked {
        let at = self.random.below(HELD as u64) as usize;
        self.tell(format!("iterator {at} of {}, {name}", self.held.len()));
        if let Some(held) = self.held.get_mut(at) {
            if !held.step()? {
                self.held.remove(at);
            }
            return Ok(());
        }
        let collection = self.database().collection(name).map_err(words)?;
        let model = find_mut(&mut self.state, name).ok_or("no such collection")?;
        let opened = Reader { collection: &collection, model, random: &mut self.random }.iterate()?;
        self.held.extend(opened);
        Ok(())
    }

    /// Iterators of collections that were dropped.
    fn drop_closed(&mut self) -> Checked {
        let is_gone = |held: &mut Held| !self.state.collections.values().any(|c| c.id == held.collection);
        let gone: Vec<Held> = self.held.extract_if(.., is_gone).collect();
        ensure!(gone.into_iter().all(|mut held| held.is_closed()), "an iterator of a dropped collection");
        Ok(())
    }

    /// Opens a reader, or lets it refresh or read.
    fn beside(&mut self) -> Checked {
        let what = self.random.below(8);
        let Some(beside) = &mut self.beside else {
            self.tell("reader opens".into());
            self.beside = Some(Beside::new(open(&self.disk, true)?, &self.state));
            return Ok(());
        };
        let told = match what {
            0 => {
                self.beside = None;
                "ends"
            }
            1 | 2 => {
                beside.refresh(&self.state)?;
                "refreshes"
            }
            _ => {
                beside.read(&self.state, &mut self.random).map_err(|why| format!("reader: {why}"))?;
                "reads"
            }
        };
        self.tell(format!("reader {told}"));
        Ok(())
    }
}

/// Nothing was searched yet.
fn set_opened(state: &mut State) {
    let partitions = state.collections.values_mut().flat_map(|collection| &mut collection.partitions);
    partitions.for_each(|partition| partition.loaded = false);
}

fn find_mut<'s>(state: &'s mut State, name: &str) -> Option<&'s mut Model> {
    let name = state.name_of(name)?;
    state.collections.get_mut(&name)
}

/// Whether a delete by a filter was refused that would leave no row.
fn is_nothing_left(outcome: &Result<Answer, Error>) -> bool {
    let text = "delete plan can't be empty or always true";
    outcome.as_ref().is_err_and(|error| error.message().starts_with(text))
}

fn agree(outcome: Result<Answer, Error>, expected: &Result<Answer, Code>) -> Checked {
    match (outcome, expected) {
        (Ok(answer), Ok(expected)) if answer == *expected => Ok(()),
        (Err(error), Err(code)) if error.code() == *code => Ok(()),
        (Err(error), expected) => Err(format!("{}, not {expected:?}", words(error))),
        (Ok(answer), expected) => Err(format!("{answer:?}, not {expected:?}")),
    }
}
