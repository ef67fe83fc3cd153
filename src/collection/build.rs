//! Building the index of a segment, and putting it in its place.

use crate::collection::core::Core;
use crate::collection::{Definition, Progress};
use crate::database::meta::IndexFileMeta;
use crate::error::{Code, Error, Result};
use crate::index::{self, BuildContext, Index, Pace};
use crate::segment::{IndexFile, Sealed, SegmentView};
use crate::storage::spill::DiskSpill;
use std::path::PathBuf;
use std::sync::Arc;

/// The seed of every build: a build is a pure function of rows and parameters.
const SEED: u64 = 0x656c616e7573;

/// A built index that is not written yet.
pub struct Built {
    pub sealed: Arc<Sealed>,
    pub rows: usize,
    pub index: Box<dyn Index>,
}

/// A foreground build: does not step aside, tells its caller how far it is.
struct Foreground<'a> {
    core: &'a Core,
    progress: Option<Progress<'a>>,
    /// Rows of the segments before this one, and of all.
    before: u64,
    total: u64,
}

impl Pace for Foreground<'_> {
    fn checkpoint(&self, done: u64, _: u64) -> Result<()> {
        self.core.check_open()?;
        match self.progress {
            Some(progress) if !progress(self.before + done, self.total) => {
                Err(Error::new(Code::Canceled, "the index build was canceled"))
            }
            _ => Ok(()),
        }
    }
}

/// A background build: parks while queries run.
struct Background<'a> {
    core: &'a Core,
    definition: u64,
}

impl Pace for Background<'_> {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        let store = &self.core.store;
        let gone = || self.core.check_open().is_err() || !self.core.has_definition(self.definition);
        store.activity.wait_until_idle(store.options.build_idle(), gone);
        if gone() {
            return Err(Error::new(Code::Canceled, "the index is no longer wanted"));
        }
        Ok(())
    }
}

impl Core {
    fn has_definition(&self, id: u64) -> bool {
        self.snapshot.load().definition.as_ref().is_some_and(|d| d.id == id)
    }

    /// Builds `definition` for all of `segments`; writes nothing.
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
            let pace = Foreground { core: self, progress, before, total };
            built.extend(self.build(definition, view, &pace)?);
            before += view.len() as u64;
            pace.checkpoint(view.len() as u64, total)?;
        }
        Ok(built)
    }

    fn build(&self, definition: &Definition, view: &SegmentView, pace: &dyn Pace) -> Result<Option<Built>> {
        let Some(sealed) = view.as_sealed() else { return Ok(None) };
        pace.checkpoint(0, view.len() as u64)?;
        let shared = &self.store.shared;
        let spill = DiskSpill::new(&shared.vfs, sealed.dir());
        let context = BuildContext {
            pool: &shared.pool,
            seed: SEED,
            pace,
            memory: shared.memory.free(),
            spill: &spill,
        };
        let vectors = view.rows()?.vectors().clone();
        let index = index::build(&definition.spec, vectors, &context)?;
        Ok(Some(Built { sealed: sealed.clone(), rows: view.len(), index }))
    }

    /// Builds what the current definition lacks, one segment after the other, stepping aside for queries.
    pub fn build_pending(&self) {
        loop {
            let snapshot = self.snapshot.load_full();
            let Some(definition) = &snapshot.definition else { return };
            if self.build_failure.lock().as_ref().is_some_and(|(id, _)| *id == definition.id) {
                return;
            }
            let Some(view) = snapshot.sealed.iter().find(|view| self.needs_index(view)) else { return };
            if let Err(error) = self.build_in_background(definition, view) {
                if !matches!(error.code(), Code::Canceled | Code::Closed) {
                    *self.build_failure.lock() = Some((definition.id, error));
                }
                return;
            }
        }
    }

    /// Keeps the failure of a build that panicked.
    pub fn build_panicked(&self, message: &str) {
        if let Some(definition) = &self.snapshot.load().definition {
            let error = Error::internal(format!("the index build panicked: {message}"));
            *self.build_failure.lock() = Some((definition.id, error));
        }
    }

    fn build_in_background(&self, definition: &Arc<Definition>, view: &SegmentView) -> Result<()> {
        let pace = Background { core: self, definition: definition.id };
        let _writing = self.writing()?;
        let Some(built) = self.build(definition, view, &pace)? else { return Ok(()) };
        let _maintenance = self.maintenance.lock();
        self.check_open()?;
        self.install(definition, vec![built], false)
    }

    /// Writes built indexes and makes them count, in one commit. With `define`, the definition takes the place of the
    /// field's old one in the same commit, and all indexes of the old one go; else indexes of a definition that is no
    /// longer the current one are thrown away. The caller holds `maintenance` and [`Core::writing`].
    pub fn install(&self, definition: &Arc<Definition>, built: Vec<Built>, define: bool) -> Result<()> {
        if !define && !self.has_definition(definition.id) {
            return Ok(());
        }
        let mut files: Vec<(u64, Arc<IndexFile>)> = Vec::with_capacity(built.len());
        let written = built.into_iter().try_for_each(|built| {
            let shared = self.store.shared.clone();
            let dir = built.sealed.dir();
            // Its segment may be gone: all its rows were deleted, and a flush came by.
            if !self.with_meta(|meta| meta.segments.iter().any(|s| s.id == built.sealed.id()))? {
                return Ok(());
            }
            let file = IndexFile::new(shared.clone(), dir, definition.spec.clone(), self.store.take_id());
            files.push((built.sealed.id(), Arc::new(file)));
            let file = &files[files.len() - 1].1;
            file.save(&*built.index, built.rows)?;
            drop(built.index);
            let io = |e| Error::io(format!("cannot sync {}", dir.display()), e);
            shared.vfs.sync_dir(dir).map_err(io)?;
            // Reads it back: what cannot be read must not count.
            file.get(&*built.sealed.rows()?).map(drop)
        });
        match written.and_then(|()| self.commit_index(definition, &files, define)) {
            Ok(old_files) => {
                self.show_index(definition, files, define);
                self.remove_files(&old_files);
                Ok(())
            }
            Err(error) => {
                if error.code() != Code::Poisoned {
                    self.remove_files(
                        &files.iter().map(|(_, file)| file.path().to_owned()).collect::<Vec<_>>(),
                    );
                }
                Err(error)
            }
        }
    }

    /// Gives the files that no manifest names any more.
    fn commit_index(
        &self,
        definition: &Definition,
        files: &[(u64, Arc<IndexFile>)],
        define: bool,
    ) -> Result<Vec<PathBuf>> {
        self.commit(|meta| {
            let mut old_files = Vec::new();
            if define {
                old_files = self.forget_index(meta, &definition.field);
                meta.indexes.push(definition.to_meta());
            }
            for (segment, file) in files {
                if let Some(segment) = meta.segment_mut(*segment) {
                    segment.indexes.push(IndexFileMeta { index: definition.id, file: file.number() });
                }
            }
            Ok(old_files)
        })
    }

    fn show_index(&self, definition: &Arc<Definition>, files: Vec<(u64, Arc<IndexFile>)>, define: bool) {
        let mut writer = self.writer.lock();
        if define {
            writer.definition = Some(definition.clone());
            writer.sealed.iter_mut().for_each(|view| view.index = None);
        }
        for (segment, file) in files {
            if let Some(view) = writer.sealed_mut(segment) {
                view.index = Some(file);
            }
        }
        self.publish(&writer);
    }
}
