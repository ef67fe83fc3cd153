use super::*;
use crate::Code;
use crate::index::Pace;
use crate::index::Queries;
use crate::index::catalog::VectorKind;
use crate::index::vectors::FloatVectors;
use crate::kernel::topk::Hit;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};

const DIM: usize = 24;
const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

struct Patient;
impl Pace for Patient {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
        Ok(())
    }
}

/// Cancels at the n-th checkpoint.
struct Impatient(AtomicU64);
impl Pace for Impatient {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
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
    fn of(index: &Hnsw<Floats>) -> Saved {
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

/// Numbers in -1..1, the same for the same seed.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = 0;
    move || {
        state += 1;
        (hash(seed, state) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// FloatVectors around 20 centres, of uneven lengths.
fn clusters(rows: usize, seed: u64) -> Vec<f32> {
    let mut centre = noise(99);
    let centres: Vec<f32> = (0..20 * DIM).map(|_| centre()).collect();
    let mut next = noise(seed);
    let mut values = Vec::new();
    for row in 0..rows {
        let length = 1.5 + next();
        values.extend(centres[row % 20 * DIM..][..DIM].iter().map(|c| length * (c + 0.7 * next())));
    }
    values
}

fn vectors(values: &[f32]) -> FloatVectors {
    FloatVectors::new(ScalarBuffer::from(values.to_vec()), DIM)
}

fn spec(metric: Metric, m: usize) -> IndexSpec {
    let text = format!(
        r#"{{"index_type":"HNSW","metric_type":"{}","params":{{"M":{m},"efConstruction":100}}}}"#,
        metric.name()
    );
    IndexSpec::from_json(&text, VectorKind::Float, DIM).unwrap()
}

fn build_with(values: &[f32], spec: &IndexSpec, threads: usize, pace: &dyn Pace) -> Result<Hnsw<Floats>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    Hnsw::<Floats>::build(spec, vectors(values), &BuildContext::new(&pool, 7, pace))
}

fn build(values: &[f32], metric: Metric) -> Hnsw<Floats> {
    build_with(values, &spec(metric, 12), 2, &Patient).unwrap()
}

fn search(
    index: &Hnsw<Floats>,
    query: &[f32],
    k: usize,
    ef: usize,
    allow: Option<&BooleanBuffer>,
) -> Vec<Hit> {
    let params =
        spec(index.domain.space.metric, 12).search_params(&format!(r#"{{"ef":{}}}"#, ef.max(k)), k).unwrap();
    let probe =
        Probe { queries: Queries::Float(query), k, allow, params: &params, stop: &AtomicBool::new(false) };
    let mut tops = [TopK::new(k)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    tops[0].drain_sorted()
}

/// The truth, in f64.
fn brute(values: &[f32], metric: Metric, query: &[f32], k: usize, allow: Option<&BooleanBuffer>) -> Vec<Hit> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let mut top = TopK::new(k);
    for (row, x) in
        values.chunks_exact(DIM).enumerate().filter(|(row, _)| allow.is_none_or(|a| a.value(*row)))
    {
        let score = match metric {
            Metric::L2 => dot(x, x) + dot(query, query) - 2.0 * dot(x, query),
            Metric::Ip => -dot(x, query),
            _ => -dot(x, query) / (dot(x, x) * dot(query, query)).sqrt(),
        };
        top.push(score as f32, row as u32);
    }
    top.drain_sorted()
}

/// The mean share of the true hits that were found; checks that each score is right and the order kept.
fn recall(index: &Hnsw<Floats>, values: &[f32], ef: usize, allow: Option<&BooleanBuffer>) -> f64 {
    let queries = clusters(40, 5);
    let (mut found, mut wanted) = (0, 0);
    for query in queries.chunks_exact(DIM) {
        let truth = brute(values, index.domain.space.metric, query, 10, allow);
        let hits = search(index, query, 10, ef, allow);
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
        assert!(low > 0.85 && high > 0.985, "{metric:?}: {low} at ef 20, {high} at ef 200");
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
    for rows in [0, 1, 2, 3, 17] {
        let values = clusters(rows, 1);
        for metric in METRICS {
            let index = build(&values, metric);
            for (k, ef) in [(1, 1), (10, 10), (100, 3000)] {
                let query = &clusters(1, 2);
                let hits = search(&index, query, k, ef, None);
                let truth = brute(&values, metric, query, k, None);
                let rows = |hits: &[Hit]| hits.iter().map(|h| h.row).collect::<Vec<_>>();
                assert_eq!(rows(&hits), rows(&truth), "{metric:?}");
            }
            let loaded =
                Hnsw::<Floats>::load(&spec(metric, 12), &Saved::of(&index).sections(), vectors(&values))
                    .unwrap();
            assert_eq!(search(&loaded, &clusters(1, 2), 10, 10, None).len(), rows.min(10));
        }
    }
}

/// Every node is reached by following links on level 0 from the entry.
fn assert_connected(index: &Hnsw<Floats>) {
    let mut reached = vec![false; index.rows.len()];
    let mut waiting = vec![0];
    reached[0] = true;
    while let Some(node) = waiting.pop() {
        for &next in index.levels[0].links().of(node) {
            if !std::mem::replace(&mut reached[next as usize], true) {
                waiting.push(next);
            }
        }
    }
    assert_eq!(reached.iter().position(|r| !r), None);
}

#[test]
fn every_row_is_reachable() {
    let mut groups = clusters(3000, 1);
    for (row, values) in groups.chunks_exact_mut(DIM).enumerate() {
        values[0] += (row % 7) as f32 * 1000.0; // seven islands
    }
    let equal = clusters(1, 1).repeat(1500);
    for metric in METRICS {
        for values in [&clusters(3000, 1), &groups, &equal, &vec![0.0; 500 * DIM]] {
            assert_connected(&build_with(values, &spec(metric, 4), 2, &Patient).unwrap());
        }
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
        let build = |threads| Saved::of(&build_with(&values, &spec(metric, 8), threads, &Patient).unwrap());
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
        let loaded = Hnsw::<Floats>::load(&spec(metric, 12), &saved.sections(), vectors(&values)).unwrap();
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
    let load = |saved: &Saved| Hnsw::<Floats>::load(&spec(metric, 12), &saved.sections(), vectors(&values));
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
    assert!(Hnsw::<Floats>::load(&spec(Metric::Ip, 12), &saved.sections(), vectors(&values)).is_err());
    assert!(Hnsw::<Floats>::load(&spec(metric, 16), &saved.sections(), vectors(&values)).is_err());
    assert!(Hnsw::<Floats>::load(&spec(metric, 12), &saved.sections(), vectors(&values[DIM..])).is_err());
}

#[test]
fn links_and_rows_out_of_range_are_refused() {
    let values = clusters(600, 1);
    let saved = Saved::of(&build(&values, Metric::L2));
    for (name, wrong) in
        [("links0", 600u32), ("links1", 599), ("rows", 600), ("counts", 0), ("counts", u32::MAX)]
    {
        let mut bad = saved.clone();
        bad.0.get_mut(name).unwrap()[..4].copy_from_slice(&wrong.to_le_bytes());
        let error = Hnsw::<Floats>::load(&spec(Metric::L2, 12), &bad.sections(), vectors(&values)).err();
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
    let values = clusters(300, 1);
    for n in [1, 2, 20] {
        let result = build_with(&values, &spec(Metric::L2, 8), 2, &Impatient(AtomicU64::new(n)));
        assert_eq!(result.err().map(|e| e.code()), Some(Code::Canceled));
    }
}

#[test]
fn a_stopped_search_returns() {
    let index = build(&clusters(1000, 1), Metric::L2);
    let params = spec(Metric::L2, 12).search_params("", 10).unwrap();
    let query = clusters(1, 5);
    let probe = Probe {
        queries: Queries::Float(&query),
        k: 10,
        allow: None,
        params: &params,
        stop: &AtomicBool::new(true),
    };
    let mut tops = [TopK::new(10)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    assert!(tops[0].is_empty());
}

#[test]
fn levels_shrink_by_m() {
    let (rows, counts) = arrange(100_000, 16, 1);
    assert!((5_500..7_000).contains(&counts[1]) && (300..500).contains(&counts[2]), "{counts:?}");
    check_rows(&rows).unwrap();
    assert!(rows[..100].windows(2).any(|pair| pair[0] > pair[1]), "a random order");
}
