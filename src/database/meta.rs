//! What the manifest says: the collections, their segments and indexes, and where their logs begin.

use crate::error::{Code, Error, Result};
use crate::schema::{DEFAULT_PARTITION, MAX_PARTITIONS, Schema};
use crate::segment::{History, Live};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The newest format of this version: 2 has partitions and aliases.
const FORMAT: u32 = 2;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Meta {
    format: u32,
    /// Numbers of collections, segments, index definitions and files: never used twice.
    pub next_id: u64,
    pub collections: Vec<CollectionMeta>,
    /// Other names of collections, and their numbers.
    #[serde(default)]
    pub aliases: BTreeMap<String, u64>,
    /// For how many seconds earlier states stay searchable; 0: not at all, and no times are kept.
    #[serde(default)]
    pub retention: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectionMeta {
    pub id: u64,
    pub name: String,
    pub schema: Value,
    pub indexes: Vec<IndexMeta>,
    pub segments: Vec<SegmentMeta>,
    /// The first log file that the segments do not hold.
    pub wal_first: u64,
    /// The log has all records before this number: a shorter one has lost its end.
    pub wal_sequence: u64,
    pub next_auto_id: i64,
    /// Whether partitions that are created come in released.
    pub released: bool,
    #[serde(default)]
    pub compaction: CompactionMeta,
    #[serde(default = "PartitionMeta::only_default")]
    pub partitions: Vec<PartitionMeta>,
    /// The time of a commit than which the log alone may have later ones.
    #[serde(default)]
    pub time: u64,
    /// The earliest time whose state can still be told.
    #[serde(default)]
    pub floor: u64,
}

/// A partition. Those of a partition key have the numbers from 0 on, and the default partition has 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionMeta {
    pub id: u64,
    pub name: String,
    pub released: bool,
}

/// What compactions have done since the collection was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompactionMeta {
    /// Groups of segments that were compacted.
    pub completed: u64,
    /// The segments in them.
    pub segments: u64,
    /// Dead rows that were left out.
    pub dropped_rows: u64,
    /// Bytes of the files of rows that were read, and of the files of rows and indexes that were written.
    pub bytes_read: u64,
    pub bytes_written: u64,
}

/// The definition of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexMeta {
    pub id: u64,
    pub name: String,
    pub field: String,
    pub spec: Value,
    /// What is said about `mmap.enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmap: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentMeta {
    pub id: u64,
    /// The partition that all of its rows are in.
    #[serde(default)]
    pub partition: u64,
    pub rows: u64,
    pub dead: u64,
    /// The generation of its file of live rows; 0 where all are live.
    pub deletes: u64,
    /// Deletes that were logged before this number are older than its rows, and do not concern them: those of an import,
    /// which no log holds.
    #[serde(default)]
    pub since: u64,
    /// The generation of its file of the times of its rows; 0 where none are kept.
    #[serde(default)]
    pub history: u64,
    pub indexes: Vec<IndexFileMeta>,
}

/// A built index: of which definition, and the number of its file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexFileMeta {
    pub index: u64,
    pub file: u64,
}

impl Meta {
    pub fn new() -> Meta {
        Meta { format: FORMAT, next_id: 1, collections: Vec::new(), aliases: BTreeMap::new(), retention: 0 }
    }

    pub fn decode(payload: &[u8]) -> Result<Meta> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let bad = |e: serde_json::Error| Error::corrupt(format!("the manifest cannot be read: {e}"));
        let Format { format } = serde_json::from_slice(payload).map_err(bad)?;
        if format > FORMAT {
            return Err(Error::new(
                Code::FormatTooNew,
                format!("the database has format {format}; this version reads up to {FORMAT}"),
            ));
        }
        // What is written next has the form of this version.
        serde_json::from_slice(payload).map_err(bad).map(|meta: Meta| Meta { format: FORMAT, ..meta })
    }

    pub fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::internal(format!("the manifest cannot be written: {e}")))
    }

    /// A number that was never given before.
    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    pub fn collection(&self, id: u64) -> Result<&CollectionMeta> {
        self.collections.iter().find(|c| c.id == id).ok_or_else(|| dropped(id))
    }

    pub fn collection_mut(&mut self, id: u64) -> Result<&mut CollectionMeta> {
        self.collections.iter_mut().find(|c| c.id == id).ok_or_else(|| dropped(id))
    }
}

