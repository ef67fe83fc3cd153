//! Collections of binary vectors: every metric without an index and with each, their whole life, bad requests.

use crate::support::{Random, ids_of, keys, open, search_options};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, RecordBatch};
use elanus::collection::{Collection, IndexRequest, OnConflict, Queries, SearchOptions, SearchResult};
use elanus::error::Code;
use elanus::index::catalog::{IndexSpec, VectorKind};
use elanus::index::vectors::BinaryVectors;
use elanus::index::{self, BuildContext, Pace, Probe, Scratch};
use elanus::kernel::topk::TopK;
use elanus::schema::Schema;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const BYTES: usize = 12;
const METRICS: [&str; 5] = ["HAMMING", "JACCARD", "TANIMOTO", "SUBSTRUCTURE", "SUPERSTRUCTURE"];
/// The types and what they are described as.
const KINDS: [&str; 5] = ["FLAT", "IVF_FLAT", "BIN_FLAT", "BIN_IVF_FLAT", "HNSW"];

fn schema() -> Schema {
    let text = format!(
        r#"{{"fields":[{{"name":"id","data_type":"Int64","is_primary":true}},
        {{"name":"v","data_type":"BinaryVector","dim":{}}}]}}"#,
        8 * BYTES
    );
    Schema::from_json(&text).unwrap()
}

/// The row of an id: some are empty, some full, some parts of others.
fn row(id: i64) -> Vec<u8> {
    let mut random = Random(id as u64 / 2);
    let bits: Vec<u8> = (0..BYTES).map(|_| (random.next() & random.next()) as u8).collect();
    match id % 50 {
        7 => vec![0; BYTES],
        8 => vec![255; BYTES],
        _ if id % 2 == 1 => bits.iter().enumerate().map(|(i, b)| if i % 3 == 0 { 0 } else { *b }).collect(),
        _ => bits,
    }
}

fn insert(collection: &Collection, ids: std::ops::Range<i64>) {
    let ids: Vec<i64> = ids.collect();
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| row(id)).collect();
    let vectors: ArrayRef = Arc::new(FixedSizeBinaryArray::new(BYTES as i32, bytes.into(), None));
    collection.insert(RecordBatch::try_from_iter([("id", keys(&ids)), ("v", vectors)]).unwrap()).unwrap();
}

/// A score in f64, by the definition; `None`: the row does not match.
fn score(metric: &str, a: &[u8], b: &[u8]) -> Option<f64> {
    let count = |f: fn(u8, u8) -> u8| a.iter().zip(b).map(|(&a, &b)| f(a, b).count_ones()).sum::<u32>();
    let (both, either) = (count(|a, b| a & b), count(|a, b| a | b));
    let jaccard = if either == 0 { 1.0 } else { f64::from(either - both) / f64::from(either) };
    match metric {
        "HAMMING" => Some(f64::from(either - both)),
        "JACCARD" => Some(jaccard),
        "TANIMOTO" => Some(0.0 - (1.0 - jaccard).log2()),
        "SUBSTRUCTURE" => (both == count(|a, _| a)).then_some(0.0),
        _ => (both == count(|_, b| b)).then_some(0.0),
    }
}

fn options(metric: Option<&'static str>, topk: usize) -> SearchOptions<'static> {
    SearchOptions { metric_type: metric, params: r#"{"nprobe":64,"ef":400}"#, ..search_options(topk) }
}

fn search(collection: &Collection, metric: &'static str, queries: &[u8], topk: usize) -> SearchResult {
    let nq = queries.len() / BYTES;
    collection.search("v", Queries::Binary(queries), nq, &options(Some(metric), topk)).unwrap()
}

/// Compares the hits of some queries with all of `ids`.
fn check(collection: &Collection, metric: &'static str, ids: &[i64]) {
    let queries: Vec<u8> = [0, 3, 7, 8, 301, 10_000].iter().flat_map(|&id| row(id)).collect();
    for topk in [1, 20] {
        let result = search(collection, metric, &queries, topk);
        let found = ids_of(&result.ids);
        for (i, query) in queries.chunks_exact(BYTES).enumerate() {
            let mut want: Vec<(f64, i64)> =
                ids.iter().filter_map(|&id| Some((score(metric, query, &row(id))?, id))).collect();
            want.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            want.truncate(topk);
            let range = result.offsets[i] as usize..result.offsets[i + 1] as usize;
            assert_eq!(range.len(), want.len(), "{metric} query {i}");
            for (place, (score, _)) in range.clone().zip(&want) {
                let got = f64::from(result.scores[place]);
                assert!(
                    got == *score || (got - score).abs() < 1e-4,
                    "{metric} query {i}: {got}, not {score}"
                );
            }
            let mut unique = found[range].to_vec();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), want.len());
        }
    }
}

