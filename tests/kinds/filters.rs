//! Bitmaps of every selectivity, random and real, at the seam that filters will come through: never fewer hits than there
//! are rows to find, and no less recall than without a bitmap.

use crate::cases::{Case, working};
use crate::engine::{Random, none_wrong};
use crate::sets::*;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use elanus::Result;
use elanus::index::catalog::{IndexSpec, Metric, VectorKind};
use elanus::index::vectors::Vectors;
use elanus::index::{self, BuildContext, Index, Pace, Probe, Queries, Scratch};
use elanus::kernel::topk::{Hit, TopK};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Queries of a set that are asked.
const QUERIES: usize = 40;
/// Recall with the default search parameters on a set of its full size.
const FLOOR: f64 = 0.95;

struct Free;

impl Pace for Free {
    fn checkpoint(&self, _done: u64, _total: u64) -> Result<()> {
        Ok(())
    }
}

/// An index as the segments know it.
struct Built {
    spec: IndexSpec,
    index: Box<dyn Index>,
}

impl Built {
    fn new(case: &Case, metric: Metric, params: &str, dim: usize, vectors: &Vectors) -> Built {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        let spec = case.spec(metric, params, dim);
        let context = BuildContext::new(&pool, 1, &Free);
        let index = index::build(&spec, vectors.clone(), &context).expect("an index");
        Built { spec, index }
    }

    /// The hits of each query, best first, all asked at once.
    fn search(&self, queries: &Vectors, k: usize, allow: Option<&BooleanBuffer>) -> Vec<Vec<Hit>> {
        let params = self.spec.search_params("", k).expect("defaults");
        let stop = AtomicBool::new(false);
        let values = match queries {
            Vectors::Float(v) => Queries::Float(v.values()),
            Vectors::Binary(v) => Queries::Binary(v.bytes()),
        };
        let probe = Probe { queries: values, k, allow, params: &params, stop: &stop };
        let mut tops = vec![TopK::new(k); queries.len()];
        self.index.search(&probe, &mut Scratch::default(), &mut tops).expect("a search");
        tops.iter_mut().map(TopK::drain_sorted).collect()
    }
}

/// Rows of which exactly `count` are allowed, chosen at random.
fn random(rows: usize, count: usize) -> BooleanBuffer {
    let mut order: Vec<usize> = (0..rows).collect();
    let mut random = Random(count as u64);
    for i in 0..count {
        order.swap(i, i + random.below(rows - i));
    }
    let mut bits = BooleanBufferBuilder::new(rows);
    bits.append_n(rows, false);
    order[..count].iter().for_each(|&row| bits.set_bit(row, true));
    bits.finish()
}

/// Every selectivity that is asked for.
fn selectivities(rows: usize) -> Vec<(String, BooleanBuffer)> {
    let share = |name: &str, share: f64| (name.to_owned(), random(rows, (rows as f64 * share) as usize));
    vec![
        ("0 rows".to_owned(), random(rows, 0)),
        ("1 row".to_owned(), random(rows, 1)),
        share("0.01 %", 0.0001),
        share("1 %", 0.01),
        share("10 %", 0.10),
        share("50 %", 0.50),
        share("99 %", 0.99),
        share("all", 1.0),
    ]
}

/// The columns of a plain table (`attrs.csv`, no quotes) that a predicate wants, row by row.
fn rows_where(table: &str, columns: &[&str], predicate: impl Fn(&[&str]) -> bool) -> BooleanBuffer {
    let mut lines = table.lines();
    let head: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let places: Vec<usize> =
        columns.iter().map(|c| head.iter().position(|h| h == c).expect("a column")).collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            predicate(&places.iter().map(|&at| cells[at]).collect::<Vec<_>>())
        })
        .collect()
}

fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// What one would really ask of the shipped texts. These rows lie together in space, which is harder than random ones.
fn of_texts() -> Vec<(String, BooleanBuffer)> {
    let table = String::from_utf8(read("minilm/attrs.csv")).expect("a table of text");
    vec![
        ("animals".to_owned(), rows_where(&table, &["category"], |c| c[0] == "noun.animal")),
        ("weather".to_owned(), rows_where(&table, &["category"], |c| c[0] == "verb.weather")),
        ("no nouns".to_owned(), rows_where(&table, &["category"], |c| !c[0].starts_with("noun."))),
        ("short".to_owned(), rows_where(&table, &["chars"], |c| number(c[0]).is_some_and(|n| n < 50))),
        ("linked".to_owned(), rows_where(&table, &["links"], |c| number(c[0]).is_some_and(|n| n >= 5))),
    ]
}

