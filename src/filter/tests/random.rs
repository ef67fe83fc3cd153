//! Random filters over random rows, against the second evaluation.

use super::reference::{Row, batch, holds};
use super::*;
use arrow_buffer::BooleanBuffer;
use serde_json::{Map, Value as Json, json};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[derive(Debug)]
pub struct Path {
    pub field: &'static str,
    pub steps: Vec<String>,
}

#[derive(Debug)]
pub enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Path, &'static str, Json),
    Fields(Path, &'static str, Path),
    Range(Path, Json, &'static str, Json, &'static str),
    In(Path, bool, Vec<Json>),
    Like(Path, String),
    Arithmetic(Path, &'static str, Json, bool, Json),
    Exists(Path),
    Contains(&'static str, Path, Vec<Json>),
    Length(Path, &'static str, i64),
}

const INTS: &[&str] = &["i8", "i16", "i32", "i64"];
const FLOATS: &[&str] = &["f", "d"];
const OPS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];
const TEXTS: &[&str] = &["", "a", "ab", "abc", "é", "b\"q'", "x\\y", "%", "line\nbreak", "\u{1F600}"];

fn fields() -> Vec<Field> {
    use DataType::*;
    vec![
        field("b", Bool),
        field("i8", Int8),
        field("i16", Int16),
        field("i32", Int32),
        field("i64", Int64),
        field("f", Float),
        field("d", Double),
        field("t", VarChar),
        field("u", VarChar),
        field("j", Json),
        field("$meta", Json),
    ]
}

fn int(random: &mut Random) -> Json {
    json!(random.below(21) as i64 - 10)
}

fn float(random: &mut Random) -> Json {
    json!((random.below(201) as f64 - 100.0) / 10.0)
}

fn text(random: &mut Random) -> Json {
    json!(random.one(TEXTS))
}

fn scalar(random: &mut Random) -> Json {
    match random.below(6) {
        0 => json!(random.coin()),
        1 | 2 => int(random),
        3 | 4 => float(random),
        _ => text(random),
    }
}

/// A JSON value; `depth` levels of lists and objects.
fn document(random: &mut Random, depth: usize) -> Json {
    match random.below(if depth == 0 { 7 } else { 12 }) {
        0 => Json::Null,
        1..7 => scalar(random),
        7..10 => (0..random.below(4)).map(|_| document(random, depth - 1)).collect(),
        _ => object(random, depth - 1),
    }
}

fn object(random: &mut Random, depth: usize) -> Json {
    let keys = ["a", "b", "c", "0", "k\"y"];
    let mut map = Map::new();
    for key in keys {
        if random.below(3) > 0 {
            map.insert(key.to_owned(), document(random, depth));
        }
    }
    Json::Object(map)
}

fn rows(random: &mut Random, count: usize) -> Vec<Row> {
    let row = |random: &mut Random| {
        let mut row = vec![json!(random.coin())];
        row.extend((0..4).map(|_| int(random)));
        row.extend([float(random), float(random), text(random), text(random)]);
        row.extend([document(random, 3), object(random, 3)]);
        row
    };
    (0..count).map(|_| row(random)).collect()
}

fn plain(field: &'static str) -> Path {
    Path { field, steps: Vec::new() }
}

fn json_path(random: &mut Random) -> Path {
    let field = if random.coin() { "j" } else { "$meta" };
    let steps = ["a", "b", "c", "0", "1", "k\"y", "none"];
    let count = 1 + random.below(2);
    Path { field, steps: (0..count).map(|_| (random.one(&steps)).to_owned()).collect() }
}

fn number_for(random: &mut Random, field: &str) -> Json {
    if INTS.contains(&field) || random.below(3) == 0 { int(random) } else { float(random) }
}

/// A field or path and a source of constants that it may be compared with.
fn operand(random: &mut Random) -> (Path, fn(&mut Random) -> Json) {
    match random.below(8) {
        0 | 1 => (plain(random.one(INTS)), int),
        2 => (plain(random.one(FLOATS)), if random.coin() { int } else { float }),
        3 => (plain(random.one(&["t", "u"])), text),
        4 => (plain("b"), |random| json!(random.coin())),
        _ => (json_path(random), scalar),
    }
}

fn leaf(random: &mut Random) -> Expression {
    let (path, constant) = operand(random);
    let is_bool = path.field == "b";
    let is_json = !path.steps.is_empty();
    match random.below(11) {
        0 | 1 => Expression::Compare(path, random.one(OPS), constant(random)),
        2 if !is_bool => {
            let low = constant(random);
            let high = match &low {
                Json::String(_) => text(random),
                _ if is_json => float(random),
                _ => constant(random),
            };
            let low = if low.is_boolean() { json!(1) } else { low };
            Expression::Range(path, low, random.one(&["<", "<="]), high, random.one(&["<", "<="]))
        }
        3 => {
            let list = (0..random.below(20)).map(|_| constant(random)).collect();
            Expression::In(path, random.coin(), list)
        }
        4 => {
            let path = if random.coin() { plain("t") } else { json_path(random) };
            let prefix = random.one(&["", "a", "ab", "é", "b\"q'", "x\\", "line\n"]);
            Expression::Like(path, prefix.to_owned())
        }
        5 | 6 => {
            let path = match random.below(3) {
                0 => plain(random.one(INTS)),
                1 => plain(random.one(FLOATS)),
                _ => json_path(random),
            };
            let is_float = FLOATS.contains(&path.field);
            let op = random.one(if is_float { &["+", "-", "*", "/"] } else { &["+", "-", "*", "/", "%"] });
            let mut operand = number_for(random, path.field);
            if op == "%" || operand.as_f64() == Some(0.0) {
                operand = json!(1 + random.below(5) as i64);
            }
            let whole = operand.is_i64() && !is_float;
            let result = if whole { int(random) } else { float(random) };
            Expression::Arithmetic(path, op, operand, random.coin(), result)
        }
        7 => {
            let other = match path.field {
                "b" => plain("b"),
                "t" | "u" => plain(random.one(&["t", "u"])),
                _ if is_json && random.coin() => json_path(random),
                _ => plain(if random.coin() { random.one(INTS) } else { random.one(FLOATS) }),
            };
            Expression::Fields(path, random.one(OPS), other)
        }
        8 => Expression::Exists(json_path(random)),
        9 => {
            let how = random.one(&["json_contains", "json_contains_all", "json_contains_any"]);
            let count = if how == "json_contains" { 1 } else { random.below(4) };
            let value = |random: &mut Random| match random.below(5) {
                0 => (0..random.below(3)).map(|_| scalar(random)).collect(),
                _ => scalar(random),
            };
            Expression::Contains(how, json_path(random), (0..count).map(|_| value(random)).collect())
        }
        _ => Expression::Length(json_path(random), random.one(OPS), random.below(4) as i64),
    }
}

fn expression(random: &mut Random, depth: usize) -> Expression {
    if depth == 0 {
        return leaf(random);
    }
    let parts =
        |random: &mut Random| (0..2 + random.below(2)).map(|_| expression(random, depth - 1)).collect();
    match random.below(6) {
        0 | 1 => Expression::And(parts(random)),
        2 | 3 => Expression::Or(parts(random)),
        4 => Expression::Not(Box::new(expression(random, depth - 1))),
        _ => leaf(random),
    }
}

/// Writes a filter, some of its constants as templates.
struct Writer<'r> {
    random: &'r mut Random,
    values: Map<String, Json>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Json) -> String {
        if self.random.below(5) == 0 {
            let name = format!("v{}", self.values.len());
            self.values.insert(name.clone(), value.clone());
            return format!("{{{name}}}");
        }
        match value {
            Json::String(text) => self.text(text),
            Json::Array(values) => self.list(values),
            Json::Bool(b) => {
                (self.random.one(if *b { &["true", "True", "TRUE"] } else { &["false", "False", "FALSE"] }))
                    .to_owned()
            }
            other => other.to_string(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        let quote = if self.random.coin() { '"' } else { '\'' };
        let mut out = String::from(quote);
        for c in text.chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\\' => out.push_str("\\\\"),
                c if c == quote => out.extend(['\\', c]),
                c if !c.is_ascii() && self.random.coin() => out.push_str(&format!("\\U{:08x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push(quote);
        out
    }

    fn list(&mut self, values: &[Json]) -> String {
        let values: Vec<String> = values.iter().map(|v| self.value(v)).collect();
        format!("[{}]", values.join(if self.random.coin() { "," } else { " , " }))
    }

    fn path(&mut self, path: &Path) -> String {
        let is_name = |step: &str| ["a", "c", "none"].contains(&step);
        let bare = path.field == "$meta" && is_name(&path.steps[0]) && self.random.coin();
        let mut out = if bare { path.steps[0].clone() } else { path.field.to_owned() };
        for step in &path.steps[usize::from(bare)..] {
            let is_index = step.parse::<u32>().is_ok() && self.random.coin();
            out += &if is_index { format!("[{step}]") } else { format!("[{}]", self.text(step)) };
        }
        out
    }

    fn write(&mut self, filter: &Expression) -> String {
        let reverse = |op: &str| op.replace('<', "\u{0}").replace('>', "<").replace('\u{0}', ">");
        match filter {
            Expression::And(parts) | Expression::Or(parts) => {
                let words =
                    if matches!(filter, Expression::And(_)) { [" and ", "&&"] } else { [" or ", " || "] };
                let parts: Vec<String> = parts.iter().map(|part| format!("({})", self.write(part))).collect();
                parts.join(words[self.random.below(2)])
            }
            Expression::Not(part) => {
                let inner = self.write(part);
                format!("{}({inner})", self.random.one(&["not ", "!", "not"]))
            }
            Expression::Compare(path, op, value) => {
                let (path, value) = (self.path(path), self.value(value));
                if self.random.coin() {
                    format!("{path} {op} {value}")
                } else {
                    format!("{value}{}{path}", reverse(op))
                }
            }
            Expression::Fields(a, op, b) => format!("{} {op} {}", self.path(a), self.path(b)),
            Expression::Range(path, low, low_op, high, high_op) => {
                let (path, low, high) = (self.path(path), self.value(low), self.value(high));
                match self.random.coin() {
                    true => format!("{low} {low_op} {path} {high_op} {high}"),
                    false => format!("{high} {} {path} {} {low}", reverse(high_op), reverse(low_op)),
                }
            }
            Expression::In(path, negated, list) => {
                let word = if *negated { "not in" } else { "in" };
                format!("{} {word} {}", self.path(path), self.list(list))
            }
            Expression::Like(path, prefix) => {
                // A backslash of the pattern is escaped for the pattern, and then for the text.
                let pattern = format!("{}%", prefix.replace('\\', "\\\\"));
                format!("{} like {}", self.path(path), self.text(&pattern))
            }
            Expression::Arithmetic(path, op, operand, equal, result) => {
                let commutes = matches!(*op, "+" | "*") && self.random.coin();
                let (path, operand) = (self.path(path), self.value(operand));
                let side = if commutes {
                    format!("{operand} {op} {path}")
                } else {
                    format!("{path} {op} {operand}")
                };
                let (op, result) = (if *equal { "==" } else { "!=" }, self.value(result));
                if self.random.coin() {
                    format!("{side} {op} {result}")
                } else {
                    format!("{result} {op} {side}")
                }
            }
            Expression::Exists(path) => format!("exists {}", self.path(path)),
            Expression::Contains(how, path, wanted) => {
                let how = if self.random.coin() { how.replace("json", "array") } else { how.to_uppercase() };
                let is_one = !how.to_lowercase().ends_with("l") && !how.to_lowercase().ends_with("y");
                let wanted = if is_one { self.value(&wanted[0]) } else { self.list(wanted) };
                format!("{how}({}, {wanted})", self.path(path))
            }
            Expression::Length(path, op, length) => {
                format!("array_length({}) {op} {length}", self.path(path))
            }
        }
    }
}

#[test]
fn random_filters_agree_with_the_second_evaluation() {
    let fields = fields();
    let mut random = Random(20261121);
    let mut both = [0u64; 2];
    for _ in 0..60 {
        let count = random.below(150);
        let rows = rows(&mut random, count);
        let whole = batch(&fields, &rows);
        for _ in 0..100 {
            let depth = random.below(4);
            let filter = expression(&mut random, depth);
            let mut writer = Writer { random: &mut random, values: Map::new() };
            let text = writer.write(&filter);
            let values = Json::Object(writer.values).to_string();
            let parsed =
                with_values(&fields, &text, &values).unwrap_or_else(|e| panic!("{text}\n  {e}\n  {values}"));
            let bits = parsed.rows(&Table::of(&whole), None).unwrap();
            let among: BooleanBuffer = (0..count).map(|_| random.coin()).collect();
            let some = parsed.rows(&Table::of(&whole), Some(&among)).unwrap();
            let start = random.below(count + 1);
            let part = parsed.rows(&Table::of(&whole.slice(start, count - start)), None).unwrap();
            assert_eq!((bits.len(), some.len(), part.len()), (count, count, count - start));
            for (at, row) in rows.iter().enumerate() {
                let expected = holds(&fields, row, &filter);
                both[usize::from(expected)] += 1;
                assert_eq!(bits.value(at), expected, "{text}\n  {values}\n  {row:?}");
                assert!(!among.value(at) || some.value(at) == expected, "{text}\n  {values}\n  {row:?}");
                assert!(at < start || part.value(at - start) == expected, "{text}\n  {values}\n  {row:?}");
            }
        }
    }
    assert!(both.iter().all(|count| *count > 50_000), "{both:?}");
}

/// The ends of every type of number, where widths and signs matter.
#[test]
fn numbers_at_their_limits() {
    let fields = fields();
    let row = |i: i64, d: f64| -> Row {
        vec![
            json!(true),
            json!(i.clamp(-128, 127)),
            json!(i.clamp(-32768, 32767)),
            json!(i.clamp(i32::MIN.into(), i32::MAX.into())),
            json!(i),
            json!((d as f32).max(f32::MIN)),
            json!(d),
            json!(""),
            json!(""),
            json!({ "i": i, "d": d, "big": u64::MAX }),
            json!({}),
        ]
    };
    let whole = batch(&fields, &[row(i64::MIN, -1e300), row(0, 0.1), row(i64::MAX, 9_007_199_254_740_993.0)]);
    for (text, expected) in [
        ("i8 < 1000", [true, true, true]),
        ("i8 > -129", [true, true, true]),
        ("i8 == 127", [false, false, true]),
        ("i64 == -9223372036854775808", [true, false, false]),
        ("i64 >= 9223372036854775807", [false, false, true]),
        ("i64 + 1 == -9223372036854775808", [false, false, true]),
        ("i64 / -1 == -9223372036854775808", [true, false, false]),
        ("i64 % -1 == 0", [true, true, true]),
        ("f == 0.1", [false, true, false]),
        ("d == 0.1", [false, true, false]),
        ("f == d", [false, false, true]),
        ("j['i'] == 9223372036854775807", [false, false, true]),
        ("j['i'] == 9223372036854775807.0", [false, false, false]),
        ("j['big'] > 9223372036854775807", [true, true, true]),
        ("i64 < j['d']", [false, true, false]),
        ("i64 == j['i']", [true, true, true]),
        ("d == -0.0 or d == 0", [false, false, false]),
    ] {
        let bits = parse(&fields, text).unwrap().rows(&Table::of(&whole), None).unwrap();
        assert_eq!(bits.iter().collect::<Vec<_>>(), expected, "{text}");
    }
}
