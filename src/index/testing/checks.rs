//! What every kind of index must pass, whatever it is good for.

use super::*;

/// Under any filter there are k hits, or all rows that it allows, and nearly all are right.
pub fn check_filters(subject: &Subject, queries: &Vectors, ask: Ask, floor: f64) {
    let (rows, spec) = (subject.vectors.len(), &subject.spec);
    for keep in [0, 1, 4, rows / 100, rows / 10, rows / 2, rows - rows / 10, rows - rows / 30, rows] {
        let allow = some(rows, keep);
        let recall = subject.recall(queries, Ask { allow: Some(&allow), ..ask });
        assert!(recall > floor, "{spec:?}, {keep} of {rows}: {recall}");
        for hits in subject.hits(&first(queries, 1), Ask { k: rows, allow: Some(&allow), ..ask }) {
            assert!(hits.len() == keep || !all_are_hits(spec), "{spec:?}: {} of {keep}", hits.len());
        }
    }
}

/// Whether every row is a hit of every query, be it ever so far.
fn all_are_hits(spec: &IndexSpec) -> bool {
    !matches!(spec.metric, Metric::Substructure | Metric::Superstructure)
}

/// A set so small that the exact answer is due, before and after it is saved.
pub fn check_small(spec: &IndexSpec, vectors: &Vectors, queries: &Vectors, asks: &[Ask]) {
    let subject = Subject::new(spec, vectors);
    let loaded = subject.load(&subject.saved()).unwrap();
    for &ask in asks {
        let truth = subject.truth(queries, ask);
        let most = ask.k.min(vectors.len());
        assert!(truth.iter().all(|hits| hits.len() == most || !all_are_hits(spec)));
        assert_eq!(subject.hits(queries, ask), truth, "{spec:?}, {} rows, {ask:?}", vectors.len());
        assert_eq!(loaded.hits(queries, ask), truth, "{spec:?}, {} rows, {ask:?}", vectors.len());
    }
}

/// A large group of equal rows hides no others, and is found itself.
pub fn check_half_equal(spec: &IndexSpec, ask: Ask) {
    let subject = Subject::new(spec, &vectors(&half_equal()));
    let recall = subject.recall(&vectors(&clusters(40, 5)), ask);
    assert!(recall > 0.9, "{spec:?}: {recall}");
    let query = vectors(&clusters(1, 8));
    for (hit, best) in subject.hits(&query, ask)[0].iter().zip(&subject.truth(&query, ask)[0]) {
        let near = 1e-3 * best.score.abs() + 1e-3;
        assert!((hit.score - best.score).abs() <= near, "{spec:?}: {hit:?} {best:?}");
    }
}

/// Rows and queries that are not numbers, or nearly not, cost no hits.
pub fn check_odd_values(spec: &IndexSpec, rows: usize, memory: u64, ask: Ask) {
    let mut values = clusters(rows, 1);
    for (at, odd) in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE].into_iter().enumerate() {
        values[at * 5 * DIM] = odd;
    }
    let subject = Subject::within(spec, &vectors(&values), memory);
    for query in [vec![0.0; DIM], vec![f32::NAN; DIM], vec![f32::MAX; DIM], clusters(1, 5)] {
        assert_eq!(subject.hits(&vectors(&query), ask)[0].len(), 10, "{spec:?}");
    }
}

/// The number of threads changes no byte.
pub fn check_threads(spec: &IndexSpec, vectors: &Vectors, memory: u64) {
    let saved = |threads| Saved::of(&*try_build(spec, vectors, threads, memory, &Patient).unwrap());
    let one = saved(1);
    assert!(one == saved(2) && one == saved(4), "{spec:?}");
}

/// What was saved and loaded is the same.
pub fn check_round_trip(subject: &Subject, queries: &Vectors, ask: Ask) {
    let saved = subject.saved();
    let loaded = subject.load(&saved).unwrap();
    assert!(loaded.saved() == saved, "{:?}", subject.spec);
    assert_eq!(loaded.index.memory(), subject.index.memory());
    assert_eq!(loaded.hits(queries, ask), subject.hits(queries, ask));
}

