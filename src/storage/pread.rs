//! Plain reads of blocks, a run of neighbours at a time.

use crate::index::sections::{BLOCK_BYTES, Block};
use std::fs::File;
use std::io;

/// Numbers that follow each other are one read.
pub fn runs(numbers: &[u64]) -> impl Iterator<Item = &[u64]> {
    numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b))
}

/// Reads consecutive blocks, from block `first` on; `UnexpectedEof` where the file is shorter.
pub fn read_run(file: &File, first: u64, blocks: &mut [Block]) -> io::Result<()> {
    let len = size_of_val(blocks);
    let start = blocks.as_mut_ptr().cast::<u8>();
    #[allow(unsafe_code)]
    // SAFETY: a block is nothing but its bytes (`repr(C)`, its size a multiple of its alignment), and the slice is
    // borrowed for as long as `bytes` lives.
    let bytes = unsafe { std::slice::from_raw_parts_mut(start, len) };
    read_exact_at(file, bytes, first * BLOCK_BYTES as u64)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}
