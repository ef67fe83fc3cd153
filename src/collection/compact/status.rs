//! How it stands with the compactions of a collection: what is asked for, what runs, what failed.

use crate::error::Error;
use parking_lot::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

/// The compactions of a collection.
#[derive(Default)]
pub struct Compaction {
    /// Held by the one that runs.
    pub turn: Mutex<()>,
    /// Calls that wait for their turn: one in the background gives way.
    pub waiting: AtomicUsize,
    pub status: Mutex<Status>,
}

/// How it stands with them.
#[derive(Default)]
pub struct Status {
    /// A call that does not wait has asked for one.
    pub requested: bool,
    /// Groups of segments that are being compacted or wait for it.
    pub executing: u64,
    /// Since the collection was opened.
    pub failed: u64,
    pub failure: Option<Error>,
    pub retry_at: Option<Instant>,
}

/// Counts down what is executing, whatever happens.
pub struct Executing<'a>(&'a Compaction, u64);

impl Drop for Executing<'_> {
    fn drop(&mut self) {
        let mut status = self.0.status.lock();
        status.executing = status.executing.saturating_sub(self.1);
    }
}

impl Compaction {
    /// Counts the groups that `find` gives, in one step with it: a request that comes while it looks is not lost. With
    /// `answer`, it is what was requested.
    pub fn begin(
        &self,
        answer: bool,
        find: impl FnOnce() -> Vec<Vec<u64>>,
    ) -> (Vec<Vec<u64>>, Executing<'_>) {
        let mut status = self.status.lock();
        let groups = find();
        let count = groups.len() as u64;
        status.executing += count;
        status.requested &= !answer;
        drop(status);
        (groups, Executing(self, count))
    }
}
