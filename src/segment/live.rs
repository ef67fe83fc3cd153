//! Which rows of a segment are live: a bitmap, copied when a delete changes it, and its file.

use crate::error::{Error, Result};
use crate::segment::Shared;
use crate::storage::checked::{CheckedFile, CheckedWriter};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, MutableBuffer, bit_util};
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8; 8] = b"ELANLIV1";
const HEADER: usize = 16;

/// The live rows of a segment. Cloning shares the bitmap.
#[derive(Clone, Debug)]
pub struct Live {
    len: usize,
    dead: usize,
    /// A set bit is a live row; `None` where all are.
    bits: Option<BooleanBuffer>,
}

impl Live {
    /// All of `len` rows.
    pub fn all(len: usize) -> Live {
        Live { len, dead: 0, bits: None }
    }

    fn from_bits(bits: BooleanBuffer) -> Live {
        let dead = bits.len() - bits.count_set_bits();
        Live { len: bits.len(), dead, bits: (dead > 0).then_some(bits) }
    }

    /// Rows, dead ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn dead(&self) -> usize {
        self.dead
    }

    /// Live rows.
    pub fn count(&self) -> usize {
        self.len - self.dead
    }

    /// The bitmap that a search passes on; `None` where all rows are live.
    pub fn bits(&self) -> Option<&BooleanBuffer> {
        self.bits.as_ref()
    }

    pub fn is_live(&self, row: usize) -> bool {
        self.bits.as_ref().is_none_or(|bits| bits.value(row))
    }

    /// The same without `rows`. Killing a dead row again changes nothing.
    pub fn without(&self, rows: &[u32]) -> Live {
        if rows.is_empty() {
            return self.clone();
        }
        let mut bits = self.bits.as_ref().map_or_else(|| all_set(self.len), copied);
        for &row in rows {
            bit_util::unset_bit(bits.as_slice_mut(), row as usize);
        }
        Live::from_bits(BooleanBuffer::new(bits.into(), 0, self.len))
    }

    /// The same with `rows` live again.
    pub fn with(&self, rows: impl Iterator<Item = u32>) -> Live {
        let mut rows = rows.peekable();
        let Some(bits) = self.bits.as_ref().filter(|_| rows.peek().is_some()) else { return self.clone() };
        let mut bits = copied(bits);
        rows.for_each(|row| bit_util::set_bit(bits.as_slice_mut(), row as usize));
        Live::from_bits(BooleanBuffer::new(bits.into(), 0, self.len))
    }

    /// The live rows that `keep` has too: a bit a row.
    pub fn kept(&self, keep: &BooleanBuffer) -> Live {
        match &self.bits {
            Some(bits) => Live::from_bits(bits & keep),
            None => Live::from_bits(keep.clone()),
        }
    }

    /// The live rows of `parts`, one after the other.
    pub fn concat<'a>(parts: impl Iterator<Item = &'a Live>) -> Live {
        let mut builder = BooleanBufferBuilder::new(0);
        for part in parts {
            match &part.bits {
                Some(bits) => builder.append_buffer(bits),
                None => builder.append_n(part.len, true),
            }
        }
        Live::from_bits(builder.finish())
    }

    /// What is live of the rows that were live in `before`, renumbered: those rows only were kept.
    pub fn renumbered(&self, before: &Live) -> Live {
        match &before.bits {
            None => self.clone(),
            Some(kept) => {
                let mut builder = BooleanBufferBuilder::new(before.count());
                kept.set_indices().for_each(|row| builder.append(self.is_live(row)));
                Live::from_bits(builder.finish())
            }
        }
    }

    /// Runs of live rows, as start and end.
    pub fn runs(&self) -> Vec<(usize, usize)> {
        match &self.bits {
            None if self.len == 0 => Vec::new(),
            None => vec![(0, self.len)],
            Some(bits) => bits.set_slices().collect(),
        }
    }

    /// Writes the bitmap to `path` (the caller syncs the directory).
    pub fn save(&self, shared: &Shared, path: &Path) -> Result<()> {
        let mut file = CheckedWriter::create(&shared.vfs, path)?;
        let mut bytes = Vec::with_capacity(HEADER + self.len / 8 + 1);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(self.len as u64).to_le_bytes());
        let mut builder = BooleanBufferBuilder::new(self.len);
        match &self.bits {
            Some(bits) => builder.append_buffer(bits),
            None => builder.append_n(self.len, true),
        }
        bytes.extend_from_slice(builder.finish().values());
        bytes.truncate(HEADER + bit_util::ceil(self.len, 8));
        file.write_all(&bytes).map_err(|e| Error::io(format!("cannot write {}", path.display()), e))?;
        file.finish()
    }

    /// Reads the bitmap of a segment of `len` rows, of which `dead` are dead.
    pub fn load(shared: &Shared, path: &Path, len: usize, dead: usize) -> Result<Live> {
        let bytes = CheckedFile::open(&shared.vfs, path)?.bytes(&shared.pool)?;
        let bits = decode(&bytes, len).filter(|bits| bits.len() - bits.count_set_bits() == dead);
        let bits = bits.ok_or_else(|| {
            Error::corrupt(format!("{} does not hold {dead} deletes of {len} rows", path.display()))
        })?;
        Ok(Live::from_bits(bits))
    }
}

