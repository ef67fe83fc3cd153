//! How a segment with an index is searched: the one place that decides, from counted rows and the index' own estimate of
//! what it costs, whether to go through the index, behind the filter or before it, or to score every allowed row.
//!
//! - [`Choice::Exact`] where few rows are allowed, or where the index would come to look at as many: recall is 1.
//! - [`Choice::PostFilter`] where nearly every row is allowed: the index is searched for some more hits without a filter,
//!   which it does as fast and as well as without one; a query that is left with too few is searched behind the filter.
//! - [`Choice::Filtered`] otherwise: the index is searched behind the filter, until it has seen enough allowed rows. Kinds
//!   that find these rarer around a query than elsewhere give up, and score all allowed rows.
//!
//! Whatever is chosen, a query gets min(k, allowed rows) hits.

use super::{Index, Probe, Scratch};
use crate::error::Result;
use crate::kernel::topk::TopK;
use arrow_buffer::BooleanBuffer;
use std::fmt;
use std::sync::atomic::Ordering;

/// So few allowed rows are scored at once: any index costs about as much to set out, and finds fewer of them.
const FEW_ROWS: usize = 1024;
/// One row in so many may be hidden by a filter that is applied afterwards.
const HIDDEN_ONE_IN: usize = 50;
/// Hits that a search without its filter asks for, beyond k and twice those that are likely to be hidden.
const SPARE_HITS: usize = 4;

/// How a segment is searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Through the index; every row is allowed.
    Index,
    /// Every allowed row is scored.
    Exact,
    /// Through the index, behind the filter.
    Filtered,
    /// Through the index for more hits, of which the filter then drops some.
    PostFilter,
}

impl Choice {
    /// Its name in explanations.
    pub fn name(self) -> &'static str {
        match self {
            Choice::Index => "index",
            Choice::Exact => "exact",
            Choice::Filtered => "filtered",
            Choice::PostFilter => "post_filter",
        }
    }
}

/// What was chosen, and from what. Costs are those of one query, in exact scores of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Decision {
    pub choice: Choice,
    pub rows: usize,
    pub allowed: usize,
    /// Of scoring every allowed row.
    pub exact_cost: f64,
    /// Of going through the index; infinite where that comes to the same.
    pub index_cost: f64,
}

impl Decision {
    /// Decides for a search of `index`. Of `probe` the queries do not matter.
    pub fn of(index: &dyn Index, probe: &Probe) -> Decision {
        let rows = index.rows();
        let allowed = probe.allow.map_or(rows, BooleanBuffer::count_set_bits);
        let (exact_cost, index_cost) = (allowed as f64, index.cost(probe, allowed));
        let choice = if index_cost >= exact_cost {
            Choice::Exact
        } else if allowed == rows {
            Choice::Index
        } else if allowed <= FEW_ROWS {
            Choice::Exact
        } else if (rows - allowed).saturating_mul(HIDDEN_ONE_IN) <= rows
            && index.cost(&unfiltered(probe, rows, allowed), rows) < exact_cost
        {
            Choice::PostFilter
        } else {
            Choice::Filtered
        };
        Decision { choice, rows, allowed, exact_cost, index_cost }
    }
}

/// Why, as a sentence.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decision { rows, allowed, index_cost, .. } = *self;
        match self.choice {
            Choice::Index => write!(f, "all {rows} rows are allowed"),
            Choice::Exact if index_cost < self.exact_cost => {
                write!(f, "{allowed} of {rows} rows are allowed, {FEW_ROWS} or fewer: all of them are scored")
            }
            Choice::Exact if index_cost.is_finite() => write!(
                f,
                "{allowed} of {rows} rows are allowed: scoring them costs less than the index, about \
                 {index_cost:.0} scores"
            ),
            Choice::Exact => {
                write!(f, "{allowed} of {rows} rows are allowed: the index would look at all of them")
            }
            Choice::Filtered => write!(
                f,
                "{allowed} of {rows} rows are allowed: the index costs about {index_cost:.0} scores, fewer than \
                 one for each of them"
            ),
            Choice::PostFilter => write!(
                f,
                "{allowed} of {rows} rows are allowed, all but one in {HIDDEN_ONE_IN} or fewer: the others are \
                 dropped from the hits"
            ),
        }
    }
}

