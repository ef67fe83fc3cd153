//! Fields, data types, limits and their validation, in Milvus' field words.

use crate::error::Result;

/// The schema of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {}

impl Schema {
    /// `{"description":"","auto_id":false,"fields":[{"name","data_type","is_primary","auto_id","max_length","dim"}]}`.
    pub fn from_json(text: &str) -> Result<Schema> {
        let _ = text;
        todo!()
    }
}
