//! Time travel: what a collection held at an earlier commit, within the retention of the database.
//! `milvus.io/docs/v2.1.x/timetravel.md`.
//!
//! A segment keeps when its rows came and went ([`History`](crate::segment::History)); an earlier state is the snapshot of
//! now with the live rows of then. So a search of it is any other search, by the same indexes. What no time within the
//! retention can show is forgotten when segments are written; until then and beyond, `floor` says what can be told.

use crate::collection::core::{Core, Snapshot};
use crate::collection::ops::time_record;
use crate::database::clock::{ms_of, seconds_between};
use crate::error::{Error, Result};
use crate::segment::SegmentView;
use std::sync::Arc;

impl Core {
    /// A time whose state is that of now: what is acknowledged is in it, what begins later is not. That of the newest commit if
    /// that is less than a second ago. Of a read-only database, always the newest commit that it has read.
    pub fn timestamp(&self) -> Result<u64> {
        self.check_open()?;
        if self.store.retention() == 0 {
            return Err(Error::invalid("no times of commits are kept: retention_duration is 0"));
        }
        if self.store.options.read_only {
            return Ok(self.snapshot.load().time);
        }
        let _writing = self.writing()?;
        // Not while a change has its time already and is not to be seen yet.
        let mut writer = self.writer.lock();
        if seconds_between(writer.time, self.store.now()) > 0 {
            // Long before now, it would be forgotten too early. In the log, so that no commit after a crash gets it too.
            let time = self.store.stamp();
            self.log(&mut writer, &[&time_record(time)])?;
            writer.time = time;
            self.publish(&writer);
        }
        Ok(writer.time)
    }

    /// [`Core::on_snapshot`], of the state at `time`; 0 for that of now.
    pub fn on_snapshot_of<T>(&self, time: u64, read: impl Fn(&Arc<Snapshot>) -> Result<T>) -> Result<T> {
        if time == 0 {
            return self.on_snapshot(read);
        }
        if self.store.options.read_only {
            // What is later than the last refresh may be there by now.
            if time > self.snapshot.load().time {
                self.catch_up()?;
            }
        } else if ms_of(time) <= ms_of(self.store.now()) {
            // What is committed from now on does not belong to what is told now.
            self.store.clock.observe(time);
        }
        self.on_snapshot(|snapshot| read(&self.as_of(snapshot, time)?))
    }

    /// The state at `time`, or why it cannot be told.
    fn as_of(&self, snapshot: &Arc<Snapshot>, time: u64) -> Result<Arc<Snapshot>> {
        let (retention, now) = (self.store.retention(), self.store.now());
        let refused = |why: String| Err(Error::invalid(format!("travel_timestamp {time}: {why}")));
        if ms_of(time) > ms_of(now) {
            let ahead = seconds_between(now, time);
            return refused(format!("it is {} ahead of the present", go_duration(ahead)));
        }
        if retention > 0 && time >= snapshot.time {
            return Ok(snapshot.clone());
        }
        let age = seconds_between(time, now);
        if retention == 0 || age > retention {
            let (most, age) = (go_duration(retention), go_duration(age));
            return refused(format!("only support to travel back to {most} so far, but got {age}"));
        }
        if time < snapshot.floor {
            let (name, floor) = (self.name.read(), snapshot.floor);
            return refused(format!(
                "the history of collection {name} begins at {floor}, with its creation, the drop of a partition, or a change \
                 of retention_duration"
            ));
        }
        let of_then = |views: &[_]| views.iter().map(|view: &SegmentView| view.as_of(time)).collect();
        let (sealed, growing) = (of_then(&snapshot.sealed), of_then(&snapshot.growing));
        Ok(Arc::new(Snapshot { sealed, growing, ..Snapshot::clone(snapshot) }))
    }

    /// The database keeps times from now on, or for longer or shorter than before.
    pub fn keep_from(&self, time: u64, floor: u64) {
        let mut writer = self.writer.lock();
        writer.time = writer.time.max(time);
        writer.forget(floor);
        self.publish(&writer);
    }
}

/// Seconds as Go prints a duration, which is how Milvus prints them: `1h0m5s`.
fn go_duration(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_prints_them() {
        let shown = [0, 59, 60, 3599, 3600, 90_061].map(go_duration);
        assert_eq!(shown, ["0s", "59s", "1m0s", "59m59s", "1h0m0s", "25h1m1s"]);
    }
}
