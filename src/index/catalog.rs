//! What an index description and a search's parameters may say: checked against ONE [`table`] of index types,
//! metrics, parameters, ranges, defaults and aliases.
//!
//! Where Milvus' versions clash the ranges are those of its 1.x and 2.0 pages. We are friendlier in two things: a build
//! parameter that is absent takes its default (Milvus 1.x refuses it), and names of types and metrics may be in
//! any case. As in Milvus, numbers may come as text (`"nlist":"1024"`) and unknown keys are ignored.

mod given;
mod range;
pub mod scalar;
pub mod table;
#[cfg(test)]
mod tests;

use crate::error::{Code, Error, Result};
use crate::schema::{MMAP_ENABLED, mmap_enabled};
use given::Given;
pub use range::Range;
use serde_json::{Value, json};
use table::{AUTOINDEX, Absent, ENTRIES, Entry, Param};

/// What a vector field holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VectorKind {
    /// `float_vector`: `dim` floats.
    Float,
    /// `binary_vector`: `dim` bits.
    Binary,
}

impl VectorKind {
    /// Our name of the data type.
    pub fn name(self) -> &'static str {
        match self {
            VectorKind::Float => "float_vector",
            VectorKind::Binary => "binary_vector",
        }
    }
}

/// An index type. The numbers are those of Milvus 1.x where it has one; they are for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum IndexType {
    Flat = 1,
    IvfFlat = 2,
    IvfSq8 = 3,
    Rnsg = 4,
    IvfSq8h = 5,
    IvfPq = 6,
    // 7 and 8 were SPTAG in Milvus 1.x.
    BinFlat = 9,
    BinIvfFlat = 10,
    Hnsw = 11,
    Annoy = 12,
    // 100 on: what came after Milvus 1.x.
    DiskAnn = 100,
    GpuBruteForce = 110,
    GpuIvfFlat = 111,
    GpuIvfPq = 112,
    GpuCagra = 113,
}

impl IndexType {
    /// Milvus' name.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The number that C and Milvus 1.x know it by.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// Its line of the table.
    pub fn entry(self) -> &'static Entry {
        let found = ENTRIES.iter().find(|entry| entry.index_type == self);
        found.unwrap_or(&ENTRIES[0]) // every type has a line: a test holds that
    }
}

/// How near two vectors are. The numbers are those of Milvus 1.x; they are for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Metric {
    L2 = 1,
    Ip = 2,
    Hamming = 3,
    Jaccard = 4,
    Tanimoto = 5,
    Substructure = 6,
    Superstructure = 7,
    // Not in Milvus 1.x.
    Cosine = 8,
}

impl Metric {
    pub const ALL: [Metric; 8] = [
        Metric::L2,
        Metric::Ip,
        Metric::Cosine,
        Metric::Hamming,
        Metric::Jaccard,
        Metric::Tanimoto,
        Metric::Substructure,
        Metric::Superstructure,
    ];

    /// Milvus' name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::L2 => "L2",
            Metric::Ip => "IP",
            Metric::Cosine => "COSINE",
            Metric::Hamming => "HAMMING",
            Metric::Jaccard => "JACCARD",
            Metric::Tanimoto => "TANIMOTO",
            Metric::Substructure => "SUBSTRUCTURE",
            Metric::Superstructure => "SUPERSTRUCTURE",
        }
    }

    /// The number that C and Milvus 1.x know it by.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// Which fields it measures.
    pub fn kind(self) -> VectorKind {
        match self {
            Metric::L2 | Metric::Ip | Metric::Cosine => VectorKind::Float,
            _ => VectorKind::Binary,
        }
    }

    /// The metric of a name in any case, or of a number in text (`"2"`).
    pub fn from_name(text: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|m| text.eq_ignore_ascii_case(m.name()) || text == m.id().to_string())
    }

    /// A metric for a field of `kind`, or an error that lists those that exist.
    pub fn parse(text: &str, kind: VectorKind) -> Result<Metric> {
        let metric = Metric::from_name(text).filter(|m| m.kind() == kind);
        metric.ok_or_else(|| unsupported_metric(Metric::ALL.into_iter().filter(|m| m.kind() == kind)))
    }

    /// Whether users see a similarity (larger is closer) and not a distance.
    pub fn larger_is_closer(self) -> bool {
        matches!(self, Metric::Ip | Metric::Cosine)
    }

    /// The user's score of an internal one, where smaller is closer. TANIMOTO is JACCARD inside, which ranks rows alike
    /// and is never infinite.
    pub fn user_score(self, internal: f32) -> f32 {
        // 0 - x and not -x: an inner product of zero is 0, not -0.
        match self {
            Metric::Ip | Metric::Cosine => 0.0 - internal,
            Metric::Tanimoto => 0.0 - (1.0 - internal).log2(),
            _ => internal,
        }
    }
}

