//! Building the index of a segment, and putting it in its place.

use crate::collection::core::Core;
use crate::collection::definitions::forget_index;
use crate::collection::types::{Definition, Progress};
use crate::database::meta::{IndexFileMeta, SegmentMeta};
use crate::error::{Code, Error, Result};
use crate::index::catalog::scalar::Spec;
use crate::index::scalar::Sorted;
use crate::index::{self, AnyIndex, BuildContext, Pace};
use crate::segment::{IndexFile, Rows, SegmentView};
use crate::storage::spill::DiskSpill;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The seed of every build: a build is a pure function of rows and parameters.
const SEED: u64 = 0x656c616e7573;

/// A built index, in its file, which does not count yet.
pub struct Built {
    pub segment: u64,
    pub file: Arc<IndexFile>,
}

impl Built {
    /// What the manifest says of it.
    pub fn meta(&self) -> IndexFileMeta {
        IndexFileMeta { index: self.file.of().definition, file: self.file.number() }
    }
}

/// Foreground work: does not step aside, tells its caller how far it is.
pub struct Foreground<'a> {
    pub core: &'a Core,
    pub progress: Option<Progress<'a>>,
    /// Rows of the segments before this one, and of all.
    pub before: u64,
    pub total: u64,
    /// Its name, for the message of a cancellation.
    pub what: &'static str,
}

impl Pace for Foreground<'_> {
    fn checkpoint(&self, done: u64, _: u64) -> Result<()> {
        self.core.check_open()?;
        match self.progress {
            Some(progress) if !progress(self.before + done, self.total) => {
                Err(Error::new(Code::Canceled, format!("the {} was canceled", self.what)))
            }
            _ => Ok(()),
        }
    }
}

/// Background work: parks while queries run, ends when nobody wants it any more.
pub struct Background<'a> {
    pub core: &'a Core,
    pub wanted: &'a (dyn Fn() -> bool + Sync),
}

impl Pace for Background<'_> {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        let store = &self.core.store;
        let gone = || self.core.check_open().is_err() || !(self.wanted)();
        store.activity.wait_until_idle(store.options.build_idle(), gone);
        if gone() {
            return Err(Error::new(Code::Canceled, "the work is no longer wanted"));
        }
        Ok(())
    }
}

impl Core {
    pub fn has_definition(&self, id: u64) -> bool {
        self.snapshot.load().definitions.numbered(id).is_some()
    }

    /// Builds `definition` for all of `segments`. After an error no file of it is left.
    pub fn build_foreground(
        &self,
        definition: &Definition,
        segments: &[SegmentView],
        progress: Option<Progress>,
    ) -> Result<Vec<Built>> {
        let total = segments.iter().map(|view| view.len() as u64).sum();
        let mut before = 0;
        let mut built = Vec::with_capacity(segments.len());
        for view in segments {
            let pace = Foreground { core: self, progress, before, total, what: "index build" };
            let rows = view.len() as u64;
            let outcome = self.build(definition, view, &pace).and_then(|made| {
                built.extend(made);
                pace.checkpoint(rows, rows)
            });
            if let Err(error) = outcome {
                discard(&built);
                // The files of a dropped collection go while they are written.
                return Err(self.check_open().err().unwrap_or(error));
            }
            before += rows;
        }
        Ok(built)
    }

    /// Builds the index of a sealed segment and writes it. After an error no file of it is left.
    pub fn build(
        &self,
        definition: &Definition,
        view: &SegmentView,
        pace: &dyn Pace,
    ) -> Result<Option<Built>> {
        let Some(sealed) = view.as_sealed() else { return Ok(None) };
        pace.checkpoint(0, view.len() as u64)?;
        // A build costs no copies of rows, unless it is over a field that the file does not have.
        let stored = view.stored()?;
        let has_field = definition.at < stored.batch().num_columns();
        let rows = if has_field { stored } else { view.rows()? };
        let index = self.build_index(definition, &rows, sealed.dir(), pace)?;
        let shared = &self.store.shared;
        let (dir, number) = (sealed.dir(), self.store.take_id());
        let file = Arc::new(IndexFile::new(shared.clone(), dir, definition.indexed(), number));
        let written = file.save(&index, rows.len()).and_then(|()| {
            drop(index);
            let io = |e| Error::io(format!("cannot sync {}", dir.display()), e);
            shared.vfs.sync_dir(dir).map_err(io)?;
            // Reads it back: what cannot be read must not count.
            file.get(&rows).map(drop)
        });
        let built = Built { segment: sealed.id(), file };
        if let Err(error) = written {
            discard(&[built]);
            return Err(error);
        }
        Ok(Some(built))
    }

