//! What a filter is evaluated over: the rows of a segment, and the indexes that it has of their fields.

use crate::index::scalar::Sorted;
use arrow_array::RecordBatch;
use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

/// The flag of evaluations that go on to the end.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Columns of rows, and indexes of some of them.
pub struct Table<'a> {
    pub(super) rows: &'a RecordBatch,
    indexes: Vec<(usize, &'a Sorted)>,
    /// Once it is set, nobody wants the answer.
    pub(super) stop: &'a AtomicBool,
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
        Table { rows, indexes: Vec::new(), stop: &NEVER, used: RefCell::default() }
    }

    /// The same, whose evaluations end soon after `stop` is set. What they have said until then is no answer.
    pub fn until(self, stop: &'a AtomicBool) -> Table<'a> {
        Table { stop, ..self }
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
