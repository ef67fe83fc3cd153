//! Rows by a filter: query, count, and what a delete by filter is about.

use crate::collection::core::{Core, Snapshot};
use crate::collection::load::all_or_none;
use crate::collection::merge::{Found, Target};
use crate::collection::partitions::Chosen;
use crate::collection::request::MAX_TOPK;
use crate::collection::types::{QueryOptions, QueryResult};
use crate::database::store::Store;
use crate::database::watchdog::Watched;
use crate::error::{Code, Error, Result};
use crate::filter::{Filter, Table, Used, Values};
use crate::schema::DataType;
use crate::segment::{Key, Live, Rows, SegmentView};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_buffer::BooleanBuffer;
use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The output field that is the number of rows.
pub const COUNT: &str = "count(*)";
/// Bytes of a filter that an error message repeats.
const SHOWN: usize = 200;

/// The flag of calls without a deadline.
static NEVER: AtomicBool = AtomicBool::new(false);

/// The time that a call may take.
pub struct Limit<'a> {
    timeout: Duration,
    /// `None`: for ever.
    watched: Option<(Instant, Watched<'a>)>,
}

impl<'a> Limit<'a> {
    pub fn new(store: &'a Store, timeout: Option<Duration>) -> Limit<'a> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let watched = deadline.map(|deadline| (deadline, store.watchdog.watch(deadline)));
        Limit { timeout: timeout.unwrap_or_default(), watched }
    }

    /// Set when the time is over.
    pub fn stop(&self) -> &AtomicBool {
        self.watched.as_ref().map_or(&NEVER, |(_, watched)| watched.flag())
    }

    /// Fails when it is over.
    pub fn check(&self, what: &str) -> Result<()> {
        let over = |(deadline, _): &(Instant, Watched)| Instant::now() >= *deadline;
        if self.watched.as_ref().is_none_or(|watched| !over(watched) && !self.stop().load(Ordering::Relaxed))
        {
            return Ok(());
        }
        let limit = self.timeout.as_millis();
        Err(Error::new(Code::Timeout, format!("the {what} took longer than {limit} ms")))
    }
}

impl Core {
    pub fn query(&self, filter: &str, options: &QueryOptions) -> Result<QueryResult> {
        self.check_loaded()?;
        if is_count(options) {
            return self.count_rows(filter, options);
        }
        let names = &options.partition_names;
        let output = self.output_fields(&options.output_fields)?;
        let (skipped, most) = page(filter, options)?;
        let filter = self.filter(filter, options.filter_values)?;
        let _query = self.store.activity.query();
        let limit = Limit::new(&self.store, options.timeout);
        let (_snapshot, targets) = self.on_snapshot_of(options.travel_timestamp, |snapshot| {
            let chosen = self.searched(snapshot, names, &filter)?;
            Ok((snapshot.clone(), self.matching_rows(snapshot, &chosen, &filter, limit.stop())?))
        })?;
        let mut rows = one_a_key(&targets);
        rows.drain(..skipped.min(rows.len()));
        rows.truncate(most);
        let found = rows.iter().map(|&(_, Reverse((target, row)))| Found { score: 0.0, target, row });
        let found: Vec<Found> = found.collect();
        limit.check("query")?;
        let columns = self.columns(&output, &targets, found.iter(), found.len())?;
        Ok(QueryResult { ids: self.key_column(rows.iter().map(|(key, _)| *key)), columns })
    }

    /// In the partitions of those names, or in all that are not released.
    pub fn count_matching(&self, filter: &str, values: &str, partitions: &[&str]) -> Result<u64> {
        self.check_loaded()?;
        self.count_live(&self.filter(filter, values)?, partitions, 0, &NEVER)
    }

    /// As of `time`; 0 for now.
    fn count_live(&self, filter: &Filter, partitions: &[&str], time: u64, stop: &AtomicBool) -> Result<u64> {
        let _query = self.store.activity.query();
        let targets = self.on_snapshot_of(time, |snapshot| {
            let chosen = self.searched(snapshot, partitions, filter)?;
            self.matching_rows(snapshot, &chosen, filter, stop)
        })?;
        Ok(targets.iter().map(|target| target.live.count() as u64).sum())
    }

    /// A query for `count(*)`: one row without a key, whose one column is the number of rows.
    fn count_rows(&self, filter: &str, options: &QueryOptions) -> Result<QueryResult> {
        if options.limit.is_some() || options.offset > 0 {
            return Err(Error::invalid("count entities with pagination is not allowed"));
        }
        let filter = self.filter(filter, options.filter_values)?;
        let limit = Limit::new(&self.store, options.timeout);
        let (partitions, time) = (&options.partition_names, options.travel_timestamp);
        let count = self.count_live(&filter, partitions, time, limit.stop())?;
        limit.check("query")?;
        let count: ArrayRef = Arc::new(Int64Array::from_iter_values(i64::try_from(count)));
        let columns = RecordBatch::try_from_iter([(COUNT, count)])
            .map_err(|e| Error::internal(format!("the column of a count: {e}")))?;
        Ok(QueryResult { ids: self.key_column(std::iter::empty()), columns })
    }

    /// The keys of the rows, in one partition or in all, for which the filter holds.
    pub fn keys_to_delete(&self, text: &str, values: &str, partition: Option<u64>) -> Result<ArrayRef> {
        let filter = self.filter(text, values)?;
        if filter.is_always_true() {
            let shown = &text[..text.floor_char_boundary(SHOWN)];
            return Err(Error::invalid(format!("delete plan can't be empty or always true : {shown}")));
        }
        let chosen = self.pinned(&filter).among(&Chosen::one_or_all(partition));
        let targets = self.on_snapshot(|snapshot| self.matching_rows(snapshot, &chosen, &filter, &NEVER))?;
        Ok(self.key_column(one_a_key(&targets).into_iter().map(|(key, _)| key)))
    }

