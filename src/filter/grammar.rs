//! Tokens to syntax, by the precedence of Milvus' grammar (`Plan.g4` of 2.3), from loose to tight: `or`, `and`, `|`, `^`,
//! `&`, `== !=`, `< <= > >=`, `in`, `<< >>`, `+ -`, `* / %`, unary, `**`, `like`, `is null`.
//!
//! `exists` binds as tightly as the unary operators; in Milvus it takes everything to its right, and then refuses it.

use crate::filter::syntax::*;
use crate::filter::token::{Lexeme, Token, tokens};
use crate::filter::value::Value;
use crate::filter::{Fault, MAX_DEPTH};
use winnow::combinator::peek;
use winnow::stream::{Location, Stream, TokenSlice};
use winnow::token::any;
use winnow::{Parser, Result};

type Input<'t> = TokenSlice<'t, Token<'t>>;

const LOWEST: u8 = 0;
const RELATION: u8 = 7;
const UNARY: u8 = 12;

/// An operator that stands after its first operand.
#[derive(Clone, Copy)]
enum Infix {
    And,
    Or,
    Binary(Binary),
    In { negated: bool },
    Like,
    Null { negated: bool },
}

/// Reads a whole filter.
pub fn parse(text: &str) -> Result<Node, Fault> {
    let tokens = tokens(text)?;
    let mut input = TokenSlice::new(&tokens);
    let node = expression(&mut input, LOWEST, 0)?;
    match input.first() {
        Some(token) => Err(Fault::at(token.span.start, String::new())),
        None => Ok(node),
    }
}

/// What binds at least as tightly as `level`, `depth` calls down.
fn expression(input: &mut Input, level: u8, depth: usize) -> Result<Node, Fault> {
    if depth > MAX_DEPTH {
        return Err(too_deep(input.current_token_start()));
    }
    let mut left = operand(input, depth)?;
    while let Some((infix, own)) = peek(infix).parse_next(input).ok().filter(|(_, own)| *own >= level) {
        infix_sign(input, infix)?;
        left = match infix {
            Infix::And => {
                joined(left, expression(input, own + 1, depth + 1)?, Kind::And, |kind| match kind {
                    Kind::And(parts) => Ok(parts),
                    other => Err(other),
                })?
            }
            Infix::Or => joined(left, expression(input, own + 1, depth + 1)?, Kind::Or, |kind| match kind {
                Kind::Or(parts) => Ok(parts),
                other => Err(other),
            })?,
            Infix::Like => {
                let pattern = pattern(input)?;
                node(left.span.start..pattern.span.end, Kind::Like(Box::new(left), Box::new(pattern)))?
            }
            Infix::In { negated } => {
                let list = list_or_template(input, depth + 1)?;
                let span = left.span.start..list.span.end;
                node(span, Kind::In { item: Box::new(left), list: Box::new(list), negated })?
            }
            Infix::Null { negated } => {
                let span = left.span.start..input.previous_token_end();
                node(span, Kind::Null { item: Box::new(left), negated })?
            }
            Infix::Binary(op) => binary(input, left, op, own, depth)?,
        };
    }
    Ok(left)
}

/// The rest of `left op`; a second comparison of the same direction makes it a range.
fn binary(input: &mut Input, left: Node, op: Binary, level: u8, depth: usize) -> Result<Node, Fault> {
    let starts_bare = matches!(input.first(), Some(Token { kind: Lexeme::Name(_), .. }));
    let right = expression(input, level + 1, depth + 1)?;
    let is_field = starts_bare && matches!(right.kind, Kind::Field { .. });
    if let (Binary::Compare(first), true) = (op, is_field && level == RELATION)
        && let Ok((Infix::Binary(Binary::Compare(second)), RELATION)) = peek(infix).parse_next(input)
        && ascends(first) == ascends(second)
    {
        infix_sign(input, Infix::Binary(op))?;
        let last = expression(input, level + 1, depth + 1)?;
        let span = left.span.start..last.span.end;
        let inclusive = |op| matches!(op, Compare::LessEqual | Compare::GreaterEqual);
        let first = Bound { value: Box::new(left), inclusive: inclusive(first) };
        let last = Bound { value: Box::new(last), inclusive: inclusive(second) };
        let (low, high) = if ascends(second) { (first, last) } else { (last, first) };
        return node(span, Kind::Range { item: Box::new(right), low, high });
    }
    node(left.span.start..right.span.end, Kind::Binary(op, Box::new(left), Box::new(right)))
}

