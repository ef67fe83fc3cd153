//! Reads of every kind, drawn at random, and whether they find what the model says.

use super::filters::{Drawer, Filter, Writer};
use super::indexes::{KINDS, Promise, closeness, score};
use super::rows::{Key, Point, Row, cell};
use super::state::Collection as Model;
use super::tally::count;
use crate::support::Random;
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use elanus::collection::{Collection, Queries, QueryOptions, SearchOptions, SearchResult};
use elanus::error::{Code, Error};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Fails with a sentence unless it holds.
macro_rules! ensure {
    ($holds:expr, $($what:tt)*) => { if $holds {} else { return Err(format!($($what)*)); } };
}
pub(super) use ensure;

/// What differs, in words.
pub type Checked<T = ()> = Result<T, String>;

/// Scores that differ by less are equal.
const NEAR: f64 = 1e-5;

/// A read of a collection.
pub struct Reader<'a> {
    pub collection: &'a Collection,
    pub model: &'a mut Model,
    pub random: &'a mut Random,
}

/// What a read names: partitions, a filter with its text and values, and the rows which that is about.
pub struct Asked {
    pub names: Vec<String>,
    pub filter: String,
    pub values: String,
    pub found: Result<Vec<Arc<Row>>, Code>,
    chosen: BTreeSet<u64>,
}

impl Asked {
    pub fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// A search of what is asked.
    pub fn search<'a>(&'a self, metric: &'a str, params: &'a str) -> SearchOptions<'a> {
        SearchOptions {
            filter: &self.filter,
            filter_values: &self.values,
            params,
            metric_type: Some(metric),
            partition_names: self.names(),
            ..SearchOptions::default()
        }
    }

    /// None where the read is refused.
    pub fn rows(&self) -> &[Arc<Row>] {
        self.found.as_deref().unwrap_or_default()
    }
}

