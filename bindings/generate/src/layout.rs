//! A C file that does not compile unless every number and every structure lies where it lay when the file was made: the
//! record of the binary interface. A change of it is a change of the interface, and shows in review.

use crate::model::{Kind, Model, Type, TypeItem};
use std::fmt::Write;

pub fn render(model: &Model) -> String {
    let mut out = String::from(
        "/* Generated from src/ffi by bindings/generate (`make bindings`): do not edit. */\n\
         #include \"elanus.h\"\n\n\
         /* C99 has no _Static_assert: an array cannot have -1 elements. */\n\
         #define HOLDS(what, condition) typedef char holds_##what[(condition) ? 1 : -1]\n\n",
    );
    for item in model.types() {
        if let Kind::Enum(variants) = &item.kind {
            let _ = writeln!(out, "HOLDS({0}, sizeof({0}) == 4);", item.name);
            for v in variants {
                let _ = writeln!(out, "HOLDS({0}, {0} == {1});", v.name, v.value);
            }
            out.push('\n');
        }
    }
    out += "#if UINTPTR_MAX == UINT64_MAX\n\n";
    for item in model.types() {
        structure(&mut out, model, item);
    }
    out += "#endif\n\nint main(void) { return 0; }\n";
    out
}

/// The names that the library exports, and no others.
pub fn symbols(model: &Model) -> String {
    let functions = model.objects.iter().flat_map(|o| &o.functions);
    let mut names: Vec<String> = functions.map(|f| f.name.clone() + "\n").collect();
    names.sort();
    names.concat()
}

fn structure(out: &mut String, model: &Model, item: &TypeItem) {
    let Kind::Struct(fields) = &item.kind else { return };
    let (mut end, mut widest) = (0usize, 1);
    for field in fields {
        let width = width(model, &field.ty);
        let offset = end.next_multiple_of(width);
        let _ = writeln!(
            out,
            "HOLDS({0}_{1}, offsetof({0}, {1}) == {offset} && sizeof(((const {0} *)0)->{1}) == {width});",
            item.name, field.name
        );
        (end, widest) = (offset + width, widest.max(width));
    }
    let _ = writeln!(out, "HOLDS({0}, sizeof({0}) == {1});\n", item.name, end.next_multiple_of(widest));
}

/// Bytes of a value, which are its alignment too, where a pointer has eight.
fn width(model: &Model, ty: &Type) -> usize {
    match ty {
        Type::Plain(name) if name.contains("64") => 8,
        Type::Plain(name) if name.contains("32") || name == "float" => 4,
        Type::Plain(name) if name == "bool" || name.contains("int8") => 1,
        Type::Plain(name) if name.contains("16") => 2,
        Type::Named(name) if matches!(model.named(name).map(|t| &t.kind), Some(Kind::Enum(_))) => 4,
        _ => 8, // size_t, double, pointers and callbacks
    }
}
