//! The codecs of float lists, beside what `index::tests` asks of IVF_FLAT.

use crate::error::Code;
use crate::index::catalog::{IndexSpec, Metric, VectorKind};
use crate::index::tests::*;
use crate::index::vectors::FloatVectors;
use crate::index::{Index, Probe, Queries, Scratch, load};
use crate::kernel::topk::{Hit, TopK};
use arrow_buffer::BooleanBuffer;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// Types with their parameters beside nlist.
const KINDS: [(&str, &str); 8] = [
    ("IVF_SQ8", ""),
    ("IVF_SQ8H", ""),
    ("IVF_PQ", r#","m":10"#),
    ("IVF_PQ", r#","m":5,"nbits":6"#),
    ("IVF_PQ", r#","m":10,"nbits":4"#),
    ("IVF_PQ", r#","m":5,"nbits":3"#),
    ("IVF_PQ", r#","m":20,"nbits":1"#),
    ("IVF_PQ", r#","m":10,"nbits":9"#),
];
const DIM: usize = 20;

fn described(kind: (&str, &str), metric: Metric, nlist: usize) -> IndexSpec {
    let (name, more) = kind;
    let metric = metric.name();
    let text =
        format!(r#"{{"index_type":"{name}","metric_type":"{metric}","params":{{"nlist":{nlist}{more}}}}}"#);
    IndexSpec::from_json(&text, VectorKind::Float, DIM).unwrap()
}

/// Rows without the outlier that other tests have: one so far out costs itself, which is no measure of the codes.
fn calm(count: usize) -> FloatVectors {
    let mut values = rows(count, DIM, 99);
    values[60 * DIM] = 1.0;
    FloatVectors::new(values.into(), DIM)
}

/// A search with parameters in JSON.
fn search(
    index: &dyn Index,
    spec: &IndexSpec,
    params: &str,
    k: usize,
    allow: Option<&BooleanBuffer>,
    queries: &[f32],
) -> Vec<Vec<Hit>> {
    let params = spec.search_params(params, k).unwrap();
    let stop = AtomicBool::new(false);
    let probe = Probe { queries: Queries::Float(queries), k, allow, params: &params, stop: &stop };
    let mut tops = vec![TopK::new(k); queries.len() / DIM];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    tops.iter_mut().map(TopK::drain_sorted).collect()
}

/// How many of the expected rows were found, of 1.
fn recall(hits: &[Vec<Hit>], expected: &[Vec<Hit>]) -> f64 {
    let common = |(a, b): (&Vec<Hit>, &Vec<Hit>)| {
        let last = b.last().map_or(f32::INFINITY, |hit| hit.score);
        a.iter().filter(|hit| b.iter().any(|other| other.row == hit.row) || hit.score <= last).count()
    };
    let wanted: usize = expected.iter().map(Vec::len).sum();
    hits.iter().zip(expected).map(common).sum::<usize>() as f64 / wanted as f64
}

#[test]
fn codes_find_most_and_refining_finds_the_rest() {
    let vectors = calm(6_000);
    let queries = rows(40, DIM, 99);
    for metric in METRICS {
        let expected = truth(metric, &vectors, Ask { k: 10, nprobe: 1, allow: None }, &queries);
        // (type, recall of its codes, recall when ten times as many are refined)
        for (kind, codes, refined) in [
            (("IVF_SQ8", ""), 0.97, 1.0),
            (("IVF_SQ8H", ""), 0.97, 1.0),
            (("IVF_PQ", r#","m":10"#), 0.75, 0.99),
            (("IVF_PQ", r#","m":10,"nbits":4"#), 0.3, 0.9),
            (("IVF_PQ", r#","m":10,"nbits":9"#), 0.75, 0.99),
        ] {
            let spec = described(kind, metric, 40);
            let index = built(&spec, &vectors, 2, &Free).unwrap();
            let all = search(&*index, &spec, r#"{"nprobe":40}"#, 10, None, &queries);
            let found = recall(&all, &expected);
            assert!(found >= codes, "{kind:?} {metric:?}: {found}");
            let again: Vec<_> = queries
                .chunks(DIM)
                .flat_map(|query| search(&*index, &spec, r#"{"nprobe":40}"#, 10, None, query))
                .collect();
            assert_eq!(all, again, "a batch finds what its queries find alone: {kind:?} {metric:?}");
            let hits = search(&*index, &spec, r#"{"nprobe":40,"refine_k":10}"#, 10, None, &queries);
            let found = recall(&hits, &expected);
            assert!(found >= refined, "{kind:?} {metric:?} refined: {found}");
            for (hits, expected) in hits.iter().zip(&expected) {
                let same = |hit: &&Hit| expected.iter().any(|other| other.row == hit.row);
                for hit in hits.iter().filter(same) {
                    assert!(expected.contains(hit), "refined scores are exact: {hit:?}");
                }
            }
        }
    }
}

#[test]
fn scores_are_near_the_metrics() {
    let vectors = calm(3_000);
    let queries = rows(20, DIM, 5);
    for metric in METRICS {
        for (kind, near) in [(("IVF_SQ8", ""), 0.02), (("IVF_PQ", r#","m":10"#), 0.3)] {
            let spec = described(kind, metric, 10);
            let index = built(&spec, &vectors, 2, &Free).unwrap();
            let exact = search(&*index, &spec, r#"{"nprobe":10,"refine_k":1}"#, 10, None, &queries);
            let codes = search(&*index, &spec, r#"{"nprobe":10}"#, 10, None, &queries);
            for (codes, exact) in codes.iter().flatten().zip(exact.iter().flatten()) {
                let size = codes.score.abs().max(exact.score.abs()).max(1.0);
                assert!(
                    (codes.score - exact.score).abs() <= near * size,
                    "{kind:?} {metric:?} {codes:?} {exact:?}"
                );
                match metric {
                    Metric::Cosine => assert!((-1.0..=1.0).contains(&codes.score)),
                    Metric::L2 => assert!(codes.score >= 0.0),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn k_rows_come_under_every_filter() {
    let count = 2_000;
    let vectors = vectors(count, DIM);
    let queries = rows(5, DIM, 3);
    for metric in METRICS {
        for kind in KINDS {
            let spec = described(kind, metric, 30);
            let index = built(&spec, &vectors, 2, &Free).unwrap();
            for allow in [
                BooleanBuffer::new_unset(count),
                BooleanBuffer::collect_bool(count, |row| row == 1_234),
                every(count, 500),
                every(count, 20),
                every(count, 2),
                BooleanBuffer::new_set(count),
            ] {
                let allowed = allow.count_set_bits();
                for (k, params) in [(1, ""), (30, r#"{"nprobe":1}"#), (1_500, r#"{"nprobe":2,"refine_k":2}"#)]
                {
                    for hits in search(&*index, &spec, params, k, Some(&allow), &queries) {
                        assert_eq!(hits.len(), k.min(allowed), "{kind:?} {metric:?} {params}");
                        assert!(hits.iter().all(|hit| allow.value(hit.row as usize)));
                        let mut rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
                        rows.sort_unstable();
                        rows.dedup();
                        assert_eq!(rows.len(), hits.len(), "a row came twice");
                    }
                }
            }
        }
    }
}

#[test]
fn few_equal_and_odd_rows_are_searched_like_many() {
    let odd = [[f32::MAX; DIM], [1e30; DIM], [f32::INFINITY; DIM], [0.0; DIM], [1e-40; DIM]];
    for kind in KINDS {
        for metric in METRICS {
            let spec = described(kind, metric, 4);
            for count in [0, 1, 2, 39, 100] {
                let vectors = FloatVectors::new(vec![0.5; count * DIM].into(), DIM);
                let index = built(&spec, &vectors, 1, &Free).unwrap();
                let hits = search(&*index, &spec, r#"{"nprobe":1}"#, 50, None, &[1.5; DIM]);
                let rows: Vec<u32> = hits[0].iter().map(|hit| hit.row).collect();
                assert_eq!(rows, (0..count.min(50) as u32).collect::<Vec<_>>(), "{kind:?} {metric:?}");
            }
            let mut values = rows(200, DIM, 1);
            values.extend(odd.as_flattened());
            let vectors = FloatVectors::new(values.into(), DIM);
            let index = built(&spec, &vectors, 1, &Free).unwrap();
            for hits in search(&*index, &spec, "", 205, None, odd.as_flattened()) {
                assert_eq!(hits.len(), 205, "{kind:?} {metric:?}");
            }
        }
    }
}

#[test]
fn saved_indexes_answer_the_same() {
    let vectors = vectors(1_500, DIM);
    let queries = rows(20, DIM, 8);
    for metric in METRICS {
        for kind in KINDS {
            let spec = described(kind, metric, 20);
            let index = built(&spec, &vectors, 2, &Free).unwrap();
            let written = Written::of(&*index);
            let loaded = load(&spec, &written.sections(), vectors.clone().into()).unwrap();
            assert!(Written::of(&*loaded) == written);
            assert_eq!(loaded.memory(), index.memory());
            let [a, b] =
                [&index, &loaded].map(|i| search(&**i, &spec, r#"{"nprobe":3}"#, 10, None, &queries));
            assert_eq!(a, b);
        }
    }
}

#[test]
fn the_thread_count_changes_no_byte() {
    let vectors = vectors(3_000, DIM);
    for metric in METRICS {
        for kind in KINDS {
            let spec = described(kind, metric, 40);
            let [one, two, four] =
                [1, 2, 4].map(|threads| Written::of(&*built(&spec, &vectors, threads, &Free).unwrap()));
            assert!(one == two && one == four, "{kind:?} {metric:?}");
        }
    }
}

#[test]
fn damaged_sections_are_refused_or_harmless() {
    let vectors = vectors(400, DIM);
    let queries = rows(3, DIM, 8);
    let mut random = Random(4);
    for kind in KINDS {
        let spec = described(kind, Metric::L2, 8);
        let written = Written::of(&*built(&spec, &vectors, 1, &Free).unwrap());
        let refused = |written: &Written| {
            load(&spec, &written.sections(), vectors.clone().into()).err().map(|error| error.code())
                == Some(Code::Corrupt)
        };
        for i in 0..written.0.len() {
            let mut damaged = written.clone();
            damaged.0[i].1.pop();
            assert!(refused(&damaged), "a shortened {}", written.0[i].0);
            damaged.0[i].1.extend([0; 9]);
            assert!(refused(&damaged), "a longer {}", written.0[i].0);
            damaged.0.remove(i);
            assert!(refused(&damaged), "no {}", written.0[i].0);
        }
        for _ in 0..300 {
            let mut damaged = written.clone();
            let i = random.next() as usize % damaged.0.len();
            let bytes = &mut damaged.0[i].1;
            for _ in 0..4 {
                let at = random.next() as usize % bytes.len();
                bytes[at] = random.next() as u8;
            }
            if let Ok(index) = load(&spec, &damaged.sections(), vectors.clone().into()) {
                search(&*index, &spec, r#"{"nprobe":3}"#, 10, None, &queries);
            }
        }
        assert!(
            load(&spec, &written.sections(), FloatVectors::new(vec![0.0; 399 * DIM].into(), DIM).into())
                .is_err()
        );
    }
}

#[test]
fn builds_tell_how_far_they_are_and_can_be_stopped() {
    let vectors = vectors(3_000, DIM);
    for kind in KINDS {
        let spec = described(kind, Metric::L2, 40);
        let watched = Watched { last: AtomicU64::new(0), stop_at: u64::MAX };
        built(&spec, &vectors, 2, &watched).unwrap();
        assert!(watched.last.into_inner() > 1_500, "{kind:?}");
        for stop_at in [0, 1_500] {
            let watched = Watched { last: AtomicU64::new(0), stop_at };
            let error = built(&spec, &vectors, 2, &watched).err().unwrap();
            assert_eq!(error.code(), Code::Canceled);
        }
    }
}

#[test]
fn a_stopped_search_returns() {
    let vectors = vectors(2_000, DIM);
    for kind in KINDS {
        let spec = described(kind, Metric::L2, 16);
        let index = built(&spec, &vectors, 1, &Free).unwrap();
        let params = spec.search_params("", 10).unwrap();
        let stop = AtomicBool::new(true);
        let queries = Queries::Float(&[0.0; DIM]);
        let probe = Probe { queries, k: 10, allow: None, params: &params, stop: &stop };
        let mut tops = [TopK::new(10)];
        index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
        assert!(tops[0].is_empty(), "{kind:?}");
    }
}
