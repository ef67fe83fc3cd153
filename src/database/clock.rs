//! Times of commits: those of the machine's clock, each later than all before, whatever that clock does.
//!
//! A timestamp is Milvus' hybrid one: milliseconds since 1970 in UTC in the upper 46 bits, and in the lower 18 a counter of
//! what comes in one millisecond.

use std::sync::atomic::{AtomicU64, Ordering};

const COUNTER_BITS: u32 = 18;
const MS_PER_SECOND: u64 = 1000;

/// The newest time that was given or seen.
#[derive(Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// A commit of that time was found, or a search asks for it: what comes is later.
    pub fn observe(&self, time: u64) {
        self.0.fetch_max(time, Ordering::AcqRel);
    }

    /// A time that is later than all before; `now_ms` is the machine's.
    pub fn tick(&self, now_ms: u64) -> u64 {
        let next = |last: u64| last.saturating_add(1).max(timestamp(now_ms));
        let last = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)));
        last.map_or_else(next, next)
    }

    /// The time of now: that of the machine, unless its clock was set back.
    pub fn now(&self, now_ms: u64) -> u64 {
        self.0.load(Ordering::Acquire).max(timestamp(now_ms))
    }
}

/// The first timestamp of a millisecond.
pub fn timestamp(ms: u64) -> u64 {
    ms.saturating_mul(1 << COUNTER_BITS)
}

/// The millisecond of a timestamp.
pub fn ms_of(time: u64) -> u64 {
    time >> COUNTER_BITS
}

/// Whole seconds from one time to another, as Milvus counts the age of a moment.
pub fn seconds_between(time: u64, now: u64) -> u64 {
    ms_of(now).saturating_sub(ms_of(time)) / MS_PER_SECOND
}

/// No time before this is within so many seconds of `now`.
pub fn horizon(now: u64, seconds: u64) -> u64 {
    let ms = seconds.saturating_add(1).saturating_mul(MS_PER_SECOND);
    timestamp(ms_of(now).saturating_sub(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_rise_whatever_the_machine_says() {
        let clock = Clock::default();
        let mut last = 0;
        for now_ms in [5, 5, 5, 9, 2, 2, 9, 10, 0] {
            let time = clock.tick(now_ms);
            assert!(time > last && clock.now(now_ms) == time, "{now_ms}");
            last = time;
        }
        assert_eq!((ms_of(last), last), (10, timestamp(10) + 1));
        clock.observe(timestamp(20) + 7);
        clock.observe(3);
        assert_eq!(clock.tick(11), timestamp(20) + 8);
        assert_eq!((clock.now(11), clock.now(21)), (timestamp(20) + 8, timestamp(21)));
    }

    #[test]
    fn what_is_within_the_retention_is_behind_the_horizon() {
        for now_ms in [100_000, 100_001, 100_999] {
            for time_ms in 90_000..=now_ms {
                let (time, now) = (timestamp(time_ms), timestamp(now_ms));
                assert!(seconds_between(time, now) > 5 || time >= horizon(now, 5), "{time_ms} {now_ms}");
            }
        }
        assert_eq!((horizon(timestamp(10), 5), horizon(timestamp(10), u64::MAX)), (0, 0));
    }
}
