//! Iterators: the hits of a search, or the rows of a query, batch by batch, all of them from the snapshot on which the
//! iterator was opened. What is written meanwhile changes nothing.

use crate::collection::core::{Core, Snapshot};
use crate::collection::gather::{Places, key};
use crate::collection::merge::{Batch, Found, Merger, Target};
use crate::collection::query::{COUNT, Limit};
use crate::collection::request::{MAX_TOPK, check_queries, not_exist};
use crate::collection::search::Prepared;
use crate::collection::types::{
    IteratorOptions, Output, QueryOptions, QueryResult, SearchOptions, SearchResult,
};
use crate::error::{Error, Result};
use crate::index::Queries;
use crate::segment::Reservation;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The hits of one query, nearest first, batch by batch. Calls from several threads take turns.
pub struct SearchIterator {
    core: Arc<Core>,
    prepared: Prepared,
    query: Query,
    batch: usize,
    timeout: Option<Duration>,
    state: Mutex<Walk>,
    /// For what is left to search, a bit a row.
    _memory: Option<Reservation>,
}

/// A query that outlives its caller.
enum Query {
    Float(Vec<f32>),
    Binary(Vec<u8>),
}

/// How far a search has come.
struct Walk {
    /// What is left to search: without the rows of the keys that were found.
    left: Vec<Target>,
    /// Hits that were found and not given yet.
    ready: VecDeque<Found>,
    found: usize,
    /// How many hits may still be given.
    most: u64,
    is_over: bool,
}

/// The rows of a query in the order of their keys, batch by batch. Calls from several threads take turns.
pub struct QueryIterator {
    core: Arc<Core>,
    /// Held so that the files stay.
    _snapshot: Arc<Snapshot>,
    targets: Vec<Target>,
    output: Vec<Output>,
    /// The rows, in the order of their keys.
    rows: Places,
    batch: usize,
    timeout: Option<Duration>,
    given: Mutex<usize>,
}

impl SearchIterator {
    pub(super) fn open(
        core: Arc<Core>,
        field: &str,
        query: Queries,
        options: &SearchOptions,
        iterator: IteratorOptions,
    ) -> Result<SearchIterator> {
        core.check_loaded()?;
        let batch = iterator.batch()?;
        if options.group_by_field.is_some_and(|name| !name.is_empty()) {
            return Err(Error::invalid("Not allowed to do groupBy when doing iteration"));
        }
        let offset = options.offset;
        if offset >= MAX_TOPK {
            let most = MAX_TOPK - 1;
            return Err(Error::invalid(format!(
                "offset [{offset}] is invalid, should be in range [0, {most}]"
            )));
        }
        // A knob that must not be below topk may well be below a batch: it is no limit of an index. And the offset is
        // passed over once, not in each batch.
        let options = SearchOptions { topk: 1, offset: 0, ..SearchOptions::clone(options) };
        let filter = core.filter(options.filter, options.filter_values)?;
        let (_, checked) = core.schema.field(field).ok_or_else(|| not_exist(field))?;
        check_queries(checked, query, 1)?;
        let query = match query {
            Queries::Float(values) => Query::Float(values.to_vec()),
            Queries::Binary(bytes) => Query::Binary(bytes.to_vec()),
        };
        let limit = Limit::new(&core.store, options.timeout);
        let prepared = core.prepare(field, &filter, &options, limit.stop())?;
        limit.check("search")?;
        let bytes = prepared.targets.iter().map(|target| target.live.len().div_ceil(8)).sum();
        let _memory = core.room(bytes, || "an iterator over the hits of a search".to_owned())?;
        let left = prepared.targets.clone();
        let state = Walk { left, ready: VecDeque::new(), found: 0, most: u64::MAX, is_over: false };
        drop(limit);
        let timeout = options.timeout;
        let state = Mutex::new(state);
        let opened = SearchIterator { core, prepared, query, batch, timeout, state, _memory };
        opened.take(offset, |_, _| Ok(()))?;
        opened.state.lock().most = iterator.limit.unwrap_or(u64::MAX);
        Ok(opened)
    }

    /// The next hits, as many as a batch has; fewer only at the end, and none behind it.
    pub fn next(&self) -> Result<SearchResult> {
        self.take(self.batch, |hits, limit| {
            self.core.result(&self.prepared.request, &self.prepared.targets, &[hits], limit)
        })
    }

