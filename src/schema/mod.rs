//! Fields, data types, limits and their validation, in Milvus' field words and with Milvus' messages.

mod attributes;
mod grow;
mod json;
mod mmap;
mod names;
mod special;

pub use grow::Versions;
pub use mmap::{MMAP_ENABLED, altered_mmap, is_mmap_key, mmap_enabled};
pub use names::{check_alias, check_collection_name, check_index_name, check_partition_name};

use crate::error::{Error, Result};
use arrow_schema::{DataType as ArrowType, Field as ArrowField, FieldRef, Schema as ArrowSchema, SchemaRef};
use serde_json::Value;
use std::sync::Arc;

/// Most fields of a collection.
pub const MAX_FIELDS: usize = 64;
/// Largest dimension of a vector field.
pub const MAX_DIM: i64 = 32768;
/// Largest `max_length` of a VarChar field, and so its most bytes.
pub const MAX_VARCHAR: i64 = 65535;
/// Most bytes of one JSON value, and of all dynamic keys of a row with their values.
pub const MAX_JSON: usize = 65536;
/// Largest `max_capacity` of an Array field, and so its most elements.
pub const MAX_CAPACITY: i64 = 4096;
/// The hidden JSON field that holds the dynamic keys of a row, in collections with `enable_dynamic_field`.
pub const DYNAMIC_FIELD: &str = "$meta";
/// Most partitions of a collection.
pub const MAX_PARTITIONS: usize = 4096;
/// The partition that every collection without a partition key has.
pub const DEFAULT_PARTITION: &str = "_default";
/// Partitions of a collection with a partition key that does not say how many. Milvus takes 64; each costs a segment at
/// every flush, and one process searches few of them at a time.
const KEY_PARTITIONS: usize = 16;

/// The data type of a field, with Milvus' numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum DataType {
    Bool = 1,
    Int8 = 2,
    Int16 = 3,
    Int32 = 4,
    Int64 = 5,
    Float = 10,
    Double = 11,
    VarChar = 21,
    Array = 22,
    Json = 23,
    BinaryVector = 100,
    FloatVector = 101,
}

impl DataType {
    const ALL: [DataType; 12] = [
        DataType::Bool,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float,
        DataType::Double,
        DataType::VarChar,
        DataType::Array,
        DataType::Json,
        DataType::BinaryVector,
        DataType::FloatVector,
    ];

    /// Milvus' number for it.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The type of a Milvus number.
    pub fn from_number(number: u32) -> Option<DataType> {
        Self::ALL.into_iter().find(|t| t.number() == number)
    }

    /// Milvus' name for it.
    pub fn name(self) -> &'static str {
        match self {
            DataType::Bool => "Bool",
            DataType::Int8 => "Int8",
            DataType::Int16 => "Int16",
            DataType::Int32 => "Int32",
            DataType::Int64 => "Int64",
            DataType::Float => "Float",
            DataType::Double => "Double",
            DataType::VarChar => "VarChar",
            DataType::Array => "Array",
            DataType::Json => "JSON",
            DataType::BinaryVector => "BinaryVector",
            DataType::FloatVector => "FloatVector",
        }
    }

    /// The type of a name in any case, with or without underscores (`FloatVector`, `FLOAT_VECTOR`).
    pub fn from_name(name: &str) -> Option<DataType> {
        let plain = name.replace('_', "");
        Self::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(&plain))
    }

    /// The least and the greatest value of an integer type.
    pub fn integer_range(self) -> Option<(i64, i64)> {
        match self {
            DataType::Int8 => Some((i8::MIN.into(), i8::MAX.into())),
            DataType::Int16 => Some((i16::MIN.into(), i16::MAX.into())),
            DataType::Int32 => Some((i32::MIN.into(), i32::MAX.into())),
            DataType::Int64 => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }

    /// Whether its values are vectors.
    pub fn is_vector(self) -> bool {
        matches!(self, DataType::BinaryVector | DataType::FloatVector)
    }

    /// Whether an Array may hold it: booleans, numbers and VarChar.
    pub fn is_element(self) -> bool {
        !self.is_vector() && !matches!(self, DataType::Array | DataType::Json)
    }

    /// The Arrow type of its values in the one form that the engine stores; `None` where more than the type decides.
    fn plain_arrow(self) -> Option<ArrowType> {
        Some(match self {
            DataType::Bool => ArrowType::Boolean,
            DataType::Int8 => ArrowType::Int8,
            DataType::Int16 => ArrowType::Int16,
            DataType::Int32 => ArrowType::Int32,
            DataType::Int64 => ArrowType::Int64,
            DataType::Float => ArrowType::Float32,
            DataType::Double => ArrowType::Float64,
            DataType::VarChar | DataType::Json => ArrowType::Utf8,
            DataType::Array | DataType::BinaryVector | DataType::FloatVector => return None,
        })
    }
}

