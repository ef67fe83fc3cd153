//! Sealing: growing rows become segments in files, deletes become bitmaps in files, and the log begins anew.
//!
//! The log is rotated and the growing rows are frozen under the writer's lock; the files are written without it, while
//! writers and searches go on. One commit of the manifest then makes the files count, and the old log superfluous.

use crate::batch;
use crate::collection::core::{Core, Snapshot, Writer};
use crate::database::meta::SegmentMeta;
use crate::error::{Code, Error, Result};
use crate::segment::{IndexFile, Live, Sealed, SegmentView, Source};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Most rows of a segment: indexes number them with 32 bits.
pub const MAX_ROWS: usize = (1 << 31) - 1;
/// Most bytes of one text column of a segment: Arrow counts them with 31 bits.
pub const MAX_TEXT: u64 = 1 << 30;

/// What is being sealed.
struct Frozen {
    state: Snapshot,
    /// The growing rows as if those were live that must be kept: an earlier state may still be asked for.
    kept: Vec<SegmentView>,
    /// What was dead by then goes.
    horizon: u64,
    /// The log file after those that are no longer needed.
    wal_first: u64,
}

/// What the manifest will say, and the files behind it.
#[derive(Default)]
struct Written {
    segments: Vec<(Arc<Sealed>, SegmentMeta)>,
    deletes: Vec<Deletes>,
    /// Segments without a row that must be kept.
    gone: BTreeSet<u64>,
}

/// The deletes of a sealed segment that were written.
struct Deletes {
    segment: u64,
    dead: u64,
    /// The generation of the files.
    generation: u64,
    has_history: bool,
}

impl Core {
    /// Seals all growing rows and deletes.
    pub fn flush(&self) -> Result<()> {
        let _writing = self.writing()?;
        let _maintenance = self.maintenance.lock();
        self.seal()
    }

    /// Seals if the log is as long as a segment may be. A failure is told to whoever flushes next: the rows are safe in
    /// the log, and the insert that came by here has succeeded.
    pub fn seal_if_full(&self) {
        let Ok(_writing) = self.writing() else { return };
        let _maintenance = self.maintenance.lock();
        let is_full = |writer: &Writer| writer.logged >= writer.seal_at;
        if !is_full(&self.writer.lock()) {
            return; // another thread has done it meanwhile
        }
        if self.seal().is_err() {
            let mut writer = self.writer.lock();
            writer.seal_at = writer.logged + self.store.options.segment_bytes() / 8;
        }
    }

    /// The caller holds `maintenance`.
    pub fn seal(&self) -> Result<()> {
        let Some(frozen) = self.freeze()? else { return Ok(()) };
        let mut written = Written::default();
        let committed =
            self.write_files(&frozen, &mut written).and_then(|()| self.commit_seal(&frozen, &written));
        let mut writer = self.writer.lock();
        let result = match committed {
            Ok(old_files) => {
                self.swap(&mut writer, &frozen, &written);
                drop(writer);
                self.remove_files(&old_files);
                Ok(())
            }
            Err(error) => {
                writer.growing.thaw();
                drop(writer);
                // In doubt about which manifest is in force, its files must stay.
                if error.code() != Code::Poisoned {
                    written.segments.iter().for_each(|(sealed, _)| sealed.doom());
                }
                Err(error)
            }
        };
        self.store.notify_worker();
        result
    }

    /// Begins a new log file and freezes the growing rows; `None` if there is nothing to seal.
    fn freeze(&self) -> Result<Option<Frozen>> {
        let mut writer = self.writer.lock();
        writer.wal()?;
        let saved = self.with_meta(|meta| meta.segments.iter().map(|s| s.dead).sum::<u64>())?;
        let dead: u64 = writer.sealed.iter().map(|view| view.live.dead() as u64).sum();
        if writer.growing.chunks().is_empty() && dead == saved && !writer.log_is_stale {
            return Ok(None);
        }
        let wal_first = writer.wal()?.rotate()?;
        writer.growing.freeze();
        let (state, horizon) = (writer.snapshot(), self.store.horizon());
        let kept = state.growing.iter().map(|chunk| chunk.kept(horizon)).collect();
        Ok(Some(Frozen { state, kept, horizon, wal_first }))
    }

