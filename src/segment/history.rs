//! When the rows of a segment came and when they went, as far back as time travel reaches: beside the bitmap of the rows
//! that are live now, what tells which were live at an earlier commit. Without a retention there is nothing of it.

use crate::error::{Error, Result};
use crate::segment::{Live, Shared};
use crate::storage::checked::{CheckedFile, CheckedWriter};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"ELANHIS1";
/// The magic, and how many rows, births and deaths there are.
const HEADER: usize = 32;
/// A birth or a death: two numbers of 8 bytes.
const ENTRY: usize = 16;

/// The rows up to `end`, from the end of the one before, came at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Birth {
    end: u32,
    time: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Death {
    row: u32,
    time: u64,
}

/// Times of commits, of a segment's rows. Cloning shares them.
///
/// A row without a birth was always there, and a dead row without a death was never: both before the horizon, the earliest
/// time that can be asked for.
#[derive(Clone, Default, Debug)]
pub struct History {
    /// Of all rows, in their order; `None` where all were always there.
    births: Option<Arc<Vec<Birth>>>,
    /// Oldest first, in runs that merge like the digits of a counter: a delete copies few of those before it.
    deaths: Vec<Arc<Vec<Death>>>,
}

impl History {
    /// Of `len` rows that came at `time`; 0 for a time that nobody keeps.
    pub fn born(len: usize, time: u64) -> History {
        let births = (time > 0 && len > 0).then(|| Arc::new(vec![Birth { end: len as u32, time }]));
        History { births, deaths: Vec::new() }
    }

    /// Whether every row was always as it is now.
    pub fn is_empty(&self) -> bool {
        self.births.is_none() && self.deaths.is_empty()
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        let births = self.births.as_ref().map_or(0, |births| births.len());
        ((births + self.deaths.iter().map(|run| run.len()).sum::<usize>()) * ENTRY) as u64
    }

    /// Rows that were live died at `time`, which is later than all before; 0 for a time that nobody keeps.
    pub fn die(&mut self, rows: &[u32], time: u64) {
        if time == 0 || rows.is_empty() {
            return;
        }
        self.deaths.push(Arc::new(rows.iter().map(|&row| Death { row, time }).collect()));
        while let [.., before, last] = &self.deaths[..]
            && before.len() <= 2 * last.len()
        {
            let merged = Arc::new([&before[..], &last[..]].concat());
            self.deaths.truncate(self.deaths.len() - 2);
            self.deaths.push(merged);
        }
    }

    /// Deaths after `time`, the newest first.
    fn deaths_after(&self, time: u64) -> impl Iterator<Item = Death> {
        let newest_first = self.deaths.iter().rev().flat_map(|run| run.iter().rev());
        newest_first.take_while(move |death| death.time > time).copied()
    }

    /// The rows that were live at `time`; `live` are those of now.
    pub fn as_of(&self, live: &Live, time: u64) -> Live {
        let live = self.kept(live, time);
        match self.births.as_ref().filter(|births| births.iter().any(|birth| birth.time > time)) {
            Some(births) => {
                let mut there = BooleanBufferBuilder::new(live.len());
                births.iter().for_each(|b| there.append_n(b.end as usize - there.len(), b.time <= time));
                live.kept(&there.finish())
            }
            None => live,
        }
    }

    /// The rows that are live, or were at any time after `horizon`: no others can be asked for.
    pub fn kept(&self, live: &Live, horizon: u64) -> Live {
        live.with(self.deaths_after(horizon).map(|death| death.row))
    }

    /// How many of them are dead now.
    pub fn kept_dead(&self, horizon: u64) -> usize {
        self.deaths.iter().map(|run| run.len() - run.partition_point(|death| death.time <= horizon)).sum()
    }

    /// Of the rows that are live in `before`, renumbered: those rows only were kept. Times up to `horizon` are forgotten.
    pub fn renumbered(&self, before: &Live, horizon: u64) -> History {
        let all;
        let kept = match before.bits() {
            Some(bits) => bits,
            None => {
                all = BooleanBuffer::new_set(before.len());
                &all
            }
        };
        let mut births: Vec<Birth> = Vec::new();
        let (mut start, mut count) = (0, 0);
        for birth in self.births.iter().flat_map(|births| births.iter()) {
            count += kept.slice(start, birth.end as usize - start).count_set_bits() as u32;
            start = birth.end as usize;
            let time = if birth.time > horizon { birth.time } else { 0 };
            push_birth(&mut births, Birth { end: count, time });
        }
        let mut deaths: Vec<Death> = self.deaths_after(horizon).collect();
        deaths.reverse();
        if before.bits().is_some() && !deaths.is_empty() {
            let mut numbers = vec![u32::MAX; before.len()];
            (0..).zip(kept.set_indices()).for_each(|(number, row)| numbers[row] = number);
            deaths.iter_mut().for_each(|death| death.row = numbers[death.row as usize]);
            deaths.retain(|death| death.row != u32::MAX);
        }
        History::of(births, deaths)
    }

