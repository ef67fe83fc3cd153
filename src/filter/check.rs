//! The type check: syntax and schema to a predicate, with Milvus' words about what cannot be (`planparserv2` of 2.3).

mod compare;
mod contains;
mod like;

use crate::filter::predicate::{Column, Predicate, Test};
use crate::filter::syntax::*;
use crate::filter::template::Values;
use crate::filter::value::{Value, not_arithmetic};
use crate::schema::{DYNAMIC_FIELD, DataType, Field};

/// What a filter may name.
struct Scope<'a> {
    text: &'a str,
    fields: &'a [Field],
    values: &'a Values,
}

/// The predicate of a whole filter, or the name of the type that it has instead.
pub fn predicate(
    text: &str,
    fields: &[Field],
    values: &Values,
    tree: &Node,
) -> Result<Result<Predicate, &'static str>, String> {
    let scope = Scope { text, fields, values };
    Ok(match scope.typed(tree)? {
        Typed::Predicate(predicate) => Ok(predicate),
        other => Err(other.type_name()),
    })
}

/// A part of a filter with its type.
enum Typed {
    Value(Value),
    Column(Column),
    /// A column with a constant: `a + 5`.
    Arithmetic(Column, Arithmetic, Value),
    /// `array_length(a)`.
    Length(Column),
    Predicate(Predicate),
}

impl Typed {
    /// Milvus' name of its type.
    fn type_name(&self) -> &'static str {
        match self {
            Typed::Value(value) => value.type_name(),
            Typed::Column(column) => column.data_type.name(),
            Typed::Arithmetic(column, _, operand)
                if column.is_float() || matches!(operand, Value::Float(_)) =>
            {
                DataType::Double.name()
            }
            Typed::Arithmetic(..) | Typed::Length(_) => DataType::Int64.name(),
            Typed::Predicate(_) => DataType::Bool.name(),
        }
    }
}

impl Column {
    fn is_json(&self) -> bool {
        self.data_type == DataType::Json
    }

    /// Whether it is a whole array.
    fn is_array(&self) -> bool {
        self.data_type == DataType::Array
    }

    fn is_integer(&self) -> bool {
        is_integer(self.data_type)
    }

    fn is_float(&self) -> bool {
        matches!(self.data_type, DataType::Float | DataType::Double)
    }

    fn is_number(&self) -> bool {
        self.is_integer() || self.is_float()
    }

    /// A whole JSON document is not compared with anything.
    fn not_whole(&self) -> Result<(), String> {
        match self.is_json() && self.path.is_empty() {
            true => Err("can not comparisons jsonField directly".into()),
            false => Ok(()),
        }
    }
}

fn is_integer(data_type: DataType) -> bool {
    use DataType::*;
    matches!(data_type, Int8 | Int16 | Int32 | Int64)
}

