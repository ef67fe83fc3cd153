//! Iterators that are kept open while rows come and go: they give the rows that there were when they were opened.

use super::indexes::{Promise, closeness, score};
use super::reads::{Asked, Checked, Reader, ensure, flat, words};
use super::rows::{Key, Point, Row};
use super::tally::count;
use elanus::collection::{
    IteratorOptions, Queries, QueryIterator, QueryOptions, SearchIterator, SearchOptions,
};
use elanus::error::Code;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An open iterator, and what it still has to give.
pub struct Held {
    /// The number of its collection.
    pub collection: u64,
    batch: usize,
    what: String,
    walk: Walk,
}

enum Walk {
    Rows(QueryIterator, Vec<Key>),
    Hits { iterator: SearchIterator, metric: &'static str, closest: Vec<f64>, keys: BTreeMap<Key, f64> },
}

impl Reader<'_> {
    /// Opens one; none where it is refused as it should be, or where a search promises no order.
    pub fn iterate(&mut self) -> Checked<Option<Held>> {
        let asked = self.ask();
        let batch = 1 + self.random.below(40) as usize;
        let limit = if self.random.coin() { Some(self.random.below(200)) } else { None };
        let skipped = self.random.below(4) as usize * 5;
        let options = IteratorOptions { batch_size: batch, limit };
        let walk = match self.random.coin() {
            true => self.rows(&asked, options, skipped)?,
            false => self.hits(&asked, options, skipped)?,
        };
        let what = format!("iterator over {:?}, {}, {options:?}", asked.filter, asked.values);
        Ok(walk.map(|walk| Held { collection: self.model.id, batch, what, walk }))
    }

    fn rows(&mut self, asked: &Asked, iterator: IteratorOptions, offset: usize) -> Checked<Option<Walk>> {
        let options = QueryOptions {
            filter_values: &asked.values,
            output_fields: vec!["v"],
            offset,
            partition_names: asked.names(),
            ..QueryOptions::default()
        };
        let outcome = self.collection.query_iterator(&asked.filter, &options, iterator);
        let opened = self.agree(outcome, asked, &asked.filter)?;
        let keys: BTreeSet<&Key> = asked.rows().iter().map(|row| &row.key).collect();
        let most = iterator.limit.map_or(usize::MAX, |limit| limit as usize);
        Ok(opened
            .map(|opened| Walk::Rows(opened, keys.into_iter().skip(offset).take(most).cloned().collect())))
    }

    fn hits(&mut self, asked: &Asked, iterator: IteratorOptions, offset: usize) -> Checked<Option<Walk>> {
        let (metric, params, promise, _) = self.how();
        if promise != Promise::Exact {
            return Ok(None);
        }
        let point = self.model.shape.point(self.random);
        let params = format!("{{{params}}}");
        let options = SearchOptions { offset, ..asked.search(metric, &params) };
        let (floats, bits) = flat(std::slice::from_ref(&point));
        let query = if self.model.shape.binary { Queries::Binary(&bits) } else { Queries::Float(&floats) };
        let outcome = self.collection.search_iterator("v", query, &options, iterator);
        let Some(opened) = self.agree(outcome, asked, &asked.filter)? else { return Ok(None) };
        let keys = closest(metric, &point, asked.rows());
        let mut closest: Vec<f64> = keys.values().copied().collect();
        closest.sort_by(f64::total_cmp);
        let most = iterator.limit.map_or(usize::MAX, |limit| limit as usize);
        let closest = closest.into_iter().skip(offset).take(most).collect();
        Ok(Some(Walk::Hits { iterator: opened, metric, closest, keys }))
    }
}

/// How close the best row of each key is.
fn closest(metric: &str, point: &Point, rows: &[Arc<Row>]) -> BTreeMap<Key, f64> {
    let mut keys = BTreeMap::new();
    for row in rows {
        let best = keys.entry(row.key.clone()).or_insert(f64::INFINITY);
        *best = best.min(closeness(metric, score(metric, point, &row.point)));
    }
    keys
}

impl Held {
    /// Takes a batch; says whether there may be more.
    pub fn step(&mut self) -> Checked<bool> {
        let what = self.what.clone();
        count("batches of iterators", 1);
        self.next().map_err(|why| format!("{what}: {why}"))
    }

    /// Fails as it should, once the collection or the database is gone.
    pub fn is_closed(&mut self) -> bool {
        let code = match &self.walk {
            Walk::Rows(iterator, _) => iterator.next().err().map(|error| error.code()),
            Walk::Hits { iterator, .. } => iterator.next().err().map(|error| error.code()),
        };
        code == Some(Code::Closed)
    }

    fn next(&mut self) -> Checked<bool> {
        match &mut self.walk {
            Walk::Rows(iterator, left) => {
                let found = iterator.next().map_err(words)?;
                let expected: Vec<Key> = left.drain(..self.batch.min(left.len())).collect();
                let ids = Key::of(&found.ids);
                ensure!(ids == expected, "{ids:?}, not {expected:?}");
                Ok(!ids.is_empty())
            }
            Walk::Hits { iterator, metric, closest, keys } => {
                let found = iterator.next().map_err(words)?;
                let expected: Vec<f64> = closest.drain(..self.batch.min(closest.len())).collect();
                let ids = Key::of(&found.ids);
                ensure!(ids.len() == expected.len(), "{} hits, not {}", ids.len(), expected.len());
                for (at, key) in ids.iter().enumerate() {
                    let score = closeness(metric, f64::from(found.scores[at]));
                    let own =
                        keys.remove(key).ok_or_else(|| format!("{key:?}: no match, or a second time"))?;
                    let near = |other: f64| (other - score).abs() < 1e-5;
                    ensure!(
                        near(own) && near(expected[at]),
                        "{key:?}: {score}, not {own} or {}",
                        expected[at]
                    );
                }
                Ok(!ids.is_empty())
            }
        }
    }
}