    /// What `make` makes of the next `count` hits. After an error, also one of `make`, the iterator stands where it stood.
    fn take<T>(&self, count: usize, make: impl FnOnce(Vec<Found>, &Limit) -> Result<T>) -> Result<T> {
        self.core.check_open()?;
        let _query = self.core.store.activity.query();
        let limit = Limit::new(&self.core.store, self.timeout);
        let mut state = self.state.lock();
        let count = count.min(usize::try_from(state.most).unwrap_or(usize::MAX));
        while state.ready.len() < count && !state.is_over {
            self.find_more(&mut state, &limit)?;
        }
        let count = count.min(state.ready.len());
        let made = make(state.ready.range(..count).copied().collect(), &limit)?;
        state.ready.drain(..count);
        state.most -= count as u64;
        Ok(made)
    }

    /// Finds as many hits as were found before, one batch at least: so the time for all grows with their number, and not
    /// with its square.
    fn find_more(&self, state: &mut Walk, limit: &Limit) -> Result<()> {
        let wanted = state.found.max(self.batch).min(MAX_TOPK);
        let merger = Merger::new(&self.prepared.request, &state.left, limit.stop());
        let hits = merger.search(self.batch_of_one(), wanted)?.pop().unwrap_or_default();
        limit.check("search")?;
        state.is_over = hits.len() < wanted;
        for target in &mut state.left {
            let mut rows = Vec::new();
            hits.iter().for_each(|hit| target.rows.find(key(&self.prepared.targets, hit), &mut rows));
            target.live = target.live.without(&rows);
        }
        state.found += hits.len();
        state.ready.extend(hits);
        Ok(())
    }

    fn batch_of_one(&self) -> Batch<'_> {
        match &self.query {
            Query::Float(values) => Batch { values: Queries::Float(values), stride: values.len() },
            Query::Binary(bytes) => Batch { values: Queries::Binary(bytes), stride: bytes.len() },
        }
    }
}

impl QueryIterator {
    pub(super) fn open(
        core: Arc<Core>,
        filter: &str,
        options: &QueryOptions,
        iterator: IteratorOptions,
    ) -> Result<QueryIterator> {
        core.check_loaded()?;
        let batch = iterator.batch()?;
        if options.output_fields.iter().any(|field| field.trim().eq_ignore_ascii_case(COUNT)) {
            return Err(Error::invalid("count entities with pagination is not allowed"));
        }
        let output = core.output_fields(&options.output_fields)?;
        let filter = core.filter(filter, options.filter_values)?;
        let _query = core.store.activity.query();
        let limit = Limit::new(&core.store, options.timeout);
        let (_snapshot, targets) = core.on_snapshot_of(options.travel_timestamp, |snapshot| {
            let chosen = core.searched(snapshot, &options.partition_names, &filter)?;
            Ok((snapshot.clone(), core.matching_rows(snapshot, &chosen, &filter, limit.stop())?))
        })?;
        limit.check("query")?;
        let most = iterator.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let rows = core.in_order(&targets, options.offset, most.min(options.limit.unwrap_or(usize::MAX)))?;
        limit.check("query")?;
        drop((limit, _query));
        let timeout = options.timeout;
        let given = Mutex::new(0);
        Ok(QueryIterator { core, _snapshot, targets, output, rows, batch, timeout, given })
    }

    /// The next rows, as many as a batch has; fewer only at the end, and none behind it.
    pub fn next(&self) -> Result<QueryResult> {
        self.core.check_open()?;
        let _query = self.core.store.activity.query();
        let limit = Limit::new(&self.core.store, self.timeout);
        let mut given = self.given.lock();
        let end = (*given + self.batch).min(self.rows.list.len());
        let found = self.core.rows_at(&self.output, &self.targets, &self.rows.list[*given..end], &limit)?;
        *given = end;
        Ok(found)
    }
}

impl IteratorOptions {
    fn batch(self) -> Result<usize> {
        let size = self.batch_size;
        if !(1..=MAX_TOPK).contains(&size) {
            return Err(Error::invalid(format!(
                "batch size [{size}] is invalid, should be in range [1, {MAX_TOPK}]"
            )));
        }
        Ok(size)
    }
}
