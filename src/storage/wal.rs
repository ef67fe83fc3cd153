//! The write-ahead log of one collection: numbered files `wal-00000001.log`, records framed with their length, CRC-32C,
//! sequence number, and how far the log was known to be synced when the record was written.
//!
//! What a bad record means. The last record of the last file may be torn by a crash: it was not acknowledged, and it is
//! dropped. A bad record that a later, valid record (or the closing mark, or the header of the next file) knows as
//! synced is a corruption error. So a flipped byte is never taken for a torn write once anything was written after it.
//!
//! A file is never appended to after it was reopened: what follows a torn tail goes to a new file, whose header says how
//! much of the one before is valid. A file whose header never reached the disk is void, and the chain passes over it.

mod format;
mod read;
#[cfg(test)]
mod tests;

use crate::error::{Code, Error, Result};
use crate::storage::vfs::{AppendFile, Vfs};
use format::{FileHeader, RecordHead, file_name, file_number, log_checksum};
pub use read::Found;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log, open for appending. Not thread-safe: its owner queues writers and appends whole groups. Dropping it without
/// [`Wal::close`] loses what was not synced only if the power fails.
pub struct Wal {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    file: Box<dyn AppendFile>,
    /// Of the file being appended to.
    number: u64,
    /// Its length, and how much of that is durable.
    len: u64,
    synced: u64,
    next_sequence: u64,
    /// The highest number that was ever tried for a file.
    last_number: u64,
    /// The group being written; kept for its memory.
    group: Vec<u8>,
    /// Why the log cannot go on.
    poison: Option<String>,
}

/// The group's buffer keeps at most so many bytes from one group to the next.
const KEPT_BUFFER: usize = 4 << 20;

/// What was found on opening.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replay {
    /// How many records were handed to the callback.
    pub records: u64,
    /// The sequence number of the next record to be written.
    pub next_sequence: u64,
    /// Bytes of a torn tail, which were dropped.
    pub torn: u64,
}

