//! Immutable files with a checksum table: CRC-32C per 64 KiB block, in a sidecar `NAME.crc` that itself is checksummed,
//! because an Arrow file must stay readable by any Arrow tool.
//!
//! The sidecar is a stamp (16 bytes), the block size (u32), the file's length (u64), a CRC-32C per block (u32 each), and
//! the CRC-32C of the file's name, with the directory's, and all that (u32): a file that is put in another's place, its
//! table with it, is found out.

use crate::error::{Code, Error, Result};
use crate::storage::blocks;
use crate::storage::residence::{self, Residence};
use crate::storage::stamp::{Stamp, place, u32_at, u64_at};
use crate::storage::vfs::{AppendFile, Vfs};
use arrow_buffer::Buffer;
use rayon::prelude::*;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

const BLOCK: usize = 64 << 10;
/// What is written, or read to be verified, at a time: whole blocks.
const CHUNK: usize = 16 * BLOCK;
const STAMP: Stamp = Stamp { name: "checksum table", magic: *b"ELANCRC\n", version: 1 };
/// Before the checksums: stamp, block size, length.
const TABLE_HEAD: usize = Stamp::LEN + 12;

/// Where the checksum table of `path` is.
pub fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".crc");
    PathBuf::from(name)
}

/// The files that may belong to `path`: its checksum table, and its blocks.
pub fn companions(path: &Path) -> [PathBuf; 2] {
    [sidecar(path), blocks::beside(path)]
}

/// Removes a file and its companions; that one of them is not there is fine.
pub fn remove(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<()> {
    let [table, blocks] = companions(path);
    for path in [path, &table, &blocks] {
        match vfs.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn io_error(verb: &str, path: &Path, error: io::Error) -> Error {
    Error::io(format_args!("cannot {verb} {}", path.display()), error)
}

/// Writes a file front to back, as [`std::io::Write`], and its table at the end. Its own buffer makes small writes cheap.
pub struct CheckedWriter {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    /// `None` once finished.
    file: Option<Box<dyn AppendFile>>,
    /// Less than a chunk, not yet in the file.
    buffer: Vec<u8>,
    written: u64,
    checksums: Vec<u32>,
    /// The first write that failed: an unknown part of it is in the file, which cannot be finished any more.
    failure: Option<Error>,
}

impl CheckedWriter {
    /// Creates `path`; an older leftover of that name (and its table) is removed first.
    pub fn create(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<CheckedWriter> {
        remove(vfs, path)?;
        let file = vfs.create(path).map_err(|error| io_error("create", path, error))?;
        Ok(CheckedWriter {
            vfs: vfs.clone(),
            path: path.to_owned(),
            file: Some(file),
            buffer: Vec::with_capacity(CHUNK),
            written: 0,
            checksums: Vec::new(),
            failure: None,
        })
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes the table and syncs both files (the caller syncs the directory). Without it, the files are removed on drop.
    pub fn finish(mut self) -> Result<()> {
        self.finish_file()?;
        // Only now: on an error above, drop removes what is there.
        self.file = None;
        Ok(())
    }

    fn finish_file(&mut self) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.repeat());
        }
        self.write_buffer().map_err(|error| io_error("write", &self.path, error))?;
        if let Some(file) = &mut self.file {
            file.sync().map_err(|error| io_error("sync", &self.path, error))?;
        }
        let table = table(&self.path, self.written, &self.checksums);
        let path = sidecar(&self.path);
        let mut file = self.vfs.create(&path).map_err(|error| io_error("create", &path, error))?;
        file.append(&table).and_then(|()| file.sync()).map_err(|error| io_error("write", &path, error))
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.append(&self.buffer)?;
        self.checksums.extend(self.buffer.chunks(BLOCK).map(crc32c::crc32c));
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl io::Write for CheckedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(io::Error::other(failure.message().to_owned()));
        }
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK
            && let Err(error) = self.write_buffer()
        {
            let kind = error.kind();
            let failure = io_error("write", &self.path, error);
            let message = failure.message().to_owned();
            self.failure = Some(failure);
            return Err(io::Error::new(kind, message));
        }
        Ok(taken)
    }

    /// Does nothing: only whole chunks are written before [`CheckedWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for CheckedWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // The reason for not finishing is known to the caller; a leftover is removed by the next one.
            let _ = remove(&self.vfs, &self.path);
        }
    }
}

