//! What a collection needs of its database: options, files, the manifest, and whether it is still open.

use crate::database::activity::Activity;
use crate::database::clock::{self, Clock};
use crate::database::meta::Meta;
use crate::database::options::Options;
use crate::database::watchdog::Watchdog;
use crate::error::{Code, Error, Result};
use crate::segment::Shared;
use crate::storage::manifest;
use crate::storage::vfs::{LockGuard, Vfs};
use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often a read-only database starts again when a writer replaced files under its eyes.
pub const READ_ATTEMPTS: usize = 20;

/// Runs `read` on the manifest of the database in `dir`. The files of one manifest may go while they are read, because a
/// writer has committed the next one: then it runs again, on that.
pub fn follow<T>(vfs: &Arc<dyn Vfs>, dir: &Path, read: impl Fn(&Meta) -> Result<T>) -> Result<T> {
    let mut attempt = 0;
    loop {
        let payload = manifest::load(vfs, dir)?.ok_or_else(|| no_database(dir))?;
        let outcome = read(&Meta::decode(&payload)?);
        let changed = || manifest::load(vfs, dir).is_ok_and(|now| now.is_none_or(|now| now != payload));
        attempt += 1;
        match outcome {
            Err(_) if attempt < READ_ATTEMPTS && changed() => {}
            other => return other,
        }
    }
}

pub fn no_database(path: &Path) -> Error {
    Error::io(format!("no database in {}", path.display()), io::ErrorKind::NotFound.into())
}

/// Shared by a database and its collections.
pub struct Store {
    pub options: Options,
    pub shared: Arc<Shared>,
    pub dir: PathBuf,
    pub activity: Activity,
    pub watchdog: Watchdog,
    pub clock: Clock,
    /// That of the manifest, to be read without its lock.
    retention: AtomicU64,
    meta: Mutex<Meta>,
    /// Held shared by whoever changes files, exclusively by the closing, which so waits for them.
    gate: RwLock<()>,
    closing: AtomicBool,
    /// A commit of the manifest failed so that nobody knows which manifest is in force.
    poisoned: AtomicBool,
    lock: Mutex<Option<Box<dyn LockGuard>>>,
    /// Whether the background worker has something to look at.
    work: Mutex<bool>,
    work_came: Condvar,
    closed: Mutex<bool>,
    closed_came: Condvar,
}

/// Holds the database open while files change.
pub type Writing<'a> = RwLockReadGuard<'a, ()>;

impl Store {
    pub fn new(
        dir: &Path,
        options: Options,
        shared: Shared,
        meta: Meta,
        lock: Option<Box<dyn LockGuard>>,
    ) -> Store {
        Store {
            options,
            shared: Arc::new(shared),
            dir: dir.to_owned(),
            activity: Activity::new(),
            watchdog: Watchdog::new(),
            clock: Clock::default(),
            retention: AtomicU64::new(meta.retention),
            meta: Mutex::new(meta),
            gate: RwLock::new(()),
            closing: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            lock: Mutex::new(lock),
            work: Mutex::new(true),
            work_came: Condvar::new(),
            closed: Mutex::new(false),
            closed_came: Condvar::new(),
        }
    }

    /// The directory of a collection.
    pub fn collection_dir(&self, id: u64) -> PathBuf {
        Store::collections_dir(&self.dir).join(id.to_string())
    }

    /// Where the collections of the database in `dir` are.
    pub fn collections_dir(dir: &Path) -> PathBuf {
        dir.join("collections")
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Fails once the database was closed.
    pub fn check_open(&self) -> Result<()> {
        if self.is_closing() {
            return Err(Error::new(Code::Closed, "the database was closed"));
        }
        Ok(())
    }

    /// Must be held by every call that changes files.
    pub fn writing(&self) -> Result<Writing<'_>> {
        self.check_open()?;
        if self.options.read_only {
            return Err(Error::new(Code::ReadOnly, "database is opened read-only"));
        }
        // Recursive, because calls nest: a waiting closing must not stop the inner one.
        let gate = self.gate.read_recursive();
        self.check_open()?;
        if self.poisoned.load(Ordering::Acquire) {
            return Err(poisoned());
        }
        Ok(gate)
    }

