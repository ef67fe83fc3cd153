//! Whether queries run, so that background builds step aside for them.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often a parked build looks up: closing and dropping wake it at once.
const SLICE: Duration = Duration::from_millis(100);

/// Counts the queries that run, and remembers when the last one ended.
pub struct Activity {
    start: Instant,
    running: AtomicUsize,
    /// Milliseconds after `start`, plus one; 0 before the first query ended.
    last_end: AtomicU64,
    parked: Mutex<()>,
    wake: Condvar,
}

/// A query that runs, until it is dropped.
pub struct Query<'a>(&'a Activity);

impl Activity {
    pub fn new() -> Activity {
        Activity {
            start: Instant::now(),
            running: AtomicUsize::new(0),
            last_end: AtomicU64::new(0),
            parked: Mutex::new(()),
            wake: Condvar::new(),
        }
    }

    /// Counts a query until the guard is dropped.
    pub fn query(&self) -> Query<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Query(self)
    }

    /// How long a build has to wait at least, where it must: no query may have run for `idle`.
    fn must_wait(&self, idle: Duration) -> Option<Duration> {
        if self.running.load(Ordering::Acquire) > 0 {
            return Some(SLICE);
        }
        let last_end = Duration::from_millis(self.last_end.load(Ordering::Relaxed).checked_sub(1)?);
        let quiet = self.start.elapsed().saturating_sub(last_end);
        idle.checked_sub(quiet).filter(|rest| !rest.is_zero())
    }

    /// Returns when no query has run for `idle`, or when `give_up` says so.
    pub fn wait_until_idle(&self, idle: Duration, give_up: impl Fn() -> bool) {
        while !give_up() {
            let Some(rest) = self.must_wait(idle) else { return };
            let mut parked = self.parked.lock();
            self.wake.wait_for(&mut parked, rest.min(SLICE));
        }
    }

    /// Wakes whoever waits, so that he asks `give_up` again.
    pub fn wake(&self) {
        self.wake.notify_all();
    }
}

impl Drop for Query<'_> {
    fn drop(&mut self) {
        let now = self.0.start.elapsed().as_millis() as u64 + 1;
        self.0.last_end.store(now, Ordering::Relaxed);
        // After the store above, also as others see it.
        self.0.running.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_quiet_after_a_query() {
        let activity = Activity::new();
        let idle = Duration::from_millis(60);
        assert!(activity.must_wait(idle).is_none(), "no query ran yet");
        let query = activity.query();
        assert!(activity.must_wait(idle).is_some());
        activity.wait_until_idle(idle, || true);
        drop(query);
        assert!(activity.must_wait(idle).is_some());
        let start = Instant::now();
        activity.wait_until_idle(idle, || false);
        assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
        assert!(activity.must_wait(idle).is_none());
        assert!(activity.must_wait(Duration::ZERO).is_none());
    }
}
