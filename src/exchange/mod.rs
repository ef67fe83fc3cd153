//! Files that rows come from and go to, in the layout of Milvus' bulk import
//! (<https://milvus.io/docs/prepare-source-data.md>): Parquet, JSON lines, and JSON with a list of rows.
//!
//! One column, or one key of each row's object, per field, by the field's name. In Parquet float vectors are `list<float>`,
//! binary vectors `list<uint8>` of the packed bytes, VarChar and JSON are strings. In JSON vectors are arrays of numbers
//! (of bytes for binary ones), and a JSON field is the value itself.
//!
//! Nothing here knows a collection: a [`Source`] gives batches of columns that [`crate::batch`] checks, a [`Sink`] takes
//! batches of stored rows. What a file says about itself is compared with its length before anything is allocated.

mod convert;
mod description;
mod file;
mod json;
mod parquet;

pub use description::description;

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::storage::vfs::Vfs;
use arrow_array::RecordBatch;
use std::path::Path;
use std::sync::Arc;

/// Rows of a batch at most.
const BATCH_ROWS: usize = 8192;

/// A form of file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `.parquet`
    Parquet,
    /// `.jsonl` or `.ndjson`: an object a row, one a line.
    JsonLines,
    /// `.json`: `{"rows":[{...},...]}`, as Milvus has it.
    Json,
}

impl Format {
    /// The format that a file's name ends in, as in Milvus.
    pub fn of(path: &Path) -> Result<Format> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "parquet" => Ok(Format::Parquet),
            "jsonl" | "ndjson" => Ok(Format::JsonLines),
            "json" => Ok(Format::Json),
            _ => Err(Error::invalid(format!(
                "unexpected file type of {}, it should end in .parquet, .jsonl, .ndjson or .json",
                path.display()
            ))),
        }
    }
}

/// Where rows come from: a file, front to back.
pub trait Source {
    /// The next rows, by the names of their fields; `None` after the last. An error names the row, counted from 0.
    fn next(&mut self) -> Result<Option<RecordBatch>>;
    /// How many bytes of the file the rows so far are.
    fn done(&self) -> u64;
    /// Bytes of the file.
    fn total(&self) -> u64;
}

/// Where rows go to. Without [`Sink::finish`] no file is left.
pub trait Sink {
    /// Writes rows in the form of [`crate::batch::canonical`], without the columns that the sink was made without.
    fn write(&mut self, rows: &RecordBatch) -> Result<()>;
    /// Ends the file, durably; only now it has its name. Gives its length in bytes.
    fn finish(self: Box<Self>) -> Result<u64>;
}

/// Opens a file of rows for a collection of `schema`.
pub fn open(vfs: &Arc<dyn Vfs>, schema: &Arc<Schema>, path: &Path) -> Result<Box<dyn Source>> {
    let format = Format::of(path)?;
    let file = file::SourceFile::open(vfs, path)?;
    Ok(match format {
        Format::Parquet => Box::new(parquet::Reader::open(schema, file)?),
        Format::JsonLines | Format::Json => Box::new(json::Reader::new(schema, file, format)),
    })
}

/// Creates a file for the fields of `schema` at `places`; there must be none of that name. Beside it comes a file of
/// `text`, which has its name when the other gets its own, and not before; there must be none but one of that text.
pub fn create(
    vfs: &Arc<dyn Vfs>,
    schema: &Schema,
    places: &[usize],
    path: &Path,
    (beside, text): (&Path, &str),
) -> Result<Box<dyn Sink>> {
    let format = Format::of(path)?;
    let file = file::TargetFile::create(vfs, path)?.with_beside(beside, text)?;
    let stored = schema.arrow().project(places).map_err(|e| Error::internal(e.to_string()))?;
    let fields = places.iter().map(|&place| schema.fields()[place].clone()).collect();
    Ok(match format {
        Format::Parquet => Box::new(parquet::Writer::new(fields, &stored, file)?),
        Format::JsonLines | Format::Json => Box::new(json::Writer::new(fields, file, format)?),
    })
}
