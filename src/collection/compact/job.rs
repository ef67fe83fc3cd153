//! One compaction: the merged segment and its indexes are written beside the sources, then one commit exchanges them.

use crate::collection::build::{Background, Built, Foreground, discard};
use crate::collection::core::{Core, Snapshot};
use crate::collection::definitions::Definitions;
use crate::collection::policy::Size;
use crate::collection::types::Progress;
use crate::database::meta::SegmentMeta;
use crate::error::{Code, Error, Result};
use crate::index::Pace;
use crate::schema::Schema;
use crate::segment::{History, Live, Sealed, SegmentView};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a compaction that waits for a lock looks whether it is still wanted.
pub const SLICE: Duration = Duration::from_millis(50);
/// How often a copy asks whether it may go on.
const ASK: Duration = Duration::from_millis(5);
/// Copies of the rows that are in memory while they are written: the columns, and their form in the file.
pub const COPIES: u64 = 2;

/// Who wants a compaction.
pub enum Manner<'a> {
    Foreground { progress: Option<Progress<'a>>, total: u64 },
    Background,
}

/// Segments of one partition that become one.
pub struct Job {
    /// As they were when it started, as if those rows were live that must be kept.
    sources: Vec<SegmentView>,
    pub ids: BTreeSet<u64>,
    /// Those rows.
    pub rows: usize,
    /// What was dead by then goes: no earlier state can be asked for.
    horizon: u64,
}

/// What a compaction has written.
struct Merged {
    view: SegmentView,
    sealed: Arc<Sealed>,
}

impl Core {
    pub fn compact_job(&self, job: &Job, manner: &Manner, before: u64) -> Result<()> {
        let wanted = || self.compaction.waiting.load(Ordering::SeqCst) == 0;
        let background = Background { core: self, wanted: &wanted };
        let foreground;
        let pace: &dyn Pace = match *manner {
            Manner::Background => &background,
            Manner::Foreground { progress, total } => {
                foreground = Foreground { core: self, progress, before, total, what: "compaction" };
                &foreground
            }
        };
        let mut merged = None;
        let outcome =
            self.merge(job, pace, &mut merged).and_then(|()| self.replace(job, merged.as_mut(), pace));
        if let (Err(error), Some(merged)) = (&outcome, &merged) {
            // In doubt about which manifest is in force, its files must stay.
            if error.code() != Code::Poisoned {
                merged.sealed.doom();
            }
        }
        drop(merged);
        if outcome.is_err() && self.with_meta(|_| ()).is_err() {
            // It was dropped, for certain: a drop that is under way may fail. Its directory may have come back with the
            // segment's.
            let _ = self.store.shared.vfs.remove_dir_all(&self.dir);
        }
        outcome.map_err(|error| self.check_open().err().unwrap_or(error))
    }

    /// Writes the rows of the sources that must be kept; `merged` stays `None` if there are none.
    fn merge(&self, job: &Job, pace: &dyn Pace, merged: &mut Option<Merged>) -> Result<()> {
        pace.checkpoint(0, job.rows as u64)?;
        if job.rows == 0 {
            return Ok(());
        }
        let shared = &self.store.shared;
        let _memory = shared.memory.reserve(job.live_bytes().saturating_mul(COPIES), "compacting")?;
        let id = self.store.take_id();
        let sealed = Sealed::new(shared.clone(), job.schema(&self.schema), &self.dir, id, job.rows);
        let sealed = Arc::new(sealed);
        let (live, history) = (Live::all(job.rows), History::default());
        let view = SegmentView::sealed(sealed.clone(), job.partition(), live, history);
        *merged = Some(Merged { view, sealed: sealed.clone() });
        let mut asked = Instant::now();
        sealed.write(&job.sources, &mut || {
            if asked.elapsed() >= ASK {
                asked = Instant::now();
                pace.checkpoint(0, job.rows as u64)?;
                asked = Instant::now();
            }
            Ok(())
        })?;
        let root = Sealed::root_of(&self.dir);
        let io = |e| Error::io(format!("cannot sync {}", root.display()), e);
        shared.vfs.sync_dir(&root).map_err(io)?;
        // Reads it back: what cannot be read must not replace the old.
        sealed.stored().map(drop)
    }

