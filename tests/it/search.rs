//! What a search asks beside its queries, against a plain model: ranges, pages, groups, stored rows as queries, iterators,
//! counts, explanations.

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

/// Hits lie in the range, and are the nearest that do, whatever part of the rows is in it.
#[test]
fn ranges_on_every_index_type() {
    let (_disk, _database, collection) = filled();
    let query = vector(-5);
    for metric in ["L2", "IP", "COSINE"] {
        let all = ranked(metric, &query, |_| true);
        for (kind, build, params, share) in KINDS {
            index(&collection, kind, metric, build);
            for (near, far) in [(None, 5), (None, 300), (Some(20), 40), (Some(900), 1300), (Some(2000), 2700)]
            {
                // Between two scores, so that no rounding decides.
                let end = |rank: usize| (all[rank - 1].1 + all[rank].1) / 2.0;
                let ends = match near {
                    None => format!(r#"{{"radius":{}}}"#, end(far)),
                    Some(near) => format!(r#"{{"radius":{},"range_filter":{}}}"#, end(far), end(near)),
                };
                let params = with(params, &ends);
                let options = SearchOptions { params: &params, ..search_options(100) };
                let result = collection.search("v", Queries::Float(&query), 1, &options).unwrap();
                let inside = &all[near.unwrap_or(0)..far];
                let truth = ids(&inside[..inside.len().min(100)]);
                let found = ids_of(&result.ids);
                let about = format!("{kind} {metric} {near:?} {far}: {} of {}", found.len(), truth.len());
                let (low, high) = (
                    inside[0].1.min(inside[inside.len() - 1].1),
                    inside[0].1.max(inside[inside.len() - 1].1),
                );
                let close = |s: &f32| f64::from(*s) > low - 1e-3 && f64::from(*s) < high + 1e-3;
                assert!(result.scores.iter().all(close), "{about}");
                let right = found.iter().filter(|id| truth.contains(id)).count();
                assert!(right as f64 >= share * truth.len() as f64, "{about}, {right} right");
                if share == 1.0 {
                    assert_eq!(found, truth, "{about}");
                }
                // Several queries at once, some of them on other threads.
                let many = collection.search("v", Queries::Float(&query.repeat(20)), 20, &options).unwrap();
                assert_eq!(ids_of(&many.ids), found.repeat(20), "{about}");
            }
        }
    }
}

#[test]
fn ranges_of_bits() {
    let database = Database::open_with(Arc::new(FaultDisk::new()), Path::new("/db"), options()).unwrap();
    let schema = r#"{"fields":[{"name":"id","data_type":"Int64","is_primary":true},
        {"name":"v","data_type":"BinaryVector","dim":64}]}"#;
    let collection = database.create_collection("b", Schema::from_json(schema).unwrap()).unwrap();
    let bits: Vec<u64> = (0..2000u64).map(|id| Random(id).next() & Random(id + 9000).next()).collect();
    let ids: Vec<i64> = (0..2000).collect();
    let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let column: ArrayRef = Arc::new(FixedSizeBinaryArray::new(8, bytes.into(), None));
    collection.insert(RecordBatch::try_from_iter([("id", keys(&ids)), ("v", column)]).unwrap()).unwrap();
    collection.flush().unwrap();
    let query = bits[3] ^ 5;
    let jaccard = |row: u64| {
        let (both, any) = ((row & query).count_ones(), (row | query).count_ones());
        1.0 - both as f32 / any as f32
    };
    for (kind, params) in [("BIN_FLAT", ""), ("BIN_IVF_FLAT", r#""nlist":4"#), ("HNSW", "")] {
        for (metric, near, far) in [("HAMMING", 14.0, 20.0), ("JACCARD", 0.55, 0.75), ("TANIMOTO", 1.0, 2.0)]
        {
            index(&collection, kind, metric, params);
            let score = |row: u64| match metric {
                "HAMMING" => (row ^ query).count_ones() as f32,
                "JACCARD" => jaccard(row),
                _ => -(1.0 - jaccard(row)).log2(),
            };
            let mut truth: Vec<f32> =
                bits.iter().map(|&row| score(row)).filter(|&s| near <= s && s < far).collect();
            truth.sort_by(f32::total_cmp);
            truth.truncate(50);
            let params = format!(r#"{{"nprobe":4,"ef":2000,"radius":{far},"range_filter":{near}}}"#);
            let options = SearchOptions { params: &params, ..search_options(50) };
            let query = query.to_le_bytes();
            let result = collection.search("v", Queries::Binary(&query), 1, &options).unwrap();
            assert!(truth.len() == 50 && result.scores.len() == 50, "{kind} {metric}");
            let same = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
            assert!(
                result.scores.iter().zip(&truth).all(same),
                "{kind} {metric}: {:?} {truth:?}",
                result.scores
            );
        }
    }
}

#[test]
fn bad_ranges_pages_and_groups_are_refused() {
    let (_disk, _database, collection) = filled();
    let query = vector(-1);
    let search = |options: SearchOptions| collection.search("v", Queries::Float(&query), 1, &options);
    let params = |params| message(search(SearchOptions { params, ..search_options(3) }));
    assert_eq!(
        params(r#"{"radius":1,"range_filter":2}"#),
        "range_filter must be less than radius for L2/HAMMING/JACCARD, range_filter:2, radius:1"
    );
    assert_eq!(
        params(r#"{"metric_type":"IP","radius":2,"range_filter":1}"#),
        "range_filter must be greater than radius for IP/COSINE, range_filter:1, radius:2"
    );
    assert!(params(r#"{"radius":"far"}"#).starts_with("must pass numpy type for radius"));
    assert_eq!(params(r#"{"radius":null}"#), "pass invalid type for radius");
    for (topk, offset) in [(16384usize, 1), (1, 16384), (10, usize::MAX)] {
        let total = topk.saturating_add(offset);
        assert_eq!(
            message(search(SearchOptions { offset, ..search_options(topk) })),
            format!(
                "invalid max query result window, (offset+limit) should be in range [1, 16384], but got {total}"
            )
        );
    }
    let group = |name| search(SearchOptions { group_by_field: Some(name), ..search_options(3) });
    assert!(message(group("v")).starts_with("unsupported data type FloatVector for group by operator"));
    assert_eq!(group("nope").err().unwrap().code(), Code::FieldNotFound);
    let by_key = |ids: &[i64]| collection.search_by_keys("v", &keys(ids), &search_options(3));
    let missing = "some of the provided primary key IDs do not exist: missing IDs = ";
    assert_eq!(message(by_key(&[1, 11, 2, 90_000])), format!("{missing}[11, 90000]"));
    let many: Vec<i64> = (50_000..50_020).collect();
    assert!(message(by_key(&many)).ends_with("50009, ...]"));
    assert!(message(by_key(&[])).contains("in range [1, 16384], but got 0"));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    assert!(collection.search_by_keys("v", &texts, &search_options(3)).is_err());
    assert_eq!(
        collection.search_by_keys("nope", &keys(&[1]), &search_options(3)).err().unwrap().code(),
        Code::FieldNotFound
    );
    assert!(
        message(collection.search_by_keys("g", &keys(&[1]), &search_options(3)))
            .contains("cannot be searched")
    );
    let iterate = |batch_size, options: SearchOptions| {
        let iterator = IteratorOptions { batch_size, limit: None };
        collection.search_iterator("v", Queries::Float(&query), &options, iterator).map(|_| ())
    };
    assert_eq!(
        message(iterate(0, search_options(1))),
        "batch size [0] is invalid, should be in range [1, 16384]"
    );
    assert!(message(iterate(16385, search_options(1))).starts_with("batch size [16385]"));
    let grouped = SearchOptions { group_by_field: Some("g"), ..search_options(1) };
    assert_eq!(message(iterate(10, grouped)), "Not allowed to do groupBy when doing iteration");
    let two = [query.clone(), query.clone()].concat();
    let iterator = IteratorOptions { batch_size: 5, limit: None };
    assert!(
        message(
            collection.search_iterator("v", Queries::Float(&two), &search_options(1), iterator).map(|_| ())
        )
        .contains("is not equal to schema dim")
    );
    let counted = |limit, offset, fields: &[&'static str]| {
        collection.query(
            "id > 5",
            &QueryOptions { limit, offset, output_fields: fields.to_vec(), ..Default::default() },
        )
    };
    let paged = "count entities with pagination is not allowed";
    assert_eq!(message(counted(Some(3), 0, &["count(*)"])), paged);
    assert_eq!(message(counted(None, 3, &["count(*)"])), paged);
    assert_eq!(counted(None, 0, &["count(*)", "g"]).err().unwrap().code(), Code::FieldNotFound);
    let options = QueryOptions { output_fields: vec!["count(*)"], ..Default::default() };
    assert_eq!(message(collection.query_iterator("", &options, iterator).map(|_| ())), paged);
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

/// Every row once, nearest first, however large the batches; and what is written meanwhile changes nothing.
#[test]
fn search_iterators_pass_every_row() {
    let (_disk, database, collection) = filled();
    let query = vector(-6);
    for kind in ["", "FLAT", "HNSW", "IVF_PQ"] {
        if !kind.is_empty() {
            index(&collection, kind, "L2", "");
        }
        for (batch_size, limit, offset, filter) in [
            (1000, None, 0, ""),
            (7, Some(40), 0, ""),
            (64, None, 10, "t == 'n3'"),
            (16384, None, 0, ""),
            (1, Some(3), 4, ""),
        ] {
            // An `ef` below the batch is fine, as Milvus' clients have it.
            let params = if kind == "HNSW" { r#"{"ef":20}"# } else { "" };
            let options = SearchOptions { filter, params, offset, ..search_options(1) };
            let iterator = IteratorOptions { batch_size, limit };
            let iterator =
                collection.search_iterator("v", Queries::Float(&query), &options, iterator).unwrap();
            let mut found = Vec::new();
            loop {
                let batch = ids_of(&iterator.next().unwrap().ids);
                let is_last = batch.len() < batch_size;
                found.extend(batch);
                if is_last {
                    break;
                }
            }
            assert_eq!(iterator.next().unwrap().ids.len(), 0);
            let all = ranked("L2", &query, |id| filter.is_empty() || id % 5 == 3);
            let wanted = (all.len() - offset).min(limit.map_or(usize::MAX, |limit| limit as usize));
            assert_eq!(found.len(), wanted, "{kind} {batch_size} {limit:?}");
            let unique: HashSet<i64> = found.iter().copied().collect();
            assert_eq!(unique.len(), found.len());
            if kind.is_empty() || kind == "FLAT" {
                assert_eq!(found, ids(&all[offset..offset + wanted]), "{kind} {batch_size}");
            }
        }
    }
    index(&collection, "FLAT", "L2", "");
    let ranged = SearchOptions { params: r#"{"radius":2.0}"#, ..search_options(1) };
    let open = |options: &SearchOptions| {
        let iterator = IteratorOptions { batch_size: 100, limit: None };
        collection.search_iterator("v", Queries::Float(&query), options, iterator).unwrap()
    };
    let near = open(&ranged);
    let mut found = Vec::new();
    while let batch = ids_of(&near.next().unwrap().ids)
        && !batch.is_empty()
    {
        found.extend(batch);
    }
    let all = ranked("L2", &query, |_| true);
    assert_eq!(found, ids(&all[..all.iter().filter(|(_, score)| *score < 2.0).count()]));
    // Deletes, compactions and drops beside an iterator.
    let iterator = open(&search_options(1));
    let mut found = ids_of(&iterator.next().unwrap().ids);
    collection.delete_matching("id >= 0", "").unwrap();
    collection.compact(true, None).unwrap();
    assert_eq!(collection.count().unwrap(), 0);
    for _ in 0..COUNT / 100 {
        found.extend(ids_of(&iterator.next().unwrap().ids));
    }
    assert_eq!(found, ids(&all));
    let iterator = open(&search_options(1));
    database.drop_collection("c").unwrap();
    assert_eq!(iterator.next().err().unwrap().code(), Code::Closed);
}

#[test]
fn a_key_that_repeats_comes_once() {
    let (_disk, _database, collection) = filled();
    collection.insert(rows(&(500..900).collect::<Vec<_>>())).unwrap();
    collection.flush().unwrap();
    collection.insert(rows(&(700..800).collect::<Vec<_>>())).unwrap();
    // Deleted keys are back.
    let live = (0..COUNT).filter(|id| id % 11 != 0 || (500..900).contains(id)).count();
    let iterator = IteratorOptions { batch_size: 50, limit: None };
    let query = vector(-8);
    let hits = collection.search_iterator("v", Queries::Float(&query), &search_options(1), iterator).unwrap();
    let mut found = Vec::new();
    while let batch = ids_of(&hits.next().unwrap().ids)
        && !batch.is_empty()
    {
        found.extend(batch);
    }
    let unique: HashSet<i64> = found.iter().copied().collect();
    assert_eq!((found.len(), unique.len()), (live, live));
}

#[test]
fn query_iterators_pass_every_row_in_order() {
    let (_disk, _database, collection) = filled();
    let all: Vec<i64> = (0..COUNT).filter(|id| id % 11 != 0).collect();
    let open = |filter: &str, batch_size, limit, offset| {
        let options = QueryOptions { limit, offset, output_fields: vec!["t"], ..Default::default() };
        collection.query_iterator(filter, &options, IteratorOptions { batch_size, limit: None }).unwrap()
    };
    for (filter, batch_size, limit, offset) in [
        ("", 1000, None, 0),
        ("", 7, Some(100), 3),
        ("t == 'n2'", 64, None, 0),
        ("", 16384, Some(20_000), 2000),
        ("id < 0", 5, None, 0),
    ] {
        let iterator = open(filter, batch_size, limit, offset);
        let mut found = Vec::new();
        loop {
            let batch = iterator.next().unwrap();
            let ids = ids_of(&batch.ids);
            assert_eq!(texts(batch.columns.column(0)), ids.iter().map(|&id| name(id)).collect::<Vec<_>>());
            found.extend_from_slice(&ids);
            if ids.len() < batch_size {
                break;
            }
        }
        let kept = all.iter().copied().filter(|id| match filter {
            "t == 'n2'" => id % 5 == 2,
            "id < 0" => false,
            _ => true,
        });
        let wanted: Vec<i64> = kept.skip(offset).take(limit.unwrap_or(usize::MAX)).collect();
        assert_eq!(found, wanted, "{filter} {batch_size}");
        assert_eq!(iterator.next().unwrap().ids.len(), 0);
    }
    let iterator = open("", 100, None, 0);
    let mut found = ids_of(&iterator.next().unwrap().ids);
    collection.delete_matching("id >= 0", "").unwrap();
    collection.insert(rows(&[-1, 5000])).unwrap();
    collection.compact(true, None).unwrap();
    collection.release().unwrap();
    for _ in 0..COUNT / 100 {
        found.extend(ids_of(&iterator.next().unwrap().ids));
    }
    assert_eq!(found, all);
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
