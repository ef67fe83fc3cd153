//! The kinds of binary fields against the exhaustive scan, and that against the definitions.

use super::*;
use crate::error::Code;
use crate::index::catalog::{IndexSpec, VectorKind};
use crate::index::sections::{SectionWriter, Sections};
use crate::index::vectors::Vectors;
use crate::index::{BuildContext, Index, Pace, Queries, Scratch, build, load};
use crate::kernel::topk::Hit;
use arrow_buffer::{BooleanBuffer, Buffer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};

const FIVE: [Metric; 5] =
    [Metric::Hamming, Metric::Jaccard, Metric::Tanimoto, Metric::Substructure, Metric::Superstructure];
const DISTANCES: [Metric; 3] = [Metric::Hamming, Metric::Jaccard, Metric::Tanimoto];

/// Each kind of index and its metrics.
const KINDS: [(&str, &[Metric]); 3] =
    [("BIN_FLAT", &FIVE), ("BIN_IVF_FLAT", &DISTANCES), ("HNSW", &DISTANCES)];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 20
    }
}

/// Rows of `stride` bytes around 30 corners, a bit in `one_in` set, with what data has in life: twins, empty and full
/// rows, parts of others.
fn rows(count: usize, stride: usize, one_in: u64, seed: u64) -> BinaryVectors {
    let mut corner = Random(77);
    let corners: Vec<u8> =
        (0..30 * stride * 8).map(|_| u8::from(corner.next().is_multiple_of(one_in))).collect();
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(count * stride);
    for row in 0..count {
        let from = random.next() as usize % 30 * stride * 8;
        match row % 100 {
            17 if row > 100 => bytes.extend_from_within((row - 50) * stride..(row - 49) * stride),
            41 => bytes.extend(std::iter::repeat_n(0, stride)),
            42 => bytes.extend(std::iter::repeat_n(255, stride)),
            43 => {
                let half: Vec<u8> = bytes[(row - 20) * stride..(row - 19) * stride].to_vec();
                bytes.extend(half.iter().enumerate().map(|(i, b)| if i % 2 == 0 { *b } else { 0 }));
            }
            _ => {
                for byte in 0..stride {
                    let bit = |bit: usize| {
                        let noise = random.next().is_multiple_of(4 * one_in);
                        (corners[from + 8 * byte + bit] ^ u8::from(noise)) << bit
                    };
                    bytes.push((0..8).map(bit).sum());
                }
            }
        }
    }
    BinaryVectors::new(bytes.into(), stride)
}

struct Free;

impl Pace for Free {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

/// Cancels at the n-th checkpoint.
struct Impatient(AtomicU64);

impl Pace for Impatient {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        match self.0.fetch_sub(1, Ordering::Relaxed) {
            1 => Err(Error::new(Code::Canceled, "enough")),
            _ => Ok(()),
        }
    }
}

#[derive(Default, PartialEq, Clone)]
struct Saved(BTreeMap<String, Vec<u8>>);

impl SectionWriter for Saved {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        assert!(self.0.insert(name.to_owned(), bytes.to_vec()).is_none());
        Ok(())
    }
}

impl Saved {
    fn of(index: &dyn Index) -> Saved {
        let mut saved = Saved::default();
        index.save(&mut saved).unwrap();
        saved
    }

    fn sections(&self) -> Sections {
        let mut sections = Sections::default();
        for (name, bytes) in &self.0 {
            sections.insert(name, Buffer::from_slice_ref(bytes));
        }
        sections
    }
}

fn spec(kind: &str, metric: Metric) -> IndexSpec {
    let params = r#"{"nlist":20,"M":12,"efConstruction":100}"#;
    let text = format!(r#"{{"index_type":"{kind}","metric_type":"{}","params":{params}}}"#, metric.name());
    IndexSpec::from_json(&text, VectorKind::Binary, 64).unwrap()
}

fn try_build(
    spec: &IndexSpec,
    vectors: &BinaryVectors,
    threads: usize,
    pace: &dyn Pace,
) -> Result<Box<dyn Index>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    build(spec, vectors.clone().into(), &BuildContext::new(&pool, 42, pace))
}

fn built(kind: &str, metric: Metric, vectors: &BinaryVectors) -> Box<dyn Index> {
    try_build(&spec(kind, metric), vectors, 2, &Free).unwrap()
}

