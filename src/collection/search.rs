//! Search: one pass over the segments of a snapshot, and what comes out of it.

use crate::collection::core::{Core, Snapshot};
use crate::collection::gather::key;
use crate::collection::group::Groups;
use crate::collection::load::all_or_none;
use crate::collection::merge::{Batch, Found, Merger, Target};
use crate::collection::query::Limit;
use crate::collection::request::{Request, check_queries, not_exist};
use crate::collection::types::{SearchOptions, SearchResult};
use crate::error::Result;
use crate::filter::Filter;
use crate::index::Queries;
use crate::kernel::topk::Hit;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Fewer queries than this are not worth another thread.
const MIN_CHUNK: usize = 8;

/// A checked search on the segments of a snapshot, which is held so that their files stay.
pub struct Prepared {
    _snapshot: Arc<Snapshot>,
    pub request: Request,
    pub targets: Vec<Target>,
}

impl Core {
    pub fn search(
        &self,
        field: &str,
        queries: Queries,
        nq: usize,
        options: &SearchOptions,
    ) -> Result<SearchResult> {
        self.check_loaded()?;
        let filter = self.filter(options.filter, options.filter_values)?;
        let (_, checked) = self.schema.field(field).ok_or_else(|| not_exist(field))?;
        let queries = check_queries(checked, queries, nq)?;
        let _query = self.store.activity.query();
        let limit = Limit::new(&self.store, options.timeout);
        let prepared = self.prepare(field, &filter, options, limit.stop())?;
        let found = self.run(&prepared, queries, limit.stop())?;
        limit.check("search")?;
        self.result(&prepared.request, &prepared.targets, &found, &limit)
    }

    /// Checks a search of `field`, and opens what it needs of a snapshot.
    pub fn prepare(
        &self,
        field: &str,
        filter: &Filter,
        options: &SearchOptions,
        stop: &AtomicBool,
    ) -> Result<Prepared> {
        self.on_snapshot_of(options.travel_timestamp, |snapshot| {
            let request = self.request(snapshot, field, options)?;
            let chosen = self.searched(snapshot, &options.partition_names, filter)?;
            // A load like any other: of one that `memory_limit` refuses nothing stays.
            let targets = all_or_none(snapshot, || {
                let mut targets = self.matching(snapshot, &chosen, filter, stop)?;
                for (target, view) in &mut targets {
                    target.index = view.vector_index()?;
                }
                Ok(targets)
            })?;
            let targets = targets.into_iter().map(|(target, _)| target).collect();
            Ok(Prepared { _snapshot: snapshot.clone(), request, targets })
        })
    }

    /// The hits of every query. One query, and few, run on the caller's thread.
    fn run(&self, prepared: &Prepared, queries: Batch, stop: &AtomicBool) -> Result<Vec<Vec<Found>>> {
        let Prepared { request, targets, .. } = prepared;
        let merger = Merger::new(request, targets, stop);
        let search = |queries: Batch| match request.group {
            None => merger.search(queries, request.k),
            Some(place) => Groups { merger: &merger, place }.search(queries, request.k),
        };
        let pool = &self.store.shared.pool;
        let nq = queries.count();
        let _memory = self.room(hits_bytes(targets, nq, request.k), || {
            format!("a search for the {} best rows of {nq} queries", request.k)
        })?;
        let chunk = nq.div_ceil(pool.current_num_threads()).max(MIN_CHUNK);
        if nq <= chunk {
            return search(queries);
        }
        let chunks = (0..nq.div_ceil(chunk)).into_par_iter();
        let chunks = chunks.map(|i| search(queries.slice(i * chunk..((i + 1) * chunk).min(nq))));
        let found: Vec<_> = pool.install(|| chunks.collect::<Result<_>>())?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What users get of the hits of each query.
    pub fn result(
        &self,
        request: &Request,
        targets: &[Target],
        found: &[Vec<Found>],
        limit: &Limit,
    ) -> Result<SearchResult> {
        let wanted = |hits: &'_ [Found]| -> std::ops::RangeFrom<usize> { request.offset.min(hits.len()).. };
        let mut offsets = Vec::with_capacity(found.len() + 1);
        offsets.push(0);
        let mut total = 0;
        for hits in found {
            total += hits[wanted(hits)].len() as u64;
            offsets.push(total);
        }
        let all = || found.iter().flat_map(|hits| &hits[wanted(hits)]);
        let columns = self.columns(&request.output, targets, all(), total as usize, ("search", limit))?;
        let metric = request.spec.metric;
        let scores = all().map(|hit| round(metric.user_score(hit.score), request.round)).collect();
        let ids = self.key_column(all().map(|hit| key(targets, hit)));
        Ok(SearchResult { offsets, ids, scores, columns: columns.batch, memory: columns.memory })
    }
}

/// Bytes of the hits of a search: of each query those of every segment, and the best of one of them while it is searched.
fn hits_bytes(targets: &[Target], nq: usize, k: usize) -> usize {
    let hits = || targets.iter().map(|target| k.min(target.live.count()));
    let (all, most) = (hits().sum::<usize>(), hits().max().unwrap_or(0));
    nq * (all * size_of::<Found>() + most * size_of::<Hit>())
}

/// Rounds half away from zero to `digits`; -1 leaves the score alone.
fn round(score: f32, digits: i32) -> f32 {
    if digits < 0 {
        return score;
    }
    let factor = 10f64.powi(digits);
    ((f64::from(score) * factor).round() / factor) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        assert_eq!(round(1.23456, -1), 1.23456);
        assert_eq!(round(1.25, 1), 1.3);
        assert_eq!(round(-1.25, 1), -1.3);
        assert_eq!(round(1234.5678, 0), 1235.0);
        assert_eq!(round(f32::MAX, 6), f32::MAX);
    }
}
