use super::*;
use crate::index::testing::*;
use crate::index::vectors::Vectors;
use arrow_buffer::BooleanBuffer;

fn spec(metric: Metric, trees: usize) -> IndexSpec {
    described("ANNOY", metric, &format!(r#""n_trees":{trees}"#))
}

fn subject(values: &[f32], metric: Metric) -> Subject {
    Subject::new(&spec(metric, 12), &vectors(values))
}

fn queries() -> Vectors {
    vectors(&clusters(40, 5))
}

/// A number of rows to be scored.
fn of(search_k: i64) -> String {
    format!(r#"{{"search_k":{search_k}}}"#)
}

#[test]
fn more_candidates_find_more() {
    let values = clusters(6000, 1);
    for metric in METRICS {
        let subject = subject(&values, metric);
        let recall = |search_k| subject.recall(&queries(), Ask::ten(&of(search_k)));
        let [few, usual, many, all] = [20, -1, 1500, 6000].map(recall);
        assert!(few < usual && usual > 0.9 && many > 0.985, "{metric:?}: {few} {usual} {many}");
        assert_eq!(all, 1.0);
    }
}

#[test]
fn more_trees_find_more() {
    let vectors = vectors(&clusters(6000, 1));
    let mut gained = 0.0;
    for metric in METRICS {
        let [one, many] = [1, 40]
            .map(|trees| Subject::new(&spec(metric, trees), &vectors).recall(&queries(), Ask::ten(&of(300))));
        assert!(one < many, "{metric:?}: {one} with one tree, {many} with 40");
        gained += many - one;
    }
    assert!(gained > 0.03, "{gained} over all metrics");
}

/// Any integer is a `search_k`: negative ones are the usual number, and too small ones are k.
#[test]
fn odd_search_k() {
    let subject = subject(&clusters(3000, 1), Metric::L2);
    let hits = |search_k| subject.hits(&queries(), Ask::ten(&of(search_k)));
    let (usual, least) = (hits(-1), hits(10));
    assert!(least.iter().all(|hits| hits.len() == 10));
    assert!([-2, i64::MIN].into_iter().all(|search_k| hits(search_k) == usual));
    assert!([0, 1, 9].into_iter().all(|search_k| hits(search_k) == least));
    assert_eq!(hits(i64::MAX), subject.truth(&queries(), Ask::ten("")));
}

#[test]
fn filtered_searches_are_never_short() {
    let values = clusters(6000, 1);
    for metric in METRICS {
        let subject = subject(&values, metric);
        check_filters(&subject, &queries(), Ask::ten(""), 0.9);
        check_filters(&subject, &queries(), Ask::ten(&of(1)), 0.1);
        let recall = subject.recall(&queries(), Ask { allow: Some(&far(6000)), ..Ask::ten("") });
        assert!(recall > 0.7, "{metric:?}: {recall}");
    }
}

#[test]
fn few_rows_and_large_k() {
    let (most, none) = (of(3000), of(0));
    let asks = [(1, most.as_str()), (10, ""), (100, &none), (100, &most)];
    let asks = asks.map(|(k, params)| Ask { k, params, allow: None });
    for rows in [0, 1, 2, 3, 32, 33, 34, 70] {
        for metric in METRICS {
            check_small(&spec(metric, 12), &vectors(&clusters(rows, 1)), &vectors(&clusters(1, 2)), &asks);
        }
    }
}

/// How deep the deepest tree is.
fn depth(saved: &Saved, rows: usize) -> usize {
    let (roots, nodes) = (saved.numbers("roots"), saved.numbers("nodes"));
    let leaf = leaf(DIM);
    let mut deepest = 0;
    for tree in roots.windows(2) {
        let mut level = vec![(0, rows)];
        let mut at = tree[0] as usize;
        let mut depth = 0;
        while !level.is_empty() {
            let mut below = Vec::new();
            for (start, end) in level.into_iter().filter(|(start, end)| end - start > leaf) {
                let cut = nodes[at * forest::FIELDS] as usize;
                below.extend([(start, cut), (cut, end)]);
                at += 1;
            }
            level = below;
            depth += 1;
        }
        assert_eq!(at, tree[1] as usize);
        deepest = deepest.max(depth);
    }
    deepest
}

#[test]
fn equal_rows_make_no_deep_trees() {
    let equal = clusters(1, 1).repeat(4000);
    let zeros = vec![0.0; 4000 * DIM];
    let mixed = [clusters(2000, 1), clusters(1, 8).repeat(2000)].concat();
    // Each row twice as long as the one before, as far as floats go: planes cut off a few rows each.
    let growing: Vec<f32> = (0..4000).flat_map(|row| [2f32.powi(row % 120 - 60); DIM]).collect();
    let query = vectors(&clusters(1, 8));
    let equals = BooleanBuffer::collect_bool(4000, |row| row >= 2000);
    for metric in METRICS {
        for (values, most) in [(&equal, 12), (&zeros, 12), (&mixed, 40), (&growing, 40)] {
            let subject = subject(values, metric);
            let saved = subject.saved();
            let depth = depth(&saved, 4000);
            assert!(depth <= most, "{metric:?}: {depth}");
            for tree in saved.numbers("places").chunks_exact(4000) {
                let mut sorted = tree.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..4000));
            }
            let all = Ask { k: 4000, params: &of(0), allow: None };
            assert_eq!(subject.hits(&query, all), subject.truth(&query, all));
        }
        let subject = subject(&mixed, metric);
        let hits = &subject.hits(&query, Ask::ten(""))[0];
        let best = subject.truth(&query, Ask { allow: Some(&equals), ..Ask::ten("") })[0][0].score;
        assert!(hits.iter().filter(|hit| hit.score <= best + 1e-3).count() >= 9, "{metric:?}: {hits:?}");
    }
}

#[test]
fn rows_beyond_floats_do_no_harm() {
    let mut values = clusters(2000, 1);
    values[17 * DIM] = 3e38;
    values[18 * DIM] = -3e38;
    for metric in METRICS {
        let subject = subject(&values, metric);
        assert!(subject.recall(&queries(), Ask::ten("")) > 0.5, "{metric:?}");
        for query in [[0.0; DIM], [3e38; DIM], [1e-38; DIM]] {
            assert_eq!(subject.hits(&vectors(&query), Ask::ten(""))[0].len(), 10);
        }
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    METRICS.into_iter().for_each(|metric| check_threads(&spec(metric, 20), &vectors(&clusters(5000, 1)), 0));
}

#[test]
fn saved_and_loaded_is_the_same() {
    let values = clusters(2000, 1);
    METRICS
        .into_iter()
        .for_each(|metric| check_round_trip(&subject(&values, metric), &queries(), Ask::ten(&of(50))));
}

#[test]
fn a_batch_finds_what_its_queries_find() {
    let subject = subject(&clusters(3000, 1), Metric::Ip);
    let batch = subject.hits(&queries(), Ask::ten(""));
    for (query, hits) in clusters(40, 5).chunks_exact(DIM).zip(batch) {
        assert_eq!(subject.hits(&vectors(query), Ask::ten("")), [hits]);
    }
}

#[test]
fn damaged_sections_are_refused_or_harmless() {
    let values = clusters(700, 1);
    for metric in [Metric::L2, Metric::Ip] {
        check_damage(&subject(&values, metric), &vectors(&values[..DIM]), Ask::ten(&of(40)));
    }
    let l2 = subject(&values, Metric::L2);
    let nodes = l2.saved().numbers("roots")[1];
    check_format(&l2);
    check_refused(
        &l2,
        &[
            ("head", 1, Metric::Ip.id()),
            ("head", 2, 11),
            ("head", 3, 0),
            ("head", 4, f32::NAN.to_bits()),
            ("rows", 3, 700),
            ("rows", 3, l2.saved().numbers("rows")[4]),
            ("places", 3, 700),
            ("places", 12 * 700 - 1, u32::MAX),
            ("roots", 0, 1),
            ("roots", 1, nodes - 1),
            ("roots", 1, nodes + 1),
            ("roots", 1, u32::MAX),
            ("roots", 12, u32::MAX),
            // A cut that leaves nothing at one side; a child that is its own parent, or nobody's.
            ("nodes", 0, 0),
            ("nodes", 0, 700),
            ("nodes", 1, 0),
            ("nodes", 1, 2),
            ("nodes", 1, u32::MAX),
            ("nodes", 4, f32::INFINITY.to_bits()),
            ("nodes", 4, (-1.0f32).to_bits()),
        ],
    );
}

#[test]
fn a_build_can_be_cancelled_at_each_checkpoint() {
    let (vectors, spec) = (vectors(&clusters(3000, 1)), spec(Metric::Ip, 3));
    let checkpoints = checkpoints(&spec, &vectors);
    assert!(checkpoints > 8, "{checkpoints}");
    check_cancel(&spec, &vectors, 0, &(1..=checkpoints).collect::<Vec<_>>());
}

#[test]
fn progress_is_told_in_rows() {
    assert_eq!(progress(&spec(Metric::L2, 20), &vectors(&clusters(3000, 1))), 3000);
}

#[test]
fn a_stopped_search_returns() {
    check_stop(&subject(&clusters(2000, 1), Metric::L2), &vectors(&clusters(1, 5)));
}
