//! The walk over the lists, for every kind.

use super::{Coarse, Codec, Layout, List, Value, Visit, sorted};
use crate::error::Result;
use crate::index::sections::SectionWriter;
use crate::index::{Index, Probe, Scratch, scan};
use crate::kernel::topk::{Hit, TopK};
use std::sync::atomic::Ordering;

/// Queries that walk together.
const GROUP: usize = 64;

/// An index of lists.
pub struct Lists<S, C> {
    coarse: S,
    layout: Layout,
    codec: C,
}

/// What a search of lists reuses.
#[derive(Default)]
pub struct Buffers {
    /// The nearest centroids of each query.
    near: Vec<TopK>,
    /// All centroids for each query that goes on.
    all: Vec<TopK>,
    /// The centroids of one query, nearest first.
    nearest: Vec<Hit>,
    /// Which list to scan for which query.
    visits: Vec<Visit>,
    /// How many allowed rows each query has seen.
    seen: Vec<usize>,
}

/// Queries on their way, with all that they need.
struct Walk<'a, C: Codec> {
    probe: &'a Probe<'a>,
    queries: &'a [C::Value],
    seekers: &'a mut [C::Seeker],
    codes: &'a mut C::Buffers,
    /// The nearest centroids of each query.
    near: &'a [TopK],
    lists: &'a mut Buffers,
    scratch: &'a mut Scratch,
}

/// How far searches go.
#[derive(Clone, Copy)]
struct Reach {
    nprobe: usize,
    /// How many allowed rows a query wants to see at least.
    wanted: usize,
}

impl<S: Coarse, C: Codec<Value = S::Value>> Lists<S, C> {
    /// All three are over the same rows, and `coarse` knows as many lists as `layout` has.
    pub fn new(coarse: S, layout: Layout, codec: C) -> Lists<S, C> {
        Lists { coarse, layout, codec }
    }

    /// How many lists a search probes.
    pub fn nprobe(&self, probe: &Probe) -> usize {
        probe.params.count("nprobe").clamp(1, self.layout.lists())
    }

    /// How many allowed rows a query wants to see at least: the k it must return and, behind a filter, half of what
    /// `nprobe` lists hold on average. What a filter lets through lies farther out than the lists nearest a query.
    fn wanted(&self, probe: &Probe, nprobe: usize, allowed: usize) -> usize {
        let average = self.layout.rows().len() / self.layout.lists();
        let usual = if probe.allow.is_some() { average * nprobe / 2 } else { 0 };
        usual.max(probe.k).min(allowed)
    }

    /// Fills `tops` with the `count` nearest centroids of each query.
    fn nearest(
        &self,
        probe: &Probe,
        queries: &[S::Value],
        count: usize,
        scratch: &mut Scratch,
        tops: &mut Vec<TopK>,
    ) {
        tops.resize_with(queries.len() / self.coarse.width(), || TopK::new(count));
        tops.iter_mut().for_each(|top| top.reset(count));
        self.coarse.nearest(probe, queries, count, scratch, tops);
    }

    /// Scores all rows exactly where the codes gave too few: where queries or rows are no finite numbers.
    fn guard(&self, probe: &Probe, query: &[S::Value], allowed: usize, top: &mut TopK) {
        if top.len() < probe.k.min(allowed) && !probe.stop.load(Ordering::Relaxed) {
            top.reset(probe.k);
            let probe = Probe { queries: S::Value::bound(query), ..*probe };
            self.codec.exhaustive(&probe, std::slice::from_mut(top));
        }
    }

    /// Shows lists to queries.
    fn walk(&self, mut walk: Walk<C>, reach: Reach) {
        let queries = walk.queries.chunks_exact(self.coarse.width());
        for (query, seeker) in queries.zip(walk.seekers.iter_mut()) {
            self.codec.start(query, walk.probe, seeker);
        }
        self.probe_lists(&mut walk);
        self.probe_more(&mut walk, reach);
    }

