//! A filter as it was written: what the parser makes and the type check reads.

use crate::filter::value::Value;
use std::ops::Range;

/// A part of a filter and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    pub kind: Kind,
    /// Its bytes in the filter.
    pub span: Range<usize>,
    /// Nodes on the longest way down, itself included.
    pub height: usize,
}

/// What a part of a filter is.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    Value(Value),
    /// `{name}`, whose value is passed beside the text.
    Template(String),
    List(Vec<Node>),
    /// A field or a dynamic key, with the way into its JSON.
    Field {
        name: String,
        path: Vec<Step>,
    },
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    In {
        item: Box<Node>,
        list: Box<Node>,
        negated: bool,
    },
    Like(Box<Node>, Box<Node>),
    /// `low < item <= high`, or the same from above.
    Range {
        item: Box<Node>,
        low: Bound,
        high: Bound,
    },
    Exists(Box<Node>),
    /// `item is null`, or `is not null`.
    Null {
        item: Box<Node>,
        negated: bool,
    },
    Contains(Contains, Box<Node>, Box<Node>),
    Length(Box<Node>),
}

/// One end of a range.
#[derive(Clone, PartialEq, Debug)]
pub struct Bound {
    pub value: Box<Node>,
    pub inclusive: bool,
}

/// One step into JSON or an array: `["key"]` or `[0]`. The name `key` of a dynamic field is one too.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Step {
    Key(String),
    Index(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    Plus,
    Minus,
    Not,
    /// `~`, which Milvus parses and then refuses.
    BitNot,
}

/// An operator between two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binary {
    Compare(Compare),
    Arithmetic(Arithmetic),
    Power,
    /// The operators that Milvus parses and then refuses, by the name it has for them.
    Refused(&'static str),
}

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compare {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// `json_contains`, `json_contains_all` and `json_contains_any`; the names with `array_` mean the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Contains {
    One,
    All,
    Any,
}

impl Compare {
    /// The comparison with its sides exchanged.
    pub fn reversed(self) -> Compare {
        match self {
            Compare::Less => Compare::Greater,
            Compare::LessEqual => Compare::GreaterEqual,
            Compare::Greater => Compare::Less,
            Compare::GreaterEqual => Compare::LessEqual,
            same => same,
        }
    }

    /// Milvus' name for it.
    pub fn name(self) -> &'static str {
        match self {
            Compare::Less => "LessThan",
            Compare::LessEqual => "LessEqual",
            Compare::Greater => "GreaterThan",
            Compare::GreaterEqual => "GreaterEqual",
            Compare::Equal => "Equal",
            Compare::NotEqual => "NotEqual",
        }
    }

    /// Whether it holds between operands of that order; `None` are operands that cannot be compared, which differ.
    #[inline]
    pub fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        match (self, order) {
            (Compare::NotEqual, None) => true,
            (_, None) => false,
            (Compare::Less, Some(order)) => order.is_lt(),
            (Compare::LessEqual, Some(order)) => order.is_le(),
            (Compare::Greater, Some(order)) => order.is_gt(),
            (Compare::GreaterEqual, Some(order)) => order.is_ge(),
            (Compare::Equal, Some(order)) => order.is_eq(),
            (Compare::NotEqual, Some(order)) => order.is_ne(),
        }
    }
}

impl Arithmetic {
    /// Milvus' name for it.
    pub fn name(self) -> &'static str {
        match self {
            Arithmetic::Add => "add",
            Arithmetic::Subtract => "subtract",
            Arithmetic::Multiply => "multiply",
            Arithmetic::Divide => "divide",
            Arithmetic::Modulo => "modulo",
        }
    }
}

impl Contains {
    /// Milvus' name for it, in its messages.
    pub fn name(self) -> &'static str {
        match self {
            Contains::One => "contains",
            Contains::All => "contains_all",
            Contains::Any => "contains_any",
        }
    }
}
