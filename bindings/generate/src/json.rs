//! The model as JSON, for the emitters of other languages.

use crate::model::{Kind, Model, Object, Parameter, Type, TypeItem};
use serde_json::{Value, json};

pub fn render(model: &Model) -> serde_json::Result<String> {
    let objects: Vec<Value> = model.objects.iter().map(object).collect();
    let whole = json!({
        "generated": "from src/ffi by bindings/generate (`make bindings`): do not edit",
        "version": model.version,
        "objects": objects,
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn object(object: &Object) -> Value {
    let constants = object.constants.iter().map(|c| json!({"name": c.name, "doc": c.doc, "value": c.value}));
    let functions = object.functions.iter().map(|f| {
        json!({
            "name": f.name, "doc": f.doc, "since": f.since, "blocking": f.blocking,
            "parameters": parameters(&f.parameters), "returns": ty(&f.returns),
        })
    });
    json!({
        "name": object.name,
        "doc": object.doc,
        "constants": constants.collect::<Vec<_>>(),
        "types": object.types.iter().map(type_item).collect::<Vec<_>>(),
        "functions": functions.collect::<Vec<_>>(),
    })
}

fn type_item(item: &TypeItem) -> Value {
    let (kind, key, inside) = match &item.kind {
        Kind::Opaque { foreign } => ("opaque", "foreign", json!(foreign)),
        Kind::Struct(fields) => (
            "struct",
            "fields",
            fields
                .iter()
                .map(|f| json!({"name": f.name, "doc": f.doc, "type": ty(&f.ty), "initial": f.initial}))
                .collect(),
        ),
        Kind::Enum(variants) => (
            "enum",
            "variants",
            variants.iter().map(|v| json!({"name": v.name, "doc": v.doc, "value": v.value})).collect(),
        ),
        Kind::Callback { parameters: p, returns } => {
            ("callback", "signature", json!({"parameters": parameters(p), "returns": ty(returns)}))
        }
    };
    json!({"name": item.name, "doc": item.doc, "kind": kind, key: inside})
}

fn parameters(all: &[Parameter]) -> Value {
    all.iter().map(|p| json!({"name": p.name, "type": ty(&p.ty)})).collect()
}

fn ty(of: &Type) -> Value {
    match of {
        Type::Plain(name) => json!(name),
        Type::Named(name) => json!({"named": name}),
        Type::Pointer { to, constant, nullable } => {
            json!({"pointer": ty(to), "const": constant, "nullable": nullable})
        }
    }
}
