use super::*;
use crate::index::catalog::Metric;
use crate::index::catalog::VectorKind;
use crate::index::graph::testing::*;
use crate::index::{Pace, Queries};
use crate::kernel::topk::Hit;
use std::sync::atomic::{AtomicBool, AtomicU64};

fn spec(metric: Metric, out_degree: usize) -> IndexSpec {
    let text = format!(
        r#"{{"index_type":"RNSG","metric_type":"{}","params":{{"out_degree":{out_degree},"knng":40,
        "search_length":50,"candidate_pool_size":100}}}}"#,
        metric.name()
    );
    IndexSpec::from_json(&text, VectorKind::Float, DIM).unwrap()
}

fn build_with(values: &[f32], spec: &IndexSpec, threads: usize, pace: &dyn Pace) -> Result<Nsg> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    Nsg::build(spec, vectors(values), &BuildContext::new(&pool, 7, pace))
}

fn build(values: &[f32], metric: Metric) -> Nsg {
    build_with(values, &spec(metric, 24), 2, &Patient).unwrap()
}

fn search(index: &Nsg, query: &[f32], k: usize, length: usize, allow: Option<&BooleanBuffer>) -> Vec<Hit> {
    let text = format!(r#"{{"search_length":{length}}}"#);
    let params = spec(index.space.metric, 24).search_params(&text, k).unwrap();
    let probe =
        Probe { queries: Queries::Float(query), k, allow, params: &params, stop: &AtomicBool::new(false) };
    let mut tops = [TopK::new(k)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    tops[0].drain_sorted()
}

/// The mean share of the true hits that were found; checks that each score is right and the order kept.
fn recall(index: &Nsg, values: &[f32], length: usize, allow: Option<&BooleanBuffer>) -> f64 {
    let queries = clusters(40, 5);
    let (mut found, mut wanted) = (0, 0);
    for query in queries.chunks_exact(DIM) {
        let truth = brute(values, index.space.metric, query, 10, allow);
        let hits = search(index, query, 10, length, allow);
        assert_eq!(hits.len(), truth.len());
        assert!(hits.windows(2).all(|pair| pair[0].before(&pair[1])));
        for (hit, best) in hits.iter().zip(&truth) {
            assert!(allow.is_none_or(|a| a.value(hit.row as usize)));
            assert!(hit.score >= best.score - 1e-3 * best.score.abs() - 1e-4);
        }
        wanted += truth.len();
        found += hits.iter().filter(|hit| truth.iter().any(|t| t.row == hit.row)).count();
    }
    found as f64 / wanted as f64
}

#[test]
fn finds_nearly_all() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        let (low, high) = (recall(&index, &values, 20, None), recall(&index, &values, 200, None));
        assert!(low > 0.85 && high > 0.985, "{metric:?}: {low} at 20, {high} at 200");
    }
}

#[test]
fn filtered_searches_are_never_short() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        for keep in [0, 1, 4, 40, 400, 2000, 3600, 3960] {
            let allow = BooleanBuffer::collect_bool(4000, |row| hash(3, row as u32) % 4000 < keep);
            let recall = recall(&index, &values, 64, Some(&allow));
            assert!(keep == 0 || recall > 0.95, "{metric:?}, {keep} of 4000: {recall}");
        }
        // Half of the rows, but none of those near the query: the graph leads to rows that are not allowed.
        let allow = BooleanBuffer::collect_bool(4000, |row| row % 20 >= 10);
        assert!(recall(&index, &values, 64, Some(&allow)) > 0.9, "{metric:?}");
    }
}

#[test]
fn few_rows_and_large_k() {
    for rows in [0, 1, 2, 3, 17, 600] {
        let values = clusters(rows, 1);
        for metric in METRICS {
            let index = build(&values, metric);
            // A search_length below k finds k rows all the same.
            for (k, length) in [(1, 10), (10, 10), (700, 20)] {
                let query = &clusters(1, 2);
                let hits = search(&index, query, k, length, None);
                let truth = brute(&values, metric, query, k, None);
                assert_eq!(hits.len(), truth.len());
                if rows < 20 {
                    let rows = |hits: &[Hit]| hits.iter().map(|h| h.row).collect::<Vec<_>>();
                    assert_eq!(rows(&hits), rows(&truth), "{metric:?}");
                }
            }
            let loaded =
                Nsg::load(&spec(metric, 24), &Saved::of(&index).sections(), vectors(&values)).unwrap();
            assert_eq!(search(&loaded, &clusters(1, 2), 10, 10, None).len(), rows.min(10));
        }
    }
}

