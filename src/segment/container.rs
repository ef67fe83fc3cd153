//! A file of named sections: a magic, the sections at multiples of 64 bytes, a table of them, its length, the magic.
//!
//! The table is JSON: `{"spec":{...},"rows":n,"sections":[["name",offset,length],...]}`.

use crate::error::{Code, Error, Result};
use crate::index::sections::{SectionWriter, Sections};
use crate::segment::Shared;
use crate::storage::checked::CheckedWriter;
use arrow_buffer::Buffer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"ELANIDX1";
const ALIGNMENT: u64 = 64;
/// The table's length and the magic.
const TRAILER: usize = 16;

#[derive(Serialize, Deserialize)]
struct Table {
    spec: Value,
    rows: u64,
    sections: Vec<(String, u64, u64)>,
}

/// Writes a container.
pub struct ContainerWriter {
    file: CheckedWriter,
    path: PathBuf,
    table: Table,
}

impl ContainerWriter {
    /// Starts the file of an index of `spec` over `rows` rows.
    pub fn create(shared: &Shared, path: &Path, spec: Value, rows: u64) -> Result<ContainerWriter> {
        let file = CheckedWriter::create(&shared.vfs, path)?;
        let table = Table { spec, rows, sections: Vec::new() };
        let mut writer = ContainerWriter { file, path: path.to_owned(), table };
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
}

/// The sections of a container that must be of the index type of `spec`, over `rows` rows; they share `bytes`.
pub fn read(bytes: &Buffer, spec: &Value, rows: u64) -> Result<Sections> {
    let table = table(bytes).ok_or_else(|| Error::corrupt("it is no index file"))?;
    if table.spec["index_type"] != spec["index_type"] || table.rows != rows {
        return Err(Error::new(
            Code::Corrupt,
            format!("it is an index of {} rows, not of {rows}", table.rows),
        ));
    }
    let mut sections = Sections::default();
    for (name, offset, length) in &table.sections {
        let inside = offset.checked_add(*length).is_some_and(|end| end <= bytes.len() as u64);
        if !inside || !offset.is_multiple_of(ALIGNMENT) {
            return Err(Error::corrupt(format!("its section {name} lies outside of it")));
        }
        sections.insert(name, bytes.slice_with_length(*offset as usize, *length as usize));
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

    #[test]
    fn sections_share_the_file() {
        let bytes = file(r#"[["s",64,5],["none",128,0]]"#);
        let sections = read(&bytes, &json!({"index_type": "A", "params": {}}), 3).unwrap();
        let section = sections.bytes("s").unwrap();
        assert_eq!(section.as_slice(), b"hello");
        assert_eq!(section.as_ptr(), bytes[64..].as_ptr());
        assert!(sections.bytes("none").unwrap().is_empty());
        assert!(read(&bytes, &json!({"index_type": "B"}), 3).is_err());
        assert!(read(&bytes, &json!({"index_type": "A", "params": {}}), 4).is_err());
    }

    #[test]
    fn bad_files_are_errors() {
        let spec = json!({"index_type": "A"});
        let fails = |bytes: &Buffer| read(bytes, &spec, 3).is_err_and(|e| e.code() == Code::Corrupt);
        assert!(fails(&file(r#"[["s",64,500]]"#)));
        assert!(fails(&file(r#"[["s",18446744073709551615,5]]"#)));
        assert!(fails(&file(r#"[["s",1,5]]"#)));
        assert!(fails(&file("3")));
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