    /// Of the rows of parts, each with how many rows it has, one after the other.
    pub fn concat<'a>(parts: impl Iterator<Item = (&'a History, usize)>) -> History {
        let (mut births, mut deaths) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (part, len) in parts {
            let end = start + len as u32;
            match &part.births {
                Some(own) => {
                    own.iter().for_each(|b| push_birth(&mut births, Birth { end: start + b.end, ..*b }));
                }
                None => push_birth(&mut births, Birth { end, time: 0 }),
            }
            let own = part.deaths.iter().flat_map(|run| run.iter());
            deaths.extend(own.map(|death| Death { row: start + death.row, ..*death }));
            start = end;
        }
        // Each part's are in order already.
        deaths.sort_by_key(|death| death.time);
        History::of(births, deaths)
    }

    fn of(births: Vec<Birth>, deaths: Vec<Death>) -> History {
        let births = births.iter().any(|birth| birth.time > 0).then(|| Arc::new(births));
        let deaths = if deaths.is_empty() { Vec::new() } else { vec![Arc::new(deaths)] };
        History { births, deaths }
    }

    /// Writes it, of a segment of `len` rows, to `path` (the caller syncs the directory).
    pub fn save(&self, shared: &Shared, path: &Path, len: usize) -> Result<()> {
        let births = self.births.iter().flat_map(|births| births.iter()).map(|b| (b.end, b.time));
        let deaths = self.deaths.iter().flat_map(|run| run.iter()).map(|d| (d.row, d.time));
        let mut bytes = Vec::from(*MAGIC);
        for count in [len, births.clone().count(), deaths.clone().count()] {
            bytes.extend_from_slice(&(count as u64).to_le_bytes());
        }
        for (row, time) in births.chain(deaths) {
            bytes.extend_from_slice(&u64::from(row).to_le_bytes());
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        let mut file = CheckedWriter::create(&shared.vfs, path)?;
        file.write_all(&bytes).map_err(|e| Error::io(format!("cannot write {}", path.display()), e))?;
        file.finish()
    }

    /// Reads that of a segment whose live rows are `live`.
    pub fn load(shared: &Shared, path: &Path, live: &Live) -> Result<History> {
        let bytes = CheckedFile::open(&shared.vfs, path)?.bytes(&shared.pool)?;
        decode(&bytes, live)
            .ok_or_else(|| Error::corrupt(format!("{} is no history of {} rows", path.display(), live.len())))
    }
}

/// Neighbours of one time are one entry, and there is none without a row.
fn push_birth(births: &mut Vec<Birth>, birth: Birth) {
    if birth.end == births.last().map_or(0, |last| last.end) {
        return;
    }
    match births.last_mut().filter(|last| last.time == birth.time) {
        Some(last) => last.end = birth.end,
        None => births.push(birth),
    }
}

fn decode(bytes: &[u8], live: &Live) -> Option<History> {
    let (header, entries) = bytes.split_at_checked(HEADER)?;
    let number = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let (births, deaths) = (number(16)?, number(24)?);
    let expected = births.checked_add(deaths)?.checked_mul(ENTRY as u64)?;
    if header[..8] != MAGIC[..] || number(8)? != live.len() as u64 || expected != entries.len() as u64 {
        return None;
    }
    let (entries, _) = entries.as_chunks::<8>();
    let numbers: Vec<u64> = entries.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let (births, deaths) = numbers.split_at_checked(births as usize * 2)?;
    let entry = |pair: &[u64]| Some((u32::try_from(pair[0]).ok()?, pair[1]));
    let birth = |pair| entry(pair).map(|(end, time)| Birth { end, time });
    let births: Vec<Birth> = births.chunks_exact(2).map(birth).collect::<Option<_>>()?;
    let death = |pair| entry(pair).map(|(row, time)| Death { row, time });
    let deaths: Vec<Death> = deaths.chunks_exact(2).map(death).collect::<Option<_>>()?;
    let covers = births.last().is_none_or(|last| last.end as usize == live.len());
    let rises = births.first().is_none_or(|first| first.end > 0) && births.is_sorted_by(|a, b| a.end < b.end);
    let is_dead = |death: &Death| (death.row as usize) < live.len() && !live.is_live(death.row as usize);
    let is_good =
        covers && rises && deaths.is_sorted_by_key(|death| death.time) && deaths.iter().all(is_dead);
    is_good.then(|| History::of(births, deaths))
}

#[cfg(test)]
mod tests;