/// Searches with generous parameters: all lists, a wide beam.
#[derive(Clone, Copy)]
struct Ask<'a> {
    kind: &'a str,
    k: usize,
    allow: Option<&'a BooleanBuffer>,
    params: &'a str,
}

const WIDE: &str = r#"{"nprobe":20,"ef":300}"#;

fn asked(ask: Ask, queries: &BinaryVectors, search: impl FnOnce(&Probe, &mut [TopK])) -> Vec<Vec<Hit>> {
    let params = spec(ask.kind, Metric::Hamming).search_params(ask.params, ask.k.min(300)).unwrap();
    let stop = AtomicBool::new(false);
    let probe = Probe {
        queries: Queries::Binary(queries.bytes()),
        k: ask.k,
        allow: ask.allow,
        params: &params,
        stop: &stop,
    };
    let mut tops = vec![TopK::new(ask.k); queries.len()];
    search(&probe, &mut tops);
    tops.iter_mut().map(TopK::drain_sorted).collect()
}

fn found(index: &dyn Index, ask: Ask, queries: &BinaryVectors) -> Vec<Vec<Hit>> {
    asked(ask, queries, |probe, tops| index.search(probe, &mut Scratch::default(), tops).unwrap())
}

fn truth(metric: Metric, vectors: &BinaryVectors, ask: Ask, queries: &BinaryVectors) -> Vec<Vec<Hit>> {
    asked(ask, queries, |probe, tops| scan(metric, vectors, probe, tops))
}

fn every(count: usize, nth: usize) -> BooleanBuffer {
    BooleanBuffer::collect_bool(count, |row| row % nth == nth / 2)
}

/// The share of the true hits that are as near as the last of them.
fn recall(hits: &[Vec<Hit>], truth: &[Vec<Hit>]) -> f64 {
    let (mut right, mut all) = (0, 0);
    for (hits, truth) in hits.iter().zip(truth) {
        assert_eq!(hits.len(), truth.len());
        assert!(hits.windows(2).all(|pair| pair[0].before(&pair[1])));
        let worst = truth.last().map_or(0.0, |hit| hit.score);
        right += hits.iter().filter(|hit| hit.score <= worst).count();
        all += truth.len();
    }
    if all == 0 { 1.0 } else { right as f64 / all as f64 }
}

/// What Milvus' page of metrics says, bit by bit.
#[test]
fn the_scan_follows_the_definitions() {
    let vectors = rows(300, 9, 3, 5);
    let queries = rows(20, 9, 3, 6);
    let allow = every(300, 3);
    for metric in FIVE {
        for allow in [None, Some(&allow)] {
            let ask = Ask { kind: "BIN_FLAT", k: 1000, allow, params: "" };
            for (query, hits) in truth(metric, &vectors, ask, &queries).into_iter().enumerate() {
                let mut want: Vec<(u32, f64)> = Vec::new();
                for row in (0..300).filter(|&row| allow.is_none_or(|allow| allow.value(row))) {
                    let pairs = || queries.row(query).iter().zip(vectors.row(row));
                    let count =
                        |f: fn(u8, u8) -> u8| pairs().map(|(&q, &r)| f(q, r).count_ones()).sum::<u32>();
                    let (both, either) = (count(|q, r| q & r), count(|q, r| q | r));
                    let jaccard =
                        if either == 0 { 1.0 } else { f64::from(either - both) / f64::from(either) };
                    match metric {
                        Metric::Hamming => want.push((row as u32, f64::from(count(|q, r| q ^ r)))),
                        Metric::Jaccard => want.push((row as u32, jaccard)),
                        Metric::Tanimoto => want.push((row as u32, 0.0 - (1.0 - jaccard).log2())),
                        Metric::Substructure if pairs().all(|(q, r)| q & r == *q) => {
                            want.push((row as u32, 0.0))
                        }
                        Metric::Superstructure if pairs().all(|(q, r)| q & r == *r) => {
                            want.push((row as u32, 0.0))
                        }
                        _ => {}
                    }
                }
                want.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
                assert_eq!(hits.len(), want.len(), "{metric:?}");
                for (hit, (row, score)) in hits.iter().zip(want) {
                    let user = f64::from(metric.user_score(hit.score));
                    assert_eq!(hit.row, row, "{metric:?}");
                    assert!(
                        user == score || (user - score).abs() < 1e-5,
                        "{metric:?}: {user} is not {score}"
                    );
                }
            }
        }
    }
}

