//! Reading many blocks with one system call, through io_uring. Each thread has a ring of its own, made at its first read.
//!
//! A ring only makes reads faster: where there is none (an old kernel, a seccomp filter), and for every read that does
//! not come back whole, a plain read does the work and tells the error.

#![allow(unsafe_code)]

use crate::index::sections::{BLOCK_BYTES, Block};
use crate::storage::pread::{read_run, runs};
use io_uring::{IoUring, Probe, opcode, types};
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;

/// Blocks that are on their way at once.
const DEPTH: usize = 64;

/// The ring of a thread.
enum Slot {
    Untried,
    /// Without a ring, or with one that failed.
    Without,
    Ready(Box<Ring>),
}

/// A ring and the memory that the kernel reads into. Both are dropped when nothing is on its way, else never.
struct Ring {
    ring: ManuallyDrop<IoUring>,
    blocks: ManuallyDrop<Vec<Block>>,
    /// Reads that the kernel may still be busy with.
    pending: usize,
    /// The process that made it: after a fork, the child must not use the ring it shares with its parent.
    process: u32,
}

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot::Untried) };
}

/// Reads block `numbers[i]` of `file` into `out[i]`.
pub fn read(file: &File, numbers: &[u64], out: &mut [Block]) -> io::Result<()> {
    for (numbers, out) in numbers.chunks(DEPTH).zip(out.chunks_mut(DEPTH)) {
        // A thread that ends has no slot any more.
        let by_ring = SLOT.try_with(|slot| slot.borrow_mut().read(file, numbers, out));
        let whole = by_ring.unwrap_or(0);
        let mut at = 0;
        for (nth, run) in runs(numbers).enumerate() {
            if whole & (1 << nth) == 0 {
                read_run(file, run[0], &mut out[at..at + run.len()])?;
            }
            at += run.len();
        }
    }
    Ok(())
}

impl Slot {
    /// Reads at most [`DEPTH`] blocks; a bit for each run that came back whole.
    fn read(&mut self, file: &File, numbers: &[u64], out: &mut [Block]) -> u64 {
        let process = std::process::id();
        if let Slot::Ready(ring) = self
            && ring.process != process
        {
            *self = Slot::Untried;
        }
        if let Slot::Untried = self {
            *self = Ring::new(process).map_or(Slot::Without, Slot::Ready);
        }
        let Slot::Ready(ring) = self else { return 0 };
        let whole = ring.read(file, numbers, out);
        if ring.pending > 0 {
            *self = Slot::Without;
        }
        whole
    }
}

impl Ring {
    fn new(process: u32) -> Option<Box<Ring>> {
        let modern = || IoUring::builder().setup_single_issuer().setup_coop_taskrun().build(DEPTH as u32);
        let ring = modern().or_else(|_| IoUring::new(DEPTH as u32)).ok()?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe).ok()?;
        let blocks = ManuallyDrop::new(vec![Block::default(); DEPTH]);
        let ring = Box::new(Ring { ring: ManuallyDrop::new(ring), blocks, pending: 0, process });
        probe.is_supported(opcode::Read::CODE).then_some(ring)
    }

    fn read(&mut self, file: &File, numbers: &[u64], out: &mut [Block]) -> u64 {
        debug_assert!(numbers.len() <= DEPTH && numbers.len() == out.len());
        let fd = types::Fd(file.as_raw_fd());
        let start = self.blocks.as_mut_ptr();
        let mut at = 0;
        for (nth, run) in runs(numbers).enumerate() {
            // SAFETY: there are DEPTH blocks, and no more numbers.
            let place = unsafe { start.add(at) };
            let bytes = run.len() * BLOCK_BYTES;
            let entry = opcode::Read::new(fd, place.cast(), bytes as u32)
                .offset(run[0] * BLOCK_BYTES as u64)
                .build()
                .user_data(nth as u64);
            // SAFETY: the place is `bytes` long and stays where it is until the read is done: `pending` counts it, and
            // neither the ring nor the blocks are dropped or touched while it is above zero.
            if unsafe { self.ring.submission().push(&entry) }.is_err() {
                break; // Cannot be: the queue was empty and has DEPTH entries. What is missing is read plainly.
            }
            self.pending += 1;
            at += run.len();
        }
        let mut results = [0i32; DEPTH];
        while self.pending > 0 {
            match self.ring.submit_and_wait(self.pending) {
                Err(error) if error.raw_os_error() != Some(libc::EINTR) => return 0,
                _ => {}
            }
            for entry in self.ring.completion() {
                self.pending -= 1;
                if let Some(result) = results.get_mut(entry.user_data() as usize) {
                    *result = entry.result();
                }
            }
        }
        let (mut whole, mut at) = (0, 0);
        for (nth, run) in runs(numbers).enumerate() {
            let end = at + run.len();
            if usize::try_from(results[nth]) == Ok(run.len() * BLOCK_BYTES) {
                out[at..end].clone_from_slice(&self.blocks[at..end]);
                whole |= 1 << nth;
            }
            at = end;
        }
        whole
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.pending == 0 {
            // SAFETY: this is the end of both, and the kernel is done with them.
            unsafe {
                ManuallyDrop::drop(&mut self.ring);
                ManuallyDrop::drop(&mut self.blocks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_reads_what_plain_reads_do() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("f");
        let bytes: Vec<u8> = (0..100 * BLOCK_BYTES).map(|i| (i / BLOCK_BYTES) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let Some(mut ring) = Ring::new(std::process::id()) else {
            return; // This system has none: all reads are plain ones.
        };
        let numbers = [7, 8, 9, 3, 99, 100, 50];
        let mut out = vec![Block::default(); numbers.len()];
        // Runs: 7 to 9, 3, 99 and 100 (which ends beyond the file), 50.
        assert_eq!(ring.read(&file, &numbers, &mut out), 0b1011);
        assert_eq!(ring.pending, 0);
        for at in [0, 1, 2, 3, 6] {
            assert!(out[at].0.iter().all(|&byte| u64::from(byte) == numbers[at]));
        }
        // A ring of another process is not used.
        ring.process = ring.process.wrapping_add(1);
        let mut slot = Slot::Ready(ring);
        assert_ne!(slot.read(&file, &[1, 3], &mut out[..2]), 0);
        let mut slot = Slot::Without;
        assert_eq!(slot.read(&file, &[1, 3], &mut out[..2]), 0);
    }
}
