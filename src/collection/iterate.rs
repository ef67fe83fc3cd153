//! Iterators: the hits of a search, or the rows of a query, batch by batch, all of them from the snapshot on which the
//! iterator was opened. What is written meanwhile changes nothing.

use crate::collection::core::{Core, Snapshot};
use crate::collection::merge::{Batch, Found, Merger, Target};
use crate::collection::query::{COUNT, Limit, one_a_key};
use crate::collection::request::{MAX_TOPK, check_queries, not_exist};
use crate::collection::search::Prepared;
use crate::collection::types::{
    IteratorOptions, Output, QueryOptions, QueryResult, SearchOptions, SearchResult,
};
use crate::error::{Error, Result};
use crate::index::Queries;
use parking_lot::Mutex;
use std::cmp::Reverse;
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
    /// Target and row of each, in the order of the keys.
    rows: Vec<(u32, u32)>,
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
        // A knob that must not be below topk may well be below a batch: it is no limit of an index.
        let options = SearchOptions { topk: 1, ..SearchOptions::clone(options) };
        let filter = core.filter(options.filter, options.filter_values)?;
        let (_, checked) = core.schema.field(field).ok_or_else(|| not_exist(field))?;
        check_queries(checked, query, 1)?;
        let query = match query {
            Queries::Float(values) => Query::Float(values.to_vec()),
            Queries::Binary(bytes) => Query::Binary(bytes.to_vec()),
        };
        let limit = Limit::new(&core.store, options.timeout);
        let mut prepared = core.prepare(field, &filter, &options, limit.stop())?;
        limit.check("search")?;
        // The offset is passed over once, and not in each batch.
        let offset = std::mem::take(&mut prepared.request.offset);
        let left = prepared.targets.clone();
        let state = Walk { left, ready: VecDeque::new(), found: 0, most: u64::MAX, is_over: false };
        drop(limit);
        let timeout = options.timeout;
        let opened = SearchIterator { core, prepared, query, batch, timeout, state: Mutex::new(state) };
        opened.take(offset)?;
        opened.state.lock().most = iterator.limit.unwrap_or(u64::MAX);
        Ok(opened)
    }

    /// The next hits, as many as a batch has; fewer only at the end, and none behind it.
    pub fn next(&self) -> Result<SearchResult> {
        let hits = self.take(self.batch)?;
        self.core.result(&self.prepared.request, &self.prepared.targets, &[hits])
    }

    /// The next `count` hits. After an error the iterator stands where it stood.
    fn take(&self, count: usize) -> Result<Vec<Found>> {
        self.core.check_open()?;
        let _query = self.core.store.activity.query();
        let limit = Limit::new(&self.core.store, self.timeout);
        let mut state = self.state.lock();
        let count = count.min(usize::try_from(state.most).unwrap_or(usize::MAX));
        while state.ready.len() < count && !state.is_over {
            self.find_more(&mut state, &limit)?;
        }
        let count = count.min(state.ready.len());
        state.most -= count as u64;
        Ok(state.ready.drain(..count).collect())
    }

    /// Finds as many hits as were found before, one batch at least: so the time for all grows with their number, and not
    /// with its square.
    fn find_more(&self, state: &mut Walk, limit: &Limit) -> Result<()> {
        let wanted = state.found.max(self.batch).min(MAX_TOPK);
        let merger = Merger::new(&self.prepared.request, &state.left, limit.stop());
        let hits = merger.search(self.batch_of_one(), wanted)?.pop().unwrap_or_default();
        limit.check("search")?;
        state.is_over = hits.len() < wanted;
        let keys = |hit: &Found| self.prepared.targets[hit.target as usize].rows.key(hit.row as usize);
        for target in &mut state.left {
            let mut rows = Vec::new();
            hits.iter().for_each(|hit| target.rows.find(keys(hit), &mut rows));
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
        let rows = one_a_key(&targets).into_iter().map(|(_, Reverse(place))| place);
        let rows = rows.skip(options.offset).take(most.min(options.limit.unwrap_or(usize::MAX))).collect();
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
        let end = (*given + self.batch).min(self.rows.len());
        let rows = self.rows[*given..end].iter();
        let found: Vec<Found> = rows.map(|&(target, row)| Found { score: 0.0, target, row }).collect();
        let columns = self.core.columns(&self.output, &self.targets, found.iter(), found.len())?;
        let key = |hit: &'_ Found| self.targets[hit.target as usize].rows.key(hit.row as usize);
        let ids = self.core.key_column(found.iter().map(key));
        limit.check("query")?;
        *given = end;
        Ok(QueryResult { ids, columns })
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
