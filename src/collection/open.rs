//! Opening a collection: what the manifest names, and then what the log holds.

use crate::collection::compact::status::Compaction;
use crate::collection::core::{Core, Snapshot, Writer};
use crate::collection::definitions::Definitions;
use crate::collection::ops::{Op, time_in};
use crate::collection::partitions::Partitions;
use crate::collection::refresh::News;
use crate::collection::seal::files_of;
use crate::database::meta::{CollectionMeta, SegmentMeta};
use crate::database::store::Store;
use crate::error::{Error, Result};
use crate::schema::{Schema, Versions};
use crate::segment::{History, IndexFile, Key, Live, Sealed, SegmentView};
use crate::storage::checked;
use crate::storage::wal::{self, Wal};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

impl Core {
    /// Makes the directories and the log of a new collection. Nothing of it counts before a manifest names it.
    pub fn create_files(store: &Store, id: u64) -> Result<()> {
        let (vfs, dir) = (&store.shared.vfs, store.collection_dir(id));
        let io = |e| Error::io(format!("cannot create {}", dir.display()), e);
        vfs.create_dir_all(&Sealed::root_of(&dir)).map_err(io)?;
        vfs.sync_dir(&dir).map_err(io)?;
        vfs.sync_dir(&Store::collections_dir(&store.dir)).map_err(io)
    }

    /// Opens a collection and reads its log. Nothing is written: a writer goes on with [`Core::resume`].
    pub fn open(store: &Arc<Store>, meta: &CollectionMeta) -> Result<(Core, wal::Found)> {
        let within = |error: Error| error.within(format!("cannot open collection {}", meta.name));
        let schema = schema_of(meta)?;
        let core = Core {
            store: store.clone(),
            id: meta.id,
            dir: store.collection_dir(meta.id),
            name: RwLock::new(meta.name.clone()),
            queue: Mutex::default(),
            writer: Mutex::new(Writer::new(store, &schema)),
            schema: Versions::new(schema),
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            maintenance: Mutex::default(),
            definitions: Mutex::default(),
            next_auto_id: AtomicI64::new(meta.next_auto_id),
            dropped: AtomicBool::new(false),
            history_memory: Mutex::new(store.shared.memory.force(0)),
            loading: AtomicUsize::new(0),
            compaction: Compaction::default(),
            seen: Mutex::default(),
            build_failures: Mutex::default(),
            building: AtomicU64::new(0),
        };
        let seen = core.look(meta);
        let (writer, found) = core.read_state(meta).map_err(within)?;
        core.show(News { writer, seen });
        Ok((core, found))
    }

    /// What the manifest and the log say. Segments and indexes that this collection has open already are shared.
    pub fn read_state(&self, meta: &CollectionMeta) -> Result<(Writer, wal::Found)> {
        let before = self.snapshot.load_full();
        let mut schema = schema_of(meta)?;
        if schema == *self.schema {
            schema = self.schema.clone();
        }
        let mut writer = Writer::new(&self.store, &schema);
        writer.definitions = Definitions::from_meta(&schema, &meta.indexes, &before.definitions)?;
        writer.partitions = Partitions::from_meta(&meta.partitions, &before.partitions);
        for segment in &meta.segments {
            let view = self.segment(&schema, segment, &writer.definitions, &before)?;
            writer.sealed.push(view);
        }
        (writer.time, writer.floor) = (meta.time, meta.floor);
        let vfs = &self.store.shared.vfs;
        let mut time = 0;
        let mut replay = |sequence, record: &[u8]| {
            if let Some(found) = time_in(record) {
                time = found;
                writer.time = writer.time.max(time);
                writer.logged += record.len() as u64;
                return Ok(());
            }
            let later = meta.segments.iter().map(|segment| segment.since > sequence);
            let spared: Vec<Option<SegmentView>> =
                writer.sealed.iter().zip(later).map(|(view, later)| later.then(|| view.clone())).collect();
            self.replay(&mut writer, record, time)?;
            for (view, spared) in writer.sealed.iter_mut().zip(spared) {
                if let Some(spared) = spared {
                    *view = spared;
                }
            }
            Ok(())
        };
        let found = wal::find(vfs, &self.dir, meta.wal_first, &mut replay)?;
        let next = found.replay.next_sequence;
        if next < meta.wal_sequence {
            return Err(Error::corrupt(format!(
                "the write-ahead log ends before record {next}; it had {}",
                meta.wal_sequence
            )));
        }
        self.store.clock.observe(writer.time);
        Ok((writer, found))
    }

