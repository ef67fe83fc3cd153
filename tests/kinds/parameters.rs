//! Every parameter of every type, missing, of the wrong type, beside, at and within its bounds; and everything else that an
//! index description can get wrong. Milvus' words and codes, and after an error nothing has changed.

use crate::cases::{Case, working};
use crate::engine::*;
use crate::sets::{Set, tags, w2v};
use elanus::collection::{Collection, IndexRequest, OnConflict};
use elanus::database::Database;
use elanus::error::{Code, Error, Result};
use elanus::index::catalog::table::{Absent, ENTRIES, Param};
use elanus::index::catalog::{Metric, VectorKind};
use elanus::storage::fault::FaultDisk;
use std::collections::BTreeMap;
use std::path::PathBuf;

const ROWS: usize = 60;
const TOPK: usize = 5;

/// What JSON can hold where an integer should stand.
const NO_INTEGERS: [&str; 7] = ["\"abc\"", "\"\"", "true", "null", "1.5", "[1]", "{}"];

/// A small sealed collection, and how its database looked when it was last right.
struct Bed {
    disk: FaultDisk,
    _database: Database,
    collection: Collection,
    set: Set,
}

impl Bed {
    fn new(kind: VectorKind) -> Bed {
        let set = match kind {
            VectorKind::Float => w2v(),
            VectorKind::Binary => tags(),
        };
        let set = set.head(ROWS, 1);
        let (disk, database, collection) = stored(&set, 2);
        Bed { disk, _database: database, collection, set }
    }

    fn state(&self) -> (Vec<String>, BTreeMap<PathBuf, Vec<u8>>) {
        (self.collection.list_indexes().expect("a list"), files(&self.disk))
    }

    /// The call fails with the code and the text, and changes nothing.
    fn refuses(&self, about: &str, code: Code, text: &str, call: impl FnOnce() -> Result<()>) {
        let before = self.state();
        let error = call().err().unwrap_or_else(|| panic!("{about} should fail"));
        assert!(
            error.code() == code && error.message().contains(text),
            "{about}: {:?} {error}\n not {code:?} {text}",
            error.code()
        );
        assert!(self.state() == before, "{about}: something changed");
    }

    fn create(&self, description: &str) -> Result<()> {
        create_index(&self.collection, description)
    }

    fn search(&self, params: &str, metric: Option<&str>) -> Result<usize> {
        let found = search(&self.collection, &self.set.queries, &search_options(TOPK, params, metric))?;
        Ok(found.ids.len())
    }

    /// The build parameters as `describe_index` gives them.
    fn described(&self) -> serde_json::Value {
        self.collection.describe_index("v").expect("a description")
    }
}