/// One field of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub description: String,
    pub data_type: DataType,
    pub is_primary: bool,
    /// Whether rows go to partitions by the hash of its value.
    pub is_partition_key: bool,
    /// VarChar, and Array of it: the most bytes of a value; 0 for other types.
    pub max_length: usize,
    /// Vectors only: the dimension, for binary vectors in bits; 0 for other types.
    pub dim: usize,
    /// Whether a row may have no value.
    pub nullable: bool,
    /// What a row has that gives no value: a boolean, a number or a text of the field's type.
    pub default_value: Option<Value>,
    /// Array only: the type of its elements.
    pub element_type: Option<DataType>,
    /// Array only: the most elements of a value; 0 for other types.
    pub max_capacity: usize,
    /// Whether it is the hidden field of dynamic keys.
    pub is_dynamic: bool,
    /// What it says about `mmap.enabled`.
    pub mmap: Option<bool>,
}

impl Field {
    /// A field of that name and type with nothing else said.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Field {
        Field {
            name: name.into(),
            description: String::new(),
            data_type,
            is_primary: false,
            is_partition_key: false,
            max_length: 0,
            dim: 0,
            nullable: false,
            default_value: None,
            element_type: None,
            max_capacity: 0,
            is_dynamic: false,
            mmap: None,
        }
    }

    /// The hidden field of dynamic keys.
    pub(crate) fn dynamic() -> Field {
        Field { is_dynamic: true, ..Field::new(DYNAMIC_FIELD, DataType::Json) }
    }

    /// The Arrow type of its column, in the one form that the engine stores.
    pub fn arrow_type(&self) -> ArrowType {
        match self.data_type {
            DataType::BinaryVector => ArrowType::FixedSizeBinary((self.dim / 8) as i32),
            DataType::Array => ArrowType::List(self.element_item()),
            DataType::FloatVector => ArrowType::FixedSizeList(float_item(), self.dim as i32),
            plain => plain.plain_arrow().unwrap_or(ArrowType::Null),
        }
    }

    /// The Arrow field of its column.
    pub fn arrow_field(&self) -> ArrowField {
        ArrowField::new(&self.name, self.arrow_type(), self.nullable)
    }

    /// The item field of an Array's list.
    pub fn element_item(&self) -> FieldRef {
        let of_elements = self.element_type.and_then(DataType::plain_arrow).unwrap_or(ArrowType::Null);
        Arc::new(ArrowField::new("item", of_elements, false))
    }

    /// An Array's elements as a field of their own.
    pub fn element(&self) -> Option<Field> {
        let element_type = self.element_type?;
        Some(Field { max_length: self.max_length, ..Field::new(self.name.clone(), element_type) })
    }

    /// Bytes of one value, without the bytes of texts and of an Array's elements.
    pub fn fixed_bytes(&self) -> usize {
        match self.data_type {
            DataType::Bool | DataType::Int8 => 1,
            DataType::Int16 => 2,
            DataType::Int32 | DataType::Float | DataType::VarChar | DataType::Json | DataType::Array => 4,
            DataType::Int64 | DataType::Double => 8,
            DataType::BinaryVector => self.dim / 8,
            DataType::FloatVector => self.dim * 4,
        }
    }
}

/// The item field of a float vector's list.
pub fn float_item() -> FieldRef {
    Arc::new(ArrowField::new("item", ArrowType::Float32, false))
}

/// The schema of a collection: validated, so that whoever holds one may rely on the limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    description: String,
    fields: Vec<Field>,
    auto_id: bool,
    primary: usize,
    vector: usize,
    dynamic: Option<usize>,
    partition_key: Option<usize>,
    /// How many a partition key has; 0 without one.
    num_partitions: usize,
    /// What holds for fields and indexes that say nothing about `mmap.enabled`.
    mmap: Option<bool>,
    arrow: SchemaRef,
}

