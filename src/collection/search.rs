//! Search: checks, one pass over the segments of a snapshot, and the merge of what they found.

use crate::batch::{key_of, not_finite, values_of_key};
use crate::collection::core::{Core, Snapshot};
use crate::collection::merge::{Batch, Found, Merger, Target};
use crate::collection::query::Limit;
use crate::collection::types::{Output, SearchOptions, SearchResult};
use crate::error::{Code, Error, Result};
use crate::index::Queries;
use crate::index::catalog::{IndexSpec, IndexType, Metric, Params, SearchParams, VectorKind};
use crate::schema::{DataType, Field};
use crate::segment::{Run, gather_column};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_schema::{Field as ArrowField, Schema as ArrowSchema};
use rayon::prelude::*;
use serde_json::Value;
use std::sync::Arc;

/// Most hits of a query, and most queries of a search.
pub const MAX_TOPK: usize = 16384;
const MAX_NQ: usize = 16384;
const MAX_ROUND: i32 = 6;
/// Fewer queries than this are not worth another thread.
const MIN_CHUNK: usize = 8;

/// A checked search.
struct Plan<'a> {
    queries: Batch<'a>,
    k: usize,
    spec: Arc<IndexSpec>,
    params: SearchParams,
    output: Vec<Output>,
    round: i32,
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
        let _query = self.store.activity.query();
        let limit = Limit::new(&self.store, options.timeout);
        // The snapshot is held to the end: its files may go afterwards.
        let (_snapshot, plan, targets) = self.on_snapshot(|snapshot| {
            let plan = self.plan(snapshot, field, queries, nq, options)?;
            let chosen = self.searched(snapshot, &options.partition_names, &filter)?;
            let mut targets = self.matching(snapshot, &chosen, &filter, limit.stop())?;
            for (target, view) in &mut targets {
                target.index = view.loaded_index()?;
            }
            Ok((snapshot.clone(), plan, targets.into_iter().map(|(target, _)| target).collect::<Vec<_>>()))
        })?;
        let merger =
            Merger { targets: &targets, metric: plan.spec.metric, params: &plan.params, stop: limit.stop() };
        let found = self.run(&plan, &merger)?;
        limit.check("search")?;
        self.result(&plan, &targets, &found)
    }

    fn plan<'a>(
        &self,
        snapshot: &Snapshot,
        name: &str,
        queries: Queries<'a>,
        nq: usize,
        options: &SearchOptions,
    ) -> Result<Plan<'a>> {
        let (_, field) = self.schema.field(name).ok_or_else(|| not_exist(name))?;
        let queries = check_queries(field, queries, nq)?;
        let k = options.topk;
        if !(1..=MAX_TOPK).contains(&k) {
            return Err(Error::invalid(format!(
                "topk [{k}] is invalid, top k should be in range [1, {MAX_TOPK}], but got {k}"
            )));
        }
        let round = options.round_decimal;
        if !(-1..=MAX_ROUND).contains(&round) {
            return Err(Error::invalid(format!(
                "round_decimal [{round}] is invalid, should be -1 or an integer in range [0, {MAX_ROUND}]"
            )));
        }
        let definition = snapshot.definition.as_ref().filter(|d| d.field == name);
        let asked = options.metric_type.filter(|metric| !metric.is_empty());
        let spec = match definition {
            Some(definition) => definition.spec.clone(),
            None => Arc::new(flat(field, asked, options.params)?),
        };
        if let Some(actual) = asked
            && Metric::from_name(actual) != Some(spec.metric)
        {
            let expected = spec.metric.name();
            return Err(Error::invalid(format!(
                "metric type not match: invalid parameter[expected={expected}][actual={actual}]"
            )));
        }
        let params = spec.search_params(options.params, k)?;
        let output = self.output_fields(&options.output_fields)?;
        Ok(Plan { queries, k, spec, params, output, round })
    }

    /// The output fields, each once; `*` is all fields. In a collection with a dynamic field other names are keys of it.
    pub fn output_fields(&self, names: &[&str]) -> Result<Vec<Output>> {
        let schema = &*self.schema;
        let mut output: Vec<Output> = Vec::with_capacity(names.len());
        for &name in names {
            let found = match (name, schema.field(name)) {
                ("*", _) => (0..schema.fields().len()).map(|place| Output { place, key: None }).collect(),
                (_, Some((place, _))) => vec![Output { place, key: None }],
                (_, None) => {
                    let key = key_of(schema, name).zip(schema.dynamic_at());
                    let (key, place) = key.ok_or_else(|| not_exist(name))?;
                    vec![Output { place, key: Some(key.to_owned()) }]
                }
            };
            for one in found {
                if !output.contains(&one) {
                    output.push(one);
                }
            }
        }
        Ok(output)
    }

    /// The hits of every query. One query, and few, run on the caller's thread.
    fn run(&self, plan: &Plan, merger: &Merger) -> Result<Vec<Vec<Found>>> {
        let pool = &self.store.shared.pool;
        let nq = plan.queries.count();
        let chunk = nq.div_ceil(pool.current_num_threads()).max(MIN_CHUNK);
        if nq <= chunk {
            return merger.search(plan.queries, plan.k);
        }
        let chunks = (0..nq.div_ceil(chunk)).into_par_iter().map(|i| {
            let queries = plan.queries.slice(i * chunk..((i + 1) * chunk).min(nq));
            merger.search(queries, plan.k)
        });
        let found: Vec<_> = pool.install(|| chunks.collect::<Result<_>>())?;
        Ok(found.into_iter().flatten().collect())
    }

    fn result(&self, plan: &Plan, targets: &[Target], found: &[Vec<Found>]) -> Result<SearchResult> {
        let mut offsets = Vec::with_capacity(found.len() + 1);
        offsets.push(0);
        let mut total = 0;
        for hits in found {
            total += hits.len() as u64;
            offsets.push(total);
        }
        let all = || found.iter().flatten();
        let scores = all().map(|hit| round(plan.spec.metric.user_score(hit.score), plan.round)).collect();
        let ids = self.key_column(all().map(|hit| targets[hit.target as usize].rows.key(hit.row as usize)));
        let columns = self.columns(&plan.output, targets, all(), total as usize)?;
        Ok(SearchResult { offsets, ids, scores, columns })
    }

    /// The output fields of rows that were found.
    pub fn columns<'a>(
        &self,
        output: &[Output],
        targets: &[Target],
        found: impl Iterator<Item = &'a Found>,
        total: usize,
    ) -> Result<RecordBatch> {
        let mut fields: Vec<ArrowField> = Vec::with_capacity(output.len());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(output.len());
        let run = |hit: &Found| Run {
            source: hit.target as usize,
            start: hit.row as usize,
            end: hit.row as usize + 1,
        };
        let runs: Vec<Run> = if output.is_empty() { Vec::new() } else { found.map(run).collect() };
        for Output { place, key } in output {
            let field = &self.schema.fields()[*place];
            let sources: Vec<&ArrayRef> =
                targets.iter().map(|target| target.rows.batch().column(*place)).collect();
            let array = match runs.is_empty() {
                true => new_empty_array(&field.arrow_type()),
                false => gather_column(&sources, &runs)?,
            };
            match key {
                None => {
                    fields.push(field.arrow_field());
                    arrays.push(array);
                }
                Some(key) => {
                    fields.push(ArrowField::new(key, field.arrow_type(), true));
                    arrays.push(values_of_key(&array, key));
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(total));
        RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), arrays, &options)
            .map_err(|e| Error::internal(format!("output columns: {e}")))
    }
}

