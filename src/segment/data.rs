//! The rows of a sealed segment as one file: an Arrow IPC file of one record batch, its buffers at multiples of 64
//! bytes, so that any Arrow tool opens it and we map it without a copy.

use crate::error::{Error, Result};
use crate::schema::{DataType, Field, Schema};
use crate::segment::{Shared, raw};
use crate::storage::checked::{CheckedFile, CheckedWriter};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MetadataVersion;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::read_footer_length;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::ArrowError;
use std::io;
use std::path::Path;

const ALIGNMENT: usize = 64;
/// The length of the footer and the closing magic.
const TRAILER: usize = 10;
/// The continuation marker and the length before a message.
const MESSAGE_PREFIX: usize = 8;

/// Writes `batch` to `path` (the caller syncs the directory). Asks `go_on` from time to time, whose error ends it.
pub fn write(
    shared: &Shared,
    batch: &RecordBatch,
    path: &Path,
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let mut out = Stoppable { file: CheckedWriter::create(&shared.vfs, path)?, go_on, stopped: None };
    if let Err(error) = encode(batch, &mut out) {
        let what = format!("cannot write {}", path.display());
        return Err(match (out.stopped, error) {
            (Some(stopped), _) => stopped,
            (None, ArrowError::IoError(_, cause)) => Error::io(what, cause),
            (None, other) => Error::internal(format!("{what}: {other}")),
        });
    }
    out.file.finish()
}

/// A file whose every write asks first.
struct Stoppable<'a> {
    file: CheckedWriter,
    go_on: &'a mut dyn FnMut() -> Result<()>,
    stopped: Option<Error>,
}

