//! What the write-ahead log records: inserted rows as the buffers of their columns, deletes as lists of keys.
//!
//! A record begins with 16 bytes: its kind (1), zeros, of an insert or an upsert the number of columns (4,
//! little-endian), which are fewer than the schema's fields where fields were added since, and its scope (8): a
//! partition's number, or all ones for every partition. The rows are parts, one a partition: the partition's number and
//! the number of rows (8 bytes each), then each buffer of [`raw::buffers`] behind its length (8 bytes), padded to 8. A
//! delete has the keys, 8 bytes each or text behind its length (4 bytes).
//!
//! Where times are kept, each group of records begins with one that has nothing but the time of its commit, in the place of
//! the scope.

use crate::batch;
use crate::error::{Error, Result};
use crate::schema::{DataType, Schema};
use crate::segment::{Key, raw};
use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_buffer::Buffer;
use std::sync::Arc;

const HEADER: usize = 16;
/// Where the number of columns stands, and where the scope.
const COLUMNS: usize = 4;
const SCOPE: usize = 8;
const ALIGNMENT: usize = 8;
// 1 to 3 were records without partitions.
const INSERT: u8 = 4;
const UPSERT: u8 = 5;
const DELETE_INT: u8 = 6;
const DELETE_TEXT: u8 = 7;
const TIME: u8 = 8;
/// The scope of every partition.
const EVERYWHERE: u64 = u64::MAX;

/// The record of the time at which those that follow were committed.
pub fn time_record(time: u64) -> Vec<u8> {
    let mut record = vec![0; HEADER];
    record[0] = TIME;
    record[SCOPE..].copy_from_slice(&time.to_le_bytes());
    record
}

