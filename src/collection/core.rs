//! The state of one collection: what writers change under their lock, and the snapshot that searches read.

use crate::collection::compact::status::Compaction;
use crate::collection::definitions::Definitions;
use crate::collection::ops::Op;
use crate::collection::partitions::Partitions;
use crate::collection::types::Definition;
use crate::database::meta::CollectionMeta;
use crate::database::store::{READ_ATTEMPTS, Store, Writing};
use crate::error::{Code, Error, Result};
use crate::schema::{Schema, Versions};
use crate::segment::{Growing, Reservation, Rows, SegmentView};
use crate::storage::checked;
use crate::storage::wal::Wal;
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// One collection, shared by its handles, its database and the background worker.
///
/// Locks, in the order in which they may be taken: the compaction's turn, `definitions`, `maintenance`, `writer`, the
/// manifest's.
pub struct Core {
    pub store: Arc<Store>,
    pub id: u64,
    /// Its newest version: fields may be added.
    pub schema: Versions,
    pub dir: PathBuf,
    pub name: RwLock<String>,
    /// Changes that wait for a leader.
    pub queue: Mutex<Vec<Arc<Pending>>>,
    pub writer: Mutex<Writer>,
    pub snapshot: ArcSwap<Snapshot>,
    /// Held while sealed segments or their indexes come and go: by seals, and by the ends of builds and compactions.
    pub maintenance: Mutex<()>,
    /// Held while definitions of indexes change, foreground builds included, and by the ends of compactions.
    pub definitions: Mutex<()>,
    pub next_auto_id: AtomicI64,
    pub dropped: AtomicBool,
    /// What the times of the rows of the newest snapshot take.
    pub history_memory: Mutex<Reservation>,
    /// Calls of load that run.
    pub loading: AtomicUsize,
    pub compaction: Compaction,
    /// What a read-only database has read of it.
    pub seen: Mutex<Seen>,
    /// Why background builds of definitions (by number) failed.
    pub build_failures: Mutex<BTreeMap<u64, Error>>,
    /// The definition that the background worker builds, or has built last.
    pub building: AtomicU64,
}

/// A change that waits to be logged, and then its outcome.
pub struct Pending {
    pub op: Op,
    pub record: Vec<u8>,
    /// What the rows will take.
    pub memory: Mutex<Option<Reservation>>,
    pub outcome: Mutex<Option<Result<u64>>>,
}

/// What a read-only database has read of a collection: its part of the manifest, and the files in its directory with
/// their lengths.
#[derive(Clone, Default, PartialEq)]
pub struct Seen {
    pub meta: Option<CollectionMeta>,
    pub files: Vec<(String, u64)>,
}

/// What writers change.
pub struct Writer {
    /// `None` once closed, and in a read-only database.
    pub wal: Option<Wal>,
    pub sealed: Vec<SegmentView>,
    pub growing: Growing,
    pub definitions: Definitions,
    pub partitions: Partitions,
    /// Whether the log holds rows of a partition that was dropped.
    pub log_is_stale: bool,
    /// Bytes in the log since it was last rotated.
    pub logged: u64,
    /// The time of the newest change, and the earliest time whose state can be told.
    pub time: u64,
    pub floor: u64,
    /// At how many logged bytes the growing rows are sealed.
    pub seal_at: u64,
    /// Whether the log holds bytes that are not synced (durability `async`).
    pub unsynced: bool,
}

/// What a search sees. Cloning shares everything.
#[derive(Clone, Default)]
pub struct Snapshot {
    pub sealed: Vec<SegmentView>,
    pub growing: Vec<SegmentView>,
    pub definitions: Definitions,
    pub partitions: Partitions,
    /// The time of the newest change in it, where times are kept.
    pub time: u64,
    /// The earliest time whose state it can tell.
    pub floor: u64,
}

impl Snapshot {
    pub fn segments(&self) -> impl Iterator<Item = &SegmentView> {
        self.sealed.iter().chain(&self.growing)
    }

    /// The segments of one partition only.
    pub fn only(&self, partition: u64) -> Snapshot {
        let mut only = self.clone();
        only.sealed.retain(|view| view.partition == partition);
        only.growing.retain(|view| view.partition == partition);
        only
    }

    /// Live rows.
    pub fn count(&self) -> u64 {
        self.segments().map(|s| s.live.count() as u64).sum()
    }
}

impl Writer {
    /// Of a collection without a row.
    pub fn new(store: &Store, schema: &Arc<Schema>) -> Writer {
        Writer {
            wal: None,
            sealed: Vec::new(),
            growing: Growing::new(schema.clone(), store.shared.memory.clone()),
            definitions: Definitions::default(),
            partitions: Partitions::default(),
            log_is_stale: false,
            logged: 0,
            time: 0,
            floor: 0,
            seal_at: store.options.segment_bytes(),
            unsynced: false,
        }
    }

