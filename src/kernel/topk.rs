//! The k best of a stream of scores. Smaller is closer; equal scores are ordered by the lower row.

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
    heap: Vec<Hit>,
}

impl TopK {
    pub fn new(k: usize) -> Self {
        TopK { k, heap: Vec::with_capacity(k.min(1 << 14)) }
    }

    /// Forgets everything and takes another `k`; keeps the memory.
    pub fn reset(&mut self, k: usize) {
        self.k = k;
        self.heap.clear();
    }

    pub fn k(&self) -> usize {
        self.k
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// A score above this one cannot enter (an equal one still may, with a lower row).
    pub fn threshold(&self) -> f32 {
        if self.heap.len() < self.k { f32::INFINITY } else { self.heap.first().map_or(f32::NEG_INFINITY, |h| h.score) }
    }

    pub fn push(&mut self, score: f32, row: u32) {
        let hit = Hit { score, row };
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