fn dropped(id: u64) -> Error {
    Error::new(Code::Closed, format!("the collection was dropped (number {id})"))
}

impl PartitionMeta {
    fn only_default() -> Vec<PartitionMeta> {
        vec![PartitionMeta { id: 0, name: DEFAULT_PARTITION.to_owned(), released: false }]
    }

    /// The partitions of a new collection.
    pub fn first_of(schema: &Schema) -> Vec<PartitionMeta> {
        let of_key = (0..schema.num_partitions() as u64).map(|id| PartitionMeta {
            id,
            name: format!("{DEFAULT_PARTITION}_{id}"),
            released: false,
        });
        match schema.partition_key() {
            Some(_) => of_key.collect(),
            None => PartitionMeta::only_default(),
        }
    }
}

impl SegmentMeta {
    /// Of a segment whose first files are written, without an index.
    pub fn new(id: u64, partition: u64, live: &Live, history: &History, since: u64) -> SegmentMeta {
        SegmentMeta {
            id,
            partition,
            rows: live.len() as u64,
            dead: live.dead() as u64,
            deletes: u64::from(live.dead() > 0),
            since,
            history: u64::from(!history.is_empty()),
            indexes: Vec::new(),
        }
    }
}

impl CollectionMeta {
    /// Adds a partition, unless one of that name is there.
    pub fn add_partition(&mut self, id: u64, name: &str) -> Result<()> {
        if self.partitions.iter().any(|partition| partition.name == name) {
            return Ok(());
        }
        let (count, collection) = (self.partitions.len(), &self.name);
        if count >= MAX_PARTITIONS {
            return Err(Error::invalid(format!(
                "partition number ({count}) exceeds max configuration ({MAX_PARTITIONS}), collection: {collection}"
            )));
        }
        self.partitions.push(PartitionMeta { id, name: name.to_owned(), released: self.released });
        Ok(())
    }

    /// What was there before `horizon` only is given up; `u64::MAX` where no times are kept.
    pub fn forget(&mut self, horizon: u64) {
        if horizon < u64::MAX {
            self.floor = self.floor.max(horizon);
        }
    }

    pub fn segment_mut(&mut self, id: u64) -> Option<&mut SegmentMeta> {
        self.segments.iter_mut().find(|s| s.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_numbers() {
        let mut meta = Meta::new();
        assert_eq!((meta.take_id(), meta.take_id()), (1, 2));
        let again = Meta::decode(&meta.encode().unwrap()).unwrap();
        assert_eq!((again.next_id, again.collections.len()), (3, 0));
        assert_eq!(again.collection(1).unwrap_err().code(), Code::Closed);
    }

    /// What format 1 had, in the default partition; and partitions up to their limit.
    #[test]
    fn partitions_of_a_collection() {
        let text = r#"{"format":1,"next_id":9,"collections":[{"id":1,"name":"c","schema":null,"indexes":[],
            "segments":[{"id":2,"rows":5,"dead":0,"deletes":0,"indexes":[]}],"wal_first":1,"wal_sequence":0,
            "next_auto_id":1,"released":true}]}"#;
        let mut meta = Meta::decode(text.as_bytes()).unwrap();
        assert!(meta.aliases.is_empty() && meta.format == FORMAT);
        let collection = meta.collection_mut(1).unwrap();
        assert_eq!(collection.partitions, PartitionMeta::only_default());
        assert_eq!(collection.segments[0].partition, collection.partitions[0].id);
        for id in 1..MAX_PARTITIONS as u64 {
            collection.add_partition(id, &format!("p{id}")).unwrap();
        }
        collection.add_partition(9999, "p7").unwrap();
        assert!(collection.partitions.len() == MAX_PARTITIONS && collection.partitions[1].released);
        let error = collection.add_partition(9999, "one more").unwrap_err();
        assert_eq!(
            error.message(),
            "partition number (4096) exceeds max configuration (4096), collection: c"
        );
    }

    #[test]
    fn other_formats() {
        assert_eq!(Meta::decode(br#"{"format":3,"new":true}"#).unwrap_err().code(), Code::FormatTooNew);
        for text in ["", "{}", "[]", "3", r#"{"format":-1}"#, r#"{"format":1}"#] {
            assert_eq!(Meta::decode(text.as_bytes()).unwrap_err().code(), Code::Corrupt, "{text}");
        }
    }
}
