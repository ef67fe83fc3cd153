//! A checked filter as text again: what the evaluation runs, in the language that it was written in.

use crate::filter::predicate::{Column, Predicate, Test};
use crate::filter::syntax::{Arithmetic, Compare, Contains, Step};
use crate::filter::value::Value;
use crate::schema::Field;
use std::fmt::{self, Display, Formatter};

/// Values of a list that are shown.
const SHOWN: usize = 8;

/// A predicate over the fields of a schema.
pub struct Shown<'a> {
    pub fields: &'a [Field],
    pub predicate: &'a Predicate,
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fields = self.fields;
        match self.predicate {
            Predicate::Always(holds) => write!(f, "{holds}"),
            Predicate::All(parts) => self.joined(parts, " and ", f),
            Predicate::Any(parts) => self.joined(parts, " or ", f),
            Predicate::Not(inner) => write!(f, "not ({})", Shown { predicate: inner, fields }),
            Predicate::Column(column, test) => write_test(&Name { fields, column }, test, f),
            Predicate::Fields(left, compare, right) => {
                let (left, right) = (Name { fields, column: left }, Name { fields, column: right });
                write!(f, "{left} {} {right}", sign(*compare))
            }
        }
    }
}

impl Shown<'_> {
    fn joined(&self, parts: &[Predicate], between: &str, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, predicate) in parts.iter().enumerate() {
            if i > 0 {
                f.write_str(between)?;
            }
            let part = Shown { fields: self.fields, predicate };
            match predicate {
                Predicate::All(_) | Predicate::Any(_) => write!(f, "({part})")?,
                _ => write!(f, "{part}")?,
            }
        }
        Ok(())
    }
}

/// A field, or a path into its JSON.
struct Name<'a> {
    fields: &'a [Field],
    column: &'a Column,
}

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.fields.get(self.column.at).map_or("?", |field| &field.name))?;
        self.column.path.iter().try_for_each(|step| match step {
            Step::Key(key) => write!(f, "[{key:?}]"),
            Step::Index(index) => write!(f, "[{index}]"),
        })
    }
}

fn write_test(name: &Name, test: &Test, f: &mut Formatter<'_>) -> fmt::Result {
    match test {
        Test::Compare(compare, value) => write!(f, "{name} {} {}", sign(*compare), Literal(value)),
        Test::Between { low, low_inclusive, high, high_inclusive } => {
            let sign = |inclusive: &bool| if *inclusive { "<=" } else { "<" };
            let (low, high) = (Literal(low), Literal(high));
            write!(f, "{low} {} {name} {} {high}", sign(low_inclusive), sign(high_inclusive))
        }
        Test::In(values) => {
            write!(f, "{name} in ")?;
            write_list(values, f)
        }
        Test::Prefix(text) => write!(f, "{name} like {:?}", format!("{text}%")),
        Test::Arithmetic { op, operand, equal, result } => {
            let op = match op {
                Arithmetic::Add => '+',
                Arithmetic::Subtract => '-',
                Arithmetic::Multiply => '*',
                Arithmetic::Divide => '/',
                Arithmetic::Modulo => '%',
            };
            let equal = if *equal { "==" } else { "!=" };
            write!(f, "{name} {op} {} {equal} {}", Literal(operand), Literal(result))
        }
        Test::Length(compare, length) => write!(f, "array_length({name}) {} {length}", sign(*compare)),
        Test::Contains(Contains::One, values) if values.len() == 1 => {
            write!(f, "json_contains({name}, {})", Literal(&values[0]))
        }
        Test::Contains(which, values) => {
            let all = if *which == Contains::All { "all" } else { "any" };
            write!(f, "json_contains_{all}({name}, ")?;
            write_list(values, f)?;
            f.write_str(")")
        }
        Test::Exists => write!(f, "exists {name}"),
        Test::Null => write!(f, "{name} is null"),
    }
}

/// A constant as it may be written.
struct Literal<'a>(&'a Value);

impl Display for Literal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) => write!(f, "{x:?}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::List(values) => write_list(values, f),
        }
    }
}

fn write_list(values: &[Value], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (i, value) in values.iter().take(SHOWN).enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        write!(f, "{comma}{}", Literal(value))?;
    }
    if values.len() > SHOWN {
        write!(f, ", ... {} in all", values.len())?;
    }
    f.write_str("]")
}

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Less => "<",
        Compare::LessEqual => "<=",
        Compare::Greater => ">",
        Compare::GreaterEqual => ">=",
        Compare::Equal => "==",
        Compare::NotEqual => "!=",
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::{Filter, Values};
    use crate::schema::Schema;

    fn schema() -> Schema {
        Schema::from_json(
            r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
            {"name":"a","data_type":"Int32"},{"name":"b","data_type":"Int32"},{"name":"x","data_type":"Double"},
            {"name":"t","data_type":"VarChar","max_length":20},{"name":"j","data_type":"JSON"},
            {"name":"v","data_type":"FloatVector","dim":4}]}"#,
        )
        .unwrap()
    }

    /// What is shown means the same as what was given: it is parsed to the same filter.
    #[test]
    fn filters_are_shown_as_they_are_understood() {
        let schema = schema();
        let filter = |text: &str| Filter::new(&schema, text, &Values::default()).unwrap();
        for (text, shown) in [
            ("", "true"),
            ("a<3", "a < 3"),
            ("3 > a and 1 <= b < 4 || t == 'x\"y'", r#"(a < 3 and 1 <= b < 4) or t == "x\"y""#),
            ("not (a in [1, 2, 3]) and x == 1", "not (a in [1, 2, 3]) and x == 1.0"),
            ("t like 'ab%' and a != b", r#"t like "ab%" and a != b"#),
            (
                "a % 10 == 3 or j['k'][0] > 5 or exists j['m']",
                r#"a % 10 == 3 or j["k"][0] > 5 or exists j["m"]"#,
            ),
            ("json_contains(j['l'], 1)", r#"json_contains(j["l"], 1)"#),
            ("json_contains_any(j['l'], [1, 'b'])", r#"json_contains_any(j["l"], [1, "b"])"#),
            ("json_contains_all(j['l'], [1])", r#"json_contains_all(j["l"], [1])"#),
            ("array_length(j['l']) >= 2", r#"array_length(j["l"]) >= 2"#),
        ] {
            let filter_of = filter(text);
            let described = filter_of.describe(&schema);
            assert_eq!(described, shown, "{text}");
            if !text.is_empty() {
                assert_eq!(filter(&described), filter_of, "{text}");
            }
        }
        let many = filter("a in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]");
        assert_eq!(many.describe(&schema), "a in [1, 2, 3, 4, 5, 6, 7, 8, ... 10 in all]");
    }
}
