//! Search by primary keys: the vectors of stored rows are the queries.

use crate::batch;
use crate::collection::core::{Core, Snapshot};
use crate::collection::request::not_exist;
use crate::collection::types::{SearchOptions, SearchResult};
use crate::error::{Error, Result};
use crate::index::Queries;
use crate::index::vectors::Vectors;
use crate::segment::{Key, Rows};
use arrow_array::{Array, ArrayRef};
use std::sync::Arc;

/// Keys that an error message names.
const SHOWN: usize = 10;

/// The vectors of some rows, side by side.
enum Stored {
    Float(Vec<f32>),
    Binary(Vec<u8>),
}

impl Core {
    pub fn search_by_keys(
        &self,
        field: &str,
        keys: &ArrayRef,
        options: &SearchOptions,
    ) -> Result<SearchResult> {
        self.check_loaded()?;
        self.schema.field(field).ok_or_else(|| not_exist(field))?;
        let keys = batch::canonical_keys(&self.schema, keys)?;
        let time = options.travel_timestamp;
        let stored = self.on_snapshot_of(time, |snapshot| self.stored_vectors(snapshot, &keys))?;
        let queries = match &stored {
            Stored::Float(values) => Queries::Float(values),
            Stored::Binary(bytes) => Queries::Binary(bytes),
        };
        self.search(field, queries, keys.len(), options)
    }

    /// The vector of the newest row of each key.
    fn stored_vectors(&self, snapshot: &Snapshot, keys: &ArrayRef) -> Result<Stored> {
        let keys: Vec<Key> = (0..keys.len()).map(|row| Key::at(keys, row)).collect();
        let mut places: Vec<Option<(usize, u32)>> = vec![None; keys.len()];
        let views: Vec<_> = snapshot.segments().filter(|view| view.live.count() > 0).collect();
        let mut opened: Vec<Arc<Rows>> = Vec::with_capacity(views.len());
        let mut rows = Vec::new();
        for view in views {
            // A dropped collection's files may go while they are opened.
            opened.push(view.rows().map_err(|error| self.check_open().err().unwrap_or(error))?);
            let Some(segment) = opened.last() else { continue };
            for (key, place) in keys.iter().zip(&mut places) {
                rows.clear();
                segment.find(*key, &mut rows);
                let newest = rows.iter().rev().find(|&&row| view.live.is_live(row as usize));
                // A later segment has the newer rows.
                *place = newest.map(|&row| (opened.len() - 1, row)).or(*place);
            }
        }
        let missing: Vec<String> = keys
            .iter()
            .zip(&places)
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
        let found = places.iter().flatten().map(|&(segment, row)| (opened[segment].vectors(), row as usize));
        let (mut floats, mut bytes, mut is_binary) = (Vec::new(), Vec::new(), false);
        for (vectors, row) in found {
            match vectors {
                Vectors::Float(vectors) => floats.extend_from_slice(vectors.row(row)),
                Vectors::Binary(vectors) => {
                    bytes.extend_from_slice(vectors.row(row));
                    is_binary = true;
                }
            }
        }
        Ok(if is_binary { Stored::Binary(bytes) } else { Stored::Float(floats) })
    }
}
