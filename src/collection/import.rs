//! Import: rows of files become sealed segments at once, past the log, and count by one commit of the manifest. Until
//! then nobody sees them; after an error, a cancellation or a crash nothing of them is left.
//!
//! The rows are as old as that commit: a delete that was acknowledged before it does not concern them, though its record
//! may still be in the log, which is what [`SegmentMeta::since`] says.

use crate::batch;
use crate::collection::build::Foreground;
use crate::collection::compact::job::COPIES;
use crate::collection::core::Core;
use crate::collection::seal::split;
use crate::collection::types::{ImportOptions, Progress};
use crate::database::meta::SegmentMeta;
use crate::error::{Code, Error, Result};
use crate::exchange::{self, Source};
use crate::index::Pace;
use crate::schema::{DataType, Schema};
use crate::segment::{History, Live, Rows, Sealed, SegmentView};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::sync::Arc;

/// Most bytes of a segment's rows, which are in memory until they are written. Compaction merges them later.
const SEGMENT_BYTES: u64 = 256 << 20;
/// Part of the memory limit that such rows may take, before their copies.
const MEMORY_SHARE: u64 = 8;

/// A segment that no manifest names yet.
struct Written {
    sealed: Arc<Sealed>,
    partition: u64,
    rows: usize,
}

/// Rows on their way in, and what has been written of them.
struct Import<'a> {
    core: &'a Core,
    /// As it was at the start.
    schema: Arc<Schema>,
    /// The partition that all rows go to; `None` where the partition key decides.
    target: Option<u64>,
    segment_bytes: u64,
    pending: Vec<SegmentView>,
    /// Of the pending rows.
    bytes: u64,
    written: Vec<Written>,
}

impl Core {
    pub fn import(&self, paths: &[&Path], options: &ImportOptions) -> Result<u64> {
        let _writing = self.writing()?;
        // A partition that is not there is said before any file is looked at.
        self.target(options.partition)?;
        if paths.is_empty() {
            return Err(Error::new(Code::MissingParameter, "there is no file to import"));
        }
        let open = |path: &&Path| {
            let source = exchange::open(&self.store.shared.vfs, &self.schema, path);
            let name = path.display().to_string();
            source.map_err(|e| e.within(&name)).map(|source| (name, source))
        };
        let mut sources = paths.iter().map(open).collect::<Result<Vec<_>>>()?;
        self.import_from(&mut sources, options)
    }