fn unsupported_metric(supported: impl Iterator<Item = Metric>) -> Error {
    let names: Vec<_> = supported.map(Metric::name).collect();
    Error::invalid(format!("metric type not found or not supported, supported: [{}]", names.join(" ")))
}

/// Checked integer parameters by their canonical names, in the order of the table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params(Vec<(&'static str, i64)>);

/// Checked search parameters.
pub type SearchParams = Params;

impl Params {
    pub fn get(&self, name: &str) -> Option<i64> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }

    /// The parameter as a count: 0 if it is absent or negative.
    pub fn count(&self, name: &str) -> usize {
        self.get(name).and_then(|v| usize::try_from(v).ok()).unwrap_or(0)
    }

    pub fn to_json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, value)| (name.to_string(), json!(value))).collect())
    }
}

/// A checked index description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IndexSpec {
    pub index_type: IndexType,
    /// The name that the type was asked by: on binary fields Milvus 1.x's FLAT and IVF_FLAT stand for BIN_FLAT and
    /// BIN_IVF_FLAT, and its descriptions say what was asked.
    pub name: &'static str,
    pub metric: Metric,
    /// Every build parameter of the type, defaults filled in.
    pub params: Params,
}

impl IndexSpec {
    /// Reads `{"index_type","metric_type","params":{}}`, checked for a vector field of `kind` and `dim`.
    ///
    /// `params` may be an object or, as in Milvus' messages, its JSON text; build parameters may also stand beside
    /// `index_type`. Types and metrics may be given by their Milvus 1.x numbers. An absent (or `AUTOINDEX`) type is
    /// AUTOINDEX, which becomes HNSW with parameters of its own.
    pub fn from_json(text: &str, kind: VectorKind, dim: usize) -> Result<IndexSpec> {
        let given = Given::parse(text, "index description")?;
        let asked = given.word("index_type")?.unwrap_or_else(|| AUTOINDEX.to_owned());
        if asked.eq_ignore_ascii_case(AUTOINDEX) {
            return auto_index(&given, kind, dim);
        }
        let (name, entry) = Entry::find(&asked, kind).ok_or_else(|| {
            let names: Vec<_> = ENTRIES.iter().map(|e| e.name).collect();
            let message = format!("invalid index type: {asked}, supported: [{}]", names.join(" "));
            Error::new(Code::IndexTypeNotSupported, message)
        })?;
        check_kind(entry, kind)?;
        let metrics = entry.metrics(kind);
        let Some(asked) = given.word("metric_type")? else {
            return Err(Error::new(
                Code::MissingParameter,
                unsupported_metric(metrics.iter().copied()).message(),
            ));
        };
        let metric = Metric::from_name(&asked).filter(|m| metrics.contains(m));
        let metric = metric.ok_or_else(|| unsupported_metric(metrics.iter().copied()))?;
        let params = read_params(entry.build, &given, dim, 0)?;
        (entry.check)(&params, dim)?;
        Ok(IndexSpec { index_type: entry.index_type, name, metric, params })
    }

    /// The description that [`IndexSpec::from_json`] reads back, with canonical names and every parameter.
    pub fn to_json(&self) -> Value {
        json!({
            "index_type": self.name,
            "metric_type": self.metric.name(),
            "params": self.params.to_json(),
        })
    }

    /// Reads `{"nprobe":10}` or `{"params":{"nprobe":10}}` (empty text: all defaults), checked for a search of `topk`.
    /// A `metric_type` in it must be the index's; [`IndexSpec::range`] reads `radius` and `range_filter`. Knobs of other index types are ignored, as in Milvus.
    pub fn search_params(&self, text: &str, topk: usize) -> Result<SearchParams> {
        let given = Given::parse(text, "search parameters")?;
        if let Some(asked) = given.word("metric_type")?
            && Metric::from_name(&asked) != Some(self.metric)
        {
            let expected = self.metric.name();
            return Err(Error::invalid(format!(
                "metric type not match: invalid parameter[expected={expected}][actual={asked}]"
            )));
        }
        read_params(self.index_type.entry().search, &given, 0, topk)
    }
}

