//! ONE table of index types, metrics, parameters, ranges, defaults and aliases.

use crate::error::Result;
use serde_json::Value;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IndexType {
    Flat,
    IvfFlat,
    IvfSq8,
    IvfSq8h,
    IvfPq,
    Rnsg,
    Hnsw,
    Annoy,
    DiskAnn,
    BinFlat,
    BinIvfFlat,
    GpuIvfFlat,
    GpuIvfPq,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Metric {
    L2,
    Ip,
    Cosine,
    Hamming,
    Jaccard,
    Tanimoto,
    Substructure,
    Superstructure,
}

/// A checked index description.
#[derive(Clone, PartialEq, Debug)]
pub struct IndexSpec {
    pub index_type: IndexType,
    pub metric: Metric,
    /// As checked: every parameter of the type, defaults filled in, by its canonical name.
    pub params: Params,
}

/// Integer parameters by name, in the order of the catalog.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Params(Vec<(&'static str, i64)>);

/// Checked search parameters.
pub type SearchParams = Params;

impl Params {
    pub fn get(&self, name: &str) -> Option<i64> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
}

impl IndexSpec {
    /// `{"index_type","metric_type","params":{}}`, checked for a vector field of `dim`.
    pub fn from_json(text: &str, dim: usize) -> Result<IndexSpec> {
        let _ = (text, dim);
        todo!()
    }

    pub fn to_json(&self) -> Value {
        todo!()
    }

    /// `{"nprobe":10}` (or `{"params":{"nprobe":10}}`), checked for a search of `topk`.
    pub fn search_params(&self, text: &str, topk: usize) -> Result<SearchParams> {
        let _ = (text, topk);
        todo!()
    }
}
