//! FLAT and IVF_FLAT against the exhaustive scan; sections, determinism, bad bytes.

use super::catalog::{Metric, VectorKind};
use super::vectors::{BinaryVectors, FloatVectors};
use super::*;
use crate::kernel::topk::Hit;
use arrow_buffer::Buffer;
use std::sync::atomic::AtomicU64;

pub(super) const METRICS: [Metric; 3] = [Metric::L2, Metric::Ip, Metric::Cosine];

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}

/// Rows around some corners, with what data has in life: twins, zeros, an outlier.
pub(super) fn rows(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let corners: Vec<f32> = (0..30 * dim).map(|_| random.unit() * 4.0).collect();
    let mut rows = Vec::with_capacity(count * dim);
    for row in 0..count {
        let corner = random.next() as usize % 30 * dim;
        match row % 100 {
            17 if row > 100 => rows.extend_from_within((row - 50) * dim..(row - 49) * dim),
            41 => rows.extend(std::iter::repeat_n(0.0, dim)),
            _ => rows.extend((0..dim).map(|i| corners[corner + i] + random.unit())),
        }
    }
    if count > 60 {
        rows[60 * dim] = 1e6;
    }
    rows
}

pub(super) fn vectors(count: usize, dim: usize) -> FloatVectors {
    FloatVectors::new(rows(count, dim, 99).into(), dim)
}

pub(super) struct Free;

impl Pace for Free {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

pub(super) fn spec(index_type: &str, metric: Metric, nlist: usize, dim: usize) -> IndexSpec {
    let text = format!(
        r#"{{"index_type":"{index_type}","metric_type":"{}","params":{{"nlist":{nlist}}}}}"#,
        metric.name()
    );
    IndexSpec::from_json(&text, VectorKind::Float, dim).unwrap()
}

pub(super) fn built(
    spec: &IndexSpec,
    vectors: &FloatVectors,
    threads: usize,
    pace: &dyn Pace,
) -> Result<Box<dyn Index>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    build(spec, vectors.clone().into(), &BuildContext::new(&pool, 42, pace))
}

/// What a search asks beside its queries.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) k: usize,
    pub(super) nprobe: usize,
    pub(super) allow: Option<&'a BooleanBuffer>,
}

fn asked(ask: Ask, queries: &[f32], dim: usize, search: impl FnOnce(&Probe, &mut [TopK])) -> Vec<Vec<Hit>> {
    let spec = spec("IVF_FLAT", Metric::L2, 1, dim);
    let params = spec.search_params(&format!("{{\"nprobe\":{}}}", ask.nprobe), ask.k).unwrap();
    let stop = AtomicBool::new(false);
    let probe =
        Probe { queries: Queries::Float(queries), k: ask.k, allow: ask.allow, params: &params, stop: &stop };
    let mut tops = vec![TopK::new(ask.k); queries.len() / dim];
    search(&probe, &mut tops);
    tops.iter_mut().map(TopK::drain_sorted).collect()
}

pub(super) fn found(
    index: &dyn Index,
    ask: Ask,
    queries: &[f32],
    dim: usize,
    scratch: &mut Scratch,
) -> Vec<Vec<Hit>> {
    asked(ask, queries, dim, |probe, tops| index.search(probe, scratch, tops).unwrap())
}

pub(super) fn truth(metric: Metric, vectors: &FloatVectors, ask: Ask, queries: &[f32]) -> Vec<Vec<Hit>> {
    asked(ask, queries, vectors.dim(), |probe, tops| exact::scan(metric, vectors, probe, tops))
}

pub(super) fn every(count: usize, nth: usize) -> BooleanBuffer {
    BooleanBuffer::collect_bool(count, |row| row % nth == nth / 2)
}

