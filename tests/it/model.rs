//! Random operations against a plain model in memory: what a search finds, what it scores, what is counted.

use crate::support::*;
use elanus::collection::{Collection, IndexRequest, OnConflict, Queries};
use elanus::database::Database;
use elanus::storage::fault::FaultDisk;
use std::path::Path;
use std::sync::Arc;

const DIM: usize = 5;

/// Live rows as inserted: a key may be there several times.
#[derive(Default)]
struct Model {
    rows: Vec<(i64, Vec<f32>)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    L2,
    Ip,
    Cosine,
}

impl Metric {
    fn name(self) -> &'static str {
        ["L2", "IP", "COSINE"][self as usize]
    }

    /// Smaller is closer, in double precision.
    fn score(self, a: &[f32], b: &[f32]) -> f64 {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
        match self {
            Metric::L2 => a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum(),
            Metric::Ip => -dot(a, b),
            Metric::Cosine => {
                let lengths = (dot(a, a) * dot(b, b)).sqrt();
                if lengths > 0.0 { -dot(a, b) / lengths } else { 0.0 }
            }
        }
    }

    fn user(self, score: f64) -> f64 {
        if self == Metric::L2 { score } else { -score }
    }
}

impl Model {
    /// The best score of each key, best first.
    fn search(&self, metric: Metric, query: &[f32]) -> Vec<(f64, i64)> {
        let mut best: std::collections::HashMap<i64, f64> = Default::default();
        for (id, vector) in &self.rows {
            let score = metric.score(query, vector);
            let entry = best.entry(*id).or_insert(score);
            *entry = entry.min(score);
        }
        let mut all: Vec<(f64, i64)> = best.into_iter().map(|(id, score)| (score, id)).collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        all
    }
}

fn check_search(collection: &Collection, model: &Model, metric: Metric, random: &mut Random) {
    let nq = 1 + random.below(20) as usize;
    let topk = 1 + random.below(40) as usize;
    let queries: Vec<Vec<f32>> = (0..nq).map(|_| random.vector(DIM)).collect();
    let mut options = search_options(topk);
    options.metric_type = Some(metric.name());
    options.output_fields = vec!["text"];
    // Every list; FLAT does not look at it.
    options.params = r#"{"nprobe":65536}"#;
    let result = collection.search("v", Queries::Float(&queries.concat()), nq, &options).unwrap();
    assert_eq!(result.offsets.len(), nq + 1);
    let (ids, texts) = (ids_of(&result.ids), texts(result.columns.column(0)));
    for (i, query) in queries.iter().enumerate() {
        let expected = model.search(metric, query);
        let hits = result.offsets[i] as usize..result.offsets[i + 1] as usize;
        assert_eq!(hits.len(), topk.min(expected.len()), "query {i}, topk {topk}");
        let mut seen = std::collections::HashSet::new();
        for (rank, hit) in hits.enumerate() {
            let score = f64::from(result.scores[hit]);
            let close = |other: f64| (metric.user(other) - score).abs() <= 1e-4;
            assert!(close(expected[rank].0), "rank {rank}: {score}, expected {:?}", expected[rank]);
            let own = expected.iter().find(|(_, id)| *id == ids[hit]).expect("a live key");
            assert!(close(own.0), "key {} has score {score}, not {}", ids[hit], own.0);
            assert!(seen.insert(ids[hit]), "key {} twice", ids[hit]);
            assert_eq!(texts[hit], text_of(ids[hit]));
        }
    }
}

fn open_on(disk: &FaultDisk) -> Database {
    Database::open_with(Arc::new(disk.clone()), Path::new("/db"), options()).unwrap()
}

struct Run {
    database: Option<Database>,
    model: Model,
    random: Random,
    metric: Metric,
    indexed: bool,
    next: i64,
}

impl Run {
    fn collection(&self) -> Collection {
        self.database.as_ref().unwrap().collection("c").unwrap()
    }