    /// Builds the indexes of what was merged, and puts it in the place of the sources.
    fn replace(&self, job: &Job, mut merged: Option<&mut Merged>, pace: &dyn Pace) -> Result<()> {
        loop {
            let definitions = self.snapshot.load().definitions.clone();
            let built = match &merged {
                Some(merged) => {
                    // Fields may have been added since it was written, and have an index among these.
                    merged.sealed.change(&self.schema);
                    self.index_merged(job, merged, &definitions, pace)?
                }
                None => Vec::new(),
            };
            let _definitions = loop {
                if let Some(definitions) = self.definitions.try_lock_for(SLICE) {
                    break definitions;
                }
                if let Err(error) = pace.checkpoint(job.rows as u64, job.rows as u64) {
                    discard(&built);
                    return Err(error);
                }
            };
            let _maintenance = self.maintenance.lock();
            if self.snapshot.load().definitions.are(&definitions) {
                let committed = self.commit_merged(job, merged.as_deref_mut(), &built);
                match &committed {
                    Ok(true) => {}
                    Err(error) if error.code() == Code::Poisoned => {}
                    _ => discard(&built),
                }
                if let (Ok(false), Some(merged)) = (&committed, &merged) {
                    merged.sealed.doom();
                }
                return committed.map(drop);
            }
            // An index was created, replaced or dropped meanwhile.
            discard(&built);
        }
    }

    /// The indexes of what was merged: an index serves until its successor is there, so a failure ends the compaction,
    /// unless none of the sources had one.
    fn index_merged(
        &self,
        job: &Job,
        merged: &Merged,
        definitions: &Definitions,
        pace: &dyn Pace,
    ) -> Result<Vec<Built>> {
        let mut built = Vec::new();
        for definition in definitions.iter() {
            let had_index = job.sources.iter().any(|view| view.index(definition.id).is_some());
            let is_hopeless = !had_index && self.has_failed(definition.id);
            if !self.needs_index(&merged.view, definition) || is_hopeless {
                continue;
            }
            match self.build(definition, &merged.view, pace) {
                Ok(made) => built.extend(made),
                Err(error) if !had_index && !matches!(error.code(), Code::Canceled | Code::Closed) => {
                    self.build_failures.lock().insert(definition.id, error);
                }
                Err(error) => {
                    discard(&built);
                    return Err(error);
                }
            }
        }
        Ok(built)
    }

    /// One commit: the old out, the new in; `false` if one of the old is gone already. The caller holds `definitions`
    /// and `maintenance`, so that no seal and no other definition comes between.
    fn commit_merged(&self, job: &Job, merged: Option<&mut Merged>, built: &[Built]) -> Result<bool> {
        self.check_open()?;
        if let Some(merged) = &merged {
            // A field may have been added since it was indexed.
            merged.sealed.change(&self.schema);
        }
        let known: BTreeSet<u64> = self.with_meta(|meta| meta.segments.iter().map(|s| s.id).collect())?;
        if !job.ids.is_subset(&known) {
            return Ok(false);
        }
        // What removed the dead rows must be as durable as their removal, and so must all that was logged before.
        let mut writer = self.writer.lock();
        writer.sync()?;
        let (live, history) = job.live_now(&writer.sealed);
        drop(writer);
        if let Some(merged) = &merged {
            merged.sealed.save_first(&live, &history)?;
        }
        self.commit(|meta| {
            let at = meta.segments.iter().position(|s| job.ids.contains(&s.id)).unwrap_or(0);
            let sources = meta.segments.iter().filter(|s| job.ids.contains(&s.id));
            // What was deleted before the newest of the sources came is no longer in the merged rows.
            let since = sources.map(|s| s.since).max().unwrap_or(0);
            meta.segments.retain(|segment| !job.ids.contains(&segment.id));
            let counters = &mut meta.compaction;
            counters.completed += 1;
            counters.segments += job.ids.len() as u64;
            counters.dropped_rows += job.sources.iter().map(|view| view.live.dead() as u64).sum::<u64>();
            counters.bytes_read += job.sealed().map(|sealed| sealed.file_bytes()).sum::<u64>();
            if let Some(merged) = &merged {
                let indexes = built.iter().map(|built| built.file.file_bytes()).sum::<u64>();
                counters.bytes_written += merged.sealed.file_bytes() + indexes;
                let new = SegmentMeta::new(merged.sealed.id(), job.partition(), &live, &history, since);
                let indexes = built.iter().map(Built::meta).collect();
                meta.segments.insert(at, SegmentMeta { indexes, ..new });
            }
            meta.forget(job.horizon);
            Ok(())
        })?;
        let mut writer = self.writer.lock();
        let (live, history) = job.live_now(&writer.sealed);
        let at = writer.sealed.iter().position(|view| job.has(view)).unwrap_or(0);
        let gone = writer.remove_sealed(&job.ids);
        if let Some(merged) = merged {
            (merged.view.live, merged.view.history) = (live, history);
            merged.view.indexes = built.iter().map(|built| built.file.clone()).collect();
            writer.sealed.insert(at, merged.view.clone());
        }
        writer.forget(job.horizon);
        self.publish(&writer);
        gone.iter().for_each(SegmentView::doom);
        Ok(true)
    }
}

