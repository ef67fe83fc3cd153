//! What a Parquet file claims about itself, compared with its length before the reader of `parquet` allocates by it:
//! the number of columns, each page's size, and how many values there are.

use super::thrift::{Thrift, Value};
use crate::error::{Error, Result};
use crate::exchange::file::SourceFile;
use ::parquet::basic::{Compression, Type};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// The closing magic, and the length of the footer before it.
const TRAILER: usize = 8;
/// Elements of a schema: a collection's fields take at most three each.
const MAX_ELEMENTS: u64 = 1024;
/// Kinds of pages.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;
/// A page's header: fetched at first, and at most.
const HEADER: usize = 1 << 10;
const MAX_HEADER: usize = 1 << 20;
/// SNAPPY makes no more than this of a byte.
const MOST_EXPANSION: i64 = 32;
/// Values that a column of a row group may have however short it is, and for each of its bytes.
const FREE_VALUES: u64 = 1 << 24;
const VALUES_A_BYTE: u64 = 64;

/// Looks at the footer, before it is decoded: a schema may be nested as deep as it has elements.
pub fn check_footer(file: &SourceFile) -> Result<()> {
    let bad = |why: &str| Error::invalid(format!("it is no Parquet file: {why}"));
    let start = file.len().checked_sub(TRAILER as u64).ok_or_else(|| bad("it is too short"))?;
    let trailer = file.part(start, TRAILER).map_err(|e| file.failed(e))?;
    match &trailer[4..] {
        b"PAR1" => {}
        b"PARE" => return Err(bad("it is encrypted")),
        _ => return Err(bad("it does not end in PAR1")),
    }
    let length = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
    let start = start.checked_sub(length.into()).ok_or_else(|| bad("its footer is longer than itself"))?;
    let footer = file.part(start, length as usize).map_err(|e| file.failed(e))?;
    let fields = Thrift::new(&footer, 0).fields().unwrap_or_default();
    let elements = fields.iter().filter_map(|&(id, value)| match value {
        Value::List(length) if id == 2 => Some(length),
        _ => None,
    });
    match elements.max() {
        Some(1..=MAX_ELEMENTS) => Ok(()),
        Some(elements) => {
            Err(bad(&format!("its schema has {elements} elements, should have 1 ~ {MAX_ELEMENTS}")))
        }
        None => Err(bad("its footer cannot be read")),
    }
}

/// Looks at the header of every page. Gives the most bytes of a dictionary for each column: one value may be as long,
/// and may stand in every row.
pub fn check_pages(file: &SourceFile, metadata: &ParquetMetaData) -> Result<Vec<u64>> {
    let mut dictionaries = vec![0; metadata.file_metadata().schema_descr().num_columns()];
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).ok();
        let rows =
            rows.ok_or_else(|| Error::invalid(format!("row group {number} has {} rows", group.num_rows())))?;
        for (column, largest) in group.columns().iter().zip(&mut dictionaries) {
            let name = column.column_path().parts().first().map_or("", String::as_str);
            let within = |error: Error| error.within(format!("column {name} of row group {number}"));
            let dictionary = check_chunk(file, column, rows).map_err(within)?;
            *largest = dictionary.max(*largest);
        }
    }
    Ok(dictionaries)
}

fn check_chunk(file: &SourceFile, column: &ColumnChunkMetaData, rows: u64) -> Result<u64> {
    let snappy = match column.compression() {
        Compression::UNCOMPRESSED => false,
        Compression::SNAPPY => true,
        other => {
            return Err(Error::invalid(format!(
                "it is compressed with {other}; this version reads files that are not compressed, or with SNAPPY"
            )));
        }
    };
    let (mut at, length) = column.byte_range();
    let claimed = u64::try_from(column.num_values()).unwrap_or(u64::MAX);
    let most = FREE_VALUES.saturating_add(length.saturating_mul(VALUES_A_BYTE));
    if claimed > most || rows > claimed {
        return Err(Error::invalid(format!("{claimed} values of {rows} rows in {length} bytes cannot be")));
    }
    let end = at.checked_add(length).filter(|&end| end <= file.len());
    let end = end.ok_or_else(|| Error::invalid("it lies beyond the end of the file"))?;
    let (mut values, mut dictionary) = (0u64, 0);
    while at < end && values < claimed {
        let page = Page::read(file, at).ok_or_else(|| Error::invalid(format!("no page at byte {at}")))?;
        let bound = page.compressed.saturating_mul(if snappy { MOST_EXPANSION } else { 1 });
        if page.size > bound {
            let (size, compressed) = (page.size, page.compressed);
            return Err(Error::invalid(format!(
                "a page of {compressed} bytes that holds {size} cannot be, at byte {at}"
            )));
        }
        if page.is_dictionary {
            if page.values.saturating_mul(least_bytes(column)) > page.size as u64 {
                let (size, values) = (page.size, page.values);
                return Err(Error::invalid(format!(
                    "a dictionary of {values} values in {size} bytes cannot be"
                )));
            }
            dictionary = dictionary.max(page.size as u64);
        } else {
            values = values.saturating_add(page.values);
        }
        at = at.saturating_add(page.header as u64).saturating_add(page.compressed as u64);
        if at > end {
            return Err(Error::invalid("a page reaches beyond its column"));
        }
    }
    if values != claimed {
        return Err(Error::invalid(format!("its pages have {values} values, not {claimed}")));
    }
    Ok(dictionary)
}

/// Bytes that a value of a dictionary takes at least.
fn least_bytes(column: &ColumnChunkMetaData) -> u64 {
    match column.column_type() {
        Type::BOOLEAN => 1,
        // Of texts the length.
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(column.column_descr().type_length()).unwrap_or(1).max(1),
    }
}

/// What the header of a page says.
struct Page {
    /// Bytes of the header.
    header: usize,
    is_dictionary: bool,
    /// Bytes of the page, as it is and when it is decompressed.
    compressed: i64,
    size: i64,
    values: u64,
}

impl Page {
    fn read(file: &SourceFile, at: u64) -> Option<Page> {
        let parse = |length| Page::parse(&file.up_to(at, length).ok()?);
        parse(HEADER).or_else(|| parse(MAX_HEADER))
    }

    /// The structure `PageHeader` of Parquet's format, which names the kind, and has one header of that kind inside, which
    /// begins with the number of values. Of a field that is there twice the reader takes the last.
    fn parse(bytes: &[u8]) -> Option<Page> {
        let mut thrift = Thrift::new(bytes, 0);
        let fields = thrift.fields()?;
        let header = thrift.at;
        let (kind, size, compressed) = (int(&fields, 1)?, int(&fields, 2)?, int(&fields, 3)?);
        let own = match kind {
            DATA => 5,
            DICTIONARY => 7,
            DATA_V2 => 8,
            _ => return None,
        };
        let start = fields.iter().rev().find_map(|&(id, value)| match value {
            Value::Struct(start) if id == own => Some(start),
            _ => None,
        });
        let values = int(&Thrift::new(bytes, start?).fields()?, 1)?;
        let values = u64::try_from(values).ok()?;
        let is_dictionary = kind == DICTIONARY;
        (size >= 0 && compressed >= 0).then_some(Page { header, is_dictionary, compressed, size, values })
    }
}

fn int(fields: &[(i64, Value)], id: i64) -> Option<i64> {
    fields.iter().rev().find_map(|&(at, value)| match value {
        Value::Int(value) if at == id => Some(value),
        _ => None,
    })
}
