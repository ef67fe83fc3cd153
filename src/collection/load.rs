//! Loading and releasing: opening files before the first search has to, and giving memory back.

use crate::collection::core::{Core, Snapshot};
use crate::collection::partitions::Chosen;
use crate::collection::types::{LoadProgress, LoadState};
use crate::error::Result;
use crate::segment::SegmentView;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A call of load that runs, until it is dropped.
struct Loading<'a>(&'a AtomicUsize);

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Loads by `load`; where that fails, the rows and indexes of the snapshot that were not open before are not after.
pub fn all_or_none<T>(snapshot: &Snapshot, load: impl FnOnce() -> Result<T>) -> Result<T> {
    let rows = snapshot.sealed.iter().filter_map(SegmentView::as_sealed);
    let closed_rows: Vec<_> = rows.filter(|sealed| sealed.loaded().is_none()).collect();
    let indexes = snapshot.sealed.iter().flat_map(|view| &view.indexes);
    let closed: Vec<_> = indexes.filter(|index| !index.is_loaded()).collect();
    load().inspect_err(|_| {
        closed.iter().for_each(|index| index.release());
        closed_rows.iter().for_each(|sealed| sealed.release());
    })
}

impl Core {
    /// Opens and verifies every file; partitions that are created from now on come in loaded, too. What `memory_limit`
    /// has no room for is refused, and what was opened for it is closed again.
    pub fn load(&self) -> Result<()> {
        self.check_open()?;
        self.load_chosen(&Chosen::all(), true)
    }

    /// Searches that run go on; those that start from now on fail.
    pub fn release(&self) -> Result<()> {
        self.check_open()?;
        self.release_chosen(&Chosen::all(), true)
    }

    /// The same for some partitions.
    pub fn load_partitions(&self, names: &[&str]) -> Result<()> {
        let chosen = self.named_partitions(names, "load partitions")?;
        self.load_chosen(&chosen, false)
    }

    pub fn release_partitions(&self, names: &[&str]) -> Result<()> {
        let chosen = self.named_partitions(names, "release partitions")?;
        self.release_chosen(&chosen, false)
    }

    fn load_chosen(&self, chosen: &Chosen, new: bool) -> Result<()> {
        self.loading.fetch_add(1, Ordering::AcqRel);
        let _loading = Loading(&self.loading);
        self.on_snapshot(|snapshot| {
            let open = |view: &SegmentView| {
                let rows = view.rows()?;
                view.indexes.iter().try_for_each(|index| index.get(&rows).map(drop))
            };
            let mut views = snapshot.sealed.iter().filter(|view| chosen.has(view.partition));
            all_or_none(snapshot, || views.try_for_each(open))
        })
        .map_err(|error| error.within(format!("cannot load collection {}", self.name.read())))?;
        self.set_released(chosen, false, new)
    }

    fn release_chosen(&self, chosen: &Chosen, new: bool) -> Result<()> {
        self.set_released(chosen, true, new)?;
        for view in self.snapshot.load().sealed.iter().filter(|view| chosen.has(view.partition)) {
            view.release();
        }
        Ok(())
    }

    /// How it stands with the partitions of those names; without names, with the collection, which is loaded as soon as
    /// one of its partitions is.
    pub fn load_state(&self, names: &[&str]) -> Result<LoadProgress> {
        self.check_open()?;
        let snapshot = self.snapshot.load_full();
        let (chosen, is_loaded) = if names.is_empty() {
            (Chosen::all(), snapshot.partitions.iter().any(|partition| partition.is_loaded()))
        } else {
            let named: Result<Vec<_>> = names.iter().map(|name| snapshot.partitions.named(name)).collect();
            let named = named?;
            let ids = named.iter().map(|partition| partition.id).collect();
            (Chosen::of(ids), named.iter().all(|partition| partition.is_loaded()))
        };
        let state = if self.loading.load(Ordering::Acquire) > 0 {
            LoadState::Loading
        } else if is_loaded {
            LoadState::Loaded
        } else {
            LoadState::NotLoad
        };
        let mut progress = LoadProgress { state, loaded_bytes: 0, total_bytes: 0 };
        for view in snapshot.sealed.iter().filter(|view| chosen.has(view.partition)) {
            let Some(sealed) = view.as_sealed() else { continue };
            progress.total_bytes += sealed.file_bytes();
            if sealed.loaded().is_some() {
                progress.loaded_bytes += sealed.file_bytes();
            }
            for index in &view.indexes {
                progress.total_bytes += index.file_bytes();
                progress.loaded_bytes += if index.is_loaded() { index.file_bytes() } else { 0 };
            }
        }
        Ok(progress)
    }
}