impl Job {
    /// Those of `ids` that are there, in the order of the snapshot.
    pub fn new(snapshot: &Snapshot, ids: &[u64], horizon: u64) -> Job {
        let ids: BTreeSet<u64> = ids.iter().copied().collect();
        let is_among = |view: &&SegmentView| view.as_sealed().is_some_and(|s| ids.contains(&s.id()));
        let sources = snapshot.sealed.iter().filter(is_among).map(|view| view.kept(horizon));
        let sources: Vec<SegmentView> = sources.collect();
        let rows = sources.iter().map(|view| view.live.count()).sum();
        let ids = sources.iter().filter_map(|view| Some(view.as_sealed()?.id())).collect();
        Job { sources, ids, rows, horizon }
    }

    /// That of all its sources.
    fn partition(&self) -> u64 {
        self.sources.first().map_or(0, |view| view.partition)
    }

    fn has(&self, view: &SegmentView) -> bool {
        view.as_sealed().is_some_and(|sealed| self.ids.contains(&sealed.id()))
    }

    fn sealed(&self) -> impl Iterator<Item = &Arc<Sealed>> {
        self.sources.iter().filter_map(SegmentView::as_sealed)
    }

    /// The fields that all sources have: one that is no longer in the collection does not get those that are added.
    fn schema(&self, newest: &Arc<Schema>) -> Arc<Schema> {
        let schemas = self.sealed().map(|sealed| sealed.schema());
        schemas.min_by_key(|schema| schema.fields().len()).unwrap_or_else(|| newest.clone())
    }

    fn live_bytes(&self) -> u64 {
        // What must be kept counts as live in them already.
        self.sealed().zip(&self.sources).map(|(sealed, view)| size_of(sealed, view, u64::MAX).bytes).sum()
    }

    /// Which of the merged rows are still live, those of the sources that no delete has come for since, and when they
    /// came and went.
    fn live_now(&self, sealed: &[SegmentView]) -> (Live, History) {
        let now: Vec<SegmentView> = sealed.iter().filter(|view| self.has(view)).cloned().collect();
        SegmentView::renumbered(&now, &self.sources, self.horizon)
    }
}

/// With the rows as live ones that an earlier state after `horizon` has.
pub fn size_of(sealed: &Sealed, view: &SegmentView, horizon: u64) -> Size {
    let kept_dead = view.history.kept_dead(horizon);
    let (rows, len) = ((view.live.count() + kept_dead) as u64, view.len().max(1) as u64);
    let bytes = u128::from(sealed.file_bytes()) * u128::from(rows) / u128::from(len);
    Size { bytes: bytes as u64, rows, dead_rows: (view.live.dead() - kept_dead) as u64 }
}
