//! From `src/ffi/*.rs` to the model, by cbindgen.
//!
//! cbindgen reads Rust without expanding macros, so it is told first, as text, what safer-ffi's attribute and types
//! mean in C. What it makes of that is compared with what the compiler made of it in `crosscheck`.

use crate::model::{Constant, Field, Function, Kind, Model, Object, Parameter, Type, TypeItem, Variant};
use cbindgen::ir::{AnnotationSet, Documentation, ItemContainer, Literal, Type as Read};
use cbindgen::{Bindings, Builder, Config, EnumConfig, ExportConfig, Language, RenameRule};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::{env, fs, process};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How cbindgen is told to read safer-ffi.
const READ_AS: [(&str, &str); 10] = [
    ("#[repr(u32)]", "#[repr(C)]"),
    ("#[ffi_export]", "#[unsafe(no_mangle)]"),
    ("char_p::Ref<'static>", "&c_char"),
    ("char_p::Ref<'_>", "&c_char"),
    ("char_p::Ref<'a>", "&c_char"),
    ("char_p::Box", "Box<c_char>"),
    ("repr_c::Box<", "Box<"),
    ("ErrorOut<'_>", "Option<&mut Option<Box<Failure>>>"),
    ("<'_>", ""),
    ("<'a>", ""),
];

/// Types that C knows by another name and that no `derive_ReprC` names.
const RENAMED: [(&str, &str); 2] =
    [("Code", "elanus_code"), ("ProgressCallback", "elanus_progress_callback")];

pub fn model(root: &Path) -> Result<Model> {
    let folder = root.join("src/ffi");
    let names = modules(&fs::read_to_string(folder.join("mod.rs"))?);
    let mut files = Vec::new();
    for name in names {
        let text = fs::read_to_string(folder.join(&name).with_extension("rs"))?;
        files.push((name, text));
    }
    // The codes are the engine's own; the header shows them with the error object.
    let codes = fs::read_to_string(root.join("src/error.rs"))?;
    let codes = codes.split("\nimpl Code").next().unwrap_or(&codes).to_owned();
    let mut text: String = files.iter().map(|(_, text)| prepared(text)).collect();
    text += &prepared(&codes);
    let bindings = bindings(&text)?;

    let mut objects: Vec<Object> = files
        .iter()
        .map(|(name, text)| Object {
            name: name.clone(),
            doc: text.lines().map_while(|l| l.strip_prefix("//!")).map(|l| l.trim().to_owned()).collect(),
            constants: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
        })
        .collect();
    let place = |declaration: String| {
        let files = files.iter().map(|(_, text)| text);
        let in_codes = || {
            codes
                .contains(&declaration)
                .then(|| files.clone().position(|t| t.contains("impl ReprC for Code")))?
        };
        files
            .clone()
            .position(|text| text.contains(&declaration))
            .or_else(in_codes)
            .ok_or_else(|| format!("no file declares `{declaration}`"))
    };
    for constant in &bindings.constants {
        let Literal::Expr(value) = &constant.value else {
            return Err(format!("{} is no plain number", constant.export_name).into());
        };
        let at = place(format!("const {}:", constant.path.name()))?;
        objects[at].constants.push(Constant {
            name: constant.export_name.clone(),
            doc: lines(&constant.documentation),
            value: value.clone(),
        });
    }
    for item in &bindings.items {
        let (rust, item) = type_item(item)?;
        let at = place(format!("struct {rust}"))
            .or_else(|_| place(format!("enum {rust} ")))
            .or_else(|_| place(format!("type {rust} ")))?;
        objects[at].types.push(item);
    }
    for f in &bindings.functions {
        let at = place(format!("fn {}(", f.path.name()))?;
        objects[at].functions.push(function(f)?);
    }
    // cbindgen sorts some items; the files' own order is the one to show.
    for (object, (_, text)) in objects.iter_mut().zip(&files) {
        object.types.sort_by_key(|t| text.find(&format!("rename = \"{}\"", t.name)));
        object.functions.sort_by_key(|f| text.find(&format!("fn {}(", f.name)));
    }
    Ok(Model { version: env!("CARGO_PKG_VERSION").to_owned(), objects })
}

/// The public modules, in order.
fn modules(text: &str) -> Vec<String> {
    text.lines().filter_map(|l| Some(l.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned())).collect()
}

/// One file as cbindgen can read it, after others.
fn prepared(text: &str) -> String {
    let body = text.lines().filter(|l| !l.starts_with("//!") && !l.starts_with("mod "));
    let mut text = body.collect::<Vec<_>>().join("\n") + "\n";
    while let Some(at) = text.find("Out<'_, ") {
        let inner = at + "Out<'_, ".len();
        let mut depth = 1;
        let end = text[inner..].find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>');
            depth == 0
        });
        let Some(end) = end else { break };
        text = format!("{}&mut {}{}", &text[..at], &text[inner..inner + end], &text[inner + end + 1..]);
    }
    for (rust, c) in READ_AS {
        text = text.replace(rust, c);
    }
    text
}