/// Sparse rows that are folded, dense ones that are not, and all the ways to ask.
#[test]
fn flat_answers_exactly() {
    for (stride, one_in) in [(1, 2), (48, 2), (32, 20), (130, 40), (256, 50)] {
        let count = 2_500;
        let (vectors, queries) = (rows(count, stride, one_in, 5), rows(70, stride, one_in, 6));
        let filters = [1, 2, 7, 100, 1_250, 2 * count].map(|nth| every(count, nth));
        for metric in FIVE {
            let index = built("BIN_FLAT", metric, &vectors);
            for k in [1, 10, 200] {
                for allow in std::iter::once(None).chain(filters.iter().map(Some)) {
                    let ask = Ask { kind: "BIN_FLAT", k, allow, params: "" };
                    let want = truth(metric, &vectors, ask, &queries);
                    assert_eq!(found(&*index, ask, &queries), want, "{metric:?} {stride} bytes, k {k}");
                }
            }
            // One query alone.
            let one = BinaryVectors::new(Buffer::from(queries.row(3)), stride);
            let ask = Ask { kind: "BIN_FLAT", k: 10, allow: None, params: "" };
            assert_eq!(found(&*index, ask, &one)[0], truth(metric, &vectors, ask, &queries)[3]);
        }
    }
}

