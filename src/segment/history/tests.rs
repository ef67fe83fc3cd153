use super::*;
use crate::segment::Memory;
use crate::storage::fault::FaultDisk;
use std::ops::Range;

/// Rows with the times from which and until which they lived, beside what the engine keeps of them.
#[derive(Clone)]
struct Known {
    lives: Vec<Range<u64>>,
    live: Live,
    history: History,
}

impl Known {
    fn born(len: usize, time: u64) -> Known {
        let lives = vec![time..u64::MAX; len];
        Known { lives, live: Live::all(len), history: History::born(len, time) }
    }

    fn kill(&mut self, rows: &[u32], time: u64) {
        let fresh: Vec<u32> = rows.iter().copied().filter(|&row| self.live.is_live(row as usize)).collect();
        fresh.iter().for_each(|&row| self.lives[row as usize].end = time);
        self.live = self.live.without(&fresh);
        self.history.die(&fresh, time);
    }

    /// Whether every time from `horizon` on is shown as it was.
    fn check(&self, horizon: u64, end: u64) {
        for time in horizon..=end {
            let shown = self.history.as_of(&self.live, time);
            let rows: Vec<bool> = (0..shown.len()).map(|row| shown.is_live(row)).collect();
            let expected: Vec<bool> = self.lives.iter().map(|life| life.contains(&time)).collect();
            assert_eq!(rows, expected, "at {time}");
        }
    }

    /// Without the rows that nobody can ask for any more.
    fn compacted(&self, horizon: u64) -> Known {
        let kept = self.history.kept(&self.live, horizon);
        assert_eq!(kept.count() - self.live.count(), self.history.kept_dead(horizon));
        let lives = (0..kept.len()).filter(|&row| kept.is_live(row)).map(|row| self.lives[row].clone());
        let (lives, live) = (lives.collect(), self.live.renumbered(&kept));
        Known { lives, live, history: self.history.renumbered(&kept, horizon) }
    }
}

fn concat(parts: &[Known]) -> Known {
    Known {
        lives: parts.iter().flat_map(|part| part.lives.clone()).collect(),
        live: Live::concat(parts.iter().map(|part| &part.live)),
        history: History::concat(parts.iter().map(|part| (&part.history, part.live.len()))),
    }
}

fn some() -> Known {
    let mut parts = [Known::born(5, 3), Known::born(1, 4), Known::born(4, 9)];
    parts[0].kill(&[1, 2], 5);
    parts[1].kill(&[0], 8);
    let mut all = concat(&parts);
    (10..40).for_each(|time| all.kill(&[(time as u32 * 7) % 10, 2], time));
    all
}

#[test]
fn every_moment_as_it_was() {
    let all = some();
    all.check(0, 50);
    assert!(all.history.deaths.len() <= 5, "{}", all.history.deaths.len());
    let whole = concat(&[all.clone(), Known::born(3, 41), Known::born(2, 0), all.clone()]);
    whole.check(0, 50);
    concat(&[whole.clone(), whole]).check(0, 50);
}

#[test]
fn what_is_older_than_the_horizon_goes() {
    let all = some();
    for horizon in 0..50 {
        let compacted = all.compacted(horizon);
        compacted.check(horizon, 50);
        compacted.compacted(horizon + 3).check(horizon + 3, 50);
        assert!(compacted.live.dead() == compacted.history.kept_dead(0));
    }
    let mut nothing = Known::born(4, 0);
    nothing.kill(&[1], 0);
    assert!(nothing.history.is_empty() && all.compacted(u64::MAX).history.is_empty());
    assert_eq!(all.compacted(u64::MAX).live.dead(), 0);
}

#[test]
fn files() {
    let disk = FaultDisk::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let shared = Shared { vfs: Arc::new(disk.clone()), pool, memory: Memory::new(0) };
    let (all, path) = (some(), Path::new("/h"));
    all.history.save(&shared, path, all.live.len()).unwrap();
    let history = History::load(&shared, path, &all.live).unwrap();
    Known { history, ..all.clone() }.check(0, 50);
    assert!(History::load(&shared, path, &Live::all(all.live.len())).is_err(), "rows that did not die");
    assert!(History::load(&shared, path, &Live::all(3)).is_err(), "another segment's");
    let bytes = shared.vfs.read(path).unwrap();
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut], &all.live).is_none(), "{cut}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0xff;
        // Whatever it says, asking it does not panic.
        if let Some(history) = decode(&changed, &all.live) {
            history.as_of(&all.live, 7);
            history.renumbered(&all.live, 7);
        }
    }
}
