//! Answers on the real vectors of `examples/data`, through the whole engine: exact where they must be, good enough
//! where they may be near. An equally near row is no error: an answer is judged by its distance.

use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, cast::AsArray};
use elanus::collection::{Collection, IndexRequest, OnConflict, Queries, SearchOptions};
use elanus::database::{Database, Durability, Options};
use elanus::schema::Schema;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const K: usize = 10;

/// A set of `examples/data`, unpacked.
struct Set {
    dim: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
}

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Two signed 12-bit integers in three bytes, times 1/4096 (examples/data/README.md).
fn twelve_bits(bytes: &[u8]) -> Vec<f32> {
    let value = |bits: u16| f32::from((bits << 4) as i16 >> 4) / 4096.0;
    let pair = |b: &[u8]| {
        let (a, m, z) = (u16::from(b[0]), u16::from(b[1]), u16::from(b[2]));
        [value(a | (m & 15) << 8), value(m >> 4 | z << 4)]
    };
    bytes.chunks_exact(3).flat_map(pair).collect()
}

fn sixteen_bits(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 4096.0).collect()
}

fn minilm() -> Set {
    let load = |name| twelve_bits(&read(name));
    Set { dim: 384, base: load("minilm/base.i12"), queries: load("minilm/queries.i12") }
}

fn w2v() -> Set {
    let load = |name| sixteen_bits(&read(name));
    Set { dim: 100, base: load("w2v/base.i16"), queries: load("w2v/queries.i16") }
}

/// The exact top of each query, nearest first, out of 100 that are stored.
fn truth(name: &str) -> Vec<Vec<usize>> {
    hundreds(&read(name))
}

fn hundreds(bytes: &[u8]) -> Vec<Vec<usize>> {
    let row =
        |b: &[u8]| b.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    bytes.chunks_exact(400).map(row).collect()
}

/// A packed file of the large sets, which lie beside a developer's checkout and not in the repository.
fn shared(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        return None;
    }
    let unpacked = Command::new("xz").arg("-dc").arg(&path).output().expect("xz runs");
    assert!(unpacked.status.success(), "{} is no xz file", path.display());
    Some(unpacked.stdout)
}

/// The first 10,000 rows of a large set, some queries, and their exact neighbours among these rows.
fn shared_small(
    name: &str,
    dim: usize,
    files: [&str; 3],
    unpack: fn(&[u8]) -> Vec<f32>,
) -> Option<(Set, Vec<Vec<usize>>)> {
    let [base, queries, near] = files.map(|file| shared(&format!("{name}/{file}")));
    let (mut base, mut queries, mut near) = (unpack(&base?), unpack(&queries?), hundreds(&near?));
    base.truncate(10_000 * dim);
    near.truncate(200);
    queries.truncate(near.len() * dim);
    Some((Set { dim, base, queries }, near))
}

/// A distance in float64, smaller is nearer.
fn distance(metric: &str, a: &[f32], b: &[f32]) -> f64 {
    let sum =
        |f: fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum::<f64>();
    let dot = sum(|a, b| a * b);
    match metric {
        "L2" => sum(|a, b| (a - b) * (a - b)),
        "IP" => -dot,
        _ => -dot / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt(),
    }
}

/// A collection of the set's rows in its own database, sealed, without an index. It closes with its database.
fn stored(dir: &Path, set: &Set) -> (Database, Collection) {
    let options = Options { durability: Durability::Async, ..Options::default() };
    let database = Database::open(dir, options).expect("a new database");
    let schema = format!(
        r#"{{"fields":[{{"name":"id","data_type":"INT64","is_primary":true}},
                       {{"name":"v","data_type":"FLOAT_VECTOR","dim":{}}}]}}"#,
        set.dim
    );
    let schema = Schema::from_json(&schema).expect("a schema");
    let collection = database.create_collection("c", schema).expect("a new collection");
    let rows = set.base.len() / set.dim;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let item = elanus::schema::float_item();
    let values = Arc::new(Float32Array::from(set.base.clone()));
    let vectors: ArrayRef = Arc::new(FixedSizeListArray::new(item, set.dim as i32, values, None));
    let batch = RecordBatch::try_from_iter([("id", ids), ("v", vectors)]).expect("columns of one length");
    collection.insert(batch).expect("an insert");
    collection.flush().expect("a flush");
    (database, collection)
}

