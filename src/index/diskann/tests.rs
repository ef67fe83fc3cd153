use super::*;
use crate::index::catalog::VectorKind;
use crate::index::graph::testing::{DIM, Impatient, METRICS, Patient, clusters, hash, vectors};
use crate::index::{Pace, Queries};
use crate::kernel::topk::Hit;
use arrow_buffer::BooleanBuffer;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};

#[derive(Default, PartialEq, Clone)]
struct Saved {
    sections: BTreeMap<String, Vec<u8>>,
    blocks: Vec<Vec<u8>>,
}

impl SectionWriter for Saved {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        assert!(self.sections.insert(name.to_owned(), bytes.to_vec()).is_none());
        Ok(())
    }

    fn blocks(
        &mut self,
        name: &str,
        count: u64,
        fill: &mut dyn FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        assert_eq!((name, self.blocks.len()), ("records", 0));
        for number in 0..count {
            let mut block = Block::default();
            fill(number, block.payload_mut())?;
            self.blocks.push(block.payload().to_vec());
        }
        Ok(())
    }
}

struct Blocks(Vec<Vec<u8>>);
impl BlockReader for Blocks {
    fn blocks(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, numbers: &[u64], out: &mut [Block]) -> Result<()> {
        for (&number, block) in numbers.iter().zip(out) {
            block.payload_mut().copy_from_slice(&self.0[number as usize]);
        }
        Ok(())
    }
}

impl Saved {
    fn of(index: &DiskAnn) -> Saved {
        let mut saved = Saved::default();
        index.save(&mut saved).unwrap();
        saved
    }

    fn sections(&self) -> Sections {
        let mut sections = Sections::default();
        for (name, bytes) in &self.sections {
            sections.insert(name, Buffer::from_slice_ref(bytes));
        }
        sections.insert_reader("records", Arc::new(Blocks(self.blocks.clone())));
        sections
    }
}

fn spec(metric: Metric, degree: usize) -> IndexSpec {
    let text = format!(
        r#"{{"index_type":"DISKANN","metric_type":"{}","params":{{"max_degree":{degree},"search_list_size":60}}}}"#,
        metric.name()
    );
    IndexSpec::from_json(&text, VectorKind::Float, DIM).unwrap()
}

fn build_in(
    values: &[f32],
    spec: &IndexSpec,
    threads: usize,
    memory: u64,
    pace: &dyn Pace,
) -> Result<DiskAnn> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    DiskAnn::build(spec, vectors(values), &BuildContext { memory, ..BuildContext::new(&pool, 7, pace) })
}

fn build(values: &[f32], metric: Metric) -> DiskAnn {
    build_in(values, &spec(metric, 24), 2, 0, &Patient).unwrap()
}

fn load(saved: &Saved, metric: Metric, values: &[f32]) -> Result<DiskAnn> {
    DiskAnn::load(&spec(metric, 24), &saved.sections(), vectors(values))
}

/// How to search.
#[derive(Clone, Copy)]
struct Ask<'a> {
    k: usize,
    list: usize,
    width: usize,
    allow: Option<&'a BooleanBuffer>,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Ask { k: 10, list: 50, width: 4, allow: None }
    }
}

