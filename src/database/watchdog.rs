//! Deadlines of searches: one thread that sets a flag when a time is over, started with the first deadline.

use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

/// Sets flags at their times.
pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    deadlines: Vec<(Instant, Arc<AtomicBool>)>,
    ended: bool,
}

/// A deadline that is watched until this is dropped.
pub struct Watched<'a> {
    watchdog: &'a Watchdog,
    flag: Arc<AtomicBool>,
}

impl Watchdog {
    pub fn new() -> Watchdog {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
        Watchdog { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Sets the flag of the result at `deadline`.
    pub fn watch(&self, deadline: Instant) -> Watched<'_> {
        let flag = Arc::new(AtomicBool::new(false));
        self.shared.state.lock().deadlines.push((deadline, flag.clone()));
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let shared = self.shared.clone();
            // Where no thread can be had, the search still looks at the clock between segments.
            *thread =
                std::thread::Builder::new().name("elanus-watchdog".into()).spawn(move || run(&shared)).ok();
        }
        self.shared.changed.notify_all();
        Watched { watchdog: self, flag }
    }
}

impl Watched<'_> {
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut state = self.watchdog.shared.state.lock();
        state.deadlines.retain(|(_, flag)| !Arc::ptr_eq(flag, &self.flag));
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.state.lock().ended = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join(); // it cannot panic
        }
    }
}

fn run(shared: &Shared) {
    let mut state = shared.state.lock();
    while !state.ended {
        let now = Instant::now();
        for (deadline, flag) in &state.deadlines {
            if *deadline <= now {
                flag.store(true, Ordering::Relaxed);
            }
        }
        let next = state.deadlines.iter().map(|(deadline, _)| *deadline).filter(|d| *d > now).min();
        match next {
            Some(deadline) => {
                shared.changed.wait_until(&mut state, deadline);
            }
            None => shared.changed.wait(&mut state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn flags_are_set_in_time() {
        let watchdog = Watchdog::new();
        let soon = watchdog.watch(Instant::now() + Duration::from_millis(20));
        let late = watchdog.watch(Instant::now() + Duration::from_secs(600));
        let give_up = Instant::now() + Duration::from_secs(10);
        while !soon.flag().load(Ordering::Relaxed) && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(soon.flag().load(Ordering::Relaxed));
        assert!(!late.flag().load(Ordering::Relaxed));
        drop((soon, late));
        assert!(watchdog.shared.state.lock().deadlines.is_empty());
    }
}