    /// `dir` is where a build may put what does not fit into memory.
    fn build_index(
        &self,
        definition: &Definition,
        rows: &Rows,
        dir: &Path,
        pace: &dyn Pace,
    ) -> Result<AnyIndex> {
        let shared = &self.store.shared;
        let needed = match &definition.spec {
            Spec::Vector(spec) => index::build_memory(spec, rows.vectors()),
            Spec::Scalar(_) => Sorted::build_memory(rows.len()),
        };
        let _working = shared.memory.reserve(needed, "building the index")?;
        let memory = shared.memory.limit().map_or(0, |_| needed + shared.memory.free());
        let spill = DiskSpill::new(&shared.vfs, dir);
        let context = BuildContext { pool: &shared.pool, seed: SEED, pace, memory, spill: &spill };
        Ok(match &definition.spec {
            Spec::Vector(spec) => AnyIndex::Vector(index::build(spec, rows.vectors().clone(), &context)?),
            Spec::Scalar(_) => AnyIndex::Scalar(Sorted::build(rows.column(definition.at)?, &context)?),
        })
    }

    /// Builds what the current definitions lack, one segment after the other, stepping aside for queries.
    pub fn build_pending(&self) {
        loop {
            let snapshot = self.snapshot.load_full();
            let pending = snapshot.definitions.iter().filter(|d| !self.has_failed(d.id)).find_map(|d| {
                let view = snapshot.sealed.iter().find(|view| self.needs_index(view, d))?;
                Some((d, view))
            });
            let Some((definition, view)) = pending else { return };
            self.building.store(definition.id, Ordering::Release);
            match self.build_in_background(definition, view) {
                Ok(()) => {}
                // Nobody wants it any more; others may still be wanted.
                Err(error) if error.code() == Code::Canceled && self.check_open().is_ok() => {}
                Err(error) if matches!(error.code(), Code::Canceled | Code::Closed) => return,
                Err(error) => drop(self.build_failures.lock().insert(definition.id, error)),
            }
        }
    }

    /// Whether a background build of that definition has failed.
    pub fn has_failed(&self, definition: u64) -> bool {
        self.build_failures.lock().contains_key(&definition)
    }

    /// Keeps the failure of a build that panicked.
    pub fn build_panicked(&self, message: &str) {
        let error = Error::internal(format!("the index build panicked: {message}"));
        self.build_failures.lock().insert(self.building.load(Ordering::Acquire), error);
    }

    fn build_in_background(&self, definition: &Arc<Definition>, view: &SegmentView) -> Result<()> {
        let pace = Background { core: self, wanted: &|| self.has_definition(definition.id) };
        let _writing = self.writing()?;
        let Some(built) = self.build(definition, view, &pace)? else { return Ok(()) };
        let _maintenance = self.maintenance.lock();
        self.install(definition, vec![built], false)
    }

    /// Makes built indexes count, in one commit. With `define`, the definition takes the place of the field's old one in
    /// the same commit, and all indexes of the old one go; else indexes of a definition that is no longer the current
    /// one are thrown away, and so are those of segments that are gone or have one already. The caller holds `maintenance` and
    /// [`Core::writing`].
    pub fn install(&self, definition: &Arc<Definition>, built: Vec<Built>, define: bool) -> Result<()> {
        let wanted = self.check_open().is_ok() && (define || self.has_definition(definition.id));
        // The worker and a caller may have built the same index: the first counts.
        let lacks =
            |segment: &SegmentMeta| define || segment.indexes.iter().all(|i| i.index != definition.id);
        let lacking: BTreeSet<u64> =
            self.with_meta(|meta| meta.segments.iter().filter(|s| lacks(s)).map(|s| s.id).collect())?;
        let (built, late): (Vec<Built>, Vec<Built>) =
            built.into_iter().partition(|built| wanted && lacking.contains(&built.segment));
        discard(&late);
        if !wanted {
            return self.check_open();
        }
        match self.commit_index(definition, &built, define) {
            Ok(()) => {
                self.show_index(definition, built, define);
                Ok(())
            }
            Err(error) => {
                // In doubt about which manifest is in force, its files must stay.
                if error.code() != Code::Poisoned {
                    discard(&built);
                }
                Err(error)
            }
        }
    }

    fn commit_index(&self, definition: &Definition, built: &[Built], define: bool) -> Result<()> {
        self.commit(|meta| {
            if define {
                forget_index(meta, &definition.field);
                meta.indexes.push(definition.to_meta());
            }
            for built in built {
                if let Some(segment) = meta.segment_mut(built.segment) {
                    segment.indexes.push(built.meta());
                }
            }
            Ok(())
        })
    }

    fn show_index(&self, definition: &Arc<Definition>, built: Vec<Built>, define: bool) {
        let mut writer = self.writer.lock();
        if define && let Some(old) = writer.definitions.define(definition.clone()) {
            self.build_failures.lock().remove(&old.id);
            writer.sealed.iter_mut().for_each(|view| view.drop_index(old.id));
        }
        for Built { segment, file } in built {
            if let Some(view) = writer.sealed_mut(segment) {
                view.indexes.push(file);
            }
        }
        self.publish(&writer);
    }
}

/// Removes the files of indexes that nobody wants.
pub fn discard(built: &[Built]) {
    built.iter().for_each(|built| built.file.doom());
}
