//! A file of named sections: a magic, the sections at multiples of 64 bytes, a table of them, its length, the magic.
//!
//! The table is JSON: `{"spec":{...},"rows":n,"sections":[["name",offset,length],...]}`. An index that reads blocks while
//! it is searched has them in a file beside, `NAME.blocks`; the table then says `"blocks":["name",count,salt]`, where the
//! salt, which follows from all that was written before, tells its blocks from those of another index.

use crate::error::{Error, Result};
use crate::index::sections::{SectionWriter, Sections};
use crate::segment::Shared;
use crate::storage::blocks::{self, Blocks, BlocksWriter};
use crate::storage::checked::CheckedWriter;
use crate::storage::vfs::Vfs;
use arrow_buffer::Buffer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"ELANIDX1";
const ALIGNMENT: u64 = 64;
/// The table's length and the magic.
const TRAILER: usize = 16;

#[derive(Serialize, Deserialize)]
struct Table {
    spec: Value,
    rows: u64,
    sections: Vec<(String, u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocks: Option<(String, u64, u32)>,
}

/// Writes a container.
pub struct ContainerWriter {
    vfs: Arc<dyn Vfs>,
    file: CheckedWriter,
    /// Of all bytes written.
    checksum: u32,
    path: PathBuf,
    table: Table,
}

impl ContainerWriter {
    /// Starts the file of an index of `spec` over `rows` rows.
    pub fn create(shared: &Shared, path: &Path, spec: Value, rows: u64) -> Result<ContainerWriter> {
        let file = CheckedWriter::create(&shared.vfs, path)?;
        let table = Table { spec, rows, sections: Vec::new(), blocks: None };
        let vfs = shared.vfs.clone();
        let mut writer = ContainerWriter { vfs, file, checksum: 0, path: path.to_owned(), table };
        writer.write(MAGIC)?;
        Ok(writer)
    }

    /// Writes the table and makes the file durable (the caller syncs the directory).
    pub fn finish(mut self) -> Result<()> {
        let table = serde_json::to_vec(&self.table)
            .map_err(|e| Error::internal(format!("table of sections: {e}")))?;
        self.align()?;
        self.write(&table)?;
        self.write(&(table.len() as u64).to_le_bytes())?;
        self.write(MAGIC)?;
        self.file.finish()
    }

    fn align(&mut self) -> Result<()> {
        let missing = self.file.position().next_multiple_of(ALIGNMENT) - self.file.position();
        self.write(&[0; ALIGNMENT as usize][..missing as usize])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        self.file.write_all(bytes).map_err(|e| Error::io(format!("cannot write {}", self.path.display()), e))
    }
}

impl SectionWriter for ContainerWriter {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.align()?;
        let entry = (name.to_owned(), self.file.position(), bytes.len() as u64);
        self.table.sections.push(entry);
        self.write(bytes)
    }

    fn blocks(
        &mut self,
        name: &str,
        count: u64,
        fill: &mut dyn FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        if self.table.blocks.is_some() {
            return Err(Error::internal(format!("section {name} of blocks is the second one")));
        }
        let mut file = BlocksWriter::create(&self.vfs, &blocks::beside(&self.path), self.checksum)?;
        for number in 0..count {
            file.push(|payload| fill(number, payload))?;
        }
        file.finish()?;
        self.table.blocks = Some((name.to_owned(), count, self.checksum));
        Ok(())
    }
}

/// The sections of the container at `path` that must be of the index type of `spec`, over `rows` rows; they share its
/// `bytes`.
pub fn read(vfs: &Arc<dyn Vfs>, path: &Path, bytes: &Buffer, spec: &Value, rows: u64) -> Result<Sections> {
    let table = table(bytes).ok_or_else(|| Error::corrupt("it is no index file"))?;
    if table.spec["index_type"] != spec["index_type"] || table.rows != rows {
        return Err(Error::corrupt(format!(
            "it is an index of type {} over {} rows, not of {} over {rows}",
            table.spec["index_type"], table.rows, spec["index_type"]
        )));
    }
    let mut sections = Sections::default();
    for (name, offset, length) in &table.sections {
        let inside = offset.checked_add(*length).is_some_and(|end| end <= bytes.len() as u64);
        if !inside || !offset.is_multiple_of(ALIGNMENT) {
            return Err(Error::corrupt(format!("its section {name} lies outside of it")));
        }
        sections.insert(name, bytes.slice_with_length(*offset as usize, *length as usize));
    }
    if let Some((name, count, salt)) = &table.blocks {
        let reader = Blocks::open(vfs, &blocks::beside(path), *salt, *count)?;
        sections.insert_reader(name, Arc::new(reader));
    }
    Ok(sections)
}

fn table(bytes: &Buffer) -> Option<Table> {
    let trailer = bytes.len().checked_sub(TRAILER)?;
    if !bytes.starts_with(MAGIC) || !bytes.ends_with(MAGIC) {
        return None;
    }
    let length = u64::from_le_bytes(bytes[trailer..trailer + 8].try_into().ok()?);
    let start = trailer.checked_sub(usize::try_from(length).ok()?)?;
    serde_json::from_slice(&bytes[start..trailer]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::storage::fault::FaultDisk;
    use serde_json::json;

    fn file(sections: &str) -> Buffer {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(64, 0);
        bytes.extend_from_slice(b"hello");
        bytes.resize(128, 0);
        let table = format!(r#"{{"spec":{{"index_type":"A"}},"rows":3,"sections":{sections}}}"#);
        bytes.extend_from_slice(table.as_bytes());
        bytes.extend_from_slice(&(table.len() as u64).to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        bytes.into()
    }

    fn read_file(bytes: &Buffer, spec: &Value, rows: u64) -> Result<Sections> {
        let vfs: Arc<dyn Vfs> = Arc::new(FaultDisk::new());
        read(&vfs, Path::new("/f"), bytes, spec, rows)
    }

    #[test]
    fn sections_share_the_file() {
        let bytes = file(r#"[["s",64,5],["none",128,0]]"#);
        let sections = read_file(&bytes, &json!({"index_type": "A", "params": {}}), 3).unwrap();
        let section = sections.bytes("s").unwrap();
        assert_eq!(section.as_slice(), b"hello");
        assert_eq!(section.as_ptr(), bytes[64..].as_ptr());
        assert!(sections.bytes("none").unwrap().is_empty());
        assert!(read_file(&bytes, &json!({"index_type": "B"}), 3).is_err());
        assert!(read_file(&bytes, &json!({"index_type": "A", "params": {}}), 4).is_err());
    }

    #[test]
    fn bad_files_are_errors() {
        let spec = json!({"index_type": "A"});
        let fails = |bytes: &Buffer| read_file(bytes, &spec, 3).is_err_and(|e| e.code() == Code::Corrupt);
        assert!(fails(&file(r#"[["s",64,500]]"#)));
        assert!(fails(&file(r#"[["s",18446744073709551615,5]]"#)));
        assert!(fails(&file(r#"[["s",1,5]]"#)));
        assert!(fails(&file("3")));
        // Blocks that are not there.
        assert!(fails(&file(r#"[],"blocks":["b",1,0]"#)));
        let good = file("[]");
        for cut in 0..good.len() {
            assert!(fails(&Buffer::from(&good[..cut])), "{cut}");
        }
        let mut long = good.to_vec();
        let at = long.len() - TRAILER;
        long[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(fails(&long.into()));
    }
}
