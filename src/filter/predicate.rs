//! A checked filter: what the evaluation runs. Its constants have the types of the fields that they are compared with.

use crate::filter::syntax::{Arithmetic, Compare, Contains, Step};
use crate::filter::value::Value;
use crate::schema::DataType;

/// A condition on a row.
#[derive(Clone, PartialEq, Hash, Debug)]
pub enum Predicate {
    Always(bool),
    /// None of the parts is `Always` or `All`.
    All(Vec<Predicate>),
    /// None of the parts is `Always` or `Any`.
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Column(Column, Test),
    /// Two fields of one row.
    Fields(Column, Compare, Column),
}

/// A field, or what a path leads to inside of its JSON, or an element of its array.
#[derive(Clone, PartialEq, Hash, Debug)]
pub struct Column {
    /// The place of the field in the schema.
    pub at: usize,
    /// Of an element of an array its own.
    pub data_type: DataType,
    /// Steps into JSON, or the index of an array's element.
    pub path: Vec<Step>,
    /// Of an array, and of an element of one.
    pub element_type: Option<DataType>,
    pub nullable: bool,
}

impl Column {
    /// The index, where it is an element of an array.
    pub fn index(&self) -> Option<u64> {
        match (self.element_type, self.path.as_slice()) {
            (Some(_), &[Step::Index(index)]) => Some(index),
            _ => None,
        }
    }
}

/// A condition on one value. None but `Null` holds for a null, and neither does its opposite.
#[derive(Clone, PartialEq, Hash, Debug)]
pub enum Test {
    Compare(Compare, Value),
    Between {
        low: Value,
        low_inclusive: bool,
        high: Value,
        high_inclusive: bool,
    },
    In(Vec<Value>),
    /// The text that `like 'text%'` asks for.
    Prefix(String),
    /// `value op operand == result`, or `!=`.
    Arithmetic {
        op: Arithmetic,
        operand: Value,
        equal: bool,
        result: Value,
    },
    /// The number of a list's values.
    Length(Compare, i64),
    Contains(Contains, Vec<Value>),
    Exists,
    Null,
}

impl Predicate {
    /// All of two conditions.
    pub fn and(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::Always(true), rest) | (rest, Predicate::Always(true)) => rest,
            (Predicate::Always(false), _) | (_, Predicate::Always(false)) => Predicate::Always(false),
            (Predicate::All(mut parts), Predicate::All(more)) => {
                parts.extend(more);
                Predicate::All(parts)
            }
            (Predicate::All(mut parts), one) | (one, Predicate::All(mut parts)) => {
                parts.push(one);
                Predicate::All(parts)
            }
            (a, b) => Predicate::All(vec![a, b]),
        }
    }

    /// Any of two conditions.
    pub fn or(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::Always(false), rest) | (rest, Predicate::Always(false)) => rest,
            (Predicate::Always(true), _) | (_, Predicate::Always(true)) => Predicate::Always(true),
            (Predicate::Any(mut parts), Predicate::Any(more)) => {
                parts.extend(more);
                Predicate::Any(parts)
            }
            (Predicate::Any(mut parts), one) | (one, Predicate::Any(mut parts)) => {
                parts.push(one);
                Predicate::Any(parts)
            }
            (a, b) => Predicate::Any(vec![a, b]),
        }
    }
}

/// The opposite of a condition.
impl std::ops::Not for Predicate {
    type Output = Predicate;

    fn not(self) -> Predicate {
        match self {
            Predicate::Always(holds) => Predicate::Always(!holds),
            Predicate::Not(inner) => *inner,
            other => Predicate::Not(Box::new(other)),
        }
    }
}
