//! The index of a sealed segment, in a file of its own.

use crate::error::Result;
use crate::index::catalog::IndexSpec;
use crate::index::{self, Index};
use crate::segment::slot::Slot;
use crate::segment::{Reservation, Rows, Shared, container};
use crate::storage::checked::CheckedFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An index that is on the disk, and in memory once it was used.
pub struct IndexFile {
    shared: Arc<Shared>,
    path: PathBuf,
    spec: Arc<IndexSpec>,
    file: u64,
    slot: Slot<LoadedIndex>,
}

/// An index in memory.
pub struct LoadedIndex {
    index: Box<dyn Index>,
    _memory: Reservation,
}

impl LoadedIndex {
    pub fn index(&self) -> &dyn Index {
        &*self.index
    }
}

impl IndexFile {
    /// The name of index file number `file` in its segment's directory.
    pub fn name(file: u64) -> String {
        format!("index-{file}.bin")
    }

    /// Names index file number `file` of the segment in `dir`; opens nothing.
    pub fn new(shared: Arc<Shared>, dir: &Path, spec: Arc<IndexSpec>, file: u64) -> IndexFile {
        IndexFile { path: dir.join(IndexFile::name(file)), shared, spec, file, slot: Slot::empty() }
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.file
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `index`, which was built over `rows` rows (the caller syncs the directory).
    pub fn save(&self, index: &dyn Index, rows: usize) -> Result<()> {
        let mut out =
            container::ContainerWriter::create(&self.shared, &self.path, self.spec.to_json(), rows as u64)?;
        index.save(&mut out)?;
        out.finish()
    }

    /// The index over its segment's `rows`, opened and verified at the first call.
    pub fn get(&self, rows: &Rows) -> Result<Arc<LoadedIndex>> {
        self.slot.get(|| self.load(rows).map_err(|e| e.within(self.path.display())))
    }

    fn load(&self, rows: &Rows) -> Result<LoadedIndex> {
        let bytes = CheckedFile::open(&self.shared.vfs, &self.path)?.bytes(&self.shared.pool)?;
        let sections =
            container::read(&self.shared.vfs, &self.path, &bytes, &self.spec.to_json(), rows.len() as u64)?;
        let index = index::load(&self.spec, &sections, rows.vectors().clone())?;
        let memory = self.shared.memory.reserve(index.memory() as u64, "loading the index")?;
        Ok(LoadedIndex { index, _memory: memory })
    }

    /// Bytes that the index takes in memory now.
    pub fn memory(&self) -> u64 {
        self.slot.loaded().map_or(0, |loaded| loaded.index.memory() as u64)
    }

    /// Drops it from memory; searches that run keep it until they are done.
    pub fn release(&self) {
        self.slot.clear();
    }
}