fn create_index(collection: &Collection, kind: &str, metric: &str) {
    let params = r#"{"nlist":16,"M":16,"efConstruction":200}"#;
    let description = format!(r#"{{"index_type":"{kind}","metric_type":"{metric}","params":{params}}}"#);
    let request = IndexRequest {
        field: "v",
        description: &description,
        name: Some("by_v"),
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    collection.create_index(&request, None).unwrap();
}

#[test]
fn a_whole_life_with_every_index() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids: Vec<i64> = (0..1_500).collect();
    {
        let database = open(dir.path());
        let collection = database.create_collection("c", schema()).unwrap();
        insert(&collection, 0..700);
        METRICS.iter().for_each(|metric| check(&collection, metric, &ids[..700]));
        collection.flush().unwrap();
        insert(&collection, 700..1_500);
        METRICS.iter().for_each(|metric| check(&collection, metric, &ids));
        let gone: Vec<i64> = ids.extract_if(.., |id| *id % 3 == 1).collect();
        collection.delete(&keys(&gone)).unwrap();
        METRICS.iter().for_each(|metric| check(&collection, metric, &ids));
        for kind in KINDS {
            let metrics =
                if kind.ends_with("FLAT") && !kind.contains("IVF") { &METRICS[..] } else { &METRICS[..3] };
            for metric in metrics {
                create_index(&collection, kind, metric);
                let told = collection.describe_index("by_v").unwrap();
                assert_eq!((&told["index_type"], &told["metric_type"]), (&kind.into(), &(*metric).into()));
                assert_eq!(told["indexed_rows"], told["total_rows"]);
                check(&collection, metric, &ids);
                // By its own metric, where none is named; not by another.
                let query = row(5);
                let own = collection.search("v", Queries::Binary(&query), 1, &options(None, 3)).unwrap();
                assert_eq!(own.scores, search(&collection, metric, &query, 3).scores);
                let other = if *metric == "HAMMING" { "JACCARD" } else { "HAMMING" };
                let refused = collection.search("v", Queries::Binary(&query), 1, &options(Some(other), 3));
                assert_eq!(refused.err().map(|e| e.code()), Some(Code::InvalidParameter));
            }
        }
        create_index(&collection, "IVF_FLAT", "JACCARD");
    }
    let database = open(dir.path());
    let collection = database.collection("c").unwrap();
    assert_eq!(collection.describe_index("by_v").unwrap()["index_type"], "IVF_FLAT");
    check(&collection, "JACCARD", &ids);
    collection.drop_index("by_v").unwrap();
    METRICS.iter().for_each(|metric| check(&collection, metric, &ids));
    database.drop_collection("c").unwrap();
}

#[test]
fn options_and_output_fields() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(dir.path());
    let collection = database.create_collection("c", schema()).unwrap();
    insert(&collection, 0..100);
    let query = row(4);
    // HAMMING without a metric.
    let asked = SearchOptions { output_fields: vec!["*"], ..options(None, 3) };
    let result = collection.search("v", Queries::Binary(&query), 1, &asked).unwrap();
    assert_eq!((ids_of(&result.ids)[0], result.scores[0]), (4, 0.0));
    let vectors = result.columns.column_by_name("v").unwrap().as_fixed_size_binary().clone();
    assert_eq!((vectors.len(), vectors.value(0)), (3, &query[..]));
    let rounded = SearchOptions { round_decimal: 2, ..options(Some("JACCARD"), 50) };
    let result = collection.search("v", Queries::Binary(&query), 1, &rounded).unwrap();
    let whole = |score: &f32| (score * 100.0 - (score * 100.0).round()).abs() < 1e-3;
    assert!(result.scores.iter().all(whole));
    // Disjoint sets are infinitely far, and rounding leaves that alone.
    let far = SearchOptions { round_decimal: 3, ..options(Some("TANIMOTO"), 100) };
    let result = collection.search("v", Queries::Binary(&[0; BYTES]), 1, &far).unwrap();
    assert!(result.scores.iter().all(|&score| score == f32::INFINITY) && result.scores.len() == 100);
    let timed = SearchOptions { timeout: Some(Duration::from_secs(60)), ..options(None, 3) };
    collection.search("v", Queries::Binary(&query), 1, &timed).unwrap();
    let late = SearchOptions { timeout: Some(Duration::ZERO), ..options(None, 3) };
    let refused = collection.search("v", Queries::Binary(&query), 1, &late);
    assert_eq!(refused.err().map(|e| e.code()), Some(Code::Timeout));
}

