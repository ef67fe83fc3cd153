//! Any text as a schema, an index description, search parameters or options: refused or read, never a panic; and what
//! is read is written so that it reads back the same.
#![no_main]

use elanus::database::Options;
use elanus::index::catalog::scalar::{FieldKind, ScalarKind, Spec};
use elanus::index::catalog::{IndexSpec, VectorKind};
use elanus::schema::{Schema, check_collection_name, check_index_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, &str)| {
    let (kind, number, text) = input;
    match kind % 4 {
        0 => {
            if let Ok(schema) = Schema::from_json(text) {
                assert_eq!(Schema::from_json(&schema.to_json().to_string()).unwrap(), schema);
            }
        }
        1 => {
            let kind = if number % 2 == 0 { VectorKind::Float } else { VectorKind::Binary };
            let dim = usize::from(number) / 2 % 4096 + 1;
            if let Ok(spec) = IndexSpec::from_json(text, kind, dim) {
                assert_eq!(IndexSpec::from_json(&spec.to_json().to_string(), kind, dim).unwrap(), spec);
            }
            for kind in [ScalarKind::Bool, ScalarKind::Number, ScalarKind::Text].map(FieldKind::Scalar) {
                if let Ok(spec) = Spec::from_json(text, kind) {
                    assert_eq!(Spec::from_json(&spec.to_json().to_string(), kind).unwrap(), spec);
                }
            }
        }
        2 => {
            for kind in ["FLAT", "IVF_FLAT", "HNSW"] {
                let description = format!(
                    r#"{{"index_type":"{kind}","metric_type":"IP","params":{{"nlist":9,"M":8,"efConstruction":9}}}}"#
                );
                let spec = IndexSpec::from_json(&description, VectorKind::Float, 8).unwrap();
                let _ = spec.search_params(text, usize::from(number) % 16384 + 1);
            }
        }
        _ => {
            if let Ok(options) = Options::from_json(text) {
                options.check().unwrap();
            }
            let _ = (check_collection_name(text), check_index_name(text));
        }
    }
});
