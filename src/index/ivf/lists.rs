//! The walk over the lists, for every kind.

use super::{Coarse, Codec, Layout, List, Room, Value, Visit, sorted};
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
    tops: Vec<TopK>,
    /// Those of one query, nearest first.
    nearest: Vec<Hit>,
    /// Which list to scan for which query.
    visits: Vec<Visit>,
    /// How many allowed rows each query has seen.
    seen: Vec<usize>,
}

/// A group of queries on its way, with all that it needs.
struct Walk<'a, C: Codec> {
    probe: &'a Probe<'a>,
    queries: &'a [C::Value],
    seekers: &'a mut [C::Seeker],
    codes: &'a mut C::Buffers,
    lists: &'a mut Buffers,
    scratch: &'a mut Scratch,
}

impl<S: Coarse, C: Codec<Value = S::Value>> Lists<S, C> {
    /// All three are over the same rows, and `coarse` knows as many lists as `layout` has.
    pub fn new(coarse: S, layout: Layout, codec: C) -> Lists<S, C> {
        Lists { coarse, layout, codec }
    }

    /// How many allowed rows a query wants to see at least: the k it must return and, behind a filter, half of what
    /// `nprobe` lists hold on average. What a filter lets through lies farther out than the lists nearest a query.
    fn wanted(&self, probe: &Probe, nprobe: usize, allowed: usize) -> usize {
        let average = self.layout.rows().len() / self.layout.lists();
        let usual = if probe.allow.is_some() { average * nprobe / 2 } else { 0 };
        usual.max(probe.k).min(allowed)
    }

    /// Fills `walk.lists.tops` with the `count` nearest centroids of each query.
    fn nearest(&self, walk: &mut Walk<C>, count: usize) {
        let tops = &mut walk.lists.tops;
        tops.resize_with(walk.seekers.len(), || TopK::new(count));
        tops.iter_mut().for_each(|top| top.reset(count));
        self.coarse.nearest(walk.probe, walk.queries, count, walk.scratch, tops);
    }

    /// Scans the `nprobe` nearest lists of each query; a list that several queries want is read once.
    fn probe_lists(&self, walk: &mut Walk<C>, nprobe: usize) {
        self.nearest(walk, nprobe);
        let Buffers { tops, nearest, visits, seen } = &mut *walk.lists;
        let alone = tops.len() == 1;
        seen.clear();
        seen.resize(tops.len(), 0);
        visits.clear();
        for (query, top) in tops.iter().enumerate() {
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

    /// Goes on to farther lists while a query has seen fewer than `wanted` rows.
    fn probe_more(&self, walk: &mut Walk<C>, nprobe: usize, wanted: usize) {
        if walk.lists.seen.iter().all(|&seen| seen >= wanted) {
            return;
        }
        self.nearest(walk, self.layout.lists());
        let Buffers { tops, nearest, seen, .. } = &mut *walk.lists;
        for (query, (top, seen)) in tops.iter().zip(seen).enumerate() {
            sorted(top, nearest);
            for centroid in nearest.iter().skip(nprobe) {
                if *seen >= wanted || walk.probe.stop.load(Ordering::Relaxed) {
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
        let nprobe = probe.params.count("nprobe").clamp(1, self.layout.lists());
        let wanted = self.wanted(probe, nprobe, allowed);
        // Lists that show `wanted` allowed rows hold about so many rows, if the filter lies evenly over the lists.
        let scanned = wanted.saturating_mul(rows) / allowed.max(1);
        if probe.allow.is_some() && allowed.saturating_mul(C::EXACT_COST) <= scanned {
            self.codec.exhaustive(probe, tops);
            return Ok(());
        }
        // Out of the scratch while the coarse step uses it.
        let mut room = std::mem::take(C::room(scratch));
        let mut lists = std::mem::take(&mut scratch.ivf.lists);
        let Room { seekers, buffers } = &mut room;
        if seekers.len() < tops.len().min(GROUP) {
            seekers.resize_with(tops.len().min(GROUP), Default::default);
        }
        let queries = S::Value::queries(probe);
        for (queries, tops) in queries.chunks(GROUP * width).zip(tops.chunks_mut(GROUP)) {
            let seekers = &mut seekers[..tops.len()];
            for (query, seeker) in queries.chunks_exact(width).zip(seekers.iter_mut()) {
                self.codec.start(query, probe, seeker);
            }
            let mut walk = Walk { probe, queries, seekers, codes: buffers, lists: &mut lists, scratch };
            self.probe_lists(&mut walk, nprobe);
            self.probe_more(&mut walk, nprobe, wanted);
            for ((query, seeker), top) in queries.chunks_exact(width).zip(walk.seekers).zip(tops) {
                self.codec.finish(query, probe, seeker, top);
            }
        }
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