impl io::Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = (self.go_on)() {
            self.stopped = Some(error);
            return Err(io::Error::other("stopped"));
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn encode(batch: &RecordBatch, out: impl std::io::Write) -> Result<(), ArrowError> {
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
    let mut writer = FileWriter::try_new_with_options(out, batch.schema_ref(), options)?;
    writer.write(batch)?;
    writer.finish()
}

/// Maps the rows of `path`, verified: the columns that the file has, which may be fewer than the fields of `schema`.
pub fn read(shared: &Shared, schema: &Schema, path: &Path, rows: usize) -> Result<RecordBatch> {
    let bytes = CheckedFile::open(&shared.vfs, path)?.bytes(&shared.pool)?;
    let batch = decode(&bytes, schema).map_err(|e| e.within(path.display()))?;
    if batch.num_rows() != rows {
        return Err(Error::corrupt(format!(
            "{} holds {} rows, not {rows}",
            path.display(),
            batch.num_rows()
        )));
    }
    Ok(batch)
}

/// Reads a file of one record batch of `schema`, or of how it was before it grew; its columns share `bytes`.
///
/// Arrow's own reader trusts the offsets in a file and panics on bad ones, so only its flatbuffers are used here.
pub fn decode(bytes: &Buffer, schema: &Schema) -> Result<RecordBatch> {
    parse(bytes, schema).map_err(|why| Error::corrupt(format!("it is no Arrow file of the schema: {why}")))
}

fn parse(bytes: &Buffer, schema: &Schema) -> Result<RecordBatch, String> {
    let trailer = bytes.len().checked_sub(TRAILER).ok_or("it is too short")?;
    let trailer_bytes = bytes[trailer..].try_into().map_err(|_| "it is too short")?;
    let footer_length = read_footer_length(trailer_bytes).map_err(|e| e.to_string())?;
    let footer = trailer.checked_sub(footer_length).ok_or("its footer is longer than itself")?;
    let footer = arrow_ipc::root_as_footer(&bytes[footer..trailer]).map_err(|e| e.to_string())?;
    let found = try_fb_to_schema(footer.schema().ok_or("it has no schema")?).map_err(|e| e.to_string())?;
    let columns = found.fields().len();
    if !schema.arrow().fields().starts_with(found.fields()) {
        return Err("its columns are others".into());
    }
    let mut blocks = footer.recordBatches().into_iter().flatten();
    let (Some(block), None) = (blocks.next(), blocks.next()) else {
        return Err("it has not one record batch".into());
    };
    let metadata = part(bytes, block.offset(), block.metaDataLength().into())?;
    let body_start = block.offset().checked_add(block.metaDataLength().into()).ok_or("a length overflows")?;
    let body = part(bytes, body_start, block.bodyLength())?;
    // The message's own length stands before it, after a marker.
    let message = metadata.get(MESSAGE_PREFIX..).ok_or("its message is too short")?;
    let message = arrow_ipc::root_as_message(message).map_err(|e| e.to_string())?;
    let batch = message.header_as_record_batch().ok_or("its message is no record batch")?;
    if batch.compression().is_some() {
        return Err("it is compressed".into());
    }
    let rows = usize::try_from(batch.length()).map_err(|e| e.to_string())?;
    let buffers: Result<Vec<Buffer>, String> =
        batch.buffers().into_iter().flatten().map(|b| part(&body, b.offset(), b.length())).collect();
    let fields = &schema.fields()[..columns];
    raw::assemble_first(schema, columns, rows, stored(fields, buffers?)).map_err(|e| e.message().to_owned())
}

/// The buffers in the order of [`raw::buffers`]: without the validity bitmaps that Arrow keeps a place for before each
/// column that has no nulls, and before the items of lists.
fn stored(fields: &[Field], buffers: Vec<Buffer>) -> Vec<Buffer> {
    let mut buffers = buffers.into_iter();
    let mut kept = Vec::new();
    for field in fields {
        kept.extend(buffers.by_ref().take(1).filter(|_| field.nullable));
        match field.data_type {
            DataType::FloatVector => kept.extend(buffers.by_ref().skip(1).take(1)),
            DataType::Array => {
                kept.extend(buffers.by_ref().take(1));
                kept.extend(buffers.by_ref().skip(1).take(raw::value_buffers(field) - 1));
            }
            _ => kept.extend(buffers.by_ref().take(raw::value_buffers(field))),
        }
    }
    kept
}

fn part(bytes: &Buffer, offset: i64, length: i64) -> Result<Buffer, String> {
    let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
        return Err("a length is negative".into());
    };
    let inside = offset.checked_add(length).is_some_and(|end| end <= bytes.len());
    inside.then(|| bytes.slice_with_length(offset, length)).ok_or_else(|| "a part lies outside of it".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::vectors::Vectors;
    use crate::segment::Rows;
    use crate::segment::rows::tests::{batch, schema, sparse_batch, sparse_schema};
    use arrow_array::Array;

    fn encoded(batch: &RecordBatch) -> Buffer {
        let mut out = Vec::new();
        encode(batch, &mut out).unwrap();
        // As a mapping would be: aligned.
        let mut aligned = arrow_buffer::MutableBuffer::with_capacity(out.len());
        aligned.extend_from_slice(&out);
        aligned.into()
    }

    #[test]
    fn columns_lie_in_the_file_without_a_copy() {
        let written = batch(&(0..1000).collect::<Vec<_>>());
        let bytes = encoded(&written);
        let read = decode(&bytes, &schema()).unwrap();
        assert_eq!(read, written);
        let rows = Rows::new(&schema(), read.clone(), None);
        let file = bytes.as_ptr_range();
        let Vectors::Float(vectors) = rows.vectors() else { panic!() };
        let vectors = vectors.values().as_ptr_range();
        assert!(file.contains(&vectors.start.cast()) && vectors.end.cast() <= file.end);
        assert!((vectors.start as usize).is_multiple_of(64));
        for column in read.columns() {
            for buffer in column.to_data().buffers().iter().filter(|b| !b.is_empty()) {
                assert!(file.contains(&buffer.as_ptr()), "a column of {} was copied", column.data_type());
            }
        }
    }

    #[test]
    fn nulls_arrays_and_later_fields() {
        let (schema, written) = (sparse_schema(), sparse_batch(&(0..100).collect::<Vec<_>>()));
        let bytes = encoded(&written);
        assert_eq!(decode(&bytes, &schema).unwrap(), written);
        let full = sparse_batch(&[1, 2, 4]);
        assert_eq!(decode(&encoded(&full), &schema).unwrap(), full);
        let field = |text: &str| Field::from_json(text).unwrap();
        let grown =
            schema.with_field(field(r#"{"name":"x","data_type":"Int8","default_value":-3}"#)).unwrap();
        let grown = grown.with_field(field(r#"{"name":"y","data_type":"JSON","nullable":true}"#)).unwrap();
        let read = decode(&bytes, &grown).unwrap();
        assert_eq!(read.columns(), written.columns());
        let read = crate::batch::widened(&grown, read).unwrap();
        assert_eq!(decode(&encoded(&read), &grown).unwrap(), read);
        assert!(decode(&encoded(&read), &schema).is_err(), "columns that the schema does not have");
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 0xff;
            let _ = decode(&Buffer::from(changed), &schema);
        }
    }

    #[test]
    fn a_cut_or_changed_file_never_panics() {
        let bytes = encoded(&batch(&[1, 2, 3]));
        for cut in 0..bytes.len() {
            assert!(decode(&Buffer::from(&bytes[..cut]), &schema()).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 0xff;
            let _ = decode(&Buffer::from(changed), &schema());
        }
    }
}
