//! Conditions on columns of texts. Lengths and first bytes lie close together and tell most texts apart; the rest of a text
//! is read where they do not.

use super::scalars::FEW;
use super::{Asked, pick};
use crate::filter::predicate::Test;
use crate::filter::syntax::Compare;
use crate::filter::value::Value;
use arrow_array::{Array, StringArray};
use arrow_buffer::BooleanBuffer;
use std::collections::HashSet;
use std::ops::Range;

/// Bytes of a text that are compared at once.
const HEAD: usize = size_of::<u64>();
/// Bits to each text of a list in the table by which most others are refused.
const SCREEN: usize = 64;

/// The texts for which a test holds; `None` for a test that such a column never gets. Those that are not asked for may get
/// either bit.
pub fn rows(values: &StringArray, test: &Test, asked: Asked) -> Option<BooleanBuffer> {
    let texts = Texts { offsets: values.value_offsets(), bytes: values.value_data() };
    let count = values.len();
    Some(match test {
        Test::Compare(op, value) => {
            let value = text(value)?;
            match op {
                Compare::Equal => pick(count, asked, texts.equal(value)),
                Compare::NotEqual => !&pick(count, asked, texts.equal(value)),
                op => pick(count, asked, |row| op.holds(Some(texts.of(row).cmp(value)))),
            }
        }
        Test::Between { low, low_inclusive, high, high_inclusive } => {
            let (low, high) = (text(low)?, text(high)?);
            pick(count, asked, |row| {
                let text = texts.of(row);
                let above = if *low_inclusive { text >= low } else { text > low };
                above && if *high_inclusive { text <= high } else { text < high }
            })
        }
        // A value of another type is in no row.
        Test::In(list) => match list.iter().filter_map(text).collect::<Vec<_>>().as_slice() {
            [] => BooleanBuffer::new_unset(count),
            [one] => pick(count, asked, texts.equal(one)),
            list => texts.any_of(list, asked),
        },
        Test::Prefix(prefix) => {
            let prefix = Wanted::new(prefix.as_bytes());
            pick(count, asked, |row| {
                let range = texts.range(row);
                range.len() >= prefix.bytes.len() && prefix.is_at(texts, range.start)
            })
        }
        Test::Arithmetic { .. } | Test::Length(..) | Test::Contains(..) | Test::Exists | Test::Null => {
            return None;
        }
    })
}

fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Text(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// A text that others are compared with.
struct Wanted<'a> {
    bytes: &'a [u8],
    head: u64,
    /// The bits of a head that a text of its length has.
    mask: u64,
}

impl<'a> Wanted<'a> {
    fn new(bytes: &'a [u8]) -> Wanted<'a> {
        Wanted { bytes, head: head(bytes), mask: mask(bytes.len()) }
    }

    /// Whether the bytes from `start` on begin with the text.
    #[inline(always)]
    fn is_at(&self, texts: Texts, start: usize) -> bool {
        let length = self.bytes.len();
        texts.head(start) & self.mask == self.head
            && (length <= HEAD || texts.bytes.get(start + HEAD..start + length) == Some(&self.bytes[HEAD..]))
    }
}

/// The first bytes of a text, zeros behind a short one.
fn head(bytes: &[u8]) -> u64 {
    let mut head = [0; HEAD];
    let length = bytes.len().min(HEAD);
    head[..length].copy_from_slice(&bytes[..length]);
    u64::from_le_bytes(head)
}

fn mask(length: usize) -> u64 {
    if length < HEAD { (1 << (8 * length)) - 1 } else { u64::MAX }
}

/// The texts of a column. A null row has some text or none.
#[derive(Clone, Copy)]
struct Texts<'a> {
    offsets: &'a [i32],
    bytes: &'a [u8],
}

impl<'a> Texts<'a> {
    #[inline(always)]
    fn range(self, row: usize) -> Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    #[inline(always)]
    fn of(self, row: usize) -> &'a [u8] {
        &self.bytes[self.range(row)]
    }

    /// The first bytes from `start` on: those of the next texts behind a short one, zeros behind the last one.
    #[inline(always)]
    fn head(self, start: usize) -> u64 {
        match self.bytes[start..].first_chunk() {
            Some(head) => u64::from_le_bytes(*head),
            None => head(&self.bytes[start..]),
        }
    }

    fn equal(self, value: &[u8]) -> impl Fn(usize) -> bool {
        let wanted = Wanted::new(value);
        move |row| {
            let range = self.range(row);
            range.len() == wanted.bytes.len() && wanted.is_at(self, range.start)
        }
    }

    /// Texts that are in a list.
    fn any_of(self, list: &[&[u8]], asked: Asked) -> BooleanBuffer {
        let bits = (SCREEN * list.len()).next_power_of_two();
        let place = |head: u64, length: usize| {
            // Multiplied by odd numbers, the upper bits depend on all others.
            let mixed = (head ^ (length as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
                .wrapping_mul(0xD6E8_FEB8_6659_FD93);
            (mixed >> 32) as usize & (bits - 1)
        };
        let mut screen = vec![0u64; bits / 64];
        for text in list {
            let at = place(head(text), text.len());
            screen[at / 64] |= 1 << (at % 64);
        }
        let few: Vec<Wanted> = list.iter().take(FEW).map(|text| Wanted::new(text)).collect();
        // Of many a table, whose order nobody can foresee who writes a list.
        let many: HashSet<&[u8]> =
            if list.len() > FEW { list.iter().copied().collect() } else { HashSet::new() };
        pick(self.offsets.len() - 1, asked, |row| {
            let range = self.range(row);
            let at = place(self.head(range.start) & mask(range.len()), range.len());
            if screen[at / 64] >> (at % 64) & 1 == 0 {
                return false;
            }
            if many.is_empty() {
                few.iter().any(|text| text.bytes.len() == range.len() && text.is_at(self, range.start))
            } else {
                many.contains(&self.bytes[range])
            }
        })
    }
}