fn ascends(op: Compare) -> bool {
    matches!(op, Compare::Less | Compare::LessEqual)
}

/// The operator that comes next and how tightly it binds.
fn infix(input: &mut Input) -> Result<(Infix, u8), Fault> {
    let sign = match any.parse_next(input)?.kind {
        Lexeme::Sign(sign) => sign,
        Lexeme::Name("is" | "IS") => return null(input),
        _ => return Err(Fault::at(0, "")),
    };
    let arithmetic = |op| Infix::Binary(Binary::Arithmetic(op));
    let compare = |op| Infix::Binary(Binary::Compare(op));
    let refused = |name| Infix::Binary(Binary::Refused(name));
    Ok(match sign {
        "or" => (Infix::Or, 1),
        "and" => (Infix::And, 2),
        "|" => (refused("BitOr"), 3),
        "^" => (refused("BitXor"), 4),
        "&" => (refused("BitAnd"), 5),
        "==" => (compare(Compare::Equal), 6),
        "!=" => (compare(Compare::NotEqual), 6),
        "<" => (compare(Compare::Less), RELATION),
        "<=" => (compare(Compare::LessEqual), RELATION),
        ">" => (compare(Compare::Greater), RELATION),
        ">=" => (compare(Compare::GreaterEqual), RELATION),
        "in" => (Infix::In { negated: false }, 8),
        "not" if next_is(input, "in") => (Infix::In { negated: true }, 8),
        "<<" | ">>" => (refused("shift"), 9),
        "+" => (arithmetic(Arithmetic::Add), 10),
        "-" => (arithmetic(Arithmetic::Subtract), 10),
        "*" => (arithmetic(Arithmetic::Multiply), 11),
        "/" => (arithmetic(Arithmetic::Divide), 11),
        "%" => (arithmetic(Arithmetic::Modulo), 11),
        "**" => (Infix::Binary(Binary::Power), 13),
        "like" => (Infix::Like, 14),
        _ => return Err(Fault::at(0, "")),
    })
}

/// What stands behind `is`. The words are no keywords: fields may have these names.
fn null(input: &mut Input) -> Result<(Infix, u8), Fault> {
    let mut word = &any.parse_next(input)?.kind;
    let negated = matches!(word, Lexeme::Sign("not") | Lexeme::Name("NOT"));
    if negated {
        word = &any.parse_next(input)?.kind;
    }
    match word {
        Lexeme::Name("null" | "NULL") => Ok((Infix::Null { negated }, 15)),
        _ => Err(Fault::at(0, "")),
    }
}

/// Passes over an operator that was looked at.
fn infix_sign(input: &mut Input, infix: Infix) -> Result<(), Fault> {
    let words = match infix {
        Infix::Null { negated } => 2 + usize::from(negated),
        Infix::In { negated } => 1 + usize::from(negated),
        _ => 1,
    };
    (0..words).try_for_each(|_| any.void().parse_next(input))
}

/// A chain of `and` or `or` becomes one node, however long it is.
fn joined(
    left: Node,
    right: Node,
    make: fn(Vec<Node>) -> Kind,
    split: fn(Kind) -> std::result::Result<Vec<Node>, Kind>,
) -> Result<Node, Fault> {
    let (span, left_span, left_height) = (left.span.start..right.span.end, left.span, left.height);
    let mut parts = match split(left.kind) {
        Ok(parts) => parts,
        Err(kind) => vec![Node { kind, span: left_span, height: left_height }],
    };
    let tallest = left_height.max(right.height + 1);
    parts.push(right);
    let kind = make(parts);
    checked(Node { kind, span, height: tallest.max(2) })
}

