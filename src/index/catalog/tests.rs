use super::*;

fn float(text: &str) -> Result<IndexSpec> {
    IndexSpec::from_json(text, VectorKind::Float, 128)
}

fn refused(outcome: Result<impl std::fmt::Debug>) -> (Code, String) {
    let error = outcome.unwrap_err();
    (error.code(), error.message().to_owned())
}

/// The table's check of one build or search parameter, without asking whether the type works yet.
fn checked(params: &[Param], text: &str, topk: usize) -> Result<Params> {
    read_params(params, &Given::parse(text, "test").unwrap(), 128, topk)
}

#[test]
fn every_type_has_its_line_and_its_number() {
    let expected = [
        (1, "FLAT"),
        (2, "IVF_FLAT"),
        (3, "IVF_SQ8"),
        (5, "IVF_SQ8H"),
        (6, "IVF_PQ"),
        (4, "RNSG"),
        (11, "HNSW"),
        (12, "ANNOY"),
        (100, "DISKANN"),
        (9, "BIN_FLAT"),
        (10, "BIN_IVF_FLAT"),
        (110, "GPU_BRUTE_FORCE"),
        (111, "GPU_IVF_FLAT"),
        (112, "GPU_IVF_PQ"),
        (113, "GPU_CAGRA"),
    ];
    let table: Vec<_> = ENTRIES.iter().map(|e| (e.index_type.id(), e.index_type.name())).collect();
    assert_eq!(table, expected);
}

#[test]
fn aliases_numbers_and_binary_fields_find_their_type() {
    for (text, kind, name) in [
        ("IVFLAT", VectorKind::Float, "IVF_FLAT"),
        ("ivf_flat", VectorKind::Float, "IVF_FLAT"),
        ("2", VectorKind::Float, "IVF_FLAT"),
        ("IVF_SQ8_HYBRID", VectorKind::Float, "IVF_SQ8H"),
        ("NSG", VectorKind::Float, "RNSG"),
        ("11", VectorKind::Float, "HNSW"),
        ("FLAT", VectorKind::Binary, "BIN_FLAT"),
        ("1", VectorKind::Binary, "BIN_FLAT"),
        ("IVF_FLAT", VectorKind::Binary, "BIN_IVF_FLAT"),
        ("IVFLAT", VectorKind::Binary, "BIN_IVF_FLAT"),
        ("BIN_FLAT", VectorKind::Binary, "BIN_FLAT"),
    ] {
        assert_eq!(Entry::find(text, kind).map(|(_, e)| e.name), Some(name), "{text}");
    }
    assert!(Entry::find("7", VectorKind::Float).is_none());
    assert!(Entry::find("", VectorKind::Float).is_none());
}

#[test]
fn metrics_have_the_numbers_of_milvus() {
    for (id, name) in [
        (1, "L2"),
        (2, "IP"),
        (3, "HAMMING"),
        (4, "JACCARD"),
        (5, "TANIMOTO"),
        (6, "SUBSTRUCTURE"),
        (7, "SUPERSTRUCTURE"),
    ] {
        let metric = Metric::from_name(name).unwrap();
        assert_eq!((metric.id(), metric.name()), (id, name));
        assert_eq!(Metric::from_name(&id.to_string()), Some(metric));
        assert_eq!(Metric::from_name(&name.to_lowercase()), Some(metric));
    }
    assert_eq!(Metric::from_name("COSINE"), Some(Metric::Cosine));
    assert_eq!(Metric::from_name("0"), None);
    assert_eq!(Metric::parse("cosine", VectorKind::Float).unwrap(), Metric::Cosine);
    let message = "metric type not found or not supported, supported: [L2 IP COSINE]";
    assert_eq!(
        refused(Metric::parse("JACCARD", VectorKind::Float)),
        (Code::InvalidParameter, message.into())
    );
}

