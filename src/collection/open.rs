//! Opening a collection: what the manifest names, and then what the log holds.

use crate::collection::compact::status::Compaction;
use crate::collection::core::{Core, Snapshot, Writer};
use crate::collection::ops::Op;
use crate::collection::refresh::News;
use crate::collection::seal::files_of;
use crate::collection::types::Definition;
use crate::database::meta::{CollectionMeta, SegmentMeta};
use crate::database::store::Store;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::segment::{IndexFile, Live, Sealed, SegmentView};
use crate::storage::wal::{self, Wal};
use crate::{batch, storage::checked};
use arc_swap::ArcSwap;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

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
        let schema =
            Arc::new(Schema::from_json(&meta.schema.to_string()).map_err(|e| corrupt_schema(e, &meta.name))?);
        let core = Core {
            store: store.clone(),
            id: meta.id,
            dir: store.collection_dir(meta.id),
            name: RwLock::new(meta.name.clone()),
            queue: Mutex::default(),
            writer: Mutex::new(Writer::new(store, &schema)),
            schema,
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            maintenance: Mutex::default(),
            definitions: Mutex::default(),
            next_auto_id: AtomicI64::new(meta.next_auto_id),
            dropped: AtomicBool::new(false),
            released: AtomicBool::new(meta.released),
            compaction: Compaction::default(),
            seen: Mutex::default(),
            build_failure: Mutex::default(),
        };
        let seen = core.look(meta);
        let (writer, found) = core.read_state(meta).map_err(within)?;
        core.show(News { writer, seen });
        Ok((core, found))
    }

    /// What the manifest and the log say. Segments and indexes that this collection has open already are shared.
    pub fn read_state(&self, meta: &CollectionMeta) -> Result<(Writer, wal::Found)> {
        let before = self.snapshot.load_full();
        let mut writer = Writer::new(&self.store, &self.schema);
        writer.definition = match (meta.indexes.first(), &before.definition) {
            (Some(index), Some(known)) if known.id == index.id => Some(known.clone()),
            (Some(index), _) => Some(Arc::new(Definition::from_meta(&self.schema, index)?)),
            (None, _) => None,
        };
        for segment in &meta.segments {
            let view = self.segment(segment, writer.definition.as_ref(), &before)?;
            writer.sealed.push(view);
        }
        let vfs = &self.store.shared.vfs;
        let mut replay = |sequence, record: &[u8]| {
            let later = meta.segments.iter().map(|segment| segment.since > sequence);
            let spared: Vec<Option<Live>> = writer
                .sealed
                .iter()
                .zip(later)
                .map(|(view, later)| later.then(|| view.live.clone()))
                .collect();
            self.replay(&mut writer, record)?;
            for (view, live) in writer.sealed.iter_mut().zip(spared) {
                view.live = live.unwrap_or_else(|| view.live.clone());
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
        meta: &SegmentMeta,
        definition: Option<&Arc<Definition>>,
        before: &Snapshot,
    ) -> Result<SegmentView> {
        let shared = &self.store.shared;
        let rows = usize::try_from(meta.rows).map_err(|_| Error::corrupt("a segment has too many rows"))?;
        let known = before.sealed.iter().find(|view| view.as_sealed().is_some_and(|s| s.id() == meta.id));
        let sealed = match known.and_then(SegmentView::as_sealed) {
            Some(sealed) if known.is_some_and(|view| view.len() == rows) => sealed.clone(),
            _ => Arc::new(Sealed::new(shared.clone(), self.schema.clone(), &self.dir, meta.id, rows)),
        };
        let live = match meta.deletes {
            0 => Live::all(rows),
            generation => sealed.load_live(generation, usize::try_from(meta.dead).unwrap_or(usize::MAX))?,
        };
        let mut view = SegmentView::sealed(sealed, live);
        let built =
            definition.and_then(|d| meta.indexes.iter().find(|i| i.index == d.id).map(|i| (d, i.file)));
        view.index = built.map(|(definition, file)| {
            let known = known.and_then(|view| view.index.as_ref()).filter(|index| index.number() == file);
            let dir = Sealed::dir_of(&self.dir, meta.id);
            known.cloned().unwrap_or_else(|| {
                Arc::new(IndexFile::new(shared.clone(), &dir, definition.spec.clone(), file))
            })
        });
        Ok(view)
    }

    /// Applies one record of the log.
    fn replay(&self, writer: &mut Writer, record: &[u8]) -> Result<()> {
        let op = Op::decode(&self.schema, record.to_vec())?;
        let (mut opened, mut memory) = (Vec::new(), None);
        match &op {
            Op::Insert(rows) => {
                // Acknowledged rows come in whatever the limit of memory is today.
                memory = Some(self.store.shared.memory.force(batch::bytes(&self.schema, rows)));
                if self.schema.auto_id() {
                    let ids = rows.column(self.schema.primary_at()).as_primitive::<Int64Type>().values();
                    let next = ids.iter().max().map_or(0, |id| id.saturating_add(1));
                    self.next_auto_id.fetch_max(next, Ordering::AcqRel);
                }
            }
            Op::Delete(_) => opened = writer.open_sealed()?,
        }
        self.apply(writer, &opened, &op, memory);
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

    /// Opens and verifies every file.
    pub fn load(&self) -> Result<()> {
        self.check_open()?;
        self.on_snapshot(|snapshot| {
            for view in &snapshot.sealed {
                view.rows()?;
                view.loaded_index()?;
            }
            Ok(())
        })?;
        self.set_released(false)
    }

    /// Searches that run go on; those that start from now on fail.
    pub fn release(&self) -> Result<()> {
        self.check_open()?;
        self.set_released(true)?;
        self.drop_mapped();
        Ok(())
    }

    /// Kept in the manifest, but by a read-only database, which keeps it for itself.
    fn set_released(&self, released: bool) -> Result<()> {
        if self.released.load(Ordering::Acquire) != released && !self.store.options.read_only {
            let _writing = self.writing()?;
            self.commit(|meta| {
                meta.released = released;
                Ok(())
            })?;
        }
        self.released.store(released, Ordering::Release);
        Ok(())
    }
}

fn corrupt_schema(error: Error, name: &str) -> Error {
    Error::corrupt(format!("the schema of collection {name} cannot be read: {}", error.message()))
}
