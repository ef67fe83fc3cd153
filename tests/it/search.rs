//! What a search asks beside its queries, against a plain model: ranges, pages, groups, stored rows as queries, iterators,
//! counts, explanations.

mod iterators;
mod ranges;

use crate::support::{Random, ids_of, keys, options, search_options, texts, vectors};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, FixedSizeBinaryArray, Int32Array, RecordBatch, StringArray};
use elanus::Code;
use elanus::collection::{
    Collection, IndexRequest, IteratorOptions, OnConflict, Queries, QueryOptions, SearchOptions,
};
use elanus::database::Database;
use elanus::schema::Schema;
use elanus::storage::fault::FaultDisk;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

const DIM: usize = 8;
const COUNT: i64 = 3000;
/// Every index type of float vectors, with knobs at which it answers exactly or nearly so, and what share of hits it finds.
const KINDS: [(&str, &str, &str, f64); 9] = [
    ("FLAT", "", "{}", 1.0),
    ("IVF_FLAT", r#""nlist":16"#, r#"{"nprobe":16}"#, 1.0),
    ("IVF_SQ8", r#""nlist":16"#, r#"{"nprobe":16,"refine_k":4}"#, 0.95),
    ("IVF_SQ8H", r#""nlist":16"#, r#"{"nprobe":16,"refine_k":4}"#, 0.95),
    ("IVF_PQ", r#""nlist":16,"m":8"#, r#"{"nprobe":16,"refine_k":16}"#, 0.9),
    ("HNSW", r#""M":12,"efConstruction":50"#, r#"{"ef":400}"#, 0.95),
    ("RNSG", r#""out_degree":24,"candidate_pool_size":100,"knng":40"#, r#"{"search_length":300}"#, 0.9),
    ("ANNOY", r#""n_trees":8"#, r#"{"search_k":3000}"#, 0.95),
    ("DISKANN", r#""max_degree":24,"search_list_size":50"#, r#"{"search_list":300}"#, 0.95),
];

fn vector(id: i64) -> Vec<f32> {
    Random((id as u64).wrapping_mul(77)).vector(DIM)
}

fn rows(ids: &[i64]) -> RecordBatch {
    let groups: ArrayRef = Arc::new(Int32Array::from_iter_values(ids.iter().map(|&id| group(id))));
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter(ids.iter().map(|&id| Some(id % 3 == 0))));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(ids.iter().map(|&id| name(id))));
    let rows: Vec<Vec<f32>> = ids.iter().map(|&id| vector(id)).collect();
    let columns = [("id", keys(ids)), ("g", groups), ("flag", flags), ("t", names), ("v", vectors(&rows))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn group(id: i64) -> i32 {
    (id % 700) as i32
}

fn name(id: i64) -> String {
    format!("n{}", id % 5)
}

fn schema() -> Schema {
    Schema::from_json(&format!(
        r#"{{"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},{{"name":"g","data_type":"Int32"}},
        {{"name":"flag","data_type":"Bool"}},{{"name":"t","data_type":"VarChar","max_length":9}},
        {{"name":"v","data_type":"FloatVector","dim":{DIM}}}]}}"#
    ))
    .unwrap()
}

/// Every eleventh row is deleted; one sealed segment, and growing rows behind it.
fn filled() -> (FaultDisk, Database, Collection) {
    let disk = FaultDisk::new();
    let database = Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap();
    let collection = database.create_collection("c", schema()).unwrap();
    collection.insert(rows(&(0..COUNT - 200).collect::<Vec<_>>())).unwrap();
    collection.flush().unwrap();
    collection.insert(rows(&(COUNT - 200..COUNT).collect::<Vec<_>>())).unwrap();
    let gone: Vec<i64> = (0..COUNT).filter(|id| id % 11 == 0).collect();
    collection.delete(&keys(&gone)).unwrap();
    (disk, database, collection)
}

fn index(collection: &Collection, kind: &str, metric: &str, params: &str) {
    let description = format!(r#"{{"index_type":"{kind}","metric_type":"{metric}","params":{{{params}}}}}"#);
    let (field, description, on_conflict) = ("v", description.as_str(), OnConflict::Replace);
    let request = IndexRequest { field, description, name: None, on_conflict, wait: true };
    collection.create_index(&request, None).unwrap();
}

/// The score as users see it.
fn score(metric: &str, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    match metric {
        "L2" => dot(a, a) + dot(b, b) - 2.0 * dot(a, b),
        "IP" => dot(a, b),
        _ => dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    }
}

/// Live rows by score, best first.
fn ranked(metric: &str, query: &[f32], holds: impl Fn(i64) -> bool) -> Vec<(i64, f64)> {
    let live = (0..COUNT).filter(|&id| id % 11 != 0 && holds(id));
    let mut all: Vec<(i64, f64)> = live.map(|id| (id, score(metric, &vector(id), query))).collect();
    let sign = if metric == "L2" { 1.0 } else { -1.0 };
    all.sort_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));
    all
}

fn ids(ranked: &[(i64, f64)]) -> Vec<i64> {
    ranked.iter().map(|(id, _)| *id).collect()
}

fn message<T>(outcome: elanus::Result<T>) -> String {
    let error = outcome.err().expect("an error");
    assert_eq!(error.code(), Code::InvalidParameter, "{error}");
    error.message().to_owned()
}

fn with(params: &str, more: &str) -> String {
    let mut params: serde_json::Value = serde_json::from_str(params).unwrap();
    let more: serde_json::Value = serde_json::from_str(more).unwrap();
    let more = more.as_object().unwrap().clone();
    params.as_object_mut().unwrap().extend(more);
    params.to_string()
}

#[test]
fn pages_and_rounding() {
    let (_disk, _database, collection) = filled();
    let query = vector(-2);
    let all = ranked("L2", &query, |_| true);
    for offset in [0, 1, 50, 2700, 5000] {
        let options =
            SearchOptions { offset, round_decimal: 2, output_fields: vec!["t"], ..search_options(40) };
        let queries = [query.clone(), vector(-4)].concat();
        let result = collection.search("v", Queries::Float(&queries), 2, &options).unwrap();
        let first = &all[offset.min(all.len())..(offset + 40).min(all.len())];
        assert_eq!(result.offsets[1] as usize, first.len());
        let found = ids_of(&result.ids);
        assert_eq!(found[..first.len()], ids(first));
        assert_eq!(texts(result.columns.column(0)), found.iter().map(|&id| name(id)).collect::<Vec<_>>());
        let rounded = |s: &f32| (f64::from(*s) * 100.0 - (f64::from(*s) * 100.0).round()).abs() < 1e-3;
        assert!(result.scores.iter().all(rounded));
    }
}

/// The best row of each of the k best groups, for few groups and many, with filters, ranges and pages.
#[test]
fn groups_have_one_hit_each() {
    let (_disk, _database, collection) = filled();
    let query = vector(-3);
    let value = |field: &str, id: i64| match field {
        "g" => group(id).to_string(),
        "flag" => (id % 3 == 0).to_string(),
        "t" => name(id),
        _ => id.to_string(),
    };
    for kind in ["", "FLAT", "HNSW"] {
        if !kind.is_empty() {
            index(&collection, kind, "L2", "");
        }
        for (field, topk, offset) in [
            ("g", 10, 0),
            ("g", 650, 0),
            ("g", 1000, 0),
            ("flag", 10, 0),
            ("t", 4, 0),
            ("t", 9, 2),
            ("id", 30, 5),
        ] {
            for filter in ["", "id >= 100"] {
                let options = SearchOptions {
                    offset,
                    filter,
                    group_by_field: Some(field),
                    params: r#"{"ef":2000}"#,
                    ..search_options(topk)
                };
                let mut seen = HashSet::new();
                let best = ranked("L2", &query, |id| filter.is_empty() || id >= 100);
                let best = best.iter().filter(|(id, _)| seen.insert(value(field, *id)));
                let truth: Vec<i64> = best.map(|(id, _)| *id).skip(offset).take(topk).collect();
                let result = collection.search("v", Queries::Float(&query), 1, &options).unwrap();
                let found = ids_of(&result.ids);
                if kind == "HNSW" {
                    let groups: HashSet<String> = found.iter().map(|&id| value(field, id)).collect();
                    assert!(groups.len() == found.len() && found.len() == truth.len(), "{field} {topk}");
                } else {
                    assert_eq!(found, truth, "{kind} {field} {topk} {filter}");
                }
            }
        }
    }
    // Two rows of one key in two groups: the nearer one is the hit, the other is none.
    let twin = RecordBatch::try_from_iter([
        ("id", keys(&[1])),
        ("g", Arc::new(Int32Array::from(vec![9999])) as ArrayRef),
        ("flag", Arc::new(BooleanArray::from(vec![true])) as ArrayRef),
        ("t", Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
        ("v", vectors(std::slice::from_ref(&query))),
    ]);
    collection.insert(twin.unwrap()).unwrap();
    let options = SearchOptions { group_by_field: Some("g"), ..search_options(1000) };
    let found = ids_of(&collection.search("v", Queries::Float(&query), 1, &options).unwrap().ids);
    assert_eq!((found[0], found.iter().filter(|&&id| id == 1).count()), (1, 1));
}

#[test]
fn stored_rows_as_queries() {
    let (_disk, _database, collection) = filled();
    let asked = [5, 2999, 5, 17];
    let result = collection.search_by_keys("v", &keys(&asked), &search_options(4)).unwrap();
    let found = ids_of(&result.ids);
    for (query, &id) in asked.iter().enumerate() {
        assert_eq!(found[4 * query..4 * query + 4], ids(&ranked("L2", &vector(id), |_| true)[..4]));
        assert_eq!((found[4 * query], result.scores[4 * query]), (id, 0.0));
    }
    // Of the rows of a key the newest one is asked about.
    let moved = RecordBatch::try_new(schema().arrow().clone(), {
        let mut columns = rows(&[5]).columns().to_vec();
        columns[4] = vectors(&[vector(700)]);
        columns
    });
    collection.insert(moved.unwrap()).unwrap();
    let options = SearchOptions { filter: "id != 5", ..search_options(1) };
    assert_eq!(ids_of(&collection.search_by_keys("v", &keys(&[5]), &options).unwrap().ids), [700]);
}

#[test]
fn counts_are_queries_too() {
    let (_disk, _database, collection) = filled();
    let count = |filter: &str, field: &'static str| {
        let result =
            collection.query(filter, &QueryOptions { output_fields: vec![field], ..Default::default() });
        let result = result.unwrap();
        assert!(result.ids.is_empty() && result.columns.num_rows() == 1);
        assert_eq!(result.columns.schema().field(0).name(), "count(*)");
        result.columns.column(0).as_primitive::<Int64Type>().value(0)
    };
    let live = |holds: fn(i64) -> bool| (0..COUNT).filter(|&id| id % 11 != 0 && holds(id)).count() as i64;
    assert_eq!(count("", "count(*)"), live(|_| true));
    assert_eq!(count("t == 'n3'", " COUNT(*) "), live(|id| id % 5 == 3));
    assert_eq!(count("id > 100000", "count(*)"), 0);
}

#[test]
fn explanations_say_what_is_chosen() {
    let (_disk, _database, collection) = filled();
    let explain = |filter: &str| {
        let options = SearchOptions { filter, ..search_options(10) };
        collection.explain("v", &options).unwrap()
    };
    let told = explain("id<0");
    assert_eq!((told["filter"].as_str(), told["metric_type"].as_str()), (Some("id < 0"), Some("L2")));
    assert!(told["segments"].as_array().unwrap().iter().all(|segment| segment["choice"] == "none"));
    index(&collection, "HNSW", "L2", "");
    let sealed = |filter: &str| explain(filter)["segments"][0].clone();
    let segment = sealed("");
    assert_eq!((segment["rows"].as_u64(), segment["has_index"].as_bool()), (Some(2800), Some(true)));
    // Every eleventh row is dead.
    assert_eq!((segment["allowed"].as_u64(), segment["choice"].as_str()), (Some(2545), Some("filtered")));
    let few = sealed("t == 'n1' and id != 6");
    assert_eq!(few["choice"], "exact");
    assert_eq!(few["cost"]["exact"], few["allowed"]);
    assert!(few["why"].as_str().unwrap().contains("of 2800 rows are allowed"));
    collection.insert(rows(&(10_000..10_050).collect::<Vec<_>>())).unwrap();
    let told = explain("");
    let growing = &told["segments"].as_array().unwrap()[2];
    assert!(growing["segment"].is_null() && growing["choice"] == "exact", "{growing}");
    assert_eq!(growing["why"], "there is no index: 50 rows are scored");
    // It fails as the search does.
    let refused = collection.explain("v", &SearchOptions { filter: "nope ==", ..search_options(1) });
    assert!(message(refused).contains("cannot parse expression"));
    collection.compact(true, None).unwrap();
    let choices = explain("");
    assert_eq!(choices["segments"][0]["choice"], "index", "{choices}");
    collection.delete(&keys(&[1])).unwrap();
    assert_eq!(explain("")["segments"][0]["choice"], "post_filter");
}
