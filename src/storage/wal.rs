//! The write-ahead log of one collection: numbered files `wal-00000001.log`, records framed with their length, CRC-32C,
//! sequence number, and how far the log was known to be synced when the record was written.
//!
//! What a bad record means. The last record of the last file may be torn by a crash: it was not acknowledged, and it is
//! dropped. A bad record that a later, valid record (or the closing mark, or the header of the next file) knows as
//! synced is a corruption error. So a flipped byte is never taken for a torn write once anything was written after it.

use crate::error::Result;
use crate::storage::vfs::Vfs;
use std::path::Path;
use std::sync::Arc;

/// The log, open for appending. Not thread-safe: its owner queues writers and appends whole groups.
pub struct Wal {}

/// What was found on opening.
pub struct Replay {
    /// Payloads in order, with their sequence numbers.
    pub records: Vec<(u64, Vec<u8>)>,
}

/// Reads the files from number `first` on, in order, without writing anything.
pub fn replay(vfs: &Arc<dyn Vfs>, dir: &Path, first: u64) -> Result<Replay> {
    let _ = (vfs, dir, first);
    todo!()
}

impl Wal {
    /// Reads like [`replay`], then starts a new file after the ones found, whose header says how much of them is valid.
    pub fn open(vfs: &Arc<dyn Vfs>, dir: &Path, first: u64) -> Result<(Wal, Replay)> {
        let _ = (vfs, dir, first);
        todo!()
    }

    /// Appends a group of payloads in one write and, if `sync`, makes them durable. On an error of the write the file is
    /// cut back to where it was; when that fails too, or the sync fails, the log is poisoned: every later call fails
    /// with `Poisoned` until it is reopened. Returns the sequence number of the first.
    pub fn append(&mut self, payloads: &[&[u8]], sync: bool) -> Result<u64> {
        let _ = (payloads, sync);
        todo!()
    }

    /// Makes everything appended durable (durability `async` calls it from time to time).
    pub fn sync(&mut self) -> Result<()> {
        todo!()
    }

    /// Starts a new file; returns its number. What a manifest that names this number as `first` holds is no longer
    /// needed from the older files.
    pub fn rotate(&mut self) -> Result<u64> {
        todo!()
    }

    /// Removes the files before number `first`. Failing to is not an error: the next open tries again.
    pub fn remove_before(&mut self, first: u64) {
        let _ = first;
        todo!()
    }

    /// Syncs and writes the closing mark.
    pub fn close(self) -> Result<()> {
        todo!()
    }
}
