//! Which rows lie in which list, in which order.

use super::super::catalog::IndexSpec;
use super::super::sections::{SectionWriter, Sections};
use crate::error::{Error, Result};
use crate::quant::kmeans;
use arrow_buffer::{ScalarBuffer, ToByteSlice};
use std::ops::Range;

/// Fewer rows for a list than this teach its centroid nothing (Milvus' number, from faiss).
const ROWS_PER_LIST: usize = 39;

/// Every row in one list. A place is a row's number in the order of the lists. Clones share their memory.
#[derive(Clone)]
pub struct Layout {
    /// List `i` has the places `offsets[i]..offsets[i + 1]`.
    offsets: ScalarBuffer<u32>,
    /// The row of each place.
    rows: ScalarBuffer<u32>,
}

impl Layout {
    /// How many lists a build over `rows` makes: `nlist`, but like Milvus no more than one for 39 rows.
    pub fn count(spec: &IndexSpec, rows: usize) -> usize {
        spec.params.count("nlist").clamp(1, (rows / ROWS_PER_LIST).max(1))
    }

    /// Bytes of a layout, and of the list of each row that it is made of.
    pub fn build_memory(count: usize, rows: usize) -> usize {
        size_of::<u32>() * (2 * rows + count + 1)
    }

    /// `list_of[row]` is below `count`. Rows keep their order within a list.
    pub fn new(list_of: &[u32], count: usize) -> Layout {
        let (offsets, rows) = kmeans::group(list_of, count);
        let offsets = offsets.into_iter().map(|offset| offset as u32).collect();
        Layout { offsets, rows: rows.into() }
    }

    pub fn load(sections: &Sections, count: usize, rows: usize) -> Result<Layout> {
        let offsets = sections.typed::<u32>("list_offsets", count + 1)?;
        let ends_right = offsets.first() == Some(&0) && offsets.last().map(|&end| end as usize) == Some(rows);
        if !ends_right || !offsets.is_sorted() {
            return Err(Error::corrupt(format!("list_offsets do not divide {rows} rows into {count} lists")));
        }
        let order = sections.typed::<u32>("list_rows", rows)?;
        if let Some(row) = order.iter().find(|&&row| row as usize >= rows) {
            return Err(Error::corrupt(format!("list_rows names row {row} of {rows}")));
        }
        Ok(Layout { offsets, rows: order })
    }

    pub fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        out.section("list_offsets", self.offsets.to_byte_slice())?;
        out.section("list_rows", self.rows.to_byte_slice())
    }

    /// The number of lists.
    pub fn lists(&self) -> usize {
        self.offsets.len() - 1
    }

    pub fn places(&self, list: u32) -> Range<usize> {
        self.offsets[list as usize] as usize..self.offsets[list as usize + 1] as usize
    }

    /// The list of a place.
    pub fn list_of(&self, place: usize) -> u32 {
        // The last list that starts at or before it: lists without rows start where the next one does.
        self.offsets.partition_point(|&offset| offset as usize <= place) as u32 - 1
    }

    /// The row of each place.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    pub fn memory(&self) -> usize {
        size_of::<u32>() * (self.offsets.len() + self.rows.len())
    }
}
