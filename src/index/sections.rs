//! Named byte sections: how an index is saved and found again, without knowing where the bytes lie.
//!
//! A section is mapped and used where it lies, or it is a row of [`Block`]s that are read one by one while the index is
//! searched, so that it never has to be in memory as a whole.

use crate::error::{Code, Error, Result};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a block: what a disk reads at once.
pub const BLOCK_BYTES: usize = 4096;
/// Bytes of a block that are the index's own; the others hold its checksum.
pub const PAYLOAD: usize = BLOCK_BYTES - 4;

/// A block of a section that is read and not mapped, aligned as direct reads want it.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
pub struct Block(pub [u8; BLOCK_BYTES]);

impl Default for Block {
    fn default() -> Block {
        Block([0; BLOCK_BYTES])
    }
}

impl Block {
    /// The index's own bytes.
    pub fn payload(&self) -> &[u8] {
        &self.0[..PAYLOAD]
    }

    /// The index's own bytes, to be written.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.0[..PAYLOAD]
    }
}

/// A section of blocks. Many threads may read at once.
pub trait BlockReader: Send + Sync {
    /// How many blocks there are.
    fn blocks(&self) -> u64;

    /// Reads block `numbers[i]` into `out[i]`, all at once where the system can. Every number is below
    /// [`BlockReader::blocks`], and the lengths agree. Fails where the blocks cannot be read, or are not what was
    /// written; `out` then holds anything.
    fn read(&self, numbers: &[u64], out: &mut [Block]) -> Result<()>;
}

/// Takes sections one after the other; each starts at a multiple of 64 bytes, so that it can be mapped and used.
pub trait SectionWriter {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()>;

    /// A section of `count` blocks, of which an index has one at most. `fill` is called for each in order, with its
    /// number and its payload of zeros; no more than a few blocks are held in memory.
    fn blocks(
        &mut self,
        name: &str,
        count: u64,
        fill: &mut dyn FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let _ = (count, fill);
        Err(Error::internal(format!("no place for the blocks of section {name}")))
    }
}

/// The sections of a saved index, checked against their checksums already (blocks: when they are read).
#[derive(Default)]
pub struct Sections {
    mapped: BTreeMap<String, Buffer>,
    readers: BTreeMap<String, Arc<dyn BlockReader>>,
}

impl Sections {
    pub fn insert(&mut self, name: &str, bytes: Buffer) {
        self.mapped.insert(name.to_owned(), bytes);
    }

    pub fn insert_reader(&mut self, name: &str, reader: Arc<dyn BlockReader>) {
        self.readers.insert(name.to_owned(), reader);
    }

    /// The bytes of `name` as exactly `len` values of `T`, without a copy.
    pub fn typed<T: ArrowNativeType>(&self, name: &str, len: usize) -> Result<ScalarBuffer<T>> {
        let bytes = self.bytes(name)?;
        let wanted = len.checked_mul(size_of::<T>());
        if wanted != Some(bytes.len()) || !bytes.as_ptr().cast::<T>().is_aligned() {
            return Err(Error::corrupt(format!(
                "section {name} has {} bytes, not {len} values",
                bytes.len()
            )));
        }
        Ok(ScalarBuffer::new(bytes.clone(), 0, len))
    }

    pub fn bytes(&self, name: &str) -> Result<&Buffer> {
        self.mapped.get(name).ok_or_else(|| Error::corrupt(format!("section {name} is missing")))
    }

    /// The numbers of the section `head`, the first of which is the layout of the others. `kind` names the index in errors.
    pub fn head<const N: usize>(&self, kind: &str, format: u32) -> Result<[u32; N]> {
        let numbers = self.typed::<u32>("head", N)?;
        let head: [u32; N] = std::array::from_fn(|at| numbers[at]);
        if head[0] != format {
            let message = format!("{kind} format {}, this version reads {format}", head[0]);
            return Err(Error::new(Code::FormatTooNew, message));
        }
        Ok(head)
    }

    /// The section of exactly `blocks` blocks that is read and not mapped.
    pub fn reader(&self, name: &str, blocks: u64) -> Result<Arc<dyn BlockReader>> {
        let reader = self.readers.get(name);
        let reader = reader.ok_or_else(|| Error::corrupt(format!("section {name} is missing")))?;
        if reader.blocks() != blocks {
            return Err(Error::corrupt(format!(
                "section {name} has {} blocks, not {blocks}",
                reader.blocks()
            )));
        }
        Ok(reader.clone())
    }
}
