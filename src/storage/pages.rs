//! An allocator that gives large blocks back to the system.
//!
//! malloc keeps what was freed: glibc raises its limit for blocks of their own to 32 MiB as soon as such blocks come and
//! go, so that the buffers of inserts, seals and merges stay in the process' heap for good. The C library takes this
//! allocator, hosts that are written in Rust choose their own.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr;

/// Blocks of at least so many bytes are mappings of their own. Below, the page faults of fresh memory cost more than what
/// could be kept.
pub const LARGE: usize = 1 << 20;
/// No system that this runs on has smaller pages.
const PAGE: usize = 4096;

/// Blocks from [`LARGE`] bytes on are mapped and unmapped one by one, smaller ones are the system's malloc's.
pub struct Pages;

/// By the layout alone, so that a block is freed as it was made.
fn is_mapped(size: usize, align: usize) -> bool {
    size >= LARGE && align <= PAGE
}

/// `size` zeroed bytes, or null.
fn map(size: usize) -> *mut u8 {
    // SAFETY: an anonymous mapping at an address that the system chooses touches no memory that is in use.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED { ptr::null_mut() } else { start.cast() }
}

// SAFETY: blocks come from `System` or from mappings of their own, by their layout alone; a mapping is page-aligned, at
// least as long as asked for and lives until it is unmapped. Nothing here panics.
unsafe impl GlobalAlloc for Pages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_mapped(layout.size(), layout.align()) {
            return map(layout.size());
        }
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_mapped(layout.size(), layout.align()) {
            return map(layout.size());
        }
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_mapped(layout.size(), layout.align()) {
            // SAFETY: `block` is a mapping of `layout.size()` bytes that the caller uses no more. It cannot fail in a way
            // that matters: what stays mapped is lost.
            unsafe { libc::munmap(block.cast::<c_void>(), layout.size()) };
            return;
        }
        // SAFETY: it was `System` that made the block.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match (is_mapped(layout.size(), layout.align()), is_mapped(size, layout.align())) {
            // SAFETY: it was `System` that made the block, and makes the new one.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            (true, true) => {
                // SAFETY: `block` is a mapping of `layout.size()` bytes, which is the caller's; pages move, nothing is copied.
                let moved = unsafe {
                    libc::mremap(block.cast::<c_void>(), layout.size(), size, libc::MREMAP_MAYMOVE)
                };
                if moved == libc::MAP_FAILED { ptr::null_mut() } else { moved.cast() }
            }
            _ => {
                // SAFETY: the caller promises that `size` is not 0 and, rounded up to the alignment, fits an `isize`.
                let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
                // SAFETY: as above; two blocks do not overlap, and both have the smaller of the two sizes.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the page at `start` is mapped.
    fn is_there(start: *mut u8) -> bool {
        let mut seen = 0u8;
        // SAFETY: it only asks; `seen` has room for the one page.
        unsafe { libc::mincore(start.cast::<c_void>(), PAGE, &raw mut seen) == 0 }
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn contents_move_with_a_block_across_the_limit() {
        let sizes = [
            1,
            100,
            LARGE - 1,
            LARGE,
            LARGE + 1,
            3 * LARGE + 5,
            2 * LARGE,
            LARGE,
            LARGE - 1,
            7,
            5 * LARGE,
            64,
        ];
        for align in [1, 64, 4096, 8192] {
            let mut old = layout(sizes[0], align);
            // SAFETY: each block is used within its size and freed once.
            unsafe {
                let mut block = Pages.alloc(old);
                *block = 1;
                for size in sizes {
                    block = Pages.realloc(block, old, size);
                    assert!(!block.is_null() && (block as usize).is_multiple_of(align), "{size} {align}");
                    assert_eq!(*block, 1, "{size} {align}");
                    // The last byte of the smaller is there, and the last of the new can be written.
                    if size.min(old.size()) > 1 && old.size() <= size {
                        assert_eq!(*block.add(old.size() - 1), 2, "{size} {align}");
                    }
                    if size > 1 {
                        *block.add(size - 1) = 2;
                    }
                    old = layout(size, align);
                }
                Pages.dealloc(block, old);
            }
        }
    }

    #[test]
    fn zeroed_blocks_are_zero_even_where_others_were() {
        for size in [1000, LARGE, 2 * LARGE + 3] {
            for _ in 0..3 {
                let layout = layout(size, 64);
                // SAFETY: the block has `size` bytes and is freed once.
                unsafe {
                    let block = Pages.alloc_zeroed(layout);
                    let bytes = std::slice::from_raw_parts_mut(block, size);
                    assert!(bytes.iter().all(|&b| b == 0));
                    bytes.fill(0xff);
                    Pages.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn what_is_freed_is_unmapped() {
        // By bad luck another thread maps something there in between: tried often.
        let layout = layout(256 * LARGE, 64);
        let gone = (0..20).any(|_| {
            // SAFETY: freed once; its address is only asked about afterwards.
            unsafe {
                let block = Pages.alloc(layout);
                assert!(is_there(block));
                Pages.dealloc(block, layout);
                !is_there(block)
            }
        });
        assert!(gone);
    }

    #[test]
    fn too_much_is_null_and_the_block_stays() {
        let small = layout(2 * LARGE, 8);
        // SAFETY: the block is freed once, after a growth that failed and left it.
        unsafe {
            assert!(Pages.alloc(layout(isize::MAX as usize & !4095, 8)).is_null());
            let block = Pages.alloc(small);
            *block = 7;
            assert!(Pages.realloc(block, small, isize::MAX as usize & !4095).is_null());
            assert_eq!(*block, 7);
            Pages.dealloc(block, small);
        }
    }
}