/// Reads the files from number `first` on, in order, without writing anything, and hands each record's sequence number
/// and payload to `each`, whose error ends the reading. Records are read one at a time; those handed out before an error
/// are part of a damaged log and must be thrown away. `first` is 1 or a number that [`Wal::rotate`] or [`Wal::number`]
/// gave; a log that starts with 1 may be missing altogether.
pub fn replay(
    vfs: &Arc<dyn Vfs>,
    dir: &Path,
    first: u64,
    each: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Replay> {
    Ok(find(vfs, dir, first, each)?.replay)
}

/// Reads like [`replay`], for a writer that looks at what was found before it goes on with [`Wal::resume`].
pub fn find(
    vfs: &Arc<dyn Vfs>,
    dir: &Path,
    first: u64,
    each: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Found> {
    read::find(vfs, dir, first, each)
}

impl Wal {
    /// [`find`], and at once [`Wal::resume`]. `first` comes from a manifest that survives a power cut (see [`manifest::recover`](super::manifest::recover)).
    pub fn open(
        vfs: &Arc<dyn Vfs>,
        dir: &Path,
        first: u64,
        each: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<(Wal, Replay)> {
        let found = find(vfs, dir, first, each)?;
        Ok((Wal::resume(vfs, dir, first, &found)?, found.replay))
    }

    /// Starts a new file after the ones found, whose header says how much of them is valid, and removes those before
    /// `first`.
    pub fn resume(vfs: &Arc<dyn Vfs>, dir: &Path, first: u64, found: &Found) -> Result<Wal> {
        // The process that wrote the last file may have died before it synced it or its name, and the new header is
        // about to call both durable.
        if found.previous != 0 {
            let path = dir.join(file_name(found.previous));
            vfs.sync_file(&path)
                .and_then(|()| vfs.sync_dir(dir))
                .map_err(|error| Error::io(format_args!("cannot sync {}", path.display()), error))?;
        }
        let header = FileHeader {
            number: next_number(found.last_number)?,
            previous: found.previous,
            previous_len: found.previous_len,
            first_sequence: found.replay.next_sequence,
        };
        let file = start_file(vfs, dir, &header).map_err(|failure| failure.error)?;
        let wal = Wal {
            vfs: vfs.clone(),
            dir: dir.to_owned(),
            file,
            number: header.number,
            len: FileHeader::LEN,
            synced: FileHeader::LEN,
            next_sequence: header.first_sequence,
            last_number: header.number,
            group: Vec::new(),
            poison: None,
        };
        wal.remove_before(first);
        Ok(wal)
    }

    /// The number of the file being appended to.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The sequence number of the next record.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Appends a group of payloads in one write and, if `sync`, makes them durable. On an error of the write the file is
    /// cut back to where it was; when that fails too, or the sync fails, the log is poisoned: this and every later call
    /// fails with `Poisoned` until it is reopened, and the group may then be there or not. Returns the sequence number of
    /// the first.
    pub fn append(&mut self, payloads: &[&[u8]], sync: bool) -> Result<u64> {
        self.check_poison()?;
        let first = self.next_sequence;
        let next = first.checked_add(payloads.len() as u64);
        let Some(next) = next else { return Err(Error::internal("the log is out of sequence numbers")) };
        if let Some(payload) = payloads.iter().find(|payload| u32::try_from(payload.len()).is_err()) {
            return Err(Error::invalid(format!(
                "a record of {} bytes is longer than the log's limit of {}",
                payload.len(),
                u32::MAX
            )));
        }
        let log = log_checksum(&self.dir);
        self.group.clear();
        self.group.reserve(payloads.iter().map(|payload| RecordHead::LEN as usize + payload.len()).sum());
        for (sequence, payload) in (first..).zip(payloads) {
            let head = RecordHead::of(payload, sequence, self.synced);
            let offset = self.len + self.group.len() as u64;
            self.group.extend_from_slice(&head.bytes(log, self.number, offset));
            self.group.extend_from_slice(payload);
        }
        self.write_group()?;
        self.next_sequence = next;
        if sync {
            self.sync()?;
        }
        Ok(first)
    }

    /// Makes everything appended durable (durability `async` calls it from time to time).
    pub fn sync(&mut self) -> Result<()> {
        self.check_poison()?;
        if self.synced < self.len {
            // After a failed sync the kernel may have dropped the bytes and report success next time: it is not retried.
            self.file.sync().map_err(|error| self.poisoned("cannot be synced", error))?;
            self.synced = self.len;
        }
        Ok(())
    }

    /// Starts a new file; returns its number. What a manifest that names this number as `first` holds is no longer
    /// needed from the older files. After an error that is not `Poisoned` the log goes on in the old file.
    pub fn rotate(&mut self) -> Result<u64> {
        // The new header says that all of this file is durable.
        self.sync()?;
        let header = FileHeader {
            number: next_number(self.last_number)?,
            previous: self.number,
            previous_len: self.len,
            first_sequence: self.next_sequence,
        };
        self.last_number = header.number;
        match start_file(&self.vfs, &self.dir, &header) {
            Ok(file) => self.file = file,
            Err(failure) if failure.void => return Err(failure.error),
            // The header may be on the disk, and what were appended here from now on would lie behind the end it names.
            Err(failure) => return Err(self.poisoned("cannot be followed by a new file", failure.error)),
        }
        self.number = header.number;
        self.len = FileHeader::LEN;
        self.synced = FileHeader::LEN;
        Ok(self.number)
    }

    /// Removes the files before number `first`. Failing to is not an error: the next open tries again.
    pub fn remove_before(&self, first: u64) {
        for name in self.vfs.list(&self.dir).unwrap_or_default() {
            if file_number(&name).is_some_and(|number| number < first.min(self.number)) {
                let _ = self.vfs.remove_file(&self.dir.join(name));
            }
        }
    }

    /// Syncs and writes the closing mark, which tells a later reader that nothing before it may be torn.
    pub fn close(mut self) -> Result<()> {
        self.sync()?;
        self.group.clear();
        self.group.extend_from_slice(&RecordHead::closing(self.next_sequence, self.synced).bytes(
            log_checksum(&self.dir),
            self.number,
            self.len,
        ));
        self.write_group()?;
        self.sync()
    }

    /// Appends the group's bytes, all or nothing.
    fn write_group(&mut self) -> Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.append(&self.group) {
            // The cut is synced, or a power cut might bring back a record that its writer was told is not there.
            if let Err(cut) = self.file.truncate(self.len).and_then(|()| self.file.sync()) {
                return Err(self.poisoned(&format!("cannot be cut back ({cut}) after a failed write"), error));
            }
            self.synced = self.len;
            return Err(Error::io(format_args!("cannot write {}", self.path().display()), error));
        }
        self.len += self.group.len() as u64;
        if self.group.capacity() > KEPT_BUFFER {
            self.group = Vec::new();
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.dir.join(file_name(self.number))
    }

    fn check_poison(&self) -> Result<()> {
        match &self.poison {
            Some(reason) => Err(Error::new(Code::Poisoned, reason.clone())),
            None => Ok(()),
        }
    }

    /// Refuses every later call; gives the error for this one.
    fn poisoned(&mut self, what: &str, cause: impl std::fmt::Display) -> Error {
        let reason = format!("the log {} {what}: {cause}; reopen the database", self.path().display());
        self.poison = Some(reason.clone());
        Error::new(Code::Poisoned, reason)
    }
}

fn next_number(last: u64) -> Result<u64> {
    last.checked_add(1).ok_or_else(|| Error::corrupt(format!("no log file can follow {}", file_name(last))))
}

/// Why there is no new file, and whether none will be found by that name after a crash (or only a void one).
struct StartFailure {
    error: Error,
    void: bool,
}

/// Creates a file, writes its header, and makes both durable.
fn start_file(
    vfs: &Arc<dyn Vfs>,
    dir: &Path,
    header: &FileHeader,
) -> Result<Box<dyn AppendFile>, StartFailure> {
    let path = dir.join(file_name(header.number));
    let failure = |error, void| StartFailure {
        error: Error::io(format_args!("cannot start {}", path.display()), error),
        void,
    };
    let mut file = vfs.create(&path).map_err(|error| failure(error, true))?;
    if let Err(error) = file.append(&header.bytes(log_checksum(dir))) {
        let void = file.truncate(0).and_then(|()| file.sync()).is_ok();
        if void {
            // A void file does no harm; only its name would stay.
            let _ = vfs.remove_file(&path);
        }
        return Err(failure(error, void));
    }
    file.sync().and_then(|()| vfs.sync_dir(dir)).map_err(|error| failure(error, false))?;
    Ok(file)
}
