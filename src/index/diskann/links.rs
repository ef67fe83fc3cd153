//! The finished graph before it is saved: in memory, or in a scratch file. With the segment's vectors it gives the same
//! blocks as the saved index, so that both are searched, and saved, by the same code.

use super::layout::Layout;
use crate::error::Result;
use crate::index::graph::beam::EMPTY;
use crate::index::sections::{Block, BlockReader};
use crate::index::spill::Spilled;
use crate::index::vectors::FloatVectors;

/// The links of every row.
pub enum Links {
    /// `degree` places a row, [`EMPTY`] behind the last link.
    Table(Vec<u32>),
    /// The same in a scratch file, little-endian.
    Spilled(Box<dyn Spilled>),
}

impl Links {
    /// Reads the places of row `row`, `degree` of them, and gives the links.
    fn of(&self, row: usize, degree: usize, links: &mut Vec<u32>) -> Result<()> {
        links.clear();
        match self {
            Links::Table(table) => links.extend_from_slice(&table[row * degree..][..degree]),
            Links::Spilled(file) => {
                let mut bytes = vec![0; 4 * degree];
                file.read_at((row * bytes.len()) as u64, &mut bytes)?;
                links.extend(bytes.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)));
            }
        }
        links.truncate(links.iter().position(|&link| link == EMPTY).unwrap_or(degree));
        Ok(())
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

    fn read(&self, numbers: &[u64], out: &mut [Block]) -> Result<()> {
        let mut links = Vec::new();
        for (&number, block) in numbers.iter().zip(out) {
            *block = Block::default();
            for node in self.layout.nodes(number) {
                self.links.of(node, self.degree, &mut links)?;
                self.layout.write(number, block.payload_mut(), node, self.vectors.row(node), &links);
            }
        }
        Ok(())
    }
}