#[test]
fn flat_and_all_lists_answer_exactly() {
    let (count, dim) = (3_000, 20);
    let vectors = vectors(count, dim);
    let filters = [1, 2, 7, 100, 1_500, 2 * count].map(|nth| every(count, nth));
    for metric in METRICS {
        for kind in ["FLAT", "IVF_FLAT"] {
            let index = built(&spec(kind, metric, 32, dim), &vectors, 2, &Free).unwrap();
            let mut scratch = Scratch::default();
            for (nq, k) in [(1, 10), (70, 10), (3, 1), (2, 700), (2, 5_000)] {
                let queries = rows(nq, dim, 5);
                for allow in std::iter::once(None).chain(filters.iter().map(Some)) {
                    let ask = Ask { k, nprobe: 32, allow };
                    let expected = truth(metric, &vectors, ask, &queries);
                    let hits = found(&*index, ask, &queries, dim, &mut scratch);
                    assert_eq!(hits, expected, "{kind} {metric:?} nq {nq} k {k}");
                    let allowed = allow.map_or(count, BooleanBuffer::count_set_bits);
                    assert!(hits.iter().all(|hits| hits.len() == k.min(allowed)));
                }
            }
        }
    }
}

#[test]
fn odd_queries_and_rows_stay_exact() {
    let dim = 5;
    let vectors = vectors(500, dim);
    let queries =
        [[0.0; 5], [1e12, -1e12, 0.0, 1.0, 2.0], [1e-12, 0.0, 0.0, 0.0, 0.0], [1e6, 0.0, 0.0, 0.0, 0.0]];
    for metric in METRICS {
        for kind in ["FLAT", "IVF_FLAT"] {
            let index = built(&spec(kind, metric, 8, dim), &vectors, 1, &Free).unwrap();
            let ask = Ask { k: 20, nprobe: 8, allow: None };
            let hits = found(&*index, ask, queries.as_flattened(), dim, &mut Scratch::default());
            assert_eq!(hits, truth(metric, &vectors, ask, queries.as_flattened()), "{kind} {metric:?}");
        }
    }
}

#[test]
fn few_and_equal_rows_are_searched_like_many() {
    for count in [0, 1, 2, 39, 80] {
        let vectors = FloatVectors::new(vec![0.5; count * 3].into(), 3);
        for kind in ["FLAT", "IVF_FLAT"] {
            let index = built(&spec(kind, Metric::L2, 4, 3), &vectors, 1, &Free).unwrap();
            let ask = Ask { k: 50, nprobe: 1, allow: None };
            let hits = found(&*index, ask, &[0.5, 0.5, 1.5], 3, &mut Scratch::default());
            let expected: Vec<_> = (0..count.min(50) as u32).map(|row| Hit { score: 1.0, row }).collect();
            // All rows are in one list, and lists are walked on until there are enough.
            assert_eq!(hits, [expected], "{kind} {count}");
        }
    }
}

#[test]
fn more_lists_find_more() {
    let dim = 16;
    let vectors = vectors(4_000, dim);
    let queries = rows(100, dim, 99);
    for metric in METRICS {
        let index = built(&spec("IVF_FLAT", metric, 64, dim), &vectors, 2, &Free).unwrap();
        let recall = |nprobe: usize, nq: usize| {
            let ask = Ask { k: 10, nprobe, allow: None };
            let expected = truth(metric, &vectors, ask, &queries);
            let hits = queries.chunks(nq * dim);
            let hits = hits.flat_map(|queries| found(&*index, ask, queries, dim, &mut Scratch::default()));
            let common = |(a, b): (Vec<Hit>, &Vec<Hit>)| a.iter().filter(|hit| b.contains(hit)).count();
            hits.zip(&expected).map(common).sum::<usize>() as f64 / (10 * expected.len()) as f64
        };
        let [one, eight, all] = [1, 8, 64].map(|nprobe| recall(nprobe, 100));
        assert!(one < 1.0 && one <= eight && eight > 0.9 && all == 1.0, "{metric:?}: {one} {eight} {all}");
        assert_eq!(recall(4, 1), recall(4, 100), "a batch finds what its queries find alone");
        assert_eq!(recall(1_000, 1), 1.0, "nprobe beyond nlist is nlist");
    }
}

#[test]
fn a_filter_never_leaves_too_few() {
    let (count, dim) = (4_000, 8);
    let vectors = vectors(count, dim);
    let index = built(&spec("IVF_FLAT", Metric::L2, 100, dim), &vectors, 2, &Free).unwrap();
    let queries = rows(100, dim, 3);
    let mut scratch = Scratch::default();
    for (nth, nq) in [(1, 100), (2, 1), (10, 5), (50, 100), (200, 1), (1_000, 3), (3_999, 100)] {
        let allow = every(count, nth);
        let ask = Ask { k: 60, nprobe: 1, allow: Some(&allow) };
        for hits in found(&*index, ask, &queries[..nq * dim], dim, &mut scratch) {
            assert_eq!(hits.len(), 60.min(allow.count_set_bits()));
            assert!(hits.iter().all(|hit| allow.value(hit.row as usize)));
        }
    }
}