    /// Starts a new log file and removes leftovers of a crash. Until every collection was read, nobody may do so: what a
    /// damaged database has must stay as it is.
    pub fn resume(&self, meta: &CollectionMeta, found: &wal::Found) -> Result<()> {
        let wal = Wal::resume(&self.store.shared.vfs, &self.dir, meta.wal_first, found);
        let within = |error: Error| error.within(format!("cannot open collection {}", meta.name));
        self.writer.lock().wal = Some(wal.map_err(within)?);
        self.remove_orphans(meta);
        Ok(())
    }

    fn segment(
        &self,
        schema: &Arc<Schema>,
        meta: &SegmentMeta,
        definitions: &Definitions,
        before: &Snapshot,
    ) -> Result<SegmentView> {
        let shared = &self.store.shared;
        let rows = usize::try_from(meta.rows).map_err(|_| Error::corrupt("a segment has too many rows"))?;
        let known = before.sealed.iter().find(|view| view.as_sealed().is_some_and(|s| s.id() == meta.id));
        let sealed = match known.and_then(SegmentView::as_sealed) {
            Some(sealed) if known.is_some_and(|view| view.len() == rows) => sealed.clone(),
            _ => Arc::new(Sealed::new(shared.clone(), schema.clone(), &self.dir, meta.id, rows)),
        };
        let live = match meta.deletes {
            0 => Live::all(rows),
            generation => sealed.load_live(generation, usize::try_from(meta.dead).unwrap_or(usize::MAX))?,
        };
        let history = match meta.history {
            0 => History::default(),
            generation => sealed.load_history(generation, &live)?,
        };
        let mut view = SegmentView::sealed(sealed, meta.partition, live, history);
        let dir = Sealed::dir_of(&self.dir, meta.id);
        for built in &meta.indexes {
            let Some(definition) = definitions.numbered(built.index) else { continue };
            let known = known.and_then(|view| view.index(built.index));
            let known = known.filter(|index| index.number() == built.file).cloned();
            let open = || Arc::new(IndexFile::new(shared.clone(), &dir, definition.indexed(), built.file));
            view.indexes.push(known.unwrap_or_else(open));
        }
        Ok(view)
    }

    /// Applies one record of the log, written at `time`.
    fn replay(&self, writer: &mut Writer, record: &[u8], time: u64) -> Result<()> {
        let schema = writer.growing.schema().clone();
        let op = Op::decode(&schema, record.to_vec())?;
        let opened = if op.removes() { writer.open_sealed()? } else { Vec::new() };
        // Acknowledged rows come in whatever the limit of memory is today.
        let memory = self.store.shared.memory.force(op.bytes(&schema));
        if schema.auto_id() {
            for part in op.parts() {
                let ids = part.rows.column(schema.primary_at());
                let number = |row| match Key::at(ids, row) {
                    Key::Int(id) => Some(id),
                    Key::Text(id) => id.parse().ok(),
                };
                let last = (0..part.rows.num_rows()).filter_map(number).max();
                let next = last.map_or(0, |id| id.saturating_add(1));
                self.next_auto_id.fetch_max(next, Ordering::AcqRel);
            }
        }
        self.apply(writer, &opened, &op, Some(memory), time)?;
        writer.logged += record.len() as u64;
        Ok(())
    }

    /// Removes segments and files that the manifest does not name: leftovers of a crash. Failing to is not an error.
    fn remove_orphans(&self, meta: &CollectionMeta) {
        let vfs = &self.store.shared.vfs;
        let root = Sealed::root_of(&self.dir);
        for name in vfs.list(&root).unwrap_or_default() {
            let dir = root.join(&name);
            let Some(segment) = meta.segments.iter().find(|s| s.id.to_string() == name) else {
                let _ = vfs.remove_dir_all(&dir);
                continue;
            };
            let mut known: BTreeSet<PathBuf> = files_of(segment).iter().map(|file| dir.join(file)).collect();
            known.extend(files_of(segment).iter().flat_map(|file| checked::companions(&dir.join(file))));
            for path in vfs.list(&dir).unwrap_or_default().iter().map(|file| dir.join(file)) {
                if !known.contains(&path) {
                    let _ = vfs.remove_file(&path);
                }
            }
        }
    }
}

/// The schema that the manifest has.
fn schema_of(meta: &CollectionMeta) -> Result<Arc<Schema>> {
    let corrupt = |error: Error| {
        let (name, why) = (&meta.name, error.message());
        Error::corrupt(format!("the schema of collection {name} cannot be read: {why}"))
    };
    Schema::from_json(&meta.schema.to_string()).map(Arc::new).map_err(corrupt)
}
