//! What cbindgen read against what the compiler saw: safer-ffi records the C form of every exported function from its
//! real types, so a misreading of `read` (a lost `const`, a type that means something else) shows here.

use crate::model::{Kind, Model, Type};
use crate::read;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A function as both sides can be brought to: return type, then parameters with their names.
type Signature = (String, Vec<(String, String)>);

#[test]
fn cbindgen_and_the_compiler_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace");
    let model = read::model(root).expect("src/ffi can be read");
    let file = std::env::temp_dir().join(format!("elanus-metadata-{}.json", std::process::id()));
    elanus::ffi::write_metadata(&file).expect("metadata");
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("metadata")).expect("JSON");
    std::fs::remove_file(&file).expect("the file is ours");

    let functions = model.objects.iter().flat_map(|o| &o.functions);
    let read: BTreeMap<&str, Signature> = functions
        .map(|f| {
            let parameters = f.parameters.iter().map(|p| (p.name.clone(), of_model(&model, &p.ty))).collect();
            (f.name.as_str(), (of_model(&model, &f.returns), parameters))
        })
        .collect();
    let seen: BTreeMap<&str, Signature> = seen
        .as_array()
        .expect("a list")
        .iter()
        .filter(|item| item["kind"] == "Function")
        .map(|f| (f["name"].as_str().expect("a name"), (of_metadata(&f["returnType"]), parameters(f))))
        .collect();
    assert!(read.len() > 40, "only {} functions were read", read.len());
    assert_eq!(read.keys().collect::<Vec<_>>(), seen.keys().collect::<Vec<_>>());
    for (name, signature) in &read {
        assert_eq!(signature, &seen[name], "{name}");
    }
}

fn parameters(function: &Value) -> Vec<(String, String)> {
    let all = function["valueParameters"].as_array().expect("parameters");
    all.iter().map(|p| (p["name"].as_str().expect("a name").to_owned(), of_metadata(&p["type"]))).collect()
}

fn of_model(model: &Model, ty: &Type) -> String {
    match ty {
        Type::Plain(name) => name.clone(),
        Type::Named(name) => match model.named(name).map(|t| &t.kind) {
            // safer-ffi sees the number behind the codes, which are a type of another layer.
            Some(Kind::Enum(_)) if name == "elanus_code" => "uint32_t".to_owned(),
            Some(Kind::Callback { parameters, returns }) => {
                let inside: Vec<String> = parameters.iter().map(|p| of_model(model, &p.ty)).collect();
                format!("{}({})", of_model(model, returns), inside.join(","))
            }
            _ => name.clone(),
        },
        Type::Pointer { to, constant, .. } => {
            format!("{}{}*", of_model(model, to), if *constant { " const" } else { "" })
        }
    }
}

fn of_metadata(ty: &Value) -> String {
    let kind = ty["kind"].as_str().unwrap_or_default();
    match kind {
        "Optional" | "NonNull" => of_metadata(&ty["type"]),
        "Pointer" => {
            format!("{}{}*", of_metadata(&ty["type"]), if ty["isMutable"] == true { "" } else { " const" })
        }
        "Function" => {
            let inside: Vec<String> = ty["valueParameters"]
                .as_array()
                .expect("parameters")
                .iter()
                .map(|p| of_metadata(p.get("type").unwrap_or(p)))
                .collect();
            format!("{}({})", of_metadata(&ty["returnType"]), inside.join(","))
        }
        "u8" | "u16" | "u32" | "u64" => format!("uint{}_t", &kind[1..]),
        "i8" | "i16" | "i32" | "i64" => format!("int{}_t", &kind[1..]),
        "usize" => "size_t".to_owned(),
        "f32" => "float".to_owned(),
        "f64" => "double".to_owned(),
        "bool" | "char" | "void" => kind.to_owned(),
        _ => ty["name"].as_str().unwrap_or(kind).to_owned(),
    }
}
