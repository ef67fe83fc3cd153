//! The kinds of binary fields against the exhaustive scan, and that against the definitions.

use super::*;
use crate::error::Code;
use crate::index::catalog::{IndexSpec, VectorKind};
use crate::index::testing::*;
use crate::index::tests::Random;
use crate::index::vectors::Vectors;

const FIVE: [Metric; 5] =
    [Metric::Hamming, Metric::Jaccard, Metric::Tanimoto, Metric::Substructure, Metric::Superstructure];
const DISTANCES: [Metric; 3] = [Metric::Hamming, Metric::Jaccard, Metric::Tanimoto];

/// Generous parameters: all lists, a wide beam.
const WIDE: &str = r#"{"nprobe":20,"ef":300}"#;
const NARROW: &str = r#"{"nprobe":3,"ef":20}"#;

/// Each kind of index with each of its metrics.
fn kinds() -> impl Iterator<Item = IndexSpec> {
    let kinds: [(&str, &[Metric]); 3] =
        [("BIN_FLAT", &FIVE), ("BIN_IVF_FLAT", &DISTANCES), ("HNSW", &DISTANCES)];
    kinds.into_iter().flat_map(|(kind, metrics)| metrics.iter().map(move |&metric| spec(kind, metric)))
}

fn spec(kind: &str, metric: Metric) -> IndexSpec {
    let params = r#"{"nlist":20,"M":12,"efConstruction":100}"#;
    let text = format!(r#"{{"index_type":"{kind}","metric_type":"{}","params":{params}}}"#, metric.name());
    IndexSpec::from_json(&text, VectorKind::Binary, 64).unwrap()
}

fn subject(kind: &str, metric: Metric, vectors: &BinaryVectors) -> Subject {
    Subject::new(&spec(kind, metric), &vectors.clone().into())
}

/// Rows of `stride` bytes around 30 corners, a bit in `one_in` set, with what data has in life: twins, empty and full
/// rows, parts of others.
fn rows(count: usize, stride: usize, one_in: u64, seed: u64) -> BinaryVectors {
    let (mut corner, mut random) = (Random(77), Random(seed));
    let (mut corner, mut random) = (|| corner.next() >> 20, || random.next() >> 20);
    let corners: Vec<u8> = (0..30 * stride * 8).map(|_| u8::from(corner().is_multiple_of(one_in))).collect();
    let mut bytes = Vec::with_capacity(count * stride);
    for row in 0..count {
        let from = random() as usize % 30 * stride * 8;
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
                        let noise = random().is_multiple_of(4 * one_in);
                        (corners[from + 8 * byte + bit] ^ u8::from(noise)) << bit
                    };
                    bytes.push((0..8).map(bit).sum());
                }
            }
        }
    }
    BinaryVectors::new(bytes.into(), stride)
}