    fn insert(&mut self) {
        let most = if self.random.below(3) == 0 { 300 } else { 8 };
        let count = 1 + self.random.below(most);
        let mut ids = Vec::new();
        for _ in 0..count {
            // Now and then a key that was there before.
            let old = self.random.below(10) == 0 && self.next > 0;
            ids.push(if old { self.random.below(self.next as u64) as i64 } else { self.next });
            self.next += i64::from(!old);
        }
        let rows: Vec<Vec<f32>> = ids.iter().map(|_| self.random.vector(DIM)).collect();
        let inserted = self.collection().insert(batch(&ids, &rows)).unwrap();
        assert_eq!((inserted.count, ids_of(&inserted.ids)), (count, ids.clone()));
        self.model.rows.extend(ids.into_iter().zip(rows));
    }

    /// Of a repeated key every row comes in.
    fn upsert(&mut self) {
        let count = 1 + self.random.below(20);
        let ids: Vec<i64> = (0..count).map(|_| self.random.below(self.next as u64 + 5) as i64).collect();
        self.next = self.next.max(ids.iter().max().map_or(0, |id| id + 1));
        let rows: Vec<Vec<f32>> = ids.iter().map(|_| self.random.vector(DIM)).collect();
        let upserted = self.collection().upsert(batch(&ids, &rows)).unwrap();
        assert_eq!((upserted.count, ids_of(&upserted.ids)), (count, ids.clone()));
        self.model.rows.retain(|(id, _)| !ids.contains(id));
        self.model.rows.extend(ids.into_iter().zip(rows));
    }

    fn delete(&mut self) {
        let count = 1 + self.random.below(30);
        let ids: Vec<i64> = (0..count).map(|_| self.random.below(self.next as u64 + 5) as i64).collect();
        let before = self.model.rows.len();
        self.model.rows.retain(|(id, _)| !ids.contains(id));
        let deleted = self.collection().delete(&keys(&ids)).unwrap();
        assert_eq!(deleted, (before - self.model.rows.len()) as u64);
    }

    fn index(&mut self, kinds: &[&str]) {
        let kind = kinds[self.random.below(kinds.len() as u64) as usize];
        let description = format!(r#"{{{kind},"metric_type":"{}"}}"#, self.metric.name());
        let wait = self.random.below(2) == 0;
        let request = IndexRequest {
            field: "v",
            description: &description,
            name: None,
            on_conflict: OnConflict::Replace,
            wait,
        };
        self.collection().create_index(&request, None).unwrap();
        self.indexed = true;
    }

    fn reopen(&mut self, disk: &FaultDisk) {
        if self.random.below(2) == 0 {
            self.database.as_ref().unwrap().close().unwrap();
        }
        self.database = None;
        self.database = Some(open_on(disk));
    }

    fn step(&mut self, disk: &FaultDisk, kinds: &[&str]) {
        match self.random.below(21) {
            0..6 => self.insert(),
            6..8 => self.upsert(),
            8..12 => self.delete(),
            12..14 => self.collection().flush().unwrap(),
            14 => self.index(kinds),
            15 => {
                self.collection().drop_index("v").unwrap();
                self.indexed = false;
                self.metric = [Metric::L2, Metric::Ip, Metric::Cosine][self.random.below(3) as usize];
            }
            16 => self.reopen(disk),
            17 => {
                self.collection().release().unwrap();
                self.collection().load().unwrap();
            }
            18 => {
                let wait = self.random.below(2) == 0;
                self.collection().compact(wait, None).unwrap();
            }
            _ => check_search(&self.collection(), &self.model, self.metric, &mut self.random),
        }
        assert_eq!(self.collection().count().unwrap(), self.model.rows.len() as u64);
    }
}

fn run(seed: u64, steps: usize, kinds: &[&str]) {
    let disk = FaultDisk::new();
    let database = open_on(&disk);
    database.create_collection("c", schema(DIM, false)).unwrap();
    let mut run = Run {
        database: Some(database),
        model: Model::default(),
        random: Random(seed),
        metric: Metric::L2,
        indexed: false,
        next: 0,
    };
    for _ in 0..steps {
        run.step(&disk, kinds);
    }
    check_search(&run.collection(), &run.model, run.metric, &mut run.random);
}

#[test]
fn exact_search_agrees_with_the_model() {
    for seed in 0..12 {
        run(seed, 150, &[r#""index_type":"FLAT""#]);
    }
}

#[test]
fn ivf_with_every_list_agrees_with_the_model() {
    for seed in 100..106 {
        run(seed, 150, &[r#""index_type":"FLAT""#, r#""index_type":"IVF_FLAT","params":{"nlist":4}"#]);
    }
}
