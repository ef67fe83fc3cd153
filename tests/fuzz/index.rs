//! Any damage to the sections of a saved index, behind right checksums: refused, or an index whose search does not
//! panic, run away, or name a row that is not there or not allowed.
#![no_main]

use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer};
use elanus::Result;
use elanus::index::catalog::{IndexSpec, VectorKind};
use elanus::index::sections::{SectionWriter, Sections};
use elanus::index::vectors::FloatVectors;
use elanus::index::{self, BuildContext, Pace, Probe, Queries, Scratch};
use elanus::kernel::topk::TopK;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

const DIM: usize = 4;
const ROWS: usize = 200;

#[derive(Arbitrary, Debug)]
struct Input {
    index: u8,
    damage: Vec<Damage>,
    queries: [[i8; DIM]; 2],
    k: u8,
    effort: u16,
    allow: Option<[u8; ROWS / 8]>,
}

#[derive(Arbitrary, Debug)]
enum Damage {
    Byte { section: u8, at: u16, value: u8 },
    Word { section: u8, at: u16, value: u32 },
    Cut { section: u8, len: u16 },
    Replace { section: u8, bytes: Vec<u8> },
    Remove { section: u8 },
}

/// A description and the sections that were saved.
struct Saved {
    spec: IndexSpec,
    sections: Vec<(String, Vec<u8>)>,
}

impl SectionWriter for Saved {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.sections.push((name.to_owned(), bytes.to_vec()));
        Ok(())
    }
}

struct Free;

impl Pace for Free {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

static VECTORS: LazyLock<FloatVectors> = LazyLock::new(|| {
    let value = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7 & 0xff) as f32 / 64.0 - 2.0;
    FloatVectors::new((0..ROWS * DIM).map(value).collect::<Vec<f32>>().into(), DIM)
});

static SAVED: LazyLock<Vec<Saved>> = LazyLock::new(|| {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut saved = Vec::new();
    for metric in ["L2", "IP", "COSINE"] {
        for (kind, params) in
            [("FLAT", ""), ("IVF_FLAT", r#""nlist":5"#), ("HNSW", r#""M":4,"efConstruction":16"#)]
        {
            let text = format!(r#"{{"index_type":"{kind}","metric_type":"{metric}","params":{{{params}}}}}"#);
            let spec = IndexSpec::from_json(&text, VectorKind::Float, DIM).unwrap();
            let context = BuildContext::new(&pool, 1, &Free);
            let index = index::build(&spec, VECTORS.clone().into(), &context).unwrap();
            let mut out = Saved { spec, sections: Vec::new() };
            index.save(&mut out).unwrap();
            saved.push(out);
        }
    }
    saved
});

impl Damage {
    fn apply(&self, sections: &mut [(String, Option<Vec<u8>>)]) {
        let (Damage::Byte { section, .. }
        | Damage::Word { section, .. }
        | Damage::Cut { section, .. }
        | Damage::Replace { section, .. }
        | Damage::Remove { section }) = self;
        let count = sections.len();
        let (_, place) = &mut sections[usize::from(*section) % count];
        match (self, &mut *place) {
            (Damage::Byte { at, value, .. }, Some(bytes)) if !bytes.is_empty() => {
                let len = bytes.len();
                bytes[usize::from(*at) % len] = *value;
            }
            (Damage::Word { at, value, .. }, Some(bytes)) if bytes.len() >= 4 => {
                let at = usize::from(*at) % (bytes.len() / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            (Damage::Cut { len, .. }, Some(bytes)) => bytes.truncate(usize::from(*len)),
            (Damage::Replace { bytes, .. }, _) => *place = Some(bytes.clone()),
            (Damage::Remove { .. }, _) => *place = None,
            _ => {}
        }
    }
}

/// As in a mapped file: at a multiple of 64 bytes.
fn aligned(bytes: &[u8]) -> Buffer {
    let mut aligned = MutableBuffer::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    aligned.into()
}

fuzz_target!(|input: Input| {
    let saved = &SAVED[usize::from(input.index) % SAVED.len()];
    let mut damaged: Vec<_> =
        saved.sections.iter().map(|(name, bytes)| (name.clone(), Some(bytes.clone()))).collect();
    input.damage.iter().for_each(|damage| damage.apply(&mut damaged));
    let mut sections = Sections::default();
    for (name, bytes) in &damaged {
        if let Some(bytes) = bytes {
            sections.insert(name, aligned(bytes));
        }
    }
    let Ok(index) = index::load(&saved.spec, &sections, VECTORS.clone().into()) else { return };
    let k = usize::from(input.k) + 1;
    let knobs = format!(
        r#"{{"nprobe":{},"ef":{}}}"#,
        input.effort % 5 + 1,
        usize::from(input.effort).clamp(k, 32768)
    );
    let params = saved.spec.search_params(&knobs, k).unwrap();
    let queries: Vec<f32> = input.queries.as_flattened().iter().map(|&v| f32::from(v) / 32.0).collect();
    let allow = input.allow.map(|bits| BooleanBuffer::new(Buffer::from(&bits[..]), 0, ROWS));
    let stop = AtomicBool::new(false);
    let probe =
        Probe { queries: Queries::Float(&queries), k, allow: allow.as_ref(), params: &params, stop: &stop };
    let mut tops = [TopK::new(k), TopK::new(k)];
    index.search(&probe, &mut Scratch::default(), &mut tops).unwrap();
    for top in &mut tops {
        let hits = top.drain_sorted();
        assert!(hits.len() <= k);
        for hit in hits {
            assert!((hit.row as usize) < ROWS, "row {}", hit.row);
            assert!(allow.as_ref().is_none_or(|allow| allow.value(hit.row as usize)), "row {}", hit.row);
        }
    }
});