fn bindings(text: &str) -> Result<Bindings> {
    let mut rename: HashMap<String, String> = RENAMED.map(|(r, c)| (r.to_owned(), c.to_owned())).into();
    for part in text.split("#[derive_ReprC(rename = \"").skip(1) {
        let c = part.split('"').next().unwrap_or_default();
        let declared = part.lines().find_map(|l| {
            let rest = l.strip_prefix("pub struct ").or_else(|| l.strip_prefix("pub enum "))?;
            rest.split([' ', '(', '<']).next()
        });
        rename.insert(declared.ok_or_else(|| format!("{c} names no public type"))?.to_owned(), c.to_owned());
    }
    let config = Config {
        language: Language::C,
        usize_is_size_t: true,
        export: ExportConfig { include: rename.keys().cloned().collect(), rename, ..Default::default() },
        enumeration: EnumConfig {
            rename_variants: RenameRule::QualifiedScreamingSnakeCase,
            ..Default::default()
        },
        ..Default::default()
    };
    let flat = env::temp_dir().join(format!("elanus-ffi-{}.rs", process::id()));
    fs::write(&flat, text)?;
    let bindings = Builder::new().with_config(config).with_src(&flat).generate();
    if bindings.is_ok() {
        fs::remove_file(&flat)?;
    }
    Ok(bindings?)
}

fn lines(documentation: &Documentation) -> Vec<String> {
    let mut lines: Vec<String> = documentation
        .doc_comment
        .iter()
        .map(|l| l.strip_prefix(' ').unwrap_or(l).trim_end().to_owned())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn ty(read: &Read) -> Result<Type> {
    Ok(match read {
        Read::Ptr { ty: to, is_const, is_nullable, .. } => {
            Type::Pointer { to: Box::new(ty(to)?), constant: *is_const, nullable: *is_nullable }
        }
        Read::Path(path) => Type::Named(path.export_name().to_owned()),
        Read::Primitive(primitive) => {
            let config = Config { usize_is_size_t: true, ..Config::default() };
            Type::Plain(primitive.to_repr_c(&config).to_owned())
        }
        other => return Err(format!("this interface has no such type: {other:?}").into()),
    })
}

fn parameters<'a>(read: impl Iterator<Item = (&'a Option<String>, &'a Read)>) -> Result<Vec<Parameter>> {
    read.map(|(name, t)| {
        Ok(Parameter { name: name.clone().ok_or("a parameter without a name")?, ty: ty(t)? })
    })
    .collect()
}

fn annotated(annotations: &AnnotationSet, name: &str) -> Option<String> {
    annotations.atom(name).flatten()
}

/// A type with its name in Rust.
fn type_item(item: &ItemContainer) -> Result<(String, TypeItem)> {
    let (rust, name, documentation, kind) = match item {
        ItemContainer::OpaqueItem(o) => {
            let foreign = o.annotations.bool("foreign").unwrap_or(false);
            (&o.path, &o.export_name, &o.documentation, Kind::Opaque { foreign })
        }
        ItemContainer::Struct(s) => {
            let field = |f: &cbindgen::ir::Field| {
                let initial = annotated(&f.annotations, "init");
                Ok(Field { name: f.name.clone(), doc: lines(&f.documentation), ty: ty(&f.ty)?, initial })
            };
            let fields = s.fields.iter().map(field).collect::<Result<_>>()?;
            (&s.path, &s.export_name, &s.documentation, Kind::Struct(fields))
        }
        ItemContainer::Enum(e) => {
            let variant = |v: &cbindgen::ir::EnumVariant| {
                let Some(Literal::Expr(value)) = &v.discriminant else {
                    return Err(format!("{} has no number", v.export_name).into());
                };
                Ok(Variant {
                    name: v.export_name.clone(),
                    doc: lines(&v.documentation),
                    value: value.parse()?,
                })
            };
            let variants = e.variants.iter().map(variant).collect::<Result<_>>()?;
            (&e.path, &e.export_name, &e.documentation, Kind::Enum(variants))
        }
        ItemContainer::Typedef(t) => {
            let Read::FuncPtr { ret, args, .. } = &t.aliased else {
                return Err(format!("{} is neither a structure nor a callback", t.export_name).into());
            };
            let parameters = parameters(args.iter().map(|(name, t)| (name, t)))?;
            (&t.path, &t.export_name, &t.documentation, Kind::Callback { parameters, returns: ty(ret)? })
        }
        other => return Err(format!("this interface has no such item: {other:?}").into()),
    };
    Ok((rust.name().to_owned(), TypeItem { name: name.clone(), doc: lines(documentation), kind }))
}

fn function(f: &cbindgen::ir::Function) -> Result<Function> {
    let name = f.path.name().to_owned();
    let doc = lines(&f.documentation);
    let since = doc.iter().rev().find_map(|l| l.split("Since ").nth(1)).and_then(|s| s.strip_suffix('.'));
    Ok(Function {
        since: since.ok_or_else(|| format!("{name} does not end in `Since <version>.`"))?.to_owned(),
        parameters: parameters(f.args.iter().map(|a| (&a.name, &a.ty)))?,
        returns: ty(&f.ret)?,
        blocking: f.annotations.bool("blocking").unwrap_or(false),
        name,
        doc,
    })
}
