//! The columns of a Parquet file that rows are made of: values, or lists of values, with their Arrow types.
//! <https://parquet.apache.org/docs/file-format/types/logicaltypes/>

use crate::error::{Error, Result};
use ::parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use arrow_schema::{DataType as ArrowType, Field as ArrowField, FieldRef};
use std::sync::Arc;

/// A column of the file. Its definition level says how much of a value is there, from 0 on: the list if it may be null, an
/// element of it, the value if it may be null.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub name: String,
    /// The type of the values, or of the elements of its lists.
    pub of: ArrowType,
    /// Of a column of lists: the name and type of the elements.
    pub item: Option<FieldRef>,
    /// From this definition level on a list has an element.
    pub element_level: i16,
    /// The definition level of a value that is there.
    pub value_level: i16,
}

impl Layout {
    /// The columns in the order of the file: each is made of the column of values in the same place.
    pub fn of_file(schema: &SchemaDescriptor) -> Result<Vec<Layout>> {
        let roots = schema.root_schema().get_fields();
        if roots.is_empty() {
            return Err(Error::invalid("it has no columns"));
        }
        roots.iter().map(|root| Layout::of_column(root)).collect()
    }

    fn of_column(root: &Type) -> Result<Layout> {
        let name = root.name();
        let within = |error: Error| error.within(format!("column {name}"));
        let value = if root.is_primitive() { root } else { elements(root).map_err(within)? };
        let of = arrow_type(value).map_err(within)?;
        let is_list = root.is_group() || repetition(root) == Repetition::REPEATED;
        let may_be_null = |of: &Type| i16::from(repetition(of) == Repetition::OPTIONAL);
        let element_level = if is_list { may_be_null(root) + 1 } else { 0 };
        let value_level = element_level + may_be_null(value);
        let item = ArrowField::new(value.name(), of.clone(), value_level > element_level);
        let item = is_list.then(|| Arc::new(item));
        Ok(Layout { name: name.to_owned(), of, item, element_level, value_level })
    }
}

fn repetition(of: &Type) -> Repetition {
    let info = of.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

fn is_list(group: &Type) -> bool {
    let info = group.get_basic_info();
    match info.logical_type_ref() {
        Some(logical) => *logical == LogicalType::List,
        None => info.converted_type() == ConvertedType::LIST,
    }
}

/// The values that a list holds, in either layout: `list { repeated group { value } }`, or the older
/// `list { repeated value }`. A group of the older writers' names, `array` or `NAME_tuple`, is itself an element.
fn elements(list: &Type) -> Result<&Type> {
    let no_values =
        |what| Error::invalid(format!("it is {what}; only values and lists of values can be read"));
    if !is_list(list) || repetition(list) == Repetition::REPEATED {
        return Err(no_values("a group of columns"));
    }
    let [repeated] = list.get_fields() else { return Err(no_values("a list of several columns")) };
    if repetition(repeated) != Repetition::REPEATED {
        return Err(no_values("a list of one element"));
    }
    if repeated.is_primitive() {
        return Ok(repeated);
    }
    let is_element = repeated.name() == "array" || repeated.name() == format!("{}_tuple", list.name());
    match repeated.get_fields() {
        [value] if value.is_primitive() && repetition(value) != Repetition::REPEATED && !is_element => {
            Ok(value)
        }
        _ => Err(no_values("a list of lists or groups")),
    }
}

/// The Arrow type of values; an error that names the type if it is none that a field could take.
fn arrow_type(value: &Type) -> Result<ArrowType> {
    let info = value.get_basic_info();
    let physical = value.get_physical_type();
    let no_use = |name: String| Error::invalid(format!("no field takes values of the type {physical}{name}"));
    let kind = match info.logical_type_ref() {
        Some(LogicalType::Unknown) => return Ok(ArrowType::Null),
        None | Some(LogicalType::Uuid) => info.converted_type(),
        // The older names have all of the newer ones that are of use.
        Some(logical) => match ConvertedType::from(Some(logical.clone())) {
            ConvertedType::NONE => {
                let text = format!("{logical:?}");
                let name = text.split(['(', ' ']).next().unwrap_or_default();
                return Err(no_use(format!(" {}", name.to_uppercase())));
            }
            kind => kind,
        },
    };
    Ok(match (physical, kind) {
        (Physical::BOOLEAN, ConvertedType::NONE) => ArrowType::Boolean,
        (Physical::FLOAT, ConvertedType::NONE) => ArrowType::Float32,
        (Physical::DOUBLE, ConvertedType::NONE) => ArrowType::Float64,
        (Physical::INT32, ConvertedType::NONE | ConvertedType::INT_32) => ArrowType::Int32,
        (Physical::INT32, ConvertedType::INT_8) => ArrowType::Int8,
        (Physical::INT32, ConvertedType::INT_16) => ArrowType::Int16,
        (Physical::INT32, ConvertedType::UINT_8) => ArrowType::UInt8,
        (Physical::INT32, ConvertedType::UINT_16) => ArrowType::UInt16,
        (Physical::INT32, ConvertedType::UINT_32) => ArrowType::UInt32,
        (Physical::INT64, ConvertedType::NONE | ConvertedType::INT_64) => ArrowType::Int64,
        (Physical::INT64, ConvertedType::UINT_64) => ArrowType::UInt64,
        (Physical::BYTE_ARRAY, ConvertedType::UTF8 | ConvertedType::JSON | ConvertedType::ENUM) => {
            ArrowType::Utf8
        }
        (Physical::BYTE_ARRAY, ConvertedType::NONE | ConvertedType::BSON) => ArrowType::Binary,
        (Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::NONE) => match value {
            Type::PrimitiveType { type_length: length @ 1.., .. } => ArrowType::FixedSizeBinary(*length),
            _ => return Err(no_use(" without a length".to_owned())),
        },
        (_, ConvertedType::NONE) => return Err(no_use(String::new())),
        (_, kind) => return Err(no_use(format!(" {kind}"))),
    })
}
