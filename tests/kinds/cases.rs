//! What is tested, and what each type promises.

use elanus::index::catalog::table::{ENTRIES, Entry};
use elanus::index::catalog::{IndexSpec, IndexType, Metric, VectorKind};

/// An index type on one kind of field.
#[derive(Clone, Copy)]
pub struct Case {
    pub entry: &'static Entry,
    pub kind: VectorKind,
}

/// Every type on every kind of field that it works on.
pub fn working() -> Vec<Case> {
    let of = |entry: &'static Entry| entry.works.iter().map(move |&kind| Case { entry, kind });
    ENTRIES.iter().flat_map(of).collect()
}

impl Case {
    pub fn metrics(&self) -> &'static [Metric] {
        self.entry.metrics(self.kind)
    }

    pub fn promise(&self) -> Promise {
        Promise::of(self.entry.index_type)
    }

    /// `{"index_type","metric_type","params"}`.
    pub fn description(&self, metric: Metric, params: &str) -> String {
        let (name, metric) = (self.entry.name, metric.name());
        format!(r#"{{"index_type":"{name}","metric_type":"{metric}","params":{params}}}"#)
    }

    pub fn spec(&self, metric: Metric, params: &str, dim: usize) -> IndexSpec {
        let description = self.description(metric, params);
        IndexSpec::from_json(&description, self.kind, dim).unwrap_or_else(|e| panic!("{description}: {e}"))
    }
}

/// What a type promises on the shipped sets: recall@10, judged by distance.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Build parameters as one chooses them for some thousands of rows.
    pub typical: &'static str,
    /// Recall with every default, of the build and of the search.
    pub at_defaults: f64,
    /// Search parameters for those who want to miss nothing.
    pub wide: &'static str,
    /// Recall with these.
    pub when_wide: f64,
    /// Build parameters for search defaults that find enough.
    pub accurate: &'static str,
    /// Recall with these and the search's defaults behind any filter; on sets of their full size 0.95.
    pub behind_filters: f64,
    /// Whether scores are those of the raw vectors. Codes without re-ranking give those of the codes.
    pub exact_scores: bool,
}

impl Promise {
    /// A type that is not named here is held to the strictest.
    fn of(index_type: IndexType) -> Promise {
        let near = Promise {
            typical: "{}",
            at_defaults: 0.95,
            wide: "{}",
            when_wide: 0.99,
            accurate: "{}",
            behind_filters: 0.95,
            exact_scores: true,
        };
        // At the default 128 lists: 0.82 for w2v by IP, 0.79 for 10,000 molecules by JACCARD; 0.92 and more elsewhere.
        let lists = Promise {
            typical: r#"{"nlist":64}"#,
            at_defaults: 0.75,
            wide: r#"{"nprobe":65536}"#,
            when_wide: 1.0,
            behind_filters: 0.90,
            ..near
        };
        match index_type {
            IndexType::Flat | IndexType::BinFlat => Promise { at_defaults: 1.0, when_wide: 1.0, ..near },
            IndexType::IvfFlat | IndexType::BinIvfFlat => lists,
            IndexType::IvfSq8 | IndexType::IvfSq8h => {
                Promise { when_wide: 0.97, exact_scores: false, ..lists }
            }
            // Four dimensions in a byte; what its codes lose no nprobe brings back.
            IndexType::IvfPq => Promise {
                at_defaults: 0.70,
                when_wide: 0.71,
                accurate: r#"{"m":384}"#,
                exact_scores: false,
                ..lists
            },
            IndexType::Hnsw => {
                Promise { typical: r#"{"M":16,"efConstruction":200}"#, wide: r#"{"ef":256}"#, ..near }
            }
            IndexType::Rnsg => Promise {
                typical: r#"{"search_length":60,"out_degree":30,"candidate_pool_size":150,"knng":60}"#,
                wide: r#"{"search_length":300}"#,
                ..near
            },
            // A twentieth of the rows is little of a small set.
            IndexType::Annoy => Promise {
                typical: r#"{"n_trees":32}"#,
                at_defaults: 0.70,
                wide: r#"{"search_k":6000}"#,
                accurate: r#"{"n_trees":256}"#,
                ..near
            },
            IndexType::DiskAnn => Promise {
                typical: r#"{"max_degree":32,"search_list_size":64}"#,
                wide: r#"{"search_list":200}"#,
                ..near
            },
            _ => near,
        }
    }
}