/// One type under every bitmap.
fn under_bitmaps(
    case: &Case,
    set: &Set,
    metric: Metric,
    distances: &[Vec<f64>],
    bitmaps: &[(String, BooleanBuffer)],
) -> Vec<String> {
    let built = Built::new(case, metric, case.promise().accurate, set.dim, &set.base);
    let recall = |found: &[Vec<Hit>], allow: Option<&BooleanBuffer>| {
        let (mut right, mut wanted) = (0, 0);
        for (hits, distances) in found.iter().zip(distances) {
            let allowed = |row: usize| allow.is_none_or(|allow| allow.value(row));
            let mut near: Vec<f64> =
                (0..distances.len()).filter(|&r| allowed(r)).map(|r| distances[r]).collect();
            near.sort_unstable_by(f64::total_cmp);
            near.truncate(K);
            wanted += near.len();
            let last = near.last().copied().unwrap_or(f64::NEG_INFINITY);
            right += hits.iter().filter(|hit| as_near(distances[hit.row as usize], last)).count();
        }
        if wanted == 0 { 1.0 } else { right as f64 / wanted as f64 }
    };
    let name = format!("{} {} {}", set.name, case.entry.name, metric.name());
    let free = recall(&built.search(&set.queries, K, None), None);
    print!("{name}: free {free:.3}");
    let mut wrong = Vec::new();
    for (about, allow) in bitmaps {
        let allowed = allow.count_set_bits();
        for k in [K, 150] {
            let together = built.search(&set.queries, k, Some(allow));
            for (query, hits) in together.iter().enumerate() {
                let mut rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
                rows.sort_unstable();
                rows.dedup();
                if rows.len() != k.min(allowed) || hits.len() != rows.len() {
                    wrong.push(format!("{name}, {about}, k {k}, query {query}: {} hits", hits.len()));
                }
                if rows.iter().any(|&row| !allow.value(row as usize)) {
                    wrong.push(format!("{name}, {about}, k {k}, query {query}: a row that is not allowed"));
                }
            }
            if k == K {
                let found = recall(&together, Some(allow));
                print!(", {about} {found:.3}");
                // A filter that hides next to nothing is no help: the search is the one without it.
                let hides_little = (set.base.len() - allowed) * 50 <= set.base.len();
                let floor = case.promise().behind_filters;
                if found < if hides_little { floor.min(free - 0.01) } else { floor } {
                    wrong.push(format!("{name}, {about}: recall {found:.4}, without a bitmap {free:.4}"));
                }
                let alone = built.search(&head(&set.queries, 1), k, Some(allow));
                if alone[0] != together[0] {
                    wrong.push(format!("{name}, {about}: a query alone finds other rows than in a batch"));
                }
            }
        }
    }
    println!();
    wrong
}

fn every_type_on(set: Set, metric: Metric, bitmaps: &[(String, BooleanBuffer)]) {
    let set = set.head(usize::MAX, QUERIES);
    let distances: Vec<Vec<f64>> = (0..QUERIES).map(|query| set.distances(metric, query)).collect();
    let cases = working().into_iter().filter(|c| c.kind == metric.kind() && c.metrics().contains(&metric));
    let wrong: Vec<String> =
        cases.flat_map(|case| under_bitmaps(&case, &set, metric, &distances, bitmaps)).collect();
    none_wrong(&wrong);
}

#[test]
fn texts_under_random_and_real_bitmaps() {
    let set = minilm();
    let bitmaps = [selectivities(set.base.len()), of_texts()].concat();
    every_type_on(set, Metric::Cosine, &bitmaps);
}

#[test]
fn bits_under_random_bitmaps() {
    let set = sign();
    let bitmaps = selectivities(set.base.len());
    every_type_on(set, Metric::Hamming, &bitmaps);
}

/// The predicates of the large set's `meta.json`, by the names of their ground truth.
fn of_large_texts(table: &str) -> Vec<(&'static str, BooleanBuffer)> {
    let languages = ["python", "perl", "ruby", "rust", "golang", "haskell", "javascript", "java"];
    let between = |text: &str, low, high| number(text).is_some_and(|n| (low..high).contains(&n));
    vec![
        ("source_debian", rows_where(table, &["source"], |c| c[0] == "debian")),
        ("cat_animal", rows_where(table, &["category"], |c| c[0] == "noun.animal")),
        ("cat_lang_in", rows_where(table, &["category"], |c| languages.contains(&c[0]))),
        ("chars_lt_50", rows_where(table, &["chars"], |c| between(c[0], 0, 50))),
        (
            "tag_program",
            rows_where(table, &["tags"], |c| c[0].split([' ', '|', ';']).any(|t| t == "role::program")),
        ),
        ("size_range", rows_where(table, &["size_kb"], |c| between(c[0], 100, 200))),
        ("cat_weather", rows_where(table, &["category"], |c| c[0] == "verb.weather")),
        ("id_mod100", rows_where(table, &["id"], |c| number(c[0]).is_some_and(|n| n % 100 == 7))),
        (
            "not_nouns_links",
            rows_where(table, &["source", "category", "links"], |c| {
                c[0] == "wordnet" && !c[1].starts_with("noun.") && between(c[2], 5, i64::MAX)
            }),
        ),
    ]
}

