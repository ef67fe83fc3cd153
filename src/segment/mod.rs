//! Rows of one segment: growing, sealed, deletes; what a snapshot holds.
//!
//! A segment is rows that never change, a bitmap of those that are live, and perhaps indexes of some fields. Growing rows are in
//! memory (and in the WAL); sealed rows are in files of their own, whose columns are mapped, or copied into memory, when they are
//! first needed.

mod container;
mod data;
mod growing;
mod history;
mod index_file;
mod live;
mod memory;
pub mod raw;
mod rows;
mod sealed;
mod slot;

pub use growing::Growing;
pub use history::History;
pub use index_file::{IndexFile, Indexed, LoadedIndex, Mmap};
pub use live::Live;
pub use memory::{Memory, Reservation, Spare};
pub use rows::{Key, Lengths, Rows, Run, copy_runs, gather, gather_column};
pub use sealed::Sealed;

use crate::error::Result;
use crate::storage::vfs::Vfs;
use rayon::ThreadPool;
use std::sync::Arc;

/// What every segment of a database shares.
pub struct Shared {
    pub vfs: Arc<dyn Vfs>,
    pub pool: ThreadPool,
    pub memory: Arc<Memory>,
}

/// Where the rows of a segment are.
#[derive(Clone)]
pub enum Source {
    Growing(Arc<Rows>),
    Sealed(Arc<Sealed>),
}

/// One segment as a snapshot sees it. Cloning shares everything.
#[derive(Clone)]
pub struct SegmentView {
    pub source: Source,
    /// The number of the partition that its rows are in.
    pub partition: u64,
    pub live: Live,
    /// When its rows came and went, where times are kept.
    pub history: History,
    /// At most one a field.
    pub indexes: Vec<Arc<IndexFile>>,
}

impl SegmentView {
    /// A view of rows in memory, all of them live, that came at `time`; 0 for a time that nobody keeps.
    pub fn growing(rows: Rows, partition: u64, time: u64) -> SegmentView {
        let (live, history) = (Live::all(rows.len()), History::born(rows.len(), time));
        let source = Source::Growing(Arc::new(rows));
        SegmentView { source, partition, live, history, indexes: Vec::new() }
    }

    /// A view of a sealed segment without indexes.
    pub fn sealed(sealed: Arc<Sealed>, partition: u64, live: Live, history: History) -> SegmentView {
        SegmentView { source: Source::Sealed(sealed), partition, live, history, indexes: Vec::new() }
    }

    /// Marks the rows of `keys` as dead at `time` (0 for a time that nobody keeps); says how many were alive. `rows` are its
    /// own.
    pub fn delete(&mut self, rows: &Rows, keys: &[Key], time: u64) -> u64 {
        let mut found = Vec::new();
        for &key in keys {
            rows.find(key, &mut found);
        }
        found.retain(|&row| self.live.is_live(row as usize));
        // A key may be named twice.
        found.sort_unstable();
        found.dedup();
        self.live = self.live.without(&found);
        self.history.die(&found, time);
        found.len() as u64
    }

    /// The view of before: with the rows live that were so at `time`.
    pub fn as_of(&self, time: u64) -> SegmentView {
        SegmentView { live: self.history.as_of(&self.live, time), ..self.clone() }
    }

    /// As if rows were live that were so after `horizon`: those that must be kept.
    pub fn kept(&self, horizon: u64) -> SegmentView {
        SegmentView { live: self.history.kept(&self.live, horizon), ..self.clone() }
    }

    /// Live rows and history of `parts` as they are now, one after the other and renumbered: of each, those rows are left
    /// that are live in its `before`, and times up to `horizon` are forgotten.
    pub fn renumbered(parts: &[SegmentView], before: &[SegmentView], horizon: u64) -> (Live, History) {
        let pairs = || parts.iter().zip(before);
        let lives: Vec<Live> = pairs().map(|(now, kept)| now.live.renumbered(&kept.live)).collect();
        let histories: Vec<History> =
            pairs().map(|(now, kept)| now.history.renumbered(&kept.live, horizon)).collect();
        let lens = lives.iter().map(Live::len);
        (Live::concat(lives.iter()), History::concat(histories.iter().zip(lens)))
    }

    /// Rows, dead ones included.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows; those of a sealed segment are opened and verified at the first call.
    pub fn rows(&self) -> Result<Arc<Rows>> {
        match &self.source {
            Source::Growing(rows) => Ok(rows.clone()),
            Source::Sealed(sealed) => sealed.rows(),
        }
    }

    /// The rows, at no cost of memory: those of a sealed segment that is not open are the mapped columns of its file, which
    /// may lack fields that came later.
    pub fn stored(&self) -> Result<Arc<Rows>> {
        match &self.source {
            Source::Growing(rows) => Ok(rows.clone()),
            Source::Sealed(sealed) => sealed.stored(),
        }
    }

    /// The rows, if no file has to be opened for them.
    pub fn open_rows(&self) -> Option<Arc<Rows>> {
        match &self.source {
            Source::Growing(rows) => Some(rows.clone()),
            Source::Sealed(sealed) => sealed.loaded(),
        }
    }

    /// The sealed segment, if it is one.
    pub fn as_sealed(&self) -> Option<&Arc<Sealed>> {
        match &self.source {
            Source::Growing(_) => None,
            Source::Sealed(sealed) => Some(sealed),
        }
    }

    /// Drops what is open of the rows and the indexes; searches that run keep them until they are done.
    pub fn release(&self) {
        if let Source::Sealed(sealed) = &self.source {
            sealed.release();
        }
        self.indexes.iter().for_each(|index| index.release());
    }

    /// No manifest names the segment any more: its files go once the last search that uses them has ended.
    pub fn doom(&self) {
        if let Source::Sealed(sealed) = &self.source {
            sealed.doom();
        }
    }

    /// The index of that definition.
    pub fn index(&self, definition: u64) -> Option<&Arc<IndexFile>> {
        self.indexes.iter().find(|index| index.of().definition == definition)
    }

    /// Takes the index of that definition off; its file goes once the last search that uses it has ended.
    pub fn drop_index(&mut self, definition: u64) {
        let is_it = |index: &mut Arc<IndexFile>| index.of().definition == definition;
        self.indexes.extract_if(.., is_it).for_each(|index| index.doom());
    }

    /// The file of the index of vectors.
    pub fn vector_file(&self) -> Option<&Arc<IndexFile>> {
        self.indexes.iter().find(|index| index.of().spec.vector().is_some())
    }

    /// The files of indexes of scalar fields.
    pub fn scalar_files(&self) -> impl Iterator<Item = &Arc<IndexFile>> {
        self.indexes.iter().filter(|index| index.of().spec.vector().is_none())
    }

    /// The index of vectors, opened and verified at the first call.
    pub fn vector_index(&self) -> Result<Option<Arc<LoadedIndex>>> {
        self.vector_file().map(|index| index.get(&*self.rows()?)).transpose()
    }

    /// The index of the scalar field at place `at`, opened and verified at the first call.
    pub fn scalar_index(&self, at: usize) -> Result<Option<Arc<LoadedIndex>>> {
        self.scalar_files()
            .find(|index| index.of().at == at)
            .map(|index| index.get(&*self.rows()?))
            .transpose()
    }
}
