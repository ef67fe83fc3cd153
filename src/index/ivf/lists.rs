//! The walk over the lists, for every kind.

use super::{Coarse, Codec, Layout, List, Value, Visit, sorted};
use crate::error::Result;
use crate::index::sections::SectionWriter;
use crate::index::{Index, Probe, Scratch, scan};
use crate::kernel::topk::{Hit, TopK};
use std::sync::atomic::Ordering;

/// Queries that walk together: so many that most lists are wanted by several.
const GROUP: usize = 256;
/// How deep a search behind a filter goes where `nprobe` is not given: so many times as deep as where it has seen
/// [`FIRST_SHARE`] of the allowed rows, or [`FIRST_ROWS`] of them.
///
/// A query whose nearest lists hold what the filter lets through soon comes to that depth; one that asks for rows far from
/// itself (a filter on the language, say, and a query in another) must look at most lists, because their centroids
/// hardly differ in distance. Measured on 150,000 sentences with nine filters of 0.05 to 34 % of the rows, most of them of
/// the second kind: recall 0.95 and more for each, with 128 lists and with 1,024.
const DEEPER: usize = 3;
const FIRST_SHARE: usize = 8;
const FIRST_ROWS: usize = 4_096;
/// Behind a filter a walk is taken to scan so many times as many rows as it would if the filter lay evenly over the lists:
/// on the sentences of [`DEEPER`] between once and, where it comes to all lists, three times.
const FARTHER: f64 = 1.5;
/// Putting a list into its place among all costs so many exact scores of a row, and so does going there.
const LIST_COST: f64 = 1.5;

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
    /// All centroids for a query that goes on.
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
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reach {
    /// The `nprobe` nearest lists, and farther ones until `wanted` allowed rows were seen.
    Lists { nprobe: usize, wanted: usize },
    /// [`DEEPER`] times as deep as where `first` allowed rows were seen, and `nprobe` lists at least.
    Depth { nprobe: usize, first: usize },
    /// To all allowed rows, whatever their lists.
    Everywhere,
}

impl<S: Coarse, C: Codec<Value = S::Value>> Lists<S, C> {
    /// All three are over the same rows, and `coarse` knows as many lists as `layout` has.
    pub fn new(coarse: S, layout: Layout, codec: C) -> Lists<S, C> {
        Lists { coarse, layout, codec }
    }

    /// How many lists a search probes: where `nprobe` is not given, half as many again as the square root of all, which is
    /// 16 of 128 and 48 of 1,024 (recall 0.96 on the sentences of [`DEEPER`]; Milvus' constant 8 gives 0.91 and 0.82).
    pub fn nprobe(&self, probe: &Probe) -> usize {
        let lists = self.layout.lists();
        match probe.params.count("nprobe") {
            0 => (lists * 9 / 4).isqrt(),
            given => given,
        }
        .clamp(1, lists)
    }

    /// How far a search goes that may find `allowed` rows.
    fn reach(&self, probe: &Probe, allowed: usize) -> Reach {
        let walk = self.outwards(probe, allowed);
        if probe.allow.is_none() || !C::EVERYWHERE {
            return walk;
        }
        // The order of the lists is the larger part of what a walk to few rows costs, and it may well end at all of them.
        let lists = self.layout.lists() as f64;
        let share = (FARTHER * self.share(walk, allowed)).min(1.0);
        let going = lists * LIST_COST * (1.0 + share) + scan::all_codes(self.layout.lists());
        if self.scans(1.0, allowed) < self.scans(share, allowed) + going { Reach::Everywhere } else { walk }
    }

    /// The same of a search that goes from list to list.
    fn outwards(&self, probe: &Probe, allowed: usize) -> Reach {
        let nprobe = self.nprobe(probe);
        let k = probe.k.min(allowed);
        if probe.allow.is_none() {
            return Reach::Lists { nprobe, wanted: k };
        }
        if probe.params.count("nprobe") == 0 {
            return Reach::Depth { nprobe, first: (allowed / FIRST_SHARE).clamp(1, FIRST_ROWS).max(k) };
        }
        // At least half of what so many lists hold on average: what a filter lets through lies farther out than the lists
        // nearest a query.
        let usual = self.layout.rows().len() / self.layout.lists() * nprobe / 2;
        Reach::Lists { nprobe, wanted: usual.max(k).min(allowed) }
    }

