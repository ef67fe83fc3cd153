//! Rows by a filter: query, count, and what a delete by filter is about.

use crate::collection::core::{Core, Snapshot};
use crate::collection::load::all_or_none;
use crate::collection::merge::Target;
use crate::collection::partitions::Chosen;
use crate::collection::request::MAX_TOPK;
use crate::collection::types::{QueryOptions, QueryResult};
use crate::database::store::Store;
use crate::database::watchdog::Watched;
use crate::error::{Code, Error, Result};
use crate::filter::{Filter, Table, Used, Values};
use crate::segment::{Live, Rows, SegmentView};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The output field that is the number of rows.
pub const COUNT: &str = "count(*)";
/// Bytes of a filter that an error message repeats.
const SHOWN: usize = 200;

/// The flag of calls without a deadline.
pub static NEVER: AtomicBool = AtomicBool::new(false);

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

    /// Whether it is over, at next to no cost.
    pub fn is_over(&self) -> bool {
        self.stop().load(Ordering::Relaxed)
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
        let (skipped, most) = page(filter.trim_ascii().is_empty(), options)?;
        let filter = self.filter(filter, options.filter_values)?;
        let _query = self.store.activity.query();
        let limit = Limit::new(&self.store, options.timeout);
        let (_snapshot, targets) = self.on_snapshot_of(options.travel_timestamp, |snapshot| {
            let chosen = self.searched(snapshot, names, &filter)?;
            Ok((snapshot.clone(), self.matching_rows(snapshot, &chosen, &filter, limit.stop())?))
        })?;
        limit.check("query")?;
        let places = self.in_order(&targets, skipped, most)?;
        limit.check("query")?;
        self.rows_at(&output, &targets, &places.list, &limit)
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
        check_count(options)?;
        let filter = self.filter(filter, options.filter_values)?;
        let limit = Limit::new(&self.store, options.timeout);
        let (partitions, time) = (&options.partition_names, options.travel_timestamp);
        let count = self.count_live(&filter, partitions, time, limit.stop())?;
        limit.check("query")?;
        self.counted(count)
    }

    /// A number of rows as the one row of a query for `count(*)`.
    pub fn counted(&self, count: u64) -> Result<QueryResult> {
        let count: ArrayRef = Arc::new(Int64Array::from_iter_values(i64::try_from(count)));
        let columns = RecordBatch::try_from_iter([(COUNT, count)])
            .map_err(|e| Error::internal(format!("the column of a count: {e}")))?;
        Ok(QueryResult { ids: self.key_column(std::iter::empty()), columns, memory: None })
    }

    /// The keys of the rows, in one partition or in all, for which the filter holds.
    pub fn keys_to_delete(&self, text: &str, values: &str, partition: Option<u64>) -> Result<ArrayRef> {
        let filter = self.filter(text, values)?;
        if filter.is_always_true() {
            let shown = &text[..text.floor_char_boundary(SHOWN)];
            return Err(Error::invalid(format!("delete plan can't be empty or always true : {shown}")));
        }
        let chosen = self.pinned(&filter).among(&Chosen::one_or_all(partition));
        let targets = self.on_snapshot(|snapshot| self.stored_matching(snapshot, &chosen, &filter))?;
        let places = self.in_order(&targets, 0, usize::MAX)?;
        let keys = places.list.iter().map(|&(target, row)| targets[target as usize].rows.key(row as usize));
        Ok(self.key_column(keys))
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
    /// they were not; still without their indexes. After `stop` they are any.
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
                let live = self.filtered(view, &rows, filter, stop)?;
                if live.count() > 0 {
                    found.push((Target { rows, live, index: None }, view));
                }
            }
            Ok(found)
        })
    }

    /// The live rows of a segment for which the filter holds; any rows after `stop`. Of rows that do not change they are
    /// remembered.
    pub fn filtered(
        &self,
        view: &SegmentView,
        rows: &Rows,
        filter: &Filter,
        stop: &AtomicBool,
    ) -> Result<Live> {
        if filter.is_always_true() {
            return Ok(view.live.clone());
        }
        let Some(cache) = rows.filters().filter(|_| filter.is_kept()) else {
            let (bits, _) = self.evaluated(view, rows, filter, view.live.bits(), stop)?;
            return Ok(view.live.kept(&bits));
        };
        if let Some(bits) = cache.get(filter) {
            return Ok(view.live.kept(&bits));
        }
        // Of all rows: later searches may be of times at which others were live.
        let (bits, _) = self.evaluated(view, rows, filter, None, stop)?;
        if !stop.load(Ordering::Relaxed) {
            cache.keep(filter, &bits);
        }
        Ok(view.live.kept(&bits))
    }

    /// The rows of a segment for which the filter holds, and the indexes that were used to find them. Those that are not
    /// `among` may get either bit, and so may all after `stop`.
    pub fn evaluated(
        &self,
        view: &SegmentView,
        rows: &Rows,
        filter: &Filter,
        among: Option<&BooleanBuffer>,
        stop: &AtomicBool,
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
        let table = Table::of(rows.batch()).until(stop);
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
}

/// Whether a query asks for `count(*)`, in any case and, as in Milvus, alone.
pub fn is_count(options: &QueryOptions) -> bool {
    matches!(options.output_fields[..], [field] if field.trim().eq_ignore_ascii_case(COUNT))
}

/// Fails for a count of some pages of the rows.
pub fn check_count(options: &QueryOptions) -> Result<()> {
    if options.limit.is_some() || options.offset > 0 {
        return Err(Error::invalid("count entities with pagination is not allowed"));
    }
    Ok(())
}

/// How many rows to pass over, and how many to give at most. A query for all rows needs a limit.
pub fn page(of_all: bool, options: &QueryOptions) -> Result<(usize, usize)> {
    let Some(limit) = options.limit else {
        if of_all {
            return Err(Error::invalid("empty expression should be used with limit"));
        }
        if options.offset > 0 {
            let offset = options.offset;
            return Err(Error::invalid(format!("offset [{offset}] should be used with limit")));
        }
        return Ok((0, usize::MAX));
    };
    if limit == 0 {
        return Err(Error::invalid("limit [0] is invalid, should be greater than 0"));
    }
    let total = limit.saturating_add(options.offset);
    if total > MAX_TOPK {
        return Err(Error::invalid(format!(
            "(offset+limit) should be in range [1, {MAX_TOPK}], but got {total}"
        )));
    }
    Ok((options.offset, limit))
}
