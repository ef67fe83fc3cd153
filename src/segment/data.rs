//! The rows of a sealed segment as one file: an Arrow IPC file of one record batch, its buffers at multiples of 64
//! bytes, so that any Arrow tool opens it and we map it without a copy.

use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::segment::Shared;
use crate::storage::checked::{CheckedFile, CheckedWriter};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::MetadataVersion;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::ArrowError;
use std::path::Path;
use std::sync::Arc;

const ALIGNMENT: usize = 64;
/// The length of the footer and the closing magic.
const TRAILER: usize = 10;

/// Writes `batch` to `path` (the caller syncs the directory).
pub fn write(shared: &Shared, batch: &RecordBatch, path: &Path) -> Result<()> {
    let mut file = CheckedWriter::create(&shared.vfs, path)?;
    encode(batch, &mut file).map_err(|error| {
        let what = format!("cannot write {}", path.display());
        match error {
            ArrowError::IoError(_, cause) => Error::io(what, cause),
            other => Error::internal(format!("{what}: {other}")),
        }
    })?;
    file.finish()
}

fn encode(batch: &RecordBatch, out: impl std::io::Write) -> Result<(), ArrowError> {
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?;
    let mut writer = FileWriter::try_new_with_options(out, batch.schema_ref(), options)?;
    writer.write(batch)?;
    writer.finish()
}

/// Maps the rows of `path`, verified.
pub fn read(shared: &Shared, schema: &Schema, path: &Path, rows: usize) -> Result<RecordBatch> {
    let bytes = CheckedFile::open(&shared.vfs, path)?.bytes(&shared.pool)?;
    let batch =
        decode(&bytes).map_err(|e| Error::corrupt(format!("{} is no Arrow file: {e}", path.display())))?;
    if batch.schema_ref().fields() != schema.arrow().fields() || batch.num_rows() != rows {
        return Err(Error::corrupt(format!("{} does not hold {rows} rows of its schema", path.display())));
    }
    Ok(batch)
}

/// Reads a file of one record batch; its columns share `bytes`.
pub fn decode(bytes: &Buffer) -> Result<RecordBatch, String> {
    let trailer = bytes.len().checked_sub(TRAILER).ok_or("it is too short")?;
    let trailer_bytes = bytes[trailer..].try_into().map_err(|_| "it is too short")?;
    let footer_length = read_footer_length(trailer_bytes).map_err(|e| e.to_string())?;
    let footer = trailer.checked_sub(footer_length).ok_or("its footer is longer than itself")?;
    let footer = arrow_ipc::root_as_footer(&bytes[footer..trailer]).map_err(|e| e.to_string())?;
    let schema = footer.schema().ok_or("it has no schema")?;
    let mut blocks = footer.recordBatches().into_iter().flatten();
    let (Some(block), None) = (blocks.next(), blocks.next()) else {
        return Err("it has not one record batch".into());
    };
    let lengths = (u64::try_from(block.metaDataLength()), u64::try_from(block.bodyLength()));
    let (Ok(metadata), Ok(body), Ok(offset)) = (lengths.0, lengths.1, u64::try_from(block.offset())) else {
        return Err("a length is negative".into());
    };
    let end = metadata.checked_add(body).and_then(|length| length.checked_add(offset));
    let end = end.filter(|&end| end <= bytes.len() as u64).ok_or("a block lies outside")?;
    let data = bytes.slice_with_length(offset as usize, (end - offset) as usize);
    let decoder =
        FileDecoder::new(Arc::new(try_fb_to_schema(schema).map_err(|e| e.to_string())?), footer.version())
            .with_require_alignment(true);
    let batch = decoder.read_record_batch(block, &data).map_err(|e| e.to_string())?;
    batch.ok_or_else(|| "its record batch is none".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Rows;
    use crate::segment::rows::tests::{batch, schema};
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
        let read = decode(&bytes).unwrap();
        assert_eq!(read, written);
        let rows = Rows::new(&schema(), read.clone(), None);
        let file = bytes.as_ptr_range();
        let vectors = rows.vectors().unwrap().values().as_ptr_range();
        assert!(file.contains(&vectors.start.cast()) && vectors.end.cast() <= file.end);
        assert!((vectors.start as usize).is_multiple_of(64));
        for column in read.columns() {
            for buffer in column.to_data().buffers().iter().filter(|b| !b.is_empty()) {
                assert!(file.contains(&buffer.as_ptr()), "a column of {} was copied", column.data_type());
            }
        }
    }

    #[test]
    fn a_cut_or_changed_file_never_panics() {
        let bytes = encoded(&batch(&[1, 2, 3]));
        for cut in 0..bytes.len() {
            assert!(decode(&Buffer::from(&bytes[..cut])).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 0xff;
            let _ = decode(&Buffer::from(changed));
        }
    }
}
