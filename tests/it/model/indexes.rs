//! The kinds of index that the model asks for, what each promises, and the metrics in double precision.

use super::rows::Point;

#[derive(Debug, PartialEq)]
pub struct Kind {
    /// Type and parameters.
    pub text: &'static str,
    pub binary: bool,
    pub metrics: &'static [&'static str],
    /// Whether scores are those of codes, and not of rows.
    pub codes: bool,
    /// Search parameters, each with what a search with them promises.
    pub params: &'static [(&'static str, Promise)],
}

/// What a search promises beyond that every hit is a live row which the filter lets through, that none comes twice, and
/// that they come in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Promise {
    /// The hits are the nearest.
    Exact,
    /// As many as there are, up to topk.
    Full,
    /// Some of them.
    Some,
}

const FLOAT: &[&str] = &["L2", "IP", "COSINE"];
const BINARY: &[&str] = &["HAMMING", "JACCARD"];

pub static KINDS: &[Kind] = &[
    Kind {
        text: r#""index_type":"FLAT""#,
        binary: false,
        metrics: FLOAT,
        codes: false,
        params: &[("", Promise::Exact)],
    },
    Kind {
        text: r#""index_type":"IVF_FLAT","params":{"nlist":4}"#,
        binary: false,
        metrics: FLOAT,
        codes: false,
        params: &[(r#""nprobe":65536"#, Promise::Exact), (r#""nprobe":1"#, Promise::Some)],
    },
    Kind {
        text: r#""index_type":"IVF_SQ8","params":{"nlist":3}"#,
        binary: false,
        metrics: FLOAT,
        codes: true,
        params: &[(r#""nprobe":3"#, Promise::Full), (r#""nprobe":1"#, Promise::Some)],
    },
    Kind {
        text: r#""index_type":"IVF_PQ","params":{"nlist":2,"m":3,"nbits":4}"#,
        binary: false,
        metrics: FLOAT,
        codes: true,
        params: &[(r#""nprobe":2"#, Promise::Full)],
    },
    Kind {
        text: r#""index_type":"HNSW","params":{"M":4,"efConstruction":8}"#,
        binary: false,
        metrics: FLOAT,
        codes: false,
        params: &[("", Promise::Full)],
    },
    Kind {
        text: r#""index_type":"RNSG","params":{"search_length":10,"out_degree":5,"candidate_pool_size":50,"knng":5}"#,
        binary: false,
        metrics: &["L2", "IP"],
        codes: false,
        params: &[(r#""search_length":20"#, Promise::Full)],
    },
    Kind {
        text: r#""index_type":"ANNOY","params":{"n_trees":2}"#,
        binary: false,
        metrics: &["L2", "IP"],
        codes: false,
        params: &[(r#""search_k":-1"#, Promise::Full)],
    },
    Kind {
        text: r#""index_type":"DISKANN""#,
        binary: false,
        metrics: FLOAT,
        codes: false,
        params: &[("", Promise::Full)],
    },
    Kind {
        text: r#""index_type":"BIN_FLAT""#,
        binary: true,
        metrics: BINARY,
        codes: false,
        params: &[("", Promise::Exact)],
    },
    Kind {
        text: r#""index_type":"BIN_IVF_FLAT","params":{"nlist":3}"#,
        binary: true,
        metrics: BINARY,
        codes: false,
        params: &[(r#""nprobe":3"#, Promise::Exact)],
    },
    Kind {
        text: r#""index_type":"HNSW","params":{"M":4,"efConstruction":8}"#,
        binary: true,
        metrics: BINARY,
        codes: false,
        params: &[("", Promise::Full)],
    },
];

/// The score that users see.
pub fn score(metric: &str, a: &Point, b: &Point) -> f64 {
    match (a, b) {
        (Point::Float(a), Point::Float(b)) => {
            let pairs = || a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
            let dot: f64 = pairs().map(|(x, y)| x * y).sum();
            let square = |v: &[f32]| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let lengths = (square(a) * square(b)).sqrt();
            match metric {
                "L2" => pairs().map(|(x, y)| (x - y).powi(2)).sum(),
                "IP" => dot,
                _ if lengths > 0.0 => dot / lengths,
                _ => 0.0,
            }
        }
        (Point::Bits(a), Point::Bits(b)) => {
            let bits =
                |op: fn(u8, u8) -> u8| -> u32 { a.iter().zip(b).map(|(&x, &y)| op(x, y).count_ones()).sum() };
            let (differ, any) = (bits(|x, y| x ^ y), bits(|x, y| x | y));
            match metric {
                "HAMMING" => f64::from(differ),
                _ if any > 0 => f64::from(differ) / f64::from(any),
                _ => 1.0,
            }
        }
        _ => panic!("queries of the fields' kind"),
    }
}

/// Smaller is closer.
pub fn closeness(metric: &str, score: f64) -> f64 {
    if matches!(metric, "IP" | "COSINE") { -score } else { score }
}
