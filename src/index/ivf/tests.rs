//! The codecs of float lists, beside what `index::tests` asks of IVF_FLAT.

use crate::error::Code;
use crate::index::catalog::{IndexSpec, Metric, VectorKind};
use crate::index::testing::{
    Ask, METRICS, Subject, Watched, check_damage, check_round_trip, check_stop, check_threads, every, floats,
    nearest, progress, try_build,
};
use crate::index::tests::{rows, set};
use crate::index::vectors::Vectors;
use crate::kernel::topk::Hit;
use arrow_buffer::BooleanBuffer;
use std::sync::atomic::AtomicU64;

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
fn calm(count: usize) -> Vectors {
    let mut values = rows(count, DIM, 99);
    values[60 * DIM] = 1.0;
    floats(&values, DIM)
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
    let (vectors, values) = (calm(6_000), rows(40, DIM, 99));
    let queries = floats(&values, DIM);
    for metric in METRICS {
        let truth = |query: &[f32]| nearest(metric, &vectors, query, 10);
        let expected: Vec<_> = values.chunks(DIM).map(truth).collect();
        // (type, recall of its codes, recall when ten times as many are refined)
        for (kind, codes, refined) in [
            (("IVF_SQ8", ""), 0.97, 1.0),
            (("IVF_SQ8H", ""), 0.97, 1.0),
            (("IVF_PQ", r#","m":10"#), 0.75, 0.99),
            (("IVF_PQ", r#","m":10,"nbits":4"#), 0.3, 0.9),
            (("IVF_PQ", r#","m":10,"nbits":9"#), 0.75, 0.99),
        ] {
            let spec = described(kind, metric, 40);
            let (subject, ask) = (Subject::new(&spec, &vectors), Ask::ten(r#"{"nprobe":40}"#));
            let all = subject.hits(&queries, ask);
            let found = recall(&all, &expected);
            assert!(found >= codes, "{kind:?} {metric:?}: {found}");
            let alone = |query: &[f32]| subject.hits(&floats(query, DIM), ask).remove(0);
            let again: Vec<_> = values.chunks(DIM).map(alone).collect();
            assert_eq!(all, again, "a batch finds what its queries find alone: {kind:?} {metric:?}");
            let hits = subject.hits(&queries, Ask::ten(r#"{"nprobe":40,"refine_k":10}"#));
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
    let queries = floats(&rows(20, DIM, 5), DIM);
    for metric in METRICS {
        for (kind, near) in [(("IVF_SQ8", ""), 0.02), (("IVF_PQ", r#","m":10"#), 0.3)] {
            let spec = described(kind, metric, 10);
            let subject = Subject::new(&spec, &vectors);
            let exact = subject.hits(&queries, Ask::ten(r#"{"nprobe":10,"refine_k":1}"#));
            let codes = subject.hits(&queries, Ask::ten(r#"{"nprobe":10}"#));
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
    let vectors = set(count, DIM);
    let queries = floats(&rows(5, DIM, 3), DIM);
    for metric in METRICS {
        for kind in KINDS {
            let spec = described(kind, metric, 30);
            let subject = Subject::new(&spec, &vectors);
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
                    for hits in subject.hits(&queries, Ask { k, params, allow: Some(&allow) }) {
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
                let subject = Subject::new(&spec, &floats(&vec![0.5; count * DIM], DIM));
                let hits =
                    subject.hits(&floats(&[1.5; DIM], DIM), Ask { k: 50, ..Ask::ten(r#"{"nprobe":1}"#) });
                let rows: Vec<u32> = hits[0].iter().map(|hit| hit.row).collect();
                assert_eq!(rows, (0..count.min(50) as u32).collect::<Vec<_>>(), "{kind:?} {metric:?}");
            }
            let mut values = rows(200, DIM, 1);
            values.extend(odd.as_flattened());
            let subject = Subject::new(&spec, &floats(&values, DIM));
            for hits in subject.hits(&floats(odd.as_flattened(), DIM), Ask { k: 205, ..Ask::ten("") }) {
                assert_eq!(hits.len(), 205, "{kind:?} {metric:?}");
            }
        }
    }
}

#[test]
fn saved_indexes_answer_the_same() {
    let (vectors, queries) = (set(1_500, DIM), floats(&rows(20, DIM, 8), DIM));
    for metric in METRICS {
        for kind in KINDS {
            let subject = Subject::new(&described(kind, metric, 20), &vectors);
            check_round_trip(&subject, &queries, Ask::ten(r#"{"nprobe":3}"#));
        }
    }
}

#[test]
fn the_thread_count_changes_no_byte() {
    let vectors = set(3_000, DIM);
    for metric in METRICS {
        KINDS.into_iter().for_each(|kind| check_threads(&described(kind, metric, 40), &vectors, 0));
    }
}

#[test]
fn damaged_sections_are_refused_or_harmless() {
    let (vectors, queries) = (set(400, DIM), floats(&rows(3, DIM, 8), DIM));
    for kind in KINDS {
        let subject = Subject::new(&described(kind, Metric::L2, 8), &vectors);
        check_damage(&subject, &queries, Ask::ten(r#"{"nprobe":3}"#));
    }
}

#[test]
fn builds_tell_how_far_they_are_and_can_be_stopped() {
    let vectors = set(3_000, DIM);
    for kind in KINDS {
        let spec = described(kind, Metric::L2, 40);
        assert!(progress(&spec, &vectors) > 1_500, "{kind:?}");
        for stop_at in [0, 1_500] {
            let watched = Watched { rows: 3_000, last: AtomicU64::new(0), stop_at };
            let error = try_build(&spec, &vectors, 2, 0, &watched).err().unwrap();
            assert_eq!(error.code(), Code::Canceled);
        }
    }
}

#[test]
fn a_stopped_search_returns() {
    let vectors = set(2_000, DIM);
    for kind in KINDS {
        let subject = Subject::new(&described(kind, Metric::L2, 16), &vectors);
        check_stop(&subject, &floats(&[0.0; DIM], DIM));
    }
}

/// Rows that lie apart are gathered, list by list or from all lists at once; each has the score that it has without a filter.
#[test]
fn few_allowed_rows_have_the_scores_of_their_codes() {
    const ROWS: usize = 6_000;
    let (vectors, values) = (calm(ROWS), rows(12, DIM, 31));
    let queries = floats(&values, DIM);
    // More than are scored exactly whatever the index, and in most blocks few enough to be scored one by one.
    let allow = every(ROWS, 5);
    let (all, nearest_lists) = (r#"{"nprobe":40}"#, r#"{"nprobe":1}"#);
    for metric in METRICS {
        for kind in [("IVF_FLAT", ""), KINDS[0], KINDS[1], KINDS[2], KINDS[4]] {
            let subject = Subject::new(&described(kind, metric, 40), &vectors);
            let free = subject.hits(&queries, Ask { k: ROWS, params: all, allow: None });
            let expected: Vec<Vec<Hit>> = free
                .iter()
                .map(|hits| hits.iter().filter(|hit| allow.value(hit.row as usize)).copied().collect())
                .collect();
            for params in [all, nearest_lists, ""] {
                let ask = Ask { k: 10, params, allow: Some(&allow) };
                let found = subject.hits(&queries, ask);
                for (hits, expected) in found.iter().zip(&expected) {
                    assert_eq!(hits.len(), 10);
                    assert!(hits.iter().all(|hit| expected.contains(hit)), "{kind:?} {metric:?} {params}");
                    if params == all {
                        assert_eq!(hits, &expected[..10], "{kind:?} {metric:?}");
                    }
                }
                let alone = |query: &[f32]| subject.hits(&floats(query, DIM), ask).remove(0);
                assert_eq!(found, values.chunks(DIM).map(alone).collect::<Vec<_>>(), "{kind:?} {metric:?}");
            }
        }
    }
}

/// The filter's rows are the farthest from the query: a walk would come to all lists, and is not begun.
#[test]
fn few_allowed_rows_are_all_looked_at() {
    const ROWS: usize = 12_000;
    let (vectors, values) = (calm(ROWS), rows(20, DIM, 31));
    let subject = Subject::new(&described(("IVF_FLAT", ""), Metric::L2, 100), &vectors);
    for query in values.chunks(DIM) {
        let far = nearest(Metric::L2, &vectors, query, ROWS);
        let mut bits = vec![false; ROWS];
        far[ROWS - 1_200..].iter().for_each(|hit| bits[hit.row as usize] = true);
        let (allow, query) = (BooleanBuffer::from(bits), floats(query, DIM));
        let ask = Ask { allow: Some(&allow), ..Ask::ten("") };
        assert_eq!(subject.hits(&query, ask), subject.truth(&query, ask));
    }
}
