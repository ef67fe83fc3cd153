//! Files of 4 KiB blocks that are read one by one and never as a whole: the sectors of DISKANN.
//!
//! A table of checksums per 64 KiB (see [`crate::storage::checked`]) would make every read sixteen times as large, so
//! each block ends with a CRC-32C of its own. It covers the file's name, a salt of the file that it belongs to, and the
//! block's number: a block in another's place is found out as a flipped bit is.

use crate::error::{Error, Result};
use crate::index::sections::{BLOCK_BYTES, Block, BlockReader, PAYLOAD};
use crate::storage::stamp::place;
use crate::storage::vfs::{AppendFile, BlockFile, Vfs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is written at a time.
const CHUNK: usize = 256 * BLOCK_BYTES;

/// Where the blocks that belong to the file `path` are.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".blocks");
    PathBuf::from(name)
}

fn checksum(seed: u32, number: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &number.to_le_bytes()), payload)
}

/// What blocks of the file `path` are bound to.
fn seed(path: &Path, salt: u32) -> u32 {
    crc32c::crc32c_append(place(path), &salt.to_le_bytes())
}

fn io_error(verb: &str, path: &Path, error: io::Error) -> Error {
    Error::io(format_args!("cannot {verb} {}", path.display()), error)
}

/// Writes a file of blocks from front to back.
pub struct BlocksWriter {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    /// `None` once finished.
    file: Option<Box<dyn AppendFile>>,
    buffer: Vec<u8>,
    seed: u32,
    count: u64,
}

impl BlocksWriter {
    /// Creates `path`; an older leftover of that name is removed first.
    pub fn create(vfs: &Arc<dyn Vfs>, path: &Path, salt: u32) -> Result<BlocksWriter> {
        match vfs.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", path, error));
            }
            _ => {}
        }
        let file = vfs.create(path).map_err(|error| io_error("create", path, error))?;
        let buffer = Vec::with_capacity(CHUNK);
        let (vfs, path) = (vfs.clone(), path.to_owned());
        Ok(BlocksWriter { seed: seed(&path, salt), vfs, path, file: Some(file), buffer, count: 0 })
    }

    /// Appends the next block, whose payload `fill` writes into zeros.
    pub fn push(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + BLOCK_BYTES, 0);
        let (payload, own) = self.buffer[start..].split_at_mut(PAYLOAD);
        fill(payload)?;
        own.copy_from_slice(&checksum(self.seed, self.count, payload).to_le_bytes());
        self.count += 1;
        if self.buffer.len() >= CHUNK { self.write_buffer() } else { Ok(()) }
    }

    /// Makes the file durable (the caller syncs the directory). Without it, the file is removed on drop.
    pub fn finish(mut self) -> Result<()> {
        self.write_buffer()?;
        if let Some(file) = &mut self.file {
            file.sync().map_err(|error| io_error("sync", &self.path, error))?;
        }
        self.file = None;
        Ok(())
    }

    fn write_buffer(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.append(&self.buffer).map_err(|error| io_error("write", &self.path, error))?;
        }
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for BlocksWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // The reason for not finishing is known to the caller; a leftover is removed by the next one.
            let _ = self.vfs.remove_file(&self.path);
        }
    }
}

/// An open file of blocks; each block is verified whenever it is read.
pub struct Blocks {
    file: Box<dyn BlockFile>,
    path: PathBuf,
    seed: u32,
    count: u64,
}

impl Blocks {
    /// Opens the file of exactly `count` blocks; none of them is read yet. A missing file is `Corrupt`: whoever names a
    /// file has finished it.
    pub fn open(vfs: &Arc<dyn Vfs>, path: &Path, salt: u32, count: u64) -> Result<Blocks> {
        let missing = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Error::corrupt(format!("{} is missing", path.display())),
            _ => io_error("open", path, error),
        };
        let len = vfs.len(path).map_err(missing)?;
        if count.checked_mul(BLOCK_BYTES as u64) != Some(len) {
            return Err(Error::corrupt(format!("{} has {len} bytes, not {count} blocks", path.display())));
        }
        let file = vfs.blocks(path).map_err(missing)?;
        Ok(Blocks { file, path: path.to_owned(), seed: seed(path, salt), count })
    }
}

impl BlockReader for Blocks {
    fn blocks(&self) -> u64 {
        self.count
    }

