//! Files. The only room that touches `std::fs`, and it does so through [`vfs::Vfs`], under which tests put a faulty
//! disk. Files are written once and never changed; only the WAL appends, only the manifest is replaced, by rename.

pub mod checked;
pub mod manifest;
pub mod vfs;
pub mod wal;
