//! Nodes in blocks: a record is the row's raw vector, how many links it has, and places for `degree` links, all in words
//! of four bytes. Several records share a block where they fit; else a record starts a block and goes on in the next.

use crate::error::{Error, Result};
use crate::index::sections::{Block, PAYLOAD};

const WORD: usize = 4;
/// Words of a block.
const BLOCK_WORDS: usize = PAYLOAD / WORD;

/// Where the records of `rows` nodes are.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    rows: usize,
    dim: usize,
    degree: usize,
}

impl Layout {
    pub fn new(rows: usize, dim: usize, degree: usize) -> Layout {
        Layout { rows, dim, degree }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of a record.
    pub fn record(&self) -> usize {
        WORD * (self.dim + 1 + self.degree)
    }

    /// Blocks that a record spans.
    pub fn span(&self) -> usize {
        self.record().div_ceil(PAYLOAD)
    }

    /// Records in a block, where a record does not fill it.
    fn per_block(&self) -> usize {
        (PAYLOAD / self.record()).max(1)
    }

    /// Blocks of all records.
    pub fn blocks(&self) -> u64 {
        self.rows.div_ceil(self.per_block()) as u64 * self.span() as u64
    }

    /// The first of the [`Layout::span`] blocks with the record of `node`.
    pub fn first_block(&self, node: u32) -> u64 {
        (node as usize / self.per_block()) as u64 * self.span() as u64
    }

    /// The nodes with a record, or a part of it, in a block.
    pub fn nodes(&self, block: u64) -> std::ops::Range<usize> {
        let first = (block / self.span() as u64) as usize * self.per_block();
        first..(first + self.per_block()).min(self.rows)
    }

    /// Writes what `payload`, of block `block`, holds of the record of `node`.
    pub fn write(&self, block: u64, payload: &mut [u8], node: usize, vector: &[f32], links: &[u32]) {
        let word = |at: usize| match at.checked_sub(self.dim) {
            None => vector[at].to_bits(),
            Some(0) => links.len() as u32,
            Some(place) => links.get(place - 1).copied().unwrap_or(u32::MAX),
        };
        let record = self.record() / WORD;
        let skipped = (block % self.span() as u64) as usize * BLOCK_WORDS;
        let start = (node % self.per_block()) * record;
        let places = payload[start * WORD..].as_chunks_mut::<WORD>().0;
        for (place, at) in places.iter_mut().zip(skipped..record) {
            *place = word(at).to_le_bytes();
        }
    }

    /// The record of `node` in its blocks; `joined` is for one that spans several.
    pub fn find<'a>(&self, node: u32, blocks: &'a [Block], joined: &'a mut Vec<u8>) -> &'a [u8] {
        if let [block] = blocks {
            return &block.payload()[node as usize % self.per_block() * self.record()..][..self.record()];
        }
        joined.clear();
        blocks.iter().for_each(|block| joined.extend_from_slice(block.payload()));
        &joined[..self.record()]
    }

    /// Takes a record apart. Links that lead nowhere are `Corrupt`.
    pub fn parse(&self, record: &[u8], vector: &mut Vec<f32>, links: &mut Vec<u32>) -> Result<()> {
        let words = record.as_chunks::<WORD>().0;
        let (values, rest) = words.split_at(self.dim);
        vector.clear();
        vector.extend(values.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        let count = u32::from_le_bytes(rest[0]) as usize;
        let found = rest[1..].get(..count);
        let found =
            found.ok_or_else(|| Error::corrupt(format!("a node of the DISKANN index has {count} links")))?;
        links.clear();
        links.extend(found.iter().map(|&bytes| u32::from_le_bytes(bytes)));
        if links.iter().any(|&link| link as usize >= self.rows) {
            return Err(Error::corrupt("a link of the DISKANN index leads nowhere"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        for (dim, degree, per_block, span) in [
            (1, 1, 341, 1),
            (96, 56, 6, 1),
            (900, 122, 1, 1),
            (901, 122, 1, 2),
            (8192, 64, 1, 9),
            (1, 2048, 1, 3),
        ] {
            let layout = Layout::new(400, dim, degree);
            assert_eq!((layout.per_block(), layout.span()), (per_block, span), "{dim} {degree}");
            assert_eq!(layout.blocks(), (400usize.div_ceil(per_block) * span) as u64);
            let vector = |node: usize| (0..dim).map(|i| (node * 7 + i) as f32).collect::<Vec<_>>();
            let links = |node: usize| (0..node % (degree + 1)).map(|i| (i % 400) as u32).collect::<Vec<_>>();
            let mut blocks = vec![Block::default(); layout.blocks() as usize];
            for (number, block) in (0..).zip(&mut blocks) {
                for node in layout.nodes(number) {
                    layout.write(number, block.payload_mut(), node, &vector(node), &links(node));
                }
            }
            let (mut joined, mut values, mut found) = Default::default();
            for node in 0..400u32 {
                let first = layout.first_block(node) as usize;
                let record = layout.find(node, &blocks[first..first + span], &mut joined);
                layout.parse(record, &mut values, &mut found).unwrap();
                assert_eq!((&values, &found), (&vector(node as usize), &links(node as usize)));
            }
        }
    }

    #[test]
    fn bad_records_are_refused() {
        let layout = Layout::new(10, 2, 3);
        let record = |count: u32, link: u32| {
            let words = [0, 0, count, link, 0, 0];
            words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect::<Vec<u8>>()
        };
        let parse = |record: &[u8]| layout.parse(record, &mut Vec::new(), &mut Vec::new());
        assert!(parse(&record(3, 9)).is_ok() && parse(&record(0, 10)).is_ok());
        assert!(parse(&record(4, 0)).is_err() && parse(&record(u32::MAX, 0)).is_err());
        assert!(parse(&record(1, 10)).is_err());
    }
}
