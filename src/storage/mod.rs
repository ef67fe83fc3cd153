//! Files. The only room that touches `std::fs`, and it does so through [`vfs::Vfs`], under which tests put a faulty
//! disk. Files are written once and never changed; only the WAL appends, only the manifest is replaced, by rename.

pub mod blocks;
pub mod checked;
#[cfg(test)]
mod crash_tests;
mod direct;
pub mod disk;
#[cfg(any(test, feature = "fault"))]
pub mod fault;
pub mod manifest;
mod mmap;
#[cfg(target_os = "linux")]
pub mod pages;
mod pread;
pub mod residence;
pub mod spill;
mod stamp;
#[cfg(target_os = "linux")]
mod uring;
pub mod vfs;
pub mod wal;