    fn write_files(&self, frozen: &Frozen, written: &mut Written) -> Result<()> {
        let shared = &self.store.shared;
        let mut frozen_chunks = &frozen.state.growing[..];
        for chunks in split(&frozen.kept) {
            let (now, rest) = frozen_chunks.split_at(chunks.len());
            frozen_chunks = rest;
            let (live, history) = SegmentView::renumbered(now, &chunks, frozen.horizon);
            if !live.is_empty() {
                let id = self.store.take_id();
                let sealed = Sealed::new(shared.clone(), self.schema.clone(), &self.dir, id, live.len());
                let sealed = Arc::new(sealed);
                let meta = SegmentMeta::new(id, chunks[0].partition, &live, &history, 0);
                written.segments.push((sealed.clone(), meta));
                sealed.write(&chunks, &mut || Ok(()))?;
                sealed.save_first(&live, &history)?;
                // Reads it back: what cannot be read must not replace the log.
                sealed.stored()?;
            }
        }
        let metas = self.with_meta(|meta| meta.segments.clone())?;
        for view in &frozen.state.sealed {
            let Some(sealed) = view.as_sealed() else { continue };
            let Some(meta) = metas.iter().find(|meta| meta.id == sealed.id()) else { continue };
            let dead = view.live.dead() as u64;
            if view.live.count() + view.history.kept_dead(frozen.horizon) == 0 {
                written.gone.insert(meta.id);
            } else if dead != meta.dead {
                let generation = meta.deletes.max(meta.history) + 1;
                sealed.save_live(&view.live, generation)?;
                let history = view.history.renumbered(&Live::all(view.len()), frozen.horizon);
                let has_history = !history.is_empty();
                if has_history {
                    sealed.save_history(&history, generation)?;
                }
                written.deletes.push(Deletes { segment: meta.id, dead, generation, has_history });
            }
        }
        if !written.segments.is_empty() {
            let root = Sealed::root_of(&self.dir);
            let io = |e| Error::io(format!("cannot sync {}", root.display()), e);
            shared.vfs.sync_dir(&root).map_err(io)?;
        }
        Ok(())
    }

    /// Gives the files that no manifest names any more.
    fn commit_seal(&self, frozen: &Frozen, written: &Written) -> Result<Vec<PathBuf>> {
        self.commit(|meta| {
            let mut old_files = Vec::new();
            for new in &written.deletes {
                if let Some(segment) = meta.segment_mut(new.segment) {
                    let dir = Sealed::dir_of(&self.dir, segment.id);
                    let before = files_of(segment);
                    segment.dead = new.dead;
                    segment.deletes = new.generation;
                    segment.history = if new.has_history { new.generation } else { 0 };
                    let now = files_of(segment);
                    old_files
                        .extend(before.iter().filter(|name| !now.contains(name)).map(|name| dir.join(name)));
                }
            }
            meta.segments.retain(|segment| !written.gone.contains(&segment.id));
            meta.segments.extend(written.segments.iter().map(|(_, segment)| segment.clone()));
            meta.wal_first = frozen.wal_first;
            meta.forget(frozen.horizon);
            Ok(old_files)
        })
    }

    /// Puts the new segments in the place of the frozen rows, with the deletes that came meanwhile.
    fn swap(&self, writer: &mut Writer, frozen: &Frozen, written: &Written) {
        let now = writer.growing.remove_frozen();
        for gone in writer.remove_sealed(&written.gone) {
            gone.doom();
        }
        let mut now = &now[..];
        let mut segments = written.segments.iter();
        for before in split(&frozen.kept) {
            let (chunks, rest) = now.split_at(before.len());
            now = rest;
            let (live, history) = SegmentView::renumbered(chunks, &before, frozen.horizon);
            if !live.is_empty()
                && let Some((sealed, segment)) = segments.next()
            {
                writer.sealed.push(SegmentView::sealed(sealed.clone(), segment.partition, live, history));
            }
        }
        writer.forget(frozen.horizon);
        writer.logged = 0;
        writer.log_is_stale = false;
        writer.seal_at = self.store.options.segment_bytes();
        if let Ok(wal) = writer.wal() {
            wal.remove_before(frozen.wal_first);
        }
        self.publish(writer);
    }
}

/// Groups of chunks of one partition that fit into one segment each.
pub fn split(chunks: &[SegmentView]) -> Vec<Vec<SegmentView>> {
    let mut groups: Vec<Vec<SegmentView>> = Vec::new();
    let (mut rows, mut texts) = (0, 0);
    for chunk in chunks {
        let (more_rows, more_texts) = (chunk.len(), most_text(chunk));
        let fits = rows + more_rows <= MAX_ROWS && texts + more_texts <= MAX_TEXT;
        match groups.last_mut().filter(|group| fits && group[0].partition == chunk.partition) {
            Some(group) => {
                group.push(chunk.clone());
                (rows, texts) = (rows + more_rows, texts + more_texts);
            }
            None => {
                groups.push(vec![chunk.clone()]);
                (rows, texts) = (more_rows, more_texts);
            }
        }
    }
    groups
}

/// Bytes of the longest text column.
fn most_text(chunk: &SegmentView) -> u64 {
    match &chunk.source {
        Source::Growing(rows) => rows.batch().columns().iter().map(batch::variable_bytes).max().unwrap_or(0),
        Source::Sealed(_) => 0,
    }
}

/// The files that belong into the directory of a segment.
pub fn files_of(segment: &SegmentMeta) -> Vec<String> {
    let mut names = vec![Sealed::data_name().to_owned()];
    if segment.deletes > 0 {
        names.push(Sealed::live_name(segment.deletes));
    }
    if segment.history > 0 {
        names.push(Sealed::history_name(segment.history));
    }
    names.extend(segment.indexes.iter().map(|index| IndexFile::name(index.file)));
    names
}
