//! The k best of a stream of scores. Smaller is closer; equal scores are ordered by the lower row.
//!
//! Scores are not NaN: `total_cmp` would still order one (after infinity), but a bound compared with it is always false.

/// One row and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    pub score: f32,
    pub row: u32,
}

impl Hit {
    /// The order of results: by score, then by row.
    pub fn before(&self, other: &Hit) -> bool {
        match self.score.total_cmp(&other.score) {
            std::cmp::Ordering::Equal => self.row < other.row,
            order => order.is_lt(),
        }
    }
}

/// Keeps the `k` best hits: a binary heap whose root is the worst kept.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    /// Hits closer than this are none.
    floor: f32,
    heap: Vec<Hit>,
}

impl TopK {
    /// Keeps `k` hits; 0 keeps none.
    pub fn new(k: usize) -> Self {
        TopK { k, floor: f32::NEG_INFINITY, heap: Vec::with_capacity(k.min(1 << 14)) }
    }

    /// Forgets everything, the floor too, and takes another `k`; keeps the memory.
    pub fn reset(&mut self, k: usize) {
        self.k = k;
        self.floor = f32::NEG_INFINITY;
        self.heap.clear();
    }

    /// Takes no more hits whose score is below `floor`, until it is reset.
    pub fn set_floor(&mut self, floor: f32) {
        self.floor = floor;
    }

    /// Leaves the `k` best of the hits that `keep` lets through, and keeps `k` from now on.
    pub fn narrow(&mut self, k: usize, keep: impl Fn(&Hit) -> bool) {
        self.heap.retain(keep);
        self.heap.sort_unstable_by(|a, b| a.score.total_cmp(&b.score).then(a.row.cmp(&b.row)));
        self.heap.truncate(k);
        // The worst first is a heap.
        self.heap.reverse();
        self.k = k;
    }

    /// How many hits are kept at most.
    pub fn k(&self) -> usize {
        self.k
    }

    /// How many hits there are, at most `k`.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there is no hit.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// A score above this one cannot enter (an equal one still may, with a lower row).
    #[inline]
    pub fn threshold(&self) -> f32 {
        if self.heap.len() < self.k {
            f32::INFINITY
        } else {
            self.heap.first().map_or(f32::NEG_INFINITY, |h| h.score)
        }
    }

    /// Takes a hit, if it is among the `k` best so far.
    #[inline]
    pub fn push(&mut self, score: f32, row: u32) {
        // The common case of a long scan, decided by one comparison.
        if score > self.threshold() {
            return;
        }
        self.insert(Hit { score, row });
    }

    fn insert(&mut self, hit: Hit) {
        if hit.score < self.floor {
            return;
        }
        if self.heap.len() < self.k {
            self.heap.push(hit);
            self.sift_up(self.heap.len() - 1);
        } else if let Some(worst) = self.heap.first()
            && hit.before(worst)
        {
            self.heap[0] = hit;
            self.sift_down(0);
        }
    }

    /// The hits in any order.
    pub fn hits(&self) -> &[Hit] {
        &self.heap
    }

    /// Sorts the hits best first and hands them out; the collection is empty afterwards.
    pub fn drain_sorted(&mut self) -> Vec<Hit> {
        let mut hits = std::mem::take(&mut self.heap);
        hits.sort_unstable_by(|a, b| a.score.total_cmp(&b.score).then(a.row.cmp(&b.row)));
        hits
    }

    fn sift_up(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.heap[parent].before(&self.heap[at]) {
                break;
            }
            self.heap.swap(parent, at);
            at = parent;
        }
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut worst = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.heap[worst].before(&self.heap[child]) {
                    worst = child;
                }
            }
            if worst == at {
                return;
            }
            self.heap.swap(at, worst);
            at = worst;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes, and compares with sorting everything.
    fn check(k: usize, scores: &[f32]) {
        let mut top = TopK::new(k);
        let mut all: Vec<Hit> = Vec::new();
        for (i, &score) in scores.iter().enumerate() {
            // Rows come in no order.
            let row = (i as u32).wrapping_mul(2_654_435_761) % 1009;
            all.push(Hit { score, row });
            top.push(score, row);
            assert_eq!(top.len(), all.len().min(k));
            assert_eq!(
                top.threshold() == f32::INFINITY,
                k > 0 && (all.len() < k || top.hits().iter().any(|h| h.score == f32::INFINITY))
            );
        }
        all.sort_by(|a, b| if a.before(b) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater });
        all.truncate(k);
        assert_eq!(top.drain_sorted(), all, "k {k} of {scores:?}");
        assert!(top.is_empty());
    }

    #[test]
    fn the_k_best_are_those_of_a_sort() {
        let mut seed = 3u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 40
        };
        for n in [0, 1, 2, 3, 10, 200] {
            for k in [0, 1, 2, 3, 7, 10, 199, 200, 201, 1000] {
                let mixed: Vec<f32> = (0..n).map(|_| random() as f32 - 8e6).collect();
                let ties: Vec<f32> = (0..n).map(|_| (random() % 4) as f32).collect();
                let rising: Vec<f32> = (0..n).map(|i| i as f32).collect();
                let falling: Vec<f32> = (0..n).map(|i| -(i as f32)).collect();
                let infinite: Vec<f32> =
                    (0..n).map(|i| if i % 2 == 0 { f32::INFINITY } else { i as f32 }).collect();
                for scores in [mixed, ties, rising, falling, infinite, vec![1.5; n]] {
                    check(k, &scores);
                }
            }
        }
    }

    #[test]
    fn equal_scores_keep_the_lower_row() {
        let mut top = TopK::new(1);
        for row in [5, 3, 9] {
            top.push(0.5, row);
        }
        assert_eq!(top.hits(), [Hit { score: 0.5, row: 3 }]);
    }

    #[test]
    fn narrowing_leaves_the_best_of_what_is_kept() {
        let mut top = TopK::new(50);
        (0..40u32).for_each(|row| top.push((row * 7 % 40) as f32, row));
        top.narrow(5, |hit| hit.row % 2 == 0);
        assert_eq!((top.len(), top.k()), (5, 5));
        // It goes on as a collection of five.
        top.push(0.5, 90);
        top.push(100.0, 91);
        let scores: Vec<f32> = top.drain_sorted().iter().map(|hit| hit.score).collect();
        assert_eq!(scores, [0.0, 0.5, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn a_floor_holds_until_the_reset() {
        let mut top = TopK::new(3);
        top.set_floor(2.0);
        (0..9u32).for_each(|row| top.push(row as f32, row));
        assert_eq!(top.hits().iter().map(|hit| hit.row).max(), Some(4));
        assert!(top.hits().iter().all(|hit| hit.score >= 2.0));
        top.reset(1);
        top.push(0.0, 7);
        assert_eq!(top.len(), 1);
    }

    #[test]
    fn reset_forgets_and_takes_another_k() {
        let mut top = TopK::new(1);
        top.push(1.0, 1);
        top.reset(2);
        assert!(top.is_empty() && top.k() == 2 && top.threshold() == f32::INFINITY);
        top.push(2.0, 2);
        top.push(3.0, 3);
        top.push(4.0, 4);
        assert_eq!((top.len(), top.threshold()), (2, 3.0));
    }
}
