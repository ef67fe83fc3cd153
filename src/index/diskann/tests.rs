use super::*;
use crate::error::Code;
use crate::index::catalog::VectorKind;
use crate::index::testing::*;
use crate::index::{Pace, vectors::Vectors};
use crate::kernel::topk::Hit;
use std::sync::Mutex;

fn spec(metric: Metric, degree: usize) -> IndexSpec {
    described("DISKANN", metric, &format!(r#""max_degree":{degree},"search_list_size":60"#))
}

fn subject(values: &[f32], metric: Metric) -> Subject {
    Subject::new(&spec(metric, 24), &vectors(values))
}

fn queries() -> Vectors {
    vectors(&clusters(40, 5))
}

/// How wide a search is.
fn wide(list: usize, width: usize) -> String {
    format!(r#"{{"search_list":{list},"beamwidth":{width}}}"#)
}

#[test]
fn finds_nearly_all() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let subject = subject(&values, metric);
        for width in [1, 8] {
            let [low, high] = [20, 200].map(|list| subject.recall(&queries(), Ask::ten(&wide(list, width))));
            assert!(low > 0.85 && high > 0.985, "{metric:?}: {low} at 20, {high} at 200");
        }
    }
}

#[test]
fn filtered_searches_are_never_short() {
    let values = clusters(6000, 1);
    for metric in METRICS {
        let (subject, wide) = (subject(&values, metric), wide(50, 4));
        check_filters(&subject, &queries(), Ask::ten(&wide), 0.93);
        // The graph leads to rows that are not allowed.
        let recall = subject.recall(&queries(), Ask { allow: Some(&far(6000)), ..Ask::ten(&wide) });
        assert!(recall > 0.9, "{metric:?}: {recall}");
    }
}

#[test]
fn few_rows_and_large_k() {
    let params = [wide(1, 4), wide(10, 4), wide(3000, 4)];
    let asks = [(1, &params[0]), (10, &params[1]), (100, &params[2])];
    let asks = asks.map(|(k, params)| Ask { k, params, allow: None });
    for rows in [0, 1, 2, 3, 17] {
        for metric in METRICS {
            check_small(&spec(metric, 24), &vectors(&clusters(rows, 1)), &vectors(&clusters(1, 2)), &asks);
        }
    }
}

#[test]
fn equal_rows_do_not_hide_others() {
    let wide = wide(50, 4);
    let ask = Ask::ten(&wide);
    let scores = |hits: Vec<Vec<Hit>>| hits[0].iter().map(|hit| hit.score).collect::<Vec<_>>();
    for metric in METRICS {
        check_half_equal(&spec(metric, 24), ask);
        let (subject, query) = (subject(&half_equal(), metric), vectors(&clusters(1, 8)));
        let found = scores(subject.hits(&query, ask));
        assert_eq!(found, scores(subject.truth(&query, ask)), "{metric:?}");
    }
    for equal in [clusters(1, 1).repeat(1500), vec![0.0; 1500 * DIM]] {
        assert_eq!(subject(&equal, Metric::L2).hits(&vectors(&clusters(1, 2)), ask)[0].len(), 10);
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    for metric in METRICS {
        for memory in [0, 1] {
            check_threads(&spec(metric, 16), &vectors(&clusters(1500, 1)), memory);
        }
    }
}

#[test]
fn saved_and_loaded_is_the_same() {
    let values = clusters(3000, 1);
    METRICS
        .into_iter()
        .for_each(|metric| check_round_trip(&subject(&values, metric), &queries(), Ask::ten(&wide(50, 4))));
}

/// Parts of a small memory find as much as one graph, and every row has links of its two parts.
#[test]
fn a_build_in_parts_has_recall() {
    let vectors = vectors(&clusters(12_000, 1));
    for metric in METRICS {
        let spec = spec(metric, 24);
        let memory = 12_000 * DIM as u64 / 2 + 3000 * row_bytes(DIM, shape(&spec)) as u64;
        let subject = Subject::within(&spec, &vectors, memory);
        let loaded = subject.load(&subject.saved()).unwrap();
        let recall = loaded.recall(&queries(), Ask::ten(&wide(100, 4)));
        assert!(recall > 0.95, "{metric:?}: {recall}");
    }
}

/// Each row is linked in two parts: being done is not told after the first.
#[test]
fn a_build_in_parts_tells_how_far_it_is() {
    #[derive(Default)]
    struct Told(Mutex<Vec<u64>>);
    impl Pace for Told {
        fn checkpoint(&self, done: u64, _total: u64) -> Result<()> {
            self.0.lock().unwrap().push(done);
            Ok(())
        }
    }
    let (vectors, spec, told) = (vectors(&clusters(12_000, 1)), spec(Metric::L2, 24), Told::default());
    let memory = 12_000 * DIM as u64 / 2 + 3000 * row_bytes(DIM, shape(&spec)) as u64;
    try_build(&spec, &vectors, 2, memory, &told).unwrap();
    let told = told.0.into_inner().unwrap();
    assert!(told.is_sorted());
    let below = |share: u64| told.iter().filter(|&&done| done < 12_000 * share / 100).count();
    // Checkpoints are about as far apart while rows are linked.
    assert!(below(50) * 3 > told.len() && below(99) * 10 > 8 * told.len(), "{told:?}");
}

#[test]
fn records_that_span_blocks() {
    let (rows, dim) = (600, 1500);
    // A curve through the space, and a little noise.
    let noise = |i: usize| (hash(3, i as u64) >> 40) as f32 / (1 << 24) as f32;
    let value = |i: usize| (i / dim) as f32 * 0.05 * (i % 3) as f32 + 0.1 * noise(i);
    let values: Vec<f32> = (0..rows * dim).map(value).collect();
    let vectors = FloatVectors::new(values.into(), dim);
    let text = r#"{"index_type":"DISKANN","metric_type":"L2","params":{"max_degree":20}}"#;
    let spec = IndexSpec::from_json(text, VectorKind::Float, dim).unwrap();
    let subject = Subject::new(&spec, &vectors.clone().into());
    let saved = subject.saved();
    assert_eq!(saved.blocks.as_ref().unwrap().1.len(), 2 * rows);
    let loaded = subject.load(&saved).unwrap();
    let ask = Ask { k: 1, ..Ask::ten(r#"{"search_list":20}"#) };
    for row in (0..rows).step_by(7) {
        let query = FloatVectors::new(vectors.row(row).to_vec().into(), dim).into();
        assert_eq!(loaded.hits(&query, ask), [[Hit { score: 0.0, row: row as u32 }]]);
    }
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let l2 = subject(&clusters(1000, 1), Metric::L2);
    check_damage(&l2, &vectors(&clusters(1, 5)), Ask::ten(&wide(20, 4)));
    check_format(&l2);
    check_refused(
        &l2,
        &[
            ("head", 1, Metric::Ip.id()),
            ("head", 2, 16),
            ("head", 3, 61),
            ("head", 4, 1000),
            ("head", 5, 0),
            ("head", 5, u32::MAX),
            ("cached", 0, u32::MAX),
        ],
    );
}

/// Records are believed once their checksums are right; wrong ones among them are errors all the same.
#[test]
fn links_out_of_range_are_refused() {
    let subject = subject(&clusters(2000, 1), Metric::L2);
    let mut saved = subject.saved();
    for (at, wrong) in [(4 * DIM, 25u32), (4 * DIM + 4, 2000)] {
        for block in &mut saved.blocks.as_mut().unwrap().1 {
            block[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
        }
        let loaded = subject.load(&saved).unwrap();
        let queries = clusters(40, 5);
        let answers =
            queries.chunks_exact(DIM).map(|query| loaded.try_hits(&vectors(query), Ask::ten(&wide(50, 4))));
        let codes: Vec<Code> = answers.filter_map(|answer| Some(answer.err()?.code())).collect();
        assert!(!codes.is_empty() && codes.iter().all(|&code| code == Code::Corrupt));
    }
}

#[test]
fn odd_values_do_no_harm() {
    for metric in METRICS {
        for memory in [0, 1] {
            check_odd_values(&spec(metric, 24), 1000, memory, Ask::ten(&wide(20, 4)));
        }
    }
}

#[test]
fn a_build_can_be_cancelled_at_every_checkpoint() {
    let vectors = vectors(&clusters(2500, 1));
    [0, 1].into_iter().for_each(|memory| check_cancel(&spec(Metric::L2, 8), &vectors, memory, &[1, 2, 20]));
}

#[test]
fn a_stopped_search_returns() {
    check_stop(&subject(&clusters(2000, 1), Metric::L2), &vectors(&clusters(1, 5)));
}