    /// Imports what the named sources give; says how many rows.
    pub fn import_from(
        &self,
        sources: &mut [(String, Box<dyn Source + '_>)],
        options: &ImportOptions,
    ) -> Result<u64> {
        let _writing = self.writing()?;
        let mut import = Import {
            core: self,
            schema: self.schema.clone(),
            target: self.target(options.partition)?,
            segment_bytes: self.import_segment_bytes(),
            pending: Vec::new(),
            bytes: 0,
            written: Vec::new(),
        };
        let outcome = import.read_all(sources, options.progress).and_then(|()| import.commit());
        if let Err(error) = &outcome {
            // In doubt about which manifest is in force, its files must stay.
            if error.code() != Code::Poisoned {
                import.written.iter().for_each(|written| written.sealed.doom());
            }
            drop(import);
            if self.with_meta(|_| ()).is_err() {
                // It was dropped; its directory may have come back with a segment's.
                let _ = self.store.shared.vfs.remove_dir_all(&self.dir);
            }
        }
        outcome.map_err(|error| self.check_open().err().unwrap_or(error))
    }

    fn import_segment_bytes(&self) -> u64 {
        let share = self.store.shared.memory.limit().map_or(u64::MAX, |limit| limit / MEMORY_SHARE);
        self.store.options.segment_bytes().min(SEGMENT_BYTES).min(share).max(1)
    }
}

impl Import<'_> {
    fn read_all(
        &mut self,
        sources: &mut [(String, Box<dyn Source + '_>)],
        progress: Option<Progress>,
    ) -> Result<()> {
        let total = sources.iter().map(|(_, source)| source.total()).sum();
        let mut before = 0;
        let core = self.core;
        let pace = |before| Foreground { core, progress, before, total, what: "import" };
        for (name, source) in sources {
            let pace = pace(before);
            pace.checkpoint(0, total)?;
            let mut row = 0;
            while let Some(columns) = source.next().map_err(|e| e.within(&*name))? {
                if columns.num_rows() > 0 {
                    self.add(&columns, row, name)?;
                }
                row += columns.num_rows() as u64;
                pace.checkpoint(source.done(), total)?;
            }
            before += source.total();
        }
        self.write_pending()?;
        pace(before).checkpoint(0, total)
    }

    /// Checks rows, the first of which is row `first` of its file.
    fn add(&mut self, columns: &RecordBatch, first: u64, name: &str) -> Result<()> {
        let (core, schema) = (self.core, self.schema.clone());
        let rows = batch::imported(&schema, columns, |count| core.make_ids(count));
        let rows = rows.map_err(|error| at_row(&schema, columns, first, error).within(name))?;
        let bytes = batch::bytes(&schema, &rows).max(1);
        // A batch may be larger than a segment.
        let share = u128::from(self.segment_bytes) * rows.num_rows() as u128 / u128::from(bytes);
        let step = (share as usize).clamp(1, rows.num_rows());
        for start in (0..rows.num_rows()).step_by(step) {
            let part = rows.slice(start, step.min(rows.num_rows() - start));
            let bytes = batch::bytes(&schema, &part);
            if self.bytes + bytes > self.segment_bytes {
                self.write_pending()?;
            }
            let mut memory = core.store.shared.memory.reserve(bytes, "importing")?;
            for part in core.parts(part, self.target)? {
                let memory = memory.split(batch::bytes(&schema, &part.rows));
                let rows = Rows::new(&schema, part.rows, Some(memory));
                // Their time is that of the commit.
                self.pending.push(SegmentView::growing(rows, part.partition, 0));
            }
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Writes the pending rows as segments that no manifest names yet.
    fn write_pending(&mut self) -> Result<()> {
        let (core, mut pending) = (self.core, std::mem::take(&mut self.pending));
        pending.sort_by_key(|chunk| chunk.partition);
        let shared = &core.store.shared;
        let bytes = std::mem::take(&mut self.bytes);
        let _memory = shared.memory.reserve(bytes.saturating_mul(COPIES), "importing")?;
        for chunks in split(&pending) {
            let rows = chunks.iter().map(SegmentView::len).sum();
            let id = core.store.take_id();
            let sealed = Arc::new(Sealed::new(shared.clone(), self.schema.clone(), &core.dir, id, rows));
            self.written.push(Written { sealed: sealed.clone(), partition: chunks[0].partition, rows });
            sealed.write(&chunks, &mut || core.check_open())?;
            // Reads it back: what cannot be read must not count.
            sealed.stored()?;
        }
        Ok(())
    }

    /// Makes all of it count. Deletes are in the log before the rows or after them: the writer waits meanwhile.
    fn commit(&self) -> Result<u64> {
        let core = self.core;
        let total = self.written.iter().map(|written| written.rows as u64).sum();
        if self.written.is_empty() {
            return Ok(0);
        }
        let root = Sealed::root_of(&core.dir);
        let io = |e| Error::io(format!("cannot sync {}", root.display()), e);
        core.store.shared.vfs.sync_dir(&root).map_err(io)?;
        let _maintenance = core.maintenance.lock();
        let mut writer = core.writer.lock();
        core.check_open()?;
        // A number that the log gave must not be given again after a power cut.
        writer.sync()?;
        let since = writer.wal()?.next_sequence();
        let time = core.store.stamp();
        let state = |written: &Written| (Live::all(written.rows), History::born(written.rows, time));
        for written in &self.written {
            let (live, history) = state(written);
            written.sealed.save_first(&live, &history)?;
        }
        core.commit(|meta| {
            let is_there = |id| meta.partitions.iter().any(|partition| partition.id == id);
            if self.target.is_some_and(|id| !is_there(id)) {
                return Err(Error::new(
                    Code::PartitionNotFound,
                    "the partition was dropped during the import",
                ));
            }
            meta.time = meta.time.max(time);
            meta.segments.extend(self.written.iter().map(|written| {
                let (live, history) = state(written);
                SegmentMeta::new(written.sealed.id(), written.partition, &live, &history, since)
            }));
            Ok(())
        })?;
        writer.time = writer.time.max(time);
        writer.sealed.extend(self.written.iter().map(|written| {
            let (live, history) = state(written);
            SegmentView::sealed(written.sealed.clone(), written.partition, live, history)
        }));
        // Fields that came meanwhile are filled in.
        core.show_rows(&writer);
        drop(writer);
        core.store.notify_worker();
        Ok(total)
    }
}

/// The error of the first row that is refused by itself, with that row's number; else the whole batch's, if it is not about
/// a column that should not be there or is missing.
fn at_row(schema: &Schema, columns: &RecordBatch, first: u64, error: Error) -> Error {
    if matches!(error.code(), Code::FieldNotFound | Code::MissingParameter) {
        return error;
    }
    let check = |row| {
        let no_ids = |count| {
            Ok(match schema.primary().data_type {
                DataType::VarChar => Arc::new(StringArray::from(vec!["0"; count])) as ArrayRef,
                _ => Arc::new(Int64Array::from(vec![0; count])),
            })
        };
        batch::imported(schema, &columns.slice(row, 1), no_ids).err().map(|error| (row as u64, error))
    };
    match (0..columns.num_rows()).find_map(check) {
        Some((row, error)) => error.within(format!("row {}", first + row)),
        None => error.within(format!("rows {first} to {}", first + columns.num_rows() as u64 - 1)),
    }
}