impl Scope<'_> {
    /// A node as it was written.
    fn shown(&self, node: &Node) -> &str {
        self.text.get(node.span.clone()).unwrap_or_default()
    }

    fn typed(&self, node: &Node) -> Result<Typed, String> {
        match &node.kind {
            Kind::Value(value) => Ok(Typed::Value(value.clone())),
            Kind::Template(name) => self.values.get(name).map(|value| Typed::Value(value.clone())),
            Kind::List(nodes) => self.constants(nodes).map(|values| Typed::Value(Value::List(values))),
            Kind::Field { name, path } => self.column(name, path).map(Typed::Column),
            Kind::Unary(op, child) => self.unary(*op, child),
            Kind::Binary(op, left, right) => self.binary(node, *op, left, right),
            Kind::And(nodes) => self.joined(nodes, "and", |a, b| a && b, Predicate::and),
            Kind::Or(nodes) => self.joined(nodes, "or", |a, b| a || b, Predicate::or),
            Kind::In { item, list, negated } => self.is_in(item, list, *negated),
            Kind::Like(item, pattern) => self.like(item, pattern),
            Kind::Range { item, low, high } => self.range(item, low, high),
            Kind::Exists(child) => self.exists(child),
            Kind::Null { item, negated } => self.null(item, *negated),
            Kind::Contains(how, field, what) => self.contains(*how, field, what),
            Kind::Length(child) => self.length(child),
        }
    }

    /// The values of a list.
    fn constants(&self, nodes: &[Node]) -> Result<Vec<Value>, String> {
        let value = |node| match self.typed(node)? {
            Typed::Value(value) => Ok(value),
            _ => Err(format!("array element type must be generic value, but got: {}", self.shown(node))),
        };
        nodes.iter().map(value).collect()
    }

    fn column(&self, name: &str, path: &[Step]) -> Result<Column, String> {
        let place = |name: &str| self.fields.iter().position(|field| field.name == name);
        let (at, mut steps) = match place(name) {
            Some(at) => (at, Vec::new()),
            None => match place(DYNAMIC_FIELD) {
                Some(at) => (at, vec![Step::Key(name.to_owned())]),
                None => return Err(format!("field {name} not exist")),
            },
        };
        steps.extend_from_slice(path);
        let Field { data_type, element_type, nullable, .. } = self.fields[at];
        let data_type = match (data_type, element_type, steps.as_slice()) {
            (DataType::Json, ..) | (_, _, []) => data_type,
            (DataType::Array, Some(element), [Step::Index(_)]) => element,
            (DataType::Array, _, _) => {
                return Err(format!("can only access array field with integer index: {name}"));
            }
            _ => return Err(format!("{} data type not supported accessed with []", data_type.name())),
        };
        Ok(Column { at, data_type, path: steps, element_type, nullable })
    }

    fn unary(&self, op: Unary, child: &Node) -> Result<Typed, String> {
        match (op, self.typed(child)?) {
            (Unary::BitNot, _) => Err(format!("unexpected op: ~ before {}", self.shown(child))),
            (Unary::Plus, Typed::Column(column)) if column.is_array() => {
                Err("can not comparisons array fields directly".into())
            }
            (Unary::Plus, Typed::Column(column)) => column.not_whole().map(|()| Typed::Column(column)),
            // As in Milvus it changes nothing, whatever stands behind it.
            (Unary::Plus, typed) => Ok(typed),
            (Unary::Minus, Typed::Value(Value::Int(n))) => {
                let negated =
                    n.checked_neg().ok_or_else(|| format!("-({n}) is out of the range of Int64"))?;
                Ok(Typed::Value(Value::Int(negated)))
            }
            (Unary::Minus, Typed::Value(Value::Float(x))) => Ok(Typed::Value(Value::Float(-x))),
            (Unary::Not, Typed::Value(Value::Bool(b))) => Ok(Typed::Value(Value::Bool(!b))),
            (Unary::Not, Typed::Predicate(predicate)) => Ok(Typed::Predicate(!predicate)),
            (Unary::Not, _) => Err("not op can only be applied on boolean expression".into()),
            (Unary::Minus, _) => {
                let shown = self.shown(child);
                Err(format!("unexpected op: - can only be applied on numbers, not on {shown}"))
            }
        }
    }

    fn joined(
        &self,
        nodes: &[Node],
        word: &str,
        fold: fn(bool, bool) -> bool,
        join: fn(Predicate, Predicate) -> Predicate,
    ) -> Result<Typed, String> {
        let refused = || format!("'{word}' can only be used between boolean expressions");
        let mut parts = nodes.iter().map(|node| self.typed(node));
        let mut joined = parts.next().ok_or_else(refused)??;
        for part in parts {
            joined = match (joined, part?) {
                (Typed::Value(Value::Bool(a)), Typed::Value(Value::Bool(b))) => {
                    Typed::Value(Value::Bool(fold(a, b)))
                }
                (Typed::Predicate(a), Typed::Predicate(b)) => Typed::Predicate(join(a, b)),
                _ => return Err(refused()),
            };
        }
        Ok(joined)
    }

    fn binary(&self, node: &Node, op: Binary, left: &Node, right: &Node) -> Result<Typed, String> {
        let (a, b) = (self.typed(left)?, self.typed(right)?);
        match op {
            Binary::Compare(op) => self.compare(node, op, a, b),
            Binary::Arithmetic(op) => arithmetic(op, a, b),
            Binary::Power => match (a, b) {
                (Typed::Value(a), Typed::Value(b)) => a.power(&b).map(Typed::Value),
                _ => Err(format!("power can only apply on constants: {}", self.shown(node))),
            },
            Binary::Refused(name) => Err(format!("{name} is not supported: {}", self.shown(node))),
        }
    }

    fn is_in(&self, item: &Node, list: &Node, negated: bool) -> Result<Typed, String> {
        let column = match self.typed(item)? {
            Typed::Column(column) => column,
            Typed::Value(_) => {
                let shown = self.shown(item);
                return Err(format!("'term' can only be used on non-const expression, but got: {shown}"));
            }
            _ => {
                return Err(format!(
                    "'term' can only be used on single field, but got: {}",
                    self.shown(item)
                ));
            }
        };
        column.not_whole()?;
        let cast = |value: Value, shown: &str| {
            let type_name = column.data_type.name();
            let failed = |_| format!("value '{shown}' in list cannot be casted to {type_name}");
            compare::cast_to(&column, value).map_err(failed)
        };
        let values = match &list.kind {
            Kind::List(nodes) => {
                let value = |node| match self.typed(node)? {
                    Typed::Value(value) => cast(value, self.shown(node)),
                    _ => {
                        Err(format!("value '{}' in list cannot be a non-const expression", self.shown(node)))
                    }
                };
                nodes.iter().map(value).collect::<Result<Vec<_>, _>>()?
            }
            _ => match self.typed(list)? {
                Typed::Value(Value::List(values)) => values
                    .into_iter()
                    .map(|value| {
                        let shown = value.to_string();
                        cast(value, &shown)
                    })
                    .collect::<Result<_, _>>()?,
                _ => return Err(format!("the value of {} should be a list", self.shown(list))),
            },
        };
        let predicate = match values.is_empty() && !column.nullable {
            true => Predicate::Always(false),
            false => Predicate::Column(column, Test::In(values)),
        };
        Ok(Typed::Predicate(if negated { !predicate } else { predicate }))
    }

    fn exists(&self, child: &Node) -> Result<Typed, String> {
        match self.typed(child)? {
            Typed::Column(column) if !column.is_json() => {
                let type_name = column.data_type.name();
                Err(format!("exists operations are only supportted on json field, got:{type_name}"))
            }
            Typed::Column(column) if column.path.is_empty() => {
                Err("exists operations are only supportted on json key".into())
            }
            Typed::Column(column) => Ok(Typed::Predicate(Predicate::Column(column, Test::Exists))),
            _ => {
                let shown = self.shown(child);
                Err(format!("exists operations are only supported on single fields now, got: {shown}"))
            }
        }
    }

    fn null(&self, item: &Node, negated: bool) -> Result<Typed, String> {
        let Typed::Column(column) = self.typed(item)? else {
            let shown = self.shown(item);
            return Err(format!("'is null' can only be used on single fields, but got: {shown}"));
        };
        // A path into JSON may lead nowhere, and an array may be shorter.
        let can_be = column.nullable || !column.path.is_empty();
        let predicate = if can_be { Predicate::Column(column, Test::Null) } else { Predicate::Always(false) };
        Ok(Typed::Predicate(if negated { !predicate } else { predicate }))
    }

    fn length(&self, child: &Node) -> Result<Typed, String> {
        match self.typed(child)? {
            Typed::Column(column) if column.is_json() || column.is_array() => {
                column.not_whole().map(|()| Typed::Length(column))
            }
            _ => Err(format!(
                "array_length operation are only supported on json or array fields now, got: {}",
                self.shown(child)
            )),
        }
    }
}

