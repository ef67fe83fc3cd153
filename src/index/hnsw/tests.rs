use super::*;
use crate::index::testing::*;
use crate::index::vectors::{FloatVectors, Vectors};

fn spec(metric: Metric, m: usize) -> IndexSpec {
    described("HNSW", metric, &format!(r#""M":{m},"efConstruction":100"#))
}

fn subject(values: &[f32], metric: Metric) -> Subject {
    Subject::new(&spec(metric, 12), &vectors(values))
}

fn queries() -> Vectors {
    vectors(&clusters(40, 5))
}

#[test]
fn finds_nearly_all() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let subject = subject(&values, metric);
        let at = |ef: usize| subject.recall(&queries(), Ask::ten(&format!(r#"{{"ef":{ef}}}"#)));
        let (low, high) = (at(20), at(200));
        assert!(low > 0.85 && high > 0.985, "{metric:?}: {low} at ef 20, {high} at ef 200");
    }
}

#[test]
fn filtered_searches_are_never_short() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let (subject, ask) = (subject(&values, metric), Ask::ten(r#"{"ef":64}"#));
        check_filters(&subject, &queries(), ask, 0.95);
        // The graph leads to rows that are not allowed.
        let recall = subject.recall(&queries(), Ask { allow: Some(&far(4000)), ..ask });
        assert!(recall > 0.9, "{metric:?}: {recall}");
    }
}

#[test]
fn few_rows_and_large_k() {
    let wide = Ask { k: 100, params: r#"{"ef":3000}"#, allow: None };
    let asks = [Ask { k: 1, ..Ask::ten(r#"{"ef":1}"#) }, Ask::ten(r#"{"ef":10}"#), wide];
    for rows in [0, 1, 2, 3, 17] {
        for metric in METRICS {
            check_small(&spec(metric, 12), &vectors(&clusters(rows, 1)), &vectors(&clusters(1, 2)), &asks);
        }
    }
}

#[test]
fn every_row_is_reachable() {
    for metric in METRICS {
        for values in scattered() {
            let (pool, vectors) = (pool(2), FloatVectors::new(values.into(), DIM));
            let context = BuildContext::new(&pool, 42, &Patient);
            let index = Hnsw::<Floats>::build(&spec(metric, 4), vectors, &context).unwrap();
            assert_eq!(unreached(index.levels[0].links(), index.rows.len(), 0), None, "{metric:?}");
        }
    }
}

#[test]
fn equal_rows_do_not_hide_others() {
    METRICS.into_iter().for_each(|metric| check_half_equal(&spec(metric, 12), Ask::ten(r#"{"ef":64}"#)));
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    METRICS.into_iter().for_each(|metric| check_threads(&spec(metric, 8), &vectors(&clusters(3000, 1)), 0));
}

#[test]
fn saved_and_loaded_is_the_same() {
    let values = clusters(2000, 1);
    METRICS
        .into_iter()
        .for_each(|metric| check_round_trip(&subject(&values, metric), &queries(), Ask::ten(r#"{"ef":30}"#)));
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let values = clusters(600, 1);
    let l2 = subject(&values, Metric::L2);
    check_damage(&l2, &vectors(&clusters(1, 5)), Ask::ten(r#"{"ef":20}"#));
    check_format(&l2);
    check_refused(
        &l2,
        &[
            ("links0", 0, 600),
            ("links1", 0, 599),
            ("rows", 0, 600),
            ("rows", 0, l2.saved().numbers("rows")[1]),
            ("counts", 0, 0),
            ("counts", 0, u32::MAX),
            ("head", 1, Metric::Ip.id()),
            ("head", 2, 16),
            ("head", 3, 33),
            ("head", 4, f32::INFINITY.to_bits()),
            ("mean", 0, f32::NAN.to_bits()),
        ],
    );
}

#[test]
fn odd_values_do_no_harm() {
    METRICS
        .into_iter()
        .for_each(|metric| check_odd_values(&spec(metric, 12), 500, 0, Ask::ten(r#"{"ef":20}"#)));
}

#[test]
fn a_build_can_be_cancelled_at_every_checkpoint() {
    check_cancel(&spec(Metric::L2, 8), &vectors(&clusters(300, 1)), 0, &[1, 2, 3, 4, 5, 6, 20]);
}

#[test]
fn a_stopped_search_returns() {
    check_stop(&subject(&clusters(1000, 1), Metric::L2), &vectors(&clusters(1, 5)));
}

#[test]
fn levels_shrink_by_m() {
    let (rows, counts) = arrange(100_000, 16, 1);
    assert!((5_500..7_000).contains(&counts[1]) && (300..500).contains(&counts[2]), "{counts:?}");
    check_rows(&rows, "HNSW").unwrap();
    assert!(rows[..100].windows(2).any(|pair| pair[0] > pair[1]), "a random order");
}
