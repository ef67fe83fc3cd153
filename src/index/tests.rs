//! FLAT and IVF_FLAT against the exhaustive scan, and that against the definitions; what a build reserves.

use super::catalog::{Metric, VectorKind};
use super::testing::*;
use super::vectors::BinaryVectors;
use super::*;
use crate::kernel::topk::Hit;
use std::sync::atomic::AtomicU64;

const KINDS: [&str; 2] = ["FLAT", "IVF_FLAT"];

/// Xorshift (Marsaglia 2003).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// Rows around some corners, with what data has in life: twins, zeros, an outlier.
pub(super) fn rows(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let corners: Vec<f32> = (0..30 * dim).map(|_| random.unit() * 4.0).collect();
    let mut rows = Vec::with_capacity(count * dim);
    for row in 0..count {
        let corner = random.next() as usize % 30 * dim;
        match row % 100 {
            17 if row > 100 => rows.extend_from_within((row - 50) * dim..(row - 49) * dim),
            41 => rows.extend(std::iter::repeat_n(0.0, dim)),
            _ => rows.extend((0..dim).map(|i| corners[corner + i] + random.unit())),
        }
    }
    if count > 60 {
        rows[60 * dim] = 1e6;
    }
    rows
}

/// A set of such rows.
pub(super) fn set(count: usize, dim: usize) -> Vectors {
    floats(&rows(count, dim, 99), dim)
}

fn spec(index_type: &str, metric: Metric, nlist: usize, dim: usize) -> IndexSpec {
    let text = format!(
        r#"{{"index_type":"{index_type}","metric_type":"{}","params":{{"nlist":{nlist}}}}}"#,
        metric.name()
    );
    IndexSpec::from_json(&text, VectorKind::Float, dim).unwrap()
}

