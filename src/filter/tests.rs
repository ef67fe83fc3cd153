//! The sentences of Milvus' own tests, random filters against a second evaluation, and texts that are no filters.

mod indexed;
mod limits;
mod nulls;
mod random;
mod reference;
mod sentences;

use super::*;
use crate::schema::DataType;
use arrow_array::RecordBatch;

fn field(name: &str, data_type: DataType) -> Field {
    Field { is_primary: name == "id", max_length: 100, dim: 8, ..Field::new(name, data_type) }
}

fn parse(fields: &[Field], text: &str) -> std::result::Result<Filter, String> {
    with_values(fields, text, "")
}

fn with_values(fields: &[Field], text: &str, values: &str) -> std::result::Result<Filter, String> {
    let values = Values::from_json(values).map_err(|e| e.message().to_owned())?;
    Filter::of_fields(fields, text, &values).map_err(|e| e.message().to_owned())
}