fn decode(bytes: &Buffer, len: usize) -> Option<BooleanBuffer> {
    let body = bit_util::ceil(len, 8);
    let header = bytes.get(..HEADER)?;
    let expected = header[..8] == MAGIC[..] && header[8..] == (len as u64).to_le_bytes()[..];
    let whole = expected && bytes.len() == HEADER + body;
    whole.then(|| BooleanBuffer::new(Buffer::from(&bytes[HEADER..]), 0, len))
}

fn copied(bits: &BooleanBuffer) -> MutableBuffer {
    let sliced = bits.sliced();
    let mut copy = MutableBuffer::with_capacity(sliced.len());
    copy.extend_from_slice(sliced.as_slice());
    copy
}

/// A buffer whose first `len` bits are set.
fn all_set(len: usize) -> MutableBuffer {
    let mut buffer = MutableBuffer::from_len_zeroed(bit_util::ceil(len, 8));
    let bytes = buffer.as_slice_mut();
    bytes[..len / 8].fill(0xff);
    if !len.is_multiple_of(8) {
        bytes[len / 8] = (1 << (len % 8)) - 1;
    }
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(live: &Live) -> Vec<usize> {
        (0..live.len()).filter(|&row| live.is_live(row)).collect()
    }

    #[test]
    fn deletes_leave_older_views_alone() {
        let all = Live::all(11);
        let some = all.without(&[0, 10, 3]);
        let fewer = some.without(&[3, 4]);
        assert_eq!((all.dead(), some.dead(), fewer.dead()), (0, 3, 4));
        assert_eq!(rows(&all).len(), 11);
        assert_eq!(rows(&some), [1, 2, 4, 5, 6, 7, 8, 9]);
        assert_eq!(rows(&fewer), [1, 2, 5, 6, 7, 8, 9]);
        assert_eq!(fewer.runs(), [(1, 3), (5, 10)]);
        assert_eq!(fewer.count(), 7);
        assert!(all.without(&[]).bits().is_none());
        assert_eq!(rows(&fewer.with([4, 10, 5].into_iter())), [1, 2, 4, 5, 6, 7, 8, 9, 10]);
        assert!(all.with([3].into_iter()).bits().is_none() && fewer.with(std::iter::empty()).dead() == 4);
        let even: BooleanBuffer = (0..11).map(|row| row % 2 == 0).collect();
        assert_eq!(rows(&some.kept(&even)), [2, 4, 6, 8]);
        assert_eq!((all.kept(&even).count(), all.kept(&BooleanBuffer::new_set(11)).dead()), (6, 0));
    }

    #[test]
    fn parts_one_after_the_other() {
        let parts = [Live::all(3), Live::all(10).without(&[9]), Live::all(2)];
        let whole = Live::concat(parts.iter());
        assert_eq!((whole.len(), whole.dead()), (15, 1));
        assert!(!whole.is_live(12));
        assert!(Live::concat([Live::all(3)].iter()).bits().is_none());
    }

    #[test]
    fn kept_rows_are_renumbered() {
        let before = Live::all(6).without(&[0, 3]);
        let now = before.without(&[4]);
        let new = now.renumbered(&before);
        assert_eq!((new.len(), rows(&new)), (4, vec![0, 1, 3]));
        assert_eq!(now.renumbered(&Live::all(6)).len(), 6);
    }

    #[test]
    fn bytes_that_are_no_bitmap() {
        let mut bytes = Vec::from(*MAGIC);
        bytes.extend_from_slice(&9u64.to_le_bytes());
        bytes.extend_from_slice(&[0xff, 0x01]);
        let good = Buffer::from(bytes.clone());
        assert!(decode(&good, 9).is_some());
        assert!(decode(&good, 8).is_none());
        for cut in 0..bytes.len() {
            assert!(decode(&Buffer::from(&bytes[..cut]), 9).is_none(), "{cut}");
        }
    }
}
