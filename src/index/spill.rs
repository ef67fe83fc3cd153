//! Where a build puts what it cannot hold in memory, without knowing where that is.

use crate::error::{Error, Result};

/// Makes scratch files.
pub trait Spill: Sync {
    fn create(&self) -> Result<Box<dyn SpillFile>>;
}

/// A scratch file that is being written; gone when it is dropped.
pub trait SpillFile: Send {
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Ends the writing.
    fn finish(self: Box<Self>) -> Result<Box<dyn Spilled>>;
}

/// A written scratch file; gone when it is dropped.
pub trait Spilled: Send + Sync {
    /// Reads exactly `out.len()` bytes; an error where the file is shorter.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()>;
}

/// Scratch files in memory, where there is no disk to spare memory with.
pub struct InMemory;

impl Spill for InMemory {
    fn create(&self) -> Result<Box<dyn SpillFile>> {
        Ok(Box::new(Bytes(Vec::new())))
    }
}

struct Bytes(Vec<u8>);

impl SpillFile for Bytes {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Box<dyn Spilled>> {
        Ok(self)
    }
}

impl Spilled for Bytes {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let part = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)?.get(..out.len()));
        out.copy_from_slice(part.ok_or_else(|| Error::internal("a scratch file ends early"))?);
        Ok(())
    }
}
