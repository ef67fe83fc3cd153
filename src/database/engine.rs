//! The open database behind its handles: recovery, the table of collections, the background worker, closing.

use crate::collection::core::Core;
use crate::database::meta::{CollectionMeta, CompactionMeta, Meta, PartitionMeta};
use crate::database::options::{Durability, Options};
use crate::database::refresh::{Collections, keep_up, refresh};
use crate::database::store::{Store, follow, no_database};
use crate::error::{Code, Error, Result};
use crate::schema::{Schema, check_collection_name};
use crate::segment::{Memory, Shared};
use crate::storage::manifest;
use crate::storage::vfs::{LockGuard, Vfs};
use parking_lot::{Mutex, RwLock};
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

const LOCK: &str = "LOCK";
const MANIFEST: &str = "MANIFEST";
/// How often the worker syncs logs of durability `async`.
const TICK: Duration = Duration::from_secs(1);

pub struct Engine {
    pub store: Arc<Store>,
    pub collections: Arc<Collections>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path, options: Options) -> Result<Arc<Engine>> {
        options.check()?;
        if options.read_only {
            Engine::open_to_read(vfs, path, options)
        } else {
            Engine::open_to_write(vfs, path, options)
        }
    }

    fn open_to_write(vfs: Arc<dyn Vfs>, path: &Path, options: Options) -> Result<Arc<Engine>> {
        if !has_manifest(&*vfs, path)? {
            if !options.create_if_missing {
                return Err(no_database(path));
            }
            let io = |e| Error::io(format!("cannot create {}", path.display()), e);
            vfs.create_dir_all(&Store::collections_dir(path)).map_err(io)?;
        }
        let lock = lock(&*vfs, path)?;
        let meta = match manifest::recover(&vfs, path)? {
            Some(payload) => Meta::decode(&payload)?,
            None => create(&vfs, path)?,
        };
        let engine = Engine::new(vfs, path, options, meta, Some(lock))?;
        engine.set_retention()?;
        engine.remove_orphans();
        engine.start("elanus-worker", work)?;
        if engine.store.options.durability == Durability::Async {
            engine.start("elanus-sync", sync_logs)?;
        }
        Ok(engine)
    }

    /// Gives the database the retention of the options. What it did not keep before cannot be told from now on either: that
    /// of each collection begins where the old retention reaches, or now.
    fn set_retention(&self) -> Result<()> {
        let (store, before) = (&self.store, self.store.retention());
        let Some(wanted) = store.options.retention_duration.filter(|wanted| *wanted != before) else {
            return Ok(());
        };
        let (floor, time) = match before {
            0 => {
                let now = store.clock.tick(store.shared.vfs.now_ms());
                (now, now)
            }
            _ => (store.horizon(), 0),
        };
        store.commit(|meta| {
            meta.retention = wanted;
            for collection in &mut meta.collections {
                collection.time = collection.time.max(time);
                collection.forget(floor);
            }
            Ok(())
        })?;
        store.set_retention(wanted);
        self.collections.read().values().for_each(|core| core.keep_from(time, floor));
        Ok(())
    }

    /// Nothing is written, not even a lock.
    fn open_to_read(vfs: Arc<dyn Vfs>, path: &Path, options: Options) -> Result<Arc<Engine>> {
        let engine =
            follow(&vfs, path, |meta| Engine::new(vfs.clone(), path, options.clone(), meta.clone(), None))?;
        if engine.store.options.refresh_ms > 0 {
            engine.start("elanus-refresh", keep_up)?;
        }
        Ok(engine)
    }

    /// Of a read-only database: gives searches that start from now on what the writer has committed and logged. After an
    /// error everything is as it was. A writing database has nothing to learn.
    pub fn refresh(&self) -> Result<()> {
        self.store.check_open()?;
        if !self.store.options.read_only {
            return Ok(());
        }
        refresh(&self.store, &self.collections)
    }

    fn new(
        vfs: Arc<dyn Vfs>,
        path: &Path,
        options: Options,
        meta: Meta,
        lock: Option<Box<dyn LockGuard>>,
    ) -> Result<Arc<Engine>> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .thread_name(|number| format!("elanus-{number}"))
            .build()
            .map_err(|e| Error::io("cannot start threads", io::Error::other(e)))?;
        let shared = Shared { vfs, pool, memory: Memory::new(options.memory_limit) };
        let metas = meta.collections.clone();
        let store = Arc::new(Store::new(path, options, shared, meta, lock));
        let opened: Vec<_> = metas.iter().map(|meta| Core::open(&store, meta)).collect::<Result<_>>()?;
        let mut collections = BTreeMap::new();
        for (meta, (core, found)) in metas.iter().zip(opened) {
            if !store.options.read_only {
                core.resume(meta, &found)?;
            }
            collections.insert(meta.name.clone(), Arc::new(core));
        }
        Ok(Arc::new(Engine {
            store,
            collections: Arc::new(RwLock::new(collections)),
            workers: Mutex::default(),
        }))
    }

    /// Removes directories of collections that the manifest does not name. Failing to is not an error.
    fn remove_orphans(&self) {
        let (vfs, root) = (&self.store.shared.vfs, Store::collections_dir(&self.store.dir));
        let known: Vec<String> =
            self.store.with_meta(|m| m.collections.iter().map(|c| c.id.to_string()).collect());
        for name in vfs.list(&root).unwrap_or_default() {
            if !known.contains(&name) {
                let _ = vfs.remove_dir_all(&root.join(name));
            }
        }
    }

    fn start(&self, name: &str, work: fn(&Arc<Store>, &Collections)) -> Result<()> {
        let (store, collections) = (self.store.clone(), self.collections.clone());
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || work(&store, &collections))
            .map_err(|e| Error::io("cannot start a background thread", e))?;
        self.workers.lock().push(thread);
        Ok(())
    }

    /// The first failure of closing is told; everything is closed all the same.
    pub fn close(&self) -> Result<()> {
        if !self.store.start_closing() {
            return Ok(());
        }
        for worker in self.workers.lock().drain(..) {
            let _ = worker.join(); // a panic of it was reported where it happened
        }
        self.store.wait_for_writing();
        let result = self.close_logs();
        self.store.unlock();
        result
    }

    /// Closes all logs, and keeps how far they reach, so that one that loses its end is found out.
    fn close_logs(&self) -> Result<()> {
        let mut result = Ok(());
        let mut reached = BTreeMap::new();
        for core in self.collections.read().values() {
            match core.close_log() {
                Ok(sequence) => reached.extend(sequence.map(|sequence| (core.id, sequence))),
                Err(error) => result = result.and(Err(error)),
            }
        }
        let known = |meta: &Meta| {
            meta.collections.iter().all(|c| reached.get(&c.id).is_none_or(|r| *r == c.wal_sequence))
        };
        if self.store.with_meta(known) {
            return result;
        }
        result.and(self.store.commit(|meta| {
            for collection in &mut meta.collections {
                collection.wal_sequence =
                    reached.get(&collection.id).copied().unwrap_or(collection.wal_sequence);
            }
            Ok(())
        }))
    }

    pub fn collection(&self, name: &str) -> Result<Arc<Core>> {
        self.store.check_open()?;
        self.find(&self.collections.read(), name).ok_or_else(|| not_found(name))
    }

    pub fn has_collection(&self, name: &str) -> Result<bool> {
        self.store.check_open()?;
        Ok(self.find(&self.collections.read(), name).is_some())
    }

    pub fn collection_names(&self) -> Result<Vec<String>> {
        self.store.check_open()?;
        Ok(self.collections.read().keys().cloned().collect())
    }

    pub fn create_collection(&self, name: &str, schema: Schema) -> Result<Arc<Core>> {
        let _writing = self.store.writing()?;
        check_collection_name(name)?;
        let mut collections = self.collections.write();
        if let Some(existing) = collections.get(name) {
            // Where values are while they are used may have been altered since.
            let plain = |schema: &Schema| schema.without_mmap().to_json();
            return if plain(&existing.schema) == plain(&schema) {
                Ok(existing.clone())
            } else {
                let text =
                    format!("create duplicate collection with different parameters, collection: {name}");
                Err(Error::new(Code::CollectionExists, text))
            };
        }
        if self.alias(name).is_some() {
            return Err(Error::new(
                Code::AliasCollectionNameConflict,
                format!(
                    "collection name [{name}] conflicts with an existing alias, please choose a unique name"
                ),
            ));
        }
        // Before its creation there may have been another one of its name.
        let created = self.store.stamp();
        let meta = CollectionMeta {
            id: self.store.take_id(),
            name: name.to_owned(),
            schema: schema.stored(),
            indexes: Vec::new(),
            segments: Vec::new(),
            wal_first: 1,
            wal_sequence: 0,
            next_auto_id: 1,
            released: false,
            compaction: CompactionMeta::default(),
            partitions: PartitionMeta::first_of(&schema),
            time: created,
            floor: created,
        };
        let made = Core::create_files(&self.store, meta.id)
            .and_then(|()| Core::open(&self.store, &meta))
            .and_then(|(core, found)| core.resume(&meta, &found).map(|()| core));
        let committed = made.and_then(|core| {
            self.store.commit(|all| {
                all.collections.push(meta.clone());
                Ok(())
            })?;
            Ok(Arc::new(core))
        });
        match committed {
            Ok(core) => {
                collections.insert(name.to_owned(), core.clone());
                Ok(core)
            }
            Err(error) => {
                if error.code() != Code::Poisoned {
                    let _ = self.store.shared.vfs.remove_dir_all(&self.store.collection_dir(meta.id));
                }
                Err(error)
            }
        }
    }

    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        let _writing = self.store.writing()?;
        check_collection_name(to)?;
        let mut collections = self.collections.write();
        let Some(core) = collections.get(from).cloned() else {
            return Err(match self.alias(from) {
                Some(_) => {
                    Error::invalid(format!("unsupported use an alias to rename collection, alias:{from}"))
                }
                None => not_found(from),
            });
        };
        if from == to {
            return Ok(());
        }
        if collections.contains_key(to) {
            return Err(Error::new(Code::CollectionExists, format!("duplicated new collection name: {to}")));
        }
        if self.alias(to).is_some() {
            let text = format!("cannot rename collection to an existing alias: {to}");
            return Err(Error::new(Code::AliasCollectionNameConflict, text));
        }
        core.commit(|meta| {
            meta.name = to.to_owned();
            Ok(())
        })?;
        collections.remove(from);
        *core.name.write() = to.to_owned();
        collections.insert(to.to_owned(), core);
        Ok(())
    }

    pub fn drop_collection(&self, name: &str) -> Result<()> {
        let _writing = self.store.writing()?;
        let mut collections = self.collections.write();
        let Some(core) = collections.get(name).cloned() else {
            return Err(match self.alias(name) {
                Some(_) => Error::invalid(format!("cannot drop the collection via alias = {name}")),
                None => not_found(name),
            });
        };
        // Makes builds give up; seals and the ends of builds are waited for.
        core.dropped.store(true, Ordering::Release);
        self.store.activity.wake();
        let _maintenance = core.maintenance.lock();
        let mut writer = core.writer.lock();
        let committed = self.store.commit(|meta| {
            meta.collections.retain(|c| c.id != core.id);
            meta.aliases.retain(|_, id| *id != core.id);
            Ok(())
        });
        if let Err(error) = committed {
            core.dropped.store(false, Ordering::Release);
            return Err(error);
        }
        writer.wal = None;
        collections.remove(name);
        // Mapped files stay readable for the searches that run.
        let _ = self.store.shared.vfs.remove_dir_all(&core.dir);
        Ok(())
    }
}

