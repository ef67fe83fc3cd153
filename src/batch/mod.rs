//! Columns of rows on their way in or out, as Arrow arrays: checked against the schema, brought to one form.
//!
//! The form: one column a field in the schema's order, nulls in nullable fields only; float vectors are fixed-size lists
//! whose values lie side by side, binary vectors fixed-size binary, VarChar and JSON Utf8, arrays lists. Columns that are
//! no field become keys of the dynamic field, where the schema has one.

mod array;
mod column;
mod dynamic;
mod fill;

pub use column::{integers, not_finite};
pub use dynamic::{JSON_EXTENSION, key_of, values_of_key};

use crate::error::{Code, Error, Result};
use crate::schema::{DataType, Field, Schema};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// Checks the columns of an insert and brings them to the one form. For an auto_id schema `make_ids` gives the primary
/// keys, once everything else is checked.
pub fn canonical(
    schema: &Schema,
    columns: &RecordBatch,
    make_ids: impl FnOnce(usize) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    checked(schema, columns, make_ids, false)
}

/// The same of an import, whose rows may have dynamic keys that are names of fields: a field that was added to a collection
/// leaves the key of that name to the rows that had it, and so an export of them does.
pub fn imported(
    schema: &Schema,
    columns: &RecordBatch,
    make_ids: impl FnOnce(usize) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    checked(schema, columns, make_ids, true)
}

/// With `shadows`, keys of `$meta` may be names of fields.
fn checked(
    schema: &Schema,
    columns: &RecordBatch,
    make_ids: impl FnOnce(usize) -> Result<ArrayRef>,
    shadows: bool,
) -> Result<RecordBatch> {
    let rows = columns.num_rows();
    if rows == 0 {
        return Err(Error::invalid("the number of rows should be greater than 0, got 0"));
    }
    for (at, given) in columns.schema_ref().fields().iter().enumerate() {
        let name = given.name();
        if schema.field(name).is_none() && schema.dynamic_at().is_none() {
            return Err(Error::new(Code::FieldNotFound, format!("field {name} not exist")));
        }
        if columns.schema_ref().fields()[..at].iter().any(|f| f.name() == name) {
            return Err(Error::invalid(format!("field {name} is given twice")));
        }
    }
    let mut made = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let generated = field.is_primary && schema.auto_id();
        let column = columns.column_by_name(&field.name);
        made.push(match column {
            _ if field.is_dynamic => Some(dynamic::column(schema, columns, shadows)?),
            Some(_) if generated => {
                let name = &field.name;
                return Err(Error::invalid(format!(
                    "can not assign primary field data when auto id enabled {name}"
                )));
            }
            Some(column) => Some(column::canonical(field, column)?),
            None if generated => None,
            None if fill::can_be_absent(field) => Some(fill::absent(field, rows)?),
            None => {
                return Err(Error::new(
                    Code::MissingParameter,
                    format!("fieldSchema({}) has no corresponding fieldData pass in", field.name),
                ));
            }
        });
    }
    if schema.auto_id() {
        made[schema.primary_at()] = Some(make_ids(rows)?);
    }
    let finished: Vec<ArrayRef> = made.into_iter().flatten().collect();
    RecordBatch::try_new(schema.arrow().clone(), finished)
        .map_err(|e| Error::invalid(format!("bad columns: {e}")))
}

/// Rows that were written before the schema grew, with the fields that came since: null, or their default values.
pub fn widened(schema: &Schema, rows: RecordBatch) -> Result<RecordBatch> {
    let (have, want) = (rows.num_columns(), schema.fields().len());
    if have >= want {
        return Ok(rows);
    }
    let mut columns = rows.columns().to_vec();
    for field in &schema.fields()[have..] {
        columns.push(fill::absent(field, rows.num_rows())?);
    }
    RecordBatch::try_new(schema.arrow().clone(), columns)
        .map_err(|e| Error::internal(format!("rows of an older schema: {e}")))
}

/// Checks primary keys that name rows: their type is the schema's, none is null.
pub fn canonical_keys(schema: &Schema, keys: &ArrayRef) -> Result<ArrayRef> {
    let field = schema.primary();
    column::no_nulls(field, keys)?;
    match field.data_type {
        DataType::VarChar => Ok(Arc::new(column::strings(field, keys)?)),
        _ if keys.data_type() == &ArrowType::Int64 => Ok(keys.clone()),
        _ => Err(column::wrong_type(field, keys)),
    }
}

/// Bytes of the rows, as the engine counts them: values, texts and elements, without slack of the buffers.
pub fn bytes(schema: &Schema, rows: &RecordBatch) -> u64 {
    schema.fields().iter().zip(rows.columns()).map(|(field, column)| column_bytes(field, column)).sum()
}

/// The same of one column.
pub fn column_bytes(field: &Field, column: &ArrayRef) -> u64 {
    (field.fixed_bytes() * column.len()) as u64 + variable_bytes(column)
}

/// The same of a column of `rows` rows that give no value.
pub fn absent_bytes(field: &Field, rows: usize) -> u64 {
    let text = field.default_value.as_ref().and_then(|value| value.as_str()).map_or(0, str::len);
    ((field.fixed_bytes() + text) * rows) as u64
}

/// Bytes of a column's texts or elements, and so at least what its offsets count; 0 for other columns.
pub fn variable_bytes(column: &ArrayRef) -> u64 {
    if let Some(texts) = column.as_string_opt::<i32>() {
        let offsets = texts.value_offsets();
        return (offsets[offsets.len() - 1] - offsets[0]) as u64;
    }
    let Some(lists) = column.as_list_opt::<i32>() else { return 0 };
    let offsets = lists.value_offsets();
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let elements = lists.values().slice(first as usize, (last - first) as usize);
    let width = elements
        .data_type()
        .primitive_width()
        .unwrap_or(if elements.as_string_opt::<i32>().is_some() { 4 } else { 1 });
    (elements.len() * width) as u64 + variable_bytes(&elements)
}

#[cfg(test)]
mod tests;
