use super::*;
use crate::index::catalog::Metric;
use crate::index::graph::beam::{EMPTY, Score};
use crate::index::graph::space::Points;
use crate::index::testing::*;
use crate::index::vectors::Vectors;

fn spec(metric: Metric, out_degree: usize) -> IndexSpec {
    let rest = r#""knng":40,"search_length":50,"candidate_pool_size":100"#;
    described("RNSG", metric, &format!(r#""out_degree":{out_degree},{rest}"#))
}

fn subject(values: &[f32], metric: Metric) -> Subject {
    Subject::new(&spec(metric, 24), &vectors(values))
}

fn queries() -> Vectors {
    vectors(&clusters(40, 5))
}

/// The graph itself.
fn graph(values: &[f32], spec: &IndexSpec) -> Nsg {
    let vectors = FloatVectors::new(values.to_vec().into(), DIM);
    Nsg::build(spec, vectors, &BuildContext::new(&pool(2), 42, &Patient)).unwrap()
}

#[test]
fn finds_nearly_all() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let subject = subject(&values, metric);
        let at =
            |length: usize| subject.recall(&queries(), Ask::ten(&format!(r#"{{"search_length":{length}}}"#)));
        let (low, high) = (at(20), at(200));
        assert!(low > 0.85 && high > 0.985, "{metric:?}: {low} at 20, {high} at 200");
    }
}

#[test]
fn searches_begin_near() {
    let values = clusters(5000, 1);
    let index = graph(&values, &spec(Metric::L2, 24));
    let query = clusters(1, 5);
    let mut target = Target::default();
    index.space.aim_at_query(&query, &mut target);
    let starts = Starts { sampled: true, ..index.starts };
    let starts = starts.near(&mut Beam::default(), &Scorer { space: &index.space, target: &target });
    assert_eq!(starts[0], index.starts.entry);
    let sample = (128..5000).step_by(256);
    let mut sample: Vec<_> = sample.map(|node| (index.space.score_one(&target, node), node)).collect();
    sample.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    assert_eq!(starts[1..], sample.iter().map(|(_, node)| *node).collect::<Vec<_>>()[..8]);
}

#[test]
fn the_sample_is_kept_where_rows_need_it() {
    let mut next = noise(3);
    let even: Vec<f32> = (0..8000 * DIM).map(|_| next()).collect();
    assert!(!graph(&even, &spec(Metric::L2, 24)).starts.sampled);
    // Places far from each other, each of as many rows as a node has neighbours.
    let centres: Vec<f32> = (0..200 * DIM).map(|_| 100.0 * next()).collect();
    let apart = (0..8000).flat_map(|row| &centres[row % 200 * DIM..][..DIM]).map(|centre| centre + next());
    let index = graph(&apart.collect::<Vec<_>>(), &spec(Metric::L2, 24));
    assert!(index.starts.sampled);
    let alone = Starts { sampled: false, ..index.starts };
    assert_eq!(index.starts.near(&mut Beam::default(), &Nowhere).len(), 9);
    assert_eq!(alone.near(&mut Beam::default(), &Nowhere), [index.starts.entry]);
}

/// All nodes are equally near.
struct Nowhere;
impl Score for Nowhere {
    fn score(&self, nodes: &[u32], scores: &mut Vec<f32>) {
        scores.clear();
        scores.resize(nodes.len(), 0.0);
    }
}

#[test]
fn filtered_searches_are_never_short() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let (subject, ask) = (subject(&values, metric), Ask::ten(r#"{"search_length":64}"#));
        check_filters(&subject, &queries(), ask, 0.95);
        // The graph leads to rows that are not allowed.
        let recall = subject.recall(&queries(), Ask { allow: Some(&far(4000)), ..ask });
        assert!(recall > 0.9, "{metric:?}: {recall}");
    }
}

#[test]
fn few_rows_and_large_k() {
    // A search_length below k finds k rows all the same.
    let wide = Ask { k: 700, params: r#"{"search_length":20}"#, allow: None };
    let ten = Ask::ten(r#"{"search_length":10}"#);
    let asks = [Ask { k: 1, ..ten }, ten, wide];
    let query = vectors(&clusters(1, 2));
    for metric in METRICS {
        for rows in [0, 1, 2, 3, 17] {
            check_small(&spec(metric, 24), &vectors(&clusters(rows, 1)), &query, &asks);
        }
        let subject = subject(&clusters(600, 1), metric);
        for subject in [subject.load(&subject.saved()).unwrap(), subject] {
            assert_eq!(asks.map(|ask| subject.hits(&query, ask)[0].len()), [1, 10, 600]);
        }
    }
}

/// Links go from the front, to other nodes, to each at most once, and every node is reached from the navigating node.
fn check_graph(index: &Nsg) {
    let links = Links { table: &index.links, degree: index.out_degree };
    for (node, places) in (0..).zip(index.links.chunks(index.out_degree)) {
        let list = links.of(node);
        assert!(places[list.len()..].iter().all(|&place| place == EMPTY));
        let mut once = list.to_vec();
        once.sort_unstable();
        once.dedup();
        assert!(once.len() == list.len() && !list.contains(&node), "node {node}: {list:?}");
    }
    assert_eq!(unreached(links, index.rows.len(), index.starts.entry), None);
}

#[test]
fn every_row_is_reachable_from_the_navigating_node() {
    for metric in METRICS {
        for values in scattered() {
            for out_degree in [5, 24] {
                let index = graph(&values, &spec(metric, out_degree));
                assert_eq!(index.links.len(), values.len() / DIM * out_degree);
                check_graph(&index);
            }
        }
    }
}

#[test]
fn the_navigating_node_is_near_the_mean() {
    let values = clusters(3000, 1);
    let mut mean = vec![0.0; DIM];
    for row in values.chunks_exact(DIM) {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / 3000.0);
    }
    for metric in [Metric::L2, Metric::Ip] {
        let index = graph(&values, &spec(metric, 24));
        let row = index.rows[index.starts.entry as usize];
        let nearest = nearest(Metric::L2, &vectors(&values), &mean, 20);
        assert!(nearest.iter().any(|hit| hit.row == row), "{metric:?}: {row}");
    }
}

/// All rows as codes.
fn space(values: &[f32], pool: &rayon::ThreadPool) -> Space {
    let vectors = FloatVectors::new(values.to_vec().into(), DIM);
    let rows: Vec<u32> = (0..vectors.len() as u32).collect();
    Space::encode(&vectors, &rows, Metric::L2, pool, &mut || Ok(())).unwrap()
}

#[test]
fn nearest_neighbours_are_nearly_all_right() {
    let values = clusters(3000, 1);
    let pool = pool(2);
    let context = BuildContext::new(&pool, 42, &Patient);
    let mut progress = Progress::new(context.pace, 3000, 1);
    let space = space(&values, &pool);
    let first = forest::grow(&space, 0, knn::GROUP, &context, &mut progress).unwrap();
    let space = arrange(&space, &first.nodes);
    let found = knn::Neighbours::find(&space, 20, &first, &context, &mut progress).unwrap();
    let mut right = 0;
    for node in 0..3000 {
        let row = first.nodes[node as usize] as usize;
        let truth = nearest(Metric::L2, &vectors(&values), &values[row * DIM..][..DIM], 21);
        let mut neighbours: Vec<u32> = found.of(node).to_vec();
        neighbours.sort_unstable();
        neighbours.dedup();
        assert!(neighbours.len() == 20 && !neighbours.contains(&node));
        let is_true = |&&n: &&u32| truth.iter().any(|hit| hit.row == first.nodes[n as usize]);
        right += neighbours.iter().filter(is_true).count();
    }
    assert!(right > 57_000, "{right} of 60000");
}

#[test]
fn trees_split_evenly() {
    let values = clusters(3000, 1);
    let pool = pool(2);
    let context = BuildContext::new(&pool, 42, &Patient);
    let mut progress = Progress::new(context.pace, 3000, 1);
    let space = space(&values, &pool);
    for tree in 0..3 {
        let groups = forest::grow(&space, tree, 100, &context, &mut progress).unwrap();
        assert!(groups.ranges().all(|range| (93..=94).contains(&range.len())));
        let mut nodes = groups.nodes.clone();
        nodes.sort_unstable();
        assert!(nodes.into_iter().eq(0..3000));
        // Rows of a cluster mostly stay together: a group by chance would hold few of each of the twenty.
        let same = |range: std::ops::Range<usize>| {
            let mut counts = [0; 20];
            groups.nodes[range].iter().for_each(|&row| counts[row as usize % 20] += 1);
            counts.into_iter().max().unwrap()
        };
        let kept: i32 = groups.ranges().map(same).sum();
        assert!(kept > 1000, "{kept}");
    }
}

#[test]
fn equal_rows_do_not_hide_others() {
    METRICS
        .into_iter()
        .for_each(|metric| check_half_equal(&spec(metric, 24), Ask::ten(r#"{"search_length":64}"#)));
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    METRICS.into_iter().for_each(|metric| check_threads(&spec(metric, 16), &vectors(&clusters(3000, 1)), 0));
}

#[test]
fn saved_and_loaded_is_the_same() {
    let (values, ask) = (clusters(2000, 1), Ask::ten(r#"{"search_length":30}"#));
    METRICS.into_iter().for_each(|metric| check_round_trip(&subject(&values, metric), &queries(), ask));
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let l2 = subject(&clusters(600, 1), Metric::L2);
    check_damage(&l2, &vectors(&clusters(1, 5)), Ask::ten(r#"{"search_length":20}"#));
    check_format(&l2);
    check_refused(
        &l2,
        &[
            ("links", 0, 600),
            ("links", 7, u32::MAX - 1),
            ("rows", 0, 600),
            ("rows", 0, l2.saved().numbers("rows")[1]),
            ("head", 1, Metric::Ip.id()),
            ("head", 2, 16),
            ("head", 3, 600),
            ("head", 4, 2),
            ("head", 5, f32::NAN.to_bits()),
        ],
    );
}

#[test]
fn odd_values_do_no_harm() {
    METRICS
        .into_iter()
        .for_each(|metric| check_odd_values(&spec(metric, 24), 500, 0, Ask::ten(r#"{"search_length":20}"#)));
}

/// Far from the origin, inner products in steps of the codes are beyond 32 bits.
#[test]
fn inner_products_with_a_large_mean_do_no_harm() {
    for mean in [2e4, 1e6] {
        let values: Vec<f32> = clusters(1000, 1).iter().map(|x| mean + x).collect();
        let subject = subject(&values, Metric::Ip);
        for hits in subject.hits(&queries(), Ask::ten("")) {
            assert_eq!(hits.len(), 10);
        }
    }
}

#[test]
fn a_build_can_be_cancelled_at_every_checkpoint() {
    check_cancel(&spec(Metric::L2, 8), &vectors(&clusters(1500, 1)), 0, &[1, 2, 3, 4, 5, 6, 30]);
}

#[test]
fn a_stopped_search_returns() {
    check_stop(&subject(&clusters(1000, 1), Metric::L2), &vectors(&clusters(1, 5)));
}
