//! The vectors of `examples/data` and their exact neighbours, computed here in float64.

use arrow_buffer::Buffer;
use elanus::index::catalog::Metric;
use elanus::index::vectors::{BinaryVectors, FloatVectors, Vectors};
use std::path::{Path, PathBuf};

/// How many hits recall asks for.
pub const K: usize = 10;

/// A set, unpacked.
pub struct Set {
    pub name: &'static str,
    /// Values or bits of a row.
    pub dim: usize,
    pub base: Vectors,
    pub queries: Vectors,
}

pub fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Two signed 12-bit integers in three bytes, times 1/4096 (examples/data/README.md).
fn twelve_bits(bytes: &[u8]) -> Vec<f32> {
    let value = |bits: u16| f32::from((bits << 4) as i16 >> 4) / 4096.0;
    let pair = |b: &[u8]| {
        let (a, m, z) = (u16::from(b[0]), u16::from(b[1]), u16::from(b[2]));
        [value(a | (m & 15) << 8), value(m >> 4 | z << 4)]
    };
    bytes.chunks_exact(3).flat_map(pair).collect()
}

fn sixteen_bits(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 4096.0).collect()
}

pub fn floats(values: Vec<f32>, dim: usize) -> Vectors {
    FloatVectors::new(values.into(), dim).into()
}

pub fn bits(bytes: Vec<u8>, dim: usize) -> Vectors {
    BinaryVectors::new(Buffer::from_vec(bytes), dim / 8).into()
}

/// 10,000 x 384 floats of length 1.
pub fn minilm() -> Set {
    let load = |name| floats(twelve_bits(&read(name)), 384);
    Set { name: "minilm", dim: 384, base: load("minilm/base.i12"), queries: load("minilm/queries.i12") }
}

/// 4,000 x 100 floats of uneven lengths.
pub fn w2v() -> Set {
    let load = |name| floats(sixteen_bits(&read(name)), 100);
    Set { name: "w2v", dim: 100, base: load("w2v/base.i16"), queries: load("w2v/queries.i16") }
}

/// 10,000 x 384 bits, half of them set.
pub fn sign() -> Set {
    let load = |name| bits(read(name), 384);
    Set { name: "sign", dim: 384, base: load("sign/base.u8"), queries: load("sign/queries.u8") }
}

/// 4,000 x 256 bits, few of them set.
pub fn tags() -> Set {
    let load = |name| bits(read(name), 256);
    Set { name: "tags", dim: 256, base: load("tags/base.u8"), queries: load("tags/queries.u8") }
}

/// The folder of an expanded large set, or of its first rows: `make filters` and `tests/large.sh` say where they are.
pub fn large_folder(name: &str) -> PathBuf {
    let sets = std::env::var_os("ELANUS_LARGE_SETS")
        .expect("ELANUS_LARGE_SETS names the folder of the expanded sets");
    let (whole, first_rows) =
        (PathBuf::from(&sets).join(name), PathBuf::from(&sets).join(format!("{name}-small")));
    if first_rows.exists() { first_rows } else { whole }
}

pub fn read_large(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn large_floats(bytes: Vec<u8>, dim: usize) -> Vectors {
    FloatVectors::new(Buffer::from_vec(bytes).into(), dim).into()
}

/// The first 10,000 rows of a large set, and some queries.
pub fn large(name: &'static str, folder: &str, dim: usize) -> Set {
    let folder = large_folder(folder);
    let load = |what: &str, rows: usize| match folder.join(format!("{what}.u8")).exists() {
        true => head(&bits(read_large(&folder, &format!("{what}.u8")), dim), rows),
        false => head(&large_floats(read_large(&folder, &format!("{what}.f32")), dim), rows),
    };
    Set { name, dim, base: load("base", 10_000), queries: load("queries", 200) }
}

/// The first `count` rows.
pub fn head(vectors: &Vectors, count: usize) -> Vectors {
    match vectors {
        Vectors::Float(v) => floats(v.values()[..count.min(v.len()) * v.dim()].to_vec(), v.dim()),
        Vectors::Binary(v) => bits(v.bytes()[..count.min(v.len()) * v.stride()].to_vec(), v.stride() * 8),
    }
}

impl Set {
    /// The same with fewer rows and queries.
    pub fn head(self, rows: usize, queries: usize) -> Set {
        Set { base: head(&self.base, rows), queries: head(&self.queries, queries), ..self }
    }

    /// How far query `query` is from a row; smaller is nearer. A row that does not match at all is infinitely far.
    pub fn distance(&self, metric: Metric, query: usize, row: usize) -> f64 {
        match (&self.base, &self.queries) {
            (Vectors::Float(base), Vectors::Float(queries)) => {
                of_floats(metric, queries.row(query), base.row(row))
            }
            (Vectors::Binary(base), Vectors::Binary(queries)) => {
                of_bits(metric, queries.row(query), base.row(row))
            }
            _ => unreachable!("queries are of the kind of their set"),
        }
    }

    /// How far it is from every row.
    pub fn distances(&self, metric: Metric, query: usize) -> Vec<f64> {
        (0..self.base.len()).map(|row| self.distance(metric, query, row)).collect()
    }

    /// The neighbours that came with the set, 100 a query, nearest first, if it has them for this metric.
    pub fn shipped_neighbours(&self, metric: Metric) -> Option<Vec<Vec<usize>>> {
        let name = format!("{}/gt_{}.i32", self.name, metric.name().to_lowercase());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name);
        let row = |b: &[u8]| {
            b.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize).collect()
        };
        Some(std::fs::read(path).ok()?.chunks_exact(400).map(row).collect())
    }
}

fn of_floats(metric: Metric, query: &[f32], row: &[f32]) -> f64 {
    let sum = |f: fn(f64, f64) -> f64| {
        query.iter().zip(row).map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum::<f64>()
    };
    match metric {
        Metric::L2 => sum(|a, b| (a - b) * (a - b)),
        Metric::Ip => -sum(|a, b| a * b),
        _ => {
            let lengths = (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt();
            if lengths > 0.0 { -sum(|a, b| a * b) / lengths } else { 0.0 }
        }
    }
}

fn of_bits(metric: Metric, query: &[u8], row: &[u8]) -> f64 {
    let count = |f: fn(u8, u8) -> u8| query.iter().zip(row).map(|(&a, &b)| f(a, b).count_ones()).sum::<u32>();
    let (both, either) = (f64::from(count(|a, b| a & b)), f64::from(count(|a, b| a | b)));
    let jaccard = if either > 0.0 { (either - both) / either } else { 1.0 };
    let matching = |inside: bool| if inside { 0.0 } else { f64::INFINITY };
    match metric {
        Metric::Hamming => f64::from(count(|a, b| a ^ b)),
        Metric::Tanimoto => -(1.0 - jaccard).log2(),
        Metric::Substructure => matching(query.iter().zip(row).all(|(a, b)| a & b == *a)),
        Metric::Superstructure => matching(query.iter().zip(row).all(|(a, b)| a & b == *b)),
        _ => jaccard,
    }
}

/// Whether a row at `distance` is as near as one at `limit`, in spite of rounding. (Infinity reaches infinity: TANIMOTO of
/// disjoint rows.)
pub fn as_near(distance: f64, limit: f64) -> bool {
    distance <= limit || distance - limit <= 1e-5 * limit.abs().max(1e-3)
}