impl Schema {
    /// Checks the fields against Milvus' limits. `auto_id` is about the primary key.
    pub fn new(description: String, fields: Vec<Field>, auto_id: bool) -> Result<Schema> {
        let named = fields.iter().filter(|field| !field.is_dynamic).count();
        if named > MAX_FIELDS {
            return Err(Error::invalid(format!(
                "maximum field's number should be limited to {MAX_FIELDS}, got {named}"
            )));
        }
        for (at, field) in fields.iter().enumerate() {
            check_field(field)?;
            if fields[..at].iter().any(|f| f.name == field.name) {
                return Err(Error::invalid(format!("duplicated field name: {}", field.name)));
            }
        }
        let primary = special::primary_key(&fields)?;
        let vector = special::only_vector(&fields)?;
        let dynamic = fields.iter().position(|field| field.is_dynamic);
        let partition_key = special::partition_key(&fields)?;
        let num_partitions = if partition_key.is_some() { KEY_PARTITIONS } else { 0 };
        let arrow = ArrowSchema::new(fields.iter().map(Field::arrow_field).collect::<Vec<_>>());
        let arrow = Arc::new(arrow);
        Ok(Schema {
            description,
            fields,
            auto_id,
            primary,
            vector,
            dynamic,
            partition_key,
            num_partitions,
            mmap: None,
            arrow,
        })
    }

    /// The same with so many partitions for its partition key; 0 for the usual number.
    pub fn with_num_partitions(mut self, partitions: i64) -> Result<Schema> {
        if self.partition_key.is_none() {
            return match partitions {
                0 => Ok(self),
                _ => Err(Error::invalid(
                    "num_partitions should only be specified with partition key field enabled",
                )),
            };
        }
        if partitions < 0 {
            return Err(Error::invalid(
                "the specified partitions should be greater than 0 if partition key is used",
            ));
        }
        if partitions > MAX_PARTITIONS as i64 {
            return Err(Error::invalid(format!(
                "partition number ({partitions}) exceeds max configuration ({MAX_PARTITIONS})"
            )));
        }
        if partitions > 0 {
            self.num_partitions = partitions as usize;
        }
        Ok(self)
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field of that name and its place, which is also the place of its column.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, f)| f.name == name)
    }

    pub fn primary(&self) -> &Field {
        &self.fields[self.primary]
    }

    /// The place of the primary key's column.
    pub fn primary_at(&self) -> usize {
        self.primary
    }

    /// The place of the vectors' column.
    pub fn vector_at(&self) -> usize {
        self.vector
    }

    /// The place of the hidden column of dynamic keys, where the collection has one.
    pub fn dynamic_at(&self) -> Option<usize> {
        self.dynamic
    }

    /// The place of the field whose values say to which partition a row goes, if there is one.
    pub fn partition_key(&self) -> Option<usize> {
        self.partition_key
    }

    /// How many partitions the partition key deals rows to; 0 without one.
    pub fn num_partitions(&self) -> usize {
        self.num_partitions
    }

    /// Whether the engine makes the primary keys: numbers, as texts for a VarChar key.
    pub fn auto_id(&self) -> bool {
        self.auto_id
    }

    /// The Arrow schema of stored rows: every field in order.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }
}

fn check_field(field: &Field) -> Result<()> {
    if field.is_dynamic {
        return match (Field { mmap: None, ..field.clone() }) == Field::dynamic() {
            true => Ok(()),
            false => Err(Error::invalid(format!("the dynamic field should be {DYNAMIC_FIELD}, a JSON"))),
        };
    }
    names::check(&field.name, "field", "name")?;
    let dim = field.dim as i64;
    if field.data_type.is_vector() && !(1..=MAX_DIM).contains(&dim) {
        return Err(Error::invalid(format!("invalid dimension: {dim}. should be in range 1 ~ {MAX_DIM}")));
    }
    if field.data_type == DataType::BinaryVector && dim % 8 != 0 {
        return Err(Error::invalid(format!("invalid dimension: {dim}. should be multiple of 8. ")));
    }
    let is_text = field.data_type == DataType::VarChar || field.element_type == Some(DataType::VarChar);
    if is_text && !(1..=MAX_VARCHAR).contains(&(field.max_length as i64)) {
        return Err(Error::invalid(format!(
            "the maximum length specified for a VarChar should be in (0, {MAX_VARCHAR}], field {} has {}",
            field.name, field.max_length
        )));
    }
    attributes::check(field)
}

#[cfg(test)]
mod tests;