/// What Milvus' page of metrics says, bit by bit.
#[test]
fn the_scan_follows_the_definitions() {
    let vectors = rows(300, 9, 3, 5);
    let queries = rows(20, 9, 3, 6);
    let allow = every(300, 3);
    for metric in FIVE {
        let subject = subject("BIN_FLAT", metric, &vectors);
        for allow in [None, Some(&allow)] {
            let truth = subject.truth(&queries.clone().into(), Ask { k: 1000, allow, params: "" });
            for (query, hits) in truth.into_iter().enumerate() {
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
        let vectors = rows(count, stride, one_in, 5);
        let queries: Vectors = rows(70, stride, one_in, 6).into();
        let filters = [1, 2, 7, 100, 1_250, 2 * count].map(|nth| every(count, nth));
        for metric in FIVE {
            let subject = subject("BIN_FLAT", metric, &vectors);
            for k in [1, 10, 200] {
                for allow in std::iter::once(None).chain(filters.iter().map(Some)) {
                    let ask = Ask { k, allow, params: "" };
                    let (hits, want) = (subject.hits(&queries, ask), subject.truth(&queries, ask));
                    assert_eq!(hits, want, "{metric:?} {stride} bytes, k {k}");
                }
            }
            // One query alone.
            let ask = Ask::ten("");
            assert_eq!(subject.hits(&first(&queries, 1), ask)[0], subject.truth(&queries, ask)[0]);
        }
    }
}

#[test]
fn all_lists_give_the_exact_answer() {
    for (stride, one_in) in [(48, 2), (128, 40)] {
        let (vectors, half) = (rows(2_000, stride, one_in, 5), every(2_000, 2));
        let queries: Vectors = rows(70, stride, one_in, 6).into();
        for metric in DISTANCES {
            let subject = subject("BIN_IVF_FLAT", metric, &vectors);
            for allow in [None, Some(&half)] {
                let ask = Ask { k: 20, allow, params: WIDE };
                assert_eq!(subject.hits(&queries, ask), subject.truth(&queries, ask), "{metric:?}");
                let share = subject.recall(&queries, Ask { params: r#"{"nprobe":6}"#, ..ask });
                assert!(share > 0.85, "{metric:?} with 6 of 20 lists: {share}");
            }
        }
    }
}

#[test]
fn all_kinds_find_nearly_all_under_any_filter() {
    for (stride, one_in) in [(48, 2), (128, 40)] {
        let vectors: Vectors = rows(3_000, stride, one_in, 5).into();
        let queries: Vectors = rows(50, stride, one_in, 6).into();
        for spec in kinds() {
            let subject = Subject::new(&spec, &vectors);
            check_filters(&subject, &queries, Ask::ten(WIDE), 0.97);
            let share = subject.recall(&queries, Ask::ten(WIDE));
            assert!(share > 0.97, "{spec:?}, {stride} bytes: {share}");
        }
    }
}

#[test]
fn few_rows_and_large_k() {
    let asks = [1, 10, 3000].map(|k| Ask { k, params: WIDE, allow: None });
    for count in [0, 1, 2, 3, 40] {
        for spec in kinds() {
            check_small(&spec, &rows(count, 16, 3, 5).into(), &rows(3, 16, 3, 6).into(), &asks);
        }
    }
}

#[test]
fn equal_rows_are_all_found() {
    let one: Vectors = rows(1, 64, 9, 5).into();
    for bytes in [rows(1, 64, 9, 5).bytes().repeat(1_200), vec![0u8; 64 * 1_200]] {
        let vectors: Vectors = BinaryVectors::new(bytes.into(), 64).into();
        for spec in kinds() {
            let (subject, ask) = (Subject::new(&spec, &vectors), Ask { k: 100, ..Ask::ten(WIDE) });
            let (hits, want) = (&subject.hits(&one, ask)[0], &subject.truth(&one, ask)[0]);
            assert_eq!(hits.len(), want.len(), "{spec:?}");
            assert!(hits.iter().zip(want).all(|(hit, want)| hit.score == want.score));
        }
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    let vectors: Vectors = rows(3_000, 128, 30, 5).into();
    kinds().for_each(|spec| check_threads(&spec, &vectors, 0));
}

#[test]
fn saved_and_loaded_is_the_same() {
    for (stride, one_in) in [(24, 2), (128, 30)] {
        let vectors: Vectors = rows(1_500, stride, one_in, 5).into();
        let queries = rows(20, stride, one_in, 6).into();
        kinds().for_each(|spec| {
            check_round_trip(&Subject::new(&spec, &vectors), &queries, Ask::ten(NARROW));
        });
    }
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let (vectors, queries) = (rows(500, 64, 20, 5), rows(2, 64, 20, 6).into());
    for kind in ["BIN_FLAT", "BIN_IVF_FLAT", "HNSW"] {
        check_damage(&subject(kind, Metric::Jaccard, &vectors), &queries, Ask::ten(NARROW));
    }
}

#[test]
fn builds_can_be_cancelled_and_searches_stopped() {
    let vectors: Vectors = rows(2_000, 64, 20, 5).into();
    for spec in kinds() {
        check_cancel(&spec, &vectors, 0, &[1]);
        check_stop(&Subject::new(&spec, &vectors), &first(&vectors, 1));
    }
}

#[test]
fn rows_beyond_the_counters_are_refused() {
    let vectors: Vectors = BinaryVectors::new(vec![255u8; 8192 * 2].into(), 8192).into();
    for spec in kinds() {
        let result = try_build(&spec, &vectors, 1, 0, &Patient);
        assert_eq!(result.err().map(|e| e.code()), Some(Code::InvalidParameter), "{spec:?}");
    }
}
