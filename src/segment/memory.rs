//! The memory budget of a database: growing rows, loaded indexes, columns that are held in memory or made when rows are read,
//! times of time travel, and what builds and compactions work with. Mapped columns are the kernel's to drop.

use crate::error::{Code, Error, Result};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Bytes in use, and their limit.
pub struct Memory {
    limit: u64,
    used: AtomicU64,
    spares: Mutex<Vec<Weak<dyn Spare>>>,
}

/// What holds memory that it can do without.
pub trait Spare: Send + Sync {
    /// Drops all of it. Called by whoever reserves memory, in any thread.
    fn give_back(&self);
}

/// Bytes that are given back when it is dropped.
pub struct Reservation {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    /// `limit` in bytes; 0 for none.
    pub fn new(limit: u64) -> Arc<Memory> {
        Arc::new(Memory { limit, used: AtomicU64::new(0), spares: Mutex::default() })
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The limit in bytes, if there is one.
    pub fn limit(&self) -> Option<u64> {
        (self.limit > 0).then_some(self.limit)
    }

    /// What the limit leaves, at least 1; 0 without a limit.
    pub fn free(&self) -> u64 {
        if self.limit == 0 { 0 } else { self.limit.saturating_sub(self.used()).max(1) }
    }

    fn is_exceeded(&self) -> bool {
        self.limit > 0 && self.used() > self.limit
    }

    /// Takes `bytes` for `what`, or fails with both sizes. What gives way does so first.
    pub fn reserve(self: &Arc<Memory>, bytes: u64, what: &str) -> Result<Reservation> {
        let reservation = self.force(bytes);
        if self.is_exceeded() {
            let spares: Vec<_> = self.spares.lock().iter().filter_map(Weak::upgrade).collect();
            spares.iter().for_each(|spare| spare.give_back());
        }
        if self.is_exceeded() {
            let used = self.used();
            return Err(Error::new(
                Code::MemoryLimit,
                format!(
                    "{what} needs {bytes} bytes; with the {} in use it exceeds memory_limit {}",
                    used.saturating_sub(bytes),
                    self.limit
                ),
            ));
        }
        Ok(reservation)
    }

    /// Takes `bytes` for what can be done without, if the limit leaves them. Nobody is refused because it asked.
    pub fn spare(self: &Arc<Memory>, bytes: u64) -> Option<Reservation> {
        let with = |used: u64| used.checked_add(bytes).filter(|used| self.limit == 0 || *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with).ok()?;
        Some(Reservation { memory: self.clone(), bytes })
    }

    /// Lets `spare` give back what it has before anybody is refused.
    pub fn give_way(&self, spare: Weak<dyn Spare>) {
        let mut spares = self.spares.lock();
        spares.retain(|spare| spare.strong_count() > 0);
        spares.push(spare);
    }

    /// Takes `bytes` whatever the limit says: for rows that are acknowledged already.
    pub fn force(self: &Arc<Memory>, bytes: u64) -> Reservation {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Reservation { memory: self.clone(), bytes }
    }
}

impl Reservation {
    /// How many bytes it is of.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it one of `bytes`, whatever the limit says.
    pub fn resize(&mut self, bytes: u64) {
        self.memory.used.fetch_add(bytes, Ordering::Relaxed);
        self.memory.used.fetch_sub(std::mem::replace(&mut self.bytes, bytes), Ordering::Relaxed);
    }

    /// Takes `bytes` of it out, at most all.
    pub fn split(&mut self, bytes: u64) -> Reservation {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Reservation { memory: self.memory.clone(), bytes }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Held(Mutex<Option<Reservation>>);

    impl Spare for Held {
        fn give_back(&self) {
            *self.0.lock() = None;
        }
    }

    #[test]
    fn what_can_be_done_without_gives_way() {
        let memory = Memory::new(100);
        let held = Arc::new(Held(Mutex::new(memory.spare(60))));
        memory.give_way(Arc::<Held>::downgrade(&held));
        assert!(memory.spare(41).is_none() && memory.spare(u64::MAX).is_none());
        assert_eq!(memory.used(), 60);
        let rows = memory.reserve(40, "rows").unwrap();
        assert!(held.0.lock().is_some(), "there was room");
        let more = memory.reserve(50, "rows").unwrap();
        assert!(held.0.lock().is_none());
        let error = memory.reserve(20, "rows").err().unwrap();
        assert_eq!(error.message(), "rows needs 20 bytes; with the 90 in use it exceeds memory_limit 100");
        drop((rows, more, held));
        assert_eq!(memory.used(), 0);
        // Who is gone is not asked.
        assert!(memory.reserve(101, "rows").is_err());
        assert!(Memory::new(0).spare(1 << 40).is_some());
    }

    #[test]
    fn a_refused_reservation_takes_nothing() {
        let memory = Memory::new(100);
        let mut whole = memory.reserve(90, "a").unwrap();
        let first = whole.split(60);
        drop(whole);
        assert_eq!(memory.used(), 60);
        let error = memory.reserve(50, "loading").err().unwrap();
        assert_eq!(error.code(), Code::MemoryLimit);
        assert_eq!(error.message(), "loading needs 50 bytes; with the 60 in use it exceeds memory_limit 100");
        assert_eq!((memory.used(), memory.free()), (60, 40));
        drop(first);
        let mut all = memory.reserve(100, "b").unwrap();
        assert_eq!((memory.used(), memory.free()), (100, 1));
        all.resize(130);
        assert_eq!((memory.used(), all.bytes()), (130, 130));
        all.resize(0);
        assert_eq!(memory.used(), 0);
        all.resize(7);
        drop(all);
        assert_eq!(memory.used(), 0);
        assert_eq!(Memory::new(0).free(), 0);
        assert!(Memory::new(0).reserve(u64::MAX / 2, "no limit").is_ok());
    }
}
