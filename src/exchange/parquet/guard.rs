//! What the `parquet` crate says of files that it does not read, by an error or by a panic, as ours.

use crate::error::{Error, Result};
use crate::exchange::file::SourceFile;
use ::parquet::errors::ParquetError;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The reader of `parquet` panics on some damaged files.
pub fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        Err(Error::invalid(format!("it is no Parquet file that can be read: {}", message(&*panic))))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// The error of a file that `parquet` does not read.
pub fn bad(file: &SourceFile, error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => file.failed(*cause),
            Err(other) => Error::invalid(format!("it is no Parquet file that can be read: {other}")),
        },
        other => Error::invalid(format!("it is no Parquet file that can be read: {other}")),
    }
}
