//! Rows by their primary keys, which are looked up: get, and search by keys, whose queries are the vectors of stored rows.

use crate::batch;
use crate::collection::core::{Core, Snapshot};
use crate::collection::load::all_or_none;
use crate::collection::merge::Target;
use crate::collection::partitions::Chosen;
use crate::collection::query::{Limit, check_count, is_count, page};
use crate::collection::request::not_exist;
use crate::collection::types::{QueryOptions, QueryResult, SearchOptions, SearchResult};
use crate::error::{Error, Result};
use crate::index::Queries;
use crate::index::vectors::Vectors;
use crate::segment::{Key, Rows, SegmentView};
use arrow_array::{Array, ArrayRef};
use std::sync::Arc;

/// Keys that an error message names.
const SHOWN: usize = 10;
/// Bytes that looking up a key takes: the key, its place, and both once more to put them in order.
const LOOKED_UP: usize = 2 * size_of::<(Key, Option<(u32, u32)>)>();

/// The vectors of some rows, side by side.
enum Stored {
    Float(Vec<f32>),
    Binary(Vec<u8>),
}

/// Where the newest live rows of some keys are. Nothing is loaded for it.
struct Looked<'s> {
    segments: Vec<(&'s SegmentView, Arc<Rows>)>,
    /// Of each key, its segment among those, and the row.
    rows: Vec<Option<(u32, u32)>>,
}

impl Core {
    /// As in Milvus a query: the rows in the order of their keys, and no error for a key that has none.
    pub fn get(&self, keys: &ArrayRef, options: &QueryOptions) -> Result<QueryResult> {
        self.check_loaded()?;
        let keys = batch::canonical_keys(&self.schema, keys)?;
        let bytes = keys.len() * LOOKED_UP;
        let _memory = self.room(bytes, || format!("looking up {} keys", keys.len()))?;
        let keys: Vec<Key> = (0..keys.len()).map(|row| Key::at(&keys, row)).collect();
        let counts = is_count(options);
        let output = if counts { Vec::new() } else { self.output_fields(&options.output_fields)? };
        let (skipped, most) = if counts { (0, usize::MAX) } else { page(false, options)? };
        if counts {
            check_count(options)?;
        }
        let _query = self.store.activity.query();
        let limit = Limit::new(&self.store, options.timeout);
        let all = self.filter("", "")?;
        let (_snapshot, targets, places) = self.on_snapshot_of(options.travel_timestamp, |snapshot| {
            let chosen = self.searched(snapshot, &options.partition_names, &all)?;
            let looked = self.look_up(snapshot, &chosen, &keys)?;
            let mut found: Vec<(Key, (u32, u32))> =
                keys.iter().zip(&looked.rows).filter_map(|(key, place)| Some((*key, (*place)?))).collect();
            found.sort_unstable();
            found.dedup();
            let places = found.into_iter().map(|(_, place)| place).skip(skipped).take(most);
            let mut places: Vec<(u32, u32)> = places.collect();
            let targets = self.targets_of(snapshot, &looked.segments, &mut places)?;
            Ok((snapshot.clone(), targets, places))
        })?;
        limit.check("query")?;
        if counts {
            return self.counted(places.len() as u64);
        }
        self.rows_at(&output, &targets, &places, &limit)
    }

    pub fn search_by_keys(
        &self,
        field: &str,
        keys: &ArrayRef,
        options: &SearchOptions,
    ) -> Result<SearchResult> {
        self.check_loaded()?;
        let (_, field_of) = self.schema.field(field).ok_or_else(|| not_exist(field))?;
        let keys = batch::canonical_keys(&self.schema, keys)?;
        let bytes = keys.len().saturating_mul(field_of.fixed_bytes());
        let _memory = self.room(bytes, || format!("the vectors of {} keys", keys.len()))?;
        let keys: Vec<Key> = (0..keys.len()).map(|row| Key::at(&keys, row)).collect();
        let time = options.travel_timestamp;
        let stored = self.on_snapshot_of(time, |snapshot| {
            // Wherever they are: it is the rows that are found which the partitions and the filter are about.
            stored_vectors(&keys, &self.look_up(snapshot, &Chosen::all(), &keys)?)
        })?;
        let queries = match &stored {
            Stored::Float(values) => Queries::Float(values),
            Stored::Binary(bytes) => Queries::Binary(bytes),
        };
        self.search(field, queries, keys.len(), options)
    }

