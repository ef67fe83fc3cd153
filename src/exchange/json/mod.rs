//! Rows as JSON objects: one a line, or in a list as Milvus has them. No number is rounded on its way out and back, and the
//! text of a JSON field stays as it is.

mod read;
mod split;
mod write;

pub use read::Reader;
pub use write::Writer;
