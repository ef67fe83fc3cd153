//! The table itself. Values: Milvus 1.x's `ValidationUtil.cpp` and pages; what came later from Milvus 2.3 and the
//! parameter tables of its engine, knowhere.

use super::{IndexType, Metric, Params, VectorKind};
use crate::error::{Error, Result};

/// The name of the type that chooses for itself.
pub const AUTOINDEX: &str = "AUTOINDEX";

/// One index type.
#[derive(Debug)]
pub struct Entry {
    pub index_type: IndexType,
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// The metrics it takes on a float field; none if it takes no such field.
    pub float_metrics: &'static [Metric],
    /// The metrics it takes on a binary field; none if it takes no such field.
    pub binary_metrics: &'static [Metric],
    /// What it works on in this version.
    pub works: &'static [VectorKind],
    pub build: &'static [Param],
    pub search: &'static [Param],
    /// What a range cannot say, given the build parameters and the dimension.
    pub check: fn(&Params, usize) -> Result<()>,
}

/// One integer parameter.
#[derive(Debug)]
pub struct Param {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub min: i64,
    pub max: i64,
    /// Whether the search's topk is a lower bound too.
    pub at_least_topk: bool,
    pub default: Absent,
}

/// What an absent parameter means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absent {
    Value(i64),
    /// The value, or topk if that is more.
    AtLeastTopk(i64),
    /// 0, of which the search makes what these words say.
    Rule(&'static str),
    /// The largest divisor of the dimension up to a quarter of it.
    QuarterOfDim,
}

impl Entry {
    /// The entry of a name or alias in any case, or of a Milvus 1.x number in text, and the name to describe it by. On a
    /// binary field the 1.x names FLAT and IVF_FLAT mean the binary types, and stay as they are in descriptions.
    pub fn find(text: &str, kind: VectorKind) -> Option<(&'static str, &'static Entry)> {
        let named = |name: &&str| text.eq_ignore_ascii_case(name);
        let is = |e: &&Entry| {
            named(&e.name) || e.aliases.iter().any(named) || text == e.index_type.id().to_string()
        };
        let entry = ENTRIES.iter().find(is)?;
        let meant = match (entry.index_type, kind) {
            (IndexType::Flat, VectorKind::Binary) => IndexType::BinFlat.entry(),
            (IndexType::IvfFlat, VectorKind::Binary) => IndexType::BinIvfFlat.entry(),
            _ => entry,
        };
        Some((entry.name, meant))
    }

    pub fn metrics(&self, kind: VectorKind) -> &'static [Metric] {
        match kind {
            VectorKind::Float => self.float_metrics,
            VectorKind::Binary => self.binary_metrics,
        }
    }
}

const FLOAT: &[Metric] = &[Metric::L2, Metric::Ip, Metric::Cosine];
const GPU_FLOAT: &[Metric] = &[Metric::L2, Metric::Ip];
const BINARY: &[Metric] =
    &[Metric::Hamming, Metric::Jaccard, Metric::Tanimoto, Metric::Substructure, Metric::Superstructure];
const BINARY_DISTANCES: &[Metric] = &[Metric::Hamming, Metric::Jaccard, Metric::Tanimoto];

const fn param(name: &'static str, min: i64, max: i64, default: i64) -> Param {
    Param { name, aliases: &[], min, max, at_least_topk: false, default: Absent::Value(default) }
}

/// A search's width, which cannot be below topk.
const fn width(name: &'static str, max: i64, default: i64) -> Param {
    Param { at_least_topk: true, default: Absent::AtLeastTopk(default), ..param(name, 1, max, 0) }
}

const NLIST: Param = param("nlist", 1, 65_536, 128);
/// Clipped to the number of lists by the search. Absent (0), the search chooses so many lists that recall is about 0.95:
/// half as many again as the square root of their number, and behind a filter until it has gone three times as deep as
/// where an eighth of the rows that the filter lets through were seen. Milvus' default is 8, at any number of lists.
const NPROBE: Param = Param {
    default: Absent::Rule("1.5 times the square root of nlist, farther behind a filter"),
    ..param("nprobe", 1, 65_536, 0)
};
const GPU_NPROBE: Param = param("nprobe", 1, 65_536, 8);
/// Ranks the best `refine_k * topk` hits by their raw vectors; absent (0): scores stay those of the codes. Milvus' newer
/// versions have it as a float from 1 on; whole multiples are all that is of use.
const REFINE_K: Param = param("refine_k", 1, 1_024, 0);
/// From so many queries on a search of IVF_SQ8H would run on a GPU as a whole. Milvus 1.x has it in the configuration of
/// its server, with this default; a library has no server, and only the caller knows what shares the GPU with a search.
const GPU_SEARCH_THRESHOLD: Param = param("gpu_search_threshold", 1, i64::MAX, 1_000);
const PQ_M: Param = Param { default: Absent::QuarterOfDim, ..param("m", 1, 65_536, 0) };

/// A CPU type on float fields that does not work yet, to be changed where a line differs.
const BASE: Entry = Entry {
    index_type: IndexType::Flat,
    name: "FLAT",
    aliases: &[],
    float_metrics: FLOAT,
    binary_metrics: &[],
    works: &[],
    build: &[],
    search: &[],
    check: |_, _| Ok(()),
};