fn with(name: &str, value: impl std::fmt::Display) -> String {
    format!(r#"{{"{name}":{value}}}"#)
}

fn out_of_range(param: &Param, value: i128, low: i64) -> String {
    format!("Invalid {} value: {value}. Valid range is [{low}, {}]", param.name, param.max)
}

/// Whether an integer in its range may still not fit: what a range cannot say.
fn fits(case: &Case, param: &Param, value: i64, dim: usize) -> bool {
    !(param.name == "m" && case.entry.name.ends_with("PQ")) || (value > 0 && dim as i64 % value == 0)
}

fn build_parameters(case: &Case, bed: &Bed) {
    let metric = case.metrics()[0];
    let describe = |params: &str| case.description(metric, params);
    let name = case.entry.name;
    bed.create(&describe("{}")).unwrap_or_else(|e| panic!("{name} without parameters: {e}"));
    for param in case.entry.build {
        let about = |value: &str| format!("{name} {} {value}", param.name);
        if let Absent::Value(default) = param.default {
            assert_eq!(bed.described()["params"][param.name], default, "{}", about("absent"));
        }
        for value in NO_INTEGERS {
            let text = format!("Invalid {}: {value} is not an integer", param.name);
            let description = describe(&with(param.name, value));
            bed.refuses(&about(value), Code::InvalidParameter, &text, || bed.create(&description));
        }
        let (low, high) = (i128::from(param.min), i128::from(param.max));
        for value in [low - 1, high + 1, i128::from(i64::MIN), i128::from(i64::MAX) + 1] {
            let inside = (low..=high).contains(&value);
            let description = describe(&with(param.name, value));
            if !inside {
                let text = out_of_range(param, value, param.min);
                let about = about(&value.to_string());
                bed.refuses(&about, Code::InvalidParameter, &text, || bed.create(&description));
            }
        }
        for value in [param.min, param.max] {
            let about = about(&value.to_string());
            for given in [with(param.name, value), with(param.name, format!("\"{value}\""))] {
                if fits(case, param, value, bed.set.dim) {
                    bed.create(&describe(&given)).unwrap_or_else(|e| panic!("{about}: {e}"));
                    assert_eq!(bed.described()["params"][param.name], value, "{about}");
                    assert_eq!(bed.search("", None).expect("a search"), TOPK, "{about}");
                } else {
                    let text = format!(
                        "dimension must be able to be divided by `m`, dimension: {}, m: {value}",
                        bed.set.dim
                    );
                    bed.refuses(&about, Code::InvalidParameter, &text, || bed.create(&describe(&given)));
                }
            }
        }
    }
    // What the type does not know is ignored, whatever it is.
    let unknown = r#"{"no_such_parameter":-7,"another":{"deep":[null]},"third":"text"}"#;
    bed.create(&describe(unknown)).unwrap_or_else(|e| panic!("{name} with unknown parameters: {e}"));
    assert!(bed.described()["params"].get("no_such_parameter").is_none());
}

fn search_parameters(case: &Case, bed: &Bed) {
    let metric = case.metrics()[0];
    let name = case.entry.name;
    bed.create(&case.description(metric, "{}")).expect("an index");
    let asked = |params: &str| bed.search(params, None).map(|_| ());
    for param in case.entry.search {
        let low = if param.at_least_topk { param.min.max(TOPK as i64) } else { param.min };
        let about = |value: &str| format!("{name} search {} {value}", param.name);
        for value in NO_INTEGERS {
            let text = format!("Invalid {}: {value} is not an integer", param.name);
            bed.refuses(&about(value), Code::InvalidParameter, &text, || asked(&with(param.name, value)));
        }
        // An integer below all that have 64 bits is a float in JSON.
        let beyond = [i128::from(low) - 1, i128::from(param.max) + 1].into_iter();
        for value in beyond.filter(|&value| value >= i128::from(i64::MIN)) {
            let text = out_of_range(param, value, low);
            let about = about(&value.to_string());
            bed.refuses(&about, Code::InvalidParameter, &text, || asked(&with(param.name, value)));
        }
        for value in [low, param.max] {
            for given in [with(param.name, value), format!(r#"{{"params":{}}}"#, with(param.name, value))] {
                let found = bed.search(&given, None).unwrap_or_else(|e| panic!("{}: {e}", about(&given)));
                assert_eq!(found, TOPK, "{}", about(&given));
            }
        }
    }
    // The knobs of other types are ignored, even where they make no sense.
    let mine = |name: &str| case.entry.search.iter().any(|p| p.name == name || p.aliases.contains(&name));
    for param in ENTRIES.iter().flat_map(|entry| entry.search).filter(|param| !mine(param.name)) {
        for value in ["-5", "\"text\""] {
            let found = bed.search(&with(param.name, value), None);
            assert_eq!(found.unwrap_or_else(|e| panic!("{name} and {}: {e}", param.name)), TOPK);
        }
    }
    for other in Metric::ALL.into_iter().filter(|other| *other != metric) {
        let text = format!(
            "metric type not match: invalid parameter[expected={}][actual={}]",
            metric.name(),
            other.name()
        );
        bed.refuses(name, Code::InvalidParameter, &text, || bed.search("", Some(other.name())).map(|_| ()));
    }
    bed.refuses(name, Code::InvalidParameter, "must be a JSON object", || asked("[1]"));
}

fn metrics(case: &Case, bed: &Bed) {
    let name = case.entry.name;
    let names: Vec<_> = case.metrics().iter().map(|metric| metric.name()).collect();
    let text = format!("metric type not found or not supported, supported: [{}]", names.join(" "));
    let no_metric = format!(r#"{{"index_type":"{name}"}}"#);
    bed.refuses(name, Code::MissingParameter, &text, || bed.create(&no_metric));
    let others = Metric::ALL.into_iter().filter(|metric| !case.metrics().contains(metric)).map(Metric::name);
    for metric in others.chain(["EUCLID", ""]) {
        let description = format!(r#"{{"index_type":"{name}","metric_type":"{metric}"}}"#);
        bed.refuses(&description, Code::InvalidParameter, &text, || bed.create(&description));
    }
    for &metric in case.metrics() {
        let description = case.description(metric, "{}");
        bed.create(&description).unwrap_or_else(|e| panic!("{description}: {e}"));
        let described = bed.described();
        assert_eq!(described["index_type"], name);
        assert_eq!(described["metric_type"], metric.name());
        assert_eq!(described["total_rows"], ROWS);
        assert_eq!(described["indexed_rows"], ROWS);
    }
}

fn fields_and_collections(case: &Case, bed: &Bed) {
    let description = case.description(case.metrics()[0], "{}");
    let create = |field: &str| {
        let (name, on_conflict) = (None, OnConflict::Replace);
        let request = IndexRequest { field, description: &description, name, on_conflict, wait: true };
        bed.collection.create_index(&request, None)
    };
    let text = "cannot create index on non-exist field: nowhere";
    bed.refuses(case.entry.name, Code::FieldNotFound, text, || create("nowhere"));
    let text = "supported on a scalar field: [STL_SORT INVERTED]";
    bed.refuses(case.entry.name, Code::IndexTypeNotSupported, text, || create("id"));
    assert!(bed.collection.drop_index("nothing").is_ok(), "dropping what is not there is fine, as in Milvus");
    let gone = bed._database.collection("nowhere").err().map(|error| error.code());
    assert_eq!(gone, Some(Code::CollectionNotFound));
}

/// All of it for one kind of field, one type after the other on one collection.
fn everything(kind: VectorKind) {
    let bed = Bed::new(kind);
    for case in working().iter().filter(|case| case.kind == kind) {
        println!("{}", case.entry.name);
        metrics(case, &bed);
        build_parameters(case, &bed);
        search_parameters(case, &bed);
        fields_and_collections(case, &bed);
        // Through it all the index is whole.
        assert_eq!(bed.search("", None).expect("a search"), TOPK);
        bed.collection.drop_index("v").expect("a drop");
        assert!(index_files(&bed.disk).is_empty(), "{}: a file is left", case.entry.name);
    }
}

#[test]
fn every_parameter_on_a_float_field() {
    everything(VectorKind::Float);
}

#[test]
fn every_parameter_on_a_binary_field() {
    everything(VectorKind::Binary);
}

/// A type on a field that it does not take, or that does not work yet.
#[test]
fn types_on_fields_that_are_not_theirs() {
    for kind in [VectorKind::Float, VectorKind::Binary] {
        let bed = Bed::new(kind);
        for entry in ENTRIES.iter().filter(|entry| !entry.works.contains(&kind)) {
            let metric = Metric::ALL.into_iter().find(|metric| metric.kind() == kind).expect("a metric");
            let metric = entry.metrics(kind).first().copied().unwrap_or(metric);
            let (name, metric) = (entry.name, metric.name());
            let description = format!(r#"{{"index_type":"{name}","metric_type":"{metric}","params":{{}}}}"#);
            let fits = !entry.metrics(kind).is_empty();
            // The 1.x names mean the binary types.
            let renamed = kind == VectorKind::Binary && matches!(name, "FLAT" | "IVF_FLAT");
            let error: Option<Error> = match (renamed, fits) {
                (true, _) => continue,
                (_, true) => {
                    let text = "does not work in this version";
                    bed.refuses(name, Code::IndexTypeNotSupported, text, || bed.create(&description));
                    None
                }
                (_, false) => bed.create(&description).err(),
            };
            if let Some(error) = error {
                let text = match kind {
                    VectorKind::Binary => "float vector are only supported",
                    VectorKind::Float => "binary vector is only supported",
                };
                assert!(error.message().contains(text), "{name}: {error}");
                assert_eq!(error.code(), Code::InvalidParameter, "{name}");
            }
        }
        assert!(bed.collection.list_indexes().expect("a list").is_empty());
        assert!(index_files(&bed.disk).is_empty());
    }
}

/// FLAT and IVF_FLAT on a binary field are BIN_FLAT and BIN_IVF_FLAT, as in Milvus 1.x, and described as they were asked for.
#[test]
fn the_names_of_milvus_1_on_binary_fields() {
    let bed = Bed::new(VectorKind::Binary);
    for case in working().iter().filter(|case| case.entry.name.starts_with("BIN_")) {
        let (new, metric) = (case.entry.name, case.metrics()[0].name());
        let old = &new["BIN_".len()..];
        let number = case.entry.index_type.id().to_string();
        for (asked, described) in [(old, old), (&old.to_lowercase(), old), (new, new), (&number, new)] {
            bed.create(&format!(r#"{{"index_type":"{asked}","metric_type":"{metric}"}}"#)).expect("an index");
            assert_eq!(bed.described()["index_type"], described, "{asked}");
        }
    }
}
