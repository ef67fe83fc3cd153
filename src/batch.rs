//! Columns of rows on their way in or out, as Arrow arrays: checked against the schema, brought to one form.
//!
//! The form: one column a field in the schema's order, nothing null; float vectors are fixed-size lists whose values
//! lie side by side, binary vectors fixed-size binary, VarChar and JSON Utf8.

use crate::error::{Code, Error, Result};
use crate::schema::{DataType, Field, MAX_JSON, Schema, float_item};
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, GenericListArray, GenericStringArray, OffsetSizeTrait,
    RecordBatch, StringArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// Checks the columns of an insert and brings them to the one form. For an auto_id schema `make_ids` gives the primary
/// keys, once everything else is checked.
pub fn canonical(
    schema: &Schema,
    columns: &RecordBatch,
    make_ids: impl FnOnce(usize) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    let rows = columns.num_rows();
    if rows == 0 {
        return Err(Error::invalid("the number of rows should be greater than 0, got 0"));
    }
    for (at, given) in columns.schema_ref().fields().iter().enumerate() {
        let name = given.name();
        if schema.field(name).is_none() {
            return Err(Error::new(Code::FieldNotFound, format!("field {name} not exist")));
        }
        if columns.schema_ref().fields()[..at].iter().any(|f| f.name() == name) {
            return Err(Error::invalid(format!("field {name} is given twice")));
        }
    }
    let mut made = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let generated = field.is_primary && schema.auto_id();
        match columns.column_by_name(&field.name) {
            Some(_) if generated => {
                let name = &field.name;
                return Err(Error::invalid(format!(
                    "can not assign primary field data when auto id enabled {name}"
                )));
            }
            Some(column) => made.push(Some(canonical_column(field, column)?)),
            None if generated => made.push(None),
            None => {
                return Err(Error::new(
                    Code::MissingParameter,
                    format!("fieldSchema({}) has no corresponding fieldData pass in", field.name),
                ));
            }
        }
    }
    if schema.auto_id() {
        made[schema.primary_at()] = Some(make_ids(rows)?);
    }
    let finished: Vec<ArrayRef> = made.into_iter().flatten().collect();
    RecordBatch::try_new(schema.arrow().clone(), finished)
        .map_err(|e| Error::invalid(format!("bad columns: {e}")))
}

/// Checks primary keys that name rows: their type is the schema's, none is null.
pub fn canonical_keys(schema: &Schema, keys: &ArrayRef) -> Result<ArrayRef> {
    let field = schema.primary();
    no_nulls(field, keys)?;
    match field.data_type {
        DataType::VarChar => Ok(Arc::new(strings(field, keys)?)),
        _ if keys.data_type() == &ArrowType::Int64 => Ok(keys.clone()),
        _ => Err(wrong_type(field, keys)),
    }
}

/// Bytes of the rows, as the engine counts them: values and texts, without slack of the buffers.
pub fn bytes(schema: &Schema, rows: &RecordBatch) -> u64 {
    let fixed: usize = schema.fields().iter().map(Field::fixed_bytes).sum();
    (fixed * rows.num_rows()) as u64 + rows.columns().iter().map(text_bytes).sum::<u64>()
}

/// Bytes of a column's texts; 0 for other columns.
pub fn text_bytes(column: &ArrayRef) -> u64 {
    column.as_string_opt::<i32>().map_or(0, |texts| {
        let offsets = texts.value_offsets();
        (offsets[offsets.len() - 1] - offsets[0]) as u64
    })
}

fn canonical_column(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    no_nulls(field, column)?;
    match field.data_type {
        DataType::FloatVector => float_vectors(field, column),
        DataType::BinaryVector => {
            let Some(vectors) = column.as_fixed_size_binary_opt() else {
                return Err(wrong_type(field, column));
            };
            if vectors.value_length() as usize * 8 != field.dim {
                return Err(wrong_dim(field, vectors.value_length() as usize * 8));
            }
            Ok(column.clone())
        }
        DataType::VarChar => {
            let texts = strings(field, column)?;
            for row in 0..texts.len() {
                let length = texts.value(row).len();
                if length > field.max_length {
                    return Err(Error::invalid(format!(
                        "length of varchar field {} exceeds max length, row number: {row}, length: {length}, max length: {}",
                        field.name, field.max_length
                    )));
                }
            }
            Ok(Arc::new(texts))
        }
        DataType::Json => {
            let texts = strings(field, column)?;
            for row in 0..texts.len() {
                check_json(field, row, texts.value(row))?;
            }
            Ok(Arc::new(texts))
        }
        _ if column.data_type() == &field.arrow_type() => Ok(column.clone()),
        _ => Err(wrong_type(field, column)),
    }
}