    /// The share of all rows that a search scans. Lists that show so many allowed rows hold about as many more as rows are
    /// rarer, if the filter lies evenly over the lists.
    fn share(&self, reach: Reach, allowed: usize) -> f64 {
        let (nprobe, shown) = match reach {
            Reach::Lists { nprobe, wanted } => (nprobe, wanted),
            Reach::Depth { nprobe, first } => (nprobe, first.saturating_mul(DEEPER)),
            Reach::Everywhere => return 1.0,
        };
        let probed = nprobe as f64 / self.layout.lists().max(1) as f64;
        (shown as f64 / allowed.max(1) as f64).max(probed).min(1.0)
    }

    /// What scanning so large a share of the rows costs, in exact scores of a row.
    fn scans(&self, share: f64, allowed: usize) -> f64 {
        C::cost(share * self.layout.rows().len() as f64, share * allowed as f64)
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
        if count == 0 {
            return;
        }
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
        match reach {
            Reach::Lists { nprobe, wanted } => {
                self.probe_lists(&mut walk);
                self.probe_more(&mut walk, nprobe, wanted);
            }
            Reach::Depth { nprobe, first } => self.probe_deep(&mut walk, nprobe, first),
            Reach::Everywhere => self.scan_everything(&mut walk),
        }
    }

    /// Shows all lists to all queries, as if they were one.
    fn scan_everything(&self, walk: &mut Walk<C>) {
        let visits = &mut walk.lists.visits;
        visits.clear();
        let queries = 0..walk.seekers.len() as u32;
        visits.extend(queries.map(|query| Visit { turn: 0, list: 0, query, centroid: 0.0 }));
        let rows = self.layout.rows();
        let (allow, stop) = (walk.probe.allow, walk.probe.stop);
        let list = List { number: 0, places: 0..rows.len(), rows, allow, stop };
        self.codec.scan(&list, visits, walk.seekers, walk.codes);
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

    /// Goes on to farther lists while a query has seen fewer than `wanted` rows.
    fn probe_more(&self, walk: &mut Walk<C>, nprobe: usize, wanted: usize) {
        for query in 0..walk.seekers.len() {
            let mut seen = walk.lists.seen[query];
            if seen < wanted {
                self.scan_outwards(walk, query, nprobe, |_, shown| {
                    seen += shown;
                    seen < wanted
                });
            }
        }
    }

    /// Scans lists until each query is [`DEEPER`] times as deep as where it has seen `first` rows.
    fn probe_deep(&self, walk: &mut Walk<C>, nprobe: usize, first: usize) {
        for query in 0..walk.seekers.len() {
            let (mut seen, mut limit) = (0, usize::MAX);
            self.scan_outwards(walk, query, 0, |depth, shown| {
                seen += shown;
                if limit == usize::MAX && seen >= first {
                    limit = (DEEPER * depth).max(nprobe);
                }
                depth < limit
            });
        }
    }

    /// Scans the lists of one query but its `skip` nearest, while `goes_on` says so of the lists so far and the allowed
    /// rows of the last one.
    fn scan_outwards(
        &self,
        walk: &mut Walk<C>,
        query: usize,
        skip: usize,
        mut goes_on: impl FnMut(usize, usize) -> bool,
    ) {
        let Buffers { all, nearest, .. } = &mut *walk.lists;
        let width = self.coarse.width();
        let values = &walk.queries[query * width..(query + 1) * width];
        self.nearest(walk.probe, values, self.layout.lists(), walk.scratch, all);
        sorted(&all[0], nearest);
        for (rank, centroid) in nearest.iter().enumerate().skip(skip) {
            let list = self.list(walk.probe, centroid.row);
            let visit = Visit { turn: 0, list: list.number, query: query as u32, centroid: centroid.score };
            let shown = self.codec.scan(&list, &[visit], walk.seekers, walk.codes);
            if !goes_on(rank + 1, shown) || walk.probe.stop.load(Ordering::Relaxed) {
                return;
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
    fn traverse(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let width = self.coarse.width();
        let allowed = scan::allowed(probe, self.layout.rows().len());
        let reach = self.reach(probe, allowed);
        let nprobe = match reach {
            Reach::Lists { nprobe, .. } => nprobe,
            Reach::Depth { .. } | Reach::Everywhere => 0,
        };
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
            // None, where the depth is not known before.
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

    fn rows(&self) -> usize {
        self.layout.rows().len()
    }

    fn cost(&self, probe: &Probe, allowed: usize) -> f64 {
        let reach = self.reach(probe, allowed);
        let order = if reach == Reach::Everywhere { 0.0 } else { scan::all_codes(self.layout.lists()) };
        self.scans(self.share(reach, allowed), allowed) + order
    }

    fn exhaust(&self, probe: &Probe, tops: &mut [TopK]) {
        self.codec.exhaustive(probe, tops);
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