fn try_search(index: &DiskAnn, query: &[f32], ask: Ask) -> Result<Vec<Hit>> {
    let (list, width) = (ask.list.max(ask.k), ask.width);
    let text = format!(r#"{{"search_list":{list},"beamwidth":{width}}}"#);
    let params = spec(index.metric, 24).search_params(&text, ask.k).unwrap();
    let stop = AtomicBool::new(false);
    let probe =
        Probe { queries: Queries::Float(query), k: ask.k, allow: ask.allow, params: &params, stop: &stop };
    let mut tops = [TopK::new(ask.k)];
    index.search(&probe, &mut Scratch::default(), &mut tops)?;
    Ok(tops[0].drain_sorted())
}

fn search(index: &DiskAnn, query: &[f32], ask: Ask) -> Vec<Hit> {
    try_search(index, query, ask).unwrap()
}

/// The truth, by the same exact scores.
fn truth(values: &[f32], metric: Metric, query: &[f32], ask: Ask) -> Vec<Hit> {
    let vectors = vectors(values);
    let exact = Exact::new(metric, &vectors, query);
    let mut top = TopK::new(ask.k);
    let rows = (0..vectors.len()).filter(|&row| ask.allow.is_none_or(|allow| allow.value(row)));
    rows.for_each(|row| top.push(exact.score(row as u32), row as u32));
    top.drain_sorted()
}

/// The mean share of the true hits that were found; checks that each hit's score is exact, and the order.
fn recall(index: &DiskAnn, values: &[f32], ask: Ask) -> f64 {
    let (mut found, mut wanted) = (0, 0);
    for query in clusters(40, 5).chunks_exact(DIM) {
        let truth = truth(values, index.metric, query, ask);
        let hits = search(index, query, ask);
        assert_eq!(hits.len(), truth.len());
        assert!(hits.windows(2).all(|pair| pair[0].before(&pair[1])));
        let vectors = vectors(values);
        let exact = Exact::new(index.metric, &vectors, query);
        for hit in &hits {
            assert!(ask.allow.is_none_or(|allow| allow.value(hit.row as usize)));
            assert_eq!(hit.score, exact.score(hit.row));
        }
        wanted += truth.len();
        found += hits.iter().filter(|hit| truth.contains(hit)).count();
    }
    found as f64 / wanted.max(1) as f64
}

#[test]
fn finds_nearly_all() {
    let values = clusters(4000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        for width in [1, 8] {
            let at = |list| recall(&index, &values, Ask { list, width, ..Ask::default() });
            let (low, high) = (at(20), at(200));
            assert!(low > 0.85 && high > 0.985, "{metric:?}: {low} at 20, {high} at 200");
        }
    }
}

#[test]
fn filtered_searches_are_never_short() {
    let values = clusters(6000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        for keep in [0, 1, 4, 40, 400, 3000, 5800, 6000] {
            let allow = BooleanBuffer::collect_bool(6000, |row| hash(3, row as u32) % 6000 < keep);
            let recall = recall(&index, &values, Ask { allow: Some(&allow), ..Ask::default() });
            assert!(keep == 0 || recall > 0.93, "{metric:?}, {keep} of 6000: {recall}");
        }
        // Half of the rows, but none of those near the query: the graph leads to rows that are not allowed.
        let allow = BooleanBuffer::collect_bool(6000, |row| row % 20 >= 10);
        let recall = recall(&index, &values, Ask { allow: Some(&allow), ..Ask::default() });
        assert!(recall > 0.9, "{metric:?}: {recall}");
    }
}

#[test]
fn few_rows_and_large_k() {
    for rows in [0, 1, 2, 3, 17] {
        let values = clusters(rows, 1);
        for metric in METRICS {
            let index = build(&values, metric);
            let loaded = load(&Saved::of(&index), metric, &values).unwrap();
            for (k, list) in [(1, 1), (10, 10), (100, 3000)] {
                let (query, ask) = (&clusters(1, 2), Ask { k, list, ..Ask::default() });
                assert_eq!(search(&index, query, ask), truth(&values, metric, query, ask), "{metric:?}");
                assert_eq!(search(&loaded, query, ask), truth(&values, metric, query, ask), "{metric:?}");
            }
        }
    }
}

#[test]
fn equal_rows_do_not_hide_others() {
    let mut values = clusters(1000, 1);
    values.extend(clusters(1, 8).repeat(1000));
    for metric in METRICS {
        let index = build(&values, metric);
        let recall = recall(&index, &values, Ask::default());
        assert!(recall > 0.9, "{metric:?}: {recall}");
        let (query, ask) = (&clusters(1, 8), Ask::default());
        let scores = |hits: Vec<Hit>| hits.iter().map(|hit| hit.score).collect::<Vec<_>>();
        assert_eq!(
            scores(search(&index, query, ask)),
            scores(truth(&values, metric, query, ask)),
            "{metric:?}"
        );
    }
    for equal in [clusters(1, 1).repeat(1500), vec![0.0; 1500 * DIM]] {
        assert_eq!(search(&build(&equal, Metric::L2), &clusters(1, 2), Ask::default()).len(), 10);
    }
}

#[test]
fn same_bytes_at_any_number_of_threads() {
    let values = clusters(1500, 1);
    for metric in METRICS {
        for memory in [0, 1] {
            let build = |threads| {
                Saved::of(&build_in(&values, &spec(metric, 16), threads, memory, &Patient).unwrap())
            };
            let one = build(1);
            assert!(one == build(2) && one == build(4), "{metric:?} {memory}");
        }
    }
}

#[test]
fn saved_and_loaded_is_the_same() {
    let values = clusters(3000, 1);
    for metric in METRICS {
        let index = build(&values, metric);
        let saved = Saved::of(&index);
        let loaded = load(&saved, metric, &values).unwrap();
        assert!(Saved::of(&loaded) == saved);
        assert_eq!(loaded.memory(), index.memory());
        for query in clusters(20, 5).chunks_exact(DIM) {
            assert_eq!(search(&loaded, query, Ask::default()), search(&index, query, Ask::default()));
        }
    }
}

/// Parts of a small memory find as much as one graph, and every row has links of its two parts.
#[test]
fn a_build_in_parts_has_recall() {
    let values = clusters(12_000, 1);
    for metric in METRICS {
        let memory = 12_000 * DIM as u64 / 2 + 3000 * row_bytes(DIM, shape(&spec(metric, 24))) as u64;
        let index = build_in(&values, &spec(metric, 24), 2, memory, &Patient).unwrap();
        let loaded = load(&Saved::of(&index), metric, &values).unwrap();
        let recall = recall(&loaded, &values, Ask { list: 100, ..Ask::default() });
        assert!(recall > 0.95, "{metric:?}: {recall}");
    }
}

#[test]
fn records_that_span_blocks() {
    let (rows, dim) = (600, 1500);
    // A curve through the space, and a little noise.
    let noise = |i: usize| (hash(3, i as u32) >> 40) as f32 / (1 << 24) as f32;
    let value = |i: usize| (i / dim) as f32 * 0.05 * (i % 3) as f32 + 0.1 * noise(i);
    let values: Vec<f32> = (0..rows * dim).map(value).collect();
    let vectors = FloatVectors::new(values.into(), dim);
    let text = r#"{"index_type":"DISKANN","metric_type":"L2","params":{"max_degree":20}}"#;
    let spec = IndexSpec::from_json(text, VectorKind::Float, dim).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let index = DiskAnn::build(&spec, vectors.clone(), &BuildContext::new(&pool, 7, &Patient)).unwrap();
    let saved = Saved::of(&index);
    assert_eq!(saved.blocks.len(), 2 * rows);
    let loaded = DiskAnn::load(&spec, &saved.sections(), vectors.clone()).unwrap();
    let params = spec.search_params(r#"{"search_list":20}"#, 1).unwrap();
    let stop = AtomicBool::new(false);
    for row in (0..rows).step_by(7) {
        let queries = Queries::Float(vectors.row(row));
        let probe = Probe { queries, k: 1, allow: None, params: &params, stop: &stop };
        let mut tops = [TopK::new(1)];
        loaded.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
        assert_eq!(tops[0].drain_sorted(), [Hit { score: 0.0, row: row as u32 }]);
    }
}

#[test]
fn hostile_bytes_are_refused_or_harmless() {
    let values = clusters(1000, 1);
    let metric = Metric::L2;
    let saved = Saved::of(&build(&values, metric));
    let ask = Ask { list: 20, ..Ask::default() };
    for name in saved.sections.keys() {
        let mut missing = saved.clone();
        missing.sections.remove(name);
        let error = load(&missing, metric, &values).err();
        assert_eq!(error.map(|e| e.code()), Some(Code::Corrupt), "{name} missing");
        for change in [-1isize, -4, 4] {
            let mut other = saved.clone();
            let bytes = other.sections.get_mut(name).unwrap();
            bytes.resize(bytes.len().saturating_add_signed(change), 0);
            assert!(load(&other, metric, &values).is_err(), "{name} longer by {change}");
        }
        let len = saved.sections[name].len();
        for at in (0..len).step_by((len / 97).max(1)) {
            for bit in [0, 3, 7] {
                let mut flipped = saved.clone();
                flipped.sections.get_mut(name).unwrap()[at] ^= 1 << bit;
                if let Ok(index) = load(&flipped, metric, &values) {
                    let _ = try_search(&index, &clusters(1, 5), ask);
                }
            }
        }
    }
    for change in [0, saved.blocks.len() - 1, saved.blocks.len() + 1] {
        let mut other = saved.clone();
        other.blocks.resize(change, vec![0; crate::index::sections::PAYLOAD]);
        assert_eq!(load(&other, metric, &values).err().map(|e| e.code()), Some(Code::Corrupt));
    }
    // What is well-formed but of another description or segment.
    assert!(DiskAnn::load(&spec(Metric::Ip, 24), &saved.sections(), vectors(&values)).is_err());
    assert!(DiskAnn::load(&spec(metric, 16), &saved.sections(), vectors(&values)).is_err());
    assert!(load(&saved, metric, &values[DIM..]).is_err());
}

/// Records are believed once their checksums are right; wrong ones among them are errors all the same.
#[test]
fn links_out_of_range_are_refused() {
    let values = clusters(2000, 1);
    let mut saved = Saved::of(&build(&values, Metric::L2));
    for (at, wrong) in [(4 * DIM, 25u32), (4 * DIM + 4, 2000)] {
        for block in &mut saved.blocks {
            block[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
        }
        let index = load(&saved, Metric::L2, &values).unwrap();
        let errors = clusters(40, 5);
        let errors =
            errors.chunks_exact(DIM).filter_map(|query| try_search(&index, query, Ask::default()).err());
        let codes: Vec<Code> = errors.map(|error| error.code()).collect();
        assert!(!codes.is_empty() && codes.iter().all(|&code| code == Code::Corrupt));
    }
}

#[test]
fn odd_values_do_no_harm() {
    let mut values = clusters(1000, 1);
    for (at, odd) in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE].into_iter().enumerate() {
        values[at * 5 * DIM] = odd;
    }
    for metric in METRICS {
        for memory in [0, 1] {
            let index = build_in(&values, &spec(metric, 24), 2, memory, &Patient).unwrap();
            for query in [vec![0.0; DIM], vec![f32::NAN; DIM], vec![f32::MAX; DIM], clusters(1, 5)] {
                let ask = Ask { list: 20, ..Ask::default() };
                assert_eq!(search(&index, &query, ask).len(), 10, "{metric:?}");
            }
        }
    }
}

#[test]
fn a_build_can_be_cancelled_at_every_checkpoint() {
    let values = clusters(2500, 1);
    for memory in [0, 1] {
        for n in [1, 2, 20] {
            let pace = Impatient(AtomicU64::new(n));
            let result = build_in(&values, &spec(Metric::L2, 8), 2, memory, &pace);
            assert_eq!(result.err().map(|e| e.code()), Some(Code::Canceled));
        }
    }
}

#[test]
fn a_stopped_search_returns() {
    let index = build(&clusters(2000, 1), Metric::L2);
    let params = spec(Metric::L2, 24).search_params("", 10).unwrap();
    let query = clusters(1, 5);
    let queries = Queries::Float(&query);
    let probe = Probe { queries, k: 10, allow: None, params: &params, stop: &AtomicBool::new(true) };
    let mut tops = [TopK::new(10)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    assert!(tops[0].is_empty());
}