#[test]
fn all_lists_give_the_exact_answer() {
    for (stride, one_in) in [(48, 2), (128, 40)] {
        let (vectors, queries) = (rows(2_000, stride, one_in, 5), rows(70, stride, one_in, 6));
        let half = every(2_000, 2);
        for metric in DISTANCES {
            let index = built("BIN_IVF_FLAT", metric, &vectors);
            for allow in [None, Some(&half)] {
                let ask = Ask { kind: "BIN_IVF_FLAT", k: 20, allow, params: WIDE };
                assert_eq!(
                    found(&*index, ask, &queries),
                    truth(metric, &vectors, ask, &queries),
                    "{metric:?}"
                );
                let ask = Ask { params: r#"{"nprobe":6}"#, ..ask };
                let share = recall(&found(&*index, ask, &queries), &truth(metric, &vectors, ask, &queries));
                assert!(share > 0.85, "{metric:?} with 6 of 20 lists: {share}");
            }
        }
    }
}

#[test]
fn approximate_kinds_find_nearly_all_under_any_filter() {
    for (stride, one_in) in [(48, 2), (128, 40)] {
        let count = 3_000;
        let (vectors, queries) = (rows(count, stride, one_in, 5), rows(50, stride, one_in, 6));
        for (kind, metrics) in KINDS {
            for &metric in metrics {
                let index = built(kind, metric, &vectors);
                for allow in [0, 1, 4, 40, 1_500, 2_900, 3_000]
                    .map(|keep| BooleanBuffer::collect_bool(count, |row| row * 7_919 % count < keep))
                    .iter()
                    .map(Some)
                    .chain([None])
                {
                    let ask = Ask { kind, k: 10, allow, params: WIDE };
                    let share =
                        recall(&found(&*index, ask, &queries), &truth(metric, &vectors, ask, &queries));
                    assert!(share > 0.97, "{kind} {metric:?} {stride} bytes: {share}");
                }
            }
        }
    }
}

#[test]
fn few_rows_and_large_k() {
    for count in [0, 1, 2, 3, 40] {
        let (vectors, queries) = (rows(count, 16, 3, 5), rows(3, 16, 3, 6));
        for (kind, metrics) in KINDS {
            for &metric in metrics {
                let index = built(kind, metric, &vectors);
                let loaded =
                    load(&spec(kind, metric), &Saved::of(&*index).sections(), vectors.clone().into());
                for k in [1, 10, 3000] {
                    let ask = Ask { kind, k, allow: None, params: WIDE };
                    let want = truth(metric, &vectors, ask, &queries);
                    assert_eq!(found(&*index, ask, &queries), want, "{kind} {metric:?} {count} rows");
                    assert_eq!(found(&**loaded.as_ref().unwrap(), ask, &queries), want);
                }
            }
        }
    }
}

#[test]
fn equal_rows_are_all_found() {
    let one = rows(1, 64, 9, 5);
    for bytes in [one.bytes().repeat(1_200), vec![0u8; 64 * 1_200]] {
        let vectors = BinaryVectors::new(bytes.into(), 64);
        for (kind, metrics) in KINDS {
            for &metric in metrics {
                let index = built(kind, metric, &vectors);
                let ask = Ask { kind, k: 100, allow: None, params: WIDE };
                let hits = &found(&*index, ask, &one)[0];
                let want = &truth(metric, &vectors, ask, &one)[0];
                assert_eq!(hits.len(), want.len(), "{kind} {metric:?}");
                assert!(hits.iter().zip(want).all(|(hit, want)| hit.score == want.score));
            }
        }
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    let vectors = rows(3_000, 128, 30, 5);
    for (kind, metrics) in KINDS {
        for &metric in metrics {
            let build =
                |threads| Saved::of(&*try_build(&spec(kind, metric), &vectors, threads, &Free).unwrap());
            let one = build(1);
            assert!(one == build(2) && one == build(4), "{kind} {metric:?}");
        }
    }
}

#[test]
fn saved_and_loaded_is_the_same() {
    for (stride, one_in) in [(24, 2), (128, 30)] {
        let (vectors, queries) = (rows(1_500, stride, one_in, 5), rows(20, stride, one_in, 6));
        for (kind, metrics) in KINDS {
            for &metric in metrics {
                let index = built(kind, metric, &vectors);
                let saved = Saved::of(&*index);
                let loaded = load(&spec(kind, metric), &saved.sections(), vectors.clone().into()).unwrap();
                assert!(Saved::of(&*loaded) == saved, "{kind} {metric:?}");
                assert_eq!(loaded.memory(), index.memory());
                let ask = Ask { kind, k: 10, allow: None, params: r#"{"nprobe":3,"ef":20}"# };
                assert_eq!(found(&*loaded, ask, &queries), found(&*index, ask, &queries));
            }
        }
    }
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let (vectors, queries) = (rows(500, 64, 20, 5), rows(2, 64, 20, 6));
    for (kind, metrics) in KINDS {
        let ask = Ask { kind, k: 10, allow: None, params: r#"{"nprobe":3,"ef":20}"# };
        let metric = metrics[1];
        let saved = Saved::of(&*built(kind, metric, &vectors));
        let load = |saved: &Saved| load(&spec(kind, metric), &saved.sections(), vectors.clone().into());
        for name in saved.0.keys() {
            let mut missing = saved.clone();
            missing.0.remove(name);
            assert_eq!(load(&missing).err().map(|e| e.code()), Some(Code::Corrupt), "{kind} without {name}");
            for change in [-1isize, -4, 4] {
                let mut other = saved.clone();
                let bytes = other.0.get_mut(name).unwrap();
                bytes.resize(bytes.len().saturating_add_signed(change), 0);
                assert!(load(&other).is_err(), "{kind} {name} longer by {change}");
            }
            let len = saved.0[name].len();
            for at in (0..len).step_by((len / 97).max(1)) {
                for bit in [0, 3, 7] {
                    let mut flipped = saved.clone();
                    flipped.0.get_mut(name).unwrap()[at] ^= 1 << bit;
                    if let Ok(index) = load(&flipped) {
                        found(&*index, ask, &queries);
                    }
                }
            }
        }
        let other: Vectors = rows(499, 64, 20, 5).into();
        assert!(crate::index::load(&spec(kind, metric), &saved.sections(), other).is_err(), "{kind}");
    }
}

#[test]
fn builds_can_be_cancelled_and_searches_stopped() {
    let vectors = rows(2_000, 64, 20, 5);
    for (kind, metrics) in KINDS {
        let spec = spec(kind, metrics[0]);
        let result = try_build(&spec, &vectors, 2, &Impatient(AtomicU64::new(1)));
        assert_eq!(result.err().map(|e| e.code()), Some(Code::Canceled), "{kind}");
        let index = try_build(&spec, &vectors, 2, &Free).unwrap();
        let (params, stop) = (spec.search_params("", 10).unwrap(), AtomicBool::new(true));
        let queries = Queries::Binary(vectors.row(0));
        let probe = Probe { queries, k: 10, allow: None, params: &params, stop: &stop };
        let mut tops = [TopK::new(10)];
        index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
        assert!(tops[0].is_empty(), "{kind}");
    }
}

#[test]
fn rows_beyond_the_counters_are_refused() {
    let vectors = BinaryVectors::new(vec![255u8; 8192 * 2].into(), 8192);
    for (kind, metrics) in KINDS {
        let result = try_build(&spec(kind, metrics[0]), &vectors, 1, &Free);
        assert_eq!(result.err().map(|e| e.code()), Some(Code::InvalidParameter), "{kind}");
    }
}