#[test]
fn a_filter_does_not_spoil_recall() {
    let (count, dim) = (20_000, 16);
    let vectors = vectors(count, dim);
    let queries = rows(50, dim, 99);
    let index = built(&spec("IVF_FLAT", Metric::L2, 200, dim), &vectors, 2, &Free).unwrap();
    for nth in [2, 10, 50, 200] {
        let allow = every(count, nth);
        let ask = Ask { k: 10, nprobe: 8, allow: Some(&allow) };
        let expected = truth(Metric::L2, &vectors, ask, &queries);
        let hits = found(&*index, ask, &queries, dim, &mut Scratch::default());
        let common = hits.iter().zip(&expected).map(|(a, b)| a.iter().filter(|hit| b.contains(hit)).count());
        let right = common.sum::<usize>();
        assert!(right >= 450, "1 in {nth}: {right} of 500");
    }
}

#[test]
fn a_stopped_search_returns() {
    let vectors = vectors(2_000, 8);
    for kind in ["FLAT", "IVF_FLAT"] {
        let spec = spec(kind, Metric::L2, 16, 8);
        let index = built(&spec, &vectors, 1, &Free).unwrap();
        let params = spec.search_params("", 10).unwrap();
        let stop = AtomicBool::new(true);
        let probe =
            Probe { queries: Queries::Float(&[0.0; 8]), k: 10, allow: None, params: &params, stop: &stop };
        let mut tops = [TopK::new(10)];
        index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
        exact::scan(Metric::L2, &vectors, &probe, &mut tops);
        assert!(tops[0].is_empty());
    }
}

#[derive(Default, Clone, PartialEq)]
pub(super) struct Written(pub(super) Vec<(String, Vec<u8>)>);

impl SectionWriter for Written {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.0.push((name.to_owned(), bytes.to_vec()));
        Ok(())
    }
}

impl Written {
    pub(super) fn of(index: &dyn Index) -> Written {
        let mut written = Written::default();
        index.save(&mut written).unwrap();
        written
    }

    /// As a mapped file has them, at multiples of 64 bytes.
    pub(super) fn sections(&self) -> Sections {
        let mut sections = Sections::default();
        for (name, bytes) in &self.0 {
            sections.insert(name, Buffer::from(bytes.as_slice()));
        }
        sections
    }
}

#[test]
fn saved_indexes_answer_the_same() {
    let dim = 12;
    let vectors = vectors(1_500, dim);
    let queries = rows(20, dim, 8);
    for metric in METRICS {
        for kind in ["FLAT", "IVF_FLAT"] {
            let spec = spec(kind, metric, 20, dim);
            let index = built(&spec, &vectors, 2, &Free).unwrap();
            let written = Written::of(&*index);
            let loaded = load(&spec, &written.sections(), vectors.clone().into()).unwrap();
            assert!(Written::of(&*loaded) == written);
            assert_eq!(loaded.memory(), index.memory());
            let ask = Ask { k: 10, nprobe: 3, allow: None };
            let [a, b] = [&index, &loaded].map(|i| found(&**i, ask, &queries, dim, &mut Scratch::default()));
            assert_eq!(a, b);
        }
    }
}

#[test]
fn the_thread_count_changes_no_byte() {
    let vectors = vectors(3_000, 10);
    for metric in METRICS {
        for kind in ["FLAT", "IVF_FLAT"] {
            let spec = spec(kind, metric, 40, 10);
            let [one, two, four] =
                [1, 2, 4].map(|threads| Written::of(&*built(&spec, &vectors, threads, &Free).unwrap()));
            assert!(one == two && one == four, "{kind} {metric:?}");
        }
    }
}