    /// Scans the nearest lists of each query; a list that several queries want is read once.
    fn probe_lists(&self, walk: &mut Walk<C>) {
        let Buffers { nearest, visits, seen, .. } = &mut *walk.lists;
        let alone = walk.near.len() == 1;
        seen.clear();
        seen.resize(walk.near.len(), 0);
        visits.clear();
        for (query, top) in walk.near.iter().enumerate() {
            sorted(top, nearest);
            // A query alone goes from near to far, so that its bounds tighten early. In company each first sees its
            // nearest list, and then all lists are read in one pass.
            let turn = |rank: usize| if alone { rank as u32 } else { rank.min(1) as u32 };
            visits.extend(nearest.iter().enumerate().map(|(rank, centroid)| Visit {
                turn: turn(rank),
                list: centroid.row,
                query: query as u32,
                centroid: centroid.score,
            }));
        }
        visits.sort_unstable_by_key(|visit| (visit.turn, visit.list, visit.query));
        for visits in visits.chunk_by(|a, b| (a.turn, a.list) == (b.turn, b.list)) {
            let list = self.list(walk.probe, visits[0].list);
            let shown = self.codec.scan(&list, visits, walk.seekers, walk.codes);
            visits.iter().for_each(|visit| seen[visit.query as usize] += shown);
        }
    }

    /// Goes on to farther lists while a query has seen fewer rows than it wants.
    fn probe_more(&self, walk: &mut Walk<C>, reach: Reach) {
        let Buffers { all, nearest, seen, .. } = &mut *walk.lists;
        if seen.iter().all(|&seen| seen >= reach.wanted) {
            return;
        }
        self.nearest(walk.probe, walk.queries, self.layout.lists(), walk.scratch, all);
        for (query, (top, seen)) in all.iter().zip(seen).enumerate() {
            sorted(top, nearest);
            for centroid in nearest.iter().skip(reach.nprobe) {
                if *seen >= reach.wanted || walk.probe.stop.load(Ordering::Relaxed) {
                    break;
                }
                let list = self.list(walk.probe, centroid.row);
                let visit =
                    Visit { turn: 0, list: list.number, query: query as u32, centroid: centroid.score };
                *seen += self.codec.scan(&list, &[visit], walk.seekers, walk.codes);
            }
        }
    }

    fn list<'a>(&'a self, probe: &Probe<'a>, number: u32) -> List<'a> {
        let places = self.layout.places(number);
        let rows = &self.layout.rows()[places.clone()];
        List { number, places, rows, allow: probe.allow, stop: probe.stop }
    }
}

impl<S: Coarse, C: Codec<Value = S::Value>> Index for Lists<S, C> {
    fn search(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let (rows, width) = (self.layout.rows().len(), self.coarse.width());
        let allowed = scan::allowed(probe, rows);
        let nprobe = self.nprobe(probe);
        let wanted = self.wanted(probe, nprobe, allowed);
        // Lists that show `wanted` allowed rows hold about so many rows, if the filter lies evenly over the lists.
        let scanned = wanted.saturating_mul(rows) / allowed.max(1);
        if probe.allow.is_some() && allowed.saturating_mul(C::EXACT_COST) <= scanned {
            self.codec.exhaustive(probe, tops);
            return Ok(());
        }
        let reach = Reach { nprobe, wanted };
        // Out of the scratch while the coarse step uses it.
        let mut room = std::mem::take(C::room(scratch));
        let mut lists = std::mem::take(&mut scratch.ivf.lists);
        let mut near = std::mem::take(&mut lists.near);
        let company = if C::TOGETHER { tops.len().min(GROUP) } else { 1 };
        if room.seekers.len() < company {
            room.seekers.resize_with(company, Default::default);
        }
        let queries = S::Value::queries(probe);
        for (queries, tops) in queries.chunks(GROUP * width).zip(tops.chunks_mut(GROUP)) {
            self.nearest(probe, queries, nprobe, scratch, &mut near);
            let companies = queries.chunks(company * width).zip(near.chunks(company));
            for ((queries, near), tops) in companies.zip(tops.chunks_mut(company)) {
                let (seekers, codes) = (&mut room.seekers[..tops.len()], &mut room.buffers);
                self.walk(Walk { probe, queries, seekers, codes, near, lists: &mut lists, scratch }, reach);
                let seekers = room.seekers.iter_mut();
                for ((query, seeker), top) in queries.chunks_exact(width).zip(seekers).zip(tops) {
                    self.codec.finish(query, probe, seeker, top);
                    self.guard(probe, query, allowed, top);
                }
            }
        }
        lists.near = near;
        scratch.ivf.lists = lists;
        *C::room(scratch) = room;
        Ok(())
    }

    fn save(&self, out: &mut dyn SectionWriter) -> Result<()> {
        self.layout.save(out)?;
        self.coarse.save(out)?;
        self.codec.save(out)
    }

    fn memory(&self) -> usize {
        self.layout.memory() + self.coarse.memory() + self.codec.memory()
    }
}