fn table(path: &Path, len: u64, checksums: &[u32]) -> Vec<u8> {
    let mut table = Vec::with_capacity(TABLE_HEAD + 4 * checksums.len() + 4);
    table.extend_from_slice(&STAMP.bytes());
    table.extend_from_slice(&(BLOCK as u32).to_le_bytes());
    table.extend_from_slice(&len.to_le_bytes());
    for checksum in checksums {
        table.extend_from_slice(&checksum.to_le_bytes());
    }
    let own = crc32c::crc32c_append(place(path), &table);
    table.extend_from_slice(&own.to_le_bytes());
    table
}

/// An open immutable file: mapped, and verified as a whole (in parallel, by reads, so that the mapping stays cold)
/// when its bytes are first taken.
pub struct CheckedFile {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    len: u64,
    checksums: Vec<u32>,
    /// Kept once known: the mapping, or that the file is corrupt.
    verified: OnceLock<Result<Buffer>>,
}

impl CheckedFile {
    /// Opens the file and its table. Lengths must agree; the data is not read yet. A missing file or table is `Corrupt`:
    /// whoever names a file has finished it.
    pub fn open(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<CheckedFile> {
        let len = existing_len(vfs, path)?;
        let sidecar = sidecar(path);
        let table_len = existing_len(vfs, &sidecar)?;
        let expected = TABLE_HEAD as u64 + 4 * len.div_ceil(BLOCK as u64) + 4;
        // A file of a newer version may have another length: look at the stamp first, then at the rest.
        let mut stamp = vec![0; table_len.min(Stamp::LEN as u64) as usize];
        vfs.read_at(&sidecar, 0, &mut stamp).map_err(|error| io_error("read", &sidecar, error))?;
        STAMP.strip(&stamp, sidecar.display())?;
        if table_len != expected {
            return Err(Error::corrupt(format!(
                "{}: the checksum table has {table_len} bytes, and {expected} belong to the {len} bytes of {}",
                sidecar.display(),
                path.display()
            )));
        }
        let table = vfs.read(&sidecar).map_err(|error| io_error("read", &sidecar, error))?;
        let damaged = |what| Error::corrupt(format!("{}: {what}", sidecar.display()));
        let Some((table, own)) = table.split_last_chunk::<4>().filter(|(table, _)| table.len() >= TABLE_HEAD)
        else {
            return Err(damaged("the checksum table ends early"));
        };
        if crc32c::crc32c_append(place(path), table) != u32::from_le_bytes(*own) {
            return Err(damaged("the checksum table's own checksum is wrong"));
        }
        if u32_at(table, Stamp::LEN) != BLOCK as u32 || u64_at(table, Stamp::LEN + 4) != len {
            return Err(damaged("the checksum table is of another file"));
        }
        let checksums = table[TABLE_HEAD..].chunks_exact(4).map(|four| u32_at(four, 0)).collect();
        Ok(CheckedFile { vfs: vfs.clone(), path: path.to_owned(), len, checksums, verified: OnceLock::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mapped bytes, every block of them verified before this returns for the first time; the outcome is
    /// remembered, so that later calls cost nothing (a failure to read, unlike a wrong checksum, is tried again). Runs
    /// on `pool`.
    pub fn bytes(&self, pool: &rayon::ThreadPool) -> Result<Buffer> {
        if self.verified.get().is_none() {
            // No lock is held meanwhile: a pool thread that waits for its part may take up other work, which may ask
            // for the same file. At worst two callers verify it at once.
            let outcome = pool
                .install(|| self.verify())
                .and_then(|()| self.vfs.map(&self.path).map_err(|error| io_error("map", &self.path, error)));
            match outcome {
                Err(error) if error.code() != Code::Corrupt => return Err(error),
                outcome => drop(self.verified.set(outcome)),
            }
        }
        match self.verified.get() {
            Some(Ok(bytes)) => Ok(bytes.clone()),
            Some(Err(error)) => Err(error.repeat()),
            None => Err(Error::internal(format!("{} was not verified", self.path.display()))),
        }
    }

    /// The bytes where they are wanted, every block of them verified.
    pub fn bytes_in(&self, residence: Residence, pool: &rayon::ThreadPool) -> Result<Buffer> {
        match residence {
            Residence::Mapped => self.bytes(pool),
            Residence::Memory => pool.install(|| self.read()),
        }
    }

    /// All bytes, read into memory; what was verified is what is there.
    fn read(&self) -> Result<Buffer> {
        residence::filled(usize::try_from(self.len).unwrap_or(usize::MAX), |out| {
            let chunks = out.par_chunks_mut(CHUNK).enumerate();
            let read = |(at, chunk): (usize, &mut [u8])| self.read_verified((at * CHUNK) as u64, chunk);
            first_failure(chunks.map(|chunk| read(chunk).err()))
        })
    }

    /// A part of the file, verified block by block, read and not mapped (footers, single rows).
    pub fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.len);
        let Some(end) = end else {
            return Err(Error::corrupt(format!(
                "{}: {len} bytes at {offset} are wanted, and it ends at {}",
                self.path.display(),
                self.len
            )));
        };
        if len == 0 {
            return Ok(Vec::new());
        }
        let start = offset - offset % BLOCK as u64;
        let mut bytes = vec![0; (end.next_multiple_of(BLOCK as u64).min(self.len) - start) as usize];
        self.read_verified(start, &mut bytes)?;
        bytes.truncate((end - start) as usize);
        bytes.drain(..(offset - start) as usize);
        Ok(bytes)
    }

    /// Every block; of several failures the first in the file is told.
    fn verify(&self) -> Result<()> {
        let chunks = (0..self.len.div_ceil(CHUNK as u64)).into_par_iter();
        first_failure(chunks.map_init(Vec::new, |scratch, chunk| {
            let start = chunk * CHUNK as u64;
            scratch.resize((self.len - start).min(CHUNK as u64) as usize, 0);
            self.read_verified(start, scratch).err()
        }))
    }

    /// Reads whole blocks from `start`, a block's first byte, on.
    fn read_verified(&self, start: u64, out: &mut [u8]) -> Result<()> {
        self.vfs.read_at(&self.path, start, out).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::corrupt(format!(
                "{}: it has become shorter than {} bytes",
                self.path.display(),
                self.len
            )),
            _ => io_error("read", &self.path, error),
        })?;
        let first = (start / BLOCK as u64) as usize;
        for (block, bytes) in (first..).zip(out.chunks(BLOCK)) {
            if crc32c::crc32c(bytes) != self.checksums[block] {
                return Err(Error::corrupt(format!(
                    "{}: block {block} (64 KiB at byte {}) is not what was written",
                    self.path.display(),
                    block * BLOCK
                )));
            }
        }
        Ok(())
    }
}

fn first_failure(outcomes: impl ParallelIterator<Item = Option<Error>>) -> Result<()> {
    match outcomes.find_first(Option::is_some) {
        Some(Some(error)) => Err(error),
        _ => Ok(()),
    }
}

fn existing_len(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<u64> {
    vfs.len(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::corrupt(format!("{} is missing", path.display())),
        _ => io_error("read", path, error),
    })
}

#[cfg(test)]
mod tests;
