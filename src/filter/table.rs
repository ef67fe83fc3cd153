//! What a filter is evaluated over: the rows of a segment, and the indexes that it has of their fields.

use crate::index::scalar::Sorted;
use arrow_array::RecordBatch;
use std::cell::RefCell;

/// Columns of rows, and indexes of some of them.
pub struct Table<'a> {
    pub(super) rows: &'a RecordBatch,
    indexes: Vec<(usize, &'a Sorted)>,
    used: RefCell<Vec<Used>>,
}

/// That an index was used for a condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// The place of the field in the schema.
    pub at: usize,
    /// How many rows it named: those of the condition, or those of its opposite where they are fewer.
    pub rows: usize,
}

impl<'a> Table<'a> {
    /// Rows without indexes. They have the columns of the schema, in the one form of [`crate::batch::canonical`].
    pub fn of(rows: &'a RecordBatch) -> Table<'a> {
        Table { rows, indexes: Vec::new(), used: RefCell::default() }
    }

    /// The same with an index of the column at place `at`, which was built over these rows.
    pub fn with(mut self, at: usize, index: &'a Sorted) -> Table<'a> {
        self.indexes.push((at, index));
        self
    }

    /// The indexes that evaluations have used, in this order.
    pub fn used(&self) -> Vec<Used> {
        self.used.borrow().clone()
    }

    pub(super) fn index(&self, at: usize) -> Option<&'a Sorted> {
        self.indexes.iter().find(|(of, _)| *of == at).map(|(_, index)| *index)
    }

    pub(super) fn note(&self, at: usize, rows: usize) {
        self.used.borrow_mut().push(Used { at, rows });
    }
}
