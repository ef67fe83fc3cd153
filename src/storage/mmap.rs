//! Mapped files as Arrow buffers.

#![allow(unsafe_code)]

use arrow_buffer::Buffer;
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

/// Maps the whole of `file`; the last clone of the buffer unmaps it. The file must be one that is written once and
/// never changed: another program that truncates it turns a later access into a SIGBUS.
pub fn map(file: &File) -> io::Result<Buffer> {
    if file.metadata()?.len() == 0 {
        return Ok(Buffer::from_vec(Vec::<u8>::new()));
    }
    // SAFETY: the bytes under a mapping must not change while it lives. The engine maps finished files only, which it
    // never writes to or truncates again, and removing one keeps its inode until the mapping is gone.
    let map = unsafe { Mmap::map(file)? };
    let start = NonNull::from(&map[..]).cast::<u8>();
    let len = map.len();
    // SAFETY: `start` points at `len` bytes that stay where they are until `map`, which the buffer owns, is dropped.
    Ok(unsafe { Buffer::from_custom_allocation(start, len, Arc::new(map)) })
}