/// Links go from the front, to other nodes, to each at most once, and every node is reached from the navigating node.
fn check_graph(index: &Nsg) {
    let links = Links { table: &index.links, degree: index.out_degree };
    for (node, places) in (0..).zip(index.links.chunks(index.out_degree)) {
        let list = links.of(node);
        assert!(places[list.len()..].iter().all(|&place| place == crate::index::graph::beam::EMPTY));
        let mut once = list.to_vec();
        once.sort_unstable();
        once.dedup();
        assert!(once.len() == list.len() && !list.contains(&node), "node {node}: {list:?}");
    }
    let mut reached = vec![false; index.rows.len()];
    let mut waiting = vec![index.entry];
    reached[index.entry as usize] = true;
    while let Some(node) = waiting.pop() {
        for &next in links.of(node) {
            if !std::mem::replace(&mut reached[next as usize], true) {
                waiting.push(next);
            }
        }
    }
    assert_eq!(reached.iter().position(|r| !r), None);
}

#[test]
fn every_row_is_reachable_from_the_navigating_node() {
    let mut groups = clusters(3000, 1);
    for (row, values) in groups.chunks_exact_mut(DIM).enumerate() {
        values[0] += (row % 7) as f32 * 1000.0; // seven islands
    }
    let equal = clusters(1, 1).repeat(1500);
    for metric in METRICS {
        for values in [&clusters(3000, 1), &groups, &equal, &vec![0.0; 500 * DIM]] {
            for out_degree in [5, 24] {
                let index = build_with(values, &spec(metric, out_degree), 2, &Patient).unwrap();
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
        let index = build(&values, metric);
        let row = index.rows[index.entry as usize];
        let nearest = brute(&values, Metric::L2, &mean, 20, None);
        assert!(nearest.iter().any(|hit| hit.row == row), "{metric:?}: {row}");
    }
}

#[test]
fn nearest_neighbours_are_nearly_all_right() {
    let values = clusters(3000, 1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let context = BuildContext::new(&pool, 7, &Patient);
    let mut progress = Progress::new(context.pace, 3000, 1);
    let rows: Vec<u32> = (0..3000).collect();
    let space = Space::encode(&vectors(&values), &rows, Metric::L2);
    let first = forest::grow(&space, 0, knn::GROUP, &context, &mut progress).unwrap();
    let space = arrange(&space, &first.nodes);
    let found = knn::Neighbours::find(&space, 20, &first, &context, &mut progress).unwrap();
    let mut right = 0;
    for node in 0..3000 {
        let row = first.nodes[node as usize] as usize;
        let truth = brute(&values, Metric::L2, &values[row * DIM..][..DIM], 21, None);
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
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let context = BuildContext::new(&pool, 7, &Patient);
    let mut progress = Progress::new(context.pace, 3000, 1);
    let rows: Vec<u32> = (0..3000).collect();
    let space = Space::encode(&vectors(&values), &rows, Metric::L2);
    for tree in 0..3 {
        let groups = forest::grow(&space, tree, 100, &context, &mut progress).unwrap();
        assert!(groups.ranges().all(|range| (93..=94).contains(&range.len())));
        let mut nodes = groups.nodes.clone();
        nodes.sort_unstable();
        assert_eq!(nodes, rows);
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
    let mut values = clusters(1000, 1);
    values.extend(clusters(1, 8).repeat(1000));
    for metric in METRICS {
        let index = build(&values, metric);
        assert!(recall(&index, &values, 64, None) > 0.9, "{metric:?}");
        let hits = search(&index, &clusters(1, 8), 10, 64, None);
        let truth = brute(&values, metric, &clusters(1, 8), 10, None);
        for (hit, best) in hits.iter().zip(&truth) {
            assert!(
                (hit.score - best.score).abs() <= 1e-3 * best.score.abs() + 1e-3,
                "{metric:?}: {hit:?} {best:?}"
            );
        }
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    let values = clusters(3000, 1);
    for metric in METRICS {
        let build = |threads| Saved::of(&build_with(&values, &spec(metric, 16), threads, &Patient).unwrap());
        let one = build(1);
        assert!(one == build(2) && one == build(4), "{metric:?}");
    }
}

#[test]
fn saved_and_loaded_is_the_same() {
    let values = clusters(2000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        let saved = Saved::of(&index);
        let loaded = Nsg::load(&spec(metric, 24), &saved.sections(), vectors(&values)).unwrap();
        assert!(Saved::of(&loaded) == saved);
        assert_eq!(loaded.memory(), index.memory());
        for query in clusters(20, 5).chunks_exact(DIM) {
            assert_eq!(search(&loaded, query, 10, 30, None), search(&index, query, 10, 30, None));
        }
    }
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let values = clusters(600, 1);
    let metric = Metric::L2;
    let saved = Saved::of(&build(&values, metric));
    let load = |saved: &Saved| Nsg::load(&spec(metric, 24), &saved.sections(), vectors(&values));
    for name in saved.0.keys() {
        let mut missing = saved.clone();
        missing.0.remove(name);
        assert_eq!(load(&missing).err().map(|e| e.code()), Some(Code::Corrupt), "{name} missing");
        for change in [-1isize, -4, 4] {
            let mut other = saved.clone();
            let bytes = other.0.get_mut(name).unwrap();
            bytes.resize(bytes.len().saturating_add_signed(change), 0);
            assert!(load(&other).is_err(), "{name} longer by {change}");
        }
        let len = saved.0[name].len();
        for at in (0..len).step_by((len / 97).max(1)) {
            for bit in [0, 3, 7] {
                let mut flipped = saved.clone();
                flipped.0.get_mut(name).unwrap()[at] ^= 1 << bit;
                if let Ok(index) = load(&flipped) {
                    search(&index, &clusters(1, 5), 10, 20, None);
                }
            }
        }
    }
    // What is well-formed but of another description or segment.
    assert!(Nsg::load(&spec(Metric::Ip, 24), &saved.sections(), vectors(&values)).is_err());
    assert!(Nsg::load(&spec(metric, 16), &saved.sections(), vectors(&values)).is_err());
    assert!(Nsg::load(&spec(metric, 24), &saved.sections(), vectors(&values[DIM..])).is_err());
}

#[test]
fn links_rows_and_entry_out_of_range_are_refused() {
    let values = clusters(600, 1);
    let saved = Saved::of(&build(&values, Metric::L2));
    for (name, place, wrong) in
        [("links", 0, 600u32), ("links", 7, u32::MAX - 1), ("rows", 0, 600), ("head", 3, 600)]
    {
        let mut bad = saved.clone();
        bad.0.get_mut(name).unwrap()[4 * place..][..4].copy_from_slice(&wrong.to_le_bytes());
        let error = Nsg::load(&spec(Metric::L2, 24), &bad.sections(), vectors(&values)).err();
        assert_eq!(error.map(|e| e.code()), Some(Code::Corrupt), "{name} {wrong}");
    }
}

#[test]
fn odd_values_do_no_harm() {
    let mut values = clusters(500, 1);
    for (at, odd) in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE].into_iter().enumerate() {
        values[at * 5 * DIM] = odd;
    }
    for metric in METRICS {
        let index = build(&values, metric);
        for query in [vec![0.0; DIM], vec![f32::NAN; DIM], vec![f32::MAX; DIM], clusters(1, 5)] {
            assert_eq!(search(&index, &query, 10, 20, None).len(), 10, "{metric:?}");
        }
    }
}

#[test]
fn a_build_can_be_cancelled_at_every_checkpoint() {
    let values = clusters(1500, 1);
    for n in [1, 2, 5, 30] {
        let result = build_with(&values, &spec(Metric::L2, 8), 2, &Impatient(AtomicU64::new(n)));
        assert_eq!(result.err().map(|e| e.code()), Some(Code::Canceled));
    }
}

#[test]
fn a_stopped_search_returns() {
    let index = build(&clusters(1000, 1), Metric::L2);
    let params = spec(Metric::L2, 12).search_params("", 10).unwrap();
    let query = clusters(1, 5);
    let stop = AtomicBool::new(true);
    let probe = Probe { queries: Queries::Float(&query), k: 10, allow: None, params: &params, stop: &stop };
    let mut tops = [TopK::new(10)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    assert!(tops[0].is_empty());
}
