//! The file operations the engine uses, as a trait: the real disk, and (in tests) a disk that fails and forgets.

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

/// Held while a database is open for writing; dropping it (or the process' death) frees the lock.
pub trait LockGuard: Send + Sync {}

/// A file system. Paths are absolute or relative as the caller gave them.
pub trait Vfs: Send + Sync {
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// A new file; fails with `AlreadyExists`.
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;
    /// The whole file, through a read (not a mapping).
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Reads `out.len()` bytes at `offset`.
    fn read_at(&self, path: &Path, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Maps the whole file (an empty file gives an empty buffer). The mapping outlives the file's removal.
    fn map(&self, path: &Path) -> io::Result<Buffer>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `path` survive a power cut.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the exclusive lock on `path` (created if missing, holds the pid as text). `WouldBlock` if another process,
    /// or another open of this process, has it; its text is then the holder's pid.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>>;
}