fn operand(input: &mut Input, depth: usize) -> Result<Node, Fault> {
    let start = input.current_token_start();
    let Some(token) = input.next_token() else { return Err(Fault::at(start, String::new())) };
    let mut end = token.span.end;
    let kind = match &token.kind {
        Lexeme::Int(n) => match i64::try_from(*n) {
            Ok(n) => Kind::Value(Value::Int(n)),
            Err(_) => return Err(Fault::at(start, format!("{n} is out of the range of Int64"))),
        },
        Lexeme::Float(x) => Kind::Value(Value::Float(*x)),
        Lexeme::Bool(b) => Kind::Value(Value::Bool(*b)),
        Lexeme::Text(text) => Kind::Value(Value::Text(text.clone())),
        Lexeme::Name(name) => Kind::Field { name: (*name).to_owned(), path: path(input, &mut end)? },
        Lexeme::Sign(sign) => return signed(input, sign, start, depth),
    };
    node(start..end, kind)
}

/// An operand that begins with a sign, which was read.
fn signed(input: &mut Input, sign: &str, start: usize, depth: usize) -> Result<Node, Fault> {
    let unary = match sign {
        "(" => {
            let inside = expression(input, LOWEST, depth + 1)?;
            take(input, ")")?;
            return Ok(inside);
        }
        "[" => return list(input, start, depth + 1),
        "{" => return template(input, start),
        "exists" => {
            let child = expression(input, UNARY, depth + 1)?;
            return node(start..child.span.end, Kind::Exists(Box::new(child)));
        }
        "array_length" => {
            take(input, "(")?;
            let child = expression(input, LOWEST, depth + 1)?;
            let end = take(input, ")")?;
            return node(start..end, Kind::Length(Box::new(child)));
        }
        "json_contains" | "array_contains" => return contains(input, Contains::One, start, depth),
        "json_contains_all" | "array_contains_all" => return contains(input, Contains::All, start, depth),
        "json_contains_any" | "array_contains_any" => return contains(input, Contains::Any, start, depth),
        "+" => Unary::Plus,
        "-" => Unary::Minus,
        "not" => Unary::Not,
        "~" => Unary::BitNot,
        _ => return Err(Fault::at(start, String::new())),
    };
    // The smallest Int64 is one more than the largest, negated.
    if let (Unary::Minus, Some(Token { kind: Lexeme::Int(n), span })) = (unary, input.first())
        && *n == i64::MIN.unsigned_abs()
    {
        let end = span.end;
        any.void().parse_next(input)?;
        return node(start..end, Kind::Value(Value::Int(i64::MIN)));
    }
    let child = expression(input, UNARY, depth + 1)?;
    node(start..child.span.end, Kind::Unary(unary, Box::new(child)))
}

fn contains(input: &mut Input, how: Contains, start: usize, depth: usize) -> Result<Node, Fault> {
    take(input, "(")?;
    let field = expression(input, LOWEST, depth + 1)?;
    take(input, ",")?;
    let what = expression(input, LOWEST, depth + 1)?;
    let end = take(input, ")")?;
    node(start..end, Kind::Contains(how, Box::new(field), Box::new(what)))
}

/// The steps into JSON or an array that stand behind a name.
fn path(input: &mut Input, end: &mut usize) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::new();
    while next_is(input, "[") {
        any.void().parse_next(input)?;
        let at = input.current_token_start();
        let Some(token) = input.next_token() else { return Err(Fault::at(at, String::new())) };
        steps.push(match &token.kind {
            Lexeme::Text(key) if key.is_empty() => {
                return Err(Fault::at(at, "invalid identifier: the key is empty"));
            }
            Lexeme::Text(key) => Step::Key(key.clone()),
            Lexeme::Int(index) if i64::try_from(*index).is_ok() => Step::Index(*index),
            Lexeme::Name(name) => {
                let what = format!("json key must be enclosed in double quotes or single quotes: \"{name}\"");
                return Err(Fault::at(at, what));
            }
            _ => return Err(Fault::at(at, String::new())),
        });
        *end = take(input, "]")?;
    }
    Ok(steps)
}

