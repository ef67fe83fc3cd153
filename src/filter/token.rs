//! Filter text to tokens, by the lexical rules of Milvus' grammar (`Plan.g4` of 2.3).

use crate::filter::Fault;
use std::ops::Range;
use winnow::combinator::{alt, dispatch, fail, peek, preceded};
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{any, one_of, take_while};
use winnow::{Parser, Result};

/// A part of a filter and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Token<'t> {
    pub kind: Lexeme<'t>,
    /// Its bytes in the filter.
    pub span: Range<usize>,
}

/// What a token is.
#[derive(Clone, PartialEq, Debug)]
pub enum Lexeme<'t> {
    /// Without a sign, so that the smallest Int64 can be written.
    Int(u64),
    Float(f64),
    Bool(bool),
    /// With its escapes resolved.
    Text(String),
    /// A field, or `$meta`.
    Name(&'t str),
    /// A keyword, operator or bracket, in one spelling: `&&` is `and`, `JSON_CONTAINS` is `json_contains`.
    Sign(&'static str),
}

impl Location for Token<'_> {
    fn previous_token_end(&self) -> usize {
        self.span.end
    }

    fn current_token_start(&self) -> usize {
        self.span.start
    }
}

type Input<'t> = LocatingSlice<&'t str>;

/// Longer signs stand before those that they begin with.
const SIGNS: &[(&str, &str)] = &[
    ("&&", "and"),
    ("||", "or"),
    ("==", "=="),
    ("!=", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("<<", "<<"),
    (">>", ">>"),
    ("**", "**"),
    ("<", "<"),
    (">", ">"),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("%", "%"),
    ("!", "not"),
    ("~", "~"),
    ("&", "&"),
    ("|", "|"),
    ("^", "^"),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    ("{", "{"),
    ("}", "}"),
    (",", ","),
];

const KEYWORDS: &[(&[&str], Lexeme<'static>)] = &[
    (&["and"], Lexeme::Sign("and")),
    (&["or"], Lexeme::Sign("or")),
    (&["not"], Lexeme::Sign("not")),
    (&["in"], Lexeme::Sign("in")),
    (&["like", "LIKE"], Lexeme::Sign("like")),
    (&["exists", "EXISTS"], Lexeme::Sign("exists")),
    (&["true", "True", "TRUE"], Lexeme::Bool(true)),
    (&["false", "False", "FALSE"], Lexeme::Bool(false)),
    (&["json_contains", "JSON_CONTAINS"], Lexeme::Sign("json_contains")),
    (&["json_contains_all", "JSON_CONTAINS_ALL"], Lexeme::Sign("json_contains_all")),
    (&["json_contains_any", "JSON_CONTAINS_ANY"], Lexeme::Sign("json_contains_any")),
    (&["array_contains", "ARRAY_CONTAINS"], Lexeme::Sign("array_contains")),
    (&["array_contains_all", "ARRAY_CONTAINS_ALL"], Lexeme::Sign("array_contains_all")),
    (&["array_contains_any", "ARRAY_CONTAINS_ANY"], Lexeme::Sign("array_contains_any")),
    (&["array_length", "ARRAY_LENGTH"], Lexeme::Sign("array_length")),
];

/// The tokens of `text`, without the space between them.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut input = LocatingSlice::new(text);
    let mut found = Vec::new();
    loop {
        space(&mut input)?;
        if input.is_empty() {
            return Ok(found);
        }
        let start = input.current_token_start();
        let kind = lexeme.parse_next(&mut input)?;
        found.push(Token { kind, span: start..input.current_token_start() });
    }
}

fn space(input: &mut Input) -> Result<(), Fault> {
    take_while(0.., [' ', '\t', '\r', '\n']).void().parse_next(input)
}

fn lexeme<'t>(input: &mut Input<'t>) -> Result<Lexeme<'t>, Fault> {
    dispatch! { peek(any);
        '"' | '\'' => text,
        '0'..='9' => number,
        '.' => number,
        'a'..='z' | 'A'..='Z' | '_' => word,
        '$' => "$meta".map(Lexeme::Name),
        _ => sign,
    }
    .parse_next(input)
    .map_err(|fault: Fault| fault.or_unknown(input.chars().next()))
}

fn sign<'t>(input: &mut Input<'t>) -> Result<Lexeme<'t>, Fault> {
    let Some((text, sign)) = SIGNS.iter().find(|(text, _)| input.starts_with(text)) else {
        return fail.parse_next(input);
    };
    text.value(Lexeme::Sign(sign)).parse_next(input)
}

fn word<'t>(input: &mut Input<'t>) -> Result<Lexeme<'t>, Fault> {
    let word = take_while(1.., |c: char| c.is_ascii_alphanumeric() || c == '_').parse_next(input)?;
    let keyword = KEYWORDS.iter().find(|(spellings, _)| spellings.contains(&word));
    Ok(keyword.map_or(Lexeme::Name(word), |(_, lexeme)| lexeme.clone()))
}

