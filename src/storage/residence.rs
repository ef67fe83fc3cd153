//! Where the bytes of a finished file are while it is used: mapped, or in memory of the process.

use crate::error::{Code, Error, Result};
use arrow_buffer::Buffer;

/// As Arrow recommends, and as mapped sections lie.
const ALIGNMENT: usize = 64;

/// Where the bytes of a finished file are while it is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Residence {
    /// Mapped: the kernel reads what is touched, and drops what it needs room for.
    Mapped,
    /// In memory of the process, read as a whole.
    Memory,
}

impl Residence {
    /// That of something for which `mmap.enabled` is `enabled`.
    pub fn of_mmap(enabled: bool) -> Residence {
        if enabled { Residence::Mapped } else { Residence::Memory }
    }
}

/// `len` bytes in memory of the process, at a multiple of 64, that `fill` writes. Memory that the system does not have is an
/// error.
pub fn filled(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Buffer> {
    let mut bytes: Vec<u8> = Vec::new();
    let slack = ALIGNMENT - 1;
    len.checked_add(slack)
        .and_then(|all| bytes.try_reserve_exact(all).ok())
        .ok_or_else(|| Error::new(Code::MemoryLimit, format!("the system has no memory for {len} bytes")))?;
    bytes.resize(len + slack, 0);
    let start = bytes.as_ptr().addr().next_multiple_of(ALIGNMENT) - bytes.as_ptr().addr();
    fill(&mut bytes[start..start + len])?;
    Ok(Buffer::from_vec(bytes).slice_with_length(start, len))
}

/// A copy of `bytes`, which may be mapped.
pub fn copied(bytes: &[u8]) -> Result<Buffer> {
    filled(bytes.len(), |copy| {
        copy.copy_from_slice(bytes);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_lie_where_arrow_wants_them() {
        for len in [0, 1, 63, 64, 65, 100_000] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let copy = copied(&bytes).unwrap();
            assert_eq!(copy.as_slice(), bytes);
            assert!(copy.as_ptr().addr().is_multiple_of(ALIGNMENT), "{len}");
        }
    }

    #[test]
    fn more_than_there_is() {
        for len in [usize::MAX, usize::MAX / 2] {
            let error = filled(len, |_| Ok(())).unwrap_err();
            assert_eq!(error.code(), Code::MemoryLimit);
            assert!(error.message().contains(&format!("{len} bytes")), "{error}");
        }
        assert!(filled(9, |_| Err(Error::corrupt("no"))).is_err());
    }
}