    pub fn wal(&mut self) -> Result<&mut Wal> {
        self.wal
            .as_mut()
            .ok_or_else(|| Error::new(Code::Closed, "the collection was dropped or its database closed"))
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            sealed: self.sealed.clone(),
            growing: self.growing.chunks().to_vec(),
            definitions: self.definitions.clone(),
            partitions: self.partitions.clone(),
            time: self.time,
            floor: self.floor,
        }
    }

    /// What was there before `horizon` only is given up; `u64::MAX` where no times are kept.
    pub fn forget(&mut self, horizon: u64) {
        if horizon < u64::MAX {
            self.floor = self.floor.max(horizon);
        }
    }

    /// The rows of every sealed segment, opened and verified, to find keys in.
    pub fn open_sealed(&self) -> Result<Vec<Arc<Rows>>> {
        self.sealed.iter().map(SegmentView::stored).collect()
    }

    /// Takes out the sealed segments of those numbers.
    pub fn remove_sealed(&mut self, ids: &BTreeSet<u64>) -> Vec<SegmentView> {
        let is_among = |view: &mut SegmentView| view.as_sealed().is_some_and(|s| ids.contains(&s.id()));
        self.sealed.extract_if(.., is_among).collect()
    }

    /// Syncs what durability `async` has left unsynced.
    pub fn sync(&mut self) -> Result<()> {
        if self.unsynced {
            self.wal()?.sync()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The sealed segment of that number.
    pub fn sealed_mut(&mut self, id: u64) -> Option<&mut SegmentView> {
        self.sealed.iter_mut().find(|view| view.as_sealed().is_some_and(|s| s.id() == id))
    }
}

impl Core {
    /// Fails once the database was closed or the collection dropped.
    pub fn check_open(&self) -> Result<()> {
        self.store.check_open()?;
        if self.dropped.load(Ordering::Acquire) {
            return Err(Error::new(Code::Closed, format!("the collection {} was dropped", self.name.read())));
        }
        Ok(())
    }

    /// Must be held by every call that changes files.
    pub fn writing(&self) -> Result<Writing<'_>> {
        let writing = self.store.writing()?;
        self.check_open()?;
        Ok(writing)
    }

    /// Gives searches that start from now on what the writer has.
    pub fn publish(&self, writer: &Writer) {
        let views = writer.sealed.iter().chain(writer.growing.chunks());
        // The rows were acknowledged: no limit can refuse it.
        self.history_memory.lock().resize(views.map(|view| view.history.bytes()).sum());
        self.snapshot.store(Arc::new(writer.snapshot()));
    }

    /// Reads this collection's part of the manifest.
    pub fn with_meta<T>(&self, read: impl FnOnce(&CollectionMeta) -> T) -> Result<T> {
        self.store.with_meta(|meta| meta.collection(self.id).map(read))
    }

    /// Changes this collection's part of the manifest. The caller holds [`Core::writing`].
    pub fn commit<T>(&self, change: impl FnOnce(&mut CollectionMeta) -> Result<T>) -> Result<T> {
        self.store.commit(|meta| {
            let collection = meta.collection_mut(self.id)?;
            // The log that was replayed may hold keys beyond those of the last commit.
            collection.next_auto_id = collection.next_auto_id.max(self.next_auto_id.load(Ordering::Acquire));
            collection.time = collection.time.max(self.snapshot.load().time);
            change(collection)
        })
    }

    /// Rows of a segment that an index must have to be worth it.
    pub fn index_min_rows(&self) -> usize {
        usize::try_from(self.store.options.index_min_rows).unwrap_or(usize::MAX)
    }

    /// Whether a segment waits for the index of that definition.
    pub fn needs_index(&self, view: &SegmentView, definition: &Definition) -> bool {
        let has_room = view.as_sealed().is_some() && view.len() >= self.index_min_rows();
        has_room && view.index(definition.id).is_none()
    }

    /// Removes files that no manifest names any more. Failing to is not an error: the next open tries again.
    pub fn remove_files(&self, paths: &[PathBuf]) {
        for path in paths {
            let _ = checked::remove(&self.store.shared.vfs, path);
        }
    }

    /// Runs `read` on the current snapshot, again if a field was added meanwhile: the rows of the snapshot have the fields
    /// that the schema had before, at least. A read-only database may find that the writer has removed files of it: then
    /// it looks at the manifest again, and `read` runs on what that says.
    pub fn on_snapshot<T>(&self, read: impl Fn(&Arc<Snapshot>) -> Result<T>) -> Result<T> {
        for _ in 0..READ_ATTEMPTS {
            let fields = self.schema.fields().len();
            let snapshot = self.snapshot.load_full();
            match read(&snapshot) {
                _ if self.schema.fields().len() != fields => {}
                Err(error)
                    if self.store.options.read_only && matches!(error.code(), Code::Io | Code::Corrupt) =>
                {
                    // Another thread may have been first.
                    if !self.catch_up()? && Arc::ptr_eq(&snapshot, &self.snapshot.load()) {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
        read(&self.snapshot.load_full())
    }
}