#[test]
fn similarities_regain_their_sign() {
    assert_eq!(Metric::L2.user_score(2.0), 2.0);
    assert_eq!(Metric::Ip.user_score(-2.0), 2.0);
    assert!(Metric::Cosine.user_score(0.0).is_sign_positive());
    assert_eq!([0.0, 0.5, 1.0].map(|j| Metric::Tanimoto.user_score(j)), [0.0, 1.0, f32::INFINITY]);
    assert!(Metric::Tanimoto.user_score(0.0).is_sign_positive());
    assert_eq!(Metric::Jaccard.user_score(0.5), 0.5);
}

/// Which metrics each type takes (milvus-semantics 1.2, 1.4).
#[test]
fn metrics_fit_their_types() {
    let five = "HAMMING JACCARD TANIMOTO SUBSTRUCTURE SUPERSTRUCTURE";
    for (name, on_float, on_binary) in [
        ("FLAT", "L2 IP COSINE", ""),
        ("IVF_FLAT", "L2 IP COSINE", ""),
        ("IVF_SQ8", "L2 IP COSINE", ""),
        ("IVF_SQ8H", "L2 IP COSINE", ""),
        ("IVF_PQ", "L2 IP COSINE", ""),
        ("RNSG", "L2 IP COSINE", ""),
        ("HNSW", "L2 IP COSINE", "HAMMING JACCARD TANIMOTO"),
        ("ANNOY", "L2 IP COSINE", ""),
        ("DISKANN", "L2 IP COSINE", ""),
        ("BIN_FLAT", "", five),
        ("BIN_IVF_FLAT", "", "HAMMING JACCARD TANIMOTO"),
        ("GPU_BRUTE_FORCE", "L2 IP", ""),
        ("GPU_IVF_FLAT", "L2 IP", ""),
        ("GPU_IVF_PQ", "L2 IP", ""),
        ("GPU_CAGRA", "L2 IP", ""),
    ] {
        let entry = ENTRIES.iter().find(|e| e.name == name).unwrap();
        let names = |metrics: &[Metric]| metrics.iter().map(|m| m.name()).collect::<Vec<_>>().join(" ");
        assert_eq!(names(entry.float_metrics), on_float, "{name}");
        assert_eq!(names(entry.binary_metrics), on_binary, "{name}");
    }
}

/// Each parameter's range and default, at its edges.
#[test]
fn ranges_hold_at_their_edges() {
    let build = [
        ("IVF_FLAT", "nlist", 1, 65_536, 128),
        ("IVF_SQ8", "nlist", 1, 65_536, 128),
        ("IVF_SQ8", "nbits", 8, 8, 8),
        ("IVF_SQ8H", "nlist", 1, 65_536, 128),
        ("IVF_PQ", "nlist", 1, 65_536, 128),
        ("IVF_PQ", "nbits", 1, 16, 8),
        ("IVF_PQ", "m", 1, 65_536, 32), // a quarter of 128
        ("RNSG", "search_length", 10, 300, 45),
        ("RNSG", "out_degree", 5, 300, 50),
        ("RNSG", "candidate_pool_size", 50, 1_000, 300),
        ("RNSG", "knng", 5, 300, 100),
        ("HNSW", "M", 4, 64, 30),
        ("HNSW", "efConstruction", 8, 512, 360),
        ("ANNOY", "n_trees", 1, 1_024, 8),
        ("DISKANN", "max_degree", 1, 2_048, 56),
        ("BIN_IVF_FLAT", "nlist", 1, 65_536, 128),
        ("GPU_IVF_FLAT", "nlist", 1, 65_536, 128),
        ("GPU_IVF_PQ", "m", 0, 65_536, 0),
        ("GPU_CAGRA", "graph_degree", 1, 65_536, 64),
    ];
    let search = [
        ("IVF_FLAT", "nprobe", 1, 65_536, 0),
        ("IVF_PQ", "nprobe", 1, 65_536, 0),
        ("IVF_PQ", "refine_k", 1, 1_024, 0), // absent: no refinement
        ("IVF_SQ8", "refine_k", 1, 1_024, 0),
        ("IVF_SQ8H", "refine_k", 1, 1_024, 0),
        ("IVF_SQ8H", "gpu_search_threshold", 1, i64::MAX, 1_000),
        ("BIN_IVF_FLAT", "nprobe", 1, 65_536, 0),
        ("GPU_IVF_PQ", "nprobe", 1, 65_536, 8),
        ("HNSW", "ef", 10, 32_768, 64), // topk 10
        ("RNSG", "search_length", 10, 300, 45),
        ("ANNOY", "search_k", i64::MIN, i64::MAX, -1),
        ("DISKANN", "search_list", 10, 65_535, 16),
        ("DISKANN", "beamwidth", 1, 128, 8),
    ];
    let cases = build.map(|case| (true, case)).into_iter().chain(search.map(|case| (false, case)));
    for (is_build, (index, name, low, high, default)) in cases {
        let entry = ENTRIES.iter().find(|e| e.name == index).unwrap();
        let params = if is_build { entry.build } else { entry.search };
        let get = |text: String| checked(params, &text, 10).map(|p| p.get(name).unwrap());
        assert_eq!(get("{}".into()).unwrap(), default, "{index} {name}");
        for value in [low, high] {
            assert_eq!(get(format!("{{\"{name}\":{value}}}")).unwrap(), value, "{index} {name}");
        }
        // What lies beyond every integer is a float in JSON, and looks like the last integer.
        let beyond = [i128::from(low) - 1, i128::from(high) + 1].into_iter();
        for value in beyond.filter(|&value| value >= i128::from(i64::MIN)) {
            let message = format!("Invalid {name} value: {value}. Valid range is [{low}, {high}]");
            let outcome = get(format!("{{\"{name}\":{value}}}"));
            assert_eq!(refused(outcome), (Code::InvalidParameter, message), "{index}");
        }
    }
}