fn index(collection: &Collection, kind: &str, metric: &str, params: &str) {
    let description = format!(r#"{{"index_type":"{kind}","metric_type":"{metric}","params":{params}}}"#);
    let request = IndexRequest {
        field: "v",
        description: &description,
        name: None,
        on_conflict: OnConflict::Replace,
        wait: true,
    };
    collection.create_index(&request, None).expect("an index");
}

/// The share of the K hits of each query that are as near as the K-th true neighbour.
fn recall(collection: &Collection, set: &Set, metric: &str, params: &str, truth: &[Vec<usize>]) -> f64 {
    let options = SearchOptions {
        topk: K,
        params,
        metric_type: Some(metric),
        round_decimal: -1,
        output_fields: Vec::new(),
        timeout: None,
    };
    let nq = truth.len();
    let found = collection.search("v", Queries::Float(&set.queries), nq, &options).expect("a search");
    let ids = found.ids.as_primitive::<Int64Type>();
    assert_eq!(ids.len(), nq * K, "each query gets its {K} hits");
    let mut right = 0;
    for (q, (query, nearest)) in set.queries.chunks_exact(set.dim).zip(truth).enumerate() {
        let row = |i: usize| &set.base[i * set.dim..(i + 1) * set.dim];
        let worst = distance(metric, query, row(nearest[K - 1]));
        let hits = &ids.values()[q * K..(q + 1) * K];
        for (rank, hit) in hits.iter().enumerate() {
            assert!(!hits[..rank].contains(hit), "query {q} got row {hit} twice");
            let near = distance(metric, query, row(*hit as usize));
            right += usize::from(near <= worst + 1e-5 * worst.abs());
            let score = f64::from(found.scores[q * K + rank]);
            let exact = if metric == "L2" { near } else { -near };
            assert!(
                (score - exact).abs() <= 1e-4 * exact.abs().max(1.0),
                "query {q}: score {score}, exact {exact}"
            );
        }
    }
    right as f64 / (nq * K) as f64
}

#[test]
fn without_an_index_and_with_flat_answers_are_exact() {
    let sets = [
        (minilm(), vec![("COSINE", "minilm/gt_cosine.i32")]),
        (w2v(), vec![("L2", "w2v/gt_l2.i32"), ("IP", "w2v/gt_ip.i32"), ("COSINE", "w2v/gt_cosine.i32")]),
    ];
    for (set, metrics) in sets {
        for (metric, name) in metrics {
            let dir = tempfile::tempdir().expect("a folder");
            let (_database, collection) = stored(dir.path(), &set);
            let truth = truth(name);
            if metric == "L2" {
                // What a field without an index is searched by.
                assert_eq!(recall(&collection, &set, metric, "", &truth), 1.0, "no index, {name}");
            }
            index(&collection, "FLAT", metric, "{}");
            assert_eq!(recall(&collection, &set, metric, "", &truth), 1.0, "FLAT, {name}");
        }
    }
}

#[test]
fn ivf_flat_is_exact_with_every_list_and_good_with_a_few() {
    let cases = [
        (minilm(), "COSINE", "minilm/gt_cosine.i32"),
        (w2v(), "L2", "w2v/gt_l2.i32"),
        (w2v(), "IP", "w2v/gt_ip.i32"),
    ];
    for (set, metric, name) in cases {
        let dir = tempfile::tempdir().expect("a folder");
        let (_database, collection) = stored(dir.path(), &set);
        index(&collection, "IVF_FLAT", metric, r#"{"nlist":64}"#);
        let truth = truth(name);
        assert_eq!(recall(&collection, &set, metric, r#"{"nprobe":64}"#, &truth), 1.0, "{name}");
        let some = recall(&collection, &set, metric, r#"{"nprobe":16}"#, &truth);
        assert!(some >= 0.85, "{name}: recall {some} with a quarter of the lists");
    }
}

#[test]
fn hnsw_reaches_its_recall() {
    let cases = [
        (minilm(), "COSINE", "minilm/gt_cosine.i32"),
        (w2v(), "L2", "w2v/gt_l2.i32"),
        (w2v(), "IP", "w2v/gt_ip.i32"),
    ];
    for (set, metric, name) in cases {
        let dir = tempfile::tempdir().expect("a folder");
        let (_database, collection) = stored(dir.path(), &set);
        index(&collection, "HNSW", metric, r#"{"M":16,"efConstruction":200}"#);
        let truth = truth(name);
        let wide = recall(&collection, &set, metric, r#"{"ef":256}"#, &truth);
        assert!(wide >= 0.99, "{name}: recall {wide} at ef 256");
        let narrow = recall(&collection, &set, metric, r#"{"ef":64}"#, &truth);
        assert!(narrow >= 0.90, "{name}: recall {narrow} at ef 64");
    }
}

/// Each kind of index on the small forms of the large sets, where these lie beside the checkout.
#[test]
fn large_sets_where_they_are() {
    let bytes: fn(&[u8]) -> Vec<f32> = |b| b.iter().copied().map(f32::from).collect();
    let fashion = ["base.u8.xz", "queries.u8.xz", "gt_small_l2.i32.xz"];
    let texts = ["base.i16.000.xz", "queries.i16.xz", "gt_small_cosine.i32.xz"];
    let cases = [
        ("L2", shared_small("fashion-mnist-784-l2", 784, fashion, bytes)),
        ("COSINE", shared_small("minilm-text-384-cos", 384, texts, sixteen_bits)),
    ];
    for (metric, set) in cases {
        let Some((set, truth)) = set else {
            println!("left out: the {metric} set is not beside this checkout");
            continue;
        };
        let dir = tempfile::tempdir().expect("a folder");
        let (_database, collection) = stored(dir.path(), &set);
        index(&collection, "FLAT", metric, "{}");
        assert_eq!(recall(&collection, &set, metric, "", &truth), 1.0, "FLAT, {metric}");
        index(&collection, "IVF_FLAT", metric, r#"{"nlist":1024}"#);
        assert_eq!(
            recall(&collection, &set, metric, r#"{"nprobe":1024}"#, &truth),
            1.0,
            "IVF_FLAT, {metric}"
        );
        index(&collection, "HNSW", metric, r#"{"M":16,"efConstruction":200}"#);
        let found = recall(&collection, &set, metric, r#"{"ef":256}"#, &truth);
        assert!(found >= 0.99, "HNSW, {metric}: recall {found} at ef 256");
    }
}
