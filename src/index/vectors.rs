//! The raw vectors of a segment, shared without a copy.

use super::catalog::VectorKind;
use arrow_buffer::{Buffer, ScalarBuffer};

/// The vector column of a segment.
#[derive(Clone, Debug)]
pub enum Vectors {
    Float(FloatVectors),
    Binary(BinaryVectors),
}

impl Vectors {
    pub fn kind(&self) -> VectorKind {
        match self {
            Vectors::Float(_) => VectorKind::Float,
            Vectors::Binary(_) => VectorKind::Binary,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Vectors::Float(vectors) => vectors.len(),
            Vectors::Binary(vectors) => vectors.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both are the same ones, in one place.
    pub fn are(&self, others: &Vectors) -> bool {
        match (self, others) {
            (Vectors::Float(these), Vectors::Float(those)) => std::ptr::eq(these.values(), those.values()),
            (Vectors::Binary(these), Vectors::Binary(those)) => std::ptr::eq(these.bytes(), those.bytes()),
            _ => false,
        }
    }
}

impl From<FloatVectors> for Vectors {
    fn from(vectors: FloatVectors) -> Vectors {
        Vectors::Float(vectors)
    }
}

impl From<BinaryVectors> for Vectors {
    fn from(vectors: BinaryVectors) -> Vectors {
        Vectors::Binary(vectors)
    }
}

/// `len` rows of `dim` floats, one after the other.
#[derive(Clone, Debug)]
pub struct FloatVectors {
    data: ScalarBuffer<f32>,
    dim: usize,
}

impl FloatVectors {
    /// `data` must hold a whole number of rows.
    pub fn new(data: ScalarBuffer<f32>, dim: usize) -> Self {
        assert!(dim > 0 && data.len().is_multiple_of(dim), "{} values are no rows of {dim}", data.len());
        FloatVectors { data, dim }
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

/// `len` rows of `stride` bytes, one after the other; a row is `8 * stride` bits.
#[derive(Clone, Debug)]
pub struct BinaryVectors {
    data: Buffer,
    stride: usize,
}

impl BinaryVectors {
    /// `data` must hold a whole number of rows.
    pub fn new(data: Buffer, stride: usize) -> Self {
        assert!(
            stride > 0 && data.len().is_multiple_of(stride),
            "{} bytes are no rows of {stride}",
            data.len()
        );
        BinaryVectors { data, stride }
    }

    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.stride
    }

    pub fn len(&self) -> usize {
        self.data.len() / self.stride
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    pub fn row(&self, row: usize) -> &[u8] {
        &self.data[row * self.stride..(row + 1) * self.stride]
    }

    /// All rows, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// The same, to be shared.
    pub fn buffer(&self) -> &Buffer {
        &self.data
    }
}