impl Reader<'_> {
    pub fn read(&mut self) -> Checked {
        match self.random.below(11) {
            0..4 => self.search(),
            4..7 => self.query(),
            7 => self.count(),
            8 => self.search_by_keys(),
            9 => self.explain(),
            _ => self.statistics(),
        }
    }

    /// Draws partitions and a filter.
    pub fn ask(&mut self) -> Asked {
        let mut names: Vec<String> = Vec::new();
        if self.random.below(5) == 0 {
            let known: Vec<String> = self.model.partitions.iter().map(|p| p.name.clone()).collect();
            names.extend(known.into_iter().filter(|_| self.random.coin()));
            if self.random.below(8) == 0 {
                names.push("nowhere".into());
            }
        }
        let depth = self.random.below(4) as usize;
        let filter = match self.random.below(3) {
            0 => Filter::Everything,
            _ => Drawer { shape: &self.model.shape, random: self.random }.filter(depth),
        };
        let (text, values) = Writer::write(&filter, self.random);
        let chosen = self.model.searched(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let rows = |chosen: &_| self.model.matching(chosen, &filter).into_iter().cloned().collect();
        let found = chosen.as_ref().map(rows).map_err(|code| *code);
        Asked { names, filter: text, values, found, chosen: chosen.unwrap_or_default() }
    }

    /// Both succeed, or both are refused for the same reason. What was read is loaded from then on.
    pub fn agree<T>(&mut self, outcome: Result<T, Error>, asked: &Asked, what: &str) -> Checked<Option<T>> {
        match (outcome, &asked.found) {
            (Ok(found), Ok(rows)) => {
                self.model.set_loaded(&asked.chosen);
                count(
                    "filters that let some rows through",
                    (1..self.model.rows.len()).contains(&rows.len()).into(),
                );
                Ok(Some(found))
            }
            (Err(error), Err(code)) if error.code() == *code => {
                count("reads that were refused", 1);
                Ok(None)
            }
            (Err(error), Ok(_)) => Err(format!("{what}: {}", words(error))),
            (Err(error), Err(code)) => Err(format!("{what}: {}, not {code:?}", words(error))),
            (Ok(_), Err(code)) => Err(format!("{what}: it should fail with {code:?}")),
        }
    }

    fn count(&mut self) -> Checked {
        let asked = self.ask();
        let options = QueryOptions {
            filter_values: &asked.values,
            output_fields: vec!["count(*)"],
            partition_names: asked.names(),
            ..QueryOptions::default()
        };
        let outcome = self.collection.query(&asked.filter, &options);
        let Some(found) = self.agree(outcome, &asked, &asked.filter)? else { return Ok(()) };
        let rows = asked.rows();
        let count = found.columns.column(0).as_primitive::<Int64Type>().value(0);
        ensure!(count == rows.len() as i64, "count(*) of {}: {count}, not {}", asked.filter, rows.len());
        let count = self.collection.count_matching_in(&asked.names(), &asked.filter, &asked.values);
        ensure!(count.is_ok_and(|count| count == rows.len() as u64), "count of {}", asked.filter);
        Ok(())
    }

    fn query(&mut self) -> Checked {
        let asked = self.ask();
        let limit = match asked.filter.is_empty() || self.random.below(3) == 0 {
            true => Some(1 + self.random.below(500) as usize),
            false => None,
        };
        let offset = if limit.is_some() && self.random.coin() { self.random.below(20) as usize } else { 0 };
        let options = QueryOptions {
            filter_values: &asked.values,
            output_fields: vec!["*"],
            partition_names: asked.names(),
            limit,
            offset,
            ..QueryOptions::default()
        };
        let outcome = self.collection.query(&asked.filter, &options);
        let Some(found) = self.agree(outcome, &asked, &asked.filter)? else { return Ok(()) };
        let rows = asked.rows();
        let expected: BTreeSet<&Key> = rows.iter().map(|row| &row.key).collect();
        let expected: Vec<Key> =
            expected.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX)).cloned().collect();
        let ids = Key::of(&found.ids);
        ensure!(ids == expected, "query {}: {ids:?}, not {expected:?}", asked.filter);
        count("rows found by a query", ids.len() as u64);
        for (at, key) in ids.iter().enumerate() {
            let candidates: Vec<&Arc<Row>> = rows.iter().filter(|row| row.key == *key).collect();
            // Of a repeated key the newest row, as long as its rows share a partition.
            let mut partitions = self.model.rows.iter().filter(|(_, row)| row.key == *key).map(|row| row.0);
            let first = partitions.next();
            let is_ordered = !self.model.shape.partition_key && !self.model.imported;
            let is_one = is_ordered && partitions.all(|id| Some(id) == first);
            let newest = if is_one { candidates.len() - 1 } else { 0 };
            self.check_output(&found.columns, at, &candidates[newest..])?;
        }
        Ok(())
    }

    /// The output of row `at` is that of one of the candidates.
    pub fn check_output(&self, columns: &RecordBatch, at: usize, candidates: &[&Arc<Row>]) -> Checked {
        let shape = &self.model.shape;
        let mut seen = Vec::new();
        for field in &shape.fields {
            let column = columns.column_by_name(&field.name).ok_or(format!("no column {}", field.name))?;
            seen.push(cell(field.kind, column, at));
        }
        let column = columns.column_by_name("v").ok_or("no column v")?;
        let point = match column.as_fixed_size_binary_opt() {
            Some(bytes) => Point::Bits(bytes.value(at).to_vec()),
            None => {
                let list = column.as_fixed_size_list().value(at);
                Point::Float(list.as_primitive::<arrow_array::types::Float32Type>().values().to_vec())
            }
        };
        let is_one = candidates.iter().any(|row| row.cells == seen && row.point == point);
        ensure!(is_one, "a row of {seen:?} {point:?}, which is none of {candidates:?}");
        Ok(())
    }

    fn statistics(&mut self) -> Checked {
        let count = self.collection.count().map_err(words)?;
        ensure!(count == self.model.rows.len() as u64, "{count} rows, not {}", self.model.rows.len());
        let listed = self.collection.partitions().map_err(words)?;
        if self.model.shape.partition_key {
            return Ok(());
        }
        let names: Vec<&String> = self.model.partitions.iter().map(|partition| &partition.name).collect();
        ensure!(listed.iter().collect::<Vec<_>>() == names, "partitions {listed:?}, not {names:?}");
        for partition in &self.model.partitions {
            let statistics = self.collection.partition_statistics(&partition.name).map_err(words)?;
            let rows = self.model.rows.iter().filter(|(id, _)| *id == partition.id).count();
            ensure!(statistics["row_count"] == rows, "{}: {statistics}, not {rows}", partition.name);
        }
        Ok(())
    }

    /// The metric to ask for, a search's parameters, and what they promise.
    pub fn how(&mut self) -> (&'static str, &'static str, Promise, bool) {
        match self.model.index {
            Some(index) => {
                let (params, promise) = self.random.one(index.kind.params);
                (index.metric, params, promise, index.kind.codes)
            }
            None => {
                let kind = KINDS.iter().find(|kind| kind.binary == self.model.shape.binary).unwrap();
                (self.random.one(kind.metrics), "", Promise::Exact, false)
            }
        }
    }

    fn search_by_keys(&mut self) -> Checked {
        let mut counts: BTreeMap<&Key, usize> = BTreeMap::new();
        self.model.rows.iter().for_each(|(_, row)| *counts.entry(&row.key).or_default() += 1);
        let unique: Vec<Arc<Row>> =
            self.model.rows.iter().map(|(_, row)| row.clone()).filter(|row| counts[&row.key] == 1).collect();
        if unique.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<Arc<Row>> = (0..1 + self.random.below(3))
            .map(|_| unique[self.random.below(unique.len() as u64) as usize].clone())
            .collect();
        let mut keys: Vec<Key> = rows.iter().map(|row| row.key.clone()).collect();
        let missing = self.random.below(10) == 0;
        if missing {
            keys.push(if self.model.shape.text_key { Key::Text("none".into()) } else { Key::Int(-1) });
            rows.clear();
        }
        let points: Vec<Point> = rows.iter().map(|row| row.point.clone()).collect();
        count("searches by keys", 1);
        let keys = self.model.shape.keys(&keys);
        self.search_with(points, |collection, _, _, options| collection.search_by_keys("v", &keys, options))
    }

    /// What a search is said to look at are the rows which the filter lets through, and a choice for each segment.
    fn explain(&mut self) -> Checked {
        let asked = self.ask();
        let (metric, params, ..) = self.how();
        let params = format!("{{{params}}}");
        let outcome = self.collection.explain("v", &asked.search(metric, &params));
        let Some(told) = self.agree(outcome, &asked, &asked.filter)? else { return Ok(()) };
        count("explanations", 1);
        let segments = told["segments"].as_array().ok_or_else(|| told.to_string())?;
        let allowed: u64 = segments.iter().filter_map(|segment| segment["allowed"].as_u64()).sum();
        ensure!(allowed == asked.rows().len() as u64, "{told}, not {} rows", asked.rows().len());
        for segment in segments {
            let choice = segment["choice"].as_str().unwrap_or_default();
            let ordered = segment["rows"].as_u64() >= segment["live"].as_u64()
                && segment["live"].as_u64() >= segment["allowed"].as_u64();
            let is_none = segment["allowed"] == 0;
            ensure!(ordered && is_none == (choice == "none") && !choice.is_empty(), "{told}");
            ensure!(segment["has_index"] == true || matches!(choice, "none" | "exact"), "{told}");
        }
        Ok(())
    }

    fn search(&mut self) -> Checked {
        let nq = 1 + self.random.below(3);
        let points = (0..nq).map(|_| self.model.shape.point(self.random)).collect();
        self.search_with(points, |collection, queries, nq, options| {
            collection.search("v", queries, nq, options)
        })
    }

    /// Without points, keys are missing.
    fn search_with(
        &mut self,
        points: Vec<Point>,
        run: impl Fn(&Collection, Queries, usize, &SearchOptions) -> Result<SearchResult, Error>,
    ) -> Checked {
        let mut asked = self.ask();
        if points.is_empty() {
            let refused =
                if self.model.is_released() { Code::CollectionNotLoaded } else { Code::InvalidParameter };
            asked.found = Err(refused);
        }
        let (metric, params, mut promise, codes) = self.how();
        let most = if self.random.below(4) == 0 { 600 } else { 20 };
        let topk = 1 + self.random.below(most) as usize;
        let offset = if self.random.below(4) == 0 { self.random.below(30) as usize } else { 0 };
        let group = (self.random.below(5) == 0).then(|| self.random.one(&["b", "i8", "i64", "t"]));
        let range = if self.random.below(5) == 0 { self.range(metric, &points, &asked) } else { None };
        if promise == Promise::Full && (group.is_some() || range.is_some()) {
            promise = Promise::Some;
        }
        let mut all: Vec<String> = Vec::from([params.to_owned()]);
        if let Some((radius, filter)) = range {
            all.push(format!(r#""radius":{radius:?}"#));
            all.extend(filter.map(|filter| format!(r#""range_filter":{filter:?}"#)));
        }
        all.retain(|part| !part.is_empty());
        let params = format!("{{{}}}", all.join(","));
        let options = SearchOptions {
            topk,
            offset,
            filter: &asked.filter,
            filter_values: &asked.values,
            params: &params,
            metric_type: (self.model.index.is_none() || self.random.coin()).then_some(metric),
            output_fields: vec!["*"],
            partition_names: asked.names(),
            group_by_field: group,
            ..SearchOptions::default()
        };
        let (floats, bits) = flat(&points);
        let queries = if self.model.shape.binary { Queries::Binary(&bits) } else { Queries::Float(&floats) };
        let outcome = run(self.collection, queries, points.len(), &options);
        let what = format!(
            "search of {:?} by {metric}, {:?}, {params}, topk {topk}, offset {offset}, group {group:?}, filter {}, \
             values {}, partitions {:?}",
            points, self.model.index, asked.filter, asked.values, asked.names
        );
        let Some(found) = self.agree(outcome, &asked, &what)? else { return Ok(()) };
        let rows = asked.rows();
        let is_indexed =
            || self.collection.index_progress("v").is_ok_and(|progress| progress.indexed_rows > 0);
        count("searches of an index", (self.model.index.is_some() && is_indexed()).into());
        count("searches by groups", group.is_some().into());
        count("range searches", range.is_some().into());
        count("hits of a search", found.scores.len() as u64);
        for (i, point) in points.iter().enumerate() {
            let hits = Hits { metric, point, found: &found, i, promise, codes };
            let inside = |row: &&Arc<Row>| {
                codes || range.is_none_or(|range| holds(metric, range, score(metric, point, &row.point)))
            };
            let rows: Vec<&Arc<Row>> = rows.iter().filter(inside).collect();
            let group =
                group.map(|name| self.model.shape.fields.iter().position(|f| f.name == name).unwrap());
            self.check_hits(&hits, &rows, group, (offset, topk))
                .map_err(|why| format!("{what}, query {i}: {why}"))?;
        }
        Ok(())
    }

    /// A radius, and perhaps a range filter; none where a score is too near to one of them.
    fn range(&mut self, metric: &str, points: &[Point], asked: &Asked) -> Option<(f32, Option<f32>)> {
        let rows = asked.found.as_ref().ok().filter(|rows| !rows.is_empty() && !points.is_empty())?;
        let mut drawn = || {
            let row = &rows[self.random.below(rows.len() as u64) as usize];
            score(metric, &points[0], &row.point) as f32
        };
        let (a, b) = (drawn(), drawn());
        let (near, far) =
            if closeness(metric, a.into()) < closeness(metric, b.into()) { (a, b) } else { (b, a) };
        // Distances on the grid are exact; the others are not asked about where they lie on the edge.
        let shift = if matches!(metric, "COSINE" | "JACCARD") { 0.001 } else { 0.0 };
        let range = (far + shift, (near != far && self.random.coin()).then_some(near + shift));
        let is_edge = |edge: f32| {
            let of = |point: &Point, row: &Row| (score(metric, point, &row.point) - f64::from(edge)).abs();
            shift > 0.0 && points.iter().any(|point| rows.iter().any(|row| of(point, row) < NEAR))
        };
        (!is_edge(range.0) && !range.1.is_some_and(is_edge)).then_some(range)
    }

    fn check_hits(
        &self,
        hits: &Hits,
        rows: &[&Arc<Row>],
        group: Option<usize>,
        (offset, topk): (usize, usize),
    ) -> Checked {
        let ids = Key::of(&hits.found.ids);
        let places = hits.found.offsets[hits.i] as usize..hits.found.offsets[hits.i + 1] as usize;
        let mut by_key: BTreeMap<&Key, Vec<&Arc<Row>>> = BTreeMap::new();
        rows.iter().for_each(|row| by_key.entry(&row.key).or_default().push(row));
        let near = |row: &Row| closeness(hits.metric, score(hits.metric, hits.point, &row.point));
        let best = |rows: &[&Arc<Row>]| rows.iter().map(|row| near(row)).fold(f64::INFINITY, f64::min);
        let has_repeated = by_key.len() < rows.len();
        let mut expected: Vec<f64> = match group {
            None => by_key.values().map(|rows| best(rows)).collect(),
            Some(at) => {
                let mut groups: BTreeMap<String, f64> = BTreeMap::new();
                for row in rows {
                    let least = groups.entry(row.cells[at].to_string()).or_insert(f64::INFINITY);
                    *least = least.min(near(row));
                }
                groups.into_values().collect()
            }
        };
        expected.sort_by(f64::total_cmp);
        let expected: Vec<f64> = expected.into_iter().skip(offset).take(topk).collect();
        // Which row of a repeated key stands for a group is not said.
        let promise = if group.is_some() && has_repeated { Promise::Some } else { hits.promise };
        match promise {
            Promise::Some => ensure!(places.len() <= topk, "{} hits", places.len()),
            _ => ensure!(places.len() == expected.len(), "{} hits, not {}", places.len(), expected.len()),
        }
        let (mut seen, mut groups) = (HashSet::new(), HashSet::new());
        let mut last = f64::NEG_INFINITY;
        for (rank, at) in places.enumerate() {
            let key = &ids[at];
            let own = by_key.get(key).ok_or_else(|| format!("key {key:?} is no match"))?;
            ensure!(seen.insert(key), "key {key:?} twice");
            let found = closeness(hits.metric, f64::from(hits.found.scores[at]));
            ensure!(last <= found, "rank {rank}: {found} behind {last}");
            last = found;
            let own: Vec<&Arc<Row>> =
                own.iter().filter(|row| hits.codes || (near(row) - found).abs() < NEAR).copied().collect();
            ensure!(!own.is_empty(), "key {key:?} has not the score {found}");
            self.check_output(&hits.found.columns, at, &own)?;
            if let Some(place) = group {
                let value = own[0].cells[place].to_string();
                ensure!(own.len() > 1 || groups.insert(value), "a group of {key:?} twice");
            }
            if promise == Promise::Exact {
                ensure!(
                    (expected[rank] - found).abs() < NEAR,
                    "rank {rank}: {found}, not {}",
                    expected[rank]
                );
            }
        }
        Ok(())
    }
}

/// The hits of one query.
struct Hits<'a> {
    metric: &'static str,
    point: &'a Point,
    found: &'a SearchResult,
    i: usize,
    promise: Promise,
    codes: bool,
}

/// Values side by side.
pub fn flat(points: &[Point]) -> (Vec<f32>, Vec<u8>) {
    let floats = points.iter().filter_map(Point::floats).flatten().collect();
    (floats, points.iter().filter_map(Point::bits).flatten().copied().collect())
}

fn holds(metric: &str, (radius, filter): (f32, Option<f32>), score: f64) -> bool {
    let (score, radius) = (closeness(metric, score), closeness(metric, radius.into()));
    score < radius && filter.is_none_or(|filter| closeness(metric, filter.into()) <= score)
}

pub fn words(error: Error) -> String {
    format!("{:?}: {}", error.code(), error.message())
}