/// What is not whole is refused; what is damaged is refused, or answers with rows that there are.
pub fn check_damage(subject: &Subject, queries: &Vectors, ask: Ask) {
    let (saved, rows) = (subject.saved(), subject.vectors.len());
    let code = |saved: &Saved| subject.load(saved).err().map(|error| error.code());
    let spec = &subject.spec;
    for (place, (name, bytes)) in saved.sections.iter().enumerate() {
        let mut other = saved.clone();
        other.sections.remove(place);
        assert_eq!(code(&other), Some(Code::Corrupt), "{spec:?} without {name}");
        for change in [-4isize, -1, 4, 8] {
            let mut other = saved.clone();
            other.sections[place].1.resize(bytes.len().saturating_add_signed(change), 0);
            assert_eq!(code(&other), Some(Code::Corrupt), "{spec:?}: {name} longer by {change}");
        }
    }
    if let Some((_, blocks)) = &saved.blocks {
        for count in [0, blocks.len() - 1, blocks.len() + 1] {
            let mut other = saved.clone();
            other.blocks.as_mut().unwrap().1.resize(count, vec![0; PAYLOAD]);
            assert_eq!(code(&other), Some(Code::Corrupt), "{spec:?}: {count} blocks");
        }
    }
    let try_it = |saved: &Saved| {
        let answer = subject.load(saved).and_then(|loaded| loaded.try_hits(queries, ask));
        let answer = answer.unwrap_or_default();
        assert!(answer.iter().flatten().all(|hit| (hit.row as usize) < rows));
        usize::from(!answer.is_empty())
    };
    for (place, (_, bytes)) in saved.sections.iter().enumerate() {
        for at in (0..bytes.len()).step_by((bytes.len() / 97).max(1)) {
            for bit in [0, 3, 7] {
                let mut flipped = saved.clone();
                flipped.sections[place].1[at] ^= 1 << bit;
                try_it(&flipped);
            }
        }
    }
    let mut random = Random::new(4);
    let mut answered = 0;
    for _ in 0..300 {
        let mut damaged = saved.clone();
        let place = random.below(saved.sections.len());
        for _ in 0..3 {
            let at = random.below(saved.sections[place].1.len());
            damaged.sections[place].1[at] = random.number() as u8;
        }
        answered += try_it(&damaged);
    }
    assert!(answered > 30, "{spec:?}: {answered} of 300 answered");
    // What is whole, but of another segment.
    let fewer = first(&subject.vectors, rows - 1);
    assert!(load(spec, &saved.sections(), fewer).is_err(), "{spec:?}");
}

/// Numbers that cannot be right are `Corrupt`: a section, a place in it, and what stands there.
pub fn check_refused(subject: &Subject, wrong: &[(&str, usize, u32)]) {
    let saved = subject.saved();
    for &(name, at, value) in wrong {
        let error = subject.load(&saved.with(name, at, value)).err();
        assert_eq!(error.map(|error| error.code()), Some(Code::Corrupt), "{name}[{at}] = {value}");
    }
}

/// An index of a later format is refused as such. `head` has the format first.
pub fn check_format(subject: &Subject) {
    let newer = subject.load(&subject.saved().with("head", 0, subject.saved().numbers("head")[0] + 1)).err();
    assert_eq!(newer.map(|error| error.code()), Some(Code::FormatTooNew));
}

/// A build ends at each of these checkpoints, if it is cancelled there.
pub fn check_cancel(spec: &IndexSpec, vectors: &Vectors, memory: u64, checkpoints: &[u64]) {
    for &n in checkpoints {
        let result = try_build(spec, vectors, 2, memory, &Impatient(AtomicU64::new(n)));
        assert_eq!(result.err().map(|error| error.code()), Some(Code::Canceled), "{spec:?} at {n}");
    }
}

/// How many checkpoints a build has.
pub fn checkpoints(spec: &IndexSpec, vectors: &Vectors) -> u64 {
    let never = Impatient(AtomicU64::new(u64::MAX));
    try_build(spec, vectors, 2, 0, &never).unwrap();
    u64::MAX - never.0.into_inner()
}

/// How far a build says that it is at its end; it never goes back.
pub fn progress(spec: &IndexSpec, vectors: &Vectors) -> u64 {
    let watched = Watched { rows: vectors.len() as u64, last: AtomicU64::new(0), stop_at: u64::MAX };
    try_build(spec, vectors, 2, 0, &watched).unwrap();
    watched.last.into_inner()
}

/// A search that was told to stop returns with nothing, and so does an exhaustive one.
pub fn check_stop(subject: &Subject, query: &Vectors) {
    let found = subject.asked(query, Ask::ten(""), |probe, tops| {
        let probe = Probe { stop: &AtomicBool::new(true), ..*probe };
        exact::search(subject.spec.metric, &subject.vectors, &probe, tops);
        subject.index.search(&probe, &mut Scratch::default(), tops)
    });
    assert!(found.unwrap().iter().all(Vec::is_empty), "{:?}", subject.spec);
}
