//! Blocks of a file of the operating system: many at once through io_uring where the kernel lets us, else one after the
//! other. A file that memory could not hold anyway is read past the page cache.

use crate::index::sections::Block;
use crate::storage::pread::{read_run, runs};
#[cfg(target_os = "linux")]
use crate::storage::uring;
use crate::storage::vfs::BlockFile;
use std::fs::File;
use std::io;
use std::path::Path;

/// A file is left to the page cache if it is at most one in so many parts of the machine's memory.
const CACHED_SHARE: u64 = 2;

/// How blocks are read. Only speed differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mode {
    /// Past the page cache.
    pub direct: bool,
    /// Many at once.
    pub batched: bool,
}

impl Mode {
    /// What suits a file of `len` bytes.
    fn for_len(len: u64) -> Mode {
        Mode { direct: len > memory_bytes() / CACHED_SHARE, batched: true }
    }
}

/// A file open for reading blocks.
pub struct DiskBlocks {
    file: File,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    mode: Mode,
}

impl DiskBlocks {
    pub fn open(path: &Path) -> io::Result<DiskBlocks> {
        let mode = Mode::for_len(path.metadata()?.len());
        DiskBlocks::open_as(path, mode)
    }

    /// Opens it so; without `direct` where the file system has no such reads.
    pub fn open_as(path: &Path, mode: Mode) -> io::Result<DiskBlocks> {
        if mode.direct
            && let Some(file) = open_direct(path)
        {
            return Ok(DiskBlocks { file, mode });
        }
        let file = File::open(path)?;
        advise_random(&file);
        Ok(DiskBlocks { file, mode: Mode { direct: false, ..mode } })
    }
}

impl BlockFile for DiskBlocks {
    fn read(&self, numbers: &[u64], mut out: &mut [Block]) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.mode.batched && numbers.len() > 1 {
            return uring::read(&self.file, numbers, out);
        }
        for run in runs(numbers) {
            let (blocks, rest) = out.split_at_mut(run.len());
            read_run(&self.file, run[0], blocks)?;
            out = rest;
        }
        Ok(())
    }
}

/// The file without the page cache, if its first block can be read so.
#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options().read(true).custom_flags(libc::O_DIRECT).open(path).ok()?;
    read_run(&file, 0, &mut [Block::default()]).ok()?;
    Some(file)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> Option<File> {
    None
}

/// Tells the page cache that neighbours of what is read will not be wanted.
#[cfg(target_os = "linux")]
fn advise_random(file: &File) {
    use std::os::fd::AsRawFd;
    #[allow(unsafe_code)]
    // SAFETY: the descriptor is open, and the call touches no memory of ours. It is advice: its outcome is no matter.
    let _ = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
}

#[cfg(not(target_os = "linux"))]
fn advise_random(_: &File) {}

/// The machine's memory; where the system does not tell, more than any.
fn memory_bytes() -> u64 {
    #[cfg(unix)]
    {
        #[allow(unsafe_code)]
        // SAFETY: the calls only return numbers.
        let (pages, bytes) =
            unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        if let (Ok(pages), Ok(bytes)) = (u64::try_from(pages), u64::try_from(bytes)) {
            return pages.saturating_mul(bytes);
        }
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::sections::BLOCK_BYTES;

    #[test]
    fn every_mode_reads_the_same() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("f");
        let blocks = 1000usize;
        let bytes: Vec<u8> =
            (0..blocks * BLOCK_BYTES).map(|i| (i / 7 + i / BLOCK_BYTES * 31) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let spread: Vec<u64> = (0..700).map(|i| i * 377 % 1000).collect();
        let all: Vec<u64> = (0..1000).collect();
        for (direct, batched) in [(false, false), (false, true), (true, false), (true, true)] {
            let file = DiskBlocks::open_as(&path, Mode { direct, batched }).unwrap();
            for numbers in [&[][..], &[0], &[999, 0], &[5, 6, 7, 7, 8, 1], &spread, &all] {
                let mut out = vec![Block::default(); numbers.len()];
                file.read(numbers, &mut out).unwrap();
                for (&number, block) in numbers.iter().zip(&out) {
                    assert_eq!(
                        block.0,
                        bytes[number as usize * BLOCK_BYTES..][..BLOCK_BYTES],
                        "block {number}"
                    );
                }
            }
            for numbers in [&[1000][..], &[1, 1000, 2], &[998, 999, 1000]] {
                let mut out = vec![Block::default(); numbers.len()];
                assert!(file.read(numbers, &mut out).is_err(), "{direct} {batched} {numbers:?}");
            }
        }
    }

    #[test]
    fn threads_read_side_by_side() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("f");
        let bytes: Vec<u8> = (0..64 * BLOCK_BYTES).map(|i| (i / BLOCK_BYTES) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = DiskBlocks::open(&path).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let file = &file;
                scope.spawn(move || {
                    for round in 0..200 {
                        let numbers: Vec<u64> =
                            (0..8).map(|i| (thread * 11 + round * 7 + i * 13) % 64).collect();
                        let mut out = vec![Block::default(); 8];
                        file.read(&numbers, &mut out).unwrap();
                        assert!(
                            numbers.iter().zip(&out).all(|(&n, b)| b.0.iter().all(|&x| u64::from(x) == n))
                        );
                    }
                });
            }
        });
    }
}