fn check_json(field: &Field, row: usize, text: &str) -> Result<()> {
    let name = &field.name;
    if text.len() > MAX_JSON {
        return Err(Error::invalid(format!(
            "length of json field {name} exceeds max length, row number: {row}, length: {}, max length: {MAX_JSON}",
            text.len()
        )));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| {
        Error::invalid(format!("the value of json field {name} is not JSON, row number: {row}: {e}"))
    })?;
    Ok(())
}

/// Float vectors from any list layout of Arrow whose lists are all `dim` long.
fn float_vectors(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    let (values, rows) = match column.data_type() {
        ArrowType::FixedSizeList(_, dim) => {
            if *dim as usize != field.dim {
                return Err(wrong_dim(field, *dim as usize));
            }
            let lists = column.as_fixed_size_list();
            let start = lists.value_offset_at(0);
            (lists.values().slice(start, lists.len() * field.dim), lists.len())
        }
        ArrowType::List(_) => (list_values(field, column.as_list::<i32>())?, column.len()),
        ArrowType::LargeList(_) => (list_values(field, column.as_list::<i64>())?, column.len()),
        _ => return Err(wrong_type(field, column)),
    };
    let Some(floats) = values.as_primitive_opt::<Float32Type>() else {
        return Err(wrong_type(field, column));
    };
    no_nulls(field, &values)?;
    check_finite(field, floats.values())?;
    // Without a null buffer, whatever came in.
    let floats = Float32Array::new(floats.values().clone(), None);
    debug_assert_eq!(floats.len(), rows * field.dim);
    let lists = FixedSizeListArray::try_new(float_item(), field.dim as i32, Arc::new(floats), None)
        .map_err(|e| Error::invalid(format!("bad vectors in field {}: {e}", field.name)))?;
    Ok(Arc::new(lists))
}

fn list_values<O: OffsetSizeTrait>(field: &Field, lists: &GenericListArray<O>) -> Result<ArrayRef> {
    let offsets = lists.value_offsets();
    for pair in offsets.windows(2) {
        let length = pair[1].as_usize() - pair[0].as_usize();
        if length != field.dim {
            return Err(wrong_dim(field, length));
        }
    }
    Ok(lists.values().slice(offsets[0].as_usize(), lists.len() * field.dim))
}

/// The first NaN or infinity is an error that names its row.
fn check_finite(field: &Field, values: &[f32]) -> Result<()> {
    // Blocks without an early exit inside, so that the compiler vectorises them.
    let block_is_finite = |block: &[f32]| block.iter().fold(true, |all, v| all & v.is_finite());
    if values.chunks(1024).all(block_is_finite) {
        return Ok(());
    }
    let at = values.iter().position(|v| !v.is_finite()).unwrap_or_default();
    Err(not_finite(values[at]).within(format!("field {}, row {}", field.name, at / field.dim)))
}

/// Milvus' sentence about a value that is no number.
pub fn not_finite(value: f32) -> Error {
    let value = match value {
        v if v.is_nan() => "NaN",
        v if v > 0.0 => "+Inf",
        _ => "-Inf",
    };
    Error::invalid(format!("value '{value}' is not a number or infinity"))
}

/// Texts as Utf8, from Utf8 or LargeUtf8.
fn strings(field: &Field, column: &ArrayRef) -> Result<StringArray> {
    if let Some(texts) = column.as_string_opt::<i32>() {
        return Ok(StringArray::new(texts.offsets().clone(), texts.values().clone(), None));
    }
    let Some(texts) = column.as_string_opt::<i64>() else { return Err(wrong_type(field, column)) };
    shrink_offsets(texts).ok_or_else(|| {
        Error::invalid(format!(
            "the texts of field {} have more than 2^31 - 1 bytes; insert fewer rows",
            field.name
        ))
    })
}