/// The time in such a record.
pub fn time_in(record: &[u8]) -> Option<u64> {
    let record: &[u8; HEADER] = record.try_into().ok().filter(|record: &&[u8; HEADER]| record[0] == TIME)?;
    record[SCOPE..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// One change of a collection's rows.
pub enum Op {
    Insert(Vec<Part>),
    /// Rows that take the place of those of their keys, in one partition or in all.
    Upsert(Vec<Part>, Option<u64>),
    /// Primary keys (Int64Array or StringArray) whose rows go, in one partition or in all.
    Delete(ArrayRef, Option<u64>),
}

/// Rows of one partition, in the one form of [`crate::batch::canonical`].
pub struct Part {
    pub partition: u64,
    pub rows: RecordBatch,
}

impl Op {
    /// The rows that come in.
    pub fn parts(&self) -> &[Part] {
        match self {
            Op::Insert(parts) | Op::Upsert(parts, _) => parts,
            Op::Delete(..) => &[],
        }
    }

    /// Bytes of the rows that come in.
    pub fn bytes(&self, schema: &Schema) -> u64 {
        self.parts().iter().map(|part| batch::bytes(schema, &part.rows)).sum()
    }

    /// Whether it looks for rows that are there already.
    pub fn removes(&self) -> bool {
        !matches!(self, Op::Insert(_))
    }

    /// The record of this change.
    pub fn encode(&self, schema: &Schema) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        let scope = match self {
            Op::Insert(_) => None,
            Op::Upsert(_, scope) | Op::Delete(_, scope) => *scope,
        };
        out[SCOPE..].copy_from_slice(&scope.unwrap_or(EVERYWHERE).to_le_bytes());
        // The parts of a batch have the same columns.
        let columns = self.parts().first().map_or(0, |part| part.rows.num_columns());
        out[COLUMNS..SCOPE].copy_from_slice(&(columns as u32).to_le_bytes());
        match self {
            Op::Insert(parts) => {
                out[0] = INSERT;
                encode_parts(schema, parts, &mut out);
            }
            Op::Upsert(parts, _) => {
                out[0] = UPSERT;
                encode_parts(schema, parts, &mut out);
            }
            Op::Delete(keys, _) => {
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
        let (header, body) = record.split_first_chunk::<HEADER>().ok_or_else(|| bad("it is too short"))?;
        let (kind, scope) = header.split_at(SCOPE);
        let scope =
            scope.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).filter(|id| *id != EVERYWHERE);
        let text_keys = schema.primary().data_type == DataType::VarChar;
        let keys =
            |keys: Option<ArrayRef>| keys.map(|keys| Op::Delete(keys, scope)).ok_or_else(|| bad("its keys"));
        match kind[0] {
            DELETE_INT if !text_keys => keys(int_keys(body)),
            DELETE_TEXT if text_keys => keys(self::text_keys(body)),
            kind @ (INSERT | UPSERT) => {
                let parts = decode_parts(schema, Buffer::from_vec(record)).map_err(|e| bad(e.message()))?;
                Ok(if kind == INSERT { Op::Insert(parts) } else { Op::Upsert(parts, scope) })
            }
            kind => Err(bad(&format!("its kind is {kind}"))),
        }
    }
}

fn encode_parts(schema: &Schema, parts: &[Part], out: &mut Vec<u8>) {
    for part in parts {
        out.extend_from_slice(&part.partition.to_le_bytes());
        out.extend_from_slice(&(part.rows.num_rows() as u64).to_le_bytes());
        let buffers = raw::buffers(schema, &part.rows);
        out.reserve(buffers.iter().map(|buffer| buffer.len() + 2 * ALIGNMENT).sum());
        for buffer in buffers {
            out.extend_from_slice(&(buffer.len() as u64).to_le_bytes());
            out.extend_from_slice(&buffer);
            out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        }
    }
}

fn decode_parts(schema: &Schema, record: Buffer) -> Result<Vec<Part>> {
    let too_short = || Error::corrupt("it is too short");
    let columns = record.get(COLUMNS..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(too_short)?;
    let columns = u32::from_le_bytes(*columns) as usize;
    let mut at = HEADER;
    let take = |at: &mut usize| -> Result<u64> {
        let bytes = record.get(*at..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(too_short)?;
        *at += bytes.len();
        Ok(u64::from_le_bytes(*bytes))
    };
    let length = |number: u64| usize::try_from(number).map_err(|_| too_short());
    let count = raw::buffer_count(schema, columns);
    let mut parts = Vec::new();
    while at < record.len() || parts.is_empty() {
        let partition = take(&mut at)?;
        let rows = length(take(&mut at)?)?;
        let mut buffers = Vec::with_capacity(count);
        for _ in 0..count {
            let length = length(take(&mut at)?)?;
            let end = at.checked_add(length).filter(|&end| end <= record.len()).ok_or_else(too_short)?;
            buffers.push(record.slice_with_length(at, length));
            at = end.next_multiple_of(ALIGNMENT);
        }
        parts.push(Part { partition, rows: raw::assemble(schema, columns, rows, buffers)? });
    }
    if at == record.len() { Ok(parts) } else { Err(too_short()) }
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

    fn parts() -> Vec<Part> {
        let part = |partition: u64, ids: Vec<i64>| {
            let vectors: Vec<u8> = (0..ids.len() as u8).collect();
            let keys: ArrayRef = Arc::new(Int64Array::from(ids));
            let vectors: ArrayRef = Arc::new(FixedSizeBinaryArray::new(1, vectors.into(), None));
            let rows = RecordBatch::try_new(schema("Int64").arrow().clone(), vec![keys, vectors]).unwrap();
            Part { partition, rows }
        };
        vec![part(7, vec![5, 6]), part(u64::MAX - 1, vec![9])]
    }

    fn check(again: &Op) {
        assert_eq!(again.parts().len(), parts().len());
        for (again, part) in again.parts().iter().zip(parts()) {
            assert_eq!((again.partition, &again.rows), (part.partition, &part.rows));
        }
    }

    #[test]
    fn records_come_back() {
        let (int, text) = (schema("Int64"), schema("VarChar"));
        let again = |op: Op| Op::decode(&int, op.encode(&int)).unwrap();
        let inserted = again(Op::Insert(parts()));
        assert!(matches!(inserted, Op::Insert(_)) && !inserted.removes());
        check(&inserted);
        for scope in [None, Some(0), Some(3)] {
            let upserted = again(Op::Upsert(parts(), scope));
            assert!(matches!(upserted, Op::Upsert(_, found) if found == scope) && upserted.removes());
            check(&upserted);
            let lists: [(&Schema, &Schema, ArrayRef); 2] = [
                (&int, &text, Arc::new(Int64Array::from(vec![i64::MIN, 0, 7]))),
                (&text, &int, Arc::new(StringArray::from(vec!["", "é", "long one"]))),
            ];
            for (schema, other, keys) in lists {
                let record = Op::Delete(keys.clone(), scope).encode(schema);
                let Op::Delete(again, found) = Op::decode(schema, record.clone()).unwrap() else { panic!() };
                assert_eq!((&again, found), (&keys, scope));
                assert!(Op::decode(other, record).is_err());
            }
        }
    }

    #[test]
    fn times_come_back() {
        assert_eq!(time_in(&time_record(u64::MAX - 7)), Some(u64::MAX - 7));
        assert!(
            time_in(&Op::Delete(Arc::new(Int64Array::from(vec![0; 0])), None).encode(&schema("Int64")))
                .is_none()
        );
        let longer = [time_record(1), vec![0]].concat();
        assert!(time_in(&longer).is_none() && Op::decode(&schema("Int64"), longer).is_err());
    }

    #[test]
    fn records_of_before_a_field_was_added() {
        let before = schema("Int64");
        let field =
            crate::schema::Field::from_json(r#"{"name":"x","data_type":"Int8","nullable":true}"#).unwrap();
        let after = before.with_field(field).unwrap();
        // Whether the schema has grown when a record is written does not matter: the rows have not.
        for written in [Op::Insert(parts()).encode(&before), Op::Insert(parts()).encode(&after)] {
            let Op::Insert(parts) = Op::decode(&after, written).unwrap() else { panic!() };
            assert_eq!((parts[0].rows.num_columns(), parts[0].rows.column(2).null_count()), (3, 2));
            let later = Op::Insert(parts).encode(&after);
            assert!(Op::decode(&after, later.clone()).is_ok());
            assert!(Op::decode(&before, later).is_err(), "a schema that lacks a column");
        }
    }

    #[test]
    fn bad_records_are_errors() {
        let good = Op::Insert(parts()).encode(&schema("Int64"));
        let part = Op::Insert(parts().drain(..1).collect()).encode(&schema("Int64")).len();
        for cut in (0..good.len()).filter(|cut| *cut != part) {
            assert!(Op::decode(&schema("Int64"), good[..cut].to_vec()).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 0x5a;
            let _ = Op::decode(&schema("Int64"), changed);
        }
        let mut text = Op::Delete(Arc::new(StringArray::from(vec!["abc"])), None).encode(&schema("VarChar"));
        text[HEADER] = 0xff;
        assert!(Op::decode(&schema("VarChar"), text).is_err());
        assert!(Op::decode(&schema("VarChar"), vec![9; 20]).is_err());
        assert!(Op::decode(&schema("Int64"), vec![1; 64]).is_err(), "a kind of before partitions");
    }
}
