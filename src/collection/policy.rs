//! Which sealed segments compaction merges or rewrites: a pure function of their sizes.
//!
//! In the background, as Milvus' single and mix compactions: a segment with more than a fifth of its rows dead is
//! rewritten alone, and segments of one size class merge when there are [`FANOUT`] of them. Classes grow by that factor
//! from [`SMALLEST`] on, so that a row is written about once a class (O'Neil et al., "The log-structured merge-tree",
//! 1996), and fewer than [`FANOUT`] segments a class are left. A segment of more than half of `segment_size_mb` is full:
//! it is rewritten for its dead rows only.

/// Segments of a class that merge.
const FANOUT: u64 = 4;
/// Bytes up to which segments are of the lowest class.
const SMALLEST: u64 = 64 << 10;
/// A segment is rewritten when more than one of so many rows is dead.
const DEAD_SHARE: u64 = 5;

/// A sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the live rows.
    pub bytes: u64,
    /// Live rows.
    pub rows: u64,
    pub dead_rows: u64,
}

/// Most bytes and rows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub bytes: u64,
    pub rows: u64,
}

/// The places of the segments to compact next, in order; `None` if nothing is due.
pub fn due(segments: &[Size], limits: Limits) -> Option<Vec<usize>> {
    let is_rotten = |size: &Size| size.dead_rows * DEAD_SHARE > size.rows + size.dead_rows;
    let fits = |size: &Size| size.bytes <= limits.bytes;
    if let Some(place) = segments.iter().position(|size| is_rotten(size) && fits(size)) {
        return Some(vec![place]);
    }
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for (place, size) in segments.iter().enumerate() {
        if size.bytes <= limits.bytes / 2 {
            let class = class(size.bytes);
            if classes.len() <= class {
                classes.resize_with(class + 1, Vec::new);
            }
            classes[class].push(place);
        }
    }
    let crowded = classes.into_iter().filter(|places| places.len() as u64 >= FANOUT);
    let group = crowded.map(|places| fill(segments, places, limits)).find(|group| group.len() > 1);
    // Last, so that one that memory has no room for does not keep the others from theirs.
    group.or_else(|| segments.iter().position(is_rotten).map(|place| vec![place]))
}

/// Everything that can be compacted: neighbours that fit into one segment, and segments with any dead row.
pub fn all(segments: &[Size], limits: Limits) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    let mut rest: Vec<usize> = (0..segments.len()).collect();
    while !rest.is_empty() {
        let group = fill(segments, rest.clone(), limits);
        rest.drain(..group.len());
        if group.len() > 1 || segments[group[0]].dead_rows > 0 {
            groups.push(group);
        }
    }
    groups
}

/// The first of `places`, and the next ones as long as they fit.
fn fill(segments: &[Size], mut places: Vec<usize>, limits: Limits) -> Vec<usize> {
    let (mut bytes, mut rows) = (0, 0);
    let beyond = places.iter().position(|&place| {
        (bytes, rows) = (bytes + segments[place].bytes, rows + segments[place].rows);
        bytes > limits.bytes || rows > limits.rows
    });
    places.truncate(beyond.unwrap_or(places.len()).max(1));
    places
}

