//! Files of other tools, through the engine's file system: read in parts, written under another name until they are whole.

use crate::error::{Error, Result};
use crate::storage::vfs::{AppendFile, Vfs};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is written at a time.
const CHUNK: usize = 1 << 20;
/// What a reader fetches at a time: little, because Parquet asks for one to read the header of a page.
const AHEAD: usize = 16 << 10;

/// A file to read. Its length is that of when it was opened.
#[derive(Clone)]
pub struct SourceFile {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    len: u64,
}

impl SourceFile {
    pub fn open(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<SourceFile> {
        let len = vfs.len(path).map_err(|e| Error::io(format!("cannot read {}", path.display()), e))?;
        Ok(SourceFile { vfs: vfs.clone(), path: path.to_owned(), len })
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// `length` bytes from `start` on; an error, before anything is allocated, if the file has fewer.
    pub fn part(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{length} bytes at {start} are beyond the end of the file at {}", self.len),
            ));
        }
        let mut bytes = vec![0; length];
        self.vfs.read_at(&self.path, start, &mut bytes)?;
        Ok(bytes)
    }

    /// Up to `length` bytes from `start` on, none at the end.
    pub fn up_to(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(self.len.saturating_sub(start)).unwrap_or(usize::MAX);
        self.part(start.min(self.len), length.min(rest))
    }

    /// The error of a read that failed.
    pub fn failed(&self, cause: io::Error) -> Error {
        Error::io(format!("cannot read {}", self.path.display()), cause)
    }
}

impl Length for SourceFile {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for SourceFile {
    type T = Reader;

    fn get_read(&self, start: u64) -> ParquetResult<Reader> {
        Ok(Reader { file: self.clone(), next: start, buffer: Vec::new(), used: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.part(start, length).map(Bytes::from).map_err(|e| ParquetError::External(Box::new(e)))
    }
}

/// Reads from some place on.
pub struct Reader {
    file: SourceFile,
    next: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() {
            self.buffer = self.file.up_to(self.next, AHEAD)?;
            self.next += self.buffer.len() as u64;
            self.used = 0;
        }
        let length = out.len().min(self.buffer.len() - self.used);
        out[..length].copy_from_slice(&self.buffer[self.used..self.used + length]);
        self.used += length;
        Ok(length)
    }
}

/// A file being written, as `NAME.partial`. Dropping it without [`TargetFile::finish`] removes it.
///
/// A process that dies leaves what the next attempt takes away or takes as its own: files that are partial, and perhaps the
/// one beside, which gets its name first.
pub struct TargetFile {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    partial: PathBuf,
    /// `None` once finished.
    file: Option<Box<dyn AppendFile>>,
    buffer: Vec<u8>,
    written: u64,
    /// Another file that is whole, and gets its name just before this one.
    beside: Option<Box<TargetFile>>,
}

impl TargetFile {
    /// There must be no file of that name; what an earlier attempt left of one is removed.
    pub fn create(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<TargetFile> {
        let io = |e| Error::io(format!("cannot create {}", path.display()), e);
        if vfs.exists(path).map_err(io)? {
            return Err(Error::invalid(format!("{} exists already", path.display())));
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        match vfs.remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        let file = vfs.create(&partial).map_err(io)?;
        Ok(TargetFile {
            vfs: vfs.clone(),
            path: path.to_owned(),
            partial,
            file: Some(file),
            buffer: Vec::new(),
            written: 0,
            beside: None,
        })
    }

    /// With a file of `text` beside it. One that is there already stays, if that is its text.
    pub fn with_beside(mut self, path: &Path, text: &str) -> Result<TargetFile> {
        let io = |e| Error::io(format!("cannot write {}", path.display()), e);
        if holds(&self.vfs, path, text).map_err(io)? {
            return Ok(self);
        }
        let mut beside = TargetFile::create(&self.vfs, path)?;
        beside.write_all(text.as_bytes()).and_then(|()| beside.flush_all()).map_err(io)?;
        self.beside = Some(Box::new(beside));
        Ok(self)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the rest, durably, and gives the file its name. Gives its length.
    pub fn finish(mut self) -> Result<u64> {
        self.publish().map_err(|e| Error::io(format!("cannot write {}", self.path.display()), e))?;
        Ok(self.written)
    }

    /// On failure neither file has its name.
    fn publish(&mut self) -> io::Result<()> {
        self.flush_all()?;
        let mut beside = self.beside.take();
        if let Some(beside) = &mut beside {
            beside.take_name()?;
        }
        self.take_name().inspect_err(|_| beside.iter().for_each(|beside| beside.lose_name()))
    }

    fn take_name(&mut self) -> io::Result<()> {
        self.vfs.rename(&self.partial, &self.path)?;
        self.file = None;
        let synced = self.vfs.sync_dir(self.path.parent().unwrap_or(Path::new("")));
        synced.inspect_err(|_| self.lose_name())
    }

    /// Failing to is not an error: something has failed already.
    fn lose_name(&self) {
        let _ = self.vfs.remove_file(&self.path);
    }

    fn flush_all(&mut self) -> io::Result<()> {
        self.empty_buffer()?;
        match &mut self.file {
            Some(file) => file.sync(),
            None => Ok(()),
        }
    }

    fn empty_buffer(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.append(&self.buffer)?;
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Whether there is a file of that text.
fn holds(vfs: &Arc<dyn Vfs>, path: &Path, text: &str) -> io::Result<bool> {
    if !vfs.exists(path)? || vfs.len(path)? != text.len() as u64 {
        return Ok(false);
    }
    let mut bytes = vec![0; text.len()];
    vfs.read_at(path, 0, &mut bytes)?;
    Ok(bytes == text.as_bytes())
}

impl Write for TargetFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK && !self.buffer.is_empty() {
            self.empty_buffer()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Nothing: what is whole is written by [`TargetFile::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for TargetFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Failing to is not an error: the next attempt tries again.
            let _ = self.vfs.remove_file(&self.partial);
        }
    }
}