pub fn not_found(name: &str) -> Error {
    Error::new(Code::CollectionNotFound, format!("collection not found[collection={name}]"))
}

fn has_manifest(vfs: &dyn Vfs, path: &Path) -> Result<bool> {
    vfs.exists(&path.join(MANIFEST)).map_err(|e| Error::io(format!("cannot look into {}", path.display()), e))
}

/// The first manifest, of an empty database.
fn create(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<Meta> {
    let io = |e| Error::io(format!("cannot create {}", path.display()), e);
    if !vfs.list(&Store::collections_dir(path)).map_err(io)?.is_empty() {
        return Err(Error::corrupt(format!("{} has collections, but its manifest is gone", path.display())));
    }
    if let Some(parent) = path.parent() {
        vfs.sync_dir(parent).map_err(io)?;
    }
    let meta = Meta::new();
    manifest::commit(vfs, path, &meta.encode()?)?;
    Ok(meta)
}

fn lock(vfs: &dyn Vfs, path: &Path) -> Result<Box<dyn LockGuard>> {
    vfs.lock(&path.join(LOCK)).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::new(
            Code::Locked,
            format!("the database {} is open for writing in process {error}", path.display()),
        ),
        _ => Error::io(format!("cannot lock {}", path.display()), error),
    })
}

/// The background worker: builds what indexes lack, compacts what is due.
fn work(store: &Arc<Store>, collections: &Collections) {
    while !store.is_closing() {
        let mut busy = false;
        for core in all(collections) {
            // A panic must not end the worker; the index then stays unbuilt, the segments as they are, and say why.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| core.build_pending())) {
                core.build_panicked(message(&*panic));
            }
            match catch_unwind(AssertUnwindSafe(|| core.compact_due())) {
                Ok(worked) => busy |= worked,
                Err(panic) => core.compaction_failed(Error::internal(format!(
                    "the compaction panicked: {}",
                    message(&*panic)
                ))),
            }
        }
        if !busy {
            store.wait_for_work(TICK);
        }
    }
}

/// Durability `async`: syncs the logs now and then, however long the worker is busy.
fn sync_logs(store: &Arc<Store>, collections: &Collections) {
    while !store.is_closing() {
        for core in all(collections) {
            // A log that cannot be synced is poisoned: the next write says so.
            let _ = core.sync_log();
        }
        store.pause(TICK);
    }
}

fn all(collections: &Collections) -> Vec<Arc<Core>> {
    collections.read().values().cloned().collect()
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
