//! Compaction: sealed segments become one without their dead rows, and space is given back.
//!
//! The merged segment and its index are written beside the old ones, which serve meanwhile; writers and searches go on.
//! One commit of the manifest then takes the old out and the new in, with the deletes that came in between.

pub mod job;
pub mod status;

use crate::collection::core::Core;
use crate::collection::policy::{self, Limits, Size};
use crate::collection::seal::{MAX_ROWS, MAX_TEXT};
use crate::collection::types::{CompactionState, Progress};
use crate::error::{Code, Error, Result};
use crate::schema::DataType;
use job::{COPIES, Job, Manner, SLICE, size_of};
use parking_lot::MutexGuard;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a background compaction waits after one that failed.
const RETRY: Duration = Duration::from_secs(60);
/// Of the memory limit, a merge in the background takes at most one of so many parts.
const MEMORY_SHARE: u64 = 4;

impl Core {
    /// Compacts all there is to: see [`policy::all`].
    pub fn compact(&self, wait: bool, progress: Option<Progress>) -> Result<()> {
        let _writing = self.writing()?;
        self.flush()?;
        if !wait {
            self.compaction.status.lock().requested = true;
            self.store.notify_worker();
            return Ok(());
        }
        self.compaction.waiting.fetch_add(1, Ordering::SeqCst);
        let turn = self.take_turn();
        self.compaction.waiting.fetch_sub(1, Ordering::SeqCst);
        let _turn = turn?;
        let (groups, _executing) = self.compaction.begin(false, || self.groups());
        let total = groups.iter().map(|ids| self.job(ids).rows as u64).sum();
        self.compact_groups(&groups, &Manner::Foreground { progress, total })
    }

    pub fn compaction_state(&self) -> Result<CompactionState> {
        self.check_open()?;
        let completed_plans = self.with_meta(|meta| meta.compaction.completed)?;
        let status = self.compaction.status.lock();
        Ok(CompactionState {
            is_executing: status.requested || status.executing > 0,
            executing_plans: status.executing,
            completed_plans,
            failed_plans: status.failed,
            fail_reason: status.failure.as_ref().map_or(String::new(), |error| error.message().to_owned()),
        })
    }

    fn take_turn(&self) -> Result<MutexGuard<'_, ()>> {
        loop {
            if let Some(turn) = self.compaction.turn.try_lock_for(SLICE) {
                return Ok(turn);
            }
            self.check_open()?;
        }
    }

    /// Does what a call has asked for or the policy says is due; says whether there was something to do.
    pub fn compact_due(&self) -> bool {
        let (requested, may_try) = {
            let status = self.compaction.status.lock();
            (status.requested, status.retry_at.is_none_or(|at| Instant::now() >= at))
        };
        let _writing = match self.writing() {
            Ok(writing) => writing,
            Err(error) => {
                if requested {
                    self.compaction_failed(error);
                }
                return false;
            }
        };
        let is_wanted = requested || (self.store.options.auto_compaction && may_try);
        if !is_wanted {
            return false;
        }
        let Some(_turn) = self.compaction.turn.try_lock() else { return false };
        let find = || if requested { self.groups() } else { self.next_group().into_iter().collect() };
        let (groups, _executing) = self.compaction.begin(requested, find);
        match self.compact_groups(&groups, &Manner::Background) {
            Ok(()) => !groups.is_empty(),
            Err(error) if error.code() == Code::Canceled => {
                // A call that waits does the same, unless it fails or is canceled.
                self.compaction.status.lock().requested |= requested;
                false
            }
            Err(error) if error.code() == Code::Closed => false,
            Err(error) => {
                self.compaction_failed(error);
                false
            }
        }
    }

    /// Keeps the failure of a compaction in the background.
    pub fn compaction_failed(&self, error: Error) {
        let mut status = self.compaction.status.lock();
        status.requested = false;
        status.failure = Some(error);
        status.retry_at = Some(Instant::now() + RETRY);
    }

    fn compact_groups(&self, groups: &[Vec<u64>], manner: &Manner) -> Result<()> {
        let mut before = 0;
        for ids in groups {
            let job = self.job(ids);
            // One of them may be gone: all its rows were deleted, and a flush came by.
            if job.ids.len() == ids.len()
                && let Err(error) = self.compact_job(&job, manner, before)
            {
                if !matches!(error.code(), Code::Canceled | Code::Closed) {
                    self.compaction.status.lock().failed += 1;
                }
                return Err(error);
            }
            before += job.rows as u64;
        }
        let mut status = self.compaction.status.lock();
        (status.failure, status.retry_at) = (None, None);
        Ok(())
    }

    fn job(&self, ids: &[u64]) -> Job {
        Job::new(&self.snapshot.load(), ids, self.store.horizon())
    }

    /// All groups of segments that can be compacted, by their numbers.
    fn groups(&self) -> Vec<Vec<u64>> {
        let mut groups = Vec::new();
        for segments in self.sizes().into_values() {
            let (ids, sizes): (Vec<u64>, Vec<Size>) = segments.into_iter().unzip();
            let places = policy::all(&sizes, self.limits(u64::MAX));
            groups.extend(places.iter().map(|group| group.iter().map(|&place| ids[place]).collect()));
        }
        groups
    }

    /// The next group that is due.
    fn next_group(&self) -> Option<Vec<u64>> {
        let share = self.store.shared.memory.limit().map_or(u64::MAX, |limit| limit / MEMORY_SHARE / COPIES);
        self.sizes().into_values().find_map(|segments| {
            let (ids, sizes): (Vec<u64>, Vec<Size>) = segments.into_iter().unzip();
            let places = policy::due(&sizes, self.limits(share))?;
            Some(places.iter().map(|&place| ids[place]).collect())
        })
    }

    fn limits(&self, bytes: u64) -> Limits {
        let mut bytes = bytes.min(self.store.options.segment_bytes());
        let is_text = |data_type| matches!(data_type, DataType::VarChar | DataType::Json | DataType::Array);
        if self.schema.fields().iter().any(|field| is_text(field.data_type)) {
            bytes = bytes.min(MAX_TEXT);
        }
        Limits { bytes, rows: MAX_ROWS as u64 }
    }

    /// The sealed segments of each partition: what is merged stays inside one.
    fn sizes(&self) -> BTreeMap<u64, Vec<(u64, Size)>> {
        let mut sizes: BTreeMap<u64, Vec<(u64, Size)>> = BTreeMap::new();
        let horizon = self.store.horizon();
        for view in &self.snapshot.load().sealed {
            if let Some(sealed) = view.as_sealed() {
                sizes.entry(view.partition).or_default().push((sealed.id(), size_of(sealed, view, horizon)));
            }
        }
        sizes
    }
}
