use super::*;
use crate::index::catalog::VectorKind;
use crate::index::{Pace, Queries};
use crate::kernel::topk::Hit;
use arrow_buffer::{BooleanBuffer, Buffer};
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
    fn of(index: &Annoy) -> Saved {
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

    fn numbers(&self, name: &str) -> Vec<u32> {
        self.0[name].chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    fn set(&mut self, name: &str, at: usize, value: u32) {
        self.0.get_mut(name).unwrap()[4 * at..4 * at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// Numbers in -1..1, the same for the same seed.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Vectors around 20 centres, of uneven lengths.
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

fn spec(metric: Metric, trees: usize) -> IndexSpec {
    let text = format!(
        r#"{{"index_type":"ANNOY","metric_type":"{}","params":{{"n_trees":{trees}}}}}"#,
        metric.name()
    );
    IndexSpec::from_json(&text, VectorKind::Float, DIM).unwrap()
}

fn build_with(values: &[f32], spec: &IndexSpec, threads: usize, pace: &dyn Pace) -> Result<Annoy> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    Annoy::build(spec, vectors(values), &BuildContext::new(&pool, 7, pace))
}

fn build(values: &[f32], metric: Metric) -> Annoy {
    build_with(values, &spec(metric, 12), 2, &Patient).unwrap()
}

fn search(index: &Annoy, query: &[f32], k: usize, search_k: i64, allow: Option<&BooleanBuffer>) -> Vec<Hit> {
    let text = format!(r#"{{"search_k":{search_k}}}"#);
    let params = spec(index.metric, 12).search_params(&text, k).unwrap();
    let stop = AtomicBool::new(false);
    let probe = Probe { queries: Queries::Float(query), k, allow, params: &params, stop: &stop };
    let mut tops = [TopK::new(k)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    tops[0].drain_sorted()
}

fn truth(index: &Annoy, query: &[f32], k: usize, allow: Option<&BooleanBuffer>) -> Vec<Hit> {
    let (params, stop) = (Default::default(), AtomicBool::new(false));
    let probe = Probe { queries: Queries::Float(query), k, allow, params: &params, stop: &stop };
    let mut tops = [TopK::new(k)];
    exact::scan(index.metric, &index.vectors, &probe, &mut tops);
    tops[0].drain_sorted()
}

/// The mean share of the true hits that were found; checks that scores are right and the order kept.
fn recall(index: &Annoy, search_k: i64, allow: Option<&BooleanBuffer>) -> f64 {
    let (mut found, mut wanted) = (0, 0);
    for query in clusters(40, 5).chunks_exact(DIM) {
        let truth = truth(index, query, 10, allow);
        let hits = search(index, query, 10, search_k, allow);
        assert_eq!(hits.len(), truth.len());
        assert!(hits.windows(2).all(|pair| pair[0].before(&pair[1])));
        let exact = Exact::new(index.metric, &index.vectors, query);
        assert!(hits.iter().all(|hit| hit.score == exact.score(hit.row)));
        assert!(hits.iter().all(|hit| allow.is_none_or(|allow| allow.value(hit.row as usize))));
        wanted += truth.len();
        found += hits.iter().filter(|hit| truth.contains(hit)).count();
    }
    found as f64 / wanted as f64
}

#[test]
fn more_candidates_find_more() {
    let values = clusters(6000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        let [few, usual, many, all] = [20, -1, 1500, 6000].map(|search_k| recall(&index, search_k, None));
        assert!(few < usual && usual > 0.9 && many > 0.985, "{metric:?}: {few} {usual} {many}");
        assert_eq!(all, 1.0);
    }
}

#[test]
fn more_trees_find_more() {
    let values = clusters(6000, 1);
    for metric in METRICS {
        let [one, many] = [1, 40].map(|trees| {
            let index = build_with(&values, &spec(metric, trees), 2, &Patient).unwrap();
            recall(&index, 300, None)
        });
        assert!(one + 0.03 < many, "{metric:?}: {one} with one tree, {many} with 40");
    }
}

/// Any integer is a `search_k`: negative ones are the usual number, and too small ones are k.
#[test]
fn odd_search_k() {
    let index = build(&clusters(3000, 1), Metric::L2);
    for query in clusters(5, 5).chunks_exact(DIM) {
        let usual = search(&index, query, 10, -1, None);
        for search_k in [-2, i64::MIN] {
            assert_eq!(search(&index, query, 10, search_k, None), usual);
        }
        let least = search(&index, query, 10, 10, None);
        assert_eq!(least.len(), 10);
        for search_k in [0, 1, 9] {
            assert_eq!(search(&index, query, 10, search_k, None), least);
        }
        assert_eq!(search(&index, query, 10, i64::MAX, None), truth(&index, query, 10, None));
    }
}

#[test]
fn filtered_searches_are_never_short() {
    let values = clusters(6000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        for keep in [0, 1, 4, 40, 400, 3000, 5400, 6000] {
            let allow = BooleanBuffer::collect_bool(6000, |row| row * 7919 % 6000 < keep);
            assert_eq!(allow.count_set_bits(), keep);
            let recall = recall(&index, -1, Some(&allow));
            assert!(keep == 0 || recall > 0.9, "{metric:?}, {keep} of 6000: {recall}");
            assert_eq!(search(&index, &values[..DIM], 6000, 1, Some(&allow)).len(), keep);
        }
        // Half of the rows, but none of those near the query.
        let allow = BooleanBuffer::collect_bool(6000, |row| row % 20 >= 10);
        let far = recall(&index, -1, Some(&allow));
        assert!(far > 0.7, "{metric:?}: {far}");
    }
}

#[test]
fn few_rows_and_large_k() {
    for rows in [0, 1, 2, 3, 32, 33, 34, 70] {
        let values = clusters(rows, 1);
        for metric in METRICS {
            let index = build(&values, metric);
            let query = &clusters(1, 2);
            for (k, search_k) in [(1, 1000), (10, -1), (100, 0), (100, 3000)] {
                assert_eq!(search(&index, query, k, search_k, None), truth(&index, query, k, None));
            }
            let loaded = Annoy::load(&spec(metric, 12), &Saved::of(&index).sections(), vectors(&values));
            assert_eq!(search(&loaded.unwrap(), query, 10, 10, None).len(), rows.min(10));
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
    let mut mixed = clusters(2000, 1);
    mixed.extend(clusters(1, 8).repeat(2000));
    // Each row twice as long as the one before, as far as floats go: planes cut off a few rows each.
    let growing: Vec<f32> = (0..4000).flat_map(|row| [2f32.powi(row % 120 - 60); DIM]).collect();
    for metric in METRICS {
        for (values, most) in [(&equal, 12), (&zeros, 12), (&mixed, 40), (&growing, 40)] {
            let index = build(values, metric);
            let saved = Saved::of(&index);
            let depth = depth(&saved, 4000);
            assert!(depth <= most, "{metric:?}: {depth}");
            for tree in saved.numbers("places").chunks_exact(4000) {
                let mut sorted = tree.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..4000));
            }
            let query = &clusters(1, 8);
            assert_eq!(search(&index, query, 4000, 0, None), truth(&index, query, 4000, None));
        }
        let hits = search(&build(&mixed, metric), &clusters(1, 8), 10, -1, None);
        let best = truth(&build(&mixed, metric), &clusters(1, 8), 1, None)[0].score;
        assert!(hits.iter().filter(|hit| hit.score <= best + 1e-3).count() >= 9, "{metric:?}: {hits:?}");
    }
}

#[test]
fn rows_beyond_floats_do_no_harm() {
    let mut values = clusters(2000, 1);
    values[17 * DIM] = 3e38;
    values[18 * DIM] = -3e38;
    for metric in METRICS {
        let index = build(&values, metric);
        assert!(recall(&index, -1, None) > 0.5, "{metric:?}");
        for query in [vec![0.0; DIM], vec![3e38; DIM], vec![1e-38; DIM]] {
            assert_eq!(search(&index, &query, 10, -1, None).len(), 10);
        }
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    let values = clusters(5000, 1);
    for metric in METRICS {
        let build = |threads| Saved::of(&build_with(&values, &spec(metric, 20), threads, &Patient).unwrap());
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
        let loaded = Annoy::load(&spec(metric, 12), &saved.sections(), vectors(&values)).unwrap();
        assert!(Saved::of(&loaded) == saved);
        assert_eq!(loaded.memory(), index.memory());
        for query in clusters(20, 5).chunks_exact(DIM) {
            assert_eq!(search(&loaded, query, 10, 50, None), search(&index, query, 10, 50, None));
        }
    }
}

#[test]
fn a_batch_finds_what_its_queries_find() {
    let index = build(&clusters(3000, 1), Metric::Ip);
    let queries = clusters(30, 5);
    let params = spec(Metric::Ip, 12).search_params("", 10).unwrap();
    let stop = AtomicBool::new(false);
    let probe = Probe { queries: Queries::Float(&queries), k: 10, allow: None, params: &params, stop: &stop };
    let mut tops = vec![TopK::new(10); 30];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    for (query, top) in queries.chunks_exact(DIM).zip(&mut tops) {
        assert_eq!(top.drain_sorted(), search(&index, query, 10, -1, None));
    }
}

fn refused(values: &[f32], saved: &Saved) -> Option<Code> {
    Annoy::load(&spec(Metric::L2, 12), &saved.sections(), vectors(values)).err().map(|error| error.code())
}

#[test]
fn damaged_sections_are_refused() {
    let values = clusters(700, 1);
    let good = Saved::of(&build(&values, Metric::L2));
    for name in good.0.keys() {
        for longer in [-4, 4] {
            let mut saved = good.clone();
            let bytes = saved.0.get_mut(name).unwrap();
            bytes.resize(bytes.len().saturating_add_signed(longer), 0);
            assert_eq!(refused(&values, &saved), Some(Code::Corrupt), "{name}");
        }
        let mut saved = good.clone();
        saved.0.remove(name);
        assert_eq!(refused(&values, &saved), Some(Code::Corrupt), "no {name}");
    }
    assert_eq!(refused(&values, &good), None);
    assert_eq!(refused(&clusters(699, 1), &good), Some(Code::Corrupt));
    let nodes = good.numbers("roots")[1];
    for (name, at, value) in [
        ("head", 1, 2),
        ("head", 2, 11),
        ("head", 3, 0),
        ("head", 4, f32::NAN.to_bits()),
        ("rows", 3, 700),
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
    ] {
        let mut saved = good.clone();
        saved.set(name, at, value);
        assert_eq!(refused(&values, &saved), Some(Code::Corrupt), "{name}[{at}] = {value}");
    }
    let mut newer = good.clone();
    newer.set("head", 0, 2);
    assert_eq!(refused(&values, &newer), Some(Code::FormatTooNew));
}

#[test]
fn flipped_bytes_do_no_harm() {
    let values = clusters(700, 1);
    for metric in [Metric::L2, Metric::Ip] {
        let spec = spec(metric, 12);
        let good = Saved::of(&build(&values, metric));
        let mut next = noise(4);
        let mut random = |bound: usize| ((next() + 1.0) / 2.0 * bound as f32) as usize % bound;
        let mut answered = 0;
        for round in 0..600 {
            let mut saved = good.clone();
            let names: Vec<String> = good.0.keys().cloned().collect();
            let bytes = saved.0.get_mut(&names[round % names.len()]).unwrap();
            for _ in 0..3 {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            if let Ok(index) = Annoy::load(&spec, &saved.sections(), vectors(&values)) {
                let hits = search(&index, &values[..DIM], 10, 40, None);
                assert!(hits.len() <= 10 && hits.iter().all(|hit| hit.row < 700));
                answered += 1;
            }
        }
        assert!(answered > 100);
    }
}

#[test]
fn a_build_can_be_cancelled_at_each_checkpoint() {
    let values = clusters(3000, 1);
    let mut checkpoints = 0;
    loop {
        checkpoints += 1;
        let pace = Impatient(AtomicU64::new(checkpoints));
        match build_with(&values, &spec(Metric::Ip, 3), 2, &pace) {
            Ok(_) => break,
            Err(error) => assert_eq!(error.code(), Code::Canceled),
        }
    }
    assert!(checkpoints > 8, "{checkpoints}");
}

#[test]
fn progress_is_told_in_rows() {
    struct Watch(AtomicU64);
    impl Pace for Watch {
        fn checkpoint(&self, done: u64, total: u64) -> Result<()> {
            assert!(total == 3000 && done <= total && self.0.swap(done, Ordering::Relaxed) <= done);
            Ok(())
        }
    }
    let watch = Watch(AtomicU64::new(0));
    build_with(&clusters(3000, 1), &spec(Metric::L2, 20), 2, &watch).unwrap();
    assert_eq!(watch.0.into_inner(), 3000);
}

#[test]
fn a_stopped_search_returns() {
    let index = build(&clusters(2000, 1), Metric::L2);
    let params = spec(Metric::L2, 12).search_params("", 10).unwrap();
    let query = clusters(1, 5);
    let stop = AtomicBool::new(true);
    let probe = Probe { queries: Queries::Float(&query), k: 10, allow: None, params: &params, stop: &stop };
    let mut tops = [TopK::new(10)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    assert!(tops[0].is_empty());
}
