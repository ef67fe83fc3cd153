//! The raw float vectors of a segment, shared without a copy.

use arrow_buffer::ScalarBuffer;

/// `len` rows of `dim` floats, one after the other.
#[derive(Clone, Debug)]
pub struct Vectors {
    data: ScalarBuffer<f32>,
    dim: usize,
}

impl Vectors {
    /// `data` must hold a whole number of rows.
    pub fn new(data: ScalarBuffer<f32>, dim: usize) -> Self {
        assert!(dim > 0 && data.len().is_multiple_of(dim), "{} values are no rows of {dim}", data.len());
        Vectors { data, dim }
    }

    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.dim..(row + 1) * self.dim]
    }

    /// All rows, one after the other.
    pub fn values(&self) -> &[f32] {
        &self.data
    }
}
