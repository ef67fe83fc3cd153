//! What the write-ahead log records: inserted rows as the buffers of their columns, deletes as lists of keys.
//!
//! A record begins with 8 bytes: its kind (1), zeros, and of an insert the number of columns (4, little-endian), which are
//! fewer than the schema's fields where fields were added since. Its body: of an insert the number of rows (8 bytes), then
//! each buffer of [`raw::buffers`] behind its length (8 bytes), padded to 8; of a delete the keys, 8 bytes each or text
//! behind its length (4 bytes).

use crate::error::{Error, Result};
use crate::schema::{DataType, Schema};
use crate::segment::{Key, raw};
use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_buffer::Buffer;
use std::sync::Arc;

const HEADER: usize = 8;
/// Where the number of columns stands.
const COLUMNS: usize = 4;
const ALIGNMENT: usize = 8;
const INSERT: u8 = 1;
const DELETE_INT: u8 = 2;
const DELETE_TEXT: u8 = 3;

/// One change of a collection's rows.
pub enum Op {
    /// Rows in the one form of [`crate::batch::canonical`].
    Insert(RecordBatch),
    /// Primary keys (Int64Array or StringArray).
    Delete(ArrayRef),
}

impl Op {
    /// The record of this change.
    pub fn encode(&self, schema: &Schema) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        match self {
            Op::Insert(rows) => {
                out[0] = INSERT;
                out[COLUMNS..HEADER].copy_from_slice(&(rows.num_columns() as u32).to_le_bytes());
                out.extend_from_slice(&(rows.num_rows() as u64).to_le_bytes());
                let buffers = raw::buffers(schema, rows);
                out.reserve_exact(buffers.iter().map(|buffer| buffer.len() + 2 * ALIGNMENT).sum());
                for buffer in buffers {
                    out.extend_from_slice(&(buffer.len() as u64).to_le_bytes());
                    out.extend_from_slice(&buffer);
                    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
                }
            }
            Op::Delete(keys) => {
                for row in 0..keys.len() {
                    match Key::at(keys, row) {
                        Key::Int(key) => {
                            out[0] = DELETE_INT;
                            out.extend_from_slice(&key.to_le_bytes());
                        }
                        Key::Text(key) => {
                            out[0] = DELETE_TEXT;
                            out.extend_from_slice(&(key.len() as u32).to_le_bytes());
                            out.extend_from_slice(key.as_bytes());
                        }
                    }
                }
            }
        }
        out
    }

    /// Reads a record of a collection of `schema`.
    pub fn decode(schema: &Schema, record: Vec<u8>) -> Result<Op> {
        let bad =
            |why: &str| Error::corrupt(format!("a record of the write-ahead log cannot be read: {why}"));
        let header = record.get(..HEADER).ok_or_else(|| bad("it is too short"))?;
        let text_keys = schema.primary().data_type == DataType::VarChar;
        match header[0] {
            INSERT => rows(schema, Buffer::from_vec(record)).map(Op::Insert).map_err(|e| bad(e.message())),
            DELETE_INT if !text_keys => {
                int_keys(&record[HEADER..]).map(Op::Delete).ok_or_else(|| bad("its keys"))
            }
            DELETE_TEXT if text_keys => {
                self::text_keys(&record[HEADER..]).map(Op::Delete).ok_or_else(|| bad("its keys"))
            }
            kind => Err(bad(&format!("its kind is {kind}"))),
        }
    }
}

