//! Draws changes: mostly ones that can be made, now and then some that are refused.

use super::filters::Drawer;
use super::indexes::KINDS;
use super::rows::{Field, Key, Kind, Shape};
use super::state::{Change, Collection, Index, Op, State};
use crate::support::Random;

const NAMES: &[&str] = &["c", "d", "e", "f"];
const ALIASES: &[&str] = &["a", "b"];
const PARTITIONS: &[&str] = &["_default", "p", "q", "2024"];
/// Beyond so many rows, some are deleted first.
const MANY_ROWS: usize = 400;
const MOST_FIELDS: usize = 18;
const MOST_COLLECTIONS: usize = 3;

/// A name of a collection that there is, or one of its aliases.
pub fn name(state: &State, random: &mut Random) -> Option<String> {
    let names: Vec<&String> = state.collections.keys().chain(state.aliases.keys()).collect();
    (!names.is_empty()).then(|| names[random.below(names.len() as u64) as usize].clone())
}

/// A change of the database, or of what names there are.
pub fn definition(state: &State, random: &mut Random) -> Op {
    let any = |random: &mut Random| {
        let names = if random.below(4) == 0 { ALIASES } else { NAMES };
        random.one(names).to_owned()
    };
    let (first, second) = (any(random), any(random));
    let alias = random.one(ALIASES).to_owned();
    match random.below(10) {
        0..3 if state.collections.len() < MOST_COLLECTIONS => Op::Create(first, Shape::random(random)),
        0 => Op::Drop(first),
        1 | 2 => Op::Rename(first, second),
        3..6 => Op::CreateAlias(first, alias),
        6 | 7 => Op::AlterAlias(first, alias),
        8 => Op::DropAlias(alias),
        _ => match state.collections.get(&first) {
            // The same again, which is fine.
            Some(known) if random.coin() => Op::Create(first, (*known.shape).clone()),
            _ => Op::Drop(first),
        },
    }
}

pub fn change(collection: &Collection, random: &mut Random) -> Change {
    let shape = &*collection.shape;
    let partition = match shape.partition_key {
        true => (random.below(40) == 0).then(|| "_default".to_owned()),
        false => (random.below(3) == 0).then(|| random.one(PARTITIONS).to_owned()),
    };
    if collection.rows.len() > MANY_ROWS && random.coin() {
        return Change::DeleteMatching { partition, filter: Drawer { shape, random }.filter(1) };
    }
    // What is released answers no search: that should not last.
    if collection.partitions.iter().any(|partition| partition.released) && random.below(4) == 0 {
        return Change::Load(Vec::new());
    }
    match random.below(49) {
        0..13 => insert(shape, partition, random),
        13..20 => {
            let key = |random: &mut Random| match collection.rows.as_slice() {
                [] => shape.key(random),
                rows if random.below(4) > 0 => rows[random.below(rows.len() as u64) as usize].1.key.clone(),
                _ => shape.key(random),
            };
            let keys: Vec<Key> = (0..1 + random.below(15)).map(|_| key(random)).collect();
            Change::Delete { partition, keys }
        }
        20..23 => {
            let depth = random.below(3) as usize;
            Change::DeleteMatching { partition, filter: Drawer { shape, random }.filter(depth) }
        }
        23..27 => Change::Flush,
        27 | 28 => Change::Compact { wait: random.below(3) > 0 },
        29 | 30 => {
            let kinds: Vec<_> = KINDS.iter().filter(|kind| kind.binary == shape.binary).collect();
            let kind = random.one(&kinds);
            let index = Index { kind, metric: random.one(kind.metrics) };
            Change::CreateIndex { index, wait: random.coin() }
        }
        31 => Change::DropIndex,
        32 => Change::AddField(field(shape, random)),
        33 | 34 => Change::CreatePartition(random.one(PARTITIONS).to_owned()),
        35 => Change::DropPartition(random.one(PARTITIONS).to_owned()),
        36 => Change::Load(some_partitions(random)),
        37 | 38 => {
            let names = some_partitions(random);
            if names.is_empty() && random.coin() { Change::Flush } else { Change::Release(names) }
        }
        39..42 => Change::IndexField { name: scalar(shape, random), wait: random.coin() },
        42 => Change::DropFieldIndex(scalar(shape, random)),
        // Of keys that are made anew the model would not know which.
        43 | 44 if shape.auto_id || collection.rows.len() > MANY_ROWS / 2 => insert(shape, partition, random),
        43 | 44 => {
            let depth = random.below(3) as usize;
            let extension = random.one(&["parquet", "jsonl", "json"]);
            Change::Import { partition, filter: Drawer { shape, random }.filter(depth), extension }
        }
        45..48 => {
            let name = if random.coin() { "v".to_owned() } else { scalar(shape, random) };
            let mmap = random.one(&["true", "false", "null"]);
            Change::Alter { name, is_index: random.below(3) == 0, mmap }
        }
        _ => Change::DeleteMatching { partition: None, filter: Drawer { shape, random }.filter(2) },
    }
}

/// The primary key or a field, now and then one of a kind that no index takes.
fn scalar(shape: &Shape, random: &mut Random) -> String {
    let fields: Vec<&Field> = shape.fields.iter().filter(|field| field.kind != Kind::Meta).collect();
    if random.below(4) == 0 { "id".to_owned() } else { random.one(&fields).name.clone() }
}

fn insert(shape: &Shape, partition: Option<String>, random: &mut Random) -> Change {
    let most = if random.below(6) == 0 { 120 } else { 12 };
    let rows = (0..1 + random.below(most)).map(|_| shape.row(random)).collect();
    let upsert = if shape.auto_id { random.below(20) == 0 } else { random.below(3) == 0 };
    Change::Insert { partition, rows, upsert }
}

fn field(shape: &Shape, random: &mut Random) -> Field {
    if shape.fields.len() >= MOST_FIELDS {
        // It is there already.
        return Field::random(random, "i8", Kind::Int8);
    }
    let kinds =
        [Kind::Bool, Kind::Int8, Kind::Int64, Kind::Float, Kind::Double, Kind::Text, Kind::Json, Kind::Ints];
    let kind = random.one(&kinds);
    Field::random(random, &format!("x{}", shape.fields.len()), kind)
}

fn some_partitions(random: &mut Random) -> Vec<String> {
    PARTITIONS.iter().filter(|_| random.below(3) == 0).map(|name| (*name).to_owned()).collect()
}
