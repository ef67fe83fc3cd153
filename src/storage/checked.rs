//! Immutable files with a checksum table: CRC-32C per 64 KiB block, in a sidecar `NAME.crc` that itself is checksummed,
//! because an Arrow file must stay readable by any Arrow tool.
//!
//! The sidecar is a stamp (16 bytes), the block size (u32), the file's length (u64), a CRC-32C per block (u32 each), and
//! the CRC-32C of the file's name, with the directory's, and all that (u32): a file that is put in another's place, its
//! table with it, is found out.

use crate::error::{Code, Error, Result};
use crate::storage::blocks;
use crate::storage::stamp::{Stamp, u32_at, u64_at};
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

/// What a file's name adds to the checksum of its table: `DIRECTORY/NAME`, wherever that directory is.
pub(super) fn place(path: &Path) -> u32 {
    let part =
        |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().as_encoded_bytes().to_vec();
    crc32c::crc32c(&[part(path.parent()), b"/".to_vec(), part(Some(path))].concat())
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
        let failed = chunks.map_init(Vec::new, |scratch, chunk| {
            let start = chunk * CHUNK as u64;
            scratch.resize((self.len - start).min(CHUNK as u64) as usize, 0);
            self.read_verified(start, scratch).err()
        });
        match failed.find_first(Option::is_some) {
            Some(Some(error)) => Err(error),
            _ => Ok(()),
        }
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

fn existing_len(vfs: &Arc<dyn Vfs>, path: &Path) -> Result<u64> {
    vfs.len(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::corrupt(format!("{} is missing", path.display())),
        _ => io_error("read", path, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fault::{Fault, FaultDisk};
    use crate::storage::vfs::Disk;
    use std::io::Write;

    fn pool() -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap()
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    fn write(vfs: &Arc<dyn Vfs>, path: &Path, bytes: &[u8], step: usize) -> Result<()> {
        let mut writer = CheckedWriter::create(vfs, path)?;
        for part in bytes.chunks(step.max(1)) {
            writer.write_all(part).map_err(|error| Error::io("write", error))?;
        }
        assert_eq!(writer.position(), bytes.len() as u64);
        writer.finish()
    }

    fn memory() -> (FaultDisk, Arc<dyn Vfs>) {
        let disk = FaultDisk::new();
        (disk.clone(), Arc::new(disk))
    }

    #[test]
    fn what_is_written_is_read_at_every_size() {
        let root = tempfile::tempdir().unwrap();
        let (_, memory) = memory();
        let pool = pool();
        for len in
            [0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 3 * BLOCK + 9]
        {
            let bytes = pattern(len);
            for (vfs, dir) in
                [(Arc::new(Disk) as Arc<dyn Vfs>, root.path()), (memory.clone(), Path::new("/"))]
            {
                let path = dir.join("f");
                write(&vfs, &path, &bytes, 100_003).unwrap();
                let file = CheckedFile::open(&vfs, &path).unwrap();
                assert_eq!((file.len(), file.is_empty()), (len as u64, len == 0));
                assert_eq!(file.bytes(&pool).unwrap().as_slice(), bytes);
                assert_eq!(file.bytes(&pool).unwrap().as_slice(), bytes);
                for (offset, part) in [(0, len), (len / 2, len - len / 2), (len / 3, len / 3), (len, 0)] {
                    assert_eq!(file.read_at(offset as u64, part).unwrap(), bytes[offset..offset + part]);
                }
                for (offset, part) in [(len as u64, 1), (0, len + 1), (u64::MAX, 2), (1 << 60, 0)] {
                    assert_eq!(file.read_at(offset, part).unwrap_err().code(), Code::Corrupt);
                }
            }
        }
    }

    #[test]
    fn a_file_in_the_place_of_another_is_found_with_its_table() {
        let (disk, vfs) = memory();
        let paths = ["/1", "/2"].map(|dir| Path::new(dir).join("f"));
        for (path, byte) in paths.iter().zip([7, 8]) {
            vfs.create_dir_all(path.parent().unwrap()).unwrap();
            write(&vfs, path, &[byte; 9], 9).unwrap();
        }
        for path_of in [Path::to_path_buf, sidecar] {
            disk.tamper(&path_of(&paths[0]), &disk.read(&path_of(&paths[1])).unwrap());
        }
        assert_eq!(CheckedFile::open(&vfs, &paths[0]).err().unwrap().code(), Code::Corrupt);
        assert!(CheckedFile::open(&vfs, &paths[1]).is_ok());
    }

    #[test]
    fn flipped_bytes_are_found_and_named() {
        let (disk, vfs) = memory();
        let (path, pool) = (Path::new("/f"), pool());
        let bytes = pattern(CHUNK + 2 * BLOCK + 100);
        write(&vfs, path, &bytes, 1 << 20).unwrap();
        for at in [0, 1, BLOCK - 1, BLOCK, 5 * BLOCK + 7, CHUNK, CHUNK + BLOCK, bytes.len() - 1] {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            disk.tamper(path, &bad);
            let file = CheckedFile::open(&vfs, path).unwrap();
            for _ in 0..2 {
                let error = file.bytes(&pool).unwrap_err();
                assert_eq!(error.code(), Code::Corrupt);
                assert!(error.message().contains(&format!("/f: block {} ", at / BLOCK)), "{error}");
            }
            assert_eq!(file.read_at(at as u64, 1).unwrap_err().code(), Code::Corrupt);
            // A block that is whole can still be read.
            let other = if at < 2 * BLOCK { 2 * BLOCK } else { 0 };
            assert_eq!(file.read_at(other as u64, 10).unwrap(), bytes[other..other + 10]);
        }
    }

    #[test]
    fn of_several_bad_blocks_the_first_is_named() {
        let (disk, vfs) = memory();
        let path = Path::new("/f");
        let mut bytes = pattern(4 * CHUNK);
        write(&vfs, path, &bytes, 1 << 20).unwrap();
        for block in [3, 20, 21, 50] {
            bytes[block * BLOCK] ^= 1;
        }
        disk.tamper(path, &bytes);
        let error = CheckedFile::open(&vfs, path).unwrap().bytes(&pool()).unwrap_err();
        assert!(error.message().contains("block 3 "), "{error}");
    }

    #[test]
    fn a_bad_table_does_not_open() {
        let (disk, vfs) = memory();
        let (path, table) = (Path::new("/f"), Path::new("/f.crc"));
        write(&vfs, path, &pattern(3 * BLOCK), 1000).unwrap();
        let good = disk.read(table).unwrap();
        let fails = |bytes: &[u8]| {
            disk.tamper(table, bytes);
            assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::Corrupt);
        };
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fails(&bad);
        }
        for len in 0..good.len() {
            fails(&good[..len]);
        }
        fails(&[&good[..], b"more"].concat());
        fails(&vec![0; good.len()]);
        disk.tamper(table, &Stamp { version: 3, ..STAMP }.bytes());
        assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::FormatTooNew);
        disk.remove_file(table).unwrap();
        assert!(CheckedFile::open(&vfs, path).err().unwrap().message().contains("/f.crc is missing"));
    }

    #[test]
    fn a_file_of_another_length_does_not_open() {
        let (disk, vfs) = memory();
        let path = Path::new("/f");
        let bytes = pattern(1000);
        write(&vfs, path, &bytes, 1000).unwrap();
        for len in 0..1000 {
            disk.tamper(path, &bytes[..len]);
            assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::Corrupt);
        }
        disk.tamper(path, &[&bytes[..], b"x"].concat());
        assert_eq!(CheckedFile::open(&vfs, path).err().unwrap().code(), Code::Corrupt);
        // Cut after it was opened.
        disk.tamper(path, &bytes);
        let file = CheckedFile::open(&vfs, path).unwrap();
        disk.tamper(path, &bytes[..900]);
        assert_eq!(file.bytes(&pool()).unwrap_err().code(), Code::Corrupt);
    }

    #[test]
    fn an_unfinished_file_is_removed() {
        let (disk, vfs) = memory();
        let path = Path::new("/f");
        write(&vfs, path, b"old", 3).unwrap();
        let mut writer = CheckedWriter::create(&vfs, path).unwrap();
        writer.write_all(b"new").unwrap();
        drop(writer);
        assert_eq!(disk.list(Path::new("/")).unwrap(), [] as [&str; 0]);
    }

    /// Whatever operation fails, the error is told and no half file stays; without faults afterwards all goes well.
    #[test]
    fn every_failing_operation_is_told_and_cleaned_up() {
        let bytes = pattern(CHUNK + 10);
        let mut operation = 0;
        loop {
            let (disk, vfs) = memory();
            disk.fail_at(operation, Fault::Once(io::ErrorKind::StorageFull));
            let outcome = write(&vfs, Path::new("/f"), &bytes, 1 << 20);
            if disk.operations() <= operation {
                outcome.unwrap();
                break;
            }
            assert_eq!(outcome.unwrap_err().code(), Code::DiskFull, "operation {operation}");
            assert_eq!(disk.list(Path::new("/")).unwrap(), [] as [&str; 0], "operation {operation}");
            write(&vfs, Path::new("/f"), &bytes, 1 << 20).unwrap();
            operation += 1;
        }
        assert!(operation >= 7, "create, two writes, sync; create, write, sync");
    }

    #[test]
    fn a_failed_write_is_not_forgotten() {
        let (disk, vfs) = memory();
        let mut writer = CheckedWriter::create(&vfs, Path::new("/f")).unwrap();
        disk.fail_at(disk.operations(), Fault::Once(io::ErrorKind::StorageFull));
        assert_eq!(writer.write_all(&pattern(CHUNK)).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(writer.write_all(b"more").is_err());
        assert_eq!(writer.finish().unwrap_err().code(), Code::DiskFull);
    }

    #[test]
    fn tasks_of_the_pool_may_verify_one_file_at_once() {
        let (_, vfs) = memory();
        let path = Path::new("/f");
        write(&vfs, path, &pattern(8 * CHUNK), 1 << 20).unwrap();
        let (file, pool) = (CheckedFile::open(&vfs, path).unwrap(), pool());
        let total: usize =
            pool.install(|| (0..32).into_par_iter().map(|_| file.bytes(&pool).unwrap().len()).sum());
        assert_eq!(total, 32 * 8 * CHUNK);
    }
}
