//! The bytes of the log. All numbers are little-endian.
//!
//! File header, 52 bytes: stamp (16), the file's number (u64), the number of the file before it (u64, 0 for none), how
//! many bytes of that are valid (u64), the sequence number of the first record (u64), CRC-32C of the log's name and all
//! that (u32).
//!
//! The log's name is that of its directory: the checksums cover it, so that a file is valid in its own log only.
//!
//! Record: a head of 32 bytes, then the payload. The head: magic (u32), the payload's length (u32), sequence number
//! (u64), how many bytes of this file were durable when it was written (u64), the payload's CRC-32C (u32), and the head's
//! own (u32). The latter also covers the log, the file's number and the head's offset, so that a head is valid in one place only:
//! not where a payload happens to hold a piece of a log, nor where a disk put a block in the wrong place.
//!
//! The closing mark is a head with a magic of its own, no payload, and all before it durable.

use crate::error::Result;
use crate::storage::stamp::{Stamp, u32_at, u64_at};
use std::path::Path;

const STAMP: Stamp = Stamp { name: "write-ahead log", magic: *b"ELANWAL\n", version: 1 };

const RECORD: [u8; 4] = *b"ELwr";
const CLOSING: [u8; 4] = *b"ELwc";

pub(super) fn file_name(number: u64) -> String {
    format!("wal-{number:08}.log")
}

/// The number in a file's name, if it is one that [`file_name`] gives.
pub(super) fn file_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("wal-")?.strip_suffix(".log")?.parse().ok()?;
    (number != 0 && file_name(number) == name).then_some(number)
}

/// What the name of the log in `dir` adds to its checksums.
pub(super) fn log_checksum(dir: &Path) -> u32 {
    crc32c::crc32c(dir.file_name().unwrap_or_default().as_encoded_bytes())
}

/// The first bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FileHeader {
    pub(super) number: u64,
    pub(super) previous: u64,
    pub(super) previous_len: u64,
    pub(super) first_sequence: u64,
}

impl FileHeader {
    pub(super) const LEN: u64 = 52;

    pub(super) fn bytes(&self, log: u32) -> Vec<u8> {
        let mut bytes = STAMP.bytes().to_vec();
        for number in [self.number, self.previous, self.previous_len, self.first_sequence] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c_append(log, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header in the first bytes of the file at `path`; `None` if it is damaged. A newer format is an error.
    pub(super) fn parse(bytes: &[u8], log: u32, number: u64, path: &Path) -> Result<Option<FileHeader>> {
        if let Err(error) = STAMP.strip(bytes, path.display()) {
            return if error.code() == crate::Code::Corrupt { Ok(None) } else { Err(error) };
        }
        let Some(bytes) = bytes.get(..Self::LEN as usize) else { return Ok(None) };
        let header = FileHeader {
            number: u64_at(bytes, 16),
            previous: u64_at(bytes, 24),
            previous_len: u64_at(bytes, 32),
            first_sequence: u64_at(bytes, 40),
        };
        Ok((crc32c::crc32c_append(log, &bytes[..48]) == u32_at(bytes, 48) && header.number == number)
            .then_some(header))
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RecordHead {
    pub(super) closing: bool,
    pub(super) len: u32,
    pub(super) sequence: u64,
    /// How many bytes of the file were durable when this was written.
    pub(super) synced: u64,
    pub(super) checksum: u32,
}

impl RecordHead {
    pub(super) const LEN: u64 = 32;

    /// The payload is not longer than `u32::MAX`.
    pub(super) fn of(payload: &[u8], sequence: u64, synced: u64) -> RecordHead {
        let checksum = crc32c::crc32c(payload);
        RecordHead { closing: false, len: payload.len() as u32, sequence, synced, checksum }
    }

    pub(super) fn closing(sequence: u64, synced: u64) -> RecordHead {
        RecordHead { closing: true, len: 0, sequence, synced, checksum: 0 }
    }

    pub(super) fn bytes(&self, log: u32, file: u64, offset: u64) -> [u8; Self::LEN as usize] {
        let mut bytes = [0; Self::LEN as usize];
        bytes[..4].copy_from_slice(if self.closing { &CLOSING } else { &RECORD });
        bytes[4..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.checksum.to_le_bytes());
        let crc = head_checksum(&bytes[..28], log, file, offset);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The head that `bytes` begin with, if it is whole and belongs at `offset` of this file.
    pub(super) fn parse(bytes: &[u8], log: u32, file: u64, offset: u64) -> Option<RecordHead> {
        let bytes = bytes.first_chunk::<{ Self::LEN as usize }>()?;
        let closing = match *bytes.first_chunk::<4>()? {
            RECORD => false,
            CLOSING => true,
            _ => return None,
        };
        if head_checksum(&bytes[..28], log, file, offset) != u32_at(bytes, 28) {
            return None;
        }
        let head = RecordHead {
            closing,
            len: u32_at(bytes, 4),
            sequence: u64_at(bytes, 8),
            synced: u64_at(bytes, 16),
            checksum: u32_at(bytes, 24),
        };
        let sensible = head.synced <= offset && (!closing || head.len == 0);
        sensible.then_some(head)
    }
}

fn head_checksum(bytes: &[u8], log: u32, file: u64, offset: u64) -> u32 {
    let file = crc32c::crc32c_append(log, &file.to_le_bytes());
    let place = crc32c::crc32c_append(file, &offset.to_le_bytes());
    crc32c::crc32c_append(place, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        for number in [1, 12_345_678, 123_456_789, u64::MAX] {
            assert_eq!(file_number(&file_name(number)), Some(number));
        }
        for name in [
            "wal-1.log",
            "wal-00000000.log",
            "wal-+0000001.log",
            "wal-.log",
            "MANIFEST",
            "wal-00000001.log.crc",
        ] {
            assert_eq!(file_number(name), None, "{name}");
        }
    }

    #[test]
    fn a_head_is_valid_in_its_place_only() {
        let (log, other) = (log_checksum(Path::new("/db/1")), log_checksum(Path::new("/db/2")));
        let bytes = RecordHead::of(b"payload", 7, 52).bytes(log, 3, 1000);
        assert_eq!(RecordHead::parse(&bytes, other, 3, 1000), None);
        assert_eq!(RecordHead::parse(&bytes, log, 3, 1000), Some(RecordHead::of(b"payload", 7, 52)));
        assert_eq!(RecordHead::parse(&bytes, log, 3, 1001), None);
        assert_eq!(RecordHead::parse(&bytes, log, 4, 1000), None);
        assert_eq!(RecordHead::parse(&bytes[..31], log, 3, 1000), None);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHead::parse(&bad, log, 3, 1000), None, "bit {bit}");
        }
    }
}