/// The build parameters of the type's promise, with four times the square root of the rows as the number of lists.
fn for_many_rows(case: &Case) -> String {
    let mut params: serde_json::Value = serde_json::from_str(case.promise().accurate).expect("JSON");
    if case.entry.build.iter().any(|param| param.name == "nlist") {
        params["nlist"] = 1024.into();
    }
    params.to_string()
}

/// The large text set under its own filters, against their exact ground truth: 150,000 rows, minutes. `make filters`.
#[test]
#[ignore = "takes minutes and wants the large sets: make filters"]
fn large_texts_under_their_own_filters() {
    let folder = large_folder("minilm-text-384-cos");
    let file = |name: &str| read_large(&folder, name);
    let rows = |name: &str| large_floats(file(name), 384);
    let (base, queries) = (rows("base.f32"), rows("queries.f32"));
    let table = String::from_utf8(file("attrs.csv")).expect("a table of text");
    let count = 200;
    let set = Set { name: "large texts", dim: 384, base, queries: head(&queries, count) };
    let near = |name: &str| -> Vec<Vec<i32>> {
        let bytes = file(name);
        let ids =
            |b: &[u8]| b.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        bytes.chunks_exact(400).take(count).map(ids).collect()
    };
    let bitmaps: Vec<_> = of_large_texts(&table)
        .into_iter()
        .map(|(name, allow)| (name, allow, near(&format!("gt_filter_{name}.i32"))))
        .collect();
    for (name, allow, near) in &bitmaps {
        let inside = near.iter().flatten().filter(|&&row| row >= 0).all(|&row| allow.value(row as usize));
        assert!(inside, "{name}: the predicate is not that of the ground truth");
    }
    let mut wrong = Vec::new();
    println!("| type | filter | rows | recall@10 at the defaults | hits a query | queries/s, one thread |");
    println!("| --- | --- | --- | --- | --- | --- |");
    // ELANUS_TYPES=RNSG,ANNOY asks for some types only.
    let only = std::env::var("ELANUS_TYPES").unwrap_or_default();
    let chosen = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    for case in working().iter().filter(|c| c.kind == VectorKind::Float && chosen(c.entry.name)) {
        let params = for_many_rows(case);
        let built = Built::new(case, Metric::Cosine, &params, 384, &set.base);
        let everything = near("gt_cosine.i32");
        let mut free = 1.0;
        let none = std::iter::once(("none", None, &everything));
        for (name, allow, near) in
            none.chain(bitmaps.iter().map(|(name, allow, near)| (*name, Some(allow), near)))
        {
            let start = Instant::now();
            let found: Vec<Vec<Hit>> = (0..count)
                .flat_map(|query| {
                    let Vectors::Float(v) = &set.queries else { unreachable!("texts are floats") };
                    built.search(&floats(v.row(query).to_vec(), 384), K, allow)
                })
                .collect();
            let seconds = start.elapsed().as_secs_f64();
            let (mut right, mut wanted, mut total) = (0, 0, 0);
            for (query, hits) in found.iter().enumerate() {
                let true_ones: Vec<usize> =
                    near[query][..K].iter().filter_map(|&row| usize::try_from(row).ok()).collect();
                wanted += true_ones.len();
                total += hits.len();
                let Some(&last) = true_ones.last() else { continue };
                let last = set.distance(Metric::Cosine, query, last);
                right += hits
                    .iter()
                    .filter(|hit| as_near(set.distance(Metric::Cosine, query, hit.row as usize), last))
                    .count();
            }
            let recall = right as f64 / wanted.max(1) as f64;
            let allowed = allow.map_or(set.base.len(), BooleanBuffer::count_set_bits);
            println!(
                "| {} | {name} | {allowed} | {recall:.4} | {:.1} | {:.0} |",
                case.entry.name,
                total as f64 / count as f64,
                count as f64 / seconds
            );
            if allow.is_none() {
                free = recall;
            }
            if recall < FLOOR || total < wanted {
                wrong.push(format!(
                    "{} {name}: recall {recall:.4}, without a filter {free:.4}",
                    case.entry.name
                ));
            }
        }
    }
    none_wrong(&wrong);
}
