//! The file operations the engine uses, as traits: under them lies the real disk, or (in tests) one that fails and forgets.

use crate::index::sections::Block;
use arrow_buffer::Buffer;
use std::io;
use std::path::Path;

/// A file being appended to.
pub trait AppendFile: Send {
    /// Appends all of `bytes`. After an error an unknown part of them is in the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended so far survives a power cut.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A file of whole blocks, open for reading; removing the file does not close it.
pub trait BlockFile: Send + Sync {
    /// Reads block `numbers[i]` into `out[i]` (as many); `UnexpectedEof` where the file is shorter.
    fn read(&self, numbers: &[u64], out: &mut [Block]) -> io::Result<()>;
}

/// Held while a database is open for writing; dropping it (or the process' death) frees the lock.
pub trait LockGuard: Send + Sync {}

/// A file system, and the clock beside it. Paths are absolute or relative as the caller gave them.
pub trait Vfs: Send + Sync {
    /// The time of day in milliseconds since 1970, in UTC; tests set it.
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted. Names that are not UTF-8 are not ours, and are left out.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// A new file; fails with `AlreadyExists`.
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;
    /// The whole file, through a read (not a mapping).
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Reads `out.len()` bytes at `offset`; `UnexpectedEof` where the file is shorter.
    fn read_at(&self, path: &Path, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Maps the whole file (an empty file gives an empty buffer). The mapping outlives the file's removal.
    fn map(&self, path: &Path) -> io::Result<Buffer>;
    /// Opens a file of blocks.
    fn blocks(&self, path: &Path) -> io::Result<Box<dyn BlockFile>>;
    /// Gives a file another name, in place of a file of that name if there is one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the content of a file that is not open any more (a crashed process wrote it) survive a power cut.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `path` survive a power cut.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the exclusive lock on `path` (created if missing, holds the pid as text). `WouldBlock` if another process,
    /// or another open of this process, has it; its text is then the holder's pid.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>>;
}
