//! The fields that a schema has one of: the primary key, the vector, the partition key.

use super::{DataType, Field};
use crate::error::{Error, Result};

pub(super) fn only_vector(fields: &[Field]) -> Result<usize> {
    let vectors: Vec<usize> = (0..fields.len()).filter(|&at| fields[at].data_type.is_vector()).collect();
    match vectors.as_slice() {
        &[vector] => Ok(vector),
        [] => Err(Error::invalid("schema does not contain vector field")),
        several => {
            let names: Vec<&str> = several.iter().map(|&at| fields[at].name.as_str()).collect();
            let names = names.join(", ");
            Err(Error::invalid(format!("multiple vector fields is not supported, fields name: {names}")))
        }
    }
}

pub(super) fn primary_key(fields: &[Field]) -> Result<usize> {
    let primaries: Vec<usize> = (0..fields.len()).filter(|&i| fields[i].is_primary).collect();
    let &[primary] = primaries.as_slice() else {
        let names: Vec<&str> = primaries.iter().map(|&i| fields[i].name.as_str()).collect();
        return Err(Error::invalid(if names.is_empty() {
            "primary key is not specified".to_owned()
        } else {
            format!("there are more than one primary key, field name = {}", names.join(", "))
        }));
    };
    let field = &fields[primary];
    match field.data_type {
        DataType::Int64 | DataType::VarChar => Ok(primary),
        other => Err(Error::invalid(format!(
            "the data type of primary key should be Int64 or VarChar, field {} is {}",
            field.name,
            other.name()
        ))),
    }
}

pub(super) fn partition_key(fields: &[Field]) -> Result<Option<usize>> {
    let keys: Vec<usize> = (0..fields.len()).filter(|&i| fields[i].is_partition_key).collect();
    let key = match keys[..] {
        [] => return Ok(None),
        [key] => key,
        _ => {
            let names: Vec<&str> = keys.iter().map(|&i| fields[i].name.as_str()).collect();
            return Err(Error::invalid(format!(
                "there are more than one partition key, field name = {}",
                names.join(", ")
            )));
        }
    };
    if fields[key].is_primary {
        return Err(Error::invalid("the partition key field must not be primary field"));
    }
    if !matches!(fields[key].data_type, DataType::Int64 | DataType::VarChar) {
        return Err(Error::invalid(format!(
            "the data type of partition key should be Int64 or VarChar, field {} is {}",
            fields[key].name,
            fields[key].data_type.name()
        )));
    }
    Ok(Some(key))
}