fn shrink_offsets(texts: &GenericStringArray<i64>) -> Option<StringArray> {
    let start = texts.value_offsets()[0];
    let offsets: Option<Vec<i32>> =
        texts.value_offsets().iter().map(|o| i32::try_from(o - start).ok()).collect();
    let offsets = OffsetBuffer::new(offsets?.into());
    let length = offsets.last() as usize;
    StringArray::try_new(offsets, texts.values().slice_with_length(start as usize, length), None).ok()
}

fn no_nulls(field: &Field, column: &ArrayRef) -> Result<()> {
    match column.nulls().filter(|n| n.null_count() > 0) {
        None => Ok(()),
        Some(nulls) => {
            let row = nulls.iter().position(|valid| !valid).unwrap_or_default();
            Err(Error::invalid(format!(
                "field {} has a null at row {row}; nulls are not supported",
                field.name
            )))
        }
    }
}

fn wrong_dim(field: &Field, got: usize) -> Error {
    Error::invalid(format!(
        "the dim ({got}) of field data({}) is not equal to schema dim ({})",
        field.name, field.dim
    ))
}

fn wrong_type(field: &Field, column: &ArrayRef) -> Error {
    let (name, wanted) = (&field.name, field.data_type.name());
    Error::invalid(format!("field {name} holds {wanted}, got a column of {}", column.data_type()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::builder::{Float32Builder, ListBuilder};
    use arrow_array::{BooleanArray, FixedSizeBinaryArray, Int32Array, Int64Array, LargeStringArray};
    use arrow_schema::Field as ArrowField;

    fn schema(auto_id: bool) -> Schema {
        Schema::from_json(&format!(
            r#"{{"auto_id":{auto_id},"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
               {{"name":"t","data_type":"VarChar","max_length":3}},{{"name":"j","data_type":"JSON"}},
               {{"name":"v","data_type":"FloatVector","dim":2}}]}}"#
        ))
        .unwrap()
    }

    fn vectors(values: Vec<f32>, dim: i32) -> ArrayRef {
        let item = Arc::new(ArrowField::new("x", ArrowType::Float32, true));
        Arc::new(FixedSizeListArray::new(item, dim, Arc::new(Float32Array::from(values)), None))
    }

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn ids(values: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    fn columns(id: Option<ArrayRef>, t: ArrayRef, j: ArrayRef, v: ArrayRef) -> RecordBatch {
        let mut columns = vec![("v", v), ("j", j), ("t", t)];
        columns.extend(id.map(|id| ("id", id)));
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn no_ids(_: usize) -> Result<ArrayRef> {
        Err(Error::internal("asked for ids"))
    }

    fn fails(batch: &RecordBatch, with: &str) {
        let error = canonical(&schema(false), batch, no_ids).expect_err(with);
        assert!(error.message().contains(with), "{}\n  not: {with}", error.message());
    }

    #[test]
    fn columns_come_in_the_order_of_the_schema() {
        let batch =
            columns(Some(ids(&[1, 2])), texts(&["a", "b"]), texts(&["{}", "[1]"]), vectors(vec![0.0; 4], 2));
        let rows = canonical(&schema(false), &batch, no_ids).unwrap();
        assert_eq!(rows.schema_ref(), schema(false).arrow());
        assert_eq!(rows.num_rows(), 2);
        assert_eq!(bytes(&schema(false), &rows), 2 * (8 + 4 + 4 + 8) + 2 + 5);
    }

    #[test]
    fn auto_ids_are_made_and_may_not_be_given() {
        let batch = columns(None, texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2));
        let rows = canonical(&schema(true), &batch, |n| Ok(ids(&vec![7; n]))).unwrap();
        assert_eq!(rows.column(0), &ids(&[7]));
        let batch = columns(Some(ids(&[1])), texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2));
        let error = canonical(&schema(true), &batch, no_ids).unwrap_err();
        assert_eq!(error.message(), "can not assign primary field data when auto id enabled id");
        fails(&columns(None, texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2)), "fieldSchema(id)");
    }

    #[test]
    fn other_layouts_of_arrow() {
        let mut list = ListBuilder::new(Float32Builder::new());
        for row in 0..3 {
            list.values().append_slice(&[row as f32, 1.0]);
            list.append(true);
        }
        let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["x", "yy", "zzz"]));
        let batch = columns(Some(ids(&[0, 1, 2])), large, texts(&["1", "2", "3"]), Arc::new(list.finish()));
        let whole = canonical(&schema(false), &batch, no_ids).unwrap();
        assert_eq!(whole.column(1), &texts(&["x", "yy", "zzz"]));
        let part = canonical(&schema(false), &batch.slice(1, 2), no_ids).unwrap();
        assert_eq!(part, whole.slice(1, 2));
        let values =
            part.column(3).as_fixed_size_list().values().as_primitive::<Float32Type>().values().to_vec();
        assert_eq!(values, [1.0, 1.0, 2.0, 1.0]);
    }

    #[test]
    fn values_outside_the_limits() {
        let one = |t: &str, j: &str, v: ArrayRef| columns(Some(ids(&[1])), texts(&[t]), texts(&[j]), v);
        let good = || vectors(vec![0.0, 1.0], 2);
        fails(
            &one("four", "1", good()),
            "length of varchar field t exceeds max length, row number: 0, length: 4, max length: 3",
        );
        fails(&one("a", "{", good()), "the value of json field j is not JSON, row number: 0");
        let long = format!("\"{}\"", "a".repeat(MAX_JSON));
        fails(&one("a", &long, good()), "max length: 65536");
        fails(&one("a", "1", vectors(vec![0.0, f32::NAN], 2)), "value 'NaN' is not a number or infinity");
        fails(&one("a", "1", vectors(vec![f32::NEG_INFINITY, 0.0], 2)), "field v, row 0: value '-Inf'");
        fails(
            &one("a", "1", vectors(vec![0.0; 3], 3)),
            "the dim (3) of field data(v) is not equal to schema dim (2)",
        );
        fails(&one("a", "1", texts(&["x"])), "field v holds FloatVector, got a column of Utf8");
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        fails(&columns(Some(ints), texts(&["a"]), texts(&["1"]), good()), "field id holds Int64");
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None]));
        fails(&columns(Some(nulls), texts(&["a"]), texts(&["1"]), good()), "field id has a null at row 0");
        fails(&one("a", "1", good()).slice(0, 0), "greater than 0");
    }

    #[test]
    fn unknown_and_repeated_columns() {
        let batch = columns(Some(ids(&[1])), texts(&["a"]), texts(&["1"]), vectors(vec![0.0; 2], 2));
        let add = |name: &str| {
            let mut fields: Vec<_> = batch.schema_ref().fields().iter().cloned().collect();
            fields.push(Arc::new(ArrowField::new(name, ArrowType::Utf8, false)));
            let mut arrays = batch.columns().to_vec();
            arrays.push(texts(&["a"]));
            RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), arrays).unwrap()
        };
        fails(&add("nope"), "field nope not exist");
        fails(&add("t"), "field t is given twice");
    }

    #[test]
    fn binary_vectors_and_bools() {
        let schema = Schema::from_json(
            r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},{"name":"b","data_type":"Bool"},
                {"name":"v","data_type":"BinaryVector","dim":16}]}"#,
        )
        .unwrap();
        let make = |width: i32, value: Vec<u8>| {
            let v: ArrayRef = Arc::new(FixedSizeBinaryArray::new(width, value.into(), None));
            let b: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
            canonical(
                &schema,
                &RecordBatch::try_from_iter([("id", ids(&[1])), ("b", b), ("v", v)]).unwrap(),
                no_ids,
            )
        };
        assert_eq!(make(2, vec![1, 2]).unwrap().num_rows(), 1);
        assert!(make(1, vec![1]).unwrap_err().message().contains("the dim (8) of field data(v)"));
    }

    #[test]
    fn keys_to_delete() {
        assert!(canonical_keys(&schema(false), &ids(&[1, 2])).is_ok());
        assert!(canonical_keys(&schema(false), &texts(&["1"])).is_err());
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        assert!(canonical_keys(&schema(false), &nulls).is_err());
    }
}
