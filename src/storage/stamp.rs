//! The first 16 bytes of every file of our own: what it is, in which version, and a checksum of these two. They never
//! change their form, so that an old engine tells a newer file from a damaged one. And what binds a file to its place.

use crate::error::{Code, Error, Result};
use std::fmt;
use std::path::Path;

/// A kind of file: what it is called in messages, its magic, and the newest version this engine reads and writes.
pub struct Stamp {
    pub name: &'static str,
    pub magic: [u8; 8],
    pub version: u32,
}

impl Stamp {
    pub const LEN: usize = 16;

    /// The bytes to begin the file with.
    pub fn bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.magic);
        bytes[8..12].copy_from_slice(&self.version.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..12]);
        bytes[12..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What follows the stamp in `bytes`, read from `path`.
    pub fn strip<'a>(&self, bytes: &'a [u8], path: impl fmt::Display) -> Result<&'a [u8]> {
        let name = self.name;
        let Some((stamp, rest)) = bytes.split_first_chunk::<{ Self::LEN }>() else {
            return Err(Error::corrupt(format!("{path}: {} bytes are no {name}", bytes.len())));
        };
        if stamp[..8] != self.magic || u32_at(stamp, 12) != crc32c::crc32c(&stamp[..12]) {
            return Err(Error::corrupt(format!("{path}: it does not begin like a {name}")));
        }
        match u32_at(stamp, 8) {
            0 => Err(Error::corrupt(format!("{path}: there is no version 0 of a {name}"))),
            version if version > self.version => Err(Error::new(
                Code::FormatTooNew,
                format!(
                    "{path}: this {name} has format version {version}, this engine reads up to {}",
                    self.version
                ),
            )),
            _ => Ok(rest),
        }
    }
}

/// What a file's name adds to its checksums: `DIRECTORY/NAME`, wherever that directory is.
pub(super) fn place(path: &Path) -> u32 {
    let part =
        |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().as_encoded_bytes().to_vec();
    crc32c::crc32c(&[part(path.parent()), b"/".to_vec(), part(Some(path))].concat())
}

/// The little-endian number at `at`; the caller has checked the length.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("checked length"))
}

/// The little-endian number at `at`; the caller has checked the length.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("checked length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THING: Stamp = Stamp { name: "thing", magic: *b"ELTHING\n", version: 2 };

    #[test]
    fn older_and_current_versions_are_read_and_newer_ones_named() {
        let older = Stamp { version: 1, ..THING }.bytes();
        assert_eq!(THING.strip(&[&older[..], b"rest"].concat(), "f").unwrap(), b"rest");
        assert_eq!(THING.strip(&THING.bytes(), "f").unwrap(), b"");
        let error = THING.strip(&Stamp { version: 7, ..THING }.bytes(), "f").unwrap_err();
        assert_eq!(error.code(), Code::FormatTooNew);
        assert_eq!(error.message(), "f: this thing has format version 7, this engine reads up to 2");
    }

    #[test]
    fn any_flipped_bit_is_corruption_and_not_a_newer_version() {
        for bit in 0..Stamp::LEN * 8 {
            let mut bytes = THING.bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(THING.strip(&bytes, "f").unwrap_err().code(), Code::Corrupt, "bit {bit}");
        }
        for len in 0..Stamp::LEN {
            assert_eq!(THING.strip(&THING.bytes()[..len], "f").unwrap_err().code(), Code::Corrupt);
        }
        assert_eq!(
            THING.strip(&Stamp { version: 0, ..THING }.bytes(), "f").unwrap_err().code(),
            Code::Corrupt
        );
    }
}
