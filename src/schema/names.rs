//! What things may be called, in Milvus' words.

use crate::error::{Error, Result};

/// Most bytes of a name.
const MAX_NAME: usize = 255;

/// Checks the name of a collection.
pub fn check_collection_name(name: &str) -> Result<()> {
    check(name, "collection", "name")
}

/// Checks an alias of a collection.
pub fn check_alias(alias: &str) -> Result<()> {
    check(alias, "collection", "alias")
}

/// Checks the name of a partition, which may begin with a digit.
pub fn check_partition_name(name: &str) -> Result<()> {
    let why = if name.trim().is_empty() {
        "Partition name should not be empty.".to_owned()
    } else if name.len() > MAX_NAME {
        format!("The length of a partition name must be less than {MAX_NAME} characters.")
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        "The first character of a partition name must be an underscore or letter.".to_owned()
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        "Partition name can only contain numbers, letters and underscores.".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("Invalid partition name: {name}. {why}")))
}

/// Checks the name of an index.
pub fn check_index_name(name: &str) -> Result<()> {
    check(name, "index", "name")
}

/// Milvus' rules for the names of collections, fields and indexes and for aliases, in the words it has for each `kind`.
pub(super) fn check(name: &str, kind: &str, noun: &str) -> Result<()> {
    let first_is_good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let all_are_good = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let why = if name.is_empty() {
        format!("the {kind} {noun} should not be empty")
    } else if name.len() > MAX_NAME {
        format!("the length of a {kind} {noun} must be less than {MAX_NAME} characters")
    } else if !first_is_good {
        format!("the first character of a {kind} {noun} must be an underscore or letter")
    } else if !all_are_good {
        format!("{kind} {noun} can only contain numbers, letters and underscores")
    } else {
        return Ok(());
    };
    // Milvus writes the two sentences about an index' name differently.
    let why = match (kind, all_are_good) {
        ("index", _) if !first_is_good && !name.is_empty() => {
            "The first character of a index name must be an underscore or letter.".to_owned()
        }
        ("index", false) => "Index name can only contain numbers, letters, and underscores.".to_owned(),
        _ => why,
    };
    Err(Error::invalid(format!("Invalid {kind} {noun}: {name}. {why}")))
}