    /// Parses and checks a filter of this collection.
    pub fn filter(&self, text: &str, values: &str) -> Result<Filter> {
        Filter::new(&self.schema, text, &Values::from_json(values)?)
    }

    /// Fails while the collection is closed or released.
    pub fn check_loaded(&self) -> Result<()> {
        self.check_open()?;
        self.snapshot.load().partitions.check_loaded(&self.name.read())
    }

    /// Segments of the chosen partitions with rows that are live and for which the filter holds, opened and verified where
    /// they were not; still without their indexes. After `stop` some are missing.
    pub fn matching<'s>(
        &self,
        snapshot: &'s Snapshot,
        chosen: &Chosen,
        filter: &Filter,
        stop: &AtomicBool,
    ) -> Result<Vec<(Target, &'s SegmentView)>> {
        let is_meant = |view: &&SegmentView| chosen.has(view.partition) && view.live.count() > 0;
        // A load like any other: of one that `memory_limit` refuses nothing stays.
        all_or_none(snapshot, || {
            let mut found = Vec::new();
            for view in snapshot.segments().filter(is_meant) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // A dropped collection's files may go while they are opened.
                let rows = view.rows().map_err(|error| self.check_open().err().unwrap_or(error))?;
                let live = self.filtered(view, &rows, filter)?;
                if live.count() > 0 {
                    found.push((Target { rows, live, index: None }, view));
                }
            }
            Ok(found)
        })
    }

    /// The live rows of a segment for which the filter holds. Of rows that do not change they are remembered.
    pub fn filtered(&self, view: &SegmentView, rows: &Rows, filter: &Filter) -> Result<Live> {
        if filter.is_always_true() {
            return Ok(view.live.clone());
        }
        let Some(cache) = rows.filters().filter(|_| filter.is_kept()) else {
            let (bits, _) = self.evaluated(view, rows, filter, view.live.bits())?;
            return Ok(view.live.kept(&bits));
        };
        if let Some(bits) = cache.get(filter) {
            return Ok(view.live.kept(&bits));
        }
        // Of all rows: later searches may be of times at which others were live.
        let (bits, _) = self.evaluated(view, rows, filter, None)?;
        cache.keep(filter, &bits);
        Ok(view.live.kept(&bits))
    }

    /// The rows of a segment for which the filter holds, and the indexes that were used to find them. Those that are not
    /// `among` may get either bit.
    pub fn evaluated(
        &self,
        view: &SegmentView,
        rows: &Rows,
        filter: &Filter,
        among: Option<&BooleanBuffer>,
    ) -> Result<(BooleanBuffer, Vec<Used>)> {
        let mut indexes = Vec::new();
        for at in filter.indexable() {
            match view.scalar_index(at) {
                Ok(index) => indexes.extend(index.map(|index| (at, index))),
                // Without it the filter is slower.
                Err(error) if error.code() == Code::MemoryLimit => {}
                Err(error) => return Err(self.check_open().err().unwrap_or(error)),
            }
        }
        let table = Table::of(rows.batch());
        let table = indexes.iter().fold(table, |table, (at, index)| match index.scalar() {
            Some(index) => table.with(*at, index),
            None => table,
        });
        let bits = filter.rows(&table, among)?;
        Ok((bits, table.used()))
    }

    pub fn matching_rows(
        &self,
        snapshot: &Snapshot,
        chosen: &Chosen,
        filter: &Filter,
        stop: &AtomicBool,
    ) -> Result<Vec<Target>> {
        let found = self.matching(snapshot, chosen, filter, stop)?;
        Ok(found.into_iter().map(|(target, _)| target).collect())
    }

    /// Primary keys as a column.
    pub fn key_column<'k>(&self, keys: impl Iterator<Item = Key<'k>>) -> ArrayRef {
        match self.schema.primary().data_type {
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(keys.map(Key::int))),
            _ => Arc::new(StringArray::from_iter_values(keys.map(Key::text))),
        }
    }
}

/// Whether a query asks for `count(*)`, in any case and, as in Milvus, alone.
fn is_count(options: &QueryOptions) -> bool {
    matches!(options.output_fields[..], [field] if field.trim().eq_ignore_ascii_case(COUNT))
}

/// How many rows to pass over, and how many to give at most.
fn page(filter: &str, options: &QueryOptions) -> Result<(usize, usize)> {
    let Some(limit) = options.limit else {
        if filter.trim_ascii().is_empty() {
            return Err(Error::invalid("empty expression should be used with limit"));
        }
        if options.offset > 0 {
            let offset = options.offset;
            return Err(Error::invalid(format!("offset [{offset}] should be used with limit")));
        }
        return Ok((0, usize::MAX));
    };
    let total = limit.saturating_add(options.offset);
    if limit == 0 || total > MAX_TOPK {
        return Err(Error::invalid(format!(
            "(offset+limit) should be in range [1, {MAX_TOPK}], but got {total}"
        )));
    }
    Ok((options.offset, limit))
}

/// The live rows, in the order of their keys; of the rows of one key the newest.
pub fn one_a_key(targets: &[Target]) -> Vec<(Key<'_>, Reverse<(u32, u32)>)> {
    let mut rows = Vec::with_capacity(targets.iter().map(|target| target.live.count()).sum());
    for (number, target) in targets.iter().enumerate() {
        for (start, end) in target.live.runs() {
            let place = |row: usize| Reverse((number as u32, row as u32));
            rows.extend((start..end).map(|row| (target.rows.key(row), place(row))));
        }
    }
    rows.sort_unstable();
    rows.dedup_by_key(|(key, _)| *key);
    rows
}
