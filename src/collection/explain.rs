//! How a search would be done: what the filter was taken for, and what is chosen for each segment.

use crate::collection::core::{Core, Snapshot};
use crate::collection::load::all_or_none;
use crate::collection::partitions::Chosen;
use crate::collection::query::Limit;
use crate::collection::request::Request;
use crate::collection::types::SearchOptions;
use crate::error::Result;
use crate::filter::{Filter, Used};
use crate::index::plan::{Choice, Decision};
use crate::index::{Probe, Queries};
use crate::segment::{SegmentView, Source};
use serde_json::{Map, Value, json};

impl Core {
    pub fn explain(&self, field: &str, options: &SearchOptions) -> Result<Value> {
        self.check_loaded()?;
        let filter = self.filter(options.filter, options.filter_values)?;
        let _query = self.store.activity.query();
        let limit = Limit::new(&self.store, options.timeout);
        self.on_snapshot_of(options.travel_timestamp, |snapshot| {
            let request = self.request(snapshot, field, options)?;
            let chosen = self.searched(snapshot, &options.partition_names, &filter)?;
            // A load like any other: of one that `memory_limit` refuses nothing stays.
            let segments = all_or_none(snapshot, || {
                self.explain_segments(snapshot, &chosen, &request, &filter, &limit)
            })?;
            Ok(json!({
                "field": field,
                "index_type": request.spec.name,
                "metric_type": request.spec.metric.name(),
                "params": request.params.to_json(),
                "topk": options.topk,
                "offset": options.offset,
                "range": request.range.is_bounded(),
                "filter": filter.describe(&self.schema),
                "segments": segments,
            }))
        })
    }

    /// What would be done with each segment.
    fn explain_segments(
        &self,
        snapshot: &Snapshot,
        chosen: &Chosen,
        request: &Request,
        filter: &Filter,
        limit: &Limit,
    ) -> Result<Vec<Value>> {
        let mut segments = Vec::new();
        for view in snapshot.segments().filter(|view| chosen.has(view.partition)) {
            limit.check("search")?;
            let mut told = describe(view);
            let rows = view.rows()?;
            let is_kept = rows.filters().is_some_and(|cache| cache.has(filter));
            told.insert("filter_cached".to_owned(), json!(is_kept));
            // Evaluated all the same, to tell how.
            let (bits, used) = self.evaluated(view, &rows, filter, view.live.bits(), limit.stop())?;
            limit.check("search")?;
            told.insert("filter_indexes".to_owned(), self.describe_used(snapshot, &used));
            let live = view.live.kept(&bits);
            let allowed = live.count();
            if allowed == 0 {
                told.extend(choice("none", 0, "no row is allowed".to_owned()));
                segments.push(Value::Object(told));
                continue;
            }
            let k = request.k.min(allowed);
            let (allow, stop) = (live.bits(), limit.stop());
            let probe = Probe { queries: Queries::Float(&[]), k, allow, params: &request.params, stop };
            let index = view.vector_index()?;
            match index.as_ref().and_then(|index| index.vector()) {
                Some(index) => {
                    let decision = Decision::of(index, &probe);
                    told.extend(choice(decision.choice.name(), allowed, decision.to_string()));
                    told.insert("cost".to_owned(), costs(&decision));
                }
                None => {
                    let why = format!("there is no index: {allowed} rows are scored");
                    told.extend(choice(Choice::Exact.name(), allowed, why));
                }
            }
            segments.push(Value::Object(told));
        }
        Ok(segments)
    }

    /// The scalar indexes that told for which rows conditions hold, and how many rows each of them named.
    fn describe_used(&self, snapshot: &Snapshot, used: &[Used]) -> Value {
        let name = |at: usize| {
            let field = self.schema.fields().get(at)?;
            snapshot.definitions.of_field(&field.name).map(|definition| definition.name.clone())
        };
        used.iter().map(|used| json!({ "index_name": name(used.at), "rows": used.rows })).collect()
    }
}

/// What a segment is, whatever is asked of it.
fn describe(view: &SegmentView) -> Map<String, Value> {
    let mut told = Map::new();
    let number = match &view.source {
        Source::Growing(_) => Value::Null,
        Source::Sealed(sealed) => json!(sealed.id()),
    };
    told.insert("segment".to_owned(), number);
    told.insert("rows".to_owned(), json!(view.len()));
    told.insert("live".to_owned(), json!(view.live.count()));
    told.insert("has_index".to_owned(), json!(view.vector_file().is_some()));
    told
}

fn choice(name: &str, allowed: usize, why: String) -> [(String, Value); 3] {
    [("allowed", json!(allowed)), ("choice", json!(name)), ("why", json!(why))]
        .map(|(k, v)| (k.to_owned(), v))
}

/// The costs that were compared, in exact scores of a row; null for that of an index that would look at all rows.
fn costs(decision: &Decision) -> Value {
    let index = decision.index_cost.is_finite().then(|| decision.index_cost.round() as u64);
    json!({ "exact": decision.exact_cost as u64, "index": index })
}
