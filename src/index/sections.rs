//! Named byte sections: how an index is saved and found again, without knowing where the bytes lie.

use crate::error::{Error, Result};
use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};
use std::collections::BTreeMap;

/// Takes sections one after the other; each starts at a multiple of 64 bytes, so that it can be mapped and used.
pub trait SectionWriter {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()>;
}

/// The sections of a saved index, checked against their checksums already.
#[derive(Default)]
pub struct Sections(BTreeMap<String, Buffer>);

impl Sections {
    pub fn insert(&mut self, name: &str, bytes: Buffer) {
        self.0.insert(name.to_owned(), bytes);
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
        self.0.get(name).ok_or_else(|| Error::corrupt(format!("section {name} is missing")))
    }
}
