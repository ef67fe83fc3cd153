//! As much of Thrift's compact protocol as it takes to see what a Parquet file claims, before the reader believes it.

/// Structures inside structures; Parquet's have no more than a handful of levels.
const DEPTH: u32 = 32;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A value of a field, where it is of interest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    Int(i64),
    /// Where it begins.
    Struct(usize),
    /// How many elements.
    List(u64),
    Other,
}

/// Bytes being read. Every `None` is a text that ends too early or is none of the protocol's.
pub struct Thrift<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Thrift<'a> {
    pub fn new(bytes: &'a [u8], at: usize) -> Thrift<'a> {
        Thrift { bytes, at }
    }

    /// The fields of a structure, by their numbers, and passes over it.
    pub fn fields(&mut self) -> Option<Vec<(i64, Value)>> {
        let mut fields = Vec::new();
        self.structure(DEPTH, &mut |id, value| fields.push((id, value)))?;
        Some(fields)
    }

    /// Tells `each` of the fields and passes over them.
    fn structure(&mut self, depth: u32, each: &mut dyn FnMut(i64, Value)) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if head == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => self.zigzag()?,
                delta => id.checked_add(i64::from(delta))?,
            };
            let start = self.at;
            let value = match kind {
                4..=6 => Value::Int(self.zigzag()?),
                LIST => Value::List(self.list_head()?.0),
                STRUCT => Value::Struct(start),
                _ => Value::Other,
            };
            self.at = start;
            each(id, value);
            self.skip(kind, depth)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        match kind {
            TRUE | FALSE => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.zigzag().map(drop),
            7 => self.pass(8),
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.pass(length)
            }
            9 | 10 => {
                let (length, kind) = self.list_head()?;
                self.skip_all(length, &[kind], depth)
            }
            11 => match self.varint()? {
                0 => Some(()),
                length => {
                    let kinds = self.byte()?;
                    self.skip_all(length, &[kinds >> 4, kinds & 15], depth)
                }
            },
            STRUCT => self.structure(depth, &mut |_, _| ()),
            13 => self.pass(16),
            _ => None,
        }
    }

    fn skip_all(&mut self, length: u64, kinds: &[u8], depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        for _ in 0..length {
            for &kind in kinds {
                // In a list a truth value is a byte of its own.
                if matches!(kind, TRUE | FALSE) { self.pass(1)? } else { self.skip(kind, depth)? }
            }
        }
        Some(())
    }

    fn list_head(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((length, head & 15))
    }

    fn pass(&mut self, length: usize) -> Option<()> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len())?;
        self.at = end;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_lists() {
        // 1: i32 = -3; 2: list of two bytes; 5: struct { 1: true }; 40 (long form): i64 = 300
        let bytes = [0x15, 5, 0x19, 0x23, 7, 8, 0x3c, 0x11, 0, 0x06, 80, 0xd8, 0x04, 0];
        let mut thrift = Thrift::new(&bytes, 0);
        let expected =
            vec![(1, Value::Int(-3)), (2, Value::List(2)), (5, Value::Struct(7)), (40, Value::Int(300))];
        assert_eq!(thrift.fields().unwrap(), expected);
        assert_eq!(thrift.at, bytes.len());
        for cut in 0..bytes.len() {
            assert_eq!(Thrift::new(&bytes[..cut], 0).fields(), None, "{cut}");
        }
    }

    #[test]
    fn bytes_that_are_none() {
        let deep = vec![0x1c; 100_000];
        assert_eq!(Thrift::new(&deep, 0).fields(), None);
        let lists = vec![0x19; 100_000];
        assert_eq!(Thrift::new(&lists, 0).fields(), None);
        let endless = [0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0];
        assert_eq!(Thrift::new(&endless, 0).fields(), None);
        assert_eq!(Thrift::new(&[0x18, 0xff, 0xff, 0x7f, 0], 0).fields(), None, "a text beyond the end");
    }
}
