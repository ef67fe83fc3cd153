//! Which rows a filter let through, kept for when it is asked again: what users send are a few filters many times, on
//! a tenant or a language.
//!
//! A [`Cache`] belongs to rows that never change, as those of an opened sealed segment, and goes with them: when they are
//! released, and when their schema grows. So what must hold for a hit to be right is that the same conditions mean the
//! same rows, and this much is in the key: the checked predicate, whole, with the values of its templates. What may
//! change about the rows is no part of an answer: it is about all of them, dead ones too, and which are live is
//! asked afterwards.

use crate::filter::Filter;
use crate::filter::predicate::Predicate;
use crate::segment::{Memory, Reservation, Spare};
use arrow_buffer::BooleanBuffer;
use parking_lot::RwLock;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Answers that a cache has at most.
const ANSWERS: usize = 32;
/// Bytes that it has at most.
const BYTES: u64 = 4 << 20;
/// Bytes of a key at most, which are about a thousand numbers of a list. Longer filters are evaluated each time.
const KEY_BYTES: usize = 16 << 10;

/// The answers of the filters that were asked last.
pub struct Cache {
    memory: Arc<Memory>,
    kept: RwLock<Vec<Kept>>,
    /// Counts the hits and entries.
    clock: AtomicU64,
}

struct Kept {
    key: Arc<[u8]>,
    /// A bit a row, whether it is live or not.
    rows: BooleanBuffer,
    /// When it was last asked for.
    asked: AtomicU64,
    bytes: u64,
    _memory: Reservation,
}

impl Cache {
    /// An empty one, which gives way where `memory` has no room for others.
    pub fn new(memory: &Arc<Memory>) -> Arc<Cache> {
        let cache =
            Arc::new(Cache { memory: memory.clone(), kept: RwLock::default(), clock: AtomicU64::new(0) });
        let spare: Weak<Cache> = Arc::downgrade(&cache);
        memory.give_way(spare);
        cache
    }

    /// Whether the answer of the filter is there. It is no longer kept for being asked after here.
    pub fn has(&self, filter: &Filter) -> bool {
        filter.key.as_ref().is_some_and(|key| self.kept.read().iter().any(|kept| kept.key == *key))
    }

    /// The rows that the filter lets through, dead ones too, if they are there.
    pub fn get(&self, filter: &Filter) -> Option<BooleanBuffer> {
        let key = filter.key.as_ref()?;
        let kept = self.kept.read();
        let found = kept.iter().find(|kept| kept.key == *key)?;
        found.asked.store(self.tick(), Ordering::Relaxed);
        Some(found.rows.clone())
    }

    /// Keeps the rows that the filter lets through, dead ones too. It does not if there is no room, or if they are too many.
    pub fn keep(&self, filter: &Filter, rows: &BooleanBuffer) {
        let Some(key) = filter.key.clone() else { return };
        let bytes = (size_of::<Kept>() + key.len() + rows.len().div_ceil(8)) as u64;
        if bytes > BYTES {
            return;
        }
        let memory = self.memory.spare(bytes).or_else(|| {
            take_oldest(&mut self.kept.write())?;
            self.memory.spare(bytes)
        });
        let Some(memory) = memory else { return };
        let asked = AtomicU64::new(self.tick());
        let entry = Kept { key, rows: rows.clone(), asked, bytes, _memory: memory };
        let mut kept = self.kept.write();
        // Another thread may have been as far at the same time.
        kept.retain(|kept| kept.key != entry.key);
        while kept.len() >= ANSWERS || kept.iter().map(|kept| kept.bytes).sum::<u64>() > BYTES - bytes {
            take_oldest(&mut kept);
        }
        kept.push(entry);
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// Others need the memory.
impl Spare for Cache {
    fn give_back(&self) {
        self.kept.write().clear();
    }
}

/// Takes out the answer that was not asked for the longest, if there is one.
fn take_oldest(kept: &mut Vec<Kept>) -> Option<Kept> {
    let oldest = (0..kept.len()).min_by_key(|&at| kept[at].asked.load(Ordering::Relaxed))?;
    Some(kept.swap_remove(oldest))
}

/// The predicate, written down: equal keys are of equal predicates. `None` for one that is evaluated sooner than it is
/// looked up, and for a long one.
pub fn key(predicate: &Predicate) -> Option<Arc<[u8]>> {
    if matches!(predicate, Predicate::Always(_)) {
        return None;
    }
    let mut bytes = Written(Vec::new());
    predicate.hash(&mut bytes);
    (bytes.0.len() <= KEY_BYTES).then(|| bytes.0.into())
}

/// What is hashed: all of it while it is not too long. No hash begins with another of its type, and numbers and texts go
/// into it as they are, so that it is as good as the value.
struct Written(Vec<u8>);

impl Hasher for Written {
    fn write(&mut self, bytes: &[u8]) {
        if self.0.len() <= KEY_BYTES {
            self.0.extend_from_slice(&bytes[..bytes.len().min(KEY_BYTES + 1)]);
        }
    }

    /// Nobody asks: it is the bytes that count.
    fn finish(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests;