    fn read(&self, numbers: &[u64], out: &mut [Block]) -> Result<()> {
        assert!(numbers.len() == out.len() && numbers.iter().all(|&number| number < self.count));
        self.file.read(numbers, out).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::corrupt(format!(
                "{}: it has become shorter than {} blocks",
                self.path.display(),
                self.count
            )),
            _ => io_error("read", &self.path, error),
        })?;
        for (&number, block) in numbers.iter().zip(&*out) {
            let (payload, own) = block.0.split_at(PAYLOAD);
            if checksum(self.seed, number, payload).to_le_bytes() != own {
                return Err(Error::corrupt(format!(
                    "{}: block {number} (4 KiB at byte {}) is not what was written",
                    self.path.display(),
                    number * BLOCK_BYTES as u64
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::storage::disk::Disk;
    use crate::storage::fault::{Fault, FaultDisk};

    fn write(vfs: &Arc<dyn Vfs>, path: &Path, count: u64) -> Result<()> {
        let mut writer = BlocksWriter::create(vfs, path, 7)?;
        for number in 0..count {
            writer.push(|payload| {
                payload[..8].copy_from_slice(&number.to_le_bytes());
                payload[PAYLOAD - 1] = 9;
                Ok(())
            })?;
        }
        writer.finish()
    }

    fn read(blocks: &Blocks, numbers: &[u64]) -> Result<Vec<u64>> {
        let mut out = vec![Block::default(); numbers.len()];
        blocks.read(numbers, &mut out)?;
        assert!(out.iter().all(|block| block.payload()[PAYLOAD - 1] == 9));
        Ok(out.iter().map(|block| u64::from_le_bytes(block.payload()[..8].try_into().unwrap())).collect())
    }

    #[test]
    fn blocks_come_back_in_any_order() {
        let root = tempfile::tempdir().unwrap();
        let memory: Arc<dyn Vfs> = Arc::new(FaultDisk::new());
        for (vfs, dir) in [(Arc::new(Disk) as Arc<dyn Vfs>, root.path()), (memory, Path::new("/"))] {
            let path = beside(&dir.join("f"));
            write(&vfs, &path, 700).unwrap();
            let blocks = Blocks::open(&vfs, &path, 7, 700).unwrap();
            assert_eq!(blocks.blocks(), 700);
            let backwards: Vec<u64> = (0..700).rev().collect();
            for numbers in [&[][..], &[699], &[3, 4, 5, 9, 9, 0], &backwards] {
                assert_eq!(read(&blocks, numbers).unwrap(), numbers);
            }
            // Removed, it can still be read.
            vfs.remove_file(&path).unwrap();
            assert_eq!(read(&blocks, &[5, 699]).unwrap(), [5, 699]);
            assert_eq!(Blocks::open(&vfs, &path, 7, 700).err().unwrap().code(), Code::Corrupt);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_other_place_is_found_out() {
        let disk = FaultDisk::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let path = Path::new("/f.blocks");
        write(&vfs, path, 3).unwrap();
        let good = vfs.read(path).unwrap();
        let blocks = Blocks::open(&vfs, path, 7, 3).unwrap();
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 1 << (byte % 8);
            disk.tamper(path, &bad);
            let number = (byte / BLOCK_BYTES) as u64;
            assert_eq!(read(&blocks, &[number]).unwrap_err().code(), Code::Corrupt, "byte {byte}");
            assert_eq!(read(&blocks, &[(number + 1) % 3]).unwrap(), [(number + 1) % 3]);
        }
        let swapped = [&good[BLOCK_BYTES..2 * BLOCK_BYTES], &good[..BLOCK_BYTES], &good[2 * BLOCK_BYTES..]];
        disk.tamper(path, &swapped.concat());
        assert!(read(&blocks, &[0]).is_err() && read(&blocks, &[1]).is_err() && read(&blocks, &[2]).is_ok());
        // Of another file, or of a file with another salt.
        disk.tamper(path, &good);
        disk.tamper(Path::new("/g.blocks"), &good);
        let other = Blocks::open(&vfs, Path::new("/g.blocks"), 7, 3).unwrap();
        assert_eq!(read(&other, &[0]).unwrap_err().code(), Code::Corrupt);
        assert!(read(&Blocks::open(&vfs, path, 8, 3).unwrap(), &[0]).is_err());
        // Of another length; cut while it is open.
        assert!(Blocks::open(&vfs, path, 7, 4).is_err() && Blocks::open(&vfs, path, 7, u64::MAX).is_err());
        disk.tamper(path, &good[..2 * BLOCK_BYTES]);
        assert_eq!(read(&blocks, &[2]).unwrap_err().code(), Code::Corrupt);
    }

    #[test]
    fn reads_that_fail_are_told() {
        let disk = FaultDisk::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let path = Path::new("/f.blocks");
        write(&vfs, path, 3).unwrap();
        let blocks = Blocks::open(&vfs, path, 7, 3).unwrap();
        disk.fail_reads(Some(io::ErrorKind::TimedOut));
        assert_eq!(read(&blocks, &[1]).unwrap_err().code(), Code::Io);
        disk.fail_reads(None);
        assert_eq!(read(&blocks, &[1]).unwrap(), [1]);
    }

    #[test]
    fn every_failing_operation_is_told_and_cleaned_up() {
        let mut operation = 0;
        loop {
            let disk = FaultDisk::new();
            let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
            disk.fail_at(operation, Fault::Once(io::ErrorKind::StorageFull));
            let outcome = write(&vfs, Path::new("/f"), 300);
            if disk.operations() <= operation {
                outcome.unwrap();
                break;
            }
            assert_eq!(outcome.unwrap_err().code(), Code::DiskFull, "operation {operation}");
            assert_eq!(disk.list(Path::new("/")).unwrap(), [] as [&str; 0], "operation {operation}");
            operation += 1;
        }
        assert!(operation >= 4, "create, two writes, sync");
    }
}