fn lists(nprobe: usize) -> String {
    format!(r#"{{"nprobe":{nprobe}}}"#)
}

/// By other sums than the kernels', in f64.
#[test]
fn the_scan_follows_the_definitions() {
    let (values, queries) = (clusters(3000, 1), clusters(40, 5));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    for metric in METRICS {
        for query in queries.chunks_exact(DIM) {
            let score = |x: &[f32]| match metric {
                Metric::L2 => dot(x, x) + dot(query, query) - 2.0 * dot(x, query),
                Metric::Ip => -dot(x, query),
                _ => -dot(x, query) / (dot(x, x) * dot(query, query)).sqrt(),
            };
            let mut best: Vec<f64> = values.chunks_exact(DIM).map(score).collect();
            best.sort_by(f64::total_cmp);
            let hits = nearest(metric, &vectors(&values), query, 10);
            assert_eq!(hits.len(), 10);
            for (hit, &best) in hits.iter().zip(&best) {
                let own = score(&values[hit.row as usize * DIM..][..DIM]);
                let near = 1e-4 * best.abs() + 1e-4;
                assert!(
                    (f64::from(hit.score) - own).abs() < near && (own - best).abs() < near,
                    "{hit:?} {best}"
                );
            }
        }
    }
}

#[test]
fn flat_and_all_lists_answer_exactly() {
    let (count, dim) = (3_000, 20);
    let filters = [1, 2, 7, 100, 1_500, 2 * count].map(|nth| every(count, nth));
    for metric in METRICS {
        for kind in KINDS {
            let subject = Subject::new(&spec(kind, metric, 32, dim), &set(count, dim));
            for (nq, k) in [(1, 10), (70, 10), (3, 1), (2, 700), (2, 5_000)] {
                let queries = floats(&rows(nq, dim, 5), dim);
                for allow in std::iter::once(None).chain(filters.iter().map(Some)) {
                    let ask = Ask { k, params: &lists(32), allow };
                    let hits = subject.hits(&queries, ask);
                    assert_eq!(hits, subject.truth(&queries, ask), "{kind} {metric:?} nq {nq} k {k}");
                    let allowed = allow.map_or(count, BooleanBuffer::count_set_bits);
                    assert!(hits.iter().all(|hits| hits.len() == k.min(allowed)));
                }
            }
        }
    }
}

#[test]
fn odd_queries_and_rows_stay_exact() {
    let queries =
        [[0.0; 5], [1e12, -1e12, 0.0, 1.0, 2.0], [1e-12, 0.0, 0.0, 0.0, 0.0], [1e6, 0.0, 0.0, 0.0, 0.0]];
    let queries = floats(queries.as_flattened(), 5);
    for metric in METRICS {
        for kind in KINDS {
            let subject = Subject::new(&spec(kind, metric, 8, 5), &set(500, 5));
            let ask = Ask { k: 20, ..Ask::ten(r#"{"nprobe":8}"#) };
            assert_eq!(subject.hits(&queries, ask), subject.truth(&queries, ask), "{kind} {metric:?}");
        }
    }
}

#[test]
fn few_and_equal_rows_are_searched_like_many() {
    for count in [0, 1, 2, 39, 80] {
        for kind in KINDS {
            let subject = Subject::new(&spec(kind, Metric::L2, 4, 3), &floats(&vec![0.5; count * 3], 3));
            let ask = Ask { k: 50, ..Ask::ten(r#"{"nprobe":1}"#) };
            let expected: Vec<_> = (0..count.min(50) as u32).map(|row| Hit { score: 1.0, row }).collect();
            // All rows are in one list, and lists are walked on until there are enough.
            assert_eq!(subject.hits(&floats(&[0.5, 0.5, 1.5], 3), ask), [expected], "{kind} {count}");
        }
    }
}

#[test]
fn more_lists_find_more() {
    let dim = 16;
    let queries = rows(100, dim, 99);
    for metric in METRICS {
        let subject = Subject::new(&spec("IVF_FLAT", metric, 64, dim), &set(4_000, dim));
        let recall = |nprobe: usize, nq: usize| {
            let (params, batches) = (lists(nprobe), queries.chunks(nq * dim));
            let count = batches.len() as f64;
            batches.map(|batch| subject.recall(&floats(batch, dim), Ask::ten(&params))).sum::<f64>() / count
        };
        let [one, eight, all] = [1, 8, 64].map(|nprobe| recall(nprobe, 100));
        assert!(one < 1.0 && one <= eight && eight > 0.9 && all == 1.0, "{metric:?}: {one} {eight} {all}");
        let apart = (recall(4, 1) - recall(4, 100)).abs();
        assert!(apart < 1e-9, "a batch finds what its queries find alone");
        assert_eq!(recall(1_000, 1), 1.0, "nprobe beyond nlist is nlist");
    }
}

#[test]
fn a_filter_never_leaves_too_few() {
    let (count, dim) = (4_000, 8);
    let subject = Subject::new(&spec("IVF_FLAT", Metric::L2, 100, dim), &set(count, dim));
    for (nth, nq) in [(1, 100), (2, 1), (10, 5), (50, 100), (200, 1), (1_000, 3), (3_999, 100)] {
        let allow = every(count, nth);
        let ask = Ask { k: 60, params: r#"{"nprobe":1}"#, allow: Some(&allow) };
        for hits in subject.hits(&floats(&rows(nq, dim, 3), dim), ask) {
            assert_eq!(hits.len(), 60.min(allow.count_set_bits()));
            assert!(hits.iter().all(|hit| allow.value(hit.row as usize)));
        }
    }
}

#[test]
fn a_filter_does_not_spoil_recall() {
    let (count, dim) = (20_000, 16);
    let queries = floats(&rows(50, dim, 99), dim);
    let subject = Subject::new(&spec("IVF_FLAT", Metric::L2, 200, dim), &set(count, dim));
    for nth in [2, 10, 50, 200] {
        let allow = every(count, nth);
        let ask = Ask { allow: Some(&allow), ..Ask::ten(r#"{"nprobe":8}"#) };
        let recall = subject.recall(&queries, ask);
        assert!(recall >= 0.9, "1 in {nth}: {recall}");
    }
}

#[test]
fn a_stopped_search_returns() {
    for kind in KINDS {
        let subject = Subject::new(&spec(kind, Metric::L2, 16, 8), &set(2_000, 8));
        check_stop(&subject, &floats(&[0.0; 8], 8));
    }
}

#[test]
fn saved_indexes_answer_the_same() {
    let (dim, ask) = (12, Ask::ten(r#"{"nprobe":3}"#));
    for metric in METRICS {
        for kind in KINDS {
            let subject = Subject::new(&spec(kind, metric, 20, dim), &set(1_500, dim));
            check_round_trip(&subject, &floats(&rows(20, dim, 8), dim), ask);
        }
    }
}

#[test]
fn the_thread_count_changes_no_byte() {
    for metric in METRICS {
        KINDS.into_iter().for_each(|kind| check_threads(&spec(kind, metric, 40, 10), &set(3_000, 10), 0));
    }
}

#[test]
fn damaged_sections_are_refused_or_harmless() {
    let (dim, ask) = (6, Ask::ten(r#"{"nprobe":3}"#));
    let subject = |kind| Subject::new(&spec(kind, Metric::L2, 8, dim), &set(400, dim));
    KINDS.into_iter().for_each(|kind| check_damage(&subject(kind), &floats(&rows(3, dim, 8), dim), ask));
    let wrong = [("list_rows", 0, 400), ("list_offsets", 0, 1), ("list_offsets", 1, 401)];
    check_refused(&subject("IVF_FLAT"), &wrong);
}

#[test]
fn builds_tell_how_far_they_are_and_can_be_stopped() {
    let set = set(3_000, 10);
    for kind in KINDS {
        let spec = spec(kind, Metric::L2, 40, 10);
        assert!(progress(&spec, &set) > 2_000);
        let watched = Watched { rows: 3_000, last: AtomicU64::new(0), stop_at: 0 };
        let error = try_build(&spec, &set, 2, 0, &watched).err().unwrap();
        assert_eq!(error.code(), Code::Canceled);
    }
    let gpu = IndexSpec { index_type: IndexType::GpuCagra, ..spec("FLAT", Metric::L2, 1, 10) };
    let error = try_build(&gpu, &set, 1, 0, &Patient).err().unwrap();
    assert_eq!(error.code(), Code::IndexTypeNotSupported);
}

/// What a build reserves covers what stays of it, and is not out of all proportion.
#[test]
fn a_builds_memory_covers_its_index() {
    for (rows, dim) in [(1500, 8), (400, 104)] {
        let bits: Vec<u8> = (0..rows * dim / 8).map(|i| ((i * i) >> 3) as u8).collect();
        let kinds = [
            (VectorKind::Float, "L2", set(rows, dim)),
            (VectorKind::Binary, "HAMMING", BinaryVectors::new(bits.into(), dim / 8).into()),
        ];
        for (kind, metric, vectors) in kinds {
            for entry in catalog::table::ENTRIES.iter().filter(|entry| entry.works.contains(&kind)) {
                let name = entry.name;
                let text = format!(
                    r#"{{"index_type":"{name}","metric_type":"{metric}","params":{{"m":4,"nlist":8}}}}"#
                );
                let spec = IndexSpec::from_json(&text, kind, dim).unwrap();
                let index = try_build(&spec, &vectors, 1, 0, &Patient).unwrap();
                let (estimate, kept) = (build_memory(&spec, &vectors), index.memory() as u64);
                assert!(estimate >= kept, "{name}, {rows} x {dim}: {estimate} for {kept}");
                assert!(estimate <= 8 * kept + (1 << 20), "{name}, {rows} x {dim}: {estimate} for {kept}");
            }
        }
    }
}