fn rows(schema: &Schema, record: Buffer) -> Result<RecordBatch> {
    let too_short = || Error::corrupt("it is too short");
    let columns = record.get(COLUMNS..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(too_short)?;
    let columns = u32::from_le_bytes(*columns) as usize;
    let mut at = HEADER;
    let take_length = |at: &mut usize| -> Result<usize> {
        let bytes = record.get(*at..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(too_short)?;
        *at += bytes.len();
        usize::try_from(u64::from_le_bytes(*bytes)).map_err(|_| too_short())
    };
    let rows = take_length(&mut at)?;
    let count = raw::buffer_count(schema, columns);
    let mut buffers = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_length(&mut at)?;
        let end = at.checked_add(length).filter(|&end| end <= record.len()).ok_or_else(too_short)?;
        buffers.push(record.slice_with_length(at, length));
        at = end.next_multiple_of(ALIGNMENT);
    }
    raw::assemble(schema, columns, rows, buffers)
}

fn int_keys(bytes: &[u8]) -> Option<ArrayRef> {
    let (keys, rest) = bytes.as_chunks::<8>();
    let keys = Int64Array::from_iter_values(keys.iter().map(|key| i64::from_le_bytes(*key)));
    rest.is_empty().then(|| Arc::new(keys) as ArrayRef)
}

fn text_keys(mut bytes: &[u8]) -> Option<ArrayRef> {
    let mut keys = StringBuilder::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        keys.append_value(std::str::from_utf8(key).ok()?);
        bytes = rest;
    }
    Some(Arc::new(keys.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{FixedSizeBinaryArray, StringArray};

    fn schema(key: &str) -> Schema {
        Schema::from_json(&format!(
            r#"{{"fields":[{{"name":"k","data_type":"{key}","max_length":9,"is_primary":true}},
            {{"name":"v","data_type":"BinaryVector","dim":8}}]}}"#
        ))
        .unwrap()
    }

    fn insert() -> Op {
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![5, 6]));
        let vectors: ArrayRef = Arc::new(FixedSizeBinaryArray::new(1, vec![1u8, 2].into(), None));
        Op::Insert(RecordBatch::try_new(schema("Int64").arrow().clone(), vec![keys, vectors]).unwrap())
    }

    #[test]
    fn records_come_back() {
        let Op::Insert(expected) = insert() else { panic!() };
        let Op::Insert(rows) = Op::decode(&schema("Int64"), insert().encode(&schema("Int64"))).unwrap()
        else {
            panic!()
        };
        assert_eq!(rows, expected);
        let lists: [(&str, ArrayRef); 2] = [
            ("Int64", Arc::new(Int64Array::from(vec![i64::MIN, 0, 7]))),
            ("VarChar", Arc::new(StringArray::from(vec!["", "é", "long one"]))),
        ];
        for (key, keys) in lists {
            let record = Op::Delete(keys.clone()).encode(&schema(key));
            let Op::Delete(again) = Op::decode(&schema(key), record.clone()).unwrap() else { panic!() };
            assert_eq!(&again, &keys);
            let other = if key == "Int64" { "VarChar" } else { "Int64" };
            assert!(Op::decode(&schema(other), record).is_err());
        }
    }

    #[test]
    fn records_of_before_a_field_was_added() {
        let before = schema("Int64");
        let field =
            crate::schema::Field::from_json(r#"{"name":"x","data_type":"Int8","nullable":true}"#).unwrap();
        let after = before.with_field(field).unwrap();
        // Whether the schema has grown when a record is written does not matter: the rows have not.
        for written in [insert().encode(&before), insert().encode(&after)] {
            let Op::Insert(rows) = Op::decode(&after, written).unwrap() else { panic!() };
            assert_eq!((rows.num_columns(), rows.column(2).null_count()), (3, 2));
            let later = Op::Insert(rows).encode(&after);
            assert!(Op::decode(&after, later.clone()).is_ok());
            assert!(Op::decode(&before, later).is_err(), "a schema that lacks a column");
        }
    }

    #[test]
    fn bad_records_are_errors() {
        let good = insert().encode(&schema("Int64"));
        for cut in 0..good.len() - ALIGNMENT {
            assert!(Op::decode(&schema("Int64"), good[..cut].to_vec()).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 0x5a;
            let _ = Op::decode(&schema("Int64"), changed);
        }
        let mut text = Op::Delete(Arc::new(StringArray::from(vec!["abc"]))).encode(&schema("VarChar"));
        text[HEADER] = 0xff;
        assert!(Op::decode(&schema("VarChar"), text).is_err());
        assert!(Op::decode(&schema("VarChar"), vec![9; 20]).is_err());
    }
}
