//! The finished graph before it is saved: in memory, or in a scratch file. With the segment's vectors it gives the same
//! blocks as the saved index, so that both are searched, and saved, by the same code.

use super::layout::Layout;
use crate::error::Result;
use crate::index::graph::beam::EMPTY;
use crate::index::sections::{Block, BlockReader};
use crate::index::spill::Spilled;
use crate::index::vectors::FloatVectors;
use std::borrow::Cow;
use std::ops::Range;

/// The links of every row.
pub enum Links {
    /// `degree` places a row, [`EMPTY`] behind the last link.
    Table(Vec<u32>),
    /// The same in a scratch file, little-endian.
    Spilled(Box<dyn Spilled>),
}

impl Links {
    /// The places of consecutive rows, `degree` of each.
    fn places(&self, rows: Range<usize>, degree: usize) -> Result<Cow<'_, [u32]>> {
        match self {
            Links::Table(table) => Ok(Cow::Borrowed(&table[rows.start * degree..rows.end * degree])),
            Links::Spilled(file) => {
                let mut bytes = vec![0; 4 * degree * rows.len()];
                file.read_at(4 * degree as u64 * rows.start as u64, &mut bytes)?;
                let words = bytes.as_chunks::<4>().0.iter();
                Ok(words.map(|&bytes| u32::from_le_bytes(bytes)).collect())
            }
        }
    }
}

/// The blocks of an index that is not saved yet.
pub struct Composed {
    pub layout: Layout,
    pub vectors: FloatVectors,
    pub links: Links,
    pub degree: usize,
}

impl BlockReader for Composed {
    fn blocks(&self) -> u64 {
        self.layout.blocks()
    }

    fn read(&self, numbers: &[u64], mut out: &mut [Block]) -> Result<()> {
        // Consecutive blocks have the records of consecutive rows.
        for run in numbers.chunk_by(|a, b| a + 1 == *b) {
            let rows = self.layout.nodes(run[0]).start..self.layout.nodes(run[run.len() - 1]).end;
            let places = self.links.places(rows.clone(), self.degree)?;
            let (blocks, rest) = out.split_at_mut(run.len());
            for (&number, block) in run.iter().zip(blocks) {
                *block = Block::default();
                for node in self.layout.nodes(number) {
                    let places = &places[(node - rows.start) * self.degree..][..self.degree];
                    let links = places.iter().position(|&link| link == EMPTY).unwrap_or(self.degree);
                    let vector = self.vectors.row(node);
                    self.layout.write(number, block.payload_mut(), node, vector, &places[..links]);
                }
            }
            out = rest;
        }
        Ok(())
    }
}