    /// The newest live row of each key in the chosen partitions.
    fn look_up<'s>(&self, snapshot: &'s Snapshot, chosen: &Chosen, keys: &[Key]) -> Result<Looked<'s>> {
        let mut looked = Looked { segments: Vec::new(), rows: vec![None; keys.len()] };
        let mut rows = Vec::new();
        let is_meant = |view: &&SegmentView| chosen.has(view.partition) && view.live.count() > 0;
        for (number, view) in (0u32..).zip(snapshot.segments().filter(is_meant)) {
            // A dropped collection's files may go while they are opened.
            let segment = view.stored().map_err(|error| self.check_open().err().unwrap_or(error))?;
            for (key, place) in keys.iter().zip(&mut looked.rows) {
                rows.clear();
                segment.find(*key, &mut rows);
                let newest = rows.iter().rev().find(|&&row| view.live.is_live(row as usize));
                // A later segment has the newer rows.
                *place = newest.map(|&row| (number, row)).or(*place);
            }
            looked.segments.push((view, segment));
        }
        Ok(looked)
    }

    /// The segments that rows are taken from, by whose numbers `places` goes from then on. Those whose files lack a field
    /// are opened.
    fn targets_of(
        &self,
        snapshot: &Snapshot,
        segments: &[(&SegmentView, Arc<Rows>)],
        places: &mut [(u32, u32)],
    ) -> Result<Vec<Target>> {
        let fields = self.schema.fields().len();
        let mut numbers: Vec<Option<u32>> = vec![None; segments.len()];
        let mut targets = Vec::new();
        // A load like any other: of one that `memory_limit` refuses nothing stays.
        all_or_none(snapshot, || {
            for (segment, _) in places {
                let at = *segment as usize;
                let number = numbers[at].unwrap_or(targets.len() as u32);
                if numbers[at].is_none() {
                    let (view, rows) = &segments[at];
                    let is_whole = rows.batch().num_columns() >= fields;
                    let rows = if is_whole { rows.clone() } else { view.rows()? };
                    targets.push(Target { rows, live: view.live.clone(), index: None });
                    numbers[at] = Some(number);
                }
                *segment = number;
            }
            Ok(())
        })?;
        Ok(targets)
    }
}

/// The vectors of the rows of `keys`, all of which must have one.
fn stored_vectors(keys: &[Key], looked: &Looked) -> Result<Stored> {
    let missing: Vec<String> = keys
        .iter()
        .zip(&looked.rows)
        .filter(|(_, place)| place.is_none())
        .map(|(key, _)| match key {
            Key::Int(key) => key.to_string(),
            Key::Text(key) => format!("{key:?}"),
        })
        .collect();
    if !missing.is_empty() {
        let more = if missing.len() > SHOWN { ", ..." } else { "" };
        let shown = missing[..missing.len().min(SHOWN)].join(", ");
        return Err(Error::invalid(format!(
            "some of the provided primary key IDs do not exist: missing IDs = [{shown}{more}]"
        )));
    }
    let (mut floats, mut bytes, mut is_binary) = (Vec::new(), Vec::new(), false);
    for &(segment, row) in looked.rows.iter().flatten() {
        match looked.segments[segment as usize].1.vectors() {
            Vectors::Float(vectors) => floats.extend_from_slice(vectors.row(row as usize)),
            Vectors::Binary(vectors) => {
                bytes.extend_from_slice(vectors.row(row as usize));
                is_binary = true;
            }
        }
    }
    Ok(if is_binary { Stored::Binary(bytes) } else { Stored::Float(floats) })
}
