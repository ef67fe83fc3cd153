//! Any damage to the sections of a saved index of any type and metric, behind right checksums: refused, or an index whose
//! search does not panic, run away, or name a row that is not there or not allowed.
#![no_main]

use arrow_buffer::{BooleanBuffer, Buffer, MutableBuffer};
use elanus::Result;
use elanus::index::catalog::table::{ENTRIES, Entry};
use elanus::index::catalog::{IndexSpec, Metric, VectorKind};
use elanus::index::sections::{Block, BlockReader, PAYLOAD, SectionWriter, Sections};
use elanus::index::vectors::{BinaryVectors, FloatVectors, Vectors};
use elanus::index::{self, BuildContext, Pace, Probe, Queries, Scratch};
use elanus::kernel::topk::TopK;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

/// Values of a float vector, and bytes of a binary one.
const DIM: usize = 4;
const ROWS: usize = 200;
/// Small indexes; a type ignores what is not its own.
const PARAMS: &str = r#"{"nlist":5,"m":2,"M":4,"efConstruction":16,"n_trees":3,"search_length":10,"out_degree":5,
    "candidate_pool_size":50,"knng":5,"max_degree":8,"search_list_size":16}"#;

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
    kind: VectorKind,
    spec: IndexSpec,
    sections: Vec<(String, Vec<u8>)>,
    /// The section that is read in blocks, if there is one.
    blocks: Option<String>,
}

impl SectionWriter for Saved {
    fn section(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.sections.push((name.to_owned(), bytes.to_vec()));
        Ok(())
    }

    fn blocks(
        &mut self,
        name: &str,
        count: u64,
        fill: &mut dyn FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let mut bytes = vec![0; count as usize * PAYLOAD];
        (0..count)
            .zip(bytes.chunks_exact_mut(PAYLOAD))
            .try_for_each(|(number, block)| fill(number, block))?;
        self.blocks = Some(name.to_owned());
        self.section(name, &bytes)
    }
}

/// The payloads of blocks, one after the other.
struct Blocks(Vec<u8>);

impl BlockReader for Blocks {
    fn blocks(&self) -> u64 {
        (self.0.len() / PAYLOAD) as u64
    }

    fn read(&self, numbers: &[u64], out: &mut [Block]) -> Result<()> {
        for (&number, block) in numbers.iter().zip(out) {
            block.payload_mut().copy_from_slice(&self.0[number as usize * PAYLOAD..][..PAYLOAD]);
        }
        Ok(())
    }
}

struct Free;

impl Pace for Free {
    fn checkpoint(&self, _: u64, _: u64) -> Result<()> {
        Ok(())
    }
}

static BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..ROWS * DIM).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect());

fn vectors(kind: VectorKind) -> Vectors {
    match kind {
        VectorKind::Float => {
            let values: Vec<f32> = BYTES.iter().map(|&byte| f32::from(byte) / 64.0 - 2.0).collect();
            FloatVectors::new(values.into(), DIM).into()
        }
        VectorKind::Binary => BinaryVectors::new(Buffer::from(BYTES.as_slice()), DIM).into(),
    }
}

/// Every type that works, with every metric.
static SAVED: LazyLock<Vec<Saved>> = LazyLock::new(|| {
    let mut saved = Vec::new();
    for entry in ENTRIES {
        for &kind in entry.works {
            saved.extend(entry.metrics(kind).iter().map(|&metric| save(entry, kind, metric)));
        }
    }
    saved
});

fn save(entry: &Entry, kind: VectorKind, metric: Metric) -> Saved {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let (name, metric) = (entry.name, metric.name());
    let text = format!(r#"{{"index_type":"{name}","metric_type":"{metric}","params":{PARAMS}}}"#);
    let dim = if kind == VectorKind::Float { DIM } else { 8 * DIM };
    let spec = IndexSpec::from_json(&text, kind, dim).unwrap();
    let context = BuildContext::new(&pool, 1, &Free);
    let index = index::build(&spec, vectors(kind), &context).unwrap();
    let mut out = Saved { kind, spec, sections: Vec::new(), blocks: None };
    index.save(&mut out).unwrap();
    out
}

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
        match bytes {
            Some(bytes) if saved.blocks.as_ref() == Some(name) => {
                sections.insert_reader(name, Arc::new(Blocks(bytes.clone())));
            }
            Some(bytes) => sections.insert(name, aligned(bytes)),
            None => {}
        }
    }
    let Ok(index) = index::load(&saved.spec, &sections, vectors(saved.kind)) else { return };
    let k = usize::from(input.k) + 1;
    let effort = usize::from(input.effort);
    let knobs = format!(
        r#"{{"nprobe":{},"ef":{wide},"search_list":{wide},"search_length":{},"search_k":{effort}}}"#,
        effort % 5 + 1,
        effort.clamp(k.max(10), 300),
        wide = effort.clamp(k, 32768),
    );
    let params = saved.spec.search_params(&knobs, k).unwrap();
    let floats: Vec<f32> = input.queries.as_flattened().iter().map(|&v| f32::from(v) / 32.0).collect();
    let bytes: Vec<u8> = input.queries.as_flattened().iter().map(|&v| v as u8).collect();
    let queries = match saved.kind {
        VectorKind::Float => Queries::Float(&floats),
        VectorKind::Binary => Queries::Binary(&bytes),
    };
    let allow = input.allow.map(|bits| BooleanBuffer::new(Buffer::from(&bits[..]), 0, ROWS));
    let stop = AtomicBool::new(false);
    let probe = Probe { queries, k, allow: allow.as_ref(), params: &params, stop: &stop };
    let mut tops = [TopK::new(k), TopK::new(k)];
    // An index that reads while it searches may find the damage only then.
    if index.search(&probe, &mut Scratch::default(), &mut tops).is_err() {
        return;
    }
    for top in &mut tops {
        let hits = top.drain_sorted();
        assert!(hits.len() <= k);
        for hit in hits {
            assert!((hit.row as usize) < ROWS, "row {}", hit.row);
            assert!(allow.as_ref().is_none_or(|allow| allow.value(hit.row as usize)), "row {}", hit.row);
        }
    }
});