    /// Reads the current manifest.
    pub fn with_meta<T>(&self, read: impl FnOnce(&Meta) -> T) -> T {
        read(&self.meta.lock())
    }

    /// For how many seconds earlier states stay searchable.
    pub fn retention(&self) -> u64 {
        self.retention.load(Ordering::Acquire)
    }

    /// Changes that, once the manifest says so.
    pub fn set_retention(&self, seconds: u64) {
        self.retention.store(seconds, Ordering::Release);
    }

    /// The time of now.
    pub fn now(&self) -> u64 {
        self.clock.now(self.shared.vfs.now_ms())
    }

    /// The time of a commit that is about to be made, later than all before; 0 if nobody keeps times.
    pub fn stamp(&self) -> u64 {
        if self.retention() == 0 { 0 } else { self.clock.tick(self.shared.vfs.now_ms()) }
    }

    /// No time before this can be asked for any more: what was dead by then may go.
    pub fn horizon(&self) -> u64 {
        match self.retention() {
            0 => u64::MAX,
            seconds => clock::horizon(self.now(), seconds),
        }
    }

    /// Takes the manifest that a read-only database has read.
    pub fn set_meta(&self, meta: Meta) {
        self.set_retention(meta.retention);
        *self.meta.lock() = meta;
    }

    /// A number for a segment, an index or a file, never given before. It is kept by the next commit; until then
    /// nothing in force carries it.
    pub fn take_id(&self) -> u64 {
        self.meta.lock().take_id()
    }

    /// Changes the manifest: after an error of `change`, or one that leaves the old manifest in force, nothing changed.
    /// The caller holds [`Store::writing`].
    pub fn commit<T>(&self, change: impl FnOnce(&mut Meta) -> Result<T>) -> Result<T> {
        let mut meta = self.meta.lock();
        if self.poisoned.load(Ordering::Acquire) {
            return Err(poisoned());
        }
        let mut next = meta.clone();
        let value = change(&mut next)?;
        if let Err(error) = manifest::commit(&self.shared.vfs, &self.dir, &next.encode()?) {
            if error.code() == Code::Poisoned {
                self.poisoned.store(true, Ordering::Release);
            }
            return Err(error);
        }
        *meta = next;
        Ok(value)
    }

    /// Tells the background worker to look for work.
    pub fn notify_worker(&self) {
        *self.work.lock() = true;
        self.work_came.notify_all();
    }

    /// Waits until there may be work, or `timeout` is over.
    pub fn wait_for_work(&self, timeout: Duration) {
        let mut work = self.work.lock();
        if !*work && !self.is_closing() {
            self.work_came.wait_for(&mut work, timeout);
        }
        *work = false;
    }

    /// Waits for `timeout`, or until the database closes.
    pub fn pause(&self, timeout: Duration) {
        let mut closed = self.closed.lock();
        if !*closed {
            self.closed_came.wait_for(&mut closed, timeout);
        }
    }

    /// From now on every call fails with `Closed`; builds end at their next checkpoint. Says whether it was open.
    pub fn start_closing(&self) -> bool {
        let was_open = !self.closing.swap(true, Ordering::AcqRel);
        self.activity.wake();
        self.notify_worker();
        *self.closed.lock() = true;
        self.closed_came.notify_all();
        was_open
    }

    /// Waits for the calls that change files. They end soon: new ones are refused, builds give up.
    pub fn wait_for_writing(&self) {
        drop(self.gate.write());
    }

    /// Lets another process open it.
    pub fn unlock(&self) {
        self.lock.lock().take();
    }
}

fn poisoned() -> Error {
    Error::new(
        Code::Poisoned,
        "an earlier write of the manifest failed half way; reopen the database to go on",
    )
}