#[test]
fn damaged_sections_are_refused_or_harmless() {
    let dim = 6;
    let vectors = vectors(400, dim);
    let queries = rows(3, dim, 8);
    let mut random = Random(4);
    for kind in ["FLAT", "IVF_FLAT"] {
        let spec = spec(kind, Metric::L2, 8, dim);
        let written = Written::of(&*built(&spec, &vectors, 1, &Free).unwrap());
        let refused = |written: &Written| {
            load(&spec, &written.sections(), vectors.clone().into()).err().map(|error| error.code())
                == Some(Code::Corrupt)
        };
        for i in 0..written.0.len() {
            let mut damaged = written.clone();
            damaged.0[i].1.pop();
            assert!(refused(&damaged), "a shortened {}", written.0[i].0);
            damaged.0.remove(i);
            assert!(refused(&damaged), "no {}", written.0[i].0);
        }
        for (name, at, value) in [("list_rows", 0, 400u32), ("list_offsets", 0, 1), ("list_offsets", 1, 401)]
        {
            let mut damaged = written.clone();
            if let Some((_, bytes)) = damaged.0.iter_mut().find(|(n, _)| n == name) {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
                assert!(refused(&damaged), "{name}[{at}] = {value}");
            }
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
                found(&*index, Ask { k: 10, nprobe: 3, allow: None }, &queries, dim, &mut Scratch::default());
            }
        }
        assert!(
            load(&spec, &written.sections(), FloatVectors::new(vec![0.0; 399 * dim].into(), dim).into())
                .is_err()
        );
    }
}

#[derive(Default)]
pub(super) struct Watched {
    pub(super) last: AtomicU64,
    pub(super) stop_at: u64,
}

impl Pace for Watched {
    fn checkpoint(&self, done: u64, total: u64) -> Result<()> {
        let last = self.last.swap(done, std::sync::atomic::Ordering::Relaxed);
        assert!(last <= done && done <= total && total == 3_000);
        if done >= self.stop_at { Err(Error::new(Code::Canceled, "stopped")) } else { Ok(()) }
    }
}

#[test]
fn builds_tell_how_far_they_are_and_can_be_stopped() {
    let vectors = vectors(3_000, 10);
    for kind in ["FLAT", "IVF_FLAT"] {
        let spec = spec(kind, Metric::L2, 40, 10);
        let watched = Watched { stop_at: u64::MAX, ..Watched::default() };
        built(&spec, &vectors, 2, &watched).unwrap();
        assert!(watched.last.into_inner() > 2_000);
        let error = built(&spec, &vectors, 2, &Watched::default()).err().unwrap();
        assert_eq!(error.code(), Code::Canceled);
    }
    let hnsw = IndexSpec { index_type: IndexType::GpuCagra, ..spec("FLAT", Metric::L2, 1, 10) };
    assert_eq!(built(&hnsw, &vectors, 1, &Free).err().unwrap().code(), Code::IndexTypeNotSupported);
}

/// What a build reserves covers what stays of it, and is not out of all proportion.
#[test]
fn a_builds_memory_covers_its_index() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let context = BuildContext::new(&pool, 42, &Free);
    for (rows, dim) in [(1500, 8), (400, 104)] {
        let bits: Vec<u8> = (0..rows * dim / 8).map(|i| ((i * i) >> 3) as u8).collect();
        let kinds = [
            (VectorKind::Float, "L2", Vectors::from(vectors(rows, dim))),
            (VectorKind::Binary, "HAMMING", BinaryVectors::new(bits.into(), dim / 8).into()),
        ];
        for (kind, metric, vectors) in kinds {
            for entry in catalog::table::ENTRIES.iter().filter(|entry| entry.works.contains(&kind)) {
                let name = entry.name;
                let text = format!(
                    r#"{{"index_type":"{name}","metric_type":"{metric}","params":{{"m":4,"nlist":8}}}}"#
                );
                let spec = IndexSpec::from_json(&text, kind, dim).unwrap();
                let index = build(&spec, vectors.clone(), &context).unwrap();
                let (estimate, kept) = (build_memory(&spec, &vectors), index.memory() as u64);
                assert!(estimate >= kept, "{name}, {rows} x {dim}: {estimate} for {kept}");
                assert!(estimate <= 8 * kept + (1 << 20), "{name}, {rows} x {dim}: {estimate} for {kept}");
            }
        }
    }
}