/// The rest of a list, whose bracket was read. A comma may stand behind the last value.
fn list(input: &mut Input, start: usize, depth: usize) -> Result<Node, Fault> {
    let mut values = Vec::new();
    while !next_is(input, "]") {
        values.push(expression(input, LOWEST, depth + 1)?);
        if !next_is(input, "]") {
            take(input, ",")?;
        }
    }
    let end = take(input, "]")?;
    node(start..end, Kind::List(values))
}

fn list_or_template(input: &mut Input, depth: usize) -> Result<Node, Fault> {
    let start = input.current_token_start();
    match input.next_token() {
        Some(Token { kind: Lexeme::Sign("["), .. }) => list(input, start, depth),
        Some(Token { kind: Lexeme::Sign("{"), .. }) => template(input, start),
        _ => Err(Fault::at(start, String::new())),
    }
}

/// The rest of `{name}`.
fn template(input: &mut Input, start: usize) -> Result<Node, Fault> {
    let at = input.current_token_start();
    let Some(Token { kind: Lexeme::Name(name), .. }) = input.next_token() else {
        return Err(Fault::at(at, String::new()));
    };
    let end = take(input, "}")?;
    node(start..end, Kind::Template((*name).to_owned()))
}

/// What `like` matches: a text, or a template.
fn pattern(input: &mut Input) -> Result<Node, Fault> {
    let start = input.current_token_start();
    match input.next_token() {
        Some(Token { kind: Lexeme::Text(text), span }) => {
            node(span.clone(), Kind::Value(Value::Text(text.clone())))
        }
        Some(Token { kind: Lexeme::Sign("{"), .. }) => template(input, start),
        _ => Err(Fault::at(start, String::new())),
    }
}

fn next_is(input: &Input, sign: &str) -> bool {
    matches!(input.first(), Some(Token { kind: Lexeme::Sign(next), .. }) if *next == sign)
}

/// Passes over that sign; gives where it ends.
fn take(input: &mut Input, sign: &'static str) -> Result<usize, Fault> {
    let is_it = |token: &&Token| token.kind == Lexeme::Sign(sign);
    any.verify(is_it).map(|token: &Token| token.span.end).parse_next(input)
}

fn node(span: std::ops::Range<usize>, kind: Kind) -> Result<Node, Fault> {
    let below = |nodes: &[&Node]| nodes.iter().map(|node| node.height).max().unwrap_or(0);
    let height = 1 + match &kind {
        Kind::Value(_) | Kind::Template(_) | Kind::Field { .. } => 0,
        Kind::List(nodes) | Kind::And(nodes) | Kind::Or(nodes) => {
            nodes.iter().map(|node| node.height).max().unwrap_or(0)
        }
        Kind::Unary(_, child) | Kind::Exists(child) | Kind::Length(child) => child.height,
        Kind::Null { item, .. } => item.height,
        Kind::Binary(_, a, b) | Kind::Like(a, b) | Kind::Contains(_, a, b) => below(&[a, b]),
        Kind::In { item, list, .. } => below(&[item, list]),
        Kind::Range { item, low, high } => below(&[item, &low.value, &high.value]),
    };
    checked(Node { kind, span, height })
}

/// Whoever walks down a node must come back: chains of operators are as deep as they are long.
fn checked(node: Node) -> Result<Node, Fault> {
    if node.height > MAX_DEPTH { Err(too_deep(node.span.start)) } else { Ok(node) }
}

fn too_deep(at: usize) -> Fault {
    Fault::at(at, format!("the expression is nested deeper than {MAX_DEPTH}"))
}
