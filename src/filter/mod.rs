//! Filter expressions: text to a predicate, and a predicate over columns of rows to a bitmap.
//!
//! The language is that of Milvus 2.3 (`milvus.io/docs/boolean.md`): comparisons and ranges of fields with constants,
//! comparisons of two fields, `in`, `like`, arithmetic on one side of `==` and `!=`, `and`, `or`, `not`, and JSON by paths
//! with `exists`, `json_contains` and `array_length`; and the templates `{name}` of later versions.
//!
//! On the way: `token`, `grammar` (to a tree of `syntax`), `check` (to a `predicate`), `eval`.

mod cache;
mod check;
mod describe;
mod eval;
mod grammar;
mod pin;
mod predicate;
mod syntax;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod token;
mod value;

pub use cache::Cache;
pub use table::{Table, Used};
pub use template::Values;

use crate::error::{Error, Result};
use crate::schema::{Field, Schema};
use arrow_buffer::BooleanBuffer;
use predicate::Predicate;
use std::sync::Arc;
use winnow::error::ParserError;
use winnow::stream::{Location, Stream};

/// Most bytes of a filter. Longer lists are passed as values of templates.
pub const MAX_BYTES: usize = 512 << 10;
/// How deep a filter may be nested. One so deep is parsed, checked and evaluated in 256 KiB of stack.
pub const MAX_DEPTH: usize = 100;
/// Bytes of a filter that an error message repeats.
const SHOWN: usize = 200;

/// A filter that was parsed and checked against the schema of a collection.
#[derive(Clone, PartialEq, Debug)]
pub struct Filter {
    predicate: Predicate,
    /// What it is known by in a [`Cache`], if it may be in one.
    key: Option<Arc<[u8]>>,
}

impl Filter {
    /// Parses and checks a filter. An empty one lets every row through.
    pub fn new(schema: &Schema, text: &str, values: &Values) -> Result<Filter> {
        Filter::of_fields(schema.fields(), text, values)
    }

    fn of_fields(fields: &[Field], text: &str, values: &Values) -> Result<Filter> {
        if text.trim_ascii().is_empty() {
            return Ok(Filter::of(Predicate::Always(true)));
        }
        let shown = shorten(text);
        let fail = |why: String| Error::invalid(format!("failed to create query plan: {why}"));
        if text.len() > MAX_BYTES {
            return Err(fail(format!(
                "the expression has {} bytes, at most {MAX_BYTES}: {shown}",
                text.len()
            )));
        }
        let unreadable = |why: String| fail(format!("cannot parse expression: {shown}, error: {why}"));
        let tree = grammar::parse(text).map_err(|fault| unreadable(fault.describe(text)))?;
        match check::predicate(text, fields, values, &tree).map_err(unreadable)? {
            Ok(predicate) => Ok(Filter::of(predicate)),
            Err(other) => {
                Err(fail(format!("predicate is not a boolean expression: {shown}, data type: {other}")))
            }
        }
    }

    fn of(predicate: Predicate) -> Filter {
        Filter { key: cache::key(&predicate), predicate }
    }

    /// Whether it lets every row through, whatever the rows.
    pub fn is_always_true(&self) -> bool {
        self.predicate == Predicate::Always(true)
    }

    /// What it was understood as, in the names of `schema`. Long lists are cut.
    pub fn describe(&self, schema: &Schema) -> String {
        describe::Shown { fields: schema.fields(), predicate: &self.predicate }.to_string()
    }

    /// The rows that it lets through: a bit a row. Rows that are not `among` may get either bit, and so may all once the
    /// table's time is over.
    pub fn rows(&self, table: &Table, among: Option<&BooleanBuffer>) -> Result<BooleanBuffer> {
        eval::rows(&self.predicate, table, among)
    }

    /// Whether a [`Cache`] may know it: it is neither too long for it, nor so simple that it is sooner evaluated.
    pub fn is_kept(&self) -> bool {
        self.key.is_some()
    }

    /// The places of the fields whose indexes may be of use.
    pub fn indexable(&self) -> Vec<usize> {
        let mut found = Vec::new();
        eval::places::fields(&self.predicate, &mut found);
        found
    }
}

/// The beginning of a long text.
fn shorten(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(SHOWN)])
}

/// Why a filter cannot be parsed, and where.
#[derive(Clone, PartialEq, Debug)]
struct Fault {
    /// The byte.
    at: usize,
    /// Empty for a token that does not belong there.
    what: String,
}

impl Fault {
    fn at(at: usize, what: impl Into<String>) -> Fault {
        Fault { at, what: what.into() }
    }

    /// A character that begins no token, where nothing better is known.
    fn or_unknown(mut self, next: Option<char>) -> Fault {
        if self.what.is_empty() {
            self.what =
                format!("token recognition error at: '{}'", next.map(String::from).unwrap_or_default());
        }
        self
    }

    /// The sentence with line and column, which Milvus counts from 1 and from 0.
    fn describe(&self, text: &str) -> String {
        let at = text.floor_char_boundary(self.at.min(text.len()));
        let (before, rest) = text.split_at(at);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        if !self.what.is_empty() {
            return format!("line {line}:{column} {}", self.what);
        }
        let word = match rest.chars().next() {
            None => "<EOF>",
            Some(first) if first.is_alphanumeric() => {
                rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(rest)
            }
            Some(first) => &rest[..first.len_utf8()],
        };
        format!("line {line}:{column} mismatched input '{}'", shorten(word))
    }
}

impl<I: Stream + Location> ParserError<I> for Fault {
    type Inner = Fault;

    fn from_input(input: &I) -> Fault {
        Fault::at(input.current_token_start(), "")
    }

    fn into_inner(self) -> std::result::Result<Fault, Fault> {
        Ok(self)
    }
}