#[test]
fn numbers_come_in_several_dresses() {
    for text in [
        r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":1024}}"#,
        r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":"1024"}}"#,
        r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":{"nlist":1024.0}}"#,
        r#"{"index_type":"IVF_FLAT","metric_type":"L2","params":"{\"nlist\":1024}"}"#,
        r#"{"index_type":"IVF_FLAT","metric_type":"L2","nlist":1024}"#,
        r#"{"index_type":2,"metric_type":1,"params":{"nlist":1024,"unknown":"kept out"}}"#,
    ] {
        let spec = float(text).unwrap();
        assert_eq!((spec.index_type, spec.metric), (IndexType::IvfFlat, Metric::L2), "{text}");
        assert_eq!(spec.params.get("nlist"), Some(1024), "{text}");
        assert_eq!(float(&spec.to_json().to_string()).unwrap(), spec);
    }
    for (value, shown) in [
        ("10.5", "10.5 is not an integer"),
        ("\"abc\"", "\"abc\" is not an integer"),
        ("\"\"", "\"\" is not an integer"),
        ("true", "true is not an integer"),
        ("null", "null is not an integer"),
        ("[1]", "[1] is not an integer"),
    ] {
        let text = format!(r#"{{"index_type":"IVF_FLAT","metric_type":"L2","params":{{"nlist":{value}}}}}"#);
        assert_eq!(refused(float(&text)), (Code::InvalidParameter, format!("Invalid nlist: {shown}")));
    }
    for value in ["1e300", "-1e300", "18446744073709551615"] {
        let (_, message) = refused(checked(&[param_nlist()], &format!("{{\"nlist\":{value}}}"), 1));
        let shown = serde_json::from_str::<Value>(value).unwrap();
        assert_eq!(message, format!("Invalid nlist value: {shown}. Valid range is [1, 65536]"));
    }
}

fn param_nlist() -> Param {
    Param {
        name: "nlist",
        aliases: &[],
        min: 1,
        max: 65_536,
        at_least_topk: false,
        default: Absent::Value(128),
    }
}

#[test]
fn refusals_speak_milvus_words() {
    use Code::{
        IndexTypeNotSupported as NotSupported, InvalidParameter as Invalid, MissingParameter as Missing,
    };
    for (text, code, start) in [
        (
            r#"{"index_type":"FOO"}"#,
            NotSupported,
            "invalid index type: FOO, supported: [FLAT IVF_FLAT IVF_SQ8 ",
        ),
        (
            r#"{"index_type":"GPU_IVF_FLAT","metric_type":"L2"}"#,
            NotSupported,
            "GPU_IVF_FLAT does not work in this version; on a float_vector field [FLAT IVF_FLAT IVF_SQ8 ",
        ),
        (
            r#"{"index_type":"FLAT"}"#,
            Missing,
            "metric type not found or not supported, supported: [L2 IP COSINE]",
        ),
        (
            r#"{"index_type":"FLAT","metric_type":"HAMMING"}"#,
            Invalid,
            "metric type not found or not supported, supported: [L2 IP COSINE]",
        ),
        (
            r#"{"index_type":"BIN_FLAT","metric_type":"HAMMING"}"#,
            Invalid,
            "BIN_FLAT: binary vector is only supported",
        ),
        (
            r#"{"index_type":"HNSW","metric_type":"L2","params":{"M":3}}"#,
            Invalid,
            "Invalid M value: 3. Valid range is [4, 64]",
        ),
        (
            r#"{"index_type":"HNSW","metric_type":"L2","params":7}"#,
            Invalid,
            "index description: params must be a JSON object, not 7",
        ),
        (r#"{"index_type":[],"metric_type":"L2"}"#, Invalid, "Invalid index_type: [] is not a name"),
        (
            r#"{"index_type":"AUTOINDEX","params":{"M":8}}"#,
            Invalid,
            "only metric type can be passed when use AutoIndex",
        ),
        (
            r#"{"metric_type":"L2","efConstruction":100}"#,
            Invalid,
            "only metric type can be passed when use AutoIndex",
        ),
        ("[]", Invalid, "index description must be a JSON object, not []"),
        ("{", Invalid, "index description must be a JSON object: EOF"),
    ] {
        let (found, message) = refused(float(text));
        assert_eq!(found, code, "{text}: {message}");
        assert!(message.starts_with(start), "{text}: {message}");
    }
    let binary = |text| refused(IndexSpec::from_json(text, VectorKind::Binary, 128));
    assert_eq!(
        binary(r#"{"index_type":"IVF_PQ"}"#),
        (Invalid, "IVF_PQ: float vector are only supported".into())
    );
}

/// Milvus 1.x: FLAT and IVF_FLAT on a binary field are its binary types, and it describes them by the names asked.
#[test]
fn binary_fields_take_the_old_names() {
    let read = |text: &str| IndexSpec::from_json(text, VectorKind::Binary, 128);
    for (asked, index_type, name) in [
        ("FLAT", IndexType::BinFlat, "FLAT"),
        ("flat", IndexType::BinFlat, "FLAT"),
        ("1", IndexType::BinFlat, "FLAT"),
        ("BIN_FLAT", IndexType::BinFlat, "BIN_FLAT"),
        ("BIN_IDMAP", IndexType::BinFlat, "BIN_FLAT"),
        ("IVF_FLAT", IndexType::BinIvfFlat, "IVF_FLAT"),
        ("IVFLAT", IndexType::BinIvfFlat, "IVF_FLAT"),
        ("bin_ivf_flat", IndexType::BinIvfFlat, "BIN_IVF_FLAT"),
        ("HNSW", IndexType::Hnsw, "HNSW"),
    ] {
        let spec = read(&format!(r#"{{"index_type":"{asked}","metric_type":"JACCARD"}}"#)).unwrap();
        assert_eq!((spec.index_type, spec.name), (index_type, name), "{asked}");
        assert_eq!(spec.to_json()["index_type"], name);
        assert_eq!(read(&spec.to_json().to_string()).unwrap(), spec);
    }
    let auto = read(r#"{"index_type":"AUTOINDEX"}"#).unwrap();
    assert_eq!((auto.index_type, auto.metric), (IndexType::Hnsw, Metric::Hamming));
    for name in ["IVF_SQ8", "IVF_PQ", "RNSG", "ANNOY", "DISKANN"] {
        let (code, message) = refused(read(&format!(r#"{{"index_type":"{name}","metric_type":"JACCARD"}}"#)));
        assert_eq!(
            (code, message),
            (Code::InvalidParameter, format!("{name}: float vector are only supported"))
        );
    }
}

#[test]
fn what_ranges_cannot_say_is_checked() {
    let check = |name: &str, text: &str| {
        let entry = ENTRIES.iter().find(|e| e.name == name).unwrap();
        (entry.check)(&checked(entry.build, text, 0).unwrap(), 128)
    };
    check("IVF_PQ", r#"{"m":64}"#).unwrap();
    check("GPU_IVF_PQ", "{}").unwrap();
    check("GPU_CAGRA", "{}").unwrap();
    let (_, message) = refused(check("IVF_PQ", r#"{"m":48}"#));
    assert_eq!(message, "dimension must be able to be divided by `m`, dimension: 128, m: 48");
    let (_, message) = refused(check("GPU_CAGRA", r#"{"graph_degree":129}"#));
    assert_eq!(message, "Graph degree cannot be larger than intermediate graph degree");
    for (dim, m) in [(384, 96), (100, 25), (7, 1), (1, 1), (127, 1)] {
        assert_eq!(Absent::QuarterOfDim.value(dim, 0), m);
    }
}

#[test]
fn auto_index_is_hnsw() {
    for text in ["", "{}", r#"{"index_type":"AUTOINDEX"}"#, r#"{"index_type":"autoindex","params":{}}"#] {
        let spec = float(text).unwrap();
        assert_eq!((spec.index_type, spec.metric), (IndexType::Hnsw, Metric::Cosine));
        assert_eq!((spec.params.get("M"), spec.params.get("efConstruction")), (Some(18), Some(240)));
    }
    assert_eq!(float(r#"{"metric_type":"IP"}"#).unwrap().metric, Metric::Ip);
}

#[test]
fn search_parameters_are_those_of_the_index() {
    let hnsw = float(r#"{"index_type":"HNSW","metric_type":"L2"}"#).unwrap();
    assert_eq!(hnsw.search_params("", 100).unwrap().get("ef"), Some(100));
    assert_eq!(hnsw.search_params("{}", 1).unwrap().get("ef"), Some(64));
    assert_eq!(hnsw.search_params(r#"{"ef":100}"#, 100).unwrap().get("ef"), Some(100));
    let nested = r#"{"metric_type":"L2","params":{"ef":"200"}}"#;
    assert_eq!(hnsw.search_params(nested, 100).unwrap().get("ef"), Some(200));
    let (code, message) = refused(hnsw.search_params(r#"{"ef":99}"#, 100));
    assert_eq!(
        (code, message.as_str()),
        (Code::InvalidParameter, "Invalid ef value: 99. Valid range is [100, 32768]")
    );
    assert_eq!(hnsw.search_params(r#"{"nprobe":0}"#, 1).unwrap().get("nprobe"), None);
    let (code, message) = refused(hnsw.search_params(r#"{"metric_type":"IP"}"#, 1));
    assert_eq!(code, Code::InvalidParameter);
    assert_eq!(message, "metric type not match: invalid parameter[expected=L2][actual=IP]");
    let ivf = float(r#"{"index_type":"IVF_FLAT","metric_type":"L2"}"#).unwrap();
    assert_eq!(ivf.search_params(r#"{"nprobe":65536}"#, 1).unwrap().count("nprobe"), 65_536);
    let (index_type, name) = (IndexType::DiskAnn, "DISKANN");
    let disk = IndexSpec { index_type, name, metric: Metric::L2, params: Params::default() };
    assert_eq!(disk.search_params(r#"{"search_list_size":20}"#, 1).unwrap().get("search_list"), Some(20));
}