#[test]
fn bad_requests() {
    let dir = tempfile::tempdir().unwrap();
    let database = open(dir.path());
    let collection = database.create_collection("c", schema()).unwrap();
    insert(&collection, 0..10);
    let fails = |queries: Queries, nq: usize, metric: Option<&'static str>, text: &str| {
        let error = collection.search("v", queries, nq, &options(metric, 3)).err().expect(text);
        assert_eq!(error.code(), Code::InvalidParameter, "{text}");
        assert!(error.message().contains(text), "{} has no {text}", error.message());
    };
    fails(Queries::Float(&[0.0; 96]), 1, None, "field v holds BinaryVector");
    fails(
        Queries::Binary(&[0; BYTES - 1]),
        1,
        None,
        "the dim (88) of field data(v) is not equal to schema dim (96)",
    );
    fails(Queries::Binary(&[0; BYTES]), 2, None, "the dim (48)");
    fails(
        Queries::Binary(&[0; BYTES]),
        1,
        Some("L2"),
        "supported: [HAMMING JACCARD TANIMOTO SUBSTRUCTURE SUPERSTRUCTURE]",
    );
    for (kind, metric, text) in [
        ("IVF_SQ8", "HAMMING", "IVF_SQ8: float vector are only supported"),
        ("ANNOY", "JACCARD", "ANNOY: float vector are only supported"),
        ("BIN_FLAT", "L2", "supported: [HAMMING JACCARD TANIMOTO SUBSTRUCTURE SUPERSTRUCTURE]"),
        ("BIN_IVF_FLAT", "SUBSTRUCTURE", "supported: [HAMMING JACCARD TANIMOTO]"),
        ("HNSW", "SUPERSTRUCTURE", "supported: [HAMMING JACCARD TANIMOTO]"),
    ] {
        let description = format!(r#"{{"index_type":"{kind}","metric_type":"{metric}"}}"#);
        let (name, on_conflict) = (None, OnConflict::Replace);
        let request = IndexRequest { field: "v", description: &description, name, on_conflict, wait: true };
        let error = collection.create_index(&request, None).unwrap_err();
        assert_eq!(error.code(), Code::InvalidParameter, "{kind}");
        assert!(error.message().contains(text), "{}", error.message());
    }
}

/// Bytes of a file of `examples/data`.
fn data(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// BIN_FLAT finds the neighbours that are recorded beside the sets of bits, row by row.
#[test]
fn the_recorded_neighbours_are_found() {
    for (set, dim) in [("sign", 384), ("tags", 256)] {
        let vectors = |name| BinaryVectors::new(data(&format!("{set}/{name}.u8")).into(), dim / 8);
        let (base, queries) = (vectors("base"), vectors("queries"));
        for metric in ["HAMMING", "JACCARD"] {
            let truth = data(&format!("{set}/gt_{}.i32", metric.to_lowercase()));
            let text = format!(r#"{{"index_type":"BIN_FLAT","metric_type":"{metric}"}}"#);
            let spec = IndexSpec::from_json(&text, VectorKind::Binary, dim).unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            let context = BuildContext::new(&pool, 1, &Free);
            let index = index::build(&spec, base.clone().into(), &context).unwrap();
            let (params, stop) = (spec.search_params("", 100).unwrap(), AtomicBool::new(false));
            let bits = Queries::Binary(queries.bytes());
            let probe = Probe { queries: bits, k: 100, allow: None, params: &params, stop: &stop };
            let mut tops = vec![TopK::new(100); queries.len()];
            index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
            assert_eq!(truth.len(), 400 * queries.len());
            for (top, truth) in tops.iter_mut().zip(truth.chunks_exact(400)) {
                let found = top.drain_sorted().into_iter().flat_map(|hit| hit.row.to_le_bytes());
                assert_eq!(found.collect::<Vec<u8>>(), truth, "{set} {metric}");
            }
        }
    }
}

struct Free;

impl Pace for Free {
    fn checkpoint(&self, _: u64, _: u64) -> elanus::Result<()> {
        Ok(())
    }
}
