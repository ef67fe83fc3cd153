//! What a search asks, checked before anything is searched.

use crate::batch::{key_of, not_finite};
use crate::collection::core::{Core, Snapshot};
use crate::collection::merge::Batch;
use crate::collection::types::{Output, SearchOptions};
use crate::error::{Code, Error, Result};
use crate::index::Queries;
use crate::index::catalog::{IndexSpec, IndexType, Metric, Params, Range, SearchParams, VectorKind};
use crate::schema::{DataType, Field};
use serde_json::Value;
use std::sync::Arc;

/// Most hits of a query, and most queries of a search.
pub const MAX_TOPK: usize = 16384;
const MAX_NQ: usize = 16384;
const MAX_ROUND: i32 = 6;

/// A checked search, without its queries.
#[derive(Clone)]
pub struct Request {
    /// How many hits a query wants, those that are passed over included.
    pub k: usize,
    /// How many of the best are passed over.
    pub offset: usize,
    pub spec: Arc<IndexSpec>,
    pub params: SearchParams,
    pub range: Range,
    pub output: Vec<Output>,
    pub round: i32,
    /// The place of the field of whose values each gets one hit.
    pub group: Option<usize>,
}

impl Core {
    /// Checks all of a search of the field `name` but its queries.
    pub fn request(&self, snapshot: &Snapshot, name: &str, options: &SearchOptions) -> Result<Request> {
        let (_, field) = self.schema.field(name).ok_or_else(|| not_exist(name))?;
        if !field.data_type.is_vector() {
            let kind = field.data_type.name();
            return Err(Error::invalid(format!("field {name} of type {kind} cannot be searched")));
        }
        let k = window(options)?;
        let round = options.round_decimal;
        if !(-1..=MAX_ROUND).contains(&round) {
            return Err(Error::invalid(format!(
                "round_decimal [{round}] is invalid, should be -1 or an integer in range [0, {MAX_ROUND}]"
            )));
        }
        let definition = snapshot.definitions.of_field(name);
        let asked = options.metric_type.filter(|metric| !metric.is_empty());
        let spec = match definition.and_then(|definition| definition.spec.vector()) {
            Some(spec) => spec.clone(),
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
        let range = spec.range(options.params)?;
        let output = self.output_fields(&options.output_fields)?;
        let group = options.group_by_field.filter(|name| !name.is_empty());
        let group = group.map(|name| self.group_field(name)).transpose()?;
        Ok(Request { k, offset: options.offset, spec, params, range, output, round, group })
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
                    let place = schema.dynamic_at().ok_or_else(|| not_exist(name))?;
                    let key = key_of(schema, name).ok_or_else(|| no_key(name))?;
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

    /// The place of a field to group by.
    fn group_field(&self, name: &str) -> Result<usize> {
        let (place, field) = self.schema.field(name).ok_or_else(|| not_exist(name))?;
        match field.data_type {
            DataType::Bool
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::VarChar => Ok(place),
            other => Err(Error::invalid(format!(
                "unsupported data type {} for group by operator: field {name} should be a Bool, an integer or a VarChar",
                other.name()
            ))),
        }
    }
}

/// How many hits a query wants, with those that are passed over.
fn window(options: &SearchOptions) -> Result<usize> {
    let SearchOptions { topk, offset, .. } = *options;
    if !(1..=MAX_TOPK).contains(&topk) {
        return Err(Error::invalid(format!(
            "topk [{topk}] is invalid, top k should be in range [1, {MAX_TOPK}], but got {topk}"
        )));
    }
    let total = topk.saturating_add(offset);
    if total > MAX_TOPK {
        return Err(Error::invalid(format!(
            "invalid max query result window, (offset+limit) should be in range [1, {MAX_TOPK}], but got {total}"
        )));
    }
    Ok(total)
}

/// Milvus' words for an output field that is neither a field nor a dynamic key.
fn no_key(name: &str) -> Error {
    Error::invalid(format!(
        "parse output field name failed: {name}; a dynamic key is named as key or $meta[\"key\"], and not support getting \
         subkeys of json field yet"
    ))
}

/// Milvus' words for a field that is not there.
pub fn not_exist(field: &str) -> Error {
    Error::new(Code::FieldNotFound, format!("field {field} not exist"))
}

/// Checks the queries of a search of `field`.
pub fn check_queries<'a>(field: &Field, queries: Queries<'a>, nq: usize) -> Result<Batch<'a>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

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
