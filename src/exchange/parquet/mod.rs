//! Parquet files. Compression: none or SNAPPY, which pandas, pyarrow, DuckDB, Spark and Milvus' BulkWriter write unless told
//! otherwise.

mod cells;
mod column;
mod guard;
mod layout;
mod levels;
mod pages;
mod read;
mod thrift;
mod values;
mod write;

#[cfg(test)]
mod tests;

pub use read::Reader;
pub use write::Writer;