/// What a description of an index, of any field, says about `mmap.enabled`: no parameter of the build, but of where the index
/// is while it is used.
pub fn mmap_of(text: &str) -> Result<Option<bool>> {
    let given = Given::parse(text, "index description")?;
    given.find(MMAP_ENABLED).map_or(Ok(None), mmap_enabled)
}

/// AUTOINDEX of Milvus 2.3: HNSW with M 18 and efConstruction 240; COSINE unless the metric is given.
fn auto_index(given: &Given, kind: VectorKind, dim: usize) -> Result<IndexSpec> {
    // As with other types, parameters may stand beside the type.
    let beside = IndexType::Hnsw.entry().build.iter().any(|param| given.top.contains_key(param.name));
    if beside || given.params.keys().any(|name| name != MMAP_ENABLED) {
        return Err(Error::invalid("only metric type can be passed when use AutoIndex"));
    }
    let metric = match kind {
        VectorKind::Float => Metric::Cosine,
        VectorKind::Binary => Metric::Hamming,
    };
    let metric = given.word("metric_type")?.unwrap_or_else(|| metric.name().to_owned());
    let params = json!({ "M": 18, "efConstruction": 240 });
    let hnsw = json!({ "index_type": IndexType::Hnsw.name(), "metric_type": metric, "params": params });
    IndexSpec::from_json(&hnsw.to_string(), kind, dim)
}

/// Whether `entry` takes fields of `kind`, and does so in this version.
fn check_kind(entry: &Entry, kind: VectorKind) -> Result<()> {
    if entry.metrics(kind).is_empty() {
        return Err(Error::invalid(match kind {
            VectorKind::Binary => format!("{}: float vector are only supported", entry.name),
            VectorKind::Float => format!("{}: binary vector is only supported", entry.name),
        }));
    }
    if entry.works.contains(&kind) {
        return Ok(());
    }
    let working: Vec<_> = ENTRIES.iter().filter(|e| e.works.contains(&kind)).map(|e| e.name).collect();
    let field = kind.name();
    let message = match working.as_slice() {
        [] => format!("{} does not work in this version: no index type does on a {field} field", entry.name),
        _ => format!(
            "{} does not work in this version; on a {field} field [{}] do",
            entry.name,
            working.join(" ")
        ),
    };
    Err(Error::new(Code::IndexTypeNotSupported, message))
}

/// Checks every parameter of `wanted` that is given, and fills in the others' defaults.
fn read_params(wanted: &[Param], given: &Given, dim: usize, topk: usize) -> Result<Params> {
    let mut params = Vec::with_capacity(wanted.len());
    for param in wanted {
        let names = std::iter::once(&param.name).chain(param.aliases);
        let value = match names.into_iter().find_map(|name| given.find(name)) {
            Some(value) => integer(param, value, topk)?,
            None => param.default.value(dim, topk),
        };
        params.push((param.name, value));
    }
    Ok(Params(params))
}

/// `value` as an integer in the parameter's range.
fn integer(param: &Param, value: &Value, topk: usize) -> Result<i64> {
    let name = param.name;
    let number = match value {
        Value::Number(number) => {
            number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)).or_else(|| {
                // The cast saturates, and beyond an i64 every range has ended.
                number.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i128)
            })
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(number) = number else {
        return Err(Error::invalid(format!("Invalid {name}: {value} is not an integer")));
    };
    let low = if param.at_least_topk { param.min.max(topk as i64) } else { param.min };
    match i64::try_from(number) {
        Ok(number) if (low..=param.max).contains(&number) => Ok(number),
        _ => {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Err(Error::invalid(format!(
                "Invalid {name} value: {shown}. Valid range is [{low}, {}]",
                param.max
            )))
        }
    }
}

impl Absent {
    fn value(self, dim: usize, topk: usize) -> i64 {
        match self {
            Absent::Value(value) => value,
            Absent::Rule(_) => 0,
            Absent::AtLeastTopk(value) => value.max(topk as i64),
            Absent::QuarterOfDim => {
                let most = (dim / 4).max(1);
                (1..=most).rev().find(|m| dim.is_multiple_of(*m)).unwrap_or(1) as i64
            }
        }
    }
}