fn not_exist(field: &str) -> Error {
    Error::new(Code::FieldNotFound, format!("field {field} not exist"))
}

fn check_queries<'a>(field: &Field, queries: Queries<'a>, nq: usize) -> Result<Batch<'a>> {
    let name = &field.name;
    if !(1..=MAX_NQ).contains(&nq) {
        return Err(Error::invalid(format!(
            "nq (number of search vector per search request) should be in range [1, {MAX_NQ}], but got {nq}"
        )));
    }
    let (given, unit) = match (field.data_type, queries) {
        (DataType::FloatVector, Queries::Float(floats)) => (floats.len(), 1),
        (DataType::BinaryVector, Queries::Binary(bytes)) => (bytes.len(), 8),
        (kind, _) if kind.is_vector() => {
            return Err(Error::invalid(format!(
                "field {name} holds {}, the queries are others",
                kind.name()
            )));
        }
        (kind, _) => {
            return Err(Error::invalid(format!("field {name} of type {} cannot be searched", kind.name())));
        }
    };
    let stride = field.dim / unit;
    if nq.checked_mul(stride) != Some(given) {
        let dim = given / nq * unit;
        return Err(Error::invalid(format!(
            "the dim ({dim}) of field data({name}) is not equal to schema dim ({})",
            field.dim
        )));
    }
    if let Queries::Float(floats) = queries
        && let Some(at) = floats.iter().position(|value| !value.is_finite())
    {
        return Err(not_finite(floats[at]).within(format!("query {}", at / field.dim)));
    }
    Ok(Batch { values: queries, stride })
}