fn number<'t>(input: &mut Input<'t>) -> Result<Lexeme<'t>, Fault> {
    let at = input.current_token_start();
    let start = input.checkpoint();
    let before = input.as_ref().len();
    let is_hex = input.starts_with("0x") || input.starts_with("0X");
    let marks: [char; 2] = if is_hex { ['p', 'P'] } else { ['e', 'E'] };
    loop {
        take_while(0.., |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
            .void()
            .parse_next(input)?;
        // The sign of an exponent belongs to the number.
        let taken = before - input.as_ref().len();
        input.reset(&start);
        let ends_in_mark = input[..taken].ends_with(marks);
        input.next_slice(taken);
        if !ends_in_mark || one_of::<_, _, Fault>(['+', '-']).parse_next(input).is_err() {
            break;
        }
    }
    let taken = before - input.as_ref().len();
    input.reset(&start);
    let digits = input.next_slice(taken);
    value_of(digits).ok_or_else(|| Fault::at(at, format!("'{digits}' is not a number")))
}

/// Decimal, `0` octal, `0x` and `0b` integers of 64 bits; decimal and hexadecimal floats.
fn value_of(digits: &str) -> Option<Lexeme<'static>> {
    let lower = digits.to_ascii_lowercase();
    let radix = |rest: &str, radix: u32| {
        let plain = rest.chars().all(|c| c.is_digit(radix));
        plain.then(|| u64::from_str_radix(rest, radix).ok()).flatten().map(Lexeme::Int)
    };
    if let Some(rest) = lower.strip_prefix("0x") {
        return if rest.contains(['.', 'p']) { hex_float(rest) } else { radix(rest, 16) };
    }
    if let Some(rest) = lower.strip_prefix("0b") {
        return radix(rest, 2);
    }
    if lower.bytes().all(|b| b.is_ascii_digit()) {
        return if lower.len() > 1 && lower.starts_with('0') {
            radix(&lower[1..], 8)
        } else {
            radix(&lower, 10)
        };
    }
    // Rust reads more than Milvus: names of infinities and signs do not come here, they are no digits.
    let is_decimal = lower.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
    let value: f64 = lower.parse().ok().filter(|_| is_decimal)?;
    value.is_finite().then_some(Lexeme::Float(value))
}

/// What stands after `0x`: digits with a point, and the exponent of two, which Milvus asks for.
fn hex_float(digits: &str) -> Option<Lexeme<'static>> {
    let (digits, exponent) = digits.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = [whole, fraction].concat();
    if places.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in places.chars() {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let value = value * 2f64.powi(exponent.checked_sub(shift)?);
    value.is_finite().then_some(Lexeme::Float(value))
}

/// A text in either quotes, with the escapes of C.
fn text<'t>(input: &mut Input<'t>) -> Result<Lexeme<'t>, Fault> {
    let at = input.current_token_start();
    let unfinished = || Fault::at(at, "a text without its closing quote");
    let quote = any.parse_next(input)?;
    let mut bytes = Vec::new();
    loop {
        let plain: &str =
            take_while(0.., |c: char| c != quote && c != '\\' && c != '\n' && c != '\r').parse_next(input)?;
        bytes.extend_from_slice(plain.as_bytes());
        match input.next_token() {
            Some(c) if c == quote => break,
            Some('\\') => {
                let place = input.current_token_start();
                let bad = || {
                    Fault::at(
                        place,
                        "an escape that is none of \\a \\b \\f \\n \\r \\t \\v \\\\ \\\" \\' \\ooo \\xhh \\uhhhh",
                    )
                };
                escape(input, &mut bytes).map_err(|_: Fault| bad())?;
            }
            _ => return Err(unfinished()),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| Fault::at(at, "a text that is not UTF-8"))?;
    Ok(Lexeme::Text(text))
}

/// What stands after a backslash.
fn escape(input: &mut Input, out: &mut Vec<u8>) -> Result<(), Fault> {
    let digits = |count: usize, radix: u32| {
        take_while(count..=count, move |c: char| c.is_digit(radix))
            .verify_map(move |digits: &str| u32::from_str_radix(digits, radix).ok())
    };
    let simple = any.verify_map(|c| {
        Some(match c {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' | '"' | '\'' => c as u8,
            _ => return None,
        })
    });
    let byte = alt((
        simple,
        preceded('x', digits(2, 16)).verify_map(|n| u8::try_from(n).ok()),
        digits(3, 8).verify_map(|n| u8::try_from(n).ok()),
    ));
    let letter = alt((preceded('u', digits(4, 16)), preceded('U', digits(8, 16)))).verify_map(char::from_u32);
    let bytes = alt((byte.map(|b| vec![b]), letter.map(|c: char| c.to_string().into_bytes())));
    bytes.map(|bytes| out.extend(bytes)).parse_next(input)
}
