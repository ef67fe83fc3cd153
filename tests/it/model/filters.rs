//! Random filters over the fields of a shape, and their text.

use super::rows::{Kind, Shape, float, int, scalar, text};
use crate::support::Random;
use serde_json::{Map, Value as Json, json};

/// A field, or a place inside of its JSON, or an element of its array. The primary key is `id`.
#[derive(Clone, Debug)]
pub struct Path {
    pub field: String,
    pub kind: Kind,
    pub steps: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum Filter {
    /// Empty text.
    Everything,
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare(Path, &'static str, Json),
    Fields(Path, &'static str, Path),
    Range(Path, Json, &'static str, Json, &'static str),
    In(Path, bool, Vec<Json>),
    Like(Path, String),
    Arithmetic(Path, &'static str, Json, bool, Json),
    Exists(Path),
    /// `is null`, or `is not null`.
    Null(Path, bool),
    Contains(&'static str, Path, Vec<Json>),
    Length(Path, &'static str, i64),
}

const OPS: &[&str] = &["==", "!=", "<", "<=", ">", ">="];

/// Draws filters for rows of a shape.
pub struct Drawer<'a> {
    pub shape: &'a Shape,
    pub random: &'a mut Random,
}

impl Drawer<'_> {
    pub fn filter(&mut self, depth: usize) -> Filter {
        if depth == 0 {
            return self.leaf();
        }
        match self.random.below(6) {
            0 | 1 => Filter::And(self.parts(depth)),
            2 | 3 => Filter::Or(self.parts(depth)),
            4 => Filter::Not(Box::new(self.filter(depth - 1))),
            _ => self.leaf(),
        }
    }

    fn parts(&mut self, depth: usize) -> Vec<Filter> {
        (0..2 + self.random.below(2)).map(|_| self.filter(depth - 1)).collect()
    }

    fn path_of(&mut self, is_meant: impl Fn(Kind) -> bool) -> Path {
        let mut all: Vec<(String, Kind)> =
            self.shape.fields.iter().map(|field| (field.name.clone(), field.kind)).collect();
        all.push(("id".into(), if self.shape.text_key { Kind::Text } else { Kind::Int64 }));
        all.retain(|(_, kind)| is_meant(*kind));
        let (field, kind) = all[self.random.below(all.len() as u64) as usize].clone();
        let steps = match kind {
            Kind::Json | Kind::Meta => {
                let steps = ["a", "e", "c", "0", "1", "k\"y", "none"];
                let count = 1 + self.random.below(2);
                (0..count).map(|_| self.random.one(&steps).to_owned()).collect()
            }
            _ => Vec::new(),
        };
        Path { field, kind, steps }
    }

    /// An element of an array, as a path of the elements' kind.
    fn element(&mut self, of: Kind) -> Path {
        let list = self.path_of(|kind| kind == of);
        let kind = if of == Kind::Ints { Kind::Int32 } else { Kind::Text };
        Path { kind, steps: vec![self.random.below(5).to_string()], ..list }
    }

    /// What has one value, and is compared with constants.
    fn operand(&mut self) -> Path {
        match self.random.below(6) {
            0 => self.element(Kind::Ints),
            1 => self.element(Kind::Texts),
            _ => self.path_of(|kind| !kind.is_list()),
        }
    }

    fn constant(&mut self, path: &Path) -> Json {
        let random = &mut *self.random;
        match path.kind {
            Kind::Bool => json!(random.coin()),
            Kind::Float | Kind::Double => {
                if random.coin() {
                    int(random)
                } else {
                    float(random)
                }
            }
            Kind::Text if path.field == "id" => json!(format!("k{}", random.below(400))),
            Kind::Text => text(random),
            Kind::Json | Kind::Meta => scalar(random),
            _ if path.field == "id" => json!(random.below(400)),
            // Of any type of integers: a field may have none of that size.
            _ if random.below(8) == 0 => {
                random.one(&[Kind::Int8, Kind::Int16, Kind::Int32, Kind::Int64]).end(random)
            }
            _ => int(random),
        }
    }

    fn op(&mut self) -> &'static str {
        self.random.one(OPS)
    }

    fn leaf(&mut self) -> Filter {
        match self.random.below(14) {
            0..3 => {
                let path = self.operand();
                let value = self.constant(&path);
                Filter::Compare(path, self.op(), value)
            }
            3 => self.range(),
            4 => {
                let path = self.operand();
                let list = (0..self.random.below(12)).map(|_| self.constant(&path)).collect();
                Filter::In(path, self.random.coin(), list)
            }
            5 => {
                let path = self.path_of(|kind| kind == Kind::Text || kind.is_json());
                let prefix = self.random.one(&["", "a", "ab", "é", "b\"q'", "x\\", "line\n", "k1"]);
                Filter::Like(path, prefix.to_owned())
            }
            6 => self.arithmetic(),
            7 => {
                let left = self.operand();
                let is_fit = |kind: Kind| match left.kind {
                    Kind::Bool | Kind::Text => kind == left.kind,
                    own if own.is_json() => !kind.is_list(),
                    _ => kind.is_int() || kind.is_float(),
                };
                let right = self.path_of(is_fit);
                Filter::Fields(left, self.op(), right)
            }
            8 => Filter::Exists(self.path_of(Kind::is_json).clone()),
            9 => {
                let path = if self.random.coin() { self.operand() } else { self.path_of(Kind::is_list) };
                Filter::Null(path, self.random.coin())
            }
            10 | 11 => self.contains(),
            12 => {
                let path = self.path_of(|kind| kind.is_json() || kind.is_list());
                Filter::Length(path, self.op(), self.random.below(4) as i64)
            }
            _ => {
                let path = self.path_of(Kind::is_list);
                let kind = if path.kind == Kind::Ints { Kind::Int32 } else { Kind::Text };
                let list = (0..self.random.below(3)).map(|_| kind.random(self.random)).collect();
                Filter::Compare(path, self.random.one(&["==", "!="]), list)
            }
        }
    }

    fn range(&mut self) -> Filter {
        let path = loop {
            let path = self.operand();
            if path.kind != Kind::Bool {
                break path;
            }
        };
        let low = match self.constant(&path) {
            Json::Bool(_) => json!(1),
            other => other,
        };
        let high = match &low {
            Json::String(_) if path.kind.is_json() => text(self.random),
            _ if path.kind.is_json() => float(self.random),
            _ => self.constant(&path),
        };
        Filter::Range(path, low, self.random.one(&["<", "<="]), high, self.random.one(&["<", "<="]))
    }

    fn arithmetic(&mut self) -> Filter {
        let path = match self.random.below(4) {
            0 => self.element(Kind::Ints),
            _ => self.path_of(|kind| kind.is_int() || kind.is_float() || kind.is_json()),
        };
        let is_float = path.kind.is_float();
        let op = self.random.one(if is_float { &["+", "-", "*", "/"] } else { &["+", "-", "*", "/", "%"] });
        let is_int = path.kind.is_int() || self.random.below(3) == 0;
        let mut operand = if is_int { int(self.random) } else { float(self.random) };
        if op == "%" || operand.as_f64() == Some(0.0) {
            operand = json!(1 + self.random.below(5) as i64);
        }
        let whole = operand.is_i64() && !is_float;
        let result = if whole { int(self.random) } else { float(self.random) };
        Filter::Arithmetic(path, op, operand, self.random.coin(), result)
    }

    fn contains(&mut self) -> Filter {
        let how = self.random.one(&["json_contains", "json_contains_all", "json_contains_any"]);
        let count = if how == "json_contains" { 1 } else { self.random.below(4) };
        let path = self.path_of(|kind| kind.is_json() || kind.is_list());
        let random = &mut *self.random;
        let value = |random: &mut Random| match path.kind {
            Kind::Ints => int(random),
            Kind::Texts => text(random),
            _ if random.below(5) == 0 => (0..random.below(3)).map(|_| scalar(random)).collect(),
            _ => scalar(random),
        };
        let wanted = (0..count).map(|_| value(random)).collect();
        Filter::Contains(how, path, wanted)
    }
}

/// Writes a filter, some of its constants as templates.
pub struct Writer<'r> {
    random: &'r mut Random,
    values: Map<String, Json>,
}

impl Writer<'_> {
    /// The text, and the values of its templates.
    pub fn write(filter: &Filter, random: &mut Random) -> (String, String) {
        let mut writer = Writer { random, values: Map::new() };
        let text = writer.any(filter);
        (text, Json::Object(writer.values).to_string())
    }

    fn value(&mut self, value: &Json) -> String {
        if self.random.below(6) == 0 {
            let name = format!("v{}", self.values.len());
            self.values.insert(name.clone(), value.clone());
            return format!("{{{name}}}");
        }
        match value {
            Json::String(text) => self.text(text),
            Json::Array(values) => self.list(values),
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
                c => out.push(c),
            }
        }
        out.push(quote);
        out
    }