/// How a field without an index is searched: exactly, by the request's metric, else L2 or HAMMING.
fn flat(field: &Field, asked: Option<&str>, params: &str) -> Result<IndexSpec> {
    let (kind, index_type, usual) = match field.data_type {
        DataType::BinaryVector => (VectorKind::Binary, IndexType::BinFlat, Metric::Hamming),
        _ => (VectorKind::Float, IndexType::Flat, Metric::L2),
    };
    let in_params = || {
        let value: Value = serde_json::from_str(params).ok()?;
        Some(value.get("metric_type")?.as_str()?.to_owned())
    };
    let asked = asked.map(str::to_owned).or_else(in_params);
    let metric = asked.map_or(Ok(usual), |metric| Metric::parse(&metric, kind))?;
    Ok(IndexSpec { index_type, name: index_type.name(), metric, params: Params::default() })
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
    use crate::schema::Schema;

    #[test]
    fn rounding() {
        assert_eq!(round(1.23456, -1), 1.23456);
        assert_eq!(round(1.25, 1), 1.3);
        assert_eq!(round(-1.25, 1), -1.3);
        assert_eq!(round(1234.5678, 0), 1235.0);
        assert_eq!(round(f32::MAX, 6), f32::MAX);
    }

    #[test]
    fn metric_of_a_field_without_an_index() {
        let metric = |kind: &str, asked, params| {
            let field = format!(r#"{{"name":"v","data_type":"{kind}","dim":8}}"#);
            let key = r#"{"name":"id","data_type":"Int64","is_primary":true}"#;
            let schema = Schema::from_json(&format!(r#"{{"fields":[{key},{field}]}}"#)).unwrap();
            flat(schema.field("v").unwrap().1, asked, params).map(|spec| spec.metric).ok()
        };
        assert_eq!(metric("FloatVector", None, ""), Some(Metric::L2));
        assert_eq!(metric("FloatVector", Some("ip"), ""), Some(Metric::Ip));
        assert_eq!(metric("FloatVector", None, r#"{"metric_type":"COSINE"}"#), Some(Metric::Cosine));
        assert_eq!(metric("FloatVector", Some("HAMMING"), ""), None);
        assert_eq!(metric("BinaryVector", None, ""), Some(Metric::Hamming));
        assert_eq!(metric("BinaryVector", Some("substructure"), ""), Some(Metric::Substructure));
        assert_eq!(metric("BinaryVector", None, r#"{"metric_type":"JACCARD"}"#), Some(Metric::Jaccard));
        assert_eq!(metric("BinaryVector", Some("L2"), ""), None);
    }
}