/// Every index type.
pub static ENTRIES: &[Entry] = &[
    Entry { works: &[VectorKind::Float], ..BASE },
    Entry {
        index_type: IndexType::IvfFlat,
        name: "IVF_FLAT",
        aliases: &["IVFLAT"],
        works: &[VectorKind::Float],
        build: &[NLIST],
        search: &[NPROBE],
        ..BASE
    },
    Entry {
        index_type: IndexType::IvfSq8,
        name: "IVF_SQ8",
        works: &[VectorKind::Float],
        build: &[NLIST, param("nbits", 8, 8, 8)],
        search: &[NPROBE, REFINE_K],
        ..BASE
    },
    Entry {
        index_type: IndexType::IvfSq8h,
        name: "IVF_SQ8H",
        aliases: &["IVF_SQ8_HYBRID"],
        works: &[VectorKind::Float],
        build: &[NLIST, param("nbits", 8, 8, 8)],
        search: &[NPROBE, REFINE_K, GPU_SEARCH_THRESHOLD],
        ..BASE
    },
    Entry {
        index_type: IndexType::IvfPq,
        name: "IVF_PQ",
        works: &[VectorKind::Float],
        build: &[NLIST, PQ_M, param("nbits", 1, 16, 8)],
        search: &[NPROBE, REFINE_K],
        check: m_divides_dim,
        ..BASE
    },
    Entry {
        index_type: IndexType::Rnsg,
        name: "RNSG",
        aliases: &["NSG"],
        works: &[VectorKind::Float],
        build: &[
            param("search_length", 10, 300, 45),
            param("out_degree", 5, 300, 50),
            param("candidate_pool_size", 50, 1_000, 300),
            param("knng", 5, 300, 100),
        ],
        search: &[param("search_length", 10, 300, 45)],
        ..BASE
    },
    Entry {
        index_type: IndexType::Hnsw,
        name: "HNSW",
        aliases: &["RHNSW_FLAT"],
        binary_metrics: BINARY_DISTANCES,
        works: &[VectorKind::Float, VectorKind::Binary],
        build: &[param("M", 4, 64, 30), param("efConstruction", 8, 512, 360)],
        search: &[width("ef", 32_768, 64)],
        ..BASE
    },
    Entry {
        index_type: IndexType::Annoy,
        name: "ANNOY",
        works: &[VectorKind::Float],
        build: &[param("n_trees", 1, 1_024, 8)],
        // Any number, as in Milvus: negative ones are 5 % of the rows, and too small ones are topk.
        search: &[param("search_k", i64::MIN, i64::MAX, -1)],
        ..BASE
    },
    Entry {
        index_type: IndexType::DiskAnn,
        name: "DISKANN",
        works: &[VectorKind::Float],
        build: &[param("max_degree", 1, 2_048, 56), param("search_list_size", 1, 65_535, 100)],
        search: &[
            Param { aliases: &["search_list_size"], ..width("search_list", 65_535, 16) },
            param("beamwidth", 1, 128, 8),
        ],
        ..BASE
    },
    Entry {
        index_type: IndexType::BinFlat,
        name: "BIN_FLAT",
        aliases: &["BIN_IDMAP"],
        works: &[VectorKind::Binary],
        ..binary(BINARY)
    },
    Entry {
        index_type: IndexType::BinIvfFlat,
        name: "BIN_IVF_FLAT",
        aliases: &["BIN_IVFFLAT"],
        works: &[VectorKind::Binary],
        build: &[NLIST],
        search: &[NPROBE],
        ..binary(BINARY_DISTANCES)
    },
    Entry { index_type: IndexType::GpuBruteForce, name: "GPU_BRUTE_FORCE", float_metrics: GPU_FLOAT, ..BASE },
    Entry {
        index_type: IndexType::GpuIvfFlat,
        name: "GPU_IVF_FLAT",
        float_metrics: GPU_FLOAT,
        build: &[NLIST],
        search: &[GPU_NPROBE],
        ..BASE
    },
    Entry {
        index_type: IndexType::GpuIvfPq,
        name: "GPU_IVF_PQ",
        float_metrics: GPU_FLOAT,
        // m 0: chosen by the build.
        build: &[NLIST, param("m", 0, 65_536, 0), param("nbits", 4, 8, 8)],
        search: &[GPU_NPROBE],
        check: m_divides_dim,
        ..BASE
    },
    Entry {
        index_type: IndexType::GpuCagra,
        name: "GPU_CAGRA",
        float_metrics: GPU_FLOAT,
        build: &[param("intermediate_graph_degree", 1, 65_536, 128), param("graph_degree", 1, 65_536, 64)],
        search: &[width("itopk_size", 65_536, 64), param("search_width", 1, 65_536, 1)],
        check: |params, _| {
            if params.get("graph_degree") > params.get("intermediate_graph_degree") {
                return Err(Error::invalid("Graph degree cannot be larger than intermediate graph degree"));
            }
            Ok(())
        },
        ..BASE
    },
];

const fn binary(metrics: &'static [Metric]) -> Entry {
    Entry { float_metrics: &[], binary_metrics: metrics, ..BASE }
}

fn m_divides_dim(params: &Params, dim: usize) -> Result<()> {
    let m = params.count("m");
    if m > 0 && !dim.is_multiple_of(m) {
        return Err(Error::invalid(format!(
            "dimension must be able to be divided by `m`, dimension: {dim}, m: {m}"
        )));
    }
    Ok(())
}