impl dyn Index + '_ {
    /// Pushes into `tops[i]`, which keep k hits, the best rows of query `i`, by the way that [`Decision::of`] chooses.
    /// Never fewer than min(k, rows allowed), but for SUBSTRUCTURE and SUPERSTRUCTURE, where only rows that match are hits.
    pub fn search(&self, probe: &Probe, scratch: &mut Scratch, tops: &mut [TopK]) -> Result<()> {
        let Decision { choice, rows, allowed, .. } = Decision::of(self, probe);
        match (choice, probe.allow) {
            (Choice::Exact, _) => self.exhaust(probe, tops),
            (Choice::PostFilter, Some(allow)) => {
                let wide = unfiltered(probe, rows, allowed);
                tops.iter_mut().for_each(|top| top.reset(wide.k));
                self.traverse(&wide, scratch, tops)?;
                for (probe, top) in probe.each(tops.len()).zip(tops) {
                    // Fewer than were asked for are all that there are.
                    let are_all = top.len() < wide.k;
                    top.narrow(probe.k, |hit| allow.value(hit.row as usize));
                    if top.len() < probe.k.min(allowed) && !are_all && !probe.stop.load(Ordering::Relaxed) {
                        top.reset(probe.k);
                        self.traverse(&probe, scratch, std::slice::from_mut(top))?;
                    }
                }
            }
            (Choice::Index, _) => self.traverse(&Probe { allow: None, ..*probe }, scratch, tops)?,
            _ => self.traverse(probe, scratch, tops)?,
        }
        Ok(())
    }
}

/// The search without its filter, for as many more hits as the filter is likely to drop.
fn unfiltered<'a>(probe: &Probe<'a>, rows: usize, allowed: usize) -> Probe<'a> {
    let dropped = probe.k.saturating_mul(rows - allowed).div_ceil(allowed.max(1));
    Probe { k: (probe.k + 2 * dropped + SPARE_HITS).min(rows), allow: None, ..*probe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::catalog::Metric;
    use crate::index::testing::*;
    use crate::index::vectors::Vectors;

    const ROWS: usize = 6_000;

    fn subject(kind: &str) -> Subject {
        let params = if kind.starts_with("IVF") { r#""nlist":64"# } else { "" };
        Subject::new(&described(kind, Metric::L2, params), &vectors(&clusters(ROWS, 1)))
    }

    #[test]
    fn the_share_of_rows_decides() {
        for kind in ["IVF_FLAT", "IVF_SQ8", "HNSW", "RNSG"] {
            let subject = subject(kind);
            let params = subject.spec.search_params("", 10).unwrap();
            let stop = std::sync::atomic::AtomicBool::new(false);
            let chosen = |keep: usize, k: usize| {
                let allow = some(ROWS, keep);
                let queries = crate::index::Queries::Float(&[]);
                let probe = Probe { queries, k, allow: Some(&allow), params: &params, stop: &stop };
                let decision = Decision::of(&*subject.index, &probe);
                assert_eq!((decision.rows, decision.allowed), (ROWS, keep));
                decision.choice
            };
            assert_eq!(chosen(0, 10), Choice::Exact, "{kind}");
            assert_eq!(chosen(FEW_ROWS, 10), Choice::Exact, "{kind}");
            assert_eq!(chosen(ROWS - 600, 10), Choice::Filtered, "{kind}");
            assert_eq!(chosen(ROWS - 1, 10), Choice::PostFilter, "{kind}");
            assert_eq!(chosen(ROWS, 10), Choice::Index, "{kind}");
        }
        // A graph that would be walked as a whole is not walked.
        let hnsw = subject("HNSW");
        let allow = some(ROWS, ROWS - 600);
        let truth = Ask { k: ROWS, params: "", allow: Some(&allow) };
        let query = vectors(&clusters(1, 5));
        assert_eq!(hnsw.hits(&query, truth), hnsw.truth(&query, truth));
    }

    /// The rows that a filter hides are those nearest to the query: nothing is left of what a search without the filter
    /// finds.
    #[test]
    fn a_filter_that_hides_the_nearest_costs_no_hits() {
        let queries = vectors(&clusters(3, 5));
        for kind in ["FLAT", "IVF_FLAT", "IVF_PQ", "HNSW", "RNSG", "ANNOY", "DISKANN"] {
            let subject = subject(kind);
            for query in 0..3 {
                let Vectors::Float(all) = &queries else { unreachable!("floats") };
                let query = vectors(all.row(query));
                let near = subject.truth(&query, Ask { k: 100, ..Ask::ten("") });
                let hidden: Vec<u32> = near[0].iter().map(|hit| hit.row).collect();
                let allow = BooleanBuffer::collect_bool(ROWS, |row| !hidden.contains(&(row as u32)));
                let ask = Ask { allow: Some(&allow), ..Ask::ten("") };
                let hits = &subject.hits(&query, ask)[0];
                assert_eq!(hits.len(), 10, "{kind}");
                assert!(hits.iter().all(|hit| allow.value(hit.row as usize)), "{kind}");
            }
        }
    }

    /// 1,500 rows behind a filter that lets a tenth of them through: where lists alone lose every sixth hit.
    #[test]
    fn small_segments_behind_a_filter_are_exact() {
        let rows = vectors(&clusters(1_500, 3));
        let allow = some(1_500, 150);
        for kind in ["IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "ANNOY"] {
            let params = if kind.starts_with("IVF") { r#""nlist":128"# } else { "" };
            let subject = Subject::new(&described(kind, Metric::L2, params), &rows);
            let ask = Ask { allow: Some(&allow), ..Ask::ten("") };
            let queries = vectors(&clusters(30, 9));
            assert_eq!(subject.hits(&queries, ask), subject.truth(&queries, ask), "{kind}");
        }
    }
}