fn arithmetic(op: Arithmetic, left: Typed, right: Typed) -> Result<Typed, String> {
    let is_number = |typed: &Typed| match typed {
        Typed::Value(value) => value.number().is_some(),
        Typed::Column(column) => column.is_number() || column.is_json(),
        Typed::Arithmetic(..) | Typed::Length(_) => true,
        Typed::Predicate(_) => false,
    };
    if !is_number(&left) || !is_number(&right) {
        return Err(not_arithmetic(op));
    }
    let commutes = matches!(op, Arithmetic::Add | Arithmetic::Multiply);
    match (left, right) {
        (Typed::Value(a), Typed::Value(b)) => a.compute(op, &b).map(Typed::Value),
        (Typed::Column(column), Typed::Value(operand)) => with_operand(column, op, operand),
        (Typed::Value(operand), Typed::Column(column)) if commutes => with_operand(column, op, operand),
        (Typed::Value(_), Typed::Column(_)) => Err("module field is not yet supported".into()),
        (Typed::Column(_), Typed::Column(_)) => {
            Err("not supported to do arithmetic operations between multiple fields".into())
        }
        _ => Err("complicated arithmetic operations are not supported".into()),
    }
}

fn with_operand(column: Column, op: Arithmetic, operand: Value) -> Result<Typed, String> {
    column.not_whole()?;
    let operand = compare::cast(column.data_type, operand)?;
    if op == Arithmetic::Modulo && (column.is_float() || matches!(operand, Value::Float(_))) {
        return Err("modulo can only apply on integer types".into());
    }
    let divides = matches!(op, Arithmetic::Divide | Arithmetic::Modulo);
    if divides && operand.number().is_some_and(|number| number.float() == 0.0) {
        return Err("cannot divide by zero".into());
    }
    Ok(Typed::Arithmetic(column, op, operand))
}