fn class(bytes: u64) -> usize {
    match bytes / SMALLEST {
        0 => 0,
        times => 1 + times.ilog(FANOUT) as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 512 << 20, rows: 1 << 31 };

    fn whole(bytes: u64) -> Size {
        Size { bytes, rows: bytes / 1000, dead_rows: 0 }
    }

    fn with_dead(rows: u64, dead_rows: u64) -> Size {
        Size { bytes: rows * 1000, rows, dead_rows }
    }

    /// Does what is due until nothing is; says how many bytes that wrote.
    fn settle(segments: &mut Vec<Size>, limits: Limits) -> u64 {
        let mut written = 0;
        while let Some(group) = due(segments, limits) {
            let sum = |value: fn(&Size) -> u64| group.iter().map(|&place| value(&segments[place])).sum();
            let merged = Size { bytes: sum(|s| s.bytes), rows: sum(|s| s.rows), dead_rows: 0 };
            assert!(group.len() == 1 || merged.bytes <= limits.bytes, "{group:?}");
            written += merged.bytes;
            segments[group[0]] = merged;
            for &place in group[1..].iter().rev() {
                segments.remove(place);
            }
        }
        written
    }

    #[test]
    fn a_fifth_of_dead_rows_is_the_most() {
        assert_eq!(due(&[with_dead(80, 20)], LIMITS), None);
        assert_eq!(due(&[with_dead(80, 20), with_dead(79, 21)], LIMITS), Some(vec![1]));
        assert_eq!(due(&[with_dead(0, 1)], LIMITS), Some(vec![0]));
        assert_eq!(due(&[], LIMITS), None);
        // Full ones too.
        assert_eq!(due(&[with_dead(1 << 20, 1 << 20)], LIMITS), Some(vec![0]));
    }

    #[test]
    fn what_does_not_fit_waits_for_what_does() {
        let (large, small) = (with_dead(1000, 900), whole(10));
        let limits = Limits { bytes: 999_999, ..LIMITS };
        assert_eq!(due(&[large, with_dead(9, 9)], limits), Some(vec![1]));
        assert_eq!(due(&[large, small, small, small, small], limits), Some(vec![1, 2, 3, 4]));
        assert_eq!(due(&[large, small], limits), Some(vec![0]));
    }

    #[test]
    fn four_of_a_class_merge() {
        let (small, large) = (whole(1000), whole(9 << 20));
        assert_eq!(due(&[small, large, small, large, small, large], LIMITS), None);
        assert_eq!(due(&[small, large, small, small, large, small], LIMITS), Some(vec![0, 2, 3, 5]));
        let half = whole(200 << 20);
        assert_eq!(due(&[half; 4], LIMITS), Some(vec![0, 1]), "as many as fit");
        assert_eq!(due(&[whole(300 << 20); 9], LIMITS), None, "full");
        let rows = Limits { rows: 2, ..LIMITS };
        assert_eq!(due(&[Size { bytes: 1, rows: 1, dead_rows: 0 }; 6], rows), Some(vec![0, 1]));
        assert_eq!(due(&[Size { bytes: 1, rows: 2, dead_rows: 0 }; 6], rows), None, "nothing fits");
    }

    #[test]
    fn few_files_and_few_writes() {
        for limit in [1 << 20, 64 << 20, 512 << 20] {
            let limits = Limits { bytes: limit, rows: u64::MAX };
            for size in [10_000, 700_000, limit / 3, limit * 9 / 10] {
                let (mut segments, mut inserted, mut written) = (Vec::new(), 0, 0);
                for _ in 0..3000 {
                    segments.push(whole(size));
                    inserted += size;
                    written += settle(&mut segments, limits);
                    let full = inserted / (limit / 2) + 1;
                    let classes = class(limit) as u64 + 1;
                    let most = full + classes * (FANOUT - 1);
                    assert!(segments.len() as u64 <= most, "{} > {most}: {limit}, {size}", segments.len());
                }
                // Once a class, and in the lowest, which has no bound below, once a factor.
                let classes = 1 + (limit / size).max(1).ilog(FANOUT) as u64;
                assert!(written <= inserted * 2 * classes, "{written} of {inserted}: {limit}, {size}");
            }
        }
    }

    #[test]
    fn all_leaves_nothing_to_do() {
        let sizes = [1, 100, 300, 200, 50, 400, 400, 1, 600, 1, 1].map(|mib| whole(mib << 20));
        let groups = all(&sizes, LIMITS);
        assert_eq!(groups, [vec![0, 1, 2], vec![3, 4], vec![6, 7], vec![9, 10]]);
        let after: Vec<Size> = [401, 250, 400, 401, 600, 2].map(|mib| whole(mib << 20)).to_vec();
        assert!(all(&after, LIMITS).is_empty());
        assert_eq!(all(&[with_dead(9, 1), whole(600 << 20)], LIMITS), [[0]]);
        assert!(all(&[], LIMITS).is_empty());
    }
}