    fn list(&mut self, values: &[Json]) -> String {
        let values: Vec<String> = values.iter().map(|value| self.value(value)).collect();
        format!("[{}]", values.join(", "))
    }

    fn path(&mut self, path: &Path) -> String {
        let is_name = |step: &str| ["a", "c", "none"].contains(&step);
        let bare = path.kind == Kind::Meta && is_name(&path.steps[0]) && self.random.coin();
        let mut out = if bare { path.steps[0].clone() } else { path.field.clone() };
        let is_element = !path.kind.is_json();
        for step in &path.steps[usize::from(bare)..] {
            let is_index = is_element || step.parse::<u32>().is_ok() && self.random.coin();
            out += &if is_index { format!("[{step}]") } else { format!("[{}]", self.text(step)) };
        }
        out
    }

    fn any(&mut self, filter: &Filter) -> String {
        match filter {
            Filter::Everything => String::new(),
            Filter::And(parts) => self.joined(parts, [" and ", "&&"]),
            Filter::Or(parts) => self.joined(parts, [" or ", " || "]),
            Filter::Not(part) => format!("not ({})", self.any(part)),
            Filter::Compare(path, op, value) => {
                let (path, value) = (self.path(path), self.value(value));
                if self.random.coin() {
                    format!("{path} {op} {value}")
                } else {
                    format!("{value}{}{path}", mirrored(op))
                }
            }
            Filter::Fields(a, op, b) => format!("{} {op} {}", self.path(a), self.path(b)),
            Filter::Range(path, low, low_op, high, high_op) => {
                let (path, low, high) = (self.path(path), self.value(low), self.value(high));
                match self.random.coin() {
                    true => format!("{low} {low_op} {path} {high_op} {high}"),
                    false => format!("{high} {} {path} {} {low}", mirrored(high_op), mirrored(low_op)),
                }
            }
            Filter::In(path, negated, list) => {
                let word = if *negated { "not in" } else { "in" };
                format!("{} {word} {}", self.path(path), self.list(list))
            }
            Filter::Like(path, prefix) => {
                // What a pattern means something by is escaped for the pattern, and then for the text.
                let pattern = format!("{}%", prefix.replace('\\', "\\\\"));
                format!("{} like {}", self.path(path), self.text(&pattern))
            }
            Filter::Arithmetic(path, op, operand, equal, result) => {
                let (path, operand) = (self.path(path), self.value(operand));
                let (compare, result) = (if *equal { "==" } else { "!=" }, self.value(result));
                format!("{path} {op} {operand} {compare} {result}")
            }
            Filter::Exists(path) => format!("exists {}", self.path(path)),
            Filter::Null(path, negated) => {
                format!("{} is {}null", self.path(path), if *negated { "not " } else { "" })
            }
            Filter::Contains(how, path, wanted) => {
                let how = if self.random.coin() { how.replace("json", "array") } else { how.to_uppercase() };
                let is_one = how.to_lowercase().ends_with("contains");
                let wanted = if is_one { self.value(&wanted[0]) } else { self.list(wanted) };
                format!("{how}({}, {wanted})", self.path(path))
            }
            Filter::Length(path, op, length) => format!("array_length({}) {op} {length}", self.path(path)),
        }
    }

    fn joined(&mut self, parts: &[Filter], words: [&str; 2]) -> String {
        let parts: Vec<String> = parts.iter().map(|part| format!("({})", self.any(part))).collect();
        parts.join(self.random.one(&words))
    }
}

fn mirrored(op: &str) -> String {
    op.replace('<', "\u{0}").replace('>', "<").replace('\u{0}', ">")
}
